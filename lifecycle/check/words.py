"""Words: what changed in one step, in the words of the machines.

What lives here: a sentence for each state move, hook, timer, attachment and reply. What must not: a verdict, and how a
story looks. The law of this file: what did not change is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lifecycle import hooks
from lifecycle.check.replay import Lived
from lifecycle.kernel import Step
from lifecycle.kernel.engine import timers
from lifecycle.kernel.inputs import Attach, Detached, Input
from lifecycle.kernel.replies import (
    AlreadyClosed,
    AlreadyEnded,
    AskFailed,
    Decided,
    Joined,
    NothingToDo,
    Rejection,
    Reply,
    Stale,
)
from lifecycle.kernel.values import Run, Session, Timer
from lifecycle.kernel.work import Move

HOOKS: dict[type[hooks.Hook], Callable[[Any], str]] = {
    hooks.RegisterController: lambda hook: f"controller of {hook.run} registered",
    hooks.EvictController: lambda hook: f"controller of {hook.run} evicted",
    hooks.OpenSegment: lambda hook: f"segment {hook.segment} of {hook.run} opens",
    hooks.EndSegment: lambda hook: f"segment {hook.segment} of {hook.run} ends ({hook.reason})",
    hooks.ArmTimer: lambda hook: f"{timer_in_words(hook)} armed",
    hooks.DisarmTimer: lambda hook: f"{timer_in_words(hook)} disarmed",
    hooks.ShowRequest: lambda hook: f"question {hook.request} is shown",
    hooks.WithdrawRequest: lambda hook: f"question {hook.request} is taken from its viewers ({hook.how})",
    hooks.OfferBegin: lambda hook: f"offer of {hook.run} made to whoever runs the code",
    hooks.WithdrawOffer: lambda hook: f"offer of {hook.run} is over",
    hooks.SignalAbort: lambda hook: f"signal of {hook.run} set ({hook.cause})",
    hooks.PublishEnd: lambda hook: f"end of {hook.run} published: {hook.state} ({hook.cause})",
    hooks.CallCode: lambda hook: f"code of {hook.run} is called (attempt {hook.attempt})",
    hooks.HandAnswers: lambda hook: f"answers are handed to the code of {hook.run}",
    hooks.ReportAbandoned: lambda hook: f"code of {hook.run} is reported abandoned",
}
"""What each hook does to the world."""


def timer_in_words(timer: Any) -> str:
    """Name a timer, or a hook on one."""
    names = {"orphan": "orphan timer", "closing": f"closing timer of {timer.owner}"}
    return names.get(timer.name) or f"{timer.name.replace('_', ' ')} of {timer.owner}"


NOTHING = "nothing changes"


def changes(lived: Lived) -> tuple[str, ...]:
    """Say what one move changed; nothing for a move of the world's own."""
    if lived.step is None or lived.given is None:
        return ()
    told = [*changed_by(lived.before, lived.given, lived.step), *replied(lived.step.reply)]
    if lived.changed or told:
        return tuple(told)
    return (NOTHING,)


def changed_by(before: Session | None, given: Input, step: Step) -> Iterator[str]:
    """Say what a step changed: the state moves, the clients, the hooks, and timers that no hook tells of."""
    if step.session is before:
        return
    after = step.session
    yield from (moved for move in step.moves if (moved := move_in_words(move)))
    if isinstance(given, Attach | Detached):
        yield from clients_in_words(before, after)
    yield from (hook_in_words(hook, before) for hook in step.hooks)
    yield from silent_timers(before, after, step)


def move_in_words(move: Move) -> str | None:
    """Say which state a machine left for which; none if it stayed."""
    machine, subject, _, source, dest = move
    if source == dest:
        return None
    return f"{machine} {subject}: {'(new)' if source is None else source} → {dest}"


def clients_in_words(before: Session | None, after: Session | None) -> Iterator[str]:
    """Say who is attached now and was not, and the other way round."""
    old, new = (() if one is None else one.attachments for one in (before, after))
    yield from (f"{name} is attached" for name in new if name not in old)
    yield from (f"{name} is no longer attached" for name in old if name not in new)


def hook_in_words(hook: Any, before: Session | None) -> str:
    """Say what a hook does; a timer that was armed already is armed again."""
    told = HOOKS[type(hook)](hook)
    again = isinstance(hook, hooks.ArmTimer) and hook.name == "orphan" and before is not None and before.orphan
    return f"{told} again" if again else told


def silent_timers(before: Session | None, after: Session | None, step: Step) -> Iterator[str]:
    """Say which timers are over, or wait without a time, with no hook to tell of it: those that have just fired."""
    told = {(one.name, one.owner) for one in step.hooks if isinstance(one, hooks.ArmTimer | hooks.DisarmTimer)}
    new = {name_of(timer): timer for timer in timers_of(after)}
    for timer in timers_of(before):
        now = new.get(name_of(timer))
        if name_of(timer) in told:
            continue
        if now is None:
            yield f"{timer_in_words(timer)} is over"
        elif now.due is None and timer.due is not None:
            yield f"{timer_in_words(timer)} waits, without a time"


def timers_of(session: Session | None) -> tuple[Timer, ...]:
    """Return every timer that a session holds."""
    return () if session is None else tuple(timers(session))


def name_of(timer: Timer) -> tuple[str, str]:
    """Return what tells a timer from the others."""
    return timer.name, timer.owner


REPLIES: dict[type[Reply], Callable[[Any], str]] = {
    Rejection: lambda reply: f"refused: {reply.subject}: {reply.fact}",
    Stale: lambda reply: f"comes too late: {reply.what}",
    NothingToDo: lambda reply: f"there is nothing to do: {reply.subject}: {reply.why}",
    AlreadyEnded: lambda reply: f"there is nothing to do: {reply.run} has ended: {reply.state} ({reply.cause})",
    AlreadyClosed: lambda reply: f"there is nothing to do: {reply.request} was {reply.how}",
    AskFailed: lambda reply: f"asked wrongly: {reply.fault}",
    Joined: lambda reply: f"joins {reply.run}",
    Decided: lambda reply: f"the decision is taken: {reply.kind} {reply.request}",
}


def replied(reply: Reply) -> Iterator[str]:
    """Say what the sender is told, where that is more than that it was done."""
    told = REPLIES.get(type(reply))
    if told is not None:
        yield told(reply)


def state_in_words(session: Session | None) -> str:
    """Say how a session is: its state, its runs, whose code is at work, who watches, what is timed."""
    if session is None:
        return "no session yet"
    slot = session.execution
    parts = [f"session {session.state}" + (f" ({session.cause})" if session.cause else "")]
    parts += ["no run is unfinished"] if session.head is None else [f"head {run_in_words(session.head)}"]
    if session.queue:
        parts.append("queued " + ", ".join(run_in_words(run) for run in session.queue))
    if slot is not None:
        parts.append(f"execution of {slot.run} {slot.state}")
    parts.append(f"attached {', '.join(session.attachments)}" if session.attachments else "nobody attached")
    armed = [timer_in_words(timer) for timer in timers_of(session) if timer.due is not None]
    parts.append(f"armed {', '.join(armed)}" if armed else "no timer armed")
    return " · ".join(parts)


def run_in_words(run: Run) -> str:
    """Say how a run is, and what it asks."""
    asked = ", ".join(f"{one.id} {one.state}" for one in run.requests)
    return f"{run.spec.id} {run.state}" + (f" ({asked})" if asked else "")
