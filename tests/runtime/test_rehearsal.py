"""The moves of the checker on a real tracker: it does what the kernel does, and what is wrong with a kernel shows."""

from __future__ import annotations

import random

import pytest

from lifecycle.check import BY_HAND, SEEDS, SMALL, Configuration, Life, Mutant, configuration
from lifecycle.check.moves import STRANGER
from lifecycle.testing.rehearsal import Rehearsal, rehearsed

from ..check.stories import example_of

LIVES, LENGTH = 6, 12

PROMISED = "detach-ignored"
"""A mutant that breaks no rule at any step, but a promise for ever: only the kernel's graph tells."""

STOOD_FOR = ("late-decision-confirmed", "late-decision-taken")
"""Mutants found out by a decision on a closed question: in the model one record stands for whatever the store keeps of it,
while the tracker finds what was really kept, or that nothing was.
"""


def some_life(config: Configuration, chance: random.Random) -> list[str]:
    """Return the moves of a life, those among them that must change nothing."""
    life = Life(config)
    for _ in range(LENGTH):
        possible = life.possible()
        if not possible:
            break
        idle = [name for name, move in life.moves.items() if move.unchanged is not None]
        name = chance.choice(idle) if idle and chance.random() < 0.2 else chance.choice(possible)
        try:
            life.do(name)
        except ValueError:
            continue
    return [one.name for one in life.lived]


@pytest.mark.parametrize("config", SMALL, ids=lambda one: one.name)
async def test_tracker_does_what_the_kernel_does(config: Configuration) -> None:
    """Given lives of each small world, crashes and late inputs among them, then the tracker is where the kernel is."""
    chance = random.Random(config.name)
    for _ in range(LIVES):
        names = some_life(config, chance)
        assert () == await rehearsed(config, names), names


@pytest.mark.parametrize(
    "mutant", [one for one in (*SEEDS, *BY_HAND) if one.name not in (PROMISED, *STOOD_FOR)], ids=lambda one: one.name
)
async def test_what_kills_a_mutant_shows_on_the_tracker(mutant: Mutant) -> None:
    """Given what kills a mutant, when it is played on a tracker, then it shows there, and not with the shipped kernel."""
    found = example_of(mutant.name)
    config = configuration(found.configuration)
    assert () == await rehearsed(config, found.moves)
    wrong = await rehearsed(config, found.moves, mutant.make())
    assert wrong
    assert wrong[0].startswith(f"move {len(found.moves)}, {found.moves[-1]}: the runtime ")


async def test_trace_ends_where_a_move_cannot_happen() -> None:
    """Given a move that cannot happen, then the trace ends there, and what came before was played."""
    rehearsal = Rehearsal(configuration("conversation"))
    assert () == await rehearsal.play(["ada starts r1", "ada approves q1", f"{STRANGER} aborts r1"])
    assert ["ada starts r1"] == [one.name for one in rehearsal.life.lived]
