"""Graph: what a machine is to whoever draws it.

What lives here: plain records of states, ways and marks. What must not: machines, and anything of a format. The law of
this file: a renderer sees these records and nothing else, so that a new format touches no machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

TAKE, GIVE, ACT, SEND, REARM = "take", "give", "act", "send", "re-arm"
"""What a mark says: something is taken, given back, done, sent to another machine; a timer is armed anew."""


@attrs.frozen
class Mark:
    """One thing that a row makes the world do, in a word or two; ``timer``: it is about a timer.

    ``sometimes``: of several sources that a way is drawn for, not all do it.
    """

    kind: str
    label: str
    timer: bool = False
    sometimes: bool = False


@attrs.frozen
class Held:
    """Something that a state holds; ``fires`` are the triggers that its timer sends when it is due, if it is one.

    ``rearms``: no row of the state takes any of them, so where it is due it is armed again.
    """

    name: str
    timer: bool = False
    fires: tuple[str, ...] = ()
    rearms: bool = False


@attrs.frozen
class Place:
    """A state: its name, its tone (what kind of colour it has), what it holds, refuses and ignores."""

    name: str
    tone: str = "plain"
    final: bool = False
    holds: tuple[Held, ...] = ()
    refuses: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()


@attrs.frozen
class Way:
    """A row: from a source, a trigger leads to a dest, or ``stays``; guards as people read them, marks in order.

    ``timers`` are those that send the trigger in this source.
    """

    source: str
    trigger: str
    dest: str
    stays: bool = False
    guards: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    timers: tuple[str, ...] = ()


@attrs.frozen
class Seen:
    """What became of a machine so far: where it is, and how often each (source, trigger, dest) was taken."""

    present: str
    taken: tuple[tuple[str, str, str, int], ...] = ()

    def times(self, source: str, trigger: str, dest: str) -> int:
        """Count how often a way was taken."""
        return next((n for *way, n in self.taken if way == [source, trigger, dest]), 0)


@attrs.frozen
class Graph:
    """A machine: its states and ways in declared order, where it begins and by which way it is born."""

    name: str
    sentence: str
    places: tuple[Place, ...]
    ways: tuple[Way, ...]
    initial: str | None = None
    birth: Way | None = None
    seen: Seen | None = None

    @property
    def triggers(self) -> tuple[str, ...]:
        """List every trigger that is in a row, is refused or is ignored, once, in the order they are met."""
        said = (name for place in self.places for name in (*place.refuses, *place.ignores))
        return tuple(dict.fromkeys([*(way.trigger for way in self.ways), *said]))

    def out_of(self, source: str) -> Iterator[Way]:
        """Yield the ways out of a state, those that stay in it included."""
        return (way for way in self.ways if way.source == source)
