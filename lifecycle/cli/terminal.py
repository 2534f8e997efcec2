"""The terminal: lines that a human types, read without blocking the loop.

What lives here: reading standard input of a terminal. What must not: what is asked. The law of this file: nothing is
left behind: no thread, no reader, no line typed before it was asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios


def present() -> bool:
    """Say whether a human can be asked: the keyboard is on stdin, and stderr, where questions go, is seen."""
    try:
        return os.isatty(0) and sys.stderr.isatty()
    except ValueError:
        return False


class Terminal:
    """The lines typed at the terminal on ``descriptor``."""

    def __init__(self, descriptor: int = 0) -> None:
        self.descriptor = descriptor
        self.typed = b""

    def forget(self) -> None:
        """Drop what was typed ahead: nobody approves what was not shown yet."""
        self.typed = b""
        with contextlib.suppress(termios.error):
            termios.tcflush(self.descriptor, termios.TCIFLUSH)

    async def line(self) -> str | None:
        """Wait for a line and return it without its end; none at the end of input, when the human wants to leave."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()

        def read() -> None:
            try:
                some = os.read(self.descriptor, 65_536)
            except OSError:
                some = b""
            self.typed += some
            if not arrived.done() and (not some or b"\n" in self.typed):
                arrived.set_result(None)

        if b"\n" not in self.typed:
            loop.add_reader(self.descriptor, read)
            try:
                await arrived
            finally:
                loop.remove_reader(self.descriptor)
        line, found, self.typed = self.typed.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r") if found else None
