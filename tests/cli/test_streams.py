"""Standard streams that are closed or full: no traceback, nothing else written in their place, a plain exit code."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.driving import COMMAND, DEADLINE_SECONDS, Said, agent, environment, said, started

FULL = Path("/dev/full")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Name a store that is not there yet."""
    return str(tmp_path / "runs.db")


def without(streams: str, *words: str) -> Said:
    """Run the command with streams that its shell has closed, such as ``2>&-``, and return what it left elsewhere."""
    shell = ["sh", "-c", f'exec "$@" {streams}', "sh", *COMMAND, *words]
    ran = subprocess.run(
        shell, stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=DEADLINE_SECONDS
    )
    return Said(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


@pytest.fixture
def full() -> Iterator[int]:
    """Open a file that takes nothing."""
    if not FULL.exists():
        pytest.skip("this system has no /dev/full")
    file = os.open(FULL, os.O_WRONLY)
    yield file
    os.close(file)


def onto(out: int, err: int | None, tmp_path: Path, *words: str, **env: str) -> Said:
    """Run the command with its stdout, and perhaps its stderr, on an open file."""
    with open(os.devnull, "rb") as nothing, open(tmp_path / "err", "w+b") as said_there:
        err = said_there.fileno() if err is None else err
        code = started((nothing.fileno(), out, err), *words, env=env).wait(DEADLINE_SECONDS)
        said_there.seek(0)
        return Said(code, "", said_there.read().decode())


def end_of(store: str, session: str) -> dict[str, Any]:
    """Return how the last run of a session ended."""
    (shown,) = said("show", session, "--json", "--store", store).records
    ended: dict[str, Any] = shown["ended"][-1]
    return ended


FULL_STDOUT = "stdout: it cannot be written (No space left on device); write to another place\n"
CLOSED_STDOUT = "stdout: it cannot be written (Bad file descriptor); write to another place\n"


# -- stderr -----------------------------------------------------------------------------------------------------------


def test_without_stderr_only_the_words_are_lost(store: str) -> None:
    """Given no stderr, then a run that parks is left waiting, and its commands are on stdout."""
    ran = without("2>&-", "run", agent("parks"), "--session", "s", "--store", store)
    assert (3, "") == (ran.code, ran.err)
    assert "lifecycle decide" in ran.out


def test_without_stderr_the_exit_code_is_said_all_the_same(store: str) -> None:
    """Given no stderr, then what would be a sentence is an exit code, and nothing is written anywhere."""
    assert Said(2, "", "") == without("2>&-", "show", "--store", store)
    assert Said(1, "", "") == without("<&- >&- 2>&-", "run", agent("hello"), "--store", store)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_stderr_loses_only_the_words(store: str, full: int, tmp_path: Path, unbuffered: str) -> None:
    """Given a stderr that takes nothing, then a run is done, and what is wrong still has its exit code."""
    with open(tmp_path / "out", "wb") as out:
        for code, words in ((0, ("run", agent("hello"))), (2, ("--debug", "run", "nowhere:agent"))):
            ran = onto(out.fileno(), full, tmp_path, *words, "--store", store, PYTHONUNBUFFERED=unbuffered)
            assert code == ran.code
    assert "hello" in (tmp_path / "out").read_text("utf-8")


# -- stdout -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_stdout_that_cannot_be_written_aborts_the_run(
    store: str, full: int, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Given a full or a missing stdout, then the run is aborted and told why, as if its reader had left."""
    words = ("run", agent("works_for_ever"), *options, "--store", store)
    for session, sentence, ran in (
        ("full", FULL_STDOUT, onto(full, None, tmp_path, *words, "--session", "full")),
        ("closed", CLOSED_STDOUT, without(">&-", *words, "--session", "closed")),
    ):
        assert (1, "") == (ran.code, ran.out)
        assert ran.err.endswith(sentence)
        assert "Traceback" not in ran.err
        end = end_of(store, session)
        assert ("interrupted", "aborted") == (end["state"], end["cause"])
        assert "stdout: it cannot be written" in end["text"]


READERS = {
    "show": ("show",),
    "json": ("show", "--json"),
    "history": ("history", "s"),
    "help": ("show", "--help"),
    "version": ("--version",),
    "check": ("check", "--list"),
}


@pytest.mark.parametrize("name", READERS)
def test_what_cannot_be_written_to_stdout_is_one_sentence(store: str, full: int, tmp_path: Path, name: str) -> None:
    """Given a full stdout, then one sentence says why nothing came, with exit code 1."""
    said("run", agent("hello"), "--session", "s", "--store", store)
    words = READERS[name] + (("--store", store) if name in ("show", "json", "history") else ())
    assert Said(1, "", FULL_STDOUT) == onto(full, None, tmp_path, *words)


@pytest.mark.parametrize("words", [("show",), ("show", "--help")], ids=["show", "help"])
def test_what_cannot_be_written_is_said_however_it_is_buffered(
    store: str, full: int, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Given a stdout without a buffer, or none at all, then it is one sentence all the same."""
    said("run", agent("hello"), "--session", "s", "--store", store)
    words = (*words, "--store", store)
    assert Said(1, "", FULL_STDOUT) == onto(full, None, tmp_path, *words, PYTHONUNBUFFERED="1")
    assert Said(1, "", CLOSED_STDOUT) == without(">&-", *words)


def test_what_an_agent_prints_counts_as_well(store: str, full: int, tmp_path: Path) -> None:
    """Given an agent that only prints, when that cannot be written, then the command says so itself, and is not done."""
    path = tmp_path / "prints.py"
    path.write_text("def agent(run):\n    print('something')\n", encoding="utf-8")
    ran = onto(full, None, tmp_path, "run", f"{path}:agent", "--session", "s", "--store", store)
    assert 1 == ran.code
    assert ran.err.endswith(FULL_STDOUT)
    assert "Exception ignored" not in ran.err
    assert "ready" == end_of(store, "s")["state"]


# -- stdin ------------------------------------------------------------------------------------------------------------


def test_a_missing_stdin_is_no_input(store: str) -> None:
    """Given no stdin, when the input is to be read from it, then one sentence says so and no run is admitted."""
    ran = without("<&-", "run", agent("hello"), "-", "--store", store)
    told = "input: stdin cannot be read (Bad file descriptor); give it one, or type the input itself\n"
    assert Said(2, "", told) == ran
    assert not Path(store).exists()


def test_exploring_ends_where_nothing_can_be_typed() -> None:
    """Given no stdin, when a world is to be gone through by hand, then that is the end of input."""
    ran = without("<&-", "check", "--step")
    assert 0 == ran.code
    assert "Traceback" not in ran.err


# -- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_while_the_command_is_imported_is_silent(tmp_path: Path) -> None:
    """Given Ctrl-C before the command knows what is asked, then it ends with 130 and without a word."""
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8")
    place = environment()["PYTHONPATH"]
    ran = said("show", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{place}"})
    assert Said(130, "", "") == ran
