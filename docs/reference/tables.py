"""Write the tables of the reference from the code they are about.

What lives here: how records become rows of a page. What must not: a fact of its own. The law of this file: ``pages()``
says what every generated page must contain; a test compares, ``make diagrams`` writes.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs
import click

from lifecycle import errors
from lifecycle.declaration import Machine
from lifecycle.errors import LifecycleError
from lifecycle.hooks import HOOKS
from lifecycle.kernel.inputs import INPUTS
from lifecycle.kernel.values import Policy
from lifecycle.machines import CAUSES, DECLARED, STATE_OF
from lifecycle.runtime import Limits

HERE = Path(__file__).resolve().parent
WRITTEN = "Written by `make diagrams` from the code; do not edit.\n"
UNITS = {"seconds": "seconds", "us": "microseconds", "max": "count", "bytes": "bytes", "chars": "characters"}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table; a bar inside a cell is kept from ending it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def first_paragraph(thing: object) -> str:
    """Give what a docstring says first, in Markdown, on one line."""
    text = (inspect.getdoc(thing) or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("``", "`")


def fields_of(record: type) -> str:
    """List the fields of a record, as code."""
    return ", ".join(f"`{field.name}`" for field in attrs.fields(record) if field.metadata.get("journal", True))


def unit_of(name: str) -> str:
    """Read a unit out of a name: it is its last words."""
    words = [word for word in name.split("_") if word in UNITS]
    return UNITS[words[0]] if words else ""


def settings(record: type) -> str:
    """List the fields of a record of settings with default and unit."""
    rows = ((f"`{one.name}`", f"`{one.default!r}`", unit_of(one.name)) for one in attrs.fields(record))
    return f"{first_paragraph(record)}\n\n" + table(("name", "default", "unit"), rows)


def kinds(kind: str, records: Iterable[type]) -> str:
    """List records with what they mean and carry."""
    rows = ((f"`{one.__name__}`", first_paragraph(one), fields_of(one)) for one in records)
    return table((kind, "means", "fields"), rows)


def causes() -> str:
    """List every cause with the trigger and the state it belongs to."""
    pairs = ((cause, trigger) for trigger, several in CAUSES.items() for cause in several)
    rows = ((f"`{cause}`", f"`{trigger}`", f"`{STATE_OF[trigger]}`") for cause, trigger in pairs)
    return table(("cause", "trigger", "state"), rows)


def error_kinds() -> Iterator[tuple[str, str]]:
    """List the closed set of errors."""
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, LifecycleError):
            yield f"`{name}`", first_paragraph(kind)


def tables() -> str:
    """Write the page of causes, settings, inputs, hooks and errors."""
    requests = [kind for kind in INPUTS.values() if not kind.fact]
    facts = [kind for kind in INPUTS.values() if kind.fact]
    durable = [kind for kind in HOOKS.values() if kind.durable]
    volatile = [kind for kind in HOOKS.values() if not kind.durable]
    parts = (
        f"# Tables\n\n{WRITTEN}",
        f"## Causes\n\nWhy something ended. Each cause belongs to one trigger, and so to one state.\n\n{causes()}",
        f"## Policy\n\n{settings(Policy)}",
        f"## Limits\n\n{settings(Limits)}",
        f"## Requests to the engine\n\n{kinds('input', requests)}",
        f"## Facts\n\n{kinds('input', facts)}",
        f"## Durable hooks\n\n{kinds('hook', durable)}",
        f"## Volatile hooks\n\n{kinds('hook', volatile)}",
        f"## Errors\n\n{table(('error', 'means'), error_kinds())}",
    )
    return "\n".join(parts)


def rows_of(machine: Machine) -> str:
    """Write a machine's table as it is flat: every pair of state and trigger that does something."""
    rows = []
    for row in machine.table.flat():
        guards = " and ".join(f"`{guard.name}`" if wanted else f"not `{guard.name}`" for guard, wanted in row.guards)
        sends = ", ".join(f"`{send.machine}.{send.trigger}`" for send in row.sends)
        dest = "(stays)" if row.internal else f"`{row.dest}`"
        rows.append((f"`{row.source}`", f"`{row.trigger}`", dest, guards, sends))
    return table(("from", "trigger", "to", "if", "sends"), rows)


def states_of(machine: Machine) -> str:
    """Write what a machine's states hold, refuse and ignore."""
    rows = (
        (
            f"`{state.name}`" + (" (final)" if state.final else ""),
            ", ".join(f"`{hold.name}`" for hold in state.holds),
            ", ".join(f"`{name}`" for name in state.refuses),
            ", ".join(f"`{name}`" for name in state.ignores),
        )
        for state in machine.states
    )
    return table(("state", "holds", "refuses", "ignores"), rows)


def machines() -> str:
    """Write the page of the declared machines."""
    parts = [
        f"# Machines\n\n{WRITTEN}How to read the pictures is told above [the gallery](../../diagrams/README.md).\n"
    ]
    for machine in DECLARED:
        picture = f"![The machine {machine.name}](../../diagrams/{machine.name}.svg)"
        parts.append(f"## {machine.name.capitalize()}\n\n{picture}\n\n{states_of(machine)}\n{rows_of(machine)}")
    return "\n".join(parts)


def anywhere(command: click.Command) -> click.Command:
    """Copy a command, its help freed of the folders of this machine."""
    from lifecycle.cli.options import default_path_shown

    copied = copy.copy(command)
    copied.params = [copy.copy(one) for one in command.params]
    for one in copied.params:
        if isinstance(one, click.Option) and one.help:
            one.help = one.help.replace(default_path_shown(), "lifecycle/runs.db in the user's data folder")
    return copied


def help_of(name: str, command: click.Command, parent: click.Context | None = None) -> tuple[str, click.Context]:
    """Give the help of a command as it is printed, whatever the terminal."""
    context = anywhere(command).make_context(name, [], parent, resilient_parsing=True, terminal_width=100)
    text = click.unstyle(context.command.get_help(context))
    return "```text\n" + "\n".join(line.rstrip() for line in text.splitlines()) + "\n```\n", context


def exits() -> str:
    """List the exit codes."""
    from lifecycle.cli import carrying, stopping

    rows = (
        (0, "done: a run is ready; of `check`: proved; of `store check`: nothing is damaged"),
        (
            carrying.ENDED_OTHERWISE,
            "a run ended interrupted, stopped or in error; of `check`: refuted; of `store check`: damaged;"
            " of `draw --check`: stale",
        ),
        (carrying.BAD_INPUT, "wrong usage or bad input"),
        (carrying.WAITING, "undecided: a run was left waiting for a human; of `check`: undetermined"),
        (stopping.LEFT_AT_ONCE, "left at once, by a second Ctrl-C"),
    )
    return table(("exit code", "means"), rows)


PRINTED = """
## What show and history print

Times are in your own zone, with its offset from UTC. With `--json` they are whole microseconds since 1970 in UTC.

`(no process)` stands behind a state that only a process can change, when none has that session in hand: the process
was killed, or left what it had not begun. Another one may be writing to the file meanwhile: `lifecycle run` carries on
one session and leaves the others alone. The next `lifecycle run` of that session takes it up. A question that code waits
for in place (`await run.ask(...)`) can be answered only where it runs, and so no command is printed for it.

A step in the history has a line for what arrived, one for each move, and one for the hooks that came of it. It is
named by its revision, and an execution by the revision of the step that made it, so the numbers of executions have
gaps. `Recovered` is what arrives first when a process takes a session up. `SignalAbort` sets the signal of the run's
code whatever the end was: a run that is ready has it too, so that nothing of its code goes on.
"""


def command_line() -> str:
    """Write the page of the command line."""
    from lifecycle.cli.command import lifecycle as root

    text, context = help_of("lifecycle", root)
    parts = [f"# Command line\n\n{WRITTEN}\nMessages go to stderr, data to stdout.\n\n{exits()}", text]
    for name, command in root.commands.items():
        text, inner = help_of(name, command, context)
        parts.append(f"## lifecycle {name}\n\n{text}")
        for part, one in command.commands.items() if isinstance(command, click.Group) else ():
            parts.append(f"### lifecycle {name} {part}\n\n{help_of(part, one, inner)[0]}")
    return "\n".join([*parts, PRINTED.lstrip()])


def pages() -> dict[Path, str]:
    """Say what each generated page must contain."""
    return {
        HERE / "tables.md": tables(),
        HERE / "machines.md": machines(),
        HERE / "command.md": command_line(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
