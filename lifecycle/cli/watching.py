"""Watching: how far a long check is, and what Ctrl-C means to it.

What lives here: the line that says what is being done, and the signal. What must not: what is done. The law of this
file: only a terminal sees a line that changes; the first Ctrl-C asks for what is known by then, the second leaves.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from rich.console import Console
from rich.status import Status

from lifecycle.check.found import Explored
from lifecycle.cli.stopping import LEFT_AT_ONCE
from lifecycle.cli.writing import Output, has_colours, on_one_line


class Watching:
    """Say what is being done, and whether somebody wants it to stop."""

    def __init__(self, status: Status | None) -> None:
        self.interrupted = False
        self._status = status

    def say(self, doing: str) -> None:
        """Say what is being done now."""
        if self._status is not None:
            self._status.update(on_one_line(doing))

    def states(self, configuration: str, found: Explored) -> bool:
        """Say how many states were found; return whether to stop."""
        self.say(f"{configuration}: {found.states:,} states, {found.transitions:,} transitions")
        return self.interrupted

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ask for an end; at once if that was asked for before."""
        if self.interrupted:
            os._exit(LEFT_AT_ONCE)
        self.interrupted = True
        with contextlib.suppress(OSError):
            os.write(2, b"\nstopping with what is known so far; Ctrl-C again leaves at once\n")


@contextlib.contextmanager
def watching(output: Output) -> Iterator[Watching]:
    """Watch a check: show how far it is if there is a terminal, and take Ctrl-C over."""
    shown = None
    if output.err.isatty():
        console = Console(file=output.err, no_color=not has_colours(output.err), highlight=False)
        shown = console.status("", spinner="line")
    watch = Watching(shown)
    before = signal.signal(signal.SIGINT, watch.interrupt)
    try:
        with contextlib.nullcontext() if shown is None else shown:
            yield watch
    finally:
        signal.signal(signal.SIGINT, before)
