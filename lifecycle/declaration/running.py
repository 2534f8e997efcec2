"""Running a table: a trigger goes in, a state and the hooks to emit come out.

What lives here: the compiled form of a table, the asking of guards, and the instance. What must not: performing a
hook, keeping a history, logging. The law of this file: whatever does not depend on the values of a step is computed
once per declaration, so that dispatch is a lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Self, TypeAlias

import attrs

from lifecycle.declaration.table import FlatRow, Table
from lifecycle.declaration.vocabulary import Guard, Send, State
from lifecycle.errors import DefinitionError, Invalid, Refused


@attrs.frozen
class Sent:
    """Tell what a trigger did: the state after it, the hooks to emit, and the row taken, None if there was none."""

    state: str
    hooks: tuple[object, ...] = ()
    row: FlatRow | None = None

    @property
    def sends(self) -> tuple[Send, ...]:
        """Give the triggers that the row taken sends to other machines."""
        return () if self.row is None else self.row.sends


Ask: TypeAlias = Callable[[Guard, FlatRow, Mapping[str, object]], object]
"""How a guard of a row is asked, given the values of the step."""


def answer(guard: Guard, row: FlatRow, values: Mapping[str, object]) -> object:
    """Ask a guard of ours: call its test with the values, or take the value of its name, called if it is callable."""
    if guard.test is not None:
        return guard.test(**values)
    if guard.name not in values:
        raise Invalid(
            f"guard {guard.name}",
            f"asked for {row}, it has neither a test nor a value",
            f"pass {guard.name}=... with the trigger",
            guard=guard.name,
        )
    value = values[guard.name]
    return value() if callable(value) else value


Here: TypeAlias = "dict[str, Cell]"
Choice: TypeAlias = tuple[FlatRow, tuple[tuple[Guard, bool], ...], "Here | None", Sent]
Cell: TypeAlias = tuple["Here | None", Sent, tuple[Choice, ...]]
"""What a trigger does in a state: where it leads and what was sent, or, with None first, choices between guards."""


@attrs.frozen(eq=False)
class Dispatch:
    """Hold a table compiled to cells; a trigger that needs no guard is one lookup and allocates nothing."""

    name: str
    table: Table
    states: Mapping[str, State]
    ask: Ask
    here: Mapping[str, Here]

    @classmethod
    def compile(cls, name: str, table: Table, states: Mapping[str, State], ask: Ask) -> Self:
        """Compile every state's cells; they refer to each other, so all are made before any is filled."""
        here: dict[str, Here] = {state: {} for state in table.rows}
        for state, cells in here.items():
            stay = Sent(state)
            cells |= dict.fromkeys(states[state].ignores, (cells, stay, ()))
            cells |= {trigger: _cell(rows, stay, here) for trigger, rows in table.rows[state].items()}
        return cls(name, table, states, ask, here)

    def at(self, state: str) -> Here:
        """Give the cells of a state; one that nobody declared has none."""
        try:
            return self.here[state]
        except KeyError:
            raise Invalid(
                f"machine {self.name}", f"{state} is no state of it", f"name one of {', '.join(self.here)}", state=state
            ) from None

    def choose(self, choices: tuple[Choice, ...], stay: Sent, values: Mapping[str, object]) -> tuple[Here, Sent]:
        """Take the first row all of whose guards answer as wanted; without one, stay where we are."""
        ask = self.ask
        for row, guards, here, sent in choices:
            for guard, wanted in guards:
                holds = ask(guard, row, values) == wanted
                if not holds:
                    break
            else:
                return self._arrived(row, here), sent
        return self.here[stay.state], stay

    def _arrived(self, row: FlatRow, here: Here | None) -> Here:
        if here is None:
            raise DefinitionError(
                f"machine {self.name}", f"{row} leads to a state nobody declared", f"declare {row.dest}", faults=()
            )
        return here

    def without_row(self, state: str, trigger: str) -> tuple[Here, Sent]:
        """Refuse a trigger that has no row in ``state``, unless the state ignores whatever it does not list."""
        if self.states[state].ignore_invalid_triggers:
            return self.here[state], Sent(state)
        accepted = tuple(self.table.rows[state])
        raise Refused(
            f"machine {self.name}",
            f"{state} refuses {trigger}",
            f"send {' or '.join(accepted)}" if accepted else f"send nothing more, {state} accepts no trigger",
            state=state,
            trigger=trigger,
            accepted=accepted,
        )


def _cell(rows: tuple[FlatRow, ...], stay: Sent, here: Mapping[str, Here]) -> Cell:
    """Compile the rows of one state and trigger; a first row without guards decides alone."""
    first = rows[0]
    if not first.guarded and first.dest in here:
        return here[first.dest], Sent(first.dest, first.hooks, first), ()
    return None, stay, tuple(_choices(rows, here))


def _choices(rows: tuple[FlatRow, ...], here: Mapping[str, Here]) -> Iterator[Choice]:
    """Compile rows in order, up to the first without guards: none after it is ever asked."""
    for row in rows:
        yield row, row.guards, here.get(row.dest), Sent(row.dest, row.hooks, row)
        if not row.guarded:
            return


class Instance:
    """Be one running copy of a machine: a state and a reference to the table all copies share.

    Not safe to share between threads; a step that raises leaves the state as it was.
    """

    __slots__ = ("_dispatch", "_here", "state")

    def __init__(self, dispatch: Dispatch, state: str) -> None:
        self._dispatch = dispatch
        self._here = dispatch.at(state)
        self.state = state

    def send(self, trigger: str, /, **values: object) -> Sent:
        """Move by a trigger and tell what it did; refuse it when no row has it here."""
        try:
            here, sent, choices = self._here[trigger]
        except KeyError:
            here, sent = self._dispatch.without_row(self.state, trigger)
        else:
            if here is None:
                here, sent = self._dispatch.choose(choices, sent, values)
        self._here = here
        self.state = sent.state
        return sent

    def __repr__(self) -> str:
        return f"<{self._dispatch.name} in {self.state}>"


def send(dispatch: Dispatch, state: str, trigger: str, values: Mapping[str, object]) -> Sent:
    """Answer what a trigger does in ``state``, without keeping anything."""
    try:
        here, sent, choices = dispatch.at(state)[trigger]
    except KeyError:
        return dispatch.without_row(state, trigger)[1]
    return dispatch.choose(choices, sent, values)[1] if here is None else sent
