"""Schedules: any order of requests, acts of code, passing time, failing commits and crashes, on the real runtime.

Whatever happens, after every action what is shown, registered and armed is what the sessions hold; every segment has
one end; every reply is a legal one; and when all is let go, everything ends and nothing is left.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from lifecycle import (
    Approval,
    Busy,
    Conflict,
    Denied,
    FreeText,
    Invalid,
    NotFound,
    Policy,
    Refused,
    RunAborted,
    RunEnd,
    SegmentEnd,
    StoreError,
    answer,
    approve,
    hooks,
    reject,
    reject_and_continue,
)
from lifecycle.kernel import timers
from lifecycle.kernel.replies import Aborted, AlreadyClosed, AlreadyEnded, Decided, NothingToDo, Reply, Stale
from lifecycle.runtime import Attachment, RunHandle
from lifecycle.runtime.writer import Writer

from .stage import Actor, Disk, Stage, Told, turns

POLICY = Policy(
    orphan_grace_seconds=20,
    closing_grace_seconds=4,
    request_expiry_seconds=30,
    queue_max=2,
    requests_max=3,
    attempts_max=2,
    admins=("root",),
)
SESSIONS = st.sampled_from(["s-1", "s-1", "s-2"])
PEOPLE = st.sampled_from(["ada", "ada", "ada", "bob", "root"])
PAUSES = st.sampled_from([None, None, None, None, 0, 1, 2, 3, 5, 8])
"""How many turns of the loop pass after an action; none: as many as it takes to come to rest."""

Act = tuple[str, int, str | None, float | None]
ACTS = st.tuples(
    st.sampled_from(
        ["emit", "ask", "ask", "ask two", "park", "park", "return", "raise", "checkpoint", "complete", "fail"]
    ),
    st.integers(1, 3),
    st.sampled_from([None, None, "stop", "keep"]),
    st.sampled_from([-1.0, 2, None]),
)
RARELY = st.sampled_from([False, False, True])

REFUSALS = (Busy, Conflict, Denied, Invalid, NotFound, Refused, StoreError)
LEGAL: dict[str, tuple[type, ...]] = {
    "start": (RunHandle,),
    "abort": (Aborted, AlreadyEnded),
    "abort session": (Aborted, NothingToDo),
    "close session": (Aborted, NothingToDo),
    "decide": (Decided, AlreadyClosed, AlreadyEnded),
    "attach": (Attachment,),
    "detach": (type(None),),
    "report": (Reply,),
    "wait": (RunEnd,),
}


def flush_in_place(writer: Writer) -> None:
    """Commit without a thread: the same schedule takes the same way each time."""
    writer._flushing = False
    group, writer._staged = writer._staged, []
    if group:
        writer._finish(group, *writer._commit(group))


class Schedules(RuleBasedStateMachine):
    """A life of several sessions over several processes, told by Hypothesis."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="schedules")
        self.loop = asyncio.new_event_loop()
        self.unseen: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.unseen.append(context))
        self.actors: list[Actor] = []
        self.handles: list[tuple[str, str]] = []
        self.asked: list[tuple[str, asyncio.Task[Any]]] = []
        self.follows: list[asyncio.Task[Any]] = []
        self.streams: list[tuple[str, str, list[Any]]] = []
        self.attachments: list[Attachment] = []
        self.numbers = itertools.count(1)

    def go(self, story: Coroutine[Any, Any, Any]) -> Any:
        """Let the loop run a story."""
        return self.loop.run_until_complete(asyncio.wait_for(story, 20))

    @initialize()
    def opens(self) -> None:
        """Open the first runtime."""
        self.stage = Stage(Disk(None if self.kind == "memory" else Path(self.folder.name) / "runs.db"))
        self.go(self.stage.open(policy=POLICY))
        for session in ("s-1", "s-2"):
            self.starts_one(session, None)

    # -- actions --------------------------------------------------------------------------------------------------

    def ask(self, what: str, request: Coroutine[Any, Any, Any], pause: int | None) -> None:
        """Ask for something, and wait only for as many turns as told."""

        async def asking() -> None:
            self.asked.append((what, asyncio.ensure_future(request)))
            await self.paused(pause)

        self.go(asking())

    async def paused(self, pause: int | None) -> None:
        """Let the loop turn, or come to rest."""
        if pause is None:
            await self.stage.settle()
        else:
            await turns(pause)

    @rule(
        session=SESSIONS,
        owner=PEOPLE,
        when_busy=st.sampled_from(["enqueue", "enqueue", "interrupt", "reject"]),
        on_crash=st.sampled_from(["interrupt", "rerun", "rerun", "error"]),
        deadline=st.sampled_from([None, None, 6]),
        queue_deadline=st.sampled_from([None, None, 3]),
        key=st.sampled_from([None] * 7 + ["k"]),
        stubborn=RARELY,
        pause=PAUSES,
    )
    def starts(
        self,
        session: str,
        owner: str,
        when_busy: str,
        on_crash: str,
        deadline: float | None,
        queue_deadline: float | None,
        key: str | None,
        stubborn: bool,
        pause: int | None,
    ) -> None:
        """Start a run, follow it, and wait for its end."""
        choices = {"owner": owner, "when_busy": when_busy, "on_crash": on_crash, "key": key}
        times = {"deadline_seconds": deadline, "queue_deadline_seconds": queue_deadline}
        self.starts_one(session, pause, stubborn, **choices, **times)

    def starts_one(self, session: str, pause: int | None, stubborn: bool = False, **choices: Any) -> None:
        """Start a run."""
        actor, name = Actor(stubborn), f"r-{next(self.numbers)}"
        self.actors.append(actor)

        async def starting() -> RunHandle:
            handle = await self.stage.admit(actor, session=session, run_id=name, **({"owner": "ada"} | choices))
            assert handle.signal is not None or handle.end() is not None, "acknowledged without a controller"
            self.handles.append((session, handle.id))
            items: list[Any] = []
            self.streams.append((session, handle.id, items))
            self.follows.append(asyncio.ensure_future(follow(handle, items)))
            self.asked.append(("wait", asyncio.ensure_future(handle.wait())))
            return handle

        self.ask("start", starting(), pause)

    @rule(place=st.integers(0, 3), acts=st.lists(ACTS, min_size=1, max_size=3), pause=PAUSES)
    def acts(self, place: int, acts: list[Act], pause: int | None) -> None:
        """Let code that is at work do something, or several things one after another."""
        several = self.at_work()
        for act in acts if several else ():
            self.tell(several[place % len(several)], *act)
        self.go(self.paused(pause))

    @rule(place=st.integers(0, 3), park=st.booleans(), act=ACTS, by=st.sampled_from(["ada", "root"]), pause=PAUSES)
    def asks_and_is_answered(self, place: int, park: bool, act: Act, by: str, pause: int | None) -> None:
        """Let code ask or park, and a human answer, so that lives get somewhere."""
        several = self.at_work()
        if not several:
            return
        actor = several[place % len(several)]
        told = self.tell(actor, "park" if park else "ask", *act[1:])
        self.go(self.paused(None))
        handle = self.stage.runtime.run(actor.run.session, actor.run.id)
        for request in handle.requests:
            self.ask("decide", handle.decide(request.id, answer("words"), by=by), pause)
        self.go(self.paused(None))
        if handle.state == "running" and not self.stage.runtime.counters["commits_failed"]:
            assert told.done, "the answer was not handed over"
        self.tell(actor, *act)
        self.go(self.paused(pause))

    @rule(place=st.integers(0, 20), pause=PAUSES)
    def lets_go(self, place: int, pause: int | None) -> None:
        """Let code that swallows cancellation do so no more."""
        self.actors[-1 - place % len(self.actors)].stubborn = False
        self.go(self.paused(pause))

    def at_work(self) -> list[Actor]:
        """Return the agents whose code is at work and whose run goes on."""
        return [actor for actor in self.actors if actor.grants and not actor.run.signal.aborted]

    def tell(self, actor: Actor, act: str, number: int, on_expiry: str | None, expiry: float | None) -> Told:
        """Tell code to do something."""
        timed = {"on_expiry": on_expiry} | ({} if expiry == -1.0 else {"expiry_seconds": expiry})
        question = Approval("May I?", args=[number], id=f"q{number}", **timed)  # type: ignore[arg-type]
        words = FreeText("What?", id="words", **timed)  # type: ignore[arg-type]
        return {
            "emit": lambda: actor.emit(number),
            "ask": lambda: actor.ask(question),
            "ask two": lambda: actor.ask(question, words),
            "park": lambda: actor.parks(number, question, FreeText("What?")),
            "return": lambda: actor.returns(number),
            "raise": lambda: actor.raises(ValueError(str(number))),
            "checkpoint": lambda: actor.checkpoint(number),
            "complete": lambda: actor.tell(lambda run: run.complete(number)),
            "fail": lambda: actor.tell(lambda run: run.fail(str(number))),
        }[act]()

    @rule(
        place=st.integers(0, 20),
        which=st.integers(0, 3),
        kind=st.sampled_from(["approve", "answer", "continue", "reject", "nonsense"]),
        by=PEOPLE,
        twice=st.booleans(),
        pause=PAUSES,
    )
    def decides(self, place: int, which: int, kind: str, by: str, twice: bool, pause: int | None) -> None:
        """Decide one of the open requests of a run, or one that is not there."""
        handle = self.handle(place)
        names = [request.id for request in handle.requests] or ["q1"]
        name = names[which % len(names)]
        decision = {
            "approve": approve(),
            "answer": answer("words"),
            "continue": reject_and_continue("no"),
            "reject": reject("no"),
            "nonsense": answer(""),
        }[kind]
        if twice:
            self.ask("decide", handle.decide(name, decision, by=by), 0)
        self.ask("decide", handle.decide(name, decision, by=by), pause)

    def handle(self, place: int) -> Any:
        """Return a handle of one of the runs there were, rather of one that waits, of the runtime that is open."""
        runtime = self.stage.runtime
        waiting = [one for one in self.handles if place % 5 and runtime.run(*one).requests]
        several = waiting or self.handles
        session, name = several[-1 - place % len(several)]
        return self.stage.runtime.run(session, name)

    @rule(place=st.integers(0, 20), by=PEOPLE, pause=PAUSES)
    def aborts(self, place: int, by: str, pause: int | None) -> None:
        """Stop a run."""
        self.ask("abort", self.handle(place).abort(by=by), pause)

    @rule(session=SESSIONS, by=PEOPLE, close=RARELY, really=RARELY, pause=PAUSES)
    def ends_session(self, session: str, by: str, close: bool, really: bool, pause: int | None) -> None:
        """Stop what runs in a session, or the session."""
        if not really:
            return
        runtime = self.stage.runtime
        if close:
            self.ask("close session", runtime.close_session(session, by=by), pause)
        else:
            self.ask("abort session", runtime.abort_session(session, by=by), pause)

    @rule(session=SESSIONS, alive=st.sampled_from([True, True, False]), pause=PAUSES)
    def attaches(self, session: str, alive: bool, pause: int | None) -> None:
        """Let a client come."""

        async def attaching() -> Attachment:
            made: Attachment = await self.stage.runtime.attach(session, alive=lambda: alive)
            self.attachments.append(made)
            return made

        self.ask("attach", attaching(), pause)

    @rule(place=st.integers(0, 5), pause=PAUSES)
    def detaches(self, place: int, pause: int | None) -> None:
        """Let a client go."""
        if self.attachments:
            self.ask("detach", self.attachments[place % len(self.attachments)].detach(), pause)

    @rule(
        session=SESSIONS,
        report=st.sampled_from(["ready", "interrupted", "stopped", "error", "gone"]),
        really=RARELY,
        pause=PAUSES,
    )
    def reports(self, session: str, report: str, really: bool, pause: int | None) -> None:
        """Let a provider say how it is."""
        if not really:
            return
        self.ask("report", self.stage.runtime.provider_reported(session, report), pause)

    @rule(seconds=st.sampled_from([1, 1, 2, 4, 7, 25]))
    def passes_time(self, seconds: int) -> None:
        """Let time pass, by whole seconds."""
        self.go(self.stage.pass_time(seconds))

    @rule(times=st.integers(1, 3), really=RARELY)
    def refuses(self, times: int, really: bool) -> None:
        """Let the next commits fail."""
        if really:
            self.stage.store.refuse(times=times)

    @rule(orderly=RARELY, really=RARELY)
    def restarts(self, orderly: bool, really: bool) -> None:
        """Let the process die, or close in order, and another take over."""
        if not really:
            return

        async def restarting() -> None:
            for actor in self.actors:
                actor.stubborn = False
            if orderly:
                self.stage.store.heal()
                await self.stage.close()
            else:
                await self.stage.crash()
            await self.answered(leave=True)
            await self.stage.open(policy=POLICY, agents=self.stage.agents())

        self.go(restarting())
        self.attachments = []

    # -- what must be so ------------------------------------------------------------------------------------------

    @invariant()
    def holds_what_is_held(self) -> None:
        """Compare what is shown, registered and armed with what the sessions hold."""
        assert [] == self.stage.wrong
        assert [] == self.unseen
        runtime = self.stage.runtime
        assert 0 == runtime.counters["invariants_broken"]
        assert 0 == runtime.counters["observer_errors"]
        controllers, wanted, views = 0, {}, runtime.sessions()
        now = runtime.clock.now()
        for view in views:
            session = runtime.session(view.id)
            assert runtime.show(view.id).active == (None if session.head is None else session.head.spec.id)
            held = {run.spec.id for run in session.unfinished()}
            if session.execution is not None and session.execution.state == "closing":
                held.add(session.execution.run)
            assert all(runtime.controllers.get(view.id, name) is not None for name in held)
            controllers += len(held)
            wanted.update({(view.id, one.name, one.owner): one.due for one in timers(session) if one.due is not None})
        assert controllers == len(runtime.controllers)
        armed = set(runtime.timers.names())
        assert armed <= wanted.keys()
        assert {key for key, due in wanted.items() if due > now} <= armed
        for actor in self.actors:
            for grant in actor.grants:
                if grant.tracker is runtime and runtime.run(grant.session, grant.id).end() is not None:
                    assert grant.signal.aborted, "a run has ended, and its code was not told"
        self.go(self.answered())

    async def answered(self, leave: bool = False) -> None:
        """Look at the replies that have come; let go of the others if their process is gone."""
        waiting = []
        for what, task in self.asked:
            if not task.done():
                waiting.append((what, task))
            elif (error := task.exception()) is None:
                assert isinstance(task.result(), (*LEGAL[what], Stale)), (what, task.result())
            else:
                assert isinstance(error, REFUSALS), (what, error)
        self.asked = waiting
        if leave:
            await asyncio.sleep(0)
            for task in [*(task for _, task in self.asked), *self.follows]:
                task.cancel()
            await asyncio.gather(*(task for _, task in self.asked), *self.follows, return_exceptions=True)
            self.asked, self.follows = [], []

    def teardown(self) -> None:
        """Let everything go: all must end, nothing may be left."""
        try:
            if hasattr(self, "stage"):
                self.go(self.comes_to_rest())
        finally:
            for actor in Actor.made:
                actor.stubborn = False
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(turns(5))
            if self.stage.runtime is not None:
                self.loop.run_until_complete(self.stage.crash())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            self.folder.cleanup()
        assert [] == self.unseen

    async def comes_to_rest(self) -> None:
        """Heal the store, let the code go, close every session, and look what is left."""
        stage, runtime = self.stage, self.stage.runtime
        stage.store.heal()
        for actor in self.actors:
            actor.stubborn = False
            actor.returns("at last")
        await stage.pass_time(60)
        for view in runtime.sessions():
            assert view.active is None or view.state == "waiting_for_human", "code returned, and its run goes on"
            await runtime.close_session(view.id, by="root")
        await stage.pass_time(30)
        await self.answered()
        assert [] == self.asked, "somebody waits for ever"
        assert {"stopped"} >= {view.state for view in runtime.sessions()}
        assert (0, 0, 0) == (len(runtime.controllers), len(runtime.timers), len(runtime.streams))
        assert all(task.done() for task in self.follows), "somebody follows for ever"
        for session, name in self.handles:
            assert runtime.run(session, name).end() is not None
        self.every_segment_ended_once()
        report = await stage.close()
        assert () == (*report.aborted, *report.abandoned, *report.queued, *report.parked)
        assert [] == [task for task in asyncio.all_tasks() if task.get_name().startswith("run ")]

    def every_segment_ended_once(self) -> None:
        """Look into the journal, and at what those who followed were told."""
        opened: Counter[tuple[str, str, int]] = Counter()
        ended: Counter[tuple[str, str, int]] = Counter()
        published: Counter[tuple[str, str]] = Counter()
        for view in self.stage.runtime.sessions():
            for entry in self.stage.store.journal(view.id):
                for hook in entry.hooks:
                    if isinstance(hook, hooks.OpenSegment):
                        opened[view.id, hook.run, hook.segment] += 1
                    elif isinstance(hook, hooks.EndSegment):
                        ended[view.id, hook.run, hook.segment] += 1
                    elif isinstance(hook, hooks.PublishEnd):
                        published[view.id, hook.run] += 1
        assert opened == ended
        assert {1} >= set(opened.values())
        assert {1} >= set(published.values())
        for _, _, items in self.streams:
            ends = [item.segment for item in items if isinstance(item, SegmentEnd)]
            assert sorted(set(ends)) == ends
            segments = [item.segment for item in items]
            assert sorted(segments) == segments


async def follow(handle: Any, items: list[Any]) -> None:
    """Keep all that a follower is told."""
    try:
        async for item in handle.follow():
            items.append(item)
    except (RunAborted, NotFound, Refused):
        pass


class SchedulesOnDisk(Schedules):
    """The same on a file."""

    kind = "sqlite"


@pytest.mark.parametrize(("machine", "examples"), [(Schedules, 150), (SchedulesOnDisk, 60)], ids=["memory", "sqlite"])
def test_any_schedule_keeps_every_rule(
    monkeypatch: pytest.MonkeyPatch, machine: type[Schedules], examples: int
) -> None:
    """Given any schedule of requests, code, time, failing commits and crashes, then every rule is kept throughout."""
    if machine is Schedules:
        monkeypatch.setattr(Writer, "_flush", flush_in_place)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
