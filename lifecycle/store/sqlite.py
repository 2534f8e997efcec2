"""The store in SQLite: one file, the workers of one machine, any number of readers.

What lives here: the port, by statements of the schema. What must not: how a value is written (records), and what can be
wrong with a path (files). The law of this file: a commit is one transaction and one sync; it is on the disk before
anybody hears of it, and one that fails leaves file, connection and caches as they were.

A step checks the revision and the epoch it stands on in the statement that writes it: a row of others is not found, and
the step is refused by itself. So does the reply to a request from elsewhere, which is kept with the step it tells of.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, count, takewhile
from pathlib import Path
from threading import Event, Lock
from typing import Any

import attrs

from lifecycle.errors import Busy, Invalid, StoreError
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.lease import NOBODY, SHARING, Lease, Note, Stands, Worker, acquired, may_acquire, renewed
from lifecycle.kernel.replies import Done, Reply
from lifecycle.kernel.values import Ended, Floor, Policy, Request, RunSpec, Session, us
from lifecycle.store import schema, whole
from lifecycle.store.files import (
    FAULTS,
    Whereabouts,
    WorkerLock,
    alone,
    check_ours,
    create,
    has_process,
    in_words,
    is_busy,
    is_new,
    open_beating,
    open_reader,
    open_writer,
    refuse,
    refuse_left_log,
    refuse_sqlite,
    refuse_without_locks,
    resolved,
    shared_us,
    worker_file,
)
from lifecycle.store.port import (
    INBOX_REQUESTS_MAX,
    LEASE_SECONDS,
    Asked,
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
    name_taken,
    not_following,
    over_since,
    rearmed,
    why_refused,
)
from lifecycle.store.record import (
    Place,
    decode_asked,
    decode_checkpoint,
    decode_ended,
    decode_entry,
    decode_policy,
    decode_reply,
    decode_request,
    decode_session,
    decode_snapshot,
    decode_spec,
    encode_asked,
    encode_ended,
    encode_entry,
    encode_reply,
    encode_session,
    encode_whole,
)

Row = tuple[Any, ...]

NUMBERS_MAX = 100_000
"""How many sessions' numbers a store remembers; it forgets all of them when there are more."""

NAME_CHARS_MAX = 256
"""How long the name of a worker may be."""

POLICIES_MAX = 1_024
"""How many policies a store remembers."""

PATIENCE_SECONDS = 5.0
"""How long a worker that joins or beats waits for another program that has the file locked."""

NOTE_SECONDS_MAX = 0.25
"""How long a note of the inbox waits for the commits of others."""

JOURNAL_PAGE_ENTRIES = 64
"""How many entries of a journal are read at once: no reader keeps the log from being emptied for long."""

DUE_PAGE_ROWS = 256
"""How many times of sessions at rest are looked at to find the next one that is not another worker's."""

AGED_PAGE_ROWS = 256
"""How many old rows are looked at before their sessions are named."""

ANSWERED = Done()
"""Stands for the reply of a request wherever nobody decides by which one it is."""

build_entry = twin_of(Entry).build


class Clash(Exception):
    """Say that a statement did not find the row it stands on, or found its name taken."""


@attrs.define(eq=False)
class Line:
    """What a group of commits does to one session: from ``before`` to ``session``, in one row, under one lease."""

    number: int
    before: Session | None
    session: Session
    performed: int
    record: bytes
    lease: Lease


@attrs.define(eq=False)
class Group:
    """The rows of a group of commits, by statement, in the order in which they are to be written.

    ``opened`` holds the numbers of sessions that are new, ``found`` those that were looked up for the group.
    """

    lines: dict[str, Line] = attrs.field(factory=dict)
    entries: list[Row] = attrs.field(factory=list)
    runs: list[Row] = attrs.field(factory=list)
    ended: list[Row] = attrs.field(factory=list)
    requests: list[Row] = attrs.field(factory=list)
    opened: dict[str, int] = attrs.field(factory=dict)
    found: dict[str, int] = attrs.field(factory=dict)
    policies: dict[Policy, int] = attrs.field(factory=dict)
    woken: list[Row] = attrs.field(factory=list)
    taken: list[Row] = attrs.field(factory=list)
    replies: list[Row] = attrs.field(factory=list)
    latest: int = 0
    top: int = 0
    floor: Floor | None = None

    def next(self) -> Group:
        """Return an empty group that knows what this one has learned."""
        opened, found, policies = {**self.opened}, {**self.found}, {**self.policies}
        made = Group(opened=opened, found=found, policies=policies)
        made.latest, made.top, made.floor = self.latest, self.top, self.floor
        return made


class SQLiteStore:
    """Keep sessions in a file. May be used from several threads, and by several processes of one machine at once.

    ``path`` none: the default file in the user's data folder. ``read_only``: look at a file that another process may be
    writing to; nothing can be committed. ``worker`` is what others call whoever works with this store; none: the
    number of the process. ``lease_us`` is lease time: a clock that all processes of the machine share.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        read_only: bool = False,
        worker: str | None = None,
        lease_us: Callable[[], int] = shared_us,
    ) -> None:
        self._path = resolved(path, read_only)
        self._lock: WorkerLock | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._beating: sqlite3.Connection | None = None
        self._writing, self._reading, self._looking = Lock(), Lock(), Lock()
        self._closed, self._leaving = False, Event()
        self._process = os.getpid()
        self._lease_us, self._lasts_us = lease_us, us(LEASE_SECONDS)
        self._me = Worker(0, f"process {self._process}" if worker is None else checked_name(worker), 0)
        self._others: list[Worker] = []
        self._seen, self._newest, self._is_asked = -1, 0, False
        self._numbers: dict[str, int] = {}
        self._at_rest: set[str] = set()
        self._ends: tuple[int, int, Floor | None] = (0, 0, None)
        self._ends_seen = -1
        self._policy_numbers: dict[Policy, int] = {}
        self._policies: dict[int, Policy] = {}
        try:
            with in_words(self._path):
                self._open(read_only)
        except BaseException:
            self.close()
            raise

    def _open(self, read_only: bool) -> None:
        """Check whose file it is, then make and open it."""
        refuse_without_locks(self._path)
        if read_only or not is_new(self._path):
            check_ours(self._path)
        if not read_only:
            if is_new(self._path):
                with alone(self._path):
                    if is_new(self._path):
                        refuse_left_log(self._path)
                        create(self._path)
            self._writer = open_writer(self._path)
            self._whereabouts = Whereabouts(self._path)
        self._reader = open_reader(self._path)
        self.latest()  # where the times are damaged nothing can be judged

    @property
    def name(self) -> str:
        """Name the store for people: its path."""
        return str(self._path)

    def close(self) -> None:
        """Leave as a worker, then let go of the file; the last connection moves the log into it."""
        self._leaving.set()  # a heartbeat that waits for others waits no longer
        with self._writing, self._reading, self._looking:
            self._closed = True
            if self._me.number and self._process == os.getpid():
                self._leave()
            for connection in (self._beating, self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._beating = self._reader = self._writer = None

    # -- being a worker -----------------------------------------------------------------------------------------------

    @property
    def worker(self) -> int:
        """Return the number of the worker that this store is for; 0 before a runtime has claimed it."""
        return self._me.number

    @property
    def is_shared(self) -> bool:
        """Say that others may write to the file, too."""
        return True

    def claim(self, lease_seconds: float = LEASE_SECONDS) -> None:
        """Be the worker of one runtime, until the store is closed."""
        self._claim(lease_seconds, is_alone=False)

    def claim_alone(self) -> None:
        """Be the worker of somebody who changes the file as a whole; refuse that while anybody else is at work on it."""
        self._claim(LEASE_SECONDS, is_alone=True)

    def _claim(self, lease_seconds: float, is_alone: bool) -> None:
        with self._writing, self._looking:
            self._writable()
            if self._me.number:
                raise claimed_already(self.name)
            self._lasts_us = us(lease_seconds)
            try:
                with in_words(self._path), self._patiently(PATIENCE_SECONDS), self._transaction() as connection:
                    there = bury(self._path, connection)
                    if is_alone:
                        refuse_others(self._path, there)
                    me = self._joined_by(connection, there)
                    self._lock = WorkerLock(self._path, me.number)
                self._me = me
                self._beating = open_beating(self._path)
            except BaseException:
                if self._lock is not None:
                    self._lock.release()
                    self._lock = None
                raise

    def _joined_by(self, connection: sqlite3.Connection, at_work: Sequence[Worker]) -> Worker:
        """Join those at work, under a name that none of them has."""
        there = {worker.name: worker for worker in at_work}
        now, name = self._lease_us(), self._me.name
        if name == f"process {os.getpid()}":  # nobody chose it: several stores of a process are told apart
            name = next(free for free in numbered(name) if free not in there)
        same = there.get(name)
        if same is not None and not may_acquire(Lease(same.number), 0, same, now):
            fact, remedy = f"a worker called {name} is at work on it already", "give each worker its own name"
            raise refuse(self._path, fact, remedy)
        if same is not None:
            connection.execute(schema.DELETE_WORKER, (same.number,))
        connection.execute(schema.UNCOLLECTED)
        expires = now + self._lasts_us
        number = connection.execute(schema.INSERT_WORKER, (name, expires)).lastrowid
        assert number is not None
        return Worker(number, name, expires)

    def _leave(self) -> None:
        """Let go of all that is held: at once, if that can be written, else when the others find the lock free."""
        if self._writer is not None and not self._writer.in_transaction:
            with suppress(sqlite3.Error, StoreError):
                self._whereabouts.check()
                self._writer.execute(f"PRAGMA busy_timeout = {int(NOTE_SECONDS_MAX * 1_000)}")
                self._writer.execute(schema.DELETE_WORKER, (self._me.number,))
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextmanager
    def _patiently(self, seconds: float) -> Iterator[None]:
        """Wait so long for others that have the file locked."""
        connection = self._writable()
        connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1_000)}")
        try:
            yield
        finally:
            connection.execute("PRAGMA busy_timeout = 0")

    def renew(self) -> bool:
        """Let everything that this worker holds last from now on; false: that comes late.

        A worker whose row was removed, because its lock was found free, is back under its number: what was not taken
        meanwhile is its own still. What counts is the time at which others can take nothing any more, not that of asking.
        """
        with self._beat() as connection:
            with self._beat_kept(connection):  # that may take long; from here on nobody takes anything
                now = self._lease_us()
                in_time = now < self._me.expires
                me = renewed(self._me, now, self._lasts_us)
                in_time = self._beaten(connection, me) and in_time
            self._me = me
            return in_time

    @contextmanager
    def _beat_kept(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Keep what a heartbeat writes, wholly or not at all."""
        self._begin_to_beat(connection)
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def _begin_to_beat(self, connection: sqlite3.Connection) -> None:
        """Wait for others as long as a worker may, but not while it leaves: whoever closes the store waits for this."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as fault:
                if not is_busy(fault) or self._leaving.is_set() or time.monotonic() > until:
                    raise
            else:
                return

    @staticmethod
    def _beaten(connection: sqlite3.Connection, me: Worker) -> bool:
        """Write a heartbeat; false: the row was removed, and is there again."""
        if connection.execute(schema.RENEW_WORKER, (me.expires, me.number)).rowcount:
            return True
        connection.execute(schema.REJOIN_WORKER, (me.number, me.name, me.expires))
        return False

    def look(self) -> Look:
        """Say what is asked of this worker, and who else is at work; costs next to nothing while nobody writes."""
        with self._beat() as connection:
            (seen,) = connection.execute("PRAGMA data_version").fetchone()
            changed = seen != self._seen
            asked, refused = list[Asked](), list[StoreError]()
            if changed or self._is_asked:
                rows = connection.execute(schema.ASKED, (self._me.number,)).fetchall()
                self._is_asked = bool(rows)
                for row in rows:
                    try:
                        asked.append(asked_of(row))
                    except StoreError as error:
                        refused.append(error)
            if changed:
                self._others = workers_of(self._path, connection)
                self._newest = first_column(connection.execute(schema.NEWEST).fetchone())
            if any(not has_process(self._path, worker.number) for worker in self._others):
                with self._beat_kept(connection):
                    self._others = bury(self._path, connection)
            self._seen = seen  # not before: a look that failed has seen nothing
            now = self._lease_us()
            held = (one.number for one in self._others if not may_acquire(Lease(one.number), 0, one, now))
            return Look(tuple(asked), changed, tuple(held), self._newest - len(self._others), tuple(refused))

    @contextmanager
    def _beat(self) -> Iterator[sqlite3.Connection]:
        """Use the connection of the heartbeat, which waits for nothing that the writer waits for."""
        with self._looking:
            if self._beating is None:
                raise self._shut()
            self._whereabouts.check()
            try:
                yield self._beating
            except sqlite3.Error as fault:
                raise refuse_sqlite(self._path, fault) from None

    def _holder(self, connection: sqlite3.Connection, lease: Lease) -> str | None:
        """Name the other worker that holds a session under a lease now; none: it may be taken."""
        worker = self._other(connection, lease)
        if worker is None or may_acquire(lease, self._me.number, worker, self._lease_us()):
            return None
        return worker.name

    def _other(self, connection: sqlite3.Connection, lease: Lease) -> Worker | None:
        """Find the other worker that has a session under a lease, whether it is heard of or not; none: it has left."""
        if lease.worker in (0, self._me.number):
            return None
        row = connection.execute(schema.WORKER, (lease.worker,)).fetchone()
        return None if row is None else found_worker(self._path, row)

    def holder(self, session: str) -> str | None:
        """Name the worker that holds a session now; none: nobody does."""
        with self._read() as connection:
            row = connection.execute(schema.STANDS, (session,)).fetchone()
            if row is None or not row[1]:
                return None
            return self._me.name if row[1] == self._me.number else self._holder(connection, Lease(*row[1:3]))

    # -- the inbox ----------------------------------------------------------------------------------------------------

    def ask(self, session: str, given: Input, requests_max: int = INBOX_REQUESTS_MAX) -> int:
        """Put a request into the inbox of whoever holds a session; return its number."""
        row = (self._me.number, session, encode_asked(given))
        with self._noting() as connection:
            if connection.execute(schema.IS_ASKED_SO_MUCH, (session, requests_max - 1)).fetchone():
                fact = f"whoever holds it has not answered {requests_max} requests (inbox_requests_max)"
                remedy = "see whether its process is stuck, and ask again later"
                raise Busy(f"session {session}", fact, remedy, limit="inbox_requests_max", bound=requests_max)
            return int(connection.execute(schema.ASK, row).lastrowid or 0)

    def reply_to(self, asked: int) -> Reply | None:
        """Return the reply to what this worker asked, once there is one; it is handed out once."""
        with self._read() as connection:
            row = connection.execute(schema.REPLY, (asked,)).fetchone()
        if row is None:
            return None
        reply = decode_reply(row[0], Place("inbox", None, f"{asked}"))
        with (
            suppress(StoreError),
            self._noting() as connection,
        ):  # whoever asked is told all the same; others clear it away
            connection.execute(schema.COLLECTED, (asked,))
        return reply

    def withdraw(self, asked: int) -> bool:
        """Take a request back; false: it is answered, and too late for that."""
        with self._noting() as connection:
            if not SHARING.is_open(self._note(connection, asked)):
                return False
            connection.execute(schema.COLLECTED, (asked,))
            return True

    def answer(self, asked: int, reply: Reply, lease: Lease) -> bool:
        """Answer a request that changed nothing; false: it was taken back, or that lease is no longer ours."""
        with self._noting() as connection:
            row = connection.execute(schema.LEASE_ASKED, (asked,)).fetchone()
            kept = NOBODY if row is None else Lease(*row)
            if not SHARING.may_answer(self._note(connection, asked), kept, lease, self._me.number):
                return False
            connection.execute(schema.ANSWER, (encode_reply(reply), asked))
            return True

    def _note(self, connection: sqlite3.Connection, asked: int) -> Note | None:
        """Return what the inbox has of a request: who asks, and whether there is a reply; which one, nobody decides by."""
        row = connection.execute(schema.NOTE, (asked,)).fetchone() if asked else None
        return None if row is None else Note(row[0], ANSWERED if row[1] else None)

    @contextmanager
    def _noting(self) -> Iterator[sqlite3.Connection]:
        """Write something to the inbox, or out of it; for that a moment is waited while others commit."""
        with self._writing, self._patiently(NOTE_SECONDS_MAX), self._transaction() as connection:
            yield connection

    # -- reading ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _read(self, steady: bool = False) -> Iterator[sqlite3.Connection]:
        """Read what is committed; ``steady``: all statements see the same."""
        with self._reading:
            connection = self._reader
            if connection is None:
                raise self._shut()
            try:
                if not steady:
                    yield connection
                    return
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    connection.rollback()
            except (sqlite3.Error, UnicodeDecodeError) as fault:
                raise refuse_sqlite(self._path, fault) from None

    def latest(self) -> int:
        """Return the highest engine time kept, 0 if nothing is.

        The last row of the journal tells; where it was let go, a mark says what stood there.
        """
        with self._read() as connection:
            return ends(self._path, connection)[0]

    def load(self, session: str) -> Kept | None:
        """Return a session, however it was left."""
        with self._read(steady=True) as connection:
            row = connection.execute(schema.LOAD_SESSION, (session,)).fetchone()
            if row is not None:
                self._note_rest(session, row[-1])
            return None if row is None else self._joined(connection, row)

    def _note_rest(self, session: str, rests_until: int | None) -> None:
        """Remember whether a session rests: its next step has to wake it, and looks for that if this was forgotten."""
        if rests_until is None:
            self._at_rest.discard(session)
        elif len(self._at_rest) < NUMBERS_MAX:
            self._at_rest.add(session)

    def _joined(self, connection: sqlite3.Connection, row: Row) -> Kept:
        """Make a session of its row and of what that refers to."""
        number, name, revision, performed, policy, holder, epoch, record, rests_until = row

        def spec_of(run: str) -> RunSpec:
            found = connection.execute(schema.LOAD_SPEC, (number, run)).fetchone()
            return decode_spec(first_column(found, None), Place("runs", name, run))

        def checkpoint_of(run: str) -> str:
            found = connection.execute(schema.LOAD_CHECKPOINT, (number, run)).fetchone()
            return decode_checkpoint(first_column(found, None), Place("checkpoints", name, run))

        place = Place("sessions", name, f"of revision {revision}")
        session = decode_session(record, place, self._policy(connection, policy), spec_of, checkpoint_of)
        if session.id != name or session.revision != revision:
            place.damaged(f"it is that of session {session.id}, revision {session.revision}")
        if not isinstance(performed, int):
            place.damaged("how far hooks were performed is no number")
        lease = Lease(holder, epoch)
        rests = rests_until is not None and rests_until != schema.OVER
        return Kept(session, performed, lease, self._holder(connection, lease), rests)

    def _policy(self, connection: sqlite3.Connection, number: int) -> Policy:
        """Return a policy by its number; many sessions share one."""
        policy = self._policies.get(number)
        if policy is None:
            found = connection.execute(schema.LOAD_POLICY, (number,)).fetchone()
            policy = decode_policy(first_column(found, None), Place("policies", None, number))
            remember(self._policies, {number: policy}, POLICIES_MAX)
        return policy

    def run_ended(self, session: str, run: str) -> Ended | None:
        """Find the record of an ended run by its id."""
        return self._one_ended(schema.RUN_ENDED, session, run)

    def key_ended(self, session: str, key: str) -> Ended | None:
        """Find the record of an ended run by its idempotency key."""
        return self._one_ended(schema.KEY_ENDED, session, key)

    def _one_ended(self, statement: str, session: str, name: str) -> Ended | None:
        """Find the record of one ended run."""
        with self._read() as connection:
            row = connection.execute(statement, (session, name)).fetchone()
        return None if row is None else ended_of(session, row)

    def ended(self, session: str, after: int = 0, limit: int = 50) -> Sequence[Ended]:
        """Return ended runs of a session in order of their admission."""
        with self._read() as connection:
            rows = connection.execute(schema.ENDED_PAGE, (session, after, limit)).fetchall()
        return [ended_of(session, row) for row in rows]

    def request_closed(self, session: str, run: str, request: str) -> Request | None:
        """Find a closed request; of several that had this id one after another, the last."""
        with self._read() as connection:
            row = connection.execute(schema.REQUEST_CLOSED, (session, run, request)).fetchone()
        return None if row is None else decode_request(row[0], Place("requests", session, f"{request} of run {run}"))

    def sessions(self, after: str | None = None, limit: int = 50, state: str | None = None) -> Sequence[Session]:
        """Return a page of sessions in order of their ids."""
        found = []
        for _, one in self.page(after, limit, state):
            if isinstance(one, StoreError):
                raise one
            found.append(one)
        return found

    def page(
        self, after: str | None = None, limit: int = 50, state: str | None = None
    ) -> Sequence[tuple[str, Session | StoreError]]:
        """Return a page of sessions in order of their ids, each with itself or with why it cannot be read."""
        given = [value for value in (state, after) if value is not None]
        with self._read(steady=True) as connection:
            rows = connection.execute(PAGES[state is not None, after is not None], (*given, limit)).fetchall()
            return [(row[1], self._joined_or_not(connection, row)) for row in rows]

    def _joined_or_not(self, connection: sqlite3.Connection, row: Row) -> Session | StoreError:
        """Make a session of its row, or say why that cannot be: one that is damaged does not hide the others."""
        try:
            return self._joined(connection, row).session
        except StoreError as error:
            return error

    def unsettled(self) -> Sequence[str]:
        """Return the ids of all sessions that neither are settled nor rest and that no worker holds, the busy ones first."""
        with self._read() as connection:
            rows = connection.execute(schema.UNSETTLED, (self._lease_us(),)).fetchall()
        return [name for name, is_busy in rows if is_busy] + [name for name, is_busy in rows if not is_busy]

    def due(self, now: int, limit: int, policy: Policy) -> Due:
        """Return sessions at rest whose time has come, or that nobody holds and that live under another policy."""
        me, at, found = self._me.number, self._lease_us(), dict[str, None]()
        with self._read(steady=True) as connection:
            (mine,) = connection.execute(schema.POLICY_NUMBER, (encode_whole(policy),)).fetchone() or (0,)
            held = {number for (number,) in connection.execute(schema.HELD, (at, me))}
            later: list[int] = []
            for (number,) in connection.execute(schema.POLICY_NUMBERS).fetchall():
                rows = connection.execute(schema.DUE, (number, now, me, at, limit)).fetchall()
                if number != mine:
                    rows += connection.execute(schema.LEFT_AT_REST, (number, me or -1, at, limit)).fetchall()
                found.update((name, None) for (name,) in rows)
                times = connection.execute(schema.NEXT_DUE, (number, now, DUE_PAGE_ROWS)).fetchall()
                ours = [until for until, holder in times if holder not in held]
                if ours or len(times) == DUE_PAGE_ROWS:
                    later.append(ours[0] if ours else times[-1][0])
        return Due(tuple(found)[:limit], min(later, default=None))

    def journal(self, session: str, after: int = 0) -> Iterator[Entry]:
        """Return the steps of a session with revisions above ``after``, in order."""
        while True:
            with self._read() as connection:
                rows = connection.execute(schema.JOURNAL_PAGE, (session, after, JOURNAL_PAGE_ENTRIES)).fetchall()
            for revision, record in rows:
                place = Place("journal", session, f"of revision {revision}")
                entry = decode_entry(record, place)
                if entry.session != session or entry.revision != revision:
                    place.damaged(f"it is that of session {entry.session}, revision {entry.revision}")
                yield entry
                after = revision
            if len(rows) < JOURNAL_PAGE_ENTRIES:
                return

    def snapshot(self, session: str) -> Session | None:
        """Return the value that later entries stand on; none: they begin with the session."""
        with self._read() as connection:
            row = connection.execute(schema.SNAPSHOT, (session,)).fetchone()
        return None if row is None else snapshot_of(session, row)

    def floor(self) -> Floor | None:
        """Return what the sessions that have left came to; none if none has."""
        with self._read() as connection:
            return ends(self._path, connection)[2]

    def aged(self, before: int) -> Iterator[str]:
        """Return the ids of sessions that keep something of a time up to ``before``, ended runs first."""
        for name, lease in chain(self._aged_ended(before), self._aged_entries(before)):
            if lease.worker not in (0, self._me.number):
                with self._read() as connection:
                    if self._holder(connection, lease) is not None:
                        continue
            yield name

    def _aged_ended(self, before: int) -> Iterator[tuple[str, Lease]]:
        """Name the sessions of runs that ended up to a time, page by page, by the index on it."""
        place: Row = (-1, 0, 0)
        while True:
            with self._read() as connection:
                rows = connection.execute(schema.AGED_ENDED, (*place, before, AGED_PAGE_ROWS)).fetchall()
            yield from dict.fromkeys((row[3], Lease(*row[4:])) for row in rows)
            if len(rows) < AGED_PAGE_ROWS:
                return
            place = rows[-1][:3]

    def _aged_entries(self, before: int) -> Iterator[tuple[str, Lease]]:
        """Name the sessions of entries of a time, page by page: rows were inserted in the order of their times."""
        number = 0
        while True:
            with self._read() as connection:
                rows = connection.execute(schema.AGED_ENTRIES, (number, AGED_PAGE_ROWS)).fetchall()
            old = list(takewhile(lambda row: row[1] <= before, rows))
            yield from dict.fromkeys((row[2], Lease(*row[3:])) for row in old)
            if len(old) < AGED_PAGE_ROWS:
                return
            number = rows[-1][0]

    # -- writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write wholly or not at all; what fails becomes a sentence, and the connection is as good as before."""
        connection = self._writable()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            self._whereabouts.check()
            connection.execute("COMMIT")
        except BaseException as fault:
            raise self._undone(connection, fault) from None

    def _writable(self) -> sqlite3.Connection:
        """Return the connection that writes."""
        if self._writer is None:
            raise self._shut()
        if self._process != os.getpid():
            fact = "belongs to the process that opened it, not to a fork of it"
            raise refuse(self._path, fact, "open a store of its own for reading, or start a process that does not fork")
        return self._writer

    def _undone(self, connection: sqlite3.Connection, fault: BaseException) -> BaseException:
        """Roll back, and say what to raise: a fault of SQLite as a sentence, any other as it is."""
        connection.rollback()
        if isinstance(fault, (sqlite3.Error, UnicodeDecodeError)):
            return refuse_sqlite(self._path, fault)
        return fault

    def commit(self, commits: Sequence[Commit]) -> Sequence[StoreError | None]:
        """Keep several steps in one transaction, in order; return a verdict for each."""
        with self._writing:
            try:
                return self._commit_together(commits)
            except Clash:
                self._numbers.clear()  # others may have changed what they stand for
                return self._commit_each(commits)

    def _commit_together(self, commits: Sequence[Commit]) -> list[StoreError | None]:
        """Keep a group as if each step stood on what the store has; the first one that does not makes it a clash."""
        group = Group()
        connection = self._writable()
        try:  # not `with`: a generator costs a tenth of what a lone step may
            connection.execute("BEGIN IMMEDIATE")
            group.latest, group.top, group.floor = self._ends_now(connection)
            verdicts = [self._gather(connection, group, commit) for commit in commits]
            self._write(connection, group)
            self._whereabouts.check()
            connection.execute("COMMIT")
        except BaseException as fault:
            raise self._undone(connection, fault) from None
        self._remember(group)
        return verdicts

    def _commit_each(self, commits: Sequence[Commit]) -> list[StoreError | None]:
        """Look before each step what it stands on: slower, and so only after a clash."""
        whole = Group()
        verdicts = []
        with self._transaction() as connection:
            whole.latest, whole.top, whole.floor = self._ends_now(connection)
            for commit in commits:
                why_not = self._what_it_stands_on(connection, commit)
                if why_not is None:
                    alone = whole.next()
                    why_not = self._gather(connection, alone, commit) or self._write_alone(connection, alone, commit)
                    whole = whole if why_not else alone
                verdicts.append(why_not)
        self._remember(whole)
        return verdicts

    def _ends_now(self, connection: sqlite3.Connection) -> tuple[int, int, Floor | None]:
        """Return the highest time and number, and the floor; looked up only if somebody has changed them since the last."""
        (seen,) = connection.execute("PRAGMA data_version").fetchone()
        if seen != self._ends_seen:
            self._ends, self._ends_seen = ends(self._path, connection), seen
        return self._ends

    def _what_it_stands_on(self, connection: sqlite3.Connection, commit: Commit) -> StoreError | None:
        """Look whether a step stands on what is there, and admits a run under names that are free."""
        session = commit.step.session
        name = "" if session is None else session.id
        revision, *held, rests_until = connection.execute(schema.STANDS, (name,)).fetchone() or (None, 0, 0, None)
        self._note_rest(name, rests_until)
        kept = Stands(revision, Lease(*held))
        worker, note = self._other(connection, kept.lease), self._note(connection, commit.asked)
        why_not = why_refused(commit, kept, self._me.number, worker, self._lease_us(), note)
        if why_not is not None:
            return why_not
        for spec in admitted(commit):
            if connection.execute(schema.RUN_TAKEN, (name, spec.id)).fetchone():
                return name_taken(name, "run id", spec.id)
            if spec.key is not None and connection.execute(schema.KEY_TAKEN, (name, spec.key)).fetchone():
                return name_taken(name, "key", spec.key)
        return None

    def _write_alone(self, connection: sqlite3.Connection, alone: Group, commit: Commit) -> StoreError | None:
        """Write the rows of one step; one that does not fit although all was looked at is refused, not the others."""
        connection.execute("SAVEPOINT alone")
        try:
            self._write(connection, alone)
        except Clash:
            connection.execute("ROLLBACK TO alone")
            session = commit.step.session
            return StoreError(f"session {session and session.id}", "the step repeats what is kept", "report it")
        finally:
            connection.execute("RELEASE alone")
        return None

    def _gather(self, connection: sqlite3.Connection, group: Group, commit: Commit) -> StoreError | None:
        """Add the rows of a step to its group; say why not if it cannot follow what the group does before."""
        step, before = commit.step, commit.before
        session = step.session
        line = None if session is None else group.lines.get(session.id)
        stands_on = before if line is None else line.session
        why_not = not_following(commit, None if stands_on is None else stands_on.revision)
        if why_not is not None:
            return why_not
        assert session is not None
        name, revision = session.id, session.revision
        try:
            entry = encode_entry(
                build_entry(name, revision, commit.now, commit.input, step.moves, step.hooks, rearmed(before))
            )
            record = encode_session(session)
            runs = [(spec.id, spec.admitted, spec.key, encode_whole(spec)) for spec in admitted(commit)]
            ended = [(one.spec.admitted, one.spec.id, encode_ended(one), one.ended_at) for one in step.ended]
            closed = [(one.run, one.request.id, encode_whole(one.request)) for one in step.closed]
            reply = encode_reply(step.reply) if commit.asked else None
        except (TypeError, ValueError, OverflowError) as fault:
            fact = f"revision {revision} cannot be written ({fault})"
            return StoreError(f"session {name}", fact, "pass texts only", permanent=True)
        if line is None:
            refused = below_floor(commit, group.floor) if before is None else None
            if refused is not None:
                return refused
            number = self._number(connection, group, name, before is None)
            lease = commit.lease
            if lease.worker != self._me.number:
                lease = self._taken(connection, group, number, before is None, lease)
            if name in self._at_rest:
                group.woken.append((number,))
            group.lines[name] = Line(number, before, session, commit.performed, record, lease)
        else:
            number = line.number
            line.session, line.record = session, record
            line.performed = max(line.performed, commit.performed)
        group.latest = max(group.latest, commit.now, session.now)
        group.entries.append((number, revision, group.latest, entry))
        group.runs += [(number, *row) for row in runs]
        group.ended += [(number, *row) for row in ended]
        group.requests += [(number, *row) for row in closed]
        if reply is not None:
            group.replies.append((reply, commit.asked))
        return None

    def _taken(self, connection: sqlite3.Connection, group: Group, number: int, is_first: bool, lease: Lease) -> Lease:
        """Take a session with the step; whether it may be taken is decided in the step's own transaction.

        Whoever takes one is at work: a worker whose heartbeat has run out beats with the step. Others do not look again
        for what is held by one that they have found silent, so it must not get hold of anything as long as it is that.
        """
        now = self._lease_us()
        if self._me.number and now >= self._me.expires:
            self._beaten(
                connection, renewed(self._me, now, self._lasts_us)
            )  # to the thread that beats it is late still
        if not is_first:
            if self._holder(connection, lease) is not None:
                raise Clash
            group.taken.append((self._me.number, number, lease.epoch))
        return acquired(lease, self._me.number)

    def _number(self, connection: sqlite3.Connection, group: Group, session: str, is_first: bool) -> int:
        """Return the number of a session; a new one gets the next."""
        if is_first:
            number = group.opened[session] = group.top + len(group.opened) + 1
            return number
        known = self._numbers.get(session) or group.opened.get(session)
        if known is None:
            known = first_column(connection.execute(schema.SESSION_NUMBER, (session,)).fetchone())
            if not known:
                raise Clash
            group.found[session] = known
        return known

    def _write(self, connection: sqlite3.Connection, group: Group) -> None:
        """Write the rows of a group, one statement for all rows of a table."""
        opens: list[Row] = []
        stays: list[Row] = []
        moves: list[Row] = []
        reopens: list[Row] = []
        checkpoints: list[Row] = []
        dropped: list[Row] = []
        for line in group.lines.values():
            before, session, number, epoch = line.before, line.session, line.number, line.lease.epoch
            here = busy(session)
            revision, state, performed, record = session.revision, session.state, line.performed, line.record
            if before is None:
                policy = self._policy_number(connection, group, session.policy)
                row = (number, session.id, revision, performed, state, here, policy, line.lease.worker, epoch, record)
                opens.append(row)
            elif before.policy is not session.policy and before.policy != session.policy:
                policy = self._policy_number(connection, group, session.policy)
                reopens.append((revision, performed, record, state, here, policy, number, before.revision, epoch))
            elif before.state != state or busy(before) is not here:
                moves.append((revision, performed, record, state, here, number, before.revision, epoch))
            else:
                stays.append((revision, performed, record, number, before.revision, epoch))
            if has_checkpoint(before) or has_checkpoint(session):
                was, now = checkpoints_of(before), checkpoints_of(session)
                fresh = {run: data for run, data in now.items() if was.get(run) != data}
                checkpoints += [(number, run, encode_whole(data)) for run, data in fresh.items()]
                dropped += [(number, run) for run in was if run not in now]
        try:
            for statement, rows in (
                (schema.WAKE_SESSION, group.woken),
                (schema.TAKE_SESSION, group.taken),
                (schema.INSERT_SESSION, opens),
                (schema.UPDATE_SESSION, stays),
                (schema.MOVE_SESSION, moves),
                (schema.REOPEN_SESSION, reopens),
                (schema.ANSWER, group.replies),
            ):
                if rows and execute_all(connection, statement, rows) != len(rows):
                    raise Clash
            execute_all(connection, schema.INSERT_ENTRY, group.entries)
            for statement, rows in (
                (schema.INSERT_RUN, group.runs),
                (schema.KEEP_CHECKPOINT, checkpoints),
                (schema.DROP_CHECKPOINT, dropped),
                (schema.INSERT_ENDED, group.ended),
                (schema.KEEP_REQUEST, group.requests),
            ):
                if rows:
                    execute_all(connection, statement, rows)
        except sqlite3.IntegrityError:
            raise Clash from None

    def _policy_number(self, connection: sqlite3.Connection, group: Group, policy: Policy) -> int:
        """Return the number of a policy, keeping it if it is new."""
        number = self._policy_numbers.get(policy) or group.policies.get(policy)
        if number is None:
            record = encode_whole(policy)
            connection.execute(schema.INSERT_POLICY, (record,))
            number = first_column(connection.execute(schema.POLICY_NUMBER, (record,)).fetchone())
            group.policies[policy] = number
        return number

    def _remember(self, group: Group) -> None:
        """Learn from a group that is on the disk."""
        self._ends = group.latest, group.top + len(group.opened), group.floor
        if group.opened:
            remember(self._numbers, group.opened, NUMBERS_MAX)
        if group.found:
            remember(self._numbers, group.found, NUMBERS_MAX)
        if group.policies:
            remember(self._policy_numbers, group.policies, POLICIES_MAX)
        if self._at_rest:
            self._at_rest.difference_update(group.lines)

    def mark_performed(self, revisions: Mapping[str, int]) -> None:
        """Note up to which revision the durable hooks of these sessions were performed.

        With a sync, as every transaction here: if one were left in memory and the next sync failed, it would be gone from
        the disk for good, and all that is written behind it in the log with it.
        """
        rows = [(revision, session, revision) for session, revision in revisions.items()]
        with self._writing, self._patiently(NOTE_SECONDS_MAX), self._transaction() as connection:
            connection.executemany(schema.MARK_PERFORMED, rows)
            connection.executemany(schema.MARK_OVER, [(session,) for session in revisions])

    def rest(self, sessions: Sequence[Resting]) -> None:
        """Note that these sessions rest. With a sync, as every transaction here; see ``mark_performed``."""
        rows = [
            (schema.FOREVER if one.until is None else one.until, one.session, one.revision, lease.worker, lease.epoch)
            for one, lease in ((one, one.lease) for one in sessions)
        ]
        with self._writing, self._patiently(NOTE_SECONDS_MAX), self._transaction() as connection:
            connection.executemany(schema.LAY_TO_REST, rows)

    # -- letting go ---------------------------------------------------------------------------------------------------

    def compact(self, sessions: Mapping[str, int], before: int, rows_max: int) -> Compacted:
        """Let go of what these sessions keep of a time up to ``before``, with a snapshot in its place.

        Nothing of what another worker holds. With a sync, as every transaction here; see ``mark_performed``.
        """
        runs = entries = 0
        gone: list[str] = []
        refused: list[StoreError] = []
        with self._writing, self._patiently(NOTE_SECONDS_MAX), self._transaction() as connection:
            for name, performed in sessions.items():
                try:
                    done = self._compact_one(connection, name, performed, before, rows_max)
                except StoreError as error:  # damage is met before anything of that session is written
                    refused.append(error)
                    continue
                runs, entries = runs + done.runs, entries + done.entries
                gone += done.sessions
        for name in gone:
            self._numbers.pop(name, None)
        self._ends_seen = -1
        return Compacted(runs, entries, tuple(gone), tuple(refused))

    def _compact_one(
        self, connection: sqlite3.Connection, name: str, performed: int, before: int, rows_max: int
    ) -> Compacted:
        """Let go of what one session keeps of that time."""
        row = connection.execute(schema.LOAD_SESSION, (name,)).fetchone()
        if row is None or max(performed, row[3]) < row[2]:  # a hook of its last steps may be owed
            return Compacted()
        kept, number = self._joined(connection, row), row[0]
        if kept.holder is not None:
            return Compacted()
        session = kept.session
        oldest = connection.execute(schema.OLDEST_ENDED, (number, rows_max)).fetchall()
        runs = [one for one in oldest if one[2] is not None and one[2] <= before and one[1] != at_work(session)]
        steps = connection.execute(schema.OLDEST_ENTRIES, (number, rows_max)).fetchall()
        entries = list(takewhile(lambda step: step[1] <= before, steps))
        if not runs and not entries:
            return Compacted()
        connection.execute(schema.MARK_PERFORMED, (session.revision, name, session.revision))
        connection.execute(schema.MARK_OVER, (name,))
        if first_column(connection.execute(schema.SNAPSHOT_REVISION, (number,)).fetchone()) < session.revision:
            connection.execute(schema.KEEP_SNAPSHOT, (number, session.revision, encode_whole(session)))
        connection.executemany(schema.DROP_ENDED, [(number, admitted) for admitted, _, _ in runs])
        connection.executemany(schema.DROP_RUN, [(number, run) for _, run, _ in runs])
        connection.executemany(schema.DROP_REQUESTS, [(number, run) for _, run, _ in runs])
        if entries:
            connection.execute(schema.DROP_ENTRIES, (number, entries[-1][0]))
            connection.execute(schema.KEEP_MARK, ("latest", entries[-1][1]))
        leaves = over_since(session, before) and not self._keeps_anything(connection, number, name)
        if leaves:
            self._remove(connection, number, session)
        return Compacted(len(runs), len(entries), (name,) if leaves else ())

    def _keeps_anything(self, connection: sqlite3.Connection, number: int, name: str) -> bool:
        """Say whether a session has an ended run or an entry, or is asked for something that nobody has answered."""
        asked = ((schema.OLDEST_ENDED, (number, 1)), (schema.OLDEST_ENTRIES, (number, 1)), (schema.IS_ASKED, (name,)))
        return any(connection.execute(statement, given).fetchone() for statement, given in asked)

    def _remove(self, connection: sqlite3.Connection, number: int, session: Session) -> None:
        """Remove a session, but not how far its names have counted."""
        for statement in (schema.DROP_SNAPSHOT, schema.DROP_SESSION):
            connection.execute(statement, (number,))
        marks = (("number", number), ("incarnation", session.incarnation), ("revision", session.revision))
        connection.executemany(schema.KEEP_MARK, marks)

    def vacuum(self) -> None:
        """Make the file as small as what is in it; what no session lives under leaves, too.

        Only alone: a worker remembers the numbers of policies. One that has joined meanwhile is looked for where they
        leave, and whoever joins later remembers none.
        """
        with self._writing, in_words(self._path), self._patiently(PATIENCE_SECONDS):
            with self._transaction() as connection:
                workers = workers_of(self._path, connection)
                refuse_others(self._path, [one for one in workers if one.there and one.number != self._me.number])
                connection.execute(whole.DROP_POLICIES)
            self._policy_numbers.clear()
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _shut(self) -> StoreError:
        """Say why there is no connection."""
        if self._closed:
            return refuse(self._path, "is closed", "open it again")
        return refuse(self._path, "is open for reading only", "open it without read_only to write")


# -- small things -----------------------------------------------------------------------------------------------------


def execute_all(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> int:
    """Execute a statement for every row and return how many rows it changed; one row alone goes the shorter way."""
    if len(rows) == 1:
        return connection.execute(statement, rows[0]).rowcount
    return connection.executemany(statement, rows).rowcount


PAGES = {
    (False, False): schema.SESSIONS_FIRST,
    (False, True): schema.SESSIONS_NEXT,
    (True, False): schema.SESSIONS_FIRST_IN,
    (True, True): schema.SESSIONS_NEXT_IN,
}
"""The statement for a page of sessions, by whether a state and a start are given."""


def first_column(row: Row | None, default: Any = 0) -> Any:
    """Return the first column of a row, if there is a row."""
    return default if row is None else row[0]


def mark(connection: sqlite3.Connection, name: str) -> int:
    """Return a number that outlives the rows it came from, 0 if it was never kept."""
    return int(first_column(connection.execute(schema.MARK, (name,)).fetchone()))


def snapshot_of(session: str, row: Row) -> Session:
    """Make the snapshot of a session of its row."""
    revision, record = row
    place = Place("snapshots", session, f"of revision {revision}")
    snapshot = decode_snapshot(record, place)
    if snapshot.id != session or snapshot.revision != revision:
        place.damaged(f"it is that of session {snapshot.id}, revision {snapshot.revision}")
    return snapshot


def remember(known: dict[Any, Any], more: Mapping[Any, Any], bound: int) -> None:
    """Add to what is known; beyond the bound, what was known before is forgotten."""
    if len(known) + len(more) > bound:
        known.clear()
    known.update(more)


def ended_of(session: str, row: Row) -> Ended:
    """Make the record of an ended run of its row."""
    run, record, spec = row
    known = decode_spec(spec, Place("runs", session, run))
    return decode_ended(record, Place("ended", session, f"of run {run}"), known)


def has_checkpoint(session: Session | None) -> bool:
    """Say whether a session may have a checkpoint: its head has one, or a run is queued, which is looked into later."""
    if session is None:
        return False
    head = session.head
    return bool(session.queue) or (head is not None and head.checkpoint is not None)


def checkpoints_of(session: Session | None) -> dict[str, str]:
    """Return the checkpoints of unfinished runs."""
    if session is None:
        return {}
    return {run.spec.id: run.checkpoint for run in session.unfinished() if run.checkpoint is not None}


def ends(path: Path, connection: sqlite3.Connection) -> tuple[int, int, Floor | None]:
    """Return the highest engine time and the highest number of a session, of what has left, too, and the floor of that.

    Others may have gone on since the last look, and let go.
    """
    latest, top, *marked = (value or 0 for value in connection.execute(schema.ENDS).fetchone())
    if not all(isinstance(value, int) for value in (latest, top, *marked)):
        raise refuse(path, *FAULTS[sqlite3.SQLITE_CORRUPT])
    incarnation, revision = marked[2:]
    return max(latest, marked[0]), max(top, marked[1]), Floor(incarnation, revision) if revision else None


def refuse_others(path: Path, there: Sequence[Worker]) -> None:
    """Refuse what can only be done alone."""
    for worker in there:
        raise refuse(path, f"{worker.name} is at work on it", "let that end, then try again")


def workers_of(path: Path, connection: sqlite3.Connection) -> list[Worker]:
    """Return the workers of a file, each with whether its process is there."""
    return [found_worker(path, row) for row in connection.execute(schema.WORKERS).fetchall()]


def found_worker(path: Path, row: Row) -> Worker:
    """Make a worker of its row, and look whether its process is there."""
    number, name, expires = row
    return Worker(number, name, expires, has_process(path, number))


def bury(path: Path, connection: sqlite3.Connection) -> list[Worker]:
    """Remove those workers whose process is gone, so that what they held is free; return the others."""
    there = []
    for worker in workers_of(path, connection):
        if worker.there:
            there.append(worker)
        elif SHARING.releases(worker, now=worker.expires):
            connection.execute(schema.DELETE_WORKER, (worker.number,))
            with suppress(OSError):
                worker_file(path, worker.number).unlink(missing_ok=True)
    return there


def asked_of(row: Row) -> Asked:
    """Make a request from elsewhere of its row."""
    number, session, record = row
    return Asked(number, session, decode_asked(record, Place("inbox", session, f"{number}")))


def numbered(name: str) -> Iterator[str]:
    """Return names like this one: it, then it with numbers."""
    yield name
    for number in count(2):
        yield f"{name} ({number})"


def checked_name(worker: str) -> str:
    """Refuse a name of a worker that people could not read."""
    if not isinstance(worker, str) or not worker or not worker.isprintable() or len(worker) > NAME_CHARS_MAX:
        fact = f"{worker!r} is no name of at most {NAME_CHARS_MAX} printable characters"
        raise Invalid("worker", fact, "name it, or leave it out")
    return worker
