"""Signals: how code learns that its run has ended, by asking, waiting, blocking or being called."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from lifecycle import Approval, RunAborted
from lifecycle.runtime.controllers import Controller, Controllers

from .stage import HANG_SECONDS, Actor, Stage, turns, until


def test_controller_signals_once_and_keeps_its_first_cause() -> None:
    """Given a controller, when it is aborted twice, then its listeners are called for the first cause only."""
    controller = Controller("r-1", 1)
    controller.signal.add_listener(lambda cause: None)
    assert (None, False, "registered") == (controller.signal.cause, controller.signal.aborted, controller.state)
    controller.signal.check()
    assert 1 == len(controller.abort("aborted"))
    assert [] == controller.abort("deadline")
    assert ("aborted", "signalled") == (controller.signal.cause, controller.state)
    with pytest.raises(RunAborted, match="r-1"):
        controller.signal.check()
    controller.evict()
    assert ([], "evicted") == (controller.abort("aborted"), controller.state)


def test_registry_evicts_the_very_controller() -> None:
    """Given a controller that was replaced, when the old one is evicted, then the new one stays."""
    registry = Controllers()
    old = registry.register("s", "r", 1)
    assert old is registry.register("s", "r", 1)
    new = registry.register("s", "r", 2)
    registry.evict("s", "r", 1)
    assert (new, 1) == (registry.get("s", "r"), len(registry))
    registry.evict("s", "r", 2)
    registry.evict("s", "r", 2)
    assert (None, 0) == (registry.get("s", "r"), len(registry))


async def test_listener_is_called_once_with_the_cause(stage: Stage) -> None:
    """Given listeners, then each is called once, at the end; one added later at once; one that was removed never."""
    runtime = await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    heard: list[tuple[str, str]] = []
    signal = handle.signal
    assert signal is not None
    signal.add_listener(lambda cause: heard.append(("first", cause)))
    remove = signal.add_listener(lambda cause: heard.append(("removed", cause)))
    remove()
    remove()
    signal.remove_listener(print)
    await handle.abort()
    assert [("first", "aborted")] == heard
    signal.add_listener(lambda cause: heard.append(("late", cause)))()
    assert [("first", "aborted"), ("late", "aborted")] == heard
    await stage.settle()
    assert (None, 0) == (handle.signal, len(runtime.controllers))


async def test_listener_that_raises_disturbs_nobody(stage: Stage) -> None:
    """Given a listener that raises, then the run has ended all the same, other listeners are called, it is counted."""
    runtime = await stage.open()
    handle = await stage.start(Actor())
    heard: list[str] = []

    def raises(cause: str) -> None:
        raise ZeroDivisionError

    assert handle.signal is not None
    handle.signal.add_listener(raises)
    handle.signal.add_listener(heard.append)
    await handle.abort()
    await stage.settle()
    assert (["aborted"], "interrupted", 1) == (heard, handle.state, runtime.counters["observer_errors"])


async def test_listener_that_removes_itself_or_another_is_fine(stage: Stage) -> None:
    """Given a listener that removes others while it is called, then nothing breaks."""
    await stage.open()
    handle = await stage.start(Actor())
    signal = handle.signal
    assert signal is not None
    removers: list[Any] = []
    removers.append(signal.add_listener(lambda cause: [remove() for remove in removers]))
    removers.append(signal.add_listener(lambda cause: None))
    await handle.abort()
    assert signal.aborted


async def test_signal_is_awaited_before_and_after_the_end(stage: Stage) -> None:
    """Given those who await the signal, before or after the end, then all get the cause; one that gives up leaves none."""
    await stage.open()
    handle = await stage.start(Actor())
    signal = handle.signal
    assert signal is not None
    waiting = [asyncio.ensure_future(signal.wait()) for _ in range(3)]
    await turns()
    waiting[2].cancel()
    await turns(2)
    await handle.abort()
    assert ["aborted", "aborted", "aborted"] == [await waiting[0], await waiting[1], await signal.wait()]


async def test_signal_is_waited_for_in_a_thread(stage: Stage) -> None:
    """Given plain code that waits for its signal, then it is woken at the end, and one that comes later at once."""
    await stage.open()
    seen: list[Any] = []
    began = threading.Event()

    def agent(run: Any) -> None:
        seen.append(run.signal.wait_blocking(0))
        began.set()
        seen.append(run.signal.wait_blocking(HANG_SECONDS))
        seen.append(run.signal.wait_blocking(0))
        seen.append(run.signal.cause)
        seen.append(run.emit("late"))

    handle = await stage.admit(agent)
    await until(began.is_set)
    await handle.abort()
    await until(lambda: len(seen) == 5)
    assert [False, True, True, "aborted", False] == seen


async def test_signal_of_every_kind_of_end_names_its_cause(stage: Stage) -> None:
    """Given ends of all kinds, then the signal that the code holds says why."""
    runtime = await stage.open()
    causes = []
    ways: list[Any] = [
        lambda handle: handle.abort(),
        lambda handle: runtime.abort_session(handle.session),
        lambda handle: runtime.close_session(handle.session),
        lambda handle: runtime.provider_reported(handle.session, "gone"),
        lambda handle: stage.admit(Actor(), session=handle.session, when_busy="interrupt"),
        lambda handle: stage.pass_time(50),
    ]
    for place, way in enumerate(ways):
        actor = Actor()
        handle = await stage.start(actor, session=f"s-{place}", deadline_seconds=50)
        await way(handle)
        await stage.settle()
        causes.append(actor.run.signal.cause)
    assert ["aborted", "aborted", "closed", "provider_gone", "superseded", "deadline"] == causes


async def test_signal_is_one_for_all_attempts_to_look_at_it(stage: Stage) -> None:
    """Given a run, then handle, grant and registry show one signal, the same one again after it parked."""
    runtime = await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    first = actor.run.signal
    assert first is handle.signal is runtime.signal("s-1", handle.id)
    actor.parks(1, Approval("?", id="q"))
    await stage.settle()
    assert first is handle.signal
    await handle.abort()
    assert ("aborted", None) == (first.cause, handle.signal)
