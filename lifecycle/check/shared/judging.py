"""Judging: what a shared world proves, what breaks its rules and promises, and on what the promises rest.

What lives here: the evidence of shared worlds, and how it becomes counterexamples. What must not: a search, and words. The
law of this file: a rule is proved when each of its clauses was put to the test in one of the worlds that were explored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lifecycle.check.coverage import name_of_row, rows_of
from lifecycle.check.found import Explored
from lifecycle.check.graph import Lasso
from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.exploring import (
    SharedFound,
    SharedGraph,
    SharedPromised,
    SharedViolation,
    explore_shared,
)
from lifecycle.check.shared.promises import SharedPromise, promises_of
from lifecycle.check.shared.rules import CLAUSES, rules_of
from lifecycle.check.shared.scene import Deed
from lifecycle.check.shared.world import SharedWorld
from lifecycle.check.story import Counterexample
from lifecycle.check.world import Stepper
from lifecycle.machines import LEASE

Progress = Callable[[Explored], bool]


class SharedEvidence:
    """What was met in the shared worlds that were explored, one after another."""

    def __init__(self) -> None:
        self.rules: dict[str, str] = {}
        self.promised: dict[str, str] = {}
        self.rows: tuple[str, ...] = ()
        self.met: set[str] = set()
        self._missing = dict(enumerate(CLAUSES))
        self._premises: set[tuple[str, str]] = set()
        self._given: set[tuple[str, str]] = set()

    def watch(self, deed: Deed) -> None:
        """Note which clauses a deed puts to the test."""
        for place, clause in list(self._missing.items()):
            if deed.what in clause.about and clause.reached(deed):
                del self._missing[place]

    def unreached(self) -> set[str]:
        """Return the rules of which a clause, and the promises of which a premise, was never met."""
        rules = {one.rule for one in self._missing.values()} & set(self.rules)
        return rules | {name for name, _ in self._premises - self._given}

    def explore(
        self, config: Workers, kernel: Stepper, limit: int | None, progress: Progress | None
    ) -> tuple[SharedWorld, SharedFound, list[Counterexample]]:
        """Explore a world, rules first, then promises; return what is broken."""
        world = SharedWorld(config, kernel)
        self.rules |= {one.name: one.sentence for one in rules_of(config)}
        self.rows = tuple(f"row {name_of_row(LEASE, row)}" for row in rows_of(LEASE))
        found = explore_shared(world, limit=limit, progress=progress, watch=self.watch if self._missing else None)
        self.met |= {f"row {name}" for name in world.decisions.rows_met()}
        examples = [example_of(one, config, found) for one in found.broken.values()]
        self.promised |= {one.name: one.sentence for one in promises_of(config)}
        if found.complete and not found.broken:
            for one in promised_in(config, found):
                self._premises.add((one.promise.name, one.promise.sentence))
                if one.starts:
                    self._given.add((one.promise.name, one.promise.sentence))
                lasso = one.broken()
                if lasso is not None:
                    examples.append(counterexample_of(one.promise, lasso, config, found))
                if progress is not None and progress(found):
                    found.complete = False
                    break
        return world, found, examples


def promised_in(config: Workers, found: SharedFound) -> Iterator[SharedPromised]:
    """Yield every promise of a world that was explored to its end."""
    graph = SharedGraph(found)
    for promise in promises_of(config):
        yield SharedPromised(promise, graph)


def example_of(violation: SharedViolation, config: Workers, found: SharedFound) -> Counterexample:
    """Return how a rule is broken, in names."""
    moves = (*found.way_to(violation.state), violation.move)
    return Counterexample(violation.rule, config.name, moves, None, violation.faults)


def counterexample_of(
    promise: SharedPromise, lasso: Lasso[int], config: Workers, found: SharedFound, without: str | None = None
) -> Counterexample:
    """Return how a promise is broken, in names."""
    stem = (*found.way_to(lasso.start), *(found.names[arc.move] for arc in lasso.stem))
    forever = tuple(found.names[arc.move] for arc in lasso.loop)
    faults = found.at[lasso.start][0] + sum(arc.fault for arc in lasso.stem)
    return Counterexample(promise.name, config.name, stem, forever, faults, promise.about, without)


def kill_shared(
    config: Workers, kernel: Stepper, limit: int
) -> tuple[Counterexample | None, Callable[[], Counterexample | None], bool]:
    """Look for a rule that is broken; return it, what looks for a promise that is, and whether all was visited."""
    found = explore_shared(SharedWorld(config, kernel), limit=limit, until_violated=True)
    example = None
    if found.broken:
        example = example_of(min(found.broken.values(), key=lambda one: (one.faults, one.depth)), config, found)

    def later() -> Counterexample | None:
        for one in promised_in(config, found):
            lasso = one.broken()
            if lasso is not None:
                return counterexample_of(one.promise, lasso, config, found)
        return None

    return example, later, found.complete
