"""Explaining: what may happen, and the guard that says why."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.declaration import Guard, Machine, Row, Verdict
from lifecycle.errors import Invalid

from .equivalence import assignments, triggers_of, with_probes
from .examples import JOB, STRANGE, machines


def test_allowed_lists_rows_with_verdicts() -> None:
    """Every row of a state is listed in order, with what each guard answered and wanted."""
    ask, late, finish = JOB.allowed("busy", is_open=True, is_late=True)
    assert ("ask", "asking", False) == (ask.trigger, ask.dest, ask.may)
    assert (Verdict("is_open", True, True, True), Verdict("is_late", False, True, False)) == ask.verdicts
    assert ("done", True) == (late.dest, late.may)
    assert ("finish", "done", True, ()) == (finish.trigger, finish.dest, finish.may, finish.verdicts)


def test_allowed_without_values_is_not_known() -> None:
    """A guard that cannot answer leaves its row open, and every later row of its trigger."""
    assert [None, None, True] == [option.may for option in JOB.allowed("busy")]


def test_allowed_in_final_state_is_nothing() -> None:
    """A final state has no options."""
    assert () == JOB.allowed("done")


def test_allowed_in_unknown_state_is_invalid() -> None:
    """Only a declared state can be asked about."""
    with pytest.raises(Invalid):
        JOB.allowed("asleep")
    with pytest.raises(Invalid):
        JOB.explain("asleep", "begin")


def test_explain_says_where_a_trigger_leads() -> None:
    """A trigger that may be sent is explained by the row it takes."""
    explained = JOB.explain("busy", "ask", is_open=True, is_late=False)
    assert explained.may
    assert "job: busy takes ask; to asking: is_open is True, is_late is False" == str(explained)
    assert "job: idle takes ask; stays" == str(JOB.explain("idle", "ask"))


def test_explain_names_the_guard_that_says_no() -> None:
    """A trigger that may not be sent is explained by every guard that keeps it."""
    explained = JOB.explain("busy", "ask", is_open="yes", is_late=False)
    assert explained.may is False
    assert (
        "job: busy does not take ask; to asking: is_open is 'yes', not True, is_late is False; "
        "to done: is_late is False, not True" == str(explained)
    )


def test_explain_tells_a_guard_that_raises() -> None:
    """An explanation never raises for a guard; what it raised is told instead."""

    def is_broken() -> bool:
        raise ZeroDivisionError("by zero")

    machine = Machine("m", ("a", "b"), (Row("a", "go", "b", conditions=Guard("is_broken", is_broken)),), "a")
    explained = machine.explain("a", "go")
    assert explained.may is None
    assert "m: a may take go; to b: is_broken cannot tell (by zero)" == str(explained)


@pytest.mark.parametrize(
    ("machine", "state", "trigger", "expected"),
    [
        (JOB, "busy", "begin", "job: busy ignores begin"),
        (STRANGE, "half", "unheard_of", "strange: half ignores unheard_of"),
        (JOB, "idle", "finish", "job: idle refuses finish; it accepts begin or ask"),
        (JOB, "done", "begin", "job: done refuses begin, it is final; it accepts nothing"),
    ],
)
def test_explain_tells_refused_from_ignored(machine: Machine, state: str, trigger: str, expected: str) -> None:
    """A trigger without row is refused or ignored, and the explanation says which."""
    explained = machine.explain(state, trigger)
    assert (False, expected) == (explained.may, explained.text)


@settings(deadline=None)
@given(machines, st.data())
def test_explain_agrees_with_running(machine: Machine, data: st.DataObject) -> None:
    """An explanation is no second opinion: with every value known, what it says may happen is what happens."""
    probed = with_probes(machine)
    for state, cells in probed.table.rows.items():
        for trigger in triggers_of(probed):
            values = data.draw(st.sampled_from(list(assignments(probed, state, trigger))))
            explained = probed.explain(state, trigger, **values)
            taken = [option.row for option in explained.options if option.may]
            sends = cells.get(trigger) and all(row.dest in probed.table.rows for row in cells[trigger])
            expected = probed.send(state, trigger, **values).row if sends else None
            assert not sends or [expected] == (taken or [None])
            assert explained.may is bool(taken)
