"""Memory: what a live session with armed timers weighs, above what its agent weighs by itself.

What lives here: four kinds of session, ten thousand of each, in a process of its own. What must not: speed. The
law of this file: a live session counts only if its timers are armed, and all of what the engine keeps for it counts.

*idle*: its run has ended, nobody is attached, the orphan timer is armed. *parked*: its run waits for a human, nothing
of the agent is in memory; the expiry of the question and the orphan timer are armed. *running*: the agent awaits
something, its deadline and the orphan timer are armed; the same agent as a bare task is taken off. *resting*: parked like
the others, but only as many stay in memory as may; the others are weighed without that limit.

The traced figure is that of ``tracemalloc``. The resident one is that of the system: it also holds what SQLite caches
and what the allocator keeps back after the burst.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.children import answer_of
from benchmarks.durable import folder
from benchmarks.measuring import Figure, at_most, progress
from lifecycle import Approval, Grant, Limits, Park, Policy, Runtime, SQLiteStore

NAME = "memory"
SESSIONS = 10_000
WARM = 3_000
"""How many sessions live before the count begins: what the engine takes once, caches of SQLite above all, is full."""

BATCH = 250
POLICY = Policy(orphan_grace_seconds=3_600)
LIMITS = Limits(resting_sessions_max=SESSIONS + WARM)
"""What is weighed stays in memory."""

KINDS = {
    "idle": ("detached and idle", 1),
    "parked": ("parked at a question", 2),
    "running": ("running, its agent awaits", 2),
    "resting": ("parked and laid to rest", 0),
}
"""What each kind is, and how many timers it has armed."""


async def idle(run: Grant) -> object:
    """Return at once."""
    return {"deleted": 0}


async def parked(run: Grant) -> object:
    """Ask, and leave nothing in memory."""
    return Park({"at": 1}, (Approval("Delete 3 files?", args={"paths": ["a", "b", "c"]}, id="clean-up"),))


class Waiting:
    """An agent that awaits a future of its own, as one that waits for a model would."""

    def __init__(self) -> None:
        self.at_work = 0

    async def __call__(self, run: object) -> None:
        """Wait until it is cancelled."""
        self.at_work += 1
        await asyncio.get_running_loop().create_future()


async def live_sessions(runtime: Runtime, kind: str, first: int, count: int) -> None:
    """Bring sessions to life, and wait until every one of them has reached its rest."""
    waiting = Waiting()
    agent: Any = {"idle": idle, "parked": parked, "resting": parked, "running": waiting}[kind]

    async def one(number: int) -> None:
        name = f"s-{number:06d}"
        run = await runtime.start(agent, {"folder": "/tmp"}, session=name, name=kind, deadline_seconds=7_200)
        if kind == "idle":
            await run.wait()
        elif kind != "running":
            await run.wait_for("waiting_for_human")

    for start in range(first, first + count, BATCH):
        await asyncio.gather(*(one(number) for number in range(start, min(start + BATCH, first + count))))
    while kind == "running" and waiting.at_work < count:
        await asyncio.sleep(0.01)


async def bare_tasks(count: int, kept: list[asyncio.Task[None]]) -> None:
    """Start the waiting agent without an engine."""
    agent = Waiting()
    kept += [asyncio.get_running_loop().create_task(agent(None), name=f"run {number}") for number in range(count)]
    while agent.at_work < count:
        await asyncio.sleep(0.01)


def traced_bytes() -> int:
    """Return what Python has allocated."""
    return tracemalloc.get_traced_memory()[0]


def resident_bytes() -> int:
    """Return what the system has given; 0 where that cannot be asked."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


async def weigh(kind: str, size: Callable[[], int]) -> float:
    """Be the process: weigh one of the sessions, or one of the bare agents."""
    if kind == "own":
        kept: list[asyncio.Task[None]] = []
        await bare_tasks(WARM, kept)
        before = settled_size(size)
        await bare_tasks(SESSIONS, kept)
        return (settled_size(size) - before) / SESSIONS
    with folder() as base:
        limits = Limits() if kind == "resting" else LIMITS
        agents = {"resting": parked}
        async with Runtime(SQLiteStore(base / "live.db"), POLICY, limits, agents=agents) as runtime:
            await live_sessions(runtime, kind, 0, WARM)
            before = settled_size(size)
            await live_sessions(runtime, kind, WARM, SESSIONS)
            after = settled_size(size)
            armed = len(runtime.timers)
            if armed != KINDS[kind][1] * (SESSIONS + WARM) and not (kind == "resting" and armed < WARM):
                raise RuntimeError(f"{kind}: {armed} timers are armed for {SESSIONS + WARM} sessions")
        return (after - before) / SESSIONS


def settled_size(size: Callable[[], int]) -> int:
    """Return the size after what is garbage has gone."""
    gc.collect()
    return size()


def weigh_in_child(kind: str, how: str) -> float:
    """Be the child."""
    if how == "traced":
        tracemalloc.start()
    return asyncio.run(weigh(kind, traced_bytes if how == "traced" else resident_bytes))


def measure(rounds: int) -> list[Figure]:
    """Weigh every kind, traced and resident."""
    figures = []
    for kind, (said, timers) in KINDS.items():
        progress(f"{NAME}: {SESSIONS:,} sessions {said}")
        for how in ("traced", "resident"):
            own = answer_of("memory", "own", how) if kind == "running" else 0.0
            each = answer_of("memory", kind, how) - own
            note = f"{timers} timer{'s' * (timers != 1)} armed"
            note += f"; {own:,.0f} bytes of the agent's own task taken off" if own else ""
            figures.append(Figure(NAME, f"session {said}, {how}", each, "bytes", target=at_most(4_096), note=note))
    return figures
