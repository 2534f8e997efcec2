"""The command ``lifecycle check``: what can be typed.

What lives here: its options, and which of them go together. What must not: the checker, which is loaded when it is asked
for: no other command waits for it. The law of this file: one kind of check at a time.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from lifecycle.cli.drawing import form_of_life
from lifecycle.cli.options import debug_option, json_option
from lifecycle.cli.writing import Output
from lifecycle.errors import Invalid


@attrs.frozen
class Wanted:
    """What was asked for: which worlds, how far, and what is to be written."""

    configurations: tuple[str, ...] = ()
    limit: int | None = None
    without: str | None = None
    mermaid: bool = False
    pytest: Path | None = None
    junit: Path | None = None
    svg: Path | None = None


FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog="Example: lifecycle check --configuration queue --junit check.xml")
@click.argument("target", required=False)
@click.option("--configuration", "configurations", metavar="NAME", multiple=True,
              help="Explore this world; may be given several times. Default: every small one.")  # fmt: skip
@click.option("--limit-states", "limit", type=click.IntRange(1), metavar="N",
              help="Visit at most so many states of each world; what is cut short proves nothing.")  # fmt: skip
@click.option(
    "--assumptions", is_flag=True, help="Show on which assumption each promise rests, one withdrawn at a time."
)
@click.option("--mutants", is_flag=True, help="Break the kernel in every way, and show what finds each out.")
@click.option(
    "--seeds", is_flag=True, help="Find the five bugs again that this engine was made for: exit code 0 if all are."
)
@click.option("--without", metavar="NAME", help="Check the kernel of one mutant, and tell how it is found out.")
@click.option("--step", is_flag=True, help="Go through the states by hand; with --without, those of a mutant.")
@click.option("--list", "listing", is_flag=True, help="List worlds, properties and mutants by name.")
@click.option("--mermaid", is_flag=True, help="Tell counterexamples as Mermaid sequence diagrams.")
@click.option("--svg", type=FILE, metavar="FILE", help="Draw the counterexample over time; of several, the first.")
@click.option("--pytest", type=FILE, metavar="FILE", help="Write counterexamples as a file of tests.")
@click.option("--junit", type=FILE, metavar="FILE", help="Write the verdicts as JUnit XML.")
@json_option
@debug_option
def check(
    target: str | None,
    configurations: tuple[str, ...],
    limit: int | None,
    assumptions: bool,
    mutants: bool,
    seeds: bool,
    without: str | None,
    step: bool,
    listing: bool,
    mermaid: bool,
    svg: Path | None,
    pytest: Path | None,
    junit: Path | None,
    as_json: bool,
) -> int:
    """Prove the rules of the engine in every reachable state of small worlds, or show how one is broken.

    TARGET checks a machine of your own instead: module:name or path.py:name of a machine, of a function that returns
    one, or of a Checked with its properties.

    Exit codes: 0 proved, 1 refuted, 2 wrong usage, 3 undetermined: something was never reached, or cut short.
    """
    kinds = {"--assumptions": assumptions, "--mutants": mutants, "--seeds": seeds, "--list": listing, "--step": step}
    kind = one_of([*(["TARGET"] if target else []), *(name for name, given in kinds.items() if given)], without)
    wanted = Wanted(configurations, limit, without, mermaid, pytest, junit, svg)
    fitting(kind, wanted, as_json)
    if form_of_life(svg) == "png":
        from lifecycle.draw.raster import resvg

        resvg()  # what cannot be made is said before anything is explored
    if target is not None:
        from lifecycle.cli.checking_machines import check_target

        return check_target(target, as_json=as_json, limit=limit, junit=junit)
    from lifecycle.cli.kinds import CHECKS

    return CHECKS[kind](wanted, Output(as_json))


def one_of(kinds: list[str], without: str | None) -> str:
    """Return the kind of check that is asked for; refuse two at once."""
    if without is not None and kinds != ["--step"]:
        kinds = [*kinds, "--without"]
    if len(kinds) > 1:
        raise Invalid(f"{kinds[0]} and {kinds[1]}", "each is a check of its own", "give one of them")
    return kinds[0] if kinds else ""


TELLING = ("", "--seeds", "--without")
"""The kinds of check that tell counterexamples."""


def fitting(kind: str, wanted: Wanted, as_json: bool) -> None:
    """Refuse options that say nothing to the kind of check that is asked for."""
    senseless = {
        "--limit-states": wanted.limit is not None and kind in ("--list", "--step"),
        "--configuration": bool(wanted.configurations) and kind in ("TARGET", "--list"),
        "--mermaid": wanted.mermaid and kind not in TELLING,
        "--svg": wanted.svg is not None and kind not in TELLING,
        "--pytest": wanted.pytest is not None and kind not in TELLING,
        "--junit": wanted.junit is not None and kind not in ("", "TARGET"),
        "--json": as_json and (kind == "--step" or wanted.mermaid),
    }
    for name, given in senseless.items():
        if given:
            other = kind if kind and not (name == "--json" and wanted.mermaid) else "--mermaid"
            raise Invalid(f"{name} and {other}", "they do not go together", "leave one of them away")
