"""Promises: what must come, by name, under which assumptions.

What lives here: the properties of liveness. Each says: whenever its premise holds, its goal comes, if certain kinds of
moves are not put off for ever. What must not: how that is decided. The law of this file: a promise names every
assumption it rests on; what is not named may never happen.

Faults (crashes, losses) may come at any time, but not for ever; nor may what a promise names under ``finitely``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import ENDED, Memory, run_id
from lifecycle.check.slices import IN, LOST, OWED, UP
from lifecycle.kernel.finding import request_open_or_closed, run_named
from lifecycle.kernel.values import Session, Timer


@attrs.frozen
class Seen:
    """A state, unpacked: the work, what the store remembers, the orphan timer, the process, who is attached, sockets."""

    work: Session | None
    memory: Memory
    orphan: Timer | None
    process: int
    attached: tuple[str, ...]
    sockets: tuple[int, ...]


When = Callable[[Seen], bool]

SCHEDULER = frozenset({"begin", "perform", "restart"})


@attrs.frozen(eq=False)
class Promise:
    """A property of liveness: ``premise`` leads to ``goal``, if the moves of the kinds in ``fair`` are not put off."""

    name: str
    sentence: str
    about: str
    premise: When
    goal: When
    fair: frozenset[str]
    finitely: frozenset[str] = frozenset()


def is_of(kind: str, names: frozenset[str]) -> bool:
    """Say whether a kind of moves is one of those named, or one of them about something in particular.

    >>> is_of("timer expiry q1", frozenset({"timer expiry"})), is_of("timer expiry", frozenset({"timer"}))
    (True, False)
    """
    return any(kind == name or (kind.startswith(f"{name} ") and name != "timer") for name in names)


ASSUMPTIONS = {
    "begin": "the runtime takes up what it is offered",
    "perform": "hooks of a committed step are performed",
    "restart": "after a crash a process takes over",
    "settle": "code that waits for nobody returns in the end",
    "decide": "humans answer",
    "detach": "a dropped connection is noticed",
    "timer closing": "the closing grace passes",
    "timer deadline": "deadlines pass",
    "timer expiry": "expiries pass",
    "timer orphan": "the orphan timer fires",
    "timer queue_deadline": "queue deadlines pass",
    "look": "a worker that is at work looks up",
    "recover": "what a worker has loaded it recovers",
    "answer": "what a worker has in its line it does",
}
"""The kinds of moves that may be assumed not to be put off for ever, in words; the last ones are each a worker's."""


def assumption_in_words(kind: str) -> str:
    """Say a kind of moves in words; one that is about something in particular like all of its kind.

    >>> assumption_in_words("look w2")
    'a worker that is at work looks up'
    """
    name = next((name for name in ASSUMPTIONS if kind == name or kind.startswith(f"{name} ")), kind)
    return ASSUMPTIONS.get(name, name)


def assumed(kind: str) -> str:
    """Say a kind of moves that may be assumed in words, with what it is about."""
    name = next((name for name in ASSUMPTIONS if kind == name or kind.startswith(f"{name} ")), kind)
    about = kind.removeprefix(name).strip().replace("early", "while it asks")
    return f"“{ASSUMPTIONS.get(name, name)}”" + (f" ({about})" if about else "")


def is_head(place: int, seen: Seen) -> bool:
    """Say whether the run at that place is the head."""
    return seen.work is not None and seen.work.head is not None and seen.work.head.spec.id == run_id(place)


def is_queued(place: int, seen: Seen) -> bool:
    """Say whether the run at that place is queued."""
    return seen.work is not None and any(run.spec.id == run_id(place) for run in seen.work.queue)


def has_ended(place: int, seen: Seen) -> bool:
    """Say whether the run at that place has ended."""
    return seen.memory[place].status == ENDED


def asks_with_expiry(place: int, question: str, seen: Seen) -> bool:
    """Say whether that question is open, with an expiry to come."""
    run = run_named(seen.work, run_id(place))
    request = None if run is None else request_open_or_closed(run, question)
    return request is not None and request.state == "open" and request.expiry is not None


def is_resumed(seen: Seen) -> bool:
    """Say whether a run that was parked has all its answers, and its code is not at work yet."""
    head = None if seen.work is None else seen.work.head
    slot = None if seen.work is None else seen.work.execution
    return head is not None and head.state == "running" and (slot is None or slot.state != "executing")


def outlives(place: int, seen: Seen) -> bool:
    """Say whether the code of that run has outlived it."""
    slot = None if seen.work is None else seen.work.execution
    return slot is not None and slot.state == "closing" and slot.run == run_id(place)


def is_deserted(seen: Seen) -> bool:
    """Say whether nobody's connection is open, and nothing is left to do in a session that is not stopped."""
    work = seen.work
    if work is None or work.state == "stopped" or IN in seen.sockets:
        return False
    return work.head is None and not work.queue and work.execution is None


def no_longer(when: When) -> When:
    """Return when that is over."""
    return lambda seen: not when(seen)


def promises_of(config: Configuration) -> Iterator[Promise]:
    """List the promises of a configuration, one for each run or question that they are about."""
    ends = SCHEDULER | {"settle", "decide", "timer closing"}
    for place, plan in enumerate(config.runs):
        run = run_id(place)
        yield Promise(
            "ends",
            "a head ends, if its code returns and its questions are answered",
            run,
            partial(is_head, place),
            partial(has_ended, place),
            ends,
            frozenset({"ask"}),
        )
        if plan.deadline:
            yield Promise(
                "ends",
                "a head with a deadline ends, whatever its code does, if its questions are answered",
                f"{run}, by its deadline",
                partial(is_head, place),
                partial(has_ended, place),
                SCHEDULER | {"decide", "timer deadline", "timer closing"},
                frozenset({"ask"}),
            )
        if place:
            yield Promise(
                "queue-drains",
                "a queued run gets its turn or ends, if every head ends",
                run,
                partial(is_queued, place),
                no_longer(partial(is_queued, place)),
                ends,
                frozenset({"ask"}),
            )
        yield Promise(
            "executions-are-released",
            "code that outlives its run is settled or abandoned, whatever it does",
            run,
            partial(outlives, place),
            no_longer(partial(outlives, place)),
            frozenset({"perform", "restart", "timer closing"}),
        )
        for ask in plan.asks:
            if ask.expires:
                yield Promise(
                    "requests-settle",
                    "a question with an expiry is answered, expired or withdrawn, whatever people do",
                    ask.id,
                    partial(asks_with_expiry, place, ask.id),
                    no_longer(partial(asks_with_expiry, place, ask.id)),
                    frozenset({"perform", "restart", "timer expiry"}),
                )
    yield Promise(
        "answer-takes-effect",
        "a run whose questions are all answered is called with the answers, or ends, without a human's further help",
        "a parked run",
        is_resumed,
        no_longer(is_resumed),
        SCHEDULER | {"timer closing"},
    )
    yield Promise(
        "orphans-are-reaped",
        "a session that everybody has left, with nothing to do, is stopped",
        "the session",
        is_deserted,
        no_longer(is_deserted),
        frozenset({"perform", "restart", "detach", "timer orphan"}),
    )
    if "crash" in config.families:
        yield Promise(
            "hooks-are-performed",
            "every hook of a committed step is performed",
            "the process",
            lambda seen: seen.process in (OWED, LOST),
            lambda seen: seen.process == UP,
            frozenset({"perform", "restart"}),
        )
        yield Promise(
            "recovered",
            "after a crash a process takes the session over",
            "the process",
            lambda seen: seen.process > OWED,
            lambda seen: seen.process <= OWED,
            frozenset({"restart"}),
        )
