"""Write the table of mutants from what the checker finds.

What lives here: how kills become rows of a page. What must not: a fact of its own. The law of this file: ``page()`` says
what the page must contain; a test compares, ``make diagrams`` writes. It searches for a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from lifecycle.check import EQUIVALENT, Counterexample, Killed, every_mutant
from lifecycle.check.hunting import hunt

PAGE = Path(__file__).resolve().parent / "mutants.md"

HEAD = """# Mutants

Written by `make diagrams` from what the checker finds; do not edit.

A mutant is the kernel with one rule switched off, or one of the decisions and habits by which workers share a store. Each
is explored in the configurations that `lifecycle check` explores, until the first property breaks. *Moves* counts those of
the counterexample, its last one included, and *faults* those among them that nobody wants (a crash, a stall, a late or
foreign input). How a mutant is made is said in [how the checker works](../explanation/how-the-checker-works.md);
`lifecycle check --without NAME` tells its story.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def page(killed: Sequence[Killed]) -> str:
    """Write the page of these kills, in their order."""
    found = [(one, one.counterexample) for one in killed if one.counterexample is not None]
    by_rule = Counter(example.property for _, example in found)
    seeds, others = [one for one in found if one[0].story], [one for one in found if not one[0].story]
    score = (
        f"**{len(found)} of {len(killed)} mutants are found out.** The other {len(EQUIVALENT)} are no change at all:\n"
    )
    parts = [
        HEAD,
        score,
        table(("equivalent", "why no step can tell"), ((f"`{name}`", why) for name, why in EQUIVALENT.items())),
        "## By hand\n",
        table(("mutant", "what it does", *COLUMNS), ((f"`{one.mutant}`", one.story, *cells(ex)) for one, ex in seeds)),
        "## By the written rule\n",
        table(("mutant", *COLUMNS), ((f"`{one.mutant}`", *cells(example)) for one, example in others)),
        "## By property\n",
        table(("property", "mutants it finds out"), ((f"`{name}`", count) for name, count in by_rule.most_common())),
    ]
    return "\n".join(parts)


COLUMNS = ("property", "configuration", "faults", "moves")


def cells(example: Counterexample) -> tuple[object, ...]:
    """Say what a counterexample is like."""
    return f"`{example.property}`", example.configuration, example.faults, len(example.moves)


if __name__ == "__main__":
    PAGE.write_text(page(list(hunt(every_mutant()))), "utf-8")
