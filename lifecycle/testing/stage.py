"""The stage: one disk, and the processes that live on it one after another, on a clock that a test moves.

What lives here: opening, crashing and closing a runtime as its host would. What must not: an expectation of one subject.
The law of this file: nothing waits for the clock on the wall; after every committed step what is shown, registered and
armed is compared with the session's value, and what differs is kept in ``wrong``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lifecycle.kernel.engine import KERNEL, Kernel
from lifecycle.runtime import Observed, Runtime, ShutdownReport, Tracker, VirtualClock
from lifecycle.runtime.writer import T, Writer
from lifecycle.testing.agreement import disagreements
from lifecycle.testing.faults import Disk, FaultyStore

CLOSING_SECONDS_MAX = 1_000
"""How much virtual time a shutdown gets: far more than any closing grace."""


class Stage:
    """One disk, and the runtimes that live on it one after another.

    ``runtime`` and ``store`` are those of the present process; ``observed`` is what every process told its observers.
    ``in_place``: commit without a thread, so that the same story takes the same way each time.
    """

    def __init__(self, disk: Disk | None = None, in_place: bool = False) -> None:
        self.disk = Disk() if disk is None else disk
        self.clock = VirtualClock()
        self.observed: list[Observed] = []
        self.wrong: list[str] = []
        self.names: dict[int, tuple[str, Any]] = {}
        self.runtime: Any = None
        self.store: FaultyStore = None  # type: ignore[assignment]
        self.strict = True
        self.in_place = in_place

    async def open(
        self,
        kernel: Kernel = KERNEL,
        kind: type[Tracker] = Runtime,
        observer: Callable[[Observed], None] | None = None,
        told: Callable[[FaultyStore], None] | None = None,
        **choices: Any,
    ) -> Any:
        """Open a runtime on the disk, at the time at which the last one stood; ``told`` is what its store is told first."""
        self.strict = kernel is KERNEL
        self.clock, self.store = successor_of(self.clock), self.disk.open()
        if told is not None:
            told(self.store)
        made = kind(self.store, clock=self.clock, kernel=kernel, **choices)
        made.observe(lambda observed: self._observe(made, observed))
        if self.in_place:
            made.writer_kind = InPlaceWriter
        self.runtime = made
        if observer is not None:
            made.observe(observer)
        await made.open()
        return made

    def name_of(self, agent: Any) -> str:
        """Name an agent, each by its own name."""
        return self.names.setdefault(id(agent), (f"agent-{len(self.names) + 1}", agent))[0]

    def agents(self) -> dict[str, Any]:
        """Return the agents by their names, for the next process."""
        return dict(self.names.values())

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        await self.clock.settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    async def crash(self) -> None:
        """Let the process die: its store hears nothing more, and its code is gone."""
        dead, self.runtime = self.runtime, None
        self.clock = successor_of(self.clock)  # time goes on; the timers of the dead do not
        self.store.cut()
        dead._closed = True
        for task in asyncio.all_tasks():
            if task.get_name().startswith("run "):
                for _ in range(3):
                    task.cancel()
                    await turns(3)
        await turns(30 if dead._writer is not None and dead._writer.busy else 3)
        for part in (getattr(dead, "_watchdog", None), getattr(dead, "_writer", None)):
            if part is not None:
                (part.stop if hasattr(part, "stop") else part.close)()

    async def close(self, drain_seconds: float = 0.0) -> ShutdownReport:
        """Close the runtime that is open, letting time pass for as long as that takes."""
        if self.runtime is None:
            return ShutdownReport()
        closing = asyncio.ensure_future(self.runtime.close(drain_seconds))
        await self.settle()
        for _ in range(CLOSING_SECONDS_MAX):
            if closing.done():
                break
            await self.pass_time(1)
        if not closing.done():
            closing.cancel()
            raise AssertionError("close() does not end")
        self.runtime = None
        report: ShutdownReport = closing.result()
        return report

    def _observe(self, runtime: Tracker, observed: Observed) -> None:
        """Keep what was observed, and whatever is wrong with it: an observer that raises would only be counted."""
        self.observed.append(observed)
        if self.strict and not observed.redelivered and not self.store.is_dead:
            found = disagreements(runtime, observed)
            self.wrong += [f"{type(observed.input).__name__}: {fault}" for fault in found]


class InPlaceWriter(Writer):
    """Commit on the event loop, whatever has gathered."""

    def _flush(self) -> None:
        self._flushing = False
        group, self._staged = self._staged, []
        if group:
            self._finish(group, *self._commit(group))

    def chore(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Do it at once."""
        done(work())


def successor_of(clock: VirtualClock) -> VirtualClock:
    """Return a clock that stands at the same time, and on which nobody waits."""
    made = VirtualClock(0)
    made.start(clock.now())
    return made


async def turns(count: int = 1) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)
