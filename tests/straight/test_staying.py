"""What cannot be put in place of its call for certain stays a call.

What lives here: a function of each kind that stays. What must not: what is written out. The law of this file: each is
called in the middle of another, does the same, and its call is still there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .ways import note, same, straight

KNOWN = (3, 4, 5)


def repeats(x: int) -> Any:
    """Repeat while something holds."""
    known = 3
    while x < known:
        x += 1
    return x


def hides(x: int) -> Any:
    """Have a function of its own."""
    return (lambda: note(x))()


def tries(x: int) -> Any:
    """Try, with something after it in the caller."""
    try:
        return 1 // x
    except ZeroDivisionError:
        return note("none")


def leaves_two_loops(x: int) -> Any:
    """Return from within two loops."""
    for one in [1, 2]:
        for other in [1, 2]:
            if one * other == x:
                return one, other
    return None


def returns_in_part(x: int) -> Any:
    """Return on one of the ways through a branch that goes on."""
    if x:
        if x > 1:
            return "early"
        note("late")
    return "late"


def reads_after_the_loop(x: int) -> Any:
    """Read the name of a loop after it."""
    for one in KNOWN:
        note(one + x)
    return one


def breaks(x: int) -> Any:
    """Break a loop over known things."""
    for one in KNOWN:
        if one > x:
            break
        note(one)
    return "broken"


def breaks_or_returns(x: int) -> Any:
    """Break a loop over known things, or return from it."""
    for one in KNOWN:
        if one > x:
            break
        if note(one) == 4:
            return "four"
    return "broken"


def loops_alike(x: int) -> Any:
    """Run through two things by one name."""
    for one in [x, 7]:
        for one in KNOWN:
            note(one + x)
        note(one)


def defines(x: int) -> Any:
    """Define a function."""

    def inner() -> None:
        note(x)

    inner()


def tries_first(x: int) -> Any:
    """Try, and go on."""
    try:
        got = 1 // x
    except ZeroDivisionError:
        got = note(7)
    return got


def lazy(x: int) -> Any:
    """Return what is evaluated later."""
    return (note(x) for _ in [1])


def yields(x: int) -> Iterator[Any]:
    """Be a generator."""
    yield note(x)


def calls_itself(x: int) -> Any:
    """Call itself."""
    return note(x) if x <= 0 else calls_itself(x - 1)


def takes_any(*xs: Any) -> Any:
    """Take any number of arguments."""
    return xs


def takes_named(x: int, *, y: int = 3) -> Any:
    """Take an argument by name only."""
    return x, y


def names_in_passing(x: int) -> Any:
    """Assign within an expression."""
    return (y := note(x)) + y


def around(called: Any) -> Any:
    """Return a function that calls another in its middle."""

    def caller(x: int) -> Any:
        got = called(x)
        return got if note(x) < 99 else None

    return caller


STAY = (
    repeats, hides, tries, leaves_two_loops, returns_in_part, reads_after_the_loop, breaks, breaks_or_returns,
    loops_alike, defines, tries_first, calls_itself, takes_any,
    takes_named, names_in_passing,
)  # fmt: skip


@pytest.mark.parametrize("function", STAY)
def test_what_cannot_be_written_out_stays_a_call(function: Any) -> None:
    """Given a function that cannot be put in place of its call for certain, then it is called, and nothing is lost."""
    assert f"{function.__name__}(x" in same(around(function), *[(x,) for x in (0, 1, 2, 4, 9)])


@pytest.mark.parametrize("function", [lazy, yields])
def test_what_is_evaluated_later_stays_a_call(function: Any) -> None:
    """Given a function that gives back what is evaluated later, then it sees the names it saw, not those of later."""
    other, text = straight(around(function))
    assert f"{function.__name__}(x)" in text
    assert [2] == [*other(2)]
