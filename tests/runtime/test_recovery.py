"""Recovery: what a process left is continued, settled or left answerable, once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from lifecycle import (
    Approval,
    Conflict,
    FreeText,
    NotFound,
    Policy,
    SegmentEnd,
    SQLiteStore,
    answer,
    approve,
    hooks,
    reject_and_continue,
)
from lifecycle.kernel.replies import Aborted, AlreadyEnded, Decided
from lifecycle.runtime import Runtime

from .stage import NO_GRACE, Actor, Stage, gathered, run, said, until

# -- parked -----------------------------------------------------------------------------------------------------------


async def test_parked_run_killed_at_the_question_is_answerable_once(stage: Stage) -> None:
    """Given a run parked on a question, when its process dies and another starts, then the same question is there; one

    decision calls the code again with checkpoint and answer; the same one repeats its reply, another conflicts.
    """
    await stage.open()
    actor = Actor()
    first = await stage.start(actor, "input")
    actor.parks({"found": 3}, Approval("Delete?", id="q", args=[1]))
    await stage.settle()
    shown = first.requests
    await stage.crash()
    runtime = await stage.open(agents=stage.agents())
    handle = runtime.run("s-1", first.id)
    assert ("waiting_for_human", shown) == (handle.state, handle.requests)
    assert runtime.controllers.get("s-1", handle.id) is not None
    await stage.settle()
    assert 1 == len(actor.grants)
    replies = await asyncio.gather(
        handle.decide("q", approve(), digest=shown[0].digest),
        handle.decide("q", approve(), digest=shown[0].digest),
        handle.decide("q", reject_and_continue("no"), digest=shown[0].digest),
        return_exceptions=True,
    )
    assert [Decided, Decided, Conflict] == [type(one) for one in replies]
    await stage.settle()
    again = actor.run
    assert (2, "input", {"found": 3}, [1]) == (
        len(actor.grants),
        again.input,
        again.checkpoint_data,
        again.answers["q"].value,
    )
    actor.returns("done")
    assert "done" == (await handle.wait()).result


@pytest.mark.parametrize("policy", ["interrupt", "error", "rerun"])
async def test_parked_run_is_left_alone_by_every_crash_policy(stage: Stage, policy: str) -> None:
    """Given a parked run under any crash policy, when process after process dies, then it waits on, with its question."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.start(actor, on_crash=policy)
    actor.parks(1, Approval("Delete?", id="q"))
    await stage.settle()
    for _ in range(4):
        await stage.crash()
        runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
        assert "waiting_for_human" == runtime.run("s-1", first.id).state
    assert 1 == stage.value().head.attempt  # type: ignore[union-attr]


async def test_parked_run_answered_just_before_the_crash_goes_on_after_it(stage: Stage) -> None:
    """Given an answer that was acknowledged and code not yet called, when the process dies, then the next calls it."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    actor.parks(1, FreeText("Name?", id="q"))
    await stage.settle()
    await handle.decide("q", answer("ada"))
    await stage.crash()
    assert 1 == len(actor.grants)
    await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    assert (2, "ada", []) == (
        len(actor.grants),
        actor.run.answers["q"].value,
        list(stage.runtime.show("s-1").runs[0].requests),
    )
    actor.returns()


async def test_parked_run_whose_time_passed_while_nobody_ran_expires_at_start(stage: Stage) -> None:
    """Given a question that expires in an hour, when a process starts two hours later, then it has expired by then."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.start(actor)
    actor.parks(1, Approval("Delete?", id="q", expiry_seconds=3_600))
    await stage.settle()
    await stage.crash()
    await stage.pass_time(7_200)
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.pass_time(1)
    assert "running" == runtime.run("s-1", first.id).state
    assert actor.run.answers["q"].expired
    actor.returns()


async def test_parked_run_waits_for_an_agent_that_is_not_known_yet(stage: Stage) -> None:
    """Given a parked run whose agent this process does not know, when it is answered, then it waits until it does."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.start(actor, name="no such module:agent")
    actor.parks(1, Approval("Delete?", id="q"))
    await stage.settle()
    await stage.crash()
    runtime = await stage.open(policy=NO_GRACE)
    handle = runtime.run("s-1", first.id)
    await handle.decide("q", approve())
    await stage.pass_time(10)
    assert ("running", 1) == (handle.state, len(actor.grants))
    runtime.register(actor, "no such module:agent")
    await stage.settle()
    assert 2 == len(actor.grants)
    actor.returns()


# -- executing --------------------------------------------------------------------------------------------------------

ENDS = {"interrupt": ("interrupted", "crashed"), "error": ("error", "crashed_out")}


async def left_executing(stage: Stage, in_place: bool, on_crash: str) -> tuple[Actor, str]:
    """Let a process die while code runs, or waits in place; return the agent and the run's id."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, on_crash=on_crash)
    actor.emit("before")
    if in_place:
        actor.ask(Approval("Delete?", id="q"))
    await stage.settle()
    assert ("waiting_for_human" if in_place else "running") == handle.state
    await stage.crash()
    return actor, handle.id


@pytest.mark.parametrize("in_place", [False, True], ids=["running", "waiting in place"])
@pytest.mark.parametrize("on_crash", ["interrupt", "error"])
async def test_run_killed_at_work_is_ended_by_policy(stage: Stage, on_crash: str, in_place: bool) -> None:
    """Given a run whose process dies at work, then the next one ends it by policy, once, and its questions with it."""
    actor, name = await left_executing(stage, in_place, on_crash)
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    handle = runtime.run("s-1", name)
    end = await handle.wait()
    assert ENDS[on_crash] == (end.state, end.cause)
    await stage.settle()
    assert ((), 1, 0) == (handle.requests, len(actor.grants), len(runtime.controllers))
    assert 1 == len(stage.hooks(hooks.PublishEnd))
    assert isinstance(await handle.abort(), AlreadyEnded)
    if in_place:
        assert isinstance(await handle.decide("q", approve()), AlreadyEnded)
        assert ["q"] == [hook.request for hook in stage.hooks(hooks.WithdrawRequest)]
    await stage.crash()
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    assert end == runtime.run("s-1", name).end()
    assert 1 == len(stage.hooks(hooks.PublishEnd))


@pytest.mark.parametrize("in_place", [False, True], ids=["running", "waiting in place"])
async def test_run_killed_at_work_runs_again_if_it_may(stage: Stage, in_place: bool) -> None:
    """Given a run that may run again, when its process dies, then the next calls its code anew, as another attempt."""
    actor, name = await left_executing(stage, in_place, "rerun")
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    handle = runtime.run("s-1", name)
    assert ("running", 2, 2, ()) == (handle.state, len(actor.grants), actor.run.attempt, handle.requests)
    actor.emit("again")
    actor.returns("done")
    assert ("ready", "done") == ((await handle.wait()).state, handle.end().result)
    assert ["again", (handle_segment(stage), "ready")] == said(await gathered(handle.frames()))


def handle_segment(stage: Stage) -> int:
    """Return the number of the last segment that was opened."""
    return stage.hooks(hooks.OpenSegment)[-1].segment


@pytest.mark.parametrize("on_crash", ["interrupt", "error", "rerun"])
async def test_segment_left_open_by_a_crash_ends_once_and_whoever_follows_is_told(stage: Stage, on_crash: str) -> None:
    """Given a segment open at a crash, then recovery ends it once: observers are told, and so is whoever follows the run

    in the new process.
    """
    actor, name = await left_executing(stage, False, on_crash)
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    reason = "rerun" if on_crash == "rerun" else ENDS[on_crash][0]
    ends = [(hook.segment, hook.reason) for hook in stage.hooks(hooks.EndSegment)]
    assert [(1, reason)] == ends
    following = asyncio.ensure_future(gathered(runtime.run("s-1", name).follow()))
    await stage.settle()
    actor.returns()
    await stage.settle()
    told = [(item.segment, item.reason) for item in await following if isinstance(item, SegmentEnd)]
    assert [(1, reason), *([(2, "ready")] if on_crash == "rerun" else [])] == told


async def test_crashes_are_bounded_by_a_count_of_attempts(stage: Stage) -> None:
    """Given a run that may run again thrice at most, when its process dies each time, then the third ends it."""
    policy = Policy(attempts_max=3, orphan_grace_seconds=None)
    await stage.open(policy=policy)
    actor = Actor()
    first = await stage.start(actor, on_crash="rerun")
    states = []
    for _ in range(3):
        await stage.crash()
        runtime = await stage.open(agents=stage.agents(), policy=policy)
        await stage.settle()
        states.append(runtime.run("s-1", first.id).state)
    end = runtime.run("s-1", first.id).end()
    assert (["running", "running", "error"], 3, "crashed_out") == (states, len(actor.grants), end.cause)


async def test_run_that_was_allowed_to_act_is_not_run_again(stage: Stage) -> None:
    """Given code that got an approval and set no checkpoint since, when its process dies, then it is interrupted."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.start(actor, on_crash="rerun")
    actor.ask(Approval("Delete?", id="q"))
    await stage.settle()
    await first.decide("q", approve())
    await stage.settle()
    await stage.crash()
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    end = runtime.run("s-1", first.id).end()
    assert ("interrupted", "crashed", 1) == (end.state, end.cause, len(actor.grants))


async def test_run_that_acted_and_kept_a_checkpoint_is_run_again_from_there(stage: Stage) -> None:
    """Given code that was allowed to act and kept a checkpoint since, when its process dies, then it goes on from it."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.start(actor, on_crash="rerun")
    actor.ask(Approval("Delete?", id="q"))
    await stage.settle()
    await first.decide("q", approve())
    actor.checkpoint({"deleted": True})
    await stage.settle()
    await stage.crash()
    await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    assert ({"deleted": True}, {}) == (actor.run.checkpoint_data, actor.run.answers)
    actor.returns()


async def test_question_asked_again_after_a_crash_gets_the_answer_given_before(stage: Stage) -> None:
    """Given an answer that permits nothing, when the code runs again and asks the same, then it is not asked again."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.start(actor, on_crash="rerun")
    for question in (FreeText("Name?", id="name"), FreeText("Where?")):
        actor.ask(question)
        await stage.settle()
        await first.decide(first.requests[0].id, answer(f"to {question.text}"))
        await stage.settle()
    await stage.crash()
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    again = [actor.ask(FreeText("Name?", id="name")), actor.ask(FreeText("Where?"))]
    fresh = actor.ask(FreeText("Where?"))
    await stage.settle()
    assert ["to Name?", "to Where?"] == [told.value[0].value for told in again]
    assert (1, False) == (len(runtime.run("s-1", first.id).requests), fresh.done)


# -- pending, queued, closing -----------------------------------------------------------------------------------------


async def test_run_that_was_admitted_and_not_begun_goes_on(stage: Stage) -> None:
    """Given an acknowledged run whose code was not called, when the process dies, then the next calls it, as the first."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.admit(actor, "input")
    await stage.crash()
    assert [] == actor.called
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    assert ("running", 1, "input") == (runtime.run("s-1", first.id).state, actor.run.attempt, actor.run.input)
    actor.returns()


async def test_queue_goes_on_in_order_before_new_input(stage: Stage) -> None:
    """Given a queue, when its process dies at the head's work, then the queue goes on in order, and new input after it."""
    await stage.open(policy=NO_GRACE)
    actors = [Actor() for _ in range(4)]
    handles = [await stage.start(actor) for actor in actors[:3]]
    await stage.crash()
    for actor in actors[1:]:
        actor.returns()
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    last = await stage.start(actors[3])
    await stage.settle()
    states = [runtime.run("s-1", one.id).state for one in (*handles, last)]
    assert ["interrupted", "ready", "ready", "ready"] == states
    began = [hook.run for hook in stage.hooks(hooks.CallCode)]
    assert [handles[0].id, handles[1].id, handles[2].id, last.id] == began


async def test_code_that_was_closing_is_over_with_its_process(stage: Stage) -> None:
    """Given code that was still closing, when its process dies, then it is settled, not abandoned, and the next begins."""
    await stage.open(policy=NO_GRACE)
    old, new = Actor(stubborn=True), Actor()
    first = await stage.start(old)
    await stage.start(new)
    await first.abort()
    old.stubborn = False
    await stage.crash()
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    view = runtime.show("s-1")
    assert (None, "running", 0, 1) == (view.closing, view.state, runtime.counters["abandoned"], len(new.called))
    new.returns()


async def test_stop_that_was_confirmed_is_not_undone_by_a_crash(stage: Stage) -> None:
    """[Hermes 99906] Given a run that may be run again, when it is stopped and the process dies before its code returns,

    then the next process calls that code no more, and the end stays what the user was told.
    """
    await stage.open(policy=NO_GRACE)
    actor = Actor(stubborn=True)
    handle = await stage.start(actor, on_crash="rerun")
    assert Aborted((handle.id,)) == await handle.abort(text="enough")
    actor.stubborn = False
    await stage.crash()
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    end = runtime.run("s-1", handle.id).end()
    assert ("interrupted", "aborted", "enough") == (end.state, end.cause, end.text)
    assert (1, None, "interrupted") == (len(actor.called), runtime.show("s-1").closing, runtime.show("s-1").state)


async def test_run_that_is_taken_up_again_can_be_stopped_before_it_begins(stage: Stage) -> None:
    """[OpenClaw 140467] Given a run that a recovery has offered anew, when it is stopped before its code is called,

    then it is over at once, is not called, and the session is free for the next input.
    """
    await stage.open(policy=NO_GRACE)
    actor, following = Actor(), Actor()
    handle = await stage.start(actor, on_crash="rerun")
    await stage.crash()
    runtime = await stage.open(policy=NO_GRACE)  # no agent is known yet, so the offer stands
    again = runtime.run("s-1", handle.id)
    assert ("starting", (handle.id,)) == (again.state, tuple(run.id for run in runtime.show("s-1").runs))
    assert Aborted((handle.id,)) == await again.abort()
    runtime.register(actor, stage.name_of(actor))
    await stage.start(following)
    assert ("interrupted", 1, 1) == (again.state, len(actor.called), len(following.called))
    following.returns()


async def test_run_that_fails_when_it_is_run_again_is_over_like_any_other(stage: Stage) -> None:
    """[Hermes 46934] Given a run that is run again after a crash, when its code raises, then it is in error, no mark of

    the recovery is left, and the next input is a run of its own that no later crash mixes up with it.
    """
    await stage.open(policy=NO_GRACE)
    actor, following = Actor(), Actor()
    handle = await stage.start(actor, on_crash="rerun")
    await stage.crash()
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    actor.raises(ValueError("gone stale"))
    await stage.settle()
    second = await stage.start(following, on_crash="rerun")
    await stage.crash()
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.settle()
    end = runtime.run("s-1", handle.id).end()
    assert ("error", "ValueError: gone stale") == (end.state, end.text)
    assert (2, [second.id] * 2, second.id) == (len(actor.called), following.called, runtime.show("s-1").active)
    following.returns()


async def test_attachments_die_with_their_process_and_the_grace_is_fresh(stage: Stage) -> None:
    """Given an attached client, when the process dies, then nobody is attached, and the whole grace begins anew."""
    grace = Policy(orphan_grace_seconds=60)
    runtime = await stage.open(policy=grace)
    actor = Actor()
    await stage.start(actor)
    actor.returns()
    await runtime.attach("s-1")
    await stage.pass_time(500)
    await stage.crash()
    runtime = await stage.open(policy=grace)
    assert 0 == runtime.show("s-1").attached
    await stage.pass_time(59)
    assert "ready" == runtime.show("s-1").state
    await stage.pass_time(1)
    assert "stopped" == runtime.show("s-1").state


async def test_deadline_is_full_again_after_a_crash(stage: Stage) -> None:
    """Given a run with half of its time gone, when it runs again after a crash, then it has all of it."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.start(actor, on_crash="rerun", deadline_seconds=10)
    await stage.pass_time(6)
    await stage.crash()
    await stage.pass_time(100)
    runtime = await stage.open(agents=stage.agents(), policy=NO_GRACE)
    await stage.pass_time(9)
    assert "running" == runtime.run("s-1", first.id).state
    await stage.pass_time(1)
    assert "deadline" == runtime.run("s-1", first.id).end().cause


async def test_recovery_that_crashes_is_recovered(stage: Stage) -> None:
    """Given a process that dies in its recovery, then the next recovers what it left, and nothing happens twice."""
    actor, name = await left_executing(stage, False, "interrupt")
    disk = stage.disk.open()
    disk.cut()
    with pytest.raises(Exception, match="no power"):
        await Runtime(disk, clock=stage.clock).open()  # type: ignore[arg-type]
    for _ in range(3):
        await stage.open(policy=NO_GRACE)
        await stage.crash()
    runtime = await stage.open(policy=NO_GRACE)
    assert "interrupted" == runtime.run("s-1", name).state
    ends = [hook for one in stage.observed for hook in one.hooks if isinstance(hook, hooks.PublishEnd)]
    assert {name} == {hook.run for hook in ends}
    assert 1 == len(stage.hooks(hooks.PublishEnd))
    del actor


async def test_recovery_answers_for_each_session_and_no_other(stage: Stage) -> None:
    """Given many sessions in every state, when the process dies, then each is continued, settled or left, by its own."""
    await stage.open(policy=NO_GRACE)
    at_work, parked, over, closed = Actor(), Actor(), Actor(), Actor()
    await stage.start(at_work, session="at work")
    await stage.start(parked, session="parked")
    parked.parks(1, Approval("?", id="q"))
    await stage.start(over, session="over")
    over.returns()
    await stage.start(closed, session="closed")
    await stage.runtime.close_session("closed")
    for number in range(150):
        await stage.admit(over, session=f"many {number:03}")
        over.returns()
    await stage.settle()
    await stage.crash()
    runtime = await stage.open(policy=NO_GRACE)
    states = {view.id: view.state for view in runtime.sessions(limit=1_000)}
    assert ("interrupted", "waiting_for_human", "ready", "stopped") == tuple(
        states[name] for name in ("at work", "parked", "over", "closed")
    )
    assert {"ready"} == {state for name, state in states.items() if name.startswith("many")}
    assert 154 == len(states)


async def test_unknown_run_is_not_found_after_a_restart(stage: Stage) -> None:
    """Given a new process, when a run is asked for that never was, then it is not found, by whatever way."""
    await stage.open()
    await stage.start(Actor())
    await stage.crash()
    runtime = await stage.open()
    handle = runtime.run("s-1", "nope")
    with pytest.raises(NotFound):
        _ = handle.state
    with pytest.raises(NotFound):
        await handle.wait()


# -- a process that is really killed ----------------------------------------------------------------------------------

KILLED = """
import asyncio, os, sys
sys.path[:0] = {path!r}
from lifecycle import Approval, Park, Policy, Runtime, SQLiteStore

async def parks(run):
    if run.answers:
        return "went on"
    return Park({{"found": 3}}, Approval("Delete?", id="q"))

async def works(run):
    print("at work", flush=True)
    await asyncio.Event().wait()

async def asks(run):
    await run.ask(Approval("Delete?", id="in place"))

async def main():
    runtime = Runtime(SQLiteStore({file!r}), policy=Policy(orphan_grace_seconds=None))
    await runtime.open()
    for agent in (parks, asks, works):
        await runtime.start(agent, session=agent.__name__, name=agent.__name__, run_id="r-1")
    for name in ("parks", "asks"):
        await runtime.run(name, "r-1").wait_for("waiting_for_human")
    await runtime.run("works", "r-1").wait_for("running")
    print("ready to die", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_process_killed_by_the_system_leaves_nothing_undecided(tmp_path: Path) -> None:
    """Given a process with a parked run, one that waits in place and one at work, when it is killed by the system, then

    the next finds the file free, the parked one answerable, and the others ended.
    """
    file = str(tmp_path / "runs.db")
    root = Path(__file__).resolve().parent.parent.parent
    script = textwrap.dedent(KILLED.format(path=[str(root)], file=file))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": ""}
    ) as process:
        assert process.stdout is not None
        while "ready to die" not in (line := process.stdout.readline()):
            assert line, "the process ended by itself"
        process.send_signal(signal.SIGKILL)
    calls: list[Any] = []

    async def parks(grant: Any) -> str:
        calls.append((grant.checkpoint_data, list(grant.answers)))
        return "went on"

    async def story() -> None:
        async with Runtime(SQLiteStore(file), policy=NO_GRACE, agents={"parks": parks}) as runtime:
            handles = {name: runtime.run(name, "r-1") for name in ("parks", "asks", "works")}
            assert ("waiting_for_human", "interrupted", "interrupted") == tuple(one.state for one in handles.values())
            assert ["q"] == [one.id for one in handles["parks"].requests]
            await handles["parks"].decide("q", approve())
            assert "went on" == (await handles["parks"].wait()).result
        assert [({"found": 3}, ["q"])] == calls

    run(story())
    run(until_closed(file))


async def until_closed(file: str) -> None:
    """Open and close the file once more: whoever had it has let go of it."""
    async with Runtime(SQLiteStore(file), policy=NO_GRACE):
        await until(lambda: True)
