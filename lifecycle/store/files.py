"""Files: where a store is, whose file it is, and which processes are at work on it.

What lives here: everything that can be wrong with a path, each as one sentence, and the locks that show who is there.
What must not: sessions and records. The law of this file: a file that is not ours is refused before anything is
written to it or beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, ClassVar

from lifecycle.errors import Invalid, StoreError
from lifecycle.store.migrations import migrate
from lifecycle.store.schema import APPLICATION, SCHEMA, TABLES_SINCE, VERSION

OPENING_SECONDS_MAX = 5.0
"""How long opening waits for another program that has the file locked; reading does, too, though it hardly ever must."""

LOCKING = (
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
    sqlite3.SQLITE_IOERR_SHMLOCK,
)
"""What SQLite says where it is the lock of a file that fails, and nobody else has it."""

FAULTS = {
    sqlite3.SQLITE_FULL: ("has no room left", "make room, then try again"),
    sqlite3.SQLITE_IOERR_SHMSIZE: ("has no room left", "make room, then try again"),
    sqlite3.SQLITE_READONLY: ("cannot be written to", "make it writable, or only read it"),
    sqlite3.SQLITE_BUSY: ("is locked by another program", "let that program finish, then try again"),
    sqlite3.SQLITE_LOCKED: ("is locked by another program", "let that program finish, then try again"),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "restore the file from a copy, without the -wal and -shm of the damaged one",
    ),
    sqlite3.SQLITE_NOTADB: ("is no store, but some other file", "choose another path"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check the rights to the file and its folder"),
    sqlite3.SQLITE_PERM: ("cannot be opened", "check the rights to the file and its folder"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk failed", "check the disk, then try again"),
    sqlite3.SQLITE_IOERR_WRITE: (
        "cannot be written: the disk failed, or a quota is used up",
        "check the disk and the quota, then try again",
    ),
    **dict.fromkeys(LOCKING, ("cannot be locked", "put it on a local disk")),
    sqlite3.SQLITE_TOOBIG: ("cannot hold a record that large", "keep bodies below SQLite's limit"),
    sqlite3.SQLITE_NOMEM: ("ran out of memory", "make memory available, then try again"),
}
"""What SQLite's error codes, a whole one or its primary part, mean to a person, and what to do."""


def refuse(path: Path | str, fact: str, remedy: str) -> StoreError:
    """Say what is wrong with a store."""
    return StoreError(f"store {path}", fact, remedy, path=str(path))


def code_of(fault: sqlite3.Error | UnicodeDecodeError) -> int:
    """Return SQLite's code of a fault; one that Python found in what SQLite gave it has none, and is damage if of a text."""
    if isinstance(fault, UnicodeDecodeError) or "decode to UTF-8" in str(fault):
        return sqlite3.SQLITE_CORRUPT
    return getattr(fault, "sqlite_errorcode", None) or 0


def is_busy(fault: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Say whether a fault is only that somebody else has the file locked."""
    return code_of(fault) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def refuse_sqlite(path: Path | str, fault: sqlite3.Error | UnicodeDecodeError) -> StoreError:
    """Say in words what SQLite says in codes, and what Python says of a text of SQLite's that is none."""
    code = code_of(fault)
    unknown = f"fails ({fault})", "report it with the file"
    fact, remedy = FAULTS.get(code) or FAULTS.get(code & 0xFF, unknown)
    locked = is_busy(fault)
    if locked and (why := why_no_locks(Path(path))) is not None:
        return no_locks(path, why)
    return StoreError(f"store {path}", fact, remedy, path=str(path), locked=locked)


def refuse_os(path: Path | str, fault: OSError) -> StoreError:
    """Say in words what the operating system says."""
    return refuse(path, f"cannot be opened ({fault.strerror})", "choose another path, or check the rights to this one")


@contextlib.contextmanager
def in_words(path: Path | str) -> Iterator[None]:
    """Turn every error of the disk or of SQLite into a sentence."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as fault:
        raise refuse_sqlite(path, fault) from None
    except OSError as fault:
        raise refuse_os(path, fault) from None


# -- paths ------------------------------------------------------------------------------------------------------------


def default_path() -> Path:
    """Return the file that is used when none is named: in the user's data folder."""
    if sys.platform == "darwin":
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return folder / "lifecycle" / "runs.db"


def resolved(path: str | os.PathLike[str] | None, read_only: bool) -> Path:
    """Return the real path of a store that could be there; make the folder of the default one."""
    if path is None:
        chosen = default_path()
        with in_words(chosen):
            chosen.parent.mkdir(parents=True, exist_ok=True)
        return chosen.resolve()
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise Invalid("store path", f"it is {type(path).__name__}, no path", "name a file by a text or a Path")
    if not text or "\0" in text or len(text) > PATH_CHARS_MAX or not is_encodable(text):
        raise refuse(ascii(text[:PATH_SHOWN_CHARS]), "is no path", "name a file")
    if text == ":memory:":
        raise refuse(text, "is no file", "name one, or in Python use MemoryStore")
    chosen = Path(text)
    with in_words(chosen):
        chosen = chosen.resolve()
        if chosen.is_dir():
            raise refuse(chosen, "is a folder", "name a file in it")
        if not chosen.parent.is_dir():
            raise refuse(chosen, f"the folder {chosen.parent} does not exist", "make it, or choose another path")
        if chosen.exists() and not chosen.is_file():
            raise refuse(chosen, "is no ordinary file", "choose another path")
        if read_only and not chosen.exists():
            raise refuse(chosen, "does not exist", "check the path; the first run makes the file")
    return chosen


PATH_CHARS_MAX = 4_096
"""How long a path may be; no system takes a longer one."""

PATH_SHOWN_CHARS = 80
"""How much of what is no path a message repeats."""


def is_encodable(path: str) -> bool:
    """Say whether a system can be asked for a path."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def beside(path: Path, suffix: str) -> Path:
    """Return the file of that suffix beside a store."""
    return path.with_name(path.name + suffix)


# -- whose file it is -------------------------------------------------------------------------------------------------


def is_new(path: Path) -> bool:
    """Say whether there is nothing at the path yet; an empty file is nothing."""
    return not path.exists() or path.stat().st_size == 0


def has_log(path: Path) -> bool:
    """Say whether something may stand in a log that does not stand in the file."""
    log = beside(path, "-wal")
    return log.exists() and log.stat().st_size > 0


def refuse_left_log(path: Path) -> None:
    """Refuse to make a file beside the log of one that was removed: SQLite would take what stands there for a part of it."""
    if has_log(path):
        fact = f"is not there, but its log is ({path.name}-wal), with what was written last"
        raise refuse(path, fact, "put the file back, or move its -wal and -shm away, too")


def check_ours(path: Path) -> None:
    """Refuse a file that another program made, or a newer version, without writing so much as a lock beside it.

    SQLite opens the file, not we: closing a file drops every lock that this process has on it. As immutable, so that
    no lock and no log is made. But without its log a file in the middle of a checkpoint looks damaged: of that, the
    ordinary opening judges. And a newer version may stand in the log alone, which is read then by who cannot write: one
    that can would move it into the file when it leaves.
    """
    with in_words(path), contextlib.closing(opened(path, "mode=ro&immutable=1")) as connection:
        try:
            check_marks(path, connection)
        except sqlite3.DatabaseError as fault:
            if code_of(fault) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR):
                raise
    if has_log(path):
        with in_words(path):
            open_reader(path).close()


def check_marks(path: Path, connection: sqlite3.Connection) -> int:
    """Refuse a file that is not ours, or newer; return its version, which may be older than this one."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise refuse(path, "is the database of another program", "choose another path")
    if version > VERSION:
        newer = f"has version {version}, and this version of lifecycle reads up to {VERSION}"
        raise refuse(path, newer, "open it with the version of lifecycle that wrote it")
    if version < 1:
        raise refuse(path, f"has version {version}, which no lifecycle wrote", "restore the file from a copy")
    return int(version)


def check_tables(path: Path, connection: sqlite3.Connection) -> int:
    """Refuse a file that lacks a table of its version; return that version."""
    version = check_marks(path, connection)
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    wanted = (name for since, names in TABLES_SINCE.items() if since <= version for name in names)
    missing = sorted(set(wanted) - there)
    if missing:
        raise refuse(path, f"has no table {missing[0]}", "restore the file from a copy, or choose another path")
    return version


# -- opening ----------------------------------------------------------------------------------------------------------


def opened(path: Path, query: str) -> sqlite3.Connection:
    """Open a file as it is there; transactions are begun and ended by hand."""
    return sqlite3.connect(
        f"{path.as_uri()}?{query}",
        uri=True,
        timeout=OPENING_SECONDS_MAX,
        isolation_level=None,
        check_same_thread=False,
    )


def create(path: Path) -> None:
    """Make a store beside its path and move it there: whoever sees the file sees all of it."""
    fresh = beside(path, "-new")
    try:
        fresh.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
            connection.executescript(SCHEMA)
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    synced(path.parent)


def synced(folder: Path) -> None:
    """Bring to the disk which files are in a folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the connection that commits: each commit is on the disk when it returns, and none waits for a lock.

    A file of an older version is brought up to this one before anything else is done with it.
    """
    connection = opened(path, "mode=rw")
    try:
        version = check_tables(path, connection)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise refuse(path, f"cannot have a write-ahead log ({mode})", "put it on a local disk")
        for pragma in WRITER_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        migrate(connection, version)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {VERSION}")  # what cannot be written to is noticed now
        connection.execute("ROLLBACK")
        connection.execute("PRAGMA busy_timeout = 0")
    except BaseException:
        connection.close()
        raise
    return connection


CHECKPOINT_PAGES = 4_000
"""How long the log grows before it is moved into the file: at 3 pages a step, two syncs for a thousand steps."""

WRITER_PRAGMAS = (
    "synchronous = FULL",
    f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    "cache_size = -16384",
)


def open_beating(path: Path) -> sqlite3.Connection:
    """Open the connection of a worker's heartbeat: it waits for others, and its writes are on the disk like all others.

    If one were left in memory and the next sync failed, it would be gone, and all that others wrote behind it in the log.
    """
    connection = opened(path, "mode=rw")
    for pragma in (*WRITER_PRAGMAS, f"busy_timeout = {int(BEATING_SECONDS * 1_000)}"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


BEATING_SECONDS = 0.1
"""How long a heartbeat waits for others before it looks whether its worker leaves; then it waits on."""


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that reads what is committed.

    On a medium that cannot be written to, SQLite can make no index of the log; where there is no log, none is needed.
    """
    try:
        return reader(path, "mode=ro")
    except sqlite3.OperationalError as fault:
        if code_of(fault) & 0xFF not in UNWRITABLE or has_log(path):
            raise
        return reader(path, "mode=ro&immutable=1")


UNWRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""How SQLite says that it can make no file beside the store."""


def reader(path: Path, query: str) -> sqlite3.Connection:
    """Open a connection that cannot write, and see that it can read."""
    connection = opened(path, query)
    try:
        connection.execute("PRAGMA query_only = ON")
        version = check_tables(path, connection)
        if version < VERSION:
            older = f"has version {version}, and this version of lifecycle reads {VERSION}"
            raise refuse(path, older, "open it once for writing, which brings it up")
    except BaseException:
        connection.close()
        raise
    return connection


# -- several workers --------------------------------------------------------------------------------------------------


LOOK_SECONDS = 0.005
"""How often a process looks whether another one is done with making the file."""


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep others from making the file meanwhile, by a lock on a file beside it; that stays: who removed it let two in."""
    until = time.monotonic() + OPENING_SECONDS_MAX
    with beside(path, "-lock").open("a+b", buffering=0) as file:
        while not locked(path, file):
            if time.monotonic() > until:
                raise refuse(path, "another process is making it and does not finish", "end that one, then try again")
            time.sleep(LOOK_SECONDS)
        yield


def locked(path: Path, file: IO[bytes]) -> bool:
    """Take the operating system's lock on a file, or say that somebody has it; refuse a path that has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as fault:
        raise no_locks(path, fault.strerror) from None
    return True


def no_locks(path: Path | str, why: str | None) -> StoreError:
    """Refuse a path on which nobody can be kept out."""
    return refuse(path, f"locks do not work there ({why})", "put it on a local disk")


def refuse_without_locks(path: Path) -> None:
    """Refuse a path on which nobody can be kept out, before anything is made there and before SQLite waits for a lock."""
    why = why_no_locks(path)
    if why is not None:
        raise no_locks(path, why)


def why_no_locks(path: Path) -> str | None:
    """Say why locks do not work at a path, for SQLite calls that locked by another program, too; none: they may work.

    Tried on the file that is there for locks, or on the folder: closing the store itself would drop SQLite's.
    """
    try:
        tried = beside(path, "-lock")
        opened = os.open(tried if tried.exists() else path.parent, os.O_RDONLY)
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(opened)
    except OSError as fault:
        return fault.strerror if fault.errno in NO_LOCKS else None
    return None


NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""How a system says that it has no locks, for good or because nobody answers who keeps them."""


class Whereabouts:
    """Which file and which log were opened: what is written once others are in their place is written to nowhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file, self._log = str(path), str(beside(path, "-wal"))
        self._were = place_of(self._file), place_of(self._log)

    def check(self) -> None:
        """Refuse to go on with a file that is not there any more; one that was put back is as good as before.

        Of the log it is asked only whether it is there: since Linux 6.13 a file whose times were looked at has them
        written anew, finer, at its next write, and for that each commit would take a third longer.
        """
        if place_of(self._file) != self._were[0] or not os.access(self._log, os.F_OK):
            raise self._gone()

    def check_log(self) -> None:
        """Refuse to go on if another file is in the place of the log, too; for whoever looks now and then."""
        self.check()
        if place_of(self._log) != self._were[1]:
            raise self._gone()

    def _gone(self) -> StoreError:
        fact = "was moved, removed or replaced while it was open"
        return refuse(self._path, fact, "put it back with its -wal, or end this process and start it again")


def place_of(name: str) -> tuple[int, int] | None:
    """Return what tells a file from others, whatever their names; none: there is none of this name."""
    try:
        there = os.stat(name)
    except OSError:
        return None
    return there.st_dev, there.st_ino


def has_process(path: Path | str, worker: int) -> bool:
    """Say whether the process of a worker is there; if that cannot be found out, it may be."""
    try:
        with worker_file(Path(path), worker).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back when the file is closed
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def worker_file(path: Path, worker: int) -> Path:
    """Return the file whose lock says that a worker's process is there."""
    return beside(path, f"-worker-{worker}")


class WorkerLock:
    """Show that a worker's process is there; the operating system takes the lock back when the process dies.

    A forked child has no part in it: what it inherits of the file is closed there, or it would hold the lock after our
    death. Numbers of workers are never given twice, so whoever finds the lock free may remove the file.
    """

    held: ClassVar[weakref.WeakSet[WorkerLock]] = weakref.WeakSet()

    def __init__(self, path: Path, worker: int) -> None:
        self._path = worker_file(path, worker)
        self._file = self._path.open("a+b", buffering=0)
        try:
            if not locked(path, self._file):
                fact = f"a process is still at work on a file that was here before ({self._path.name} is locked)"
                raise refuse(path, fact, "end that process, then try again")
            with self._path.open("rb") as second:
                if locked(path, second):
                    raise no_locks(path, "one is given twice")
        except BaseException:
            self.release()
            raise
        self.held.add(self)

    def release(self) -> None:
        """Leave in order."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._file.close()

    close = release

    @classmethod
    def forget_all(cls) -> None:
        """Close, in a forked child, what its parent holds; the parent's lock stays as it is."""
        for lock in list(cls.held):
            lock._file.close()


os.register_at_fork(after_in_child=WorkerLock.forget_all)


def shared_us() -> int:
    """Return lease time: the clock of the machine that no wall clock moves, the same for all its processes."""
    return time.monotonic_ns() // 1_000
