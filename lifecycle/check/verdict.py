"""The verdict: configurations explored, properties judged, with their bounds.

What lives here: what is proved, refuted or undetermined, and why. What must not: words for a terminal. The law of this
file: a property whose premise was never reached, or a search that was cut short, is undetermined and never green.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import attrs

from lifecycle.check.case import Case
from lifecycle.check.configuration import Configuration
from lifecycle.check.coverage import everything, met_by
from lifecycle.check.found import Explored, Violation
from lifecycle.check.graph import Arc, Lasso, broken_promise
from lifecycle.check.packed import PackedGraph
from lifecycle.check.promises import Promise, Seen, is_of, promises_of
from lifecycle.check.rules import SAFETY, Property
from lifecycle.check.search import explore
from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.judging import SharedEvidence, kill_shared
from lifecycle.check.shared.world import Shared
from lifecycle.check.slices import Slices
from lifecycle.check.story import Counterexample
from lifecycle.check.traces import trace_of, trace_to
from lifecycle.check.variants import Mutant
from lifecycle.check.world import Stepper, World, machines_of
from lifecycle.check.worlds import DEFAULT, AnyWorld
from lifecycle.kernel import KERNEL

PROVED, REFUTED, UNDETERMINED = "PROVED", "REFUTED", "UNDETERMINED"


def worst(statuses: Collection[str]) -> str:
    """Return the verdict on several things: refuted if one is, else undetermined if one is.

    >>> worst(["PROVED", "UNDETERMINED"]), worst([])
    ('UNDETERMINED', 'PROVED')
    """
    return next((status for status in (REFUTED, UNDETERMINED) if status in statuses), PROVED)


@attrs.frozen
class Verdict:
    """What is known of one property. ``why`` says in words what is missing where it is undetermined."""

    name: str
    sentence: str
    status: str
    counterexample: Counterexample | None = None
    why: str = ""


@attrs.frozen
class Size:
    """How large a configuration turned out: states, transitions, calls of the kernel, seconds."""

    configuration: str
    bounds: str
    states: int
    transitions: int
    kernel_calls: int
    seconds: float
    complete: bool


@attrs.frozen
class Report:
    """All verdicts on a kernel, the sizes they hold for, and what of the tables was not reached."""

    sizes: tuple[Size, ...]
    verdicts: tuple[Verdict, ...]
    unreached: tuple[str, ...]

    @property
    def status(self) -> str:
        """Return the verdict on everything; something of the tables that was not met leaves it undetermined, too."""
        return worst([verdict.status for verdict in self.verdicts] + [UNDETERMINED] * bool(self.unreached))


Progress = Callable[[str, Explored], bool]
"""Told the configuration and what was found so far; returns true to stop."""


class Judging:
    """The gathering of evidence over several configurations."""

    def __init__(self, kernel: Stepper = KERNEL) -> None:
        self.kernel = kernel
        self.missing: dict[str, Property] = {one.name: one for one in SAFETY}
        self.met: set[str] = set()
        self.broken: dict[str, Counterexample] = {}
        self.promised: dict[str, str] = {}
        self.premises: set[str] = set()
        self.sizes: list[Size] = []
        self.shared = SharedEvidence()
        self.has_sessions = False

    def watch(self, case: Case) -> None:
        """Note what a step reaches."""
        if case.changed:
            self.met.update(met_by(case))
        for name in [name for name, one in self.missing.items() if one.reached(case)]:
            del self.missing[name]

    def explore(self, config: AnyWorld, limit: int | None, progress: Progress | None) -> bool:
        """Explore one configuration, rules first, then promises; return false if it was cut short."""
        if isinstance(config, Workers):
            return self.explore_shared(config, limit, progress)
        self.has_sessions = True
        world = World(config, self.kernel)
        world.watch = self.watch
        began = time.perf_counter()
        slices = Slices(world)
        told = None if progress is None else (lambda found: progress(config.name, found))
        found = explore(slices, limit=limit, progress=told)
        for violation in found.violations.values():
            self.note(example_of(violation, config, slices, found))
        for promise in promises_of(config):
            self.promised.setdefault(promise.name, promise.sentence)
        if found.complete and not found.violations:
            self.promises(config, slices, found, told)
        seconds = time.perf_counter() - began
        size = found.states, found.transitions, slices.kernel_calls, seconds, found.complete
        self.sizes.append(Size(config.name, config.bounds(), *size))
        return found.complete

    def explore_shared(self, config: Workers, limit: int | None, progress: Progress | None) -> bool:
        """Do the same for a world that workers share."""
        began = time.perf_counter()
        told = None if progress is None else (lambda found: progress(config.name, found))
        world, found, examples = self.shared.explore(config, self.kernel, limit, told)
        for one in examples:
            self.note(one)
        seconds = time.perf_counter() - began
        size = found.states, found.transitions, world.steps.calls, seconds, found.complete
        self.sizes.append(Size(config.name, config.bounds(), *size))
        return found.complete

    def promises(
        self, config: Configuration, slices: Slices, found: Explored, told: Callable[[Explored], bool] | None
    ) -> None:
        """Judge every promise of a configuration, unless somebody says stop."""
        for one in promised_in(config, slices, found):
            if one.starts:
                self.premises.add(one.promise.name)
            lasso = one.broken()
            if lasso is not None:
                self.note(counterexample_of(one.promise, lasso, config, slices, found))
            if told is not None and told(found):
                found.complete = False
                return

    def note(self, one: Counterexample) -> None:
        """Keep the counterexample with the fewest faults, then the fewest moves, of each property."""
        old = self.broken.get(one.property)
        if old is None or (one.faults, len(one.moves)) < (old.faults, len(old.moves)):
            self.broken[one.property] = one

    def report(self, complete: bool) -> Report:
        """Sum up: of what belongs to worlds of a kind that was not explored nothing is said."""
        rules = {one.name: one.sentence for one in SAFETY if self.has_sessions or one.name == "total"}
        sentences = rules | self.shared.rules | self.promised | self.shared.promised
        verdicts = [self._verdict(name, sentence, complete) for name, sentence in sentences.items()]
        there = (*(everything(machines_of(self.kernel)) if self.has_sessions else ()), *self.shared.rows)
        met = self.met | self.shared.met
        unreached = tuple(name for name in there if name not in met) if complete else ()
        return Report(tuple(self.sizes), tuple(verdicts), unreached)

    def _verdict(self, name: str, sentence: str, complete: bool) -> Verdict:
        if name in self.broken:
            return Verdict(name, sentence, REFUTED, self.broken[name])
        if not complete:
            return Verdict(name, sentence, UNDETERMINED, None, "the search was cut short")
        if (self.has_sessions and name in self.missing) or name in self.shared.unreached():
            return Verdict(name, sentence, UNDETERMINED, None, "no state or step reached its premise")
        if name in self.promised and name not in self.premises:
            return Verdict(name, sentence, UNDETERMINED, None, "no state reached its premise")
        return Verdict(name, sentence, PROVED)


class Promised:
    """A promise in a configuration that was explored: the states in which it is given, and whether it is kept."""

    def __init__(self, promise: Promise, slices: Slices, graph: PackedGraph, seen: Mapping[int, Seen]) -> None:
        self.promise, self.slices, self.graph, self.seen = promise, slices, graph, seen
        self.starts = [state for state, parts in seen.items() if promise.premise(parts)]

    def broken(self, without: str | None = None) -> Lasso[int] | None:
        """Return how it is broken, ``without`` one of its assumptions; none if it is kept."""
        fair = frozenset(kind for kind in self.promise.fair if kind != without)
        kinds = self.slices.kinds
        return broken_promise(
            self.graph, self.starts, self._is_kept, bits(kinds, fair), bits(kinds, self.promise.finitely)
        )

    def _is_kept(self, state: int) -> bool:
        return self.promise.goal(self.seen[state])


def promised_in(config: Configuration, slices: Slices, found: Explored) -> Iterator[Promised]:
    """Yield every promise of a configuration that was explored to its end."""
    seen = {state: Seen(*slices.unpack(state)) for state in found.every_state()}
    graph = PackedGraph(slices, seen)
    for promise in promises_of(config):
        yield Promised(promise, slices, graph, seen)


def bits(kinds: Mapping[str, int], names: frozenset[str]) -> int:
    """Return the bits of the kinds that are named."""
    return sum(bit for kind, bit in kinds.items() if is_of(kind, names))


def example_of(violation: Violation, config: Configuration, slices: Slices, found: Explored) -> Counterexample:
    """Return how a rule is broken, in names."""
    moves = tuple(slices.labels[move] for move in trace_of(slices, found, violation))
    return Counterexample(violation.rule, config.name, moves, None, violation.faults)


def counterexample_of(
    promise: Promise,
    lasso: Lasso[int],
    config: Configuration,
    slices: Slices,
    found: Explored,
    without: str | None = None,
) -> Counterexample:
    """Return how a promise is broken, in names."""

    def names(arcs: Sequence[Arc[int]]) -> tuple[str, ...]:
        return tuple(slices.labels[arc.move] for arc in arcs)

    stem = tuple(slices.labels[move] for move in trace_to(slices, found, lasso.start)) + names(lasso.stem)
    faults = sum(arc.fault for arc in lasso.stem)
    return Counterexample(promise.name, config.name, stem, names(lasso.loop), faults, promise.about, without)


def check(
    configurations: Iterable[AnyWorld] = DEFAULT,
    kernel: Stepper = KERNEL,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Explore the configurations and judge every property; ``limit`` bounds the states of each."""
    judging = Judging(kernel)
    complete = True
    for config in configurations:
        complete = judging.explore(config, limit, progress) and complete
    return judging.report(complete)


@attrs.frozen
class Killed:
    """How a mutant was found out: by which counterexample, in how many seconds; none: it survived.

    ``complete`` false: it was not found out within the limit, and what comes after that is not known.
    """

    mutant: str
    story: str
    counterexample: Counterexample | None
    seconds: float
    complete: bool = True


HUNT_MAX = 20_000
"""How many states of each world a hunt visits unless told otherwise: more than twice what the largest small one has.

A mutant may have no end of states: one that counts what nobody bounds.
"""


def kill(mutant: Mutant, configurations: Sequence[AnyWorld] = DEFAULT, *, limit: int | None = None) -> Killed:
    """Look for the first property that a mutant breaks: rules in every configuration, then promises.

    No more than ``limit`` states of each are visited. Of a world that was cut short no promise is asked: what might
    still come is not known. What only workers share is looked for where they share it.
    """
    began = time.perf_counter()
    kernel = mutant.make()
    promised: list[Callable[[], Counterexample | None]] = []
    complete = True
    for config in configurations:
        if isinstance(config, Workers):
            example, later, is_whole = kill_shared(config, kernel, HUNT_MAX if limit is None else limit)
        elif isinstance(kernel, Shared):
            continue
        else:
            example, later, is_whole = kill_session(config, kernel, HUNT_MAX if limit is None else limit)
        if example is not None:
            return Killed(mutant.name, mutant.story, example, time.perf_counter() - began)
        if is_whole:
            promised.append(later)
        complete = complete and is_whole
    for one in promised:
        example = one()
        if example is not None:
            return Killed(mutant.name, mutant.story, example, time.perf_counter() - began)
    return Killed(mutant.name, mutant.story, None, time.perf_counter() - began, complete)


Hunted = tuple[Counterexample | None, Callable[[], Counterexample | None], bool]
"""The rule that is broken, what looks for a promise that is, and whether every state was visited."""


def kill_session(config: Configuration, kernel: Stepper, limit: int) -> Hunted:
    """Look in a world of one session."""
    slices = Slices(World(config, kernel))
    found = explore(slices, limit=limit, until_violated=True)
    example = None
    if found.violations:
        first = min(found.violations.values(), key=lambda one: (one.faults, one.depth))
        example = example_of(first, config, slices, found)

    def later() -> Counterexample | None:
        for one in promised_in(config, slices, found):
            lasso = one.broken()
            if lasso is not None:
                return counterexample_of(one.promise, lasso, config, slices, found)
        return None

    return example, later, found.complete
