"""Fixtures for pytest: ``pytest_plugins = ["lifecycle.testing.fixtures"]`` in your ``conftest.py`` makes them known.

What lives here: a clock, stores and a runtime, made anew for each test. What must not: a test. The law of this file: a
fixture opens nothing that its test does not close; a runtime is entered by the test, on the test's own event loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import pytest
except ModuleNotFoundError as missing:
    if missing.name != "pytest":
        raise
    raise ModuleNotFoundError(
        "fixtures: need pytest, which is not installed; pip install agent-lifecycle[testing]", name="pytest"
    ) from None

from lifecycle.runtime import Runtime, VirtualClock
from lifecycle.store import MemoryStore
from lifecycle.testing.faults import FaultyStore, nothing_to_close

if TYPE_CHECKING:
    from lifecycle.store import SQLiteStore


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """Give a clock that stands still until ``await virtual_clock.advance(seconds)``."""
    return VirtualClock()


@pytest.fixture
def memory_store() -> MemoryStore:
    """Give a store in memory."""
    return MemoryStore()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[SQLiteStore]:
    """Give a store in a file that is gone after the test."""
    from lifecycle.store import SQLiteStore  # asked for here: whoever tests in memory needs no codec

    store = SQLiteStore(tmp_path / "runs.db")
    yield store
    store.close()


@pytest.fixture
def faulty_store(memory_store: MemoryStore) -> FaultyStore:
    """Give a store that fails when told, around ``memory_store``, which keeps what was kept after it is closed or cut."""
    return FaultyStore(memory_store, nothing_to_close)


@pytest.fixture
def runtime(faulty_store: FaultyStore, virtual_clock: VirtualClock) -> Runtime:
    """Give a runtime on ``faulty_store`` and ``virtual_clock``; enter it in the test: ``async with runtime: ...``."""
    return Runtime(faulty_store, clock=virtual_clock)
