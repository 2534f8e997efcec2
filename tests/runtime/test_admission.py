"""Admission: keys, names, what is refused at the border, and what happens to input while a session is busy."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle import (
    Approval,
    Busy,
    Conflict,
    Invalid,
    LifecycleError,
    Limits,
    MemoryStore,
    Policy,
    Runtime,
    Tracker,
    hooks,
)

from .stage import NO_GRACE, ON_THREAD, Actor, Stage

# -- keys -------------------------------------------------------------------------------------------------------------


async def test_fifty_starts_with_one_key_are_one_run(stage: Stage) -> None:
    """Given fifty concurrent starts with one key and content, then one run was admitted, and all have its handle."""
    await stage.open()
    actor = Actor()
    handles = await asyncio.gather(*(stage.admit(actor, {"n": 1}, key="msg-42") for _ in range(50)))
    assert 1 == len({handle.id for handle in handles})
    await stage.settle()
    assert (1, 1) == (len(stage.value().unfinished()), len(actor.grants))
    actor.returns("done")
    ends = await asyncio.gather(*(handle.wait() for handle in handles))
    assert {"done"} == {end.result for end in ends}


async def test_key_names_its_run_after_the_end_and_after_a_restart(stage: Stage) -> None:
    """Given a key whose run has ended, when it comes again, then it is that end, in this process and in the next."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    first = await stage.start(actor, "input", key="k")
    actor.returns("done")
    await stage.settle()
    again = await stage.start(actor, "input", key="k")
    assert (first.id, "done") == (again.id, (await again.wait()).result)
    await stage.crash()
    await stage.open(policy=NO_GRACE)
    once_more = await stage.start(actor, "input", key="k")
    assert (first.id, "done") == (once_more.id, (await once_more.wait()).result)
    assert 1 == len(actor.grants)


@pytest.mark.parametrize("ended", [False, True], ids=["live", "ended"])
@pytest.mark.parametrize("other", ["input", "owner", "agent"])
async def test_key_with_other_content_conflicts(stage: Stage, other: str, ended: bool) -> None:
    """Given a key, when it comes with other input, another owner or agent, then it conflicts, and nothing has changed."""
    await stage.open()
    actor = Actor()
    await stage.start(actor, "input", key="k", owner="ada")
    if ended:
        actor.returns()
        await stage.settle()
    before = stage.value()
    given: dict[str, Any] = {"input": "input", "key": "k", "owner": "ada"}
    agent = Actor() if other == "agent" else actor
    with pytest.raises(Conflict):
        await stage.admit(agent, **(given | ({other: "another"} if other != "agent" else {})))
    assert before == stage.value()


async def test_key_belongs_to_its_session(stage: Stage) -> None:
    """Given one key in two sessions, then it names two runs."""
    await stage.open()
    first = await stage.admit(Actor(), key="k", session="s-1")
    second = await stage.admit(Actor(), key="k", session="s-2")
    assert first.id != second.id


async def test_refused_input_binds_no_key(stage: Stage) -> None:
    """Given a key whose start was refused, when it comes again with other content, then that is admitted."""
    await stage.open()
    await stage.start(Actor())
    with pytest.raises(Busy):
        await stage.admit(Actor(), "one", key="k", when_busy="reject")
    handle = await stage.admit(Actor(), "two", key="k")
    assert "starting" == handle.state


async def test_run_id_is_the_callers_and_names_one_run(stage: Stage) -> None:
    """Given a run id, then the run has it; a second run of that id conflicts, live, ended, and after a restart."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, run_id="r-mine")
    assert "r-mine" == handle.id
    with pytest.raises(Conflict):
        await stage.admit(Actor(), run_id="r-mine")
    actor.returns()
    await stage.settle()
    with pytest.raises(Conflict):
        await stage.admit(Actor(), run_id="r-mine")
    await stage.crash()
    await stage.open(policy=NO_GRACE)
    with pytest.raises(Conflict):
        await stage.admit(Actor(), run_id="r-mine")


# -- while a session is busy ------------------------------------------------------------------------------------------


async def test_input_is_enqueued_and_begun_in_order(stage: Stage) -> None:
    """Given several inputs at once, then each is acknowledged at once, and they run one after another, oldest first."""
    await stage.open()
    actors = [Actor() for _ in range(5)]
    handles = await asyncio.gather(*(stage.admit(actor) for actor in actors))
    for actor in actors:
        actor.returns()
    for handle in handles:
        await handle.wait()
    assert [handle.id for handle in handles] == [hook.run for hook in stage.hooks(hooks.CallCode)]


async def test_queue_is_bounded_by_name(stage: Stage) -> None:
    """Given a full queue, when more comes by any way, then it is Busy with limit and bound, and nothing is aborted."""
    await stage.open(policy=Policy(queue_max=2))
    head = await stage.start(Actor())
    for _ in range(2):
        await stage.start(Actor())
    before = stage.value()
    for way in ("enqueue", "interrupt"):
        with pytest.raises(Busy) as busy:
            await stage.admit(Actor(), when_busy=way)
        assert ("queue_max", 2) == (busy.value.limit, busy.value.bound)
    assert (before, "running") == (stage.value(), head.state)


async def test_input_that_rejects_is_busy(stage: Stage) -> None:
    """Given a busy session, when input comes that is not to wait, then it is Busy; on an idle one it is admitted."""
    await stage.open()
    actor = Actor()
    handle = await stage.start(actor, when_busy="reject")
    with pytest.raises(Busy, match=handle.id):
        await stage.admit(Actor(), when_busy="reject")
    actor.returns()
    await stage.settle()
    await stage.admit(Actor(), when_busy="reject")


async def test_input_that_interrupts_aborts_the_head_and_goes_first(stage: Stage) -> None:
    """Given a head and a queue, when input interrupts, then the head is superseded, and the new one runs before the queue."""
    await stage.open()
    old, queued, new = Actor(), Actor(), Actor()
    head = await stage.start(old)
    waits = await stage.start(queued)
    first = await stage.start(new, when_busy="interrupt")
    assert ("interrupted", "superseded") == (head.state, head.end().cause)  # type: ignore[union-attr]
    assert ("running", "starting") == (first.state, waits.state)
    new.returns()
    queued.returns()
    await stage.settle()
    assert ("ready", "ready") == (first.state, waits.state)


async def test_input_that_may_not_interrupt_is_enqueued(stage: Stage) -> None:
    """Given a head of ada's, when bob's input would interrupt it, then it is enqueued, and ada's run goes on."""
    await stage.open()
    head = await stage.start(Actor(), owner="ada")
    other = await stage.start(Actor(), owner="bob", when_busy="interrupt")
    assert ("running", "starting") == (head.state, other.state)


async def test_input_that_interrupts_code_that_does_not_return_waits_for_it(stage: Stage) -> None:
    """Given code that swallows cancellation, when input interrupts it, then that begins when the old is abandoned."""
    runtime = await stage.open()
    old, new = Actor(stubborn=True), Actor()
    await stage.start(old)
    handle = await stage.start(new, when_busy="interrupt")
    await stage.pass_time(9)
    assert ("starting", []) == (handle.state, new.called)
    await stage.pass_time(1)
    assert ("running", 1) == (handle.state, runtime.counters["abandoned"])
    old.stubborn = False
    old.returns()


# -- what is refused at the border ------------------------------------------------------------------------------------

GOOD_IDS = (
    "s",
    "a b",
    "üñí",
    "日本",
    "🙂",
    "'; DROP TABLE runs; --",
    "../../etc",
    "a/b\\c",
    '"quoted"',
    "%s{0}",
    "x" * 256,
)
BAD_IDS = ("", "\n", "a\nb", "a\tb", "\x00", "a\x00b", "\x1b[31m", "\ud800", "\u202e", "x" * 257, None, 5, b"s")


@pytest.mark.parametrize("name", GOOD_IDS)
async def test_session_id_may_be_anything_printable(stage: Stage, name: str) -> None:
    """Given an odd session id that prints, then a run of it is kept, shown, listed and found again after a restart."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor, session=name)
    actor.parks(1, Approval("?", id="q"))
    await stage.settle()
    await stage.crash()
    runtime = await stage.open(policy=NO_GRACE)
    assert (name, "waiting_for_human") == (runtime.show(name).id, runtime.run(name, handle.id).state)
    assert [name] == [view.id for view in runtime.sessions()]


@pytest.mark.parametrize("name", BAD_IDS, ids=ascii)
async def test_session_id_that_does_not_print_is_refused(stage: Stage, name: Any) -> None:
    """Given a session id that is empty, too long, or does not print, then it is refused in one printable line."""
    runtime = await stage.open()
    with pytest.raises((Invalid, Busy)) as error:
        await stage.admit(Actor(), session=name)
    assert str(error.value).isprintable()
    assert [] == runtime.sessions()


async def test_session_id_that_is_no_text_is_said_to_be_none(stage: Stage) -> None:
    """Given a number for a session id, then it is refused for what it is, not for characters that it does not have."""
    await stage.open()
    with pytest.raises(Invalid, match="session id 5: it is int, no text; use text on one line"):
        await stage.admit(Actor(), session=5)  # type: ignore[arg-type]


WRONG: dict[str, tuple[type[LifecycleError], dict[str, Any]]] = {
    "no JSON": (Invalid, {"input": object()}),
    "no number": (Invalid, {"input": float("nan")}),
    "half a character": (Invalid, {"input": "\ud800"}),
    "too large": (Busy, {"input": "x" * 1_048_576}),
    "ten megabytes": (Busy, {"input": "x" * 10_000_000}),
    "nested too deep": (Invalid, {"input": functools.reduce(lambda inner, _: [inner], range(101), {"a": ()})}),
    "nested beyond counting": (Invalid, {"input": functools.reduce(lambda inner, _: [inner], range(100_000), [])}),
    "no way": (Invalid, {"when_busy": "steer"}),
    "no policy": (Invalid, {"on_crash": "nonsense"}),
    "no time": (Invalid, {"deadline_seconds": 0}),
    "a time gone by": (Invalid, {"deadline_seconds": -1}),
    "a time that is no number": (Invalid, {"deadline_seconds": float("nan")}),
    "no queue time": (Invalid, {"queue_deadline_seconds": 0}),
    "a queue time gone by": (Invalid, {"queue_deadline_seconds": -0.5}),
    "key with half a character": (Invalid, {"key": "\ud800"}),
    "run id with half a character": (Invalid, {"run_id": "\ud800"}),
    "owner with half a character": (Invalid, {"owner": "\ud800"}),
    "decider with half a character": (Invalid, {"deciders": ("\ud800",)}),
    "agent name with half a character": (Invalid, {"name": "\ud800"}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_wrong_input_is_refused_before_anything_happens(stage: Stage, what: str) -> None:
    """Given input that is malformed or over a limit, then it is refused by one printable line, and nothing has changed."""
    runtime = await stage.open()
    kind, choices = WRONG[what]
    with pytest.raises(kind) as error:
        await stage.admit(Actor(), **choices)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500
    if kind is Busy:
        assert ("input_bytes_max", 1_048_576) == (error.value.limit, error.value.bound)
    assert [] == runtime.sessions()
    assert [] == stage.store.attempts


async def test_input_that_is_wide_is_not_deep(stage: Stage) -> None:
    """Given input of many small parts, nested within the bound, then it is admitted and handed over whole."""
    await stage.open()
    wide = {"rows": [{"id": number, "tags": ["a", {"b": []}]} for number in range(1_000)]}
    actor = Actor()
    await stage.start(actor, wide)
    assert wide == actor.run.input
    actor.returns(wide)
    await stage.settle()
    assert "ready" == stage.runtime.show("s-1").state


LIMITS: dict[str, Any] = {
    "frames_max": 0,
    "segments_max": 0,
    "frame_bytes_max": None,
    "segment_bytes_max": -1,
    "loop_stall_seconds": 0,
    "retry_seconds_min": float("nan"),
    "retry_seconds_max": float("inf"),
    "input_bytes_max": "much",
}


@pytest.mark.parametrize("what", LIMITS)
def test_limit_that_makes_no_sense_is_refused_by_name(what: str) -> None:
    """Given a limit that is none, then it is Invalid when the runtime is made, and named."""
    with pytest.raises(Invalid, match=what):
        Runtime(MemoryStore(), limits=Limits(**{what: LIMITS[what]}))


async def test_input_at_its_limit_is_admitted(stage: Stage) -> None:
    """Given input of exactly the limit in bytes, then it is admitted and handed over whole."""
    await stage.open(limits=Limits(input_bytes_max=1_000))
    actor = Actor()
    await stage.start(actor, "ß" * 499)
    assert "ß" * 499 == actor.run.input
    with pytest.raises(Busy):
        await stage.admit(Actor(), "ß" * 500)


async def test_names_nobody_can_write_hang_nobody(stage: Stage) -> None:
    """Given requests with names that cannot be written, among good ones at once, then each has its own error or reply."""
    runtime = await stage.open(limits=ON_THREAD, policy=NO_GRACE)
    actor = Actor()
    handle = await stage.start(actor)
    odd = "\ud800"
    asks: list[Callable[[], Any]] = [
        lambda: stage.admit(Actor(), session="s-2"),
        lambda: stage.admit(Actor(), key=odd),
        lambda: handle.abort(by=odd),
        lambda: runtime.run("s-1", odd).abort(),
        lambda: runtime.run("s-1", odd).decide("q", approval()),
        lambda: handle.decide(odd, approval()),
        lambda: handle.decide("q", approval(), by=odd),
        lambda: handle.decide("q", approval(), decision_id=odd),
        lambda: handle.decide("q", approval(), digest=odd),
        lambda: runtime.abort_session("s-1", by=odd),
        lambda: runtime.close_session(odd),
        lambda: runtime.attach(odd),
        lambda: runtime.run("s-1", odd).wait(),
        lambda: runtime.provider_reported("s-1", "ready", text=odd, advisory=True),
        lambda: stage.admit(Actor(), session="s-3"),
    ]

    async def asked(ask: Callable[[], Any]) -> Any:
        return await ask()

    replies = await asyncio.gather(*(asked(ask) for ask in asks), return_exceptions=True)
    raw = [isinstance(one, Exception) and not isinstance(one, LifecycleError) for one in replies]
    assert [] == [(place, repr(replies[place])) for place, is_raw in enumerate(raw) if is_raw]
    await stage.settle()
    assert {"s-1": "running", "s-2": "running", "s-3": "running"} == {one.id: one.state for one in runtime.sessions()}
    for look in (
        lambda: runtime.show(odd),
        lambda: runtime.run("s-1", odd).state,
        lambda: runtime.run(odd, "r").requests,
    ):
        with pytest.raises(LifecycleError):
            look()


def approval() -> Any:
    """Approve."""
    from lifecycle import approve

    return approve()


async def test_abort_is_not_kept_from_its_run_by_its_words(stage: Stage) -> None:
    """Given a Stop with words that cannot be written, or without end, then the run is stopped, with what fits of them."""
    await stage.open()
    handle = await stage.start(Actor())
    await handle.abort(text="ß\x00\n\ud800" + "x" * 100_000)
    end = handle.end()
    assert end is not None
    assert ("interrupted", "ß\x00\n\\ud800xx", 4_096) == (end.state, end.text[:11], len(end.text))


async def test_endless_times_mean_none(stage: Stage) -> None:
    """Given times beyond counting, then they mean no limit, whatever the store."""
    await stage.open(policy=NO_GRACE)
    actor = Actor()
    for seconds in (float("inf"), 1e15, 1e300):
        handle = await stage.start(
            actor, session=f"s-{seconds}", deadline_seconds=seconds, queue_deadline_seconds=seconds
        )
        await stage.pass_time(100_000)
        assert "running" == handle.state
        actor.returns()
        await stage.settle()


POLICIES: dict[str, Policy] = {
    "a grace gone by": Policy(orphan_grace_seconds=-1),
    "a grace that is no number": Policy(orphan_grace_seconds=float("nan")),
    "an endless closing grace": Policy(closing_grace_seconds=float("inf")),
    "no closing grace at all": Policy(closing_grace_seconds=None),  # type: ignore[arg-type]
    "an expiry gone by": Policy(request_expiry_seconds=-5),
    "no such expiry": Policy(on_expiry="nonsense"),
    "less than no queue": Policy(queue_max=-1),
    "no questions": Policy(requests_max=0),
    "no attempts": Policy(attempts_max=0),
    "no time to answer": Policy(request_expiry_seconds=0),
    "a grace in words": Policy(orphan_grace_seconds="60"),  # type: ignore[arg-type]
    "a bound in words": Policy(queue_max="3"),  # type: ignore[arg-type]
    "half a place in the queue": Policy(queue_max=32.5),  # type: ignore[arg-type]
    "no bound": Policy(attempts_max=None),  # type: ignore[arg-type]
    "the letters of an admin": Policy(admins="ada"),  # type: ignore[arg-type]
    "an admin nobody can name": Policy(admins=("\udcff",)),
    "an admin who is nobody": Policy(admins=("",)),
}


@pytest.mark.parametrize("what", POLICIES)
def test_policy_that_makes_no_sense_is_refused_by_name(what: str) -> None:
    """Given a policy with a time or a bound that makes no sense, then it is Invalid when the runtime is made."""
    with pytest.raises(Invalid, match="policy"):
        Runtime(MemoryStore(), policy=POLICIES[what])
    with pytest.raises(Invalid, match="policy"):
        Tracker(MemoryStore(), policy=POLICIES[what])


async def test_session_that_was_reaped_opens_its_next_incarnation(stage: Stage) -> None:
    """Given a stopped session, when a run is started in it, then it is its next life, with the present policy."""
    runtime = await stage.open(policy=Policy(orphan_grace_seconds=5))
    actor = Actor()
    for incarnation in (1, 2, 3):
        actor.returns()
        await stage.start(actor)
        assert ("ready", incarnation) == (runtime.show("s-1").state, runtime.show("s-1").incarnation)
        await stage.pass_time(5)
        assert ("stopped", "orphaned") == (runtime.show("s-1").state, runtime.show("s-1").cause)
    assert ["s-1"] == [view.id for view in runtime.sessions(state="stopped")]
    assert [] == runtime.sessions(state="ready")


async def test_sessions_are_listed_page_by_page(stage: Stage) -> None:
    """Given many sessions, then pages in order of their ids hold each once, and a state picks those that are in it."""
    runtime = await stage.open(policy=NO_GRACE)
    actor = Actor()
    for number in range(25):
        await stage.start(actor, session=f"s-{number:02}")
        if number % 5:
            actor.returns()
    await stage.settle()
    seen: list[str] = []
    while page := runtime.sessions(after=seen[-1] if seen else None, limit=7):
        seen += [view.id for view in page]
    assert [f"s-{number:02}" for number in range(25)] == seen
    by_state = {state: [one.id for one in runtime.sessions(state=state)] for state in ("ready", "running")}
    assert 25 == sum(map(len, by_state.values()))
    assert all(runtime.show(name).state == state for state, names in by_state.items() for name in names)
