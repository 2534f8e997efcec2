"""The kernel: ``step(session, input, now)`` and the values it steps over. Pure; drive it from anything."""

from __future__ import annotations

from lifecycle.kernel import straight as _straight  # noqa: F401  (it gives the kernel its straight steps)
from lifecycle.kernel.engine import KERNEL, Kernel, Step, due, step, timers
from lifecycle.kernel.explaining import Explanation, allowed, explain
from lifecycle.kernel.invariants import broken
from lifecycle.kernel.values import Policy, Session

__all__ = [
    "KERNEL",
    "Explanation",
    "Kernel",
    "Policy",
    "Session",
    "Step",
    "allowed",
    "broken",
    "due",
    "explain",
    "step",
    "timers",
]
