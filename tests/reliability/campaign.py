"""Campaigns: what was tried, what really fired, and what went wrong.

What lives here: the shape of a campaign, how one is run, and the table it prints. What must not: a fault. The law of this
file: a trial is named by a text from which it can be made again, and a violation prints the one command that does so.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import resource
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import attrs

SHOWN_MAX = 5
"""How many violations are told in full."""


@attrs.define
class Trial:
    """What one trial came to: how often each fault fired, what was violated, and how much it ``counts`` that is new."""

    fired: Counter[str] = attrs.field(factory=Counter)
    violations: list[str] = attrs.field(factory=list)
    counts: int = 1


class Campaign(Protocol):
    """A kind of fault. ``controls`` take one protection away each: the campaign must find violations then."""

    name: str
    claim: str
    unit: str
    seeded: bool
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]]
    short: int
    long: int

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name trials, one after another; the same seed names the same ones.

        Without a protection those come first where the lack of it should show: found by what is there, not by a number.
        """

    def trial(self, place: str) -> Trial:
        """Make one trial."""


@attrs.define
class Tally:
    """What a campaign came to. ``violations``: the place of each, and what was wrong.

    ``tried`` counts all trials, ``covered`` what was new in them: an image that came up before is tried, and not covered.
    """

    campaign: str
    unit: str
    control: str | None = None
    tried: int = 0
    covered: int = 0
    fired: Counter[str] = attrs.field(factory=Counter)
    violations: list[tuple[str, str]] = attrs.field(factory=list)
    violated: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def add(self, place: str, trial: Trial) -> None:
        """Add a trial."""
        self.tried += 1
        self.covered += trial.counts
        self.fired += trial.fired
        self.violated += bool(trial.violations)
        if trial.violations and len(self.violations) < SHOWN_MAX:
            self.violations.append((place, "; ".join(trial.violations)))

    def join(self, other: Tally) -> None:
        """Add what another process counted at the same time."""
        self.tried += other.tried
        self.covered += other.covered
        self.fired += other.fired
        self.violated += other.violated
        self.violations = (self.violations + other.violations)[:SHOWN_MAX]
        self.seconds = max(self.seconds, other.seconds)
        self.cpu_seconds += other.cpu_seconds


def run(
    campaign: Campaign,
    places: Iterable[str],
    amount: int | None = None,
    control: str | None = None,
    first: bool = False,
) -> Tally:
    """Make the trials of these places until so much was covered, or ``first`` until one is violated."""
    tally = Tally(campaign.name, campaign.unit, control)
    began, worked = time.perf_counter(), cpu_seconds()
    taken_away = contextlib.nullcontext() if control is None else campaign.controls[control]()
    with taken_away:
        for place in places:
            tally.add(place, campaign.trial(place))
            if (amount is not None and tally.covered >= amount) or (first and tally.violated):
                break
    tally.seconds, tally.cpu_seconds = time.perf_counter() - began, cpu_seconds() - worked
    return tally


def cpu_seconds() -> float:
    """Return how long this process and those it waited for have worked."""
    used = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


SEEDS_APART = 1_000_000
"""How far the seeds of processes lie apart that work side by side."""


def endless(campaign: Campaign, seed: int, without: str | None = None) -> Iterator[str]:
    """Name trials of this seed and, when these are all told, of the next, where a seed makes a difference."""
    if not campaign.seeded:
        return campaign.places(seed, without)
    return itertools.chain.from_iterable(campaign.places(one, without) for one in itertools.count(seed))


def shared(campaign: Campaign, seed: int, amount: int, control: str | None, processes: int, first: bool) -> Tally:
    """Run a campaign in several processes, each with seeds of its own."""
    if processes == 1:
        return run(campaign, endless(campaign, seed, control), amount, control, first)
    share = -(-amount // processes)
    shares = [(campaign.name, seed + SEEDS_APART * n, share, control, first) for n in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        first, *others = pool.starmap(one_share, shares)
    for other in others:
        first.join(other)
    return first


def one_share(name: str, seed: int, amount: int, control: str | None, first: bool) -> Tally:
    """Be one of the processes."""
    from .campaigns import CAMPAIGNS

    campaign = CAMPAIGNS[name]
    return run(campaign, endless(campaign, seed, control), amount, control, first)


# -- telling ----------------------------------------------------------------------------------------------------------

HEAD = ("campaign", "covered", "trials", "faults fired", "violations", "CPU seconds")


def row(tally: Tally) -> tuple[str, ...]:
    """Tell a tally in one line."""
    name = tally.campaign if tally.control is None else f"{tally.campaign} without {tally.control}"
    fired = ", ".join(f"{count:,} {kind}" for kind, count in sorted(tally.fired.items()))
    covered = f"{tally.covered:,} {tally.unit}"
    return name, covered, f"{tally.tried:,}", fired or "none", f"{tally.violated:,}", f"{tally.cpu_seconds:.1f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Write a table for a terminal."""
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows
    )


COMMAND = ("python", "-m", "tests.reliability")


def again(tally: Tally, place: str) -> str:
    """Write the command that makes one trial again."""
    without = () if tally.control is None else ("--without", tally.control)
    return shlex.join((*COMMAND, tally.campaign, "--at", place, *without))
