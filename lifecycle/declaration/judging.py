"""Judging declarations: every fault at once, each with its place.

What lives here: the rules one declaration must keep. What must not: rules between machines, and any repair of what is
found. The law of this file: judging never raises and never stops at the first fault; only ``checked`` and
``declare`` raise, with all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Literal, TypeAlias

import attrs

from lifecycle.declaration.machine import Machine
from lifecycle.declaration.table import FlatRow
from lifecycle.declaration.vocabulary import REFLEXIVE, WILDCARD, Guard, Row, State
from lifecycle.errors import DefinitionError

Severity: TypeAlias = Literal["error", "note"]

FOREIGN_ERRORS = frozenset({"no declaration", "unknown state", "unknown initial", "ambiguous rows", "nested state"})
"""What is wrong in anybody's machine; the rest is our own strictness, and a note elsewhere."""


@attrs.frozen
class Fault:
    """Name one thing wrong with a declaration: its kind, the state or row it is at, and what is so."""

    kind: str
    place: str
    text: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.place}: {self.text} ({self.kind})"


def judge(machine: Machine, foreign: bool = False) -> tuple[Fault, ...]:
    """List every fault of a declaration; of a foreign one only what is wrong for anybody is an error.

    >>> for fault in judge(Machine("door", ("open", "shut"), (Row("open", "push", "shut"),), "open")):
    ...     print(fault)
    state shut: nothing leads out of it, and it is not final (dead end)
    machine door: no state of it is final (no way to a final state)
    state shut: neither a row nor refuses nor ignores decides push (undecided pair)
    """
    faults = tuple(_undeclared(machine)) or (fault for rule in RULES for fault in rule(machine))
    return tuple(_weighed(fault) if foreign else fault for fault in faults)


def _weighed(fault: Fault) -> Fault:
    return fault if fault.kind in FOREIGN_ERRORS else attrs.evolve(fault, severity="note")


def checked(machine: Machine, foreign: bool = False) -> Machine:
    """Give the machine back if it has no errors; raise DefinitionError with all of them otherwise."""
    return _refused(machine, tuple(fault for fault in judge(machine, foreign) if fault.severity == "error"))


def readable(machine: Machine) -> Machine:
    """Give the machine back if all that is written in it is a declaration, however faulty; raise DefinitionError if not.

    Whoever asks for more than its words needs that first: its table, its triggers, its picture.
    """
    return _refused(machine, tuple(_undeclared(machine, may_be_empty=True)))


def _refused(machine: Machine, errors: tuple[Fault, ...]) -> Machine:
    if errors:
        raise DefinitionError(f"machine {machine.name}", _grouped(errors), "correct its declaration", faults=errors)
    return machine


def declare(
    name: str,
    states: Iterable[State | str],
    rows: Iterable[Row],
    initial: str | None = None,
    birth: Row | None = None,
) -> Machine:
    """Declare a machine of ours; raise DefinitionError with every fault if it has any."""
    return checked(Machine(name, states, rows, initial, birth))


def _grouped(faults: Iterable[Fault]) -> str:
    """Put faults into one fact, those of a kind together."""
    kinds: dict[str, list[str]] = {}
    for fault in faults:
        kinds.setdefault(fault.kind, []).append(f"{fault.place}: {fault.text}")
    return " | ".join(f"{kind} ({len(found)}): {', '.join(found)}" for kind, found in kinds.items())


# Words


def _undeclared(machine: Machine, may_be_empty: bool = False) -> Iterator[Fault]:
    """Find what is no word of a declaration: with that, nothing else can be asked of it. A name may be let be empty."""
    for index, state in enumerate(machine.states):
        if not isinstance(state, State):
            yield Fault("no declaration", f"state {index}", f"{state!r} is no State, and no name of one")
        elif not _is_name(state.name, may_be_empty):
            yield Fault("no declaration", f"state {index}", f"{state.name!r} is no name")
    births = () if machine.birth is None else (machine.birth,)
    for index, row in enumerate((*machine.rows, *births)):
        place = f"row {index}" if index < len(machine.rows) else "birth"
        if not isinstance(row, Row):
            yield Fault("no declaration", place, f"{row!r} is no Row; write Row(source, trigger, dest)")
            continue
        sources = (row.source,) if isinstance(row.source, str) else row.source
        for name in (*sources, row.trigger, *(() if row.dest is None else (row.dest,))):
            if not _is_name(name, may_be_empty):
                yield Fault("no declaration", place, f"{name!r} is no name")
        if not sources and row is not machine.birth:
            yield Fault("no declaration", place, "it has no source")


def _is_name(name: object, may_be_empty: bool) -> bool:
    return isinstance(name, str) and (may_be_empty or name != "")


# Names


def _place_of(index: int, row: Row) -> str:
    source = row.source if isinstance(row.source, str) else ", ".join(row.source)
    return f"row {index} ({source} {row.trigger} -> {row.dest})"


def at(row: FlatRow) -> str:
    """Give the place of a flat row, for faults to name."""
    return f"birth ({row})" if row.place < 0 else f"row {row.place} ({row})"


def _placed_rows(machine: Machine) -> Iterator[tuple[str, Row]]:
    """Give every row with its place, the birth too."""
    for index, row in enumerate(machine.rows):
        yield _place_of(index, row), row
    if machine.birth is not None:
        yield f"birth ({machine.birth.trigger} -> {machine.birth.dest})", machine.birth


def _states_named(row: Row) -> Iterator[str]:
    if isinstance(row.source, tuple):
        yield from row.source
    elif row.source != WILDCARD:
        yield row.source
    if row.dest is not None and row.dest != REFLEXIVE:
        yield row.dest


def _unknown_states(machine: Machine) -> Iterator[Fault]:
    for place, row in _placed_rows(machine):
        for name in dict.fromkeys(_states_named(row)):
            if name not in machine.table.rows:
                yield Fault("unknown state", place, f"{name} is no state of {machine.name}")


def _births_without_dest(machine: Machine) -> Iterator[Fault]:
    for place, row in _placed_rows(machine):
        if row is machine.birth and row.dest in (None, REFLEXIVE):
            yield Fault("unknown state", place, "a birth has no source to stay in, it needs a dest")


def _unknown_initial(machine: Machine) -> Iterator[Fault]:
    if machine.initial is not None and machine.initial not in machine.table.rows:
        yield Fault("unknown initial", f"machine {machine.name}", f"it starts in {machine.initial}, no state of it")
    elif not _roots(machine):
        yield Fault("no initial", f"machine {machine.name}", "it has neither an initial state nor a birth")


def _duplicate_states(machine: Machine) -> Iterator[Fault]:
    for name, times in Counter(state.name for state in machine.states).items():
        if times > 1:
            yield Fault("duplicate state", f"state {name}", f"it is declared {times} times")


# Ways through the machine


def _roots(machine: Machine) -> tuple[str, ...]:
    born = None if machine.birth is None else machine.birth.dest
    return tuple(name for name in (machine.initial, born) if name is not None)


def _steps(machine: Machine) -> Mapping[str, frozenset[str]]:
    """Give for each state the others a row leads to."""
    return {
        name: frozenset(row.dest for rows in triggers.values() for row in rows) - {name}
        for name, triggers in machine.table.rows.items()
    }


def _reached(starts: Iterable[str], steps: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Follow steps from the starts until nothing new is met."""
    seen: set[str] = set()
    ahead = list(starts)
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead.extend(steps.get(name, ()))
    return frozenset(seen)


def _backwards(steps: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    return {name: frozenset(source for source, dests in steps.items() if name in dests) for name in steps}


def _final(machine: Machine) -> tuple[str, ...]:
    return tuple(state.name for state in _states(machine) if state.final)


def _states(machine: Machine) -> Iterable[State]:
    """Give each state once, as the table means it."""
    return machine.dispatch.states.values()


def _unreachable_states(machine: Machine) -> Iterator[Fault]:
    reached = _reached(_roots(machine), _steps(machine))
    for state in _states(machine):
        if state.name not in reached and _roots(machine):
            yield Fault("unreachable state", f"state {state.name}", "no row leads to it from where the machine starts")


def _dead_ends(machine: Machine) -> Iterator[Fault]:
    steps = _steps(machine)
    for state in _states(machine):
        if not state.final and not steps[state.name]:
            yield Fault("dead end", f"state {state.name}", "nothing leads out of it, and it is not final")


def _no_ways_to_final(machine: Machine) -> Iterator[Fault]:
    """Find states from which no final state can be reached; a dead end is not said twice."""
    final, steps = _final(machine), _steps(machine)
    if not final:
        yield Fault("no way to a final state", f"machine {machine.name}", "no state of it is final")
        return
    ending = _reached(final, _backwards(steps))
    for name, dests in steps.items():
        if dests and name not in ending:
            yield Fault("no way to a final state", f"state {name}", f"no rows lead from it to {' or '.join(final)}")


def _rows_out_of_final(machine: Machine) -> Iterator[Fault]:
    for name in _final(machine):
        for rows in machine.table.rows[name].values():
            for row in rows:
                yield Fault("row out of a final state", at(row), f"{name} is final; name the sources it may leave")


# Rows against each other


def _pairs(machine: Machine) -> Iterator[tuple[FlatRow, FlatRow]]:
    """Give every two rows of one state and trigger, the earlier first."""
    for triggers in machine.table.rows.values():
        for rows in triggers.values():
            yield from combinations(rows, 2)


def _within(one: tuple[Guard, ...], other: tuple[Guard, ...]) -> bool:
    return all(guard in other for guard in one)


def _asks_no_more(one: FlatRow, other: FlatRow) -> bool:
    """Say whether every guard of one is a guard of the other, so that one is taken whenever the other could be."""
    return _within(one.conditions, other.conditions) and _within(one.unless, other.unless)


def _ambiguous_rows(machine: Machine) -> Iterator[Fault]:
    for earlier, later in _pairs(machine):
        if _asks_no_more(earlier, later) and _asks_no_more(later, earlier):
            why = "asks the same guards" if earlier.guarded else "has no guard either"
            yield Fault("ambiguous rows", at(later), f"{at(earlier)} {why}")


def _shadowed_rows(machine: Machine) -> Iterator[Fault]:
    for earlier, later in _pairs(machine):
        if _asks_no_more(earlier, later) and not _asks_no_more(later, earlier):
            yield Fault("shadowed row", at(later), f"{at(earlier)} is taken before it whenever it could be")


# What is in no row


def _undecided_pairs(machine: Machine) -> Iterator[Fault]:
    for state in _states(machine):
        if state.final or state.ignore_invalid_triggers:
            continue
        decided = {*machine.table.rows[state.name], *state.refuses, *state.ignores}
        for trigger in machine.triggers:
            if trigger not in decided:
                text = f"neither a row nor refuses nor ignores decides {trigger}"
                yield Fault("undecided pair", f"state {state.name}", text)


def _decided_twice(machine: Machine) -> Iterator[Fault]:
    for state in _states(machine):
        ways = {"a row": machine.table.rows[state.name], "refuses": state.refuses, "ignores": state.ignores}
        for (one, triggers), (other, others) in combinations(ways.items(), 2):
            for trigger in dict.fromkeys(triggers):
                if trigger in others:
                    yield Fault("decided twice", f"state {state.name}", f"{trigger} is in {one} and in {other}")


def _unknown_triggers(machine: Machine) -> Iterator[Fault]:
    known = triggers_of(machine)
    for state in _states(machine):
        for word, triggers in (("refuses", state.refuses), ("ignores", state.ignores)):
            for trigger in triggers:
                if trigger not in known:
                    yield Fault("unknown trigger", f"state {state.name}", f"it {word} {trigger}, which no row has")


def triggers_of(machine: Machine) -> tuple[str, ...]:
    """Give every trigger a machine has, its birth's too."""
    born = () if machine.birth is None else (machine.birth.trigger,)
    return (*machine.triggers, *born)


RULES = (
    _unknown_states,
    _births_without_dest,
    _unknown_initial,
    _duplicate_states,
    _unreachable_states,
    _dead_ends,
    _no_ways_to_final,
    _rows_out_of_final,
    _ambiguous_rows,
    _shadowed_rows,
    _undecided_pairs,
    _decided_twice,
    _unknown_triggers,
)
