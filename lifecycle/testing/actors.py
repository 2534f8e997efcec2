"""Actors: agents that do what they are told.

What lives here: the told agent. What must not: an order of telling; a story or a schedule has that. The law of this
file: an actor does nothing by itself, so whoever tells it knows what happened.
"""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import attrs

from lifecycle.runtime import Grant, Park


@attrs.define(eq=False)
class Told:
    """One act that an agent was told to do, and what came of it."""

    act: Callable[[Grant], Any]
    done: bool = False
    value: Any = None
    error: BaseException | None = None


class Returned(Exception):
    """Carry what a told agent is to return."""


class Raised(Returned):
    """Be raised out of a told agent."""


class Actor:
    """An async agent that does what it is told, one act after another, and tells what came of it.

    ``stubborn``: swallows cancellation, for as long as it is left so.
    """

    made: ClassVar[weakref.WeakSet[Actor]] = weakref.WeakSet()

    def __init__(self, stubborn: bool = False) -> None:
        self.made.add(self)
        self.stubborn = stubborn
        self.grants: list[Grant] = []
        self.cancelled = 0
        self._acts: asyncio.Queue[Told] = asyncio.Queue()

    async def __call__(self, run: Grant) -> Any:
        """Be the agent."""
        self.grants.append(run)
        while True:
            try:
                told = await self._acts.get()
                await self._do(told, run)
            except asyncio.CancelledError:
                self.cancelled += 1
                if not self.stubborn:
                    raise
            except Raised as raised:
                raise raised.args[0] from None
            except Returned as returned:
                return returned.args[0]

    async def _do(self, told: Told, run: Grant) -> None:
        try:
            told.value = told.act(run)
            if inspect.isawaitable(told.value):
                told.value = await told.value
        except Returned:
            raise
        except BaseException as error:
            told.error = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            told.done = True

    @property
    def run(self) -> Grant:
        """Return the latest grant."""
        return self.grants[-1]

    @property
    def called(self) -> list[str]:
        """Return the ids of the runs it was called for, call by call."""
        return [grant.id for grant in self.grants]

    def tell(self, act: Callable[[Grant], Any]) -> Told:
        """Let it do something next; a coroutine is awaited."""
        told = Told(act)
        self._acts.put_nowait(told)
        return told

    def emit(self, *frames: Any) -> Told:
        """Let it emit."""
        return self.tell(lambda run: [run.emit(frame) for frame in frames])

    def ask(self, *questions: Any) -> Told:
        """Let it ask, all at once, and wait in place."""
        return self.tell(lambda run: asyncio.gather(*(run.ask(question) for question in questions)))

    def checkpoint(self, data: Any) -> Told:
        """Let it keep a checkpoint."""
        return self.tell(lambda run: run.checkpoint(data))

    def returns(self, value: Any = None) -> Told:
        """Let it return."""

        def act(run: Grant) -> None:
            raise Returned(value)

        return self.tell(act)

    def parks(self, checkpoint: Any, *questions: Any) -> Told:
        """Let it park."""
        return self.returns(Park(checkpoint, questions))

    def raises(self, error: BaseException) -> Told:
        """Let it raise."""

        def act(run: Grant) -> None:
            raise Raised(error)

        return self.tell(act)
