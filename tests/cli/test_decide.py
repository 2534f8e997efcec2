"""``lifecycle decide``: answer a question and carry the run on."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lifecycle import FreeText, Park, Policy, Runtime, SQLiteStore, VirtualClock, answer
from tests.cli.driving import Said, agent, said


class Waiting:
    """A run that is left waiting in a store."""

    def __init__(self, store: str, name: str, *options: str) -> None:
        self.store = store
        self.left = said("run", agent(name), "--json", "--session", "my session", "--store", store, *options)
        self.run: str = self.left.records[0]["run"]
        self.requests: list[dict[str, Any]] = self.left.records[-1]["requests"]

    def decide(self, request: str, *words: str) -> Said:
        """Answer one of its questions."""
        return said("decide", "--store", self.store, *words[1:], "--", "my session", self.run, request, words[0])

    def steps(self) -> str:
        """Return the journal of its session."""
        return said("history", "my session", "--json", "--store", self.store).out


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Name a store whose path needs quotes."""
    return str(tmp_path / "my runs.db")


@pytest.fixture
def waiting(store: str) -> Waiting:
    """Leave a run waiting for an approval."""
    return Waiting(store, "parks")


def test_the_printed_command_carries_the_run_on(waiting: Waiting) -> None:
    """The command is to be used as it is printed: it answers, calls the agent again and exits by the result."""
    line = waiting.requests[0]["decide"][0]
    ran = said(*shlex.split(line)[1:], "--json")
    assert 0 == ran.code
    assert {"approved": True, "value": {"n": 1}, "feedback": "", "expired": False} == ran.records[-1]["result"]["go"]


def test_deciding_twice_decides_once(waiting: Waiting) -> None:
    """The same command again tells the same end; another decision is refused and changes nothing."""
    first = waiting.decide("go", "approve")
    assert (first.code, first.out) == (waiting.decide("go", "approve").code, waiting.decide("go", "approve").out)
    before = waiting.steps()
    other = waiting.decide("go", "reject")
    assert before == waiting.steps()
    assert 2 == other.code
    assert "was decided by 'local'" in other.err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("reject",), 1, None),
        (("reject", "--text", "no!"), 1, None),
        (("reject-and-continue", "--text", "later"), 0, {"approved": False, "value": None, "feedback": "later"}),
        (("answer", "--value", '{"n": 2}'), 0, {"approved": True, "value": {"n": 2}, "feedback": ""}),
    ],
)
def test_each_decision_reaches_the_agent(waiting: Waiting, words: tuple[str, ...], code: int, told: Any) -> None:
    """A rejection stops the run; feedback and edited arguments reach the agent."""
    ran = waiting.decide("go", *words, "--json")
    assert code == ran.code
    end = ran.records[-1]
    assert ("stopped" if told is None else "ready") == end["state"]
    if told is not None:
        assert {**told, "expired": False} == end["result"]["go"]


def test_one_answer_of_several_says_what_remains(store: str) -> None:
    """A batch waits for all its answers: after the first one the command says what is left and exits with 3."""
    waiting = Waiting(store, "parks_with_two")
    first = waiting.decide("which one", "answer", "--text", "c'd")
    assert 3 == first.code
    assert "? Name?" in first.out
    assert "? Which?" not in first.out
    second = waiting.decide("-name", "answer", "--text", "ada", "--json")
    assert 0 == second.code
    assert {"which one": "c'd", "-name": "ada"} == {
        name: one["value"] for name, one in second.records[-1]["result"].items()
    }


def test_a_run_that_asks_again_is_left_waiting_again(store: str) -> None:
    """Carried on, a run may park anew: that exits with 3 and prints the next question."""
    waiting = Waiting(store, "parks_twice")
    ran = waiting.decide("first", "approve", "--json")
    assert 3 == ran.code
    assert ["second"] == [request["id"] for request in ran.records[-1]["requests"]]
    assert (0, "both\n") == (waiting.decide("second", "approve").code, waiting.decide("second", "approve").out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("go", "approve", "--digest", "0"), "request go: is not what was shown"),
        (("go", "approve", "--by", "bob"), "request go: 'bob' may not decide it"),
        (("no", "approve"), "request no: run {run} asked no such question; its open ones are: go"),
        (("go", "answer"), "answer: it says nothing; add --text TEXT or --value JSON"),
        (("go", "answer", "--value", "null"), "request go: the answer is empty"),
        (("go", "answer", "--value", "{"), "--value: it is no JSON"),
        (("go", "answer", "--value", "NaN"), "--value: it is no JSON (NaN is none of its values)"),
        (("go", "answer", "--text", "yes"), "request go: an approval is answered with arguments"),
        (("go", "answer", "--text", "a", "--value", "1"), "--text and --value: both say what the answer is"),
        (("go", "approve", "--text", "a"), "--text: approve takes none"),
        (("go", "reject", "--value", "1"), "--value: reject takes none"),
        (("go", "approve", "--by", "x" * 300), "by: 300 characters are over name_chars_max (256)"),
        (("go", "shrug"), "lifecycle decide: Invalid value for"),
    ],
)
def test_a_slip_decides_nothing(waiting: Waiting, words: tuple[str, ...], sentence: str) -> None:
    """What is wrong with a decision is one sentence, exits with 2, writes no step and leaves the question open."""
    before = waiting.steps()
    ran = waiting.decide(*words)
    assert (2, "") == (ran.code, ran.out)
    assert 1 == len(ran.err.splitlines())
    assert ran.err.startswith(sentence.format(run=waiting.run))
    assert before == waiting.steps()
    assert 0 == waiting.decide("go", "approve").code


def test_a_missing_decision_names_those_there_are(waiting: Waiting) -> None:
    """What the parser says on several lines is said on one."""
    ran = said("decide", "my session", waiting.run, "go", "--store", waiting.store)
    assert (2, 1) == (ran.code, len(ran.err.splitlines()))
    assert "Choose from: approve, reject, reject-and-continue, answer; see" in ran.err


def test_an_unknown_name_changes_nothing(waiting: Waiting) -> None:
    """A session or run that is not there is one sentence, and the store is as it was."""
    before = waiting.steps()
    for words, subject in (
        (("other", waiting.run, "go", "approve"), "session other"),
        (("my session", "r-0", "go", "approve"), "run r-0"),
    ):
        ran = said("decide", *words, "--store", waiting.store)
        assert (2, 1) == (ran.code, len(ran.err.splitlines()))
        assert ran.err.startswith(f"{subject}: ")
    assert before == waiting.steps()


def test_a_choice_must_be_one_of_those_offered(store: str) -> None:
    """An answer that was not offered is refused, and the options are named."""
    waiting = Waiting(store, "parks_with_two")
    ran = waiting.decide("which one", "answer", "--text", "z")
    assert 2 == ran.code
    assert "choose one of a b, c'd" in ran.err


def test_an_agent_that_is_gone_decides_nothing(tmp_path: Path, store: str) -> None:
    """When the agent's file is gone, nothing is decided: an answer must not be lost on a run that cannot go on."""
    path = tmp_path / "gone.py"
    path.write_text(Path(agent("parks").rpartition(":")[0]).read_text("utf-8"), encoding="utf-8")
    left = said("run", f"{path}:parks", "--json", "--session", "s", "--store", store)
    path.rename(tmp_path / "moved.py")
    words = ("decide", "s", left.records[0]["run"], "go", "approve", "--store", store)
    ran = said(*words)
    assert (2, 1) == (ran.code, len(ran.err.splitlines()))
    assert "there is no such file" in ran.err
    (tmp_path / "moved.py").rename(path)
    assert 0 == said(*words).code


def test_the_owner_decides(store: str) -> None:
    """A run of a named owner is answered by that one, and the printed command says so."""
    waiting = Waiting(store, "parks", "--owner", "ada")
    line = waiting.requests[0]["decide"][0]
    assert "--by ada" in line
    assert 2 == waiting.decide("go", "approve").code
    assert 0 == said(*shlex.split(line)[1:]).code


# -- nothing to decide ------------------------------------------------------------------------------------------------


def test_the_same_decision_after_the_end_writes_nothing(waiting: Waiting) -> None:
    """A decision that was taken before tells how the run ended, and takes nothing up, whoever writes to the file."""
    first = waiting.decide("go", "approve")
    before = waiting.steps()
    assert (first.code, first.out) == (waiting.decide("go", "approve").code, waiting.decide("go", "approve").out)
    with closing(SQLiteStore(waiting.store)):
        assert (first.code, first.out) == (waiting.decide("go", "approve").code, waiting.decide("go", "approve").out)
    assert before == waiting.steps()


def test_a_decision_on_an_ended_run_writes_nothing(store: str) -> None:
    """A question that closed with its run is told with how the run ended; nothing is taken up."""
    waiting = Waiting(store, "parks_with_two")
    assert 1 == waiting.decide("which one", "reject").code
    before = waiting.steps()
    ran = waiting.decide("-name", "answer", "--text", "ada")
    assert (1, "") == (ran.code, ran.out)
    assert "it has ended already; there is nothing to decide" in ran.err
    assert before == waiting.steps()


def test_the_same_decision_on_a_batch_writes_nothing(store: str) -> None:
    """A decision taken before, in a batch that still waits, tells what remains and exits with 3; nothing is taken up."""
    waiting = Waiting(store, "parks_with_two")
    words = ("which one", "answer", "--text", "c'd")
    first, before = waiting.decide(*words), waiting.steps()
    second = waiting.decide(*words)
    assert (3, first.out) == (second.code, second.out)
    assert before == waiting.steps()


async def left(store: str, in_place: bool, policy: Policy | None = None) -> None:
    """Leave a run that asked twice: one question has expired, or was answered, and the other is open."""

    async def asks(run: Any) -> Any:
        questions = FreeText("Early?", id="early", expiry_seconds=5), FreeText("Late?", id="late", expiry_seconds=None)
        if not in_place:
            return Park(None, questions)
        return await asyncio.gather(*(run.ask(one) for one in questions))

    kept, clock = SQLiteStore(store), VirtualClock()
    runtime = Runtime(kept, policy, clock=clock)
    await runtime.open()
    handle = await runtime.start(asks, session="s", run_id="r", name=agent("parks"))
    await handle.wait_for("waiting_for_human")
    await clock.settle()
    if in_place:
        await handle.decide("early", answer("now"))
    else:
        await clock.advance(6)
    kept.close()  # the process dies: nothing more is kept of it
    dying = asyncio.ensure_future(runtime.close())
    while not dying.done():
        await clock.advance(1)


@pytest.mark.parametrize("in_place", [False, True])
def test_a_decision_on_a_closed_question_writes_nothing(store: str, in_place: bool) -> None:
    """A question that has expired, or was answered in place, says so and what is still open; nothing is taken up."""
    asyncio.run(left(store, in_place))
    before = said("history", "s", "--store", store).out
    ran = said("decide", "s", "r", "early", "answer", "--text", "now", "--store", store)
    assert (3, True, False) == (ran.code, "? Late?" in ran.out, "? Early?" in ran.out)
    assert ("request early: it was expired already" in ran.err) != in_place
    assert ("can be answered only where it runs" in ran.err) == in_place
    assert before == said("history", "s", "--store", store).out


def test_an_admin_of_another_runtime_is_none_here(store: str) -> None:
    """Who may decide is judged under the policy of this process, before it takes anything up."""
    asyncio.run(left(store, False, Policy(admins=("root",))))
    before = said("history", "s", "--store", store).out
    ran = said("decide", "s", "r", "late", "answer", "--text", "now", "--by", "root", "--store", store)
    assert (2, True) == (ran.code, "may not decide it" in ran.err)
    assert before == said("history", "s", "--store", store).out
