"""Type-checked, never run: what a type checker knows of runs, their handles and what comes of them."""

from __future__ import annotations

from typing import Any, assert_type

from lifecycle import (
    Approval,
    Decision,
    Frame,
    Gap,
    Grant,
    HumanAnswer,
    MemoryStore,
    OpenRequest,
    Park,
    Policy,
    RunEnd,
    RunHandle,
    Runtime,
    SegmentEnd,
    SessionView,
    SQLiteStore,
    Tracker,
    answer,
    approve,
)


async def agent(run: Grant) -> Park | dict[str, int]:
    """Be an agent with types."""
    assert_type(run.emit({"found": 3}), bool)
    assert_type(await run.ask(Approval("Delete?", args=["a"])), HumanAnswer)
    assert_type(run.answers, dict[str, HumanAnswer])
    assert_type(run.signal.aborted, bool)
    assert_type(run.attempt, int)
    await run.ask("Delete?")  # type: ignore[arg-type]
    return Park(None, Approval("Delete?"))


async def client() -> None:
    """Use a run with types."""
    async with Runtime(SQLiteStore("runs.db"), policy=Policy(orphan_grace_seconds=None)) as runtime:
        assert_type(runtime, Runtime)
        run = await runtime.start(agent, {"any": "JSON"}, session="s-1", owner="ada")
        assert_type(run, RunHandle)
        assert_type(run.requests, tuple[OpenRequest, ...])
        assert_type(run.state, str)
        async for item in run.follow():
            assert_type(item, Frame | Gap | SegmentEnd)
        assert_type(approve(), Decision)
        await run.decide("r", answer("words"))
        await run.decide("r", "approve")  # type: ignore[arg-type]
        end = await run.wait(timeout_seconds=1)
        assert_type(end, RunEnd)
        assert_type(end.result, Any)
        assert_type(runtime.show("s-1"), SessionView)
        assert_type(runtime.sessions(limit=3), list[SessionView])
        await runtime.start(agent)  # type: ignore[call-arg]


async def loop() -> None:
    """Use a tracker with types."""
    async with Tracker(MemoryStore()) as tracker:
        assert_type(tracker, Tracker)
        run = await tracker.admit("name", session="s-1")
        assert_type(await tracker.begin(run), Grant)
