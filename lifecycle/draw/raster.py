"""Raster: an SVG as PNG.

What lives here: the one call of what turns lines into dots. What must not: a look; a PNG is its SVG in light. The law of
this file: a PNG has every word that its SVG has, or there is none, and one sentence says why.
"""

from __future__ import annotations

import math
import re
from typing import Any

from lifecycle.errors import Invalid

ZOOM = 2.0
"""How many dots a pixel has: a PNG is mostly looked at on screens that have two."""

ZOOM_MIN = 0.75
"""Below that, words are not to be read."""

DOTS_MAX = 60_000_000

SIZE = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"')
WORD = '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"><text y="12" font-family="sans-serif">{}</text></svg>'


def png(svg: str) -> bytes:
    """Turn an SVG into a PNG; a large one has fewer dots for each pixel."""
    library = resvg()
    zoom = min(ZOOM, math.sqrt(DOTS_MAX / area_of(svg)))
    if zoom < ZOOM_MIN:
        raise Invalid("format png", f"it would have more than {DOTS_MAX:,} dots", "draw it as SVG")
    return bytes(library.svg_to_bytes(svg_string=svg, zoom=zoom))


def area_of(svg: str) -> float:
    """Return how many pixels an SVG has."""
    size = SIZE.search(svg)
    assert size is not None
    return float(size[1]) * float(size[2])


def resvg() -> Any:
    """Return what makes a PNG; refuse where it would leave all words out, because there is no font."""
    try:
        import resvg_py  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise Invalid("format png", "nothing here makes one", "pip install agent-lifecycle[draw]") from None
    if resvg_py.svg_to_bytes(svg_string=WORD.format("x")) == resvg_py.svg_to_bytes(svg_string=WORD.format("")):
        fact = "this system has no font to write its words with"
        raise Invalid("format png", fact, "install one, or draw it as SVG")
    return resvg_py
