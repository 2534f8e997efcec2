"""Agents: what may be one, and what becomes of the run when one misbehaves."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle import (
    Approval,
    Busy,
    Choice,
    FreeText,
    Invalid,
    LifecycleError,
    Limits,
    Park,
    Policy,
    RunAborted,
    answer,
    approve,
    hooks,
)
from lifecycle.kernel.replies import AlreadyEnded

from .stage import HANG_SECONDS, NO_GRACE, Actor, Stage, gathered, said, turns, until

# -- what may be one --------------------------------------------------------------------------------------------------


async def on_the_loop(run: Any) -> Any:
    return run.input


def in_a_thread(run: Any) -> Any:
    return run.input


class Async:
    async def __call__(self, run: Any) -> Any:
        return run.input


class Sync:
    def __call__(self, run: Any) -> Any:
        return run.input

    def method(self, run: Any) -> Any:
        return run.input

    async def async_method(self, run: Any) -> Any:
        return run.input


async def with_more(prefix: Any, run: Any, suffix: Any = None) -> Any:
    return run.input


def with_options(run: Any, *, loud: bool = False) -> Any:
    return run.input


@functools.wraps(on_the_loop)
def wrapped(run: Any) -> Any:
    """Be a plain function that hides a coroutine function: what it returns has to be awaited all the same."""
    return on_the_loop(run)


@functools.wraps(in_a_thread)
async def hurried(run: Any) -> Any:
    """Be a coroutine function that wraps a plain one: it belongs on the loop."""
    return in_a_thread(run)


GOOD: dict[str, Any] = {
    "coroutine function": on_the_loop,
    "function": in_a_thread,
    "object with async call": Async(),
    "object with call": Sync(),
    "bound method": Sync().method,
    "bound async method": Sync().async_method,
    "partial of a coroutine function": functools.partial(with_more, "prefix"),
    "partial of a function": functools.partial(with_options, loud=True),
    "partial of an object": functools.partial(Sync()),
    "lambda": lambda run: run.input,
    "keyword with a default": with_options,
    "decorated coroutine function": wrapped,
    "function decorated by a coroutine function": hurried,
}


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("named", [True, False], ids=["named", "by its own name"])
async def test_agent_may_be_whatever_takes_the_run(stage: Stage, kind: str, named: bool) -> None:
    """Given anything that can be called with the run, on the loop or in a thread, then what it returns is the result."""
    await stage.open()
    choices = {} if named else {"name": None}
    handle = await stage.admit(GOOD[kind], {"n": 1}, **choices)
    end = await handle.wait()
    assert ("ready", "completed", {"n": 1}) == (end.state, end.cause, end.result)


def two_arguments(run: Any, more: Any) -> None: ...


def no_argument() -> None: ...


async def generates(run: Any) -> Any:
    yield 1


def generates_plainly(run: Any) -> Any:
    yield 1


class Generates:
    def __call__(self, run: Any) -> Any:
        yield run


BAD: dict[str, Any] = {
    "text": "module:agent",
    "nothing": None,
    "class": Async,
    "async generator": generates,
    "generator": generates_plainly,
    "generator at work": generates_plainly(None),
    "object that generates": Generates(),
    "partial of a generator": functools.partial(generates),
    "two arguments": two_arguments,
    "no argument": no_argument,
    "partial with all its arguments": functools.partial(in_a_thread, 1),
}


@pytest.mark.parametrize("kind", BAD)
async def test_agent_that_is_none_is_refused_by_name_before_anything_happens(stage: Stage, kind: str) -> None:
    """Given what cannot be called with the run or gives no result, then it is Invalid, and no session was opened."""
    runtime = await stage.open()
    with pytest.raises(Invalid) as error:
        await stage.admit(BAD[kind], name="agent")
    assert "agent" in error.value.subject
    assert [] == runtime.sessions()
    with pytest.raises(Invalid):
        runtime.register(BAD[kind], "agent")
    with pytest.raises(Invalid):
        await runtime.start(BAD[kind], session="s-1")


async def test_agent_called_is_the_one_that_was_started(stage: Stage) -> None:
    """Given several agents that go by one name, when runs of each are started at once, then each run calls its own."""
    await stage.open()

    async def body(number: int, run: Any) -> int:
        return number

    def made(number: int) -> Callable[[Any], Any]:
        async def agent(run: Any) -> int:
            return number

        return agent

    partials = [functools.partial(body, number) for number in range(5)]
    closures = [made(number) for number in range(5)]
    for several in (partials, closures):
        handles = [
            await stage.runtime.start(agent, session=f"s-{place % 2} {type(several[0])}")
            for place, agent in enumerate(several)
        ]
        await stage.settle()
        assert list(range(5)) == [one.end().result for one in handles]


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("broken"), TypeError("no"), Invalid("a", "b", "c")])
async def test_agent_that_cannot_be_found_leaves_the_run_waiting(stage: Stage, error: Exception) -> None:
    """Given a resolver that raises whatever it likes, then the run is acknowledged, waits, and can be aborted."""

    def find(name: str) -> Any:
        raise error

    runtime = await stage.open(agents=find, policy=NO_GRACE)
    handle = await runtime.admit("nobody", session="s-1")
    other = await stage.start(Actor(), session="s-2")
    await stage.pass_time(10)
    assert ("starting", "running") == (handle.state, other.state)
    await handle.abort()
    assert "interrupted" == handle.state


async def test_agent_is_found_by_its_name(stage: Stage) -> None:
    """Given a run admitted by the name of a module's function, then that is imported and called; what no import leads to
    (an object's arguments are in no name) waits until it is handed over.
    """
    runtime = await stage.open()
    handle = await runtime.admit(f"{__name__}:in_a_thread", 5, session="s-1")
    made = await runtime.admit(f"{__name__}:Async", 6, session="s-2")
    odd = await runtime.admit("functools:partial", 7, session="s-3")
    none = await runtime.admit("no:colon:module", 8, session="s-4")
    assert 5 == (await handle.wait()).result
    await stage.settle()
    assert ("starting", "starting", "starting") == (made.state, odd.state, none.state)
    runtime.register(Async(), f"{__name__}:Async")
    assert 6 == (await made.wait()).result


# -- what it does wrong -----------------------------------------------------------------------------------------------


async def test_agent_that_raises_fails_its_run(stage: Stage) -> None:
    """Given code that raises, then its run is in error, says what was raised and nothing more, and the queue goes on."""
    await stage.open()
    for error, text in (
        (ValueError("no such file"), "ValueError: no such file"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (Invalid("a", "b", "c"), "a: b; c"),
        (TimeoutError(), "TimeoutError"),
        (StopAsyncIteration(1), "StopAsyncIteration: 1"),
        (BaseException("odd"), "BaseException: odd"),
    ):
        actor = Actor()
        handle = await stage.admit(actor)
        actor.raises(error)
        end = await handle.wait()
        assert ("error", "failed", "agent", text, None) == (end.state, end.cause, end.who, end.text, end.result)
    assert "error" == stage.runtime.show("s-1").state


async def test_agent_in_a_thread_that_raises_fails_its_run(stage: Stage) -> None:
    """Given plain code that raises, even what ends a process, then its run is in error, and the process goes on."""
    await stage.open()
    for error in (ValueError("no such file"), SystemExit(3), KeyboardInterrupt()):

        def agent(run: Any, error: BaseException = error) -> None:
            raise error

        end = await (await stage.admit(agent)).wait()
        assert ("error", "failed") == (end.state, end.cause)
        assert type(error).__name__ in end.text


NONSENSE: dict[str, Any] = {
    "an object": lambda: object(),
    "a set": lambda: {1, 2},
    "bytes": lambda: b"x",
    "not a number": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "half a character": lambda: "\ud800",
    "a circle": lambda: (lambda made: made.append(made) or made)([]),
    "a coroutine": lambda: on_the_loop(None),
    "a generator": lambda: generates_plainly(None),
    "an async generator": lambda: generates(None),
    "a function": lambda: in_a_thread,
    "too much": lambda: "x" * 1_100_000,
    "mixed keys": lambda: {1: 1, "a": 2},
    "deep": lambda: functools.reduce(lambda inner, _: [inner], range(100_000), []),
    "as deep as can be written and not be read": lambda: functools.reduce(lambda inner, _: [inner], range(985), []),
}


@pytest.mark.parametrize("what", NONSENSE)
@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_agent_that_returns_nonsense_fails_its_run(stage: Stage, what: str, thread: bool) -> None:
    """Given code that returns what is no JSON, or too much of it, then its run is in error with a sentence about that."""
    await stage.open()

    async def on_loop(run: Any) -> Any:
        return NONSENSE[what]()

    def in_thread(run: Any) -> Any:
        return NONSENSE[what]()

    end = await (await stage.admit(in_thread if thread else on_loop)).wait()
    assert ("error", "failed", None) == (end.state, end.cause, end.result)
    assert end.text
    assert len(end.text) < 500


async def test_agent_that_never_yields_is_named(memory_stage: Stage) -> None:
    """Given a coroutine that blocks the loop, when that lasts, then a watchdog says which run, and where it stands."""
    await memory_stage.open(limits=Limits(loop_stall_seconds=0.05))
    named = threading.Event()
    told: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            named.set()

    async def agent(run: Any) -> str:
        assert named.wait(HANG_SECONDS), "nobody named it"
        return "done"

    handler = Handler()
    logging.getLogger("lifecycle").addHandler(handler)
    try:
        handle = await memory_stage.admit(agent, run_id="r-blocks")
        assert "done" == (await handle.wait()).result
    finally:
        logging.getLogger("lifecycle").removeHandler(handler)
    assert 1 == len(told)
    assert "r-blocks" in told[0]
    assert "threading.py" in told[0] or "test_agents.py" in told[0]


async def test_agent_that_swallows_cancellation_cannot_stop_the_session(stage: Stage) -> None:
    """Given code that swallows every cancellation, when its session is closed, then it is abandoned and nothing is left."""
    runtime = await stage.open()
    actor = Actor(stubborn=True)
    await stage.start(actor)
    await runtime.close_session("s-1")
    await stage.pass_time(10)
    assert (1, 0, 0) == (runtime.counters["abandoned"], len(runtime.controllers), len(runtime.timers))
    actor.returns("late")
    await stage.settle()
    assert "stopped" == runtime.show("s-1").state


async def test_agent_that_cancels_itself_has_failed(stage: Stage) -> None:
    """Given code whose task is cancelled by somebody else, then its run has failed: nobody aborted it."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    next(task for task in asyncio.all_tasks() if task.get_name().startswith("run ")).cancel()
    end = await handle.wait()
    assert ("error", "failed") == (end.state, end.cause)
    assert "cancelled" in end.text


async def test_agent_that_emits_after_its_end_is_told_so_and_counted(stage: Stage) -> None:
    """Given code whose run has ended, when it emits, then it is told no, the frame is dropped, and that is counted."""
    runtime = await stage.open()
    actor = Actor(stubborn=True)
    handle = await stage.start(actor)
    actor.emit("before")
    await stage.settle()
    await handle.abort()
    told = actor.emit("after", "and again")
    await stage.settle()
    assert ([False, False], 2) == (told.value, runtime.counters["late_frames"])
    assert ["before", (1, "interrupted")] == said(await gathered(handle.frames()))
    actor.stubborn = False
    actor.returns()


async def test_agent_that_asks_or_keeps_after_its_end_is_aborted(stage: Stage) -> None:
    """Given code whose run has ended, when it asks or keeps a checkpoint, then RunAborted is raised, with the cause."""
    runtime = await stage.open()
    actor = Actor(stubborn=True)
    handle = await stage.start(actor)
    await handle.abort()
    await stage.settle()
    asked, kept = actor.tell(lambda run: run.ask(Approval("?"))), actor.checkpoint(1)
    checked = actor.tell(lambda run: run.signal.check())
    await stage.settle()
    for told in (asked, kept, checked):
        assert isinstance(told.error, RunAborted)
        assert "aborted" == told.error.cause
    assert runtime.counters["stale"] >= 2
    actor.stubborn = False
    actor.returns()


FRAMES: dict[str, tuple[type[LifecycleError], Any]] = {
    "an object": (Invalid, object()),
    "not a number": (Invalid, float("nan")),
    "half a character": (Invalid, "\ud800"),
    "too large": (Busy, "x" * 66_000),
    "too large in bytes": (Busy, "ß" * 40_000),
}


@pytest.mark.parametrize("what", FRAMES)
@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_agent_that_emits_what_cannot_be_is_told_at_once(stage: Stage, what: str, thread: bool) -> None:
    """Given a frame that is no JSON or too large, then emit raises, the run goes on, and no number was used up."""
    await stage.open()
    kind, frame = FRAMES[what]
    seen: list[Any] = []

    def body(run: Any) -> str:
        run.emit("first")
        try:
            run.emit(frame)
        except LifecycleError as error:
            seen.append(error)
        run.emit("second")
        return "done"

    async def on_loop(run: Any) -> str:
        return body(run)

    handle = await stage.admit(body if thread else on_loop)
    assert "done" == (await handle.wait()).result
    assert [kind] == [type(one) for one in seen]
    if kind is Busy:
        assert ("frame_bytes_max", 65_536) == (seen[0].limit, seen[0].bound)
    assert [("first", 1), ("second", 2), 2] == [
        (item.data, item.seq) if hasattr(item, "data") else item.seq for item in await gathered(handle.frames())
    ]


ODD_QUESTIONS: dict[str, Any] = {
    "no question": "Delete?",
    "nothing": None,
    "no text": Approval(""),
    "text that is none": Approval(5),  # type: ignore[arg-type]
    "arguments that are no JSON": Approval("?", args={1, 2}),
    "too large": FreeText("x" * 70_000),
    "no time": Approval("?", expiry_seconds=0),
    "a time gone by": Approval("?", expiry_seconds=-5),
    "not a number": Approval("?", expiry_seconds=float("nan")),
    "no such policy": Approval("?", on_expiry="nonsense"),
    "half a character": Approval("\ud800"),
    "a name that is none": Approval("?", id=5),  # type: ignore[arg-type]
    "deciders that are no names": Approval("?", deciders=(42,)),  # type: ignore[arg-type]
    "deciders that are the letters of a name": Approval("?", deciders="bob"),  # type: ignore[arg-type]
    "a choice of nothing": Choice("?"),
    "options that are no texts": Choice("?", options=(1, 2)),  # type: ignore[arg-type]
    "options twice": Choice("?", options=("a", "a")),
}


@pytest.mark.parametrize("what", ODD_QUESTIONS)
async def test_agent_that_asks_nonsense_is_told_at_once(stage: Stage, what: str) -> None:
    """Given what is no question, then ask raises, nobody is asked, and the run goes on; parking on it fails the run."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor)
    told = actor.tell(lambda run: run.ask(ODD_QUESTIONS[what]))
    await stage.settle()
    assert isinstance(told.error, Invalid | Busy)
    assert ("running", []) == (handle.state, stage.hooks(hooks.ShowRequest))
    actor.returns(Park(1, (ODD_QUESTIONS[what],)))
    end = await handle.wait()
    assert ("error", "failed") == (end.state, end.cause)


PARKS: dict[str, Callable[[], Any]] = {
    "on nothing": lambda: Park(1, ()),
    "on two of one id": lambda: Park(1, (Approval("A", id="q"), Approval("B", id="q"))),
    "on what was answered": lambda: Park(1, (FreeText("Name?", id="name"),)),
    "on other content": lambda: Park(1, (FreeText("Other?", id="name"),)),
    "on too many": lambda: Park(1, tuple(FreeText("?", id=f"q{number}") for number in range(5))),
    "with a checkpoint that is no JSON": lambda: Park({1}, (Approval("?", id="q"),)),
    "with a checkpoint that is too large": lambda: Park("x" * 1_100_000, (Approval("?", id="q"),)),
    "on a text": lambda: Park(1, "Delete?"),  # type: ignore[arg-type]
    "on a number": lambda: Park(1, 5),  # type: ignore[arg-type]
    "without a call": lambda: Park,
}


@pytest.mark.parametrize("how", PARKS)
async def test_agent_that_parks_wrongly_fails_its_run(stage: Stage, how: str) -> None:
    """Given code that parks on nothing, on what it knows, or on nonsense, then its run is in error, and says why."""
    await stage.open(policy=Policy(requests_max=4))
    actor = Actor()
    handle = await stage.start(actor)
    actor.ask(FreeText("Name?", id="name"))
    await stage.settle()
    await handle.decide("name", answer("ada"))
    try:
        actor.returns(PARKS[how]())
    except Exception:  # refused when it is made is as good
        actor.raises(ValueError("no park"))
    end = await handle.wait()
    assert ("error", "failed", ()) == (end.state, end.cause, handle.requests)
    assert end.text
    await stage.settle()
    assert 1 == len(actor.grants)


async def test_agent_may_answer_before_it_returns(stage: Stage) -> None:
    """Given code that reports its answer, then the run is ready at once; the code may unwind, and the next run waits."""
    await stage.open()
    actor, following = Actor(), Actor()
    handle = await stage.start(actor)
    second = await stage.start(following)
    told = actor.tell(lambda run: run.complete({"n": 1}))
    await stage.settle()
    assert (True, None) == (told.done, told.error)
    assert ("ready", {"n": 1}) == (handle.state, handle.end().result)  # type: ignore[union-attr]
    assert "starting" == second.state
    unwinding = actor.tell(lambda run: turns(5))
    actor.returns("something else")
    await until(lambda: following.called)
    assert (True, None, {"n": 1}) == (unwinding.done, unwinding.error, handle.end().result)  # type: ignore[union-attr]
    following.tell(lambda run: run.fail("it broke"))
    await stage.settle()
    assert ("error", "it broke") == (second.state, second.end().text)  # type: ignore[union-attr]
    following.returns()


async def test_agent_gets_what_was_given(stage: Stage) -> None:
    """Given input of any kind, then the code gets it decoded, with the names of its run, and a checkpoint of its own."""
    await stage.open()
    for number, given in enumerate(({"a": [1, None, "ß"]}, [], "", 0, None, False, 1.5)):
        actor = Actor()
        await stage.start(actor, given, key=f"k-{number}", owner="ada", run_id=f"r-{number}")
        run = actor.run
        assert (given, f"r-{number}", f"k-{number}", "ada", "s-1", 1, None, {}) == (
            run.input,
            run.id,
            run.key,
            run.owner,
            run.session,
            run.attempt,
            run.checkpoint_data,
            run.answers,
        )
        told = actor.checkpoint({"at": number})
        await stage.settle()
        assert (True, {"at": number}) == (told.done, run.checkpoint_data)
        actor.returns(given)
        await stage.settle()


async def test_sync_agent_asks_and_keeps_and_emits_like_any_other(stage: Stage) -> None:
    """Given plain code, then it asks and blocks, emits, keeps checkpoints, and sees its answers and its signal."""
    await stage.open(policy=NO_GRACE)
    seen: list[Any] = []

    def agent(run: Any) -> Any:
        seen.append((run.id, run.session, run.key, run.owner, run.attempt, run.input, run.checkpoint_data))
        assert run.emit("before")
        given = run.ask(Approval("Delete?", id="q", args=[1]))
        seen.append((given.approved, given.value, list(run.answers), run.signal.aborted))
        run.checkpoint({"at": 1})
        seen.append((run.checkpoint_data, run.answers))
        run.emit("after")
        return "done"

    handle = await stage.admit(agent, "input", run_id="r-1", key="k", owner="ada")
    await handle.wait_for("waiting_for_human")
    await handle.decide("q", approve(), by="ada")
    assert "done" == (await handle.wait()).result
    assert [
        ("r-1", "s-1", "k", "ada", 1, "input", None),
        (True, [1], ["q"], False),
        ({"at": 1}, {}),
    ] == seen
    assert ["before", (1, "waiting_for_human"), "after", (2, "ready")] == said(await gathered(handle.follow()))


async def test_sync_agent_parks(stage: Stage) -> None:
    """Given plain code that parks, then its thread is gone, and the decision calls it again, in another."""
    await stage.open(policy=NO_GRACE)

    def agent(run: Any) -> Any:
        return "done" if run.answers else Park(1, Approval("?", id="q"))  # type: ignore[arg-type]

    handle = await stage.admit(agent)
    await handle.wait_for("waiting_for_human")
    await until(lambda: not [one for one in threading.enumerate() if one.name.startswith("run ")])
    await handle.decide("q", approve())
    assert "done" == (await handle.wait()).result


async def test_abort_of_an_ended_run_by_its_agent_changes_nothing(stage: Stage) -> None:
    """Given code that has answered, when it aborts its own run, then it is told how that ended."""
    await stage.open()
    actor = Actor(stubborn=True)
    handle = await stage.start(actor)
    actor.tell(lambda run: run.complete(1))
    told = actor.tell(lambda run: handle.abort())
    await stage.settle()
    assert isinstance(told.value, AlreadyEnded)
    actor.returns()


class Unspeakable(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


ERRORS: dict[str, BaseException] = {
    "a file name that is no text": FileNotFoundError(2, "No such file", "caf\udce9.txt"),
    "half a character": ValueError("\ud800"),
    "ten megabytes": ValueError("x" * 10_000_000),
    "control characters": ValueError("\x00\x1b[31m\n"),
    "no words": Unspeakable(),
    "a group": ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
    "a group in a group in a group": functools.reduce(
        lambda inner, _: ExceptionGroup("one", [inner]), range(5_000), ExceptionGroup("none", [Unspeakable()])
    ),
}


@pytest.mark.parametrize("what", ERRORS)
@pytest.mark.parametrize("thread", [False, True], ids=["loop", "thread"])
async def test_agent_that_raises_what_cannot_be_told_fails_its_run(stage: Stage, what: str, thread: bool) -> None:
    """Given an error whose text cannot be kept, is endless, or cannot even be made, then the run has failed all the same,

    with a text of bearable length, and the next one begins.
    """
    runtime = await stage.open()

    async def on_loop(run: Any) -> None:
        raise ERRORS[what]

    def in_thread(run: Any) -> None:
        raise ERRORS[what]

    handle = await stage.admit(in_thread if thread else on_loop)
    following = Actor()
    second = await stage.admit(following)
    end = await asyncio.wait_for(handle.wait(), 5)
    assert ("error", "failed") == (end.state, end.cause)
    assert end.text
    assert len(end.text) < 100_000
    end.text.encode()
    await stage.settle()
    assert (0, "running") == (runtime.counters["commits_failed"], second.state)
    following.returns()


async def test_agent_whose_tasks_fail_says_what_each_of_them_raised(stage: Stage) -> None:
    """Given an agent that works in a task group, when tasks of it fail, then the run's end names their errors.

    That there were two would help nobody.
    """
    await stage.open()

    async def fails(error: Exception) -> None:
        raise error

    async def agent(run: Any) -> None:
        async with asyncio.TaskGroup() as tools:
            tools.create_task(fails(TimeoutError("the model is silent")))
            tools.create_task(fails(Invalid("a", "is none", "use b")))

    end = await (await stage.admit(agent)).wait()
    assert ("error", "TimeoutError: the model is silent; a: is none; use b") == (end.state, end.text)


TEXTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "abort": lambda runtime, handle, actor: handle.abort(text="\ud800"),
    "endless abort": lambda runtime, handle, actor: handle.abort(text="x" * 10_000_000),
    "abort of the session": lambda runtime, handle, actor: runtime.abort_session("s-1", text="\ud800"),
    "close of the session": lambda runtime, handle, actor: runtime.close_session("s-1", text="\ud800"),
    "provider": lambda runtime, handle, actor: runtime.provider_reported("s-1", "error", text="\ud800"),
    "failure": lambda runtime, handle, actor: actor.run.fail("\ud800"),
    "raised": lambda runtime, handle, actor: actor.run.settle_failed("\ud800"),
    "failure that is an error": lambda runtime, handle, actor: actor.run.fail(ValueError("no such file")),
    "raised, as a dict": lambda runtime, handle, actor: actor.run.settle_failed({"code": 5}),
    "provider, as a dict": lambda runtime, handle, actor: runtime.provider_reported("s-1", "error", text={"code": 5}),
    "endless": lambda runtime, handle, actor: actor.run.fail("x" * 10_000_000),
    "endless provider": lambda runtime, handle, actor: runtime.provider_reported("s-1", "error", text="x" * 10_000_000),
}


@pytest.mark.parametrize("what", TEXTS)
async def test_words_that_cannot_be_kept_block_nothing(stage: Stage, what: str) -> None:
    """Given words that cannot be written down or have no end, in a request or a fact, then they are refused or mended;

    no session waits for ever for a store that will never take them.
    """
    runtime = await stage.open()
    actor = Actor(stubborn=True)
    handle = await stage.start(actor)
    try:
        await asyncio.wait_for(TEXTS[what](runtime, handle, actor), 5)
    except (Invalid, Busy):
        assert "running" == handle.state
    else:
        end = handle.end()
        assert end is not None
        assert len(end.text.encode()) < 100_000
    assert 0 == runtime.counters["commits_failed"]
    actor.stubborn = False
    actor.returns("done")
    await stage.settle()
    await handle.wait()
