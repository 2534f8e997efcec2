"""Dispatch: one trigger sent to a declared machine, beside a dict of dicts and beside ``transitions``.

What lives here: the contenders of dispatch, and what an instance weighs. What must not: the kernel, which has rows of
its own. The law of this file: every contender runs the same table, that of the declared run, over the same triggers.

There are two floors. The *loop* is ``state = table[state][trigger]`` written out in the loop: no call, no object, the
least that Python can do. The *object* keeps the state in a slot and moves it by a method: the least with the same
interface as an instance. Both have str keys.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import transitions

from benchmarks.measuring import Figure, at_least, at_most, compared, interleaved, timed
from lifecycle.machines import RUN

NAME = "dispatch"
CYCLE = ("begin", "ask", "resume", "rerun")
SENDS = 8_000
PEER_SENDS = 800
INSTANCES = 10_000

TABLE: dict[str, dict[str, str]] = {
    state: {trigger: rows[0].dest for trigger, rows in cells.items()} for state, cells in RUN.table.rows.items()
}


class Floor:
    """The least that has a state and a method."""

    __slots__ = ("state", "table")

    def __init__(self, table: dict[str, dict[str, str]], state: str) -> None:
        self.table = table
        self.state = state

    def send(self, trigger: str) -> str:
        """Look up and move."""
        self.state = state = self.table[self.state][trigger]
        return state


class Model:
    """A bare model of ``transitions``."""

    state: str
    trigger: Callable[[str], bool]


def bare_machine() -> transitions.Machine:
    """Make a machine of ``transitions`` with the same table, without callbacks and automatic transitions."""
    rows = [
        {"trigger": trigger, "source": state, "dest": dest}
        for state, cells in TABLE.items()
        for trigger, dest in cells.items()
    ]
    return transitions.Machine(
        model=None, states=list(TABLE), transitions=rows, initial="starting", auto_transitions=False
    )


def bare_model(machine: transitions.Machine) -> Model:
    """Make a model that the machine moves."""
    model = Model()
    machine.add_model(model)
    return model


def measure(rounds: int) -> list[Figure]:
    """Measure what a send costs and what an instance weighs."""
    triggers = CYCLE * (SENDS // len(CYCLE))
    few = CYCLE * (PEER_SENDS // len(CYCLE))
    instance, floor, model = RUN.instance(), Floor(TABLE, "starting"), bare_model(bare_machine())

    def ours() -> None:
        for trigger in triggers:
            instance.send(trigger)

    def loop() -> str:
        table, state = TABLE, "starting"
        for trigger in triggers:
            state = table[state][trigger]
        return state

    def plain() -> None:
        for trigger in triggers:
            floor.send(trigger)

    def peer() -> None:
        for trigger in few:
            model.trigger(trigger)

    taken = interleaved(
        {
            "ours": timed(ours, SENDS),
            "loop": timed(loop, SENDS),
            "object": timed(plain, SENDS),
            "peer": timed(peer, PEER_SENDS),
        },
        rounds,
    )
    send = "send one trigger"
    weight, floor_weight = bytes_each(lambda: RUN.instance()), bytes_each(lambda: Floor(TABLE, "starting"))
    machine = bare_machine()
    peer_weight = bytes_each(lambda: bare_model(machine), 1_000)
    return [
        compared(
            NAME, send, "object with a method", taken["ours"], taken["object"], unit="ns", target=at_most(3),
            note="the equal interface",
        ),
        compared(
            NAME, send, "bare loop body", taken["ours"], taken["loop"], unit="ns", target=at_most(3),
            note="no call, no object",
        ),
        compared(
            NAME, send, "transitions, bare", taken["ours"], taken["peer"], unit="ns", reads="times as fast",
            of_floor=True, target=at_least(15),
        ),
        Figure(NAME, "one instance", weight, "bytes", "object with a method", floor_weight, target=at_most(120)),
        Figure(NAME, "one instance", weight, "bytes", "transitions, model", peer_weight),
    ]  # fmt: skip


def bytes_each(make: Callable[[], object], count: int = INSTANCES) -> float:
    """Return what one object weighs, the list that keeps it not counted."""
    make()
    kept: list[object] = [None] * count
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for place in range(count):
            kept[place] = make()
        return (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
