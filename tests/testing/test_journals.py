"""Journals of real runs are accepted by the kernel to their last entry; a journal that was touched is not."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import attrs
import pytest

from lifecycle import Approval, MemoryStore, Policy, Runtime, SQLiteStore, answer, approve
from lifecycle.errors import InvariantBroken, NotFound
from lifecycle.testing import VirtualClock, accepts, replay_journal
from tests.examples.loading import example

tidy, prepare = example("tidy"), example("prepare")


def story_on(store: Any) -> Any:
    """Keep a life with a question, an orphan timer that was re-armed, an abort, and an end by time."""

    async def asks(run: Any) -> Any:
        return (await run.ask(Approval("May I?"))).approved

    async def told() -> None:
        clock = VirtualClock()
        async with Runtime(store, Policy(orphan_grace_seconds=5), clock=clock) as runtime:
            first = await runtime.start(asks, session="s")
            await runtime.start(asks, session="s", deadline_seconds=30)
            await clock.advance(12)
            await first.decide(first.requests[0].id, approve())
            await clock.advance(1)
            await runtime.abort_session("s")
            await clock.advance(60)

    return told()


def test_journal_of_a_life_is_accepted(memory: MemoryStore) -> None:
    """Given a life with re-armed timers, then its journal replays to the session and the records that are kept."""
    asyncio.run(story_on(Keeping(memory)))
    done = replay_journal(memory, "s")
    assert ("stopped", 2) == (done.session and done.session.state, len(done.ended))
    assert done == accepts(memory.journal("s"))
    assert done.entries == len(list(memory.journal("s")))


def test_journal_of_the_example_agent_is_accepted(tmp_path: Path) -> None:
    """Given what the tidying agent left in a file, over two processes, then the kernel accepts it to the last entry."""
    folder, path = Path(prepare.prepare(tmp_path / "folder")), tmp_path / "runs.db"
    given = {"folder": str(folder), "oversized_bytes": prepare.OVERSIZED_BYTES}

    async def proposed() -> None:
        async with Runtime(SQLiteStore(path)) as runtime:
            run = await runtime.start(tidy.tidy, given, session="tidy", name="tidy", run_id="r-1")
            await run.wait_for("waiting_for_human", timeout_seconds=30)

    async def decided() -> None:
        async with Runtime(SQLiteStore(path), agents={"tidy": tidy.tidy}) as runtime:
            run = runtime.run("tidy", "r-1")
            await run.decide("clean-up", answer(run.requests[0].body["args"]))
            await run.wait(timeout_seconds=30)

    asyncio.run(proposed())
    assert "waiting_for_human" == state(replay_journal(path, "tidy"))
    asyncio.run(decided())
    done = replay_journal(path, "tidy")
    assert ["completed"] == [ended.cause for ended in done.ended]
    shutil.rmtree(folder, ignore_errors=True)


def state(done: Any) -> str:
    """Return the state that a journal ends in."""
    return str(done.session.state)


CHANGES = {
    "a hook less": lambda entry: attrs.evolve(entry, hooks=entry.hooks[1:]),
    "another time": lambda entry: attrs.evolve(entry, now=entry.now + 1),
    "another row": lambda entry: attrs.evolve(entry, moves=entry.moves[1:]),
    "another revision": lambda entry: attrs.evolve(entry, revision=entry.revision + 1),
}


@pytest.mark.parametrize("what", CHANGES)
def test_journal_that_was_changed_is_refused_where(memory: MemoryStore, what: str) -> None:
    """Given a journal with an entry that somebody changed, then it is refused, and the entry is named."""
    asyncio.run(story_on(Keeping(memory)))
    entries = list(memory.journal("s"))
    entries[0] = CHANGES[what](entries[0])
    with pytest.raises(InvariantBroken, match=r"journal of session s, entry .* differ"):
        accepts(entries)


def test_journal_with_an_entry_less_is_refused(memory: MemoryStore) -> None:
    """Given a journal without one of its entries, then it is refused."""
    asyncio.run(story_on(Keeping(memory)))
    entries = list(memory.journal("s"))
    with pytest.raises(InvariantBroken, match="report it with the journal"):
        accepts(entries[:1] + entries[2:])


def test_session_that_is_not_its_journals_end_is_refused(memory: MemoryStore) -> None:
    """Given a store whose session is not what its journal ends in, then that is said."""
    asyncio.run(story_on(Keeping(memory)))
    memory._shelves["s"].journal.pop()
    with pytest.raises(InvariantBroken, match="not what its journal ends in"):
        replay_journal(memory, "s")


def test_session_that_is_not_there_is_named(memory: MemoryStore) -> None:
    """Given a name of no session, then it is named."""
    with pytest.raises(NotFound, match="session x: it is not in this store; name one that is"):
        replay_journal(memory, "x")


class Keeping:
    """A store in memory that stays open, so that what it kept can be looked at."""

    def __init__(self, inner: MemoryStore) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return (lambda: None) if name == "close" else getattr(self.inner, name)


@pytest.fixture
def memory() -> MemoryStore:
    """Give a store in memory."""
    return MemoryStore()
