"""Draw every declared machine as a Mermaid state diagram, from its table and nothing else.

What lives here: the drawing, the gallery, and the picture on the front page. What must not: a state or an arrow of its
own. The law of this file: ``pages()`` says what every generated file must contain, and writing them is all that is
left; a test compares, ``make diagrams`` writes.

The Mermaid engine of `transitions` would draw the rows, too, but knows neither what a state holds nor which are final.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lifecycle.declaration import FlatRow, Machine, State
from lifecycle.machines import DECLARED, RUN

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- picture of the run: written by make diagrams -->\n", "<!-- end of the picture -->"


def label(row: FlatRow) -> str:
    """Name what takes an arrow: the trigger, and its guards as Mermaid's readers know them, in brackets."""
    names = [guard.name if wanted else f"not {guard.name}" for guard, wanted in row.guards]
    return f"{row.trigger} [{', '.join(names)}]" if names else row.trigger


def state_lines(state: State) -> list[str]:
    """Write below a state what it holds; one that holds nothing is named by its arrows."""
    if not state.holds:
        return []
    return [
        f"    {state.name}: {state.name}",
        f"    {state.name}: holds {', '.join(hold.name for hold in state.holds)}",
    ]


def arrow_lines(machine: Machine) -> list[str]:
    """Draw one arrow between two states for all the rows between them, a loop for what stays inside."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in machine.table.flat():
        arrows.setdefault((row.source, row.dest), []).append(label(row))
    return [f"    {source} --> {dest}: {', '.join(labels)}" for (source, dest), labels in arrows.items()]


def picture(machine: Machine) -> str:
    """Draw a machine, from its birth to its final states."""
    born = "" if machine.birth is None else f": {machine.birth.trigger}"
    lines = ["stateDiagram-v2", f"    [*] --> {machine.initial}{born}"]
    for state in machine.states:
        lines += state_lines(state)
    ends = [f"    {state.name} --> [*]" for state in machine.states if state.final]
    return "\n".join([*lines, *arrow_lines(machine), *ends]) + "\n"


def block(machine: Machine) -> str:
    """Put the picture where a page shows it."""
    return f"```mermaid\n{picture(machine)}```\n"


def subject(machine: Machine) -> str:
    """Tell what a machine is, in the first words of the file that declares it."""
    for name, module in sys.modules.items():
        if name.startswith("lifecycle.machines.") and machine in vars(module).values() and module.__doc__:
            return module.__doc__.splitlines()[0]
    raise LookupError(machine.name)


def gallery() -> str:
    """Show all machines on one page."""
    head = (
        "# The declared machines\n\nWritten by `make diagrams` from the tables in `lifecycle/machines/`. An arrow from"
        " a state to itself stays inside it; a word in brackets is a guard; below its name stands what a state holds.\n"
    )
    parts = (f"\n## {machine.name.capitalize()}\n\n{subject(machine)}\n\n{block(machine)}" for machine in DECLARED)
    return head + "".join(parts)


def front_page(text: str) -> str:
    """Put the picture of the run between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + block(RUN) + END + after


def pages() -> dict[Path, str]:
    """Say what each generated file must contain."""
    drawn = {ROOT / "diagrams" / f"{machine.name}.mmd": picture(machine) for machine in DECLARED}
    front = ROOT / "README.md"
    return drawn | {ROOT / "diagrams" / "README.md": gallery(), front: front_page(front.read_text("utf-8"))}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
