"""The benchmarks: they measure what they say they measure, whatever it comes to.

What lives here: that each one still runs and names its figures. What must not: a time. The law of this file: what the
engine changes must not be found out by whoever next wants to measure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .profiles import IS_SOAK

ROOT = Path(__file__).resolve().parent.parent
SHORT = ("dispatch", "kernel", "durable", "at-once")
LONG = ("memory", "timers", "check")


@pytest.mark.parametrize("name", [*SHORT, *(LONG if IS_SOAK else ())])
def test_benchmark_measures_each_thing_beside_what_it_says(name: str) -> None:
    """Given one round, then every figure is more than nothing, but for syncs where nobody may trace."""
    words = [sys.executable, "-m", "benchmarks", "--rounds", "1", "--only", name, "--json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert 0 == done.returncode, done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert {name} == {figure["benchmark"] for figure in figures}
    assert [] == [one["what"] for one in figures if not one["value"] > 0 and "no strace" not in one["note"]]
