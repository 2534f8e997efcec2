"""Traces: how a state is reached, found again backwards through the levels of a search.

What lives here: from a packed state to the moves that lead to it. What must not: words for people. The law of this
file: a search keeps no parents; a trace is one level's work for each of its steps.
"""

from __future__ import annotations

from lifecycle.check.found import Explored, Violation
from lifecycle.check.slices import Slices


def trace_to(slices: Slices, found: Explored, state: int) -> tuple[int, ...]:
    """Return the moves, as their numbers, by which a state was first reached: fewest faults, then fewest moves."""
    faults, depth = place_of_state(found, state)
    moves: list[int] = []
    while (faults, depth) != (0, 0):
        for from_faults, by_fault in ((faults, False), (faults - 1, True)):
            level = found.levels[from_faults].get(depth - 1, ()) if from_faults >= 0 else ()
            step = step_into(slices, level, state, by_fault)
            if step is not None:
                state, move = step
                moves.append(move)
                faults, depth = from_faults, depth - 1
                break
        else:
            raise AssertionError("every state but the first was reached from a level before")
    return tuple(reversed(moves))


def place_of_state(found: Explored, state: int) -> tuple[int, int]:
    """Return the layer and the depth at which a state was first reached."""
    for faults, layer in enumerate(found.levels):
        for depth, level in layer.items():
            if state in level:
                return faults, depth
    raise AssertionError("the state was reached")


def step_into(slices: Slices, level: list[int] | tuple[int, ...], state: int, by_fault: bool) -> tuple[int, int] | None:
    """Return a state of the level, and the move that leads from it to the one asked for."""
    for before in level:
        for row in slices.rows(before):
            for edge in row.edges:
                if edge.fault is by_fault and before & edge.keep | edge.bits == state:
                    return before, edge.move
    return None


def trace_of(slices: Slices, found: Explored, violation: Violation) -> tuple[int, ...]:
    """Return the moves that lead to a violation, the one that breaks the rule included."""
    moves = trace_to(slices, found, violation.state)
    return moves if violation.move < 0 else (*moves, violation.move)
