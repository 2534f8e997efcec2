"""Assuming: which promise rests on which assumption, found by withdrawing them one at a time.

What lives here: the judging of promises with one assumption less. What must not: the promises. The law of this file: an
assumption that nothing rests on is told as much as one that everything rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.found import Explored
from lifecycle.check.promises import Promise
from lifecycle.check.search import explore
from lifecycle.check.shared import judging
from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.exploring import SharedFound, explore_shared
from lifecycle.check.shared.promises import SharedPromise
from lifecycle.check.shared.world import SharedWorld
from lifecycle.check.slices import Slices
from lifecycle.check.story import Counterexample
from lifecycle.check.verdict import Progress, bits, counterexample_of, promised_in
from lifecycle.check.world import Stepper, World
from lifecycle.check.worlds import DEFAULT, AnyWorld
from lifecycle.kernel import KERNEL


@attrs.frozen
class Resting:
    """Whether a promise holds in a configuration without one of its assumptions; ``assumption`` none: with all."""

    promise: str
    about: str
    sentence: str
    configuration: str
    assumption: str | None
    counterexample: Counterexample | None

    @property
    def holds(self) -> bool:
        """Say whether the promise is kept all the same."""
        return self.counterexample is None


def resting(
    configurations: Iterable[AnyWorld] = DEFAULT,
    kernel: Stepper = KERNEL,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Resting]:
    """Judge every promise with all its assumptions, then without each of them.

    A configuration that cannot be explored to its end, or whose kernel breaks a rule, says nothing.
    """
    for config in configurations:
        told = None if progress is None else (lambda found, name=config.name: progress(name, found))
        found, judged = rested(config, kernel, limit, told)
        for one in judged:
            yield one
            if told is not None and told(found):
                return


Told = Callable[[Explored], bool] | None
"""Told what was found so far; says whether to stop."""


def rested(config: AnyWorld, kernel: Stepper, limit: int | None, told: Told) -> tuple[Explored, Iterator[Resting]]:
    """Explore one configuration, and judge its promises; none of one that says nothing."""
    if isinstance(config, Workers):
        shared = explore_shared(SharedWorld(config, kernel), limit=limit, progress=told)
        return shared, iter(()) if not shared.complete or shared.broken else withdrawn_shared(config, shared)
    slices = Slices(World(config, kernel))
    found = explore(slices, limit=limit, progress=told)
    return found, iter(()) if not found.complete or found.violations else withdrawn(config, slices, found)


def withdrawn_shared(config: Workers, found: SharedFound) -> Iterator[Resting]:
    """Judge the promises of one shared world."""
    for one in judging.promised_in(config, found):
        promise = one.promise
        for assumption in (None, *sorted(promise.fair)) if one.starts else ():
            if assumption is not None and assumption not in found.kinds:
                continue  # nothing of that kind happens here
            lasso, example = one.broken(assumption), None
            if lasso is not None:
                example = judging.counterexample_of(promise, lasso, config, found, assumption)
            yield told_of(promise, config, assumption, example)


def withdrawn(config: Configuration, slices: Slices, found: Explored) -> Iterator[Resting]:
    """Judge the promises of one configuration."""
    for one in promised_in(config, slices, found):
        promise = one.promise
        for assumption in (None, *sorted(promise.fair)) if one.starts else ():
            if assumption is not None and not bits(slices.kinds, frozenset({assumption})):
                continue  # nothing of that kind happens here
            lasso, example = one.broken(assumption), None
            if lasso is not None:
                example = counterexample_of(promise, lasso, config, slices, found, assumption)
            yield told_of(promise, config, assumption, example)


def told_of(
    promise: Promise | SharedPromise, config: AnyWorld, assumption: str | None, example: Counterexample | None
) -> Resting:
    """Make the record of one judgement."""
    return Resting(promise.name, promise.about, promise.sentence, config.name, assumption, example)
