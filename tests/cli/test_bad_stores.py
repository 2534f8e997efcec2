"""Stores that cannot be used, met by every command that opens one: one sentence, exit code 2, not a byte changed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.store import schema

from .driving import agent, said

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


def without_a_version(path: Path) -> None:
    """Make a store of no version at all."""
    changed(path, "PRAGMA user_version = 0")


BAD: dict[Bad, str] = {
    a_text: "is no store, but some other file; choose another path",
    a_short_text: "is no store, but some other file; choose another path",
    of_another_program: "is the database of another program; choose another path",
    of_another_program_at_work: "is the database of another program; choose another path",
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
    assert before == contents(path.parent)


def refused(command: str, path: Path, fact: str) -> None:
    """See that a command is refused with exit code 2 and one sentence about the store, and writes no data."""
    ran = said(*typed(command, path))
    assert (2, "") == (ran.code, ran.out), ran
    (line,) = ran.err.splitlines()
    assert line.startswith(f"store {path}: {fact}"), line
