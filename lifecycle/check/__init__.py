"""The checker: every reachable state of the real kernel, its rules proved within named bounds.

``check()`` explores configurations and judges every property; ``kill(mutant)`` shows that a rule's absence is found.
``check_machine(machine)`` does for a machine of your own what ``check()`` does for the kernel.
"""

from __future__ import annotations

from lifecycle.check.configuration import CONFIGURATIONS, LARGE, SMALL, AskPlan, Configuration, RunPlan, configuration
from lifecycle.check.findings import Found, MachineReport, Move, Trace
from lifecycle.check.machines import check_machine
from lifecycle.check.mutants import BY_HAND, EQUIVALENT, SEEDS, Mutant, every_mutant, mutant
from lifecycle.check.properties import Checked, Event, Invariant, LeadsTo
from lifecycle.check.replay import Life, Lived, replay
from lifecycle.check.verdict import (
    PROVED,
    REFUTED,
    UNDETERMINED,
    Counterexample,
    Killed,
    Report,
    Size,
    Verdict,
    check,
    kill,
)

__all__ = [
    "BY_HAND",
    "CONFIGURATIONS",
    "EQUIVALENT",
    "LARGE",
    "PROVED",
    "REFUTED",
    "SEEDS",
    "SMALL",
    "UNDETERMINED",
    "AskPlan",
    "Checked",
    "Configuration",
    "Counterexample",
    "Event",
    "Found",
    "Invariant",
    "Killed",
    "LeadsTo",
    "Life",
    "Lived",
    "MachineReport",
    "Move",
    "Mutant",
    "Report",
    "RunPlan",
    "Size",
    "Trace",
    "Verdict",
    "check",
    "check_machine",
    "configuration",
    "every_mutant",
    "kill",
    "mutant",
    "replay",
]
