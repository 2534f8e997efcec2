"""Hunting: many mutants side by side, each core at one of them.

What lives here: the processes that hunt, and what passes to them and back. What must not: how a mutant is found out.
The law of this file: what is found, and its order, is the same on however many cores.

A kernel cannot be handed to another process, but its name can: so only the mutants of ``every_mutant`` are hunted
elsewhere. A process gets one order at a time and ends when there are no more, or whoever gave them is gone.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from lifecycle.check.elsewhere import start
from lifecycle.check.mutants import every_mutant, mutant
from lifecycle.check.variants import Mutant
from lifecycle.check.verdict import Killed, kill
from lifecycle.check.worlds import DEFAULT, AnyWorld
from lifecycle.errors import Invalid

PROCESSES_MAX = 8
"""How many processes hunt at once, on however many cores."""

WORTH = 20
"""How many mutants there must be for another process to be worth its start."""

CODE = "import sys; from lifecycle.check.hunting import serve; serve(*map(open, map(int, sys.argv[1:]), ('rb', 'wb')))"

STDERR = 2


def hunt(
    mutants: Sequence[Mutant],
    configurations: Sequence[AnyWorld] = DEFAULT,
    *,
    processes: int | None = None,
    limit: int | None = None,
) -> Generator[Killed, None, None]:
    """Look for the first property that each mutant breaks, and yield them in the order of the mutants.

    ``processes`` none: as many as there are cores, if the mutants are many enough. No more than ``limit`` states of
    each configuration are visited. Whoever stops asking stops the hunt.
    """
    several = min(os.cpu_count() or 1, PROCESSES_MAX) if processes is None else processes
    names = [one.name for one in mutants]
    if several < 2 or len(mutants) < WORTH or not {one.name for one in every_mutant()}.issuperset(names):
        yield from (kill(one, configurations, limit=limit) for one in mutants)
        return
    hunters = Hunters()
    pool = ThreadPoolExecutor(several)
    try:
        yield from pool.map(lambda name: hunters.mine().kill(name, configurations, limit), names)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        hunters.end()
        pool.shutdown()


class Hunter:
    """A process that hunts. It is in a session of its own: Ctrl-C is for whoever gives the orders."""

    def __init__(self) -> None:
        ordered, orders = os.pipe()
        answers, answered = os.pipe()
        self.orders, self.answers = open(orders, "wb"), open(answers, "rb")  # noqa: SIM115
        try:
            self.process = subprocess.Popen(
                **start(CODE, (ordered, answered)), stdin=subprocess.DEVNULL, stdout=STDERR, start_new_session=True
            )
        finally:
            os.close(ordered)
            os.close(answered)

    def kill(self, name: str, configurations: Sequence[AnyWorld], limit: int | None = None) -> Killed:
        """Have a mutant hunted."""
        try:
            pickle.dump((name, tuple(configurations), limit), self.orders)
            self.orders.flush()
            found: Killed = pickle.load(self.answers)
        except (EOFError, OSError):
            raise Invalid(f"mutant {name}", "the process that hunted it has ended", "try again") from None
        return found

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.orders, self.answers):
            with contextlib.suppress(OSError):  # an order that was never read
                pipe.close()


class Hunters:
    """The processes of a hunt, one for each thread that gives orders."""

    def __init__(self) -> None:
        self._all: list[Hunter] | None = []
        self._lock = threading.Lock()
        self._own = threading.local()

    def mine(self) -> Hunter:
        """Return the process of this thread, which is started when it is first needed; after the end there is none."""
        with self._lock:
            if self._all is None:
                raise Invalid("hunt of mutants", "has ended", "begin another")
            if not hasattr(self._own, "hunter"):
                self._own.hunter = Hunter()
                self._all.append(self._own.hunter)
        found: Hunter = self._own.hunter
        return found

    def end(self) -> None:
        """End every process, and start none any more."""
        with self._lock:
            started, self._all = self._all or [], None
        for one in started:
            one.end()


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Hunt what is ordered, one after the other, until there are no more orders; this is what a hunter does."""
    while True:
        try:
            name, configurations, limit = pickle.load(orders)
        except EOFError:
            return
        pickle.dump(kill(mutant(name), configurations, limit=limit), answers)
        answers.flush()
