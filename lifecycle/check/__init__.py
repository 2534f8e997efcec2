"""The checker: every reachable state of the real kernel, its rules proved within named bounds.

``check()`` explores configurations and judges every property; ``kill(mutant)`` shows that a rule's absence is found.
"""

from __future__ import annotations

from lifecycle.check.configuration import CONFIGURATIONS, LARGE, SMALL, AskPlan, Configuration, RunPlan, configuration
from lifecycle.check.mutants import BY_HAND, EQUIVALENT, SEEDS, Mutant, every_mutant, mutant
from lifecycle.check.replay import Life, Lived, replay
from lifecycle.check.retracing import faults_along
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
from lifecycle.check.world import Stepper
from lifecycle.kernel import KERNEL

__all__ = [
    "BY_HAND",
    "CONFIGURATIONS",
    "EQUIVALENT",
    "KERNEL",
    "LARGE",
    "PROVED",
    "REFUTED",
    "SEEDS",
    "SMALL",
    "UNDETERMINED",
    "AskPlan",
    "Configuration",
    "Counterexample",
    "Killed",
    "Life",
    "Lived",
    "Mutant",
    "Report",
    "RunPlan",
    "Size",
    "Stepper",
    "Verdict",
    "check",
    "configuration",
    "every_mutant",
    "faults_along",
    "kill",
    "mutant",
    "replay",
]
