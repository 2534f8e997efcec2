"""Verdicts: what the checker found, as tables for people, JSON for programs, files for tools.

What lives here: each kind of check, and how its outcome is written. What must not: a verdict of its own. The law of this
file: whatever interrupts a check, what is known by then is said, and is never green.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs

from lifecycle.check import (
    DEFAULT,
    EQUIVALENT,
    KERNEL,
    PROVED,
    REFUTED,
    SEEDS,
    UNDETERMINED,
    WORLDS,
    Counterexample,
    Killed,
    Mutant,
    Report,
    Workers,
    every_mutant,
    kill,
    mutant,
    world_named,
)
from lifecycle.check import check as checked
from lifecycle.check.assuming import Resting, resting
from lifecycle.check.configuration import count
from lifecycle.check.hunting import hunt
from lifecycle.check.picturing import picture
from lifecycle.check.promises import assumption_in_words, promises_of
from lifecycle.check.regression import file_of_tests
from lifecycle.check.rules import SAFETY
from lifecycle.check.shared import promises as shared_promises
from lifecycle.check.shared.rules import RULES as SHARED_RULES
from lifecycle.check.story import Story
from lifecycle.check.telling import record, text, told
from lifecycle.check.worlds import AnyWorld
from lifecycle.cli.checking import Wanted
from lifecycle.cli.exploring import explore_by_hand
from lifecycle.cli.filing import Case, suite, writable, write_file
from lifecycle.cli.reading import write_table
from lifecycle.cli.watching import Watching, watching
from lifecycle.cli.writing import Output
from lifecycle.errors import Invalid

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


# -- mutants ----------------------------------------------------------------------------------------------------------


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


# -- assumptions ------------------------------------------------------------------------------------------------------


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


# -- what there is ----------------------------------------------------------------------------------------------------


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
