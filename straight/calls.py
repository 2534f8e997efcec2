"""Calls: the body of a function in place of its call, wherever in an expression the call stands.

What lives here: which calls can be written out, what becomes of their arguments and their results. What must not: what
becomes of a body. The law of this file: everything is evaluated once, in the order in which it was, and what cannot be
put in place for certain stays a call.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Any, cast

from knowing import UNKNOWN, Knowledge
from leaving import Impossible, spliced
from lives import Names
from sources import Sources, body_of
from trees import (
    Renaming,
    Statements,
    assigned,
    assigned_once,
    is_last,
    jumps,
    leaves,
    named,
    read,
    returns,
    stored,
    with_name,
)

NAMES, READS, CALLS = range(3)
"""What is evaluated before a call: names alone; reads, which a call could change; calls, which could change the call."""

DISPLAYS = (ast.Constant, ast.Tuple, ast.List, ast.Starred)
NOBODY: Names = frozenset()
NOTHING = ast.Return(ast.Constant(None))


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
        self.stays = NAMES
        self.after = self.next = self.always = self.result = self.beyond = NOBODY

    @contextmanager
    def leading_to(
        self, after: Names, always: Names = NOBODY, result: Names = NOBODY, beyond: Names = NOBODY
    ) -> Iterator[None]:
        """Write a part that is followed by what may read some names; ``always``: from within the part, too.

        ``result`` is the name whose value can be followed out of the part, if it becomes known at its very end;
        ``beyond`` are the names read in what follows where all that is known in the part is known still.
        """
        saved = self.after, self.next, self.always, self.result, self.beyond
        self.after, self.always, self.result, self.beyond = after, self.always | always, result, beyond
        try:
            yield
        finally:
            self.after, self.next, self.always, self.result, self.beyond = saved

    def is_free(self, name: str | None, once: set[str]) -> bool:
        """Say whether a name is assigned at one place, and read in what follows there only: its value can be followed."""
        return name in once and name not in self.after and name not in self.always

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
        saved = dict(self.knows.kept), dict(self.knows.same)
        try:
            return self.expanded(function, arguments, into, tail, fold)
        except Impossible:
            self.knows.kept, self.knows.same = saved
            return None

    def expanded(
        self, function: FunctionType, arguments: list[ast.expr], into: str | None, tail: bool, fold: bool
    ) -> Statements:
        """Write a call out: its result goes ``into`` a name, is returned (``tail``), or is not wanted."""
        tree, outer = self.sources.of(function)
        body = body_of(tree, outer, tail)
        mine = stored(body)
        own, before = self.bound(function, tree, arguments, mine, tail)
        own |= {name: named(self.knows.fresh(name)) for name in dict.fromkeys(mine) if name not in own}
        body = [Renaming(own, outer, self.knows.refer).visit(one) for one in body]
        self.stack.append(function)
        try:
            result = frozenset({into} if fold and into is not None else ())
            after = NOBODY if tail else self.next - result
            with self.knows.aside(), self.leading_to(after, result=result):
                if not tail:
                    body = self.unrolled(body)
                once = assigned_once(before + body)
                if not tail:
                    body = spliced(body, into)
                    if into is not None and fold and stored(body).count(into) == 1 and is_last(body, into):
                        once.add(into)
                written = self.block(before + body, once)
                written = self.shortcut(written, into) if not tail or leaves(written) else [*written, NOTHING]
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
        names, arguments = self.filled(function, tree.args, arguments)
        in_place = self.sources.is_generated(function)
        own: dict[str, ast.expr] = {}
        before: Statements = []
        for name, argument in reversed([*zip(names, arguments, strict=True)]):
            value = self.knows.value(argument)
            if name in mine and not (tail and name not in self.always and is_alone(name, argument, arguments)):
                in_place = False
            elif isinstance(argument, ast.Name | ast.Constant):
                own[name] = argument
            elif value is not UNKNOWN:
                own[name] = self.knows.refer(value, name)
            elif in_place and read(tree.body).count(name) == 1:
                own[name] = argument
            else:
                in_place = False
            if name not in own:
                new = self.knows.fresh(name)
                before.insert(0, assigned(new, argument))
                own[name] = named(new)
        return own, before

    def filled(
        self, function: FunctionType, parameters: ast.arguments, arguments: list[ast.expr]
    ) -> tuple[list[str], list[ast.expr]]:
        """Return the parameters and their arguments, the defaults of those that are missing among them."""
        names = [one.arg for one in parameters.args]
        missing, defaults = len(names) - len(arguments), function.__defaults__ or ()
        others = parameters.posonlyargs, parameters.vararg, parameters.kwonlyargs, parameters.kwarg
        if any(others) or not 0 <= missing <= len(defaults):
            raise Impossible
        added = zip(names[len(arguments) :], defaults[len(defaults) - missing :], strict=True)
        return names, [*arguments, *(self.knows.refer(value, name) for name, value in added)]

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
                case ast.For(ast.Name(target), iterated, inner) if can_be_unrolled(statement):
                    items = self.knows.value(iterated)
                    if not isinstance(items, tuple):
                        written.append(statement)
                    for item in items if isinstance(items, tuple) else ():
                        written += self.unrolled(with_name(inner, target, self.knows.refer(item, target)))
                case _:
                    written.append(statement)
        return written

    # -- expressions --------------------------------------------------------------------------------------------------

    def hoisted(self, node: ast.expr, before: Statements, first: int = NAMES) -> ast.expr:
        """Take the calls that can be written out before an expression out of it; ``first`` is what comes before it."""
        saved, self.stays = self.stays, first
        try:
            return self.lifted(node, before)
        finally:
            self.stays = saved

    def hoist_arguments(self, call: ast.Call, before: Statements) -> None:
        """Take the calls that can be written out before the arguments of a call out of them."""
        saved, self.stays = self.stays, NAMES
        try:
            call.args = [self.lifted(one, before) for one in call.args]
        finally:
            self.stays = saved

    def lifted(self, node: ast.expr, before: Statements) -> ast.expr:
        """Take the calls out of a part of an expression, and note what stays in it to be evaluated."""
        match node:
            case ast.Name():
                return cast("ast.expr", self.knows.resolved(node))
            case ast.BoolOp():
                return self.lifted_first(node, before)
            case ast.IfExp(test, body, orelse):
                known = self.knows.truth(test)
                if known is not None:
                    return self.lifted(body if known else orelse, before)
                node.test = self.lifted(test, before)
                node.body, node.orelse = self.left(body), self.left(orelse)
                return node
            case (
                ast.Attribute()
                | ast.Subscript()
                | ast.Call()
                | ast.Tuple()
                | ast.List()
                | ast.Starred()
                | ast.Constant()
            ):
                return self.lifted_parts(node, before)
            case ast.BinOp() | ast.UnaryOp() | ast.JoinedStr() | ast.FormattedValue() | ast.Compare(comparators=[_]):
                return self.lifted_parts(node, before)
        return self.left(node)

    def left(self, node: ast.expr) -> ast.expr:
        """Leave the calls in a part of an expression that is not evaluated always, or not once, or not in its order."""
        self.stays = max(self.stays, CALLS if any(isinstance(one, ast.Call) for one in ast.walk(node)) else READS)
        return cast("ast.expr", self.knows.resolved(node))

    def lifted_first(self, node: ast.BoolOp, before: Statements) -> ast.expr:
        """Take the calls out of the first part of an ``and`` or ``or``: whether the others are evaluated depends on it."""
        first, *others = self.knows.shortened(node)
        if not others:
            return self.lifted(first, before)
        node.values = [self.lifted(first, before), *map(self.left, others)]
        return node

    def lifted_parts(self, node: ast.expr, before: Statements) -> ast.expr:
        """Take the calls out of the parts of an expression in their order, and then itself if it is one."""
        stayed = self.stays
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.lifted(value, before))
            for at, one in enumerate(value if isinstance(value, list) else ()):
                if isinstance(one, ast.expr):
                    value[at] = self.lifted(one, before)
                elif isinstance(one, ast.keyword):
                    one.value = self.lifted(one.value, before)
        instead = self.instead(node, before, stayed)
        if instead is not None:
            self.stays = stayed
            return instead
        if not isinstance(node, DISPLAYS):
            self.stays = max(self.stays, CALLS if isinstance(node, ast.Call) else READS)
        return node

    def instead(self, node: ast.expr, before: Statements, stayed: int) -> ast.expr | None:
        """Return a name or a constant that stands for an expression, if there is one; ``stayed`` comes before it."""
        value = UNKNOWN if isinstance(node, ast.Constant) else self.knows.value(node)
        if value is not UNKNOWN:
            return self.knows.refer(value, getattr(node, "attr", "it"))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            kept = self.knows.kept.get((node.value.id, node.attr))
            return None if kept is None else named(kept)
        function = self.callee(node)
        harmless = function is not None and self.sources.is_generated(function) and self.stays <= READS
        if function is None or (stayed > NAMES and not harmless):
            return None
        assert isinstance(node, ast.Call)
        into = self.knows.fresh(function.__name__)
        written = self.attempt(function, node.args, into, fold=True)
        if written is None:
            return None
        before += written
        return self.knows.refer(self.knows.known[into], into) if into in self.knows.known else named(into)


def is_alone(name: str, argument: ast.expr, arguments: list[ast.expr]) -> bool:
    """Say whether an argument is a name that the callee may assign as its own: it has the parameter's name already."""
    return isinstance(argument, ast.Name) and argument.id == name and read(arguments).count(name) == 1


def can_be_unrolled(loop: ast.For) -> bool:
    """Say whether a loop that may be left early is a row of bodies, one for each round."""
    return returns(loop) and not loop.orelse and not jumps(loop.body)
