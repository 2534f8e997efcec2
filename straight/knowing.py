"""Knowing: what names and expressions stand for, as far as it is known while a function is written out.

What lives here: how things are named in the result, what an expression comes to, which names are another's. What must
not: writing. The law of this file: what is said to be known is so whenever the place at hand is reached; all else is
``UNKNOWN``.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from trees import base_of, is_store, named, read, renamed

UNKNOWN: Any = object()
PLAIN = (type(None), bool, int, str)


class Knowledge:
    """What is known at the place that is being written.

    ``fields`` are attributes whose value is known whatever they are read of. ``steady`` are attributes that are assigned
    once, from a name that is not assigned again, and are read from there. ``single`` are mappings of one function each.
    ``scope`` collects what the names in the result stand for; no name in it is one of the ``parameters``.
    """

    def __init__(
        self, fields: Mapping[str, Any], steady: Iterable[str], single: Iterable[Any], parameters: Iterable[str]
    ) -> None:
        self.fields, self.steady, self.parameters = fields, frozenset(steady), frozenset(parameters)
        self.single = {id(one) for one in single}
        self.scope: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.begin()

    def begin(self) -> None:
        """Know nothing of the names of another function."""
        self.known: dict[str, Any] = {}
        self.kept: dict[tuple[str, str], str] = {}
        self.same: dict[str, str] = {}
        self.numbers: dict[str, int] = {}

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Forget afterwards what comes to be known meanwhile."""
        saved = self.known
        self.known = dict(saved)
        try:
            yield
        finally:
            self.known = saved

    # -- names --------------------------------------------------------------------------------------------------------

    def refer(self, thing: Any, hint: str) -> ast.expr:
        """Return how to name a thing; a plain constant names itself."""
        if is_plain(thing):
            return ast.parse(repr(thing), mode="eval").body
        if id(thing) not in self.names:
            hint = base_of(getattr(thing, "__name__", hint))
            name, number = hint, 1
            while name in self.scope or name in self.parameters or hasattr(builtins, name):
                name, number = f"{hint}__{number}", number + 1
            self.names[id(thing)] = name
            self.scope[name] = thing
        return named(self.names[id(thing)])

    def fresh(self, hint: str) -> str:
        """Return a name that nothing has yet."""
        base = base_of(hint)
        self.numbers[base] = self.numbers.get(base, 0) + 1
        return f"{base}_{self.numbers[base]}"

    def keep(self, statement: ast.stmt) -> None:
        """Note from which name an attribute is assigned; a name that stands for something known is none any more."""
        match statement:
            case ast.Assign([ast.Attribute(ast.Name(holder), field)], ast.Name(name)):
                self.kept[holder, field] = name

    def rename(self, old: str, new: str) -> None:
        """Note that a name goes by another one from now on."""
        self.kept = {
            (new if holder == old else holder, field): new if name == old else name
            for (holder, field), name in self.kept.items()
        }
        self.same = {name: new if other == old else other for name, other in self.same.items()}

    def resolved(self, node: Any) -> Any:
        """Put what is known, and what else is the same, in place of the names in a node."""
        own: dict[str, ast.expr] = {name: named(other) for name, other in self.same.items()}
        reads = set(read([node])) if not isinstance(node, ast.Name) or not is_store(node) else set()
        own |= {name: self.refer(self.known[name], name) for name in sorted(reads & self.known.keys())}
        return renamed(node, own)

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr | None) -> Any:
        """Return what an expression comes to, if that is known."""
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self.known.get(name, self.scope.get(name, UNKNOWN))
            case ast.Tuple(parts):
                items = [self.value(one) for one in parts]
                return UNKNOWN if any(one is UNKNOWN for one in items) else tuple(items)
            case ast.Attribute(holder, field):
                return self.field(self.value(holder), field)
            case ast.Subscript(table, key):
                return looked_up(self.value(table), self.value(key))
            case ast.IfExp(test, body, orelse):
                holds = self.truth(test)
                return UNKNOWN if holds is None else self.value(body if holds else orelse)
        return UNKNOWN

    def field(self, holder: Any, field: str) -> Any:
        """Return an attribute, if it is known."""
        if holder is UNKNOWN:
            return self.fields.get(field, UNKNOWN)
        return UNKNOWN if isinstance(holder, type) else getattr(holder, field, UNKNOWN)

    def truth(self, test: ast.expr) -> bool | None:
        """Return whether a test holds, if that is known."""
        match test:
            case ast.UnaryOp(ast.Not(), operand):
                inner = self.truth(operand)
                return None if inner is None else not inner
            case ast.BoolOp(op, values):
                parts = [self.truth(one) for one in values]
                decisive = isinstance(op, ast.Or)
                if decisive in parts:
                    return decisive if None not in parts[: parts.index(decisive)] else None
                return None if None in parts else not decisive
            case ast.Compare(left, [op], [right]):
                return compared(op, self.value(left), self.value(right))
        value = self.value(test)
        return None if value is UNKNOWN else bool(value)

    def shortened(self, node: ast.BoolOp) -> list[ast.expr]:
        """Leave out of an ``and`` or ``or`` what is known to decide nothing."""
        neutral = isinstance(node.op, ast.And)
        return [one for one in node.values[:-1] if self.truth(one) is not neutral] + node.values[-1:]

    def is_something(self, value: ast.expr) -> bool:
        """Say whether a value is certainly not none: a record that is made, or what a function never returns."""
        made = self.value(value.func) if isinstance(value, ast.Call) else UNKNOWN
        if isinstance(made, FunctionType):
            return "None" not in str(made.__annotations__.get("return", "None"))
        return isinstance(made, type)

    def is_single(self, node: ast.expr) -> bool:
        """Say whether something is looked up in a mapping that gives one function in the result."""
        while isinstance(node, ast.Subscript):
            node = node.value
        return id(self.value(node)) in self.single


def is_plain(thing: Any) -> bool:
    """Say whether a thing is a constant, or a tuple of such."""
    return isinstance(thing, PLAIN) or (type(thing) is tuple and all(is_plain(one) for one in thing))


def looked_up(table: Any, key: Any) -> Any:
    """Return what a known table has under a known key; what it has not is for the result to find out."""
    if not isinstance(table, dict | tuple) or key is UNKNOWN:
        return UNKNOWN
    try:
        return table[key]
    except (LookupError, TypeError):
        return UNKNOWN


def compared(op: ast.cmpop, left: Any, right: Any) -> bool | None:
    """Compare what is known; none if it is not."""
    if left is UNKNOWN or right is UNKNOWN:
        return None
    if isinstance(op, ast.Is | ast.IsNot):
        return (left is right) is isinstance(op, ast.Is)
    if isinstance(op, ast.Eq | ast.NotEq):
        return bool(left == right) is isinstance(op, ast.Eq)
    return bool(left in right) is isinstance(op, ast.In) if isinstance(op, ast.In | ast.NotIn) else None


def is_table(known: Any) -> bool:
    """Say whether something known is a table of rows."""
    return isinstance(known, dict) and all(isinstance(row, dict) for row in known.values())


def answers(table: Mapping[Any, Mapping[Any, Any]], name: Any) -> list[tuple[Any, list[str]]]:
    """List the answers that the rows of a table give to a name, each with the keys of its rows; no answer comes last."""
    found: list[tuple[Any, list[str]]] = []
    for key, by_name in table.items():
        answer = by_name.get(name)
        for other, keys in found:
            if type(other) is type(answer) and other == answer:
                keys.append(key)
                break
        else:
            found.append((answer, [key]))
    return sorted(found, key=lambda one: one[0] is None)
