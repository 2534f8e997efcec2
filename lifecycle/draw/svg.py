"""SVG: elements as text, and how they look in light and in dark.

What lives here: escaping, numbers, and the one style of every picture. What must not: where anything goes. The law of
this file: whatever is in a text, the result is well-formed; what colour says is said by a line or a word as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lifecycle.draw.boxes import Chip, Text
from lifecycle.draw.measuring import visible

FONT = "Inter,'Helvetica Neue',Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif"

LIGHT = {
    "bg": "#ffffff", "ink": "#1f2328", "dim": "#59636e", "line": "#818b98", "box": "#ffffff", "card": "#b7c0ca",
    "edge": "#d1d9e0", "frame": "#f6f8fa", "plain": "#59636e", "busy": "#0969da", "waiting": "#9a6700",
    "good": "#1a7f37", "off": "#59636e", "bad": "#cf222e", "seen": "#8250df", "busy-in": "#ddf4ff",
    "waiting-in": "#fff8c5", "good-in": "#dafbe1", "off-in": "#eff1f3", "bad-in": "#ffebe9", "plain-in": "#f6f8fa",
    "seen-in": "#fbefff", "take": "#dafbe1", "on-take": "#116329", "give": "#f1f3f5", "on-give": "#59636e",
    "act": "#ddf4ff", "on-act": "#0550ae", "send": "#fbefff", "on-send": "#6639ba", "timer": "#fff8c5",
    "on-timer": "#7d4e00", "hold": "#eff1f3", "on-hold": "#424a53",
}  # fmt: skip
DARK = {
    "bg": "#0d1117", "ink": "#f0f6fc", "dim": "#9198a1", "line": "#6e7681", "box": "#151b23", "card": "#4a525c",
    "edge": "#3d444d", "frame": "#10161e", "plain": "#9198a1", "busy": "#4493f8", "waiting": "#d29922",
    "good": "#3fb950", "off": "#9198a1", "bad": "#f85149", "seen": "#ab7df8", "busy-in": "#121d2f",
    "waiting-in": "#272115", "good-in": "#12261e", "off-in": "#1c2128", "bad-in": "#25171c", "plain-in": "#151b23",
    "seen-in": "#211d2f", "take": "#12331f", "on-take": "#7ee787", "give": "#21262d", "on-give": "#9198a1",
    "act": "#121d2f", "on-act": "#79c0ff", "send": "#271c3d", "on-send": "#d2a8ff", "timer": "#332a12",
    "on-timer": "#e3b341", "hold": "#262c36", "on-hold": "#d1d7e0",
}  # fmt: skip
"""The colours by their names, in light and in dark."""

FILLED = ("ink", "dim", "seen", "on-take", "on-give", "on-act", "on-send", "on-timer", "on-hold")
TONES = ("plain", "busy", "waiting", "good", "off", "bad", "seen")
CHIPS = ("take", "give", "act", "send", "timer", "hold")


def rules_of(colours: dict[str, str]) -> str:
    """Write the rules of one set of colours."""
    rules = [
        f".bg{{fill:{colours['bg']}}}",
        f".halo{{stroke:{colours['bg']}}}",
        f".box{{fill:{colours['box']};stroke:{colours['card']}}}",
    ]
    rules += [f".frame{{fill:{colours['frame']};stroke:{colours['edge']}}}", f".rule{{stroke:{colours['edge']}}}"]
    rules += [f".line{{stroke:{colours['line']}}}", f".tip{{fill:{colours['line']}}}", f".dot{{fill:{colours['ink']}}}"]
    rules += [f".{name}{{fill:{colours[name]}}}" for name in FILLED]
    rules += [f".s-{tone}{{fill:{colours[f'{tone}-in']};stroke:{colours[tone]}}}" for tone in TONES]
    rules += [f".r-{tone}{{stroke:{colours[tone]}}}.f-{tone}{{fill:{colours[tone]}}}" for tone in TONES]
    rules += [f".k-{kind}{{fill:{colours[kind]};stroke:{colours[f'on-{kind}']}}}" for kind in CHIPS]
    rules += [f".g-{kind}{{stroke:{colours[f'on-{kind}']}}}" for kind in CHIPS]
    return "".join(f".lifecycle {rule}}}" for rule in "".join(rules).split("}") if rule)


STYLE = (
    f".lifecycle text{{font-family:{FONT}}}.lifecycle .b{{font-weight:600}}"
    ".lifecycle .open{fill:none}.lifecycle .line{stroke-width:1.3}.lifecycle .dash{stroke-dasharray:4 3}"
    ".lifecycle .state{stroke-width:1.6}.lifecycle .chip{stroke-width:.6;stroke-opacity:.5}"
    ".lifecycle .halo{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}"
    ".lifecycle .sign{stroke-width:1.2}.lifecycle .now{stroke-width:3.2}"
    + rules_of(LIGHT)
    + "@media (prefers-color-scheme:dark){"
    + rules_of(DARK)
    + "}"
)


def number(value: float) -> str:
    """Write a number with one digit at most behind the point.

    >>> number(3.04), number(3.25), number(-0.01)
    ('3', '3.2', '0')
    """
    text = f"{value:.1f}"
    return "0" if text in ("0.0", "-0.0") else text.removesuffix(".0")


NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escaped(text: str) -> str:
    """Write a text so that XML takes nothing in it for its own; what XML cannot hold is written as it would be seen.

    >>> escaped('a < "b" & c')
    'a &lt; &quot;b&quot; &amp; c'
    """
    seen = NOT_XML.sub(lambda found: visible(found[0]), text)
    return seen.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def document(width: float, height: float, title: str, description: str, body: Iterable[str]) -> str:
    """Write a picture: its title and description for whoever cannot see it, its style, what is in it."""
    size = f'width="{number(width)}" height="{number(height)}" viewBox="0 0 {number(width)} {number(height)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="lifecycle" {size} role="img">'
    named = f"<title>{escaped(title)}</title>\n<desc>{escaped(description)}</desc>"
    back = f'<rect class="bg" width="{number(width)}" height="{number(height)}" rx="8"/>'
    return "\n".join([head, named, f"<style>{STYLE}</style>", back, *body, "</svg>"]) + "\n"


def rect(x: float, y: float, width: float, height: float, look: str, radius: float = 0.0) -> str:
    """Write a rectangle."""
    round_ = f' rx="{number(radius)}"' if radius else ""
    size = f'width="{number(width)}" height="{number(height)}"'
    return f'<rect class="{look}" x="{number(x)}" y="{number(y)}" {size}{round_}/>'


def line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    """Write a straight line."""
    return f'<path class="{look}" d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'


def text(one: Text, x: float = 0.0, y: float = 0.0) -> str:
    """Write a text, as long as it was measured."""
    if not one.text:
        return ""
    look = f"{one.look} b" if one.bold else one.look
    place = f'x="{number(one.x + x)}" y="{number(one.y + y)}" font-size="{number(one.size)}"'
    long = f'textLength="{number(one.width)}" lengthAdjust="spacingAndGlyphs"'
    whole = f"<title>{escaped(one.whole)}</title>" if one.whole else ""
    return f'<text class="{look}" {place} {long} xml:space="preserve">{whole}{escaped(one.text)}</text>'


def chip(one: Chip, x: float = 0.0, y: float = 0.0) -> list[str]:
    """Write a chip: its box, its sign, its word; one of the legend has a shape instead of a box."""
    if one.kind in KEYS:
        return [key(one.kind, one.x + x, one.y + y), text(one.text, x, y)]
    kind, _, _ = one.kind.partition(" ")
    dash = " dash" if one.dashed else ""
    left, top = one.x + x, one.y + y
    look = kind if kind.startswith("s-") else f"k-{kind}"
    parts = [rect(left, top, one.width, 16, f"chip {look}{dash}", 8 if kind in ("timer", "hold") else 4)]
    return [*parts, *sign(one.kind, left + 10.5, top + 8), text(one.text, x, y)]


KEYS = ("begin", "final", "frame", "now")
"""The shapes that a legend explains."""


def key(kind: str, x: float, y: float) -> str:
    """Write a shape as small as a word."""
    if kind == "begin":
        return f'<circle class="dot" cx="{number(x + 11)}" cy="{number(y + 8)}" r="5"/>'
    if kind == "frame":
        return rect(x, y + 1.5, 22, 13, "frame", 4)
    if kind == "now":
        return rect(x + 2, y + 2.5, 18, 11, "open now r-seen", 4)
    return rect(x, y + 1.5, 22, 13, "open r-plain", 4) + rect(x + 2.5, y + 4, 17, 8, "open r-plain", 2.5)


def sign(kind: str, x: float, y: float) -> list[str]:
    """Write the sign before a word around its middle: a clock, a plus, a minus, an arrow."""
    look = kind.partition(" ")[0]
    if look == "timer":
        clock = f'<circle class="open sign g-timer" cx="{number(x)}" cy="{number(y)}" r="3.8"/>'
        return [clock, f'<path class="open sign g-timer" d="M{number(x)} {number(y - 2.4)}v2.4l1.8 1"/>']
    if look not in SIGN_PATHS:
        return []
    moved = "".join(f"M{number(x + dx)} {number(y + dy)}{rest}" for dx, dy, rest in SIGN_PATHS[look])
    return [f'<path class="open sign g-{look}" d="{moved}"/>']


SIGN_PATHS = {
    "take": ((-3.0, 0.0, "h6"), (0.0, -3.0, "v6")),
    "give": ((-3.0, 0.0, "h6"),),
    "send": ((-3.5, 0.0, "h6.5"), (0.4, -2.6, "l2.7 2.6l-2.7 2.6")),
}
"""Where the strokes of each sign begin, from its middle, and how they go on."""
