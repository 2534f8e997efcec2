"""The shipped kernel keeps every rule in every reachable state of every small world, and the whole of it is reached."""

from __future__ import annotations

import pytest

from lifecycle.check import (
    DEFAULT,
    PROVED,
    SMALL,
    UNDETERMINED,
    AskPlan,
    Configuration,
    Report,
    RunPlan,
    check,
    kill,
    mutant,
)
from lifecycle.check.coverage import UNREACHABLE, everything
from lifecycle.check.promises import ASSUMPTIONS, is_of, promises_of
from lifecycle.check.rules import NOT_YET
from lifecycle.check.slices import Slices
from lifecycle.check.world import World
from lifecycle.kernel import KERNEL

RULES = set(
    """
    session-wears-head ended-is-not-advertised registered-before-ack evict-own one-end-per-segment final-absorbs
    stale-is-noop waiting-has-open-request decide-once digest-matches resume-with-continuation
    leaving-wait-closes-requests one-execution one-timer detached-is-timed deadline-covers-timeout first-cause-wins
    same-key-same-run owner-only commit-before-hooks ends abort-ends executions-are-released queue-drains
    requests-settle open-requests-are-shown answer-takes-effect orphans-are-reaped hooks-are-performed children-end
    recovered one-holder taken-over
    """.split()  # noqa: SIM905  (thirty names read better than thirty strings)
)
"""The rules of the design, by name."""

BESIDE = {"total", "crash-policy", "checkpoints-stand", "limits-are-kept", "replies-are-true"} | {
    "asked-once",
    "asked-is-answered",
}
"""Rules that the design has in its text, and not by name."""


@pytest.fixture(scope="module")
def report() -> Report:
    """Check everything once."""
    return check()


def test_everything_is_proved(report: Report) -> None:
    """Given the small worlds, when every state is visited, then no rule is broken and none has said nothing."""
    assert [(one.name, one.status, one.why) for one in report.verdicts if one.status != PROVED] == []
    assert report.status == PROVED


def test_every_row_hold_and_hook_is_reached(report: Report) -> None:
    """Given the small worlds together, then no row, hold or hook of a declared machine was left out."""
    assert report.unreached == ()
    assert set(UNREACHABLE).isdisjoint(everything(KERNEL.tables.machines))


def test_every_rule_of_the_design_is_judged(report: Report) -> None:
    """Given the names of the design, then each is a verdict, or is said not to be built yet."""
    judged = {one.name for one in report.verdicts}
    assert RULES - judged == set(NOT_YET)
    assert judged - RULES == BESIDE
    assert all(one.sentence for one in report.verdicts)


def test_each_size_says_its_bounds(report: Report) -> None:
    """Given a report, then each world is named with its bounds and what was visited."""
    assert [one.configuration for one in report.sizes] == [config.name for config in DEFAULT]
    assert all(one.complete and one.states > 0 and one.transitions > one.states - 2 for one in report.sizes)
    assert report.sizes[0].bounds.startswith("1 run, 1 question, 1 client, any number of ")


def test_a_search_that_is_cut_short_proves_nothing() -> None:
    """Given a limit below the number of states, when it is reached, then everything is undetermined and says why."""
    report = check(SMALL[:1], limit=10)
    assert report.status == UNDETERMINED
    assert {one.status for one in report.verdicts} == {UNDETERMINED}
    assert {one.why for one in report.verdicts} == {"the search was cut short"}


def test_a_world_in_which_nothing_is_asked_says_nothing_about_asking() -> None:
    """Given a world without questions, then a rule about them is undetermined: its premise was never reached."""
    report = check((Configuration("plain", "one run", (RunPlan(),)),))
    by_name = {one.name: one for one in report.verdicts}
    assert by_name["decide-once"].status == UNDETERMINED
    assert by_name["decide-once"].why == "no state or step reached its premise"
    assert by_name["session-wears-head"].status == PROVED
    assert "row run.running.ask" in report.unreached


def test_progress_is_told_and_can_stop_the_search() -> None:
    """Given somebody who watches, when they say stop, then the search stops and what is known so far is reported."""
    told: list[tuple[str, int]] = []

    def watch(name: str, found: object) -> bool:
        told.append((name, getattr(found, "states", 0)))
        return len(told) == 3

    report = check(SMALL[:1], progress=watch)
    assert [name for name, _ in told] == ["conversation"] * 3
    assert report.status == UNDETERMINED
    assert not report.sizes[0].complete


def test_promises_name_assumptions_that_are_explained() -> None:
    """Given all promises, then every kind of move they rest on is one that is explained, and one that exists."""
    for config in SMALL:
        kinds = set(Slices(World(config)).kinds)
        for promise in promises_of(config):
            assert promise.fair <= set(ASSUMPTIONS)
            assert all(any(is_of(kind, frozenset({name})) for kind in kinds) for name in promise.fair - OPTIONAL)


OPTIONAL = {"restart", "perform", "decide", "detach", "timer deadline", "timer expiry", "timer queue_deadline"}
"""Assumptions about what a world may leave out."""


def test_a_bound_on_faults_is_kept() -> None:
    """Given a world in which at most one thing may go wrong, then fewer states are reached than without a bound."""
    runs = (RunPlan(on_crash="rerun", asks=(AskPlan("q1"),)),)
    families = frozenset({"crash"})
    free = check((Configuration("free", "", runs, families=families),)).sizes[0]
    once = check((Configuration("once", "", runs, families=families, faults=1),)).sizes[0]
    none = check((Configuration("none", "", runs, families=families, faults=0),)).sizes[0]
    assert none.states < once.states < free.states
    assert "at most 1 of crashes" in once.bounds


def test_the_counterexample_of_a_mutant_has_the_fewest_faults() -> None:
    """Given a rule that breaks with a fault in fewer steps than without, then the story without a fault is told."""
    killed = kill(mutant("run.running.ask: no ask to session"))
    assert killed.counterexample is not None
    assert killed.counterexample.faults == 0
