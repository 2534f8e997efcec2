"""A body in place of its call does the same: arguments, their order, returns, and what stays a call.

What lives here: an example of each sentence that ``straight/inlining.py`` says of calls. What must not: a kernel. The law
of this file: each function is seen both ways, and its text shows whether it was written out.
"""

from __future__ import annotations

from typing import Any

import pytest

from .ways import Box, Refused, fail, note, same

KNOWN = (3, 4, 5)
OFF = False


# -- arguments and results --------------------------------------------------------------------------------------------


def twice(x: Any) -> Any:
    """Read an argument twice."""
    return x, x


def once_each(x: Any) -> Any:
    """Give two arguments that note."""
    return twice(note(x)), twice(note(2))


def test_argument_is_evaluated_once() -> None:
    """Given a parameter that is read twice, then its argument is evaluated once."""
    text = same(once_each, (1,))
    assert 2 == text.count("note(") and "twice(" not in text


def swapped(a: Any, b: Any) -> Any:
    """Use the names of the caller for other things, and assign its parameters."""
    a, b = note(b), note(a)
    x = a
    return x, b


def with_names(x: Any) -> Any:
    """Have the names of the callee oneself."""
    a, b = 1, 2
    got = swapped(b, x)
    return a, b, x, got


def test_names_of_the_callee_are_its_own() -> None:
    """Given a callee that assigns names and parameters its caller has too, then the caller's are as they were."""
    assert "swapped(" not in same(with_names, (7,))


def gathered(x: Any) -> Any:
    """Make a list with an argument in it."""
    made = [1]
    made.append(x)
    return made


def gathered_anew(x: Any) -> Any:
    """Give its result the name of its argument."""
    x = gathered(x)
    return x, gathered(x)


def raised(m: int, n: int) -> Any:
    """Assign a parameter."""
    n += fail(m)
    return m, n


def raised_or_not(n: int) -> Any:
    """Give one name twice, and read it when something was raised."""
    try:
        return raised(n, n)
    except Refused:
        return n


def given_twice(n: int) -> Any:
    """Give one name twice."""
    return raised(n, n)


def given_back(x: Any) -> Any:
    """Give an argument back, having noted it."""
    note(x)
    return x


def had_back(x: Any) -> Any:
    """Have it back."""
    got = given_back(x)
    return [got, x]


def failed_after(n: int) -> int:
    """Assign a parameter, and fail."""
    n += 1
    return fail(n)


def as_it_was(n: int) -> Any:
    """Read what was given when something was raised."""
    try:
        return failed_after(n)
    except Refused:
        return note(n)


@pytest.mark.parametrize("function", [gathered_anew, raised_or_not, given_twice, had_back, as_it_was])
def test_argument_is_what_it_was(function: Any) -> None:
    """Given a callee that assigns what its caller gave, or a caller that does, then the other has what it had."""
    same(function, (1,), (2,))


def with_default(x: Any, y: Any = KNOWN) -> Any:
    """Leave an argument out."""
    return x, y


def defaulted(x: Any) -> Any:
    """Call with one argument less."""
    return [with_default(x)]


def test_default_is_that_of_the_function() -> None:
    """Given a call without an argument, then the default stands for it."""
    assert "with_default(" not in same(defaulted, (1,))


def nothing_returned(x: Any) -> Any:
    """End without a return on one way."""
    if x:
        return note(x)


def after_the_end(x: Any) -> Any:
    """Return such a call from a branch, with something after it."""
    if x != 2:
        return nothing_returned(x)
    return note("after")


def test_end_of_a_body_returns_none() -> None:
    """Given a body that ends without a return, then none comes back, and what follows in the caller is not done."""
    assert "nothing_returned(" not in same(after_the_end, (0,), (1,), (2,))


# -- order ------------------------------------------------------------------------------------------------------------


def bumped(box: Box) -> int:
    """Change the box."""
    box.n += 1
    return box.n


def plus_after_read(box: Box) -> Any:
    """Read the box first, then change it, in one expression."""
    return box.n * 10 + bumped(box), (box.n, bumped(box)), box.n


def added_to_read(box: Box) -> Any:
    """Add to an attribute what a call gives that changes it."""
    box.n += bumped(box)
    return box.n


def after_a_call(box: Box) -> Any:
    """Call something that stays before something that does not."""
    return [note(1), bumped(box), note(box.n)]


def in_keywords(box: Box) -> Any:
    """Have a call in an argument that is named."""
    known = 5
    return note(dict)(a=known, b=bumped(box))


def in_a_condition(box: Box) -> Any:
    """Call on one way only."""
    many = box.n > 4
    return [bumped(box) if many else 0]


def in_a_chain(box: Box) -> Any:
    """Call only if what comes before says so."""
    many = box.n > 1
    return [many and bumped(box)]


def in_a_comparison(box: Box) -> Any:
    """Compare with what a call gives only if what comes before it holds."""
    n = box.n
    return [3 < n < bumped(box)]


def in_a_dict(box: Box) -> Any:
    """Have a key after a value."""
    return {0: bumped(box), bumped(box): 0}


ORDERS = (
    plus_after_read,
    added_to_read,
    after_a_call,
    in_keywords,
    in_a_condition,
    in_a_chain,
    in_a_comparison,
    in_a_dict,
)


@pytest.mark.parametrize("function", ORDERS)
def test_order_of_evaluation_stays(function: Any) -> None:
    """Given an expression whose parts change what others read, then they are evaluated in the order in which they were."""
    same(function, (Box(0),), (Box(2),), (Box(4),), (Box(9),))


def first_in_line(box: Box) -> Any:
    """Call with nothing but names before."""
    return (box, bumped(box))[1] + 1


def test_call_after_names_only_is_written_out() -> None:
    """Given an expression that has nothing to evaluate before a call but names, then the call is written out."""
    assert "bumped(" not in same(first_in_line, (Box(1),))


# -- returns ----------------------------------------------------------------------------------------------------------


def early(x: int) -> Any:
    """Return early, by branches."""
    if x < 0:
        return "below"
    if x == 0:
        note("zero")
    else:
        note("more")
        return "above"
    return "zero"


def found(xs: Any, wanted: int) -> Any:
    """Return early, from a loop."""
    for x in xs:
        if x == wanted:
            return note(x)
        note("no")
    note("none")
    return None


def first_found(x: int, xs: Any) -> Any:
    """Call both in the middle."""
    before = early(x)
    at = found(xs, x)
    return before, at, note("end")


def test_early_return_becomes_the_other_branch() -> None:
    """Given returns in branches and in a loop, then what comes after them is done only where they were not reached."""
    text = same(first_found, (-1, []), (0, [1, 0, 2]), (2, [1, 2]), (3, [1, 2]))
    assert 1 == text.count("return") and "early(" not in text and "found(" not in text


def answer(x: int) -> int | None:
    """Answer, or not."""
    if x > 2:
        return x
    if x == 2:
        return note(x)
    return None


def asked(x: int) -> Any:
    """Return an answer as soon as there is one."""
    said = answer(x)
    if said is not None:
        return "said", note("asked"), said
    return note("not said")


def asked_and_read(x: int) -> Any:
    """Read the answer once more where there is none."""
    if x < 9:
        said = answer(x)
        if said is not None:
            return "said"
    else:
        said = 0
    return "not said", said


def asked_for_certain(x: int) -> Any:
    """Read the answer after a branch that is certain."""
    if not OFF:
        said = answer(x)
        if said is not None:
            return "said"
    return "not said", said


def asked_at_last(x: int) -> Any:
    """Note something before the answer is read."""
    said = answer(x)
    if said is not None:
        return note(note("asked")), [said]
    return None


def asked_in_rounds(xs: Any) -> Any:
    """Read in each round the answer of the one before."""
    said = answer(9)
    for x in xs:
        note(said)
        said = answer(x)
        if said is not None:
            return "said"
    return "not said"


def test_answer_is_there_in_the_next_round() -> None:
    """Given an answer that is asked for in a loop and read in its next round, then it is there."""
    same(asked_in_rounds, ([1, 0, 3],), ([],), ([1],))


def asked_knowing(x: int) -> Any:
    """Return what is known as soon as there is an answer."""
    known = 7
    said = answer(x)
    if said is not None:
        return known, said
    return known


@pytest.mark.parametrize("function", [asked_knowing, asked, asked_and_read, asked_for_certain, asked_at_last])
def test_answer_is_asked_for_where_it_is_given(function: Any) -> None:
    """Given a question whether there was an answer, then it is put where the answer is known, and changes nothing."""
    assert "answer(" not in same(function, (1,), (2,), (3,), (9,))


def boxed(x: int) -> Box | None:
    """Make an answer, or none."""
    if x > 2:
        return Box(x)
    return None


def asked_for_box(x: int) -> Any:
    """Ask whether it was made."""
    got = boxed(x)
    if got is not None:
        return type(got)
    return note("none")


def test_answer_that_is_certain_is_not_asked_for() -> None:
    """Given answers that certainly are some or none, then nobody asks which."""
    assert "is not None" not in same(asked_for_box, (1,), (3,))
