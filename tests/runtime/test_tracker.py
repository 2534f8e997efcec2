"""The tracker: runs kept for somebody who has a loop of their own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lifecycle import (
    Approval,
    Frame,
    FreeText,
    Invalid,
    NotFound,
    Park,
    Policy,
    Refused,
    RunAborted,
    Tracker,
    answer,
    approve,
    hooks,
)
from lifecycle.kernel.inputs import Begin, RunAsked
from lifecycle.kernel.replies import AlreadyEnded, Stale

from .stage import NO_GRACE, Stage, gathered, said, turns


async def opened(stage: Stage, **choices: Any) -> Any:
    """Open a tracker."""
    return await stage.open(kind=Tracker, **({"policy": NO_GRACE} | choices))


async def test_own_loop_reports_a_whole_run(stage: Stage) -> None:
    """Given an own loop, when it admits, begins, emits, asks, keeps, and settles, then all of that is tracked."""
    tracker = await opened(stage)
    run = await tracker.admit("my agent", {"n": 1}, session="s-1", key="k", owner="ada")
    assert ("starting", "my agent") == (run.state, tracker.show("s-1").runs[0].agent)
    grant = await tracker.begin(run)
    assert ("running", {"n": 1}, 1, False) == (run.state, grant.input, grant.attempt, grant.signal.aborted)
    assert grant.emit("before")
    asking = asyncio.ensure_future(grant.ask(Approval("Delete?", id="q")))
    assert "waiting_for_human" == await run.wait_for("waiting_for_human")
    await run.decide("q", approve(), by="ada")
    assert (await asking).approved
    await grant.checkpoint({"at": 1})
    assert grant.emit("after")
    await grant.settle({"found": 3})
    end = await run.wait()
    assert ("ready", "completed", {"found": 3}) == (end.state, end.cause, end.result)
    assert ["before", (1, "waiting_for_human"), "after", (2, "ready")] == said(await gathered(run.follow()))
    assert 0 == len(tracker.controllers)


async def test_own_loop_waits_for_its_turn(stage: Stage) -> None:
    """Given a queue, when each loop asks to begin at once, then each gets its grant when it is its turn, in order."""
    tracker = await opened(stage)
    runs = [await tracker.admit("a", session="s-1") for _ in range(4)]
    order: list[str] = []

    async def loop(run: Any) -> None:
        grant = await tracker.begin(run)
        order.append(grant.id)
        assert 1 == sum(one.state == "running" for one in runs)
        await turns(3)
        await grant.settle(run.id)

    await asyncio.gather(*(loop(run) for run in reversed(runs)))
    assert [run.id for run in runs] == order


async def test_begin_of_a_run_that_ended_first_is_aborted(stage: Stage) -> None:
    """Given a loop that waits for its turn, when its run is aborted meanwhile, then it is told by RunAborted, with the

    cause; so is one that asks after the end.
    """
    tracker = await opened(stage)
    head = await tracker.admit("a", session="s-1")
    queued = await tracker.admit("a", session="s-1")
    waiting = asyncio.ensure_future(tracker.begin(queued))
    await turns(5)
    assert not waiting.done()
    await queued.abort()
    for beginning in (waiting, tracker.begin(queued)):
        with pytest.raises(RunAborted) as aborted:
            await beginning
        assert (queued.id, "aborted") == (aborted.value.run, aborted.value.cause)
    grant = await tracker.begin(head)
    await grant.settle()
    with pytest.raises(RunAborted) as aborted:
        await tracker.begin(head)
    assert "completed" == aborted.value.cause


async def test_begin_of_an_unknown_run_is_not_found(stage: Stage) -> None:
    """Given a run that never was, when somebody begins it, then it is not found, and nothing of it is kept."""
    tracker = await opened(stage)
    await tracker.admit("a", session="s-1")
    lines = len(tracker._lines)
    for handle in (tracker.run("nope", "r-1"), tracker.run("s-1", "nope")):
        with pytest.raises(NotFound):
            await asyncio.wait_for(tracker.begin(handle), 5)
    assert lines == len(tracker._lines)


async def test_begin_twice_is_granted_once(stage: Stage) -> None:
    """Given two loops that begin one run, then one of them gets the grant; the other hears when the run is over."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    both = [asyncio.ensure_future(tracker.begin(run)) for _ in range(2)]
    await stage.settle()
    granted = [one for one in both if one.done() and one.exception() is None]
    assert 1 == len(granted)
    await granted[0].result().settle()
    (other,) = [one for one in both if one not in granted]
    with pytest.raises((RunAborted, Refused)):
        await asyncio.wait_for(other, 5)
    assert 1 == len(stage.hooks(hooks.CallCode))


async def test_begin_that_waits_is_refused_when_the_tracker_closes(stage: Stage) -> None:
    """Given a loop that waits for its turn, when the tracker closes, then it is refused and not left to wait."""
    tracker = await opened(stage)
    await tracker.admit("a", session="s-1")
    queued = await tracker.admit("a", session="s-1")
    waiting = asyncio.ensure_future(tracker.begin(queued))
    await turns(5)
    await stage.close()
    with pytest.raises(Refused):
        await asyncio.wait_for(waiting, 5)


async def test_own_loop_parks_and_is_granted_again(stage: Stage) -> None:
    """Given a loop that parks, when the question is answered, then it begins again, with checkpoint and answers."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run)
    await grant.settle(Park({"at": 1}, (FreeText("Name?", id="name"),)))
    assert "waiting_for_human" == run.state
    beginning = asyncio.ensure_future(tracker.begin(run))
    await turns(10)
    assert not beginning.done()
    await run.decide("name", answer("ada"))
    again = await beginning
    assert ({"at": 1}, "ada") == (again.checkpoint_data, again.answers["name"].value)
    assert not grant.emit("late")
    with pytest.raises(RunAborted):
        await grant.checkpoint("late")
    await again.settle("done")
    assert "done" == run.end().result  # type: ignore[union-attr]


async def test_own_loop_reports_how_it_ended_before_it_has_unwound(stage: Stage) -> None:
    """Given a loop that says how its run ended, then that is the end; what it settles with later frees the slot only."""
    tracker = await opened(stage)
    first = await tracker.admit("a", session="s-1")
    second = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(first)
    await grant.complete("answer")
    assert ("ready", first.id) == (first.state, tracker.show("s-1").closing)
    await grant.settle("other")
    assert "answer" == first.end().result  # type: ignore[union-attr]
    grant = await tracker.begin(second)
    await grant.fail("it broke")
    await grant.settle_failed("later")
    assert ("error", "it broke") == (second.state, second.end().text)  # type: ignore[union-attr]
    assert None is tracker.show("s-1").closing
    third = await tracker.admit("a", session="s-1")
    await (await tracker.begin(third)).settle_failed("raised")
    assert ("error", "raised") == (third.state, third.end().text)  # type: ignore[union-attr]


async def test_own_loop_is_signalled_and_given_up(stage: Stage) -> None:
    """Given a loop at work, when its run is aborted, then its signal says so at once, and it is given up in time."""
    tracker = await opened(stage, policy=Policy(closing_grace_seconds=10, orphan_grace_seconds=None))
    run = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run)
    waiting = asyncio.ensure_future(grant.signal.wait())
    await turns()
    await run.abort()
    assert ("aborted", True) == (await waiting, grant.signal.aborted)
    assert not grant.emit("late")
    await stage.pass_time(10)
    assert 1 == tracker.counters["abandoned"]
    await grant.settle("late")
    assert "interrupted" == run.state


async def test_begin_unasked_is_refused_or_told_the_end(stage: Stage) -> None:
    """Given a loop that begins what is not its turn, by the bare input, then it is refused, or told that it has ended."""
    tracker = await opened(stage)
    head = await tracker.admit("a", session="s-1")
    queued = await tracker.admit("a", session="s-1")
    for given in (Begin(queued.id, 1), Begin(head.id, 99)):
        with pytest.raises(Refused):
            await tracker.posted("s-1", given)
    await head.abort()
    assert isinstance(await tracker.posted("s-1", Begin(head.id, 1)), AlreadyEnded)
    assert [] == stage.hooks(hooks.CallCode)


async def test_worker_that_is_lost_ends_its_run_by_policy(stage: Stage) -> None:
    """Given a worker reported lost, then its run is ended or offered again by policy, once; a second report is stale."""
    tracker = await opened(stage)
    for on_crash, state in (("interrupt", "interrupted"), ("error", "error"), ("rerun", "starting")):
        run = await tracker.admit("a", session=on_crash, on_crash=on_crash)
        grant = await tracker.begin(run)
        await tracker.lost(on_crash, grant.execution)
        assert state == run.state
        assert isinstance(await tracker.lost(on_crash, grant.execution), Stale)
        assert grant.signal.aborted == (on_crash != "rerun")
    again = await tracker.begin(tracker.run("rerun", run.id))
    assert (2, True) == (again.attempt, again.execution > grant.execution)
    assert not grant.emit("late")
    await again.settle()


async def test_worker_lost_before_it_began_is_offered_again(stage: Stage) -> None:
    """Given a pending execution whose worker is lost, then the offer is made once more, and the run begins, once."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    execution = stage.value().execution
    assert execution is not None
    await tracker.lost("s-1", execution.id)
    assert 2 == len(stage.hooks(hooks.OfferBegin))
    await (await tracker.begin(run)).settle()
    assert "ready" == run.state


@pytest.mark.parametrize(
    ("report", "state", "cause"),
    [
        ("ready", "ready", "provider_ready"),
        ("interrupted", "interrupted", "provider_interrupted"),
        ("stopped", "stopped", "provider_stopped"),
        ("error", "error", "provider_error"),
        ("gone", "error", "provider_gone"),
    ],
)
async def test_provider_report_ends_a_head_at_work_and_no_other(
    stage: Stage, report: str, state: str, cause: str
) -> None:
    """Given a provider that reports, then a head at work ends with that cause; one that has not begun, is parked, or is

    another, stays, and the session is never stopped by it.
    """
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    assert isinstance(await tracker.provider_reported("s-1", report), Stale)
    grant = await tracker.begin(run)
    await grant.settle(Park(1, (Approval("?", id="q"),)))
    assert isinstance(await tracker.provider_reported("s-1", report), Stale)
    await run.decide("q", approve())
    grant = await tracker.begin(run)
    for stale in ({"run": "another"}, {"execution": grant.execution - 1}, {"advisory": True, "text": "slow today"}):
        assert isinstance(await tracker.provider_reported("s-1", report, **stale), Stale)
    assert ("running", 5) == (run.state, tracker.counters["stale"])
    await tracker.provider_reported("s-1", report, run=run.id, execution=grant.execution, text="says so")
    end = await run.wait()
    assert (state, cause, "says so") == (end.state, end.cause, end.text)
    assert ("ready" if state == "stopped" else state) == tracker.show("s-1").state
    assert grant.signal.aborted
    await grant.settle()


async def test_provider_report_that_is_none_is_refused(stage: Stage) -> None:
    """Given a report that is none of the five, or about no session, then it is an error and nothing has changed."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run)
    with pytest.raises(Exception, match="nonsense"):
        await tracker.provider_reported("s-1", "nonsense")
    assert isinstance(await tracker.provider_reported("nope", "ready"), Stale)
    assert "running" == run.state
    await grant.settle()


async def test_parallel_questions_of_an_own_loop(stage: Stage) -> None:
    """Given a loop that asks twice at once, then both are open, and each gets its own answer when the batch is closed."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run)
    asking = asyncio.gather(grant.ask(FreeText("A", id="a")), grant.ask(FreeText("B", id="b")))
    await stage.settle()
    await run.decide("b", answer("B"))
    await run.decide("a", answer("A"))
    assert ["A", "B"] == [one.value for one in await asking]
    await grant.settle()


async def test_facts_with_an_old_token_do_nothing(stage: Stage) -> None:
    """Given a fact that bears another token, then it is stale, nothing has changed, and it is counted."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run)
    before = stage.value()
    assert isinstance(await tracker.posted("s-1", RunAsked(grant.execution, grant.token - 1, ())), Stale)
    assert (before, 1, 1) == (stage.value(), tracker.counters["stale"], tracker.counters["no_ops"])
    await grant.settle()


async def test_own_loop_that_asks_nothing_fails_its_run(stage: Stage) -> None:
    """Given a loop that waits for a human without a question, in place or parked, then its run has failed, and says so."""
    tracker = await opened(stage)
    for place in ("in place", "parked"):
        run = await tracker.admit("a", session=place)
        grant = await tracker.begin(run)
        if place == "in place":
            await tracker.posted(place, RunAsked(grant.execution, grant.token, ()))
            assert grant.signal.aborted
        await grant.settle(Park(1, ()))
        end = await run.wait()
        assert ("error", "failed") == (end.state, end.cause)
        assert "asked nothing" in end.text
        assert None is tracker.show(place).closing


async def test_own_loop_that_crashed_takes_its_run_up_again(stage: Stage) -> None:
    """Given a tracker whose process died at work and one that had not begun, then the next can begin both again."""
    tracker = await opened(stage)
    at_work = await tracker.admit("a", session="s-1", on_crash="rerun")
    await tracker.begin(at_work)
    pending = await tracker.admit("a", session="s-2")
    await stage.crash()
    tracker = await opened(stage)
    for handle, attempt in ((tracker.run("s-1", at_work.id), 2), (tracker.run("s-2", pending.id), 1)):
        grant = await tracker.begin(handle)
        assert attempt == grant.attempt
        assert grant.emit("again")
        await grant.settle()
        assert "ready" == handle.state
        assert any(isinstance(item, Frame) for item in await gathered(handle.follow()))


# -- handles ----------------------------------------------------------------------------------------------------------


async def test_handle_of_an_unknown_run_is_not_found_by_whatever_is_asked(stage: Stage) -> None:
    """Given a handle of a run that never was, in a session known or not, then every look at it is not found, or none."""
    tracker = await opened(stage)
    await tracker.admit("a", session="s-1")
    for handle in (tracker.run("s-1", "nope"), tracker.run("nope", "r-1")):
        for ask in (
            handle.wait,
            handle.abort,
            lambda handle=handle: handle.wait_for("ready"),
            lambda handle=handle: handle.decide("q", approve()),
        ):
            with pytest.raises(NotFound):
                await ask()
        with pytest.raises(NotFound):
            _ = handle.state
        assert (None, None) == (handle.end(), handle.signal)
    with pytest.raises(NotFound):
        tracker.show("nope")
    assert ["s-1"] == [view.id for view in tracker.sessions()]


async def test_what_no_run_can_be_in_is_not_waited_for(stage: Stage) -> None:
    """Given a state misspelt, or what is no decision, then it is Invalid at once and says what there is."""
    tracker = await opened(stage)
    handle = await tracker.admit("a", session="s-1")
    with pytest.raises(Invalid, match=r"state of a run: 'wating' is no choice; use one of starting, running, "):
        await handle.wait_for("ready", "wating")
    with pytest.raises(Invalid, match=r"decision on q: True is none; use approve\(\), "):
        await handle.decide("q", True)


async def test_waiting_that_times_out_says_nothing_about_the_run(stage: Stage) -> None:
    """Given a run, when waiting for it times out, then it goes on, and can be waited for again and by others."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run)
    patient = asyncio.ensure_future(run.wait())
    for wait in (run.wait(5), run.wait_for("waiting_for_human", timeout_seconds=5)):
        waiting = asyncio.ensure_future(wait)
        await stage.pass_time(4.9)
        assert not waiting.done()
        await stage.pass_time(0.1)
        with pytest.raises(TimeoutError, match="it goes on"):
            await waiting
    assert ("running", None, False) == (run.state, run.end(), patient.done())
    await grant.settle("done")
    assert ("done", "done") == ((await patient).result, (await run.wait(5)).result)
    assert "ready" == await run.wait_for("running", timeout_seconds=1)


async def test_waiting_leaves_nothing_behind(stage: Stage) -> None:
    """Given many waits that ended, timed out, were cancelled or were about nothing, then none of them is kept."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run)
    for _ in range(5):
        waiting = asyncio.ensure_future(run.wait())
        await turns()
        waiting.cancel()
        timed = asyncio.ensure_future(run.wait(1))
        await stage.pass_time(2)
        assert isinstance((await asyncio.gather(timed, return_exceptions=True))[0], TimeoutError)
        with pytest.raises(NotFound):
            await tracker.run("s-1", "nope").wait()
    await grant.settle()
    for _ in range(5):
        await run.wait()
    assert 0 == sum(len(several) for several in tracker.end_waiters.values())


async def test_who_waits_for_a_state_is_woken_by_nothing_else(stage: Stage) -> None:
    """Given somebody who waits for a question, when the run begins, then they are not woken; when it asks, they are,

    and nothing is kept of them.
    """
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    waiting = asyncio.ensure_future(run.wait_for("waiting_for_human"))
    await turns(2)
    line = tracker._line("s-1")
    watchers = list(line.watchers or ())
    grant = await tracker.begin(run)
    await grant.checkpoint({"at": 1})
    await turns(2)
    assert ("running", 1, watchers) == (run.state, len(watchers), line.watchers)
    asking = asyncio.ensure_future(grant.ask(Approval("?", id="q")))
    assert "waiting_for_human" == await waiting
    assert line.watchers is None
    await run.decide("q", approve())
    await asking
    await grant.settle()


async def test_all_waiters_are_woken_alike(stage: Stage) -> None:
    """Given fifty who wait for the end, then all are told the same, once it is durable."""
    tracker = await opened(stage)
    run = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run)
    waiting = [asyncio.ensure_future(run.wait()) for _ in range(50)]
    await turns(2)
    await grant.settle(1)
    assert 1 == len({str(await one) for one in waiting})
