"""The five seed bugs, each as a story: what its user sees, with the rule, and with the row or hold taken away.

A story returns what is seen. Its first test says what must be seen; its companion takes away what makes it so, and says
what the users of the bug report saw: that is the evidence that the story tells anything.
"""

from __future__ import annotations

import attrs
import pytest

from lifecycle import hooks
from lifecycle.kernel import KERNEL, Kernel, Policy
from lifecycle.kernel import inputs as i
from lifecycle.kernel.replies import Aborted, Admitted, AlreadyEnded
from lifecycle.kernel.routes import ROUTES
from lifecycle.machines import REQUEST, RUN, SESSION, held

from .world import (
    HOUR,
    NO_GRACE,
    World,
    advertised,
    decision,
    mutant,
    of,
    with_hold,
    without_hold,
    without_on_edge,
    without_send,
)

# -- OpenClaw #87767: a run that has ended is listed as active, and Stop answers that there is nothing to stop ---------


def listed_after_the_end(kernel: Kernel) -> tuple[set[str], str]:
    """Let a run report its answer while its code is still unwinding; return who is listed, and what Stop says."""
    world = World(kernel).executing()
    world.complete()
    return advertised(world.session), type(world.abort().reply).__name__


def test_ended_run_is_not_advertised() -> None:
    """Given code that has answered and not returned, when its end is committed, then no list shows the run as active."""
    assert (set(), "AlreadyEnded") == listed_after_the_end(KERNEL)


def test_ended_run_is_advertised_when_its_execution_is_not_closed() -> None:
    """Given the row without its Send to the execution, then the phantom is back: listed as active, and not abortable."""
    phantom = mutant(run=without_send(RUN, "complete", "execution", "close"))
    assert ({"r1"}, "AlreadyEnded") == listed_after_the_end(phantom)


def test_ended_run_stays_listed_when_only_the_return_of_its_code_ends_it() -> None:
    """Given a kernel that ends runs when their promise settles, then the list shows a run whose answer is there."""
    waits_for_the_promise = Kernel(routes={**ROUTES, "RunCompleted": ()})
    assert {"r1"} == listed_after_the_end(waits_for_the_promise)[0]


def test_end_is_told_after_everything_is_given_back() -> None:
    """Given a run that ends, then its own step gives back what it holds before it publishes the end, and once."""
    world = World().executing()
    step = world.settle(i.Value("answer"))
    kinds = [type(hook) for hook in step.hooks]
    assert kinds.index(hooks.EndSegment) < kinds.index(hooks.PublishEnd)
    assert kinds.index(hooks.EvictController) < kinds.index(hooks.PublishEnd)
    assert 1 == kinds.count(hooks.PublishEnd)


def test_end_is_not_told_without_its_hook() -> None:
    """Given the rows without PublishEnd, then the end is committed and nobody hears of it."""
    world = World(mutant(run=without_on_edge(RUN, "complete", hooks.PublishEnd))).executing()
    assert [] == of(world.settle(i.Value("answer")), hooks.PublishEnd)
    assert ("ready", "completed") == world.end()


# -- OpenClaw #71214: a run that came in by another door has no controller, so Stop does not reach it ------------------

DOORS = ("opening", "idle", "enqueued", "interrupting", "next incarnation", "behind closing code")


def enter_by(door: str, world: World) -> str:
    """Bring run ``new`` into the session through a door; return its id."""
    if door == "idle":
        world.executing("old")
        world.settle(i.Value("answer"))
    elif door == "enqueued":
        world.executing("old")
    elif door == "interrupting":
        world.executing("old")
        world.start("new", when_busy="interrupt")
        return "new"
    elif door == "next incarnation":
        world.executing("old")
        world.go(i.CloseSession("ada"))
    elif door == "behind closing code":
        world.executing("old")
        world.abort("old")
    world.start("new")
    return "new"


def stop_right_after_the_acknowledgement(kernel: Kernel, door: str) -> tuple[bool, bool, bool]:
    """Abort a run right after it was acknowledged; return: was registered, was aborted, was ever called."""
    world = World(kernel)
    run = enter_by(door, world)
    admitted = world.steps[-1][1]
    assert isinstance(admitted.reply, Admitted)
    registered = run in {hook.run for hook in of(admitted, hooks.RegisterController)}
    aborted = world.abort(run)
    signalled = run in {hook.run for hook in of(aborted, hooks.SignalAbort)}
    world.wait(60)
    if world.session is not None and world.session.execution is not None and world.slot.state == "pending":
        world.begin()
    return (
        registered,
        signalled and aborted.reply == Aborted((run,)),
        run in {c.run for c in world.hooks(hooks.CallCode)},
    )


@pytest.mark.parametrize("door", DOORS)
def test_admitted_run_has_its_controller_whatever_door_it_came_by(door: str) -> None:
    """Given any way in, when the run is acknowledged, then its controller is registered, abort works, code is not
    called.
    """
    assert (True, True, False) == stop_right_after_the_acknowledgement(KERNEL, door)


@pytest.mark.parametrize("door", DOORS)
def test_admitted_run_has_no_controller_when_starting_does_not_hold_it(door: str) -> None:
    """Given starting without its hold, then the acknowledged run has no controller that Stop could reach."""
    unheld = mutant(run=without_hold(RUN, held.CONTROLLER, "starting"))
    assert not stop_right_after_the_acknowledgement(unheld, door)[0]


def test_admitted_run_is_aborted_without_a_signal_when_the_edge_does_not_set_it() -> None:
    """Given the abort rows without SignalAbort, then Stop is accepted and the code never hears of it."""
    deaf = mutant(run=without_on_edge(RUN, "abort", hooks.SignalAbort))
    assert (True, False, False) == stop_right_after_the_acknowledgement(deaf, "opening")


@pytest.mark.parametrize("deadline_us", [None, 48 * HOUR], ids=["no timeout", "48 h"])
def test_long_run_is_swept_by_nothing(deadline_us: int | None) -> None:
    """Given a run of 48 h or without timeout, when 25 h pass, then it is alive, registered, and can be aborted."""
    world = World().executing(deadline_us=deadline_us)
    world.wait(25 * 3_600)
    assert "running" == world.state
    assert world.abort().reply == Aborted(("r1",))


# -- Hermes #44102: a session that was busy when its grace fired is never looked at again ------------------------------

GRACE = Policy(orphan_grace_seconds=20)


def detached_mid_turn(kernel: Kernel) -> list[str]:
    """Detach in mid-turn, let the grace fire twice, end the turn; return the state after each."""
    world = World(kernel, GRACE).executing()
    world.go(i.Attach("c1"))
    world.go(i.Detached("c1"))
    world.wait(50)
    seen = [world.state]
    world.settle(i.Value("answer"))
    seen.append(world.state)
    world.wait(60)
    return [*seen, world.state]


def test_orphan_timer_fires_again_until_the_session_is_reaped() -> None:
    """Given a session detached in mid-turn, when its grace fires, then it is re-armed, and reaps after the turn."""
    assert ["running", "ready", "stopped"] == detached_mid_turn(KERNEL)


@pytest.mark.parametrize("states", [("ready",), ("ready", "running"), ("starting", "running", "ready")])
def test_orphan_timer_is_lost_when_a_state_does_not_hold_it(states: tuple[str, ...]) -> None:
    """Given rest without the timer, then nothing ever looks at the session again: the ghost of the report."""
    ghost = mutant(session=without_hold(SESSION, held.ORPHAN, *states))
    assert ["running", "ready", "ready"] == detached_mid_turn(ghost)


# -- T3 Code #3159: the provider says ready, and the session keeps an active turn that nothing can end -----------------


def ready_report(kernel: Kernel) -> list[tuple[str, set[str]]]:
    """Let a provider report ready in mid-turn, and the grace pass; return state and active runs after each."""
    world = World(kernel, GRACE).executing()
    world.go(i.ProviderReported("ready"))
    seen = [(world.state, advertised(world.session))]
    world.wait(120)
    return [*seen, (world.state, advertised(world.session))]


def test_session_wears_its_head_when_a_provider_reports_ready() -> None:
    """Given a running turn, when its provider reports ready, then the turn is over in that step and can be reaped."""
    assert [("ready", set()), ("stopped", set())] == ready_report(KERNEL)


def test_session_is_stuck_when_the_end_does_not_reach_it() -> None:
    """Given the row without its Send to the session, then it says running with no run, and the reaper is blocked."""
    stuck = mutant(run=without_send(RUN, "complete", "session", "complete"))
    assert [("running", set()), ("running", set())] == ready_report(stuck)


def are_companions(kernel: Kernel) -> bool:
    """Say whether session and head wear the same state all the way through a turn."""
    world = World(kernel)
    together = []
    world.start()
    together.append(world.state == world.head.state)
    world.begin()
    together.append(world.state == world.head.state)
    world.ask("q1")
    together.append(world.state == world.head.state)
    world.decide("q1")
    together.append(world.state == world.head.state)
    return all(together)


def test_session_wears_its_head_all_the_way() -> None:
    """Given a turn that asks, then the session wears its head's state after each step."""
    assert are_companions(KERNEL)


@pytest.mark.parametrize("trigger", ["begin", "ask", "resume"])
def test_session_does_not_wear_its_head_when_any_send_is_missing(trigger: str) -> None:
    """Given any other row without its Send, then session and head part company on the way through a turn."""
    assert not are_companions(mutant(run=without_send(RUN, trigger, "session", trigger)))


def test_session_does_not_wear_its_head_when_it_is_not_told_of_the_admission() -> None:
    """Given a birth without its Send, then the session says ready while a run is active."""
    assert RUN.birth is not None
    assert not are_companions(mutant(run=attrs.evolve(RUN, birth=attrs.evolve(RUN.birth, edge=()))))


# -- LobeHub #13860: parking for a human does not end the stream; a decision is dispatched twice, or lost --------------


def stretches(kernel: Kernel) -> list[tuple[str, int, str]]:
    """Let a turn wait for a human and go on; return what a client sees of its stretches of output."""
    world = World(kernel).executing()
    world.ask("q1")
    world.decide("q1")
    world.settle(i.Value("answer"))
    seen = []
    for hook in world.hooks():
        if isinstance(hook, hooks.OpenSegment):
            seen.append(("open", hook.segment, ""))
        elif isinstance(hook, hooks.EndSegment):
            seen.append(("end", hook.segment, hook.reason))
    return seen


def test_segment_ends_once_when_the_run_waits_for_a_human() -> None:
    """Given a turn that asks, then its stream ends with the wait; the answer opens the next, ended by the run."""
    expected = [("open", 1, ""), ("end", 1, "waiting_for_human"), ("open", 2, ""), ("end", 2, "ready")]
    assert expected == stretches(KERNEL)


def test_segment_does_not_end_when_waiting_holds_it() -> None:
    """Given a wait that holds the segment, then no end comes while a human is asked: the spinner of the report."""
    spinner = mutant(run=with_hold(RUN, held.SEGMENT, "waiting_for_human"))
    assert ("end", 1, "waiting_for_human") not in stretches(spinner)


def test_segment_ends_twice_when_resuming_does_not_count_it_up() -> None:
    """Given the resume row without its next segment, then the same stretch is opened and ended twice."""
    doubled = mutant(run=without_on_edge(RUN, "resume", held.Next("segment")))
    assert 2 == sum(what == "end" and number == 1 for what, number, _ in stretches(doubled))


def reject_and_continue(kernel: Kernel) -> tuple[str, int]:
    """Reject with feedback; return the session's state and how often code was handed the answer."""
    world = World(kernel).executing()
    world.ask("q1")
    world.decide("q1", "reject_and_continue", content="not like this")
    world.decide("q1", "reject_and_continue", content="not like this")
    return world.state, len(world.hooks(hooks.HandAnswers))


def test_decision_to_reject_and_continue_is_dispatched_once() -> None:
    """Given a rejection with feedback, even sent twice, then the turn goes on, with the feedback, once."""
    assert ("running", 1) == reject_and_continue(KERNEL)


def test_decision_to_reject_and_continue_stops_when_it_is_chained_to_reject() -> None:
    """Given a route that chains it to reject, as in the report, then the turn that should go on is stopped."""
    chained = Kernel(routes={**ROUTES, "Decide.reject_and_continue": ROUTES["Decide.reject"]})
    assert ("ready", 0) == reject_and_continue(chained)


def answer_whose_commit_fails(kernel: Kernel) -> tuple[str, list[str]]:
    """Lose the commit of an approval, approve again; return the state and what the last approval brought about."""
    world = World(kernel).executing()
    world.park("q1")
    world.lose(decision("q1"))
    step = world.decide("q1")
    return world.state, [type(hook).__name__ for hook in (*of(step, hooks.OpenSegment), *of(step, hooks.OfferBegin))]


def test_decision_whose_commit_failed_is_taken_again_with_its_continuation() -> None:
    """Given an approval that was not kept, when it is sent again, then answer, resumption and offer are one step."""
    assert ("running", ["OpenSegment", "OfferBegin"]) == answer_whose_commit_fails(KERNEL)


def test_decision_has_no_effect_when_the_answer_does_not_resume_the_run() -> None:
    """Given the answer row without its Send, then the answer is taken and the turn waits for ever, with no question."""
    stranded = mutant(request=without_send(REQUEST, "answer", "run", "resume"))
    assert ("waiting_for_human", []) == answer_whose_commit_fails(stranded)


def test_stop_of_an_ended_run_tells_how_it_ended() -> None:
    """Given an ended run, when Stop comes late, then it is told the end and its cause, not that there is nothing."""
    world = World(policy=NO_GRACE).executing()
    world.settle(i.Value("answer"))
    assert world.abort().reply == AlreadyEnded("r1", "ready", "completed", "agent", "", "answer")
