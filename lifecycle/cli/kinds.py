"""Kinds: each kind of check by the option that asks for it.

What lives here: the table of them, and those that check nothing: the list of names, and going by hand. What must not:
how any other is done. The law of this file: an option that asks for a kind of check stands in the table once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lifecycle.check import (
    DEFAULT,
    EQUIVALENT,
    WORLDS,
    Workers,
    every_mutant,
    mutant,
    world_named,
)
from lifecycle.check.promises import promises_of
from lifecycle.check.rules import SAFETY
from lifecycle.check.shared import promises as shared_promises
from lifecycle.check.shared.rules import RULES as SHARED_RULES
from lifecycle.check.worlds import AnyWorld
from lifecycle.cli.assuming import check_assumptions
from lifecycle.cli.checking import Wanted
from lifecycle.cli.exploring import explore_by_hand
from lifecycle.cli.mutating import check_mutants, check_seeds, check_without
from lifecycle.cli.reading import write_table
from lifecycle.cli.verdicts import check_rules
from lifecycle.cli.writing import Output
from lifecycle.errors import Invalid


def list_names(wanted: Wanted, output: Output) -> int:
    """List worlds, properties and mutants."""
    worlds = [(one.name, one.sentence, one.bounds()) for one in WORLDS.values()]
    promises = dict(pair for config in DEFAULT for pair in promised_in(config))
    rules = {one.name: one.sentence for one in SAFETY} | {one.name: one.sentence for one in SHARED_RULES}
    properties = [(name, "rule", sentence) for name, sentence in rules.items()]
    properties += [(name, "promise", sentence) for name, sentence in promises.items()]
    mutants = [(one.name, one.story or EQUIVALENT.get(one.name, "")) for one in every_mutant()]
    if output.as_json:
        for name, sentence, bound in worlds:
            output.data(kind="configuration", name=name, sentence=sentence, bounds=bound)
        for name, kind, sentence in properties:
            output.data(kind=kind, name=name, sentence=sentence)
        for name, story in mutants:
            output.data(kind="mutant", name=name, story=story)
        return 0
    tables: tuple[tuple[tuple[str, ...], Sequence[Sequence[str]]], ...] = (
        (("configuration", "sentence", "bounds"), worlds),
        (("property", "kind", "sentence"), properties),
        (("mutant", "story"), mutants),
    )
    for at, (columns, rows) in enumerate(tables):
        if at:
            output.line("")
        write_table(output, columns, rows)
    return 0


def promised_in(config: AnyWorld) -> list[tuple[str, str]]:
    """List the promises of a world, each with its sentence."""
    if isinstance(config, Workers):
        return [(one.name, one.sentence) for one in shared_promises.promises_of(config)]
    return [(one.name, one.sentence) for one in promises_of(config)]


def step_by_hand(wanted: Wanted, output: Output) -> int:
    """Go through the states of one world by hand."""
    configs = tuple(map(world_named, wanted.configurations)) or DEFAULT[:1]
    if len(configs) > 1:
        raise Invalid("--step", "it goes through one world", "give --configuration once")
    return explore_by_hand(configs[0], None if wanted.without is None else mutant(wanted.without), output)


CHECKS: dict[str, Callable[[Wanted, Output], int]] = {
    "": check_rules,
    "--assumptions": check_assumptions,
    "--mutants": check_mutants,
    "--seeds": check_seeds,
    "--without": check_without,
    "--step": step_by_hand,
    "--list": list_names,
}
"""Each kind of check by the option that asks for it."""
