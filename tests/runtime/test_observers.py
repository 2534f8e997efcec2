"""Observers: told of every committed step, able to change none; what a crash may have lost is told again."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from lifecycle import Approval, Observed, approve, hooks
from lifecycle.kernel import inputs as i
from lifecycle.store import Entry

from .stage import NO_GRACE, Actor, Stage, turns


async def test_observer_sees_every_committed_step_in_order_and_after_it_was_performed(stage: Stage) -> None:
    """Given an observer, then it is told each step once, in order, with the view after it, and what was performed."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    actor.ask(Approval("?", id="q"))
    await stage.settle()
    await handle.decide("q", approve())
    actor.returns()
    await stage.settle()
    assert ["StartRun", "Begin", "RunAsked", "Decide", "ExecutionSettled"] == stage.inputs()
    assert [1, 2, 3, 4, 5] == [one.revision for one in stage.observed]
    states = ["starting", "running", "waiting_for_human", "running", "ready"]
    assert states == [one.view.state for one in stage.observed]
    kept: list[Entry] = list(stage.store.journal("s-1"))
    assert [entry.hooks for entry in kept] == [one.hooks for one in stage.observed]
    assert [entry.moves for entry in kept] == [one.moves for one in stage.observed]
    assert runtime.show("s-1") == stage.observed[-1].view


async def test_observer_that_raises_changes_nothing_and_is_counted(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Given an observer that raises at every step, then the run goes well, others are told, and it is logged, counted."""

    def raises(observed: Observed) -> None:
        raise ZeroDivisionError("no veto")

    with caplog.at_level(logging.ERROR, "lifecycle"):
        runtime = await stage.open(observer=raises)
        seen: list[Observed] = []
        runtime.observe(seen.append)
        actor = Actor()
        handle = await stage.start(actor)
        actor.returns("done")
        assert "done" == (await handle.wait()).result
    assert (3, 3) == (len(seen), runtime.counters["observer_errors"])
    assert "no veto" in caplog.text


async def test_observer_that_looks_at_a_cancelled_future_harms_no_other_session(stage: Stage) -> None:
    """Given an observer of one session that raises what is no Exception, when three sessions start in one group, then
    each start is acknowledged, and each run begins.
    """
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gone.cancel()

    def looks(observed: Observed) -> None:
        if observed.session == "s-1":
            gone.result()

    runtime = await stage.open(observer=looks, policy=NO_GRACE)
    actors = [Actor() for _ in range(3)]
    starts = [stage.start(actor, session=f"s-{number}") for number, actor in enumerate(actors, 1)]
    handles = await asyncio.gather(*starts)
    await stage.settle()
    assert ["running"] * 3 == [handle.state for handle in handles]
    assert 0 < runtime.counters["observer_errors"]
    for actor in actors:
        actor.returns()


async def test_listener_that_looks_at_a_cancelled_future_holds_up_no_abort(stage: Stage) -> None:
    """Given a listener of a run's signal that raises what is no Exception, when runs of three sessions are aborted
    together, then each abort is acknowledged, and each run is over here as it is in the store.
    """
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    gone.cancel()
    runtime = await stage.open(policy=NO_GRACE)
    handles = [await stage.start(Actor(), session=f"s-{number}") for number in (1, 2, 3)]
    await stage.settle()
    signal = handles[0].signal
    assert signal is not None
    signal.add_listener(lambda cause: gone.result())
    await asyncio.gather(*(handle.abort() for handle in handles))
    assert ["interrupted"] * 3 == [handle.state for handle in handles]
    assert 1 == runtime.counters["observer_errors"]


async def test_wish_to_leave_reaches_the_loop_after_the_others_of_its_group_were_told(memory_stage: Stage) -> None:
    """Given a step whose performing raises the wish to leave, when its group is durable, then the others are told of
    their steps before the loop is.
    """
    runtime = await memory_stage.open()
    writer = runtime._writer
    assert writer is not None
    told: list[str] = []

    def leaves(verdict: object) -> None:
        raise KeyboardInterrupt

    group: Any = [(None, leaves), (None, lambda verdict: told.append("told"))]
    with pytest.raises(KeyboardInterrupt):
        writer._finish(group, [None, None], 0.0)
    assert ["told"] == told


async def test_observer_that_was_removed_is_told_no_more(stage: Stage) -> None:
    """Given an observer that stops, even while it is told, even twice, then it is told nothing more; the others are."""
    runtime = await stage.open()
    seen: list[int] = []
    stop: list[Any] = []

    def once(observed: Observed) -> None:
        seen.append(observed.revision)
        stop[0]()
        stop[0]()

    stop.append(runtime.observe(once))
    actor = Actor()
    await stage.start(actor)
    actor.returns()
    await stage.settle()
    assert ([1], 3) == (seen, len(stage.observed))


async def test_observer_may_ask_for_more(stage: Stage) -> None:
    """Given an observer that posts a request from inside, then that is taken after the step, in its turn."""
    runtime = await stage.open()
    later: list[asyncio.Future[Any]] = []

    def stops(observed: Observed) -> None:
        if any(isinstance(hook, hooks.ShowRequest) for hook in observed.hooks):
            later.append(asyncio.ensure_future(runtime.abort_session(observed.session)))

    runtime.observe(stops)
    actor = Actor()
    handle = await stage.start(actor)
    actor.ask(Approval("?", id="q"))
    await stage.settle()
    assert ("interrupted", True) == (handle.state, later[0].done())


async def test_requests_are_shown_and_withdrawn_to_observers(stage: Stage) -> None:
    """Given a question, then observers are told once that it is shown and once, with how, that it is withdrawn."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    actor.ask(Approval("A?", id="a"), Approval("B?", id="b"))
    await stage.settle()
    assert ["a", "b"] == [hook.request for hook in stage.hooks(hooks.ShowRequest)]
    await handle.decide("b", approve())
    await handle.abort()
    assert [("b", "answered"), ("a", "withdrawn")] == [
        (hook.request, hook.how) for hook in stage.hooks(hooks.WithdrawRequest)
    ]


async def test_durable_hooks_a_crash_may_have_lost_are_told_again(stage: Stage) -> None:
    """Given an observer registered before the start, when the last process died right after a commit, then the durable

    hooks of that step are told again, in order, before anything new; the volatile ones are not.
    """
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    await stage.start(actor)
    actor.parks(1, Approval("?", id="q"))
    await stage.settle()
    told = stage.observed[-1]
    await stage.crash()
    seen: list[Observed] = []
    runtime = await stage.open(policy=NO_GRACE, observer=seen.append)
    again = [one for one in seen if one.redelivered]
    assert seen[: len(again)] == again
    assert told.revision == again[-1].revision
    durable = tuple(hook for hook in told.hooks if hook.durable)
    assert (durable, told.moves) == (again[-1].hooks, again[-1].moves)
    assert isinstance(again[-1].input, i.ExecutionSettled)
    assert any(isinstance(hook, hooks.ShowRequest) for hook in durable)
    assert runtime.counters["redelivered"] >= len(durable)
    assert not any(one.redelivered for one in seen[len(again) :])


async def test_durable_hooks_of_an_orderly_shutdown_are_not_told_again(stage: Stage) -> None:
    """Given a process that closed in order, then the next one tells nothing again."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    await stage.start(actor)
    actor.parks(1, Approval("?", id="q"))
    await stage.settle()
    await stage.close()
    seen: list[Observed] = []
    runtime = await stage.open(policy=NO_GRACE, observer=seen.append)
    assert [] == [one for one in seen if one.redelivered]
    assert 0 == runtime.counters["redelivered"]


async def test_end_of_a_stopped_session_that_nobody_was_told_of_is_told(stage: Stage) -> None:
    """Given a session that was closed just before the crash, when nobody had performed its hooks, then the next tells."""
    await stage.open(policy=NO_GRACE)
    handle = await stage.start(Actor())
    await stage.runtime.close_session("s-1")
    await turns(5)
    await stage.crash()
    seen: list[Observed] = []
    await stage.open(policy=NO_GRACE, observer=seen.append)
    ends = [hook for one in seen for hook in one.hooks if isinstance(hook, hooks.PublishEnd)]
    assert {handle.id} >= {hook.run for hook in ends}
    assert len(ends) <= 1


async def test_no_ops_are_counted_and_told_nobody(stage: Stage) -> None:
    """Given requests and facts about nothing, then no step is committed or told, and they are counted."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    attachment = await runtime.attach("s-1")
    await attachment.detach()
    seen, before = len(stage.observed), stage.value()
    await attachment.detach()
    await runtime.provider_reported("s-1", "ready", run="another")
    await runtime.attach("s-1", alive=lambda: False)
    assert (3, 3) == (runtime.counters["stale"], runtime.counters["no_ops"])
    assert (seen, before) == (len(stage.observed), stage.value())
    await handle.abort()
    await handle.abort()
    await stage.settle()
    assert 4 == runtime.counters["no_ops"]
