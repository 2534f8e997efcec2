"""Run the benchmarks: ``python -m benchmarks`` beside the tree, or ``python benchmarks`` on what is installed.

What lives here: the command line. What must not: a measurement. The law of this file: figures go to stdout, progress to
stderr; a missed target is shown, and is no error.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

if not __package__:  # run as a folder: let what is installed be found before the tree
    sys.path[:] = [*sys.path[1:], str(Path(__file__).resolve().parent.parent)]

from benchmarks import checking, dispatch, durable, kernel, memory, parked, showing, timing
from benchmarks.measuring import Figure, progress

BENCHMARKS = {
    dispatch.NAME: (dispatch.measure, 31),
    kernel.NAME: (kernel.measure, 31),
    durable.NAME: (durable.measure, 30),
    durable.NAME_AT_ONCE: (durable.measure_at_once, 20),
    parked.NAME: (parked.measure, 20),
    memory.NAME: (memory.measure, 1),
    timing.NAME: (timing.measure, 31),
    checking.NAME: (checking.measure, 5),
}
"""Each benchmark and how many rounds it takes."""


def child(words: list[str]) -> None:
    """Be a child of a benchmark; see ``children``."""
    what, kind, how = words
    if what == "syncs":
        asyncio.run(durable.work(kind, int(how)))
    elif what == "memory":
        print(memory.weigh_in_child(kind, how))
    elif what == checking.NAME:
        print(checking.memory_in_child(kind, how))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, beside floors and peers.")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="take only this; may be repeated")
    parser.add_argument("--rounds", type=int, help="how many rounds each takes")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print the page of the reference")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    figures: list[Figure] = []
    for name, (measure, rounds) in BENCHMARKS.items():
        if not given.only or name in given.only:
            progress(name)
            figures += measure(given.rounds or rounds)
    if given.json:
        print(showing.as_json(figures))
    elif given.markdown:
        print(showing.as_markdown(figures), end="")
    else:
        showing.show(figures)


if __name__ == "__main__":
    main()
