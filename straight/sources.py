"""Sources: the syntax tree of a function.

What lives here: where the tree of a function is found, and what the names in it stand for. What must not: what is made
of it. The law of this file: a tree is that of the very code that would run, or there is none.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from leaving import Impossible
from trees import names_of, stored

STATEMENTS = (
    ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.If, ast.Raise, ast.Try, ast.Assert, ast.Expr,
    ast.Pass, ast.Break, ast.Continue,
)  # fmt: skip
"""What a body that is put in place of a call may consist of."""

FORBIDDEN = (ast.Lambda, ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)
"""What may stand nowhere in it: it would see other names, or make another kind of function."""

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

AT_ONCE = {"all", "any", "dict", "frozenset", "list", "max", "min", "next", "set", "sorted", "sum", "tuple"}
"""What takes from a generator at once, so that it does not see what becomes of the names in it."""


def body_of(tree: ast.FunctionDef, outer: Mapping[str, Any], tail: bool) -> list[ast.stmt]:
    """Return the body of a function without its docstring, if it may be put in place of a call (``tail``: that ends it)."""
    body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
    inner = [one for each in body for one in ast.walk(each)]
    taken = {id(one.args[0]) for one in inner if isinstance(one, ast.Call) and one.args and takes_at_once(one, outer)}
    for one in inner:
        if isinstance(one, FORBIDDEN) or (isinstance(one, ast.stmt) and not isinstance(one, STATEMENTS)):
            raise Impossible
        if isinstance(one, ast.Try) and (not tail or any(handler.name in outer for handler in one.handlers)):
            raise Impossible
        if isinstance(one, ast.AnnAssign) and one.value is None:
            raise Impossible
        if isinstance(one, ast.GeneratorExp) and id(one) not in taken:
            raise Impossible
    if is_more_than_its_loops(body):
        raise Impossible
    return body


def takes_at_once(call: ast.Call, outer: Mapping[str, Any]) -> bool:
    """Say whether what is called takes all that it wants of its first argument before it returns."""
    return isinstance(call.func, ast.Name) and call.func.id in AT_ONCE and call.func.id not in outer


def is_more_than_its_loops(body: list[ast.stmt]) -> bool:
    """Say whether the name that a loop runs through is one outside of it, too, or is assigned in it again."""
    every = [one for each in body for one in ast.walk(each)]
    targets: set[str] = set()
    within: set[int] = set()
    for one in every:
        if isinstance(one, ast.For):
            names = set(stored([one.target]))
            if names & set(stored(one.body)):
                return True
            targets |= names
            within |= {id(name) for each in (one.target, *one.body) for name in names_of(each, names)}
        elif isinstance(one, COMPREHENSIONS):
            names = set(stored([each.target for each in one.generators]))
            within |= {id(name) for name in names_of(one, names)}
    return any(id(one) not in within for each in body for one in names_of(each, targets))


class Sources:
    """The syntax trees of functions: those of files, and those that were generated and told of."""

    def __init__(self, generated: Mapping[int, tuple[str, Mapping[str, Any]]]) -> None:
        self.generated = generated
        self.trees: dict[str, dict[tuple[str, int], ast.FunctionDef]] = {}

    def is_generated(self, function: FunctionType) -> bool:
        """Say whether a function was generated: it reads its arguments in their order, and calls nothing in between."""
        return id(function.__code__) in self.generated

    def of(self, function: FunctionType) -> tuple[ast.FunctionDef, Mapping[str, Any]]:
        """Return a function's tree, and what the names in it that are not its own stand for."""
        code = function.__code__
        told = self.generated.get(id(code))
        if told is not None:
            (tree,) = [one for one in ast.parse(told[0]).body if getattr(one, "name", "") == function.__name__]
            assert isinstance(tree, ast.FunctionDef)
            return tree, told[1]
        if code.co_filename not in self.trees:
            module = inspect.getmodule(code)
            nodes = ast.walk(ast.parse(inspect.getsource(module))) if module is not None else ()
            found = {(one.name, one.lineno): one for one in nodes if isinstance(one, ast.FunctionDef)}
            self.trees[code.co_filename] = found
        known = self.trees[code.co_filename].get((function.__name__, code.co_firstlineno))
        if known is None:
            raise Impossible
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        return copy.deepcopy(known), {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}
