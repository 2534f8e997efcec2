"""Mutating: what finds out a kernel that was broken on purpose.

What lives here: one mutant, the five seed bugs, all mutants, and what is said of those that survive. What must not: what
a mutant is, and the search. The law of this file: that a mutant survives is never green, unless none could notice it.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence

import attrs

from lifecycle.check import (
    EQUIVALENT,
    PROVED,
    REFUTED,
    SEEDS,
    UNDETERMINED,
    Killed,
    Mutant,
    every_mutant,
    kill,
    mutant,
)
from lifecycle.check.hunting import hunt
from lifecycle.check.telling import record, told
from lifecycle.cli.checking import Wanted
from lifecycle.cli.filing import writable
from lifecycle.cli.reading import write_table
from lifecycle.cli.verdicts import EXITS, STYLES, chosen, tell
from lifecycle.cli.watching import watching
from lifecycle.cli.writing import Output


def check_without(wanted: Wanted, output: Output) -> int:
    """Check the kernel of one mutant, and tell how it is found out."""
    broken, configs = mutant(wanted.without or ""), chosen(wanted)
    writable(wanted.pytest, wanted.svg)
    with watching(output) as watch:
        watch.say(f"mutant {broken.name}")
        killed = kill(broken, configs, limit=wanted.limit)
    if killed.counterexample is None:
        return survived(output, killed)
    story = told(killed.counterexample, broken)
    if output.as_json:
        output.data(kind="mutant", **record(story, killed.counterexample), seconds=killed.seconds)
    tell(output, wanted, [(killed.counterexample, story)])
    output.say(f"{REFUTED} ({story.bounds})", "red")
    return EXITS[REFUTED]


CUT = "the search was cut short, and nothing it visited was wrong"


def survived(output: Output, killed: Killed) -> int:
    """Say that no property notices a mutant, and whether none could."""
    reason = EQUIVALENT.get(killed.mutant)
    status = UNDETERMINED if reason is None else PROVED
    known = {"verdict": status, "equivalent": reason, "complete": killed.complete, "seconds": killed.seconds}
    output.data(kind="mutant", mutant=killed.mutant, **known)
    if reason is None and not killed.complete:
        output.say(f"mutant {killed.mutant}: {CUT}; raise --limit-states")
    elif reason is None:
        output.say(
            f"mutant {killed.mutant}: no property of these worlds notices it; explore others with --configuration"
        )
    else:
        output.text(f"{killed.mutant} is equivalent to the shipped kernel: {reason}")
    return EXITS[status]


def check_seeds(wanted: Wanted, output: Output) -> int:
    """Find the five seed bugs again, and tell their stories."""
    found: list[tuple[Mutant, Killed]] = []
    writable(wanted.pytest, wanted.svg)
    with watching(output) as watch:
        for one in SEEDS:
            watch.say(one.name)
            found.append((one, kill(one, chosen(wanted), limit=wanted.limit)))
    stories = [
        (killed.counterexample, told(killed.counterexample, one)) for one, killed in found if killed.counterexample
    ]
    for example, story in stories:
        output.data(kind="seed", **record(story, example))
    tell(output, wanted, stories)
    output.say(f"{len(stories)} of {len(SEEDS)} seed bugs are found out again, as all must be")
    return 0 if len(stories) == len(SEEDS) else EXITS[REFUTED]


def check_mutants(wanted: Wanted, output: Output) -> int:
    """Break the kernel in every way, and write what finds each out; those that survive must be equivalent."""
    every, configs = every_mutant(), chosen(wanted)
    killed: list[Killed] = []
    with watching(output) as watch, contextlib.closing(hunt(every, configs, limit=wanted.limit)) as hunted:
        for at, one in enumerate(every, 1):
            if watch.interrupted:
                break
            watch.say(f"mutant {at} of {len(every)}: {one.name}")
            killed.append(next(hunted))
    for found in killed:
        output.data(kind="mutant", **killed_record(found))
    if not output.as_json:
        write_table(output, ("mutant", "found out by", "moves", "faults", "seconds"), map(killed_row, killed), STYLES)
    return sum_up(output, killed, len(every))


def fate(one: Killed) -> str:
    """Say what became of a mutant that was not found out."""
    return "equivalent" if one.mutant in EQUIVALENT else "survived" if one.complete else "cut short"


def killed_row(one: Killed) -> tuple[str, ...]:
    """Return the row of one mutant."""
    example, seconds = one.counterexample, f"{one.seconds:.2f}"
    if example is None:
        return one.mutant, fate(one), "", "", seconds
    forever = "" if example.forever is None else f" + {len(example.forever)} for ever"
    return one.mutant, example.property, f"{len(example.moves)}{forever}", str(example.faults), seconds


def killed_record(one: Killed) -> dict[str, object]:
    """Return the record of one mutant."""
    example = None if one.counterexample is None else attrs.asdict(one.counterexample)
    equivalent = EQUIVALENT.get(one.mutant)
    return {
        "mutant": one.mutant,
        "counterexample": example,
        "equivalent": equivalent,
        "complete": one.complete,
        "seconds": one.seconds,
    }


def sum_up(output: Output, killed: Sequence[Killed], wanted: int) -> int:
    """Name the survivors, give the reasons of the equivalent ones, and count."""
    left = [one for one in killed if one.counterexample is None]
    fates = Counter(map(fate, left))
    if not output.as_json:
        output.line("")
        for one in left:
            what = fate(one)
            reason = CUT if what == "cut short" else EQUIVALENT.get(one.mutant, "no property notices it")
            output.text(f"{what}: {one.mutant}: {reason}")
    survivors, short = fates["survived"], fates["cut short"]
    counts = f"{len(killed) - len(left)} found out, {fates['equivalent']} equivalent, {survivors} survived"
    counts += f", {short} cut short" * bool(short)
    output.say(f"{len(killed)} of {wanted} mutants: {counts}", "red" if survivors else None)
    if survivors:
        return EXITS[REFUTED]
    return EXITS[PROVED] if len(killed) == wanted and not short else EXITS[UNDETERMINED]
