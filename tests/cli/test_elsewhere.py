"""Several shells on one file: what is asked of a session reaches the process that holds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.driving import Driven, agent, at_a_terminal, piped, said


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Name a store."""
    return str(tmp_path / "runs.db")


def working(store: str) -> Driven:
    """Start a run whose code works until it is stopped."""
    return piped("run", agent("works_for_ever"), "--session", "s", "--store", store)


def run_of(store: str) -> str:
    """Return the id of the head of the session."""
    (record,) = said("show", "s", "--json", "--store", store).records
    head: str = record["runs"][0]["id"]
    return head


def test_a_question_in_place_is_answered_from_another_shell(store: str) -> None:
    """Who waits at one terminal goes on by a decision in another, which says where, or how it ended if that was quick;

    the same again decides once.
    """
    with at_a_terminal("run", agent("asks_in_place"), "--session", "s", "--store", store) as running:
        running.until("Ctrl-D ends the run")
        words = ("decide", "s", run_of(store), "go", "approve", "--store", store)
        ran = said(*words)
        where = f"it goes on in process {running.process.pid}"
        assert (0, True) == (ran.code, where in ran.err or "ready (completed)" in ran.err)
        assert 0 == running.end()
    assert 0 == said(*words).code
    assert 1 == said("history", "s", "--store", store).out.count("  Decide  ")


def test_a_slip_in_another_shell_is_told_as_here(store: str) -> None:
    """What the process that holds the session refuses is refused in its words, and it goes on undisturbed."""
    with at_a_terminal("run", agent("asks_in_place"), "--session", "s", "--store", store) as running:
        running.until("Ctrl-D ends the run")
        ran = said("decide", "s", run_of(store), "go", "approve", "--by", "eve", "--store", store)
        assert (2, True) == (ran.code, "eve" in ran.err)
        assert 0 == said("decide", "s", run_of(store), "go", "approve", "--store", store).code
        assert 0 == running.end()


def test_abort_reaches_the_process_at_work(store: str) -> None:
    """A run is aborted from another shell: its code is stopped where it works, and both say so."""
    with working(store) as running:
        running.until("working")
        name = run_of(store)
        ran = said("abort", "s", "--text", "enough", "--json", "--store", store)
        assert (0, [name]) == (ran.code, ran.records[0]["runs"])
        assert 1 == running.end()
    (record,) = said("show", "s", "--json", "--store", store).records
    assert ("interrupted", "enough") == (record["state"], record["ended"][-1]["text"])


def test_abort_needs_no_process(store: str) -> None:
    """What waits in the file is aborted there, and nothing of the queue is set going; a second time finds nothing."""
    assert 3 == said("run", agent("parks"), "--session", "s", "--store", store).code
    assert 3 == said("run", agent("hello"), "--session", "s", "--store", store).code
    name = run_of(store)
    first, second = (said("abort", "s", name, "--store", store) for _ in range(2))
    assert (0, 0) == (first.code, second.code)
    assert f"run {name}: aborted" in first.err
    assert f"run {name}: it has ended already; there is nothing to abort" in second.err
    (record,) = said("show", "s", "--json", "--store", store).records
    assert ("starting", 1, False) == (record["state"], len(record["runs"]), record["process"])


@pytest.mark.parametrize(
    ("words", "fact"),
    [(("nobody",), "session nobody: not known in"), (("s", "r-none"), "run r-none"), (("s", "--by", "eve"), "eve")],
)
def test_abort_refuses_in_one_sentence(store: str, words: tuple[str, ...], fact: str) -> None:
    """What is not there, and who may not, is told, and nothing is changed."""
    assert 3 == said("run", agent("parks"), "--session", "s", "--store", store).code
    ran = said("abort", *words, "--store", store)
    assert (2, True) == (ran.code, fact in ran.err)
    assert "waiting_for_human" in said("show", "s", "--store", store).out


def test_a_run_in_a_held_session_waits_and_takes_over(store: str) -> None:
    """Given a session at work in another process, then a run is queued there, and is run here once that process is gone."""
    with working(store) as first:
        first.until("working")
        name = run_of(store)
        with piped("run", agent("hello"), "--session", "s", "--store", store) as second:
            second.until("of session s")
            assert 0 == said("abort", "s", name, "--store", store).code
            assert 1 == first.end()
            second.until("hello")
            assert 0 == second.end()
