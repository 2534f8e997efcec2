"""The writer: steps of many sessions gathered into one transaction.

What lives here: group commit. What must not: what a step means. The law of this file: steps are committed in the order
in which they were staged, and nobody hears of one before its commit has returned.

One thread commits whatever has gathered while it was busy. A step that is alone, on a disk that has lately been quick,
is committed at once on the event loop instead: handing one step to a thread and back costs as much as its commit.
Where another program has the store locked, it is the thread that waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lifecycle.errors import StoreError
from lifecycle.runtime.border import RAISED
from lifecycle.store.port import Commit, Store

Verdicts = Sequence[StoreError | None]
Done = Callable[[StoreError | None], None]
T = TypeVar("T")

log = logging.getLogger("lifecycle")

LOCKED_SECONDS_MAX = 5.0
"""How long the thread waits for another program that has the store locked, before the group is told."""

LOOK_SECONDS_MIN, LOOK_SECONDS_MAX = 0.001, 0.02
"""How soon it looks whether the lock is gone, and how often in the end.

SQLite's lock has no queue that one could wait in, only another try. Mostly it is held for one commit of another worker,
so the first looks come quickly, and each after twice the time; by polling here and not inside SQLite a shutdown can end it.
"""

STALL_SECONDS_MAX = 0.1
"""What a commit can count for at most when the next one is expected."""

SMOOTHING = 0.2
"""How much the latest commit weighs in what is expected of the next."""


class Writer:
    """Commit to a store, grouped; every call and every ``done`` is on the event loop's thread."""

    def __init__(self, store: Store, in_place_seconds_max: float) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._in_place_seconds_max = in_place_seconds_max
        self._staged: list[tuple[Commit, Done]] = []
        self._flushing = False
        self._writing = 0
        self._expected_seconds = 0.0
        self._handed: queue.SimpleQueue[list[tuple[Commit, Done]] | Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._hurried = threading.Event()
        self.commits = 0
        self.groups = 0

    @property
    def busy(self) -> bool:
        """Say whether anything is not yet durable."""
        return bool(self._staged) or self._writing > 0

    def stage(self, commit: Commit, done: Done) -> None:
        """Commit this with whatever else is staged in this turn of the event loop."""
        self._staged.append((commit, done))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._writing or not self._staged:
            return
        group, self._staged = self._staged, []
        if len(group) == 1 and self._expected_seconds < self._in_place_seconds_max:
            verdicts, seconds = self._commit(group)
            if seconds >= self._in_place_seconds_max:  # the loop stood still: the next one is the thread's
                self._expected_seconds = max(self._expected_seconds, self._in_place_seconds_max)
            if not is_locked(verdicts):
                self._finish(group, verdicts, seconds)
                return
        self._hand(group)

    def chore(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Let the thread do other work on the store between two groups; ``work`` raises nothing."""
        self._hand(lambda: self._call_back(self._chore_done, done, work()))

    def _hand(self, what: list[tuple[Commit, Done]] | Callable[[], object]) -> None:
        """Give the thread something to do; it does one thing after another."""
        self._writing += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="lifecycle writer", daemon=True)
            self._thread.start()
        self._handed.put(what)

    def _commit(self, group: list[tuple[Commit, Done]]) -> tuple[Verdicts, float]:
        """Commit a group; a failure of the whole is the verdict on each."""
        began = time.perf_counter()
        verdicts: Verdicts
        try:
            verdicts = self._store.commit([commit for commit, _ in group])
        except StoreError as error:
            verdicts = [error] * len(group)
        except Exception as error:  # a bug of a store must not lose its senders
            fact = f"failed in an unforeseen way ({type(error).__name__}: {error})"
            verdicts = [StoreError(f"store {self._store.name}", fact, "report it; nothing was acknowledged")] * len(
                group
            )
        return verdicts, time.perf_counter() - began

    def _finish(self, group: list[tuple[Commit, Done]], verdicts: Verdicts, seconds: float) -> None:
        told = min(seconds, STALL_SECONDS_MAX)  # one stall must not send everything after it to the thread
        self._expected_seconds += SMOOTHING * (told - self._expected_seconds)
        self.commits += len(group)
        self.groups += 1
        leaving: BaseException | None = None
        for (_, done), verdict in zip(group, verdicts, strict=True):
            try:
                done(verdict)
            except RAISED:  # one step's trouble must not keep the others of its group waiting
                log.exception("a committed step could not be performed")
            except BaseException as fault:  # nor may the wish to leave: they are told first
                leaving = fault
        if leaving is not None:
            raise leaving

    def _write(self) -> None:
        """Be the thread: commit what is handed over, tell the loop."""
        while True:
            group = self._handed.get()
            if group is None:
                return
            if callable(group):
                group()
                continue
            verdicts, seconds = self._commit(group)
            until = time.monotonic() + LOCKED_SECONDS_MAX
            pause = LOOK_SECONDS_MIN
            while is_locked(verdicts) and time.monotonic() < until and not self._hurried.wait(pause):
                verdicts, seconds = self._commit(group)
                pause = min(2 * pause, LOOK_SECONDS_MAX)
            self._call_back(self._written, group, verdicts, seconds)

    def _call_back(self, told: Callable[..., None], *what: Any) -> None:
        """Tell the loop what the thread has done; where it is closed nobody is left to tell."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(told, *what)

    def _written(self, group: list[tuple[Commit, Done]], verdicts: Verdicts, seconds: float) -> None:
        self._writing -= 1
        self._finish(group, verdicts, seconds)
        self._go_on()

    def _chore_done(self, done: Callable[[T], None], result: T) -> None:
        self._writing -= 1
        done(result)
        self._go_on()

    def _go_on(self) -> None:
        """Commit what has gathered meanwhile."""
        if self._staged and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def wait_no_longer(self) -> None:
        """Tell the thread not to wait for a lock any more: what is not kept at once is told to be so."""
        self._hurried.set()

    def close(self) -> None:
        """Let the thread end, and keep nothing more: whoever is still waiting for that is told."""
        self.wait_no_longer()
        if self._thread is not None:
            self._handed.put(None)
            self._thread.join()
            self._thread = None
        late, self._staged = self._staged, []
        gone = StoreError(f"store {self._store.name}", "the runtime was shut down before it kept this", "start another")
        for _, done in late:
            done(gone)


def is_locked(verdicts: Verdicts) -> bool:
    """Say whether a group was not kept only because another program has the store locked."""
    first = verdicts[0] if verdicts else None
    return first is not None and all(told is not None and bool(told.fields.get("locked")) for told in verdicts)
