"""Promises of a shared world: what must come, by name, under which assumptions.

What lives here: the properties of liveness, said for each worker. What must not: how they are decided. The law of this
file: of a worker that is not heard of nothing is assumed, and of one that is at work only what its promise names.

Faults may come at any time, but not for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.state import ANSWERED, BEATING, GONE, OPEN, State

When = Callable[[State], bool]


@attrs.frozen(eq=False)
class SharedPromise:
    """``premise`` leads to ``goal``, if the moves of the kinds in ``fair`` are not put off for ever."""

    name: str
    sentence: str
    about: str
    premise: When
    goal: When
    fair: frozenset[str]


TAKEN_OVER = "what a worker held that is gone or not heard of is taken over by one that is at work, if there is one"
IS_ANSWERED = "what is asked of a worker that is at work is answered or taken back, and whoever asked hears of it"


def beats(state: State, place: int) -> bool:
    """Say whether the worker at a place is at work."""
    return state.processes[place].row == BEATING


def is_held(state: State) -> bool:
    """Say whether the session is held by a worker that is at work."""
    return 0 < state.holder != GONE and beats(state, state.holder - 1)


def is_left(state: State) -> bool:
    """Say whether the session is nobody's, or that of a worker which is not at work."""
    return state.session != 0 and not is_held(state)


def is_left_by(state: State, place: int) -> bool:
    """Say whether the session is left by the worker at a place."""
    return is_left(state) and state.holder == place + 1


def others_at_work(state: State, place: int) -> bool:
    """Say whether all the others are at work."""
    return all(beats(state, at) for at in range(len(state.processes)) if at != place)


def asked_of(state: State, place: int) -> bool:
    """Say whether something waits in the inbox of the worker at a place, which is at work."""
    return state.request.state == OPEN and state.holder == place + 1 and beats(state, place)


def has_reply(state: State, place: int) -> bool:
    """Say whether the reply to a worker that is at work waits in the inbox."""
    return state.request.state == ANSWERED and state.request.asker == place + 1 and beats(state, place)


def kinds(place: int, *names: str) -> frozenset[str]:
    """Name kinds of moves of one worker."""
    return frozenset(f"{name} w{place + 1}" for name in names)


def promises_of(config: Workers) -> Iterator[SharedPromise]:
    """List the promises of a shared world."""
    places = range(config.workers)
    for place in places:
        name = f"w{place + 1}"
        yield SharedPromise(
            "taken-over",
            TAKEN_OVER,
            f"what {name} held",
            lambda state, at=place: is_left_by(state, at) and others_at_work(state, at),  # type: ignore[misc]
            lambda state, at=place: not is_left(state) or not others_at_work(state, at),  # type: ignore[misc]
            frozenset().union(*(kinds(at, "look", "recover") for at in places if at != place)),
        )
    yield SharedPromise(
        "taken-over",
        TAKEN_OVER,
        "what a worker held that has left",
        lambda state: is_left(state) and state.holder == GONE and others_at_work(state, -1),
        lambda state: not is_left(state) or not others_at_work(state, -1),
        frozenset().union(*(kinds(at, "look", "recover") for at in places)),
    )
    for place in places if config.requests else ():
        name = f"w{place + 1}"
        yield SharedPromise(
            "asked-is-answered",
            IS_ANSWERED,
            f"what {name} is asked",
            lambda state, at=place: asked_of(state, at),  # type: ignore[misc]
            lambda state, at=place: not asked_of(state, at),  # type: ignore[misc]
            kinds(place, "look", "recover", "answer"),
        )
        yield SharedPromise(
            "asked-is-answered",
            IS_ANSWERED,
            f"what {name} hears",
            lambda state, at=place: has_reply(state, at),  # type: ignore[misc]
            lambda state, at=place: not has_reply(state, at),  # type: ignore[misc]
            kinds(place, "look"),
        )
