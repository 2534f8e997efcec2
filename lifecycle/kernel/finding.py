"""Finding: what a name in an input stands for, in the session as it is.

What lives here: look-ups. What must not: a verdict. The law of this file: what is not there is none, never an error.
"""

from __future__ import annotations

from lifecycle.kernel.values import (
    Answer,
    Execution,
    Question,
    Request,
    Run,
    Session,
    Timer,
)


def run_named(session: Session | None, name: str) -> Run | None:
    """Return the unfinished run of that id."""
    if session is None:
        return None
    head = session.head
    if head is not None and head.spec.id == name:
        return head
    for run in session.queue:
        if run.spec.id == name:
            return run
    return None


def request_open_or_closed(run: Run, name: str) -> Request | None:
    """Return the request of that id in the batch the run waits for."""
    for request in run.requests:
        if request.id == name:
            return request
    return None


def is_open(run: Run, name: str) -> bool:
    """Say whether that question is open now."""
    request = request_open_or_closed(run, name)
    return request is not None and request.state == "open"


def count_open(run: Run) -> int:
    """Count the questions that are open now."""
    count = 0
    for request in run.requests:
        if request.state == "open":
            count += 1
    return count


Known = tuple[Request, ...]
"""Requests of a run that the store has closed: ids name one question of a run for ever."""


def answer_given(run: Run, name: str, known: Known = ()) -> Answer | None:
    """Return the answer given to that question."""
    for answer in run.answers:
        if answer.request == name:
            return answer
    for request in (*run.requests, *known):
        if request.id == name and request.answer is not None:
            return request.answer
    return None


def answers_given(run: Run, questions: tuple[Question, ...], known: Known) -> tuple[Answer, ...]:
    """Return the answers that there are to these questions."""
    answers = [answer_given(run, question.id, known) for question in questions]
    return tuple([answer for answer in answers if answer is not None])


def slot_of(session: Session | None, execution: int | None, token: int | None) -> Execution | None:
    """Return the live execution that a fact names by id and token."""
    slot = None if session is None else session.execution
    if slot is None or slot.id != execution or slot.token != token:
        return None
    return slot


def timer_named(session: Session | None, name: str, owner: str) -> Timer | None:
    """Return the timer of that name and owner that is armed now."""
    if session is None:
        return None
    if name == "orphan":
        return session.orphan if owner == session.id else None
    if name == "closing":
        slot = session.execution
        return slot.closing if slot is not None and slot.run == owner else None
    if name == "expiry":
        request = None if session.head is None else request_open_or_closed(session.head, owner)
        return None if request is None else request.expiry
    run = run_named(session, owner)
    if run is None:
        return None
    return run.deadline if name == "deadline" else run.queue_deadline if name == "queue_deadline" else None
