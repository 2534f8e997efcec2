"""R8, soak: a runtime that lives long, and must not grow.

What lives here: lives one after another on a virtual clock, and what is counted meanwhile. What must not: a store that
grows by itself; this one forgets. The law of this file: memory is counted at rest, in objects, and at the very end no
registry and no timer holds anything.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from random import Random
from typing import Any
from unittest import mock

from lifecycle import Observed
from lifecycle.errors import LifecycleError
from lifecycle.runtime.controllers import Controllers
from lifecycle.store import Commit, MemoryStore

from .campaign import Trial
from .disk import Collected
from .kills import AGENTS, closed, decided, opened, rest, settled, unfinished

SESSIONS = 12
ABOVE_MAX = 1_000
"""How many objects more than after its first fifth a soak may end with; a leaked record a run would be far above."""

LIVES = (5_000, 245_000, 250_000, 250_000, 250_000)
"""How many steps each runtime of a soak takes."""


class Forgetful(MemoryStore):
    """A store that keeps what sessions are, and forgets how they came to be that."""

    def commit(self, commits: Sequence[Commit]) -> Any:
        """Keep, and forget what came before."""
        verdicts = super().commit(commits)
        for commit in commits:
            session = commit.step.session
            shelf = None if session is None else self._shelves.get(session.id)
            for kept in () if shelf is None else (shelf.journal, shelf.runs, shelf.keys, shelf.ended, shelf.closed):
                kept.clear()
        return verdicts


class Soaked:
    """One runtime in a soak: what it has done, and how much memory it had at rest."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(f"soak {seed}")
        self.steps = self.runs = 0
        self.objects: list[int] = []
        self.runtime = opened(Forgetful())
        self.runtime.observe(self._count)
        self.clock: Any = self.runtime.clock

    def _count(self, seen: Observed) -> None:
        self.steps += 1

    async def lap(self) -> None:
        """Start runs everywhere, answer, attach, stop some, and let time pass."""
        await asyncio.gather(*(self.start(f"s-{n}") for n in range(SESSIONS)))
        watching = [await self.runtime.attach(f"s-{n}") for n in range(0, SESSIONS, 3)]
        for _ in range(3):
            await settled(self.runtime)
            for handle in unfinished(self.runtime):
                for request in handle.requests:
                    await decided(handle, request)
        await settled(self.runtime)
        for handle in unfinished(self.runtime):
            await handle.abort(by="root")
        for one in watching:
            await one.detach()
        await self.clock.advance(self.chance.choice((1, 1, 1, 30, 900)))

    async def start(self, session: str) -> None:
        """Start a run."""
        agent = self.chance.choice(sorted(AGENTS))
        self.runs += 1
        await self.runtime.start(AGENTS[agent], "x", session=session, name=agent, run_id=f"r-{self.runs}")

    def weigh(self) -> None:
        """Count what is alive."""
        gc.collect()
        self.objects.append(len(gc.get_objects()))


async def soaked(seed: int, steps: int) -> tuple[Soaked, list[str]]:
    """Live for so many steps; say what was left over."""
    soak = Soaked(seed)
    runtime = soak.runtime
    await runtime.open()
    while soak.steps < steps:
        await soak.lap()
        if soak.steps >= (len(soak.objects) + 1) * steps // 5:
            soak.weigh()
    wrong = []
    above = soak.objects[-1] - soak.objects[0]
    if above > ABOVE_MAX:
        wrong.append(f"{above:,} objects more than after a fifth of {soak.steps:,} steps")
    await rest(runtime, Collected())
    for view in runtime.sessions(limit=1_000):
        if view.state != "stopped":
            await runtime.close_session(view.id, by="root")
    await soak.clock.advance(60)
    left = {
        "controllers": len(runtime.controllers),
        "timers": len(runtime.timers),
        "calls": len(runtime._tasks),
    }
    left |= {"waits for ends": len(runtime.end_waiters), "new ids": len(runtime._new_ids)}
    wrong += [f"{count} {what} are left" for what, count in left.items() if count]
    await closed(runtime)
    return soak, wrong


class Soak:
    """Let runtimes live long."""

    name = "R8"
    claim = "memory stays flat, and registries and timers are empty at the end"
    unit = "steps"
    seeded = True
    short = 5_000
    long = 1_000_000
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
        "eviction": lambda: mock.patch.object(Controllers, "evict", lambda *_: None),
    }

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name the lives of a soak: ``seed:steps``."""
        yield from (f"{seed}:{steps}" for steps in LIVES)

    def trial(self, place: str) -> Trial:
        """Let one runtime live so long."""
        seed, steps = map(int, place.split(":"))
        trial = Trial()
        try:
            soak, wrong = asyncio.run(soaked(seed, steps))
        except LifecycleError as fault:
            trial.violations.append(f"{type(fault).__name__}: {fault}")
            return trial
        trial.counts = soak.steps
        trial.fired["runs"] = soak.runs
        trial.violations += wrong
        return trial
