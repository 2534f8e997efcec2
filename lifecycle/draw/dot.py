"""Graphviz: an arranged graph as a text in DOT.

What lives here: nodes, edges and clusters, with the sizes that their content needs. What must not: coordinates. The law
of this file: whatever is in a name, the text is DOT; and it is a picture of its own for whoever gives it to `dot`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from lifecycle.draw.arranging import Card, Line, Sheet
from lifecycle.draw.boxes import (
    Box,
    box_of_birth,
    box_of_card,
    box_of_exit,
    box_of_place,
    box_of_timer,
    words_of_sources,
)
from lifecycle.draw.graph import Mark, Place

INCH = 72.0

ACROSS_MIN = 16
"""From so many states on there is less room between them."""

LOOSE_MAX = 8
"""How many states that no line touches stand side by side; of more, they stand below each other."""

START = "start"


def ids_of(sheet: Sheet) -> dict[str, str]:
    """Give each state an id that no name can spoil."""
    return {place.name: f"s{at}" for at, place in enumerate(sheet.graph.places)}


def boxes_of(sheet: Sheet) -> dict[str, Box]:
    """Return what stands in each node, by its id."""
    ids = ids_of(sheet)
    boxes = {ids[place.name]: box_of_place(place, sheet) for place in sheet.graph.places}
    boxes |= {f"c{at}": box_of_card(card, sheet) for at, card in enumerate(sheet.cards)}
    boxes |= {f"f{at}": box_of_exit(frame.marks) for at, frame in enumerate(sheet.frames)}
    boxes |= {f"t{at}": box_of_timer(one.timer) for at, one in enumerate(sheet.dashed)}
    if sheet.graph.birth is not None:
        boxes["b"] = box_of_birth(sheet.graph.birth)
    if sheet.graph.initial is not None:
        boxes[START] = Box(16, 16)
    return boxes


def dot(sheet: Sheet) -> str:
    """Write a sheet as DOT."""
    return "\n".join(["digraph {", *(f"  {line}" for line in lines_of(sheet)), "}"]) + "\n"


def bare(sheet: Sheet) -> str:
    """Write a sheet as DOT without a word: what is laid out are boxes, exactly as large as they are drawn."""
    unlabelled = (LABEL.sub('label=""]', line) for line in lines_of(sheet))
    return "\n".join(["digraph {", "  node [fixedsize=true]", *unlabelled, "}"]) + "\n"


LABEL = re.compile(r'label="(?:[^"\\]|\\.)*"\]$')


def lines_of(sheet: Sheet) -> Iterator[str]:
    """Yield the lines of the text."""
    boxes, ids = boxes_of(sheet), ids_of(sheet)
    close = len(sheet.graph.places) >= ACROSS_MIN
    yield f"graph [rankdir=TB, nodesep={0.22 if close else 0.34}, ranksep={0.3 if close else 0.34}, splines=true]"
    yield 'node [shape=box, style="rounded", fontname="Helvetica", fontsize=11]'
    yield 'edge [arrowsize=0.7, color="#57606a"]'
    yield from births(sheet, boxes, ids)
    framed = {name for frame in sheet.frames for name in frame.states}
    for at in range(len(sheet.frames)):
        yield from frame_lines(sheet, at, boxes, ids)
    for place in sheet.graph.places:
        if place.name not in framed:
            yield place_line(place, boxes[ids[place.name]], ids)
    for at, card in enumerate(sheet.cards):
        if frame_of(sheet, card) is None:
            yield card_line(sheet, at, boxes)
    for at, one in enumerate(sheet.dashed):
        yield node(f"t{at}", boxes[f"t{at}"], one.timer, 'style="rounded,dashed", fontsize=9')
    for at, card in enumerate(sheet.cards):
        yield from edges_of(at, card, ids)
    for at, one in enumerate(sheet.dashed):
        source = ids[one.states[0]] if one.frame is None else f"f{one.frame}"
        yield f"{source} -> t{at} [style=dashed, arrowhead=none]"
        yield from (f"t{at} -> c{to} [style=dashed]" for to in one.cards)
    loose = [ids[name] for name in loose_in(sheet)]
    across = max(LOOSE_MAX, math.isqrt(len(loose)))
    yield from (f"{above} -> {below} [style=invis]" for above, below in zip(loose, loose[across:], strict=False))


def loose_in(sheet: Sheet) -> Iterator[str]:
    """Yield the states that no line touches, for which Graphviz has no other place than beside each other."""
    touched = {name for frame in sheet.frames for name in frame.states}
    touched |= {name for one in sheet.dashed for name in one.states} | {card.dest for card in sheet.cards}
    touched |= {name for card in sheet.cards if not card.crowded for name in card.sources}
    yield from (one.name for one in sheet.graph.places if one.name not in {*touched, sheet.graph.initial})


def births(sheet: Sheet, boxes: Mapping[str, Box], ids: Mapping[str, str]) -> Iterator[str]:
    """Yield where the machine begins."""
    graph = sheet.graph
    if graph.initial is None:
        return
    yield f'{START} [shape=circle, width=0.22, height=0.22, style=filled, fillcolor="#24292f", label=""]'
    if graph.birth is None:
        yield f"{START} -> {ids[graph.initial]}"
        return
    yield node("b", boxes["b"], graph.birth.trigger, 'color="#d0d7de"')
    yield f"{START} -> b [arrowhead=none]"
    yield f"b -> {ids[graph.birth.dest]}"


def frame_of(sheet: Sheet, card: Card) -> int | None:
    """Return the frame that a card stands in: all it leads from, and to, is in there."""
    for at, frame in enumerate(sheet.frames):
        if card.frame is None and {*card.sources, card.dest} <= set(frame.states):
            return at
    return None


def frame_lines(sheet: Sheet, at: int, boxes: Mapping[str, Box], ids: Mapping[str, str]) -> Iterator[str]:
    """Yield the cluster of a frame: its states, the cards between them, and its way out below all of them."""
    frame = sheet.frames[at]
    yield f"subgraph cluster_{at} {{"
    yield '  graph [style="rounded,filled", color="#d0d7de", fillcolor="#f6f8fa", margin=14]'
    for place in sheet.graph.places:
        if place.name in frame.states:
            yield "  " + place_line(place, boxes[ids[place.name]], ids)
    for number, card in enumerate(sheet.cards):
        if frame_of(sheet, card) == at:
            yield "  " + card_line(sheet, number, boxes)
    words = ", ".join(["every way out", *(words_of_mark(mark) for mark in frame.marks)])
    yield "  " + node(f"f{at}", boxes[f"f{at}"], words, 'color="#d0d7de", fontsize=9')
    for name in frame.states:
        yield f"  {ids[name]} -> f{at} [style=invis, weight=2]"
    yield "}"


def place_line(place: Place, box: Box, ids: Mapping[str, str]) -> str:
    """Write a state; a final one has two borders."""
    held = [f"holds {', '.join(hold.name for hold in place.holds)}"] if place.holds else []
    more = "peripheries=2" if place.final else "penwidth=1.4"
    return node(ids[place.name], box, "\n".join([place.name, *held]), more)


def card_line(sheet: Sheet, at: int, boxes: Mapping[str, Box]) -> str:
    """Write a card."""
    card = sheet.cards[at]
    above = [words_of_sources(card, sheet)] if card.crowded else []
    words = [*above, *(words_of_line(line) for line in card.lines)]
    return node(f"c{at}", boxes[f"c{at}"], "\n".join(words), 'color="#d0d7de", fontsize=9')


def edges_of(at: int, card: Card, ids: Mapping[str, str]) -> Iterator[str]:
    """Write the arrow that a card stands on; no lines lead to one that says where it leads from."""
    if card.frame is None:
        yield from () if card.crowded else (f"{ids[name]} -> c{at} [arrowhead=none]" for name in card.sources)
    else:
        yield f"f{card.frame} -> c{at} [arrowhead=none]"
    yield f"c{at} -> {ids[card.dest]}"


def node(name: str, box: Box, label: str, more: str) -> str:
    """Write a node with its size."""
    size = f"width={box.width / INCH:.3f}, height={box.height / INCH:.3f}"
    return f"{name} [{size}, {more}, label={quoted(label)}]"


def words_of_line(line: Line) -> str:
    """Write a row as people write it: trigger, guards, marks."""
    guards = f" [{', '.join(line.guards)}]" if line.guards else ""
    marks = f" / {', '.join(words_of_mark(mark) for mark in line.marks)}" if line.marks else ""
    return f"{line.trigger}{guards}{marks}"


def words_of_mark(mark: Mark) -> str:
    """Write a mark; what is sent goes to another machine."""
    return f"→ {mark.label}" if mark.kind == "send" else mark.label


def quoted(text: str) -> str:
    r"""Write a text as a string of DOT: a line break is one, and nothing else in it means anything.

    >>> quoted('say "no" \\ go')
    '"say \\"no\\" \\\\ go"'
    """
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "")
    return '"' + safe.replace("\r", " ").replace("\n", "\\n") + '"'
