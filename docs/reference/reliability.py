"""Write the page of reliability from what the campaigns came to.

What lives here: how the record becomes rows of a page. What must not: a figure; ``reliability.json`` has them, and
``python -m tests.reliability --record`` writes it. The law of this file: a row without a number says "not measured".
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECORD, PAGE, MUTANTS = HERE / "reliability.json", HERE / "reliability.md", HERE / "mutants.md"

Figures = Mapping[str, Any]
NOT_MEASURED = "not measured"

HEAD = """# Reliability

Written by `make diagrams` from what the campaigns came to when they last ran in earnest; do not edit.

A campaign makes one kind of fault happen as often as it can and looks each time whether a promise was broken. Each has
controls: the same campaign with one protection taken away, which must find something, or it would find nothing ever.
*Fired* is what really happened, counted where it happened. *Trials* that show what an earlier one showed, such as the
same image of a disk, are not *covered*. A trial has a name, and whatever is found prints the command that makes it again.
"""

READING = """## How to read it

- **R1**: a process with a runtime counts the moments at which it could die (before, inside and after each write, around
  each sync, before and after each commit, before each hook, after each acknowledgement) and is killed at one; in every
  second trial the process that recovers is killed, too. What was acknowledged is known from a pipe that outlives them.
- **R2**: every write and sync that SQLite asks for is heard. Since its last sync each sector of a file may be on the
  disk or not, in any order, one of them torn; names change in the order of a journalling file system. Up to 8 sectors in
  doubt every subset is an image; beyond, regular and drawn ones are. Not modelled: a disk that lies about a sync, and
  sectors going bad that nobody wrote.
- **R3**: one place of a file, or of its log, is damaged, and everything is read. SQLite has no checksum of a page, our
  records have one: what they say cannot change, and what goes missing is found by `lifecycle store check`. Damage in a
  log reads as a log that ends earlier, at a whole step, and nobody can tell it from one that does.
- **R4**: a call fails once, or until the disk is mended: at SQLite's file layer, where a sync that fails also forgets what
  it was to make safe, as Linux does; at the port of the store under a runtime; and, by `strace`, the system call itself.
- **R8**: an object more for each run would be seen; memory is counted in objects, at rest.
- **R13**: whole stories in two processes under two hash seeds, every byte of every table compared.
- **R14**: golden files that earlier versions wrote, which no version changes.
- **processes**: real processes at work on one file, killed every half second on average, now and then stopped for longer
  than their lease: two short crowds, then 2 processes for ten minutes and 8 for ten. The log that the verdict is read out
  of is written by the agents' code before it goes on, and by each heartbeat: *late* is one that came after the lease had
  run out, for a stop, a slow disk or a busy machine. Its process holds no longer what it held before.
"""


def elsewhere() -> Iterator[Sequence[str]]:
    """List the claims that no campaign is for: what is done for them, and with which command."""
    found_out = re.search(r"\*\*(\d+ of \d+ mutants)", MUTANTS.read_text("utf-8"))
    killed = (
        NOT_MEASURED if found_out is None else f"{found_out.group(1)} are found out, named in [mutants](mutants.md)"
    )
    for number, claim, figure, *commands in ELSEWHERE:
        yield number, claim, figure.format(killed=killed, no=NOT_MEASURED), ", ".join(f"`{one}`" for one in commands)


TESTS = "python -m pytest tests/"
ELSEWHERE = (
    (
        "R5",
        "the model is proved within its bounds",
        "the command prints worlds and states; here {no}",
        "lifecycle check",
    ),
    ("R6", "the properties kill every mutant", "{killed}", "python docs/reference/mutants.py"),
    (
        "R7",
        "random schedules: crash, duplicate, late, reorder, slow code, failing commits",
        "drawn by Hypothesis; faults {no}",
        f"{TESTS}runtime/test_schedules.py",
    ),
    (
        "R9",
        "clocks: a wall clock that jumps, timers due at one instant, a suspended machine",
        "single stories, of a suspended machine none; jumps {no}",
        f"{TESTS}runtime/test_clock.py tests/runtime/test_timers.py",
    ),
    (
        "R10",
        "duplicate, late and reordered requests are harmless",
        "explored by the checker, drawn on the runtime; examples {no}",
        "lifecycle check",
        f"{TESTS}runtime/test_schedules.py",
    ),
    (
        "R11",
        "decoders survive any bytes",
        "those of records, drawn by Hypothesis; executions {no}",
        f"{TESTS}store/test_record.py",
    ),
    ("R12", "a slow client costs nobody else", "a single story; ratio {no}", f"{TESTS}runtime/test_frames.py"),
    (
        "R15",
        "the runtime does what the model does",
        "a tour of the model on the real runtime, journals taken again; pairs {no}",
        f"{TESTS}testing/test_tour.py tests/testing/test_journals.py",
    ),
    ("R16", "concurrent clients see one order of events", "{no}"),
)
"""Claim, what is done for it, and how; ``{no}`` where there is no number."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; a bar inside a cell is kept from ending it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def covered(figures: Figures, unit: str) -> str:
    """Say how much was covered, and in how many trials if it took more."""
    told = f"{figures['covered']:,} {unit}"
    return f"{told} in {figures['tried']:,} trials" if figures["tried"] > figures["covered"] else told


def fired(figures: Figures) -> str:
    """List what really happened."""
    return "; ".join(f"{count:,} {kind}" for kind, count in figures["fired"].items())


def campaigns(record: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """List the campaigns with what they came to."""
    for name, about in record.items():
        figures = about.get("figures")
        if figures is None:
            yield name, about["claim"], NOT_MEASURED, "", "", "", ""
            continue
        numbers = f"{figures['violated']:,}", f"{figures['cpu_seconds']:,.0f}"
        yield (
            name,
            about["claim"],
            covered(figures, about["unit"]),
            *numbers,
            figures["taken"],
            f"`{figures['command']}`",
        )


def faults(record: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """List what fired in each campaign."""
    for name, about in record.items():
        yield name, fired(about["figures"]) if "figures" in about else NOT_MEASURED


def controls(record: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """List the controls with what they found, and of that the first."""
    for name, about in record.items():
        for control, figures in about["controls"].items():
            first = figures["violations"][0] if figures["violations"] else {"at": "", "what": "nothing"}
            yield (
                f"{name} without {control}",
                covered(figures, about["unit"]),
                f"{figures['violated']:,}",
                f"at `{first['at']}`: {shortened(first['what'])}",
                f"`{figures['command']}`",
            )


LINE_CHARS = 118

TOLD_CHARS = 160
"""How much of a violation is told; the rest is in the record."""


def shortened(text: str) -> str:
    """Cut a text where it gets long, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= TOLD_CHARS else f"{line[:TOLD_CHARS]} …"


def conditions(record: Mapping[str, Any]) -> str:
    """Say with what the figures were taken, each set of conditions once."""
    every = [one for about in record.values() for one in (*about["controls"].values(), about.get("figures")) if one]
    told = dict.fromkeys(
        f"on {one['machine']['cores']} cores with {one['machine']['memory_gib']} GiB of memory "
        f"({one['machine']['system']}), of which a campaign uses one, with "
        + ", ".join(f"{name} {number}" for name, number in one["versions"].items() if number != "absent")
        for one in every
    )
    return textwrap.fill(f"Taken {'; and '.join(told)}.", LINE_CHARS) + "\n" if told else ""


def page(record: Mapping[str, Any]) -> str:
    """Write the page of this record."""
    columns = ("#", "claim", "covered", "violations", "CPU seconds", "taken", "command")
    parts = [
        HEAD,
        conditions(record),
        "## Campaigns\n",
        table(columns, campaigns(record)),
        "## What fired\n",
        table(("#", "fired"), faults(record)),
        "## Controls\n\nEach must find something.\n",
        table(("control", "covered", "violations", "the first", "command"), controls(record)),
        "## Elsewhere\n\nWhat no campaign is for, with what is done for it. The tests named run in `make test`.\n",
        table(("#", "claim", "figure", "command"), elsewhere()),
        READING,
    ]
    return "\n".join(part for part in parts if part)


def recorded() -> dict[str, Any]:
    """Return the record."""
    found: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return dict(
        sorted(found.items(), key=lambda one: [int(part) if part.isdigit() else part for part in numbered(one[0])])
    )


def numbered(name: str) -> list[str]:
    """Take a name apart where a number begins or ends: R13 comes after R4."""
    return re.split(r"(\d+)", name)


if __name__ == "__main__":
    PAGE.write_text(page(recorded()), "utf-8")
