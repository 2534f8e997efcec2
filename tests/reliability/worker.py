"""A worker process of the campaign: start runs, decide what waits, and write down whatever happens.

What lives here: what one process does until it is killed. What must not: a verdict; the campaign reads what was
written. The law of this file: a line is in the log before what it tells of goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lifecycle import Approval, LifecycleError, Limits, Park, Policy, Runtime, SQLiteStore, approve
from lifecycle.store import sqlite_sharing

SESSIONS = [f"s-{number}" for number in range(6)]
LIMITS = Limits(lease_seconds=4.0, lease_renewal_seconds=1.0, look_seconds=0.1, inbox_seconds_max=8.0)
POLICY = Policy(orphan_grace_seconds=None, closing_grace_seconds=0.5, queue_max=1_000)


class Log:
    """A file that many processes append to, a line at a time."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(self, *words: object) -> None:
        """Write a line; the system keeps it, whatever becomes of this process."""
        os.write(self._file, (" ".join(map(str, (time.monotonic(), os.getpid(), *words))) + "\n").encode())


class Watched(SQLiteStore):
    """A store that writes down until when each heartbeat lets its worker hold what it holds, and whether it was in time."""

    def __init__(self, path: Path, log: Log) -> None:
        super().__init__(path)
        self._log = log

    def renew(self) -> bool:
        """Renew, and say so."""
        began, in_time = time.monotonic(), super().renew()
        self._log.say("lease" if in_time else "late", self._me.expires / 1e6, time.monotonic() - began)
        return in_time


async def work(path: Path, seed: int, starts: bool) -> None:
    """Work until killed; without ``starts``, until nothing is left to do."""
    log, drawn = Log(path.with_name("log")), random.Random(seed)

    async def agent(run: Any) -> Any:
        log.say("begin", run.session, run.id, run.execution)
        await pause(drawn.uniform(0, 0.05))
        if run.input == "plain":
            return "done"
        if not run.answers:
            return Park(None, [Approval("Do it?", id="q")])
        log.say("tool", run.session, run.id)
        return "approved"

    async with Runtime(Watched(path, log), policy=POLICY, limits=LIMITS, agents={"agent": agent}) as runtime:
        log.say("joined", runtime.store.worker)
        while True:
            if starts:
                await attempt(start(runtime, agent, log, drawn))
            waiting = runtime.sessions(limit=100, state="waiting_for_human")
            for view in drawn.sample(waiting, min(2, len(waiting))) if starts else waiting:
                await attempt(decide(runtime, view.id, log))
            if not starts and not any(view.runs for view in runtime.sessions(limit=100)):
                break
            await pause(0.05 if starts else 0.2)
    log.say("left")


async def start(runtime: Runtime, agent: Any, log: Log, drawn: random.Random) -> None:
    """Start a run somewhere, and say so once it is acknowledged."""
    session = drawn.choice(SESSIONS)
    handle = await runtime.start(agent, drawn.choice(["plain", "asks"]), session=session, name="agent")
    log.say("ack", session, handle.id)


async def decide(runtime: Runtime, session: str, log: Log) -> None:
    """Approve what a session asks."""
    for view in runtime.show(session).runs:
        for request in view.requests:
            await runtime.run(session, view.id).decide(request.id, approve())
            log.say("decided", session, view.id)


async def pause(seconds: float) -> None:
    """Let the clock on the wall go on: the campaign is about real processes."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def attempt(asked: Any) -> None:
    """Ask; what is refused, or came too late, is not acknowledged."""
    try:
        await asked
    except LifecycleError as error:
        logging.getLogger("campaign").info("%s", error)


def without_leases() -> None:
    """Be the control: take whatever is wanted, whoever holds it."""
    sqlite_sharing.may_acquire = lambda *_: True  # type: ignore[assignment]


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    if "--without-leases" in sys.argv:
        without_leases()
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2]), "--finish" not in sys.argv))
