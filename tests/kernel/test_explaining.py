"""Explaining: what may come now, and why something may not, said by trying it.

What lives here: stories of ``explain`` and ``allowed``, and the property that they agree with the step. What must not:
the judges' own rules. The law of this file: an explanation is never another opinion.
"""

from __future__ import annotations

import pytest

from lifecycle.kernel import Policy, Session, allowed, explain, step
from lifecycle.kernel import inputs as i
from lifecycle.kernel.judges import JUDGES
from lifecycle.kernel.values import Question, us

QUESTION = Question("q1", "approval", "{}", "digest of q1", us(60), "deny_and_continue")


def stepped(*inputs: i.Input, session: Session | None = None) -> Session:
    """Take inputs one after another, a second apart."""
    now = 0 if session is None else session.now
    for given in inputs:
        now += us(1)
        session = step(session, given, now).session
    assert session is not None
    return session


def start(run: str = "r1") -> i.StartRun:
    """Make a start by ada."""
    return i.StartRun("s", run, "ada", "agent", "null", "digest", Policy(), deadline_us=us(60))


STARTING = stepped(start())
RUNNING = stepped(i.Begin("r1", 1), session=STARTING)
WAITING = stepped(i.RunAsked(1, 2, (QUESTION,)), session=RUNNING)
PARKED = stepped(i.ExecutionSettled(1, 2, i.Parked("null", (QUESTION,))), session=RUNNING)
QUEUED = stepped(start("r2"), session=RUNNING)
WATCHED = stepped(i.Attach("a1"), session=RUNNING)
READY = stepped(i.ExecutionSettled(1, 2, i.Value("1")), session=RUNNING)
CLOSING = stepped(i.AbortRun("r1", "ada"), session=RUNNING)
STOPPED = stepped(i.CloseSession("ada"), session=READY)
SESSIONS = {
    "none": None,
    "starting": STARTING,
    "running": RUNNING,
    "waiting": WAITING,
    "parked": PARKED,
    "queued": QUEUED,
    "watched": WATCHED,
    "ready": READY,
    "closing": CLOSING,
    "stopped": STOPPED,
}


def kinds(session: Session | None) -> set[str]:
    """Return the kinds of input that may come now."""
    return {type(given).__name__ for given in allowed(session)}


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS)
def test_whatever_is_allowed_changes_something_and_is_explained_as_such(session: Session | None) -> None:
    """Given any session, when its allowed inputs are explained at the time they are for, then each of them may come."""
    later = (0 if session is None else session.now) + us(1_000_000)
    for given in allowed(session):
        now = later if isinstance(given, i.TimerFired) else None
        said = explain(session, given, now)
        assert said.may and said.judge is None


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS)
def test_explaining_changes_nothing(session: Session | None) -> None:
    """Given any session, when everything is explained, then it is the very same as before: asking costs nothing."""
    before = repr(session)
    for given in allowed(session):
        explain(session, given)
    assert before == repr(session)


def test_nothing_but_a_start_may_come_before_there_is_a_session() -> None:
    """Given no session, then only a run can be started; the same holds for a stopped one, which that opens anew."""
    assert {"StartRun"} == kinds(None)
    assert {"StartRun"} == kinds(STOPPED)


@pytest.mark.parametrize(
    ("session", "may", "may_not"),
    [
        (STARTING, {"Begin", "AbortRun", "Attach"}, {"Decide", "RunAsked", "Checkpointed", "Shutdown"}),
        (RUNNING, {"RunAsked", "Checkpointed", "ProviderReported", "Lost", "Shutdown"}, {"Begin", "Decide"}),
        (WAITING, {"Decide", "RequestRetracted", "TimerFired"}, {"Begin"}),
        (PARKED, {"Decide", "AbortRun"}, {"RunAsked", "RequestRetracted", "ProviderReported", "Lost"}),
        (WATCHED, {"Detached"}, {"Begin"}),
        (READY, {"StartRun", "Attach", "CloseSession"}, {"AbortRun", "AbortSession", "Shutdown"}),
        (CLOSING, {"ExecutionSettled", "StartRun", "Lost"}, {"AbortRun", "RunAsked", "Checkpointed"}),
    ],
)
def test_allowed_names_what_may_come_in_each_state(session: Session, may: set[str], may_not: set[str]) -> None:
    """Given a session in a state, then what may come is listed, and what may not is missing."""
    assert may <= kinds(session)
    assert not may_not & kinds(session)


def test_a_stranger_is_told_which_guard_stands_in_the_way() -> None:
    """Given somebody who may not abort, then the guard is named, with what it asks and what to do."""
    said = explain(RUNNING, i.AbortRun("r1", "eve"))
    assert (False, "caller_may_abort") == (said.may, said.judge)
    assert "owner" in said.rule
    assert "may not (caller_may_abort): run r1: 'eve' may not abort it" in str(said)


def test_what_would_do_nothing_says_so() -> None:
    """Given an input that finds nothing to do, then that is said, with the guard that found it."""
    said = explain(READY, i.Shutdown())
    assert (False, "code_is_executing") == (said.may, said.judge)
    assert str(said).startswith("would change nothing (code_is_executing)")


def test_what_is_no_input_is_explained_too() -> None:
    """Given a thing that is no input, then it is refused by name and by no rule."""
    said = explain(READY, "nonsense")  # type: ignore[arg-type]
    assert (False, "known_input", "") == (said.may, said.judge, said.rule)


def test_moves_are_told_in_the_words_of_the_machines() -> None:
    """Given an abort of a run whose code works, then it says what moves where, in order."""
    said = str(explain(RUNNING, i.AbortRun("r1", "ada")))
    assert "may come: run r1 abort → interrupted, execution 1 close → closing, session s abort → interrupted" == said


def test_every_guard_says_what_it_asks() -> None:
    """Given every judge of every input, then its first line is a sentence: that is what an explanation shows."""
    for judges in JUDGES.values():
        for judge in judges:
            assert (judge.__doc__ or "").strip().splitlines()[0].rstrip().endswith((".", ":", ",")), judge.__name__
