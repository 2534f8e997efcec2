"""Exports: all of a file as JSON Lines, and a file made of them again.

What lives here: the lines. What must not: records; they cross as they are, to the byte. The law of this file: an export
is taken whole or not at all. Its last line counts and sums up the others, and what is imported is checked before it is
moved to where it was wanted.

The first line has the format and the marks; then comes each session, in order of the ids, with what belongs to it, and
then every entry in the order in which they were committed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

from lifecycle.errors import StoreError
from lifecycle.kernel.lease import NOBODY
from lifecycle.store import schema, whole
from lifecycle.store.checking import check
from lifecycle.store.files import (
    alone,
    beside,
    create,
    in_words,
    is_new,
    open_writer,
    refuse,
    refuse_left_log,
    refuse_without_locks,
    resolved,
    synced,
)
from lifecycle.store.record import Place, sealed, unsealed
from lifecycle.store.steady import SteadyStore

FORMAT = 1
"""The version of the lines; an export of a later one is refused."""

Body = msgspec.Raw
to_json = msgspec.json.Encoder().encode


class Line(msgspec.Struct, tag_field="type"):
    """Be the root of the lines."""


class Header(Line, tag="lifecycle"):
    """The first line: the format, and the numbers that outlived the rows they came from."""

    format: int
    marks: dict[str, int]


class SessionLine(Line, tag="session"):
    """A session with its policy."""

    id: str
    revision: int
    performed: int
    state: str
    busy: int
    policy: Body
    record: Body


class SnapshotLine(Line, tag="snapshot"):
    """What a journal stands on."""

    session: str
    revision: int
    record: Body


class RunLine(Line, tag="run"):
    """What never changes about a run."""

    session: str
    id: str
    admitted: int
    key: str | None
    record: Body


class CheckpointLine(Line, tag="checkpoint"):
    """The checkpoint of an unfinished run."""

    session: str
    run: str
    record: Body


class EndedLine(Line, tag="ended"):
    """How a run ended."""

    session: str
    admitted: int
    run: str
    ended_at: int | None
    record: Body


class RequestLine(Line, tag="request"):
    """A closed request."""

    session: str
    run: str
    id: str
    record: Body


class EntryLine(Line, tag="entry"):
    """A step, and the highest time of the store at it."""

    session: str
    revision: int
    latest: int
    record: Body


class EndLine(Line, tag="end"):
    """The last line: how many came before it, and their checksum."""

    lines: int
    crc32: int


Kinds = Header | SessionLine | SnapshotLine | RunLine | CheckpointLine | EndedLine | RequestLine | EntryLine | EndLine
LINES: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Kinds)


# -- out --------------------------------------------------------------------------------------------------------------


def exported(store: SteadyStore) -> Iterator[bytes]:
    """Return the lines of an export, each with its end; raise StoreError at a record that is damaged."""
    count = total = 0
    for line in lines_of(store):
        text = to_json(line) + b"\n"
        count, total = count + 1, crc32(text, total)
        yield text
    yield to_json(EndLine(count, total)) + b"\n"


def lines_of(store: SteadyStore) -> Iterator[Line]:
    """Return what is exported, but for the last line."""
    yield Header(FORMAT, dict(store.rows(whole.EXPORTED_MARKS)))
    for number, name, revision, performed, state, busy, policy, record in store.rows(whole.EXPORTED_SESSIONS):
        place = Place("sessions", name, f"of revision {revision}")
        under = body(policy, Place("policies", name, "it lives under"))
        yield SessionLine(name, revision, performed, state, busy, under, body(record, place))
        for at, snapshot in store.rows(whole.EXPORTED_SNAPSHOT, number):
            yield SnapshotLine(name, at, body(snapshot, Place("snapshots", name, f"of revision {at}")))
        for run, admitted, key, spec in store.rows(whole.EXPORTED_RUNS, number):
            yield RunLine(name, run, admitted, key, body(spec, Place("runs", name, run)))
        for run, checkpoint in store.rows(whole.EXPORTED_CHECKPOINTS, number):
            yield CheckpointLine(name, run, body(checkpoint, Place("checkpoints", name, run)))
        for admitted, run, ended_at, ended in store.rows(whole.EXPORTED_ENDED, number):
            yield EndedLine(name, admitted, run, ended_at, body(ended, Place("ended", name, f"of run {run}")))
        for run, request, closed in store.rows(whole.EXPORTED_REQUESTS, number):
            yield RequestLine(name, run, request, body(closed, Place("requests", name, f"{request} of run {run}")))
    for name, revision, latest, entry in store.rows(whole.EXPORTED_ENTRIES):
        yield EntryLine(name, revision, latest, body(entry, Place("journal", name, f"of revision {revision}")))


def body(record: object, place: Place) -> Body:
    """Return the JSON of a record, as it stands there."""
    return Body(unsealed(record, place))


# -- in ---------------------------------------------------------------------------------------------------------------


def import_into(path: str | os.PathLike[str], lines: Iterable[bytes], name: str) -> int:
    """Make a store at a path where nothing is yet, of the export of that name; return how many sessions it has.

    It is made beside the path, checked, and moved there: whatever is wrong, nothing is left of it.
    """
    chosen = resolved(path, read_only=False)
    refuse_unless_new(chosen)
    refuse_without_locks(chosen)
    fresh = beside(chosen, "-import")
    try:
        with in_words(chosen):
            remove(fresh)
            create(fresh)
            fill(fresh, lines, name)
            with contextlib.closing(SteadyStore(fresh)) as made:
                checked = check(made)
            if checked.damages:
                raise broken(name, f"what it holds does not agree ({checked.damages[0]})")
            with alone(chosen):
                refuse_unless_new(chosen)
                os.replace(fresh, chosen)
            synced(chosen.parent)
    finally:
        with contextlib.suppress(OSError):
            remove(fresh)
    return checked.sessions


def refuse_unless_new(path: Path) -> None:
    """Refuse a path where something is, if only the log of a file that was."""
    if not is_new(path):
        raise refuse(path, "is not empty", "import into a file that is not there yet")
    refuse_left_log(path)


def remove(path: Path) -> None:
    """Remove a file and what SQLite keeps beside it."""
    for one in (path, *(beside(path, suffix) for suffix in ("-wal", "-shm", "-lock"))):
        one.unlink(missing_ok=True)


def broken(name: str, fact: str) -> StoreError:
    """Refuse an export."""
    return StoreError(f"export {name}", fact, "export it again; nothing was imported")


def fill(path: Path, lines: Iterable[bytes], name: str) -> None:
    """Write the rows of an export to a file that is empty; raise StoreError unless all of it is there."""
    with contextlib.closing(open_writer(path)) as connection:
        connection.execute("BEGIN")
        filling = Filling(connection)
        for line in read(lines, name):
            try:
                filling.take(line)
            except (sqlite3.IntegrityError, KeyError):
                raise broken(name, f"it says something twice, or of no session ({to_json(line)[:80]!r})") from None
        connection.execute(whole.REST_ALL)
        connection.execute("COMMIT")


def read(lines: Iterable[bytes], name: str) -> Iterator[Line]:
    """Return the lines of an export; raise StoreError where it is none, and at its end if it was cut or changed."""
    count = total = 0
    last: Line | None = None
    for text in lines:
        try:
            line: Line = LINES.decode(text)
        except (msgspec.MsgspecError, UnicodeError):
            told = f"line {count + 1} is no line of an export" if count else "it is no export of a store"
            raise broken(name, told if text.endswith(b"\n") else f"{told}: it was cut") from None
        if isinstance(line, Header) == bool(count) or isinstance(last, EndLine):
            raise broken(name, f"line {count + 1} is not where it belongs" if count else "it is no export of a store")
        if isinstance(line, Header) and line.format > FORMAT:
            newer = f"has format {line.format}, and this version of lifecycle reads up to {FORMAT}"
            raise StoreError(f"export {name}", newer, "import it with the version of lifecycle that wrote it")
        last = line
        if isinstance(line, EndLine):
            if (line.lines, line.crc32) != (count, total):
                raise broken(name, f"it has {count} lines and not what was written ({line.lines} lines)")
        else:
            yield line
        count, total = count + 1, crc32(text, total)
    if not isinstance(last, EndLine):
        raise broken(name, f"it ends after {count} lines without its last one: it was cut")


class Filling:
    """The rows of a file that is being made; sessions and policies are numbered as they come."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.numbers: dict[str, int] = {}

    def take(self, line: Line) -> None:
        """Write the row of a line."""
        match line:
            case Header(marks=marks):
                self.connection.executemany(schema.KEEP_MARK, marks.items())
            case SessionLine():
                self.session(line)
            case SnapshotLine(session=session, revision=revision, record=record):
                self.write(whole.IMPORT_SNAPSHOT, session, revision, record)
            case RunLine(session=session, record=record):
                self.write(schema.INSERT_RUN, session, line.id, line.admitted, line.key, record)
            case CheckpointLine(session=session, run=run, record=record):
                self.write(whole.IMPORT_CHECKPOINT, session, run, record)
            case EndedLine(session=session, record=record):
                self.write(schema.INSERT_ENDED, session, line.admitted, line.run, record, line.ended_at)
            case RequestLine(session=session, record=record):
                self.write(whole.IMPORT_REQUEST, session, line.run, line.id, record)
            case EntryLine(session=session, record=record):
                self.write(schema.INSERT_ENTRY, session, line.revision, line.latest, record)

    def session(self, line: SessionLine) -> None:
        """Write a session, and its policy if it is new."""
        policy = sealed(bytes(line.policy))
        self.connection.execute(schema.INSERT_POLICY, (policy,))
        (under,) = self.connection.execute(schema.POLICY_NUMBER, (policy,)).fetchone()
        number = self.numbers[line.id] = len(self.numbers) + 1
        nobody, record = (NOBODY.worker, NOBODY.epoch), sealed(bytes(line.record))
        row = (number, line.id, line.revision, line.performed, line.state, line.busy, under, *nobody, record)
        self.connection.execute(schema.INSERT_SESSION, row)

    def write(self, statement: str, session: str, *row: object) -> None:
        """Write a row of a session; records are sealed."""
        values = (sealed(bytes(value)) if isinstance(value, Body) else value for value in row)
        self.connection.execute(statement, (self.numbers[session], *values))
