"""The heartbeat: a thread that renews what this worker holds, and looks up for it.

What lives here: when to renew and to look. What must not: what a look calls for; that is the event loop's. The law of
this file: the heart beats however long the loop, or an agent's code on it, stands still.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from lifecycle.errors import StoreError
from lifecycle.runtime.segments import Limits
from lifecycle.store.port import Look, Store

log = logging.getLogger("lifecycle")

QUIET_LOOKS = 8
"""After how many looks at a store that nobody has written to it is looked at half as often: to wake costs most of a look."""


STOPPING_SECONDS_MAX = 0.1
"""How long the loop stands still for a heartbeat that is on its way when the runtime closes."""


def pause_seconds(limits: Limits, quiet: int) -> float:
    """Return how long to wait for the next look after so many in a row that saw nothing new.

    Whoever waits for a reply has written, and so looks often; what is asked of a quiet worker is seen within two pauses.
    """
    return min(limits.look_seconds * (2 if quiet >= QUIET_LOOKS else 1), limits.lease_renewal_seconds)


def still_seconds(limits: Limits) -> float:
    """Return for how long nobody may have looked up before that counts as standing still: longer than a beat may take."""
    return limits.lease_renewal_seconds + 2 * limits.look_seconds


class Beating:
    """Beat for a store until stopped; ``looked(look, late)`` is called on the loop when there is something to do.

    ``late``: a heartbeat came after the lease had expired, so that others may have taken what was held; or nobody looked up
    for longer than it takes to renew, so that the others may have stood still, too. What keeps it from
    beating is said once, not at every beat.
    """

    def __init__(self, store: Store, limits: Limits, looked: Callable[[Look, bool], None]) -> None:
        self._store = store
        self._limits = limits
        self._looked = looked
        self._loop = asyncio.get_running_loop()
        self._over = threading.Event()
        self._others: tuple[tuple[int, ...], int] = (), 0
        self._failed = ""
        self._thread = threading.Thread(target=self._beat, name="lifecycle heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end; one that waits for the store ends when that is closed."""
        self._over.set()
        self._thread.join(STOPPING_SECONDS_MAX)

    def _say(self, failed: str) -> None:
        """Say why the heart cannot beat, unless that was the reason the last time, too, or it need not beat any more."""
        if self._over.is_set():
            return
        if failed != self._failed:
            self._failed = failed
            log.warning(failed)

    def _beat(self) -> None:
        """Be the thread."""
        renew_at, quiet, late, looked_at = 0.0, 0, False, time.monotonic()
        while not self._over.wait(pause_seconds(self._limits, quiet)):
            try:
                if time.monotonic() >= renew_at:
                    late = not self._store.renew() or late  # until that is told: the look that follows may fail
                    renew_at = time.monotonic() + self._limits.lease_renewal_seconds
                look = self._store.look()
                looked_at, before = time.monotonic(), looked_at
                late = late or looked_at - before > still_seconds(self._limits)
            except StoreError as error:
                self._say(f"the heartbeat failed ({error})")
                continue
            except Exception as error:  # a bug of a store must not let the heart stand still
                self._say(f"the heartbeat failed in an unforeseen way ({type(error).__name__}: {error})")
                continue
            self._failed = ""
            quiet = 0 if look.changed else quiet + 1
            others = look.workers, look.gone  # a row that this very look removed is no change that it sees
            if late or look.asked or look.changed or others != self._others:
                self._others = others
                try:
                    self._loop.call_soon_threadsafe(self._looked, look, late)
                except RuntimeError:  # the loop is closed: nobody is left to tell
                    return
                late = False
