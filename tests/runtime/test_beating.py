"""The heartbeat: what is held here is renewed whatever the event loop does, and what a look calls for comes to it.

What lives here: the thread against a store that only counts. What must not: leases; those are the store's and the
kernel's. The law of this file: a beat is waited for, never a time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lifecycle import Limits, StoreError
from lifecycle.runtime import beating as beats
from lifecycle.runtime.beating import Beating
from lifecycle.store.port import Look

from .stage import HANG_SECONDS, until

OFTEN = Limits(look_seconds=0.001, lease_renewal_seconds=0.001)


class Heart:
    """A store of which only the heart is there: ``enough`` is set at the third beat; ``verdicts`` are what beats say."""

    def __init__(self, *verdicts: bool | StoreError, usually: bool = True) -> None:
        self.beats = 0
        self.enough = threading.Event()
        self.verdicts, self.usually = list(verdicts), usually

    def renew(self) -> bool:
        """Beat."""
        self.beats += 1
        if self.beats == 3:
            self.enough.set()
        verdict = self.verdicts.pop(0) if self.verdicts else self.usually
        if isinstance(verdict, StoreError):
            raise verdict
        return verdict

    def look(self) -> Look:
        """See nobody and nothing."""
        return Look()


def beating(heart: Heart, heard: list[bool]) -> Beating:
    """Let a heart beat; ``heard`` gets, for each look that called for something, whether the beat was late."""
    store: Any = heart
    return Beating(store, OFTEN, lambda look, late: heard.append(late))


async def test_heart_beats_while_the_event_loop_stands_still() -> None:
    """[LobeHub 18572] Given code that keeps the event loop for itself, then what is held here is renewed all the same."""
    heart = Heart()
    thread = beating(heart, [])
    assert heart.enough.wait(HANG_SECONDS), "the heart waits for the loop"
    thread.stop()


async def test_late_beat_is_told_to_the_event_loop() -> None:
    """Given a beat that came too late, then the loop hears of it once, when it turns again; beats in time tell nothing."""
    heart, heard = Heart(True, False), []
    thread = beating(heart, heard)
    assert heart.enough.wait(HANG_SECONDS)
    await until(lambda: heard)
    thread.stop()
    assert [True] == heard


async def test_beat_that_fails_is_followed_by_the_next(caplog: pytest.LogCaptureFixture) -> None:
    """Given a store that fails at a beat, then that is said, and the heart goes on."""
    heart, heard = Heart(StoreError("store", "is locked", "wait")), []
    thread = beating(heart, heard)
    assert heart.enough.wait(HANG_SECONDS)
    thread.stop()
    assert ["the heartbeat failed (store: is locked; wait)"] == [record.getMessage() for record in caplog.records]
    assert [] == heard


async def test_heart_ends_when_its_event_loop_is_gone() -> None:
    """Given a loop that was closed under a heart, when there is something to tell, then the thread ends quietly."""
    made: list[Beating] = []

    async def elsewhere() -> None:
        made.append(beating(Heart(usually=False), []))

    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    made[0]._thread.join(HANG_SECONDS)
    assert not made[0]._thread.is_alive()


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


async def test_late_beat_is_told_though_the_look_after_it_failed() -> None:
    """Given a beat that came too late and a look after it that failed, then the loop hears that it was late all the same."""
    heard: list[bool] = []
    looks = [fails(GONE)] * 2 + [Look]

    class Late(Ailing):
        beats = 0

        def renew(self) -> bool:
            self.beats += 1
            return self.beats > 1

    store: Any = Late(*looks)
    beating = Beating(store, OFTEN, lambda look, late: heard.append(late))
    async with asyncio.timeout(BEATS_SECONDS_MAX):
        await until(lambda: heard or store.beats > 20)
    beating.stop()
    assert [True] == heard


async def test_loop_does_not_wait_for_a_beat_that_waits_for_the_store() -> None:
    """Given a beat that waits for others, when the runtime closes, then the loop goes on without it, and nothing is said
    of that beat any more."""
    began, go = threading.Event(), threading.Event()

    class Waiting(Heart):
        def renew(self) -> bool:
            began.set()
            assert go.wait(HANG_SECONDS)
            raise GONE

    beating = Beating(cast("Any", Waiting()), OFTEN, lambda look, late: None)
    assert await asyncio.to_thread(began.wait, HANG_SECONDS)
    beating.stop()
    assert beating._thread.is_alive()
    go.set()
    beating._thread.join(HANG_SECONDS)
    assert not beating._thread.is_alive()


async def test_worker_that_stood_still_is_told_so_though_its_lease_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a machine that stood still for longer than a beat may take, but not than a lease, then the loop hears of it
    as of a late beat, once: the leases of others may have run out meanwhile."""
    at, heard = [0.0], list[bool]()
    monkeypatch.setattr(beats, "time", SimpleNamespace(monotonic=lambda: at[0]))

    class Stands(Heart):
        def look(self) -> Look:
            if self.beats == 2:
                at[0] += 4
            return Look()

    limits = Limits(look_seconds=0.001, lease_renewal_seconds=3)
    heart = Stands()
    beating = Beating(cast("Any", heart), limits, lambda look, late: heard.append(late))
    for _ in range(3):
        at[0] += 3
        seen = heart.beats
        async with asyncio.timeout(BEATS_SECONDS_MAX):
            await until(lambda seen=seen: heart.beats > seen)  # type: ignore[misc]
    await until(lambda: heard)
    beating.stop()
    assert [True] == heard
