"""The grant: what code that may run for a run has in its hands.

What lives here: emitting, asking, checkpoints, and reporting how it ended; for code on the event loop and for code in
a thread. What must not: judgement. The law of this file: everything that leaves bears the token of the grant, so code
whose run is over says nothing that counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from lifecycle.kernel.inputs import (
    Checkpointed,
    ExecutionSettled,
    Failure,
    Parked,
    RequestRetracted,
    RunAsked,
    RunCompleted,
    RunFailed,
    Value,
)
from lifecycle.kernel.replies import Asked, Stale
from lifecycle.kernel.values import Answer, Question, Run
from lifecycle.runtime.border import fitted
from lifecycle.runtime.controllers import RunAborted, Signal
from lifecycle.runtime.host import Host
from lifecycle.runtime.payload import text_of, value_of
from lifecycle.runtime.questions import Ask, HumanAnswer, Park, human_answer, question_of

T = TypeVar("T")


class Grant:
    """One execution of a run. An agent's code is called with it; a tracker's own loop gets it from ``begin``.

    ``input`` and ``checkpoint_data`` are decoded JSON; ``answers`` those since the latest checkpoint, by request id;
    ``attempt`` counts from 1; ``signal`` says when the run has ended.
    """

    __slots__ = (
        "_asked_before",
        "_input",
        "_same",
        "_waiting",
        "answers",
        "attempt",
        "checkpoint_data",
        "execution",
        "id",
        "key",
        "owner",
        "reported",
        "session",
        "signal",
        "token",
        "tracker",
    )

    def __init__(self, tracker: Host, session: str, run: Run, execution: int, token: int, signal: Signal) -> None:
        self.tracker = tracker
        self.session = session
        self.id = run.spec.id
        self.key = run.spec.key
        self.owner = run.spec.owner
        self.attempt = run.attempt
        self._input = run.spec.input
        self.checkpoint_data: Any = value_of(run.checkpoint)
        self.answers = {answer.request: human_answer(answer) for answer in run.answers}
        self.execution = execution
        self.token = token
        self.signal = signal
        self.reported = False
        self._asked_before = run.asked
        self._same: dict[str, int] | None = None
        self._waiting: dict[str, list[asyncio.Future[Answer]]] | None = None

    @property
    def input(self) -> Any:
        """Return the run's input, decoded anew at each look."""
        return value_of(self._input)

    # -- while it runs ------------------------------------------------------------------------------------------------

    def emit(self, data: Any) -> bool:
        """Append a frame to the open segment, or hold it for the next one; false, and counted, once the run is over.

        Raise Invalid for what is no JSON and Busy beyond ``frame_bytes_max``. Costs no commit and never waits.
        """
        bound = self.tracker.limits.frame_bytes_max
        return self.tracker.emitted(
            self, text_of(f"frame of run {self.id}", data, "frame_bytes_max", bound, sort_keys=False)
        )

    async def ask(self, question: Ask) -> HumanAnswer:
        """Ask a human and wait in place. Cancelling takes the question back; raise RunAborted once the run is over.

        The coroutine stays in memory, and with it the process must: see ``Park`` for what survives.
        """
        made = self._question(question)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self._waiting is None:
            self._waiting = {}
        self._waiting.setdefault(made.id, []).append(waiting)
        try:
            fact = RunAsked(self.execution, self.token, (made,))
            reply = await self.tracker.posted(self.session, fact)  # cancelled, it is still taken: it is a fact
            if isinstance(reply, Stale):
                raise RunAborted(self.id, self.signal.cause or "over")
            if not isinstance(reply, Asked):
                raise RunAborted(self.id, self.signal.cause or "failed")
            given = reply.answers[0] if reply.answers else await waiting
        except asyncio.CancelledError:
            if len((self._waiting or {}).get(made.id, ())) <= 1:  # nobody else waits for the same answer
                self.tracker.post(self.session, RequestRetracted(self.execution, self.token, made.id))
            raise
        finally:
            self._forget(made.id, waiting)
        self.answers[given.request] = answer = human_answer(given)
        return answer

    async def checkpoint(self, data: Any) -> None:
        """Keep ``data`` as the point from which the run can be taken up again; durable on return."""
        bound = self.tracker.limits.checkpoint_bytes_max
        text = text_of(f"checkpoint of run {self.id}", data, "checkpoint_bytes_max", bound)
        reply = await self.tracker.posted(self.session, Checkpointed(self.execution, self.token, text))
        if isinstance(reply, Stale):
            raise RunAborted(self.id, self.signal.cause or "over")
        self.checkpoint_data, self.answers = data, {}

    # -- how it ends: an agent returns or raises; a tracker's own loop says it here -----------------------------------

    async def complete(self, result: Any = None) -> None:
        """Report that the answer is there, though the code has not returned yet."""
        fact = RunCompleted(self.id, self._result(result), self.execution, self.token)
        self.reported = True
        await self.tracker.posted(self.session, fact)

    async def fail(self, text: str) -> None:
        """Report that the run failed, though the code has not returned yet."""
        self.reported = True
        await self.tracker.posted(self.session, RunFailed(self.id, fitted(text), self.execution, self.token))

    async def settle(self, result: Any = None) -> None:
        """Report that the code has returned ``result``; a ``Park`` parks the run. A run that is over stays as it is."""
        await self.tracker.posted(self.session, self.settled(result))

    async def settle_failed(self, text: str) -> None:
        """Report that the code has raised."""
        fact = ExecutionSettled(self.execution, self.token, Failure(fitted(text)))
        await self.tracker.posted(self.session, fact)

    def settled(self, result: Any) -> ExecutionSettled:
        """Make the fact of a return."""
        if isinstance(result, Park):
            bound = self.tracker.limits.checkpoint_bytes_max
            subject = f"checkpoint of run {self.id}"
            kept = (
                None
                if result.checkpoint is None
                else text_of(subject, result.checkpoint, "checkpoint_bytes_max", bound)
            )
            questions = tuple(self._question(question) for question in result.questions)
            return ExecutionSettled(self.execution, self.token, Parked(kept, questions))
        return ExecutionSettled(self.execution, self.token, Value(self._result(result)))

    def _result(self, result: Any) -> str | None:
        if result is None:
            return None
        bound = self.tracker.limits.result_bytes_max
        return text_of(f"result of run {self.id}", result, "result_bytes_max", bound, sort_keys=False)

    # -- for the tracker ----------------------------------------------------------------------------------------------

    def hand(self, answers: tuple[Answer, ...]) -> None:
        """Hand the answers over to the code that waits for them."""
        for answer in answers:
            for waiting in (self._waiting or {}).get(answer.request, ()):
                if not waiting.done():
                    waiting.set_result(answer)

    def abort(self, cause: str) -> None:
        """Wake whatever waits for a human: the run has ended."""
        for several in list((self._waiting or {}).values()):
            for waiting in several:
                if not waiting.done():
                    waiting.set_exception(RunAborted(self.id, cause))

    def _question(self, ask: Ask) -> Question:
        """Name a question after its content and how often it was asked, unless it has a name."""
        bound = self.tracker.limits.request_bytes_max
        policy = self.tracker.policy
        made = question_of(ask, policy, self._asked_before, 0, bound)
        if ask.id is not None:
            return made
        if self._same is None:
            self._same = {}
        same = self._same.get(made.digest, 0)
        self._same[made.digest] = same + 1
        return made if not same else question_of(ask, policy, self._asked_before, same, bound)

    def _forget(self, name: str, waiting: asyncio.Future[Answer]) -> None:
        assert self._waiting is not None
        several = self._waiting.get(name, [])
        if waiting in several:
            several.remove(waiting)
        if not several:
            self._waiting.pop(name, None)
        if waiting.done() and not waiting.cancelled():
            waiting.exception()  # looked at, so that nobody warns of it


class ThreadGrant:
    """The same for code in a thread: what waits, blocks; everything may be called from any thread."""

    def __init__(self, grant: Grant, loop: asyncio.AbstractEventLoop) -> None:
        self._grant = grant
        self._loop = loop
        self.session = grant.session
        self.id = grant.id
        self.key = grant.key
        self.owner = grant.owner
        self.attempt = grant.attempt
        self.input = grant.input
        self.signal = grant.signal

    @property
    def checkpoint_data(self) -> Any:
        """Return the latest checkpoint, decoded."""
        return self._grant.checkpoint_data

    @property
    def answers(self) -> dict[str, HumanAnswer]:
        """Return the answers since the latest checkpoint, by request id."""
        return self._grant.answers

    def emit(self, data: Any) -> bool:
        """Append a frame; false once the run is over. Raise Invalid or Busy as on the event loop."""
        bound = self._grant.tracker.limits.frame_bytes_max
        text = text_of(f"frame of run {self.id}", data, "frame_bytes_max", bound, sort_keys=False)
        try:
            self._loop.call_soon_threadsafe(self._grant.tracker.emitted, self._grant, text)
        except RuntimeError:  # the loop is gone, and with it whoever could have read the frame
            return False
        return not self.signal.aborted

    def ask(self, question: Ask) -> HumanAnswer:
        """Ask a human and block until the answer is there; raise RunAborted once the run is over."""
        return self._blocking(self._grant.ask(question))

    def checkpoint(self, data: Any) -> None:
        """Keep a checkpoint; durable on return."""
        self._blocking(self._grant.checkpoint(data))

    def _blocking(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise RunAborted(self.id, self.signal.cause or "shutdown") from None
        return future.result()
