"""The graph of packed states: a search of the kernel, as a promise is judged on it.

What lives here: the edges between packed states, and which kinds of moves are possible. What must not: how a promise
is judged. The law of this file: what a search did not reach is not there.
"""

from __future__ import annotations

from collections.abc import Container

from lifecycle.check.graph import Arc
from lifecycle.check.slices import OWED, Slices


class PackedGraph:
    """The successors of packed states that a search has reached, each computed once.

    What it did not reach, because too much would have to go wrong for it, is not there.
    """

    def __init__(self, slices: Slices, reached: Container[int]) -> None:
        self.slices = slices
        self._reached = reached
        self._arcs: dict[int, tuple[Arc[int], ...]] = {}
        self._kinds = [slices.kinds[kind] for kind in slices.kind_of]

    def arcs(self, state: int) -> tuple[Arc[int], ...]:
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
