"""The table: a declaration flattened to rows by state and trigger.

What lives here: the flat row, the table, and the flattening. What must not: any judgement of what is flattened.
The law of this file: flattening is total. Whatever was declared, however strange, has a table, and it is the one
`transitions` would act by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import attrs

from lifecycle.declaration.vocabulary import REFLEXIVE, WILDCARD, Guard, Hold, Row, Send, State

UNBORN = ""
"""The source of a birth, which has none."""


@attrs.frozen
class FlatRow:
    """Be one row of one source, with everything computed that taking it means.

    ``given`` and ``taken`` are the holds that differ between source and dest; ``hooks`` is the whole list to emit, in
    order. ``place`` is the index of the declared row, -1 for a birth: it says where a row came from, not what it is,
    and so is not compared.
    """

    source: str
    trigger: str
    dest: str
    internal: bool = False
    edge: tuple[object, ...] = ()
    conditions: tuple[Guard, ...] = ()
    unless: tuple[Guard, ...] = ()
    given: tuple[Hold, ...] = ()
    taken: tuple[Hold, ...] = ()
    hooks: tuple[object, ...] = ()
    sends: tuple[Send, ...] = ()
    place: int = attrs.field(default=-1, eq=False)

    @property
    def guarded(self) -> bool:
        """Say whether anything can keep this row from being taken."""
        return bool(self.conditions or self.unless)

    @property
    def guards(self) -> tuple[tuple[Guard, bool], ...]:
        """Pair each guard with the answer it must give, in the order they are asked."""
        return tuple((guard, True) for guard in self.conditions) + tuple((guard, False) for guard in self.unless)

    def __str__(self) -> str:
        """Read as a sentence.

        >>> str(FlatRow("ready", "abort", "stopped", unless=(Guard("is_busy"),)))
        'ready abort -> stopped unless is_busy'
        """
        words = [self.source, self.trigger, "(internal)" if self.internal else f"-> {self.dest}"]
        if self.conditions:
            words += ["if", " and ".join(guard.name for guard in self.conditions)]
        if self.unless:
            words += ["unless", " or ".join(guard.name for guard in self.unless)]
        return " ".join(word for word in words if word)


Rows: TypeAlias = Mapping[str, Mapping[str, tuple[FlatRow, ...]]]


def _value_of(rows: Rows) -> frozenset[object]:
    """Give what two tables are compared by: the states and their rows, whatever the order of triggers."""
    return frozenset((state, frozenset(triggers.items())) for state, triggers in rows.items())


@attrs.frozen
class Table:
    """Hold every declared state, in order, and for each the triggers that have rows, in order."""

    rows: Rows = attrs.field(eq=_value_of)
    birth: FlatRow | None = None

    def flat(self) -> Iterator[FlatRow]:
        """Give every row there is: state by state, trigger by trigger, first match first."""
        for triggers in self.rows.values():
            for rows in triggers.values():
                yield from rows


def _sources(row: Row, states: Mapping[str, State]) -> tuple[str, ...]:
    """Give the declared states a row leaves from; a source nobody declared has no place in the table."""
    if row.source == WILDCARD:
        return tuple(states)
    named = (row.source,) if isinstance(row.source, str) else row.source
    return tuple(source for source in named if source in states)


def _kept_apart(holds: Iterable[Hold], others: tuple[Hold, ...]) -> tuple[Hold, ...]:
    return tuple(hold for hold in holds if hold not in others)


def _hooks(row: Row, source: State, dest: State, given: Iterable[Hold], taken: Iterable[Hold]) -> tuple[object, ...]:
    """List the hooks of a row in the order of `transitions`: before, leaving, the edge, entering, after."""
    leaving = () if row.dest is None else (*source.on_exit, *(hold.give for hold in given))
    entering = () if row.dest is None else (*(hold.take for hold in taken), *dest.on_enter)
    every = (*row.before, *leaving, *row.edge, *entering, *row.after)
    return tuple(hook for hook in every if hook is not None and not isinstance(hook, Send))


def _differences(source: State, dest: State, internal: bool) -> tuple[tuple[Hold, ...], tuple[Hold, ...]]:
    """Compare what is held before and after: given back, and taken. A reflexive row does both anew."""
    if internal:
        return (), ()
    if source.name == dest.name:
        return source.holds, dest.holds
    return _kept_apart(source.holds, dest.holds), _kept_apart(dest.holds, source.holds)


def flat_row(row: Row, source: State, dest: State, place: int = -1) -> FlatRow:
    """Compute what taking ``row`` from ``source`` to ``dest`` means."""
    given, taken = _differences(source, dest, row.dest is None)
    return FlatRow(
        source=source.name,
        trigger=row.trigger,
        dest=dest.name,
        internal=row.dest is None,
        edge=row.edge,
        conditions=row.conditions,
        unless=row.unless,
        given=given,
        taken=taken,
        hooks=_hooks(row, source, dest, given, taken),
        sends=tuple(hook for hook in (*row.before, *row.edge, *row.after) if isinstance(hook, Send)),
        place=place,
    )


def _dest(row: Row, source: State, states: Mapping[str, State]) -> State:
    if row.dest is None or row.dest == REFLEXIVE:
        return source
    return states.get(row.dest, State(row.dest))


def flatten(states: Iterable[State], rows: Iterable[Row], birth: Row | None = None) -> Table:
    """Flatten a declaration; of two states with one name the later is meant, as in `transitions`.

    >>> table = flatten([State("on"), State("off")], [Row("*", "flip", "off"), Row("off", "flip", "on")])
    >>> [str(row) for row in table.flat()]
    ['on flip -> off', 'off flip -> off', 'off flip -> on']
    """
    known = {state.name: state for state in states}
    cells: dict[str, dict[str, tuple[FlatRow, ...]]] = {name: {} for name in known}
    for place, row in enumerate(rows):
        for name in _sources(row, known):
            flat = flat_row(row, known[name], _dest(row, known[name], known), place)
            cells[name][row.trigger] = (*cells[name].get(row.trigger, ()), flat)
    unborn = State(UNBORN)
    return Table(cells, None if birth is None else flat_row(birth, unborn, _dest(birth, unborn, known)))
