"""A file in SQLite that workers share: who is at work, who holds what, and what is asked of whom.

What lives here: joining, beating, looking and leaving, and the inbox. What must not: who may take or answer what; the
functions of ``kernel.lease`` decide that. The law of this file: what they decide is executed in the transaction that it
is about.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from lifecycle.errors import Busy, StoreError
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.lease import NOBODY, SHARING, Lease, Note, Worker, may_acquire, renewed
from lifecycle.kernel.replies import Done, Reply
from lifecycle.kernel.values import us
from lifecycle.store import schema
from lifecycle.store.files import (
    WorkerLock,
    has_process,
    in_words,
    is_busy,
    open_beating,
    refuse,
    refuse_sqlite,
    worker_file,
)
from lifecycle.store.port import INBOX_REQUESTS_MAX, LEASE_SECONDS, Asked, Look, claimed_already
from lifecycle.store.record import Place, decode_asked, decode_reply, encode_asked, encode_reply
from lifecycle.store.sqlite_file import PATIENCE_SECONDS, OpenFile, Row, first_column

NOTE_SECONDS_MAX = 0.25
"""How long a note of the inbox, or of what needs no step, waits for the commits of others."""

ANSWERED = Done()
"""Stands for the reply of a request wherever nobody decides by which one it is."""


class Sharing(OpenFile):
    """A file with its workers and their inbox."""

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
            self._whereabouts.check_log()
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
        with suppress(StoreError), self._noting() as connection:  # who asked is told all the same; others clear it away
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
        """Write what is no step: a note, or what leaves; for that a moment is waited while others commit."""
        with self._writing, self._patiently(NOTE_SECONDS_MAX), self._transaction() as connection:
            yield connection


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
