"""The invariants: each rule is broken by a step that breaks it, and every taken-away row or hold breaks some rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from lifecycle import hooks
from lifecycle.declaration import Machine, Send
from lifecycle.kernel import Kernel, Policy, Session, Step
from lifecycle.kernel import inputs as i
from lifecycle.kernel.invariants import RULES, broken
from lifecycle.kernel.replies import Rejection
from lifecycle.kernel.values import Timer
from lifecycle.machines import EXECUTION, REQUEST, RUN, SESSION

from .world import SECOND, World, changed, mutant, question, with_holds, with_rows

TIMED = Policy(orphan_grace_seconds=20)


class Told:
    """Keep one good step with what was before it, and tell it otherwise."""

    def __init__(self, world: World, before: Session | None, step: Step) -> None:
        self.world = world
        self.before = before
        self.good = step

    def session(self, **fields: Any) -> Step:
        """Tell it with another session."""
        return changed(self.good, session=changed(self.after, **fields))

    def head(self, **fields: Any) -> Step:
        """Tell it with another head."""
        return self.session(head=changed(self.after.head, **fields))

    def slot(self, **fields: Any) -> Step:
        """Tell it with another execution."""
        return self.session(execution=changed(self.after.execution, **fields))

    def without(self, kind: type[hooks.Hook]) -> Step:
        """Tell it without the hooks of a kind."""
        return changed(self.good, hooks=tuple(hook for hook in self.good.hooks if not isinstance(hook, kind)))

    def twice(self, kind: type[hooks.Hook]) -> Step:
        """Tell it with the hooks of a kind doubled."""
        return changed(self.good, hooks=(*self.good.hooks, *(h for h in self.good.hooks if isinstance(h, kind))))

    @property
    def after(self) -> Session:
        """Return the session after the good step."""
        assert self.good.session is not None
        return self.good.session


def step_of(act: Callable[[World], Step], *before: Callable[[World], Any], policy: Policy = TIMED) -> Told:
    """Bring a world somewhere, and take the step of an act there."""
    world = World(policy=policy)
    for one in before:
        one(world)
    was = world.session
    return Told(world, was, act(world))


def start(world: World) -> Step:
    """Start a run with everything that can be timed."""
    return world.start(deadline_us=10 * SECOND, queue_deadline_us=10 * SECOND, key="key")


def begin(world: World) -> Step:
    return world.begin()


def ask(world: World) -> Step:
    return world.ask("q1", "q2")


def decide_first(world: World) -> Step:
    return world.decide("q1")


def decide_last(world: World) -> Step:
    return world.decide("q2")


def abort(world: World) -> Step:
    return world.abort()


def settle(world: World) -> Step:
    return world.settle(i.Value("x"))


def attach(world: World) -> Step:
    return world.go(i.Attach("c1"))


def detach(world: World) -> Step:
    return world.go(i.Detached("c1"))


def second(world: World) -> Step:
    return world.start("r2", key="key 2")


def close(world: World) -> Step:
    return world.go(i.CloseSession("ada"))


ADMITTED = step_of(start)
GRANTED = step_of(begin, start)
ASKED = step_of(ask, start, begin)
ANSWERED = step_of(decide_first, start, begin, ask)
RESUMED = step_of(decide_last, start, begin, ask, decide_first)
ABORTED = step_of(abort, start, begin, ask)
ENDED = step_of(settle, start, begin)
QUEUED = step_of(second, start, begin)
PROMOTED = step_of(settle, start, begin, second)
CLOSED = step_of(close, start, begin)
LATE = step_of(lambda world: world.settle(i.Value("late")), start, begin, close)
DETACHED = step_of(detach, start, attach)
SETTLED_LATE = step_of(lambda world: world.settle(), start, begin, abort)
PARKED_HELD = step_of(lambda world: world.park(question("q1", expiry=None)), start, begin)

GOOD = {name: told for name, told in globals().items() if isinstance(told, Told)}

EXTRA = Timer("deadline", "r1", 1, (1, 0))

BROKEN: list[tuple[str, str, Callable[[], tuple[Told, Step]]]] = [
    (
        "stale-is-noop",
        "a refusal that changes",
        lambda: (GRANTED, changed(GRANTED.good, reply=Rejection("", "", "", ""))),
    ),
    ("stale-is-noop", "a hook without a change", lambda: (GRANTED, changed(GRANTED.good, session=GRANTED.before))),
    (
        "final-absorbs",
        "a move out of a final state",
        lambda: (LATE, changed(LATE.good, moves=(("run", "r1", "x", "stopped", "ready"),))),
    ),
    ("final-absorbs", "a stopped session that is not", lambda: (LATE, LATE.session(state="ready", cause=None))),
    ("final-absorbs", "another cause", lambda: (LATE, LATE.session(cause="orphaned"))),
    ("final-absorbs", "another incarnation", lambda: (LATE, LATE.session(incarnation=2))),
    ("final-absorbs", "an incarnation out of nothing", lambda: (GRANTED, GRANTED.session(incarnation=2))),
    ("session-wears-head", "ready with a run", lambda: (GRANTED, GRANTED.session(state="ready"))),
    ("session-wears-head", "running without one", lambda: (ENDED, ENDED.session(state="running"))),
    (
        "session-wears-head",
        "a queue without a head",
        lambda: (PROMOTED, PROMOTED.session(head=None, state="ready", queue=(PROMOTED.after.head,))),
    ),
    ("session-wears-head", "a cause with a run", lambda: (GRANTED, GRANTED.session(cause="closed"))),
    ("session-wears-head", "stopped without a cause", lambda: (CLOSED, CLOSED.session(cause=None))),
    ("ended-is-not-advertised", "an end without its record", lambda: (ENDED, changed(ENDED.good, ended=()))),
    (
        "ended-is-not-advertised",
        "a run that is over and is not",
        lambda: (GRANTED, changed(GRANTED.good, ended=ENDED.good.ended)),
    ),
    ("ended-is-not-advertised", "a run that vanishes", lambda: (QUEUED, QUEUED.session(queue=()))),
    (
        "first-cause-wins",
        "a cause of another end",
        lambda: (ENDED, changed(ENDED.good, ended=(changed(ENDED.good.ended[0], cause="aborted"),))),
    ),
    ("waiting-has-open-request", "waiting for nothing", lambda: (ASKED, ASKED.head(requests=()))),
    (
        "waiting-has-open-request",
        "running with a batch",
        lambda: (RESUMED, RESUMED.head(requests=ANSWERED.after.head.requests if ANSWERED.after.head else ())),
    ),
    (
        "waiting-has-open-request",
        "a queued run at work",
        lambda: (QUEUED, QUEUED.session(queue=(changed(QUEUED.after.queue[0], state="running"),))),
    ),
    (
        "leaving-wait-closes-requests",
        "left open",
        lambda: (ABORTED, changed(ABORTED.good, closed=ABORTED.good.closed[:1])),
    ),
    ("leaving-wait-closes-requests", "not told", lambda: (ABORTED, ABORTED.without(hooks.WithdrawRequest))),
    ("leaving-wait-closes-requests", "told twice", lambda: (ANSWERED, ANSWERED.twice(hooks.WithdrawRequest))),
    (
        "leaving-wait-closes-requests",
        "closed out of nothing",
        lambda: (GRANTED, changed(GRANTED.good, closed=ABORTED.good.closed)),
    ),
    ("resume-with-continuation", "no next segment", lambda: (RESUMED, RESUMED.head(segment=1))),
    ("resume-with-continuation", "an attempt out of nothing", lambda: (RESUMED, RESUMED.head(attempt=2))),
    ("one-execution", "a head without one", lambda: (GRANTED, GRANTED.session(execution=None))),
    ("one-execution", "another's", lambda: (GRANTED, GRANTED.slot(run="r9"))),
    ("one-execution", "a grant without token", lambda: (GRANTED, GRANTED.slot(token=0))),
    ("one-execution", "closing with its run alive", lambda: (GRANTED, GRANTED.slot(state="closing", closing=EXTRA))),
    ("one-execution", "a slot with what is over", lambda: (GRANTED, GRANTED.slot(state="settled"))),
    ("one-execution", "another while the last lives", lambda: (GRANTED, GRANTED.slot(id=9))),
    ("registered-before-ack", "no controller", lambda: (ADMITTED, ADMITTED.without(hooks.RegisterController))),
    (
        "registered-before-ack",
        "another incarnation",
        lambda: (ADMITTED, changed(ADMITTED.good, reply=changed(ADMITTED.good.reply, incarnation=2))),
    ),
    (
        "same-key-same-run",
        "one key for two",
        lambda: (
            QUEUED,
            QUEUED.session(
                queue=(changed(QUEUED.after.queue[0], spec=changed(QUEUED.after.queue[0].spec, key="key")),)
            ),
        ),
    ),
    ("evict-own", "left behind", lambda: (ENDED, ENDED.without(hooks.EvictController))),
    (
        "evict-own",
        "of a run that goes on",
        lambda: (GRANTED, changed(GRANTED.good, hooks=(*GRANTED.good.hooks, hooks.EvictController("r1", 1)))),
    ),
    (
        "evict-own",
        "of an ended run",
        lambda: (ENDED, changed(ENDED.good, hooks=(*ENDED.good.hooks, hooks.RegisterController("r1", 1)))),
    ),
    (
        "evict-own",
        "not the very one",
        lambda: (
            ENDED,
            changed(
                ENDED.without(hooks.EvictController),
                hooks=(*ENDED.without(hooks.EvictController).hooks, hooks.EvictController("r1", 9)),
            ),
        ),
    ),
    ("evict-own", "twice", lambda: (ENDED, ENDED.twice(hooks.EvictController))),
    ("one-end-per-segment", "never", lambda: (ASKED, ASKED.without(hooks.EndSegment))),
    ("one-end-per-segment", "twice", lambda: (ASKED, ASKED.twice(hooks.EndSegment))),
    ("one-end-per-segment", "not opened", lambda: (RESUMED, RESUMED.without(hooks.OpenSegment))),
    ("one-end-per-segment", "opened twice", lambda: (RESUMED, RESUMED.twice(hooks.OpenSegment))),
    ("deadline-covers-timeout", "not armed", lambda: (GRANTED, GRANTED.head(deadline=None))),
    ("deadline-covers-timeout", "running in a wait", lambda: (ASKED, ASKED.head(deadline=EXTRA))),
    ("deadline-covers-timeout", "forgotten", lambda: (ASKED, ASKED.head(remaining_us=None))),
    (
        "deadline-covers-timeout",
        "of a queued run",
        lambda: (QUEUED, QUEUED.session(queue=(changed(QUEUED.after.queue[0], deadline=EXTRA),))),
    ),
    ("detached-is-timed", "not armed", lambda: (DETACHED, DETACHED.session(orphan=None))),
    ("detached-is-timed", "armed with a client", lambda: (DETACHED, DETACHED.session(attachments=("c1",)))),
    ("detached-is-timed", "armed when stopped", lambda: (CLOSED, CLOSED.session(orphan=DETACHED.after.orphan))),
    (
        "detached-is-timed",
        "held by nothing",
        lambda: (DETACHED, DETACHED.session(orphan=changed(DETACHED.after.orphan, due=None))),
    ),
    ("one-timer", "closing without a timer", lambda: (ABORTED, ABORTED.slot(closing=None))),
    ("one-timer", "a queue deadline at work", lambda: (GRANTED, GRANTED.head(queue_deadline=EXTRA))),
    (
        "one-timer",
        "a queued run without one",
        lambda: (QUEUED, QUEUED.session(queue=(changed(QUEUED.after.queue[0], queue_deadline=EXTRA),))),
    ),
    (
        "one-timer",
        "an expiry of what is closed",
        lambda: (
            ANSWERED,
            ANSWERED.head(
                requests=tuple(changed(r, expiry=EXTRA) for r in ANSWERED.after.head.requests)
                if ANSWERED.after.head
                else ()
            ),
        ),
    ),
    ("one-timer", "armed twice", lambda: (GRANTED, GRANTED.twice(hooks.ArmTimer))),
    (
        "one-timer",
        "armed with an old token",
        lambda: (DETACHED, DETACHED.session(orphan=changed(DETACHED.after.orphan, token=(1, 0)))),
    ),
]


@pytest.mark.parametrize("name", GOOD)
def test_good_step_breaks_nothing(name: str) -> None:
    """Given a step of the declared kernel, then no rule is broken, and none raises."""
    told = GOOD[name]
    assert broken(told.before, told.good) is None


@pytest.mark.parametrize(("rule", "how", "tell"), BROKEN, ids=[f"{rule}: {how}" for rule, how, _ in BROKEN])
def test_rule_is_broken_by_a_step_that_breaks_it(rule: str, how: str, tell: Callable[[], tuple[Told, Step]]) -> None:
    """Given a step told otherwise than it was, then the rule that it breaks is named, first of all."""
    told, step = tell()
    assert rule == broken(told.before, step)


def test_every_rule_has_a_step_that_breaks_it() -> None:
    """Given the rules, then none is there that no test has seen broken, and none is declared twice."""
    names = [name for name, _ in RULES]
    assert set(names) == {rule for rule, _, _ in BROKEN}
    assert len(names) == len(set(names))


def test_step_of_no_session_breaks_nothing() -> None:
    """Given an input to nothing that is refused, then there is nothing to judge."""
    world = World()
    step = world.go(i.Attach("c1"))
    assert broken(None, step) is None


# -- every row's Send, every hold and every count, taken away ---------------------------------------------------------


def coupled() -> Iterator[tuple[str, Machine]]:
    """Give each machine with one Send or one count taken from one row, and with one hold taken from one state."""
    for machine in (RUN, EXECUTION, REQUEST):
        for place, row in enumerate(machine.rows):
            for item in row.edge:
                if isinstance(item, type):
                    continue  # what an edge tells is in no value: its story says what is missing
                sent = f"{item.machine}.{item.trigger}" if isinstance(item, Send) else str(item)
                less = attrs.evolve(row, edge=tuple(one for one in row.edge if one != item))
                rows = [less if at == place else one for at, one in enumerate(machine.rows)]
                yield f"{machine.name}: {row.source} {row.trigger} without {sent}", attrs.evolve(machine, rows=rows)
    for machine in (RUN, EXECUTION, SESSION, REQUEST):
        for state in machine.states:
            for hold in state.holds:
                name = state.name

                def less_held(one: str, holds: tuple[Any, ...], name: str = name, hold: Any = hold) -> tuple[Any, ...]:
                    return tuple(h for h in holds if h != hold) if one == name else holds

                yield f"{machine.name}: {name} without {hold.name}", with_holds(machine, less_held)


MUTANTS = dict(coupled())


def every_life() -> list[list[Callable[[World], Any]]]:
    """Give lives that go through every row between them."""

    def rerun(world: World) -> Any:
        return world.go(i.Lost(world.slot.id))

    def crashing(world: World) -> Any:
        return world.start(deadline_us=10 * SECOND, queue_deadline_us=10 * SECOND, on_crash="rerun")

    def retract(world: World) -> Any:
        return world.go(i.RequestRetracted(world.slot.id, world.slot.token, "q1"))

    def ask_one(world: World) -> Any:
        return world.ask(question("q1", expiry=5 * SECOND))

    def ask_strictly(world: World) -> Any:
        return world.ask(question("q1", expiry=5 * SECOND, on_expiry="stop"))

    def park(world: World) -> Any:
        return world.park(question("q1", expiry=5 * SECOND))

    def wait(world: World) -> Any:
        return world.wait(60)

    def join(world: World) -> Any:
        return world.ask("q3")

    def ask_to_keep(world: World) -> Any:
        return world.ask(question("q1", expiry=5 * SECOND, on_expiry="keep"))

    def fact_of_slot(world: World) -> Any:
        return world.complete()

    def settle_pending(world: World) -> Any:
        return world.settle()

    def settle_and_close(world: World) -> Any:
        if world.session is not None and world.session.execution is not None:
            world.settle()
        return world.go(i.CloseSession("ada"))

    def reject(world: World) -> Any:
        return world.decide("q1", "reject")

    def report(kind: str) -> Callable[[World], Any]:
        return lambda world: world.go(i.ProviderReported(kind))

    def fact(kind: Any) -> Callable[[World], Any]:
        return lambda world: world.go(kind("r1", "x"))

    def finish(world: World) -> Any:
        world.start("r9")
        return world.wait(60)

    endings: list[Callable[[World], Any]] = [settle, abort, close, report("stopped"), report("gone"), report("ready")]
    lives: list[list[Callable[[World], Any]]] = [
        [start, end, finish] for end in (abort, close, fact(i.RunCompleted), fact(i.RunFailed), wait)
    ]
    lives += [[start, begin, end, finish] for end in endings]
    lives += [[start, begin, ask, end, finish] for end in endings]
    lives += [[start, second, begin, end, finish] for end in endings]
    lives += [[start, begin, ask, decide_first, decide_last, settle, finish]]
    lives += [[start, begin, ask_one, how, finish] for how in (retract, wait, reject, decide_first)]
    lives += [[start, begin, ask_strictly, wait], [start, begin, park, decide_first, begin, settle, finish]]
    lives += [[crashing, begin, rerun, begin, settle, finish], [crashing, begin, ask, rerun, begin, settle, finish]]
    lives += [[start, begin, end, settle, finish] for end in (abort, fact_of_slot)]
    lives += [[start, begin, end, shut] for end in (abort, settle, report("gone")) for shut in (settle_and_close, wait)]
    lives += [[start, begin, ask, join, wait], [start, begin, ask_to_keep, wait], [start, settle_pending, finish]]
    lives += [[World.start, attach, begin, detach, wait, settle, wait], [start, begin, wait]]
    return lives


LIVES = every_life()


def what_breaks(kernel: Kernel) -> str | None:
    """Live every life under a kernel; return what the invariants, the ledger or the tables had against it first."""
    for life in LIVES:
        world = World(kernel, TIMED, strict=True)
        for act in life:
            try:
                act(world)
            except AssertionError as found:
                return str(found)
            except LookupError:
                break  # this life cannot go on under a mutant; under the declared kernel they all do
            for _, step in world.steps:
                if isinstance(step.reply, Rejection) and step.reply.error == "InvariantBroken":
                    return step.reply.fact
    return None


def test_lives_break_nothing_of_the_declared_kernel() -> None:
    """Given the declared machines, then the lives that kill the mutants break nothing."""
    assert what_breaks(Kernel()) is None


def test_lives_take_every_row() -> None:
    """Given the lives, then between them they take every row of run, execution, session and request."""
    taken = set()
    for life in LIVES:
        world = World(policy=TIMED)
        for act in life:
            act(world)
        taken |= {move[:1] + move[2:] for _, step in world.steps for move in step.moves}
    declared = {
        (machine.name, row.trigger, row.source, row.dest)
        for machine in (RUN, EXECUTION, SESSION, REQUEST)
        for row in machine.table.flat()
    }
    assert declared - taken == set()


NO_EXPIRY = "request: open without expiry"
"""A question without its timer breaks nothing in any step; it only never settles, which a story shows."""


def test_open_request_without_its_hold_never_expires() -> None:
    """Given a question that should expire after an hour, and open without its hold, then it is open after a year."""
    for kernel, state in ((Kernel(), "running"), (mutant(request=MUTANTS[NO_EXPIRY]), "waiting_for_human")):
        world = World(kernel).executing()
        world.ask("q1")
        world.wait(365 * 86_400)
        assert state == world.state


@pytest.mark.parametrize("name", [name for name in MUTANTS if name != NO_EXPIRY])
def test_mutant_is_killed(name: str) -> None:
    """Given a machine with one Send, one count or one hold less, then some life breaks an invariant or the ledger."""
    machine = MUTANTS[name]
    assert what_breaks(mutant(**{machine.name: machine})) is not None


def test_mutants_are_many() -> None:
    """Given the declared machines, then there are as many mutants as there are Sends, counts and holds."""
    assert 59 == len(MUTANTS)
    assert with_rows(RUN, lambda row: row) == RUN
