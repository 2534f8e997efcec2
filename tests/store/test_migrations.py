"""Files of older versions: brought up whole, or left as they were.

What lives here: the golden files of older versions, opened by this one. What must not: what a store does afterwards; that
is the contract's. The law of this file: a golden file is never written anew.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.errors import StoreError
from lifecycle.store import SQLiteStore, files, schema
from lifecycle.store.migrations import TO_NEXT, migrate
from lifecycle.testing import replay_journal

from .dying import Died, Dying
from .lives import Life, approved

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(TO_NEXT)


@pytest.fixture(params=VERSIONS)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A copy of the golden file of an older version."""
    yield Path(shutil.copy(GOLDEN / f"version-{request.param}.db", tmp_path / "runs.db"))


def shape(path: Path) -> object:
    """Return what tables and indexes a file has: of each its columns, in order, with type, default and key."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY type, name").fetchall()
        columns = {name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall() for _, name, _ in names}
        indexed = {name: connection.execute(f"PRAGMA index_xinfo({name})").fetchall() for _, name, _ in names}
        partial = connection.execute("SELECT sql FROM sqlite_master WHERE sql LIKE '%INDEX% WHERE %'").fetchall()
        marks = [connection.execute(f"PRAGMA {mark}").fetchone() for mark in ("application_id", "user_version")]
        without = {name for _, name, _ in names if not has_rowid(connection, name)}
    return names, columns, indexed, sorted(" ".join(sql.split()) for (sql,) in partial), marks, without


def has_rowid(connection: sqlite3.Connection, table: str) -> bool:
    """Say whether a table has numbered rows."""
    try:
        connection.execute(f"SELECT rowid FROM {table}")
    except sqlite3.OperationalError:
        return False
    return True


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all that stands in the tables of a file."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in tables}


def test_every_older_version_has_a_golden_file() -> None:
    """There is a way from each version to this one, and a file that shows that it leads there."""
    assert list(range(1, schema.VERSION)) == VERSIONS
    assert [f"version-{version}.db" for version in VERSIONS] == sorted(one.name for one in GOLDEN.glob("version-*.db"))


def test_migrated_file_is_as_a_fresh_one(tmp_path: Path, older: Path) -> None:
    """Tables, indexes and marks are those of a file that was made today."""
    SQLiteStore(older).close()
    SQLiteStore(tmp_path / "fresh.db").close()
    assert shape(tmp_path / "fresh.db") == shape(older)


def test_migrated_file_has_everything(older: Path) -> None:
    """Sessions, journals and records are what they were, replay, and go on."""
    before = rows(older)
    store = SQLiteStore(older)
    after = rows(older)
    for table, were in before.items():
        assert were == [one[: len(was)] for was, one in zip(were, after[table], strict=True)]
    names = [one.id for one in store.sessions()]
    assert ["approved", "many", "parked", "stopped"] == names
    life = approved("approved", key="k-1")
    ended = store.key_ended("approved", "k-1")
    assert ended is not None and ("r-1", "ready") == (ended.spec.id, ended.state)
    assert {"approved": 5, "many": 10, "parked": 4, "stopped": 4} == {
        name: replay_journal(store, name).entries for name in names
    }
    life.session = store.sessions()[0]
    assert [None] == list(store.commit([life.start("r-2")]))
    assert [None] == list(store.commit([Life("new").start()]))
    store.close()


def test_migrated_end_has_its_time(older: Path) -> None:
    """Each end is found by the time that stands in its record; one that cannot be read has none."""
    with closing(sqlite3.connect(older, isolation_level=None)) as connection:
        connection.execute("UPDATE ended SET record = x'00' WHERE run = 'r-2'")
    store = SQLiteStore(older)
    ends = {one.spec.id: one.ended_at for one in store.ended("approved")}
    store.close()
    with closing(sqlite3.connect(older)) as connection:
        found = connection.execute("SELECT run, ended_at FROM ended WHERE run = 'r-2' OR session = 1").fetchall()
    assert {("r-2", None), *ends.items()} == set(found)


def test_migration_that_dies_anywhere_changes_nothing(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it stops before its commit, the file is the old one; after it, the new one; and it can be brought up."""
    opened = files.opened
    before, deaths = rows(older), 0
    while True:
        dying = Dying(deaths)
        with monkeypatch.context() as context:
            context.setattr(files, "opened", lambda path, query, dying=dying: dying.around(opened(path, query)))
            try:
                SQLiteStore(older).close()
                break
            except Died:
                deaths += 1
        with closing(sqlite3.connect(older)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert version == schema.VERSION or before == rows(older)
    assert deaths > len(TO_NEXT[VERSIONS[-1]])
    assert set(before) < set(rows(older))


def test_older_file_is_refused_to_a_reader_untouched(older: Path) -> None:
    """Whoever only looks changes no file; it is said how it is brought up."""
    before = older.read_bytes()
    with pytest.raises(StoreError, match=r"has version \d, and this version of lifecycle reads \d; open it once for w"):
        SQLiteStore(older, read_only=True)
    assert before == older.read_bytes()


def test_older_file_that_lacks_a_table_is_refused_untouched(older: Path) -> None:
    """A file of an older version is judged by the tables of that version, before it is changed."""
    with closing(sqlite3.connect(older)) as connection:
        connection.execute("DROP TABLE requests")
    before = rows(older)
    with pytest.raises(StoreError, match="has no table requests; restore"):
        SQLiteStore(older)
    assert before == rows(older)


def test_older_file_that_cannot_be_brought_up_is_refused(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room the file stays what it was, and that is said; with room it is brought up."""
    before, opened = rows(older), files.opened

    def small(path: Path, query: str) -> sqlite3.Connection:
        connection = opened(path, query)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with monkeypatch.context() as context:
        context.setattr(files, "opened", small)
        with pytest.raises(StoreError, match="has no room left; make room"):
            SQLiteStore(older)
    assert before == rows(older)
    SQLiteStore(older).close()


def test_file_of_this_version_is_not_migrated(tmp_path: Path) -> None:
    """Where nothing is to be done nothing is written."""
    SQLiteStore(tmp_path / "runs.db").close()
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        told: list[str] = []
        connection.set_trace_callback(told.append)
        migrate(connection, schema.VERSION)
    assert [] == told
