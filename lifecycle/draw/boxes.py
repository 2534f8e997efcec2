"""Boxes: what stands in a state, on a card, on a frame, with sizes.

What lives here: how texts and marks are set inside a box. What must not: where boxes go, and SVG. The law of this file:
a box is as large as what is in it, and nothing in it touches anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from lifecycle.draw.arranging import Card, Line, Sheet
from lifecycle.draw.graph import Held, Mark, Place, Way
from lifecycle.draw.measuring import shortened, visible, width_of

NAME, TRIGGER, SMALL = 14.0, 12.0, 10.0
"""The sizes of letters: of a state's name, of a trigger, of everything else."""

PAD, GAP, CHIP = 10.0, 4.0, 16.0
"""Inside a box, between chips, and the height of a chip."""

WIDTH_MAX = 210.0
"""How wide marks may run before they go on in the next line."""

EXIT_MAX = 360.0
"""How wide they may run at the edge of a frame, which is wider."""

LETTERS_MAX = 36
"""How much of a name is shown; the whole of it is told to whoever points at it."""


@attrs.frozen
class Text:
    """A text with the baseline it stands on; ``look`` is its class, ``whole`` what it was before it was shortened."""

    x: float
    y: float
    text: str
    size: float
    look: str
    bold: bool = False
    whole: str = ""

    @property
    def width(self) -> float:
        """Return how wide it is."""
        return width_of(self.text, self.size, self.bold)


@attrs.frozen
class Chip:
    """A mark or something held: a small box with a sign and a word."""

    x: float
    y: float
    width: float
    text: Text
    kind: str
    dashed: bool = False


@attrs.frozen
class Rule:
    """A line from edge to edge."""

    y: float


@attrs.frozen
class Box:
    """What stands in a rectangle, from its upper left corner."""

    width: float
    height: float
    parts: tuple[Text | Chip | Rule, ...] = ()


def text_at(x: float, y: float, text: str, size: float, look: str, bold: bool = False) -> Text:
    """Set a text: what cannot be seen is written so that it is, and what is too long is shortened."""
    seen = visible(text)
    short = shortened(seen, LETTERS_MAX)
    return Text(x, y, short, size, look, bold, seen if short != seen else "")


SIGNS = {"take": "+", "give": "-", "act": "", "send": "→", "hold": ""}
SIGN = 11.0
"""The room for a sign in front of a word; a timer has a clock there."""


def chip_of(kind: str, label: str, timer: bool, dashed: bool = False) -> Chip:
    """Make a chip, at the origin."""
    look = "timer" if timer else kind
    room = SIGN if timer or SIGNS.get(kind) else 0.0
    text = text_at(6 + room, 11.5, label, SMALL, f"on-{look}")
    return Chip(0, 0, round(text.width + room + 12, 1), text, look if not timer else f"timer {kind}", dashed)


def chip_of_mark(mark: Mark) -> Chip:
    """Make the chip of a mark."""
    return chip_of(mark.kind, mark.label, mark.timer, mark.sometimes)


def set_in_rows(chips: Iterable[Chip], x: float, y: float, width_max: float = WIDTH_MAX) -> tuple[list[Chip], float]:
    """Set chips side by side, and below each other where they grow too wide; return where they end."""
    placed: list[Chip] = []
    at, row = x, y
    for chip in chips:
        if at > x and at + chip.width > x + width_max:
            at, row = x, row + CHIP + GAP
        placed.append(moved(chip, at, row))
        at += chip.width + GAP
    return placed, row + CHIP if placed else y


def moved(chip: Chip, x: float, y: float) -> Chip:
    """Move a chip from the origin."""
    return attrs.evolve(chip, x=x, y=y, text=attrs.evolve(chip.text, x=chip.text.x + x, y=chip.text.y + y))


def bounding(parts: Sequence[Text | Chip | Rule], bottom: float, width_min: float = 0.0) -> Box:
    """Make the box around its parts."""
    right = max((one.x + one.width for one in parts if not isinstance(one, Rule)), default=0.0)
    return Box(round(max(right + PAD, width_min), 1), round(bottom, 1), tuple(parts))


# -- a state ----------------------------------------------------------------------------------------------------------


def box_of_place(place: Place, sheet: Sheet) -> Box:
    """Set a state: its name, below it what it holds, and below a rule what stays inside it."""
    parts: list[Text | Chip | Rule] = [text_at(PAD, 20, place.name, NAME, f"ink {place.tone}", True)]
    bottom = 29.0
    held = [chip_of("hold", words_of_hold(hold), hold.timer) for hold in place.holds]
    if held:
        chips, bottom = set_in_rows(held, PAD, bottom)
        parts += chips
        bottom += 8
    inside = sheet.inside.get(place.name, ())
    if inside:
        parts.append(Rule(bottom))
        bottom += 3
        for line in inside:
            some, bottom = parts_of_line(line, bottom, WIDTH_MAX, bold=False)
            parts += some
        bottom += 4
    return centred(bounding(parts, bottom, 70.0), alone=not held and not inside)


def words_of_hold(hold: Held) -> str:
    """Name something held; of a timer it is said if the state does nothing but arm it again."""
    return hold.name.replace("_", " ") + (" · re-armed when due" if hold.rearms else "")


def centred(box: Box, alone: bool) -> Box:
    """Put a name in the middle of its box; one that stands alone, in the middle of its height, too."""
    name, *rest = box.parts
    assert isinstance(name, Text)
    x = round((box.width - name.width) / 2, 1)
    height = 34.0 if alone else box.height
    return Box(box.width, height, (attrs.evolve(name, x=x, y=22.0 if alone else name.y), *rest))


# -- a card -----------------------------------------------------------------------------------------------------------


def box_of_card(card: Card, sheet: Sheet) -> Box:
    """Set a card; one that no lines lead to says where it leads from."""
    return box_of_lines(card.lines, words_of_sources(card, sheet), f"from {', '.join(map(visible, card.sources))}")


def words_of_sources(card: Card, sheet: Sheet) -> str:
    """Say which states a crowded card leads from, by those it does not lead from if they are few."""
    if not card.crowded:
        return ""
    others = [place for place in sheet.graph.places if place.name not in card.sources]
    if not others:
        return "from every state"
    if all(place.final for place in others) and sum(place.final for place in sheet.graph.places) == len(others):
        return "from every state that is not final"
    if len(others) <= EXCEPTED_MAX:
        return f"from every state but {', '.join(visible(place.name) for place in others)}"
    return f"from {len(card.sources)} states"


ABOVE_MAX = 60

EXCEPTED_MAX = 2
"""So many states are named that a crowded card does not lead from."""


def box_of_lines(lines: Sequence[Line], above: str = "", whole: str = "") -> Box:
    """Set a card: a line for each trigger, with its guards and marks; ``above`` them, and for whoever points at it."""
    parts: list[Text | Chip | Rule] = []
    bottom = 3.0
    if above:
        parts.append(Text(PAD, bottom + 13, shortened(above, ABOVE_MAX), SMALL, "dim", False, whole))
        bottom += 14
    for at, line in enumerate(lines):
        if at and (lines[at - 1].marks or line.marks):
            parts.append(Rule(bottom + 2))
            bottom += 3
        some, bottom = parts_of_line(line, bottom, WIDTH_MAX)
        parts += some
    return bounding(parts, bottom + 5)


def parts_of_line(line: Line, y: float, width_max: float, bold: bool = True) -> tuple[list[Text | Chip | Rule], float]:
    """Set a line below ``y``: trigger and guards; marks go beside them, or below where there is no room."""
    parts: list[Text | Chip | Rule] = []
    x = PAD
    trigger = text_at(x, y + 16, line.trigger, TRIGGER, "ink", bold)
    parts.append(trigger)
    x += trigger.width + 6
    if line.timers:
        parts.append(Chip(x - 2, y + 4, SIGN + 7, Text(x, y, "", SMALL, "dim"), "timer hold"))
        x += SIGN + 10
    if line.guards:
        guards = text_at(x, y + 16, f"[{', '.join(line.guards)}]", SMALL, "dim")
        parts.append(guards)
        x += guards.width + 6
    if line.times:
        times = text_at(x, y + 16, f"× {line.times}{' together' * line.together}", SMALL, "seen", True)  # noqa: RUF001
        parts.append(times)
        x += times.width + 6
    chips = [chip_of_mark(mark) for mark in line.marks]
    beside = sum(chip.width + GAP for chip in chips)
    if x + beside <= width_max:
        placed, bottom = set_in_rows(chips, x + 2, y + 4, width_max)
        return [*parts, *placed], max(bottom, y + 21)
    placed, bottom = set_in_rows(chips, PAD, y + 23, width_max)
    return [*parts, *placed], bottom


# -- what stands between -----------------------------------------------------------------------------------------------


def box_of_exit(marks: Sequence[Mark]) -> Box:
    """Set the way out of a frame: what every one of them does."""
    said = text_at(PAD, 15.5, "every way out" if marks else "from each", SMALL, "dim")
    chips, bottom = set_in_rows([chip_of_mark(mark) for mark in marks], PAD + said.width + 7, 4, EXIT_MAX)
    return bounding([said, *chips], max(bottom, 20.0) + 4)


def box_of_timer(name: str) -> Box:
    """Set a timer on its dashed arrow."""
    chip = chip_of("hold", name.replace("_", " "), True)
    return Box(chip.width, CHIP, (chip,))


def box_of_birth(way: Way) -> Box:
    """Set the way that a machine is born by."""
    return box_of_lines([Line(way.trigger, way.guards, way.marks)])
