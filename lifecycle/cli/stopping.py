"""Stopping: what Ctrl-C and the signals of the system mean, and how the process ends whatever the agent's code does.

What lives here: signal handlers and the event loop they wake. What must not: what is done about it. The law of this
file: the first Ctrl-C asks, the second leaves at once, also when code on the loop never yields.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, NoReturn

ABORT, LEAVE = "abort", "leave"

LEFT_AT_ONCE = 130
"""The exit code of a process that a second Ctrl-C ended."""

LEFTOVER_SECONDS_MAX = 1.0
"""How long tasks and threads that the agent left behind may take to end before the process goes without them."""


class Stopping:
    """Say that somebody wants this process to stop: ``how`` is ``abort`` (Ctrl-C) or ``leave`` (the system)."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.how: str | None = None
        self.asked = asyncio.Event()
        self._loop = loop

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals over, and give them back."""
        chosen = {signal.SIGINT: self._interrupt, signal.SIGTERM: self._leave, signal.SIGHUP: self._leave}
        before = {number: signal.signal(number, taken) for number, taken in chosen.items()}
        try:
            yield
        finally:
            for number, taken in before.items():
                signal.signal(number, taken)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.how is not None:
            os._exit(LEFT_AT_ONCE)
        self._ask(ABORT, b"\nstopping; Ctrl-C again leaves at once\n")

    def _leave(self, number: int, frame: FrameType | None) -> None:
        if self.how is None:
            self._ask(LEAVE, b"\nshutting down; SIGTERM again leaves at once\n")
        elif number == signal.SIGTERM:  # a second request; a terminal that goes away may send two kinds at once
            os._exit(LEFT_AT_ONCE)

    def _ask(self, how: str, message: bytes) -> None:
        self.how = how
        self._loop.call_soon_threadsafe(self.asked.set)
        with contextlib.suppress(OSError):  # the terminal may have gone
            os.write(2, message)


def in_loop(work: Callable[[Stopping], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine in a loop of its own and return the exit code; never wait long for what the agent left behind."""
    loop = asyncio.new_event_loop()
    stopping = Stopping(loop)
    with stopping.listening():
        code = loop.run_until_complete(work(stopping))
        unfinished = asyncio.all_tasks(loop)
        for left in unfinished:
            left.cancel()
        if unfinished:
            _, unfinished = loop.run_until_complete(asyncio.wait(unfinished, timeout=LEFTOVER_SECONDS_MAX))
        if unfinished:
            leave(code)
        loop.close()
        until = time.monotonic() + LEFTOVER_SECONDS_MAX
        for thread in threads_left():
            thread.join(max(0.0, until - time.monotonic()))
        if threads_left():
            leave(code)
    return code


def threads_left() -> list[threading.Thread]:
    """Return the threads that an interpreter waits for at its end."""
    return [one for one in threading.enumerate() if one is not threading.main_thread() and not one.daemon]


def leave(code: int) -> NoReturn:
    """End the process without waiting for anything but its own output."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
