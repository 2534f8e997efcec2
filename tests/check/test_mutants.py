"""Every rule is needed: a kernel without it is found out, and the story of each seed bug reads like its report."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import pytest

from lifecycle.check import BY_HAND, EQUIVALENT, SEEDS, Killed, Mutant, every_mutant, hunting, kill, mutant, replay
from lifecycle.check.configuration import configuration
from lifecycle.check.hunting import Hunter, Hunters, hunt, serve
from lifecycle.errors import Invalid
from lifecycle.kernel import KERNEL
from lifecycle.machines import MACHINES
from tests.docs.test_generated import loaded

STORIES = {
    "ended-run-stays-active": ("ended-is-not-advertised", ("ada starts r1", "the head is reported complete")),
    "run-without-controller": ("registered-before-ack", ("ada starts r1",)),
    "one-shot-orphan-timer": ("orphans-are-reaped", ("ada starts r1", "the orphan timer fires")),
    "session-without-its-head": (
        "session-wears-head",
        ("ada starts r1", "the runtime begins what is offered", "the code of r1 asks q1"),
    ),
    "paused-stream-never-ends": (
        "one-end-per-segment",
        ("ada starts r1", "the runtime begins what is offered", "the code of r1 asks q1"),
    ),
}
"""How each seed bug is told: the rule it breaks, and the moves."""


@pytest.mark.parametrize("seed", SEEDS, ids=lambda one: one.name)
def test_seed_bug_is_found_again(seed: Mutant) -> None:
    """Given the kernel without the rule, when it is checked, then the shortest story is that of the report."""
    example = kill(seed).counterexample
    assert example is not None
    assert (example.property, example.moves) == STORIES[seed.name]
    assert example.faults == 0


@pytest.mark.parametrize("seed", SEEDS, ids=lambda one: one.name)
def test_story_of_a_seed_bug_is_real(seed: Mutant) -> None:
    """Given the story, when it is lived with real times and tokens, then the mutant breaks the rule at its last move.

    Lived by the shipped kernel, the same moves break none.
    """
    example = kill(seed).counterexample
    assert example is not None
    config = configuration(example.configuration)
    assert [one.broken for one in replay(config, example.moves, seed.make())][-1] == example.property
    assert {one.broken for one in replay(config, example.moves)} == {None}


@pytest.fixture(scope="module")
def killed() -> list[Killed]:
    """Hunt every mutant once, side by side."""
    return list(hunt(every_mutant(), processes=2))


def test_every_mutant_is_killed_or_equivalent(killed: list[Killed]) -> None:
    """Given each mutant of the written rule and each by hand, then it is found out, or said to be no change at all."""
    assert {one.mutant for one in killed if one.counterexample is None} == set(EQUIVALENT)


def test_the_page_of_mutants_is_fresh(killed: list[Killed]) -> None:
    """Given what was found, then the reference says so, mutant by mutant."""
    generator = loaded("docs/reference/mutants.py")
    assert generator.page(killed) == generator.PAGE.read_text("utf-8"), "stale: run make diagrams"


# -- side by side -----------------------------------------------------------------------------------------------------

FIRST = every_mutant()[:4]
ONE_WORLD = (configuration("expiry"),)


def found_out(killed: Iterable[Killed]) -> list[tuple[str, object]]:
    """Return what was found, without how long that took."""
    return [(one.mutant, one.counterexample) for one in killed]


def test_hunt_side_by_side_finds_the_same_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given mutants, when two processes hunt them, then what is found, and its order, is as one process finds it."""
    monkeypatch.setattr(hunting, "WORTH", 2)
    alone = found_out(hunt(FIRST, ONE_WORLD, processes=1))
    assert [one.name for one in FIRST] == [name for name, _ in alone]
    assert alone == found_out(hunt(FIRST, ONE_WORLD, processes=2))


def test_hunt_of_few_or_of_unknown_mutants_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given few mutants, or one that has no name elsewhere, then no other process is started."""
    monkeypatch.setattr(hunting, "Hunter", None)
    assert 4 == len(list(hunt(FIRST, ONE_WORLD, processes=2)))
    monkeypatch.setattr(hunting, "WORTH", 1)
    harmless = Mutant("harmless", "nothing at all", lambda: KERNEL)
    assert [("harmless", None)] == found_out(hunt([harmless], ONE_WORLD, processes=2))


def test_hunt_that_nobody_goes_on_with_ends_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a hunt side by side, when whoever asked stops asking, then no process of it is left."""
    started: list[Hunter] = []

    class Noted(Hunter):
        def __init__(self) -> None:
            super().__init__()
            started.append(self)

    monkeypatch.setattr(hunting, "WORTH", 2)
    monkeypatch.setattr(hunting, "Hunter", Noted)
    hunted = hunt(FIRST, ONE_WORLD, processes=2)
    assert FIRST[0].name == next(hunted).mutant
    hunted.close()
    assert started
    assert None not in [one.process.poll() for one in started]


def test_hunter_that_has_ended_is_an_error() -> None:
    """Given a process that ended before its time, when a mutant is to be hunted by it, then the error says so."""
    hunter = Hunter()
    hunter.process.kill()
    hunter.process.wait()
    with pytest.raises(Invalid, match=r"^mutant x: the process that hunted it has ended; try again$"):
        hunter.kill("x", ONE_WORLD)
    hunter.end()


def test_hunter_takes_no_file_of_the_folder_for_a_module_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Given files here that are called as modules of Python are, when a mutant is hunted, then none is imported."""
    for name in ("random", "queue"):
        (tmp_path / f"{name}.py").write_text("raise OSError('not this one')\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    hunter = Hunter()
    try:
        assert FIRST[0].name == hunter.kill(FIRST[0].name, ONE_WORLD).mutant
    finally:
        hunter.end()
    assert "" == capfd.readouterr().err


def test_what_is_printed_in_a_hunter_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given something that prints in the process, and reads, when a mutant is hunted, then the answer is whole."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.write(1, b'loud')\nos.read(0, 9)\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    hunter = Hunter()
    try:
        assert FIRST[0].name == hunter.kill(FIRST[0].name, ONE_WORLD).mutant
    finally:
        hunter.end()


def test_hunt_that_has_ended_starts_no_process() -> None:
    """Given the end of a hunt, when a thread of it asks for its process, then there is none."""
    hunters = Hunters()
    hunters.end()
    with pytest.raises(Invalid, match=r"^hunt of mutants: has ended; begin another$"):
        hunters.mine()


def test_hunter_serves_until_there_are_no_more_orders() -> None:
    """Given orders, then each is answered in its turn, and after the last there is an end."""
    orders, answers = BytesIO(pickle.dumps((FIRST[0].name, ONE_WORLD, None))), BytesIO()
    serve(orders, answers)
    answers.seek(0)
    assert found_out([kill(FIRST[0], ONE_WORLD)]) == found_out([pickle.load(answers)])
    assert b"" == answers.read()


def test_mutants_are_those_of_every_declared_machine() -> None:
    """Given the tables, then there is a mutant for each row, edge item, hold and guard, and names are unique."""
    names = [one.name for one in every_mutant()]
    assert len(set(names)) == len(names)
    for machine in MACHINES:
        mine = [name for name in names if name.startswith(f"{machine.name}.")]
        edges = sum(len(row.edge) for row in machine.rows) + (0 if machine.birth is None else len(machine.birth.edge))
        holds = sum(len(state.holds) for state in machine.states)
        guards = sum(len(row.conditions) + len(row.unless) for row in machine.rows)
        assert len(mine) == 2 * len(machine.rows) + edges + holds + guards


def test_mutants_by_hand_say_what_they_do() -> None:
    """Given the mutants by hand, then each has a story, and each is another kernel."""
    assert all(one.story and not one.seed for one in BY_HAND)
    assert all(one.story and one.seed for one in SEEDS)


def test_unknown_mutant_is_refused_with_those_alike() -> None:
    """Given a name that is nearly one, then the error names it."""
    with pytest.raises(Invalid, match=r"use .*one-shot-orphan-timer"):
        mutant("one-shot-orphan")


def test_killing_tells_the_time() -> None:
    """Given a mutant, then what killed it and how long that took is told."""
    killed: Killed = kill(mutant("late-detach-obeyed"))
    assert killed.seconds > 0
    assert killed.counterexample is not None
    assert killed.counterexample.moves[-1] == "an old connection is noticed to be gone"
    assert killed.counterexample.faults == 1
