"""Timers: the arithmetic of deadlines, the order in which timers fire, and tokens that are over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle import hooks
from lifecycle.kernel import Policy, due, timers
from lifecycle.kernel import inputs as i

from .world import NO_GRACE, SECOND, World, of, question

# -- the deadline -----------------------------------------------------------------------------------------------------


def test_deadline_stops_the_run_and_is_told_apart_from_abort() -> None:
    """Given a deadline of 10 s, when the code works that long, then the run is stopped, by the timer, with its cause."""
    world = World().executing(deadline_us=10 * SECOND)
    world.wait(9.999)
    assert "running" == world.state
    world.wait(0.001)
    assert (("stopped", "deadline"), "timer deadline") == (world.end(), world.ended["r1"].who)
    assert ("ready", "closing") == (world.state, world.slot.state)


def test_deadline_runs_from_the_grant_not_from_admission() -> None:
    """Given a run that waited long to begin, in queue and offer, then its deadline is full when it begins."""
    world = World().executing("r1")
    world.start("r2", deadline_us=10 * SECOND)
    world.wait(100)
    world.settle(i.Value("x"))
    world.wait(100)
    assert world.timer("deadline") is None
    world.begin()
    assert world.now + 10 * SECOND == world.timer("deadline").due


@pytest.mark.parametrize("parked", [False, True])
def test_deadline_does_not_run_while_a_human_is_asked(parked: bool) -> None:
    """Given 4 s used, when a human takes a day, parked or in place, then 6 s are left when the code is at work again."""
    world = World().executing(deadline_us=10 * SECOND)
    world.wait(4)
    batch = question("q1", expiry=None)
    step = world.park(batch) if parked else world.ask(batch)
    assert ["deadline"] == [hook.name for hook in of(step, hooks.DisarmTimer)]
    assert (None, 6 * SECOND) == (world.timer("deadline"), world.head.remaining_us)
    world.wait(86_400)
    world.decide("q1")
    if parked:
        assert world.timer("deadline") is None
        world.wait(50)
        world.begin()
    assert world.now + 6 * SECOND == world.timer("deadline").due


def test_deadline_none_is_none() -> None:
    """Given no deadline, then none is ever armed, and a run of a year is not ended."""
    world = World().executing()
    world.wait(365 * 86_400)
    assert "running" == world.state
    assert [] == world.hooks(hooks.ArmTimer)


@pytest.mark.parametrize("waiting", [False, True], ids=["running", "waiting in place"])
@pytest.mark.parametrize("how", ["lost", "recovered"])
def test_deadline_is_full_again_for_another_attempt(waiting: bool, how: str) -> None:
    """Given 6 s of 10 used, when the run is run again after a crash, then the new attempt has 10 s."""
    world = World().executing(deadline_us=10 * SECOND, on_crash="rerun")
    world.wait(6)
    if waiting:
        world.ask("q1")
    world.go(i.Lost(world.slot.id)) if how == "lost" else world.crash()
    assert (2, 10 * SECOND) == (world.head.attempt, world.head.remaining_us)
    world.begin()
    assert world.now + 10 * SECOND == world.timer("deadline").due


def test_deadline_outlives_no_run() -> None:
    """Given a run that ends in time, then its deadline is given back, and the closing timer is its execution's only."""
    world = World().executing(deadline_us=10 * SECOND)
    step = world.abort()
    assert ["deadline"] == [hook.name for hook in of(step, hooks.DisarmTimer)]
    assert ["closing"] == [one.name for one in world.timers()]


def test_deadline_of_an_ended_run_that_fires_late_is_stale() -> None:
    """Given a deadline armed for a run that has ended, when its firing arrives, then nothing changes; the cause stays."""
    world = World().executing(deadline_us=10 * SECOND)
    armed = world.timer("deadline")
    world.settle(i.Value("x"))
    before = world.session
    step = world.go(i.TimerFired("deadline", "r1", armed.token), after=60)
    assert "Stale" == type(step.reply).__name__
    assert world.session is before
    assert ("ready", "completed") == world.end()


def test_deadline_that_fell_due_while_the_machine_slept_fires_late_but_once() -> None:
    """Given a leap of the clock over a deadline, then it fires once, at the leap's end."""
    world = World().executing(deadline_us=10 * SECOND)
    assert ["deadline"] == [step.moves[0][0] and "deadline" for step in world.sleep(3_600)][:1]
    assert ("stopped", "deadline") == world.end()


WORK = st.integers(1, 4 * SECOND)
PAUSE = st.integers(0, 100 * SECOND)
TURNS = st.lists(st.tuples(WORK, PAUSE, st.booleans(), PAUSE), max_size=12)


@given(deadline=st.integers(1, 20 * SECOND), turns=TURNS)
@settings(max_examples=200, deadline=None)
def test_deadline_ends_a_run_at_its_executing_time_and_never_before(deadline: int, turns: Any) -> None:
    """Given any sequence of work, questions in place or parked, and pauses, then a run is ended by its deadline exactly
    when the time its code was at work adds up to it, whatever the pauses.
    """
    world = World().executing(deadline_us=deadline)
    used = 0
    for number, (work, pause, parks, offer) in enumerate(turns):
        world.wait_us(work)
        used += work
        if used >= deadline:
            break
        asked = question(f"q{number}", expiry=None)
        world.park(asked) if parks else world.ask(asked)
        assert deadline - used == world.head.remaining_us
        world.wait_us(pause)
        world.decide(f"q{number}")
        if parks:
            world.wait_us(offer)
            world.begin()
        assert "running" == world.state
    if used < deadline:
        world.wait_us(deadline - used - 1)
        assert "running" == world.state
        world.wait_us(1)
    assert ("stopped", "deadline") == world.end()


# -- which timer fires first ------------------------------------------------------------------------------------------


def test_timers_fire_by_due_time() -> None:
    """Given timers due at different times, when all are late, then the earliest due fires first, then the next."""
    world = World(policy=Policy(orphan_grace_seconds=7)).executing()
    world.park(question("q1", expiry=9 * SECOND), question("q2", expiry=5 * SECOND))
    fired = [given.name + given.owner for given in firings(world, 60)]
    assert ["expiryq2", "orphans", "expiryq1"] == fired[:3]


def test_timers_due_together_fire_in_the_declared_order() -> None:
    """Given an expiry, a queue deadline and the orphan timer due at one instant, then they fire in that order."""
    world = World(policy=Policy(orphan_grace_seconds=10)).executing("r1")
    world.ask(question("q2", expiry=10 * SECOND), question("q1", expiry=10 * SECOND))
    world.start("r2", queue_deadline_us=10 * SECOND)
    fired = [(given.name, given.owner) for given in firings(world, 10)]
    assert [("expiry", "q1"), ("expiry", "q2"), ("queue_deadline", "r2"), ("orphan", "s")] == fired


def test_deadline_fires_before_the_queue_deadline() -> None:
    """Given a deadline and another run's queue deadline due at one instant, then the deadline is first, and the next
    run is head when its own comes: both end, each by its own.
    """
    world = World().executing("r1", deadline_us=10 * SECOND)
    world.start("r2", queue_deadline_us=10 * SECOND)
    assert [("deadline", "r1"), ("queue_deadline", "r2")] == [(one.name, one.owner) for one in firings(world, 10)]
    assert (("stopped", "deadline"), ("stopped", "queue_deadline")) == (world.end("r1"), world.end("r2"))


def test_queue_deadline_fires_before_closing_and_orphan() -> None:
    """Given a closing timer, a queue deadline and the orphan timer due together, then in that declared order."""
    world = World(policy=Policy(orphan_grace_seconds=10, closing_grace_seconds=10)).executing("r1")
    world.start("r2", queue_deadline_us=10 * SECOND)
    world.abort("r1")
    assert ["queue_deadline", "closing", "orphan"] == [one.name for one in firings(world, 10)]
    assert "stopped" == world.state


def test_expiry_fires_before_a_deadline_due_at_the_same_instant_can() -> None:
    """Given an expiry that lets the run go on at the instant of nothing else, then the deadline runs on from there."""
    world = World().executing(deadline_us=10 * SECOND)
    world.wait(4)
    world.ask(question("q1", expiry=6 * SECOND))
    world.wait(6)
    assert ("running", 16 * SECOND) == (world.state, world.timer("deadline").due)


def firings(world: World, seconds: float) -> list[i.TimerFired]:
    """Let time pass; return the firings in their order."""
    count = len(world.steps)
    world.wait(seconds)
    return [given for given, _ in world.steps[count:] if isinstance(given, i.TimerFired)]


def test_due_is_none_when_nothing_is() -> None:
    """Given timers that are not due, or held without a time, then nothing is to fire."""
    world = World(policy=Policy(orphan_grace_seconds=10)).executing()
    assert world.session is not None
    assert due(world.session, 9 * SECOND) is None
    world.park(question("q1", expiry=None))
    world.wait(10)
    assert due(world.session, 10**15) is None
    assert ["orphan"] == [one.name for one in timers(world.session)]


def test_timers_are_listed_by_name_and_owner_once() -> None:
    """Given everything armed that can be, then each owner has at most one timer of a name."""
    world = World(policy=Policy()).executing("r1", deadline_us=SECOND, queue_deadline_us=SECOND)
    world.start("r2", queue_deadline_us=SECOND)
    world.start("r3", queue_deadline_us=SECOND)
    armed = [(one.name, one.owner) for one in world.timers()]
    assert {("orphan", "s"), ("deadline", "r1"), ("queue_deadline", "r2"), ("queue_deadline", "r3")} == set(armed)
    assert len(armed) == len(set(armed))


# -- tokens and time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["deadline", "queue_deadline", "expiry", "closing", "orphan"])
def test_firing_with_an_old_token_is_a_noop(kind: str) -> None:
    """Given a timer armed and due, when a firing bears the token of an earlier arming, then nothing changes."""
    world = World(policy=Policy(orphan_grace_seconds=50, closing_grace_seconds=50))
    world.start(deadline_us=50 * SECOND, queue_deadline_us=50 * SECOND)
    if kind != "queue_deadline":
        world.begin()
    if kind == "expiry":
        world.ask(question("q1", expiry=50 * SECOND))
    if kind == "closing":
        world.abort()
    armed = world.timer(kind)
    world.now += 60 * SECOND
    before = world.session
    for token in ((armed.token[0] - 1, 0), (armed.token[0], armed.token[1] + 1), (0, 0)):
        assert "Stale" == type(world.step(i.TimerFired(kind, armed.owner, token)).reply).__name__
        assert world.session is before
    assert world.step(i.TimerFired(kind, armed.owner, armed.token)).session is not before


def test_each_arming_has_a_new_token() -> None:
    """Given a deadline that is armed again after each question, then no two armings share a token."""
    world = World(policy=Policy()).executing(deadline_us=100 * SECOND)
    for number in range(5):
        world.ask(f"q{number}")
        world.go(i.Attach("c1"))
        world.decide(f"q{number}")
        world.go(i.Detached("c1"))
    tokens = [(hook.name, hook.owner, hook.token) for hook in world.hooks(hooks.ArmTimer)]
    assert len(tokens) == len(set(tokens))


def test_time_never_runs_backwards() -> None:
    """Given an input that arrives with an earlier time than the session has seen, then it is judged at that one."""
    world = World(policy=NO_GRACE).executing(deadline_us=10 * SECOND)
    world.wait(5)
    world.checkpoint()
    assert world.session is not None
    step = world.kernel.step(world.session, i.RunAsked(1, 2, (question("q1"),)), 0)
    assert step.session is not None
    assert step.session.head is not None
    assert (5 * SECOND, 5 * SECOND) == (step.session.now, step.session.head.remaining_us)
