"""Every declared machine, in the order in which people read them.

What lives here: two lists. What must not: a table. The law of this file: what is declared is in one of them.
"""

from __future__ import annotations

from lifecycle.machines.execution import EXECUTION
from lifecycle.machines.lease import LEASE
from lifecycle.machines.request import REQUEST
from lifecycle.machines.resources import CONTROLLER, SEGMENT
from lifecycle.machines.run import RUN
from lifecycle.machines.session import SESSION

MACHINES = (RUN, EXECUTION, SESSION, REQUEST, SEGMENT, CONTROLLER)
"""The machines of a session: what a step moves, and what is performed of it."""

DECLARED = (*MACHINES, LEASE)
"""All of them: those of a session, and that of the workers which share a store."""
