"""The border: what callers hand over, checked before anything is asked of the kernel.

What lives here: checks of names, choices and times. What must not: judgement of states. The law of this file: what is
malformed is refused by name and changes nothing.
"""

from __future__ import annotations

import asyncio
import reprlib
import unicodedata
from collections.abc import Iterable
from typing import Any, cast

import attrs

from lifecycle.errors import Busy, Invalid, LifecycleError
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
    check_kind("policy", policy, Policy, "use lifecycle.Policy(...)")
    for name in ("orphan_grace_seconds", "closing_grace_seconds", "request_expiry_seconds"):
        seconds = getattr(policy, name)
        none_is_fine = seconds is None and name != "closing_grace_seconds"
        if not none_is_fine and not (is_number(seconds) and 0 <= seconds < SECONDS_MAX):
            remedy = (
                "use a number of seconds" if name == "closing_grace_seconds" else "use a number of seconds, or None"
            )
            raise Invalid(f"policy {name}", f"{shown(seconds)} is no time", remedy)
    if policy.request_expiry_seconds == 0:
        raise Invalid("policy request_expiry_seconds", "0 leaves no time to answer", "use more, or None for no expiry")
    for name in ("queue_max", "requests_max", "answers_max", "attempts_max"):
        bound = getattr(policy, name)
        if not is_whole(bound) or not (0 if name == "queue_max" else 1) <= bound <= COUNT_MAX:
            raise Invalid(f"policy {name}", f"{shown(bound)} is no such number", "use a positive whole number")
    check_choice("policy on_expiry", policy.on_expiry, ON_EXPIRY)
    admins = principals("policy admins", policy.admins)
    return policy if admins == policy.admins else cast("Policy", attrs.evolve(cast("Any", policy), admins=admins))


def checked_limits(limits: Limits) -> Limits:
    """Refuse a limit that would bound nothing, or everything."""
    check_kind("limits", limits, Limits, "use lifecycle.Limits(...)")
    for field in attrs.fields(Limits):
        value = getattr(limits, field.name)
        counts = isinstance(field.default, int)
        least = 0 if field.name == "in_place_commit_seconds_max" else 1 if counts else 0.001
        if not (is_whole(value) if counts else is_number(value)) or not least <= value < SECONDS_MAX:
            kind = "whole number" if counts else "number"
            raise Invalid(f"limit {field.name}", f"{shown(value)} is no such limit", f"use a {kind} from {least:g} on")
    return limits


def shown(value: object) -> str:
    """Return how a wrong value looks in a message: what is large is cut, what cannot say how it looks is named by type.

    >>> len(shown("x" * 1_000)), shown(b"no"), shown(10**5_000)
    (43, "b'no'", 'a value of type int')
    """
    try:
        return fitted(LOOKS.repr(value), LOOKS_CHARS_MAX)
    except Exception:
        return f"a value of type {type(value).__name__}"


LOOKS_CHARS_MAX = 200
"""How much of a wrong value a message repeats."""

LOOKS = reprlib.Repr()
LOOKS.maxstring = LOOKS.maxother = LOOKS.maxlong = 43


def is_whole(value: object) -> bool:
    """Say whether it is a whole number; that True is one is an accident of Python."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Say whether it is a number, NaN and infinity included."""
    return is_whole(value) or isinstance(value, float)


RAISED = (Exception, asyncio.CancelledError)
"""What code that is called may raise and nobody waits for. A cancelled future that it looks at raises the second."""


def check_kind(what: str, got: object, kind: type[object], remedy: str) -> None:
    """Refuse what is of another kind."""
    if not isinstance(got, kind):
        raise Invalid(what, f"{shown(got)} is none", remedy)


def check_callable(what: str, got: object, remedy: str) -> None:
    """Refuse what cannot be called."""
    if not callable(got):
        raise Invalid(what, f"{shown(got)} cannot be called", remedy)


def check_part(what: str, got: object, does: str, remedy: str) -> None:
    """Refuse what cannot do what that part of a runtime does."""
    if isinstance(got, type) or not callable(getattr(got, does, None)):
        raise Invalid(what, f"{shown(got)} is none", remedy)


def check_count(what: str, got: object, least: int = 0) -> None:
    """Refuse what is no whole number, is below the least one, or is more than can be counted."""
    if not is_whole(got) or not least <= cast("int", got) <= COUNT_MAX:
        raise Invalid(what, f"{shown(got)} is no such number", f"use a whole number from {least} on")


COUNT_MAX = 2**63 - 1
"""The largest number that a store can keep."""


def check_choice(what: str, got: object, known: tuple[str, ...]) -> None:
    """Refuse a choice that does not exist."""
    if not isinstance(got, str) or got not in known:
        raise Invalid(what, f"{shown(got)} is no choice", f"use one of {', '.join(known)}")


def check_names(chars_max: int, **names: object) -> None:
    """Refuse names that cannot be written down: no text, no characters of any encoding, or too long."""
    for what, name in names.items():
        if not is_text(name):
            raise Invalid(what, f"{shown(name)} is no text that can be written down", "use ordinary text")
        length = len(cast("str", name))
        if length > chars_max:
            fact = f"{length} characters are over name_chars_max ({chars_max})"
            raise Busy(what, fact, "use a shorter one", limit="name_chars_max", bound=chars_max)


def check_names_if_any(chars_max: int, **names: object) -> None:
    """Refuse the same where there may be no name."""
    check_names(chars_max, **{what: name for what, name in names.items() if name is not None})


def check_not_empty(**names: str | None) -> None:
    """Refuse empty names: they are nobody's, and nothing's."""
    for what, name in names.items():
        if name == "":
            raise Invalid(what, "an empty name is nobody's", "leave it out, or give one")


def checked_text(what: str, text: object) -> str:
    """Return a text that somebody says, made fit to be kept; refuse what is none."""
    check_kind(what, text, str, "use a text")
    return fitted(text)


def principals(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return names of principals as a tuple; one text is refused, because its letters are none."""
    if isinstance(names, str):
        raise Invalid(what, f"{shown(names)} is one text", f"write ({shown(names)},)")
    if not isinstance(names, Iterable) or isinstance(names, bytes):
        raise Invalid(what, f"{shown(names)} are no names", "use a tuple of texts, () for nobody")
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


def in_words(error: BaseException | None) -> str:
    """Say what was raised: of a group of errors the first of those in it, since the group tells only how many they are.

    A sentence of ours stands for itself, anything else after the name of its kind.
    """
    first: list[BaseException | None] = []
    rest = [error]
    while rest and len(first) < ERRORS_TOLD_MAX:
        one = rest.pop()
        if isinstance(one, BaseExceptionGroup):
            rest.extend(reversed(one.exceptions))
        else:
            first.append(one)
    return "; ".join(one_in_words(one) for one in first)


ERRORS_TOLD_MAX = 8
"""How many errors of a group are told."""


def one_in_words(error: BaseException | None) -> str:
    """Say what one error is; one that cannot say it is told all the same."""
    try:
        said = str(error)
    except Exception as fault:
        said = f"its text cannot be made ({type(fault).__name__})"
    if isinstance(error, LifecycleError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


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
        raise Invalid(f"session id {shown(name)}", f"it is {type(name).__name__}, no text", "use text on one line")
    if len(name) > chars_max:
        fact = f"{len(name)} characters are over name_chars_max ({chars_max})"
        raise Busy(f"session id {name[:32]!r}…", fact, "use a shorter one", limit="name_chars_max", bound=chars_max)
    if not name or is_unfit_anywhere(name):
        raise Invalid(f"session id {name!r}", "empty, or with control characters", "use text on one line")


def span(name: str, seconds: float | None) -> int | None:
    """Turn an optional time in seconds into microseconds; a time that is none, or too long to count, means none."""
    if seconds is None:
        return None
    if not is_number(seconds) or not 0 < seconds <= float("inf"):
        raise Invalid(name, f"{shown(seconds)} is no time", "use a positive number of seconds, or None for no limit")
    return None if seconds >= SECONDS_MAX else us(seconds)


def check_seconds(what: str, seconds: object, bound: float = float("inf")) -> None:
    """Refuse what is no time to wait."""
    if not is_number(seconds) or not 0 <= cast("float", seconds) <= bound:
        raise Invalid(what, f"{shown(seconds)} is no time", "use a number of seconds, 0 or more")


def check_answer(request: Request, value: Any) -> None:
    """Refuse a choice that was not offered, what edits no arguments that were shown, and a text that is none.

    An answer to an approval approves: whoever writes *no* into it must not be taken for somebody who agrees.
    """
    subject, body = f"request {request.id}", value_of(request.body)
    if request.kind == "choice" and value not in body["options"]:
        raise Invalid(subject, f"{shown(value)} is not offered", f"choose one of {', '.join(body['options'])}")
    if request.kind == "approval" and kind_of(value) != kind_of(body.get("args")):
        fact = f"{shown(value)} are no edited arguments of it"
        raise Invalid(subject, fact, "approve it, reject it, or answer with arguments like those it shows")
    if request.kind == "text" and not (isinstance(value, str) and value.strip()):
        raise Invalid(subject, f"{shown(value)} is no text", "answer with words, or reject it")


def kind_of(value: Any) -> str:
    """Name the kind of JSON that a value is."""
    kinds = ((bool, "truth"), (int | float, "number"), (str, "text"), (dict, "object"), (list | tuple, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "nothing")
