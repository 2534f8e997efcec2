"""Calls: the body of a function in place of its call, wherever in an expression the call stands.

What lives here: which calls can be written out, what becomes of their arguments and their results. What must not: what
becomes of a body. The law of this file: everything is evaluated once, in the order in which it was, and what cannot be
put in place for certain stays a call.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, cast

from knowing import UNKNOWN, Knowledge
from leaving import Impossible, spliced
from sources import Sources
from trees import Renaming, Statements, assigned, is_last, jumps, named, read, returns, stored, with_name

FORBIDDEN = ast.FunctionDef | ast.Lambda | ast.With | ast.Yield | ast.Global | ast.Nonlocal


class Calls:
    """Put bodies in place of calls. ``within`` says which functions may be written out; all others are called.

    What else it is told is in ``Knowledge``, where ``scope`` collects what the names in the result stand for.
    """

    def __init__(
        self,
        sources: Sources,
        within: Callable[[FunctionType], bool],
        fields: Mapping[str, Any] | None = None,
        steady: Iterable[str] = (),
        single: Iterable[Any] = (),
        parameters: Iterable[str] = (),
    ) -> None:
        self.sources, self.within = sources, within
        self.knows = Knowledge(fields or {}, steady, single, parameters)
        self.stack: list[FunctionType] = []

    def block(self, body: Statements, once: set[str]) -> Statements:
        """Write a body out; ``once`` are the names assigned at one place, whose values can be followed."""
        raise NotImplementedError

    # -- calls --------------------------------------------------------------------------------------------------------

    def callee(self, node: ast.expr | None) -> FunctionType | None:
        """Return the function of a call that may be written out."""
        if not isinstance(node, ast.Call) or node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            return None
        function = self.knows.value(node.func)
        fits = isinstance(function, FunctionType) and function not in self.stack and self.within(function)
        return function if fits else None

    def calls(self, node: ast.expr) -> bool:
        """Say whether there is a call in it that may be written out."""
        return any(self.callee(one) is not None for one in ast.walk(node) if isinstance(one, ast.expr))

    def attempt(
        self,
        function: FunctionType,
        arguments: list[ast.expr],
        into: str | None,
        tail: bool = False,
        fold: bool = False,
    ) -> Statements | None:
        """Write a call out, or return none if it must stay one."""
        try:
            return self.expanded(function, arguments, into, tail, fold)
        except Impossible:
            return None

    def expanded(
        self, function: FunctionType, arguments: list[ast.expr], into: str | None, tail: bool, fold: bool
    ) -> Statements:
        """Write a call out: its result goes ``into`` a name, is returned (``tail``), or is not wanted."""
        tree, outer = self.sources.of(function)
        body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
        inner = [one for each in body for one in ast.walk(each)]
        if any(isinstance(one, FORBIDDEN) or (isinstance(one, ast.Try) and not tail) for one in inner):
            raise Impossible
        mine = stored(body)
        own, before = self.bound(function, tree, arguments, mine, tail)
        own |= {name: named(self.knows.fresh(name)) for name in dict.fromkeys(mine) if name not in own}
        body = [Renaming(own, outer, self.knows.refer).visit(one) for one in body]
        self.stack.append(function)
        try:
            with self.knows.aside():
                once = {one for one, count in Counter(stored(body)).items() if count == 1}
                if not tail:
                    body = spliced(self.unrolled(body), into)
                    if into is not None and fold and stored(body).count(into) == 1 and is_last(body, into):
                        once.add(into)
                written = self.shortcut(self.block(before, once) + self.block(body, once), into)
                kept = self.knows.known.get(into or "", UNKNOWN)
        finally:
            self.stack.pop()
        if kept is not UNKNOWN:
            self.knows.known[str(into)] = kept
        return written

    def bound(
        self, function: FunctionType, tree: ast.FunctionDef, arguments: list[ast.expr], mine: list[str], tail: bool
    ) -> tuple[dict[str, ast.expr], Statements]:
        """Return what to put in place of the parameters, and the arguments that have to be evaluated before."""
        names = [one.arg for one in tree.args.args]
        missing = len(names) - len(arguments)
        if tree.args.vararg or tree.args.kwonlyargs or not 0 <= missing <= len(tree.args.defaults):
            raise Impossible
        if missing:
            arguments = [*arguments, *tree.args.defaults[-missing:]]
        own: dict[str, ast.expr] = {}
        before: Statements = []
        for name, argument in zip(names, arguments, strict=True):
            simple = isinstance(argument, ast.Name | ast.Constant) or self.knows.value(argument) is not UNKNOWN
            if name not in mine and self.sources.is_generated(function) and read(tree.body).count(name) == 1:
                own[name] = argument
            elif simple and name not in mine:
                value = self.knows.value(argument)
                itself = value is UNKNOWN or isinstance(argument, ast.Name)
                own[name] = argument if itself else self.knows.refer(value, name)
            elif tail and isinstance(argument, ast.Name) and argument.id == name:
                own[name] = argument
            else:
                new = self.knows.fresh(name)
                before.append(assigned(new, argument))
                own[name] = named(new)
        return own, before

    def shortcut(self, body: Statements, into: str | None) -> Statements:
        """Let a value that ends up in a name be made in it."""
        match body[-1:]:
            case [ast.Assign([ast.Name(target)], ast.Name(made))] if target == into and into not in read(body):
                if stored(body).count(made) == 1 and stored(body).count(target) == 1:
                    self.knows.rename(made, target)
                    return with_name(body[:-1], made, named(target))
        return body

    def unrolled(self, body: Statements) -> Statements:
        """Write a loop over known things out that may be left early: then it is no loop to be left any more."""
        written: Statements = []
        for statement in body:
            match statement:
                case ast.For(ast.Name(target), iterated, inner, []) if returns(statement) and not jumps(inner):
                    items = self.knows.value(iterated)
                    if not isinstance(items, tuple):
                        written.append(statement)
                    for item in items if isinstance(items, tuple) else ():
                        written += self.unrolled(with_name(inner, target, self.knows.refer(item, target)))
                case _:
                    written.append(statement)
        return written

    # -- expressions --------------------------------------------------------------------------------------------------

    def hoisted(self, node: ast.expr, before: Statements) -> ast.expr:
        """Take the calls that can be written out before an expression out of it."""
        match node:
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp() | ast.Lambda() | ast.Name():
                return cast("ast.expr", self.knows.resolved(node))
            case ast.BoolOp():
                return self.hoisted_first(node, before)
            case ast.IfExp(test, body, orelse):
                known = self.knows.truth(test)
                if known is not None:
                    return self.hoisted(body if known else orelse, before)
                node.test = self.hoisted(test, before)
                node.body, node.orelse = self.knows.resolved(body), self.knows.resolved(orelse)
                return node
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.hoisted(value, before))
            elif isinstance(value, list):
                items = [self.hoisted(one, before) if isinstance(one, ast.expr) else one for one in value]
                setattr(node, field, items)
        value = UNKNOWN if isinstance(node, ast.Constant) else self.knows.value(node)
        if value is not UNKNOWN:
            return self.knows.refer(value, getattr(node, "attr", "it"))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            kept = self.knows.kept.get((node.value.id, node.attr))
            return node if kept is None else named(kept)
        return self.answered(node, before) if isinstance(node, ast.Call) else node

    def hoisted_first(self, node: ast.BoolOp, before: Statements) -> ast.expr:
        """Take the calls out of the first part of an ``and`` or ``or``: whether the others are evaluated depends on it."""
        first, *others = self.knows.shortened(node)
        if not others:
            return self.hoisted(first, before)
        node.values = [self.hoisted(first, before), *map(self.knows.resolved, others)]
        return node

    def answered(self, node: ast.Call, before: Statements) -> ast.expr:
        """Write a call within an expression out, if it can be, and return its result."""
        function = self.callee(node)
        if function is None:
            return node
        into = self.knows.fresh(function.__name__)
        written = self.attempt(function, node.args, into, fold=True)
        if written is None:
            return node
        before += written
        return self.knows.refer(self.knows.known[into], into) if into in self.knows.known else named(into)
