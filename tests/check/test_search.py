"""The search, held against one that knows no tricks: the same states, the same transitions, the same broken rules."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lifecycle.check import (
    BY_HAND,
    CONFIGURATIONS,
    SEEDS,
    SMALL,
    AskPlan,
    Configuration,
    Mutant,
    RunPlan,
    search,
    search_numpy,
    world,
)
from lifecycle.check.case import Case
from lifecycle.check.configuration import FAMILIES
from lifecycle.check.found import Explored
from lifecycle.check.parts import USES, Breach, Glimpse, Poison, apart
from lifecycle.check.rules import first_broken
from lifecycle.check.search import explore
from lifecycle.check.slices import LESS, VIEWS, Slices
from lifecycle.check.world import Stepper, World
from lifecycle.kernel import KERNEL, Kernel, Step
from lifecycle.kernel.inputs import AbortRun, Attach, Begin, Decide, Input
from lifecycle.kernel.values import Session

from . import naive

SIZES = {
    "conversation": (107, 1910),
    "questions": (575, 5108),
    "expiry": (50, 230),
    "queue": (162, 1650),
    "crashes": (657, 1947),
    "clients": (1699, 6571),
    "limits": (406, 4578),
}
"""States and transitions of each small configuration. Whoever changes what can happen says here what became of it.

In the conversation two deciders and an admin answer, too, and an admin aborts; in the queue, every owner and an admin
abort and close what they may: more ways between the same states.
"""


def searched(config: Configuration, kernel: Stepper = KERNEL) -> tuple[Slices, Explored]:
    """Search a configuration."""
    slices = Slices(World(config, kernel))
    return slices, explore(slices)


def by_faults(config: Configuration, kernel: Stepper = KERNEL) -> dict[naive.State, tuple[int, int]]:
    """Return every state that the search finds, with its faults and depth."""
    slices, found = searched(config, kernel)
    return {
        naive.State(*slices.unpack(state)): (faults, depth)
        for faults, layer in enumerate(found.levels)
        for depth, level in layer.items()
        for state in level
    }


def costs(found: Explored) -> dict[str, tuple[int, int]]:
    """Return after how many faults and moves each rule is broken."""
    return {rule: (one.faults, one.depth) for rule, one in found.violations.items()}


# -- the same as the naive search -------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", SMALL, ids=lambda config: config.name)
def test_search_finds_what_the_naive_search_finds(config: Configuration) -> None:
    """Given a configuration, when it is searched by slices and by whole sessions, then both find the same, as pinned."""
    whole = naive.search(config)
    _, found = searched(config)
    assert SIZES[config.name] == (found.states, found.transitions)
    assert (found.states, found.transitions) == (len(whole.states), whole.transitions)
    assert whole.states == by_faults(config)
    assert {} == whole.broken == found.violations


def test_every_small_configuration_is_pinned() -> None:
    """Given the small configurations, then the size of each is written down."""
    assert {config.name for config in SMALL} == set(SIZES)


asks = st.builds(
    AskPlan,
    id=st.just("q"),
    on_expiry=st.sampled_from(["deny_and_continue", "stop", "keep"]),
    expires=st.booleans(),
)
runs = st.builds(
    RunPlan,
    when_busy=st.sampled_from([("enqueue",), ("interrupt",), ("reject",), ("enqueue", "interrupt")]),
    owner=st.sampled_from(["ada", "bob"]),
    deadline=st.booleans(),
    queue_deadline=st.booleans(),
    on_crash=st.sampled_from(["interrupt", "error", "rerun"]),
    asks=st.lists(asks, max_size=1).map(tuple),
    ways=st.sampled_from([("in_place",), ("parked",), ("in_place", "parked")]),
    deciders=st.sampled_from([(), ("carol",)]),
)


def numbered(plans: list[RunPlan]) -> tuple[RunPlan, ...]:
    """Give each question a name of its own."""
    named = [[attrs.evolve(ask, id=f"q{place}") for ask in plan.asks] for place, plan in enumerate(plans)]
    return tuple(attrs.evolve(plan, asks=tuple(own)) for plan, own in zip(plans, named, strict=True))


configurations = st.builds(
    Configuration,
    name=st.just("random"),
    sentence=st.just("a random one"),
    runs=st.lists(runs, min_size=1, max_size=2).map(numbered),
    clients=st.integers(0, 2),
    decisions=st.sampled_from([("approve",), ("reject",), ("approve", "reject_and_continue"), ("answer",)]),
    families=st.frozensets(st.sampled_from(FAMILIES)),
    faults=st.sampled_from([None, None, 0, 1, 2]),
)

ENOUGH = 600
"""States that the naive search is asked to visit; larger configurations are passed over."""


@settings(max_examples=15)
@given(configurations)
def test_random_configuration_is_searched_alike(config: Configuration) -> None:
    """Given any small configuration, then searching it by slices and by whole sessions comes to the same."""
    slices = Slices(World(config))
    found = explore(slices, limit=ENOUGH)
    assume(found.complete)
    whole = naive.search(config)
    assert whole.states == by_faults(config)
    assert (len(whole.states), whole.transitions) == (found.states, found.transitions)
    assert whole.broken == costs(found)


BROKEN = [one for one in (*SEEDS, *BY_HAND) if one.name]


@pytest.mark.parametrize("mutant", BROKEN, ids=lambda mutant: mutant.name)
def test_broken_kernel_is_found_out_alike(mutant: Mutant) -> None:
    """Given a kernel without one of its rules, then both searches find the same rules broken, after as many moves."""
    config = attrs.evolve(CONFIGURATIONS["clients"], clients=1, faults=1)
    assert naive.search(config, mutant.make()).broken == costs(searched(config, mutant.make())[1])


# -- stopping in between ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("limit", [1, 7, 100, 656])
def test_limit_is_kept_to_the_state(limit: int, arrays: bool) -> None:
    """Given a limit below the number of states, then just so many are visited, and the search says it is cut short."""
    found = explore(Slices(World(CONFIGURATIONS["crashes"])), limit=limit, arrays=arrays)
    assert (limit, False) == (found.states, found.complete)


@pytest.mark.parametrize("arrays", [False, True])
def test_limit_that_is_not_exceeded_cuts_nothing_short(arrays: bool) -> None:
    """Given a limit of as many states as there are, then all are visited, and the search is complete."""
    found = explore(Slices(World(CONFIGURATIONS["crashes"])), limit=SIZES["crashes"][0], arrays=arrays)
    assert (*SIZES["crashes"], True) == (found.states, found.transitions, found.complete)


@pytest.mark.parametrize("arrays", [False, True])
def test_search_stops_within_a_level(arrays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a wide level, when somebody says stop in the midst of it, then only what is under way is still visited."""
    monkeypatch.setattr(search, "AT_ONCE", 5)
    monkeypatch.setattr(search_numpy, "CHUNK", 5)
    told: list[int] = []

    def progress(found: Explored) -> bool:
        told.append(found.states)
        return found.states >= 200

    found = explore(Slices(World(CONFIGURATIONS["clients"])), progress=progress, arrays=arrays)
    assert (told[-1], False) == (found.states, found.complete)
    assert 200 <= found.states < 205
    assert max(after - before for before, after in pairwise(told)) <= 5
    assert any(len(level) > 50 for layer in found.levels for level in layer.values())


def test_stop_with_nothing_left_to_visit_is_no_cut() -> None:
    """Given a search that has visited everything, when it is told to stop then, then it is complete."""
    states = SIZES["crashes"][0]
    found = explore(Slices(World(CONFIGURATIONS["crashes"])), progress=lambda found: found.states == states)
    assert (states, True) == (found.states, found.complete)


# -- footprints -------------------------------------------------------------------------------------------------------


@attrs.frozen
class Curious:
    """A kernel that looks at more than it says, on inputs of one kind."""

    kind: type[Input]
    look: Callable[[Session], object]

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Look, and step."""
        if session is not None and isinstance(given, self.kind):
            self.look(session)
        return KERNEL.step(session, given, now)


def discreetly(session: Session) -> None:
    """Look at who is attached, and hide whatever comes of it."""
    try:
        list(session.attachments)
    except Exception:
        return


@pytest.mark.parametrize(
    ("kind", "look", "part"),
    [
        (Decide, lambda session: len(session.attachments), "attachments"),
        (Decide, lambda session: "c1" in session.attachments, "attachments"),
        (AbortRun, lambda session: session.attachments == ("c1",), "attachments"),
        (Decide, lambda session: str(session.attachments), "attachments"),
        (Decide, discreetly, "attachments"),
        (Attach, lambda session: session.head and session.head.state, "head"),
        (Attach, lambda session: session.execution is not None and session.execution.token, "execution"),
        (Attach, lambda session: list(session.queue), "queue"),
    ],
)  # fmt: skip
def test_breach_of_a_footprint_is_an_error(kind: type[Input], look: Callable[[Session], object], part: str) -> None:
    """Given a kernel that reads a part its move does not declare, openly or not, then there is an error, no verdict."""
    with pytest.raises(Breach, match=rf"^part {part}: ") as caught:
        searched(CONFIGURATIONS["clients"], Curious(kind, look))
    assert part == caught.value.fields["part"]


def test_rule_that_looks_at_the_orphan_timer_is_asked_for_each() -> None:
    """Given a rule that a step breaks only while somebody is attached, then that is found, as by the naive search.

    A step is judged once for all orphan timers that it leaves alone: but only by rules that do not look at any.
    """
    config = CONFIGURATIONS["clients"]
    with pytest.MonkeyPatch.context() as patch:
        for place in (world, naive):
            patch.setattr(place, "first_broken", nobody_decides_while_watched)
        whole, (_, found) = naive.search(config), searched(config)
    assert {"watched"} == set(costs(found))
    assert whole.broken == costs(found)


def nobody_decides_while_watched(case: Case) -> str | None:
    """Let nobody decide while the orphan timer is not armed."""
    watched = isinstance(case.given, Decide) and case.changed and case.after.orphan is None
    return "watched" if watched else first_broken(case)


def test_session_apart_from_its_orphan_timer_does_not_say_whether_there_is_one() -> None:
    """Given a session without its orphan timer, then all else of it can be read, and to ask for the timer is a breach."""
    work = next(work for work in searched(CONFIGURATIONS["expiry"])[0].works.values if work is not None)
    seen = apart(work)
    assert (work.head, work.state, work.attachments) == (seen.head, seen.state, seen.attachments)
    with pytest.raises(Breach, match=r"^part orphan: the kernel looked at it"):
        seen.orphan is None  # noqa: B015


def test_footprint_of_what_is_declared_may_be_read() -> None:
    """Given a kernel that reads all that a run's move declares, every time, then it is searched, with the same result."""

    def everything(session: Session) -> object:
        return session.head, list(session.queue), session.execution, session.orphan and session.orphan.due

    config = CONFIGURATIONS["queue"]
    kernel = Curious(Decide | AbortRun, everything)  # type: ignore[arg-type]
    assert SIZES["queue"] == (searched(config, kernel)[1].states, searched(config, kernel)[1].transitions)


USED: list[Callable[[object], object]] = [
    bool, len, list, str, repr, hash, int, float, abs, next, reversed,
    lambda part: part == part, lambda part: part < 1, lambda part: part + 1, lambda part: 1 + part,  # type: ignore
    lambda part: 1 in part, lambda part: part[0], lambda part: part(), lambda part: part.state,  # type: ignore
    lambda part: f"{part}", lambda part: isinstance(part, Session), lambda part: setattr(part, "x", 1),
]  # fmt: skip


@pytest.mark.parametrize("use", USED)
def test_poison_refuses_every_use(use: Callable[[object], object]) -> None:
    """Given a part that must not be read, when it is used in any way, then that is a breach that names it."""
    with pytest.raises(Breach, match=r"^part queue: "):
        use(Poison("queue"))


def test_glimpse_shows_what_it_shows() -> None:
    """Given a glimpse of a part, then what is shown can be read, and nothing else, not even whether it is none."""
    glimpse = Glimpse("head", spec=1)
    assert 1 == glimpse.spec  # type: ignore[attr-defined]
    for use in (lambda: glimpse.deadline is None, lambda: glimpse == glimpse, lambda: setattr(glimpse, "spec", 2)):
        with pytest.raises(Breach, match=r"^part head: "):
            use()


def test_poison_and_glimpse_refuse_by_the_same_list() -> None:
    """Given all uses of a value, then each is refused by both kinds of part that must not be read."""
    for name in (f"__{name}__" for names in USES.values() for name in names):
        assert name in vars(Poison) and name in vars(Glimpse)


def test_view_that_is_asked_before_shows_less() -> None:
    """Given the views of a work, then one that is asked before another shows nothing that the other does not."""
    for view, less in enumerate(LESS):
        assert less is None or set(VIEWS[less]) < set(VIEWS[view])


# -- the same every time ----------------------------------------------------------------------------------------------

TOLD = """
from lifecycle.check import CONFIGURATIONS
from lifecycle.check.search import explore
from lifecycle.check.slices import Slices
from lifecycle.check.world import World
for name in ("crashes", "clients"):
    slices = Slices(World(CONFIGURATIONS[name]))
    found = explore(slices)
    print(found.states, found.transitions, slices.kernel_calls, hash(tuple(found.every_state())))
"""


def test_search_does_not_depend_on_the_hash_seed() -> None:
    """Given two processes with other hash seeds, then they find the same states under the same numbers, in one order."""
    told = [
        subprocess.run([sys.executable, "-c", TOLD], check=True, capture_output=True, text=True, env=environment)
        for environment in ({**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2"))
    ]
    assert told[0].stdout == told[1].stdout != ""


class BothWays:
    """Step the way that ships and the way through the functions, and note where they differ."""

    def __init__(self) -> None:
        self.long = Kernel()
        self.steps = 0
        self.differing: list[str] = []

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Step both ways."""
        step, other = KERNEL.step(session, given, now), self.long.step(session, given, now)
        self.steps += 1
        if step != other or (step.session is session) != (other.session is session):
            self.differing.append(f"{given}: {step} and {other}")
        return step


@pytest.mark.parametrize("name", list(SIZES))
def test_straight_steps_are_those_of_the_functions_everywhere(name: str) -> None:
    """Whatever can arrive in whatever state can be reached, the steps written out straight are those of the functions."""
    both = BothWays()
    explored = naive.search(CONFIGURATIONS[name], both)
    assert [] == both.differing
    assert SIZES[name][0] == len(explored.states) and both.steps > SIZES[name][0]


def test_straight_step_that_differs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a straight step that lost something, then it is found where it does."""
    both, shipped = BothWays(), dict(KERNEL.straight)

    def forgetful(session: Session | None, given: Input, now: int) -> Step:
        return attrs.evolve(shipped[Begin](session, given, now), hooks=())

    monkeypatch.setattr(KERNEL, "straight", {**shipped, Begin: forgetful})
    naive.search(CONFIGURATIONS["queue"], both)
    assert [] != both.differing
