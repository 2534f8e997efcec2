"""The file does not grow without bound: with retention its pages level off, and without it they do not.

What lives here: a soak on the virtual clock. What must not: what exactly leaves; that is the contract's. The law of this
file: what is measured is the file, and the control, without retention, must fail.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from typing import Any

import attrs
import pytest

from lifecycle import Approval, Limits, Park, Policy, RunHandle
from tests.profiles import times

from .stage import Stage

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


async def soak(stage: Stage, limits: Limits) -> list[int]:
    """Run runs by the hundred, most in sessions of their own, some in one that lives for ever; return pages by round."""
    policy, pages = Policy(orphan_grace_seconds=20), []
    for number in range(ROUNDS):
        if number % 6 == 0:  # every so often the next process takes over
            await stage.close()
            await stage.open(policy=policy, limits=limits, agents=stage.agents())
        handles = await asyncio.gather(*(started(stage, number, n) for n in range(AT_ONCE)))
        attachment = await stage.runtime.attach("for ever")
        await stage.pass_time(ROUND_SECONDS)
        await attachment.detach()
        assert {"ready", "waiting_for_human"} == {one.state for one in handles}
        pages.append(pages_of(stage))
    return pages


def started(stage: Stage, number: int, n: int) -> Coroutine[Any, Any, RunHandle]:
    """Start a run: of ten one parks, and one is of the session that lives for ever."""
    agent = parks if n % 10 == 0 else answers
    session = "for ever" if n % 10 == 1 else f"s-{number}-{n}"
    return stage.admit(agent, "w" * 300, session=session, key=f"k-{number}-{n}")


def pages_of(stage: Stage) -> int:
    """Return of how many pages the file is, those not in use included."""
    with closing(sqlite3.connect(stage.store.name)) as connection:
        (count,) = connection.execute("PRAGMA page_count").fetchone()
    return int(count)


@pytest.mark.parametrize(("limits", "levels"), [(LIMITS, True), (FOR_EVER, False)], ids=["retention", "control"])
async def test_pages_level_off(file_stage: Stage, limits: Limits, levels: bool) -> None:
    """Given thousands of runs, when they are over and past their retention, then the file needs no further page.

    The control keeps them for ever: the very same runs make the file grow to the last.
    """
    pages = await soak(file_stage, limits)
    half = len(pages) // 2
    assert levels == (max(pages[half:]) <= 1.1 * max(pages[:half])), pages
    assert levels == (file_stage.runtime.counters["sessions_let_go"] > AT_ONCE)
    await file_stage.pass_time(1_000)
    left = {one.id for one in file_stage.store.sessions(limit=10_000)}
    assert levels == (not left), left
