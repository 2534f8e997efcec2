"""Worlds: every configuration there is, those of one session and those that workers share.

What lives here: the lists, and finding one by its name. What must not: a configuration. The law of this file: whatever
is explored by name is in one of these lists.
"""

from __future__ import annotations

from typing import TypeAlias

from lifecycle.check.configuration import LARGE, SMALL, Configuration
from lifecycle.check.shared.configuration import SHARED, SHARED_LARGE, Workers
from lifecycle.errors import Invalid

AnyWorld: TypeAlias = Configuration | Workers
"""A world of one session in one process, or of several processes on one session."""

DEFAULT: tuple[AnyWorld, ...] = (*SMALL, *SHARED)
"""What ``lifecycle check`` explores unless told otherwise."""

WORLDS: dict[str, AnyWorld] = {one.name: one for one in (*DEFAULT, *LARGE, *SHARED_LARGE)}


def world_named(name: str) -> AnyWorld:
    """Return the world of that name."""
    if name not in WORLDS:
        raise Invalid(f"configuration {name}", "there is none of that name", f"use one of {', '.join(WORLDS)}")
    return WORLDS[name]
