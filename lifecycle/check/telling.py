"""Telling: a counterexample that people can read.

What lives here: the story of a counterexample, step by step, as data and as lines of text. What must not: a search, and
anything of a terminal. The law of this file: a story is lived on the real kernel, and tells of each step only what it
changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.promises import assumed, assumption_in_words
from lifecycle.check.replay import Lived
from lifecycle.check.retracing import Retraced, Stall, promise_of, retraced
from lifecycle.check.rules import SAFETY
from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.telling import told_shared
from lifecycle.check.slices import CRASH, PERFORM
from lifecycle.check.story import Counterexample, Story, Told
from lifecycle.check.variants import Mutant
from lifecycle.check.words import NOTHING, changes, state_in_words
from lifecycle.check.world import Stepper
from lifecycle.check.worlds import AnyWorld, world_named
from lifecycle.kernel import KERNEL
from lifecycle.kernel.inputs import Input

POSSIBLE_MAX = 6
"""How many of the moves are listed that could happen and that nobody promises."""


def told(
    example: Counterexample,
    mutant: Mutant | None = None,
    config: AnyWorld | None = None,
    kernel: Stepper = KERNEL,
) -> Story:
    """Live a counterexample, under the kernel of the mutant if it is one's, and tell its story."""
    world = world_named(example.configuration) if config is None else config
    made, name, report = (kernel, None, "") if mutant is None else (mutant.make(), mutant.name, mutant.story)
    if isinstance(world, Workers):
        return told_shared(example, world, made, name, report)
    way = retraced(example, made, world)
    steps = folded(way.lived)
    return Story(
        example.property,
        sentence_of(example, world),
        world.name,
        world.bounds(),
        name,
        report,
        example.without,
        steps,
        None if way.forever is None else folded(way.forever, len(steps)),
        state_in_words(way.life.session),
        () if mutant is None or not way.lived else tuple(compared(way.lived[-1])),
        () if way.stall is None else tuple(never_in_words(way, way.stall)),
        () if way.stall is None else way.stall.possible,
    )


def sentence_of(example: Counterexample, config: Configuration) -> str:
    """Return what the broken property says."""
    if example.forever is not None:
        return promise_of(config, example).sentence
    return next((one.sentence for one in SAFETY if one.name == example.property), "")


# -- steps ------------------------------------------------------------------------------------------------------------


def folded(lived: Sequence[Lived], told_before: int = 0) -> tuple[Told, ...]:
    """Number the moves; that hooks are performed belongs to the step they are of, that they are not to the death."""
    steps: list[Told] = []
    owed = False
    for one in lived:
        if one.name != PERFORM:
            number = told_before + len(steps) + 1
            step = told_step(one, number)
            if one.name == CRASH and owed:
                step = attrs.evolve(step, changes=(f"the hooks of step {number - 1} are not performed any more",))
            steps.append(step)
        owed = one.changed and one.step is not None and one.step.journalled
    return tuple(steps)


def told_step(lived: Lived, number: int) -> Told:
    """Tell one move."""
    given = None if lived.given is None else type(lived.given).__name__
    who = by_whom(lived.given)
    return Told(number, lived.name, lived.kind, lived.fault, changes(lived), lived.broken, given, who)


def by_whom(given: Input | None) -> str:
    """Return the client or the human that an input came from, if one is named in it."""
    for field in ("attachment", "by", "owner"):
        who = getattr(given, field, None)
        if who is not None and type(given).__name__ != "TimerFired":
            return str(who)
    return ""


def compared(last: Lived) -> Iterator[str]:
    """Say how a step differs from what the shipped kernel makes of the same."""
    if last.given is None or last.step is None:
        return
    shipped = attrs.evolve(last, step=KERNEL.step(last.before, last.given, last.at))
    missing = [one for one in changes(shipped) if one not in changes(last)]
    extra = [one for one in changes(last) if one not in (*changes(shipped), NOTHING)]
    if not shipped.changed:
        yield f"the shipped kernel changes nothing: {', '.join(missing) or 'it is about nothing'}"
    elif missing or extra:
        yield from [f"the shipped kernel does, and this one does not: {', '.join(missing)}"] if missing else []
        yield from [f"this one does, and the shipped kernel does not: {', '.join(extra)}"] if extra else []
    elif shipped.step is not None:
        yield f"with the shipped kernel: {state_in_words(shipped.step.session)}"


# -- promises ---------------------------------------------------------------------------------------------------------


def never_in_words(way: Retraced, stall: Stall) -> Iterator[str]:
    """Say which promised moves do not come, and after which steps they are impossible."""
    numbers = numbered(way)
    everywhere = len((*(way.forever or ()), None))
    for kind, where in stall.blocked:
        if len(where) == everywhere:
            yield f"{assumed(kind)}: impossible from here on"
        else:
            steps = ", ".join(str(numbers[at]) for at in where)
            yield f"{assumed(kind)}: impossible after step {steps}, again and again"


def numbered(way: Retraced) -> dict[int, int]:
    """Return the number of the step that is told last after so many moves."""
    numbers, told_so_far = {0: 0}, 0
    for at, one in enumerate((*way.lived, *(way.forever or ())), 1):
        told_so_far += one.name != PERFORM
        numbers[at] = told_so_far
    return numbers


# -- text -------------------------------------------------------------------------------------------------------------


def lines(story: Story) -> Iterator[str]:
    """Tell a story as lines of text."""
    yield f"{story.property} is broken" + (f" by {story.mutant}" if story.mutant else "")
    yield f"  {story.sentence}"
    if story.report:
        yield f"  {story.report}"
    if story.without:
        yield f"  without the assumption “{assumption_in_words(story.without)}”"
    yield f"  in configuration {story.configuration}: {story.bounds}"
    yield ""
    yield from step_lines(story.steps)
    if story.forever is not None:
        yield "  then for ever:"
        yield from step_lines(story.forever) if story.forever else ("       nothing happens",)
    yield f"  now: {story.now}"
    yield from (f"  {one}" for one in story.instead)
    if story.never:
        yield "  what is promised does not help:"
        yield from (f"    {one}" for one in story.never)
    if story.unpromised:
        more = len(story.unpromised) - POSSIBLE_MAX
        listed = ", ".join(story.unpromised[:POSSIBLE_MAX]) + (f", and {more} more" if more > 0 else "")
        yield f"  possible, and promised by nobody: {listed}"


def step_lines(steps: Iterable[Told]) -> Iterator[str]:
    """Tell steps: a line for each, and one for each change."""
    for step in steps:
        yield f"  {step.number:>2}. {step.move}" + (" (a fault)" if step.fault else "")
        yield from (f"        {change}" for change in step.changes)
        if step.broken:
            yield f"     ✗ breaks {step.broken}"


def text(story: Story) -> str:
    """Tell a story as text."""
    return "\n".join(lines(story))


# -- data -------------------------------------------------------------------------------------------------------------


def record(story: Story, example: Counterexample) -> dict[str, Any]:
    """Return a story as a dict that can be written as JSON, with the moves by which it can be lived again."""
    fields = attrs.asdict(story)
    moves = {"moves": example.moves, "moves_forever": example.forever, "about": example.about}
    return {**fields, **moves, "faults": example.faults}
