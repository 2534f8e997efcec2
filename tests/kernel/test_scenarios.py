"""Scenarios that the seed systems test themselves, told in our words: what of them concerns the kernel.

The name in brackets is the system's; what it spells with buffers, sockets or rows is here a run, a segment, a client.
"""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle import hooks
from lifecycle.kernel import Policy
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Aborted, AlreadyEnded, Decided, Granted, Joined

from .world import DAY, HOUR, SECOND, World, advertised, decision, of, question, refused, start_run

GRACE = Policy(orphan_grace_seconds=20)


def name(step: Any) -> str:
    """Name the reply of a step."""
    return type(step.reply).__name__


# -- OpenClaw: the abort registry -------------------------------------------------------------------------------------


def test_abort_signals_evicts_and_publishes_once() -> None:
    """[OC-01] Given a run at work, when its user aborts, then signalled with the reason, one end, and one only."""
    world = World().executing()
    step = world.abort()
    assert [hooks.SignalAbort("r1", 1, "aborted")] == of(step, hooks.SignalAbort)
    assert [hooks.PublishEnd("r1", "interrupted", "aborted")] == of(step, hooks.PublishEnd)
    assert [hooks.EndSegment("r1", 1, "interrupted")] == of(step, hooks.EndSegment)
    world.settle()
    assert 1 == len(world.hooks(hooks.PublishEnd))


def test_abort_tells_its_reason_apart() -> None:
    """[OC-05] Given four ways to be ended, then each signal carries its own cause: a timeout is no abort."""
    seen = []
    for given in (
        i.AbortRun("r1", "ada"),
        i.TimerFired("deadline", "r1", (2, 0)),
        i.Shutdown(),
        start_run("r2", when_busy="interrupt"),
        i.CloseSession("ada"),
    ):
        world = World().executing(deadline_us=10 * SECOND)
        world.now = 10 * SECOND if isinstance(given, i.TimerFired) else 0
        seen += [hook.cause for hook in of(world.step(given), hooks.SignalAbort)]
    assert ["aborted", "deadline", "shutdown", "superseded", "closed"] == seen


def test_abort_after_the_end_is_no_second_one() -> None:
    """[OC-06] Given a run that has ended and still unwinds, when it is aborted, then nothing happens a second time."""
    world = World().executing()
    world.complete()
    before = world.session
    assert isinstance(world.abort().reply, AlreadyEnded)
    assert isinstance(world.abort().reply, AlreadyEnded)
    assert world.session is before


@pytest.mark.parametrize("deadline_us", [None, 10**18])
def test_deadline_beyond_all_bounds_does_not_wrap_around(deadline_us: int | None) -> None:
    """[OC-08, OC-40] Given no timeout, or one of thirty thousand years, then no timer fires at once."""
    world = World().executing(deadline_us=deadline_us)
    world.wait(365 * 86_400)
    assert "running" == world.state


def test_deadline_counts_from_the_start_of_execution() -> None:
    """[OC-10] Given a run queued for 90 of its 120 s, when it begins, then it has 120 s, and a second begin has no
    effect.
    """
    world = World().executing("r0")
    world.start("r1", deadline_us=120 * SECOND)
    world.wait(90)
    world.settle(i.Value("x"))
    world.begin()
    armed = world.timer("deadline")
    assert 210 * SECOND == armed.due
    assert refused(world.begin(), "Refused")
    assert armed is world.timer("deadline")


def test_deadline_passed_is_not_armed_again() -> None:
    """[OC-11] Given a run stopped by its deadline, when its code is begun late, then already_ended, and no timer."""
    world = World()
    world.start(queue_deadline_us=5 * SECOND, deadline_us=5 * SECOND)
    world.wait(5)
    assert isinstance(world.go(i.Begin("r1", 1)).reply, AlreadyEnded)
    assert [] == list(world.timers())


@pytest.mark.parametrize("why", ["stale", "aborted", "of another run"])
def test_begin_that_may_not_be_arms_nothing(why: str) -> None:
    """[OC-12] Given an offer that is stale, of an aborted run or of another, when it is taken up, then no timer is armed."""
    world = World()
    world.start("r1", deadline_us=60 * SECOND)
    world.start("r2", deadline_us=60 * SECOND)
    if why == "aborted":
        world.abort("r1")
    before = world.session
    world.go({"stale": i.Begin("r1", 99), "aborted": i.Begin("r1", 1), "of another run": i.Begin("r2", 1)}[why])
    assert world.session is before
    assert world.timer("deadline") is None


def test_stop_with_nothing_registered_says_so() -> None:
    """[OC-72] Given a session whose runs have all ended, when it is stopped, then there is nothing to do, and no error."""
    world = World().executing()
    world.settle(i.Value("x"))
    before = world.session
    assert "NothingToDo" == name(world.go(i.AbortSession("ada")))
    assert world.session is before


def test_fact_from_before_a_reset_does_not_touch_the_new_life() -> None:
    """[OC-86] Given a session closed and opened anew, when code of its last life reports, then only its own is settled."""
    world = World().executing("r1")
    old = world.slot
    world.go(i.CloseSession("ada"))
    world.start("r2")
    head = world.head
    assert "Stale" == name(world.go(i.RunCompleted("r1", "x", old.id, old.token)))
    world.go(i.ExecutionSettled(old.id, old.token, i.Value("x")))
    assert (head, "starting") == (world.head, world.state)
    assert ("stopped", "closed") == world.end("r1")
    assert isinstance(world.begin("r2").reply, Granted)


@pytest.mark.parametrize("late_us", [0, 1])
def test_queue_deadline_wins_against_a_begin_that_is_late(late_us: int) -> None:
    """[OC-13] Given a queued run, when begin arrives with the deadline, or 1 µs after, then it ended once, by the
    timer.
    """
    world = World()
    world.start(queue_deadline_us=5 * SECOND)
    offer = world.slot.id
    world.wait_us(5 * SECOND + late_us)
    reply = world.go(i.Begin("r1", offer)).reply
    assert isinstance(reply, AlreadyEnded)
    assert ("stopped", "queue_deadline") == (reply.state, reply.cause)
    assert 1 == len(world.hooks(hooks.PublishEnd))


@pytest.mark.parametrize("first", ["begun", "aborted", "superseded", "closed", "completed"])
def test_queue_deadline_does_not_fire_for_a_run_that_was_first(first: str) -> None:
    """[OC-13] Given a run that began, or ended first, then its queue deadline does nothing any more."""
    world = World()
    world.start(queue_deadline_us=5 * SECOND)
    world.go(
        {
            "begun": i.Begin("r1", 1),
            "aborted": i.AbortRun("r1", "ada"),
            "superseded": i.AbortSession("ada"),
            "closed": i.CloseSession("ada"),
            "completed": i.RunCompleted("r1", "x"),
        }[first]
    )
    assert world.timer("queue_deadline") is None
    world.wait(60)
    assert "queue_deadline" not in {ended.cause for ended in world.ended.values()}


def test_ended_run_is_kept_until_its_code_is_cleaned_up() -> None:
    """[OC-14] Given an end seen before its caller cleans up, then the controller stays till then, and is not listed."""
    world = World().executing()
    world.complete()
    assert set() == advertised(world.session)
    assert [] == world.hooks(hooks.EvictController)
    world.settle()
    assert [hooks.EvictController("r1", 1)] == world.hooks(hooks.EvictController)


def test_snapshot_shows_what_is_in_flight_only() -> None:
    """[OC-17, OC-19] Given an ended, a working and a queued run, then the list shows the last two, the head first."""
    world = World().executing("r1")
    world.settle(i.Value("x"))
    world.executing("r2")
    world.start("r3")
    assert world.session is not None
    assert ["r2", "r3"] == [run.spec.id for run in world.session.unfinished()]


# -- OpenClaw: abort before the code has started ----------------------------------------------------------------------


def test_acknowledged_run_executes_after_the_grant_only() -> None:
    """[OC-24] Given the acknowledgement, then no code is called by that step: only by the grant that follows it."""
    world = World()
    assert [] == of(world.start(), hooks.CallCode)
    assert 1 == len(of(world.begin(), hooks.CallCode))


@pytest.mark.parametrize("whole", [False, True], ids=["by run", "by session"])
def test_abort_before_dispatch_leaves_nothing_to_dispatch(whole: bool) -> None:
    """[OC-25, OC-26] Given a run accepted and not dispatched, when stopped, then its offer is gone, it never starts."""
    world = World()
    world.start()
    step = world.go(i.AbortSession("ada")) if whole else world.abort()
    assert [hooks.WithdrawOffer("r1", 1)] == of(step, hooks.WithdrawOffer)
    assert isinstance(world.go(i.Begin("r1", 1)).reply, AlreadyEnded)
    assert [] == world.hooks(hooks.CallCode)


def test_abort_during_setup_by_another_is_denied_and_the_run_goes_on() -> None:
    """[OC-32] Given a run being set up, when another connection aborts it, then Denied, still accepted, and begun
    later.
    """
    world = World()
    world.start()
    assert refused(world.abort(by="another"), "Denied")
    assert isinstance(world.begin().reply, Granted)


def test_duplicate_delivery_replays_the_end() -> None:
    """[OC-33] Given an aborted run with a key, when the same input is delivered again, then it hears that end."""
    world = World()
    world.start(key="msg")
    world.abort()
    reply = world.start("r2", key="msg", digest="digest of r1").reply
    assert reply == AlreadyEnded("r1", "interrupted", "aborted", "ada")


def test_session_closed_during_setup_is_not_recreated_by_the_setup() -> None:
    """[OC-34, OC-35] Given a session closed, or opened anew, while a run was set up, then that run is not begun in it."""
    world = World()
    world.start()
    world.go(i.CloseSession("ada"))
    assert isinstance(world.go(i.Begin("r1", 1)).reply, AlreadyEnded)
    assert "stopped" == world.state
    world.start("r2")
    assert isinstance(world.go(i.Begin("r1", 1)).reply, AlreadyEnded)
    assert refused(world.go(i.Begin("r2", 1)), "Refused")


def test_configured_timeout_of_two_days_holds() -> None:
    """[OC-41] Given a timeout of 48 h, then the run is at work after 25 h and stopped after 48."""
    world = World().executing(deadline_us=2 * DAY)
    world.wait(25 * 3_600)
    assert "running" == world.state
    world.wait(23 * 3_600)
    assert ("stopped", "deadline") == world.end()


def test_stale_session_knowledge_does_not_hinder_an_abort_by_run() -> None:
    """[OC-42..44] Given a run, when its owner aborts it by its id, whatever else he knows, then it works."""
    world = World().executing()
    assert world.abort().reply == Aborted(("r1",))


def test_snapshot_of_an_aborted_run_is_not_changed_by_a_late_success() -> None:
    """[OC-45] Given an aborted run, when its code succeeds later, then the end told stays as it was."""
    world = World().executing()
    world.abort()
    told = world.abort().reply
    world.settle(i.Value("it worked after all"))
    assert told == world.abort().reply


def test_retry_joins_a_live_run_and_leaves_it_alone() -> None:
    """[OC-50, OC-51] Given a live run under a key, when the retry comes, then it joins: same run object, no second."""
    world = World().executing(key="msg")
    head = world.head
    assert world.start("r2", key="msg", digest="digest of r1").reply == Joined("r1")
    assert head is world.head


def test_abort_belongs_to_principals_not_to_connections() -> None:
    """[OC-64..67] Given runs of two owners, then each aborts his own, from any connection, and an admin both."""
    world = World(policy=Policy(orphan_grace_seconds=None, admins=("root",))).executing("r1")
    world.start("r2", owner="bob")
    assert refused(world.abort("r1", by="bob"), "Denied")
    assert world.go(i.AbortSession("bob")).reply == Aborted(("r2",))
    world.start("r3", owner="bob")
    assert world.go(i.AbortSession("root")).reply == Aborted(("r1", "r3"))


def test_waiters_hear_one_outcome() -> None:
    """[OC-79] Given a run that ended, then everybody who asks hears the same state, cause and result."""
    world = World().executing(key="msg")
    world.settle(i.Value("42"))
    told = {
        world.abort().reply,
        world.go(i.Begin("r1", 1)).reply,
        world.start("r9", key="msg", digest="digest of r1").reply,
    }
    assert {AlreadyEnded("r1", "ready", "completed", "agent", "", "42")} == told


def test_projection_is_clean_before_the_end_is_told() -> None:
    """[OC-85] Given a run that ends, then the session has let go of it in the step whose hooks tell of the end."""
    world = World().executing()
    step = world.settle(i.Value("x"))
    assert 1 == len(of(step, hooks.PublishEnd))
    assert set() == advertised(step.session)


def test_end_is_kept_though_its_start_was_stamped_later() -> None:
    """[OpenClaw 119407] Given a clock that went back between begin and end, then the end is matched by id, and kept."""
    world = World().executing()
    world.now = 0
    world.settle(i.Value("x"))
    assert ("ready", "completed") == world.end()


# -- T3 Code: provider reports ----------------------------------------------------------------------------------------


def test_failed_completion_ends_the_turn_with_its_message() -> None:
    """[T3-01] Given a turn at work, when it fails, then session in error, no active turn, and the message is kept."""
    world = World().executing()
    world.settle(i.Failure("quota exceeded"))
    assert ("error", set()) == (world.state, advertised(world.session))
    assert "quota exceeded" == world.ended["r1"].text


def test_session_after_an_error_takes_the_next_turn() -> None:
    """[T3-02] Given a session in error, when the next run ends well, then it is ready again; errors do not stick."""
    world = World().executing()
    world.settle(i.Failure("x"))
    world.executing("r2")
    world.settle(i.Value("x"))
    assert "ready" == world.state


def test_start_reported_again_in_mid_turn_changes_nothing() -> None:
    """[T3-04, T3-05] Given a turn at work, when its begin comes again, then it is refused, unchanged, and can complete."""
    world = World().executing()
    before = world.session
    world.begin("r1")
    assert world.session is before
    world.settle(i.Value("x"))
    assert "ready" == world.state


def test_interruption_reported_without_a_name_ends_the_turn() -> None:
    """[T3-09] Given a turn at work, when the provider says interrupted and names none, then the turn is over, segment
    too.
    """
    world = World().executing()
    step = world.go(i.ProviderReported("interrupted"))
    assert ("interrupted", set()) == (world.state, advertised(world.session))
    assert [hooks.EndSegment("r1", 1, "interrupted")] == of(step, hooks.EndSegment)


def test_error_report_keeps_no_turn() -> None:
    """[T3-10, the rule and not the anomaly] Given a turn, when the provider is in error, then no turn stays active."""
    world = World().executing()
    world.go(i.ProviderReported("error", "r1", 1))
    assert ("error", set()) == (world.state, advertised(world.session))


def test_warning_in_mid_turn_changes_nothing() -> None:
    """[T3-11] Given a turn at work, when the provider warns, even by the name of an error, then it is at work."""
    world = World().executing()
    before = world.session
    for report in ("error", "interrupted", "stopped", "gone", "ready"):
        assert "Stale" == name(world.go(i.ProviderReported(report, advisory=True, text="slow today")))
        assert world.session is before


def test_replayed_completion_has_no_effect() -> None:
    """[T3-12] Given a turn that completed, when its completion is replayed, then nothing is told again."""
    world = World().executing()
    world.complete("x")
    before = world.session
    for late in (i.RunCompleted("r1", "x", 1, 2), i.RunCompleted("r1", "x"), i.ProviderReported("ready", "r1")):
        assert "Stale" == name(world.go(late))
        assert world.session is before


def test_late_idle_of_the_old_turn_does_not_end_the_new_one() -> None:
    """[T3 Code 8480] Given a new turn at work, when the old turn's idle arrives late, naming it, then nothing happens."""
    world = World().executing("r1")
    old = world.slot.id
    world.abort("r1")
    world.settle()
    world.executing("r2")
    before = world.session
    assert "Stale" == name(world.go(i.ProviderReported("ready", "r1")))
    assert "Stale" == name(world.go(i.ProviderReported("ready", None, old)))
    assert world.session is before


def test_late_start_after_the_abort_resurrects_nothing() -> None:
    """[T3 Code 8939, 7168] Given an aborted turn, when its queued start arrives, then it does not run."""
    world = World()
    world.start()
    world.abort()
    world.go(i.Begin("r1", 1))
    assert ("interrupted", []) == (world.state, world.hooks(hooks.CallCode))


@pytest.mark.parametrize(
    ("what", "reaped"),
    [
        ("idle", True),
        ("active", False),
        ("attached", False),
        ("fresh", False),
        ("stopped", False),
        ("background", False),
    ],
)
def test_reaper_stops_idle_sessions_only(what: str, reaped: bool) -> None:
    """[T3-15..20] Given idle, active, watched, fresh, stopped sessions or live code, then only the idle one is reaped."""
    world = World(policy=GRACE).executing()
    if what != "active":
        world.abort() if what == "background" else world.settle(i.Value("x"))
    if what == "attached":
        world.go(i.Attach("c1"))
    if what == "stopped":
        world.go(i.CloseSession("ada"))
    world.wait(5 if what in ("fresh", "background") else 60)
    causes = {one.cause for _, step in world.steps if (one := step.session) is not None}
    assert reaped is ("orphaned" in causes)
    if what == "background":
        world.wait(60)
        assert "stopped" == world.state


# -- Hermes: detach, orphan timer, finalise ---------------------------------------------------------------------------


def test_finalising_twice_releases_once() -> None:
    """[Hermes] Given a session closed twice and torn down, then everything was given back exactly once."""
    world = World(policy=GRACE).executing()
    world.ask("q1")
    world.go(i.CloseSession("ada"))
    world.go(i.CloseSession("ada"))
    world.settle()
    world.wait(60)
    assert all(not held for held in world.ledger.held.values())


def test_orphan_check_spares_what_came_back() -> None:
    """[Hermes] Given a timer that fires with a re-attach already in, then it is stale: not reaped, not re-armed."""
    world = World(policy=GRACE).executing()
    world.settle(i.Value("x"))
    armed = world.timer("orphan")
    world.go(i.Attach("c1"), after=19)
    before = world.session
    assert "Stale" == name(world.go(i.TimerFired("orphan", "s", armed.token), after=5))
    assert world.session is before


def test_disconnect_while_retrying_on_a_new_connection() -> None:
    """[Hermes] Given an old socket closing while the client retries on a new one, then the new one stays, no timer
    runs.
    """
    world = World(policy=GRACE).executing(key="msg")
    world.go(i.Attach("old"))
    world.go(i.Attach("new"))
    assert world.start("r2", key="msg", digest="digest of r1").reply == Joined("r1")
    world.go(i.Detached("old"))
    assert world.session is not None
    assert (("new",), None) == (world.session.attachments, world.timer("orphan"))


def test_detached_turn_is_checked_again_until_it_settles() -> None:
    """[Hermes] Given a protected turn polled many times, then it is never interrupted; settled, it is reaped in a
    grace.
    """
    world = World(policy=GRACE).executing()
    polls = world.wait(20 * 60)
    assert 60 == len(polls)
    assert "running" == world.state
    world.start("r2")
    world.settle(i.Value("x"))
    world.wait(100)
    assert "starting" == world.state
    world.begin()
    world.settle(i.Value("x"))
    world.wait(20)
    assert "stopped" == world.state


def test_stop_takes_the_queued_prompt_along() -> None:
    """[Hermes 52871] Given a turn and a queued prompt of the same user, when he stops the session, then neither runs
    on.
    """
    world = World().executing("r1")
    world.start("r2")
    world.go(i.AbortSession("ada"))
    world.settle()
    assert world.session is not None
    assert (("interrupted", "aborted"), None) == (world.end("r2"), world.session.head)


def test_stale_generation_does_not_run_after_the_stop() -> None:
    """[Hermes] Given a stop, when the submit of the stopped generation arrives, then it is told the end, and not run."""
    world = World()
    world.start("r1")
    world.go(i.AbortSession("ada"))
    assert isinstance(world.go(i.Begin("r1", 1)).reply, AlreadyEnded)


def test_stop_while_blocked_on_an_approval_takes_effect_at_once() -> None:
    """[Hermes 8697] Given a thread blocked on an approval, when stopped, then question, run and stream end in that
    step.
    """
    world = World().executing()
    world.ask("q1")
    step = world.abort()
    assert [hooks.WithdrawRequest("r1", "q1", "withdrawn")] == of(step, hooks.WithdrawRequest)
    assert ("interrupted", "closing") == (world.state, world.slot.state)


def test_session_deleted_in_flight_takes_its_approval_along() -> None:
    """[Hermes 75587] Given a pending approval, when its session is closed, then it cannot pop up any more."""
    world = World().executing()
    world.park("q1")
    world.go(i.CloseSession("ada"))
    assert isinstance(world.decide("q1", run="r1").reply, AlreadyEnded)


def test_recovery_does_not_make_a_session_immortal() -> None:
    """[Hermes 66255, 65194] Given a detached session at rest, when processes come and go, then it is reaped in the end."""
    world = World(policy=GRACE).executing()
    world.settle(i.Value("x"))
    for _ in range(5):
        world.wait(15)
        world.crash()
    world.wait(20)
    assert "stopped" == world.state


def test_late_result_does_not_overwrite_what_shutdown_recorded() -> None:
    """[Hermes 113541] Given a run interrupted by shutdown, when it succeeds late, then the record stays interrupted."""
    world = World().executing()
    world.go(i.Shutdown())
    world.settle(i.Value("late"))
    assert ("interrupted", "shutdown") == world.end()


# -- LobeHub: stream end and decisions --------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["ready", "error", "interrupted", "stopped", "waiting_for_human"])
def test_stream_ends_once_with_its_reason(end: str) -> None:
    """[LobeHub] Given a running turn, when it enters any state without output, then one end, with that as its reason."""
    world = World().executing()
    slot = world.slot
    world.go(
        {
            "ready": i.ExecutionSettled(slot.id, slot.token, i.Value("x")),
            "error": i.ExecutionSettled(slot.id, slot.token, i.Failure("x")),
            "interrupted": i.AbortRun("r1", "ada"),
            "stopped": i.CloseSession("ada"),
            "waiting_for_human": i.RunAsked(slot.id, slot.token, (question("q1"),)),
        }[end]
    )
    assert [hooks.EndSegment("r1", 1, end)] == world.hooks(hooks.EndSegment)


def test_stream_does_not_end_by_starting() -> None:
    """[LobeHub] Given an idle session, when a run starts and begins, then a stretch opens once, and none ends."""
    world = World().executing()
    assert [hooks.OpenSegment("r1", 1)] == world.hooks(hooks.OpenSegment)
    assert [] == world.hooks(hooks.EndSegment)


def test_stream_that_has_ended_ends_no_second_time() -> None:
    """[LobeHub] Given a turn that is done, when an error is saved after it, then no second end."""
    world = World().executing()
    world.complete("x")
    world.settle(i.Failure("late"))
    assert 1 == len(world.hooks(hooks.EndSegment))


def test_stream_of_a_wait_does_not_end_again_with_the_run() -> None:
    """[LobeHub] Given a wait, whose stretch has ended, when the run is aborted in it, then there is none left to end."""
    world = World().executing()
    world.ask("q1")
    assert [] == of(world.abort(), hooks.EndSegment)


def test_approval_takes_the_same_way_whatever_the_client_saw_of_the_park() -> None:
    """[LobeHub] Given a parked run whose stream ended long ago, when it is approved, then the run itself is resumed."""
    world = World().executing()
    world.park("q1")
    world.wait(3_000)
    step = world.decide("q1")
    assert ["r1"] == [hook.run for hook in of(step, hooks.OfferBegin)]


def test_approval_of_one_of_many_resumes_nothing() -> None:
    """[LobeHub 17838] Given five questions, when one is approved, then no blank siblings: the batch resumes once,
    whole.
    """
    names = [f"q{number}" for number in range(5)]
    world = World().executing()
    world.park(*names)
    for one in names[1:]:
        assert [] == of(world.decide(one), hooks.OfferBegin)
    assert 1 == len(of(world.decide(names[0]), hooks.OfferBegin))
    assert sorted(names) == sorted(answer.request for answer in world.head.answers)


def test_rejection_to_continue_with_siblings_pending_waits_for_them() -> None:
    """[LobeHub 13829] Given a sibling pending, when one is rejected to continue, then the run waits: no next step runs."""
    world = World().executing()
    world.park("q1", "q2")
    world.decide("q1", "reject_and_continue", content="no")
    assert "waiting_for_human" == world.state
    assert [] == world.hooks(hooks.HandAnswers)


def test_continuation_lost_before_its_commit_leaves_the_question_approvable() -> None:
    """[LobeHub] Given a decision whose step was not kept, then the question is open as before, and takes it the next
    time.
    """
    world = World().executing()
    world.park("q1")
    assert world.lose(decision("q1")).reply == Decided("r1", "q1", "decision on q1", "approve")
    assert "waiting_for_human" == world.state
    assert isinstance(world.decide("q1").reply, Decided)
    assert "running" == world.state


def test_continuation_is_reused_and_not_made_twice() -> None:
    """[LobeHub] Given a resumed run whose offer was not taken, when the decision is retried, then no second execution."""
    world = World().executing()
    world.park("q1")
    world.decide("q1")
    slot = world.slot
    world.decide("q1")
    assert slot is world.slot
    assert 2 == len(world.hooks(hooks.OfferBegin))


def test_cancel_keeps_its_first_reason() -> None:
    """[LobeHub] Given a run that was aborted, when it is cancelled for another reason, then the first stays."""
    world = World().executing()
    world.go(i.AbortRun("r1", "ada", "the first"))
    world.go(i.AbortRun("r1", "ada", "the second"))
    world.go(i.Shutdown())
    assert ("the first", "aborted") == (world.ended["r1"].text, world.ended["r1"].cause)


def test_stop_that_lands_before_the_code_has_a_handle_is_not_lost() -> None:
    """[LobeHub 15763] Given a run whose code was just granted, when it is stopped, then signalled, and closing is
    timed.
    """
    world = World().executing()
    step = world.abort()
    assert 1 == len(of(step, hooks.SignalAbort))
    assert "closing" in {one.name for one in world.timers()}


# -- Codex ------------------------------------------------------------------------------------------------------------


def test_interrupt_of_a_turn_that_waits_resolves_its_request_before_the_end() -> None:
    """[Codex] Given a turn waiting for approval, when interrupted, then first the request is resolved, then the end
    told.
    """
    world = World().executing()
    world.ask("q1")
    kinds = [type(hook) for hook in world.abort().hooks]
    assert kinds.index(hooks.WithdrawRequest) < kinds.index(hooks.PublishEnd)


def test_interrupt_of_a_completed_turn_is_told_its_end() -> None:
    """[Codex] Given a completed turn, when it is interrupted, then a typed reply, and the next turn is not touched."""
    world = World().executing("r1")
    world.start("r2")
    world.settle(i.Value("x"))
    world.begin()
    before = world.session
    assert isinstance(world.abort("r1").reply, AlreadyEnded)
    assert world.session is before


def test_pending_requests_stand_for_whoever_attaches() -> None:
    """[Codex, Hermes 53839] Given an open question, when clients come and go, then it is in the value that each is
    given.
    """
    world = World(policy=GRACE).executing()
    world.park(question("q1", expiry=HOUR))
    for client in ("c1", "c2"):
        world.go(i.Attach(client))
        assert ["q1"] == [one.id for one in world.head.requests if one.state == "open"]
        world.go(i.Detached(client))
