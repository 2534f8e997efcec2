"""Story: a counterexample as data, whichever kind of world it is of.

What lives here: the records. What must not: how they come about, and how they look. The law of this file: a story says
all that people are told.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Counterexample:
    """How a property is broken: the configuration, and the moves by name; for a promise, those that go on for ever.

    ``forever`` is none for a rule; empty: nothing more happens. ``faults`` counts the moves that nobody wants.
    ``about`` says what the promise is about; ``without`` names the assumption that was withdrawn from it, if one was.
    """

    property: str
    configuration: str
    moves: tuple[str, ...]
    forever: tuple[str, ...] | None = None
    faults: int = 0
    about: str = ""
    without: str | None = None


@attrs.frozen
class Told:
    """A step of a story: its number, what happened, whether nobody wants that, and what it changed.

    ``broken`` names the rule it breaks; ``input`` the kind of what arrived, none for the world's own moves.
    """

    number: int
    move: str
    kind: str
    fault: bool
    changes: tuple[str, ...]
    broken: str | None = None
    input: str | None = None
    by: str = ""


@attrs.frozen
class Story:
    """A counterexample, told.

    ``now`` says how the session is at the end; ``instead`` what the shipped kernel does at the broken step and this one
    does not, or the other way round; ``never`` which promised moves do not come, and where they are impossible;
    ``unpromised`` what could happen there, and nobody promises.
    """

    property: str
    sentence: str
    configuration: str
    bounds: str
    mutant: str | None
    report: str
    without: str | None
    steps: tuple[Told, ...]
    forever: tuple[Told, ...] | None
    now: str
    instead: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    unpromised: tuple[str, ...] = ()
