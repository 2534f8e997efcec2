"""Commits to a file in SQLite: the steps of a group in one transaction.

What lives here: how steps become rows, and how it is found out that one stands on what is no more. What must not: how a
value is written (records). The law of this file: a group is kept by as few statements as there are tables; whatever
does not fit makes it a clash, and then each step is looked at by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from lifecycle.errors import StoreError
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.lease import Lease, Stands, acquired, renewed
from lifecycle.kernel.values import Floor, Policy, Session
from lifecycle.store import schema
from lifecycle.store.port import (
    Commit,
    Entry,
    admitted,
    below_floor,
    busy,
    name_taken,
    not_following,
    rearmed,
    why_refused,
)
from lifecycle.store.record import encode_ended, encode_entry, encode_reply, encode_session, encode_whole
from lifecycle.store.sqlite_file import Row, ends, first_column
from lifecycle.store.sqlite_reading import NUMBERS_MAX, POLICIES_MAX, Reading, remember

build_entry = twin_of(Entry).build


class Clash(Exception):
    """Say that a statement did not find the row it stands on, or found its name taken."""


@attrs.define(eq=False)
class Line:
    """What a group of commits does to one session: from ``before`` to ``session``, in one row, under one lease."""

    number: int
    before: Session | None
    session: Session
    performed: int
    record: bytes
    lease: Lease


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
    woken: list[Row] = attrs.field(factory=list)
    taken: list[Row] = attrs.field(factory=list)
    replies: list[Row] = attrs.field(factory=list)
    latest: int = 0
    top: int = 0
    floor: Floor | None = None

    def next(self) -> Group:
        """Return an empty group that knows what this one has learned."""
        opened, found, policies = {**self.opened}, {**self.found}, {**self.policies}
        made = Group(opened=opened, found=found, policies=policies)
        made.latest, made.top, made.floor = self.latest, self.top, self.floor
        return made


class Committing(Reading):
    """A file to which steps can be committed."""

    def commit(self, commits: Sequence[Commit]) -> Sequence[StoreError | None]:
        """Keep several steps in one transaction, in order; return a verdict for each."""
        with self._writing:
            try:
                return self._commit_together(commits)
            except Clash:
                self._numbers.clear()  # others may have changed what they stand for
                return self._commit_each(commits)

    def _commit_together(self, commits: Sequence[Commit]) -> list[StoreError | None]:
        """Keep a group as if each step stood on what the store has; the first one that does not makes it a clash."""
        group = Group()
        connection = self._writable()
        try:  # not `with`: a generator costs a tenth of what a lone step may
            connection.execute("BEGIN IMMEDIATE")
            group.latest, group.top, group.floor = self._ends_now(connection)
            verdicts = [self._gather(connection, group, commit) for commit in commits]
            self._write(connection, group)
            self._whereabouts.check()
            connection.execute("COMMIT")
        except BaseException as fault:
            raise self._undone(connection, fault) from None
        self._remember(group)
        return verdicts

    def _commit_each(self, commits: Sequence[Commit]) -> list[StoreError | None]:
        """Look before each step what it stands on: slower, and so only after a clash."""
        whole = Group()
        verdicts = []
        with self._transaction() as connection:
            whole.latest, whole.top, whole.floor = self._ends_now(connection)
            for commit in commits:
                why_not = self._what_it_stands_on(connection, commit)
                if why_not is None:
                    alone = whole.next()
                    why_not = self._gather(connection, alone, commit) or self._write_alone(connection, alone, commit)
                    whole = whole if why_not else alone
                verdicts.append(why_not)
        self._remember(whole)
        return verdicts

    def _ends_now(self, connection: sqlite3.Connection) -> tuple[int, int, Floor | None]:
        """Return the highest time and number, and the floor; looked up only if somebody has changed them since the last."""
        (seen,) = connection.execute("PRAGMA data_version").fetchone()
        if seen != self._ends_seen:
            self._ends, self._ends_seen = ends(self._path, connection), seen
        return self._ends

    def _what_it_stands_on(self, connection: sqlite3.Connection, commit: Commit) -> StoreError | None:
        """Look whether a step stands on what is there, and admits a run under names that are free."""
        session = commit.step.session
        name = "" if session is None else session.id
        revision, *held, rests_until = connection.execute(schema.STANDS, (name,)).fetchone() or (None, 0, 0, None)
        self._note_rest(name, rests_until)
        kept = Stands(revision, Lease(*held))
        worker, note = self._other(connection, kept.lease), self._note(connection, commit.asked)
        why_not = why_refused(commit, kept, self._me.number, worker, self._lease_us(), note)
        if why_not is not None:
            return why_not
        for spec in admitted(commit):
            if connection.execute(schema.RUN_TAKEN, (name, spec.id)).fetchone():
                return name_taken(name, "run id", spec.id)
            if spec.key is not None and connection.execute(schema.KEY_TAKEN, (name, spec.key)).fetchone():
                return name_taken(name, "key", spec.key)
        return None

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
        why_not = not_following(commit, None if stands_on is None else stands_on.revision)
        if why_not is not None:
            return why_not
        assert session is not None
        name, revision = session.id, session.revision
        try:
            entry = encode_entry(
                build_entry(name, revision, commit.now, commit.input, step.moves, step.hooks, rearmed(before))
            )
            record = encode_session(session)
            runs = [(spec.id, spec.admitted, spec.key, encode_whole(spec)) for spec in admitted(commit)]
            ended = [(one.spec.admitted, one.spec.id, encode_ended(one), one.ended_at) for one in step.ended]
            closed = [(one.run, one.request.id, encode_whole(one.request)) for one in step.closed]
            reply = encode_reply(step.reply) if commit.asked else None
        except (TypeError, ValueError, OverflowError) as fault:
            fact = f"revision {revision} cannot be written ({fault})"
            return StoreError(f"session {name}", fact, "pass texts only", permanent=True)
        if line is None:
            refused = below_floor(commit, group.floor) if before is None else None
            if refused is not None:
                return refused
            number = self._number(connection, group, name, before is None)
            lease = commit.lease
            if lease.worker != self._me.number:
                lease = self._taken(connection, group, number, before is None, lease)
            if name in self._at_rest:
                group.woken.append((number,))
            group.lines[name] = Line(number, before, session, commit.performed, record, lease)
        else:
            number = line.number
            line.session, line.record = session, record
            line.performed = max(line.performed, commit.performed)
        group.latest = max(group.latest, commit.now, session.now)
        group.entries.append((number, revision, group.latest, entry))
        group.runs += [(number, *row) for row in runs]
        group.ended += [(number, *row) for row in ended]
        group.requests += [(number, *row) for row in closed]
        if reply is not None:
            group.replies.append((reply, commit.asked))
        return None

    def _taken(self, connection: sqlite3.Connection, group: Group, number: int, is_first: bool, lease: Lease) -> Lease:
        """Take a session with the step; whether it may be taken is decided in the step's own transaction.

        Whoever takes one is at work: a worker whose heartbeat has run out beats with the step. Others do not look again
        for what is held by one that they have found silent, so it must not get hold of anything as long as it is that.
        """
        now = self._lease_us()
        if self._me.number and now >= self._me.expires:
            self._beaten(
                connection, renewed(self._me, now, self._lasts_us)
            )  # to the thread that beats it is late still
        if not is_first:
            if self._holder(connection, lease) is not None:
                raise Clash
            group.taken.append((self._me.number, number, lease.epoch))
        return acquired(lease, self._me.number)

    def _number(self, connection: sqlite3.Connection, group: Group, session: str, is_first: bool) -> int:
        """Return the number of a session; a new one gets the next."""
        if is_first:
            number = group.opened[session] = group.top + len(group.opened) + 1
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
        opens: list[Row] = []
        stays: list[Row] = []
        moves: list[Row] = []
        reopens: list[Row] = []
        checkpoints: list[Row] = []
        dropped: list[Row] = []
        for line in group.lines.values():
            before, session, number, epoch = line.before, line.session, line.number, line.lease.epoch
            here = busy(session)
            revision, state, performed, record = session.revision, session.state, line.performed, line.record
            if before is None:
                policy = self._policy_number(connection, group, session.policy)
                row = (number, session.id, revision, performed, state, here, policy, line.lease.worker, epoch, record)
                opens.append(row)
            elif before.policy is not session.policy and before.policy != session.policy:
                policy = self._policy_number(connection, group, session.policy)
                reopens.append((revision, performed, record, state, here, policy, number, before.revision, epoch))
            elif before.state != state or busy(before) is not here:
                moves.append((revision, performed, record, state, here, number, before.revision, epoch))
            else:
                stays.append((revision, performed, record, number, before.revision, epoch))
            if has_checkpoint(before) or has_checkpoint(session):
                was, now = checkpoints_of(before), checkpoints_of(session)
                fresh = {run: data for run, data in now.items() if was.get(run) != data}
                checkpoints += [(number, run, encode_whole(data)) for run, data in fresh.items()]
                dropped += [(number, run) for run in was if run not in now]
        try:
            for statement, rows in (
                (schema.WAKE_SESSION, group.woken),
                (schema.TAKE_SESSION, group.taken),
                (schema.INSERT_SESSION, opens),
                (schema.UPDATE_SESSION, stays),
                (schema.MOVE_SESSION, moves),
                (schema.REOPEN_SESSION, reopens),
                (schema.ANSWER, group.replies),
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
        self._ends = group.latest, group.top + len(group.opened), group.floor
        if group.opened:
            remember(self._numbers, group.opened, NUMBERS_MAX)
        if group.found:
            remember(self._numbers, group.found, NUMBERS_MAX)
        if group.policies:
            remember(self._policy_numbers, group.policies, POLICIES_MAX)
        if self._at_rest:
            self._at_rest.difference_update(group.lines)


def execute_all(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> int:
    """Execute a statement for every row and return how many rows it changed; one row alone goes the shorter way."""
    if len(rows) == 1:
        return connection.execute(statement, rows[0]).rowcount
    return connection.executemany(statement, rows).rowcount


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
