"""Configurations: how large a world is, as named values.

What lives here: who and what there is (runs, questions, clients), and which families of moves may happen. What must
not: the moves. The law of this file: a verdict is about a configuration and says its bounds.
"""

from __future__ import annotations

import attrs

from lifecycle.errors import Invalid
from lifecycle.kernel.values import Policy

OWNER, STRANGER, ADMIN = "ada", "eve", "root"

POLICY = Policy(attempts_max=2, admins=(ADMIN,))
"""The policy of every world: an orphan grace, and at most two attempts."""


@attrs.frozen
class AskPlan:
    """A question that a run may ask. ``expires`` false: it is open until somebody answers.

    ``deciders`` may answer it beside those who may answer for its run.
    """

    id: str
    on_expiry: str = "deny_and_continue"
    expires: bool = True
    deciders: tuple[str, ...] = ()


@attrs.frozen
class RunPlan:
    """What one run is like: how it is started, which spans it has, what a crash does to it, what it may ask.

    ``owner`` of a later run decides whether it may interrupt. ``ways``: how its code waits, ``in_place`` or ``parked``.
    """

    when_busy: tuple[str, ...] = ("enqueue",)
    owner: str = OWNER
    deadline: bool = False
    queue_deadline: bool = False
    on_crash: str = "interrupt"
    asks: tuple[AskPlan, ...] = ()
    ways: tuple[str, ...] = ("in_place", "parked")
    deciders: tuple[str, ...] = ()


FAMILIES = (
    "abuse",
    "checkpoint",
    "close",
    "crash",
    "fault",
    "lost",
    "others",
    "provider",
    "report",
    "retract",
    "shutdown",
)
"""Families of moves that a configuration may leave out; those not named here are in every world.

``abuse``: strangers, repeats, late and malformed inputs, which must change nothing. ``crash``: the process dies between
steps, and between the commit of a step and its hooks. ``fault``: code asks wrongly, a fact is set aside. ``others``:
admins, deciders and owners of other runs do what they may, and with ``abuse`` try what they may not.
"""


@attrs.frozen
class Configuration:
    """A world by its bounds.

    ``clients`` connections that come and go; ``decisions`` that humans take. ``faults`` bounds how many crashes, losses
    and other faults a life may hold; none: any number.
    """

    name: str
    sentence: str
    runs: tuple[RunPlan, ...]
    clients: int = 0
    decisions: tuple[str, ...] = ("approve", "reject")
    families: frozenset[str] = frozenset(FAMILIES)
    faults: int | None = None
    policy: Policy = POLICY

    def bounds(self) -> str:
        """Say the bounds in words.

        >>> Configuration("c", "", (RunPlan(asks=(AskPlan("q"),)),), clients=2).bounds()
        '1 run, 1 question, 2 clients, any number of crashes, losses and repeated or late inputs'
        """
        asks = sum(len(run.asks) for run in self.runs)
        of = [count(len(self.runs), "run"), count(asks, "question"), count(self.clients, "client")]
        allowed = [word for family, word in FAULT_WORDS.items() if family in self.families]
        if allowed:
            words = ", ".join(allowed[:-1]) + " and " + allowed[-1] if len(allowed) > 1 else allowed[0]
            of.append(f"any number of {words}" if self.faults is None else f"at most {self.faults} of {words}")
        return ", ".join(of)


FAULT_WORDS = {"crash": "crashes", "lost": "losses", "abuse": "repeated or late inputs"}


def count(number: int, word: str) -> str:
    """Count in words: ``no clients``, ``1 run``, ``2 runs``."""
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def _without(*families: str) -> frozenset[str]:
    return frozenset(FAMILIES) - frozenset(families)


ONE_ASK = (AskPlan("q1"),)
TWO_ASKS = (AskPlan("q1"), AskPlan("q2", on_expiry="keep"))

SMALL = (
    Configuration(
        "conversation",
        "one run from its start to its end, watched by one client, with every way to report and to interfere",
        (RunPlan(deadline=True, queue_deadline=True, asks=(AskPlan("q1", deciders=("dan",)),), deciders=("carol",)),),
        clients=1,
        decisions=("approve", "reject"),
        families=_without("crash"),
    ),
    Configuration(
        "expiry",
        "a question whose expiry ends its run",
        (RunPlan(asks=(AskPlan("q1", on_expiry="stop"), AskPlan("q2", expires=False))),),
        decisions=("approve",),
        families=frozenset({"abuse"}),
    ),
    Configuration(
        "queue",
        "three runs in one session: enqueued, refused, or put in front by whoever may",
        (
            RunPlan(queue_deadline=True),
            RunPlan(when_busy=("enqueue", "interrupt")),
            RunPlan(when_busy=("enqueue", "reject", "interrupt"), owner="bob", queue_deadline=True),
        ),
        families=frozenset({"abuse", "close", "others", "shutdown", "report"}),
    ),
    Configuration(
        "crashes",
        "a process that dies at any boundary, with runs that are ended, failed or run again for it",
        (
            RunPlan(deadline=True, on_crash="rerun", asks=ONE_ASK),
            RunPlan(on_crash="error", ways=("parked",)),
        ),
        decisions=("approve", "reject_and_continue"),
        families=frozenset({"checkpoint", "crash", "lost"}),
    ),
    Configuration(
        "clients",
        "two clients that come, drop and are noticed late, with a process that dies",
        (RunPlan(asks=ONE_ASK, ways=("in_place",)), RunPlan()),
        clients=2,
        decisions=("approve",),
        families=frozenset({"abuse", "crash", "close"}),
    ),
    Configuration(
        "questions",
        "one run that asks two questions, together or one after the other, in place or parked",
        (RunPlan(asks=TWO_ASKS, deciders=("carol",)),),
        decisions=("approve", "reject", "reject_and_continue", "answer"),
        families=frozenset({"abuse", "checkpoint", "retract"}),
    ),
    Configuration(
        "limits",
        "two runs of two owners, with room for one in the queue, one open question and one kept answer",
        (
            RunPlan(asks=TWO_ASKS),
            RunPlan(when_busy=("enqueue", "interrupt"), owner="bob"),
            RunPlan(when_busy=("interrupt",)),
        ),
        decisions=("approve",),
        families=frozenset({"abuse", "checkpoint", "fault", "others"}),
        policy=Policy(attempts_max=2, admins=(ADMIN,), queue_max=1, requests_max=1, answers_max=1),
    ),
)
"""The configurations that ``lifecycle check`` explores unless told otherwise: together every row, hold and hook."""

LARGE = (
    Configuration(
        "large",
        "three runs with two questions, two clients, crashes",
        (
            RunPlan(deadline=True, on_crash="rerun", asks=TWO_ASKS),
            RunPlan(when_busy=("enqueue", "interrupt"), asks=ONE_ASK),
            RunPlan(owner="bob", queue_deadline=True),
        ),
        clients=2,
        families=_without("provider", "fault"),
    ),
    Configuration(
        "crowd",
        "six clients that come, drop and are noticed late, while two runs go on and the process dies",
        (RunPlan(asks=ONE_ASK, ways=("in_place",)), RunPlan()),
        clients=6,
        decisions=("approve",),
        families=frozenset({"abuse", "crash", "close"}),
    ),
)
"""Larger ones, explored on request."""

CONFIGURATIONS = {one.name: one for one in (*SMALL, *LARGE)}


def configuration(name: str) -> Configuration:
    """Return the configuration of that name."""
    if name not in CONFIGURATIONS:
        raise Invalid(f"configuration {name}", "there is none of that name", f"use one of {', '.join(CONFIGURATIONS)}")
    return CONFIGURATIONS[name]
