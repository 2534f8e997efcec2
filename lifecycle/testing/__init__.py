"""Testing runs: a clock you move, stores that fail, told agents, tours and journals, for tests of your own.

Strategies and stateful tests need Hypothesis, fixtures need pytest: the extra ``testing`` installs both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle.runtime.clock import VirtualClock
from lifecycle.testing.actors import Actor, Raised, Returned, Told
from lifecycle.testing.agreement import disagreements
from lifecycle.testing.faults import Disk, FaultyStore
from lifecycle.testing.journals import Replayed, accepts, replay_journal
from lifecycle.testing.playing import Differs, Player, play
from lifecycle.testing.stage import Stage, turns
from lifecycle.testing.tour import Tour, Toured, tour

if TYPE_CHECKING:
    from lifecycle.testing.generating import MachineTest, machine_test, moves, schedules
    from lifecycle.testing.stateful import Option, RuntimeTest


def __getattr__(name: str) -> object:
    """Import what needs Hypothesis when it is asked for."""
    if name not in ("MachineTest", "Option", "RuntimeTest", "machine_test", "moves", "schedules"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from lifecycle.testing import generating, stateful
    except ModuleNotFoundError as missing:
        if missing.name != "hypothesis":
            raise
        raise ModuleNotFoundError(
            f"{name}: needs hypothesis, which is not installed; pip install agent-lifecycle[testing]", name="hypothesis"
        ) from None
    return getattr(stateful if hasattr(stateful, name) else generating, name)


__all__ = [
    "Actor",
    "Differs",
    "Disk",
    "FaultyStore",
    "MachineTest",
    "Option",
    "Player",
    "Raised",
    "Replayed",
    "Returned",
    "RuntimeTest",
    "Stage",
    "Told",
    "Tour",
    "Toured",
    "VirtualClock",
    "accepts",
    "disagreements",
    "machine_test",
    "moves",
    "play",
    "replay_journal",
    "schedules",
    "tour",
    "turns",
]
