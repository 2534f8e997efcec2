"""Letting go in a file: killed anywhere it is done or not done, and what is damaged or owed is left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from lifecycle.errors import StoreError
from lifecycle.store import Compacted, SQLiteStore
from lifecycle.store.replaying import replay_kept

from .contract import everything, keep
from .dying import Died, Dying
from .lives import Life, approved, parked, stopped


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """An empty store, closed in the end."""
    store = SQLiteStore(tmp_path / "runs.db")
    yield store
    store.close()


def several() -> list[Life]:
    """Return lives of every kind: at rest, parked with a checkpoint, over, and over for the second time."""
    twice = stopped("s-4")
    twice.start("r-2", key="k-2")
    twice.close()
    return [approved("s-1", key="k-1"), parked("s-2"), stopped("s-3"), twice]


NAMES = ("s-1", "s-2", "s-3", "s-4")


def all_of(path: Path) -> list[object]:
    """Return all that a file says, as somebody who opens it anew sees it."""
    store = SQLiteStore(path)
    told = [everything(store, name) for name in NAMES] + [store.snapshot(name) for name in NAMES] + [store.floor()]
    for name in [one.id for one in store.sessions()]:
        replay_kept(store, name)
    store.close()
    return told


def test_compaction_that_dies_anywhere_is_done_or_not_done(tmp_path: Path) -> None:
    """Killed before any of its writes a batch changed nothing; after the last it is whole; either file replays."""
    path = tmp_path / "runs.db"
    store, lives = SQLiteStore(path), several()
    keep(store, *lives)
    store.close()
    before, deaths, dies = all_of(path), 0, True
    performed = {life.name: life.kept.revision for life in lives}
    now = max(life.now for life in lives)
    while dies:
        store = SQLiteStore(path)
        assert store._writer is not None
        store._writer = Dying(deaths).around(store._writer)
        try:
            store.compact(performed, now, 1_000)
        except Died:
            deaths += 1
        else:
            dies = False
        with suppress(sqlite3.ProgrammingError):
            store.close()
        after = all_of(path)
        assert dies is (before == after)
    assert deaths > 35
    assert [True, True, False, False] == [bool(told[0]) for told in after[:4]]  # type: ignore[index]
    store = SQLiteStore(path)
    assert Compacted() == store.compact(performed, now, 1_000)
    store.close()


def test_damaged_session_is_named_and_left(store: SQLiteStore) -> None:
    """What cannot be read is not replaced by a snapshot of it; the others are compacted all the same."""
    lives = several()
    keep(store, *lives)
    spoil(store, "UPDATE sessions SET record = x'00' WHERE id = 's-1'")
    performed = {life.name: life.kept.revision for life in lives}
    done = store.compact(performed, max(life.now for life in lives), 1_000)
    assert ["session s-1: its record of revision 5 in sessions is damaged"] == [
        str(error).partition(" (")[0] for error in done.refused
    ]
    assert ("s-3", "s-4") == done.sessions
    assert list(range(1, 6)) == [entry.revision for entry in store.journal("s-1")]


def spoil(store: SQLiteStore, statement: str) -> None:
    """Change a file behind its store's back."""
    with closing(sqlite3.connect(store.name, isolation_level=None)) as other:
        other.execute(statement)


@pytest.mark.parametrize("change", ["record = x'00'", "revision = 7"])
def test_damaged_snapshot_is_refused_by_name(store: SQLiteStore, change: str) -> None:
    """A snapshot is a record like any other."""
    life = approved()
    keep(store, life)
    store.compact({"s-1": 5}, life.now, 10)
    spoil(store, f"UPDATE snapshots SET {change}")
    with pytest.raises(StoreError, match=r"session s-1: its record of revision \d in snapshots is damaged"):
        store.snapshot("s-1")


def test_number_of_a_session_that_left_is_nobody_elses(tmp_path: Path) -> None:
    """Rows of one session can never come to be another's, by whatever process it is opened."""
    store, life = SQLiteStore(tmp_path / "runs.db"), stopped()
    keep(store, life)
    store.compact({"s-1": 2}, life.now, 10)
    store.close()
    store = SQLiteStore(tmp_path / "runs.db")
    fresh = Life("s-2")
    fresh.start(floor=store.floor())
    keep(store, fresh)
    assert store._reader is not None
    assert [(2,)] == store._reader.execute("SELECT number FROM sessions").fetchall()
    store.close()


def test_session_is_opened_again_in_the_process_that_let_it_go(store: SQLiteStore) -> None:
    """What a store remembered of a session that left is forgotten."""
    life = stopped()
    keep(store, life)
    store.compact({"s-1": 2}, life.now, 10)
    fresh = Life()
    fresh.start(floor=store.floor())
    fresh.begin()
    keep(store, fresh)
    kept = store.load("s-1")
    assert kept is not None and fresh.session == kept.session


def test_aged_are_found_page_by_page(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are old: all are named, and none that is young."""
    monkeypatch.setattr("lifecycle.store.sqlite_reading.AGED_PAGE_ROWS", 3)
    lives = [approved(f"s-{n}") for n in range(7)]
    young = Life("young", lives[0].now)
    young.start()
    keep(store, *lives, young)
    assert {life.name for life in lives} == set(store.aged(lives[0].now))
    done = [store.compact({name: 5}, lives[0].now, 10) for name in store.aged(lives[0].now)]
    assert (7, 35) == (sum(one.runs for one in done), sum(one.entries for one in done))
    assert [] == list(store.aged(lives[0].now))


def test_compaction_is_on_the_disk_when_it_returns(store: SQLiteStore) -> None:
    """A batch is synced like every transaction: what a failing sync took later would be gone with all behind it."""
    told: list[Any] = []
    life = approved()
    keep(store, life)
    assert store._writer is not None
    store._writer.set_trace_callback(told.append)
    store.compact({"s-1": 5}, life.now, 10)
    store._writer.set_trace_callback(None)
    first, *others, last = (one for one in told if "busy_timeout" not in one)
    assert ("BEGIN IMMEDIATE", "COMMIT") == (first, last) and others
    assert [(2,)] == store._writer.execute("PRAGMA synchronous").fetchall()
