"""Replies: what the sender of an input is told.

What lives here: typed answers, those for "there is nothing to do" included, and rejections as data. What must not:
exceptions; a runtime raises, the kernel only says. The law of this file: a reply that says nothing changed comes with
the very session that went in.
"""

from __future__ import annotations

from lifecycle import errors
from lifecycle.kernel.values import Answer, value


@value
class Reply:
    """Be the root of all replies."""


@value
class Admitted(Reply):
    """The run is admitted: its id is known, its controller registered."""

    run: str
    incarnation: int
    queued: bool


@value
class Joined(Reply):
    """The same key and content name a run that is there already."""

    run: str


@value
class Granted(Reply):
    """The code may begin; everything it reports must bear ``execution`` and ``token``."""

    run: str
    execution: int
    token: int


@value
class AlreadyEnded(Reply):
    """There was nothing to do: the run has ended."""

    run: str
    state: str
    cause: str
    who: str = ""
    text: str = ""
    result: str | None = None


@value
class AlreadyClosed(Reply):
    """There was nothing to do: the request was ``expired`` or ``withdrawn``."""

    run: str
    request: str
    how: str


@value
class NothingToDo(Reply):
    """There was nothing to do; ``why`` says so in words."""

    subject: str
    why: str


@value
class Aborted(Reply):
    """These runs were ended."""

    runs: tuple[str, ...]


@value
class Decided(Reply):
    """The decision was taken, now or by this very decision before. ``decision`` names it."""

    run: str
    request: str
    decision: str
    kind: str


@value
class Asked(Reply):
    """The questions are open; ``answers`` were given before to questions of the same id and content."""

    answers: tuple[Answer, ...] = ()


@value
class AskFailed(Reply):
    """The code asked wrongly, and its run has failed for it; ``fault`` says what was wrong."""

    execution: int
    fault: str


@value
class Attached(Reply):
    """The client is attached."""

    attachment: str


@value
class Done(Reply):
    """The fact was taken note of and changed something."""


@value
class Stale(Reply):
    """The fact is about something that is over, or advisory: nothing changed. ``what`` names it."""

    what: str


@value
class Rejection(Reply):
    """Nothing changed, and the sender did something it should know about. ``error`` names the class in errors."""

    error: str
    subject: str
    fact: str
    remedy: str
    fields: tuple[tuple[str, object], ...] = ()

    def exception(self) -> errors.LifecycleError:
        """Build the exception that says the same."""
        kind: type[errors.LifecycleError] = getattr(errors, self.error)
        return kind(self.subject, self.fact, self.remedy, **dict(self.fields))


def rejection_of(error: errors.LifecycleError) -> Rejection:
    """Say the same as an exception, as data."""
    return Rejection(type(error).__name__, error.subject, error.fact, error.remedy, tuple(error.fields.items()))


REPLIES: dict[str, type[Reply]] = {
    kind.__name__: kind
    for kind in (
        Admitted,
        Joined,
        Granted,
        AlreadyEnded,
        AlreadyClosed,
        NothingToDo,
        Aborted,
        Decided,
        Asked,
        AskFailed,
        Attached,
        Done,
        Stale,
        Rejection,
    )
}
"""Every kind of reply by its name, for whoever is told in another process."""
