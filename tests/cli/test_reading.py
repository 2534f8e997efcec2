"""``lifecycle show`` and ``lifecycle history``: what is in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.driving import agent, said


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a store with one session ready, one waiting, and one that ended twice."""
    path = str(tmp_path_factory.mktemp("store") / "runs.db")
    for name, session in (("hello", "a"), ("parks", "b"), ("raises", "c"), ("hello", "c"), ("raises", "c")):
        said("run", agent(name), "--session", session, "--store", path)
    return path


def test_show_lists_the_sessions(store: str) -> None:
    """Each session has its line: its state, what is active and what it waits for."""
    heading, *rows = said("show", "--store", store).out.splitlines()
    assert ["session", "state", "run", "agent", "waits", "for", "changed"] == heading.split()
    assert [("a", "ready"), ("b", "waiting_for_human"), ("c", "error")] == [tuple(row.split()[:2]) for row in rows]
    assert "Go on?" in rows[1]


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


def test_show_tells_what_a_session_asks(store: str) -> None:
    """One session is shown with its runs and its open questions, each with the command that answers it."""
    shown = said("show", "b", "--store", store)
    assert "? Go on?" in shown.out
    assert "go approve" in shown.out
    (record,) = said("show", "b", "--json", "--store", store).records
    assert {"text": "Go on?", "args": {"n": 1}} == record["runs"][0]["requests"][0]["body"]


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
    said("run", agent("hello"), "--session", "bell\a", "--store", str(tmp_path / "empty.db"))
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
