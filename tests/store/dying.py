"""Dying: a process that is gone before one of its writes.

What lives here: connections that die with it. What must not: what is expected of the file afterwards. The law of this
file: whoever is dead takes nothing back; what SQLite finds is what the dead one left.
"""

from __future__ import annotations

import sqlite3

LOOKS = ("SELECT", "PRAGMA application", "PRAGMA query", "EXPLAIN")
"""How statements begin that write nothing."""


class Died(Exception):
    """The process is gone."""


class Dying:
    """A process that dies before its n-th write, counted over all its connections."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def around(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Return a connection that dies with it."""
        return Mortal(self, connection)  # type: ignore[return-value]


class Mortal:
    """A connection of a process that dies."""

    def __init__(self, dying: Dying, connection: sqlite3.Connection) -> None:
        self.dying, self.connection = dying, connection

    def __getattr__(self, name: str) -> object:
        """Be the connection in everything else."""
        return getattr(self.connection, name)

    def execute(self, statement: str, *given: object) -> object:
        """Execute a statement, unless it is the one before which the process dies."""
        if statement.startswith("PRAGMA busy_timeout"):
            return None  # nobody else is there to be waited for, and it writes nothing
        self._die_or_go_on(statement)
        return self.connection.execute(statement, *given)  # type: ignore[arg-type]

    def executemany(self, statement: str, rows: list[object]) -> object:
        """Execute a statement for each row; death may come before any."""
        for row in rows:
            self.execute(statement, row)
        return self.connection

    def _die_or_go_on(self, statement: str) -> None:
        if statement.startswith(LOOKS):
            return
        if not self.dying.left:
            self.connection.close()
            raise Died
        self.dying.left -= 1

    def rollback(self) -> None:
        """Do nothing: nobody is left to do it."""
