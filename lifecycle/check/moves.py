"""Moves: everything that can happen to a session, as named ways to make an input of what is there.

What lives here: clients, code, humans, timers and abuse, each as a function from the session to an input, or none if
it cannot happen now. What must not: what comes of an input; that is the kernel's. The law of this file: a move names
only what it reads, and works alike on a canonical session and on a real one.

A move of the *run* side reads the work, the orphan timer and what the store remembers, never who is attached; one of
the *client* side reads how the session is and who is attached, never what lives in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import attrs

from lifecycle.check.configuration import ADMIN, STRANGER, AskPlan, Configuration, RunPlan
from lifecycle.check.parts import DUE, OLD, OLD_TOKEN, SESSION_ID
from lifecycle.kernel.finding import is_open, request_open_or_closed, run_named
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
    Recovered,
    RequestRetracted,
    RunAsked,
    RunCompleted,
    RunFailed,
    SetAside,
    Shutdown,
    StartRun,
    TimerFired,
    Value,
)
from lifecycle.kernel.values import Answer, Ended, Found, Question, Request, Run, RunSpec, Session, Timer

NEW, LIVE, ENDED = "new", "live", "ended"

INPUT, CHECKPOINT, RESULT = '"input"', '"checkpoint"', '"result"'
"""Bodies are texts of JSON, as the runtime writes them; the kernel never opens one."""


@attrs.frozen(cache_hash=True)
class Remembered:
    """What the store keeps of one run: whether it was started or has ended, and which questions of it have closed.

    ``closed`` pairs a question with whether it was answered; of an ended run it is dropped: nothing depends on it.
    """

    status: str = NEW
    closed: tuple[tuple[str, bool], ...] = ()


Memory = tuple[Remembered, ...]
"""What the store keeps, by the place of the run in the configuration."""

Make = Callable[[Session | None, Remembered], Input | None]
"""Makes an input of a session and of what the store keeps of the run that the move is about."""


@attrs.frozen(eq=False)
class Move:
    """Something that can happen.

    ``kind`` is the class of moves it belongs to where fairness is promised, with what it is about where that matters;
    ``fault`` is set for what nobody wants.
    ``side`` and ``memory`` are its footprint: ``run`` moves read the work and, where they must, the orphan timer,
    ``client`` moves how the session is and who is attached; what the store remembers is read only of the run whose
    place ``memory`` says.
    ``unchanged`` names the rule that is broken if the move changes anything. ``fires``: it happens when a timer is due.
    """

    name: str
    kind: str
    make: Make
    side: str = "run"
    memory: int | None = None
    fault: bool = False
    unchanged: str | None = None
    fires: bool = False
    client: int | None = None

    def time(self) -> int:
        """Return the engine time, in a world where it is 0 until a timer fires."""
        return DUE if self.fires else 0


# -- names ------------------------------------------------------------------------------------------------------------


def run_id(place: int) -> str:
    """Name the run at a place of the configuration.

    >>> run_id(0)
    'r1'
    """
    return f"r{place + 1}"


def client_id(place: int) -> str:
    """Name the client at a place."""
    return f"c{place + 1}"


def agent_of(run: RunPlan) -> str:
    """Name the agent of a run."""
    return "agent"


def question_of(plan: AskPlan, other: str = "") -> Question:
    """Make the question of a plan; its expiry, if it has one, is due at ``DUE``; ``other`` makes its content another."""
    expiry = DUE if plan.expires else None
    body = f'{{"text": "may I? ({plan.id})"}}'
    return Question(plan.id, "approval", body, f"digest of {plan.id}{other}", expiry, plan.on_expiry, plan.deciders)


INPUT, CHECKPOINT, RESULT = '"input"', '"checkpoint"', '"result"'
"""What runs are given, keep and return: JSON, as a runtime would hand it over."""

CONTENTS = {"answer": '"yes"', "reject_and_continue": '"not like that"'}
"""What the decisions say that say something."""

VERBS = {
    "approve": "approves",
    "reject": "rejects",
    "reject_and_continue": "rejects, with feedback,",
    "answer": "answers",
}


# -- what the store finds ---------------------------------------------------------------------------------------------


def spec_of(config: Configuration, place: int) -> RunSpec:
    """Return the spec that the run at a place has once admitted."""
    plan = config.runs[place]
    return RunSpec(
        run_id(place),
        f"key of {run_id(place)}",
        plan.owner,
        plan.deciders,
        agent_of(plan),
        INPUT,
        f"digest of {run_id(place)}",
        DUE if plan.deadline else None,
        DUE if plan.queue_deadline else None,
        plan.on_crash,
        place,
        0,
    )


def ended_of(config: Configuration, memory: Remembered, place: int) -> Ended | None:
    """Return what the store finds of an ended run. Its outcome is told to whoever asks; nothing else depends on it."""
    if memory.status != ENDED:
        return None
    return Ended(spec_of(config, place), 1, "ready", "completed", "agent", "", None, 1, 1, 0)


def closed_of(plan: AskPlan, answered: bool) -> Request:
    """Return what the store finds of a closed question. Which answer it got is told; nothing else depends on it."""
    q = question_of(plan)
    answer = Answer(q.id, q.kind, q.body, q.digest, "earlier", "approve", None, "ada", 0) if answered else None
    state = "answered" if answered else "withdrawn"
    return Request(q.id, q.kind, q.body, q.digest, q.on_expiry, q.deciders, state, 0, None, answer)


def known_of(config: Configuration, memory: Remembered, place: int, asked: tuple[AskPlan, ...]) -> tuple[Request, ...]:
    """Return the questions among those asked that were answered before."""
    answered = dict(memory.closed)
    return tuple(closed_of(plan, True) for plan in asked if answered.get(plan.id))


def place_of(run: str) -> int:
    """Return the place of the run of that name."""
    return int(run[1:]) - 1


# -- starting ---------------------------------------------------------------------------------------------------------


def start(config: Configuration, place: int, mode: str, session: Session | None, memory: Remembered) -> Input | None:
    """Start the run, once."""
    return start_input(config, place, mode) if memory.status == NEW else None


def start_input(
    config: Configuration, place: int, mode: str, found: Found | None = None, other: str = "", key: str = ""
) -> StartRun:
    """Make the input that starts a run; ``other`` makes its content another, ``key`` its key."""
    spec = spec_of(config, place)
    return StartRun(
        SESSION_ID,
        spec.id,
        spec.owner,
        spec.agent,
        spec.input,
        spec.digest + other,
        config.policy,
        key or spec.key,
        spec.deciders,
        mode,
        spec.deadline_us,
        spec.queue_deadline_us,
        spec.on_crash,
        found=Found() if found is None else found,
    )


def start_again(
    config: Configuration, place: int, other: str, session: Session | None, memory: Remembered
) -> Input | None:
    """Start it once more under its key, with the same content or another."""
    if memory.status == NEW:
        return None
    found = Found(ended_of(config, memory, place))
    return start_input(config, place, config.runs[place].when_busy[0], found, other)


def start_taken(config: Configuration, place: int, session: Session | None, memory: Remembered) -> Input | None:
    """Start another run under its id."""
    if memory.status == NEW:
        return None
    found = Found(ended_of(config, memory, place))
    return start_input(config, place, config.runs[place].when_busy[0], found, key="another key")


def starting(config: Configuration) -> Iterator[Move]:
    """List the moves of whoever starts runs."""
    for place, plan in enumerate(config.runs):
        for mode in plan.when_busy:
            how = "" if mode == "enqueue" else f" ({mode} when busy)"
            yield Move(
                f"{plan.owner} starts {run_id(place)}{how}", "start", partial(start, config, place, mode), memory=place
            )
        if "abuse" in config.families:
            again, other = partial(start_again, config, place, ""), partial(start_again, config, place, "!")
            rule = "same-key-same-run"
            yield Move(f"{run_id(place)} is started again", "repeat", again, memory=place, fault=True, unchanged=rule)
            yield Move(
                f"{run_id(place)} is started again, changed", "repeat", other, memory=place, fault=True, unchanged=rule
            )
            taken, name = partial(start_taken, config, place), f"another run is started as {run_id(place)}"
            yield Move(name, "repeat", taken, memory=place, fault=True, unchanged=rule)


# -- beginning --------------------------------------------------------------------------------------------------------


def begin(session: Session | None, memory: Remembered) -> Input | None:
    """Ask to begin what is offered."""
    slot = None if session is None else session.execution
    return Begin(slot.run, slot.id) if slot is not None and slot.state == "pending" else None


def begin_old(session: Session | None, memory: Remembered) -> Input | None:
    """Take up an offer that is over."""
    return None if session is None or session.head is None else Begin(session.head.spec.id, OLD)


def begin_queued(session: Session | None, memory: Remembered) -> Input | None:
    """Begin a run that is not its turn."""
    if session is None or not session.queue:
        return None
    slot = session.execution
    return Begin(session.queue[0].spec.id, OLD if slot is None else slot.id)


def begin_ended(config: Configuration, place: int, session: Session | None, memory: Remembered) -> Input | None:
    """Begin a run that has ended."""
    ended = ended_of(config, memory, place)
    slot = None if session is None else session.execution
    return None if ended is None else Begin(ended.spec.id, OLD if slot is None else slot.id, found=Found(ended))


def beginning(config: Configuration) -> Iterator[Move]:
    """List the moves of whoever runs the code."""
    yield Move("the runtime begins what is offered", "begin", begin)
    if "abuse" in config.families:
        yield Move("an old offer is taken up", "late", begin_old, fault=True, unchanged="stale-is-noop")
        yield Move("a queued run is begun", "late", begin_queued, fault=True, unchanged="one-execution")
        for place in range(len(config.runs)):
            over = partial(begin_ended, config, place)
            name = f"{run_id(place)}, ended, is begun"
            yield Move(name, "late", over, memory=place, fault=True, unchanged="final-absorbs")


# -- code -------------------------------------------------------------------------------------------------------------

Fact = Callable[[str, int, int], Input | None]
"""Makes a fact of ``(run, execution, token)``."""


def working(session: Session | None) -> bool:
    """Say whether code is at work and waits for nobody."""
    if session is None or session.execution is None or session.head is None:
        return False
    return session.execution.state == "executing" and session.head.state != "waiting_for_human"


def asking(session: Session | None) -> bool:
    """Say whether code waits in place."""
    if session is None or session.execution is None or session.head is None:
        return False
    return session.execution.state == "executing" and session.head.state == "waiting_for_human"


def executing(session: Session | None) -> bool:
    """Say whether code is at work, waiting in place or not."""
    return session is not None and session.execution is not None and session.execution.state == "executing"


def outliving(session: Session | None) -> bool:
    """Say whether code has outlived its run."""
    return session is not None and session.execution is not None and session.execution.state == "closing"


def fact(
    fact_of: Fact, when: Callable[[Session | None], bool], session: Session | None, memory: Remembered
) -> Input | None:
    """Report of the code in the slot, with the token of its grant."""
    if not when(session) or session is None or session.execution is None:
        return None
    slot = session.execution
    return fact_of(slot.run, slot.id, slot.token)


def stale(fact_of: Fact, session: Session | None, memory: Remembered) -> Input | None:
    """Report with the token of a grant that is over."""
    if session is None or session.execution is None:
        return None
    slot = session.execution
    return fact_of(slot.run, slot.id, slot.token - 1)


def gone(fact_of: Fact, session: Session | None, memory: Remembered) -> Input | None:
    """Report of an execution that is over."""
    if session is None or session.head is None:
        return None
    slot = session.execution
    return fact_of(session.head.spec.id, OLD, OLD if slot is None else slot.token)


def asked_by(
    config: Configuration, place: int, asks: tuple[AskPlan, ...], session: Session | None, memory: Remembered
) -> Input | None:
    """Ask, in place."""
    if not executing(session) or session is None or session.execution is None:
        return None
    slot = session.execution
    if slot.run != run_id(place) or session.head is None or any(is_open(session.head, plan.id) for plan in asks):
        return None
    known = known_of(config, memory, place, asks)
    return RunAsked(slot.id, slot.token, tuple(question_of(plan) for plan in asks), known)


def asked_otherwise(place: int, plan: AskPlan, session: Session | None, memory: Remembered) -> Input | None:
    """Ask something else under the name of a question that is open or was answered."""
    if not executing(session) or session is None or session.execution is None or session.head is None:
        return None
    if session.execution.run != run_id(place):
        return None
    known = (closed_of(plan, True),) if dict(memory.closed).get(plan.id) else ()
    if not known and not is_open(session.head, plan.id):
        return None
    return RunAsked(session.execution.id, session.execution.token, (question_of(plan, "!"),), known)


def parked_by(
    config: Configuration, place: int, asks: tuple[AskPlan, ...], session: Session | None, memory: Remembered
) -> Input | None:
    """Return, leaving questions and a checkpoint."""
    if not working(session) or session is None or session.execution is None or session.execution.run != run_id(place):
        return None
    slot = session.execution
    known = known_of(config, memory, place, asks)
    return ExecutionSettled(slot.id, slot.token, Parked(CHECKPOINT, tuple(question_of(plan) for plan in asks)), known)


def retract(place: int, plan: AskPlan, session: Session | None, memory: Remembered) -> Input | None:
    """Take a question back."""
    if not asking(session) or session is None or session.execution is None or session.head is None:
        return None
    if session.execution.run != run_id(place) or not is_open(session.head, plan.id):
        return None
    return RequestRetracted(session.execution.id, session.execution.token, plan.id)


def completed(run: str, execution: int, token: int) -> Input:
    """The answer is there."""
    return RunCompleted(run, RESULT, execution, token)


def failed(run: str, execution: int, token: int) -> Input:
    """It went wrong."""
    return RunFailed(run, "went wrong", execution, token)


def returned(run: str, execution: int, token: int) -> Input:
    """The code returned a value."""
    return ExecutionSettled(execution, token, Value(RESULT))


def raised(run: str, execution: int, token: int) -> Input:
    """The code raised."""
    return ExecutionSettled(execution, token, Failure("went wrong"))


def returned_nothing(run: str, execution: int, token: int) -> Input:
    """The code returned without a result."""
    return ExecutionSettled(execution, token)


def checkpointed(run: str, execution: int, token: int) -> Input:
    """The code set a checkpoint."""
    return Checkpointed(execution, token, CHECKPOINT)


def asked_nothing(run: str, execution: int, token: int) -> Input:
    """The code asked no question."""
    return RunAsked(execution, token, ())


def asked_late(run: str, execution: int, token: int) -> Input:
    """The code asked, too late."""
    return RunAsked(execution, token, (question_of(AskPlan("late")),))


def retracted_late(run: str, execution: int, token: int) -> Input:
    """The code took a question back, too late."""
    return RequestRetracted(execution, token, "q1")


def lost(run: str, execution: int, token: int) -> Input:
    """The worker is gone."""
    return Lost(execution)


def reported_complete(session: Session | None, memory: Remembered) -> Input | None:
    """A tracker reports that a head which waits for its turn is complete, without any code."""
    if session is None or session.head is None or executing(session):
        return None
    return RunCompleted(session.head.spec.id, RESULT)


def reported_failed(session: Session | None, memory: Remembered) -> Input | None:
    """A tracker reports that such a head failed."""
    if session is None or session.head is None or executing(session):
        return None
    return RunFailed(session.head.spec.id, "went wrong")


def reported_ended(
    place: int, make: Callable[[str], Input], session: Session | None, memory: Remembered
) -> Input | None:
    """A report about a run that has ended."""
    return make(run_id(place)) if memory.status == ENDED else None


def reported_queued(session: Session | None, memory: Remembered) -> Input | None:
    """A report about a run whose turn it is not."""
    return RunCompleted(session.queue[0].spec.id, RESULT) if session is not None and session.queue else None


def uncalled(session: Session | None, memory: Remembered) -> Input | None:
    """The runtime could not call the code, or gave the offer up."""
    slot = None if session is None else session.execution
    return ExecutionSettled(slot.id, 0) if slot is not None and slot.state == "pending" else None


def coding(config: Configuration) -> Iterator[Move]:
    """List the moves of the agents' code."""
    families = config.families
    for place, plan in enumerate(config.runs):
        run = run_id(place)
        for asks in batches(plan.asks):
            names = " and ".join(one.id for one in asks)
            if "in_place" in plan.ways:
                ask = partial(asked_by, config, place, asks)
                yield Move(f"the code of {run} asks {names}", "ask", ask, memory=place)
            if "parked" in plan.ways:
                park = partial(parked_by, config, place, asks)
                yield Move(f"the code of {run} parks on {names}", "settle", park, memory=place)
        if "fault" in families:
            for one in plan.asks:
                other, name = partial(asked_otherwise, place, one), f"the code of {run} asks something else as {one.id}"
                yield Move(name, "fault", other, memory=place, fault=True)
        if "retract" in families and "in_place" in plan.ways:
            for one in plan.asks:
                yield Move(f"the code of {run} takes {one.id} back", "ask", partial(retract, place, one))
    yield Move("the code returns its answer", "settle", partial(fact, returned, working))
    yield Move("the code raises", "settle", partial(fact, raised, working))
    yield Move("the code returns without a result", "settle", partial(fact, returned_nothing, working))
    yield Move("the code returns while it asks", "settle early", partial(fact, returned, asking))
    yield Move("the code, whose run has ended, returns", "return", partial(fact, returned, outliving))
    if "checkpoint" in families:
        yield Move("the code sets a checkpoint", "checkpoint", partial(fact, checkpointed, working))
    if "report" in families:
        yield Move("the code reports its answer and goes on", "report", partial(fact, completed, executing))
        yield Move("the code reports its failure and goes on", "report", partial(fact, failed, executing))
        yield Move("the head is reported complete", "report", reported_complete)
        yield Move("the head is reported failed", "report", reported_failed)
    if "fault" in families:
        yield Move("the code asks nothing", "fault", partial(fact, asked_nothing, executing), fault=True)
        yield Move("the code was not called", "fault", uncalled, fault=True)
        yield Move("a fact is set aside", "fault", set_aside, fault=True)
    if "lost" in families:
        yield Move("the worker is lost", "lost", lost_now, fault=True)
    if "abuse" in families:
        yield from abused_code(config)


def batches(asks: tuple[AskPlan, ...]) -> tuple[tuple[AskPlan, ...], ...]:
    """Return what may be asked at once: each question, and all together."""
    return tuple((one,) for one in asks) + ((asks,) if len(asks) > 1 else ())


def set_aside(session: Session | None, memory: Remembered) -> Input | None:
    """A fact broke a rule; the head is failed for it."""
    return None if session is None or session.head is None else SetAside("a fact broke a rule")


def lost_now(session: Session | None, memory: Remembered) -> Input | None:
    """The worker of the execution in the slot is gone."""
    return None if session is None or session.execution is None else Lost(session.execution.id)


FACTS: dict[str, Fact] = {
    "asks": asked_late,
    "takes a question back": retracted_late,
    "sets a checkpoint": checkpointed,
    "reports its answer": completed,
    "reports its failure": failed,
    "returns": returned,
}


def abused_code(config: Configuration) -> Iterator[Move]:
    """List what code says that nobody listens to any more."""
    for verb, fact_of in FACTS.items():
        rule = "stale-is-noop"
        yield Move(f"code {verb}, with an old token", "late", partial(stale, fact_of), fault=True, unchanged=rule)
        yield Move(f"code of an old execution {verb}", "late", partial(gone, fact_of), fault=True, unchanged=rule)
        if verb != "returns":
            late = partial(fact, fact_of, outliving)
            name = f"code whose run has ended {verb}"
            yield Move(name, "late", late, fault=True, unchanged="final-absorbs")
    yield Move("an old execution is lost", "late", partial(gone, lost), fault=True, unchanged="stale-is-noop")
    yield Move("a queued run is reported complete", "late", reported_queued, fault=True, unchanged="stale-is-noop")
    for place in range(len(config.runs)):
        for make in (RunCompleted, partial(RunFailed, text="went wrong")):
            report = partial(reported_ended, place, make)
            name = f"{run_id(place)}, ended, is reported {'complete' if make is RunCompleted else 'failed'}"
            yield Move(name, "late", report, memory=place, fault=True, unchanged="final-absorbs")


# -- humans -----------------------------------------------------------------------------------------------------------


def decision(
    run: str, plan: AskPlan, kind: str, by: str, *, name: str = "", digest: str = "", found: Found | None = None
) -> Decide:
    """Make a decision; ``name`` tells this one from another of the same kind."""
    content = CONTENTS.get(kind)
    shown = digest or question_of(plan).digest
    stored = Found() if found is None else found
    return Decide(run, plan.id, name or f"{kind} {plan.id}", kind, by, shown, content, found=stored)


def decide(place: int, plan: AskPlan, kind: str, by: str, session: Session | None, memory: Remembered) -> Input | None:
    """Answer a question that is open."""
    run = None if session is None else run_named(session, run_id(place))
    return decision(run_id(place), plan, kind, by) if run is not None and is_open(run, plan.id) else None


def decide_wrongly(
    place: int, plan: AskPlan, by: str, digest: str, session: Session | None, memory: Remembered
) -> Input | None:
    """Answer an open question as one who may not, or something that was not shown."""
    run = None if session is None else run_named(session, run_id(place))
    if run is None or not is_open(run, plan.id):
        return None
    return decision(run_id(place), plan, "approve", by, digest=digest)


def decide_emptily(place: int, plan: AskPlan, by: str, session: Session | None, memory: Remembered) -> Input | None:
    """Answer an open question, and say nothing."""
    run = None if session is None else run_named(session, run_id(place))
    if run is None or not is_open(run, plan.id):
        return None
    return Decide(run_id(place), plan.id, "nothing", "answer", by, question_of(plan).digest, "")


def decide_again(place: int, plan: AskPlan, other: bool, session: Session | None, memory: Remembered) -> Input | None:
    """Answer a question of the batch that is answered: the same decision again, or another."""
    run = None if session is None else run_named(session, run_id(place))
    request = None if run is None else request_open_or_closed(run, plan.id)
    answer = None if request is None else request.answer
    if run is None or answer is None:
        return None
    if other:
        return decision(run_id(place), plan, "approve", run.spec.owner, name="another")
    return Decide(run_id(place), plan.id, answer.decision, answer.kind, answer.by, answer.digest, answer.content)


def decide_closed(
    config: Configuration, place: int, plan: AskPlan, session: Session | None, memory: Remembered
) -> Input | None:
    """Answer a question that is no longer in the batch, of a run that goes on or has ended."""
    kept = memory
    answered = dict(kept.closed).get(plan.id)
    run = None if session is None else run_named(session, run_id(place))
    if kept.status == NEW or (kept.status == LIVE and answered is None):
        return None
    if run is not None and request_open_or_closed(run, plan.id) is not None:
        return None
    found = Found(ended_of(config, memory, place), closed_of(plan, bool(answered)))
    return decision(run_id(place), plan, "approve", config.runs[place].owner, found=found)


def decide_unknown(session: Session | None, memory: Remembered) -> Input | None:
    """Answer a question that nobody asked."""
    if session is None or session.head is None:
        return None
    return decision(session.head.spec.id, AskPlan("q0"), "approve", session.head.spec.owner)


def abort(
    config: Configuration, place: int, by: str | None, session: Session | None, memory: Remembered
) -> Input | None:
    """Abort one unfinished run; ``by`` none: as its owner."""
    run = None if session is None else run_named(session, run_id(place))
    return None if run is None else AbortRun(run.spec.id, run.spec.owner if by is None else by)


def abort_ended(config: Configuration, place: int, session: Session | None, memory: Remembered) -> Input | None:
    """Abort a run that has ended."""
    ended = ended_of(config, memory, place)
    return None if ended is None else AbortRun(ended.spec.id, ended.spec.owner, found=Found(ended))


def abort_session(by: str, incarnation: int | None, session: Session | None, memory: Remembered) -> Input | None:
    """Abort what is unfinished."""
    if session is None or session.head is None:
        return None
    return AbortSession(by, incarnation=None if incarnation is None else session.incarnation + incarnation)


def close(by: str, incarnation: int | None, session: Session | None, memory: Remembered) -> Input | None:
    """Close the session."""
    if session is None:
        return None
    return CloseSession(by, incarnation=None if incarnation is None else session.incarnation + incarnation)


def close_busy(by: str, session: Session | None, memory: Remembered) -> Input | None:
    """Close a session in which something is unfinished."""
    return None if session is None or session.head is None else CloseSession(by)


def shut_down(session: Session | None, memory: Remembered) -> Input | None:
    """End whose code is at work, because the process is to end."""
    return None if session is None else Shutdown()


def humans(config: Configuration) -> Iterator[Move]:
    """List the moves of people: decide, abort, close; and of those who may not."""
    families = config.families
    for place, plan in enumerate(config.runs):
        run = run_id(place)
        for ask in plan.asks:
            for kind in config.decisions:
                yield Move(
                    f"{plan.owner} {VERBS[kind]} {ask.id}",
                    f"decide {ask.id}",
                    partial(decide, place, ask, kind, plan.owner),
                )
            for by in deciders_of(config, plan, ask):
                yield Move(f"{by} approves {ask.id}", f"decide {ask.id}", partial(decide, place, ask, "approve", by))
            if "abuse" in families:
                yield from abused_question(config, place, plan, ask)
        yield Move(f"{plan.owner} aborts {run}", "abort", partial(abort, config, place, None))
        if "others" in families:
            yield Move(f"{ADMIN} aborts {run}", "abort", partial(abort, config, place, ADMIN))
        if "others" in families and "abuse" in families:
            for by in others_than(config, plan):
                other = partial(abort, config, place, by)
                yield Move(f"{by} aborts {run}", "abuse", other, fault=True, unchanged="owner-only")
        if "abuse" in families:
            by_stranger, over = partial(abort, config, place, STRANGER), partial(abort_ended, config, place)
            name = f"{STRANGER} aborts {run}"
            yield Move(name, "abuse", by_stranger, fault=True, unchanged="owner-only")
            yield Move(f"{run}, ended, is aborted", "late", over, memory=place, fault=True, unchanged="final-absorbs")
    if "others" in families:
        for by in owners_of(config):
            yield Move(f"{by} aborts the session", "abort", partial(abort_session, by, None))
    if "close" in families and "others" in families:
        for by in owners_of(config):
            yield Move(f"{by} closes the session", "close", partial(close, by, None))
    if "close" in families:
        yield Move(f"{ADMIN} aborts the session", "abort", partial(abort_session, ADMIN, None))
        yield Move(f"{ADMIN} closes the session", "close", partial(close, ADMIN, None))
    if "shutdown" in families:
        yield Move("the process is shut down", "shutdown", shut_down)
    if "abuse" in families:
        wrong = {"fault": True, "unchanged": "owner-only"}
        yield Move(f"{STRANGER} aborts the session", "abuse", partial(abort_session, STRANGER, None), **wrong)  # type: ignore[arg-type]
        yield Move(f"{STRANGER} closes the session", "abuse", partial(close_busy, STRANGER), **wrong)  # type: ignore[arg-type]
        for name, make in (("abort", abort_session), ("close", close)):
            late = partial(make, ADMIN, -1)
            title = f"a late {name} of an earlier incarnation"
            yield Move(title, "late", late, fault=True, unchanged="stale-is-noop")


def owners_of(config: Configuration) -> list[str]:
    """Return the owners of all runs, each once."""
    return list(dict.fromkeys(plan.owner for plan in config.runs))


def deciders_of(config: Configuration, plan: RunPlan, ask: AskPlan) -> tuple[str, ...]:
    """Return those who approve a question beside the owner of its run."""
    return (*plan.deciders, *ask.deciders, *((ADMIN,) if "others" in config.families else ()))


def others_than(config: Configuration, plan: RunPlan) -> list[str]:
    """Return those who have some say in the session, and none in whether this run ends."""
    named = [by for ask in plan.asks for by in ask.deciders]
    return list(dict.fromkeys(by for by in (*owners_of(config), *plan.deciders, *named) if by != plan.owner))


def abused_question(config: Configuration, place: int, plan: RunPlan, ask: AskPlan) -> Iterator[Move]:
    """List the decisions that must change nothing."""

    def wrong(name: str, make: Make, rule: str, memory: int | None = None) -> Move:
        return Move(name, "abuse", make, memory=memory, fault=True, unchanged=rule)

    q = ask.id
    if "others" in config.families:
        for by in owners_of(config):
            if by != plan.owner and by not in deciders_of(config, plan, ask):
                yield wrong(f"{by} approves {q}", partial(decide_wrongly, place, ask, by, ""), "owner-only")
    yield wrong(f"{STRANGER} approves {q}", partial(decide_wrongly, place, ask, STRANGER, ""), "owner-only")
    other = partial(decide_wrongly, place, ask, plan.owner, "digest of something else")
    yield wrong(f"something that was not shown is approved as {q}", other, "digest-matches")
    empty = partial(decide_emptily, place, ask, plan.owner)
    yield wrong(f"{plan.owner} answers {q} with nothing", empty, "answer-takes-effect")
    yield wrong(f"{q}, answered, is answered the same again", partial(decide_again, place, ask, False), "decide-once")
    yield wrong(f"{q}, answered, is answered otherwise", partial(decide_again, place, ask, True), "decide-once")
    yield wrong(f"{q}, closed, is approved", partial(decide_closed, config, place, ask), "decide-once", memory=place)
    if ask is plan.asks[0]:
        yield wrong("a question that nobody asked is approved", decide_unknown, "decide-once")


# -- providers --------------------------------------------------------------------------------------------------------

REPORTS = ("ready", "interrupted", "stopped", "error", "gone")


def report(word: str, session: Session | None, memory: Remembered) -> Input | None:
    """A provider says how its session is."""
    return None if session is None else ProviderReported(word)


def report_foreign(
    run: str | None, execution: int | None, advisory: bool, session: Session | None, memory: Remembered
) -> Input | None:
    """A provider says something about another run, or another execution, or gives advice."""
    return None if session is None else ProviderReported("error", run=run, execution=execution, advisory=advisory)


def providers(config: Configuration) -> Iterator[Move]:
    """List the moves of a provider."""
    if "provider" not in config.families:
        return
    for word in REPORTS:
        yield Move(f"the provider reports {word}", "provider", partial(report, word))
    if "abuse" in config.families:
        for name, run, execution, advisory in FOREIGN:
            foreign = partial(report_foreign, run, execution, advisory)
            yield Move(f"the provider {name}", "late", foreign, fault=True, unchanged="stale-is-noop")


FOREIGN: tuple[tuple[str, str | None, int | None, bool], ...] = (
    ("reports on another run", "r0", None, False),
    ("reports on an old execution", None, OLD, False),
    ("gives advice", None, None, True),
)


# -- timers -----------------------------------------------------------------------------------------------------------


def fire(find: Callable[[Session], Timer | None], session: Session | None, memory: Remembered) -> Input | None:
    """Fire a timer that is armed."""
    timer = None if session is None else find(session)
    return None if timer is None or timer.due is None else TimerFired(timer.name, timer.owner, timer.token)


def fire_old(name: str, owner: str, session: Session | None, memory: Remembered) -> Input | None:
    """Fire a timer that was disarmed, or armed anew."""
    return None if session is None else TimerFired(name, owner, OLD_TOKEN)


def deadline_of(name: str, place: int, session: Session) -> Timer | None:
    """Return the deadline of an unfinished run."""
    run: Run | None = run_named(session, run_id(place))
    if run is None:
        return None
    return run.deadline if name == "deadline" else run.queue_deadline


def expiry_of(plan: AskPlan, session: Session) -> Timer | None:
    """Return the expiry of a question."""
    request = None if session.head is None else request_open_or_closed(session.head, plan.id)
    return None if request is None else request.expiry


def closing_of(session: Session) -> Timer | None:
    """Return the closing timer."""
    return None if session.execution is None else session.execution.closing


def orphan_of(session: Session) -> Timer | None:
    """Return the orphan timer."""
    return session.orphan


def timing(config: Configuration) -> Iterator[Move]:
    """List the firings of timers."""

    def fires(title: str, name: str, owner: str, find: Callable[[Session], Timer | None]) -> Iterator[Move]:
        kind = f"timer {name}" if name in ("orphan", "closing") else f"timer {name} {owner}"
        yield Move(title, kind, partial(fire, find), fires=True)
        if "abuse" in config.families:
            old = partial(fire_old, name, owner)
            yield Move(f"{title}, late", "late", old, fault=True, unchanged="stale-is-noop", fires=True)

    yield from fires("the orphan timer fires", "orphan", SESSION_ID, orphan_of)
    for place, plan in enumerate(config.runs):
        run = run_id(place)
        if plan.deadline:
            yield from fires(f"the deadline of {run} passes", "deadline", run, partial(deadline_of, "deadline", place))
        if plan.queue_deadline:
            find = partial(deadline_of, "queue_deadline", place)
            yield from fires(f"the queue deadline of {run} passes", "queue_deadline", run, find)
        for ask in plan.asks:
            if ask.expires:
                yield from fires(f"{ask.id} expires", "expiry", ask.id, partial(expiry_of, ask))
    owners = run_id(0)
    yield from fires("the closing grace passes", "closing", owners, closing_of)


# -- clients ----------------------------------------------------------------------------------------------------------


def attach(place: int, session: Session | None, memory: Remembered) -> Input | None:
    """Attach a client that is not attached."""
    name = client_id(place)
    return None if session is None or name in session.attachments else Attach(name)


def detach(place: int, session: Session | None, memory: Remembered) -> Input | None:
    """Notice that a client is gone."""
    return None if session is None else Detached(client_id(place))


def attach_dead(session: Session | None, memory: Remembered) -> Input | None:
    """Judge an attach whose connection has died already."""
    return None if session is None else Attach("c0", alive=False)


def attach_again(place: int, session: Session | None, memory: Remembered) -> Input | None:
    """Attach a client that is attached already."""
    name = client_id(place)
    return Attach(name) if session is not None and name in session.attachments else None


def detach_late(session: Session | None, memory: Remembered) -> Input | None:
    """Notice once more that an earlier connection is gone."""
    return None if session is None else Detached("c0")


def clients(config: Configuration) -> Iterator[Move]:
    """List the moves of clients."""
    for place in range(config.clients):
        name = client_id(place)
        yield Move(f"{name} attaches", "attach", partial(attach, place), "client", client=place)
        yield Move(f"{name} is noticed to be gone", "detach", partial(detach, place), "client", client=place)
    if config.clients and "abuse" in config.families:
        late = {"fault": True, "unchanged": "stale-is-noop"}
        yield Move("a dead connection attaches", "late", attach_dead, "client", **late)  # type: ignore[arg-type]
        yield Move("an old connection is noticed to be gone", "late", detach_late, "client", **late)  # type: ignore[arg-type]
        for place in range(config.clients):
            name, again = f"{client_id(place)} attaches again", partial(attach_again, place)
            yield Move(name, "repeat", again, "client", **late)  # type: ignore[arg-type]


# -- recovery ---------------------------------------------------------------------------------------------------------


def recover(config: Configuration, session: Session | None, memory: Remembered) -> Input | None:
    """Take over what the last process left."""
    return None if session is None else Recovered(config.policy)


RESTART = "the next process takes over"


def moves_of(config: Configuration) -> tuple[Move, ...]:
    """List the moves of a configuration that call the kernel, each under a name of its own."""
    every = [
        *starting(config),
        *beginning(config),
        *coding(config),
        *humans(config),
        *providers(config),
        *timing(config),
        *clients(config),
    ]
    if "crash" in config.families:
        every.append(Move(RESTART, "restart", partial(recover, config), "restart"))
    return tuple(every)
