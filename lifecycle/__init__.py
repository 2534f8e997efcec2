"""An explicit finite-state-machine engine for the life of agent runs and sessions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from lifecycle import notebook as notebook
from lifecycle.declaration import Guard, Hold, Machine, Row, Send, State
from lifecycle.declaration.judging import judge
from lifecycle.errors import (
    Busy,
    Conflict,
    DefinitionError,
    Denied,
    Invalid,
    InvariantBroken,
    LifecycleError,
    NotFound,
    Refused,
    StoreError,
)
from lifecycle.kernel import Explanation, Kernel, Policy, Session, Step, allowed, due, explain, step
from lifecycle.projection import RequestView, RunView, SessionView, project
from lifecycle.runtime import (
    Approval,
    Attachment,
    Choice,
    Clock,
    Decision,
    Frame,
    FreeText,
    Gap,
    Grant,
    HumanAnswer,
    Limits,
    Observed,
    OpenRequest,
    Park,
    RunAborted,
    RunEnd,
    RunHandle,
    Runtime,
    SegmentEnd,
    ShutdownReport,
    Signal,
    SignIn,
    SystemClock,
    Tracker,
    VirtualClock,
    answer,
    approve,
    reject,
    reject_and_continue,
)
from lifecycle.store import MemoryStore, Store

if TYPE_CHECKING:
    from lifecycle.store import SQLiteStore

try:
    __version__ = version("agent-lifecycle")
except PackageNotFoundError:  # used from a source tree that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> object:
    """Import ``SQLiteStore`` when it is asked for: whoever needs no file needs no msgspec."""
    if name != "SQLiteStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lifecycle.store import SQLiteStore

    return SQLiteStore


__all__ = [
    "Approval",
    "Attachment",
    "Busy",
    "Choice",
    "Clock",
    "Conflict",
    "Decision",
    "DefinitionError",
    "Denied",
    "Explanation",
    "Frame",
    "FreeText",
    "Gap",
    "Grant",
    "Guard",
    "Hold",
    "HumanAnswer",
    "Invalid",
    "InvariantBroken",
    "Kernel",
    "LifecycleError",
    "Limits",
    "Machine",
    "MemoryStore",
    "NotFound",
    "Observed",
    "OpenRequest",
    "Park",
    "Policy",
    "Refused",
    "RequestView",
    "Row",
    "RunAborted",
    "RunEnd",
    "RunHandle",
    "RunView",
    "Runtime",
    "SQLiteStore",
    "SegmentEnd",
    "Send",
    "Session",
    "SessionView",
    "ShutdownReport",
    "SignIn",
    "Signal",
    "State",
    "Step",
    "Store",
    "StoreError",
    "SystemClock",
    "Tracker",
    "VirtualClock",
    "allowed",
    "answer",
    "approve",
    "due",
    "explain",
    "judge",
    "project",
    "reject",
    "reject_and_continue",
    "step",
]
