"""Carrying a session on: follow its runs, ask what they ask, until the wanted run has ended or nobody here can answer.

What lives here: the one loop that ``run`` and ``decide`` share. What must not: options, tables. The law of this file:
this process touches one session, and leaves it with every queued and parked run still there for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, cast

import attrs

from lifecycle import Frame, Gap, OpenRequest, RunEnd, RunHandle, Runtime, SegmentEnd
from lifecycle.cli.answering import answers, asked_in_place, tell_question
from lifecycle.cli.asking import END, LEAVE, ask
from lifecycle.cli.stopping import ABORT, Stopping
from lifecycle.cli.target import debugging, load
from lifecycle.cli.terminal import Terminal
from lifecycle.cli.writing import Output, StdoutClosedError, as_text, end_in_words, indented, on_one_line
from lifecycle.errors import Busy, Invalid, LifecycleError
from lifecycle.kernel.replies import AlreadyClosed
from lifecycle.kernel.values import Policy
from lifecycle.runtime.border import LOCAL
from lifecycle.store.port import Due
from lifecycle.store.sqlite import SQLiteStore

DONE, ENDED_OTHERWISE, BAD_INPUT, WAITING = 0, 1, 2, 3

WAITS = "waiting_for_human"

Item = Frame | Gap | SegmentEnd
"""What a stream gives."""

REMEDIES = {
    "crashed": "its process died while its code was at work; run it again, or use --on-crash rerun",
    "crashed_out": "its process died while its code was at work; find out why before you run it again",
    "deadline": "give it more time with --deadline",
    "shutdown": "run it again",
}
"""What to do about an end, by its cause."""

RAISED = re.compile(r"[A-Z]\w*(: |$)")
"""How the text of a failure begins that an exception of Python left."""

PATIENCE_SECONDS = 0.5
"""How long a shutdown may take before something is said about it."""

TEXT_CHARS_MAX = 500
"""How much of a failure's text a message repeats; the whole is in the store."""


class OneSessionStore(SQLiteStore):
    """A store of which this process takes up one session: the others stay as they are for whoever takes them up."""

    def __init__(self, path: str, session: str) -> None:
        super().__init__(path)
        self._session = session

    def unfinished(self) -> list[str]:
        """Return the runs of the session that have not ended, oldest first."""
        kept = self.load(self._session)
        return [] if kept is None else [run.spec.id for run in kept.session.unfinished()]

    def unsettled(self) -> list[str]:
        """Return the one session, if there is something to recover in it."""
        return [name for name in super().unsettled() if name == self._session]

    def due(self, now: int, limit: int, policy: Policy) -> Due:
        """Return nothing: the one session is taken up as soon as something is asked of it."""
        return Due()


@contextlib.asynccontextmanager
async def opened(store: OneSessionStore, output: Output) -> AsyncIterator[tuple[Runtime, Sequence[str]]]:
    """Open a runtime that finds agents by their target, and shut it down in order, telling what was given up.

    With it come the runs that the session had before: recovery may end them before anybody looks.
    """
    runtime = Runtime(store, agents=load)
    try:
        unfinished = store.unfinished()
        await runtime.open()
        yield runtime, unfinished
    finally:
        await shut_down(runtime, output)
        store.close()
        if late := runtime.counters["late_frames"]:
            output.say(f"agent: {late} frame(s) came after the end of the run; they were dropped")


async def shut_down(runtime: Runtime, output: Output) -> None:
    """Shut a runtime down in order; say so if that takes a while: code has outlived its run, or the store cannot keep."""
    closing = asyncio.ensure_future(runtime.close())
    await asyncio.wait([closing], timeout=PATIENCE_SECONDS)
    if not closing.done():
        late = "agent: its code has not returned yet"
        if not runtime.is_calling:
            late = f"store {runtime.store.name}: what became of the run is not kept yet"
        output.say(f"{late}; waiting up to {runtime.policy.closing_grace_seconds:g} s for it")
    await closing


@attrs.define
class Carrying:
    """Carry a session on. ``by`` is who asks and answers here; ``terminal`` none: nobody can be asked.

    ``unfinished`` are the runs that the session had before this process took it up, oldest first; ``left`` is the
    request that was shown last and left for later.
    """

    runtime: Runtime
    session: str
    unfinished: Sequence[str]
    by: str
    output: Output
    stopping: Stopping
    terminal: Terminal | None
    left: str | None = attrs.field(default=None, init=False)

    async def until_over(self, wanted: RunHandle | None) -> int:
        """Follow the runs of the session in their order; return the exit code for the wanted one.

        Without a wanted run, carry on only what recovery has set going: it is not to be lost because of a slip.
        """
        code: int | None = None
        try:
            for run in self.in_order(wanted):
                is_wanted = wanted is not None and run.id == wanted.id
                if run.state == WAITS and (wanted is None or wanted.end() is not None):
                    break
                if not is_wanted:
                    self.output.say(f"run {on_one_line(run.id)} of this session is next in line")
                how = await self.follow(run)
                if how == "ended":
                    ended = self.tell_end(await run.wait())
                    code = ended if is_wanted else code
                elif how == "waits":
                    return await self.tell_waiting(run, wanted, code)
                else:
                    return await self.stop(wanted or run)
            return DONE if code is None else code
        except LifecycleError as error:
            self.output.say(on_one_line(str(error)), "red")
            return ENDED_OTHERWISE

    @contextlib.asynccontextmanager
    async def ending_with_stdout(self, wanted: RunHandle) -> AsyncIterator[None]:
        """Abort the wanted run if what it gives cannot be written any more: nobody would see how it goes on."""
        try:
            yield
        except StdoutClosedError as closed:
            await self.abort(wanted, f"stdout: {closed.fact}" if closed.fact else "nobody reads the output any more")
            raise

    def in_order(self, wanted: RunHandle | None) -> list[RunHandle]:
        """Return what to follow: the runs there were, then the wanted one; one that ended in another process first."""
        names = list(self.unfinished)
        if wanted is not None and wanted.id not in names:
            replayed = self.runtime.streams.get(wanted.session, wanted.id) is None
            names.insert(0 if replayed else len(names), wanted.id)
        return [self.runtime.run(self.session, name) for name in names]

    async def after_a_slip(self, error: LifecycleError) -> int:
        """Say what was wrong with a request; what recovery had set going before goes on all the same."""
        self.output.say(on_one_line(str(error)), "red")
        if self.runtime.holds(self.session):
            await self.until_over(None)
        return BAD_INPUT

    # -- one run ------------------------------------------------------------------------------------------------------

    async def follow(self, run: RunHandle) -> str:
        """Write frames as they come and ask what is asked; return ``ended``, ``waits`` or ``stopped``.

        Reading a terminal and following the stream go on together: a question that closes by itself is taken away.
        """
        items = cast("AsyncGenerator[Item]", run.follow())
        coming = asyncio.ensure_future(next_of(items))
        stopped = asyncio.ensure_future(self.stopping.asked.wait())
        asking: asyncio.Future[bool] | None = None
        waits = run.state == WAITS and self.runtime.streams.get(run.session, run.id) is None
        try:
            while True:
                if waits and self.terminal is None:
                    return "waits"
                if waits and asking is None and self.terminal is not None:
                    asking = asyncio.ensure_future(self.ask(run, self.terminal))
                waited: set[asyncio.Future[Any]] = {coming, stopped} if asking is None else {coming, stopped, asking}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if stopped.done():
                    return "stopped"
                if coming.done():
                    item = coming.result()
                    if asking is not None and await called_off(asking):
                        self.output.say("the question was closed meanwhile")
                    asking = None
                    if item is None:
                        return "ended"
                    self.tell(run, item)
                    waits = isinstance(item, SegmentEnd) and item.reason == WAITS
                    coming = asyncio.ensure_future(next_of(items))
                elif asking is not None and asking.done():
                    if not asking.result():
                        return "waits"
                    asking, waits = None, False
        finally:
            for future in (coming, stopped, asking):
                if future is not None:
                    await called_off(future)
            await items.aclose()

    async def ask(self, run: RunHandle, terminal: Terminal) -> bool:
        """Ask one open question after the other and decide it; false: the human left it, or may not decide."""
        several = 0
        while requests := run.requests:
            request = requests[0]
            several = max(several, len(requests))
            place = f" ({several - len(requests) + 1} of {several})" if several > 1 else ""
            decision = await ask(request, terminal, self.output, END if self.waits_in_place(run) else LEAVE, place)
            if decision is None:
                self.left = request.id
                return False
            try:
                reply = await run.decide(request.id, decision, by=self.by, digest=request.digest)
            except (Invalid, Busy) as error:
                self.output.say(on_one_line(str(error)), "red")
            except LifecycleError as error:
                self.output.say(on_one_line(str(error)), "red")
                return False
            else:
                if isinstance(reply, AlreadyClosed):
                    self.output.say(f"request {on_one_line(request.id)}: it was {reply.how} meanwhile")
        return True

    # -- leaving ------------------------------------------------------------------------------------------------------

    async def stop(self, wanted: RunHandle) -> int:
        """Do what a signal asked for: Ctrl-C aborts the wanted run, any other leaves it to an orderly shutdown."""
        if self.stopping.how == ABORT:
            await self.abort(wanted, "Ctrl-C")
        return await self.leave(wanted)

    async def abort(self, wanted: RunHandle, text: str) -> None:
        """Abort the wanted run, if it goes on."""
        if wanted.end() is None:
            try:
                await wanted.abort(by=self.by, text=text)
            except LifecycleError as error:
                self.output.say(on_one_line(str(error)), "red")

    async def leave(self, wanted: RunHandle) -> int:
        """Shut down and tell what became of the wanted run; the exit code says whether it is left for later."""
        if (end := wanted.end()) is not None:
            self.tell_end(end)
            return ENDED_OTHERWISE
        if not self.runtime.holds(self.session):
            self.output.say(f"run {on_one_line(wanted.id)}: {self.where()}")
            return WAITING
        state, ending = wanted.state, asyncio.ensure_future(wanted.wait())
        await asyncio.sleep(0)
        await shut_down(self.runtime, self.output)
        await asyncio.wait([ending])
        if ending.exception() is None:
            self.tell_end(ending.result())
            return ENDED_OTHERWISE
        self.output.say(f"run {on_one_line(wanted.id)}: it is left {state}; the next process on this file takes it up")
        return WAITING if state in ("starting", WAITS) else ENDED_OTHERWISE

    def where(self) -> str:
        """Say where a session goes on that another process holds."""
        return f"it goes on in {self.runtime.store.holder(self.session) or 'whichever process takes it up'}"

    def waits_in_place(self, run: RunHandle) -> bool:
        """Say whether the code of a waiting run is still in memory, so that it ends with this process."""
        return asked_in_place(self.runtime.session(run.session), run.id)

    # -- telling ------------------------------------------------------------------------------------------------------

    def tell(self, run: RunHandle, item: Item) -> None:
        """Write an item of the stream."""
        if isinstance(item, Frame):
            self.output.data(type="frame", run=run.id, segment=item.segment, seq=item.seq, data=item.data)
            self.output.text(as_text(item.data))
        elif isinstance(item, Gap):
            self.output.data(type="gap", run=run.id, segment=item.segment, missed=item.missed)
            self.output.say(f"run {on_one_line(run.id)}: {item.missed} frame(s) came faster than they could be written")
        else:
            self.output.data(type="segment_end", run=run.id, segment=item.segment, seq=item.seq, reason=item.reason)

    def tell_end(self, end: RunEnd) -> int:
        """Write the result and say how it ended; return the exit code."""
        return tell_end(self.output, end, self.raised_here(end))

    def raised_here(self, end: RunEnd) -> bool:
        """Say whether code of the run raised in this process, so that the same again could show where."""
        return self.runtime.streams.get(self.session, end.run) is not None and RAISED.match(end.text) is not None

    async def tell_waiting(self, run: RunHandle, wanted: RunHandle | None, code: int | None) -> int:
        """Write what a run waits for and how to answer it; return the exit code."""
        in_place = self.waits_in_place(run)
        self.tell_requests(run, in_place)
        if in_place:
            unanswered = "nobody can answer here" if self.terminal is None else "its question was left unanswered"
            fact = f"it asked in place, {unanswered}, and so it ends with this process"
            self.output.say(f"run {on_one_line(run.id)}: {fact}; an agent that returns Park(...) survives", "red")
            return await self.leave(wanted or run)
        if code is None and wanted is not None and run.id != wanted.id:
            fact = f"queued behind run {on_one_line(run.id)}, which waits for a human"
            self.output.say(f"run {on_one_line(wanted.id)}: {fact}; answer that first")
        return WAITING if code is None else code

    def tell_requests(self, run: RunHandle, in_place: bool = False) -> None:
        """Write the open requests of a run, each with the commands that answer it."""
        seen = self.left if self.output.out.isatty() else None
        store, owner = self.runtime.store.name, self.owner_of(run)
        tell_requests(self.output, store, run.session, run.id, owner, run.requests, in_place, seen)

    def owner_of(self, run: RunHandle) -> str:
        """Return the principal who may answer."""
        found = [one.owner for one in self.runtime.show(self.session).runs if one.id == run.id]
        return found[0] if found else LOCAL


def tell_run(output: Output, session: str, run: str, joined: bool) -> None:
    """Name the run: what the other commands want to know. ``joined``: its key named it already."""
    output.data(type="run", session=session, run=run, joined=joined)
    known = ": it has this key already; no other was started" if joined else ""
    output.say(f"run {on_one_line(run)} of session {on_one_line(session)}{known}", "bright_black")


def tell_end(output: Output, end: RunEnd, raised_here: bool = False) -> int:
    """Write the result and say how it ended; return the exit code. ``raised_here``: the same again can show where."""
    output.data(type="end", **attrs.asdict(end))
    good = end.state == "ready"
    if end.result is not None:
        output.text(end.result if isinstance(end.result, str) else indented(end.result))
    said = f"run {on_one_line(end.run)}: {end_in_words(end, TEXT_CHARS_MAX)}"
    remedy = REMEDIES.get(end.cause)
    if end.cause == "failed" and raised_here and not debugging():
        remedy = "LIFECYCLE_DEBUG=1 shows where"
    output.say(f"{said}; {remedy}" if remedy else said, "green" if good else "red")
    return DONE if good else ENDED_OTHERWISE


def tell_requests(
    output: Output,
    store: str,
    session: str,
    run: str,
    owner: str,
    requests: Sequence[OpenRequest],
    in_place: bool,
    seen: str | None = None,
) -> None:
    """Write the open requests of a run, each with the commands that answer it; ``seen`` is on the screen already."""
    commands = [[] if in_place else answers(session, one, store, owner) for one in requests]
    told = [{**attrs.asdict(one), "decide": lines} for one, lines in zip(requests, commands, strict=True)]
    output.data(type="waiting", session=session, run=run, in_place=in_place, requests=told)
    for request, lines in zip(requests, commands, strict=True):
        tell_question(output, request, lines, seen=request.id == seen)
    if not in_place:
        output.say(f"run {on_one_line(run)}: waiting for a human; answer with `lifecycle decide`", "yellow")


async def next_of(items: AsyncIterator[Item]) -> Item | None:
    """Return the next item of a stream; none at its end."""
    return await anext(items, None)


async def called_off(future: asyncio.Future[Any]) -> bool:
    """Cancel what is still under way and wait until it is over; say whether it was."""
    if future.done():
        return False
    future.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await future
    return True
