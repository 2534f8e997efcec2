"""Durable runs: start, begin, ask, resume, complete through the real runtime, beside bare SQLite.

What lives here: the run, both ways of driving it, and the counting of syncs. What must not: how the floor writes
(replaying). The law of this file: engine and floor write the same bytes to files that lie side by side, in rounds that
take turns.

A client of the run does what any client does: it starts the run, waits for the question, decides, and waits for the
end. *One after another* is one session, run after run. *At once* are fifty sessions, a client for each; the floor there
is one transaction and one sync for the same step of all fifty.
"""

from __future__ import annotations

import asyncio
import gc
import math
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import attrs

from benchmarks.children import syncs_of
from benchmarks.measuring import Figure, Spread, at_least, at_most, compared, progress
from benchmarks.replaying import Floor, Transaction, merged, record
from lifecycle import Approval, Grant, Runtime, SQLiteStore, approve

NAME, NAME_AT_ONCE = "durable", "at-once"
SESSIONS = 50
RUNS_A_ROUND = 40
WAVES_A_ROUND = 2
STEPS = 5
"""Start, begin, ask, resume, complete."""

COUNTED_RUNS = 400
COUNTED_WAVES = 8
INPUT = {"folder": "/home/ada/downloads", "older_than_days": 30}
PATHS = ["report (1).pdf", "report (2).pdf", "report (3).pdf"]


async def agent(run: Grant) -> object:
    """Ask once, and return what was approved."""
    given = await run.ask(Approval("Delete 3 files?", args={"paths": PATHS}))
    return {"deleted": given.value["paths"]}


async def one_run(runtime: Runtime, session: str) -> None:
    """Be the client of one run."""
    run = await runtime.start(agent, INPUT, session=session, name="tidy")
    await run.wait_for("waiting_for_human")
    await run.decide(run.requests[0].id, approve())
    end = await run.wait()
    assert end.state == "ready", end


async def one_after_another(runtime: Runtime, runs: int) -> None:
    """Drive runs of one session."""
    for _ in range(runs):
        await one_run(runtime, "s-1")


async def at_once(runtime: Runtime, waves: int) -> None:
    """Drive fifty sessions at once, in each so many runs, one after another."""

    async def client(session: int) -> None:
        for _ in range(waves):
            await one_run(runtime, f"s-{session:03d}")

    await asyncio.gather(*(client(session) for session in range(SESSIONS)))


async def in_turn(runtime: Runtime, waves: int) -> None:
    """Do the same work one step at a time, for the recording."""
    for _ in range(waves):
        for session in range(SESSIONS):
            await one_run(runtime, f"s-{session:03d}")


@contextmanager
def folder() -> Iterator[Path]:
    """Lend a folder; both files of a comparison lie in it."""
    path = Path(tempfile.mkdtemp(prefix="lifecycle-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Runtime]:
    """Open a runtime on a new file."""
    async with Runtime(SQLiteStore(path)) as runtime:
        yield runtime


Drive = Callable[[Runtime, int], Awaitable[None]]


async def recorded(path: Path, drive: Drive, count: int) -> list[Transaction]:
    """Return what a real run writes, a transaction for each step."""
    store = SQLiteStore(path)
    recording = record(store)
    async with Runtime(store) as runtime:
        recording.transactions.clear()  # to join as a worker is no step
        await drive(runtime, count)
        return list(recording.transactions)


@attrs.define
class Turns:
    """What each turn of one side took: seconds by the clock, and seconds of computing."""

    seconds: list[float] = attrs.field(factory=list)
    computing: list[float] = attrs.field(factory=list)

    def add(self, began: tuple[float, float], steps: int) -> None:
        """Note a turn that is over, per step."""
        seconds, computing = now()
        self.seconds.append((seconds - began[0]) / steps)
        self.computing.append((computing - began[1]) / steps)


def now() -> tuple[float, float]:
    """Return the clock, and what this process has computed."""
    return perf_counter(), process_time()


async def compare(
    base: Path, drive: Drive, per_round: int, steps: int, grouped: list[list[Transaction]]
) -> tuple[Turns, Turns, str]:
    """Let engine and floor take turns, one round each; return what both took, and how the engine grouped its steps."""
    ours, floors = Turns(), Turns()
    floor = Floor(base / "floor.db")
    gc.collect()
    gc.freeze()  # the recording is no garbage of the engine's
    try:
        async with opened(base / "engine.db") as runtime:
            for turn, transactions in enumerate(grouped):
                for engine in (True, False) if turn % 2 else (False, True):
                    began = now()
                    if engine:
                        await drive(runtime, per_round)
                    else:
                        floor.write(transactions)
                    if turn:  # the first one warms up
                        (ours if engine else floors).add(began, steps)
            writer = runtime._writer
            assert writer is not None
            return ours, floors, f"{writer.commits / writer.groups:.1f} steps a transaction on average"
    finally:
        floor.close()
        gc.unfreeze()


def figures(benchmark: str, what: str, floor: str, found: tuple[Turns, Turns, str], bound: float) -> list[Figure]:
    """Make the figures of all rounds and of the quietest ones: a slow disk hides what an engine costs."""
    ours, floors, grouping = found
    quick, quick_floor = min(ours.seconds), min(floors.seconds)
    reads, target = "of the floor's speed", at_least(bound)
    computing, floor_computing = median(ours.computing) * 1e6, median(floors.computing) * 1e6
    note = f"{grouping}; computing takes {computing:.0f} µs a step, the floor's {floor_computing:.0f}"
    least = quick_floor / quick
    return [
        compared(
            benchmark, what, floor, ours.seconds, floors.seconds, reads=reads, of_floor=True, target=target, note=note
        ),
        Figure(
            benchmark, f"{what}, quietest rounds", quick * 1e6, "µs", floor, quick_floor * 1e6,
            Spread(least, least, least), reads, target,
        ),
    ]  # fmt: skip


def divided(transactions: list[Transaction], runs: int, rounds: int) -> list[list[Transaction]]:
    """Divide a recording into rounds; a run that is not five transactions is not what is to be measured."""
    if len(transactions) != runs * STEPS:
        raise RuntimeError(f"{runs} runs wrote {len(transactions)} transactions, not {STEPS} each: look at the runtime")
    size = len(transactions) // rounds
    return [transactions[size * turn : size * (turn + 1)] for turn in range(rounds)]


def grouped_waves(transactions: list[Transaction]) -> list[Transaction]:
    """Make of runs that were recorded in turn the groups of a perfect writer: a step of all sessions at a time."""
    waves = []
    for start in range(0, len(transactions), SESSIONS * STEPS):
        wave = transactions[start : start + SESSIONS * STEPS]
        waves += [merged(wave[step::STEPS]) for step in range(STEPS)]
    return waves


def measure(rounds: int) -> list[Figure]:
    """Measure runs one after another."""
    rounds += 1
    runs = RUNS_A_ROUND * rounds
    with folder() as base:
        progress(f"{NAME}: recording {runs} runs")
        parts = divided(asyncio.run(recorded(base / "recorded.db", one_after_another, runs)), runs, rounds)
        progress(f"{NAME}: {rounds} rounds of {RUNS_A_ROUND} runs, engine and floor in turn")
        found = asyncio.run(compare(base, one_after_another, RUNS_A_ROUND, RUNS_A_ROUND * STEPS, parts))
    progress(f"{NAME}: counting syncs")
    counted = counted_syncs("serial", COUNTED_RUNS)
    floor = "bare SQLite, one transaction a step"
    return [
        *figures(NAME, "step of a durable run, one after another", floor, found, 0.5),
        syncs(NAME, "syncs an acknowledged step", counted, COUNTED_RUNS * STEPS, 1.05),
        syncs(NAME, "syncs a run", counted, COUNTED_RUNS, 5.3),
    ]


def measure_at_once(rounds: int) -> list[Figure]:
    """Measure fifty sessions at once."""
    rounds += 1
    waves = WAVES_A_ROUND * rounds
    runs_a_round = WAVES_A_ROUND * SESSIONS
    with folder() as base:
        progress(f"{NAME_AT_ONCE}: recording {waves * SESSIONS} runs")
        transactions = asyncio.run(recorded(base / "recorded.db", in_turn, waves))
        parts = [grouped_waves(part) for part in divided(transactions, waves * SESSIONS, rounds)]
        progress(f"{NAME_AT_ONCE}: {rounds} rounds of {runs_a_round} runs, engine and floor in turn")
        found = asyncio.run(compare(base, at_once, WAVES_A_ROUND, runs_a_round * STEPS, parts))
    progress(f"{NAME_AT_ONCE}: counting syncs")
    counted = counted_syncs("at-once", COUNTED_WAVES * SESSIONS)
    floor = "bare SQLite, one transaction for 50 steps"
    return [
        *figures(NAME_AT_ONCE, "step of a durable run, 50 sessions at once", floor, found, 0.25),
        syncs(NAME_AT_ONCE, "syncs a run", counted, COUNTED_WAVES * SESSIONS, 0.3),
    ]


def counted_syncs(kind: str, runs: int) -> tuple[float, str]:
    """Count the syncs of a process that does so many runs, those of a process that does none taken off; say how."""
    counted, idle = syncs_of("syncs", kind, str(runs)), syncs_of("syncs", kind, "0")
    if counted is None or idle is None:
        return float("nan"), "not counted: there is no strace here that may trace"
    note = f"{counted} by a process with {runs} runs, {idle} by one with none; moving the log into the file included"
    return counted - idle, note


def syncs(benchmark: str, what: str, counted: tuple[float, str], among: int, bound: float) -> Figure:
    """Make a figure of the syncs that were counted, divided among so many."""
    count, note = counted
    target = None if math.isnan(count) else at_most(bound)
    return Figure(benchmark, what, count / among, "syncs", target=target, note=note)


async def work(kind: str, runs: int) -> None:
    """Be the process whose syncs are counted."""
    with folder() as base:
        async with opened(base / "engine.db") as runtime:
            if kind == "serial":
                await one_after_another(runtime, runs)
            else:
                await at_once(runtime, runs // SESSIONS)
