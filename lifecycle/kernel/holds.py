"""Holds: what is held before and after the whole step, compared once; the difference is the hooks.

What lives here: for each thing that a state holds, its identity and how it is taken and given back. What must not: who
holds it, which the machines declare. The law of this file: nothing but this comparison arms a timer, opens a segment,
registers a controller or shows a request, so no row can leak one.

Each hold is a rule ``(work, before, after)`` that is called for an owner whose state holds it before the step,
after it, or both. ``work.again`` is set by recovery: what a process held in memory is then taken again.
"""

from __future__ import annotations

from lifecycle import hooks
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.firing import dismiss
from lifecycle.kernel.tables import HoldRule
from lifecycle.kernel.values import Execution, Request, Run, Timer, us
from lifecycle.kernel.work import Work
from lifecycle.machines import held

timer = twin_of(Timer).build
arm = twin_of(hooks.ArmTimer).build
disarm = twin_of(hooks.DisarmTimer).build
register = twin_of(hooks.RegisterController).build
evict = twin_of(hooks.EvictController).build
open_segment = twin_of(hooks.OpenSegment).build
end_segment = twin_of(hooks.EndSegment).build
show = twin_of(hooks.ShowRequest).build
withdraw = twin_of(hooks.WithdrawRequest).build
offer = twin_of(hooks.OfferBegin).build
withdraw_offer = twin_of(hooks.WithdrawOffer).build
build_request = twin_of(Request).build


# -- timers -----------------------------------------------------------------------------------------------------------


def taken_timer(work: Work, name: str, owner: str, due: int) -> Timer:
    """Arm a timer with a token of this step."""
    work.taken.append(arm(name, owner, due, work.token))
    return timer(name, owner, due, work.token)


def give_back_timer(work: Work, armed: Timer) -> None:
    """Disarm a timer; one that was held without a time was never armed."""
    if armed.due is not None:
        work.given.append(disarm(armed.name, armed.owner, armed.token))


def kept_timer(work: Work, armed: Timer | None) -> Timer | None:
    """Keep a timer as it is; under recovery arm it again for the same time."""
    if not work.again or armed is None or armed.due is None:
        return armed
    return taken_timer(work, armed.name, armed.owner, armed.due)


# -- what a run holds -------------------------------------------------------------------------------------------------


def controller(work: Work, before: Run | None, after: Run) -> None:
    """The controller: while the run is unfinished, or its execution is closing."""
    if after.state in work.tables.controller_states:
        if before is None or work.again:
            work.taken.append(register(after.spec.id, after.spec.admitted))
    elif not is_closing(work, after):
        work.given.append(evict(after.spec.id, after.spec.admitted))


def segment(work: Work, before: Run | None, after: Run) -> None:
    """The open segment: its number is its identity, so a counted-up number ends one and opens the next."""
    holding = work.tables.segment_states
    was = before.segment if before is not None and before.state in holding else 0
    now = after.segment if after.state in holding else 0
    if was == now:
        return
    if was:
        work.given.append(end_segment(after.spec.id, was, why_ended(before, after) if now else after.state))
    if now:
        work.taken.append(open_segment(after.spec.id, now))


def why_ended(before: Run | None, after: Run) -> str:
    """Say why a segment ended although the run still has one open: it runs again, or a process took it over."""
    return "rerun" if before is not None and before.attempt != after.attempt else "recovery"


def queue_deadline(work: Work, before: Run | None, after: Run) -> None:
    """The queue deadline: while starting, in the first attempt, if asked for."""
    allowed = after.spec.queue_deadline_us
    if after.state == "starting" and after.attempt == 1 and allowed is not None:
        if after.queue_deadline is None:
            due = after.spec.admitted_at + allowed
            after.queue_deadline = taken_timer(work, "queue_deadline", after.spec.id, due)
        else:
            after.queue_deadline = kept_timer(work, after.queue_deadline)
    elif after.queue_deadline is not None:
        give_back_timer(work, after.queue_deadline)
        after.queue_deadline = None


def deadline(work: Work, before: Run | None, after: Run) -> None:
    """The deadline: while running *and* executing; what remains is kept when it is given back."""
    if after.remaining_us is None:
        return
    if after.state == "running" and is_executing(work, after):
        if after.deadline is None:
            after.deadline = taken_timer(work, "deadline", after.spec.id, work.now + after.remaining_us)
        else:
            after.deadline = kept_timer(work, after.deadline)
    elif after.deadline is not None:
        give_back_timer(work, after.deadline)
        assert after.deadline.due is not None
        if before is not None and before.attempt == after.attempt:
            after.remaining_us = max(0, after.deadline.due - work.now)
        after.deadline = None


def requests(work: Work, before: Run | None, after: Run) -> None:
    """The open requests: shown while open, by id; whoever leaves the wait closes what is left of the batch."""
    leaves = after.state != "waiting_for_human"
    if leaves:
        dismiss(work, after)
    was = before.requests if before is not None else ()
    for old in was:
        if old.state == "open":
            new = request_named(after.requests, old.id)
            if new is not None and new is not old:
                give_back_request(work, after, old, new)
    for request in after.requests:
        if request.state == "open":
            if work.again:
                take_request_again(work, after, request)
            elif not was or not still_open(was, request.id):
                take_request(work, after, request)
    if leaves:
        given = tuple([request.answer for request in after.requests if request.answer is not None])
        after.answers, after.requests = after.answers + given, ()


def still_open(was: tuple[Request, ...], name: str) -> bool:
    """Say whether that question was open before the step."""
    old = request_named(was, name)
    return old is not None and old.state == "open"


def give_back_request(work: Work, run: Run, old: Request, new: Request) -> None:
    """Disarm an expiry that is over, and take a question that is no longer open away from its viewers."""
    if old.expiry is not None and new.expiry is None:
        give_back_timer(work, old.expiry)
    if new.state != "open":
        work.given.append(withdraw(run.spec.id, new.id, new.state))


def take_request(work: Work, run: Run, request: Request) -> None:
    """Show a request that was not open before, and arm its expiry."""
    expiry = request.expiry
    if expiry is not None and expiry.due is not None:
        work.taken.append(arm("expiry", expiry.owner, expiry.due, expiry.token))
    work.taken.append(show(run.spec.id, request.id))


def take_request_again(work: Work, run: Run, request: Request) -> None:
    """Arm the expiry of a request anew, for the same time."""
    if request.expiry is not None and request.expiry.due is not None:
        fresh = with_expiry(request, taken_timer(work, "expiry", request.id, request.expiry.due))
        run.requests = tuple(fresh if one is request else one for one in run.requests)


def with_expiry(request: Request, expiry: Timer) -> Request:
    """Return the request with another expiry timer."""
    r = request
    known = r.id, r.kind, r.body, r.digest, r.on_expiry, r.deciders, r.state, r.asked_at
    return build_request(*known, expiry, r.answer, r.with_run)


def request_named(batch: tuple[Request, ...], name: str) -> Request | None:
    """Return the request of that id in a batch."""
    for request in batch:
        if request.id == name:
            return request
    return None


# -- what an execution holds ------------------------------------------------------------------------------------------


def offered(work: Work, before: Execution | None, after: Execution) -> None:
    """The offer to begin: while pending."""
    if after.state == "pending":
        if before is None or work.again:
            work.taken.append(offer(after.run, after.id))
    elif before is not None and before.state == "pending":
        work.given.append(withdraw_offer(after.run, after.id))


def closing(work: Work, before: Execution | None, after: Execution) -> None:
    """The closing timer: while closing."""
    if after.state == "closing":
        if after.closing is None:
            due = work.now + us(work.session.policy.closing_grace_seconds)
            after.closing = taken_timer(work, "closing", after.run, due)
        else:
            after.closing = kept_timer(work, after.closing)
    elif after.closing is not None:
        give_back_timer(work, after.closing)
        after.closing = None


def closed_controller(work: Work, before: Execution | None, after: Execution) -> None:
    """The controller of a run that has ended: until its execution, closing, is over."""
    if before is not None and before.state == "closing" and after.state != "closing":
        work.given.append(evict(after.run, after.controller))


# -- what a session holds ---------------------------------------------------------------------------------------------


def orphan(work: Work) -> None:
    """The orphan timer: while the session is not stopped and nobody is attached.

    One that is held says that nobody was attached; who is attached is asked only where that may have changed.
    """
    session, before = work.session, work.before
    grace = session.policy.orphan_grace_seconds
    held_now = session.orphan
    released = before is not None and session.attachments is before.attachments and held_now is not None
    if grace is None or grace <= 0 or session.state not in work.tables.orphan_states:
        wanted = False
    else:
        wanted = released or not session.attachments
    if not wanted:
        if held_now is not None:
            give_back_timer(work, held_now)
            session.orphan = None
    elif held_now is None or work.again or (held_now.due is None and session.state != "waiting_for_human"):
        session.orphan = taken_timer(work, "orphan", session.id, work.now + us(grace))


# -- the whole ---------------------------------------------------------------------------------------------------------


def is_executing(work: Work, run: Run) -> bool:
    """Say whether the run's code is at work."""
    slot = work.session.execution
    return slot is not None and slot.state == "executing" and slot.run == run.spec.id


def is_closing(work: Work, run: Run) -> bool:
    """Say whether the run's code has outlived the run."""
    slot = work.session.execution
    return slot is not None and slot.state == "closing" and slot.run == run.spec.id


RUN_RULES = {
    held.CONTROLLER: HoldRule(controller),
    held.REQUESTS: HoldRule(requests, watched=True),
    held.SEGMENT: HoldRule(segment, watched=True),
    held.QUEUE_DEADLINE: HoldRule(queue_deadline),
    held.DEADLINE: HoldRule(deadline, watched=True),
}
EXECUTION_RULES = {
    held.OFFER: HoldRule(offered),
    held.CLOSING: HoldRule(closing),
    held.CONTROLLER: HoldRule(closed_controller),
}


def settle(work: Work) -> None:
    """Compare what is held before and after the whole step; append the hooks, set the timers."""
    tables = work.tables
    run_plan = tables.run_again if work.again else tables.run_plan
    for run_before, run in work.runs:
        for rule in run_plan[None if run_before is None else run_before.state, run.state]:
            rule(work, run_before, run)
    execution_plan = tables.execution_again if work.again else tables.execution_plan
    for slot_before, slot in work.executions:
        for rule in execution_plan[None if slot_before is None else slot_before.state, slot.state]:
            rule(work, slot_before, slot)
    if is_orphan_in_question(work):
        orphan(work)


def is_orphan_in_question(work: Work) -> bool:
    """Say whether what the orphan timer depends on has changed: who is attached, what the state holds, the process.

    A timer held without a time is over, too, when the session no longer waits. Nothing else is read: what a step does
    to runs is independent of who watches.
    """
    before, session = work.before, work.session
    if before is None or work.again or session.attachments is not before.attachments:
        return True
    if session.state is before.state:
        return False
    if before.state == "waiting_for_human" and session.orphan is not None and session.orphan.due is None:
        return session.state != "waiting_for_human"
    holding = work.tables.orphan_states
    return (session.state in holding) is not (before.state in holding)
