"""The run: one prompt until its answer.

What lives here: every legal change of a run's state. What must not: a decision which of them is taken; inputs and
routes decide that. The law of this file: a final state has no row, and every other state has an edge to each end.

Every accepted input is admitted at once as a run in ``starting``. The oldest unfinished run of a session is its
*head*; only the head may begin, the others are queued. A ``Send`` to ``session`` reaches it from the head only.
"""

from __future__ import annotations

from lifecycle import hooks
from lifecycle.declaration import Machine, Row, Send, State
from lifecycle.machines.held import CONTROLLER, DEADLINE, QUEUE_DEADLINE, REQUESTS, SEGMENT, Next


def _end(trigger: str) -> tuple[object, ...]:
    """Do what every end does: signal, close the run's own execution, move the session, publish."""
    return (hooks.SignalAbort, Send("execution", "close"), Send("session", trigger), hooks.PublishEnd)


RUN = Machine(
    name="run",
    initial="starting",
    birth=Row((), "admit", "starting", (Send("session", "admit"),)),
    states=(
        State("starting", holds=(CONTROLLER, SEGMENT, QUEUE_DEADLINE), refuses=("ask", "resume", "rerun")),
        State("running", holds=(CONTROLLER, SEGMENT, DEADLINE), refuses=("resume",), ignores=("begin", "promote")),
        State("waiting_for_human", holds=(CONTROLLER, REQUESTS), refuses=("begin", "promote")),
        State("ready", final=True),
        State("interrupted", final=True),
        State("stopped", final=True),
        State("error", final=True),
    ),
    rows=(
        # starting: admitted, queued or head, its code not yet called
        Row("starting", "promote", None, (Send("session", "admit"),)),
        Row("starting", "begin", "running", (Send("session", "begin"),)),
        Row("starting", "complete", "ready", _end("complete")),
        Row("starting", "abort", "interrupted", _end("abort")),
        Row("starting", "stop", "stopped", _end("stop")),
        Row("starting", "fail", "error", _end("fail")),
        # running: its code was granted, or is about to be called again with the answers
        Row("running", "ask", "waiting_for_human", (Send("session", "ask"),)),
        Row("running", "complete", "ready", _end("complete")),
        Row("running", "abort", "interrupted", _end("abort")),
        Row("running", "stop", "stopped", _end("stop")),
        Row("running", "fail", "error", _end("fail")),
        Row("running", "rerun", "starting", (Next("attempt"), Next("segment"), Send("session", "rerun"))),
        # waiting_for_human: at least one open request
        Row("waiting_for_human", "ask", None),
        Row("waiting_for_human", "resume", "running", (Next("segment"), hooks.HandAnswers, Send("session", "resume"))),
        Row("waiting_for_human", "complete", "ready", _end("complete")),
        Row("waiting_for_human", "abort", "interrupted", _end("abort")),
        Row("waiting_for_human", "stop", "stopped", _end("stop")),
        Row("waiting_for_human", "fail", "error", _end("fail")),
        Row("waiting_for_human", "rerun", "starting", (Next("attempt"), Next("segment"), Send("session", "rerun"))),
        # ready, interrupted, stopped, error: final, no rows
    ),
)
