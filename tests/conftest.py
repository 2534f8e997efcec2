"""What all tests share: how they are generated, and what is said of those that could not be made.

What lives here: the choice of a profile, the markers ``needs`` and ``unmeasured``. What must not: fixtures of one
subject. The law of this file: a check that was left out is told loudly, with the program it would have needed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import coverage
import pytest

from .profiles import register
from .reliability.medium import is_there

register()

MEASURED = "COVERAGE_PROCESS_CONFIG"
"""What makes the coverage of child processes measured, where it is measured at all."""

SEARCHING = ("tests/check/", "tests/testing/", "tests/cli/test_check")
"""Tests that search: they call the kernel a million times, and traced they would take ten times as long."""

NOT_CHECKED = pytest.StashKey[dict[str, int]]()

TOGETHER = (
    "tests/check/test_mutants.py",
    "tests/check/test_regression.py",
    "tests/draw/test_others.py",
    "tests/test_house.py",
)
"""Files whose tests share what takes long to make: one worker makes it, once."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a program that is not installed, and remember it; keep together what shares its making."""
    absent = config.stash.setdefault(NOT_CHECKED, {})
    for item in items:
        if item.nodeid.startswith(TOGETHER):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        for program in (mark.args[0] for mark in item.iter_markers("needs")):
            if not is_installed(program):
                item.add_marker(pytest.mark.skip(reason=f"needs {program}"))
                absent[program] = absent.get(program, 0) + 1


def is_installed(program: str) -> bool:
    """Say whether something of the system is there: a program, or that function of the SQLite this Python uses."""
    return is_there() if program == "sqlite3_vfs_find" else shutil.which(program) is not None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker tell what it left out."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["not checked"] = session.config.stash.get(NOT_CHECKED, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take from a worker what it left out; each has seen all tests, so any of them says the same."""
    node.config.stash.setdefault(NOT_CHECKED, {}).update(getattr(node, "workeroutput", {}).get("not checked", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name every program for want of which something was not checked."""
    for program, tests in sorted(config.stash.get(NOT_CHECKED, {}).items()):
        terminalreporter.write_line(
            f"NOT CHECKED: {tests} test(s) need {program}; install the system package that has it", red=True, bold=True
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Trace no search, neither here nor in a child process; what is searched has tests of its own that are."""
    running = coverage.Coverage.current()
    if running is None or not item.nodeid.startswith(SEARCHING):
        return (yield)
    measured = os.environ.pop(MEASURED, None)
    running.stop()
    try:
        return (yield)
    finally:
        running.start()
        if measured is not None:
            os.environ[MEASURED] = measured


@pytest.fixture(autouse=True)
def unmeasured(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the child processes of a test alone that would not survive being measured, such as on a full disk."""
    if request.node.get_closest_marker("unmeasured") is not None:
        monkeypatch.delenv(MEASURED, raising=False)
