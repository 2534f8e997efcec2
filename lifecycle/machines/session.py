"""The session: one conversation, wearing the state of its head.

What lives here: every legal change of a session's state. What must not: a second way to set it; it is moved only by
what the head's rows send, by ``close`` and by ``reap``. The law of this file: take one ``Send`` away from the run's
rows and a session can say ready while a run is active, or running while none is.
"""

from __future__ import annotations

from lifecycle.declaration import Machine, Row, State
from lifecycle.machines.held import ORPHAN

_REST = ("begin", "ask", "resume", "complete", "abort", "stop", "fail", "rerun")
"""What only a head can send, and a session at rest has none."""

SESSION = Machine(
    name="session",
    initial="ready",
    birth=Row((), "open", "ready"),
    states=(
        State("ready", holds=(ORPHAN,), refuses=_REST),
        State("starting", holds=(ORPHAN,), refuses=("admit", "ask", "resume", "rerun", "close", "reap")),
        State("running", holds=(ORPHAN,), refuses=("admit", "begin", "resume", "close", "reap")),
        State("waiting_for_human", holds=(ORPHAN,), refuses=("admit", "begin", "ask", "close", "reap")),
        State("interrupted", holds=(ORPHAN,), refuses=_REST),
        State("error", holds=(ORPHAN,), refuses=_REST),
        State("stopped", final=True),
    ),
    rows=(
        # ready: no unfinished run; new, or the last one is ready or was stopped
        Row("ready", "admit", "starting"),
        Row("ready", "close", "stopped"),
        Row("ready", "reap", "stopped"),
        # starting: the head is admitted
        Row("starting", "begin", "running"),
        Row("starting", "complete", "ready"),
        Row("starting", "abort", "interrupted"),
        Row("starting", "stop", "ready"),
        Row("starting", "fail", "error"),
        # running
        Row("running", "ask", "waiting_for_human"),
        Row("running", "complete", "ready"),
        Row("running", "abort", "interrupted"),
        Row("running", "stop", "ready"),
        Row("running", "fail", "error"),
        Row("running", "rerun", "starting"),
        # waiting_for_human
        Row("waiting_for_human", "resume", "running"),
        Row("waiting_for_human", "complete", "ready"),
        Row("waiting_for_human", "abort", "interrupted"),
        Row("waiting_for_human", "stop", "ready"),
        Row("waiting_for_human", "fail", "error"),
        Row("waiting_for_human", "rerun", "starting"),
        # interrupted: no unfinished run; the last one was interrupted
        Row("interrupted", "admit", "starting"),
        Row("interrupted", "close", "stopped"),
        Row("interrupted", "reap", "stopped"),
        # error: no unfinished run; the last one failed
        Row("error", "admit", "starting"),
        Row("error", "close", "stopped"),
        Row("error", "reap", "stopped"),
        # stopped: final for this incarnation; a StartRun opens the next one, born ready
    ),
)
