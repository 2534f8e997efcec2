"""Every campaign finds nothing, and finds something as soon as a protection is taken away.

What lives here: the short form of each campaign, as the command runs it. What must not: a fault. The law of this file: a
campaign whose control fails to find anything is worth nothing, so controls are run as often as campaigns.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lifecycle.hooks import HOOKS
from lifecycle.kernel.inputs import INPUTS

from ..profiles import IS_SOAK
from .campaigns import CAMPAIGNS
from .golden import entries_of, golden_files, of_this_version
from .recording import code_of

ROOT = Path(__file__).resolve().parents[2]
NEEDS_MEDIUM = ("R1", "R2", "R4")
"""Campaigns that stand in front of SQLite's file layer."""


MUST_FIRE = {"processes": {"kills": 3, "ack": 10, "tool": 3}}
"""Where chance decides what fires: how often at least, or nothing was tried."""


def campaign(name: str, *options: str) -> dict[str, Any]:
    """Run a campaign as people do; return its figures."""
    program = [sys.executable, "-m", "tests.reliability", name, "--json", *options]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout, done.stderr
    (figures,) = json.loads(done.stdout)
    assert isinstance(figures, dict)
    return {**figures, "code": done.returncode}


def marked(*given: str) -> Any:
    """Say of a campaign what it needs of this machine."""
    return pytest.param(*given, marks=[pytest.mark.needs("sqlite3_vfs_find")] if given[0] in NEEDS_MEDIUM else [])


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", [marked(name) for name in CAMPAIGNS])
def test_campaign_finds_nothing(name: str) -> None:
    """Given every fault of its kind, then nothing is lost, invented, half done or left over; and faults really fired."""
    found = campaign(name, *(["--long"] if IS_SOAK else []))
    assert ([], 0) == (found["violations"], found["code"])
    assert 0 < found["covered"] and sum(found["fired"].values())
    assert all(found["fired"][kind] > least for kind, least in MUST_FIRE.get(name, {}).items())


CONTROLS = [(name, control) for name, one in CAMPAIGNS.items() for control in one.controls]


@pytest.mark.unmeasured
@pytest.mark.parametrize(("name", "control"), [marked(*pair) for pair in CONTROLS], ids=map(" without ".join, CONTROLS))
def test_campaign_finds_what_its_protection_keeps_away(name: str, control: str) -> None:
    """Given one protection less, then the same campaign soon finds a violation and says where; with it, there is none."""
    found = campaign(name, "--without", control, "--first")
    assert (1, 0) == (found["violated"], found["code"]), found
    ((place, what),) = found["violations"]
    assert what
    if name in NEEDS_MEDIUM or place != next(CAMPAIGNS[name].places(1)):  # else the short form begins with it
        assert 0 == campaign(name, "--at", place)["violated"]


@pytest.mark.unmeasured
@pytest.mark.needs("sqlite3_vfs_find")
@pytest.mark.needs("strace")
def test_failing_system_calls_are_met(tmp_path: Path) -> None:
    """Given a system call that fails, as strace makes it, then the store refuses, and keeps again when it does not."""
    for place in ("real:pwrite64:ENOSPC:23", "real:fdatasync:EIO:5"):
        found = campaign("R4", "--at", place)
        assert ([], 0) == (found["violations"], found["code"])
        assert found["fired"], "strace may not trace here, or the call is never made"


def test_golden_journals_show_everything() -> None:
    """There is a golden file of this version, and together they show every kind of input and of hook."""
    assert of_this_version() in golden_files()
    entries = [entry for path in golden_files() for entry in entries_of(path)]
    assert set(INPUTS) == {type(entry.input).__name__ for entry in entries}
    assert set(HOOKS) == {type(hook).__name__ for entry in entries for hook in entry.hooks}


def test_definition_of_a_campaign_is_its_code() -> None:
    """Neither a comment nor a docstring nor a space makes a campaign another; a number does."""
    told = 'LONG = 5\n"""How long."""\n\n\ndef one():\n    """Return one."""\n    return  1  # of many\n'
    assert "LONG=5defone():return1" == code_of(told)
    assert code_of(told) != code_of(told.replace("5", "6"))
