"""The store in SQLite: one file, one writer, any number of readers.

What lives here: the port, by statements of the schema. What must not: how a value is written (records), and what can be
wrong with a path (files). The law of this file: a commit is one transaction and one sync; it is on the disk before
anybody hears of it, and one that fails leaves file, connection and caches as they were.

A step checks the revision it stands on in the statement that writes it: a row of another revision is not found, and the
step is refused by itself.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from threading import Lock
from typing import Any

import attrs

from lifecycle.errors import StoreError
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.values import Ended, Floor, Policy, Request, RunSpec, Session
from lifecycle.store import schema, whole
from lifecycle.store.files import (
    WriterLock,
    check_ours,
    create,
    in_words,
    is_new,
    open_reader,
    open_writer,
    refuse,
    refuse_sqlite,
    resolved,
)
from lifecycle.store.port import (
    Commit,
    Compacted,
    Entry,
    Kept,
    admitted,
    at_work,
    busy,
    claimed_already,
    name_taken,
    not_following,
    over_since,
    rearmed,
)
from lifecycle.store.record import (
    Place,
    decode_checkpoint,
    decode_ended,
    decode_entry,
    decode_policy,
    decode_request,
    decode_session,
    decode_snapshot,
    decode_spec,
    encode_ended,
    encode_entry,
    encode_session,
    encode_whole,
)

Row = tuple[Any, ...]

NUMBERS_MAX = 100_000
"""How many sessions' numbers a store remembers; it forgets all of them when there are more."""

POLICIES_MAX = 1_024
"""How many policies a store remembers."""

JOURNAL_PAGE_ENTRIES = 64
"""How many entries of a journal are read at once: no reader keeps the log from being emptied for long."""

AGED_PAGE_ROWS = 256
"""How many old rows are looked at before their sessions are named."""

build_entry = twin_of(Entry).build


class Clash(Exception):
    """Say that a statement did not find the row it stands on, or found its name taken."""


@attrs.define(eq=False)
class Line:
    """What a group of commits does to one session: from ``before`` to ``session``, in one row."""

    number: int
    before: Session | None
    session: Session
    performed: int
    record: bytes


@attrs.define(eq=False)
class Group:
    """The rows of a group of commits, by statement, in the order in which they are to be written.

    ``opened`` holds the numbers of sessions that are new, ``found`` those that were looked up for the group.
    """

    lines: dict[str, Line] = attrs.field(factory=dict)
    entries: list[Row] = attrs.field(factory=list)
    runs: list[Row] = attrs.field(factory=list)
    ended: list[Row] = attrs.field(factory=list)
    requests: list[Row] = attrs.field(factory=list)
    opened: dict[str, int] = attrs.field(factory=dict)
    found: dict[str, int] = attrs.field(factory=dict)
    policies: dict[Policy, int] = attrs.field(factory=dict)
    latest: int = 0

    def next(self) -> Group:
        """Return an empty group that knows what this one has learned."""
        return Group(opened={**self.opened}, found={**self.found}, policies={**self.policies}, latest=self.latest)


class SQLiteStore:
    """Keep sessions in a file. May be used from several threads; one store in one process writes to a file.

    ``path`` none: the default file in the user's data folder. ``read_only``: look at a file that another process may be
    writing to; nothing can be committed.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, read_only: bool = False) -> None:
        self._path = resolved(path, read_only)
        self._lock: WriterLock | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._writing, self._reading = Lock(), Lock()
        self._closed = self._claimed = False
        self._numbers: dict[str, int] = {}
        self._policy_numbers: dict[Policy, int] = {}
        self._policies: dict[int, Policy] = {}
        self._top = self._latest = 0
        try:
            with in_words(self._path):
                self._open(read_only)
        except BaseException:
            self.close()
            raise

    def _open(self, read_only: bool) -> None:
        """Check whose file it is, then lock, make and open it."""
        if read_only or not is_new(self._path):
            check_ours(self._path)
        if not read_only:
            self._lock = WriterLock(self._path)
            if is_new(self._path):
                create(self._path)
            self._writer = open_writer(self._path)
            self._top = first_column(self._writer.execute(schema.TOP_NUMBER).fetchone())
            self._top = max(self._top, mark(self._writer, "number"))
        self._reader = open_reader(self._path)
        self._latest = self._read_latest()
        if self._lock is not None:
            self._lock.note(self._latest)

    @property
    def name(self) -> str:
        """Name the store for people: its path."""
        return str(self._path)

    def claim(self) -> None:
        """Take the store for one runtime, until it is closed; raise StoreError if one has it, or if it cannot write."""
        with self._writing:
            self._writable()
            if self._claimed:
                raise claimed_already(self.name)
            self._claimed = True

    def close(self) -> None:
        """Let go of the file, the last connection moving the log into it, then of the right to write."""
        with self._writing, self._reading:
            self._closed = True
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    # -- reading ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _read(self, steady: bool = False) -> Iterator[sqlite3.Connection]:
        """Read what is committed; ``steady``: all statements see the same."""
        with self._reading:
            connection = self._reader
            if connection is None:
                raise self._shut()
            try:
                if not steady:
                    yield connection
                    return
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    connection.rollback()
            except sqlite3.Error as fault:
                raise refuse_sqlite(self._path, fault) from None

    def latest(self) -> int:
        """Return the highest engine time kept, 0 if nothing is."""
        return self._latest if self._writer is not None else self._read_latest()

    def _read_latest(self) -> int:
        """Look at the last row of the journal; where it was let go, a mark says what stood there."""
        with self._read() as connection:
            return max(int(first_column(connection.execute(schema.LATEST).fetchone())), mark(connection, "latest"))

    def load(self, session: str) -> Kept | None:
        """Return a session, however it was left."""
        with self._read(steady=True) as connection:
            row = connection.execute(schema.LOAD_SESSION, (session,)).fetchone()
            return None if row is None else self._joined(connection, row)

    def _joined(self, connection: sqlite3.Connection, row: Row) -> Kept:
        """Make a session of its row and of what that refers to."""
        number, name, revision, performed, policy, record = row

        def spec_of(run: str) -> RunSpec:
            found = connection.execute(schema.LOAD_SPEC, (number, run)).fetchone()
            return decode_spec(first_column(found, None), Place("runs", name, run))

        def checkpoint_of(run: str) -> str:
            found = connection.execute(schema.LOAD_CHECKPOINT, (number, run)).fetchone()
            return decode_checkpoint(first_column(found, None), Place("checkpoints", name, run))

        place = Place("sessions", name, f"of revision {revision}")
        session = decode_session(record, place, self._policy(connection, policy), spec_of, checkpoint_of)
        if session.id != name or session.revision != revision:
            place.damaged(f"it is that of session {session.id}, revision {session.revision}")
        return Kept(session, performed)

    def _policy(self, connection: sqlite3.Connection, number: int) -> Policy:
        """Return a policy by its number; many sessions share one."""
        policy = self._policies.get(number)
        if policy is None:
            found = connection.execute(schema.LOAD_POLICY, (number,)).fetchone()
            policy = decode_policy(first_column(found, None), Place("policies", None, number))
            remember(self._policies, {number: policy}, POLICIES_MAX)
        return policy

    def run_ended(self, session: str, run: str) -> Ended | None:
        """Find the record of an ended run by its id."""
        return self._one_ended(schema.RUN_ENDED, session, run)

    def key_ended(self, session: str, key: str) -> Ended | None:
        """Find the record of an ended run by its idempotency key."""
        return self._one_ended(schema.KEY_ENDED, session, key)

    def _one_ended(self, statement: str, session: str, name: str) -> Ended | None:
        """Find the record of one ended run."""
        with self._read() as connection:
            row = connection.execute(statement, (session, name)).fetchone()
        return None if row is None else ended_of(session, row)

    def ended(self, session: str, after: int = 0, limit: int = 50) -> Sequence[Ended]:
        """Return ended runs of a session in order of their admission."""
        with self._read() as connection:
            rows = connection.execute(schema.ENDED_PAGE, (session, after, limit)).fetchall()
        return [ended_of(session, row) for row in rows]

    def request_closed(self, session: str, run: str, request: str) -> Request | None:
        """Find a closed request; of several that had this id one after another, the last."""
        with self._read() as connection:
            row = connection.execute(schema.REQUEST_CLOSED, (session, run, request)).fetchone()
        return None if row is None else decode_request(row[0], Place("requests", session, f"{request} of run {run}"))

    def sessions(self, after: str | None = None, limit: int = 50, state: str | None = None) -> Sequence[Session]:
        """Return a page of sessions in order of their ids."""
        found = []
        for _, one in self.page(after, limit, state):
            if isinstance(one, StoreError):
                raise one
            found.append(one)
        return found

    def page(
        self, after: str | None = None, limit: int = 50, state: str | None = None
    ) -> Sequence[tuple[str, Session | StoreError]]:
        """Return a page of sessions in order of their ids, each with itself or with why it cannot be read."""
        given = [value for value in (state, after) if value is not None]
        with self._read(steady=True) as connection:
            rows = connection.execute(PAGES[state is not None, after is not None], (*given, limit)).fetchall()
            return [(row[1], self._joined_or_not(connection, row)) for row in rows]

    def _joined_or_not(self, connection: sqlite3.Connection, row: Row) -> Session | StoreError:
        """Make a session of its row, or say why that cannot be: one that is damaged does not hide the others."""
        try:
            return self._joined(connection, row).session
        except StoreError as error:
            return error

    def unsettled(self) -> Sequence[str]:
        """Return the ids of all sessions that are not settled, the busy ones first."""
        found: list[str] = []
        with self._read(steady=True) as connection:
            for is_busy in (1, 0):
                rows = connection.execute(schema.UNSETTLED, (is_busy,)).fetchall()
                rows += connection.execute(schema.UNSETTLED_STOPPED, (is_busy,)).fetchall()
                found += sorted(name for (name,) in rows)
        return found

    def journal(self, session: str, after: int = 0) -> Iterator[Entry]:
        """Return the steps of a session with revisions above ``after``, in order."""
        while True:
            with self._read() as connection:
                rows = connection.execute(schema.JOURNAL_PAGE, (session, after, JOURNAL_PAGE_ENTRIES)).fetchall()
            for revision, record in rows:
                place = Place("journal", session, f"of revision {revision}")
                entry = decode_entry(record, place)
                if entry.session != session or entry.revision != revision:
                    place.damaged(f"it is that of session {entry.session}, revision {entry.revision}")
                yield entry
                after = revision
            if len(rows) < JOURNAL_PAGE_ENTRIES:
                return

    def snapshot(self, session: str) -> Session | None:
        """Return the value that later entries stand on; none: they begin with the session."""
        with self._read() as connection:
            row = connection.execute(schema.SNAPSHOT, (session,)).fetchone()
        return None if row is None else snapshot_of(session, row)

    def floor(self) -> Floor | None:
        """Return what the sessions that have left came to; none if none has."""
        with self._read() as connection:
            revision = mark(connection, "revision")
            return Floor(mark(connection, "incarnation"), revision) if revision else None

    def aged(self, before: int) -> Iterator[str]:
        """Return the ids of sessions that keep something of a time up to ``before``, ended runs first."""
        yield from self._aged_ended(before)
        yield from self._aged_entries(before)

    def _aged_ended(self, before: int) -> Iterator[str]:
        """Name the sessions of runs that ended up to a time, page by page, by the index on it."""
        place: Row = (-1, 0, 0)
        while True:
            with self._read() as connection:
                rows = connection.execute(schema.AGED_ENDED, (*place, before, AGED_PAGE_ROWS)).fetchall()
            yield from dict.fromkeys(row[3] for row in rows)
            if len(rows) < AGED_PAGE_ROWS:
                return
            place = rows[-1][:3]

    def _aged_entries(self, before: int) -> Iterator[str]:
        """Name the sessions of entries of a time, page by page: rows were inserted in the order of their times."""
        number = 0
        while True:
            with self._read() as connection:
                rows = connection.execute(schema.AGED_ENTRIES, (number, AGED_PAGE_ROWS)).fetchall()
            old = list(takewhile(lambda row: row[1] <= before, rows))
            yield from dict.fromkeys(row[2] for row in old)
            if len(old) < AGED_PAGE_ROWS:
                return
            number = rows[-1][0]

    # -- writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write wholly or not at all; what fails becomes a sentence, and the connection is as good as before."""
        connection = self._writable()
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException as fault:
            raise self._undone(connection, fault) from None

    def _writable(self) -> sqlite3.Connection:
        """Return the connection that writes."""
        if self._writer is None:
            raise self._shut()
        if self._lock is None or not self._lock.is_held:
            fact = "belongs to the process that opened it, not to a fork of it"
            raise refuse(self._path, fact, "open a store of its own for reading, or start a process that does not fork")
        return self._writer

    def _undone(self, connection: sqlite3.Connection, fault: BaseException) -> BaseException:
        """Roll back, and say what to raise: a fault of SQLite as a sentence, any other as it is."""
        connection.rollback()
        return refuse_sqlite(self._path, fault) if isinstance(fault, sqlite3.Error) else fault

    def commit(self, commits: Sequence[Commit]) -> Sequence[StoreError | None]:
        """Keep several steps in one transaction, in order; return a verdict for each."""
        with self._writing:
            try:
                return self._commit_together(commits)
            except Clash:
                return self._commit_each(commits)

    def _commit_together(self, commits: Sequence[Commit]) -> list[StoreError | None]:
        """Keep a group as if each step stood on what the store has; the first one that does not makes it a clash."""
        group = Group(latest=self._latest)
        connection = self._writable()
        try:  # not `with`: a generator costs a tenth of what a lone step may
            connection.execute("BEGIN IMMEDIATE")
            verdicts = [self._gather(connection, group, commit) for commit in commits]
            self._write(connection, group)
            connection.execute("COMMIT")
        except BaseException as fault:
            raise self._undone(connection, fault) from None
        self._remember(group)
        return verdicts

    def _commit_each(self, commits: Sequence[Commit]) -> list[StoreError | None]:
        """Look before each step what it stands on: slower, and so only after a clash."""
        whole = Group(latest=self._latest)
        verdicts = []
        with self._transaction() as connection:
            for commit in commits:
                refused = what_it_stands_on(connection, commit)
                if refused is None:
                    alone = whole.next()
                    refused = self._gather(connection, alone, commit) or self._write_alone(connection, alone, commit)
                    whole = whole if refused else alone
                verdicts.append(refused)
        self._remember(whole)
        return verdicts

    def _write_alone(self, connection: sqlite3.Connection, alone: Group, commit: Commit) -> StoreError | None:
        """Write the rows of one step; one that does not fit although all was looked at is refused, not the others."""
        connection.execute("SAVEPOINT alone")
        try:
            self._write(connection, alone)
        except Clash:
            connection.execute("ROLLBACK TO alone")
            session = commit.step.session
            return StoreError(f"session {session and session.id}", "the step repeats what is kept", "report it")
        finally:
            connection.execute("RELEASE alone")
        return None

    def _gather(self, connection: sqlite3.Connection, group: Group, commit: Commit) -> StoreError | None:
        """Add the rows of a step to its group; say why not if it cannot follow what the group does before."""
        step, before = commit.step, commit.before
        session = step.session
        line = None if session is None else group.lines.get(session.id)
        stands_on = before if line is None else line.session
        refused = not_following(commit, None if stands_on is None else stands_on.revision)
        if refused is not None:
            return refused
        assert session is not None
        name, revision = session.id, session.revision
        try:
            entry = encode_entry(
                build_entry(name, revision, commit.now, commit.input, step.moves, step.hooks, rearmed(before))
            )
            record = encode_session(session)
            runs = [(spec, encode_whole(spec)) for spec in admitted(commit)]
            ended = [(one, encode_ended(one)) for one in step.ended]
            closed = [(one.run, one.request.id, encode_whole(one.request)) for one in step.closed]
        except (TypeError, ValueError, OverflowError) as fault:
            fact = f"revision {revision} cannot be written ({fault})"
            return StoreError(f"session {name}", fact, "pass texts only", permanent=True)
        if line is None:
            number = self._number(connection, group, name, before is None)
            group.lines[name] = Line(number, before, session, commit.performed, record)
        else:
            number = line.number
            line.session, line.record = session, record
            line.performed = max(line.performed, commit.performed)
        group.latest = max(group.latest, commit.now, session.now)
        group.entries.append((number, revision, group.latest, entry))
        for spec, text in runs:
            group.runs.append((number, spec.id, spec.admitted, spec.key, text))
        for one, text in ended:
            group.ended.append((number, one.spec.admitted, one.spec.id, text, one.ended_at))
        for run, request, text in closed:
            group.requests.append((number, run, request, text))
        return None

    def _number(self, connection: sqlite3.Connection, group: Group, session: str, is_first: bool) -> int:
        """Return the number of a session; a new one gets the next."""
        if is_first:
            number = group.opened[session] = self._top + len(group.opened) + 1
            return number
        known = self._numbers.get(session) or group.opened.get(session)
        if known is None:
            known = first_column(connection.execute(schema.SESSION_NUMBER, (session,)).fetchone())
            if not known:
                raise Clash
            group.found[session] = known
        return known

    def _write(self, connection: sqlite3.Connection, group: Group) -> None:
        """Write the rows of a group, one statement for all rows of a table."""
        opens, stays, moves, reopens = [], [], [], []
        checkpoints: list[Row] = []
        dropped: list[Row] = []
        for line in group.lines.values():
            before, session, number = line.before, line.session, line.number
            here = busy(session)
            revision, state, performed, record = session.revision, session.state, line.performed, line.record
            if before is None:
                policy = self._policy_number(connection, group, session.policy)
                opens.append((number, session.id, revision, performed, state, here, policy, record))
            elif before.policy is not session.policy and before.policy != session.policy:
                policy = self._policy_number(connection, group, session.policy)
                reopens.append((revision, performed, record, state, here, policy, number, before.revision))
            elif before.state != state or busy(before) is not here:
                moves.append((revision, performed, record, state, here, number, before.revision))
            else:
                stays.append((revision, performed, record, number, before.revision))
            if has_checkpoint(before) or has_checkpoint(session):
                was, now = checkpoints_of(before), checkpoints_of(session)
                fresh = {run: data for run, data in now.items() if was.get(run) != data}
                checkpoints += [(number, run, encode_whole(data)) for run, data in fresh.items()]
                dropped += [(number, run) for run in was if run not in now]
        try:
            for statement, rows in (
                (schema.INSERT_SESSION, opens),
                (schema.UPDATE_SESSION, stays),
                (schema.MOVE_SESSION, moves),
                (schema.REOPEN_SESSION, reopens),
            ):
                if rows and execute_all(connection, statement, rows) != len(rows):
                    raise Clash
            execute_all(connection, schema.INSERT_ENTRY, group.entries)
            for statement, rows in (
                (schema.INSERT_RUN, group.runs),
                (schema.KEEP_CHECKPOINT, checkpoints),
                (schema.DROP_CHECKPOINT, dropped),
                (schema.INSERT_ENDED, group.ended),
                (schema.KEEP_REQUEST, group.requests),
            ):
                if rows:
                    execute_all(connection, statement, rows)
        except sqlite3.IntegrityError:
            raise Clash from None

    def _policy_number(self, connection: sqlite3.Connection, group: Group, policy: Policy) -> int:
        """Return the number of a policy, keeping it if it is new."""
        number = self._policy_numbers.get(policy) or group.policies.get(policy)
        if number is None:
            record = encode_whole(policy)
            connection.execute(schema.INSERT_POLICY, (record,))
            number = first_column(connection.execute(schema.POLICY_NUMBER, (record,)).fetchone())
            group.policies[policy] = number
        return number

    def _remember(self, group: Group) -> None:
        """Learn from a group that is on the disk."""
        self._latest = group.latest
        self._top += len(group.opened)
        for known, learned, bound in (
            (self._numbers, group.opened, NUMBERS_MAX),
            (self._numbers, group.found, NUMBERS_MAX),
            (self._policy_numbers, group.policies, POLICIES_MAX),
        ):
            if learned:
                remember(known, learned, bound)

    def mark_performed(self, revisions: Mapping[str, int]) -> None:
        """Note up to which revision the durable hooks of these sessions were performed.

        Without a sync: the next commit brings it to the disk, and what a crash takes is performed once more.
        """
        rows = [(revision, session, revision) for session, revision in revisions.items()]
        with self._writing, self._without_sync(), self._transaction() as connection:
            connection.executemany(schema.MARK_PERFORMED, rows)

    # -- letting go ---------------------------------------------------------------------------------------------------

    def compact(self, sessions: Mapping[str, int], before: int, rows_max: int) -> Compacted:
        """Let go of what these sessions keep of a time up to ``before``, with a snapshot in its place.

        Without a sync: the next commit brings it to the disk, and what a crash undoes is done once more.
        """
        runs = entries = 0
        gone: list[str] = []
        refused: list[StoreError] = []
        with self._writing, self._without_sync(), self._transaction() as connection:
            for name, performed in sessions.items():
                try:
                    done = self._compact_one(connection, name, performed, before, rows_max)
                except StoreError as error:  # damage is met before anything of that session is written
                    refused.append(error)
                    continue
                runs, entries = runs + done.runs, entries + done.entries
                gone += done.sessions
        for name in gone:
            self._numbers.pop(name, None)
        return Compacted(runs, entries, tuple(gone), tuple(refused))

    def _compact_one(
        self, connection: sqlite3.Connection, name: str, performed: int, before: int, rows_max: int
    ) -> Compacted:
        """Let go of what one session keeps of that time."""
        row = connection.execute(schema.LOAD_SESSION, (name,)).fetchone()
        if row is None or max(performed, row[3]) < row[2]:  # a hook of its last steps may be owed
            return Compacted()
        session, number = self._joined(connection, row).session, row[0]
        oldest = connection.execute(schema.OLDEST_ENDED, (number, rows_max)).fetchall()
        runs = [one for one in oldest if one[2] is not None and one[2] <= before and one[1] != at_work(session)]
        steps = connection.execute(schema.OLDEST_ENTRIES, (number, rows_max)).fetchall()
        entries = list(takewhile(lambda step: step[1] <= before, steps))
        if not runs and not entries:
            return Compacted()
        connection.execute(schema.MARK_PERFORMED, (session.revision, name, session.revision))
        if first_column(connection.execute(schema.SNAPSHOT_REVISION, (number,)).fetchone()) < session.revision:
            connection.execute(schema.KEEP_SNAPSHOT, (number, session.revision, encode_whole(session)))
        connection.executemany(schema.DROP_ENDED, [(number, admitted) for admitted, _, _ in runs])
        connection.executemany(schema.DROP_RUN, [(number, run) for _, run, _ in runs])
        connection.executemany(schema.DROP_REQUESTS, [(number, run) for _, run, _ in runs])
        if entries:
            connection.execute(schema.DROP_ENTRIES, (number, entries[-1][0]))
            connection.execute(schema.KEEP_MARK, ("latest", entries[-1][1]))
        leaves = over_since(session, before) and not self._keeps_anything(connection, number)
        if leaves:
            self._remove(connection, number, session)
        return Compacted(len(runs), len(entries), (name,) if leaves else ())

    def _keeps_anything(self, connection: sqlite3.Connection, number: int) -> bool:
        """Say whether a session has an ended run or an entry."""
        statements = (schema.OLDEST_ENDED, schema.OLDEST_ENTRIES)
        return any(connection.execute(statement, (number, 1)).fetchone() for statement in statements)

    def _remove(self, connection: sqlite3.Connection, number: int, session: Session) -> None:
        """Remove a session, but not how far its names have counted."""
        for statement in (schema.DROP_SNAPSHOT, schema.DROP_SESSION):
            connection.execute(statement, (number,))
        marks = (("number", number), ("incarnation", session.incarnation), ("revision", session.revision))
        connection.executemany(schema.KEEP_MARK, marks)

    def vacuum(self) -> None:
        """Make the file as small as what is in it; what no session lives under leaves, too."""
        with self._writing, in_words(self._path):
            connection = self._writable()
            connection.execute(whole.DROP_POLICIES)
            self._policy_numbers.clear()
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _without_sync(self) -> Iterator[None]:
        """Let commits return before they are on the disk."""
        connection = self._writer
        if connection is None:
            raise self._shut()
        connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            connection.execute("PRAGMA synchronous = FULL")

    def _shut(self) -> StoreError:
        """Say why there is no connection."""
        if self._closed:
            return refuse(self._path, "is closed", "open it again")
        return refuse(self._path, "is open for reading only", "open it without read_only to write")


# -- small things -----------------------------------------------------------------------------------------------------


def execute_all(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> int:
    """Execute a statement for every row and return how many rows it changed; one row alone goes the shorter way."""
    if len(rows) == 1:
        return connection.execute(statement, rows[0]).rowcount
    return connection.executemany(statement, rows).rowcount


PAGES = {
    (False, False): schema.SESSIONS_FIRST,
    (False, True): schema.SESSIONS_NEXT,
    (True, False): schema.SESSIONS_FIRST_IN,
    (True, True): schema.SESSIONS_NEXT_IN,
}
"""The statement for a page of sessions, by whether a state and a start are given."""


def first_column(row: Row | None, default: Any = 0) -> Any:
    """Return the first column of a row, if there is a row."""
    return default if row is None else row[0]


def mark(connection: sqlite3.Connection, name: str) -> int:
    """Return a number that outlives the rows it came from, 0 if it was never kept."""
    return int(first_column(connection.execute(schema.MARK, (name,)).fetchone()))


def snapshot_of(session: str, row: Row) -> Session:
    """Make the snapshot of a session of its row."""
    revision, record = row
    place = Place("snapshots", session, f"of revision {revision}")
    snapshot = decode_snapshot(record, place)
    if snapshot.id != session or snapshot.revision != revision:
        place.damaged(f"it is that of session {snapshot.id}, revision {snapshot.revision}")
    return snapshot


def remember(known: dict[Any, Any], more: Mapping[Any, Any], bound: int) -> None:
    """Add to what is known; beyond the bound, what was known before is forgotten."""
    if len(known) + len(more) > bound:
        known.clear()
    known.update(more)


def ended_of(session: str, row: Row) -> Ended:
    """Make the record of an ended run of its row."""
    run, record, spec = row
    known = decode_spec(spec, Place("runs", session, run))
    return decode_ended(record, Place("ended", session, f"of run {run}"), known)


def has_checkpoint(session: Session | None) -> bool:
    """Say whether a session may have a checkpoint: its head has one, or a run is queued, which is looked into later."""
    if session is None:
        return False
    head = session.head
    return bool(session.queue) or (head is not None and head.checkpoint is not None)


def checkpoints_of(session: Session | None) -> dict[str, str]:
    """Return the checkpoints of unfinished runs."""
    if session is None:
        return {}
    return {run.spec.id: run.checkpoint for run in session.unfinished() if run.checkpoint is not None}


def what_it_stands_on(connection: sqlite3.Connection, commit: Commit) -> StoreError | None:
    """Look whether a step stands on what is there, and admits a run under names that are free."""
    session = commit.step.session
    name = "" if session is None else session.id
    refused = not_following(commit, first_column(connection.execute(schema.SESSION_REVISION, (name,)).fetchone(), None))
    if refused is not None:
        return refused
    for spec in admitted(commit):
        if connection.execute(schema.RUN_TAKEN, (name, spec.id)).fetchone():
            return name_taken(name, "run id", spec.id)
        if spec.key is not None and connection.execute(schema.KEY_TAKEN, (name, spec.key)).fetchone():
            return name_taken(name, "key", spec.key)
    return None
