"""Findings: what is known of somebody's machine, and how it is told.

What lives here: verdicts, counterexamples and reports as values, with their texts. What must not: how anything was
found. The law of this file: a counterexample tells of each step what was sent and what changed, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from lifecycle.check.systems import Situation
from lifecycle.check.verdict import worst

NONE = "(none)"


@attrs.frozen
class Move:
    """One step of a counterexample: what was sent, what changed from what to what, and what was raised."""

    sent: str
    changes: Mapping[str, tuple[str, str]]
    raised: str = ""

    def __str__(self) -> str:
        changed = [f"{name}: {before} → {after}" for name, (before, after) in self.changes.items()]
        raised = [f"raises {self.raised}"] if self.raised else []
        return f"{self.sent:<12} {', '.join(changed + raised) or 'nothing changes'}"


def moves_between(start: Situation, way: Iterable[tuple[str, Situation]]) -> tuple[Move, ...]:
    """Tell a way: each step by what was sent, with what it changed."""
    found, before = [], start.texts()
    for sent, at in way:
        after = at.texts()
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        found.append(Move(sent, {name: (before.get(name, NONE), after.get(name, NONE)) for name in names}))
        before = after
    return tuple(found)


@attrs.frozen
class Trace:
    """A counterexample: where it starts, what is sent, and for a leads-to what then goes on for ever.

    ``forever`` none: the last situation breaks the property. Empty: from there on nothing need happen; ``ends`` says
    that nothing can.
    """

    start: Mapping[str, str]
    moves: tuple[Move, ...]
    forever: tuple[Move, ...] | None = None
    ends: bool = False

    def lines(self) -> Iterator[str]:
        """Tell it, a line for each step."""
        yield "at first        " + ", ".join(f"{name}: {text}" for name, text in self.start.items())
        for number, move in enumerate(self.moves, 1):
            yield f"{number:>3}. {move}"
        if self.forever:
            yield "and then for ever:"
            for number, move in enumerate(self.forever, len(self.moves) + 1):
                yield f"{number:>3}. {move}"
        elif self.forever is not None:
            yield "and then nothing can happen any more" if self.ends else "and then nothing need happen any more"


@attrs.frozen
class Found:
    """What is known of one property. ``why`` says in words what is missing, or what is wrong with a declaration."""

    name: str
    sentence: str
    status: str
    trace: Trace | None = None
    why: str = ""

    def lines(self) -> Iterator[str]:
        """Tell it."""
        yield f"{self.status:<12} {self.name}: {self.sentence}"
        if self.why:
            yield f"             {self.why}"
        for line in () if self.trace is None else self.trace.lines():
            yield f"             {line}"


@attrs.frozen
class MachineReport:
    """All that is known of a machine: how much was visited, what is proved or refuted, and what else is worth a note."""

    machine: str
    states: int
    transitions: int
    complete: bool
    verdicts: tuple[Found, ...]
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """Return the verdict on everything."""
        return worst([verdict.status for verdict in self.verdicts])

    def verdict(self, name: str) -> Found:
        """Return the verdict of that name."""
        return next(one for one in self.verdicts if one.name == name)

    def lines(self) -> Iterator[str]:
        """Tell it all: each property, the notes, the sum."""
        for verdict in self.verdicts:
            yield from verdict.lines()
        for note in self.notes:
            yield f"note         {note}"
        covered = "all" if self.complete else "the first"
        yield f"{self.status}: machine {self.machine}, {covered} {self.states} situations, {self.transitions} steps"

    def __str__(self) -> str:
        return "\n".join(self.lines())
