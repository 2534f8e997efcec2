"""Found: what a search has found, and how that is noted.

What lives here: the states by layer, and the cheapest violation of each rule. What must not: a search. The law of this
file: of two violations of a rule the one with fewer faults is kept, and among those the one after fewer steps.
"""

from __future__ import annotations

import attrs

from lifecycle.check.slices import Slices


@attrs.frozen
class Violation:
    """A rule broken: in ``state``, by ``move`` (-1: by the state itself), after so many faults and moves."""

    rule: str
    state: int
    move: int
    faults: int
    depth: int


@attrs.define
class Explored:
    """What a search has found: how many states and transitions, the states by layer, the first violation of each rule.

    A transition is a state with a move that can happen there and changes something: the session, as the kernel says, a
    socket or the process. Two moves that lead to one state are two; one that leads back (a timer armed again) is one. A
    move that breaks a rule is a violation and no transition; a fault beyond the budget cannot happen; and from a state
    that is wrong by itself nothing is asked.

    ``levels[faults][depth]`` lists the states first reached there; ``complete`` false: a limit or a stop came first.
    """

    states: int = 0
    transitions: int = 0
    levels: list[dict[int, list[int]]] = attrs.field(factory=list)
    violations: dict[str, Violation] = attrs.field(factory=dict)
    complete: bool = True

    def every_state(self) -> list[int]:
        """Return every state reached."""
        return [state for layer in self.levels for level in layer.values() for state in level]


def note_edges(slices: Slices, found: Explored, state: int, at: tuple[int, int], may_fail: bool) -> None:
    """Note the rules that are broken by what may happen next in a state."""
    for row in slices.rows(state):
        for edge in row.violations:
            if may_fail or not edge.fault:
                assert edge.broken is not None
                note(found, Violation(edge.broken, state, edge.move, at[0] + edge.fault, at[1] + 1))


def note(found: Explored, violation: Violation) -> None:
    """Keep the cheapest violation of each rule."""
    old = found.violations.get(violation.rule)
    if old is None or (violation.faults, violation.depth) < (old.faults, old.depth):
        found.violations[violation.rule] = violation
