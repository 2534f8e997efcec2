"""The naive search: every move of every state on the whole session, by the real kernel, as plainly as can be said.

What lives here: what a configuration means, said a second time without slices, poison, packing and memo. What must not:
anything of ``lifecycle.check`` that makes its search quick. The law of this file: it may be slow, and it is right.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from lifecycle.check import Configuration
from lifecycle.check.case import Case
from lifecycle.check.moves import RESTART, Memory, Move, Remembered, client_id, moves_of, run_id
from lifecycle.check.parts import joined, plain_timer, work_of
from lifecycle.check.rules import first_broken
from lifecycle.check.slices import DOWN, GONE, IN, LOST, OUT, OWED, UP
from lifecycle.check.world import Stepper, machines_of, remembering_of
from lifecycle.kernel import KERNEL, Step
from lifecycle.kernel.engine import malformed, unchanged
from lifecycle.kernel.invariants import detached_is_timed
from lifecycle.kernel.values import Session, Timer


@attrs.frozen(cache_hash=True)
class State:
    """A state by its parts: the work, what the store remembers, the orphan timer, the process, who is attached, sockets."""

    work: Session | None
    memory: Memory
    orphan: Timer | None
    process: int
    attached: tuple[str, ...]
    sockets: tuple[int, ...]

    def session(self) -> Session | None:
        """Return the whole session."""
        return None if self.work is None else joined(self.work, self.orphan, self.attached)

    def with_socket(self, place: int, socket: int) -> State:
        """Return the state with one socket set."""
        return attrs.evolve(self, sockets=(*self.sockets[:place], socket, *self.sockets[place + 1 :]))


@attrs.define
class Found:
    """What the search has found: the states with their faults and depth, its transitions, the broken rules."""

    states: dict[State, tuple[int, int]] = attrs.field(factory=dict)
    transitions: int = 0
    broken: dict[str, tuple[int, int]] = attrs.field(factory=dict)

    def note(self, rule: str, faults: int, depth: int) -> None:
        """Note a broken rule with the fewest faults and moves after which it is."""
        self.broken[rule] = min((faults, depth), self.broken.get(rule, (faults, depth)))


Next = tuple[str, bool, State | str]
"""A move by its name, whether it is a fault, and the state it leads to or the rule it breaks."""


class Naive:
    """A configuration under a kernel, one whole session at a time."""

    def __init__(self, config: Configuration, kernel: Stepper = KERNEL) -> None:
        self.config, self.kernel, self.moves = config, kernel, moves_of(config)
        self.places = {run_id(place): place for place in range(len(config.runs))}
        self.crashes = "crash" in config.families

    def first(self) -> State:
        """Return the state in which nothing has happened."""
        nothing = (Remembered(),) * len(self.config.runs)
        return State(None, nothing, None, UP, (), (OUT,) * self.config.clients)

    def wrong(self, state: State) -> bool:
        """Say whether the state by itself is wrong: whether nobody is attached, and no timer armed."""
        session = state.session()
        return session is not None and not detached_is_timed(None, session, None)  # type: ignore[arg-type]

    def following(self, state: State) -> Iterator[Next]:
        """Yield all that can happen in a state and changes something."""
        if state.process == UP:
            for move in self.moves:
                if move.name != RESTART:
                    yield from self.by_client(state, move) if move.side == "client" else self.by_run(state, move)
            for place, socket in enumerate(state.sockets):
                if socket == IN:
                    yield f"the connection of {client_id(place)} drops", False, state.with_socket(place, GONE)
        elif state.process == OWED:
            yield "the hooks are performed", False, attrs.evolve(state, process=UP)
        else:
            yield self.restarted(state)
        if self.crashes and state.work is not None and state.process in (UP, OWED):
            died = attrs.evolve(
                state, process=DOWN if state.process == UP else LOST, sockets=(OUT,) * len(state.sockets)
            )
            yield "the process dies", True, died

    def stepped(self, state: State, move: Move) -> tuple[Session | None, Step, str | None] | None:
        """Apply a move to the whole session: before, the step, the rule it breaks; none if it cannot happen."""
        before = state.session()
        known = Remembered() if move.memory is None else state.memory[move.memory]
        given = move.make(before, known)
        if given is None:
            return None
        try:
            step = self.kernel.step(before, given, move.time())
        except Exception as error:
            return before, unchanged(before, malformed(error), "total"), "total"
        broken = first_broken(Case(move, before, given, step, machines_of(self.kernel)))
        return before, step, broken

    def after(self, state: State, before: Session | None, step: Step) -> State:
        """Return the state after a step; what is not written down leaves nothing to perform."""
        session = step.session
        if session is before or session is None:
            return state
        return State(
            work_of(session, self.places),
            remembering_of(step).after(state.memory),
            plain_timer(session.orphan),
            OWED if self.crashes and step.journalled else UP,
            tuple(sorted(session.attachments)),
            state.sockets,
        )

    def by_run(self, state: State, move: Move) -> Iterator[Next]:
        """Yield what a move of the run side comes to."""
        made = self.stepped(state, move)
        if made is not None:
            before, step, broken = made
            if broken is not None:
                yield move.name, move.fault, broken
            elif step.session is not before:
                yield move.name, move.fault, self.after(state, before, step)

    def by_client(self, state: State, move: Move) -> Iterator[Next]:
        """Yield what a move of a client comes to: it attaches, unless its socket is lost, or the loss is noticed."""
        place = move.client
        lost = place is not None and state.sockets[place] == GONE
        if place is not None and lost is not (move.kind == "detach"):
            return
        made = self.stepped(state, move)
        before, step, broken = (None, None, None) if made is None else made
        if broken is not None:
            yield move.name, move.fault, broken
            return
        changed = step is not None and step.session is not before
        after = self.after(state, before, step) if step is not None else state
        if place is not None and move.kind == "detach":
            yield move.name, move.fault, after.with_socket(place, OUT)
        elif place is not None and changed:
            yield move.name, move.fault, after.with_socket(place, IN)

    def restarted(self, state: State) -> Next:
        """Return what comes of the next process: it takes over what is there, or finds nothing to take over."""
        move = next(move for move in self.moves if move.name == RESTART)
        made = self.stepped(state, move)
        if made is not None and made[2] is not None:
            return move.name, move.fault, made[2]
        if made is None or made[1].session is made[0]:
            return move.name, move.fault, attrs.evolve(state, process=OWED if state.process == LOST else UP)
        return move.name, move.fault, self.after(state, made[0], made[1])


def search(config: Configuration, kernel: Stepper = KERNEL) -> Found:
    """Search every state, those of fewest faults first, then those of fewest moves."""
    naive, found = Naive(config, kernel), Found()
    waiting = {(0, 0): {naive.first(): None}}
    while waiting:
        faults, depth = at = min(waiting)
        for state in waiting.pop(at):
            if state not in found.states:
                found.states[state] = at
                if naive.wrong(state):
                    found.note("detached-is-timed", faults, depth)
                    continue
                for _, fault, after in naive.following(state):
                    if fault and config.faults is not None and faults >= config.faults:
                        continue
                    if isinstance(after, str):
                        found.note(after, faults + fault, depth + 1)
                        continue
                    found.transitions += 1
                    waiting.setdefault((faults + fault, depth + 1), {})[after] = None
    return found
