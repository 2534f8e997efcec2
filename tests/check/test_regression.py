"""A counterexample becomes a file of tests: green on the shipped kernel, red on the kernel with the bug."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lifecycle
from lifecycle.check import SEEDS
from lifecycle.check.regression import file_of_tests

from .stories import example_of, story_of

NAMES = ["one-shot-orphan-timer", "detach-ignored", "run.running.ask: no ask to session"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the counterexamples of some mutants into one file."""
    path = tmp_path_factory.mktemp("written") / "test_counterexamples.py"
    path.write_text(file_of_tests(path.name, [(example_of(name), story_of(name)) for name in NAMES]), "utf-8")
    yield path


def ran(path: Path, mutant: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a file of tests as anybody would."""
    place = str(Path(lifecycle.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": place} | ({} if mutant is None else {"LIFECYCLE_MUTANT": mutant})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path.name]
    return subprocess.run(command, cwd=path.parent, env=environment, capture_output=True, text=True, timeout=120)


def test_written_file_is_green_on_the_shipped_kernel(written: Path) -> None:
    """Given the file, when it is run, then it passes: the shipped kernel does none of it."""
    done = ran(written)
    assert (0, True) == (done.returncode, "6 passed" in done.stdout), done.stdout


@pytest.mark.parametrize(
    ("mutant", "failed", "passed"), [(NAMES[0], 2, 4), (NAMES[1], 1, 5), (NAMES[2], 2, 4)], ids=NAMES
)
def test_written_file_is_red_under_the_bug(written: Path, mutant: str, failed: int, passed: int) -> None:
    """Given the file, when it is run on the kernel with the bug, then exactly that bug is red."""
    done = ran(written, mutant)
    assert (1, True) == (done.returncode, f"{failed} failed, {passed} passed" in done.stdout), done.stdout


def test_written_file_tells_the_story(written: Path) -> None:
    """Given the file, then whoever opens it reads what happened, and how to see it fail."""
    source = written.read_text("utf-8")
    assert "    LIFECYCLE_MUTANT=one-shot-orphan-timer python -m pytest test_counterexamples.py" in source
    assert "   2. the orphan timer fires\n        orphan timer is over\n" in source
    assert '            "the orphan timer fires",\n' in source


@pytest.mark.parametrize("name", [seed.name for seed in SEEDS])
def test_written_file_is_python(name: str) -> None:
    """Given each seed bug, then what is written compiles."""
    compile(file_of_tests("t.py", [(example_of(name), story_of(name))]), "t.py", "exec")
