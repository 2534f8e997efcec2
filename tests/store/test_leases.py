"""Leases and the inbox: several stores on one file, each the worker of a runtime.

What lives here: who may write to a session, and what becomes of who stalls or dies. What must not: runtimes; theirs are
the stories of tests/runtime. The law of this file: lease time is given, nothing waits for it to pass.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.errors import Busy, Invalid, StoreError
from lifecycle.kernel import inputs as i
from lifecycle.kernel.lease import Lease, Sharing
from lifecycle.kernel.replies import Aborted, Decided, Reply, rejection_of
from lifecycle.kernel.values import us
from lifecycle.store import Commit, Compacted, Kept, SQLiteStore, files, schema, sqlite_committing, sqlite_sharing
from lifecycle.store.port import is_elsewhere, is_lost

from .lives import Life, parked, stopped, under

ROOT = Path(__file__).resolve().parents[2]


class LeaseTime:
    """Lease time, shared by all stores of a test."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        """Return it."""
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Let it pass."""
        self.now += us(seconds)


@pytest.fixture
def time() -> LeaseTime:
    """Lease time."""
    return LeaseTime()


@pytest.fixture
def opened(tmp_path: Path, time: LeaseTime) -> Iterator[Callable[[str], SQLiteStore]]:
    """Open a store on the one file as a worker of that name."""
    made: list[SQLiteStore] = []

    def open_as(name: str) -> SQLiteStore:
        store = SQLiteStore(tmp_path / "runs.db", worker=name, lease_us=time)
        store.claim(lease_seconds=10)
        made.append(store)
        return store

    yield open_as
    for store in made:
        store.close()


def lease_of(store: SQLiteStore, name: str = "s-1") -> Lease:
    """Return the lease of a session as it is kept."""
    return kept(store, name).lease


def kept(store: SQLiteStore, name: str = "s-1") -> Kept:
    """Return what is kept of a session."""
    found = store.load(name)
    assert found is not None
    return found


def keep_under(store: SQLiteStore, life: Life) -> None:
    """Keep a life step by step, each on the lease that the one before left."""
    for commit in life.commits:
        found = store.load(life.name)
        lease = Lease() if found is None else found.lease
        assert [None] == list(store.commit([under(lease, commit)]))


def verdict(store: SQLiteStore, commit: Commit) -> StoreError | None:
    """Commit one step, and return what the store says of it."""
    (told,) = store.commit([commit])
    return told


# -- letting go, and a file as a whole --------------------------------------------------------------------------------


def test_what_another_worker_holds_is_not_let_go_of(opened: Callable[[str], SQLiteStore], time: LeaseTime) -> None:
    """Given a session that is old, then only its holder lets go of it, or anybody once nobody holds it."""
    first, second = opened("first"), opened("second")
    life = stopped()
    keep_under(first, life)
    performed = {"s-1": life.kept.revision}
    assert [] == list(second.aged(life.now)), "what another holds is not looked for"
    assert Compacted() == second.compact(performed, life.now, 100)
    assert (len(life.commits), None) == (len(list(first.journal("s-1"))), first.snapshot("s-1"))
    assert "s-1" in list(first.aged(life.now))
    time.pass_by(10.1)
    assert "s-1" in list(second.aged(life.now)), "its lease has expired"
    assert ("s-1",) == second.compact(performed, life.now, 100).sessions
    assert None is first.load("s-1")


def test_others_count_on_from_what_was_let_go_of(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a session that leaves by one worker, then others give its number to no other, and time does not go back."""
    first, second = opened("first"), opened("second")
    life = stopped()
    keep_under(first, life)
    assert second.latest() == life.now
    assert ("s-1",) == first.compact({"s-1": life.kept.revision}, life.now, 100).sessions
    assert (life.now, first.floor()) == (second.latest(), second.floor())
    assert None is verdict(second, Life("s-2", life.now).start(floor=second.floor()))
    assert second._reader is not None
    assert [("s-2", 2)] == second._reader.execute("SELECT id, number FROM sessions").fetchall()


def test_inbox_of_a_worker_has_a_limit(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a worker that answers nothing, then so many requests wait for it and no more; others are asked as before."""
    first, second, third = opened("first"), opened("second"), opened("third")
    keep_under(first, parked("s-1"))
    keep_under(second, parked("s-2"))
    abort = i.AbortRun("r-1", "ada")
    numbers = [third.ask("s-1", abort, 3) for _ in range(3)]
    with pytest.raises(Busy, match=r"s-1: whoever holds it has not answered 3 requests \(inbox_requests_max\)") as full:
        third.ask("s-1", abort, 3)
    assert ("inbox_requests_max", 3) == (full.value.limit, full.value.bound)
    assert 3 == len(first.look().asked)
    third.ask("s-2", abort, 3)
    assert first.answer(numbers[0], Decided("r-1", "q", "d", "approve"), lease_of(first))
    third.ask("s-1", abort, 3)


def test_two_workers_compact_one_file_at_once(opened: Callable[[str], SQLiteStore], time: LeaseTime) -> None:
    """Given two that sweep the same old sessions at once, then everything leaves once, and nothing of a third's."""
    first, second, third = opened("first"), opened("second"), opened("third")
    free, held = [stopped(f"free-{n:02}") for n in range(40)], stopped("held")
    for life in free:
        keep_under(first, life)
    keep_under(third, held)
    time.pass_by(10.1)
    third.renew()
    now = held.now
    done: list[Compacted] = []

    def sweep(store: SQLiteStore) -> None:
        left = list(dict.fromkeys(store.aged(now)))
        while left:
            try:
                done.append(store.compact({left[0]: 2}, now, 100))
            except StoreError as error:
                assert error.fields.get("locked"), error  # the other one is at it: a runtime tries again, too
            else:
                del left[0]

    sweepers = [threading.Thread(target=sweep, args=(store,)) for store in (first, second)]
    for one in sweepers:
        one.start()
    for one in sweepers:
        one.join()
    gone = sorted(name for one in done for name in one.sessions)
    assert ([life.name for life in free], []) == (gone, [error for one in done for error in one.refused])
    assert (40, 80) == (sum(one.runs for one in done), sum(one.entries for one in done))
    assert ["held"] == [one.id for one in second.sessions(limit=99)]


def test_session_that_is_asked_something_does_not_leave(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a request that nobody has answered, then its session stays until it has its reply."""
    first, second = opened("first"), opened("second")
    life = stopped()
    keep_under(first, life)
    performed = {"s-1": life.kept.revision}
    asked = second.ask("s-1", i.AbortRun("r-1", "me"))
    assert () == first.compact(performed, life.now, 100).sessions
    assert first.answer(asked, rejection_of(StoreError("session s-1", "is over", "leave it")), lease_of(first))
    assert None is not first.load("s-1")


def test_file_as_a_whole_is_changed_alone(opened: Callable[[str], SQLiteStore], tmp_path: Path) -> None:
    """Given a worker, then nobody else can claim the file alone or vacuum it, however late its heartbeat comes."""
    first = opened("first")
    other = SQLiteStore(tmp_path / "runs.db")
    for refused in (other.claim_alone, other.vacuum):
        with pytest.raises(StoreError, match="first is at work on it; let that end, then try again"):
            refused()
    first.close()
    other.claim_alone()
    other.vacuum()
    other.close()


def test_whatever_a_worker_writes_is_synced(opened: Callable[[str], SQLiteStore]) -> None:
    """Heartbeats and notes wait for the disk, too: lost in the middle of the log they would take what is behind them."""
    first = opened("first")
    synced: list[tuple[int]] = []
    first.withdraw(first.ask("s-1", i.AbortRun("r-1", "me")))
    for connection in (first._writer, first._beating):
        assert connection is not None
        synced += connection.execute("PRAGMA synchronous").fetchall()
    assert [(2,), (2,)] == synced


# -- one holder -------------------------------------------------------------------------------------------------------


def test_session_has_one_holder(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a session that one worker holds, when another steps it, then that is refused by name and nothing is kept."""
    first, second = opened("first"), opened("second")
    life = parked()
    keep_under(first, life)
    assert (Lease(first.worker, 1), "first") == (lease_of(second), kept(second).holder)
    told = verdict(second, under(lease_of(second), life.decide("q-1")))
    assert told is not None and is_lost(told) and is_elsewhere(told)
    assert "session s-1: lost the lease" in str(told) and "ask first, who holds it" in str(told)
    assert kept(first).session.revision == life.kept.revision - 1
    assert ([], "first") == (list(second.unsettled()), second.holder("s-1"))
    assert None is verdict(first, under(lease_of(first), life.commits[-1]))


def test_session_opened_by_two_at_once_is_the_first_ones(opened: Callable[[str], SQLiteStore]) -> None:
    """Given two workers that open one session, then the second is told who holds it, however it numbers its rows."""
    first, second = opened("first"), opened("second")
    assert None is verdict(first, Life("s-1").start())
    told = verdict(second, Life("s-1").start())
    assert told is not None and is_elsewhere(told)
    assert None is verdict(second, Life("s-2").start())
    assert None is verdict(first, Life("s-3").start())
    assert ["first", "second", "first"] == [first.holder(name) for name in ("s-1", "s-2", "s-3")]


def test_stalled_worker_is_fenced(opened: Callable[[str], SQLiteStore], time: LeaseTime) -> None:
    """Given a worker that does not beat in time, when another has taken its session, then nothing it writes counts."""
    first, second = opened("first"), opened("second")
    life = parked()
    keep_under(first, life)
    stalled = under(lease_of(first), life.decide("q-1"))
    time.pass_by(9.9)
    assert kept(second).holder == "first"
    time.pass_by(0.2)
    second.renew()
    assert (None, ["s-1"]) == (kept(second).holder, list(second.unsettled()))
    assert None is verdict(second, under(lease_of(second), life.commits[-1]))
    assert Lease(second.worker, 2) == lease_of(second)
    told = verdict(first, stalled)
    assert told is not None and is_lost(told) and is_elsewhere(told)
    assert not first.renew(), "it is told that it comes late"
    assert kept(first).holder == "second"


def test_late_worker_keeps_what_nobody_took(opened: Callable[[str], SQLiteStore], time: LeaseTime) -> None:
    """Given a worker that stalled past its lease, when nobody took its session, then it goes on in the same epoch."""
    first, second = opened("first"), opened("second")
    life = parked()
    keep_under(first, life)
    time.pass_by(60)
    assert not first.renew()
    assert first.renew()
    assert kept(second).holder == "first"
    assert None is verdict(first, under(lease_of(first), life.decide("q-1")))
    assert Lease(first.worker, 1) == lease_of(first)


def test_session_is_taken_over_once(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a worker that left, when two others take its session up, then one has it, and the other is told who."""
    first, second, third = opened("first"), opened("second"), opened("third")
    life = parked()
    keep_under(first, life)
    first.close()
    seen = lease_of(second)
    decided = under(seen, life.decide("q-1"))
    assert None is verdict(second, decided)
    told = verdict(third, decided)
    assert told is not None and is_lost(told)
    assert ("second", Lease(second.worker, 2)) == (kept(third).holder, lease_of(third))


def test_worker_that_was_buried_alive_is_back(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a worker whose lock file was removed, when others have struck it off, then its next heartbeat brings it back."""
    first, second = opened("first"), opened("second")
    keep_under(first, parked())
    files.worker_file(Path(first.name), first.worker).unlink()
    assert (second.worker,) == second.look().workers
    assert kept(second).holder is None
    assert not first.renew()
    assert first.renew()
    assert Lease(first.worker, 1) == lease_of(first)


class Waits:
    """A connection that waits for the lock of the file until some lease time has passed."""

    def __init__(self, connection: sqlite3.Connection, time: LeaseTime, seconds: float) -> None:
        self.connection, self.time, self.seconds = connection, time, seconds

    def __getattr__(self, name: str) -> object:
        """Be the connection in everything else."""
        return getattr(self.connection, name)

    def execute(self, statement: str, *given: object) -> object:
        """Execute a statement; the first is the one that waits."""
        self.time.pass_by(self.seconds)
        self.seconds = 0.0
        return self.connection.execute(statement, *given)  # type: ignore[arg-type]


def test_heartbeat_counts_from_when_it_holds(opened: Callable[[str], SQLiteStore], time: LeaseTime) -> None:
    """Given a heartbeat that waited for others until the lease had run out, then it was late, and lasts from now on."""
    store = opened("first")
    time.pass_by(9)
    connection, store._beating = store._beating, Waits(store._beating, time, 3)  # type: ignore[arg-type, assignment]
    assert not store.renew()
    store._beating = connection
    time.pass_by(9)
    assert store.renew()


def test_heartbeat_that_failed_is_none(
    opened: Callable[[str], SQLiteStore], time: LeaseTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a heartbeat for which the file was locked too long, then the next one is late if the lease has run out."""
    store = opened("first")
    monkeypatch.setattr(sqlite_sharing, "PATIENCE_SECONDS", 0.0)
    time.pass_by(9)
    with closing(sqlite3.connect(store.name, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked by another program"):
            store.renew()
    time.pass_by(2)
    assert not store.renew()
    assert store.renew()


def test_store_is_closed_though_a_heartbeat_waits_for_others(
    opened: Callable[[str], SQLiteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a heartbeat that waits for another program that has the file locked, when the store is closed, then that does
    not wait for as long as the heartbeat would."""
    store = opened("first")
    monkeypatch.setattr(sqlite_sharing, "PATIENCE_SECONDS", 2 * HANG_SECONDS)
    faults: list[StoreError] = []

    def beat() -> None:
        with pytest.raises(StoreError, match="is locked by another program") as raised:
            store.renew()
        faults.append(raised.value)

    with closing(sqlite3.connect(store.name, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        while not store._looking.locked():
            thread.join(0)
        closer = threading.Thread(target=store.close, daemon=True)
        closer.start()
        closer.join(HANG_SECONDS)
        assert not closer.is_alive()
        thread.join(HANG_SECONDS)
    assert 1 == len(faults)


def test_log_that_was_replaced_is_noticed_by_whoever_looks(opened: Callable[[str], SQLiteStore]) -> None:
    """Given another file in the place of the log, which no commit looks at, then the next look refuses to go on."""
    store = opened("first")
    keep_under(store, parked("s-1"))
    store.look()
    log = Path(f"{store.name}-wal")
    log.rename(f"{log}-away")
    log.touch()
    with pytest.raises(StoreError, match="was moved, removed or replaced while it was open"):
        store.look()
    Path(f"{log}-away").replace(log)
    assert () == store.look().asked


def test_note_of_what_was_performed_waits_a_moment_for_others(
    opened: Callable[[str], SQLiteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given another worker that commits just then, when it is noted what was performed, as a runtime closes, then the note
    waits for it: no hook is performed again for that."""
    store, life = opened("first"), parked("s-1")
    keep_under(store, life)
    monkeypatch.setattr("lifecycle.store.sqlite_sharing.NOTE_SECONDS_MAX", HANG_SECONDS)
    revision = kept(store).session.revision
    with closing(sqlite3.connect(store.name, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store._writer is not None
        tried = threading.Event()
        store._writer.set_trace_callback(lambda statement: tried.set() if "BEGIN" in statement else None)
        noting = threading.Thread(target=lambda: store.mark_performed({"s-1": revision}), daemon=True)
        noting.start()
        assert tried.wait(HANG_SECONDS)
        noting.join(0.05)  # one that does not wait is over by then
        other.execute("COMMIT")
        noting.join(HANG_SECONDS)
    assert revision == kept(store).performed


HANG_SECONDS = 30.0


def test_step_on_another_epoch_is_refused(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a step of the right worker on the right revision, but on an epoch that is over, then it is refused by name."""
    first = opened("first")
    life = parked()
    keep_under(first, life)
    told = verdict(first, under(Lease(first.worker, 7), life.decide("q-1")))
    assert told is not None and is_lost(told)


# -- who is at work ---------------------------------------------------------------------------------------------------


def test_look_tells_who_is_at_work(opened: Callable[[str], SQLiteStore], time: LeaseTime) -> None:
    """Whoever joins, leaves or does not beat is seen at the next look; without a change nothing is read."""
    first = opened("first")
    assert (first.worker,) == first.look().workers
    second = opened("second")
    seen = first.look()
    assert ((first.worker, second.worker), 0, True) == (seen.workers, seen.gone, seen.changed)
    assert not first.look().changed
    time.pass_by(11)
    first.renew()
    assert () == first.look().workers[1:]
    second.close()
    assert ((first.worker,), 1) == (first.look().workers, first.look().gone)


def test_look_that_failed_has_seen_nothing(
    opened: Callable[[str], SQLiteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a look that failed after it had noticed that somebody had written, then the next one notices it again."""
    first, second = opened("first"), opened("second")
    second.look()
    keep_under(first, parked("s-1"))
    with monkeypatch.context() as patch:
        patch.setattr(schema, "WORKERS", "SELECT number FROM no_such_table")
        with pytest.raises(StoreError):
            second.look()
    assert (True, False) == (second.look().changed, second.look().changed)


def test_look_counts_whom_it_finds_gone(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a worker that comes and dies between two looks, then the next look removes its row, and counts it."""
    first = opened("first")
    assert 0 == first.look().gone
    second = opened("second")
    assert second._lock is not None
    second._lock.release()  # as the operating system does when the process dies
    assert ((first.worker,), 1) == (first.look().workers, first.look().gone)


def test_name_of_a_worker_is_taken_once(opened: Callable[[str], SQLiteStore], time: LeaseTime, tmp_path: Path) -> None:
    """Given a worker at work, when another joins under its name, then that is refused in one sentence; later it may."""
    first = opened("gw-1")
    twin = SQLiteStore(tmp_path / "runs.db", worker="gw-1", lease_us=time)
    with pytest.raises(StoreError, match=r"runs\.db: a worker called gw-1 is at work on it already; give each"):
        twin.claim()
    assert 0 == twin.worker
    first.close()
    twin.claim()
    assert twin.worker > first.worker
    twin.close()


def test_name_of_a_stalled_worker_may_be_taken(opened: Callable[[str], SQLiteStore], time: LeaseTime) -> None:
    """Given a worker that does not beat, when another joins under its name, then it does, and what was held is free."""
    first = opened("gw-1")
    life = parked()
    keep_under(first, life)
    time.pass_by(11)
    second = opened("gw-1")
    assert None is kept(second).holder
    assert None is verdict(second, under(lease_of(second), life.decide("q-1")))
    first.renew()
    assert "gw-1" == kept(first).holder


def test_stores_of_one_process_are_told_apart(tmp_path: Path) -> None:
    """Given stores that nobody named, then each is called after its process, with a number from the second one on."""
    stores = [SQLiteStore(tmp_path / "runs.db") for _ in range(2)]
    for number, store in enumerate(stores):
        store.claim()
        assert None is verdict(store, Life(f"s-{number}").start())
    names = [stores[0].holder(f"s-{number}") for number in range(2)]
    assert [f"process {os.getpid()}", f"process {os.getpid()} (2)"] == names
    for store in stores:
        store.close()


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 257])
def test_name_of_a_worker_is_readable(tmp_path: Path, name: str) -> None:
    """What nobody could read is no name."""
    with pytest.raises(Invalid, match="is no name of at most 256 printable characters"):
        SQLiteStore(tmp_path / "runs.db", worker=name)


@pytest.mark.parametrize("how", ["none", "twice", "taken"])
def test_path_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Given a file system that has no locks, or gives one twice, then nobody works there, and nothing stays behind."""

    def flock(file: object, operation: int) -> None:
        if how == "none":
            raise OSError(95, "Operation not supported")
        if how == "taken":
            raise BlockingIOError

    store = SQLiteStore(tmp_path / "runs.db")
    monkeypatch.setattr(files.fcntl, "flock", flock)
    told = r"locks do not work there \(.*\); put it on a local disk"
    if how == "taken":  # it was never given by this file
        told = r"a process is still at work on a file that was here before \(runs\.db-worker-1 is locked\); end that"
    with pytest.raises(StoreError, match=told):
        store.claim()
    monkeypatch.undo()
    assert [] == [one.name for one in tmp_path.glob("*worker*")]
    store.claim()
    store.close()


PROCESS = """
import os, signal, sys
from lifecycle.store import SQLiteStore
store = SQLiteStore(sys.argv[1], worker="other")
store.claim()
child = os.fork() if sys.argv[2] == "fork" else 0
if not child:
    print(os.getpid(), flush=True)
    signal.pause()
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_dead_process_is_noticed_at_once(opened: Callable[[str], SQLiteStore], tmp_path: Path, how: str) -> None:
    """Given another process at work, when it is killed, then it is gone at the next look, whatever a fork of it does."""
    mine = opened("mine")
    program = [sys.executable, "-c", PROCESS, str(tmp_path / "runs.db"), how]
    with subprocess.Popen(program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        told = int(other.stdout.readline())
        assert files.has_process(tmp_path / "runs.db", mine.worker + 1)
        other.kill()
        other.wait()
        try:
            assert not files.has_process(tmp_path / "runs.db", mine.worker + 1)
            assert (mine.worker,) == mine.look().workers
        finally:
            if how == "fork":
                os.kill(told, signal.SIGKILL)
    assert not files.worker_file(tmp_path / "runs.db", mine.worker + 1).exists()


def test_file_is_made_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a process that makes the file, when another wants to, then it waits, and makes no second one over it."""
    path = tmp_path / "runs.db"
    waited: list[float] = []
    with (tmp_path / "runs.db-lock").open("a+b") as maker:
        fcntl.flock(maker, fcntl.LOCK_EX)

        def made_meanwhile(seconds: float) -> None:
            waited.append(seconds)
            files.create(path)
            fcntl.flock(maker, fcntl.LOCK_UN)

        monkeypatch.setattr(files.time, "sleep", made_meanwhile)
        SQLiteStore(path).close()
        assert 1 == len(waited)
        path.unlink()
        fcntl.flock(maker, fcntl.LOCK_EX)
        monkeypatch.setattr(files, "OPENING_SECONDS_MAX", -1.0)
        with pytest.raises(StoreError, match="another process is making it and does not finish"):
            SQLiteStore(path)


# -- the inbox --------------------------------------------------------------------------------------------------------


def asked_about(store: SQLiteStore, given: i.Input) -> int:
    """Ask whoever holds the session."""
    return store.ask("s-1", given)


def decision(life: Life) -> tuple[Commit, Reply]:
    """Return the step that answers the question of a life, and its reply."""
    commit = life.decide("q-1")
    assert commit.step.reply is not None
    return commit, commit.step.reply


def test_request_is_answered_with_its_step(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a request in the inbox, when its holder keeps the step, then the reply is kept with it, and handed out once."""
    holder, shell = opened("holder"), opened("shell")
    life = parked()
    keep_under(holder, life)
    commit, reply = decision(life)
    number = asked_about(shell, commit.input)
    assert None is shell.reply_to(number)
    (asked,) = holder.look().asked
    assert (number, "s-1", commit.input) == (asked.number, asked.session, asked.input)
    assert () == shell.look().asked
    assert None is verdict(holder, answering(number, under(lease_of(holder), commit)))
    assert isinstance(reply, Decided)
    assert [reply, None] == [shell.reply_to(number), shell.reply_to(number)]
    assert () == holder.look().asked


def answering(number: int, commit: Commit) -> Commit:
    """Return the same commit, as the one that answers a request."""
    return Commit(commit.before, commit.input, commit.now, commit.step, commit.performed, commit.lease, number)


def test_request_is_applied_once(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a request that was taken back, or is answered, when a step would answer it, then none of the step is kept."""
    holder, shell = opened("holder"), opened("shell")
    life = parked()
    keep_under(holder, life)
    commit, _ = decision(life)
    number = asked_about(shell, commit.input)
    assert [True, False] == [shell.withdraw(number), shell.withdraw(number)]
    told = verdict(holder, answering(number, under(lease_of(holder), commit)))
    assert told is not None and told.fields["withdrawn"]
    assert kept(holder).session.revision == life.kept.revision - 1
    assert None is verdict(holder, under(lease_of(holder), commit))


def test_request_outlives_its_holder(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a holder that saw a request and died before its step, then the next holder finds it, and answers it."""
    holder, shell, heir = opened("holder"), opened("shell"), opened("heir")
    life = parked()
    keep_under(holder, life)
    commit, reply = decision(life)
    number = asked_about(shell, commit.input)
    assert 1 == len(holder.look().asked)
    holder.close()
    assert None is verdict(heir, answering(number, under(lease_of(heir), commit)))
    assert reply == shell.reply_to(number)


def test_reply_without_a_step_needs_the_lease(opened: Callable[[str], SQLiteStore], time: LeaseTime) -> None:
    """Given a stalled worker, when it answers a request although another has its session, then that reply does not count:

    no step of its own would have been refused, only the epoch tells.
    """
    holder, shell = opened("holder"), opened("shell")
    life = parked()
    keep_under(holder, life)
    mine = lease_of(holder)
    number = asked_about(shell, i.AbortRun("r-9", "local"))
    time.pass_by(11)
    shell.renew()
    assert None is verdict(shell, under(lease_of(shell), life.decide("q-1")))
    missing = rejection_of(StoreError("run r-9", "not known here", "look"))
    assert not holder.answer(number, missing, mine)
    assert None is shell.reply_to(number)
    assert shell.answer(number, Aborted(("r-9",)), lease_of(shell))
    assert Aborted(("r-9",)) == shell.reply_to(number)
    assert not shell.answer(number, missing, lease_of(shell))


def test_rejection_comes_back_as_it_went(opened: Callable[[str], SQLiteStore]) -> None:
    """A rejection and its fields, tuples among them, are the same on the other side."""
    holder, shell = opened("holder"), opened("shell")
    keep_under(holder, parked())
    number = asked_about(shell, i.AbortRun("r-9", "local"))
    told = rejection_of(StoreError("run r-9", "no", "do", accepted=("abort", "begin"), bound=3, holder=None))
    assert holder.answer(number, told, lease_of(holder))
    assert told == shell.reply_to(number)


def test_reply_that_nobody_collects_is_removed(opened: Callable[[str], SQLiteStore]) -> None:
    """Given a reply whose asker is gone, when the next worker joins, then it is removed."""
    holder, shell = opened("holder"), opened("shell")
    keep_under(holder, parked())
    number = asked_about(shell, i.AbortRun("r-9", "local"))
    assert holder.answer(number, Aborted(()), lease_of(holder))
    shell.close()
    assert None is opened("next").reply_to(number)


# -- controls ---------------------------------------------------------------------------------------------------------


def test_control_without_the_epoch(opened: Callable[[str], SQLiteStore], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given steps that find their row by revision alone, then the story of the epoch fails."""
    for name in ("UPDATE_SESSION", "MOVE_SESSION", "REOPEN_SESSION"):
        monkeypatch.setattr(schema, name, unchecked(getattr(schema, name)))
    with pytest.raises(AssertionError):
        test_step_on_another_epoch_is_refused(opened)


def test_control_of_a_reply_without_the_epoch(
    opened: Callable[[str], SQLiteStore], time: LeaseTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given replies that need no lease, then the story of the stalled worker that answers fails."""
    monkeypatch.setattr(Sharing, "may_answer", lambda self, note, kept, lease, by: self.is_open(note))
    with pytest.raises(AssertionError):
        test_reply_without_a_step_needs_the_lease(opened, time)


def test_control_without_the_inbox_in_the_step(
    opened: Callable[[str], SQLiteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given steps that are kept whether or not their request is still there, then the story of the taken back one fails."""
    monkeypatch.setattr(Sharing, "is_open", lambda self, note: True)
    monkeypatch.setattr(
        sqlite_committing, "execute_all", lambda connection, statement, rows: executed(connection, statement, rows)
    )
    with pytest.raises(AssertionError):
        test_request_is_applied_once(opened)


def executed(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Execute a statement for every row, and say that each found its own."""
    connection.executemany(statement, rows)
    return len(rows)


def unchecked(statement: str) -> str:
    """Return a statement that takes any holder and any epoch."""
    return statement.replace("holder = ?", "(holder = ? OR 1)").replace("epoch = ?", "(epoch = ? OR 1)")
