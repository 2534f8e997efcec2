"""Questions to humans and their decisions: who, which, when, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle import (
    Approval,
    Busy,
    Choice,
    Conflict,
    Denied,
    FreeText,
    Invalid,
    LifecycleError,
    NotFound,
    Policy,
    RunHandle,
    SignIn,
    answer,
    approve,
    hooks,
    reject,
    reject_and_continue,
)
from lifecycle.kernel.replies import AlreadyClosed, AlreadyEnded, Decided

from .stage import NO_GRACE, Actor, Stage, said, until


async def waiting(stage: Stage, *questions: Any, **choices: Any) -> tuple[RunHandle, Actor, Any]:
    """Start a run that waits in place for answers to these; return its handle, its agent, and what it is told."""
    actor = Actor()
    handle = await stage.start(actor, owner="ada", **choices)
    told = actor.ask(*questions)
    await stage.settle()
    assert "waiting_for_human" == handle.state
    return handle, actor, told


# -- what changes nothing ---------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[type[LifecycleError], Callable[[Any, RunHandle], Any]]] = {
    "another request": (NotFound, lambda runtime, run: run.decide("nope", approve(), by="ada")),
    "another request, with a digest": (NotFound, lambda _, run: run.decide("nope", approve(), by="ada", digest="x")),
    "an empty request id": (NotFound, lambda runtime, run: run.decide("", approve(), by="ada")),
    "another run": (NotFound, lambda runtime, run: runtime.run("s-1", "nope").decide("go", approve(), by="ada")),
    "another session": (NotFound, lambda runtime, run: runtime.run("nope", run.id).decide("go", approve(), by="ada")),
    "an empty text": (Invalid, lambda runtime, run: run.decide("words", answer(""), by="ada")),
    "no value": (Invalid, lambda runtime, run: run.decide("words", answer(None), by="ada")),
    "an empty list": (Invalid, lambda runtime, run: run.decide("words", answer([]), by="ada")),
    "an empty object": (Invalid, lambda runtime, run: run.decide("words", answer({}), by="ada")),
    "no JSON": (Invalid, lambda runtime, run: run.decide("words", answer({1, 2}), by="ada")),
    "too much": (Busy, lambda runtime, run: run.decide("words", answer("x" * 70_000), by="ada")),
    "a choice not offered": (Invalid, lambda runtime, run: run.decide("pick", answer("c"), by="ada")),
    "a choice approved": (Invalid, lambda runtime, run: run.decide("pick", approve(), by="ada")),
    "words approved": (Invalid, lambda runtime, run: run.decide("words", approve(), by="ada")),
    "an approval answered with words": (Invalid, lambda _, run: run.decide("go", answer("no, do not"), by="ada")),
    "an approval answered with false": (Invalid, lambda runtime, run: run.decide("go", answer(False), by="ada")),
    "an approval answered with a number": (Invalid, lambda runtime, run: run.decide("go", answer(0), by="ada")),
    "arguments where none are shown": (Invalid, lambda runtime, run: run.decide("go", answer({"n": 1}), by="ada")),
    "a text of spaces": (Invalid, lambda runtime, run: run.decide("words", answer("  "), by="ada")),
    "an object for words": (Invalid, lambda runtime, run: run.decide("words", answer({"n": 1}), by="ada")),
    "feedback that is no text": (Invalid, lambda _, run: run.decide("go", reject(["no"]), by="ada")),  # type: ignore[arg-type]
    "feedback to continue with that is no text": (
        Invalid,
        lambda _, run: run.decide("go", reject_and_continue({"n": 1}), by="ada"),  # type: ignore[arg-type]
    ),
    "another digest": (Conflict, lambda runtime, run: run.decide("go", approve(), by="ada", digest="what I saw")),
    "a stranger": (Denied, lambda runtime, run: run.decide("go", approve(), by="bob")),
    "a decider of another question": (Denied, lambda runtime, run: run.decide("words", answer("hi"), by="eve")),
}
QUESTIONS = (
    Approval("Go?", id="go", deciders=("eve",)),
    FreeText("Say", id="words"),
    Choice("Pick", options=("a", "b"), id="pick"),
)


@pytest.mark.parametrize("what", WRONG)
async def test_wrong_decision_is_one_clear_error_and_changes_nothing(stage: Stage, what: str) -> None:
    """Given open questions, when a decision about something else or by somebody else comes, then it is one clear error

    of one line with a remedy, nothing has changed, and every question can still be answered.
    """
    runtime = await stage.open()
    handle, actor, told = await waiting(stage, *QUESTIONS)
    before = stage.value()
    kind, decide = WRONG[what]
    with pytest.raises(kind) as error:
        await decide(runtime, handle)
    assert "; " in str(error.value)
    assert "\n" not in str(error.value)
    assert before == stage.value()
    assert ["nope"] not in [view.id for view in runtime.sessions()]
    await handle.decide("go", approve(), by="eve")
    await handle.decide("words", answer("hello"), by="ada")
    await handle.decide("pick", answer("b"), by="ada")
    await stage.settle()
    assert [None, "hello", "b"] == [one.value for one in told.value]
    actor.returns()


# -- once -------------------------------------------------------------------------------------------------------------


async def test_same_decision_many_times_at_once_resumes_once(stage: Stage) -> None:
    """Given one decision sent fifty times at once, then all are told it was taken, and the code goes on once."""
    await stage.open()
    handle, actor, told = await waiting(stage, Approval("Delete?", id="q"))
    replies = await asyncio.gather(*(handle.decide("q", approve(), by="ada") for _ in range(50)))
    assert 1 == len(set(replies))
    assert isinstance(replies[0], Decided)
    await stage.settle()
    assert (1, 1) == (len(stage.hooks(hooks.HandAnswers)), len(told.value))
    assert 2 == stage.value().head.segment  # type: ignore[union-attr]
    actor.returns()


async def test_different_decisions_at_once_resume_once_and_conflict(stage: Stage) -> None:
    """Given different decisions at once, then the first is taken, and each other one is a Conflict that says by whom."""
    await stage.open()
    handle, actor, told = await waiting(stage, Approval("Delete?", id="q", deciders=("eve",)))
    replies = await asyncio.gather(
        handle.decide("q", reject_and_continue("no"), by="eve"),
        handle.decide("q", approve(), by="ada"),
        handle.decide("q", reject(), by="ada"),
        handle.decide("q", reject_and_continue("no"), by="ada"),
        return_exceptions=True,
    )
    assert [Decided, Conflict, Conflict, Conflict] == [type(one) for one in replies]
    assert "eve" in str(replies[1])
    await stage.settle()
    assert ("reject_and_continue", "no", "eve", False) == (
        told.value[0].kind,
        told.value[0].feedback,
        told.value[0].by,
        told.value[0].approved,
    )
    actor.returns()


async def test_decision_id_names_one_decision(stage: Stage) -> None:
    """Given a decision with an id of its own, when that is sent with other content, then it conflicts; same: repeated."""
    await stage.open()
    handle, actor, _ = await waiting(stage, Approval("Delete?", id="q"))
    first = await handle.decide("q", approve(), by="ada", decision_id="d-1")
    assert first == await handle.decide("q", approve(), by="ada", decision_id="d-1")
    with pytest.raises(Conflict):
        await handle.decide("q", reject_and_continue("no"), by="ada", decision_id="d-1")
    with pytest.raises(Conflict):
        await handle.decide("q", approve(), by="ada", decision_id="d-2")
    actor.returns()


async def test_decision_after_the_end_tells_the_end_or_what_was_decided(stage: Stage) -> None:
    """Given a run that ended with one question answered and one open, then late decisions are told, each what holds."""
    await stage.open()
    handle, _, _ = await waiting(stage, Approval("A?", id="a"), Approval("B?", id="b"))
    await handle.decide("a", approve(), by="ada")
    await handle.abort(by="ada", text="enough")
    late = await handle.decide("b", approve(), by="ada")
    assert isinstance(late, AlreadyEnded)
    assert ("interrupted", "aborted", "enough") == (late.state, late.cause, late.text)
    assert isinstance(await handle.decide("a", approve(), by="ada"), Decided)
    with pytest.raises(Conflict):
        await handle.decide("a", reject(), by="ada")
    with pytest.raises(Denied):
        await handle.decide("b", approve(), by="bob")
    with pytest.raises(NotFound):
        await handle.decide("c", approve(), by="ada")


# -- the four decisions -----------------------------------------------------------------------------------------------


async def test_approval_hands_over_what_was_shown(stage: Stage) -> None:
    """Given an approval with arguments, when it is approved, then the code gets exactly those that were shown."""
    await stage.open()
    handle, actor, told = await waiting(stage, Approval("Delete?", args={"paths": ["b", "a"]}, id="q"))
    (request,) = handle.requests
    assert ("q", "approval", "Delete?", {"paths": ["b", "a"]}) == (
        request.id,
        request.kind,
        request.text,
        request.args,
    )
    await handle.decide("q", approve(), by="ada", digest=request.digest)
    await stage.settle()
    (given,) = told.value
    assert (True, {"paths": ["b", "a"]}, "", "ada", False) == (
        given.approved,
        given.value,
        given.feedback,
        given.by,
        given.expired,
    )
    actor.returns()


async def test_approval_with_edited_arguments_hands_over_the_edit(stage: Stage) -> None:
    """Given an approval, when it is answered with other arguments, then it is approved, and with those."""
    await stage.open()
    handle, actor, told = await waiting(stage, Approval("Delete?", args={"paths": ["a", "b"]}, id="q"))
    await handle.decide("q", answer({"paths": ["a"]}), by="ada")
    await stage.settle()
    assert (True, {"paths": ["a"]}) == (told.value[0].approved, told.value[0].value)
    actor.returns()


async def test_rejection_stops_the_run_and_closes_its_siblings(stage: Stage) -> None:
    """Given a batch, when one is rejected, then the run is stopped, the others are withdrawn, and its code is released."""
    runtime = await stage.open()
    handle, actor, _ = await waiting(stage, Approval("A?", id="a"), Approval("B?", id="b"))
    await handle.decide("a", reject('never, "é"'), by="ada")
    end = await handle.wait()
    assert ("stopped", "rejected", "ada", 'never, "é"') == (end.state, end.cause, end.who, end.text)
    how = {hook.request: hook.how for hook in stage.hooks(hooks.WithdrawRequest)}
    assert {"a": "answered", "b": "withdrawn"} == how
    await stage.settle()
    assert (1, 0, "ready") == (actor.cancelled, len(runtime.controllers), runtime.show("s-1").state)


async def test_sign_in_is_approved_once_done(stage: Stage) -> None:
    """Given a question to sign in, then the human sees where, and approving it lets the code go on."""
    await stage.open()
    handle, actor, told = await waiting(stage, SignIn("Sign in", url="https://example.org", id="q"))
    assert "https://example.org" == handle.requests[0].body["url"]
    await handle.decide("q", approve(), by="ada")
    await stage.settle()
    assert told.value[0].approved
    actor.returns()


async def test_choice_offers_its_options(stage: Stage) -> None:
    """Given a choice, then the human sees the options, and the code gets the one that was chosen."""
    await stage.open()
    handle, actor, told = await waiting(stage, Choice("Which?", options=("a", "b"), id="q"))
    assert ("a", "b") == handle.requests[0].options
    await handle.decide("q", answer("b"), by="ada")
    await stage.settle()
    assert ("b", "answer") == (told.value[0].value, told.value[0].kind)
    actor.returns()


# -- batches ----------------------------------------------------------------------------------------------------------


async def test_batch_resumes_when_its_last_question_is_closed(stage: Stage) -> None:
    """Given questions of parallel tools, when they are answered in any order, then each gets its own, all at the last."""
    await stage.open()
    handle, actor, told = await waiting(stage, FreeText("A", id="a"), FreeText("B", id="b"), FreeText("C", id="c"))
    for name in ("c", "a"):
        await handle.decide(name, answer(name.upper()), by="ada")
        await stage.settle()
        assert ("waiting_for_human", False) == (handle.state, told.done)
    await handle.decide("b", answer("B"), by="ada")
    await stage.settle()
    assert ["A", "B", "C"] == [one.value for one in told.value]
    assert {"a", "b", "c"} == set(actor.run.answers)
    actor.returns()


async def test_question_joins_the_open_batch(stage: Stage) -> None:
    """Given a run that waits, when its code asks more, then that joins the batch without a new segment."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor, owner="ada")
    answers: list[Any] = []

    async def several(run: Any) -> None:
        async def one(name: str) -> None:
            answers.append((await run.ask(FreeText("?", id=name))).value)

        first = asyncio.ensure_future(one("a"))
        await until(lambda: handle.requests)
        await asyncio.gather(first, one("b"))

    actor.tell(several)
    await until(lambda: len(handle.requests) == 2)
    assert 1 == len(stage.hooks(hooks.EndSegment))
    await handle.decide("b", answer("B"), by="ada")
    await handle.decide("a", answer("A"), by="ada")
    await stage.settle()
    assert ["A", "B"] == sorted(answers)
    actor.returns()


async def test_question_taken_back_closes_it(stage: Stage) -> None:
    """Given code that takes its question back, then the run goes on, viewers are told, and a decision comes too late."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor, owner="ada")

    async def change_of_mind(run: Any) -> str:
        asking = asyncio.ensure_future(run.ask(Approval("Delete?", id="q")))
        await until(lambda: handle.requests)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: not handle.requests)
        return "went on"

    told = actor.tell(change_of_mind)
    await until(lambda: told.done)
    assert ("went on", "running") == (told.value, handle.state)
    late = await handle.decide("q", approve(), by="ada")
    assert AlreadyClosed(handle.id, "q", "withdrawn") == late
    actor.returns()


async def test_same_question_asked_twice_at_once_is_one_question(stage: Stage) -> None:
    """Given two tools that ask the same under one id, then there is one question, and its answer goes to both."""
    await stage.open()
    handle, actor, told = await waiting(stage, Approval("Delete?", id="q"), Approval("Delete?", id="q"))
    assert 1 == len(handle.requests)
    await handle.decide("q", approve(), by="ada")
    await stage.settle()
    assert [True, True] == [one.approved for one in told.value]
    actor.returns()


async def test_questions_without_ids_are_told_apart(stage: Stage) -> None:
    """Given the same question asked twice, one after another, without an id, then each is asked and answered anew."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor, owner="ada")
    names = []
    for value in ("one", "two"):
        told = actor.ask(FreeText("Again?"))
        await stage.settle()
        names.append(handle.requests[0].id)
        await handle.decide(names[-1], answer(value), by="ada")
        await stage.settle()
        assert value == told.value[0].value
    assert 2 == len(set(names))
    actor.returns()


async def test_questions_beyond_the_limit_are_busy_in_the_code(stage: Stage) -> None:
    """Given a limit of two open questions, when code asks three at once, then the third is Busy, named, and no more."""
    await stage.open(policy=Policy(requests_max=2))
    actor = Actor()
    handle = await stage.start(actor, owner="ada")
    told = actor.tell(
        lambda run: asyncio.gather(*(run.ask(FreeText("?", id=name)) for name in "abc"), return_exceptions=True)
    )
    await stage.settle()
    for name in "ab":
        await handle.decide(name, answer(name), by="ada")
    await stage.settle()
    assert isinstance(told.value[2], Busy)
    assert "requests_max" == told.value[2].limit
    actor.returns()


# -- attached clients -------------------------------------------------------------------------------------------------


async def test_whoever_attaches_sees_every_open_request(stage: Stage) -> None:
    """Given open questions, when a client attaches or looks, then it sees them all, with what it needs to decide."""
    runtime = await stage.open()
    handle, actor, _ = await waiting(stage, *QUESTIONS)
    async with await runtime.attach("s-1") as attachment:
        assert ["go", "words", "pick"] == [request.id for request in attachment.requests]
        assert [one.digest for one in handle.requests] == [one.digest for one in attachment.requests]
        assert ["go", "words", "pick"] == [request.id for request in runtime.show("s-1").runs[0].requests]
    assert 0 == runtime.show("s-1").attached
    await handle.abort(by="ada")
    assert () == handle.requests
    del actor


# -- expiry -----------------------------------------------------------------------------------------------------------


async def test_expired_question_is_a_denial_by_default(stage: Stage) -> None:
    """Given a question nobody answers, when its time is over, then the code gets a denial that says so and goes on."""
    await stage.open(policy=NO_GRACE)
    handle, actor, told = await waiting(stage, Approval("Delete?", id="q", expiry_seconds=60))
    await stage.pass_time(59.9)
    assert "waiting_for_human" == handle.state
    await stage.pass_time(0.1)
    (given,) = told.value
    assert (False, True, "expired") == (given.approved, given.expired, given.kind)
    assert AlreadyClosed(handle.id, "q", "expired") == await handle.decide("q", approve(), by="ada")
    actor.returns()


async def test_expired_question_counts_as_answered_in_its_batch(stage: Stage) -> None:
    """Given a batch of which one expires, then the run waits for the rest, and gets the denial with the last answer."""
    await stage.open(policy=NO_GRACE)
    handle, actor, told = await waiting(stage, FreeText("A", id="a", expiry_seconds=5), FreeText("B", id="b"))
    await stage.pass_time(60)
    assert ["b"] == [request.id for request in handle.requests]
    await handle.decide("b", answer("B"), by="ada")
    await stage.settle()
    assert [True, False] == [one.expired for one in told.value]
    actor.returns()


async def test_expired_question_stops_the_run_if_it_is_to(stage: Stage) -> None:
    """Given a question that is to stop its run, when it expires, then the run is stopped by the timer, with its cause."""
    await stage.open(policy=NO_GRACE)
    handle, actor, _ = await waiting(stage, Approval("?", id="q", expiry_seconds=5, on_expiry="stop"))
    await stage.pass_time(5)
    end = await handle.wait()
    assert ("stopped", "request_expired", "timer expiry") == (end.state, end.cause, end.who)
    assert 1 == actor.cancelled


async def test_expired_question_stays_open_if_it_is_to(stage: Stage) -> None:
    """Given a question that is to be kept, when its time is over, then it stays, without an expiry, and is answered."""
    runtime = await stage.open(policy=NO_GRACE)
    handle, actor, told = await waiting(stage, Approval("?", id="q", expiry_seconds=5, on_expiry="keep"))
    await stage.pass_time(100_000)
    assert ("waiting_for_human", None, []) == (handle.state, handle.requests[0].expires_at, runtime.timers.names())
    await handle.decide("q", approve(), by="ada")
    await stage.settle()
    assert told.value[0].approved
    actor.returns()


async def test_question_has_the_expiry_of_the_policy_unless_it_says_otherwise(stage: Stage) -> None:
    """Given a policy of an hour, then a question expires in an hour, or when it says, or never."""
    await stage.open(policy=Policy(request_expiry_seconds=3_600, orphan_grace_seconds=None))
    handle, actor, _ = await waiting(
        stage,
        FreeText("A", id="a"),
        FreeText("B", id="b", expiry_seconds=60),
        FreeText("C", id="c", expiry_seconds=None),
        FreeText("D", id="d", expiry_seconds=float("inf")),
    )
    now = stage.clock.now()
    left = [None if one.expires_at is None else (one.expires_at - now) // 1_000_000 for one in handle.requests]
    assert [3_600, 60, None, None] == left
    await handle.abort(by="ada")
    del actor


async def test_answer_at_the_very_end_of_its_time_comes_too_late(stage: Stage) -> None:
    """Given a question due now, when the answer arrives at that instant, then the expiry is first: it was due before."""
    await stage.open(policy=NO_GRACE)
    handle, actor, told = await waiting(stage, Approval("?", id="q", expiry_seconds=60))
    late: list[Any] = []

    def answer_now() -> None:
        late.append(asyncio.ensure_future(handle.decide("q", approve(), by="ada")))

    stage.clock.call_at(stage.clock.now() + 60_000_000, answer_now)
    await stage.pass_time(60)
    assert isinstance(await late[0], AlreadyClosed)
    assert told.value[0].expired
    actor.returns()


# -- parked -----------------------------------------------------------------------------------------------------------


async def test_parked_run_leaves_nothing_and_is_called_again_with_its_answers(stage: Stage) -> None:
    """Given code that parks, then no task is left, and the decision calls it again with checkpoint and answers."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, {"folder": "x"}, owner="ada")
    actor.parks({"found": 3}, Approval("Delete?", id="q", args=[1]), FreeText("Why?", id="why"))
    await stage.settle()
    assert ("waiting_for_human", None) == (handle.state, stage.value().execution)
    assert [] == [task for task in asyncio.all_tasks() if task.get_name().startswith("run ")]
    assert runtime.controllers.get("s-1", handle.id) is not None
    await handle.decide("why", answer("because"), by="ada")
    assert 1 == len(actor.grants)
    await handle.decide("q", approve(), by="ada")
    await stage.settle()
    again = actor.run
    assert (2, {"found": 3}, {"folder": "x"}, 1) == (
        len(actor.grants),
        again.checkpoint_data,
        again.input,
        again.attempt,
    )
    assert {"q": [1], "why": "because"} == {name: one.value for name, one in again.answers.items()}
    assert not actor.grants[0].emit("late")
    actor.emit("after")
    actor.returns("done")
    end = await handle.wait()
    assert ("ready", "done") == (end.state, end.result)
    items = [item async for item in handle.frames(segment=2)]
    assert ["after", (2, "ready")] == said(items)


async def test_parked_run_is_aborted_without_code(stage: Stage) -> None:
    """Given a parked run, when it is aborted, then it has ended at once, with nothing to wait for."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    actor.parks(1, Approval("?", id="q"))
    await stage.settle()
    await handle.abort()
    assert ("interrupted", None, 0) == (handle.state, runtime.show("s-1").closing, len(runtime.controllers))
    assert isinstance(await handle.decide("q", approve()), AlreadyEnded)
    await stage.settle()
    assert 1 == len(actor.grants)


async def test_parked_run_keeps_its_place_at_the_head(stage: Stage) -> None:
    """Given a parked head and a queued run, then the queued one waits for the head, not for its code."""
    await stage.open(policy=NO_GRACE)
    actor, behind = Actor(), Actor()
    head = await stage.start(actor)
    queued = await stage.start(behind)
    actor.parks(1, Approval("?", id="q"))
    await stage.pass_time(100)
    assert ("waiting_for_human", "starting", []) == (head.state, queued.state, behind.called)
    await head.decide("q", approve())
    await stage.settle()
    actor.returns()
    await stage.settle()
    assert ("ready", "running") == (head.state, queued.state)
    behind.returns()


async def test_parked_run_parks_again_and_again(stage: Stage) -> None:
    """Given code that parks three times on a question without an id, then each time it is a question of its own."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    names = []
    for turn in range(3):
        actor.parks(turn, Approval("Next?"))
        await stage.settle()
        (request,) = handle.requests
        names.append(request.id)
        await handle.decide(request.id, approve())
        await stage.settle()
        assert (turn, [request.id]) == (actor.run.checkpoint_data, list(actor.run.answers))
    assert 3 == len(set(names))
    assert 4 == stage.value().head.segment  # type: ignore[union-attr]
    actor.returns()
