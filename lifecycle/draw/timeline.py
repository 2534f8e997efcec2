"""Timeline: a life as SVG, in staves like music that is too long for one line.

What lives here: how time becomes distance, which rows bars stand in, and how all of it looks. What must not: what
happened. The law of this file: what is drawn in detail is bounded, so that the picture of a long life is quick to make,
small, and can be read; what came before stands in an overview.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import attrs

from lifecycle.draw import svg
from lifecycle.draw.boxes import Text, text_at
from lifecycle.draw.life import CLIENTS, LANES, RUN, SESSION, TIMER, Bar, Life
from lifecycle.draw.measuring import shortened, visible, width_of
from lifecycle.draw.reading import in_words
from lifecycle.draw.svg import number, rect

DETAIL_STEPS_MAX = 240
"""How many of the last steps are drawn in detail; what was before is in the overview."""

STAVE_WIDTH = 1_120.0
LEFT, MARGIN, HEAD = 92.0, 20.0, 72.0
ROW, BAR, ABOVE, SMALL = 33.0, 13.0, 13.0, 9.5
LABEL_ROWS, LABEL_ROW, MORE, TICK = 4, 12.0, 16.0, 3.0
LETTERS_MAX, TITLE_LETTERS_MAX = 64, 80
OVERVIEW_COLUMNS = 560

ROWS_MAX = 16
"""How many rows of a lane are drawn; how many things there are besides is said."""

ROOM = 110.0
"""How far what lasts still is drawn beyond the last step."""

WIDTH_MIN = 690.0

TONES = {
    **dict.fromkeys(("running", "executing"), "busy"),
    **dict.fromkeys(("waiting_for_human", "open", "closing"), "waiting"),
    **dict.fromkeys(("starting", "pending", "attached"), "plain"),
    **{"ready": "good", "error": "bad", "interrupted": "off", "stopped": "off"},
}
"""What kind of colour a bar has, by its state."""


def timeline(life: Life) -> str:
    """Draw a life."""
    first = max(0, len(life.times) - DETAIL_STEPS_MAX)
    places = distances(life.times[first:])
    staves = [Stave(life, first, places, start, end) for start, end in staves_of(places)]
    title = Text(MARGIN, 30, shortened(visible(life.name), TITLE_LETTERS_MAX), 18, "ink", True)
    width = max(WIDTH_MIN, title.width + 2 * MARGIN, *(2 * MARGIN + LEFT + stave.right for stave in staves))
    body = [svg.text(title), *head(life)]
    y = HEAD
    if first:
        body += overview(life, first, y, width)
        y += 74
    for stave in staves:
        body += stave.drawn(y)
        y += stave.height + 18
    body += legend(y)
    return svg.document(width, y + 26, f"The life of session {life.name}", description(life), body)


def head(life: Life) -> Iterator[str]:
    """Yield what stands below the title."""
    lasted = elapsed(life.times[-1] - life.times[0]) if life.times else "nothing"
    steps = f"{len(life.times):,} step{'' if len(life.times) == 1 else 's'} in {lasted}"
    yield svg.text(text_at(MARGIN, 46, steps, 11, "dim"))


def description(life: Life) -> str:
    """Say in words what a life was: for whoever cannot see it."""
    ended = [f"{bar.subject} {bar.end}" for bar in life.bars if bar.lane == RUN and bar.end and bar.tone]
    told = "; ".join(ended[-20:])
    return f"{len(life.times)} steps. " + (f"Runs that ended last: {told}." if told else "No run ended.")


# -- time -------------------------------------------------------------------------------------------------------------


def distances(times: Sequence[int]) -> list[float]:
    """Give each step its place: a longer time is a longer way, but a day is no hundred times as long as a minute."""
    gaps = [20 + 9 * math.log10(1 + max(0, after - before) / 1_000) for before, after in pairwise(times)]
    stretch = min(3.0, max(1.0, 900 / (sum(gaps) or 900)))
    places = [12.0]
    for gap in gaps:
        places.append(places[-1] + gap * stretch)
    return places[: len(times)]


def staves_of(places: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Break the way into staves of about one width."""
    if not places:
        return
    total = places[-1] + ROOM
    count = max(1, math.ceil((total - ROOM + 1) / STAVE_WIDTH))
    for at in range(count):
        yield at * STAVE_WIDTH, total if at == count - 1 else (at + 1) * STAVE_WIDTH


def elapsed(us: int) -> str:
    """Say how long something took.

    >>> elapsed(1_500_000), elapsed(90_000_000), elapsed(120), elapsed(93_600_000_000)
    ('1.5 s', '1 min 30 s', '0.1 ms', '26 h')
    """
    if us < 1_000_000:
        return f"{us / 1_000:.3g} ms" if us >= 1_000 else f"{us / 1_000:.1f} ms"
    seconds = us / 1_000_000
    if seconds < 60:
        return f"{seconds:.3g} s"
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size * (2 if unit == "d" else 1):
            whole, rest = divmod(round(seconds), size)
            return f"{whole} {unit} {rest // part} {smaller}" if rest // part else f"{whole} {unit}"
    return f"{seconds:.3g} s"


# -- a stave ----------------------------------------------------------------------------------------------------------


@attrs.define
class Item:
    """All bars of one subject in a stave, and how far it reaches with its words."""

    lane: str
    subject: str
    bars: list[Bar]
    left: float
    right: float


class Stave:
    """One line of a timeline: the steps from ``start`` to ``end``."""

    def __init__(self, life: Life, first: int, places: Sequence[float], start: float, end: float) -> None:
        self.life, self.first, self.places, self.start, self.end = life, first, places, start, end
        inside = [at for at, x in enumerate(places) if start <= x < end]
        self.steps = range(first + inside[0], first + inside[-1] + 1) if inside else range(0)
        self.dots = [dot for dot in life.dots if dot.at in self.steps]
        self.more = dict.fromkeys(LANES, 0)
        self.rows = {lane: self._rows(lane) for lane in LANES}
        self.labels, self.label_rows = self._labels()
        self.top = self.label_rows * LABEL_ROW + 16

    @property
    def height(self) -> float:
        """Return how high the stave is."""
        return self.top + sum(self._height_of(lane) for lane in LANES)

    @property
    def right(self) -> float:
        """Return how far the stave reaches, with every word that begins in it."""
        words = [x + TICK + width_of(label, SMALL) for x, _, label, _ in self.labels]
        words += [item.right for rows in self.rows.values() for row in rows for item in row]
        since = [self.x(at) + TICK + width_of(self.since(at), 9) for at in self.steps[-1:]]
        return max(self.end - self.start, *words, *since)

    def since(self, at: int) -> str:
        """Say how long after the first step a step was; where that says nothing new, how long after the one before."""
        passed = self.life.times[at] - self.life.times[0]
        if at > self.steps[0]:
            gap = self.life.times[at] - self.life.times[at - 1]
            if 0 < gap < passed and elapsed(passed - gap) == elapsed(passed):
                return f"{elapsed(gap)} later"
        return f"+{elapsed(passed)}" if passed else "0"

    def _height_of(self, lane: str) -> float:
        rows = len(self.rows[lane])
        return (rows * ROW + 8 + (MORE if self.more[lane] else 0.0)) if rows else 0.0

    def x(self, at: int | None) -> float:
        """Return the place of a step in this stave; what lasts still, or goes on, reaches its edge."""
        if at is None:
            return self.end - self.start
        if at < self.first:
            return 0.0
        return min(max(self.places[at - self.first] - self.start, 0.0), self.end - self.start)

    def _rows(self, lane: str) -> list[list[Item]]:
        """Put the subjects of a lane into rows: one behind the other where they do not touch, as far as there is room."""
        rows: list[list[Item]] = []
        for item in self._items(lane):
            free = next((row for row in rows if row[-1].right + 10 <= item.left), None)
            if free is not None:
                free.append(item)
            elif len(rows) < ROWS_MAX:
                rows.append([item])
            else:
                self.more[lane] += 1
        return rows

    def _items(self, lane: str) -> list[Item]:
        """Gather the bars that reach into this stave by their subjects, in the order in which they begin."""
        if not self.steps:
            return []
        found: dict[tuple[str, int], list[Bar]] = {}
        for bar in self.life.bars:
            begun, over = bar.begin <= self.steps[-1], bar.over is None or bar.over >= self.steps[0]
            if bar.lane == lane and begun and over:
                once = bar.begin if lane == TIMER else 0  # each arming of a timer is a bar with a name of its own
                found.setdefault(("" if lane == SESSION else bar.subject, once), []).append(bar)
        return [self._item(lane, subject, bars) for (subject, _), bars in found.items()]

    def _item(self, lane: str, subject: str, bars: list[Bar]) -> Item:
        """Measure the bars of a subject with its words."""
        left = min(self.x(bar.begin) for bar in bars)
        right = max(self.x(bar.over) for bar in bars)
        right = max(right, left + TICK + width_of(shortened(visible(subject), 36), SMALL) + 4)
        ends = [bar for bar in bars if bar.end and not bar.kind.startswith("segment")]
        if ends:
            right = max(
                right, max(self.x(bar.over) + width_of(shortened(visible(bar.end), 36), SMALL) + 12 for bar in ends)
            )
        return Item(lane, subject, bars, left, right)

    def _labels(self) -> tuple[list[tuple[float, int, str, str]], int]:
        """Set what arrived above the steps, in as many rows as it needs; what finds no room is told when pointed at."""
        ends = [-100.0] * LABEL_ROWS
        placed = []
        bad = {line.at for line in self.life.lines if line.tone == "bad"}
        for at in self.steps:
            label, x = shortened(visible(self.life.labels[at]), LETTERS_MAX), self.x(at)
            row = next((row for row, end in enumerate(ends) if end + 6 <= x - 2), None)
            if label and row is not None:
                ends[row] = x + TICK + width_of(label, SMALL)
                placed.append((x, row, label, "f-bad" if at in bad else "ink"))
        return placed, 1 + max((row for _, row, *_ in placed), default=0)

    # -- how it looks -------------------------------------------------------------------------------------------------

    def drawn(self, y: float) -> Iterator[str]:
        """Yield everything of the stave."""
        x = MARGIN + LEFT
        yield from self._axis(x, y)
        top = y + self.top
        for lane in LANES:
            if self.rows[lane]:
                yield svg.text(text_at(MARGIN, top + ABOVE + 10, lane, 11, "dim", True))
                yield svg.line(
                    MARGIN,
                    top + self._height_of(lane) - 3,
                    x + self.end - self.start,
                    top + self._height_of(lane) - 3,
                    "rule",
                )
            for row, items in enumerate(self.rows[lane]):
                for item in items:
                    yield from self._item_drawn(item, x, top + row * ROW)
            if self.more[lane]:
                said = f"and {self.more[lane]:,} more"
                yield svg.text(text_at(x, top + len(self.rows[lane]) * ROW + 12, said, SMALL, "dim halo"))
            top += self._height_of(lane)

    def _axis(self, x: float, y: float) -> Iterator[str]:
        """Yield what arrived, a thin line down from it, and the time since the beginning."""
        low = y + self.height - 4
        for at, row, *_ in self.labels:
            yield svg.line(x + at, y + row * LABEL_ROW + 3, x + at, low, "rule")
        yield from self._lines(x, y)  # behind all words, for it would go through those that end a bar
        for at, row, label, tone in self.labels:
            yield svg.text(Text(x + at + TICK, y + row * LABEL_ROW + 1, label, SMALL, f"{tone} halo"))
        free = -100.0
        for at in self.steps:
            said, place = self.since(at), self.x(at)
            if place >= free:
                yield svg.text(text_at(x + place + TICK, y + self.top - 11, said, 9, "dim halo"))
                free = place + TICK + width_of(said, 9) + 12

    def _item_drawn(self, item: Item, x: float, y: float) -> Iterator[str]:
        """Yield a subject: its name, its bars, how they ended, what happened on them."""
        if item.subject:
            shown = in_words(item.subject.partition(" ")[0]) if item.lane == TIMER else item.subject
            yield svg.text(text_at(x + item.left + TICK, y + ABOVE - 3, shown, SMALL, "dim halo"))
        for bar in item.bars:
            yield from self._bar(bar, x, y + ABOVE)
        for dot in self.dots:
            if (dot.lane, dot.subject) == (item.lane, item.subject):
                middle = f"{number(x + self.x(dot.at))} {number(y + ABOVE + BAR - 1)}"
                shape = f'<path class="f-{dot.tone}" d="M{middle}l4 4l-4 4l-4 -4z">'
                yield f"{shape}<title>{svg.escaped(dot.label)}</title></path>"

    def _bar(self, bar: Bar, x: float, y: float) -> Iterator[str]:
        """Yield a bar, its state in it where there is room, and behind it how it ended."""
        left, right = self.x(bar.begin), self.x(bar.over)
        wide = max(right - left, 1.5)
        segment = bar.kind.startswith("segment")
        timer = bar.lane == TIMER
        told = f"{bar.subject}: {bar.kind}{f', {bar.end}' if bar.end else ''}"
        look = "k-timer chip dash" if timer else f"state s-{TONES.get(bar.kind, 'plain')}"
        shape = (
            rect(x + left, y + BAR + 1.5, wide, 3, "f-busy", 1) if segment else rect(x + left, y, wide, BAR, look, 3)
        )
        yield shape.replace("/>", f"><title>{svg.escaped(told)}</title></rect>")
        if segment:
            return
        word = bar.kind.replace("_", " ")
        room = width_of(word, SMALL) + 8
        if room <= wide and not timer and bar.lane != CLIENTS:
            yield svg.text(text_at(x + left + 4, y + 10, word, SMALL, f"f-{TONES.get(bar.kind, 'plain')}"))
        if bar.end and bar.over is not None and bar.over in self.steps:
            tone = f"f-{bar.tone}" if bar.tone else "dim"
            yield f'<circle class="{tone}" cx="{number(x + right)}" cy="{number(y + BAR / 2)}" r="3.6"/>'
            yield svg.text(text_at(x + right + 7, y + 10, bar.end, SMALL, f"{tone} halo"))

    def _lines(self, x: float, y: float) -> Iterator[str]:
        """Yield what happened to everything."""
        for line in self.life.lines:
            if line.at in self.steps:
                place = x + self.x(line.at)
                yield svg.line(place, y + 4, place, y + self.height - 4, f"line r-{line.tone} dash")


# -- the whole of it --------------------------------------------------------------------------------------------------


def overview(life: Life, first: int, y: float, width: float) -> Iterator[str]:
    """Yield the whole life in one strip: the session's states, and the ends of its runs; what follows is marked."""
    x, wide = MARGIN + LEFT, width - 2 * MARGIN - LEFT
    steps = len(life.times)
    yield svg.text(text_at(MARGIN, y + 18, "the whole", 11, "dim", True))
    for left, right, kind in runs_of_columns(life, steps):
        tone = TONES.get(kind, "plain")
        yield rect(x + left * wide, y + 6, max((right - left) * wide, 0.6), 14, f"f-{tone}")
    for at, tone, low, high in ends_of_columns(life, steps):
        place, size = x + at * wide, max(wide / OVERVIEW_COLUMNS - 0.3, 0.8)
        yield rect(place, y + 38 - 14 * high, size, 14 * (high - low), f"f-{tone}")
    yield svg.text(text_at(MARGIN, y + 38, "ends of runs", 9, "dim"))
    here = x + first / steps * wide
    yield rect(here, y + 2, x + wide - here, 40, "open now r-seen", 4)
    said = f"below: the last {steps - first:,} of {steps:,} steps, from step {life.numbers[first]}"
    yield svg.text(Text(x, y + 56, said, 10, "dim"))


def runs_of_columns(life: Life, steps: int) -> Iterator[tuple[float, float, str]]:
    """Yield the session's states as stretches of the whole, what is shorter than a column left out."""
    column = -1.0
    for bar in life.bars:
        left = max(bar.begin, 0) / steps
        right = 1.0 if bar.over is None else bar.over / steps
        if bar.lane == SESSION and right > column:
            yield max(left, column), right, bar.kind
            column = max(right, math.ceil(left * OVERVIEW_COLUMNS) / OVERVIEW_COLUMNS)


def ends_of_columns(life: Life, steps: int) -> Iterator[tuple[float, str, float, float]]:
    """Yield, for each column, how the runs that ended there did, as shares of its height."""
    found: dict[int, list[str]] = {}
    for bar in life.bars:
        if bar.lane == RUN and bar.tone and bar.over is not None:
            found.setdefault(bar.over * OVERVIEW_COLUMNS // steps, []).append(bar.tone)
    for column, tones in found.items():
        low = 0.0
        for tone in ("bad", "off", "good"):
            share = tones.count(tone) / len(tones)
            if share:
                yield column / OVERVIEW_COLUMNS, tone, low, low + share
            low += share


def legend(y: float) -> Iterator[str]:
    """Yield what the colours and lines mean."""
    x = MARGIN
    for look, word in (
        ("state s-plain", "begins, or is attached"),
        ("state s-busy", "at work"),
        ("state s-waiting", "waits"),
        ("k-timer chip dash", "timer"),
        ("segment", "segment of output"),
        ("mark", "signal or checkpoint"),
        ("end", "how it ended"),
    ):
        if look == "segment":
            yield rect(x, y + 4, 18, 3, "f-busy", 1)
        elif look == "mark":
            yield f'<path class="f-waiting" d="M{number(x + 9)} {number(y + 1)}l4 4l-4 4l-4 -4z"/>'
        elif look == "end":
            yield f'<circle class="f-good" cx="{number(x + 9)}" cy="{number(y + 5)}" r="3.6"/>'
        else:
            yield rect(x, y, 18, 10, look, 3)
        said: Text = text_at(x + 23, y + 9, word, SMALL, "dim")
        yield svg.text(said)
        x += 23 + said.width + 16
