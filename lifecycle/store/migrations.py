"""Migrations: how the file of an older version becomes one of this version.

What lives here: for each older version, the statements that lead to the next. What must not: the tables as they are now;
those are in the schema, and a test compares. The law of this file: a file is brought up in one transaction together with
its mark; whoever dies in the middle leaves it as it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from lifecycle.store.schema import VERSION
from lifecycle.store.whole import REST_ALL

RECORD = "CAST(substr(record, 12) AS TEXT)"
"""The JSON of a record: behind its format, its checksum and two spaces."""

WORKERS = (
    "CREATE TABLE workers "
    "(number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, expires INTEGER NOT NULL)"
)
INBOX = (
    "CREATE TABLE inbox (number INTEGER PRIMARY KEY AUTOINCREMENT, worker INTEGER NOT NULL, session TEXT NOT NULL, "
    "record BLOB NOT NULL, reply BLOB)"
)
INBOX_UNANSWERED = "CREATE INDEX inbox_unanswered ON inbox (reply) WHERE reply IS NULL"

TO_NEXT: Mapping[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE ended ADD COLUMN ended_at INTEGER",
        # what is damaged has no time: it is not found by it, and stays for whoever repairs the file
        f"UPDATE ended SET ended_at = CASE WHEN json_valid({RECORD}) THEN json_extract({RECORD}, '$.ended_at') END",
        "CREATE INDEX ended_by_time ON ended (ended_at)",
        "CREATE TABLE snapshots (session INTEGER PRIMARY KEY, revision INTEGER NOT NULL, record BLOB NOT NULL)",
        "CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "ALTER TABLE sessions ADD COLUMN holder INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE sessions ADD COLUMN rests_until INTEGER",
        "DROP INDEX sessions_stopped_unsettled",
        REST_ALL,
        "CREATE INDEX sessions_awake ON sessions (id) WHERE rests_until IS NULL",
        "CREATE INDEX sessions_at_rest ON sessions (policy, rests_until, holder) WHERE rests_until >= 0",
        WORKERS,
        INBOX,
        INBOX_UNANSWERED,
    ),
}
"""What leads from a version to the next, statement by statement."""


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables of a file up from a version; nothing is written to one of this version."""
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()  # another process may have done it meanwhile
        for older in range(version, VERSION):
            for statement in TO_NEXT[older]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
