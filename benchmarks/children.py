"""Children: what has to be measured in a process of its own.

What lives here: starting this very package again, its syncs counted or its answer read. What must not: what a child
does. The law of this file: a child that fails is an error, never a figure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
"""A child finds the very modules that its parent has found."""


def command(*words: str) -> list[str]:
    """Return the command line of a child."""
    return [sys.executable, "-m", "benchmarks", "--child", *words]


def answer_of(*words: str) -> float:
    """Run a child and return the number it prints."""
    told = subprocess.run(command(*words), check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    return float(told.stdout)


def syncs_of(*words: str) -> int | None:
    """Run a child under strace and return how often it synced; none where that cannot be counted."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder, "summary")
        traced = [strace, "-f", "-c", "-e", "trace=fsync,fdatasync", "-o", str(summary), *command(*words)]
        told = subprocess.run(traced, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        text = summary.read_text() if summary.exists() else ""
        if told.returncode:
            if "ptrace" in told.stderr or "Operation not permitted" in told.stderr:
                return None
            raise RuntimeError(f"the traced process failed: {told.stderr.strip()}")
    return sum(int(line.split()[3]) for line in text.splitlines() if re.search(r"\bf(data)?sync\b", line))
