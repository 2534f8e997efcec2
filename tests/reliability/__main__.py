"""The command: run campaigns, print what they came to.

What lives here: the options. What must not: a campaign. The law of this file: the exit code is 1 if anything was violated,
and of a control if nothing was.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import attrs

from .campaign import COMMAND, HEAD, Tally, again, row, run, shared, table
from .campaigns import CAMPAIGNS
from .recording import RECORD, note


def parser() -> argparse.ArgumentParser:
    """Describe the command."""
    made = argparse.ArgumentParser("python -m tests.reliability", description="Run reliability campaigns.")
    made.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help=f"of {', '.join(CAMPAIGNS)}; none: all")
    made.add_argument("--points", type=int, help="how much to cover; the default is the short form")
    made.add_argument("--long", action="store_true", help="cover as much as the long form does")
    made.add_argument("--seed", type=int, default=1, help="where to begin")
    made.add_argument("--at", help="make one trial again")
    made.add_argument("--without", metavar="PROTECTION", help="take a protection away: violations must be found")
    made.add_argument("--controls", action="store_true", help="run every control")
    made.add_argument("--first", action="store_true", help="stop at the first violation")
    made.add_argument("--processes", type=int, default=1, help="how many to run side by side")
    made.add_argument("--json", action="store_true", help="print figures for a program")
    made.add_argument("--record", action="store_true", help=f"keep the figures for the page, in {RECORD.name}")
    return made


def tallies(options: argparse.Namespace) -> list[Tally]:
    """Run what is asked for."""
    made = []
    for name in options.campaigns or CAMPAIGNS:
        campaign = CAMPAIGNS[name]
        if options.at is not None:
            made.append(run(campaign, [options.at], control=options.without))
            continue
        amount = options.points or (campaign.long if options.long else campaign.short)
        controls = campaign.controls if options.controls else [options.without]
        for control in controls:
            made.append(shared(campaign, options.seed, amount, control, options.processes, options.first))
            if options.record:
                note(campaign, made[-1], command_of(options, made[-1]))
    return made


def command_of(options: argparse.Namespace, tally: Tally) -> str:
    """Write the command that does the same again."""
    words = [*COMMAND, tally.campaign]
    words += ["--long"] if options.long else []
    for name, usual in (("points", None), ("seed", 1), ("processes", 1)):
        given = getattr(options, name)
        words += [] if given == usual else [f"--{name}", str(given)]
    words += [] if tally.control is None else ["--without", tally.control]
    return shlex.join(words)


def is_as_it_must_be(tally: Tally) -> bool:
    """Say whether nothing was violated; with a protection taken away, whether something was."""
    return bool(tally.violated) is (tally.control is not None)


def main(given: Sequence[str] | None = None) -> int:
    """Run, print, and say by a code how it went."""
    options = parser().parse_args(given)
    logging.disable()  # what an engine says of faults that it was made to meet
    unknown = [name for name in options.campaigns if name not in CAMPAIGNS]
    if unknown:
        sys.exit(f"campaign {unknown[0]}: there is none; choose of {', '.join(CAMPAIGNS)}")
    for name in options.campaigns or CAMPAIGNS:
        there = CAMPAIGNS[name].controls
        if options.without is not None and options.without not in there:
            sys.exit(f"campaign {name}: has no control {options.without}; choose of {', '.join(there)}")
    if options.record and (options.at is not None or options.first):
        sys.exit("record: one trial is no figure; leave --at and --first out")
    found = tallies(options)
    if options.json:
        print(json.dumps([figures(tally) for tally in found], indent=1))
    else:
        print(table([HEAD, *(row(tally) for tally in found)]))
        for tally in found:
            for place, what in tally.violations if tally.control is None or options.at else ():
                print(f"\n{tally.campaign}: {what}\n  again: {again(tally, place)}")
    return 0 if all(is_as_it_must_be(tally) for tally in found) else 1


def figures(tally: Tally) -> dict[str, Any]:
    """Tell a tally to a program."""
    return {**attrs.asdict(tally), "fired": dict(sorted(tally.fired.items())), "seconds": round(tally.seconds, 1)}


if __name__ == "__main__":
    sys.exit(main())
