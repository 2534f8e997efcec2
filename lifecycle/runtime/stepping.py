"""Stepping: the inputs of many sessions, judged, committed, performed and acknowledged.

What lives here: lines and their progress through kernel, store and hooks. What must not: what callers ask for, and any
code of an agent. The law of this file: nothing is performed, acknowledged or shown before its step is durable.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import attrs

from lifecycle.errors import InvariantBroken, NotFound, Refused, StoreError
from lifecycle.hooks import CallCode, Hook
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.engine import KERNEL, Kernel, Step, due
from lifecycle.kernel.finding import request_open_or_closed, run_named
from lifecycle.kernel.inputs import (
    AbortRun,
    Begin,
    Decide,
    ExecutionSettled,
    Failure,
    Input,
    Parked,
    Recovered,
    RunAsked,
    SetAside,
    StartRun,
    TimerFired,
)
from lifecycle.kernel.invariants import broken
from lifecycle.kernel.lease import acquired
from lifecycle.kernel.replies import Rejection, Reply, Stale, rejection_of
from lifecycle.kernel.values import Ended, Found, Policy, Request, RunSpec, Session, us
from lifecycle.projection import SessionView, project
from lifecycle.runtime.border import (
    RAISED,
    check_part,
    checked_limits,
    checked_policy,
    fitted,
    is_text,
)
from lifecycle.runtime.clock import Clock, SystemClock
from lifecycle.runtime.controllers import Controllers, Signal
from lifecycle.runtime.elsewhere import Elsewhere
from lifecycle.runtime.grant import Grant
from lifecycle.runtime.handle import RunEnd, end_of
from lifecycle.runtime.line import Item, Late, Line, Until
from lifecycle.runtime.performing import PERFORM, let_go, put_down, take_up
from lifecycle.runtime.segments import Limits, Streams
from lifecycle.runtime.timers import Timers
from lifecycle.runtime.writer import Writer
from lifecycle.store.port import (
    Commit,
    Kept,
    Store,
    has_left,
    held_elsewhere,
    is_behind,
    is_below_floor,
    is_elsewhere,
    is_lost,
    lost_lease,
)

log = logging.getLogger("lifecycle")

build_commit = twin_of(Commit).build


@attrs.frozen
class Observed:
    """What an observer is told of a committed step. ``hooks`` are those performed; the view is that after the step.

    ``redelivered``: the durable hooks of a step that an earlier process committed and may not have performed.
    """

    session: str
    revision: int
    view: SessionView
    input: Input
    moves: tuple[Any, ...]
    hooks: tuple[Hook, ...]
    redelivered: bool = False


class Stepping:
    """Step sessions kept in a store. ``Tracker`` is what people use; this is how it goes on inside."""

    def __init__(
        self,
        store: Store,
        policy: Policy | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        kernel: Kernel = KERNEL,
    ) -> None:
        check_part("store", store, "commit", "use MemoryStore() or SQLiteStore(path)")
        if clock is not None:
            check_part("clock", clock, "call_at", "use SystemClock() or VirtualClock()")
        check_part("kernel", kernel, "step", "leave it out")
        self.store = store
        self.policy = checked_policy(Policy() if policy is None else policy)
        self.limits = checked_limits(Limits() if limits is None else limits)
        self.clock: Clock = SystemClock() if clock is None else clock
        self.kernel = kernel
        self.counters: Counter[str] = Counter()
        self.controllers = Controllers()
        self.streams = Streams(self.limits)
        self.timers = Timers(self.clock, self._timer_fired)
        self._lines: dict[str, Line] = {}
        self._observers: list[Callable[[Observed], None]] = []
        self.end_waiters: dict[tuple[str, str], list[asyncio.Future[RunEnd]]] = {}
        self._new_ids: set[str] = set()
        self._retries = 0
        self._unread: set[str] = set()
        self._ahead: dict[str, int] = {}
        self._overtakings = 0
        self._overtakes_later = False
        self._takes_from = 0
        self._closing: asyncio.Future[Any] | None = None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_store = False
        self.elsewhere = Elsewhere(self)
        self._writer: Writer | None = None
        self._unwatch: Callable[[], None] = lambda: None

    # -- the line of a session ----------------------------------------------------------------------------------------

    def post(self, session: str, given: Input | Late) -> None:
        """Put an input in line, and wait for nothing."""
        self._post(session, Item(given, self.clock.now()))

    def posted(self, session: str, given: Input | Late) -> asyncio.Future[Any]:
        """Put an input in line; the future is of its reply, once it is durable and performed, or of what it raises."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and loop is not self._loop:
            raise Refused("runtime", "it is at work on another event loop", "use asyncio.run_coroutine_threadsafe")
        future: asyncio.Future[Any] = loop.create_future()
        self._post(session, Item(given, self.clock.now(), future))
        return future

    async def replied(self, session: str, given: Input | Late) -> Reply:
        """Do the same for inputs whose reply needs no looking into."""
        return cast("Reply", await self.posted(session, given))

    def _post(self, session: str, item: Item) -> None:
        if self._closed or self._writer is None:
            item.fail(Refused("runtime", "it is not open", "use it in `async with`"))
            return
        try:
            line = self._line(session)
        except StoreError as error:
            self._not_loaded(session, item, error)
            return
        line.add(item)
        if not line.busy:
            self._advance(line)

    def _not_loaded(self, session: str, item: Item, error: StoreError) -> None:
        """Tell a request that its session cannot be read; try again later with what must be taken."""
        if is_elsewhere(error):
            self.elsewhere.send(session, item, error)
            return
        if not item.must_be_taken:
            item.fail(error)
            return
        item.tries += 1
        log.warning("session %s: an input waits for the store (%s)", session, error)
        self.clock.call_at(self.clock.now() + us(self._pause(item.tries)), lambda: self._post(session, item))

    def _line(self, name: str) -> Line:
        """Return the line of a session, loaded if it is not in memory; what a process left is recovered first.

        The first step takes the session's lease; raise StoreError if another worker holds it. A session that rests under
        our own lease lost nothing: it only comes back to memory.
        """
        line = self._lines.get(name)
        if line is not None:
            return line
        kept = self._load(name)
        if kept is not None and kept.holder is not None:
            raise held_elsewhere(name, kept.holder)
        line = Line(name, None, 0) if kept is None else Line(name, kept.session, kept.performed, kept.lease)
        if kept is not None:
            line.ahead = max(self._ahead.pop(name, 0), kept.session.now - self.clock.now())
        if kept is not None and kept.rests and self._is_ours(kept):
            take_up(self, line)
        elif kept is not None:
            self._redeliver(line)
            line.put_back(Item(Recovered(self.policy), self.clock.now()))
        self._lines[name] = line
        return line

    def _is_ours(self, kept: Kept) -> bool:
        """Say whether a session is held by this very worker, and lives under the policy of this process."""
        return kept.lease.worker == self.store.worker and kept.session.policy == self.policy

    def _load(self, session: str) -> Kept | None:
        """Return what the store has of a session; what cannot be written down was never kept."""
        return self.store.load(session) if is_text(session) else None

    def _redeliver(self, line: Line) -> None:
        """Tell observers of durable hooks that the last process may not have performed."""
        session = line.session
        assert session is not None
        if line.performed >= session.revision:
            return
        view = project(session)
        for entry in self.store.journal(line.id, line.performed):
            owed = tuple(hook for hook in entry.hooks if hook.durable)
            if owed:
                self.counters["redelivered"] += len(owed)
                self._tell(Observed(line.id, entry.revision, view, entry.input, entry.moves, owed, True))
        line.performed = session.revision

    def _advance(self, line: Line) -> None:
        """Judge what waits in line until something has to be committed, or nothing waits."""
        while not line.busy and not self._closed:
            item = line.next()
            if item is None:
                line.fired = False
                line.changed()
                if line.session is None:
                    self._lines.pop(line.id, None)
                elif line.session.execution is None:
                    self.idle(line)
                return
            firing = self._due(line, item)
            if firing is not None:
                self._judge(line, Item(firing, item.now), firing)
                continue
            line.take(item)
            try:
                given = self._informed(line, item.resolve())
            except StoreError as error:
                self._failed(line, item, item.input, error)
            except Exception as error:  # what a sender made cannot be made: its trouble, nobody else's
                item.fail(error)
            else:
                self._judge(line, item, given)

    def _due(self, line: Line, item: Item) -> TimerFired | None:
        """Return the timer that was due before this input arrived: it is a step of its own, and comes first."""
        earliest = self.timers.earliest
        if line.session is None or (not line.fired and (earliest is None or earliest > item.now)):
            return None
        if type(item.input) in BEFORE_TIMERS:
            return None
        return due(line.session, item.now + line.ahead)

    def _informed(self, line: Line, given: Input) -> Input:
        """Add what the store has on the names in an input that the session does not have."""
        session = line.session
        if session is None:
            return self._above_the_floor(given)
        if isinstance(given, StartRun):
            found = None if given.key is None else self.store.key_ended(line.id, given.key)
            if found is None and given.run not in self._new_ids:
                found = self._ended_record(line.id, given.run)
            return found_in(given, found)
        if isinstance(given, NAMING_A_RUN):
            run = run_named(session, given.run)
            ended = None if run is not None else self._ended_record(line.id, given.run)
            if isinstance(given, Decide) and (run is None or request_open_or_closed(run, given.request) is None):
                return found_in(given, ended, self.closed_request(line.id, given.run, given.request))
            return found_in(given, ended)
        if isinstance(given, BRINGING_QUESTIONS) and session.head is not None and session.head.asked:
            return self._with_known(line, session.head.spec.id, given)
        return given

    def _above_the_floor(self, given: Input) -> Input:
        """Let a session that is opened count on from what others, and earlier lives of its id, came to."""
        floor = self.store.floor() if isinstance(given, StartRun) else None
        return given if floor is None else cast("Input", attrs.evolve(cast("Any", given), floor=floor))

    def _ended_record(self, session: str, run: str) -> Ended | None:
        """Find the record of an ended run; what cannot be written down was never kept."""
        return self.store.run_ended(session, run) if is_text(session) and is_text(run) else None

    def closed_request(self, session: str, run: str, request: str) -> Request | None:
        """Find a closed request; what cannot be written down was never kept."""
        is_name = is_text(session) and is_text(run) and is_text(request)
        return self.store.request_closed(session, run, request) if is_name else None

    def _with_known(self, line: Line, run: str, given: Any) -> Input:
        """Add what was asked under the same ids before the latest checkpoint: an id names one question for ever."""
        brings = given if isinstance(given, RunAsked) else given.result
        questions = brings.questions if isinstance(brings, RunAsked | Parked) else ()
        closed = [self.store.request_closed(line.id, run, question.id) for question in questions]
        known = tuple(request for request in closed if request is not None and request.answer is not None)
        return cast("Input", attrs.evolve(given, known=known)) if known else cast("Input", given)

    def _judge(self, line: Line, item: Item, given: Input) -> None:
        """Step; answer at once what changes nothing, stage what does."""
        before = line.session
        try:
            step = self.kernel.step(before, given, item.now + line.ahead)
            rule = None if step.session is before else broken(before, step)
        except Exception as error:  # total by contract; a breach is a bug of ours and must not stop the line
            log.exception("session %s: the kernel failed on %s", line.id, type(given).__name__)
            step, rule = None, f"total ({error!r})"
        if step is None or rule is not None:
            self._set_aside(line, item, given, str(rule))
        elif step.session is before:
            self._answer_unchanged(line, item, step)
        elif not step.journalled:
            line.session = step.session
            self._perform(line, given, step)
            self._answer(line, item, step.reply)
        else:
            self._stage(line, item, given, step)

    def _answer_unchanged(self, line: Line, item: Item, step: Step) -> None:
        self.counters["no_ops"] += 1
        reply = step.reply
        if isinstance(reply, Stale):
            self.counters["stale"] += 1
        elif line.session is None and isinstance(reply, Rejection) and reply.subject == "session":
            # the kernel knows no name of what it has not got
            reply = cast("Reply", attrs.evolve(cast("Any", reply), subject=f"session {line.id}"))
        self._answer(line, item, reply)

    def _answer(self, line: Line, item: Item, reply: Reply | None) -> None:
        """Answer what no step was kept for."""
        if item.asked:
            self.elsewhere.answer(line, item, reply)
        elif isinstance(reply, Rejection):
            item.fail(reply.exception())
        else:
            item.reply(reply)

    def _set_aside(self, line: Line, item: Item, given: Input, rule: str) -> None:
        """Commit nothing of a step that would break a rule: tell a request, fail the head for a fact."""
        self.counters["invariants_broken"] += 1
        log.error("session %s: %s would break %s; nothing was committed", line.id, type(given).__name__, rule)
        fact = f"{type(given).__name__} would break {rule}"
        error = InvariantBroken(f"session {line.id}", fact, "report it with the journal", rule=rule)
        self._answer(line, item, rejection_of(error))
        if given.fact and not isinstance(given, SetAside):
            line.put_back(Item(SetAside(fact), item.now))

    def _stage(self, line: Line, item: Item, given: Input, step: Step) -> None:
        assert self._writer is not None
        line.busy = True
        assert step.session is not None
        commit = build_commit(line.session, given, step.session.now, step, line.performed, line.lease, item.asked)
        self._writer.stage(commit, partial(self._committed, line, item, given, step))

    def _committed(self, line: Line, item: Item, given: Input, step: Step, verdict: StoreError | None) -> None:
        """Perform and acknowledge what is durable; answer or retry what is not."""
        if verdict is not None:
            self._failed(line, item, given, verdict)
            return
        if item.tries:
            log.warning("session %s: the store keeps again, after %d tries", line.id, item.tries)
        line.session = step.session
        if line.lease.worker != self.store.worker:
            line.lease = acquired(line.lease, self.store.worker)
        line.busy = False
        self._perform(line, given, step)
        if item.asked:
            self.elsewhere.answered(item)  # the reply is kept with the step
        else:
            item.reply(step.reply)
        if line.offer_is_new:  # after the acknowledgement: an abort that follows it at once comes before the begin
            line.offer_is_new = False
            if line.offer is not None:
                self.offered(line, *line.offer)
        self._advance(line)

    def _failed(self, line: Line, item: Item, given: Input | Late, error: StoreError) -> None:
        """Tell requests; keep what must be taken first in line and try again, ever more rarely."""
        self.counters["commits_failed"] += 1
        if self._closed:  # nothing is tried again here
            item.fail(error)
            return
        if error.fields.get("permanent") and isinstance(given, Input) and given.fact:
            line.busy = False  # it can never be kept: trying again would hold the session for ever
            self._set_aside(line, item, given, str(error))
            self._advance(line)
            return
        if is_below_floor(error):
            item.input = given
            line.put_back(item)
            line.busy = False
            self._advance(line)
            return
        if error.fields.get("withdrawn"):
            self.elsewhere.answered(item)
            line.busy = False
            self._advance(line)
            return
        if is_lost(error) or has_left(error):  # as if it had been known from the start: whoever holds it now is asked
            line.put_back(item)
            self._reload(line, error)
            return
        line.busy = True
        if item.must_be_taken:
            item.tries += 1
            item.input = given
            if item.tries == 1:
                log.warning("session %s: %s waits for the store (%s)", line.id, type(given).__name__, error)
            line.put_back(item)
            for request in line.requests_in_line():
                request.fail(error)
            self._try_again(line, error, self._pause(item.tries))
            return
        item.fail(error)
        line.busy = False
        if is_behind(error):
            self._reload(line, error)
        else:
            self._advance(line)

    def _pause(self, tries: int) -> float:
        """Return how many seconds to wait before the next try."""
        limits = self.limits
        return float(min(limits.retry_seconds_max, limits.retry_seconds_min * 2 ** min(tries - 1, 20)))

    def _try_again(self, line: Line, error: StoreError, seconds: float) -> None:
        """Let the line rest, and go on with what is first in it."""
        line.busy = True
        self._retries += 1
        self.clock.call_at(self.clock.now() + us(seconds), lambda: self._retry(line, error))

    def _retry(self, line: Line, error: StoreError) -> None:
        self._retries -= 1
        line.busy = False
        if is_behind(error):
            self._reload(line, error)
            return
        item = line.next()
        if item is not None and isinstance(item.input, TimerFired):
            item.now = self.clock.now()  # a firing keeps no arrival: the grace it starts begins when it counts
        self._advance(line)

    def _reload(self, line: Line, error: StoreError) -> None:
        """Take a session up as the store has it, because no step that stands on what is here will be kept.

        It is recovered like one of a process that is gone; facts that wait are judged after that, and are stale then.
        """
        if self._closed:
            return
        line.busy = True  # nothing is judged on what is here, even if the store cannot be read now
        self.counters["reloaded"] += 1
        if line.grant is not None:
            log.error("%s; what was at work here is lost, and it is taken up as it is there", error)
        else:  # two that open one session at once are no trouble, nor is one that others have gone on with
            log.log(logging.DEBUG if line.session is None else logging.INFO, "%s; it is taken up as it is there", error)
        runs = () if line.session is None else line.session.unfinished()
        try:
            records = {run.spec.id: self._ended_record(line.id, run.spec.id) for run in runs}
        except StoreError:
            self._try_again(line, error, self.limits.retry_seconds_max)
            return
        waiting = line.everything_in_line()
        self._lines.pop(line.id, None)
        self.left_behind(line.id)
        let_go(self, line, {run: record for run, record in records.items() if record is not None})
        self._recover(line.id)
        if line.id not in self._lines:  # it goes on elsewhere, and holds nothing here
            put_down(self, line)
        if line.id in self._unread:
            self._take_over_later()
        for item in waiting:
            self._post(line.id, item)
        line.left()

    def _recover(self, name: str) -> bool:
        """Load a session; its recovery is the first in line. One that cannot be read is named once, and tried again."""
        try:
            self._advance(self._line(name))
        except StoreError as error:
            if not is_elsewhere(error):
                self._not_recovered(name, error)
            return False
        self._unread.discard(name)
        return True

    def _not_recovered(self, name: str, error: StoreError) -> None:
        if name not in self._unread:
            self._unread.add(name)
            self.counters["not_recovered"] += 1
            log.error("session %s: cannot be recovered (%s)", name, error)

    def session(self, name: str) -> Session:
        """Return the present value of a session; raise NotFound for one that was never opened."""
        line = self._lines.get(name)
        if line is not None and line.session is not None:
            return line.session
        self._readable()
        kept = self._load(name)
        if kept is None:
            raise NotFound(f"session {name}", "not known here", "start a run to open it")
        return kept.session

    def _readable(self) -> None:
        """Refuse to look at the store after the runtime has let go of it."""
        if self._closed:
            raise Refused("runtime", "it is shut down", "start another")

    def new_run_id(self) -> str:
        """Return an id that no run has: nobody needs to look for it."""
        name = f"r-{os.urandom(6).hex()}"
        self._new_ids.add(name)
        return name

    async def _quiet(self, over_at: int | None = None) -> None:
        """Wait until every step staged so far is durable and performed, at most until a time of the engine's clock."""
        while self._busy() and not self._retries and (over_at is None or self.clock.now() < over_at):
            await asyncio.sleep(0)

    def _busy(self) -> bool:
        return self._writer is not None and self._writer.busy

    # -- performing hooks ---------------------------------------------------------------------------------------------

    def _perform(self, line: Line, given: Input, step: Step) -> None:
        """Perform the hooks of a step in order, then tell the observers, then whoever waits."""
        for hook in step.hooks:
            perform = PERFORM.get(type(hook))
            if perform is not None:
                try:
                    perform(self, line, hook, step)
                except RAISED as error:  # the step stands; the other hooks and whoever waits must not suffer
                    self._not_performed(line, hook, error)
        session = step.session
        assert session is not None
        if line.grant is not None and (session.execution is None or session.execution.id != line.grant.execution):
            line.grant.abort("over")  # whatever still waits in it waits for nothing
            line.grant = None
        line.performed = session.revision
        if self._observers:
            moves, performed = step.moves, step.hooks
            self._tell(Observed(line.id, session.revision, project(session), given, moves, performed))
        if line.watchers:
            line.changed()

    def _not_performed(self, line: Line, hook: Hook, error: BaseException) -> None:
        """Count and report a hook that failed; code that could not be called has failed, and its run with it."""
        self.counters["hook_errors"] += 1
        log.exception("session %s: %s could not be performed; the step stands", line.id, type(hook).__name__)
        if isinstance(hook, CallCode):
            failure = Failure(fitted(f"its code could not be called ({error})"))
            self.post(line.id, ExecutionSettled(hook.execution, hook.token, failure))

    def _tell(self, observed: Observed) -> None:
        for observer in tuple(self._observers):
            try:
                observer(observed)
            except RAISED:
                self.counters["observer_errors"] += 1
                log.exception("session %s: an observer raised; the step stands", observed.session)

    # -- for the runtime ----------------------------------------------------------------------------------------------

    def idle(self, line: Line) -> None:
        """Take note that nothing is in line and no code is live: what nobody needs may leave memory."""

    def offered(self, line: Line, run: str, execution: int) -> None:
        """Take note of an offer to begin; a tracker's own loop takes it up by ``begin``."""

    def call(self, line: Line, grant: Grant) -> None:
        """Call the code; a tracker's own loop has it already."""

    def left_behind(self, session: str) -> None:
        """Take note that code of that session may still be at work here, though it is lost there."""

    def run_over(self, session: str, run: str) -> None:
        """Take note that a run has ended; what was kept for its sake may go."""

    def run_rests(self, session: str, spec: RunSpec) -> None:
        """Take note that a run leaves memory and goes on; what would be found again may go."""

    def emitted(self, grant: Grant, text: str) -> bool:
        """Append a frame of that grant, if it is the present one and its run goes on."""
        line = self._lines.get(grant.session)
        session = None if line is None else line.session
        current = line is not None and line.grant is grant and session is not None
        if current and session is not None and session.head is not None and session.head.spec.id == grant.id:
            self.streams.made(grant.session, grant.id).emit(text, self.limits)
            return True
        self.counters["late_frames"] += 1
        return False

    def _timer_fired(self, session: str, fired: TimerFired) -> None:
        line = self._lines.get(session)
        if line is not None:
            line.fired = True  # it stands behind what arrived before it, but what was due first comes first
        self.post(session, fired)

    def is_own_code(self, line: Line) -> bool:
        """Say whether the code of that line is what calls now: a drain must not wait for its own requester."""
        return False

    # -- for handles --------------------------------------------------------------------------------------------------

    def signal(self, session: str, run: str) -> Signal | None:
        """Return the signal of a run that is unfinished or whose code has not returned."""
        if session not in self._lines:
            self._taken_up(session)
        controller = self.controllers.get(session, run)
        return None if controller is None else controller.signal

    def _taken_up(self, session: str) -> None:
        """Bring a session to memory that may rest; one that cannot be had now is left."""
        if self._writer is not None and not self._closed:
            with suppress(StoreError):
                self._advance(self._line(session))

    def ended(self, session: str, run: str) -> RunEnd | None:
        """Return how a run ended; none if it has not."""
        line = self._lines.get(session)
        if line is not None and run_named(line.session, run) is not None:
            return None  # the store may have the end already; nobody is told before it is performed here
        self._readable()
        record = self._ended_record(session, run)
        return None if record is None else end_of(record)

    def end_future(self, session: str, run: str) -> asyncio.Future[RunEnd]:
        """Return a future of the run's end."""
        future: asyncio.Future[RunEnd] = asyncio.get_running_loop().create_future()
        self.end_waiters.setdefault((session, run), []).append(future)
        return future

    def forget_end_future(self, session: str, run: str, future: asyncio.Future[RunEnd]) -> None:
        """Keep nothing of a wait that is over."""
        waiters = self.end_waiters.get((session, run), [])
        if future in waiters:
            waiters.remove(future)
            if not waiters:
                del self.end_waiters[session, run]

    async def change(self, session: str, until: Until | None = None) -> None:
        """Wait for a step of a session, see ``Line.change``; raise NotFound for one that was never opened."""
        if session not in self._lines:
            self.session(session)
        try:
            line = self._line(session)
        except StoreError as error:
            if not is_elsewhere(error):
                raise
            await self.elsewhere.change()
        else:
            await self._changed(line, until)

    async def _changed(self, line: Line, until: Until | None = None) -> None:
        """Wait for a step of a line; one that was just loaded is recovered by then, and may rest afterwards."""
        changing = line.change(until)
        if not line.busy and line.next() is not None:
            asyncio.get_running_loop().call_soon(self._advance, line)
        try:
            await changing
        finally:
            asyncio.get_running_loop().call_soon(self._watched_no_more, line)  # who follows is back before that

    def _watched_no_more(self, line: Line) -> None:
        """Let a session that nobody watches any more leave memory in its turn."""
        session, is_here = line.session, self._lines.get(line.id) is line
        is_quiet = not line.busy and not line.watchers and line.next() is None
        if is_here and is_quiet and session is not None and session.execution is None:
            self.idle(line)

    # -- for what other workers hold ----------------------------------------------------------------------------------

    def take(self, session: str, item: Item) -> None:
        """Put an input in line that another worker was asked for, or asks for."""
        self._post(session, item)

    def holds(self, session: str) -> bool:
        """Say whether a session is stepped here."""
        line = self._lines.get(session)
        return line is not None and line.session is not None

    def check_leases(self) -> None:
        """Let go of every session that another worker has taken: at once where code is at work, then of the others."""
        for line in [line for line in self._lines.values() if line.grant is not None]:
            self.check_lease(line)
        self._check_leases_of([name for name, line in self._lines.items() if line.grant is None])

    def _check_leases_of(self, names: list[str]) -> None:
        """Look at some sessions, and let the loop turn before the next: whoever shows or awaits them is told the truth."""
        for name in names[:TAKEN_AT_ONCE]:
            line = self._lines.get(name)
            if line is not None and not self._closed:
                self.check_lease(line)
        if names[TAKEN_AT_ONCE:] and not self._closed:
            asyncio.get_running_loop().call_soon(self._check_leases_of, names[TAKEN_AT_ONCE:])

    def check_lease(self, line: Line) -> None:
        """Let go of a session if another worker has taken it; one whose step is on its way will hear of it."""
        if line.busy:
            return
        try:
            kept = self._load(line.id)
        except StoreError as error:
            log.warning("%s", error)
            return
        if kept is not None and kept.lease != line.lease:
            self._reload(line, lost_lease(line.id, line.lease, kept.lease, kept.holder))

    def take_over(self) -> bool:
        """Take up every session that nobody holds any more, and recover it; false: not now.

        One that is in memory here was this worker's before others took it, who are gone in their turn.
        """
        if self._closing is not None:
            return False
        if self.clock.now() < self._takes_from:
            self._take_over_at(self._takes_from)
            return False
        try:
            left = self.store.unsettled()
        except StoreError as error:
            log.warning("%s; what nobody holds waits for now", error)
            self._take_over_later()
            return False
        if not left:
            self._overtakings = 0
        self._take_over_of(list(left))
        return True

    def _take_over_of(self, names: list[str]) -> None:
        """Take up some of them, and let the loop turn before the next; then look for those that are due."""
        first, others = names[:TAKEN_AT_ONCE], names[TAKEN_AT_ONCE:]
        for name in first:
            line = self._lines.get(name)
            if line is not None and not self._closed:
                self.check_lease(line)
        self._take_up(first)
        if any(self._is_left(name) for name in first):
            self._take_over_later()
        if self._closed:
            return
        if others:
            asyncio.get_running_loop().call_soon(self._take_over_of, others)
        else:
            self.look_for_due()

    def _is_left(self, name: str) -> bool:
        """Say whether nobody knows yet that a session is taken up: it could not be read, or something of it is noted now."""
        line = self._lines.get(name)
        return line is None or line.busy

    def _take_over_later(self) -> None:
        """Look again for what nobody holds, ever more rarely: it may be that nobody else leaves, and so nobody looks."""
        self._overtakings += 1
        self._take_over_at(self.clock.now() + us(self._pause(self._overtakings)))

    def _take_over_at(self, due: int) -> None:
        if not self._overtakes_later:
            self._overtakes_later = True
            self.clock.call_at(due, self._take_over_again)

    def _take_over_again(self) -> None:
        self._overtakes_later = False
        if not self._closed:
            self.take_over()

    def _take_up(self, sessions: Iterable[str]) -> int:
        """Take up sessions that are not in memory; return how many could be read."""
        return sum(self._recover(name) for name in sessions if name not in self._lines and not self._closed)

    def look_for_due(self) -> None:
        """Take up what rests and is due."""

    @property
    def is_closed(self) -> bool:
        """Say whether nothing happens here any more."""
        return self._closed


def found_in(given: Any, run: Ended | None, request: Request | None = None) -> Input:
    """Return the input with what the store found; the very same one if that is nothing."""
    if run is None and request is None:
        return cast("Input", given)
    return cast("Input", attrs.evolve(given, found=Found(run, request)))


BEFORE_TIMERS = frozenset({Recovered, TimerFired})
"""Inputs that no timer goes before, however long it has been due."""

NAMING_A_RUN = (AbortRun, Begin, Decide)
BRINGING_QUESTIONS = (RunAsked, ExecutionSettled)

TAKEN_AT_ONCE = 64
"""How many sessions are taken over, or looked at after a late heartbeat, in one turn of the loop."""


def slot_state(session: Session) -> str | None:
    """Return the state of the execution in the slot."""
    return None if session.execution is None else session.execution.state
