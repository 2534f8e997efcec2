"""Rehearsal: the moves of a checker's trace on a real tracker, with its lines, its store and its hooks.

What lives here: how each move becomes a call of the tracker or of a grant, or an input posted to the session's line;
and the comparison with the same moves on the kernel alone. What must not: a search. The law of this file: whatever the
runtime does otherwise than the kernel is a fault, and told.

Time stands still: a timer fires when the trace says so, by a firing that arrives when it is due.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, cast

from lifecycle.check.case import Case
from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import CHECKPOINT, RESTART, RESULT, Remembered
from lifecycle.check.parts import SESSION_ID
from lifecycle.check.replay import Life, Lived, due_of
from lifecycle.check.rules import first_broken
from lifecycle.check.slices import CRASH, PERFORM
from lifecycle.check.words import state_in_words
from lifecycle.check.world import Stepper, machines_of
from lifecycle.errors import Invalid, LifecycleError
from lifecycle.kernel import KERNEL, Step
from lifecycle.kernel.engine import Kernel
from lifecycle.kernel.inputs import (
    AbortRun,
    AbortSession,
    Attach,
    Begin,
    Checkpointed,
    CloseSession,
    Detached,
    ExecutionSettled,
    Failure,
    Input,
    Lost,
    ProviderReported,
    RunCompleted,
    RunFailed,
    TimerFired,
    Value,
)
from lifecycle.kernel.values import Session
from lifecycle.runtime.controllers import RunAborted
from lifecycle.runtime.grant import Grant
from lifecycle.runtime.handle import Attachment, RunHandle
from lifecycle.runtime.line import Item
from lifecycle.runtime.payload import value_of
from lifecycle.runtime.tracker import Tracker
from lifecycle.testing.playing import as_sent, session_of
from lifecycle.testing.stage import Stage


class Recording:
    """A kernel that remembers what it was asked, and what came of it."""

    def __init__(self, kernel: Stepper) -> None:
        self.kernel = kernel
        self.steps: list[tuple[Session | None, Input, Step]] = []

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Step, and remember it."""
        step = self.kernel.step(session, given, now)
        self.steps.append((session, given, step))
        return step


class Rehearsal:
    """A configuration on a tracker, beside the same life on the kernel alone."""

    def __init__(self, config: Configuration, kernel: Stepper = KERNEL) -> None:
        self.life = Life(config, kernel)
        self.stage = Stage(in_place=True)
        self.recording = Recording(kernel)
        self.machines = machines_of(kernel)
        self.attached: dict[str, Attachment] = {}
        self.faults: list[str] = []
        self.tracker: Tracker

    async def _open(self) -> None:
        """Start a process."""
        kernel = cast("Kernel", self.recording)
        self.tracker = await self.stage.open(kernel, Tracker, policy=self.life.config.policy)

    async def play(self, names: Sequence[str]) -> tuple[str, ...]:
        """Play the moves on both; return what went wrong. A move that cannot happen is where the trace ends."""
        await self._open()
        try:
            for at, name in enumerate(names):
                if self.faults or not await self._move(name, *names[at + 1 : at + 2]):
                    break
        finally:
            await self._release()
        return tuple(self.faults)

    async def _move(self, name: str, following: str = "") -> bool:
        """Play one move; return false if it cannot happen."""
        refused, given = self._refused(), self._input(name)
        self.recording.steps.clear()
        try:
            lived = self.life.do(name)
        except Invalid:
            return False
        await self._act(name, given, unperformed=following == CRASH and lived.changed)
        self.faults += [f"move {len(self.life.lived)}, {name}: {fault}" for fault in self._wrong(lived, refused)]
        return True

    def _wrong(self, lived: Lived, refused: int) -> Iterator[str]:
        """Say what is wrong with a move that was made on both."""
        broken = [self._broken(lived, *step) for step in self.recording.steps]
        yield from (f"the runtime breaks {rule}" for rule in dict.fromkeys(broken) if rule is not None)
        if self._refused() > refused:
            yield "the runtime refuses to commit it, or to perform its hooks"
        elif not any(broken) and lived.name != CRASH and shape(self.session) != shape(self.life.session):
            yield f"the runtime is at “{described(self.session)}”, the kernel at “{described(self.life.session)}”"

    def _refused(self) -> int:
        """Count what the runtime would not commit, or could not perform."""
        return self.tracker.counters["invariants_broken"] + self.tracker.counters["hook_errors"]

    def _broken(self, lived: Lived, before: Session | None, given: Input, step: Step) -> str | None:
        """Return the rule that a step of the runtime breaks."""
        move = self.life.moves.get(lived.name)
        return None if move is None else first_broken(Case(move, before, given, step, self.machines))

    @property
    def session(self) -> Session | None:
        """Return the session as the tracker has it."""
        return session_of(self.tracker)

    def _input(self, name: str) -> Input | None:
        """Return the input that a move makes of the tracker's session; what the store knows, the tracker adds."""
        move = self.life.moves.get(name)
        if move is None:
            return None
        known = Remembered() if move.memory is None else self.life.memory[move.memory]
        given = move.make(self.session, known)
        return None if given is None else self._renamed(as_sent(given))

    def _renamed(self, given: Input) -> Input:
        """Give a client that is attached the name that the tracker gave it."""
        if isinstance(given, Detached) and given.attachment in self.attached:
            return Detached(self.attached[given.attachment].id)
        return given

    # -- how a move is made -------------------------------------------------------------------------------------------

    async def _act(self, name: str, given: Input | None, unperformed: bool) -> None:
        """Do what a move stands for; a death right after it comes before its hooks."""
        if name == RESTART:
            await self._open()
            self.tracker._advance(self.tracker._line(SESSION_ID))
        elif name == CRASH:
            await self.stage.crash()
            self.attached.clear()
        elif name != PERFORM and given is not None:
            if unperformed:
                self.tracker._perform = lambda line, given, step: None  # type: ignore[method-assign]
            with contextlib.suppress(LifecycleError, RunAborted):  # whether a refusal was right, the comparison says
                await self._call(given)
        await self.stage.settle()

    async def _call(self, given: Input) -> None:
        """Make the call that stands for an input; post what nobody can call for."""
        call = CALLS.get(type(given))
        made = None if call is None else call(self, given)
        await (self.tracker.posted(SESSION_ID, given) if made is None else made)

    async def _release(self) -> None:
        """Let go of what is left, without a drain: whatever still waits is not what was asked about."""
        if self.stage.runtime is not None:
            await self.stage.crash()
        self.tracker.streams.end_all("shutdown")


async def rehearsed(config: Configuration, names: Sequence[str], kernel: Stepper = KERNEL) -> tuple[str, ...]:
    """Play the moves of these names on a real tracker; return what went wrong, in words."""
    return await Rehearsal(config, kernel).play(names)


# -- calls ------------------------------------------------------------------------------------------------------------

Made = Awaitable[object] | None


def grant_of(rehearsal: Rehearsal, given: Any) -> Grant | None:
    """Return the grant of the code that reports, if it is the present one."""
    line = rehearsal.tracker._lines.get(SESSION_ID)
    grant = cast("Grant | None", None if line is None else line.grant)
    return grant if grant is not None and (grant.execution, grant.token) == (given.execution, given.token) else None


def begin(rehearsal: Rehearsal, given: Begin) -> Made:
    """Ask for the grant of what is offered, as a loop of one's own does."""
    line = rehearsal.tracker._lines.get(SESSION_ID)
    offered = line is not None and line.offer == (given.run, given.execution)
    return rehearsal.tracker.begin(RunHandle(rehearsal.tracker, SESSION_ID, given.run)) if offered else None


def abort(rehearsal: Rehearsal, given: AbortRun) -> Made:
    """Abort a run by its handle."""
    return RunHandle(rehearsal.tracker, SESSION_ID, given.run).abort(by=given.by)


def abort_session(rehearsal: Rehearsal, given: AbortSession) -> Made:
    """Abort what is unfinished; one that is meant for an incarnation is posted."""
    return rehearsal.tracker.abort_session(SESSION_ID, by=given.by) if given.incarnation is None else None


def close_session(rehearsal: Rehearsal, given: CloseSession) -> Made:
    """Close the session; one that is meant for an incarnation is posted."""
    return rehearsal.tracker.close_session(SESSION_ID, by=given.by) if given.incarnation is None else None


async def attach(rehearsal: Rehearsal, given: Attach) -> None:
    """Attach, and remember under which name."""
    attachment = await rehearsal.tracker.attach(SESSION_ID, alive=lambda: given.alive)
    if attachment.holds:
        rehearsal.attached[given.attachment] = attachment


def report(rehearsal: Rehearsal, given: ProviderReported) -> Made:
    """Report what a provider says."""
    called = rehearsal.tracker.provider_reported
    return called(SESSION_ID, given.report, run=given.run, execution=given.execution, advisory=given.advisory)


def lose(rehearsal: Rehearsal, given: Lost) -> Made:
    """Report that a worker is gone."""
    return rehearsal.tracker.lost(SESSION_ID, given.execution)


def settle(rehearsal: Rehearsal, given: ExecutionSettled) -> Made:
    """Let the code return or raise, through its grant; what it parks on is posted."""
    grant = grant_of(rehearsal, given)
    if grant is None or given.result is None:
        return None
    if isinstance(given.result, Value):
        return grant.settle(value_of(given.result.result))
    return grant.settle_failed(given.result.text) if isinstance(given.result, Failure) else None


def complete(rehearsal: Rehearsal, given: RunCompleted) -> Made:
    """Let the code report its answer."""
    grant = grant_of(rehearsal, given)
    return None if grant is None else grant.complete(value_of(RESULT))


def fail(rehearsal: Rehearsal, given: RunFailed) -> Made:
    """Let the code report its failure."""
    grant = grant_of(rehearsal, given)
    return None if grant is None else grant.fail(given.text)


def checkpoint(rehearsal: Rehearsal, given: Checkpointed) -> Made:
    """Let the code keep a checkpoint."""
    grant = grant_of(rehearsal, given)
    return None if grant is None else grant.checkpoint(value_of(CHECKPOINT))


async def fire(rehearsal: Rehearsal, given: TimerFired) -> None:
    """Let a firing arrive when it is due, whatever else is armed."""
    tracker = rehearsal.tracker
    due = due_of(rehearsal.session, given) or tracker.clock.now()
    tracker._post(SESSION_ID, Item(given, max(due, tracker.clock.now())))


CALLS: dict[type[Input], Callable[[Rehearsal, Any], Made]] = {
    Begin: begin,
    AbortRun: abort,
    AbortSession: abort_session,
    CloseSession: close_session,
    Attach: attach,
    ProviderReported: report,
    Lost: lose,
    ExecutionSettled: settle,
    RunCompleted: complete,
    RunFailed: fail,
    Checkpointed: checkpoint,
    TimerFired: fire,
}
"""How each kind of input comes about in real life; the others are posted to the line as they are."""


# -- comparison -------------------------------------------------------------------------------------------------------


def described(session: Session | None) -> str:
    """Say where a session is."""
    return f"revision {0 if session is None else session.revision}: {state_in_words(session)}"


def shape(session: Session | None) -> object:
    """Return what must be the same on the kernel and on the runtime: everything but times and names of clients."""
    if session is None:
        return None
    slot, orphan = session.execution, session.orphan
    return (
        (session.state, session.cause, session.incarnation, session.revision, len(session.attachments)),
        tuple(
            (
                run.spec.id,
                run.state,
                run.attempt,
                run.segment,
                run.checkpoint,
                tuple((one.id, one.state) for one in run.requests),
                tuple((one.request, one.kind, one.content) for one in run.answers),
                run.deadline is None,
                run.queue_deadline is None,
            )
            for run in session.unfinished()
        ),
        None if slot is None else (slot.id, slot.run, slot.state, slot.token, slot.closing is None),
        None if orphan is None else orphan.due is None,
    )
