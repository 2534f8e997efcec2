"""Testing runs: a clock you move, stores that fail, told agents, tours and schedules, for tests of your own."""

from __future__ import annotations

from lifecycle.runtime.clock import VirtualClock
from lifecycle.testing.actors import Actor, Raised, Returned, Told
from lifecycle.testing.agreement import disagreements
from lifecycle.testing.faults import Disk, FaultyStore
from lifecycle.testing.stage import Stage, turns

__all__ = [
    "Actor",
    "Disk",
    "FaultyStore",
    "Raised",
    "Returned",
    "Stage",
    "Told",
    "VirtualClock",
    "disagreements",
    "turns",
]
