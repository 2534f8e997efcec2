"""The declared machines. Everything else (runtime, pictures, tests, docs) is read out of these tables."""

from __future__ import annotations

from lifecycle.machines.causes import CAUSES, SESSION_CAUSES, STATE_OF
from lifecycle.machines.declared import DECLARED, MACHINES
from lifecycle.machines.execution import EXECUTION
from lifecycle.machines.lease import LEASE
from lifecycle.machines.request import REQUEST
from lifecycle.machines.resources import CONTROLLER, SEGMENT
from lifecycle.machines.run import RUN
from lifecycle.machines.session import SESSION

__all__ = [
    "CAUSES",
    "CONTROLLER",
    "DECLARED",
    "EXECUTION",
    "LEASE",
    "MACHINES",
    "REQUEST",
    "RUN",
    "SEGMENT",
    "SESSION",
    "SESSION_CAUSES",
    "STATE_OF",
]
