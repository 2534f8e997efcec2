"""Stores that fail when told, and fixtures: what users build their own tests of."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lifecycle import Limits, MemoryStore, Runtime, StoreError, VirtualClock
from lifecycle.errors import LifecycleError
from lifecycle.kernel.inputs import Begin, StartRun
from lifecycle.store import Store
from lifecycle.testing import Disk, FaultyStore, Stage, turns

pytest_plugins = ["lifecycle.testing.fixtures"]


async def quick(run: Any) -> str:
    """Return at once."""
    return "done"


def test_faulty_store_is_a_store(faulty_store: FaultyStore) -> None:
    """Given the fixture, then it keeps what its inner store keeps and shows it the same way."""
    store: Store = faulty_store
    assert ("memory", 0, None) == (store.name, store.latest(), store.load("s"))
    assert ([], [], []) == (list(store.sessions()), list(store.unsettled()), list(store.ended("s")))
    assert (None, None, None) == (
        store.run_ended("s", "r"),
        store.key_ended("s", "k"),
        store.request_closed("s", "r", "q"),
    )
    assert [] == list(store.journal("s"))


def test_commits_fail_by_kind_by_draw_and_no_more(runtime: Runtime, faulty_store: FaultyStore) -> None:
    """Given commits that are to fail, by kind or by a drawn choice, then requests hear of it, until it is healed."""

    async def story() -> None:
        async with runtime:
            faulty_store.refuse(StartRun)
            with pytest.raises(StoreError, match="no room left"):
                await runtime.start(quick, session="s")
            faulty_store.refuse_by(lambda: True)
            assert faulty_store.fails
            with pytest.raises(StoreError):
                await runtime.start(quick, session="s")
            faulty_store.heal()
            assert not faulty_store.fails
            run = await runtime.start(quick, session="s")
            assert "done" == (await run.wait()).result
        assert [("StartRun",)] * 3 == faulty_store.attempts[:3]

    asyncio.run(story())


def test_reads_fail_when_told(runtime: Runtime, faulty_store: FaultyStore) -> None:
    """Given a look that is to fail, then whoever asks hears of it, and the next look succeeds."""

    async def story() -> None:
        async with runtime:
            faulty_store.refuse_reads()
            with pytest.raises(StoreError, match="cannot be read; try again"):
                await runtime.start(quick, session="s")
            await runtime.start(quick, session="s")

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_process_that_dies_after_a_commit_leaves_it_to_the_next(tmp_path: Path, kind: str) -> None:
    """Given a store that dies once a begin is durable, then nobody hears of it, and the next process finds it."""

    async def story() -> None:
        stage = Stage(Disk(None if kind == "memory" else tmp_path / "runs.db"))
        called: list[str] = []

        async def agent(run: Any) -> str:
            called.append(run.id)
            return "done"

        runtime = await stage.open(agents={"agent": agent})
        stage.store.die_after(Begin)
        await runtime.start(agent, session="s", name="agent", on_crash="rerun", run_id="r-1")
        await stage.settle()
        assert (True, []) == (stage.store.is_dead, called)
        await stage.crash()
        runtime = await stage.open(agents={"agent": agent})
        await stage.settle()
        assert (["r-1"], "completed") == (called, runtime.run("s", "r-1").end().cause)
        assert [] == stage.wrong
        await stage.close()

    asyncio.run(story())


def test_verdict_that_is_held_is_told_later(faulty_store: FaultyStore, virtual_clock: VirtualClock) -> None:
    """Given a commit whose verdict is held, then it is kept and nobody hears of it until it is let go."""

    async def story() -> None:
        limits = Limits(in_place_commit_seconds_max=0)
        async with Runtime(faulty_store, limits=limits, clock=virtual_clock) as runtime:
            with faulty_store.held():
                starting = asyncio.ensure_future(runtime.start(quick, session="s"))
                while faulty_store.inner.load("s") is None:
                    await turns()
                await turns(50)
                assert not starting.done()
            run = await starting
            assert "done" == (await run.wait()).result

    asyncio.run(story())


def test_commit_on_the_loop_cannot_be_held(runtime: Runtime, faulty_store: FaultyStore) -> None:
    """Given a runtime that commits on the event loop, then a commit that is to be held fails and says what to do."""

    async def story() -> None:
        async with runtime:
            with faulty_store.held(), pytest.raises(LifecycleError, match="use Limits"):
                await runtime.start(quick, session="s")

    asyncio.run(story())


def test_fixtures_are_made_anew(
    runtime: Runtime, virtual_clock: VirtualClock, memory_store: MemoryStore, sqlite_store: Any
) -> None:
    """Given the fixtures, then the runtime is on the same clock and store as the test, and time is the test's."""

    async def story() -> None:
        async with runtime:
            before = virtual_clock.now()
            run = await runtime.start(quick, session="s")
            await virtual_clock.advance(3)
            assert (3_000_000, "ready") == (virtual_clock.now() - before, run.state)
        assert memory_store.load("s") is not None

    asyncio.run(story())
    assert [] == list(sqlite_store.sessions())


WITHOUT = """
import sys
sys.modules[{module!r}] = None
import lifecycle.testing
try:
    {what}
except ModuleNotFoundError as missing:
    print(missing)
"""


@pytest.mark.parametrize(
    ("module", "what", "said"),
    [
        ("hypothesis", "lifecycle.testing.RuntimeTest", "RuntimeTest: needs hypothesis, which is not installed"),
        ("pytest", "import lifecycle.testing.fixtures", "fixtures: need pytest, which is not installed"),
    ],
)
def test_extra_that_is_missing_is_named(module: str, what: str, said: str) -> None:
    """Given no Hypothesis, or no pytest, then the rest can be used, and what needs it says so in one sentence."""
    script = WITHOUT.format(module=module, what=what)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert f"{said}; pip install agent-lifecycle[testing]\n" == done.stdout
