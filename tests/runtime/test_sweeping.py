"""What is past its retention leaves the store: in its time, a little at a time, and in nobody's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from lifecycle import Approval, Limits, NotFound, Policy, StoreError, Tracker, approve
from lifecycle.kernel import inputs as i
from lifecycle.store import Compacted

from .stage import HANG_SECONDS, NO_GRACE, ON_THREAD, Actor, Stage, turns, until

HOUR = 3_600.0
DAY = 24 * HOUR
SHORT = Limits(retention_seconds=60, sweep_seconds=10)


async def ran(stage: Stage, actor: Actor | None = None, session: str = "s-1", **choices: Any) -> Any:
    """Run something to its end."""
    actor = actor or Actor()
    handle = await stage.start(actor, session=session, **choices)
    actor.returns("done")
    await stage.settle()
    return handle


async def test_key_names_one_run_until_its_retention_after_end(stage: Stage) -> None:
    """Given an ended run, when its key comes again, then it replays the end for a day, and after that starts a run."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await ran(stage, actor, key="k")
    await stage.pass_time(DAY - HOUR)
    again = await stage.admit(actor, key="k")
    assert first == again
    await stage.pass_time(2 * HOUR)
    assert (1, 0) == (stage.runtime.counters["runs_let_go"], stage.runtime.counters["sessions_let_go"])
    assert first.end() is None
    with pytest.raises(NotFound, match="not known here"):
        await first.wait()
    other = await ran(stage, key="k")
    assert (True, "ready") == (other.id != first.id, other.state)


async def test_session_that_leaves_between_look_and_commit_is_counted_on_from(stage: Stage) -> None:
    """Given a session that leaves after a start has looked at the floor, then the run starts all the same, above it."""
    runtime = await stage.open(policy=NO_GRACE, limits=SHORT)
    await ran(stage, session="old")
    await runtime.close_session("old")
    await stage.pass_time(80)
    floor, looks = stage.store.floor, []
    assert 1 == runtime.counters["sessions_let_go"]

    def late() -> Any:
        looks.append(floor() if looks else None)
        return looks[-1]

    stage.store.floor = late  # type: ignore[method-assign]
    handle = await stage.start(Actor(), session="new")
    assert ("running", 2) == (handle.state, len(looks))
    assert looks[-1] is not None and stage.value("new").revision > looks[-1].revision
    await handle.abort()


async def test_what_is_unfinished_is_never_touched(stage: Stage) -> None:
    """Given runs that wait and work for weeks, when all around them leaves, then they are what they were, and end."""
    await stage.open(policy=Policy(orphan_grace_seconds=None, request_expiry_seconds=None))
    parked, busy = Actor(), Actor()
    waiting = await stage.start(parked, session="parked", key="k-1")
    parked.parks({"page": 3}, Approval("Go on?", id="q"))
    queued = await stage.start(parked, session="parked")
    working = await stage.start(busy, session="busy", key="k-2")
    await ran(stage, session="over")
    await stage.pass_time(21 * DAY)
    assert 1 == stage.runtime.counters["runs_let_go"]
    assert stage.runtime.counters["entries_let_go"] > 8
    assert [] == list(stage.store.journal("busy"))
    assert waiting == await stage.admit(parked, session="parked", key="k-1")
    await waiting.decide("q", approve())
    await stage.settle()
    assert {"page": 3} == parked.run.checkpoint_data
    for actor in (parked, busy):
        actor.returns("done")
    await stage.settle()
    parked.returns("done")
    await stage.settle()
    assert ["ready"] * 3 == [one.state for one in (waiting, queued, working)]


async def test_late_report_of_a_life_that_left_hits_nothing(stage: Stage) -> None:
    """Given code that outlives its run, its session and all that was kept of it, when it reports at last, then no later

    life of that id hears it, although both count their steps the same way.
    """
    tracker = await stage.open(kind=Tracker, policy=Policy(orphan_grace_seconds=None), limits=SHORT)
    first = await tracker.admit("agent", session="s-1")
    late = await tracker.begin(first)
    await tracker.close_session("s-1")
    await stage.pass_time(200)
    assert (None, 1) == (stage.store.load("s-1"), tracker.counters["sessions_let_go"])
    second = await tracker.admit("agent", session="s-1")
    grant = await tracker.begin(second)
    assert (late.execution, late.token) < (grant.execution, grant.token)
    stale = tracker.counters["stale"]
    tracker.post("s-1", i.ExecutionSettled(late.execution, late.token, i.Value('"late"')))
    tracker.post("s-1", i.CloseSession("local", incarnation=1))
    await stage.settle()
    assert ("running", stale + 2) == (second.state, tracker.counters["stale"])
    await grant.settle("in time")
    assert "in time" == (await second.wait()).result


async def test_session_that_left_is_opened_again(stage: Stage) -> None:
    """Given a session that left, when it is used again, then all is as with a new one, in this process and the next."""
    await stage.open(policy=Policy(orphan_grace_seconds=5), limits=SHORT)
    await ran(stage)
    await stage.pass_time(300)
    assert [] == stage.runtime.sessions()
    for _ in range(2):
        with pytest.raises(NotFound):
            await stage.runtime.abort_session("s-1")
        handle = await ran(stage)
        assert "ready" == handle.state
        await stage.pass_time(300)
        await stage.close()
        await stage.open(policy=Policy(orphan_grace_seconds=5), limits=SHORT)
    assert 12 == stage.store.floor().revision  # type: ignore[union-attr]


@pytest.mark.parametrize("leaves", [True, False])
async def test_what_arrives_during_a_batch_is_judged_after_it(
    stage: Stage, leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a batch under way, when somebody asks for one of its sessions, then they wait for it, and get their run."""
    policy = Policy(orphan_grace_seconds=5 if leaves else None)
    limits = attrs.evolve(ON_THREAD, retention_seconds=60, sweep_seconds=40)
    await stage.open(policy=policy, limits=limits)
    await ran(stage)
    runtime, actor = stage.runtime, Actor()
    gate = Gate(stage.store.compact)
    monkeypatch.setattr(stage.store, "compact", gate)
    waking = asyncio.ensure_future(stage.pass_time(90))
    await until(lambda: gate.began)
    admitting = asyncio.ensure_future(stage.admit(actor))
    await turns(20)
    assert not admitting.done()
    assert runtime._lines["s-1"].busy
    gate.go.set()
    await waking
    handle = await admitting
    await stage.settle()
    assert ("running", leaves) == (handle.state, runtime.counters["sessions_let_go"] == 1)
    actor.returns()
    await stage.settle()
    assert "ready" == handle.state


class Gate:
    """A compaction that waits, on the writer's thread, until it may."""

    def __init__(self, compact: Callable[..., Compacted]) -> None:
        self.compact, self.began, self.go = compact, False, threading.Event()

    def __call__(self, *given: Any) -> Compacted:
        """Compact, once it may."""
        self.began = True
        assert self.go.wait(HANG_SECONDS)
        return self.compact(*given)


async def test_session_that_is_being_stepped_is_left_for_the_next_sweep(stage: Stage) -> None:
    """Given a session with a commit on its way, when it is swept, then it is passed over, and has its turn later."""
    await stage.open(policy=NO_GRACE, limits=attrs.evolve(ON_THREAD, retention_seconds=60, sweep_seconds=10))
    await ran(stage)
    await stage.pass_time(55)
    stage.store.refuse(i.CloseSession, times=10_000)
    stage.store.refuse(i.Detached, times=10_000)
    attachment = await stage.runtime.attach("s-1")
    leaving = asyncio.ensure_future(attachment.detach())
    await turns(50)
    await stage.pass_time(30)
    assert 0 == stage.runtime.counters["runs_let_go"]
    stage.store.heal()
    await stage.pass_time(30)
    assert 1 == stage.runtime.counters["runs_let_go"]
    await asyncio.gather(leaving, return_exceptions=True)


async def test_batches_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given many sessions past their retention, when they leave, then so many at a time, and all of them."""
    limits = attrs.evolve(SHORT, sweep_sessions_max=2, sweep_rows_max=3)
    await stage.open(policy=Policy(orphan_grace_seconds=5), limits=limits)
    for n in range(5):
        await ran(stage, session=f"s-{n}")
    batches: list[int] = []
    compact = stage.store.compact

    def counted(sessions: Any, before: int, rows_max: int) -> Compacted:
        batches.append(len(sessions))
        assert 3 == rows_max
        return compact(sessions, before, rows_max)

    monkeypatch.setattr(stage.store, "compact", counted)
    await stage.pass_time(400)
    assert [] == stage.runtime.sessions()
    assert 5 == stage.runtime.counters["sessions_let_go"]
    assert 2 == max(batches)


async def test_store_that_fails_is_asked_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a store that fails, when it is swept, then nothing is lost and nobody hears of it, and it is tried again."""
    await stage.open(policy=NO_GRACE, limits=SHORT)
    await ran(stage)
    compact = stage.store.compact

    def full(*given: Any) -> Compacted:
        raise StoreError("store", "has no room left", "make room, then try again")

    monkeypatch.setattr(stage.store, "compact", full)
    await stage.pass_time(80)
    assert (0, True) == (stage.runtime.counters["runs_let_go"], stage.runtime.counters["not_compacted"] > 0)
    monkeypatch.setattr(stage.store, "compact", compact)
    stage.store.refuse_reads()
    await stage.pass_time(10)
    assert 0 == stage.runtime.counters["runs_let_go"]
    await stage.pass_time(20)
    assert 1 == stage.runtime.counters["runs_let_go"]


async def test_next_process_sweeps_what_the_last_one_left(stage: Stage) -> None:
    """Given a file that nobody had open for days, when it is opened, then what is past its retention leaves at once."""
    await stage.open(policy=NO_GRACE)
    for n in range(3):
        await ran(stage, session=f"s-{n}")
    await stage.close()
    stage.clock.start(stage.clock.now() + 3 * 86_400_000_000)
    await stage.open(policy=NO_GRACE)
    await stage.pass_time(1)
    assert 3 == stage.runtime.counters["runs_let_go"]


async def test_crash_in_the_middle_of_a_sweep_loses_nothing(stage: Stage) -> None:
    """Given a process that dies between two batches, when the next one opens, then it goes on where that one was."""
    limits = attrs.evolve(SHORT, sweep_sessions_max=1)
    await stage.open(policy=NO_GRACE, limits=limits)
    for n in range(4):
        await ran(stage, session=f"s-{n}")
    await stage.pass_time(60)
    done = stage.runtime.counters["runs_let_go"]
    assert 1 == done
    await stage.crash()
    await stage.open(policy=NO_GRACE, limits=limits)
    await stage.pass_time(20)
    assert 4 - done == stage.runtime.counters["runs_let_go"]
    assert [f"s-{n}" for n in range(4)] == [one.id for one in stage.runtime.sessions()]
