"""Driving the command: in this process, in another one, and at a terminal.

What lives here: how tests type and read. What must not: what is expected. The law of this file: nothing waits for a
time to pass; everything waits for output or an end, and gives up at a deadline.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import attrs

import lifecycle

from .preloaded import PRELOADED, Started

DEADLINE_SECONDS = 60.0

AGENTS = Path(__file__).with_name("agents.py")

COMMAND = (sys.executable, "-m", "lifecycle.cli")


@attrs.frozen
class Said:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return the records of a command with --json."""
        return [json.loads(line) for line in self.out.splitlines()]


def agent(name: str) -> str:
    """Return the target of one of the agents."""
    return f"{AGENTS}:{name}"


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a command: this interpreter's package, no colours asked for or forbidden."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIFECYCLE", "NO_COLOR"))}
    for name in ("EDITOR", "VISUAL"):
        kept.pop(name, None)
    place = str(Path(lifecycle.__file__).parent.parent)
    return {**kept, "PYTHONPATH": place, "TERM": "xterm", **more}


def said(*words: str, given: bytes = b"", env: Mapping[str, str] | None = None, **options: Any) -> Said:
    """Run the command without a terminal and return what it left."""
    with TemporaryFile() as reads, TemporaryFile() as out, TemporaryFile() as err:
        reads.write(given)
        reads.seek(0)
        code = started((reads.fileno(), out.fileno(), err.fileno()), *words, env=env, **options).wait(DEADLINE_SECONDS)
        out.seek(0)
        err.seek(0)
        return Said(code, out.read().decode(), err.read().decode())


def started(
    streams: tuple[int, int, int], *words: str, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[bytes] | Started:
    """Start the command on three open files: as the shell does if something is asked of the process, else quicker."""
    asked = set(options) - {"cwd"} or any(isinstance(word, bytes) for word in words)
    if asked or any(name.startswith("PYTHON") for name in env or ()):
        reads, out, err = streams
        command = [*COMMAND, *words]
        return subprocess.Popen(command, stdin=reads, stdout=out, stderr=err, env=environment(**(env or {})), **options)
    return PRELOADED.start(streams, words, environment(**(env or {})), options.get("cwd", Path.cwd()))


class Driven:
    """A command that is running, read until it writes something and sent what is wanted."""

    def __init__(self, process: subprocess.Popen[bytes] | Started, reads: int, writes: int | None = None) -> None:
        self.process = process
        self.reads = reads
        self.writes = writes
        self.text = ""
        self._seen = 0
        self._until = time.monotonic() + DEADLINE_SECONDS

    def __enter__(self) -> Driven:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.reads)

    def until(self, wanted: str) -> str:
        """Read until the wanted text comes, after what was wanted before; return what came until then."""
        while (place := self.text.find(wanted, self._seen)) < 0:
            if not self._read():
                raise AssertionError(f"{wanted!r} did not come; there was {self.text!r}")
        start, self._seen = self._seen, place + len(wanted)
        return self.text[start : self._seen]

    def _read(self) -> bool:
        """Read some more; false at the end."""
        ready, _, _ = select.select([self.reads], [], [], max(0.0, self._until - time.monotonic()))
        if not ready:
            raise AssertionError(f"nothing came any more; there was {self.text!r}")
        try:
            some = os.read(self.reads, 65_536)
        except OSError:  # a terminal whose last process has gone
            return False
        self.text += some.decode(errors="replace").replace("\r\n", "\n")
        return bool(some)

    def type(self, text: str) -> None:
        """Type at the terminal."""
        assert self.writes is not None
        os.write(self.writes, text.encode())

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self.process.wait(max(0.0, self._until - time.monotonic()))

    @property
    def plain(self) -> str:
        """Return what was written, without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.text)


def piped(*words: str, env: Mapping[str, str] | None = None, **options: Any) -> Driven:
    """Start the command without a terminal, stdout and stderr in one pipe."""
    reads, writes = os.pipe()
    with open(os.devnull, "rb") as nothing, open(writes, "wb") as said_there:
        process = started((nothing.fileno(), said_there.fileno(), said_there.fileno()), *words, env=env, **options)
    return Driven(process, reads)


def at_a_terminal(*words: str, env: Mapping[str, str] | None = None) -> Driven:
    """Start the command at a terminal of its own, which Ctrl-C and Ctrl-D reach as they would a human's."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *words],
        preexec_fn=lambda: os.login_tty(theirs),
        env=environment(**(env or {})),
    )
    os.close(theirs)
    return Driven(process, ours, ours)
