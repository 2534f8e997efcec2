"""R2, power cuts: every image that a disk may show after one, opened by the next process.

What lives here: a disk that forgets whatever was not synced, and the images it may show. What must not: a store. The law
of this file: what may be on the disk follows from the writes and syncs that SQLite really asked for.

Since the last sync of a file each sector written to it may be there or not, in any order, one of them torn; since the
last sync of the folder its names may have changed up to any change, in order, as in a journalling file system. What is
not modelled: a sync that lies, and sectors that nobody wrote going bad.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import attrs

from lifecycle.errors import LifecycleError
from lifecycle.runtime import Tracker, VirtualClock
from lifecycle.store import Commit, SQLiteStore, files

from .campaign import Trial
from .medium import SQLITE_OK, Call, heard
from .stories import commits_of, folder, groups_of, kept, replayed_whole

SECTOR_BYTES = 512
EXACT_PIECES = 8
"""Up to so many sectors in doubt every subset is an image; beyond, regular and drawn ones are."""

DRAWN = 24
"""How many subsets are drawn at a cut with more."""

REOPENED_ONE_IN = 100
"""How many images there are to one that a whole runtime takes up, and that is then written on to."""

NAME = "runs.db"


# -- what happened ----------------------------------------------------------------------------------------------------


@attrs.frozen
class Happened:
    """One thing that happened to the disk, or, of kind ``acknowledged``, an acknowledgement of the state ``at``."""

    kind: str
    file: int = 0
    at: int = 0
    data: bytes = b""
    name: str = ""
    other: str = ""


@attrs.define
class Recording:
    """What happened, in order, and the states through which the store went; the last index of each by its sum."""

    before: dict[str, bytes] = attrs.field(factory=dict)
    happened: list[Happened] = attrs.field(factory=list)
    states: dict[str, int] = attrs.field(factory=dict)
    commits: list[Commit] = attrs.field(factory=list)
    committed: list[int] = attrs.field(factory=list)

    def acknowledge(self, state: int, begun: int) -> None:
        """Note that a state was acknowledged; what led to it began at place ``begun`` of what happened."""
        self.happened.append(Happened("acknowledged", at=state))

    def reached(self, store: SQLiteStore, commits: int) -> int:
        """Note the state that a store is in, with so many commits; return its number."""
        number = len(self.committed)
        self.states[kept(store)] = number
        self.committed.append(commits)
        return number


class Recorder:
    """Record what happens to the files of one store."""

    def __init__(self, path: Path, recording: Recording) -> None:
        self.path = path
        self.recording = recording
        self.files: dict[str, int] = {}
        self.count = 0
        for name in recording.before:
            self._linked(name)

    def _linked(self, name: str) -> int:
        self.count += 1
        self.files[name] = self.count
        return self.count

    def __call__(self, call: Call) -> int:
        """Hear a call."""
        name = Path(call.path).name
        if not call.path.startswith(str(self.path)):
            return call.do()
        told = self.recording.happened
        if call.kind == "open":
            return self._opened(call, name)
        code = call.do()
        if code != SQLITE_OK:
            return code
        if call.kind == "delete":
            told.append(Happened("unlink", name=name))
            self.files.pop(name)
        else:
            told.append(Happened(call.kind, self.files[name], call.at, call.data))
        if call.syncs_folder:
            told.append(Happened("folder"))
        return code

    def _opened(self, call: Call, name: str) -> int:
        was_there = os.path.exists(call.path)
        code = call.do()
        if not was_there and os.path.exists(call.path):
            self.recording.happened.append(Happened("link", self._linked(name), name=name))
        return code

    def forgot(self, call: Call) -> None:
        """Hear of a sync that failed: what it was to make safe is in memory only, and no later sync brings it."""
        name = Path(call.path).name
        if name in self.files:
            self.recording.happened.append(Happened("forgot", self.files[name]))

    def replaced(self, old: Path, new: Path) -> None:
        """Rename a file, as the store does when it is made."""
        os.rename(old, new)
        self.files[new.name] = self.files.pop(old.name)
        self.recording.happened.append(Happened("rename", name=old.name, other=new.name))

    def folder_synced(self, handle: int) -> None:
        """Sync the folder, as the store does when it is made."""
        self.recording.happened.append(Happened("folder"))


class System:
    """What the store knows as ``os``, its two ways of changing the folder recorded."""

    def __init__(self, recorder: Recorder) -> None:
        self.replace = recorder.replaced
        self.fsync = recorder.folder_synced

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def recorded(seed: int) -> Recording:
    """Keep the lives of a seed in a store and record it; one seed in eight from the making of the file."""
    chance, recording = Random(f"cuts {seed}"), Recording()
    recording.commits = commits_of(f"cuts {seed}", chance.choice((8, 16)))
    groups = groups_of(recording.commits, seed)
    with folder() as place:
        path = place / NAME
        if seed % 8:
            SQLiteStore(path).close()
            recording.before = {NAME: path.read_bytes()}
        recorder = Recorder(path, recording)
        with (
            heard(recorder),
            mock.patch.object(files, "os", System(recorder)),
            checkpoints_after(chance.choice((4, 12, 40))),
        ):
            keep(recording, path, groups, chance)
    return recording


def checkpoints_after(pages: int) -> AbstractContextManager[Any]:
    """Move the log into the file after so many pages: the interesting moments are those around it."""
    pragmas = (*files.WRITER_PRAGMAS, f"wal_autocheckpoint = {pages}")
    return mock.patch.object(files, "WRITER_PRAGMAS", pragmas)


def keep(recording: Recording, path: Path, groups: list[list[Commit]], chance: Random) -> None:
    """Commit group after group, marking now and then what was performed, and closing and opening once on the way."""
    store = SQLiteStore(path)
    recording.reached(store, 0)
    done = 0
    for number, group in enumerate(groups):
        if number == len(groups) // 2:
            store.close()
            store = SQLiteStore(path)
        begun = len(recording.happened)
        assert {None} == set(store.commit(group))
        done += len(group)
        recording.acknowledge(recording.reached(store, done), begun)
        if chance.random() < 0.4:
            session = group[-1].step.session
            assert session is not None
            store.mark_performed({session.id: session.revision})
            recording.reached(store, done)
    store.close()


# -- the disk ---------------------------------------------------------------------------------------------------------

Piece = tuple[int, int, bytes | None]
"""A sector of a file, at a place, with its bytes; with none in place of bytes, the file cut to that size."""


@attrs.define
class Disk:
    """What is on the disk for certain, and what only may be."""

    contents: dict[int, bytes] = attrs.field(factory=dict)
    names: dict[str, int] = attrs.field(factory=dict)
    pieces: list[Piece] = attrs.field(factory=list)
    changes: list[Happened] = attrs.field(factory=list)
    acknowledged: int = 0

    def take(self, one: Happened) -> None:
        """Let one thing happen."""
        if one.kind == "acknowledged":
            self.acknowledged = one.at
        elif one.kind == "write":
            self.pieces += sectors(one.file, one.at, one.data)
        elif one.kind == "truncate":
            self.pieces.append((one.file, one.at, None))
        elif one.kind == "sync":
            mine = [piece for piece in self.pieces if piece[0] == one.file]
            self.contents[one.file] = applied(self.contents.get(one.file, b""), mine)
            self.pieces = [piece for piece in self.pieces if piece[0] != one.file]
        elif one.kind == "forgot":
            self.pieces = [piece for piece in self.pieces if piece[0] != one.file]
        elif one.kind == "folder":
            self.names, self.changes = renamed(self.names, self.changes), []
        else:
            self.changes.append(one)

    def image(self, choice: Choice) -> dict[str, bytes]:
        """Return the files that the disk shows if of what is in doubt exactly this is there."""
        there: dict[int, list[Piece]] = {}
        for number, piece in enumerate(self.pieces):
            if choice.pieces >> number & 1:
                file, at, data = piece
                if number == choice.torn and data is not None:
                    data = data[: choice.torn_bytes]
                there.setdefault(file, []).append((file, at, data))
        names = renamed(self.names, self.changes[: choice.changes])
        return {name: applied(self.contents.get(file, b""), there.get(file, [])) for name, file in names.items()}

    def choices(self, seed: str) -> Iterator[Choice]:
        """Choose what of the doubtful is there: everything possible if that is little, else regular and drawn subsets."""
        count = len(self.pieces)
        subsets = range(1 << count) if count <= EXACT_PIECES else subsets_of_many(count, Random(seed))
        chance = Random(f"torn {seed}")
        for changes in range(len(self.changes) + 1):
            for pieces in subsets:
                yield Choice(pieces, changes)
                if pieces and chance.random() < 0.25:
                    torn = chance.choice([number for number in range(count) if pieces >> number & 1])
                    yield Choice(pieces, changes, torn, chance.randrange(1, SECTOR_BYTES))


@attrs.frozen
class Choice:
    """What is there of what is in doubt: pieces by their bits, how many changes of names, and which piece is torn."""

    pieces: int
    changes: int
    torn: int = -1
    torn_bytes: int = 0


def subsets_of_many(count: int, chance: Random) -> list[int]:
    """Choose subsets of many pieces: nothing, all, one missing at either end, some beginnings, and any."""
    whole = (1 << count) - 1
    regular = [0, whole, whole >> 1, whole - 1, 1, 1 << (count - 1)]
    beginnings = [(1 << chance.randrange(1, count)) - 1 for _ in range(DRAWN // 3)]
    one_missing = [whole & ~(1 << chance.randrange(count)) for _ in range(DRAWN // 3)]
    drawn = []
    for _ in range(DRAWN):
        share = chance.choice((0.1, 0.5, 0.9, 0.97))
        drawn.append(sum(1 << number for number in range(count) if chance.random() < share))
    return [*regular, *beginnings, *one_missing, *drawn]


def sectors(file: int, at: int, data: bytes) -> Iterator[Piece]:
    """Cut what was written where sectors end: each is on the disk by itself."""
    begin = 0
    while begin < len(data):
        end = min(len(data), begin + SECTOR_BYTES - (at + begin) % SECTOR_BYTES)
        yield file, at + begin, data[begin:end]
        begin = end


def applied(content: bytes, pieces: list[Piece]) -> bytes:
    """Return a file after some pieces of it were written; what nobody wrote is zero."""
    made = bytearray(content)
    for _, at, data in pieces:
        if data is None:
            del made[at:]
            continue
        if len(made) < at:
            made.extend(bytes(at - len(made)))
        made[at : at + len(data)] = data
    return bytes(made)


def renamed(names: Mapping[str, int], changes: list[Happened]) -> dict[str, int]:
    """Return the names of a folder after some changes."""
    made = dict(names)
    for one in changes:
        if one.kind == "link":
            made[one.name] = one.file
        elif one.kind == "rename":
            made[one.other] = made.pop(one.name)
        else:
            made.pop(one.name, None)
    return made


# -- the campaign -----------------------------------------------------------------------------------------------------


class Recordings:
    """The recordings of the last few seeds, and the disk at one of their cuts."""

    def __init__(self) -> None:
        self.recording = lru_cache(2)(recorded)
        self.at_cut = lru_cache(2)(self._at_cut)
        self.seen: dict[tuple[int, bytes], int | str] = {}
        self.checked: set[tuple[int, int]] = set()
        self.told: set[tuple[int, bytes]] = set()

    def _at_cut(self, seed: int, cut: int) -> tuple[Disk, list[Choice]]:
        recording = self.recording(seed)
        disk = Disk()
        for number, name in enumerate(recording.before, 1):
            disk.names[name], disk.contents[number] = number, recording.before[name]
        for one in recording.happened[:cut]:
            disk.take(one)
        return disk, list(disk.choices(f"{seed} {cut}"))


class PowerCuts:
    """Cut the power after every write and sync; open every image."""

    name = "R2"
    claim = "power cut: every legal image recovers to a whole step that is no older than the last one acknowledged"
    unit = "images"
    seeded = True
    short = 1_200
    long = 500_000
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
        "sync": lambda: mock.patch.object(files, "WRITER_PRAGMAS", (*files.WRITER_PRAGMAS, "synchronous = OFF")),
        "waiting for the commit": lambda: mock.patch.object(Recording, "acknowledge", too_early),
    }

    def __init__(self) -> None:
        self.known = Recordings()
        self.images = 0

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name every image of every cut of a seed: ``seed:cut:image``; a lack shows right after an acknowledgement."""
        self.known = Recordings()
        happened = self.known.recording(seed).happened
        cuts = list(range(1, len(happened) + 1))
        if without is not None:
            cuts.sort(key=lambda cut: happened[cut - 1].kind != "acknowledged")
        for cut in cuts:
            for image in range(len(self.known.at_cut(seed, cut)[1])):
                yield f"{seed}:{cut}:{image}"

    def trial(self, place: str) -> Trial:
        """Open one image; it must be a whole state, no older than the last that was acknowledged."""
        seed, cut, number = map(int, place.split(":"))
        disk, choices = self.known.at_cut(seed, cut)
        choice = choices[number]
        image = disk.image(choice)
        key = seed, summed(image)
        trial = Trial(counts=key not in self.known.seen)
        if trial.counts:
            self.known.seen[key] = self._recovered(seed, image, trial)
            trial.fired[kind_of(disk, choice)] += 1
        state = self.known.seen[key]
        if key in self.known.told:
            return trial
        if isinstance(state, str):
            trial.violations.append(state)
        elif state < disk.acknowledged:
            trial.violations.append(f"recovered to state {state}, and {disk.acknowledged} was acknowledged")
        if trial.violations:
            self.known.told.add(key)
        return trial

    def _recovered(self, seed: int, image: dict[str, bytes], trial: Trial) -> int | str:
        """Return the number of the state that the next process finds, or what is wrong with it."""
        recording = self.known.recording(seed)
        self.images += 1
        with folder() as place:
            for name, content in image.items():
                (place / name).write_bytes(content)
            try:
                store = SQLiteStore(place / NAME)
                try:
                    state = recording.states.get(kept(store))
                    if state is None:
                        return "recovered to what the store never was"
                    if (seed, state) not in self.known.checked:
                        self.known.checked.add((seed, state))
                        replayed_whole(store)
                finally:
                    store.close()
                if self.images % REOPENED_ONE_IN == 1:
                    trial.fired["taken up and written on to"] += 1
                    taken_up(place / NAME, recording.commits, recording.committed[state])
            except (LifecycleError, AssertionError) as fault:
                return f"{type(fault).__name__}: {fault}"
        return state


def too_early(recording: Recording, state: int, begun: int) -> None:
    """Acknowledge before anything is written."""
    recording.happened.insert(begun, Happened("acknowledged", at=state))


def kind_of(disk: Disk, choice: Choice) -> str:
    """Say what a power cut did."""
    if choice.torn >= 0:
        return "torn sectors"
    lost = len(disk.pieces) - choice.pieces.bit_count()
    if lost or choice.changes < len(disk.changes):
        return "cuts that lost something"
    return "cuts that lost nothing"


def summed(image: dict[str, bytes]) -> bytes:
    """Stand for an image."""
    told = hashlib.blake2b(digest_size=16)
    for name, content in sorted(image.items()):
        told.update(f"{name} {len(content)} ".encode())
        told.update(content)
    return told.digest()


def taken_up(path: Path, commits: list[Commit], done: int) -> None:
    """Let the next step be kept, then let a tracker recover everything, and the kernel accept every journal."""
    store = SQLiteStore(path)
    if commits[done:]:
        assert [None] == list(store.commit(commits[done : done + 1])), "the next step is refused"
    store.close()
    asyncio.run(recovered(path))


async def recovered(path: Path) -> None:
    """Recover all sessions of a store."""
    tracker = Tracker(SQLiteStore(path), clock=VirtualClock())
    await tracker.open()
    assert not tracker.counters["not_recovered"], "a session cannot be recovered"
    await tracker.close()
    store = SQLiteStore(path)
    replayed_whole(store)
    store.close()
