"""Inlining: the body of a function in place of its call, and the answer in place of a question that has one already.

What lives here: how a body is written out straight, statement by statement. What must not: anything about a kernel. The
law of this file: what cannot be written out for certain stays as it is.

A call is written out where it stands as a statement, as a value that is assigned or returned, or within an expression
that has nothing else to evaluate first but names. Arguments are evaluated once, names of the callee get a number, an
early ``return`` becomes the other branch of an ``if``. What is known while it is written (a constant, a function, a row
of a table) is followed as far as it goes: a loop over known things is unrolled, a branch not taken is left out, a
look-up by an unknown key in a known table becomes a branch for each of its answers.

What is relied on: functions and tables stay what they are when they are written out, a key is one of its table's, an
annotation tells whether none can come back. An ``assert`` is left out.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from typing import Any

from calls import NAMES, READS, Calls
from knowing import PLAIN, UNKNOWN, answers, is_table
from leaving import Impossible
from lives import live
from trees import (
    Renaming,
    Statements,
    assigned,
    ends_of,
    is_first,
    is_last,
    is_one_of,
    is_quiet,
    jumps,
    leaves,
    named,
    read,
    stored,
    with_name,
)


class Writer(Calls):
    """Write functions out straight."""

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

    # -- bodies -------------------------------------------------------------------------------------------------------

    def block(self, body: Statements, once: set[str]) -> Statements:
        """Write a body out; ``once`` are the names assigned at one place, whose values can be followed."""
        written: Statements = []
        for at, statement in enumerate(body):
            rest = body[at + 1 :]
            self.next = live(rest, self.after | self.beyond)
            if self.thread(written, statement, once):
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
        with self.knows.aside(), self.leading_to(self.next):
            return self.block(body, once)

    def knowing(self, name: str, value: Any, body: Statements, once: set[str]) -> Statements:
        """Write a copy of a body out for one value of a name."""
        with self.knows.aside(), self.leading_to(self.after | self.result | self.beyond):
            self.knows.known[name] = value
            return self.block(copy.deepcopy(body), once) or [ast.Pass()]

    def split(self, statement: ast.stmt, rest: Statements, once: set[str]) -> Statements | None:
        """Make a branch for each answer of a known table to an unknown key: ``x = TABLE[key].get("name")``."""
        match statement:
            case ast.Assign(
                [ast.Name(target)],
                ast.Call(ast.Attribute(ast.Subscript(table, key), "get"), [asked]),
            ) if self.is_free(target, once):
                known, name = self.knows.value(table), self.knows.value(asked)
            case _:
                return None
        if not is_table(known) or name is UNKNOWN or self.knows.value(key) is not UNKNOWN or not is_quiet(key):
            return None
        chain: Statements = []
        for answer, keys in reversed(answers(known, name)):
            body = self.knowing(target, answer, rest, once)
            chain = body if not chain else [ast.If(is_one_of(copy.deepcopy(key), keys), body, chain)]
        return chain

    def thread(self, written: Statements, statement: ast.stmt, once: set[str]) -> bool:
        """Ask whether there is an answer where it is given, not afterwards: ``if answer is not None: return ...``."""
        match statement:
            case ast.If(ast.Compare(ast.Name(name), [ast.IsNot()], [ast.Constant(None)]), body, []) if leaves(body):
                ends = list(ends_of(written[-1:]))
            case _:
                return False
        if not isinstance(written[-1] if written else None, ast.If) or not all(is_last(end, name) for end in ends):
            return False
        if name in self.next or name in self.always:
            return False
        for end in ends:
            value = end[-1].value  # type: ignore[attr-defined]
            if isinstance(value, ast.Constant) and value.value is None:
                end[-1:] = [] if len(end) > 1 else [ast.Pass()]
            elif self.knows.is_something(value) and is_first(body, name):
                end[-1:] = self.branch(with_name(body, name, value), once)
            else:
                end += self.branch([copy.deepcopy(statement)], once)
        return True

    def follow(self, written: Statements, statement: ast.stmt, rest: Statements, once: set[str]) -> bool:
        """Go on in each branch by itself where a name has just become one of several rows of a table."""
        match statement:
            case ast.Assign([ast.Name(target)]) if (
                self.is_free(target, once) and written and isinstance(written[-1], ast.If)
            ):
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
                first = NAMES if isinstance(statement.target, ast.Name) else READS
                statement.value = self.hoisted(value, before, first)
            case ast.Assert():
                return []  # it tells a type checker what the function itself asks for again where it is called
            case ast.Raise():
                return [self.knows.resolved(statement)]
            case ast.If(test, body, orelse):
                statement.test = test = self.hoisted(test, before)
                known = self.knows.truth(test)
                if known is not None:
                    with self.leading_to(self.after, result=self.result, beyond=self.next):
                        return before + self.block(body if known else orelse, once)
                statement.body = self.branch(body, once) or [ast.Pass()]
                statement.orelse = self.branch(orelse, once)
            case ast.For():
                return self.loop(statement, before, once)
            case ast.Try():
                self.tried(statement, once)
        return [*before, statement]

    def tried(self, statement: ast.Try, once: set[str]) -> None:
        """Write a ``try`` out: whatever is read when something was raised may be read anywhere in it."""
        caught = [each for handler in statement.handlers for each in handler.body]
        others = frozenset(read([*caught, *statement.orelse, *statement.finalbody]))
        with self.leading_to(self.next, others):
            statement.body = self.branch(statement.body, once)
            for handler in statement.handlers:
                handler.body = self.branch(handler.body, once) or [ast.Pass()]
            statement.orelse = self.branch(statement.orelse, once)
        statement.finalbody = self.branch(statement.finalbody, once)

    def assignment(self, statement: ast.Assign, before: Statements, once: set[str]) -> Statements:
        """Write out an assignment to attributes, to items, or to several names."""
        match statement:
            case ast.Assign([ast.Attribute(ast.Name(), field)], ast.Name()) if field in self.knows.steady:
                self.knows.keep(self.knows.resolved(statement))
                return [statement]
        statement.targets = targets = [self.knows.resolved(one) for one in statement.targets]
        known = self.knows.value(statement.value)
        names = [one.id for one in targets if isinstance(one, ast.Name)]
        if known is not UNKNOWN and all(self.is_free(name, once) for name in names):
            self.knows.known |= dict.fromkeys(names, known)
            statement.targets = [one for one in targets if not isinstance(one, ast.Name)]
            if not statement.targets:
                return []
        if len(targets) == 1 and isinstance(targets[0], ast.Tuple) and isinstance(known, tuple):
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
                rounds = [with_name(body, target, self.knows.refer(item, target)) for item in items]
                several = set(stored(body)) if len(items) > 1 else set()
                for at, one in enumerate(rounds):
                    with self.leading_to(live([each for later in rounds[at + 1 :] for each in later], self.next)):
                        unrolled += self.block(one, once - several - {target})
                return unrolled
        statement.iter = found = self.hoisted(statement.iter, before)
        match statement:
            case ast.For(ast.Name(target), _, [ast.Expr(ast.Call(ast.Name(called)) as call)], []) if (
                target == called and self.knows.is_single(found)
            ):
                return [*before, *self.statement(ast.Expr(ast.Call(found, call.args, [])), once)]
        with self.leading_to(self.next, live([statement], self.next)):
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
        if known is not UNKNOWN and self.is_free(target, once):
            self.knows.known[str(target)] = known
            return []
        function = self.callee(value)
        if function is not None:
            assert isinstance(value, ast.Call)
            self.hoist_arguments(value, before)
            written = self.attempt(function, value.args, target, fold=self.is_free(target, once))
            if written is not None:
                return before + written
        else:
            kept = isinstance(value, ast.Attribute) and value.attr in self.knows.steady
            value = self.hoisted(value, before)
            if kept and isinstance(value, ast.Name) and self.is_free(target, once):
                self.knows.same[str(target)] = value.id
                return before
        return [*before, ast.Expr(value) if target is None else assigned(target, value)]

    def returned(self, value: ast.expr, before: Statements) -> Statements:
        """Write out an expression that is returned."""
        function = self.callee(value)
        if function is None:
            value = self.hoisted(value, before)
            return [*before, ast.Return(value)]
        assert isinstance(value, ast.Call)
        self.hoist_arguments(value, before)
        written = self.attempt(function, value.args, None, tail=True)
        return before + written if written is not None else [*before, ast.Return(value)]
