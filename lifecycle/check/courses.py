"""Courses: how runs follow each other, what a crash does to them, what is kept of them, and what is said of their ends.

What lives here: rules of safety about the course of a run, each restated from the session's data. What must not: the
kernel's routes and choices, or anything of them. The law of this file: a rule says what must come of the step, not how.
"""

from __future__ import annotations

from typing import Any

from lifecycle import hooks
from lifecycle.check.case import Case
from lifecycle.kernel.inputs import (
    AbortRun,
    AbortSession,
    Checkpointed,
    CloseSession,
    Decide,
    ExecutionSettled,
    Failure,
    Input,
    Lost,
    Parked,
    Recovered,
    RunAsked,
    RunCompleted,
    RunFailed,
    SetAside,
    Shutdown,
    StartRun,
    TimerFired,
    Value,
)
from lifecycle.kernel.replies import Admitted, Rejection
from lifecycle.kernel.values import Answer, Question, Run

# -- turns ------------------------------------------------------------------------------------------------------------


def turns_are_kept(case: Case) -> bool:
    """Keep unfinished runs in the order in which they came; only one that ends the head goes before those that wait."""
    ended = {one.spec.id for one in case.step.ended}
    wanted = [run.spec.id for run in (() if case.before is None else case.before.unfinished())]
    interrupts = any(one.cause == "superseded" for one in case.step.ended)
    wanted = [name for name in wanted if name not in ended]
    if isinstance(case.given, StartRun) and isinstance(case.step.reply, Admitted):
        wanted = [case.given.run, *wanted] if interrupts else [*wanted, case.given.run]
    return [run.spec.id for run in case.after.unfinished()] == wanted


# -- crashes ----------------------------------------------------------------------------------------------------------


def let_something_be_done(answer: Answer) -> bool:
    """Say whether a human said yes: what was done for it must not be done again."""
    return answer.kind == "approve" or (answer.kind == "answer" and answer.question == "approval")


def was_allowed(run: Run) -> bool:
    """Say whether something was approved since the latest checkpoint of a run."""
    closed = [request.answer for request in run.requests if request.answer is not None]
    return any(let_something_be_done(answer) for answer in (*run.answers, *closed))


def was_cut_off(case: Case) -> Run | None:
    """Return the run whose code was at work when its process or worker went."""
    slot = None if case.before is None else case.before.execution
    if not isinstance(case.given, Lost | Recovered) or not case.changed or slot is None or slot.state != "executing":
        return None
    return None if case.before is None else case.before.head


def crash_is_treated_by_policy(case: Case) -> bool:
    """End a run whose code was lost, or run it again, as its policy says; not after an approval, nor too often.

    What was only offered is offered again; no other run is touched.
    """
    given, before = case.given, case.before
    if not isinstance(given, Lost | Recovered) or not case.changed or before is None:
        return True
    ended = [(one.spec.id, one.state, one.cause) for one in case.step.ended]
    run, slot = was_cut_off(case), before.execution
    if run is None:
        if slot is not None and slot.state == "pending":
            kept = case.after.execution
            offered = [hook.execution for hook in case.step.hooks if isinstance(hook, hooks.OfferBegin)]
            return not ended and kept is not None and offered == [kept.id]
        return not ended
    policy = given.policy if isinstance(given, Recovered) else before.policy
    name, wanted = run.spec.id, run.spec.on_crash
    if wanted == "rerun" and not was_allowed(run) and run.attempt < policy.attempts_max:
        head = case.after.head
        return not ended and head is not None and (head.spec.id, head.attempt) == (name, run.attempt + 1)
    if wanted == "interrupt" or (wanted == "rerun" and was_allowed(run)):
        return ended == [(name, "interrupted", "crashed")]
    return ended == [(name, "error", "crashed_out")]


# -- checkpoints ------------------------------------------------------------------------------------------------------


def checkpoint_stands(case: Case) -> bool:
    """Keep a checkpoint until the next one, and with it no answer from before but to what the code parks on."""
    old, head = None if case.before is None else case.before.head, case.after.head
    if old is None or head is None or head.spec.id != old.spec.id:
        return True
    given = case.given
    if isinstance(given, Checkpointed):
        return (head.checkpoint, head.answers, head.asked) == (given.data, (), old.questions)
    result = given.result if isinstance(given, ExecutionSettled) else None
    if isinstance(result, Parked) and result.checkpoint is not None:
        parked_on = {question.id for question in result.questions}
        kept = tuple(answer for answer in old.answers if answer.request in parked_on)
        return (head.checkpoint, head.answers, head.asked) == (result.checkpoint, kept, head.questions)
    return head.checkpoint == old.checkpoint


# -- questions --------------------------------------------------------------------------------------------------------


class Asking:
    """What code brings when it asks: what of it is new, is answered, names something else, or is too much."""

    def __init__(self, run: Run, questions: tuple[Question, ...], known: tuple[Any, ...], policy: Any) -> None:
        answers = {request.answer.request: request.answer for request in known if request.answer is not None}
        answers |= {request.id: request.answer for request in run.requests if request.answer is not None}
        answers |= {answer.request: answer for answer in run.answers}
        still = {request.id: request for request in run.requests if request.state == "open"}
        digests = {name: one.digest for name, one in (*still.items(), *answers.items())}
        self.fresh = [one for one in questions if one.id not in answers and one.id not in still]
        self.answers = tuple(answers[one.id] for one in questions if one.id in answers)
        self.is_other = any(digests.get(one.id, one.digest) != one.digest for one in questions)
        self.is_too_much = (
            len(still) + len(self.fresh) > policy.requests_max
            or len(run.answers) + len(run.requests) + len(self.fresh) > policy.answers_max
        )
        self.is_of_open = any(one.id in still for one in questions)


def asking_of(case: Case) -> Asking | None:
    """Return what code at work brings; none where nothing is asked, or by code that is not at work."""
    given, before = case.given, case.before
    slot = None if before is None else before.execution
    brings = given if isinstance(given, RunAsked) else given.result if isinstance(given, ExecutionSettled) else None
    if not isinstance(given, RunAsked | ExecutionSettled) or not isinstance(brings, RunAsked | Parked):
        return None
    if (
        before is None
        or slot is None
        or (slot.id, slot.token, slot.state)
        != (
            given.execution,
            given.token,
            "executing",
        )
    ):
        return None
    return None if before.head is None else Asking(before.head, brings.questions, given.known, before.policy)


def id_names_one_question(case: Case) -> bool:
    """Fail code that asks something else under the name of a question that is open or was answered."""
    asking = asking_of(case)
    if asking is None or not asking.is_other:
        return True
    return [(one.state, one.cause) for one in case.step.ended[:1]] == [("error", "failed")]


def limits_are_kept(case: Case) -> bool:
    """Refuse what would pass a limit of the queue or of questions, and nothing else for that reason."""
    before, given, reply = case.before, case.given, case.step.reply
    busy = isinstance(reply, Rejection) and reply.error == "Busy"
    asking = asking_of(case)
    if isinstance(given, StartRun) and not busy:
        return not case.changed or before is None or before.head is None or has_room(case, given)
    if isinstance(given, StartRun):
        return not has_room(case, given)
    if asking is None or asking.is_other or not asking.fresh:
        return not busy
    if isinstance(given, RunAsked):
        return busy is asking.is_too_much
    failed = [one.cause for one in case.step.ended[:1]] == ["failed"]
    return failed is asking.is_too_much


def has_room(case: Case, given: StartRun) -> bool:
    """Say whether a run may come: nothing is unfinished, or it may wait and there is a place in the queue."""
    before = case.before
    if before is None or before.head is None:
        return True
    return given.when_busy != "reject" and len(before.queue) < before.policy.queue_max


# -- ends -------------------------------------------------------------------------------------------------------------

ENGINE: tuple[type[Input], ...] = (RunCompleted, RunFailed, Lost, Recovered, SetAside)


def who_ended(given: Input) -> str | None:
    """Say who ends a run by an input: a principal, a timer, the agent or the engine; none: the input does not say."""
    if isinstance(given, AbortRun | AbortSession | CloseSession | Decide | Shutdown):
        return given.by
    if isinstance(given, StartRun):
        return given.owner
    if isinstance(given, TimerFired):
        return f"timer {given.name}"
    if isinstance(given, RunAsked):
        return "agent"
    if isinstance(given, ExecutionSettled):
        return "engine" if given.result is None else "agent"
    return "engine" if isinstance(given, ENGINE) else None


def end_is_told_in_full(case: Case) -> bool:
    """Keep of an end who or what ended it, the words that came with it, and the value that the agent returned."""
    given: Any = case.given
    told = given.result if isinstance(given, ExecutionSettled) else given
    result = told.result if isinstance(told, Value | RunCompleted) else None
    words = told.text if isinstance(told, Failure | RunFailed | SetAside | AbortRun | AbortSession) else None
    who = who_ended(given)
    for one in case.step.ended:
        if (who is not None and one.who != who) or one.result != result or (words is not None and one.text != words):
            return False
    return True


def session_says_why_it_stopped(case: Case) -> bool:
    """Say of a session why it is stopped: closed by somebody, or orphaned."""
    before, after = case.before, case.after
    if after.state != "stopped" or before is None or before.state == "stopped":
        return True
    return after.cause == ("orphaned" if isinstance(case.given, TimerFired) else "closed")
