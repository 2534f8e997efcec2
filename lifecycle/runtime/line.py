"""The line: the inputs of one session, one after another.

What lives here: what a process keeps of a session while it is in memory. What must not: stepping and committing; the
tracker does that. The law of this file: a session has one line, and its next input is judged only when the last one is
durable and its hooks are performed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from lifecycle.kernel.inputs import Begin, Input
from lifecycle.kernel.lease import NOBODY, Lease
from lifecycle.kernel.values import Answer, Session

Late = Callable[[], Input]
"""An input that is made when it is judged: what it says about the world has to be true then."""


class Item:
    """An input in line, with the time of its arrival, which it keeps through every retry.

    ``asked`` is its number in the inbox, if it came from another worker; 0: it came from here.
    """

    __slots__ = ("asked", "future", "input", "now", "tries")

    def __init__(
        self, given: Input | Late, now: int, future: asyncio.Future[Any] | None = None, asked: int = 0
    ) -> None:
        self.input = given
        self.now = now
        self.future = future
        self.asked = asked
        self.tries = 0

    @property
    def must_be_taken(self) -> bool:
        """Say whether it is retried however long that takes: a fact, or a request that nobody waits to be told of."""
        return self.future is None or (isinstance(self.input, Input) and self.input.fact)

    def resolve(self) -> Input:
        """Return the input, made now if it is a late one."""
        if not isinstance(self.input, Input):
            self.input = self.input()
        return self.input

    def reply(self, value: object) -> None:
        """Tell the sender, if it still waits."""
        if self.future is not None and not self.future.done():
            self.future.set_result(value)

    def fail(self, error: Exception) -> None:
        """Raise at the sender, if it still waits."""
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)


PASSED_OVER_MAX = 64
"""How many inputs may go before a Begin, or a call, that waits: an abort in line comes first, a flood holds up nobody."""


class Granted(Protocol):
    """What a line knows of the grant of its execution; see ``Grant``."""

    id: str
    execution: int

    def hand(self, answers: tuple[Answer, ...]) -> None:
        """Hand answers over to the code that waits for them."""

    def abort(self, cause: str) -> None:
        """Wake whatever waits for a human."""


Until = Callable[["Line"], bool]
"""What somebody who watches a line waits for."""

Watcher = tuple["asyncio.Future[None]", Until | None]


class Line:
    """A session in memory: its value, what waits to be judged, who waits for a change.

    ``ahead``: by how much its engine time is ahead of the clock here, for it comes from a worker whose clock was; that
    worker started after the wall clock was set, or after the machine had slept. Durations last here what they last there.
    """

    __slots__ = (
        "ahead",
        "begins",
        "busy",
        "fired",
        "grant",
        "id",
        "inputs",
        "lease",
        "offer",
        "offer_is_new",
        "passed_over",
        "performed",
        "session",
        "watchers",
    )

    def __init__(self, name: str, session: Session | None, performed: int, lease: Lease = NOBODY) -> None:
        self.id = name
        self.ahead = 0
        self.lease = lease
        self.session = session
        self.performed = performed
        self.inputs: deque[Item] | None = None
        self.begins: deque[Item] | None = None
        self.busy = False
        self.fired = False
        self.passed_over = 0
        self.grant: Granted | None = None
        self.offer: tuple[str, int] | None = None
        self.offer_is_new = False
        self.watchers: list[Watcher] | None = None

    def add(self, item: Item) -> None:
        """Append an input; a Begin waits until nothing else does, so that an abort in line comes before it."""
        if isinstance(item.input, Begin):
            if self.begins is None:
                self.begins = deque()
            self.begins.append(item)
        else:
            if self.inputs is None:
                self.inputs = deque()
            self.inputs.append(item)

    def put_back(self, item: Item) -> None:
        """Let an input be the next one of its kind."""
        if isinstance(item.input, Begin):
            self.begins = deque([item, *(self.begins or ())])
            return
        if self.inputs is None:
            self.inputs = deque()
        self.inputs.appendleft(item)

    def next(self) -> Item | None:
        """Return the next input without taking it; the queues are dropped once they are empty."""
        if self.inputs and (not self.begins or self.passed_over < PASSED_OVER_MAX):
            return self.inputs[0]
        if not self.inputs:
            self.inputs = None
        if self.begins:
            return self.begins[0]
        self.begins = None
        return None

    def take(self, item: Item) -> None:
        """Take the input that ``next`` returned."""
        queue = self.inputs if self.inputs and self.inputs[0] is item else self.begins
        self.passed_over = self.passed_over + 1 if queue is self.inputs and self.begins else 0
        assert queue is not None
        queue.popleft()

    def requests_in_line(self) -> list[Item]:
        """Take every request out of line whose sender can be told, in order; what must be taken stays."""
        items = [*(self.inputs or ()), *(self.begins or ())]
        self.inputs = deque(item for item in self.inputs or () if item.must_be_taken)
        self.begins = deque(item for item in self.begins or () if item.must_be_taken)
        return [item for item in items if not item.must_be_taken]

    def everything_in_line(self) -> list[Item]:
        """Take everything out of line, in order."""
        items = [*(self.inputs or ()), *(self.begins or ())]
        self.inputs = self.begins = None
        return items

    def changed(self) -> None:
        """Wake everybody who watches, but for those who wait for something that is not yet so."""
        watchers, self.watchers = self.watchers, None
        for watcher in watchers or ():
            future, until = watcher
            if until is not None and not until(self):
                self._keep(watcher)
            elif not future.done():
                future.set_result(None)

    def left(self) -> None:
        """Wake everybody who watches: nothing will change here any more, whatever they wait for."""
        watchers, self.watchers = self.watchers, None
        for future, _ in watchers or ():
            if not future.done():
                future.set_result(None)

    async def change(self, until: Until | None = None) -> None:
        """Wait for the next committed step, or for one after which ``until`` holds; then look: it may have passed.

        To wake a task costs more than to ask for it, so whoever knows what they wait for says so.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watcher = (future, until)
        self._keep(watcher)
        try:
            await future
        except BaseException:  # called off: keep nothing of it
            if self.watchers is not None and watcher in self.watchers:
                self.watchers.remove(watcher)
                self.watchers = self.watchers or None
            raise

    def _keep(self, watcher: Watcher) -> None:
        if self.watchers is None:
            self.watchers = []
        self.watchers.append(watcher)
