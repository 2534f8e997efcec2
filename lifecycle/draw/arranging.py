"""Arranging: the ways of a graph gathered, so that a picture says a thing once.

What lives here: which ways share a card, which states share a frame. What must not: sizes, places and formats. The law
of this file: what is gathered can be read back; no way is lost, and none is added.

A *card* stands on the arrow between its sources and its dest, with a line for each trigger. A *frame* stands around
states that several triggers leave alike: an arrow from its edge is one from each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import attrs

from lifecycle.draw.graph import Graph, Mark, Way

FRAME_LINES_MIN = 2
"""How many triggers must leave a set of states alike before a frame says less than their arrows."""

FRAMES_MAX = 3

SOURCES_MAX = 7
"""How many states lines are drawn from to one card; of more, nobody follows them, and the card says where it leads from."""


@attrs.frozen
class Line:
    """One row on a card, of all its sources: the trigger, guards, marks, timers; ``times`` it was taken.

    ``together``: rows that differ by their guards only are counted as one, for a journal does not tell them apart.
    """

    trigger: str
    guards: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    timers: tuple[str, ...] = ()
    times: int = 0
    together: bool = False


@attrs.frozen
class Card:
    """What stands on an arrow: from these sources, or from the edge of a frame, to a dest."""

    sources: tuple[str, ...]
    dest: str
    lines: tuple[Line, ...]
    frame: int | None = None

    @property
    def crowded(self) -> bool:
        """Say whether it leads from so many states that it says so, instead of a line from each."""
        return self.frame is None and len(self.sources) > SOURCES_MAX


@attrs.frozen
class Frame:
    """States that are left alike; ``marks`` are what every way out of it does."""

    states: tuple[str, ...]
    marks: tuple[Mark, ...] = ()


@attrs.frozen
class Dashed:
    """A timer that states hold, and the cards whose triggers it sends; of a whole frame, it leads from its edge."""

    states: tuple[str, ...]
    timer: str
    cards: tuple[int, ...]
    frame: int | None = None


@attrs.frozen
class Sheet:
    """A graph, arranged. ``inside`` are the lines that stay in a state, by its name."""

    graph: Graph
    cards: tuple[Card, ...]
    frames: tuple[Frame, ...]
    dashed: tuple[Dashed, ...]
    inside: dict[str, tuple[Line, ...]]


Alike = tuple[str, str, tuple[str, ...]]
"""What makes two ways one line: trigger, dest and guards."""


def arranged(graph: Graph) -> Sheet:
    """Arrange a graph."""
    alike = gathered(graph)
    frames = frames_of(alike, [place.name for place in graph.places])
    cards = list(cards_of(graph, alike, frames))
    framed = tuple(with_marks(frame, at, cards) for at, frame in enumerate(frames))
    bare = tuple(without_marks(card, framed) for card in cards)
    return Sheet(graph, bare, framed, tuple(dashed_of(graph, bare, framed)), inside_of(graph))


# -- gathering --------------------------------------------------------------------------------------------------------


def gathered(graph: Graph) -> dict[Alike, list[Way]]:
    """Gather the ways that differ by their source only."""
    alike: dict[Alike, list[Way]] = {}
    for way in graph.ways:
        if not way.stays:
            alike.setdefault((way.trigger, way.dest, way.guards), []).append(way)
    return alike


def frames_of(alike: dict[Alike, list[Way]], order: Sequence[str]) -> list[tuple[str, ...]]:
    """Choose the sets of states that get a frame: those that save most arrows, none of them in two frames."""
    saved: dict[tuple[str, ...], int] = {}
    for (_, dest, _), ways in alike.items():
        sources = tuple(dict.fromkeys(way.source for way in ways))
        if len(sources) > 1 and dest not in sources:
            saved[sources] = saved.get(sources, 0) + 1
    chosen: list[tuple[str, ...]] = []
    for sources in sorted(saved, key=lambda one: (-(len(one) - 1) * saved[one], [order.index(name) for name in one])):
        apart = all(set(sources).isdisjoint(other) for other in chosen)
        if apart and saved[sources] >= FRAME_LINES_MIN and len(chosen) < FRAMES_MAX:
            chosen.append(sources)
    return sorted(chosen, key=lambda one: [order.index(name) for name in one])


def cards_of(graph: Graph, alike: dict[Alike, list[Way]], frames: Sequence[tuple[str, ...]]) -> Iterator[Card]:
    """Put each line on the card between its sources and its dest."""
    at: int | None
    lines: dict[tuple[tuple[str, ...], str, int | None], list[Line]] = {}
    for (_, dest, _), ways in alike.items():
        rest = ways
        sources = tuple(dict.fromkeys(way.source for way in ways))
        for at, frame in enumerate(frames):
            if set(frame) <= set(sources) and dest not in frame:
                inside = [way for way in rest if way.source in frame]
                rest = [way for way in rest if way.source not in frame]
                lines.setdefault((frame, dest, at), []).append(line_of(graph, inside))
        if rest:
            left = tuple(dict.fromkeys(way.source for way in rest))
            lines.setdefault((left, dest, None), []).append(line_of(graph, rest))
    for (sources, dest, at), several in lines.items():
        rows = Counter(line.trigger for line in several)
        yield Card(sources, dest, tuple(attrs.evolve(one, together=rows[one.trigger] > 1) for one in several), at)


def line_of(graph: Graph, ways: Sequence[Way]) -> Line:
    """Make one line of the ways of several sources: what only some of them do is marked so."""
    every = dict.fromkeys(mark for way in ways for mark in way.marks)
    marks = tuple(attrs.evolve(one, sometimes=not all(one in way.marks for way in ways)) for one in every)
    timers = tuple(dict.fromkeys(name for way in ways for name in way.timers))
    times = 0 if graph.seen is None else sum(graph.seen.times(one.source, one.trigger, one.dest) for one in ways)
    return Line(ways[0].trigger, ways[0].guards, marks, timers, times)


def inside_of(graph: Graph) -> dict[str, tuple[Line, ...]]:
    """Give for each state the lines that stay in it."""
    found = {}
    for place in graph.places:
        ways = list(graph.out_of(place.name))
        staying = [line_of(graph, [way]) for way in ways if way.stays]
        if staying:
            found[place.name] = tuple(staying)
    return found


# -- marks of frames --------------------------------------------------------------------------------------------------


def with_marks(states: tuple[str, ...], at: int, cards: Iterable[Card]) -> Frame:
    """Give a frame the marks that every line out of it has."""
    lines = [line for card in cards if card.frame == at for line in card.lines]
    common = [mark for mark in lines[0].marks if all(mark in line.marks for line in lines)] if len(lines) > 1 else []
    return Frame(states, tuple(common))


def without_marks(card: Card, frames: Sequence[Frame]) -> Card:
    """Take from a card what its frame says."""
    if card.frame is None:
        return card
    said = frames[card.frame].marks
    lines = (attrs.evolve(one, marks=tuple(mark for mark in one.marks if mark not in said)) for one in card.lines)
    return attrs.evolve(card, lines=tuple(lines))


# -- timers -----------------------------------------------------------------------------------------------------------


def dashed_of(graph: Graph, cards: Sequence[Card], frames: Sequence[Frame]) -> Iterator[Dashed]:
    """Yield each timer of each state with the cards that it leads to, once for a frame whose states all have it."""
    found: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for place in graph.places:
        for hold in place.holds:
            to = tuple(at for at, card in enumerate(cards) if place.name in card.sources and is_sent(card, hold.fires))
            if to:
                found.setdefault((hold.name, to), []).append(place.name)
    for (timer, to), states in found.items():
        frame = next((at for at, one in enumerate(frames) if set(one.states) == set(states)), None)
        if frame is not None:
            yield Dashed(tuple(states), timer, to, frame)
        else:
            yield from (Dashed((name,), timer, to) for name in states)


def is_sent(card: Card, triggers: Sequence[str]) -> bool:
    """Say whether a line of a card is one of these triggers."""
    return any(line.trigger in triggers for line in card.lines)
