"""Leases: who may step a session, decided by the table of the lease.

What lives here: pure functions over what a store has of a session's lease and of its worker. What must not: a clock, a
lock, SQL; a store looks all that up and executes what is decided here in the transaction of the step it is about. The
law of this file: a session has one holder at a time, and every new one has the next epoch.

Times are lease time: whole microseconds of a clock that all processes of a machine share, and that no wall clock moves.
"""

from __future__ import annotations

from lifecycle.kernel.values import value
from lifecycle.machines.lease import LEASE


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


def standing(lease: Lease, worker: Worker | None, now: int) -> str:
    """Return the state of a lease, by what is known of its worker; none: it left in order, or was never there.

    >>> standing(Lease(7, 1), Worker(7, "w", expires=10), now=9), standing(Lease(7, 1), Worker(7, "w", 10), now=10)
    ('held', 'expired')
    """
    if worker is None or worker.number != lease.worker:
        return LEASE.send("held", "release").state
    if not worker.there or worker.expires <= now:
        return LEASE.send("held", "expire").state
    return LEASE.send("held", "renew").state


def acquired(lease: Lease, by: int) -> Lease:
    """Return the lease that a worker has once it has taken a session: its own goes on, any other has the next epoch.

    >>> acquired(Lease(7, 1), 7), acquired(Lease(7, 1), 8)
    (Lease(worker=7, epoch=1), Lease(worker=8, epoch=2))
    """
    return lease if lease.worker == by else Lease(by, lease.epoch + 1)


def may_acquire(lease: Lease, by: int, worker: Worker | None, now: int) -> bool:
    """Say whether a worker may take a session: it has it, nobody has it, or whoever has it is not heard of any more."""
    if lease.worker == by:
        return True
    state = standing(lease, worker, now)
    return state == "free" or takes_over(state)


def takes_over(state: str) -> bool:
    """Say whether the table lets somebody else take over a lease in that state."""
    return any(row.trigger == "take_over" for row in LEASE.rows if row.source == state)


def renewed(worker: Worker, now: int, lasts_us: int) -> Worker:
    """Return a worker after a heartbeat: all it holds lasts from now on, however late it comes."""
    return Worker(worker.number, worker.name, max(worker.expires, now + lasts_us), worker.there)
