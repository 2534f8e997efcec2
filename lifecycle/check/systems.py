"""Systems: what somebody's machine does next, from wherever it is.

What lives here: one step of a machine, by its table alone, or by `transitions` on a model. What must not: a search, and
any judgement. The law of this file: a step depends on the situation and the event, and leaves both as they were.

A machine without a model has guards that are only names: each may answer either way, and both are tried.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeAlias, TypeVar

import attrs

from lifecycle.check.properties import Event, Question
from lifecycle.check.snapshots import Photographer, Snapshot, text_of
from lifecycle.check.surroundings import Surroundings
from lifecycle.declaration import FlatRow, Guard, Machine
from lifecycle.declaration.interchange import Callback, Driver, Thrown
from lifecycle.declaration.running import Sent, send
from lifecycle.errors import Invalid

RowKey: TypeAlias = tuple[str, int]
"""A row by its source and its place in the declaration."""

Asked: TypeAlias = tuple[tuple[str, object], ...]
"""The guards that were asked, in order, each with its answer."""


@attrs.frozen(eq=False)
class Situation:
    """Where a machine is: its state, and what its model is besides."""

    key: Hashable
    state: str
    snapshot: Snapshot | None = None
    unshown: frozenset[str] = frozenset()

    def texts(self) -> dict[str, str]:
        """Return the state and the attributes of the model, as they are shown."""
        values = {} if self.snapshot is None else self.snapshot.values
        return {"state": self.state} | {
            name: text_of(value) for name, value in values.items() if name not in self.unshown
        }

    def __str__(self) -> str:
        return ", ".join(f"{name}: {text}" for name, text in self.texts().items())


@attrs.frozen(eq=False)
class Step:
    """What an event did: where it led, the rows it took, what guards answered, what was raised.

    ``passed`` are the situations in which a trigger was handled that a callback sent.
    """

    label: str
    trigger: str
    after: Situation
    taken: tuple[RowKey, ...]
    asked: Asked
    raised: Thrown | None = None
    passed: tuple[Situation, ...] = ()


T = TypeVar("T")


class Watch(Protocol):
    """What stands around the author's code while it is called."""

    def guard(self, name: str, ask: Callable[[], T]) -> T:
        """Ask a guard."""

    def callback(self, name: str, call: Callable[[], T]) -> T:
        """Call a callback."""


class System(Protocol):
    """A machine that can be put anywhere and sent anything."""

    machine: Machine

    def at_work(self) -> AbstractContextManager[None]:
        """Be what surrounds all use; afterwards everything is as it was."""

    def start(self) -> Situation | None:
        """Return where the machine is at first; none if it starts nowhere."""

    def steps(self, at: Situation, event: Event, watch: Watch) -> list[Step]:
        """Return what an event may do."""

    def ask(self, question: Question, at: Situation) -> object:
        """Ask what a property asks."""

    def surroundings(self) -> Surroundings:
        """Return what its code can reach besides what a situation tells, as it is now."""


class TableSystem:
    """A machine by its table alone."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def at_work(self) -> AbstractContextManager[None]:
        """Be nothing: a table is never changed."""
        return nullcontext()

    def start(self) -> Situation | None:
        """Return the initial state, or the one it is born into."""
        birth = self.machine.birth
        state = self.machine.initial if birth is None else birth.dest
        return Situation(state, state) if state is not None and state in self.machine.table.rows else None

    def steps(self, at: Situation, event: Event, watch: Watch) -> list[Step]:
        """Return what an event may do, for all answers of guards that are open."""
        rows = self.machine.table.rows[at.state].get(event.trigger)
        return [] if rows is None else list(self._outcomes(at, event, watch))

    def _outcomes(self, at: Situation, event: Event, watch: Watch) -> Iterator[Step]:
        todo: list[dict[str, bool]] = [{}]
        while todo:
            supposed = todo.pop()
            try:
                yield self._step(at, event, supposed, watch)
            except OpenGuard as guard:
                todo += [{**supposed, guard.name: answer} for answer in (False, True)]

    def _step(self, at: Situation, event: Event, supposed: dict[str, bool], watch: Watch) -> Step:
        asked: list[tuple[str, object]] = []

        def ask(guard: Guard, row: FlatRow, values: Mapping[str, object]) -> object:
            answer: object = supposed.get(guard.name) if guard.test is None else None
            if answer is None:
                answer = watch.guard(guard.name, lambda: self._answer(guard, row, values))
            asked.append((guard.name, answer))
            return answer

        dispatch = attrs.evolve(self.machine.dispatch, ask=ask)
        raised: Thrown | None = None
        try:
            sent = send(dispatch, at.state, event.trigger, self._values(event))
        except (OpenGuard, Invalid):
            raise
        except (Exception, SystemExit) as error:  # a guard is the author's code: whatever it raises is told
            sent, raised = Sent(at.state), error
        taken = () if sent.row is None else ((sent.row.source, sent.row.place),)
        label = str(event) + (
            f" [{', '.join(f'{name}: {answer}' for name, answer in supposed.items())}]" * bool(supposed)
        )
        return Step(label, event.trigger, Situation(sent.state, sent.state), taken, tuple(asked), raised)

    def _answer(self, guard: Guard, row: FlatRow, values: Mapping[str, object]) -> object:
        """Ask a guard as its machine does; one that has neither a test nor a value is open."""
        try:
            return self.machine.ask(guard, row, values)
        except Invalid as unknown:
            if guard.test is None and guard.name not in values and unknown.fields.get("guard") == guard.name:
                raise OpenGuard(guard.name) from None
            raise

    def _values(self, event: Event) -> Mapping[str, object]:
        return {**event.values, "args": event.args} if event.args else event.values

    def ask(self, question: Question, at: Situation) -> object:
        """Ask a question about a state; of a model there is none."""
        if question.of_model:
            raise Invalid(
                question.name, "the machine has no model to give it", "let its one parameter be state, the state's name"
            )
        return question.ask(at.state, None)

    def surroundings(self) -> Surroundings:
        """Return what guards can reach."""
        return Surroundings(functions_of(self.machine))


class OpenGuard(Exception):
    """Say that a guard may answer either way."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class ModelSystem:
    """A machine of `transitions` at work on its model, with every guard and callback."""

    def __init__(self, machine: Machine, driver: Driver, ignore: tuple[str, ...] = ()) -> None:
        self.machine = machine
        self.driver = driver
        self._ignore = ignore
        without = driver.not_of_the_model() | frozenset(ignore)
        self.photographer = Photographer(driver.model, without, (driver.machine,))
        own = (name for name, value in self.photographer.attributes().items() if value is driver.machine)
        self._unshown = frozenset((driver.attribute, *own))
        self._known: dict[Hashable, Situation] = {}
        self._sources = {row.place: row.source for row in machine.table.flat()}

    def at_work(self) -> AbstractContextManager[None]:
        """Watch the machine; afterwards the model is as it was."""
        return Restoring(self)

    def start(self) -> Situation:
        """Return where the model is now."""
        return self._here()

    def _here(self) -> Situation:
        frozen = self.photographer.freeze()
        known = self._known.get(frozen)
        if known is None:
            known = Situation(frozen, self.driver.state, self.photographer.take(frozen), self._unshown)
            self._known[frozen] = known
        return known

    def steps(self, at: Situation, event: Event, watch: Watch) -> list[Step]:
        """Return what an event does, which is one thing."""
        if event.trigger not in self.machine.table.rows[at.state] and not self.driver.listens_always:
            return []
        self._put(at)
        self.driver.asking, self.driver.calling = watch.guard, watch.callback
        passed: list[Situation] = []
        self.driver.passing = lambda: passed.append(self._here())
        driven = self.driver.send(event.trigger, event.args, event.values)
        taken = tuple((self._sources[place], place) for place in driven.taken)
        return [Step(str(event), event.trigger, self._here(), taken, driven.asked, driven.raised, tuple(passed))]

    def _put(self, at: Situation) -> None:
        assert at.snapshot is not None
        self.photographer.put_back(at.snapshot)

    def ask(self, question: Question, at: Situation) -> object:
        """Ask a question; the model is put where it is asked about, if it is asked about it."""
        if question.of_model:
            self._put(at)
        return question.ask(at.state, self.driver.model)

    def surroundings(self) -> Surroundings:
        """Return what guards, callbacks and the model's own methods can reach."""
        things = (self.driver.machine, self.driver.model, *self.photographer.attributes().values())
        seeds = (*functions_of(self.machine), *self.driver.last_resorts(), *map(type, things))
        return Surroundings(seeds, self.photographer.fixed, self._ignore)


def functions_of(machine: Machine) -> Iterator[object]:
    """Yield every guard and callback of a machine that is not only a name; a dotted name is one of its module."""
    for row in machine.rows:
        yield from (guard.test for guard in (*row.conditions, *row.unless) if guard.test is not None)
    hooks = [hook for row in machine.rows for hook in (*row.before, *row.after)]
    hooks += [hook for state in machine.dispatch.states.values() for hook in (*state.on_enter, *state.on_exit)]
    for call in (hook.call for hook in hooks if isinstance(hook, Callback)):
        module, _, name = call.rpartition(".") if isinstance(call, str) else ("", "", "")
        yield getattr(sys.modules.get(module), name, None) if module else call


class Restoring(AbstractContextManager[None]):
    """The time in which a model is worked on."""

    def __init__(self, system: ModelSystem) -> None:
        self._system = system
        self._watching = system.driver.watching()
        self._before = system.photographer.take()

    def __enter__(self) -> None:
        self._watching.__enter__()

    def __exit__(self, *raised: Any) -> None:
        self._watching.__exit__(*raised)
        self._system.photographer.put_back(self._before)
