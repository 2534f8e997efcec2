"""``lifecycle store``: a file as a whole."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from .driving import Said, agent, piped, said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with a session ready, one waiting, and one that failed."""
    path = tmp_path_factory.mktemp("store") / "runs.db"
    for name, session in (("hello", "a"), ("parks", "b"), ("raises", "c")):
        said("run", agent(name), "--session", session, "--store", str(path))
    return path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> str:
    """A copy of it."""
    return str(shutil.copy(made, tmp_path / "runs.db"))


def refused(ran: Said) -> str:
    """Return the one sentence with which a command was refused."""
    assert (2, "", 1) == (ran.code, ran.out, len(ran.err.splitlines())), ran
    assert ": " in ran.err and "; " in ran.err and "Error" not in ran.err
    return ran.err


def test_check_says_what_it_read(store: str) -> None:
    """A good file: exit code 0, nothing on stdout for people, and the counts."""
    ran = said("store", "check", "--store", store)
    assert (0, "") == (ran.code, ran.out)
    assert "3 sessions, 9 steps and 2 ended runs were read; nothing is damaged" in ran.err
    (record,) = said("store", "check", "--store", store, "--json").records
    assert ("checked", 3, 9, 2, 0) == tuple(
        record[name] for name in ("type", "sessions", "entries", "ended", "damages")
    )


def test_check_names_what_is_damaged(store: str) -> None:
    """A damaged file: exit code 1, and a line for each damage with table, session and position."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("UPDATE journal SET record = x'00' WHERE revision = 2 AND session = 1")
    ran = said("store", "check", "--store", store)
    assert (1, 1) == (ran.code, len(ran.out.splitlines()))
    assert ran.out.startswith("journal of session a, of revision 2: its record of revision 2 in journal is damaged (")
    assert "1 damaged; restore the file from a copy" in ran.err
    damage, summary = said("store", "check", "--store", store, "--json").records
    assert ("damage", "journal", "a", "of revision 2") == tuple(
        damage[name] for name in ("type", "table", "session", "at")
    )
    assert 1 == summary["damages"]


def test_check_reads_a_file_that_a_process_writes_to(store: str) -> None:
    """What is in use can be checked, and exported; it cannot be compacted."""
    with piped("run", agent("works_for_ever"), "--session", "s", "--store", store) as running:
        running.until("working")
        assert 0 == said("store", "check", "--store", store).code
        assert 0 == said("store", "export", "--store", store).code
        assert f"process {running.process.pid} is at work on it; " in refused(
            said("store", "compact", "--store", store)
        )
        running.process.kill()
        running.end()


def test_compact_lets_go_of_what_is_past_its_retention(store: str) -> None:
    """With a day of retention nothing leaves; with less than has passed, ended runs do, and what waits stays."""
    ran = said("store", "compact", "--store", store)
    assert (0, "0 runs, 0 steps and 0 sessions left") == (ran.code, ran.out.splitlines()[0])
    assert "bytes before, " in ran.out.splitlines()[1]
    (record,) = said("store", "compact", "--store", store, "--retention", "0.000001", "--json").records
    assert ("compacted", 2, 0) == (record["type"], record["runs"], record["sessions"])
    assert record["steps"] > 0 and record["bytes_after"] <= record["bytes_before"]
    assert ["waiting_for_human"] == [
        one["state"] for one in said("show", "--json", "--store", store).records if one["id"] == "b"
    ]
    assert 0 == said("store", "check", "--store", store).code


def test_compact_leaves_what_is_damaged(store: str) -> None:
    """A session that cannot be read is named, exit code 1, and the others are compacted all the same."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("UPDATE sessions SET record = x'00' WHERE id = 'a'")
    ran = said("store", "compact", "--store", store, "--retention", "0.000001")
    assert (1, "1 runs, 6 steps and 0 sessions left") == (ran.code, ran.out.splitlines()[0])
    assert 1 == ran.err.count("session a: its record of revision 3 in sessions is damaged (")


def test_history_says_where_it_begins(store: str) -> None:
    """What was compacted is missed by nobody who was told."""
    assert "history begins" not in said("history", "a", "--store", store).err
    said("store", "compact", "--store", store, "--retention", "0.000001")
    ran = said("history", "a", "--store", store)
    assert (0, "") == (ran.code, ran.out)
    assert "session a: its history begins with revision 4; what was before was let go" in ran.err
    said("run", agent("hello"), "--session", "a", "--store", store)
    ran = said("history", "a", "--store", store)
    assert ran.out.splitlines()[0].lstrip().startswith("4  ")
    assert 1 == ran.err.count("its history begins with revision 4")
    assert "" == said("history", "a", "--after", "4", "--store", store).err


def test_picture_says_that_part_of_the_path_was_let_go(store: str) -> None:
    """Given a session whose journal was compacted, then its picture marks where it is, and does not promise its path."""
    assert ", and the path it took.<" in said("draw", "a", "--store", store, "--format", "svg").out
    said("store", "compact", "--store", store, "--retention", "0.000001")
    drawn = said("draw", "a", "--store", store, "--format", "svg").out
    assert ">Session a, and what of its path was not let go.<" in drawn
    assert "Now it is in ready." in drawn


def test_export_import_export_gives_the_same_bytes(store: str, tmp_path: Path) -> None:
    """To stdout or to a file, from a file or from stdin: the bytes are the same."""
    out, copy, other = tmp_path / "runs.jsonl", str(tmp_path / "copy.db"), str(tmp_path / "other.db")
    assert 0 == said("store", "export", "--store", store, "--out", str(out)).code
    first = said("store", "export", "--store", store).out
    assert out.read_text("utf-8") == first
    assert ["lifecycle", "session"] == [json.loads(line)["type"] for line in first.splitlines()[:2]]
    ran = said("store", "import", str(out), "--store", copy)
    assert (0, f"3 sessions imported into {copy}\n") == (ran.code, ran.out)
    (record,) = said("store", "import", "-", "--store", other, "--json", given=out.read_bytes()).records
    assert {"type": "imported", "store": other, "sessions": 3} == record
    for path in (copy, other):
        assert first == said("store", "export", "--store", path).out
    assert said("show", "b", "--json", "--store", copy).records[0]["runs"][0]["requests"]


@pytest.mark.parametrize("command", ["check", "compact", "export"])
def test_missing_file_is_one_sentence(tmp_path: Path, command: str) -> None:
    """Where there is no file that is said, and none is made."""
    assert "does not exist; check the path" in refused(said("store", command, "--store", str(tmp_path / "runs.db")))
    assert {} == contents(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder but for locks."""
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


def test_bad_import_is_one_sentence(store: str, tmp_path: Path) -> None:
    """A file that is not empty, an export cut in half, none at all, a path that cannot be: nothing is made."""
    out, new = tmp_path / "runs.jsonl", str(tmp_path / "new.db")
    said("store", "export", "--store", store, "--out", str(out))
    half = tmp_path / "half.jsonl"
    half.write_bytes(out.read_bytes()[: out.stat().st_size // 2])
    before = contents(tmp_path)
    assert "is not empty; import into a file" in refused(said("store", "import", str(out), "--store", store))
    assert "it was cut" in refused(said("store", "import", str(half), "--store", new))
    assert "it is no export of a store" in refused(said("store", "import", store, "--store", new))
    assert "cannot be read (No such file" in refused(said("store", "import", "no.jsonl", "--store", new))
    assert "does not exist; make it" in refused(said("store", "import", str(out), "--store", str(tmp_path / "x" / "y")))
    assert before == contents(tmp_path)


def test_export_to_a_path_that_cannot_be_written_is_one_sentence(store: str, tmp_path: Path) -> None:
    """A path that cannot be: one sentence; what stood there before is not touched by what fails."""
    told = refused(said("store", "export", "--store", store, "--out", str(tmp_path / "no" / "runs.jsonl")))
    assert "it cannot be written (No such file or directory); choose another path" in told
    (tmp_path / "old.jsonl").write_text("old")
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("UPDATE journal SET record = x'00' WHERE revision = 3 AND session = 1")
    told = refused(said("store", "export", "--store", store, "--out", str(tmp_path / "old.jsonl")))
    assert "session a: its record of revision 3 in journal is damaged" in told
    assert "old" == (tmp_path / "old.jsonl").read_text()
    assert not list(tmp_path.glob("*-new"))


def test_nothing_was_run_yet(tmp_path: Path) -> None:
    """Without a file at the default path that is said."""
    environment = {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    for command in ("check", "compact", "export"):
        assert "nothing was run yet; the first run makes it" in refused(said("store", command, env=environment))


@pytest.mark.parametrize("command", ["", "check", "compact", "export", "import"])
def test_help_has_an_example(command: str) -> None:
    """Each command explains itself and shows how it is typed."""
    ran = said("store", *([command] if command else []), "--help")
    assert 0 == ran.code
    assert "Example: lifecycle store " in ran.out


def test_file_that_cannot_be_read_is_one_sentence(store: str, tmp_path: Path) -> None:
    """Somebody else's export is no secret to be guessed at."""
    if os.geteuid() == 0:
        pytest.skip("root may read anything")
    (tmp_path / "mine.jsonl").write_text("")
    (tmp_path / "mine.jsonl").chmod(0)
    ran = said("store", "import", str(tmp_path / "mine.jsonl"), "--store", str(tmp_path / "new.db"))
    assert "it cannot be read (Permission denied)" in refused(ran)
