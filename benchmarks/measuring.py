"""Measuring: contenders take turns, and only ratios of one round count.

What lives here: rounds, ratios, figures and their targets. What must not: what is measured, and how it is shown. The
law of this file: two times are compared only if they were taken in the same round, one right after the other.
"""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from time import thread_time

import attrs

Timed = Callable[[], float]
"""A contender: do a batch and return the seconds that one operation took."""


@attrs.frozen
class Spread:
    """What several rounds gave: the median, the least and the greatest."""

    median: float
    low: float
    high: float


@attrs.frozen
class Target:
    """What a figure is to reach."""

    sense: str
    bound: float

    def met_by(self, value: float) -> bool:
        """Say whether a value reaches it."""
        return value <= self.bound if self.sense == "≤" else value >= self.bound

    def __str__(self) -> str:
        return f"{self.sense} {self.bound:g}"


@attrs.frozen
class Figure:
    """One line of the result.

    ``value`` is what was measured and ``beside`` the same of ``floor``, both in ``unit``. ``ratio`` says how they
    compare, ``reads`` in which sense; without a ratio the target is one of the value itself.
    """

    benchmark: str
    what: str
    value: float
    unit: str
    floor: str = ""
    beside: float | None = None
    ratio: Spread | None = None
    reads: str = ""
    target: Target | None = None
    note: str = ""

    @property
    def meets(self) -> bool | None:
        """Say whether the target is reached, the median deciding; none without a target."""
        if self.target is None:
            return None
        return self.target.met_by(self.value if self.ratio is None else self.ratio.median)


def at_most(bound: float) -> Target:
    """Be a target that is not to be exceeded."""
    return Target("≤", bound)


def at_least(bound: float) -> Target:
    """Be a target that is to be reached."""
    return Target("≥", bound)


def progress(text: str) -> None:
    """Tell whoever waits what is being done."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)


def spread(values: Sequence[float]) -> Spread:
    """Fold what several rounds gave."""
    return Spread(statistics.median(values), min(values), max(values))


def timed(batch: Callable[[], object], operations: int) -> Timed:
    """Make a contender of a batch of that many operations, which only compute: time given to others is not counted."""

    def run() -> float:
        began = thread_time()
        batch()
        return (thread_time() - began) / operations

    return run


def interleaved(contenders: Mapping[str, Timed], rounds: int) -> dict[str, list[float]]:
    """Let all contenders take their turn in every round, each round beginning with another one; warm up once."""
    names = list(contenders)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        contenders[name]()
    for turn in range(rounds):
        gc.collect()
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(contenders[name]())
    return taken


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Divide round by round."""
    return spread([one / other for one, other in zip(above, below, strict=True)])


def compared(
    benchmark: str,
    what: str,
    floor: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    unit: str = "µs",
    reads: str = "times the floor",
    of_floor: bool = False,
    target: Target | None = None,
    note: str = "",
) -> Figure:
    """Make the figure of two contenders. ``of_floor``: how fast beside the floor, else how long."""
    scale = {"ns": 1e9, "µs": 1e6, "ms": 1e3}[unit]
    found = ratio(theirs, ours) if of_floor else ratio(ours, theirs)
    value, beside = statistics.median(ours) * scale, statistics.median(theirs) * scale
    return Figure(benchmark, what, value, unit, floor, beside, found, reads, target, note)
