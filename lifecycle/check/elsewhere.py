"""Elsewhere: another process that has the same library, to do in it what is done here.

What lives here: how such a process is started. What must not: what it does. The law of this file: no module of the
folder that somebody happens to be in is taken for one of Python's own, and what is printed there is no answer.

Answers pass through a file of their own, ``files``, whose numbers the process is given as its first arguments.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypedDict

HOME = str(Path(__file__).absolute().parents[2])
"""The folder that the library is imported from."""


class Start(TypedDict):
    """What a process is started with."""

    args: Sequence[str]
    env: dict[str, str]
    pass_fds: Sequence[int]


def start(code: str, files: Sequence[int], *words: str, without: Collection[str] = (), **env: str) -> Start:
    """Return how to start Python with code: it imports from where this process does, without certain folders."""
    return {
        "args": [sys.executable, "-P", "-c", code, *map(str, files), *words],
        "env": {**os.environ, "PYTHONPATH": os.pathsep.join(places(without)), **env},
        "pass_fds": files,
    }


def places(without: Collection[str]) -> list[str]:
    """Return where this process imports from; the library stays where it is, whatever is left out."""
    every = [os.path.abspath(place) for place in sys.path if place]
    return [place for place in every if place == HOME or place not in without]
