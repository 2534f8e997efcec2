"""The machine: a declaration as one value, with its table and its verbs.

What lives here: the declaration of a whole machine and the short way to everything read out of it. What must not: how
any of that is computed. The law of this file: a machine is immutable, so whatever is read out of it is read once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import attrs

from lifecycle.declaration import explaining, running, showing
from lifecycle.declaration.explaining import Explanation, Option
from lifecycle.declaration.running import Ask, Dispatch, Instance, Sent, answer
from lifecycle.declaration.table import Table, flatten
from lifecycle.declaration.vocabulary import Row, State
from lifecycle.errors import Invalid


def _state(value: State | str) -> State:
    return State(value) if isinstance(value, str) else value


def _several(value: Iterable[Any] | Any) -> Iterable[Any]:
    """Take one as one: a text and a row are no collections, whatever can be made of them. None is none."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return () if value is None else (value,)
    return value


def _states(value: Iterable[State | str] | State | str) -> tuple[State, ...]:
    return tuple(_state(one) for one in _several(value))


def _rows(value: Iterable[Row] | Row) -> tuple[Row, ...]:
    return tuple(_several(value))


@attrs.frozen
class Machine:
    """Declare a machine: its states, its rows, where it starts, and the row it is born by, if it has one.

    ``birth`` is a row without source (None). ``ask`` is how guards are asked; only machines from elsewhere have
    another way than ours. Nothing is judged here: see ``checked``.

    >>> door = Machine("door", ("open", "shut"), (Row("open", "push", "shut"), Row("shut", "pull", "open")), "open")
    >>> door.send("open", "push").state
    'shut'
    """

    name: str
    states: tuple[State, ...] = attrs.field(converter=_states)
    rows: tuple[Row, ...] = attrs.field(converter=_rows)
    initial: str | None = None
    birth: Row | None = None
    ask: Ask = attrs.field(default=answer, repr=False, kw_only=True)

    @cached_property
    def table(self) -> Table:
        """Be the declaration flattened; see ``flatten``."""
        return flatten(self.states, self.rows, self.birth)

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """List the triggers of all rows, once each, in declared order; a birth's is not among them."""
        return tuple(dict.fromkeys(row.trigger for row in self.rows))

    @cached_property
    def dispatch(self) -> Dispatch:
        """Be the table compiled; see ``Dispatch``."""
        return Dispatch.compile(self.name, self.table, {state.name: state for state in self.states}, self.ask)

    def state(self, name: str) -> State:
        """Give the declared state of that name."""
        self.dispatch.at(name)
        return self.dispatch.states[name]

    def send(self, state: str, trigger: str, /, **values: object) -> Sent:
        """Answer what ``trigger`` does in ``state``: the next state and the hooks, keeping nothing.

        Rows without a match, and ignored triggers, leave the state and emit no hook. A trigger without any row is
        Refused.
        """
        return running.send(self.dispatch, state, trigger, values)

    def instance(self, state: str | None = None) -> Instance:
        """Start a running copy, in the initial state unless told another."""
        start = self.initial if state is None else state
        if start is None:
            raise Invalid(f"machine {self.name}", "it declares no initial state", "name the state to start in")
        return Instance(self.dispatch, start)

    def allowed(self, state: str, /, **values: object) -> tuple[Option, ...]:
        """List what may happen in ``state``: each row's trigger and dest with its guards' verdicts."""
        return explaining.allowed(self.dispatch, state, values)

    def explain(self, state: str, trigger: str, /, **values: object) -> Explanation:
        """Say why ``trigger`` may or may not be sent in ``state``.

        >>> door = Machine("door", ("open", "shut"), (Row("open", "push", "shut", conditions="is_oiled"),), "open")
        >>> print(door.explain("open", "push", is_oiled=False))
        door: open does not take push; to shut: is_oiled is False, not True
        """
        return explaining.explain(self.dispatch, state, trigger, values)

    def _repr_svg_(self) -> str | None:
        """Show this machine in a notebook; none if nothing here draws."""
        return showing.shown(self).get("image/svg+xml")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Show this machine in a notebook, in whatever form it takes."""
        return showing.shown(self)
