"""The port: what the engine asks of a store, whoever implements it.

What lives here: the records that cross it and the protocol. What must not: SQL, files, threads. The law of this file:
a commit is kept wholly or not at all, and only what was kept is acknowledged.

Several workers may share a store. So every commit names the revision and the lease it stands on, which the store checks
in the transaction that writes it; what a worker asks of a session that another one holds goes through an inbox. And
everything is found by index, never by a scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, cast

import attrs

from lifecycle.errors import StoreError
from lifecycle.hooks import Hook
from lifecycle.kernel.engine import KERNEL, Kernel, Step
from lifecycle.kernel.inputs import INPUTS, Input, StartRun
from lifecycle.kernel.lease import LOST, NOBODY, SHARING, TAKEN_BACK, Lease, Note, Stands, Worker
from lifecycle.kernel.replies import Reply
from lifecycle.kernel.values import Ended, Floor, Policy, Request, RunSpec, Session, Timer, value
from lifecycle.kernel.work import Move

LEASE_SECONDS = 10.0
"""How long what a worker holds lasts after its last heartbeat, if nobody says otherwise."""


INBOX_REQUESTS_MAX = 1_024
"""How many unanswered requests the inbox of a worker holds, if nobody says otherwise."""


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
    """A step to keep: what was before, the input, its time, the step, and how far durable hooks were performed.

    ``lease`` is the one it stands on, as it was loaded or as an earlier step took it: the first step of a new holder
    takes the session. ``asked`` is the number of the request from elsewhere that this step answers; 0: none.
    """

    before: Session | None
    input: Input
    now: int
    step: Step
    performed: int
    lease: Lease = NOBODY
    asked: int = 0


@value
class Kept:
    """What a store has of a session: its value, and up to which revision its durable hooks were performed.

    ``lease`` is its lease, and ``holder`` the name of the other worker that holds it now; none: it may be taken.
    ``rests``: it was laid to rest under that lease, and no step was kept since.
    """

    session: Session
    performed: int
    lease: Lease = NOBODY
    holder: str | None = None
    rests: bool = False


@value
class Resting:
    """A session that leaves memory: the revision and the lease it has, and when it has to be looked at again, if ever."""

    session: str
    revision: int
    lease: Lease
    until: int | None


@value
class Due:
    """Sessions at rest that have to be looked at now; and when to look again if these were all, none: never."""

    sessions: tuple[str, ...] = ()
    next_at: int | None = None


@value
class Asked:
    """A request from elsewhere: its number in the inbox, the session it is about, and what is asked."""

    number: int
    session: str
    input: Input


@value
class Look:
    """What a worker sees when it looks up: what is asked of it, and who else is at work on the store.

    ``changed``: somebody, maybe this worker, has written since the last look. ``gone`` counts the workers that have left
    so far, in order or not. ``refused`` says what of the inbox cannot be read; it keeps nobody from the rest.
    """

    asked: tuple[Asked, ...] = ()
    changed: bool = False
    workers: tuple[int, ...] = ()
    gone: int = 0
    refused: tuple[StoreError, ...] = ()


@attrs.frozen
class Compacted:
    """What left a store: how many ended runs and entries, which sessions altogether; and what could not be read."""

    runs: int = 0
    entries: int = 0
    sessions: tuple[str, ...] = ()
    refused: tuple[StoreError, ...] = ()


class Store(Protocol):
    """Keep sessions, journals and the records of what has ended. Every method may raise StoreError."""

    @property
    def name(self) -> str:
        """Name the store for people: a path, or ``memory``."""

    @property
    def worker(self) -> int:
        """Return the number of the worker that this store is for; 0 before a runtime has claimed it."""

    @property
    def is_shared(self) -> bool:
        """Say whether others may write to what is kept: then somebody has to ``renew`` and ``look``, from any thread."""

    def claim(self, lease_seconds: float = LEASE_SECONDS) -> None:
        """Be the worker of one runtime, until it is closed; what it holds lasts that long after each ``renew``.

        Raise StoreError if another runtime has this store, if a worker of the same name is at work, or if nothing can
        be written. Two runtimes that step the same sessions would each undo what the other holds.
        """

    def renew(self) -> bool:
        """Let everything that this worker holds last from now on; false: that comes late, it may have been taken."""

    def look(self) -> Look:
        """Say what is asked of this worker, and who else is at work; of who is gone, the row is removed."""

    def holder(self, session: str) -> str | None:
        """Name the worker that holds a session now; none: nobody does."""

    def ask(self, session: str, given: Input, requests_max: int = INBOX_REQUESTS_MAX) -> int:
        """Put a request into the inbox of whoever holds a session; return its number.

        Raise Busy if that worker has left so many unanswered.
        """

    def reply_to(self, asked: int) -> Reply | None:
        """Return the reply to what this worker asked, once there is one; it is handed out once."""

    def withdraw(self, asked: int) -> bool:
        """Take a request back; false: it is answered, and too late for that."""

    def answer(self, asked: int, reply: Reply, lease: Lease) -> bool:
        """Answer a request that changed nothing; false: it was taken back, or that lease is no longer ours."""

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

        A step whose ``before`` has another revision than the store, or whose lease is another one's by now, or that
        admits a run under an id or a key that is taken, that opens a session below the ``floor``, or that answers a
        request which was taken back, is refused by itself. ``performed`` never goes down. A step that takes a session is
        a heartbeat of its worker, too. Raise StoreError if nothing was kept. Waits for no other program: what one has
        locked is refused with the field ``locked``, and may be tried again.
        """

    def mark_performed(self, revisions: Mapping[str, int]) -> None:
        """Note up to which revision the durable hooks of these sessions were performed; it never goes down.

        A crash may lose the note, nothing else: hooks are then performed once more.
        """

    def sessions(self, after: str | None = None, limit: int = 50, state: str | None = None) -> Sequence[Session]:
        """Return a page of sessions in order of their ids, those after ``after``, in that state if one is given."""

    def unsettled(self) -> Sequence[str]:
        """Return the ids of all sessions that are not ``settled``, do not rest, and that no worker holds.

        The ``busy`` ones come first, each half in order.
        """

    def rest(self, sessions: Sequence[Resting]) -> None:
        """Note that these sessions rest, all their hooks performed, until their time has come or a step is kept.

        One that has another revision or lease by now, or that is ``busy``, does not rest, and that is no error.
        """

    def due(self, now: int, limit: int, policy: Policy) -> Due:
        """Return at most so many sessions at rest that no other worker holds and whose time has come.

        Those that nobody holds and that live under another policy count as due: whoever takes them up gives them this
        one. ``next_at`` may be early, never late.
        """

    def ended(self, session: str, after: int = 0, limit: int = 50) -> Sequence[Ended]:
        """Return ended runs of a session in order of their admission, those with ``spec.admitted`` above ``after``."""

    def journal(self, session: str, after: int = 0) -> Iterable[Entry]:
        """Return the steps of a session with revisions above ``after``, in order: those that were not compacted."""

    def snapshot(self, session: str) -> Session | None:
        """Return the value that the entries with higher revisions stand on; none: they begin with the session."""

    def floor(self) -> Floor | None:
        """Return what the sessions that have left came to; none if none has. A new session counts from there."""

    def aged(self, before: int) -> Iterator[str]:
        """Return the ids of sessions that keep something of a time up to ``before``, the oldest first.

        What another worker holds is not named. They are looked up as they are asked for, so whoever stops holds
        nothing; an id may come more than once.
        """

    def compact(self, sessions: Mapping[str, int], before: int, rows_max: int) -> Compacted:
        """Let go, in one transaction, of what these sessions keep of a time up to ``before``.

        That is ended runs, with spec, key and closed requests, and entries, at most ``rows_max`` of each for a session;
        in their place is a snapshot of the present. A session that is over leaves with the last of them. The numbers
        are those up to which durable hooks were performed here: of a session of which one may still be owed nothing is
        removed, and never anything of an unfinished run, of one whose code is still at work, or of a session that another
        worker holds. Nobody may step these sessions here meanwhile. A crash may undo it as a whole.
        """

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


def may_rest(session: Session) -> bool:
    """Say whether nothing of a session is needed in memory: it waits for a human, for a client, or for a time."""
    return session.state != "stopped" and not busy(session)


def rests_until(session: Session) -> int | None:
    """Return when a session that may rest has to be looked at, if nobody asks for it before; none: never.

    While it waits for a human a firing of its orphan timer could do nothing but re-arm it, to the earliest expiry.
    """
    if session.head is not None:
        expiries = [one.expiry.due for one in session.head.requests if one.expiry is not None]
        return min((due for due in expiries if due is not None), default=None)
    return None if session.orphan is None else session.orphan.due


def over_since(session: Session, before: int) -> bool:
    """Say whether nothing happened in a session after a time, and nothing will: it is stopped, and no code is live."""
    return session.state == "stopped" and session.now <= before and not busy(session)


def at_work(session: Session) -> str | None:
    """Return the run whose code has not returned, ended or not: its key is released with it."""
    return None if session.execution is None else session.execution.run


def admitted(commit: Commit) -> list[RunSpec]:
    """Return what this step admitted: a spec bears the revision of its admission."""
    if not isinstance(commit.input, StartRun):
        return []
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


def why_refused(
    commit: Commit, kept: Stands, by: int, worker: Worker | None, now: int, note: Note | None
) -> StoreError | None:
    """Refuse a step that is not to be kept: ``Sharing.refusal`` decides, and here it becomes a sentence.

    ``kept`` is what the store has of the session, ``worker`` whoever has it now, if that is another than ``by``;
    ``note`` what the inbox has of the request that the step answers, if it answers one.
    """
    session = commit.step.session
    if session is not None:
        step = Stands(None if commit.before is None else commit.before.revision, commit.lease)
        why = SHARING.refusal(kept, step, by, worker, now, bool(commit.asked), note)
        if why == LOST:
            holds = worker is not None and not SHARING.may_acquire(kept.lease, by, worker, now)
            return lost_lease(session.id, commit.lease, kept.lease, worker.name if holds and worker else None)
        if why == TAKEN_BACK:
            return taken_back(commit.asked)
    return not_following(commit, kept.revision)


def not_following(commit: Commit, revision: int | None) -> StoreError | None:
    """Refuse a step that does not stand on what the store has: ``revision``, none if it has no such session."""
    before, after = commit.before, commit.step.session
    if after is None:
        return StoreError("session", "the step holds none", "commit only steps that changed something")
    stands_on = None if before is None else before.revision
    if stands_on != revision:
        return changed_underneath(after.id, stands_on, revision)
    counted = opens_above(commit.input) if stands_on is None else stands_on
    if after.revision != counted + 1:
        fact = f"the step goes from revision {counted} to {after.revision}"
        return StoreError(f"session {after.id}", fact, "commit every journalled step, once and in order")
    return None


def opens_above(given: Input) -> int:
    """Return the revision above which an input opens a session."""
    return given.floor.revision if isinstance(given, StartRun) and given.floor is not None else 0


def below_floor(commit: Commit, floor: Floor | None) -> StoreError | None:
    """Refuse to open a session that counts from less than the sessions that have left came to: look anew, step again."""
    given = commit.input
    known = given.floor if isinstance(given, StartRun) else None
    if floor is None:
        return None
    if known is not None and known.revision >= floor.revision and known.incarnation >= floor.incarnation:
        return None
    session = commit.step.session
    fact = f"a session that left came to revision {floor.revision} after the step had looked"
    return StoreError(f"session {session and session.id}", fact, "look again and step again", floor_rose=True)


def is_below_floor(error: StoreError) -> bool:
    """Say whether a step was refused only because another session has left since it looked."""
    return bool(error.fields.get("floor_rose"))


def is_behind(error: StoreError) -> bool:
    """Say whether a step was refused because another one was kept first: the same step will never be kept."""
    return "stands_on" in error.fields


def has_left(error: StoreError) -> bool:
    """Say whether a step was refused because the whole session was let go of meanwhile: it was over, for a long time."""
    return is_behind(error) and error.fields["stands_on"] is not None and error.fields["revision"] is None


def changed_underneath(session: str, stands_on: int | None, revision: int | None) -> StoreError:
    """Refuse a step because another one was kept first."""
    has = "nothing" if revision is None else f"revision {revision}"
    on = "nothing" if stands_on is None else f"revision {stands_on}"
    fact = f"changed underneath: the step stands on {on}, the store has {has}"
    return StoreError(f"session {session}", fact, "load it and step again", stands_on=stands_on, revision=revision)


def lost_lease(session: str, stood_on: Lease, now: Lease, holder: str | None) -> StoreError:
    """Refuse a step because the session is another worker's by now, or was."""
    fact = f"lost the lease: the step stands on epoch {stood_on.epoch}, and the session is in epoch {now.epoch}"
    remedy = "load it and step again" if holder is None else f"ask {holder}, who holds it"
    return StoreError(f"session {session}", fact, remedy, stands_on=stood_on.epoch, epoch=now.epoch, holder=holder)


def held_elsewhere(session: str, holder: str) -> StoreError:
    """Refuse to take up a session that another worker holds."""
    return StoreError(f"session {session}", f"{holder} holds it", "ask there, or wait until it is over", holder=holder)


def is_elsewhere(error: StoreError) -> bool:
    """Say whether something was refused because another worker holds the session."""
    return error.fields.get("holder") is not None


def is_lost(error: StoreError) -> bool:
    """Say whether a step was refused because another worker has taken the session meanwhile."""
    return "epoch" in error.fields


def taken_back(asked: int) -> StoreError:
    """Refuse the step of a request that whoever asked has taken back, or that has its reply."""
    return StoreError(f"request {asked} of the inbox", "is answered or taken back", "do nothing", withdrawn=True)


def claimed_already(store: str) -> StoreError:
    """Refuse a second runtime on one store."""
    fact, remedy = "another runtime works on it", "close that one, or give each its own store"
    return StoreError(f"store {store}", fact, remedy, claimed=True)


def name_taken(session: str, kind: str, name: str) -> StoreError:
    """Refuse a step that admits a run under a name that another run of the session has."""
    fact = f"{kind} {name} names another run already"
    return StoreError(f"session {session}", fact, "look the name up and step with what was found")
