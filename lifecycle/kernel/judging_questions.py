"""Judging questions: what questions must pass before a run waits for them.

What lives here: which of an agent's questions are new, and what is wrong with them. What must not: opening them. The
law of this file: an id names one question of its run for ever.
"""

from __future__ import annotations

from typing import Any

from lifecycle.kernel.finding import (
    Known,
    answer_given,
    answers_given,
    count_open,
    is_open,
    request_open_or_closed,
)
from lifecycle.kernel.inputs import (
    RequestRetracted,
    RunAsked,
)
from lifecycle.kernel.refusing import too_many
from lifecycle.kernel.replies import (
    Asked,
    Rejection,
    Reply,
    Stale,
)
from lifecycle.kernel.values import (
    ON_EXPIRY,
    Policy,
    Question,
    Run,
    Session,
)


def fault_of_questions(run: Run, questions: tuple[Question, ...], known: Known) -> str | None:
    """Say what is wrong with the questions that code brings; none if nothing is."""
    if not questions:
        return "it asked nothing: waiting for a human needs at least one question"
    if len(questions) > 1 and len({question.id for question in questions}) < len(questions):
        return "it asked two questions of one id at once"
    for question in questions:
        if question.on_expiry not in ON_EXPIRY:
            return f"question {question.id}: {question.on_expiry!r} is no policy for its expiry"
        if run.requests or run.answers or known:
            before = digest_known(run, question.id, known)
            if before is not None and before != question.digest:
                return f"question {question.id}: asked before with other content"
    return None


def digest_known(run: Run, name: str, known: Known) -> str | None:
    """Return the digest under which that question was asked before and not taken back."""
    old = request_open_or_closed(run, name) or answer_given(run, name, known)
    return None if old is None else old.digest


def fresh_questions(run: Run, questions: tuple[Question, ...], known: Known) -> tuple[Question, ...]:
    """Return the questions that are neither open nor answered."""
    if not run.requests and not run.answers and not known:
        return questions
    return tuple([one for one in questions if answer_given(run, one.id, known) is None and not is_open(run, one.id)])


def questions_fit(session: Session | None, given: RunAsked, about: Any) -> Reply | None:
    """The open requests and the answers kept stay within their limits."""
    assert session is not None and session.head is not None
    return limit_passed(session.policy, session.head, len(about.fresh))


def limit_passed(policy: Policy, run: Run, count: int) -> Rejection | None:
    """Refuse ``count`` more questions where they would pass a limit."""
    if count_open(run) + count > policy.requests_max:
        return too_many(run, "requests_max", policy.requests_max, "wait for the answers to some first")
    if len(run.answers) + len(run.requests) + count > policy.answers_max:
        return too_many(run, "answers_max", policy.answers_max, "set a checkpoint: it makes earlier answers the past")
    return None


def something_new_is_asked(session: Session | None, given: RunAsked, about: Any) -> Reply | None:
    """At least one question is neither open nor answered; otherwise the answers there are, are the reply."""
    assert session is not None and session.head is not None
    if about.fresh or about.fault is not None:
        return None
    return Asked(answers_given(session.head, given.questions, given.known))


def question_is_open(session: Session | None, given: RequestRetracted, about: Any) -> Reply | None:
    """The question taken back is open."""
    assert session is not None
    head = session.head
    return None if head is not None and is_open(head, given.request) else Stale(f"request {given.request}")
