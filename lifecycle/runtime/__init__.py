"""The runtime on asyncio: the only layer that performs hooks."""

from __future__ import annotations

from lifecycle.runtime.clock import Clock, SystemClock, VirtualClock
from lifecycle.runtime.controllers import Controller, RunAborted, Signal
from lifecycle.runtime.draining import ShutdownReport
from lifecycle.runtime.grant import Grant, ThreadGrant
from lifecycle.runtime.handle import Attachment, RunEnd, RunHandle
from lifecycle.runtime.questions import (
    Approval,
    Choice,
    Decision,
    FreeText,
    HumanAnswer,
    OpenRequest,
    Park,
    SignIn,
    answer,
    approve,
    reject,
    reject_and_continue,
)
from lifecycle.runtime.runtime import Runtime
from lifecycle.runtime.segments import Frame, Gap, Limits, SegmentEnd
from lifecycle.runtime.stepping import Observed
from lifecycle.runtime.tracker import Tracker

__all__ = [
    "Approval",
    "Attachment",
    "Choice",
    "Clock",
    "Controller",
    "Decision",
    "Frame",
    "FreeText",
    "Gap",
    "Grant",
    "HumanAnswer",
    "Limits",
    "Observed",
    "OpenRequest",
    "Park",
    "RunAborted",
    "RunEnd",
    "RunHandle",
    "Runtime",
    "SegmentEnd",
    "ShutdownReport",
    "SignIn",
    "Signal",
    "SystemClock",
    "ThreadGrant",
    "Tracker",
    "VirtualClock",
    "answer",
    "approve",
    "reject",
    "reject_and_continue",
]
