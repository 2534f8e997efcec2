"""The entry point, which can say what is missing.

What lives here: the one function that an installed command calls. What must not: anything that needs more than the
core. The law of this file: whatever is not installed is named in one sentence, with what installs it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from lifecycle.cli.streams import stand_in

EXTRA = ("click", "rich", "msgspec")

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended before it could ask what was meant."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 ended otherwise, 2 wrong usage or bad input, 3 waiting.

    Importing takes most of a second: whoever presses Ctrl-C meanwhile gets no traceback.
    """
    try:
        stand_in()
        return called(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def called(arguments: Sequence[str] | None) -> int:
    """Import the command and run it, or name what is not installed."""
    for name in EXTRA:  # looked for rather than imported: not every command needs each of them
        if find_spec(name) is None:
            print(f"lifecycle: {name} is not installed; pip install agent-lifecycle[cli]", file=sys.stderr)
            return 2
    from lifecycle.cli.command import call

    return call(sys.argv[1:] if arguments is None else arguments)
