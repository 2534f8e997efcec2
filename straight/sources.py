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
