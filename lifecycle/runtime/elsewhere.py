"""Elsewhere: what this worker asks of others that hold a session, and what others ask of it.

What lives here: requests on their way through the inbox, and who waits for what another worker does. What must not: how
a request is judged; its line does that, wherever it is. The law of this file: a request is applied once, by whoever
holds the session then, and whoever asked hears exactly what they would have heard there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any, Protocol

import attrs

from lifecycle.errors import Busy, LifecycleError, Refused, StoreError
from lifecycle.kernel.inputs import AbortRun, AbortSession, CloseSession, Decide, Input, StartRun
from lifecycle.kernel.replies import Done, Rejection, Reply, Stale
from lifecycle.kernel.values import us
from lifecycle.runtime.clock import Clock, Wakeup
from lifecycle.runtime.line import Item, Line
from lifecycle.runtime.segments import Limits
from lifecycle.store.port import Look, Store

log = logging.getLogger("lifecycle")

FORWARDED = (StartRun, AbortRun, AbortSession, CloseSession, Decide)
"""What may be asked of another worker; the rest is about what only the process here has: its code, its clients."""

LOCKED_SECONDS = 0.02
"""How long a request waits before it is put into the inbox, after others had that locked."""


class Stepper(Protocol):
    """What is needed of whoever steps sessions here."""

    store: Store
    clock: Clock
    limits: Limits
    counters: Counter[str]
    end_waiters: dict[tuple[str, str], list[asyncio.Future[Any]]]

    def take(self, session: str, item: Item) -> None:
        """Put an input in line."""

    def take_over(self) -> bool:
        """Take up what nobody holds any more; false: not now."""

    def ended(self, session: str, run: str) -> Any:
        """Return how a run ended; none if it has not."""


@attrs.frozen
class Sent:
    """A request in the inbox of another worker, and what wakes when its reply does not come."""

    session: str
    item: Item
    wakeup: Wakeup


class Elsewhere:
    """Ask other workers, and be asked by them; every call is on the event loop's thread."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper
        self._sent: dict[int, Sent] = {}
        self._taken: set[int] = set()
        self._refused: set[str] = set()
        self._watchers: list[asyncio.Future[None]] = []
        self._workers: frozenset[int] = frozenset()
        self._gone = 0

    # -- asking -------------------------------------------------------------------------------------------------------

    def send(self, session: str, item: Item, error: StoreError) -> None:
        """Ask whoever holds a session; what is about this process only is over, or cannot be done from here."""
        given = item.input
        if item.asked:
            self._taken.discard(item.asked)  # it stays in the inbox, and whoever holds the session now finds it there
        elif not isinstance(given, Input):
            item.fail(error)
        elif given.fact or item.future is None:
            self._stepper.counters["stale"] += 1
            item.reply(Stale(f"session {session}: {error.fact}"))
        elif isinstance(given, FORWARDED):
            self._ask(session, item, given)
        else:
            item.fail(error)

    def _ask(self, session: str, item: Item, given: Input) -> None:
        clock, limits = self._stepper.clock, self._stepper.limits
        try:
            number = self._stepper.store.ask(session, given, limits.inbox_requests_max)
        except Busy as full:
            item.fail(full)
            return
        except StoreError as fault:
            item.tries += 1
            if not fault.fields.get("locked") or item.tries * LOCKED_SECONDS > limits.inbox_seconds_max:
                item.fail(fault)
                return
            clock.call_at(clock.now() + us(LOCKED_SECONDS), lambda: self._stepper.take(session, item))
            return
        due = clock.now() + us(limits.inbox_seconds_max)
        self._sent[number] = Sent(session, item, clock.call_at(due, lambda: self._too_late(number)))

    def _collect(self, number: int) -> bool:
        """Hand out a reply that has come; say whether the request is over."""
        try:
            reply = self._stepper.store.reply_to(number)
        except StoreError as fault:
            log.warning("%s", fault)
            return False
        if reply is None:
            return False
        sent = self._sent.pop(number)
        sent.wakeup.cancel()
        if isinstance(reply, Rejection):
            sent.item.fail(reply.exception())
        else:
            sent.item.reply(reply)
        return True

    def _withdrawn(self, number: int) -> Sent | None:
        """Take a request back that has no reply; none if it has one, or nobody can tell."""
        try:
            if not self._stepper.store.withdraw(number):
                self._collect(number)
                return None
        except StoreError as fault:
            log.warning("%s", fault)
            return None
        sent = self._sent.pop(number)
        sent.wakeup.cancel()
        return sent

    def _too_late(self, number: int) -> None:
        if number in self._sent:
            sent = self._withdrawn(number)
            if sent is not None:
                seconds = self._stepper.limits.inbox_seconds_max
                fact = f"whoever holds it did not answer within {seconds:g} s; nothing was done"
                sent.item.fail(StoreError(f"session {sent.session}", fact, "see whether its process is stuck"))
        if number in self._sent:  # neither its reply nor the request could be taken out of the inbox
            clock, sent = self._stepper.clock, self._sent[number]
            due = clock.now() + us(self._stepper.limits.retry_seconds_max)
            self._sent[number] = Sent(sent.session, sent.item, clock.call_at(due, lambda: self._too_late(number)))

    # -- being asked --------------------------------------------------------------------------------------------------

    def answer(self, line: Line, item: Item, reply: Reply | None) -> None:
        """Answer a request that nothing was kept for; one that cannot be answered now is found again."""
        try:
            self._stepper.store.answer(item.asked, reply or Done(), line.lease)
        except StoreError as fault:
            log.warning("%s", fault)
        self._taken.discard(item.asked)

    def answered(self, item: Item) -> None:
        """Take note that the reply is kept, with the step that it tells of."""
        self._taken.discard(item.asked)

    # -- looking up ---------------------------------------------------------------------------------------------------

    def begin(self, look: Look) -> None:
        """Take note of who is at work, before anything is taken up: whoever leaves from now on is missed."""
        self._workers, self._gone = frozenset(look.workers), look.gone

    def looked(self, look: Look) -> None:
        """Do what a look calls for: put in line what is asked, hear replies, take over what nobody holds any more."""
        now = self._stepper.clock.now()
        for error in look.refused:
            if str(error) not in self._refused:
                self._refused.add(str(error))
                log.error("%s; whoever asked is not answered", error)
        for asked in look.asked:
            if asked.number not in self._taken:
                self._taken.add(asked.number)
                self._stepper.take(asked.session, Item(asked.input, now, None, asked.number))
        if look.changed:
            for number in list(self._sent):
                self._collect(number)
            self._tell_ends()
            watchers, self._watchers = self._watchers, []
            for future in watchers:
                if not future.done():
                    future.set_result(None)
        if self._somebody_left(look) and self._stepper.take_over():
            for number, sent in list(self._sent.items()):
                self._send_again(number, sent)

    def _somebody_left(self, look: Look) -> bool:
        """Say whether a worker is not heard of any more, or one more has left since the last look, seen or not."""
        workers, before, gone = frozenset(look.workers), self._workers, self._gone
        self._workers, self._gone = workers, look.gone
        return bool(before - workers) or look.gone != gone

    def _send_again(self, number: int, sent: Sent) -> None:
        """Take back what was asked of a worker that is gone, and ask whoever holds the session now; maybe us."""
        withdrawn = self._withdrawn(number)
        if withdrawn is not None:
            self._stepper.take(sent.session, sent.item)

    def _tell_ends(self) -> None:
        """Tell who waits for runs that ended in another worker."""
        waiters = self._stepper.end_waiters
        for session, run in list(waiters):  # of a session that was taken up here since, too: it may have ended before
            try:
                end = self._stepper.ended(session, run)
            except StoreError as fault:
                log.warning("%s", fault)
                continue
            if end is not None:
                for future in waiters.pop((session, run)):
                    if not future.done():
                        future.set_result(end)

    async def change(self) -> None:
        """Wait until somebody has written to the store."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append(future)
        await future

    def close(self, gone: Refused) -> None:
        """Take back what has no reply; wake everybody."""
        for number in list(self._sent):
            if not self._collect(number):
                sent = self._withdrawn(number)
                if sent is not None:
                    sent.item.fail(gone)
        for sent in self._sent.values():
            sent.wakeup.cancel()
            sent.item.fail(unknown(sent.session))
        self._sent.clear()
        watchers, self._watchers = self._watchers, []
        for future in watchers:
            if not future.done():
                future.set_result(None)


def unknown(session: str) -> LifecycleError:
    """Say that nobody knows whether a request was done."""
    fact = "it was asked of another worker, and what became of that cannot be read"
    return StoreError(f"session {session}", fact, "look at its history")
