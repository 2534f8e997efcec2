"""The file of a store in SQLite: its connections, and how each of them is used.

What lives here: opening and closing, reading and writing as such. What must not: what is read and written, and what can
be wrong with a path (files). The law of this file: what fails is a sentence, and leaves file and connection as they were.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import Any

from lifecycle.errors import Invalid, StoreError
from lifecycle.kernel.lease import Worker
from lifecycle.kernel.values import Floor, Policy, us
from lifecycle.store import schema
from lifecycle.store.files import (
    FAULTS,
    Whereabouts,
    WorkerLock,
    alone,
    check_ours,
    create,
    in_words,
    is_new,
    open_reader,
    open_writer,
    refuse,
    refuse_left_log,
    refuse_sqlite,
    refuse_without_locks,
    resolved,
    shared_us,
)
from lifecycle.store.port import LEASE_SECONDS

Row = tuple[Any, ...]

PATIENCE_SECONDS = 5.0
"""How long a worker that joins or beats waits for another program that has the file locked."""

NAME_CHARS_MAX = 256
"""How long the name of a worker may be."""


class OpenFile:
    """A file with a connection that writes, one that reads, and one for the heartbeat, each used by one thread at a time."""

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

    def _leave(self) -> None:
        """Let go of what is held in the file."""

    # -- using a connection ------------------------------------------------------------------------------------------

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

    @contextmanager
    def _patiently(self, seconds: float) -> Iterator[None]:
        """Wait so long for others that have the file locked."""
        connection = self._writable()
        connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1_000)}")
        try:
            yield
        finally:
            connection.execute("PRAGMA busy_timeout = 0")

    def _shut(self) -> StoreError:
        """Say why there is no connection."""
        if self._closed:
            return refuse(self._path, "is closed", "open it again")
        return refuse(self._path, "is open for reading only", "open it without read_only to write")


def ends(path: Path, connection: sqlite3.Connection) -> tuple[int, int, Floor | None]:
    """Return the highest engine time and the highest number of a session, of what has left, too, and the floor of that.

    Others may have gone on since the last look, and let go.
    """
    latest, top, *marked = (value or 0 for value in connection.execute(schema.ENDS).fetchone())
    if not all(isinstance(value, int) for value in (latest, top, *marked)):
        raise refuse(path, *FAULTS[sqlite3.SQLITE_CORRUPT])
    incarnation, revision = marked[2:]
    return max(latest, marked[0]), max(top, marked[1]), Floor(incarnation, revision) if revision else None


def first_column(row: Row | None, default: Any = 0) -> Any:
    """Return the first column of a row, if there is a row."""
    return default if row is None else row[0]


def checked_name(worker: str) -> str:
    """Refuse a name of a worker that people could not read."""
    if not isinstance(worker, str) or not worker or not worker.isprintable() or len(worker) > NAME_CHARS_MAX:
        fact = f"{worker!r} is no name of at most {NAME_CHARS_MAX} printable characters"
        raise Invalid("worker", fact, "name it, or leave it out")
    return worker
