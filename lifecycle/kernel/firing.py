"""Firing: a trigger, taken to its row, and what is done on the edge.

What lives here: how each machine's rows are taken and the acts that edges name. What must not: which trigger is fired
for which input (routes), and anything held (holds). The law of this file: a state is written in one line here, and only
to what a row says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from lifecycle import hooks
from lifecycle.declaration import Send
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.finding import count_open
from lifecycle.kernel.tables import Act, CompiledRow, Faulty
from lifecycle.kernel.values import Answer, Closed, Ended, Execution, Question, Request, Run, Timer
from lifecycle.kernel.work import EXECUTIONS, End, Work, thawed_run, thawed_slot
from lifecycle.machines import EXECUTION
from lifecycle.machines.held import Next

signal = twin_of(hooks.SignalAbort).build
publish = twin_of(hooks.PublishEnd).build
call = twin_of(hooks.CallCode).build
hand = twin_of(hooks.HandAnswers).build
build_request = twin_of(Request).build
build_ended = twin_of(Ended).build
build_closed = twin_of(Closed).build
build_timer = twin_of(Timer).build

NO_TEXT = End("failed", "engine")


# -- taking a row -----------------------------------------------------------------------------------------------------


def refused(machine: str, state: str, trigger: str) -> Faulty:
    """Say that a route fires what the table refuses: a bug of the routes."""
    return Faulty(f"{machine}: {state} refuses {trigger}")


def fire_run(work: Work, run: Run, trigger: str, why: object) -> None:
    """Take a run's row: move it and do what the row says."""
    source = run.state
    rows = work.tables.run[source].get(trigger)
    if not rows:
        if rows is None:
            raise refused("run", source, trigger)
        return
    row = rows[0]
    run.state = dest = row.dest
    work.moves.append(("run", run.spec.id, trigger, source, dest))
    for act in row.acts:
        act(work, run, why)


def fire_execution(work: Work, slot: Execution, trigger: str, why: object = None) -> None:
    """Take an execution's row."""
    source = slot.state
    rows = work.tables.execution[source].get(trigger)
    if not rows:
        if rows is None:
            raise refused("execution", source, trigger)
        return
    row = rows[0]
    slot.state = dest = row.dest
    work.moves.append(("execution", slot.id, trigger, source, dest))
    for act in row.acts:
        act(work, slot, why)


def fire_session(work: Work, trigger: str) -> None:
    """Take the session's row."""
    session = work.session
    source = session.state
    rows = work.tables.session[source].get(trigger)
    if not rows:
        if rows is None:
            raise refused("session", source, trigger)
        return
    session.state = dest = rows[0].dest
    work.moves.append(("session", session.id, trigger, source, dest))


def row_by_guards(rows: tuple[CompiledRow, ...], open_requests: int) -> CompiledRow | None:
    """Return the first row whose guards agree; they see how many requests were open before the step."""
    for row in rows:
        if agrees(row, open_requests):
            return row
    return None


def agrees(row: CompiledRow, open_requests: int) -> bool:
    """Say whether the guards of a row let it be taken; one without a test asks nothing."""
    for guard in row.conditions:
        if guard.test is not None and guard.test(open_requests=open_requests) is not True:
            return False
    for guard in row.unless:  # noqa: SIM110
        if guard.test is not None and guard.test(open_requests=open_requests) is not False:
            return False
    return True


def fire_request(work: Work, run: Run, request: Request, trigger: str, answer: Answer | None, why: object) -> None:
    """Take a request's row: its guards see how many requests of the batch were open before the step."""
    rows = work.tables.request[request.state].get(trigger)
    if rows is None:
        raise refused("request", request.state, trigger)
    row = row_by_guards(rows, count_open(run))
    if row is None:
        return
    work.moves.append(("request", request.id, trigger, request.state, row.dest))
    closed = build_request(
        request.id,
        request.kind,
        request.body,
        request.digest,
        request.on_expiry,
        request.deciders,
        row.dest,
        request.asked_at,
        None,
        answer,
        trigger == "dismiss" and has_ended(work, run),
    )
    batch = run.requests
    run.requests = (closed,) if len(batch) == 1 else tuple([closed if one is request else one for one in batch])
    if row.final:
        work.closed += (build_closed(run.spec.id, closed),)
    for act in row.acts:
        act(work, run, why)


def has_ended(work: Work, run: Run) -> bool:
    """Say whether the run ended in this step."""
    return any(one.spec is run.spec for one in work.ended)


def dismiss(work: Work, run: Run) -> None:
    """Close what is still open of a batch whose run has left the wait."""
    for request in run.requests:
        if request.state == "open":
            fire_request(work, run, request, "dismiss", None, None)


# -- what comes with a row --------------------------------------------------------------------------------------------


def run_acts(trigger: str, final: bool) -> tuple[Act, ...]:
    """Say what comes after the edge of a run's row: an ended run leaves, an ask opens its questions."""
    if final:
        return (retire,)
    return (join_batch,) if trigger == "ask" else ()


def join_batch(work: Work, run: Run, why: object) -> None:
    """Open each question as a request of the run's batch."""
    questions: tuple[Question, ...] = why  # type: ignore[assignment]
    kept = run.requests
    if kept:
        again = {question.id for question in questions}
        kept = tuple([request for request in kept if request.id not in again])
    run.requests = kept + tuple([opened(work, question) for question in questions])
    run.questions += len(questions)
    for question in questions:
        work.moves.append(("request", question.id, "ask", None, "open"))


def opened(work: Work, question: Question) -> Request:
    """Make an open request of a question, its expiry counted from now."""
    q = question
    due = None if q.expiry_us is None else work.now + q.expiry_us
    expiry = None if due is None or not work.tables.expiry_held else build_timer("expiry", q.id, due, work.token)
    return build_request(q.id, q.kind, q.body, q.digest, q.on_expiry, q.deciders, "open", work.now, expiry, None, False)


def retire(work: Work, run: Run, why: object) -> None:
    """Let an ended run leave the session; its record goes to whoever keeps ended runs."""
    session = work.session
    if session.head is run:
        session.head = None
    else:
        session.queue = tuple(queued for queued in session.queue if queued is not run)
    end = why if isinstance(why, End) else NO_TEXT
    ended = build_ended(
        run.spec,
        session.incarnation,
        run.state,
        end.cause,
        end.who,
        end.text,
        end.result,
        run.attempt,
        run.segment,
        work.now,
    )
    work.ended += (ended,)


def admit_run(work: Work, run: Run, first: bool) -> None:
    """Let a new run, born in starting, into the session: as its head if there is none, else into the queue."""
    session = work.session
    work.runs += ((None, run),)
    work.moves.append(("run", run.spec.id, "admit", None, run.state))
    if session.head is None and not session.queue:
        session.head = run
    else:
        session.queue = (run, *session.queue) if first else (*session.queue, run)
    for act in work.tables.births["run"]:
        act(work, run, None)


def pump(work: Work) -> None:
    """Free the slot of what is over, make the oldest unfinished run the head, and give a head in need an execution."""
    session = work.session
    slot = session.execution
    if slot is not None and slot.state in FINAL_EXECUTION_STATES:
        session.execution = slot = None
    if session.head is None and session.queue:
        promote_next(work)
    head = session.head
    if slot is None and head is not None and head.state in NEEDS_CODE:
        offer_execution(work, head)


def promote_next(work: Work) -> None:
    """Make the first of the queue the head."""
    session = work.session
    head = thawed_run(work, session.queue[0].spec.id)
    session.head, session.queue = head, session.queue[1:]
    fire_run(work, head, "promote", None)


def offer_execution(work: Work, head: Run) -> None:
    """Make a pending execution for a head whose code is to be called; what the head holds may change with it."""
    run = thawed_run(work, head.spec.id)
    made = EXECUTIONS.make(work.session.revision, run.spec.id, EXECUTION.initial, 0, run.spec.admitted, None)
    work.session.execution = made
    work.executions += ((None, made),)
    work.moves.append(("execution", made.id, "offer", None, made.state))


FINAL_EXECUTION_STATES = frozenset(state.name for state in EXECUTION.states if state.final)
NEEDS_CODE = frozenset({"starting", "running"})


# -- acts: what an edge does ------------------------------------------------------------------------------------------


def act_signal(work: Work, run: Run, why: End) -> None:
    """Set the signal of the run's controller."""
    work.given.append(signal(run.spec.id, run.spec.admitted, why.cause))


def act_publish(work: Work, run: Run, why: End) -> None:
    """Publish the end."""
    work.edges += (publish(run.spec.id, run.state, why.cause),)


def act_call(work: Work, slot: Execution, why: object) -> None:
    """Grant the execution a fresh token and call the code with it."""
    slot.token = work.session.revision
    run = thawed_run(work, slot.run)
    work.edges += (call(slot.run, slot.id, slot.token, run.attempt),)


def act_hand(work: Work, run: Run, why: object) -> None:
    """Hand the answers over to code that waits in place; a parked run's code is called with them."""
    slot = work.session.execution
    if slot is not None and slot.state == "executing":
        work.edges += (hand(run.spec.id, slot.id),)


def act_abandoned(work: Work, slot: Execution, why: object) -> None:
    """Report code that did not return."""
    work.edges += (hooks.ReportAbandoned(slot.run, slot.id),)


@cache
def act_next(machine: str, item: object) -> Act:
    """Count a number of the run up; a new attempt starts from the full deadline."""
    assert isinstance(item, Next)
    if item.number == "segment":

        def act(work: Work, run: Run, why: object) -> None:
            run.segment += 1
    else:

        def act(work: Work, run: Run, why: object) -> None:
            run.attempt += 1
            run.remaining_us = run.spec.deadline_us

    return act


def act_send(machine: str, item: object) -> Act:
    """Send a trigger to the machine addressed, if it is there: the own execution, the session of a head, the run."""
    assert isinstance(item, Send)
    return SENDS[machine, item.machine](item.trigger)


@cache
def send_execution(trigger: str) -> Act:
    """Reach only the execution of the row's own run, while it is live."""

    def act(work: Work, run: Run, why: object) -> None:
        slot = work.session.execution
        if slot is not None and slot.run == run.spec.id and slot.state not in FINAL_EXECUTION_STATES:
            fire_execution(work, thawed_slot(work) or slot, trigger)

    return act


@cache
def send_session(trigger: str) -> Act:
    """Reach the session from its head only: a queued run moves nobody else."""

    def act(work: Work, run: Run, why: object) -> None:
        session = work.session
        if session.head is run:
            source = session.state
            rows = work.tables.session[source].get(trigger)
            if rows:
                session.state = dest = rows[0].dest
                work.moves.append(("session", session.id, trigger, source, dest))
            elif rows is None:
                raise refused("session", source, trigger)

    return act


@cache
def send_run(trigger: str) -> Act:
    """Reach the run from its execution."""

    def act(work: Work, slot: Execution, why: object) -> None:
        fire_run(work, thawed_run(work, slot.run), trigger, why)

    return act


@cache
def send_own_run(trigger: str) -> Act:
    """Reach the run from one of its requests: the subject is the run already."""

    def act(work: Work, run: Run, why: object) -> None:
        fire_run(work, run, trigger, why)

    return act


SENDS = {
    ("run", "execution"): send_execution,
    ("run", "session"): send_session,
    ("execution", "run"): send_run,
    ("request", "run"): send_own_run,
}

ACTS: dict[object, Callable[[str, object], Act]] = {
    hooks.SignalAbort: lambda machine, item: act_signal,
    hooks.PublishEnd: lambda machine, item: act_publish,
    hooks.CallCode: lambda machine, item: act_call,
    hooks.HandAnswers: lambda machine, item: act_hand,
    hooks.ReportAbandoned: lambda machine, item: act_abandoned,
    Next: act_next,
    Send: act_send,
}
"""How each kind of edge item is done; a hook class stands for itself, a record for its kind."""
