"""Verdicts: what the checker found, as tables for people, JSON for programs, files for tools.

What lives here: the check of every rule, how its outcome is written, and how a counterexample is told. What must not: a
verdict of its own. The law of this file: whatever interrupts a check, what is known by then is said, and is never green.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from lifecycle.check import (
    DEFAULT,
    KERNEL,
    PROVED,
    REFUTED,
    UNDETERMINED,
    Counterexample,
    Report,
    mutant,
    world_named,
)
from lifecycle.check import check as checked
from lifecycle.check.picturing import picture
from lifecycle.check.regression import file_of_tests
from lifecycle.check.story import Story
from lifecycle.check.telling import record, text, told
from lifecycle.check.worlds import AnyWorld
from lifecycle.cli.checking import Wanted
from lifecycle.cli.filing import Case, suite, writable, write_file
from lifecycle.cli.reading import write_table
from lifecycle.cli.watching import Watching, watching
from lifecycle.cli.writing import Output

EXITS = {PROVED: 0, REFUTED: 1, UNDETERMINED: 3}

STYLES = {PROVED: "green", REFUTED: "bold red", UNDETERMINED: "yellow", "survived": "bold red"}

Told = tuple[Counterexample, Story]


def chosen(wanted: Wanted) -> tuple[AnyWorld, ...]:
    """Return the worlds that were named, or the small ones."""
    return tuple(map(world_named, wanted.configurations)) or DEFAULT


# -- every rule -------------------------------------------------------------------------------------------------------


def check_rules(wanted: Wanted, output: Output) -> int:
    """Explore worlds, and write the verdict on every property."""
    configs = chosen(wanted)
    writable(wanted.pytest, wanted.junit, wanted.svg)
    with watching(output) as watch:
        report = checked(configs, KERNEL, limit=wanted.limit, progress=watch.states)
    examples = [one.counterexample for one in report.verdicts if one.counterexample]
    stories = [(example, told(example, kernel=KERNEL)) for example in examples]
    if output.as_json:
        write_records(output, report, stories, watch)
    elif not wanted.mermaid:
        write_report(output, report, watch)
    tell(output, wanted, stories)
    if wanted.junit is not None:
        write_file(wanted.junit, junit(report, stories))
    return EXITS[report.status]


def write_report(output: Output, report: Report, watch: Watching) -> None:
    """Write the sizes, the verdicts, and the verdict on everything."""
    columns = ("configuration", "states", "transitions", "seconds", "bounds")
    sizes = [
        (one.configuration, cut(one.states, one.complete), f"{one.transitions:,}", f"{one.seconds:.2f}", one.bounds)
        for one in report.sizes
    ]
    write_table(output, columns, sizes)
    output.line("")
    rows = [(one.name, one.status, one.sentence) for one in report.verdicts]
    write_table(output, ("property", "verdict", "sentence"), rows, STYLES)
    output.line("")
    output.text(f"{report.status} ({bounds(report)})")
    for reason in reasons(report, watch):
        output.text(f"  {reason}")


def cut(states: int, complete: bool) -> str:
    """Write a number of states; of a search that was cut short there are more."""
    return f"{states:,}" if complete else f"more than {states:,}"


def bounds(report: Report) -> str:
    """Say within which bounds a verdict holds."""
    if len(report.sizes) == 1:
        return report.sizes[0].bounds
    states = sum(one.states for one in report.sizes)
    return f"in {len(report.sizes)} worlds with {states:,} states, each within its bounds"


REASONS_MAX = 12
"""How many of the rows, holds and hooks that were not reached are named."""


def reasons(report: Report, watch: Watching) -> Iterable[str]:
    """Say why a verdict is undetermined."""
    if watch.interrupted:
        yield "interrupted: what was not explored by then is not known"
    by_why: dict[str, list[str]] = {}
    for one in report.verdicts:
        if one.status == UNDETERMINED:
            by_why.setdefault(one.why, []).append(one.name)
    yield from (f"{why}: {', '.join(names)}" for why, names in by_why.items())
    if report.unreached:
        more = len(report.unreached) - REASONS_MAX
        named = ", ".join(report.unreached[:REASONS_MAX]) + (f", and {more} more" if more > 0 else "")
        yield f"not reached in these worlds: {named}"


def write_records(output: Output, report: Report, stories: Sequence[Told], watch: Watching) -> None:
    """Write a report as JSON: a line for each world, each property, and the verdict on everything."""
    by_name = {example.property: record(story, example) for example, story in stories}
    for size in report.sizes:
        output.data(kind="configuration", **attrs.asdict(size))
    for one in report.verdicts:
        fields = {"name": one.name, "sentence": one.sentence, "verdict": one.status, "why": one.why}
        output.data(kind="property", **fields, counterexample=by_name.get(one.name))
    why = list(reasons(report, watch))
    output.data(kind="verdict", verdict=report.status, bounds=bounds(report), reasons=why, unreached=report.unreached)


def junit(report: Report, stories: Sequence[Told]) -> str:
    """Write a report as JUnit XML."""
    by_name = {example.property: text(story) for example, story in stories}
    cases = [Case(one.name, one.sentence, one.status, one.why, by_name.get(one.name, "")) for one in report.verdicts]
    if report.unreached:
        why = f"not reached: {', '.join(report.unreached)}"
        cases.append(Case("everything-is-reached", "", UNDETERMINED, why))
    worlds = {size.configuration: f"{cut(size.states, size.complete)} states; {size.bounds}" for size in report.sizes}
    return suite("lifecycle.check", cases, worlds, sum(one.seconds for one in report.sizes))


# -- telling ----------------------------------------------------------------------------------------------------------


def tell(output: Output, wanted: Wanted, stories: Sequence[Told]) -> None:
    """Tell counterexamples as people or tools want them, and write them as tests."""
    for at, (_, story) in enumerate(stories):
        if not output.as_json:
            if at or not wanted.mermaid:
                output.line("")
            output.text(picture(story) if wanted.mermaid else text(story))
    if wanted.svg is not None:
        tell_picture(output, wanted.svg, stories)
    if wanted.pytest is not None:
        if not stories:
            output.say(f"file {wanted.pytest}: there is no counterexample; nothing was written")
            return
        write_file(wanted.pytest, file_of_tests(wanted.pytest.name, stories))
        output.say(f"{wanted.pytest} is written; run it with python -m pytest {wanted.pytest}")


def tell_picture(output: Output, file: Path, stories: Sequence[Told]) -> None:
    """Draw the first counterexample over time."""
    if not stories:
        output.say(f"file {file}: there is no counterexample; nothing was written")
        return
    from lifecycle.cli.lives import drawn_life, life_of_counterexample  # nobody else waits for what draws

    example, story = stories[0]
    kernel = KERNEL if story.mutant is None else mutant(story.mutant).make()
    name = f"{story.property} is broken" + (f" by {story.mutant}" if story.mutant else "")
    drawn_life(output, file, life_of_counterexample(name, example, kernel))
