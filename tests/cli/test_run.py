"""``lifecycle run``: what it writes, what it takes, what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle import Policy, SQLiteStore
from lifecycle.cli.command import lifecycle
from tests.cli.driving import AGENTS, COMMAND, agent, environment, piped, said
from tests.store.contract import keep
from tests.store.lives import Life


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Name a store that is not there yet."""
    return str(tmp_path / "runs.db")


def test_run_writes_frames_then_the_result(store: str) -> None:
    """Data goes to stdout, frames before the result, messages to stderr, and a run that is ready exits with 0."""
    ran = said("run", agent("hello"), "ada", "--session", "s", "--store", store)
    assert (0, 'saw: ada\n{\n  "said": "hello ada"\n}\n') == (ran.code, ran.out)
    assert "ready (completed)" in ran.err


@pytest.mark.parametrize("name", ["sync_hello", "greeter"])
def test_run_takes_functions_and_objects(store: str, name: str) -> None:
    """An agent may be a plain function or an object with __call__."""
    ran = said("run", agent(name), "ada", "--session", "s", "--store", store)
    assert 0 == ran.code
    assert "hello" in ran.out


def test_run_takes_a_module_of_the_current_folder(store: str, tmp_path: Path) -> None:
    """A module is found in the folder that the command is called in."""
    (tmp_path / "mine.py").write_text("async def agent(run):\n    return 'mine'\n", encoding="utf-8")
    ran = said("run", "mine:agent", "--session", "s", "--store", store, cwd=tmp_path)
    assert (0, "mine\n") == (ran.code, ran.out)


def test_run_names_a_file_so_that_it_holds_in_any_folder(store: str) -> None:
    """The stored name of an agent in a file has the absolute path."""
    said("run", f"{AGENTS.name}:hello", "--session", "s", "--store", store, cwd=AGENTS.parent)
    (shown,) = said("show", "s", "--json", "--store", store).records
    assert [f"{AGENTS}:hello"] == [ended["spec"]["agent"] for ended in shown["ended"]]


def test_json_is_one_record_a_line(store: str) -> None:
    """With --json every line of stdout is a record: the run, its frames, each segment's end, the end."""
    ran = said("run", agent("hello"), "ada", "--json", "--session", "s", "--store", store)
    assert ["run", "frame", "segment_end", "end"] == [record["type"] for record in ran.records]
    assert {"saw": "ada"} == ran.records[1]["data"]
    assert ("ready", "completed", {"said": "hello ada"}) == tuple(
        ran.records[-1][name] for name in ("state", "cause", "result")
    )


def test_json_keeps_what_the_agent_prints_out_of_the_data(store: str) -> None:
    """With --json what an agent prints goes to stderr."""
    ran = said("run", agent("prints"), "--json", "--session", "s", "--store", store)
    assert "end" == ran.records[-1]["type"]
    assert "printed by the agent" in ran.err


def test_input_is_text_unless_it_is_said_to_be_json(store: str) -> None:
    """INPUT is a text, also if it looks like JSON; --json-input makes it a value."""
    options = ("--json", "--session", "s", "--store", store)
    assert "[1]" == said("run", agent("hello"), "[1]", *options).records[1]["data"]["saw"]
    assert [1] == said("run", agent("hello"), "[1]", "--json-input", *options).records[1]["data"]["saw"]
    assert said("run", agent("hello"), *options).records[1]["data"]["saw"] is None


def test_a_dash_reads_the_input_from_stdin(store: str) -> None:
    """A long input comes through stdin."""
    ran = said("run", agent("hello"), "-", "--json", "--session", "s", "--store", store, given="größer".encode())
    assert "größer" == ran.records[1]["data"]["saw"]


def test_a_retry_with_the_same_key_tells_the_end_and_calls_nothing(store: str, tmp_path: Path) -> None:
    """A key names one run: the same command again replays its end, and says that it does."""
    words = (
        "run",
        agent("counts_its_calls"),
        str(tmp_path / "calls"),
        "--key",
        "k",
        "--session",
        "s",
        "--store",
        store,
    )
    first, second = said(*words), said(*words)
    assert [(0, "1\n"), (0, "1\n")] == [(ran.code, ran.out) for ran in (first, second)]
    already = "it has this key already; no other was started"
    assert [False, True] == [already in ran.err for ran in (first, second)]
    assert [True] == [record["joined"] for record in said(*words, "--json").records if record["type"] == "run"]


def test_a_key_of_other_content_is_refused(store: str, tmp_path: Path) -> None:
    """A key used for other input is wrong usage, and nothing runs."""
    options = ("--key", "k", "--session", "s", "--store", store)
    said("run", agent("counts_its_calls"), str(tmp_path / "calls"), *options)
    ran = said("run", agent("counts_its_calls"), str(tmp_path / "other"), *options)
    assert (2, "") == (ran.code, ran.out)
    assert "key k: " in ran.err
    assert not (tmp_path / "other").exists()


def full(store: str, begun: bool) -> None:
    """Leave a session whose queue is full behind a head that was executing, or is pending."""
    life = Life("s")
    life.start("r-0", agent=agent("hello"))
    for number in range(1, Policy().queue_max + 1):
        life.start(f"r-{number}", agent=agent("hello"))
    if begun:
        life.begin()
    with closing(SQLiteStore(store)) as kept:
        keep(kept, life)


@pytest.mark.parametrize("begun", [False, True])
def test_a_full_queue_behind_what_a_dead_process_left_is_taken_up(store: str, begun: bool) -> None:
    """A session is not refused for a queue that goes on once somebody takes it up."""
    full(store, begun)
    ran = said("run", agent("hello"), "ada", "--session", "s", "--store", store)
    assert "Recovered" in said("history", "s", "--store", store).out
    assert 0 == ran.code or "holds 32 runs" in ran.err
    again = said("run", agent("hello"), "ada", "--session", "s", "--store", store)
    assert 0 == again.code


@pytest.mark.parametrize("name", ["counts_its_calls", "parks"])
def test_a_retry_or_a_refusal_writes_nothing(store: str, tmp_path: Path, name: str) -> None:
    """A run that its key names already is told, ended or waiting, and other content is refused: no step is written."""
    options = ("--key", "k", "--session", "s", "--store", store)
    words = ("run", agent(name), str(tmp_path / "calls"), *options)
    first, before = said(*words), said("history", "s", "--store", store).out
    second = said(*words)
    assert first.code == second.code
    assert second.out
    assert first.out.endswith(second.out)
    assert 2 == said("run", agent(name), "other", *options).code
    assert before == said("history", "s", "--store", store).out


def test_a_refused_run_makes_no_file(store: str) -> None:
    """What is refused whatever the file holds leaves no file behind."""
    assert 2 == said("run", agent("hello"), "--key", "k" * 300, "--store", store).code
    assert not Path(store).exists()


def test_a_deadline_stops_the_run(store: str) -> None:
    """A run that takes longer than --deadline is stopped, which exits with 1 and says what to do."""
    ran = said("run", agent("works_for_ever"), "--deadline", "0.2", "--session", "s", "--store", store)
    assert 1 == ran.code
    assert "stopped (deadline); give it more time with --deadline" in ran.err


def test_the_default_store_is_in_the_data_folder(tmp_path: Path) -> None:
    """Without --store the file is in the user's data folder, which is made; show finds it there."""
    env = {"XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}
    assert 0 == said("run", agent("hello"), "--session", "s", env=env).code
    assert 1 == len(list(tmp_path.rglob("lifecycle/runs.db")))
    assert "s" in said("show", env=env).out


@pytest.mark.parametrize("name", ["ü ñ 漢字", 'it\'s "quoted"', "a/b\\c", "-dash", "🙂", "x" * 256])
def test_any_printable_session_id_is_fine(store: str, name: str) -> None:
    """Spaces, quotes, slashes, dashes and any script may be in a session id."""
    assert 0 == said("run", agent("hello"), f"--session={name}", "--store", store).code
    (shown,) = said("show", "--json", "--store", store).records
    assert name == shown["id"]
    assert 0 == said("history", "--store", store, "--", name).code


def test_colours_are_for_terminals(store: str) -> None:
    """Without a terminal no escape sequence is written."""
    for words in (("run", agent("hello"), "--session", "s"), ("run", agent("raises"), "--session", "s"), ("show",)):
        ran = said(*words, "--store", store)
        assert "\x1b" not in ran.out + ran.err


def test_what_would_move_a_cursor_is_written_as_an_escape(store: str) -> None:
    """Frames and failures of an agent cannot steer a terminal, and a message stays one line."""
    ran = said("run", agent("rude"), "--session", "s", "--store", store)
    shown = said("show", "s", "--store", store)
    assert 1 == ran.code
    assert "red \\x1b[31m bell \\x07 turned \\u202e end\n" == ran.out
    assert "ValueError: \\x1b[2Jgone\\nsecond line" in ran.err
    assert "\x1b" not in ran.out + ran.err + shown.out


def test_a_reader_who_leaves_ends_the_run(store: str) -> None:
    """When stdout is closed the run is aborted, without a traceback."""
    words = [*COMMAND, "run", agent("works_for_ever"), "--session", "s", "--store", store]
    reads, writes = os.pipe()
    os.close(reads)
    ran = subprocess.run(words, stdout=writes, stderr=subprocess.PIPE, env=environment(), timeout=60)
    os.close(writes)
    assert 1 == ran.returncode
    assert b"Traceback" not in ran.stderr
    (shown,) = said("show", "s", "--json", "--store", store).records
    assert [("interrupted", "aborted")] == [(ended["state"], ended["cause"]) for ended in shown["ended"]]


def test_a_signal_of_the_system_shuts_down_in_order(store: str) -> None:
    """SIGTERM ends the run as shut down, and says so."""
    with piped("run", agent("works_for_ever"), "--session", "s", "--store", store) as running:
        running.until("working")
        running.interrupt(signal.SIGTERM)
        running.until("interrupted (shutdown)")
        assert 1 == running.end()


def test_a_killed_run_is_interrupted_by_the_next_process(store: str) -> None:
    """Killed at work, a run ends as crashed when the next command takes its session up."""
    with piped("run", agent("works_for_ever"), "--key", "k", "--session", "s", "--store", store) as running:
        running.until("working")
        running.process.kill()
        running.end()
    assert "running" == said("show", "--json", "--store", store).records[0]["state"]
    ran = said("run", agent("works_for_ever"), "--key", "k", "--session", "s", "--store", store)
    assert 1 == ran.code
    assert "interrupted (crashed)" in ran.err


def test_a_killed_run_runs_again_if_that_was_asked_for(store: str) -> None:
    """With --on-crash rerun the same command takes the run up at its second attempt."""
    words = ("run", agent("first_waits_then_counts"), "--key", "k", "--on-crash", "rerun", "--session", "s")
    with piped(*words, "--store", store) as running:
        running.until("attempt: 1")
        running.process.kill()
        running.end()
    ran = said(*words, "--store", store)
    assert (0, "attempt: 2\n2\n") == (ran.code, ran.out)


def test_a_run_leaves_other_sessions_alone(store: str) -> None:
    """A command takes up its own session only: what was left in another one stays for whoever takes that up."""
    with piped("run", agent("works_for_ever"), "--session", "a", "--store", store) as running:
        running.until("working")
        running.process.kill()
        running.end()
    before = said("history", "a", "--json", "--store", store).out
    assert 0 == said("run", agent("hello"), "--session", "b", "--store", store).code
    assert before == said("history", "a", "--json", "--store", store).out


def test_without_a_terminal_a_parked_run_is_left_waiting(store: str) -> None:
    """A run that parks exits with 3, its question and the commands that answer it on stdout."""
    ran = said("run", agent("parks"), "--session", "my session", "--store", store)
    assert 3 == ran.code
    lines = [line.strip() for line in ran.out.splitlines()]
    assert "? Go on?" in lines
    (line,) = [line for line in lines if line.endswith("go approve")]
    assert line.startswith(f"lifecycle decide --store {store} --digest ")
    assert "'my session'" in line


def test_without_a_terminal_a_question_in_place_ends_the_run(store: str) -> None:
    """Nobody can answer, nothing would survive: the run is shut down, and the message says that parking survives."""
    ran = said("run", agent("asks_in_place"), "--session", "s", "--store", store)
    assert 1 == ran.code
    assert "an agent that returns Park(...) survives" in ran.err
    assert "interrupted (shutdown)" in ran.err
    assert "lifecycle decide" not in ran.out


def test_a_run_behind_a_waiting_one_is_queued_and_says_so(store: str) -> None:
    """Without a terminal a new run waits behind a parked one; the answer to that carries both on."""
    said("run", agent("parks"), "--session", "s", "--store", store)
    behind = said("run", agent("hello"), "ada", "--json", "--session", "s", "--store", store)
    assert 3 == behind.code
    assert "queued behind run" in behind.err
    (request,) = behind.records[-1]["requests"]
    decided = said("decide", "s", behind.records[-1]["run"], request["id"], "approve", "--store", store)
    assert 0 == decided.code
    assert "hello ada" in decided.out


def test_a_task_that_the_agent_left_does_not_hold_the_process(store: str) -> None:
    """A task that swallows being cancelled outlives neither the run nor the process."""
    ran = said("run", agent("leaves_a_task"), "--session", "s", "--store", store)
    assert (0, "done\n") == (ran.code, ran.out[-5:])


def test_frames_after_the_end_are_dropped_and_counted(store: str) -> None:
    """A frame that comes too late is not written, and the number of them is said."""
    ran = said("run", agent("emits_late"), "--deadline", "0.2", "--session", "s", "--store", store)
    assert (1, "working\n") == (ran.code, ran.out)
    assert "1 frame(s) came after the end of the run; they were dropped" in ran.err


def test_the_version_is_that_of_the_distribution() -> None:
    """--version tells what is installed."""
    ran = said("--version")
    assert 0 == ran.code
    assert ran.out.startswith("lifecycle, version ")


@pytest.mark.parametrize("command", lifecycle.commands)
def test_help_has_an_example(command: str) -> None:
    """Each command's help ends with an example of it."""
    ran = said(command, "--help")
    assert 0 == ran.code
    assert f"Example: lifecycle {command} " in " ".join(ran.out.split())


def test_the_package_is_the_command() -> None:
    """``python -m lifecycle`` does what ``lifecycle`` does."""
    words = [sys.executable, "-m", "lifecycle", "--help"]
    ran = subprocess.run(words, capture_output=True, env=environment(), timeout=60, text=True)
    assert (0, said("--help").out) == (ran.returncode, ran.stdout)


def test_keys_keep_the_order_of_the_agent(store: str) -> None:
    """Frames and results are written as the agent made them."""
    ran = said("run", agent("orders_its_keys"), "--session", "s", "--store", store)
    assert 'z: 1 · a: 2\n{\n  "y": 1,\n  "b": 2\n}\n' == ran.out


def test_one_death_is_not_told_as_several(store: str) -> None:
    """With --on-crash error the first death of the process ends the run, and no more is said."""
    words = ("run", agent("works_for_ever"), "--key", "k", "--on-crash", "error", "--session", "s", "--store", store)
    with piped(*words) as running:
        running.until("working")
        running.process.kill()
        running.end()
    ran = said(*words)
    assert 1 == ran.code
    assert "error (crashed_out); its process died while its code was at work; find out why" in ran.err


@pytest.mark.parametrize("missing", ["click", "rich", "msgspec"])
def test_a_missing_extra_is_named_with_what_installs_it(missing: str) -> None:
    """Without its extra the command says in one sentence how to install it."""
    code = f"import sys; sys.modules[{missing!r}] = None; from lifecycle.cli import main; sys.exit(main(['--version']))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), timeout=60, text=True)
    assert (2, f"lifecycle: {missing} is not installed; pip install agent-lifecycle[cli]\n") == (
        ran.returncode,
        ran.stderr,
    )


def test_json_of_a_waiting_run_has_the_commands(store: str) -> None:
    """A program finds each open request with its arguments, its digest and the commands that answer it."""
    ran = said("run", agent("parks"), "--json", "--session", "s", "--store", store)
    waiting = json.loads(ran.out.splitlines()[-1])
    (request,) = waiting["requests"]
    assert ("waiting", False, "go", "approval", {"n": 1}) == (
        waiting["type"],
        waiting["in_place"],
        request["id"],
        request["kind"],
        request["body"]["args"],
    )
    assert ["approve", "reject-and-continue", "reject"] == [line.split()[-1] for line in request["decide"]]
