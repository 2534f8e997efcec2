"""Handles: a run and an attachment, by name.

What lives here: what callers ask of one run, and how they wait for it. What must not: any copy of its state. The law of
this file: a handle keeps only names; every look is at what is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self, TypeVar

import attrs

from lifecycle.errors import Invalid, NotFound, Refused, StoreError
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.finding import run_named
from lifecycle.kernel.inputs import AbortRun, Decide, Detached
from lifecycle.kernel.judging_decisions import DECISIONS
from lifecycle.kernel.replies import Reply
from lifecycle.kernel.values import Ended, Request, us
from lifecycle.machines import RUN
from lifecycle.runtime.border import (
    COUNT_MAX,
    LOCAL,
    SECONDS_MAX,
    check_answer,
    check_choice,
    check_count,
    check_kind,
    check_names,
    check_names_if_any,
    check_seconds,
    checked_text,
    fitted,
    shown,
)
from lifecycle.runtime.controllers import Signal
from lifecycle.runtime.host import Host
from lifecycle.runtime.line import Line
from lifecycle.runtime.payload import digest_of, text_of, value_of
from lifecycle.runtime.questions import Decision, OpenRequest, build_open_request
from lifecycle.runtime.segments import Frame, Gap, Limits, SegmentEnd

T = TypeVar("T")

STATES = tuple(state.name for state in RUN.states)
"""What a run can be waited for to be in."""


@attrs.frozen
class RunEnd:
    """How a run ended. ``result`` is what the agent returned, decoded."""

    run: str
    state: str
    cause: str
    who: str
    text: str
    result: Any


@attrs.frozen
class Attachment:
    """One live client watching a session. ``holds`` false: its connection was dead, so it holds nothing."""

    tracker: Host
    session: str
    id: str
    holds: bool

    @property
    def requests(self) -> tuple[OpenRequest, ...]:
        """Return every open request of the session: whoever attaches sees them all."""
        return tuple(
            request
            for run in self.tracker.session(self.session).unfinished()
            for request in open_requests(run.spec.id, run.requests)
        )

    async def detach(self) -> None:
        """Stop watching; a second time is about nothing."""
        await self.tracker.posted(self.session, Detached(self.id))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.tracker.is_closed:
            await self.detach()


@attrs.frozen
class RunHandle:
    """A run, live or ended, by its name. Keeps nothing: every look is at what is committed."""

    tracker: Host
    session: str
    id: str

    @property
    def state(self) -> str:
        """Return the run's state; raise NotFound once nothing is known of it."""
        run = run_named(self.tracker.session(self.session), self.id)
        return run.state if run is not None else self._end().state

    @property
    def requests(self) -> tuple[OpenRequest, ...]:
        """Return the open requests, in the order in which they were asked."""
        run = run_named(self.tracker.session(self.session), self.id)
        return () if run is None else open_requests(self.id, run.requests)

    @property
    def signal(self) -> Signal | None:
        """Return the run's signal while its controller is registered."""
        return self.tracker.signal(self.session, self.id)

    def end(self) -> RunEnd | None:
        """Return how the run ended; none while it has not."""
        end: RunEnd | None = self.tracker.ended(self.session, self.id)
        return end

    def _end(self) -> RunEnd:
        end = self.end()
        if end is None:
            raise NotFound(f"run {self.id}", "not known here", "check the name; `lifecycle show` lists what there is")
        return end

    async def decide(
        self,
        request: str,
        decision: Decision,
        *,
        by: str = LOCAL,
        digest: str | None = None,
        decision_id: str | None = None,
    ) -> Reply:
        """Close a request. ``digest``: that of what the human saw; none: what is open now was looked at.

        The same decision by the same principal may be sent any number of times; a different one is a Conflict.
        ``decision_id`` names it; none: named after its content.
        """
        limits = self.tracker.limits
        check_names(limits.name_chars_max, request=request)
        known = self._request(request)
        given = decide_input(limits, self.id, request, known, decision, by, digest, decision_id)
        reply: Reply = await self.tracker.posted(self.session, given)
        return reply

    def _request(self, name: str) -> Request | None:
        run = run_named(self.tracker.session(self.session), self.id)
        for request in () if run is None else run.requests:
            if request.id == name:
                return request
        return self.tracker.closed_request(self.session, self.id, name)

    async def abort(self, *, by: str = LOCAL, text: str = "") -> Reply:
        """End the run; the queue goes on. Returns once the end is durable; the code may still be returning."""
        check_names(self.tracker.limits.name_chars_max, by=by)
        reply: Reply = await self.tracker.posted(self.session, AbortRun(self.id, by, checked_text("text", text)))
        return reply

    async def wait(self, timeout_seconds: float | None = None) -> RunEnd:
        """Wait for the end. Raise TimeoutError when it takes longer; that says nothing about the run."""
        if timeout_seconds is not None:
            check_seconds("timeout_seconds", timeout_seconds)
        if self.tracker.is_closed:
            raise Refused("runtime", "it is shut down", "start another")
        end = self.end()
        if end is not None:
            return end
        if run_named(self.tracker.session(self.session), self.id) is None:
            return self._end()
        future = self.tracker.end_future(self.session, self.id)
        try:
            return await within(self.tracker, future, timeout_seconds, f"run {self.id}")
        finally:
            self.tracker.forget_end_future(self.session, self.id, future)

    async def wait_for(self, *states: str, timeout_seconds: float | None = None) -> str:
        """Wait until the run is in one of these states, or has ended; return the state it is in.

        Raise Invalid for what is no state of a run, and TimeoutError when it takes longer.
        """
        for state in states:
            check_choice("state of a run", state, STATES)
        if timeout_seconds is None:
            return await self._reached(states)
        check_seconds("timeout_seconds", timeout_seconds)
        task = asyncio.ensure_future(self._reached(states))
        return await within(self.tracker, task, timeout_seconds, f"run {self.id}")

    async def _reached(self, states: tuple[str, ...]) -> str:
        def is_there(line: Line) -> bool:
            run = run_named(line.session, self.id)
            return run is None or run.state in states

        gone = Refused("runtime", "it is shut down", "start another")
        while True:
            try:
                run = run_named(self.tracker.session(self.session), self.id)
            except StoreError:  # a session that another worker holds is looked up in the store, which is closed by then
                if self.tracker.is_closed:
                    raise gone from None
                raise
            if run is not None and run.state in states:
                return run.state
            if self.tracker.is_closed:
                raise gone
            if run is None:
                return self._end().state
            await self.tracker.change(self.session, is_there)

    async def frames(self, after: int = 0, segment: int | None = None) -> AsyncIterator[Frame | Gap | SegmentEnd]:
        """Give the frames of one segment above number ``after``, as they come, then its one end.

        ``segment`` none: the latest. A Gap says what had left the bounded buffer.
        """
        check_count("after", after, -COUNT_MAX)
        if segment is not None:
            check_count("segment", segment)
        stream = self.tracker.streams.get(self.session, self.id)
        found = None if stream is None else stream.numbered(segment)
        if found is None:
            self.state  # noqa: B018  (a run that never was had none)
            fact = "its frames are no longer in memory" if segment is None else f"segment {segment} is not in memory"
            raise NotFound(f"run {self.id}", fact, "frames live in the process that ran it; its end is in the journal")
        async for item in found.read(max(0, after)):
            yield item

    async def follow(self) -> AsyncIterator[Frame | Gap | SegmentEnd]:
        """Give the frames of every segment, each with its end, until the run has ended or the runtime shuts down."""
        number = 0
        self.state  # noqa: B018  (an unknown run is not found, here and now)
        while True:
            stream = self.tracker.streams.get(self.session, self.id)
            later = [] if stream is None else [one for one in stream.segments if one.number > number]
            if later:
                number = later[0].number
                async for item in later[0].read():
                    yield item
            elif self.tracker.is_closed or run_named(self.tracker.session(self.session), self.id) is None:
                return
            else:
                await self.tracker.change(self.session)


async def within(tracker: Host, future: asyncio.Future[T], timeout_seconds: float | None, subject: str) -> T:
    """Wait for a future, at most for a time of the engine's clock; raise TimeoutError beyond it."""
    if timeout_seconds is None or timeout_seconds >= SECONDS_MAX or future.done():
        return await future
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def is_over() -> None:
        if not over.done():
            over.set_result(None)

    # No time has passed already, on a clock that nobody advances, too.
    clock, lasts = tracker.clock, us(timeout_seconds)
    wakeup = clock.call_at(clock.now() + lasts, is_over) if lasts else loop.call_soon(is_over)
    try:
        either: list[asyncio.Future[Any]] = [future, over]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if future.done():
            return future.result()
        raise TimeoutError(f"{subject}: not over within {timeout_seconds:g} s; it goes on, wait again or abort it")
    finally:
        wakeup.cancel()
        over.cancel()
        if not future.done():
            future.cancel()


build_end = twin_of(RunEnd).build


def end_of(record: Ended) -> RunEnd:
    """Make what callers get of the record of an ended run."""
    return build_end(record.spec.id, record.state, record.cause, record.who, record.text, value_of(record.result))


def decide_input(
    limits: Limits,
    run: str,
    request: str,
    known: Request | None,
    decision: Decision,
    by: str,
    digest: str | None = None,
    decision_id: str | None = None,
) -> Decide:
    """Make of a decision on a request what is asked of the kernel; ``known`` none: no such request is known.

    Raise Invalid for what is no decision, or no answer to that request, and Busy beyond a limit.
    """
    if not isinstance(decision, Decision):
        remedy = "use approve(), reject(), reject_and_continue() or answer(value)"
        raise Invalid(f"decision on {request}", f"{shown(decision)} is none", remedy)
    check_choice(f"decision on {request}", decision.kind, DECISIONS)
    check_names(limits.name_chars_max, by=by)
    check_names_if_any(limits.name_chars_max, digest=digest, decision_id=decision_id)
    content = None
    if decision.content is not None:
        bound = limits.request_bytes_max
        content = text_of(f"decision on {request}", decision.content, "request_bytes_max", bound)
        if decision.kind != "answer":
            check_kind(f"feedback on {request}", decision.content, str, "use a text")
    text = fitted(decision.content) if decision.kind == "reject" and decision.content is not None else ""
    if decision.kind == "answer" and decision.content in (None, "", [], {}):
        raise Invalid(f"request {request}", "the answer is empty", "say something, or reject it")
    if known is not None and decision.kind == "answer":
        check_answer(known, decision.content)
    seen = digest if digest is not None else "" if known is None else known.digest
    name = decision_id or f"d-{digest_of(run, request, decision.kind, content, by)[:16]}"
    return Decide(run, request, name, decision.kind, by, seen, content, text)


def open_requests(run: str, requests: tuple[Request, ...]) -> tuple[OpenRequest, ...]:
    """Return the open requests of a batch as clients see them."""
    return tuple(open_request(run, request) for request in requests if request.state == "open")


def open_request(run: str, request: Request) -> OpenRequest:
    """Return an open request as clients see it."""
    body = value_of(request.body)
    due_at = None if request.expiry is None else request.expiry.due
    return build_open_request(request.id, run, request.kind, body["text"], body, request.digest, due_at)
