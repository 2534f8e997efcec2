"""Timers: deadlines, queue deadlines, expiries, graces; on a clock that stands still until it is told."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle import Approval, MemoryStore, Policy, Runtime, Tracker, VirtualClock, approve, hooks
from lifecycle.kernel.inputs import TimerFired
from lifecycle.runtime.timers import Timers

from .stage import NO_GRACE, Actor, Stage, run, turns

# -- deadlines --------------------------------------------------------------------------------------------------------


async def test_deadline_stops_a_run_at_its_executing_time_and_not_before(stage: Stage) -> None:
    """Given a run of 10 s, then it runs for 10 s, and is stopped by the timer at that instant, its code aborted."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, deadline_seconds=10)
    await stage.pass_time(9.999999)
    assert "running" == handle.state
    await stage.pass_time(0.000001)
    end = await handle.wait()
    assert ("stopped", "deadline", "timer deadline") == (end.state, end.cause, end.who)
    await stage.settle()
    assert ("ready", 1) == (stage.runtime.show("s-1").state, actor.cancelled)


async def test_deadline_does_not_count_waiting_and_queueing(stage: Stage) -> None:
    """Given a run of 10 s that queues an hour, runs 6 s, waits an hour, parks an hour, then 4 s are left, to the µs."""
    await stage.open(policy=NO_GRACE)
    ahead, actor = Actor(), Actor()
    await stage.start(ahead)
    handle = await stage.start(actor, deadline_seconds=10)
    await stage.pass_time(3_600)
    ahead.returns()
    await stage.pass_time(3)
    actor.ask(Approval("?", id="q1"))
    await stage.pass_time(3_600)
    await handle.decide("q1", approve())
    await stage.pass_time(3)
    actor.parks(1, Approval("?", id="q2"))
    await stage.pass_time(3_600)
    await handle.decide("q2", approve())
    await stage.pass_time(3.999999)
    assert "running" == handle.state
    await stage.pass_time(0.000001)
    assert "deadline" == handle.end().cause  # type: ignore[union-attr]


async def test_no_deadline_means_none(stage: Stage) -> None:
    """Given a run without a deadline, when days pass, then it runs, and can be aborted."""
    runtime = await stage.open(policy=NO_GRACE)
    handle = await stage.start(Actor())
    assert [] == runtime.timers.names()
    await stage.pass_time(200_000)
    assert "running" == handle.state
    await handle.abort()


async def test_deadline_is_no_end_of_a_run_that_has_ended(stage: Stage) -> None:
    """Given a run that ends within its time, then its timer is gone, and nothing happens when that would have fired."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, deadline_seconds=10, queue_deadline_seconds=5)
    assert [("s-1", "deadline", handle.id)] == runtime.timers.names()
    actor.returns()
    await stage.settle()
    assert [] == runtime.timers.names()
    await stage.pass_time(100)
    assert ("ready", "completed") == (handle.state, handle.end().cause)  # type: ignore[union-attr]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5_000_000)), min_size=1, max_size=6), st.integers(1, 8_000_000))
@settings(max_examples=25, deadline=None)
def test_deadline_covers_the_configured_time(stretches: list[tuple[bool, int]], allowed: int) -> None:
    """Given any run of stretches at work and in wait, then it is ended when it has worked its time, and not before."""

    async def story() -> None:
        clock = VirtualClock()
        async with Runtime(MemoryStore(), clock=clock, policy=NO_GRACE) as runtime:
            actor, worked = Actor(), 0
            handle = await runtime.start(actor, session="s", name="a", deadline_seconds=allowed / 1_000_000)
            await clock.settle()
            for number, (waits, length) in enumerate(stretches):
                if waits:
                    actor.ask(Approval("?", id=f"q{number}"))
                    await clock.settle()
                    await clock.advance(length / 1_000_000)
                    assert "waiting_for_human" == handle.state
                    await handle.decide(f"q{number}", approve())
                    await clock.settle()
                else:
                    await clock.advance(length / 1_000_000)
                    worked += length
                    if worked >= allowed:
                        assert "deadline" == handle.end().cause  # type: ignore[union-attr]
                        return
                assert "running" == handle.state
            await clock.advance((allowed - worked) / 1_000_000)
            assert "deadline" == handle.end().cause  # type: ignore[union-attr]

    run(story())


async def test_queue_deadline_stops_what_has_not_begun(stage: Stage) -> None:
    """Given queued runs with a queue deadline, when it passes, then those that have not begun are stopped, only they."""
    await stage.open(policy=NO_GRACE)
    ahead, never = Actor(), Actor()
    head = await stage.start(ahead, queue_deadline_seconds=5)
    queued = await stage.start(never, queue_deadline_seconds=5)
    patient = await stage.start(Actor())
    await stage.pass_time(5)
    end = await queued.wait()
    assert ("stopped", "queue_deadline") == (end.state, end.cause)
    assert ("running", "starting", []) == (head.state, patient.state, never.called)


async def test_queue_deadline_counts_no_more_once_the_code_is_called(stage: Stage) -> None:
    """Given a run that begins within its queue deadline, then that is gone, also when it parks and goes on."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, queue_deadline_seconds=5)
    actor.parks(1, Approval("?", id="q"))
    await stage.pass_time(100)
    await handle.decide("q", approve())
    await stage.pass_time(100)
    assert "running" == handle.state
    actor.returns()


# -- several at once --------------------------------------------------------------------------------------------------


async def test_timers_of_one_instant_fire_in_the_declared_order(stage: Stage) -> None:
    """Given a queue deadline and an orphan timer due at one instant, then the run is stopped first, and the session is

    reaped right after, not a grace later.
    """
    runtime = await stage.open(kind=Tracker, policy=Policy(orphan_grace_seconds=20))
    handle = await runtime.admit("nobody", session="s-1", queue_deadline_seconds=20)
    await stage.pass_time(20)
    assert ("queue_deadline", "stopped") == (handle.end().cause, runtime.show("s-1").state)
    assert ["queue_deadline", "orphan"] == [
        one.input.name for one in stage.observed if isinstance(one.input, TimerFired)
    ]


async def test_timers_that_are_due_fire_before_the_input_that_arrives_then(stage: Stage) -> None:
    """Given a leap of the clock over many due times, then all that was due fires first, each at its own, then input."""
    runtime = await stage.open(policy=Policy(orphan_grace_seconds=50))
    actor = Actor()
    handle = await stage.start(actor, deadline_seconds=10)
    stage.clock._now += 1_000_000_000  # the machine was suspended: nothing fired meanwhile
    await runtime.attach("s-1")
    await stage.settle()
    assert "deadline" == handle.end().cause  # type: ignore[union-attr]


async def test_timers_of_many_sessions_fire_each_in_its_own(stage: Stage) -> None:
    """Given many sessions with deadlines of all lengths, then each is stopped at its time, however they were armed."""
    await stage.open(policy=NO_GRACE)
    spans = [7, 3, 11, 3, 5, 2, 13, 17, 2, 1]
    handles = [
        await stage.start(Actor(), session=f"s-{place}", deadline_seconds=span) for place, span in enumerate(spans)
    ]
    for second in range(1, 18):
        await stage.pass_time(1)
        ended = [span for span, handle in zip(spans, handles, strict=True) if handle.state == "stopped"]
        assert sorted(span for span in spans if span <= second) == sorted(ended)


# -- graces -----------------------------------------------------------------------------------------------------------


async def test_session_that_waits_for_a_human_is_not_reaped_before_the_question_closes(stage: Stage) -> None:
    """Given a parked run and nobody attached, then the session is held until its question has expired, then reaped."""
    runtime = await stage.open(policy=Policy(orphan_grace_seconds=60))
    actor = Actor()
    handle = await stage.start(actor)
    actor.parks(1, Approval("?", id="q", expiry_seconds=3_600))
    await stage.pass_time(3_599)
    assert ("waiting_for_human", 1) == (handle.state, len(runtime.show("s-1").runs))
    actor.returns("went on without")
    await stage.pass_time(1)
    assert "ready" == handle.state
    await stage.pass_time(120)
    assert "stopped" == runtime.show("s-1").state


async def test_session_with_an_endless_question_is_held_for_ever_and_reaped_after(stage: Stage) -> None:
    """Given a question without an expiry, then the session waits without a timer; once it is answered, it is timed."""
    runtime = await stage.open(policy=Policy(orphan_grace_seconds=60, request_expiry_seconds=None))
    actor = Actor()
    handle = await stage.start(actor)
    actor.parks(1, Approval("?", id="q"))
    await stage.pass_time(1_000_000)
    assert ("waiting_for_human", []) == (runtime.show("s-1").state, runtime.timers.names())
    actor.returns()
    await handle.decide("q", approve())
    await stage.pass_time(60)
    assert "stopped" == runtime.show("s-1").state


async def test_session_without_a_grace_is_never_reaped(stage: Stage) -> None:
    """Given no grace, or one of zero, then no timer is ever made, and the session stays."""
    for grace, name in ((None, "s-1"), (0, "s-2")):
        runtime = await stage.open(policy=Policy(orphan_grace_seconds=grace))
        actor = Actor()
        actor.returns()
        await stage.start(actor, session=name)
        await stage.pass_time(1_000_000)
        assert ("ready", []) == (runtime.show(name).state, runtime.timers.names())
        await stage.close()


async def test_several_clients_hold_a_session_until_the_last_leaves(stage: Stage) -> None:
    """Given three clients, then the session lives until the last has been gone for the grace."""
    runtime = await stage.open(policy=Policy(orphan_grace_seconds=10))
    actor = Actor()
    actor.returns()
    await stage.start(actor)
    clients = [await runtime.attach("s-1") for _ in range(3)]
    for client in clients[:2]:
        await client.detach()
        await stage.pass_time(100)
    assert ("ready", 1) == (runtime.show("s-1").state, runtime.show("s-1").attached)
    await clients[2].detach()
    await stage.pass_time(10)
    assert "stopped" == runtime.show("s-1").state


@pytest.mark.parametrize("error", [OSError("gone"), KeyError("connection")])
async def test_attach_whose_connection_cannot_be_asked_is_no_attach(stage: Stage, error: Exception) -> None:
    """Given a probe that raises, when the attach is judged, at once or in line, then it is answered and holds nothing."""
    runtime = await stage.open(policy=NO_GRACE)

    def alive() -> bool:
        raise error

    await stage.start(Actor())
    both = [asyncio.ensure_future(runtime.attach("s-1", alive=alive)) for _ in range(2)]
    behind = [asyncio.ensure_future(stage.admit(Actor())), asyncio.ensure_future(runtime.attach("s-1", alive=alive))]
    await asyncio.wait([*both, *behind], timeout=5)
    assert all(one.done() for one in (*both, *behind))
    for one in (*both, behind[1]):
        assert one.exception() is not None or not one.result().holds
    assert 0 == runtime.show("s-1").attached


async def test_closing_grace_is_that_of_the_policy(stage: Stage) -> None:
    """Given a closing grace of 3 s, then code that does not return is given up after 3 s, and of none, at once."""
    for grace, name in ((3, "s-1"), (0, "s-2")):
        runtime = await stage.open(policy=Policy(closing_grace_seconds=grace))
        stubborn = Actor(stubborn=True)
        handle = await stage.start(stubborn, session=name)
        await handle.abort()
        if grace:
            await stage.pass_time(2.9)
            assert handle.id == runtime.show(name).closing
        await stage.pass_time(0.1)
        assert (None, 1) == (runtime.show(name).closing, len(stage.hooks(hooks.ReportAbandoned, name)))
        stubborn.stubborn = False
        stubborn.returns()
        await turns(5)
        await stage.close()


# -- the registry -----------------------------------------------------------------------------------------------------


def test_timer_is_disarmed_only_by_its_own_token() -> None:
    """Given a timer that was replaced, when the old one is disarmed, then the new one stays; and it alone fires."""
    fired: list[tuple[str, TimerFired]] = []

    async def story() -> None:
        clock = VirtualClock(0)
        timers = Timers(clock, lambda session, given: fired.append((session, given)))
        timers.arm("s", "orphan", "s", 5_000_000, (1, 0))
        timers.arm("s", "orphan", "s", 9_000_000, (2, 0))
        timers.disarm("s", "orphan", "s", (1, 0))
        assert [("s", "orphan", "s")] == timers.names()
        await clock.advance(8)
        assert [] == fired
        await clock.advance(1)
        timers.disarm("s", "orphan", "s", (2, 0))

    run(story())
    assert [("s", TimerFired("orphan", "s", (2, 0)))] == fired


def test_timers_disarmed_leave_the_heap() -> None:
    """Given thousands of timers armed and disarmed, then what is kept of them is bounded by those that are armed."""

    async def story() -> None:
        clock = VirtualClock(0)
        timers = Timers(clock, lambda session, given: None)
        for number in range(10_000):
            timers.arm("s", "deadline", f"r-{number}", 1_000_000 + number, (number, 0))
            if number >= 10:
                timers.disarm("s", "deadline", f"r-{number - 10}", (number - 10, 0))
        assert 10 == len(timers)
        assert len(timers._heap) < 200
        timers.stop()
        assert (0, None) == (len(timers), timers.earliest)
        await clock.advance(10)

    run(story())


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4), st.booleans()), max_size=40))
@settings(max_examples=50, deadline=None)
def test_timers_fire_what_is_armed_when_it_is_due_once(acts: list[tuple[int, int, bool]]) -> None:
    """Given any arming, replacing and disarming, then exactly what is armed at its time fires then, once."""
    fired: list[tuple[int, str, int]] = []

    async def story() -> list[tuple[int, str, int]]:
        clock = VirtualClock(0)
        timers = Timers(clock, lambda _, one: fired.append((clock.now(), one.owner, one.token[0])))
        model: dict[str, tuple[int, int]] = {}
        for token, (due, owner, keep) in enumerate(acts):
            timers.arm("s", "deadline", f"r{owner}", due * 1_000_000, (token, 0))
            model[f"r{owner}"] = (due * 1_000_000, token)
            if not keep:
                timers.disarm("s", "deadline", f"r{owner}", (token, 0))
                del model[f"r{owner}"]
        await clock.advance(30)
        return sorted((due, owner, token) for owner, (due, token) in model.items())

    assert run(story()) == sorted(fired)
