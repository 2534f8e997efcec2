"""Judging decisions: what a decision must pass, in the order in which it is judged.

What lives here: the named guards of ``Decide``. What must not: what an answer does. The law of this file: not found,
denied, the same decision, another digest, another decision, closed, ended; the first that applies is the answer.
"""

from __future__ import annotations

from typing import Any

from lifecycle.kernel.inputs import (
    Decide,
)
from lifecycle.kernel.refusing import conflict, denied, ended_reply, malformed, not_found
from lifecycle.kernel.replies import (
    AlreadyClosed,
    Decided,
    Rejection,
    Reply,
)
from lifecycle.kernel.values import (
    Session,
)

DECISIONS = ("approve", "reject", "reject_and_continue", "answer")


def asking_run_known(session: Session | None, given: Decide, about: Any) -> Reply | None:
    """The run is here, or the store has the record of its end."""
    if session is not None and (about.run is not None or given.found.run is not None):
        return None
    return not_found(f"run {given.run}")


def request_known(session: Session | None, given: Decide, about: Any) -> Reply | None:
    """The run asked, or has asked, that question."""
    return not_found(f"request {given.request} of run {given.run}") if about.request is None else None


def caller_may_decide(session: Session | None, given: Decide, about: Any) -> Reply | None:
    """The caller is the owner, a named decider of run or request, or an admin."""
    assert session is not None
    run, request = about.run, about.request
    named = run if run is not None else given.found.run
    assert named is not None
    spec = named.spec
    by = given.by
    if by == spec.owner or by in spec.deciders or by in request.deciders or by in session.policy.admins:
        return None
    return denied(f"request {given.request}", given.by, "decide", "its owner, a named decider or an admin")


def decision_is_well_formed(session: Session | None, given: Decide, about: Any) -> Reply | None:
    """The decision is one of the four, and an answer says something."""
    if given.kind not in DECISIONS:
        return malformed("decision", given.kind, DECISIONS)
    if given.kind == "answer" and not given.content:
        return Rejection("Invalid", f"request {given.request}", "the answer is empty", "say something, or reject it")
    if given.kind == "approve" and about.request.kind in ("choice", "text"):
        fact = f"it asks for a {about.request.kind}, which approve does not give"
        return Rejection("Invalid", f"request {given.request}", fact, "answer it, or reject it")
    return None


def decision_is_first(session: Session | None, given: Decide, about: Any) -> Reply | None:
    """No decision was taken: the very same one gets its reply again, another conflicts."""
    request = about.request
    answer = request.answer
    if answer is None and given.found.request is not None:
        answer = given.found.request.answer
    if answer is None or answer.kind == "expired":
        return None
    if answer.decision == given.decision:
        same = (answer.kind, answer.content, answer.by) == (given.kind, given.content, given.by)
        if same and request.digest == given.digest:
            return Decided(given.run, given.request, given.decision, given.kind)
        return conflict(f"decision {given.decision}", "was taken with other content", "use a new id for a new decision")
    return None


def digest_matches(session: Session | None, given: Decide, about: Any) -> Reply | None:
    """What is decided is what was shown."""
    request = about.request
    if request.digest == given.digest:
        return None
    return conflict(f"request {given.request}", "is not what was shown", "look at it again, then decide")


def not_decided_otherwise(session: Session | None, given: Decide, about: Any) -> Reply | None:
    """Nobody else has decided it."""
    request = about.request
    answer = request.answer
    if answer is None or answer.kind == "expired":
        return None
    return conflict(
        f"request {given.request}", f"was decided by {answer.by!r} ({answer.kind})", "nothing is left to do"
    )


def request_still_open(session: Session | None, given: Decide, about: Any) -> Reply | None:
    """The request has neither expired nor been withdrawn, and its run goes on; what closed first is told."""
    request = about.request
    if request.state == "open" and about.run is not None:
        return None
    if given.found.run is not None and request.with_run:
        return ended_reply(given.found.run)
    return AlreadyClosed(given.run, given.request, request.state)
