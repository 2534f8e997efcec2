"""Judging: every fault at once, each with its place."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings

from lifecycle.declaration import (
    Guard,
    Machine,
    Row,
    State,
    checked,
    declare,
    judge,
)
from lifecycle.errors import DefinitionError

from .equivalence import assignments, with_probes
from .examples import STRANGE, machines

SOUND = Machine(
    "sound",
    (State("a", refuses=("stay",)), State("b", ignores=("go",)), State("z", final=True)),
    (Row("a", "go", "b"), Row("b", "stay", None), Row("b", "end", "z", conditions="p"), Row("a", "end", "z")),
    "a",
)

FAULTY = {
    "unknown source": ({"rows": [*SOUND.rows, Row("q", "go", "z")]}, "unknown state", "row 4 (q go -> z)"),
    "one of several sources unknown": (
        {"rows": [*SOUND.rows, Row(("b", "q"), "end", "z", conditions="r")]},
        "unknown state",
        "row 4 (b, q end -> z)",
    ),
    "unknown dest": ({"rows": [*SOUND.rows, Row("b", "end", "q", unless="p")]}, "unknown state", "row 4 (b end -> q)"),
    "unknown initial": ({"initial": "q"}, "unknown initial", "machine sound"),
    "no initial": ({"initial": None}, "no initial", "machine sound"),
    "birth into nothing": ({"birth": Row(None, "bear", "q")}, "unknown state", "birth (bear -> q)"),
    "birth staying": ({"birth": Row(None, "bear", "=")}, "unknown state", "birth (bear -> =)"),
    "duplicate": ({"states": [*SOUND.states, State("z", final=True)]}, "duplicate state", "state z"),
    "unreachable": ({"states": [*SOUND.states, State("q", final=True)]}, "unreachable state", "state q"),
    "dead end": ({"rows": [*SOUND.rows[:2], SOUND.rows[3], Row("b", "end", "=")]}, "dead end", "state b"),
    "circle": (
        {"rows": [*SOUND.rows[:2], SOUND.rows[3], Row("b", "end", "c"), Row("c", ("end"), "b"), Row("c", "stay", "b")],
         "states": [*SOUND.states, State("c", refuses="go")]},
        "no way to a final state",
        "state c",
    ),
    "out of final": ({"rows": [*SOUND.rows, Row("z", "go", "a")]}, "row out of a final state", "row 4 (z go -> a)"),
    "wildcard out of final": (
        {"rows": [SOUND.rows[0], SOUND.rows[1], Row("*", "end", "z")]},
        "row out of a final state",
        "row 2 (z end -> z)",
    ),
    "shadowed": (
        {"rows": [*SOUND.rows, Row("a", "go", "z", conditions="p")]},
        "shadowed row",
        "row 4 (a go -> z if p)",
    ),
    "shadowed by fewer guards": (
        {"rows": [*SOUND.rows, Row("b", "end", "a", conditions=("p", "r"), unless="s")]},
        "shadowed row",
        "row 4 (b end -> a if p and r unless s)",
    ),
    "two unguarded": ({"rows": [*SOUND.rows, Row("a", "go", "z")]}, "ambiguous rows", "row 4 (a go -> z)"),
    "same guards": (
        {"rows": [*SOUND.rows, Row("b", "end", "a", conditions=("p", "p"))]},
        "ambiguous rows",
        "row 4 (b end -> a if p and p)",
    ),
    "undecided": ({"states": [State("a"), *SOUND.states[1:]]}, "undecided pair", "state a"),
    "row and refused": (
        {"states": [State("a", refuses=("stay", "go")), *SOUND.states[1:]]},
        "decided twice",
        "state a",
    ),
    "refused and ignored": (
        {"states": [State("a", refuses=("stay",), ignores=("stay",)), *SOUND.states[1:]]},
        "decided twice",
        "state a",
    ),
    "refuses unknown": (
        {"states": [State("a", refuses=("stay", "fly")), *SOUND.states[1:]]},
        "unknown trigger",
        "state a",
    ),
    "ignores unknown": (
        {"states": [State("a", refuses="stay", ignores="fly"), *SOUND.states[1:]]},
        "unknown trigger",
        "state a",
    ),
}  # fmt: skip

NO_WORDS: dict[str, tuple[Any, str]] = {
    "row as in transitions": (
        {"rows": [["go", "a", "b"]]},
        "row 0: ['go', 'a', 'b'] is no Row; write Row(source, trigger, dest)",
    ),
    "row as a mapping": ({"rows": ({"trigger": "go"},)}, "row 0: {'trigger': 'go'} is no Row"),
    "state as a mapping": ({"states": [{"name": "a"}]}, "state 0: {'name': 'a'} is no State, and no name of one"),
    "state of a number": ({"states": [*SOUND.states, State(5)]}, "state 3: 5 is no name"),  # type: ignore[arg-type]
    "state without a name": ({"states": [*SOUND.states, ""]}, "state 3: '' is no name"),
    "trigger of nothing": ({"rows": [Row("a", None, "b")]}, "row 0: None is no name"),  # type: ignore[arg-type]
    "trigger without a name": ({"rows": [*SOUND.rows, Row("a", "", "b")]}, "row 4: '' is no name"),
    "source of a number": ({"rows": [Row((1,), "go", "b")]}, "row 0: 1 is no name"),  # type: ignore[arg-type]
    "no source": ({"rows": [Row((), "go", "b")]}, "row 0: it has no source"),
    "birth of a trigger only": ({"birth": "bear"}, "birth: 'bear' is no Row"),
}


@pytest.mark.parametrize("what", NO_WORDS)
def test_what_is_no_declaration_is_said_in_a_sentence(what: str) -> None:
    """Given rows as another library has them, or names that are none, then that is the error, with its place, anywhere."""
    changes, told = NO_WORDS[what]
    wrong = attrs.evolve(SOUND, **changes)
    for foreign in (False, True):
        with pytest.raises(DefinitionError) as refused:
            checked(wrong, foreign)
        assert {"no declaration"} == {fault.kind for fault in refused.value.faults}  # type: ignore[attr-defined]
        assert told in str(refused.value)


def test_one_state_and_one_row_need_no_list() -> None:
    """Given a single state or row, or none, then it is taken as that, and a text is never taken for its letters."""
    assert [State("ab")] == list(Machine("m", "ab", None).states)  # type: ignore[arg-type]
    assert () == Machine("m", State("a"), None).rows  # type: ignore[arg-type]
    assert 1 == len(Machine("m", ["a", "b"], Row("a", "go", "b")).rows)


SEVERE_ANYWHERE = {"unknown state", "unknown initial", "ambiguous rows"}


def test_judge_finds_nothing_in_a_sound_machine() -> None:
    """A machine that decides every pair, reaches every state and ends has no fault."""
    assert () == judge(SOUND)
    assert SOUND is checked(SOUND)
    assert SOUND == declare(SOUND.name, SOUND.states, SOUND.rows, SOUND.initial)


@pytest.mark.parametrize(("change", "kind", "place"), FAULTY.values(), ids=FAULTY)
def test_judge_finds_fault_with_its_place(change: dict[str, Any], kind: str, place: str) -> None:
    """Each kind of fault is found at the state or row that has it, and is an error of ours."""
    faults = judge(attrs.evolve(SOUND, **change))
    assert (kind, place) in [(fault.kind, fault.place) for fault in faults]
    assert {"error"} == {fault.severity for fault in faults}


@pytest.mark.parametrize(("change", "kind", "place"), FAULTY.values(), ids=FAULTY)
def test_judge_notes_what_others_may_do(change: dict[str, Any], kind: str, place: str) -> None:
    """In anybody's machine only nondeterminism and unknown states are errors; our own strictness is a note."""
    faults = judge(attrs.evolve(SOUND, **change), foreign=True)
    expected = "error" if kind in SEVERE_ANYWHERE else "note"
    assert {expected} == {fault.severity for fault in faults if (fault.kind, fault.place) == (kind, place)}


def test_judge_final_state_decides_by_being_final() -> None:
    """A final state need not list what it refuses."""
    assert SOUND.state("z") == State("z", final=True)
    assert () == judge(SOUND)


def test_judge_state_that_ignores_all_is_decided() -> None:
    """A state that ignores whatever it does not list has nothing undecided."""
    states = (State("a", ignore_invalid_triggers=True), *SOUND.states[1:])
    assert () == judge(attrs.evolve(SOUND, states=states))


def test_judge_machine_that_never_ends_says_so_once() -> None:
    """Without any final state there is one fault, of the machine, not one of every state."""
    machine = Machine("m", ("a", "b"), (Row("a", "go", "b"), Row("b", "go", "a")), "a")
    assert [("no way to a final state", "machine m")] == [(fault.kind, fault.place) for fault in judge(machine)]


def test_judge_dead_end_is_said_once() -> None:
    """A state that nothing leads out of is a dead end, and not also a state without a way to the end."""
    machine = Machine("m", ("a", "b", State("z", final=True)), (Row("a", "go", "b"), Row("a", "end", "z")), "a")
    assert ["dead end"] == [fault.kind for fault in judge(machine) if fault.kind != "undecided pair"]


def test_judge_birth_is_a_beginning() -> None:
    """What a birth leads to is reached, and its trigger is known."""
    states = (State("a", refuses=("stay", "bear")), *SOUND.states[1:])
    assert () == judge(attrs.evolve(SOUND, states=states, initial=None, birth=Row(None, "bear", "a")))


def test_judge_opposite_guards_are_no_fault() -> None:
    """Two rows told apart by one guard are neither ambiguous nor shadowed."""
    rows = (*SOUND.rows, Row("b", "end", "a", unless="p"))
    assert () == judge(attrs.evolve(SOUND, rows=rows))


def test_judge_guards_are_told_apart_by_their_test() -> None:
    """Two lambdas share a name and are two guards all the same."""
    one, other = Guard("<lambda>", lambda: True), Guard("<lambda>", lambda: False)
    rows = (
        *SOUND.rows[:2],
        SOUND.rows[3],
        Row("b", "end", "z", conditions=one),
        Row("b", "end", "a", conditions=other),
    )
    assert () == judge(attrs.evolve(SOUND, rows=rows))


def test_checked_raises_all_errors_grouped() -> None:
    """A faulty declaration raises once, with every fault, those of a kind together."""
    with pytest.raises(DefinitionError) as caught:
        declare("m", ("a", "b", "c"), (Row("a", "go", "b"), Row("a", "go", "c")), "a")
    assert [
        "dead end",
        "dead end",
        "no way to a final state",
        "ambiguous rows",
        "undecided pair",
        "undecided pair",
    ] == [
        fault.kind
        for fault in caught.value.faults  # type: ignore[attr-defined]
    ]
    assert str(caught.value).startswith(
        "machine m: dead end (2): state b: nothing leads out of it, and it is not final, "
    )
    assert str(caught.value).endswith("; correct its declaration")


def test_checked_lets_notes_pass() -> None:
    """A foreign machine is stopped by errors only."""
    machine = Machine("m", ("a", "b"), (Row("a", "go", "b"),), "a")
    assert machine is checked(machine, foreign=True)
    with pytest.raises(DefinitionError, match="unknown state"):
        checked(STRANGE, foreign=True)


@settings(deadline=None)
@given(machines)
def test_judge_never_raises(machine: Machine) -> None:
    """Judging is total, and a machine is accepted exactly if it has no error."""
    raised: object = ()
    try:
        checked(machine)
    except DefinitionError as error:
        raised = error.faults
    assert judge(machine) == raised


@settings(deadline=None)
@given(machines)
def test_judge_rows_called_shadowed_are_never_taken(machine: Machine) -> None:
    """A row said to be shadowed or ambiguous is taken for no value of its guards."""
    probed = with_probes(machine)
    useless = {fault.place for fault in judge(probed) if fault.kind in ("shadowed row", "ambiguous rows")}
    for row in probed.table.flat():
        if f"row {row.place} ({row})" in useless and row.dest in probed.table.rows:
            assert row.place not in _places_taken(probed, row.source, row.trigger)


def _places_taken(machine: Machine, state: str, trigger: str) -> set[int]:
    """Give the places of the rows that some assignment takes; a dest nobody declared is made one first."""
    dests = (State(row.dest) for row in machine.table.flat() if row.dest not in machine.table.rows)
    whole = attrs.evolve(machine, states=(*machine.states, *dests), rows=[_named(machine, row) for row in machine.rows])
    sent = (whole.send(state, trigger, **values) for values in assignments(whole, state, trigger))
    return {one.row.place for one in sent if one.row is not None}


def _named(machine: Machine, row: Row) -> Row:
    """Write a wildcard out, so that it does not span more states than the machine has."""
    return attrs.evolve(row, source=tuple(machine.table.rows)) if row.source == "*" else row
