"""Snapshots: what is alike is equal, what is not is not, and what is put back is what was there."""

from __future__ import annotations

import collections
import datetime
import decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.check.snapshots import Freezing, Photographer, canonical, text_of
from lifecycle.errors import Invalid


class Model:
    """A model with a slot in its base and anything besides."""


class Slotted:
    """A class that declares slots, one of which nobody filled."""

    __slots__ = ("count", "unset")


class Mixed(Slotted):
    """A class that has both."""

    def __init__(self) -> None:
        self.count = 1
        self.names = ["a"]


@attrs.define
class Point:
    """A value somebody declared."""

    x: int


def frozen(value: object) -> object:
    """Freeze one value."""
    return Freezing(()).freeze(value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3) | st.tuples(inner)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_a_copy_is_alike(value: object) -> None:
    """Given any value, when a model that has it is changed and put back, then it is as it was."""
    model: Any = Model()
    model.value = value
    camera = Photographer(model)
    before = camera.take()
    model.value, model.more = object(), 1
    assert camera.freeze() != before.frozen
    camera.put_back(before)
    assert camera.freeze() == before.frozen
    assert not hasattr(model, "more")


ALIKE = [
    ([1, 2], [1, 2]),
    ({"a", "b", "c"}, {"c", "b", "a"}),
    (collections.deque([1]), collections.deque([1])),
    (datetime.timedelta(1), datetime.timedelta(1)),
    (decimal.Decimal("1.0"), decimal.Decimal("1.0")),
    (Point(1), Point(1)),
    (float("nan"), float("nan")),
    (len, len),
    (frozenset({Point}), frozenset({Point})),
]
DIFFERENT: list[tuple[object, object]] = [
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    ([1], (1,)),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (Point(1), Point(2)),
    (collections.deque([1]), collections.deque([2])),
    ({1}, {2}),
]


def test_what_is_alike_is_equal() -> None:
    """Given two things of one value, then they are frozen alike, and written alike; others are not."""
    assert [(one, other) for one, other in ALIKE if frozen(one) != frozen(other)] == []
    assert [(one, other) for one, other in ALIKE if canonical(frozen(one)) != canonical(frozen(other))] == []
    assert [(one, other) for one, other in DIFFERENT if frozen(one) == frozen(other)] == []


def test_one_thing_twice_is_not_two_things() -> None:
    """Given a list that stands in two places, then that is not the same as two equal lists, and circles end."""
    shared: list[object] = []
    assert frozen([shared, shared]) != frozen([[], []])
    shared.append(shared)
    assert hash(frozen(shared)) == hash(frozen(shared))


def test_slots_are_attributes_too() -> None:
    """Given a model with slots, then they are kept and put back."""
    model = Mixed()
    camera = Photographer(model, frozenset({"names"}))
    before = camera.take()
    model.count, model.names = 2, ["b"]
    camera.put_back(before)
    assert (model.count, model.names) == (1, ["b"])


def test_what_cannot_be_frozen_is_named() -> None:
    """Given an attribute that refuses to be copied, or to be written down, then it is named."""

    class Stubborn:
        def __deepcopy__(self, memo: object) -> object:
            raise ValueError("no")

    model: Any = Model()
    model.ok, model.it = 1, Stubborn()
    with pytest.raises(Invalid, match=r"attribute it: it cannot be copied \(ValueError: no\)"):
        Photographer(model).take()


def test_texts_are_short_and_without_addresses() -> None:
    """Given any value, then its text is one that a reader can compare, whatever its repr does."""

    class Odd:
        def __repr__(self) -> str:
            raise ValueError

    assert text_of(Odd()) == "<Odd: its repr raises ValueError>"
    assert text_of(Model()) == "<tests.check.test_snapshots.Model object>"
    assert len(text_of("x" * 99)) == 60
