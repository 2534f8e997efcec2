"""The words a machine is declared in: states hold, rows act, guards decide.

What lives here: the values an author writes down. What must not: any reading of them (flattening, judging, running).
The law of this file: a declaration is plain data, frozen, hashable and equal by value; writing one never fails and
never runs the author's code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

Test: TypeAlias = Callable[..., object]

WILDCARD = "*"
"""As a source: every declared state, the final ones too, as `transitions` has it."""

REFLEXIVE = "="
"""As a dest: the source again, given back and taken anew."""


@attrs.frozen
class Hold:
    """Name something a state holds, with the hooks that take it and give it back.

    Holds are compared by value: what two states hold alike is kept on the way between them, without any hook.
    """

    name: str
    take: object = None
    give: object = None


@attrs.frozen
class Send:
    """Send a trigger to another machine, whose own table decides what comes of it."""

    machine: str
    trigger: str


@attrs.frozen
class Guard:
    """Name a predicate; ``test`` gives its answer from the values of a step.

    A condition wants an answer equal to True and an ``unless`` one equal to False, as `transitions` compares: 1 is
    True, and "yes" is neither. Without a test the answer is the value of that name, or the model's attribute.
    """

    name: str
    test: Test | None = None


def _names(value: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _sources(value: str | tuple[str, ...] | list[str] | None) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(value or ())


def _hooks(value: object) -> tuple[object, ...]:
    """Make a tuple of one hook or several; None is none."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    return () if value is None else (value,)


def _hold(value: Hold | str) -> Hold:
    return Hold(value) if isinstance(value, str) else value


def _holds(value: Hold | str | tuple[Hold | str, ...] | list[Hold | str]) -> tuple[Hold, ...]:
    several = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(_hold(one) for one in several)


def name_of_test(test: Test) -> str:
    """Name a callable: its own name, or its class's when it has none."""
    return str(getattr(test, "__name__", None) or type(test).__name__)


def _guard(value: Guard | str | Test) -> Guard:
    if isinstance(value, Guard):
        return value
    return Guard(value) if isinstance(value, str) else Guard(name_of_test(value), value)


def _guards(value: Guard | str | Test | tuple[Guard | str | Test, ...] | list[Guard | str | Test]) -> tuple[Guard, ...]:
    several = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(_guard(one) for one in several)


@attrs.frozen
class State:
    """Declare a state: what it holds, whether it is final, and which triggers it refuses or ignores.

    A refused trigger raises, an ignored one changes nothing. The rest is what machines from elsewhere need: hooks of
    entering and leaving, ``ignore_invalid_triggers`` for a state that ignores whatever is in no row of its own, and
    ``value``, the thing (an enum member) the state was declared by.
    """

    name: str
    holds: tuple[Hold, ...] = attrs.field(default=(), converter=_holds)
    final: bool = False
    refuses: tuple[str, ...] = attrs.field(default=(), converter=_names)
    ignores: tuple[str, ...] = attrs.field(default=(), converter=_names)
    on_enter: tuple[object, ...] = attrs.field(default=(), converter=_hooks, kw_only=True)
    on_exit: tuple[object, ...] = attrs.field(default=(), converter=_hooks, kw_only=True)
    ignore_invalid_triggers: bool = attrs.field(default=False, kw_only=True)
    value: object = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Row:
    """Declare a row, read as a sentence: from source, a trigger leads to dest, with hooks, under guards.

    ``source`` is a state, several, or "*"; ``dest`` is a state, "=" for the source again, or None for a row that
    stays inside its state. ``edge`` is what happens on the row itself. ``before`` and ``after`` stand around the
    whole of it, holds included; machines from elsewhere need them.

    >>> Row("waiting", "answer", "running", conditions="is_open").conditions
    (Guard(name='is_open', test=None),)
    """

    source: str | tuple[str, ...] = attrs.field(converter=_sources)
    trigger: str
    dest: str | None
    edge: tuple[object, ...] = attrs.field(default=(), converter=_hooks)
    conditions: tuple[Guard, ...] = attrs.field(default=(), converter=_guards)
    unless: tuple[Guard, ...] = attrs.field(default=(), converter=_guards)
    before: tuple[object, ...] = attrs.field(default=(), converter=_hooks, kw_only=True)
    after: tuple[object, ...] = attrs.field(default=(), converter=_hooks, kw_only=True)
