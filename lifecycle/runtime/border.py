"""The border: what callers hand over, checked before anything is asked of the kernel.

What lives here: checks of names, choices and times. What must not: judgement of states. The law of this file: what is
malformed is refused by name and changes nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any, cast

import attrs

from lifecycle.errors import Busy, Invalid
from lifecycle.kernel.values import ON_EXPIRY, Policy, Request, us
from lifecycle.runtime.payload import value_of
from lifecycle.runtime.segments import Limits

SECONDS_MAX = 1e11
"""A time this long, some three thousand years, is no limit: it could not be counted in microseconds for ever."""

NAME_CHARS_MAX = 256
"""How long the name of a question, a decider or an admin may be."""

LOCAL = "local"
"""The principal of whoever does not say who they are."""


def checked_policy(policy: Policy) -> Policy:
    """Refuse a policy with a time or a bound that makes no sense."""
    for name in ("orphan_grace_seconds", "closing_grace_seconds", "request_expiry_seconds"):
        seconds = getattr(policy, name)
        none_is_fine = seconds is None and name != "closing_grace_seconds"
        if not none_is_fine and (not isinstance(seconds, int | float) or not 0 <= seconds < SECONDS_MAX):
            raise Invalid(f"policy {name}", f"{seconds!r} is no time", "use a number of seconds, or None for none")
    if policy.request_expiry_seconds == 0:
        raise Invalid("policy request_expiry_seconds", "0 leaves no time to answer", "use more, or None for no expiry")
    for name in ("queue_max", "requests_max", "answers_max", "attempts_max"):
        bound = getattr(policy, name)
        if not isinstance(bound, int) or bound < (0 if name == "queue_max" else 1):
            raise Invalid(f"policy {name}", f"{bound!r} is no such number", "use a positive whole number")
    check_choice("policy on_expiry", policy.on_expiry, ON_EXPIRY)
    admins = principals("policy admins", policy.admins)
    return policy if admins == policy.admins else cast("Policy", attrs.evolve(cast("Any", policy), admins=admins))


def checked_limits(limits: Limits) -> Limits:
    """Refuse a limit that would bound nothing, or everything."""
    for field in attrs.fields(Limits):
        value = getattr(limits, field.name)
        least = 0 if field.name == "in_place_commit_seconds_max" else 1 if isinstance(field.default, int) else 0.001
        if not isinstance(value, int | float) or not least <= value < SECONDS_MAX:
            raise Invalid(f"limit {field.name}", f"{value!r} is no such limit", f"use a number from {least:g} on")
    return limits


def check_choice(what: str, got: str, known: tuple[str, ...]) -> None:
    """Refuse a choice that does not exist."""
    if got not in known:
        raise Invalid(what, f"{got!r} is no choice", f"use one of {', '.join(known)}")


def check_names(chars_max: int, **names: str | None) -> None:
    """Refuse names that cannot be written down: no text, no characters of any encoding, or too long."""
    for what, name in names.items():
        if name is None:
            continue
        if not is_text(name):
            raise Invalid(what, f"{name!r} is no text that can be written down", "use ordinary text")
        if len(name) > chars_max:
            fact = f"{len(name)} characters are over name_chars_max ({chars_max})"
            raise Busy(what, fact, "use a shorter one", limit="name_chars_max", bound=chars_max)


def principals(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return names of principals as a tuple; one text is refused, because its letters are none."""
    if isinstance(names, str):
        raise Invalid(what, f"{names!r} is one text", f"write ({names!r},)")
    if not isinstance(names, Iterable):
        raise Invalid(what, f"{names!r} are no names", "use a tuple of texts, () for nobody")
    several = tuple(names)
    if not several:
        return several
    check_names(NAME_CHARS_MAX, **{f"{what} {place + 1}": name for place, name in enumerate(several)})
    if "" in several:
        raise Invalid(what, "an empty name is nobody's", "leave it out")
    return several


def fitted(text: object, chars_max: int = 4_096) -> str:
    """Make a text of whatever somebody reports: what cannot be encoded is written as escapes, what is long is cut."""
    written = str(text).encode(errors="backslashreplace").decode()
    return written if len(written) <= chars_max else f"{written[: chars_max - 1]}…"


def is_text(name: object) -> bool:
    """Say whether it is a text that can be encoded; half of a surrogate pair cannot."""
    if not isinstance(name, str):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


UNFIT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that no session id may have: control characters, surrogates, line and paragraph separators."""

TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of text: with them a session could be shown as another."""


def is_unfit(letter: str) -> bool:
    """Say whether no session id may have this character."""
    return letter in TURNING or unicodedata.category(letter) in UNFIT


def is_unfit_anywhere(name: str) -> bool:
    """Say whether a name has such a character; one of printable ASCII, as most are, needs no closer look."""
    return not (name.isascii() and name.isprintable()) and any(is_unfit(letter) for letter in name)


def check_session_id(name: str, chars_max: int) -> None:
    """Refuse a session id that has control characters or line breaks; spaces, quotes, emoji, any script are fine."""
    if not isinstance(name, str):
        raise Invalid(f"session id {name!r}", f"it is {type(name).__name__}, no text", "use text on one line")
    if not name or is_unfit_anywhere(name):
        raise Invalid(f"session id {name!r}", "empty, or with control characters", "use text on one line")
    if len(name) > chars_max:
        fact = f"{len(name)} characters are over name_chars_max ({chars_max})"
        raise Busy(f"session id {name[:32]!r}…", fact, "use a shorter one", limit="name_chars_max", bound=chars_max)


def span(name: str, seconds: float | None) -> int | None:
    """Turn an optional time in seconds into microseconds; a time that is none, or too long to count, means none."""
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or not 0 < seconds <= float("inf"):
        raise Invalid(name, f"{seconds!r} is no time", "use a positive number of seconds, or None for no limit")
    return None if seconds >= SECONDS_MAX else us(seconds)


def check_answer(request: Request, value: Any) -> None:
    """Refuse a choice that was not offered."""
    options = value_of(request.body).get("options") if request.kind == "choice" else None
    if options is not None and value not in options:
        raise Invalid(f"request {request.id}", f"{value!r} is not offered", f"choose one of {', '.join(options)}")
