"""Scenarios that the seed systems test themselves, told in our words: what of them concerns streams, waiting and clients.

The name in brackets is the system's; what it spells with buffers, sockets or rows is here a run, a segment, a client.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lifecycle import Approval, Denied, NotFound, Policy, Refused, approve
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Aborted
from lifecycle.runtime import Observed

from .stage import NO_GRACE, ON_THREAD, Actor, Stage, gathered, said, turns

GRACE = Policy(orphan_grace_seconds=20)


# -- OpenClaw: streams and registries of aborted runs -----------------------------------------------------------------


@pytest.mark.parametrize("frames", [(), ("par", "tial")], ids=["blank", "with text"])
async def test_abort_delivers_the_partial_output_then_one_end(stage: Stage, frames: tuple[str, ...]) -> None:
    """[OC-01..03, OC-22] Given output so far, or none, when the run is aborted by one whose listener emits once more,

    then a reader has what came before the abort, one end with the reason, and nothing after it.
    """
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    actor.emit(*frames)
    await stage.settle()
    late: list[bool] = []
    handle.signal.add_listener(lambda cause: late.append(actor.run.emit("after the end")))  # type: ignore[union-attr]
    reading = asyncio.ensure_future(gathered(handle.frames()))
    await stage.settle()
    assert not reading.done()
    await handle.abort()
    expected = [*frames, (1, "interrupted")]
    assert (expected, expected) == (said(await reading), said(await gathered(handle.frames())))
    assert ([False], 1) == (late, runtime.counters["late_frames"])


async def test_end_is_told_though_a_listener_raises(stage: Stage) -> None:
    """[OC-07] Given listeners of an abort of which one raises, then the others, and whoever waits, hear of the end."""
    runtime = await stage.open(policy=NO_GRACE)
    handle = await stage.start(Actor())
    heard: list[str] = []

    def raises(cause: str) -> None:
        raise ValueError(cause)

    for listener in (raises, heard.append):
        handle.signal.add_listener(listener)  # type: ignore[union-attr]
    waiting = asyncio.ensure_future(handle.wait())
    await turns(3)
    await handle.abort()
    assert (["aborted"], "aborted", 1) == (heard, (await waiting).cause, runtime.counters["observer_errors"])


@pytest.mark.parametrize("how", ["returns", "raises", "fails as it is called"])
async def test_registry_is_empty_whichever_way_the_code_goes(stage: Stage, how: str) -> None:
    """[OC-46, OC-47, OC-49] Given code that returns, raises or fails as it is called, then nothing is registered."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()

    async def fails(run: Any) -> None:
        raise OSError("no such model")

    handle = await stage.start(fails if how == "fails as it is called" else actor)
    if how == "returns":
        actor.returns()
    elif how == "raises":
        actor.raises(OSError("no such model"))
    end = await handle.wait()
    await stage.settle()
    assert ("ready" if how == "returns" else "error") == end.state
    assert (0, None, []) == (len(runtime.controllers), handle.signal, runtime.timers.names())


async def test_stranger_who_aborts_disturbs_nobody(stage: Stage) -> None:
    """[OC-71] Given a run of another owner, when a stranger aborts it, then Denied, and no listener is called."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, owner="ada")
    heard: list[str] = []
    handle.signal.add_listener(heard.append)  # type: ignore[union-attr]
    with pytest.raises(Denied):
        await handle.abort(by="bob")
    await stage.settle()
    assert ([], "running", False) == (heard, handle.state, actor.run.signal.aborted)
    actor.returns()


async def test_stop_of_a_session_begins_nothing_in_between(stage: Stage) -> None:
    """[OC-70] Given a head at work and input queued behind it, when the session is stopped, then all end in one step,

    and the code of none that was queued is ever called.
    """
    runtime = await stage.open(policy=NO_GRACE)
    head, queued = Actor(), Actor()
    handles = [await stage.start(actor, run_id=f"r-{place}") for place, actor in enumerate((head, queued, queued))]
    seen = len(stage.observed)
    assert Aborted(("r-0", "r-1", "r-2")) == await runtime.abort_session("s-1")
    assert 1 == len([one for one in stage.observed[seen:] if isinstance(one.input, i.AbortSession)])
    await stage.settle()
    assert ({"interrupted"}, []) == ({handle.state for handle in handles}, queued.called)


async def test_wait_that_is_over_says_nothing_about_the_run(stage: Stage) -> None:
    """[OC-80] Given a wait with a deadline of its own, when that passes, then the run goes on, and its end is seen later."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    waiting = asyncio.ensure_future(handle.wait(5))
    await stage.pass_time(5)
    with pytest.raises(TimeoutError, match="it goes on, wait again or abort it"):
        await waiting
    assert ("running", False) == (handle.state, actor.run.signal.aborted)
    actor.returns("later")
    assert "later" == (await handle.wait(5)).result


async def test_refusal_of_a_shutdown_is_not_remembered_under_the_key(stage: Stage) -> None:
    """[OC-81] Given a start refused because the runtime drains, when the next process gets the same key, then it runs."""
    runtime = await stage.open(policy=NO_GRACE)
    busy, again = Actor(), Actor()
    await stage.start(busy, session="other")
    closing = asyncio.ensure_future(runtime.close(100))
    await stage.settle()
    with pytest.raises(Refused, match="shutting down"):
        await stage.admit(again, key="msg")
    busy.returns()
    await closing
    stage.runtime = None
    await stage.open(policy=NO_GRACE, agents=stage.agents())
    handle = await stage.start(again, key="msg")
    assert [handle.id] == again.called
    again.returns()


# -- Hermes -----------------------------------------------------------------------------------------------------------


async def test_stop_that_waited_for_a_begin_interrupts_the_new_turn(stage: Stage) -> None:
    """[Hermes] Given a begin that is on its way to the store, when the session is stopped meanwhile, then the turn that

    began is interrupted: the stop is judged by what is there when its turn comes.
    """
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    actor = Actor()
    first = await stage.admit(actor)
    with stage.store.held():
        await turns(10)
        stopping = asyncio.ensure_future(runtime.abort_session("s-1"))
        await turns(5)
        assert ("starting", False) == (first.state, stopping.done())
    assert Aborted((first.id,)) == await stopping
    await stage.settle()
    assert ("interrupted", True) == (first.state, "Begin" in stage.inputs("s-1"))
    assert [True] * len(actor.grants) == [grant.signal.aborted for grant in actor.grants]


async def test_session_that_waits_for_the_store_keeps_no_other_from_being_read(stage: Stage) -> None:
    """[Hermes] Given a session whose close is on its way to the store, then other sessions are read and asked at once."""
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    first, other = Actor(), Actor()
    await stage.start(first, session="s-1")
    handle = await stage.start(other, session="s-2")
    with stage.store.held():
        closing = asyncio.ensure_future(runtime.close_session("s-1"))
        await turns(5)
        assert ("running", "running") == (runtime.show("s-2").state, handle.state)
        assert ["s-1", "s-2"] == [view.id for view in runtime.sessions()]
        with pytest.raises(Denied):
            await handle.abort(by="bob")
        assert not closing.done()
    await closing
    assert "stopped" == runtime.show("s-1").state
    other.returns()


async def test_session_that_nobody_opened_leaves_no_row(stage: Stage) -> None:
    """[Hermes] Given a client that looks at a session in which nothing was said, then there is no such session."""
    runtime = await stage.open(policy=GRACE)
    with pytest.raises(NotFound):
        await runtime.attach("s-1")
    await stage.pass_time(60)
    assert ([], [], []) == (runtime.sessions(), stage.store.attempts, runtime.timers.names())


async def test_connection_that_watched_several_sessions_lets_go_of_each(stage: Stage) -> None:
    """[Hermes, T3-19] Given a connection that watched three sessions, when it closes and one detach cannot be kept at

    first, then the others are timed from then, that one as soon as it is kept, and a session of somebody else is not.
    """
    runtime = await stage.open(policy=GRACE)
    for place in range(4):
        actor = Actor()
        await stage.start(actor, session=f"s-{place}")
        actor.returns()
        await stage.settle()
    attached = [await runtime.attach(f"s-{place}") for place in range(4)]
    stage.store.refuse(i.Detached)
    gone = asyncio.gather(*(one.detach() for one in attached[:3]), return_exceptions=True)
    await stage.pass_time(1)
    assert [None] * 3 == await gone
    await stage.pass_time(21)
    assert ["stopped"] * 3 + ["ready"] == [view.state for view in runtime.sessions()]


async def test_reaping_that_cannot_be_kept_holds_up_no_other(stage: Stage) -> None:
    """[T3-19] Given two idle sessions, when the stop of one cannot be kept, then the other is stopped, and the first in

    the end.
    """
    runtime = await stage.open(policy=GRACE)
    for name in ("s-1", "s-2"):
        actor = Actor()
        await stage.start(actor, session=name)
        actor.returns()
        await stage.settle()
    stage.store.refuse(i.TimerFired)
    await stage.pass_time(60)
    assert ["stopped", "stopped"] == [view.state for view in runtime.sessions()]
    assert 1 <= runtime.counters["commits_failed"]


# -- LobeHub: streams and clients -------------------------------------------------------------------------------------


async def test_silence_ends_no_stream(stage: Stage) -> None:
    """[LobeHub] Given a run that says nothing for an hour, then whoever follows it is told of no end; when it is over,

    what was buffered is given first, then the end.
    """
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    following = asyncio.ensure_future(gathered(handle.follow()))
    await stage.pass_time(3_600)
    assert not following.done()
    actor.emit("a", "b")
    actor.returns()
    assert ["a", "b", (1, "ready")] == said(await following)


async def test_end_is_told_to_all_though_one_cannot_take_it(stage: Stage) -> None:
    """[LobeHub] Given two observers of which the first raises at every end, then the second and the stream hear of it."""
    runtime = await stage.open(policy=NO_GRACE)
    heard: list[str] = []

    def raises(observed: Observed) -> None:
        raise ConnectionError("the client went away")

    runtime.observe(raises)
    runtime.observe(lambda observed: heard.append(observed.view.state))
    actor = Actor()
    handle = await stage.start(actor)
    actor.returns()
    await handle.wait()
    assert "ready" == heard[-1]
    assert [(1, "ready")] == said(await gathered(handle.frames()))


async def test_stop_ends_what_is_at_work_in_its_own_session_only(stage: Stage) -> None:
    """[LobeHub] Given runs at work in two sessions, when one is stopped, then the other goes on and is told nothing."""
    runtime = await stage.open(policy=NO_GRACE)
    ours, theirs = Actor(), Actor()
    first = await stage.start(ours, session="s-1")
    second = await stage.start(theirs, session="s-2")
    await runtime.abort_session("s-1")
    await stage.settle()
    assert ("interrupted", "running") == (first.state, second.state)
    assert ("aborted", None) == (ours.run.signal.cause, theirs.run.signal.cause)
    theirs.returns()


async def test_slow_reader_gets_the_end_of_each_stretch_before_the_next(stage: Stage) -> None:
    """[LobeHub, Codex] Given a reader who comes back after a pause for a human, then it has both stretches, each with its

    end, in order, as one who was there all the time has.
    """
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    always = asyncio.ensure_future(gathered(handle.follow()))
    actor.emit("before")
    actor.ask(Approval("Go on?", id="q"))
    await stage.settle()
    await handle.decide("q", approve())
    actor.emit("after")
    actor.returns()
    await handle.wait()
    expected = ["before", (1, "waiting_for_human"), "after", (2, "ready")]
    assert (expected, expected) == (said(await always), said(await gathered(handle.follow())))


# -- Codex ------------------------------------------------------------------------------------------------------------


async def test_turn_left_incomplete_is_interrupted_when_its_thread_is_resumed(stage: Stage) -> None:
    """[Codex] Given a process that died with a turn at work, when the thread is resumed, then that turn is interrupted,

    nobody is told that it goes on, and the next one begins.
    """
    await stage.open(policy=NO_GRACE)
    actor, again = Actor(), Actor()
    handle = await stage.start(actor)
    await stage.crash()
    runtime = await stage.open(policy=NO_GRACE, agents=stage.agents())
    await stage.settle()
    assert "interrupted" == runtime.show("s-1").state
    assert ("interrupted", "crashed") == (lambda end: (end.state, end.cause))(runtime.run("s-1", handle.id).end())
    following = await stage.start(again)
    assert [following.id] == again.called
    again.returns()
