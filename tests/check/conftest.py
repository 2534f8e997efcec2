"""What the tests of the checker share: searches are not traced, because they call the kernel half a million times."""

from __future__ import annotations

from collections.abc import Iterator

import coverage
import pytest


@pytest.fixture
def untraced() -> Iterator[None]:
    """Leave the lines of a search unmeasured; what it searches has tests of its own that are."""
    running = coverage.Coverage.current()
    if running is not None:
        running.stop()
    yield
    if running is not None:
        running.start()
