"""Replaying: what the engine wrote, written again without the engine.

What lives here: the recording of a store's statements, and the floor that executes them. What must not: the engine. The
law of this file: the floor writes the same bytes with the same statements to the same tables and indexes, under the
same settings and in the same grouping, and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lifecycle.store import SQLiteStore
from lifecycle.store.files import WRITER_PRAGMAS
from lifecycle.store.schema import SCHEMA

Row = tuple[Any, ...]
Statement = tuple[str, list[Row]]
"""A statement and its rows."""

Transaction = list[Statement]


class Recording:
    """Stand in for the connection of a writer, and note what is written through it; what only reads is left out."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.transactions: list[Transaction] = []
        self._open: Transaction = []

    def execute(self, statement: str, row: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute, and note it."""
        verb = statement.split(None, 1)[0].upper()
        if verb == "BEGIN":
            self._open = []
        elif verb == "COMMIT":
            self.transactions.append(self._open)
        elif verb not in ("SELECT", "PRAGMA", "ROLLBACK", "SAVEPOINT", "RELEASE"):
            self._open.append((statement, [tuple(row)]))
        return self._connection.execute(statement, row)

    def executemany(self, statement: str, rows: Iterable[Row]) -> sqlite3.Cursor:
        """Execute for every row, and note it."""
        several = [tuple(row) for row in rows]
        if several:
            self._open.append((statement, several))
        return self._connection.executemany(statement, several)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def record(store: SQLiteStore) -> Recording:
    """Record what a store writes from now on."""
    assert store._writer is not None
    recording = Recording(store._writer)
    store._writer = recording  # type: ignore[assignment]
    return recording


def merged(transactions: Iterable[Transaction]) -> Transaction:
    """Join several transactions into one, a statement once for all its rows: what a group commit writes."""
    rows: dict[str, list[Row]] = {}
    for transaction in transactions:
        for statement, several in transaction:
            rows.setdefault(statement, []).extend(several)
    return list(rows.items())


class Floor:
    """A bare connection to a file of its own."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.executescript(SCHEMA)
        for pragma in ("journal_mode = WAL", *WRITER_PRAGMAS):
            self.connection.execute(f"PRAGMA {pragma}")

    def write(self, transactions: Iterable[Transaction]) -> None:
        """Write transactions, each with its own sync."""
        execute, executemany = self.connection.execute, self.connection.executemany
        for transaction in transactions:
            execute("BEGIN IMMEDIATE")
            for statement, rows in transaction:
                if len(rows) == 1:
                    execute(statement, rows[0])
                else:
                    executemany(statement, rows)
            execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()
