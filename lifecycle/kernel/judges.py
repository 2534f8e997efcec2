"""Judges: the named guards of inputs, asked in order before anything is thawed.

What lives here: one function per question that an input must pass. What must not: any change. The law of this file: a
judge sees the values before the step and returns a reply, which ends the matter with nothing changed, or none, which
passes the input on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.finding import (
    request_open_or_closed,
    run_named,
    slot_of,
    timer_named,
)
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
    Input,
    Lost,
    Parked,
    ProviderReported,
    Recovered,
    RequestRetracted,
    RunAsked,
    RunCompleted,
    RunFailed,
    SetAside,
    Shutdown,
    StartRun,
    TimerFired,
)
from lifecycle.kernel.judging_decisions import (
    asking_run_known,
    caller_may_decide,
    decision_is_first,
    decision_is_well_formed,
    digest_matches,
    not_decided_otherwise,
    request_known,
    request_still_open,
)
from lifecycle.kernel.judging_questions import (
    fault_of_questions,
    fresh_questions,
    question_is_open,
    questions_fit,
    something_new_is_asked,
)
from lifecycle.kernel.refusing import conflict, denied, ended_reply, malformed, not_found
from lifecycle.kernel.replies import (
    Attached,
    Joined,
    NothingToDo,
    Rejection,
    Reply,
    Stale,
)
from lifecycle.kernel.values import (
    ON_CRASH,
    WHEN_BUSY,
    Question,
    Request,
    Run,
    Session,
    Timer,
    value,
)

Judge = Callable[[Session | None, Any, Any], Reply | None]
"""``(session, input, about) → reply or none``; ``about`` is what the input names, found once (see ABOUT)."""


# -- who -----------------------------------------------------------------------------------------------------


def may_abort(session: Session, run: Run, by: str) -> bool:
    """Say whether ``by`` is the run's owner or an admin."""
    return by == run.spec.owner or by in session.policy.admins


# -- the session ------------------------------------------------------------------------------------------------------


def session_exists(session: Session | None, given: Any, about: Any) -> Reply | None:
    """The session has been opened."""
    return not_found("session") if session is None else None


def session_not_stopped(session: Session | None, given: Any, about: Any) -> Reply | None:
    """The session is not stopped."""
    assert session is not None
    if session.state != "stopped":
        return None
    return Rejection(
        "Refused",
        f"session {session.id}",
        f"stopped ({session.cause})",
        "start a run to open its next incarnation",
        (("accepted", ("StartRun",)), ("cause", session.cause)),
    )


def session_to_close(session: Session | None, given: CloseSession, about: Any) -> Reply | None:
    """There is something to close."""
    assert session is not None
    return NothingToDo(f"session {session.id}", f"stopped ({session.cause})") if session.state == "stopped" else None


def same_incarnation(session: Session | None, given: AbortSession | CloseSession, about: Any) -> Reply | None:
    """The incarnation named, if one is, is the present one."""
    assert session is not None
    if given.incarnation is None or given.incarnation == session.incarnation:
        return None
    return Stale(f"incarnation {given.incarnation} of session {session.id}")


def may_close(session: Session | None, given: CloseSession, about: Any) -> Reply | None:
    """The caller may abort everything that closing would end."""
    assert session is not None
    for run in session.unfinished():
        if not may_abort(session, run, given.by):
            whom = f"the owner of run {run.spec.id} or an admin"
            return denied(f"session {session.id}", given.by, "close", whom)
    return None


def something_to_abort(session: Session | None, given: AbortSession, about: Any) -> Reply | None:
    """There is an unfinished run, and the caller may abort at least one."""
    assert session is not None
    unfinished = session.unfinished()
    if not unfinished:
        return NothingToDo(f"session {session.id}", "no unfinished run")
    if not any(may_abort(session, run, given.by) for run in unfinished):
        return denied(f"session {session.id}", given.by, "abort", "the owner of one of its runs or an admin")
    return None


def code_is_executing(session: Session | None, given: Any, about: Any) -> Reply | None:
    """The head's code is at work."""
    slot = None if session is None else session.execution
    if slot is not None and slot.state == "executing":
        return None
    return NothingToDo("session" if session is None else f"session {session.id}", "no code is executing")


# -- starting a run ---------------------------------------------------------------------------------------------------


def start_is_well_formed(session: Session | None, given: StartRun, about: Any) -> Reply | None:
    """The choices named are among those there are, and no time is negative or zero."""
    if session is not None and session.id != given.session:
        return Rejection("Invalid", f"session {session.id}", f"the run is for {given.session}", "send it there")
    if given.when_busy not in WHEN_BUSY:
        return malformed("when_busy", given.when_busy, WHEN_BUSY)
    if given.on_crash not in ON_CRASH:
        return malformed("on_crash", given.on_crash, ON_CRASH)
    if given.deadline_us is not None and given.deadline_us <= 0:
        return malformed("deadline", given.deadline_us, ("a positive time", "none"))
    if given.queue_deadline_us is not None and given.queue_deadline_us <= 0:
        return malformed("queue_deadline", given.queue_deadline_us, ("a positive time", "none"))
    floor = given.floor
    if floor is not None and (floor.incarnation < 0 or floor.revision < 0):
        return malformed("floor", floor, ("numbers from 0 on", "none"))
    return None


def key_is_new(session: Session | None, given: StartRun, about: Any) -> Reply | None:
    """The idempotency key names no run yet: a retry joins it or hears its end, other content conflicts."""
    if given.key is None:
        return None
    live = () if session is None else session.unfinished()
    for run in live:
        if run.spec.key == given.key:
            if run.spec.digest == given.digest:
                return Joined(run.spec.id)
            return conflict(f"key {given.key}", "names a run of other content", "use a new key for new input")
    found = given.found.run
    if found is None or found.spec.key != given.key:
        return None
    if found.spec.digest == given.digest:
        return ended_reply(found)
    return conflict(f"key {given.key}", "names a run of other content", "use a new key for new input")


def run_id_is_new(session: Session | None, given: StartRun, about: Any) -> Reply | None:
    """The run id is not taken."""
    found = given.found.run
    if run_named(session, given.run) is None and (found is None or found.spec.id != given.run):
        return None
    return conflict(f"run {given.run}", "already exists", "let the runtime choose the id, or use a key for retries")


def has_room(session: Session | None, given: StartRun, about: Any) -> Reply | None:
    """There is no unfinished run, or the input may wait for it and the queue has room."""
    if session is None or session.head is None:
        return None
    if given.when_busy == "reject":
        return Rejection(
            "Busy",
            f"session {session.id}",
            f"run {session.head.spec.id} is unfinished",
            "wait for its end, or let the input be enqueued",
            (("limit", "unfinished runs under when_busy=reject"), ("bound", 1)),
        )
    bound = session.policy.queue_max
    if len(session.queue) >= bound:
        return Rejection(
            "Busy",
            f"session {session.id}",
            f"its queue holds {bound} runs",
            "wait until one has ended",
            (("limit", "queue_max"), ("bound", bound)),
        )
    return None


# -- runs and executions ----------------------------------------------------------------------------------------------


def run_known(session: Session | None, given: AbortRun | Begin, about: Run | None) -> Reply | None:
    """The run is here, or the store has the record of its end."""
    if about is not None or (session is not None and given.found.run is not None):
        return None
    return not_found(f"run {given.run}")


def run_not_ended(session: Session | None, given: AbortRun | Begin, about: Run | None) -> Reply | None:
    """The run is unfinished."""
    if about is not None:
        return None
    assert given.found.run is not None
    return ended_reply(given.found.run)


def is_head_with_offer(session: Session | None, given: Begin, about: Any) -> Reply | None:
    """The run is the head and has this very execution pending."""
    assert session is not None
    slot, head = session.execution, session.head
    if (
        slot is not None
        and slot.state == "pending"
        and slot.id == given.execution
        and head is not None
        and head.spec.id == given.run == slot.run
    ):
        return None
    fact = "is queued" if head is None or head.spec.id != given.run else f"is {head.state} with nothing pending"
    return Rejection(
        "Refused",
        f"run {given.run}",
        f"{fact} and may not begin",
        "wait for the offer to begin",
        (("accepted", ("AbortRun",)),),
    )


def caller_may_abort(session: Session | None, given: AbortRun, about: Any) -> Reply | None:
    """The caller is the owner of the run or an admin."""
    assert session is not None
    return None if may_abort(session, about, given.by) else denied(f"run {given.run}", given.by, "abort")


def token_is_current(session: Session | None, given: Any, about: Any) -> Reply | None:
    """The fact bears the id and the token of the execution in the slot."""
    slot = None if session is None else session.execution
    if slot is not None and slot.id == given.execution and slot.token == given.token:
        return None
    return Stale(f"execution {given.execution}")


def run_goes_on(session: Session | None, given: Any, about: Any) -> Reply | None:
    """The run of that execution has not ended: code that is closing has nothing more to say about it."""
    assert session is not None and session.execution is not None
    slot = session.execution
    if slot.state == "executing":
        return None
    return Stale(f"execution {given.execution}")


def fact_names_a_run(session: Session | None, given: RunCompleted | RunFailed, about: Any) -> Reply | None:
    """The run named is unfinished, and if its code is at work the fact bears its token.

    From starting, only the head completes by a report: its code is then never called.
    """
    run = run_named(session, given.run)
    if session is None or run is None:
        return Stale(f"run {given.run}")
    slot = session.execution
    if slot is not None and slot.run == given.run and slot.state == "executing":
        return None if slot_of(session, given.execution, given.token) else Stale(f"execution {given.execution}")
    if given.token is not None or run is not session.head:
        return Stale(f"run {given.run}")
    if given.execution is not None and (slot is None or slot.id != given.execution):
        return Stale(f"execution {given.execution}")
    return None


def execution_is_live(session: Session | None, given: Any, about: Any) -> Reply | None:
    """The execution named is the one in the slot."""
    slot = None if session is None else session.execution
    return None if slot is not None and slot.id == given.execution else Stale(f"execution {given.execution}")


def report_is_known(session: Session | None, given: ProviderReported, about: Any) -> Reply | None:
    """The report is one of the five."""
    return None if given.report in REPORTS else malformed("provider report", given.report, REPORTS)


REPORTS = ("ready", "interrupted", "stopped", "error", "gone")


def report_is_current(session: Session | None, given: ProviderReported, about: Any) -> Reply | None:
    """The report is no advice, names no other run or execution, and the head's code is executing."""
    head = None if session is None else session.head
    slot = None if session is None else session.execution
    if head is None or slot is None or slot.state != "executing":
        return Stale(f"provider report {given.report}: no code is executing")
    if given.run is not None and given.run != head.spec.id:
        return Stale(f"provider report {given.report} for run {given.run}")
    if given.execution is not None and given.execution != slot.id:
        return Stale(f"provider report {given.report} for execution {given.execution}")
    return Stale(f"provider advice: {given.text}") if given.advisory else None


# -- clients and timers -----------------------------------------------------------------------------------------------


def connection_is_alive(session: Session | None, given: Attach, about: Any) -> Reply | None:
    """The connection has not died before the attach was judged."""
    return None if given.alive else Stale(f"attachment {given.attachment}: its connection is dead")


def not_attached_yet(session: Session | None, given: Attach, about: Any) -> Reply | None:
    """The client is not attached."""
    assert session is not None
    return Attached(given.attachment) if given.attachment in session.attachments else None


def attachment_is_there(session: Session | None, given: Detached, about: Any) -> Reply | None:
    """The attachment named is there: a late detach of an old connection is about nothing."""
    if session is not None and given.attachment in session.attachments:
        return None
    return Stale(f"attachment {given.attachment}")


def timer_is_due(session: Session | None, given: TimerFired, about: Any) -> Reply | None:
    """The timer is armed with this very token, and its time has come."""
    armed, now = about
    if armed is None or armed.token != given.token or armed.due is None or armed.due > now:
        return Stale(f"timer {given.name} of {given.owner}")
    return None


def something_to_recover(session: Session | None, given: Any, about: Any) -> Reply | None:
    """There is a session, and it is not over with nothing left of it."""
    if session is None:
        return not_found("session")
    if session.state == "stopped" and session.execution is None:
        return Stale(f"session {session.id}: stopped, nothing to recover")
    return None


def head_to_fail(session: Session | None, given: Any, about: Any) -> Reply | None:
    """There is a head."""
    return Stale("no head to fail") if session is None or session.head is None else None


# -- what an input is about, found once -------------------------------------------------------------------------------


@value
class Named:
    """What an input names: the unfinished run, the request, or the questions that are new and what is wrong."""

    run: Run | None = None
    request: Request | None = None
    fresh: tuple[Question, ...] = ()
    fault: str | None = None


build_named = twin_of(Named).make  # a step's own, and never frozen


def about_run(session: Session | None, given: Any, now: int) -> Run | None:
    """The unfinished run of that id."""
    return run_named(session, given.run)


def about_decision(session: Session | None, given: Decide, now: int) -> Named:
    """The run, and the request in its batch or, closed before, in the store."""
    run = run_named(session, given.run)
    request = None if run is None else request_open_or_closed(run, given.request)
    return build_named(run, given.found.request if request is None else request, (), None)


QUESTIONERS = (RunAsked, Parked)


def about_questions(session: Session | None, given: RunAsked | ExecutionSettled, now: int) -> Named | None:
    """The questions that code brings: which are new, and what is wrong with them."""
    brings: Any = given if type(given) is RunAsked else given.result  # type: ignore[union-attr]
    if type(brings) not in QUESTIONERS:
        return None
    head = None if session is None else session.head
    if head is None:
        return None
    questions, known = brings.questions, given.known
    return build_named(head, None, fresh_questions(head, questions, known), fault_of_questions(head, questions, known))


def about_timer(session: Session | None, given: TimerFired, now: int) -> tuple[Timer | None, int]:
    """The timer of that name and owner, and what time it is."""
    return timer_named(session, given.name, given.owner), now


ABOUT: dict[type[Input], Callable[[Session | None, Any, int], object]] = {
    Begin: about_run,
    AbortRun: about_run,
    Decide: about_decision,
    RunAsked: about_questions,
    ExecutionSettled: about_questions,
    TimerFired: about_timer,
}
"""How to find what an input is about; those not listed name nothing that has to be looked for."""

JUDGES: dict[type[Input], tuple[Judge, ...]] = {
    StartRun: (start_is_well_formed, key_is_new, run_id_is_new, has_room),
    Begin: (run_known, run_not_ended, is_head_with_offer),
    AbortRun: (run_known, run_not_ended, caller_may_abort),
    AbortSession: (session_exists, same_incarnation, something_to_abort),
    Decide: (
        asking_run_known,
        request_known,
        caller_may_decide,
        decision_is_well_formed,
        decision_is_first,
        digest_matches,
        not_decided_otherwise,
        request_still_open,
    ),
    Attach: (session_exists, session_not_stopped, connection_is_alive, not_attached_yet),
    CloseSession: (session_exists, same_incarnation, session_to_close, may_close),
    Shutdown: (code_is_executing,),
    Detached: (attachment_is_there,),
    RunAsked: (token_is_current, run_goes_on, something_new_is_asked, questions_fit),
    RequestRetracted: (token_is_current, run_goes_on, question_is_open),
    Checkpointed: (token_is_current, run_goes_on),
    RunCompleted: (fact_names_a_run,),
    RunFailed: (fact_names_a_run,),
    ExecutionSettled: (token_is_current,),
    ProviderReported: (report_is_known, report_is_current),
    TimerFired: (timer_is_due,),
    Lost: (execution_is_live,),
    Recovered: (something_to_recover,),
    SetAside: (head_to_fail,),
}
"""What each input must pass, in this order. The first that speaks ends the matter, and nothing is changed."""
