"""Telling: a counterexample of a shared world that people can read.

What lives here: from the moves of a counterexample to its story. What must not: how a story is written; ``check.telling``
does that for every world. The law of this file: a story is lived in the world of the mutant, and told beside what the
shipped one does at its last move.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.check.promises import assumed
from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.life import SharedLived, SharedRetraced, SharedStall, lived_again, promise_of
from lifecycle.check.shared.rules import RULES, broken_by
from lifecycle.check.shared.words import changes, now_in_words
from lifecycle.check.shared.world import SharedWorld
from lifecycle.check.story import Counterexample, Story, Told
from lifecycle.check.world import Stepper
from lifecycle.kernel import KERNEL


def retraced(example: Counterexample, config: Workers, kernel: Stepper) -> SharedRetraced:
    """Live a counterexample again, as far as it goes."""
    promise = None if example.forever is None else promise_of(config, example.property, example.about)
    return lived_again(config, kernel, example.moves, example.forever, promise, example.without)


def told_shared(example: Counterexample, config: Workers, kernel: Stepper, mutant: str | None, report: str) -> Story:
    """Live a counterexample and tell its story."""
    way = retraced(example, config, kernel)
    world = way.life.world
    steps = tuple(told_step(world, one, number) for number, one in enumerate(way.lived, 1))
    tail = tuple(told_step(world, one, number) for number, one in enumerate(way.forever or (), len(steps) + 1))
    instead = (
        () if mutant is None or not way.lived or example.forever is not None else compared(config, world, way.lived[-1])
    )
    return Story(
        example.property,
        sentence_of(example, config),
        config.name,
        config.bounds(),
        mutant,
        report,
        example.without,
        steps,
        None if example.forever is None else tail,
        now_in_words(way.life),
        tuple(instead),
        () if way.stall is None else tuple(never_in_words(way.stall, len(way.lived) + len(tail))),
        () if way.stall is None else way.stall.possible,
    )


def sentence_of(example: Counterexample, config: Workers) -> str:
    """Return what the broken property says."""
    if example.forever is not None:
        return promise_of(config, example.property, example.about).sentence
    return next((one.sentence for one in RULES if one.name == example.property), "")


def told_step(world: SharedWorld, lived: SharedLived, number: int) -> Told:
    """Tell one move; it is the worker's, whatever input it is about."""
    one = lived.next
    by = next((name for name in world.names if one.name.startswith(name)), "")
    return Told(number, one.name, one.kind, one.fault, changes(world, lived), one.broken, None, by)


def compared(config: Workers, world: SharedWorld, last: SharedLived) -> Iterator[str]:
    """Say what the shipped functions and runtime make of the same move in the same state."""
    shipped = SharedWorld(config, KERNEL)
    for name in ("sessions", "memories", "replies"):
        setattr(shipped.steps, name, getattr(world.steps, name))
    same = [one for one in shipped.following(last.before, broken_by) if one.name == last.next.name]
    if not same:
        yield "as shipped, that changes nothing"
        return
    told = changes(shipped, SharedLived(last.before, same[0]))
    yield f"as shipped: {', '.join(told)}" if told else "as shipped, it does not count"


def never_in_words(stall: SharedStall, last: int) -> Iterator[str]:
    """Say which promised moves do not come, and after which steps they are impossible."""
    for kind, where in stall.blocked:
        if where[-1] == last and len(where) == last - where[0] + 1:
            yield f"{assumed(kind)}: impossible from here on"
        else:
            yield f"{assumed(kind)}: impossible after step {', '.join(map(str, where))}, again and again"


def faults_along_shared(example: Counterexample, config: Workers, kernel: Stepper) -> tuple[str, ...]:
    """Say what is wrong along the moves of a counterexample: each rule that is broken, and the promise; or nothing."""
    way = retraced(example, config, kernel)
    every = (*way.lived, *(way.forever or ()))
    wrong = [
        f"move {at}, {one.next.name}: {one.next.broken} is broken" for at, one in enumerate(every, 1) if one.next.broken
    ]
    if way.stall is not None:
        wrong.append(f"after move {len(way.lived)}: {example.property} is broken for ever")
    return tuple(wrong)
