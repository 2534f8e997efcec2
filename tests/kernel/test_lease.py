"""The lease: one holder at a time, and every new one in the next epoch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.check.variants import redirected
from lifecycle.kernel.lease import (
    BEHIND,
    LOST,
    NOBODY,
    SHARING,
    TAKEN_BACK,
    Lease,
    Note,
    Sharing,
    Stands,
    Worker,
    acquired,
    may_acquire,
    renewed,
    standing,
)
from lifecycle.kernel.replies import Done
from lifecycle.machines import LEASE

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


# -- steps and requests -----------------------------------------------------------------------------------------------

HELD = Stands(4, Lease(7, 3))
"""A session after its fourth step, held by worker 7."""


@pytest.mark.parametrize(
    ("step", "by", "beats", "told"),
    [
        (Stands(4, Lease(7, 3)), 7, True, None),
        (Stands(4, Lease(7, 3)), 7, False, None),
        (Stands(3, Lease(7, 3)), 7, True, BEHIND),
        (Stands(4, Lease(8, 2)), 8, True, LOST),
        (Stands(4, Lease(8, 2)), 8, False, LOST),
        (Stands(4, Lease(7, 3)), 8, True, LOST),
        (Stands(4, Lease(7, 3)), 8, False, None),
        (Stands(3, Lease(7, 3)), 8, False, BEHIND),
        (Stands(None, NOBODY), 8, True, LOST),
    ],
)
def test_step_is_kept_on_the_last_one_under_its_lease(step: Stands, by: int, beats: bool, told: str | None) -> None:
    """A step needs the epoch it stands on, then a holder that is itself or silent, then the last revision."""
    holder = Worker(7, "w", 51 if beats else 50)
    assert told == SHARING.refusal(HELD, step, by, holder, 50, False, None)


def test_session_that_nobody_opened_is_opened_once() -> None:
    """A first step stands on nothing, and is behind where there is something it does not know of."""
    nothing = Stands(None, NOBODY)
    assert None is SHARING.refusal(nothing, nothing, 8, None, 50, False, None)
    assert BEHIND == SHARING.refusal(nothing, Stands(4, NOBODY), 8, None, 50, False, None)


def test_request_is_answered_or_taken_back_and_never_both() -> None:
    """A request is open until it has a reply; a step for one that is not is refused, after all other reasons."""
    note = Note(asker=8)
    answered = SHARING.answered(note, Done())
    assert Note(8, Done()) == answered
    for one, told in ((note, None), (answered, TAKEN_BACK), (None, TAKEN_BACK)):
        assert told == SHARING.refusal(HELD, HELD, 7, None, 50, True, one)
        assert SHARING.is_open(one) is (told is None)
    assert BEHIND == SHARING.refusal(HELD, Stands(3, HELD.lease), 7, None, 50, True, None)


def test_reply_without_a_step_needs_holder_and_epoch() -> None:
    """What is asked is found by the holder, and answered by it in its epoch."""
    note, lease = Note(asker=8), Lease(7, 3)
    assert SHARING.is_asked_of(note, lease, 7) and not SHARING.is_asked_of(note, lease, 8)
    assert SHARING.may_answer(note, lease, Lease(7, 3), 7)
    assert not SHARING.may_answer(note, lease, Lease(7, 2), 7)
    assert not SHARING.may_answer(note, lease, Lease(7, 3), 8)
    assert not SHARING.may_answer(Note(8, Done()), lease, Lease(7, 3), 7)


def test_table_decides() -> None:
    """Given a table in which a late heartbeat leads nowhere, or a release keeps, then so it is."""
    other = dict(redirected(LEASE))
    late, silent = Worker(7, "w", 50), Worker(7, "w", 50, there=False)
    assert late == Sharing(other["lease.expired.renew: to expired"]).renewed(late, 70, LASTS_US)
    assert SHARING.releases(silent, 40) and SHARING.releases(late, 40)
    assert not Sharing(other["lease.expired.release: to held"]).releases(silent, 40)
    assert not Sharing(other["lease.expired.take_over: to held"]).may_acquire(Lease(7, 3), 8, late, 50)
