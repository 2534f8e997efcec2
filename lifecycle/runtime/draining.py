"""Draining: how a runtime opens, recovers, and shuts down in order.

What lives here: the first and the last moments. What must not: anything in between. The law of this file: a shutdown is
bounded, excludes its own requester, and says what it did.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs

from lifecycle.errors import Refused, StoreError
from lifecycle.hooks import PublishEnd, ReportAbandoned
from lifecycle.kernel.inputs import Shutdown
from lifecycle.kernel.values import us
from lifecycle.runtime.beating import Beating
from lifecycle.runtime.border import SECONDS_MAX, check_seconds
from lifecycle.runtime.clock import VirtualClock
from lifecycle.runtime.handle import within
from lifecycle.runtime.line import Line
from lifecycle.runtime.stepping import Observed, slot_state
from lifecycle.runtime.sweeping import Sweeping
from lifecycle.runtime.writer import Writer
from lifecycle.store.port import Look

log = logging.getLogger("lifecycle")


GIVING_UP_SECONDS = 0.5
"""How long a shutdown waits beyond the closing grace for code to be given up."""

LAST_STEPS_SECONDS = 0.5
"""How long it waits, at the very end, for what is on its way to the store."""


@attrs.frozen
class ShutdownReport:
    """What an orderly shutdown did, and what it left: runs by their ids.

    ``aborted`` by it, durably; ``abandoned``: their code was given up; left for the next process: ``queued``, ``parked``,
    and ``lost``, whose code was at work to the last because the store could not keep their end.
    """

    aborted: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()
    queued: tuple[str, ...] = ()
    parked: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class Draining(Sweeping):
    """Open and close what steps sessions. ``writer_kind`` is how steps are committed; tests choose one without a thread."""

    writer_kind: type[Writer] = Writer
    _beating: Beating | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Start the clock and recover: sessions with live work first, then the idle ones that were not laid to rest.

        Those that rest are recovered when something is asked of them, or when their time has come.
        One session that cannot be read is named and left; what is asked of it hears the same. Raise StoreError for a
        store that another runtime has, and leave it alone; Refused if this one is open already.
        """
        if self._has_store:
            fact, remedy = ("was closed", "make a new one") if self._closed else ("is open already", "use it")
            raise Refused("runtime", fact, remedy)
        self.store.claim(self.limits.lease_seconds)
        self._has_store, self._loop = True, asyncio.get_running_loop()
        try:
            self.clock.start(self.store.latest())
            if isinstance(self.clock, VirtualClock):
                self._unwatch = self.clock.watch(self._busy)
            self._writer = self.writer_kind(self.store, self.limits.in_place_commit_seconds_max)
            if self.store.is_shared and not isinstance(self.clock, VirtualClock):
                self._beating = Beating(self.store, self.limits, self._looked)
            self.elsewhere.begin(self.store.look())
            await self._recover_all(list(self.store.unsettled()))
            self.look_for_due()
            self._sweep_in(0)
        except BaseException:
            self._close_all()
            raise

    def beat(self) -> None:
        """Renew what is held here, and do what a look calls for.

        A thread does so by itself; only under a virtual clock somebody has to say when.
        """
        late = not self.store.renew()
        self._looked(self.store.look(), late)

    def _looked(self, look: Look, late: bool) -> None:
        """Do what a look calls for.

        After a late heartbeat, code whose session others have taken is told to stop; and as nothing was seen of the
        others for so long, whatever nobody holds is taken up, whoever is missing: but not before they had time for a
        heartbeat of their own, because a machine that stands still, or a disk, stops all alike.
        """
        if self._closed:
            return
        if late:
            self.check_leases()
            now = self.clock.now()
            if now >= self._takes_from:  # a worker that is late again and again takes up what is left all the same
                self._takes_from = now + us(self.limits.lease_renewal_seconds)
            self.take_over()
        self.elsewhere.looked(look)

    async def _recover_all(self, sessions: list[str]) -> None:
        """Load every session that was left with something to recover; loading one puts its recovery first in line."""
        for place, name in enumerate(sessions):
            self._recover(name)
            if place % 64 == 63:
                await self._quiet()
        if self._unread:
            self._take_over_later()
        await self._quiet()

    async def close(self, drain_seconds: float = 0.0) -> ShutdownReport:
        """Shut down in order: admit nothing more, wait, abort what executes, wait for it, let go of the store.

        Waits ``drain_seconds`` for runs to end by themselves, then the closing grace for their code to return, and a
        second for the last steps, whatever the store does. Queued and parked runs stay for the next process.
        """
        check_seconds("drain_seconds", drain_seconds, SECONDS_MAX)
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close(drain_seconds))
        report: ShutdownReport = await asyncio.shield(self._closing)
        return report

    async def _close(self, drain_seconds: float) -> ShutdownReport:
        aborted: list[str] = []
        abandoned: list[str] = []

        def note(observed: Observed) -> None:
            aborted.extend(shut_down(observed))
            abandoned.extend(given_up(observed))

        self._observers.append(note)
        try:
            await self._drain(drain_seconds)
            outlived = [run_in_slot(line) for line in self._lines.values() if self._outlives(line)]
            return ShutdownReport(tuple(aborted), (*abandoned, *outlived), *self._left())
        finally:
            self._close_all()

    def _close_all(self) -> None:
        """Let go of everybody and of the store; that of another runtime is left to it."""
        self._closed = True
        self._release()
        if not self._has_store:
            try:
                self.store.claim()
            except StoreError as error:
                if error.fields.get("claimed"):
                    return
        self.store.close()

    def _left(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the runs that stay for the next process: queued or starting, parked, and with code at work."""
        at_work = {(line.id, run_in_slot(line)) for line in self._lines.values() if is_executing(line)}
        queued: list[str] = []
        parked: list[str] = []
        lost: list[str] = []
        for line in self._lines.values():
            for run in () if line.session is None else line.session.unfinished():
                is_at_work = (line.id, run.spec.id) in at_work
                kind = lost if is_at_work else parked if run.state == "waiting_for_human" else queued
                kind.append(run.spec.id)
        return tuple(queued), tuple(parked), tuple(lost)

    def _release(self) -> None:
        """Let go of everybody who still waits, and of the writer; note how far hooks were performed."""
        if self._beating is not None:
            self._beating.stop()
        self.timers.stop()
        self._stop_sweeping()
        self._stop_looking()
        self._unwatch()
        self.streams.end_all("shutdown")
        if self._writer is not None:
            self._writer.close()
        gone = Refused("runtime", "it was shut down before this was done", "start another")
        for line in self._lines.values():
            for item in line.everything_in_line():
                item.fail(gone)
            line.left()
        for future in [future for several in self.end_waiters.values() for future in several]:
            if not future.done():
                future.set_exception(gone)
                future.exception()  # looked at, so that nobody warns of it
        self.elsewhere.close(gone)
        try:
            self.store.mark_performed({line.id: line.performed for line in self._lines.values() if line.session})
        except StoreError as error:
            log.warning("%s; the hooks that were performed last are performed again by the next process", error)

    async def _drain(self, drain_seconds: float) -> None:
        """Wait for executing code, bounded; abort it; wait for it to settle or be given up.

        Code that asks for the shutdown itself is aborted like any other, but not waited for. One bound holds for all of
        it, because a store that another program has locked would have every step waited for anew.
        """
        drained = self.clock.now() + us(drain_seconds)
        await self._until_none(lambda line: is_executing(line) and not self.is_own_code(line), drained)
        over = self.clock.now() + us(self.policy.closing_grace_seconds + GIVING_UP_SECONDS)
        await self._quiet(over)  # a begin on its way is granted now, and aborted with the others
        for line in [line for line in self._lines.values() if is_executing(line)]:
            self.post(line.id, Shutdown())
        await self._until_none(lambda line: is_executing(line) or self._outlives(line), over)
        await self._quiet(over)
        if self._writer is not None:
            self._writer.wait_no_longer()
        over += us(LAST_STEPS_SECONDS)
        while self._busy() and self.clock.now() < over:  # whatever else is tried again: these are told their fate
            await asyncio.sleep(0)

    def _outlives(self, line: Line) -> bool:
        """Say whether code has not returned though its run has ended; that of whoever asks for the shutdown must not."""
        return line.session is not None and slot_state(line.session) == "closing" and not self.is_own_code(line)

    async def _until_none(self, waited_for: Callable[[Line], bool], over_at: int) -> None:
        """Wait until no session is one that is waited for, at most until a time of the engine's clock."""
        if any(waited_for(line) for line in self._lines.values()):
            seconds = max(0, over_at - self.clock.now()) / us(1)
            with suppress(TimeoutError):
                await within(self, asyncio.ensure_future(self._none_left(waited_for)), seconds, "shutdown")

    async def _none_left(self, waited_for: Callable[[Line], bool]) -> None:
        """Wait for one line after another, so that each is looked at a few times, however many there are."""

        def is_over(line: Line) -> bool:
            return not waited_for(line)

        while lines := [line for line in self._lines.values() if waited_for(line)]:
            for line in lines:
                while waited_for(line) and self._lines.get(line.id) is line:
                    await line.change(is_over)


def is_executing(line: Line) -> bool:
    """Say whether the code of the head is at work."""
    return line.session is not None and slot_state(line.session) == "executing"


def shut_down(observed: Observed) -> list[str]:
    """Return the runs that a step ended because of the shutdown."""
    ends = [hook for hook in observed.hooks if isinstance(hook, PublishEnd) and not observed.redelivered]
    return [hook.run for hook in ends if hook.cause == "shutdown"]


def given_up(observed: Observed) -> list[str]:
    """Return the runs whose code a step gave up."""
    return [hook.run for hook in observed.hooks if isinstance(hook, ReportAbandoned) and not observed.redelivered]


def run_in_slot(line: Line) -> str:
    """Return the run whose execution is in the slot."""
    assert line.session is not None and line.session.execution is not None
    return line.session.execution.run
