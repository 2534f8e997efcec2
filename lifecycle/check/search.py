"""Search: every reachable state, fewest faults first, then fewest steps.

What lives here: the layered breadth-first search over packed states. What must not: what a state means. The law of
this file: the first violation found of a rule is told with the fewest faults, and among those in the fewest steps.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from lifecycle.check.found import Explored, Violation, note, note_edges
from lifecycle.check.search_numpy import Arrays, TooWide, numpy
from lifecycle.check.slices import Slices


class Plain:
    """The search in pure Python, a state at a time."""

    def __init__(self, slices: Slices, seen: set[int], later: dict[int, int]) -> None:
        self.slices, self.seen, self.later = slices, seen, later

    @staticmethod
    def listed(frontier: list[int]) -> list[int]:
        """Return the states of a frontier."""
        return frontier

    def frontier(self, following: list[int] | None, seeds: Iterable[int]) -> list[int]:
        """Return the next frontier: what follows the last, and those of the seeds that were not seen."""
        frontier = [] if following is None else following
        for state in seeds:
            if state not in self.seen:
                self.seen.add(state)
                frontier.append(state)
        return frontier

    def seeds(self) -> dict[int, list[int]]:
        """Return what faults have led to and nothing else has, by depth, and begin anew."""
        found: dict[int, list[int]] = {}
        for state, at in self.later.items():
            if state not in self.seen:
                found.setdefault(at, []).append(state)
        self.later = {}
        return found

    def expand(self, frontier: list[int], may_fail: bool, found: Explored, at: tuple[int, int]) -> list[int]:
        """Return the unseen successors of a frontier; keep what a fault leads to; note what is wrong."""
        following: list[int] = []
        slices, seen, later = self.slices, self.seen, self.later
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
            if may_fail and row.faulty:
                transitions += len(row.faulty)
                for keep, bits in row.faulty:
                    after = state & keep | bits
                    if after not in seen and after not in later:
                        later[after] = at[1] + 1
            if row.violations or clients.broken:
                note_edges(slices, found, state, at, may_fail)
        found.states += len(frontier)
        found.transitions += transitions
        return following

    @staticmethod
    def most() -> int:
        """Return how many states are expanded at once."""
        return AT_ONCE

    @staticmethod
    def together(several: list[list[int]]) -> list[int]:
        """Join what parts of a level have led to."""
        return [state for one in several for state in one]


WORTH = 1_000
"""How many states a frontier must have for arrays to be worth it."""

AT_ONCE = 1_000
"""How many states the search in pure Python expands before it asks whether to go on."""


class Cut(Exception):
    """The search ends before everything is found."""


class Search:
    """A search under way: how it goes on, by states or by arrays, and whether it may."""

    def __init__(
        self,
        slices: Slices,
        limit: int | None = None,
        progress: Callable[[Explored], bool] | None = None,
        arrays: bool | None = None,
    ) -> None:
        self.found = Explored()
        self.way: Plain | Arrays = Plain(slices, set(), {})
        self._limit, self._progress, self._stopped = limit, progress, False
        self._worth = 0 if arrays else WORTH
        self._np = None if arrays is False else numpy()

    def expand(self, frontier: Any, may_fail: bool, at: tuple[int, int]) -> Any:
        """Return the unseen successors of a frontier, found part by part; what is left when it may not go on is cut."""
        if self._np is not None and len(frontier) >= self._worth and isinstance(self.way, Plain):
            self.way = Arrays(self._np, self.way.slices, self.way.seen, self.way.later)
            frontier = self.way.sorted(frontier)
        parts: list[Any] = []
        while len(frontier):
            room = self._room()
            try:
                parts.append(self.way.expand(frontier[:room], may_fail, self.found, at))
            except TooWide:
                frontier, parts = self.way.listed(frontier), list(map(self.way.listed, parts))
                self.way, self._np = Plain(self.way.slices, self.way.seen, self.way.later), None
                continue
            frontier = frontier[room:]
            self._stopped = self._progress is not None and self._progress(self.found)
        return self.way.together(parts)

    def _room(self) -> int:
        """Return how many states may be expanded now."""
        most = self.way.most()
        room = most if self._limit is None else min(most, self._limit - self.found.states)
        if self._stopped or room <= 0:
            raise Cut
        return room


@contextmanager
def uncollected() -> Iterator[None]:
    """Put off the collection of cycles: a search makes none, and what it keeps is long to look through."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@uncollected()
def explore(
    slices: Slices,
    *,
    limit: int | None = None,
    until_violated: bool = False,
    progress: Callable[[Explored], bool] | None = None,
    arrays: bool | None = None,
) -> Explored:
    """Search all states; go no further than ``limit`` states, and no further than the first violation if asked to.

    ``progress`` is called whenever some more states were visited, and may return true to stop. A search that is stopped
    with nothing left to visit is complete. ``arrays``: with numpy, or not; none: with it if it is installed, from the
    first frontier on that is worth it.
    """
    search = Search(slices, limit, progress, arrays)
    try:
        search_layers(search, slices, until_violated)
    except Cut:
        search.found.complete = False
    return search.found


def search_layers(search: Search, slices: Slices, until_violated: bool) -> None:
    """Search layer by layer: all that can be reached with no fault, then with one more, and so on."""
    found, budget, faults = search.found, slices.world.config.faults, 0
    seeds = {0: [slices.initial]}
    while seeds:
        layer: dict[int, list[int]] = {}
        found.levels.append(layer)
        depth, following = min(seeds), None
        while following is not None or seeds:
            if following is None:
                depth = min(seeds)
            frontier: Any = search.way.frontier(following, seeds.pop(depth, ()))
            following = None
            if len(frontier):
                layer[depth] = search.way.listed(frontier)
                after = search.expand(frontier, budget is None or faults < budget, (faults, depth))
                if until_violated and any(one.faults <= faults for one in found.violations.values()):
                    raise Cut  # no later violation can be told with fewer faults
                following = after if len(after) else None
            depth += 1
        seeds = search.way.seeds()
        if until_violated and found.violations:
            raise Cut
        faults += 1
