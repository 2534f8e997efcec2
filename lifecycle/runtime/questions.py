"""Questions to humans, decisions of humans, and what the asking code gets back.

What lives here: the four kinds of question, the four decisions, parking. What must not: when a question is open; the
kernel decides that. The law of this file: a question's digest stands for everything the human sees of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from lifecycle.errors import Invalid
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.values import ON_EXPIRY, Answer, Policy, Question, us
from lifecycle.runtime.border import (
    NAME_CHARS_MAX,
    SECONDS_MAX,
    check_choice,
    check_kind,
    check_names,
    check_not_empty,
    is_number,
    principals,
    shown,
)
from lifecycle.runtime.payload import digest_of, text_of, value_of

_POLICY = -1.0
"""In place of an expiry: the one of the policy."""


@attrs.frozen
class Ask:
    """Be the root of all questions.

    ``id`` names one question of its run for ever: asked again with the same content it is answered already, with other
    content the run fails. None: named after content and place, so that only a rerun finds the answer given before.
    ``expiry_seconds`` none: open until answered. ``on_expiry``: ``deny_and_continue``, ``stop`` or ``keep``; none: that
    of the policy. ``deciders`` may decide beside the owner.
    """

    text: str
    id: str | None = attrs.field(default=None, kw_only=True)
    expiry_seconds: float | None = attrs.field(default=_POLICY, kw_only=True)
    on_expiry: str | None = attrs.field(default=None, kw_only=True)
    deciders: tuple[str, ...] = attrs.field(default=(), kw_only=True)

    kind = "text"

    def body(self) -> dict[str, Any]:
        """Return what the human sees, as JSON."""
        return {"text": self.text}


@attrs.frozen
class Approval(Ask):
    """Ask whether something may be done; ``args`` is what exactly, and may be edited by the human."""

    args: Any = None

    kind = "approval"

    def body(self) -> dict[str, Any]:
        """Return what the human sees, as JSON."""
        return {"text": self.text, "args": self.args}


@attrs.frozen
class Choice(Ask):
    """Ask for one of several options."""

    options: tuple[str, ...] = ()

    kind = "choice"

    def body(self) -> dict[str, Any]:
        """Return what the human sees, as JSON."""
        return {"text": self.text, "options": list(self.options)}


@attrs.frozen
class FreeText(Ask):
    """Ask for words."""


@attrs.frozen
class SignIn(Ask):
    """Ask the human to sign in at ``url``; approved once done."""

    url: str = ""

    kind = "sign_in"

    def body(self) -> dict[str, Any]:
        """Return what the human sees, as JSON."""
        return {"text": self.text, "url": self.url}


def several(given: Ask | Iterable[Ask]) -> tuple[Ask, ...]:
    """Return one question or several as a tuple; what cannot hold any is one, which is refused where it is asked."""
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes) else (given,)


@attrs.frozen
class Park:
    """Return this from an agent: keep ``checkpoint``, ask ``questions``, call me again when all are answered."""

    checkpoint: Any
    questions: tuple[Ask, ...] = attrs.field(converter=several)


@attrs.frozen
class Decision:
    """What a human decided. ``content``: the value of an answer, or the feedback of a rejection."""

    kind: str
    content: Any = None


def approve() -> Decision:
    """Let it be done as shown."""
    return Decision("approve")


def reject(feedback: str = "") -> Decision:
    """Refuse, and stop the run."""
    return Decision("reject", feedback or None)


def reject_and_continue(feedback: str = "") -> Decision:
    """Refuse, and let the agent go on with the feedback."""
    return Decision("reject_and_continue", feedback or None)


def answer(value: Any) -> Decision:
    """Answer with a text, a choice, or the edited arguments of an approval."""
    return Decision("answer", value)


@attrs.frozen
class HumanAnswer:
    """What the asking code gets. ``value``: the text, the choice, or the arguments as approved or edited."""

    request: str
    kind: str
    approved: bool
    value: Any
    feedback: str
    by: str

    @property
    def expired(self) -> bool:
        """Say whether nobody answered in time."""
        return self.kind == "expired"


@attrs.frozen
class OpenRequest:
    """An open question as a client sees it. ``body`` holds what belongs to its kind: ``args``, ``options``, ``url``."""

    id: str
    run: str
    kind: str
    text: str
    body: dict[str, Any]
    digest: str
    expires_at: int | None

    @property
    def args(self) -> Any:
        """Return the arguments of an approval."""
        return self.body.get("args")

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options of a choice."""
        return tuple(self.body.get("options", ()))


build_human_answer = twin_of(HumanAnswer).build
build_open_request = twin_of(OpenRequest).build


def question_of(ask: Ask, policy: Policy, asked_before: int, same_before: int, bytes_max: int) -> Question:
    """Make the kernel's question: named after its content unless it has a name, timed by policy unless it says so.

    ``asked_before`` counts the questions before the latest checkpoint, ``same_before`` the ones of this very content
    in this execution: a rerun names its questions like the first attempt, and a later question gets a new name.
    """
    if not isinstance(ask, Ask):
        raise Invalid("question", f"{type(ask).__name__} is none", "use Approval, Choice, FreeText or SignIn")
    if not isinstance(ask.text, str) or not ask.text:
        raise Invalid("question", "it has no text", "say what the human is to decide")
    if isinstance(ask, Choice):
        check_options(ask.options)
    if isinstance(ask, SignIn):
        check_kind("question url", ask.url, str, "use a text")
    deciders = principals("question deciders", ask.deciders)
    if ask.id is not None:
        check_names(NAME_CHARS_MAX, **{"question id": ask.id})
        check_not_empty(**{"question id": ask.id})
    body = text_of("question", ask.body(), "request_bytes_max", bytes_max)
    digest = digest_of(ask.kind, body)
    on_expiry = policy.on_expiry if ask.on_expiry is None else ask.on_expiry
    check_choice("question on_expiry", on_expiry, ON_EXPIRY)
    seconds = policy.request_expiry_seconds if ask.expiry_seconds == _POLICY else ask.expiry_seconds
    if seconds == float("inf"):
        seconds = None
    if seconds is not None and not (is_number(seconds) and 0 < seconds < SECONDS_MAX):
        raise Invalid("question", f"expiry_seconds {shown(seconds)} is no time", "use a positive number, or None")
    name = ask.id or f"{digest[:8]}-{asked_before + same_before + 1}"
    expiry = None if seconds is None else us(seconds)
    return Question(name, ask.kind, body, digest, expiry, on_expiry, deciders)


def check_options(options: tuple[str, ...]) -> None:
    """Refuse a choice that nobody could make."""
    several = list(options) if isinstance(options, list | tuple) else []
    if not several or not all(isinstance(one, str) and one for one in several) or len(set(several)) < len(several):
        raise Invalid("question", f"options {shown(options)} are no choice", "give one or more different texts")


def human_answer(given: Answer) -> HumanAnswer:
    """Make what the code gets of what the kernel kept."""
    content = value_of(given.content)
    approved = given.permits or given.kind in ("approve", "answer")
    shown = value_of(given.body).get("args") if given.question == "approval" else None
    value = content if given.kind == "answer" else shown if given.kind == "approve" else None
    feedback = content if given.kind == "reject_and_continue" and isinstance(content, str) else ""
    return build_human_answer(given.request, given.kind, approved, value, feedback, given.by)
