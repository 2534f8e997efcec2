"""The store in SQLite: one file, the workers of one machine, any number of readers.

What lives here: the whole of it, and what is noted of sessions and let go of between their steps. What must not: how a
value is written (records), and what can be wrong with a path (files). The law of this file: a commit is one transaction
and one sync; it is on the disk before anybody hears of it, and one that fails leaves file, connection and caches as they
were.

A step checks the revision and the epoch it stands on in the statement that writes it: a row of others is not found, and
the step is refused by itself. So does the reply to a request from elsewhere, which is kept with the step it tells of.
Each part is a file: what is opened, who shares it, what is looked up, what is committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import takewhile

from lifecycle.errors import StoreError
from lifecycle.kernel.values import Session
from lifecycle.store import schema, whole
from lifecycle.store.files import in_words
from lifecycle.store.port import Compacted, Resting, at_work, over_since
from lifecycle.store.record import encode_whole
from lifecycle.store.sqlite_committing import Committing
from lifecycle.store.sqlite_file import PATIENCE_SECONDS, first_column
from lifecycle.store.sqlite_sharing import refuse_others, workers_of


class SQLiteStore(Committing):
    """Keep sessions in a file. May be used from several threads, and by several processes of one machine at once.

    ``path`` none: the default file in the user's data folder. ``read_only``: look at a file that another process may be
    writing to; nothing can be committed. ``worker`` is what others call whoever works with this store; none: the
    number of the process. ``lease_us`` is lease time: a clock that all processes of the machine share.
    """

    def mark_performed(self, revisions: Mapping[str, int]) -> None:
        """Note up to which revision the durable hooks of these sessions were performed.

        With a sync, as every transaction here: if one were left in memory and the next sync failed, it would be gone from
        the disk for good, and all that is written behind it in the log with it.
        """
        rows = [(revision, session, revision) for session, revision in revisions.items()]
        with self._noting() as connection:
            connection.executemany(schema.MARK_PERFORMED, rows)
            connection.executemany(schema.MARK_OVER, [(session,) for session in revisions])

    def rest(self, sessions: Sequence[Resting]) -> None:
        """Note that these sessions rest. With a sync, as every transaction here; see ``mark_performed``."""
        rows = [
            (schema.FOREVER if one.until is None else one.until, one.session, one.revision, lease.worker, lease.epoch)
            for one, lease in ((one, one.lease) for one in sessions)
        ]
        with self._noting() as connection:
            connection.executemany(schema.LAY_TO_REST, rows)

    # -- letting go ---------------------------------------------------------------------------------------------------

    def compact(self, sessions: Mapping[str, int], before: int, rows_max: int) -> Compacted:
        """Let go of what these sessions keep of a time up to ``before``, with a snapshot in its place.

        Nothing of what another worker holds. With a sync, as every transaction here; see ``mark_performed``.
        """
        runs = entries = 0
        gone: list[str] = []
        refused: list[StoreError] = []
        with self._noting() as connection:
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
        self._ends_seen = -1
        return Compacted(runs, entries, tuple(gone), tuple(refused))

    def _compact_one(
        self, connection: sqlite3.Connection, name: str, performed: int, before: int, rows_max: int
    ) -> Compacted:
        """Let go of what one session keeps of that time."""
        row = connection.execute(schema.LOAD_SESSION, (name,)).fetchone()
        if row is None or max(performed, row[3]) < row[2]:  # a hook of its last steps may be owed
            return Compacted()
        kept, number = self._joined(connection, row), row[0]
        if kept.holder is not None:
            return Compacted()
        session = kept.session
        oldest = connection.execute(schema.OLDEST_ENDED, (number, rows_max)).fetchall()
        runs = [one for one in oldest if one[2] is not None and one[2] <= before and one[1] != at_work(session)]
        steps = connection.execute(schema.OLDEST_ENTRIES, (number, rows_max)).fetchall()
        entries = list(takewhile(lambda step: step[1] <= before, steps))
        if not runs and not entries:
            return Compacted()
        connection.execute(schema.MARK_PERFORMED, (session.revision, name, session.revision))
        connection.execute(schema.MARK_OVER, (name,))
        if first_column(connection.execute(schema.SNAPSHOT_REVISION, (number,)).fetchone()) < session.revision:
            connection.execute(schema.KEEP_SNAPSHOT, (number, session.revision, encode_whole(session)))
        connection.executemany(schema.DROP_ENDED, [(number, admitted) for admitted, _, _ in runs])
        connection.executemany(schema.DROP_RUN, [(number, run) for _, run, _ in runs])
        connection.executemany(schema.DROP_REQUESTS, [(number, run) for _, run, _ in runs])
        if entries:
            connection.execute(schema.DROP_ENTRIES, (number, entries[-1][0]))
            connection.execute(schema.KEEP_MARK, ("latest", entries[-1][1]))
        leaves = over_since(session, before) and not self._keeps_anything(connection, number, name)
        if leaves:
            self._remove(connection, number, session)
        return Compacted(len(runs), len(entries), (name,) if leaves else ())

    def _keeps_anything(self, connection: sqlite3.Connection, number: int, name: str) -> bool:
        """Say whether a session has an ended run or an entry, or is asked for something that nobody has answered."""
        asked = ((schema.OLDEST_ENDED, (number, 1)), (schema.OLDEST_ENTRIES, (number, 1)), (schema.IS_ASKED, (name,)))
        return any(connection.execute(statement, given).fetchone() for statement, given in asked)

    def _remove(self, connection: sqlite3.Connection, number: int, session: Session) -> None:
        """Remove a session, but not how far its names have counted."""
        for statement in (schema.DROP_SNAPSHOT, schema.DROP_SESSION):
            connection.execute(statement, (number,))
        marks = (("number", number), ("incarnation", session.incarnation), ("revision", session.revision))
        connection.executemany(schema.KEEP_MARK, marks)

    def vacuum(self) -> None:
        """Make the file as small as what is in it; what no session lives under leaves, too.

        Only alone: a worker remembers the numbers of policies. One that has joined meanwhile is looked for where they
        leave, and whoever joins later remembers none.
        """
        with self._writing, in_words(self._path), self._patiently(PATIENCE_SECONDS):
            with self._transaction() as connection:
                workers = workers_of(self._path, connection)
                refuse_others(self._path, [one for one in workers if one.there and one.number != self._me.number])
                connection.execute(whole.DROP_POLICIES)
            self._policy_numbers.clear()
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
