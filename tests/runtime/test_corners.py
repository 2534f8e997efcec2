"""Corners: what should never happen, and still must hurt nobody but its own sender."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from typing import Any

import pytest

from lifecycle import (
    Approval,
    Busy,
    Choice,
    Conflict,
    FreeText,
    Invalid,
    InvariantBroken,
    NotFound,
    Policy,
    Refused,
    RunAborted,
    Runtime,
    StoreError,
    Tracker,
    VirtualClock,
    answer,
    approve,
    hooks,
)
from lifecycle.kernel import Kernel, Session, Step
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Admitted, AlreadyClosed, AlreadyEnded, Stale
from lifecycle.runtime import Attachment
from lifecycle.runtime.line import Item
from lifecycle.runtime.performing import PERFORM
from lifecycle.runtime.watchdog import Watchdog

from .stage import HANG_SECONDS, NO_GRACE, ON_THREAD, Actor, Stage, gathered, run, said, turns, until

# -- the engine itself goes wrong -------------------------------------------------------------------------------------


class Raising(Kernel):
    """A kernel that raises on some kinds of input, which no kernel may."""

    __slots__ = ("kinds",)

    def __init__(self, *kinds: type[i.Input]) -> None:
        super().__init__()
        self.kinds = kinds

    def step(self, session: Session | None, given: i.Input, now: int) -> Step:
        """Raise, or step."""
        if isinstance(given, self.kinds):
            raise ZeroDivisionError("a bug")
        return super().step(session, given, now)


async def test_kernel_that_raises_on_a_request_tells_its_sender(stage: Stage) -> None:
    """Given a kernel with a bug, when a request meets it, then that is InvariantBroken, nothing changed, all goes on."""
    runtime = await stage.open(Raising(i.AbortRun))
    actor = Actor()
    handle = await stage.start(actor)
    with pytest.raises(InvariantBroken, match="total"):
        await handle.abort()
    assert ("running", 1) == (handle.state, runtime.counters["invariants_broken"])
    actor.returns("fine")
    assert "fine" == (await handle.wait()).result


async def test_kernel_that_raises_on_a_fact_fails_the_head(stage: Stage) -> None:
    """Given a kernel with a bug, when a fact meets it, then that is set aside, the head fails, and the session goes on."""
    runtime = await stage.open(Raising(i.Checkpointed))
    actor, following = Actor(), Actor()
    handle = await stage.start(actor)
    second = await stage.start(following)
    told = actor.checkpoint(1)
    end = await handle.wait()
    await stage.settle()
    assert ("error", "failed") == (end.state, end.cause)
    assert "Checkpointed" in end.text
    assert isinstance(told.error, InvariantBroken | asyncio.CancelledError)
    assert (1, "running") == (runtime.counters["invariants_broken"], second.state)
    following.returns()


async def test_kernel_that_raises_on_everything_about_facts_stops_no_line(stage: Stage) -> None:
    """Given a kernel that raises even on setting aside, then the line goes on, and the run can be aborted."""
    await stage.open(Raising(i.Checkpointed, i.SetAside))
    actor = Actor()
    handle = await stage.start(actor)
    actor.checkpoint(1)
    await stage.settle()
    assert "running" == handle.state
    await handle.abort()
    assert "interrupted" == handle.state


@pytest.mark.parametrize("kind", [hooks.OpenSegment, hooks.RegisterController, hooks.ArmTimer, hooks.OfferBegin])
async def test_hook_that_cannot_be_performed_hurts_neither_its_sender_nor_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: type[hooks.Hook]
) -> None:
    """Given a hook that raises when it is performed, then the step stands, its sender is answered, observers are told,

    it is counted, and other sessions of the group are served.
    """
    runtime = await stage.open(limits=ON_THREAD)
    stage.strict = False
    perform = PERFORM[kind]

    def fails(tracker: Any, line: Any, hook: Any, step: Any) -> None:
        if line.id == "s-bad":
            raise ZeroDivisionError("a bug")
        perform(tracker, line, hook, step)

    monkeypatch.setitem(PERFORM, kind, fails)
    actors = [Actor() for _ in range(3)]
    handles = await asyncio.gather(
        *(stage.admit(one, session=name) for one, name in zip(actors, ("s-1", "s-bad", "s-2"), strict=True))
    )
    await stage.settle()
    assert runtime.counters["hook_errors"] >= 1
    assert ("running", "running") == (handles[0].state, handles[2].state)
    assert {"s-1", "s-bad", "s-2"} == {one.session for one in stage.observed}
    for actor in actors:
        actor.returns()


async def test_call_that_cannot_be_made_fails_its_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given code that cannot be called, then its run has failed and says so, and the next one begins."""
    runtime = await stage.open()
    call = PERFORM[hooks.CallCode]
    failing = [True]

    def fails(*given: Any) -> None:
        if failing:
            failing.clear()
            raise ZeroDivisionError("no thread could be started")
        call(*given)

    monkeypatch.setitem(PERFORM, hooks.CallCode, fails)
    actor = Actor()
    first = await stage.start(Actor())
    second = await stage.start(actor)
    end = await first.wait()
    assert ("error", "failed", 1) == (end.state, end.cause, runtime.counters["hook_errors"])
    assert "no thread could be started" in end.text
    assert "running" == second.state
    actor.returns()


# -- names and limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["key", "owner", "run_id", "name"])
async def test_names_are_bounded(stage: Stage, what: str) -> None:
    """Given a name beyond the limit, then it is Busy, by the limit's name, and the name of what it is."""
    runtime = await stage.open()
    with pytest.raises(Busy, match=what if what != "name" else "agent") as busy:
        await stage.admit(Actor(), **{what: "x" * 1_000})
    assert "name_chars_max" == busy.value.limit
    with pytest.raises(Invalid):
        await stage.admit(Actor(), **{what: 5})
    assert [] == runtime.sessions()


async def test_refused_starts_leave_nothing_behind(stage: Stage) -> None:
    """Given starts that were refused, conflicted, failed or were cancelled, then nothing of them is kept in memory."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, run_id="r-1", key="k")
    kept = len(runtime._started)
    for choices in ({"input": object()}, {"session": ""}, {"run_id": "r-1"}, {"key": "k", "input": "other"}):
        with pytest.raises((Invalid, Conflict)):
            await stage.admit(Actor(), **choices)
    stage.store.refuse(i.StartRun)
    with pytest.raises(StoreError):
        await stage.admit(Actor())
    assert (kept, 0) == (len(runtime._started), len(runtime._new_ids))
    actor.returns()
    await handle.wait()
    assert 0 == len(runtime._started)


async def test_conflicting_start_does_not_take_a_run_its_agent(stage: Stage) -> None:
    """Given a queued run, when another start under its id conflicts, then the run still calls the agent it was given."""
    await stage.open(policy=NO_GRACE)
    head, mine, other = Actor(), Actor(), Actor()
    await stage.start(head, name="agent")
    queued = await stage.start(mine, name="agent", run_id="r-1")
    with pytest.raises(Conflict):
        await stage.admit(other, name="agent", run_id="r-1")
    head.returns()
    await stage.settle()
    assert ([queued.id], []) == (mine.called, other.called)
    mine.returns()


async def test_cancelled_start_is_a_run_like_any_other(stage: Stage) -> None:
    """Given a start whose caller is cancelled before the acknowledgement, then the run was admitted or not, and if it

    was, it calls the agent that was given, and can be stopped.
    """
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    mine, other = Actor(), Actor()
    starting = asyncio.ensure_future(stage.admit(mine, name="agent", run_id="r-1"))
    await turns(2)
    starting.cancel()
    await stage.admit(other, name="agent", session="s-2")
    await stage.settle()
    assert starting.cancelled()
    assert ["r-1"] == [run.id for run in runtime.show("s-1").runs] == mine.called
    await runtime.run("s-1", "r-1").abort()
    other.returns()


async def test_sessions_that_are_over_leave_memory(memory_stage: Stage) -> None:
    """Given many sessions that came and were closed, then memory holds few of them, and all can be found as before."""
    runtime = await memory_stage.open(policy=NO_GRACE)
    actor = Actor()
    for number in range(600):
        handle = await memory_stage.admit(actor, session=f"s-{number:03}")
        await runtime.close_session(handle.session)
    await memory_stage.settle()
    assert len(runtime._lines) < 300
    assert (0, 0, 0) == (len(runtime.controllers), len(runtime.timers), len(runtime.streams))
    assert 600 == len(runtime.sessions(limit=1_000, state="stopped"))
    assert "closed" == runtime.show("s-000").cause
    again = await memory_stage.start(actor, session="s-000")
    assert ("running", 2) == (again.state, runtime.show("s-000").incarnation)
    actor.returns()


async def test_sessions_leave_memory_later_when_the_store_fails(memory_stage: Stage) -> None:
    """Given a store that cannot note what was performed, then sessions that are over stay until it can."""
    runtime = await memory_stage.open(policy=NO_GRACE)
    actor, inner = Actor(), memory_stage.store.inner

    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def mark_performed(self, revisions: Any) -> None:
            raise StoreError("store", "has no room left", "make room")

    memory_stage.store.inner = Forgetful()  # type: ignore[assignment]
    for number in range(300):
        handle = await memory_stage.admit(actor, session=f"s-{number:03}")
        await runtime.close_session(handle.session)
    assert 300 == len(runtime._lines)
    memory_stage.store.inner = inner
    for number in range(300, 570):
        handle = await memory_stage.admit(actor, session=f"s-{number:03}")
        await runtime.close_session(handle.session)
    assert len(runtime._lines) < 300


# -- the store, where it is seldom asked ------------------------------------------------------------------------------


async def test_fact_about_a_session_that_cannot_be_read_is_tried_again(stage: Stage) -> None:
    """Given a fact about a session that is not in memory, when the store cannot read it, then it is tried again."""
    runtime = await stage.open(policy=NO_GRACE)
    inner, blind = stage.store.inner, [3]

    class Blind:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def load(self, session: str) -> Any:
            if blind[0]:
                blind[0] -= 1
                raise StoreError("store", "cannot be read", "check the disk")
            return inner.load(session)

    stage.store.inner = Blind()  # type: ignore[assignment]
    detaching = asyncio.ensure_future(Attachment(runtime, "s-9", "a-1", True).detach())
    await stage.settle()
    assert not detaching.done()
    await stage.pass_time(10)
    await detaching
    assert (0, 1) == (blind[0], runtime.counters["stale"])
    stage.store.inner = inner


async def test_close_is_not_stopped_by_a_store_that_cannot_note_what_was_performed(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a store that fails at the last note of a shutdown, then that is logged, and told again by the next process."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    await stage.start(actor)
    actor.parks(1, Approval("?", id="q"))
    await stage.settle()
    inner = stage.store.inner

    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def mark_performed(self, revisions: Any) -> None:
            raise StoreError("store", "has no room left", "make room")

    stage.store.inner = Forgetful()  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING, "lifecycle"):
        await stage.close()
    assert "no room left" in caplog.text
    seen: list[Any] = []
    await stage.open(policy=NO_GRACE, observer=seen.append)
    assert any(one.redelivered for one in seen)


async def test_store_that_cannot_be_opened_leaves_no_thread(stage: Stage) -> None:
    """Given a store that fails when it is first read, then the runtime does not open, and leaves nothing behind."""
    store = stage.disk.open()
    store.cut()
    with pytest.raises(StoreError):
        async with Runtime(store, clock=VirtualClock()):  # type: ignore[arg-type]
            pytest.fail("it opened")


async def test_runtime_that_was_never_opened_can_be_closed(stage: Stage) -> None:
    """Given a runtime that was made and not opened, when it is closed, then its store is let go."""
    store = stage.disk.open()
    runtime = Runtime(store, clock=VirtualClock())  # type: ignore[arg-type]
    await runtime.close()
    with pytest.raises(StoreError):
        store.load("s-1")
    with pytest.raises(Refused):
        await runtime.start(Actor(), session="s-1", name="agent")


# -- code and its questions -------------------------------------------------------------------------------------------


async def test_question_under_a_name_used_for_another_fails_the_run(stage: Stage) -> None:
    """Given a name that was used for one question, when code asks another under it, then its run fails, and says why."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    actor.ask(FreeText("Name?", id="q"))
    await stage.settle()
    await handle.decide("q", answer("ada"))
    told = actor.ask(FreeText("Age?", id="q"))
    end = await handle.wait()
    await stage.settle()
    assert ("error", "failed") == (end.state, end.cause)
    assert "q" in end.text
    assert isinstance(told.error, RunAborted | asyncio.CancelledError)


async def test_question_asked_again_in_place_has_its_answer_at_once(stage: Stage) -> None:
    """Given an answered question, when code asks it again under its name, then it has the answer, and nobody is asked."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    actor.ask(FreeText("Name?", id="q"))
    await stage.settle()
    await handle.decide("q", answer("ada"))
    told = actor.ask(FreeText("Name?", id="q"))
    await stage.settle()
    assert "ada" == told.value[0].value
    assert 1 == len(stage.hooks(hooks.ShowRequest))
    actor.returns()


async def test_question_cancelled_by_one_asker_stays_open_for_another(stage: Stage) -> None:
    """Given two tools that ask the same, when one of them gives up, then the other still gets the answer."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    got: list[Any] = []

    async def both(run: Any) -> None:
        question = FreeText("Name?", id="q")
        first, second = (asyncio.ensure_future(run.ask(question)) for _ in range(2))
        await until(lambda: handle.requests)
        await turns(5)
        first.cancel()
        got.append(await second)

    told = actor.tell(both)
    await until(lambda: handle.requests)
    await stage.settle()
    if not handle.requests:
        await until(lambda: told.done)
        assert isinstance(told.error, BaseException)
        pytest.fail("the question was taken back although somebody still waits for it")
    await handle.decide("q", answer("ada"))
    await stage.settle()
    assert ["ada"] == [one.value for one in got]
    actor.returns()


async def test_agent_that_lets_the_abort_through_settles(stage: Stage) -> None:
    """Given code, on the loop or in a thread, that lets RunAborted through, then it has settled, and nothing is raised."""
    runtime = await stage.open()

    def in_thread(run: Any) -> None:
        run.ask(Approval("?"))

    async def on_loop(run: Any) -> None:
        try:
            await run.ask(Approval("?"))
        except asyncio.CancelledError:
            run.signal.check()

    for agent, name in ((in_thread, "s-1"), (on_loop, "s-2")):
        handle = await stage.admit(agent, session=name)
        await handle.wait_for("waiting_for_human")
        await handle.abort()
        await until(lambda name=name: runtime.show(name).closing is None)
        assert ("interrupted", 0) == (handle.state, runtime.counters["abandoned"])


async def test_built_in_without_a_signature_may_be_tried(stage: Stage) -> None:
    """Given a callable that nobody can look into, then it is called, and its run ends by what comes of that."""

    class Opaque:
        __signature__ = "nonsense"

        def __call__(self, run: Any) -> str:
            return "called"

    class Hidden(Opaque):
        @property
        def __signature__(self) -> Any:  # type: ignore[override]
            raise ValueError("no signature found")

    await stage.open()
    for agent in (Hidden(),):
        end = await (await stage.admit(agent)).wait()
        assert ("ready", "called") == (end.state, end.result)
    end = await (await stage.admit(vars)).wait()
    assert "error" == end.state


async def test_code_whose_run_ends_between_grant_and_call_is_not_called(stage: Stage) -> None:
    """Given a Stop that is in line when the grant is committed, then the code is not called, on the loop or in a thread."""
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    for agent in (Actor(), stage.worker()):
        go, inside = threading.Event(), threading.Event()

        def kept(commits: Any, go: threading.Event = go, inside: threading.Event = inside) -> None:
            if any(isinstance(commit.input, i.Begin) for commit in commits):
                inside.set()
                assert go.wait(HANG_SECONDS)

        stage.store.kept = kept
        handle = await stage.admit(agent, session=f"s {type(agent).__name__}")
        await until(inside.is_set)
        stopping = asyncio.ensure_future(handle.abort())
        await turns(5)
        go.set()
        await stopping
        await stage.settle()
        assert ("interrupted", []) == (handle.state, agent.grants)
        assert None is runtime.show(handle.session).closing
        stage.store.kept = None


async def test_unknown_agent_that_becomes_known_begins_only_what_still_waits(stage: Stage) -> None:
    """Given runs that waited for their agent, of which one was aborted meanwhile, then registering it begins the other."""
    runtime = await stage.open(policy=NO_GRACE)
    gone = await runtime.admit("no such:agent", session="s-1")
    waits = await runtime.admit("no such:agent", session="s-2")
    await stage.settle()
    await gone.abort()
    actor = Actor()
    runtime.register(actor, "no such:agent")
    runtime.register(actor, "no such:agent")
    await stage.settle()
    assert [waits.id] == actor.called
    actor.returns()


@pytest.mark.parametrize("ends", ["queued", "head"])
async def test_run_that_waits_for_its_agent_is_forgotten_only_with_its_own_end(stage: Stage, ends: str) -> None:
    """Given two runs of a session whose agent nobody knows, when one of them is aborted, then registering the agent
    begins the other.
    """
    runtime = await stage.open(policy=NO_GRACE)
    head, queued = [await runtime.admit("no such:agent", session="s-1") for _ in range(2)]
    await stage.settle()
    gone, waits = (queued, head) if ends == "queued" else (head, queued)
    await gone.abort()
    await stage.settle()
    actor = Actor()
    runtime.register(actor, "no such:agent")
    await stage.settle()
    assert [waits.id] == actor.called
    actor.returns()


# -- the watchdog -----------------------------------------------------------------------------------------------------


STALL_SECONDS = 0.2
"""How long the loop must stand still to be named: long enough that a busy machine is not taken for a stall."""


async def test_watchdog_says_nothing_while_the_loop_turns(memory_stage: Stage) -> None:
    """Given a loop that turns, at work and idle, then the watchdog is silent, and ends with the runtime."""
    said_: list[Any] = []
    looked: set[float] = set()
    watchdog = Watchdog(STALL_SECONDS, lambda *given: said_.append(given))
    watchdog.work_began()
    await until(lambda: looked.add(watchdog._turned) or len(looked) > 3)  # type: ignore[func-returns-value]
    watchdog.work_ended()
    await until(lambda: watchdog._asleep)
    watchdog.work_began()
    watchdog.work_ended()
    watchdog.stop()
    assert [] == said_


async def test_watchdog_names_one_stall_once(memory_stage: Stage) -> None:
    """Given a callback of nobody's that keeps the loop, then the stall is said once, however long it lasts."""
    said_: list[tuple[str, str, float]] = []
    again = threading.Event()

    def stalled(*given: Any) -> None:
        said_.append(given)
        threading.Timer(2 * STALL_SECONDS, again.set).start()  # time for a second one, if there were one

    watchdog = Watchdog(STALL_SECONDS, stalled)
    watchdog.work_began()
    asyncio.get_running_loop().call_soon(lambda: again.wait(HANG_SECONDS))
    await turns(3)
    watchdog.work_ended()
    watchdog.stop()
    assert ["a callback"] == [name for name, _, _ in said_]


def test_watchdog_of_a_loop_that_is_gone_ends() -> None:
    """Given a watchdog whose loop was closed without it, then its thread ends by itself."""
    watchdogs: list[Watchdog] = []

    async def story() -> None:
        watchdogs.append(Watchdog(0.01))
        watchdogs[0].work_began()

    asyncio.run(story())
    thread = watchdogs[0]._thread
    assert thread is not None
    thread.join(HANG_SECONDS)
    assert not thread.is_alive()
    watchdogs[0].stop()


# -- trackers ---------------------------------------------------------------------------------------------------------


async def test_begin_is_refused_while_shutting_down(stage: Stage) -> None:
    """Given a tracker that drains, when its loop asks to begin the next run, then that is refused: it stays queued."""
    tracker = await stage.open(kind=Tracker, policy=NO_GRACE)
    at_work = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(at_work)
    other = await tracker.admit("a", session="s-2")
    closing = asyncio.ensure_future(tracker.close(100))
    await turns(5)
    with pytest.raises(Refused):
        await tracker.begin(other)
    await grant.settle()
    await stage.settle()
    assert (other.id,) == (await closing).queued
    stage.runtime = None


async def test_begin_on_a_store_that_hiccups_is_told(stage: Stage) -> None:
    """Given an own loop whose Begin cannot be kept, then it gets StoreError and can begin again; or it has the grant."""
    tracker = await stage.open(kind=Tracker, policy=NO_GRACE)
    run_ = await tracker.admit("a", session="s-1")
    stage.store.refuse(i.Begin)
    beginning = asyncio.ensure_future(tracker.begin(run_))
    await stage.pass_time(10)
    outcome = (await asyncio.gather(beginning, return_exceptions=True))[0]
    grant = await tracker.begin(run_) if isinstance(outcome, StoreError) else outcome
    await grant.settle("done")
    assert "done" == run_.end().result


async def test_stale_facts_of_a_parked_execution_do_nothing(stage: Stage) -> None:
    """Given code that parked and speaks on, then asks, checkpoints and reports of its old grant are stale."""
    tracker = await stage.open(kind=Tracker, policy=NO_GRACE)
    run_ = await tracker.admit("a", session="s-1")
    grant = await tracker.begin(run_)
    await grant.settle(Park_(1))
    before = stage.value()
    for act in (lambda: grant.ask(Approval("?", id="late")), lambda: grant.checkpoint(2)):
        with pytest.raises(RunAborted):
            await act()
    await grant.complete("late")
    await grant.fail("late")
    await grant.settle("late")
    assert before == stage.value()
    assert isinstance(await tracker.lost("s-1", grant.execution), Stale)
    await run_.decide("q", approve())
    await (await tracker.begin(run_)).settle("done")
    assert [(1, "waiting_for_human"), (2, "ready")] == said(await gathered(run_.follow()))


def Park_(checkpoint: Any) -> Any:
    """Park on one question."""
    from lifecycle import Park

    return Park(checkpoint, (Approval("?", id="q"),))


async def test_session_that_never_was_is_nobodys(stage: Stage) -> None:
    """Given no such session, then waiting for a change of it, or for a run in it, is not found, and nothing is kept."""
    tracker = await stage.open(kind=Tracker, policy=Policy())
    for ask in (lambda: tracker.change("nope"), lambda: tracker.run("nope", "r").wait_for("ready")):
        with pytest.raises(NotFound):
            await ask()
    assert {} == tracker._lines


# -- who gives up while something is on its way -----------------------------------------------------------------------


async def test_session_that_cannot_be_read_keeps_no_other_from_being_recovered(stage: Stage) -> None:
    """Given one damaged session among good ones, when a process opens, then it is counted and logged, the others go on."""
    await stage.open(policy=NO_GRACE)
    for name in ("s-1", "s-bad", "s-2"):
        await stage.start(Actor(), session=name)
    await stage.crash()
    store = stage.disk.open()
    inner = store.inner

    class Damaged:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def load(self, session: str) -> Any:
            if session == "s-bad":
                raise StoreError("store", "record of session s-bad is damaged", "restore the file from a copy")
            return inner.load(session)

    store.inner = Damaged()  # type: ignore[assignment]
    tracker = Tracker(store, policy=NO_GRACE, clock=VirtualClock())  # type: ignore[arg-type]
    async with tracker:
        assert 1 == tracker.counters["not_recovered"]
        assert ("interrupted", "interrupted") == (tracker.show("s-1").state, tracker.show("s-2").state)
        with pytest.raises(StoreError, match="s-bad"):
            tracker.show("s-bad")
        with pytest.raises(StoreError, match="s-bad"):
            await tracker.admit("a", session="s-bad")


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
async def test_drain_that_is_no_time_is_refused(stage: Stage, seconds: float) -> None:
    """Given a drain that is no time, then close is refused, and the runtime goes on."""
    runtime = await stage.open()
    with pytest.raises(Invalid):
        await runtime.close(seconds)
    actor = Actor()
    handle = await stage.start(actor)
    actor.returns()
    assert "ready" == (await handle.wait()).state


async def test_begin_that_nobody_waits_for_any_more_is_lost(stage: Stage) -> None:
    """Given a loop that is cancelled while its Begin is on its way, then the grant is lost, and the run ends by policy."""
    tracker = await stage.open(kind=Tracker, policy=NO_GRACE, limits=ON_THREAD)
    run_ = await tracker.admit("a", session="s-1", on_crash="rerun")
    beginning = asyncio.ensure_future(tracker.begin(run_))
    await until(lambda: ("Begin",) in stage.store.attempts)
    beginning.cancel()
    await stage.settle()
    assert beginning.cancelled()
    assert ("starting", 2) == (run_.state, tracker.show("s-1").runs[0].attempt)
    grant = await tracker.begin(run_)
    await grant.settle()


async def test_begin_that_is_cancelled_and_fails_is_nobodys(stage: Stage) -> None:
    """Given a loop that is cancelled while its Begin fails, or is refused, then nothing happens, and nobody is told."""
    tracker = await stage.open(kind=Tracker, policy=NO_GRACE, limits=ON_THREAD)
    run_ = await tracker.admit("a", session="s-1")
    stage.store.refuse(i.Begin)
    beginning = asyncio.ensure_future(tracker.begin(run_))
    await until(lambda: ("Begin",) in stage.store.attempts)
    beginning.cancel()
    await stage.pass_time(10)
    if run_.state == "starting":
        await (await tracker.begin(run_)).settle()
    assert run_.end() is not None


async def test_client_that_goes_away_while_it_comes_is_detached(stage: Stage) -> None:
    """Given a client that is cancelled while its attach is on its way, then nobody is attached in the end."""
    runtime = await stage.open(limits=ON_THREAD)
    await stage.start(Actor())
    attaching = asyncio.ensure_future(runtime.attach("s-1"))
    await until(lambda: ("Attach",) in stage.store.attempts)
    attaching.cancel()
    await stage.settle()
    assert (True, 0) == (attaching.cancelled(), runtime.show("s-1").attached)


async def test_owner_without_a_name_is_refused(stage: Stage) -> None:
    """Given an empty owner, or deciders that are one text, then it is refused: nobody could ever stop or decide the run."""
    runtime = await stage.open()
    for choices in ({"owner": ""}, {"deciders": "eve"}, {"deciders": ("",)}, {"deciders": (5,)}):
        with pytest.raises(Invalid):
            await stage.admit(Actor(), **choices)
    assert [] == runtime.sessions()


async def test_fact_that_can_never_be_kept_fails_the_head(stage: Stage) -> None:
    """Given a store that says that it will never take a fact, then that is set aside, and the session is not held up."""
    runtime = await stage.open(policy=NO_GRACE)
    actor, following = Actor(), Actor()
    handle = await stage.start(actor)
    second = await stage.start(following)
    inner = stage.store.inner

    class Choosy:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def commit(self, commits: Any) -> Any:
            if any(isinstance(commit.input, i.Checkpointed) for commit in commits):
                return [StoreError("session s-1", "cannot be written", "pass texts only", permanent=True)] * len(
                    commits
                )
            return inner.commit(commits)

    stage.store.inner = Choosy()  # type: ignore[assignment]
    told = actor.checkpoint(1)
    end = await asyncio.wait_for(handle.wait(), 5)
    await stage.settle()
    assert ("error", "failed", "running") == (end.state, end.cause, second.state)
    assert told.done
    assert 1 == runtime.counters["invariants_broken"] + runtime.counters["set_aside"]
    following.returns()


async def test_signal_is_waited_for_by_a_thread_that_comes_late(stage: Stage) -> None:
    """Given a signal that was set, when a thread waits for it that never did before, then it need not wait."""
    await stage.open()
    worker = stage.worker()
    seen: list[bool] = []
    worker.after = lambda run: seen.append(run.signal.wait_blocking(HANG_SECONDS))
    handle = await stage.start(worker)
    await until(worker.began.is_set)
    await handle.abort()
    worker.go.set()
    await until(lambda: seen)
    assert [True] == seen


async def test_shutdown_right_after_an_offer_begins_nothing(stage: Stage) -> None:
    """Given a run whose Begin is a turn away, when the runtime closes, then its code is not called, and it stays queued."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    starting = asyncio.ensure_future(stage.admit(actor, run_id="r-1"))
    await until(lambda: runtime.sessions())
    closing = asyncio.ensure_future(runtime.close())
    await stage.settle()
    await asyncio.gather(starting, return_exceptions=True)
    for _ in range(20):
        await stage.pass_time(1)
    report = await closing
    stage.runtime = None
    assert ("r-1",) in (report.queued, report.aborted)
    runtime = await stage.open(policy=NO_GRACE, agents=stage.agents())
    await stage.settle()
    assert runtime.run("s-1", "r-1").state in ("running", "interrupted")
    if runtime.run("s-1", "r-1").state == "running":
        actor.returns()


def test_thread_whose_loop_is_gone_ends_quietly(stage: Stage) -> None:
    """Given code in a thread that returns after its loop was closed, then nothing is raised, and the next process finds

    the run, and ends it.
    """
    worker = stage.worker()
    seen: list[Any] = []

    def after(run: Any) -> None:
        seen.append(run.emit("late"))
        for act in (lambda: run.checkpoint(1), lambda: run.ask(Approval("?"))):
            try:
                act()
            except RunAborted as aborted:
                seen.append(aborted.cause)

    worker.after = after

    async def story() -> None:
        await stage.open(policy=NO_GRACE)
        handle = await stage.admit(worker, run_id="r-1")
        await handle.wait_for("running")
        await until(worker.began.is_set)
        dead, stage.runtime = stage.runtime, None
        stage.store.cut()
        dead._watchdog.stop()
        dead._writer.close()

    asyncio.run(story())
    worker.go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("run "):
            thread.join(HANG_SECONDS)
    assert [False, "shutdown", "shutdown"] == seen

    async def again() -> None:
        runtime = await stage.open(policy=NO_GRACE)
        assert "crashed" == runtime.run("s-1", "r-1").end().cause

    run(stage.played(again()))


async def test_agent_that_is_wrapped_so_that_nobody_sees_what_it_is_works(stage: Stage) -> None:
    """Given an agent that looks like a coroutine function and returns a plain value, then that is its result."""

    async def inner(run: Any) -> str:
        return "awaited"

    def plain(run: Any) -> str:
        return "plain"

    plain.__wrapped__ = inner  # type: ignore[attr-defined]
    await stage.open()
    assert "plain" == (await (await stage.admit(plain)).wait()).result


async def test_watchdog_wakes_up_when_there_is_work_again(memory_stage: Stage) -> None:
    """Given a watchdog that fell asleep with nobody at work, when code stalls later, then that is said."""
    said_: list[Any] = []
    stalled = threading.Event()

    def say(*given: Any) -> None:
        said_.append(given)
        stalled.set()

    watchdog = Watchdog(STALL_SECONDS, say)
    watchdog.work_began()
    watchdog.work_ended()
    await until(lambda: watchdog._asleep)
    watchdog.work_began()
    assert stalled.wait(HANG_SECONDS)
    watchdog.work_ended()
    watchdog.stop()
    assert 1 == len(said_)


async def test_step_that_cannot_be_told_does_not_keep_its_group_waiting(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a group of commits of which one cannot be acknowledged, then the others are, and it is logged."""
    runtime = await stage.open(limits=ON_THREAD)
    reply = Item.reply

    def fails(item: Item, value: object) -> None:
        if isinstance(value, Admitted) and value.run == "r-bad":
            raise ZeroDivisionError("a bug")
        reply(item, value)

    monkeypatch.setattr(Item, "reply", fails)
    starts = [
        asyncio.ensure_future(stage.admit(Actor(), session=f"s-{name}", run_id=f"r-{name}"))
        for name in ("1", "bad", "2")
    ]
    await asyncio.wait([starts[0], starts[2]], timeout=5)
    assert [True, False, True] == [one.done() for one in starts]
    monkeypatch.undo()
    starts[1].cancel()
    await stage.settle()
    assert 3 == len(runtime.sessions())


# -- what is on its way when something else happens -------------------------------------------------------------------


class Gate:
    """A disk that holds back the first commit of a kind of input, in the writer's thread, until it is opened."""

    def __init__(self, stage: Stage, kind: type[i.Input]) -> None:
        self.kind = kind
        self.inside, self.open = threading.Event(), threading.Event()
        stage.store.kept = self.kept
        stage.at_end.append(self.open.set)

    def kept(self, commits: Any) -> None:
        """Hold back."""
        if any(isinstance(commit.input, self.kind) for commit in commits):
            self.inside.set()
            assert self.open.wait(HANG_SECONDS)


async def test_granted_code_is_called_though_what_came_behind_it_fails(stage: Stage) -> None:
    """Given an attach in line behind the grant, when the attach cannot be kept, then the code is called all the same."""
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    gate, actor = Gate(stage, i.Begin), Actor()
    handle = await stage.admit(actor)
    await until(gate.inside.is_set)
    attaching = asyncio.ensure_future(runtime.attach("s-1"))
    await turns(3)
    stage.store.refuse(i.Attach)
    gate.open.set()
    with pytest.raises(StoreError):
        await attaching
    await stage.settle()
    assert [handle.id] == actor.called
    actor.returns()


async def test_what_was_due_comes_before_what_arrived_later_whoever_is_first_in_line(stage: Stage) -> None:
    """Given a question that expires while a commit is on its way, when an answer arrives after that, then it is too late,

    though it stands in line before the timer's firing.
    """
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    actor = Actor()
    handle = await stage.start(actor)
    actor.parks(1, Approval("?", id="q", expiry_seconds=5, on_expiry="stop"))
    await stage.settle()
    gate = Gate(stage, i.Attach)
    attaching = asyncio.ensure_future(runtime.attach("s-1"))
    await until(gate.inside.is_set)
    stage.clock._now += 6_000_000  # nothing settles while the commit is on its way
    deciding = asyncio.ensure_future(handle.decide("q", approve()))
    await turns(3)
    runtime.timers._woken()
    gate.open.set()
    assert isinstance(await deciding, AlreadyClosed | AlreadyEnded)
    await attaching
    assert "request_expired" == handle.end().cause


async def test_begin_on_its_way_when_the_runtime_closes_is_aborted_or_stays(stage: Stage) -> None:
    """Given a grant that is being written when the runtime closes, then the report says what became of the run, its code

    is not at work any more, and the next process finds nothing lost.
    """
    runtime = await stage.open(policy=NO_GRACE, limits=ON_THREAD)
    gate, actor = Gate(stage, i.Begin), Actor()
    handle = await stage.admit(actor)
    await until(gate.inside.is_set)
    closing = asyncio.ensure_future(runtime.close())
    await turns(5)
    gate.open.set()
    report = await closing
    stage.runtime = None
    assert ((handle.id,), ()) == (report.aborted, report.queued)
    assert all(grant.signal.aborted for grant in actor.grants)
    runtime = await stage.open(policy=NO_GRACE)
    assert "shutdown" == runtime.run("s-1", handle.id).end().cause


async def test_run_begins_though_clients_come_and_go_all_the_time(stage: Stage) -> None:
    """Given clients that attach and detach without end, then a run in their session is begun all the same."""
    runtime = await stage.open(limits=ON_THREAD)
    first, actor = Actor(), Actor()
    await stage.start(first)

    async def restless() -> None:
        while not actor.called:
            async with await runtime.attach("s-1"):
                pass

    clients = [asyncio.ensure_future(restless()) for _ in range(2)]
    handle = await stage.admit(actor)
    first.returns()
    await asyncio.wait_for(asyncio.gather(*clients), HANG_SECONDS / 2)
    assert [handle.id] == actor.called
    actor.returns()


async def test_session_whose_journal_cannot_be_read_is_recovered_later(stage: Stage) -> None:
    """Given a session whose journal cannot be read when a process opens, when it can be later, then it is recovered."""
    await stage.open(policy=NO_GRACE)
    handle = await stage.start(Actor())
    await stage.crash()
    store = stage.disk.open()
    inner, blind = store.inner, [True]

    class Blind:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def journal(self, *given: Any) -> Any:
            if blind:
                raise StoreError("store", "cannot be read", "check the disk")
            return inner.journal(*given)

    store.inner = Blind()  # type: ignore[assignment]
    async with Tracker(store, policy=NO_GRACE, clock=VirtualClock()) as tracker:  # type: ignore[arg-type]
        assert 1 == tracker.counters["not_recovered"]
        with pytest.raises(StoreError, match="cannot be read"):
            await tracker.attach("s-1")
        blind.clear()
        await tracker.attach("s-1")
        assert "crashed" == tracker.run("s-1", handle.id).end().cause


# -- code that leaves something behind --------------------------------------------------------------------------------


async def test_question_of_a_task_left_behind_is_given_up_when_the_code_parks(stage: Stage) -> None:
    """Given code that parks while a task of it still asks, then that task is told that it is over, and nothing waits."""
    await stage.open(policy=NO_GRACE)
    left: list[asyncio.Task[Any]] = []

    async def agent(run: Any) -> Any:
        if run.answers:
            return "done"
        left.append(asyncio.ensure_future(run.ask(Approval("?", id="aside"))))
        await until(lambda: handle.requests)
        return Park_(1)

    handle = await stage.admit(agent)
    await stage.settle()
    assert [RunAborted] == [type(one.exception()) for one in left if one.done()]
    for request in handle.requests:
        await handle.decide(request.id, approve())
    assert "done" == (await handle.wait()).result


async def test_agents_are_looked_for_once_a_run_not_at_every_start(stage: Stage) -> None:
    """Given sessions that wait for an agent nobody knows, then starting others does not look for it again, and aborting

    them leaves nothing.
    """
    looked: list[str] = []

    def find(name: str) -> Any:
        looked.append(name)
        raise LookupError(name)

    runtime = await stage.open(policy=NO_GRACE, agents=find)
    waiting = [await runtime.admit("unknown", session=f"s-{number}") for number in range(5)]
    await stage.settle()
    assert ["unknown"] * 5 == looked
    for number in range(5):
        actor = Actor()
        await stage.start(actor, session=f"t-{number}")
        actor.returns()
    assert ["unknown"] * 5 == looked
    for one in waiting:
        await one.abort()
    assert {} == runtime._waiting_for_agent


class Tidy:
    """An agent with something to know that no name tells."""

    def __init__(self, dry_run: bool = False) -> None:
        self.dry_run = dry_run

    def __call__(self, run: Any) -> Any:
        """Say what it knew."""
        return self.dry_run if run.answers else Park_(1)


def tidy(run: Any, dry_run: bool = False) -> Any:
    """Say what it knew."""
    return dry_run if run.answers else Park_(1)


def made(dry_run: bool) -> Any:
    """Make an agent that knows something."""

    def inside(run: Any) -> Any:
        return tidy(run, dry_run)

    return inside


@pytest.mark.parametrize(
    "agent", [Tidy(True), functools.partial(tidy, dry_run=True), made(True)], ids=["object", "partial", "closure"]
)
async def test_agent_whose_name_does_not_tell_all_is_not_called_by_it(stage: Stage, agent: Any) -> None:
    """Given an agent that knows more than its name says, when it is to go on in another process, then no other is called

    in its place: the run waits until this very agent is handed over.
    """
    runtime = await stage.open(policy=NO_GRACE)
    first = await runtime.start(agent, session="s-1")
    await first.wait_for("waiting_for_human")
    name = runtime.session("s-1").head.spec.agent
    await stage.crash()
    runtime = await stage.open(policy=NO_GRACE)
    handle = runtime.run("s-1", first.id)
    await handle.decide("q", approve())
    await stage.settle()
    assert ("running", None) == (handle.state, handle.end())
    runtime.register(agent, name)
    assert True is (await handle.wait()).result


# -- what is no sentence to the kernel --------------------------------------------------------------------------------


NONSENSE: dict[str, Any] = {
    "a decision that was not made": lambda runtime, handle: handle.decide("q", approve),
    "a decision in words": lambda runtime, handle: handle.decide("q", "approve"),
    "an answer that is not offered": lambda runtime, handle: handle.decide("q", answer("c")),
    "a deadline in words": lambda runtime, handle: runtime.start(tidy, session="s-2", deadline_seconds="5"),
    "no deciders": lambda runtime, handle: runtime.start(tidy, session="s-2", deciders=None),
    "a session that is a number": lambda runtime, handle: runtime.attach(5),
}


@pytest.mark.parametrize("what", NONSENSE)
async def test_nonsense_is_refused_in_a_sentence(stage: Stage, what: str) -> None:
    """Given what is of no use, then it is refused with subject, fact and remedy, and changes nothing."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    actor.parks(1, Choice("Which?", options=("a", "b"), id="q"))
    await stage.settle()
    before = stage.value()
    with pytest.raises((Invalid, NotFound)):
        await NONSENSE[what](runtime, handle)
    assert (before, ["s-1"]) == (stage.value(), [one.id for one in runtime.sessions()])


async def test_waiting_without_end_is_waiting(stage: Stage) -> None:
    """Given a wait of endless length, then it is over when the run is."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    endless = float("inf")
    waits = [handle.wait(timeout_seconds=endless), handle.wait_for("ready", timeout_seconds=endless)]
    waiting = asyncio.gather(*waits)
    await turns(3)
    actor.returns("done")
    end, state = await waiting
    assert ("done", "ready") == (end.result, state)
