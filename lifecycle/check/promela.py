"""Promela: what a search has tabulated, as a model for SPIN, which then counts the states by itself.

What lives here: the tables written as guarded commands. What must not: the kernel; a model is made of what it answered
when it was asked. The law of this file: one state of the search is one state of the model, and one transition is one
command that is taken in one step.

This checks the search, not the kernel: that no state was passed over, none counted twice, no successor packed wrongly.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from lifecycle.check.slices import Edge, Row, Slices
from lifecycle.errors import Invalid


@attrs.frozen
class Field:
    """A variable of the model: which bits of a packed state it holds."""

    name: str
    at: int
    bits: int | None

    def of(self, state: int) -> int:
        """Return its value in a state; the highest field holds whatever is above it.

        >>> Field("process", 2, 2).of(0b11_01_10)
        1
        """
        return state >> self.at if self.bits is None else state >> self.at & (1 << self.bits) - 1


def fields_of(slices: Slices) -> tuple[Field, ...]:
    """Return the variables that a state is kept in, the highest first."""
    lay = slices.layout
    return (
        Field("work", lay.work, None),
        *(Field(f"run{place}", at, 2) for place, at in enumerate(lay.runs)),
        *(Field(f"closed{place}_{at}", at, 2) for place, asks in enumerate(lay.asks) for at in asks.values()),
        Field("orphan", lay.orphan, 2),
        Field("process", lay.process, 2),
        *((Field("attached", lay.attachments, lay.clients),) if lay.clients else ()),
        *(Field(f"socket{place}", 2 * place, 2) for place in range(lay.clients)),
    )


def promela(slices: Slices) -> str:
    """Return the model of a world whose every state was searched, any number of faults allowed."""
    config = slices.world.config
    if config.faults is not None:
        raise Invalid(f"configuration {config.name}", "bounds its faults", "take one that does not, to make a model")
    fields = fields_of(slices)
    lines = [
        f"/* {config.name}: {config.sentence}.",
        f"   {config.bounds()}. Generated from the tables of a search; do not edit. */",
        "",
        *(f"int {field.name} = {field.of(slices.initial)};" for field in fields),
        f"int face = {slices.face_of_work[slices.initial >> slices.layout.work]}; /* how the work looks to clients */",
        "",
        "active proctype world()",
        "{",
        "end: do",
        *(f"  :: {command}" for command in commands(slices, fields)),
        "  od",
        "}",
    ]
    return "\n".join(lines) + "\n"


def commands(slices: Slices, fields: tuple[Field, ...]) -> Iterator[str]:
    """Yield a guarded command for each edge: those of the run side, then those of the clients."""
    for key in sorted(slices.run_rows):
        guard = guard_of(fields, key << slices.layout.process, "process")
        yield from commands_of(slices, fields, slices.run_rows[key], guard)
    for key, clients in sorted(slices.clients.items()):
        low = (key & (1 << slices.face_shift) - 1) << slices.layout.attachments
        seen = [field for field in fields if field.name in ("orphan", "process", "attached")]
        guard = [f"face == {key >> slices.face_shift}", *(f"{field.name} == {field.of(low)}" for field in seen)]
        for at, rows in clients.own:
            for socket, row in enumerate(rows):
                yield from commands_of(slices, fields, row, [*guard, f"socket{at // 2} == {socket}"])


def guard_of(fields: tuple[Field, ...], state: int, last: str) -> list[str]:
    """Return the conditions that pick a state, from the highest field to the last one named."""
    names = [field.name for field in fields]
    return [f"{field.name} == {field.of(state)}" for field in fields[: names.index(last) + 1]]


def commands_of(slices: Slices, fields: tuple[Field, ...], row: Row, guard: list[str]) -> Iterator[str]:
    """Yield a guarded command for each edge of a row, with the name of its move."""
    if row.violations:
        raise Invalid(
            f"configuration {slices.world.config.name}", "breaks a rule", "make a model of what keeps them all"
        )
    for edge in row.edges:
        sets = "; ".join(assignments(slices, fields, edge))
        yield f"d_step {{ {' && '.join(guard)} -> {sets} }} /* {slices.labels[edge.move]} */"


def assignments(slices: Slices, fields: tuple[Field, ...], edge: Edge) -> Iterator[str]:
    """Yield what an edge sets: every field that it does not keep; ``skip`` if that is none."""
    some = False
    for field in fields:
        if not field.of(edge.keep) & 1:  # a field is kept as a whole, or set
            some = True
            yield f"{field.name} = {field.of(edge.bits)}"
            if field.name == "work":
                yield f"face = {slices.face_of_work[field.of(edge.bits)]}"
    if not some:
        yield "skip"
