"""Abort controllers and signals: how code learns that its run has ended.

What lives here: the controller of a run, the signal that its code observes, the registry of both. What must not: who
may abort; the kernel judges that. The law of this file: eviction removes the very controller that was registered.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from weakref import WeakValueDictionary

from lifecycle.machines import CONTROLLER
from lifecycle.runtime.border import check_callable, check_seconds


class RunAborted(Exception):
    """Raised in an agent's code by whatever waits, once its run has ended. ``cause`` is one of the closed set."""

    def __init__(self, run: str, cause: str) -> None:
        super().__init__(f"run {run}: ended with cause {cause}; return soon, nothing it reports counts any more")
        self.run = run
        self.cause = cause


LISTENING = threading.Lock()
"""Guards the listeners of all signals; it is held for a few instructions at a time."""


class Signal:
    """What code observes: ask it, wait for it, or have it call you. Safe from any thread."""

    __slots__ = ("__weakref__", "_cause", "_event", "_listeners", "run")

    def __init__(self, run: str) -> None:
        self.run = run
        self._cause: str | None = None
        self._listeners: tuple[Callable[[str], None], ...] = ()
        self._event: threading.Event | None = None

    @property
    def aborted(self) -> bool:
        """Say whether the run has ended."""
        return self._cause is not None

    @property
    def cause(self) -> str | None:
        """Say why; none while the run goes on."""
        return self._cause

    def check(self) -> None:
        """Raise RunAborted if the run has ended."""
        if self._cause is not None:
            raise RunAborted(self.run, self._cause)

    def add_listener(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call ``listener(cause)`` once, when the run ends, at once if it has; return how to remove it."""
        check_callable("listener", listener, "use a function of one argument, the cause")
        with LISTENING:
            if self._cause is None:
                self._listeners += (listener,)
                return functools.partial(self.remove_listener, listener)
        listener(self._cause)
        return lambda: None

    def remove_listener(self, listener: Callable[[str], None]) -> None:
        """Forget a listener; one that is not there is no error."""
        with LISTENING:
            if listener in self._listeners:
                place = self._listeners.index(listener)
                self._listeners = self._listeners[:place] + self._listeners[place + 1 :]

    async def wait(self) -> str:
        """Wait until the run ends; return the cause."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()

        def tell(cause: str) -> None:
            loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(cause))

        remove = self.add_listener(tell)
        try:
            return await future
        finally:
            remove()

    def wait_blocking(self, timeout_seconds: float | None = None) -> bool:
        """Wait in a thread until the run ends; say whether it has."""
        if timeout_seconds is not None:
            check_seconds("timeout_seconds", timeout_seconds)
            timeout_seconds = min(timeout_seconds, threading.TIMEOUT_MAX)
        with LISTENING:
            if self._event is None:
                self._event = threading.Event()
                if self._cause is not None:
                    self._event.set()
            event = self._event
        return event.wait(timeout_seconds)

    def _set(self, cause: str) -> list[Callable[[str], None]]:
        with LISTENING:
            self._cause = cause
            listeners, self._listeners = self._listeners, ()
            if self._event is not None:
                self._event.set()
        return list(listeners)


class Controller:
    """The abort controller of one run: registered, signalled, evicted; ``token`` is its identity."""

    __slots__ = ("_machine", "signal", "token")

    def __init__(self, run: str, token: int, signal: Signal | None = None) -> None:
        self.token = token
        self.signal = Signal(run) if signal is None else signal
        self._machine = CONTROLLER.instance()

    @property
    def state(self) -> str:
        """Return ``registered``, ``signalled`` or ``evicted``."""
        return self._machine.state

    def abort(self, cause: str) -> list[Callable[[str], None]]:
        """Set the signal; return the listeners to call. A second time does nothing: the first cause stays."""
        if self._machine.state != "registered":
            return []
        self._machine.send("signal")
        return self.signal._set(cause)

    def evict(self) -> None:
        """Be registered no longer."""
        self._machine.send("evict")


class Controllers:
    """The registry: one controller a run, found by (session, run), evicted by identity."""

    def __init__(self) -> None:
        self._registered: dict[tuple[str, str], Controller] = {}
        self._put_down: WeakValueDictionary[tuple[str, str], Signal] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._registered)

    def register(self, session: str, run: str, token: int) -> Controller:
        """Register a controller; the one that is there already, if it is the same."""
        there = self._registered.get((session, run))
        if there is not None and there.token == token:
            return there
        signal = self._put_down.pop((session, run), None) if self._put_down else None
        made = self._registered[session, run] = Controller(run, token, signal)
        return made

    def put_down(self, session: str, run: str) -> None:
        """Keep nothing of the controller of a run that rests but its signal, and that only while somebody else has it."""
        there = self._registered.pop((session, run), None)
        if there is not None:
            self._put_down[session, run] = there.signal

    def get(self, session: str, run: str) -> Controller | None:
        """Return the controller registered for a run."""
        return self._registered.get((session, run))

    def evict(self, session: str, run: str, token: int) -> None:
        """Remove exactly the controller registered with that token."""
        there = self._registered.get((session, run))
        if there is not None and there.token == token:
            del self._registered[session, run]
            there.evict()
