"""Faults: stores that fail when told, and the disk that outlives a process.

What lives here: failing, delaying and dying, around any store. What must not: a rule of what a store keeps; that is the
inner one's. The law of this file: what was kept stays kept, whatever was said of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lifecycle.errors import Invalid, StoreError
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.lease import Lease
from lifecycle.kernel.replies import Reply
from lifecycle.kernel.values import Ended, Floor, Policy, Request, Session
from lifecycle.store.memory import MemoryStore
from lifecycle.store.port import (
    INBOX_REQUESTS_MAX,
    LEASE_SECONDS,
    Commit,
    Compacted,
    Due,
    Entry,
    Kept,
    Look,
    Resting,
    Store,
    claimed_already,
)

HOLD_SECONDS_MAX = 60.0
"""How long a commit is held at most, on the clock of the wall: a test that forgot to let it go fails instead of hanging."""


class FaultyStore:
    """A store that fails when told, and that can lose its power: what was kept stays kept, nothing more is.

    ``inner`` keeps; ``close`` is how it is let go (none: its own). ``attempts`` lists the kinds of input of every commit
    asked for; ``kept``, if set, is called when one is durable and nobody has heard of it.
    """

    def __init__(self, inner: Store, close: Callable[[], None] | None = None) -> None:
        self.inner = inner
        self._close = inner.close if close is None else close
        self._refused: list[tuple[tuple[type[Input], ...], int]] = []
        self._unread = 0
        self._dead = self._claimed = False
        self._dies: tuple[type[Input], ...] | None = None
        self._go: threading.Event | None = None
        self.draw: Callable[[], bool] | None = None
        self.kept: Callable[[Sequence[Commit]], None] | None = None
        self.attempts: list[tuple[str, ...]] = []

    # -- what it is told ----------------------------------------------------------------------------------------------

    def refuse(self, *kinds: type[Input], times: int = 1) -> None:
        """Let the next commits fail that hold an input of these kinds; of any kind if none is named."""
        self._refused.append((kinds, times))

    def refuse_by(self, draw: Callable[[], bool] | None) -> None:
        """Let each commit fail for which ``draw()`` is true: a drawn choice, or a seeded one; none: no more."""
        self.draw = draw

    def refuse_reads(self, times: int = 1) -> None:
        """Let the next looks at what is kept fail."""
        self._unread = times

    def die_after(self, *kinds: type[Input]) -> None:
        """Lose power once the next commit of these kinds is durable, before anybody has heard of it."""
        self._dies = kinds

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep what is committed meanwhile, and tell nobody before the end.

        Commits must be the writer's thread's for it: ``Limits(in_place_commit_seconds_max=0)``. A virtual clock does not
        settle meanwhile; give the event loop turns instead.
        """
        self._go = go = threading.Event()
        try:
            yield
        finally:
            self._go = None
            go.set()

    @property
    def fails(self) -> bool:
        """Say whether a commit to come is to fail."""
        return bool(self._refused) or self.draw is not None

    @property
    def is_dead(self) -> bool:
        """Say whether its power is lost."""
        return self._dead

    def heal(self) -> None:
        """Fail no more."""
        self._refused, self._unread, self._dies, self.draw = [], 0, None, None

    def cut(self) -> None:
        """Lose power."""
        if not self._dead:
            self._dead = True
            self._close()

    # -- what every store does ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name the store for people."""
        return self.inner.name

    @property
    def worker(self) -> int:
        """Return the number of the worker; in memory one process comes after another, and nobody is a worker."""
        return self.inner.worker

    @property
    def is_shared(self) -> bool:
        """Say whether others may write to what is kept, too."""
        return self.inner.is_shared

    def claim(self, lease_seconds: float = LEASE_SECONDS) -> None:
        """Belong to one runtime; what is below in memory outlives it."""
        self._powered()
        if self._claimed:
            raise claimed_already(self.name)
        if self.is_shared:
            self.inner.claim(lease_seconds)
        self._claimed = True

    def renew(self) -> bool:
        """Beat."""
        self._powered()
        return self.inner.renew()

    def look(self) -> Look:
        """Look up."""
        return self._readable().look()

    def holder(self, session: str) -> str | None:
        """Name the worker that holds a session now."""
        return self._readable().holder(session)

    def ask(self, session: str, given: Input, requests_max: int = INBOX_REQUESTS_MAX) -> int:
        """Put a request into the inbox of whoever holds a session."""
        self._powered()
        return self.inner.ask(session, given, requests_max)

    def reply_to(self, asked: int) -> Reply | None:
        """Return the reply to what was asked, once there is one."""
        return self._readable().reply_to(asked)

    def withdraw(self, asked: int) -> bool:
        """Take a request back."""
        self._powered()
        return self.inner.withdraw(asked)

    def answer(self, asked: int, reply: Reply, lease: Lease) -> bool:
        """Answer a request that changed nothing."""
        self._powered()
        return self.inner.answer(asked, reply, lease)

    def commit(self, commits: Sequence[Commit]) -> Sequence[StoreError | None]:
        """Keep, or fail as told."""
        self._powered()
        self.attempts.append(tuple(type(commit.input).__name__ for commit in commits))
        self._fail_as_told(commits)
        verdicts = self.inner.commit(commits)
        if self.kept is not None:
            self.kept(commits)
        self._wait_if_held()
        if self._dies is not None and holds(commits, self._dies):
            self.cut()
            self._powered()
        return verdicts

    def latest(self) -> int:
        """Return the highest engine time kept."""
        return self._readable().latest()

    def load(self, session: str) -> Kept | None:
        """Return a session, however it was left."""
        return self._readable().load(session)

    def run_ended(self, session: str, run: str) -> Ended | None:
        """Find the record of an ended run by its id."""
        return self._readable().run_ended(session, run)

    def key_ended(self, session: str, key: str) -> Ended | None:
        """Find the record of an ended run by its idempotency key."""
        return self._readable().key_ended(session, key)

    def request_closed(self, session: str, run: str, request: str) -> Request | None:
        """Find a closed request, decision and all."""
        return self._readable().request_closed(session, run, request)

    def mark_performed(self, revisions: Mapping[str, int]) -> None:
        """Note how far durable hooks were performed."""
        self._powered()
        self.inner.mark_performed(revisions)

    def sessions(self, after: str | None = None, limit: int = 50, state: str | None = None) -> Sequence[Session]:
        """Return a page of sessions."""
        return self._readable().sessions(after, limit, state)

    def unsettled(self) -> Sequence[str]:
        """Return the ids of all sessions that are not settled."""
        return self._readable().unsettled()

    def rest(self, sessions: Sequence[Resting]) -> None:
        """Note that sessions rest."""
        self._powered()
        self.inner.rest(sessions)
        self._wait_if_held()

    def due(self, now: int, limit: int, policy: Policy) -> Due:
        """Return sessions at rest that have to be looked at."""
        return self._readable().due(now, limit, policy)

    def ended(self, session: str, after: int = 0, limit: int = 50) -> Sequence[Ended]:
        """Return ended runs of a session."""
        return self._readable().ended(session, after, limit)

    def journal(self, session: str, after: int = 0) -> Iterable[Entry]:
        """Return the steps of a session."""
        return self._readable().journal(session, after)

    def snapshot(self, session: str) -> Session | None:
        """Return what a journal stands on."""
        return self._readable().snapshot(session)

    def floor(self) -> Floor | None:
        """Return what the sessions that have left came to."""
        return self._readable().floor()

    def aged(self, before: int) -> Iterator[str]:
        """Return the ids of sessions that keep something old."""
        return self._readable().aged(before)

    def compact(self, sessions: Mapping[str, int], before: int, rows_max: int) -> Compacted:
        """Let go of what is old."""
        self._powered()
        done = self.inner.compact(sessions, before, rows_max)
        self._wait_if_held()
        return done

    def close(self) -> None:
        """Let go."""
        self.cut()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _powered(self) -> None:
        if self._dead:
            raise StoreError("store", "has no power", "start another")

    def _readable(self) -> Store:
        """Return what keeps, unless this look is to fail."""
        self._powered()
        if self._unread:
            self._unread -= 1
            raise StoreError("store", "cannot be read", "try again")
        return self.inner

    def _fail_as_told(self, commits: Sequence[Commit]) -> None:
        full = StoreError("store", "has no room left", "make room, then try again")
        for place, (kinds, times) in enumerate(self._refused):
            if holds(commits, kinds):
                self._refused[place : place + 1] = [(kinds, times - 1)] if times > 1 else []
                raise full
        if self.draw is not None and self.draw():
            raise full

    def _wait_if_held(self) -> None:
        go = self._go
        if go is None:
            return
        if on_event_loop():
            remedy = "use Limits(in_place_commit_seconds_max=0)"
            raise Invalid("faulty store", "a commit on the event loop cannot be held", remedy)
        go.wait(HOLD_SECONDS_MAX)


def holds(commits: Sequence[Commit], kinds: tuple[type[Input], ...]) -> bool:
    """Say whether commits hold an input of these kinds; none named: of any."""
    return not kinds or any(isinstance(commit.input, kinds) for commit in commits)


def on_event_loop() -> bool:
    """Say whether this thread is at work for an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Disk:
    """Where stores are opened one after another, in memory or, with a path, in a file: it outlives every process."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._memory = MemoryStore()

    def open(self) -> FaultyStore:
        """Open what is there."""
        if self.path is None:
            return FaultyStore(self._memory, nothing_to_close)
        from lifecycle.store import SQLiteStore  # asked for here: in memory nobody needs its codec

        return FaultyStore(SQLiteStore(self.path))


def nothing_to_close() -> None:
    """Leave what is in memory to the next process."""
