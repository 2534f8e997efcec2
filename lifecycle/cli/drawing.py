"""The command ``lifecycle draw``: what can be typed.

What lives here: its options, and which of them go together. What must not: pictures; what draws them is loaded when it is
asked for. The law of this file: a file is written whole or not at all.
"""

from __future__ import annotations

from pathlib import Path

import click

from lifecycle.cli.options import debug_option, store_option
from lifecycle.cli.writing import Output
from lifecycle.errors import Invalid

FORMATS = {"mermaid": ".mmd", "dot": ".dot", "svg": ".svg", "png": ".png", "table": ".md", "json": ".json"}
"""The formats, with the ends of file names that stand for them."""

LIVES = ("svg", "png")
"""Those in which a life is drawn."""

FOLDER = Path("diagrams")

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog="Example: lifecycle draw run --out run.svg")
@click.argument("target", required=False)
@click.option("--format", "kind", type=click.Choice(list(FORMATS)),
              help="Default: what the name of --out ends in, else mermaid.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="PATH",
              help="Write to this file. Default: stdout. Without TARGET, the folder; default: diagrams.")  # fmt: skip
@click.option("--check", "checking", is_flag=True, help="Write nothing; exit code 1 if what is there is stale.")
@click.option("--machine", metavar="NAME", help="With --store: which machine of the session. Default: session.")
@store_option
@debug_option
def draw(
    target: str | None, kind: str | None, out: Path | None, checking: bool, machine: str | None, store: str | None
) -> int:
    """Draw a machine.

    TARGET is a declared machine (run, execution, session, request, segment, controller, lease), or whole: all of them on
    one sheet; or module:name or path.py:name of a machine of your own, any transitions.Machine included. With --store it
    is a session of that file: its present state and the path it took are marked.

    Without TARGET, every declared machine is drawn, in each form, into a folder with a page that shows them.

    Exit codes: 0 done, 1 --check found something stale, 2 wrong usage or bad input.
    """
    from lifecycle.cli import pictures

    output = Output()
    if machine is not None and store is None:
        raise Invalid("--machine", "it chooses a machine of a session", "add --store FILE, or name it as TARGET")
    if target is None:
        if store is not None:
            raise Invalid("--store", "it marks the path of a session", "name the session")
        if kind is not None:
            raise Invalid("--format", "without TARGET every form is drawn", "name a machine, or leave it away")
        return pictures.gallery(output, FOLDER if out is None else out, checking)
    form = kind if kind is not None else form_of(out)
    if checking and out is None:
        raise Invalid("--check", "there is nothing to compare with", "add --out PATH")
    drawn = pictures.drawn(target, form, store, machine)
    return pictures.put(output, drawn, out, checking)


def form_of_life(out: Path | None) -> str:
    """Return the format that a file name asks for, of a life; SVG if there is none."""
    form = "svg" if out is None else next((name for name in LIVES if out.name.lower().endswith(FORMATS[name])), "")
    if not form:
        raise Invalid(f"file {out}", "a life is drawn as SVG or PNG", "let its name end in .svg or .png")
    return form


def form_of(out: Path | None) -> str:
    """Return the format that a file name asks for; Mermaid if there is none."""
    if out is None:
        return "mermaid"
    for name, end in FORMATS.items():
        if out.name.lower().endswith(end):
            return name
    fact = f"its name ends in none of {', '.join(FORMATS.values())}"
    raise Invalid(f"file {out}", fact, "add --format, or name it otherwise")
