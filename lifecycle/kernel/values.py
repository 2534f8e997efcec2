"""The values the kernel steps over: a session and what lives in it.

What lives here: frozen records. What must not: behaviour, and anything that has ended; ended runs are records of a
store. The law of this file: every value is immutable and hashable, and bodies (inputs, checkpoints, questions, results)
are opaque texts that the kernel never opens.

Times are engine time: whole microseconds since 1970, never running backwards. Durations are whole microseconds where
the name says ``_us`` and seconds where it says ``_seconds``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeVar, dataclass_transform

import attrs

from lifecycle.kernel.draft import with_quick_init

T = TypeVar("T")


@dataclass_transform(field_specifiers=(attrs.field,))
def value(record: type[T]) -> type[T]:
    """Declare a frozen record: no dict, no weak references, equality and hash by content.

    A type checker sees it as mutable, because a step writes to its twin (see ``draft``); at run time every write to
    the record itself raises.
    """
    return with_quick_init(attrs.define(frozen=True, slots=True, weakref_slot=False)(record))


ON_EXPIRY = ("deny_and_continue", "stop", "keep")
ON_CRASH = ("interrupt", "error", "rerun")
WHEN_BUSY = ("reject", "enqueue", "interrupt")


@lru_cache(maxsize=1_024)
def us(seconds: float) -> int:
    """Turn seconds into whole microseconds, rounding up: a promise of time is never shortened.

    What binary fractions add to a decimal number of microseconds is no time.

    >>> us(0.0000001), us(0.001012), us(60)
    (1, 1012, 60000000)
    """
    return math.ceil(round(seconds * 1_000_000, 3))


@value
class Policy:
    """The limits and defaults a session lives under; every one has a unit in its name.

    ``orphan_grace_seconds`` none: a detached session is never reaped. ``request_expiry_seconds`` none: a question is
    open until somebody answers. ``admins`` may abort, decide and close everything.
    """

    orphan_grace_seconds: float | None = 60.0
    closing_grace_seconds: float = 10.0
    request_expiry_seconds: float | None = 86_400.0
    on_expiry: str = "deny_and_continue"
    queue_max: int = 32
    requests_max: int = 64
    answers_max: int = 1_024
    attempts_max: int = 3
    admins: tuple[str, ...] = ()


@value
class Timer:
    """A named timer of its owner. ``due`` none: held without a time, until what it waits for has closed."""

    name: str
    owner: str
    due: int | None
    token: tuple[int, int]


@value
class RunSpec:
    """What never changes about a run. ``digest`` stands for its whole content; ``admitted`` is a revision."""

    id: str
    key: str | None
    owner: str
    deciders: tuple[str, ...]
    agent: str
    input: str
    digest: str
    deadline_us: int | None
    queue_deadline_us: int | None
    on_crash: str
    admitted: int
    admitted_at: int


@value
class Answer:
    """What closed a request for the code that asked: a decision, or the denial that expiry stands for.

    ``question`` is the kind of question, ``body`` what was shown. ``kind`` is ``approve``, ``reject``,
    ``reject_and_continue``, ``answer`` or ``expired``.
    """

    request: str
    question: str
    body: str
    digest: str
    decision: str
    kind: str
    content: str | None
    by: str
    at: int

    @property
    def permits(self) -> bool:
        """Say whether this let the code do something: it must not be done twice because of a crash."""
        return self.kind == "approve" or (self.kind == "answer" and self.question == "approval")


@value
class Question:
    """A question on its way into a run: what the agent hands over. ``expiry_us`` none: no expiry."""

    id: str
    kind: str
    body: str
    digest: str
    expiry_us: int | None
    on_expiry: str
    deciders: tuple[str, ...] = ()


@value
class Request:
    """A question in the batch that a run waits for. ``answer`` is set once it is answered or expired.

    ``with_run``: it was withdrawn because its run ended, not before.
    """

    id: str
    kind: str
    body: str
    digest: str
    on_expiry: str
    deciders: tuple[str, ...]
    state: str
    asked_at: int
    expiry: Timer | None
    answer: Answer | None
    with_run: bool = False


@value
class Run:
    """An unfinished run. ``remaining_us`` is what is left of its executing time; none: no deadline.

    ``answers`` holds those given since the latest checkpoint, oldest first; ``requests`` the batch now waited for;
    ``asked`` counts the questions that came before the latest checkpoint, so that names of questions stay fresh.
    """

    spec: RunSpec
    state: str
    attempt: int
    segment: int
    remaining_us: int | None
    deadline: Timer | None
    queue_deadline: Timer | None
    requests: tuple[Request, ...]
    answers: tuple[Answer, ...]
    checkpoint: str | None
    asked: int
    questions: int


@value
class Execution:
    """The agent's code at work for ``run``. ``id`` is the revision it was made at, ``token`` the one of its grant."""

    id: int
    run: str
    state: str
    token: int
    controller: int
    closing: Timer | None


@value
class Session:
    """Everything that lives in a session: one value in, one value out of every step.

    ``revision`` counts the committed steps of this id over all incarnations. ``cause`` says why it is stopped.
    """

    id: str
    incarnation: int
    revision: int
    state: str
    cause: str | None
    now: int
    policy: Policy
    head: Run | None
    queue: tuple[Run, ...]
    execution: Execution | None
    attachments: tuple[str, ...]
    orphan: Timer | None

    def unfinished(self) -> tuple[Run, ...]:
        """Return the head and the queued runs, oldest first."""
        return self.queue if self.head is None else (self.head, *self.queue)


@value
class Ended:
    """The record of a run that has ended: what a store keeps for its retention.

    ``who`` is the principal or the timer that ended it, ``text`` free words, ``result`` the agent's value.
    """

    spec: RunSpec
    incarnation: int
    state: str
    cause: str
    who: str
    text: str
    result: str | None
    attempt: int
    segment: int
    ended_at: int


@value
class Closed:
    """The record of a request that has closed, found again by (run, request) however late somebody decides."""

    run: str
    request: Request


@value
class Floor:
    """What the lives of sessions that have left a store came to: no later life of any id counts below it.

    Numbers of incarnations and revisions name things for ever, also of a session of which nothing is kept any more.
    """

    incarnation: int
    revision: int


@value
class Found:
    """What the store found for the names in an input: the run ended, under that key or that id, and the request."""

    run: Ended | None = None
    request: Request | None = None
