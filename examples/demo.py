"""Run the tidying agent on a prepared folder, through the real command, in a folder that is gone afterwards.

On a terminal you are asked before anything is deleted. Without one, the run parks: its process ends, and the command
that it printed, run as it stands, answers the question and carries the run on in another process.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prepare import OVERSIZED_BYTES, prepare

TIDY = Path(__file__).resolve().with_name("tidy.py")

DONE, ENDED_OTHERWISE, WAITING, LEFT_AT_ONCE = 0, 1, 3, 130
"""Exit codes of the command: 3 says that the run waits for a human, 130 that a second Ctrl-C came."""


def main() -> int:
    """Prepare, run, answer if nobody could be asked, show what the store has of it, and leave nothing behind.

    What a human leaves for later is kept, and where it is, is said. Ctrl-C at the question stops the run, and a second one
    leaves the demonstration.
    """
    place = Path(tempfile.mkdtemp(prefix="lifecycle-demo-"))
    asked = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        code = demonstrate(place)
    except KeyboardInterrupt:
        print("\nLeft at once; nothing is kept.")
        code = LEFT_AT_ONCE
    if asked and code == WAITING:
        print(
            f"\nKept for your answer: {place}\nThe command is {shlex.join(command())}, delete the folder when you are done."
        )
    else:
        shutil.rmtree(place)
    return DONE if asked and code in (ENDED_OTHERWISE, WAITING) else code  # a no, or a later, is a good end of a demo


def demonstrate(place: Path) -> int:
    """Run it all in a folder; return how the run was left."""
    folder, store = prepare(place / "downloads"), str(place / "runs.db")
    given = json.dumps({"folder": str(folder), "oversized_bytes": OVERSIZED_BYTES})
    options = ["--session", "downloads", "--store", store]
    code, told = lifecycle("run", f"{TIDY}:tidy", given, "--json-input", *options)
    if code == WAITING and told:
        line = next(line for line in told if line.endswith(" approve"))
        code, _ = lifecycle(*shlex.split(line)[1:])
    lifecycle("show", "downloads", "--store", store)
    lifecycle("history", "downloads", "--store", store)
    return code


def lifecycle(*words: str) -> tuple[int, Sequence[str]]:
    """Run the command; return its exit code and the lines of its stdout.

    On a terminal it writes there itself, questions and frames in their order, and no line is returned.
    """
    print(f"\n$ {shlex.join(['lifecycle', *words])}", flush=True)
    if sys.stdin.isatty() and sys.stdout.isatty():
        with subprocess.Popen([*command(), *words]) as running:
            return ended(running), ()
    told = []
    with subprocess.Popen([*command(), *words], stdout=subprocess.PIPE, text=True, encoding="utf-8") as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            told.append(line.strip())
        return ended(running), told


def ended(running: subprocess.Popen[Any]) -> int:
    """Return the exit code of a command, which is told of Ctrl-C as well, and says itself what it makes of it."""
    while True:
        try:
            code = running.wait()
        except KeyboardInterrupt:
            continue
        if code == LEFT_AT_ONCE:
            raise KeyboardInterrupt
        return code


def command() -> Sequence[str]:
    """Return what ``lifecycle`` stands for: the script installed with this Python, or its module."""
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
    script = shutil.which("lifecycle", path=path)
    return [script] if script else [sys.executable, "-m", "lifecycle.cli"]


if __name__ == "__main__":
    sys.exit(main())
