"""Purity: whether a machine does the same twice, in this process and in another.

What lives here: what is watched while a guard is asked, and how two outcomes are compared. What must not: a search. The
law of this file: whatever depends on time, on chance or on the order of a set is named, because nothing that was found
about it would hold again.
"""

from __future__ import annotations

import builtins
import datetime
import gc
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import BuiltinFunctionType, FrameType, FunctionType
from typing import Any, TypeVar

import attrs

from lifecycle.check.snapshots import canonical
from lifecycle.check.surroundings import is_written_here
from lifecycle.check.systems import Asked, Situation, Step
from lifecycle.errors import Invalid

T = TypeVar("T")

REMEDY = "let it depend on nothing but the model and what the trigger is given"

NO_CLOCKS = ("sleep", "mktime", "strptime", "tzset", "get_clock_info", "pthread_getcpuclockid")
"""What ``time`` has that reads no clock."""

BUILTINS = {
    id(called): f"{module.__name__}.{name}"
    for module, names in (
        (time, [name for name in vars(time) if name not in NO_CLOCKS]),
        (os, ("urandom", "getrandom", "getpid", "getppid", "times", "getloadavg")),
    )
    for name in names
    if isinstance(called := getattr(module, name, None), BuiltinFunctionType)
}
"""Builtin functions that do not answer the same twice, by their address."""

FUNCTIONS = {
    id(function.__code__): told
    for told, functions in (
        ("os.environ", [*vars(type(os.environ)).values(), os.getenv]),
        *((f"uuid.{name}", [getattr(uuid, name, None)]) for name in ("uuid1", "uuid4", "uuid6", "uuid7")),
    )
    for function in functions
    if isinstance(function, FunctionType)
}
"""The like that is written in Python, by the address of its code."""

EXITS = {id(called): f"os.{called.__name__}" for called in (os._exit, os.abort)}
"""Builtin functions that end the process on the spot, and with it the check."""

ADDRESS = "id"
"""What says where a thing is in memory. Libraries ask for it to know a thing again, which is no matter."""

NOW = ("now", "utcnow", "today")


def impure_source(called: Any) -> str | None:
    """Name what is read by a call of a builtin function, if that is the clock, chance or an address.

    >>> impure_source(time.time), impure_source(datetime.datetime.now), impure_source(random.Random(1).random)
    ('time.time', 'datetime.now', 'random.random')
    >>> impure_source(len)
    """
    if id(called) in BUILTINS:
        return BUILTINS[id(called)]
    if called is builtins.id:
        return ADDRESS
    owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
    if isinstance(owner, type):
        return f"{owner.__name__}.{name}" if issubclass(owner, datetime.date) and name in NOW else None
    return f"random.{name}" if isinstance(owner, random.Random) else None


@attrs.frozen
class Tripped:
    """Say what reads what; of a callback, its name."""

    subject: str
    source: str
    callback: str = ""


class Tripwire:
    """Stands around guards, callbacks and questions, and notes the first that reads the clock, chance or an address.

    ``trusted`` names callbacks on whose reading nothing depends. What logging reads while it logs is its own affair.
    Where a profiler is at work, nothing is watched.
    """

    def __init__(self, trusted: tuple[str, ...] = ()) -> None:
        self.tripped: Tripped | None = None
        self._trusted = trusted
        self._within = ("", "")

    def guard(self, name: str, ask: Callable[[], T]) -> T:
        """Ask a guard, and watch meanwhile."""
        return self._watched(f"guard {name}", "", ask)

    def callback(self, name: str, call: Callable[[], T]) -> T:
        """Call a callback, and watch meanwhile unless it is trusted."""
        return call() if name in self._trusted else self._watched(f"callback {name}", name, call)

    def question(self, subject: str, ask: Callable[[], T]) -> T:
        """Ask what a property asks, and watch meanwhile."""
        return self._watched(subject, "", ask)

    def _watched(self, subject: str, callback: str, call: Callable[[], T]) -> T:
        before, self._within = self._within, (subject, callback)
        try:
            return call() if before[0] else watched(self._watch, call)
        finally:
            self._within = before

    def _watch(self, frame: FrameType, what: str, called: Any) -> None:
        source = None
        if what == "c_call":
            if id(called) in EXITS:  # a check that ends here would end with the code of whatever was checked
                raise SystemExit(f"{EXITS[id(called)]} would end the process")
            source = impure_source(called)
        elif what == "call":
            source = FUNCTIONS.get(id(frame.f_code))
        if source is not None and self.tripped is None and (source is not ADDRESS or is_written_here(frame.f_globals)):
            self._note(frame, source)

    def _note(self, frame: FrameType, source: str) -> None:
        caller: FrameType | None = frame
        while caller is not None and caller.f_code is not watched.__code__:
            if str(caller.f_globals.get("__name__")).partition(".")[0] == "logging":
                return
            caller = caller.f_back
        subject, callback = self._within
        self.tripped = Tripped(subject, source, callback)


def watched(watch: Callable[[FrameType, str, Any], object], call: Callable[[], T]) -> T:
    """Call something while a profiler is told of every call."""
    if sys.getprofile() is not None:
        return call()
    collecting = gc.isenabled()
    gc.disable()  # what is called when garbage is collected would be taken for what the guard calls
    sys.setprofile(watch)
    try:
        return call()
    finally:
        sys.setprofile(None)
        if collecting:
            gc.enable()


def refuse_impure(tripwire: Tripwire) -> None:
    """Refuse what was seen to read the clock, chance or an address."""
    found = tripwire.tripped
    if found is not None:
        then = "what it does is not the same again" if found.callback else "its answer does not hold"
        unless = f"; or, if nothing depends on what it reads: ignore={found.callback!r}" if found.callback else ""
        raise Invalid(found.subject, f"it reads {found.source}, so {then}", REMEDY + unless)


def refuse_differing(at: Situation, once: Sequence[Step], twice: Sequence[Step]) -> None:
    """Refuse a machine that does not do the same twice, naming the guard or the attribute that differs."""
    for one, other in zip(once, twice, strict=False):
        told = difference(fact_of(at, one), fact_of(at, other), "twice the same")
        if told is not None:
            raise told
        if one.after.key != other.after.key:
            raise Invalid(f"trigger {one.label}", f"sent twice in {at}, it leads to two different models", REMEDY)
    if len(once) != len(twice):
        raise Invalid(f"machine in {at}", "sent the same twice, it does not do the same", REMEDY)


# Facts: steps as texts that are the same in every process


@attrs.frozen
class Fact:
    """A step as texts: in which situation, what was sent, what guards answered, and what came of it."""

    at: str
    sent: str
    asked: tuple[tuple[str, str], ...]
    after: Mapping[str, str]
    raised: str = ""


def fact_of(at: Situation, step: Step) -> Fact:
    """Write a step down."""
    raised = "" if step.raised is None else type(step.raised).__name__
    return Fact(str(at), step.label, _texts(step.asked), parts_of(step.after), raised)


def first_fact(start: Situation) -> Fact:
    """Write down where a machine starts."""
    return Fact("", "", (), parts_of(start))


def _texts(asked: Asked) -> tuple[tuple[str, str], ...]:
    return tuple((name, repr(answer)) for name, answer in asked)


def parts_of(at: Situation) -> dict[str, str]:
    """Return the state and every attribute of a situation, each as a text that is the same in every process."""
    frozen = {} if at.snapshot is None else dict(at.snapshot.frozen)
    return {"state": at.state} | {name: canonical(value) for name, value in frozen.items() if name not in at.unshown}


def difference(one: Fact, other: Fact, how: str) -> Invalid | None:
    """Say what differs between a step and the same step done again; none if nothing does."""
    for (name, answer), (again, second) in zip(one.asked, other.asked, strict=False):
        if name == again and answer != second:
            return Invalid(f"guard {name}", f"asked {how}, it answers {answer} and {second} ({where(one)})", REMEDY)
    for name in dict.fromkeys([*one.after, *other.after]):
        if one.after.get(name) != other.after.get(name):
            subject = f"trigger {one.sent}" if one.sent else "the model"
            what = "the state" if name == "state" else f"attribute {name}"
            return Invalid(subject, f"{what} is not the same when it is done {how} ({where(one)})", REMEDY)
    if (one.sent, one.raised, one.asked) != (other.sent, other.raised, other.asked):
        return Invalid(f"trigger {one.sent}", f"it does not do the same when it is sent {how} ({where(one)})", REMEDY)
    return None


def where(fact: Fact) -> str:
    """Say where a step was made."""
    return f"in {fact.at}" if fact.at else "at the start"


def refuse_elsewhere(here: Sequence[Fact], there: Sequence[Fact]) -> None:
    """Refuse a machine that does not do the same in another process, where sets have another order."""
    for one, other in zip(here, there, strict=False):
        told = difference(one, other, "in another process, where sets are in another order")
        if told is not None:
            raise told
    if len(here) != len(there):
        raise Invalid("machine", "in another process it does not do the same, where sets are in another order", REMEDY)


def asked_twice(name: str, ask: Callable[[], bool]) -> bool:
    """Ask a question twice; refuse an answer that does not hold."""
    once, twice = ask(), ask()
    if once != twice:
        raise Invalid(name, f"asked twice of the same, it answers {once!r} and {twice!r}", REMEDY)
    return once
