"""Trees: the syntax trees of Python, read and made.

What lives here: what names are assigned and read in a tree, how a body ends, trees with other names, and trees that are
made. What must not: what a name stands for. The law of this file: a tree tells all about itself; nothing is asked here
but the tree.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

Statements = list[ast.stmt]


# -- names ------------------------------------------------------------------------------------------------------------


def is_store(name: ast.Name) -> bool:
    """Say whether a name is assigned here."""
    return isinstance(name.ctx, ast.Store)


def stored(nodes: Iterable[ast.AST]) -> list[str]:
    """List the names that are assigned, as often as they are."""
    return [one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name) and is_store(one)]


def assigned_once(body: Statements) -> set[str]:
    """Return the names that are assigned at one place."""
    return {name for name, count in Counter(stored(body)).items() if count == 1}


def read(nodes: Iterable[ast.AST]) -> list[str]:
    """List the names that are read, as often as they are."""
    return [one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name) and not is_store(one)]


def names_of(node: ast.AST, names: Container[str]) -> list[ast.Name]:
    """List where some names stand in a tree."""
    return [one for one in ast.walk(node) if isinstance(one, ast.Name) and one.id in names]


def base_of(name: str) -> str:
    """Return a name without its number."""
    return name.strip("_").rstrip("0123456789").rstrip("_") or "it"


def is_quiet(node: ast.expr) -> bool:
    """Say whether an expression is but names and attributes of such: it may be evaluated once more, or sooner."""
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and is_quiet(node.value))


def is_first(body: Statements, name: str) -> bool:
    """Say whether a body returns a call that reads a name once, as an argument before which nothing is called."""
    match body:
        case [ast.Return(ast.Call(called, arguments))] if is_quiet(called) and read(body).count(name) == 1:
            at = next((at for at, one in enumerate(arguments) if isinstance(one, ast.Name) and one.id == name), None)
            return at is not None and all(isinstance(one, ast.Name | ast.Constant) for one in arguments[:at])
    return False


class Renaming(ast.NodeTransformer):
    """Give the callee's own names a number, its parameters their arguments, and all others what they stand for."""

    def __init__(self, own: Mapping[str, ast.expr], outer: Mapping[str, Any], refer: Callable[[Any, str], ast.expr]):
        self.own, self.outer, self.refer = own, outer, refer

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Rename."""
        if node.id in self.own:
            new = copy.deepcopy(self.own[node.id])
            if isinstance(new, ast.Name):
                new.ctx = node.ctx
            return new
        return self.refer(self.outer[node.id], node.id) if node.id in self.outer else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        """Leave the annotation out."""
        assert node.value is not None
        return ast.Assign([self.visit(node.target)], self.visit(node.value))


def renamed(node: Any, own: Mapping[str, ast.expr]) -> Any:
    """Put expressions in place of names in a node; it is changed itself."""
    return Renaming(own, {}, lambda thing, hint: named(hint)).visit(node)


def with_name(body: Statements, name: str, value: ast.expr) -> Statements:
    """Return a copy of a body with a value in place of a name."""
    return [renamed(copy.deepcopy(one), {name: value}) for one in body]


# -- how a body goes on, and how it ends ------------------------------------------------------------------------------


def returns(node: ast.AST) -> bool:
    """Say whether something returns somewhere in it."""
    return any(isinstance(one, ast.Return) for one in ast.walk(node))


def jumps(body: Statements) -> bool:
    """Say whether a body breaks or continues a loop."""
    return any(isinstance(one, ast.Break | ast.Continue) for each in body for one in ast.walk(each))


def leaves(body: Statements) -> bool:
    """Say whether every way through it ends in a return or a raise."""
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        return leaves(last.body) and leaves(last.orelse)
    return isinstance(last, ast.Return | ast.Raise)


def ends_of(body: Statements) -> Iterator[Statements]:
    """Give the bodies in which the ways through a body end."""
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        yield from ends_of(last.body)
        yield from ends_of(last.orelse)
    else:
        yield body


def is_last(body: Statements, name: str) -> bool:
    """Say whether a body ends in the assignment of a name."""
    return bool(body) and isinstance(body[-1], ast.Assign) and stored(body[-1:]) == [name]


# -- trees that are made ----------------------------------------------------------------------------------------------


def named(name: str) -> ast.Name:
    """Make a name that is read."""
    return ast.Name(name, ast.Load())


def assigned(name: str, value: ast.expr) -> ast.Assign:
    """Make an assignment."""
    return ast.Assign([ast.Name(name, ast.Store())], value)


def is_one_of(key: ast.expr, states: list[str]) -> ast.expr:
    """Test whether a key is one of some."""
    if len(states) == 1:
        return ast.Compare(key, [ast.Eq()], [ast.Constant(states[0])])
    return ast.Compare(key, [ast.In()], [ast.Tuple([ast.Constant(one) for one in states], ast.Load())])
