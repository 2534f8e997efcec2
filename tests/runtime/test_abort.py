"""Stop: who may, what it reaches, and what is left of code that does not listen."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest

from lifecycle import Approval, Denied, NotFound, Policy, RunAborted, hooks
from lifecycle.kernel.inputs import Attach
from lifecycle.kernel.replies import Aborted, AlreadyEnded, NothingToDo

from .stage import HANG_SECONDS, NO_GRACE, ON_THREAD, Actor, Stage, gathered, said, turns, until

# -- code in a thread -------------------------------------------------------------------------------------------------


async def test_abort_of_sync_code_is_at_once_and_the_next_run_waits_for_it(stage: Stage) -> None:
    """Given code in a thread, when its run is aborted, then that has ended at once, the code is closing, and the next

    run begins only when it has returned; what it returns counts no more.
    """
    runtime = await stage.open()
    worker, following = stage.worker("too late"), Actor()
    first = await stage.start(worker)
    await until(worker.began.is_set)
    second = await stage.start(following)
    assert Aborted((first.id,)) == await first.abort(text="enough")
    end = await first.wait()
    assert ("interrupted", "aborted", "local", "enough", None) == (end.state, end.cause, end.who, end.text, end.result)
    view = runtime.show("s-1")
    assert (second.id, first.id) == (view.active, view.closing)
    assert runtime.controllers.get("s-1", first.id) is not None
    assert worker.grants[0].signal.aborted
    await stage.pass_time(9)
    assert ("starting", []) == (second.state, following.called)
    worker.go.set()
    await until(lambda: following.called)
    assert runtime.controllers.get("s-1", first.id) is None
    assert (None, 0) == (runtime.show("s-1").closing, runtime.counters["abandoned"])
    assert end == first.end()
    following.returns()
    assert "ready" == (await second.wait()).state


async def test_abort_of_sync_code_that_never_returns_abandons_it(stage: Stage) -> None:
    """Given code in a thread that never returns, when the closing grace is over, then it is given up and counted, the

    next run begins, and whatever the old code does later is late.
    """
    runtime = await stage.open(policy=Policy(closing_grace_seconds=10, orphan_grace_seconds=None))
    worker, following = stage.worker(), Actor()
    worker.after = lambda run: run.emit("late") or run.ask(Approval("late?"))
    first = await stage.start(worker)
    await until(worker.began.is_set)
    second = await stage.start(following)
    await first.abort()
    await stage.pass_time(10)
    assert (1, [second.id]) == (runtime.counters["abandoned"], following.called)
    assert [first.id] == [hook.run for hook in stage.hooks(hooks.ReportAbandoned)]
    assert runtime.controllers.get("s-1", first.id) is None
    worker.go.set()
    await until(lambda: worker.error is not None)
    await stage.settle()
    assert isinstance(worker.error, RunAborted)
    assert 1 == runtime.counters["late_frames"]
    assert ("running", "interrupted") == (second.state, first.state)
    following.returns()


async def test_abort_wakes_sync_code_that_waits_for_a_human(stage: Stage) -> None:
    """Given a thread blocked on a question, when its run is aborted, then the question is gone and the thread is told."""
    await stage.open()
    worker = stage.worker()
    worker.after = lambda run: run.ask(Approval("Delete?", id="q"))
    handle = await stage.start(worker)
    worker.go.set()
    await handle.wait_for("waiting_for_human")
    await handle.abort()
    await until(lambda: worker.error is not None)
    assert isinstance(worker.error, RunAborted)
    assert ("aborted", ()) == (worker.error.cause, handle.requests)


# -- code on the loop -------------------------------------------------------------------------------------------------


async def test_abort_cancels_code_on_the_loop(stage: Stage) -> None:
    """Given a coroutine that waits for anything, when its run is aborted, then it is cancelled there, and settles."""
    runtime = await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    await handle.abort()
    await stage.settle()
    assert (1, None, 0) == (actor.cancelled, runtime.show("s-1").closing, len(runtime.controllers))
    assert (True, "aborted") == (actor.run.signal.aborted, actor.run.signal.cause)


async def test_abort_of_code_that_swallows_cancellation_abandons_it(stage: Stage) -> None:
    """Given a coroutine that swallows cancellation, then its run has ended at once, and it is given up after the grace."""
    runtime = await stage.open()
    actor = Actor(stubborn=True)
    handle = await stage.start(actor)
    await handle.abort()
    assert "interrupted" == handle.state
    await stage.pass_time(9)
    assert (handle.id, 0) == (runtime.show("s-1").closing, runtime.counters["abandoned"])
    await stage.pass_time(1)
    assert (None, 1) == (runtime.show("s-1").closing, runtime.counters["abandoned"])
    told = actor.emit("late")
    late = actor.checkpoint("late")
    await stage.settle()
    assert ([False], True) == (told.value, isinstance(late.error, RunAborted))
    actor.returns("late")
    await stage.settle()
    assert ("interrupted", None) == (handle.state, handle.end().result)  # type: ignore[union-attr]


async def test_abort_in_the_middle_of_a_question_withdraws_it(stage: Stage) -> None:
    """Given code that waits in place, when its run is aborted, then every viewer is told, and the stream ended once."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    told = actor.ask(Approval("Delete?", id="q"))
    await stage.settle()
    await handle.abort()
    await stage.settle()
    assert isinstance(told.error, RunAborted | asyncio.CancelledError)
    assert [("q", "withdrawn")] == [(hook.request, hook.how) for hook in stage.hooks(hooks.WithdrawRequest)]
    assert [(1, "waiting_for_human")] == said(await gathered(handle.follow()))


async def test_abort_by_the_code_itself_ends_its_run(stage: Stage) -> None:
    """Given code that aborts its own run, then the run is interrupted, and its code is released like any other."""
    runtime = await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    actor.tell(lambda run: handle.abort(text="gave up"))
    await stage.pass_time(10)
    assert ("interrupted", "gave up") == (handle.state, handle.end().text)  # type: ignore[union-attr]
    assert 0 == len(runtime.controllers)


# -- which runs, and who ----------------------------------------------------------------------------------------------


async def test_abort_of_one_run_lets_the_queue_go_on(stage: Stage) -> None:
    """Given a head and two queued runs, when the first of these is aborted, then only that ends; the next takes turns."""
    runtime = await stage.open()
    actor, never, last = Actor(), Actor(), Actor()
    head = await stage.start(actor)
    queued = await stage.start(never)
    third = await stage.start(last)
    await queued.abort()
    assert [head.id, third.id] == [run.id for run in runtime.show("s-1").runs]
    actor.returns()
    last.returns()
    await stage.settle()
    assert ["ready", "interrupted", "ready"] == [one.state for one in (head, queued, third)]
    assert [] == never.called


async def test_abort_of_an_ended_run_tells_how_it_ended(stage: Stage) -> None:
    """Given an ended run, when Stop comes late, then it is told the end and its cause; nothing changes."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    actor.returns("answer")
    await stage.settle()
    before = stage.value()
    assert AlreadyEnded(handle.id, "ready", "completed", "agent", "", '"answer"') == await handle.abort()
    assert before is stage.value() or before == stage.value()


async def test_abort_twice_at_once_ends_once(stage: Stage) -> None:
    """Given Stop pressed fifty times at once, then one of them ended the run and all others are told so."""
    await stage.open()
    handle = await stage.start(Actor())
    replies = await asyncio.gather(*(handle.abort() for _ in range(50)))
    assert {Aborted: 1, AlreadyEnded: 49} == {
        kind: sum(type(one) is kind for one in replies) for kind in map(type, replies)
    }
    assert 1 == len(stage.hooks(hooks.PublishEnd))


async def test_abort_by_a_stranger_is_denied_and_changes_nothing(stage: Stage) -> None:
    """Given a run of ada's, when bob or a decider aborts it, then he is denied; ada and an admin may."""
    runtime = await stage.open(policy=Policy(admins=("root",)))
    first = await stage.start(Actor(), owner="ada", deciders=("eve",))
    second = await stage.start(Actor(), owner="ada")
    before = stage.value()
    for stranger in ("bob", "eve", "local"):
        for denied in (first.abort(by=stranger), runtime.abort_session("s-1", by=stranger)):
            with pytest.raises(Denied):
                await denied
    with pytest.raises(Denied):
        await runtime.close_session("s-1", by="bob")
    assert before == stage.value()
    await first.abort(by="root")
    await second.abort(by="ada")
    assert ["root", "ada"] == [one.end().who for one in (first, second)]  # type: ignore[union-attr]


async def test_refusal_names_whom_to_ask_and_never_who_may_not_either(stage: Stage) -> None:
    """Given a run of ada's with a decider, when a stranger stops it, then he is sent to those who may, in a sentence."""
    runtime = await stage.open()
    run = await stage.start(Actor(), owner="ada", deciders=("eve",))
    told = []
    for stop in (run.abort, partial(runtime.abort_session, "s-1"), partial(runtime.close_session, "s-1")):
        with pytest.raises(Denied) as denied:
            await stop(by="bob")
        told.append(str(denied.value))
    assert [
        f"run {run.id}: 'bob' may not abort it; ask its owner or an admin",
        "session s-1: 'bob' may not abort it; ask the owner of one of its runs or an admin",
        f"session s-1: 'bob' may not close it; ask the owner of run {run.id} or an admin",
    ] == told


async def test_session_that_is_not_known_is_named(stage: Stage) -> None:
    """Given no such session, when somebody stops, closes or watches it, then the sentence says which one it was."""
    runtime = await stage.open()
    for asked in (runtime.abort_session("gone"), runtime.close_session("gone"), runtime.attach("gone")):
        with pytest.raises(NotFound, match="session gone: not known here; check the name"):
            await asked


async def test_abort_of_a_session_ends_what_the_caller_may_end(stage: Stage) -> None:
    """Given runs of two owners, when one aborts the session, then only theirs end, and the other's begins."""
    runtime = await stage.open()
    mine, theirs, also = await stage.start(Actor(), owner="ada"), Actor(), Actor()
    other = await stage.start(theirs, owner="bob")
    third = await stage.start(also, owner="ada")
    assert Aborted((mine.id, third.id)) == await runtime.abort_session("s-1", by="ada")
    await stage.settle()
    assert ["interrupted", "running", "interrupted"] == [one.state for one in (mine, other, third)]
    theirs.returns()
    await stage.settle()
    assert isinstance(await runtime.abort_session("s-1", by="ada"), NothingToDo)


async def test_close_of_a_session_stops_everything_in_one_step(stage: Stage) -> None:
    """Given a head and a queue, when the session is closed, then all are stopped with it, at once and with the cause."""
    runtime = await stage.open()
    handles = [await stage.start(Actor()) for _ in range(3)]
    revision = runtime.show("s-1").revision
    await runtime.close_session("s-1", text="bye")
    view = runtime.show("s-1")
    assert (revision + 1, "stopped", "closed", None) == (view.revision, view.state, view.cause, view.active)
    assert [("stopped", "closed")] * 3 == [(end.state, end.cause) for end in [await one.wait() for one in handles]]
    await stage.settle()
    assert 0 == len(runtime.controllers) == len(runtime.timers)
    assert isinstance(await runtime.close_session("s-1"), NothingToDo)


@pytest.mark.parametrize("what", ["run", "session", "close"])
async def test_abort_of_what_is_not_known_is_not_found(stage: Stage, what: str) -> None:
    """Given no such run or session, when it is aborted or closed, then it is not found, and nothing is opened by that."""
    runtime = await stage.open()
    with pytest.raises(NotFound, match="run r-1: not known" if what == "run" else "session nope: not known"):
        await {
            "run": lambda: runtime.run("nope", "r-1").abort(),
            "session": lambda: runtime.abort_session("nope"),
            "close": lambda: runtime.close_session("nope"),
        }[what]()
    assert [] == runtime.sessions()
    await stage.start(Actor())
    with pytest.raises(NotFound):
        await runtime.run("s-1", "nope").abort()


async def test_abort_in_line_with_the_begin_comes_first(stage: Stage) -> None:
    """Given a Begin that waits in line, when a Stop joins the line behind it, then Stop is taken first: nothing is called."""
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    go = threading.Event()

    def kept(commits: Any) -> None:
        if any(isinstance(commit.input, Attach) for commit in commits):
            assert go.wait(HANG_SECONDS)

    stage.store.kept = kept
    actor = Actor()
    admitting = asyncio.ensure_future(stage.admit(actor))
    await turns()
    attaching = asyncio.ensure_future(runtime.attach("s-1"))
    handle = await admitting
    await turns(10)
    stopping = asyncio.ensure_future(handle.abort())
    await turns(10)
    assert not stopping.done()
    go.set()
    assert Aborted((handle.id,)) == await stopping
    await attaching
    await stage.settle()
    assert ("interrupted", []) == (handle.state, actor.called)
