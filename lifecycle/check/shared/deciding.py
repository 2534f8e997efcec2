"""Deciding: what a store decides, asked once for each case of a shared world.

What lives here: the functions of ``Sharing``, called with what the numbers of a state stand for. What must not: a decision
of its own. The law of this file: the same case is the same answer, so each is asked once.
"""

from __future__ import annotations

from copy import copy

from lifecycle.check.coverage import name_of_row, rows_of
from lifecycle.check.shared.state import ABSENT, DEAD, SILENT
from lifecycle.declaration import Sent
from lifecycle.kernel.lease import Lease, LeaseTable, Note, Sharing, Stands, Worker
from lifecycle.machines import LEASE

NOW, LASTS = 0, 1
"""Lease time in this world: it is always now, and what is renewed lasts until then comes."""

STANDS = {(False, False): None, (False, True): None, (True, False): 1, (True, True): 2}
"""The revision that a step stands on, by whether there was a session, and whether that is the last one kept."""


class Noted:
    """The table of the lease, with what was sent to it."""

    def __init__(self, table: LeaseTable) -> None:
        self.rows, self._table = table.rows, table
        self.sent: set[tuple[str, str]] = set()

    def send(self, state: str, trigger: str, /) -> Sent:
        """Say what a trigger does, and note that it was sent."""
        self.sent.add((state, trigger))
        return self._table.send(state, trigger)


class Decisions:
    """The decisions of a store, with those that were made."""

    def __init__(self, sharing: Sharing) -> None:
        self.sharing = copy(sharing)
        self.table = self.sharing.table = Noted(self.sharing.table)
        self._decided: dict[tuple[object, ...], bool | str | None] = {}

    def rows_met(self) -> set[str]:
        """Return the rows of the lease that were taken, by name; whoever takes a session begins one."""
        rows = rows_of(LEASE)
        return {
            name_of_row(LEASE, row) for row in rows if not row.source or (row.source, row.trigger) in self.table.sent
        }

    def may_acquire(self, holder: int, epoch: int, by: int, row: int) -> bool:
        """Say whether a worker may take a session that another one has, or nobody."""
        key = "may_acquire", holder, epoch, by, row
        if key not in self._decided:
            found = self.sharing.may_acquire(Lease(holder, epoch), by, worker_in(row, holder), NOW)
            self._decided[key] = found
        return bool(self._decided[key])

    def is_unheld(self, holder: int, epoch: int, row: int) -> bool:
        """Say whether a session is found among those that no worker holds."""
        key = "is_unheld", holder, epoch, row
        if key not in self._decided:
            standing = self.sharing.standing(Lease(holder, epoch), worker_in(row, holder), NOW)
            self._decided[key] = self.sharing.is_free_for_others(standing)
        return bool(self._decided[key])

    def releases(self, row: int) -> bool:
        """Say whether nothing is a worker's any more that leaves, or is found gone."""
        key = "releases", row
        if key not in self._decided:
            worker = worker_in(row, 1)
            self._decided[key] = worker is None or self.sharing.releases(worker, NOW)
        return bool(self._decided[key])

    def is_heard_after_a_beat(self, row: int) -> bool:
        """Say whether all that a worker holds lasts after its heartbeat."""
        worker = worker_in(row, 1)
        return worker is not None and self.sharing.renewed(worker, NOW, LASTS).expires > NOW

    def refusal(self, case: tuple[int, ...]) -> str | None:
        """Say why a step is not kept: of numbers that say what is kept, what the step stands on, and who has it."""
        key = ("refusal", *case)
        if key not in self._decided:
            is_there, holder, epoch, stood, fresh, with_holder, with_epoch, by, row, asked, is_open = case
            kept = Stands(STANDS[bool(is_there), True], Lease(holder, epoch))
            step = Stands(STANDS[bool(stood), bool(fresh)], Lease(with_holder, with_epoch))
            note = Note(by) if is_open else None
            found = self.sharing.refusal(kept, step, by, worker_in(row, holder), NOW, bool(asked), note)
            self._decided[key] = found
        return self._decided[key]  # type: ignore[return-value]


def worker_in(row: int, number: int) -> Worker | None:
    """Return a worker as a store finds it by its row; none if there is no row."""
    if row == ABSENT:
        return None
    return Worker(number, f"w{number}", NOW if row == SILENT else NOW + LASTS, there=row != DEAD)
