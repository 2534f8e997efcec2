"""The file does not grow without bound: with retention its pages level off, and without it they do not.

What lives here: a soak on the virtual clock. What must not: what exactly leaves; that is the contract's. The law of this
file: what is measured is the file, and the control, without retention, must fail.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from lifecycle import Approval, Limits, Park, Policy, RunHandle, Runtime, SQLiteStore
from lifecycle.testing import VirtualClock
from tests.profiles import times

LIMITS = Limits(retention_seconds=300, sweep_seconds=30)
FOR_EVER = attrs.evolve(LIMITS, retention_seconds=1e9)
ROUNDS, AT_ONCE, ROUND_SECONDS = times(20), 100, 60
"""Rounds of runs that start together: five are within the retention, and a few more go until their pages are free."""


async def answers(run: Any) -> Any:
    """Emit, keep a checkpoint and answer."""
    run.emit("x" * 100)
    await run.checkpoint("y" * 500)
    return "z" * 200


async def parks(run: Any) -> Any:
    """Wait for a human who never comes, until the question expires."""
    return "denied" if run.answers else Park({"page": 1}, (Approval("Go on?", id="q", expiry_seconds=120),))


async def soak(path: Path, limits: Limits) -> tuple[list[int], int, int]:
    """Run runs by the hundred, most in sessions of their own, some in one that lives for ever.

    Return the pages by round, how many sessions left, and how many are there once all had time to leave.
    """
    clock, policy, pages, left = VirtualClock(), Policy(orphan_grace_seconds=20), [], 0
    agents = {"parks": parks, "answers": answers}
    for first in range(0, ROUNDS, 5):  # every so often the next process takes over
        async with Runtime(SQLiteStore(path), policy, limits, clock=clock, agents=agents) as runtime:
            for number in range(first, min(first + 5, ROUNDS)):
                handles = await asyncio.gather(*(started(runtime, number, n) for n in range(AT_ONCE)))
                async with await runtime.attach("for ever"):
                    await clock.advance(ROUND_SECONDS)
                assert {"ready", "waiting_for_human"} == {one.state for one in handles}
                pages.append(pages_of(path))
            if number == ROUNDS - 1:
                await clock.advance(2_000)
            left += runtime.counters["sessions_let_go"]
            there = len(runtime.sessions(limit=100_000))
    return pages, left, there


def started(runtime: Runtime, number: int, n: int) -> Coroutine[Any, Any, RunHandle]:
    """Start a run: of ten one parks, and one is of the session that lives for ever."""
    agent, name = (parks, "parks") if n % 10 == 0 else (answers, "answers")
    session = "for ever" if n % 10 == 1 else f"s-{number}-{n}"
    return runtime.start(agent, "w" * 300, session=session, key=f"k-{number}-{n}", name=name)


def pages_of(path: Path) -> int:
    """Return of how many pages the file is, those not in use included."""
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("PRAGMA page_count").fetchone()
    return int(count)


@pytest.mark.parametrize(("limits", "levels"), [(LIMITS, True), (FOR_EVER, False)], ids=["retention", "control"])
async def test_pages_level_off(tmp_path: Path, limits: Limits, levels: bool) -> None:
    """Given thousands of runs, when they are over and past their retention, then the file needs no further page.

    The control keeps them for ever: the very same runs make the file grow to the last.
    """
    pages, left, there = await soak(tmp_path / "runs.db", limits)
    half = len(pages) // 2
    assert levels == (max(pages[half:]) <= 1.1 * max(pages[:half])), pages
    sessions = ROUNDS * AT_ONCE * 9 // 10 + 1
    assert (left, there) == ((sessions, 0) if levels else (0, sessions))
