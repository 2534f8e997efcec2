"""A hundred thousand parked runs in one file: listing, resuming, starting, their bytes, and what an idle worker costs.

What lives here: the file, and what is asked of it. What must not: how the floor writes (replaying). The law of this
file: it is a file that a killed process left, with as many sessions in its memory as may be, and the floor works on a
copy of it.

The runs are made by the kernel and kept by the store in large groups: the bytes are those of runs that were started,
began and parked one by one, only made sooner.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, thread_time, time_ns
from typing import Any

import attrs

from benchmarks.durable import folder, one_after_another
from benchmarks.measuring import Figure, Spread, at_most, compared, progress
from benchmarks.replaying import Recording, Transaction, record
from lifecycle import Approval, Grant, Limits, Park, Policy, Runtime, SQLiteStore, approve
from lifecycle.kernel import Session, step
from lifecycle.kernel.inputs import Begin, ExecutionSettled, Input, Parked, StartRun
from lifecycle.kernel.lease import Lease
from lifecycle.kernel.values import Question, us
from lifecycle.runtime.payload import digest_of
from lifecycle.store import Commit
from lifecycle.store.files import WRITER_PRAGMAS
from lifecycle.store.port import Resting, rests_until
from lifecycle.store.sqlite_file import ends

NAME = "parked"
RUNS = 100_000
AT_ONCE = 500
"""How many runs are kept in one transaction while the file is made."""

AWAKE = Limits().resting_sessions_max
"""How many sessions the killed process had in its memory: those were not laid to rest."""

PAGE = 50
ENDED_RUNS = 4_000
IDLE_SECONDS = 8.0
ENDS_ASKED = 5_000
POLICY = Policy()
BODY = '{"args":{"paths":["report (1).pdf","report (2).pdf","report (3).pdf"]},"text":"Delete 3 files?"}'
INPUT = '{"folder":"/home/ada/downloads","older_than_days":30}'
QUESTION = Question("q", "approval", BODY, digest_of(BODY), us(86_400), "deny_and_continue")


async def tidy(run: Grant) -> object:
    """Ask once, staying in no memory; answered, tell when that was heard."""
    return {"called_at": perf_counter()} if run.answers else Park({"at": 1}, (Approval("Delete 3 files?", id="q"),))


AGENTS = {"tidy": tidy}


@attrs.define
class Life:
    """A session and the commits of its steps."""

    session: Session | None = None
    commits: list[Commit] = attrs.field(factory=list)

    def take(self, given: Input, now: int) -> None:
        """Take a step."""
        took = step(self.session, given, now)
        performed = 0 if self.session is None else self.session.revision
        self.commits.append(Commit(self.session, given, now, took, performed))
        self.session = took.session


def parked(number: int, now: int) -> Life:
    """Make a run that parks."""
    life, run = Life(), f"r-{number:06d}"
    life.take(StartRun(name_of(number), run, "local", "tidy", INPUT, digest_of(INPUT), POLICY), now)
    life.take(Begin(run, slot_of(life).id), now)
    slot = slot_of(life)
    life.take(ExecutionSettled(slot.id, slot.token, Parked('{"at":1}', (QUESTION,))), now)
    return life


def name_of(number: int) -> str:
    """Name a session."""
    return f"s-{number:06d}"


def slot_of(life: Life) -> Any:
    """Return the execution in the slot."""
    assert life.session is not None
    return life.session.execution


def fill(path: Path, runs: int, awake: int) -> None:
    """Make the file; the last ``awake`` sessions are as a killed process left them."""
    with closing(SQLiteStore(path)) as store:
        now = time_ns() // 1_000
        for first in range(0, runs, AT_ONCE):
            lives = [parked(number, now) for number in range(first, min(first + AT_ONCE, runs))]
            refused = [told for told in store.commit([one for life in lives for one in life.commits]) if told]
            if refused:
                raise refused[0]
            rest = [life for number, life in enumerate(lives, first) if number < runs - awake]
            store.rest([at_rest(life) for life in rest])


def at_rest(life: Life) -> Resting:
    """Lay a session to rest as a runtime does."""
    session = life.session
    assert session is not None
    return Resting(session.id, session.revision, Lease(), rests_until(session))


# -- beside it --------------------------------------------------------------------------------------------------------


def bare(path: Path) -> sqlite3.Connection:
    """Open a file without engine, under the engine's settings."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", *WRITER_PRAGMAS):
        connection.execute(f"PRAGMA {pragma}")
    return connection


BARE_PAGE = (
    "SELECT sessions.record, policies.record, spec, checkpoints.record FROM sessions "
    "JOIN policies ON policies.number = policy JOIN runs ON runs.session = sessions.number "
    "JOIN checkpoints ON checkpoints.session = sessions.number ORDER BY sessions.id LIMIT ?"
)
"""A page with all that belongs to it, in one statement."""


def timed_seconds(work: Callable[[], object]) -> float:
    """Return how long something takes, by the clock."""
    began = perf_counter()
    work()
    return perf_counter() - began


def write(connection: sqlite3.Connection, transactions: list[Transaction]) -> None:
    """Write transactions, each with its own sync."""
    for transaction in transactions:
        connection.execute("BEGIN IMMEDIATE")
        for statement, rows in transaction:
            connection.executemany(statement, rows)
        connection.execute("COMMIT")


# -- the three figures ------------------------------------------------------------------------------------------------


async def listed_and_resumed(path: Path, copy: Path, rounds: int) -> list[Figure]:
    """On a runtime that has started: take the first page, and let a decision resume runs that rest."""
    store = SQLiteStore(path)
    recording = record(store)
    pages, bare_pages, begun, ended, floors = [], [], [], [], []
    async with Runtime(store, POLICY, agents=AGENTS) as runtime:
        with closing(bare(copy)) as floor:
            for turn in range(rounds + 1):
                page = timed_seconds(lambda: runtime.sessions(limit=PAGE))
                bare_page = timed_seconds(lambda: floor.execute(BARE_PAGE, (PAGE,)).fetchall())
                number = 1_000 + turn * (RUNS // 2) // (rounds + 1)
                began, over, transactions = await resume(runtime, recording, number)
                wrote = timed_seconds(lambda written=transactions: write(floor, written))
                if turn:  # the first one warms up
                    pages.append(page)
                    bare_pages.append(bare_page)
                    begun.append(began)
                    ended.append(over)
                    floors.append(wrote)
    steps = f"bare SQLite, its {len(transactions)} transactions"
    return [
        within("first page of 50 sessions", "bare SQLite, one join", pages, bare_pages, 50),
        Figure(NAME, "from a decision to the run's code", median(begun) * 1e3, "ms", target=at_most(20)),
        compared(NAME, "from a decision to the run's end", steps, ended, floors, unit="ms"),
    ]


async def resume(runtime: Runtime, recording: Recording, number: int) -> tuple[float, float, list[Transaction]]:
    """Decide, and wait for the end of the run; return when its code began, when it ended, and what was written."""
    run = runtime.run(name_of(number), f"r-{number:06d}")
    before, began = len(recording.transactions), perf_counter()
    await run.decide("q", approve())
    end = await run.wait()
    seconds = perf_counter() - began
    assert end.state == "ready", end
    return end.result["called_at"] - began, seconds, recording.transactions[before:]


async def started(path: Path) -> float:
    """Let a process start, from opening the file to the acknowledgement of the first new run; return how long."""
    began = perf_counter()
    async with Runtime(SQLiteStore(path), POLICY, agents=AGENTS) as runtime:
        await runtime.start(tidy, {}, session="new", name="tidy")
        return perf_counter() - began


def opened_bare(path: Path) -> None:
    """Open the file without engine, and write one row."""
    with closing(bare(path)) as connection:
        connection.execute("INSERT OR REPLACE INTO marks (name, value) VALUES ('bench', 1)")


def within(what: str, floor: str, ours: list[float], floors: list[float], bound_ms: float) -> Figure:
    """Make the figure of a time that has a bound, with the floor's beside it."""
    times = Spread(median(ours) * 1e3, min(ours) * 1e3, max(ours) * 1e3)
    reads, beside = f"to {times.high:,.3g} ms, from {times.low:,.3g}", median(floors) * 1e3
    return Figure(NAME, what, times.median, "ms", floor, beside, target=at_most(bound_ms), note=reads)


# -- bytes ------------------------------------------------------------------------------------------------------------

RAW = " UNION ALL ".join(
    f"SELECT {column} AS record FROM whole.{table}"
    for table, column in (
        ("sessions", "record"),
        ("journal", "record"),
        ("runs", "spec"),
        ("checkpoints", "record"),
        ("ended", "record"),
        ("requests", "record"),
    )
)


def bytes_each(path: Path, base: Path, runs: int, what: str) -> Figure:
    """Return the bytes of a run in a file beside those of the same records as bare rows of one table, with no index."""
    raw = base / "raw.db"
    raw.unlink(missing_ok=True)
    with closing(sqlite3.connect(raw, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS whole", (str(path),))
        connection.execute(f"CREATE TABLE raw AS {RAW}")
        sizes = [
            connection.execute(f"SELECT page_count * page_size FROM pragma_{of}, pragma_page_size").fetchone()[0]
            for of in ("page_count('whole')", "page_count('main')")
        ]
    each, bare_each = (size / runs for size in sizes)
    return Figure(NAME, what, each, "bytes", "the same records, bare rows", bare_each)


async def ended_runs(path: Path) -> None:
    """Let runs end, in the real runtime."""
    async with Runtime(SQLiteStore(path)) as runtime:
        await one_after_another(runtime, ENDED_RUNS)


# -- doing nothing ----------------------------------------------------------------------------------------------------


async def idle_figures(path: Path) -> list[Figure]:
    """Measure what a worker computes while nothing happens, and what a group of steps pays for not being alone."""
    store = SQLiteStore(path)
    async with Runtime(store, POLICY, agents=AGENTS):
        await asyncio.sleep(1)
        began = process_time()
        await asyncio.sleep(IDLE_SECONDS)
        idle = (process_time() - began) / IDLE_SECONDS
        assert store._writer is not None
        began = thread_time()
        for _ in range(ENDS_ASKED):
            ends(store._path, store._writer)
        asked = (thread_time() - began) / ENDS_ASKED
    note = "it looks up four times a second and beats every three; computing per second"
    return [
        Figure(NAME, "an idle worker", idle * 1e6, "µs", target=at_most(1_000), note=note),
        Figure(NAME, "what others came to, asked once a group", asked * 1e6, "µs"),
    ]


# -- all of it --------------------------------------------------------------------------------------------------------


def measure(rounds: int) -> list[Figure]:
    """Make the file, and measure on it."""
    with folder() as base:
        path, copy, over = base / "parked.db", base / "copy.db", base / "ended.db"
        progress(f"{NAME}: parking {RUNS:,} runs")
        fill(path, RUNS, AWAKE)
        figures = [bytes_each(path, base, RUNS, "a parked run in the file")]
        progress(f"{NAME}: ending {ENDED_RUNS:,} runs")
        asyncio.run(ended_runs(over))
        figures.append(bytes_each(over, base, ENDED_RUNS, "an ended run in the file"))
        shutil.copy(path, copy)
        progress(f"{NAME}: {rounds} starts")
        starts = [asyncio.run(started(path)) for _ in range(rounds)]
        bare_starts = [timed_seconds(lambda: opened_bare(copy)) for _ in range(rounds)]
        what = f"a process starts, {AWAKE:,} sessions were in memory"
        figures.append(within(what, "bare SQLite, one row", starts, bare_starts, 2_000))
        progress(f"{NAME}: {rounds} pages and decisions")
        figures += asyncio.run(listed_and_resumed(path, copy, rounds))
        progress(f"{NAME}: idle for {IDLE_SECONDS:g} s")
        return figures + asyncio.run(idle_figures(path))
