"""Agreement: what a process shows, has registered and has armed, compared with what the session's value holds.

What lives here: the comparison, made right after a step. What must not: a rule of the kernel's; ``check`` has those. The
law of this file: it only looks.
"""

from __future__ import annotations

from lifecycle.kernel.engine import timers
from lifecycle.kernel.values import Session
from lifecycle.runtime import Observed, Tracker


def disagreements(tracker: Tracker, observed: Observed) -> list[str]:
    """Compare what is shown, registered and armed with the session's value, right after one of its steps."""
    session, view = tracker.session(observed.session), observed.view
    found = []
    if view != tracker.show(observed.session) or view.revision != session.revision:
        found.append("the view is not what is shown")
    listed = {one.id: one for one in tracker.sessions(limit=1_000)}.get(view.id)
    if listed != view:
        found.append("the list shows something else")
    unfinished = [run.id for run in view.runs]
    if view.active != (unfinished[0] if unfinished else None):
        found.append("active is not the head")
    if unfinished and view.state != view.runs[0].state:
        found.append("the session does not wear its head's state")
    if not unfinished and view.state not in ("ready", "interrupted", "error", "stopped"):
        found.append(f"no run is unfinished and the session is {view.state}")
    held = {*unfinished, *([] if view.closing is None else [view.closing])}
    lost = [run for run in held if tracker.controllers.get(view.id, run) is None]
    if lost:
        found.append(f"no controller of {lost}")
    ended = [run for run in ended_by(observed) if run not in held and tracker.controllers.get(view.id, run)]
    if ended:
        found.append(f"controllers of {ended} are left")
    return found + timers_at_fault(tracker, session)


def ended_by(observed: Observed) -> list[str]:
    """Return the runs that a step ended."""
    finals = ("ready", "interrupted", "stopped", "error")
    return [subject for name, subject, _, _, dest in observed.moves if name == "run" and dest in finals]


def timers_at_fault(tracker: Tracker, session: Session) -> list[str]:
    """Compare the timers armed with those the value holds; one that is due may be on its way already."""
    now = tracker.clock.now()
    wanted = {(session.id, one.name, one.owner): one.due for one in timers(session) if one.due is not None}
    armed = {key for key in tracker.timers.names() if key[0] == session.id}
    stray = armed - wanted.keys()
    missing = {key for key, due in wanted.items() if key not in armed and due > now}
    return [f"timers armed and not held: {stray}"] * bool(stray) + [f"timers not armed: {missing}"] * bool(missing)
