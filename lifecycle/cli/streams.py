"""Standard streams: what a command reads and writes when whoever started it has closed some of them.

What lives here: a stand-in for a stream that is not there, and letting go of one that fails. What must not: what is
written. The law of this file: the numbers 0, 1 and 2 are never free, or the next file that is opened, a store's perhaps,
would be taken for a stream and written into.
"""

from __future__ import annotations

import os
import sys

STREAMS = (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w"))
"""How each stream is stood in for: stdin and stdout refuse what is done with them, stderr loses the words."""


def stand_in() -> None:
    """Stand in for each standard stream that was closed before Python started."""
    for number, (name, flags, mode) in enumerate(STREAMS):
        if getattr(sys, name) is None:
            put_nothing(number, flags)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def let_go(number: int) -> None:
    """Let what a stream still holds go nowhere: the interpreter would complain of it at its end."""
    put_nothing(number, os.O_WRONLY)


def put_nothing(number: int, flags: int) -> None:
    """Put the null device in the place of a stream."""
    nothing = os.open(os.devnull, flags)
    if nothing != number:
        os.dup2(nothing, number)
        os.close(nothing)
    os.set_inheritable(number, True)
