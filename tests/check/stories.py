"""What the tests of stories share: the counterexample of a mutant, looked for once, and not traced while it is."""

from __future__ import annotations

from functools import cache

import coverage

from lifecycle.check import Counterexample, kill, mutant
from lifecycle.check.telling import Story, told


@cache
def example_of(name: str) -> Counterexample:
    """Return the counterexample that kills a mutant."""
    running = coverage.Coverage.current()
    if running is not None:
        running.stop()
    try:
        found = kill(mutant(name)).counterexample
    finally:
        if running is not None:
            running.start()
    assert found is not None
    return found


@cache
def story_of(name: str) -> Story:
    """Return its story."""
    return told(example_of(name), mutant(name))
