"""Histories: whatever may arrive at a few sessions, in any order, kept in groups of any size.

What lives here: how a random history is drawn and played to kernel and store. What must not: what a store is made of.
The law of this file: after each commit the store says what the kernel said.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from hypothesis import strategies as st

from lifecycle.kernel import Policy, due
from lifecycle.kernel import inputs as i
from lifecycle.kernel.values import Ended, Found, Request, Session, us
from lifecycle.store import Commit, Store
from lifecycle.store.port import UNJOURNALLED, replayed

from .lives import Life, entry_of, question

NAMES = ("s-1", "s-2")
SMALL = Policy(queue_max=2, requests_max=3, attempts_max=2, admins=("root",))
POLICIES = (SMALL, Policy(orphan_grace_seconds=None), Policy(orphan_grace_seconds=5, closing_grace_seconds=1))


@attrs.frozen
class Event:
    """Something that arrives: which input it becomes depends on the session, and on three small numbers."""

    session: int
    kind: str
    first: int
    second: int
    seconds: float
    last_of_group: bool


Make = Callable[[Life, Event], i.Input]


def pick(choices: tuple[Any, ...], number: int) -> Any:
    """Pick one of some choices by any number."""
    return choices[number % len(choices)]


def run_of(life: Life, event: Event) -> str:
    """Name a run: often one that is there."""
    unfinished = () if life.session is None else life.session.unfinished()
    return str(pick((*(run.spec.id for run in unfinished), f"r-{event.first}"), event.second))


def slot_of(life: Life) -> tuple[int, int]:
    """Name the execution in the slot and its token, or none that ever was."""
    slot = None if life.session is None else life.session.execution
    return (0, 0) if slot is None else (slot.id, slot.token)


def result_of(event: Event) -> Any:
    """Return what code may return."""
    asked = tuple(question(f"q-{n}") for n in range(event.second % 3))
    return pick(
        (i.Value("1"), i.Failure("no"), i.Parked(f"at {event.second}", asked), i.Parked(None, asked), None), event.first
    )


def timer_of(life: Life, event: Event) -> i.Input:
    """Return the firing that is due, or one that is not."""
    firing = None if life.session is None else due(life.session, life.now)
    return i.TimerFired("deadline", "r-1", (1, 0)) if firing is None else firing


def start(life: Life, event: Event) -> i.Input:
    """Start a run under a name and a key that may be taken."""
    return i.StartRun(
        life.name,
        f"r-{event.first}",
        pick(("ada", "bob"), event.second),
        "tidy",
        "x" * event.second,
        f"of r-{event.first}",
        pick(POLICIES, event.second),
        key=pick((None, f"k-{event.first}"), event.second),
        when_busy=pick(("enqueue", "interrupt", "reject"), event.second),
        deadline_us=pick((None, 3_000_000), event.first),
        queue_deadline_us=pick((None, None, 9_000_000), event.first),
        on_crash=pick(("rerun", "interrupt", "error"), event.first),
    )


KINDS: dict[str, Make] = {
    "start": start,
    "begin": lambda life, event: i.Begin(run_of(life, event), slot_of(life)[0]),
    "ask": lambda life, event: i.RunAsked(
        *slot_of(life), tuple(question(f"q-{n}", pick((None, 2_000_000), n)) for n in range(event.first % 3))
    ),
    "retract": lambda life, event: i.RequestRetracted(*slot_of(life), f"q-{event.first % 3}"),
    "decide": lambda life, event: i.Decide(
        run_of(life, event),
        f"q-{event.first % 3}",
        f"d-{event.second}",
        pick(("approve", "answer", "reject", "reject_and_continue"), event.second),
        "ada",
        f"of q-{event.first % 3}",
        "so",
    ),
    "checkpoint": lambda life, event: i.Checkpointed(*slot_of(life), f"at {event.first}"),
    "settle": lambda life, event: i.ExecutionSettled(*slot_of(life), result_of(event)),
    "complete": lambda life, event: i.RunCompleted(
        run_of(life, event), "2", *pick((slot_of(life), (None, None)), event.first)
    ),
    "fail": lambda life, event: i.RunFailed(
        run_of(life, event), "no", *pick((slot_of(life), (None, None)), event.first)
    ),
    "report": lambda life, event: i.ProviderReported(
        pick(("ready", "interrupted", "stopped", "error", "gone"), event.first), advisory=event.second == 0
    ),
    "abort": lambda life, event: i.AbortRun(run_of(life, event), pick(("ada", "root"), event.first), "enough"),
    "abort all": lambda life, event: i.AbortSession(pick(("ada", "root"), event.first)),
    "attach": lambda life, event: i.Attach(f"tab-{event.first % 2}", event.second != 0),
    "detach": lambda life, event: i.Detached(f"tab-{event.first % 2}"),
    "close": lambda life, event: i.CloseSession("root"),
    "shutdown": lambda life, event: i.Shutdown(),
    "timer": timer_of,
    "lost": lambda life, event: i.Lost(slot_of(life)[0]),
    "recovered": lambda life, event: i.Recovered(pick(POLICIES, event.first)),
    "set aside": lambda life, event: i.SetAside("a rule"),
}


def expected(life: Life, event: Event) -> i.Input:
    """Return what is likely to arrive: so that histories get far."""
    session = life.session
    state = "ready" if session is None else session.state
    likely = {
        "starting": ("begin", "begin", "begin", "start", "checkpoint"),
        "running": ("ask", "settle", "checkpoint", "ask", "settle", "begin"),
        "waiting_for_human": ("decide", "decide", "retract", "timer", "settle"),
    }.get(state, ("start", "start", "attach"))
    if state == "waiting_for_human" and session is not None and session.head is not None:
        open_now = [one.id for one in session.head.requests if one.state == "open"]
        event = attrs.evolve(event, first=int(pick(tuple(open_now), event.first)[2:]))
    return KINDS[pick(likely, event.second)](life, event)


LIKELY = ("expected",) * 40
COMPACTIONS = ("compact",) * 10
OFTEN = ("timer", "start", "lost", "recovered", "close", "close", "close")

Histories = list[Event]
HISTORIES = st.lists(
    st.builds(
        Event,
        session=st.integers(0, 1),
        kind=st.sampled_from((*LIKELY, *OFTEN, *COMPACTIONS, *KINDS)),
        first=st.integers(0, 4),
        second=st.integers(0, 5),
        seconds=st.sampled_from((0.0, 0.5, 3.0, 70.0)),
        last_of_group=st.booleans(),
    ),
    min_size=12,
    max_size=50,
)


def informed(store: Store, name: str, given: Any) -> Any:
    """Add to an input what the store has under its names, as a runtime does."""
    run = getattr(given, "run", "")
    ended = store.run_ended(name, run)
    if isinstance(given, i.StartRun) and given.key is not None:
        ended = store.key_ended(name, given.key) or ended
    request = store.request_closed(name, run, given.request) if isinstance(given, i.Decide) else None
    if isinstance(given, i.StartRun) and store.load(name) is None:
        given = attrs.evolve(given, floor=store.floor())
    return attrs.evolve(given, found=Found(ended, request))


def play_in(make: Callable[[Path], Store], histories: Histories) -> None:
    """Play a history to a store of its own."""
    with TemporaryDirectory() as folder:
        store = make(Path(folder))
        try:
            play(store, histories)
        finally:
            store.close()


def play(store: Store, histories: Histories) -> None:
    """Play a history: step, commit in groups, and compare all that the store says."""
    lives = {name: Remembered(name) for name in NAMES}
    group: list[Commit] = []
    for event in histories:
        life = lives[NAMES[event.session]]
        if event.kind == "compact":
            flush(store, group, lives)
            compact(store, lives, life, event)
            continue
        given = (expected if event.kind == "expected" else KINDS[event.kind])(life, event)
        if UNJOURNALLED[type(given)]:
            flush(store, group, lives)  # it is looked up, so what was before it must be there
            given = informed(store, life.name, given)
        commit = life.step(given, event.seconds)
        if commit is not None:
            group.append(commit)
            life.remember(commit, max(one.latest for one in lives.values()))
        if event.last_of_group:
            flush(store, group, lives)
    flush(store, group, lives)
    for life in lives.values():
        replay(store, life)


class Remembered(Life):
    """A life, and what of it must still be kept: steps with the highest time at each, and ended runs."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.times: list[int] = []
        self.latest = 0
        self.ended: list[Ended] = []
        self.closed: dict[tuple[str, str], Request] = {}
        self.journalled: Session | None = None
        self.snapshot: Session | None = None

    def remember(self, commit: Commit, latest: int) -> None:
        """Take note of a step."""
        self.journalled = commit.step.session
        self.latest = max(latest, commit.now, self.kept.now)
        self.times.append(self.latest)
        self.ended += commit.step.ended
        self.closed |= {(one.run, one.request.id): one.request for one in commit.step.closed}

    def let_go(self, before: int) -> None:
        """Forget what is past its time, as the port says."""
        slot = self.session and self.session.execution
        gone = [one for one in self.ended if one.ended_at <= before and (not slot or slot.run != one.spec.id)]
        old = sum(1 for time in self.times if time <= before)
        if not gone and not old:
            return
        self.snapshot = self.journalled
        self.ended = [one for one in self.ended if one not in gone]
        runs = {one.spec.id for one in gone}
        self.closed = {names: request for names, request in self.closed.items() if names[0] not in runs}
        del self.times[:old], self.commits[:old]
        if self.kept.state == "stopped" and not slot and not self.times and not self.ended:
            self.session = self.journalled = self.snapshot = None


def compact(store: Store, lives: dict[str, Remembered], life: Remembered, event: Event) -> None:
    """Let go of what is older than some seconds, of some sessions; of one a hook may be owed."""
    before = life.now - us(event.seconds if event.first > 2 else 0)
    performed = {one.name: 0 if one.session is None else one.session.revision for one in lives.values()}
    if event.second == 0:
        performed[life.name] = 0
    aged = {name: performed[name] for name in store.aged(before)}
    for one in lives.values():
        kept = store.load(one.name)
        owed = kept is not None and max(kept.performed, performed[one.name]) < kept.session.revision
        if kept is not None and not owed:
            one.let_go(before)
    store.compact(aged, before, 1_000)
    for one in lives.values():
        kept = store.load(one.name)
        assert one.journalled == (None if kept is None else kept.session)


def flush(store: Store, group: list[Commit], lives: dict[str, Remembered]) -> None:
    """Commit a group and compare the sessions; a re-arm of the orphan timer since is in memory only."""
    assert [None] * len(group) == list(store.commit(group))
    group.clear()
    for life in lives.values():
        kept = store.load(life.name)
        assert life.journalled == (None if kept is None else kept.session)


def replay(store: Store, life: Remembered) -> None:
    """Take every step since the snapshot again, and look up whatever has ended and is still kept."""
    session = store.snapshot(life.name)
    assert life.snapshot == session
    entries = list(store.journal(life.name))
    assert [entry_of(commit) for commit in life.commits] == entries
    for entry, commit in zip(entries, life.commits, strict=True):
        if session is not None and entry.revision <= session.revision:
            continue
        took = replayed(session, entry)
        assert (commit.step.moves, commit.step.hooks, commit.step.session) == (took.moves, took.hooks, took.session)
        session = took.session
    assert sorted(life.ended, key=lambda one: one.spec.admitted) == list(store.ended(life.name, limit=1_000))
    for one in life.ended:
        assert one == store.run_ended(life.name, one.spec.id)
        assert one.spec.key is None or one == store.key_ended(life.name, one.spec.key)
    for (run, request), value in life.closed.items():
        assert value == store.request_closed(life.name, run, request)
