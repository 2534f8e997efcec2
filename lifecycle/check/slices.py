"""Slices: what can happen, in tables of small keys, filled by the real kernel when a search first asks.

What lives here: the interning of parts, the packing of a state into one integer, and the rows: for each key of the run
side, and for each of every client's, all successors. What must not: an order of search. The law of this file: the kernel
is called once for each distinct slice, however many states share it.

A state is one integer. From the top: work, memory, orphan timer, process, attachments, sockets. What a move of the run
side may read is everything above the attachments; what one of a client may read is the *face* of the work, what lies between
memory and sockets, and its own socket. An edge is a pair ``(keep, bits)``: the successor is ``state & keep | bits``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

import attrs

from lifecycle.check.moves import RESTART, Memory, Move, Remembered
from lifecycle.check.parts import ATTACHMENTS, ORPHAN, Breach, face_of, in_view, joined, key_of_view, masked
from lifecycle.check.world import NOTHING, ORPHANS, POISONED_MEMORY, Outcome, Remembering, World
from lifecycle.errors import Invalid
from lifecycle.kernel.invariants import detached_is_timed
from lifecycle.kernel.values import Session, Timer

K = TypeVar("K", bound=Hashable)

UP, OWED, DOWN, LOST = range(4)
"""The process: at work; with hooks of a committed step to perform; gone; gone with hooks unperformed."""

OUT, IN, GONE = range(3)
"""A client's socket: closed; open; closed without anybody having noticed."""

MEMORY_BITS = 18
"""Room for what the store remembers: more combinations than any configuration of a sensible size has."""


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


@attrs.frozen(eq=False)
class Piece:
    """An edge of the run side, but for what the store remembers after it: nothing new if ``remembering`` is none."""

    move: int
    fault: bool
    keep: int
    bits: int
    remembering: Remembering | None = None
    broken: str | None = None


Moves = Sequence[tuple[int, Move]]


class Tried:
    """What the moves of a slice came to; ``readers`` are those that need to read the orphan timer.

    ``plain`` and ``faulty`` are the pairs of what needs nothing more; ``remembers`` is what adds to the memory.
    """

    __slots__ = ("enabled", "faulty", "pieces", "plain", "readers", "remembers", "violations")

    def __init__(self, pieces: tuple[Piece, ...], readers: Moves, enabled: int) -> None:
        self.pieces, self.readers, self.enabled = pieces, readers, enabled
        kept = [piece for piece in pieces if piece.broken is None]
        ready = [piece for piece in kept if piece.remembering is None]
        self.plain: tuple[Pair, ...] = tuple([(one.keep, one.bits) for one in ready if not one.fault])
        self.faulty: tuple[Pair, ...] = tuple([(one.keep, one.bits) for one in ready if one.fault])
        self.remembers = tuple([piece for piece in kept if piece.remembering is not None])
        self.violations = tuple([Edge(0, 0, p.move, p.fault, p.broken) for p in pieces if p.broken is not None])


VIEWS: tuple[tuple[str, ...], ...] = ((), ("slot",), ("slot", "names"), ("slot", "head"))
"""What is shown of a work, beside its face, before all of it is: a move that is nothing so far need not see more."""

LESS = (None, 0, 1, 1)
"""For each view the one that shows less, and nothing that this one does not show: asked before, it leaves less to ask."""

UNREAD, RESTARTED = -1, -1
"""In a key: there is an orphan timer, and it was not read; the move of the next process."""


@attrs.frozen(eq=False)
class Group:
    """Moves of one footprint, by the run whose memory they read."""

    place: int | None
    moves: Moves


def grouped(moves: Moves) -> tuple[Group, ...]:
    """Gather the moves by their footprints."""
    by: dict[int | None, list[tuple[int, Move]]] = {}
    for index, move in moves:
        by.setdefault(move.memory, []).append((index, move))
    return tuple(Group(place, tuple(several)) for place, several in by.items())


class Row:
    """All that can happen in a slice: pairs for the search, edges, made when first asked for, to tell the story.

    ``enabled`` is a set of kinds, as bits: which can happen.
    """

    __slots__ = ("_edges", "enabled", "faulty", "plain", "violations")

    def __init__(
        self,
        plain: tuple[Pair, ...],
        faulty: tuple[Pair, ...],
        edges: tuple[Edge, ...] | Callable[[], tuple[Edge, ...]],
        violations: tuple[Edge, ...],
        enabled: int,
    ) -> None:
        self.plain, self.faulty, self.violations, self.enabled = plain, faulty, violations, enabled
        self._edges = edges

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Return the edges, those that break a rule left out."""
        if not isinstance(self._edges, tuple):
            self._edges = self._edges()
        return self._edges


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
    """Where each part of a packed state lies, counted in bits from the lowest; sockets lie at 0, two bits a client."""

    __slots__ = ("attachments", "clients", "memory", "orphan", "process", "work")

    def __init__(self, clients: int) -> None:
        self.clients = clients
        self.attachments = 2 * clients
        self.process = self.attachments + clients
        self.orphan = self.process + 2
        self.memory = self.orphan + 2
        self.work = self.memory + MEMORY_BITS


PERFORM, CRASH = "the hooks are performed", "the process dies"
WORLD_MOVES = (PERFORM, CRASH)


def drop_of(client: str) -> str:
    """Name the move by which a client's connection drops."""
    return f"the connection of {client} drops"


class Slices:
    """The tables of a world, and how its states are packed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.layout = layout = Layout(world.config.clients)
        self.works: Interned[Session | None] = Interned()
        self.memories: Interned[Memory] = Interned()
        self.faces: Interned[tuple[object, ...]] = Interned()
        self.face_of_work: list[int] = []
        self.run_rows: dict[int, Row] = {}
        self.clients: dict[int, Clients] = {}
        self._tried: dict[tuple[int, int, int | None, Remembered | None], Tried] = {}
        self._views: tuple[Interned[Hashable], ...] = tuple(Interned() for _ in VIEWS)
        self._view_of_work: list[tuple[int, ...]] = []
        self._left: dict[tuple[int, int, int | None, Remembered | None], Moves] = {}
        self._remembered: dict[tuple[int, Remembering], int] = {}
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
        self._groups = grouped([(i, move) for i, move in enumerate(world.moves) if move.side == "run"])
        self._client = [(i, move) for i, move in enumerate(world.moves) if move.side == "client"]
        self._restart = next(((i, move) for i, move in enumerate(world.moves) if move.name == RESTART), None)
        self.face_shift = layout.memory - layout.attachments
        self._orphan_numbers = {None: 0, ORPHANS[1]: 1, ORPHANS[2]: 2}
        self.initial = self.pack(None, world.memory)

    @property
    def kernel_calls(self) -> int:
        """Return how often the kernel was called."""
        return self.world.calls

    def width(self) -> int:
        """Return how many bits a state has, as far as works are known."""
        return self.layout.work + len(self.works.values).bit_length()

    # -- packing ------------------------------------------------------------------------------------------------------

    def pack(self, work: Session | None, memory: Memory) -> int:
        """Pack a state without clients and orphan timer, its process at work."""
        return self._work(work) << self.layout.work | self.memories.number(memory) << self.layout.memory

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
        memory = self.memories.values[state >> lay.memory & (1 << MEMORY_BITS) - 1]
        orphan = ORPHANS[state >> lay.orphan & 3]
        sockets = tuple(state >> 2 * i & 3 for i in range(lay.clients))
        return work, memory, orphan, state >> lay.process & 3, self._attached(state), sockets

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
            found = self.run_rows[key] = self._fill_run(key << self.layout.process)
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

    def _fill_run(self, state: int) -> Row:
        process = state >> self.layout.process & 3
        tried: list[Tried] = []
        own: list[Edge] = []
        if process == UP:
            tried = list(self._tries(state))
        elif process == OWED:
            own.append(Edge(~(3 << self.layout.process), UP << self.layout.process, self.perform))
        elif self._restart is not None:
            own += self._restart_edges(state, self._restart[0])
        if self.crashes and process in (UP, OWED) and self.works.values[state >> self.layout.work] is not None:
            own.append(self._crash_edge(process))
        return self._gathered(tried, state >> self.layout.memory & (1 << MEMORY_BITS) - 1, self._row(own))

    def _crash_edge(self, process: int) -> Edge:
        """Return how the process dies: with it go all connections."""
        lay = self.layout
        keep = ~(3 << lay.process) & ~((1 << lay.attachments) - 1)
        return Edge(keep, (LOST if process == OWED else DOWN) << lay.process, self.crash, True)

    def _gathered(self, tried: list[Tried], memory: int, own: Row) -> Row:
        """Join what several slices came to and what is the world's own."""
        plain, faulty, violations, enabled = list(own.plain), list(own.faulty), own.violations, own.enabled
        for one in tried:
            plain += one.plain
            faulty += one.faulty
            enabled |= one.enabled
            violations += one.violations
            for piece in one.remembers:
                (faulty if piece.fault else plain).append((piece.keep, piece.bits | self._memory_bits(piece, memory)))
        edges = partial(self._edges, tried, memory, own) if tried else own.edges
        return Row(tuple(plain), tuple(faulty), edges, violations, enabled)

    def _edges(self, tried: list[Tried], memory: int, own: Row) -> tuple[Edge, ...]:
        """Return the edges of a row, each with its move."""
        pieces = [piece for one in tried for piece in one.pieces if piece.broken is None]
        return (*(self._edge(piece, memory) for piece in pieces), *own.edges)

    def _edge(self, piece: Piece, memory: int) -> Edge:
        """Complete the edge of a piece."""
        return Edge(piece.keep, piece.bits | self._memory_bits(piece, memory), piece.move, piece.fault, piece.broken)

    def _tries(self, state: int) -> Iterator[Tried]:
        """Yield what the moves come to, each slice asked for once.

        A move is tried without the orphan timer first: only whether there is one can be seen then. If it reads the
        timer, it is tried again for this very timer.
        """
        lay = self.layout
        work, orphan = state >> lay.work, state >> lay.orphan & 3
        memory = self.memories.values[state >> lay.memory & (1 << MEMORY_BITS) - 1]
        for group in self._groups:
            known = None if group.place is None else memory[group.place]
            unread = work, UNREAD if orphan else 0, group.place, known
            found = self._tried.get(unread)
            if found is None:
                moves = self._moves_left(work, group, known)
                found = self._tried[unread] = self._try(moves, work, ORPHAN if orphan else None, known)
            yield found
            if found.readers:
                read = work, orphan, group.place, known
                again = self._tried.get(read)
                if again is None:
                    again = self._tried[read] = self._try(found.readers, work, ORPHANS[orphan], known)
                yield again

    def _moves_left(self, work: int, group: Group, known: Remembered | None) -> Moves:
        """Return the moves of a group that no view of the work shows to be nothing."""
        moves = group.moves
        if self.works.values[work] is not None:
            for view in range(len(VIEWS)):
                if view not in LESS:
                    left = {index for index, _ in self._left_in(view, work, group, known)}
                    moves = [one for one in moves if one[0] in left]
        return moves

    def _left_in(self, view: int | None, work: int, group: Group, known: Remembered | None) -> Moves:
        """Return the moves of a group that a view of the work, and those that show less, do not show to be nothing."""
        if view is None:
            return group.moves
        key = view, self._view_of_work[work][view], group.place, known
        found = self._left.get(key)
        if found is None:
            moves = self._left_in(LESS[view], work, group, known)
            session = self.works.values[work]
            assert session is not None
            seen, memory = in_view(session, VIEWS[view]), POISONED_MEMORY if known is None else known
            found = tuple([one for one in moves if not self.world.is_nothing(one[1], seen, memory)])
            self._left[key] = found
        return found

    def _try(self, moves: Moves, work: int, orphan: Timer | None, known: Remembered | None) -> Tried:
        """Try moves on a work and an orphan timer, which may be poison; only then a move may turn out to read it."""
        pieces: list[Piece] = []
        readers: list[tuple[int, Move]] = []
        session = self.works.values[work]
        before = None if session is None else joined(session, orphan, ATTACHMENTS)
        memory = POISONED_MEMORY if known is None else known
        poisoned: object = orphan
        for index, move in moves:
            try:
                made = self.world.outcome(move, session, before, orphan, memory)
            except Breach as breach:
                if poisoned is not ORPHAN or breach.fields["part"] != "orphan":
                    raise
                readers.append((index, move))
                continue
            if made is not None and (made.changed or made.broken is not None):
                pieces.append(self._piece(made, work, index, move))
        return Tried(tuple(pieces), tuple(readers), self._enabled(pieces))

    def _enabled(self, edges: Iterable[Piece | Edge]) -> int:
        """Return the kinds of moves that these are, as bits; what breaks a rule does not count."""
        enabled = 0
        for edge in edges:
            if edge.broken is None:
                enabled |= self.kinds[self.kind_of[edge.move]]
        return enabled

    def _piece(self, made: Outcome, work: int, index: int, move: Move) -> Piece:
        """Return the edge of an outcome, without what the store remembers."""
        if made.broken is not None:
            return Piece(index, move.fault, 0, 0, None, made.broken)
        lay = self.layout
        keep = (1 << lay.process) - 1
        if made.releases:
            keep &= ~(((1 << lay.clients) - 1) << lay.attachments)
        same = made.work is self.works.values[work]
        bits = (work if same else self._work(made.work)) << lay.work
        orphan: object = made.orphan
        if orphan is ORPHAN:
            keep |= 3 << lay.orphan
        else:
            bits |= self._orphan_numbers[made.orphan] << lay.orphan
        if self.crashes and made.step.journalled:  # what is not written down leaves nothing to perform
            bits |= OWED << lay.process
        if made.remembering is not NOTHING:
            return Piece(index, move.fault, keep, bits, made.remembering)
        return Piece(index, move.fault, keep | (1 << MEMORY_BITS) - 1 << lay.memory, bits)

    def _memory_bits(self, piece: Piece, memory: int) -> int:
        """Return the bits of what the store remembers after a piece, where that is set anew."""
        if piece.remembering is None:
            return 0
        key = memory, piece.remembering
        found = self._remembered.get(key)
        if found is None:
            found = self.memories.number(piece.remembering.after(self.memories.values[memory]))
            if found >> MEMORY_BITS:
                fact = f"the store can remember more than {1 << MEMORY_BITS} different things"
                raise Invalid(f"configuration {self.world.config.name}", fact, "use fewer runs or questions")
            self._remembered[key] = found
        return found << self.layout.memory

    def _restart_edges(self, state: int, index: int) -> Iterator[Edge]:
        """Yield how the next process takes over: it changes the session, or there is nothing to take over."""
        lay = self.layout
        work, orphan, process = state >> lay.work, state >> lay.orphan & 3, state >> lay.process & 3
        key = work, orphan, RESTARTED, None
        if key not in self._tried:
            assert self._restart is not None
            self._tried[key] = self._try((self._restart,), work, ORPHANS[orphan], None)
        pieces = self._tried[key].pieces
        for piece in pieces:
            yield self._edge(piece, state >> lay.memory & (1 << MEMORY_BITS) - 1)
        if not pieces:
            owed = OWED if process == LOST else UP
            yield Edge(~(3 << lay.process), owed << lay.process, index)

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
