"""Replay: the moves of a trace on the real kernel, with real times, tokens and numbers.

What lives here: a life lived again from its beginning, one move at a time. What must not: canonical parts. The law of
this file: what a search found in canonical parts happens here, too, or the search was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import RESTART, Memory, Move, Remembered, moves_of
from lifecycle.check.rules import Case, first_broken
from lifecycle.check.world import NOTHING, Stepper, machines_of, remembering_of
from lifecycle.errors import Invalid
from lifecycle.kernel import KERNEL, Step
from lifecycle.kernel.finding import timer_named
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.values import Session

SECOND = 1_000_000
"""Microseconds; a second passes between two moves."""


@attrs.frozen(eq=False)
class Lived:
    """A move as it was lived: the session before, the input and the step; none of these if it is the world's own.

    ``at`` is engine time in microseconds since the beginning; ``broken`` the rule that the step breaks.
    """

    name: str
    fault: bool
    at: int
    before: Session | None = None
    given: Input | None = None
    step: Step | None = None
    broken: str | None = None


class Life:
    """A session under a configuration, lived by hand: ``possible`` says what may happen, ``do`` makes it happen."""

    def __init__(self, config: Configuration, kernel: Stepper = KERNEL) -> None:
        self.config = config
        self.kernel = kernel
        self.moves = {move.name: move for move in moves_of(config)}
        self.session: Session | None = None
        self.memory: Memory = (Remembered(),) * len(config.runs)
        self.now = 0
        self.lived: list[Lived] = []

    def fork(self) -> Life:
        """Return a life that goes on from here by itself."""
        other = Life(self.config, self.kernel)
        other.session, other.memory, other.now, other.lived = self.session, self.memory, self.now, list(self.lived)
        return other

    def input_of(self, move: Move) -> Input | None:
        """Return the input that a move makes now; none if it cannot happen."""
        return move.make(self.session, Remembered() if move.memory is None else self.memory[move.memory])

    def possible(self) -> list[str]:
        """List the moves that would change something now."""
        return [name for name in self.moves if self.may(name)]

    def may(self, name: str) -> bool:
        """Say whether a move would change something now."""
        move = self.moves[name]
        given = self.input_of(move)
        return given is not None and self.kernel.step(self.session, given, self._time(move, given)).changed

    def do(self, name: str) -> Lived:
        """Live one move; a name that is none of the kernel's is the world's own and changes nothing here."""
        move = self.moves.get(name)
        if move is None:
            self.lived.append(Lived(name, name == "the process dies", self.now))
            return self.lived[-1]
        given = self.input_of(move)
        if given is None:
            if name == RESTART or move.kind == "detach":
                self.lived.append(Lived(name, move.fault, self.now))
                return self.lived[-1]
            raise Invalid(f"move {name!r}", "cannot happen now", "see what is possible")
        self.now = self._time(move, given)
        before = self.session
        step = self.kernel.step(before, given, self.now)
        broken = first_broken(Case(move, before, given, step, machines_of(self.kernel)))
        self.session = step.session
        remembering = remembering_of(step) if step.session is not before else NOTHING
        self.memory = remembering.after(self.memory)
        self.lived.append(Lived(name, move.fault, self.now, before, given, step, broken))
        return self.lived[-1]

    def _time(self, move: Move, given: Input) -> int:
        """Return when a move happens: a second later, or when its timer is due."""
        due = due_of(self.session, given) if move.fires else None
        return max(self.now + SECOND, due or 0)


def due_of(session: Session | None, given: Input) -> int | None:
    """Return when the timer that an input is about is due."""
    timer = timer_named(session, getattr(given, "name", ""), getattr(given, "owner", ""))
    return None if timer is None else timer.due


def replay(config: Configuration, names: Iterable[str], kernel: Stepper = KERNEL) -> tuple[Lived, ...]:
    """Live the moves of these names, one after the other."""
    life = Life(config, kernel)
    for name in names:
        life.do(name)
    return tuple(life.lived)
