"""Measuring: how wide a text is, before anybody draws it.

What lives here: the widths of letters. What must not: where a text goes. The law of this file: what is measured is
promised; a picture sets the length of each text to it, so that no font of anybody's machine makes two of them overlap.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

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

NON_JOINER, JOINER = "\u200c", "\u200d"
SKINS = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
"""What says how its neighbours are drawn, in Persian, in Hindi and in emoji, and the colours of skin."""

BOLD = 1.07
"""How much wider a text in bold is."""


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Return the width of a text in pixels.

    >>> round(width_of("begin", 10))
    25
    """
    parts = sum(0.0 if joined else width_of_letter(letter) for letter, joined in with_joints(text))
    return round(parts * size * (BOLD if bold else 1.0), 1)


def with_joints(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each letter, and whether it is drawn as one with what stands before it, as the parts of an emoji are."""
    before = ""
    for letter in text:
        yield letter, before == JOINER and unicodedata.category(letter) == "So"
        before = letter


def width_of_letter(letter: str) -> float:
    """Return the width of a letter in parts of its size: what is combined with another has none."""
    if letter in NARROW:
        return NARROW[letter]
    if unicodedata.category(letter) in ("Mn", "Me", "Cf") or letter in SKINS:
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
    shown = (one if one.isprintable() or joins(text, at) else escape_of(one) for at, one in enumerate(text))
    return "".join(shown) or "∅"


def escape_of(letter: str) -> str:
    """Write a letter as Python does where it must."""
    return letter.encode("unicode_escape").decode()


def joins(text: str, at: int) -> bool:
    """Say whether something invisible is seen by what it makes of its neighbours, none of which is of ASCII."""
    around = text[at - 1 : at + 2] if at else ""
    return text[at] in (NON_JOINER, JOINER) and len(around) == 3 and not any(one.isascii() for one in around)
