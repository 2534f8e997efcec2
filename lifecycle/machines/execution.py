"""The execution: one attempt of the agent's code at a run; it can outlive the run's state.

What lives here: every legal change of an execution's state. What must not: the run's own moves. The law of this file:
a session id has one slot for executions, and only ``settled`` or ``abandoned`` frees it.
"""

from __future__ import annotations

from lifecycle import hooks
from lifecycle.declaration import Machine, Row, Send, State
from lifecycle.machines.held import CLOSING, CONTROLLER, OFFER

EXECUTION = Machine(
    name="execution",
    initial="pending",
    birth=Row((), "offer", "pending"),
    states=(
        State("pending", holds=(OFFER,), refuses=("abandon",)),
        State("executing", refuses=("begin", "abandon")),
        State("closing", holds=(CLOSING, CONTROLLER), refuses=("begin",), ignores=("close",)),
        State("settled", final=True),
        State("abandoned", final=True),
    ),
    rows=(
        # pending: offered, not granted
        Row("pending", "begin", "executing", (Send("run", "begin"), hooks.CallCode)),
        Row("pending", "close", "settled"),
        Row("pending", "settle", "settled"),
        # executing: the code is at work
        Row("executing", "close", "closing"),
        Row("executing", "settle", "settled"),
        # closing: the run has ended, the code has not
        Row("closing", "settle", "settled"),
        Row("closing", "abandon", "abandoned", (hooks.ReportAbandoned,)),
        # settled, abandoned: final, no rows
    ),
)
