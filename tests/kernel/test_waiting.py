"""Waiting for a human: batches, expiry, retraction, parking, checkpoints, and answers that were given already."""

from __future__ import annotations

import pytest

from lifecycle import hooks
from lifecycle.kernel import Policy
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Asked, Rejection

from .world import HOUR, SECOND, World, closed_of, of, question, refused


def offered(world: World) -> bool:
    """Say whether somebody may begin now."""
    return world.session is not None and world.session.execution is not None and world.slot.state == "pending"


# -- batches ----------------------------------------------------------------------------------------------------------


def test_ask_ends_the_segment_and_shows_the_questions() -> None:
    """Given code at work, when it asks, then the run waits, its segment ends, and each question is shown and timed."""
    world = World().executing()
    step = world.ask("q1", "q2")
    assert ("waiting_for_human", "executing") == (world.state, world.slot.state)
    assert [hooks.EndSegment("r1", 1, "waiting_for_human")] == of(step, hooks.EndSegment)
    assert ["q1", "q2"] == [hook.request for hook in of(step, hooks.ShowRequest)]
    assert [("expiry", "q1"), ("expiry", "q2")] == [(hook.name, hook.owner) for hook in of(step, hooks.ArmTimer)]
    assert step.reply == Asked(())


def test_ask_of_parallel_tools_joins_the_open_batch() -> None:
    """Given a run that waits, when another tool asks, then its question joins; the run stays, no second segment end."""
    world = World().executing()
    world.ask("q1")
    step = world.ask("q2")
    assert ["q2"] == [hook.request for hook in of(step, hooks.ShowRequest)]
    assert [] == of(step, hooks.EndSegment)
    assert ["q1", "q2"] == [one.id for one in world.head.requests]


@pytest.mark.parametrize("parked", [False, True])
def test_batch_resumes_only_when_every_question_is_closed(parked: bool) -> None:
    """Given three questions, when two are answered, then the run waits on; the third resumes it, in one step, once."""
    world = World().executing()
    if parked:
        world.park("q1", "q2", "q3")
    else:
        world.ask("q1", "q2", "q3")
    for name in ("q2", "q1"):
        step = world.decide(name)
        assert ("waiting_for_human", []) == (world.state, of(step, hooks.OpenSegment))
    step = world.decide("q3")
    assert "running" == world.state
    assert [hooks.OpenSegment("r1", 2)] == of(step, hooks.OpenSegment)
    assert (1, 0) == (len(of(step, hooks.OfferBegin)), len(of(step, hooks.HandAnswers))) if parked else (0, 1)
    assert ["q1", "q2", "q3"] == [answer.request for answer in world.head.answers]


def test_batch_waits_for_a_question_that_joined_late() -> None:
    """Given one question answered and one that joined after, then the answer alone does not resume the run."""
    world = World().executing()
    world.ask("q1", "q2")
    world.decide("q1")
    world.ask("q3")
    world.decide("q2")
    assert "waiting_for_human" == world.state
    world.decide("q3")
    assert "running" == world.state


@pytest.mark.parametrize("how", ["abort", "close", "reject", "complete", "fail", "settle", "report", "interrupt"])
def test_leaving_the_wait_closes_every_question_and_tells_its_viewers(how: str) -> None:
    """Given open questions, when the run leaves by any edge, then all are closed, withdrawn from view, and disarmed."""
    world = World().executing()
    world.ask("q1", "q2")
    slot = world.slot
    step = world.go(
        {
            "abort": i.AbortRun("r1", "ada"),
            "close": i.CloseSession("ada"),
            "reject": i.Decide("r1", "q1", "d", "reject", "ada", "shown q1"),
            "complete": i.RunCompleted("r1", "x", slot.id, slot.token),
            "fail": i.RunFailed("r1", "x", slot.id, slot.token),
            "settle": i.ExecutionSettled(slot.id, slot.token, i.Value("x")),
            "report": i.ProviderReported("gone"),
            "interrupt": i.Shutdown(),
        }[how]
    )
    assert {"q1", "q2"} == {hook.request for hook in of(step, hooks.WithdrawRequest)}
    assert {"q1", "q2"} == set(closed_of(step))
    assert 2 == len(of(step, hooks.DisarmTimer))
    assert [] == [one for one in world.timers() if one.name == "expiry"]


def test_asking_nothing_fails_the_run() -> None:
    """Given code that asks no question, or one id twice, or no known policy, then it has failed, and says why."""
    batches = ((), (question("q1"), question("q1")), (question("q1", on_expiry="shrug"),))
    for batch in batches:
        world = World().executing()
        world.ask(*batch)
        assert ("error", "failed") == world.end()
        assert "agent" == world.ended["r1"].who
        assert world.ended["r1"].text


def test_asking_the_same_name_with_other_content_fails_the_run() -> None:
    """Given an open or an answered question, when its id comes with other content, then the run fails: digest-matches."""
    for answered in (False, True):
        world = World().executing()
        world.ask("q1", "q2")
        if answered:
            world.decide("q1")
        world.ask(question("q1", digest="something else"))
        assert ("error", "failed") == world.end()
        assert "q1" in world.ended["r1"].text


def test_questions_of_a_batch_are_bounded() -> None:
    """Given a batch as large as allowed, when more is asked, then Busy, with the limit, until the batch is closed."""
    world = World(policy=Policy(orphan_grace_seconds=None, requests_max=2)).executing()
    world.ask("q1", "q2")
    before = world.session
    reply = world.ask("q3").reply
    assert isinstance(reply, Rejection)
    assert ("Busy", {"limit": "requests_max", "bound": 2}) == (reply.error, dict(reply.fields))
    assert world.session is before
    world.decide("q1")
    world.decide("q2")
    assert isinstance(world.ask("q3").reply, Asked)


def test_questions_parked_on_are_bounded() -> None:
    """Given code that parks on more questions than allowed, then it has failed, and the limit is named."""
    world = World(policy=Policy(orphan_grace_seconds=None, requests_max=2)).executing()
    world.park("q1", "q2", "q3")
    assert ("error", "failed") == world.end()
    assert "requests_max" in world.ended["r1"].text


# -- questions that have an answer already ----------------------------------------------------------------------------


def test_question_answered_already_gets_its_answer_at_once() -> None:
    """Given an answered question, when the code asks it again, then the reply is the answer, and nobody is asked."""
    world = World().executing()
    world.ask("q1")
    world.decide("q1", "answer", content="blue")
    before = world.session
    reply = world.ask("q1").reply
    assert isinstance(reply, Asked)
    assert [("q1", "blue")] == [(answer.request, answer.content) for answer in reply.answers]
    assert world.session is before


def test_question_asked_twice_is_shown_once() -> None:
    """Given an open question, when the same is asked again, then nothing changes."""
    world = World().executing()
    world.ask("q1")
    before = world.session
    assert world.ask("q1").reply == Asked(())
    assert world.session is before


def test_questions_old_and_new_open_the_new_ones_only() -> None:
    """Given an answered question, when it is asked with a new one, then the new one is shown and the old one replied."""
    world = World().executing()
    world.ask("q1")
    world.decide("q1")
    step = world.ask("q1", "q2")
    assert ["q2"] == [hook.request for hook in of(step, hooks.ShowRequest)]
    assert isinstance(step.reply, Asked)
    assert ["q1"] == [answer.request for answer in step.reply.answers]


def test_question_that_expired_is_answered_by_its_denial() -> None:
    """Given a question that expired, when it is asked again, then the denial is the answer, and nobody is asked."""
    world = World().executing()
    world.ask(question("q1", expiry=5 * SECOND))
    world.wait(6)
    reply = world.ask("q1").reply
    assert isinstance(reply, Asked)
    assert ["expired"] == [answer.kind for answer in reply.answers]


def test_rerun_returns_answers_instead_of_asking_again() -> None:
    """Given a crash after a harmless answer, under rerun, when the new attempt asks the same, then it gets that answer."""
    world = World().executing(on_crash="rerun")
    world.ask(question("q1", kind="choice"))
    world.decide("q1", "answer", content="blue")
    world.go(i.Lost(world.slot.id))
    world.begin()
    reply = world.ask(question("q1", kind="choice")).reply
    assert isinstance(reply, Asked)
    assert ["blue"] == [answer.content for answer in reply.answers]
    assert "running" == world.state


# -- expiry -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parked", [False, True])
def test_expiry_denies_and_continues(parked: bool) -> None:
    """Given deny_and_continue, when the last open question expires, then the run goes on with a denial for it."""
    world = World().executing()
    batch = (question("q1", expiry=5 * SECOND), question("q2", expiry=9 * SECOND))
    if parked:
        world.park(*batch)
    else:
        world.ask(*batch)
    world.wait(6)
    assert "waiting_for_human" == world.state
    world.wait(4)
    assert "running" == world.state
    assert [("q1", "expired"), ("q2", "expired")] == [(one.request, one.kind) for one in world.head.answers]
    assert parked is offered(world)


def test_expiry_counts_as_answered_in_its_batch() -> None:
    """Given one expired and one open question, when the open one is approved, then the run resumes with both."""
    world = World().executing()
    world.ask(question("q1", expiry=5 * SECOND), "q2")
    world.wait(6)
    world.decide("q2")
    assert [("q1", "expired"), ("q2", "approve")] == [(one.request, one.kind) for one in world.head.answers]


def test_expiry_stops_under_the_policy_stop() -> None:
    """Given the policy stop, when one question expires, then the run is stopped, and its siblings are withdrawn."""
    world = World().executing()
    world.ask(question("q1", expiry=5 * SECOND, on_expiry="stop"), "q2")
    (step,) = world.wait(6)
    assert ("stopped", "request_expired") == world.end()
    assert "timer expiry" == world.ended["r1"].who
    assert {"q1": "expired", "q2": "withdrawn"} == closed_of(step)


def test_expiry_under_keep_leaves_a_question_without_one() -> None:
    """Given the policy keep, when the expiry fires, then the question stays open, unarmed, and can be answered later."""
    world = World().executing()
    world.ask(question("q1", expiry=5 * SECOND, on_expiry="keep"))
    (step,) = world.wait(6)
    assert ("waiting_for_human", None) == (world.state, world.timer("expiry"))
    assert [] == of(step, hooks.WithdrawRequest)
    world.wait(1_000_000)
    world.decide("q1")
    assert "running" == world.state


def test_question_without_expiry_waits_for_ever() -> None:
    """Given no expiry, then no timer is armed and a hundred years change nothing."""
    world = World().executing()
    world.ask(question("q1", expiry=None))
    assert [] == list(world.timers())
    world.wait(100 * 365 * 86_400)
    assert "waiting_for_human" == world.state


def test_answer_in_the_last_instant_loses_to_the_expiry() -> None:
    """Given a decision that arrives at the very time of the expiry, then the timer is first: already closed, expired."""
    world = World().executing()
    world.ask(question("q1", expiry=5 * SECOND))
    step = world.go(i.Decide("r1", "q1", "d", "approve", "ada", "shown q1"), after=5)
    assert "AlreadyClosed" == type(step.reply).__name__


# -- retraction -------------------------------------------------------------------------------------------------------


def test_retraction_of_the_last_question_resumes_in_place() -> None:
    """Given code that takes its only question back, then the run goes on, the next segment opens, nothing was answered."""
    world = World().executing()
    world.ask("q1")
    step = world.go(i.RequestRetracted(world.slot.id, world.slot.token, "q1"))
    assert ("running", ()) == (world.state, world.head.answers)
    assert {"q1": "withdrawn"} == closed_of(step)
    assert [hooks.OpenSegment("r1", 2)] == of(step, hooks.OpenSegment)
    assert [hooks.HandAnswers("r1", world.slot.id)] == of(step, hooks.HandAnswers)


def test_retraction_leaves_the_rest_of_the_batch_open() -> None:
    """Given two questions, when one is taken back, then the other is still asked."""
    world = World().executing()
    world.ask("q1", "q2")
    world.go(i.RequestRetracted(world.slot.id, world.slot.token, "q1"))
    assert "waiting_for_human" == world.state
    world.decide("q2")
    assert ["q2"] == [answer.request for answer in world.head.answers]


def test_retraction_of_what_is_not_open_is_stale() -> None:
    """Given no such question, an answered one, a parked run or an old token, then taking it back does nothing."""
    world = World().executing()
    world.ask("q1", "q2")
    slot = world.slot
    world.decide("q1")
    before = world.session
    for late in (("q1", slot.token), ("q9", slot.token), ("q2", slot.token - 1)):
        step = world.go(i.RequestRetracted(slot.id, late[1], late[0]))
        assert "Stale" == type(step.reply).__name__
        assert world.session is before
    parked = World().executing()
    slot = parked.slot
    parked.park("q1")
    step = parked.go(i.RequestRetracted(slot.id, slot.token, "q1"))
    assert "Stale" == type(step.reply).__name__


def test_question_taken_back_can_be_asked_again() -> None:
    """Given a question taken back while others are open, when it is asked again, then it is shown and timed anew."""
    world = World().executing()
    world.ask("q1", "q2")
    world.go(i.RequestRetracted(world.slot.id, world.slot.token, "q1"))
    step = world.ask("q1")
    assert ["q1"] == [hook.request for hook in of(step, hooks.ShowRequest)]
    assert ["q1"] == [hook.owner for hook in of(step, hooks.ArmTimer)]


# -- parking ----------------------------------------------------------------------------------------------------------


def test_parked_run_has_no_execution_and_keeps_its_controller() -> None:
    """Given code that parks, then it waits with checkpoint and questions; nothing is at work, and it can be aborted."""
    world = World().executing()
    step = world.park("q1", checkpoint="page 3")
    assert ("waiting_for_human", "page 3") == (world.state, world.head.checkpoint)
    assert world.session is not None
    assert world.session.execution is None
    assert [] == of(step, hooks.EvictController)
    assert "Aborted" == type(world.abort().reply).__name__


def test_parked_run_is_called_again_with_checkpoint_and_answers() -> None:
    """Given a parked run, when it is answered, then it is offered, granted under a new token, same attempt, and called."""
    world = World().executing()
    old = world.slot
    world.park("q1", checkpoint="page 3")
    world.decide("q1", "answer", content="blue")
    assert ("running", "pending") == (world.state, world.slot.state)
    world.begin()
    assert world.slot.id != old.id
    assert world.slot.token > old.token
    assert [hooks.CallCode("r1", world.slot.id, world.slot.token, 1)] == world.hooks(hooks.CallCode)[1:]
    assert ("page 3", ["blue"]) == (world.head.checkpoint, [answer.content for answer in world.head.answers])
    assert [] == world.hooks(hooks.HandAnswers)


def test_parking_keeps_the_answers_it_is_waiting_beside() -> None:
    """Given a batch of which one is answered, when the code parks on both, then the answer is kept for the next call."""
    world = World().executing()
    world.ask("q1", "q2")
    world.decide("q1")
    world.park("q1", "q2")
    world.decide("q2")
    assert ["q1", "q2"] == [answer.request for answer in world.head.answers]


def test_parking_on_nothing_new_fails_the_run() -> None:
    """Given code that parks on no question, or on answered ones only, then it failed: it would wait for nobody."""
    world = World().executing()
    world.park()
    assert ("error", "failed") == world.end()
    again = World().executing()
    again.ask("q1")
    again.decide("q1")
    again.park("q1")
    assert ("error", "failed") == again.end()
    assert "q1" in again.ended["r1"].text


def test_parking_before_the_grant_fails_the_run() -> None:
    """Given an execution that was never granted, when it is said to have parked, then the run fails."""
    world = World()
    world.start()
    world.go(i.ExecutionSettled(world.slot.id, 0, i.Parked("c", (question("q1"),))))
    assert ("error", "failed") == world.end()


def test_parking_without_a_checkpoint_forgets_no_answer() -> None:
    """Given an approval, when the code parks without a checkpoint, then it starts over with that approval known."""
    world = World().executing()
    world.ask("q1")
    world.decide("q1")
    world.park("q2", checkpoint=None)
    world.decide("q2")
    assert ["q1", "q2"] == [answer.request for answer in world.head.answers]


def test_parking_without_a_checkpoint_does_not_lose_an_earlier_one() -> None:
    """Given a checkpoint, when the code parks without one, then it is taken up from the latest there is."""
    world = World().executing()
    world.checkpoint("page 3")
    world.park("q1", checkpoint=None)
    assert "page 3" == world.head.checkpoint


# -- checkpoints ------------------------------------------------------------------------------------------------------


def test_checkpoint_makes_earlier_answers_the_past() -> None:
    """Given answers, when a checkpoint is reached, then they belong to it and are kept no longer."""
    world = World().executing()
    world.ask("q1")
    world.decide("q1")
    world.checkpoint("page 3")
    assert ("page 3", ()) == (world.head.checkpoint, world.head.answers)


def test_checkpoint_counts_the_questions_before_it() -> None:
    """Given questions before and after a checkpoint, then those before are counted, so that names stay fresh."""
    world = World().executing()
    world.ask("q1", "q2")
    world.decide("q1")
    world.decide("q2")
    world.checkpoint()
    world.ask("q3")
    assert (2, 3) == (world.head.asked, world.head.questions)


def test_checkpoint_of_old_code_is_stale() -> None:
    """Given an old token, a closing execution, or nobody at work, then a checkpoint changes nothing."""
    world = World().executing()
    slot = world.slot
    assert "Stale" == type(world.go(i.Checkpointed(slot.id, slot.token - 1, "old")).reply).__name__
    world.abort()
    before = world.session
    assert "Stale" == type(world.go(i.Checkpointed(slot.id, slot.token, "late")).reply).__name__
    assert world.session is before


def test_checkpoint_of_a_pending_execution_is_stale() -> None:
    """Given an offer that nobody took, when its execution reports with the token 0 that it has, then nothing changes."""
    world = World()
    world.start()
    before = world.session
    for early in (
        i.Checkpointed(world.slot.id, 0, "early"),
        i.RunAsked(world.slot.id, 0, (question("q1"),)),
        i.RequestRetracted(world.slot.id, 0, "q1"),
    ):
        assert "Stale" == type(world.go(early).reply).__name__
        assert world.session is before


def test_asking_of_code_that_is_over_is_stale() -> None:
    """Given a run that has ended while its code works, when that asks, then nobody is asked."""
    world = World().executing()
    slot = world.slot
    world.abort()
    step = world.go(i.RunAsked(slot.id, slot.token, (question("q1"),)))
    assert "Stale" == type(step.reply).__name__
    assert not refused(step, "InvariantBroken")
    assert HOUR > 0
