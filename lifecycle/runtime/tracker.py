"""The tracker: sessions kept in a store, for whoever calls the code in a loop of their own.

What lives here: what people ask of sessions, and look at. What must not: calling an agent's code; the runtime adds
that. The law of this file: what is malformed is refused here; everything else is asked of the kernel.

With your own loop, use it directly: admit runs, ``begin`` them when it is their turn, report facts through the grant.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from lifecycle.errors import NotFound, Refused
from lifecycle.kernel.finding import run_named
from lifecycle.kernel.inputs import (
    AbortSession,
    Attach,
    Begin,
    CloseSession,
    Detached,
    Lost,
    ProviderReported,
    StartRun,
)
from lifecycle.kernel.replies import AlreadyEnded, Granted, Joined, Reply, Stale
from lifecycle.kernel.values import ON_CRASH, WHEN_BUSY, Policy
from lifecycle.machines import SESSION
from lifecycle.projection import SessionView, project
from lifecycle.runtime.border import (
    LOCAL,
    check_callable,
    check_choice,
    check_count,
    check_kind,
    check_names,
    check_names_if_any,
    check_not_empty,
    check_session_id,
    checked_text,
    principals,
    span,
)
from lifecycle.runtime.controllers import RunAborted
from lifecycle.runtime.draining import Draining
from lifecycle.runtime.grant import Grant
from lifecycle.runtime.handle import Attachment, RunHandle
from lifecycle.runtime.payload import digest_of, text_of
from lifecycle.runtime.segments import Limits
from lifecycle.runtime.stepping import Observed

STATES = tuple(state.name for state in SESSION.states)
"""What a session can be in."""


class Tracker(Draining):
    """Keep sessions. Use it as an async context manager: entering recovers what the last process left.

    ``policy`` is given to sessions as they open or are recovered. Every method is called on the event loop's thread.
    Requests raise the errors of ``lifecycle.errors``; "nothing to do" is a typed reply.
    """

    # -- requests -----------------------------------------------------------------------------------------------------

    async def admit(
        self,
        agent: str,
        input: Any = None,
        *,
        session: str,
        key: str | None = None,
        owner: str = LOCAL,
        deciders: Iterable[str] = (),
        when_busy: str = "enqueue",
        deadline_seconds: float | None = None,
        queue_deadline_seconds: float | None = None,
        on_crash: str = "interrupt",
        run_id: str | None = None,
    ) -> RunHandle:
        """Admit a run of the agent of that name; return once it is durable and its controller registered.

        ``key``: a retry with the same key and content joins the run, or gets the handle of its end. ``when_busy``:
        ``enqueue``, ``reject`` or ``interrupt`` (abort the head, go first). Times in seconds; none: no limit.
        """
        if self._closing is not None:
            raise Refused("runtime", "it is shutting down", "start another")
        run = run_id if run_id is not None else self.new_run_id()
        try:
            given = start_input(
                self.limits,
                self.policy,
                agent,
                input,
                session=session,
                run=run,
                key=key,
                owner=owner,
                deciders=deciders,
                when_busy=when_busy,
                deadline_seconds=deadline_seconds,
                queue_deadline_seconds=queue_deadline_seconds,
                on_crash=on_crash,
            )
            reply = await self.posted(session, given)
        finally:
            self._new_ids.discard(run)
        return RunHandle(self, session, reply.run if isinstance(reply, Joined | AlreadyEnded) else run)

    async def begin(self, run: RunHandle) -> Grant:
        """Wait until it is the run's turn, ask to begin it, and return the grant; raise RunAborted if it has ended."""
        check_kind("run", run, RunHandle, "use what admit() returned")
        while True:
            session = self.session(run.session)
            if run_named(session, run.id) is None:
                end = run.end()
                if end is None:
                    raise NotFound(f"run {run.id}", "not known here", "admit it first")
                raise RunAborted(run.id, end.cause)
            line = self._line(run.session)
            if self._closing is not None:
                raise Refused("runtime", "it is shutting down", "start another")
            if line.offer is not None and line.offer[0] == run.id:
                reply = await self._granted(run.session, Begin(run.id, line.offer[1]))
                if isinstance(reply, Granted) and line.grant is not None:
                    return cast("Grant", line.grant)
                continue
            await self._changed(line)

    async def _granted(self, session: str, given: Begin) -> Reply:
        """Ask to begin; a grant that comes when nobody waits for it any more is lost, and said to be."""
        future = self.posted(session, given)
        try:
            return cast("Reply", await asyncio.shield(future))
        except asyncio.CancelledError:
            future.add_done_callback(lambda told: self._nobody_waits(session, given, told))
            raise

    def _nobody_waits(self, session: str, given: Begin, told: asyncio.Future[Reply]) -> None:
        if not told.cancelled() and told.exception() is None and isinstance(told.result(), Granted):
            self.post(session, Lost(given.execution))

    async def abort_session(self, session: str, *, by: str = LOCAL, text: str = "") -> Reply:
        """End the head and the queued runs that ``by`` may abort."""
        check_names(self.limits.name_chars_max, session=session, by=by)
        given = AbortSession(by, checked_text("text", text))
        with naming(session):
            return await self.replied(session, given)

    async def close_session(self, session: str, *, by: str = LOCAL, text: str = "") -> Reply:
        """Stop every unfinished run and the session."""
        check_names(self.limits.name_chars_max, session=session, by=by)
        given = CloseSession(by, checked_text("text", text))
        with naming(session):
            return await self.replied(session, given)

    async def attach(self, session: str, *, alive: Callable[[], bool] | None = None) -> Attachment:
        """Watch a session: while anybody does, it is not reaped. ``alive`` is asked when the attach is judged.

        The attachment says whether it ``holds``: one whose connection had died by then does not.
        """
        check_names(self.limits.name_chars_max, session=session)
        if alive is not None:
            check_callable("alive", alive, "use a function that says whether the connection is alive, or None")
        name = f"a-{uuid.uuid4().hex[:12]}"
        try:
            with naming(session):
                reply = await self.posted(session, lambda: Attach(name, alive is None or bool(alive())))
        except asyncio.CancelledError:  # the client went away while it came: nobody else knows this name
            self.post(session, Detached(name))
            raise
        return Attachment(self, session, name, not isinstance(reply, Stale))

    async def provider_reported(
        self,
        session: str,
        report: str,
        *,
        run: str | None = None,
        execution: int | None = None,
        advisory: bool = False,
        text: str = "",
    ) -> Reply:
        """Report how a provider says its session is: ``ready``, ``interrupted``, ``stopped``, ``error``, ``gone``."""
        bound = self.limits.name_chars_max
        check_names(bound, session=session, report=report)
        check_names_if_any(bound, run=run)
        if execution is not None:
            check_count("execution", execution)
        said = checked_text("text", text)
        return await self.replied(session, ProviderReported(report, run, execution, bool(advisory), said))

    async def lost(self, session: str, execution: int) -> Reply:
        """Report that the worker of an execution is gone."""
        check_names(self.limits.name_chars_max, session=session)
        check_count("execution", execution)
        return await self.replied(session, Lost(execution))

    # -- what there is ------------------------------------------------------------------------------------------------

    def run(self, session: str, run: str) -> RunHandle:
        """Return a handle of any run, live or ended."""
        check_names(self.limits.name_chars_max, session=session, run=run)
        return RunHandle(self, session, run)

    def show(self, session: str) -> SessionView:
        """Return what is shown of a session."""
        check_names(self.limits.name_chars_max, session=session)
        return project(self.session(session))

    def sessions(self, after: str | None = None, limit: int = 50, state: str | None = None) -> list[SessionView]:
        """Return a page of sessions in order of their ids."""
        check_names_if_any(self.limits.name_chars_max, after=after)
        check_count("limit", limit)
        if state is not None:
            check_choice("state of a session", state, STATES)
        page = self.store.sessions(after, limit, state)
        return [project(self._lines[one.id].session or one if one.id in self._lines else one) for one in page]

    def observe(self, observer: Callable[[Observed], None]) -> Callable[[], None]:
        """Call ``observer`` after every committed step; return how to stop.

        An observer can change nothing; one that raises is logged and counted.
        """
        check_callable("observer", observer, "use a function of one argument, what was observed")
        self._observers.append(observer)
        return lambda: self._observers.remove(observer) if observer in self._observers else None


@contextmanager
def naming(session: str) -> Iterator[None]:
    """Name the session that is not known: the kernel, asked about none, cannot."""
    try:
        yield
    except NotFound as error:
        raise NotFound(
            f"session {session}", error.fact, "check the name; `lifecycle show` lists what there is"
        ) from None


def start_input(
    limits: Limits,
    policy: Policy,
    agent: str,
    input: Any,
    *,
    session: str,
    run: str,
    key: str | None = None,
    owner: str = LOCAL,
    deciders: Iterable[str] = (),
    when_busy: str = "enqueue",
    deadline_seconds: float | None = None,
    queue_deadline_seconds: float | None = None,
    on_crash: str = "interrupt",
) -> StartRun:
    """Make of what starts a run what is asked of the kernel; raise Invalid for what is malformed, Busy beyond a limit."""
    bound = limits.name_chars_max
    check_session_id(session, bound)
    deciders = principals("deciders", deciders)
    check_names(bound, agent=agent, run_id=run, owner=owner)
    check_names_if_any(bound, key=key)
    check_not_empty(agent=agent, run_id=run, owner=owner, key=key)
    check_choice("when_busy", when_busy, WHEN_BUSY)
    check_choice("on_crash", on_crash, ON_CRASH)
    text = text_of("input", input, "input_bytes_max", limits.input_bytes_max)
    return StartRun(
        session,
        run,
        owner,
        agent,
        text,
        digest_of(agent, text, owner),
        policy,
        key,
        deciders,
        when_busy,
        span("deadline_seconds", deadline_seconds),
        span("queue_deadline_seconds", queue_deadline_seconds),
        on_crash,
    )
