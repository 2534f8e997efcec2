"""Variants: a machine changed in every way that the written rule names, and what a mutant is.

What lives here: the written rule, for any declared machine. What must not: a kernel or a store that runs it. The law of
this file: a variant differs from its machine in one place, and has a name.

The written rule: each row is removed; each hook, count and send of an edge is removed; each hold of a state is removed;
each guard is negated; the target of each row becomes the next state in the order of declaration that is neither the
target nor, for a row that stays, the source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from lifecycle.check.coverage import name_of_row, rows_of
from lifecycle.check.world import Stepper
from lifecycle.declaration import Guard, Machine, Row, Send, State


@attrs.frozen(eq=False)
class Mutant:
    """A kernel with one rule switched off. ``story`` says what that does to people; ``make`` builds it."""

    name: str
    story: str
    make: Callable[[], Stepper]
    seed: bool = False


Variants = Iterator[tuple[str, Machine]]


def replaced(machine: Machine, old: Row, new: Row | None) -> Machine:
    """Return a machine with one row replaced, or removed."""
    if old is machine.birth:
        return attrs.evolve(machine, birth=new)
    rows = [row if row is not old else new for row in machine.rows]
    return attrs.evolve(machine, rows=tuple(row for row in rows if row is not None))


def without_rows(machine: Machine) -> Variants:
    """Remove each row; a birth is no row to be taken, so it loses its edge only."""
    for row in machine.rows:
        yield f"{name_of_row(machine, row)}: no row", replaced(machine, row, None)


def without_edges(machine: Machine) -> Variants:
    """Remove each item of each edge: a hook, a count, a send."""
    for row in rows_of(machine):
        for at, item in enumerate(row.edge):
            kept = row.edge[:at] + row.edge[at + 1 :]
            name = f"{name_of_row(machine, row)}: no {name_of_item(item)}"
            yield name, replaced(machine, row, attrs.evolve(row, edge=kept))


def name_of_item(item: object) -> str:
    """Name an item of an edge."""
    if isinstance(item, Send):
        return f"{item.trigger} to {item.machine}"
    number = getattr(item, "number", None)
    return f"count of the {number}" if number else str(getattr(item, "__name__", item))


def without_holds(machine: Machine) -> Variants:
    """Remove each hold of each state."""
    for state in machine.states:
        for hold in state.holds:
            kept = tuple(one for one in state.holds if one is not hold)
            changed = attrs.evolve(state, holds=kept)
            yield f"{machine.name}.{state.name}: no {hold.name}", with_state(machine, state, changed)


def with_state(machine: Machine, old: State, new: State) -> Machine:
    """Return a machine with one state replaced."""
    return attrs.evolve(machine, states=tuple(new if state is old else state for state in machine.states))


def negated(machine: Machine) -> Variants:
    """Negate each guard of each row."""
    for row in machine.rows:
        for guard in (*row.conditions, *row.unless):
            conditions = tuple(one for one in row.conditions if one is not guard)
            unless = tuple(one for one in row.unless if one is not guard)
            moved: tuple[Guard, ...] = (guard,)
            swapped = guard in row.conditions
            changed = attrs.evolve(
                row,
                conditions=conditions + (() if swapped else moved),
                unless=unless + (moved if swapped else ()),
            )
            yield f"{name_of_row(machine, row)}: {guard.name} negated", replaced(machine, row, changed)


def redirected(machine: Machine) -> Variants:
    """Let each row lead to another state: the next one declared that is neither its target nor where it stays."""
    names = [state.name for state in machine.states]
    for row in machine.rows:
        source = row.source if isinstance(row.source, str) else row.source[0]
        target = source if row.dest is None else row.dest
        other = names[(names.index(target) + 1) % len(names)]
        yield f"{name_of_row(machine, row)}: to {other}", replaced(machine, row, attrs.evolve(row, dest=other))


def variants(machine: Machine) -> Variants:
    """List every variant of a machine."""
    yield from without_rows(machine)
    yield from without_edges(machine)
    yield from without_holds(machine)
    yield from negated(machine)
    yield from redirected(machine)
