"""Raster: an SVG as PNG.

What lives here: the one call of what turns lines into dots. What must not: a look; a PNG is its SVG in light. The law of
this file: whoever has no such library is told in one sentence what to install.
"""

from __future__ import annotations

from lifecycle.errors import Invalid

ZOOM = 2
"""How many dots a pixel has: a PNG is mostly looked at on screens that have two."""


def png(svg: str) -> bytes:
    """Turn an SVG into a PNG."""
    try:
        import resvg_py  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise Invalid("format png", "nothing here makes one", "pip install agent-lifecycle[draw]") from None
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM))
