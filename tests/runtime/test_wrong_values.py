"""Wrong values at every door: each is one clear sentence, nothing hangs, and nothing has changed.

What lives here: the sweep over what callers can hand over. What must not: what right values do. The law of this file: a
parameter that a caller can get wrong is in the table, with the values that are right for it.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from lifecycle import (
    Approval,
    Choice,
    Decision,
    FreeText,
    Invalid,
    LifecycleError,
    Limits,
    MemoryStore,
    Park,
    Policy,
    Refused,
    RunEnd,
    Runtime,
    SignIn,
    SQLiteStore,
    Tracker,
    VirtualClock,
    answer,
    approve,
)

from .stage import HANG_SECONDS, NO_GRACE, Actor, Stage, gathered

WRONG: dict[str, Any] = {
    "None": None,
    "an empty list": [],
    "an empty dict": {},
    "an object": object(),
    "bytes": b"",
    "an empty text": "",
    "below zero": -1,
    "no number": math.nan,
    "beyond all numbers": 1e400,
    "a whole number beyond all": 10**5_000,
    "a very long text": "x" * 10_000,
    "half a character": "\ud800",
    "ten megabytes": "x" * 10_000_000,
    "a text with a null": "a\0b",
    "true": True,
    "a class": Runtime,
}
"""What somebody hands over who handed over the wrong thing."""

SENTENCE_CHARS_MAX = 700
"""How long a message is at most, whatever was handed over."""

NOTHING = ("None",)
TEXT = ("an empty text", "a very long text", "half a character", "ten megabytes", "a text with a null")
NAME = ("a text with a null",)
TIME = ("beyond all numbers", "a whole number beyond all")
JSON = (
    "None",
    "an empty list",
    "an empty dict",
    "an empty text",
    "below zero",
    "a very long text",
    "a text with a null",
    "true",
)

Door = tuple[Callable[[Any, Any, Any], Any], tuple[str, ...]]

ASKS: dict[str, Door] = {
    "start agent": (lambda r, h, v: r.start(v, session="s-2"), ()),
    "start session": (lambda r, h, v: r.start(unwanted, session=v), ()),
    "start name": (lambda r, h, v: r.start(unwanted, session="s-1", name=v, when_busy="reject"), (*NOTHING, *NAME)),
    "start key": (lambda r, h, v: r.start(unwanted, session="s-1", key=v, when_busy="reject"), (*NOTHING, *NAME)),
    "start owner": (lambda r, h, v: r.start(unwanted, session="s-1", owner=v, when_busy="reject"), NAME),
    "start deciders": (
        lambda r, h, v: r.start(unwanted, session="s-1", deciders=v, when_busy="reject"),
        ("an empty list", "an empty dict"),
    ),
    "start a decider": (lambda r, h, v: r.start(unwanted, session="s-1", deciders=(v,), when_busy="reject"), NAME),
    "start when_busy": (lambda r, h, v: r.start(unwanted, session="s-1", when_busy=v), ()),
    "start on_crash": (lambda r, h, v: r.start(unwanted, session="s-1", on_crash=v), ()),
    "start run_id": (lambda r, h, v: r.start(unwanted, session="s-1", run_id=v, when_busy="reject"), (*NOTHING, *NAME)),
    "start deadline": (
        lambda r, h, v: r.start(unwanted, session="s-1", deadline_seconds=v, when_busy="reject"),
        (*NOTHING, *TIME),
    ),
    "start queue deadline": (
        lambda r, h, v: r.start(unwanted, session="s-1", queue_deadline_seconds=v, when_busy="reject"),
        (*NOTHING, *TIME),
    ),
    "start input": (lambda r, h, v: r.start(unwanted, v, session="s-1", when_busy="reject"), JSON),
    "admit agent": (lambda r, h, v: r.admit(v, session="s-1", when_busy="reject"), NAME),
    "begin": (lambda r, h, v: r.begin(v), ()),
    "attach": (lambda r, h, v: r.attach(v), ()),
    "attach alive": (lambda r, h, v: r.attach("nobody", alive=v), (*NOTHING, "a class")),
    "abort session": (lambda r, h, v: r.abort_session(v), ()),
    "abort session by": (lambda r, h, v: r.abort_session("s-1", by=v), ()),
    "abort session text": (lambda r, h, v: r.abort_session("s-1", by="bob", text=v), TEXT),
    "close session": (lambda r, h, v: r.close_session(v), ()),
    "close session by": (lambda r, h, v: r.close_session("s-1", by=v), ()),
    "close session text": (lambda r, h, v: r.close_session("s-1", by="bob", text=v), TEXT),
    "provider session": (lambda r, h, v: r.provider_reported(v, "ready"), ("an empty text", *NAME)),
    "provider report": (lambda r, h, v: r.provider_reported("s-1", v), ()),
    "provider run": (lambda r, h, v: r.provider_reported("s-1", "ready", run=v, advisory=True), (*NOTHING, *TEXT)),
    "provider execution": (
        lambda r, h, v: r.provider_reported("s-1", "ready", execution=v, advisory=True),
        NOTHING,
    ),
    "provider text": (lambda r, h, v: r.provider_reported("s-1", "ready", text=v, advisory=True), TEXT),
    "lost session": (lambda r, h, v: r.lost(v, 1), ("an empty text", *NAME)),
    "lost execution": (lambda r, h, v: r.lost("s-1", v), ()),
    "close": (lambda r, h, v: r.close(v), ()),
    "run session": (lambda r, h, v: r.run(v, "r-1").state, ()),
    "run": (lambda r, h, v: r.run("s-1", v).state, ()),
    "show": (lambda r, h, v: r.show(v), ()),
    "sessions after": (lambda r, h, v: r.sessions(after=v), (*NOTHING, "an empty text", *NAME)),
    "sessions limit": (lambda r, h, v: r.sessions(limit=v), ()),
    "sessions state": (lambda r, h, v: r.sessions(state=v), NOTHING),
    "observe": (lambda r, h, v: r.observe(v), ("a class",)),
    "register": (lambda r, h, v: r.register(v), ()),
    "register name": (lambda r, h, v: r.register(unwanted, v), (*NOTHING, *NAME)),
    "decide request": (lambda r, h, v: h.decide(v, approve(), by="ada"), ()),
    "decide decision": (lambda r, h, v: h.decide("q", v, by="ada"), ()),
    "decide kind": (lambda r, h, v: h.decide("q", Decision(v), by="ada"), ()),
    "decide content": (lambda r, h, v: h.decide("q", answer(v), by="ada"), ()),
    "decide by": (lambda r, h, v: h.decide("q", approve(), by=v), ()),
    "decide digest": (lambda r, h, v: h.decide("q", approve(), by="bob", digest=v), NOTHING),
    "decide decision_id": (lambda r, h, v: h.decide("q", approve(), by="bob", decision_id=v), NOTHING),
    "abort by": (lambda r, h, v: h.abort(by=v), ()),
    "abort text": (lambda r, h, v: h.abort(by="bob", text=v), TEXT),
    "wait": (lambda r, h, v: h.wait(v), (*NOTHING, *TIME)),
    "wait_for": (lambda r, h, v: h.wait_for(v), ()),
    "wait_for timeout": (lambda r, h, v: h.wait_for("running", timeout_seconds=v), (*NOTHING, *TIME)),
    "frames after": (lambda r, h, v: gathered(h.frames(after=v)), ("below zero",)),
    "frames segment": (lambda r, h, v: gathered(h.frames(segment=v)), NOTHING),
    "listener": (lambda r, h, v: h.signal.add_listener(v), ("a class",)),
    "wait_blocking": (lambda r, h, v: h.signal.wait_blocking(v), (*NOTHING, *TIME)),
}
"""What is asked of a runtime (and the handle of a run at work in s-1) with a value, and the values that are right there.

Some doors are tried as somebody who may not, or in a session that is busy: what is right with the value is refused
there for that, and changes nothing either.
"""


WAITING = {"wait", "wait_for timeout", "wait_blocking", "frames after", "frames segment", "attach alive"}
"""The doors at which a right value is waited for, or called."""


async def unwanted(run: Any) -> None:
    """Be an agent that must never be called."""
    raise AssertionError("it was called")


def of_ours(error: BaseException) -> bool:
    """Say whether an error is one of the library's, in one printable sentence of bounded length."""
    text = str(error)
    on_one_line = text.replace("\0", "").isprintable()  # a name that may be there is repeated as it is
    return isinstance(error, LifecycleError) and len(text) <= SENTENCE_CHARS_MAX and on_one_line and "; " in text


@pytest.mark.parametrize("door", ASKS)
async def test_wrong_value_is_one_sentence_and_changes_nothing(memory_stage: Stage, door: str) -> None:
    """Given a runtime with a run at work, when something is asked with a wrong value, then it is one sentence, nothing is

    committed or shown, and nothing hangs; a value of no such type is Invalid.
    """
    stage = memory_stage
    runtime = await stage.open(policy=NO_GRACE, agents={})
    actor = Actor()
    handle = await stage.start(actor, owner="ada", run_id="r-1")
    before, seen, views = stage.value(), len(stage.observed), runtime.sessions()
    ask, right = ASKS[door]
    bad: dict[str, str] = {}
    for what, value in WRONG.items():
        if what in right:
            continue
        try:
            came = ask(runtime, handle, value)
            if asyncio.iscoroutine(came):
                came = await came
            bad[what] = f"was taken: {came!r:.200}"
        except Exception as error:
            typed = isinstance(error, Invalid) or what in TEXT or isinstance(value, int | float)
            if not of_ours(error) or not typed:
                bad[what] = f"{type(error).__name__}: {str(error)[:300]}"
    await stage.settle()
    assert {} == bad
    assert (before, seen, views) == (stage.value(), len(stage.observed), runtime.sessions())
    assert not runtime.is_closed
    actor.returns()


@pytest.mark.parametrize("door", sorted({door for door, (_, right) in ASKS.items() if right} - WAITING))
async def test_right_value_at_the_same_door_is_none_of_the_wrong_ones(memory_stage: Stage, door: str) -> None:
    """Given a door that lets some odd values in, when one of them comes, then it is answered like any other, and by no

    error that is not ours.
    """
    stage = memory_stage
    runtime = await stage.open(policy=NO_GRACE, agents={})
    actor = Actor()
    handle = await stage.start(actor, owner="ada", run_id="r-1")
    ask, right = ASKS[door]
    for what in right:
        try:
            came = ask(runtime, handle, WRONG[what])
            if asyncio.iscoroutine(came):
                await came
        except LifecycleError as error:
            assert of_ours(error), what
    await stage.settle()
    assert "running" == handle.state
    actor.returns()
    await stage.settle()


IN_CODE: dict[str, tuple[Callable[[Any, Any], Any], tuple[str, ...]]] = {
    "emit": (lambda run, v: run.emit(v), JSON),
    "ask": (lambda run, v: run.ask(v), ()),
    "ask text": (lambda run, v: run.ask(FreeText(v)), ("a very long text", *NAME)),
    "ask id": (lambda run, v: run.ask(FreeText("?", id=v)), (*NOTHING, *NAME)),
    "ask expiry": (
        lambda run, v: run.ask(FreeText("?", expiry_seconds=v)),
        (*NOTHING, "beyond all numbers", "below zero"),
    ),
    "ask on_expiry": (lambda run, v: run.ask(FreeText("?", on_expiry=v)), NOTHING),
    "ask deciders": (lambda run, v: run.ask(FreeText("?", deciders=v)), ("an empty list", "an empty dict")),
    "ask options": (lambda run, v: run.ask(Choice("?", options=v)), ()),
    "ask an option": (lambda run, v: run.ask(Choice("?", options=(v,))), ("a very long text", *NAME)),
    "ask url": (lambda run, v: run.ask(SignIn("?", url=v)), ("an empty text", "a very long text", *NAME)),
    "ask args": (lambda run, v: run.ask(Approval("?", args=v)), JSON),
    "checkpoint": (lambda run, v: run.checkpoint(v), JSON),
    "complete": (lambda run, v: run.complete(v), (*JSON, "ten megabytes")),
    "park": (lambda run, v: run.settle(Park(1, v)), ("an empty list", "an empty dict")),
    "park checkpoint": (lambda run, v: run.settle(Park(v, FreeText("?"))), JSON),
}
"""What an agent's code does with a value, and the values that are right there."""


@pytest.mark.parametrize("door", IN_CODE)
async def test_wrong_value_in_the_code_is_one_sentence_and_changes_nothing(memory_stage: Stage, door: str) -> None:
    """Given an agent at work, when it hands over a wrong value, then it gets one sentence, and the run goes on."""
    stage = memory_stage
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    before, seen = stage.value(), len(stage.observed)
    act, right = IN_CODE[door]
    bad: dict[str, str] = {}
    for what, value in WRONG.items():
        if what in right:
            continue

        async def tried(run: Any, value: Any = value) -> Any:
            came = act(run, value)
            return await came if asyncio.iscoroutine(came) else came

        told = actor.tell(tried)
        await stage.settle()
        if not told.done or told.error is None:
            bad[what] = f"was taken: {told.done}"
            break
        if not of_ours(told.error) or not (isinstance(told.error, Invalid) or what in TEXT):
            bad[what] = f"{type(told.error).__name__}: {str(told.error)[:300]}"
    assert {} == bad
    assert (before, seen, "running") == (stage.value(), len(stage.observed), handle.state)
    actor.returns()
    await stage.settle()
    assert "ready" == handle.state


def policies() -> list[str]:
    """Return the names of a policy's fields."""
    return [field.name for field in attrs.fields(Policy)]


FINE: dict[str, tuple[str, ...]] = {
    "orphan_grace_seconds": NOTHING,
    "request_expiry_seconds": NOTHING,
    "admins": ("an empty list", "an empty dict"),
}
"""The values that are right in a field."""


@pytest.mark.parametrize("field", [f"policy {name}" for name in policies()] + [
    f"limits {one.name}" for one in attrs.fields(Limits)
])  # fmt: skip
def test_wrong_field_is_one_sentence(field: str) -> None:
    """Given a policy or limits with a wrong value in a field, when a runtime is made with it, then it is Invalid."""
    kind, _, name = field.partition(" ")
    bad: dict[str, str] = {}
    for what, value in WRONG.items():
        if what in FINE.get(name, ()):
            continue
        made = {"policy": Policy, "limits": Limits}[kind](**{name: value})
        try:
            Tracker(MemoryStore(), **{kind: made})
            bad[what] = "was taken"
        except Exception as error:
            if not of_ours(error) or not isinstance(error, Invalid):
                bad[what] = f"{type(error).__name__}: {str(error)[:300]}"
    assert {} == bad


MADE: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "store": (Tracker, ()),
    "policy": (lambda v: Tracker(MemoryStore(), policy=v), NOTHING),
    "limits": (lambda v: Tracker(MemoryStore(), limits=v), NOTHING),
    "clock": (lambda v: Tracker(MemoryStore(), clock=v), NOTHING),
    "kernel": (lambda v: Tracker(MemoryStore(), kernel=v), ()),
    "agents": (lambda v: Runtime(MemoryStore(), agents=v), ("None", "an empty dict", "a class")),
    "an agent": (lambda v: Runtime(MemoryStore(), agents={"name": v}), ()),
    "virtual clock": (VirtualClock, ()),
}
"""What is made with a value, and the values that are right there."""


@pytest.mark.parametrize("what", MADE)
def test_wrong_value_makes_nothing(what: str) -> None:
    """Given a wrong value for what a runtime or a clock is made of, then it is Invalid there and then."""
    make, right = MADE[what]
    bad: dict[str, str] = {}
    for name, value in WRONG.items():
        if name in right:
            continue
        try:
            make(value)
            bad[name] = "was taken"
        except Exception as error:
            if not of_ours(error) or not isinstance(error, Invalid):
                bad[name] = f"{type(error).__name__}: {str(error)[:300]}"
    assert {} == bad


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("what", [one for one in WRONG if one != "None"])
def test_wrong_path_is_one_sentence_and_makes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, read_only: bool
) -> None:
    """Given what is no path, when a store is opened there, then it is one sentence, and no file is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LifecycleError) as error:
        SQLiteStore(WRONG[what], read_only=read_only)
    assert of_ours(error.value)
    assert [] == os.listdir(tmp_path)


def test_end_of_a_run_is_no_handle() -> None:
    """Given the record of an end where a handle is wanted, then that is said without reading it aloud."""
    end = RunEnd("r-1", "ready", "completed", "agent", "x" * 10_000, ["x" * 10_000])
    runtime = Tracker(MemoryStore())
    with pytest.raises(Invalid) as error:
        asyncio.run(runtime.begin(end))  # type: ignore[arg-type]
    assert of_ours(error.value)


async def test_request_from_another_event_loop_is_refused(stage: Stage) -> None:
    """Given a server that calls from a thread with a loop of its own, then nothing happens there, and it is told how to.

    Two loops at work on one session would be two writers without a lock.
    """
    runtime = await stage.open()
    handle = await stage.start(Actor())
    before = stage.value()
    told: list[BaseException] = []

    async def asking() -> None:
        for ask in (handle.abort, lambda: runtime.start(Actor(), session="s-2", name="agent")):
            try:
                await ask()
            except Refused as refused:
                told.append(refused)

    await asyncio.to_thread(lambda: asyncio.run(asking()))
    assert ["runtime: it is at work on another event loop; use asyncio.run_coroutine_threadsafe"] * 2 == [
        str(one) for one in told
    ]
    assert (before, ["s-1"]) == (stage.value(), [view.id for view in runtime.sessions()])

    def from_a_thread() -> object:
        return asyncio.run_coroutine_threadsafe(handle.abort(), loop).result(HANG_SECONDS)

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(from_a_thread)
    assert "interrupted" == handle.state
