"""Frames: numbered, replayed, bounded, and each segment ended once for every reader."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lifecycle import Approval, Frame, Gap, Limits, NotFound, Refused, SegmentEnd, approve

from .stage import NO_GRACE, Actor, Stage, gathered, said, turns, until


async def emitting(stage: Stage, *frames: Any, **choices: Any) -> tuple[Any, Actor]:
    """Start a run that has emitted these frames."""
    actor = Actor()
    handle = await stage.start(actor, **choices)
    actor.emit(*frames)
    await stage.settle()
    return handle, actor


async def test_frames_are_numbered_from_one_in_each_segment(stage: Stage) -> None:
    """Given two segments, then the frames of each count from 1, and its end bears the number of the last."""
    await stage.open()
    handle, actor = await emitting(stage, "a", "b")
    actor.ask(Approval("?", id="q"))
    await stage.settle()
    await handle.decide("q", approve())
    actor.emit("c")
    actor.returns()
    await stage.settle()
    assert [
        Frame(1, 1, '"a"'),
        Frame(1, 2, '"b"'),
        SegmentEnd(1, 2, "waiting_for_human"),
        Frame(2, 1, '"c"'),
        SegmentEnd(2, 1, "ready"),
    ] == await gathered(handle.follow())


@pytest.mark.parametrize(("after", "seen"), [(0, "abc"), (1, "bc"), (3, ""), (99, "")])
async def test_frames_are_replayed_from_a_number(stage: Stage, after: int, seen: str) -> None:
    """Given a reader that has seen up to a number, then it gets what is above it, while it runs and after the end."""
    await stage.open()
    handle, actor = await emitting(stage, "a", "b", "c")
    live = asyncio.ensure_future(gathered(handle.frames(after=after)))
    await turns(5)
    actor.returns()
    await stage.settle()
    assert [*seen, (1, "ready")] == said(await live)
    assert [*seen, (1, "ready")] == said(await gathered(handle.frames(after=after, segment=1)))


async def test_frames_reach_a_reader_as_they_come(stage: Stage) -> None:
    """Given a reader, when a frame is emitted, then it has it a turn later, without waiting for anything else."""
    await stage.open()
    handle, actor = await emitting(stage)
    reader = handle.frames().__aiter__()
    for number in range(3):
        actor.emit(number)
        assert number == (await reader.__anext__()).data
    actor.returns()
    assert isinstance(await reader.__anext__(), SegmentEnd)
    with pytest.raises(StopAsyncIteration):
        await reader.__anext__()


async def test_frames_kept_are_bounded_by_number(stage: Stage) -> None:
    """Given more frames than are kept, then a late reader is told how many it missed, and gets the rest."""
    await stage.open(limits=Limits(frames_max=3))
    handle, actor = await emitting(stage, *range(10))
    actor.returns()
    await stage.settle()
    assert [Gap(1, 7), 7, 8, 9, (1, "ready")] == [
        item if isinstance(item, Gap) else said([item])[0] for item in await gathered(handle.frames())
    ]
    assert ["gap 2", 7, 8, 9, (1, "ready")] == said(await gathered(handle.frames(after=5)))
    assert [8, 9, (1, "ready")] == said(await gathered(handle.frames(after=8)))


async def test_frames_kept_are_bounded_by_bytes(stage: Stage) -> None:
    """Given large frames, in whatever script, then what is kept stays within the bound in bytes, down to nothing."""
    await stage.open(limits=Limits(segment_bytes_max=1_000))
    handle, actor = await emitting(stage, *["ß" * 200] * 5)
    stream = stage.runtime.streams.get("s-1", handle.id)
    kept = sum(len(frame.text.encode()) for frame in stream.current.frames)
    assert kept <= 1_000
    actor.emit("x" * 5_000)
    actor.returns()
    await stage.settle()
    assert ["gap 6", (1, "ready")] == said(await gathered(handle.frames()))


async def test_slow_reader_costs_the_writer_nothing_and_is_told_what_it_missed(stage: Stage) -> None:
    """Given a reader that stands still, when thousands of frames pass, then memory stays bounded and it sees the gap."""
    await stage.open(limits=Limits(frames_max=10))
    handle, actor = await emitting(stage, 0)
    slow = handle.frames().__aiter__()
    assert 0 == (await slow.__anext__()).data
    for start in range(1, 5_000, 100):
        actor.emit(*range(start, start + 100))
    await stage.settle()
    stream = stage.runtime.streams.get("s-1", handle.id)
    assert 10 == len(stream.current.frames)
    actor.returns()
    await stage.settle()
    rest = [item async for item in slow]
    assert ["gap 4990", *range(4_991, 5_001), (1, "ready")] == said(rest)


async def test_reader_in_the_middle_of_a_page_sees_each_number_once(stage: Stage) -> None:
    """Given a reader that stops within a page while old frames leave, then it sees rising numbers and counted gaps."""
    await stage.open(limits=Limits(frames_max=100))
    handle, actor = await emitting(stage, *range(1, 101))
    reader = handle.frames().__aiter__()
    seen, missed = [(await reader.__anext__()).seq], 0
    for start in range(101, 1_001, 90):
        actor.emit(*range(start, start + 90))
        await stage.settle()
        for _ in range(10):
            item = await reader.__anext__()
            missed += getattr(item, "missed", 0)
            seen += [item.seq] if isinstance(item, Frame) else []
    actor.returns()
    await stage.settle()
    async for item in reader:
        missed += getattr(item, "missed", 0)
        seen += [item.seq] if isinstance(item, Frame) else []
    assert sorted(set(seen)) == seen
    assert seen[-1] == len(seen) + missed


async def test_frames_emitted_while_waiting_are_held_for_the_next_segment(stage: Stage) -> None:
    """Given code that emits while a human is asked, then those frames come first in the next segment."""
    await stage.open()
    handle, actor = await emitting(stage, "before")
    telling = actor.tell(
        lambda run: asyncio.gather(run.ask(Approval("?", id="q")), late_frames(handle, run), return_exceptions=True)
    )
    await stage.settle()
    assert ["before", (1, "waiting_for_human")] == said(await gathered(handle.frames()))
    await handle.decide("q", approve())
    await stage.settle()
    assert telling.done
    actor.emit("after")
    actor.returns()
    await stage.settle()
    assert ["held 1", "held 2", "after", (2, "ready")] == said(await gathered(handle.frames(segment=2)))


async def late_frames(handle: Any, run: Any) -> None:
    """Emit when the question is open."""
    await until(lambda: handle.requests)
    assert run.emit("held 1")
    assert run.emit("held 2")


async def test_frames_held_are_bounded_and_the_loss_is_told(stage: Stage) -> None:
    """Given more frames held than are kept, then the next segment begins with a gap of the right size."""
    await stage.open(limits=Limits(frames_max=3))
    handle, actor = await emitting(stage)

    async def many(run: Any) -> None:
        await until(lambda: handle.requests)
        for number in range(10):
            run.emit(number)

    actor.tell(lambda run: asyncio.gather(run.ask(Approval("?", id="q")), many(run)))
    await stage.settle()
    await handle.decide("q", approve())
    await stage.settle()
    actor.returns()
    await stage.settle()
    assert ["gap 7", 7, 8, 9, (2, "ready")] == said(await gathered(handle.frames(segment=2)))


async def test_frames_held_when_the_run_ends_are_dropped_behind_the_end(stage: Stage) -> None:
    """Given frames held when the run is aborted, then nothing follows the end of the last segment, and they are counted."""
    runtime = await stage.open()
    handle, actor = await emitting(stage, "before")
    actor.tell(lambda run: asyncio.gather(run.ask(Approval("?", id="q")), late_frames(handle, run)))
    await stage.settle()
    await handle.abort()
    await stage.settle()
    assert ["before", (1, "waiting_for_human")] == said(await gathered(handle.follow()))
    assert 2 == runtime.counters["late_frames"]


async def test_reader_that_goes_away_leaves_nothing_behind(stage: Stage) -> None:
    """Given readers that are cancelled while they wait for a frame, then the segment keeps nothing of them."""
    runtime = await stage.open()
    handle, actor = await emitting(stage, "a")
    for _ in range(3):
        reading = asyncio.ensure_future(gathered(handle.frames()))
        await turns(5)
        reading.cancel()
        await turns(2)
    assert not runtime.streams.get("s-1", handle.id).current.waiting
    actor.returns()


async def test_frames_before_the_first_are_none(stage: Stage) -> None:
    """Given a reader that asks from before the first frame, then it gets all, and no gap of frames that never were."""
    await stage.open()
    handle, actor = await emitting(stage, "a", "b")
    actor.returns()
    await stage.settle()
    assert ["a", "b", (1, "ready")] == said(await gathered(handle.frames(after=-1)))


async def test_frames_of_what_is_not_in_memory_are_not_found(stage: Stage) -> None:
    """Given an unknown run or segment, or a run of which nothing is kept, then frames say so, each by its name."""
    runtime = await stage.open(limits=Limits(streams_max=1))
    first, actor = await emitting(stage, "a")
    for missing, said_of_it in (
        (runtime.run("s-1", "nope").frames(), "run nope: not known here"),
        (first.frames(segment=7), "segment 7 is not in memory"),
        (runtime.run("no", "r").frames(), "session no: not known here"),
    ):
        with pytest.raises(NotFound, match=said_of_it):
            await gathered(missing)
    actor.returns()
    second, actor = await emitting(stage, "b")
    actor.returns()
    await stage.settle()
    with pytest.raises(NotFound):
        await gathered(first.frames())
    assert ["b", (1, "ready")] == said(await gathered(second.frames()))


async def test_follow_of_an_unknown_run_is_not_found(stage: Stage) -> None:
    """Given a run that never was, when somebody follows it, then it is not found, in a session known or not."""
    runtime = await stage.open()
    await stage.start(Actor())
    for handle in (runtime.run("s-1", "nope"), runtime.run("nope", "r-1")):
        with pytest.raises(NotFound):
            await gathered(handle.follow())


async def test_segments_kept_are_bounded(stage: Stage) -> None:
    """Given a run that waits again and again, then only so many of its segments are kept, the latest ones."""
    await stage.open(limits=Limits(segments_max=3), policy=NO_GRACE)
    handle, actor = await emitting(stage)
    for number in range(6):
        actor.ask(Approval("?", id=f"q{number}"))
        await stage.settle()
        await handle.decide(f"q{number}", approve())
        await stage.settle()
    stream = stage.runtime.streams.get("s-1", handle.id)
    assert [5, 6, 7] == [segment.number for segment in stream.segments]
    actor.returns()
    await stage.settle()
    assert [(5, "waiting_for_human"), (6, "waiting_for_human"), (7, "ready")] == said(await gathered(handle.follow()))


async def test_queued_run_has_its_segment_from_admission(stage: Stage) -> None:
    """Given a queued run, when it is followed and then aborted, then its one segment ends with that."""
    await stage.open()
    actor = Actor()
    await stage.start(actor)
    queued = await stage.start(Actor())
    following = asyncio.ensure_future(gathered(queued.follow()))
    await stage.settle()
    assert not following.done()
    await queued.abort()
    await stage.settle()
    assert [(1, "interrupted")] == said(await following)
    actor.returns()


async def test_reader_that_leaves_disturbs_nobody(stage: Stage) -> None:
    """Given many readers, when some are cancelled in the middle, then the others get everything, and nothing is left."""
    await stage.open()
    handle, actor = await emitting(stage, "a")
    readers = [asyncio.ensure_future(gathered(handle.follow())) for _ in range(20)]
    await stage.settle()
    for reader in readers[::2]:
        reader.cancel()
    actor.emit("b")
    actor.returns()
    await stage.settle()
    for reader in readers[1::2]:
        assert ["a", "b", (1, "ready")] == said(await reader)
    assert all(reader.cancelled() for reader in readers[::2])


async def test_readers_are_told_of_the_shutdown_once(stage: Stage) -> None:
    """Given a parked and a queued run, when the runtime shuts down, then who follows is told, once, and let go."""
    await stage.open(policy=NO_GRACE)
    parked, parks = await emitting(stage, "a")
    queued = await stage.start(Actor())
    parks.parks(1, Approval("?", id="q"))
    await stage.settle()
    followed = [asyncio.ensure_future(gathered(one.follow())) for one in (parked, queued)]
    await stage.settle()
    await stage.close()
    assert [["a", (1, "waiting_for_human")], [(1, "shutdown")]] == [said(await one) for one in followed]
    with pytest.raises(Refused):
        await queued.wait()
