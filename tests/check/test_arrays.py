"""The search by arrays: the same as in pure Python, level by level, and only where it is worth it and possible."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from lifecycle.check import BY_HAND, CONFIGURATIONS, SEEDS, SMALL, Configuration, Mutant
from lifecycle.check import search as searching
from lifecycle.check import search_numpy as by_arrays
from lifecycle.check.found import Explored
from lifecycle.check.search import explore
from lifecycle.check.slices import Slices
from lifecycle.check.world import Stepper, World
from lifecycle.kernel import KERNEL

from . import naive

BOUNDED = attrs.evolve(CONFIGURATIONS["clients"], name="bounded", faults=1)


@pytest.fixture(autouse=True)
def with_numpy() -> Iterator[None]:
    """Ask for numpy: the tests' own tools bring it."""
    assert by_arrays.numpy() is not None
    yield


def levels(config: Configuration, arrays: bool | None, kernel: Stepper = KERNEL) -> tuple[object, ...]:
    """Search, and return all that was found, states by their parts, in an order that says nothing."""
    slices = Slices(World(config, kernel))
    found = explore(slices, arrays=arrays)
    told = [
        {depth: frozenset(naive.State(*slices.unpack(state)) for state in level) for depth, level in layer.items()}
        for layer in found.levels
    ]
    costs = {rule: (one.faults, one.depth) for rule, one in found.violations.items()}
    return found.states, found.transitions, told, costs, found.complete


@pytest.mark.parametrize("config", [*SMALL, BOUNDED], ids=lambda config: config.name)
def test_arrays_find_the_same_levels(config: Configuration) -> None:
    """Given a configuration, when it is searched by arrays, then every level of every layer holds the same states."""
    assert levels(config, False) == levels(config, True)


@pytest.mark.parametrize("mutant", [*SEEDS, *BY_HAND], ids=lambda mutant: mutant.name)
def test_arrays_find_the_same_rules_broken(mutant: Mutant) -> None:
    """Given a kernel without one of its rules, then both searches find the same rules broken, after as many moves."""
    assert levels(BOUNDED, False, mutant.make()) == levels(BOUNDED, True, mutant.make())


@pytest.mark.parametrize("worth", [1, 20, 100])
def test_arrays_take_over_in_between(worth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a search in pure Python, when its frontier becomes large enough, then arrays go on with what it has seen."""
    expected = levels(BOUNDED, False)
    monkeypatch.setattr(searching, "WORTH", worth)
    assert expected == levels(BOUNDED, None)


@pytest.mark.parametrize("width", [0, 29, 30, 31, 32])
def test_states_that_do_not_fit_are_searched_without_arrays(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given states that become too wide for an array, at once or on the way, then pure Python goes on where it was."""
    expected = levels(BOUNDED, False)
    monkeypatch.setattr(by_arrays, "WIDTH", width)
    assert expected == levels(BOUNDED, True)


def test_states_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a state that is too wide, when a level is to be expanded by arrays, then nothing of it has happened."""
    slices, found = Slices(World(BOUNDED)), Explored()
    way = by_arrays.Arrays(by_arrays.numpy(), slices, {slices.initial}, {})
    monkeypatch.setattr(by_arrays, "WIDTH", 0)
    with pytest.raises(by_arrays.TooWide):
        way.expand(way.sorted([slices.initial]), True, found, (0, 0))
    assert (Explored(), {slices.initial}, {}) == (found, way.seen, way.later)


def test_without_numpy_all_is_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no numpy, when arrays would be worth it, then the search goes on without, and finds the same."""
    expected = levels(BOUNDED, False)
    monkeypatch.setattr(by_arrays.importlib, "import_module", absent)
    monkeypatch.setattr(searching, "WORTH", 0)
    assert by_arrays.numpy() is None
    assert expected == levels(BOUNDED, None) == levels(BOUNDED, True)


def absent(name: str) -> object:
    """Import nothing."""
    raise ImportError(name)


def test_chunks_of_a_level_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a level of several chunks, then a state that follows from two of them is found once."""
    expected = levels(BOUNDED, False)
    monkeypatch.setattr(by_arrays, "CHUNK", 7)
    assert expected == levels(BOUNDED, True)
