"""The checker: every reachable state of the real kernel, its rules proved within named bounds.

``check()`` explores configurations and judges every property; ``kill(mutant)`` shows that a rule's absence is found.
``check_machine(machine)`` does for a machine of your own what ``check()`` does for the kernel.
"""

from __future__ import annotations

from lifecycle.check.configuration import CONFIGURATIONS, LARGE, SMALL, AskPlan, Configuration, RunPlan, configuration
from lifecycle.check.findings import Found, MachineReport, Move, Trace
from lifecycle.check.machines import check_machine
from lifecycle.check.mutants import BY_HAND, EQUIVALENT, SEEDS, every_mutant, mutant
from lifecycle.check.properties import Checked, Event, Invariant, LeadsTo
from lifecycle.check.replay import Life, Lived, replay
from lifecycle.check.retracing import faults_along
from lifecycle.check.shared.configuration import SHARED, SHARED_LARGE, Workers
from lifecycle.check.shared.scene import Conduct
from lifecycle.check.shared.world import Shared
from lifecycle.check.story import Counterexample
from lifecycle.check.variants import Mutant
from lifecycle.check.verdict import (
    PROVED,
    REFUTED,
    UNDETERMINED,
    Killed,
    Report,
    Size,
    Verdict,
    check,
    kill,
)
from lifecycle.check.world import Stepper
from lifecycle.check.worlds import DEFAULT, WORLDS, world_named
from lifecycle.kernel import KERNEL

__all__ = [
    "BY_HAND",
    "CONFIGURATIONS",
    "DEFAULT",
    "EQUIVALENT",
    "KERNEL",
    "LARGE",
    "PROVED",
    "REFUTED",
    "SEEDS",
    "SHARED",
    "SHARED_LARGE",
    "SMALL",
    "UNDETERMINED",
    "WORLDS",
    "AskPlan",
    "Checked",
    "Conduct",
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
    "Shared",
    "Size",
    "Stepper",
    "Trace",
    "Verdict",
    "Workers",
    "check",
    "check_machine",
    "configuration",
    "every_mutant",
    "faults_along",
    "kill",
    "mutant",
    "replay",
    "world_named",
]
