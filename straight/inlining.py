"""Inlining: the body of a function in place of its call, and the answer in place of a question that has one already.

What lives here: how functions are written out straight, statement by statement. What must not: anything about a kernel.
The law of this file: what cannot be written out for certain stays a call.

A call is written out where it stands as a statement, as a value that is assigned or returned, or within an expression
that has nothing else to evaluate first but names and attributes. Arguments are evaluated once, names of the callee get
a number, an early ``return`` becomes the other branch of an ``if``. What is known while it is written (a constant, a
function, a row of a table) is followed as far as it goes: a loop over known things is unrolled, a branch not taken is
left out, a look-up by an unknown key in a known table becomes a branch for each of its answers.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, cast

from knowing import PLAIN, UNKNOWN, Knowledge, answers
from leaving import Impossible, spliced
from sources import Sources
from trees import (
    Renaming,
    Statements,
    assigned,
    ends_of,
    is_last,
    is_one_of,
    jumps,
    leaves,
    named,
    names_in_order,
    read,
    returns,
    stored,
    with_name,
)

FORBIDDEN = ast.FunctionDef | ast.Lambda | ast.With | ast.Yield | ast.Global | ast.Nonlocal


class Writer:
    """Write functions out straight. ``within`` says which functions may be written out; all others are called.

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

    def function(self, name: str, parameters: list[str], body: str, scope: Mapping[str, Any]) -> str:
        """Write the function of that body out, with what its names stand for, and return its text."""
        self.knows.begin()
        tree = ast.parse(body).body
        own: dict[str, ast.expr] = {one: named(one) for one in parameters}
        written = self.block([Renaming(own, scope, self.knows.refer).visit(one) for one in tree], set())
        defined = ast.parse(f"def {name}({', '.join(parameters)}): pass").body[0]
        assert isinstance(defined, ast.FunctionDef)
        defined.body = written or [ast.Pass()]
        return ast.unparse(ast.fix_missing_locations(defined)) + "\n"

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

    # -- bodies -------------------------------------------------------------------------------------------------------

    def block(self, body: Statements, once: set[str]) -> Statements:
        """Write a body out; ``once`` are the names assigned at one place, whose values can be followed."""
        written: Statements = []
        for at, statement in enumerate(body):
            rest = body[at + 1 :]
            if self.thread(written, statement, rest):
                continue
            split = self.split(statement, rest, once)
            if split is not None:
                return written + split
            written += self.statement(statement, once)
            if self.follow(written, statement, rest, once):
                return written
            if written and isinstance(written[-1], ast.Return | ast.Raise):
                break
        return written

    def branch(self, body: Statements, once: set[str]) -> Statements:
        """Write a branch out; what is known in it is known in it only."""
        with self.knows.aside():
            return self.block(body, once)

    def knowing(self, name: str, value: Any, body: Statements, once: set[str]) -> Statements:
        """Write a copy of a body out for one value of a name."""
        with self.knows.aside():
            self.knows.known[name] = value
            return self.block(copy.deepcopy(body), once) or [ast.Pass()]

    def split(self, statement: ast.stmt, rest: Statements, once: set[str]) -> Statements | None:
        """Make a branch for each answer of a known table to an unknown key: ``x = TABLE[key].get("name")``."""
        match statement:
            case ast.Assign(
                [ast.Name(target)],
                ast.Call(ast.Attribute(ast.Subscript(table, key), "get"), [asked]),
            ) if target in once:
                known, name = self.knows.value(table), self.knows.value(asked)
            case _:
                return None
        if known is UNKNOWN or name is UNKNOWN or self.knows.value(key) is not UNKNOWN:
            return None
        chain: Statements = []
        for answer, keys in reversed(answers(known, name)):
            body = self.knowing(target, answer, rest, once)
            chain = body if not chain else [ast.If(is_one_of(copy.deepcopy(key), keys), body, chain)]
        return chain

    def thread(self, written: Statements, statement: ast.stmt, rest: Statements) -> bool:
        """Ask whether there is an answer where it is given, not afterwards: ``if answer is not None: return ...``."""
        match statement:
            case ast.If(ast.Compare(ast.Name(name), [ast.IsNot()], [ast.Constant(None)]), body, []) if leaves(body):
                ends = list(ends_of(written[-1:]))
            case _:
                return False
        if not isinstance(written[-1] if written else None, ast.If) or not all(is_last(end, name) for end in ends):
            return False
        again = [one.ctx for each in rest for one in names_in_order(each) if one.id == name]
        if again and not isinstance(again[0], ast.Store):
            return False
        for end in ends:
            value = end[-1].value  # type: ignore[attr-defined]
            if isinstance(value, ast.Constant) and value.value is None:
                end[-1:] = [] if len(end) > 1 else [ast.Pass()]
            elif self.knows.is_something(value) and read(body).count(name) == 1:
                end[-1:] = with_name(body, name, value)
            else:
                end.append(copy.deepcopy(statement))
        return True

    def follow(self, written: Statements, statement: ast.stmt, rest: Statements, once: set[str]) -> bool:
        """Go on in each branch by itself where a name has just become one of several rows of a table."""
        match statement:
            case ast.Assign([ast.Name(target)]) if target in once and written and isinstance(written[-1], ast.If):
                ends = list(ends_of(written[-1:]))
            case _:
                return False
        values = [self.knows.value(end[-1].value) if is_last(end, target) else UNKNOWN for end in ends]  # type: ignore[attr-defined]
        if UNKNOWN in values or all(isinstance(one, PLAIN) for one in values):
            return False
        for end, value in zip(ends, values, strict=True):
            end[-1:] = self.knowing(target, value, rest, once)
        return True

    # -- statements ---------------------------------------------------------------------------------------------------

    def statement(self, statement: ast.stmt, once: set[str]) -> Statements:
        """Write one statement out."""
        before: Statements = []
        match statement:
            case ast.Expr(value):
                return self.value_of(value, None, before, once)
            case ast.Assign([ast.Name(target)], value):
                return self.value_of(value, target, before, once)
            case ast.Return(value) if value is not None:
                return self.returned(value, before)
            case ast.Assign():
                return self.assignment(statement, before, once)
            case ast.AugAssign(value=value):
                statement.target = self.knows.resolved(statement.target)
                statement.value = self.hoisted(value, before)
            case ast.Assert():
                return []  # it tells a type checker what the function itself asks for again where it is called
            case ast.Raise(exc=raised) if raised is not None:
                statement.exc = self.knows.resolved(raised)
            case ast.If(test, body, orelse):
                statement.test = test = self.hoisted(test, before)
                known = self.knows.truth(test)
                if known is not None:
                    return before + self.block(body if known else orelse, once)
                statement.body = self.branch(body, once) or [ast.Pass()]
                statement.orelse = self.branch(orelse, once)
            case ast.For():
                return self.loop(statement, before, once)
            case ast.Try(body):
                statement.body = self.block(body, once)
        return [*before, statement]

    def assignment(self, statement: ast.Assign, before: Statements, once: set[str]) -> Statements:
        """Write out an assignment to attributes, to items, or to several names."""
        match statement:
            case ast.Assign([ast.Attribute(ast.Name(holder), field)], ast.Name(name)) if field in self.knows.steady:
                statement.value = self.knows.resolved(statement.value)
                kept = statement.value.id if isinstance(statement.value, ast.Name) else name
                self.knows.keep(holder, field, kept)
                return [statement]
        statement.targets = targets = [self.knows.resolved(one) for one in statement.targets]
        known = self.knows.value(statement.value)
        names = [one.id for one in targets if isinstance(one, ast.Name)]
        if known is not UNKNOWN and set(names) <= once:
            self.knows.known |= dict.fromkeys(names, known)
            statement.targets = [one for one in targets if not isinstance(one, ast.Name)]
        if isinstance(targets[0], ast.Tuple) and isinstance(known, tuple):
            pairs = zip(targets[0].elts, known, strict=True)
            return self.block([assigned(ast.unparse(one), self.knows.refer(part, "it")) for one, part in pairs], once)
        statement.value = self.hoisted(statement.value, before)
        return [*before, statement]

    def loop(self, statement: ast.For, before: Statements, once: set[str]) -> Statements:
        """Write a loop out; one over known things is unrolled."""
        items = self.knows.value(statement.iter)
        match statement:
            case ast.For(ast.Name(target), _, body, []) if isinstance(items, tuple):
                if jumps(body):
                    raise Impossible
                unrolled: Statements = []
                for item in items:
                    unrolled += self.block(with_name(body, target, self.knows.refer(item, target)), once - {target})
                return unrolled
        statement.iter = found = self.hoisted(statement.iter, before)
        match statement:
            case ast.For(ast.Name(target), _, [ast.Expr(ast.Call(ast.Name(called)) as call)], []) if (
                target == called and self.knows.is_single(found)
            ):
                return [*before, *self.statement(ast.Expr(ast.Call(found, call.args, [])), once)]
        statement.body = self.branch(statement.body, set()) or [ast.Pass()]
        statement.orelse = self.branch(statement.orelse, once)
        return [*before, statement]

    def value_of(self, value: ast.expr, target: str | None, before: Statements, once: set[str]) -> Statements:
        """Write out an expression that is assigned to a name, or stands alone."""
        if isinstance(value, ast.IfExp) and self.knows.truth(value.test) is not None:
            value = value.body if self.knows.truth(value.test) else value.orelse
        if isinstance(value, ast.IfExp) and target is not None and self.calls(value):
            both = assigned(target, value.body), assigned(target, value.orelse)
            return self.statement(ast.If(value.test, [both[0]], [both[1]]), once - {target})
        known = self.knows.value(value)
        if known is not UNKNOWN and target in once:
            self.knows.known[str(target)] = known
            return []
        function = self.callee(value)
        if function is not None:
            assert isinstance(value, ast.Call)
            value.args = [self.hoisted(one, before) for one in value.args]
            written = self.attempt(function, value.args, target, fold=target in once)
            if written is not None:
                return before + written
        else:
            kept = isinstance(value, ast.Attribute) and value.attr in self.knows.steady
            value = self.hoisted(value, before)
            if kept and isinstance(value, ast.Name) and target in once:
                self.knows.same[str(target)] = value.id
                return before
        return [*before, ast.Expr(value) if target is None else assigned(target, value)]

    def returned(self, value: ast.expr, before: Statements) -> Statements:
        """Write out an expression that is returned."""
        function = self.callee(value)
        if function is None:
            return [*before, ast.Return(self.hoisted(value, before))]
        assert isinstance(value, ast.Call)
        value.args = [self.hoisted(one, before) for one in value.args]
        written = self.attempt(function, value.args, None, tail=True)
        return before + written if written is not None else [*before, ast.Return(value)]
