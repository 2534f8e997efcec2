"""Typed: what was typed, as the values that are meant.

What lives here: names, revisions, inputs and JSON as they stand on a command line or come through stdin. What must not:
what is done with them. The law of this file: what cannot be meant is refused in a sentence before anything is opened.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from lifecycle import Limits
from lifecycle.cli.asking import refuse_constant
from lifecycle.errors import Busy, Invalid

REVISION_MAX = 2**63 - 1
"""The highest number that a store can be asked about."""


def checked(what: str, name: str | None) -> str:
    """Refuse a name that is empty or no Unicode; anything else is the engine's to judge."""
    try:
        (name or "").encode()
    except UnicodeEncodeError:
        raise Invalid(f"{what} {name!a}", "it is not UTF-8", "type it in UTF-8") from None
    if name == "":
        raise Invalid(what, "it is empty", "name one")
    return name or ""


def checked_revision(after: str) -> None:
    """Refuse what no revision can be."""
    digits = after.lstrip("0") or "0"
    if not (after.isascii() and after.isdigit()):
        raise Invalid(f"--after {after}", "for one session it is a revision", "use a whole number")
    if len(digits) > len(str(REVISION_MAX)) or int(digits) > REVISION_MAX:
        raise Invalid(f"--after {after}", "no store counts that far", f"use a whole number up to {REVISION_MAX}")


def read_input(given: str | None, as_json: bool) -> Any:
    """Return the input of the run: nothing, a text, or the value of a JSON text."""
    bound = Limits().input_bytes_max
    if given == "-":
        try:
            raw = sys.stdin.buffer.read(bound + 1)
        except OSError as fault:
            fact = f"stdin cannot be read ({fault.strerror})"
            raise Invalid("input", fact, "give it one, or type the input itself") from None
        if len(raw) > bound:
            fact = f"over input_bytes_max ({bound} bytes)"
            raise Busy(
                "input", fact, "keep large data in a file and pass its path", limit="input_bytes_max", bound=bound
            )
        try:
            given = raw.decode()
        except UnicodeDecodeError:
            raise Invalid("input", "it is not UTF-8", "convert it, or pass the path of a file") from None
    elif given is not None:
        try:
            given.encode()
        except UnicodeEncodeError:
            raise Invalid("input", "it is not UTF-8", "convert it, or pass the path of a file") from None
    return given if given is None or not as_json else json_value("input", given)


def json_value(what: str, text: str) -> Any:
    """Return the value of a JSON text, or refuse it."""
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as fault:
        raise Invalid(what, f"it is no JSON ({fault})", "check it; texts need quotes") from None
