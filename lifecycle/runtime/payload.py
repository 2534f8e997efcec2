"""Payloads: JSON texts at the border of the engine, with their limits and digests.

What lives here: turning values into texts and back. What must not: meaning. The law of this file: what cannot be
written as JSON, or is beyond its limit, is refused here by name, before anything was asked of the kernel.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lifecycle.errors import Busy, Invalid

encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
encode_in_order = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
encode_ascii = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
decode = json.JSONDecoder().decode


def text_of(subject: str, value: object, limit: str, bound: int, sort_keys: bool = True) -> str:
    """Return the JSON text of a value: no spaces, no NaN; ``limit`` names the bound in bytes.

    Keys are sorted, so that the same content has the same digest; where no digest is taken they may keep their order.

    >>> text_of("frame", {"b": 1, "a": [True, None]}, "frame_bytes_max", 100)
    '{"a":[true,null],"b":1}'
    >>> text_of("frame", {"b": 1, "a": [True, None]}, "frame_bytes_max", 100, sort_keys=False)
    '{"b":1,"a":[true,null]}'
    """
    try:
        text = encode(value)  # sorted in any case: keys of several types cannot be, and two of them could be one text
        if not sort_keys and "{" in text:
            text = encode_in_order(value)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as fault:
        raise Invalid(subject, f"cannot be written as JSON ({fault})", "use dicts, lists, texts, numbers") from None
    if text.count("[") + text.count("{") > DEPTH_MAX and is_deeper(value, DEPTH_MAX):
        raise Invalid(subject, f"is nested deeper than {DEPTH_MAX} levels", "make it flatter")
    if size > bound:
        remedy = "keep large data elsewhere and pass its name"
        raise Busy(subject, f"{size} bytes are over {limit} ({bound})", remedy, limit=limit, bound=bound, size=size)
    return text


DEPTH_MAX = 100
"""How deep lists and dicts may be nested: what is written must be readable wherever it is read."""


def is_deeper(value: object, depth: int) -> bool:
    """Say whether a value is nested deeper than that."""
    level = [value]
    for _ in range(depth):
        level = [inner for one in level for inner in parts_of(one)]
    return any(isinstance(one, dict | list | tuple) for one in level)


def parts_of(value: object) -> list[object]:
    """Return what a dict, a list or a tuple holds."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def value_of(text: str | None) -> Any:
    """Return the value of a JSON text; none of none."""
    return None if text is None else decode(text)


def digest_of(*parts: object) -> str:
    """Return a short digest of texts and numbers: 128 bits, in hexadecimal, of the JSON text of them as a list.

    They are encoded one by one, because for a text alone there is a short way, and texts they mostly are, or none.

    >>> digest_of("tidy", 1, None) == hashlib.sha256(b'["tidy",1,null]').hexdigest()[:32]
    True
    """
    text = ",".join(["null" if part is None else encode_ascii(part) for part in parts])
    return hashlib.sha256(f"[{text}]".encode()).hexdigest()[:32]
