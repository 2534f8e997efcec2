"""Resting: what waits is a row and no object, and whatever has to happen to it happens all the same.

What lives here: stories of more sessions than may stay in memory. What must not: what a store says of a rest; that is
the contract's. The law of this file: nobody can tell a session that left memory from one that did not, but by counting.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle import Approval, Park, Policy, RunHandle, Runtime, StoreError, VirtualClock, approve, hooks
from lifecycle.kernel import inputs as i
from lifecycle.runtime import resting
from lifecycle.runtime.handle import RunEnd

from .stage import HANG_SECONDS, NO_GRACE, Limits, Stage, gathered, turns, until
from .test_leases import Workers, inputs
from .test_leases import workers as workers  # a fixture

FEW = Limits(resting_sessions_max=4)
MANY = 40
HOUR = 3_600


async def parks(run: Any) -> Any:
    """Ask once and leave; answered, return what came of it."""
    if run.answers:
        return "expired" if run.answers["q"].expired else run.input
    return Park({"page": 1}, (Approval("Go on?", id="q", expiry_seconds=HOUR),))


async def answers(run: Any) -> Any:
    """Return at once."""
    return run.input


AGENTS = {"parks": parks, "answers": answers}


async def opened(stage: Stage, **choices: Any) -> Runtime:
    """Open a runtime in which few sessions may stay."""
    runtime: Runtime = await stage.open(**({"policy": NO_GRACE, "limits": FEW, "agents": AGENTS} | choices))
    return runtime


async def many(stage: Stage, agent: Any = parks, count: int = MANY) -> list[RunHandle]:
    """Start a run in each of many sessions, and let them come as far as they do."""
    name = agent.__name__
    made = [await stage.start(agent, number, f"s-{number:02}", name=name) for number in range(count)]
    await stage.settle()
    return made


def in_memory(runtime: Any) -> tuple[bool, ...]:
    """Say whether lines, timers, controllers, streams and agents that were started are as few as may be."""
    few = FEW.resting_sessions_max + 2
    kept = runtime._lines, runtime.timers, runtime.controllers, runtime.streams, runtime._started
    return tuple(len(one) <= few for one in kept)


def recovered(stage: Stage) -> int:
    """Count the recoveries that were observed."""
    return stage.inputs().count("Recovered")


# -- leaving memory, and coming back ----------------------------------------------------------------------------------


async def test_parked_runs_leave_memory_and_are_all_there(stage: Stage) -> None:
    """Given more parked runs than may stay, then memory holds few, and each is shown, answered and ended as any other."""
    runtime = await opened(stage)
    handles = await many(stage)
    assert (True,) * 5 == in_memory(runtime)
    assert MANY == len(runtime.sessions(limit=MANY + 1, state="waiting_for_human"))
    assert {("waiting_for_human", "q")} == {(one.state, one.requests[0].id) for one in handles}
    waiting = [asyncio.ensure_future(one.wait()) for one in handles]
    for one in handles:
        await one.decide("q", approve())
    assert list(range(MANY)) == [end.result for end in await asyncio.gather(*waiting)]
    await stage.settle()
    assert (0, 0, 0) == (recovered(stage), len(runtime.timers), len(runtime.controllers))


async def test_runs_that_park_together_leave_memory_one_lot_after_the_other(stage: Stage) -> None:
    """Given many runs that park in one moment, when nothing else happens, then no more than may stay do."""
    await opened(stage)
    await asyncio.gather(*(stage.admit(parks, number, f"s-{number:02}", name="parks") for number in range(MANY)))
    await stage.settle()
    assert (True,) * 5 == in_memory(stage.runtime)


async def test_run_at_rest_expires_in_time(stage: Stage) -> None:
    """Given runs at rest whose questions expire, when the time has come, then each goes on without anybody's doing."""
    await opened(stage)
    handles = await many(stage)
    await stage.pass_time(HOUR - 1)
    assert {"waiting_for_human"} == {one.state for one in handles}
    await stage.pass_time(2)
    assert {"expired"} == {result(one) for one in handles}


async def test_session_at_rest_is_reaped_in_time(stage: Stage) -> None:
    """Given sessions at rest that nobody watches, when their grace is over, then they are stopped, and not before."""
    runtime = await opened(stage, policy=Policy(orphan_grace_seconds=60))
    await many(stage, answers)
    assert (True,) * 5 == in_memory(runtime)
    await stage.pass_time(59)
    assert MANY == len(runtime.sessions(limit=99, state="ready"))
    await stage.pass_time(2)
    assert MANY == len(runtime.sessions(limit=99, state="stopped"))


async def test_parked_run_outlives_the_grace_of_its_session(stage: Stage) -> None:
    """Given parked runs at rest whose grace is over long before their questions expire, then nothing is stepped till then."""
    await opened(stage, policy=Policy(orphan_grace_seconds=60))
    handles = await many(stage)
    await stage.pass_time(HOUR - 10)
    assert {(3, "waiting_for_human")} == {(stage.value(one.session).revision, one.state) for one in handles}
    await stage.pass_time(11)
    assert {"expired"} == {result(one) for one in handles}


async def test_attached_session_stays(stage: Stage) -> None:
    """Given a session that somebody watches, then it does not leave; once nobody does, it does."""
    runtime = await opened(stage)
    first = await stage.start(parks, 0, "s-00", name="parks")
    attachment = await runtime.attach("s-00")
    await many(stage, count=0)
    for number in range(1, MANY):
        await stage.start(parks, number, f"s-{number:02}", name="parks")
    assert "s-00" in runtime._lines
    await attachment.detach()
    for number in range(MANY, MANY + 10):
        await stage.start(parks, number, f"s-{number:02}", name="parks")
    assert "s-00" not in runtime._lines
    assert "waiting_for_human" == first.state


async def test_whoever_waits_for_a_step_hears_of_it(stage: Stage) -> None:
    """Given clients that wait for a state of runs at rest, then each is told when its run comes there."""
    runtime = await opened(stage)
    handles = await many(stage)
    waiting = [asyncio.ensure_future(one.wait_for("ready")) for one in handles]
    await stage.settle()
    for one in handles:
        await one.decide("q", approve())
    assert ["ready"] * MANY == await asyncio.gather(*waiting)
    again = await many(stage, count=2 * MANY)
    assert "waiting_for_human" == again[0].state
    assert (True,) * 5 == in_memory(runtime), "those that were waited for leave as well"


async def test_sessions_that_are_followed_stay_and_nobody_is_woken_for_nothing(stage: Stage) -> None:
    """Given clients that follow more parked runs than may stay, then those stay, and all is quiet until something happens."""
    runtime = await opened(stage, limits=Limits(resting_sessions_max=1))
    handles = await many(stage, count=6)
    following = [asyncio.ensure_future(gathered(one.follow())) for one in handles]
    await stage.settle()
    assert {one.session for one in handles} <= set(runtime._lines)
    woken = []
    for line in runtime._lines.values():
        assert line.watchers
        line.watchers = [(future, until or (lambda _: woken.append(1) or True)) for future, until in line.watchers]
    await stage.pass_time(60)
    assert [] == woken
    for one in handles:
        await one.decide("q", approve())
    assert ["ready"] * 6 == [told[-1].reason for told in await asyncio.gather(*following)]


async def test_signal_in_hand_hears_of_the_end_of_a_run_at_rest(stage: Stage) -> None:
    """Given somebody who has the signal of a run that went to rest, when it is aborted, then that very signal says so."""
    runtime = await opened(stage)
    first = await stage.start(parks, 0, name="parks")
    signal = first.signal
    assert signal is not None
    await many(stage)
    assert "s-1" not in runtime._lines
    assert first.signal is signal
    await many(stage)
    await first.abort()
    assert (True, "aborted") == (signal.aborted, signal.cause)


async def test_run_at_rest_is_called_by_the_very_agent_it_was_started_with(stage: Stage) -> None:
    """Given two agents of one name, when a run of the first comes back from rest, then the first is called."""
    runtime = await opened(stage)

    def agent(told: str) -> Callable[[Any], Any]:
        async def closure(run: Any) -> Any:
            return told if run.answers else Park(None, (Approval("Go on?", id="q"),))

        return closure

    first = await runtime.start(agent("first"), session="s-1")
    await many(stage)
    assert "s-1" not in runtime._lines
    second = await runtime.start(agent("second"), session="s-2")
    await stage.settle()
    for one, told in ((first, "first"), (second, "second")):
        await one.decide("q", approve())
        assert told == (await one.wait()).result


async def test_what_arrives_while_a_rest_is_noted_is_judged_after_it(stage: Stage) -> None:
    """Given a decision that comes while the store notes a rest, then the session stays, and the decision takes effect."""
    runtime = await opened(stage, limits=Limits(resting_sessions_max=1))
    inner, noting, go = stage.store.inner, threading.Event(), threading.Event()

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def rest(self, sessions: Any) -> None:
            inner.rest(sessions)
            noting.set()
            assert go.wait(HANG_SECONDS)

    stage.store.inner = Slow()  # type: ignore[assignment]
    first = await stage.start(parks, 7, name="parks")
    await stage.admit(parks, 8, "s-2", name="parks")
    await until(noting.is_set)
    deciding = asyncio.ensure_future(first.decide("q", approve()))
    await turns(5)
    assert (True, False) == (runtime._lines["s-1"].busy, deciding.done())
    stage.store.inner = inner
    go.set()
    await deciding
    assert (7, 0) == ((await first.wait()).result, recovered(stage))


async def test_session_stays_while_the_store_cannot_note_its_rest(stage: Stage) -> None:
    """Given a store that cannot note a rest, then sessions stay in memory, in order, until it can."""
    runtime = await opened(stage)
    inner, tries = stage.store.inner, []

    class Forgetful:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def rest(self, sessions: Any) -> None:
            tries.append(len(sessions))
            raise StoreError("store", "has no room left", "make room")

    stage.store.inner = Forgetful()  # type: ignore[assignment]
    handles = await many(stage)
    assert (MANY, 1) == (len(runtime._lines), len(tries))
    stage.store.inner = inner
    await stage.pass_time(FEW.retry_seconds_max)
    await stage.start(parks, 0, "s-last", name="parks")
    await stage.start(parks, 0, "s-very-last", name="parks")
    assert (True,) * 5 == in_memory(runtime)
    await handles[0].decide("q", approve())
    assert 0 == (await handles[0].wait()).result


# -- after a crash ----------------------------------------------------------------------------------------------------


async def crashed(stage: Stage, agent: Any = parks, policy: Policy = NO_GRACE) -> list[RunHandle]:
    """Let a process die that has laid many sessions to rest; return handles of the runs for the next one."""
    await opened(stage, policy=policy)
    handles = await many(stage, agent)
    await stage.crash()
    stage.observed.clear()
    return handles


def renewed(stage: Stage, handles: list[RunHandle]) -> list[RunHandle]:
    """Return the handles of the same runs in the present process."""
    return [stage.runtime.run(one.session, one.id) for one in handles]


async def test_process_starts_without_what_rests(stage: Stage) -> None:
    """Given a dead process with many sessions at rest, then the next recovers those that were in memory, and no other."""
    handles = await crashed(stage)
    runtime = await opened(stage)
    assert (True,) * 5 == in_memory(runtime)
    assert recovered(stage) <= FEW.resting_sessions_max + 2
    assert {"waiting_for_human"} == {one.state for one in renewed(stage, handles)}


async def test_session_at_rest_is_recovered_before_its_first_input_is_judged(file_stage: Stage) -> None:
    """Given sessions that rested under a dead process, when something is asked of one, then its recovery comes first."""
    handles = await crashed(file_stage)
    await opened(file_stage)
    for one in renewed(file_stage, handles):
        await one.decide("q", approve())
        assert (await one.wait()).result == int(one.session[2:])
        assert ["Recovered", "Decide"] == file_stage.inputs(one.session)[:2]


async def test_sessions_at_work_are_recovered_at_start(stage: Stage) -> None:
    """Given more sessions with code at work than may rest in memory, then each is recovered before open returns."""

    async def works(run: Any) -> None:
        await asyncio.Event().wait()

    await opened(stage)
    await many(stage)
    at_work = [await stage.start(works, session=f"w-{number:02}", name="works") for number in range(MANY)]
    await stage.crash()
    runtime = await opened(stage)
    assert {"interrupted"} == {runtime.run(one.session, one.id).state for one in at_work}


@pytest.mark.parametrize("passed", [0, HOUR // 2, 3 * HOUR], ids=["at once", "before", "after"])
async def test_untouched_run_expires_in_time_after_a_restart(stage: Stage, passed: int) -> None:
    """Given runs at rest under a dead process, whenever the next starts, then their questions expire at their time."""
    handles = await crashed(stage)
    await stage.pass_time(passed)
    await opened(stage)
    await stage.settle()
    if passed < HOUR:
        await stage.pass_time(HOUR - passed - 10)
        assert {"waiting_for_human"} == {one.state for one in renewed(stage, handles)}
    await stage.pass_time(15)
    assert {"expired"} == {result(one) for one in renewed(stage, handles)}


async def test_untouched_session_is_reaped_in_time_after_a_restart(stage: Stage) -> None:
    """Given detached sessions at rest under a dead process, then each is stopped within two graces of the next start."""
    grace = Policy(orphan_grace_seconds=60)
    await crashed(stage, answers, grace)
    await stage.pass_time(500)
    runtime = await opened(stage, policy=grace)
    await stage.pass_time(125)
    assert MANY == len(runtime.sessions(limit=99, state="stopped"))


async def test_untouched_session_comes_under_the_policy_of_the_next_process(stage: Stage) -> None:
    """Given sessions that rest without a grace, when a process starts that has one, then they are stopped when it is over."""
    await crashed(stage, answers)
    runtime = await opened(stage, policy=Policy(orphan_grace_seconds=60))
    assert MANY > recovered(stage)
    await stage.pass_time(55)
    assert MANY == len(runtime.sessions(limit=99, state="ready"))
    await stage.pass_time(10)
    assert MANY == len(runtime.sessions(limit=99, state="stopped"))


async def test_no_hook_is_owed_of_what_rests(stage: Stage) -> None:
    """Given sessions at rest under a dead process, then none of their hooks is told of again: it was noted with the rest."""
    await crashed(stage)
    await opened(stage)
    await stage.pass_time(HOUR + 1)
    told_again = {one.session for one in stage.observed if one.redelivered}
    assert len(told_again) <= FEW.resting_sessions_max + 2
    assert MANY == len(stage.hooks(hooks.PublishEnd))


async def test_session_at_rest_that_cannot_be_read_keeps_nobody_busy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given sessions at rest that are due and damaged, more than are taken up together, then each is named once, looked at
    now and then, and the others that are due are taken up as ever."""
    monkeypatch.setattr(resting, "DUE_AT_ONCE", 4)
    await opened(stage)
    await many(stage)
    await stage.crash()
    bad = {f"s-{number:02}" for number in range(8)}
    looks: list[str] = []

    def damaged(store: Any) -> None:
        load = store.inner.load

        def look(session: str) -> Any:
            if session not in bad:
                return load(session)
            looks.append(session)
            raise StoreError("store", f"record of session {session} is damaged", "restore the file from a copy")

        monkeypatch.setattr(store.inner, "load", look)

    runtime = await opened(stage, told=damaged)
    await stage.pass_time(HOUR + 60)
    assert len(bad) == runtime.counters["not_recovered"]
    assert MANY - len(bad) == len(stage.hooks(hooks.PublishEnd))
    looks.clear()
    await stage.pass_time(60)
    assert len(looks) <= 60 / runtime.limits.retry_seconds_max * len(bad) + len(bad)
    bad.clear()
    await stage.pass_time(60)
    assert MANY == len(stage.hooks(hooks.PublishEnd))


# -- several workers --------------------------------------------------------------------------------------------------


async def test_what_rests_under_a_dead_worker_is_taken_over(workers: Workers) -> None:
    """Given a worker that dies with sessions at rest, then another that has none lets their questions expire in time;

    while the worker lived it left them alone.
    """
    first = await workers.open("first", limits=FEW, agents=AGENTS)
    second = await workers.open("second", limits=FEW, agents=AGENTS)
    for number in range(MANY):
        await first.start(parks, number, session=f"s-{number:02}", name="parks")
        await workers.settle()
    await workers.beat()
    second.look_for_due()
    names = [f"s-{number:02}" for number in range(MANY)]
    assert 0 == sum(inputs(second, i.Recovered, name) for name in names)
    first._closed = True
    first.store.inner.close()  # type: ignore[attr-defined]
    await workers.beat()
    assert (1, 0) == tuple(inputs(second, i.Recovered, name) for name in (names[-1], names[0]))
    assert isinstance(second.clock, VirtualClock)
    await second.clock.advance(HOUR + 1)
    ended = second.sessions(limit=MANY + 1, state="ready")
    assert (MANY, "second") == (len(ended), second.store.holder("s-00"))


def result(run: RunHandle) -> Any:
    """Return what came of a run that has ended."""
    end: RunEnd | None = run.end()
    return None if end is None else end.result
