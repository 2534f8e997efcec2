"""Clocks: engine time for the runtime, real or virtual.

What lives here: where time comes from and how to be woken at a time. What must not: timers of runs and sessions; those
are in ``timers``. The law of this file: engine time never runs backwards and never follows a jump of the wall clock.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

from lifecycle.kernel.values import us
from lifecycle.runtime.border import SECONDS_MAX, check_seconds

Wake = Callable[[], None]


class Wakeup(Protocol):
    """Something that will happen and can be called off."""

    def cancel(self) -> None:
        """Call it off."""


class Clock(Protocol):
    """Give engine time (whole microseconds) and wake at one."""

    def start(self, latest: int) -> None:
        """Begin to run; never below ``latest``, the last time that was stored."""

    def now(self) -> int:
        """Return engine time."""

    def call_at(self, due: int, wake: Wake) -> Wakeup:
        """Call ``wake`` from the event loop once engine time has reached ``due``."""


class SystemClock:
    """The wall clock read once, advanced by the monotonic clock.

    A jump of the wall clock changes nothing, and time in which the machine is suspended does not pass.
    """

    def __init__(self) -> None:
        self._origin = 0

    def start(self, latest: int) -> None:
        """Read the wall clock, once."""
        self._origin = max(time.time_ns() // 1_000, latest) - time.monotonic_ns() // 1_000

    def now(self) -> int:
        """Return engine time."""
        return self._origin + time.monotonic_ns() // 1_000

    def call_at(self, due: int, wake: Wake) -> Wakeup:
        """Let the event loop wake; a little late rather than early."""
        return asyncio.get_running_loop().call_later(max(0, due - self.now()) / 1_000_000 + 0.001, wake)


class VirtualClock:
    """A clock that stands still until it is advanced: for tests, demonstrations and replays.

    ``await clock.advance(seconds)`` goes from one due time to the next, lets everything that is to happen there happen,
    and ends at the time asked for. Nothing sleeps.
    """

    def __init__(self, now_seconds: float = 1_700_000_000) -> None:
        check_seconds("virtual clock", now_seconds, SECONDS_MAX)
        self._now = us(now_seconds)
        self._order = itertools.count()
        self._wakes: list[tuple[int, int, VirtualWakeup]] = []
        self._busy: list[Callable[[], bool]] = []

    def start(self, latest: int) -> None:
        """Stay, or go to the last time that was stored."""
        self._now = max(self._now, latest)

    def now(self) -> int:
        """Return engine time."""
        return self._now

    def call_at(self, due: int, wake: Wake) -> Wakeup:
        """Wake when advanced that far."""
        wakeup = VirtualWakeup(wake)
        heapq.heappush(self._wakes, (due, next(self._order), wakeup))
        return wakeup

    def watch(self, busy: Callable[[], bool]) -> Callable[[], None]:
        """Wait, in ``settle``, for this to say that it is no longer busy; return how to stop."""
        self._busy.append(busy)
        return lambda: self._busy.remove(busy) if busy in self._busy else None

    async def advance(self, seconds: float) -> None:
        """Let time pass: wake all that is due, in order, and let each settle before the next."""
        check_seconds("virtual clock", seconds, SECONDS_MAX)
        target = self._now + us(seconds)
        await self.settle()
        while self._wakes and self._wakes[0][0] <= target:
            due, _, wakeup = heapq.heappop(self._wakes)
            self._now = max(self._now, due)
            wakeup.fire()
            await self.settle()
        self._now = max(self._now, target)
        await self.settle()

    async def settle(self, turns: int = 25) -> None:
        """Let the event loop turn until nobody watched was busy for ``turns`` turns in a row."""
        quiet = 0
        while quiet < turns:
            await asyncio.sleep(0)
            quiet = 0 if any(busy() for busy in self._busy) else quiet + 1


class VirtualWakeup:
    """A wake on a virtual clock."""

    def __init__(self, wake: Wake) -> None:
        self._wake: Wake | None = wake

    def cancel(self) -> None:
        """Call it off."""
        self._wake = None

    def fire(self) -> None:
        """Wake, once."""
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()
