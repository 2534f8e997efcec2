"""Running: a trigger goes in, a state and hooks come out."""

from __future__ import annotations

import sys

import pytest

from lifecycle.declaration import Guard, Machine, Row, Send, Sent, State
from lifecycle.errors import DefinitionError, Invalid, Refused

from .equivalence import ODD_ANSWERS
from .examples import BORN, JOB, STRANGE

INSTANCE_BYTES_MAX = 120


def guarded(guard: Guard, unless: bool = False) -> Machine:
    """Make a machine of one guarded row."""
    row = Row("a", "go", "b", unless=guard) if unless else Row("a", "go", "b", conditions=guard)
    return Machine("one", ("a", "b"), (row,), "a")


def test_send_gives_state_hooks_and_row() -> None:
    """A row taken tells where it led, what to emit, and itself."""
    (row,) = JOB.table.rows["idle"]["begin"]
    assert Sent("busy", ("begun", "lamp on", "locked"), row) == JOB.send("idle", "begin")


def test_send_names_what_is_sent_on() -> None:
    """What a row sends to other machines is told apart from its hooks."""
    sent = JOB.send("busy", "ask", is_open=True, is_late=False)
    assert (Send("human", "wake"),) == sent.sends
    assert () == Sent("busy").sends


def test_send_without_match_stays_without_hooks() -> None:
    """Rows whose guards all say no leave the state, emit nothing and raise nothing."""
    assert Sent("busy") == JOB.send("busy", "ask", is_open=False, is_late=False)


def test_send_ignored_trigger_stays_without_hooks() -> None:
    """A trigger that a state ignores changes nothing there, wherever it is declared to be ignored."""
    assert Sent("busy") == JOB.send("busy", "begin")
    assert Sent("half") == STRANGE.send("half", "unheard_of")


def test_send_refused_trigger_raises_with_what_is_accepted() -> None:
    """A trigger without any row is refused, and the error says what would be accepted."""
    with pytest.raises(Refused) as caught:
        JOB.send("idle", "finish")
    assert ("begin", "ask") == caught.value.accepted
    assert "machine job: idle refuses finish; send begin or ask" == str(caught.value)


def test_send_in_final_state_accepts_nothing() -> None:
    """A final state refuses every trigger."""
    with pytest.raises(Refused) as caught:
        JOB.send("done", "begin")
    assert () == caught.value.accepted
    assert "machine job: done refuses begin; send nothing more, done accepts no trigger" == str(caught.value)


def test_send_from_unknown_state_is_invalid() -> None:
    """A state nobody declared is malformed, not refused."""
    with pytest.raises(Invalid, match="machine job: asleep is no state of it; name one of idle, busy, asking, done"):
        JOB.send("asleep", "begin")


def test_send_to_unknown_state_names_the_row() -> None:
    """A row that leads nowhere is found at the latest when it is taken."""
    with pytest.raises(DefinitionError, match="machine strange: off lose -> nowhere leads to a state nobody declared"):
        STRANGE.send("off", "lose")


@pytest.mark.parametrize("given", ODD_ANSWERS, ids=repr)
@pytest.mark.parametrize("unless", [False, True])
def test_guard_answer_is_compared_to_true_and_false(given: object, unless: bool) -> None:
    """A condition wants what equals True, ``unless`` what equals False: "yes" is neither and None is neither."""
    expected = "b" if given == (not unless) else "a"
    assert expected == guarded(Guard("g", lambda: given), unless).send("a", "go").state
    assert expected == guarded(Guard("g"), unless).send("a", "go", g=given).state


def test_guard_test_is_called_with_the_values() -> None:
    """A guard's test gets the values of the step by name, and any names are free for them."""
    machine = guarded(Guard("g", lambda state, trigger, self: (state, trigger, self) == (1, 2, 3)))
    assert "b" == machine.send("a", "go", state=1, trigger=2, self=3).state
    assert "b" == machine.instance().send("go", state=1, trigger=2, self=3).state


def test_guard_value_is_called_if_callable() -> None:
    """A guard without a test takes the value of its name, or what that gives when called."""
    assert "b" == guarded(Guard("g")).send("a", "go", g=lambda: True).state


def test_guard_without_test_or_value_is_invalid() -> None:
    """A guard that cannot be answered says which row asked and what to pass."""
    with pytest.raises(Invalid, match=r"guard g: asked for a go -> b if g, .*; pass g=\.\.\. with the trigger"):
        guarded(Guard("g")).send("a", "go")


def test_guards_are_asked_in_order_until_one_says_no() -> None:
    """No guard is asked after one that says no, and no row after one that is taken."""
    asked: list[str] = []

    def ask(name: str, answer: bool) -> Guard:
        return Guard(name, lambda: asked.append(name) or answer)  # type: ignore[func-returns-value]

    rows = (
        Row("a", "go", "b", conditions=(ask("one", True), ask("two", False), ask("never", True))),
        Row("a", "go", "b", unless=ask("three", False)),
        Row("a", "go", "b", conditions=ask("never", True)),
    )
    assert Machine("m", ("a", "b"), rows, "a").send("a", "go").row is not None
    assert ["one", "two", "three"] == asked


def test_instance_moves() -> None:
    """An instance keeps the state that each trigger led to."""
    job = JOB.instance()
    assert ("begun", "lamp on", "locked") == job.send("begin").hooks
    job.send("ask", is_open=True, is_late=False)
    assert "asking" == job.state
    assert "<job in asking>" == repr(job)


def test_instance_stays_when_a_step_raises() -> None:
    """A refusal or a guard that raises leaves the state as it was."""
    job = JOB.instance("busy")
    with pytest.raises(Invalid):
        job.send("ask")
    with pytest.raises(Refused):
        job.send("unheard_of")
    assert "busy" == job.state


def test_instance_ignores_as_its_state_does() -> None:
    """An ignored trigger leaves an instance where it is."""
    half = STRANGE.instance("half")
    assert Sent("half") == half.send("unheard_of")
    assert "half" == half.state


def test_instance_without_initial_needs_a_state() -> None:
    """A machine without initial state can be run from a named one only."""
    with pytest.raises(Invalid, match="machine born: it declares no initial state; name the state to start in"):
        BORN.instance()
    assert "gone" == BORN.instance("alive").send("go").state


def test_instance_is_small() -> None:
    """A running copy is a state and a reference: the table is shared."""
    one, other = JOB.instance(), JOB.instance()
    assert INSTANCE_BYTES_MAX >= sys.getsizeof(one)
    assert not hasattr(one, "__dict__")
    assert one.send("begin") is other.send("begin")


def test_machine_gives_its_states() -> None:
    """A declared state is found by its name."""
    assert State("done", final=True) == JOB.state("done")
    with pytest.raises(Invalid):
        JOB.state("asleep")
