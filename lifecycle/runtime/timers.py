"""Timers: every named timer of every session in one heap.

What lives here: arming, disarming, and one wake at the earliest due time. What must not: what a firing means; the
kernel decides that. The law of this file: a timer is armed by its token, so a firing of a replaced one finds nothing.

Arming costs O(log n), disarming O(1): a disarmed entry stays in the heap until its time, or until half of the heap is
such entries.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from lifecycle.kernel.engine import RANK
from lifecycle.kernel.inputs import TimerFired
from lifecycle.runtime.clock import Clock, Wakeup

Key = tuple[str, str, str]
"""Session, name, owner."""

Entry = tuple[int, Key, tuple[int, int]]
"""Due time, key, token: one object in the heap and beside it, told apart by identity."""

SLACK = 64
"""How many disarmed entries the heap may hold before it is made anew, at least."""


class Timers:
    """Fire ``TimerFired`` facts into sessions when their time has come."""

    def __init__(self, clock: Clock, fire: Callable[[str, TimerFired], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._armed: dict[Key, Entry] = {}
        self._heap: list[Entry] = []
        self._wakeup: Wakeup | None = None
        self._wakes_at: int | None = None

    def __len__(self) -> int:
        return len(self._armed)

    def arm(self, session: str, name: str, owner: str, due: int, token: tuple[int, int]) -> None:
        """Arm a timer; one of the same name and owner is replaced."""
        key = (session, name, owner)
        self._armed[key] = entry = (due, key, token)
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self._armed) + SLACK:
            self._heap = sorted(self._armed.values())
        if self._wakes_at is None or due < self._wakes_at:
            self._wake_at(due)

    def disarm(self, session: str, name: str, owner: str, token: tuple[int, int]) -> None:
        """Disarm exactly the timer armed with that token."""
        key = (session, name, owner)
        armed = self._armed.get(key)
        if armed is not None and armed[2] == token:
            del self._armed[key]

    @property
    def earliest(self) -> int | None:
        """Return a time before which nothing is due; none if nothing is armed."""
        return self._heap[0][0] if self._heap else None

    def names(self) -> list[Key]:
        """Return what is armed now."""
        return sorted(self._armed)

    def stop(self) -> None:
        """Fire nothing more."""
        self._armed.clear()
        self._heap.clear()
        if self._wakeup is not None:
            self._wakeup.cancel()

    def _wake_at(self, due: int) -> None:
        if self._wakeup is not None:
            self._wakeup.cancel()
        self._wakes_at = due
        self._wakeup = self._clock.call_at(due, self._woken)

    def _woken(self) -> None:
        """Fire all that is due, then wait for the next."""
        self._wakes_at, self._wakeup = None, None
        now = self._clock.now()
        ready = []
        while self._heap:
            entry = self._heap[0]
            current = self._armed.get(entry[1]) is entry
            if current and entry[0] > now:
                break
            heapq.heappop(self._heap)
            if current:
                del self._armed[entry[1]]
                ready.append(entry)
        if self._heap:
            self._wake_at(self._heap[0][0])
        ready.sort(key=lambda one: (one[0], RANK[one[1][1]], one[1]))
        for _, (session, name, owner), token in ready:
            self._fire(session, TimerFired(name, owner, token))
