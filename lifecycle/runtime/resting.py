"""Resting: what waits for a human, for a client or for a time is a row of the store, and no object in memory.

What lives here: which sessions leave memory, and how those are found whose time has come. What must not: how a session
is recovered, or stepped. The law of this file: a session leaves memory only after the store has noted that it rests, and
whatever arrives for it meanwhile finds it here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from lifecycle.errors import StoreError
from lifecycle.kernel.values import Session, us
from lifecycle.runtime.clock import Wakeup
from lifecycle.runtime.line import Line
from lifecycle.runtime.performing import put_down
from lifecycle.runtime.stepping import Stepping
from lifecycle.store.port import Resting as Rests
from lifecycle.store.port import may_rest, rests_until

log = logging.getLogger("lifecycle")

FORGOTTEN_AT_ONCE = 256
"""How many sessions that are over, or that rest, leave memory together, at most."""

DUE_AT_ONCE = 64
"""How many sessions whose time has come are taken up together."""

PAUSE_SECONDS = 0.05
"""How long it takes until the next ones are: new input goes between them."""


class Resting(Stepping):
    """Step sessions, and keep in memory those that something happens in."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._over: set[str] = set()
        self._resting: dict[str, None] = {}
        self._laying = False
        self._lay_from = 0
        self._look: Wakeup | None = None
        self._looks_at = 0

    def idle(self, line: Line) -> None:
        """Let a session leave memory in its turn: among many that are over, or after many that began to rest later."""
        session = line.session
        if session is not None and is_over(session):
            self._forget_later(line)
        elif session is not None and may_rest(session) and not line.watchers:
            self._resting.pop(line.id, None)
            self._resting[line.id] = None
            self._lay_if_many()

    # -- leaving memory -----------------------------------------------------------------------------------------------

    def _forget_later(self, line: Line) -> None:
        """Let sessions that are over leave memory, many at a time: the store is told first what was performed."""
        self._over.add(line.id)
        if len(self._over) < FORGOTTEN_AT_ONCE:
            return
        over = [self._lines[name] for name in self._over if name in self._lines and not self._lines[name].busy]
        self._over.clear()
        gone = [one for one in over if one.session is not None and is_over(one.session) and one.next() is None]
        try:
            self.store.mark_performed({one.id: one.performed for one in gone})
        except StoreError as error:
            log.warning("%s", error)
            self._over.update(one.id for one in gone)
            return
        for one in gone:
            del self._lines[one.id]

    @property
    def _at_once(self) -> int:
        """Say how many leave memory together: few where few may stay."""
        return min(FORGOTTEN_AT_ONCE, 1 + self.limits.resting_sessions_max // 4)

    def _lay_if_many(self) -> None:
        """Let some leave memory if enough are there for that."""
        beyond = len(self._resting) - self.limits.resting_sessions_max
        if beyond >= self._at_once and not self._laying and self.clock.now() >= self._lay_from:
            self._lay_to_rest(beyond)

    def _lay_to_rest(self, count: int) -> None:
        """Let the writer note that those rest which have rested longest; nobody steps them meanwhile."""
        assert self._writer is not None
        names = list(islice(self._resting, max(count, self._at_once)))[:FORGOTTEN_AT_ONCE]
        for name in names:
            del self._resting[name]
        lines = [line for line in map(self._lines.get, names) if line is not None and self._may_leave(line)]
        if not lines:
            return
        noted = []
        for line in lines:
            session = line.session
            assert session is not None
            line.busy = True
            until = rests_until(session)
            until = None if until is None else until - line.ahead
            noted.append(Rests(line.id, session.revision, line.lease, until))
        self._laying = True
        self._writer.chore(self._noting(noted), lambda error: self._laid_to_rest(lines, noted, error))

    def _may_leave(self, line: Line) -> bool:
        """Say whether nobody needs a session in memory: nothing waits in its line, and nobody waits for its next step.

        One whose time has come was taken up for that: its timers are about to fire.
        """
        if line.session is None or not may_rest(line.session) or line.busy or line.watchers or line.next() is not None:
            return False
        until = rests_until(line.session)
        if until is not None and until <= self.clock.now():
            return False
        return not any(self.streams.has_held(line.id, run.spec.id) for run in line.session.unfinished())

    def _noting(self, noted: Sequence[Rests]) -> Callable[[], StoreError | None]:
        """Return what the writer does."""

        def note() -> StoreError | None:
            try:
                self.store.rest(noted)
            except StoreError as error:
                return error
            return None

        return note

    def _laid_to_rest(self, lines: Sequence[Line], noted: Sequence[Rests], error: StoreError | None) -> None:
        """Let sessions go that nothing has arrived for; while the store cannot note it, all stay."""
        self._laying = False
        if error is not None:
            log.warning("%s; what could rest stays in memory for now", error)
            self._lay_from = self.clock.now() + us(self.limits.retry_seconds_max)
        for line in lines:
            line.busy = False
            if error is not None or line.next() is not None:
                self._advance(line)
                continue
            if line.watchers or self._closed:  # not woken for this: once they have gone the session is idle again
                continue
            put_down(self, line)
            if line.ahead:
                self._ahead[line.id] = line.ahead
            del self._lines[line.id]
            self.counters["laid_to_rest"] += 1
        if error is None:
            self._look_at(min((one.until for one in noted if one.until is not None), default=None))
            if not self._closed:  # more may have begun to rest meanwhile
                self._lay_if_many()

    # -- coming back --------------------------------------------------------------------------------------------------

    def look_for_due(self) -> None:
        """Take up sessions at rest whose time has come, some at a time, and look again when that of the next has."""
        self._stop_looking()
        if self._closed or self._closing is not None:
            return
        now = self.clock.now()
        try:
            due = self.store.due(now, DUE_AT_ONCE + len(self._unread), self.policy)
        except StoreError as error:
            log.warning("%s; what is due waits for now", error)
            self._look_at(now + us(self.limits.retry_seconds_max))
            return
        taken = self._take_up(due.sessions)
        if due.sessions:  # there may be more; others are about to be stepped, or cannot be read
            self._look_at(now + us(PAUSE_SECONDS if taken else self.limits.retry_seconds_max))
        self._look_at(due.next_at)

    def _look_at(self, due: int | None) -> None:
        """Look at a time, if that is earlier than it would be anyway."""
        if due is None or self._closed or (self._look is not None and self._looks_at <= due):
            return
        self._stop_looking()
        self._looks_at, self._look = due, self.clock.call_at(due, self.look_for_due)

    def _stop_looking(self) -> None:
        """Look no more by itself."""
        if self._look is not None:
            self._look.cancel()
            self._look = None


def is_over(session: Session) -> bool:
    """Say whether nothing of a session needs memory: it is stopped and no code of it is left."""
    return session.state == "stopped" and session.execution is None
