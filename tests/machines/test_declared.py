"""The declared machines: without fault, in accord with `transitions`, and pinned as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle import hooks
from lifecycle.declaration import Hold, Machine, Row, Send, check_couplings, judge
from lifecycle.kernel.routes import ROUTES, Fire
from lifecycle.machines import (
    CAUSES,
    DECLARED,
    EXECUTION,
    MACHINES,
    REQUEST,
    RUN,
    SESSION,
    SESSION_CAUSES,
    STATE_OF,
    held,
)

from ..declaration.equivalence import assert_table_is_transitions

GOLDEN = Path(__file__).parent / "tables"

HOLDS = [one for one in vars(held).values() if isinstance(one, Hold)]

every_machine = pytest.mark.parametrize("machine", DECLARED, ids=lambda machine: machine.name)


# -- sound ------------------------------------------------------------------------------------------------------------


@every_machine
def test_machine_has_no_fault(machine: Machine) -> None:
    """Given a declared machine, then it is judged without a fault, notes included: every pair is decided."""
    assert () == judge(machine)


def test_couplings_have_no_fault() -> None:
    """Given all machines together, then whatever is sent is somebody's trigger, and sends form no cycle."""
    assert () == check_couplings(MACHINES)


@every_machine
def test_table_is_what_transitions_would_do(machine: Machine) -> None:
    """Given every state, trigger and guard value, then the table and `transitions` agree on state, hooks and refusal."""
    pairs = len(machine.table.rows) * len(machine.triggers)
    assert assert_table_is_transitions(machine) >= pairs


@every_machine
def test_machine_has_the_states_of_the_design(machine: Machine) -> None:
    """Given a declared machine, then its states, and the final ones among them, are those of the design."""
    live, final = STATES[machine.name]
    assert live == tuple(state.name for state in machine.states if not state.final)
    assert final == tuple(state.name for state in machine.states if state.final)
    assert machine.initial in live


STATES = {
    "run": (("starting", "running", "waiting_for_human"), ("ready", "interrupted", "stopped", "error")),
    "execution": (("pending", "executing", "closing"), ("settled", "abandoned")),
    "session": (("ready", "starting", "running", "waiting_for_human", "interrupted", "error"), ("stopped",)),
    "request": (("open",), ("answered", "expired", "withdrawn")),
    "segment": (("open",), ("ended",)),
    "controller": (("registered", "signalled"), ("evicted",)),
    "lease": (("held", "expired"), ("free",)),
}


@every_machine
def test_final_states_hold_nothing(machine: Machine) -> None:
    """Given a final state, then it holds nothing: whatever leads to it gives everything back."""
    assert [] == [state.name for state in machine.states if state.final and state.holds]


@pytest.mark.parametrize("hold", HOLDS, ids=lambda hold: hold.name)
def test_hold_is_given_back_by_a_hook_of_its_own(hold: Hold) -> None:
    """Given anything held, then it is taken by one hook and given back by another, and some state holds it."""
    assert isinstance(hold.take, type) and issubclass(hold.take, hooks.Hook)
    assert isinstance(hold.give, type) and issubclass(hold.give, hooks.Hook)
    assert hold.take is not hold.give
    assert hold.take.durable is hold.give.durable
    assert any(hold in state.holds for machine in MACHINES for state in machine.states)


def test_session_and_run_share_their_states() -> None:
    """Given a session that wears its head's state, then each state of an unfinished run is one of the session's."""
    assert {state.name for state in SESSION.states} == {state.name for state in RUN.states}


# -- ends and causes --------------------------------------------------------------------------------------------------


def test_cause_belongs_to_exactly_one_trigger() -> None:
    """Given every cause, then one trigger has it, so that a cause tells the state."""
    causes = [cause for several in CAUSES.values() for cause in several]
    assert len(causes) == len(set(causes))
    assert set(CAUSES) == set(STATE_OF)


def test_trigger_of_an_end_leads_to_its_state_from_everywhere() -> None:
    """Given a trigger that ends, then from each unfinished state it leads to its one state."""
    for trigger, state in STATE_OF.items():
        dests = {row.dest for row in RUN.rows if row.trigger == trigger}
        sources = {row.source for row in RUN.rows if row.trigger == trigger}
        assert ({state}, {"starting", "running", "waiting_for_human"}) == (dests, sources)


def test_every_end_does_the_same_on_its_edge() -> None:
    """Given the twelve rows that end a run, then each signals, closes its execution, moves the session and publishes."""
    ends = [row for row in RUN.rows if row.trigger in STATE_OF]
    assert 12 == len(ends)
    for row in ends:
        expected = (hooks.SignalAbort, Send("execution", "close"), Send("session", row.trigger), hooks.PublishEnd)
        assert expected == row.edge


def test_every_cause_has_a_route_and_every_route_its_cause() -> None:
    """Given the routes, then each that ends a run brings a cause of its trigger, and no cause is without a route."""
    fires = [effect for effects in ROUTES.values() for effect in effects if isinstance(effect, Fire)]
    brought = {(fire.trigger, fire.cause) for fire in fires if fire.machine == "run" and fire.cause is not None}
    brought |= {("stop", fire.cause) for fire in fires if fire.machine == "request" and fire.cause is not None}
    assert {(trigger, cause) for trigger, causes in CAUSES.items() for cause in causes} == brought
    assert all(fire.cause is not None for fire in fires if fire.machine == "run" and fire.trigger in STATE_OF)


def test_every_trigger_that_stops_a_session_has_a_cause() -> None:
    """Given the rows that lead a session to stopped, then each trigger of theirs says why, and no other does."""
    assert {row.trigger for row in SESSION.rows if row.dest == "stopped"} == set(SESSION_CAUSES)


def test_every_fired_trigger_is_declared() -> None:
    """Given the routes, then each fires a trigger that its machine has."""
    machines = {machine.name: machine for machine in MACHINES}
    for effects in ROUTES.values():
        for effect in effects:
            if isinstance(effect, Fire):
                assert effect.trigger in machines[effect.machine].triggers


def test_every_trigger_is_fired_or_sent() -> None:
    """Given run, execution, session and request, then no trigger is there that nothing fires and no row sends."""
    fired = {
        (effect.machine, effect.trigger)
        for effects in ROUTES.values()
        for effect in effects
        if isinstance(effect, Fire)
    }
    rows = [row for machine in MACHINES for row in machine.rows]
    rows += [machine.birth for machine in MACHINES if machine.birth is not None]
    sent = {(item.machine, item.trigger) for row in rows for item in row.edge if isinstance(item, Send)}
    for machine in (RUN, EXECUTION, SESSION, REQUEST):
        for trigger in machine.triggers:
            known = (machine.name, trigger) in fired | sent | BY_THE_KERNEL
            assert known, (machine.name, trigger)


BY_THE_KERNEL = {("run", "promote"), ("request", "dismiss")}
"""What is fired by no input of its own: the next head is promoted, and what is left of a batch is dismissed."""


# -- pinned -----------------------------------------------------------------------------------------------------------


def item_text(item: object) -> str:
    """Name what happens on an edge."""
    if isinstance(item, Send):
        return f"{item.machine}.{item.trigger}"
    if isinstance(item, held.Next):
        return f"{item.number} + 1"
    return getattr(item, "__name__", str(item))


def row_text(row: Row) -> str:
    """Read a row: where it leads, under which guards, with what on its edge."""
    guards = [f"if {guard.name}" for guard in row.conditions] + [f"unless {guard.name}" for guard in row.unless]
    edge = ", ".join(map(item_text, row.edge))
    return " ".join([f"-> {row.dest}" if row.dest else "stays", *guards]) + (f" | {edge}" if edge else "")


def table_text(machine: Machine) -> str:
    """Write a machine as text: each state with what it holds, and for each trigger what becomes of it."""
    lines = [f"{machine.name}"]
    if machine.birth is not None:
        lines.append(f"  {machine.birth.trigger} {row_text(machine.birth)}")
    for state in machine.states:
        holds = ", ".join(hold.name for hold in state.holds)
        lines += ["", f"{state.name}{' (final)' if state.final else ''}{f' holds {holds}' if holds else ''}"]
        if state.final:
            continue
        for trigger in machine.triggers:
            rows = [row_text(row) for row in machine.rows if row.source == state.name and row.trigger == trigger]
            other = "ignored" if trigger in state.ignores else "refused" if trigger in state.refuses else "undecided"
            lines += [f"  {trigger} {text}" for text in rows or [other]]
    return "\n".join(lines) + "\n"


@every_machine
def test_table_is_the_one_that_was_agreed(machine: Machine) -> None:
    """Given a declared machine, then its table is the pinned one: who changes a row changes tables/ too, and says why."""
    assert (GOLDEN / f"{machine.name}.txt").read_text(encoding="utf-8") == table_text(machine)


def test_every_pinned_table_has_its_machine() -> None:
    """Given the pinned tables, then there is one for each machine and no other."""
    assert {machine.name for machine in DECLARED} == {path.stem for path in GOLDEN.glob("*.txt")}
