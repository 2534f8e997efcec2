"""The model checker: how many states a second a search visits, and how time and memory grow with the world.

What lives here: whole searches of named configurations, tables filled by the real kernel included. What must not: rules
and promises judged afterwards. The law of this file: every search begins with empty tables, and a figure names how many
states it found.
"""

from __future__ import annotations

import gc

import attrs

from benchmarks.children import answer_of
from benchmarks.measuring import Figure, Spread, Timed, at_least, compared, interleaved, progress, ratio, spread, timed
from benchmarks.memory import resident_bytes
from lifecycle.check import CONFIGURATIONS, Configuration, RunPlan
from lifecycle.check.search import explore
from lifecycle.check.search_numpy import numpy
from lifecycle.check.slices import Slices
from lifecycle.check.world import World

NAME = "check"
RUNS = (1, 2, 3, 4)
CLIENTS = (1, 2, 3, 4, 5)
WAYS = {"pure Python": False, "numpy": True}


def world(runs: int, clients: int) -> Configuration:
    """Return the world of the crowd with other bounds."""
    crowd = CONFIGURATIONS["crowd"]
    return attrs.evolve(crowd, runs=crowd.runs[:1] + (RunPlan(),) * (runs - 1), clients=clients)


def states_of(config: Configuration, arrays: bool | None = None) -> int:
    """Search, beginning with empty tables, and return how many states there are."""
    return explore(Slices(World(config)), arrays=arrays).states


def searching(config: Configuration, states: int, arrays: bool | None = None) -> Timed:
    """Make a contender of a search, timed a state."""
    return timed(lambda: states_of(config, arrays), states)


def memory_in_child(runs: str, clients: str) -> float:
    """Be the child: return what the process has taken by the end of a search, its states and tables still held."""
    config = world(int(runs), int(clients))
    states_of(world(1, 1), arrays=False)
    gc.collect()
    before = resident_bytes()
    slices = Slices(World(config))
    found = explore(slices, arrays=False)
    return (resident_bytes() - before) / found.states


def measure(rounds: int) -> list[Figure]:
    """Measure how quick searches are, then how they grow."""
    return [*speeds(rounds), *growth("run", {runs: world(runs, 1) for runs in RUNS}, rounds),
            *growth("client", {clients: world(2, clients) for clients in CLIENTS}, rounds)]  # fmt: skip


def speeds(rounds: int) -> list[Figure]:
    """Measure states a second, in pure Python and with numpy where it is installed."""
    ways = {name: arrays for name, arrays in WAYS.items() if not arrays or numpy() is not None}
    targets = {"pure Python": at_least(100_000), "numpy": at_least(300_000)}
    figures = []
    for name in ("crowd", "large"):
        progress(f"{NAME}: {name}")
        config = CONFIGURATIONS[name]
        states = states_of(config)
        taken = interleaved({way: searching(config, states, arrays) for way, arrays in ways.items()}, rounds)
        for way, seconds in taken.items():
            rates = spread([1 / each for each in seconds])
            target = targets[way] if name == "crowd" else None
            note = f"{states:,} states; {rates.low:,.0f} to {rates.high:,.0f}"
            what = f"search of {name}, {way}"
            figures.append(Figure(NAME, what, rates.median, "states/s", target=target, note=note))
        if len(taken) > 1:
            pure, quick = taken["pure Python"], taken["numpy"]
            figures.append(
                compared(NAME, f"a state of {name}, numpy", "pure Python", quick, pure, unit="ns",
                         of_floor=True, reads="times as fast")
            )  # fmt: skip
    return figures


def growth(word: str, worlds: dict[int, Configuration], rounds: int) -> list[Figure]:
    """Measure how much longer a search takes, and how much more it holds, with one more of them."""
    progress(f"{NAME}: growth by the {word}")
    states = {count: states_of(config) for count, config in worlds.items()}
    contenders = {str(count): searching(config, 1, False) for count, config in worlds.items()}
    taken = interleaved(contenders, rounds)
    held = {count: states[count] * held_by(config) / 2**20 for count, config in worlds.items()}
    figures = []
    for less, more in zip(list(worlds)[:-1], list(worlds)[1:], strict=True):
        what, beside = f"{more} {word}s", f"{less} {word}{'s' * (less > 1)}"
        note = f"{states[more]:,} states beside {states[less]:,}, {states[more] / states[less]:.1f} times as many"
        figures.append(
            compared(NAME, f"search with {what}", beside, taken[str(more)], taken[str(less)], unit="ms",
                     reads="times as long", note=note)
        )  # fmt: skip
        figures.append(
            Figure(NAME, f"search with {what}, resident", held[more], "MiB", beside, held[less],
                   times(held[more], held[less]), "times as much")
        )  # fmt: skip
    return figures


def held_by(config: Configuration) -> float:
    """Ask a child how many bytes a state takes."""
    return answer_of("check", str(len(config.runs)), str(config.clients))


def times(above: float, below: float) -> Spread | None:
    """Divide what was measured once; none where there was too little to be seen."""
    return ratio([above], [below]) if below > 0 else None
