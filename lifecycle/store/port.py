"""The port: what the engine asks of a store, whoever implements it.

What lives here: the records that cross it and the protocol. What must not: SQL, files, threads. The law of this file:
a commit is kept wholly or not at all, and only what was kept is acknowledged.

Several workers are to share a store one day. So every commit names the revision it stands on, which the store checks in
the transaction that writes it, and everything is found by index, never by a scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

import attrs

from lifecycle.errors import StoreError
from lifecycle.hooks import Hook
from lifecycle.kernel.engine import KERNEL, Kernel, Step
from lifecycle.kernel.inputs import INPUTS, Input
from lifecycle.kernel.values import Ended, Request, RunSpec, Session, Timer, value
from lifecycle.kernel.work import Move


@value
class Entry:
    """One step of a session's journal: what arrived, when (engine time), and what came of it.

    ``rearmed``: the orphan timer that the step found, if it had been re-armed since the last entry. A re-arm is no step
    and in no journal, but what comes after it must replay to the same hooks.
    """

    session: str
    revision: int
    now: int
    input: Input
    moves: tuple[Move, ...]
    hooks: tuple[Hook, ...]
    rearmed: Timer | None = None


@value
class Commit:
    """A step to keep: what was before, the input, its time, the step, and how far durable hooks were performed."""

    before: Session | None
    input: Input
    now: int
    step: Step
    performed: int


@value
class Kept:
    """What a store has of a session: its value, and up to which revision its durable hooks were performed."""

    session: Session
    performed: int


class Store(Protocol):
    """Keep sessions, journals and the records of what has ended. Every method may raise StoreError."""

    @property
    def name(self) -> str:
        """Name the store for people: a path, or ``memory``."""

    def claim(self) -> None:
        """Take the store for one runtime, until it is closed; raise StoreError if one has it, or if it cannot write.

        Two that step the same sessions would each undo what the other holds.
        """

    def latest(self) -> int:
        """Return the highest engine time kept, 0 if nothing is: time never runs below it."""

    def load(self, session: str) -> Kept | None:
        """Return a session, however it was left."""

    def run_ended(self, session: str, run: str) -> Ended | None:
        """Find the record of an ended run by its id."""

    def key_ended(self, session: str, key: str) -> Ended | None:
        """Find the record of an ended run by its idempotency key."""

    def request_closed(self, session: str, run: str, request: str) -> Request | None:
        """Find a closed request, decision and all."""

    def commit(self, commits: Sequence[Commit]) -> Sequence[StoreError | None]:
        """Keep several steps in one transaction, in order; return a verdict for each.

        A step whose ``before`` has another revision than the store, or that admits a run under an id or a key that is
        taken, is refused by itself. ``performed`` never goes down. Raise StoreError if nothing was kept. Waits for no
        other program: what one has locked is refused with the field ``locked``, and may be tried again.
        """

    def mark_performed(self, revisions: Mapping[str, int]) -> None:
        """Note up to which revision the durable hooks of these sessions were performed; it never goes down.

        A crash may lose the note, nothing else: hooks are then performed once more.
        """

    def sessions(self, after: str | None = None, limit: int = 50, state: str | None = None) -> Sequence[Session]:
        """Return a page of sessions in order of their ids, those after ``after``, in that state if one is given."""

    def unsettled(self) -> Sequence[str]:
        """Return the ids of all sessions that are not ``settled``, the ``busy`` ones first, each half in order."""

    def ended(self, session: str, after: int = 0, limit: int = 50) -> Sequence[Ended]:
        """Return ended runs of a session in order of their admission, those with ``spec.admitted`` above ``after``."""

    def journal(self, session: str, after: int = 0) -> Iterable[Entry]:
        """Return the steps of a session with revisions above ``after``, in order."""

    def close(self) -> None:
        """Let go of the store; nothing acknowledged is waiting."""


# -- what every store says alike --------------------------------------------------------------------------------------


def busy(session: Session) -> bool:
    """Say whether somebody may be waiting for the session: code, a client, or a run that is not waiting for a human.

    Who still watches a session that is stopped waits for nothing.
    """
    if session.execution is not None:
        return True
    if session.attachments or session.queue:
        return session.state != "stopped"
    return session.state in BUSY_STATES


BUSY_STATES = frozenset({"starting", "running"})


def settled(session: Session, performed: int) -> bool:
    """Say whether nothing is left to recover: it is stopped, no code is live, and no durable hook may be owed."""
    return session.state == "stopped" and performed >= session.revision and not busy(session)


def admitted(commit: Commit) -> list[RunSpec]:
    """Return what this step admitted: a spec bears the revision of its admission."""
    session = commit.step.session
    assert session is not None
    revision, head = session.revision, session.head
    specs = [head.spec] if head is not None and head.spec.admitted == revision else []
    for run in session.queue:
        if run.spec.admitted == revision:
            specs.append(run.spec)
    for ended in commit.step.ended:
        if ended.spec.admitted == revision:
            specs.append(ended.spec)
    return specs


def journalled(given: Input) -> Input:
    """Return the input as a journal keeps it: fields that are not journalled have their defaults."""
    defaults = UNJOURNALLED[type(given)]
    return cast("Input", attrs.evolve(cast("Any", given), **defaults)) if defaults else given


UNJOURNALLED: Mapping[type[Input], Mapping[str, object]] = {
    kind: {
        field.name: field.default
        for field in attrs.fields(cast("type[attrs.AttrsInstance]", kind))
        if not field.metadata.get("journal", True)
    }
    for kind in INPUTS.values()
}
"""The fields of each kind of input that no journal keeps, with their defaults."""


def rearmed(before: Session | None) -> Timer | None:
    """Return the orphan timer of a session if it was re-armed since it was last journalled."""
    timer = None if before is None else before.orphan
    return timer if timer is not None and timer.token[1] > 0 else None


def replayed(session: Session | None, entry: Entry, kernel: Kernel = KERNEL) -> Step:
    """Take a step of a journal again: the same session gives the same moves, hooks and session."""
    if entry.rearmed is not None and session is not None:
        session = cast("Session", attrs.evolve(cast("Any", session), orphan=entry.rearmed))
    return kernel.step(session, entry.input, entry.now)


def not_following(commit: Commit, revision: int | None) -> StoreError | None:
    """Refuse a step that does not stand on what the store has: ``revision``, none if it has no such session."""
    before, after = commit.before, commit.step.session
    if after is None:
        return StoreError("session", "the step holds none", "commit only steps that changed something")
    stands_on = None if before is None else before.revision
    if stands_on != revision:
        return changed_underneath(after.id, stands_on, revision)
    if after.revision != (stands_on or 0) + 1:
        fact = f"the step goes from revision {stands_on or 0} to {after.revision}"
        return StoreError(f"session {after.id}", fact, "commit every journalled step, once and in order")
    return None


def is_behind(error: StoreError) -> bool:
    """Say whether a step was refused because another one was kept first: the same step will never be kept."""
    return "stands_on" in error.fields


def changed_underneath(session: str, stands_on: int | None, revision: int | None) -> StoreError:
    """Refuse a step because another one was kept first."""
    has = "nothing" if revision is None else f"revision {revision}"
    on = "nothing" if stands_on is None else f"revision {stands_on}"
    fact = f"changed underneath: the step stands on {on}, the store has {has}"
    return StoreError(f"session {session}", fact, "load it and step again", stands_on=stands_on, revision=revision)


def claimed_already(store: str) -> StoreError:
    """Refuse a second runtime on one store."""
    fact, remedy = "another runtime works on it", "close that one, or give each its own store"
    return StoreError(f"store {store}", fact, remedy, claimed=True)


def name_taken(session: str, kind: str, name: str) -> StoreError:
    """Refuse a step that admits a run under a name that another run of the session has."""
    fact = f"{kind} {name} names another run already"
    return StoreError(f"session {session}", fact, "look the name up and step with what was found")
