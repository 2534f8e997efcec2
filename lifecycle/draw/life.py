"""Life: what happened in a session, as bars and marks over time.

What lives here: the folding of steps into lanes. What must not: a store, a checker, and a look; both bring steps, and a
step is what ``Happened`` says. The law of this file: a bar begins and ends with a step, and what has not ended is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from lifecycle import hooks
from lifecycle.draw.reading import in_words
from lifecycle.kernel.inputs import Attach, Checkpointed, Decide, Detached, Input, Recovered, TimerFired
from lifecycle.machines import CAUSES

CLIENTS, SESSION, RUN, EXECUTION, REQUEST, TIMER = "clients", "session", "runs", "executions", "requests", "timers"
LANES = (CLIENTS, SESSION, RUN, EXECUTION, REQUEST, TIMER)
"""The lanes, from top to bottom."""

MACHINE_LANES = {"session": SESSION, "run": RUN, "execution": EXECUTION, "request": REQUEST}


BEFORE = -1
"""The place of a step that is not told any more."""


@attrs.frozen
class Happened:
    """A step: its number, engine time in microseconds, what arrived, the moves and hooks that came of it.

    ``note`` is said of it besides, and ``bad`` that it must not have happened.
    """

    number: int
    now: int
    input: Input | None
    moves: Sequence[tuple[str, object, str, str | None, str]] = ()
    hooks: Sequence[object] = ()
    note: str = ""
    bad: bool = False


@attrs.define
class Bar:
    """Something that lasted from one step to another, both by their places; none: it lasts still.

    ``lane`` and ``subject`` say whose it is, ``end`` how it ended; ``kind`` is a state's name, ``segment`` or ``armed``.
    """

    lane: str
    subject: str
    kind: str
    begin: int
    over: int | None = None
    end: str = ""
    tone: str = ""


@attrs.frozen
class Dot:
    """Something that happened at a step: in a lane, to a subject."""

    lane: str
    subject: str
    at: int
    label: str
    tone: str = "plain"


@attrs.frozen
class Line:
    """Something that happened to everything: a process took over, a rule was broken."""

    at: int
    label: str
    tone: str


@attrs.frozen
class Life:
    """A life: its steps' numbers and times, the bars in the order in which they began, dots and lines."""

    name: str
    numbers: tuple[int, ...]
    times: tuple[int, ...]
    labels: tuple[str, ...]
    bars: tuple[Bar, ...]
    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]


def life_of(name: str, steps: Iterable[Happened]) -> Life:
    """Fold steps into a life."""
    folding = Folding()
    for step in steps:
        folding.add(step)
    return folding.life(name)


END_TONES = {
    **{"ready": "good", "interrupted": "off", "stopped": "off", "error": "bad"},
    **{"settled": "good", "abandoned": "bad", "answered": "good", "expired": "bad", "withdrawn": "off"},
}
"""How what has ended looks, by the state it ended in."""


class Folding:
    """A life as far as it was folded; ``open`` are the bars that have not ended, by whose they are."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.times: list[int] = []
        self.labels: list[str] = []
        self.bars: list[Bar] = []
        self.dots: list[Dot] = []
        self.lines: list[Line] = []
        self.open: dict[tuple[str, str, str], Bar] = {}
        self.causes: dict[str, str] = {}

    def life(self, name: str) -> Life:
        """Return what was folded."""
        numbers, times, labels = tuple(self.numbers), tuple(self.times), tuple(self.labels)
        return Life(name, numbers, times, labels, tuple(self.bars), tuple(self.dots), tuple(self.lines))

    def add(self, step: Happened) -> None:
        """Fold a step."""
        at = len(self.numbers)
        self.numbers.append(step.number)
        self.times.append(step.now)
        label = type(step.input).__name__ if step.input is not None else step.note
        self.labels.append(f"{label}: {step.note}" if step.bad and step.input is not None else label)
        self._arrived(at, step.input)
        self.causes = {one.run: one.cause for one in step.hooks if isinstance(one, hooks.PublishEnd)}
        for move in step.moves:
            self._moved(at, step, *move)
        for hook in step.hooks:
            self._done(at, step, hook)
        if step.note and (step.input is None or step.bad):
            self.lines.append(Line(at, step.note, "bad" if step.bad else "off"))

    def _arrived(self, at: int, given: Any) -> None:
        """Fold what arrived, where it is no move of a machine."""
        if isinstance(given, Attach) and given.alive:
            self._begin(at, CLIENTS, given.attachment, "attached")
        elif isinstance(given, Detached):
            self._was_there((CLIENTS, given.attachment, ""), "attached")
            self._end(at, (CLIENTS, given.attachment, ""), "")
        elif isinstance(given, Recovered):
            self.lines.append(Line(at, "taken over", "off"))
            for key in [key for key in self.open if key[0] in (CLIENTS, TIMER)]:
                self._end(at, key, "lost" if key[0] == TIMER else "")
        elif isinstance(given, TimerFired):
            self._end(at, (TIMER, f"{given.name} {given.owner}", ""), "fired")
        elif isinstance(given, Checkpointed):
            self.dots.append(Dot(EXECUTION, str(given.execution), at, "checkpoint"))

    def _moved(
        self, at: int, step: Happened, machine: str, subject: object, trigger: str, source: str | None, dest: str
    ) -> None:
        """Fold a move: the bar of its subject ends, and another begins unless the state is final."""
        lane, name = MACHINE_LANES[machine], str(subject)
        if source == dest:
            return
        if source is not None:
            self._was_there((lane, name, ""), source)
        final = dest in END_TONES and not (machine == "session" and dest != "stopped")
        self._end(at, (lane, name, ""), self._how(step, machine, name, trigger, dest) if final else "", dest)
        if not final:
            self._begin(at, lane, name, dest)

    def _how(self, step: Happened, machine: str, name: str, trigger: str, dest: str) -> str:
        """Say how something ended: a run by its cause, a request by the decision and who made it."""
        given = step.input
        if machine == "run":
            return in_words(self.causes.get(name, dest))
        if machine == "request" and isinstance(given, Decide) and given.request == name:
            return f"{in_words(given.kind)} by {given.by}" if given.by else in_words(given.kind)
        return dest

    def _done(self, at: int, step: Happened, hook: object) -> None:
        """Fold what a step made the world do: segments and timers."""
        if isinstance(hook, hooks.OpenSegment):
            self._begin(at, RUN, hook.run, f"segment {hook.segment}", f"segment {hook.segment}")
        elif isinstance(hook, hooks.EndSegment):
            self._was_there((RUN, hook.run, f"segment {hook.segment}"), f"segment {hook.segment}")
            self._end(at, (RUN, hook.run, f"segment {hook.segment}"), in_words(hook.reason))
        elif isinstance(hook, hooks.ArmTimer):
            self._end(at, (TIMER, f"{hook.name} {hook.owner}", ""), "re-armed")
            self._begin(at, TIMER, f"{hook.name} {hook.owner}", hook.name)
        elif isinstance(hook, hooks.DisarmTimer):
            self._was_there((TIMER, f"{hook.name} {hook.owner}", ""), hook.name)
            self._end(at, (TIMER, f"{hook.name} {hook.owner}", ""), "")
        elif isinstance(hook, hooks.SignalAbort) and hook.cause not in CAUSES["complete"]:
            self.dots.append(Dot(RUN, hook.run, at, "signal", "waiting"))

    def _was_there(self, key: tuple[str, str, str], kind: str) -> None:
        """Begin a bar before everything, if it is not open and the first step that is told is not the first there was."""
        if key not in self.open and self.numbers[0] > 1:
            self._begin(BEFORE, key[0], key[1], kind, key[2])

    def _begin(self, at: int, lane: str, subject: str, kind: str, part: str = "") -> None:
        """Begin a bar."""
        bar = Bar(lane, subject, kind, at)
        self.open[lane, subject, part] = bar
        self.bars.append(bar)

    def _end(self, at: int, key: tuple[str, str, str], how: str, dest: str = "") -> None:
        """End a bar, if it is open."""
        bar = self.open.pop(key, None)
        if bar is not None:
            bar.over, bar.end, bar.tone = at, how, END_TONES.get(dest, "") if how else ""
