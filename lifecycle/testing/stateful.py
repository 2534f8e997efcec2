"""The stateful test of a runtime: any order of requests, passing time, failing commits and crashes, with your agents.

What lives here: what the world may do to a runtime, and what must be so after each. What must not: what an agent does.
The law of this file: one rule draws one of the moves that can happen now; when all is over, everything has ended, nothing
is left, and the kernel accepts every journal.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lifecycle import hooks
from lifecycle.errors import Busy, Conflict, Denied, Invalid, NotFound, Refused, StoreError
from lifecycle.kernel.engine import timers
from lifecycle.kernel.replies import Aborted, AlreadyClosed, AlreadyEnded, Decided, NothingToDo, Reply, Stale
from lifecycle.kernel.values import Policy
from lifecycle.runtime import (
    Attachment,
    Decision,
    Frame,
    Gap,
    Limits,
    RunAborted,
    RunEnd,
    RunHandle,
    Runtime,
    SegmentEnd,
    answer,
    approve,
    reject,
    reject_and_continue,
)
from lifecycle.testing.faults import Disk
from lifecycle.testing.generating import INDICES
from lifecycle.testing.journals import replay_journal
from lifecycle.testing.stage import Stage, turns

T = TypeVar("T")

HANG_SECONDS = 20.0
"""After this long on the clock of the wall a move is taken to hang; none comes near it."""

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
"""What may be replied to what; anybody may be told that it came too late."""

PAUSES: Sequence[int | None] = (None, None, None, None, 0, 1, 2, 3, 5, 8)
"""How many turns of the loop pass after a move; none: as many as it takes to come to rest."""

DECISIONS: Mapping[str, Decision] = {
    "approve": approve(),
    "answer": answer("words"),
    "continue": reject_and_continue("no"),
    "reject": reject("no"),
    "nonsense": answer(""),
}

NUMBERS = st.binary(min_size=16, max_size=16)
"""What a move chooses by, drawn before it is known which: a failure is told again by the same numbers."""


class Draw:
    """Choices by numbers that are drawn already; when they are used up, the first of everything."""

    def __init__(self, numbers: bytes) -> None:
        self._numbers = iter(numbers)

    def pick(self, several: Sequence[T]) -> T:
        """Choose one of several."""
        return several[next(self._numbers, 0) % len(several)]


@attrs.frozen(eq=False)
class Option:
    """Something that can happen now: its name, and how it is done; ``weight`` says how often it is chosen."""

    name: str
    do: Callable[[Draw], None]
    weight: int = 1


class RuntimeTest(RuleBasedStateMachine):
    """A life of your agents over several sessions and several processes, told by Hypothesis.

    Give ``agents`` by name: coroutine functions that wait for nothing but the engine; and the ``inputs`` they are started
    with. Add moves of your own by ``options``, rules of your own by ``@invariant()``, and what must be so at the
    end by ``at_rest``. Run it by ``run_state_machine_as_test(YourTest)``, or let pytest collect ``YourTest.TestCase``.
    """

    agents: Mapping[str, Any] = MappingProxyType({})
    inputs: Sequence[Any] = (None,)
    policy = Policy(
        orphan_grace_seconds=20,
        closing_grace_seconds=4,
        request_expiry_seconds=30,
        queue_max=2,
        requests_max=3,
        attempts_max=2,
        admins=("root",),
    )
    limits = Limits()
    sessions: tuple[str, ...] = ("s-1", "s-1", "s-2")
    people: tuple[str, ...] = ("ada", "ada", "ada", "bob", "root")
    on_disk = False
    in_place = True
    """Whether commits need no thread, so that the same moves take the same way each time."""
    faults = True
    """Whether commits may fail and processes may die."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="lifecycle-test")
        self.loop = asyncio.new_event_loop()
        self.unseen: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.unseen.append(context))
        self.handles: list[tuple[str, str]] = []
        self.asked: list[tuple[str, asyncio.Task[Any]]] = []
        self.follows: list[asyncio.Task[Any]] = []
        self.streams: list[tuple[str, str, list[Any]]] = []
        self.attachments: list[Attachment] = []
        self.numbers = itertools.count(1)
        self.stage = Stage(Disk(Path(self.folder.name) / "runs.db" if self.on_disk else None), self.in_place)

    @property
    def runtime(self) -> Runtime:
        """Return the runtime of the present process."""
        runtime: Runtime = self.stage.runtime
        return runtime

    def go(self, story: Coroutine[Any, Any, T]) -> T:
        """Let the loop run a story."""
        return self.loop.run_until_complete(asyncio.wait_for(story, HANG_SECONDS))

    # -- the one rule -------------------------------------------------------------------------------------------------

    @initialize(numbers=NUMBERS)
    def opens(self, numbers: bytes) -> None:
        """Open the first runtime, and start a run in every session."""
        draw = Draw(numbers)
        self.stage.names = {id(agent): (name, agent) for name, agent in self.agents.items()}
        self.go(self.stage.open(policy=self.policy, limits=self.limits, agents=dict(self.agents)))
        for session in dict.fromkeys(self.sessions):
            self.start(session, draw, None)

    @rule(index=INDICES, numbers=NUMBERS)
    def happens(self, index: int, numbers: bytes) -> None:
        """Let one of the things happen that can happen now."""
        options = [option for option in self.options() for _ in range(option.weight)]
        option = options[index % len(options)]
        note(f"-- {option.name}")
        option.do(Draw(numbers))

    def options(self) -> list[Option]:
        """List what can happen now."""
        found = [
            Option("somebody starts a run", self.starts, 3),
            Option("somebody decides", self.decides, 3 if self.waiting() else 1),
            Option("somebody aborts a run", self.aborts),
            Option("a session is aborted or closed", self.ends_session),
            Option("a client attaches", self.attaches),
            Option("a provider reports", self.reports),
            Option("time passes", self.passes_time, 2),
        ]
        if self.attachments:
            found.append(Option("a client is gone", self.detaches))
        if len(self.runtime.timers):
            found.append(Option("the next timer is due", self.passes_to_next_timer, 2))
        if self.faults:
            found += [Option("commits fail", self.refuses), Option("the process is gone", self.restarts)]
        return found

    # -- moves --------------------------------------------------------------------------------------------------------

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

    def starts(self, draw: Draw) -> None:
        """Start a run, follow it, and wait for its end."""
        spans = {"deadline_seconds": [None, None, 6], "queue_deadline_seconds": [None, None, 3]}
        choices: dict[str, Any] = {
            "owner": draw.pick(self.people),
            "when_busy": draw.pick(["enqueue", "enqueue", "interrupt", "reject"]),
            "on_crash": draw.pick(["interrupt", "rerun", "rerun", "error"]),
            "key": draw.pick([None] * 7 + ["k"]),
        } | {name: draw.pick(several) for name, several in spans.items()}
        self.start(draw.pick(self.sessions), draw, draw.pick(PAUSES), **choices)

    def agent(self, draw: Draw) -> Any:
        """Choose the agent of a run."""
        return draw.pick(list(self.agents.values()))

    def start(self, session: str, draw: Draw, pause: int | None, **choices: Any) -> None:
        """Start a run of one of the agents."""
        agent, given, name = self.agent(draw), draw.pick(self.inputs), f"r-{next(self.numbers)}"

        async def starting() -> RunHandle:
            named = {"name": self.stage.name_of(agent), "run_id": name, "owner": self.people[0]} | choices
            handle = await self.runtime.start(agent, given, session=session, **named)
            assert handle.signal is not None or handle.end() is not None, "acknowledged without a controller"
            self.handles.append((session, handle.id))
            items: list[Any] = []
            self.streams.append((session, handle.id, items))
            self.follows.append(asyncio.ensure_future(follow(handle, items)))
            self.asked.append(("wait", asyncio.ensure_future(handle.wait())))
            return handle

        self.ask("start", starting(), pause)

    def decides(self, draw: Draw) -> None:
        """Decide one of the open requests of a run, or one that is not there; sometimes twice."""
        handle = self.handle(draw)
        names = [request.id for request in handle.requests] or ["q1"]
        name = draw.pick(names)
        decision = DECISIONS[draw.pick(sorted(DECISIONS))]
        by, twice = draw.pick(self.people), draw.pick((False, True))
        if twice:
            self.ask("decide", handle.decide(name, decision, by=by), 0)
        self.ask("decide", handle.decide(name, decision, by=by), draw.pick(PAUSES))

    def waiting(self) -> list[tuple[str, str]]:
        """Return the runs that wait for a human."""
        return [one for one in self.handles if self.runtime.run(*one).requests]

    def handle(self, draw: Draw) -> RunHandle:
        """Choose one of the runs there were, rather one that waits or is new."""
        several = (self.waiting() if draw.pick(range(0, 5)) else []) or self.handles or [("s-1", "r-0")]
        session, name = several[-1 - draw.pick(range(0, 21)) % len(several)]
        return self.runtime.run(session, name)

    def aborts(self, draw: Draw) -> None:
        """Stop a run."""
        by = draw.pick(self.people)
        self.ask("abort", self.handle(draw).abort(by=by), draw.pick(PAUSES))

    def ends_session(self, draw: Draw) -> None:
        """Stop what runs in a session, or the session."""
        session, by = draw.pick(self.sessions), draw.pick(self.people)
        if draw.pick(range(0, 3)) == 2:
            self.ask("close session", self.runtime.close_session(session, by=by), draw.pick(PAUSES))
        else:
            self.ask("abort session", self.runtime.abort_session(session, by=by), draw.pick(PAUSES))

    def attaches(self, draw: Draw) -> None:
        """Let a client come, whose connection may have died by then."""
        session, alive = draw.pick(self.sessions), draw.pick([True, True, False])

        async def attaching() -> Attachment:
            made = await self.runtime.attach(session, alive=lambda: alive)
            self.attachments.append(made)
            return made

        self.ask("attach", attaching(), draw.pick(PAUSES))

    def detaches(self, draw: Draw) -> None:
        """Let a client go."""
        attachment = draw.pick(range(0, 6)) % len(self.attachments)
        self.ask("detach", self.attachments[attachment].detach(), draw.pick(PAUSES))

    def reports(self, draw: Draw) -> None:
        """Let a provider say how it is."""
        session = draw.pick(self.sessions)
        word = draw.pick(["ready", "interrupted", "stopped", "error", "gone"])
        self.ask("report", self.runtime.provider_reported(session, word), draw.pick(PAUSES))

    def passes_time(self, draw: Draw) -> None:
        """Let time pass, by whole seconds."""
        self.go(self.stage.pass_time(draw.pick([1, 1, 2, 4, 7, 25])))

    def passes_to_next_timer(self, draw: Draw) -> None:
        """Let time pass until the next timer is due."""
        due, now = self.runtime.timers.earliest, self.stage.clock.now()
        self.go(self.stage.pass_time(max(0, (due or now) - now) / 1_000_000))

    def refuses(self, draw: Draw) -> None:
        """Let the next commits fail."""
        self.stage.store.refuse(times=draw.pick(range(1, 4)))

    def restarts(self, draw: Draw) -> None:
        """Let the process die, at once or once its next commit is durable, or close in order; another takes over."""
        how = draw.pick(["dies", "dies after a commit", "closes"])
        if how == "dies after a commit":
            self.stage.store.die_after()
            self.ask("report", self.runtime.provider_reported(self.sessions[0], "ready"), 3)
        self.go(self._next_process(orderly=how == "closes"))
        self.attachments = []

    async def _next_process(self, orderly: bool) -> None:
        self.lets_go()
        if orderly:
            self.stage.store.heal()
            await self.stage.close()
        else:
            await self.stage.crash()
        await self.answered(leave=True)
        await self.stage.open(policy=self.policy, limits=self.limits, agents=self.stage.agents())

    def lets_go(self) -> None:
        """Let code return that clings to its work: the process ends."""

    # -- what must be so ----------------------------------------------------------------------------------------------

    @invariant()
    def holds_what_is_held(self) -> None:
        """Compare what is shown, registered and armed with what the sessions hold."""
        assert [] == self.stage.wrong
        assert [] == self.unseen
        runtime = self.runtime
        assert 0 == runtime.counters["invariants_broken"]
        assert 0 == runtime.counters["observer_errors"]
        controllers, wanted, now = 0, {}, runtime.clock.now()
        for view in runtime.sessions():
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

    # -- the end ------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Let everything go: all must end, nothing may be left."""
        try:
            if self.stage.runtime is not None:
                self.go(self.comes_to_rest())
        finally:
            self.lets_go()
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
        """Heal the store, close every session, and look what is left."""
        stage, runtime = self.stage, self.runtime
        stage.store.heal()
        self.lets_go()
        await stage.pass_time(60)
        self.is_quiet()
        for view in runtime.sessions():
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
        for view in runtime.sessions():
            replay_journal(stage.store, view.id)
        self.at_rest()
        report = await stage.close()
        assert () == (*report.aborted, *report.abandoned, *report.queued, *report.parked)
        assert [] == [task for task in asyncio.all_tasks() if task.get_name().startswith("run ")]

    def is_quiet(self) -> None:
        """See what must be so once time has passed and before the sessions are closed."""

    def at_rest(self) -> None:
        """See what must be so once every session is closed; the runtime is still open."""

    def every_segment_ended_once(self) -> None:
        """Look into the journal, and at what those who followed were told."""
        opened: Counter[tuple[str, str, int]] = Counter()
        ended: Counter[tuple[str, str, int]] = Counter()
        published: Counter[tuple[str, str]] = Counter()
        for view in self.runtime.sessions():
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


async def follow(handle: RunHandle, items: list[Frame | Gap | SegmentEnd]) -> None:
    """Keep all that a follower is told."""
    try:
        async for item in handle.follow():
            items.append(item)
    except (RunAborted, NotFound, Refused):
        pass
