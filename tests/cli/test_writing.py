"""Writing: what a terminal may be sent."""

from __future__ import annotations

import json
import shlex
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lifecycle.cli.writing import as_text, decide_line, on_one_line, printable


@given(st.text())
def test_printable_text_has_no_control_but_line_breaks_and_tabs(text: str) -> None:
    """Whatever a text holds, a terminal gets no control character, no turn of direction and no half a character."""
    written = printable(text)
    assert [] == [one for one in written if unicodedata.category(one) in ("Cc", "Cs") and one not in "\n\t"]
    assert not set(written) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029")
    assert 1 == len(on_one_line(text).splitlines() or [""])


@given(st.text(st.characters(categories=("L", "N", "P", "Z"), exclude_characters="\u2028\u2029")))
def test_printable_text_stays_as_it_is(text: str) -> None:
    """Letters, digits and punctuation of any script are not touched."""
    assert text == printable(text)


LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(LEAVES, lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_every_frame_can_be_written(value: object) -> None:
    """Any JSON value has a text for people."""
    assert isinstance(as_text(json.loads(json.dumps(value))), str)


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


@given(NAMES, NAMES, NAMES)
def test_the_decide_line_survives_a_shell(session: str, run: str, request: str) -> None:
    """Whatever the names are, a shell takes the line apart into exactly them."""
    words = shlex.split(decide_line(session, run, request, "approve", "--digest", "0"))
    assert [session, run, request, "approve"] == words[-4:]
    dashed = any(name.startswith("-") for name in (session, run, request))
    assert (["--"] if dashed else []) == words[4:-4]
