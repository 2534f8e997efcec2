"""Every rule is needed: a kernel without it is found out, and the story of each seed bug reads like its report."""

from __future__ import annotations

import pytest

from lifecycle.check import BY_HAND, EQUIVALENT, SEEDS, Killed, Mutant, every_mutant, kill, mutant, replay
from lifecycle.check.configuration import configuration
from lifecycle.errors import Invalid
from lifecycle.machines import MACHINES
from tests.docs.test_generated import loaded

STORIES = {
    "ended-run-stays-active": ("ended-is-not-advertised", ("ada starts r1", "the head is reported complete")),
    "run-without-controller": ("registered-before-ack", ("ada starts r1",)),
    "one-shot-orphan-timer": ("orphans-are-reaped", ("ada starts r1", "the orphan timer fires")),
    "session-without-its-head": (
        "session-wears-head",
        ("ada starts r1", "the runtime begins what is offered", "the code of r1 asks q1"),
    ),
    "paused-stream-never-ends": (
        "one-end-per-segment",
        ("ada starts r1", "the runtime begins what is offered", "the code of r1 asks q1"),
    ),
}
"""How each seed bug is told: the rule it breaks, and the moves."""


@pytest.mark.parametrize("seed", SEEDS, ids=lambda one: one.name)
def test_seed_bug_is_found_again(seed: Mutant) -> None:
    """Given the kernel without the rule, when it is checked, then the shortest story is that of the report."""
    example = kill(seed).counterexample
    assert example is not None
    assert (example.property, example.moves) == STORIES[seed.name]
    assert example.faults == 0


@pytest.mark.parametrize("seed", SEEDS, ids=lambda one: one.name)
def test_story_of_a_seed_bug_is_real(seed: Mutant) -> None:
    """Given the story, when it is lived with real times and tokens, then the mutant breaks the rule at its last move.

    Lived by the shipped kernel, the same moves break none.
    """
    example = kill(seed).counterexample
    assert example is not None
    config = configuration(example.configuration)
    assert [one.broken for one in replay(config, example.moves, seed.make())][-1] == example.property
    assert {one.broken for one in replay(config, example.moves)} == {None}


@pytest.fixture(scope="module")
def killed() -> list[Killed]:
    """Hunt every mutant once."""
    return [kill(one) for one in every_mutant()]


def test_every_mutant_is_killed_or_equivalent(killed: list[Killed]) -> None:
    """Given each mutant of the written rule and each by hand, then it is found out, or said to be no change at all."""
    assert {one.mutant for one in killed if one.counterexample is None} == set(EQUIVALENT)


def test_the_page_of_mutants_is_fresh(killed: list[Killed]) -> None:
    """Given what was found, then the reference says so, mutant by mutant."""
    generator = loaded("docs/reference/mutants.py")
    assert generator.page(killed) == generator.PAGE.read_text("utf-8"), "stale: run make diagrams"


def test_mutants_are_those_of_every_declared_machine() -> None:
    """Given the tables, then there is a mutant for each row, edge item, hold and guard, and names are unique."""
    names = [one.name for one in every_mutant()]
    assert len(set(names)) == len(names)
    for machine in MACHINES:
        mine = [name for name in names if name.startswith(f"{machine.name}.")]
        edges = sum(len(row.edge) for row in machine.rows) + (0 if machine.birth is None else len(machine.birth.edge))
        holds = sum(len(state.holds) for state in machine.states)
        guards = sum(len(row.conditions) + len(row.unless) for row in machine.rows)
        assert len(mine) == 2 * len(machine.rows) + edges + holds + guards


def test_mutants_by_hand_say_what_they_do() -> None:
    """Given the mutants by hand, then each has a story, and each is another kernel."""
    assert all(one.story and not one.seed for one in BY_HAND)
    assert all(one.story and one.seed for one in SEEDS)


def test_unknown_mutant_is_refused_with_those_alike() -> None:
    """Given a name that is nearly one, then the error names it."""
    with pytest.raises(Invalid, match=r"use .*one-shot-orphan-timer"):
        mutant("one-shot-orphan")


def test_killing_tells_the_time() -> None:
    """Given a mutant, then what killed it and how long that took is told."""
    killed: Killed = kill(mutant("late-detach-obeyed"))
    assert killed.seconds > 0
    assert killed.counterexample is not None
    assert killed.counterexample.moves[-1] == "an old connection is noticed to be gone"
    assert killed.counterexample.faults == 1
