"""Stepping: what the real kernel makes of an input in a shared world, asked once for each session and input.

What lives here: sessions, what the store remembers and replies as numbers, and the steps between them. What must not:
workers and leases. The law of this file: a session is in its canonical form, as everywhere in the checker, and the
inputs are the moves that the other worlds know.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial

import attrs

from lifecycle import hooks
from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import (
    RESTART,
    Make,
    Memory,
    Move,
    Remembered,
    abort_ended,
    decide_again,
    decide_closed,
    decision,
    moves_of,
    run_id,
)
from lifecycle.check.parts import work_of
from lifecycle.check.slices import Interned
from lifecycle.check.world import Stepper, remembering_of
from lifecycle.kernel import Step
from lifecycle.kernel.engine import malformed, unchanged
from lifecycle.kernel.inputs import AbortRun, ExecutionSettled, Input, Recovered
from lifecycle.kernel.replies import Reply
from lifecycle.kernel.values import Session

OF_CODE = frozenset({"ask", "settle", "settle early", "return"})
"""The kinds of moves that the agent's code makes, in the process where it is at work."""

RECOVERY = "recovery"
"""In place of the name of a move: the input by which a process takes up what another one left."""


@attrs.frozen(eq=False)
class Stepped:
    """What came of an input: the session and the memory after it and the reply, as numbers; the input and the step.

    ``calls``: code is to be called; ``settles``: the code that said so has returned; ``keeps_code``: the code that was
    at work still is. ``broken``: the kernel raised.
    """

    given: Input
    step: Step
    session: int
    memory: int
    reply: int
    changed: bool
    calls: bool
    settles: bool
    keeps_code: bool
    broken: bool


class Steps:
    """The steps of one session under a kernel."""

    def __init__(self, config: Configuration, kernel: Stepper, leaves_out: frozenset[str] = frozenset()) -> None:
        self.config, self.kernel, self.leaves_out = config, kernel, leaves_out
        self.moves = {move.name: move for move in moves_of(config) if move.name != RESTART}
        self.sessions: Interned[Session | None] = Interned()
        self.memories: Interned[Memory] = Interned()
        self.replies: Interned[Hashable] = Interned()
        self.sessions.number(None)
        self.memories.number((Remembered(),) * len(config.runs))
        self.replies.number(None)
        self.calls = 0
        self._places = {run_id(place): place for place in range(len(config.runs))}
        self._known: dict[tuple[int, int, str], Stepped | None] = {}
        self._possible: dict[tuple[int, int], tuple[tuple[Move, Stepped], ...]] = {}

    def possible(self, session: int, memory: int) -> tuple[tuple[Move, Stepped], ...]:
        """Return all that changes a session, with what comes of it; and all on which the kernel raises."""
        key = session, memory
        found = self._possible.get(key)
        if found is None:
            moves = [move for move in self.moves.values() if self.leaves_out.isdisjoint((move.kind, move.name))]
            every = [(move, self.stepped(session, memory, move.name)) for move in moves]
            found = tuple((move, one) for move, one in every if one is not None and (one.changed or one.broken))
            self._possible[key] = found
        return found

    def stepped(self, session: int, memory: int, name: str) -> Stepped | None:
        """Return what comes of a move, or of the recovery; none if it cannot happen."""
        key = session, memory, name
        if key not in self._known:
            given = self._input(session, memory, name)
            self._known[key] = None if given is None else self._step(session, memory, given)
        return self._known[key]

    def asked(self, session: int, memory: int, name: str) -> Stepped:
        """Return what comes of a request: as it was made, whether or not the session can do anything about it."""
        found = self.stepped(session, memory, name)
        if found is not None:
            return found
        key = session, memory, f"late: {name}"
        if key not in self._known:
            self._known[key] = self._step(session, memory, self._late(session, memory, name))
        late = self._known[key]
        assert late is not None
        return late

    # -- inside -------------------------------------------------------------------------------------------------------

    def _input(self, session: int, memory: int, name: str) -> Input | None:
        there, known = self.sessions.values[session], self.memories.values[memory]
        if name == RECOVERY:
            return None if there is None else Recovered(self.config.policy)
        move = self.moves[name]
        return move.make(there, Remembered() if move.memory is None else known[move.memory])

    def _late(self, session: int, memory: int, name: str) -> Input:
        """Make the input of a request that comes too late, with what the store has found of its names."""
        there, known = self.sessions.values[session], self.memories.values[memory]
        for move in LATE[self.moves[name].kind.split()[0]](self.config):
            given = move(there, known[0])
            if given is not None:
                return given
        raise AssertionError("a request can be made of any session")

    def _step(self, session: int, memory: int, given: Input) -> Stepped:
        before = self.sessions.values[session]
        self.calls += 1
        broken = False
        try:
            step = self.kernel.step(before, given, 0)
        except Exception as error:  # total by contract
            step, broken = unchanged(before, malformed(error), "total"), True
        after, changed = step.session, step.session is not before
        slot = None if after is None else after.execution
        old = None if before is None else before.execution
        return Stepped(
            given,
            step,
            session if not changed or after is None else self.sessions.number(work_of(after, self._places)),
            self.memories.number(remembering_of(step).after(self.memories.values[memory])) if changed else memory,
            self.replies.number(step.reply),
            changed,
            any(type(hook) is hooks.CallCode for hook in step.hooks),
            isinstance(given, ExecutionSettled),
            slot is not None and old is not None and (slot.id, slot.token) == (old.id, old.token),
            broken,
        )

    def reply(self, number: int) -> Reply | None:
        """Return a reply."""
        found = self.replies.values[number]
        assert found is None or isinstance(found, Reply)
        return found


def late_aborts(config: Configuration) -> tuple[Make, ...]:
    """Return the ways to abort a run that is over, or unknown."""
    owner = config.runs[0].owner
    return partial(abort_ended, config, 0), lambda session, memory: AbortRun(run_id(0), owner)


def late_decisions(config: Configuration) -> tuple[Make, ...]:
    """Return the ways to answer a question that is answered, or closed, or was never asked."""
    run, ask = config.runs[0], config.runs[0].asks[0]
    kind = config.decisions[0]
    return (
        partial(decide_again, 0, ask, False),
        partial(decide_closed, config, 0, ask),
        lambda session, memory: decision(run_id(0), ask, kind, run.owner),
    )


LATE: dict[str, Callable[[Configuration], tuple[Make, ...]]] = {"abort": late_aborts, "decide": late_decisions}
"""How a request of a kind is made of a session that can do nothing about it; a request is about the first run."""
