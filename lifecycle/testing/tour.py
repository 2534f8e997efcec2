"""The tour: every state of a configuration reached on a real tracker, and everything that can happen there done once.

What lives here: the way through the graph of a search. What must not: comparing one move; the player does. The law of
this file: the search says which states and moves there are, and a tour ends when each was met on the tracker.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import run_id
from lifecycle.check.parts import plain_timer, work_of
from lifecycle.check.search import explore
from lifecycle.check.slices import OWED, UP, Edge, Slices
from lifecycle.check.world import World
from lifecycle.errors import Invalid
from lifecycle.kernel.engine import KERNEL, Kernel
from lifecycle.kernel.values import Session, Timer
from lifecycle.testing.faults import Disk
from lifecycle.testing.playing import Counts, Differs, Player

Arc = tuple[Edge, int]
"""An edge with the state it leads to."""


@attrs.frozen
class Toured:
    """What a tour came to: states and transitions met, lives begun, moves played on the way, inputs that changed nothing."""

    configuration: str
    states: int
    transitions: int
    lives: int
    played: Counts
    seconds: float


class Tour:
    """A way through every state and every transition of a configuration, on real trackers; see ``tour``."""

    def __init__(
        self, config: Configuration, disks: Iterator[Disk] | None = None, kernel: Kernel = KERNEL, idle: bool = True
    ) -> None:
        self.config = config
        self.kernel = kernel
        self.idle = idle
        self.slices = Slices(World(config, kernel))
        self.found = explore(self.slices)
        self.arcs: dict[int, list[Arc]] = {state: self.slices.edges(state) for state in self.found.every_state()}
        self.todo: dict[int, list[Arc]] = {state: list(arcs) for state, arcs in self.arcs.items() if arcs}
        self.places = {run_id(place): place for place in range(len(config.runs))}
        self.lives = 0
        self._met: set[int] = set()
        self._disks = disks

    async def take(self, limit: int | None = None) -> Toured:
        """Go the whole way, or as far as ``limit`` moves."""
        if self.found.violations:
            raise Invalid(f"configuration {self.config.name}", "it breaks rules", "see what check() says first")
        began, total = time.perf_counter(), Counts()
        while self.todo and (limit is None or total.moves < limit):
            self.lives += 1
            player = Player(self.config, None if self._disks is None else next(self._disks), self.kernel)
            await player.open()
            try:
                await self._live(player, limit)
            finally:
                await player.close()
                for name, number in attrs.asdict(player.counts).items():
                    setattr(total, name, getattr(total, name) + number)
        seconds = time.perf_counter() - began
        return Toured(self.config.name, len(self.arcs), self.found.transitions, self.lives, total, seconds)

    async def _live(self, player: Player, limit: int | None) -> None:
        """Live one life, until nothing new is in reach."""
        here = self.slices.initial
        while limit is None or player.counts.moves < limit:
            way = self._way(here)
            if way is None:
                return
            for place, (edge, to) in enumerate(way):
                follows = way[place + 1][0].move if place + 1 < len(way) else None
                await self._go(player, here, edge, to, dies=follows == self.slices.crash)
                self._done(here, edge, to)
                here = to

    def _way(self, here: int) -> list[Arc] | None:
        """Return the shortest way to something that was not done yet, that included; none if nothing is in reach."""
        came: dict[int, tuple[int, Arc] | None] = {here: None}
        waiting = deque([here])
        while waiting:
            state = waiting.popleft()
            if state in self.todo:
                way = [*way_to(came, state), self.todo[state][-1]]
                return [*way, *self._completed(way[-1][1])]
            for arc in self.arcs[state]:
                if arc[1] not in came:
                    came[arc[1]] = (state, arc)
                    waiting.append(arc[1])
        return None

    def _completed(self, state: int) -> list[Arc]:
        """Return what must be decided together with the move that leads to a state: whether its hooks are performed."""
        if state >> self.slices.layout.process & 3 != OWED:
            return []
        return [(self.todo.get(state) or self.arcs[state])[-1]]

    def _done(self, state: int, edge: Edge, to: int) -> None:
        left = self.todo.get(state, [])
        if (edge, to) in left:
            left.remove((edge, to))
            if not left:
                del self.todo[state]

    async def _go(self, player: Player, here: int, edge: Edge, to: int, dies: bool) -> None:
        """Make one move, and see that it leads where the search says."""
        process = here >> self.slices.layout.process & 3
        if edge.move == self.slices.perform or (edge.move == self.slices.crash and process == OWED):
            return  # it was decided with the move before
        if self.idle and here not in self._met and process == UP:
            self._met.add(here)
            await player.idle()
        owed = to >> self.slices.layout.process & 3 == OWED
        await player.do(self.slices.labels[edge.move], dies=dies and owed)
        self._compare(player, to)

    def _compare(self, player: Player, state: int) -> None:
        """Compare the parts of the state with those of the session that the tracker has."""
        work, memory, orphan, _, attachments, _ = self.slices.unpack(state)
        up = player.stage.runtime is not None
        session = player._session() if up else player.life.session
        said = None if work is None else (work, orphan if up else None, attachments)
        got = None if session is None else parts_of(session, self.places, up)
        if (said, memory) != (got, player.life.memory):
            raise Differs(player.played, "state", (said, memory), (got, player.life.memory))


def parts_of(session: Session, places: dict[str, int], up: bool) -> tuple[Session, Timer | None, tuple[str, ...]]:
    """Take a session apart as a search does; of one that no process has, its timer says nothing."""
    orphan = plain_timer(session.orphan) if up else None
    return work_of(session, places), orphan, tuple(sorted(session.attachments))


def way_to(came: dict[int, tuple[int, Arc] | None], state: int) -> list[Arc]:
    """Return the arcs by which a state was found."""
    way: list[Arc] = []
    step = came[state]
    while step is not None:
        state, arc = step
        way.append(arc)
        step = came[state]
    return way[::-1]


async def tour(config: Configuration, *, disks: Iterator[Disk] | None = None, limit: int | None = None) -> Toured:
    """Reach every state of a configuration on real trackers, and do once whatever can happen there; raise what differs.

    ``disks`` gives each life its disk, in memory unless told otherwise; ``limit`` bounds the moves.
    """
    return await Tour(config, disks).take(limit)
