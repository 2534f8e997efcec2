"""Leaving: what becomes of a ``return`` in a body that is put in place of its call.

What lives here: returns turned into assignments, early ones into branches and into the ``else`` of a loop. What must
not: what anything stands for. The law of this file: a body that is left early is left at the same place for the same
value, or it is ``Impossible``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trees import Statements, assigned, leaves, returns


class Impossible(Exception):
    """Stop writing out a call: it stays one."""


def spliced(body: Statements, into: str | None) -> Statements:
    """Turn the returns of a body into assignments, early ones into the other branch of an ``if``."""
    written: Statements = []
    for at, statement in enumerate(body):
        rest = body[at + 1 :]
        if isinstance(statement, ast.Return):
            return [*written, given_back(statement, into)]
        if not returns(statement):
            written.append(statement)
        elif isinstance(statement, ast.If):
            first, second = both_ways(statement, rest)
            return [*written, ast.If(statement.test, spliced(first, into) or [ast.Pass()], spliced(second, into))]
        elif isinstance(statement, ast.For):
            return [*written, *left_early(statement, rest, into)]
        else:
            raise Impossible
    return [*written, assigned(into, ast.Constant(None))] if into else written


def given_back(statement: ast.Return, into: str | None) -> ast.stmt:
    """Assign what is returned, or evaluate it only, if nobody wants it."""
    value = statement.value or ast.Constant(None)
    return assigned(into, value) if into else ast.Expr(value)


def both_ways(statement: ast.If, rest: Statements) -> tuple[Statements, Statements]:
    """Return what happens in each branch of an ``if`` that returns, and after it."""
    if leaves(statement.body):
        return statement.body, statement.orelse + rest
    if statement.orelse and leaves(statement.orelse):
        return statement.body + rest, statement.orelse
    if rest:
        raise Impossible
    return statement.body, statement.orelse


def left_early(loop: ast.For, rest: Statements, into: str | None) -> Statements:
    """Turn the returns of a loop into breaks, what comes after it into its ``else``."""
    inner = [one for each in loop.body for one in ast.walk(each)]
    if loop.orelse or any(isinstance(one, ast.Break | ast.Continue | ast.For | ast.While) for one in inner):
        raise Impossible

    def broken(body: Statements) -> Iterator[ast.stmt]:
        for statement in body:
            if isinstance(statement, ast.Return):
                yield given_back(statement, into)
                yield ast.Break()
            elif isinstance(statement, ast.If):
                yield ast.If(statement.test, list(broken(statement.body)), list(broken(statement.orelse)))
            else:
                yield statement

    return [ast.For(loop.target, loop.iter, list(broken(loop.body)), spliced(rest, into))]
