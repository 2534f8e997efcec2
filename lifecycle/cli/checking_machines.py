"""Checking a machine that somebody names: the target, the report, the exit code.

What lives here: from ``module:name`` to what is printed about it. What must not: how a machine is checked. The law of
this file: a machine whose steps are not the same in another process is refused, whatever was found about it here.

The name may be anything that ``check_machine`` takes; a ``Checked`` says which properties to judge as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from lifecycle.check.elsewhere import start
from lifecycle.check.findings import Found, MachineReport, Move
from lifecycle.check.machines import LIMIT, check_machine, facts, in_short, machine_in
from lifecycle.check.properties import Checked
from lifecycle.check.purity import Fact, refuse_elsewhere
from lifecycle.check.verdict import PROVED, REFUTED, UNDETERMINED
from lifecycle.cli.filing import Case, suite, writable, write_file
from lifecycle.cli.target import debug_traceback, is_path, named, parts
from lifecycle.cli.target import in_short as where_raised
from lifecycle.cli.watching import Watching, watching
from lifecycle.cli.writing import Output, on_one_line
from lifecycle.errors import Invalid, LifecycleError

EXIT_CODES = {PROVED: 0, REFUTED: 1, UNDETERMINED: 3}
BAD_INPUT = 2
REMEDY = "name a machine, a function that returns one, or a Checked(machine, ...)"

HASH_SEEDS = ("1", "2", "3", "4", "5", "6")
"""Under each, a process of its own makes the first steps again: sets have another order in it.

Always the same ones, and compared among each other: what they find out does not depend on the order that sets have here.
"""

SECONDS_MAX = 60

CODE = "import sys; from lifecycle.cli.checking_machines import tell_facts; tell_facts(int(sys.argv[1]), sys.argv[2])"


def check_target(target: str, *, as_json: bool, limit: int | None, junit: Path | None = None) -> int:
    """Check the machine that a target names, print what was found, and return the exit code.

    0 everything is proved, 1 something is refuted, 2 the target or a property is wrong, 3 something is undetermined.
    """
    with contextlib.redirect_stdout(sys.stdout):  # as JSON, what the machine itself prints is no data
        output = Output(as_json)
        try:
            writable(junit)
            started = time.perf_counter()
            with watching(output) as watch:
                report = report_on(target, LIMIT if limit is None else limit, watch)
            if junit is not None:
                write_file(junit, as_junit(target, report, time.perf_counter() - started))
        except LifecycleError as wrong:
            debug_traceback()
            output.say(on_one_line(str(wrong)), "red")
            return BAD_INPUT
        except BaseException as raised:  # nothing that the author's code raises may pass for a verdict
            debug_traceback()
            told = Invalid(
                f"target {target}", f"checking it raises {where_raised(raised)}", "let no code of it raise that"
            )
            output.say(on_one_line(str(told)), "red")
            return BAD_INPUT
        write(output, report)
        return EXIT_CODES[report.status]


def report_on(target: str, limit: int, watch: Watching) -> MachineReport:
    """Check the machine that a target names; refuse what is wrong with it.

    Ctrl-C is no exception here, so that one that the author's code raises is not taken for it.
    """
    checked = checked_at(target)
    report = check_machine(checked, limit=limit, progress=watch.states)
    if not watch.interrupted:
        try:
            refuse_unrepeatable(target, checked)
        except LifecycleError:
            if not watch.interrupted:  # a terminal interrupts the other processes as well
                raise
    return not_repeated(report) if watch.interrupted else report


def not_repeated(report: MachineReport) -> MachineReport:
    """Say of a report that it was interrupted: what is proved in it would have to be seen in other processes."""
    sentence = "in other processes, where sets have other orders, the same is done"
    missing = Found("is-repeatable", sentence, UNDETERMINED, why="interrupted before that was known")
    return attrs.evolve(report, verdicts=(*report.verdicts, missing))


# Finding what is named


def checked_at(target: str) -> Checked:
    """Return what a target names, with its properties; refuse what is no machine."""
    found = named(target, "machine", REMEDY)
    try:
        return checked_in(found)
    except Invalid as wrong:
        if wrong.subject != "machine":
            raise
        raise Invalid(f"target {target}", wrong.fact, REMEDY) from None


def checked_in(found: object) -> Checked:
    """Return a ``Checked``: what was found, what the function found returns, or what was found without properties."""
    if isinstance(found, Checked):
        return found
    value, model = machine_in(found, takes=Checked)
    if isinstance(value, Checked):
        return value
    return Checked(found) if callable(found) else Checked(value, model=model)


# Doing it again in another process


def refuse_unrepeatable(target: str, checked: Checked) -> None:
    """Make the first steps again in processes with other orders of sets, and refuse what differs."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        first, *others = pool.map(lambda seed: facts_elsewhere(target, seed), HASH_SEEDS)
    for there in (*others, facts(checked)):
        refuse_elsewhere(first, there)


def facts_elsewhere(target: str, seed: str) -> list[Fact]:
    """Return the first steps as another process makes them."""
    try:
        with tempfile.TemporaryFile() as answer:
            subprocess.run(
                **start(CODE, (answer.fileno(),), target, without=folders(target), PYTHONHASHSEED=seed),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=SECONDS_MAX,
                check=True,
            )
            answer.seek(0)
            return [fact_from(one) for one in json.load(answer)]
    except subprocess.CalledProcessError as failed:
        told = failed.stderr.strip().rpartition("\n")[2] or f"exit code {failed.returncode}"
        raise Invalid(
            f"target {target}", f"in another process it fails: {told}", "repair it, then check again"
        ) from None
    except ValueError:
        raise Invalid(f"target {target}", "another process left it half done", "let it not end the process") from None
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise Invalid(f"target {target}", f"no other process could run it: {in_short(failed)}", "try again") from None


def folders(target: str) -> list[str]:
    """Return the folders that are imported from because the target is: the other process puts them first by itself."""
    place, _ = parts(target, "machine")
    return [os.getcwd(), *([str(Path(place).expanduser().absolute().parent)] if is_path(place) else [])]


def tell_facts(file: int, target: str) -> None:
    """Write the first steps of a target to an open file; this is what the other process does."""
    with open(file, "w", encoding="utf-8") as told:
        json.dump([attrs.asdict(fact) for fact in facts(checked_at(target))], told)


def fact_from(read: dict[str, object]) -> Fact:
    """Return a fact as it was before it was written down."""
    pairs = read["asked"]
    assert isinstance(pairs, list)
    return Fact(**{**read, "asked": tuple((name, answer) for name, answer in pairs)})  # type: ignore[arg-type]


# Writing


def write(output: Output, report: MachineReport) -> None:
    """Write a report: lines for people, or one JSON object for each verdict and one for the whole."""
    output.text(str(report))
    for verdict in report.verdicts:
        output.data(**as_json_verdict(verdict))
    output.data(
        machine=report.machine,
        status=report.status,
        states=report.states,
        transitions=report.transitions,
        complete=report.complete,
        notes=list(report.notes),
    )


def as_junit(target: str, report: MachineReport, seconds: float) -> str:
    """Return a report as JUnit XML."""
    cases = [Case(one.name, one.sentence, one.status, one.why, "\n".join(one.lines())) for one in report.verdicts]
    covered = f"{'all' if report.complete else 'the first'} {report.states} situations, {report.transitions} steps"
    return suite(target, cases, {report.machine: covered}, seconds)


def as_json_verdict(verdict: Found) -> dict[str, object]:
    """Return a verdict as a JSON object."""
    told: dict[str, object] = {"property": verdict.name, "sentence": verdict.sentence, "status": verdict.status}
    if verdict.why:
        told["why"] = verdict.why
    if verdict.trace is not None:
        trace = verdict.trace
        told |= {"start": dict(trace.start), "moves": as_json_moves(trace.moves)}
        if trace.forever is not None:
            told["forever"] = as_json_moves(trace.forever)
    return told


def as_json_moves(moves: Sequence[Move]) -> list[dict[str, object]]:
    """Return the moves of a trace as JSON objects."""
    return [as_json_move(move) for move in moves]


def as_json_move(move: Move) -> dict[str, object]:
    """Return a move as a JSON object."""
    told: dict[str, object] = {"sent": move.sent, "changes": {name: list(pair) for name, pair in move.changes.items()}}
    return {**told, "raised": move.raised} if move.raised else told
