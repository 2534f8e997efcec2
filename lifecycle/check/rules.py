"""Rules: what must hold of every step, by name, each with the sentence a user understands and when it says something.

What lives here: the properties of safety. The rules that the runtime asks of every step before its commit are taken
as they are; beside them stand those that need to know what the move was meant to be. What must not: a search. The law
of this file: a rule reads no more of a session than the move it judges declares, and a rule whose premise was never
reached has proved nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from lifecycle import hooks
from lifecycle.check.case import Case, Holds
from lifecycle.check.courses import (
    checkpoint_stands,
    crash_is_treated_by_policy,
    end_is_told_in_full,
    id_names_one_question,
    limits_are_kept,
    session_says_why_it_stopped,
    turns_are_kept,
    was_allowed,
    was_cut_off,
)
from lifecycle.check.parts import Breach
from lifecycle.check.replying import first_decision_stands, key_names_one_run, reply_is_true
from lifecycle.check.rights import only_who_may, owned
from lifecycle.errors import LifecycleError
from lifecycle.kernel.engine import timers
from lifecycle.kernel.finding import is_open, request_open_or_closed, run_named
from lifecycle.kernel.inputs import (
    AbortRun,
    AbortSession,
    Checkpointed,
    CloseSession,
    Decide,
    ExecutionSettled,
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
)
from lifecycle.kernel.invariants import RULES, Rule, detached_is_timed, ended_is_not_advertised, segments
from lifecycle.kernel.replies import Aborted, Admitted, Decided, Granted, Rejection, Stale
from lifecycle.kernel.values import Question, Request, Run


@attrs.frozen(eq=False)
class Property:
    """A property of safety: its name, what it promises, and what must have happened for it to have said anything."""

    name: str
    sentence: str
    reached: Callable[[Case], bool]


# -- rules that know what the move was meant to be --------------------------------------------------------------------


def answered_without_fault(case: Case) -> bool:
    """Take every input that there is: no table refuses what a route fires."""
    reply = case.step.reply
    return not (reply.__class__ is Rejection and reply.error == "InvariantBroken")


def nothing_without_commit(case: Case) -> bool:
    """Perform nothing but a re-armed timer of a step that is not written down."""
    if case.step.journalled:
        return True
    return all(isinstance(hook, hooks.ArmTimer) for hook in case.step.hooks) and not case.step.moves


def what_is_made_is_fresh(case: Case) -> bool:
    """Give every timer, execution and grant that a step makes a token that was never used before."""
    after = case.after
    journalled = case.step.journalled
    if journalled and after.revision != (1 if case.before is None else case.before.revision + 1):
        return False
    hook: Any
    for hook in case.step.hooks:
        kind = hook.__class__
        if kind is hooks.ArmTimer:
            if hook.token[0] != after.revision if journalled else hook.token[1] == 0:  # in memory, the count tells
                return False
        elif kind is hooks.CallCode and hook.token != after.revision:
            return False
    slot, old = after.execution, None if case.before is None else case.before.execution
    if case.move.side == "client" or slot is None or (old is not None and slot.id == old.id):
        return True
    return slot.id == after.revision


def accepted_abort_ends(case: Case) -> bool:
    """End at once what somebody aborts who may, in whatever state it is; of a session, what is theirs to end."""
    given = case.given
    if case.move.kind == "abort" and isinstance(given, AbortRun):
        return isinstance(case.step.reply, Aborted) and [one.spec.id for one in case.step.ended] == [given.run]
    if case.move.kind == "abort" and isinstance(given, AbortSession):
        return [one.spec.id for one in case.step.ended] == owned(case.before, given.by)
    return True


def granted_code_is_called(case: Case) -> bool:
    """Call the code in the step that grants it, and only then."""
    calls = [hook for hook in case.step.hooks if isinstance(hook, hooks.CallCode)]
    if isinstance(case.step.reply, Granted):
        slot, head = case.after.execution, case.after.head
        return len(calls) == 1 and slot is not None and slot.state == "executing" and head is not None
    return not calls


def answer_has_effect(case: Case) -> bool:
    """Give a decision its effect: the request is answered by it, and code that waits in place is handed the answers."""
    given, before = case.given, case.before
    if not isinstance(given, Decide) or not case.changed or before is None or before.head is None:
        return True
    mine = [one.request for one in case.step.closed if one.request.id == given.request]
    if len(mine) != 1 or mine[0].answer is None or mine[0].state != "answered":
        return False
    answer = mine[0].answer
    if (answer.decision, answer.kind, answer.content, answer.by) != (
        given.decision,
        given.kind,
        given.content,
        given.by,
    ):
        return False
    head = case.after.head
    if given.kind == "reject":
        return [one.cause for one in case.step.ended][:1] == ["rejected"]
    if head is None or head.spec is not before.head.spec:
        return False
    if answer not in head.answers and answer not in [request.answer for request in head.requests]:
        return False
    if head.state == "waiting_for_human":
        return any(request.state == "open" for request in head.requests)
    handed = any(isinstance(hook, hooks.HandAnswers) for hook in case.step.hooks)
    was_in_place = before.execution is not None and before.execution.state == "executing"
    return handed is was_in_place


def answers_stand(case: Case) -> bool:
    """Never change an answer that was given, and lose none but by a checkpoint or an end."""
    before, head = case.before, case.after.head
    old = None if before is None else before.head
    if old is None or head is None or head.spec is not old.spec or head is old:
        return True
    for request in old.requests:
        if request.answer is not None:
            kept = request_open_or_closed(head, request.id)
            if kept is not None and kept.answer is not None and kept.answer != request.answer:
                return False
            if kept is None and request.answer not in head.answers and not checkpoints(case):
                return False
    return checkpoints(case) or all(answer in head.answers for answer in old.answers)


def checkpoints(case: Case) -> bool:
    """Say whether the step keeps a checkpoint, which makes earlier answers the past."""
    head, old = case.after.head, None if case.before is None else case.before.head
    return case.move.kind in ("checkpoint", "settle") and head is not None and old is not None


def opened_requests_are_shown(case: Case) -> bool:
    """Show every question that a step opens."""
    old = {} if case.before is None or case.before.head is None else open_requests(case.before.head)
    new = {} if case.after.head is None else open_requests(case.after.head)
    shown = [hook.request for hook in case.step.hooks if isinstance(hook, hooks.ShowRequest)]
    return sorted(name for name in new if name not in old) == sorted(shown)


def open_requests(run: Run) -> dict[str, Request]:
    """Return the open questions of a run by their names."""
    return {request.id: request for request in run.requests if request.state == "open"}


def recovery_takes_all_again(case: Case) -> bool:
    """Take again, after a crash, whatever is held; keep no attachment, and no code that died with its process."""
    if not isinstance(case.given, Recovered) or not case.changed:
        return True
    after = case.after
    if after.attachments or (after.execution is not None and after.execution.state != "pending"):
        return False
    taken = case.step.hooks
    armed = {(hook.name, hook.owner) for hook in taken if isinstance(hook, hooks.ArmTimer)}
    if {(timer.name, timer.owner) for timer in timers(after) if timer.due is not None} != armed:
        return False
    registered = [hook.run for hook in taken if isinstance(hook, hooks.RegisterController)]
    if sorted(registered) != sorted(run.spec.id for run in after.unfinished()):
        return False
    opened = [(hook.run, hook.segment) for hook in taken if isinstance(hook, hooks.OpenSegment)]
    if sorted(opened) != sorted(segments(after)):
        return False
    offered = [hook.execution for hook in taken if isinstance(hook, hooks.OfferBegin)]
    return offered == ([] if after.execution is None else [after.execution.id])


def ends_are_told(case: Case) -> bool:
    """Tell everybody of every end, once, and set its signal: an end that nobody hears of looks like a run at work."""
    ended = [(one.spec.id, one.state, one.cause) for one in case.step.ended]
    told = [(hook.run, hook.state, hook.cause) for hook in case.step.hooks if isinstance(hook, hooks.PublishEnd)]
    signalled = [(hook.run, hook.cause) for hook in case.step.hooks if isinstance(hook, hooks.SignalAbort)]
    return sorted(ended) == sorted(told) and sorted((run, cause) for run, _, cause in ended) == sorted(signalled)


def executions_end_as_they_did(case: Case) -> bool:
    """Settle code that returned, was not called or is lost; abandon, with a report, code that did not return in time;
    while it works, let it close and nothing else.
    """
    old, slot = None if case.before is None else case.before.execution, case.after.execution
    given = case.given
    late = isinstance(given, TimerFired) and given.name == "closing"
    reports = [hook for hook in case.step.hooks if isinstance(hook, hooks.ReportAbandoned)]
    dests = [dest for machine, _, _, _, dest in case.step.moves if machine == "execution"]
    if len(reports) != late or ("abandoned" in dests) is not late:
        return False
    if old is None or old.state == "pending" or late:
        return True
    if isinstance(given, ExecutionSettled | Lost | Recovered):
        return "settled" in dests
    return slot is not None and slot.id == old.id


def requests_close_as_said(case: Case) -> bool:
    """Close a question as the input says: taken back, withdrawn; expired, by its policy; and arm what it asked for."""
    given, closed = case.given, [(one.request.id, one.request.state) for one in case.step.closed]
    if isinstance(given, RequestRetracted):
        return (given.request, "withdrawn") in closed
    if isinstance(given, TimerFired) and given.name == "expiry":
        request = None
        if case.before is not None and case.before.head is not None:
            request = request_open_or_closed(case.before.head, given.owner)
        if request is not None and request.on_expiry != "keep":
            return (given.owner, "expired") in closed
        head = case.after.head
        kept = None if head is None else request_open_or_closed(head, given.owner)
        return kept is not None and kept.state == "open" and kept.expiry is None
    asked: tuple[Question, ...] = ()
    if isinstance(given, RunAsked):
        asked = given.questions
    elif isinstance(given, ExecutionSettled) and isinstance(given.result, Parked):
        asked = given.result.questions
    for question in asked:
        head = case.after.head
        request = None if head is None else request_open_or_closed(head, question.id)
        fresh = request is not None and not was_open(case, question.id)
        if fresh and request is not None and (request.expiry is None) is not (question.expiry_us is None):
            return False
    return True


def was_open(case: Case, name: str) -> bool:
    """Say whether a question was open before the step."""
    return case.before is not None and case.before.head is not None and is_open(case.before.head, name)


CAUSED_BY: dict[str, tuple[type[Input], ...]] = {
    "completed": (RunCompleted, ExecutionSettled),
    "aborted": (AbortRun, AbortSession),
    "superseded": (StartRun,),
    "shutdown": (Shutdown,),
    "crashed": (Lost, Recovered),
    "crashed_out": (Lost, Recovered),
    "rejected": (Decide,),
    "deadline": (TimerFired,),
    "queue_deadline": (TimerFired,),
    "request_expired": (TimerFired,),
    "closed": (CloseSession,),
    "failed": (RunFailed, ExecutionSettled, RunAsked, SetAside),
    "provider_ready": (ProviderReported,),
    "provider_interrupted": (ProviderReported,),
    "provider_stopped": (ProviderReported,),
    "provider_gone": (ProviderReported,),
    "provider_error": (ProviderReported,),
}
"""Which inputs may bring which cause."""

OUTCOMES = {
    "the code returns its answer": ("ready", "completed"),
    "the code raises": ("error", "failed"),
    "the code returns without a result": ("error", "failed"),
    "the code reports its answer and goes on": ("ready", "completed"),
    "the code reports its failure and goes on": ("error", "failed"),
    "the head is reported complete": ("ready", "completed"),
    "the head is reported failed": ("error", "failed"),
    "the code asks nothing": ("error", "failed"),
    "a fact is set aside": ("error", "failed"),
    "the provider reports ready": ("ready", "provider_ready"),
    "the provider reports interrupted": ("interrupted", "provider_interrupted"),
    "the provider reports stopped": ("stopped", "provider_stopped"),
    "the provider reports error": ("error", "provider_error"),
    "the provider reports gone": ("error", "provider_gone"),
}
"""How a run ends by the moves that say how."""


def cause_is_the_inputs(case: Case) -> bool:
    """Give an end the cause of what ended it: a deadline only by its timer, an abort only by a request to abort."""
    for ended in case.step.ended:
        if not isinstance(case.given, CAUSED_BY[ended.cause]):
            return False
        given = case.given
        if isinstance(given, TimerFired) and ended.cause != {"expiry": "request_expired"}.get(given.name, given.name):
            return False
    told = OUTCOMES.get(case.move.name)
    if told is None or case.before is None or case.before.head is None or not case.changed:
        return True
    return [(one.state, one.cause) for one in case.step.ended[:1]] == [told]


def session_rests_as_the_last_ended(case: Case) -> bool:
    """Let a session without an unfinished run rest as the run that ended last; after a stopped one it is ready."""
    after = case.after
    if not case.step.ended or after.head is not None or after.state == "stopped":
        return True
    last = case.step.ended[-1].state
    return after.state == ("ready" if last == "stopped" else last)


def resources_follow_their_tables(case: Case) -> bool:
    """Let every hook on a controller be one that the table of controllers takes, and leave it as it must be."""
    machine, before = case.machines["controller"], case.before
    states: dict[str, str] = {}
    if before is not None:
        states = {run.spec.id: machine.initial or "" for run in before.unfinished()}
        if before.execution is not None and before.execution.state == "closing":
            states[before.execution.run] = "signalled"
    if isinstance(case.given, Recovered):
        return True
    try:
        hook: Any
        for hook in case.step.hooks:
            if hook.__class__ is hooks.RegisterController:
                states[hook.run] = machine.initial or ""
            elif hook.__class__ is hooks.SignalAbort:
                states[hook.run] = machine.send(states[hook.run], "signal").state
            elif hook.__class__ is hooks.EvictController:
                states[hook.run] = machine.send(states[hook.run], "evict").state
    except (LifecycleError, KeyError):
        return False
    slot, unfinished = case.after.execution, {run.spec.id for run in case.after.unfinished()}
    for run, state in states.items():
        closing = slot is not None and slot.state == "closing" and slot.run == run
        wanted = "registered" if run in unfinished else "signalled" if closing else "evicted"
        if state != wanted:
            return False
    return True


def segments_follow_their_table(case: Case) -> bool:
    """Let every hook on a segment be one that the table of segments takes; an open one takes frames and stays open."""
    machine = case.machines["segment"]
    states = {} if case.before is None else dict.fromkeys(segments(case.before), machine.initial or "")
    try:
        hook: Any
        for hook in case.step.hooks:
            if hook.__class__ is hooks.OpenSegment:
                states[hook.run, hook.segment] = machine.initial or ""
            elif hook.__class__ is hooks.EndSegment:
                states[hook.run, hook.segment] = machine.send(states[hook.run, hook.segment], "end").state
                if hook.reason != why_it_ends(case, hook.run):
                    return False
        now = set(segments(case.after))
        return all(
            machine.send(state, "emit").state == "open" if one in now else state == "ended"
            for one, state in states.items()
        )
    except (LifecycleError, KeyError):
        return False


def why_it_ends(case: Case, name: str) -> str | None:
    """Say why a stretch of a run's stream ends: its run did, or waits, or is run again; else its process was another."""
    for one in case.step.ended:
        if one.spec.id == name:
            return one.state
    old, now = run_named(case.before, name), run_named(case.after, name)
    if old is None or now is None:
        return None
    return "rerun" if now.attempt != old.attempt else now.state if now.state != old.state else "recovery"


def client_hooks_fit(case: Case) -> bool:
    """Let a client's move touch no timer but the orphan timer, as the value says."""
    before, after = case.before, case.after
    assert before is not None
    wanted: list[object] = []
    if before.orphan is not None and before.orphan is not after.orphan and before.orphan.due is not None:
        wanted.append(hooks.DisarmTimer("orphan", after.id, before.orphan.token))
    if after.orphan is not None and after.orphan is not before.orphan and after.orphan.due is not None:
        wanted.append(hooks.ArmTimer("orphan", after.id, after.orphan.due, after.orphan.token))
    return list(case.step.hooks) == wanted


def client_stays_or_goes(case: Case) -> bool:
    """Add or remove exactly the attachment that the move is about."""
    before, after = case.before, case.after
    assert before is not None
    name = getattr(case.given, "attachment", "")
    kept = tuple(one for one in before.attachments if one != name)
    wanted = (*before.attachments, name) if case.move.kind == "attach" else kept
    return sorted(after.attachments) == sorted(wanted)


def orphan_is_timed(case: Case) -> bool:
    """Arm the orphan timer exactly while nobody is attached and the session is not stopped."""
    return detached_is_timed(case.before, case.after, case.step)


def reaped_only_when_idle(case: Case) -> bool:
    """Stop an orphaned session only if nothing in it waits, works or is queued; otherwise arm its timer again."""
    given, before = case.given, case.before
    if not isinstance(given, TimerFired) or given.name != "orphan" or not case.changed or before is None:
        return True
    after = case.after
    if before.head is None and not before.queue and before.execution is None:
        return after.state == "stopped" and after.cause == "orphaned"
    if after.state == "stopped":
        return False
    armed = any(isinstance(hook, hooks.ArmTimer) for hook in case.step.hooks)
    held = before.head is not None and before.head.state == "waiting_for_human"
    return after.orphan is not None and (armed or (held and after.orphan.due is None))


def kept_at_commit(rule: Rule) -> Holds:
    """Return a rule of the runtime's as one that is asked of a case."""
    return lambda case: rule(case.before, case.after, case.step)


ANY: tuple[tuple[str, Holds], ...] = (
    ("total", answered_without_fault),
    ("owner-only", only_who_may),
    ("abort-ends", accepted_abort_ends),
    ("same-key-same-run", key_names_one_run),
    ("decide-once", first_decision_stands),
    ("digest-matches", id_names_one_question),
    ("limits-are-kept", limits_are_kept),
)
"""Asked of every step, changed or not."""

AT_LAST: tuple[tuple[str, Holds], ...] = (("replies-are-true", reply_is_true),)
"""Asked of every step, after all others: whatever else is wrong says more than that the sender was told so."""

RUN_SIDE_FIRST: tuple[tuple[str, Holds], ...] = (
    ("commit-before-hooks", nothing_without_commit),
    ("recovered", recovery_takes_all_again),
    ("crash-policy", crash_is_treated_by_policy),
)
"""Asked of every step of the run side that changed something, before all others: these may be asked whoever is attached
after it, the others only of a step that keeps everybody, unread, or nobody.
"""

AT_COMMIT = (
    ("ended-is-not-advertised", ended_is_not_advertised),
    *((name, rule) for name, rule in RULES if rule not in (detached_is_timed, ended_is_not_advertised)),
)
"""Asked of every step of the run side that changed something: what the runtime asks before it commits, as it is.

That an ended run is not advertised is asked first: it says more than what else is wrong then.
"""

KEPT_AT_COMMIT: tuple[tuple[str, Holds], ...] = tuple((name, kept_at_commit(rule)) for name, rule in AT_COMMIT)

RUN_SIDE: tuple[tuple[str, Holds], ...] = (
    ("stale-is-noop", what_is_made_is_fresh),
    ("one-execution", granted_code_is_called),
    ("ended-is-not-advertised", ends_are_told),
    ("executions-are-released", executions_end_as_they_did),
    ("requests-settle", requests_close_as_said),
    ("answer-takes-effect", answer_has_effect),
    ("decide-once", answers_stand),
    ("checkpoints-stand", checkpoint_stands),
    ("queue-drains", turns_are_kept),
    ("open-requests-are-shown", opened_requests_are_shown),
    ("first-cause-wins", cause_is_the_inputs),
    ("first-cause-wins", end_is_told_in_full),
    ("first-cause-wins", session_says_why_it_stopped),
    ("session-wears-head", session_rests_as_the_last_ended),
    ("orphans-are-reaped", reaped_only_when_idle),
    ("evict-own", resources_follow_their_tables),
    ("one-end-per-segment", segments_follow_their_table),
)
"""Asked after these, in this order."""

CLIENT_SIDE: tuple[tuple[str, Holds], ...] = (
    ("stale-is-noop", what_is_made_is_fresh),
    ("detached-is-timed", orphan_is_timed),
    ("one-timer", client_hooks_fit),
    ("evict-own", client_stays_or_goes),
)
"""Asked of every step of the client side that changed something."""


def first_broken(case: Case) -> str | None:
    """Return the name of the first rule that a step breaks; none if it keeps them all.

    A step that is so wrong that a rule cannot be asked breaks it.
    """
    name = ""
    try:
        for rules in (ANY, rules_of(case) if case.changed else (), AT_LAST):
            for name, holds in rules:
                if not holds(case):
                    return name
    except Breach:
        raise
    except Exception:
        return name
    return None


def rules_of(case: Case) -> Iterator[tuple[str, Holds]]:
    """Yield the rules that are asked of a step which changed something, in their order."""
    if case.move.unchanged is not None:
        yield case.move.unchanged, never
    if case.move.side != "client":
        yield from RUN_SIDE_FIRST
        yield from KEPT_AT_COMMIT
    yield from CLIENT_SIDE if case.move.side == "client" else RUN_SIDE


def never(case: Case) -> bool:
    """Refuse what was to change nothing."""
    return False


# -- the properties ---------------------------------------------------------------------------------------------------


def moved(machine: str, *triggers: str) -> Callable[[Case], bool]:
    """Say whether a machine took one of these triggers."""
    return lambda case: any(move[0] == machine and move[2] in triggers for move in case.step.moves)


def meant(rule: str) -> Callable[[Case], bool]:
    """Say whether the move was one that this rule forbids to change anything."""
    return lambda case: case.move.unchanged == rule


def given_as(*kinds: type[Input]) -> Callable[[Case], bool]:
    """Say whether an input of that kind changed something."""
    return lambda case: isinstance(case.given, kinds) and case.changed


def hooked(*kinds: type[hooks.Hook]) -> Callable[[Case], bool]:
    """Say whether the step had a hook of each of these kinds."""
    return lambda case: all(any(isinstance(hook, kind) for hook in case.step.hooks) for kind in kinds)


def was_refused(*errors: str) -> Callable[[Case], bool]:
    """Say whether the sender was refused for one of these reasons."""
    return lambda case: isinstance(case.step.reply, Rejection) and case.step.reply.error in errors


def not_run_again(case: Case) -> bool:
    """Say whether a run that a crash would run again had something approved."""
    run = was_cut_off(case)
    return run is not None and run.spec.on_crash == "rerun" and was_allowed(run)


def wait_left(case: Case) -> bool:
    """Say whether a wait was left with a question still open."""
    return any(move[0] == "request" and move[2] == "dismiss" for move in case.step.moves)


def closing_frees(case: Case) -> bool:
    """Say whether the next run's turn came with the end of code that had outlived its run."""
    return any(move[:1] == ("execution",) and move[3] == "closing" for move in case.step.moves)


SAFETY: tuple[Property, ...] = (
    Property("total", "every input gets an answer, and no table refuses what is sent to it", lambda case: True),
    Property(
        "session-wears-head",
        "a session with an unfinished run wears its head's state; one without rests and names no active run",
        moved("session", "begin", "ask", "resume", "rerun"),
    ),
    Property(
        "ended-is-not-advertised",
        "a run that has ended is listed as active by nothing, and what is listed can be aborted",
        moved("run", "complete", "abort", "stop", "fail"),
    ),
    Property(
        "registered-before-ack",
        "an acknowledged run has its controller, whatever admitted it",
        lambda case: case.step.reply.__class__ is Admitted,
    ),
    Property("evict-own", "clean-up removes only what it registered itself", hooked(hooks.EvictController)),
    Property(
        "one-end-per-segment",
        "each stretch of the stream ends exactly once, for the reason that is told, and nothing follows its end",
        hooked(hooks.EndSegment, hooks.OpenSegment),
    ),
    Property("final-absorbs", "what has ended never changes", meant("final-absorbs")),
    Property("stale-is-noop", "what comes late, from an older life, does nothing at all", meant("stale-is-noop")),
    Property(
        "waiting-has-open-request",
        "a run waits for a human exactly while a question of it is open",
        moved("request", "answer", "expire", "withdraw"),
    ),
    Property("decide-once", "a question is answered once, by one decision, applied once", meant("decide-once")),
    Property(
        "digest-matches",
        "what is approved is what was shown, and a question's name stands for one question",
        meant("digest-matches"),
    ),
    Property(
        "resume-with-continuation",
        "the last answer, the end of waiting and the next stretch are one step",
        moved("run", "resume", "rerun"),
    ),
    Property(
        "leaving-wait-closes-requests",
        "whoever leaves a wait closes its questions, and their viewers are told",
        wait_left,
    ),
    Property(
        "one-execution",
        "a session never has two executions; the next run begins after the last has settled",
        closing_frees,
    ),
    Property(
        "one-timer",
        "there is at most one timer of a name per owner, and none of what is over",
        hooked(hooks.ArmTimer),
    ),
    Property(
        "detached-is-timed",
        "the orphan timer is armed exactly while nobody is attached to a session that is not stopped",
        lambda case: case.move.kind == "detach" and case.changed,
    ),
    Property(
        "deadline-covers-timeout",
        "the deadline runs exactly while the run's code is at work (for how long is arithmetic, and not checked here)",
        lambda case: (
            case.after.head is not None and case.after.head.deadline is not None
            if case.changed and case.move.side != "client"
            else False
        ),
    ),
    Property(
        "first-cause-wins",
        "the cause of an end is set once, by what ended it, and kept with who it was, the words and the result",
        lambda case: bool(case.step.ended),
    ),
    Property(
        "same-key-same-run",
        "a key names one run: a retry joins it or hears its end, other content is refused",
        meant("same-key-same-run"),
    ),
    Property(
        "owner-only",
        "owner and admin may abort, they and named deciders decide; anybody else is refused, which changes nothing",
        was_refused("Denied"),
    ),
    Property(
        "queue-drains",
        "runs get their turn in the order they came, one that interrupts the head first; if every head ends, each gets it",
        moved("run", "promote"),
    ),
    Property(
        "limits-are-kept",
        "what would pass a limit of the queue or of questions is refused, and nothing else is for that reason",
        was_refused("Busy"),
    ),
    Property(
        "replies-are-true",
        "whoever asks is told what came of it, or what stands against it, also where nothing changed",
        lambda case: not case.changed and not isinstance(case.step.reply, Stale),
    ),
    Property(
        "crash-policy",
        "a run whose code was lost ends or is run again as its policy says: not after an approval, nor too often",
        not_run_again,
    ),
    Property(
        "checkpoints-stand",
        "a checkpoint is kept until the next one, and answers from before it are the past",
        given_as(Checkpointed),
    ),
    Property(
        "commit-before-hooks",
        "nothing is performed that is not written down",
        lambda case: case.changed and not case.step.journalled,
    ),
    Property("abort-ends", "an accepted abort ends the run at once", given_as(AbortRun)),
    Property(
        "answer-takes-effect",
        "an answer closes its question, and code that waits for it is handed it",
        lambda case: isinstance(case.step.reply, Decided) and case.changed,
    ),
    Property(
        "executions-are-released",
        "code that returned is settled, code that did not is abandoned and reported",
        moved("execution", "abandon"),
    ),
    Property(
        "requests-settle",
        "a question closes as it was said: answered, expired or taken back",
        moved("request", "withdraw", "expire", "lapse", "keep"),
    ),
    Property("open-requests-are-shown", "every open question is shown", hooked(hooks.ShowRequest)),
    Property("recovered", "after a crash all that is held is taken again", given_as(Recovered)),
    Property(
        "orphans-are-reaped",
        "a session is reaped only when nothing in it works, waits or is queued; until then its timer is armed again",
        moved("session", "reap"),
    ),
)
"""Every property of safety. Those that are promises, too, are found again in ``promises``."""

NOT_YET = ("children-end",)
"""Rules of the design whose subject is not built yet."""
