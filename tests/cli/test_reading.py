"""``lifecycle show`` and ``lifecycle history``: what is in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle import SQLiteStore
from tests.cli.driving import AGENTS, agent, at_a_terminal, said


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a store with one session ready, one waiting, and one that ended twice."""
    path = str(tmp_path_factory.mktemp("store") / "runs.db")
    for name, session in (("hello", "a"), ("parks", "b"), ("raises", "c"), ("hello", "c"), ("raises", "c")):
        said("run", agent(name), "--session", session, "--store", path)
    return path


def test_show_lists_the_sessions(store: str) -> None:
    """Each session has its line: its state, what is active and asks, or how the last run ended."""
    heading, *rows = said("show", "--store", store).out.splitlines()
    assert ["session", "state", "run", "agent", "question", "or", "end", "changed"] == heading.split()
    assert [("a", "ready"), ("b", "waiting_for_human"), ("c", "error")] == [tuple(row.split()[:2]) for row in rows]
    assert "Go on?" in rows[1]
    assert "  ready (completed)  " in rows[0]
    assert f"  {agent('hello')} " in rows[0]
    assert "  error (failed: ValueError: it went wrong)  " in rows[2]
    lasts = [record["last"] for record in said("show", "--json", "--store", store).records]
    assert ["completed", None, "failed"] == [last and last["cause"] for last in lasts]


def test_show_tells_the_end_of_a_session_at_rest(tmp_path: Path) -> None:
    """A run that was stopped leaves its session ready: the list still says that it was stopped, and why."""
    path = str(tmp_path / "runs.db")
    said("run", agent("works_for_ever"), "--deadline", "0.1", "--session", "s", "--store", path)
    (row,) = said("show", "--store", path).out.splitlines()[1:]
    assert ["s", "ready"] == row.split()[:2]
    assert "works_for_ever  stopped (deadline)  " in row


def test_show_finds_an_end_behind_many_steps(tmp_path: Path) -> None:
    """The last ended runs are found however many steps came since they were admitted."""
    path = str(tmp_path / "runs.db")
    given = ("--json", "--session", "s", "--store", path)
    said("run", agent("hello"), "first", *given)
    said("run", agent("checkpoints_often"), *given)
    (shown,) = said("show", "s", "--limit", "2", "--json", "--store", path).records
    assert [f"{AGENTS}:hello", f"{AGENTS}:checkpoints_often"] == [one["spec"]["agent"] for one in shown["ended"]]
    assert shown["revision"] > 300


def test_times_say_their_zone(store: str) -> None:
    """Whoever reads a time knows of which zone it is."""
    lines = said("history", "a", "--store", store, env={"TZ": "Asia/Tokyo"}).out.splitlines()
    assert "+09:00  StartRun" in lines[0]


def test_show_pages(store: str) -> None:
    """--limit and --after give the list in pages, in order of the ids, and say how to go on."""
    first = said("show", "--limit", "2", "--json", "--store", store)
    assert ["a", "b"] == [record["id"] for record in first.records]
    second = said("show", "--limit", "2", "--after", "b", "--json", "--store", store)
    assert ["c"] == [record["id"] for record in second.records]
    assert "--after b" in said("show", "--limit", "2", "--store", store).err


def test_show_chooses_by_state(store: str) -> None:
    """--state gives only the sessions that wear it; that there is none is a sentence, and no fault."""
    assert ["b"] == [
        one["id"] for one in said("show", "--state", "waiting_for_human", "--json", "--store", store).records
    ]
    none = said("show", "--state", "running", "--store", store)
    assert (0, "") == (none.code, none.out)
    assert "it has no session in state running" in none.err


def test_show_tells_what_run_told_of_a_question(tmp_path: Path) -> None:
    """One session is shown with the very block that run printed: question, arguments, every command that answers."""
    path = str(tmp_path / "runs.db")
    for name in ("parks", "parks_with_two", "parks_to_sign_in"):
        ran = said("run", agent(name), "--session", name, "--store", path)
        asked = ran.out[ran.out.index("? ") :]
        shown = said("show", name, "--store", path)
        assert shown.out.endswith(asked)
    assert '"n": 1' in said("show", "parks", "--store", path).out
    assert "https://example.org/in" in said("show", "parks_to_sign_in", "--store", path).out
    (record,) = said("show", "parks", "--json", "--store", path).records
    (request,) = record["runs"][0]["requests"]
    assert {"text": "Go on?", "args": {"n": 1}} == request["body"]
    assert ["approve", "reject-and-continue", "reject"] == [line.split()[-1] for line in request["decide"]]


@pytest.mark.parametrize("name", ["works_for_ever", "asks_in_place"])
def test_show_says_that_no_process_is_left(tmp_path: Path, name: str) -> None:
    """What only a process can carry on is told from what waits in the file; a question in place has no command then."""
    path = str(tmp_path / "runs.db")
    state = "running" if name == "works_for_ever" else "waiting_for_human"
    with at_a_terminal("run", agent(name), "--session", "s", "--store", path) as running:
        running.until("working" if name == "works_for_ever" else "Ctrl-D ends the run")
        shown = said("show", "s", "--store", path)
        assert f"session s: {state}, changed" in shown.out
        assert ("lifecycle decide" in shown.out) == (name == "asks_in_place")
        running.process.kill()
        running.end()
    assert f"{state} (no process)  " in said("show", "--store", path).out
    shown = said("show", "s", "--store", path)
    assert f"session s: {state} (no process), changed" in shown.out
    assert ("by nobody any more" in shown.err) == (name == "asks_in_place")
    assert "lifecycle decide" not in shown.out
    (record,) = said("show", "s", "--json", "--store", path).records
    if name == "asks_in_place":
        steps, run = said("history", "s", "--store", path).out, record["runs"][0]["id"]
        refused = said("decide", "s", run, "go", "approve", "--store", path)
        assert (2, True) == (refused.code, "it was asked in place, and its process is gone" in refused.err)
        assert steps == said("history", "s", "--store", path).out
    assert (False, name == "asks_in_place") == (record["process"], bool(record["runs"][0]["requests"]))


@pytest.mark.parametrize("name", ["works_for_ever", "asks_in_place"])
def test_show_says_that_the_process_of_another_session_carries_nothing_on(tmp_path: Path, name: str) -> None:
    """A run whose process is gone is told as that also while another session's process has the file, until it is taken

    up.
    """
    path = str(tmp_path / "runs.db")
    ready = "working" if name == "works_for_ever" else "Ctrl-D ends the run"
    state = "running" if name == "works_for_ever" else "waiting_for_human"
    with at_a_terminal("run", agent(name), "--session", "dead", "--store", path) as running:
        running.until(ready)
        running.process.kill()
        running.end()
    with at_a_terminal("run", agent("works_for_ever"), "--session", "alive", "--store", path) as running:
        running.until("working")
        alive, dead = said("show", "--store", path).out.splitlines()[1:]
        assert "(no process)" not in alive
        assert (["alive", "running"], ["dead", state, "(no"]) == (alive.split()[:2], dead.split()[:3])
        assert f"session dead: {state} (no process), changed" in said("show", "dead", "--store", path).out
        assert "session alive: running, changed" in said("show", "alive", "--store", path).out
        assert ("by nobody any more" in said("show", "dead", "--store", path).err) == (name == "asks_in_place")
        assert [True, False] == [one["process"] for one in said("show", "--json", "--store", path).records]
        running.interrupt()
        running.end()
    with at_a_terminal("run", agent(name), "--session", "dead", "--store", path) as running:
        running.until(ready)
        assert f"session dead: {state}, changed" in said("show", "dead", "--store", path).out
        running.interrupt()
        running.end()


def test_a_parked_run_needs_no_process(store: str) -> None:
    """What waits in the file is as well off without a process."""
    assert "(no process)" not in said("show", "--store", store).out


def test_show_tells_the_latest_ends(store: str) -> None:
    """Of the ended runs the latest are shown, or, with --after, those that were admitted later."""
    (latest,) = said("show", "c", "--limit", "1", "--json", "--store", store).records
    assert ["error"] == [one["state"] for one in latest["ended"]]
    (shown,) = said("show", "c", "--json", "--store", store).records
    assert ["error", "ready", "error"] == [one["state"] for one in shown["ended"]]
    after = str(shown["ended"][0]["spec"]["admitted"])
    (later,) = said("show", "c", "--after", after, "--limit", "1", "--json", "--store", store).records
    assert ["ready"] == [one["state"] for one in later["ended"]]


def test_show_of_an_empty_store_is_a_sentence(tmp_path: Path, store: str) -> None:
    """A store in which nothing ran is no fault."""
    SQLiteStore(tmp_path / "empty.db").close()
    ran = said("show", "--store", str(tmp_path / "empty.db"))
    assert (0, "") == (ran.code, ran.out)
    assert 1 == len(ran.err.splitlines())


@pytest.mark.parametrize("command", ["show", "history"])
def test_an_unknown_session_is_named(store: str, command: str) -> None:
    """A session that is not there exits with 2 and one sentence."""
    ran = said(command, "nobody", "--store", store)
    assert (2, "", 1) == (ran.code, ran.out, len(ran.err.splitlines()))
    assert ran.err.startswith("session nobody: not known in ")


def test_history_tells_every_step(store: str) -> None:
    """Each step of a session is told with what arrived and the rows that were taken, in order."""
    steps = said("history", "a", "--json", "--store", store).records
    assert [1, 2, 3] == [step["revision"] for step in steps]
    assert ["StartRun", "Begin", "ExecutionSettled"] == [step["input"]["type"] for step in steps]
    run = [move["dest"] for step in steps for move in step["moves"] if move["machine"] == "run"]
    assert ["starting", "running", "ready"] == run
    assert [3] == [
        step["revision"] for step in said("history", "a", "--after", "2", "--json", "--store", store).records
    ]
    assert "running → ready (complete)" in said("history", "a", "--store", store).out
