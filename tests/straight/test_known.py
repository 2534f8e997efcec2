"""What is known is followed as far as it goes, and no further.

What lives here: an example of each sentence that ``straight/inlining.py`` says of what is known. What must not: a kernel.
The law of this file: each function is seen both ways, and its text shows what was known.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from .ways import Box, Generated, Refused, bump, note, same, seen, straight

ROWS = {
    "red": {"go": (1, "one")},
    "green": {"go": (2, "two")},
    "blue": {"stop": (3, "three")},
    "grey": {"go": (1, "one")},
}
KNOWN = (3, 4, 5)
ON, OFF = True, False


def kind_of(x: Any, kind: str, loud: bool = OFF) -> Any:
    """Go by what the caller knows."""
    if kind == "a":
        return note("a")
    if loud or kind == "b":
        return note(x)
    return note("other")


def by_kind(x: Any) -> Any:
    """Know the kind."""
    return kind_of(x, "b")


def test_branch_not_taken_is_left_out() -> None:
    """Given a test whose outcome is known, then only the branch that is taken is there."""
    text = same(by_kind, (1,))
    assert "if" not in text and "other" not in text


def looped(x: int) -> Any:
    """Run through what is known."""
    total = x
    for one in KNOWN:
        total += note(one)
    return total


def searched(x: int) -> Any:
    """Leave such a loop early."""
    for one in KNOWN:
        if note(one) > x:
            return one
    return None


def looping(x: int) -> Any:
    """Call both."""
    got = searched(x)
    return got, looped(x)


def test_loop_over_known_things_is_unrolled() -> None:
    """Given a loop over a tuple that is known, then there is a body for each of its things, and no loop."""
    text = same(looping, (0,), (3,), (5,))
    assert "for " not in text and 1 == text.count("note(5)") / 2


def row_of(key: str) -> Any:
    """Take a row of a known table."""
    row = ROWS[key].get("go")
    if row is None:
        return note("no row")
    number, word = row
    return note(word) * number


def by_row(key: str) -> Any:
    """Call it in the middle."""
    got = row_of(key)
    return got, note(key)


def test_unknown_key_becomes_branches() -> None:
    """Given a known table and an unknown key, then there is a branch for each of its answers, and no table."""
    text = same(by_row, *[(key,) for key in ROWS])
    assert "ROWS" not in text and "key in ('red', 'grey')" in text and "'one'" in text


def raising(x: int) -> Any:
    """Raise with what is known."""
    known = 3
    cause = Refused("known")
    if x:
        raise Refused(known) from cause
    return known


def raising_inside(x: int) -> Any:
    """Call it in the middle."""
    got = raising(x)
    return [got]


def test_what_is_known_is_raised() -> None:
    """Given a raise with a name that is known, then it is raised with what it stands for."""
    assert "raise Refused(3)" in same(raising_inside, (0,), (1,))


def absent(x: Any) -> Any:
    """Look up what is not there."""
    return [ROWS["none"], x]


def test_known_table_without_a_known_key_refuses_it() -> None:
    """Given a known key that a known table has not, then the look-up is there and raises."""
    assert "ROWS['none']" in same(absent, (1,))


def noted_row(key: str) -> Any:
    """Look up by a key that is noted."""
    row = ROWS[note(key)].get("go")
    return row


def by_noted_row(key: str) -> Any:
    """Call it in the middle."""
    got = noted_row(key)
    return [got]


def test_key_is_evaluated_once() -> None:
    """Given a key that is more than a name, then it is evaluated once."""
    assert 1 == same(by_noted_row, *[(key,) for key in ROWS]).count("note(")


def set_on_one_way(x: int) -> Any:
    """Assign a name what is known, on one way only, and read it after that way."""
    if x:
        got = 1
    if x:
        return got
    return 0


def set_again(x: int, n: int = 1) -> Any:
    """Change a parameter whose argument is known."""
    if x:
        n += 1
    return n


def set_in_a_round(x: int) -> Any:
    """Assign another thing in each round of a loop that is unrolled."""
    got = None
    for one in KNOWN:
        if x > one:
            got = one
    for one in KNOWN:
        last = one
    return got, last


def set_and_tried(x: int) -> Any:
    """Read what is known where something was raised."""
    got = 1
    try:
        more = 2
        note(10 // x)
    except ZeroDivisionError:
        return got, more
    return "fine", got


def set_beside_a_row(key: str) -> Any:
    """Assign what is known after a row is looked up, in a branch that is certain, and read it after that."""
    if ON:
        row = ROWS[key].get("go")
        note(row)
        got = 1
    return got


def with_row(key: str) -> Any:
    """Call it in the middle."""
    got = set_beside_a_row(key)
    return [got]


def test_name_that_is_known_beside_each_row_is_there_after_them() -> None:
    """Given a name that is assigned where each row of a table goes on by itself, then it is there after all of them."""
    assert "key in (" in same(with_row, *[(key,) for key in ROWS])


def in_the_middle(x: int) -> Any:
    """Call them in the middle."""
    a = set_on_one_way(x)
    b = set_again(x)
    c = set_in_a_round(x)
    return a, b, c


@pytest.mark.parametrize("function", [in_the_middle, set_and_tried])
def test_name_is_known_only_where_it_was_assigned(function: Any) -> None:
    """Given a name that is known on one way, then on the others, and after it, it is what it would have been."""
    assert "set_" not in same(function, (0,), (1,), (4,), (9,))


class Held:
    """Something that is made once and then read."""

    box: Box


def made(box: Box) -> Held:
    """Make it."""
    held = Held()
    held.box = box
    return held


def read_back(box: Box) -> Any:
    """Read where it came from."""
    held = made(box)
    again = held.box
    note(again.n)
    return again is box, held.box.n


def put(held: Any) -> Box:
    """Put another in it."""
    box = Box(3)
    held.box = box
    return box


def put_and_read(held: Any) -> Any:
    """Have it back, and read it too."""
    got = put(held)
    note(held.box.n)
    return got.n


def put_and_break(held: Any, x: int) -> None:
    """Put another in it, then do what cannot be written out."""
    box = Box(x)
    held.box = box
    for one in KNOWN:
        if one > x:
            break


def put_and_read_after(held: Any, x: int) -> Any:
    """Read it after a call that stays."""
    put_and_break(held, x)
    return [held.box.n]


def test_steady_attribute_is_read_from_where_it_came() -> None:
    """Given an attribute that is said to be steady, then the name it was assigned from is read in its place."""
    text = same(read_back, (Box(3),), steady=["box"])
    assert "note(box.n)" in text and ".box.n" not in text
    assert "note(got_1.n)" in same(put_and_read, (Box(),), steady=["box"])
    assert "put_and_break(held, x)" in same(put_and_read_after, (Box(), 2), steady=["box"])
    assert "again_1 = held_1.box" in same(read_back, (Box(3),))


class Counted:
    """Something that is counted for all."""

    n = 0


def counted(x: int) -> Any:
    """Count for all."""
    was = Counted.n
    Counted.n += x
    return [Counted.n - was]


def test_attribute_of_a_class_is_not_known() -> None:
    """Given a class whose attribute changes, then it is read each time."""
    same(counted, (1,), (2,))


# -- what the writer is told ------------------------------------------------------------------------------------------

TABLES = SimpleNamespace(limit=3)
ONE_EACH = {"a": (note,), "b": (print,)}


def limited(box: Any, x: int) -> Any:
    """Go by an attribute of what is not known."""
    return "above" if x > box.tables.limit else "within"


def test_field_is_known_whatever_it_is_read_of() -> None:
    """Given an attribute that is said to be known, then its value is there in its place."""
    _, text = straight(limited, fields={"tables": TABLES})
    assert "if x > 3 " in text
    assert "if x > box.tables.limit " in straight(limited)[1]


def in_turn(key: str, x: int) -> None:
    """Call what a mapping gives, one after the other."""
    for act in ONE_EACH[key]:
        act(x)


def test_mapping_of_one_function_each_is_called_without_a_loop() -> None:
    """Given a mapping that is said to give one function in the result, then that is called, and there is no loop."""
    _, text = straight(in_turn, single=[ONE_EACH])
    assert "ONE_EACH[key](x)" in text and "for " not in text
    assert "for " in same(in_turn, ("a", 1))


def built(first: Any, second: Any) -> Any:
    """Make something of two."""
    got = [note("made")]
    got.append(first)
    got.append(second)
    return got


def building(box: Box) -> Any:
    """Have it made of what is read."""
    return built(box.n, note(box.n) + 1), built(note(1), box.n)


def paired(first: Any, second: Any) -> Any:
    """Read the second twice."""
    return [first, second, second]


def raised(first: Any, second: Any) -> Any:
    """Assign the second."""
    second += 1
    return [first, second]


def in_pairs(box: Box) -> Any:
    """Give both what notes."""
    pair = paired(note(1), note(2))
    return pair, [raised(note(1), note(2))]


def in_a_list(box: Box) -> Any:
    """Read what an argument changes, and give an argument that changes what another reads."""
    return [box.n, built(bump(box), 1)], built((box.n, box.n + 0), [bump(box)])


def test_arguments_of_what_was_generated_are_put_in_place() -> None:
    """Given a function that is said to read its arguments in their order, then they are evaluated there, if still in order."""
    told = Generated({})
    assert "append(box.n)" in straight(building, told)[1]
    for function in (in_a_list, in_pairs):
        assert seen(function, Box(1)) == seen(straight(function, told)[0], Box(1))
    assert "append(box.n)" not in straight(building)[1]
