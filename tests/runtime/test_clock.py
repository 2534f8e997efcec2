"""Clocks: engine time that never runs backwards, real or virtual."""

from __future__ import annotations

import asyncio
import time

import pytest

from lifecycle import Invalid, MemoryStore, Runtime, SystemClock, Tracker, VirtualClock

from .stage import Actor, Stage, run, turns

FAR = 10**17
"""A time long after ours, in microseconds."""


def test_system_clock_never_runs_below_what_was_stored() -> None:
    """Given a stored time in the future, as after a wall clock that was set back, then time goes on from there."""
    clock = SystemClock()
    clock.start(FAR)
    first = clock.now()
    assert first >= FAR
    assert clock.now() >= first


def test_system_clock_starts_at_the_wall_and_ignores_its_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a wall clock that jumps after the start, then engine time does not follow it."""
    clock = SystemClock()
    before = time.time_ns() // 1_000
    clock.start(0)
    assert clock.now() >= before - 1
    monkeypatch.setattr("lifecycle.runtime.clock.time.time_ns", lambda: FAR * 1_000)
    assert clock.now() < FAR


async def test_system_clock_wakes_no_sooner_than_due() -> None:
    """Given the real clock, when a wake is due now, then it comes, not before its time; one called off never comes."""
    clock = SystemClock()
    clock.start(0)
    woken: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    due = clock.now() + 1
    clock.call_at(due, lambda: woken.set_result(clock.now()))
    clock.call_at(due, lambda: woken.set_exception(AssertionError("called off"))).cancel()
    assert await woken >= due


async def test_runtime_on_the_real_clock_fires_its_timers(stage: Stage) -> None:
    """Given a tracker on the real clock, when a deadline of no length worth speaking of is over, then the run is ended."""
    async with Tracker(stage.disk.open()) as tracker:  # type: ignore[arg-type]
        run_ = await tracker.admit("a", session="s-1", deadline_seconds=0.001)
        grant = await tracker.begin(run_)
        assert "deadline" == await grant.signal.wait()
        with pytest.raises(TimeoutError):
            await (await tracker.admit("a", session="s-2")).wait(0.001)
        await grant.settle()


def test_virtual_clock_goes_from_due_time_to_due_time() -> None:
    """Given wakes at several times, one of which arms another, then each sees its own time, in order, none too soon."""
    seen: list[tuple[str, int]] = []

    async def story() -> None:
        clock = VirtualClock(0)

        def arms() -> None:
            seen.append(("arms", clock.now()))
            clock.call_at(4_000_000, lambda: seen.append(("armed", clock.now())))

        clock.call_at(5_000_000, lambda: seen.append(("last", clock.now())))
        clock.call_at(3_000_000, arms)
        clock.call_at(3_000_000, lambda: seen.append(("same", clock.now())))
        off = clock.call_at(2_000_000, lambda: seen.append(("off", clock.now())))
        off.cancel()
        off.cancel()
        await clock.advance(2.5)
        assert ([], 2_500_000) == (seen, clock.now())
        await clock.advance(10)
        assert 12_500_000 == clock.now()

    run(story())
    assert [("arms", 3_000_000), ("same", 3_000_000), ("armed", 4_000_000), ("last", 5_000_000)] == seen


def test_virtual_clock_never_runs_backwards() -> None:
    """Given an advance by less than nothing, or two at once, then the first is refused, and time ends at the later."""

    async def story() -> None:
        clock = VirtualClock(0)
        for seconds in (-100, float("nan"), float("inf")):
            with pytest.raises(Invalid, match=r"virtual clock: .* is no time"):
                await clock.advance(seconds)
        await asyncio.gather(clock.advance(10), clock.advance(5))
        assert 10_000_000 == clock.now()

    run(story())


async def test_virtual_clock_outlives_many_runtimes(stage: Stage) -> None:
    """Given runtimes that are opened and closed on one clock, then it keeps nothing of them."""
    clock = VirtualClock()
    for _ in range(3):
        async with Tracker(stage.disk.open(), clock=clock):  # type: ignore[arg-type]
            assert 1 == len(clock._busy)
    assert [] == clock._busy


async def test_waiting_no_time_needs_no_clock_that_goes(stage: Stage) -> None:
    """Given a clock that nobody advances, when somebody waits for no time at all, then the wait is over at once.

    So a test that fails in the middle of its story closes its runtime, with code at work, and says why it failed.
    """
    async with Runtime(stage.disk.open(), clock=VirtualClock()) as runtime:  # type: ignore[arg-type]
        handle = await runtime.start(Actor(), session="s-1", name="actor")
        await handle.wait_for("running")
        for waiting in (handle.wait(timeout_seconds=0), handle.wait_for("ready", timeout_seconds=0)):
            with pytest.raises(TimeoutError):
                await waiting


async def test_virtual_clock_waits_for_what_is_being_written(stage: Stage) -> None:
    """Given commits on their way, when the clock settles, then they are durable and what follows has happened."""
    await stage.open()
    actors = [Actor() for _ in range(20)]
    admitting = [asyncio.ensure_future(stage.admit(actor, session=f"s-{place}")) for place, actor in enumerate(actors)]
    await turns(2)
    await stage.settle()
    assert all(one.done() for one in admitting)
    assert all(actor.called for actor in actors)


async def test_time_goes_on_from_what_was_stored(stage: Stage) -> None:
    """Given a store that was written at a time, when a process with an earlier clock opens it, then time goes on there."""
    await stage.open()
    await stage.pass_time(1_000)
    await stage.start(Actor())
    latest = stage.store.latest()
    await stage.crash()
    store = stage.disk.open()
    early = VirtualClock(5)
    async with Tracker(store, clock=early) as tracker:  # type: ignore[arg-type]
        assert early.now() >= latest
        assert "interrupted" == tracker.show("s-1").state


def test_time_of_an_empty_store_is_the_clocks() -> None:
    """Given nothing stored, then time is what the clock says."""

    async def story() -> None:
        clock = VirtualClock(7)
        async with Tracker(MemoryStore(), clock=clock):
            assert 7_000_000 == clock.now()

    run(story())
