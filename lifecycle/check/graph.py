"""The graph of a search: who follows whom, its strongly connected parts, and whether something must come.

What lives here: leads-to under weak fairness. What must not: what states mean. The law of this file: a promise is
broken by a loop, or by a state in which nothing more happens, if every kind of move that may not be put off for ever
is either taken in it or impossible somewhere in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator

import attrs

from lifecycle.check.slices import OWED, Slices

Test = Callable[[int], bool]


@attrs.frozen(eq=False)
class Arc:
    """An edge of the graph: to which state, by which move, as a bit its kind, and whether it is a fault."""

    to: int
    move: int
    kind: int
    fault: bool


class Graph:
    """The successors of packed states that a search has reached, each computed once.

    What it did not reach, because too much would have to go wrong for it, is not there.
    """

    def __init__(self, slices: Slices, reached: Container[int]) -> None:
        self.slices = slices
        self._reached = reached
        self._arcs: dict[int, tuple[Arc, ...]] = {}
        self._kinds = [slices.kinds[kind] for kind in slices.kind_of]

    def arcs(self, state: int) -> tuple[Arc, ...]:
        """Return the edges of a state."""
        found = self._arcs.get(state)
        if found is None:
            kinds = self._kinds
            edges = self.slices.edges(state)
            reached = self._reached
            found = tuple([Arc(to, one.move, kinds[one.move], one.fault) for one, to in edges if to in reached])
            self._arcs[state] = found
        return found

    def enabled(self, state: int) -> int:
        """Return the kinds of moves that are possible in a state, as bits.

        While hooks are performed, inputs wait in line: what is possible then is what is possible after it.
        """
        bits, process = 0, self.slices.layout.process
        if state >> process & 3 == OWED:
            bits, state = self.slices.kinds["perform"], state & ~(3 << process)
        for row in self.slices.rows(state):
            bits |= row.enabled
        return bits


@attrs.frozen(eq=False)
class Lasso:
    """How a promise is broken: from ``start``, by the arcs of ``stem``, to a loop that goes on for ever.

    ``loop`` empty: nothing more happens in the last state.
    """

    start: int
    stem: tuple[Arc, ...]
    loop: tuple[Arc, ...]

    @property
    def end(self) -> int:
        """Return the state in which the loop begins."""
        return self.stem[-1].to if self.stem else self.start


def broken_promise(graph: Graph, starts: Iterable[int], goal: Test, fair: int, excluded: int) -> Lasso | None:
    """Return how states that start something can go on for ever without reaching the goal; none if they cannot.

    ``fair`` are the kinds of moves that may not be put off for ever; moves of the kinds in ``excluded``, and faults,
    cannot happen for ever, but may lead to where the rest happens.
    """
    starting = [state for state in starts if not goal(state)]
    region: dict[int, None] = dict.fromkeys(starting)
    waiting = deque(starting)
    while waiting:
        for arc in graph.arcs(waiting.popleft()):
            if arc.to not in region and not goal(arc.to):
                region[arc.to] = None
                waiting.append(arc.to)

    def inside(state: int) -> Iterator[Arc]:
        return (arc for arc in graph.arcs(state) if arc.to in region and not arc.fault and not arc.kind & excluded)

    bad: dict[int, frozenset[int]] = {}
    for part in components(region, lambda state: [arc.to for arc in inside(state)]):
        members = frozenset(part)
        enabled, taken = -1, 0
        for state in part:
            enabled &= graph.enabled(state)
            for arc in inside(state):
                if arc.to in members:
                    taken |= arc.kind
        if not fair & enabled & ~taken:
            for state in part:
                bad[state] = members
    if not bad:
        return None
    return lasso(graph, starting, region, bad, fair, inside)


def lasso(
    graph: Graph,
    starting: list[int],
    region: dict[int, None],
    bad: dict[int, frozenset[int]],
    fair: int,
    inside: Callable[[int], Iterable[Arc]],
) -> Lasso:
    """Return the nearest way into a part that never leaves; one in which nothing more happens is told before others."""

    def anywhere(state: int) -> Iterable[Arc]:
        return (arc for arc in graph.arcs(state) if arc.to in region)

    still = {state for state in bad if not graph.enabled(state) & fair}
    start, stem = path(starting, still or set(bad), anywhere)
    end = stem[-1].to if stem else start
    return Lasso(start, stem, () if still else tour(graph, end, bad[end], fair, inside))


def tour(
    graph: Graph, start: int, members: frozenset[int], fair: int, inside: Callable[[int], Iterable[Arc]]
) -> tuple[Arc, ...]:
    """Return a loop in a part that takes every kind that may not be put off, or passes where it is impossible."""

    def within(state: int) -> Iterable[Arc]:
        return (arc for arc in inside(state) if arc.to in members)

    arcs: list[Arc] = []
    here = start
    owed = [bit for bit in bits_of(fair) if all(graph.enabled(state) & bit for state in members)]
    for bit in owed:
        if any(arc.kind & bit for arc in arcs):
            continue
        takers = {state for state in members if any(arc.kind & bit for arc in within(state))}
        _, way = path([here], takers, within)
        arcs += way
        here = way[-1].to if way else here
        step = next(arc for arc in within(here) if arc.kind & bit)
        arcs.append(step)
        here = step.to
    for bit in bits_of(fair):
        if bit not in owed and not any(not graph.enabled(arc.to) & bit for arc in arcs):
            _, way = path([here], {state for state in members if not graph.enabled(state) & bit}, within)
            arcs += way
            here = way[-1].to if way else here
    _, back = path([here], {start}, within)
    return (*arcs, *back)


def path(starts: list[int], goals: set[int], arcs: Callable[[int], Iterable[Arc]]) -> tuple[int, tuple[Arc, ...]]:
    """Return the shortest way from one of the starts to one of the goals: where it starts, and its arcs."""
    came: dict[int, tuple[int, Arc] | None] = dict.fromkeys(starts)
    waiting = deque(starts)
    while waiting:
        state = waiting.popleft()
        if state in goals:
            way: list[Arc] = []
            step = came[state]
            while step is not None:
                state, arc = step
                way.append(arc)
                step = came[state]
            return state, tuple(reversed(way))
        for arc in arcs(state):
            if arc.to not in came:
                came[arc.to] = (state, arc)
                waiting.append(arc.to)
    raise AssertionError("the goals of a path are reachable")


def bits_of(bits: int) -> list[int]:
    """Return the single bits of a number, lowest first.

    >>> bits_of(0b1010)
    [2, 8]
    """
    return [1 << place for place in range(bits.bit_length()) if bits >> place & 1]


def components(states: Iterable[int], follow: Callable[[int], list[int]]) -> Iterator[list[int]]:
    """Yield the strongly connected parts of a graph, by Tarjan's algorithm without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    for root in states:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(follow(root)))]
        while work:
            state, rest = work[-1]
            for to in rest:
                if to not in index:
                    index[to] = low[to] = len(index)
                    stack.append(to)
                    on_stack.add(to)
                    work.append((to, iter(follow(to))))
                    break
                if to in on_stack:
                    low[state] = min(low[state], index[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[state])
                if low[state] == index[state]:
                    part = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        part.append(member)
                        if member == state:
                            break
                    yield part
