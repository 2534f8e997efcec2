"""Clients that watch: attach, detach, and the orphan timer of a session that nobody watches."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle import hooks
from lifecycle.kernel import Policy
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Attached

from .world import HOUR, NO_GRACE, SECOND, World, of, question, refused

GRACE = Policy(orphan_grace_seconds=20)


def watched(policy: Policy = GRACE) -> World:
    """Open a session that c1 watches."""
    world = World(policy=policy)
    world.start()
    world.go(i.Attach("c1"))
    return world


def name(step: Any) -> str:
    """Name the reply of a step."""
    return type(step.reply).__name__


# -- attaching and detaching ------------------------------------------------------------------------------------------


def test_attach_gives_the_orphan_timer_back() -> None:
    """Given a detached session, when a client attaches, then the timer is disarmed in that step, and never fires."""
    world = World(policy=GRACE)
    world.start()
    armed = world.timer("orphan")
    step = world.go(i.Attach("c1"))
    assert step.reply == Attached("c1")
    assert [hooks.DisarmTimer("orphan", "s", armed.token)] == of(step, hooks.DisarmTimer)
    assert [] == world.wait(1_000)


def test_attach_twice_changes_nothing() -> None:
    """Given an attached client, when it attaches again, then it is told so, and nothing changes."""
    world = watched()
    before = world.session
    assert world.go(i.Attach("c1")).reply == Attached("c1")
    assert world.session is before


def test_attach_of_a_dead_connection_is_none() -> None:
    """Given a connection that died before its attach was judged (Hermes 116464), then the timer keeps running, reaps."""
    world = World(policy=GRACE).executing()
    world.settle(i.Value("x"))
    before = world.session
    assert "Stale" == name(world.go(i.Attach("c1", alive=False)))
    assert world.session is before
    world.wait(60)
    assert "stopped" == world.state


def test_attach_to_what_is_not_there_or_stopped() -> None:
    """Given no session, or a stopped one, then NotFound, or Refused: a client opens nothing."""
    world = World()
    assert refused(world.go(i.Attach("c1")), "NotFound")
    world.executing().settle(i.Value("x"))
    world.go(i.CloseSession("ada"))
    assert refused(world.go(i.Attach("c1")), "Refused")


def test_attach_changes_no_run() -> None:
    """Given any state of a run, when clients come and go, then run, execution and requests are the very same."""
    world = World(policy=GRACE).executing()
    world.ask("q1")
    world.start("r2")
    for given in (i.Attach("c1"), i.Attach("c2"), i.Detached("c1"), i.Detached("c2")):
        before = world.session
        step = world.go(given)
        assert before is not None
        assert step.session is not None
        assert before.head is step.session.head
        assert before.queue is step.session.queue
        assert before.execution is step.session.execution


def test_detach_of_the_last_client_arms_the_timer_afresh() -> None:
    """Given two clients, when both go, then the timer is armed by the last, for a full grace, under a new token."""
    world = watched()
    world.go(i.Attach("c2"))
    world.wait(100)
    assert [] == of(world.go(i.Detached("c1")), hooks.ArmTimer)
    step = world.go(i.Detached("c2"))
    (armed,) = of(step, hooks.ArmTimer)
    assert ("orphan", 120 * SECOND) == (armed.name, armed.due)


def test_late_detach_of_an_old_connection_does_nothing() -> None:
    """Given a client that came back on a new connection, when the old one's detach is late, then nothing changes."""
    world = watched()
    world.go(i.Attach("c1 again"))
    world.go(i.Detached("c1"))
    before = world.session
    assert "Stale" == name(world.go(i.Detached("c1")))
    assert world.session is before
    assert world.timer("orphan") is None


def test_absence_of_clients_never_ends_a_run() -> None:
    """Given a run at work for an hour without a client, then it is at work, whatever the grace (Hermes 98028)."""
    world = watched()
    world.begin()
    world.go(i.Detached("c1"))
    world.wait(3_600)
    assert ("running", "executing") == (world.state, world.slot.state)


# -- the orphan timer -------------------------------------------------------------------------------------------------


def test_orphan_timer_is_armed_when_a_session_opens_and_when_it_recovers() -> None:
    """Given a session without a client, then the timer is armed at opening, and with a full grace at recovery."""
    world = World(policy=GRACE)
    step = world.start()
    assert [("orphan", 20 * SECOND)] == [(hook.name, hook.due) for hook in of(step, hooks.ArmTimer)]
    world.go(i.Attach("c1"))
    world.wait(5)
    step = world.crash()
    assert [("orphan", 25 * SECOND)] == [(hook.name, hook.due) for hook in of(step, hooks.ArmTimer)]
    assert world.session is not None
    assert world.session.attachments == ()


def test_orphan_timer_reaps_a_session_with_nothing_to_do() -> None:
    """Given rest, when the grace passes, then the session is stopped, orphaned, and holds nothing."""
    for result, rest in ((i.Value("x"), "ready"), (i.Failure("x"), "error")):
        world = World(policy=GRACE).executing()
        world.settle(result)
        assert rest == world.state
        step = world.wait(20)[-1]
        assert ("stopped", []) == (world.state, list(world.timers()))
        assert world.session is not None
        assert "orphaned" == world.session.cause
        assert ("session", "s", "reap", rest, "stopped") in step.moves


@pytest.mark.parametrize("busy", ["pending", "executing", "closing", "queued", "parked with an expiry"])
def test_orphan_timer_is_re_armed_while_there_is_something_to_do(busy: str) -> None:
    """Given a live execution, queued input or an open request, when the grace passes, then it is armed again, by it."""
    world = World(policy=Policy(orphan_grace_seconds=2, closing_grace_seconds=60))
    world.start()
    if busy != "pending":
        world.begin()
    if busy == "closing":
        world.abort()
    if busy == "queued":
        world.start("r2")
    if busy == "parked with an expiry":
        world.park(question("q1", expiry=5 * SECOND))
    due = world.timer("orphan").due
    (step,) = world.wait(2)
    later = 5 * SECOND if busy == "parked with an expiry" else due + 2 * SECOND
    assert later == world.timer("orphan").due
    assert [later] == [hook.due for hook in of(step, hooks.ArmTimer)]


def test_re_arming_is_not_journalled() -> None:
    """Given a firing that re-arms, then it is no journalled step: same revision, next count, no moves, nothing ended."""
    world = World(policy=GRACE).executing()
    assert world.session is not None
    revision = world.session.revision
    steps = world.wait(60)
    assert [False, False, False] == [step.journalled for step in steps]
    assert revision == world.session.revision
    assert [(1, 1), (1, 2), (1, 3)] == [of(step, hooks.ArmTimer)[0].token for step in steps]
    assert not any(step.moves or step.ended or step.closed for step in steps)


def test_re_armed_timer_is_fired_by_its_newest_token_only() -> None:
    """Given a re-armed timer, when the firing of an older arming comes late, then it is stale: no chain of timers."""
    world = World(policy=GRACE).executing()
    old = world.timer("orphan").token
    world.wait(20)
    before = world.session
    assert "Stale" == name(world.go(i.TimerFired("orphan", "s", old)))
    assert world.session is before


def test_re_arming_after_a_crash_starts_its_count_again() -> None:
    """Given a timer re-armed often, when another process recovers, then its token is a new revision, count 0."""
    world = World(policy=GRACE).executing()
    world.wait(100)
    world.crash()
    assert world.session is not None
    assert (world.session.revision, 0) == world.timer("orphan").token


def test_orphan_timer_waits_for_the_earliest_expiry() -> None:
    """Given open requests that expire later than the grace, then the timer is re-armed to the earliest expiry to come."""
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=HOUR), question("q2", expiry=2 * HOUR))
    world.wait(20)
    assert HOUR == world.timer("orphan").due


def test_orphan_timer_waits_at_least_its_grace() -> None:
    """Given an expiry that comes sooner than the grace, then the timer is re-armed by the grace."""
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=25 * SECOND))
    world.wait(20)
    assert 40 * SECOND == world.timer("orphan").due


def test_orphan_timer_is_held_by_a_request_without_expiry() -> None:
    """Given a parked question without expiry, when the grace passes, then the timer is held: no time, no hook, no end."""
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=None))
    (step,) = world.wait(20)
    assert (None, ()) == (world.timer("orphan").due, step.hooks)
    assert [] == world.wait(365 * 86_400)
    assert "waiting_for_human" == world.state


@pytest.mark.parametrize("how", ["decide", "abort", "reject", "attach", "close", "join with expiry"])
def test_held_orphan_timer_is_let_go_when_the_last_request_closes(how: str) -> None:
    """Given a held timer, when the wait ends, by whichever edge, then it is armed for a full grace, or given back."""
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=None))
    world.wait(100)
    if how == "attach":
        step = world.go(i.Attach("c1"))
        assert (None, []) == (world.timer("orphan"), of(step, hooks.DisarmTimer))
    elif how == "close":
        world.go(i.CloseSession("ada"))
        assert world.timer("orphan") is None
    elif how == "join with expiry":
        world.start("r2")
        assert world.timer("orphan").due is None
    else:
        step = world.abort() if how == "abort" else world.decide("q1", "approve" if how == "decide" else how)
        assert 120 * SECOND == world.timer("orphan").due
        assert 1 == len([hook for hook in of(step, hooks.ArmTimer) if hook.name == "orphan"])


def test_held_orphan_timer_stays_held_while_one_request_without_expiry_is_open() -> None:
    """Given two questions without expiry, when one is answered, then the timer is still held by the other."""
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=None), question("q2", expiry=None))
    world.wait(20)
    world.decide("q1")
    assert world.timer("orphan").due is None
    world.decide("q2")
    assert world.timer("orphan").due is not None


def test_orphan_timer_is_held_once_a_kept_request_has_lost_its_expiry() -> None:
    """Given the policy keep, when the expiry has fired, then the request has none, and the next grace is held by it."""
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=30 * SECOND, on_expiry="keep"))
    world.wait(100)
    assert ("waiting_for_human", None) == (world.state, world.timer("orphan").due)


def test_orphan_timer_waits_for_the_expiries_still_to_come() -> None:
    """Given one question with an expiry and one without, then first the expiry is waited for, and then it is held."""
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=HOUR), question("q2", expiry=None))
    world.wait(20)
    assert HOUR == world.timer("orphan").due
    world.wait(3_600)
    assert world.timer("orphan").due is None


def test_orphan_timer_reaps_after_a_parked_request_expired_and_the_run_was_settled() -> None:
    """Given a detached parked run, when its request expires and its run ends, then the session is reaped at last."""
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=HOUR, on_expiry="stop"))
    world.wait(3_700)
    assert ("stopped", "stopped") == (world.end()[0], world.state)


@pytest.mark.parametrize("grace", [None, 0])
def test_orphan_timer_is_never_taken_without_a_grace(grace: float | None) -> None:
    """Given no grace, or one of zero, then no timer is ever armed, and a session at rest stays (Hermes: disabled)."""
    world = World(policy=Policy(orphan_grace_seconds=grace)).executing()
    world.wait(1_000)
    world.settle(i.Value("x"))
    world.wait(1_000)
    assert [] == [hook for hook in world.hooks(hooks.ArmTimer) if hook.name == "orphan"]
    assert "ready" == world.state


def test_orphan_timer_fired_early_is_stale() -> None:
    """Given an armed timer, when it is said to fire before its time, then nothing changes."""
    world = World(policy=GRACE).executing()
    world.wait(10)
    before = world.session
    assert "Stale" == name(world.go(i.TimerFired("orphan", "s", world.timer("orphan").token)))
    assert world.session is before


def test_orphan_timer_of_another_session_is_stale() -> None:
    """Given a firing that names another owner, then nothing changes."""
    world = World(policy=GRACE).executing()
    world.settle(i.Value("x"))
    token = world.timer("orphan").token
    world.now += 60 * SECOND
    before = world.session
    assert "Stale" == name(world.step(i.TimerFired("orphan", "other", token)))
    assert world.session is before


def test_reaped_session_is_opened_again_by_new_input() -> None:
    """Given a reaped session, when input comes, then the next incarnation begins: reaped is resumable (Hermes 84326)."""
    world = World(policy=GRACE).executing()
    world.settle(i.Value("x"))
    world.wait(60)
    world.start("r2")
    assert world.session is not None
    assert (2, "starting", None) == (world.session.incarnation, world.state, world.session.cause)
    assert world.timer("orphan") is not None


def test_reaping_waits_for_work_that_arrives_in_time() -> None:
    """Given an idle detached session, when input arrives just before the grace is over, then it is not reaped."""
    world = World(policy=GRACE).executing()
    world.settle(i.Value("x"))
    world.wait(19)
    world.start("r2")
    world.wait(5)
    assert ("starting", 1) == (world.state, world.session.incarnation if world.session else 0)


def test_suspended_machine_reaps_nothing_that_works() -> None:
    """Given a laptop that slept for hours with a turn open (T3 Code 11805), then one firing re-arms and all goes on."""
    world = World(policy=GRACE).executing()
    fired = world.sleep(8 * 3_600)
    assert 1 == len(fired)
    assert "running" == world.state
    assert NO_GRACE.orphan_grace_seconds is None
