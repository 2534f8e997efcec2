"""An example: a life that the gallery shows.

What lives here: what happens in it. What must not: a state or a hook; the kernel that ships says what comes of each
input. The law of this file: it is the same life each time, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lifecycle.draw.life import Happened
from lifecycle.kernel import KERNEL
from lifecycle.kernel import inputs as i
from lifecycle.kernel.values import Policy, Question, Session

SECOND = 1_000_000


def happened() -> list[Happened]:
    """Return the steps of the example."""
    session: Session | None = None
    now, steps = 0, []
    for seconds, given in story():
        now += round(seconds * SECOND)
        if session is not None and session.execution is not None and isinstance(given, Later):
            given = given.of(session.execution.id, session.execution.token)
        assert isinstance(given, i.Input)
        step = KERNEL.step(session, given, now)
        assert step.session is not None
        session = step.session
        steps.append(Happened(session.revision, now, given, step.moves, step.hooks))
    return steps


class Later:
    """An input that names the execution in the slot, which is not known before."""

    def __init__(self, kind: Callable[..., i.Input], *fields: object) -> None:
        self.kind, self.fields = kind, fields

    def of(self, execution: int, token: int) -> i.Input:
        """Return the input."""
        if self.kind is i.Begin:
            return i.Begin(str(self.fields[0]), execution)
        return self.kind(execution, token, *self.fields)


def story() -> Iterator[tuple[float, i.Input | Later]]:
    """Yield what arrives, and how many seconds after what came before.

    A client asks for a clean-up and is asked back; it prompts again meanwhile, answers, and stops what came second,
    whose code takes its time to return. The last run fails while nobody watches any more.
    """
    question = Question("delete 3 files?", "approval", "{}", "d", 86_400 * SECOND, "deny_and_continue")
    yield 0.0, start("tidy up")
    yield 0.002, i.Attach("laptop")
    yield 0.004, Later(i.Begin, "tidy up")
    yield 2.5, Later(i.Checkpointed, "looked")
    yield 0.3, Later(i.RunAsked, (question,))
    yield 8.0, start("rename")
    yield 12.0, i.Decide("tidy up", "delete 3 files?", "d-1", "approve", "ada", "d")
    yield 1.2, Later(i.ExecutionSettled, i.Value("3"))
    yield 0.003, Later(i.Begin, "rename")
    yield 4.0, i.AbortRun("rename", "ada")
    yield 1.5, i.Attach("phone")
    yield 0.8, Later(i.ExecutionSettled, i.Value(None))
    yield 20.0, start("report")
    yield 0.003, Later(i.Begin, "report")
    yield 3.0, i.Detached("laptop")
    yield 0.1, i.Detached("phone")
    yield 5.0, Later(i.ExecutionSettled, i.Failure("no such folder"))


def start(run: str) -> i.StartRun:
    """Start a run."""
    return i.StartRun("downloads", run, "ada", "tidy", "null", "d", Policy())
