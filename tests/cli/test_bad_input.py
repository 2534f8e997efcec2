"""Bad input: one sentence on stderr, the exit code, nothing lost, no traceback."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.driving import Said, agent, piped, said


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Name a store that is not there yet."""
    return str(tmp_path / "runs.db")


def one_sentence(ran: Said) -> str:
    """Return the only line on stderr, ``subject: fact; remedy``; there is no data."""
    assert "" == ran.out
    (line,) = ran.err.splitlines()
    assert ": " in line
    assert "; " in line
    return line


# -- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "fact"),
    [
        ("hello", "it names no agent in a module or file"),
        (":hello", "it names no agent in a module or file"),
        ("nowhere.at.all:hello", "there is no module nowhere"),
        ("json.nowhere:hello", "there is no module json.nowhere"),
        ("./nowhere.py:hello", "there is no such file"),
        ("./:hello", "it is no file"),
        (agent("nobody"), "has no nobody"),
        (agent("number"), "it is an int, which cannot be called"),
        (agent("Greeter"), "Greeter is a class"),
        (agent("generates"), "it is a generator"),
        (agent("takes_two"), "its arguments are (run: 'Any', more: 'Any')"),
    ],
)
def test_a_target_that_is_no_agent_is_refused(store: str, target: str, fact: str) -> None:
    """What cannot be found, or cannot be called with a run, exits with 2 before the store is touched."""
    ran = said("run", target, "--session", "s", "--store", store)
    line = one_sentence(ran)
    assert (2, True) == (ran.code, line.startswith(f"target {target}: "))
    assert fact in line
    assert not Path(store).exists()


@pytest.mark.parametrize(
    ("source", "fact"),
    [
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("def agent(run:", "SyntaxError: "),
        ("raise ValueError('at import')", "ValueError: at import"),
        ("raise SystemExit(7)", "SystemExit: 7"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_cannot_be_imported_is_refused(store: str, tmp_path: Path, source: str, fact: str) -> None:
    """Whatever importing raises is named in one sentence; the traceback comes only if it is wanted."""
    path = tmp_path / "broken.py"
    path.write_text(source, encoding="utf-8")
    ran = said("run", f"{path}:agent", "--session", "s", "--store", store)
    assert 2 == ran.code
    assert f"importing it failed: {fact}" in one_sentence(ran)
    assert "Traceback" in said("--debug", "run", f"{path}:agent", "--store", store).err


def test_the_line_to_repair_is_one_of_the_file_that_was_named(store: str, tmp_path: Path) -> None:
    """What a library raises for wrong use of it is told with the line that uses it, not with one of the library."""
    path = tmp_path / "broken.py"
    path.write_text("import json\n\nWRONG = json.loads('{')\n", encoding="utf-8")
    line = one_sentence(said("run", f"{path}:agent", "--session", "s", "--store", store))
    assert f"({path}, line 3)" in line


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("raises", "error (failed: ValueError: it went wrong); LIFECYCLE_DEBUG=1 shows where"),
        ("exits", "error (failed: SystemExit: 5); LIFECYCLE_DEBUG=1 shows where"),
        ("returns_nonsense", "cannot be written as JSON (Object of type object is not JSON serializable)"),
        ("emits_nonsense", "cannot be written as JSON (Object of type object is not JSON serializable)"),
    ],
)
def test_an_agent_that_fails_is_an_error_of_the_run(store: str, name: str, fact: str) -> None:
    """An agent that raises, or gives what is no JSON, ends its run in error and the command with 1."""
    ran = said("run", agent(name), "--session", "s", "--store", store)
    assert (1, "") == (ran.code, ran.out)
    named, line = ran.err.splitlines()
    assert named.endswith(" of session s")
    assert fact in line
    assert "ready" == said("run", agent("hello"), "--json", "--session", "s", "--store", store).records[-1]["state"]


def test_a_traceback_comes_when_it_is_wanted(store: str) -> None:
    """LIFECYCLE_DEBUG=1 and --debug show where the agent raised."""
    words = ("run", agent("raises"), "--session", "s", "--store", store)
    assert "Traceback" not in said(*words).err
    assert "in raises" in said(*words, env={"LIFECYCLE_DEBUG": "1"}).err
    assert "in raises" in said("--debug", *words).err
    assert "in raises" in said(*words, "--debug").err


def test_a_traceback_is_promised_only_where_there_is_one(store: str) -> None:
    """Where nothing was raised in this process, or the traceback stands there, no word of how to see it."""
    hint, options = "LIFECYCLE_DEBUG=1 shows where", ("--session", "s", "--store", store)
    assert hint in said("run", agent("raises"), "--key", "k", *options).err
    assert hint not in said("run", agent("raises"), "--key", "k", *options).err
    assert hint not in said("run", agent("raises"), "--debug", *options).err
    parked = said("run", agent("parks_without_a_question"), *options).err
    assert "error (failed: " in parked
    assert hint not in parked


# -- names, inputs, options -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "bell\a", "two\nlines", "x" * 257, b"\xff\xfe"])
def test_a_session_id_that_cannot_be_typed_is_refused(store: str, name: str | bytes) -> None:
    """Empty, with control characters, over 256 characters, or no UTF-8: refused, and no session is opened."""
    ran = said("run", agent("hello"), "--session", os.fsdecode(name), "--store", store)
    assert 2 == ran.code
    assert one_sentence(ran).startswith("session id")


def test_an_input_beyond_the_limit_is_refused(store: str) -> None:
    """10 MB are over the limit, which is named; no run is admitted."""
    ran = said("run", agent("hello"), "-", "--session", "s", "--store", store, given=b"x" * 10_000_000)
    assert 2 == ran.code
    assert "input_bytes_max (1048576" in one_sentence(ran)


def test_an_input_that_only_json_makes_too_long_is_refused(store: str) -> None:
    """The limit is that of the stored text, quotes and escapes included."""
    ran = said("run", agent("hello"), "-", "--session", "s", "--store", store, given=b'"' * 1_000_000)
    assert 2 == ran.code
    assert "input_bytes_max (1048576" in one_sentence(ran)


def test_an_input_that_is_no_text_is_refused(store: str) -> None:
    """Bytes that are no UTF-8 are refused, on stdin and on the command line."""
    for words, given in ((("-",), b"\xff\xfe"), ((os.fsdecode(b"\xff"),), b"")):
        ran = said("run", agent("hello"), *words, "--session", "s", "--store", store, given=given)
        assert 2 == ran.code
        assert one_sentence(ran).startswith("input: it is not UTF-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "lifecycle: Missing command; see `lifecycle --help`"),
        (("fly",), "lifecycle: No such command 'fly'; see `lifecycle --help`"),
        (("run",), "lifecycle run: Missing argument 'TARGET'; see `lifecycle run --help`"),
        (("run", "a:b", "--deadline", "0"), "'0' is no number of seconds above 0"),
        (("run", "a:b", "--deadline", "nan"), "'nan' is no number of seconds above 0"),
        (("run", "a:b", "--deadline", "soon"), "'soon' is no number of seconds above 0"),
        (("run", "a:b", "--on-crash", "cry"), "'cry' is not one of"),
        (("run", agent("hello"), "{", "--json-input"), "input: it is no JSON"),
        (("run", agent("hello"), "--key", ""), "key: it is empty; name one"),
        (("show", "--limit", "0"), "0 is not in the range 1<=x<=1000"),
        (("show", "--state", "sad"), "'sad' is not one of"),
        (("show", "s", "--state", "ready"), "--state: it chooses among sessions"),
        (("show", "s", "--after", "x"), "--after x: for one session it is a revision"),
        (("history", "s", "--after", "-1"), "-1 is not in the range x>=0"),
    ],
)
def test_wrong_usage_is_one_sentence(store: str, words: tuple[str, ...], sentence: str) -> None:
    """Options and arguments that make no sense exit with 2 and name what does."""
    ran = said(*words, *(("--store", store) if words[:1] not in ((), ("fly",)) else ()))
    assert 2 == ran.code
    assert sentence in one_sentence(ran)


# -- stores -----------------------------------------------------------------------------------------------------------


def every_command(store: str) -> list[tuple[str, ...]]:
    """Return each command, for a store that cannot be used."""
    return [
        ("run", agent("hello"), "--session", "s", "--store", store),
        ("decide", "s", "r-1", "q", "approve", "--store", store),
        ("abort", "s", "--store", store),
        ("show", "--store", store),
        ("history", "s", "--store", store),
    ]


def test_a_path_in_no_folder_is_refused(tmp_path: Path) -> None:
    """A path whose folder is not there is one sentence, and no folder is made."""
    for words in every_command(str(tmp_path / "no" / "runs.db")):
        ran = said(*words)
        assert 2 == ran.code
        assert f"the folder {tmp_path / 'no'} does not exist" in one_sentence(ran)
    assert [] == list(tmp_path.iterdir())


def test_a_missing_store_is_named(store: str) -> None:
    """What only reads makes no file: it says that there is none."""
    for words in every_command(store)[1:]:
        ran = said(*words)
        assert 2 == ran.code
        assert "does not exist" in one_sentence(ran)
    assert not Path(store).exists()


def test_a_missing_default_store_is_named(tmp_path: Path) -> None:
    """The default file need not be made by anybody: what only reads it says so, and makes not even its folder."""
    for words in (("show",), ("history", "s"), ("decide", "s", "r", "q", "approve")):
        ran = said(*words, env={"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)})
        assert 2 == ran.code
        assert "nothing was run yet; the first run makes it" in one_sentence(ran)
    assert [] == list(tmp_path.iterdir())


def limited(file_bytes: int) -> None:
    """Let no file grow beyond a size, as if the disk were full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


@pytest.mark.unmeasured
def test_a_full_disk_is_one_sentence(store: str) -> None:
    """Where no store can be made for want of room, nothing is left of it."""
    ran = said("run", agent("hello"), "--session", "s", "--store", store, preexec_fn=lambda: limited(10_000))
    assert 2 == ran.code
    assert one_sentence(ran).startswith(f"store {store}: ")
    assert not Path(store).exists()


@pytest.mark.unmeasured
def test_a_full_disk_is_no_failed_one(store: str) -> None:
    """Where there is no room for what SQLite keeps beside a store, want of room is what is said."""
    said("run", agent("hello"), "--session", "s", "--store", store)
    for words in (("show",), ("run", agent("hello"), "--session", "s")):
        ran = said(*words, "--store", store, preexec_fn=lambda: limited(1_000))
        assert 2 == ran.code
        assert "has no room left; make room, then try again" in one_sentence(ran)


@pytest.mark.unmeasured
def test_a_disk_that_is_full_later_loses_nothing(store: str) -> None:
    """A run that cannot be kept is refused; what was kept before is still there."""
    said("run", agent("hello"), "--session", "s", "--store", store)
    before = said("history", "s", "--json", "--store", store).out
    size = Path(store).stat().st_size
    ran = said(
        "run", agent("hello"), "x" * 100_000, "--session", "t", "--store", store, preexec_fn=lambda: limited(size)
    )
    assert 2 == ran.code
    assert one_sentence(ran).startswith(f"store {store}: ")
    assert before == said("history", "s", "--json", "--store", store).out


def test_a_disk_that_is_full_during_a_run_is_said_and_can_be_left(store: str) -> None:
    """What the code reports waits for room, which is said; left at once, the run is as it was for the next process."""
    said("run", agent("hello"), "--session", "s", "--store", store)
    words = ("run", agent("keeps_much"), "--key", "k", "--session", "t", "--store", store)
    with piped(*words, preexec_fn=lambda: limited(500_000)) as running:
        running.until(f"session t: Checkpointed waits for the store (store {store}: ")
        running.interrupt()
        running.until("Ctrl-C again leaves at once")
        running.interrupt()
        assert 130 == running.end()
    ran = said(*words)
    assert 1 == ran.code
    assert "interrupted (crashed)" in ran.err


def test_a_result_that_waits_for_the_store_is_not_taken_for_code_at_work(store: str) -> None:
    """The code has returned, and only the store is waited for: that is what is said."""
    said("run", agent("hello"), "--session", "s", "--store", store)
    words = ("run", agent("returns_much"), "--session", "t", "--store", store)
    with piped(*words, preexec_fn=lambda: limited(500_000)) as running:
        running.until(f"session t: ExecutionSettled waits for the store (store {store}: ")
        running.interrupt()
        assert "its code has not returned" not in running.until("what became of the run is not kept yet")
        running.interrupt()
        assert 130 == running.end()


def test_two_runs_work_side_by_side(store: str) -> None:
    """While one command works on its session, another one runs in another; show and history read both."""
    with piped("run", agent("works_for_ever"), "--session", "s", "--store", store) as running:
        running.until("working")
        assert 0 == said("run", agent("hello"), "--session", "t", "--store", store).code
        assert "running" == said("show", "--json", "--store", store).records[0]["state"]
        assert 2 == len(said("history", "s", "--json", "--store", store).records)


@pytest.mark.parametrize("number", [2**63, 10**20, 10**5000], ids=["2**63", "10**20", "10**5000"])
@pytest.mark.parametrize("command", ["show", "history"])
def test_a_revision_beyond_every_store_is_refused(store: str, command: str, number: int) -> None:
    """A number that no store can be asked about is one sentence; the highest that it can is no fault."""
    said("run", agent("hello"), "--session", "s", "--store", store)
    digits = "1" + "0" * 5000 if number == 10**5000 else str(number)
    ran = said(command, "s", "--after", digits, "--store", store)
    assert 2 == ran.code
    assert "--after" in one_sentence(ran)
    assert 0 == said(command, "s", "--after", str(2**63 - 1), "--store", store).code


# -- damage -----------------------------------------------------------------------------------------------------------


CUT = "SET record = substr(record, 1, length(record) - 3) WHERE"
CUTS = {
    "sessions": f"UPDATE sessions {CUT} id = 'b'",
    "ended": f"UPDATE ended {CUT} session = (SELECT number FROM sessions WHERE id = 'b')",
}


@pytest.mark.parametrize("table", CUTS)
def test_a_damaged_session_does_not_hide_the_others(store: str, table: str) -> None:
    """The others are listed, the damaged one is named on stderr with what to do, and the exit code says that it is."""
    for session in ("a", "b", "c"):
        said("run", agent("hello"), "--session", session, "--store", store)
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        assert 1 == connection.execute(CUTS[table]).rowcount
    shown = said("show", "--store", store)
    assert (2, ["a", "c"]) == (shown.code, [line.split()[0] for line in shown.out.splitlines()[1:]])
    (line,) = shown.err.splitlines()
    assert line.startswith("session b: its record")
    assert "; restore the file from a copy" in line
    told = said("show", "--json", "--store", store)
    assert (2, ["a", "c"], shown.err) == (told.code, [one["id"] for one in told.records], told.err)
    assert "--after b" in said("show", "--limit", "2", "--store", store).err
    only = said("show", "--limit", "1", "--after", "a", "--store", store)
    assert (2, "") == (only.code, only.out)
    assert "has no session" not in only.err
    assert 0 == said("show", "--after", "b", "--store", store).code
