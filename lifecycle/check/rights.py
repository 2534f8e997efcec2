"""Rights: who may do what, read off the data of a session, and the rule that nobody else may.

What lives here: owner, deciders and admins as the session names them. What must not: the kernel's own judges, or
anything of them; a rule that asks the judge whether the judge is right proves nothing. The law of this file: one who may
is never denied, one who may not is denied and changes nothing.
"""

from __future__ import annotations

from lifecycle.check.case import Case
from lifecycle.kernel.inputs import AbortRun, AbortSession, CloseSession, Decide, StartRun
from lifecycle.kernel.replies import Rejection
from lifecycle.kernel.values import Request, Run, RunSpec, Session


def owns(session: Session, spec: RunSpec, by: str) -> bool:
    """Say whether a run is somebody's to end: its owner's, or an admin's."""
    return by == spec.owner or by in session.policy.admins


def owned(session: Session | None, by: str) -> list[str]:
    """Return the unfinished runs that are somebody's to end, oldest first."""
    return [] if session is None else [run.spec.id for run in session.unfinished() if owns(session, run.spec, by)]


def may_answer(session: Session, spec: RunSpec, request: Request, by: str) -> bool:
    """Say whether somebody may answer a question: who may end its run, and whoever run or question name for it."""
    return owns(session, spec, by) or by in spec.deciders or by in request.deciders


def unfinished_run(session: Session | None, name: str) -> Run | None:
    """Return the unfinished run of that name."""
    runs = () if session is None else session.unfinished()
    return next((run for run in runs if run.spec.id == name), None)


def asked_about(session: Session | None, given: Decide) -> tuple[RunSpec, Request] | None:
    """Return the run and the question that a decision is about, as the session or the store knows them."""
    run, found = unfinished_run(session, given.run), given.found
    batch = () if run is None else run.requests
    request = next((one for one in batch if one.id == given.request), found.request)
    spec = run.spec if run is not None else None if found.run is None else found.run.spec
    return None if spec is None or request is None else (spec, request)


def may(case: Case) -> bool | None:
    """Say whether the sender of an input may do what it asks for; none if there is nothing to be allowed."""
    given, before = case.given, case.before
    if before is None:
        return None
    if isinstance(given, AbortRun):
        run = unfinished_run(before, given.run)
        return None if run is None else owns(before, run.spec, given.by)
    if isinstance(given, Decide):
        about = asked_about(before, given)
        return None if about is None else may_answer(before, *about, given.by)
    if isinstance(given, AbortSession | CloseSession):
        if given.incarnation not in (None, before.incarnation) or before.state == "stopped":
            return None
        mine, every = owned(before, given.by), before.unfinished()
        if isinstance(given, CloseSession):
            return len(mine) == len(every)
        return bool(mine) if every else None
    return None


def only_who_may(case: Case) -> bool:
    """Deny whoever may not, and change nothing for it; deny nobody who may. End no run but of one who may end it."""
    given, before, reply = case.given, case.before, case.step.reply
    if isinstance(given, StartRun):
        return before is None or superseded_rightly(before, given, case)
    allowed = may(case)
    if allowed is None:
        return True
    denied = isinstance(reply, Rejection) and reply.error == "Denied"
    if not allowed:
        return denied and not case.changed
    if isinstance(given, AbortSession) and {one.spec.id for one in case.step.ended} - {*owned(before, given.by)}:
        return False
    return not denied


def superseded_rightly(before: Session, given: StartRun, case: Case) -> bool:
    """Let new input end the head if it was sent to interrupt, by one who may abort the head; and no other run."""
    head, ended = before.head, [one.spec.id for one in case.step.ended]
    if not case.changed or head is None or given.when_busy != "interrupt" or not owns(before, head.spec, given.owner):
        return not ended
    return ended == [head.spec.id]
