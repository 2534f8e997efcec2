"""Lives to draw: sessions stepped by the kernel, as a store would tell them.

What lives here: a session that is stepped and written down. What must not: a rule. The law of this file: a life is the
same each time, whatever the machine and the hour.
"""

from __future__ import annotations

from lifecycle.draw import Happened
from lifecycle.kernel import KERNEL
from lifecycle.kernel import inputs as i
from lifecycle.kernel.values import Policy, Question, Session

SECOND = 1_000_000


class Stepped:
    """A session that was stepped, with what happened."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.now = 0
        self.steps: list[Happened] = []

    def step(self, given: i.Input, seconds: float = 1.0) -> None:
        """Step the session, some time later."""
        self.now += round(seconds * SECOND)
        step = KERNEL.step(self.session, given, self.now)
        if step.session is not None and step.session is not self.session:
            self.session = step.session
            self.steps.append(Happened(self.session.revision, self.now, given, step.moves, step.hooks))

    def start(self, run: str) -> None:
        """Start a run."""
        self.step(i.StartRun("s", run, "ada", "agent", "null", "digest", Policy()))

    def begin(self, run: str) -> None:
        """Let its code begin."""
        self.step(i.Begin(run, self.slot[0]))

    def ask(self, name: str) -> None:
        """Let the code ask a question."""
        asked = Question(name, "approval", "{}", "digest", 60 * SECOND, "deny_and_continue")
        self.step(i.RunAsked(*self.slot, (asked,)))

    def settle(self, fails: bool = False) -> None:
        """Let the code return, or raise."""
        self.step(i.ExecutionSettled(*self.slot, i.Failure("it broke") if fails else i.Value("1")))

    @property
    def slot(self) -> tuple[int, int]:
        """Return the execution at work, and its token."""
        assert self.session is not None and self.session.execution is not None
        return self.session.execution.id, self.session.execution.token


def short() -> Stepped:
    """Live through one of everything: clients come and go, a question, an abort, a failure, a process that dies."""
    life = Stepped()
    life.start("r1")
    life.step(i.Attach("laptop"), 0.002)
    life.begin("r1")
    life.step(i.Checkpointed(*life.slot, "here"))
    life.ask("sure?")
    life.start("r2")
    life.step(i.Decide("r1", "sure?", "d1", "approve", "ada", "digest"), 30)
    life.settle()
    life.begin("r2")
    life.step(i.Detached("laptop"))
    life.step(i.AbortRun("r2", "ada"), 0)
    life.settle()
    life.start("r3")
    life.begin("r3")
    life.settle(fails=True)
    life.start("r4")
    life.begin("r4")
    life.step(i.Recovered(Policy()), 3_600)
    return life


def long(events: int) -> Stepped:
    """Live for so many steps."""
    life, count = Stepped(), 0
    while len(life.steps) < events:
        count += 1
        run = f"r-{count}"
        life.start(run)
        life.begin(run)
        if count % 7 == 0:
            life.step(i.AbortRun(run, "ada"))
        elif count % 3 == 0:
            life.ask(f"q-{count}")
            life.step(i.Decide(run, f"q-{count}", f"d-{count}", "approve", "ada", "digest"))
        life.settle(fails=count % 5 == 0)
    return life
