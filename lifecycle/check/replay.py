"""Replay: the moves of a trace on the real kernel, with real times, tokens and numbers.

What lives here: a life lived again from its beginning, one move at a time. What must not: canonical parts. The law of
this file: what a search found in canonical parts happens here, too, or the search was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import RESTART, Memory, Move, Remembered, client_id, moves_of
from lifecycle.check.rules import Case, first_broken
from lifecycle.check.slices import CRASH, DOWN, GONE, IN, LOST, OUT, OWED, PERFORM, UP, drop_of
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
    """A session under a configuration, lived by hand: ``possible`` says what may happen, ``do`` makes it happen.

    ``process`` and ``sockets`` are the world's own: see ``slices``.
    """

    def __init__(self, config: Configuration, kernel: Stepper = KERNEL) -> None:
        self.config = config
        self.kernel = kernel
        self.moves = {move.name: move for move in moves_of(config)}
        self.session: Session | None = None
        self.memory: Memory = (Remembered(),) * len(config.runs)
        self.process = UP
        self.sockets = [OUT] * config.clients
        self.now = 0
        self.lived: list[Lived] = []
        self._drops = {drop_of(client_id(place)): place for place in range(config.clients)}

    def fork(self) -> Life:
        """Return a life that goes on from here by itself."""
        other = Life(self.config, self.kernel)
        other.session, other.memory, other.process, other.now = self.session, self.memory, self.process, self.now
        other.sockets, other.lived = list(self.sockets), list(self.lived)
        return other

    def possible(self) -> list[str]:
        """List the moves that would change something now."""
        may_die = "crash" in self.config.families and self.session is not None
        if self.process == OWED:
            return [PERFORM, CRASH]
        if self.process in (DOWN, LOST):
            return [RESTART]
        found = [name for name, move in self.moves.items() if name != RESTART and self._would_change(move)]
        found += [name for name, place in self._drops.items() if self.sockets[place] == IN]
        return [*found, CRASH] if may_die else found

    def _would_change(self, move: Move) -> bool:
        if not self._connected(move):
            return False
        given = self._input(move)
        if given is None:
            return False
        return move.kind == "detach" or self.kernel.step(self.session, given, self._time(move, given)).changed

    def _connected(self, move: Move) -> bool:
        """Say whether the socket of a client's move is as it must be for it."""
        if move.client is None:
            return True
        return (self.sockets[move.client] == GONE) is (move.kind == "detach")

    def _input(self, move: Move) -> Input | None:
        return move.make(self.session, Remembered() if move.memory is None else self.memory[move.memory])

    def _time(self, move: Move, given: Input) -> int:
        """Return when a move happens: a second later, or when its timer is due."""
        due = due_of(self.session, given) if move.fires else None
        return max(self.now + SECOND, due or 0)

    def do(self, name: str) -> Lived:
        """Live one move; raise Invalid if there is none of that name, or it cannot happen now."""
        move = self.moves.get(name)
        if move is None:
            return self._own(name)
        given = self._input(move) if self._connected(move) else None
        if given is None and name != RESTART:
            raise Invalid(f"move {name!r}", "cannot happen now", "see what is possible")
        if given is None:
            self.process = OWED if self.process == LOST else UP
            return self._note(Lived(name, move.fault, self.now))
        self.now = self._time(move, given)
        before = self.session
        step = self.kernel.step(before, given, self.now)
        broken = first_broken(Case(move, before, given, step, machines_of(self.kernel)))
        self.session = step.session
        changed = step.session is not before
        self.memory = (remembering_of(step) if changed else NOTHING).after(self.memory)
        if move.client is not None and (changed or move.kind == "detach"):
            self.sockets[move.client] = OUT if move.kind == "detach" else IN
        if changed and step.journalled and "crash" in self.config.families:
            self.process = OWED
        elif name == RESTART:
            self.process = OWED if self.process == LOST else UP
        return self._note(Lived(name, move.fault, self.now, before, given, step, broken))

    def _own(self, name: str) -> Lived:
        """Live a move that is the world's own."""
        if name == PERFORM:
            self.process = UP
        elif name == CRASH:
            self.process = LOST if self.process == OWED else DOWN
            self.sockets = [OUT] * self.config.clients
        elif name in self._drops:
            self.sockets[self._drops[name]] = GONE
        else:
            raise Invalid(f"move {name!r}", "there is none of that name", "see what is possible")
        return self._note(Lived(name, name == CRASH, self.now))

    def _note(self, lived: Lived) -> Lived:
        self.lived.append(lived)
        return lived


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
