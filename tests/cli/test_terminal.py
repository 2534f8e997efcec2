"""At a terminal: questions are asked there, and Ctrl-C does what it should."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.driving import Driven, agent, at_a_terminal, said

ASKED = "· Ctrl-D "
CONFIRM = "back to the question"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Name a store that is not there yet."""
    return str(tmp_path / "runs.db")


def asked(name: str, store: str, *options: str, **env: str) -> Driven:
    """Start an agent at a terminal; it will ask."""
    return at_a_terminal("run", agent(name), "--session", "s", "--store", store, *options, env=env)


def end_of(store: str) -> dict[str, Any]:
    """Return how the last run ended."""
    (shown,) = said("show", "s", "--json", "--store", store).records
    end: dict[str, Any] = shown["ended"][-1]
    return end


@pytest.mark.parametrize("name", ["parks", "asks_in_place"])
def test_yes_approves(store: str, name: str) -> None:
    """What was shown is approved, whichever way the agent waits."""
    with asked(name, store) as running:
        assert '"n": 1' in running.until(ASKED)
        running.type("y\n")
        assert 0 == running.end()
    assert "true" in json.dumps(end_of(store)["result"])


def test_no_stops_the_run(store: str) -> None:
    """A plain no stops the run, which exits with 1."""
    with asked("parks", store) as running:
        running.until(ASKED)
        running.type("n\n")
        assert 1 == running.end()
    assert ("stopped", "rejected") == (end_of(store)["state"], end_of(store)["cause"])


def test_no_with_feedback_goes_on(store: str) -> None:
    """A no with feedback lets the agent go on with it."""
    with asked("parks", store) as running:
        running.until(ASKED)
        running.type("f\n")
        running.until("instead?")
        running.type("not today\n")
        assert 0 == running.end()
    told = end_of(store)["result"]["go"]
    assert (False, "not today") == (told["approved"], told["feedback"])


def test_arguments_are_edited_on_a_line(store: str) -> None:
    """Without an editor the arguments are typed as JSON; what is no JSON decides nothing and is asked again."""
    with asked("parks", store) as running:
        for typed in ("{", "NaN", "null", "{}", "", '{ "n" :1}'):
            running.until(ASKED)
            running.type("e\n")
            running.until("on one line")
            running.type(f"{typed}\n")
            running.until("arguments: ")
        running.until(ASKED)
        running.type("e\n")
        running.until("on one line")
        running.type('{"n": 7}\n')
        assert '"n": 7' in running.until(CONFIRM)
        running.type("y\n")
        assert 0 == running.end()
    assert {"n": 7} == end_of(store)["result"]["go"]["value"]


def test_edited_arguments_are_confirmed_before_they_decide(store: str) -> None:
    """A no, an unclear line and the end of input at the confirmation lead back to the question."""
    with asked("parks", store) as running:
        for typed in ("n\n", "\x04", "what\nno\n"):
            running.until(ASKED)
            running.type("e\n")
            running.until("on one line")
            running.type('{"n": 7}\n')
            running.until(CONFIRM)
            running.type(typed)
        running.until(ASKED)
        running.type("y\n")
        assert 0 == running.end()
    assert {"n": 1} == end_of(store)["result"]["go"]["value"]


def test_arguments_are_edited_in_an_editor(store: str, tmp_path: Path) -> None:
    """With EDITOR set it opens on the arguments, and what it leaves is approved once it was confirmed."""
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import json, sys\n"
        "value = json.load(open(sys.argv[1]))\n"
        "json.dump({'n': value['n'] + 41}, open(sys.argv[1], 'w'))\n",
        encoding="utf-8",
    )
    with asked("parks", store, EDITOR=f"{sys.executable} {editor}") as running:
        running.until(ASKED)
        running.type("e\n")
        assert '"n": 42' in running.until(CONFIRM)
        running.type("y\n")
        assert 0 == running.end()
    assert {"n": 42} == end_of(store)["result"]["go"]["value"]


@pytest.mark.parametrize(
    ("editor", "fact"),
    [("true", "as they were"), ("truncate -s 0", "empty"), ("rm", "empty"), ("touch", "as they were")],
)
def test_an_editor_closed_without_a_change_decides_nothing(store: str, editor: str, fact: str) -> None:
    """Whoever opens the editor and backs out, its file untouched, emptied or gone, has not approved anything."""
    with asked("parks", store, EDITOR=editor) as running:
        running.until(ASKED)
        running.type("e\n")
        assert fact in running.until("nothing was decided")
        running.until(ASKED)
        running.type("n\n")
        assert 1 == running.end()
    assert "rejected" == end_of(store)["cause"]


@pytest.mark.parametrize("editor", ["/nowhere/editor", "false", "unclosed 'quote"])
def test_an_editor_that_fails_decides_nothing(store: str, editor: str) -> None:
    """An editor that cannot be started, or fails, leaves the question as it was."""
    with asked("parks", store, EDITOR=editor) as running:
        running.until(ASKED)
        running.type("e\n")
        running.until(f"editor {editor}: it ")
        running.until(ASKED)
        running.type("n\n")
        assert 1 == running.end()


def test_an_unclear_line_is_asked_again(store: str) -> None:
    """Nothing is decided by an empty or unknown line."""
    with asked("parks", store) as running:
        for typed in ("", "maybe", "yess"):
            running.until(ASKED)
            running.type(f"{typed}\n")
        running.until(ASKED)
        running.type("YES\n")
        assert 0 == running.end()


def test_choice_words_and_sign_in_are_asked(store: str) -> None:
    """A choice takes a number or the text of an option, words take a line, a sign-in names its place."""
    with asked("asks_everything", store) as running:
        running.until(ASKED)
        running.type("blue\n")
        running.until("answer blue: it is none of the options")
        running.until(ASKED)
        running.type("2\n")
        for typed in ("", "because"):
            running.until(ASKED)
            running.type(f"{typed}\n")
        assert "https://example.org/in" in running.until(ASKED)
        running.type("y\n")
        assert 0 == running.end()
    assert ["green", "because", True] == end_of(store)["result"]


def test_questions_of_a_batch_are_counted(store: str) -> None:
    """Of several questions each says which one it is."""
    with asked("parks_with_two", store) as running:
        assert "? Which? (1 of 2)" in running.until(ASKED)
        running.type("1\n")
        assert "? Name? (2 of 2)" in running.until(ASKED)
        running.type("ada\n")
        assert 0 == running.end()


def test_a_question_that_closes_is_taken_away(store: str) -> None:
    """When a question expires while it is asked, the run goes on and the terminal says so."""
    with asked("asks_briefly", store) as running:
        running.until(ASKED)
        running.until("the question was closed meanwhile")
        assert 0 == running.end()
    assert end_of(store)["result"]["expired"]


def test_the_end_of_input_leaves_a_parked_run_for_later(store: str) -> None:
    """Ctrl-D leaves the question open, prints how to answer it below what was shown, and exits with 3."""
    with asked("parks", store) as running:
        running.until(ASKED)
        running.type("\x04")
        running.until("lifecycle decide")
        assert 3 == running.end()
        assert 1 == running.text.count("? Go on?")
    assert "waiting_for_human" == said("show", "--json", "--store", store).records[0]["state"]


def test_the_end_of_input_ends_a_run_that_asks_in_place(store: str) -> None:
    """Nothing of a question in place survives the process: Ctrl-D is said to end the run, and does."""
    with asked("asks_in_place", store) as running:
        running.until(ASKED)
        running.until("ends the run")
        running.type("\x04")
        running.until("its question was left unanswered")
        assert 1 == running.end()
        assert "lifecycle decide" not in running.text
    assert ("interrupted", "shutdown") == (end_of(store)["state"], end_of(store)["cause"])


def test_killed_at_the_question_it_is_asked_again(store: str) -> None:
    """Killed at the question, the same command asks the same question, and one answer ends the run."""
    with asked("parks", store, "--key", "k") as running:
        before = running.until(ASKED)
        running.interrupt(signal.SIGKILL)
        running.end()
    with asked("parks", store, "--key", "k") as running:
        again = running.until(ASKED)
        assert before.partition("?")[2] == again.partition("?")[2]
        running.type("y\n")
        assert 0 == running.end()
    (shown,) = said("show", "s", "--json", "--store", store).records
    assert [("ready", 1)] == [(ended["state"], ended["attempt"]) for ended in shown["ended"]]


def test_what_an_older_run_asks_is_asked_first(store: str) -> None:
    """A run that waits in the session is answered before the new one begins."""
    said("run", agent("parks"), "--session", "s", "--store", store)
    with asked("hello", store) as running:
        running.until("is next in line")
        running.until(ASKED)
        running.type("y\n")
        running.until("hello None")
        assert 0 == running.end()


def test_only_the_owner_is_asked(store: str) -> None:
    """Who may not decide is told so, and the run is left waiting."""
    said("run", agent("parks"), "--session", "s", "--owner", "ada", "--store", store)
    with asked("hello", store) as running:
        running.until(ASKED)
        running.type("y\n")
        running.until("'local' may not decide it")
        assert 3 == running.end()


# -- Ctrl-C -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["works_for_ever", "blocks_for_ever"])
def test_ctrl_c_aborts_the_run(store: str, name: str) -> None:
    """The first Ctrl-C aborts the run, whether its code is on the loop or in a thread, and exits with 1."""
    with asked(name, store) as running:
        running.until("working")
        running.type("\x03")
        running.until("interrupted (aborted by local: Ctrl-C)")
        assert 1 == running.end()
    assert ("interrupted", "aborted") == (end_of(store)["state"], end_of(store)["cause"])


@pytest.mark.parametrize("name", ["parks", "asks_in_place"])
def test_ctrl_c_at_the_question_aborts_the_run(store: str, name: str) -> None:
    """Ctrl-C is no answer: it aborts the run that asks."""
    with asked(name, store) as running:
        running.until(ASKED)
        running.type("\x03")
        assert 1 == running.end()
    assert "aborted" == end_of(store)["cause"]


def test_a_second_ctrl_c_leaves_at_once(store: str) -> None:
    """While code that swallows being cancelled is waited for, a second Ctrl-C leaves with 130; the end is kept."""
    with asked("swallows", store) as running:
        running.until("working")
        running.type("\x03")
        running.until("interrupted (aborted by local: Ctrl-C)")
        running.type("\x03")
        assert 130 == running.end()
    assert "aborted" == end_of(store)["cause"]


def test_code_that_never_yields_is_named_and_can_be_left(store: str) -> None:
    """A loop that is kept busy is said, with the line that keeps it, and the second Ctrl-C still leaves."""
    with asked("never_yields", store) as running:
        running.until("spinning")
        running.until("has kept the event loop")
        assert "agents.py" in running.until("let it await")
        running.type("\x03")
        running.until("Ctrl-C again leaves at once")
        running.type("\x03")
        assert 130 == running.end()
    assert 0 == said("run", agent("hello"), "--session", "s", "--store", store).code


LEAVES = {signal.SIGINT: "Ctrl-C again leaves at once", signal.SIGTERM: "SIGTERM again leaves at once"}


@pytest.mark.parametrize("name", ["never_yields", "swallows"])
@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM)],
)
def test_any_second_signal_leaves_at_once(store: str, name: str, first: int, second: int) -> None:
    """Whichever of the two asked first, the second leaves, also while the code never yields."""
    with asked(name, store) as running:
        running.until("spinning" if name == "never_yields" else "working")
        running.interrupt(first)
        running.until(LEAVES[signal.Signals(first)])
        running.interrupt(second)
        assert 130 == running.end()


def test_code_that_swallows_being_cancelled_is_given_up(store: str) -> None:
    """After the closing grace the code is abandoned, which is said, and the process ends."""
    with asked("swallows", store) as running:
        running.until("working")
        running.type("\x03")
        running.until("waiting up to 10 s for it")
        running.until("did not return within the closing grace")
        assert 1 == running.end()
