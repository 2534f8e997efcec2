"""What the search says in canonical parts is what happens in real life, move by move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.check import CONFIGURATIONS, SMALL, Configuration, Life
from lifecycle.check.parts import plain_timer, work_of
from lifecycle.check.slices import Slices
from lifecycle.check.world import World
from lifecycle.errors import Invalid


class Twin:
    """A life lived for real and in canonical parts at once."""

    def __init__(self, config: Configuration) -> None:
        self.slices = Slices(World(config))
        self.life = Life(config)
        self.state = self.slices.initial

    def choices(self) -> dict[str, int]:
        """Return what may happen, with the canonical state after it; a client's socket is the world's own."""
        return {self.slices.labels[edge.move]: after for edge, after in self.slices.edges(self.state)}

    def do(self, name: str) -> None:
        """Live a move twice."""
        self.state = self.choices()[name]
        self.life.do(name)

    def assert_alike(self) -> None:
        """Compare the canonical parts of the real session with those of the state."""
        work, memory, orphan, process, attached, sockets = self.slices.unpack(self.state)
        session = self.life.session
        assert (process, sockets) == (self.life.process, tuple(self.life.sockets))
        assert memory == self.life.memory
        if session is None:
            assert work is None
            return
        assert work_of(session, self.slices.world.places) == work
        assert plain_timer(session.orphan) == orphan
        assert tuple(sorted(session.attachments)) == attached


@pytest.mark.parametrize("config", SMALL, ids=lambda one: one.name)
@given(data=st.data())
def test_real_life_is_what_the_search_says(config: Configuration, data: st.DataObject) -> None:
    """Given any way through a world, when it is lived with real times, tokens and numbers, then its parts, and what

    may happen next, are at each point what the search says: two sessions of the same parts are treated alike.
    """
    twin = Twin(config)
    for _ in range(data.draw(st.integers(1, 12), label="how many moves")):
        choices = list(twin.choices())
        assert set(choices) == set(twin.life.possible()), "what may happen next"
        if not choices:
            break
        twin.do(data.draw(st.sampled_from(sorted(choices)), label="move"))
        twin.assert_alike()
        assert twin.life.lived[-1].broken is None


def test_what_cannot_happen_now_is_refused() -> None:
    """Given a life that has not begun, when code is to return, then it is refused and nothing has happened."""
    life = Life(CONFIGURATIONS["conversation"])
    with pytest.raises(Invalid, match="cannot happen now"):
        life.do("the code returns its answer")
    assert life.lived == []


def test_a_fork_goes_its_own_way() -> None:
    """Given a life, when it is forked and the fork goes on, then the first one stays where it is."""
    life = Life(CONFIGURATIONS["conversation"])
    life.do("ada starts r1")
    other = life.fork()
    other.do("ada aborts r1")
    assert life.session is not None and life.session.head is not None
    assert other.session is not None and other.session.head is None
    assert len(life.lived) == 1 and len(other.lived) == 2


def test_timers_fire_when_they_are_due() -> None:
    """Given an armed timer, when it fires in real life, then its time has come: nothing is hurried."""
    life = Life(CONFIGURATIONS["conversation"])
    started = life.do("ada starts r1")
    assert started.step is not None and started.step.session is not None and started.step.session.orphan is not None
    fired = life.do("the orphan timer fires")
    assert fired.at == started.step.session.orphan.due
    assert fired.step is not None and not fired.step.journalled
