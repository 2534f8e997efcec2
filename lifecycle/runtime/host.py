"""The host: what handles, grants and hooks need of the tracker that made them.

What lives here: a protocol. What must not: anything that does something. The law of this file: whatever is below the
tracker knows it by these names only, so that imports run one way.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from lifecycle.kernel.inputs import Input
from lifecycle.kernel.values import Policy, Request, RunSpec, Session
from lifecycle.runtime.clock import Clock
from lifecycle.runtime.controllers import Controllers, Signal
from lifecycle.runtime.segments import Limits, Streams
from lifecycle.runtime.timers import Timers


class Host(Protocol):
    """Step sessions; see ``Stepping``, which does."""

    policy: Policy
    limits: Limits
    clock: Clock
    counters: Counter[str]
    controllers: Controllers
    streams: Streams
    timers: Timers
    end_waiters: dict[tuple[str, str], list[asyncio.Future[Any]]]

    @property
    def is_closed(self) -> bool:
        """Say whether nothing happens any more."""

    def post(self, session: str, given: Input | Callable[[], Input]) -> None:
        """Put an input in line, and wait for nothing."""

    def posted(self, session: str, given: Input | Callable[[], Input]) -> asyncio.Future[Any]:
        """Put an input in line; the future is of its reply."""

    def session(self, name: str) -> Session:
        """Return the present value of a session."""

    async def change(self, session: str, until: Callable[[Any], bool] | None = None) -> None:
        """Wait for the next committed step of a session, or for one after which that is so of its line."""

    def signal(self, session: str, run: str) -> Signal | None:
        """Return the signal of a run."""

    def ended(self, session: str, run: str) -> Any:
        """Return how a run ended; none if it has not."""

    def end_future(self, session: str, run: str) -> asyncio.Future[Any]:
        """Return a future of the run's end."""

    def forget_end_future(self, session: str, run: str, future: asyncio.Future[Any]) -> None:
        """Keep nothing of a wait that is over."""

    def closed_request(self, session: str, run: str, request: str) -> Request | None:
        """Find a closed request."""

    def emitted(self, grant: Any, text: str) -> bool:
        """Append a frame of a grant."""

    def call(self, line: Any, grant: Any) -> None:
        """Call the code."""

    def run_over(self, session: str, run: str) -> None:
        """Take note that a run has ended."""

    def run_rests(self, session: str, spec: RunSpec) -> None:
        """Take note that a run leaves memory and goes on."""
