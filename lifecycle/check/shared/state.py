"""States of a shared world: what the store has, and what each process believes.

What lives here: small tuples of numbers, and the form in which two states are one. What must not: what happens. The law
of this file: nothing in a state grows: of a revision it is kept whether it is the last one, of epochs which is the older,
of the processes that are gone that they are.
"""

from __future__ import annotations

from typing import NamedTuple

NOBODY, GONE = 0, 99
"""Numbers of workers beside those at a place: of nobody, and of any process that has been replaced or has left."""

ABSENT, SILENT, BEATING, DEAD = range(4)
"""The row of a worker: there is none; its heartbeat has run out; it lasts; its process is gone, and the row is not."""

NO_CODE, GRANTED, AT_WORK, LEFT = range(4)
"""The agent's code in a process: none; granted and not yet called; at work; at work for a grant that is over."""

UNSEEN, SEEN, MISSED = range(3)
"""What a worker knows of another place: nobody was at work there at its last look; somebody was; somebody is gone since."""

UNASKED, OPEN, ANSWERED, TAKEN_OUT = range(4)
"""A request in the inbox: there is none; it waits; it has its reply; it is gone, and somebody may have it in line."""


class Line(NamedTuple):
    """A session as a process has it in memory: its value, on which lease it stands, whether its recovery is still to come.

    ``fresh``: it stands on the last step that was kept.
    """

    session: int
    fresh: bool
    holder: int
    epoch: int
    recovering: bool


class Process(NamedTuple):
    """A process: its row in the store, its line of the session, its code, what it knows of the others at each place.

    ``has_asked``: it has the request of the inbox in its line.
    """

    row: int = ABSENT
    line: Line | None = None
    code: int = NO_CODE
    has_asked: bool = False
    knows: tuple[int, ...] = ()


class Request(NamedTuple):
    """A request in the inbox: which one, who asked, how it stands, the reply there; and what a step for it came to.

    ``applied`` is the reply of the step that was kept for it, or that it was answered with; 0: none was.
    """

    what: int = 0
    asker: int = NOBODY
    state: int = UNASKED
    reply: int = 0
    applied: int = 0


class State(NamedTuple):
    """All of it: the session, what the store remembers of runs, the lease, the processes, the inbox."""

    session: int
    memory: int
    holder: int
    epoch: int
    processes: tuple[Process, ...]
    request: Request


def first(workers: int) -> State:
    """Return the state in which no process has come yet."""
    nothing = Process(knows=(UNSEEN,) * workers)
    return State(0, 0, NOBODY, 0, (nothing,) * workers, Request())


def canonical(state: State) -> State:
    """Return the state in the form in which two that nothing can tell apart are one.

    Epochs are numbered anew, in their order. What a line that does not stand on the last step believes of the session
    is forgotten: no step of it is kept, whichever it is. Of a request nothing is kept that nobody asks for.
    """
    processes = state.processes
    request = plain_request(state) if state.request.state > OPEN else state.request
    epochs = {state.epoch} | {one.line.epoch for one in processes if one.line is not None}
    numbers = {epoch: place for place, epoch in enumerate(sorted(epochs - {0}), 1)} | {0: 0}
    plain = tuple(plain_process(one, state.session, numbers) for one in processes)
    return State(state.session, state.memory, state.holder, numbers[state.epoch], plain, request)


def plain_request(state: State) -> Request:
    """Return the request without what makes no difference any more."""
    request = state.request
    if request.state == ANSWERED and request.asker == GONE:
        request = request._replace(state=TAKEN_OUT)
    if request.state != TAKEN_OUT:
        return request
    return Request(request.what, NOBODY, TAKEN_OUT) if any(one.has_asked for one in state.processes) else Request()


def plain_process(process: Process, session: int, epochs: dict[int, int]) -> Process:
    """Return a process with the epoch of its line numbered anew, and without what that believes if it is not so."""
    line = process.line
    if line is None:
        return process
    seen, epoch = line.session if line.fresh else session, epochs[line.epoch]
    if (seen, epoch) == (line.session, line.epoch):
        return process
    return process._replace(line=Line(seen, line.fresh, line.holder, epoch, line.recovering))


def is_up(process: Process) -> bool:
    """Say whether a process is there, heard of or not."""
    return process.row in (SILENT, BEATING)
