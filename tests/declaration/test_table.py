"""The table: what a declaration means, flat."""

from __future__ import annotations

import subprocess
import sys

import attrs
import pytest
from hypothesis import given, settings

from lifecycle.declaration import FlatRow, Guard, Hold, Machine, Row, Send, State

from .equivalence import assert_round_trip, assert_table_is_transitions
from .examples import BORN, EXAMPLES, GUARDED, JOB, LAMP, LEASE, LOCK, STRANGE, machines


@pytest.mark.parametrize(
    ("machine", "cases"),
    [(JOB, 60), (STRANGE, 27), (GUARDED, 13), (BORN, 2)],
    ids=lambda value: getattr(value, "name", value),
)
def test_table_is_transitions_for_examples(machine: Machine, cases: int) -> None:
    """A table and `transitions` agree on every state, trigger and guard value; the number of cases is known."""
    assert cases == assert_table_is_transitions(machine)


@settings(deadline=None)
@given(machines)
def test_table_is_transitions_for_any_machine(machine: Machine) -> None:
    """Flattening is total: a machine however strange has a table, and it is what `transitions` would do."""
    assert_table_is_transitions(machine)


@pytest.mark.parametrize("machine", EXAMPLES, ids=lambda machine: machine.name)
def test_table_round_trip_is_equal_for_examples(machine: Machine) -> None:
    """A table sent through `transitions` and taken in again is the same table."""
    assert_round_trip(machine)


@settings(deadline=None)
@given(machines)
def test_table_round_trip_is_equal_for_any_machine(machine: Machine) -> None:
    """Nothing is lost through `transitions`, whatever was declared."""
    assert_round_trip(machine)


def test_table_lists_every_state_and_final_ones_empty() -> None:
    """Silence is visible: a state without rows is in the table, and empty."""
    assert ["idle", "busy", "asking", "done"] == list(JOB.table.rows)
    assert {} == JOB.table.rows["done"]


def test_table_wildcard_spans_final_states() -> None:
    """A wildcard means every state, the final ones too, as in `transitions`."""
    assert ["on", "off", "half"] == [row.source for row in STRANGE.table.flat() if row.place == 0]


def test_table_keeps_rows_in_declared_order() -> None:
    """Rows of one state and trigger keep their order, because the first match is taken."""
    assert [0, 1, 2] == [row.place for row in STRANGE.table.rows["on"]["flip"]]


def test_table_holds_differ_by_value() -> None:
    """What both states hold alike is kept; the rest is given back and taken."""
    (row, _) = JOB.table.rows["busy"]["ask"]
    assert (LAMP,) == row.given
    assert (LEASE,) == row.taken


def test_table_hooks_give_then_act_then_take() -> None:
    """Hooks come in one order: what is given back, the edge, what is taken; empty templates and sends left out."""
    (row, _) = JOB.table.rows["busy"]["ask"]
    assert ("lamp off", "asked") == row.hooks
    assert (Send("human", "wake"),) == row.sends
    (row,) = JOB.table.rows["idle"]["begin"]
    assert ("begun", "lamp on", "locked") == row.hooks


def test_table_reflexive_row_gives_back_and_takes_again() -> None:
    """A reflexive row leaves its state and enters it."""
    (row,) = JOB.table.rows["asking"]["ask"]
    assert ("asking", (LOCK, LEASE), (LOCK, LEASE)) == (row.dest, row.given, row.taken)
    assert ("unlocked", "lease ended", "asked again", "locked") == row.hooks


def test_table_internal_row_gives_and_takes_nothing() -> None:
    """An internal row stays inside its state, whatever that holds."""
    (row,) = STRANGE.table.rows["on"]["stay"]
    assert (True, "on", (), ()) == (row.internal, row.dest, row.given, row.taken)
    assert ("before", "after") == row.hooks


def test_table_birth_takes_what_its_dest_holds() -> None:
    """A birth comes from nowhere and takes everything."""
    assert BORN.table.birth == FlatRow("", "bear", "alive", edge=("hello",), taken=(LAMP,), hooks=("hello", "lamp on"))


def test_table_is_a_value() -> None:
    """Two tables with the same rows are equal and hash alike, wherever the rows stood and in whatever order."""
    rows = (Row("a", "x", "b"), Row("a", "y", "b"))
    one, other = Machine("m", ("a", "b"), rows, "a"), Machine("m", ("a", "b"), reversed(rows), "a")
    assert one.table == other.table
    assert hash(one.table) == hash(other.table)
    assert one != other
    assert 2 == len({one, other, attrs.evolve(one)})


def test_table_is_read_once() -> None:
    """A machine is immutable, so its table is computed once."""
    assert JOB.table is JOB.table


def test_row_reads_as_a_sentence() -> None:
    """A flat row says source, trigger, dest, guards, in that order."""
    assert [
        "idle begin -> busy",
        "idle ask (internal)",
        "busy ask -> asking if is_open unless is_late",
    ] == [str(row) for row in JOB.table.flat()][:3]


def test_declaration_is_easy_to_write() -> None:
    """One hook, guard, hold, source or trigger needs no tuple; names make guards and holds, tests name themselves."""
    assert State("a", (Hold("h"),), False, ("x",), ("y",)) == State("a", "h", False, "x", "y")
    assert Row("a", "x", "b", ("m",), (Guard("p"),)) == Row("a", "x", "b", "m", "p")
    assert (Guard("any", any), Guard("q")) == Row("a", "x", "b", conditions=[any, "q"]).conditions
    assert ("a", "b") == Row(["a", "b"], "x", "b").source
    assert () == Row("a", "x", "b", None).edge


@pytest.mark.parametrize("layer", ["declaration", "kernel", "machines", "projection"])
def test_pure_layer_brings_no_engine_along(layer: str) -> None:
    """Whoever imports a pure layer by itself gets no clock, task, socket, logger, random, uuid or `transitions` with it."""
    world = ("asyncio", "logging", "random", "socket", "sqlite3", "transitions", "uuid")
    script = (
        "import importlib, importlib.util, sys, types\n"
        "bare = types.ModuleType('lifecycle')  # the package without its front door, which opens every layer\n"
        "bare.__path__ = importlib.util.find_spec('lifecycle').submodule_search_locations\n"
        "before = set(sys.modules)\n"
        "sys.modules['lifecycle'] = bare\n"
        f"importlib.import_module('lifecycle.{layer}')\n"
        f"print(*sorted((set(sys.modules) - before) & set({world})))\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "" == found.stdout.strip()
