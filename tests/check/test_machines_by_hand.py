"""Over random small machines, what the checker says is what is found by trying everything by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import attrs
import transitions
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.check.machines import check_machine
from lifecycle.check.properties import LeadsTo
from lifecycle.check.verdict import PROVED, REFUTED, UNDETERMINED

STATES, TRIGGERS = ("a", "b", "c"), ("x", "y")

Place = tuple[str, int]
"""A state, and how many tokens the model has."""

Edge = tuple[Place, str, Place]


@attrs.frozen
class Rule:
    """A row of a random machine: it needs so many tokens, and adds some, round a circle of three."""

    trigger: str
    source: str
    dest: str | None
    needs: int
    adds: int


RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from(TRIGGERS),
        st.sampled_from(STATES),
        st.sampled_from((*STATES, None)),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    max_size=6,
    unique_by=lambda rule: (rule.trigger, rule.source, rule.needs),
)


class Bowl:
    """A model with tokens."""

    state: str

    def __init__(self, rules: list[Rule]) -> None:
        self.tokens = 0
        self.machine = transitions.Machine(self, states=list(STATES), initial="a", auto_transitions=False)
        for rule in rules:
            self.machine.add_transition(
                rule.trigger, rule.source, rule.dest, conditions=self.has(rule.needs), after=self.adding(rule.adds)
            )

    def has(self, needs: int) -> Any:
        """Give a guard."""
        return lambda: self.tokens >= needs

    def adding(self, adds: int) -> Any:
        """Give a callback."""

        def add() -> None:
            self.tokens = (self.tokens + adds) % 3

        return add


def after(rules: list[Rule], place: Place, trigger: str) -> Place:
    """Work out by hand what a trigger does: the first rule that may."""
    state, tokens = place
    for rule in rules:
        if (rule.trigger, rule.source) == (trigger, state) and tokens >= rule.needs:
            return rule.dest or state, (tokens + rule.adds) % 3
    return place


def everything(rules: list[Rule]) -> tuple[list[Place], list[Edge]]:
    """List every place that is reached, and every edge between them that changes something."""
    places: list[Place] = [("a", 0)]
    edges = []
    for place in places:
        for trigger in TRIGGERS:
            to = after(rules, place, trigger)
            if to != place:
                edges.append((place, trigger, to))
                places += [to] * (to not in places)
    return places, edges


def may_stay(place: Place, edges: list[Edge], fair: frozenset[str]) -> bool:
    """Say whether nothing need happen in a place."""
    return not any(source == place and trigger in fair for source, trigger, _ in edges)


def simple_loops(edges: list[Edge], around: list[Place]) -> Iterator[tuple[set[Place], set[str]]]:
    """List what may recur: any set of places that lead to each other, with every trigger between them.

    To take more of the edges between the same places puts off fewer triggers, so that no other loop need be tried.
    """
    for count in range(1, len(around) + 1):
        for places in map(set, combinations(around, count)):
            inner = [(one, trigger, to) for one, trigger, to in edges if one in places and to in places]
            if inner and all(places <= reached_from(place, inner) for place in places):
                yield places, {trigger for _, trigger, _ in inner}


def reached_from(place: Place, edges: list[Edge]) -> set[Place]:
    """Follow edges from a place; it is itself among what is reached only if they come back."""
    found: set[Place] = set()
    todo = [place]
    while todo:
        here = todo.pop()
        ahead = {to for source, _, to in edges if source == here} - found
        found |= ahead
        todo += ahead
    return found


def is_broken(rules: list[Rule], premise: str, goal: str, fair: frozenset[str]) -> bool:
    """Try by hand every way to go on for ever from the premise without the goal."""
    places, edges = everything(rules)
    starts = [place for place in places if place[0] == premise and place[0] != goal]
    free = [edge for edge in edges if goal not in (edge[0][0], edge[2][0])]
    region = list({*starts, *(to for start in starts for to in reached_from(start, free))})
    if any(may_stay(place, edges, fair) for place in region):
        return True
    for around, taken in simple_loops(free, region):
        put_off = [one for one in fair - taken if all(any(edge[:2] == (at, one) for edge in edges) for at in around)]
        if not put_off:
            return True
    return False


@settings(max_examples=400)
@given(RULES, st.sampled_from(STATES), st.sampled_from(STATES), st.frozensets(st.sampled_from(TRIGGERS)))
def test_random_machines_are_judged_as_by_hand(
    rules: list[Rule], premise: str, goal: str, fair: frozenset[str]
) -> None:
    """Given any small machine with a model, then its situations and its leads-to are those found by hand."""
    declared = {rule.trigger for rule in rules}
    fair &= declared
    report = check_machine(Bowl(rules), leads_to=LeadsTo("comes", premise, goal, fair=tuple(fair)))
    places, _ = everything(rules)
    assert report.states == len(places)
    comes = report.verdict("comes")
    if premise not in {state for state, _ in places}:
        assert comes.status == UNDETERMINED
    else:
        assert comes.status == (REFUTED if is_broken(rules, premise, goal, fair) else PROVED)
    if comes.trace is not None:
        assert_happens(rules, [*comes.trace.moves, *(comes.trace.forever or ())], len(comes.trace.moves))


def assert_happens(rules: list[Rule], moves: list[Any], stem: int) -> None:
    """Send what a counterexample tells by hand: each step changes what it says, and the loop comes back."""
    place: Place = ("a", 0)
    end = place
    for number, move in enumerate(moves):
        if number == stem:
            end = place
        before, place = place, after(rules, place, move.sent)
        changed = {"state": (before[0], place[0]), "tokens": (str(before[1]), str(place[1]))}
        assert move.changes == {name: pair for name, pair in changed.items() if pair[0] != pair[1]}
    assert len(moves) == stem or place == end


@settings(max_examples=400)
@given(RULES)
def test_rows_and_states_are_reached_as_by_hand(rules: list[Rule]) -> None:
    """Given any small machine with a model, then what is told to be unreached is what no way leads to."""
    report = check_machine(Bowl(rules))
    places, _ = everything(rules)
    why = report.verdict("everything-is-reached").why
    missing = [state for state in STATES if state not in {place[0] for place in places}]
    assert [state for state in STATES if f"state {state} is never reached" in why] == missing
    taken = {
        next(
            (rule for rule in rules if (rule.trigger, rule.source) == (trigger, place[0]) and place[1] >= rule.needs),
            None,
        )
        for place in places
        for trigger in TRIGGERS
    }
    untaken = [rule for rule in rules if rule not in taken and rule.source not in missing]
    assert why.count("is never taken") == len(untaken)
