"""``lifecycle check``: verdicts for people and tools, stories, worlds gone through by hand, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lifecycle.check import (
    EQUIVALENT,
    SEEDS,
    Killed,
    Mutant,
    Stepper,
    configuration,
    hunting,
    kill,
    mutant,
    verdict,
)
from lifecycle.check import check as checked
from lifecycle.check.mutants import Changed, altered
from lifecycle.cli import assuming, mutating, verdicts
from lifecycle.cli.command import call
from lifecycle.kernel import KERNEL, Step
from lifecycle.kernel.inputs import Checkpointed, Input
from lifecycle.kernel.values import Session
from tests.cli.driving import Said, at_a_terminal, environment, piped, said

Command = Callable[..., Said]


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Give the command, called in this process."""

    def run(*words: str) -> Said:
        code = call(["check", *words])
        wrote = capfd.readouterr()
        return Said(code, wrote.out, wrote.err)

    yield run


@pytest.fixture
def one_shot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel that is checked be one with a bug."""
    monkeypatch.setattr(verdicts, "KERNEL", mutant("one-shot-orphan-timer").make())


# -- the verdict ------------------------------------------------------------------------------------------------------


def test_small_worlds_are_proved(check: Command, tmp_path: Path) -> None:
    """Given nothing else, then every rule is proved, with the sizes and bounds that it is proved for."""
    ran = check("--junit", str(tmp_path / "check.xml"))
    assert (0, "") == (ran.code, ran.err)
    lines = ran.out.splitlines()
    assert lines[0].split() == ["configuration", "states", "transitions", "seconds", "bounds"]
    assert any(line.startswith("crashes ") and "any number of crashes and losses" in line for line in lines)
    assert any(line.split()[:2] == ["decide-once", "PROVED"] for line in lines)
    assert lines[-1].startswith("PROVED (in 9 worlds with ")
    suite = ET.parse(tmp_path / "check.xml").getroot()
    assert ("testsuite", "0", "0") == (suite.tag, suite.get("failures"), suite.get("errors"))
    assert int(suite.get("tests") or 0) == len(suite.findall("testcase")) > 20


def test_one_world_says_what_it_says_nothing_about(check: Command) -> None:
    """Given one world only, then what it does not reach is undetermined, by name, and the command exits with 3."""
    ran = check("--configuration", "expiry")
    assert 3 == ran.code
    assert "\nUNDETERMINED (1 run, 2 questions, no clients, any number of repeated or late inputs)\n" in ran.out
    assert "  no state or step reached its premise: " in ran.out
    assert "  not reached in these worlds: row run.starting.promote, " in ran.out


def test_limit_proves_nothing(check: Command) -> None:
    """Given a limit below the number of states, then nothing is proved and it is said why."""
    ran = check("--configuration", "queue", "--limit-states", "20")
    assert 3 == ran.code
    assert "queue          more than " in ran.out
    assert "  the search was cut short: total, " in ran.out


def test_verdicts_are_json_lines(check: Command) -> None:
    """Given --json, then each world, each property and the whole is a record of its own."""
    ran = check("--json", "--configuration", "expiry")
    kinds = [one["kind"] for one in ran.records]
    assert ["configuration", "property", "verdict"] == list(dict.fromkeys(kinds))
    assert ("UNDETERMINED", True) == (ran.records[-1]["verdict"], bool(ran.records[-1]["unreached"]))


def test_bug_is_refuted_with_its_story(check: Command, one_shot: None, tmp_path: Path) -> None:
    """Given a kernel with a bug, then it is refuted: the story is told, and written as a test and as JUnit."""
    files = ("--pytest", str(tmp_path / "test_it.py"), "--junit", str(tmp_path / "it.xml"))
    ran = check("--configuration", "conversation", *files)
    assert 1 == ran.code
    assert "\nREFUTED (1 run, 1 question, 1 client, " in ran.out
    assert "\norphans-are-reaped is broken\n" in ran.out
    assert "   2. the orphan timer fires\n        orphan timer is over\n     ✗ breaks orphans-are-reaped\n" in ran.out
    assert "test_it.py is written; run it with python -m pytest " in ran.err
    assert '"the orphan timer fires"' in (tmp_path / "test_it.py").read_text("utf-8")
    failures = ET.parse(tmp_path / "it.xml").getroot().findall("testcase/failure")
    assert any("2. the orphan timer fires" in (one.text or "") for one in failures)


def test_bug_is_json_and_picture(check: Command, one_shot: None) -> None:
    """Given a kernel with a bug, then --json has the counterexample, and --mermaid draws nothing but it."""
    ran = check("--configuration", "conversation", "--json")
    found = [one["counterexample"] for one in ran.records if one.get("verdict") == "REFUTED" and "name" in one]
    assert ["ada starts r1", "the orphan timer fires"] in [one["moves"] for one in found]
    drawn = check("--configuration", "conversation", "--mermaid")
    assert drawn.out.startswith("sequenceDiagram\n    title orphans-are-reaped is broken\n")
    assert "PROVED" not in drawn.out


# -- mutants ----------------------------------------------------------------------------------------------------------


def test_one_mutant_is_told_and_written(check: Command, tmp_path: Path) -> None:
    """Given --without, then the mutant's story is told, the command exits with 1, and the file is green here."""
    path = tmp_path / "test_seed.py"
    ran = check("--without", "session-without-its-head", "--pytest", str(path))
    assert 1 == ran.code
    assert "session-wears-head is broken by session-without-its-head\n" in ran.out
    assert "REFUTED (1 run, 1 question, " in ran.err
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path.name]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert (0, True) == (done.returncode, "2 passed" in done.stdout), done.stdout


def test_mutant_of_what_workers_share_is_told_in_every_form(check: Command, tmp_path: Path) -> None:
    """Given a mutant of a store's decision, then it is told as text and JSON, drawn, and written as a test."""
    words = ("--without", "epoch-not-counted")
    ran = check(*words, "--pytest", str(tmp_path / "test_it.py"))
    assert 1 == ran.code
    assert "one-holder is broken by epoch-not-counted\n" in ran.out
    assert "REFUTED (2 workers at a time, 1 session, 1 run, any number of deaths and stalls)" in ran.err
    assert ' recovers the session",' in (tmp_path / "test_it.py").read_text("utf-8")
    (found,) = check(*words, "--json").records
    assert ("mutant", "one-holder", "workers") == (found["kind"], found["property"], found["configuration"])
    assert "    participant w1 as worker w1\n" in check(*words, "--mermaid").out
    alone = check(*words, "--configuration", "queue")
    assert (3, True) == (alone.code, "explore others with --configuration" in alone.err)


def test_equivalent_mutant_is_named_with_its_reason(check: Command) -> None:
    """Given a mutant that no step can tell from the shipped kernel, then the reason is given, and nothing is wrong."""
    name = next(name for name in EQUIVALENT if name.startswith("controller"))
    ran = check("--without", name)
    assert (0, f"{name} is equivalent to the shipped kernel: {EQUIVALENT[name]}\n") == (ran.code, ran.out)


def test_survivor_is_undetermined(check: Command) -> None:
    """Given a mutant that a world cannot notice, then nothing is proved by it, and it is said what to do."""
    ran = check("--without", "answers-not-handed", "--configuration", "queue", "--json")
    assert (3, "UNDETERMINED") == (ran.code, ran.records[0]["verdict"])
    assert "no property of these worlds notices it; explore others with --configuration" in ran.err


def test_seeds_are_found_again(check: Command) -> None:
    """Given --seeds, then the five bugs are found, each with its story."""
    ran = check("--seeds")
    assert (0, "5 of 5 seed bugs are found out again, as all must be\n") == (ran.code, ran.err)
    assert [seed.name for seed in SEEDS] == [
        line.rpartition(" ")[2] for line in ran.out.splitlines() if " is broken by " in line
    ]


NAMED = ("ended-run-stays-active", "controller.registered.evict: no row")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be few mutants."""
    monkeypatch.setattr(mutating, "every_mutant", lambda: tuple(map(mutant, NAMED)))


@pytest.mark.usefixtures("few")
def test_mutants_are_listed_with_what_found_them_out(check: Command) -> None:
    """Given --mutants, then each has its property, moves and seconds; the equivalent ones have their reasons."""
    ran = check("--mutants", "--configuration", "conversation")
    assert (0, "2 of 2 mutants: 1 found out, 1 equivalent, 0 survived\n") == (ran.code, ran.err)
    head, killed, left = ran.out.splitlines()[:3]
    assert ["mutant", "found", "out", "by", "moves", "faults", "seconds"] == head.split()
    assert [NAMED[0], "ended-is-not-advertised", "2", "0"] == killed.split()[:4]
    assert "equivalent" in left
    assert ran.out.endswith(f"\nequivalent: {NAMED[1]}: {EQUIVALENT[NAMED[1]]}\n")
    assert [True, False] == [one["counterexample"] is not None for one in check("--mutants", "--json").records]


def test_survivor_among_mutants_is_named(check: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a mutant that is no change and not said to be, then it survives, by name, and the command exits with 1."""
    harmless = Mutant("harmless", "nothing at all", lambda: KERNEL)
    monkeypatch.setattr(mutating, "every_mutant", lambda: (harmless,))
    ran = check("--mutants", "--configuration", "expiry")
    assert (1, "1 of 1 mutants: 0 found out, 0 equivalent, 1 survived\n") == (ran.code, ran.err)
    assert "\nsurvived: harmless: no property notices it\n" in ran.out


def endless() -> Stepper:
    """Make a kernel that counts, where no rule looks, the checkpoints of a session: it has no end of states."""

    def count(session: Session | None, given: Input, now: int, step: Step) -> Step:
        after = step.session
        if after is None or after is session or not isinstance(given, Checkpointed):
            return step
        grace = after.policy.closing_grace_seconds + 1
        return altered(step, session=altered(after, policy=altered(after.policy, closing_grace_seconds=grace)))

    return Changed(count)


def test_mutant_without_an_end_is_undetermined(check: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a mutant whose states have no end, then the hunt ends at its limit, and says that it does not know."""
    counting = Mutant("counting", "no end of states", endless)
    monkeypatch.setattr(mutating, "mutant", lambda name: counting)
    monkeypatch.setattr(mutating, "every_mutant", lambda: (counting,))
    words = ("--configuration", "questions", "--limit-states", "700")
    ran = check("--without", "counting", "--json", *words)
    assert (3, "UNDETERMINED", False) == (ran.code, ran.records[0]["verdict"], ran.records[0]["complete"])
    assert ran.err.endswith(
        "counting: the search was cut short, and nothing it visited was wrong; raise --limit-states\n"
    )
    ran = check("--mutants", *words)
    assert (3, "1 of 1 mutants: 0 found out, 0 equivalent, 0 survived, 1 cut short\n") == (ran.code, ran.err)
    assert "\ncut short: counting: the search was cut short" in ran.out


def test_hunt_ends_without_being_told_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no limit, then a hunt has one of its own, which every small world fits into."""
    assert all(one.states < verdict.HUNT_MAX for one in checked().sizes)
    monkeypatch.setattr(verdict, "HUNT_MAX", 700)
    found = kill(Mutant("counting", "no end of states", endless), (configuration("questions"),))
    assert (None, False) == (found.counterexample, found.complete)


# -- assumptions, names -----------------------------------------------------------------------------------------------


def test_promises_are_shown_with_what_they_rest_on(check: Command) -> None:
    """Given --assumptions, then each promise has those without which it is broken, and those it never needs."""
    ran = check("--assumptions", "--configuration", "clients")
    assert (0, "PROVED: with all assumptions, every promise is kept\n") == (ran.code, ran.err)
    reaped = ran.out.partition("orphans-are-reaped: ")[2].splitlines()
    rests_on = (
        "detach: a dropped connection is noticed",
        "restart: after a crash ",
        "timer orphan: the orphan timer fires",
    )
    assert all(one in line for one, line in zip(rests_on, reaped, strict=False))
    records = check("--assumptions", "--configuration", "clients", "--json").records
    assert {one["holds"] for one in records if one["assumption"] is None} == {True}


def test_promises_of_workers_are_shown_with_what_they_rest_on(check: Command) -> None:
    """Given a world that workers share, then each promise rests on what a worker at work does, by its name."""
    ran = check("--assumptions", "--configuration", "workers")
    assert (0, "PROVED: with all assumptions, every promise is kept\n") == (ran.code, ran.err)
    assert "look w2: a worker that is at work looks up" in ran.out
    ran = check("--assumptions", "--configuration", "workers", "--limit-states", "100")
    assert (3, "UNDETERMINED: not every world was explored to its end\n") == (ran.code, ran.err)


def test_assumptions_of_what_was_cut_short_are_undetermined(check: Command) -> None:
    """Given a limit, then nothing is said of what promises rest on."""
    ran = check("--assumptions", "--configuration", "clients", "--limit-states", "10")
    assert (3, "UNDETERMINED: not every world was explored to its end\n") == (ran.code, ran.err)


def test_broken_promise_is_told_with_all_its_assumptions(check: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a kernel that breaks a promise, then no assumption is to blame."""
    monkeypatch.setattr(assuming, "KERNEL", mutant("detach-ignored").make())
    ran = check("--assumptions", "--configuration", "conversation")
    assert (1, True) == (ran.code, ran.err.startswith("REFUTED: with all assumptions, these promises are broken: "))


def test_names_are_listed(check: Command) -> None:
    """Given --list, then worlds, rules, promises and mutants are there by name."""
    ran = check("--list")
    assert 0 == ran.code
    for begins in ("clients ", "decide-once ", "queue-drains ", "one-shot-orphan-timer ", "run.running.ask: no row"):
        assert any(line.startswith(begins) for line in ran.out.splitlines())
    assert {"configuration", "rule", "promise", "mutant"} == {one["kind"] for one in check("--list", "--json").records}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("--configuration", "nowhere"),
            "configuration nowhere: there is none of that name; use one of conversation, ",
        ),
        (("--without", "one-shot"), "mutant one-shot: there is none of that name; use one of one-shot-orphan-timer"),
        (("--mutants", "--seeds"), "--mutants and --seeds: each is a check of its own; give one of them"),
        (("--seeds", "--without", "x"), "--seeds and --without: each is a check of its own; give one of them"),
        (("a.py:b", "--step"), "TARGET and --step: each is a check of its own; give one of them"),
        (("a.py:b", "--configuration", "queue"), "--configuration and TARGET: they do not go together; leave one "),
        (("nowhere.py:it",), "target nowhere.py:it: "),
        (("--list", "--configuration", "queue"), "--configuration and --list: they do not go together; leave one "),
        (("--step", "--limit-states", "9"), "--limit-states and --step: they do not go together; leave one "),
        (("--json", "--mermaid"), "--json and --mermaid: they do not go together; leave one of them away"),
        (("--json", "--step"), "--json and --step: they do not go together; leave one of them away"),
        (
            ("--limit-states", "0"),
            "lifecycle check: Invalid value for '--limit-states': 0 is not in the range x>=1; see ",
        ),
        (("--junit", "/nowhere/at/all.xml"), "file /nowhere/at/all.xml: there is no such folder; make it, or name "),
        (
            ("--step", "--configuration", "queue", "--configuration", "expiry"),
            "--step: it goes through one world; give ",
        ),
    ],
)
def test_wrong_usage_is_one_sentence(check: Command, words: tuple[str, ...], line: str) -> None:
    """Given options that are wrong or do not go together, then that is said in one sentence, before any work."""
    ran = check(*words)
    assert (2, "") == (ran.code, ran.out)
    assert ran.err.startswith(line)
    assert 1 == len(ran.err.splitlines())


def test_file_that_cannot_be_written_is_said(check: Command, tmp_path: Path) -> None:
    """Given a file in whose place nothing can be written, then it is said why; without a story nothing is written."""
    path = tmp_path / "test_none.py"
    ran = check("--configuration", "expiry", "--pytest", str(path))
    assert f"file {path}: there is no counterexample; nothing was written\n" == ran.err
    assert not path.exists()
    long = tmp_path / ("x" * 300)
    ran = check("--without", "run-without-controller", "--pytest", str(long))
    assert (2, True) == (ran.code, "it cannot be written (File name too long); name another" in ran.err)


# -- by hand ----------------------------------------------------------------------------------------------------------


def test_states_are_gone_through_by_lines_from_a_pipe() -> None:
    """Given lines instead of a terminal, then moves are made by number and name, taken back and forked, to the end."""
    typed = "1\nfork\nada aborts r1\nundo\nlife 1\nlife 7\nthe code raises\n99\nhelp\n\nundo\nundo\n"
    ran = said("check", "--step", given=typed.encode())
    assert 0 == ran.code
    assert ran.out.startswith("no session yet\n   1. ada starts r1\n        run r1: (new) → starting\n")
    assert "life 2 of 2\n" in ran.out
    assert "        end of r1 published: interrupted (aborted)\n" in ran.out
    assert "  nothing more can happen\n" not in ran.out
    assert [
        "life 7: there are lives 1 to 2; type life N",
        "move 'the code raises': cannot happen now; see what is possible",
        "number 99: there are 15 moves; type one of their numbers",
        "undo: nothing has happened yet; make a move",
    ] == ran.err.splitlines()[1:]


def test_mutant_is_gone_through_by_hand() -> None:
    """Given --step with --without, then the step that breaks a rule says so."""
    typed = b"ada starts r1\nthe orphan timer fires\nquit\n1\n"
    ran = said("check", "--step", "--without", "one-shot-orphan-timer", given=typed)
    assert 0 == ran.code
    assert "        orphan timer is over\n     ✗ breaks orphans-are-reaped\n" in ran.out


def test_shared_world_is_gone_through_by_hand() -> None:
    """Given a world that workers share, then it is gone through as any other, and a broken rule is shown there."""
    typed = b"w1 comes\nw1 is asked for the session\nw1: ada starts r1\nfork\nw1 dies\nlife 1\nw2 come\nquit\n"
    ran = said("check", "--step", "--configuration", "workers", given=typed)
    assert 0 == ran.code
    assert ran.out.startswith("no session yet · held by nobody · w1 not there · w2 not there\n   1. w1 comes\n")
    assert "        the session is w1's, in the next epoch\n" in ran.out
    assert "w1 stalls past its lease (a fault)\n" in ran.out
    assert "        w1 is gone: its process has ended\n" in ran.out
    assert "move 'w2 come': cannot happen now; did you mean 'w2 comes'?" == ran.err.splitlines()[-1]
    mutated = ("--without", "late-heartbeat-ignored", "--configuration", "workers")
    broken = said("check", "--step", *mutated, given=b"w1 comes\nw1 stalls past its lease\nw1 beats again\n")
    assert "     ✗ breaks one-holder\n" in broken.out


def test_death_is_shown_by_hand() -> None:
    """Given a world with crashes, then it is shown that the process is gone, or owes hooks."""
    ran = said("check", "--step", "--configuration", "crashes", given=b"ada starts r1\nthe process dies\n")
    assert " · hooks are owed\n" in ran.out
    assert " · the process is gone, and owes hooks\n   1. the next process takes over\n" in ran.out


def test_terminal_asks_and_leaves() -> None:
    """Given a terminal, then there is a prompt, and Ctrl-D leaves."""
    with at_a_terminal("check", "--step") as terminal:
        terminal.until("> ")
        terminal.type("1\n")
        terminal.until("orphan timer armed")
        terminal.until("> ")
        terminal.type("\x04")
        assert 0 == terminal.end()


# -- how it ends ------------------------------------------------------------------------------------------------------


def test_interrupt_says_what_is_known() -> None:
    """Given a long search, when Ctrl-C comes, then what is known so far is said, undetermined, with exit code 3."""
    with at_a_terminal("check", "--configuration", "large") as terminal:
        terminal.until("large: ")
        terminal.interrupt()
        terminal.until("stopping with what is known so far; Ctrl-C again leaves at once")
        assert 3 == terminal.end()
        assert "interrupted: what was not explored by then is not known" in terminal.plain


@pytest.mark.usefixtures("few")
def test_interrupt_keeps_the_mutants_that_were_tried(check: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given mutants, when Ctrl-C comes after the first, then it is in the table, and the whole is undetermined."""

    def interrupted(broken: Mutant, configs: object, *, limit: int | None) -> Killed:
        signal.raise_signal(signal.SIGINT)
        return kill(broken)

    monkeypatch.setattr(hunting, "kill", interrupted)
    ran = check("--mutants")
    assert (3, True) == (ran.code, ran.out.splitlines()[1].startswith(f"{NAMED[0]} "))
    assert ran.err.endswith("1 of 2 mutants: 1 found out, 0 equivalent, 0 survived\n")


def test_second_interrupt_leaves_at_once() -> None:
    """Given a search that was asked to stop, when Ctrl-C comes again, then the process is gone."""
    code = (
        "import signal; from lifecycle.cli.watching import Watching; watch = Watching(None); "
        "watch.interrupt(2, None); watch.interrupt(2, None)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True)
    assert 130 == done.returncode


def test_progress_is_shown_only_on_a_terminal() -> None:
    """Given no terminal, then nothing moves a cursor, and stderr is empty."""
    with piped("check", "--configuration", "expiry") as run:
        assert 3 == run.end()
        assert "\x1b" not in run.text
    with at_a_terminal("check", "--configuration", "expiry") as terminal:
        assert 3 == terminal.end()
        assert "UNDETERMINED" in terminal.plain


def test_other_commands_do_not_load_the_checker() -> None:
    """Given the command, when it is loaded, then the checker is not: no other command waits for it."""
    code = (
        "import sys, json, lifecycle.cli.command; print(json.dumps([m for m in sys.modules if 'lifecycle.check' in m]))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert [] == json.loads(done.stdout)
