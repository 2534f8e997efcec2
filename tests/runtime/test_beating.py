"""The heartbeat's thread: it beats on, whatever a beat met, and says once what keeps it from beating."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle import Limits, StoreError
from lifecycle.runtime.beating import Beating
from lifecycle.store.port import Look

BEATS_SECONDS_MAX = 10.0
GONE = StoreError("store runs.db", "was moved", "put it back")


class Ailing:
    """A store whose looks go as they are told, the last one for ever."""

    def __init__(self, *looks: Callable[[], Look]) -> None:
        self.looks = list(looks)

    def renew(self) -> bool:
        """Renew in time."""
        return True

    def look(self) -> Look:
        """Look, or fail."""
        return (self.looks.pop(0) if len(self.looks) > 1 else self.looks[0])()


def fails(error: Exception) -> Callable[[], Look]:
    """Return a look that fails."""

    def look() -> Look:
        raise error

    return look


def finds() -> Look:
    """Find something to do."""
    return Look((), True, (), 0)


@pytest.mark.parametrize("error", [GONE, TypeError("cannot unpack")], ids=["refused", "unforeseen"])
async def test_heart_beats_on_after_a_beat_that_failed(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    """Given a store that fails several beats in the same way, then that is said once, and the next beat is as any other."""
    looked: asyncio.Future[Look] = asyncio.get_running_loop().create_future()

    def found(look: Look, late: bool) -> None:
        if not looked.done():
            looked.set_result(look)

    store: Any = Ailing(*[fails(error)] * 3, finds, *[fails(error)] * 2, finds)
    with caplog.at_level(logging.WARNING, "lifecycle"):
        beating = Beating(store, Limits(look_seconds=0.001), found)
        try:
            async with asyncio.timeout(BEATS_SECONDS_MAX):
                assert finds() == await looked
                while len(store.looks) > 1:
                    await asyncio.sleep(0)
        finally:
            beating.stop()
    told = [record.getMessage() for record in caplog.records]
    assert 2 == len(told) and all(str(error) in line and "the heartbeat failed" in line for line in told)
