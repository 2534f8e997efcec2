"""R3, damage: bits that flip, blocks that vanish, files that are cut, and what is said of them.

What lives here: ways to damage a file and its log, and the judgement of what is read then. What must not: a repair. The
law of this file: whatever is read is what was written, or is refused by name, or is missing and found missing by a check.

SQLite has no checksum of a page, so damage to its own structures can hide rows from ordinary reading; the records have
one, so no damage can change what they say. A log has checksums but no end: damage in it reads as a log that ends earlier,
at a whole step, and nobody can tell it from one that does.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from lifecycle.errors import LifecycleError, StoreError
from lifecycle.kernel.values import Session
from lifecycle.machines import SESSION
from lifecycle.store import Commit, SQLiteStore, record
from lifecycle.store.port import busy
from lifecycle.store.record import encode_entry
from lifecycle.testing import accepts

from ..store.lives import entry_of
from .campaign import Trial
from .stories import commits_of, folder, groups_of, kept

NAME = "runs.db"
STEPS = 24
KINDS = ("flip", "flip", "flip", "zero", "cut", "drop")
"""Ways of damage: a bit flips, a sector is zero, the file ends early, a sector is missing from its middle."""

SECTOR_BYTES = 512
Answers = dict[tuple[str, ...], Any]


class Golden:
    """A file, or a file and its log, what a store says of it, and the states through which it went."""

    def __init__(self, seed: int, with_log: bool) -> None:
        self.files: dict[str, bytes] = {}
        self.states: set[str] = set()
        commits = commits_of(f"damage {seed}", STEPS)
        with folder() as place:
            path = place / NAME
            store = SQLiteStore(path)
            self.states.add(kept(store))
            if not with_log:
                store.commit(commits)
            for group in groups_of(commits, seed) if with_log else []:
                store.commit(group)
                self.states.add(kept(store))
            last = {one.step.session.id: one.step.session.revision for one in commits if one.step.session}
            store.mark_performed(last)
            self.states.add(kept(store))
            self.answers = answers(store, last)
            self.sessions = tuple(last)
            if with_log:
                self._copy(place)
            store.close()
            if not with_log:
                self._copy(place)
        self.letters = [] if with_log else letters_of(commits, self.files[NAME])

    def _copy(self, place: Path) -> None:
        for suffix in ("", "-wal"):
            if (place / (NAME + suffix)).exists():
                self.files[NAME + suffix] = (place / (NAME + suffix)).read_bytes()


golden = lru_cache(4)(Golden)


def letters_of(commits: list[Commit], content: bytes) -> list[int]:
    """Return where in a file a letter of an entry of the journal lies, the last one of its last text."""
    texts = [encode_entry(entry_of(commit)) for commit in commits]
    places = [(content.find(text), text) for text in texts]
    return [at + text.rindex(b'"') - 1 for at, text in places if at >= 0]


def answers(store: SQLiteStore, sessions: Any) -> Answers:
    """Ask a store everything, each answer or refusal by itself."""
    found: Answers = {}

    def ask(*what: str, of: Callable[[], Any]) -> Any:
        try:
            found[what] = of()
        except StoreError as error:
            found[what] = error
        return found[what]

    states = [state.name for state in SESSION.states]
    ask("sessions", of=lambda: list(store.sessions(limit=1_000)))
    ask("unsettled", of=lambda: sorted(store.unsettled()))
    for state in states:
        ask("sessions in", state, of=lambda state=state: list(store.sessions(limit=1_000, state=state)))
    for name in sessions:
        ask("load", name, of=lambda name=name: value_of(store.load(name)))
        journal = ask("journal", name, of=lambda name=name: list(store.journal(name)))
        ended = ask("ended", name, of=lambda name=name: list(store.ended(name, limit=1_000)))
        for one in ended if isinstance(ended, list) else []:
            ask("run ended", name, one.spec.id, of=lambda name=name, one=one: store.run_ended(name, one.spec.id))
            if one.spec.key is not None:
                ask("key ended", name, one.spec.key, of=lambda name=name, one=one: store.key_ended(name, one.spec.key))
        for entry in journal if isinstance(journal, list) else []:
            given = entry.input
            if hasattr(given, "request") and hasattr(given, "run"):
                names = (given.run, given.request)
                ask("request", name, *names, of=lambda name=name, names=names: store.request_closed(name, *names))
    return found


def value_of(found: Any) -> Session | None:
    """Return the session without how far hooks were performed: too little of that is harmless."""
    return None if found is None else found.session


def is_missing(told: Any, was: Any) -> bool:
    """Say whether an answer lacks something and has nothing else."""
    if told is None:
        return True
    if isinstance(told, list) and isinstance(was, list):
        rest = iter(was)
        return len(told) < len(was) and all(any(one == other for other in rest) for one in told)
    return False


# -- the check --------------------------------------------------------------------------------------------------------


def found_by_check(path: Path, sessions: Any) -> str | None:
    """Look at everything there is, as a check of the whole file does; return what is wrong, none if nothing is."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            (told,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if told != "ok":
                return str(told)
            rows = connection.execute(
                "SELECT id, state, busy, revision, performed FROM sessions ORDER BY id"
            ).fetchall()
        except (sqlite3.Error, UnicodeError) as fault:
            return str(fault)
    try:
        store = SQLiteStore(path)
    except StoreError as error:
        return str(error)
    try:
        for name, state, is_busy, revision, performed in rows:
            held = store.load(name)
            if held is None:
                return f"{name} is not found"
            done = accepts(store.journal(name))
            ended = {one.spec.id: one for one in done.ended}
            columns = held.session.state, int(busy(held.session)), held.session.revision
            if columns != (state, is_busy, revision) or performed > revision:
                return f"{name}: its columns are not those of its record"
            if done.session != held.session or ended != {one.spec.id: one for one in store.ended(name, limit=1_000)}:
                return f"{name}: its records are not what its journal says"
            for one in done.ended:
                by_key = None if one.spec.key is None else store.key_ended(name, one.spec.key)
                if store.run_ended(name, one.spec.id) != one or by_key not in (None, one):
                    return f"{name} {one.spec.id}: is not found under its names"
                if one.spec.key is not None and by_key is None:
                    return f"{name} {one.spec.id}: is not found under its key"
    except LifecycleError as error:
        return str(error)
    finally:
        store.close()
    return None


# -- the campaign -----------------------------------------------------------------------------------------------------


class Damage:
    """Damage one place of a golden file, and read everything."""

    name = "R3"
    claim = "a flipped bit, a lost or zero sector, a cut file: harmless, refused by name, or found by a check"
    unit = "mutations"
    seeded = True
    short = 300
    long = 20_000
    controls: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
        "checksums": lambda: mock.patch.object(record, "unsealed", trusting),
    }

    def places(self, seed: int, without: str | None = None) -> Iterator[str]:
        """Name so many mutations of a seed's files: ``seed:file:kind:place:bit``; a lack shows in the text of a record."""
        if without is not None:
            yield from (f"{seed}:file:{NAME}:flip:{at}:0" for at in golden(seed, False).letters)
        chance = Random(f"damage {seed}")
        for number in range(1_000):
            with_log = number % 4 == 0
            files = golden(seed, with_log).files
            name = NAME + "-wal" * (with_log and chance.random() < 0.8)
            at = chance.randrange(len(files[name]))
            yield f"{seed}:{'log' if with_log else 'file'}:{name}:{chance.choice(KINDS)}:{at}:{chance.randrange(8)}"

    def trial(self, place: str) -> Trial:
        """Damage, read, and judge."""
        seed, form, name, kind, at, bit = place.split(":")
        whole = golden(int(seed), form == "log")
        content = damaged(whole.files[name], kind, int(at), int(bit))
        trial = Trial(counts=content != whole.files[name])
        if not trial.counts:
            return trial
        with folder() as made:
            for other, untouched in whole.files.items():
                (made / other).write_bytes(content if other == name else untouched)
            try:
                told = self._judged(made / NAME, whole, trial)
            except Exception as fault:  # whatever is no StoreError tells nobody what to do
                told = "not told in words"
                trial.violations.append(f"{told}: {type(fault).__name__}: {fault}")
        trial.fired[told] += 1
        return trial

    def _judged(self, path: Path, whole: Golden, trial: Trial) -> str:
        """Say what a mutation came to."""
        shutil.copytree(path.parent, path.parent / "copy")
        try:
            store = SQLiteStore(path)
        except StoreError:
            return "refused at opening"
        try:
            state = earlier(store)
            told = answers(store, whole.sessions)
        finally:
            store.close()
        if state in whole.states and told != whole.answers:
            return "taken for a log that ends earlier"
        refused = [what for what, answer in told.items() if isinstance(answer, StoreError)]
        wrong = [what for what in whole.answers if what not in refused and told.get(what) != whole.answers[what]]
        made_up = [what for what in wrong if what in told and not is_missing(told[what], whole.answers[what])]
        if made_up:
            trial.violations.append(f"{made_up[0]} is answered with what was never written")
        if refused:
            return "refused by name"
        found = found_by_check(path.parent / "copy" / NAME, whole.sessions)
        if wrong and found is None:
            trial.violations.append(f"{wrong[0]} is missing, and no check finds it")
        if wrong:
            return "missing, found by a check"
        return "harmless" if found is None else "unnoticed in reading, found by a check"


def earlier(store: SQLiteStore) -> str | None:
    """Stand for what a store holds, if that can be read."""
    try:
        return kept(store)
    except StoreError:
        return None


def damaged(content: bytes, kind: str, at: int, bit: int) -> bytes:
    """Damage a file at one place."""
    begin = at - at % SECTOR_BYTES
    if kind == "flip":
        return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
    if kind == "zero":
        return content[:begin] + bytes(len(content[begin : begin + SECTOR_BYTES])) + content[begin + SECTOR_BYTES :]
    if kind == "cut":
        return content[:at]
    return content[:begin] + content[begin + SECTOR_BYTES :]


def trusting(found: Any, place: record.Place) -> bytes:
    """Take version and checksum off, and look at neither."""
    return bytes(found)[record.HEADER_BYTES :] if isinstance(found, bytes) else b""
