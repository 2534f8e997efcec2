"""The stage runtimes are tested on: a loop that tells what was left behind, stores that fail when told, told agents.

What lives here: how a story is run, the disk that outlives a runtime, agents that do as they are told. What must not:
any expectation of one subject. The law of this file: nothing waits for the clock on the wall; after every committed
step what is shown, registered and armed is compared with the session's value.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import attrs

from lifecycle import (
    Grant,
    Limits,
    MemoryStore,
    Observed,
    Policy,
    RunHandle,
    Runtime,
    SegmentEnd,
    Tracker,
    VirtualClock,
)
from lifecycle.errors import StoreError
from lifecycle.kernel import KERNEL, Kernel, Session, timers
from lifecycle.kernel.inputs import Input
from lifecycle.runtime import Park, ShutdownReport
from lifecycle.store import Commit, SQLiteStore, Store
from lifecycle.store.port import claimed_already

T = TypeVar("T")

HANG_SECONDS = 20.0
"""After this long on the clock of the wall a story is taken to hang; none comes near it."""

NO_GRACE = Policy(orphan_grace_seconds=None)
"""For stories that clients have no part in."""

ON_THREAD = Limits(in_place_commit_seconds_max=0)
"""For stories in which something happens between a commit and its acknowledgement: every commit is the thread's."""


# -- running a story --------------------------------------------------------------------------------------------------


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run a story on an event loop of its own; fail if it leaves a task, a thread, or an exception nobody saw."""
    before = set(threading.enumerate())
    unseen: list[dict[str, Any]] = []
    with asyncio.Runner(debug=False) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: unseen.append(context))
        result, left = runner.run(watched(story))
    fresh = [thread for thread in threading.enumerate() if thread not in before]
    for thread in fresh:
        thread.join(HANG_SECONDS / 6)
    assert [] == unseen, "an exception nobody saw"
    assert [] == left, "tasks were left behind"
    assert [] == [thread.name for thread in fresh if thread.is_alive()], "threads were left behind"
    return result


async def watched(story: Coroutine[Any, Any, T]) -> tuple[T, list[str]]:
    """Await a story, bounded; return its result and the names of the tasks it left."""
    result = await asyncio.wait_for(story, HANG_SECONDS)
    await turns(10)
    gc.collect(1)
    await turns(2)
    return result, [
        f"{task.get_name()} {task.get_coro()}" for task in asyncio.all_tasks() if task is not asyncio.current_task()
    ]


async def turns(count: int = 1) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(so: Callable[[], object]) -> None:
    """Let the event loop turn until something is so; threads are given way to meanwhile."""
    while not so():
        await asyncio.sleep(0)


async def gathered(items: AsyncIterator[T]) -> list[T]:
    """Return all that comes."""
    return [item async for item in items]


def said(items: Sequence[Any]) -> list[Any]:
    """Tell a stream in short: data, ``gap n``, and of each end its segment and reason."""
    told: list[Any] = []
    for item in items:
        if isinstance(item, SegmentEnd):
            told.append((item.segment, item.reason))
        else:
            told.append(item.data if hasattr(item, "data") else f"gap {item.missed}")
    return told


# -- stores that outlive their runtime, and fail when told ------------------------------------------------------------


class FlakyStore:
    """A store that fails when told, and that can lose its power: what was kept stays kept, nothing more is."""

    def __init__(self, inner: Store, close: Callable[[], None]) -> None:
        self.inner = inner
        self._close = close
        self._refused: list[tuple[tuple[type[Input], ...], int]] = []
        self._dead = self._claimed = False
        self.kept: Callable[[Sequence[Commit]], None] | None = None
        self.attempts: list[tuple[str, ...]] = []

    def refuse(self, *kinds: type[Input], times: int = 1) -> None:
        """Let the next commits fail that hold an input of these kinds; of any kind if none is named."""
        self._refused.append((kinds, times))

    @property
    def fails(self) -> bool:
        """Say whether a commit to come is to fail."""
        return bool(self._refused)

    def heal(self) -> None:
        """Fail no more."""
        self._refused = []

    def cut(self) -> None:
        """Lose power."""
        self._dead = True
        self._close()

    def __getattr__(self, name: str) -> Any:
        if self._dead:
            raise StoreError("store", "has no power", "start another")
        return getattr(self.inner, name)

    def claim(self) -> None:
        """Belong to one runtime; what is below outlives it."""
        if self._claimed:
            raise claimed_already("flaky")
        self._claimed = True

    def commit(self, commits: Sequence[Commit]) -> Sequence[StoreError | None]:
        """Keep, or fail as told; ``kept`` is called when it is durable and nobody has heard of it."""
        if self._dead:
            raise StoreError("store", "has no power", "start another")
        self.attempts.append(tuple(type(commit.input).__name__ for commit in commits))
        for place, (kinds, times) in enumerate(self._refused):
            if not kinds or any(isinstance(commit.input, kinds) for commit in commits):
                self._refused[place : place + 1] = [(kinds, times - 1)] if times > 1 else []
                raise StoreError("store", "has no room left", "make room, then try again")
        verdicts = self.inner.commit(commits)
        if self.kept is not None:
            self.kept(commits)
        return verdicts

    def close(self) -> None:
        """Let go."""
        if not self._dead:
            self._close()
        self._dead = True


class Disk:
    """Where stores are opened one after another: in memory or in a file."""

    def __init__(self, kind: str, path: Path) -> None:
        self.kind = kind
        self.path = path / "runs.db"
        self._memory = MemoryStore()

    def open(self) -> FlakyStore:
        """Open what is there."""
        if self.kind == "memory":
            return FlakyStore(self._memory, lambda: None)
        store = SQLiteStore(self.path)
        return FlakyStore(store, store.close)


# -- told agents ------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Told:
    """One act that an agent was told to do, and what came of it."""

    act: Callable[[Grant], Any]
    done: bool = False
    value: Any = None
    error: BaseException | None = None


class Returned(Exception):
    """Carry what a told agent is to return."""


class Actor:
    """An async agent that does what it is told, one act after another, and tells what came of it.

    ``stubborn``: swallows cancellation, for as long as it is left so.
    """

    made: ClassVar[weakref.WeakSet[Actor]] = weakref.WeakSet()

    def __init__(self, stubborn: bool = False) -> None:
        self.made.add(self)
        self.stubborn = stubborn
        self.grants: list[Grant] = []
        self.cancelled = 0
        self._acts: asyncio.Queue[Told] = asyncio.Queue()

    async def __call__(self, run: Grant) -> Any:
        """Be the agent."""
        self.grants.append(run)
        while True:
            try:
                told = await self._acts.get()
                await self._do(told, run)
            except asyncio.CancelledError:
                self.cancelled += 1
                if not self.stubborn:
                    raise
            except Raised as raised:
                raise raised.args[0] from None
            except Returned as returned:
                return returned.args[0]

    async def _do(self, told: Told, run: Grant) -> None:
        try:
            told.value = told.act(run)
            if inspect.isawaitable(told.value):
                told.value = await told.value
        except Returned:
            raise
        except BaseException as error:
            told.error = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            told.done = True

    @property
    def run(self) -> Grant:
        """Return the latest grant."""
        return self.grants[-1]

    @property
    def called(self) -> list[str]:
        """Return the ids of the runs it was called for, call by call."""
        return [grant.id for grant in self.grants]

    def tell(self, act: Callable[[Grant], Any]) -> Told:
        """Let it do something next; a coroutine is awaited."""
        told = Told(act)
        self._acts.put_nowait(told)
        return told

    def emit(self, *frames: Any) -> Told:
        """Let it emit."""
        return self.tell(lambda run: [run.emit(frame) for frame in frames])

    def ask(self, *questions: Any) -> Told:
        """Let it ask, all at once, and wait in place."""
        return self.tell(lambda run: asyncio.gather(*(run.ask(question) for question in questions)))

    def checkpoint(self, data: Any) -> Told:
        """Let it keep a checkpoint."""
        return self.tell(lambda run: run.checkpoint(data))

    def returns(self, value: Any = None) -> Told:
        """Let it return."""

        def act(run: Grant) -> None:
            raise Returned(value)

        return self.tell(act)

    def parks(self, checkpoint: Any, *questions: Any) -> Told:
        """Let it park."""
        return self.returns(Park(checkpoint, questions))

    def raises(self, error: BaseException) -> Told:
        """Let it raise."""

        def act(run: Grant) -> None:
            raise Raised(error)

        return self.tell(act)


class Raised(Returned):
    """Be raised out of a told agent."""


class Worker:
    """A sync agent whose thread stands still until it is let go, by ``go``, and then returns ``value``."""

    def __init__(self, value: Any = "done") -> None:
        self.value = value
        self.began = threading.Event()
        self.go = threading.Event()
        self.grants: list[Any] = []
        self.after: Callable[[Any], Any] | None = None
        self.error: BaseException | None = None

    def __call__(self, run: Any) -> Any:
        """Be the agent."""
        self.grants.append(run)
        self.began.set()
        assert self.go.wait(HANG_SECONDS), "nobody let it go"
        if self.after is not None:
            try:
                return self.after(run)
            except BaseException as error:
                self.error = error
                raise
        return self.value


# -- the stage --------------------------------------------------------------------------------------------------------


class Stage:
    """One disk, and the runtimes that live on it one after another."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.clock = VirtualClock()
        self.observed: list[Observed] = []
        self.wrong: list[str] = []
        self.names: dict[int, tuple[str, Any]] = {}
        self.workers: list[Worker] = []
        self.at_end: list[Callable[[], Any]] = []
        self.runtime: Any = None
        self.store: FlakyStore = None  # type: ignore[assignment]
        self.strict = True

    async def played(self, story: Coroutine[Any, Any, Any]) -> None:
        """Play a story to its end, close what it left open, and look at what was observed."""
        try:
            await story
            assert [] == self.wrong
            for let_go in self.at_end:
                let_go()
            await turns(3)
            await self.close()
        finally:
            for worker in self.workers:
                worker.go.set()
            for actor in Actor.made:
                actor.stubborn = False
            if self.runtime is not None:  # the story failed: let go of the file
                self.store.cut()
        assert [] == self.wrong

    async def open(
        self,
        kernel: Kernel = KERNEL,
        kind: type[Tracker] = Runtime,
        observer: Callable[[Observed], None] | None = None,
        **choices: Any,
    ) -> Any:
        """Open a runtime on the disk, at the time at which the last one stood."""
        self.strict = kernel is KERNEL
        clock = VirtualClock(0)
        clock.start(self.clock.now())
        self.clock, self.store = clock, self.disk.open()
        made: Any = kind(self.store, clock=clock, kernel=kernel, **choices)
        made.observe(lambda observed: self._observe(made, observed))
        self.runtime = made
        if observer is not None:
            self.runtime.observe(observer)
        await self.runtime.open()
        return self.runtime

    async def start(self, agent: Any, input: Any = None, session: str = "s-1", **choices: Any) -> RunHandle:
        """Start a run of an agent, under a name of its own, and let what follows happen."""
        handle = await self.admit(agent, input, session, **choices)
        await self.settle()
        return handle

    async def admit(self, agent: Any, input: Any = None, session: str = "s-1", **choices: Any) -> RunHandle:
        """Start a run, and be back at its acknowledgement."""
        handle: RunHandle = await self.runtime.start(
            agent, input, session=session, **({"name": self.name_of(agent)} | choices)
        )
        return handle

    def name_of(self, agent: Any) -> str:
        """Name an agent, each by its own name."""
        return self.names.setdefault(id(agent), (f"agent-{len(self.names) + 1}", agent))[0]

    def agents(self) -> dict[str, Any]:
        """Return the agents by the names under which they were started."""
        return dict(self.names.values())

    def worker(self, value: Any = "done") -> Worker:
        """Make a sync agent that is let go at the latest when the story is over."""
        made = Worker(value)
        self.workers.append(made)
        return made

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        await self.clock.settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    async def crash(self) -> None:
        """Let the process die: its store hears nothing more, and its code is gone."""
        dead, self.runtime = self.runtime, None
        clock = VirtualClock(0)
        clock.start(self.clock.now())
        self.clock = clock  # time goes on; the timers of the dead do not
        self.store.cut()
        dead._closed = True
        for task in asyncio.all_tasks():
            if task.get_name().startswith("run "):
                for _ in range(3):
                    task.cancel()
                    await turns(3)
        await turns(30)
        for part in (getattr(dead, "_watchdog", None), getattr(dead, "_writer", None)):
            if part is not None:
                (part.stop if hasattr(part, "stop") else part.close)()

    async def close(self, drain_seconds: float = 0.0) -> ShutdownReport:
        """Close the runtime that is open, letting time pass for as long as that takes."""
        if self.runtime is None:
            return ShutdownReport()
        closing = asyncio.ensure_future(self.runtime.close(drain_seconds))
        await self.settle()
        for _ in range(1_000):
            if closing.done():
                break
            await self.pass_time(1)
        if not closing.done():
            closing.cancel()
            raise AssertionError("close() does not end")
        self.runtime = None
        report: ShutdownReport = closing.result()
        return report

    # -- what there is --------------------------------------------------------------------------------------------

    def value(self, session: str = "s-1") -> Session:
        """Return the session's value."""
        kept = self.store.load(session)
        assert kept is not None
        value: Session = kept.session
        return value

    def hooks(self, kind: type[T], session: str | None = None) -> list[T]:
        """Return the hooks of a kind that were performed here, redelivered ones left out."""
        return [
            hook
            for one in self.observed
            if not one.redelivered and session in (None, one.session)
            for hook in one.hooks
            if isinstance(hook, kind)
        ]

    def inputs(self, session: str | None = None) -> list[str]:
        """Return the kinds of input whose steps were committed here."""
        return [
            type(one.input).__name__ for one in self.observed if not one.redelivered and session in (None, one.session)
        ]

    # -- what must be so after every step -------------------------------------------------------------------------

    def _observe(self, runtime: Any, observed: Observed) -> None:
        """Keep what was observed, and whatever is wrong with it: an observer that raises would only be counted."""
        self.observed.append(observed)
        if self.strict and not observed.redelivered:
            self.wrong += [f"{type(observed.input).__name__}: {fault}" for fault in faults(runtime, observed)]


def faults(runtime: Any, observed: Observed) -> list[str]:
    """Compare what is shown, registered and armed with the session's value, right after one of its steps."""
    session, view = runtime.session(observed.session), observed.view
    found = []
    if view != runtime.show(observed.session) or view.revision != session.revision:
        found.append("the view is not what is shown")
    listed = {one.id: one for one in runtime.sessions(limit=1_000)}.get(view.id)
    if listed != view:
        found.append("the list shows something else")
    unfinished = [run.id for run in view.runs]
    if view.active != (unfinished[0] if unfinished else None):
        found.append("active is not the head")
    if unfinished and view.state != view.runs[0].state:
        found.append("the session does not wear its head's state")
    if not unfinished and view.state not in ("ready", "interrupted", "error", "stopped"):
        found.append(f"no run is unfinished and the session is {view.state}")
    held = {*unfinished, *([] if view.closing is None else [view.closing])}
    lost = [run for run in held if runtime.controllers.get(view.id, run) is None]
    if lost:
        found.append(f"no controller of {lost}")
    ended = [run for run in ended_by(observed) if run not in held and runtime.controllers.get(view.id, run)]
    if ended:
        found.append(f"controllers of {ended} are left")
    return found + timers_at_fault(runtime, session)


def ended_by(observed: Observed) -> list[str]:
    """Return the runs that a step ended."""
    finals = ("ready", "interrupted", "stopped", "error")
    return [subject for name, subject, _, _, dest in observed.moves if name == "run" and dest in finals]


def timers_at_fault(runtime: Any, session: Session) -> list[str]:
    """Compare the timers armed with those the value holds; one that is due may be on its way already."""
    now = runtime.clock.now()
    wanted = {(session.id, one.name, one.owner): one.due for one in timers(session) if one.due is not None}
    armed = {key for key in runtime.timers.names() if key[0] == session.id}
    stray = armed - wanted.keys()
    missing = {key for key, due in wanted.items() if key not in armed and due > now}
    return [f"timers armed and not held: {stray}"] * bool(stray) + [f"timers not armed: {missing}"] * bool(missing)


__all__ = [
    "HANG_SECONDS",
    "NO_GRACE",
    "ON_THREAD",
    "Actor",
    "Disk",
    "FlakyStore",
    "Limits",
    "Raised",
    "Returned",
    "Stage",
    "Told",
    "Worker",
    "gathered",
    "run",
    "said",
    "turns",
    "until",
]
