"""Stores that cannot be used, met by every command that opens one: one sentence, exit code 2, not a byte changed."""

from __future__ import annotations

import ctypes
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.store import schema

from .driving import COMMAND, Said, agent, environment, piped, said
from .test_bad_input import limited

Bad = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with a session that waits, and an export of it."""
    path = tmp_path_factory.mktemp("store") / "good.db"
    said("run", agent("parks"), "--session", "s", "--store", str(path))
    assert 0 == said("store", "export", "--out", str(path.with_suffix(".jsonl")), "--store", str(path)).code
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    """Where a store is to be, in a folder with an export."""
    shutil.copy(made.with_suffix(".jsonl"), tmp_path / "good.jsonl")
    return tmp_path / "runs.db"


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its bytes, and every folder."""
    return {str(one): one.read_bytes() if one.is_file() else None for one in sorted(folder.rglob("*"))}


COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", agent("hello"), "--session", "s"),
    "show": ("show",),
    "show one": ("show", "s"),
    "history": ("history", "s"),
    "decide": ("decide", "s", "r-1", "q", "approve"),
    "abort": ("abort", "s"),
    "check": ("store", "check"),
    "compact": ("store", "compact"),
    "export": ("store", "export"),
    "export to a file": ("store", "export", "--out", "{folder}/out.jsonl"),
    "import": ("store", "import", "{folder}/good.jsonl"),
}
"""Every command that opens a store."""


def typed(command: str, path: Path) -> list[str]:
    """Return the words of a command on a store."""
    return [word.format(folder=path.parent) for word in COMMANDS[command]] + ["--store", str(path)]


# -- what is no store -------------------------------------------------------------------------------------------------


def a_text(path: Path) -> None:
    """Make a file that is no database."""
    path.write_text("these are notes, and no database\n" * 400)


def a_short_text(path: Path) -> None:
    """Make a file shorter than the header of a database."""
    path.write_text("notes")


def of_another_program(path: Path) -> None:
    """Make the database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sessions (id)")


def of_another_program_at_work(path: Path) -> None:
    """Make the database of another program, the newest of it in a log."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE sessions (id)")
        copies = {one.name: one.read_bytes() for one in path.parent.glob("runs.db*")}
    for name, copy in copies.items():
        (path.parent / name).write_bytes(copy)


def changed(path: Path, statement: str) -> None:
    """Make a store and change it as only another version would."""
    said("run", agent("hello"), "--session", "s", "--store", str(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def newer(path: Path) -> None:
    """Make a store of a later version."""
    changed(path, f"PRAGMA user_version = {schema.VERSION + 1}")


def newer_in_its_log(path: Path) -> None:
    """Make a store of a later version whose process died before it moved its log into the file."""
    said("run", agent("hello"), "--session", "s", "--store", str(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        copies = {one.name: one.read_bytes() for one in path.parent.glob("runs.db*")}
    for name, copy in copies.items():
        (path.parent / name).write_bytes(copy)


def without_a_version(path: Path) -> None:
    """Make a store of no version at all."""
    changed(path, "PRAGMA user_version = 0")


BAD: dict[Bad, str] = {
    a_text: "is no store, but some other file; choose another path",
    a_short_text: "is no store, but some other file; choose another path",
    of_another_program: "is the database of another program; choose another path",
    of_another_program_at_work: "is the database of another program; choose another path",
    newer_in_its_log: f"has version {schema.VERSION + 1}, and this version of lifecycle reads up to {schema.VERSION}; open",
    newer: f"has version {schema.VERSION + 1}, and this version of lifecycle reads up to {schema.VERSION}; open it with",
    without_a_version: "has version 0, which no lifecycle wrote; restore the file from a copy",
    Path.mkdir: "is a folder; name a file in it",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_what_is_no_store_of_ours_is_one_sentence(path: Path, make: Bad, command: str) -> None:
    """Given something else at the path, then each command says what is there and what to do, and leaves all as it is."""
    make(path)
    before = contents(path.parent)
    fact = BAD[make] if command != "import" or make is Path.mkdir else "is not empty; import into a file"
    refused(command, path, fact)
    assert unindexed(before) == unindexed(contents(path.parent))


def unindexed(files: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """Leave out the index of a log, which SQLite makes anew as it likes."""
    return {name: content for name, content in files.items() if not name.endswith("-shm")}


def refused(command: str, path: Path, fact: str) -> None:
    """See that a command is refused with exit code 2 and one sentence about the store, and writes no data."""
    is_one_sentence(said(*typed(command, path)), path, fact)


def is_one_sentence(ran: Said, path: Path, fact: str) -> None:
    """See that one sentence about the store was said, and exit code 2 given."""
    assert (2, "") == (ran.code, ran.out), ran
    (line,) = ran.err.splitlines()
    assert line.startswith(f"store {path}: {fact}"), line


@pytest.mark.parametrize("command", COMMANDS)
def test_log_of_a_removed_store_is_left_to_whoever_put_it_there(path: Path, made: Path, command: str) -> None:
    """Given the log of a store that was removed, then nothing is made beside it, of which it would become a part."""
    path.with_name("runs.db-wal").write_bytes(b"what was written last")
    before = contents(path.parent)
    makes = command in ("run", "import")
    refused(command, path, "is not there, but its log is (runs.db-wal)" if makes else "does not exist; check the path")
    path.with_name("runs.db-lock").unlink(missing_ok=True)  # it is taken before anybody looks
    assert before == contents(path.parent)


# -- where a store cannot be ------------------------------------------------------------------------------------------


@pytest.fixture
def there(made: Path, path: Path) -> Path:
    """A store that is there, with a session that waits."""
    shutil.copy(made, path)
    return path


def without_locks(path: Path, command: str) -> Said:
    """Give a command on a path whose file system has no locks, as far as the command can tell."""
    touched = [
        word for suffix in ("", "-lock", "-wal", "-shm", "-new", "-import") for word in ("-P", f"{path}{suffix}")
    ]
    denies = ["-e", "trace=flock,fcntl", "-e", "inject=flock,fcntl:error=ENOLCK"]
    strace = ["strace", "-f", "-o", os.devnull, *touched, "-P", str(path.parent), *denies]
    words = [*strace, *COMMAND, *typed(command, path)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL)
    said_by_it = [line for line in done.stderr.splitlines() if not line.startswith("strace:")]
    return Said(done.returncode, done.stdout, "\n".join(said_by_it))


@pytest.mark.unmeasured
@pytest.mark.needs("strace")
@pytest.mark.parametrize("command", COMMANDS)
def test_path_without_locks_is_one_sentence(there: Path, command: str) -> None:
    """Given a file system that keeps nobody out, then no command uses a store there, and none waits for a lock."""
    if command == "import":
        there.unlink()
    before = contents(there.parent)
    is_one_sentence(without_locks(there, command), there, "locks do not work there (No locks available); put it on a")
    assert before == contents(there.parent)


@pytest.mark.unmeasured
@pytest.mark.needs("strace")
def test_first_run_on_a_path_without_locks_is_one_sentence(path: Path) -> None:
    """Given no store yet, then none is made, and nothing stays behind."""
    before = contents(path.parent)
    is_one_sentence(without_locks(path, "run"), path, "locks do not work there (No locks available); put it on a local")
    assert before == contents(path.parent)


READS = ("show", "show one", "history", "check", "export", "export to a file")
WRITES = ("run", "abort", "compact")


def without_rights() -> None:
    """Let a command of root have no more rights than the owner of a file."""
    if os.geteuid() == 0:
        for right in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.unmeasured
@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("command", [*READS, *WRITES])
def test_file_without_the_right_to_write_can_be_read(there: Path, command: str) -> None:
    """Given a file that may not be written to, then what looks works, and what writes is refused; the file is as it was."""
    there.chmod(0o444)
    before = there.read_bytes()
    ran = said(*typed(command, there), preexec_fn=without_rights)
    if command in READS:
        assert 0 == ran.code
    else:
        is_one_sentence(ran, there, "cannot be written to; make it writable, or only read it")
    assert before == there.read_bytes()


@pytest.mark.unmeasured
@pytest.mark.parametrize("command", [*WRITES, "import"])
def test_full_disk_is_one_sentence(there: Path, command: str) -> None:
    """Given a disk without room, then what writes is refused, nothing is changed, and it works once there is room."""
    if command == "import":
        there.unlink()
    before = contents(there.parent)
    ran = said(*typed(command, there), preexec_fn=lambda: limited(1_000))
    no_room = "has no room left; make room, then try again"
    is_one_sentence(ran, there, "cannot be written: the disk failed, or a quota is" if command == "import" else no_room)
    now = contents(there.parent)
    assert before == {name: now.get(name) for name in before}
    assert command != "import" or not there.exists()
    assert said(*typed(command, there)).code in (0, 3)


# -- a store that goes away while it is used --------------------------------------------------------------------------


def gone(path: Path) -> None:
    """Remove a store."""
    path.unlink()


def another(path: Path) -> None:
    """Put another store in its place."""
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.mark.parametrize("happens", [gone, another], ids=lambda happens: happens.__name__)
def test_store_that_goes_away_is_said_at_once_and_can_be_left(path: Path, happens: Callable[[Path], None]) -> None:
    """Given a store that is removed or replaced under a run, then it says so unasked, keeps nothing more, and can be left."""
    told = "was moved, removed or replaced while it was open; put it back with its -wal, or end this process"
    with piped("run", agent("works_for_ever"), "--session", "s", "--store", str(path)) as running:
        running.until("working")
        happens(path)
        running.until(f"the heartbeat failed (store {path}: {told}")
        running.interrupt()
        running.until(f"session s: Shutdown waits for the store (store {path}: {told}")
        running.interrupt()
        assert 130 == running.end()
        assert "Traceback" not in running.text


def test_store_that_comes_back_is_used_again(path: Path) -> None:
    """Given a store that is moved away and back under a run, then the run ends in it, as if nothing had been."""
    with piped("run", agent("works_for_ever"), "--session", "s", "--store", str(path)) as running:
        running.until("working")
        path.rename(path.with_suffix(".away"))
        running.until("was moved, removed or replaced")
        running.interrupt()
        running.until("Shutdown waits for the store")
        path.with_suffix(".away").rename(path)
        running.until("session s: the store keeps again")
        assert 1 == running.end()
    (record,) = said("show", "s", "--json", "--store", str(path)).records
    assert ("interrupted", "shutdown") == (record["state"], record["ended"][-1]["cause"])
