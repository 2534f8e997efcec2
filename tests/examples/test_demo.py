"""The demonstration: it ends well with a human and without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.driving import DEADLINE_SECONDS, Driven, environment
from tests.examples.loading import EXAMPLES

DEMO = (sys.executable, str(EXAMPLES / "demo.py"))
ASKED = "Ctrl-D leaves it for later"


def at_a_terminal() -> Driven:
    """Start it at a terminal of its own."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(DEMO, preexec_fn=lambda: os.login_tty(theirs), env=environment())
    os.close(theirs)
    return Driven(process, ours, ours)


def test_without_a_terminal_it_answers_by_the_printed_command() -> None:
    """It parks, prints how to answer, does exactly that in another process, and shows what came of it."""
    ran = subprocess.run(
        DEMO, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_SECONDS, env=environment()
    )
    assert 0 == ran.returncode
    decides = [line.strip().removeprefix("$ ") for line in ran.stdout.splitlines() if line.endswith("clean-up approve")]
    assert 2 == len(decides)
    assert 1 == len(set(decides))
    assert '"freed_bytes": 860000' in ran.stdout
    assert "running → ready (complete)" in ran.stdout


@pytest.mark.parametrize("typed", ["y", "n", "f"])
def test_on_a_terminal_the_human_is_asked(typed: str) -> None:
    """Whatever the human says, it ends well and shows what came of it."""
    with at_a_terminal() as running:
        running.until(ASKED)
        running.type(f"{typed}\n")
        if typed == "f":
            running.until("instead?")
            running.type("nothing\n")
        assert 0 == running.end()
        assert ('"freed_bytes": 860000' in running.text) == (typed == "y")
        assert "lifecycle history downloads" in running.text


def test_ctrl_c_at_the_question_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is the Stop: the run is aborted, which is shown and is a good end, and no folder is left behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with at_a_terminal() as running:
        running.until(ASKED)
        running.type("\x03")
        assert 0 == running.end()
        assert "Traceback" not in running.text
        assert "waiting_for_human → interrupted (abort)" in running.plain
    assert list(tmp_path.glob("lifecycle-demo-*")) == []


def test_a_second_ctrl_c_leaves_the_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that was left at once is not followed by another: one sentence, its exit code, and no folder is left behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    leaves = tmp_path / "lifecycle"
    leaves.write_text(f"#!{sys.executable}\nraise SystemExit(130)\n", "utf-8")
    leaves.chmod(0o755)
    code = f"import demo; demo.command = lambda: [{str(leaves)!r}]; raise SystemExit(demo.main())"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=EXAMPLES,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert (130, "") == (ran.returncode, ran.stderr)
    assert ran.stdout.endswith("\nLeft at once; nothing is kept.\n") and ran.stdout.count("$ lifecycle") == 1
    assert list(tmp_path.glob("lifecycle-demo-*")) == []


def test_left_for_later_it_decides_nothing() -> None:
    """A human who leaves the question open is not decided for, and what they may answer later is kept and named."""
    with at_a_terminal() as running:
        running.until(ASKED)
        running.type("\x04")
        assert 0 == running.end()
        assert "freed_bytes" not in running.text
        assert "waiting_for_human" in running.text
        kept = Path(running.plain.partition("Kept for your answer: ")[2].partition("\n")[0])
    assert (kept / "runs.db").is_file()
    shutil.rmtree(kept)
