"""Lives: which names may still be read at a place.

What lives here: the walk from the end of a body to its beginning. What must not: what a name stands for. The law of
this file: a name that may be read is told of; one that is told of need not be read.
"""

from __future__ import annotations

import ast

from trees import Statements, read, stored

Names = frozenset[str]


def live(body: Statements, after: Names) -> Names:
    """Return the names that may be read from the beginning of a body on, given those that may be read after it."""
    for statement in reversed(body):
        after = live_before(statement, after)
    return after


def live_before(statement: ast.stmt, after: Names) -> Names:
    """Return the names that may be read from a statement on; within a loop, what it leads back to is not seen."""
    match statement:
        case ast.Return() | ast.Raise():
            return frozenset(read([statement]))
        case ast.If(test, body, orelse):
            return live(body, after) | live(orelse, after) | frozenset(read([test]))
        case ast.Assign(targets):
            return after - frozenset(stored(targets)) | frozenset(read([statement]))
        case ast.AugAssign(target):
            return after | frozenset(read([statement])) | frozenset(stored([target]))
    return after | frozenset(read([statement]))
