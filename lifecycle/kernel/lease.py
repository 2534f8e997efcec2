"""Leases: who may step a session, decided by the table of the lease; and what becomes of requests from elsewhere.

What lives here: pure functions over what a store has of a session's lease, of its worker and of its inbox. What must
not: a clock, a lock, SQL; a store looks all that up and executes what is decided here in the transaction of the step it
is about, and the checker explores the very same functions. The law of this file: a session has one holder at a time,
and every new one has the next epoch.

Times are lease time: whole microseconds of a clock that all processes of a machine share, and that no wall clock moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lifecycle.declaration import Row, Sent
from lifecycle.kernel.replies import Reply
from lifecycle.kernel.values import value
from lifecycle.machines.lease import LEASE

HELD, FREE = "held", "free"

LOST, BEHIND, TAKEN_BACK = "lost", "behind", "taken back"
"""Why a step is not kept: another worker took the session; another step was kept first; nobody asks for it any more."""


@value
class Lease:
    """What a session has of its lease: the number of the worker that took it last, and how often it was taken.

    Worker 0 is nobody: a store that no runtime has claimed steps what nobody holds.
    """

    worker: int = 0
    epoch: int = 0


NOBODY = Lease()


@value
class Worker:
    """A worker as it is found: its heartbeat lasts to ``expires``; ``there`` false: its process is gone."""

    number: int
    name: str
    expires: int
    there: bool = True


@value
class Stands:
    """What a session has, or what a step stands on: the last revision, none before the first, and the lease."""

    revision: int | None
    lease: Lease


@value
class Note:
    """A request in the inbox: the worker that asks, and the reply, once there is one."""

    asker: int
    reply: Reply | None = None


class LeaseTable(Protocol):
    """What is asked of the table of the lease."""

    @property
    def rows(self) -> Sequence[Row]:
        """Return its rows."""

    def send(self, state: str, trigger: str, /) -> Sent:
        """Say what a trigger does in a state."""


class Sharing:
    """What is decided for workers that share a store, by one table of the lease: ``SHARING`` by the declared one."""

    def __init__(self, table: LeaseTable = LEASE) -> None:
        self.table = table

    # -- the lease ----------------------------------------------------------------------------------------------------

    def heard_of(self, worker: Worker, now: int) -> str:
        """Return the state of all that a worker holds: it goes on with the heartbeat, and not beyond."""
        return self._after(HELD, "renew" if worker.there and now < worker.expires else "expire")

    def standing(self, lease: Lease, worker: Worker | None, now: int) -> str:
        """Return the state of a lease, by what is known of its worker; none: it left in order, or was never there.

        >>> w = Worker(7, "w", expires=10)
        >>> SHARING.standing(Lease(7, 1), w, now=9), SHARING.standing(Lease(7, 1), w, now=10)
        ('held', 'expired')
        """
        if worker is None or worker.number != lease.worker:
            return self._after(HELD, "release")
        return self.heard_of(worker, now)

    def acquired(self, lease: Lease, by: int) -> Lease:
        """Return the lease that a worker has once it has taken a session: its own goes on, any other has the next epoch.

        >>> SHARING.acquired(Lease(7, 1), 7), SHARING.acquired(Lease(7, 1), 8)
        (Lease(worker=7, epoch=1), Lease(worker=8, epoch=2))
        """
        return lease if lease.worker == by else Lease(by, lease.epoch + 1)

    def may_acquire(self, lease: Lease, by: int, worker: Worker | None, now: int) -> bool:
        """Say whether a worker may take a session: it has it, nobody has it, or whoever has it is not heard of."""
        return lease.worker == by or self.is_free_for_others(self.standing(lease, worker, now))

    def is_free_for_others(self, state: str) -> bool:
        """Say whether a lease in that state is nobody's, or the table lets somebody else take it over."""
        may = any(row.source == state and row.trigger == "take_over" for row in self.table.rows)
        return state == FREE or (may and self._after(state, "take_over") == FREE)

    def renewed(self, worker: Worker, now: int, lasts_us: int) -> Worker:
        """Return a worker after a heartbeat: all it holds lasts from now on, however late it comes."""
        if self._after(self.heard_of(worker, now), "renew") != HELD:
            return worker
        return Worker(worker.number, worker.name, max(worker.expires, now + lasts_us), worker.there)

    def releases(self, worker: Worker, now: int) -> bool:
        """Say whether nothing is a worker's any more once it leaves, or its process is found gone."""
        return self._after(self.heard_of(worker, now), "release") == FREE

    def _after(self, state: str, trigger: str) -> str:
        return self.table.send(state, trigger).state

    # -- steps --------------------------------------------------------------------------------------------------------

    def refusal(
        self, kept: Stands, step: Stands, by: int, worker: Worker | None, now: int, asked: bool, note: Note | None
    ) -> str | None:
        """Say why a step of the worker ``by`` is not kept; none: it is, and the session is that worker's then.

        ``kept`` is what the store has, ``worker`` whoever holds that now, and ``step`` what the step stands on.
        ``asked``: it answers a request from elsewhere, of which the inbox has ``note``.
        """
        if kept.revision is not None and (
            kept.lease.epoch != step.lease.epoch or not self.may_acquire(kept.lease, by, worker, now)
        ):
            return LOST
        if kept.revision != step.revision:
            return BEHIND
        return TAKEN_BACK if asked and not self.is_open(note) else None

    # -- the inbox ----------------------------------------------------------------------------------------------------

    def is_open(self, note: Note | None) -> bool:
        """Say whether somebody still asks: the request was not taken back and has no reply. Then it may be either."""
        return note is not None and note.reply is None

    def is_asked_of(self, note: Note | None, lease: Lease, by: int) -> bool:
        """Say whether a worker finds a request in its inbox, by the lease of the session that it is about."""
        return self.is_open(note) and lease.worker == by

    def may_answer(self, note: Note | None, kept: Lease, lease: Lease, by: int) -> bool:
        """Say whether a worker may answer what it keeps no step for: it has the session still, in the same epoch."""
        return self.is_asked_of(note, kept, by) and kept.epoch == lease.epoch

    def answered(self, note: Note, reply: Reply) -> Note | None:
        """Return a request as it is in the inbox from the step on that is kept for it."""
        return Note(note.asker, reply)


SHARING = Sharing()
"""What every store executes."""

standing, acquired, may_acquire, renewed = SHARING.standing, SHARING.acquired, SHARING.may_acquire, SHARING.renewed
