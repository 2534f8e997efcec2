"""The tour: what the checker says of every state, the runtime does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle import hooks
from lifecycle.check import SMALL, configuration
from lifecycle.runtime import performing
from lifecycle.testing import Differs, Disk, Player, Tour, tour

from ..profiles import IS_SOAK

ORDINARY = ("conversation", "expiry", "queue", "crashes")
LONG = [config.name for config in SMALL if config.name not in ORDINARY]


def toured(name: str, disks: Iterator[Disk] | None = None) -> None:
    """Take a tour, and see that it came everywhere."""
    config = configuration(name)
    way = Tour(config, disks)
    went = asyncio.run(way.take())
    assert {} == way.todo
    assert went.states == way.found.states
    assert went.played.moves >= went.transitions - went.states - went.played.crashes
    assert 0 < went.played.idle
    assert 0 < went.played.fired_by_clock


@pytest.mark.parametrize("name", ORDINARY)
def test_runtime_does_what_the_kernel_does_everywhere(name: str) -> None:
    """Given a configuration of the checker, when a tracker is led through every state and through everything that can

    happen there, then session, hooks, replies and records are those of the kernel after each step.
    """
    toured(name)


@pytest.mark.skipif(not IS_SOAK, reason="the long tours are taken by make soak")
@pytest.mark.parametrize("name", LONG)
def test_runtime_does_what_the_kernel_does_on_the_long_tours(name: str) -> None:
    """Given the larger configurations, then the same holds there."""
    toured(name)


def files(folder: Path) -> Iterator[Disk]:
    """Give a disk in a file of its own, again and again."""
    number = 0
    while True:
        number += 1
        yield Disk(folder / f"{number}.db")


def test_runtime_does_what_the_kernel_does_on_a_file(tmp_path: Path) -> None:
    """Given a disk in a file for each life, when a part of a tour with crashes is taken, then the same holds there."""
    went = asyncio.run(tour(configuration("crashes"), disks=files(tmp_path), limit=None if IS_SOAK else 150))
    assert 150 <= went.played.moves


def test_tour_finds_a_hook_that_is_not_performed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a runtime that disarms no timer, when a tour is taken, then it says after which moves that shows."""
    monkeypatch.delitem(performing.PERFORM, hooks.DisarmTimer)
    with pytest.raises(Differs, match="timers armed and not held") as told:
        asyncio.run(tour(configuration("conversation")))
    assert "what is shown, registered and armed" == told.value.what
    assert 2 <= len(told.value.moves)


def test_tour_finds_what_the_runtime_does_not_ask_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a runtime that looks up no ended run, when a tour is taken, then a run that is started again shows it."""
    monkeypatch.setattr("lifecycle.runtime.stepping.Stepping._ended_record", lambda *_: None)
    with pytest.raises(Differs):
        asyncio.run(tour(configuration("queue")))


async def everything(player: Player, names: list[str]) -> Any:
    """Play moves."""
    await player.open()
    try:
        for name in names:
            await player.do(name)
        return player.possible()
    finally:
        await player.close()


def test_player_says_what_is_possible() -> None:
    """Given a run that has begun, then a player lists what can happen next, as the checker does."""
    player = Player(configuration("expiry"))
    possible = asyncio.run(everything(player, ["ada starts r1", "the runtime begins what is offered"]))
    assert "the code of r1 asks q1" in possible
    assert "ada approves q1" not in possible
