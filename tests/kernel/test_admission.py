"""How runs come into a session: the queue and its modes, its bounds, ids and idempotency keys, incarnations."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle import hooks
from lifecycle.kernel import Policy
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Aborted, Admitted, AlreadyEnded, Granted, Joined, Rejection

from .world import SECOND, World, of, refused, start_run

SMALL = Policy(orphan_grace_seconds=None, queue_max=2)


# -- the first run ----------------------------------------------------------------------------------------------------


def test_start_opens_a_session_that_wears_starting() -> None:
    """Given nothing, when a run is started, then session and run are there in one step, with an offer to begin."""
    world = World()
    step = world.start()
    assert step.reply == Admitted("r1", 1, queued=False)
    assert ("starting", "starting", 1) == (world.state, world.head.state, world.slot.id)
    assert [type(hook) for hook in step.hooks] == [hooks.RegisterController, hooks.OpenSegment, hooks.OfferBegin]


def test_start_calls_no_code() -> None:
    """Given a started run, then its code is called by the grant of begin and by nothing before."""
    world = World()
    world.start()
    world.wait(60)
    assert [] == world.hooks(hooks.CallCode)
    assert world.begin().reply == Granted("r1", 1, 2)
    assert [hooks.CallCode("r1", 1, 2, 1)] == world.hooks(hooks.CallCode)


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ("when_busy", "steer"),
        ("when_busy", ""),
        ("on_crash", "retry"),
        ("deadline_us", 0),
        ("deadline_us", -1),
        ("queue_deadline_us", 0),
    ],
)
def test_start_refuses_a_choice_that_does_not_exist(choice: str, value: Any) -> None:
    """Given a choice or a time that makes no sense, then it is Invalid and no session is opened."""
    world = World()
    step = world.start(**{choice: value})
    assert refused(step, "Invalid")
    assert step.session is None


# -- queue modes ------------------------------------------------------------------------------------------------------


def test_queue_is_first_in_first_out() -> None:
    """Given a busy session, when runs are enqueued, then each becomes the head when the one before has ended."""
    world = World().executing("r1")
    assert world.start("r2").reply == Admitted("r2", 1, queued=True)
    world.start("r3")
    assert ("r2", "r3") == world.queue
    seen = []
    for _ in range(3):
        seen.append(world.head.spec.id)
        if world.slot.state == "pending":
            world.begin()
        world.settle(i.Value("answer"))
    assert ["r1", "r2", "r3"] == seen
    assert "ready" == world.state


def test_queue_promotes_in_the_step_that_ends_the_head() -> None:
    """Given a queued run, when the head's code returns, then in the same step the next is head, and offered."""
    world = World().executing("r1")
    world.start("r2")
    step = world.settle(i.Value("answer"))
    assert "r2" == world.head.spec.id
    assert [hooks.OfferBegin("r2", world.slot.id)] == of(step, hooks.OfferBegin)
    assert "starting" == world.state


def test_queued_run_may_not_begin() -> None:
    """Given a queued run, when somebody begins it, then it is Refused and nothing changes."""
    world = World().executing("r1")
    world.start("r2")
    before = world.session
    step = world.go(i.Begin("r2", world.slot.id))
    assert refused(step, "Refused")
    assert step.session is before


def test_queue_refuses_what_is_beyond_its_bound() -> None:
    """Given a full queue, then the next input is Busy, names the limit and its bound, and changes nothing."""
    world = World(policy=SMALL).executing("r1")
    world.start("r2")
    world.start("r3")
    before = world.session
    reply = world.start("r4").reply
    assert isinstance(reply, Rejection)
    assert "Busy" == reply.error
    assert {"limit": "queue_max", "bound": 2} == dict(reply.fields)
    assert world.session is before


def test_queue_bound_is_free_again_when_a_run_has_ended() -> None:
    """Given a full queue, when one of its runs is aborted, then there is room for one."""
    world = World(policy=SMALL).executing("r1")
    world.start("r2")
    world.start("r3")
    world.abort("r2")
    assert world.start("r4").reply == Admitted("r4", 1, queued=True)
    assert ("r3", "r4") == world.queue


def test_reject_is_busy_while_a_run_is_unfinished() -> None:
    """Given an unfinished run, when input comes with when_busy=reject, then Busy; at rest it is admitted."""
    world = World().executing("r1")
    before = world.session
    assert refused(world.start("r2", when_busy="reject"), "Busy")
    assert world.session is before
    world.settle(i.Value("answer"))
    assert world.start("r2", when_busy="reject").reply == Admitted("r2", 1, queued=False)


def test_reject_is_admitted_behind_closing_code() -> None:
    """Given a run that has ended while its code still works, then nothing is unfinished, so reject admits, unoffered."""
    world = World().executing("r1")
    world.abort("r1")
    assert world.start("r2", when_busy="reject").reply == Admitted("r2", 1, queued=False)
    assert "closing" == world.slot.state


def test_interrupt_aborts_the_head_and_goes_first() -> None:
    """Given a head and a queue, when newer input interrupts, then the head ends superseded and the newest is next."""
    world = World().executing("r1")
    world.start("r2")
    step = world.start("r3", when_busy="interrupt")
    assert ("interrupted", "superseded") == world.end("r1")
    assert "ada" == world.ended["r1"].who
    assert "r3" == world.head.spec.id
    assert ("r2",) == world.queue
    assert [] == of(step, hooks.OfferBegin)  # the code of r1 has not returned
    offers = of(world.settle(), hooks.OfferBegin)
    assert ["r3"] == [offer.run for offer in offers]


def test_interrupt_of_a_head_that_has_not_begun_is_offered_at_once() -> None:
    """Given a head whose offer nobody took, when it is interrupted, then its offer is taken back and a new one made."""
    world = World()
    world.start("r1")
    step = world.start("r2", when_busy="interrupt")
    assert [hooks.WithdrawOffer("r1", 1)] == of(step, hooks.WithdrawOffer)
    assert [hooks.OfferBegin("r2", 2)] == of(step, hooks.OfferBegin)


def test_interrupt_of_a_waiting_head_settles_its_questions() -> None:
    """Given a parked head, when it is interrupted, then its question is withdrawn and the new run starts."""
    world = World().executing("r1")
    world.park("q1")
    step = world.start("r2", when_busy="interrupt")
    assert [hooks.WithdrawRequest("r1", "q1", "withdrawn")] == of(step, hooks.WithdrawRequest)
    assert ("r2", "starting") == (world.head.spec.id, world.state)


def test_interrupt_with_a_full_queue_aborts_nothing() -> None:
    """Given a full queue, when input interrupts, then Busy, and the head goes on."""
    world = World(policy=SMALL).executing("r1")
    world.start("r2")
    world.start("r3")
    before = world.session
    assert refused(world.start("r4", when_busy="interrupt"), "Busy")
    assert world.session is before


def test_interrupt_by_one_who_may_not_abort_the_head_is_enqueued() -> None:
    """Given ada's head, when bob interrupts, then nothing is aborted and his run waits at the end of the queue."""
    world = World().executing("r1")
    world.start("r2")
    assert world.start("r3", owner="bob", when_busy="interrupt").reply == Admitted("r3", 1, queued=True)
    assert "r1" == world.head.spec.id
    assert ("r2", "r3") == world.queue
    assert {} == world.ended


def test_interrupt_by_an_admin_aborts_the_head() -> None:
    """Given ada's head, when an admin interrupts, then it is aborted."""
    world = World(policy=Policy(orphan_grace_seconds=None, admins=("root",))).executing("r1")
    world.start("r2", owner="root", when_busy="interrupt")
    assert ("interrupted", "superseded") == world.end("r1")


def test_interrupt_of_an_idle_session_just_starts() -> None:
    """Given nothing to interrupt, then the run is admitted as head."""
    world = World()
    assert world.start("r1", when_busy="interrupt").reply == Admitted("r1", 1, queued=False)


# -- ids and keys -----------------------------------------------------------------------------------------------------


def test_key_names_one_run_while_it_is_unfinished() -> None:
    """Given a run under a key, when the same content comes again under it, then it joins, head or queued; no second
    run.
    """
    world = World().executing("r1", key="msg-1")
    world.start("r2", key="msg-2")
    before = world.session
    assert world.start("r9", key="msg-1", digest="digest of r1").reply == Joined("r1")
    assert world.start("r9", key="msg-2", digest="digest of r2").reply == Joined("r2")
    assert world.session is before


def test_key_replays_the_end_of_its_run() -> None:
    """Given a run that ended under a key, when the retry comes, then it hears the end, with the result; nothing runs."""
    world = World().executing("r1", key="msg-1")
    world.settle(i.Value("42"))
    before = world.session
    reply = world.start("r9", key="msg-1", digest="digest of r1").reply
    assert reply == AlreadyEnded("r1", "ready", "completed", "agent", "", "42")
    assert world.session is before


@pytest.mark.parametrize("ended", [False, True])
def test_key_with_other_content_is_a_conflict(ended: bool) -> None:
    """Given a key in use, or used, when other content comes under it, then Conflict and nothing changes."""
    world = World().executing("r1", key="msg-1")
    if ended:
        world.settle(i.Value("42"))
    before = world.session
    assert refused(world.start("r9", key="msg-1", digest="other"), "Conflict")
    assert world.session is before


def test_key_of_refused_input_is_not_bound() -> None:
    """Given input that was Busy, when it comes again under its key, with other content, then it is admitted."""
    world = World(policy=SMALL).executing("r1")
    assert refused(world.start("r2", key="msg-2", when_busy="reject"), "Busy")
    assert world.start("r2", key="msg-2", digest="other").reply == Admitted("r2", 1, queued=True)


def test_key_joins_even_if_the_queue_is_full() -> None:
    """Given a full queue, when a retry comes under the key of a queued run, then it joins instead of being Busy."""
    world = World(policy=SMALL).executing("r1")
    world.start("r2", key="msg-2")
    world.start("r3")
    assert world.start("r9", key="msg-2", digest="digest of r2", when_busy="reject").reply == Joined("r2")


def test_key_is_kept_over_incarnations() -> None:
    """Given a closed session, when the retry of an earlier input comes, then it hears that end and opens nothing."""
    world = World().executing("r1", key="msg-1")
    world.go(i.CloseSession("ada"))
    reply = world.start("r9", key="msg-1", digest="digest of r1").reply
    assert isinstance(reply, AlreadyEnded)
    assert ("stopped", "closed") == (reply.state, reply.cause)
    assert "stopped" == world.state


@pytest.mark.parametrize("ended", [False, True])
def test_run_id_names_one_run(ended: bool) -> None:
    """Given a run id that is or was in use, when it comes again, then Conflict."""
    world = World().executing("r1")
    if ended:
        world.settle(i.Value("42"))
    assert refused(world.start("r1"), "Conflict")


# -- aborting what waits ----------------------------------------------------------------------------------------------


def test_abort_of_a_queued_run_leaves_the_head_alone() -> None:
    """Given a head at work, when a queued run is aborted, then only that one ends, signalled, and nobody is moved."""
    world = World().executing("r1")
    world.start("r2")
    world.start("r3")
    step = world.abort("r2")
    assert step.reply == Aborted(("r2",))
    assert ("interrupted", "aborted") == world.end("r2")
    assert ("running", "executing", ("r3",)) == (world.state, world.slot.state, world.queue)
    assert ["r2"] == [hook.run for hook in of(step, hooks.SignalAbort)]
    assert "session" not in {machine for machine, *_ in step.moves}


def test_abort_of_the_head_lets_the_queue_go_on() -> None:
    """Given a queue, when the head is aborted, then the next run is head in the same step and begins after its code."""
    world = World().executing("r1")
    world.start("r2")
    world.abort("r1")
    assert ("r2", "starting", "closing") == (world.head.spec.id, world.state, world.slot.state)
    world.settle()
    assert isinstance(world.begin().reply, Granted)


def test_abort_session_ends_what_the_caller_may_abort() -> None:
    """Given runs of two owners, when one aborts the session, then his end, oldest first, and the other's go on."""
    world = World().executing("r1")
    world.start("r2", owner="bob")
    world.start("r3")
    assert world.go(i.AbortSession("ada")).reply == Aborted(("r1", "r3"))
    assert ("r2", ()) == (world.head.spec.id, world.queue)


def test_abort_session_by_one_who_may_abort_the_queue_only() -> None:
    """Given a head of ada's, when bob aborts the session, then his queued run ends and the head works on."""
    world = World().executing("r1")
    world.start("r2", owner="bob")
    assert world.go(i.AbortSession("bob")).reply == Aborted(("r2",))
    assert ("running", "executing") == (world.state, world.slot.state)


def test_abort_session_replies() -> None:
    """Given no session, a stranger, an old incarnation, or nothing unfinished, then each gets its own reply."""
    world = World()
    assert refused(world.go(i.AbortSession("ada")), "NotFound")
    world.executing("r1")
    assert refused(world.go(i.AbortSession("bob")), "Denied")
    assert "Stale" == type(world.go(i.AbortSession("ada", incarnation=7)).reply).__name__
    world.settle(i.Value("answer"))
    assert "NothingToDo" == type(world.go(i.AbortSession("ada")).reply).__name__


def test_abort_by_a_stranger_is_denied_and_changes_nothing() -> None:
    """Given ada's run, when bob aborts it, then Denied, alive; when an admin does, it ends, and he is named."""
    world = World(policy=Policy(orphan_grace_seconds=None, admins=("root",))).executing("r1")
    before = world.session
    assert refused(world.abort("r1", by="bob"), "Denied")
    assert world.session is before
    assert world.abort("r1", by="root").reply == Aborted(("r1",))
    assert "root" == world.ended["r1"].who


def test_abort_of_an_unknown_run_is_not_found() -> None:
    """Given no such run, then NotFound, with or without a session."""
    world = World()
    assert refused(world.abort("r9"), "NotFound")
    world.start("r1")
    assert refused(world.abort("r9"), "NotFound")


# -- closing and the next incarnation ---------------------------------------------------------------------------------


def test_close_stops_every_run_and_the_session_in_one_step() -> None:
    """Given a head and a queue, when the session is closed, then all end stopped (closed) and so does the session."""
    world = World(policy=Policy()).executing("r1")
    world.start("r2")
    step = world.go(i.CloseSession("ada", "enough"))
    assert step.reply == Aborted(("r1", "r2"))
    assert {("stopped", "closed")} == {world.end("r1"), world.end("r2")}
    assert ("stopped", None, ()) == (world.state, world.timer("orphan"), world.queue)
    assert world.session is not None
    assert "closed" == world.session.cause
    assert "enough" == world.ended["r1"].text


def test_close_replies() -> None:
    """Given no session, another's run, an old incarnation, or a closed one, then each gets its own reply."""
    world = World()
    assert refused(world.go(i.CloseSession("ada")), "NotFound")
    world.executing("r1")
    world.start("r2", owner="bob")
    assert refused(world.go(i.CloseSession("ada")), "Denied")
    assert "Stale" == type(world.go(i.CloseSession("ada", incarnation=2)).reply).__name__
    world.abort("r2", by="bob")
    world.go(i.CloseSession("ada", incarnation=1))
    assert "NothingToDo" == type(world.go(i.CloseSession("ada")).reply).__name__


def test_closed_session_takes_nothing_but_a_start() -> None:
    """Given a stopped session, then an attach is Refused with its cause, and a start opens the next incarnation."""
    world = World().executing("r1")
    world.settle(i.Value("answer"))
    world.go(i.CloseSession("ada"))
    reply = world.go(i.Attach("c1")).reply
    assert isinstance(reply, Rejection)
    assert {"accepted": ("StartRun",), "cause": "closed"} == dict(reply.fields)
    assert world.start("r2").reply == Admitted("r2", 2, queued=False)


def test_next_incarnation_inherits_closing_code() -> None:
    """Given a session closed while its code works, when it is opened again, then the new run begins after that code."""
    world = World().executing("r1")
    old = world.slot
    world.go(i.CloseSession("ada"))
    step = world.start("r2")
    assert (2, "closing", old.id) == (
        world.session.incarnation if world.session else 0,
        world.slot.state,
        world.slot.id,
    )
    assert [] == of(step, hooks.OfferBegin)
    assert ["r2"] == [offer.run for offer in of(world.settle(i.Value("late")), hooks.OfferBegin)]
    assert ("stopped", "closed") == world.end("r1")


def test_next_incarnation_is_not_reached_by_facts_of_the_last() -> None:
    """Given a new incarnation, when the old one's code reports, asks and completes, then all is stale."""
    world = World().executing("r1")
    old = world.slot
    world.go(i.CloseSession("ada"))
    world.start("r2")
    before = world.session
    for late in (
        i.RunCompleted("r1", "late", old.id, old.token),
        i.RunFailed("r1", "late", old.id, old.token),
        i.RunAsked(old.id, old.token, ()),
        i.Checkpointed(old.id, old.token, "late"),
        i.AbortSession("ada", incarnation=1),
    ):
        assert "Stale" == type(world.go(late).reply).__name__
        assert world.session is before


def test_revision_counts_over_incarnations() -> None:
    """Given a session opened again, then its revision goes on, so that no token is ever given twice."""
    world = World().executing("r1")
    world.go(i.CloseSession("ada"))
    assert world.session is not None
    closed_at = world.session.revision
    world.start("r2")
    assert closed_at + 1 == world.session.revision
    assert closed_at + 1 == world.head.spec.admitted


def test_start_in_another_session_does_not_rename_this_one() -> None:
    """Given a stopped session, when a start names another session, then it is not opened under that name."""
    world = World().executing("r1")
    world.go(i.CloseSession("ada"))
    world.go(start_run("r2", session="other"))
    assert world.session is not None
    assert "s" == world.session.id


# -- the queue deadline -----------------------------------------------------------------------------------------------


def test_queue_deadline_stops_a_run_that_did_not_begin() -> None:
    """Given a queue deadline, when it passes before begin, in the queue or as head, then the run is stopped, once."""
    world = World().executing("r1")
    world.start("r2", queue_deadline_us=30 * SECOND)
    world.wait(29)
    assert ("r2",) == world.queue
    world.wait(2)
    assert ("stopped", "queue_deadline") == world.end("r2")
    assert "timer queue_deadline" == world.ended["r2"].who
    world.settle(i.Value("answer"))
    world.start("r3", queue_deadline_us=30 * SECOND)
    world.wait(31)
    assert ("stopped", "queue_deadline") == world.end("r3")
    assert "ready" == world.state


def test_queue_deadline_is_given_back_by_begin() -> None:
    """Given a run that begins in time, then the queue deadline is disarmed and never fires."""
    world = World()
    world.start("r1", queue_deadline_us=30 * SECOND)
    armed = world.timer("queue_deadline")
    step = world.begin()
    assert [hooks.DisarmTimer("queue_deadline", "r1", armed.token)] == of(step, hooks.DisarmTimer)
    world.wait(60)
    assert "running" == world.state


def test_queue_deadline_runs_from_admission_through_promotion() -> None:
    """Given a queued run that becomes head, then its queue deadline stays the one it was admitted with."""
    world = World().executing("r1")
    world.start("r2", queue_deadline_us=30 * SECOND)
    armed = world.timer("queue_deadline")
    world.wait(20)
    world.settle(i.Value("answer"))
    assert armed == world.timer("queue_deadline")


@pytest.mark.parametrize("queued", [True, False], ids=["queued", "head"])
def test_queue_deadline_goes_on_over_a_crash(queued: bool) -> None:
    """Given a run that was not begun, when the process dies 20 s after its start, then 10 of its 30 s are left."""
    world = World().executing("r1") if queued else World()
    world.start("r2", queue_deadline_us=30 * SECOND)
    due = world.timer("queue_deadline").due
    world.wait(20)
    step = world.crash()
    armed = world.timer("queue_deadline")
    assert (due, world.now + 10 * SECOND) == (armed.due, armed.due)
    assert hooks.ArmTimer("queue_deadline", "r2", due, armed.token) in of(step, hooks.ArmTimer)


def test_queue_deadline_is_of_the_first_attempt_only() -> None:
    """Given a run that is run again after a crash, then its queue deadline is not armed again."""
    world = World().executing("r1", queue_deadline_us=30 * SECOND, on_crash="rerun")
    world.go(i.Lost(world.slot.id))
    assert ("starting", 2) == (world.head.state, world.head.attempt)
    assert world.timer("queue_deadline") is None
