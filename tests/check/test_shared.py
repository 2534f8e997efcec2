"""What workers share is proved in every reachable state of its worlds, and nothing that a state forgets matters."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from lifecycle.check import (
    DEFAULT,
    PROVED,
    REFUTED,
    SHARED,
    SHARED_LARGE,
    UNDETERMINED,
    Conduct,
    Counterexample,
    Shared,
    Workers,
    check,
    faults_along,
    kill,
    mutant,
    world_named,
)
from lifecycle.check.assuming import resting
from lifecycle.check.picturing import picture
from lifecycle.check.regression import file_of_tests
from lifecycle.check.shared import scene as scenes
from lifecycle.check.shared.exploring import SharedFound, explore_shared
from lifecycle.check.shared.judging import promised_in
from lifecycle.check.shared.life import SharedLife
from lifecycle.check.shared.mutants import SHARED_MUTANTS
from lifecycle.check.shared.rules import CLAUSES, broken_by
from lifecycle.check.shared.scene import Deed
from lifecycle.check.shared.state import State, canonical, first, plain_request
from lifecycle.check.shared.world import SharedWorld
from lifecycle.check.telling import lines, record, told
from lifecycle.errors import Invalid

from ..profiles import IS_SOAK

WORKERS, INBOX = SHARED

SIZES = {"workers": (7602, 57930), "inbox": (8704, 75219)}
"""States and transitions of each shared world. Whoever changes what can happen says here what became of it."""


@pytest.fixture(scope="module", params=SHARED, ids=lambda one: one.name)
def explored(request: pytest.FixtureRequest) -> tuple[Workers, SharedFound]:
    """Explore each shared world once."""
    return request.param, explore_shared(SharedWorld(request.param))


def test_size_is_as_pinned(explored: tuple[Workers, SharedFound]) -> None:
    """Given a shared world, when it is explored, then it has so many states, and none of what happens breaks a rule."""
    config, found = explored
    assert (*SIZES[config.name], True) == (found.states, found.transitions, found.complete)
    assert found.states == len(found.values)
    assert {} == found.broken


def test_every_way_is_the_shortest(explored: tuple[Workers, SharedFound]) -> None:
    """Given a state, then the way that is told has as many moves as the search counted, and leads there."""
    config, found = explored
    for number in range(0, len(found.values), 997):
        life = SharedLife(config)
        faults = sum(life.do(name).next.fault for name in found.way_to(number))
        assert found.values[number] == life.state
        assert found.at[number] == (faults, len(life.lived))


def test_every_clause_is_put_to_the_test() -> None:
    """Given the worlds together, then each clause of each rule has said something of a deed; alone, not all have."""
    reached: dict[str, set[int]] = {}
    for config in SHARED:
        deeds: list[Deed] = []
        explore_shared(SharedWorld(config), watch=deeds.append)
        places = enumerate(CLAUSES)
        reached[config.name] = {
            place for place, one in places if any(deed.what in one.about and one.reached(deed) for deed in deeds)
        }
    assert set(range(len(CLAUSES))) == set().union(*reached.values())
    assert all(len(places) < len(CLAUSES) for places in reached.values())


# -- what a state forgets ---------------------------------------------------------------------------------------------

DEPTH = {"workers": 9, "inbox": 8}
"""How many moves are made with all that a state would forget; beyond, it has no end."""


@pytest.mark.parametrize("config", SHARED, ids=lambda one: one.name)
def test_what_a_state_forgets_makes_no_difference(config: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given epochs that count on and beliefs that are kept, then after so many moves there are the very same states."""
    found = explore_shared(SharedWorld(config))
    known = {state for state, (_, depth) in zip(found.values, found.at, strict=True)}
    near = shallowest(config, found, DEPTH[config.name])
    monkeypatch.setattr(scenes, "canonical", lambda state: state._replace(request=plain_request(state)))
    world, whole = SharedWorld(config), {first(config.workers)}
    seen, grown = set(whole), False
    for _ in range(DEPTH[config.name]):
        whole = {one.after for state in whole for one in world.following(state, broken_by)} - seen
        seen |= whole
    forgotten = {canonical(state) for state in seen}
    grown = len(seen) > len(forgotten)
    assert grown and forgotten <= known
    assert near == forgotten


def shallowest(config: Workers, found: SharedFound, depth: int) -> set[State]:
    """Return the states that can be reached with so many moves, faults or not."""
    reached = layer = {0}
    for _ in range(depth):
        layer = {arc.to for number in layer for arc in found.edges[number]} - reached
        reached = reached | layer
    return {found.values[number] for number in reached}


# -- verdicts ---------------------------------------------------------------------------------------------------------


def test_worlds_together_are_proved() -> None:
    """Given both worlds, then their rules and promises are proved, and every row of the lease is reached."""
    report = check(SHARED)
    assert (PROVED, ()) == (report.status, report.unreached)
    assert ["total", "one-holder", "asked-once", "taken-over", "asked-is-answered"] == [
        one.name for one in report.verdicts
    ]


def test_one_world_says_nothing_of_what_it_has_not() -> None:
    """Given a world in which nobody asks, then nothing is said of asking, and what is not put to the test is undetermined."""
    report = check(SHARED[:1])
    status = {one.name: one.status for one in report.verdicts}
    assert {"total": PROVED, "one-holder": UNDETERMINED, "taken-over": PROVED} == status


def test_limit_and_whoever_watches_cut_a_shared_world_short() -> None:
    """Given a limit, or somebody who says stop, then what is not explored is not proved."""
    assert {UNDETERMINED} == {one.status for one in check(SHARED[:1], limit=100).verdicts}
    told: list[int] = []
    report = check(SHARED[:1], progress=lambda name, found: told.append(found.states) or len(told) == 2)  # type: ignore[func-returns-value]
    assert [500, 1_000] == told
    assert (UNDETERMINED, 1_000, False) == (report.status, report.sizes[0].states, report.sizes[0].complete)


def test_bound_on_faults_is_kept() -> None:
    """Given at most so many deaths and stalls, then fewer states are reached, and the bounds say so."""
    none, once = (attrs.evolve(WORKERS, faults=faults) for faults in (0, 1))
    found = [explore_shared(SharedWorld(config)).states for config in (none, once, WORKERS)]
    assert found == sorted(set(found))
    assert ["no deaths and stalls", "at most 1 death or stall", "any number of deaths and stalls"] == [
        config.bounds().split(", ")[-1] for config in (none, once, WORKERS)
    ]


def test_default_worlds_have_those_that_are_shared() -> None:
    """Whoever names no world explores those that workers share as well, and finds each by its name."""
    assert SHARED == DEFAULT[-2:]
    assert world_named("inbox") is INBOX
    with pytest.raises(Invalid, match="configuration nowhere: there is none of that name; use one of conversation, "):
        world_named("nowhere")


@pytest.mark.parametrize("config", SHARED_LARGE, ids=lambda one: one.name)
def test_larger_worlds_break_nothing(config: Workers) -> None:
    """Given a larger world, without faults or, in the soak, with all of its own, then none of its rules and promises breaks."""
    report = check([config if IS_SOAK else attrs.evolve(config, faults=0)])
    assert report.sizes[0].complete
    assert IS_SOAK or LARGE_WITHOUT_FAULTS[config.name] == report.sizes[0].states
    assert [] == [one.name for one in report.verdicts if one.status == REFUTED]


LARGE_WITHOUT_FAULTS = {"offices": 2737, "three-workers": 6955}
"""How many states the larger worlds have if nobody dies or stalls."""


# -- promises ---------------------------------------------------------------------------------------------------------


def test_promises_rest_on_whoever_is_at_work() -> None:
    """Given one assumption less, then what was taken over, or answered, is not."""
    found = list(resting([INBOX]))
    assert all(one.holds for one in found if one.assumption is None)
    needed = {(one.promise, one.assumption) for one in found if not one.holds}
    assert {("taken-over", "look w2"), ("taken-over", "recover w2"), ("asked-is-answered", "answer w1")} <= needed


def test_holder_that_is_gone_is_missed_whoever_it_was() -> None:
    """Given a state in which a session is left, then each promise about it has states in which it is given."""
    found = explore_shared(SharedWorld(INBOX))
    starts = {one.promise.about: len(one.starts) for one in promised_in(INBOX, found)}
    assert starts.pop("what w1 hears") == 0, "only w2 asks"
    assert all(starts.values()) and len(starts) == 6


# -- stories ----------------------------------------------------------------------------------------------------------

STORIES = {
    "takes-while-silent": ("taken-over", ()),
    "lost-is-not-taken-up": ("taken-over", ()),
    "answers-without-lease": ("one-holder", None),
    "gives-up-without-taking-back": ("asked-once", None),
    "inbox-unread": ("asked-is-answered", ()),
    "lease.held.renew: to expired": ("one-holder", None),
}
"""What finds some mutants out, and what goes on for ever."""


@pytest.mark.parametrize("name", STORIES)
def test_story_is_real(name: str) -> None:
    """Given the story of a mutant, then lived again it breaks its property there, and with what ships it breaks none."""
    example = example_of(name)
    assert STORIES[name] == (example.property, example.forever)
    assert any(example.property in line for line in faults_along(example, mutant(name).make()))
    assert () == faults_along(example)


def example_of(name: str) -> Counterexample:
    """Return how a mutant is found out."""
    example = kill(mutant(name), SHARED).counterexample
    assert example is not None
    return example


def test_story_reads_like_a_report() -> None:
    """Given a fenced worker that answers for its heir, then each move says what it changed, and the last what it breaks."""
    name = "answers-without-lease"
    story = told(example_of(name), mutant(name))
    read = list(lines(story))
    assert "one-holder is broken by answers-without-lease" == read[0]
    told_in_order = [
        "   3. w1: ada starts r1",
        "        the session is w1's, in the next epoch",
        "        the request of w2 waits in the inbox of w1",
        "   8. w1 stalls past its lease (a fault)",
        "  10. w2 recovers the session",
        "        what w1 believes of the session is not so any more",
        "        the reply is in the inbox: AlreadyEnded",
        "     ✗ breaks one-holder",
    ]
    places = [read.index(line) for line in told_in_order]
    assert places == sorted(places)
    assert "  as shipped, it does not count" == read[-1]
    assert any(line.startswith("  now: session interrupted · ") and "w1 not heard of" in line for line in read)
    fields = record(story, example_of(name))
    assert ("inbox", 1, 11) == (fields["configuration"], fields["faults"], len(fields["moves"]))


def test_story_of_a_promise_says_what_does_not_help() -> None:
    """Given a session that is never taken over, then it is told that nothing happens, and which moves are impossible."""
    name = "takes-while-silent"
    read = list(lines(told(example_of(name), mutant(name))))
    assert "       nothing happens" in read
    assert any("“a worker that is at work looks up” (w2): impossible from here on" in line for line in read)


def test_picture_has_the_workers() -> None:
    """Given a story, then each worker has a line of its own, and what it does comes from there."""
    name = "calls-without-looking"
    drawn = picture(told(example_of(name), mutant(name)))
    assert "    participant w1 as worker w1\n    participant w2 as worker w2\n" in drawn
    assert "    w1->>session: 8. w1 calls the code\n" in drawn


def test_regression_of_what_is_shared_is_no_trackers() -> None:
    """Given counterexamples of both kinds, then only those of one session are lived on a tracker; alone, none is."""
    ours, other = (
        (example, told(example, mutant(name)))
        for name, example in (
            ("reply-lost", example_of("reply-lost")),
            ("late-detach-obeyed", kill(mutant("late-detach-obeyed")).counterexample),
        )
        if example is not None
    )
    mixed, alone = file_of_tests("t.py", [ours, other]), file_of_tests("t.py", [ours])
    for source in (mixed, alone):
        compile(source, "t.py", "exec")
    assert 'parametrize("example", COUNTEREXAMPLES[:1],' in mixed
    assert mixed.index("an old connection is noticed to be gone") < mixed.index('"w2 asks for it: ada aborts r1"')
    assert "rehearsed" not in alone


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_life_makes_no_move_that_cannot_happen() -> None:
    """Given a move that is not possible, then it is refused with what is alike, and a fork goes on by itself."""
    life = SharedLife(WORKERS)
    life.do("w1 comes")
    with pytest.raises(Invalid, match="move 'w1 come': cannot happen now; did you mean 'w2 comes'"):
        life.do("w1 come")
    other = life.fork()
    other.do("w1 dies")
    assert ("w1 dies" in life.possible(), "w1 dies" in other.possible()) == (True, False)
    assert {"w1 dies", "w1 stalls past its lease"} == life.faults()


# -- what is checked --------------------------------------------------------------------------------------------------


def test_each_part_of_the_conduct_has_a_mutant() -> None:
    """Given what a runtime does around its store, then each part of it is left out by a mutant, and only that."""
    made = [one.make() for one in SHARED_MUTANTS]
    left_out = [attrs.asdict(one.conduct) for one in made if isinstance(one, Shared) and one.conduct != Conduct()]
    assert {field.name for field in attrs.fields(Conduct)} == {
        name for one in left_out for name, kept in one.items() if not kept
    }
    assert all(1 == list(one.values()).count(False) for one in left_out)


def test_kernel_of_a_shared_world_may_be_any() -> None:
    """Given a kernel that raises, then that it is total is refuted there as well."""

    def broken(session: object, given: object, now: int) -> object:
        raise RuntimeError("no")

    class Raising:
        step: Callable[..., object] = staticmethod(broken)

    report = check(SHARED[:1], Shared(Raising()))  # type: ignore[arg-type]
    assert [("total", REFUTED)] == [(one.name, one.status) for one in report.verdicts if one.status == REFUTED]
