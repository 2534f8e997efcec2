"""What a file in SQLite has: sessions, runs that ended, requests, journals, and whose time has come.

What lives here: everything that is looked up and nothing that is written. What must not: how a value is read of its
bytes (records). The law of this file: everything is found by an index, and what is damaged is named with its place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, takewhile
from typing import Any

from lifecycle.errors import StoreError
from lifecycle.kernel.lease import Lease
from lifecycle.kernel.values import Ended, Floor, Policy, Request, RunSpec, Session
from lifecycle.store import schema
from lifecycle.store.port import Due, Entry, Kept
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
    encode_whole,
)
from lifecycle.store.sqlite_file import Row, ends, first_column
from lifecycle.store.sqlite_sharing import Sharing

NUMBERS_MAX = 100_000
"""How many sessions' numbers a store remembers; it forgets all of them when there are more."""

POLICIES_MAX = 1_024
"""How many policies a store remembers."""

JOURNAL_PAGE_ENTRIES = 64
"""How many entries of a journal are read at once: no reader keeps the log from being emptied for long."""

DUE_PAGE_ROWS = 256
"""How many times of sessions at rest are looked at to find the next one that is not another worker's."""

AGED_PAGE_ROWS = 256
"""How many old rows are looked at before their sessions are named."""


class Reading(Sharing):
    """A file that can be looked up."""

    def load(self, session: str) -> Kept | None:
        """Return a session, however it was left."""
        with self._read(steady=True) as connection:
            row = connection.execute(schema.LOAD_SESSION, (session,)).fetchone()
            if row is not None:
                self._note_rest(session, row[-1])
            return None if row is None else self._joined(connection, row)

    def _note_rest(self, session: str, rests_until: int | None) -> None:
        """Remember whether a session rests: its next step has to wake it, and looks for that if this was forgotten."""
        if rests_until is None:
            self._at_rest.discard(session)
        elif len(self._at_rest) < NUMBERS_MAX:
            self._at_rest.add(session)

    def _joined(self, connection: sqlite3.Connection, row: Row) -> Kept:
        """Make a session of its row and of what that refers to."""
        number, name, revision, performed, policy, holder, epoch, record, rests_until = row

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
        if not isinstance(performed, int):
            place.damaged("how far hooks were performed is no number")
        lease = Lease(holder, epoch)
        rests = rests_until is not None and rests_until != schema.OVER
        return Kept(session, performed, lease, self._holder(connection, lease), rests)

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
        """Return the ids of all sessions that neither are settled nor rest and that no worker holds, the busy ones first."""
        with self._read() as connection:
            rows = connection.execute(schema.UNSETTLED, (self._lease_us(),)).fetchall()
        return [name for name, is_busy in rows if is_busy] + [name for name, is_busy in rows if not is_busy]

    def due(self, now: int, limit: int, policy: Policy) -> Due:
        """Return sessions at rest whose time has come, or that nobody holds and that live under another policy."""
        me, at, found = self._me.number, self._lease_us(), dict[str, None]()
        with self._read(steady=True) as connection:
            (mine,) = connection.execute(schema.POLICY_NUMBER, (encode_whole(policy),)).fetchone() or (0,)
            held = {number for (number,) in connection.execute(schema.HELD, (at, me))}
            later: list[int] = []
            for (number,) in connection.execute(schema.POLICY_NUMBERS).fetchall():
                rows = connection.execute(schema.DUE, (number, now, me, at, limit)).fetchall()
                if number != mine:
                    rows += connection.execute(schema.LEFT_AT_REST, (number, me or -1, at, limit)).fetchall()
                found.update((name, None) for (name,) in rows)
                times = connection.execute(schema.NEXT_DUE, (number, now, DUE_PAGE_ROWS)).fetchall()
                ours = [until for until, holder in times if holder not in held]
                if ours or len(times) == DUE_PAGE_ROWS:
                    later.append(ours[0] if ours else times[-1][0])
        return Due(tuple(found)[:limit], min(later, default=None))

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
            return ends(self._path, connection)[2]

    def aged(self, before: int) -> Iterator[str]:
        """Return the ids of sessions that keep something of a time up to ``before``, ended runs first."""
        for name, lease in chain(self._aged_ended(before), self._aged_entries(before)):
            if lease.worker not in (0, self._me.number):
                with self._read() as connection:
                    if self._holder(connection, lease) is not None:
                        continue
            yield name

    def _aged_ended(self, before: int) -> Iterator[tuple[str, Lease]]:
        """Name the sessions of runs that ended up to a time, page by page, by the index on it."""
        place: Row = (-1, 0, 0)
        while True:
            with self._read() as connection:
                rows = connection.execute(schema.AGED_ENDED, (*place, before, AGED_PAGE_ROWS)).fetchall()
            yield from dict.fromkeys((row[3], Lease(*row[4:])) for row in rows)
            if len(rows) < AGED_PAGE_ROWS:
                return
            place = rows[-1][:3]

    def _aged_entries(self, before: int) -> Iterator[tuple[str, Lease]]:
        """Name the sessions of entries of a time, page by page: rows were inserted in the order of their times."""
        number = 0
        while True:
            with self._read() as connection:
                rows = connection.execute(schema.AGED_ENTRIES, (number, AGED_PAGE_ROWS)).fetchall()
            old = list(takewhile(lambda row: row[1] <= before, rows))
            yield from dict.fromkeys((row[2], Lease(*row[3:])) for row in old)
            if len(old) < AGED_PAGE_ROWS:
                return
            number = rows[-1][0]


PAGES = {
    (False, False): schema.SESSIONS_FIRST,
    (False, True): schema.SESSIONS_NEXT,
    (True, False): schema.SESSIONS_FIRST_IN,
    (True, True): schema.SESSIONS_NEXT_IN,
}
"""The statement for a page of sessions, by whether a state and a start are given."""


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
