"""Reading: from a declared machine to the records that are drawn.

What lives here: what a hook is called in a picture, which timers send which triggers, what kind of colour a state has.
What must not: a format, and a fact that a table does not say. The law of this file: each row is read once, whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from lifecycle import hooks
from lifecycle.declaration import FlatRow, Hold, Machine, Send, State, readable
from lifecycle.draw.graph import ACT, GIVE, REARM, SEND, TAKE, Graph, Held, Mark, Place, Seen, Way
from lifecycle.kernel.routes import ROUTES, Fire
from lifecycle.machines import DECLARED
from lifecycle.machines.held import Next

Timers = Mapping[str, tuple[str, ...]]
"""The triggers that each timer sends when it is due, by the name under which a state holds it."""

SUBJECTS = {
    "run": "One prompt until its answer.",
    "execution": "One attempt of the agent's code at a run. It can outlive the run's state.",
    "session": "One conversation, wearing the state of its oldest unfinished run.",
    "request": "One question to a human.",
    "segment": "One uninterrupted stretch of a run's output.",
    "controller": "Who may stop a run, and what its code observes.",
    "lease": "The right of one worker to step a session.",
}
"""What each declared machine is, in a sentence."""

WORDS: dict[object, str] = {
    hooks.RegisterController: "register",
    hooks.EvictController: "evict",
    hooks.OpenSegment: "open stream",
    hooks.EndSegment: "end stream",
    hooks.ShowRequest: "show questions",
    hooks.WithdrawRequest: "withdraw questions",
    hooks.OfferBegin: "offer",
    hooks.WithdrawOffer: "withdraw offer",
    hooks.SignalAbort: "signal",
    hooks.PublishEnd: "publish",
    hooks.CallCode: "call code",
    hooks.HandAnswers: "hand answers over",
    hooks.ReportAbandoned: "report",
}
"""What each hook is called in a picture; those about timers are told with the timer's name."""

TONES = {
    **dict.fromkeys(("running", "executing", "held"), "busy"),
    **dict.fromkeys(("waiting_for_human", "closing", "signalled"), "waiting"),
    **dict.fromkeys(("ready", "settled", "answered", "free"), "good"),
    **dict.fromkeys(("interrupted", "stopped", "withdrawn", "evicted", "ended"), "off"),
    **dict.fromkeys(("error", "abandoned", "expired"), "bad"),
}
"""What kind of colour the states of the declared machines have; it says nothing that words and lines do not."""


def graph_of(machine: Machine, timers: Timers | None = None, seen: Seen | None = None) -> Graph:
    """Read a machine. Of a declared one it is known which timers send which triggers; of others, if it is told.

    >>> from lifecycle.machines import SEGMENT
    >>> [f"{way.source} {way.trigger} {way.dest}" for way in graph_of(SEGMENT).ways]
    ['open emit open', 'open end ended']
    """
    ours = machine in DECLARED
    timed = (timers_of(machine.name) if ours else {}) if timers is None else timers
    born = readable(machine).table.birth
    return Graph(
        machine.name,
        SUBJECTS[machine.name] if ours else "",
        (*(place_of(machine, state, timed, ours) for state in machine.dispatch.states.values()), *undeclared(machine)),
        tuple(way_of(machine, row, timed) for row in machine.table.flat()),
        machine.initial,
        None if born is None else way_of(machine, born, timed),
        seen,
    )


@cache
def timers_of(machine: str) -> Timers:
    """Read out of the routes which triggers of a machine each timer fires."""
    found: dict[str, tuple[str, ...]] = {}
    for name, route in ROUTES.items():
        kind, _, timer = name.partition(".")
        for one in route:
            if kind == "TimerFired" and isinstance(one, Fire) and one.machine == machine:
                timer = timer.partition(".")[0]
                found[timer] = (*found.get(timer, ()), one.trigger)
    return found


# -- states -----------------------------------------------------------------------------------------------------------


def place_of(machine: Machine, state: State, timed: Timers, ours: bool) -> Place:
    """Read a state."""
    tone = TONES.get(state.name, "plain") if ours else "plain"
    return Place(state.name, tone, state.final, holds_of(machine, state, timed), state.refuses, state.ignores)


def holds_of(machine: Machine, state: State, timed: Timers) -> tuple[Held, ...]:
    """Read what a state holds."""
    taken = machine.table.rows.get(state.name, {})
    declared = (held_of(hold, timed.get(hold.name, ()), taken) for hold in state.holds)
    return (*declared, *timeout_of(machine, state.name))


def held_of(hold: Hold, fires: tuple[str, ...], taken: Iterable[str]) -> Held:
    """Read something held; ``taken`` are the triggers that have rows in the state."""
    return Held(hold.name, is_timer(hold) or bool(fires), fires, bool(fires) and set(fires).isdisjoint(taken))


def timeout_of(machine: Machine, state: str) -> Iterator[Held]:
    """Yield the timeout of a state as a timer it holds; only states of `transitions` have one.

    What is called then is a trigger, if it has the name of one; anything else is said beside it.
    """
    seconds, called = getattr(machine.ask, "timeouts", {}).get(state, (None, ()))
    if seconds is not None:
        others = ", ".join(name for name in called if name not in machine.triggers)
        fires = tuple(name for name in called if name in machine.triggers)
        yield Held(f"timeout {seconds:g} s{': ' * bool(others)}{others}", True, fires)


def undeclared(machine: Machine) -> Iterator[Place]:
    """Yield the states that a row, or the beginning, leads to and that nobody declared."""
    born = machine.table.birth
    dests = [row.dest for row in (*machine.table.flat(), *(() if born is None else (born,)))]
    dests += [] if machine.initial is None else [machine.initial]
    yield from (Place(name, "bad") for name in dict.fromkeys(dests) if name not in machine.table.rows)


def is_timer(hold: Hold) -> bool:
    """Say whether what is held is a timer."""
    return hold.take is hooks.ArmTimer or isinstance(hold.take, hooks.ArmTimer)


# -- rows -------------------------------------------------------------------------------------------------------------


def way_of(machine: Machine, row: FlatRow, timed: Timers) -> Way:
    """Read a row: what it gives back, does, sends and takes, as it is emitted."""
    states = machine.dispatch.states
    source = states.get(row.source)
    guards = tuple(guard.name if wanted else f"not {guard.name}" for guard, wanted in row.guards)
    held = () if source is None else holds_of(machine, source, timed)
    timers = tuple(hold.name for hold in held if row.trigger in hold.fires)
    marks = rearmed(marks_of(row, source, states.get(row.dest)))
    return Way(row.source, row.trigger, row.dest, row.internal, guards, marks, timers)


def marks_of(row: FlatRow, source: State | None, dest: State | None) -> Iterator[Mark]:
    """Yield the marks of a row in the order in which its hooks are emitted."""
    held = [hold.give for hold in row.given] + [hold.take for hold in row.taken]
    acts = [hook for hook in row.hooks if hook not in held]
    leaving = () if source is None or row.internal else source.on_exit
    entering = () if dest is None or row.internal else dest.on_enter
    late = [one for one in acts if one in entering and one not in row.edge and one not in leaving]
    yield from (mark_of_hold(GIVE, hold, hold.give) for hold in row.given if hold.give is not None)
    yield from (mark_of(one) for one in acts if one not in late)
    yield from (mark_of(one) for one in row.sends)
    yield from (mark_of_hold(TAKE, hold, hold.take) for hold in row.taken if hold.take is not None)
    yield from (mark_of(one) for one in late)


def mark_of_hold(kind: str, hold: Hold, hook: object) -> Mark:
    """Say that something held is taken or given back."""
    if is_timer(hold):
        return Mark(kind, f"{'arm' if kind == TAKE else 'disarm'} {in_words(hold.name)}", True)
    return Mark(kind, WORDS.get(kind_of(hook)) or word_of(hook))


def mark_of(hook: object) -> Mark:
    """Say what a hook of an edge does."""
    if isinstance(hook, Send):
        return Mark(SEND, f"{hook.machine} {hook.trigger}")
    return Mark(ACT, WORDS.get(kind_of(hook)) or word_of(hook))


def kind_of(hook: object) -> object:
    """Return the kind of a hook, whether a row declares the kind itself or one of it."""
    return hook if isinstance(hook, type) else type(hook)


def word_of(hook: Any) -> str:
    """Name a hook nobody has a word for: by itself, by its name, or by its kind."""
    if isinstance(hook, Next):
        return f"{hook.number} + 1"
    if isinstance(hook, str):
        return hook
    named = getattr(hook, "name", None) or getattr(hook, "__name__", None)
    return str(named or type(hook).__name__)


def rearmed(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Say of a timer that is disarmed and armed that it is re-armed."""
    told = tuple(marks)
    labels = {one.label for one in told if one.timer}
    both = {name for name in (one.removeprefix("dis") for one in labels) if f"dis{name}" in labels and name in labels}
    kept = (one for one in told if not (one.timer and one.kind == GIVE and one.label.removeprefix("dis") in both))
    return tuple(Mark(REARM, f"re-{one.label}", True) if one.timer and one.label in both else one for one in kept)


def in_words(name: str) -> str:
    """Write a name as people read it.

    >>> in_words("queue_deadline")
    'queue deadline'
    """
    return name.replace("_", " ")
