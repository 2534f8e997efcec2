"""Explaining: what may come now, and why something may not.

What lives here: ``explain`` and ``allowed``, both by trying: a step is pure, so asking changes nothing. What must
not: a second opinion beside the judges. The law of this file: what is explained is what would happen.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.hooks import Hook
from lifecycle.kernel.engine import KERNEL, Kernel, timers
from lifecycle.kernel.inputs import (
    AbortRun,
    AbortSession,
    Attach,
    Begin,
    Checkpointed,
    CloseSession,
    Decide,
    Detached,
    ExecutionSettled,
    Failure,
    Input,
    Lost,
    Parked,
    ProviderReported,
    RequestRetracted,
    RunAsked,
    RunCompleted,
    RunFailed,
    Shutdown,
    StartRun,
    TimerFired,
    Value,
)
from lifecycle.kernel.judges import JUDGES, REPORTS
from lifecycle.kernel.judging_decisions import DECISIONS
from lifecycle.kernel.replies import Rejection, Reply
from lifecycle.kernel.values import Execution, Policy, Question, Run, Session, value
from lifecycle.kernel.work import Move


@value
class Explanation:
    """What would come of an input. ``judge`` names the guard that would end the matter, ``rule`` says what it asks."""

    may: bool
    judge: str | None
    rule: str
    reply: Reply
    moves: tuple[Move, ...]
    hooks: tuple[Hook, ...]

    def __str__(self) -> str:
        """Say it in a sentence."""
        if self.may:
            moves = ", ".join(
                f"{machine} {subject} {trigger} → {dest}" for machine, subject, trigger, _, dest in self.moves
            )
            return f"may come: {moves or 'no state moves'}"
        if isinstance(self.reply, Rejection):
            return f"may not ({self.judge}): {self.reply.subject}: {self.reply.fact}; {self.reply.remedy}"
        return f"would change nothing ({self.judge}): {self.reply}"


def explain(session: Session | None, given: Input, now: int | None = None, kernel: Kernel = KERNEL) -> Explanation:
    """Say what ``given`` would do now, and if nothing, which guard stands in its way.

    ``now`` is engine time in microseconds; none: that of the session's last step.
    """
    at = now if now is not None else 0 if session is None else session.now
    step = kernel.step(session, given, at)
    rule = ""
    for judge in JUDGES.get(type(given), ()):
        if judge.__name__ == step.judge:
            rule = (judge.__doc__ or "").strip().splitlines()[0]
    return Explanation(step.session is not session, step.judge, rule, step.reply, step.moves, step.hooks)


def allowed(session: Session | None, now: int | None = None, kernel: Kernel = KERNEL) -> tuple[Input, ...]:
    """Return one input of each kind and subject that would change something now.

    Contents (an answer, a question, a result) are placeholders; those who ask are the owners. A timer is listed as if
    its time had come.
    """
    at = now if now is not None else 0 if session is None else session.now
    return tuple(
        given for given, when in candidates(session, at) if kernel.step(session, given, when).session is not session
    )


def candidates(session: Session | None, now: int) -> Iterator[tuple[Input, int]]:
    """Give every input worth trying, with the time to try it at."""
    name = "session" if session is None else session.id
    policy = Policy() if session is None else session.policy
    yield StartRun(name, "run-new", "owner", "agent", "null", "digest", policy), now
    if session is None:
        return
    for given in about_session(session):
        yield given, now
    for run in session.unfinished():
        yield AbortRun(run.spec.id, run.spec.owner), now
    if session.head is not None:
        for given in about_head(session.head):
            yield given, now
    if session.execution is not None:
        for given in about_execution(session.execution, session.head):
            yield given, now
    for armed in timers(session):
        if armed.due is not None:
            yield TimerFired(armed.name, armed.owner, armed.token), max(now, armed.due)


def about_session(session: Session) -> Iterator[Input]:
    """Give what can be asked of, or reported to, the session itself."""
    owner = session.head.spec.owner if session.head is not None else "owner"
    yield AbortSession(owner)
    yield CloseSession(owner)
    yield Shutdown()
    yield Attach("attachment-new")
    for attachment in session.attachments:
        yield Detached(attachment)
    for report in REPORTS:
        yield ProviderReported(report)


def about_head(run: Run) -> Iterator[Input]:
    """Give what can be decided or reported about the head."""
    for request in run.requests:
        if request.state == "open":
            for kind in DECISIONS:
                content = '"answer"' if kind == "answer" else None
                yield Decide(run.spec.id, request.id, f"decision-{kind}", kind, run.spec.owner, request.digest, content)
    yield RunCompleted(run.spec.id)
    yield RunFailed(run.spec.id, "failed")


def about_execution(slot: Execution, run: Run | None) -> Iterator[Input]:
    """Give what the code, or whoever runs it, can ask and report."""
    question = Question("request-new", "text", "{}", "digest", None, "deny_and_continue")
    yield Begin(slot.run, slot.id)
    yield RunAsked(slot.id, slot.token, (question,))
    for request in () if run is None else run.requests:
        yield RequestRetracted(slot.id, slot.token, request.id)
    yield Checkpointed(slot.id, slot.token, "null")
    yield RunCompleted(slot.run, None, slot.id, slot.token)
    yield RunFailed(slot.run, "failed", slot.id, slot.token)
    for result in (Value(None), Failure("failed"), Parked(None, (question,))):
        yield ExecutionSettled(slot.id, slot.token, result)
    yield Lost(slot.id)
