"""A steady look: a file as it was at one moment, whatever is written to it meanwhile.

What lives here: a store for whoever reads all of a file. What must not: what they read it for. The law of this file: one
transaction of a reader lasts from opening to closing; the writer goes on, and its log is emptied afterwards.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lifecycle.store import schema
from lifecycle.store.files import in_words
from lifecycle.store.sqlite import SQLiteStore


class SteadyStore(SQLiteStore):
    """Look at a file as it is now, for as long as it is open."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        super().__init__(path, read_only=True)
        with in_words(self._path), self._read() as connection:
            connection.execute("BEGIN")
            connection.execute(schema.LATEST).fetchone()

    @contextmanager
    def _read(self, steady: bool = False) -> Iterator[sqlite3.Connection]:
        """Read in the one transaction there is."""
        with super()._read() as connection:
            yield connection

    def rows(self, statement: str, *given: object) -> Iterator[Any]:
        """Return the rows of a statement; other statements may be executed meanwhile."""
        with self._read() as connection:
            found = connection.execute(statement, given)
        while True:
            with self._read():
                several = found.fetchmany(256)
            if not several:
                return
            yield from several
