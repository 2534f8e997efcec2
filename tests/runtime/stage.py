"""The stage runtimes are tested on: stories on a loop that tells what was left behind, and agents in threads.

What lives here: how a story is run, and short ways to look at what became of it. What must not: any expectation of one
subject. The law of this file: nothing waits for the clock on the wall, and a story leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from lifecycle import Limits, Policy, RunHandle, SegmentEnd, testing
from lifecycle.kernel import Session
from lifecycle.testing import Actor, Disk, Raised, Returned, Told, turns

T = TypeVar("T")

HANG_SECONDS = 120.0
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


# -- agents in threads -------------------------------------------------------------------------------------------------


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


class Stage(testing.Stage):
    """The stage, and what stories want of it."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(disk)
        self.workers: list[Worker] = []
        self.at_end: list[Callable[[], Any]] = []

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

    def worker(self, value: Any = "done") -> Worker:
        """Make a sync agent that is let go at the latest when the story is over."""
        made = Worker(value)
        self.workers.append(made)
        return made

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


__all__ = [
    "HANG_SECONDS",
    "NO_GRACE",
    "ON_THREAD",
    "Actor",
    "Disk",
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
