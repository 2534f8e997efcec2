"""Picture: a machine as SVG.

What lives here: boxes, arrows and frames where the layout puts them, the headline, the legend. What must not: what a
machine is, and how things are laid out. The law of this file: no word stands on a line; words stand in boxes, and lines
go around them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from lifecycle.draw import svg
from lifecycle.draw.arranging import Card, Sheet, arranged
from lifecycle.draw.boxes import CHIP, GAP, SMALL, Box, Chip, Rule, Text, chip_of, moved, text_at
from lifecycle.draw.dot import START, bare, boxes_of, dot, ids_of
from lifecycle.draw.graph import Graph
from lifecycle.draw.layout import Edge, Layout, Point, laid_out
from lifecycle.draw.measuring import visible
from lifecycle.draw.svg import number, rect

MARGIN, HEAD, FOOT = 20.0, 54.0, 34.0


def picture(graph: Graph) -> str:
    """Draw a machine."""
    sheet = arranged(graph)
    layout = laid_out(bare(sheet))
    legend, legend_height = legend_of(sheet, max(layout.width, 360.0))
    title = Text(MARGIN, 30, *headline(graph.name, 18.0), "ink", True)
    sentence = Text(MARGIN, 46, visible(graph.sentence or counted(graph)), 11, "dim")
    widest = max(layout.width, title.width, sentence.width, legend_width(legend))
    height = HEAD + layout.height + legend_height + FOOT
    body = [svg.text(title), svg.text(sentence)]
    body += drawn(sheet, layout, MARGIN + (widest - layout.width) / 2, HEAD + 6)
    body += [part for one in legend for part in shapes(one, MARGIN, HEAD + layout.height + 26)]
    return svg.document(widest + 2 * MARGIN, height, title_of(graph), description_of(graph), body)


def graphviz_text(graph: Graph) -> str:
    """Write a machine as DOT, for whoever lays it out otherwise."""
    return dot(arranged(graph))


def headline(name: str, size: float) -> tuple[str, float]:
    """Return a headline with its size."""
    return text_at(0, 0, name, size, "").text, size


def counted(graph: Graph) -> str:
    """Say how large a machine is, of which nobody says what it is."""
    return f"{count(len(graph.places), 'state')}, {count(len(graph.ways), 'row')}"


def count(number: int, what: str) -> str:
    """Count things.

    >>> count(1, "row"), count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def title_of(graph: Graph) -> str:
    """Return the title of a picture."""
    return f"The machine {graph.name}"


def description_of(graph: Graph) -> str:
    """Say in words what a picture shows: for whoever cannot see it."""
    begins = f" It begins in {graph.initial}." if graph.initial is not None else ""
    finals = [place.name for place in graph.places if place.final]
    ends = f" It ends in {', '.join(finals)}." if finals else ""
    ways = "; ".join(f"{way.source} {way.trigger} {'stays' if way.stays else way.dest}" for way in graph.ways)
    now = f" Now it is in {graph.seen.present}." if graph.seen is not None else ""
    return f"{graph.sentence}{begins}{ends}{now} {ways}.".strip()


# -- everything in its place ------------------------------------------------------------------------------------------


def drawn(sheet: Sheet, layout: Layout, x: float, y: float) -> list[str]:
    """Draw frames, then lines, then what stands on them."""
    boxes, ids = boxes_of(sheet), ids_of(sheet)
    seen, path = seen_cards(sheet), seen_ways(sheet)
    parts = [rect(x + left, y + top, width, height, "frame", 12) for left, top, width, height in layout.clusters]
    for edge in sorted(layout.edges, key=lambda one: (one.tail, one.head) in path):
        parts += arrow(edge, x, y, (edge.tail, edge.head) in path)
    for name, box in boxes.items():
        left, top = corner(layout.nodes[name], box, x, y)
        if name.startswith("s") and name != START:
            place = next(one for one in sheet.graph.places if ids[one.name] == name)
            now = sheet.graph.seen is not None and sheet.graph.seen.present == place.name
            parts += state(box, left, top, place.tone, place.final, now)
        elif name[0] in "cbf":
            parts.append(rect(left, top, box.width, box.height, "s-seen" if name in seen else "box", 6))
        elif name == START:
            parts.append(f'<circle class="dot" cx="{number(left + 8)}" cy="{number(top + 8)}" r="7"/>')
        parts += shapes_in(box, left, top)
    return parts


def corner(middle: Point, box: Box, x: float, y: float) -> Point:
    """Return the upper left corner of a box."""
    return x + middle[0] - box.width / 2, y + middle[1] - box.height / 2


def seen_cards(sheet: Sheet) -> frozenset[str]:
    """Return the cards that stand on the path taken."""
    graph = sheet.graph
    born = (
        graph.birth is not None
        and graph.seen is not None
        and graph.seen.times("", graph.birth.trigger, graph.birth.dest)
    )
    return frozenset([*(f"c{at}" for at, card in enumerate(sheet.cards) if was_taken(card)), *(["b"] if born else [])])


def seen_ways(sheet: Sheet) -> frozenset[tuple[str, str]]:
    """Return the ends of the lines that were gone along: from the states that a card was reached from, and to its dest.

    A dashed line is none: a journal tells that a trigger came, and not in every case that a timer sent it.
    """
    graph, ids = sheet.graph, ids_of(sheet)
    found: set[tuple[str, str]] = set()
    for at, card in enumerate(sheet.cards):
        if was_taken(card):
            found.add((f"c{at}", ids[card.dest]))
            if card.frame is not None:
                found.add((f"f{card.frame}", f"c{at}"))
            found.update((ids[source], f"c{at}") for source in card.sources if was_left(graph, source, card))
    if graph.birth is not None and "b" in seen_cards(sheet):
        found |= {(START, "b"), ("b", ids[graph.birth.dest])}
    return frozenset(found)


def was_left(graph: Graph, source: str, card: Card) -> bool:
    """Say whether any line of a card was taken in this source."""
    return graph.seen is not None and any(graph.seen.times(source, line.trigger, card.dest) for line in card.lines)


def was_taken(card: Card) -> bool:
    """Say whether any line of a card was taken."""
    return any(line.times for line in card.lines)


def state(box: Box, x: float, y: float, tone: str, final: bool, now: bool) -> Iterator[str]:
    """Draw the box of a state: two borders if it is final, a halo if it is the present one."""
    if now:
        yield rect(x - 5, y - 5, box.width + 10, box.height + 10, "open now r-seen", 14)
    yield rect(x, y, box.width, box.height, f"state s-{tone}", 9)
    if final:
        yield rect(x + 3, y + 3, box.width - 6, box.height - 6, f"open r-{tone}", 6.5)


def shapes_in(box: Box, x: float, y: float) -> Iterator[str]:
    """Draw what is in a box."""
    for part in box.parts:
        if isinstance(part, Rule):
            yield svg.line(x, y + part.y, x + box.width, y + part.y, "rule")
        else:
            yield from shapes(part, x, y)


def shapes(part: Text | Chip, x: float, y: float) -> list[str]:
    """Draw a text or a chip."""
    return svg.chip(part, x, y) if isinstance(part, Chip) else [svg.text(part, x, y)]


def arrow(edge: Edge, x: float, y: float, seen: bool) -> Iterator[str]:
    """Draw an edge: a curve, and a tip where it ends if it has one."""
    points = [(x + px, y + py) for px, py in edge.points]
    start, rest = points[0], points[1:]
    curve = " ".join(f"{number(px)} {number(py)}" for px, py in rest)
    timed = "t" in (edge.tail[:1], edge.head[:1])
    look = "line open" + (" dash" if timed else "") + (" r-seen" if seen else "")
    yield f'<path class="{look}" d="M{number(start[0])} {number(start[1])}C{curve}"/>'
    if edge.tip is not None:
        yield tip(points[-1], (x + edge.tip[0], y + edge.tip[1]), "f-seen" if seen else "tip")


def tip(base: Point, end: Point, look: str) -> str:
    """Draw the tip of an arrow, from its base to its end."""
    angle = math.atan2(end[1] - base[1], end[0] - base[0])
    across = (-math.sin(angle) * 3.4, math.cos(angle) * 3.4)
    one, other = (base[0] + across[0], base[1] + across[1]), (base[0] - across[0], base[1] - across[1])
    corners = "L".join(f"{number(px)} {number(py)}" for px, py in (one, end, other))
    return f'<path class="{look}" d="M{corners}Z"/>'


# -- the legend -------------------------------------------------------------------------------------------------------

EXPLAINED = (
    ("take", "taken on the way"),
    ("give", "given back"),
    ("act", "done on the way"),
    ("send", "sent to another machine"),
)


def legend_of(sheet: Sheet, width: float) -> tuple[list[Chip | Text], float]:
    """Explain the marks that this picture has, in as many rows as they need; return them and their height."""
    lines = [line for card in sheet.cards for line in card.lines]
    lines += [line for several in sheet.inside.values() for line in several]
    marks = [mark for line in lines for mark in line.marks] + [mark for one in sheet.frames for mark in one.marks]
    marks += () if sheet.graph.birth is None else sheet.graph.birth.marks
    kinds = {mark.kind for mark in marks if not mark.timer}
    items = [key_of("begin", "begins")] if sheet.graph.initial is not None else []
    items += [key_of("final", "final")] if any(place.final for place in sheet.graph.places) else []
    items += [key_of("frame", "states left alike")] if sheet.frames else []
    items += [key_of("now", "here")] if sheet.graph.seen is not None else []
    items += [chip_of(kind, words, False) for kind, words in EXPLAINED if kind in kinds]
    holds = [hold for place in sheet.graph.places for hold in place.holds]
    items += [chip_of("hold", "held in the state", False)] if any(not hold.timer for hold in holds) else []
    items += [chip_of("hold", "a timer, or sent by one", True)] if any(hold.timer for hold in holds) else []
    items += [chip_of("hold", "from some of them only", False, True)] if any(mark.sometimes for mark in marks) else []
    return in_rows(items, width)


def key_of(kind: str, words: str) -> Chip:
    """Make an entry of the legend: what a shape means."""
    said = Text(27, 11.5, words, SMALL, "dim")
    return Chip(0, 0, 31 + said.width, said, kind)


def in_rows(items: Iterable[Chip], width: float) -> tuple[list[Chip | Text], float]:
    """Set the legend in rows."""
    x, y, placed = 0.0, 0.0, []
    for chip in items:
        if x and x + chip.width > width:
            x, y = 0.0, y + CHIP + GAP + 2
        placed.append(moved(chip, x, y))
        x += chip.width + 8
    return list(placed), y + CHIP if placed else 0.0


def legend_width(legend: Iterable[Chip | Text]) -> float:
    """Return how wide a legend is."""
    return max((one.x + one.width for one in legend), default=0.0)
