"""Playing: moves of the checker on a real tracker, with a store and a clock, compared after each.

What lives here: one life, lived twice: by the kernel alone and by a tracker. What must not: a choice of moves; a tour, a
schedule or a test chooses. The law of this file: nothing of the kernel's life is told to the tracker but the inputs and
when they arrive; what a store finds, the tracker finds itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

import attrs

from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import ENDED, RESTART, Move, run_id
from lifecycle.check.parts import SESSION_ID
from lifecycle.check.replay import KernelLife, Lived, due_of
from lifecycle.errors import Invalid
from lifecycle.hooks import Hook
from lifecycle.kernel.engine import KERNEL, Kernel, timers
from lifecycle.kernel.inputs import Input, TimerFired
from lifecycle.kernel.replies import Rejection
from lifecycle.kernel.values import Found, Session
from lifecycle.runtime import Tracker
from lifecycle.runtime.line import Item
from lifecycle.store.port import UNJOURNALLED, Kept
from lifecycle.testing.faults import Disk, FaultyStore
from lifecycle.testing.journals import replay_journal
from lifecycle.testing.stage import Stage, turns

DIES = "the process dies"
SETTLE_TURNS_MAX = 1_000
"""How many turns of the event loop a move gets: far more than any commit takes."""


TURNS_TO_DIE = 10
"""How many turns a process gets between its last commit and its end: more than an acknowledgement would take."""


class Differs(AssertionError):
    """The tracker does something else than the kernel: ``moves`` led there, the last one differs."""

    def __init__(self, moves: tuple[str, ...], what: str, kernel: object, tracker: object) -> None:
        told = "\n".join(f"  {place + 1}. {name}" for place, name in enumerate(moves))
        super().__init__(f"{what} differs after\n{told}\nkernel:  {kernel!r}\ntracker: {tracker!r}")
        self.moves = moves
        self.what = what


class Beside(KernelLife):
    """The kernel's life beside a tracker's: the same moves at the tracker's times."""

    def __init__(self, config: Configuration, kernel: Kernel, arrival: int) -> None:
        super().__init__(config, kernel)
        self.arrival = arrival

    def _time(self, move: Move, given: Input) -> int:
        """Return when a move happens: now by the tracker's clock, or when its timer is due."""
        due = due_of(self.session, given) if move.fires else None
        return max(self.arrival, due or 0)


@attrs.define
class Counts:
    """What was played: moves that changed something, inputs that had to change nothing, firings by the clock itself."""

    moves: int = 0
    idle: int = 0
    fired_by_clock: int = 0
    fired_in_hand: int = 0
    crashes: int = 0


class Player:
    """Play moves of a configuration on a tracker, on a disk of its own; whatever differs from the kernel raises."""

    def __init__(self, config: Configuration, disk: Disk | None = None, kernel: Kernel = KERNEL) -> None:
        self.config = config
        self.kernel = kernel
        self.stage = Stage(disk, in_place=True)
        self.life = Beside(config, kernel, self.stage.clock.now())
        self.counts = Counts()
        self._durable: Session | None = None

    @property
    def tracker(self) -> Tracker:
        """Return the tracker of the present process."""
        tracker: Tracker = self.stage.runtime
        return tracker

    @property
    def played(self) -> tuple[str, ...]:
        """Return the names of all moves so far."""
        return tuple(lived.name for lived in self.life.lived)

    async def open(self) -> None:
        """Start the first process."""
        await self.stage.open(kernel=self.kernel, kind=Tracker, policy=self.config.policy)

    async def close(self) -> None:
        """Let go, in whatever state things are."""
        if self.stage.runtime is not None:
            await self.stage.crash()

    def possible(self) -> list[str]:
        """List the moves that would change something now; while no process is there, only that the next takes over."""
        if self.stage.runtime is None:
            return [RESTART]
        crash = [DIES] if "crash" in self.config.families and self.life.session is not None else []
        return [name for name in self.life.moves if name != RESTART and self.life.may(name)] + crash

    # -- one move -----------------------------------------------------------------------------------------------------

    async def do(self, name: str, *, dies: bool = False) -> Lived:
        """Play one move on both sides and compare; ``dies``: the process ends once it is durable, before all else."""
        self.life.arrival = self.stage.clock.now()
        if (self.stage.runtime is None) is not (name == RESTART):
            raise Invalid(f"move {name!r}", "cannot happen now", f"choose one of {', '.join(self.possible())}")
        if name == DIES:
            await self._crash()
            return self.life.do(name)
        if dies:
            self.stage.store.die_after()
        if name == RESTART:
            return await self._restart(dies)
        lived = self._live(name)
        if lived.given is not None and lived.step is not None:
            self._same_rule(lived)
            reply = await self._post(lived, dies)
            if dies:
                await self._die()
            else:
                self._same_reply(lived, reply)
                self._compare(lived)
                self._same_step(lived)
        return lived

    def _live(self, name: str) -> Lived:
        """Live a move on the kernel's side."""
        lived = self.life.do(name)
        if lived.step is not None and lived.step.journalled:
            self._durable = lived.step.session
        return lived

    async def idle(self) -> None:
        """Send everything that must change nothing now, and see that it does."""
        for move in self.life.moves.values():
            given = None if move.name == RESTART else self.life.input_of(move)
            if given is None:
                continue
            at = self.life._time(move, given)
            step = self.kernel.step(self.life.session, given, at)
            if not step.changed:
                self.counts.idle += 1
                lived = Lived(move.name, move.fault, at, self.life.session, given, step)
                self.stage.observed.clear()
                reply = await self._post(lived, False)
                self._same_reply(lived, reply)
                self._same(f"session after {move.name}", self.life.session, self._session())
                self._same(f"steps by {move.name}", [], self.stage.observed)

    async def _post(self, lived: Lived, dies: bool) -> object:
        """Let an input arrive, as it would; return the reply, or what was raised."""
        assert lived.given is not None
        if isinstance(lived.given, TimerFired) and await self._fired_by_clock(lived):
            return None
        given = as_sent(lived.given)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.tracker._post(SESSION_ID, Item(given, lived.at, future))
        for _ in range(SETTLE_TURNS_MAX):
            if future.done() or (dies and self.stage.store.is_dead):
                break
            await asyncio.sleep(0)
        if not future.done():
            future.cancel()
            return None
        error = future.exception()
        return future.result() if error is None else error

    async def _fired_by_clock(self, lived: Lived) -> bool:
        """Let time pass until a timer fires by itself, if it is the very next one; say whether it was."""
        given, now = lived.given, self.stage.clock.now()
        assert isinstance(given, TimerFired)
        armed = due_times(lived.before)
        first = min(armed.values(), default=0)
        wanted = [key for key, due in armed.items() if due == first] == [(given.name, given.owner, given.token)]
        then = due_times(None if lived.step is None else lived.step.session)
        if not wanted or first < now or any(due <= first for due in then.values()):
            self.counts.fired_in_hand += 1  # time would fire another one as well
            return False
        self.counts.fired_by_clock += 1
        await self.stage.clock.advance((first - now) / 1_000_000)
        return True

    # -- processes ----------------------------------------------------------------------------------------------------

    async def _crash(self) -> None:
        """End the process; what was not written down, a re-armed timer, is gone with it."""
        self.counts.crashes += 1
        await self.stage.crash()
        self.life.session = self._durable
        kept = self._left()
        self._same("session left", self._durable, None if kept is None else kept.session)

    async def _die(self) -> None:
        """End the process in the middle of what it did."""
        await turns(TURNS_TO_DIE)
        await self._crash()
        self.life.do(DIES)

    async def _restart(self, dies: bool) -> Lived:
        """Let the next process take over: it recovers the session as it finds it."""
        kept = self._left()
        lived = self._live(RESTART)
        self.stage.observed.clear()
        told = FaultyStore.die_after if dies else None
        await self.stage.open(kernel=self.kernel, kind=Tracker, told=told, policy=self.config.policy)
        if dies:
            await self._die()
            return lived
        self.tracker._advance(self.tracker._line(SESSION_ID))  # one that is over is recovered when it is asked for
        await self.stage.settle()
        again = [hook for one in self.stage.observed if one.redelivered for hook in one.hooks]
        self._same("hooks performed once more", self._owed(kept), again)
        self._compare(lived)
        return lived

    def _left(self) -> Kept | None:
        """Return what is on the disk while no process is there."""
        store = self.stage.disk.open()
        kept = store.load(SESSION_ID)
        store.close()
        return kept

    def _owed(self, kept: Kept | None) -> list[Hook]:
        """Return the durable hooks of which nobody knows whether they were performed."""
        if kept is None:
            return []
        entries = self.stage.store.journal(SESSION_ID, kept.performed)
        owed = [entry.hooks for entry in entries if entry.revision <= kept.session.revision]
        return [hook for several in owed for hook in several if hook.durable]

    # -- comparing ----------------------------------------------------------------------------------------------------

    def _same_rule(self, lived: Lived) -> None:
        if lived.broken is not None:
            raise Differs(self.played, f"rule {lived.broken}", "kept", "broken")

    def _compare(self, lived: Lived) -> None:
        """Compare sessions, what is kept, and what is shown, registered and armed."""
        self.counts.moves += 1
        self._same("session", self.life.session, self._session())
        self._same("what is shown, registered and armed", [], self.stage.wrong)
        step = lived.step
        if step is None:
            return
        store = self.stage.store
        kept = store.load(SESSION_ID)
        if step.journalled:
            self._same("session kept", self.life.session, None if kept is None else kept.session)
        for place, known in enumerate(self.life.memory):
            over = store.run_ended(SESSION_ID, run_id(place)) is not None
            self._same(f"whether {run_id(place)} is kept as ended", known.status == ENDED, over)
            for question, answered in known.closed:
                closed = store.request_closed(SESSION_ID, run_id(place), question)
                self._same(
                    f"how {question} is kept", (True, answered), (closed is not None, bool(closed and closed.answer))
                )

    def _same_reply(self, lived: Lived, reply: object) -> None:
        """Compare what the sender is told; of what is over that depends on what the store finds, and nothing else does."""
        given, step = lived.given, lived.step
        if reply is None or given is None or step is None:
            return
        informed = self.kernel.step(lived.before, self._informed(given, lived.before), lived.at)
        self._same(f"session by what is found for {lived.name}", step.session, informed.session)
        self._same(f"reply to {lived.name}", told(informed.reply), told(reply))

    def _informed(self, given: Any, before: Session | None) -> Input:
        """Return an input with what the store really has where the checker says that it has something."""
        store = self.stage.store
        if hasattr(given, "found"):
            run = None if given.found.run is None else store.run_ended(SESSION_ID, given.run)
            request = (
                None if given.found.request is None else store.request_closed(SESSION_ID, given.run, given.request)
            )
            return cast("Input", attrs.evolve(given, found=Found(run, request)))
        if not getattr(given, "known", ()):
            return cast("Input", given)
        run_in_slot = "" if before is None or before.execution is None else before.execution.run
        closed = [store.request_closed(SESSION_ID, run_in_slot, request.id) for request in given.known]
        return cast("Input", attrs.evolve(given, known=tuple(request for request in closed if request is not None)))

    def _same_step(self, lived: Lived) -> None:
        """Compare what was performed."""
        step = lived.step
        assert step is not None
        observed = self.stage.observed[-1] if self.stage.observed else None
        if step.changed and observed is not None:
            self._same("hooks", step.hooks, observed.hooks)
            self._same("rows taken", step.moves, observed.moves)
        self.stage.observed.clear()

    def _session(self) -> Session | None:
        return session_of(self.tracker)

    def _same(self, what: str, kernel: object, tracker: object) -> None:
        if kernel != tracker:
            raise Differs(self.played, what, kernel, tracker)


def session_of(tracker: Tracker) -> Session | None:
    """Return the session as a tracker has it in memory; none if it was never asked for."""
    line = tracker._lines.get(SESSION_ID)
    return None if line is None else line.session


def due_times(session: Session | None) -> dict[tuple[str, str, tuple[int, int]], int]:
    """Return when each timer that is armed is due."""
    held = [] if session is None else timers(session)
    return {(one.name, one.owner, one.token): one.due for one in held if one.due is not None}


def as_sent(given: Input) -> Input:
    """Return an input as its sender makes it: without what a store finds."""
    found: dict[str, object] = {name: value for name, value in UNJOURNALLED[type(given)].items() if name == "found"}
    if hasattr(given, "known"):
        found["known"] = ()
    return cast("Input", attrs.evolve(cast("Any", given), **found)) if found else given


def told(reply: object) -> object:
    """Return a reply as its sender hears it: a refusal as the words of its error."""
    if isinstance(reply, Rejection):
        reply = reply.exception()
    return f"{type(reply).__name__}: {reply}" if isinstance(reply, Exception) else reply


async def play(config: Configuration, names: Iterable[str], disk: Disk | None = None) -> Player:
    """Play moves by name on a tracker of their own, compare each, and let the kernel accept the journal they leave."""
    player = Player(config, disk)
    await player.open()
    try:
        for name in names:
            await player.do(name)
    finally:
        await player.close()
    left = player.stage.disk.open()
    if left.load(SESSION_ID) is not None:
        replay_journal(left, SESSION_ID)
    left.close()
    return player
