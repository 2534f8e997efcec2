"""Replay: the moves of a trace on the real kernel, with real times, tokens and numbers.

What lives here: a life lived again from its beginning, one move at a time. What must not: canonical parts. The law of
this file: what a search found in canonical parts happens here, too, or the search was wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

import attrs

from lifecycle.check.case import Case
from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import RESTART, Memory, Move, Remembered, client_id, moves_of
from lifecycle.check.promises import Seen
from lifecycle.check.rules import first_broken
from lifecycle.check.slices import CRASH, DOWN, GONE, IN, LOST, OUT, OWED, PERFORM, UP, WORLD_MOVES, drop_of
from lifecycle.check.world import NOTHING, Stepper, machines_of, remembering_of
from lifecycle.errors import Invalid
from lifecycle.kernel import KERNEL, Step
from lifecycle.kernel.engine import malformed, unchanged
from lifecycle.kernel.finding import timer_named
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.invariants import detached_is_timed
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
    kind: str = ""

    @property
    def changed(self) -> bool:
        """Say whether the kernel was asked, and changed something."""
        return self.step is not None and self.step.session is not self.before


class Life:
    """A session under a configuration, lived by hand: ``possible`` says what may happen, ``do`` makes it happen.

    ``process`` and ``sockets`` are the world's own: see ``slices``.
    """

    def __init__(self, config: Configuration, kernel: Stepper = KERNEL) -> None:
        self.config = config
        self.kernel = kernel
        self.machines = machines_of(kernel)
        self.moves = {move.name: move for move in moves_of(config)}
        self.drops = {drop_of(client_id(place)): place for place in range(config.clients)}
        self.session: Session | None = None
        self.memory: Memory = (Remembered(),) * len(config.runs)
        self.process = UP
        self.sockets = (OUT,) * config.clients
        self.now = 0
        self.lived: list[Lived] = []

    def fork(self) -> Life:
        """Return a life that goes on from here by itself."""
        other = Life(self.config, self.kernel)
        other.session, other.memory, other.now, other.lived = self.session, self.memory, self.now, list(self.lived)
        other.process, other.sockets = self.process, self.sockets
        return other

    @property
    def crashes(self) -> bool:
        """Say whether processes die in this configuration, so that hooks may be owed."""
        return "crash" in self.config.families

    @property
    def seen(self) -> Seen:
        """Return the state as promises look at it."""
        orphan, attached = (None, ()) if self.session is None else (self.session.orphan, self.session.attachments)
        return Seen(self.session, self.memory, orphan, self.process, attached, self.sockets)

    # -- what may happen ----------------------------------------------------------------------------------------------

    def input_of(self, move: Move) -> Input | None:
        """Return the input that a move makes now; none if it cannot happen."""
        return move.make(self.session, Remembered() if move.memory is None else self.memory[move.memory])

    def possible(self) -> list[str]:
        """List the moves that would change something now, those that break a rule among them."""
        return [*self._of_the_kernel(), *self._of_the_world()]

    def _of_the_kernel(self) -> Iterator[str]:
        return (name for name in self.moves if self.may(name))

    def may(self, name: str) -> bool:
        """Say whether a move of the kernel's would change something now, or break a rule."""
        move = self.moves[name]
        if not self._is_its_time(move):
            return False
        if move.kind == "detach" or (move.name == RESTART and self.session is not None):
            return True
        given = self.input_of(move)
        if given is None:
            return False
        step, broken = self._stepped(move, given)
        return step.session is not self.session or broken is not None

    def _of_the_world(self) -> Iterator[str]:
        if self.process == OWED:
            yield PERFORM
        if self.process == UP:
            yield from (name for name, place in self.drops.items() if self.sockets[place] == IN)
        if self.crashes and self.process in (UP, OWED) and self.session is not None:
            yield CRASH

    def _is_its_time(self, move: Move) -> bool:
        """Say whether the process and the client's socket are such that the move may happen."""
        if move.name == RESTART:
            return self.process in (DOWN, LOST)
        if self.process != UP:
            return False
        if move.client is None:
            return True
        return (self.sockets[move.client] == GONE) is (move.kind == "detach")

    def kinds(self) -> set[str]:
        """Return the kinds of moves that are possible now; while hooks are performed, those possible after it."""
        if self.process == OWED:
            after = self.fork()
            after.do(PERFORM)
            return {"perform", *after.kinds()}
        return {self.kind_of(name) for name in self.possible()}

    def kind_of(self, name: str) -> str:
        """Return the kind of a move."""
        move = self.moves.get(name)
        if move is not None:
            return move.kind
        return {PERFORM: "perform", CRASH: "crash"}.get(name, "drop")

    # -- what happens -------------------------------------------------------------------------------------------------

    def do(self, name: str) -> Lived:
        """Live one move. Raise Invalid for one that cannot happen now, or is none of this configuration."""
        move = self.moves.get(name)
        if move is None:
            return self._world_does(name)
        given = self.input_of(move) if self._is_its_time(move) else None
        if given is None and not (self._is_its_time(move) and (name == RESTART or move.kind == "detach")):
            raise Invalid(f"move {name!r}", "cannot happen now", "see what is possible")
        nothing = Lived(name, move.fault, self.now, kind=move.kind)
        lived = nothing if given is None else self._lives(move, given)
        self._settle(move, lived)
        self.lived.append(lived)
        return lived

    def _lives(self, move: Move, given: Input) -> Lived:
        self.now, before = self._time(move, given), self.session
        step, broken = self._stepped(move, given)
        self.session = step.session
        remembering = remembering_of(step) if step.session is not before else NOTHING
        self.memory = remembering.after(self.memory)
        return Lived(move.name, move.fault, self.now, before, given, step, broken, move.kind)

    def _stepped(self, move: Move, given: Input) -> tuple[Step, str | None]:
        """Step, and judge it; whatever the kernel raises breaks the rule that it is total."""
        before = self.session
        try:
            step = self.kernel.step(before, given, self._time(move, given))
        except Exception as error:
            return unchanged(before, malformed(error), "total"), "total"
        broken = first_broken(Case(move, before, given, step, self.machines))
        after = step.session
        if broken is None and after is not None and after is not before and not detached_is_timed(before, after, step):
            broken = "detached-is-timed"
        return step, broken

    def _settle(self, move: Move, lived: Lived) -> None:
        """Let process and sockets follow what the kernel did."""
        committed = lived.changed and lived.step is not None and lived.step.journalled
        if move.name == RESTART:
            self.process = OWED if self.process == LOST or committed else UP
        elif committed:
            self.process = OWED if self.crashes else UP
        if move.client is not None and (lived.changed or move.kind == "detach"):
            self._socket(move.client, OUT if move.kind == "detach" else IN)

    def _socket(self, place: int, state: int) -> None:
        self.sockets = (*self.sockets[:place], state, *self.sockets[place + 1 :])

    def _world_does(self, name: str) -> Lived:
        """Live a move that the kernel is not asked about."""
        if name not in (*WORLD_MOVES, *self.drops):
            alike = difflib.get_close_matches(name, (*self.moves, *WORLD_MOVES, *self.drops), 1)
            remedy = f"did you mean {alike[0]!r}?" if alike else "see what is possible"
            raise Invalid(f"move {name!r}", f"configuration {self.config.name} has none of that name", remedy)
        if name not in self._of_the_world():
            raise Invalid(f"move {name!r}", "cannot happen now", "see what is possible")
        if name == PERFORM:
            self.process = UP
        elif name == CRASH:
            self.process = LOST if self.process == OWED else DOWN
            self.sockets = (OUT,) * self.config.clients
        else:
            self._socket(self.drops[name], GONE)
        self.lived.append(Lived(name, name == CRASH, self.now, kind=self.kind_of(name)))
        return self.lived[-1]

    def _time(self, move: Move, given: Input) -> int:
        """Return when a move happens: a second later, or when its timer is due."""
        due = due_of(self.session, given) if move.fires else None
        return max(self.now + SECOND, due or 0)


class KernelLife(Life):
    """A life of the kernel alone: the process and the sockets are somebody else's, and may do what they want."""

    def may(self, name: str) -> bool:
        """Say whether a move would change something now."""
        given = self.input_of(self.moves[name])
        return given is not None and self._stepped(self.moves[name], given)[0].session is not self.session

    def _is_its_time(self, move: Move) -> bool:
        return True

    def _of_the_world(self) -> Iterator[str]:
        yield from (*WORLD_MOVES, *self.drops)

    def _settle(self, move: Move, lived: Lived) -> None:
        self.process = UP


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
