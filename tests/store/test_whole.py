"""Files as a whole: checked to the last record, exported to the byte, imported whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings

from lifecycle.errors import StoreError
from lifecycle.store import SQLiteStore
from lifecycle.store.checking import Checked, Damage, check
from lifecycle.store.exporting import exported, import_into
from lifecycle.store.steady import SteadyStore
from tests.profiles import times

from .contract import keep
from .histories import HISTORIES, Histories, play
from .lives import POLICY, Life, approved
from .test_compaction import several


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a record in every table, part of it compacted."""
    path = tmp_path / "runs.db"
    store = SQLiteStore(path)
    lives = several()
    keep(store, *lives)
    store.compact({life.name: life.kept.revision for life in lives[2:]}, max(life.now for life in lives), 1)
    store.compact({"s-1": 5}, lives[0].commits[1].now, 1)
    lives[1].decide("q-1")
    keep_rest(store, lives[1])
    store.close()
    return path


def keep_rest(store: SQLiteStore, life: Life) -> None:
    """Keep the latest step of a life."""
    assert [None] == list(store.commit(life.commits[-1:]))


def checked(path: Path) -> Checked:
    """Check a file."""
    with closing(SteadyStore(path)) as store:
        return check(store)


def export(path: Path) -> list[bytes]:
    """Export a file."""
    with closing(SteadyStore(path)) as store:
        return list(exported(store))


def spoil(path: Path, *statements: str) -> None:
    """Change a file behind everybody's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# -- check ------------------------------------------------------------------------------------------------------------


def test_good_file_is_not_damaged(path: Path) -> None:
    """Every table is looked at, and nothing is found where nothing is."""
    found = checked(path)
    assert [] == found.damages
    assert (4, 2) == (found.sessions, found.ended)
    assert found.entries > 8


DAMAGES: dict[str, tuple[str, list[tuple[str, str | None, object]]]] = {
    "session": ("UPDATE sessions SET record = x'00' WHERE id = 's-2'", [("sessions", "s-2", "of revision 5")]),
    "policy": ("UPDATE policies SET record = x'00'", [("policies", None, 1)]),
    "spec": ("UPDATE runs SET spec = x'00' WHERE id = 'r-2' AND session = 2", [("runs", "s-2", "r-2")]),
    "spec of another": ("UPDATE runs SET admitted = 77 WHERE id = 'r-2' AND session = 2", [("runs", "s-2", "r-2")]),
    "checkpoint": ("UPDATE checkpoints SET record = x'00'", [("checkpoints", "s-2", "r-1")]),
    "end": ("UPDATE ended SET record = x'00' WHERE session = 1", [("ended", "s-1", "of run r-1")]),
    "end of another time": ("UPDATE ended SET ended_at = 5 WHERE session = 1", [("ended", "s-1", "of run r-1")]),
    "request": ("UPDATE requests SET record = x'00' WHERE session = 1", [("requests", "s-1", "q-1 of run r-1")]),
    "request of another": ("UPDATE requests SET id = 'q' WHERE session = 1", [("requests", "s-1", "q of run r-1")]),
    "young entry": ("UPDATE journal SET record = x'00' WHERE session = 1 AND revision = 4",
                    [("journal", "s-1", "of revision 4")]),
    "entry": ("UPDATE journal SET record = x'00' WHERE session = 2 AND revision = 3",
              [("journal", "s-2", "of revision 3")]),
    "entry elsewhere": ("UPDATE journal SET revision = 9 WHERE session = 2 AND revision = 5",
                        [("journal", "s-2", None), ("journal", "s-2", "of revision 9")]),
    "gap": ("DELETE FROM journal WHERE session = 2 AND revision = 4",
            [("journal", "s-2", None), ("journal", "s-2", "of revision 5")]),
    "snapshot": ("UPDATE snapshots SET record = x'00' WHERE session = 1", [("snapshots", "s-1", "of revision 5")]),
    "no snapshot": ("DELETE FROM snapshots WHERE session = 3", [("journal", "s-3", "of revision 2")]),
    "rest": ("UPDATE sessions SET rests_until = 5 WHERE id = 's-2'", [("sessions", "s-2", "of revision 5")]),
    "no session": ("DELETE FROM sessions WHERE id = 's-2'",
                   [(table, None, "session number 2") for table in ("journal", "runs", "checkpoints", "requests")]),
    "no run": ("DELETE FROM runs WHERE session = 1", [("ended", "s-1", "of run r-1")]),
}  # fmt: skip
"""What is done to a file, and what must be named: table, session, position."""


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_named_where_it_is(path: Path, what: str) -> None:
    """Whatever was changed is found, by table, session and position; everything else is found to be good."""
    statement, where = DAMAGES[what]
    spoil(path, statement)
    found = checked(path).damages
    assert where == [(one.table, one.session, one.at) for one in found]
    assert all(one.fact and str(one).startswith(one.table) for one in found)


def test_session_that_is_not_its_journals_end_is_damaged(path: Path, tmp_path: Path) -> None:
    """A session whose record is good, but of another moment, is found by replaying its journal."""
    other, life = tmp_path / "other.db", Life("s-2")
    life.start("r-1")
    store = SQLiteStore(other)
    keep(store, approved("s-2"))
    store.close()
    spoil(path, f"ATTACH '{other}' AS other",
          "UPDATE sessions SET record = (SELECT record FROM other.sessions WHERE id = 's-2') WHERE id = 's-2'")  # fmt: skip
    assert [("journal", "s-2")] == [(one.table, one.session) for one in checked(path).damages]


def test_damaged_pages_are_found(path: Path) -> None:
    """Where a table's pages make no sense that is said, and the others are read."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'requests'").fetchone()
    content = path.read_bytes()
    path.write_bytes(content[: (page - 1) * 4096] + b"\xff" * 4096 + content[page * 4096 :])
    found = checked(path)
    assert {"file", "requests"} <= {one.table for one in found.damages}
    assert 4 == found.sessions


def test_index_that_lacks_a_row_is_found(path: Path) -> None:
    """An index is compared with its table."""
    with closing(sqlite3.connect(path)) as connection:
        root = dict(connection.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'index'"))
    content = bytearray(path.read_bytes())
    at = (root["ended_by_time"] - 1) * 4096
    content[at + 3 : at + 5] = b"\0\0"
    path.write_bytes(content)
    assert "file" in {one.table for one in checked(path).damages}


def test_file_is_read_as_it_is_at_one_moment(path: Path) -> None:
    """What is committed meanwhile is not seen, and makes nothing look damaged; the writer does not wait."""
    looking = SteadyStore(path)
    store = SQLiteStore(path)
    life = approved("s-9")
    keep(store, life)
    assert looking.load("s-9") is None
    assert [] == check(looking).damages
    looking.close()
    assert 5 == checked(path).sessions
    store.close()


def test_long_facts_are_cut() -> None:
    """Of what differs so much is told that a line stays one that can be read."""
    from lifecycle.store.checking import FACT_CHARS_MAX, cut

    assert FACT_CHARS_MAX == len(cut("x" * 10_000))
    assert "journal of session s, of revision 3: bad" == str(Damage("journal", "s", "of revision 3", "bad"))


# -- export and import ------------------------------------------------------------------------------------------------


def test_export_import_export_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    """Nothing is lost, added, or written another way."""
    lines = export(path)
    assert 4 == import_into(tmp_path / "copy.db", lines, "it")
    assert lines == export(tmp_path / "copy.db")
    assert [] == checked(tmp_path / "copy.db").damages
    assert {path.name, f"{path.name}-lock", "copy.db", "copy.db-lock"} <= {one.name for one in tmp_path.iterdir()}
    assert not list(tmp_path.glob("*-import*"))


@settings(max_examples=times(20), deadline=None)
@given(HISTORIES)
def test_any_history_is_exported_and_imported(tmp_path_factory: pytest.TempPathFactory, histories: Histories) -> None:
    """Whatever the kernel made, compacted or not: its export imports, and says all that the file said."""
    folder = tmp_path_factory.mktemp("export")
    store = SQLiteStore(folder / "runs.db")
    play(store, histories)
    store.close()
    assert [] == checked(folder / "runs.db").damages
    lines = export(folder / "runs.db")
    import_into(folder / "copy.db", lines, "it")
    assert lines == export(folder / "copy.db")


def test_imported_store_goes_on(path: Path, tmp_path: Path) -> None:
    """A store that was imported is as good as the one that was exported, its floor and its time included."""
    import_into(tmp_path / "copy.db", export(path), "it")
    before, after = SQLiteStore(path), SQLiteStore(tmp_path / "copy.db")
    assert (before.floor(), before.latest()) == (after.floor(), after.latest())
    left = [*after.unsettled(), *after.due(after.latest(), 99, POLICY).sessions]
    assert sorted(before.unsettled()) == sorted(left), "what may rest does, and is due at once"
    life = Life("new")
    life.start(floor=after.floor())
    keep(after, life)
    before.close()
    after.close()


def test_export_of_an_empty_store_is_imported(tmp_path: Path) -> None:
    """Nothing is something, too."""
    SQLiteStore(tmp_path / "runs.db").close()
    lines = export(tmp_path / "runs.db")
    assert (2, 0) == (len(lines), import_into(tmp_path / "copy.db", lines, "it"))


def test_damaged_record_is_not_exported(path: Path) -> None:
    """What cannot be read is named rather than carried on."""
    spoil(path, "UPDATE runs SET spec = x'00' WHERE id = 'r-2' AND session = 2")
    with pytest.raises(StoreError, match="session s-2: its record r-2 in runs is damaged"):
        export(path)


def doubled(lines: list[bytes]) -> list[bytes]:
    """Say a line twice, and count it."""
    return resealed([*lines[:3], lines[2], *lines[3:]])


def resealed(lines: list[bytes]) -> list[bytes]:
    """Make the last line agree with the others."""
    from zlib import crc32

    from lifecycle.store.exporting import EndLine, to_json

    return [*lines[:-1], to_json(EndLine(len(lines) - 1, crc32(b"".join(lines[:-1])))) + b"\n"]


BROKEN: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "half of the lines": (lambda lines: lines[: len(lines) // 2], "it ends after .* without its last one: it was cut"),
    "half of a line": (lambda lines: [*lines[:5], lines[5][:20]], "line 6 is no line of an export: it was cut"),
    "no lines": (lambda lines: [], "it ends after 0 lines without its last one: it was cut"),
    "a line less": (lambda lines: [*lines[:3], *lines[4:]], "and not what was written"),
    "another letter": (lambda lines: [line.replace(b"tidy", b"tide") for line in lines], "not what was written"),
    "no export": (lambda lines: [b"hello\n"], "it is no export of a store"),
    "other JSON": (lambda lines: [b'{"type":"entry"}\n'], "it is no export of a store"),
    "no first line": (lambda lines: lines[1:], "it is no export of a store"),
    "more after the last": (lambda lines: [*lines, lines[1]], "is not where it belongs"),
    "two first lines": (lambda lines: [lines[0], *lines], "line 2 is not where it belongs"),
    "a later format": (
        lambda lines: [lines[0].replace(b'"format":1', b'"format":2')],
        "has format 2, and this version",
    ),
    "a line twice": (doubled, "it says something twice, or of no session"),
    "a session less": (lambda lines: resealed([lines[0], *lines[2:]]), "it says something twice, or of no session"),
    "a good line less": (lambda lines: resealed([*lines[:-2], lines[-1]]), "what it holds does not agree"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_export_is_refused_and_leaves_nothing(path: Path, tmp_path: Path, what: str) -> None:
    """An export that is not whole, or not one, is refused in one sentence, and nothing is left where it was to go."""
    change, words = BROKEN[what]
    lines = change(export(path))
    there = sorted(one.name for one in tmp_path.iterdir())
    with pytest.raises(StoreError, match=words) as refused:
        import_into(tmp_path / "copy.db", lines, "it")
    assert str(refused.value).startswith("export it: ")
    assert there == sorted(one.name for one in tmp_path.iterdir())


def test_import_onto_a_file_that_is_not_empty_is_refused(path: Path) -> None:
    """What is there is not written over; an empty file is nothing."""
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not empty; import into a file that is not there yet"):
        import_into(path, [], "it")
    assert before == path.read_bytes()
    (path.parent / "empty.db").touch()
    assert 4 == import_into(path.parent / "empty.db", export(path), "it")


def test_vacuum_gives_back_room(path: Path) -> None:
    """After most of it left a file is as small as the rest, and a policy that nobody lives under is gone."""
    store = SQLiteStore(path)
    for n in range(40):
        life = Life(f"large-{n}")
        life.start(input="x" * 20_000)
        life.close()
        keep(store, life)
    store.compact({f"large-{n}": 2 for n in range(40)}, life.now, 100)
    before = size_of(path)
    store.vacuum()
    assert size_of(path) < before / 4
    keep(store, approved("s-9"))
    store.close()
    assert [] == checked(path).damages


def size_of(path: Path) -> int:
    """Return what a file and its log take."""
    return sum(one.stat().st_size for one in path.parent.iterdir() if one.name in (path.name, f"{path.name}-wal"))
