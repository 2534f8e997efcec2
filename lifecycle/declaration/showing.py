"""Showing: how a machine looks where pictures are shown.

What lives here: the place where whoever can draw says so. What must not: a picture. The law of this file: a declaration
knows of no picture, and without somebody who draws it is shown as the value it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

Show: TypeAlias = Callable[[Any], dict[str, str]]
"""Gives what a machine is shown as: texts by their MIME types."""

_shows: list[Show] = []


def shows(show: Show) -> Show:
    """Let machines be shown by this from now on."""
    _shows[:] = [show]
    return show


def shown(machine: object) -> dict[str, str]:
    """Return what a machine is shown as; nothing if nobody draws."""
    return _shows[0](machine) if _shows else {}
