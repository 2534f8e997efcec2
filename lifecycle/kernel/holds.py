"""Holds: what is held before and after the whole step, compared once; the difference is the hooks.

What lives here: for each thing that a state holds, its identity and how it is taken and given back. What must not: who
holds it, which the machines declare. The law of this file: nothing but this comparison arms a timer, opens a segment,
registers a controller or shows a request, so no row can leak one.

Each hold has rules ``(work, before, after)``: what to do where only the state after the step holds it, where only the
state before did, and where both do but what is held can be another (see ``HoldRule``). Which of them a step calls was
read out of the machines beforehand, so no rule asks for the state of its owner.
"""

from __future__ import annotations

from lifecycle import hooks
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.firing import dismiss
from lifecycle.kernel.tables import HoldRule
from lifecycle.kernel.values import Execution, Request, Run, Session, Timer, us
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


# -- what a run holds -------------------------------------------------------------------------------------------------


def register_controller(work: Work, before: Run | None, after: Run) -> None:
    """Register the controller of a run that is unfinished."""
    work.taken.append(register(after.spec.id, after.spec.admitted))


def evict_controller(work: Work, before: Run | None, after: Run) -> None:
    """Evict it when the run has ended; while its execution is closing, that one holds it."""
    slot = work.session.execution
    if slot is None or slot.state != "closing" or slot.run != after.spec.id:
        work.given.append(evict(after.spec.id, after.spec.admitted))


def open_its_segment(work: Work, before: Run | None, after: Run) -> None:
    """Open the segment."""
    work.taken.append(open_segment(after.spec.id, after.segment))


def end_its_segment(work: Work, before: Run, after: Run) -> None:
    """End the segment: its reason is the state entered."""
    work.given.append(end_segment(after.spec.id, before.segment, after.state))


def change_segment(work: Work, before: Run, after: Run) -> None:
    """End one segment and open the next if the number was counted up: it runs again, or a process took it over."""
    if before.segment != after.segment:
        reason = "rerun" if before.attempt != after.attempt else "recovery"
        work.given.append(end_segment(after.spec.id, before.segment, reason))
        work.taken.append(open_segment(after.spec.id, after.segment))


def arm_queue_deadline(work: Work, before: Run | None, after: Run) -> None:
    """Arm the queue deadline in the first attempt, if one was asked for."""
    allowed = after.spec.queue_deadline_us
    if allowed is not None and after.attempt == 1:
        after.queue_deadline = taken_timer(work, "queue_deadline", after.spec.id, after.spec.admitted_at + allowed)


def disarm_queue_deadline(work: Work, before: Run | None, after: Run) -> None:
    """Disarm the queue deadline, if there is one."""
    armed = after.queue_deadline
    if armed is not None:
        work.given.append(disarm(armed.name, armed.owner, armed.token))
        after.queue_deadline = None


def compare_deadline(work: Work, before: Run | None, after: Run) -> None:
    """Let the deadline of a running run be armed exactly while its code executes; no code does after a recovery."""
    if after.remaining_us is None:
        return
    slot = work.session.execution
    if slot is None or slot.state != "executing" or slot.run != after.spec.id:
        disarm_deadline(work, before, after)
    elif after.deadline is None:
        after.deadline = taken_timer(work, "deadline", after.spec.id, work.now + after.remaining_us)


def disarm_deadline(work: Work, before: Run | None, after: Run) -> None:
    """Disarm the deadline, if it is armed; what remains is kept, unless a new attempt starts from the whole."""
    armed = after.deadline
    if armed is not None:
        assert armed.due is not None
        work.given.append(disarm(armed.name, armed.owner, armed.token))
        if before is not None and before.attempt == after.attempt:
            after.remaining_us = max(0, armed.due - work.now)
        after.deadline = None


def show_requests(work: Work, before: Run | None, after: Run) -> None:
    """Show every question of a batch that is new as a whole."""
    for request in after.requests:
        if request.state == "open":
            take_request(work, after, request)


def close_requests(work: Work, before: Run, after: Run) -> None:
    """Close what is left of the batch when its run leaves the wait, and keep the answers."""
    dismiss(work, after)
    give_back_requests(work, before, after)
    given = tuple([request.answer for request in after.requests if request.answer is not None])
    after.answers, after.requests = after.answers + given, ()


def compare_requests(work: Work, before: Run, after: Run) -> None:
    """Take away what is open no longer, show what was not open before; recovery arms every expiry again."""
    give_back_requests(work, before, after)
    for request in after.requests:
        if request.state == "open":
            if work.plans.again:
                take_request_again(work, after, request)
            elif not still_open(before.requests, request.id):
                take_request(work, after, request)


def give_back_requests(work: Work, before: Run, after: Run) -> None:
    """Give back what belonged to questions that were open before the step and are not the same any more."""
    for old in before.requests:
        if old.state == "open":
            new = request_named(after.requests, old.id)
            if new is not None and new is not old:
                give_back_request(work, after, old, new)


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


def offer_to_begin(work: Work, before: Execution | None, after: Execution) -> None:
    """Offer the run's code to whoever calls it."""
    work.taken.append(offer(after.run, after.id))


def take_offer_back(work: Work, before: Execution | None, after: Execution) -> None:
    """Withdraw the offer."""
    work.given.append(withdraw_offer(after.run, after.id))


def arm_closing(work: Work, before: Execution | None, after: Execution) -> None:
    """Give code that outlives its run a time to return in."""
    due = work.now + us(work.session.policy.closing_grace_seconds)
    after.closing = taken_timer(work, "closing", after.run, due)


def disarm_closing(work: Work, before: Execution | None, after: Execution) -> None:
    """Disarm the closing timer."""
    if after.closing is not None:
        give_back_timer(work, after.closing)
        after.closing = None


def evict_closed_controller(work: Work, before: Execution | None, after: Execution) -> None:
    """Evict the controller of a run that ended before its code did."""
    work.given.append(evict(after.run, after.controller))


# -- what a session holds ---------------------------------------------------------------------------------------------


def orphan(work: Work, before: Session | None, after: Session) -> None:
    """The orphan timer: while the session is not stopped and nobody is attached.

    One that is held says that nobody was attached; who is attached is asked only where that may have changed.
    """
    grace = after.policy.orphan_grace_seconds
    held_now = after.orphan
    released = before is not None and after.attachments is before.attachments and held_now is not None
    if grace is None or grace <= 0 or after.state not in work.tables.orphan_states:
        wanted = False
    else:
        wanted = released or not after.attachments
    if not wanted:
        if held_now is not None:
            give_back_timer(work, held_now)
            after.orphan = None
    elif held_now is None or work.plans.again or (held_now.due is None and after.state != "waiting_for_human"):
        after.orphan = taken_timer(work, "orphan", after.id, work.now + us(grace))


def time_orphan(work: Work, before: Session | None, after: Session) -> None:
    """Give an orphan timer that was held without a time one: the session waits no more."""
    if after.orphan is not None and after.orphan.due is None:
        orphan(work, before, after)


# -- the whole ---------------------------------------------------------------------------------------------------------


RUN_RULES = {
    held.CONTROLLER: HoldRule(register_controller, evict_controller, again=register_controller),
    held.REQUESTS: HoldRule(show_requests, close_requests, kept=compare_requests),
    held.SEGMENT: HoldRule(open_its_segment, end_its_segment, kept=change_segment),
    held.QUEUE_DEADLINE: HoldRule(arm_queue_deadline, disarm_queue_deadline, again=arm_queue_deadline),
    held.DEADLINE: HoldRule(compare_deadline, disarm_deadline, kept=compare_deadline),
}
EXECUTION_RULES = {
    held.OFFER: HoldRule(offer_to_begin, take_offer_back, again=offer_to_begin),
    held.CLOSING: HoldRule(arm_closing, disarm_closing),
    held.CONTROLLER: HoldRule(None, evict_closed_controller),
}
SESSION_RULES = {
    held.ORPHAN: HoldRule(orphan, orphan, again=orphan, left={"waiting_for_human": time_orphan}),
}
"""The rules of each hold, in the order in which their hooks are emitted. The controller of an execution is that of its
run, taken long before.
"""


def settle(work: Work) -> None:
    """Compare what is held before and after the whole step, append the hooks, set the timers; freeze each owner then.

    The orphan timer comes last, and only if what it depends on has changed: who is attached, what the state holds, the
    process. Nothing else is read: what a step does to runs is independent of who watches.
    """
    plans = work.plans
    for run_before, run in work.runs:
        for rule in plans.run[None if run_before is None else run_before.state][run.state]:
            rule(work, run_before, run)
        run.__class__ = Run
    for slot_before, slot in work.executions:
        for rule in plans.execution[None if slot_before is None else slot_before.state][slot.state]:
            rule(work, slot_before, slot)
        slot.__class__ = Execution
    before, session = work.before, work.session
    if before is None or session.attachments is not before.attachments:
        orphan(work, before, session)
    else:
        for rule in plans.session[before.state][session.state]:
            rule(work, before, session)
