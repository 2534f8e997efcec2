"""The lease: one holder at a time, and every new one in the next epoch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.kernel.lease import NOBODY, Lease, Worker, acquired, may_acquire, renewed, standing

LASTS_US = 10


@pytest.mark.parametrize(
    ("worker", "state"),
    [
        (None, "free"),
        (Worker(8, "other", 100), "free"),
        (Worker(7, "w", 51), "held"),
        (Worker(7, "w", 50), "expired"),
        (Worker(7, "w", 51, there=False), "expired"),
    ],
)
def test_lease_is_held_while_its_worker_beats(worker: Worker | None, state: str) -> None:
    """Held until the heartbeat is too old or the process is gone; free once its worker has left."""
    assert state == standing(Lease(7, 3), worker, now=50)


def test_session_is_taken_from_nobody_and_from_the_lost() -> None:
    """Whoever has it goes on; another one takes it only when it is free or has expired."""
    held, expired = Worker(7, "w", 51), Worker(7, "w", 50)
    assert may_acquire(NOBODY, 8, None, 50) and may_acquire(Lease(7, 3), 8, expired, 50)
    assert may_acquire(Lease(7, 3), 7, expired, 50)
    assert not may_acquire(Lease(7, 3), 8, held, 50)


def test_late_heartbeat_keeps_what_nobody_took() -> None:
    """An expired lease that nobody took over is held again once its worker beats: nothing is lost for nothing."""
    late = renewed(Worker(7, "w", 50), 70, LASTS_US)
    assert ("held", "expired") == (standing(Lease(7, 3), late, 79), standing(Lease(7, 3), late, 80))
    assert late == renewed(late, 60, LASTS_US), "a heartbeat never shortens what is held"


ACTS = st.lists(
    st.tuples(st.sampled_from(["take", "beat", "die", "leave", "wait"]), st.integers(1, 3), st.integers(1, 12)),
    max_size=40,
)


@given(ACTS)
def test_one_holder_at_a_time(acts: list[tuple[str, int, int]]) -> None:
    """Whatever workers do and however time passes: who took the session loses it only by leaving or by not beating,

    and the epoch counts the changes of hands.
    """
    now, lease, epochs = 0, NOBODY, 0
    workers = {number: Worker(number, f"w-{number}", LASTS_US) for number in (1, 2, 3)}
    heard = dict.fromkeys(workers, 0)
    for what, number, span in acts:
        worker = workers.get(number)
        if what == "wait":
            now += span
        elif worker is None or not worker.there:
            continue  # the dead do nothing
        elif what == "beat":
            workers[number], heard[number] = renewed(worker, now, LASTS_US), now
        elif what == "die":
            workers[number] = Worker(number, worker.name, worker.expires, there=False)
        elif what == "leave":
            del workers[number]
        elif may_acquire(lease, number, workers.get(lease.worker), now):
            holder = workers.get(lease.worker)
            beats = holder is not None and holder.there and now < heard[lease.worker] + LASTS_US
            assert lease.worker == number or not beats
            epochs += lease.worker != number
            lease = acquired(lease, number)
            assert (number, epochs) == (lease.worker, lease.epoch)
