"""Interchange with `transitions`: build the real machine of a declaration, and take anybody's in.

What lives here: all that knows `transitions`, which is why no other file of this package imports it. What must not:
running; a machine taken in runs by its table, and a ``Driver`` lets `transitions` itself run. The law of this file:
nothing is lost on the way there and back, and what cannot be taken in whole is refused in one sentence.

What differs, on purpose, for a machine taken in:

- Auto transitions (``to_X``) are left out unless asked for.
- A queued machine answers each trigger with its step, not with the True of its queue.
- Hooks are told for the row taken; `transitions` also prepares rows whose guards then fail.
- An AsyncMachine is taken in for its structure and its unguarded rows; a guard that must be awaited is refused. None is
  ever built: in 0.9.3 it swallows cancellation.
- Nested and parallel states have no flat table here and are refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any, TypeAlias, TypeGuard

import attrs
import transitions
from transitions.core import Condition, EventData
from transitions.extensions.asyncio import AsyncMachine
from transitions.extensions.nesting import HierarchicalMachine

from lifecycle.declaration.judging import Fault
from lifecycle.declaration.machine import Machine
from lifecycle.declaration.running import answer
from lifecycle.declaration.table import FlatRow
from lifecycle.declaration.vocabulary import Guard, Row, State, name_of_test
from lifecycle.errors import DefinitionError, Invalid

OnHook: TypeAlias = Callable[[Any, object], object]
"""What is called with the model and each hook, in order, after a transition."""


@attrs.frozen
class Callback:
    """Be the hook that stands for a callback of `transitions`: when it would be called, its name, and itself."""

    when: str
    name: str
    call: object = attrs.field(default=None, repr=False)


# To transitions


class DeclaredState(transitions.State):
    """Carry a declared state through `transitions`, so that it can be taken in again whole."""

    def __init__(self, declared: State) -> None:
        name: Any = declared.name if declared.value is None else declared.value
        super().__init__(name, ignore_invalid_triggers=declared.ignore_invalid_triggers, final=declared.final)
        self.declared = declared


class DeclaredCondition(Condition):
    """Carry a guard: its test, or its name, which `transitions` finds on the model."""

    def __init__(self, guard: Guard, wanted: bool) -> None:
        func: Any = guard.name if guard.test is None else guard.test
        super().__init__(func, wanted)
        self.guard = guard


class DeclaredTransition(transitions.Transition):
    """Carry a row: its guards are asked by `transitions`, its hooks handed on once it is taken."""

    def __init__(self, declared: Row, flat: FlatRow, on_hook: OnHook) -> None:
        dest: Any = None if flat.internal else flat.dest
        super().__init__(flat.source, dest)
        self.conditions = [DeclaredCondition(guard, wanted) for guard, wanted in flat.guards]
        self.declared = declared
        self.hooks = flat.hooks
        self.on_hook = on_hook

    def execute(self, event_data: EventData) -> bool:
        taken = super().execute(event_data)
        for hook in self.hooks if taken else ():
            self.hand_on(event_data.model, hook)
        return taken

    def hand_on(self, model: Any, hook: object) -> None:
        """Hand a hook on."""
        self.on_hook(model, hook)


def _to_model(model: Any, hook: object) -> None:
    """Hand a hook to the model's ``on_hook``, if it has one."""
    receive = getattr(model, "on_hook", None)
    if receive is not None:
        receive(hook)


def to_transitions(
    machine: Machine, model: Any = None, on_hook: OnHook = _to_model, **kwargs: Any
) -> transitions.Machine:
    """Build the `transitions.Machine` of a declaration: one per declaration, with as many models as you add.

    Each hook of a transition is handed, after it, to ``on_hook(model, hook)``; by default that is
    ``model.on_hook(hook)``. A guard with a test is called with the trigger's arguments, one without is looked up on
    the model. A refused trigger raises MachineError and an ignored one returns False. Building costs about 200 µs and
    judges nothing. Further keywords are those of `transitions.Machine`.

    >>> door = Machine("door", ("open", "shut"), (Row("open", "push", "shut", edge="click"),), "open")
    >>> class Model:
    ...     def on_hook(self, hook):
    ...         print(hook)
    >>> model = Model()
    >>> built = to_transitions(door, model)
    >>> model.push(), model.state
    click
    (True, 'shut')
    """
    built = transitions.Machine(
        model=None,
        states=[DeclaredState(state) for state in machine.dispatch.states.values()],
        initial=machine.initial if machine.initial in machine.table.rows else None,
        auto_transitions=False,
        send_event=isinstance(machine.ask, Convention) and machine.ask.machine.send_event,
        name=machine.name,
        **kwargs,
    )
    _add_events(built, machine)
    _add_rows(built, machine, on_hook)
    vars(built)["declared"] = machine
    if model is not None:
        built.add_model(model)
    return built


def _add_events(built: transitions.Machine, machine: Machine) -> None:
    """Declare every trigger, also those that are only refused or ignored, and ignore what is ignored.

    An event that has a state with no transitions answers False there, instead of raising: that is to ignore.
    """
    for trigger in machine.triggers:
        built.add_transition(trigger, [], None)
    for state in machine.dispatch.states.values():
        for trigger in (*state.refuses, *state.ignores):
            built.add_transition(trigger, [], None)
        for trigger in state.ignores:
            built.events[trigger].transitions[state.name] = []


def _add_rows(built: transitions.Machine, machine: Machine, on_hook: OnHook) -> None:
    for flat in machine.table.flat():
        declared = machine.rows[flat.place]
        built.events[flat.trigger].add_transition(DeclaredTransition(declared, flat, on_hook))


# From transitions


def from_transitions(machine: transitions.Machine, name: str | None = None, auto_transitions: bool = False) -> Machine:
    """Take anybody's machine in: its table is what it would do, its callbacks are ``Callback`` hooks.

    Guards are asked as `transitions` asks them: with the values as keyword arguments (a value named ``args``, a
    tuple, as the positional ones), or with an EventData where ``send_event`` is set. A guard that is a name is
    looked up on the machine's model if there is exactly one, and otherwise among the values. The model's own state is
    neither read nor changed.

    >>> there = transitions.Machine(states=["open", "shut"], transitions=[["push", "open", "shut"]], initial="open")
    >>> from_transitions(there, "door").send("open", "push").state
    'shut'
    """
    called = name or machine.name.removesuffix(": ") or type(machine).__name__
    _refuse_nested(machine, called)
    declared = vars(machine).get("declared")
    rows = tuple(_transitions_of(machine, auto_transitions))
    return Machine(
        called,
        [_state_from(machine, state) for state in machine.states.values()],
        [_row_from(machine, trigger, one) for trigger, one in rows],
        machine.initial,
        declared.birth if isinstance(declared, Machine) else None,
        ask=Convention(machine, tuple(one for _, one in rows)),
    )


def _refuse_nested(machine: transitions.Machine, name: str) -> None:
    if isinstance(machine, HierarchicalMachine):
        kind, nests = type(machine).__name__, any(state.states for state in machine.states.values())
        has = (
            "has nested or parallel states"
            if nests
            else "may nest states and finds them otherwise, also if none is nested"
        )
        text = f"a {kind} {has}, and a table is flat"
        fault = Fault("nested state", f"machine {name}", text)
        raise DefinitionError(f"machine {name}", text, "take in a flat Machine of the same rows", faults=(fault,))


def _callbacks(when: str, calls: Iterable[Any]) -> tuple[Callback, ...]:
    return tuple(Callback(when, one if isinstance(one, str) else name_of_test(one), one) for one in calls)


def _state_from(machine: transitions.Machine, state: transitions.State) -> State:
    declared = state.declared if isinstance(state, DeclaredState) else State(state.name)
    own = state.ignore_invalid_triggers
    return State(
        state.name,
        declared.holds,
        bool(state.final),
        declared.refuses,
        tuple(trigger for trigger, event in machine.events.items() if event.transitions.get(state.name) == []),
        on_enter=(*declared.on_enter, *_callbacks("on_enter", state.on_enter)),
        on_exit=(*declared.on_exit, *_callbacks("on_exit", state.on_exit)),
        ignore_invalid_triggers=bool(machine.ignore_invalid_triggers if own is None else own),
        value=state.value if isinstance(state.value, Enum) else None,
    )


def _transitions_of(machine: transitions.Machine, keep_auto: bool) -> Iterator[tuple[str, transitions.Transition]]:
    """Give every transition with its trigger, first match first within each source."""
    for trigger, event in machine.events.items():
        for several in event.transitions.values():
            for one in several:
                if keep_auto or not _is_auto(machine, trigger, one):
                    yield trigger, one


def _is_auto(machine: transitions.Machine, trigger: str, one: transitions.Transition) -> bool:
    """Know an auto transition by its name; one that was given guards or callbacks means something and is not one."""
    prefix = "to_" if machine.model_attribute == "state" else f"to_{machine.model_attribute}_"
    plain = not (one.conditions or one.prepare or one.before or one.after)
    return bool(machine.auto_transitions and plain and trigger == f"{prefix}{one.dest}")


def _guards_from(one: transitions.Transition, wanted: bool) -> tuple[Guard, ...]:
    return tuple(_guard_from(condition) for condition in one.conditions if condition.target is wanted)


def _guard_from(condition: Condition) -> Guard:
    if isinstance(condition, DeclaredCondition):
        return condition.guard
    func: Any = condition.func
    return Guard(func) if isinstance(func, str) else Guard(name_of_test(func), func)


def _row_from(machine: transitions.Machine, trigger: str, one: transitions.Transition) -> Row:
    """Read a transition: the machine's own callbacks stand around its own, in the order they would be called."""
    declared = one.declared if isinstance(one, DeclaredTransition) else Row(one.source, trigger, one.dest)
    return Row(
        one.source,
        trigger,
        one.dest,
        declared.edge,
        _guards_from(one, True),
        _guards_from(one, False),
        before=(
            *_callbacks("prepare_event", machine.prepare_event),
            *_callbacks("prepare", one.prepare),
            *_callbacks("before_state_change", machine.before_state_change),
            *_callbacks("before", one.before),
            *declared.before,
        ),
        after=(
            *declared.after,
            *_callbacks("on_final", machine.on_final if _enters_final(machine, one) else ()),
            *_callbacks("after", one.after),
            *_callbacks("after_state_change", machine.after_state_change),
            *_callbacks("finalize_event", machine.finalize_event),
        ),
    )


def _enters_final(machine: transitions.Machine, one: transitions.Transition) -> bool:
    return any(name == one.dest and bool(state.final) for name, state in machine.states.items())


# Asking foreign guards


@attrs.frozen(eq=False)
class Convention:
    """Ask guards as the machine they were declared on asks them; ``taken_in`` are its transitions by place."""

    machine: transitions.Machine
    taken_in: tuple[transitions.Transition, ...] = attrs.field(repr=False)

    def __call__(self, guard: Guard, row: FlatRow, values: Mapping[str, object]) -> object:
        """Ask one guard; refuse an answer that would have to be awaited."""
        if guard.test is None and guard.name in values and not hasattr(self._model(), guard.name):
            return answer(guard, row, values)
        event = self._event(row, values)
        func: Any = guard.test or self._find(guard, event)
        return _told(guard, func(event) if self.machine.send_event else func(*event.args, **event.kwargs))

    @property
    def timeouts(self) -> Mapping[str, tuple[float, tuple[str, ...]]]:
        """Give, for each state with a timeout, its seconds and the names of what is called when they are over."""
        states: Mapping[str, Any] = self.machine.states
        return {
            name: (state.timeout, tuple(one.name for one in _callbacks("on_timeout", state.on_timeout)))
            for name, state in states.items()
            if getattr(state, "timeout", 0)
        }

    def _model(self) -> object:
        """Give the machine's model, if there is no doubt which."""
        return self.machine.models[0] if len(self.machine.models) == 1 else None

    def _find(self, guard: Guard, event: EventData) -> object:
        """Find a named guard as `transitions` does: on the model, else by its dotted path."""
        try:
            return self.machine.resolve_callable(guard.name, event)
        except AttributeError as error:
            raise Invalid(
                f"guard {guard.name}",
                "neither a model nor a value nor a module has it",
                f"pass {guard.name}=... with the trigger",
                guard=guard.name,
            ) from error

    def _event(self, row: FlatRow, values: Mapping[str, object]) -> EventData:
        """Build what `transitions` would show a guard: the row's state, event and transition, and the values."""
        machine: Any = self.machine
        kwargs = {name: value for name, value in values.items() if name != "args"}
        args: Any = values.get("args", ())
        event = EventData(
            machine.get_state(row.source), machine.events[row.trigger], machine, self._model(), tuple(args), kwargs
        )
        event.transition = self.taken_in[row.place]
        return event


def _told(guard: Guard, given: object) -> object:
    if inspect.isawaitable(given):
        getattr(given, "close", lambda: None)()
        raise Invalid(f"guard {guard.name}", "its answer must be awaited, a table asks at once", "make it a function")
    return given


# Driving the real machine


def is_of_transitions(value: object) -> TypeGuard[transitions.Machine]:
    """Say whether this is a machine of `transitions`, of whatever kind."""
    return isinstance(value, transitions.Machine)


Thrown: TypeAlias = Exception | SystemExit
"""What the author's code may raise and is told of it: also that the process should end, which is not for it to say."""


@attrs.frozen
class Driven:
    """Tell what a trigger did to a model: the rows taken, by their places, what guards answered, what was raised."""

    taken: tuple[int, ...]
    asked: tuple[tuple[str, bool], ...]
    raised: Thrown | None = None


Asking: TypeAlias = Callable[[str, Callable[[], bool]], bool]
"""What is called with a guard's name, and with what asks it."""

Calling: TypeAlias = Callable[[str, Callable[[], object]], object]
"""What is called with a callback's name, and with what calls it."""


class Driver:
    """Drive the real machine that was taken in, callbacks and all, on one of its models, and watch what it does.

    ``asking`` stands around each guard that is asked, ``calling`` around each callback that is called; unless told
    otherwise, they ask and call. ``passing`` is called where a trigger that a callback sent is about to be handled: there
    the model is in the middle of what was sent.
    """

    def __init__(self, taken_in: Machine, model: Any) -> None:
        if not isinstance(taken_in.ask, Convention):
            raise Invalid(f"machine {taken_in.name}", "it does not come from transitions", "take it in first")
        self.machine: Any = taken_in.ask.machine
        self.model = model
        self.attribute = str(self.machine.model_attribute)
        self.asking: Asking = lambda name, ask: ask()
        self.calling: Calling = lambda name, call: call()
        self.passing: Callable[[], object] = lambda: None
        self._depth = 0
        self._rows = taken_in.ask.taken_in
        self._taken: list[int] = []
        self._asked: list[tuple[str, bool]] = []

    @property
    def state(self) -> str:
        """Be the name of the state the model is in."""
        return str(self.machine.get_model_state(self.model).name)

    @property
    def listens_always(self) -> bool:
        """Say whether callbacks are called for a trigger that is refused, too."""
        return bool(self.machine.finalize_event or self.machine.on_exception)

    def last_resorts(self) -> tuple[object, ...]:
        """Give the callbacks that no row names: what is called when one raises."""
        return tuple(self.machine.on_exception)

    def not_of_the_model(self) -> frozenset[str]:
        """Name the attributes of the model that are the machine's: its triggers, and all of its own if it is the model."""
        bound = {name for name, value in vars(self.model).items() if _is_bound_by_machine(value)}
        return frozenset(bound | (_of_the_library(self.machine) if self.model is self.machine else set()))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the rows and guards of the machine; afterwards it is as it was."""
        conditions = [condition for row in self._rows for condition in row.conditions]
        for place, row in enumerate(self._rows):
            vars(row)["execute"] = self._noting(place, row.execute)
            if isinstance(row, DeclaredTransition):
                vars(row)["hand_on"] = self._handing_on(row)
        for condition in conditions:
            vars(condition)["check"] = self._answering(condition)
        vars(self.machine)["callback"] = self._telling(self.machine.callback)
        try:
            yield
        finally:
            del vars(self.machine)["callback"]
            for row in self._rows:
                vars(row).pop("execute", None)
                vars(row).pop("hand_on", None)
            for condition in conditions:
                vars(condition).pop("check", None)

    def _noting(self, place: int, execute: Callable[[EventData], bool]) -> Callable[[EventData], bool]:
        def noted(event: EventData) -> bool:
            if self._depth or self._taken:
                self.passing()
            self._depth += 1
            try:
                taken = execute(event)
            finally:
                self._depth -= 1
            if taken:
                self._taken.append(place)
            return taken

        return noted

    def _telling(self, callback: Callable[[Any, EventData], object]) -> Callable[[Any, EventData], object]:
        def told(func: Any, event: EventData) -> object:
            name = func if isinstance(func, str) else name_of_test(func)
            return self.calling(name, lambda: callback(func, event))

        return told

    def _handing_on(self, row: DeclaredTransition) -> Callable[[Any, object], object]:
        return lambda model, hook: self.calling("on_hook", lambda: row.on_hook(model, hook))

    def _answering(self, condition: Condition) -> Callable[[EventData], bool]:
        name = condition.func if isinstance(condition.func, str) else name_of_test(condition.func)
        check = type(condition).check

        def answered(event: EventData) -> bool:
            holds = self.asking(name, lambda: check(condition, event))
            self._asked.append((name, holds is condition.target))
            return holds

        return answered

    def send(self, trigger: str, args: tuple[object, ...], values: Mapping[str, object]) -> Driven:
        """Send a trigger to the model; what is raised is told, except that the state refuses it."""
        self._taken, self._asked = [], []
        refused = self.state not in self.machine.events[trigger].transitions
        raised: Thrown | None = None
        try:
            self.machine.events[trigger].trigger(self.model, *args, **values)
        except (Exception, SystemExit) as error:  # the author's code: whatever it raises is told
            raised = None if refused and isinstance(error, transitions.MachineError) else error
        return Driven(tuple(self._taken), tuple(self._asked), raised)


def driver_of(taken_in: Machine, model: Any) -> Driver | None:
    """Return what drives the machine on ``model``, else on its only model; none if it has none, or must be awaited."""
    machine = taken_in.ask.machine if isinstance(taken_in.ask, Convention) else None
    if machine is None or isinstance(machine, AsyncMachine):
        return None
    if model is None and len(machine.models) > 1:
        raise Invalid(f"machine {taken_in.name}", f"it has {len(machine.models)} models", "say which: model=...")
    if model is not None and not any(one is model for one in machine.models):
        raise Invalid(f"machine {taken_in.name}", "this is no model of it", "add it first: machine.add_model(model)")
    chosen = model if model is not None else next(iter(machine.models), None)
    return None if chosen is None else Driver(taken_in, chosen)


def _is_bound_by_machine(value: object) -> bool:
    """Know what `transitions` puts on a model: triggers, may_..., is_... are partials of its own methods."""
    owner = getattr(value.func, "__self__", None) if isinstance(value, partial) else None
    return isinstance(owner, (transitions.Machine, transitions.Event))


def _of_the_library(machine: transitions.Machine) -> set[str]:
    """Name what every machine of its kind has; whatever else it has is its author's."""
    kind: Any = next(one for one in type(machine).__mro__ if one.__module__.partition(".")[0] == "transitions")
    return {*vars(kind(model=None, initial=None)), "callback"}
