"""Sweeping: what is past its retention leaves the store, a little at a time.

What lives here: when it is looked for, and who must not be stepped meanwhile. What must not: what may leave; the store
knows that. The law of this file: a batch is bounded, nobody waits for it longer than for a commit, and whatever arrives
for a session meanwhile is judged after it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

from lifecycle.errors import StoreError
from lifecycle.kernel.values import us
from lifecycle.runtime.clock import Wakeup
from lifecycle.runtime.line import Line
from lifecycle.runtime.resting import Resting
from lifecycle.store.port import Compacted

log = logging.getLogger("lifecycle")

PAUSE_SECONDS = 0.05
"""How long a sweep rests between two batches: whatever has gathered is committed meanwhile."""


class Sweeping(Resting):
    """Step sessions, and let go of what nobody can ask for any more."""

    _aged: Iterator[str] | None = None
    _before = 0
    _sweep: Wakeup | None = None

    def _sweep_in(self, seconds: float) -> None:
        """Take the next turn after a time; a batch under way is the last one of a runtime that closes."""
        if not self._closed:
            self._sweep = self.clock.call_at(self.clock.now() + us(seconds), self._sweep_on)

    def _stop_sweeping(self) -> None:
        """Take no further turn."""
        if self._sweep is not None:
            self._sweep.cancel()

    def _sweep_on(self) -> None:
        """Let the writer compact the next sessions that keep something old, or rest until it is time to look again."""
        if self._closed or self._writer is None:
            return
        try:
            names = self._next_aged()
        except StoreError as error:
            log.warning("%s; what is past its retention stays for now", error)
            names = {}
        if not names:
            self._aged = None
            self._sweep_in(self.limits.sweep_seconds)
            return
        lines = self._held_back(names)
        performed = {line.id: line.performed for line in lines}
        before, rows_max = self._before, self.limits.sweep_rows_max

        def compacted() -> Compacted:
            try:
                return self.store.compact(performed, before, rows_max)
            except StoreError as error:
                return Compacted(refused=(error,))

        self._writer.chore(compacted, lambda done: self._compacted(lines, done))

    def _next_aged(self) -> dict[str, None]:
        """Return the next sessions of this sweep; a new one looks for what is past its retention now."""
        if self._aged is None:
            self._before = self.clock.now() - us(self.limits.retention_seconds)
            self._aged = self.store.aged(self._before)
        return dict.fromkeys(islice(self._aged, self.limits.sweep_sessions_max))

    def _held_back(self, names: dict[str, None]) -> list[Line]:
        """Let nobody step these sessions, in memory or not; those that are being stepped are left for the next sweep."""
        lines = []
        for name in names:
            line = self._lines.setdefault(name, Line(name, None, 0))
            if not line.busy:
                line.busy = True
                lines.append(line)
        return lines

    def _compacted(self, lines: list[Line], done: Compacted) -> None:
        """Let what arrived meanwhile be judged; sessions that left are none any more."""
        self.counters["runs_let_go"] += done.runs
        self.counters["entries_let_go"] += done.entries
        self.counters["sessions_let_go"] += len(done.sessions)
        for error in done.refused:
            self.counters["not_compacted"] += 1
            log.warning("%s; what is past its retention stays for now", error)
        gone = frozenset(done.sessions)
        for line in lines:
            line.busy = False
            if line.session is None or line.id in gone:
                self._as_it_is_kept(line)
            else:
                self._advance(line)
        self._sweep_in(PAUSE_SECONDS)

    def _as_it_is_kept(self, line: Line) -> None:
        """Keep nothing in memory of a session that left, or was not in memory; who asked for it looks at the store."""
        del self._lines[line.id]
        for item in line.everything_in_line():
            self._post(line.id, item)
        line.changed()
