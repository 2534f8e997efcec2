"""Strategies and stateful tests for users: what is drawn can happen, and what is wrong is found and told."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from lifecycle import Approval, Guard, Park, Row, State
from lifecycle.check import Life, configuration, replay
from lifecycle.check.replay import KernelLife
from lifecycle.declaration import Machine
from lifecycle.errors import Invalid
from lifecycle.testing import MachineTest, RuntimeTest, machine_test, moves, schedules
from lifecycle.testing.generating import schedule_of

QUICK = settings(max_examples=30, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))

FIRST = settings(QUICK, phases=[Phase.generate])
"""For what is to be found: not for the shortest way to it."""

DOOR = Machine(
    "door",
    (State("shut"), State("open"), State("bricked", final=True)),
    (
        Row("shut", "unlock", "open", "click", conditions=Guard("is_paid")),
        Row("open", "push", "shut"),
        Row(("shut", "open"), "brick", "bricked"),
    ),
    "shut",
)


@given(name=moves(configuration("expiry")))
def test_moves_are_the_checkers(name: str) -> None:
    """Given a configuration, then a drawn move is one of the checker's."""
    assert name in Life(configuration("expiry")).moves


@settings(max_examples=30, deadline=None)
@given(names=schedules(configuration("crashes"), 12))
def test_schedules_can_happen(names: tuple[str, ...]) -> None:
    """Given drawn moves, then each can happen after those before it, and breaks no rule."""
    life = KernelLife(configuration("crashes"))
    assert {None} >= {life.do(name).broken for name in names}
    assert 12 >= len(names)


def test_schedules_shrink_to_what_matters() -> None:
    """Given a search for a schedule that ends a run, then the shortest there is comes of it."""
    config = configuration("expiry")
    found = find(
        schedules(config), lambda names: any(lived.step.ended for lived in replay(config, names) if lived.step)
    )
    assert 2 == len(found)


def test_schedule_ends_where_nothing_can_happen() -> None:
    """Given numbers, then the same ones give the same moves."""
    config = configuration("crashes")
    assert schedule_of(config, [5, 1, 7]) == schedule_of(config, [5, 1, 7])
    assert () == schedule_of(config, [])


def test_machine_that_keeps_its_rules_passes() -> None:
    """Given a machine of a user's, when its rules hold, then its test passes."""

    def clicks_when_it_opens(test: MachineTest) -> bool:
        return test.hooks.count("click") == [trigger for trigger, _ in test.sent].count("unlock")

    run_state_machine_as_test(machine_test(DOOR, [clicks_when_it_opens]), settings=QUICK)


def test_machine_that_breaks_a_rule_is_told_by_the_shortest_way() -> None:
    """Given a rule that does not hold, then the way to where it does not is told."""

    def never_bricked(test: MachineTest) -> bool:
        return test.state != "bricked"

    with pytest.raises(AssertionError, match="never_bricked does not hold in bricked, after brick"):
        run_state_machine_as_test(machine_test(DOOR, [never_bricked]), settings=QUICK)


def test_guards_are_drawn_or_given() -> None:
    """Given values of guards, then only what they allow is sent; a machine without a beginning is refused."""

    def never_open(test: MachineTest) -> bool:
        return test.state != "open"

    closed = st.just({"is_paid": False})
    run_state_machine_as_test(machine_test(DOOR, [never_open], closed), settings=QUICK)
    with pytest.raises(AssertionError, match="never_open"):
        run_state_machine_as_test(machine_test(DOOR, [never_open]), settings=FIRST)
    with pytest.raises(Invalid, match="declares no initial state"):
        machine_test(Machine("nowhere", ("a",), ()))


async def good(run: Any) -> Any:
    """Ask once in place, or parked, by its input."""
    if run.input == "parks" and not run.answers:
        return Park({"at": 1}, [Approval("Parked: may I?", id="q")])
    return run.input if run.answers else (await run.ask(Approval("May I?"))).approved


class Good(RuntimeTest):
    """An agent that behaves."""

    agents = MappingProxyType({"good": good})
    inputs = ("asks", "parks")


def test_runtime_test_passes_with_an_agent_that_behaves() -> None:
    """Given an agent that asks and returns, then no schedule of people, time, faults and crashes breaks a rule."""
    run_state_machine_as_test(Good, settings=QUICK)


class Deaf(RuntimeTest):
    """A rule of a user's that an agent does not keep."""

    faults = False

    def at_rest(self) -> None:
        """Demand that nobody ever completes."""
        ends = [self.runtime.run(*one).end() for one in self.handles]
        assert not any(end and end.cause == "completed" for end in ends), "somebody completed"


async def quick(run: Any) -> str:
    """Return at once."""
    await asyncio.sleep(0)
    return "done"


def test_runtime_test_finds_what_breaks_a_rule_of_the_users() -> None:
    """Given a rule of the user's that a schedule breaks, then it is found."""

    class Quick(Deaf):
        agents = MappingProxyType({"quick": quick})

    with pytest.raises(AssertionError, match="somebody completed"):
        run_state_machine_as_test(Quick, settings=FIRST)
