"""Search: every reachable state, fewest faults first, then fewest steps.

What lives here: the layered breadth-first search over packed states. What must not: what a state means. The law of
this file: the first violation found of a rule is told with the fewest faults, and among those in the fewest steps.
"""

from __future__ import annotations

from collections.abc import Callable

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


def explore(
    slices: Slices,
    *,
    limit: int | None = None,
    until_violated: bool = False,
    progress: Callable[[Explored], bool] | None = None,
) -> Explored:
    """Search all states; stop at ``limit`` states, or at the first violation if asked to.

    ``progress`` is called after each level and may return true to stop.
    """
    found = Explored()
    seen: set[int] = set()
    seeds: dict[int, dict[int, None]] = {0: {slices.initial: None}}
    budget = slices.world.config.faults
    faults = 0
    while seeds:
        layer: dict[int, list[int]] = {}
        found.levels.append(layer)
        later: dict[int, int] = {}
        frontier: list[int] = []
        depth = min(seeds)
        while frontier or seeds:
            if not frontier:
                depth = min(seeds)
            for state in seeds.pop(depth, ()):
                if state not in seen:
                    seen.add(state)
                    frontier.append(state)
            if frontier:
                layer[depth] = frontier
                following: list[int] = []
                may_fail = budget is None or faults < budget
                expand(slices, frontier, seen, following, later if may_fail else None, found, (faults, depth))
                frontier = following
                if is_over(found, limit, until_violated, faults) or (progress is not None and progress(found)):
                    found.complete = False
                    return found
            depth += 1
        for state, at in later.items():
            if state not in seen:
                seeds.setdefault(at, {})[state] = None
        if until_violated and found.violations:
            found.complete = False
            return found
        faults += 1
    return found


def is_over(found: Explored, limit: int | None, until_violated: bool, faults: int) -> bool:
    """Say whether the search has what it came for: no later violation can be told with fewer faults."""
    if limit is not None and found.states >= limit:
        return True
    return until_violated and any(one.faults <= faults for one in found.violations.values())


def expand(
    slices: Slices,
    frontier: list[int],
    seen: set[int],
    following: list[int],
    later: dict[int, int] | None,
    found: Explored,
    at: tuple[int, int],
) -> None:
    """Add the successors of a level: those without a fault to ``following``, those of a fault to ``later``."""
    run_rows, clients_at = slices.run_rows, slices.clients
    run_shift, work_shift, low_shift = slices.layout.process, slices.layout.work, slices.layout.attachments
    face_of, face_shift, low = slices.face_of_work, slices.face_shift, (1 << slices.face_shift) - 1
    transitions = 0
    for state in frontier:
        key = face_of[state >> work_shift] << face_shift | state >> low_shift & low
        clients = clients_at.get(key) or slices.clients_at(key)
        if clients.wrong is not None:
            note(found, Violation(clients.wrong, state, -1, *at))
            continue
        key = state >> run_shift
        row = run_rows.get(key) or slices.run_row(key)
        for keep, bits in row.plain:
            after = state & keep | bits
            if after not in seen:
                seen.add(after)
                following.append(after)
        transitions += len(row.plain)
        for place, rows in clients.own:
            plain = rows[state >> place & 3].plain
            for keep, bits in plain:
                after = state & keep | bits
                if after not in seen:
                    seen.add(after)
                    following.append(after)
            transitions += len(plain)
        if later is not None and row.faulty:
            transitions += len(row.faulty)
            for keep, bits in row.faulty:
                after = state & keep | bits
                if after not in seen and after not in later:
                    later[after] = at[1] + 1
        if row.violations or clients.broken:
            note_edges(slices, found, state, at, later is not None)
    found.states += len(frontier)
    found.transitions += transitions


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
