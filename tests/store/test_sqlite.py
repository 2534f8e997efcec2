"""The store in SQLite keeps the contract; everything is found by index, and each commit is one sync."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from lifecycle.errors import StoreError
from lifecycle.store import SQLiteStore, schema
from lifecycle.store.sqlite_reading import NUMBERS_MAX, remember

from .contract import StoreContract, keep
from .histories import HISTORIES, Histories, play_in
from .lives import Life, approved, parked


class TestSQLiteStore(StoreContract):
    """The contract, on a file."""

    def make(self, folder: Path) -> SQLiteStore:
        """Make a store in a file."""
        return SQLiteStore(folder / "runs.db")

    @settings(max_examples=60)
    @given(HISTORIES)
    def test_any_history_is_kept_exactly(self, histories: Histories) -> None:
        """Whatever the kernel makes of whatever arrives: it loads equal, replays equal, and its names are found."""
        play_in(self.make, histories)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """An empty store, closed in the end."""
    store = SQLiteStore(tmp_path / "runs.db")
    yield store
    store.close()


# -- durable ----------------------------------------------------------------------------------------------------------


def test_store_names_its_path(tmp_path: Path, store: SQLiteStore) -> None:
    """People are told which file it is."""
    assert str(tmp_path / "runs.db") == store.name


def test_reopened_store_has_everything(tmp_path: Path) -> None:
    """What was kept is there after closing and opening, and goes on."""
    path = tmp_path / "runs.db"
    life, other = approved(key="k-1"), parked("s-2")
    first = SQLiteStore(path)
    keep(first, life, other)
    first.mark_performed({"s-1": 5})
    latest = first.latest()
    first.close()
    again = SQLiteStore(path)
    kept = again.load("s-1")
    assert kept is not None
    assert (life.session, 5, latest) == (kept.session, kept.performed, again.latest())
    assert again.key_ended("s-1", "k-1") == life.commits[-1].step.ended[0]
    assert [None] == list(again.commit([life.start("r-2")]))
    assert [None] == list(again.commit([Life("s-3").start()]))
    assert ["s-1", "s-2", "s-3"] == [one.id for one in again.sessions()]
    again.close()


KEEP_AND_DIE = """
import os, sys
from lifecycle.store import SQLiteStore
from tests.store.lives import approved
store = SQLiteStore(sys.argv[1])
store.commit(approved().commits)
print("kept", flush=True)
os._exit(9)
"""


def test_acknowledged_step_survives_the_death_of_its_process(tmp_path: Path) -> None:
    """A process that dies without closing loses nothing that was acknowledged, and leaves no lock."""
    root = Path(__file__).resolve().parents[2]
    died = subprocess.run(
        [sys.executable, "-c", KEEP_AND_DIE, str(tmp_path / "runs.db")], cwd=root, capture_output=True
    )
    assert (9, b"kept\n") == (died.returncode, died.stdout), died.stderr
    store = SQLiteStore(tmp_path / "runs.db")
    kept = store.load("s-1")
    assert kept is not None and approved().session == kept.session
    store.close()


def test_every_commit_is_synced(store: SQLiteStore) -> None:
    """The writer waits for the disk at each transaction, also when it marks what was performed."""
    assert store._writer is not None
    for _ in range(2):
        assert [(2,), ("wal",)] == [
            store._writer.execute(f"PRAGMA {pragma}").fetchone() for pragma in ("synchronous", "journal_mode")
        ]
        store.mark_performed({"s-1": 1})


@pytest.mark.needs("strace")
def test_syncs_are_one_a_step(tmp_path: Path) -> None:
    """Commits one by one cost at most 1.05 syncs each, moving the log into the file included."""
    root = Path(__file__).resolve().parents[2]
    told = tmp_path / "syncs"
    program = [sys.executable, "-c", KEEP_MANY, str(tmp_path)]
    traced = ["strace", "-f", "-e", "trace=fsync,fdatasync,openat", "-o", str(told), *program]
    if subprocess.run(traced, cwd=root, capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    text = told.read_text()
    between = text.partition("begin-mark")[2].partition("end-mark")[0]
    assert 1_000 <= between.count("sync(") <= 1_050


KEEP_MANY = """
import sys
from pathlib import Path
from lifecycle.store import SQLiteStore
from tests.store.lives import approved
folder = Path(sys.argv[1])
lives = [approved(f"s-{n}") for n in range(200)]
store = SQLiteStore(folder / "runs.db")
(folder / "begin-mark").exists() or (folder / "begin-mark").write_text("")
for life in lives:
    for commit in life.commits:
        assert store.commit([commit]) == [None]
store.mark_performed({life.name: life.kept.revision for life in lives})  # many at a time, as a runtime does
(folder / "end-mark").write_text("")
"""


@pytest.mark.parametrize("read_only", [False, True])
def test_file_in_the_middle_of_a_checkpoint_opens(tmp_path: Path, read_only: bool) -> None:
    """A process that dies when only the first page of the log was moved leaves a file that opens, and has everything."""
    whole, torn = tmp_path / "whole.db", tmp_path / "torn.db"
    store = SQLiteStore(whole)
    lives = [approved(f"s-{n}") for n in range(40)]
    keep(store, *lives)
    shutil.copy(whole, torn)
    shutil.copy(f"{whole}-wal", f"{torn}-wal")
    store.close()
    log = Path(f"{torn}-wal").read_bytes()
    frames = [log[at : at + FRAME_BYTES] for at in range(32, len(log), FRAME_BYTES)]
    first = [frame[24:] for frame in frames if frame[:4] == b"\0\0\0\1"][-1]
    with torn.open("r+b") as file:
        file.write(first)
    again = SQLiteStore(torn, read_only=read_only)
    assert [life.session for life in sorted(lives, key=lambda life: life.name)] == list(again.sessions(limit=100))
    again.close()


FRAME_BYTES = 24 + 4_096
"""What the log has of a page: its number and checksums, and the page."""


# -- by index ---------------------------------------------------------------------------------------------------------

STATEMENTS = {
    name: text
    for name, text in vars(schema).items()
    if isinstance(text, str) and not name.startswith("_") and text.startswith(("SELECT", "UPDATE", "DELETE"))
}
IN_ORDER = {
    "ENDS": ("SCAN journal", "SCAN sessions", "SCAN CONSTANT ROW"),
    "LATEST": ("SCAN journal",),
    "SESSIONS_FIRST": ("SCAN sessions USING INDEX sqlite_autoindex_sessions_1",),
    "UNSETTLED": ("SCAN sessions USING INDEX sessions_awake",),
    "POLICY_NUMBERS": ("SCAN policies",),
    "UNCOLLECTED": ("SCAN inbox",),
}
"""Statements that go through a table in the order they want, and stop at their limit or take all of a small index.

What was not collected from the inbox is looked for when a worker joins; all that is there is on its way.
"""

FEW = (
    "SCAN workers",
    "SCAN sqlite_sequence",
    "LIST SUBQUERY",
    "SCALAR SUBQUERY",
    "CORRELATED SCALAR",
    "USING",
)
"""How a plan speaks of tables with a row for each worker, and of statements in statements."""


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_finds_its_rows_by_index(store: SQLiteStore, name: str) -> None:
    """No statement looks at rows it does not want, and none sorts."""
    assert store._reader is not None
    text = STATEMENTS[name]
    plan = [row[3] for row in store._reader.execute(f"EXPLAIN QUERY PLAN {text}", [1] * text.count("?"))]
    wanted = IN_ORDER.get(name, ())
    assert [] == [line for line in plan if not line.startswith(("SEARCH", *FEW)) and line not in wanted]
    assert name not in ("ENDS", "LATEST", "SESSIONS_FIRST") or "LIMIT" in text


def test_step_that_changes_little_writes_little(store: SQLiteStore) -> None:
    """A step writes its entry and its session's row; not spec, policy or checkpoint, nor the index of states."""
    life = Life()
    life.start(input="x" * 100_000)
    life.begin()
    life.checkpoint("y" * 100_000)
    life.ask("q-1", "q-2")
    keep(store, life)
    assert store._writer is not None
    told: list[str] = []
    store._writer.set_trace_callback(told.append)
    store.commit([life.decide("q-1")])
    store._writer.set_trace_callback(None)
    verbs = [" ".join(line.split()[:3]) for line in told]
    assert [
        "BEGIN IMMEDIATE",
        "PRAGMA data_version",
        "UPDATE sessions SET",
        "INSERT INTO journal",
        "INSERT OR REPLACE",
        "COMMIT",
    ] == verbs
    assert "state" not in told[2].partition("SET")[2].partition("x'")[0]
    assert sum(len(line) for line in told) < 20_000


def test_checkpoint_goes_with_its_run(store: SQLiteStore) -> None:
    """When a run has ended nobody needs its checkpoint."""
    life = Life()
    life.start()
    life.begin()
    life.checkpoint("one")
    keep(store, life)
    assert 1 == count(store, "checkpoints")
    store.commit([life.settle()])
    assert 0 == count(store, "checkpoints")


def test_sessions_share_their_policies(store: SQLiteStore) -> None:
    """A policy is kept once, however many sessions live under it."""
    keep(store, *(approved(f"s-{n}") for n in range(5)))
    assert 1 == count(store, "policies")


def count(store: SQLiteStore, table: str) -> int:
    """Count the rows of a table."""
    assert store._reader is not None
    (rows,) = store._reader.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(rows)


def test_memory_of_numbers_is_bounded(store: SQLiteStore) -> None:
    """What a store remembers to save time has a limit; beyond it, it looks again."""
    life = approved()
    store.commit(life.commits[:2])
    remember(store._numbers, {f"other-{n}": n for n in range(NUMBERS_MAX)}, NUMBERS_MAX)
    assert "s-1" not in store._numbers
    assert [None] * 3 == list(store.commit(life.commits[2:]))


# -- several at once --------------------------------------------------------------------------------------------------


def test_reader_sees_what_is_committed_while_a_writer_writes(tmp_path: Path, store: SQLiteStore) -> None:
    """Readers never wait for a transaction, and see nothing of it before it is committed."""
    life = approved()
    store.commit(life.commits[:3])
    looking = SQLiteStore(tmp_path / "runs.db", read_only=True)
    assert store._writer is not None
    store._writer.execute("BEGIN IMMEDIATE")
    store._writer.execute("UPDATE sessions SET state = 'error'")
    for one in (store, looking):
        assert ["waiting_for_human"] == [session.state for session in one.sessions()]
        assert [] == list(one.sessions(state="error"))
    store._writer.execute("ROLLBACK")
    store.commit(life.commits[3:])
    assert [life.session] == list(looking.sessions())
    assert store.latest() == looking.latest()
    looking.close()


def test_journal_is_read_while_it_grows(store: SQLiteStore) -> None:
    """A journal that somebody reads slowly keeps nobody from writing; what comes meanwhile is told, too."""
    life = approved()
    store.commit(life.commits[:2])
    entries = store.journal("s-1")
    assert 1 == next(iter(entries)).revision
    assert {None} == set(store.commit(life.commits[2:]))


def test_read_only_store_writes_nothing(tmp_path: Path, store: SQLiteStore) -> None:
    """Whoever opened to look can neither commit nor mark, and no runtime can work on it."""
    keep(store, approved())
    looking = SQLiteStore(tmp_path / "runs.db", read_only=True)
    for call in (
        looking.claim,
        lambda: looking.commit([Life("s-2").start()]),
        lambda: looking.mark_performed({"s-1": 5}),
    ):
        with pytest.raises(StoreError, match="is open for reading only; open it without read_only to write"):
            call()
    looking.close()


def test_connection_is_used_from_any_thread(store: SQLiteStore) -> None:
    """Commits come from a writer's thread or from the loop's, never at once."""
    from threading import Thread

    life = approved()
    verdicts: list[object] = []
    for commit in life.commits:
        thread = Thread(target=lambda commit=commit: verdicts.extend(store.commit([commit])))
        thread.start()
        thread.join()
    assert [None] * 5 == verdicts
    kept = store.load("s-1")
    assert kept is not None and life.session == kept.session


def test_file_is_marked_as_ours(tmp_path: Path, store: SQLiteStore) -> None:
    """Any program can tell whose file it is, and of which version."""
    store.close()
    connection = sqlite3.connect(tmp_path / "runs.db")
    marks = [connection.execute(f"PRAGMA {mark}").fetchone()[0] for mark in ("application_id", "user_version")]
    connection.close()
    assert [schema.APPLICATION, schema.VERSION] == marks
