"""The search with numpy: a whole level at a time, for configurations of hundreds of thousands of states.

What lives here: levels as sorted arrays of packed states, rows as arrays of pairs, and the states seen as a few sorted
arrays. What must not: what a state means, an order of layers. The law of this file: it finds what the search in pure
Python finds, state by state; where a state does not fit into 63 bits it refuses, and the other goes on.

Nothing depends on numpy: it is looked for when a frontier is large enough to be worth it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lifecycle.check.found import Explored, Violation, note, note_edges
from lifecycle.check.slices import NO_ROW, Clients, Pair, Row, Slices

Array = Any
"""An array of numpy, which need not be there to check types."""

WIDTH = 62
"""How many bits a state may have: an array holds numbers of 64 bits with a sign."""

CHUNK = 1 << 16
"""How many states are expanded at once: bounds the memory that their successors take, and the time without an answer."""


class TooWide(Exception):
    """A state no longer fits into an array."""


def numpy() -> Any:
    """Return numpy, or none where it is not installed."""
    try:
        return importlib.import_module("numpy")
    except ImportError:
        return None


class Pairs:
    """Rows of pairs, one after the other in two arrays, each with its place and its length."""

    def __init__(self, np: Any) -> None:
        self.np = np
        self.keep = np.zeros(0, np.int64)
        self.bits = np.zeros(0, np.int64)
        self.lengths = np.zeros(0, np.int64)
        self.places = np.zeros(0, np.int64)

    def add(self, rows: Sequence[tuple[Pair, ...]]) -> None:
        """Add rows; they are numbered in the order in which they come."""
        np = self.np
        new = np.array([pair for row in rows for pair in row], np.int64).reshape(-1, 2)
        lengths = np.array([len(row) for row in rows], np.int64)
        self.places = np.concatenate((self.places, len(self.keep) + np.cumsum(lengths) - lengths))
        self.lengths = np.concatenate((self.lengths, lengths))
        self.keep = np.concatenate((self.keep, new[:, 0]))
        self.bits = np.concatenate((self.bits, new[:, 1]))

    def successors(self, states: Array, numbers: Array) -> Iterator[Array]:
        """Yield where the rows of these numbers lead from these states: by their first pairs, then by their second.

        What is yielded is sorted in long stretches, if the states are sorted: the rest of the sorting is cheap then.
        """
        lengths, places = self.lengths[numbers], self.places[numbers]
        for turn in range(int(lengths.max(initial=0))):
            if turn:
                left = lengths > turn
                states, lengths, places = states[left], lengths[left], places[left]
            elif not lengths.all():
                left = lengths > 0
                states, lengths, places = states[left], lengths[left], places[left]
            at = places + turn
            yield states & self.keep[at] | self.bits[at]


class Sorted:
    """A growing set of states, as a few sorted arrays, each more than twice as long as the next."""

    def __init__(self, np: Any) -> None:
        self.np = np
        self.runs: list[Array] = []

    def without(self, states: Array) -> Array:
        """Return those of sorted states that are not in the set."""
        for run in self.runs:
            at = self.np.searchsorted(run, states)
            at[at == len(run)] = 0
            states = states[run[at] != states]
        return states

    def add(self, states: Array) -> None:
        """Add sorted states that are not in the set."""
        while self.runs and len(self.runs[-1]) <= 2 * len(states):
            states = self.np.concatenate((self.runs.pop(), states))
            states.sort(kind="stable")  # two runs, which it merges
        if len(states):
            self.runs.append(states)


class Arrays:
    """The search by arrays."""

    def __init__(self, np: Any, slices: Slices, seen: Iterable[int], later: Mapping[int, int]) -> None:
        self.np, self.slices = np, slices
        self._seen = Sorted(np)
        self._seen.add(self.sorted(seen))
        self._later: list[tuple[int, Array]] = []
        for depth in sorted(set(later.values())):
            self._later.append((depth, self.sorted(state for state, at in later.items() if at == depth)))
        self._run_numbers: dict[int, int] = {}
        self._numbers: dict[Row, int] = {}
        self._rows = np.zeros((0, 0), np.int64)
        self._plain, self._faulty = Pairs(np), Pairs(np)
        self._number([NO_ROW])
        self._refused = np.zeros(0, bool)
        self._client_numbers = np.zeros(0, np.int64)
        self._own = Pairs(np)
        self._wrong: list[str | None] = []
        self._flags = np.zeros((0, 2), bool)
        self._faces = np.zeros(0, np.int64)

    def sorted(self, states: Iterable[int]) -> Array:
        """Return states as a sorted array."""
        return self.np.array(sorted(states), self.np.int64)

    @staticmethod
    def listed(frontier: Array) -> list[int]:
        """Return the states of a frontier."""
        found: list[int] = frontier.tolist()
        return found

    @property
    def seen(self) -> set[int]:
        """Return every state seen."""
        return {state for run in self._seen.runs for state in run.tolist()}

    @property
    def later(self) -> dict[int, int]:
        """Return the states that a fault leads to, with their depth."""
        found: dict[int, int] = {}
        for depth, states in self._later:
            for state in states.tolist():
                found.setdefault(state, depth)
        return found

    def frontier(self, following: Array | None, seeds: Iterable[int]) -> Array:
        """Return the next frontier: what follows the last, and those of the seeds that were not seen."""
        new = self._seen.without(self.sorted(seeds))
        self._seen.add(new)
        if following is None:
            return new
        return self._unique([following, new]) if len(new) else following

    def seeds(self) -> dict[int, list[int]]:
        """Return what faults have led to and nothing else has, by depth, and begin anew."""
        found: dict[int, list[int]] = {}
        taken = Sorted(self.np)
        for depth, states in self._later:
            new = taken.without(self._seen.without(states))
            taken.add(new)
            if len(new):
                found.setdefault(depth, []).extend(new.tolist())
        self._later = []
        return found

    def expand(self, frontier: Array, may_fail: bool, found: Explored, at: tuple[int, int]) -> Array:
        """Return the unseen successors of a frontier; keep what a fault leads to; note what is wrong."""
        runs, clients = self._tables(frontier)
        if self.slices.width() > WIDTH:
            raise TooWide
        states, runs, clients = self._judged(frontier, runs, clients, may_fail, found, at)
        after, failed = self._followed(states, runs, clients, may_fail)
        found.transitions += sum(map(len, after)) + sum(map(len, failed))
        found.states += len(frontier)
        following, later = self._unseen(after), self._unseen(failed)
        self._seen.add(following)
        if len(later):
            self._later.append((at[1] + 1, later))
        return following

    @staticmethod
    def most() -> int:
        """Return how many states are expanded at once."""
        return CHUNK

    def together(self, several: list[Array]) -> Array:
        """Join what parts of a level have led to."""
        return self._unique(several)

    # -- tables -------------------------------------------------------------------------------------------------------

    def _tables(self, states: Array) -> tuple[Array, Array]:
        """Return for each state the numbers of its rows, of the run side and of the clients'."""
        np, slices = self.np, self.slices
        if len(self._faces) < len(slices.face_of_work):
            self._faces = np.array(slices.face_of_work, np.int64)
        keys = states >> slices.layout.process
        fresh = np.ones(len(keys), bool)
        fresh[1:] = keys[1:] != keys[:-1]  # sorted, so that equal ones lie together
        runs = self._run_rows(keys[fresh].tolist())[np.cumsum(fresh) - 1]
        low = states >> slices.layout.attachments & (1 << slices.face_shift) - 1
        keys = self._faces[states >> slices.layout.work] << slices.face_shift | low
        return runs, self._client_rows(keys)

    def _run_rows(self, keys: list[int]) -> Array:
        """Return which rows the run side has, as numbers, for those not met before, too."""
        np = self.np
        new = [key for key in keys if key not in self._run_numbers]
        if new:
            several = [self.slices.run_row(key).parts for key in new]
            self._number(row for rows in several for row in rows)
            self._run_numbers.update(zip(new, range(len(self._rows), len(self._rows) + len(new)), strict=True))
            numbers = self._numbers
            width = max(map(len, several))
            more = np.array([[*(numbers[row] for row in rows), *(0,) * (width - len(rows))] for rows in several])
            self._rows = self._stacked(self._rows, more)
            refused = np.array([any(row.violations for row in rows) for rows in several], bool)
            self._refused = np.concatenate((self._refused, refused))
        return np.array([self._run_numbers[key] for key in keys], np.int64)

    def _number(self, rows: Iterable[Row]) -> None:
        """Number the rows that were not met before, and lay down their pairs."""
        new = [row for row in dict.fromkeys(rows) if row not in self._numbers]
        self._numbers.update(zip(new, range(len(self._numbers), len(self._numbers) + len(new)), strict=True))
        self._plain.add([row.plain for row in new])
        self._faulty.add([row.faulty for row in new])

    def _stacked(self, above: Array, below: Array) -> Array:
        """Put rows of numbers below others, all as wide as the widest; what is missing is the row of nothing."""
        width = max(above.shape[1], below.shape[1])
        return self.np.concatenate([self.np.pad(one, ((0, 0), (0, width - one.shape[1]))) for one in (above, below)])

    def _client_rows(self, keys: Array) -> Array:
        """Return the numbers of what clients can do, new ones for those not met before."""
        np, size = self.np, len(self.slices.faces.values) << self.slices.face_shift
        if len(self._client_numbers) < size:
            more = np.full(size - len(self._client_numbers), -1, np.int64)
            self._client_numbers = np.concatenate((self._client_numbers, more))
        numbers = self._client_numbers[keys]
        new = sorted(set(keys[numbers < 0].tolist()))
        if new:
            several = [self.slices.clients_at(key) for key in new]
            self._client_numbers[new] = np.arange(len(self._wrong), len(self._wrong) + len(new))
            self._own.add([row.plain for one in several for row in self._rows_of(one)])
            self._wrong += [one.wrong for one in several]
            flags = np.array([(one.wrong is not None, one.broken) for one in several], bool)
            self._flags = np.concatenate((self._flags, flags))
            numbers = self._client_numbers[keys]
        return numbers

    def _rows_of(self, clients: Clients) -> list[Row]:
        """Return a row for each client and each state that its socket may have."""
        own = dict(clients.own)
        nothing = (NO_ROW,) * 3
        return [row for place in range(self.slices.layout.clients) for row in own.get(2 * place, nothing)]

    # -- a level ------------------------------------------------------------------------------------------------------

    def _judged(
        self, states: Array, runs: Array, clients: Array, may_fail: bool, found: Explored, at: tuple[int, int]
    ) -> tuple[Array, Array, Array]:
        """Note which rules are broken, and return what is not wrong by itself."""
        wrong = self._flags[clients, 0]
        for state, number in zip(states[wrong].tolist(), clients[wrong].tolist(), strict=True):
            rule = self._wrong[number]
            assert rule is not None
            note(found, Violation(rule, state, -1, *at))
        if wrong.any():
            states, runs, clients = states[~wrong], runs[~wrong], clients[~wrong]
        for state in states[self._refused[runs] | self._flags[clients, 1]].tolist():
            note_edges(self.slices, found, state, at, may_fail)
        return states, runs, clients

    def _followed(self, states: Array, runs: Array, clients: Array, may_fail: bool) -> tuple[list[Array], list[Array]]:
        """Return all successors of states, and those by a fault."""
        after: list[Array] = []
        failed: list[Array] = []
        for numbers in self._rows[runs].T:
            after += self._plain.successors(states, numbers)
            if may_fail:
                failed += self._faulty.successors(states, numbers)
        places = self.slices.layout.clients
        for place in range(places):
            sockets = states >> 2 * place & 3
            after += self._own.successors(states, (clients * places + place) * 3 + sockets)
        return after, failed

    def _unseen(self, several: list[Array]) -> Array:
        """Return the states of all of these that were not seen, sorted, each once."""
        return self._seen.without(self._unique(several))

    def _unique(self, several: list[Array]) -> Array:
        """Return the states of all of these, sorted, each once."""
        if not several:
            return self.sorted(())
        states = self.np.concatenate(several)
        states.sort(kind="stable")  # of stretches that are sorted, which it finds
        kept = self.np.ones(len(states), bool)
        kept[1:] = states[1:] != states[:-1]
        return states[kept]
