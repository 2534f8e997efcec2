"""Measuring: how wide a text is, before anybody draws it.

What lives here: the widths of letters. What must not: where a text goes. The law of this file: what is measured is
promised; a picture sets the length of each text to it, so that no font of anybody's machine makes two of them overlap.
"""

from __future__ import annotations

import unicodedata

NARROW = {
    **dict.fromkeys("ijl'", 0.22),
    **dict.fromkeys("ft,./:;!|I[] ", 0.28),
    **dict.fromkeys('r()-`{}"*', 0.34),
    **dict.fromkeys("ckvxyzsJ^", 0.5),
    **dict.fromkeys("mM%W@", 0.88),
    **dict.fromkeys("w", 0.72),
    **dict.fromkeys("CDHNRUwGOQ", 0.75),
    **dict.fromkeys("ABEKPSVXY&", 0.67),
    **dict.fromkeys("FTZL", 0.6),
    **dict.fromkeys("+<>=~", 0.58),
    **dict.fromkeys("→←…⏱", 1.0),
}
"""How wide letters are, in parts of the font's size; those that are not here are 0.56."""

OTHER, WIDE = 0.56, 1.0

BOLD = 1.07
"""How much wider a text in bold is."""


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a text in pixels.

    >>> round(width_of("begin", 10))
    25
    """
    parts = sum(width_of_letter(letter) for letter in text)
    return round(parts * size * (BOLD if bold else 1.0), 1)


def width_of_letter(letter: str) -> float:
    """Return the width of a letter in parts of its size: what is combined with another has none."""
    if letter in NARROW:
        return NARROW[letter]
    if unicodedata.combining(letter):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return WIDE
    return 0.67 if letter.isupper() else OTHER


def shortened(text: str, letters_max: int) -> str:
    """Shorten a text in its middle: names differ at their ends more often than there.

    >>> shortened("an_extremely_long_name", 11)
    'an_ex…_name'
    """
    if len(text) <= letters_max:
        return text
    head = letters_max // 2
    return f"{text[:head]}…{text[len(text) - (letters_max - head - 1) :]}"


def visible(text: str) -> str:
    r"""Write what has no sign of its own so that it is seen; a picture is one of lines, and has none of its own.

    >>> visible("a\nb")
    'a\\nb'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text) or "∅"
