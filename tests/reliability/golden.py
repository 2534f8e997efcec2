"""R14, golden journals: files that a version wrote, taken again by this one, to the same states and the same hooks.

What lives here: how a golden file is made, and its replay. What must not: the files; they lie in ``golden/``, one for each
version that wrote them, and no later version changes them. The law of this file: a golden file is written once.
"""

from __future__ import annotations

import asyncio
import gzip
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import attrs

from lifecycle.check import mutant
from lifecycle.errors import LifecycleError
from lifecycle.kernel.engine import KERNEL
from lifecycle.runtime import Tracker, VirtualClock
from lifecycle.store import Commit, SQLiteStore
from lifecycle.store.port import Entry
from lifecycle.testing import replay_journal

from .campaign import Trial
from .stories import commits_of, folder

FOLDER = Path(__file__).resolve().parent / "golden"
NAME = "runs.db"
SEEDS = 60
"""How many seeds are looked through for lives that show something new."""


@attrs.define
class Replaying:
    """The kernel that takes golden journals again."""

    kernel: Any = KERNEL


REPLAYING = Replaying()


def shown_by(commits: list[Commit]) -> set[str]:
    """Say what some steps show: kinds of input and of hook, rows that were taken, causes of ends."""
    shown = set()
    for commit in commits:
        shown.add(type(commit.input).__name__)
        shown |= {type(hook).__name__ for hook in commit.step.hooks}
        shown |= {" ".join(map(str, (move[0], *move[2:]))) for move in commit.step.moves}
        shown |= {one.cause for one in commit.step.ended}
    return shown


def write(path: Path) -> int:
    """Write a golden file of this version, each of whose lives shows something new; return how many steps it has."""
    if path.exists():
        raise SystemExit(f"{path}: is there already; a golden file is written once")
    shown: set[str] = set()
    with folder() as place:
        store, steps = SQLiteStore(place / NAME), 0
        for seed in range(SEEDS):
            commits = commits_of(f"golden {seed}", 60, 2, f"s-{seed}")
            if shown_by(commits) - shown:
                shown |= shown_by(commits)
                assert {None} == set(store.commit(commits))
                steps += len(commits)
        store.close()
        path.write_bytes(gzip.compress((place / NAME).read_bytes(), mtime=0))
    return steps


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack a golden file for as long as it is looked at."""
    with folder() as place:
        (place / NAME).write_bytes(gzip.decompress(path.read_bytes()))
        yield place / NAME


def of_this_version() -> Path:
    """Name the golden file of this version."""
    return FOLDER / f"{importlib.metadata.version('agent-lifecycle')}.db.gz"


def entries_of(path: Path) -> Iterator[Entry]:
    """Return all entries of all journals of a golden file."""
    with unpacked(path) as there:
        store = SQLiteStore(there)
        for one in store.sessions(limit=1_000):
            yield from store.journal(one.id)
        store.close()


class GoldenJournals:
    """Take every golden journal again."""

    name = "R14"
    claim = "journals of every version replay to the same states and hooks"
    unit = "steps"
    seeded = False
    short = long = 1_000_000
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
        "handing answers over": lambda: mock.patch.object(REPLAYING, "kernel", mutant("answers-not-handed").make()),
    }

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name every session of every golden file; a seed makes no difference."""
        for path in golden_files():
            with unpacked(path) as there:
                store = SQLiteStore(there)
                names = [one.id for one in store.sessions(limit=1_000)]
                store.close()
            yield from (f"{path.name}:{name}" for name in names)

    def trial(self, place: str) -> Trial:
        """Take one journal again, and let a process take the session up."""
        file, name = place.split(":")
        trial = Trial()
        with unpacked(FOLDER / file) as path:
            try:
                store = SQLiteStore(path)
                try:
                    trial.counts = trial.fired["steps"] = replay_journal(store, name, REPLAYING.kernel).entries
                finally:
                    store.close()
                asyncio.run(taken_up(path, name))
            except LifecycleError as fault:
                trial.violations.append(str(fault))
        return trial


def golden_files() -> list[Path]:
    """List the golden files of all versions."""
    return sorted(FOLDER.glob("*.db.gz"))


async def taken_up(path: Path, name: str) -> None:
    """Let a process recover the session of a golden file; its journal goes on to be accepted."""
    tracker = Tracker(SQLiteStore(path), clock=VirtualClock())
    await tracker.open()
    tracker.show(name)
    await tracker.close()
    store = SQLiteStore(path)
    replay_journal(store, name)
    store.close()


if __name__ == "__main__":
    print(f"{of_this_version()}: {write(of_this_version())} steps")
