"""The five seed bugs, told on the runtime: what a user sees, and what they see once the row or the hold is taken away.

A story returns what is seen. With the declared machines it must be this; with a mutated kernel, the net of the
invariants refuses the step, and with the net taken down as well, what the users of the report saw comes back.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lifecycle import (
    Approval,
    Conflict,
    Frame,
    InvariantBroken,
    LifecycleError,
    Observed,
    Policy,
    Refused,
    SegmentEnd,
    approve,
    hooks,
    reject,
    reject_and_continue,
)
from lifecycle.kernel import KERNEL, Kernel
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Aborted, AlreadyEnded, Decided
from lifecycle.kernel.routes import ROUTES
from lifecycle.machines import REQUEST, RUN, SESSION, held

from ..kernel.world import mutant, with_hold, without_hold, without_on_edge, without_send
from .stage import NO_GRACE, ON_THREAD, Actor, Stage, gathered, said, until


@pytest.fixture
def no_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the net of the invariants down, so that a mutated kernel shows what it does."""
    monkeypatch.setattr("lifecycle.runtime.stepping.broken", lambda before, step: None)


# -- OpenClaw #87767: a run that has ended is listed as active, and Stop answers that there is nothing to stop ---------


async def listed_after_the_end(stage: Stage, kernel: Kernel = KERNEL) -> dict[str, Any]:
    """Let code report its answer and go on unwinding; tell what is listed inside the observer of the end, and after."""
    inside: list[tuple[set[str | None], str | None]] = []

    def look(observed: Observed) -> None:
        runtime = stage.runtime
        if any(isinstance(hook, hooks.PublishEnd) for hook in observed.hooks):
            listed = {view.active for view in runtime.sessions()} | {runtime.show(observed.session).active}
            inside.append((listed | {observed.view.active}, observed.view.closing))

    runtime = await stage.open(kernel, observer=look)
    actor = Actor(stubborn=True)
    handle = await stage.start(actor, run_id="r-1")
    actor.tell(lambda run: asyncio.shield(run.complete("answer")))
    await stage.settle()
    view = runtime.show("s-1")
    seen = {
        "inside": inside,
        "after": ({view.active, *(run.id for run in view.runs)}, view.closing),
        "abortable": isinstance(await handle.abort(), Aborted),
        "guarded": runtime.controllers.get("s-1", "r-1") is not None,
    }
    actor.stubborn = False
    actor.returns()
    await stage.settle()
    return seen


async def test_ended_run_is_not_listed_as_active(stage: Stage) -> None:
    """Given code that has answered and not returned, then from the instant the end is told no list shows it active."""
    assert {
        "inside": [({None}, "r-1")],
        "after": ({None}, "r-1"),
        "abortable": False,
        "guarded": True,
    } == await listed_after_the_end(stage)


async def test_ended_run_is_seen_as_none_when_its_execution_is_not_closed(stage: Stage, no_net: None) -> None:
    """Given the row without its Send to the execution, then code at work is neither closing nor guarded: it is lost."""
    seen = await listed_after_the_end(stage, mutant(run=without_send(RUN, "complete", "execution", "close")))
    assert ([({None}, None)], False) == (seen["inside"], seen["guarded"])


async def test_ended_run_is_listed_as_active_when_only_its_return_ends_it(stage: Stage) -> None:
    """Given a kernel that ends a run when its promise settles, then the list shows a run whose answer is there."""
    seen = await listed_after_the_end(stage, Kernel(routes={**ROUTES, "RunCompleted": ()}))
    assert "r-1" in seen["after"][0]


async def test_end_is_not_committed_by_a_kernel_that_forgets_the_execution(stage: Stage) -> None:
    """Given the same mutant under the net, when the code answers, then the step is refused by the name of its rule."""
    runtime = await stage.open(mutant(run=without_send(RUN, "complete", "execution", "close")))
    actor = Actor()
    await stage.start(actor)
    told = actor.tell(lambda run: run.complete("answer"))
    await stage.settle()
    assert isinstance(told.error, InvariantBroken | asyncio.CancelledError)
    assert runtime.counters["invariants_broken"] > 0
    actor.returns()
    await stage.settle()


async def test_end_is_told_no_sooner_than_the_list_shows_it(stage: Stage) -> None:
    """Given an end that is durable and not yet performed, when anybody looks, then wait, end, state and list agree."""
    runtime = await stage.open(limits=ON_THREAD)
    looks: list[tuple[bool, str]] = []
    actor = Actor()
    handle = await stage.admit(actor, run_id="r-1")
    loop = asyncio.get_running_loop()

    def look() -> None:
        ended = handle.end() is not None
        looks.append((ended, handle.state))
        active = {view.active for view in runtime.sessions()} | {runtime.show("s-1").active}
        if ended and "r-1" in active:
            stage.wrong.append("the end is told, and the list says active")

    def kept(commits: Any) -> None:
        if any(isinstance(commit.input, i.ExecutionSettled) for commit in commits):
            done_on_loop(loop, look)

    stage.store.kept = kept
    actor.returns("answer")
    end = await handle.wait()
    assert None is runtime.show("s-1").active
    assert "ready" == end.state
    assert looks in ([(False, "running")], [(True, "ready")])


def done_on_loop(loop: asyncio.AbstractEventLoop, look: Any) -> None:
    """Call something on the loop from another thread, and be back when it has been called."""

    async def called() -> None:
        look()

    asyncio.run_coroutine_threadsafe(called(), loop).result(10)


# -- OpenClaw #71214: a run that came in by another door has no controller, so Stop does not reach it ------------------

DOORS = (
    "opening",
    "idle",
    "enqueued",
    "interrupting",
    "next incarnation",
    "behind closing code",
    "joined by its key",
    "recovered",
)


async def enter_by(door: str, stage: Stage, new: Actor) -> Any:
    """Bring a run into the session through a door; return its handle, at the instant of the acknowledgement."""
    old = Actor(stubborn=door in ("behind closing code", "next incarnation"))
    if door not in ("opening", "joined by its key", "recovered"):
        first = await stage.start(old)
        if door == "idle":
            old.returns()
            await stage.settle()
        elif door == "next incarnation":
            await stage.runtime.close_session("s-1")
        elif door == "behind closing code":
            await first.abort()
    old.stubborn = False
    stage.at_end.append(old.returns)
    when_busy = "interrupt" if door == "interrupting" else "enqueue"
    handle = await stage.admit(new, when_busy=when_busy, key="k", run_id="r-new")
    if door == "joined by its key":
        handle = await stage.admit(new, when_busy=when_busy, key="k")
    elif door == "recovered":
        kernel = stage.runtime.kernel
        await stage.crash()
        runtime = await stage.open(kernel, policy=NO_GRACE)
        handle = runtime.run("s-1", "r-new")
    return handle


async def stop_right_after_the_acknowledgement(stage: Stage, kernel: Kernel, door: str) -> dict[str, Any]:
    """Abort a run right after it was acknowledged; tell whether Stop reached it, and whether its code was called."""
    await stage.open(kernel, policy=NO_GRACE)
    new = Actor()
    handle = await enter_by(door, stage, new)
    signal = handle.signal
    seen = {"registered": signal is not None, "aborted": await handle.abort() == Aborted(("r-new",))}
    seen["signalled"] = signal is not None and signal.cause == "aborted"
    await stage.pass_time(60)
    seen["called"] = bool(new.called)
    return seen


@pytest.mark.parametrize("door", DOORS)
async def test_stop_reaches_a_run_whatever_door_it_came_by(stage: Stage, door: str) -> None:
    """Given any way in, when Stop comes right after the acknowledgement, then it succeeds and the code is not called."""
    seen = await stop_right_after_the_acknowledgement(stage, KERNEL, door)
    assert {"registered": True, "aborted": True, "signalled": True, "called": False} == seen


@pytest.mark.parametrize("door", DOORS)
async def test_stop_finds_no_controller_when_starting_does_not_hold_it(stage: Stage, no_net: None, door: str) -> None:
    """Given starting without its hold, then there is no controller that Stop could signal."""
    unheld = mutant(run=without_hold(RUN, held.CONTROLLER, "starting"))
    seen = await stop_right_after_the_acknowledgement(stage, unheld, door)
    assert (False, False) == (seen["registered"], seen["signalled"])


async def test_run_is_not_acknowledged_by_a_kernel_that_registers_nothing(stage: Stage) -> None:
    """Given the same mutant under the net, when a run is started, then it is refused by the name of the rule."""
    runtime = await stage.open(mutant(run=without_hold(RUN, held.CONTROLLER, "starting")))
    with pytest.raises(InvariantBroken, match="registered-before-ack"):
        await stage.admit(Actor())
    assert [] == runtime.sessions()


async def test_stop_is_not_heard_when_the_edge_does_not_signal(stage: Stage) -> None:
    """Given abort rows without SignalAbort, then Stop is accepted and the run's signal says nothing."""
    deaf = mutant(run=without_on_edge(RUN, "abort", hooks.SignalAbort))
    seen = await stop_right_after_the_acknowledgement(stage, deaf, "opening")
    assert (True, True, False) == (seen["registered"], seen["aborted"], seen["signalled"])


async def test_acknowledgement_comes_at_least_one_turn_before_the_code(stage: Stage) -> None:
    """Given a started run, when its acknowledgement is there, then the code has not been called; a turn later it may."""
    await stage.open()
    actor = Actor()
    handle = await stage.admit(actor)
    assert ("starting", []) == (handle.state, actor.called)
    await stage.settle()
    assert ("running", [handle.id]) == (handle.state, actor.called)
    actor.returns()
    await stage.settle()


# -- Hermes #44102: a session that was busy when its grace fired is never looked at again ------------------------------

GRACE = Policy(orphan_grace_seconds=20)


async def detached_in_mid_turn(stage: Stage, kernel: Kernel = KERNEL) -> list[str]:
    """Detach in mid-turn, let the grace fire, end the turn, let it fire again; return the state after each."""
    runtime = await stage.open(kernel, policy=GRACE)
    actor = Actor()
    await stage.start(actor)
    attachment = await runtime.attach("s-1")
    await attachment.detach()
    await stage.pass_time(50)
    seen = [runtime.show("s-1").state]
    actor.returns()
    await stage.settle()
    seen.append(runtime.show("s-1").state)
    await stage.pass_time(60)
    return [*seen, runtime.show("s-1").state]


async def test_orphan_timer_fires_until_the_session_is_reaped(stage: Stage) -> None:
    """Given a session detached in mid-turn, when its grace fires, then it is re-armed, and reaps when the turn is over."""
    assert ["running", "ready", "stopped"] == await detached_in_mid_turn(stage)
    assert "orphaned" == stage.runtime.show("s-1").cause
    assert 0 == len(stage.runtime.timers)


@pytest.mark.parametrize("states", [("ready",), ("ready", "running"), ("starting", "running", "ready")])
async def test_session_is_a_ghost_when_rest_does_not_hold_the_timer(
    stage: Stage, no_net: None, states: tuple[str, ...]
) -> None:
    """Given states without the orphan timer, then nothing ever looks at the session again: the ghost of the report."""
    ghost = mutant(session=without_hold(SESSION, held.ORPHAN, *states))
    assert ["running", "ready", "ready"] == await detached_in_mid_turn(stage, ghost)


async def test_attach_in_between_cancels_the_reaping(stage: Stage) -> None:
    """Given a detached session, when a client attaches before the grace is over, then it lives as long as that stays."""
    runtime = await stage.open(policy=GRACE)
    actor = Actor()
    await stage.start(actor)
    actor.returns()
    await stage.pass_time(19)
    attachment = await runtime.attach("s-1")
    assert attachment.holds
    await stage.pass_time(1_000)
    assert "ready" == runtime.show("s-1").state
    await attachment.detach()
    await stage.pass_time(19)
    assert "ready" == runtime.show("s-1").state
    await stage.pass_time(1)
    assert "stopped" == runtime.show("s-1").state


async def test_attach_with_a_dead_connection_is_no_attach(stage: Stage) -> None:
    """Given a detached session, when a connection attaches that has died by then, then the session is reaped in time."""
    runtime = await stage.open(policy=GRACE)
    actor = Actor()
    await stage.start(actor)
    actor.returns()
    await stage.pass_time(19)
    attachment = await runtime.attach("s-1", alive=lambda: False)
    assert (False, 0) == (attachment.holds, runtime.show("s-1").attached)
    await stage.pass_time(1)
    assert "stopped" == runtime.show("s-1").state


async def test_detach_of_an_old_connection_does_nothing(stage: Stage) -> None:
    """Given a client that came back by a new connection, when the old one's detach comes late, then the new one stays."""
    runtime = await stage.open(policy=GRACE)
    actor = Actor()
    await stage.start(actor)
    actor.returns()
    old = await runtime.attach("s-1")
    await old.detach()
    await runtime.attach("s-1")
    await old.detach()
    assert (1, 1) == (runtime.show("s-1").attached, runtime.counters["stale"])
    await stage.pass_time(1_000)
    assert "ready" == runtime.show("s-1").state


async def test_attach_to_a_reaped_session_is_refused_with_its_cause(stage: Stage) -> None:
    """Given a session that was reaped, when a client attaches, then it is refused and told why; a run opens the next."""
    runtime = await stage.open(policy=GRACE)
    actor = Actor()
    await stage.start(actor)
    actor.returns()
    await stage.pass_time(60)
    with pytest.raises(Refused) as refused:
        await runtime.attach("s-1")
    assert "orphaned" == refused.value.cause
    actor.returns()
    await stage.start(actor)
    assert (2, "ready") == (runtime.show("s-1").incarnation, runtime.show("s-1").state)


# -- T3 Code #3159: the provider says ready, and the session keeps an active turn that nothing can end -----------------


async def ready_report(stage: Stage, kernel: Kernel = KERNEL) -> list[tuple[str, str | None]]:
    """Let a provider report ready in mid-turn, and the grace pass; return state and active run after each."""
    runtime = await stage.open(kernel, policy=GRACE)
    await stage.start(Actor())
    await runtime.provider_reported("s-1", "ready")
    view = runtime.show("s-1")
    seen = [(view.state, view.active)]
    await stage.pass_time(120)
    view = runtime.show("s-1")
    return [*seen, (view.state, view.active)]


async def test_provider_that_says_ready_clears_the_active_run(stage: Stage) -> None:
    """Given a running turn, when its provider reports ready, then it is over in that step, and the session is reaped."""
    assert [("ready", None), ("stopped", None)] == await ready_report(stage)


async def test_session_is_stuck_when_the_end_does_not_reach_it(stage: Stage, no_net: None) -> None:
    """Given the row without its Send to the session, then it says running with no run, and nothing ever reaps it."""
    stuck = mutant(run=without_send(RUN, "complete", "session", "complete"))
    assert [("running", None), ("running", None)] == await ready_report(stage, stuck)


async def test_report_is_not_committed_by_a_kernel_that_leaves_the_session_behind(stage: Stage) -> None:
    """Given the same mutant under the net, then the step is refused by name, and the head is failed instead."""
    runtime = await stage.open(mutant(run=without_send(RUN, "complete", "session", "complete")))
    handle = await stage.start(Actor())
    with pytest.raises(InvariantBroken, match="session-wears-head"):
        await runtime.provider_reported("s-1", "ready")
    await stage.settle()
    end = await handle.wait()
    assert ("error", "failed") == (end.state, end.cause)
    assert ("error", None) == (runtime.show("s-1").state, runtime.show("s-1").active)


# -- LobeHub #13860: parking for a human does not end the stream; a decision is dispatched twice, or lost --------------


async def told_to_a_client(stage: Stage, kernel: Kernel = KERNEL) -> list[Any]:
    """Let a turn emit, wait for a human, go on, and end; return what a client that follows is told."""
    await stage.open(kernel)
    actor = Actor()
    handle = await stage.start(actor)
    following = asyncio.ensure_future(gathered(handle.follow()))
    actor.emit("before")
    actor.ask(Approval("Go on?", id="q"))
    await stage.settle()
    await handle.decide("q", approve())
    actor.emit("after")
    actor.returns()
    await stage.settle()
    if not following.done():
        following.cancel()
        return ["the client waits for ever"]
    return said(following.result())


async def test_stream_ends_once_on_waiting_and_once_on_the_end(stage: Stage) -> None:
    """Given a turn that asks, then its stream ends with the wait; the answer opens the next, which ends with the run."""
    assert ["before", (1, "waiting_for_human"), "after", (2, "ready")] == await told_to_a_client(stage)


async def test_stream_spins_when_waiting_holds_the_segment(stage: Stage, no_net: None) -> None:
    """Given a wait that holds the segment, then no end comes while a human is asked: the spinner of the report."""
    spinner = mutant(run=with_hold(RUN, held.SEGMENT, "waiting_for_human"))
    assert (1, "waiting_for_human") not in await told_to_a_client(stage, spinner)


async def test_stream_goes_wrong_when_resuming_does_not_count_the_segment(stage: Stage, no_net: None) -> None:
    """Given the resume row without its next segment, then the client is never told what came after the answer."""
    same = mutant(run=without_on_edge(RUN, "resume", held.Next("segment")))
    assert ["before", (1, "waiting_for_human"), "after", (2, "ready")] != await told_to_a_client(stage, same)


async def decided_twice(stage: Stage, kernel: Kernel = KERNEL) -> dict[str, Any]:
    """Send one decision twice at once, another one after it, and one after the end; tell what came of each."""
    await stage.open(kernel)
    actor = Actor()
    handle = await stage.start(actor)
    actor.ask(Approval("Delete?", id="q"))
    actor.ask(Approval("Really?", id="last"))
    await stage.settle()
    both = await asyncio.gather(
        handle.decide("q", reject_and_continue("not like this")),
        handle.decide("q", reject_and_continue("not like this")),
        return_exceptions=True,
    )
    other = await asyncio.gather(handle.decide("q", approve()), return_exceptions=True)
    await stage.settle()
    resumed, state = len(stage.hooks(hooks.HandAnswers)), handle.state
    await handle.abort()
    late = await asyncio.gather(handle.decide("last", approve()), return_exceptions=True)
    return {
        "both": [type(one) for one in both],
        "other": type(other[0]),
        "resumed": resumed,
        "state": state,
        "late": type(late[0]),
    }


async def test_decision_sent_twice_at_once_resumes_once(stage: Stage) -> None:
    """Given one decision sent twice at once, then both are told it was taken, the turn goes on once; another conflicts;

    one that comes after the end is told that the run has ended.
    """
    assert {
        "both": [Decided, Decided],
        "other": Conflict,
        "resumed": 1,
        "state": "waiting_for_human",
        "late": AlreadyEnded,
    } == await decided_twice(stage)


async def test_decision_stops_the_turn_when_it_is_chained_to_reject(stage: Stage) -> None:
    """Given a route that chains reject-and-continue to reject, as in the report, then the turn is stopped instead."""
    chained = Kernel(routes={**ROUTES, "Decide.reject_and_continue": ROUTES["Decide.reject"]})
    seen = await decided_twice(stage, chained)
    assert (0, "stopped") == (seen["resumed"], seen["state"])


async def test_decision_is_lost_when_the_answer_does_not_resume(stage: Stage, no_net: None) -> None:
    """Given the answer row without its Send, then the answer is taken, and the turn waits for ever with no question."""
    stranded = mutant(request=without_send(REQUEST, "answer", "run", "resume"))
    seen = await decided_twice(stage, stranded)
    assert (0, "waiting_for_human") == (seen["resumed"], seen["state"])


async def test_decision_is_not_taken_by_a_kernel_that_does_not_resume(stage: Stage) -> None:
    """Given the same mutant under the net, then the decision is refused by the name of the rule, and can be retried."""
    await stage.open(mutant(request=without_send(REQUEST, "answer", "run", "resume")))
    actor = Actor()
    handle = await stage.start(actor)
    actor.ask(Approval("Delete?", id="q"))
    await stage.settle()
    with pytest.raises(InvariantBroken, match="waiting-has-open-request"):
        await handle.decide("q", approve())
    assert ["q"] == [request.id for request in handle.requests]
    await handle.decide("q", reject())
    assert "stopped" == handle.state


async def test_every_reader_is_told_every_end_once(stage: Stage) -> None:
    """Given readers that came early, in the middle, late and after the end, then each is told each end exactly once."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    early = asyncio.ensure_future(gathered(handle.follow()))
    actor.ask(Approval("Go on?", id="q"))
    await stage.settle()
    middle = asyncio.ensure_future(gathered(handle.follow()))
    await handle.decide("q", approve())
    late = asyncio.ensure_future(gathered(handle.follow()))
    actor.returns()
    await until(lambda: handle.state == "ready")
    after = await gathered(handle.follow())
    for told in (await early, await middle, await late, after):
        assert [(1, "waiting_for_human"), (2, "ready")] == said(told)
        assert not any(isinstance(item, Frame) for item in told)
        assert all(isinstance(item, SegmentEnd) for item in told)


async def test_errors_of_stories_are_ours(memory_stage: Stage) -> None:
    """Given the errors these stories meet, then each is one of the closed set, and reads as a sentence with a remedy."""
    for kind in (Conflict, InvariantBroken, Refused):
        assert issubclass(kind, LifecycleError)
        assert "s: f; r" == str(kind("s", "f", "r"))
