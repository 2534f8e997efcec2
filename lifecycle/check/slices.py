"""Slices: what can happen, in tables of small keys, filled by the real kernel when a search first asks.

What lives here: the interning of parts, the packing of a state into one integer, and the rows: for each key of the run
side, and for each of every client's, all successors. What must not: an order of search. The law of this file: the kernel
is called once for each distinct slice, however many states share it.

A state is one integer. From the top: work, memory, orphan timer, process, attachments, sockets. What a move of the run
side may read is work, orphan timer, process, and what the store remembers of one run; what one of a client may read is the
*face* of the work, what lies between memory and sockets, and its own socket. An edge is a pair ``(keep, bits)``: the
successor is ``state & keep | bits``. What a step adds to the memory is set in the bits of the run that it is about, so that
an edge is the same whatever else is remembered.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import ENDED, LIVE, NEW, RESTART, Memory, Move, Remembered
from lifecycle.check.parts import ATTACHMENTS, ORPHAN, Breach, face_of, in_view, joined, key_of_view, masked
from lifecycle.check.world import ORPHANS, POISONED_MEMORY, Outcome, Remembering, World
from lifecycle.kernel.draft import with_quick_init
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.invariants import detached_is_timed
from lifecycle.kernel.values import Session, Timer

K = TypeVar("K", bound=Hashable)

UP, OWED, DOWN, LOST = range(4)
"""The process: at work; with hooks of a committed step to perform; gone; gone with hooks unperformed."""

OUT, IN, GONE = range(3)
"""A client's socket: closed; open; closed without anybody having noticed."""

STATUSES = (NEW, LIVE, ENDED)
"""What the store remembers of a run, as a number: the place here."""

OPEN, WITHDRAWN, ANSWERED = range(3)
"""What it remembers of a question: nothing, it may be open; that it closed without an answer; that it was answered."""


class Interned(Generic[K]):
    """Number values in the order in which they are first seen."""

    __slots__ = ("numbers", "values")

    def __init__(self) -> None:
        self.numbers: dict[K, int] = {}
        self.values: list[K] = []

    def number(self, value: K) -> int:
        """Return the number of a value, a new one if it is new."""
        found = self.numbers.get(value)
        if found is None:
            found = self.numbers[value] = len(self.values)
            self.values.append(value)
        return found


@with_quick_init
@attrs.frozen(eq=False)
class Edge:
    """A successor: ``state & keep | bits``, by which move; ``broken`` names the rule that this step breaks."""

    keep: int
    bits: int
    move: int
    fault: bool = False
    broken: str | None = None


Pair = tuple[int, int]
"""An edge, for the search: what to keep, and the bits to set."""


Moves = Sequence[tuple[int, Move]]


VIEWS: tuple[tuple[str, ...], ...] = ((), ("slot",), ("slot", "names"), ("slot", "head"))
"""What is shown of a work, beside its face, before all of it is: a move that is nothing so far need not see more."""

HEAD_VIEW = VIEWS.index(("slot", "head"))

LESS = (None, 0, 1, 1)
"""For each view the one that shows less, and nothing that this one does not show: asked before, it leaves less to ask."""

UNREAD, RESTARTED = -1, -1
"""In a key: there is an orphan timer, and it was not read; the move of the next process."""


@with_quick_init
@attrs.frozen(eq=False)
class Row:
    """All that can happen in a slice: pairs for the search, those by a fault apart, and edges, to tell the story.

    What breaks a rule is no edge. ``enabled`` is a set of kinds, as bits: which can happen. ``parts`` are the rows of
    several slices of which this one is made.
    """

    plain: tuple[Pair, ...]
    faulty: tuple[Pair, ...]
    edges: tuple[Edge, ...]
    violations: tuple[Edge, ...]
    enabled: int
    parts: tuple[Row, ...] = ()

    @classmethod
    def of(cls, parts: Iterable[Row]) -> Row:
        """Join the rows of several slices."""
        plain: tuple[Pair, ...] = ()
        faulty: tuple[Pair, ...] = ()
        edges: tuple[Edge, ...] = ()
        violations: tuple[Edge, ...] = ()
        enabled = 0
        several = tuple(parts)
        for one in several:
            plain += one.plain
            faulty += one.faulty
            edges += one.edges
            violations += one.violations
            enabled |= one.enabled
        return cls(plain, faulty, edges, violations, enabled, several)


NO_ROW = Row((), (), (), (), 0)


@attrs.frozen(eq=False)
class Clients:
    """All that clients can do where the session has a face, an orphan timer and attachments.

    ``wrong`` names the rule that the state itself breaks: what comes after it is not asked. ``common`` is what concerns
    no client in particular; ``own`` has for each client the place of its socket and a row for each state of it;
    ``broken`` says that some move of these breaks a rule.
    """

    wrong: str | None
    common: Row
    own: tuple[tuple[int, tuple[Row, Row, Row]], ...]
    broken: bool = False


class Layout:
    """Where each part of a packed state lies, counted in bits from the lowest; sockets lie at 0, two bits a client.

    The memory has two bits for each run, and above them two for each question of it.
    """

    __slots__ = ("asks", "attachments", "clients", "memory", "orphan", "process", "runs", "work")

    def __init__(self, config: Configuration) -> None:
        self.clients = config.clients
        self.attachments = 2 * self.clients
        self.process = self.attachments + self.clients
        self.orphan = self.process + 2
        at = self.memory = self.orphan + 2
        runs: list[int] = []
        self.asks: tuple[dict[str, int], ...] = tuple({} for _ in config.runs)
        for asks, plan in zip(self.asks, config.runs, strict=True):
            runs.append(at)
            for ask in plan.asks:
                at += 2
                asks[ask.id] = at
            at += 2
        self.runs = tuple(runs)
        self.work = at

    def all_of(self, place: int) -> int:
        """Return the bits of all that is remembered of a run, set."""
        return (1 << 2 + 2 * len(self.asks[place])) - 1 << self.runs[place]

    def remembered(self, place: int, state: int) -> Remembered:
        """Return what a state remembers of a run."""
        seen = {name: state >> at & 3 for name, at in self.asks[place].items()}
        closed = {(name, how == ANSWERED) for name, how in seen.items() if how != OPEN}
        return Remembered(STATUSES[state >> self.runs[place] & 3], tuple(sorted(closed)))

    def memory_after(self, one: Remembering) -> Pair:
        """Return what a step adds to the memory, as an edge. A question that no move names again is forgotten."""
        keep, bits = -1, 0
        if one.admitted is not None:
            keep &= ~self.all_of(one.admitted)
            bits |= STATUSES.index(LIVE) << self.runs[one.admitted]
        for place, question, answered in one.closed:
            at = self.asks[place].get(question)
            if at is not None:
                keep &= ~(3 << at)
                bits = bits & ~(3 << at) | (ANSWERED if answered else WITHDRAWN) << at
        for place in one.ended:
            whole = self.all_of(place)
            keep &= ~whole
            bits = bits & ~whole | STATUSES.index(ENDED) << self.runs[place]
        return keep, bits


@attrs.frozen(eq=False)
class Group:
    """Moves of one footprint: by the run whose memory they read, none if they read no memory.

    ``memory`` is the bits of that, ``reads`` those of all that the moves may read; ``rows`` is what they came to, by these.
    """

    place: int | None
    memory: int
    reads: int
    moves: Moves
    rows: dict[int, tuple[Row, ...]] = attrs.field(factory=dict)


def grouped(layout: Layout, moves: Moves) -> Iterator[Group]:
    """Gather the moves by their footprints."""
    by: dict[int | None, list[tuple[int, Move]]] = {}
    for index, move in moves:
        by.setdefault(move.memory, []).append((index, move))
    for place, several in by.items():
        memory = 0 if place is None else layout.all_of(place)
        yield Group(place, memory, -1 << layout.work | 3 << layout.orphan | memory, tuple(several))


@with_quick_init
@attrs.frozen(eq=False)
class Made:
    """What an input of a move came to in a work, with an orphan timer, or one unread, or none; and the edge of that."""

    given: Input
    orphan: int
    outcome: Outcome
    edge: Edge | None


PERFORM, CRASH = "the hooks are performed", "the process dies"
WORLD_MOVES = (PERFORM, CRASH)


def drop_of(client: str) -> str:
    """Name the move by which a client's connection drops."""
    return f"the connection of {client} drops"


class Slices:
    """The tables of a world, and how its states are packed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.layout = layout = Layout(world.config)
        self.works: Interned[Session | None] = Interned()
        self.faces: Interned[tuple[object, ...]] = Interned()
        self.face_of_work: list[int] = []
        self.run_rows: dict[int, Row] = {}
        self.clients: dict[int, Clients] = {}
        self._tried: dict[tuple[int, int, int | None, int], tuple[Row, Moves]] = {}
        self._reading: set[tuple[int, int]] = set()
        self._made: dict[tuple[int, int], list[Made]] = {}
        self._views: tuple[Interned[Hashable], ...] = tuple(Interned() for _ in VIEWS)
        self._view_of_work: list[tuple[int, ...]] = []
        self._left: dict[tuple[int, int, int | None, int], frozenset[int]] = {}
        self._remembered: dict[tuple[int, int], Remembered] = {}
        self._named: dict[int, tuple[str, ...]] = {}
        self.crashes = "crash" in world.config.families
        self.kinds: dict[str, int] = {}
        self.labels: list[str] = [move.name for move in world.moves] + [
            *WORLD_MOVES,
            *map(drop_of, world.clients),
        ]
        self.kind_of: list[str] = (
            [move.kind for move in world.moves] + ["perform", "crash"] + ["drop"] * len(world.clients)
        )
        for kind in self.kind_of:
            self.kinds.setdefault(kind, 1 << len(self.kinds))
        first = len(world.moves)
        self.perform, self.crash, self.drop = first, first + 1, first + 2
        self._groups = tuple(grouped(layout, [(i, move) for i, move in enumerate(world.moves) if move.side == "run"]))
        self._client = [(i, move) for i, move in enumerate(world.moves) if move.side == "client"]
        self._restart = next(((i, move) for i, move in enumerate(world.moves) if move.name == RESTART), None)
        self.face_shift = layout.memory - layout.attachments
        self._orphan_numbers = {None: 0, ORPHANS[1]: 1, ORPHANS[2]: 2}
        self._performed = self._row([Edge(~(3 << layout.process), UP << layout.process, self.perform)])
        self._crashed = {process: self._row([self._crash_edge(process)]) for process in (UP, OWED)}
        self._taken_over = {gone: self._row([self._take_over_edge(gone)]) for gone in (DOWN, LOST) if self._restart}
        self.initial = self.pack(None)

    @property
    def kernel_calls(self) -> int:
        """Return how often the kernel was called."""
        return self.world.calls

    def width(self) -> int:
        """Return how many bits a state has, as far as works are known."""
        return self.layout.work + len(self.works.values).bit_length()

    # -- packing ------------------------------------------------------------------------------------------------------

    def pack(self, work: Session | None) -> int:
        """Pack a state without clients, memory and orphan timer, its process at work."""
        return self._work(work) << self.layout.work

    def _work(self, work: Session | None) -> int:
        number = self.works.number(work)
        if number == len(self.face_of_work):
            face = self.faces.number(face_of(work))
            self.face_of_work.append(face)
            seen = [None if work is None else (face, key_of_view(work, shown)) for shown in VIEWS]
            self._view_of_work.append(tuple(map(Interned.number, self._views, seen)))
        return number

    def unpack(self, state: int) -> tuple[Session | None, Memory, Timer | None, int, tuple[str, ...], tuple[int, ...]]:
        """Return the parts: work, memory, orphan timer, process, attachments, sockets."""
        lay = self.layout
        work = self.works.values[state >> lay.work]
        memory = tuple([self.remembered(place, state) for place in range(len(lay.runs))])
        orphan = ORPHANS[state >> lay.orphan & 3]
        sockets = tuple(state >> 2 * i & 3 for i in range(lay.clients))
        return work, memory, orphan, state >> lay.process & 3, self._attached(state), sockets

    def remembered(self, place: int, state: int) -> Remembered:
        """Return what the store remembers of a run."""
        key = place, state & self.layout.all_of(place)
        found = self._remembered.get(key)
        if found is None:
            found = self._remembered[key] = self.layout.remembered(place, state)
        return found

    def _attached(self, state: int) -> tuple[str, ...]:
        at = state >> self.layout.attachments & (1 << self.layout.clients) - 1
        found = self._named.get(at)
        if found is None:
            found = self._named[at] = tuple(name for i, name in enumerate(self.world.clients) if at >> i & 1)
        return found

    def _attached_bits(self, names: tuple[str, ...]) -> int:
        return sum(1 << self.world.clients.index(name) for name in names) << self.layout.attachments

    # -- rows ---------------------------------------------------------------------------------------------------------

    def run_row(self, key: int) -> Row:
        """Return what the run side can do; ``key`` is the state without its lowest bits, up to the process."""
        found = self.run_rows.get(key)
        if found is None:
            found = self.run_rows[key] = Row.of(self._fill_run(key << self.layout.process))
        return found

    def clients_at(self, key: int) -> Clients:
        """Return what clients can do; ``key`` is the face, then orphan timer, process and attachments."""
        found = self.clients.get(key)
        if found is None:
            found = self.clients[key] = self._fill_clients(key)
        return found

    def face_key(self, state: int) -> int:
        """Return the key of a state's client side."""
        low = state >> self.layout.attachments & (1 << self.face_shift) - 1
        return self.face_of_work[state >> self.layout.work] << self.face_shift | low

    def _fill_run(self, state: int) -> Iterator[Row]:
        process = state >> self.layout.process & 3
        if process == UP:
            yield from self._tries(state)
        elif process == OWED:
            yield self._performed
        elif self._restart is not None:
            yield self._restarted(state, self._restart)
        if self.crashes and process in (UP, OWED) and self.works.values[state >> self.layout.work] is not None:
            yield self._crashed[process]

    def _crash_edge(self, process: int) -> Edge:
        """Return how the process dies: with it go all connections."""
        lay = self.layout
        keep = ~(3 << lay.process) & ~((1 << lay.attachments) - 1)
        return Edge(keep, (LOST if process == OWED else DOWN) << lay.process, self.crash, True)

    def _take_over_edge(self, process: int) -> Edge:
        """Return how the next process takes over where there is nothing to: what was owed is performed."""
        assert self._restart is not None
        at = self.layout.process
        return Edge(~(3 << at), (OWED if process == LOST else UP) << at, self._restart[0])

    def _tries(self, state: int) -> Iterator[Row]:
        """Yield what the moves come to, each slice asked for once."""
        for group in self._groups:
            key = state & group.reads
            found = group.rows.get(key)
            if found is None:
                found = group.rows[key] = tuple([row for row in self._tried_in(group, state) if row is not NO_ROW])
            yield from found

    def _tried_in(self, group: Group, state: int) -> Iterator[Row]:
        """Yield what the moves of a group come to.

        A move is tried without the orphan timer first: only whether there is one can be seen then. If it reads the
        timer, it is tried again for this very timer.
        """
        lay = self.layout
        work, orphan, remembered = state >> lay.work, state >> lay.orphan & 3, state & group.memory
        unread = work, UNREAD if orphan else 0, group.place, remembered
        known = self._known(group, state)
        found = self._tried.get(unread)
        if found is None:
            moves = self._moves_left(work, group, remembered)
            found = self._tried[unread] = self._try(moves, work, unread[1], known)
        yield found[0]
        if found[1]:
            yield self._try(found[1], work, orphan, known)[0]

    def _known(self, group: Group, state: int) -> Remembered:
        """Return what the store remembers of the run that a group is about, and nothing of another."""
        return POISONED_MEMORY if group.place is None else self.remembered(group.place, state)

    def _moves_left(self, work: int, group: Group, remembered: int) -> Moves:
        """Return the moves of a group that no view of the work shows to be nothing."""
        if self.works.values[work] is None:
            return group.moves
        left = [self._left_in(view, work, group, remembered) for view in range(len(VIEWS)) if view not in LESS]
        return [one for one in group.moves if all(one[0] in some for some in left)]

    def _left_in(self, view: int, work: int, group: Group, remembered: int) -> frozenset[int]:
        """Return the moves of a group that a view of the work, and those that show less, do not show to be nothing."""
        key = view, self._view_of_work[work][view], group.place, remembered
        found = self._left.get(key)
        if found is None:
            less = LESS[view]
            moves = group.moves
            if less is not None:
                left = self._left_in(less, work, group, remembered)
                moves = [one for one in moves if one[0] in left]
            session = self.works.values[work]
            assert session is not None
            seen, known = in_view(session, VIEWS[view]), self._known(group, remembered)
            found = frozenset([index for index, move in moves if not self.world.is_nothing(move, seen, known)])
            self._left[key] = found
        return found

    def _try(self, moves: Moves, work: int, orphan: int, known: Remembered) -> tuple[Row, Moves]:
        """Try moves on a work and an orphan timer, which may be unread; only then a move may turn out to read it.

        Return what they came to, and those that need to read it: such as did so beside another queue are taken to.
        """
        edges: list[Edge] = []
        readers: list[tuple[int, Move]] = []
        session, timer = self.works.values[work], ORPHAN if orphan == UNREAD else ORPHANS[orphan]
        before = None if session is None else joined(session, timer, ATTACHMENTS)
        looks = self._view_of_work[work][HEAD_VIEW]
        for index, move in moves:
            if orphan == UNREAD and (index, looks) in self._reading:
                readers.append((index, move))
                continue
            try:
                edge = self._edge_of(index, move, work, before, orphan, known)
            except Breach as breach:
                if orphan != UNREAD or breach.fields["part"] != "orphan":
                    raise
                self._reading.add((index, looks))
                readers.append((index, move))
                continue
            if edge is not None:
                edges.append(edge)
        return self._row(edges), tuple(readers)

    def _edge_of(
        self, index: int, move: Move, work: int, before: Session | None, orphan: int, known: Remembered
    ) -> Edge | None:
        """Return what a move leads to; none if it cannot happen, or changes nothing.

        What made the same input before came to the same. So did, but for the timer that it leaves alone, what had
        another orphan timer and took the same step; so that a step is judged once for all of them.
        """
        given = move.make(before, known)
        if given is None:
            return None
        made = self._made.setdefault((work, index), [])
        alike: list[Outcome] = []
        for one in made:
            if one.given == given:
                if one.orphan == orphan:
                    return one.edge
                alike.append(one.outcome)
        outcome = self.world.outcome(move, before, given, alike)
        if outcome in alike:
            edge = next(one.edge for one in made if one.outcome is outcome)
        else:
            edge = self._edge(outcome, index, move) if outcome.changed or outcome.broken is not None else None
        made.append(Made(given, orphan, outcome, edge))
        return edge

    def _enabled(self, edges: Iterable[Edge]) -> int:
        """Return the kinds of moves that these are, as bits; what breaks a rule does not count."""
        enabled = 0
        for edge in edges:
            if edge.broken is None:
                enabled |= self.kinds[self.kind_of[edge.move]]
        return enabled

    def _edge(self, made: Outcome, index: int, move: Move) -> Edge:
        """Return the edge of an outcome that changes something, or breaks a rule."""
        if made.broken is not None:
            return Edge(0, 0, index, move.fault, made.broken)
        lay = self.layout
        keep, bits = lay.memory_after(made.remembering)
        keep &= (1 << lay.work) - 1 & ~(3 << lay.process)
        bits |= self._work(made.work) << lay.work
        if made.releases:
            keep &= ~(((1 << lay.clients) - 1) << lay.attachments)
        if not made.leaves_orphan:
            keep &= ~(3 << lay.orphan)
            bits |= self._orphan_numbers[made.orphan] << lay.orphan
        if self.crashes and made.step.journalled:  # what is not written down leaves nothing to perform
            bits |= OWED << lay.process
        return Edge(keep, bits, index, move.fault)

    def _restarted(self, state: int, restart: tuple[int, Move]) -> Row:
        """Return how the next process takes over: it changes the session, or there is nothing to take over."""
        lay = self.layout
        work, orphan, process = state >> lay.work, state >> lay.orphan & 3, state >> lay.process & 3
        key = work, orphan, RESTARTED, 0
        found = self._tried.get(key)
        if found is None:
            found = self._tried[key] = self._try((restart,), work, orphan, POISONED_MEMORY)
        return found[0] if found[0] is not NO_ROW else self._taken_over[process]

    def _fill_clients(self, key: int) -> Clients:
        lay = self.layout
        face = self.faces.values[key >> self.face_shift]
        low = (key & (1 << self.face_shift) - 1) << lay.attachments
        orphan, attachments = ORPHANS[low >> lay.orphan & 3], self._attached(low)
        if face and not orphan_fits(self.world, face, orphan, attachments):
            return Clients("detached-is-timed", NO_ROW, ())
        if low >> lay.process & 3 != UP:
            return Clients(None, NO_ROW, ())
        by_client: list[tuple[Row, Row, Row]] = []
        common: list[Edge] = []
        made = {i: self._client_edges(face, low, i, move) for i, move in self._client}
        for i, move in self._client:
            if move.client is None:
                common += made[i]
        for place in range(lay.clients):
            own: tuple[list[Edge], list[Edge], list[Edge]] = ([], [], [])
            for i, move in self._client:
                if move.client == place:
                    for socket in (GONE,) if move.kind == "detach" else (OUT, IN):
                        own[socket].extend(made[i])
            own[IN].append(Edge(~(3 << 2 * place), GONE << 2 * place, self.drop + place))
            by_client.append((self._row(own[OUT]), self._row(own[IN]), self._row(own[GONE])))
        broken = any(edge.broken is not None for edges in made.values() for edge in edges)
        own_rows = tuple((2 * i, rows) for i, rows in enumerate(by_client))
        return Clients(None, self._row(common), own_rows, broken)

    def _client_edges(self, face: tuple[object, ...], low: int, index: int, move: Move) -> list[Edge]:
        """Return what a client's move leads to; none if it changes nothing and is about no socket."""
        lay, place = self.layout, move.client
        made = self.world.client_move(move, face, ORPHANS[low >> lay.orphan & 3], self._attached(low))
        if made is None and move.kind != "detach":
            return []
        step, orphan, attached, broken = made or (None, None, (), None)
        if broken is not None:
            return [Edge(0, 0, index, move.fault, broken)]
        changed = step is not None and step.judge is None
        keep, bits = -1, 0
        if place is not None and (changed or move.kind == "detach"):
            keep, bits = ~(3 << 2 * place), (OUT if move.kind == "detach" else IN) << 2 * place
        if changed:
            keep &= ~(3 << lay.orphan | 3 << lay.process | (((1 << lay.clients) - 1) << lay.attachments))
            bits |= self._orphan_numbers[orphan] << lay.orphan | self._attached_bits(attached)
            bits |= (OWED if self.crashes else UP) << lay.process
        return [Edge(keep, bits, index, move.fault)] if changed or keep != -1 else []

    def _row(self, edges: list[Edge]) -> Row:
        if not edges:
            return NO_ROW
        kept = [edge for edge in edges if edge.broken is None]
        return Row(
            tuple((edge.keep, edge.bits) for edge in kept if not edge.fault),
            tuple((edge.keep, edge.bits) for edge in kept if edge.fault),
            tuple(kept),
            tuple(edge for edge in edges if edge.broken is not None),
            self._enabled(kept),
        )

    # -- a state's neighbours -----------------------------------------------------------------------------------------

    def rows(self, state: int) -> list[Row]:
        """Return the rows of a state: of the run side, and of each client; none if the state itself is wrong."""
        clients = self.clients_at(self.face_key(state))
        if clients.wrong is not None:
            return []
        own = [rows[state >> at & 3] for at, rows in clients.own]
        return [self.run_row(state >> self.layout.process), clients.common, *own]

    def edges(self, state: int) -> list[tuple[Edge, int]]:
        """Return every edge of a state with its successor."""
        return [(edge, state & edge.keep | edge.bits) for row in self.rows(state) for edge in row.edges]


def orphan_fits(world: World, face: tuple[object, ...], orphan: Timer | None, attachments: tuple[str, ...]) -> bool:
    """Say whether the orphan timer is as it must be, whichever side moved last."""
    session = masked(face, world.config.policy, orphan, attachments)
    return bool(detached_is_timed(None, session, None))  # type: ignore[arg-type]
