"""Real processes on one file, under kill -9 and SIGSTOP: what was acknowledged ends, once, and nobody works twice.

What lives here: who is killed and stalled, and when. What must not: a virtual clock. The law of this file: a verdict is
read out of what the processes wrote down, and out of the journals.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import attrs

from lifecycle import LifecycleError, SQLiteStore
from lifecycle.hooks import PublishEnd

from .campaign import Trial
from .worker import LIMITS, SESSIONS

ROOT = Path(__file__).resolve().parents[2]
FINISH_SECONDS_MAX = 120.0
JOINING_SECONDS_MAX = 60.0
STALL_SECONDS = LIMITS.lease_seconds + 1.0


@attrs.define
class Life:
    """A process of the campaign, and when it was killed."""

    process: subprocess.Popen[bytes]
    killed_at: float | None = None


@attrs.define
class Crowd:
    """A number of workers on one file, killed and stalled at random."""

    options = ()
    """What every worker is told beyond its file and its number."""

    folder: Path
    workers: int
    seed: int
    lives: dict[int, Life] = attrs.field(factory=dict)
    fired: Counter[str] = attrs.field(factory=Counter)

    @property
    def path(self) -> Path:
        """The file they share."""
        return self.folder / "runs.db"

    def join(self, *more: str) -> Life:
        """Start a process."""
        number = str(self.seed * 10_000 + len(self.lives))
        words = [sys.executable, "-m", "tests.reliability.worker", str(self.path), number, *self.options, *more]
        life = Life(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.lives[life.process.pid] = life
        return life

    def play(self, seconds: float) -> None:
        """Let them work, kill and stall them; then let one finish what is left."""
        drawn = random.Random(self.seed)
        there = [self.join() for _ in range(self.workers)]
        stalled: list[tuple[float, Life]] = []
        began = time.monotonic()
        try:
            while len(self.at_work()) < len(there) and time.monotonic() < began + JOINING_SECONDS_MAX:
                pause(0.1)
            over = time.monotonic() + seconds
            while time.monotonic() < over:
                pause(drawn.uniform(0.2, 0.8))
                life = drawn.choice(there)
                if life not in [one for _, one in stalled] and life.process.pid in self.at_work():
                    if not stalled and drawn.random() < 0.2:
                        life.process.send_signal(signal.SIGSTOP)
                        stalled.append((time.monotonic(), life))
                        self.fired["stalls"] += 1
                    else:
                        self.kill(life)
                        there[there.index(life)] = self.join()
                stalled = [one for one in stalled if not self.woken(*one)]
            for life in there:
                self.kill(life)
            assert 0 == self.join("--finish").process.wait(FINISH_SECONDS_MAX)
        finally:
            for life in self.lives.values():
                if life.process.poll() is None:
                    life.process.kill()
                life.process.wait()

    def at_work(self) -> set[int]:
        """Return the processes that have acknowledged something."""
        if not (self.folder / "log").exists():
            return set()
        return {pid for _, pid, words in self.lines() if words[0] == "ack"}

    def kill(self, life: Life) -> None:
        """Kill a process, whatever it is at."""
        life.killed_at = time.monotonic()
        life.process.kill()
        life.process.wait()
        self.fired["kills"] += 1

    def woken(self, since: float, life: Life) -> bool:
        """Let a process go on that was stalled past its lease."""
        if time.monotonic() - since < STALL_SECONDS:
            return False
        life.process.send_signal(signal.SIGCONT)
        return True

    # -- the verdict --------------------------------------------------------------------------------------------------

    def lines(self) -> list[tuple[float, int, list[str]]]:
        """Return what the processes wrote down, in the order of time."""
        split = [line.split() for line in (self.folder / "log").read_text().splitlines()]
        return sorted((float(at), int(pid), words) for at, pid, *words in split)

    def wrong(self) -> list[str]:
        """Return every promise that was broken."""
        lines = self.lines()
        self.fired.update(words[0] for _, _, words in lines)
        ends: Counter[str] = Counter()
        with_store = SQLiteStore(self.path, read_only=True)
        for session in SESSIONS:
            for entry in with_store.journal(session):
                ends.update(hook.run for hook in entry.hooks if isinstance(hook, PublishEnd))
        with_store.close()
        acknowledged = [words[2] for _, _, words in lines if words[0] == "ack"]
        found = [f"run {run} ended {ends[run]} times" for run in acknowledged if ends[run] != 1]
        for what in ("tool", "begin"):
            times = Counter(tuple(words) for _, _, words in lines if words[0] == what)
            found += [f"{' '.join(words)}: {count} times" for words, count in times.items() if count > 1]
        return found + self.begun_under_two_leases(lines)

    def begun_under_two_leases(self, lines: list[tuple[float, int, list[str]]]) -> list[str]:
        """Return where code of a session began although another live process held it, which had begun the last one there.

        A process holds what it holds while every heartbeat came before the lease of the one before had run out, be it
        stopped by a signal, by a slow disk or by others on its processor.
        """
        found, last, leases = [], {}, dict[int, tuple[float, float]]()
        for at, pid, words in lines:
            if words[0] in ("lease", "late"):
                since, _ = leases.get(pid, (at, 0.0))
                leases[pid] = at if words[0] == "late" else since, float(words[1])
            if words[0] != "begin":
                continue
            session = words[1]
            begun, before = last.get(session, (at, pid))
            since, until = leases.get(before, (at, at))
            if before != pid and self.is_alive(before, at) and since <= begun and at < until:
                found.append(f"{session}: process {pid} began at {at}, and {before} held it from {begun} to {until}")
            last[session] = at, pid
        return found

    def is_alive(self, pid: int, at: float) -> bool:
        """Say whether a process had not been killed by then."""
        killed_at = self.lives[pid].killed_at
        return killed_at is None or killed_at > at


def pause(seconds: float) -> None:
    """Let the clock on the wall go on: the campaign is about real processes."""
    threading.Event().wait(seconds)


# -- the campaign -----------------------------------------------------------------------------------------------------


WORK = ((3, 4), (8, 7), (2, 600), (8, 600))
"""How many work and for how many seconds, one crowd after another; the first two are the short form."""


class Processes:
    """Let processes work on one file, and kill and stall them."""

    name = "processes"
    claim = "processes on one file, killed and stalled: acknowledged runs end once, nobody begins or executes twice"
    unit = "seconds"
    seeded = True
    short = 11
    long = 1_211
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
        "leases": lambda: mock.patch.object(Crowd, "options", ("--without-leases",)),
    }

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name how many work, and how long: ``workers:seconds:seed``."""
        yield from (f"{workers}:{seconds}:{seed}" for workers, seconds in WORK)

    def trial(self, place: str) -> Trial:
        """Let so many work so long, then look at what was acknowledged."""
        workers, seconds, seed = map(int, place.split(":"))
        trial = Trial(counts=seconds)
        with tempfile.TemporaryDirectory(prefix="lifecycle-") as made:
            crowd = Crowd(Path(made), workers, seed * 10 + workers)
            try:
                crowd.play(seconds)
                trial.violations += crowd.wrong()
            except (LifecycleError, AssertionError, subprocess.TimeoutExpired) as fault:
                trial.violations.append(f"{type(fault).__name__}: {fault}")
            trial.fired += crowd.fired
        return trial
