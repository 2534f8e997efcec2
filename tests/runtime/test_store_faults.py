"""A store that fails: requests are told and nothing changes; facts and firings stay first in line until durable."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lifecycle import (
    Approval,
    MemoryStore,
    Policy,
    Refused,
    RunHandle,
    Runtime,
    SQLiteStore,
    StoreError,
    Tracker,
    approve,
    hooks,
)
from lifecycle.kernel import inputs as i
from lifecycle.kernel import step
from lifecycle.kernel.replies import Aborted
from lifecycle.runtime.writer import Writer
from lifecycle.store import Commit, Store

from .stage import NO_GRACE, ON_THREAD, Actor, Stage, gathered, said, until

REQUESTS: dict[str, tuple[type[i.Input], Callable[[Any, RunHandle], Any]]] = {
    "start": (i.StartRun, lambda stage, run: stage.admit(Actor())),
    "start of a new session": (i.StartRun, lambda stage, run: stage.admit(Actor(), session="s-2")),
    "abort": (i.AbortRun, lambda stage, run: run.abort()),
    "abort of the session": (i.AbortSession, lambda stage, run: stage.runtime.abort_session("s-1")),
    "close of the session": (i.CloseSession, lambda stage, run: stage.runtime.close_session("s-1")),
    "decision": (i.Decide, lambda stage, run: run.decide("q", approve())),
    "attach": (i.Attach, lambda stage, run: stage.runtime.attach("s-1")),
}


@pytest.mark.parametrize("what", REQUESTS)
async def test_request_whose_commit_fails_changes_nothing(stage: Stage, what: str) -> None:
    """Given a store that fails, when somebody asks for something, then they get StoreError, nothing was done or told,

    and the same request succeeds once the store is well.
    """
    runtime = await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    told = actor.ask(Approval("Delete?", id="q"))
    await stage.settle()
    kind, ask = REQUESTS[what]
    before, seen, views = stage.value(), len(stage.observed), runtime.sessions()
    registered, armed = len(runtime.controllers), runtime.timers.names()
    stage.store.refuse(kind)
    with pytest.raises(StoreError, match="has no room left; make room"):
        await ask(stage, handle)
    await stage.settle()
    assert (before, seen, views) == (stage.value(), len(stage.observed), runtime.sessions())
    assert (registered, armed, False) == (len(runtime.controllers), runtime.timers.names(), told.done)
    assert 1 == runtime.counters["commits_failed"]
    await ask(stage, handle)
    assert len(stage.observed) > seen
    await stage.settle()
    if not actor._acts.qsize() and handle.state == "running":
        actor.returns()


async def test_answer_whose_commit_failed_can_be_given_again(stage: Stage) -> None:
    """Given a last answer whose commit fails, then the question is open as before; given again, the code goes on once."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    actor.parks(1, Approval("Delete?", id="q"))
    await stage.settle()
    stage.store.refuse(i.Decide, times=3)
    replies = await asyncio.gather(*(handle.decide("q", approve()) for _ in range(3)), return_exceptions=True)
    assert [StoreError] * 3 == [type(one) for one in replies]
    assert ("waiting_for_human", 1) == (handle.state, len(handle.requests))
    await handle.decide("q", approve())
    await stage.settle()
    assert 2 == len(actor.grants)
    actor.returns()


FACTS: dict[str, tuple[type[i.Input], Callable[[Actor], Any], str]] = {
    "question": (i.RunAsked, lambda actor: actor.ask(Approval("?", id="q")), "waiting_for_human"),
    "checkpoint": (i.Checkpointed, lambda actor: actor.checkpoint(1), "running"),
    "return": (i.ExecutionSettled, lambda actor: actor.returns(1), "ready"),
    "park": (i.ExecutionSettled, lambda actor: actor.parks(1, Approval("?", id="q")), "waiting_for_human"),
    "failure": (i.ExecutionSettled, lambda actor: actor.raises(ValueError("x")), "error"),
    "report": (i.RunCompleted, lambda actor: actor.tell(lambda run: run.complete(1)), "ready"),
}


@pytest.mark.parametrize("what", FACTS)
async def test_fact_whose_commit_fails_is_retried_until_durable(stage: Stage, what: str) -> None:
    """Given a store that fails for a while, when the code says something, then nothing is told, and it is tried again,

    ever more rarely, until it is durable; then it counts once.
    """
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    kind, act, state = FACTS[what]
    stage.store.refuse(kind, times=5)
    seen = len(stage.observed)
    act(actor)
    await stage.settle()
    assert ("running", seen) == (handle.state, len(stage.observed))
    tries = [len(stage.store.attempts)]
    for _ in range(3):
        await stage.pass_time(0.15)
        tries.append(len(stage.store.attempts))
    assert tries[0] < tries[-1]
    await stage.pass_time(60)
    assert (state, 5) == (handle.state, runtime.counters["commits_failed"])
    assert 1 == sum(name == kind.__name__ for name in stage.inputs())
    if what in ("checkpoint", "report"):
        actor.returns()


async def test_fact_is_first_in_line_until_it_is_durable(stage: Stage) -> None:
    """Given a return that cannot be kept, when requests come, then those fail or wait behind it: none overtakes it."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    stage.store.refuse(i.ExecutionSettled, times=4)
    actor.returns("answer")
    await stage.settle()
    stopping = asyncio.ensure_future(handle.abort())
    await stage.settle()
    assert "running" == handle.state
    await stage.pass_time(60)
    end = await handle.wait()
    assert ("ready", "answer") == (end.state, end.result)
    stopped = (await asyncio.gather(stopping, return_exceptions=True))[0]
    assert not isinstance(stopped, Aborted)


async def test_firing_whose_commit_fails_is_retried_until_durable(stage: Stage) -> None:
    """Given timers of every kind that fire while the store fails, then each takes effect once, when it is well again."""
    await stage.open(policy=Policy(orphan_grace_seconds=50, closing_grace_seconds=5))
    deadline, expiry, idle, stubborn = Actor(), Actor(), Actor(), Actor(stubborn=True)
    limited = await stage.start(deadline, session="deadline", deadline_seconds=20)
    asking = await stage.start(expiry, session="expiry")
    expiry.parks(1, Approval("?", id="q", expiry_seconds=20, on_expiry="stop"))
    await stage.start(idle, session="idle")
    idle.returns()
    closing = await stage.start(stubborn, session="closing")
    await stage.settle()
    await closing.abort()
    stage.store.refuse(i.TimerFired, times=40)
    await stage.pass_time(15)
    assert closing.id == stage.runtime.show("closing").closing
    await stage.pass_time(500)
    stage.store.heal()
    await stage.pass_time(20)
    assert ("deadline", "request_expired") == (limited.end().cause, asking.end().cause)  # type: ignore[union-attr]
    assert ("stopped", "orphaned") == (stage.runtime.show("idle").state, stage.runtime.show("idle").cause)
    assert stage.runtime.show("closing").closing is None
    assert 1 == len(stage.hooks(hooks.ReportAbandoned, "closing"))
    stubborn.stubborn = False
    stubborn.returns()


async def test_begin_whose_commit_fails_is_asked_again(stage: Stage) -> None:
    """Given a grant that cannot be kept, when the store is well again, then the code is called, once."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.admit(actor)
    stage.store.refuse(i.Begin, times=3)
    await stage.settle()
    assert ("starting", []) == (handle.state, actor.called)
    await stage.pass_time(60)
    assert ("running", [handle.id]) == (handle.state, actor.called)
    actor.returns()


async def test_begin_that_waits_for_the_store_does_not_outlive_its_run(stage: Stage) -> None:
    """Given a grant that cannot be kept, when the run is aborted meanwhile, then its code is never called."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.admit(actor)
    stage.store.refuse(i.Begin, times=3)
    await stage.settle()
    replies = await asyncio.gather(handle.abort(), pass_time(stage), return_exceptions=True)
    if isinstance(replies[0], StoreError):
        await handle.abort()
    await stage.pass_time(60)
    assert ("interrupted", []) == (handle.state, actor.called)


async def pass_time(stage: Stage) -> None:
    """Let enough time pass for every retry."""
    await stage.settle()
    await stage.pass_time(60)


async def test_failing_store_of_one_session_does_not_hold_up_another(stage: Stage) -> None:
    """Given a session whose fact waits for the store, then other sessions start, work and end meanwhile."""
    await stage.open(policy=NO_GRACE)
    stuck, free = Actor(), Actor()
    held_up = await stage.start(stuck, session="stuck")
    stage.store.refuse(i.Checkpointed, times=1_000)
    stuck.checkpoint(1)
    await stage.settle()
    other = await stage.start(free, session="free")
    free.returns("done")
    assert "done" == (await other.wait()).result
    assert "running" == held_up.state
    stage.store.heal()
    await stage.pass_time(10)
    stuck.returns()
    await stage.settle()
    assert "ready" == held_up.state


async def test_group_of_which_one_fails_tells_each_its_own(stage: Stage) -> None:
    """Given fifty sessions in one group whose commit fails, then each start is told, and all can be started again."""
    await stage.open(limits=ON_THREAD)
    agents = [Actor() for _ in range(50)]
    stage.store.refuse(i.StartRun)
    replies = await asyncio.gather(
        *(stage.admit(agent, session=f"s-{place}", key="k") for place, agent in enumerate(agents)),
        return_exceptions=True,
    )
    failed = [one for one in replies if isinstance(one, StoreError)]
    assert failed
    handles = await asyncio.gather(
        *(stage.admit(agent, session=f"s-{place}", key="k") for place, agent in enumerate(agents))
    )
    await until(lambda: all(agent.called for agent in agents))
    for agent in agents:
        agent.returns()
    assert {"ready"} == {(await one.wait()).state for one in handles}


async def test_whole_story_goes_well_on_a_store_that_fails_every_second_time(stage: Stage) -> None:
    """Given a store that fails at every second commit, when a client retries, then the run waits, goes on and ends once."""
    await stage.open(policy=NO_GRACE)
    commits = [0]
    keep = stage.store.inner.commit

    def every_second(given: Any) -> Any:
        commits[0] += 1
        if commits[0] % 2:
            raise StoreError("store", "has hiccups", "try again")
        return keep(given)

    stage.store.inner = Hiccups(stage.store.inner, every_second)  # type: ignore[assignment]

    async def insisting(ask: Callable[[], Any]) -> Any:
        for _ in range(10):
            try:
                return await ask()
            except StoreError:
                await stage.pass_time(10)
        raise AssertionError("it never succeeds")

    actor = Actor()
    handle = await insisting(lambda: stage.admit(actor, key="k"))
    await stage.pass_time(20)
    actor.emit("a")
    actor.ask(Approval("?", id="q"))
    await stage.pass_time(20)
    await insisting(lambda: handle.decide("q", approve()))
    await stage.pass_time(20)
    actor.emit("b")
    actor.returns("done")
    await stage.pass_time(20)
    assert "done" == handle.end().result
    assert ["a", (1, "waiting_for_human"), "b", (2, "ready")] == said(await gathered(handle.follow()))
    assert [handle.id] == actor.called


class Hiccups:
    """A store with another commit."""

    def __init__(self, inner: Any, commit: Callable[[Any], Any]) -> None:
        self._inner = inner
        self.commit = commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_store_with_a_bug_loses_no_sender(stage: Stage) -> None:
    """Given a store that raises what no store may, then the sender gets StoreError all the same, with its name."""
    await stage.open()

    def broken(given: Any) -> Any:
        raise KeyError("a bug")

    inner = stage.store.inner
    stage.store.inner = Hiccups(inner, broken)  # type: ignore[assignment]
    with pytest.raises(StoreError, match="KeyError"):
        await stage.admit(Actor())
    stage.store.inner = inner
    actor = Actor()
    handle = await stage.admit(actor)
    actor.returns()
    assert "ready" == (await handle.wait()).state


async def test_store_that_cannot_read_tells_who_asked(stage: Stage) -> None:
    """Given a store that fails to read, when a run is started by a key or looked for, then they are told, nobody else."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    inner = stage.store.inner

    class Blind(Hiccups):
        def key_ended(self, *names: str) -> None:
            raise StoreError("store", "cannot be read", "check the disk")

        run_ended = request_closed = load = key_ended

    stage.store.inner = Blind(inner, inner.commit)  # type: ignore[assignment]
    for ask in (
        lambda: stage.admit(Actor(), key="k"),
        lambda: stage.admit(Actor(), session="unread"),
        lambda: stage.runtime.run("s-1", "old").abort(),
        lambda: stage.runtime.abort_session("unread"),
    ):
        with pytest.raises(StoreError, match="cannot be read"):
            await ask()
    stage.store.inner = inner
    actor.returns("fine")
    assert "fine" == (await handle.wait()).result


# -- one store, one runtime -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda folder: MemoryStore(), lambda folder: SQLiteStore(folder / "runs.db")])
async def test_second_runtime_on_one_store_is_refused(tmp_path: Path, make: Callable[[Path], Store]) -> None:
    """Given a runtime at work, when another is opened on its store, then that is told, and the first notices nothing,

    though the other is closed.
    """
    store = make(tmp_path)
    actor = Actor()
    async with Runtime(store, policy=NO_GRACE) as runtime:
        handle = await runtime.start(actor, session="s-1", name="agent")
        await handle.wait_for("running")
        other = Tracker(store, policy=NO_GRACE)
        with pytest.raises(StoreError, match="another runtime works on it; close that one"):
            await other.open()
        await other.close()
        actor.returns("done")
        assert "done" == (await handle.wait()).result
    with pytest.raises(StoreError, match="closed"):
        store.claim()


def step_from_elsewhere(stage: Stage, given: i.Input) -> None:
    """Let somebody else, whom no lock kept out, step the session in the store."""
    value = stage.value()
    took, kept = step(value, given, stage.clock.now()), stage.store.load(value.id)
    assert kept is not None
    assert [None] == list(stage.store.inner.commit([Commit(value, given, stage.clock.now(), took, 0, kept.lease)]))


@pytest.mark.parametrize("what", ["return", "timer", "request"])
async def test_run_that_others_ended_in_the_store_is_over_here_too(stage: Stage, what: str) -> None:
    """Given a run that was aborted in the store by others, when anything of it meets the store here, then whoever waits

    is told of that end, the code is signalled, and the session goes on with what the store has.
    """
    runtime = await stage.open(policy=NO_GRACE)
    actor, following = Actor(), Actor()
    handle = await stage.start(actor, deadline_seconds=5)
    waiting = asyncio.ensure_future(handle.wait())
    signal = handle.signal
    step_from_elsewhere(stage, i.AbortRun(handle.id, "local", "elsewhere"))
    if what == "return":
        actor.returns("late")
    elif what == "request":
        with pytest.raises(StoreError, match="changed underneath"):
            await runtime.attach("s-1")
    await stage.pass_time(10)
    end = await waiting
    assert ("interrupted", "elsewhere", 1) == (end.state, end.text, runtime.counters["reloaded"])
    assert signal is not None and signal.aborted
    assert [(1, "interrupted")] == said(await gathered(handle.follow()))
    again = await stage.start(following)
    assert ("running", 0) == (again.state, len(runtime.end_waiters))
    following.returns()


@pytest.mark.parametrize("on_crash", ["interrupt", "rerun"])
async def test_run_that_others_touched_in_the_store_is_lost_by_policy(stage: Stage, on_crash: str) -> None:
    """Given a session that was changed in the store by others, when its code says something, then what it says is not

    kept for ever: its execution is lost, and its run ends or is begun again as after a crash.
    """
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, on_crash=on_crash)
    queued = await stage.start(actor)
    step_from_elsewhere(stage, i.Attach("elsewhere"))
    told = actor.checkpoint(1)
    await stage.pass_time(10)
    assert told.done and told.error is not None
    expected = {"interrupt": ["interrupted", "running"], "rerun": ["running", "starting"]}
    assert expected[on_crash] == [handle.state, queued.state]
    assert (1, 0) == (runtime.counters["reloaded"], runtime.show("s-1").attached)
    for _ in range(2):
        actor.returns()
        await stage.settle()


async def test_code_that_is_left_behind_is_stopped_before_the_next_begins(stage: Stage) -> None:
    """Given code at work whose session was changed in the store by others, when that shows, then it is told to stop,

    and neither its run's next attempt nor another run begins before it has returned, or its closing grace has passed.
    """
    runtime = await stage.open(policy=Policy(orphan_grace_seconds=None, closing_grace_seconds=10))
    stubborn, next_ = Actor(stubborn=True), Actor()
    await stage.start(stubborn, on_crash="rerun")
    step_from_elsewhere(stage, i.Attach("elsewhere"))
    with pytest.raises(StoreError, match="changed underneath"):
        await runtime.attach("s-1")
    await stage.pass_time(5)
    assert stubborn.grants[0].signal.aborted
    assert (1, 1) == (stubborn.cancelled, len(stubborn.grants))
    queued = await stage.start(next_)
    assert ("starting", 1) == (queued.state, len(stubborn.grants))
    await stage.pass_time(6)
    assert 2 == len(stubborn.grants), "its grace is over: the next attempt may begin"
    stubborn.stubborn = False
    for _ in range(2):
        stubborn.returns()
        await stage.settle()
    next_.returns()
    await stage.settle()


async def test_code_that_returns_when_told_makes_room_at_once(stage: Stage) -> None:
    """Given such code that does stop, when it has returned, then the next attempt begins without waiting for a grace."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, on_crash="rerun")
    step_from_elsewhere(stage, i.Attach("elsewhere"))
    with pytest.raises(StoreError, match="changed underneath"):
        await runtime.attach("s-1")
    await stage.settle()
    assert (1, 2, "running") == (actor.cancelled, len(actor.grants), handle.state)
    actor.returns()
    await stage.settle()


async def test_runtime_is_opened_once(stage: Stage) -> None:
    """Given an open runtime, when it is opened again, then that is refused in words about it, and it goes on."""
    runtime = await stage.open(policy=NO_GRACE)
    with pytest.raises(Refused, match="is open already"):
        await runtime.open()
    actor = Actor()
    await stage.start(actor)
    actor.returns()
    await stage.settle()
    await stage.close()
    with pytest.raises(Refused, match="was closed"):
        await runtime.open()


async def test_session_that_others_change_all_the_time_is_tried_ever_again_with_pauses(stage: Stage) -> None:
    """Given a store that always says that it has another revision, then that is tried again, never in a hot loop."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    inner = stage.store.inner

    def behind(given: Any) -> Any:
        return [StoreError("session s-1", "changed underneath", "load it", stands_on=1, revision=2)] * len(given)

    stage.store.inner = Hiccups(inner, behind)  # type: ignore[assignment]
    actor.returns("late")
    await stage.pass_time(1)
    assert 10 < runtime.counters["reloaded"] < 30
    stage.store.inner = inner
    await stage.pass_time(1)
    assert "crashed" == (await handle.wait()).cause


# -- a store that another program has locked --------------------------------------------------------------------------


async def test_locked_file_does_not_stop_the_loop(file_stage: Stage) -> None:
    """Given another program that has the file locked, when a run is started, then the loop turns on, only that start

    waits, in the writer's thread, and is kept once the lock is gone.
    """
    runtime = await file_stage.open(policy=NO_GRACE)
    loops: list[bool] = []
    commit = file_stage.store.inner.commit
    loop_thread = threading.current_thread()

    def looked(given: Any) -> Any:
        loops.append(threading.current_thread() is loop_thread)
        return commit(given)

    file_stage.store.inner = Hiccups(file_stage.store.inner, looked)  # type: ignore[assignment]
    actor = Actor()
    with closing(sqlite3.connect(file_stage.disk.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = asyncio.get_running_loop().time()
        starting = asyncio.ensure_future(file_stage.start(actor))
        await until(lambda: len(loops) >= 3)
        assert asyncio.get_running_loop().time() - began < 2.5  # half of what a statement used to wait
        assert ([True, False, False], False) == (loops[:3], starting.done())
        other.execute("ROLLBACK")
    handle = await starting
    assert ("running", 0) == (handle.state, runtime.counters["commits_failed"])
    actor.returns()


async def test_slow_commit_in_place_is_the_only_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a disk that becomes slow, then one commit stops the loop, those after it are the thread's; and quick again,

    then they are made in place again.
    """
    told, in_place, loop_thread = [0.0], [], threading.current_thread()
    commit = Writer._commit

    def timed(writer: Writer, group: Any) -> Any:
        in_place.append(threading.current_thread() is loop_thread)
        return commit(writer, group)[0], told[0]

    monkeypatch.setattr(Writer, "_commit", timed)
    runtime = await stage.open(policy=NO_GRACE)
    attachment = await attached(stage, runtime)
    assert all(in_place)
    for seconds, expected in ((0.003, [True, False, False, False]), (0.0, [False, False, True, True])):
        in_place.clear()
        told[0] = seconds
        for _ in range(2):
            await attachment.detach()
            attachment = await runtime.attach("s-1")
        assert expected == in_place


async def attached(stage: Stage, runtime: Any) -> Any:
    """Return an attachment to a session that is there."""
    actor = Actor()
    await stage.start(actor)
    actor.returns()
    await stage.settle()
    return await runtime.attach("s-1")


GONE: dict[str, Callable[[Path], Any]] = {
    "removed": lambda path: path.unlink(),
    "moved": lambda path: path.rename(path.with_name("moved.db")),
    "replaced": lambda path: (path.unlink(), path.write_bytes(b"something else")),
    "gone with its folder": lambda path: path.parent.rename(path.parent.with_name("elsewhere")),
}


@pytest.mark.parametrize("how", GONE)
async def test_nothing_is_acknowledged_that_nobody_would_find_again(file_stage: Stage, how: str) -> None:
    """Given a store whose file is moved, removed or replaced while it is open, when somebody asks for something,

    then they get StoreError, which says so and what to do; put back, it goes on, and what waited is kept there.
    """
    stage, path = file_stage, file_stage.disk.path
    assert path is not None
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    kept = path.with_name("kept.db")
    kept.hardlink_to(path)
    folder = path.parent
    GONE[how](path)
    said = "was moved, removed or replaced while it was open; put it back with its -wal, or end this process and start"
    for asked in (lambda: stage.admit(Actor(), session="s-2"), handle.abort):
        with pytest.raises(StoreError, match=said):
            await asked()
    actor.returns("the answer")
    await stage.pass_time(30)
    assert (None, ["s-1"]) == (handle.end(), [view.id for view in runtime.sessions()])

    if how == "gone with its folder":
        folder.with_name("elsewhere").rename(folder)
    else:
        kept.replace(path)
    await stage.pass_time(30)
    await stage.close()
    await stage.open(policy=NO_GRACE)
    assert "the answer" == stage.runtime.run("s-1", handle.id).end().result
