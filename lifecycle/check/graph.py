"""Graphs: who follows whom, the strongly connected parts, and whether something must come.

What lives here: leads-to under weak fairness, over any graph of hashable states. What must not: what states mean. The
law of this file: a promise is broken by a loop, or by a state in which nothing more happens, if every kind of move that
may not be put off for ever is either taken in it or impossible somewhere in it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from typing import Generic, Protocol, TypeAlias, TypeVar

import attrs

S = TypeVar("S", bound=Hashable)


@attrs.frozen(eq=False)
class Arc(Generic[S]):
    """An edge of a graph: to which state, by which move, as a bit its kind, and whether it is a fault."""

    to: S
    move: int
    kind: int
    fault: bool = False


class Graph(Protocol[S]):
    """What is asked of a graph: the edges of a state, and as bits the kinds of moves that are possible in it."""

    def arcs(self, state: S) -> Iterable[Arc[S]]:
        """Return the edges of a state."""

    def enabled(self, state: S) -> int:
        """Return the kinds of moves that are possible in a state, as bits."""


Follow: TypeAlias = Callable[[S], Iterable[Arc[S]]]
"""Which edges may be followed from a state."""


@attrs.frozen(eq=False)
class Lasso(Generic[S]):
    """How a promise is broken: from ``start``, by the arcs of ``stem``, to a loop that goes on for ever.

    ``loop`` empty: nothing more happens in the last state.
    """

    start: S
    stem: tuple[Arc[S], ...]
    loop: tuple[Arc[S], ...]

    @property
    def end(self) -> S:
        """Return the state in which the loop begins."""
        return self.stem[-1].to if self.stem else self.start


def broken_promise(
    graph: Graph[S],
    starts: Iterable[S],
    goal: Callable[[S], bool],
    fair: int,
    excluded: int,
    depth: Callable[[S], int] = lambda state: 0,
) -> Lasso[S] | None:
    """Return how states that start something can go on for ever without reaching the goal; none if they cannot.

    ``fair`` are the kinds of moves that may not be put off for ever; moves of the kinds in ``excluded``, and faults,
    cannot happen for ever, but may lead to where the rest happens. ``depth`` says how far away a start is itself: the
    way told is the shortest with that.
    """
    starting = [state for state in starts if not goal(state)]
    region = region_of(graph, starting, goal)

    def inside(state: S) -> Iterator[Arc[S]]:
        return (arc for arc in graph.arcs(state) if arc.to in region and not arc.fault and not arc.kind & excluded)

    bad: dict[S, frozenset[S]] = {}
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

    def anywhere(state: S) -> Iterator[Arc[S]]:
        return (arc for arc in graph.arcs(state) if arc.to in region)

    return lasso(graph, path(starting, still_in(graph, bad, fair) or bad, anywhere, depth), bad, fair, inside)


def region_of(graph: Graph[S], starting: Iterable[S], goal: Callable[[S], bool]) -> Mapping[S, None]:
    """Return what can be reached without the goal, in the order in which it is met."""
    region: dict[S, None] = dict.fromkeys(starting)
    waiting = list(region)
    for state in waiting:
        for arc in graph.arcs(state):
            if arc.to not in region and not goal(arc.to):
                region[arc.to] = None
                waiting.append(arc.to)
    return region


def still_in(graph: Graph[S], states: Iterable[S], fair: int) -> dict[S, None]:
    """Return the states in which nothing more need happen."""
    return {state: None for state in states if not graph.enabled(state) & fair}


def lasso(
    graph: Graph[S],
    way: tuple[S, tuple[Arc[S], ...]],
    bad: Mapping[S, frozenset[S]],
    fair: int,
    inside: Follow[S],
) -> Lasso[S]:
    """Return a way into a part that never leaves, with the loop there; none where nothing more need happen."""
    start, stem = way
    end = stem[-1].to if stem else start
    still = not graph.enabled(end) & fair
    return Lasso(start, stem, () if still else tour(graph, end, bad[end], fair, inside))


def tour(graph: Graph[S], start: S, members: frozenset[S], fair: int, inside: Follow[S]) -> tuple[Arc[S], ...]:
    """Return a loop in a part that takes every kind that may not be put off, or passes where it is impossible."""

    def within(state: S) -> Iterator[Arc[S]]:
        return (arc for arc in inside(state) if arc.to in members)

    arcs: list[Arc[S]] = []
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


def path(
    starts: Iterable[S], goals: Container[S], arcs: Follow[S], depth: Callable[[S], int] = lambda state: 0
) -> tuple[S, tuple[Arc[S], ...]]:
    """Return the shortest way to one of the goals: where it starts, and its arcs; ``depth`` counts for a start."""
    came: dict[S, tuple[S, Arc[S]] | None] = {}
    waiting: dict[int, list[tuple[S, tuple[S, Arc[S]] | None]]] = {}
    for state in starts:
        waiting.setdefault(depth(state), []).append((state, None))
    while waiting:
        length = min(waiting)
        for state, step in waiting.pop(length):
            if state in came:
                continue
            came[state] = step
            if state in goals:
                return traced(state, came)
            for arc in arcs(state):
                if arc.to not in came:
                    waiting.setdefault(length + 1, []).append((arc.to, (state, arc)))
    raise AssertionError("the goals of a path are reachable")


def traced(state: S, came: Mapping[S, tuple[S, Arc[S]] | None]) -> tuple[S, tuple[Arc[S], ...]]:
    """Return the way by which a state was reached: where it starts, and its arcs."""
    way: list[Arc[S]] = []
    step = came[state]
    while step is not None:
        state, arc = step
        way.append(arc)
        step = came[state]
    return state, tuple(reversed(way))


def bits_of(bits: int) -> list[int]:
    """Return the single bits of a number, lowest first.

    >>> bits_of(0b1010)
    [2, 8]
    """
    return [1 << place for place in range(bits.bit_length()) if bits >> place & 1]


def components(states: Iterable[S], follow: Callable[[S], list[S]]) -> Iterator[list[S]]:
    """Yield the strongly connected parts of a graph, by Tarjan's algorithm without recursion."""
    index: dict[S, int] = {}
    low: dict[S, int] = {}
    on_stack: set[S] = set()
    stack: list[S] = []
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
