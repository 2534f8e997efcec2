"""What can go wrong with a file: each is one sentence, nothing is changed, and it works again once it can."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.errors import StoreError
from lifecycle.kernel import Policy
from lifecycle.kernel import inputs as i
from lifecycle.store import SQLiteStore, schema
from lifecycle.store.exporting import import_into
from lifecycle.store.files import default_path, refuse_sqlite

from .contract import everything, keep
from .lives import Life, approved, later, parked


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(open_store: Callable[[], object]) -> str:
    """Return the sentence with which opening is refused: a subject, a fact, a remedy, on one line."""
    with pytest.raises(StoreError) as caught:
        open_store()
    told = str(caught.value)
    assert told == f"{caught.value.subject}: {caught.value.fact}; {caught.value.remedy}"
    assert "\n" not in told and "Error" not in told and "sqlite" not in told.lower()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return told


# -- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read_only", [False, True])
def test_folder_is_refused(tmp_path: Path, read_only: bool) -> None:
    """A folder is no file."""
    told = refused(lambda: SQLiteStore(tmp_path, read_only=read_only))
    assert told == f"store {tmp_path}: is a folder; name a file in it"


@pytest.mark.parametrize("read_only", [False, True])
def test_missing_folder_is_refused(tmp_path: Path, read_only: bool) -> None:
    """A path that was mistyped makes no folders."""
    told = refused(lambda: SQLiteStore(tmp_path / "no" / "runs.db", read_only=read_only))
    assert f"the folder {tmp_path / 'no'} does not exist; make it" in told
    assert {} == contents(tmp_path) and not (tmp_path / "no").exists()


def test_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    """What should be a folder may be a file."""
    (tmp_path / "file").write_text("x")
    assert "does not exist" in refused(lambda: SQLiteStore(tmp_path / "file" / "runs.db"))


def test_missing_file_is_refused_to_a_reader(tmp_path: Path) -> None:
    """Whoever only looks makes no file."""
    assert "does not exist; check the path" in refused(lambda: SQLiteStore(tmp_path / "runs.db", read_only=True))
    assert {} == contents(tmp_path)


@pytest.mark.parametrize(
    ("path", "words"), [(":memory:", "use MemoryStore"), ("", "name a file"), ("a\0b", "name a file")]
)
def test_path_that_is_none_is_refused(path: str, words: str) -> None:
    """Not every text is a path."""
    assert words in refused(lambda: SQLiteStore(path))


def test_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """What the system says of a path is said in a sentence."""
    assert "cannot be opened" in refused(lambda: SQLiteStore(tmp_path / ("x" * 500)))


def test_pipe_is_refused(tmp_path: Path) -> None:
    """Whatever is no ordinary file is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    assert "is no ordinary file" in refused(lambda: SQLiteStore(tmp_path / "pipe"))


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_default_file_is_made_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """Only for the default file are folders made."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    SQLiteStore().close()
    assert default_path().is_file() and default_path().is_relative_to(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert (platform == "linux") == default_path().is_relative_to(tmp_path / "data")


def test_link_leads_to_the_same_workers(tmp_path: Path) -> None:
    """Two names of one file are one store."""
    store = SQLiteStore(tmp_path / "runs.db", worker="w")
    store.claim()
    (tmp_path / "link.db").symlink_to(tmp_path / "runs.db")
    other = SQLiteStore(tmp_path / "link.db", worker="w")
    assert "a worker called w is at work on it already" in refused(other.claim)
    other.close()
    store.close()


def test_path_may_have_any_letters(tmp_path: Path) -> None:
    """A path is no address: a question mark is a letter like another."""
    folder = tmp_path / "50% of é?mode=memory#x y"
    folder.mkdir()
    store = SQLiteStore(folder / "runs.db")
    keep(store, approved())
    store.close()
    assert ["runs.db", "runs.db-lock"] == sorted(contents(folder))


# -- whose file -------------------------------------------------------------------------------------------------------


def random_bytes(path: Path) -> None:
    """Make a file that is no database."""
    path.write_bytes(bytes(range(1, 255)) * 40)


def short_text(path: Path) -> None:
    """Make a file shorter than any header."""
    path.write_text("notes")


def other_database(path: Path) -> None:
    """Make the database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sessions (id)")


def other_database_with_log(path: Path) -> None:
    """Make the database of another program that has a write-ahead log, with something in the log."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE sessions (id)")
        copy = contents(path.parent)
    for name, content in copy.items():
        (path.parent / name).write_bytes(content)


def marked_newer(path: Path) -> None:
    """Make a store of a later version."""
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")


def marked_newer_in_its_log(path: Path) -> None:
    """Make a store of a later version whose process died before it moved its log into the file."""
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        there = contents(path.parent)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        (path.parent / name).write_bytes(there[name])


def marked_never(path: Path) -> None:
    """Make a file with our mark and no version."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")


FOREIGN: dict[Callable[[Path], None], str] = {
    random_bytes: "is no store, but some other file; choose another path",
    short_text: "is no store, but some other file; choose another path",
    other_database: "is the database of another program; choose another path",
    other_database_with_log: "is the database of another program; choose another path",
    marked_newer: "has version 3, and this version of lifecycle reads up to 2; open it with",
    marked_newer_in_its_log: "has version 3, and this version of lifecycle reads up to 2; open it with",
    marked_never: "has version 0, which no lifecycle wrote; restore",
}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("make", FOREIGN, ids=lambda make: make.__name__)
def test_file_of_others_is_refused_untouched(tmp_path: Path, make: Callable[[Path], None], read_only: bool) -> None:
    """A file that is not ours is refused before anything is written to it or beside it."""
    path = tmp_path / "runs.db"
    make(path)
    (tmp_path / "runs.db-lock").unlink(missing_ok=True)
    before = contents(tmp_path)
    assert f"store {path}: {FOREIGN[make]}" in refused(lambda: SQLiteStore(path, read_only=read_only))
    after = contents(tmp_path)
    after["runs.db-shm"] = before.get("runs.db-shm", b"")  # an index of the log, which SQLite makes anew as it likes
    assert {"runs.db-shm": b"", **before} == after


@pytest.mark.parametrize("read_only", [False, True])
def test_file_that_lacks_a_table_is_refused(tmp_path: Path, read_only: bool) -> None:
    """Our marks without our tables are not enough."""
    path = tmp_path / "runs.db"
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE requests")
    assert "has no table requests; restore" in refused(lambda: SQLiteStore(path, read_only=read_only))


def test_empty_file_is_nothing_yet(tmp_path: Path) -> None:
    """A file of no bytes, as some tools make to reserve a name, becomes a store."""
    (tmp_path / "runs.db").touch()
    store = SQLiteStore(tmp_path / "runs.db")
    keep(store, approved())
    store.close()


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_log_of_a_file_that_was_removed_is_no_part_of_a_new_one(tmp_path: Path, left: str) -> None:
    """Given the log of a store whose file was removed, then no other file is made beside it, to which SQLite would add it."""
    path = tmp_path / "runs.db"
    store = SQLiteStore(path)
    keep(store, approved())
    there = contents(tmp_path)
    store.close()
    path.unlink()
    for name in ("runs.db-wal", "runs.db-shm"):
        (tmp_path / name).write_bytes(there[name])
    if left == "an empty file":
        path.touch()
    before = contents(tmp_path)
    told = (
        f"store {path}: is not there, but its log is (runs.db-wal), with what was written last; put the file back, or"
    )
    assert told in refused(lambda: SQLiteStore(path))
    assert told in refused(lambda: import_into(path, [], "it"))
    assert before == contents(tmp_path)
    path.write_bytes(there["runs.db"])
    store = SQLiteStore(path)
    kept = store.load("s-1")
    assert kept is not None and approved().session == kept.session
    store.close()


def test_half_made_file_is_made_again(tmp_path: Path) -> None:
    """A process that died while it made the store leaves no store, and is in nobody's way."""
    (tmp_path / "runs.db-new").write_bytes(b"half")
    SQLiteStore(tmp_path / "runs.db").close()
    assert ["runs.db", "runs.db-lock"] == sorted(contents(tmp_path))


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    """Pages that make no sense are refused when they are met."""
    path = tmp_path / "runs.db"
    store = SQLiteStore(path)
    keep(store, *(approved(f"s-{n}") for n in range(20)))
    store.close()
    header, rest = path.read_bytes()[:4096], path.read_bytes()[4096:]
    path.write_bytes(header + b"\xff" * len(rest))
    assert "is damaged; restore the file from a copy" in refused(lambda: list(SQLiteStore(path).sessions()))


def spelled_wrong(path: Path) -> None:
    """Let the name of a table be no text."""
    path.write_bytes(path.read_bytes().replace(b"policies", b"pol\xf3cies"))


def timed_wrong(path: Path) -> None:
    """Let the time of the last entry be no number."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE journal SET latest = x'00'")


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("spoil_it", [spelled_wrong, timed_wrong])
def test_file_whose_values_are_of_no_kind_is_refused(
    tmp_path: Path, spoil_it: Callable[[Path], None], read_only: bool
) -> None:
    """Damage that SQLite does not notice, because it would store that, too, is told like any other."""
    path = tmp_path / "runs.db"
    full_store(path)
    spoil_it(path)
    assert "is damaged; restore the file from a copy" in refused(lambda: SQLiteStore(path, read_only=read_only))


def test_session_whose_mark_is_no_number_is_refused(tmp_path: Path) -> None:
    """How far hooks were performed is not guessed."""
    full_store(tmp_path / "runs.db")
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as connection:
        connection.execute("UPDATE sessions SET performed = 'many'")
    store = SQLiteStore(tmp_path / "runs.db", read_only=True)
    assert "is damaged (how far hooks were performed is no number)" in refused(lambda: store.load("s-1"))
    store.close()


# -- read-only --------------------------------------------------------------------------------------------------------


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Path]:
    """A folder with a store in it, that nobody can write to."""
    folder = tmp_path / "medium"
    folder.mkdir()
    store = SQLiteStore(folder / "runs.db")
    keep(store, approved())
    store.close()
    mount = ["mount", "--bind", "-o", "ro", str(folder), str(folder)]
    if os.geteuid() == 0:
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("root may write anywhere, and may not mount here")
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
    else:
        for path, mode in ((folder / "runs.db", 0o444), (folder / "runs.db-lock", 0o444), (folder, 0o555)):
            path.chmod(mode)
        yield folder
        folder.chmod(0o755)


def test_read_only_medium_can_be_read(medium: Path) -> None:
    """To look at a store takes no right to write."""
    store = SQLiteStore(medium / "runs.db", read_only=True)
    kept = store.load("s-1")
    assert kept is not None and approved().session == kept.session
    assert 5 == len(list(store.journal("s-1")))
    store.close()


def test_read_only_medium_cannot_be_written(medium: Path) -> None:
    """Who would write is told so at once, and how to look."""
    told = refused(lambda: SQLiteStore(medium / "runs.db"))
    assert "cannot be opened" in told
    assert "cannot be opened (" in refused(lambda: SQLiteStore(medium / "new.db"))


def test_read_only_database_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be written to is noticed when it is opened, not at the first run."""
    from lifecycle.store import files

    SQLiteStore(tmp_path / "runs.db").close()
    opened = files.opened
    monkeypatch.setattr(files, "opened", lambda path, query: opened(path, query.replace("mode=rw", "mode=ro")))
    told = refused(lambda: SQLiteStore(tmp_path / "runs.db"))
    assert "cannot be written to; make it writable, or only read it" in told


def test_log_that_cannot_be_read_is_no_reason_to_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a log is, the file alone does not tell what is so: without the log it is not read."""
    from lifecycle.store import files

    SQLiteStore(tmp_path / "runs.db").close()
    asked: list[str] = []

    def cannot(path: Path, query: str) -> sqlite3.Connection:
        asked.append(query)
        fault = sqlite3.OperationalError("unable to open database file")
        fault.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise fault

    monkeypatch.setattr(files, "reader", cannot)
    (tmp_path / "runs.db-wal").write_bytes(b"log")
    assert "cannot be opened; check the rights" in refused(lambda: files_reader(tmp_path))
    assert ["mode=ro"] == asked
    (tmp_path / "runs.db-wal").unlink()
    refused(lambda: files_reader(tmp_path))
    assert ["mode=ro", "mode=ro", "mode=ro&immutable=1"] == asked


def files_reader(folder: Path) -> object:
    """Open the store of a folder to look at it."""
    return SQLiteStore(folder / "runs.db", read_only=True)


# -- full -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """An empty store, closed in the end."""
    store = SQLiteStore(tmp_path / "runs.db")
    yield store
    store.close()


def room(store: SQLiteStore, pages: int) -> None:
    """Leave room for so many pages more."""
    assert store._writer is not None
    (there,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {there + pages}")


def test_full_store_refuses_and_goes_on_when_there_is_room(store: SQLiteStore) -> None:
    """A commit for which there is no room changes nothing; with room, the very same one is kept."""
    life, new = approved(), Life("new")
    new.start(input="x" * 50_000)
    store.commit(life.commits[:2])
    before = everything(store, "s-1")
    caches = dict(store._numbers), dict(store._policy_numbers), store.latest()
    room(store, 0)
    group = [life.commits[2], *new.commits]
    assert "has no room left; make room, then try again" in refused(lambda: store.commit(group))
    assert before == everything(store, "s-1")
    assert store.load("new") is None
    assert caches == (dict(store._numbers), dict(store._policy_numbers), store.latest())
    room(store, 1_000)
    assert [None, None] == list(store.commit(group))
    kept = store.load("new")
    assert kept is not None and new.session == kept.session


def test_full_store_still_takes_what_fits(store: SQLiteStore) -> None:
    """After a commit for which there was no room, a smaller one may be kept."""
    keep(store, approved())
    room(store, 2)
    large, small = Life("large"), Life("small")
    large.start(input="x" * 500_000)
    small.start()
    refused(lambda: store.commit(large.commits))
    assert [None] == list(store.commit(small.commits))


def test_full_disk_makes_no_half_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for a store, none is left behind."""
    from lifecycle.store import files

    monkeypatch.setattr(files, "SCHEMA", "PRAGMA max_page_count = 2;" + schema.SCHEMA)
    assert "has no room left" in refused(lambda: SQLiteStore(tmp_path / "runs.db"))
    assert ["runs.db-lock"] == sorted(contents(tmp_path))


def test_failed_commit_leaves_the_connection_usable(store: SQLiteStore) -> None:
    """Whatever fails inside a transaction, it is taken back, and the next commit is as good as ever."""
    life = approved()
    store.commit(life.commits[:1])
    before = everything(store, "s-1")
    odd = later(life.commits[1], input=i.Begin("\ud800", 1))
    (verdict,) = store.commit([odd])
    assert "revision 2 cannot be written" in str(verdict)
    assert before == everything(store, "s-1")
    interrupted = Interrupted()
    monkey, store._writer = store._writer, interrupted  # type: ignore[assignment]
    interrupted.connection = monkey
    with pytest.raises(KeyboardInterrupt):
        store.commit(life.commits[1:2])
    store._writer = monkey
    assert before == everything(store, "s-1")
    assert [None] * 4 == list(store.commit(life.commits[1:]))


class Interrupted:
    """A connection whose user loses patience while it writes the journal."""

    connection: sqlite3.Connection | None = None

    def __getattr__(self, name: str) -> object:
        """Be the connection in everything else."""
        return getattr(self.connection, name)

    def execute(self, statement: str, *row: object) -> object:
        """Write, but not the journal."""
        if "INTO journal" in statement:
            raise KeyboardInterrupt
        assert self.connection is not None
        return self.connection.execute(statement, *row)  # type: ignore[arg-type]


def test_locked_file_is_told_as_such(tmp_path: Path, store: SQLiteStore) -> None:
    """Another program that holds the file is told apart from a fault, at once; when it lets go, all goes on."""
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked by another program; let that") as locked:
            store.commit(approved().commits)
        assert locked.value.locked
        assert "is locked by another program" in refused(lambda: store.mark_performed({"s-1": 1}))
    assert [None] * 5 == list(store.commit(approved().commits))


def test_place_without_a_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite can keep no log, a commit would not be what it promises."""
    from lifecycle.store import files

    monkeypatch.setattr(files, "opened", lambda path, query: sqlite3.connect(":memory:", isolation_level=None))
    monkeypatch.setattr(files, "check_tables", lambda path, connection: schema.VERSION)
    with pytest.raises(StoreError, match=r"cannot have a write-ahead log \(memory\); put it on a local disk"):
        files.open_writer(tmp_path / "runs.db")


def test_fault_of_a_read_is_told(store: SQLiteStore) -> None:
    """A read that fails fails in words, too."""
    assert store._reader is not None
    store._reader.close()
    with pytest.raises(StoreError, match=r"runs\.db: fails \(.*\); report it with the file"):
        store.load("s-1")


def test_unknown_fault_is_told_all_the_same() -> None:
    """What SQLite may say beyond the usual is passed on in the same form."""
    assert "store x: fails (odd); report it with the file" == str(refuse_sqlite("x", sqlite3.DatabaseError("odd")))


def test_repeated_record_is_refused_by_itself(store: SQLiteStore) -> None:
    """A step that repeats what is kept, and could not come out of the kernel, takes nothing else with it."""
    life = approved()
    keep(store, life)
    assert store._writer is not None
    store._writer.execute("INSERT INTO journal (session, revision, latest, record) VALUES (1, 6, 0, x'00')")
    life.start("r-2")
    life.take(i.Recovered(Policy(queue_max=7)))
    other = Life("s-2")
    other.start()
    other.take(i.Recovered(Policy(queue_max=7)))
    first, *others = store.commit([life.commits[-2], *other.commits])
    assert "session s-1: the step repeats what is kept" in str(first)
    assert [None, None] == others
    again = store.load("s-2")
    assert again is not None and other.session == again.session
    kept = store.load("s-1")
    assert kept is not None and 5 == kept.session.revision


# -- underneath -------------------------------------------------------------------------------------------------------


def moved(path: Path) -> None:
    """Move the file away."""
    path.rename(path.with_suffix(".away"))


def removed(path: Path) -> None:
    """Remove the file."""
    path.unlink()


def replaced(path: Path) -> None:
    """Put a copy in the place of the file."""
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


def without_its_log(path: Path) -> None:
    """Remove the log alone, as who takes it for rubbish does."""
    path.with_name(f"{path.name}-wal").unlink()


@pytest.mark.parametrize("happens", [moved, removed, replaced, without_its_log], ids=lambda happens: happens.__name__)
def test_file_that_is_gone_from_its_path_is_written_to_no_more(
    tmp_path: Path, store: SQLiteStore, happens: Callable[[Path], None]
) -> None:
    """Given a file or a log that is not at its path any more, then nothing is kept in it, where nobody would find it."""
    life = approved()
    store.commit(life.commits[:2])
    before = everything(store, "s-1")
    happens(tmp_path / "runs.db")
    told = "was moved, removed or replaced while it was open; put it back with its -wal, or end this process"
    assert told in refused(lambda: store.commit(life.commits[2:]))
    assert told in refused(lambda: store.mark_performed({"s-1": 2}))
    assert told in refused(store.claim)
    assert before == everything(store, "s-1")


def test_worker_leaves_a_file_that_is_gone_as_it_is(tmp_path: Path) -> None:
    """Given a file that was replaced, then leaving writes nothing either: its log may be taken for that of the new one."""
    store = SQLiteStore(tmp_path / "runs.db")
    with closing(sqlite3.connect(tmp_path / "runs.db")) as other:
        store.claim()
        assert (1,) == other.execute("SELECT count(*) FROM workers").fetchone()
        replaced(tmp_path / "runs.db")
        store.close()
        assert (1,) == other.execute("SELECT count(*) FROM workers").fetchone()


def test_file_that_was_put_back_is_written_to_again(tmp_path: Path, store: SQLiteStore) -> None:
    """Given a file that was moved away and back, then the very commit that was refused is kept."""
    life = approved()
    store.commit(life.commits[:2])
    moved(tmp_path / "runs.db")
    refused(lambda: store.commit(life.commits[2:]))
    (tmp_path / "runs.away").rename(tmp_path / "runs.db")
    assert [None] * 3 == list(store.commit(life.commits[2:]))


@pytest.mark.parametrize("has_lock_file", [True, False])
def test_lock_that_fails_is_not_called_a_lock_of_others(
    tmp_path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, has_lock_file: bool
) -> None:
    """Given a path where locks stopped working, which SQLite takes for a lock of others, then that is what is said."""
    from lifecycle.store import files

    if not has_lock_file:
        (tmp_path / "runs.db-lock").unlink()

    def fails(opened: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(files.fcntl, "flock", fails)
        told = refused(lambda: store.commit(approved().commits))
        assert "locks do not work there (No locks available); put it on a local disk" in told
    odd = sqlite3.OperationalError("locking protocol")
    odd.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
    assert "store x: cannot be locked; put it on a local disk" == str(refuse_sqlite("x", odd))


# -- damaged records --------------------------------------------------------------------------------------------------


def journal_of(store: SQLiteStore) -> object:
    """Read the journal."""
    return list(store.journal("s-1"))


RECORDS: dict[str, tuple[str, Callable[[SQLiteStore], object], str]] = {
    "sessions": ("record", lambda store: store.load("s-1"), "session s-1: its record of revision 8 in sessions"),
    "page": ("record", lambda store: store.sessions(), "session s-1: its record of revision 8 in sessions"),
    "journal": ("record", journal_of, "session s-1: its record of revision 1 in journal"),
    "runs": ("spec", lambda store: store.load("s-1"), "session s-1: its record r-2 in runs"),
    "checkpoints": ("record", lambda store: store.load("s-1"), "session s-1: its record r-2 in checkpoints"),
    "policies": ("record", lambda store: store.load("s-1"), "store: its record 1 in policies"),
    "ended": ("record", lambda store: store.run_ended("s-1", "r-1"), "session s-1: its record of run r-1 in ended"),
    "key": ("record", lambda store: store.key_ended("s-1", "k-1"), "session s-1: its record of run r-1 in ended"),
    "requests": (
        "record",
        lambda store: store.request_closed("s-1", "r-1", "q-1"),
        "session s-1: its record q-1 of run r-1 in requests",
    ),
}
TABLE = {"page": "sessions", "key": "ended"}


def full_store(path: Path) -> None:
    """Make a store with a record in every table."""
    life = approved(key="k-1")
    life.start("r-2")
    life.begin()
    life.checkpoint("here")
    store = SQLiteStore(path)
    keep(store, life)
    store.close()


def spoil(path: Path, table: str, column: str, spoiled: Callable[[bytes], object]) -> None:
    """Change the records of a table behind the store's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        rows = connection.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall()
        assert rows
        for (record,) in rows:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (spoiled(record), record))


def flipped(record: bytes) -> bytes:
    """Change one letter in a text of the record: the JSON is as good as before."""
    at = record.rindex(b'"') - 1
    return record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]


SPOILED: dict[str, Callable[[bytes], object]] = {
    "flipped": flipped,
    "cut": lambda record: record[:-3],
    "nothing": lambda record: b"",
    "text": lambda record: record.decode(),
    "zeros": lambda record: bytes(len(record)),
}


@pytest.mark.parametrize("spoiled", SPOILED)
@pytest.mark.parametrize("name", RECORDS)
def test_damaged_record_is_refused_by_name(tmp_path: Path, name: str, spoiled: str) -> None:
    """A record that is not what was written is refused with its table, its session and its place, never guessed at."""
    path = tmp_path / "runs.db"
    full_store(path)
    column, read, where = RECORDS[name]
    spoil(path, TABLE.get(name, name), column, SPOILED[spoiled])
    store = SQLiteStore(path, read_only=True)
    told = refused(lambda: read(store))
    store.close()
    assert told.startswith(f"{where} is damaged (")
    assert told.endswith("; restore the file from a copy; the record was left as it is")


@pytest.mark.parametrize("name", RECORDS)
def test_newer_record_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """A record of a later format is told apart from a damaged one."""
    path = tmp_path / "runs.db"
    full_store(path)
    column, read, where = RECORDS[name]
    spoil(path, TABLE.get(name, name), column, lambda record: b"2 of whatever form")
    store = SQLiteStore(path, read_only=True)
    told = refused(lambda: read(store))
    store.close()
    assert told.startswith(f"{where} has format 2, and this version reads up to 1; open the store with")


@pytest.mark.parametrize(
    ("table", "statement", "read"),
    [
        ("sessions", "UPDATE sessions SET revision = 7", lambda store: store.load("s-1")),
        ("journal", "UPDATE journal SET revision = 100 - revision", journal_of),
    ],
)
def test_record_in_the_wrong_place_is_refused(
    tmp_path: Path, table: str, statement: str, read: Callable[[SQLiteStore], object]
) -> None:
    """A record says where it belongs; a good one elsewhere is damage all the same."""
    full_store(tmp_path / "runs.db")
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as connection:
        connection.execute(statement)
    store = SQLiteStore(tmp_path / "runs.db", read_only=True)
    assert f"in {table} is damaged (it is that of session s-1, revision" in refused(lambda: read(store))
    store.close()


@pytest.mark.parametrize("table", ["runs", "checkpoints", "policies"])
def test_missing_record_is_refused(tmp_path: Path, table: str) -> None:
    """What a session refers to must be there."""
    full_store(tmp_path / "runs.db")
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as connection:
        connection.execute(f"DELETE FROM {table}")
    store = SQLiteStore(tmp_path / "runs.db", read_only=True)
    assert f"in {table} is damaged (it is not there)" in refused(lambda: store.load("s-1"))
    store.close()


def test_damaged_session_keeps_nobody_else_from_working(tmp_path: Path) -> None:
    """Damage is met where it is: other sessions load, and go on."""
    full_store(tmp_path / "runs.db")
    store = SQLiteStore(tmp_path / "runs.db")
    other = parked("s-2")
    keep(store, other)
    store.close()
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as connection:
        connection.execute("UPDATE sessions SET record = x'00' WHERE id = 's-1'")
    store = SQLiteStore(tmp_path / "runs.db")
    refused(lambda: store.load("s-1"))
    assert [None] == list(store.commit([other.take(i.Recovered(Policy()))]))
    kept = store.load("s-2")
    assert kept is not None and other.session == kept.session
    store.close()
