"""Performing: what each hook does to the world of this process.

What lives here: one function per kind of hook. What must not: a decision. The law of this file: a hook whose subject is
over finds nothing and does nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lifecycle import hooks
from lifecycle.hooks import Hook
from lifecycle.kernel.engine import Step, timers
from lifecycle.kernel.inputs import Lost
from lifecycle.kernel.values import Ended
from lifecycle.runtime.border import RAISED
from lifecycle.runtime.controllers import Controller
from lifecycle.runtime.grant import Grant
from lifecycle.runtime.handle import end_of
from lifecycle.runtime.host import Host
from lifecycle.runtime.line import Line

log = logging.getLogger("lifecycle")


def perform_register(tracker: Host, line: Line, hook: hooks.RegisterController, step: Step) -> None:
    """Register the controller; the acknowledgement comes after this."""
    tracker.controllers.register(line.id, hook.run, hook.controller)


def perform_evict(tracker: Host, line: Line, hook: hooks.EvictController, step: Step) -> None:
    """Evict exactly that controller."""
    tracker.controllers.evict(line.id, hook.run, hook.controller)


def perform_arm(tracker: Host, line: Line, hook: hooks.ArmTimer, step: Step) -> None:
    """Arm the timer."""
    tracker.timers.arm(line.id, hook.name, hook.owner, hook.due - line.ahead, hook.token)


def perform_disarm(tracker: Host, line: Line, hook: hooks.DisarmTimer, step: Step) -> None:
    """Disarm exactly that timer."""
    tracker.timers.disarm(line.id, hook.name, hook.owner, hook.token)


def perform_signal(tracker: Host, line: Line, hook: hooks.SignalAbort, step: Step) -> None:
    controller = tracker.controllers.get(line.id, hook.run)
    if controller is None or controller.token != hook.controller:
        return
    if line.grant is not None and line.grant.id == hook.run:
        line.grant.abort(hook.cause)
    signal(tracker, line.id, controller, hook.cause)


def signal(tracker: Host, session: str, controller: Controller, cause: str) -> None:
    """Set the signal of a run that has ended, and call who listens."""
    for listener in controller.abort(cause):
        try:
            listener(cause)
        except RAISED:
            tracker.counters["observer_errors"] += 1
            run = controller.signal.run
            log.exception("session %s: a listener of run %s raised; the run has ended", session, run)


def perform_open(tracker: Host, line: Line, hook: hooks.OpenSegment, step: Step) -> None:
    tracker.streams.made(line.id, hook.run).open(hook.segment, tracker.limits)


def perform_end(tracker: Host, line: Line, hook: hooks.EndSegment, step: Step) -> None:
    stream = tracker.streams.made(line.id, hook.run)
    if stream.current is None:  # it was open in a process that is gone: whoever follows is told of its end here
        stream.open(hook.segment, tracker.limits)
    stream.end(hook.segment, hook.reason)


def perform_publish(tracker: Host, line: Line, hook: hooks.PublishEnd, step: Step) -> None:
    """Tell whoever waits for the end, and let the stream go among the late ones."""
    conclude(tracker, line.id, hook.run, step.ended)


def conclude(tracker: Host, session: str, run: str, ended: Iterable[Ended]) -> None:
    """Tell whoever waits for the end of a run, as it is recorded, and keep nothing more for its sake."""
    for record in ended:
        if record.spec.id == run:
            end = end_of(record)
            for future in tracker.end_waiters.pop((session, run), ()):
                if not future.done():
                    future.set_result(end)
    if unseen := tracker.streams.retire(session, run):
        tracker.counters["late_frames"] += unseen
    tracker.run_over(session, run)


def let_go(tracker: Host, line: Line, ended: Mapping[str, Ended]) -> None:
    """Give back what is held here for a session that others have changed, and conclude what ``ended`` there by run.

    For what goes on, its recovery takes again what is held. Code at work here is told to stop: it is lost there.
    """
    if line.session is None:
        return
    if line.grant is not None:
        line.grant.abort("crashed")
        controller = tracker.controllers.get(line.id, line.grant.id)
        if controller is not None and line.grant.id not in ended:
            signal(tracker, line.id, controller, "crashed")
            tracker.controllers.evict(line.id, line.grant.id, controller.token)
        line.grant = None
    for timer in timers(line.session):
        tracker.timers.disarm(line.id, timer.name, timer.owner, timer.token)
    for run, record in ended.items():
        controller = tracker.controllers.get(line.id, run)
        if controller is not None:
            signal(tracker, line.id, controller, record.cause)
            tracker.controllers.evict(line.id, run, controller.token)
        stream = tracker.streams.made(line.id, run)
        if stream.current is not None:
            stream.current.end(record.state)
        conclude(tracker, line.id, run, (record,))


def put_down(tracker: Host, line: Line) -> None:
    """Keep nothing in memory of a session that rests, or goes on elsewhere.

    Its runs go on to have what they hold, without a place here.
    """
    if line.session is None:
        return
    for timer in timers(line.session):
        tracker.timers.disarm(line.id, timer.name, timer.owner, timer.token)
    for run in line.session.unfinished():
        tracker.controllers.put_down(line.id, run.spec.id)
        tracker.streams.retire(line.id, run.spec.id)
        tracker.run_rests(line.id, run.spec)


def take_up(tracker: Host, line: Line) -> None:
    """Take in memory what a session holds that rested under this very lease: its timers and its controllers."""
    assert line.session is not None
    for timer in timers(line.session):
        if timer.due is not None:
            tracker.timers.arm(line.id, timer.name, timer.owner, timer.due - line.ahead, timer.token)
    for run in line.session.unfinished():
        tracker.controllers.register(line.id, run.spec.id, run.spec.admitted)


def perform_offer(tracker: Host, line: Line, hook: hooks.OfferBegin, step: Step) -> None:
    line.offer = (hook.run, hook.execution)
    line.offer_is_new = True


def perform_withdraw_offer(tracker: Host, line: Line, hook: hooks.WithdrawOffer, step: Step) -> None:
    if line.offer == (hook.run, hook.execution):
        line.offer = None


def perform_call(tracker: Host, line: Line, hook: hooks.CallCode, step: Step) -> None:
    session = step.session
    assert session is not None and session.head is not None
    controller = tracker.controllers.get(line.id, hook.run)
    if controller is None:  # the controller is held by every unfinished run; only a mutated kernel comes here
        tracker.post(line.id, Lost(hook.execution))
        return
    line.grant = Grant(tracker, line.id, session.head, hook.execution, hook.token, controller.signal)
    tracker.call(line, line.grant)


def perform_hand(tracker: Host, line: Line, hook: hooks.HandAnswers, step: Step) -> None:
    session = step.session
    if line.grant is not None and session is not None and session.head is not None:
        line.grant.hand(session.head.answers)


def perform_abandoned(tracker: Host, line: Line, hook: hooks.ReportAbandoned, step: Step) -> None:
    tracker.counters["abandoned"] += 1
    log.warning(
        "run %s of session %s: its code did not return within the closing grace (%g s) and is given up",
        hook.run,
        line.id,
        tracker.policy.closing_grace_seconds,
    )


Performer = Callable[["Host", Line, Any, Step], None]

PERFORM: dict[type[Hook], Performer] = {
    hooks.RegisterController: perform_register,
    hooks.EvictController: perform_evict,
    hooks.ArmTimer: perform_arm,
    hooks.DisarmTimer: perform_disarm,
    hooks.SignalAbort: perform_signal,
    hooks.OpenSegment: perform_open,
    hooks.EndSegment: perform_end,
    hooks.PublishEnd: perform_publish,
    hooks.OfferBegin: perform_offer,
    hooks.WithdrawOffer: perform_withdraw_offer,
    hooks.CallCode: perform_call,
    hooks.HandAnswers: perform_hand,
    hooks.ReportAbandoned: perform_abandoned,
}
"""How each hook is performed; requests are shown and withdrawn by observers and by whoever looks."""
