"""Executions: begin, settle, closing and abandoning, crashes and losses, and what a provider says."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle import hooks
from lifecycle.kernel import Policy
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import AlreadyEnded, Granted

from .world import NO_GRACE, SECOND, World, of, question, refused


def name(step: Any) -> str:
    """Name the reply of a step."""
    return type(step.reply).__name__


# -- begin ------------------------------------------------------------------------------------------------------------


def test_begin_is_granted_once() -> None:
    """Given an offer, when two ask to begin, then the first is granted with a fresh token and the second Refused."""
    world = World()
    world.start()
    assert world.begin().reply == Granted("r1", 1, 2)
    before = world.session
    assert refused(world.begin(), "Refused")
    assert world.session is before
    assert 1 == len(world.hooks(hooks.CallCode))


def test_begin_names_the_offer_it_takes() -> None:
    """Given an offer, when an older one is taken, then Refused: it was for another execution."""
    world = World()
    world.start()
    assert refused(world.go(i.Begin("r1", 99)), "Refused")


def test_begin_of_an_ended_run_is_told_the_end() -> None:
    """Given a run aborted before its grant, when it is begun, then already_ended, and the code is never called."""
    world = World()
    world.start()
    world.abort()
    reply = world.go(i.Begin("r1", 1)).reply
    assert isinstance(reply, AlreadyEnded)
    assert ("interrupted", "aborted") == (reply.state, reply.cause)
    assert [] == world.hooks(hooks.CallCode)


def test_begin_of_an_unknown_run_is_not_found() -> None:
    """Given no such run, then NotFound, with or without a session."""
    world = World()
    assert refused(world.go(i.Begin("r1", 1)), "NotFound")
    world.start()
    assert refused(world.go(i.Begin("r9", 1)), "NotFound")


def test_begin_of_a_parked_run_is_refused() -> None:
    """Given a parked run, then nothing is pending, and nobody may begin it before it is answered."""
    world = World().executing()
    old = world.slot.id
    world.park("q1")
    assert refused(world.go(i.Begin("r1", old)), "Refused")


# -- settling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "end", "value", "text"),
    [
        (i.Value("42"), ("ready", "completed"), "42", ""),
        (i.Value(None), ("ready", "completed"), None, ""),
        (i.Failure("it broke"), ("error", "failed"), None, "it broke"),
        (None, ("error", "failed"), None, "its code settled without a result"),
    ],
    ids=["value", "no value", "failure", "nothing"],
)
def test_settling_moves_the_run_in_the_same_step(result: Any, end: Any, value: Any, text: str) -> None:
    """Given code at work, when it returns, then its result ends the run in that step; without one the run fails."""
    world = World().executing()
    world.settle(result)
    assert (end, value, text) == (world.end(), world.ended["r1"].result, world.ended["r1"].text)
    assert world.session is not None
    assert (end[0], None) == (world.state, world.session.execution)


def test_settling_while_waiting_in_place_ends_the_run() -> None:
    """Given code that asked in place, when it returns instead of waiting, then its result ends the run."""
    world = World().executing()
    world.ask("q1")
    world.settle(i.Value("42"))
    assert ("ready", "completed") == world.end()


def test_settling_of_a_pending_execution_fails_its_run() -> None:
    """Given an offer whose call was skipped, when it is settled ungranted, then the run fails and the queue goes on."""
    world = World()
    world.start("r1")
    world.start("r2")
    world.go(i.ExecutionSettled(world.slot.id, 0))
    assert ("error", "failed") == world.end()
    assert ("r2", "pending") == (world.head.spec.id, world.slot.state)


def test_settling_twice_is_stale() -> None:
    """Given code that has returned, when it is said to return again, then nothing changes."""
    world = World().executing()
    slot = world.slot
    world.settle(i.Value("42"))
    before = world.session
    assert "Stale" == name(world.go(i.ExecutionSettled(slot.id, slot.token, i.Failure("late"))))
    assert world.session is before
    assert ("ready", "completed") == world.end()


def test_late_result_of_an_aborted_run_changes_nothing_of_its_end() -> None:
    """Given an aborted run, when its code returns an answer after all, then the end stays, and only the slot is freed."""
    world = World().executing()
    world.abort()
    ended = world.ended["r1"]
    step = world.settle(i.Value("42"))
    assert (ended, ()) == (world.ended["r1"], step.ended)
    assert ["EvictController"] == [
        type(hook).__name__ for hook in step.hooks if not isinstance(hook, hooks.DisarmTimer)
    ]
    assert "interrupted" == world.state


def test_result_of_closing_code_does_not_touch_the_next_run() -> None:
    """Given an interrupted run whose code still works, when that fails, then the run after it is not failed."""
    world = World().executing("r1")
    world.start("r2", when_busy="interrupt")
    world.settle(i.Failure("it was torn down"))
    assert ("r2", "starting") == (world.head.spec.id, world.state)


# -- reports of the run -----------------------------------------------------------------------------------------------


def test_completion_ends_the_run_and_leaves_its_code_closing() -> None:
    """Given code that reports its answer and works on, then the run is ready, and the execution has its closing grace."""
    world = World().executing()
    step = world.complete("42")
    assert (("ready", "completed"), "42") == (world.end(), world.ended["r1"].result)
    assert "closing" == world.slot.state
    assert ["closing"] == [hook.name for hook in of(step, hooks.ArmTimer)]
    assert [] == of(step, hooks.EvictController)


def test_completion_is_published_once() -> None:
    """Given a run reported complete, when its code returns, fails, or reports again, then no second end is published."""
    world = World().executing()
    slot = world.slot
    world.complete("42")
    assert "Stale" == name(world.go(i.RunCompleted("r1", "43", slot.id, slot.token)))
    assert "Stale" == name(world.go(i.RunFailed("r1", "late", slot.id, slot.token)))
    world.settle(i.Failure("late"))
    assert [hooks.PublishEnd("r1", "ready", "completed")] == world.hooks(hooks.PublishEnd)


def test_completion_of_a_head_in_starting_needs_no_execution() -> None:
    """Given a head whose offer nobody took, when its answer is reported, then it is ready and its code never called."""
    world = World()
    world.start()
    step = world.go(i.RunCompleted("r1", "42"))
    assert ("ready", "completed") == world.end()
    assert 1 == len(of(step, hooks.WithdrawOffer))
    assert [] == world.hooks(hooks.CallCode)


def test_completion_of_a_queued_run_is_stale() -> None:
    """Given a queued run, when somebody reports its answer or failure, then nothing changes: only a head completes."""
    world = World().executing("r1")
    world.start("r2")
    before = world.session
    assert "Stale" == name(world.go(i.RunCompleted("r2", "42")))
    assert "Stale" == name(world.go(i.RunFailed("r2", "x")))
    assert world.session is before


@pytest.mark.parametrize("bears", [(None, None), (1, None), (1, 1), (99, 2)], ids=str)
def test_completion_of_executing_code_bears_its_token(bears: tuple[int | None, int | None]) -> None:
    """Given code at work, when a report bears no token, an old one, or another execution, then it is stale."""
    world = World().executing()
    before = world.session
    assert (1, 2) == (world.slot.id, world.slot.token)
    assert "Stale" == name(world.go(i.RunCompleted("r1", "42", *bears)))
    assert "Stale" == name(world.go(i.RunFailed("r1", "x", *bears)))
    assert world.session is before


@pytest.mark.parametrize("parked", [False, True])
def test_completion_that_names_an_old_execution_is_stale(parked: bool) -> None:
    """Given a head that is pending or parked, when a report names an execution that is over, then nothing changes."""
    world = World().executing()
    world.park("q1")
    if not parked:
        world.decide("q1")
    before = world.session
    assert "Stale" == name(world.go(i.RunCompleted("r1", "42", 1)))
    assert "Stale" == name(world.go(i.RunFailed("r1", "x", 1)))
    assert world.session is before


def test_facts_of_unknown_runs_and_executions_are_stale() -> None:
    """Given facts about what is not there, with and without a session, then each is stale and changes nothing."""
    for world in (World(), World().executing()):
        before = world.session
        for fact in (
            i.RunCompleted("r9", "x"),
            i.RunFailed("r9", "x"),
            i.RunAsked(99, 99, (question("q1"),)),
            i.RequestRetracted(99, 99, "q1"),
            i.Checkpointed(99, 99, "x"),
            i.ExecutionSettled(99, 99, i.Value("x")),
            i.Lost(99),
            i.TimerFired("deadline", "r9", (1, 0)),
            i.TimerFired("nonsense", "r1", (1, 0)),
            i.Detached("c9"),
            i.ProviderReported("ready", "r9"),
            i.ProviderReported("ready", None, 99),
        ):
            assert "Stale" == name(world.go(fact)), fact
            assert world.session is before


# -- closing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["abort", "complete", "deadline"])
def test_closing_code_is_abandoned_after_its_grace(how: str) -> None:
    """Given code that does not return after its run's end, when the grace passes, then it is given up and reported."""
    world = World().executing(deadline_us=5 * SECOND)
    if how == "deadline":
        world.wait(5)
    else:
        world.go(i.AbortRun("r1", "ada")) if how == "abort" else world.complete()
    assert "closing" == world.slot.state
    slot = world.slot
    world.wait(9)
    assert "closing" == world.slot.state
    (step,) = world.wait(2)
    assert [hooks.ReportAbandoned("r1", slot.id)] == of(step, hooks.ReportAbandoned)
    assert [hooks.EvictController("r1", 1)] == of(step, hooks.EvictController)
    assert world.session is not None
    assert world.session.execution is None


def test_closing_code_holds_up_the_next_run_until_it_is_over() -> None:
    """Given code that closes, then the next run waits in starting, unoffered, and is offered when that is over."""
    for ends in ("settle", "abandon", "lost"):
        world = World().executing("r1")
        world.start("r2")
        world.abort("r1")
        assert [] == [hook for hook in world.hooks(hooks.OfferBegin) if hook.run == "r2"]
        if ends == "abandon":
            world.wait(11)
        else:
            world.go(i.Lost(world.slot.id)) if ends == "lost" else world.settle()
        assert ["r2"] == [hook.run for hook in world.hooks(hooks.OfferBegin) if hook.run == "r2"]
        assert ("pending", "r2") == (world.slot.state, world.slot.run)


def test_closing_code_that_returns_in_time_is_not_abandoned() -> None:
    """Given code that returns within the grace, then the timer is disarmed, the controller evicted, nothing reported."""
    world = World().executing()
    world.abort()
    step = world.settle()
    assert 1 == len(of(step, hooks.EvictController)) == len(of(step, hooks.DisarmTimer))
    world.wait(60)
    assert [] == world.hooks(hooks.ReportAbandoned)


def test_abandoned_code_that_returns_at_last_is_stale() -> None:
    """Given abandoned code, when it returns while the next run works, then that is not disturbed."""
    world = World().executing("r1")
    old = world.slot
    world.start("r2")
    world.abort("r1")
    world.wait(11)
    world.begin()
    before = world.session
    assert "Stale" == name(world.go(i.ExecutionSettled(old.id, old.token, i.Failure("late"))))
    assert world.session is before


def test_controller_of_closing_code_guards_until_it_is_over() -> None:
    """Given an ended run whose code works, then its controller stays, and goes with the code, exactly once."""
    world = World().executing()
    step = world.abort()
    assert [hooks.SignalAbort("r1", 1, "aborted")] == of(step, hooks.SignalAbort)
    assert [] == of(step, hooks.EvictController)
    world.settle()
    assert [hooks.EvictController("r1", 1)] == world.hooks(hooks.EvictController)


# -- shutdown ---------------------------------------------------------------------------------------------------------


def test_shutdown_aborts_executing_code_only() -> None:
    """Given code at work and a queue, when the process shuts down, then that run is interrupted; queued ones stay."""
    world = World().executing("r1")
    world.start("r2")
    world.go(i.Shutdown())
    assert ("interrupted", "shutdown") == world.end("r1")
    assert ("r2", "starting") == (world.head.spec.id, world.head.state)


@pytest.mark.parametrize("where", ["nothing", "pending", "parked", "resumed", "closing", "rest"])
def test_shutdown_leaves_what_does_not_execute(where: str) -> None:
    """Given no code at work, when the process shuts down, then nothing changes: it can all be taken up again."""
    world = World()
    if where != "nothing":
        world.start()
    if where not in ("nothing", "pending"):
        world.begin()
    if where in ("parked", "resumed"):
        world.park("q1")
    if where == "resumed":
        world.decide("q1")
    if where == "closing":
        world.abort()
    if where == "rest":
        world.settle(i.Value("x"))
    before = world.session
    assert "NothingToDo" == name(world.go(i.Shutdown()))
    assert world.session is before


def test_shutdown_aborts_code_that_waits_in_place() -> None:
    """Given code that waits in place, when the process shuts down, then it executes, so it is interrupted."""
    world = World().executing()
    world.ask("q1")
    world.go(i.Shutdown())
    assert ("interrupted", "shutdown") == world.end()


# -- provider reports -------------------------------------------------------------------------------------------------

ENDS = {
    "ready": ("ready", "provider_ready", "ready"),
    "interrupted": ("interrupted", "provider_interrupted", "interrupted"),
    "stopped": ("stopped", "provider_stopped", "ready"),
    "error": ("error", "provider_error", "error"),
    "gone": ("error", "provider_gone", "error"),
}


@pytest.mark.parametrize("report", ENDS)
@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_provider_report_ends_a_head_that_executes(report: str, waiting: bool, named: bool) -> None:
    """Given code at work, even waiting in place, when the provider reports, then its run ends so, the session with it."""
    world = World().executing()
    if waiting:
        world.ask("q1")
    run, execution = ("r1", world.slot.id) if named else (None, None)
    world.go(i.ProviderReported(report, run, execution, text="words"))
    state, cause, rest = ENDS[report]
    assert ((state, cause), rest) == (world.end(), world.state)
    assert "words" == world.ended["r1"].text
    assert "closing" == world.slot.state


@pytest.mark.parametrize("report", ENDS)
@pytest.mark.parametrize("where", ["nothing", "rest", "pending", "parked", "resumed", "closing", "stopped"])
def test_provider_report_leaves_alone_what_does_not_execute(report: str, where: str) -> None:
    """Given a head that is starting, pending or parked, or none, when the provider reports, then nothing changes."""
    world = World()
    if where != "nothing":
        world.start()
    if where not in ("nothing", "pending"):
        world.begin()
    if where in ("parked", "resumed"):
        world.park("q1")
    if where == "resumed":
        world.decide("q1")
    if where == "closing":
        world.abort()
        world.start("r2")
    if where in ("rest", "stopped"):
        world.settle(i.Value("x"))
    if where == "stopped":
        world.go(i.CloseSession("ada"))
    before = world.session
    assert "Stale" == name(world.go(i.ProviderReported(report)))
    assert world.session is before


@pytest.mark.parametrize("report", ENDS)
def test_provider_report_of_another_run_or_execution_is_stale(report: str) -> None:
    """Given code at work, when a report names another run or an older execution, then nothing changes."""
    world = World().executing()
    before = world.session
    for names in (("r9", None), (None, 99), ("r1", 99), ("r9", world.slot.id)):
        assert "Stale" == name(world.go(i.ProviderReported(report, *names)))
        assert world.session is before


def test_provider_advice_changes_no_state() -> None:
    """Given code at work, when the provider warns, then it works on (T3 Code 1261: a warning is not an end)."""
    world = World().executing()
    before = world.session
    assert "Stale" == name(world.go(i.ProviderReported("error", advisory=True, text="slow today")))
    assert world.session is before


def test_provider_report_that_means_nothing_changes_nothing() -> None:
    """Given code at work, when a report is none of the five, then it is answered and nothing changes."""
    world = World().executing()
    before = world.session
    step = world.go(i.ProviderReported("nonsense"))
    assert step.session is before
    assert name(step) in ("Stale", "Rejection")


def test_provider_report_lets_the_queue_go_on() -> None:
    """Given a queue, when the provider says that it stopped, then the next run begins once the code is over."""
    world = World().executing("r1")
    world.start("r2")
    world.go(i.ProviderReported("stopped"))
    world.settle()
    assert isinstance(world.begin().reply, Granted)


# -- losses -----------------------------------------------------------------------------------------------------------

CRASHES = ("lost", "recovered")


def crash(world: World, how: str) -> Any:
    """Lose the worker: one execution of it, or the whole process."""
    return world.go(i.Lost(world.slot.id)) if how == "lost" else world.crash()


@pytest.mark.parametrize("how", CRASHES)
@pytest.mark.parametrize("waiting", [False, True], ids=["running", "waiting in place"])
@pytest.mark.parametrize(
    ("on_crash", "end"), [("interrupt", ("interrupted", "crashed")), ("error", ("error", "crashed_out"))]
)
def test_loss_of_executing_code_ends_its_run_by_policy(how: str, waiting: bool, on_crash: str, end: Any) -> None:
    """Given code at work, even waiting in place, when its worker is lost, then the run ends as its policy says."""
    world = World().executing(on_crash=on_crash)
    if waiting:
        world.ask("q1", "q2")
    world.start("r2")
    crash(world, how)
    assert end == world.end("r1")
    assert ("r2", "pending") == (world.head.spec.id, world.slot.state)


@pytest.mark.parametrize("how", CRASHES)
@pytest.mark.parametrize("waiting", [False, True], ids=["running", "waiting in place"])
def test_loss_of_executing_code_runs_it_again_from_its_checkpoint(how: str, waiting: bool) -> None:
    """Given on_crash=rerun, when the worker is lost, then a new attempt is offered: next segment, checkpoint, answers."""
    world = World().executing(on_crash="rerun")
    world.checkpoint("page 3")
    world.ask("q1")
    world.decide("q1", "reject_and_continue", content="no")
    if waiting:
        world.ask("q2")
    old = world.slot
    step = crash(world, how)
    run = world.head
    assert ("starting", "starting", 2, "page 3") == (world.state, run.state, run.attempt, run.checkpoint)
    assert ["q1"] == [answer.request for answer in run.answers]
    assert run.requests == ()
    assert [run.segment] == [hook.segment for hook in of(step, hooks.OpenSegment)]
    if not waiting:
        assert ["rerun"] == [hook.reason for hook in of(step, hooks.EndSegment)]
    assert world.slot.id != old.id
    world.begin()
    assert 2 == world.hooks(hooks.CallCode)[-1].attempt


@pytest.mark.parametrize("how", CRASHES)
def test_reruns_are_bounded(how: str) -> None:
    """Given three attempts at most, when the third is lost, then the run is in error, crashed_out."""
    world = World(policy=Policy(orphan_grace_seconds=None, attempts_max=3)).executing(on_crash="rerun")
    for attempt in (2, 3):
        crash(world, how)
        assert attempt == world.head.attempt
        world.begin()
    crash(world, how)
    assert ("error", "crashed_out") == world.end()


@pytest.mark.parametrize("how", CRASHES)
@pytest.mark.parametrize("kind", ["approve", "answer"])
def test_run_with_an_approval_and_no_later_checkpoint_is_not_run_again(how: str, kind: str) -> None:
    """Given an approval that a tool may have acted on, when the worker is lost, then interrupted, not run twice."""
    world = World().executing(on_crash="rerun")
    world.ask("q1")
    world.decide("q1", kind, content="edited arguments")
    crash(world, how)
    assert ("interrupted", "crashed") == world.end()


@pytest.mark.parametrize("how", CRASHES)
def test_run_with_an_approval_in_an_open_batch_is_not_run_again(how: str) -> None:
    """Given an approval whose batch is still open, when the worker is lost, then interrupted: code may know of it."""
    world = World().executing(on_crash="rerun")
    world.ask("q1", "q2")
    world.decide("q1")
    crash(world, how)
    assert ("interrupted", "crashed") == world.end()


@pytest.mark.parametrize("how", CRASHES)
def test_run_with_an_approval_before_its_checkpoint_is_run_again(how: str) -> None:
    """Given an approval and a later checkpoint, when the worker is lost, then it is run again from there."""
    world = World().executing(on_crash="rerun")
    world.ask("q1")
    world.decide("q1")
    world.checkpoint("done with that")
    crash(world, how)
    assert ("starting", 2) == (world.head.state, world.head.attempt)


@pytest.mark.parametrize("how", CRASHES)
def test_run_parked_without_checkpoint_after_an_approval_is_not_run_again(how: str) -> None:
    """Given an approval, then a park without a checkpoint, when the worker is lost, then it is not run again."""
    world = World().executing(on_crash="rerun")
    world.ask("q1")
    world.decide("q1")
    world.park(question("q2", kind="choice"), checkpoint=None)
    world.decide("q2", "answer", content="blue")
    world.begin()
    crash(world, how)
    assert ("interrupted", "crashed") == world.end()


@pytest.mark.parametrize("how", CRASHES)
def test_loss_of_a_pending_execution_lets_it_go_on(how: str) -> None:
    """Given an offer, and answers that nobody took up yet, when the worker is lost, then it is offered again, as it
    was.
    """
    world = World().executing()
    world.park("q1", checkpoint="page 3")
    world.decide("q1")
    before = world.slot
    step = crash(world, how)
    assert before == world.slot
    assert [hooks.OfferBegin("r1", before.id)] == of(step, hooks.OfferBegin)
    assert ("running", "page 3", ["q1"]) == (
        world.state,
        world.head.checkpoint,
        [answer.request for answer in world.head.answers],
    )
    assert isinstance(world.begin().reply, Granted)


@pytest.mark.parametrize("how", CRASHES)
def test_loss_of_closing_code_settles_it(how: str) -> None:
    """Given code that closes, when its worker is lost, then it is over, and the next run is offered."""
    world = World().executing("r1")
    world.start("r2")
    world.abort("r1")
    crash(world, how)
    assert ("pending", "r2") == (world.slot.state, world.slot.run)
    assert [] == world.hooks(hooks.ReportAbandoned)


def test_loss_of_an_old_execution_is_stale() -> None:
    """Given a rerun, when the first execution is lost again, then nothing changes."""
    world = World().executing(on_crash="rerun")
    old = world.slot.id
    world.go(i.Lost(old))
    before = world.session
    assert "Stale" == name(world.go(i.Lost(old)))
    assert world.session is before


# -- recovery ---------------------------------------------------------------------------------------------------------


def test_recovery_leaves_a_parked_run_answerable() -> None:
    """Given a parked run, when the process dies, then question and expiry stand, and an answer resumes it."""
    world = World().executing()
    world.park(question("q1", expiry=100 * SECOND))
    armed = world.timer("expiry")
    world.wait(40)
    step = world.crash()
    again = world.timer("expiry")
    assert armed.due == again.due
    assert armed.token != again.token
    assert [hooks.ArmTimer("expiry", "q1", again.due, again.token)] == of(step, hooks.ArmTimer)
    assert [] == of(step, hooks.ShowRequest)
    world.decide("q1")
    assert "running" == world.state


def test_recovery_ends_open_segments_and_opens_the_next() -> None:
    """Given a head and a queue that had not begun, when the process dies, then each stretch ends and the next opens."""
    world = World()
    world.start("r1")
    world.start("r2")
    step = world.crash()
    assert {("r1", 1, "recovery"), ("r2", 1, "recovery")} == {
        (hook.run, hook.segment, hook.reason) for hook in of(step, hooks.EndSegment)
    }
    assert {("r1", 2), ("r2", 2)} == {(hook.run, hook.segment) for hook in of(step, hooks.OpenSegment)}


def test_recovery_registers_the_controllers_that_are_held() -> None:
    """Given a head and a queue, when the process dies, then their controllers are registered anew, the dead one's not."""
    world = World().executing("r1")
    world.start("r2")
    world.start("r3")
    step = world.crash()
    assert ["r2", "r3"] == sorted(hook.run for hook in of(step, hooks.RegisterController))
    assert ("interrupted", "crashed") == world.end("r1")


def test_recovery_continues_the_queue_in_order() -> None:
    """Given a queue, when the process dies in mid-turn, then the next run is head before any new input is taken."""
    world = World().executing("r1")
    world.start("r2")
    world.start("r3")
    world.crash()
    assert ("r2", ("r3",)) == (world.head.spec.id, world.queue)


def test_recovery_takes_the_policy_of_the_new_process() -> None:
    """Given another policy in the new process, then the session lives under it from then on."""
    world = World().executing()
    other = Policy(queue_max=5)
    world.crash(other)
    assert world.session is not None
    assert other == world.session.policy


def test_recovery_may_crash_itself() -> None:
    """Given a recovery that dies at once, and another, then what is owed is the same, and no attempt is used up."""
    world = World()
    world.start("r1", queue_deadline_us=100 * SECOND)
    world.crash()
    world.crash()
    assert ("starting", 1, "pending") == (world.head.state, world.head.attempt, world.slot.state)
    assert 100 * SECOND == world.timer("queue_deadline").due
    assert isinstance(world.begin().reply, Granted)


def test_recovery_of_a_session_at_rest() -> None:
    """Given a session at rest, a stopped one, or none, then recovery arms the orphan timer, is stale, or NotFound."""
    world = World(policy=Policy())
    assert refused(world.crash(), "NotFound")
    world.executing().settle(i.Value("x"))
    step = world.crash()
    assert ["orphan"] == [hook.name for hook in of(step, hooks.ArmTimer)]
    world.go(i.CloseSession("ada"))
    assert "Stale" == name(world.crash())


def test_recovery_of_a_stopped_session_settles_its_closing_code() -> None:
    """Given a session closed while its code works, when the process dies, then the slot is free and it stays stopped."""
    world = World().executing()
    world.go(i.CloseSession("ada"))
    world.crash()
    assert world.session is not None
    assert ("stopped", None) == (world.state, world.session.execution)


@pytest.mark.parametrize("crashes", range(1, 5))
def test_recovery_never_runs_a_granted_call_twice_without_being_told_to(crashes: int) -> None:
    """Given the default policy, when a process dies between grant and call, any number of times, then called once."""
    world = World(policy=NO_GRACE).executing()
    for _ in range(crashes):
        world.crash()
    assert ("interrupted", "crashed") == world.end()
    assert 1 == len(world.hooks(hooks.CallCode))


# -- a fact that broke an invariant -----------------------------------------------------------------------------------


def test_set_aside_fails_the_head_by_the_shortest_way() -> None:
    """Given a fact that could not be committed, then the head fails with what was wrong, and the queue goes on."""
    world = World().executing("r1")
    world.start("r2")
    world.go(i.SetAside("session-wears-head"))
    assert (("error", "failed"), "session-wears-head") == (world.end("r1"), world.ended["r1"].text)
    assert "r2" == world.head.spec.id
    empty = World()
    assert "Stale" == name(empty.go(i.SetAside("x")))
