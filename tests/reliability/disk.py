"""R4, a failing disk: full or with an error at the N-th call, for every N, and the engine on it.

What lives here: where a disk fails, and what must be so while it does and once it does not. What must not: a fault that
SQLite could not meet. The law of this file: what was refused changed nothing, what was acknowledged stands, and as soon
as the disk does its work again so does the store.

It fails at three places: at the file layer of SQLite, where a sync that fails also forgets, as Linux does, what it was to
make safe; at the port of the store under a runtime; and, where strace is installed, at the system call itself.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import attrs

from lifecycle.errors import LifecycleError, StoreError
from lifecycle.runtime.line import Item
from lifecycle.store import Commit, MemoryStore, SQLiteStore, files
from lifecycle.testing import replay_journal
from lifecycle.testing.faults import FaultyStore

from .campaign import Trial
from .cuts import Choice, Disk, Recorder, Recording, System, checkpoints_after
from .kills import Found, Moments, acknowledged_stands, closed, opened, rest, settled, story
from .medium import Call, heard, through
from .stories import commits_of, folder, groups_of, kept, replayed_whole

NAME = "runs.db"
ROOT = Path(__file__).resolve().parents[2]
FULL, CANNOT_OPEN, FAILED = 13, 14, 10
SECONDS_MAX = 300
"""How much virtual time a story on a failing store gets."""

TRIES_MAX = 3
"""How often a store is asked for the same while its disk fails, before it must do."""

CODES = {
    ("write", "full"): FULL,
    ("write", "error"): FAILED | 3 << 8,
    ("write", "half"): FULL,
    ("sync", "error"): FAILED | 4 << 8,
    ("truncate", "error"): FAILED | 6 << 8,
    ("delete", "error"): FAILED | 10 << 8,
    ("open", "error"): CANNOT_OPEN,
}
"""What SQLite is told when a call fails; ``half``: a part was written first."""

LASTING = ("once", "until it is mended")


# -- the file layer ---------------------------------------------------------------------------------------------------


class Failing:
    """Fail the N-th call of a kind, that one alone or all from there on until the disk is mended."""

    def __init__(self, listener: Callable[[Call], int], kind: str, how: str, lasting: str, number: int) -> None:
        self.listener = listener
        self.kind, self.how, self.lasting, self.number = kind, how, lasting, number
        self.count = self.fired = 0
        self.mended = False

    def __call__(self, call: Call) -> int:
        """Hear a call."""
        if call.kind != self.kind:
            return self.listener(call)
        self.count += 1
        since = self.count - self.number
        if self.mended or since < 0 or (since > 0 and self.lasting == "once"):
            return self.listener(call)
        self.fired += 1
        code = CODES[call.kind, self.how]
        if self.how == "half":
            half = len(call.data) // 2
            self.listener(attrs.evolve(call, data=call.data[:half], do=lambda: call.do(half)))
        elif call.kind == "sync" and isinstance(self.listener, Recorder):
            self.listener.forgot(call)
        return code

    def mend(self) -> None:
        """Let the disk do its work again."""
        self.mended = self.mended or self.fired > 0


class Driver:
    """Keep groups of steps on a disk that fails, asking again for what was refused."""

    def __init__(self, path: Path, failing: Failing, recording: Recording) -> None:
        self.path = path
        self.failing = failing
        self.recording = recording
        self.refused = 0
        self.wrong: list[str] = []

    def asked(self, what: str, ask: Callable[[], Any], unchanged: Callable[[], object]) -> Any:
        """Ask until it is done; what is refused has changed nothing, and is said in words."""
        before = unchanged()
        for _ in range(TRIES_MAX):
            try:
                return ask()
            except StoreError as error:
                self.refused += 1
                if "disk failed" not in str(error) and "no room left" not in str(error) and "opened" not in str(error):
                    self.wrong.append(f"{what} was refused with {error}")
                if unchanged() != before:
                    self.wrong.append(f"{what} was refused, and changed something")
                self.failing.mend()
        self.wrong.append(f"{what} is refused though the disk does its work again")
        return None

    def opened(self) -> SQLiteStore | None:
        """Open the store."""
        store: SQLiteStore | None = self.asked("opening", lambda: SQLiteStore(self.path), lambda: None)
        return store

    def keep(self, groups: Sequence[Sequence[Commit]], chance: Random) -> str:
        """Commit all groups, marking what was performed, closing and opening once on the way; stand for the end."""
        store, done = self.opened(), 0
        for number, group in enumerate(groups):
            if number == len(groups) // 2 and store is not None:
                store.close()
                store = self.opened()
            if store is None:
                return "nothing"
            self._commit(store, group)
            done += len(group)
            self.recording.acknowledge(self.recording.reached(store, done), len(self.recording.happened))
            if chance.random() < 0.6:
                self._mark(store, group[-1])
                self.recording.reached(store, done)
        assert store is not None
        store.close()
        store = self.opened()
        if store is None:
            return "nothing"
        replayed_whole(store)
        end = kept(store)
        store.close()
        return end

    def _commit(self, store: SQLiteStore, group: Sequence[Commit]) -> None:
        verdicts = self.asked("a commit", lambda: store.commit(group), lambda: kept(store))
        if verdicts is not None and set(verdicts) != {None}:
            self.wrong.append(f"a commit was refused with {verdicts}")

    def _mark(self, store: SQLiteStore, commit: Commit) -> None:
        session = commit.step.session
        assert session is not None
        marks = {session.id: session.revision}
        self.asked("a mark", lambda: store.mark_performed(marks), lambda: kept(store))


def on_failing_disk(seed: int, kind: str, how: str, lasting: str, number: int) -> tuple[Driver, str]:
    """Keep the lives of a seed on a disk that fails at that call; number 0: never."""
    chance = Random(f"disk {seed}")
    commits = commits_of(f"disk {seed}", 12)
    with folder() as place, checkpoints_after(chance.choice((4, 12, 40))):
        path, recording = place / NAME, Recording(commits=commits)
        recorder = Recorder(path, recording)
        failing = Failing(recorder, kind, how, lasting, number or 1 << 60)
        driver = Driver(path, failing, recording)
        with heard(failing), mock.patch.object(files, "os", System(recorder)):
            end = driver.keep(groups_of(commits, f"disk {seed}", 2), chance)
    return driver, end


def forgotten(recording: Recording) -> list[str]:
    """Cut the power after each acknowledgement: what a failed sync was to make safe is gone, the rest must be there."""
    disk, wrong = Disk(), []
    has_failed = False
    for one in recording.happened:
        disk.take(one)
        has_failed = has_failed or one.kind == "forgot"
        if one.kind != "acknowledged" or not has_failed:
            continue
        with folder() as place:
            for name, content in disk.image(Choice(0, 0)).items():
                (place / NAME if name == NAME else place / name).write_bytes(content)
            store = SQLiteStore(place / NAME)
            state = recording.states.get(kept(store))
            store.close()
        if state is None or state < one.at:
            wrong.append(f"after a failed sync a power cut leaves state {state}, and {one.at} was acknowledged")
    return wrong


# -- the port ---------------------------------------------------------------------------------------------------------


class Collected(Moments):
    """The moments of a process that nobody kills; what it tells is collected."""

    def __init__(self) -> None:
        super().__init__(-1, 0)
        self.told: list[list[str]] = []

    def tell(self, *words: object) -> None:
        """Collect a line."""
        self.told.append(list(map(str, words)))


async def on_failing_store(seed: int, number: int, times: int) -> tuple[int, list[str]]:
    """Let a host live with a runtime whose store refuses so many commits from the N-th; say what is wrong after it."""
    inner = MemoryStore()
    store, count = FaultyStore(inner), itertools.count(1)
    store.refuse_by(lambda: number <= next(count) < number + times)
    runtime, collected = opened(store), Collected()
    clock: Any = runtime.clock
    await runtime.open()
    living = asyncio.ensure_future(story(seed)(runtime, collected))
    for _ in range(SECONDS_MAX):
        if living.done():
            break
        await clock.advance(1)  # what must be taken is tried again as time passes
    assert living.done(), "the store takes everything again, and somebody still waits"
    store.heal()
    await clock.advance(2 * runtime.limits.retry_seconds_max)
    found = Found(collected.told, {}, {})
    await acknowledged_stands(found, runtime)
    try:
        await rest(runtime, collected)
    except AssertionError as fault:
        found.wrong.append(str(fault))
    await settled(runtime)
    for view in runtime.sessions(limit=1_000):
        replay_journal(inner, view.id)
    failed = runtime.counters["commits_failed"]
    found.check(not runtime.counters["hook_errors"], "a hook could not be performed")
    await closed(runtime)
    return failed, found.wrong


# -- the system call --------------------------------------------------------------------------------------------------

CALLS = (("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync", "EIO"), ("ftruncate", "EIO"))


REALS_PER_SEED, REAL_NUMBERS = 8, 40
"""How many system calls of a seed are failed: another seed fails others, up to the last of so many of each kind."""


def real_places(seed: int) -> Iterator[str]:
    """Name system calls to fail, of each kind in turn; no two seeds name the same one."""
    every = itertools.product(range(1, REAL_NUMBERS + 1), CALLS)
    mine = itertools.islice(every, (seed - 1) * REALS_PER_SEED, seed * REALS_PER_SEED)
    return (f"real:{call}:{error}:{number}" for number, (call, error) in mine)


def at_system_call(call: str, error: str, number: int) -> tuple[int, list[str]]:
    """Let a process of its own keep its steps while strace fails one of its system calls."""
    with folder() as place:
        told = place / "told"
        program = [sys.executable, "-m", "tests.reliability.disk", str(place / NAME)]
        traced = ["strace", "-f", "--seccomp-bpf", "-o", str(told), "-e", f"trace={call}", "-e"]
        traced.append(f"inject={call}:error={error}:when={number}")
        done = subprocess.run([*traced, *program], cwd=ROOT, capture_output=True, text=True)
        fired = told.read_text().count("(INJECTED)") if told.exists() else 0
        wrong = [] if done.returncode == 0 else [f"{call} {number} with {error}: {done.stdout}{done.stderr[-600:]}"]
        if not wrong:
            store = SQLiteStore(place / NAME)
            replayed_whole(store)
            revisions = {one.id: one.revision for one in store.sessions()}
            store.close()
            expected = {
                one.step.session.id: one.step.session.revision for one in commits_of("disk 0", 12) if one.step.session
            }
            wrong += [] if revisions == expected else [f"kept {revisions} of {expected}"]
    return fired, wrong


def be_traced(path: Path) -> int:
    """Keep steps as the process that strace watches; the exit code says whether all was as it must be."""
    recording = Recording()
    driver = Driver(path, Failing(through, "none", "", "once", 1), recording)
    driver.keep(groups_of(commits_of("disk 0", 12), "disk 0", 2), Random(0))
    print(f"refused {driver.refused}; {driver.wrong}")
    return 1 if driver.wrong else 0


# -- the campaign -----------------------------------------------------------------------------------------------------

PORT_EVERY, REAL_EVERY = 8, 40
"""How many places of the file layer there are to one of the port, and to one of the system call."""


SHOWS: Mapping[str | None, str] = {"refusal": "write", "the sync of marks": "sync"}
"""At which calls the lack of a protection should show; that of retries does at the port."""


class FailingDisks:
    """Fail every call once, and look whether anything was lost, half done or taken for done."""

    name = "R4"
    claim = "a full or failing disk at the N-th call: refused, not corrupt, and it works again once the disk does"
    unit = "failed calls"
    seeded = True
    short = 60
    long = 20_000
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
        "refusal": lambda: mock.patch.object(SQLiteStore, "commit", takes_for_good(SQLiteStore.commit)),
        "the sync of marks": lambda: mock.patch.object(
            SQLiteStore, "mark_performed", unsynced(SQLiteStore.mark_performed)
        ),
        "retries": lambda: mock.patch.object(Item, "must_be_taken", False),
    }

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name every call of a seed's lives, a port's commit and a system call now and then among them."""
        if without == "retries":
            yield from (f"port:{seed}:{number}:1" for number in range(1, 41))
        by_kind: list[list[str]] = []
        for kind, how in CODES:
            driver, _ = on_failing_disk(seed, kind, how, "once", 0)
            numbers = range(1, driver.failing.count + 1)
            by_kind.append([f"file:{seed}:{kind}:{how}:{lasting}:{n}" for n in numbers for lasting in LASTING])
            Random(f"places {seed} {kind} {how}").shuffle(by_kind[-1])
            if kind == SHOWS.get(without):
                yield from by_kind[-1]
        in_turn = itertools.chain.from_iterable(itertools.zip_longest(*by_kind))
        ports = (f"port:{seed}:{number}:{times}" for number, times in itertools.product(range(1, 41), (1, 2, 3)))
        reals = real_places(seed)
        for number, place in enumerate(filter(None, in_turn)):
            yield place
            if number % PORT_EVERY == 0:
                yield from itertools.islice(ports, 1)
            if number % REAL_EVERY == 0 and shutil.which("strace"):
                yield from itertools.islice(reals, 1)

    def trial(self, place: str) -> Trial:
        """Fail one call."""
        where, *rest_of_place = place.split(":")
        trial = Trial()
        try:
            {"file": self._file, "port": self._port, "real": self._real}[where](trial, *rest_of_place)
        except (LifecycleError, AssertionError) as fault:
            trial.violations.append(f"{type(fault).__name__}: {fault}")
        trial.counts = trial.fired.total() > 0
        return trial

    def _file(self, trial: Trial, seed: str, kind: str, how: str, lasting: str, number: str) -> None:
        driver, end = on_failing_disk(int(seed), kind, how, lasting, int(number))
        _, wanted = on_failing_disk_never(int(seed))
        trial.fired[f"{kind} {how}"] += driver.failing.fired
        trial.violations += driver.wrong
        if end != wanted:
            trial.violations.append("in the end other things are kept than without a fault")
        if kind == "sync":
            trial.violations += forgotten(driver.recording)

    def _port(self, trial: Trial, seed: str, number: str, times: str) -> None:
        failed, wrong = asyncio.run(on_failing_store(int(seed), int(number), int(times)))
        trial.fired["commits refused at the port"] += failed
        trial.violations += wrong

    def _real(self, trial: Trial, call: str, error: str, number: str) -> None:
        fired, wrong = at_system_call(call, error, int(number))
        trial.fired[f"{call} {error}"] += fired
        trial.violations += wrong


NEVER: dict[int, tuple[Driver, str]] = {}


def on_failing_disk_never(seed: int) -> tuple[Driver, str]:
    """Keep the lives of a seed on a good disk, once."""
    if seed not in NEVER:
        NEVER.clear()
        NEVER[seed] = on_failing_disk(seed, "write", "full", "once", 0)
    return NEVER[seed]


def takes_for_good(commit: Callable[..., Any]) -> Callable[..., Any]:
    """Commit, and take a failure for a success."""

    def committed(store: SQLiteStore, commits: Sequence[Commit]) -> Any:
        try:
            return commit(store, commits)
        except StoreError:
            return [None] * len(commits)

    return committed


def unsynced(mark: Callable[..., None]) -> Callable[..., None]:
    """Mark what was performed, and leave it to the next commit to bring it to the disk."""

    def marked(store: SQLiteStore, revisions: Mapping[str, int]) -> None:
        assert store._writer is not None
        store._writer.execute("PRAGMA synchronous = NORMAL")
        try:
            mark(store, revisions)
        finally:
            store._writer.execute("PRAGMA synchronous = FULL")

    return marked


if __name__ == "__main__":
    sys.exit(be_traced(Path(sys.argv[1])))
