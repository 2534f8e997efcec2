"""Refusing: the replies that say no, and the one that says it is over.

What lives here: how a rejection is worded. What must not: when it is given. The law of this file: subject, fact, remedy.
"""

from __future__ import annotations

from lifecycle.kernel.replies import (
    AlreadyEnded,
    Rejection,
)
from lifecycle.kernel.values import (
    Ended,
    Run,
)


def not_found(what: str) -> Rejection:
    """Refuse a name that nothing here has."""
    return Rejection("NotFound", what, "not known here", "check the name; ended runs are forgotten after retention")


def denied(what: str, by: str, verb: str, whom: str = "its owner or an admin") -> Rejection:
    """Refuse a principal, and name who may: never somebody who would be refused as well."""
    return Rejection("Denied", what, f"{by!r} may not {verb} it", f"ask {whom}")


def conflict(subject: str, fact: str, remedy: str) -> Rejection:
    """Refuse a second, different use of a name."""
    return Rejection("Conflict", subject, fact, remedy)


def malformed(what: str, got: object, known: tuple[str, ...]) -> Rejection:
    """Refuse a choice that does not exist."""
    return Rejection("Invalid", what, f"{got!r} is no choice", f"use one of {', '.join(known)}")


def ended_reply(ended: Ended) -> AlreadyEnded:
    """Tell how a run ended."""
    return AlreadyEnded(ended.spec.id, ended.state, ended.cause, ended.who, ended.text, ended.result)


def too_many(run: Run, limit: str, bound: int, remedy: str) -> Rejection:
    """Refuse questions beyond a limit."""
    fact = f"its questions would pass {limit} ({bound})"
    return Rejection("Busy", f"run {run.spec.id}", fact, remedy, (("limit", limit), ("bound", bound)))
