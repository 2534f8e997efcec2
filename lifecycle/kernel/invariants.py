"""Invariants: the rules of safety that no step may break, asked of every step before it is committed.

What lives here: one function per rule that the session before and the step decide between them. What must not: repair,
liveness, or anything that needs a second step. The law of this file: a rule says true while it is kept, changes
nothing, and costs a fraction of the step; what is the very same object as before was judged when it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from lifecycle.hooks import ArmTimer, EndSegment, EvictController, OpenSegment, RegisterController, WithdrawRequest
from lifecycle.kernel.replies import Admitted, Rejection, Stale
from lifecycle.kernel.values import Execution, Request, Run, Session, Timer
from lifecycle.machines import CAUSES, MACHINES, STATE_OF

if TYPE_CHECKING:
    from lifecycle.kernel.engine import Step

Rule: TypeAlias = "Callable[[Session | None, Session, Step], bool]"
"""A rule of a step that changed something: ``(before, after, step)``, true while it is kept."""

Rules: TypeAlias = "tuple[tuple[str, Rule], ...]"

RESTS = frozenset({"ready", "interrupted", "error", "stopped"})
NEEDS_CODE = frozenset({"starting", "running"})
OVER = frozenset({"settled", "abandoned"})
NOTHING_CHANGED = frozenset({Rejection, Stale})
CAUSES_OF = {STATE_OF[trigger]: frozenset(causes) for trigger, causes in CAUSES.items()}
ABSORBING = frozenset((machine.name, state.name) for machine in MACHINES for state in machine.states if state.final)
FINAL_STATES = frozenset(state for _, state in ABSORBING)


def broken(before: Session | None, step: Step) -> str | None:
    """Return the name of the first rule that a step breaks; none if it may be committed."""
    after = step.session
    if after is None or after is before:
        return None if not (step.hooks or step.moves or step.ended or step.closed) else "stale-is-noop"
    if type(step.reply) is Admitted:
        return ask_all(before, after, step)
    if step.ended or step.closed:
        return ask_of_ends(before, after, step)
    if (
        before is None
        or after.head is not before.head
        or after.execution is not before.execution
        or after.queue is not before.queue
    ):
        return ask_of_runs(before, after, step)
    return ask_of_sessions(before, after, step)


def asking(rules: Rules) -> Callable[[Session | None, Session, Step], str | None]:
    """Generate the function that asks these rules in their order and returns the name of the first one broken.

    It is a line for each rule and no loop, which would cost as much as the rules themselves.
    """
    lines = [f" if not rule_{at}(before, after, step): return {name!r}\n" for at, (name, _) in enumerate(rules)]
    scope: dict[str, Any] = {f"rule_{at}": rule for at, (_, rule) in enumerate(rules)}
    exec("def ask(before, after, step):\n" + "".join(lines), scope)
    ask: Callable[[Session | None, Session, Step], str | None] = scope["ask"]
    return ask


# -- what a step is ---------------------------------------------------------------------------------------------------


def stale_is_noop(before: Session | None, after: Session, step: Step) -> bool:
    """Change nothing where the reply says that nothing was done."""
    return step.judge is None and type(step.reply) not in NOTHING_CHANGED


def final_absorbs(before: Session | None, after: Session, step: Step) -> bool:
    """Move nothing out of a final state, and leave a stopped session stopped until its next incarnation."""
    for move in step.moves:
        if move[3] in FINAL_STATES and (move[0], move[3]) in ABSORBING:
            return False
    if before is None or before.state != "stopped":
        return before is None or before.incarnation == after.incarnation
    if before.incarnation != after.incarnation:
        return before.incarnation + 1 == after.incarnation and type(step.reply) is Admitted
    same = after.attachments is before.attachments or not after.attachments
    released = same or len(after.attachments) <= len(before.attachments)
    return after.state == "stopped" and after.cause == before.cause and released


# -- the session and its head -----------------------------------------------------------------------------------------


def session_wears_head(before: Session | None, after: Session, step: Step) -> bool:
    """Let the session wear its head's state; without one rest, with nothing queued. Only a stopped one has a cause."""
    head = after.head
    if head is not None:
        return after.state == head.state and after.cause is None
    return after.state in RESTS and not after.queue and (after.cause is None) == (after.state != "stopped")


def waiting_has_open_request(before: Session | None, after: Session, step: Step) -> bool:
    """Wait for a human exactly while a question is open; no other state keeps a batch, and queued runs only start."""
    head = after.head
    if head is not None:
        if head.state != "waiting_for_human":
            if head.requests:
                return False
        elif not is_any_open(head.requests):
            return False
    if not after.queue or (before is not None and after.queue is before.queue):
        return True
    return all(run.state == "starting" and not run.requests for run in after.queue)


def is_any_open(requests: tuple[Request, ...]) -> bool:
    """Say whether a question of the batch is open."""
    for request in requests:  # noqa: SIM110  (a generator costs more than the rest of the rule)
        if request.state == "open":
            return True
    return False


def leaving_wait_closes_requests(before: Session | None, after: Session, step: Step) -> bool:
    """Close every question that was open and is not, once, with its viewers told; and no other."""
    old, head = None if before is None else before.head, after.head
    if old is None or head is old or not old.requests:
        return not step.closed
    still = head.requests if head is not None and head.spec is old.spec else ()
    gone = [one.id for one in old.requests if one.state == "open" and not (still and is_open_in(still, one.id))]
    closed = [one.request.id for one in step.closed]
    told = [hook.request for hook in step.hooks if type(hook) is WithdrawRequest]
    return gone == closed == told or sorted(gone) == sorted(closed) == sorted(told)


def is_open_in(requests: tuple[Request, ...], name: str) -> bool:
    """Say whether that question of the batch is open."""
    for request in requests:  # noqa: SIM110
        if request.id == name and request.state == "open":
            return True
    return False


def resume_with_continuation(before: Session | None, after: Session, step: Step) -> bool:
    """Open the next segment in the step in which the wait ends, and count a new attempt when the run starts again."""
    old, head = None if before is None else before.head, after.head
    if old is None or head is None or head is old or head.spec is not old.spec:
        return True
    if head.state == "starting" and old.state != "starting":
        return head.attempt == old.attempt + 1 and head.segment == old.segment + 1
    if head.attempt != old.attempt:
        return False
    return old.state != "waiting_for_human" or head.state != "running" or head.segment == old.segment + 1


def one_execution(before: Session | None, after: Session, step: Step) -> bool:
    """Keep one live execution, the head's while pending or executing; free the slot only of what is over.

    A head that needs code has one unless another run's code is still closing.
    """
    slot, head = after.execution, after.head
    if slot is None:
        if head is not None and head.state in NEEDS_CODE:
            return False
    elif slot.state == "closing":
        if head is not None and head.spec.id == slot.run:
            return False
    elif head is None or head.spec.id != slot.run or not is_at_work(slot, head):
        return False
    old = None if before is None else before.execution
    return old is None or (slot is not None and slot.id == old.id) or is_over(old.id, step)


def is_at_work(slot: Execution, head: Run) -> bool:
    """Say whether an execution fits its run: pending without a grant for one in need of code, or executing with one."""
    if slot.state == "pending":
        return slot.token == 0 and head.state in NEEDS_CODE
    return slot.state == "executing" and slot.token != 0 and head.state != "starting"


def is_over(execution: int, step: Step) -> bool:
    """Say whether the step took that execution to its end."""
    for name, subject, _, _, dest in step.moves:  # noqa: SIM110
        if name == "execution" and subject == execution and dest in OVER:
            return True
    return False


# -- ends -------------------------------------------------------------------------------------------------------------


def ended_is_not_advertised(before: Session | None, after: Session, step: Step) -> bool:
    """Let no run vanish or stay on: whoever was unfinished or came is unfinished or ended now, and never both."""
    old, head, reply = None if before is None else before.head, after.head, step.reply
    came = type(reply) is Admitted
    if not step.ended and before is not None and before.queue is after.queue and not came:
        return old is head or (old is not None and head is not None and old.spec is head.spec)
    was = [] if before is None else ids_of(before)
    if came:
        was.append(cast("Admitted", reply).run)
    now = [one.spec.id for one in step.ended] + ids_of(after)
    return was == now or sorted(was) == sorted(now)


def ids_of(session: Session) -> list[str]:
    """Return the ids of every unfinished run."""
    queued = [run.spec.id for run in session.queue] if session.queue else []
    return queued if session.head is None else [session.head.spec.id, *queued]


def first_cause_wins(before: Session | None, after: Session, step: Step) -> bool:
    """Give each end a cause, and one that leads to its state."""
    for ended in step.ended:  # noqa: SIM110
        if ended.cause not in CAUSES_OF[ended.state]:
            return False
    return True


# -- what is held -----------------------------------------------------------------------------------------------------


def registered_before_ack(before: Session | None, after: Session, step: Step) -> bool:
    """Acknowledge a run only if it is there and the same step registers its controller."""
    reply = step.reply
    if type(reply) is not Admitted:
        return True
    if controller_of(after, reply.run) is None or reply.incarnation != after.incarnation:
        return False
    for hook in step.hooks:  # noqa: SIM110
        if type(hook) is RegisterController and hook.run == reply.run:
            return True
    return False


def same_key_same_run(before: Session | None, after: Session, step: Step) -> bool:
    """Let an id, and an idempotency key, name one unfinished run."""
    if type(step.reply) is not Admitted or not after.queue:
        return True
    runs = after.unfinished()
    keys = [run.spec.key for run in runs if run.spec.key is not None]
    return len({run.spec.id for run in runs}) == len(runs) and len(set(keys)) == len(keys)


def evict_own(before: Session | None, after: Session, step: Step) -> bool:
    """Register the controllers that are held now, and evict those, and only those, that are held no more."""
    balance = controllers(after) if before is None else controllers(after) - controllers(before)
    hook: Any
    for hook in step.hooks:
        kind = type(hook)
        if kind is RegisterController or kind is EvictController:
            was = None if before is None else controller_of(before, hook.run)
            now = controller_of(after, hook.run)
            if kind is EvictController:
                balance += 1
                if was != hook.controller or now is not None:
                    return False
            elif now != hook.controller:
                return False
            elif was is None:  # else recovery takes again what the last process held
                balance -= 1
    return balance == 0


def controllers(session: Session) -> int:
    """Count the controllers held: of unfinished runs, and of one whose code is closing."""
    slot = session.execution
    closing = slot is not None and slot.state == "closing"
    return len(session.queue) + (session.head is not None) + closing


def controller_of(session: Session, name: str) -> int | None:
    """Return the controller that a run holds, itself or by its closing code."""
    slot = session.execution
    if slot is not None and slot.run == name and slot.state == "closing":
        return slot.controller
    head = session.head
    if head is not None and head.spec.id == name:
        return head.spec.admitted
    for run in session.queue:
        if run.spec.id == name:
            return run.spec.admitted
    return None


def one_end_per_segment(before: Session | None, after: Session, step: Step) -> bool:
    """End and open exactly the segments that were open and are not, or are and were not; each once, ends first."""
    held = [] if before is None else segments(before)
    hook: Any
    for hook in step.hooks:
        kind = type(hook)
        if kind is EndSegment or kind is OpenSegment:
            one = hook.run, hook.segment
            if (kind is EndSegment) is not (one in held):
                return False
            if kind is EndSegment:
                held.remove(one)
            else:
                held.append(one)
    now = segments(after)
    return held == now or sorted(held) == sorted(now)


def segments(session: Session) -> list[tuple[str, int]]:
    """Return every segment that is open, by run and number; a queued run always has one."""
    head = session.head
    queued = [(run.spec.id, run.segment) for run in session.queue] if session.queue else []
    return queued if head is None or head.state not in NEEDS_CODE else [(head.spec.id, head.segment), *queued]


# -- timers -----------------------------------------------------------------------------------------------------------


def deadline_covers_timeout(before: Session | None, after: Session, step: Step) -> bool:
    """Let the deadline run exactly while its run is running and executing and has one; time is not given away."""
    head, slot = after.head, after.execution
    if head is not None:
        executing = slot is not None and slot.state == "executing" and head.state == "running"
        if (head.deadline is not None) != (executing and head.remaining_us is not None):
            return False
        if (head.remaining_us is None) != (head.spec.deadline_us is None):
            return False
    if not after.queue or (before is not None and after.queue is before.queue):
        return True
    return all(run.deadline is None for run in after.queue)


def detached_is_timed(before: Session | None, after: Session, step: Step) -> bool:
    """Arm the orphan timer exactly while nobody is attached to a session that is not stopped and has a grace; it may
    be held without a time only while a question is open.
    """
    timer, grace = after.orphan, after.policy.orphan_grace_seconds
    if after.attachments or grace is None or grace <= 0 or after.state == "stopped":
        return timer is None
    return timer is not None and (timer.due is not None or after.state == "waiting_for_human")


def one_timer(before: Session | None, after: Session, step: Step) -> bool:
    """Keep timers only where they belong, and arm none twice: what a hook arms is in the value, with its token."""
    slot, head = after.execution, after.head
    if slot is not None and (slot.closing is None) == (slot.state == "closing"):
        return False
    if head is not None and (before is None or head is not before.head) and not is_timed(head):
        return False
    if after.queue and (before is None or after.queue is not before.queue):
        for run in after.queue:
            if not is_timed(run):
                return False
    armed: tuple[Timer, ...] = ()
    hook: Any
    for hook in step.hooks:
        if type(hook) is ArmTimer:
            held = timer_of(after, hook)
            if held is None or held.due != hook.due or held.token != hook.token or (armed and held in armed):
                return False
            armed += (held,)
    return True


def is_timed(run: Run) -> bool:
    """Say whether a run has a queue deadline only while it first starts, and expiries only while they are open."""
    first = run.state == "starting" and run.attempt == 1 and run.spec.queue_deadline_us is not None
    if (run.queue_deadline is None) is first:
        return False
    for request in run.requests:  # noqa: SIM110
        if request.expiry is not None and request.state != "open":
            return False
    return True


def timer_of(session: Session, arm: Any) -> Timer | None:
    """Return the timer that the owner named holds under that name."""
    name, head, slot = arm.name, session.head, session.execution
    if name == "orphan":
        return session.orphan
    if name == "closing":
        return None if slot is None else slot.closing
    if head is not None:
        if name == "expiry":
            for request in head.requests:
                if request.id == arm.owner:
                    return request.expiry
        elif head.spec.id == arm.owner:
            return head.deadline if name == "deadline" else head.queue_deadline
    return next((run.queue_deadline for run in session.queue if run.spec.id == arm.owner), None)


RULES: Rules = (
    ("stale-is-noop", stale_is_noop),
    ("final-absorbs", final_absorbs),
    ("session-wears-head", session_wears_head),
    ("ended-is-not-advertised", ended_is_not_advertised),
    ("first-cause-wins", first_cause_wins),
    ("waiting-has-open-request", waiting_has_open_request),
    ("leaving-wait-closes-requests", leaving_wait_closes_requests),
    ("resume-with-continuation", resume_with_continuation),
    ("one-execution", one_execution),
    ("registered-before-ack", registered_before_ack),
    ("same-key-same-run", same_key_same_run),
    ("evict-own", evict_own),
    ("one-end-per-segment", one_end_per_segment),
    ("deadline-covers-timeout", deadline_covers_timeout),
    ("detached-is-timed", detached_is_timed),
    ("one-timer", one_timer),
)
"""Every rule by its name in the design, in the order in which they are asked."""

OF_ADMISSION = (registered_before_ack, same_key_same_run)
OF_SESSIONS = (
    stale_is_noop,
    final_absorbs,
    session_wears_head,
    evict_own,
    one_end_per_segment,
    detached_is_timed,
    one_timer,
)

ask_all = asking(RULES)
ask_of_ends = asking(tuple((name, rule) for name, rule in RULES if rule not in OF_ADMISSION))
ask_of_runs = asking(tuple((name, rule) for name, rule in RULES if rule not in (*OF_ADMISSION, first_cause_wins)))
ask_of_sessions = asking(tuple((name, rule) for name, rule in RULES if rule in OF_SESSIONS))
"""All rules, and those that a step can break that admits no run, ends nothing either, touches no run at all."""
