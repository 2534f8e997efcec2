"""Mermaid: a graph as a state diagram that code hosts draw.

What lives here: the text, and what keeps names from being taken for syntax. What must not: a look beyond what Mermaid
has. The law of this file: whatever is in a name, Mermaid can read the diagram.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lifecycle.draw.dot import words_of_mark
from lifecycle.draw.graph import ACT, SEND, Graph, Place, Way
from lifecycle.draw.measuring import visible

DOING_WAYS_MAX = 12
"""Up to so many rows they say what they do: Mermaid's labels push each other away until nothing can be read."""

PLAIN = re.compile(r"[A-Za-z]\w*\Z", re.ASCII)

RESERVED = frozenset((
    "state", "end", "note", "class", "classdef", "style", "direction", "default", "hide", "scale", "as", "click", "href",
    "acctitle", "accdescr", "root", "statediagram", "left", "right", "of", "tb", "bt", "lr", "rl", "fork", "join",
    "choice", "concurrent", "init", "prototype", "constructor", "title",
))  # fmt: skip
"""Words that mean something to Mermaid, or to what it is written in: a state of such a name gets another id."""


def mermaid(graph: Graph) -> str:
    """Write a graph as a state diagram."""
    ids = {place.name: id_of(place.name, at) for at, place in enumerate(graph.places)}
    return "\n".join(["stateDiagram-v2", *(f"    {line}" for line in lines_of(graph, ids))]) + "\n"


def lines_of(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    """Yield the lines of the diagram."""
    doing = len(graph.ways) <= DOING_WAYS_MAX
    for place in graph.places:
        yield from state_lines(place, ids[place.name])
    if graph.initial is not None:
        born = "" if graph.birth is None else f": {label(graph.birth, doing)}"
        yield f"[*] --> {ids[graph.initial]}{born}"
    arrows: dict[tuple[str, str], list[str]] = {}
    for way in graph.ways:
        arrows.setdefault((way.source, way.dest), []).append(label(way, doing))
    yield from (f"{ids[source]} --> {ids[dest]}: {'<br/>'.join(labels)}" for (source, dest), labels in arrows.items())
    yield from (f"{ids[place.name]} --> [*]" for place in graph.places if place.final)
    if graph.seen is not None and graph.seen.present in ids:
        yield "classDef present stroke-width:4px"
        yield f"class {ids[graph.seen.present]} present"


def state_lines(place: Place, name: str) -> Iterator[str]:
    """Write a state that has another id than its name, or that holds something; the rest are named by their arrows."""
    if name != place.name:
        yield f'state "{safe(place.name)}" as {name}'
    else:
        yield name
    if place.holds:
        held = ", ".join(f"{hold.name} (timer)" if hold.timer else hold.name for hold in place.holds)
        yield f"{name}: {safe(place.name)}"
        yield f"{name}: holds {safe(held)}"


def label(way: Way, told: bool) -> str:
    """Name a way: its trigger, its guards in brackets, which timer sends it; if wanted, behind a slash what it does."""
    guards = f" [{', '.join(way.guards)}]" if way.guards else ""
    doing = [words_of_mark(mark) for mark in way.marks if told and mark.kind in (ACT, SEND)]
    timed = f" (timer {', '.join(way.timers)})" if way.timers else ""
    return safe(f"{way.trigger}{guards}{timed}{' / ' if doing else ''}{', '.join(doing)}")


def id_of(name: str, at: int) -> str:
    """Return the id of a state: its name if Mermaid takes it for one."""
    return name if PLAIN.match(name) and name.lower() not in RESERVED else f"s{at}_"


def safe(text: str) -> str:
    """Write a text with everything that Mermaid could take for its own as an entity.

    >>> safe("a; b --> c")
    'a#59; b --#62; c'
    """
    return "".join(one if one.isalnum() or one in " _.,/()[]+-→" else f"#{ord(one)};" for one in visible(text))
