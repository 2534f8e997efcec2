"""Whether something must come is decided by components; the same is found by trying every loop there is."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import combinations

import attrs
import pytest

from lifecycle.check.graph import Arc, Lasso, bits_of, broken_promise, components

KINDS = (1, 2, 4)
GRAPHS = 4_000


@attrs.frozen(eq=False)
class Drawn:
    """A small graph, with a promise about it; ``edges`` are source, arc."""

    edges: tuple[tuple[str, Arc[str]], ...]
    starts: tuple[str, ...]
    goals: frozenset[str]
    fair: int
    excluded: int

    def arcs(self, state: str) -> list[Arc[str]]:
        """Return the edges of a state."""
        return [arc for source, arc in self.edges if source == state]

    def enabled(self, state: str) -> int:
        """Return the kinds of its edges."""
        return bits(self.arcs(state))

    def broken(self) -> Lasso[str] | None:
        """Ask what is under test."""
        return broken_promise(self, self.starts, self.goals.__contains__, self.fair, self.excluded, depth_of)


def depth_of(state: str) -> int:
    """Give each start a distance of its own."""
    return ord(state) % 3


def bits(arcs: Iterable[Arc[str]]) -> int:
    """Join the kinds of edges."""
    found = 0
    for arc in arcs:
        found |= arc.kind
    return found


def drawn(seed: int) -> Drawn:
    """Draw a graph of up to five states and eight edges."""
    chance = random.Random(seed)
    states = "abcde"[: chance.randint(1, 5)]
    edges = tuple(
        (chance.choice(states), Arc(chance.choice(states), place, chance.choice(KINDS), chance.random() < 0.1))
        for place in range(chance.randint(0, 8))
    )
    goals = frozenset(state for state in states if chance.random() < 0.2)
    starts = tuple(state for state in states if chance.random() < 0.4)
    return Drawn(edges, starts, goals, chance.randint(0, 7), chance.choice((0, 0, 1, 6)))


def put_off(graph: Drawn, states: Iterable[str], arcs: Iterable[Arc[str]]) -> int:
    """Return the kinds that are put off for ever where these states and edges are all that recurs."""
    enabled = -1
    for state in states:
        enabled &= graph.enabled(state)
    return graph.fair & enabled & ~bits(arcs)


def is_one_loop(edges: tuple[tuple[str, Arc[str]], ...]) -> bool:
    """Say whether one closed walk takes all these edges: from each to every other."""
    for source, arc in edges:
        seen, todo = {arc.to}, [arc.to]
        while todo:
            here = todo.pop()
            ahead = {one.to for start, one in edges if start == here} - seen
            seen |= ahead
            todo += ahead
        if not {start for start, _ in edges} <= seen or source not in seen:
            return False
    return True


def bad_states(graph: Drawn) -> Iterator[tuple[str, bool]]:
    """Try every loop, as a set of edges, and every way to stop: states of those that break the promise, and if still."""
    for state in {*graph.starts, *(arc.to for _, arc in graph.edges)} - graph.goals:
        if not graph.fair & graph.enabled(state):
            yield state, True
    usable = [
        (source, arc)
        for source, arc in graph.edges
        if not {source, arc.to} & graph.goals and not arc.fault and not arc.kind & graph.excluded
    ]
    for count in range(1, len(usable) + 1):
        for edges in combinations(usable, count):
            states = {source for source, _ in edges}
            if is_one_loop(edges) and not put_off(graph, states, (arc for _, arc in edges)):
                yield from ((state, False) for state in states)


def distances(graph: Drawn) -> dict[str, int]:
    """Return how far each state is without the goal, a start counting what it counts."""
    far = {state: depth_of(state) for state in graph.starts if state not in graph.goals}
    for _ in range(len(graph.edges) + 1):
        for source, arc in graph.edges:
            if source in far and arc.to not in graph.goals:
                far[arc.to] = min(far.get(arc.to, 99), far[source] + 1)
    return far


def assert_is_a_lasso(graph: Drawn, found: Lasso[str]) -> None:
    """Walk a lasso: every edge is there, the goal is never met, the loop closes, and puts nothing off."""
    assert found.start in graph.starts
    here = found.start
    for arc in (*found.stem, *found.loop):
        assert arc in graph.arcs(here)
        assert here not in graph.goals
        here = arc.to
    assert here == found.end
    assert not any(arc.fault or arc.kind & graph.excluded for arc in found.loop)
    assert not put_off(graph, [found.end, *(arc.to for arc in found.loop)], found.loop)


@pytest.mark.parametrize("part", range(4))
def test_a_promise_is_broken_where_some_loop_breaks_it(part: int) -> None:
    """Given thousands of small graphs, then a broken promise is found where there is one, and by the nearest way."""
    broken = 0
    for seed in range(part * GRAPHS // 4, (part + 1) * GRAPHS // 4):
        graph = drawn(seed)
        far = distances(graph)
        bad = [(far[state], still) for state, still in bad_states(graph) if state in far]
        found = graph.broken()
        assert bool(bad) == (found is not None), seed
        if found is not None:
            broken += 1
            assert_is_a_lasso(graph, found)
            stills = [length for length, still in bad if still]
            nearest = min(stills) if stills else min(length for length, _ in bad)
            assert nearest == depth_of(found.start) + len(found.stem), seed
            assert bool(stills) == (found.loop == ()), seed
    assert GRAPHS / 40 < broken < GRAPHS / 4


def test_components_part_a_graph() -> None:
    """Given a graph, then each state is in one part, and two are in the same if each leads to the other."""
    for seed in range(500):
        graph = drawn(seed)
        states = sorted({*graph.starts, *graph.goals, *(source for source, _ in graph.edges)})
        reach = {state: set(reachable(graph, state)) for state in states}
        parts = list(components(states, lambda state, graph=graph: [arc.to for arc in graph.arcs(state)]))  # type: ignore[misc]
        place = {state: number for number, part in enumerate(parts) for state in part}
        assert sum(map(len, parts)) == len(place)
        for one, other in combinations(states, 2):
            assert (place[one] == place[other]) == (other in reach[one] and one in reach[other]), seed


def reachable(graph: Drawn, state: str) -> Iterator[str]:
    """Yield a state and whatever follows."""
    seen = {state: None}
    waiting = [state]
    for here in waiting:
        for arc in graph.arcs(here):
            if arc.to not in seen:
                seen[arc.to] = None
                waiting.append(arc.to)
    return iter(seen)


def test_bits() -> None:
    """Given a number, then its bits are told one by one."""
    assert bits_of(7) == [1, 2, 4]
