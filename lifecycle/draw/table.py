"""Table: a graph in Markdown, each state beside each trigger.

What lives here: the two tables of a machine. What must not: what they say. The law of this file: every pair of state
and trigger has a cell, and an empty one says that nobody has decided it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lifecycle.draw.dot import words_of_mark
from lifecycle.draw.graph import Graph, Place, Way
from lifecycle.draw.measuring import visible

REFUSED, IGNORED = "refused", "ignored"


def table(graph: Graph) -> str:
    """Write a graph as tables: where each trigger leads in each state, and what each row does."""
    parts = [f"# {cell(graph.name)}\n"]
    parts += [f"{cell(graph.sentence)}\n"] if graph.sentence else []
    parts += [f"It begins in {code(graph.initial)}.\n"] if graph.initial is not None else []
    parts += [markdown(["state \\ trigger", *map(code, graph.triggers)], pairs(graph))]
    parts += [markdown(["state", "holds"], holds(graph))] if any(place.holds for place in graph.places) else []
    parts += [markdown(["from", "trigger", "to", "if", "sent by timer", "does"], rows(graph))]
    return "\n".join(parts)


def pairs(graph: Graph) -> Iterator[list[str]]:
    """Yield a row for each state: where each trigger leads, or whether it is refused or ignored."""
    for place in graph.places:
        yield [state(place), *(decided(graph, place, trigger) for trigger in graph.triggers)]


def decided(graph: Graph, place: Place, trigger: str) -> str:
    """Say what becomes of a trigger in a state."""
    ways = [way for way in graph.out_of(place.name) if way.trigger == trigger]
    if ways:
        return ", ".join(dict.fromkeys("(stays)" if way.stays else code(way.dest) for way in ways))
    if place.final or trigger in place.refuses:
        return REFUSED
    return IGNORED if trigger in place.ignores else ""


def holds(graph: Graph) -> Iterator[list[str]]:
    """Yield what each state holds."""
    for place in graph.places:
        held = ", ".join(f"{code(one.name)} (timer)" if one.timer else code(one.name) for one in place.holds)
        yield [state(place), held]


def rows(graph: Graph) -> Iterator[list[str]]:
    """Yield every row, the birth first."""
    for way in (*(() if graph.birth is None else (graph.birth,)), *graph.ways):
        yield row(way)


def row(way: Way) -> list[str]:
    """Write a row."""
    does = ", ".join(cell(words_of_mark(mark)) for mark in way.marks)
    dest = "(stays)" if way.stays else code(way.dest)
    guards, timers = ", ".join(map(code, way.guards)), ", ".join(map(code, way.timers))
    return [code(way.source) if way.source else "(born)", code(way.trigger), dest, guards, timers, does]


def state(place: Place) -> str:
    """Name a state, and whether it is final."""
    return f"{code(place.name)} (final)" if place.final else code(place.name)


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Write a table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines)) + "\n"


def cell(text: str) -> str:
    r"""Write a text so that it stays in its cell, and means nothing else.

    >>> cell("a | b")
    'a \\| b'
    """
    return "".join(f"\\{one}" if one in "\\|`*<>[]_" else one for one in visible(text)) if text else ""


def code(text: str) -> str:
    """Write a name as code, whatever is in it."""
    seen = visible(text).replace("|", "\\|")
    return f"`{seen}`" if "`" not in seen else f"`` {seen} ``"
