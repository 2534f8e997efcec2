"""Inputs: everything that can arrive at a session.

What lives here: *requests* (imperative: somebody wants something and gets a reply) and *facts* (past: something
happened and is taken note of). What must not: judgement. The law of this file: an input names exactly what it is about,
and every fact of an execution bears the token of its grant.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from lifecycle.kernel.values import Floor, Found, Policy, Question, Request, value


@value
class Input:
    """Be the root of all inputs; ``fact`` says whether the sender waits for a verdict or the engine must take it."""

    fact: ClassVar[bool] = False


@value
class Fact(Input):
    """Be the root of the facts: they are never refused for good, only obeyed, stale, or set aside."""

    fact: ClassVar[bool] = True


NO_FIND = Found()
_found = attrs.field(default=NO_FIND, kw_only=True, metadata={"journal": False})

# -- requests ---------------------------------------------------------------------------------------------------------


@value
class StartRun(Input):
    """Admit a run. ``when_busy``: ``reject``, ``enqueue`` or ``interrupt``. A new session gets the policy.

    A session that is opened where there is none counts on from ``floor``; none: nothing has ever left the store.
    """

    session: str
    run: str
    owner: str
    agent: str
    input: str
    digest: str
    policy: Policy
    key: str | None = None
    deciders: tuple[str, ...] = ()
    when_busy: str = "enqueue"
    deadline_us: int | None = None
    queue_deadline_us: int | None = None
    on_crash: str = "interrupt"
    floor: Floor | None = None
    found: Found = _found


@value
class Begin(Input):
    """Ask that the code of ``run`` may begin: the kernel grants it, the code is called after the commit."""

    run: str
    execution: int
    found: Found = _found


@value
class AbortRun(Input):
    """End one run; the queue goes on."""

    run: str
    by: str
    text: str = ""
    found: Found = _found


@value
class AbortSession(Input):
    """End the head and the queued runs that the caller may abort."""

    by: str
    text: str = ""
    incarnation: int | None = None


@value
class Decide(Input):
    """Close one request. ``digest`` is that of what the human saw; ``decision`` names this decision for retries.

    ``kind``: ``approve``, ``reject``, ``reject_and_continue`` (``content`` is the feedback) or ``answer``. ``text`` is
    the feedback in words, for the end that a rejection is: the kernel does not open ``content``.
    """

    run: str
    request: str
    decision: str
    kind: str
    by: str
    digest: str
    content: str | None = None
    text: str = ""
    found: Found = _found


@value
class Attach(Input):
    """Let a client watch. ``alive`` false: its connection had died before this was judged, so it is no attachment."""

    attachment: str
    alive: bool = True


@value
class CloseSession(Input):
    """Stop every unfinished run and the session in one step."""

    by: str
    text: str = ""
    incarnation: int | None = None


@value
class Shutdown(Input):
    """Abort the run whose code is executing; queued and parked ones stay for the next process."""

    by: str = "shutdown"


# -- facts ------------------------------------------------------------------------------------------------------------


@value
class Detached(Fact):
    """A client is gone. A late one of an old connection names an attachment that is not there."""

    attachment: str


@value
class RunAsked(Fact):
    """The code asks a human and waits in place. ``known``: what the store has closed under these ids before."""

    execution: int
    token: int
    questions: tuple[Question, ...]
    known: tuple[Request, ...] = ()


@value
class RequestRetracted(Fact):
    """The code took its question back."""

    execution: int
    token: int
    request: str


@value
class Checkpointed(Fact):
    """The code reached a point from which it can be taken up again; ``data`` is its own text."""

    execution: int
    token: int
    data: str


@value
class RunCompleted(Fact):
    """The answer of ``run`` is there, whether or not its code has returned. A head in starting needs no execution."""

    run: str
    result: str | None = None
    execution: int | None = None
    token: int | None = None


@value
class RunFailed(Fact):
    """``run`` failed, whether or not its code has returned."""

    run: str
    text: str
    execution: int | None = None
    token: int | None = None


@value
class Value:
    """The code returned this."""

    result: str | None


@value
class Failure:
    """The code raised; ``text`` says what."""

    text: str


@value
class Parked:
    """The code left nothing in memory: take it up from ``checkpoint`` when every question is answered."""

    checkpoint: str | None
    questions: tuple[Question, ...]


@value
class ExecutionSettled(Fact):
    """The code returned. ``token`` 0: it was never granted. Without a result a live run fails.

    ``known``: what the store has closed before under the ids of the questions it parks on.
    """

    execution: int
    token: int
    result: Value | Failure | Parked | None = None
    known: tuple[Request, ...] = ()


@value
class ProviderReported(Fact):
    """A provider says how its session is: ``ready``, ``interrupted``, ``stopped``, ``error`` or ``gone``."""

    report: str
    run: str | None = None
    execution: int | None = None
    advisory: bool = False
    text: str = ""


@value
class TimerFired(Fact):
    """The timer armed with ``token`` is due."""

    name: str
    owner: str
    token: tuple[int, int]


@value
class Lost(Fact):
    """The worker of ``execution`` is gone: a crash, a lease that ran out, a child process that died."""

    execution: int


@value
class Recovered(Fact):
    """A process took the session over from one that is gone; the policy is that of the new one."""

    policy: Policy


@value
class SetAside(Fact):
    """A fact broke an invariant and was not committed: fail the head, by the shortest way there is."""

    text: str


INPUTS: dict[str, type[Input]] = {
    kind.__name__: kind
    for kind in (
        StartRun,
        Begin,
        AbortRun,
        AbortSession,
        Decide,
        Attach,
        CloseSession,
        Shutdown,
        Detached,
        RunAsked,
        RequestRetracted,
        Checkpointed,
        RunCompleted,
        RunFailed,
        ExecutionSettled,
        ProviderReported,
        TimerFired,
        Lost,
        Recovered,
        SetAside,
    )
}
"""Every kind of input by its name, for whoever reads a journal."""
