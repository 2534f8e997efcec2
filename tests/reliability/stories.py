"""Stories: commits of random lives, the same for the same seed, and what a store says of them.

What lives here: what campaigns write to a store, and how two stores are compared. What must not: faults. The law of this
file: chance comes from the seed alone, and what is kept comes out of the kernel.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from lifecycle.store import Commit, MemoryStore, SQLiteStore, schema
from lifecycle.store.files import in_words
from lifecycle.store.port import UNJOURNALLED
from lifecycle.testing import replay_journal

from ..store.histories import KINDS, LIKELY, OFTEN, Event, expected, informed
from ..store.lives import Life

SECONDS = (0.0, 0.5, 3.0, 70.0)
QUICK = Path("/dev/shm")
"""A disk in memory, where there is one: what is tried here is files, not how fast they are."""


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder of one's own, as quick as there is."""
    with tempfile.TemporaryDirectory(prefix="lifecycle-", dir=QUICK if QUICK.is_dir() else None) as made:
        yield Path(made)


def event(chance: Random, session: int, kinds: tuple[str, ...]) -> Event:
    """Draw something that arrives."""
    numbers = chance.randrange(5), chance.randrange(6)
    return Event(session, chance.choice(kinds), *numbers, chance.choice(SECONDS), True)


ARRIVALS_PER_STEP = 40
"""How much arrives at most for each step that is wanted: some lives come to where nothing changes any more."""

WHATEVER = (*LIKELY, *OFTEN, *KINDS)
"""What may arrive: what a life goes on with, more often than anything else."""


def commits_of(seed: int | str, steps: int = 30, sessions: int = 3, prefix: str = "s") -> list[Commit]:
    """Return the steps of a few lives, side by side, in the order in which they were taken."""
    chance = Random(f"lives {seed}")
    lives = [Life(f"{prefix}-{n}") for n in range(sessions)]
    store = MemoryStore()
    commits: list[Commit] = []
    for _ in range(steps * ARRIVALS_PER_STEP):
        if len(commits) == steps:
            break
        happens = event(chance, chance.randrange(sessions), WHATEVER)
        life = lives[happens.session]
        given = (expected if happens.kind == "expected" else KINDS[happens.kind])(life, happens)
        if UNJOURNALLED[type(given)]:
            given = informed(store, life.name, given)
        commit = life.step(given, happens.seconds)
        if commit is not None:
            assert [None] == list(store.commit([commit]))
            commits.append(commit)
    return commits


def groups_of(commits: list[Commit], seed: int | str, most: int = 3) -> list[list[Commit]]:
    """Gather steps into groups of any size, in order."""
    chance, groups, at = Random(f"groups {seed}"), [], 0
    while at < len(commits):
        size = chance.randint(1, most)
        groups.append(commits[at : at + size])
        at += size
    return groups


TABLES = sorted(name for names in schema.TABLES_SINCE.values() for name in names)


def everything_in(connection: sqlite3.Connection) -> str:
    """Stand for all that a store holds, in every table: two that hold the same give the same."""
    told = hashlib.sha256()
    for table in TABLES:
        for row in connection.execute(f"SELECT * FROM {table}"):
            told.update(repr(row).encode())
        told.update(b"\0")
    return told.hexdigest()[:24]


def kept(store: SQLiteStore) -> str:
    """Stand for all that an open store holds; raise StoreError where it cannot be read."""
    assert store._reader is not None
    with in_words(store.name):
        return everything_in(store._reader)


def replayed_whole(store: SQLiteStore) -> int:
    """Let the kernel accept the journal of every session, to what is kept of it; return how many steps it took."""
    steps, after = 0, None
    while page := store.sessions(after):
        steps += sum(replay_journal(store, one.id).entries for one in page)
        after = page[-1].id
    return steps
