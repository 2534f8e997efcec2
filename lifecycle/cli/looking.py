"""Looking first: what a command comes to, judged on what the file holds.

What lives here: steps of the kernel that nobody keeps, and telling what they find. What must not: a writer. The law of
this file: a command that is refused, or finds nothing to do, takes nothing up and writes nothing.
"""

from __future__ import annotations

import time
from typing import Any, cast

import attrs

from lifecycle import Decision, Limits, Policy
from lifecycle.cli.answering import asked_in_place
from lifecycle.cli.carrying import WAITING, WAITS, tell_end, tell_requests, tell_run
from lifecycle.cli.target import load
from lifecycle.cli.writing import Output, on_one_line
from lifecycle.errors import Busy, Invalid, NotFound, Refused
from lifecycle.kernel.engine import KERNEL, due
from lifecycle.kernel.finding import run_named
from lifecycle.kernel.inputs import Input, StartRun
from lifecycle.kernel.replies import AlreadyClosed, AlreadyEnded, Joined, Rejection, Reply
from lifecycle.kernel.values import Session
from lifecycle.runtime.handle import decide_input, end_of, open_requests
from lifecycle.runtime.stepping import found_in
from lifecycle.store.sqlite import SQLiteStore


def judged(session: Session, given: Input) -> Reply | None:
    """Return what would be said to an input that changes nothing, or none if it would change something.

    Raise what it would be refused with. It is judged under the policy that the command takes sessions up with.
    """
    taken_up = cast("Session", attrs.evolve(cast("Any", session), policy=Policy()))
    step = KERNEL.step(taken_up, given, session.now)
    if isinstance(step.reply, Rejection):
        raise step.reply.exception()
    return step.reply if step.session is taken_up else None


# -- a decision -------------------------------------------------------------------------------------------------------


def decided_before(
    store: SQLiteStore,
    output: Output,
    session: str,
    run: str,
    request: str,
    decision: Decision,
    by: str,
    digest: str | None,
) -> int | None:
    """Tell what became of a run on which there is nothing to decide, and return the exit code; none: it goes on here.

    Raise what the decision is refused with, also because the agent cannot be called: a slip of the keyboard must not
    set a session going. What is refused now would be refused then, because taking a session up opens no question and
    appoints nobody.
    """
    kept = store.load(session)
    if kept is None:
        raise NotFound(f"session {session}", f"not known in {store.name}", "`lifecycle show` lists what there is")
    unfinished = run_named(kept.session, run)
    ended = store.run_ended(session, run)
    if unfinished is None and ended is None:
        raise NotFound(f"run {run}", f"session {session} has none of that id", "`lifecycle show SESSION` lists them")
    batch = () if unfinished is None else unfinished.requests
    closed = store.request_closed(session, run, request)
    known = next((one for one in batch if one.id == request), closed)
    if known is None:
        there = ", ".join(one.id for one in batch if one.state == "open") or "none"
        raise NotFound(f"request {request}", f"run {run} asked no such question", f"its open ones are: {there}")
    if decision.kind == "answer" and known.kind == "approval" and isinstance(decision.content, str):
        raise Invalid(f"request {request}", "an approval is answered with arguments", "give them as --value JSON")
    given = decide_input(Limits(), run, request, known, decision, by, digest)
    reply = judged(kept.session, found_in(given, ended, closed))
    if known.state == "open" and store.holder(session) is not None:
        return None  # the process that holds it is asked
    if known.state == "open" and asked_in_place(kept.session, run):
        remedy = "answer it there, or let `lifecycle run` with this session take up what is left"
        raise Refused(f"request {request}", "it was asked in place, and its process is gone", remedy)
    if reply is not None and (unfinished is None or unfinished.state == WAITS):
        tell_nothing_to_decide(output, run, request, reply)
        return as_it_is(store, output, kept.session, run)
    if unfinished is not None:
        load(unfinished.spec.agent)
    return None


def tell_nothing_to_decide(output: Output, run: str, request: str, reply: Reply) -> None:
    """Say what closed first; the same decision again is no news."""
    if isinstance(reply, AlreadyEnded):
        output.say(f"run {on_one_line(run)}: it has ended already; there is nothing to decide")
    if isinstance(reply, AlreadyClosed):
        output.say(f"request {on_one_line(request)}: it was {reply.how} already; there is nothing to decide")


# -- a start ----------------------------------------------------------------------------------------------------------


def started_before(store: SQLiteStore, output: Output, given: StartRun, asks: bool) -> int | None:
    """Tell what became of the run that its key names already, and return the exit code; none: there is something to do.

    Raise what the start is refused with. ``asks``: a human is there, and is asked what a waiting run waits for.
    """
    kept = store.load(given.session)
    if kept is None:
        return None
    ended = None if given.key is None else store.key_ended(given.session, given.key)
    try:
        reply = judged(kept.session, found_in(given, ended))
    except Busy:
        if not goes_on(kept.session):
            raise
        return None  # taking it up ends or continues what a process left, and the queue goes on
    if not isinstance(reply, Joined | AlreadyEnded):
        return None
    run = run_named(kept.session, reply.run)
    if run is not None and (asks or run.state != WAITS or asked_in_place(kept.session, reply.run)):
        return None
    tell_run(output, given.session, reply.run, joined=True)
    return as_it_is(store, output, kept.session, reply.run)


def goes_on(session: Session) -> bool:
    """Say whether taking a session up moves it: code of a dead process is in it, or a timer of it has been due."""
    return session.execution is not None or due(session, time.time_ns() // 1_000) is not None


# -- what there is ----------------------------------------------------------------------------------------------------


def as_it_is(store: SQLiteStore, output: Output, session: Session, name: str) -> int:
    """Tell how a run ended, or what it waits for; return the exit code."""
    run = run_named(session, name)
    if run is None:
        ended = store.run_ended(session.id, name)
        assert ended is not None
        return tell_end(output, end_of(ended))
    asked, in_place = open_requests(name, run.requests), asked_in_place(session, name)
    tell_requests(output, store.name, session.id, name, run.spec.owner, asked, in_place)
    if in_place:
        output.say(f"run {on_one_line(name)}: what it asks in place can be answered only where it runs")
    return WAITING
