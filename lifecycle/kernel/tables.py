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
    takes its place under recovery, because what a process held in memory is gone with it. What is held otherwise in one
    state has ``left`` in place of ``kept`` for the steps that leave it.
    """

    taken: Rule | None
    given: Rule
    kept: Rule | None = None
    again: Rule | None = None
    left: Mapping[str, Rule] = attrs.field(factory=dict)

    def between(self, before: str | None, after: str, holding: frozenset[str], again: bool) -> Rule | None:
        """Return the rule for a step, by its states before and after, and those that hold it; none: nothing to do."""
        if (before in holding) is not (after in holding):
            return self.taken if after in holding else self.given
        if after not in holding:
            return None
        if again and self.again is not None:
            return self.again
        return self.kept if before is None or before == after else self.left.get(before, self.kept)


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
class Plans:
    """What holds do when a step is over, by the states before and after it; ``again``: a process took the session over."""

    run: Plan
    execution: Plan
    session: Plan
    again: bool


@attrs.frozen(eq=False)
class Tables:
    """The machines of a kernel, compiled: rows by machine, state and trigger; hold rules by states before and after."""

    machines: Mapping[str, Machine]
    run: Steps
    execution: Steps
    session: Steps
    request: Steps
    plans: Plans
    plans_again: Plans
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
    """Read out of a machine what its holds do when a step is over, by the states before and after it."""
    names = [state.name for state in machine.states]
    holding = {hold: states_holding(machine, hold) for hold in rules}

    def planned(before: str | None, after: str) -> tuple[Rule, ...]:
        found = [rule.between(before, after, holding[hold], again) for hold, rule in rules.items()]
        return tuple([rule for rule in found if rule is not None])

    return {before: {after: planned(before, after) for after in names} for before in (None, *names)}


def states_holding(machine: Machine, hold: Hold) -> frozenset[str]:
    """Return the names of the states that hold it."""
    return frozenset(state.name for state in machine.states if hold in state.holds)
