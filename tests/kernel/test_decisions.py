"""Decisions of humans: the order in which they are judged, and that each is taken once."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle import hooks
from lifecycle.kernel import Policy
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import AlreadyClosed, AlreadyEnded, Decided, Rejection

from .world import World, closed_of, of, question, refused

BY_ADMIN = Policy(orphan_grace_seconds=None, admins=("root",))


def waiting(*names: str, **choices: Any) -> World:
    """Bring a run to wait in place for the questions named."""
    world = World(policy=BY_ADMIN).executing(**choices)
    world.ask(*(names or ("q1",)))
    return world


# -- the order of judgement -------------------------------------------------------------------------------------------
# Each story makes a decision that is wrong in this way and in every later one, so that the order shows.


def test_decision_first_of_all_names_a_run_that_is_known() -> None:
    """Given an unknown run, when a stranger decides with a wrong digest, then NotFound."""
    world = waiting()
    assert refused(world.decide("q1", run="r9", by="eve", digest="wrong"), "NotFound")


def test_decision_first_of_all_names_a_request_that_is_known() -> None:
    """Given an unknown request, when a stranger decides it with a wrong digest, then NotFound."""
    world = waiting()
    assert refused(world.decide("q9", by="eve", digest="wrong"), "NotFound")


def test_decision_is_denied_before_anything_is_told() -> None:
    """Given a request decided already, when a stranger decides it with a wrong digest, then Denied, and no more."""
    world = waiting("q1", "q2")
    world.decide("q1")
    reply = world.decide("q1", by="eve", digest="wrong", decision="other").reply
    assert isinstance(reply, Rejection)
    assert "Denied" == reply.error
    assert "ada" not in reply.fact


def test_decision_sent_twice_gets_the_stored_reply() -> None:
    """Given a decision taken, when the very same comes again, then the same reply, and nothing changes."""
    world = waiting("q1", "q2")
    first = world.decide("q1").reply
    before = world.session
    assert first == Decided("r1", "q1", "decision on q1", "approve") == world.decide("q1").reply
    assert world.session is before


@pytest.mark.parametrize("kind", ["approve", "reject_and_continue", "answer"])
def test_decision_sent_twice_gets_the_stored_reply_after_the_batch_is_closed(kind: str) -> None:
    """Given a batch that closed and a run that went on, when the decision is retried, then the store's record replies."""
    world = waiting()
    first = world.decide("q1", kind, content="words").reply
    before = world.session
    assert first == world.decide("q1", kind, content="words").reply
    assert world.session is before


def test_decision_sent_twice_gets_the_stored_reply_even_after_the_end() -> None:
    """Given a rejection that stopped the run, when it is retried, then the same reply, not already_ended."""
    world = waiting()
    first = world.decide("q1", "reject").reply
    assert ("stopped", "rejected") == world.end()
    assert first == Decided("r1", "q1", "decision on q1", "reject") == world.decide("q1", "reject", run="r1").reply


@pytest.mark.parametrize(
    "other", [{"kind": "reject"}, {"content": "else"}, {"digest": "other"}], ids=["kind", "content", "digest"]
)
def test_decision_id_with_other_content_is_a_conflict(other: dict[str, Any]) -> None:
    """Given a decision taken, when its id comes again with other content, then Conflict, also after the end."""
    world = waiting("q1", "q2")
    world.decide("q1")
    before = world.session
    assert refused(world.decide("q1", **other), "Conflict")
    assert world.session is before
    world.abort()
    assert refused(world.decide("q1", run="r1", **other), "Conflict")


def test_decision_of_something_else_than_was_shown_is_a_conflict() -> None:
    """Given an open request, when what was seen is not what is asked, then Conflict, and it stays open."""
    world = waiting()
    before = world.session
    assert refused(world.decide("q1", digest="shown before the arguments changed"), "Conflict")
    assert world.session is before


def test_decision_with_a_wrong_digest_is_a_conflict_whatever_became_of_the_request() -> None:
    """Given a request that was withdrawn with its run, when another digest decides it, then Conflict comes first."""
    world = waiting()
    world.abort()
    reply = world.decide("q1", run="r1", digest="other").reply
    assert isinstance(reply, Rejection)
    assert "is not what was shown" == reply.fact


def test_decision_after_another_decision_is_a_conflict() -> None:
    """Given a request that one decided, when another decides it, then Conflict tells who did, and how."""
    world = waiting("q1", "q2", deciders=("bob",))
    world.decide("q1", by="bob")
    reply = world.decide("q1", "reject", decision="other").reply
    assert isinstance(reply, Rejection)
    assert ("Conflict", "was decided by 'bob' (approve)") == (reply.error, reply.fact)
    world.decide("q2")
    assert refused(world.decide("q1", "reject", decision="other"), "Conflict")
    world.settle(i.Value("answer"))
    assert refused(world.decide("q1", "reject", decision="other", run="r1"), "Conflict")


@pytest.mark.parametrize("last", [False, True])
def test_decision_on_what_has_expired_is_already_closed(last: bool) -> None:
    """Given a request that expired, the last of its batch or not, when it is decided, then already_closed: expired."""
    world = World(policy=BY_ADMIN).executing()
    world.ask(question("q1", expiry=5_000_000), *(() if last else ("q2",)))
    world.wait(6)
    assert world.decide("q1").reply == AlreadyClosed("r1", "q1", "expired")


@pytest.mark.parametrize("last", [False, True])
def test_decision_on_what_was_taken_back_is_already_closed(last: bool) -> None:
    """Given a question that the agent took back, when it is decided, then already_closed: withdrawn."""
    world = waiting("q1") if last else waiting("q1", "q2")
    world.go(i.RequestRetracted(world.slot.id, world.slot.token, "q1"))
    assert world.decide("q1").reply == AlreadyClosed("r1", "q1", "withdrawn")


def test_decision_on_what_went_with_its_run_tells_the_end() -> None:
    """Given a request whose run was aborted, when it is decided, then already_ended and the cause."""
    world = waiting()
    world.abort()
    assert world.decide("q1", run="r1").reply == AlreadyEnded("r1", "interrupted", "aborted", "ada")


def test_decision_on_what_was_taken_back_before_the_end_tells_that() -> None:
    """Given two questions of which one was taken back before the run ended, then a decision on it is already_closed, and

    one on the other, which went with the run, already_ended.
    """
    world = waiting("q1", "q2")
    world.go(i.RequestRetracted(world.slot.id, world.slot.token, "q1"))
    world.abort()
    assert world.decide("q1", run="r1").reply == AlreadyClosed("r1", "q1", "withdrawn")
    assert world.decide("q2", run="r1").reply == AlreadyEnded("r1", "interrupted", "aborted", "ada")


def test_decision_on_what_expired_before_the_end_tells_that() -> None:
    """Given a request that expired before its run ended, when it is decided, then already_closed comes first."""
    world = World(policy=BY_ADMIN).executing()
    world.ask(question("q1", expiry=5_000_000))
    world.wait(6)
    world.settle(i.Value("answer"))
    assert world.decide("q1", run="r1").reply == AlreadyClosed("r1", "q1", "expired")


# -- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "may"), [("ada", True), ("bob", True), ("carl", True), ("root", True), ("eve", False), ("", False)]
)
def test_decision_needs_the_owner_a_named_decider_or_an_admin(by: str, may: bool) -> None:
    """Given deciders of the run (bob) and of the question (carl), then they, the owner and an admin may; no one else."""
    world = World(policy=BY_ADMIN).executing(deciders=("bob",))
    world.ask(question("q1", deciders=("carl",)), "q2")
    before = world.session
    step = world.decide("q1", by=by)
    assert may is isinstance(step.reply, Decided)
    assert may is (step.session is not before)


def test_decider_of_one_question_may_not_decide_another() -> None:
    """Given a decider named by one question, when he decides its sibling, then Denied."""
    world = World().executing()
    world.ask(question("q1", deciders=("carl",)), "q2")
    assert refused(world.decide("q2", by="carl"), "Denied")


# -- what a decision does ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "content"), [("answer", None), ("answer", ""), ("nonsense", "x"), ("", None)])
def test_decision_that_says_nothing_is_invalid(kind: str, content: str | None) -> None:
    """Given an empty answer or a decision that does not exist, then Invalid, and the request stays open."""
    world = waiting()
    before = world.session
    assert refused(world.decide("q1", kind, content=content), "Invalid")
    assert world.session is before


@pytest.mark.parametrize("kind", ["approve", "reject_and_continue", "answer"])
def test_decision_is_handed_to_the_code_that_waits(kind: str) -> None:
    """Given code that waits in place, when the last question is decided, then it gets exactly that, once."""
    world = waiting()
    step = world.decide("q1", kind, content="words")
    assert [hooks.HandAnswers("r1", world.slot.id)] == of(step, hooks.HandAnswers)
    (answer,) = world.head.answers
    assert ("q1", "decision on q1", kind, "words", "ada") == (
        answer.request,
        answer.decision,
        answer.kind,
        answer.content,
        answer.by,
    )
    assert "running" == world.state


def test_rejection_stops_the_run_and_closes_the_siblings() -> None:
    """Given three questions, when one is rejected, then the run is stopped, that one is answered, the rest withdrawn."""
    world = waiting("q1", "q2", "q3")
    world.decide("q3")
    step = world.decide("q2", "reject", content="no")
    assert ("stopped", "rejected") == world.end()
    assert ("ada", "no") == (world.ended["r1"].who, world.ended["r1"].text)
    assert {"q2": "answered", "q1": "withdrawn"} == closed_of(step)
    assert {("q2", "answered"), ("q1", "withdrawn")} == {(h.request, h.how) for h in of(step, hooks.WithdrawRequest)}
    assert "ready" == world.state


def test_rejection_signals_code_that_waits_in_place() -> None:
    """Given code that waits in place, when it is rejected, then it is signalled and its execution is closing."""
    world = waiting()
    step = world.decide("q1", "reject")
    assert ["rejected"] == [hook.cause for hook in of(step, hooks.SignalAbort)]
    assert "closing" == world.slot.state


def test_rejection_of_a_parked_run_leaves_nothing() -> None:
    """Given a parked run, when it is rejected, then nothing of it is left and the next run is offered at once."""
    world = World().executing()
    world.start("r2")
    world.park("q1")
    step = world.decide("q1", "reject")
    assert ["r2"] == [hook.run for hook in of(step, hooks.OfferBegin)]


def test_decision_names_its_request_and_no_other() -> None:
    """Given two open questions, when the second is approved, then the first stays open (never "the oldest")."""
    world = waiting("q1", "q2")
    step = world.decide("q2")
    assert {"q2": "answered"} == closed_of(step)
    assert ["q1"] == [one.id for one in world.head.requests if one.state == "open"]


def test_decision_on_a_queued_run_is_not_found() -> None:
    """Given a queued run, when somebody decides something of it, then NotFound: it has asked nothing."""
    world = waiting()
    world.start("r2")
    assert refused(world.decide("q1", run="r2"), "NotFound")


def test_decision_races_with_the_abort_and_loses() -> None:
    """Given an abort that was committed first, when the approval comes, then it has no effect and no code is called."""
    world = World().executing()
    world.park("q1")
    world.abort()
    calls = len(world.hooks(hooks.CallCode))
    assert isinstance(world.decide("q1", run="r1").reply, AlreadyEnded)
    assert calls == len(world.hooks(hooks.CallCode))
    assert world.session is not None
    assert world.session.execution is None


def test_decision_retried_is_not_taken_for_the_same_question_asked_anew() -> None:
    """Given a question answered, then asked anew under its id, when the old decision is retried, then it is not taken
    for the new one: a decision is applied at most once.
    """
    world = waiting()
    world.decide("q1")
    world.checkpoint()
    world.ask("q1")
    assert "waiting_for_human" == world.state
    assert world.decide("q1").reply == Decided("r1", "q1", "decision on q1", "approve")
    assert "waiting_for_human" == world.state
    world.decide("q1", decision="the second")
    assert "running" == world.state
