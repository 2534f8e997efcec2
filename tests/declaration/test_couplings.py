"""Couplings: what machines send to each other."""

from __future__ import annotations

from lifecycle.declaration import Machine, Row, Send, State, check_couplings


def coupled(name: str, *sends: tuple[str, Send]) -> Machine:
    """Make a machine whose triggers send."""
    rows = (*(Row("a", trigger, "z", send) for trigger, send in sends), Row("a", "end", "z"))
    return Machine(name, ("a", State("z", final=True)), rows, "a")


def test_couplings_that_exist_are_no_fault() -> None:
    """A send to a trigger of a declared machine, or to its birth, is sound."""
    other = Machine("other", ("a",), (), "a", birth=Row(None, "bear", "a"))
    one = coupled("one", ("x", Send("two", "end")), ("y", Send("other", "bear")))
    assert () == check_couplings([one, coupled("two"), other])


def test_couplings_to_nobody_are_found() -> None:
    """A send to a machine or trigger nobody declared is a fault at its row."""
    faults = check_couplings([coupled("one", ("x", Send("nobody", "end")), ("y", Send("one", "fly")))])
    assert [
        ("unknown machine", "machine one, row 0 (a x -> z)"),
        ("unknown trigger", "machine one, row 1 (a y -> z)"),
    ] == [(fault.kind, fault.place) for fault in faults]


def test_couplings_of_a_birth_are_seen() -> None:
    """A birth sends too."""
    born = Machine("born", ("a",), (), None, Row(None, "bear", "a", Send("nobody", "x")))
    assert ["machine born, birth (bear -> a)"] == [fault.place for fault in check_couplings([born])]


def test_couplings_in_a_cycle_are_found_once() -> None:
    """Sends that come back to where they began are one fault, told as the way round."""
    one = coupled("one", ("x", Send("two", "x")), ("y", Send("two", "x")))
    two = coupled("two", ("x", Send("one", "x")))
    (fault,) = check_couplings([one, two])
    assert ("cycle of sends", "machine one, trigger x") == (fault.kind, fault.place)
    assert "one.x sends two.x sends one.x" == fault.text


def test_couplings_may_meet_without_a_cycle() -> None:
    """Two ways to one trigger are no cycle."""
    one = coupled("one", ("x", Send("two", "x")), ("y", Send("two", "end")))
    two = coupled("two", ("x", Send("two", "end")))
    assert () == check_couplings([one, two])


def test_couplings_of_two_machines_of_one_name_are_found() -> None:
    """A name that two machines have tells nobody where a send goes."""
    assert ["duplicate machine"] == [fault.kind for fault in check_couplings([coupled("one"), coupled("one")])]
