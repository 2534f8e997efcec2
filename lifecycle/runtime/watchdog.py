"""The watchdog: names the run whose code blocks the event loop.

What lives here: a thread that looks whether the loop still turns. What must not: doing anything about it; nothing can
stop code that never yields. The law of this file: a stall is said once, with the run and the line it stands in.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

log = logging.getLogger("lifecycle")


class Watchdog:
    """Watch an event loop from a thread while there is code at work on it.

    ``stalled(task name, place, seconds)`` is called from that thread, once for each stall.
    """

    def __init__(self, seconds: float, stalled: Callable[[str, str, float], None] | None = None) -> None:
        self._seconds = seconds
        self._stalled = stalled or warn
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._turned = 0.0
        self._at_work = 0
        self._asleep = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._over = False

    def work_began(self) -> None:
        """Watch: code is at work on the loop. Called for every run, so it wakes the thread only if it sleeps."""
        self._at_work += 1
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="lifecycle watchdog", daemon=True)
            self._thread.start()
        elif self._asleep:
            self._wake.set()

    def work_ended(self) -> None:
        """Watch no longer, if that was the last."""
        self._at_work -= 1

    def stop(self) -> None:
        """Let the thread end."""
        self._over = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        """Be the thread: ask the loop for a turn, look later whether there was one; sleep with nobody at work."""
        said_at = -1.0
        while not self._over:
            asked_at = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(self._turn)
            except RuntimeError:
                return
            self._wake.wait(self._seconds)
            self._wake.clear()
            waited = time.monotonic() - asked_at
            stalled = self._turned < asked_at and waited >= self._seconds
            if stalled and said_at != self._turned and not self._over:
                said_at = self._turned
                self._stalled(*self._culprit(), waited)
            self._sleep_while_idle()

    def _sleep_while_idle(self) -> None:
        """Wait until there is work; ``_asleep`` is set before the look, so that no beginning is missed."""
        self._asleep = True
        while self._at_work <= 0 and not self._over:
            self._wake.wait()
            self._wake.clear()
        self._asleep = False

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def _culprit(self) -> tuple[str, str]:
        """Return the name of the task that the loop is in, and the line it stands in."""
        task = asyncio.current_task(self._loop)
        frame = sys._current_frames().get(self._loop_thread)
        stack = traceback.extract_stack(frame) if frame is not None else []
        place = f"{stack[-1].filename}:{stack[-1].lineno}" if stack else "an unknown place"
        return ("a callback" if task is None else task.get_name()), place


def warn(name: str, place: str, seconds: float) -> None:
    """Say it in the log."""
    log.warning(
        "%s: has kept the event loop for %.1f s at %s; let it await, or make it a plain function", name, seconds, place
    )
