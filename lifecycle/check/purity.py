"""Purity: whether a machine does the same twice, in this process and in another.

What lives here: what is watched while a guard is asked, and how two outcomes are compared. What must not: a search. The
law of this file: whatever depends on time, on chance or on the order of a set is named, because nothing that was found
about it would hold again.
"""

from __future__ import annotations

import datetime
import gc
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

import attrs

from lifecycle.check.snapshots import canonical
from lifecycle.check.systems import Asked, Situation, Step
from lifecycle.errors import Invalid

REMEDY = "let it depend on nothing but the model and what the trigger is given"

CLOCKS = {
    id(getattr(time, name)): f"time.{name}"
    for name in (
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "localtime",
        "gmtime",
    )
}
NOW = ("now", "utcnow", "today")


def impure_source(called: Any) -> str | None:
    """Name what is read by a call of a builtin function, if that is the clock or chance.

    >>> impure_source(time.time), impure_source(datetime.datetime.now), impure_source(len)
    ('time.time', 'datetime.now', None)
    """
    if id(called) in CLOCKS:
        return CLOCKS[id(called)]
    if called is os.urandom:
        return "os.urandom"
    owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
    if isinstance(owner, type) and issubclass(owner, datetime.date) and name in NOW:
        return f"{owner.__name__}.{name}"
    return "random" if owner is getattr(random.random, "__self__", random) else None


class Tripwire:
    """Stands around guards and questions, and notes the first that reads the clock or chance.

    What logging reads while it logs is its own affair. Where a profiler is at work, nothing is watched.
    """

    def __init__(self) -> None:
        self.tripped: tuple[str, str] | None = None

    def __call__(self, name: str, ask: Callable[[], Any]) -> Any:
        """Ask, and watch meanwhile."""
        if sys.getprofile() is not None:
            return ask()

        def watch(frame: FrameType, what: str, called: object) -> None:
            if what == "c_call" and self.tripped is None:
                source = impure_source(called)
                if source is not None and not str(frame.f_globals.get("__name__")).startswith("logging"):
                    self.tripped = name, source

        collecting = gc.isenabled()
        gc.disable()  # what is called when garbage is collected would be taken for what the guard calls
        sys.setprofile(watch)
        try:
            return ask()
        finally:
            sys.setprofile(None)
            if collecting:
                gc.enable()


def refuse_impure(tripwire: Tripwire, kind: str) -> None:
    """Refuse what was seen to read the clock or chance."""
    if tripwire.tripped is not None:
        name, source = tripwire.tripped
        raise Invalid(f"{kind}{name}", f"it reads {source}, so its answer does not hold", REMEDY)


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


def asked_twice(name: str, ask: Callable[[], object]) -> object:
    """Ask a question twice, watching; refuse an answer that does not hold."""
    tripwire = Tripwire()
    once, twice = tripwire(name, ask), ask()
    refuse_impure(tripwire, "")
    if bool(once) != bool(twice):
        raise Invalid(name, f"asked twice of the same, it answers {once!r} and {twice!r}", REMEDY)
    return once
