"""What the tests of the command share: the process that has imported it ends with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .preloaded import PRELOADED


@pytest.fixture(scope="session", autouse=True)
def preloaded() -> Iterator[None]:
    """Let the process end once no command is started any more."""
    yield
    PRELOADED.close()
