"""The store in memory: plain dicts, gone with the process.

What lives here: the port without a file, for tests and for whoever needs no durability. What must not: serialisation;
the values are immutable, so keeping them is enough. The law of this file: it refuses what a store with a disk refuses.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, takewhile
from threading import Lock

import attrs

from lifecycle.errors import StoreError
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.lease import NOBODY, Lease, Stands, acquired
from lifecycle.kernel.replies import Reply
from lifecycle.kernel.values import Ended, Floor, Policy, Request, Session
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
    admitted,
    at_work,
    below_floor,
    busy,
    claimed_already,
    journalled,
    may_rest,
    name_taken,
    over_since,
    rearmed,
    settled,
    why_refused,
)

FOREVER = 2**62
"""The time until which a session rests that nothing but a request or another policy wakes."""


@attrs.define(eq=False)
class Shelf:
    """Everything that is kept of one session. ``times`` are those of the entries: the highest of the store at each.

    ``rests`` is the time until which it rests; none: it does not.
    """

    session: Session
    performed: int
    lease: Lease = NOBODY
    rests: int | None = None
    journal: list[Entry] = attrs.field(factory=list)
    times: list[int] = attrs.field(factory=list)
    snapshot: Session | None = None
    runs: set[str] = attrs.field(factory=set)
    keys: dict[str, str] = attrs.field(factory=dict)
    ended: dict[str, Ended] = attrs.field(factory=dict)
    closed: dict[tuple[str, str], Request] = attrs.field(factory=dict)

    def aged_runs(self, before: int) -> list[Ended]:
        """Return the runs that ended up to a time, in that order."""
        return list(takewhile(lambda ended: ended.ended_at <= before, self.ended.values()))

    def has_aged(self, before: int) -> bool:
        """Say whether anything is kept of a time up to this one."""
        return bool(self.times and self.times[0] <= before) or bool(self.aged_runs(before))

    def let_go_of(self, ended: Ended) -> None:
        """Forget an ended run by all its names, and what it asked."""
        del self.ended[ended.spec.id]
        self.runs.discard(ended.spec.id)
        self.keys.pop(ended.spec.key or "", None)
        self.closed = {names: request for names, request in self.closed.items() if names[0] != ended.spec.id}


class MemoryStore:
    """Keep everything in dicts. May be used from several threads."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}
        self._ids: list[str] = []
        self._at_rest: dict[Policy, set[str]] = {}
        self._times: list[tuple[int, str]] = []
        self._latest = 0
        self._floor: Floor | None = None
        self._worker = 0
        self._closed = False
        self._lock = Lock()

    @property
    def name(self) -> str:
        """Name the store for people."""
        return "memory"

    @property
    def worker(self) -> int:
        """Return 1 once a runtime has claimed the store: there is no other."""
        return self._worker

    @property
    def is_shared(self) -> bool:
        """Say that nobody else can write here."""
        return False

    def claim(self, lease_seconds: float = LEASE_SECONDS) -> None:
        """Be the worker of one runtime; nobody is there to take anything from it."""
        with self._lock:
            self._open_shelves()
            if self._worker:
                raise claimed_already(self.name)
            self._worker = 1

    def renew(self) -> bool:
        """Do nothing: what is held lasts as long as the process."""
        return True

    def look(self) -> Look:
        """See nobody."""
        return Look(workers=(1,) if self._worker else ())

    def holder(self, session: str) -> str | None:
        """Name this process if it holds a session."""
        shelf = self._open_shelves().get(session)
        return None if shelf is None or not shelf.lease.worker else "this process"

    def ask(self, session: str, given: Input, requests_max: int = INBOX_REQUESTS_MAX) -> int:
        """Refuse: nobody else holds anything."""
        raise StoreError(f"session {session}", "no other worker holds it", "step it here")

    def reply_to(self, asked: int) -> None:
        """Return none: nothing was asked."""

    def withdraw(self, asked: int) -> bool:
        """Say that there is nothing to take back."""
        return False

    def answer(self, asked: int, reply: Reply, lease: Lease) -> bool:
        """Say that nobody asked."""
        return False

    def latest(self) -> int:
        """Return the highest engine time kept, 0 if nothing is."""
        return self._latest

    # -- reading ------------------------------------------------------------------------------------------------------

    def load(self, session: str) -> Kept | None:
        """Return a session, however it was left."""
        with self._lock:
            shelf = self._open_shelves().get(session)
            if shelf is None:
                return None
            return Kept(shelf.session, shelf.performed, shelf.lease, rests=shelf.rests is not None)

    def run_ended(self, session: str, run: str) -> Ended | None:
        """Find the record of an ended run by its id."""
        shelf = self._open_shelves().get(session)
        return None if shelf is None else shelf.ended.get(run)

    def key_ended(self, session: str, key: str) -> Ended | None:
        """Find the record of an ended run by its idempotency key."""
        shelf = self._open_shelves().get(session)
        return None if shelf is None else shelf.ended.get(shelf.keys.get(key, ""))

    def request_closed(self, session: str, run: str, request: str) -> Request | None:
        """Find a closed request; of several that had this id one after another, the last."""
        shelf = self._open_shelves().get(session)
        return None if shelf is None else shelf.closed.get((run, request))

    def sessions(self, after: str | None = None, limit: int = 50, state: str | None = None) -> Sequence[Session]:
        """Return a page of sessions in order of their ids."""
        with self._lock:
            shelves = self._open_shelves()
            start = 0 if after is None else bisect_right(self._ids, after)
            found = (shelves[name].session for name in islice(self._ids, start, None))
            return list(islice((one for one in found if state is None or one.state == state), limit))

    def unsettled(self) -> Sequence[str]:
        """Return the ids of all sessions that are not settled, the busy ones first."""
        with self._lock:
            shelves = self._open_shelves()
            left = [name for name in self._ids if not has_rest(shelves[name])]
        return sorted(left, key=lambda name: not busy(shelves[name].session))

    def due(self, now: int, limit: int, policy: Policy) -> Due:
        """Return sessions at rest whose time has come, or that live under another policy."""
        with self._lock:
            self._open_shelves()
            place = bisect_right(self._times, now, key=lambda one: one[0])
            found = [*islice(self._under_others(policy), limit), *(name for _, name in self._times[:place])]
            later = self._times[place][0] if place < len(self._times) else None
            return Due(tuple(dict.fromkeys(found))[:limit], later)

    def _under_others(self, policy: Policy) -> Iterator[str]:
        """Name the sessions at rest that live under another policy."""
        for other, names in self._at_rest.items():
            if other != policy:
                yield from names

    def ended(self, session: str, after: int = 0, limit: int = 50) -> Sequence[Ended]:
        """Return ended runs of a session in order of their admission."""
        with self._lock:
            shelf = self._open_shelves().get(session)
            found = [] if shelf is None else [one for one in shelf.ended.values() if one.spec.admitted > after]
        return sorted(found, key=lambda one: one.spec.admitted)[:limit]

    def journal(self, session: str, after: int = 0) -> Iterator[Entry]:
        """Return the steps of a session with revisions above ``after``, in order."""
        shelf = self._open_shelves().get(session)
        if shelf is None or not shelf.journal:
            return iter(())
        return iter(
            shelf.journal[max(0, after + 1 - shelf.journal[0].revision) :]
        )  # revisions are n, n + 1, n + 2, ...

    def snapshot(self, session: str) -> Session | None:
        """Return the value that later entries stand on; none: they begin with the session."""
        shelf = self._open_shelves().get(session)
        return None if shelf is None else shelf.snapshot

    def floor(self) -> Floor | None:
        """Return what the sessions that have left came to; none if none has."""
        self._open_shelves()
        return self._floor

    def aged(self, before: int) -> Iterator[str]:
        """Return the ids of sessions that keep something of a time up to ``before``."""
        with self._lock:
            found = [name for name, shelf in self._open_shelves().items() if shelf.has_aged(before)]
        yield from found

    # -- writing ------------------------------------------------------------------------------------------------------

    def commit(self, commits: Sequence[Commit]) -> Sequence[StoreError | None]:
        """Keep several steps, in order; return a verdict for each."""
        with self._lock:
            self._open_shelves()
            return [self._keep(commit) for commit in commits]

    def mark_performed(self, revisions: Mapping[str, int]) -> None:
        """Note up to which revision the durable hooks of these sessions were performed."""
        with self._lock:
            shelves = self._open_shelves()
            for session, revision in revisions.items():
                shelf = shelves.get(session)
                if shelf is not None:
                    shelf.performed = max(shelf.performed, revision)

    def rest(self, sessions: Sequence[Resting]) -> None:
        """Note that these sessions rest."""
        with self._lock:
            shelves = self._open_shelves()
            for one in sessions:
                shelf = shelves.get(one.session)
                if shelf is None or (shelf.session.revision, shelf.lease) != (one.revision, one.lease):
                    continue
                if not may_rest(shelf.session):
                    continue
                self._wake(shelf)
                shelf.performed, shelf.rests = one.revision, FOREVER if one.until is None else one.until
                self._at_rest.setdefault(shelf.session.policy, set()).add(one.session)
                if one.until is not None:
                    insort(self._times, (one.until, one.session))

    def _wake(self, shelf: Shelf) -> None:
        """Let a session rest no longer."""
        if shelf.rests is None:
            return
        self._at_rest[shelf.session.policy].discard(shelf.session.id)
        if shelf.rests < FOREVER:
            del self._times[bisect_left(self._times, (shelf.rests, shelf.session.id))]
        shelf.rests = None

    def compact(self, sessions: Mapping[str, int], before: int, rows_max: int) -> Compacted:
        """Let go of what these sessions keep of a time up to ``before``, with a snapshot in its place."""
        with self._lock:
            shelves = self._open_shelves()
            runs, entries, gone = 0, 0, []
            for name, performed in sessions.items():
                shelf = shelves.get(name)
                if shelf is None or max(performed, shelf.performed) < shelf.session.revision:
                    continue  # a hook of its last steps may be owed
                ended = [one for one in shelf.aged_runs(before) if one.spec.id != at_work(shelf.session)][:rows_max]
                old = min(rows_max, sum(1 for _ in takewhile(lambda time: time <= before, shelf.times)))
                if not ended and not old:
                    continue
                shelf.snapshot, shelf.performed = shelf.session, shelf.session.revision
                for one in ended:
                    shelf.let_go_of(one)
                del shelf.journal[:old], shelf.times[:old]
                runs, entries = runs + len(ended), entries + old
                if over_since(shelf.session, before) and not shelf.ended and not shelf.journal:
                    self._remove(name, shelf.session)
                    gone.append(name)
        return Compacted(runs, entries, tuple(gone))

    def _remove(self, name: str, session: Session) -> None:
        """Forget a session, but not how far its names have counted."""
        del self._shelves[name]
        del self._ids[bisect_left(self._ids, name)]
        floor = self._floor or Floor(0, 0)
        self._floor = Floor(max(floor.incarnation, session.incarnation), max(floor.revision, session.revision))

    def close(self) -> None:
        """Refuse everything from now on; what was kept is gone."""
        self._closed = True
        self._shelves, self._ids = {}, []

    # -- inside -------------------------------------------------------------------------------------------------------

    def _open_shelves(self) -> dict[str, Shelf]:
        """Return the shelves, unless the store is closed."""
        if self._closed:
            raise StoreError("store memory", "closed", "open a new one")
        return self._shelves

    def _keep(self, commit: Commit) -> StoreError | None:
        """Keep one step, or say why not."""
        session = commit.step.session
        shelf = None if session is None else self._shelves.get(session.id)
        kept = Stands(None, NOBODY) if shelf is None else Stands(shelf.session.revision, shelf.lease)
        why_not = why_refused(commit, kept, self._worker, None, 0, None)
        if why_not is not None:
            return why_not
        assert session is not None
        specs = admitted(commit)
        if shelf is None:
            refused = below_floor(commit, self._floor)
            if refused is not None:
                return refused
            shelf = Shelf(session, 0)
        for spec in specs:
            if spec.id in shelf.runs:
                return name_taken(session.id, "run id", spec.id)
            if spec.key is not None and spec.key in shelf.keys:
                return name_taken(session.id, "key", spec.key)
        if session.id not in self._shelves:
            self._shelves[session.id] = shelf
            insort(self._ids, session.id)
        for spec in specs:
            shelf.runs.add(spec.id)
            if spec.key is not None:
                shelf.keys[spec.key] = spec.id
        step = commit.step
        self._wake(shelf)
        shelf.session = session
        shelf.lease = acquired(commit.lease, self._worker)
        shelf.performed = max(shelf.performed, commit.performed)
        given = journalled(commit.input)
        place = session.id, session.revision, commit.now
        shelf.journal.append(Entry(*place, given, step.moves, step.hooks, rearmed(commit.before)))
        shelf.ended.update((ended.spec.id, ended) for ended in step.ended)
        shelf.closed.update(((closed.run, closed.request.id), closed.request) for closed in step.closed)
        self._latest = max(self._latest, commit.now, session.now)
        shelf.times.append(self._latest)
        return None


def has_rest(shelf: Shelf) -> bool:
    """Say whether there is nothing to recover in a session as a process starts."""
    return shelf.rests is not None or settled(shelf.session, shelf.performed)
