"""Coverage: which rows, holds and hooks of the declared machines a search has reached.

What lives here: the list of what there is, and the noting of what was met. What must not: a verdict. The law of this
file: what was never reached was never checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lifecycle import hooks
from lifecycle.check.case import Case
from lifecycle.declaration import Machine, Row
from lifecycle.kernel.firing import row_by_guards
from lifecycle.kernel.tables import CompiledRow

UNREACHABLE: dict[str, str] = {
    "row controller.registered.evict": "every end signals before it evicts: only a process that goes away skips that",
}
"""What no step reaches, each with the reason."""


def everything(machines: Mapping[str, Machine]) -> tuple[str, ...]:
    """List every row, hold and hook of the declared machines, by name."""
    found: dict[str, None] = {}
    for machine in machines.values():
        for row in rows_of(machine):
            found[f"row {name_of_row(machine, row)}"] = None
        for state in machine.states:
            for hold in state.holds:
                found[f"hold {machine.name}.{state.name}.{hold.name}"] = None
    found |= {f"hook {name}": None for name in hooks.HOOKS}
    return tuple(name for name in found if name not in UNREACHABLE)


def rows_of(machine: Machine) -> list[Row]:
    """Return the rows of a machine, its birth first."""
    return ([] if machine.birth is None else [machine.birth]) + list(machine.rows)


def name_of_row(machine: Machine, row: Row) -> str:
    """Name a row by machine, source and trigger, with its guards where several have the same."""
    source = row.source if isinstance(row.source, str) else "+".join(row.source) or "new"
    alike = [one for one in machine.rows if (one.source, one.trigger) == (row.source, row.trigger)]
    guards = [guard.name for guard in row.conditions] + [f"not {guard.name}" for guard in row.unless]
    return f"{machine.name}.{source}.{row.trigger}" + (f"[{','.join(guards)}]" if len(alike) > 1 else "")


def met_by(case: Case) -> Iterator[str]:
    """List what a step has met: the rows it took, what the states it entered hold, its hooks."""
    machines = case.machines
    for name, _, trigger, source, dest in case.step.moves:
        machine = machines[name]
        yield f"row {name_of_row(machine, row_taken(machine, case, trigger, source))}"
        for hold in machine.state(dest).holds:
            yield f"hold {name}.{dest}.{hold.name}"
    hook: Any
    for hook in case.step.hooks:
        kind = type(hook)
        yield f"hook {kind.__name__}"
        if kind is hooks.OpenSegment:
            yield "row segment.open.emit"
        elif kind is hooks.EndSegment:
            yield "row segment.open.end"
        elif kind is hooks.SignalAbort:
            yield "row controller.registered.signal"
        elif kind is hooks.EvictController:
            yield "row controller.signalled.evict"
    if case.move.side == "run" and case.changed and case.before is None:
        yield "row session.new.open"


def row_taken(machine: Machine, case: Case, trigger: str, source: str | None) -> Row:
    """Return the row that a move took; where guards choose, they are asked as the kernel asks them."""
    if source is None:
        assert machine.birth is not None
        return machine.birth
    rows = [row for row in machine.rows if row.source == source and row.trigger == trigger]
    if len(rows) == 1:
        return rows[0]
    head = None if case.before is None else case.before.head
    count = 0 if head is None else sum(request.state == "open" for request in head.requests)
    compiled = {CompiledRow(str(row.dest), (), False, row.conditions, row.unless): row for row in rows}
    chosen = row_by_guards(tuple(compiled), count)
    return rows[0] if chosen is None else compiled[chosen]
