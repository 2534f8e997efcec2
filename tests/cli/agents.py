"""Agents for the command to run: good ones, and one for each way in which an agent can be bad."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from lifecycle import Approval, Choice, FreeText, HumanAnswer, Park, SignIn


async def hello(run: Any) -> Any:
    """Emit a frame and return a value."""
    run.emit({"saw": run.input})
    return {"said": f"hello {run.input}"}


def sync_hello(run: Any) -> str:
    """Do the same in a thread."""
    run.emit({"saw": run.input})
    return f"hello {run.input}"


class Greeter:
    """An agent that is an object."""

    async def __call__(self, run: Any) -> str:
        """Greet."""
        return "hello from an object"


greeter = Greeter()


async def counts_its_calls(run: Any) -> int:
    """Append a line to the file that the input names; return how many there are."""
    path = Path(run.input)
    with path.open("a", encoding="utf-8") as file:
        file.write("called\n")
    return len(path.read_text(encoding="utf-8").splitlines())


async def first_waits_then_counts(run: Any) -> int:
    """Wait for ever at the first attempt; return the number of the attempt at a later one."""
    run.emit({"attempt": run.attempt})
    if run.attempt == 1:
        await asyncio.Event().wait()
    return int(run.attempt)


async def orders_its_keys(run: Any) -> Any:
    """Emit and return dicts whose keys are in no alphabet's order."""
    run.emit({"z": 1, "a": 2})
    return {"y": 1, "b": 2}


async def prints(run: Any) -> str:
    """Print, as agents do."""
    print("printed by the agent")
    return "done"


async def rude(run: Any) -> str:
    """Emit and return what would move a terminal's cursor, or turn the direction of its text."""
    run.emit("red \x1b[31m bell \x07 turned \u202e end")
    raise ValueError("\x1b[2Jgone\nsecond line")


async def checkpoints_often(run: Any) -> str:
    """Keep many checkpoints."""
    for number in range(300):
        await run.checkpoint(number)
    return "done"


# -- asking -----------------------------------------------------------------------------------------------------------


def told(answer: HumanAnswer) -> dict[str, Any]:
    """Return what the code got."""
    return {"approved": answer.approved, "value": answer.value, "feedback": answer.feedback, "expired": answer.expired}


async def asks_in_place(run: Any) -> Any:
    """Ask for an approval and wait in place."""
    return told(await run.ask(Approval("Go on?", args={"n": 1}, id="go")))


async def asks_briefly(run: Any) -> Any:
    """Ask for an approval that expires soon."""
    return told(await run.ask(Approval("Go on?", args={"n": 1}, id="go", expiry_seconds=0.3)))


async def parks(run: Any) -> Any:
    """Ask for an approval and leave nothing in memory."""
    if run.answers:
        return {name: told(answer) for name, answer in run.answers.items()}
    run.emit({"asking": run.input})
    return Park({"seen": True}, (Approval("Go on?", args={"n": 1}, id="go"),))


async def parks_with_two(run: Any) -> Any:
    """Ask two questions at once, with ids that a shell would take amiss."""
    if run.answers:
        return {name: told(answer) for name, answer in run.answers.items()}
    return Park(None, (Choice("Which?", options=("a b", "c'd"), id="which one"), FreeText("Name?", id="-name")))


async def parks_to_sign_in(run: Any) -> Any:
    """Ask for a sign-in and leave nothing in memory."""
    return None if run.answers else Park(None, SignIn("Please sign in", url="https://example.org/in", id="in"))


async def parks_twice(run: Any) -> Any:
    """Ask, and after the answer ask something else."""
    if not run.answers:
        return Park(1, (Approval("First?", id="first"),))
    if run.checkpoint_data == 1:
        return Park(2, (Approval("Second?", id="second"),))
    return "both"


async def asks_everything(run: Any) -> Any:
    """Ask one question of each other kind in turn."""
    choice = await run.ask(Choice("Which?", options=("red", "green"), id="choice"))
    words = await run.ask(FreeText("Why?", id="words"))
    signed = await run.ask(SignIn("Please sign in", url="https://example.org/in", id="sign-in"))
    return [choice.value, words.value, signed.approved]


# -- bad agents -------------------------------------------------------------------------------------------------------


async def raises(run: Any) -> None:
    """Raise."""
    raise ValueError("it went wrong")


async def exits(run: Any) -> None:
    """Leave as a script does."""
    sys.exit(5)


async def returns_nonsense(run: Any) -> object:
    """Return what is no JSON."""
    return object()


async def emits_nonsense(run: Any) -> None:
    """Emit what is no JSON."""
    run.emit(object())


async def works_for_ever(run: Any) -> None:
    """Work until cancelled."""
    run.emit("working")
    await asyncio.Event().wait()


async def keeps_much(run: Any) -> str:
    """Keep a checkpoint that needs room."""
    await run.checkpoint("x" * 900_000)
    return "kept"


async def returns_much(run: Any) -> str:
    """Return a result that needs room."""
    return "x" * 900_000


async def parks_without_a_question(run: Any) -> Any:
    """Park and ask nothing."""
    return Park(None, ())


def blocks_for_ever(run: Any) -> None:
    """Block a thread, whatever happens."""
    run.emit("working")
    threading.Event().wait()


async def never_yields(run: Any) -> None:
    """Keep the loop."""
    print("spinning", file=sys.stderr, flush=True)
    while True:
        pass


async def swallows(run: Any) -> None:
    """Take no notice of being cancelled."""
    run.emit("working")
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


async def emits_late(run: Any) -> None:
    """Emit after the run has ended."""
    run.emit("working")
    try:
        await asyncio.Event().wait()
    finally:
        run.emit("too late")


async def leaves_a_task(run: Any) -> str:
    """Return with a task left that takes no notice of being cancelled."""
    left.append(asyncio.ensure_future(swallows(run)))
    await asyncio.sleep(0)
    return "done"


left: list[Any] = []


async def generates(run: Any) -> AsyncIterator[int]:
    """Be a generator, which is no agent."""
    yield 1


def takes_two(run: Any, more: Any) -> None:
    """Take two arguments, which no agent does."""


number = 5
