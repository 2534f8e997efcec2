"""Replaying: what a store has of a session, taken again step by step by the kernel.

What lives here: the replay of a journal to its last entry, and what differs. What must not: running anything. The law of
this file: a journal is accepted only if every step gives the same rows and hooks again, keeps every rule, and the last
one gives the session that the store has. It stands on a snapshot, or on nothing: what was compacted is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from lifecycle.errors import InvariantBroken, NotFound
from lifecycle.kernel.engine import KERNEL, Kernel
from lifecycle.kernel.invariants import broken
from lifecycle.kernel.values import Ended, Session
from lifecycle.store.port import Entry, Store, replayed


@attrs.frozen
class Replayed:
    """What a journal came to: its entries, the session after the last, and the runs that ended on the way."""

    entries: int
    session: Session | None
    ended: tuple[Ended, ...]


def accepts(entries: Iterable[Entry], kernel: Kernel = KERNEL, session: Session | None = None) -> Replayed:
    """Take the steps of a journal again, to its last entry; raise InvariantBroken at the first that differs.

    ``session`` is what the entries stand on; none if they begin with the session.
    """
    count = 0
    ended: list[Ended] = []
    for entry in entries:
        step = replayed(session, entry, kernel)
        after = step.session
        if after is session or after is None:
            raise refused(entry, f"the kernel changes nothing ({step.judge})")
        same("revision", entry, entry.revision, after.revision)
        same("rows", entry, entry.moves, step.moves)
        same("hooks", entry, entry.hooks, step.hooks)
        rule = broken(session, step)
        if rule is not None:
            raise refused(entry, f"it breaks {rule}")
        session, count = after, count + 1
        ended += step.ended
    return Replayed(count, session, tuple(ended))


def replay_kept(store: Store, session: str, kernel: Kernel = KERNEL) -> Replayed:
    """Take the journal of a session again from its snapshot, or its beginning, and compare what it ends in.

    Compared are every step's rows and hooks, the session after the last, and the records of the runs that ended.
    """
    kept = store.load(session)
    if kept is None:
        raise NotFound(f"session {session}", "it is not in this store", "name one that is")
    snapshot = store.snapshot(session)
    begins_after = 0 if snapshot is None else snapshot.revision
    done = accepts(store.journal(session, begins_after), kernel, snapshot)
    if done.session != kept.session:
        raise differing(
            f"session {session}", "what is kept is not what its journal ends in", kept.session, done.session
        )
    for record in done.ended:
        found = store.run_ended(session, record.spec.id)
        if found != record:
            raise differing(f"run {record.spec.id}", "its record is not what its journal says", found, record)
    return done


def same(what: str, entry: Entry, said: object, done: object) -> None:
    """Raise what differs."""
    if said != done:
        raise refused(entry, f"its {what} differ: the journal has {said!r}, the kernel gives {done!r}")


def refused(entry: Entry, fact: str) -> InvariantBroken:
    """Say at which entry a journal is not accepted."""
    subject = f"journal of session {entry.session}, entry {entry.revision} ({type(entry.input).__name__})"
    return InvariantBroken(subject, fact, "report it with the journal", rule="journal", revision=entry.revision)


def differing(subject: str, fact: str, kept: object, replayed: object) -> InvariantBroken:
    """Say what of the end is not accepted."""
    told = f"{fact}: {kept!r} is kept, {replayed!r} follows"
    return InvariantBroken(subject, told, "report it with the journal", rule="journal")
