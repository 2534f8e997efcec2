"""Drawn functions are the same, written out straight.

What lives here: the comparison over whatever can be drawn. What must not: an example by hand. The law of this file: no
function that was drawn may tell the two ways apart.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from ..profiles import times
from .drawing import modules
from .ways import Box, Told, fail, note, seen, straight

CALLS = [(p, Box(n), q) for p, n, q in ((0, 0, 1), (1, 2, 0), (2, 5, 3), (3, 1, None))]


@settings(max_examples=times(300))
@given(modules())
def test_drawn_functions_do_the_same_written_out(text: str) -> None:
    """Given functions that call each other, then written into one they give, raise, note and change the same."""
    scope: dict[str, Any] = {"note": note, "fail": fail}
    exec(text, scope)
    other, written = straight(scope["last"], Told(text, scope))
    for one in CALLS:
        assert seen(scope["last"], *one) == seen(other, *one), f"{text}\n{written}"
