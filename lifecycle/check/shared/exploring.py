"""Exploring: every reachable state of a shared world, fewest faults first, then fewest steps.

What lives here: the breadth-first search over these states, the way back to each, the graph that promises are judged on.
What must not: what a state means. The law of this file: it is as plain as a search can be; what makes it quick is that
steps and decisions are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from lifecycle.check.found import Explored
from lifecycle.check.graph import Arc, Lasso, broken_promise
from lifecycle.check.search import uncollected
from lifecycle.check.shared.promises import SharedPromise
from lifecycle.check.shared.rules import broken_by
from lifecycle.check.shared.scene import Deed
from lifecycle.check.shared.state import State, first
from lifecycle.check.shared.world import Next, SharedWorld

AT_ONCE = 500
"""How many states are visited before whoever watches is asked whether to go on."""


@attrs.frozen
class SharedViolation:
    """A rule broken: by a move in a state, after so many faults and moves."""

    rule: str
    state: int
    move: str
    faults: int
    depth: int


@attrs.define(eq=False)
class SharedFound(Explored):
    """What the search of a shared world has found: beside what any search has, the states, their arcs and the ways there.

    ``came``: from which state, by which move; ``at``: after how many faults and moves.
    """

    numbers: dict[State, int] = attrs.field(factory=dict)
    values: list[State] = attrs.field(factory=list)
    at: list[tuple[int, int]] = attrs.field(factory=list)
    came: list[tuple[int, str] | None] = attrs.field(factory=list)
    edges: list[tuple[Arc[int], ...]] = attrs.field(factory=list)
    names: list[str] = attrs.field(factory=list)
    kinds: dict[str, int] = attrs.field(factory=dict)
    broken: dict[str, SharedViolation] = attrs.field(factory=dict)

    def way_to(self, state: int) -> tuple[str, ...]:
        """Return the moves by which a state was first reached."""
        moves: list[str] = []
        step = self.came[state]
        while step is not None:
            state, name = step
            moves.append(name)
            step = self.came[state]
        return tuple(reversed(moves))


class Waiting:
    """States that wait to be visited, by faults and moves."""

    def __init__(self) -> None:
        self.by: dict[tuple[int, int], list[int]] = {}

    def put(self, at: tuple[int, int], state: int) -> None:
        """Let a state wait."""
        self.by.setdefault(at, []).append(state)


class SharedSearch:
    """A search under way."""

    def __init__(self, world: SharedWorld, watch: Callable[[Deed], None] | None = None) -> None:
        self.world, self.watch = world, watch
        self.found = SharedFound()
        self._moves: dict[str, int] = {}

    def judge(self, deed: Deed) -> str | None:
        """Judge a deed, and show it to whoever watches."""
        if self.watch is not None:
            self.watch(deed)
        return broken_by(deed)

    def number(self, state: State, came: tuple[int, str] | None, at: tuple[int, int]) -> tuple[int, bool]:
        """Return the number of a state, and whether this is the first way there, or a nearer one than any before."""
        found = self.found
        number = found.numbers.get(state)
        if number is None:
            number = found.numbers[state] = len(found.values)
            found.values.append(state)
            found.came.append(came)
            found.at.append(at)
            found.edges.append(())
            return number, True
        if at < found.at[number]:
            found.came[number], found.at[number] = came, at
            return number, True
        return number, False

    def arc(self, one: Next, to: int) -> Arc[int]:
        """Make the edge of a move."""
        found = self.found
        move = self._moves.get(one.name)
        if move is None:
            move = self._moves[one.name] = len(found.names)
            found.names.append(one.name)
        kind = found.kinds.get(one.kind)
        if kind is None:
            kind = found.kinds[one.kind] = 1 << len(found.kinds)
        return Arc(to, move, kind, one.fault)

    def visit(self, number: int, waiting: Waiting) -> None:
        """Visit a state: note its edges, and what is wrong with them."""
        found, (faults, depth) = self.found, self.found.at[number]
        bound, edges = self.world.config.faults, []
        for one in self.world.following(found.values[number], self.judge):
            at = faults + one.fault, depth + 1
            if one.fault and bound is not None and faults >= bound:
                continue
            if one.broken is not None:
                self.note(SharedViolation(one.broken, number, one.name, *at))
                continue
            to, is_nearer = self.number(one.after, (number, one.name), at)
            if is_nearer:
                waiting.put(at, to)
            edges.append(self.arc(one, to))
        found.edges[number] = tuple(edges)
        found.states += 1
        found.transitions += len(edges)

    def note(self, violation: SharedViolation) -> None:
        """Keep the cheapest violation of each rule."""
        old = self.found.broken.get(violation.rule)
        if old is None or (violation.faults, violation.depth) < (old.faults, old.depth):
            self.found.broken[violation.rule] = violation


@uncollected()
def explore_shared(
    world: SharedWorld,
    *,
    limit: int | None = None,
    until_violated: bool = False,
    progress: Callable[[Explored], bool] | None = None,
    watch: Callable[[Deed], None] | None = None,
) -> SharedFound:
    """Search all states, as ``search.explore`` does; ``watch`` is shown everything that is done."""
    search, waiting = SharedSearch(world, watch), Waiting()
    found = search.found
    waiting.put((0, 0), search.number(first(world.config.workers), None, (0, 0))[0])
    visited: set[int] = set()
    while waiting.by:
        at = min(waiting.by)
        if until_violated and any((one.faults, one.depth) <= at for one in found.broken.values()):
            found.complete = False
            return found
        for number in waiting.by.pop(at):
            if number in visited:
                continue
            if limit is not None and found.states >= limit:
                found.complete = False
                return found
            visited.add(number)
            search.visit(number, waiting)
            if progress is not None and found.states % AT_ONCE == 0 and progress(found):
                found.complete = False
                return found
    return found


class SharedGraph:
    """The graph of a shared world that was explored, as promises are judged on it."""

    def __init__(self, found: SharedFound) -> None:
        self.found = found
        self._enabled = [0] * len(found.values)
        for state, edges in enumerate(found.edges):
            for arc in edges:
                if arc.to != state:
                    self._enabled[state] |= arc.kind

    def arcs(self, state: int) -> Iterable[Arc[int]]:
        """Return the edges of a state."""
        return self.found.edges[state]

    def enabled(self, state: int) -> int:
        """Return the kinds of moves that are possible in a state, as bits."""
        return self._enabled[state]


class SharedPromised:
    """A promise in a shared world that was explored: the states in which it is given, and whether it is kept."""

    def __init__(self, promise: SharedPromise, graph: SharedGraph) -> None:
        self.promise, self.graph = promise, graph
        values = graph.found.values
        self.starts = [number for number, state in enumerate(values) if promise.premise(state)]

    def broken(self, without: str | None = None) -> Lasso[int] | None:
        """Return how it is broken, ``without`` one of its assumptions; none if it is kept."""
        found, goal = self.graph.found, self.promise.goal
        fair = sum(found.kinds.get(kind, 0) for kind in self.promise.fair if kind != without)
        depth = found.at
        return broken_promise(
            self.graph,
            self.starts,
            lambda number: goal(found.values[number]),
            fair,
            0,
            lambda number: sum(depth[number]),
        )
