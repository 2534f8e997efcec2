"""Which names may still be read.

What lives here: what each kind of statement makes of the names that are read after it. What must not: writing out. The
law of this file: the expected names come first.
"""

from __future__ import annotations

import ast

import pytest

from . import ways  # noqa: F401  (it makes the files of the tool known)

from lives import live  # isort: skip

AFTER = frozenset({"x", "z"})

BODIES = [
    ("y z", "x = y"),
    ("x z", "x = x"),
    ("w x y z", "w += y"),
    ("y z", "y += 0\nx = y"),
    ("x y z", "f.x = y\ng(y)"),
    ("y", "return y"),
    ("y", "raise y"),
    ("c x z", "if c: x = 1"),
    ("c z", "if c: x = 1\nelse: x = 2"),
    ("c a x z", "if c: x = a"),
    ("c b z", "if c: x = 1\nelse: x = b"),
    ("c x y z", "if c: return y"),
    ("x y z", "for x in y: pass"),
    ("c x y z", "for i in y:\n if c: break\n x = 1"),
    ("x y z", "try: x = y\nexcept E: pass"),
]


@pytest.mark.parametrize(("names", "text"), BODIES)
def test_name_is_live_if_it_may_be_read(names: str, text: str) -> None:
    """Given what is read after a body, then that is live before it which is read on some way before it is assigned."""
    assert {*names.split()} == live(ast.parse(text).body, AFTER) - {"E", "f", "g", "i"}
