"""Starting the command a hundred times: each time a process of its own, forked from one that has imported it.

What lives here: the process that has imported the command, and how it is asked for another one. What must not: what is
typed and read. The law of this file: a command started here has its own arguments, environment, folder, streams, exit
code and coverage, as one that the shell starts has; only the import is shared.

Importing takes most of a second and a command a few milliseconds. What is about being started (``python -m``, the
script, a terminal, limits of the process) is tested by processes that are really started.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

STREAMS = 3
"""Each command gets its stdin, stdout and stderr."""

HEADER_BYTES = 8
"""Before each request comes its length, and with that come the open files."""


class Started:
    """A command that was started here: as much of ``subprocess.Popen`` as its driver needs."""

    def __init__(self, pid: int, ends: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ends = ends

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once there is one; a signal's number, negative, if that ended it."""
        if self.returncode is None:
            self._ends.settimeout(timeout)
            try:
                self.returncode = int(self._ends.recv(16))
            except TimeoutError:
                raise subprocess.TimeoutExpired("lifecycle", timeout or 0.0) from None
            self._ends.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit code if there is one."""
        try:
            return self.wait(0.0)
        except (subprocess.TimeoutExpired, BlockingIOError):
            return None

    def send_signal(self, number: int) -> None:
        """Send a signal to a command that has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Preloaded:
    """The process that has imported the command, started when the first command is."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asks: socket.socket | None = None

    def start(
        self, streams: Sequence[int], words: Sequence[str], env: Mapping[str, str], cwd: str | os.PathLike[str]
    ) -> Started:
        """Start a command on three open files."""
        asks = self._asks or self._import(env)
        ours, theirs = socket.socketpair()
        wanted = json.dumps({"words": words, "env": dict(env), "cwd": os.fspath(cwd)}).encode()
        with theirs:
            socket.send_fds(asks, [len(wanted).to_bytes(HEADER_BYTES)], [*streams, theirs.fileno()])
            asks.sendall(wanted)
            return Started(int(ours.recv(16)), ours)

    def _import(self, env: Mapping[str, str]) -> socket.socket:
        self._asks, theirs = socket.socketpair()
        words = [sys.executable, __file__, str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(words, pass_fds=[theirs.fileno()], env=env)
        return self._asks

    def close(self) -> None:
        """Let the process end, and wait until it has."""
        if self._asks is not None and self._process is not None:
            self._asks.close()
            self._process.wait()
        self._asks = self._process = None


PRELOADED = Preloaded()


# -- the process that has imported the command ------------------------------------------------------------------------


def serve(asks: socket.socket) -> None:
    """Fork a command for each request, and tell how each of them ended, until nobody asks any more."""
    ends: dict[int, socket.socket] = {}
    wakes, wake = socket.socketpair()
    for one in (wakes, wake):
        one.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake.fileno())
    with selectors.DefaultSelector() as either:
        either.register(asks, selectors.EVENT_READ)
        either.register(wakes, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in either.select()}
            if wakes in ready:
                wakes.recv(4096)
                reap(ends)
            if asks in ready:
                header, files, _, _ = socket.recv_fds(asks, HEADER_BYTES, STREAMS + 1)
                if not header:
                    return
                wanted = json.loads(asks.recv(int.from_bytes(header), socket.MSG_WAITALL))
                told = socket.socket(fileno=files.pop())
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for one in (asks, wakes, wake, either, told, *ends.values()):
                        one.close()
                    be_the_command(files, **wanted)
                ends[pid] = told
                told.send(b"%d" % pid)
                for file in files:
                    os.close(file)


def reap(ends: dict[int, socket.socket]) -> None:
    """Tell the exit code of every command that has ended."""
    while ends:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with ends.pop(pid) as told, contextlib.suppress(BrokenPipeError):  # nobody may wait for it
            told.send(b"%d" % os.waitstatus_to_exitcode(status))


def be_the_command(files: list[int], words: list[str], env: dict[str, str], cwd: str) -> None:
    """Be a new process of the command, as far as it can tell."""
    for number, file in enumerate(files[:STREAMS]):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    sys.stdin, sys.stdout = (
        io.TextIOWrapper(io.BufferedReader(io.FileIO(0))),
        io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w"))),
    )
    errors = io.BufferedWriter(io.FileIO(2, "w"))
    sys.stderr = io.TextIOWrapper(errors, errors="backslashreplace", line_buffering=True)
    sys.argv = ["lifecycle", *words]
    from lifecycle.cli import main

    sys.exit(main())


if __name__ == "__main__":
    del sys.path[0]  # the folder of the tests, where no command is started
    sys.path.insert(0, "")
    import lifecycle.check
    import lifecycle.cli.command
    import lifecycle.cli.kinds  # noqa: F401

    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
