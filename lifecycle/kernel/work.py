"""The work of one step: the thawed session and what the step has brought about so far.

What lives here: the mutable state of a single step, and how its parts are thawed. What must not: rules. The law of
this file: nothing here outlives the step.
"""

from __future__ import annotations

from typing import Any

from lifecycle.hooks import Hook
from lifecycle.kernel.draft import thawing, twin_of
from lifecycle.kernel.inputs import Input, StartRun
from lifecycle.kernel.tables import Faulty, Plans, Tables
from lifecycle.kernel.values import Closed, Ended, Execution, Run, Session, value
from lifecycle.machines import SESSION

SESSIONS, RUNS, EXECUTIONS = twin_of(Session), twin_of(Run), twin_of(Execution)
thaw_run, thaw_execution = RUNS.thaw, EXECUTIONS.thaw
thaw_next = thawing(Session, "now", revision="_was.revision + 1", now="now")

Move = tuple[str, object, str, str | None, str]
"""A move of a machine: its name, the subject's id, trigger, source, dest."""


@value
class End:
    """Why something ends: the cause, the principal or timer behind it, free text, and the agent's value."""

    cause: str
    who: str = ""
    text: str = ""
    result: str | None = None


class Work:
    """Hold what one step has thawed, moved and brought about.

    ``about`` is what the input names; ``token`` that of every timer armed by this step; ``plans`` what holds do when it is
    over: recovery takes others.
    ``runs`` and ``executions`` pair each thawed one with its value before, none if it is new. What mostly has one member
    or none is a tuple, of which an empty one costs nothing.
    """

    __slots__ = (
        "about",
        "before",
        "closed",
        "edges",
        "ended",
        "executions",
        "given",
        "input",
        "moves",
        "now",
        "plans",
        "runs",
        "session",
        "tables",
        "taken",
        "token",
    )

    about: Any
    before: Session | None
    closed: tuple[Closed, ...]
    edges: tuple[Hook, ...]
    ended: tuple[Ended, ...]
    executions: tuple[tuple[Execution | None, Execution], ...]
    given: list[Hook]
    input: Input
    moves: list[Move]
    now: int
    plans: Plans
    runs: tuple[tuple[Run | None, Run], ...]
    session: Session
    tables: Tables
    taken: list[Hook]
    token: tuple[int, int]


def begun(tables: Tables, before: Session | None, given: Input, now: int, about: Any) -> Work:
    """Thaw the session, or open it, and begin the work of a step.

    A function rather than an ``__init__``, which costs half as much again.
    """
    if before is None or before.state == "stopped":  # noqa: SIM108
        session = opened_or_thawed(before, given, now)
    else:
        session = thaw_next(before, now)
    work = Work()
    work.tables = tables
    work.plans = tables.plans
    work.before = before
    work.session = session
    work.input = given
    work.now = now
    work.about = about
    work.token = (session.revision, 0)
    work.given = []
    work.taken = []
    work.edges = ()
    work.moves = []
    work.runs = ()
    work.executions = ()
    work.ended = ()
    work.closed = ()
    return work


def opened_or_thawed(session: Session | None, given: Input, now: int) -> Session:
    """Thaw a stopped session for its next revision; a StartRun opens a session, or its next incarnation."""
    if isinstance(given, StartRun):
        return opened(session, given, now)
    assert session is not None
    return thaw_next(session, now)


def opened(past: Session | None, given: StartRun, now: int) -> Session:
    """Open an incarnation of the session id; it inherits an execution that is still closing."""
    stands_on = given.floor if past is None else past
    return SESSIONS.make(
        given.session,
        1 if stands_on is None else stands_on.incarnation + 1,
        1 if stands_on is None else stands_on.revision + 1,
        SESSION.initial,
        None,
        now,
        given.policy,
        None,
        (),
        None if past is None else past.execution,
        (),
        None,
    )


def thawed_head(work: Work) -> Run | None:
    """Return the head, thawed; none if there is none."""
    session = work.session
    head = session.head
    if type(head) is not Run:  # none, or thawed already
        return head
    twin = thaw_run(head)
    session.head = twin
    work.runs += ((head, twin),)
    return twin


def thawed_run(work: Work, name: str) -> Run:
    """Return the unfinished run of that id, thawed; judges made sure that there is one."""
    session = work.session
    head = session.head
    if head is not None and head.spec.id == name:
        if type(head) is not Run:
            return head
        twin = thaw_run(head)
        session.head = twin
        work.runs += ((head, twin),)
        return twin
    return thawed_queued(work, name)


def thawed_queued(work: Work, name: str) -> Run:
    """Return the queued run of that id, thawed."""
    session = work.session
    for place, run in enumerate(session.queue):
        if run.spec.id == name:
            if type(run) is not Run:
                return run
            twin = thaw_run(run)
            session.queue = (*session.queue[:place], twin, *session.queue[place + 1 :])
            work.runs += ((run, twin),)
            return twin
    raise Faulty(f"run {name} is not unfinished")


def thawed_slot(work: Work) -> Execution | None:
    """Return the execution in the slot, thawed; none if the slot is free."""
    session = work.session
    slot = session.execution
    if type(slot) is not Execution:  # none, or thawed already
        return slot
    twin = thaw_execution(slot)
    session.execution = twin
    work.executions += ((slot, twin),)
    return twin
