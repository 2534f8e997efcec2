"""The world: one move applied to the parts it reads, by the real kernel, and judged.

What lives here: what a move does to the parts of a session, and to what the store remembers. What must not: a search,
and any rule of the kernel's. The law of this file: a result depends on the parts that the move declares, and on
nothing else; whatever else the kernel touches is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import attrs

from lifecycle.check.case import Case
from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import ENDED, LIVE, Memory, Move, Remembered, client_id, moves_of, place_of, run_id
from lifecycle.check.parts import (
    ATTACHMENTS,
    BREACHES,
    PRESENT_TOKEN,
    QUEUE,
    Breach,
    Poison,
    apart,
    masked,
    plain_timer,
    work_of,
)
from lifecycle.check.rules import first_broken
from lifecycle.declaration import Machine
from lifecycle.kernel import Step
from lifecycle.kernel.draft import twin_of, with_quick_init
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


@with_quick_init
@attrs.frozen(eq=False)
class Outcome:
    """What a move of the run side came to: the parts after it, canonical, and the rule it breaks, if it does.

    ``leaves_orphan`` says that the orphan timer is as before, whatever that was, ``releases`` that all attachments are
    gone. ``changed`` false: the kernel changed nothing, and the world changes only what is its own. ``apart``: no rule
    looked at the orphan timer, not even whether there is one.
    """

    step: Step
    changed: bool
    work: Session | None
    leaves_orphan: bool
    orphan: Timer | None
    releases: bool
    remembering: Remembering
    broken: str | None
    apart: bool


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

    def is_nothing(self, move: Move, view: Session, known: Remembered) -> bool:
        """Say whether a view of the session is enough to know that a move of the run side is none, or changes nothing.

        The kernel is asked only for what is to change nothing: another move, if it can happen, needs all of the session.
        """
        try:
            given = move.make(view, known)
            if given is None or move.unchanged is None:
                return given is None
            step = self._stepped(move, view, given)
            return step.session is view and self._judged(Case(move, view, given, step, self.machines)) is None
        except Breach:
            return False

    def outcome(self, move: Move, before: Session | None, given: Input, earlier: Iterable[Outcome] = ()) -> Outcome:
        """Apply a move of the run side.

        ``earlier`` is what the same input came to with the same work and another orphan timer. If the step is one of
        these but for the timer, which both leave alone, that outcome is returned: to judge the step again could only
        come to the same.
        """
        step = self._stepped(move, before, given)
        after = step.session
        changed = after is not before and after is not None
        if changed:
            for one in earlier:
                if one.apart and one.leaves_orphan and is_same_apart(before, step, one.step):
                    return one
        broken, apart = self._judged_apart(Case(move, before, given, step, self.machines))
        if not changed or after is None:
            return Outcome(step, False, None, True, None, False, NOTHING, broken, apart)
        attachments: object = after.attachments
        releases = attachments is not ATTACHMENTS
        if releases and attachments != () and broken is None:
            raise Breach(
                "part attachments", f"{move.name}: the step made some up", "declare the part", rule="footprint"
            )
        next_work = None if broken else work_of(after, self.places)
        leaves = before is not None and after.orphan is before.orphan
        orphan = None if leaves else plain_timer(after.orphan)
        return Outcome(step, True, next_work, leaves, orphan, releases, remembering_of(step), broken, apart)

    def _stepped(self, move: Move, before: Session | None, given: Input) -> Step:
        """Step; whatever the kernel raises breaks the rule that it is total, but for a breach."""
        self.calls += 1
        BREACHES.clear()
        try:
            step = self.kernel.step(before, given, move.time())
        except Breach:
            raise
        except Exception as error:
            step = unchanged(before, malformed(error), NOT_TOTAL)
        if BREACHES:
            raise BREACHES.pop()
        return step

    def _judged(self, case: Case) -> str | None:
        """Return the rule that a step breaks; one that breaks none is shown to whoever watches."""
        BREACHES.clear()
        if case.step.judge == NOT_TOTAL:
            return "total"
        broken = first_broken(case)
        if self.watch is not None and broken is None:
            self.watch(case)
        if BREACHES:
            raise BREACHES.pop()
        return broken

    def _judged_apart(self, case: Case) -> tuple[str | None, bool]:
        """Judge a step of the run side, without its orphan timer if that is enough, and say whether it is.

        Where no client comes, a step is hardly ever met with another timer: to hide it would only cost.
        """
        if self.clients and case.changed and case.before is not None and case.move.side == "run":
            try:
                return self._judged(without_orphan(case)), True
            except Breach as breach:
                if breach.fields["part"] != "orphan":
                    raise
        return self._judged(case), False

    def client_move(
        self, move: Move, face: tuple[object, ...], orphan: Timer | None, attachments: tuple[str, ...]
    ) -> tuple[Step, Timer | None, tuple[str, ...], str | None] | None:
        """Apply a move of the client side: the step, the orphan timer and the attachments then, the rule broken."""
        before = masked(face, self.config.policy, orphan, attachments) if face else None
        given = move.make(before, POISONED_MEMORY)
        if given is None:
            return None
        step = self._stepped(move, before, given)
        broken = self._judged(Case(move, before, given, step, self.machines))
        after = step.session
        if after is before or after is None or before is None:
            return step, orphan, attachments, broken
        queue: object = after.queue
        if not (after.head is before.head and queue is QUEUE and after.execution is before.execution):
            raise Breach("part work", f"{move.name}: the step wrote to it", "declare the part", rule="footprint")
        if broken is None and (after.state, after.cause, after.incarnation) != (face[0], face[1], face[2]):
            raise Breach("part state", f"{move.name}: the step wrote to it", "declare the part", rule="footprint")
        return step, plain_timer(after.orphan), tuple(sorted(after.attachments)), broken


NOT_TOTAL = "total"
"""In place of the judge that ended a matter: the kernel raised."""


def without_orphan(case: Case) -> Case:
    """Return a step whose orphan timer nobody may look at, before or after it."""
    s, before = case.step, case.before
    assert before is not None
    shown = build_step(apart(case.after), s.hooks, s.reply, s.moves, s.ended, s.closed, s.judge, s.journalled)
    return Case(case.move, apart(before), case.given, shown, case.machines)


def is_same_apart(before: Session | None, step: Step, other: Step) -> bool:
    """Say whether a step leaves the orphan timer alone, and is another one in all but that."""
    mine, its = step.session, other.session
    assert mine is not None and its is not None
    return (
        before is not None
        and mine.orphan is before.orphan
        and mine.attachments is its.attachments
        and step.hooks == other.hooks
        and step.moves == other.moves
        and step.reply == other.reply
        and (step.journalled, step.judge, step.ended, step.closed)
        == (other.journalled, other.judge, other.ended, other.closed)
        and (mine.state, mine.cause, mine.now, mine.incarnation, mine.revision, mine.id, mine.policy)
        == (its.state, its.cause, its.now, its.incarnation, its.revision, its.id, its.policy)
        and (mine.execution, mine.head, mine.queue) == (its.execution, its.head, its.queue)
    )


build_step = twin_of(Step).build


def remembering_of(step: Step) -> Remembering:
    """Return what the store keeps of a step."""
    reply = step.reply
    admitted = place_of(reply.run) if reply.__class__ is Admitted else None
    if admitted is None and not step.closed and not step.ended:
        return NOTHING
    closed = tuple((place_of(one.run), one.request.id, one.request.answer is not None) for one in step.closed)
    return Remembering(admitted, closed, tuple(place_of(ended.spec.id) for ended in step.ended))
