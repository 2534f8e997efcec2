"""Assuming: which promises are kept without which assumptions.

What lives here: the table of promises, and the verdict on them. What must not: a search. The law of this file: with all
assumptions every promise is kept, or the verdict says which is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from lifecycle.check import (
    KERNEL,
    PROVED,
    REFUTED,
    UNDETERMINED,
    Counterexample,
)
from lifecycle.check.assuming import Resting, resting
from lifecycle.check.configuration import count
from lifecycle.check.promises import assumption_in_words
from lifecycle.cli.checking import Wanted
from lifecycle.cli.reading import write_table
from lifecycle.cli.verdicts import EXITS, chosen
from lifecycle.cli.watching import watching
from lifecycle.cli.writing import Output


def check_assumptions(wanted: Wanted, output: Output) -> int:
    """Withdraw each assumption, one at a time, and write which promises are kept all the same."""
    configs = chosen(wanted)
    with watching(output) as watch:
        found = list(resting(configs, KERNEL, limit=wanted.limit, progress=watch.states))
    for one in found:
        output.data(kind="assumption", **attrs.asdict(one), holds=one.holds)
    if not output.as_json:
        columns = ("promise", "rests on", "shortest way to break it", "does not need")
        write_table(output, columns, assumption_rows(found))
    broken = [one for one in found if one.assumption is None and not one.holds]
    cut_short = watch.interrupted or {one.configuration for one in found} != {config.name for config in configs}
    status = REFUTED if broken else UNDETERMINED if cut_short else PROVED
    output.say(f"{status}: {ASSUMED[status]}{', '.join(dict.fromkeys(one.promise for one in broken))}")
    return EXITS[status]


ASSUMED = {
    PROVED: "with all assumptions, every promise is kept",
    REFUTED: "with all assumptions, these promises are broken: ",
    UNDETERMINED: "not every world was explored to its end",
}
"""What is said of promises with all their assumptions."""


def assumption_rows(found: Sequence[Resting]) -> Iterable[tuple[str, ...]]:
    """Yield, for each promise, a line for each assumption it rests on; those it never needs stand at the first."""
    promises = dict.fromkeys((one.promise, one.sentence) for one in found)
    for name, sentence in promises:
        mine = [one for one in found if (one.promise, one.sentence) == (name, sentence) and one.assumption]
        needed = dict.fromkeys(one.assumption or "" for one in mine if not one.holds)
        needless = ", ".join(dict.fromkeys(one.assumption or "" for one in mine if one.assumption not in needed))
        first = (f"{name}: {sentence}", needless)
        for assumption in needed:
            example = shortest(one.counterexample for one in mine if one.assumption == assumption)
            moves = count(len(example.moves), "move")
            way = f"{moves}, then {'a loop' if example.forever else 'nothing'} for ever"
            yield (
                first[0],
                f"{assumption}: {assumption_in_words(assumption)}",
                f"{way} ({example.configuration})",
                first[1],
            )
            first = ("", "")


def shortest(examples: Iterable[Counterexample | None]) -> Counterexample:
    """Return the counterexample with the fewest faults, then the fewest moves."""
    return min((one for one in examples if one is not None), key=lambda one: (one.faults, len(one.moves)))
