"""Takeovers that something comes between: whatever nobody holds is taken up in the end, and whoever waits hears of it.

What lives here: stories of workers of which one dies at the worst moment for another. What must not: how a session is
held; that is ``test_leases``. The law of this file: what went wrong once is followed by time alone, never by somebody
who asks.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any, ClassVar

import attrs
import pytest

from lifecycle import Policy, Runtime, StoreError, VirtualClock, approve
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Decided
from lifecycle.runtime import stepping
from lifecycle.runtime.writer import T
from lifecycle.store import schema
from lifecycle.testing import Actor
from lifecycle.testing.stage import InPlaceWriter

from .test_leases import LIMITS, Workers, inputs, parks, started
from .test_leases import workers as workers  # a fixture

# -- taking over for sure ---------------------------------------------------------------------------------------------


async def test_takeover_that_the_store_failed_is_tried_again(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a store that cannot be read at the one look at which a worker is missed, then what that left is taken later."""
    first, second = await workers.open("first"), await workers.open("second")
    await started(first)
    with monkeypatch.context() as patch:
        patch.setattr(second.store, "unsettled", cannot_be_read)
        die(first)
        second.beat()
    await passes(second)
    assert 1 == inputs(second, i.Recovered)


async def test_session_that_could_not_be_read_at_a_takeover_is_taken_later(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a session that cannot be read just when it is taken over, when it can be, then it is recovered; said once."""
    first, second = await workers.open("first"), await workers.open("second")
    await started(first)
    with monkeypatch.context() as patch:
        patch.setattr(second.store, "load", cannot_be_read)
        die(first)
        second.beat()
        await passes(second)
    assert (1, 0) == (second.counters["not_recovered"], inputs(second, i.Recovered))
    await passes(second)
    assert (1, 1) == (second.counters["not_recovered"], inputs(second, i.Recovered))


async def test_loop_turns_while_much_is_taken_over(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a worker that dies with many sessions, then another takes up some of them in each turn of its loop."""
    monkeypatch.setattr(stepping, "TAKEN_AT_ONCE", 4)
    first, second = await workers.open("first"), await workers.open("second")
    for number in range(12):
        await started(first, session=f"s-{number}")
    die(first)
    second.beat()
    assert 4 == len(second._lines)
    await workers.settle()
    assert [1] * 12 == [inputs(second, i.Recovered, f"s-{number}") for number in range(12)]


@pytest.mark.parametrize("chore", ["compact", "rest"])
async def test_session_that_is_being_noted_when_its_holder_is_missed_is_taken_later(
    workers: Workers, chore: str
) -> None:
    """Given a worker in the middle of a sweep, or of laying to rest a session that others took meanwhile, when whoever
    holds that session dies, then it is taken up once that is over."""
    limits = attrs.evolve(LIMITS, resting_sessions_max=1, retention_seconds=60, sweep_seconds=90)
    second = await workers.open("second", Busied, limits=limits)
    if chore == "rest":  # it is the second one's, to whom nobody says that it has slept
        Busied.held = held = []
        await started(second)
        for session in ("s-2", "s-3"):
            await started(second, session=session)
        workers.time.pass_by(11)
    first = await workers.open("first")
    if chore == "rest":
        first.take_over()
        await workers.settle()
        assert "first" == second.store.holder("s-1")
        die(first)
    else:
        await started(first)
        die(first)
        Busied.held = held = []
        assert isinstance(second.clock, VirtualClock)
        await second.clock.advance(100)
    assert held and second._lines["s-1"].busy
    second.beat()
    steps = inputs(second, i.Recovered)
    for chore_held in held:
        chore_held()
    Busied.held = None
    await passes(second)
    assert ("second", steps + 1) == (second.store.holder("s-1"), inputs(second, i.Recovered))


class HeldChores(InPlaceWriter):
    """Commit on the event loop; a chore waits, if somebody holds it."""

    def chore(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Do it at once, or when told."""
        if Busied.held is None:
            done(work())
        else:
            Busied.held.append(lambda: done(work()))


class Busied(Runtime):
    """A runtime whose chores a story may hold."""

    writer_kind = HeldChores
    held: ClassVar[list[Callable[[], None]] | None] = None


def die(runtime: Runtime) -> None:
    """Let a process die."""
    runtime._closed = True
    runtime.store.inner.close()  # type: ignore[attr-defined]


def cannot_be_read(*_: object) -> Any:
    """Be a store that cannot be read."""
    raise StoreError("store", "cannot be read", "check the disk")


async def passes(runtime: Runtime) -> None:
    """Let as much time pass as whatever is tried again waits at most."""
    assert isinstance(runtime.clock, VirtualClock)
    await runtime.clock.advance(runtime.limits.retry_seconds_max + 1)


# -- hearing for sure -------------------------------------------------------------------------------------------------


async def test_who_waits_for_a_run_that_ended_elsewhere_hears_of_it_in_a_session_taken_up_since(
    workers: Workers,
) -> None:
    """Given a run that ends in a worker that dies, when its session is taken up before anybody looked, then the wait ends."""
    first, second = await workers.open("first"), await workers.open("second")
    mine = await started(first)
    waiting = asyncio.ensure_future(second.run("s-1", mine.id).wait())
    await workers.settle()
    await mine.abort()
    die(first)
    other = await started(second)
    assert second.holds("s-1") and other.state == "waiting_for_human"
    second.beat()
    await workers.settle()
    assert waiting.done() and "aborted" == (await waiting).cause


async def test_reply_that_cannot_be_taken_out_of_the_inbox_is_heard(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a disk without room once a reply is kept, then whoever asked hears it all the same."""
    first, second = await workers.open("first"), await workers.open("second")
    mine = await started(first)
    asking = asyncio.ensure_future(second.run("s-1", mine.id).decide("q", approve()))
    await workers.settle()
    first.beat()
    await workers.settle()
    monkeypatch.setattr(schema, "COLLECTED", "DELETE FROM no_such_table WHERE number = ?")
    second.beat()
    await workers.settle()
    assert asking.done() and isinstance(await asking, Decided)


async def test_request_that_cannot_be_taken_back_in_time_is_taken_back_later(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a holder that does not answer, and a disk that fails when the request is taken back, then it is said later."""
    first, second = await workers.open("first"), await workers.open("second")
    mine = await started(first)
    asking = asyncio.ensure_future(second.run("s-1", mine.id).decide("q", approve()))
    await workers.settle()
    assert isinstance(second.clock, VirtualClock)
    with monkeypatch.context() as patch:
        patch.setattr(second.store, "withdraw", cannot_be_read)
        await second.clock.advance(LIMITS.inbox_seconds_max + 1)
    assert not asking.done()
    await passes(second)
    with pytest.raises(StoreError, match="did not answer within 30 s; nothing was done"):
        await asking


async def test_run_is_admitted_in_a_session_that_another_worker_let_go_of(workers: Workers) -> None:
    """Given a stopped session in a worker that stalls, which another lets go of as it is past its retention, when the
    first is asked for a run in it, then the run is admitted there as in any session that is new."""
    first = await workers.open("first")
    await started(first)
    await first.close_session("s-1")
    workers.time.pass_by(11)
    second = await workers.open("second", limits=attrs.evolve(LIMITS, retention_seconds=60, sweep_seconds=90))
    assert isinstance(second.clock, VirtualClock)
    await second.clock.advance(200)
    assert second.store.load("s-1") is None
    assert first._lines["s-1"].session is not None
    again = await started(first)
    assert "waiting_for_human" == again.state


async def test_nothing_is_held_here_for_what_goes_on_elsewhere(workers: Workers) -> None:
    """Given parked runs in a worker that stalls, when another takes them over and goes on with them, then the first keeps
    nothing of them, and has their signals again, the very same, once it takes them over in its turn."""
    first = await workers.open("first")
    runs = [await started(first, session=f"s-{number}") for number in range(3)]
    signal = runs[0].signal
    workers.time.pass_by(11)
    second = await workers.open("second")
    await workers.settle()
    first.beat()
    await workers.settle()
    assert (0, 0, 0) == (len(first._lines), len(first.controllers), len(first.timers))
    assert 0 == len(first.streams._live)
    die(second)
    await workers.overtakes(first)
    assert signal is not None and signal is runs[0].signal and signal.cause is None
    await runs[0].abort()
    assert "aborted" == signal.cause


async def test_lost_session_is_an_error_only_where_code_was_at_work(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a worker that stalls, when others take a parked session and one with code at work, and when two open a session
    at once, then of the code it is said that it is lost, and nobody is warned of the rest."""
    actor = Actor()
    first = await workers.open("first")
    await started(first)
    await started(first, actor, session="s-2", name="actor")
    workers.time.pass_by(11)
    second = await workers.open("second")
    first.beat()
    await workers.settle()
    both = asyncio.gather(*(one.start(parks, session="s-3", name="parks") for one in (first, second)))
    await workers.asked(both)
    told = [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert ["s-2"] == [name for name in ("s-1", "s-2", "s-3") if any(f"session {name}: lost" in one for one in told)]


async def test_damaged_request_keeps_nobody_from_the_others(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    """Given a request in the inbox that cannot be read, then that is said once, and whatever else is asked is answered."""
    first, second = await workers.open("first"), await workers.open("second")
    mine = await started(first)
    damaged = asyncio.ensure_future(second.abort_session("s-1"))
    await workers.settle()
    with closing(sqlite3.connect(workers.path)) as other, other:
        other.execute("UPDATE inbox SET record = x'00'")
    decided = await workers.asked(second.run("s-1", mine.id).decide("q", approve()))
    await workers.beat()
    assert isinstance(decided, Decided) and not damaged.done()
    assert 1 == sum("whoever asked is not answered" in record.getMessage() for record in caplog.records)
    assert isinstance(second.clock, VirtualClock)
    await second.clock.advance(LIMITS.inbox_seconds_max + 1)
    with pytest.raises(StoreError, match="did not answer"):
        await damaged


# -- clocks that differ -----------------------------------------------------------------------------------------------

DAY, HOUR = 86_400, 3_600


async def test_what_a_worker_left_whose_clock_was_ahead_happens_in_time(workers: Workers) -> None:
    """Given a worker that started when the wall clock was a day ahead, when it dies, then in what another takes over of
    it a question expires, and code is given up, when as much time has passed as it was given, and in its session alone."""
    policy = Policy(orphan_grace_seconds=None, request_expiry_seconds=HOUR, on_expiry="stop", closing_grace_seconds=10)
    actor = Actor()
    agents = {"parks": parks, "actor": actor}
    late = await workers.open("late", policy=policy, agents=agents)
    own = await started(late, session="s-own")
    ahead = await workers.open("ahead", policy=policy, agents=agents, clock=VirtualClock(1_700_000_000 + DAY))
    parked, queued = await started(ahead), await started(ahead, session="s-2")
    await started(ahead, session="s-2", name="actor", agent=actor, on_crash="rerun")
    die(ahead)
    late.beat()
    await workers.settle()
    assert isinstance(late.clock, VirtualClock)
    await late.run("s-2", queued.id).abort()
    await late.clock.settle()
    actor.stubborn = True
    await late.abort_session("s-2")
    await late.clock.advance(11)
    assert 1 == late.counters["abandoned"]
    await late.clock.advance(HOUR - 60)
    assert "waiting_for_human" == late.run("s-1", parked.id).state == own.state
    await late.clock.advance(60)
    assert ["request_expired"] * 2 == [end.cause for end in (late.run("s-1", parked.id).end(), own.end()) if end]
    actor.stubborn = False


async def test_run_at_rest_of_a_worker_whose_clock_was_ahead_expires_in_time(workers: Workers) -> None:
    """Given runs taken over from a worker whose clock was a day ahead, when they are laid to rest here, then they expire
    when their time has come."""
    policy = Policy(orphan_grace_seconds=None, request_expiry_seconds=HOUR, on_expiry="stop")
    limits = attrs.evolve(LIMITS, resting_sessions_max=1)
    late = await workers.open("late", policy=policy, limits=limits)
    ahead = await workers.open("ahead", policy=policy, clock=VirtualClock(1_700_000_000 + DAY))
    left = [await started(ahead, session=f"s-{number}") for number in range(4)]
    die(ahead)
    late.beat()
    await workers.settle()
    assert late.counters["laid_to_rest"] > 1
    assert isinstance(late.clock, VirtualClock)
    await late.clock.advance(HOUR + 60)
    ends = [late.run(one.session, one.id).end() for one in left]
    assert ["request_expired"] * 4 == [end.cause for end in ends if end]
