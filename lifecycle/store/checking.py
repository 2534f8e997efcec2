"""Checking: whether a file is what was written to it, and if not, what of it is damaged.

What lives here: the reading of every record, and what each must agree with. What must not: repair. The law of this file:
each damage is named by table, session and position, and keeps nothing else from being looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ParamSpec

import attrs

from lifecycle.errors import InvariantBroken, StoreError
from lifecycle.store import whole
from lifecycle.store.record import (
    Place,
    decode_checkpoint,
    decode_ended,
    decode_entry,
    decode_policy,
    decode_request,
    decode_spec,
)
from lifecycle.store.replaying import replay_kept
from lifecycle.store.steady import SteadyStore

P = ParamSpec("P")

FACT_CHARS_MAX = 300
"""How much is told of what differs: two sessions side by side are long."""


@attrs.frozen
class Damage:
    """What is not as it was written, and where: in which table, of which session, at which position there."""

    table: str
    session: str | None
    at: object
    fact: str

    def __str__(self) -> str:
        of = "" if self.session is None else f" of session {self.session}"
        return f"{self.table}{of}, {self.at}: {self.fact}" if self.at else f"{self.table}{of}: {self.fact}"


@attrs.define
class Checked:
    """What was looked at, and what of it is damaged."""

    sessions: int = 0
    entries: int = 0
    ended: int = 0
    damages: list[Damage] = attrs.field(factory=list)


def check(store: SteadyStore) -> Checked:
    """Read all that a file has, take every journal again, and say what is damaged."""
    checked = Checked()
    for table, look in LOOKS:
        try:
            checked.damages += look(store, checked)
        except StoreError as error:  # the pages of a whole table make no sense
            checked.damages.append(Damage(table, None, None, cut(error.fact)))
    checked.damages = list({(one.table, one.session, one.at): one for one in reversed(checked.damages)}.values())[::-1]
    return checked


def cut(fact: str) -> str:
    """Return as much of a fact as is told."""
    return fact if len(fact) <= FACT_CHARS_MAX else f"{fact[: FACT_CHARS_MAX - 1]}…"


def attempted(place: Place, look: Callable[P, object], *given: P.args, **named: P.kwargs) -> Iterator[Damage]:
    """Look at one record; yield what is damaged in it."""
    try:
        look(*given, **named)
    except StoreError as error:
        where: dict[str, Any] = {"table": place.table, "session": place.session, "at": place.at, **error.fields}
        yield Damage(where["table"], where["session"], where["at"], cut(error.fact))
    except InvariantBroken as error:
        at = error.fields.get("revision")
        yield Damage("journal", place.session, at and f"of revision {at}", cut(f"{error.subject}: {error.fact}"))


def agrees(place: Place, said: object, stands: object) -> None:
    """Refuse a record that says something else than the columns beside it."""
    if said != stands:
        place.damaged(f"it says {said!r}, and beside it stands {stands!r}")


# -- what is looked at ------------------------------------------------------------------------------------------------


def pages(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Let SQLite look at pages and indexes."""
    for (line,) in store.rows("PRAGMA integrity_check"):
        if line != "ok":
            yield Damage("file", None, None, cut(" ".join(line.split())))


def strays(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Look for rows of a session that is not there, ends without a run, gaps in journals, and rests that are none."""
    for table in ("journal", "runs", "checkpoints", "ended", "requests", "snapshots"):
        for (number,) in store.rows(whole.STRAYS.format(table)):
            yield Damage(table, None, f"session number {number}", "there is no such session")
    for session, run in store.rows(whole.ENDS_WITHOUT_RUN):
        yield Damage("ended", session, f"of run {run}", "there is no such run")
    for session, revision in store.rows(whole.RESTING_AT_ODDS):
        yield Damage("sessions", session, f"of revision {revision}", "it rests, and something in it is left to recover")
    for session, first, last, count, revision in store.rows(whole.JOURNAL_EXTENTS):
        if count != last - first + 1 or last != revision:
            fact = f"{count} entries are there from revision {first} to {last}, and the session is at {revision}"
            yield Damage("journal", session, None, fact)


def policies(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Look at policies."""
    for number, record in store.rows(whole.ALL_POLICIES):
        place = Place("policies", None, number)
        yield from attempted(place, decode_policy, record, place)


def runs(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Look at specs."""
    for session, run, *beside, record in store.rows(whole.ALL_RUNS):
        place = Place("runs", session, run)
        yield from attempted(place, check_spec, place, record, (run, *beside))


def check_spec(place: Place, record: object, beside: object) -> None:
    """Read a spec; refuse one of another run."""
    spec = decode_spec(record, place)
    agrees(place, (spec.id, spec.admitted, spec.key), beside)


def checkpoints(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Look at checkpoints."""
    for session, run, record in store.rows(whole.ALL_CHECKPOINTS):
        place = Place("checkpoints", session, run)
        yield from attempted(place, decode_checkpoint, record, place)


def ends(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Look at the records of ended runs."""
    for session, run, *beside, record, spec in store.rows(whole.ALL_ENDED):
        checked.ended += 1
        place = Place("ended", session, f"of run {run}")
        yield from attempted(place, check_end, place, record, Place("runs", session, run), spec, tuple(beside))


def check_end(place: Place, record: object, place_of_spec: Place, spec: object, beside: object) -> None:
    """Read how a run ended; refuse it where it does not belong."""
    ended = decode_ended(record, place, decode_spec(spec, place_of_spec))
    agrees(place, (ended.spec.admitted, ended.ended_at), beside)


def requests(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Look at closed requests."""
    for session, run, request, record in store.rows(whole.ALL_REQUESTS):
        place = Place("requests", session, f"{request} of run {run}")
        yield from attempted(place, check_request, place, record, request)


def check_request(place: Place, record: object, beside: str) -> None:
    """Read a closed request; refuse another one."""
    agrees(place, decode_request(record, place).id, beside)


def entries(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Look at every entry, those below a snapshot, too."""
    for session, revision, record in store.rows(whole.ALL_ENTRIES):
        checked.entries += 1
        place = Place("journal", session, f"of revision {revision}")
        yield from attempted(place, check_entry, place, record, (session, revision))


def check_entry(place: Place, record: object, beside: object) -> None:
    """Read an entry; refuse one of another place."""
    entry = decode_entry(record, place)
    agrees(place, (entry.session, entry.revision), beside)


def sessions(store: SteadyStore, checked: Checked) -> Iterator[Damage]:
    """Look at every session with what it refers to, and take its journal again from its snapshot."""
    for (session,) in store.rows(whole.ALL_SESSIONS):
        checked.sessions += 1
        yield from attempted(Place("sessions", session, None), replay_kept, store, session)


LOOKS: tuple[tuple[str, Callable[[SteadyStore, Checked], Iterator[Damage]]], ...] = (
    ("file", pages),
    ("file", strays),
    ("policies", policies),
    ("runs", runs),
    ("checkpoints", checkpoints),
    ("ended", ends),
    ("requests", requests),
    ("journal", entries),
    ("sessions", sessions),
)
"""What is looked at, by the table that is told where all of it cannot be read."""
