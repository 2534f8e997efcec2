"""Routes: which input fires which trigger, on whom, with which cause.

What lives here: a table from inputs to triggers, and the few effects that are fields rather than states. What must
not: whether the input may pass (judges), and what a trigger does (the machines). The law of this file: an end has one
cause, and it is written here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from lifecycle import hooks
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.finding import is_open, request_open_or_closed
from lifecycle.kernel.firing import admit_run, fire_execution, fire_request, fire_run, fire_session
from lifecycle.kernel.inputs import (
    Decide,
    ExecutionSettled,
    Failure,
    Lost,
    Parked,
    ProviderReported,
    Recovered,
    RunAsked,
    StartRun,
    TimerFired,
    Value,
)
from lifecycle.kernel.judges import may_abort
from lifecycle.kernel.judging_questions import limit_passed
from lifecycle.kernel.values import Answer, Request, Run, RunSpec, Session
from lifecycle.kernel.work import RUNS, End, Work, thawed_head, thawed_run, thawed_slot
from lifecycle.machines import SESSION_CAUSES, STATE_OF

build_end = twin_of(End).make  # a step's own, and never frozen
build_answer = twin_of(Answer).build
build_spec = twin_of(RunSpec).build

Find = Callable[[Work], Any]
"""Finds what a trigger is fired on, thawed; none if it is not there."""

Effect = Callable[[Work], None]


@attrs.frozen
class Fire:
    """Fire ``trigger`` of a machine on the subject found, if there is one; ``cause`` goes with those that end a run."""

    machine: str
    trigger: str
    on: Find
    cause: str | None = None

    def effect(self) -> Effect:
        """Compile: choose the function for the machine now, so that a step only calls it."""
        return FIRING[self.machine](self.trigger, self.on, self.cause)


@attrs.frozen
class EndEach(Fire):
    """Fire a trigger that ends a run on every run found; ``on`` gives a list."""

    def effect(self) -> Effect:
        """Compile."""
        trigger, on, cause = self.trigger, self.on, self.cause

        def effect(work: Work) -> None:
            for run in on(work):
                fire_run(work, run, trigger, end_of(work, cause))

        return effect


def firing_run(trigger: str, on: Find, cause: str | None) -> Effect:
    """Fire on a run: an end brings its cause, an ask its questions."""
    if trigger in STATE_OF:

        def effect(work: Work) -> None:
            run = on(work)
            if run is not None:
                fire_run(work, run, trigger, end_of(work, cause))
    elif trigger == "ask":

        def effect(work: Work) -> None:
            run = on(work)
            if run is not None:
                fire_run(work, run, trigger, work.about.fresh)
    else:

        def effect(work: Work) -> None:
            run = on(work)
            if run is not None:
                fire_run(work, run, trigger, None)

    return effect


def firing_request(trigger: str, on: Find, cause: str | None) -> Effect:
    """Fire on a request: it brings the answer, and the end that a rejection is."""

    def effect(work: Work) -> None:
        request = on(work)
        if request is not None:
            run = thawed_head(work)
            assert run is not None
            why = None if cause is None else end_of(work, cause)
            fire_request(work, run, request, trigger, answer_of(work, request), why)

    return effect


def firing_execution(trigger: str, on: Find, cause: str | None) -> Effect:
    """Fire on the execution."""

    def effect(work: Work) -> None:
        slot = on(work)
        if slot is not None:
            fire_execution(work, slot, trigger)

    return effect


def firing_session(trigger: str, on: Find, cause: str | None) -> Effect:
    """Fire on the session."""

    def effect(work: Work) -> None:
        fire_session(work, trigger)

    return effect


FIRING: dict[str, Callable[[str, Find, str | None], Effect]] = {
    "run": firing_run,
    "execution": firing_execution,
    "session": firing_session,
    "request": firing_request,
}


def effects(route: tuple[Fire | Effect, ...]) -> tuple[Effect, ...]:
    """Compile a route."""
    return tuple([one.effect() if isinstance(one, Fire) else one for one in route])


def in_turn(effects: tuple[Effect, ...]) -> Effect:
    """Return one effect for all of a route."""

    def every(work: Work) -> None:
        for effect in effects:
            effect(work)

    return every


# -- why --------------------------------------------------------------------------------------------------------------


def end_of(work: Work, cause: str | None) -> End:
    """Say why something ends: the cause of the route; who and what, from the input."""
    given: Any = work.input
    assert cause is not None
    if type(given) is ExecutionSettled:
        return end_of_settled(work, cause, given)
    if type(given) is RunAsked:
        return build_end(cause, "agent", work.about.fault, None)
    text = getattr(given, "text", "") or getattr(given, "content", None) or ""
    who = (
        f"timer {given.name}" if isinstance(given, TimerFired) else getattr(given, WHO.get(type(given), "by"), "engine")
    )
    return build_end(cause, who, text, getattr(given, "result", None))


WHO = {StartRun: "owner"}
"""Which field names the principal where it is not ``by``: whoever interrupts is the owner of the new run."""


def end_of_settled(work: Work, cause: str, given: ExecutionSettled) -> End:
    """Say how the code's return ends its run."""
    result = given.result
    if isinstance(result, Value):
        return build_end(cause, "agent", "", result.result)
    if isinstance(result, Failure):
        return build_end(cause, "agent", result.text, None)
    if isinstance(result, Parked):
        return build_end(cause, "agent", fault_of_park(work, result) or "", None)
    return build_end(cause, "engine", "its code settled without a result", None)


def answer_of(work: Work, request: Request) -> Answer | None:
    """Make the answer that closes a request: the decision, or the denial that an expiry stands for."""
    given = work.input
    if isinstance(given, Decide):
        return answered(work, request, given.decision, given.kind, given.content, given.by)
    if isinstance(given, TimerFired) and request.on_expiry != "keep":
        return answered(work, request, "", "expired", None, "timer expiry")
    return None


def answered(work: Work, request: Request, decision: str, kind: str, content: str | None, by: str) -> Answer:
    """Make an answer to a request, given now."""
    r = request
    return build_answer(r.id, r.kind, r.body, r.digest, decision, kind, content, by, work.now)


# -- on whom ----------------------------------------------------------------------------------------------------------


def named_run(work: Work) -> Run:
    """The run that the input names."""
    given: Any = work.input
    return thawed_run(work, given.run)


def timed_run(work: Work) -> Run:
    """The run that owns the timer."""
    given: Any = work.input
    return thawed_run(work, given.owner)


head = thawed_head
slot = thawed_slot


def run_of_slot(work: Work) -> Run | None:
    """The run whose code it is, if it is unfinished."""
    execution, run = work.session.execution, work.session.head
    return thawed_head(work) if execution is not None and run is not None and run.spec.id == execution.run else None


def every_run(work: Work) -> list[Run]:
    """Every unfinished run, oldest first."""
    return [thawed_run(work, run.spec.id) for run in work.session.unfinished()]


def abortable_runs(work: Work) -> list[Run]:
    """Every unfinished run that the caller may abort, oldest first."""
    given: Any = work.input
    session = work.session
    return [thawed_run(work, run.spec.id) for run in session.unfinished() if may_abort(session, run, given.by)]


def interrupted_head(work: Work) -> Run | None:
    """The head that a newer input aborts, if its sender may; otherwise the input is enqueued."""
    given: Any = work.input
    run = work.session.head
    return thawed_head(work) if run is not None and may_abort(work.session, run, given.owner) else None


def named_request(work: Work) -> Request | None:
    """The request of the head that the input names, or whose timer fired."""
    given: Any = work.input
    run = work.session.head
    name = given.owner if type(given) is TimerFired else given.request
    return None if run is None else request_open_or_closed(run, name)


def session_itself(work: Work) -> Session:
    """The session."""
    return work.session


# -- effects that are fields, not states ------------------------------------------------------------------------------


def admit(work: Work) -> None:
    """Admit the new run: at the end of the queue, or first when it interrupts."""
    given = work.input
    assert isinstance(given, StartRun)
    interrupts = given.when_busy == "interrupt" and any(run.state == "interrupted" for _, run in work.runs)
    spec = build_spec(
        given.run,
        given.key,
        given.owner,
        given.deciders,
        given.agent,
        given.input,
        given.digest,
        given.deadline_us,
        given.queue_deadline_us,
        given.on_crash,
        work.session.revision,
        work.now,
    )
    initial = work.tables.machines["run"].initial
    run = RUNS.make(spec, initial, 1, 1, given.deadline_us, None, None, (), (), None, 0, 0)
    admit_run(work, run, interrupts)


def attach(work: Work) -> None:
    """Add the attachment."""
    given: Any = work.input
    work.session.attachments = (*work.session.attachments, given.attachment)


def detach(work: Work) -> None:
    """Remove exactly the attachment named."""
    given: Any = work.input
    work.session.attachments = tuple(one for one in work.session.attachments if one != given.attachment)


def checkpoint(work: Work) -> None:
    """Keep the checkpoint; what was answered before it is the past."""
    given: Any = work.input
    run = run_of_slot(work)
    if run is not None:
        run.checkpoint, run.answers, run.asked = given.data, (), run.questions


def park(work: Work) -> None:
    """Keep the checkpoint that parking brings, before the questions are opened; without one, the last one stands."""
    given: Any = work.input
    if given.result.checkpoint is None:
        return
    parked_on = {question.id for question in given.result.questions}
    run = run_of_slot(work)
    if run is not None:
        run.checkpoint = given.result.checkpoint
        run.answers = tuple(answer for answer in run.answers if answer.request in parked_on)


def count_questions(work: Work) -> None:
    """Count the questions parked on among those before the checkpoint: the next call names its own afresh."""
    given: Any = work.input
    if given.result.checkpoint is not None:
        run = thawed_head(work)
        if run is not None:
            run.asked = run.questions


def name_cause(work: Work) -> None:
    """Say why the session is stopped: the trigger that stopped it tells."""
    work.session.cause = SESSION_CAUSES[work.moves[-1][2]]


def offer_again(work: Work) -> None:
    """Make a pending offer once more: whoever had it is gone."""
    execution = thawed_slot(work)
    if execution is not None:
        work.edges += (hooks.OfferBegin(execution.run, execution.id),)


def release_all(work: Work) -> None:
    """Let go of what died with the last process; what is held is taken again when the step is compared."""
    given = work.input
    assert isinstance(given, Recovered)
    work.plans = work.tables.plans_again
    work.session.attachments = ()
    work.session.policy = given.policy
    every_run(work)
    thawed_slot(work)


def next_segments(work: Work) -> None:
    """End the segments whose frames are lost: each run that goes on opens its next one."""
    for before, run in work.runs:
        if before is not None and before.attempt == run.attempt and run.state in work.tables.segment_states:
            run.segment += 1


# -- the table --------------------------------------------------------------------------------------------------------

ROUTES: dict[str, tuple[Fire | Effect, ...]] = {
    # requests
    "StartRun": (admit,),
    "StartRun.interrupt": (Fire("run", "abort", interrupted_head, "superseded"), admit),
    "Begin": (Fire("execution", "begin", slot),),
    "AbortRun": (Fire("run", "abort", named_run, "aborted"),),
    "AbortSession": (EndEach("run", "abort", abortable_runs, "aborted"),),
    "Decide.approve": (Fire("request", "answer", named_request),),
    "Decide.answer": (Fire("request", "answer", named_request),),
    "Decide.reject_and_continue": (Fire("request", "answer", named_request),),
    "Decide.reject": (Fire("request", "reject", named_request, "rejected"),),
    "Attach": (attach,),
    "CloseSession": (EndEach("run", "stop", every_run, "closed"), Fire("session", "close", session_itself), name_cause),
    "Shutdown": (Fire("run", "abort", run_of_slot, "shutdown"),),
    # facts about clients
    "Detached": (detach,),
    # facts about code
    "RunAsked": (Fire("run", "ask", head),),
    "RunAsked.faulty": (Fire("run", "fail", head, "failed"),),
    "RequestRetracted": (Fire("request", "withdraw", named_request),),
    "Checkpointed": (checkpoint,),
    "RunCompleted": (Fire("run", "complete", named_run, "completed"),),
    "RunFailed": (Fire("run", "fail", named_run, "failed"),),
    "ExecutionSettled.Value": (Fire("execution", "settle", slot), Fire("run", "complete", run_of_slot, "completed")),
    "ExecutionSettled.Failure": (Fire("execution", "settle", slot), Fire("run", "fail", run_of_slot, "failed")),
    "ExecutionSettled.Parked": (
        Fire("execution", "settle", slot),
        park,
        Fire("run", "ask", run_of_slot),
        count_questions,
    ),
    "ExecutionSettled.NoneType": (Fire("execution", "settle", slot), Fire("run", "fail", run_of_slot, "failed")),
    # facts about a provider
    "ProviderReported.ready": (Fire("run", "complete", head, "provider_ready"),),
    "ProviderReported.interrupted": (Fire("run", "abort", head, "provider_interrupted"),),
    "ProviderReported.stopped": (Fire("run", "stop", head, "provider_stopped"),),
    "ProviderReported.error": (Fire("run", "fail", head, "provider_error"),),
    "ProviderReported.gone": (Fire("run", "fail", head, "provider_gone"),),
    # timers
    "TimerFired.expiry.deny_and_continue": (Fire("request", "expire", named_request),),
    "TimerFired.expiry.stop": (Fire("request", "lapse", named_request, "request_expired"),),
    "TimerFired.expiry.keep": (Fire("request", "keep", named_request),),
    "TimerFired.deadline": (Fire("run", "stop", timed_run, "deadline"),),
    "TimerFired.queue_deadline": (Fire("run", "stop", timed_run, "queue_deadline"),),
    "TimerFired.closing": (Fire("execution", "abandon", slot),),
    "TimerFired.orphan": (Fire("session", "reap", session_itself), name_cause),
    # losses
    "Lost.pending": (offer_again,),
    "Lost.closing": (Fire("execution", "settle", slot),),
    "Lost.interrupt": (Fire("execution", "settle", slot), Fire("run", "abort", run_of_slot, "crashed")),
    "Lost.error": (Fire("execution", "settle", slot), Fire("run", "fail", run_of_slot, "crashed_out")),
    "Lost.rerun": (Fire("execution", "settle", slot), Fire("run", "rerun", run_of_slot)),
    "SetAside": (Fire("run", "fail", head, "failed"),),
}

RECOVERY = {
    "pending": (),
    **{how: effects(ROUTES[f"Lost.{how}"]) for how in ("closing", "interrupt", "error", "rerun")},
}
"""What recovery does with the execution in the slot: as if it were lost, but offers are made again by being held."""


def recovery(work: Work) -> None:
    """Take the session over: release, treat the lost execution by policy, continue what goes on."""
    release_all(work)
    lost = work.session.execution
    if lost is not None:
        how = loss(work.session) if lost.state == "executing" else lost.state
        for effect in RECOVERY[how]:
            effect(work)
    next_segments(work)


ROUTES["Recovered"] = (recovery,)


# -- which route an input takes ---------------------------------------------------------------------------------------


def loss(session: Session) -> str:
    """Say what a crash does to the run whose code was at work: its policy, unless running it again could harm."""
    run = session.head
    assert run is not None
    wanted = run.spec.on_crash
    if wanted != "rerun":
        return wanted
    answers = (*run.answers, *(request.answer for request in run.requests if request.answer is not None))
    if any(answer.permits for answer in answers):
        return "interrupt"
    return "error" if run.attempt >= session.policy.attempts_max else "rerun"


def fault_of_park(work: Work, result: Parked) -> str | None:
    """Say why code may not park like this; none if it may."""
    before = work.before
    assert before is not None and before.execution is not None and before.head is not None
    if before.execution.state != "executing":
        return "it parked before it was called"
    if work.about.fault is not None:
        return str(work.about.fault)
    if not work.about.fresh and not any(is_open(before.head, question.id) for question in result.questions):
        return f"it parks on {result.questions[0].id}, which was answered: see its answers"
    passed = limit_passed(before.policy, before.head, len(work.about.fresh))
    return None if passed is None else passed.fact


def route_of_settled(work: Work, given: ExecutionSettled) -> str:
    """Choose by the result; code that parks wrongly, or was never called, has failed."""
    result = given.result
    if isinstance(result, Parked) and run_of_slot(work) and fault_of_park(work, result) is not None:
        return "ExecutionSettled.Failure"
    return SETTLED_ROUTES[type(result)]


SETTLED_ROUTES = {
    Value: "ExecutionSettled.Value",
    Failure: "ExecutionSettled.Failure",
    Parked: "ExecutionSettled.Parked",
    type(None): "ExecutionSettled.NoneType",
}


def route_of_asked(work: Work, given: RunAsked) -> str:
    """Choose by whether the questions can be asked."""
    return "RunAsked" if work.about.fault is None else "RunAsked.faulty"


def route_of_timer(work: Work, given: TimerFired) -> str:
    """Choose by the timer's name, and for an expiry by its policy."""
    if given.name != "expiry":
        return f"TimerFired.{given.name}"
    run = work.session.head
    request = None if run is None else request_open_or_closed(run, given.owner)
    assert request is not None
    return f"TimerFired.expiry.{request.on_expiry}"


def route_of_lost(work: Work, given: Lost) -> str:
    """Choose by what the execution was doing."""
    execution = work.session.execution
    assert execution is not None
    return f"Lost.{loss(work.session) if execution.state == 'executing' else execution.state}"


def route_of_start(work: Work, given: StartRun) -> str:
    """Choose by what the input does to a busy session."""
    return "StartRun.interrupt" if given.when_busy == "interrupt" else "StartRun"


def route_of_report(work: Work, given: ProviderReported) -> str:
    """Choose by the report."""
    return f"ProviderReported.{given.report}"


def route_of_decision(work: Work, given: Decide) -> str:
    """Choose by the decision."""
    return DECISION_ROUTES[given.kind]


DECISION_ROUTES = {kind: f"Decide.{kind}" for kind in ("approve", "answer", "reject_and_continue", "reject")}

CHOOSERS: dict[type, Callable[[Work, Any], str]] = {
    StartRun: route_of_start,
    Decide: route_of_decision,
    RunAsked: route_of_asked,
    ExecutionSettled: route_of_settled,
    ProviderReported: route_of_report,
    TimerFired: route_of_timer,
    Lost: route_of_lost,
}
"""Inputs with several routes; any other has the one of its own name."""
