"""A trace is lived again on the real kernel: what may happen, what happens, and which rule it breaks."""

from __future__ import annotations

import random

import pytest

from lifecycle.check import BY_HAND, SEEDS, SMALL, Configuration, Life, Mutant, configuration, kill, replay
from lifecycle.check.slices import Slices
from lifecycle.check.world import World
from lifecycle.errors import Invalid
from lifecycle.kernel import KERNEL

WALKS, LENGTH = 12, 25


@pytest.mark.parametrize("config", SMALL, ids=lambda one: one.name)
def test_what_may_happen_in_a_life_is_what_the_search_follows(config: Configuration) -> None:
    """Given any life, then what may happen next is what the search follows from there, and it breaks no rule."""
    slices, chance = Slices(World(config)), random.Random(config.name)
    for _ in range(WALKS):
        life, state = Life(config), slices.initial
        for _ in range(LENGTH):
            following = {slices.labels[edge.move]: to for edge, to in slices.edges(state)}
            assert set(following) == set(life.possible()), [one.name for one in life.lived]
            if not following:
                break
            name = chance.choice(sorted(following))
            state = following[name]
            assert life.do(name).broken is None


@pytest.mark.parametrize("mutant", (*SEEDS, *BY_HAND[:2], *BY_HAND[6:9]), ids=lambda one: one.name)
def test_what_kills_a_mutant_happens_again_when_it_is_lived(mutant: Mutant) -> None:
    """Given the counterexample of a mutant, when it is lived, then its last step, and no other, breaks that rule."""
    found = kill(mutant).counterexample
    assert found is not None
    lived = replay(configuration(found.configuration), found.moves, mutant.make())
    assert [None] * (len(lived) - 1) + [found.property] == [one.broken for one in lived]


def test_kernel_that_raises_is_judged_not_to_be_total() -> None:
    """Given a kernel that raises, when a life is lived under it, then the rule that is broken is named."""

    class Raising:
        def step(self, *given: object) -> object:
            raise ZeroDivisionError

    life = Life(SMALL[0], Raising())  # type: ignore[arg-type]
    assert "total" == life.do("ada starts r1").broken
    assert life.session is None


def test_fork_goes_on_by_itself() -> None:
    """Given a fork, when it goes on, then the life it came from stays where it was."""
    life = Life(configuration("clients"))
    for name in ("ada starts r1", "the hooks are performed", "c1 attaches"):
        life.do(name)
    other = life.fork()
    other.do("the process dies")
    assert (("c1",), 3, 4) == (life.session and life.session.attachments, len(life.lived), len(other.lived))
    assert ["the next process takes over"] == other.possible()
    assert "perform" in life.kinds()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ada starts r9", "configuration clients has none of that name; did you mean 'ada starts r"),
        ("zzz", "configuration clients has none of that name; see what is possible"),
        ("ada approves q1", "cannot happen now; see what is possible"),
        ("the connection of c1 drops", "cannot happen now; see what is possible"),
        ("the next process takes over", "cannot happen now; see what is possible"),
        ("c1 is noticed to be gone", "cannot happen now; see what is possible"),
    ],
)
def test_move_that_cannot_happen_is_refused(name: str, said: str) -> None:
    """Given a name that is no move, or none that can happen now, then it is refused and nothing has happened."""
    life = Life(configuration("clients"), KERNEL)
    with pytest.raises(Invalid) as refused:
        life.do(name)
    assert said in str(refused.value)
    assert [] == life.lived
