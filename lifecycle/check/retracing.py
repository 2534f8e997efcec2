"""Retracing: a counterexample lived again, under the kernel it was found on or under any other.

What lives here: whether its last step still breaks a rule, and whether its promise is still broken for ever. What must
not: a search, and words for a terminal. The law of this file: moves that can no longer happen break nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from lifecycle.check.configuration import Configuration, configuration
from lifecycle.check.parts import plain_timer, work_of
from lifecycle.check.promises import Promise, is_of, promises_of
from lifecycle.check.replay import Life, Lived
from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.telling import faults_along_shared
from lifecycle.check.story import Counterexample
from lifecycle.check.world import Stepper
from lifecycle.check.worlds import world_named
from lifecycle.errors import Invalid
from lifecycle.kernel import KERNEL


@attrs.frozen(eq=False)
class Stall:
    """How what is promised does not come.

    ``since``: after so many moves it was due. ``fair`` are the kinds of moves that are not put off for ever;
    ``blocked`` says of those that do not happen where they are impossible: after which of the moves. ``possible`` lists
    what could happen instead, and nobody promises.
    """

    promise: Promise
    since: int
    fair: frozenset[str]
    blocked: tuple[tuple[str, tuple[int, ...]], ...]
    possible: tuple[str, ...]


@attrs.frozen(eq=False)
class Retraced:
    """A counterexample as it was lived: its moves, and those that go on for ever; ``stall`` if a promise is broken.

    ``life`` is where it ended; ``stopped`` names the move that could not happen, if one could not.
    """

    life: Life
    lived: tuple[Lived, ...]
    forever: tuple[Lived, ...] | None
    stall: Stall | None = None
    stopped: str | None = None


def promise_of(config: Configuration, example: Counterexample) -> Promise:
    """Return the promise that a counterexample breaks."""
    for promise in promises_of(config):
        if (promise.name, promise.about) == (example.property, example.about):
            return promise
    fact = f"configuration {config.name} makes no such promise about {example.about or 'nothing'}"
    raise Invalid(f"property {example.property}", fact, "see `lifecycle check --list`")


def retraced(example: Counterexample, kernel: Stepper = KERNEL, config: Configuration | None = None) -> Retraced:
    """Live a counterexample again, as far as it goes."""
    world = configuration(example.configuration) if config is None else config
    life = Life(world, kernel)
    following = Following(life, None if example.forever is None else promise_of(world, example), example.without)
    stopped = following.through(example.moves)
    lived = tuple(life.lived)
    if example.forever is None or stopped is not None:
        return Retraced(life, lived, None, None, stopped)
    start, at = canonical(life), len(lived)
    following.begin_again()
    stopped = following.through(example.forever)
    returned = stopped is None and canonical(life) == start
    return Retraced(life, lived, tuple(life.lived[at:]), following.stall() if returned else None, stopped)


def canonical(life: Life) -> tuple[object, ...]:
    """Return what two points of a life have in common if the kernel treats them alike."""
    seen = life.seen
    places = {f"r{place + 1}": place for place in range(len(life.config.runs))}
    work = None if seen.work is None else work_of(seen.work, places)
    return work, seen.memory, plain_timer(seen.orphan), seen.process, tuple(sorted(seen.attached)), tuple(seen.sockets)


class Following:
    """A life followed with an eye on a promise: since when it is due, and what was possible meanwhile."""

    def __init__(self, life: Life, promise: Promise | None, without: str | None) -> None:
        self.life = life
        self.promise = promise
        self.fair = frozenset() if promise is None else promise.fair - {without}
        self.since: int | None = None
        self.taken: set[str] = set()
        self.enabled: list[tuple[int, set[str]]] = []
        self._look()

    def through(self, names: Sequence[str]) -> str | None:
        """Live these moves; return the one that cannot happen, if one cannot."""
        for name in names:
            try:
                self.life.do(name)
            except Invalid:
                return name
            self.taken.add(self.life.kind_of(name))
            self._look()
        return None

    def begin_again(self) -> None:
        """Forget what was possible and taken: what counts for ever begins here."""
        self.taken.clear()
        self.enabled.clear()
        self._look()

    def _look(self) -> None:
        """Note, at this point, whether the promise is due, and what is possible."""
        if self.promise is None:
            return
        seen, at = self.life.seen, len(self.life.lived)
        if self.promise.goal(seen):
            self.since = None
        elif self.since is None and self.promise.premise(seen):
            self.since = at
        self.enabled.append((at, self.life.kinds()))

    def stall(self) -> Stall | None:
        """Return how the promise is broken, if it is due and no kind of move that is not put off would bring it."""
        if self.promise is None or self.since is None:
            return None
        blocked = []
        every = {move.kind for move in self.life.moves.values()} | ({"perform"} if self.life.crashes else set())
        for kind in sorted(kind for kind in every - self.taken if is_of(kind, self.fair)):
            where = tuple(at for at, kinds in self.enabled if kind not in kinds)
            if not where:
                return None
            blocked.append((kind, where))
        life = self.life
        others = [name for name in life.possible() if not is_of(life.kind_of(name), self.fair)]
        kept = tuple(name for name in others if name not in life.moves or not life.moves[name].fault)
        return Stall(self.promise, self.since, self.fair, tuple(blocked), kept)


def faults_along(example: Counterexample, kernel: Stepper = KERNEL) -> tuple[str, ...]:
    """Say what is wrong along the moves of a counterexample: each rule that is broken, and the promise; or nothing."""
    config = world_named(example.configuration)
    if isinstance(config, Workers):
        return faults_along_shared(example, config, kernel)
    way = retraced(example, kernel)
    every = (*way.lived, *(way.forever or ()))
    wrong = [f"move {at}, {one.name}: {one.broken} is broken" for at, one in enumerate(every, 1) if one.broken]
    if way.stall is not None:
        wrong.append(f"after move {len(way.lived)}: {example.property} is broken for ever")
    return tuple(wrong)
