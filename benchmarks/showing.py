"""Showing: figures as a table, as JSON, and as the page of the reference.

What lives here: how figures read. What must not: measuring. The law of this file: every form says the same, and a miss
is shown as one.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import attrs

from benchmarks.measuring import Figure

HEAD = ("benchmark", "what", "measured", "beside", "ratio", "min to max", "target", "")
LIBRARIES = ("attrs", "msgspec", "numpy", "transitions")


def number(value: float) -> str:
    """Write a number with three digits that count."""
    if math.isnan(value):
        return "not counted"
    if value and abs(value) < 100:
        return f"{value:.{2 - math.floor(math.log10(abs(value)))}f}" if abs(value) < 10 else f"{value:.1f}"
    return f"{value:,.0f}"


def verdict(figure: Figure) -> str:
    """Say whether the target is reached."""
    return {True: "met", False: "MISSED", None: ""}[None if math.isnan(figure.value) else figure.meets]


def cells(figure: Figure) -> tuple[str, ...]:
    """Write one figure as a row."""
    beside = figure.floor
    if figure.beside is not None:
        beside = f"{figure.floor}: {number(figure.beside)} {figure.unit}"
    ratio = spread = ""
    if figure.ratio is not None:
        ratio = f"{number(figure.ratio.median)} {figure.reads}"
        low, high = figure.ratio.low, figure.ratio.high
        spread = f"{number(low)} to {number(high)}" if low < high else ""
    target = "" if figure.target is None else str(figure.target)
    measured = number(figure.value) if math.isnan(figure.value) else f"{number(figure.value)} {figure.unit}"
    return figure.benchmark, figure.what, measured, beside, ratio, spread, target, verdict(figure)


def notes(figures: Sequence[Figure]) -> list[str]:
    """List what has to be known about single figures."""
    return [f"{one.benchmark}, {one.what}: {one.note}" for one in figures if one.note]


def versions() -> dict[str, str]:
    """Say what was measured with what."""
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def machine() -> dict[str, Any]:
    """Say how large the machine is."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = 0
    return {"cores": os.cpu_count(), "memory_gib": math.ceil(memory / 2**30), "system": platform.system()}


def missed(figures: Sequence[Figure]) -> list[Figure]:
    """List the figures whose target is not reached."""
    return [one for one in figures if one.meets is False]


def summary(figures: Sequence[Figure]) -> str:
    """Say how many targets are met."""
    asked = [one for one in figures if one.meets is not None]
    return f"{len(asked) - len(missed(figures))} of {len(asked)} targets met"


def as_table(figures: Sequence[Figure]) -> str:
    """Write the figures for a terminal without rich."""
    rows = [HEAD, *(cells(one) for one in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def show(figures: Sequence[Figure]) -> None:
    """Print the figures, with rich if it is there."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print(as_table(figures))
    else:
        table = Table(*HEAD, row_styles=("", "dim"))
        for one in figures:
            *row, said = cells(one)
            table.add_row(*row, f"[red]{said}[/]" if one.meets is False else f"[green]{said}[/]")
        console = Console()
        Console(width=max(console.width, 170) if not console.is_terminal else None).print(table)
    for note in notes(figures):
        print(f"- {note}")
    print(summary(figures))


def as_json(figures: Sequence[Figure]) -> str:
    """Write the figures for a program."""
    found = [{**attrs.asdict(one), "meets": one.meets} for one in figures]
    for one in found:
        one["value"] = None if math.isnan(one["value"]) else one["value"]
    date = datetime.date.today().isoformat()
    return json.dumps({"date": date, "versions": versions(), "machine": machine(), "figures": found}, indent=2)


PAGE = """# Benchmarks

<!-- Written by `python -m benchmarks --markdown`; do not edit. -->

Taken {date} on {cores} cores with {memory} GiB of memory ({system}),
with {versions}.

{table}

{summary}.

{notes}

## How to read it

Times differ from machine to machine and from minute to minute; ratios differ less. So every figure is taken together
with its floor or its peer in one process, in rounds that take turns, each round beginning with another contender. The
ratio is that of one round; shown are the median of all rounds and the least and the greatest. The target is held
against the median. The times beside are medians, too: dividing them does not give exactly the ratio. Where
nothing but computing is measured, the time is that of the thread, so that busy neighbours count less.

- **dispatch**: one trigger sent to an instance of the declared run, in a loop over four triggers. Two floors: the *bare
  loop body* is `state = table[state][trigger]`, a dict of dicts with str keys, without call and object; the *object
  with a method* keeps the state in a slot and offers the same interface as an instance. The peer is a machine of
  `transitions` with the same table, no callbacks, no automatic transitions.
- **kernel**: the mean step of a run's whole life with every hook on the way. The peer is a single trigger of a
  `transitions` machine with two states and nothing else to do. Once the inputs are made inside the loop, as an engine
  has to, once they are at hand. With *settle apart*, the answer is reported before the code returns, so that a life has
  a sixth step.
- **durable**: runs through the real runtime on a file (start, begin, ask, resume, complete; a commit each), one after
  another in one session. The floor writes the very bytes of a recorded run with the very statements: the same tables,
  indexes and settings (WAL, `synchronous=FULL`), a transaction a step, on a bare connection without engine. A ratio of
  1 would mean that the engine costs nothing. A slow disk hides the engine, a quick one shows it, so the *quietest
  rounds* are held against the target, too: the quickest of the engine beside the quickest of the floor. Syncs are those
  that `strace` counts in a process of its own.
- **at-once**: the same in 50 sessions with a client for each. The floor is a perfect writer: one transaction and one
  sync for the same step of all 50 sessions, a statement once for all rows, without a thread.
- **parked**: a file with 100,000 parked runs, as a killed process left it with as many sessions in its memory as may be.
  Times are by the clock, beside bare SQLite that does the same on a copy of the file. *A process starts* is from opening
  the file to the acknowledgement of the first new run. A decision wakes a run that rests: its recovery, the decision, the
  grant and the end are a sync each, so that a slow disk shows more than the engine. A run's bytes are those of the whole
  file, indexes included, beside the same records in one bare table.
- **memory**: bytes of a live session above those of its agent, 10,000 of them in a process of its own, counted after a
  few thousand others had filled the caches. *Traced* is what Python allocated; *resident* is what the system gave, with
  what the allocator keeps back after a burst.
- **timers**: arming and disarming among so many armed timers, beside a bare heap with a dict. The last line compares
  the means, because making a heap anew is rare and costly.
- **check**: whole searches of the model checker, each beginning with empty tables, which the real kernel fills on the
  way; rules are judged, promises are not. Growth is that of the world of `crowd` with one run or one client more, in
  pure Python: how much longer the search takes, and what its process holds at the end, states and tables.

Run them with `make bench`; `python -m benchmarks --only NAME` takes one, `--json` is for programs. No test asserts a
time.
"""


def as_markdown(figures: Sequence[Figure]) -> str:
    """Write the page of the reference."""
    rows = [HEAD, ("---",) * len(HEAD), *(cells(one) for one in figures)]
    size = machine()
    return PAGE.format(
        date=datetime.date.today().isoformat(),
        cores=size["cores"],
        memory=size["memory_gib"],
        system=size["system"],
        versions=", ".join(f"{name} {number}" for name, number in versions().items()),
        table="\n".join(f"| {' | '.join(row)} |" for row in rows),
        summary=summary(figures),
        notes="\n".join(f"- {note}" for note in notes(figures)),
    )
