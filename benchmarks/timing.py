"""Timers: what arming and disarming costs, however many are armed.

What lives here: the timers of the runtime beside a bare heap. What must not: firing. The law of this file: both hold
the same number of entries all the time, and every arming comes with a disarming.
"""

from __future__ import annotations

import gc
import heapq
import math
import random
from collections.abc import Callable

from benchmarks.measuring import Figure, Spread, at_most, compared, interleaved, ratio, timed
from lifecycle import VirtualClock
from lifecycle.runtime.timers import Timers

NAME = "timers"
COUNTS = (100, 1_000, 10_000, 100_000)
PAIRS = 2_000
HORIZON = 3_600_000_000
GROWTH = 2 * math.log(COUNTS[-1]) / math.log(COUNTS[0])
"""How much more a pair may cost among 100,000 than among 100: the logarithm grows 2.5 times, caches miss more."""

Pairs = Callable[[], None]


def ours(count: int, dues: list[int], names: list[str]) -> Pairs:
    """Re-arm timers of the runtime, one after another."""
    clock = VirtualClock()
    timers = Timers(clock, lambda session, fired: None)
    base = clock.now()
    for place in range(count):
        timers.arm(names[place], "orphan", names[place], base + dues[place], (1, 0))
    at = 0

    def pairs() -> None:
        nonlocal at
        for _ in range(PAIRS):
            at = (at + 7919) % count
            name = names[at]
            timers.disarm(name, "orphan", name, (1, 0))
            timers.arm(name, "orphan", name, base + dues[at], (1, 0))

    return pairs


def bare(count: int, dues: list[int], names: list[str]) -> Pairs:
    """Do the same with a heap and a dict, entries that were disarmed left in the heap until half of it is such."""
    heap: list[tuple[int, str]] = []
    armed: dict[str, int] = {}

    def arm(name: str, due: int) -> None:
        armed[name] = due
        heapq.heappush(heap, (due, name))

    def disarm(name: str) -> None:
        del armed[name]

    for place in range(count):
        arm(names[place], dues[place])
    at = 0

    def pairs() -> None:
        nonlocal at
        for _ in range(PAIRS):
            at = (at + 7919) % count
            disarm(names[at])
            arm(names[at], dues[at])
            if len(heap) > 2 * len(armed) + 64:
                heap[:] = [(due, name) for name, due in armed.items()]
                heapq.heapify(heap)

    return pairs


def measure(rounds: int) -> list[Figure]:
    """Measure a pair of arming and disarming among 100 to 100,000 timers."""
    chance = random.Random(1)
    dues = [chance.randrange(HORIZON) for _ in range(COUNTS[-1])]
    names = [f"s-{place:06d}" for place in range(COUNTS[-1])]
    contenders = {}
    for count in COUNTS:
        contenders[f"ours {count}"] = timed(ours(count, dues, names), PAIRS)
        contenders[f"bare {count}"] = timed(bare(count, dues, names), PAIRS)
    # Long enough that the heap of the largest is made anew several times: that is part of what a pair costs.
    rounds = max(rounds, 4 * COUNTS[-1] // PAIRS)
    gc.collect()
    gc.disable()  # or whoever has few timers would pay for walking the many of another
    try:
        taken = interleaved(contenders, rounds)
    finally:
        gc.enable()
    worst = [max(taken[f"ours {count}"]) * PAIRS * 1e3 for count in COUNTS]
    figures = [
        compared(
            NAME, f"arm and disarm among {count:,}", "bare heap and dict", taken[f"ours {count}"],
            taken[f"bare {count}"], unit="ns", note=f"the longest {PAIRS:,} pairs took {longest:.0f} ms",
        )
        for count, longest in zip(COUNTS, worst, strict=True)
    ]  # fmt: skip
    least, most = taken[f"ours {COUNTS[0]}"], taken[f"ours {COUNTS[-1]}"]
    means = sum(most) / sum(least)
    each = ratio(most, least)
    growth = Spread(means, each.low, each.high)
    figures.append(
        Figure(
            NAME, f"among {COUNTS[-1]:,} beside {COUNTS[0]}", sum(most) / len(most) * 1e9, "ns", "among 100",
            sum(least) / len(least) * 1e9, growth, "times (means)", at_most(round(GROWTH, 1)),
            "O(log n): the logarithm grows 2.5 times, as much again is left to caches",
        )
    )  # fmt: skip
    return figures
