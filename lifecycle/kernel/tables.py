"""Tables: the declared machines, read out once into the form that a step looks up.

What lives here: compilation. What must not: any knowledge of a particular row. The law of this file: whatever a step
does on a row or for a hold is found here by what the machine declares, so a machine with one row less is a kernel with
one rule less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from lifecycle.declaration import Guard, Hold, Machine, Row, State

Act = Callable[[Any, Any, Any], None]
"""What an edge does: ``(work, subject, why)``."""

Rule = Callable[[Any, Any, Any], None]
"""What a hold does when the step is over: ``(work, before, after)``."""


@attrs.frozen
class HoldRule:
    """The rules of a hold: one for a step that takes it (none: there is nothing to take), one for a step that gives it up.

    ``kept`` is asked where the states before and after both hold it, if what is held can change all the same; ``again``
    takes its place under recovery, because what a process held in memory is gone with it.
    """

    taken: Rule | None
    given: Rule
    kept: Rule | None = None
    again: Rule | None = None

    def between(self, before: bool, after: bool, again: bool) -> Rule | None:
        """Return the rule for a step, by whether it is held before and after; none if there is nothing to do."""
        if before is not after:
            return self.taken if after else self.given
        if not after:
            return None
        return self.again or self.kept if again else self.kept


class Faulty(Exception):
    """Stop a step that the tables do not allow: a bug of the kernel, never a caller's."""


@attrs.frozen
class CompiledRow:
    """One row as a step takes it: where it leads, and what it does on the way."""

    dest: str
    acts: tuple[Act, ...]
    final: bool
    conditions: tuple[Guard, ...]
    unless: tuple[Guard, ...]


Steps = dict[str, dict[str, tuple[CompiledRow, ...]]]
Plan = dict[str | None, dict[str, tuple[Rule, ...]]]


@attrs.frozen(eq=False)
class Tables:
    """The machines of a kernel, compiled: rows by machine, state and trigger; hold rules by states before and after."""

    machines: Mapping[str, Machine]
    run: Steps
    execution: Steps
    session: Steps
    request: Steps
    run_plan: Plan
    run_again: Plan
    execution_plan: Plan
    execution_again: Plan
    orphan_states: frozenset[str]
    segment_states: frozenset[str]
    expiry_held: bool
    births: Mapping[str, tuple[Act, ...]]


def no_acts(trigger: str, final: bool) -> tuple[Act, ...]:
    """Let rows do what their edges say and nothing else."""
    return ()


def compiled_rows(
    machine: Machine,
    acts: Mapping[object, Callable[[str, object], Act]],
    always: Callable[[str, bool], tuple[Act, ...]] = no_acts,
) -> Steps:
    """Compile every row; ``acts`` knows how to make an act of each kind of edge.

    ``always`` gives what comes after the edge, by the trigger and whether it leads to a final state.
    """
    final = {state.name for state in machine.states if state.final}
    return {
        source: {
            trigger: tuple(
                CompiledRow(
                    row.dest,
                    acts_of(machine.name, row.edge, acts) + always(trigger, row.dest in final),
                    row.dest in final,
                    row.conditions,
                    row.unless,
                )
                for row in rows
            )
            for trigger, rows in by_trigger.items()
        }
        | dict.fromkeys(state_named(machine, source).ignores, ())
        for source, by_trigger in machine.table.rows.items()
    }


def state_named(machine: Machine, name: str) -> State:
    """Return the declared state of that name."""
    return next(state for state in machine.states if state.name == name)


def acts_of(
    machine: str, edge: tuple[object, ...], acts: Mapping[object, Callable[[str, object], Act]]
) -> tuple[Act, ...]:
    """Make the acts of an edge, in its order; an edge item is looked up by itself, or else by its kind."""
    made = []
    for item in edge:
        make = acts.get(item) or acts.get(type(item))
        if make is None:
            raise Faulty(f"machine {machine}: nothing knows how to do {item!r} on an edge")
        made.append(make(machine, item))
    return tuple(made)


def birth_acts(machine: Machine, acts: Mapping[object, Callable[[str, object], Act]]) -> tuple[Act, ...]:
    """Make the acts of a machine's birth."""
    birth: Row | None = machine.birth
    return () if birth is None else acts_of(machine.name, birth.edge, acts)


def compiled_plan(machine: Machine, rules: Mapping[Hold, HoldRule], again: bool) -> Plan:
    """Read out of a machine which hold rules to call, by the states before and after a step."""
    holds: dict[str | None, frozenset[Hold]] = {state.name: frozenset(state.holds) for state in machine.states}
    holds[None] = frozenset()

    def planned(before: str | None, after: str) -> tuple[Rule, ...]:
        found = [one.between(hold in holds[before], hold in holds[after], again) for hold, one in rules.items()]
        return tuple(rule for rule in found if rule is not None)

    return {before: {after: planned(before, after) for after in holds if after is not None} for before in holds}


def states_holding(machine: Machine, hold: Hold) -> frozenset[str]:
    """Return the names of the states that hold it."""
    return frozenset(state.name for state in machine.states if hold in state.holds)
