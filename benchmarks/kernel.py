"""The kernel step: a run's whole life with every hook it emits, beside one bare trigger of ``transitions``.

What lives here: the life, its inputs, and the trigger. What must not: a store, a clock, a runtime. The law of this
file: what is measured is the public ``step``, from nothing to a settled run, and the mean of its steps is told.
"""

from __future__ import annotations

import transitions

from benchmarks.dispatch import Model
from benchmarks.measuring import Figure, at_most, compared, interleaved, timed
from lifecycle.kernel import Policy, Session, step
from lifecycle.kernel.inputs import Begin, Decide, ExecutionSettled, Input, RunAsked, RunCompleted, StartRun, Value
from lifecycle.kernel.values import Question

NAME = "kernel"
LIVES = 300
TRIGGERS = 1_000
SECOND = 1_000_000
POLICY = Policy()
BODY = '{"args":{"paths":["a","b","c"]},"text":"Delete 3 files?"}'


def start() -> Input:
    """Admit a run with a deadline, so that every hold of the happy path is taken and given back."""
    return StartRun(
        "s-1", "r-1", "ada", "tidy", '"/tmp/folder"', "0f" * 16, POLICY, deadline_us=600 * SECOND,
        queue_deadline_us=60 * SECOND,
    )  # fmt: skip


def asked(execution: int, token: int) -> Input:
    """Ask for an approval that expires."""
    question = Question("q-1", "approval", BODY, "a1" * 16, 3_600 * SECOND, "deny_and_continue")
    return RunAsked(execution, token, (question,))


def decide() -> Input:
    """Approve."""
    return Decide("r-1", "q-1", "d-1", "approve", "ada", "a1" * 16)


def settled(execution: int, token: int) -> Input:
    """Return a value."""
    return ExecutionSettled(execution, token, Value('{"deleted":3}'))


def completed(execution: int, token: int) -> Input:
    """Report the answer while the code is still at work."""
    return RunCompleted("r-1", '{"deleted":3}', execution, token)


def life() -> Session | None:
    """Live once, making each input when it is its turn; return what is left."""
    session = step(None, start(), SECOND).session
    assert session is not None and session.execution is not None
    execution = session.execution.id
    session = step(session, Begin("r-1", execution), 2 * SECOND).session
    assert session is not None and session.execution is not None
    token = session.execution.token
    session = step(session, asked(execution, token), 3 * SECOND).session
    session = step(session, decide(), 4 * SECOND).session
    return step(session, settled(execution, token), 5 * SECOND).session


def hooks_of(inputs: tuple[Input, ...]) -> int:
    """Count the hooks that a life takes."""
    session, count = None, 0
    for at, given in enumerate(inputs, 1):
        taken = step(session, given, at * SECOND)
        session, count = taken.session, count + len(taken.hooks)
    return count


def recorded(apart: bool = False) -> tuple[Input, ...]:
    """Return the inputs of one life, made beforehand; ``apart``: its answer is reported before its code returns."""
    opened = step(None, start(), SECOND).session
    assert opened is not None and opened.execution is not None
    execution = opened.execution.id
    begin = Begin("r-1", execution)
    begun = step(opened, begin, 2 * SECOND).session
    assert begun is not None and begun.execution is not None
    token = begun.execution.token
    end = (settled(execution, token),)
    if apart:
        return start(), begin, asked(execution, token), decide(), completed(execution, token), *end
    return start(), begin, asked(execution, token), decide(), *end


def bare_trigger() -> Model:
    """Make a model of two states of ``transitions``, without callbacks and automatic transitions."""
    rows = [["push", "shut", "open"], ["pull", "open", "shut"]]
    model = Model()
    transitions.Machine(model, ["open", "shut"], transitions=rows, initial="shut", auto_transitions=False)
    return model


def measure(rounds: int) -> list[Figure]:
    """Measure the mean step of a life."""
    inputs, longer = recorded(), recorded(apart=True)
    left = life()
    if left is None or left.state != "ready" or left.head is not None or left.execution is not None:
        raise RuntimeError(f"a life does not end at rest: {left}")
    hooks = hooks_of(inputs)
    model: object = bare_trigger()

    def lives() -> None:
        for _ in range(LIVES):
            life()

    def lived(inputs: tuple[Input, ...]) -> None:
        for _ in range(LIVES):
            session: Session | None = None
            now = 0
            for given in inputs:
                now += SECOND
                session = step(session, given, now).session

    def peer() -> None:
        for _ in range(TRIGGERS // 2):
            model.push()  # type: ignore[attr-defined]
            model.pull()  # type: ignore[attr-defined]

    steps = LIVES * len(inputs)
    taken = interleaved(
        {
            "built": timed(lives, steps),
            "prebuilt": timed(lambda: lived(inputs), steps),
            "apart": timed(lambda: lived(longer), LIVES * len(longer)),
            "peer": timed(peer, TRIGGERS),
        },
        rounds,
    )
    peer_name, note = "transitions, one trigger", f"start, begin, ask, decide, settle: {hooks} hooks"
    return [
        compared(
            NAME, "step, its input built in the loop", peer_name, taken["built"], taken["peer"],
            reads="of one trigger", target=at_most(1), note=note,
        ),
        compared(
            NAME, "step, its input at hand", peer_name, taken["prebuilt"], taken["peer"],
            reads="of one trigger", target=at_most(1), note=note,
        ),
        compared(
            NAME, "step, its input at hand, settle apart", peer_name, taken["apart"], taken["peer"],
            reads="of one trigger", target=at_most(1), note="start, begin, ask, decide, complete, settle",
        ),
    ]  # fmt: skip
