"""Words: what a move of a shared world changed, in the words of the lease and the inbox.

What lives here: a sentence for each change. What must not: a verdict, and how a story looks. The law of this file: what
did not change is not told.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.check.shared.life import SharedLife, SharedLived
from lifecycle.check.shared.scene import NOTHING_DONE, Deed
from lifecycle.check.shared.state import (
    ABSENT,
    ANSWERED,
    AT_WORK,
    BEATING,
    DEAD,
    GONE,
    GRANTED,
    LEFT,
    NOBODY,
    OPEN,
    SILENT,
    TAKEN_OUT,
    Process,
    State,
)
from lifecycle.check.shared.world import SharedWorld
from lifecycle.check.words import changed_by, replied, state_in_words
from lifecycle.kernel.lease import BEHIND, LOST, TAKEN_BACK

ROWS = {
    (ABSENT, BEATING): "joins",
    (BEATING, SILENT): "is not heard of any more",
    (SILENT, BEATING): "is heard of again",
    (DEAD, ABSENT): "is found gone, and its row is removed",
    (BEATING, ABSENT): "has left",
    (SILENT, ABSENT): "has left",
    (BEATING, DEAD): "is gone: its process has ended",
    (SILENT, DEAD): "is gone: its process has ended",
}
"""What has become of a worker, by its row before and after."""

REFUSED = {
    LOST: "the step is refused: another worker has taken the session",
    BEHIND: "the step is refused: another one was kept first",
    TAKEN_BACK: "the step is refused: nobody asks for it any more",
}
"""Why a step is not kept, in words."""

CODE = {
    GRANTED: "may call the code",
    AT_WORK: "has the code at work",
    LEFT: "has code at work for a grant that is over",
}


def name_of(number: int) -> str:
    """Name a worker by its number."""
    return {NOBODY: "nobody", GONE: "a worker that is gone"}.get(number, f"w{number}")


def changes(world: SharedWorld, lived: SharedLived) -> tuple[str, ...]:
    """Say what one move changed; nothing for one that is said by its name alone."""
    before, after = lived.before, lived.next.after
    told = [line for deed in lived.next.deeds for line in deed_in_words(world, deed)]
    for place, (old, new) in enumerate(zip(before.processes, after.processes, strict=True)):
        told += process_in_words(name_of(place + 1), old, new)
    if (before.holder, before.epoch) != (after.holder, after.epoch) and after.holder not in (
        NOBODY,
        GONE,
        before.holder,
    ):
        told.append(f"the session is {name_of(after.holder)}'s, in the next epoch")
    told += request_in_words(world, before, after)
    return tuple(told)


def deed_in_words(world: SharedWorld, deed: Deed) -> Iterator[str]:
    """Say what was done to the session, and to whoever asked."""
    if deed.what == "kept" and deed.stepped is not None and deed.line is not None:
        session = world.steps.sessions.values[deed.line.session]
        yield from changed_by(session, deed.stepped.given, deed.stepped.step)
        yield from replied(deed.stepped.step.reply)
    elif deed.what == "refused":
        yield REFUSED[deed.why or LOST]
    elif deed.what == "answered":
        yield "no step is kept for it"
    elif deed.what == "heard":
        yield f"{name_of(deed.worker + 1)} hears {reply_in_words(world, deed.told)}"
    elif deed.what == "taken back":
        yield f"{name_of(deed.worker + 1)} takes the request back: nothing was done"


def reply_in_words(world: SharedWorld, number: int) -> str:
    """Say a reply by its kind."""
    return type(world.steps.reply(number)).__name__


def process_in_words(name: str, old: Process, new: Process) -> Iterator[str]:
    """Say what has become of a process."""
    if old.row != new.row:
        yield f"{name} {ROWS.get((old.row, new.row), 'is another')}"
    if new.row in (ABSENT, DEAD):
        return
    if old.line is None and new.line is not None:
        yield f"{name} loads the session" + (", to be recovered" if new.line.recovering else "")
    elif old.line is not None and new.line is None:
        yield f"{name} lets go of the session"
    elif old.line is not None and new.line is not None and new.line.recovering and not old.line.recovering:
        yield f"{name} takes the session up anew, to be recovered"
    elif old.line is not None and new.line is not None and old.line.fresh and not new.line.fresh:
        yield f"what {name} believes of the session is not so any more"
    if old.code != new.code and new.code in CODE:
        yield f"{name} {CODE[new.code]}"
    if new.has_asked and not old.has_asked:
        yield f"{name} puts the request in its line"


def request_in_words(world: SharedWorld, before: State, after: State) -> Iterator[str]:
    """Say what has become of the request."""
    old, new = before.request, after.request
    if new.state == OPEN and old.state != OPEN:
        yield f"the request of {name_of(new.asker)} waits in the inbox of {name_of(after.holder)}"
    elif new.state == ANSWERED and old.state != ANSWERED:
        yield f"the reply is in the inbox: {reply_in_words(world, new.reply)}"
    elif new.applied == NOTHING_DONE and old.applied != NOTHING_DONE:
        yield f"{name_of(old.asker)} is told that nothing was done, and the request waits on"
    elif old.state == OPEN and new.state not in (OPEN, ANSWERED, TAKEN_OUT) and new.applied == 0:
        yield "the request is no longer in the inbox"


def now_in_words(life: SharedLife) -> str:
    """Say how a shared world is: the session, who has it, how each worker is, what waits in the inbox."""
    state = life.state
    parts = [state_in_words(life.world.steps.sessions.values[state.session])]
    parts.append(f"held by {name_of(state.holder)}" if state.holder else "held by nobody")
    for place, process in enumerate(state.processes):
        how = {ABSENT: "not there", SILENT: "not heard of", BEATING: "at work", DEAD: "dead"}[process.row]
        has = (
            ""
            if process.line is None
            else ", with the session as it is"
            if process.line.fresh
            else ", believing what was"
        )
        code = f", {CODE[process.code]}" if process.code in CODE else ""
        parts.append(f"{name_of(place + 1)} {how}{has}{code}")
    if state.request.state == OPEN:
        parts.append(f"asked: {life.config.requests[state.request.what]}")
    return " · ".join(parts)
