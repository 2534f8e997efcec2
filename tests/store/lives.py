"""Lives of sessions, told by the kernel, to be kept by a store.

What lives here: a session stepped from input to input, each step as the commit a runtime would make of it. What must
not: stores. The law of this file: nothing here is invented; every value comes out of the kernel.
"""

from __future__ import annotations

from typing import Any, cast

import attrs

from lifecycle.kernel import Policy, Session, step
from lifecycle.kernel import inputs as i
from lifecycle.kernel.lease import Lease
from lifecycle.kernel.values import Question, us
from lifecycle.store import Commit, Entry
from lifecycle.store.port import journalled, rearmed

BEGINNING = 1_700_000_000_000_000
POLICY = Policy(admins=("root",))


class Life:
    """One session; ``commits`` are its journalled steps so far."""

    def __init__(self, name: str = "s-1", now: int = BEGINNING) -> None:
        self.name = name
        self.now = now
        self.session: Session | None = None
        self.commits: list[Commit] = []
        self.performed = 0

    @property
    def kept(self) -> Session:
        """The session after the latest step."""
        assert self.session is not None
        return self.session

    @property
    def slot(self) -> Any:
        """The execution in the slot."""
        return self.kept.execution

    def step(self, given: i.Input, seconds: float = 1.0) -> Commit | None:
        """Take one step; return its commit, or none if nothing changed that a journal keeps."""
        self.now += us(seconds)
        took = step(self.session, given, self.now)
        if not took.changed:
            return None
        commit = Commit(self.session, given, self.now, took, self.performed)
        self.session = took.session
        if not took.journalled:
            return None
        self.commits.append(commit)
        return commit

    def take(self, given: i.Input, seconds: float = 1.0) -> Commit:
        """Take a step that must be one for the journal."""
        commit = self.step(given, seconds)
        assert commit is not None, given
        return commit

    def start(self, run: str = "r-1", **fields: Any) -> Commit:
        """Start a run."""
        defaults: dict[str, Any] = {"owner": "ada", "agent": "tidy", "input": "~/Downloads", "digest": f"of {run}"}
        return self.take(i.StartRun(self.name, run, policy=POLICY, **{**defaults, **fields}))

    def begin(self) -> Commit:
        """Grant the code its begin."""
        return self.take(i.Begin(self.slot.run, self.slot.id))

    def ask(self, *names: str) -> Commit:
        """Ask a human, waiting in place."""
        return self.take(i.RunAsked(self.slot.id, self.slot.token, tuple(question(name) for name in names)))

    def decide(self, name: str, kind: str = "approve", **fields: Any) -> Commit:
        """Close one request."""
        run = self.kept.unfinished()[0].spec.id
        return self.take(i.Decide(run, name, f"d-{name}", kind, by="ada", digest=f"of {name}", **fields))

    def checkpoint(self, data: str) -> Commit:
        """Reach a checkpoint."""
        return self.take(i.Checkpointed(self.slot.id, self.slot.token, data))

    def settle(self, result: Any = None) -> Commit:
        """Let the code return."""
        return self.take(i.ExecutionSettled(self.slot.id, self.slot.token, result))

    def park(self, checkpoint: str | None, *names: str) -> Commit:
        """Let the code leave nothing in memory but questions."""
        return self.settle(i.Parked(checkpoint, tuple(question(name) for name in names)))

    def close(self) -> Commit:
        """Stop everything."""
        return self.take(i.CloseSession("root"))


def question(name: str, expiry_us: int | None = us(3600)) -> Question:
    """Make a question."""
    return Question(name, "approval", f'{{"text":"{name}?"}}', f"of {name}", expiry_us, "deny_and_continue")


def entry_of(commit: Commit) -> Entry:
    """Return the entry that a journal must have of a commit."""
    session, took = commit.step.session, commit.step
    assert session is not None
    return Entry(
        session.id,
        session.revision,
        commit.now,
        journalled(commit.input),
        took.moves,
        took.hooks,
        rearmed(commit.before),
    )


def approved(name: str = "s-1", run: str = "r-1", key: str | None = None) -> Life:
    """Return the usual life: start, begin, ask, decide, settle."""
    life = Life(name)
    life.start(run, key=key, deadline_us=us(60))
    life.begin()
    life.ask("q-1")
    life.decide("q-1")
    life.settle(i.Value('"done"'))
    return life


def parked(name: str = "s-1") -> Life:
    """Return a life that waits for a human with nothing in memory, a checkpoint and a queue."""
    life = Life(name)
    life.start("r-1", key="k-1", deciders=("bob",))
    life.begin()
    life.park('{"page":3}', "q-1", "q-2")
    life.start("r-2")
    return life


def stopped(name: str = "s-1", run: str = "r-1") -> Life:
    """Return a life that is over, nothing left of it."""
    life = Life(name)
    life.start(run)
    life.close()
    return life


def later(commit: Commit, **fields: Any) -> Commit:
    """Return a commit with other fields."""
    changed: Any = attrs.evolve(cast("Any", commit), **fields)
    assert isinstance(changed, Commit)
    return changed


def under(lease: Lease, commit: Commit) -> Commit:
    """Return the same commit, standing on a lease."""
    return cast("Commit", attrs.evolve(cast("Any", commit), lease=lease))
