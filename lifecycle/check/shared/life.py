"""Life: the moves of a shared world made one by one, as the search made them.

What lives here: a life that is gone through by hand or lived again, and whether its promise is broken for ever. What must
not: words. The law of this file: a life makes no move that the world does not list.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import attrs

from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.promises import SharedPromise, promises_of
from lifecycle.check.shared.rules import broken_by
from lifecycle.check.shared.state import State, first
from lifecycle.check.shared.world import Next, SharedWorld
from lifecycle.check.world import Stepper
from lifecycle.errors import Invalid
from lifecycle.kernel import KERNEL


@attrs.frozen(eq=False)
class SharedLived:
    """A move as it was made: where, and what it came to."""

    before: State
    next: Next


class SharedLife:
    """A shared world under a kernel, gone through by hand: ``possible`` says what may happen, ``do`` makes it happen."""

    def __init__(self, config: Workers, kernel: Stepper = KERNEL) -> None:
        self.config, self.world = config, SharedWorld(config, kernel)
        self.state = first(config.workers)
        self.lived: list[SharedLived] = []

    def fork(self) -> SharedLife:
        """Return a life that goes on from here by itself."""
        other = SharedLife.__new__(SharedLife)
        other.config, other.world, other.state, other.lived = self.config, self.world, self.state, list(self.lived)
        return other

    def following(self) -> list[Next]:
        """List what can happen now."""
        return self.world.following(self.state, broken_by)

    def possible(self) -> list[str]:
        """List the names of what can happen now."""
        return [one.name for one in self.following()]

    def kinds(self) -> set[str]:
        """Return the kinds of moves that are possible now."""
        return {one.kind for one in self.following() if one.after != self.state}

    def faults(self) -> set[str]:
        """Return the names of what can happen now and nobody wants."""
        return {one.name for one in self.following() if one.fault}

    def do(self, name: str) -> SharedLived:
        """Make a move. Raise Invalid for one that cannot happen now."""
        for one in self.following():
            if one.name == name:
                lived = SharedLived(self.state, one)
                self.state = one.after
                self.lived.append(lived)
                return lived
        alike = difflib.get_close_matches(name, self.possible(), 1)
        raise Invalid(
            f"move {name!r}", "cannot happen now", f"did you mean {alike[0]!r}?" if alike else "see what is possible"
        )


@attrs.frozen(eq=False)
class SharedStall:
    """How what is promised does not come: kinds that are not put off and are impossible, after which moves; the others."""

    blocked: tuple[tuple[str, tuple[int, ...]], ...]
    possible: tuple[str, ...]


@attrs.frozen(eq=False)
class SharedRetraced:
    """A counterexample as it was lived; ``stall`` if its promise is broken; ``stopped`` names what could not happen."""

    life: SharedLife
    lived: tuple[SharedLived, ...]
    forever: tuple[SharedLived, ...] | None
    stall: SharedStall | None = None
    stopped: str | None = None


def promise_of(config: Workers, name: str, about: str) -> SharedPromise:
    """Return a promise of a shared world by its name and what it is about."""
    for promise in promises_of(config):
        if (promise.name, promise.about) == (name, about):
            return promise
    fact = f"configuration {config.name} makes no such promise about {about or 'nothing'}"
    raise Invalid(f"property {name}", fact, "see `lifecycle check --list`")


def lived_again(
    config: Workers,
    kernel: Stepper,
    moves: Sequence[str],
    forever: Sequence[str] | None = None,
    promise: SharedPromise | None = None,
    without: str | None = None,
) -> SharedRetraced:
    """Make these moves again, as far as they can be made, then those that go on for ever."""
    life = SharedLife(config, kernel)
    due = False

    def through(names: Sequence[str]) -> str | None:
        nonlocal due
        for name in names:
            try:
                life.do(name)
            except Invalid:
                return name
            if promise is not None:
                due = (due or promise.premise(life.state)) and not promise.goal(life.state)
        return None

    stopped = through(moves)
    lived = tuple(life.lived)
    if forever is None or promise is None or stopped is not None:
        return SharedRetraced(life, lived, None, None, stopped)
    start, enabled = life.state, [life.kinds()]
    for name in forever:
        stopped = stopped or through((name,))
        enabled.append(life.kinds())
    tail = tuple(life.lived[len(lived) :])
    stall = None
    if due and stopped is None and life.state == start:
        stall = stall_of(life, promise.fair - {without}, {one.next.kind for one in tail}, enabled, len(lived))
    return SharedRetraced(life, lived, tail, stall, stopped)


def stall_of(
    life: SharedLife, fair: frozenset[str | None], taken: set[str], enabled: list[set[str]], since: int
) -> SharedStall | None:
    """Say how nothing that is promised helps; none if something would come after all."""
    blocked = []
    for kind in sorted(str(kind) for kind in fair - taken):
        where = tuple(since + at for at, kinds in enumerate(enabled) if kind not in kinds)
        if not where:
            return None
        blocked.append((kind, where))
    others = tuple(one.name for one in life.following() if one.kind not in fair and not one.fault)
    return SharedStall(tuple(blocked), others)
