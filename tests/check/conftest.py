"""What the tests of the checker share: searches are not traced, because they call the kernel half a million times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import coverage
import pytest


@contextmanager
def tracing_paused() -> Iterator[None]:
    """Measure no lines for a while."""
    running = coverage.Coverage.current()
    if running is not None:
        running.stop()
    try:
        yield
    finally:
        if running is not None:
            running.start()


@pytest.fixture
def untraced() -> Iterator[None]:
    """Leave the lines of a search unmeasured; what it searches has tests of its own that are."""
    with tracing_paused():
        yield


@pytest.fixture(scope="module")
def untraced_module() -> Iterator[None]:
    """Do so for what a whole module shares."""
    with tracing_paused():
        yield
