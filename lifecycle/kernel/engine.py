"""The step: one input applied to one session.

What lives here: the kernel itself, ``step(session, input, now)``. What must not: a clock, a task, a disk, a logger, a
random number. The law of this file: pure from outside; the same session, input and time give the same step, and an
input that changes nothing gives back the very session that went in.

A step is: judge, thaw, fire what the route says, free the slot and promote, compare what is held, freeze. Its hooks
come in this order: signals, what is given back, what is taken, what happens on an edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lifecycle import hooks
from lifecycle.declaration import Machine
from lifecycle.hooks import Hook
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.finding import answers_given
from lifecycle.kernel.firing import ACTS, pump, run_acts
from lifecycle.kernel.holds import EXECUTION_RULES, RUN_RULES, SESSION_RULES, settle, timer
from lifecycle.kernel.inputs import (
    AbortRun,
    AbortSession,
    Attach,
    Begin,
    CloseSession,
    Decide,
    Input,
    RunAsked,
    Shutdown,
    StartRun,
    TimerFired,
)
from lifecycle.kernel.judges import ABOUT, JUDGES, Judge, about_timer
from lifecycle.kernel.replies import (
    Aborted,
    Admitted,
    Asked,
    AskFailed,
    Attached,
    Decided,
    Done,
    Granted,
    Rejection,
    Reply,
)
from lifecycle.kernel.routes import CHOOSERS, ROUTES, Effect, Fire, effects
from lifecycle.kernel.tables import (
    Faulty,
    Plans,
    Tables,
    birth_acts,
    compiled_plan,
    compiled_rows,
    state_named,
    states_holding,
)
from lifecycle.kernel.values import Answer, Closed, Ended, Run, Session, Timer, us, value
from lifecycle.kernel.work import SESSIONS, Move, Work, begun
from lifecycle.machines import EXECUTION, MACHINES, REQUEST, RUN, SESSION, held


@value
class Step:
    """What came of an input.

    ``session`` is the very one that went in if nothing changed. ``moves`` are the rows taken, in order; ``ended`` and
    ``closed`` the records to keep; ``judge`` names the guard that ended the matter. ``journalled`` false: the change
    (a re-armed orphan timer) lives in memory only.
    """

    session: Session | None
    hooks: tuple[Hook, ...]
    reply: Reply
    moves: tuple[Move, ...] = ()
    ended: tuple[Ended, ...] = ()
    closed: tuple[Closed, ...] = ()
    judge: str | None = None
    journalled: bool = True

    @property
    def changed(self) -> bool:
        """Say whether there is anything to commit."""
        return bool(self.moves or self.hooks) or (self.judge is None and self.session is not None)


build_step = twin_of(Step).build
build_admitted = twin_of(Admitted).build
build_granted = twin_of(Granted).build
build_decided = twin_of(Decided).build
build_asked = twin_of(Asked).build
DONE = Done()


def compiled(machines: Iterable[Machine]) -> Tables:
    """Read the tables of a kernel out of its machines."""
    by_name = {machine.name: machine for machine in machines}
    run, execution, session, request = (by_name[m.name] for m in (RUN, EXECUTION, SESSION, REQUEST))
    return Tables(
        machines=by_name,
        run=compiled_rows(run, ACTS, run_acts),
        execution=compiled_rows(execution, ACTS),
        session=compiled_rows(session, ACTS),
        request=compiled_rows(request, ACTS),
        plans=compiled_plans(run, execution, session, again=False),
        plans_again=compiled_plans(run, execution, session, again=True),
        orphan_states=states_holding(session, held.ORPHAN),
        segment_states=states_holding(run, held.SEGMENT),
        expiry_held=held.EXPIRY in state_named(request, "open").holds,
        births={machine.name: birth_acts(machine, ACTS) for machine in by_name.values()},
    )


def compiled_plans(run: Machine, execution: Machine, session: Machine, again: bool) -> Plans:
    """Read out of the machines what their holds do when a step is over."""
    return Plans(
        compiled_plan(run, RUN_RULES, again),
        compiled_plan(execution, EXECUTION_RULES, again),
        compiled_plan(session, SESSION_RULES, again),
        again,
    )


class Kernel:
    """Step sessions under a set of machines and routes; the declared ones unless told otherwise.

    A kernel holds no state: its tables are read once and never written. Other machines than the declared ones are for
    tests and checkers, which take a row or a hold away and look what breaks.
    """

    __slots__ = ("handling", "tables")

    def __init__(
        self, machines: Iterable[Machine] = MACHINES, routes: Mapping[str, tuple[Fire | Effect, ...]] = ROUTES
    ) -> None:
        self.tables = compiled(machines)
        ways = {name: effects(route) for name, route in routes.items()}
        self.handling = {kind: handling(kind, ways) for kind in JUDGES}

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Apply one input at engine time ``now`` (microseconds); total: a bug of the tables is a rejection, too.

        ``session`` is none if the id was never opened; only a StartRun opens one.
        """
        known = self.handling.get(type(given))
        if known is None:
            return unchanged(session, malformed(given), "known_input")
        return taken(self.tables, known, session, given, now)


class StraightKernel(Kernel):
    """The kernel of the declared machines; what it does on the commonest inputs is written out in ``straight``."""

    __slots__ = ("straight",)

    def __init__(self) -> None:
        super().__init__()
        self.straight: Mapping[type[Input], Callable[[Session | None, Any, int], Step]] = {}

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Take the step that is written out for this kind of input; where there is none, go the long way."""
        try:
            straight = self.straight[type(given)]
        except KeyError:
            return super().step(session, given, now)
        return straight(session, given, now)


Way = tuple[Effect, ...]
Handling = tuple[
    Callable[[Session | None, Any, int], object] | None,
    tuple[Judge, ...],
    Callable[[Work, Any], str] | None,
    Way,
    Mapping[str, Way],
    Callable[[Work], Reply] | None,
]


def handling(kind: type[Input], ways: Mapping[str, Way]) -> Handling:
    """Gather, once, all that a step needs to know about a kind of input."""
    choose = CHOOSERS.get(kind)
    way = ways[kind.__name__] if choose is None else ()
    return ABOUT.get(kind), JUDGES[kind], choose, way, ways, REPLIES.get(kind)


def taken(tables: Tables, known: Handling, session: Session | None, given: Input, now: int) -> Step:
    """Take the step of an input, by all that is known about its kind."""
    find, judges, choose, way, ways, reply = known
    if session is not None and now < session.now:
        now = session.now
    about = None if find is None else find(session, given, now)
    for judge in judges:
        spoken = judge(session, given, about)
        if spoken is not None:
            return unchanged(session, spoken, judge.__name__)
    if find is about_timer and about[0].name == "orphan":  # type: ignore[index]
        assert session is not None
        grace = held_grace(session, now)
        if grace is not None:
            return rearmed(session, now, grace)
    work = begun(tables, session, given, now, about)
    try:
        for effect in way if choose is None else ways[choose(work, given)]:
            effect(work)
        if work.moves:
            pump(work)
        settle(work)
    except Faulty as fault:
        return unchanged(session, broken(fault), "tables")
    after = work.session
    after.__class__ = Session
    every = (*work.given, *work.taken, *work.edges)
    said = DONE if reply is None else reply(work)
    return build_step(after, every, said, tuple(work.moves), work.ended, work.closed, None, True)


# -- before the work --------------------------------------------------------------------------------------------------


def unchanged(session: Session | None, reply: Reply, judge: str) -> Step:
    """Change nothing, and say why."""
    return build_step(session, (), reply, (), (), (), judge, False)


def malformed(given: object) -> Rejection:
    """Refuse what is no input."""
    return Rejection("Invalid", f"input {type(given).__name__}", "is no input of a session", "use one of kernel.inputs")


def broken(fault: Faulty) -> Rejection:
    """Report what the tables do not allow."""
    rule = (("rule", "tables"),)
    return Rejection("InvariantBroken", "kernel", str(fault), "nothing was committed; report it with the journal", rule)


# -- the orphan timer -------------------------------------------------------------------------------------------------


HELD = -1
"""In place of a time: held without one."""


def held_grace(session: Session, now: int) -> int | None:
    """Return the time to which a firing re-arms; HELD: until the last request closes; none: there is nothing to do."""
    grace = us(session.policy.orphan_grace_seconds or 0)
    head = session.head
    if session.execution is not None or session.queue:
        return now + grace
    if head is not None and head.state == "waiting_for_human":
        expiries = [one.expiry.due for one in head.requests if one.expiry is not None and one.expiry.due is not None]
        return max(now + grace, min(expiries)) if expiries else HELD
    return None if head is None else now + grace


def rearmed(session: Session, now: int, due: int) -> Step:
    """Re-arm the orphan timer: a change in memory only, told apart by its count."""
    assert session.orphan is not None
    revision, count = session.orphan.token
    token = (revision, count + 1)
    twin = SESSIONS.thaw(session)
    twin.orphan = timer("orphan", session.id, None if due == HELD else due, token)
    twin.now = now
    armed = () if due == HELD else (hooks.ArmTimer("orphan", session.id, due, token),)
    return build_step(SESSIONS.freeze(twin), armed, DONE, (), (), (), None, False)


# -- what the sender is told ------------------------------------------------------------------------------------------


def reply_admitted(work: Work) -> Reply:
    """The run is admitted, as head or queued."""
    given: Any = work.input
    session = work.session
    return build_admitted(given.run, session.incarnation, session.head is None or session.head.spec.id != given.run)


def reply_granted(work: Work) -> Reply:
    """The code may begin."""
    slot = work.session.execution
    assert slot is not None
    return build_granted(slot.run, slot.id, slot.token)


def reply_aborted(work: Work) -> Reply:
    """These runs were ended."""
    return Aborted(tuple(ended.spec.id for ended in work.ended))


def reply_decided(work: Work) -> Reply:
    """The decision was taken."""
    given: Any = work.input
    return build_decided(given.run, given.request, given.decision, given.kind)


def reply_asked(work: Work) -> Reply:
    """The questions are open; some may have been answered before."""
    given: Any = work.input
    head = work.session.head
    if head is None or work.ended:
        return AskFailed(given.execution, work.about.fault)
    return build_asked(() if len(work.about.fresh) == len(given.questions) else told(head, given))


def told(head: Run, given: RunAsked) -> tuple[Answer, ...]:
    """Return the answers given before to some of the questions."""
    return answers_given(head, given.questions, given.known)


def reply_attached(work: Work) -> Reply:
    """The client is attached."""
    given = work.input
    assert isinstance(given, Attach)
    return Attached(given.attachment)


REPLIES: dict[type[Input], Callable[[Work], Reply]] = {
    StartRun: reply_admitted,
    Begin: reply_granted,
    AbortRun: reply_aborted,
    AbortSession: reply_aborted,
    CloseSession: reply_aborted,
    Shutdown: reply_aborted,
    Decide: reply_decided,
    RunAsked: reply_asked,
    Attach: reply_attached,
}


# -- timers that are due ----------------------------------------------------------------------------------------------

RANK = {"expiry": 0, "deadline": 1, "queue_deadline": 2, "closing": 3, "orphan": 4}
"""Which of several timers due at one instant fires first: what could let the run go on, before what ends it."""


def timers(session: Session) -> list[Timer]:
    """Return every timer that is held now, in no particular order."""
    head, slot = session.head, session.execution
    held_now = [session.orphan, None if slot is None else slot.closing]
    for run in session.queue:
        held_now.append(run.queue_deadline)
    if head is not None:
        held_now += [head.deadline, head.queue_deadline, *(request.expiry for request in head.requests)]
    return [one for one in held_now if one is not None]


def due(session: Session, now: int) -> TimerFired | None:
    """Return the firing that comes first at ``now``; none if no timer is due.

    Firings are steps of their own, committed before the input that arrived at ``now`` is judged.
    """
    ready = [(one.due, RANK[one.name], one) for one in timers(session) if one.due is not None and one.due <= now]
    if not ready:
        return None
    first = min(ready, key=lambda one: (one[0], one[1], one[2].owner))[2]
    return TimerFired(first.name, first.owner, first.token)


KERNEL = StraightKernel()
"""The kernel of the declared machines."""

step = KERNEL.step
