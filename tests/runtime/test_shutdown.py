"""Shutting down: admit nothing more, drain, abort what executes, wait for it, bounded; leave queued and parked runs."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from lifecycle import Approval, Clock, Policy, Refused, Runtime, SQLiteStore, StoreError, VirtualClock, approve
from lifecycle.kernel import inputs as i
from lifecycle.kernel.engine import KERNEL
from lifecycle.kernel.replies import Aborted, AlreadyEnded
from lifecycle.runtime import ShutdownReport
from lifecycle.runtime.clock import Wakeup
from lifecycle.runtime.line import Line, Until
from lifecycle.runtime.writer import Writer
from lifecycle.store import Commit

from .stage import HANG_SECONDS, NO_GRACE, ON_THREAD, Actor, Stage, gathered, said, turns, until


async def test_close_aborts_what_executes_and_leaves_the_rest(stage: Stage) -> None:
    """Given a run at work, one waiting in place, one queued and one parked, then the first two are aborted, the others

    are left, all four are reported, and the next process takes the queued and the parked one up.
    """
    await stage.open(policy=NO_GRACE)
    at_work, in_place, queued, parks = Actor(), Actor(), Actor(), Actor()
    working = await stage.start(at_work, session="at work", run_id="r-1")
    behind = await stage.start(queued, session="at work", run_id="r-2")
    asking = await stage.start(in_place, session="in place", run_id="r-3")
    in_place.ask(Approval("?", id="q"))
    parked = await stage.start(parks, session="parked", run_id="r-4")
    parks.parks(1, Approval("?", id="q"))
    await stage.settle()
    waiting = [asyncio.ensure_future(one.wait()) for one in (working, behind, asking, parked)]
    await turns(3)
    report = await stage.close()
    assert ShutdownReport(aborted=("r-1", "r-3"), queued=("r-2",), parked=("r-4",)) == report
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [("interrupted", "shutdown")] * 2 == [(end.state, end.cause) for end in (ends[0], ends[2])]  # type: ignore[union-attr]
    assert [Refused, Refused] == [type(ends[1]), type(ends[3])]
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    states = {view.id: view.state for view in runtime.sessions()}
    assert {"at work": "running", "in place": "interrupted", "parked": "waiting_for_human"} == states
    assert ([behind.id], 1) == (queued.called, len(parks.grants))
    queued.returns()
    await runtime.run("parked", "r-4").decide("q", approve())
    await stage.settle()
    parks.returns()


async def test_close_waits_for_each_session_once_however_many_there_are(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given twenty runs that end one after another while a close drains, then each is waited for at most twice."""
    waits: list[str] = []
    change = Line.change

    async def counted(line: Line, until: Until | None = None) -> None:
        waits.append(line.id)
        await change(line, until)

    await stage.open(policy=NO_GRACE)
    actors = [Actor() for _ in range(20)]
    for number, actor in enumerate(actors):
        await stage.start(actor, session=f"s-{number}")
    await stage.settle()
    monkeypatch.setattr(Line, "change", counted)
    closing = asyncio.ensure_future(stage.runtime.close(30))
    for actor in reversed(actors):
        await stage.settle()
        assert not closing.done()
        actor.returns("done")
    assert ShutdownReport() == await closing
    assert 1 <= max(waits.count(f"s-{number}") for number in range(20)) <= 2


async def test_close_drains_for_as_long_as_it_may(stage: Stage) -> None:
    """Given a drain of 30 s, when a run ends by itself in that time, then it is not aborted, and close returns at once."""
    await stage.open()
    quick, slow = Actor(), Actor()
    first = await stage.start(quick, session="s-1")
    second = await stage.start(slow, session="s-2")
    closing = asyncio.ensure_future(stage.runtime.close(30))
    await stage.pass_time(10)
    quick.returns("done")
    await stage.pass_time(19.9)
    assert not closing.done()
    await stage.pass_time(0.1)
    report = await closing
    stage.runtime = None
    assert ((second.id,), (), ()) == (report.aborted, report.abandoned, report.queued)
    stage.runtime = None
    runtime = await stage.open()
    ends = [runtime.run("s-1", first.id).end(), runtime.run("s-2", second.id).end()]
    assert [("ready", "completed"), ("interrupted", "shutdown")] == [(end.state, end.cause) for end in ends]


async def test_close_that_drains_returns_when_all_have_ended(stage: Stage) -> None:
    """Given a drain of an hour, when the last run ends after a minute, then close returns then, with nothing aborted."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    await stage.start(actor)
    closing = asyncio.ensure_future(runtime.close(3_600))
    await stage.pass_time(60)
    actor.returns()
    await stage.settle()
    assert ShutdownReport() == await closing
    stage.runtime = None


async def test_close_admits_nothing_more_and_begins_nothing_more(stage: Stage) -> None:
    """Given a runtime that drains, then new runs are refused, queued ones do not begin, and questions can be answered."""
    runtime = await stage.open(policy=NO_GRACE)
    actor, behind = Actor(), Actor()
    handle = await stage.start(actor)
    queued = await stage.start(behind)
    told = actor.ask(Approval("?", id="q"))
    await stage.settle()
    closing = asyncio.ensure_future(runtime.close(100))
    await stage.settle()
    with pytest.raises(Refused, match="shutting down"):
        await stage.admit(Actor())
    await handle.decide("q", approve())
    await stage.settle()
    assert told.value[0].approved
    actor.returns("done")
    await stage.settle()
    report = await closing
    stage.runtime = None
    assert ((), (queued.id,), []) == (report.aborted, report.queued, behind.called)


async def test_close_gives_up_code_that_does_not_return(stage: Stage) -> None:
    """Given code in a thread and code that swallows cancellation, when it does not return within the closing grace, then

    close returns all the same, and reports it as aborted and abandoned.
    """
    runtime = await stage.open(policy=Policy(closing_grace_seconds=5))
    worker, stubborn, good = stage.worker(), Actor(stubborn=True), Actor()
    await stage.start(worker, session="s-1", run_id="r-1")
    await until(worker.began.is_set)
    await stage.start(stubborn, session="s-2", run_id="r-2")
    await stage.start(good, session="s-3", run_id="r-3")
    began = stage.clock.now()
    report = await stage.close()
    assert (("r-1", "r-2", "r-3"), ("r-1", "r-2"), ()) == (report.aborted, report.abandoned, report.queued)
    assert stage.clock.now() - began <= 7_000_000
    assert 2 == runtime.counters["abandoned"]
    worker.go.set()
    stubborn.stubborn = False
    stubborn.returns("late")
    await turns(10)
    runtime = await stage.open()
    assert {"interrupted"} == {view.state for view in runtime.sessions()}
    assert 0 == len(runtime.controllers)


async def test_close_lets_go_of_code_that_was_closing_already(stage: Stage) -> None:
    """Given code that outlived an abort, when close is called, then it waits for what is left of the grace, no longer."""
    await stage.open(policy=Policy(closing_grace_seconds=10))
    stubborn = Actor(stubborn=True)
    handle = await stage.start(stubborn)
    await handle.abort()
    await stage.pass_time(6)
    began = stage.clock.now()
    report = await stage.close()
    assert ((), (handle.id,)) == (report.aborted, report.abandoned)
    assert stage.clock.now() - began <= 5_000_000
    stubborn.stubborn = False
    stubborn.returns()
    await turns(5)


@pytest.mark.parametrize("first", ["stop", "shutdown"])
async def test_stop_beside_a_shutdown_is_told_as_what_came_first(stage: Stage, first: str) -> None:
    """[OpenClaw 110209] Given a user who stops a run in the very moment of a shutdown, then whoever came first is the

    cause, for the one who waits, in the record and in the report; a stop by the user is no shutdown.
    """
    await stage.open(policy=NO_GRACE)
    handle = await stage.start(Actor())
    waiting = asyncio.ensure_future(handle.wait())
    await turns(2)
    if first == "stop":
        stopping = asyncio.ensure_future(handle.abort())
        await turns(1)
        report = await stage.close()
    else:
        closing = asyncio.ensure_future(stage.close())
        await until(lambda: handle.end() is not None)
        stopping = asyncio.ensure_future(handle.abort())
        report = await closing
    told, end = (await asyncio.gather(stopping, return_exceptions=True))[0], await waiting
    cause = "aborted" if first == "stop" else "shutdown"
    assert ("interrupted", cause) == (end.state, end.cause)
    assert ((handle.id,) if first == "shutdown" else ()) == report.aborted
    assert isinstance(told, Aborted if first == "stop" else AlreadyEnded | Refused)


async def test_close_called_by_an_agent_does_not_wait_for_that_agent(stage: Stage) -> None:
    """Given code that closes the runtime it runs in, then close returns to it, its own run is aborted by the shutdown,

    durably, and is reported as that.
    """
    runtime = await stage.open(policy=NO_GRACE)
    actor, other = Actor(), Actor()
    handle = await stage.start(actor, session="s-1")
    await stage.start(other, session="s-2", run_id="r-other")
    told = actor.tell(lambda run: runtime.close())
    actor.returns("after")
    for _ in range(30):
        await stage.pass_time(1)
    assert (True, None) == (told.done, told.error)
    assert ({handle.id, "r-other"}, (), ()) == (set(told.value.aborted), told.value.queued, told.value.parked)
    stage.runtime = None
    runtime = await stage.open(policy=NO_GRACE)
    end = runtime.run("s-1", handle.id).end()
    assert ("interrupted", "shutdown") == (end.state, end.cause)


async def test_close_called_by_sync_code_is_bounded(stage: Stage) -> None:
    """Given plain code that closes the runtime from its thread, then that returns, too, and its run is aborted."""
    runtime = await stage.open(policy=Policy(closing_grace_seconds=5))
    loop = asyncio.get_running_loop()
    reports: list[Any] = []

    def agent(run: Any) -> None:
        reports.append(asyncio.run_coroutine_threadsafe(runtime.close(), loop).result(HANG_SECONDS))

    handle = await stage.admit(agent)
    await handle.wait_for("running")
    for _ in range(1_000):
        if reports:
            break
        await stage.pass_time(1)
        await until(lambda: True)
    await until(lambda: reports)
    assert (handle.id,) == reports[0].aborted
    stage.runtime = None


async def test_close_called_twice_is_closed_once_and_both_wait(stage: Stage) -> None:
    """Given close called by two, then both are back only when it is closed, and the second is told nothing new."""
    runtime = await stage.open()
    stubborn = Actor(stubborn=True)
    await stage.start(stubborn)
    both = [asyncio.ensure_future(runtime.close()) for _ in range(2)]
    await stage.settle()
    assert [False, False] == [one.done() for one in both]
    for _ in range(20):
        await stage.pass_time(1)
    first, second = [await one for one in both]
    assert second in (first, ShutdownReport())
    await runtime.close()
    stage.runtime = None
    stubborn.stubborn = False
    stubborn.returns()
    await turns(5)


async def test_everything_is_refused_after_close(stage: Stage) -> None:
    """Given a closed runtime, then every request is refused or told that the store is closed, and none hangs."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    actor.parks(1, Approval("?", id="q"))
    await stage.settle()
    attachment = await runtime.attach("s-1")
    await stage.close()
    for ask in (
        lambda: stage_admit(runtime, actor),
        handle.abort,
        handle.wait,
        lambda: handle.wait_for("ready"),
        lambda: handle.decide("q", approve()),
        lambda: runtime.attach("s-1"),
        lambda: runtime.close_session("s-1"),
        lambda: runtime.abort_session("s-1"),
        lambda: runtime.provider_reported("s-1", "ready"),
        attachment.detach,
    ):
        with pytest.raises((Refused, StoreError)):
            await ask()
    async with attachment:
        pass
    assert [(1, "waiting_for_human")] == said(await gathered(handle.follow()))


async def test_end_that_is_waited_for_after_close_is_refused(stage: Stage) -> None:
    """Given a run that ended before the runtime was closed, when its end is asked for then, that is one clear sentence."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    actor.returns()
    await handle.wait()
    await stage.close()
    for ask in (handle.wait, lambda: handle.wait_for("running")):
        with pytest.raises(Refused, match="runtime: it is shut down; start another"):
            await ask()
    for look in (handle.end, lambda: handle.state, lambda: runtime.show("nope")):
        with pytest.raises(Refused, match="runtime: it is shut down; start another"):
            look()


async def stage_admit(runtime: Any, agent: Any) -> Any:
    """Start a run on a runtime."""
    return await runtime.start(agent, session="s-1", name="agent")


async def test_nothing_works_before_it_is_open(stage: Stage) -> None:
    """Given a runtime that was not entered, when something is asked of it, then it says how it is to be used."""
    store = stage.disk.open()
    runtime = Runtime(store, clock=VirtualClock())  # type: ignore[arg-type]
    with pytest.raises(Refused, match="async with"):
        await runtime.start(Actor(), session="s-1", name="agent")
    store.close()


async def test_leaving_the_context_closes(stage: Stage) -> None:
    """Given a runtime used as a context, when the body is left, even by an exception, then it is closed and the file free."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with Runtime(stage.disk.open(), clock=VirtualClock()) as runtime:  # type: ignore[arg-type]
                actor = Actor()
                handle = await runtime.start(actor, session="s-1", name="agent")
                actor.returns(1)
                assert 1 == (await handle.wait()).result
                raise ZeroDivisionError
        assert runtime.is_closed


async def test_close_with_a_store_that_fails_is_bounded_and_releases_every_sender(stage: Stage) -> None:
    """Given facts that cannot be kept, when the runtime closes, then whoever waits for them is told, loop and thread, and

    nothing is reported as done that is not durable.
    """
    runtime = await stage.open(policy=NO_GRACE)
    actor, worker = Actor(), stage.worker()
    worker.after = lambda run: run.checkpoint(1)
    stage.store.refuse(i.Checkpointed, i.Shutdown, times=10_000)
    handle = await stage.start(actor, session="s-1")
    other = await stage.start(worker, session="s-2")
    told = actor.checkpoint(1)
    actor.returns()
    worker.go.set()
    await stage.settle()
    report = await stage.close()
    await until(lambda: worker.error is not None and told.done)
    await turns(5)
    assert isinstance(told.error, Refused | StoreError | asyncio.CancelledError)
    assert isinstance(worker.error, Refused | StoreError)
    assert () == report.aborted
    assert runtime.is_closed
    runtime = await stage.open(policy=NO_GRACE)
    assert {("interrupted", "crashed")} == {
        (end.state, end.cause) for end in (runtime.run("s-1", handle.id).end(), runtime.run("s-2", other.id).end())
    }


async def test_close_with_a_store_that_hiccups_aborts_all_the_same(stage: Stage) -> None:
    """Given a shutdown whose commit fails at first, then it is tried again, and the run is aborted by it."""
    await stage.open(policy=NO_GRACE)
    handle = await stage.start(Actor())
    stage.store.refuse(i.Shutdown, times=2)
    report = await stage.close()
    assert (handle.id,) == report.aborted
    runtime = await stage.open()
    assert "shutdown" == runtime.run("s-1", handle.id).end().cause


async def test_threads_of_the_runtime_end_with_it(stage: Stage) -> None:
    """Given a runtime that has written and watched, when it is closed, then its threads are gone."""
    before = set(threading.enumerate())
    await stage.open()
    actors = [Actor() for _ in range(5)]
    await asyncio.gather(*(stage.admit(actor, session=f"s-{place}") for place, actor in enumerate(actors)))
    await stage.settle()
    assert [one for one in threading.enumerate() if one not in before]
    await stage.close()
    assert [] == [one.name for one in threading.enumerate() if one not in before]


async def test_sync_code_that_outlives_the_loop_ends_quietly(stage: Stage) -> None:
    """Given code in a thread that returns after the runtime is gone, then nothing is raised anywhere, and it is released."""
    await stage.open(policy=Policy(closing_grace_seconds=1))
    worker = stage.worker()
    seen: list[Any] = []

    def after(run: Any) -> None:
        for act in (lambda: run.emit("late"), lambda: run.checkpoint(1), lambda: run.ask(Approval("?"))):
            try:
                seen.append(act())
            except Exception as error:
                seen.append(type(error).__name__)

    worker.after = after
    await stage.start(worker)
    await until(worker.began.is_set)
    await stage.close()
    worker.go.set()
    await until(lambda: len(seen) == 3)
    assert False is seen[0]
    assert {"Refused", "RunAborted"} >= set(seen[1:])


# -- under a lock -----------------------------------------------------------------------------------------------------


class Unwatched(Clock):
    """A virtual clock that goes on while a thread is at work: nobody waits there for what the store keeps waiting."""

    def __init__(self) -> None:
        self.virtual = VirtualClock()
        self.advance = self.virtual.advance

    def start(self, latest: int) -> None:
        """Begin to run."""
        self.virtual.start(latest)

    def now(self) -> int:
        """Return engine time."""
        return self.virtual.now()

    def call_at(self, due: int, wake: Callable[[], None]) -> Wakeup:
        """Wake when advanced that far."""
        return self.virtual.call_at(due, wake)


@contextmanager
def locked(stage: Stage) -> Iterator[sqlite3.Connection]:
    """Be another program that has the file locked."""
    assert stage.disk.path is not None
    with closing(sqlite3.connect(stage.disk.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def closed_under_a_lock(stage: Stage, drain_seconds: float) -> tuple[ShutdownReport, float]:
    """Close a runtime with one run of each kind under a lock that stays; return its report and how long it took."""
    clock = Unwatched()
    runtime = Runtime(SQLiteStore(stage.disk.path), NO_GRACE, clock=clock)
    await runtime.open()
    at_work, in_place, parks, outlives = Actor(), Actor(), Actor(), Actor(stubborn=True)
    for actor, session, run in (
        (at_work, "at work", "r-1"),
        (Actor(), "at work", "r-2"),
        (in_place, "in place", "r-3"),
        (parks, "parked", "r-4"),
        (outlives, "outlived", "r-5"),
    ):
        await runtime.start(actor, session=session, run_id=run, name=run)
    parks.parks(1, Approval("?", id="q"))
    asked = in_place.ask(Approval("?", id="q"))
    await runtime.run("parked", "r-4").wait_for("waiting_for_human")
    await runtime.run("in place", "r-3").wait_for("waiting_for_human")
    await runtime.run("outlived", "r-5").wait_for("running")
    await runtime.run("outlived", "r-5").abort()
    with locked(stage):
        began = clock.now()
        shutting = asyncio.ensure_future(runtime.close(drain_seconds))
        while not shutting.done():
            await clock.advance(0.25)
            await asyncio.sleep(0)
        took = (clock.now() - began) / 1_000_000
        report = await shutting
    assert not asked.done or asked.error is not None
    outlives.stubborn = False
    outlives.returns()
    await turns(10)
    return report, took


@pytest.mark.parametrize("drain_seconds", [0.0, 30.0])
async def test_close_under_a_lock_is_bounded_and_says_what_became_of_each_run(
    file_stage: Stage, drain_seconds: float
) -> None:
    """Given another program that has the file locked to the last, when the runtime closes, then that takes the drain,

    the closing grace and a second, and no run is said to be queued, parked or aborted that the next process finds lost.
    """
    report, took = await closed_under_a_lock(file_stage, drain_seconds)
    assert ShutdownReport(abandoned=("r-5",), queued=("r-2",), parked=("r-4",), lost=("r-1", "r-3")) == report
    assert took <= drain_seconds + NO_GRACE.closing_grace_seconds + 1.25  # the clock goes in steps of 0.25 s
    runtime = await file_stage.open(policy=NO_GRACE)
    ends = {run: runtime.run(session, run).end() for session, run in (("at work", "r-1"), ("in place", "r-3"))}
    assert {("interrupted", "crashed")} == {(end.state, end.cause) for end in ends.values()}
    assert "waiting_for_human" == runtime.run("parked", "r-4").state


async def test_close_waits_for_a_lock_that_goes(file_stage: Stage) -> None:
    """Given a file that is locked when a runtime closes, when the lock goes in time, then the run is aborted, durably."""
    clock = Unwatched()
    runtime = Runtime(SQLiteStore(file_stage.disk.path), NO_GRACE, clock=clock)
    await runtime.open()
    handle = await runtime.start(Actor(), session="s-1", name="agent")
    await handle.wait_for("running")
    with locked(file_stage) as other:
        shutting = asyncio.ensure_future(runtime.close())
        await clock.advance(8)
        assert not shutting.done()
        other.execute("ROLLBACK")
        await until(shutting.done)
    assert ShutdownReport(aborted=(handle.id,)) == await shutting


async def test_close_is_bounded_whoever_goes_on_asking(file_stage: Stage) -> None:
    """Given a locked file, and clients that ask again whenever they are told so, when the runtime closes, then it is not

    kept by them, and each of them, and code that waits for a checkpoint, is told in the end.
    """
    clock = Unwatched()
    runtime = Runtime(SQLiteStore(file_stage.disk.path), NO_GRACE, clock=clock)
    await runtime.open()
    worker = file_stage.worker()
    worker.after = lambda run: run.checkpoint(1)
    await runtime.start(worker, session="s-0", name="worker")
    for place in range(3):
        handle = await runtime.start(Actor(), session=f"s-{place + 1}", name="agent")
        await handle.wait_for("running")
    await until(worker.began.is_set)

    async def asks_on(session: str) -> None:
        while True:
            try:
                await runtime.attach(session)
            except StoreError:
                continue

    with locked(file_stage):
        clients = [asyncio.ensure_future(asks_on(f"s-{place + 1}")) for place in range(3)]
        worker.go.set()
        await turns(5)
        shutting = asyncio.ensure_future(runtime.close())
        began = clock.now()
        while not shutting.done():
            await clock.advance(0.25)
        took = (clock.now() - began) / 1_000_000
        told = await asyncio.gather(*clients, return_exceptions=True)
    await until(lambda: worker.error is not None)
    assert [Refused] * 3 == [type(one) for one in told]
    assert took <= NO_GRACE.closing_grace_seconds + 1.25
    assert 4 == len((await shutting).lost)


async def test_writer_that_is_closed_tells_whoever_still_waits(memory_stage: Stage) -> None:
    """Given a step that is staged when its writer is closed, then its sender is told, and it is not kept later."""
    store = memory_stage.disk.open()
    writer, told = Writer(store, 1.0), []
    given = i.StartRun("s-1", "r-1", "ada", "agent", "1", "d", NO_GRACE)
    step = KERNEL.step(None, given, 0)
    writer.stage(Commit(None, given, 0, step, 0), told.append)
    writer.close()
    await turns(3)
    assert ["the runtime was shut down before it kept this"] == [error.fact for error in told]
    assert (False, [], None) == (writer.busy, store.attempts, store.load("s-1"))


async def test_run_that_ends_by_itself_is_not_reported_as_aborted(stage: Stage) -> None:
    """Given a run whose code returns while the shutdown is on its way to it, then it is ready, and not called aborted."""
    await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    actor = Actor()
    handle = await stage.start(actor)
    with stage.store.held():
        actor.returns("done")
        await turns(5)
        closing_it = asyncio.ensure_future(stage.runtime.close())
        await turns(5)
    assert ShutdownReport() == await closing_it
    stage.runtime = None
    runtime = await stage.open(policy=NO_GRACE)
    assert "ready" == runtime.run("s-1", handle.id).end().state
