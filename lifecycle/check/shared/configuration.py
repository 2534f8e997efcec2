"""Configurations of shared worlds: how many workers, what their session is like, what they ask each other.

What lives here: who and what there is. What must not: what happens. The law of this file: as for any configuration, a
verdict is about one and says its bounds.
"""

from __future__ import annotations

import attrs

from lifecycle.check.configuration import POLICY, AskPlan, Configuration, RunPlan, count
from lifecycle.kernel.values import Policy

UNTIMED = Policy(orphan_grace_seconds=None, attempts_max=POLICY.attempts_max, admins=POLICY.admins)
"""The policy of a shared world: who watches a session is another world's subject."""


@attrs.frozen
class Workers:
    """A world by its bounds: so many processes at a time, as many after one another as there may be, on one session.

    ``session`` says what the session is like, and ``leaves_out`` which moves of it, or kinds of moves, never happen.
    ``requests`` are those that may go through the inbox, one at a time, asked by the last ``askers`` of the workers: which
    of them asks makes no difference. ``faults`` bounds how often a process may die or stall; none: any number.
    """

    name: str
    sentence: str
    workers: int
    session: Configuration
    leaves_out: frozenset[str] = frozenset()
    requests: tuple[str, ...] = ()
    askers: int = 1
    faults: int | None = None

    def bounds(self) -> str:
        """Say the bounds in words."""
        of = [f"{self.workers} workers at a time", "1 session", count(len(self.session.runs), "run")]
        if self.requests:
            of.append("1 request at a time in the inbox")
        words = {None: "any number of deaths and stalls", 0: "no deaths and stalls", 1: "at most 1 death or stall"}
        of.append(words.get(self.faults) or f"at most {self.faults} deaths and stalls")
        return ", ".join(of)


def one_run(name: str, *asks: AskPlan) -> Configuration:
    """Return what a session with one run is like, whose code is called again after a crash."""
    runs = (RunPlan(on_crash="rerun", asks=asks, ways=("parked",)),)
    return Configuration(name, "", runs, decisions=("approve",), families=frozenset(), policy=UNTIMED)


SHARED = (
    Workers(
        "workers",
        "two processes on one session, whose code is called again: each may die, stall and wake, leave and come anew",
        2,
        one_run("workers"),
        frozenset({"abort", "the code raises", "the code returns without a result"}),
    ),
    Workers(
        "inbox",
        "two such processes of which one asks the other for what it holds, while the other may die, stall or leave",
        2,
        one_run("inbox"),
        frozenset({"begin"}),
        ("ada aborts r1",),
    ),
)
"""The shared worlds that ``lifecycle check`` explores unless told otherwise."""

SHARED_LARGE = (
    Workers(
        "offices",
        "two processes that ask each other for what they hold: to decide and to abort, with everything that may happen",
        2,
        one_run("offices", AskPlan("q1", expires=False)),
        requests=("ada approves q1", "ada aborts r1"),
        askers=2,
        faults=2,
    ),
    Workers(
        "three-workers",
        "three processes, of which two may take over at once",
        3,
        one_run("three-workers"),
        frozenset({"begin"}),
        faults=1,
    ),
)
"""Larger ones, explored on request."""
