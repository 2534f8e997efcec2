"""Both ways: a function as it is, and written out straight.

What lives here: how a test gets the straight one, and what is compared. What must not: a rule. The law of this file:
whatever a caller could tell the two apart by is compared: what comes back or is raised, what is noted and in which
order, what becomes of a box.
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "straight"))

from inlining import Writer
from sources import Sources

NOTED: list[Any] = []


class Box:
    """Something that functions change."""

    def __init__(self, n: int = 0) -> None:
        self.n = n


class Refused(Exception):
    """Raised by ``fail``."""


def note(what: Any) -> Any:
    """Note that this was evaluated, and give it back."""
    NOTED.append(what)
    return what


def fail(what: Any) -> Any:
    """Note it; raise if it is odd."""
    note(("fail", what))
    if what % 2:
        raise Refused(what)
    return what


def bump(box: Box) -> int:
    """Change a box."""
    box.n += 1
    return box.n


class Told(Sources):
    """The functions of a text."""

    def __init__(self, text: str, scope: Mapping[str, Any]) -> None:
        super().__init__({})
        self.scope = scope
        self.told = {one.name: one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef)}

    def of(self, function: FunctionType) -> tuple[ast.FunctionDef, Mapping[str, Any]]:
        """Return the tree of one of them."""
        return copy.deepcopy(self.told[function.__name__]), self.scope


class Generated(Sources):
    """Functions that are all said to be generated."""

    def is_generated(self, function: FunctionType) -> bool:
        """Say so."""
        return True


def is_called(function: FunctionType) -> bool:
    """Say whether calls of a function are to stay: those that note do."""
    return function.__name__ in ("note", "fail", "bump")


def straight(
    function: Any, sources: Sources | None = None, name: str = "straight", **told: Any
) -> tuple[Callable[..., Any], str]:
    """Write a function out straight with all that it calls; return it, and its text."""
    parameters = [*function.__code__.co_varnames[: function.__code__.co_argcount]]
    writer = Writer(sources or Sources({}), lambda one: not is_called(one), parameters=parameters, **told)
    body = f"return function({', '.join(parameters)})"
    text = writer.function(name, parameters, body, {"function": function})
    scope = dict(writer.knows.scope)
    exec(text, scope)
    return scope[name], text


def seen(function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """Return all that a caller sees of a call; arguments are copied, so that each way has its own."""
    NOTED.clear()
    given = copy.deepcopy(arguments)
    try:
        came: Any = ("came back", function(*given))
    except Exception as error:
        came = ("raised", type(error))
    return came, list(NOTED), [one.n for one in given if isinstance(one, Box)]


def same(function: Any, *calls: tuple[Any, ...], **told: Any) -> str:
    """Compare both ways on some calls, and return the text of the straight one."""
    other, text = straight(function, **told)
    assert [seen(function, *one) for one in calls] == [seen(other, *one) for one in calls]
    return text
