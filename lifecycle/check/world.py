"""The world: one move applied to the parts it reads, by the real kernel, and judged.

What lives here: what a move does to the parts of a session, and to what the store remembers. What must not: a search,
and any rule of the kernel's. The law of this file: a result depends on the parts that the move declares, and on
nothing else; whatever else the kernel touches is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import ENDED, LIVE, Memory, Move, Remembered, client_id, moves_of, place_of, run_id
from lifecycle.check.parts import (
    ATTACHMENTS,
    BREACHES,
    PRESENT_TOKEN,
    QUEUE,
    Breach,
    Poison,
    joined,
    masked,
    plain_timer,
    work_of,
)
from lifecycle.check.rules import Case, first_broken
from lifecycle.declaration import Machine
from lifecycle.kernel import Step
from lifecycle.kernel.engine import KERNEL, Kernel, malformed, unchanged
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.replies import Admitted
from lifecycle.kernel.values import Session, Timer


class Stepper(Protocol):
    """What is checked: whatever steps a session, the shipped kernel or a mutant of it."""

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Apply one input at engine time ``now``."""


def machines_of(kernel: Stepper) -> Mapping[str, Machine]:
    """Return the machines that a kernel steps by."""
    return kernel.tables.machines if isinstance(kernel, Kernel) else KERNEL.tables.machines


@attrs.frozen(cache_hash=True)
class Remembering:
    """What a step adds to the store: a run admitted, questions closed, runs ended."""

    admitted: int | None = None
    closed: tuple[tuple[int, str, bool], ...] = ()
    ended: tuple[int, ...] = ()

    def after(self, memory: Memory) -> Memory:
        """Return what the store remembers then."""
        kept = list(memory)
        if self.admitted is not None:
            kept[self.admitted] = Remembered(LIVE)
        for place, question, answered in self.closed:
            closed = {**dict(kept[place].closed), question: answered}
            kept[place] = Remembered(kept[place].status, tuple(sorted(closed.items())))
        for place in self.ended:
            kept[place] = Remembered(ENDED)
        return tuple(kept)


NOTHING = Remembering()


@attrs.frozen(eq=False)
class Outcome:
    """What a move came to: the parts after it, canonical, and the rule it breaks, if it does.

    ``work`` is the very part before if it is unchanged; ``releases`` says that all attachments are gone.
    ``changed`` false: the kernel changed nothing, and the world changes only what is its own.
    """

    step: Step
    changed: bool
    work: Session | None
    orphan: Timer | None
    releases: bool
    remembering: Remembering
    broken: str | None


ORPHANS: tuple[Timer | None, ...] = (
    None,
    Timer("orphan", "s", 1, PRESENT_TOKEN),
    Timer("orphan", "s", None, PRESENT_TOKEN),
)
"""The canonical orphan timers: none, armed, held without a time."""

POISONED_MEMORY: Remembered = Poison("memory")  # type: ignore[assignment]


class World:
    """A configuration under a kernel: everything that can happen, one move at a time."""

    def __init__(self, config: Configuration, kernel: Stepper = KERNEL) -> None:
        self.config = config
        self.kernel = kernel
        self.moves = moves_of(config)
        self.places = {run_id(place): place for place in range(len(config.runs))}
        self.clients = tuple(client_id(place) for place in range(config.clients))
        self.memory: Memory = (Remembered(),) * len(config.runs)
        self.machines = machines_of(kernel)
        self.watch: Callable[[Case], None] | None = None
        self.calls = 0

    def run_move(self, move: Move, work: Session | None, orphan: Timer | None, memory: Memory) -> Outcome | None:
        """Apply a move of the run side; none if it cannot happen now. ``orphan`` may be poison: then it is not to be read."""
        known = POISONED_MEMORY if move.memory is None else memory[move.memory]
        return self.outcome(move, work, None if work is None else joined(work, orphan, ATTACHMENTS), orphan, known)

    def is_nothing(self, move: Move, view: Session, known: Remembered) -> bool:
        """Say whether a view of the session is enough to know that a move of the run side is none, or changes nothing."""
        try:
            given = move.make(view, known)
            if given is None:
                return True
            step, broken = self._stepped(move, view, given)
        except Breach:
            return False
        return step.session is view and broken is None

    def outcome(
        self, move: Move, work: Session | None, before: Session | None, orphan: Timer | None, known: Remembered
    ) -> Outcome | None:
        """Apply a move of the run side to the session ``before``, whose parts are ``work`` and ``orphan``."""
        given = move.make(before, known)
        if given is None:
            return None
        step, broken = self._stepped(move, before, given)
        after = step.session
        if after is before or after is None:
            return Outcome(step, False, work, orphan, False, NOTHING, broken)
        attachments: object = after.attachments
        releases = attachments is not ATTACHMENTS
        if releases and attachments != () and broken is None:
            raise Breach(
                "part attachments", f"{move.name}: the step made some up", "declare the part", rule="footprint"
            )
        next_work = None if broken else work_of(after, self.places)
        remembering = remembering_of(step)
        same: object = after.orphan
        then = orphan if same is orphan else plain_timer(after.orphan)
        return Outcome(step, True, next_work, then, releases, remembering, broken)

    def _stepped(self, move: Move, before: Session | None, given: Input) -> tuple[Step, str | None]:
        """Step, and judge it; whatever the kernel raises breaks the rule that it is total, but for a breach."""
        self.calls += 1
        BREACHES.clear()
        broken: str | None = "total"
        try:
            step = self.kernel.step(before, given, move.time())
        except Breach:
            raise
        except Exception as error:
            step = unchanged(before, malformed(error), "total")
        else:
            case = Case(move, before, given, step, self.machines)
            broken = first_broken(case)
            if self.watch is not None and broken is None:
                self.watch(case)
        if BREACHES:
            raise BREACHES.pop()
        return step, broken

    def client_move(
        self, move: Move, face: tuple[object, ...], orphan: Timer | None, attachments: tuple[str, ...]
    ) -> tuple[Step, Timer | None, tuple[str, ...], str | None] | None:
        """Apply a move of the client side: the step, the orphan timer and the attachments then, the rule broken."""
        before = masked(face, self.config.policy, orphan, attachments) if face else None
        given = move.make(before, POISONED_MEMORY)
        if given is None:
            return None
        step, broken = self._stepped(move, before, given)
        after = step.session
        if after is before or after is None or before is None:
            return step, orphan, attachments, broken
        queue: object = after.queue
        if not (after.head is before.head and queue is QUEUE and after.execution is before.execution):
            raise Breach("part work", f"{move.name}: the step wrote to it", "declare the part", rule="footprint")
        if broken is None and (after.state, after.cause, after.incarnation) != (face[0], face[1], face[2]):
            raise Breach("part state", f"{move.name}: the step wrote to it", "declare the part", rule="footprint")
        return step, plain_timer(after.orphan), tuple(sorted(after.attachments)), broken


def remembering_of(step: Step) -> Remembering:
    """Return what the store keeps of a step."""
    reply = step.reply
    admitted = place_of(reply.run) if reply.__class__ is Admitted else None
    if admitted is None and not step.closed and not step.ended:
        return NOTHING
    closed = tuple((place_of(one.run), one.request.id, one.request.answer is not None) for one in step.closed)
    return Remembering(admitted, closed, tuple(place_of(ended.spec.id) for ended in step.ended))
