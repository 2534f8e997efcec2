"""Several runtimes on one file: each session has one holder, and whoever asks elsewhere hears what they would hear there.

What lives here: stories of two workers in one process, on clocks that a story moves. What must not: real processes;
theirs is the campaign. The law of this file: a heart beats when the story says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import attrs
import pytest

from lifecycle import (
    Approval,
    Busy,
    Conflict,
    Denied,
    Limits,
    NotFound,
    Park,
    Refused,
    RunHandle,
    Runtime,
    SQLiteStore,
    StoreError,
    VirtualClock,
    approve,
    reject,
)
from lifecycle.kernel import inputs as i
from lifecycle.kernel import step
from lifecycle.kernel.replies import Aborted, Decided
from lifecycle.kernel.values import us
from lifecycle.runtime.beating import QUIET_LOOKS, pause_seconds
from lifecycle.store import Commit
from lifecycle.store.port import Kept
from lifecycle.testing import Actor, FaultyStore

from ..store.test_leases import LeaseTime
from .stage import NO_GRACE

LIMITS = Limits(lease_seconds=10, inbox_seconds_max=30)


async def parks(run: Any) -> Any:
    """Ask once and leave; answered, return what the human said."""
    answers = run.answers
    return answers["q"].approved if answers else Park("half", [Approval("Go on?", id="q")])


class Workers:
    """Runtimes on one file, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.time = LeaseTime()
        self.there: dict[str, Runtime] = {}

    async def open(self, name: str, kind: type[Runtime] = Runtime, **choices: Any) -> Runtime:
        """Let a worker join."""
        store = FaultyStore(SQLiteStore(self.path, worker=name, lease_us=self.time))
        usual = {"policy": NO_GRACE, "limits": LIMITS, "agents": {"parks": parks}, "clock": VirtualClock()}
        made = self.there[name] = kind(store, **(usual | choices))
        await made.open()
        return made

    async def beat(self) -> None:
        """Let every heart beat, so often that what one asks another is answered and heard."""
        for _ in range(3):
            for runtime in list(self.there.values()):
                if not runtime.is_closed:
                    runtime.beat()
                    await self.settle()

    async def overtakes(self, runtime: Runtime) -> None:
        """Let a worker beat late, and take up what nobody holds once the others had time for a heartbeat."""
        runtime.beat()
        assert isinstance(runtime.clock, VirtualClock)
        await runtime.clock.advance(runtime.limits.lease_renewal_seconds)

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        for runtime in self.there.values():
            assert isinstance(runtime.clock, VirtualClock)
            await runtime.clock.settle()

    async def asked(self, request: Any) -> Any:
        """Ask, let every heart beat, and return the reply."""
        task = asyncio.ensure_future(request)
        await self.settle()
        await self.beat()
        return await task

    async def played(self, story: Coroutine[Any, Any, None]) -> None:
        """Play a story, then let every worker leave, with as much time as that takes."""
        try:
            await story
        finally:
            for runtime in self.there.values():
                assert isinstance(runtime.clock, VirtualClock)
                closing = asyncio.ensure_future(runtime.close())
                while not closing.done():
                    await runtime.clock.advance(1)
                await closing
                runtime.store.close()


@pytest.fixture
def workers(tmp_path: Path) -> Workers:
    """Runtimes on one file, closed in the end."""
    return Workers(tmp_path / "runs.db")


async def started(runtime: Runtime, agent: Any = parks, session: str = "s-1", **choices: Any) -> RunHandle:
    """Start a run and let it come as far as it does."""
    handle = await runtime.start(agent, session=session, name=choices.pop("name", "parks"), **choices)
    assert isinstance(runtime.clock, VirtualClock)
    await runtime.clock.settle()
    return handle


def kept(runtime: Runtime, session: str = "s-1") -> Kept:
    """Return what the store has of a session."""
    found = runtime.store.load(session)
    assert found is not None
    return found


def inputs(runtime: Runtime, kind: type[i.Input], session: str = "s-1") -> int:
    """Count the steps of a kind of input in the journal."""
    return sum(isinstance(entry.input, kind) for entry in runtime.store.journal(session))


# -- asking elsewhere -------------------------------------------------------------------------------------------------


async def test_decision_from_elsewhere_resumes_the_run(workers: Workers) -> None:
    """Given a run that waits in one worker, when another decides, then it goes on there, and both hear of its end."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    mine = await started(holder)
    theirs = shell.run("s-1", mine.id)
    assert ["q"] == [one.id for one in theirs.requests]
    waiting = asyncio.ensure_future(theirs.wait())
    reply = await workers.asked(theirs.decide("q", approve()))
    assert isinstance(reply, Decided)
    await workers.beat()
    assert True is (await waiting).result is mine._end().result
    assert ("holder", 1, 0) == (kept(shell).holder, inputs(shell, i.Decide), inputs(shell, i.Recovered))


async def test_abort_from_elsewhere_stops_the_code(workers: Workers) -> None:
    """Given code at work in one worker, when another aborts its run, then it is told to stop, and the reply is the same."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    actor = Actor()
    mine = await started(holder, actor, name="actor")
    signal = mine.signal
    assert signal is not None and mine.state == "running"
    reply = await workers.asked(shell.run("s-1", mine.id).abort(text="enough"))
    assert (Aborted((mine.id,)), True) == (reply, signal.aborted)
    end = mine.end()
    assert end is not None and ("interrupted", "enough") == (end.state, end.text)


async def test_refusal_from_elsewhere_is_the_same_as_here(workers: Workers) -> None:
    """Whatever is refused is refused with the very sentence and fields that its holder would have got."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    mine = await started(holder)
    theirs = shell.run("s-1", mine.id)
    for kind, ask in (
        (Denied, lambda run: run.abort(by="eve")),
        (Denied, lambda run: run.decide("q", approve(), by="eve")),
        (NotFound, lambda run: run.decide("none", approve())),
        (Conflict, lambda run: run.decide("q", approve(), digest="another")),
    ):
        with pytest.raises(kind) as here:
            await ask(mine)
        with pytest.raises(kind) as there:
            await workers.asked(ask(theirs))
        assert (str(here.value), here.value.fields) == (str(there.value), there.value.fields)
    assert isinstance(await workers.asked(theirs.decide("q", reject("no"))), Decided)


async def test_run_is_admitted_where_its_session_is(workers: Workers) -> None:
    """Given a session of one worker, when another starts a run in it, then it is called there, and a key joins it."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    first = await started(holder)
    queued = await workers.asked(shell.start(parks, session="s-1", name="parks", key="k"))
    again = await workers.asked(shell.start(parks, session="s-1", name="parks", key="k"))
    assert queued.id == again.id != first.id and queued.state == "starting"
    assert {} == shell._started, "whoever calls it finds its agent by name"
    assert isinstance(await workers.asked(shell.run("s-1", first.id).decide("q", approve())), Decided)
    await workers.beat()
    assert ("waiting_for_human", "ready") == (queued.state, first.state)
    waiting = asyncio.ensure_future(queued.wait_for("interrupted"))
    closed = await workers.asked(shell.close_session("s-1"))
    await workers.beat()
    assert closed is not None and "stopped" == await waiting
    assert [] == [item async for item in queued.follow()]


async def test_client_attaches_where_its_session_is(workers: Workers) -> None:
    """To watch is of one process: elsewhere it is refused, and who holds the session is named."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    await started(holder)
    with pytest.raises(StoreError, match="session s-1: holder holds it; ask there"):
        await shell.attach("s-1")


async def test_wait_for_a_run_elsewhere_is_refused_when_the_runtime_closes(workers: Workers) -> None:
    """Given somebody who waits here for a run that another worker holds, when this runtime closes, then they hear that."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    mine = await started(holder)
    theirs = shell.run("s-1", mine.id)
    waiting = [asyncio.ensure_future(wait) for wait in (theirs.wait(), theirs.wait_for("ready"))]
    await workers.settle()
    await shell.close()
    for told in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(told, Refused) and "shut down" in str(told)


async def test_holder_that_does_not_answer_has_done_nothing(workers: Workers) -> None:
    """Given a holder that beats and answers nothing, when the time for it is over, then the request is taken back."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    mine = await started(holder)
    asking = asyncio.ensure_future(shell.run("s-1", mine.id).decide("q", approve()))
    assert isinstance(shell.clock, VirtualClock)
    await shell.clock.advance(31)
    with pytest.raises(StoreError, match="did not answer within 30 s; nothing was done"):
        await asking
    await workers.beat()
    assert ("waiting_for_human", 0) == (mine.state, inputs(holder, i.Decide))


async def test_worker_that_answers_nothing_is_asked_only_so_much(workers: Workers) -> None:
    """Given a holder that answers nothing, when more is asked of it than its inbox holds, then that is refused at once."""
    limits = attrs.evolve(LIMITS, inbox_requests_max=2)
    holder, shell = await workers.open("holder"), await workers.open("shell", limits=limits)
    mine = await started(holder)
    asking = [asyncio.ensure_future(shell.close_session("s-1")) for _ in range(2)]
    await workers.settle()
    with pytest.raises(Busy, match=r"has not answered 2 requests \(inbox_requests_max\)"):
        await shell.run("s-1", mine.id).abort()
    await workers.beat()
    assert {"stopped"} == {mine.state} and 2 == len(await asyncio.gather(*asking))


async def test_step_that_fails_is_tried_again_for_who_asked(workers: Workers) -> None:
    """Given a holder whose store fails, when it keeps again, then the request is applied once, and its reply comes."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    mine = await started(holder)
    assert isinstance(holder.store, FaultyStore) and isinstance(holder.clock, VirtualClock)
    holder.store.refuse(i.Decide, times=2)
    asking = asyncio.ensure_future(shell.run("s-1", mine.id).decide("q", approve()))
    await workers.settle()
    await workers.beat()
    await holder.clock.advance(1)
    await workers.beat()
    assert isinstance(await asking, Decided)
    assert (1, "ready") == (inputs(holder, i.Decide), mine.state)


async def test_request_outlives_the_holder_that_saw_it(workers: Workers) -> None:
    """Given a holder that dies between seeing a request and its step, then the next one applies it, once."""
    holder, shell = await workers.open("holder"), await workers.open("shell")
    mine = await started(holder)
    asking = asyncio.ensure_future(shell.run("s-1", mine.id).decide("q", approve()))
    await workers.settle()
    assert isinstance(holder.store, FaultyStore)
    holder.store.refuse(times=1_000)
    holder.beat()
    await workers.settle()
    assert 1 == len(holder.elsewhere._taken)
    holder.store.cut()
    holder._closed = True
    await workers.beat()
    assert isinstance(await asking, Decided)
    await workers.beat()
    assert (1, "ready", "shell") == (
        inputs(shell, i.Decide),
        shell.run("s-1", mine.id).state,
        shell.store.holder("s-1"),
    )


def test_worker_that_sees_nothing_new_looks_half_as_often() -> None:
    """Given looks that see nothing new, then the next ones come half as often, and never later than a heartbeat."""
    limits = Limits(look_seconds=0.25)
    assert [0.25] * QUIET_LOOKS == [pause_seconds(limits, quiet) for quiet in range(QUIET_LOOKS)]
    assert (0.5, 0.4) == (pause_seconds(limits, 99), pause_seconds(Limits(lease_renewal_seconds=0.4), 99))


# -- taking over ------------------------------------------------------------------------------------------------------


async def test_stalled_worker_is_fenced_and_its_code_stopped(workers: Workers) -> None:
    """Given a worker that stalls past its lease, when another takes its session over, then the run ends by its policy

    there, and here its code is told to stop at the next heartbeat, and nothing it says counts.
    """
    stalled, other = await workers.open("stalled"), await workers.open("other")
    actor = Actor()
    mine = await started(stalled, actor, name="actor")
    signal = mine.signal
    waiting = asyncio.ensure_future(mine.wait())
    workers.time.pass_by(11)
    await workers.overtakes(other)
    assert ("other", "interrupted") == (other.store.holder("s-1"), other.run("s-1", mine.id).state)
    assert signal is not None and not signal.aborted
    stalled.beat()
    await workers.settle()
    assert signal.aborted and 1 == stalled.counters["reloaded"]
    end = await waiting
    assert ("interrupted", "crashed") == (end.state, end.cause)
    assert "other" == other.store.holder("s-1")


@pytest.mark.parametrize("sessions", [1, 70])
async def test_stalled_worker_tells_what_became_of_a_parked_run_elsewhere(workers: Workers, sessions: int) -> None:
    """Given parked runs, no code at work, and a worker that stalls past its lease while another answers one of them,

    then at the next heartbeat it shows how that run ended, and whoever waits for it here is told; nobody has to ask.
    """
    stalled, other = await workers.open("stalled"), await workers.open("other")
    runs = [await started(stalled, session=f"s-{number}") for number in range(sessions)]
    waiting = [asyncio.ensure_future(run.wait()) for run in runs]
    reached = asyncio.ensure_future(runs[-1].wait_for("ready"))
    workers.time.pass_by(11)
    await workers.overtakes(other)
    theirs = other.run(runs[-1].session, runs[-1].id)
    await theirs.decide("q", approve())
    assert True is (await theirs.wait()).result
    assert ("waiting_for_human", False) == (runs[-1].state, waiting[-1].done())
    stalled.beat()
    await workers.settle()
    assert waiting[-1].done() and reached.done()
    assert (waiting[-1].result(), reached.result()) == (await theirs.wait(), "ready")
    assert ("ready", None) == (runs[-1].state, stalled.show(runs[-1].session).active)
    assert sessions == stalled.counters["reloaded"]
    for task in waiting[:-1]:
        task.cancel()


async def test_worker_that_stalls_between_grant_and_call_calls_nothing(workers: Workers) -> None:
    """Given a worker that is stopped after the grant and before the call, when another has taken its session meanwhile,

    then the code is not called any more.
    """
    called = []

    class Stalling(Runtime):
        def call(self, line: Any, grant: Any) -> None:
            super().call(line, grant)
            assert isinstance(self.clock, VirtualClock)
            workers.time.pass_by(11)
            self.clock.start(self.clock.now() + us(11))
            there = kept(other)
            given, now = i.Recovered(NO_GRACE), self.clock.now()
            took = step(there.session, given, now)
            commit = Commit(there.session, given, now, took, there.performed, there.lease)
            assert [None] == list(other.store.commit([commit]))
            other.store.renew()

    other = await workers.open("other")
    stalling = await workers.open("stalling", kind=Stalling)
    await started(stalling, lambda run: called.append(run.id), name="plain")
    assert ([], 1, "other") == (called, stalling.counters["reloaded"], other.store.holder("s-1"))


async def test_fact_of_a_fenced_worker_does_not_count(workers: Workers) -> None:
    """Given a session that another has taken over, when code here says something before any heartbeat, then it is stale."""
    stalled, other = await workers.open("stalled"), await workers.open("other")
    actor = Actor()
    mine = await started(stalled, actor, name="actor", on_crash="error")
    workers.time.pass_by(11)
    await workers.overtakes(other)
    actor.returns("late")
    await workers.settle()
    assert "crashed_out" == other.run("s-1", mine.id)._end().cause
    assert (0, "other") == (inputs(other, i.ExecutionSettled), other.store.holder("s-1"))
    again = await workers.asked(stalled.start(parks, session="s-1", name="parks"))
    assert "waiting_for_human" == again.state


async def test_what_a_worker_leaves_is_taken_over(workers: Workers) -> None:
    """Given a worker that leaves in order, when another looks up, then it holds what was left, and answers for it."""
    first, second = await workers.open("first"), await workers.open("second")
    mine = await started(first)
    await workers.beat()
    await first.close()
    await workers.beat()
    assert ("second", 1) == (second.store.holder("s-1"), inputs(second, i.Recovered))
    theirs = second.run("s-1", mine.id)
    assert isinstance(await theirs.decide("q", approve()), Decided)
    assert True is (await theirs.wait()).result


async def test_worker_that_came_and_went_unseen_is_taken_over(workers: Workers) -> None:
    """Given a worker that joined and left between two looks, then what it left is found all the same."""
    first = await workers.open("first")
    first.beat()
    brief = await workers.open("brief")
    await started(brief)
    await brief.close()
    await workers.beat()
    assert "first" == first.store.holder("s-1")


async def test_session_that_was_lost_is_taken_up_when_its_heir_is_gone(workers: Workers) -> None:
    """Given a session here that another has taken, when that one leaves in its turn, then it is taken up here."""
    first, second = await workers.open("first"), await workers.open("second")
    mine = await started(first)
    workers.time.pass_by(11)
    await workers.overtakes(second)
    first.beat()
    await workers.settle()
    assert ("second", 1) == (first.store.holder("s-1"), first.counters["reloaded"]), "its late heartbeat tells first"
    await second.close()
    await workers.overtakes(first)
    assert ("first", 1) == (first.store.holder("s-1"), first.counters["reloaded"])
    assert isinstance(await mine.decide("q", approve()), Decided)


async def test_what_a_silent_worker_takes_is_missed_when_it_falls_silent_again(workers: Workers) -> None:
    """Given a worker that another has found silent, when it opens a session before its next heartbeat, and then stalls

    again, then the session is taken over: whoever takes one beats with that step.
    """
    first = await workers.open("first")
    workers.time.pass_by(11)
    second = await workers.open("second")
    await started(first, session="s-2")
    for _ in range(2):
        second.beat()
        await workers.settle()
        assert "first" == second.store.holder("s-2")
        workers.time.pass_by(6)
    second.beat()
    await workers.settle()
    assert ("second", 1) == (second.store.holder("s-2"), inputs(second, i.Recovered, "s-2"))


async def test_what_was_left_while_a_worker_stood_still_is_taken_up(workers: Workers) -> None:
    """Given a worker that stalls, when it beats again, then it takes up what nobody holds, whoever is missing."""
    first = await workers.open("first")
    workers.time.pass_by(11)
    second = await workers.open("second")
    first.beat()
    await started(first, session="s-2")
    workers.time.pass_by(11)
    await workers.overtakes(second)
    assert ("second", 1) == (second.store.holder("s-2"), inputs(second, i.Recovered, "s-2"))


async def test_workers_that_stood_still_alike_keep_what_they_hold(workers: Workers) -> None:
    """Given a machine, or a disk, that stands still for longer than a lease, when its workers go on, then each goes on with
    its own code: the first to beat takes nothing before the others had time for a heartbeat."""
    first, second = await workers.open("first"), await workers.open("second")
    actor = Actor()
    mine = await started(first, actor, name="actor")
    workers.time.pass_by(60)
    second.beat()
    await workers.settle()
    first.beat()
    await workers.overtakes(second)
    assert ("first", "running", 0) == (second.store.holder("s-1"), mine.state, inputs(second, i.Recovered))
    actor.returns("fine")
    await workers.settle()
    assert "fine" == (await mine.wait()).result


async def test_worker_that_is_late_at_every_beat_takes_over_all_the_same(workers: Workers) -> None:
    """Given a worker that dies, and another whose beats all come late, then what was left is taken up in bounded time."""
    first, second = await workers.open("first"), await workers.open("second")
    await started(first)
    first._closed = True
    first.store.inner.close()  # type: ignore[attr-defined]
    assert isinstance(second.clock, VirtualClock)
    for _ in range(4):
        workers.time.pass_by(11)
        second.beat()
        await second.clock.advance(second.limits.lease_renewal_seconds / 2)
    assert ("second", 1) == (second.store.holder("s-1"), inputs(second, i.Recovered))


async def test_sessions_of_others_are_left_to_them(workers: Workers) -> None:
    """Given a worker at work, when another opens, then it recovers nothing of that, and each goes on with its own."""
    first = await workers.open("first")
    actor = Actor()
    mine = await started(first, actor, name="actor")
    second = await workers.open("second")
    own = await started(second, session="s-2")
    await workers.beat()
    assert ("running", "waiting_for_human") == (mine.state, own.state)
    assert (0, 0) == (inputs(second, i.Recovered), inputs(first, i.Recovered, "s-2"))
    actor.returns("fine")
    await workers.settle()
    assert "fine" == (await mine.wait()).result


async def test_two_that_take_one_session_agree(workers: Workers) -> None:
    """Given a stopped session that two have in memory, when both start a run, then one holds it and both are told."""
    first, second = await workers.open("first"), await workers.open("second")
    await started(first)
    await first.close_session("s-1")
    await first.close()
    third = await workers.open("third")
    one, two = await workers.asked(
        asyncio.gather(*(runtime.start(parks, session="s-1", name="parks") for runtime in (second, third)))
    )
    await workers.beat()
    assert {"waiting_for_human", "starting"} == {one.state, two.state}
    assert 3 == inputs(third, i.StartRun)
