"""What the tests of the runtime share: the stage, on each store, and how an async test is run.

What lives here: fixtures. What must not: stories. The law of this file: an async test runs on a loop of its own, and
fails if it leaves anything behind.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from .stage import Disk, Stage, run


@pytest.fixture(scope="session", autouse=True)
def nothing_old_is_collected() -> Iterator[None]:
    """Let the collector pass over all that was there before, so that looking for what was left behind is cheap."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def disk(kind: str, folder: Path) -> Disk:
    """Make a disk, in memory or in a file."""
    return Disk(None if kind == "memory" else folder / "runs.db")


@pytest.fixture(params=["memory", "sqlite"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """Give a stage on each store."""
    return Stage(disk(request.param, tmp_path))


@pytest.fixture
def file_stage(tmp_path: Path) -> Stage:
    """Give a stage on a file."""
    return Stage(Disk(tmp_path / "runs.db"))


@pytest.fixture
def memory_stage() -> Stage:
    """Give a stage in memory, for what no store has a part in."""
    return Stage(Disk())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test; on what plays stories, a stage or several workers, play it there."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    stages = [one for one in given.values() if hasattr(one, "played")]
    story = pyfuncitem.obj(**given)
    run(stages[0].played(story) if stages else story)
    return True
