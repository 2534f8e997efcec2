"""Anybody's machine, checked: every reachable situation, its properties proved or refuted.

What lives here: taking a machine in, the search over its situations, and the verdicts. What must not: how one step is
made, and how a leads-to is decided. The law of this file: what was not reached was not checked, and is never proved.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import attrs

from lifecycle.check.findings import Found, MachineReport, Move, Trace, moves_between
from lifecycle.check.found import Explored
from lifecycle.check.graph import Arc, broken_promise
from lifecycle.check.properties import Checked, Event, Invariant, LeadsTo, Question, When, question
from lifecycle.check.purity import (
    Fact,
    Tripwire,
    asked_twice,
    fact_of,
    first_fact,
    refuse_differing,
    refuse_impure,
)
from lifecycle.check.surroundings import Surroundings, refuse_changed
from lifecycle.check.systems import ModelSystem, RowKey, Situation, Step, System, TableSystem
from lifecycle.check.verdict import PROVED, REFUTED, UNDETERMINED, Progress
from lifecycle.declaration import Fault, Machine, judge, readable
from lifecycle.declaration.interchange import Thrown, driver_of, from_transitions, is_of_transitions, to_transitions
from lifecycle.errors import DefinitionError, Invalid

LIMIT = 100_000
"""How many situations are visited unless told otherwise."""

FACTS = 2_000
"""How many steps are compared with those of another process."""

SAMPLED_FIRST, SAMPLED_EVERY = 64, 16
"""Which situations are visited twice, to see whether the same comes of it: the first ones, and then some."""

STRUCTURAL = (
    "unknown state",
    "unknown initial",
    "no initial",
    "duplicate state",
    "unreachable state",
    "dead end",
    "row out of a final state",
    "ambiguous rows",
    "shadowed row",
    "decided twice",
    "unknown trigger",
)
"""The faults of a declaration that are told of anybody's machine; the rest is strictness of our own."""


def check_machine(
    machine: object,
    *,
    invariants: Any = (),
    leads_to: Any = (),
    events: Any = (),
    model: object = None,
    ignore: Any = (),
    may_raise: Any = (),
    limit: int = LIMIT,
    progress: Progress | None = None,
) -> MachineReport:
    """Visit every situation of a machine, and judge its structure and your properties.

    ``machine`` is a declared one, a machine of `transitions`, a model that has one, a function that returns any of
    these, or a ``Checked``, which says the rest as well. A model is left as it was. ``progress`` is told before each
    situation how far the search is, and stops it by returning True.

    >>> from lifecycle.declaration import Row
    >>> door = Machine("door", ("open", "shut"), (Row("open", "push", "shut"), Row("shut", "pull", "open")), "open")
    >>> check_machine(door, leads_to=LeadsTo("shuts", "open", "shut", fair="push")).status
    'PROVED'
    """
    if limit < 1:
        raise Invalid(f"limit {limit}", "nothing would be visited", "let it be 1 or more")
    asked = Checked(
        machine, invariants, leads_to, events=events, model=model, ignore=ignore, may_raise=may_raise
    )  # fmt: skip
    return Judging(asked.machine if isinstance(asked.machine, Checked) else asked).report(limit, progress)


def facts(checked: Checked, count: int = FACTS) -> list[Fact]:
    """Write down the first steps of a machine, to be compared with those of another process."""
    system = system_of(checked)
    with system.at_work():
        start = system.start()
        if start is None:
            return []
        found = [first_fact(start)]
        exploration = Exploration(system, events_of(system.machine, checked.events), checked.ignore)
        for at, step in exploration.steps(count):
            found.append(fact_of(at, step))
            if len(found) > count:
                break
        return found


# Taking a machine in


def system_of(checked: Checked) -> System:
    """Return what steps the machine that is to be checked."""
    value, model = machine_in(checked.machine, checked.model)
    machine = taken_in(value, model)
    if isinstance(value, Machine) and model is not None:
        machine = on_model(machine, model)
    driver = driver_of(machine, model)
    return TableSystem(machine) if driver is None else ModelSystem(machine, driver, checked.ignore)


def taken_in(value: object, model: object = None, name: str | None = None) -> Machine:
    """Return the machine that was found, taken in if it is one of `transitions`; ``name`` is for one that has none."""
    if is_of_transitions(value):
        own = model if model is not None else next(iter(value.models), None)
        called = name if own is None or own is value else type(own).__name__
        return from_transitions(value, None if value.name else called)
    assert isinstance(value, Machine)
    return readable(value)


def machine_in(value: object, model: object = None, takes: type | None = None) -> tuple[object, object]:
    """Find the machine in what was given: itself, what a function returns, or what a model has under ``machine``.

    ``takes`` is another type that may be found instead.
    """
    for _ in range(3):
        if isinstance(value, Machine) or is_of_transitions(value) or (takes is not None and isinstance(value, takes)):
            return value, model
        own = None if isinstance(value, type) else getattr(value, "machine", None)
        if isinstance(own, Machine) or is_of_transitions(own):
            return own, value
        if not callable(value):
            break
        value = made_by(value)
    kind = f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"
    raise Invalid(
        "machine",
        f"what was given is {kind}, and no machine",
        "give a Machine, a transitions.Machine, a model whose attribute machine is one, or a function that returns one",
    )


def made_by(function: Callable[..., object]) -> object:
    """Call a function that makes a machine; refuse what it raises."""
    name = getattr(function, "__name__", str(function))
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        raise Invalid(f"machine {name}", "it cannot be called without arguments", "let it need none") from None
    try:
        return function()
    except (Exception, SystemExit) as error:  # whatever the author's code raises is told
        raise Invalid(
            f"machine {name}", f"calling it raises {in_short(error)}", "repair it, then check again"
        ) from error


def on_model(machine: Machine, model: object) -> Machine:
    """Let a declared machine work on a model, as `transitions` would."""
    if machine.initial is None:
        raise Invalid(f"machine {machine.name}", "it declares no initial state for a model", "declare initial=...")
    return from_transitions(to_transitions(machine, model), machine.name)


def events_of(machine: Machine, examples: Sequence[Event]) -> tuple[Event, ...]:
    """Return what is sent: the examples of each trigger, or the trigger alone."""
    for event in examples:
        known_trigger(machine, event.trigger, f"event {event}")
    return tuple(
        event
        for trigger in machine.triggers
        for event in [one for one in examples if one.trigger == trigger] or [Event(trigger)]
    )


def known_trigger(machine: Machine, trigger: str, subject: str) -> None:
    """Refuse a trigger that no row has."""
    if trigger not in machine.triggers:
        listed = ", ".join(machine.triggers) or "none at all"
        raise Invalid(subject, f"machine {machine.name} has no trigger {trigger}", f"its triggers are {listed}")


def in_short(error: BaseException) -> str:
    """Say in one phrase what was raised."""
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# Searching


@attrs.frozen(eq=False)
class Raised:
    """An event that raised: in which situation, what was sent, what came."""

    at: int
    step: Step


@attrs.frozen(eq=False)
class Passed:
    """A situation that was only passed through: from which one, what was sent, and itself."""

    origin: int
    label: str
    at: Situation


class Exploration:
    """A breadth-first search over situations; each is known by its number, in the order in which it was met."""

    def __init__(self, system: System, events: tuple[Event, ...], trusted: tuple[str, ...] = ()) -> None:
        self.system = system
        self.tripwire = Tripwire(trusted)
        self.events = events
        self.situations: list[Situation] = []
        self.numbers: dict[Hashable, int] = {}
        self.came: list[tuple[int, int] | None] = []
        self.depths: list[int] = []
        self.out: list[list[Arc[int]]] = []
        self.labels: list[str] = []
        self.label_numbers: dict[str, int] = {}
        self.kinds = {event.trigger: 1 << place for place, event in enumerate(events)}
        self.rows: set[RowKey] = set()
        self.transitions = 0
        self.raised: list[Raised] = []
        self.passed: dict[Hashable, Passed] = {}
        self.complete = True
        self.surroundings = Surroundings()

    def arcs(self, state: int) -> list[Arc[int]]:
        """Return the edges of a situation; what changes nothing is none."""
        return self.out[state]

    def enabled(self, state: int) -> int:
        """Return the triggers that could change something, as bits."""
        bits = 0
        for arc in self.out[state]:
            bits |= arc.kind
        return bits

    def met(self, at: Situation, came: tuple[int, int] | None) -> int:
        """Return the number of a situation, a new one if it is new."""
        number = self.numbers.get(at.key)
        if number is None:
            number = self.numbers[at.key] = len(self.situations)
            self.situations.append(at)
            self.came.append(came)
            self.depths.append(0 if came is None else self.depths[came[0]] + 1)
        return number

    def steps(self, limit: int, progress: Progress | None = None) -> Iterator[tuple[Situation, Step]]:
        """Visit situations in the order in which they are met, and yield every step; stop at ``limit`` of them."""
        start = self.system.start()
        if start is None:
            return
        self.met(start, None)
        self.surroundings = self.system.surroundings()
        for number, at in enumerate(self.situations):
            if number == limit or (progress and progress(self.system.machine.name, self.found())):
                self.complete = False
                break
            found = self.visited(number, at)
            arcs: dict[tuple[int, int], Arc[int]] = {}
            for step in found:
                self.note(number, at, step, arcs)
                yield at, step
            self.out.append(list(arcs.values()))
        refuse_changed(self.surroundings.changed(), "something that is sent, or a property,")

    def found(self) -> Explored:
        """Return how much was found so far."""
        return Explored(len(self.situations), self.transitions)

    def visited(self, number: int, at: Situation) -> list[Step]:
        """Return every step from a situation; some are made twice, to see whether they come out the same.

        Whether the surroundings are the same after each event is asked at first; later, only what is bound where.
        """
        found: list[Step] = []
        changed, by = None, ""
        for event in self.events:
            found += self.system.steps(at, event, self.tripwire)
            if changed is None and number < SAMPLED_FIRST:
                changed, by = self.surroundings.changed(), str(event)
        refuse_impure(self.tripwire)
        if is_sampled(number):
            again = [step for event in self.events for step in self.system.steps(at, event, self.tripwire)]
            refuse_differing(at, found, again)
        refuse_changed(
            changed or self.surroundings.rebound(), f"sending {by} in {at}" if by else f"what is sent in {at}"
        )
        return found

    def note(self, number: int, at: Situation, step: Step, arcs: dict[tuple[int, int], Arc[int]]) -> None:
        """Note what a step shows."""
        self.transitions += 1
        self.rows.update(step.taken)
        for one in step.passed:
            self.passed.setdefault(one.key, Passed(number, step.label, one))
        if step.raised is not None:
            self.raised.append(Raised(number, step))
        if step.after.key != at.key:
            move = self.label_numbers.setdefault(step.label, len(self.labels))
            if move == len(self.labels):
                self.labels.append(step.label)
            to = self.met(step.after, (number, move))
            arcs[to, move] = Arc(to, move, self.kinds[step.trigger])

    def way_to(self, number: int) -> list[tuple[int, int]]:
        """Return a shortest way to a situation: each step by its label's number, and where it leads."""
        way: list[tuple[int, int]] = []
        came = self.came[number]
        while came is not None:
            way.append((came[1], number))
            number, came = came[0], self.came[came[0]]
        return list(reversed(way))

    def told(self, way: Iterable[tuple[int, int]], start: int) -> tuple[Move, ...]:
        """Tell a way in words: what was sent, and what changed."""
        return moves_between(
            self.situations[start], [(self.labels[move], self.situations[to]) for move, to in way]
        )  # fmt: skip


def is_sampled(number: int) -> bool:
    """Say whether a situation is one of those looked at twice."""
    return number < SAMPLED_FIRST or number % SAMPLED_EVERY == 0


# Judging


class Judging:
    """The gathering of evidence about one machine."""

    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.system = system_of(checked)
        self.machine = self.system.machine
        self.search = Exploration(self.system, events_of(self.machine, checked.events), checked.ignore)
        self.invariants = [self._compiled(one) for one in checked.invariants]
        self.promises = [self._compiled_promise(one) for one in checked.leads_to]
        self.broken: dict[str, int] = {}
        self.broken_in_passing: dict[str, Passed] = {}
        self.reached: set[str] = set()
        self.answers: dict[Question, list[bool]] = {}

    def _question(self, name: str, when: When) -> Question:
        if not callable(when):
            for state in (when,) if isinstance(when, str) else when:
                if state not in self.machine.table.rows:
                    listed = ", ".join(self.machine.table.rows)
                    raise Invalid(name, f"machine {self.machine.name} has no state {state}", f"its states are {listed}")
        return question(name, when)

    def _compiled(self, one: Invariant) -> tuple[Invariant, Question, Question | None]:
        name = f"invariant {one.name}"
        premise = None if one.premise is None else self._question(f"{name}, premise", one.premise)
        return one, question(name, one.holds), premise

    def _compiled_promise(self, one: LeadsTo) -> tuple[LeadsTo, Question, Question]:
        name = f"leads-to {one.name}"
        for trigger in (*one.fair, *one.finitely):
            known_trigger(self.machine, trigger, name)
        return one, self._question(f"{name}, premise", one.premise), self._question(f"{name}, goal", one.goal)

    def report(self, limit: int, progress: Progress | None = None) -> MachineReport:
        """Search, then sum up."""
        with self.system.at_work():
            judged = 0
            for _ in self.search.steps(limit, progress):
                judged = self._judged_from(judged)
            self._judged_from(judged)
            self._judge_passed()
        faults = tuple(fault for fault in judge(self.machine, foreign=True) if fault.kind in STRUCTURAL)
        verdicts = (
            structure(faults),
            self._raising(),
            self._reaching(),
            *(self._invariant(one) for one, _, _ in self.invariants),
            *(self._promise(*each) for each in self.promises),
        )
        search = self.search
        return MachineReport(
            self.machine.name,
            len(search.out),
            search.transitions,
            search.complete,
            verdicts,
            tuple(map(str, faults)) + tuple(self._remarks()),
        )

    # Asking properties of each situation

    def _judged_from(self, number: int) -> int:
        """Ask every property of the situations met since, and return how many have been asked about."""
        while number < len(self.search.situations):
            at = self.search.situations[number]
            for one, holds, premise in self.invariants:
                if premise is not None and not self._ask(premise, number, at):
                    continue
                self.reached.add(one.name)
                if one.name not in self.broken and not self._ask(holds, number, at):
                    self.broken[one.name] = number
            for _, premise, goal in self.promises:
                for asked in (premise, goal):
                    self.answers.setdefault(asked, []).append(self._ask(asked, number, at))
            number += 1
        return number

    def _judge_passed(self) -> None:
        """Ask every invariant of the situations that were passed through and are not reached otherwise."""
        for number, passed in enumerate(self.search.passed.values()):
            for one, holds, premise in self.invariants if passed.at.key not in self.search.numbers else ():
                if one.name in self.broken or one.name in self.broken_in_passing:
                    continue
                if premise is not None and not self._ask(premise, number, passed.at):
                    continue
                self.reached.add(one.name)
                if not self._ask(holds, number, passed.at):
                    self.broken_in_passing[one.name] = passed

    def _ask(self, asked: Question, number: int, at: Situation) -> bool:
        def ask() -> bool:
            return self.search.tripwire.question(asked.name, lambda: self._answer(asked, at))

        answer = asked_twice(asked.name, ask) if is_sampled(number) else ask()
        refuse_impure(self.search.tripwire)
        return answer

    def _answer(self, asked: Question, at: Situation) -> bool:
        try:
            answer = self.system.ask(asked, at)
        except Invalid:
            raise
        except (Exception, SystemExit) as error:  # a property is the author's code
            raise Invalid(asked.name, f"in {at} it raises {in_short(error)}", "let it answer everywhere") from error
        if isinstance(answer, bool):
            return answer
        getattr(answer, "close", lambda: None)()
        told = "None" if answer is None else f"a value of type {type(answer).__name__}"
        raise Invalid(asked.name, f"in {at} it returns {told}", "let it return True or False")

    # Verdicts

    def _trace(self, number: int, *more: Move) -> Trace:
        return Trace(self.search.situations[0].texts(), (*self.search.told(self.search.way_to(number), 0), *more))

    def _cut_short(self) -> str:
        grown = self._growing()
        return f"the search stopped after {len(self.search.out)} situations{grown}"

    def _growing(self) -> str:
        """Name the attribute with the most values: it may be what makes a search endless."""
        values: dict[str, set[Hashable]] = {}
        for at in self.search.situations:
            for name, frozen in () if at.snapshot is None else at.snapshot.frozen:
                values.setdefault(name, set()).add(frozen)
        name = max(values, key=lambda one: len(values[one]), default="")
        return f"; attribute {name} had {len(values[name])} values" if name else ""

    def _empty(self) -> str:
        return "" if self.search.situations else "the machine starts nowhere"

    def _undecided(self) -> str:
        """Say why nothing can be proved, if nothing can."""
        return self._empty() or ("" if self.search.complete else self._cut_short())

    def _raising(self) -> Found:
        name, sentence = "nothing-raises", "no guard and no callback raises"
        for one in self.search.raised:
            error = one.step.raised
            assert error is not None
            if isinstance(error, self.checked.may_raise):
                continue
            refuse_missing_arguments(one.step, error)
            moved = moves_between(self.search.situations[one.at], [(one.step.label, one.step.after)])
            last = attrs.evolve(moved[0], raised=in_short(error))
            return Found(name, sentence, REFUTED, self._trace(one.at, last))
        why = self._undecided()
        return Found(name, sentence, UNDETERMINED if why else PROVED, why=why)

    def _reaching(self) -> Found:
        name, sentence = "everything-is-reached", "every state and every row is reached"
        missing = list(self._unreached())
        why = self._empty() or "; ".join(missing)
        if missing and not self.search.complete:
            why = f"{self._cut_short()}: {why}"
        return Found(name, sentence, UNDETERMINED if why else PROVED, why=why)

    def _unreached(self) -> Iterator[str]:
        """Name states and rows that were not reached; a row of such a state is not named as well."""
        search = self.search
        states = {at.state for at in (*search.situations, *(passed.at for passed in search.passed.values()))}
        for state in self.machine.table.rows:
            if state not in states:
                yield f"state {state} is never reached"
        for row in self.machine.table.flat():
            if row.source in states and (row.source, row.place) not in search.rows:
                yield f"row {row} is never taken"

    def _invariant(self, one: Invariant) -> Found:
        if one.name in self.broken:
            return Found(one.name, one.sentence, REFUTED, self._trace(self.broken[one.name]))
        if one.name in self.broken_in_passing:
            passed = self.broken_in_passing[one.name]
            way = [(f"{passed.label} (in passing)", passed.at)]
            last = moves_between(self.search.situations[passed.origin], way)
            return Found(one.name, one.sentence, REFUTED, self._trace(passed.origin, *last))
        why = self._undecided() or ("" if one.name in self.reached else "nothing reached its premise")
        return Found(one.name, one.sentence, UNDETERMINED if why else PROVED, why=why)

    def _promise(self, one: LeadsTo, premise: Question, goal: Question) -> Found:
        why = self._undecided()
        starts = [] if why else [number for number, holds in enumerate(self.answers[premise]) if holds]
        if not starts:
            return Found(one.name, one.sentence, UNDETERMINED, why=why or "nothing reached its premise")
        lasso = broken_promise(
            self.search,
            starts,
            self.answers[goal].__getitem__,
            self._bits(one.fair),
            self._bits(one.finitely),
            self.search.depths.__getitem__,
        )
        if lasso is None:
            return Found(one.name, one.sentence, PROVED)
        told = self.search.told
        stem = told([*self.search.way_to(lasso.start), *((arc.move, arc.to) for arc in lasso.stem)], 0)
        loop = told([(arc.move, arc.to) for arc in lasso.loop], lasso.end)
        trace = Trace(self.search.situations[0].texts(), stem, loop, not self.search.out[lasso.end])
        return Found(one.name, one.sentence, REFUTED, trace)

    def _bits(self, triggers: Iterable[str]) -> int:
        return sum({self.search.kinds[trigger] for trigger in triggers})

    def _remarks(self) -> Iterator[str]:
        """Note where a machine is stuck though its table leads on: nothing changes any more, and it is not final."""
        told: set[str] = set()
        for at, arcs in zip(self.search.situations, self.search.out, strict=False):
            leads_on = any(row.dest != at.state for rows in self.machine.table.rows[at.state].values() for row in rows)
            if not arcs and leads_on and at.state not in told and not self.machine.state(at.state).final:
                told.add(at.state)
                yield f"state {at.state}: nothing that can be sent changes anything any more ({at}) (stuck)"


def structure(faults: tuple[Fault, ...]) -> Found:
    """Judge the declaration itself."""
    errors = [str(fault) for fault in faults if fault.severity == "error"]
    sentence = "every state is declared, and of two rows it is clear which is taken"
    return Found("structure", sentence, REFUTED if errors else PROVED, why="; ".join(errors))


def refuse_missing_arguments(step: Step, error: Thrown) -> None:
    """Refuse to judge a trigger whose guards or callbacks want arguments that nobody gave as an example."""
    if isinstance(error, DefinitionError) or not isinstance(error, TypeError):
        return
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    if frames and "argument" in str(error) and is_of_library(str(frames[-1].frame.f_globals.get("__name__"))):
        raise Invalid(
            f"trigger {step.label}", f"{error}", f"give it example arguments: Event({step.trigger!r}, ...)"
        ) from error


def is_of_library(module: str) -> bool:
    """Say whether a module is one that calls guards and callbacks, rather than one of theirs."""
    return module.partition(".")[0] in ("transitions", "lifecycle")
