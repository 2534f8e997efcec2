"""Replying: what the sender of an input must be told, read off the data of a session, whether or not anything changed.

What lives here: for each kind of input the one reply that is true. What must not: the kernel's judges, their order or
their words. The law of this file: a reply is compared as it is; of a rejection only its error, of "nothing to do" only
that it is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle.check.case import Case
from lifecycle.check.courses import asking_of, has_room
from lifecycle.check.rights import asked_about, may, owned, unfinished_run
from lifecycle.kernel.inputs import (
    AbortRun,
    AbortSession,
    Attach,
    Begin,
    CloseSession,
    Decide,
    Input,
    RunAsked,
    Shutdown,
    StartRun,
)
from lifecycle.kernel.replies import (
    Aborted,
    Admitted,
    AlreadyClosed,
    AlreadyEnded,
    Asked,
    AskFailed,
    Attached,
    Decided,
    Done,
    Granted,
    Joined,
    NothingToDo,
    Rejection,
    Reply,
    Stale,
)
from lifecycle.kernel.values import Ended

Told = Reply | str
"""What is told: the reply, or the name of an error, or of a kind of reply whose words do not matter."""


def told_by(reply: Reply) -> Told:
    """Return what a reply tells, without its words."""
    if isinstance(reply, Rejection):
        return reply.error
    return type(reply).__name__ if isinstance(reply, NothingToDo | Stale | AskFailed) else reply


def end_told(ended: Ended) -> Reply:
    """Tell how a run ended."""
    return AlreadyEnded(ended.spec.id, ended.state, ended.cause, ended.who, ended.text, ended.result)


# -- starting ---------------------------------------------------------------------------------------------------------


def named_by_key(case: Case) -> Told | None:
    """Tell of the run that a key names; none if it names no run yet."""
    given: Any = case.given
    runs = () if case.before is None else case.before.unfinished()
    run = next((run for run in runs if run.spec.key == given.key), None)
    if run is not None:
        return Joined(run.spec.id) if run.spec.digest == given.digest else "Conflict"
    ended = given.found.run
    if ended is None or ended.spec.key != given.key:
        return None
    return end_told(ended) if ended.spec.digest == given.digest else "Conflict"


def key_names_one_run(case: Case) -> bool:
    """Let a retry join its run, or hear how it ended; refuse other content under a key, and another run of an id."""
    given = case.given
    if not isinstance(given, StartRun):
        return True
    named = named_by_key(case)
    if named is None and is_taken(case, given):
        named = "Conflict"
    return named is None or (told_by(case.step.reply) == named and not case.changed)


def is_taken(case: Case, given: StartRun) -> bool:
    """Say whether a run has that id already."""
    ended = given.found.run
    return unfinished_run(case.before, given.run) is not None or (ended is not None and ended.spec.id == given.run)


def told_of_start(case: Case, given: StartRun) -> Told:
    """Tell that the run is admitted, and whether it waits; or that there is no room."""
    if not has_room(case, given):
        return "Busy"
    if not case.changed:
        return "an admission"
    head = case.after.head
    return Admitted(given.run, case.after.incarnation, head is None or head.spec.id != given.run)


def told_of_begin(case: Case, given: Begin) -> Told:
    """Grant what is offered to the head; tell of a run that has ended."""
    before = case.before
    if unfinished_run(before, given.run) is None:
        return "NotFound" if before is None or given.found.run is None else end_told(given.found.run)
    slot = None if before is None else before.execution
    offered = slot is not None and (slot.run, slot.id, slot.state) == (given.run, given.execution, "pending")
    if not offered or not case.changed:
        return "Refused"
    granted = case.after.execution
    return "a grant" if granted is None else Granted(granted.run, granted.id, granted.token)


# -- people -----------------------------------------------------------------------------------------------------------


def told_of_abort(case: Case, given: AbortRun) -> Told:
    """Tell that the run was ended, now or before."""
    if unfinished_run(case.before, given.run) is not None:
        return Aborted((given.run,)) if may(case) else "Denied"
    return "NotFound" if case.before is None or given.found.run is None else end_told(given.found.run)


def told_of_session(case: Case, given: AbortSession | CloseSession) -> Told:
    """Tell which runs were ended; or that there is nothing to end, or it is late, or not the sender's to end."""
    before = case.before
    if before is None:
        return "NotFound"
    if given.incarnation not in (None, before.incarnation):
        return "Stale"
    nothing = before.state == "stopped" if isinstance(given, CloseSession) else not before.unfinished()
    if nothing:
        return "NothingToDo"
    return Aborted(tuple(owned(before, given.by))) if may(case) else "Denied"


def told_of_shutdown(case: Case, given: Shutdown) -> Told:
    """Tell whose code was stopped."""
    slot = None if case.before is None else case.before.execution
    return Aborted((slot.run,)) if slot is not None and slot.state == "executing" else "NothingToDo"


def told_of_decision(case: Case, given: Decide) -> Told:
    """Tell that the decision was taken, by it or before; or what stands against it: who, what, which came first."""
    about = asked_about(case.before, given)
    if case.before is None or about is None:
        return "NotFound"
    if not may(case):
        return "Denied"
    request = about[1]
    if given.kind == "answer" and not given.content:
        return "Invalid"
    answer = request.answer
    if answer is not None and answer.kind == "expired":
        answer = None
    mine = given.decision, given.kind, given.content, given.by, given.digest
    if answer is not None:
        same = (answer.decision, answer.kind, answer.content, answer.by, request.digest) == mine
        return Decided(given.run, given.request, given.decision, given.kind) if same else "Conflict"
    if request.digest != given.digest:
        return "Conflict"
    if request.state == "open" and unfinished_run(case.before, given.run) is not None:
        return Decided(given.run, given.request, given.decision, given.kind)
    if request.with_run and given.found.run is not None:
        return end_told(given.found.run)
    return AlreadyClosed(given.run, given.request, request.state)


def first_decision_stands(case: Case) -> bool:
    """Tell whoever decides later that a decision was taken: the very same one again, any other by a refusal."""
    given = case.given
    about = asked_about(case.before, given) if isinstance(given, Decide) else None
    if not isinstance(given, Decide) or about is None or about[1].answer is None or not may(case):
        return True
    return told_by(case.step.reply) == told_of_decision(case, given) and not case.changed


def told_of_attach(case: Case, given: Attach) -> Told:
    """Tell who is attached; not one whose connection has died, nor to a session that is stopped."""
    if case.before is None:
        return "NotFound"
    if case.before.state == "stopped":
        return "Refused"
    return Attached(given.attachment) if given.alive else "Stale"


# -- code -------------------------------------------------------------------------------------------------------------


def told_of_asking(case: Case, given: RunAsked) -> Told:
    """Tell the answers that there are; that the code asked wrongly, or too much; that it is over."""
    asking = asking_of(case)
    if asking is None:
        return "Stale"
    if not given.questions or asking.is_other:
        return "AskFailed"
    if asking.fresh and asking.is_too_much:
        return "Busy"
    return Asked(asking.answers)


TRUE: dict[type[Input], Callable[[Case, Any], Told]] = {
    StartRun: told_of_start,
    Begin: told_of_begin,
    AbortRun: told_of_abort,
    AbortSession: told_of_session,
    CloseSession: told_of_session,
    Shutdown: told_of_shutdown,
    Decide: told_of_decision,
    Attach: told_of_attach,
    RunAsked: told_of_asking,
}
"""What must be told, by kind of input; whoever reports anything else is told whether it was taken note of."""


def reply_is_true(case: Case) -> bool:
    """Tell the sender of an input what came of it, or why nothing did."""
    given, told = case.given, told_by(case.step.reply)
    if isinstance(given, StartRun) and (named_by_key(case) is not None or is_taken(case, given)):
        return True  # that a key or an id names one run is a rule of its own
    true = TRUE.get(type(given))
    if true is not None:
        return told == true(case, given)
    return told == (Done() if case.changed else "Stale")
