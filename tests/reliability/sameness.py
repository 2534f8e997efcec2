"""R13, sameness: one seed, one journal, byte for byte, whatever the process and its hash seed.

What lives here: two processes that tell the same stories, and the comparison. What must not: a story. The law of this file:
everything that is kept is compared, every byte of every table.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from lifecycle.store import SQLiteStore

from .campaign import Trial
from .disk import Collected
from .kills import closed, opened, rest, story
from .stories import folder, kept

ROOT = Path(__file__).resolve().parents[2]
STORIES = 20
"""How many stories two processes tell before they are compared."""

UNSEEDED = "LIFECYCLE_UNSEEDED"


def told(seed: int) -> str:
    """Tell the story of a seed on a file, to its end; stand for all that is kept of it."""
    chance = Random(f"ids {seed}")
    ids = mock.patch.object(uuid, "uuid4", lambda: uuid.UUID(int=chance.getrandbits(128)))
    with folder() as place:
        path = place / "runs.db"
        if UNSEEDED in os.environ:
            asyncio.run(lived(path, seed))
        else:
            with ids:
                asyncio.run(lived(path, seed))
        store = SQLiteStore(path)
        found = kept(store)
        store.close()
    return found


async def lived(path: Path, seed: int) -> None:
    """Live the story of a seed."""
    runtime = opened(SQLiteStore(path))
    await runtime.open()
    await story(seed)(runtime, Collected())
    await rest(runtime, Collected())
    await closed(runtime)


def in_a_process(hash_seed: int, first: int, count: int) -> list[str]:
    """Tell stories in a process of its own, under that hash seed."""
    program = [sys.executable, "-m", "tests.reliability.sameness", str(first), str(count)]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


class Sameness:
    """Tell stories twice, and compare what is kept."""

    name = "R13"
    claim = "the same seed gives the same journal bytes, under two hash seeds and in two processes"
    unit = "seeds"
    seeded = True
    short = 20
    long = 1_000
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
        "the seed of ids": lambda: mock.patch.dict(os.environ, {UNSEEDED: "1"}),
    }

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name so many seeds at once: ``first:count``."""
        yield f"{seed * STORIES}:{STORIES}"

    def trial(self, place: str) -> Trial:
        """Tell them in two processes."""
        first, count = map(int, place.split(":"))
        one, other = in_a_process(1, first, count), in_a_process(2, first, count)
        trial = Trial(counts=len(one))
        trial.fired["stories told twice"] = len(one)
        for number, (here, there) in enumerate(zip(one, other, strict=True)):
            if here != there:
                trial.violations.append(f"seed {first + number} keeps two different journals")
        return trial


if __name__ == "__main__":
    for told_seed in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
        print(told(told_seed))
