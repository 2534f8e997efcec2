"""The request: one question to a human, with an id.

What lives here: how a question closes. What must not: what the answer means for the run beyond "the batch may be
complete". The law of this file: a request closes once, by one of three edges, and says which.
"""

from __future__ import annotations

from lifecycle.declaration import Guard, Machine, Row, Send, State
from lifecycle.machines.held import EXPIRY


def is_last_open(open_requests: int = 0, **_: object) -> bool:
    """Say whether this is the only open request of its run, as things stood before the step."""
    return open_requests == 1


LAST_OPEN = Guard("is_last_open", is_last_open)

REQUEST = Machine(
    name="request",
    initial="open",
    birth=Row((), "ask", "open"),
    states=(
        State("open", holds=(EXPIRY,)),
        State("answered", final=True),
        State("expired", final=True),
        State("withdrawn", final=True),
    ),
    rows=(
        # open: the last one to close resumes the run; in a larger batch the run waits on
        Row("open", "answer", "answered", (Send("run", "resume"),), conditions=(LAST_OPEN,)),
        Row("open", "answer", "answered", (), unless=(LAST_OPEN,)),
        Row("open", "expire", "expired", (Send("run", "resume"),), conditions=(LAST_OPEN,)),
        Row("open", "expire", "expired", (), unless=(LAST_OPEN,)),
        Row("open", "withdraw", "withdrawn", (Send("run", "resume"),), conditions=(LAST_OPEN,)),
        Row("open", "withdraw", "withdrawn", (), unless=(LAST_OPEN,)),
        # a rejection, or an expiry under the policy "stop", ends the run
        Row("open", "reject", "answered", (Send("run", "stop"),)),
        Row("open", "lapse", "expired", (Send("run", "stop"),)),
        # an expiry under the policy "keep": from now on without one
        Row("open", "keep", None),
        # the run left waiting by another edge: its other questions go with it
        Row("open", "dismiss", "withdrawn"),
        # answered, expired, withdrawn: final, no rows
    ),
)
