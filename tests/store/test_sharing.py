"""What a store does for workers is what the pure functions decide: every small case, on the real tables.

What lives here: each state of a session, of whoever has it and of the inbox, written into the file as it is, beside what
``Sharing`` says to the same. What must not: stories; those are in ``test_leases``. The law of this file: the SQL that
restates a function is right when it agrees with it everywhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import attrs
import pytest

from lifecycle.errors import StoreError
from lifecycle.kernel.lease import BEHIND, LOST, NOBODY, SHARING, TAKEN_BACK, Lease, Note, Stands, Worker
from lifecycle.kernel.replies import Done
from lifecycle.store import Commit, MemoryStore, SQLiteStore, schema
from lifecycle.store.port import is_behind, is_lost, why_refused
from lifecycle.store.record import encode_reply

from .lives import Life, parked, under
from .test_leases import LeaseTime

ABSENT, DEAD = 88, 77
"""Numbers of workers that have no row, and whose row has no process."""

HOLDERS = ("nobody", "me", "beating", "silent", "dead", "absent")
INBOX = ("not asked", "open", "answered", "taken back")


@attrs.frozen
class Case:
    """A state of the store, and the step that is brought to it: on the lease that the session has, or an older one of
    somebody's; on the last revision or an earlier one; for a request of the inbox or for none."""

    holder: str
    believes: str
    revision: str
    inbox: str


CASES = [
    Case(*one) for one in product(HOLDERS, ("so", "nobody", "me", "beating", "absent"), ("last", "earlier"), INBOX)
]
"""Every case; of one epoch there is only one lease."""


class Table:
    """A file with a parked session, whose rows are written as a case has them, and put back."""

    def __init__(self, path: Path, store: SQLiteStore, other: SQLiteStore, time: LeaseTime, life: Life) -> None:
        self.store, self.other, self.time, self.life = store, other, time, life
        self.raw = sqlite3.connect(path, isolation_level=None)
        self.raw.execute("PRAGMA synchronous = OFF")
        self.before = sqlite3.connect(":memory:")
        self.raw.backup(self.before)
        self.numbers = {
            "nobody": 0,
            "me": store.worker,
            "beating": other.worker,
            "silent": other.worker,
            "dead": DEAD,
            "absent": ABSENT,
        }

    def put_back(self) -> None:
        """Let everything be as it was."""
        self.raw.execute("BEGIN IMMEDIATE")
        for table in ("sessions", "journal", "requests", "runs", "ended", "workers", "inbox", "checkpoints"):
            self.raw.execute(f"DELETE FROM {table}")
            rows = self.before.execute(f"SELECT * FROM {table}").fetchall()
            for row in rows:
                self.raw.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        self.raw.execute("COMMIT")

    def write(self, holder: str, epoch: int = 1) -> None:
        """Let a session be held by somebody; nobody has epoch 0."""
        self.put_back()
        expires = self.time() - 1 if holder == "silent" else self.time() + 1_000
        self.raw.execute("UPDATE workers SET expires = ? WHERE number = ?", (expires, self.other.worker))
        self.raw.execute("INSERT INTO workers VALUES (?, 'dead', ?)", (DEAD, self.time() + 1_000))
        held = self.numbers[holder], 0 if holder == "nobody" else epoch
        self.raw.execute("UPDATE sessions SET holder = ?, epoch = ?", held)

    def worker(self, holder: str) -> Worker | None:
        """Return whoever holds the session as the functions see it."""
        found = {
            "beating": Worker(self.other.worker, "other", self.time() + 1_000),
            "silent": Worker(self.other.worker, "other", self.time() - 1),
            "dead": Worker(DEAD, "dead", self.time() + 1_000, there=False),
        }
        return found.get(holder)

    def ask(self, inbox: str) -> tuple[int, Note | None]:
        """Put a request into the inbox, as far as a case has one; return its number and what is there of it."""
        if inbox == "not asked":
            return 0, None
        number = self.store.ask("s-1", self.life.commits[-1].input)
        if inbox == "taken back":
            self.raw.execute("DELETE FROM inbox WHERE number = ?", (number,))
            return number, None
        if inbox == "answered":
            self.raw.execute("UPDATE inbox SET reply = ? WHERE number = ?", (encode_reply(Done()), number))
            return number, Note(self.store.worker, Done())
        return number, Note(self.store.worker)

    def lease(self) -> Lease:
        """Return the lease that the session has now."""
        row = self.raw.execute("SELECT holder, epoch FROM sessions").fetchone()
        return Lease(*row)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """Keep a parked session, and let two workers be there."""
    time, life, path = LeaseTime(), parked(), tmp_path / "runs.db"
    with_nobody = SQLiteStore(path, lease_us=time)
    for commit in life.commits:
        assert [None] == list(with_nobody.commit([commit]))
    with_nobody.close()
    made = [SQLiteStore(path, worker=name, lease_us=time) for name in ("me", "other")]
    for store in made:
        store.claim(lease_seconds=10)
    yield Table(path, *made, time, life)
    for store in made:
        store.close()


def verdict_of(told: StoreError | None) -> str | None:
    """Return the verdict that an error tells of."""
    if told is None:
        return None
    if told.fields.get("withdrawn"):
        return TAKEN_BACK
    return LOST if is_lost(told) else BEHIND if is_behind(told) else str(told)


def test_step_is_kept_as_the_function_decides(table: Table) -> None:
    """Given every state of the lease and the inbox, when a step is brought to it, then the store says what it says.

    What is kept has the lease that ``acquired`` gives, and the reply with it; what is refused leaves no trace.
    """
    step = table.life.decide("q-1")
    assert step.before is not None and step.step.session is not None
    verdicts: dict[str | None, int] = {}
    for case in CASES:
        table.write(case.holder)
        number, note = table.ask(case.inbox)
        kept = Stands(step.before.revision, table.lease())
        believed = kept.lease if case.believes == "so" else Lease(table.numbers[case.believes], 7)
        commit = on(step, case.revision, believed, number)
        stands = Stands(None if commit.before is None else commit.before.revision, commit.lease)
        me, worker = table.store.worker, table.worker(case.holder)
        wanted = SHARING.refusal(kept, stands, me, worker, table.time(), bool(number), note)
        (told,) = table.store.commit([commit])
        assert wanted == verdict_of(told), case
        verdicts[wanted] = verdicts.get(wanted, 0) + 1
        now = table.lease()
        assert now == (kept.lease if wanted else SHARING.acquired(commit.lease, me)), case
        reply = table.raw.execute(schema.REPLY, (number,)).fetchone()
        assert (reply is not None) == (case.inbox == "answered" or (wanted is None and number > 0)), case
    assert {None, LOST, BEHIND, TAKEN_BACK} == set(verdicts) and min(verdicts.values()) >= 8


def on(step: Commit, revision: str, lease: Lease, asked: int) -> Commit:
    """Return the step as one that stands on the last revision, or on an earlier one, under a lease."""
    before, after = step.before, step.step.session
    assert before is not None and after is not None
    made = under(lease, step)
    if revision == "earlier":
        old = attrs.evolve(before, revision=before.revision - 1)  # type: ignore[misc]
        new = attrs.evolve(step.step, session=attrs.evolve(after, revision=before.revision))  # type: ignore[misc]
        made = attrs.evolve(made, before=old, step=new)  # type: ignore[misc]
    return Commit(made.before, made.input, made.now, made.step, made.performed, lease, asked)


def test_session_is_opened_as_the_function_decides(table: Table) -> None:
    """Given a session that somebody has opened, when another one opens it, then that is lost, not kept and not behind."""
    table.write("beating")
    (told,) = table.store.commit([Life("s-1").start()])
    kept = Stands(table.life.kept.revision, Lease(table.other.worker, 1))
    wanted = SHARING.refusal(kept, Stands(None, NOBODY), table.store.worker, table.worker("beating"), 0, False, None)
    assert LOST == wanted == verdict_of(told)


def test_reply_without_a_step_is_kept_as_the_function_decides(table: Table) -> None:
    """Given every state, when a request is answered for which no step is kept, then that counts as the function says."""
    counted = 0
    for holder, epoch, inbox in product(HOLDERS, (1, 2), INBOX[1:]):
        table.write(holder)
        number, note = table.ask(inbox)
        lease = Lease(table.store.worker, epoch)
        wanted = SHARING.may_answer(note, table.lease(), lease, table.store.worker)
        assert wanted == table.store.answer(number, Done(), lease), (holder, epoch, inbox)
        counted += wanted
    assert 1 == counted, "the holder, in its epoch, of what is open"


def test_inbox_and_what_nobody_holds_are_found_as_the_functions_decide(table: Table) -> None:
    """Given every state, then whoever has the session finds what is asked, and whoever looks what nobody holds."""
    for holder, inbox in product(HOLDERS, INBOX):
        table.write(holder)
        number, note = table.ask(inbox)
        wanted = SHARING.is_asked_of(note, table.lease(), table.store.worker)
        assert wanted == (number in [one.number for one in table.store.look().asked]), (holder, inbox)
        standing = SHARING.standing(table.lease(), table.worker(holder), table.time())
        mine = holder == "me"  # its own row tells, as any other's
        unheld = not mine and SHARING.is_free_for_others(standing)
        assert unheld == ("s-1" in table.store.unsettled()), holder
        assert (SHARING.is_open(note) and table.store.withdraw(number)) == SHARING.is_open(note)


def test_memory_decides_by_the_same_function() -> None:
    """Given a store in memory, then a step on another epoch, on another revision, or for a request is refused as there."""
    store, life = MemoryStore(), parked()
    store.claim()
    lease = NOBODY
    for commit in life.commits:
        assert [None] == list(store.commit([under(lease, commit)]))
        lease = SHARING.acquired(lease, store.worker)
    step = life.decide("q-1")
    told = {
        LOST: on(step, "last", Lease(1, 7), 0),
        BEHIND: on(step, "earlier", lease, 0),
        TAKEN_BACK: on(step, "last", lease, 3),
        None: on(step, "last", lease, 0),
    }
    for wanted, commit in told.items():
        (error,) = store.commit([commit])
        assert wanted == verdict_of(error)


Control = Callable[[pytest.MonkeyPatch], None]


def without_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let steps find their row by revision alone."""
    for name in ("UPDATE_SESSION", "MOVE_SESSION", "REOPEN_SESSION"):
        monkeypatch.setattr(schema, name, getattr(schema, name).replace("epoch = ?", "? IS NOT NULL"))


def without_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a session be taken in the same epoch."""
    monkeypatch.setattr(schema, "TAKE_SESSION", schema.TAKE_SESSION.replace("epoch + 1", "epoch"))


def without_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a session be taken from anybody."""
    monkeypatch.setattr(SQLiteStore, "_other", lambda self, connection, lease: None)


def without_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an answer find its request whether or not it has a reply."""
    monkeypatch.setattr(schema, "ANSWER", "UPDATE inbox SET reply = ? WHERE number = ?")


@pytest.mark.parametrize("control", [without_epoch, without_count, without_holder, without_inbox])
def test_control_of_what_sql_restates(table: Table, monkeypatch: pytest.MonkeyPatch, control: Control) -> None:
    """Given a statement that leaves a part of the function out, then the comparison fails."""
    control(monkeypatch)
    with pytest.raises(AssertionError):
        test_step_is_kept_as_the_function_decides(table)


def test_refusals_are_sentences(table: Table) -> None:
    """Given each verdict, then what is told names who holds the session, if somebody does."""
    step = table.life.decide("q-1")
    kept = Stands(step.before.revision if step.before else None, Lease(5, 2))
    holder = Worker(5, "gw-1", 10)
    for now, said in ((9, "ask gw-1, who holds it"), (10, "load it and step again")):
        told = why_refused(under(Lease(1, 1), step), kept, 1, holder, now, None)
        assert told is not None and said in str(told)
