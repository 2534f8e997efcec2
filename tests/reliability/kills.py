"""R1, kill -9: a process dies at every write and every boundary, and so does the next while it recovers.

What lives here: the lives of such processes, and what the one after them must find. What must not: a judgement of the
kernel. The law of this file: what was acknowledged is known from a pipe that outlives whoever wrote into it.

A process counts the moments at which it could be killed: before, in the middle of and after each write, before and after
each sync, each cut or deletion of a file; before a commit, and after it when nobody has heard of it; before each hook;
after each acknowledgement. It is killed at one of them. That a power cut is something else is R2's matter.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock
from zlib import crc32

import attrs

from lifecycle import Approval, FreeText, Observed, Park, Runtime, VirtualClock, answer, approve
from lifecycle.errors import LifecycleError, NotFound
from lifecycle.hooks import EndSegment, Hook, OpenSegment, ShowRequest
from lifecycle.kernel.values import Policy, Session
from lifecycle.runtime import performing
from lifecycle.runtime.handle import RunHandle
from lifecycle.runtime.stepping import Stepping
from lifecycle.store import Commit, Entry, SQLiteStore
from lifecycle.store.record import encode_entry
from lifecycle.testing import replay_journal
from lifecycle.testing.faults import FaultyStore
from lifecycle.testing.stage import InPlaceWriter

from ..store.lives import entry_of
from .campaign import Trial
from .medium import Call, heard
from .stories import folder

NAME = "runs.db"
POLICY = Policy(attempts_max=3, closing_grace_seconds=4.0, orphan_grace_seconds=600.0, admins=("root",))
SESSIONS = ("s-1", "s-1", "s-2", "s-3")
ACTS = 14
"""How many things a story's host does."""

ROUNDS_MAX = 40
"""How often the last process answers, waits and looks before it says that something never ends."""


# -- agents -----------------------------------------------------------------------------------------------------------


async def parks(run: Any) -> Any:
    """Leave nothing in memory but a question."""
    if run.checkpoint_data is None:
        return Park({"page": 3}, [Approval("May I?", id="q", expiry_seconds=None)])
    return run.answers["q"].approved


async def asks(run: Any) -> Any:
    """Ask in place, keep a checkpoint, ask again."""
    run.emit("begun")
    if run.checkpoint_data is None:
        first = await run.ask(FreeText("Which?", id="which"))
        await run.checkpoint({"which": first.value})
    await run.ask(FreeText("And then?", id="then"))
    return "done"


async def waits(run: Any) -> Any:
    """Go on until it is told to stop."""
    await asyncio.Event().wait()


AGENTS = {"parks": parks, "asks": asks, "waits": waits}


# -- a process that dies ----------------------------------------------------------------------------------------------


class Moments:
    """Count the moments of a process, and kill it at one of them; 0: at none."""

    early = False
    """Whether a commit is said to be kept before it is: the protection that a control takes away."""

    def __init__(self, pipe: int, dies_at: int) -> None:
        self.pipe = pipe
        self.dies_at = dies_at
        self.kinds: list[str] = []

    def tell(self, *words: object) -> None:
        """Write a line into the pipe: it is out of this process once this returns."""
        os.write(self.pipe, ("\t".join(map(str, words)) + "\n").encode())

    def pass_by(self, kind: str, first: Callable[[], object] = lambda: None) -> None:
        """Let a moment pass, or die in it, after having done what makes it what it is."""
        self.kinds.append(kind)
        if len(self.kinds) == self.dies_at:
            first()
            self.tell("died", kind)
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, call: Call) -> int:
        """Hear a call of SQLite's file layer."""
        if call.kind == "open":
            return call.do()
        self.pass_by(f"before a {call.kind}")
        if call.kind == "write":
            self.pass_by("in a torn write", lambda: call.do(len(call.data) // 2))
        code = call.do()
        self.pass_by(f"after a {call.kind}")
        return code

    def performing(self, perform: Callable[..., None]) -> Callable[..., None]:
        """Let there be a moment before a hook is performed."""

        def performed(*given: Any) -> None:
            self.pass_by("before a hook")
            perform(*given)

        return performed


class Witnessed(FaultyStore):
    """A store that tells what it is to keep, and what it has kept."""

    def __init__(self, inner: SQLiteStore, moments: Moments) -> None:
        super().__init__(inner)
        self.moments = moments

    def commit(self, commits: Sequence[Commit]) -> Any:
        """Keep, and tell."""
        entries = [entry_of(commit) for commit in commits]
        for entry in entries:
            self.moments.tell("tried", entry.session, entry.revision, sum_of(entry))
        if self.moments.early:
            self._told(entries)
        self.moments.pass_by("before a commit")
        verdicts = super().commit(commits)
        self.moments.pass_by("after a commit nobody has heard of")
        self._told([entry for entry, verdict in zip(entries, verdicts, strict=True) if verdict is None])
        return verdicts

    def _told(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.moments.tell("kept", entry.session, entry.revision, sum_of(entry))


def sum_of(entry: Entry) -> str:
    """Stand for an entry."""
    return f"{crc32(encode_entry(entry)):08x}"


def forked(live: Callable[[Moments], None], dies_at: int) -> list[list[str]]:
    """Let a process live until it dies; return what it told."""
    end, pipe = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(end)
            moments = Moments(pipe, dies_at)
            live(moments)
            moments.tell("lived", *moments.kinds)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(pipe)
    with open(end, "rb") as told:
        lines = told.read().decode().splitlines()
    _, status = os.waitpid(child, 0)
    if status not in (0, signal.SIGKILL):
        raise AssertionError(f"a process ended by itself, with status {status}")
    return [line.split("\t") for line in lines]


def process(path: Path, host: Callable[[Runtime, Moments], Any]) -> Callable[[Moments], None]:
    """Return the life of a process with a runtime on that file."""

    def live(moments: Moments) -> None:
        performing.PERFORM.update({kind: moments.performing(one) for kind, one in performing.PERFORM.items()})
        with heard(moments):
            asyncio.run(lived(Witnessed(SQLiteStore(path), moments), moments, host))

    return live


async def lived(store: FaultyStore, moments: Moments, host: Callable[[Runtime, Moments], Any]) -> None:
    """Live with a runtime on a store."""
    runtime = opened(store)
    runtime.observe(lambda seen: moments.tell("observed", seen.session, seen.revision))
    await runtime.open()
    await host(runtime, moments)
    await closed(runtime)


def opened(store: Any) -> Runtime:
    """Make a runtime whose story takes the same way each time."""
    runtime = Runtime(store, policy=POLICY, clock=VirtualClock(), agents=AGENTS)
    runtime.writer_kind = InPlaceWriter
    return runtime


async def closed(runtime: Runtime) -> None:
    """Close a runtime, letting time pass for as long as that takes."""
    closing = asyncio.ensure_future(runtime.close())
    clock: Any = runtime.clock
    while not closing.done():
        await clock.advance(1)
    closing.result()


# -- stories ----------------------------------------------------------------------------------------------------------


def story(seed: int) -> Callable[[Runtime, Moments], Any]:
    """Return what a host does, as a seed has it: start, decide, abort, watch, and let time pass, several at once."""
    chance = Random(f"kills {seed}")

    async def host(runtime: Runtime, moments: Moments) -> None:
        names = iter(range(1, 100))
        for _ in range(ACTS):
            doing = [act(runtime, moments, chance, names) for _ in range(chance.choice((1, 1, 2, 3)))]
            await asyncio.gather(*doing)
            await settled(runtime)

    return host


async def act(runtime: Runtime, moments: Moments, chance: Random, names: Iterator[int]) -> None:
    """Do one thing, and tell what was acknowledged."""
    kind, session, number = chance.choice(KINDS), chance.choice(SESSIONS), chance.random()
    agent, policy = chance.choice(sorted(AGENTS)), chance.choice(("interrupt", "error", "rerun", "rerun"))
    asked = [(handle, one) for handle in unfinished(runtime) for one in handle.requests]
    with suppress(LifecycleError):
        if kind == "decide" and asked:
            handle, request = asked[int(number * len(asked))]
            await decided(handle, request)
            moments.tell("decided", handle.session, handle.id, request.id)
        elif kind == "abort" and (there := unfinished(runtime)):
            handle = there[int(number * len(there))]
            await handle.abort(by="root")
            moments.tell("over", handle.session, handle.id)
        elif kind == "attach":
            await runtime.attach(session)
        elif kind == "wait":
            await asyncio.sleep(0)
        else:
            run = f"r-{next(names)}"
            await runtime.start(AGENTS[agent], "x", session=session, name=agent, run_id=run, on_crash=policy)
            moments.tell("admitted", session, run)
        moments.pass_by("after an acknowledgement")


KINDS = ("start", "start", "start", "decide", "decide", "decide", "decide", "abort", "attach", "wait")


async def settled(runtime: Runtime) -> None:
    """Let everything happen that needs no time."""
    clock: Any = runtime.clock
    await clock.settle()


async def decided(handle: RunHandle, request: Any) -> Any:
    """Decide as the question wants it, under an id that says which question it is."""
    decision = approve() if request.kind == "approval" else answer("so")
    return await handle.decide(request.id, decision, by="root", decision_id=f"d {request.id}")


def unfinished(runtime: Runtime) -> list[RunHandle]:
    """Return the handles of all runs that go on."""
    return [runtime.run(view.id, run.id) for view in runtime.sessions() for run in view.runs]


async def rest(runtime: Runtime, moments: Moments) -> None:
    """Be the host of a process that takes up what is there: answer everything, stop what waits for nothing."""
    for _ in range(ROUNDS_MAX):
        await settled(runtime)
        there = unfinished(runtime)
        if not there:
            return
        for handle in there:
            for request in handle.requests:
                await decided(handle, request)
                moments.tell("decided", handle.session, handle.id, request.id)
        await settled(runtime)
        for handle in there:
            if handle.state == "running" and not handle.requests:
                await handle.abort(by="root")
    raise AssertionError(f"never ends: {[f'{one.session} {one.id} {one.state}' for one in unfinished(runtime)]}")


# -- what the next process must find ----------------------------------------------------------------------------------


class Silent(Moments):
    """The moments of a process that nobody kills and that has nobody to tell."""

    def __init__(self) -> None:
        super().__init__(-1, 0)

    def tell(self, *words: object) -> None:
        """Tell nobody."""


@attrs.define
class Found:
    """What was found after a death: what the dead told, the journals, and the sessions, before anybody recovers them."""

    told: list[list[str]]
    journals: dict[str, list[Entry]]
    sessions: dict[str, Session]
    wrong: list[str] = attrs.field(factory=list)

    def lines(self, kind: str) -> list[tuple[str, ...]]:
        """Return what was told of a kind."""
        return [tuple(rest) for first, *rest in self.told if first == kind]

    def check(self, fact: bool, fault: str) -> None:
        """Note what is wrong."""
        if not fact:
            self.wrong.append(fault)


def examined(path: Path, told: list[list[str]]) -> list[str]:
    """Say what is wrong with what the dead have left, and with what the next process makes of it."""
    if not path.exists():
        return [f"no file, and {told} was told"] if any(line[0] == "kept" for line in told) else []
    store = SQLiteStore(path)
    sessions = {one.id: one for one in store.sessions(limit=1_000)}
    found = Found(told, {name: list(store.journal(name)) for name in sessions}, sessions)
    try:
        for name in sessions:
            replay_journal(store, name)
    finally:
        store.close()
    steps_are_there(found)
    asyncio.run(taken_up(path, found))
    return found.wrong


def steps_are_there(found: Found) -> None:
    """See that every acknowledged step is there, and none that nobody tried."""
    there = {
        (entry.session, str(entry.revision), sum_of(entry)) for several in found.journals.values() for entry in several
    }
    kept, tried = set(found.lines("kept")), set(found.lines("tried"))
    found.check(kept <= there, f"lost: {sorted(kept - there)}")
    found.check(there <= tried, f"invented: {sorted(there - tried)}")


async def taken_up(path: Path, found: Found) -> None:
    """Recover, compare with what was left, bring everything to its end, and compare again."""
    store = SQLiteStore(path)
    runtime = opened(store)
    seen: list[Observed] = []
    runtime.observe(seen.append)
    await runtime.open()
    await settled(runtime)
    owed_was_performed(found, seen)
    begun_is_settled(found, runtime, seen)
    await acknowledged_stands(found, runtime)
    try:
        await rest(runtime, Silent())
    except AssertionError as fault:
        found.wrong.append(str(fault))
    for _, session, run in [line for line in found.told if line[0] == "admitted"]:
        found.check(runtime.run(session, run).end() is not None, f"{run} has no end")
    found.check(not runtime.counters["not_recovered"], "a session was not recovered")
    found.check(not runtime.counters["hook_errors"], "a hook could not be performed")
    await closed(runtime)
    store = SQLiteStore(path)
    for name in found.sessions:
        replay_journal(store, name)
        ends_are_single(found, [hook for entry in store.journal(name) for hook in entry.hooks])
        asked_once(found, list(store.journal(name)))
    store.close()


def owed_was_performed(found: Found, seen: Sequence[Observed]) -> None:
    """See that every durable hook of which nobody knows was performed again, in order and under its key."""
    observed = {(session, int(revision)) for session, revision in found.lines("observed")}
    for name, journal in found.journals.items():
        again = [one for one in seen if one.session == name and one.redelivered]
        revisions = [one.revision for one in again]
        found.check(revisions == sorted(set(revisions)), f"{name}: out of order: {revisions}")
        for entry in journal:
            durable = tuple(hook for hook in entry.hooks if hook.durable)
            delivered = [one.hooks for one in again if one.revision == entry.revision]
            found.check(delivered in ([], [durable]), f"{name} {entry.revision}: other hooks were performed")
            is_done = bool(delivered) or (name, entry.revision) in observed or not durable
            found.check(is_done, f"{name} {entry.revision}: {durable} is owed for ever")


def begun_is_settled(found: Found, runtime: Runtime, seen: Sequence[Observed]) -> None:
    """See that what had begun was settled by policy, and what had not goes on."""
    for name, session in found.sessions.items():
        slot, head = session.execution, session.head
        if head is None or slot is None or slot.run != head.spec.id:
            continue
        handle, first = runtime.run(name, head.spec.id), first_step(seen, name)
        end = handle.end()
        if slot.state == "pending":
            found.check(end is None or end.cause == "completed", f"{head.spec.id} had not begun, and has {end}")
        elif slot.state == "executing":
            policy = head.spec.on_crash
            states = {"interrupt": ("interrupted",), "error": ("error",)}.get(policy, ("interrupted", "error"))
            went_on = policy == "rerun" and any("rerun" in str(move) for move in first)
            found.check(went_on or (end is not None and end.state in states), f"{head.spec.id}: {policy} gave {end}")


def first_step(seen: Sequence[Observed], session: str) -> tuple[Any, ...]:
    """Return the moves of the first new step of a session."""
    return next((one.moves for one in seen if one.session == session and not one.redelivered), ())


async def acknowledged_stands(found: Found, runtime: Runtime) -> None:
    """See that what was acknowledged is so: admitted runs are there, answers are kept, what was stopped is over."""
    for session, run in found.lines("admitted"):
        try:
            assert runtime.run(session, run).state
        except NotFound:
            found.wrong.append(f"{run} was admitted and is not known")
    for session, run in found.lines("over"):
        found.check(runtime.run(session, run).end() is not None, f"{run} was aborted and goes on")
    for session, run, request in found.lines("decided"):
        live = [one for view in runtime.sessions() if view.id == session for one in view.runs if one.id == run]
        still_open = [one.id for view in live for one in view.requests]
        found.check(request not in still_open, f"{run} {request}: answered, and asked again")
        head = runtime.session(session).head
        closed = runtime.store.request_closed(session, run, request)
        known = closed is not None or (head is not None and any(one.request == request for one in head.answers))
        known = known or (head is not None and any(one.id == request for one in head.requests))
        found.check(known, f"{run} {request}: answered, and nobody knows")


def ends_are_single(found: Found, hooks: Sequence[Hook]) -> None:
    """See that each segment that was opened ended, once."""
    opened = Counter((hook.run, hook.segment) for hook in hooks if isinstance(hook, OpenSegment))
    ended = Counter((hook.run, hook.segment) for hook in hooks if isinstance(hook, EndSegment))
    found.check(opened == ended and set(ended.values()) <= {1}, f"segments opened {opened}, ended {ended}")


def asked_once(found: Found, journal: Sequence[Entry]) -> None:
    """See that what was answered is never shown again."""
    answered: set[tuple[str, str]] = set()
    for entry in journal:
        shown = {(hook.run, hook.request) for hook in entry.hooks if isinstance(hook, ShowRequest)}
        found.check(not shown & answered, f"shown again: {sorted(shown & answered)}")
        if type(entry.input).__name__ == "Decide":
            given: Any = entry.input
            answered.add((given.run, given.request))


# -- the campaign -----------------------------------------------------------------------------------------------------


SHOWS: Mapping[str | None, Sequence[str]] = {
    "redelivery": ("after a commit nobody has heard of", "before a hook"),
    "waiting for the commit": ("before a commit",),
}
"""At which moments the lack of a protection should show."""


class Kills:
    """Kill a process at a moment, the next one while it recovers, and look what the one after that finds."""

    name = "R1"
    claim = "kill -9 at every write and boundary: no acknowledged step is lost, none invented, hooks owed are performed"
    unit = "kills"
    seeded = True
    short = 60
    long = 5_000
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
        "redelivery": lambda: mock.patch.object(Stepping, "_redeliver", forgets),
        "waiting for the commit": lambda: mock.patch.object(Moments, "early", True),
    }

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name every moment of a story, and after each a moment of the process that recovers: ``seed:moment[:moment]``.

        They come in an order in which the first few are from everywhere.
        """
        with folder() as place:
            (kinds,) = (line[1:] for line in forked(process(place / NAME, story(seed)), 0) if line[0] == "lived")
        chance, moments = Random(f"moments {seed}"), list(range(1, len(kinds) + 1))
        chance.shuffle(moments)
        moments.sort(key=lambda moment: kinds[moment - 1] not in SHOWS.get(without, ()))
        for moment in moments:
            yield f"{seed}:{moment}"
            yield f"{seed}:{moment}:{chance.randint(1, 120)}"

    def trial(self, place: str) -> Trial:
        """Kill where it is said, and look."""
        seed, *moments = map(int, place.split(":"))
        trial = Trial()
        hosts = [story(seed), *([rest] * len(moments))]
        with folder() as made:
            path, told = made / NAME, []
            for number, (moment, host) in enumerate(zip(moments, hosts, strict=False)):
                lines = forked(process(path, host), moment)
                died = [line[1] for line in lines if line[0] == "died"]
                trial.fired.update(f"{kind}{' of a recovery' if number else ''}" for kind in died)
                trial.counts = bool(died)
                told += lines
            try:
                trial.violations += examined(path, told)
            except (LifecycleError, AssertionError) as fault:
                trial.violations.append(f"{type(fault).__name__}: {fault}")
        return trial


def forgets(stepping: Stepping, line: Any) -> None:
    """Perform nothing again of what the last process may not have performed."""
    if line.session is not None:
        line.performed = line.session.revision
