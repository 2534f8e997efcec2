"""Properties over random lives of a session: plausible inputs and implausible ones, in any order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.declaration import Row
from lifecycle.kernel import KERNEL, Policy, Session, Step
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import AlreadyClosed, AlreadyEnded, NothingToDo, Rejection, Stale
from lifecycle.kernel.values import Ended, Found, Question, us
from lifecycle.machines import MACHINES

from .world import SECOND, World, changed, question, start_run

RUNS = ("r1", "r2", "r3", "r4")
PEOPLE = ("ada", "bob", "root")
QUESTIONS = ("q1", "q2", "q3")
CLIENTS = ("c1", "c2")
REPORTS = ("ready", "interrupted", "stopped", "error", "gone", "nonsense")
POLICIES = (
    Policy(orphan_grace_seconds=20, queue_max=2, requests_max=3, answers_max=5, attempts_max=2, admins=("root",)),
    Policy(orphan_grace_seconds=None, closing_grace_seconds=1, queue_max=0),
    Policy(orphan_grace_seconds=1, queue_max=2, attempts_max=1),
)


def rows_of_all() -> set[tuple[str, str | None, str, str]]:
    """Return every declared row, births included, as a move reads."""
    rows: set[tuple[str, str | None, str, str]] = set()
    for machine in MACHINES:
        rows |= {(machine.name, row.source, row.trigger, row.dest) for row in machine.table.flat()}
        birth: Row | None = machine.birth
        if birth is not None and birth.dest is not None:
            rows.add((machine.name, None, birth.trigger, birth.dest))
    return rows


DECLARED = rows_of_all()


# -- drawing ----------------------------------------------------------------------------------------------------------


class Draw:
    """Turn a few small numbers into an input that is about the session as it stands, more often than not."""

    def __init__(self, world: World, numbers: tuple[int, ...]) -> None:
        self.world = world
        self.numbers = list(numbers)

    def pick(self, *choices: Any) -> Any:
        """Use up one number to choose."""
        return choices[self.numbers.pop() % len(choices)] if self.numbers else choices[0]

    def run(self) -> str:
        """Name a run: the head, or any other."""
        session = self.world.session
        head = [session.head.spec.id] * 4 if session is not None and session.head is not None else []
        return str(self.pick(*head, *RUNS))

    def execution(self) -> tuple[int, int]:
        """Name an execution by id and token: the one in the slot, or a stale one."""
        slot = None if self.world.session is None else self.world.session.execution
        mine = [] if slot is None else [(slot.id, slot.token)] * 9
        old = [] if slot is None else [(slot.id, slot.token - 1), (slot.id - 1, slot.token)]
        named: tuple[int, int] = self.pick(*mine, *old, (0, 0))
        return named

    def questions(self) -> tuple[Question, ...]:
        """Make a batch: one question, two, none, or twice the same."""
        names = self.pick(QUESTIONS[:1], QUESTIONS[:2], QUESTIONS[1:], QUESTIONS, QUESTIONS[2:], (), ("q1", "q1"))
        expiry = self.pick(5 * SECOND, None, 60 * SECOND, 0)
        policy = self.pick("deny_and_continue", "stop", "keep", *["deny_and_continue"] * 4, "nonsense")
        digest = self.pick(*[None] * 9, "another")
        return tuple(question(name, expiry, policy, digest) for name in names)

    def result(self) -> i.Value | i.Failure | i.Parked | None:
        """Choose what code returns."""
        kind = self.pick("value", "parked", "failure", "nothing")
        if kind == "parked":
            return i.Parked(self.pick("checkpoint", None), self.questions())
        if kind == "nothing":
            return None
        return i.Value("answer") if kind == "value" else i.Failure("it broke")

    def likely(self) -> tuple[Any, ...]:
        """Name what is likely to arrive now, so that lives get somewhere."""
        session = self.world.session
        if session is None or session.head is None:
            return (a_start,)
        slot = session.execution
        decide = (a_decision,) * 2 if session.head.state == "waiting_for_human" else ()
        if slot is None:
            return (*decide, a_start)
        return (
            *decide,
            *{"pending": (a_begin,), "executing": (an_ask, an_ask, a_return), "closing": (a_return,)}[slot.state],
        )

    def input(self) -> i.Input:
        """Choose an input: every second one is likely."""
        make = self.pick(*(self.likely() if self.pick(True, False) else MAKERS))
        made: i.Input = make(self)
        return made


def a_start(draw: Draw) -> i.Input:
    pick = draw.pick
    run = pick(*[f"r{10 + len(draw.world.steps)}"] * 4, *RUNS)
    return start_run(
        run,
        owner=pick("ada", "ada", "bob"),
        key=pick(None, None, f"key of {run}", "key"),
        digest=pick(*[f"digest of {run}"] * 4, "another"),
        when_busy=pick(*("enqueue", "interrupt") * 6, "reject", "nonsense"),
        on_crash=pick(*("interrupt", "rerun", "rerun", "error") * 4, "nonsense"),
        deadline_us=pick(*(None, 10 * SECOND) * 8, 0),
        queue_deadline_us=pick(None, 7 * SECOND),
        deciders=pick((), ("eve",)),
        policy=draw.world.policy,
    )


def a_begin(draw: Draw) -> i.Input:
    return i.Begin(draw.run(), draw.execution()[0])


def an_ask(draw: Draw) -> i.Input:
    return i.RunAsked(*draw.execution(), draw.questions())


def a_checkpoint(draw: Draw) -> i.Input:
    execution, token = draw.execution()
    return i.Checkpointed(execution, token, "checkpoint")


def a_retraction(draw: Draw) -> i.Input:
    execution, token = draw.execution()
    return i.RequestRetracted(execution, token, draw.pick(*QUESTIONS))


def a_return(draw: Draw) -> i.Input:
    return i.ExecutionSettled(*draw.execution(), draw.result())


def a_decision(draw: Draw) -> i.Input:
    head = None if draw.world.session is None else draw.world.session.head
    batch = [one.id for one in head.requests] * 3 if head is not None else []
    name = draw.pick(*batch, *QUESTIONS)
    return i.Decide(
        draw.run(),
        name,
        draw.pick(f"decision on {name}", f"decision on {name}", "another"),
        draw.pick(*("approve", "answer", "reject_and_continue") * 3, "reject", "nonsense"),
        draw.pick("ada", "ada", "ada", *PEOPLE, "eve"),
        draw.pick(*[f"shown {name}"] * 5, "another"),
        draw.pick("words", "words", "words", None, ""),
    )


def a_report_of_the_run(draw: Draw) -> i.Input:
    kind = draw.pick(i.RunCompleted, i.RunFailed)
    named = draw.pick((None, None), draw.execution())
    made: i.Input = kind(draw.run(), "text", *named)
    return made


def a_firing(draw: Draw) -> i.Input:
    timers = list(draw.world.timers())
    if not timers:
        return i.TimerFired("nonsense", "nobody", (0, 0))
    one = draw.pick(*timers)
    name = draw.pick(one.name, one.name, "orphan", "nonsense")
    return i.TimerFired(name, one.owner, draw.pick(one.token, (one.token[0] - 1, 0)))


def a_report(draw: Draw) -> i.Input:
    run, execution = draw.pick((None, None), (draw.run(), None), (None, draw.execution()[0]))
    return i.ProviderReported(draw.pick(*REPORTS), run, execution, draw.pick(False, False, True))


MAKERS = (
    a_start,
    a_begin,
    a_begin,
    an_ask,
    a_decision,
    a_return,
    a_return,
    a_decision,
    a_start,
    a_report_of_the_run,
    a_firing,
    a_report,
    a_checkpoint,
    a_retraction,
    lambda draw: i.AbortRun(draw.run(), draw.pick(*PEOPLE)),
    lambda draw: i.AbortSession(draw.pick(*PEOPLE), "", draw.pick(None, 1, 2)),
    lambda draw: i.CloseSession(draw.pick(*PEOPLE), "", draw.pick(None, 1, 2)),
    lambda draw: i.Attach(draw.pick(*CLIENTS), draw.pick(True, True, False)),
    lambda draw: i.Detached(draw.pick(*CLIENTS)),
    lambda draw: i.Lost(draw.execution()[0]),
    lambda draw: i.Recovered(draw.world.policy),
    lambda draw: i.Shutdown(),
    lambda draw: i.SetAside("a fact broke an invariant"),
)

WAITS = (0, 0, 0, 1, 2, 3, 6, 30)
ONE_INPUT = st.tuples(st.sampled_from(WAITS), st.tuples(*[st.integers(0, 60)] * 12))
LIVES = st.tuples(st.sampled_from(range(len(POLICIES))), st.lists(ONE_INPUT, min_size=1, max_size=40))

Life = tuple[int, list[tuple[int, tuple[int, ...]]]]


def lived(life: Life, watch: Any = None) -> World:
    """Live a life; let ``watch`` see each input, what was before, and the step."""
    policy, choices = life
    world = World(policy=POLICIES[policy], strict=True)
    for wait, numbers in choices:
        world.sleep(wait) if numbers[0] % 4 == 0 else world.wait(wait)
        given = world.with_found(Draw(world, numbers).input())
        before = world.session
        step = world.step(given)
        if watch is not None:
            watch(before, given, step, world)
    return world


# -- the properties ---------------------------------------------------------------------------------------------------


@given(LIVES)
@settings(max_examples=400, deadline=None)
def test_step_is_total_and_keeps_every_invariant(life: Life) -> None:
    """Given any life, when any input arrives, then it is answered: no exception, no InvariantBroken, no rule broken.

    The world checks each step: the invariants, and that hooks given were taken before, and the other way round.
    """

    def watch(before: Session | None, given: i.Input, step: Step, world: World) -> None:
        assert not (isinstance(step.reply, Rejection) and step.reply.error == "InvariantBroken"), step.reply

    lived(life, watch)


@given(LIVES)
@settings(max_examples=100, deadline=None)
def test_step_is_deterministic_and_hashable(life: Life) -> None:
    """Given the same session, input and time, when stepped twice, then both steps are equal, and can be hashed."""

    def watch(before: Session | None, given: i.Input, step: Step, world: World) -> None:
        again = KERNEL.step(before, given, world.now)
        assert step == again
        assert hash(step) == hash(again)
        assert hash(step.session) == hash(again.session)

    lived(life, watch)


@given(LIVES)
@settings(max_examples=100, deadline=None)
def test_step_moves_by_declared_rows_only(life: Life) -> None:
    """Given any life, then each move of each machine is a row of its declared table."""

    def watch(before: Session | None, given: i.Input, step: Step, world: World) -> None:
        for machine, _, trigger, source, dest in step.moves:
            assert (machine, source, trigger, dest) in DECLARED

    lived(life, watch)


@given(LIVES)
@settings(max_examples=100, deadline=None)
def test_step_that_changes_nothing_gives_the_session_back(life: Life) -> None:
    """Given any life, when the reply says that nothing was done, then the very same session object comes back."""

    def watch(before: Session | None, given: i.Input, step: Step, world: World) -> None:
        if isinstance(step.reply, (Rejection, Stale, NothingToDo, AlreadyEnded, AlreadyClosed)):
            assert step.session is before
            assert not (step.hooks or step.moves or step.ended or step.closed)
            assert not step.changed
        elif step.session is not before and before is not None and step.session is not None and step.journalled:
            assert step.session.revision == before.revision + 1
            assert step.session.now >= before.now

    lived(life, watch)


@given(LIVES)
@settings(max_examples=100, deadline=None)
def test_hooks_of_an_ended_run_stop_with_its_execution(life: Life) -> None:
    """Given a run that has ended and whose code is over, then no hook ever names it again."""
    over: set[str] = set()

    def watch(before: Session | None, given: i.Input, step: Step, world: World) -> None:
        for hook in step.hooks:
            assert getattr(hook, "run", None) not in over, (hook, given)
        slot = None if step.session is None else step.session.execution
        over.update(run for run in world.ended if slot is None or slot.run != run)

    lived(life, watch)


@given(LIVES)
@settings(max_examples=100, deadline=None)
def test_life_of_a_closed_session_comes_to_rest(life: Life) -> None:
    """Given any life, when the session is closed and time passes, then nothing at all is held any more."""
    world = lived(life)
    world.step(i.CloseSession("root" if "root" in world.policy.admins else "ada"))
    if world.session is None or world.session.state != "stopped":
        return
    world.wait(3_600)
    assert world.session.execution is None
    assert all(not held for held in world.ledger.held.values()), world.ledger.held
    assert list(world.timers()) == []


@given(LIVES, st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_step_without_a_session_is_total(life: Life, missing: int) -> None:
    """Given no session, but records that a store still has, when any input arrives, then it is answered."""
    world = lived(life)
    for _, numbers in life[1]:
        named = world.with_found(Draw(world, numbers).input())
        step = KERNEL.step(None, named, world.now)
        assert isinstance(named, i.StartRun) or step.session is None
        assert not step.moves or isinstance(named, i.StartRun)


def test_step_refuses_what_is_no_input() -> None:
    """Given anything that is no input, when it arrives, then it is Invalid and nothing changes."""
    world = World()
    world.start()
    before = world.session
    foreign: Any = object()
    step = KERNEL.step(before, foreign, 0)
    assert step.session is before
    assert isinstance(step.reply, Rejection)
    assert step.reply.error == "Invalid"


# -- the same under any hash seed -------------------------------------------------------------------------------------

STORY = """
import sys
sys.path[:] = {paths!r}
from {module} import a_fixed_life
print(a_fixed_life())
"""


def a_fixed_life() -> str:
    """Live one life that visits much, and tell all of it."""
    numbers = [(n % 4, tuple((n * n * 7919 + k * k * 104729) // 7 % 61 for k in range(12))) for n in range(400)]
    told = []
    for policy in range(len(POLICIES)):
        world = lived((policy, numbers))
        told += [repr(entry) for entry in world.steps]
    return "\n".join(told)


def test_step_is_the_same_under_any_hash_seed() -> None:
    """Given one sequence of inputs, when it is stepped in two processes under two hash seeds, then all is the same."""
    root = Path(__file__).resolve().parent.parent.parent
    script = STORY.format(paths=[*sys.path, str(root)], module="tests.kernel.test_properties")
    told = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "4242")
    ]
    assert told[0] == told[1]
    assert "ExecutionSettled" in told[0]
    assert "waiting_for_human" in told[0]


# -- the cost of a step -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True], ids=["plain", "with a question"])
def test_session_value_does_not_grow_with_its_runs(waits: bool) -> None:
    """Given a session that has had many runs, then its value is that of one that has had few, but for its counters."""

    def after(count: int) -> Session:
        world = World(policy=Policy())
        for number in range(count):
            world.executing(f"r{number}", key=f"key {number}")
            if waits:
                world.ask("q1")
                world.decide("q1", run=f"r{number}")
            world.settle(i.Value("answer"))
        assert world.session is not None
        return world.session

    few, many = after(2), after(60)
    level = {"revision": 0, "now": 0, "orphan": None}
    assert changed(few, **level) == changed(many, **level)
    assert many.orphan is not None
    assert few.orphan is not None


def test_answers_of_a_run_are_bounded() -> None:
    """Given code that asks for ever without a checkpoint, then it is Busy at the limit, and a checkpoint frees it."""
    policy = Policy(orphan_grace_seconds=None, answers_max=3)
    world = World(policy=policy).executing()
    for number in range(3):
        world.ask(f"q{number}")
        world.decide(f"q{number}")
    step = world.ask("q3")
    assert isinstance(step.reply, Rejection)
    assert step.reply.error == "Busy"
    assert dict(step.reply.fields) == {"limit": "answers_max", "bound": 3}
    world.checkpoint()
    assert len(world.head.answers) == 0
    world.ask("q3")
    assert world.state == "waiting_for_human"


def test_found_without_a_session_is_no_reason_to_raise() -> None:
    """Given records of a session that is not there, when a run in them is aborted or decided, then there is a reply."""
    world = World()
    world.executing().ask("q1")
    world.abort()
    ended: Ended = world.ended["r1"]
    request = world.closed["r1", "q1"]
    found = Found(ended, request)
    assert KERNEL.step(None, i.AbortRun("r1", "ada", found=found), 0).session is None
    given_ = i.Decide("r1", "q1", "d", "approve", "ada", request.digest, found=found)
    assert KERNEL.step(None, given_, 0).session is None
    assert us(1) == SECOND
