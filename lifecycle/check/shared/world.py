"""The shared world: all that can happen to workers, their store and one session, one move at a time.

What lives here: which moves there are in a state, and by whom. What must not: what a move does; a scene says that. The law
of this file: a move is listed if it changes something, or breaks a rule.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from lifecycle.check.moves import Move
from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.deciding import Decisions
from lifecycle.check.shared.scene import AS_SHIPPED, Conduct, Deed, Scene, looked_at
from lifecycle.check.shared.state import AT_WORK, GRANTED, LEFT, NO_CODE, OPEN, SILENT, UNASKED, Process, State, is_up
from lifecycle.check.shared.stepping import OF_CODE, RECOVERY, Stepped, Steps
from lifecycle.check.world import Stepper
from lifecycle.errors import LifecycleError
from lifecycle.kernel import KERNEL, Step
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.lease import SHARING, Sharing
from lifecycle.kernel.values import Session


@attrs.frozen(eq=False)
class Shared:
    """What is checked in a shared world: a kernel, what a store decides by, what a runtime does. A mutant has others."""

    kernel: Stepper = KERNEL
    sharing: Sharing = SHARING
    conduct: Conduct = AS_SHIPPED

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Apply one input: the kernel of a shared world is one like any other."""
        return self.kernel.step(session, given, now)


def shared_of(kernel: Stepper) -> Shared:
    """Return what is checked: a kernel alone is shared as it ships."""
    return kernel if isinstance(kernel, Shared) else Shared(kernel)


@attrs.frozen(eq=False)
class Next:
    """A move that can happen: its name and kind, whether nobody wants it, the state it leads to, the rule it breaks."""

    name: str
    kind: str
    fault: bool
    after: State
    broken: str | None
    deeds: tuple[Deed, ...]


Judge = Callable[[Deed], str | None]
"""Says which rule is broken by what was done; none: none is."""


class SharedWorld:
    """A configuration under a kernel, the decisions of a store, and the conduct of a runtime."""

    def __init__(self, config: Workers, kernel: Stepper = KERNEL) -> None:
        self.config = config
        shared = shared_of(kernel)
        self.decisions, self.conduct = Decisions(shared.sharing), shared.conduct
        self.steps = Steps(config.session, shared.kernel, config.leaves_out)
        self.places = tuple(range(config.workers))
        self.names = tuple(f"w{place + 1}" for place in self.places)
        self.acts = tuple(acts_of(name) for name in self.names)

    def following(self, state: State, judge: Judge) -> list[Next]:
        """List all that can happen in a state and changes something, or breaks a rule."""
        found: list[Next] = []
        for place, process in enumerate(state.processes):
            acts = self.acts[place]
            if not is_up(process):
                self._try(found, state, place, acts.comes, judge, Scene.comes)
                continue
            self._try(found, state, place, acts.dies, judge, Scene.dies)
            if process.row == SILENT:
                self._try(found, state, place, acts.beats, judge, Scene.beats)
            elif self._is_seen(state, place):
                self._try(found, state, place, acts.stalls, judge, Scene.stalls)
            if process.code == NO_CODE:
                self._try(found, state, place, acts.leaves, judge, Scene.leaves)
            elif process.code == GRANTED:
                self._try(found, state, place, acts.calls, judge, Scene.calls)
            elif process.code == LEFT:
                self._try(found, state, place, acts.returns, judge, Scene.returns)
            self._try(found, state, place, acts.looks, judge, Scene.looks)
            if state.request.asker == place + 1 and state.request.state == OPEN:
                self._try(found, state, place, acts.gives_up, judge, Scene.gives_up)
            self._about_the_session(found, state, place, process, judge)
        return found

    def _about_the_session(self, found: list[Next], state: State, place: int, process: Process, judge: Judge) -> None:
        """List what a process does about the session: load it, or ask for it; recover it; step it."""
        acts, line = self.acts[place], process.line
        if line is None:
            self._try(found, state, place, acts.opens, judge, Scene.loads)
            if state.request.state == UNASKED and place >= self.config.workers - self.config.askers:
                for what, request in enumerate(self.config.requests):
                    act = f"{self.names[place]} asks for it: {request}", acts.opens[1], False
                    self._try(found, state, place, act, judge, partial(Scene.asks, what=what))
            return
        if line.recovering:
            stepped = self.steps.stepped(line.session, state.memory, RECOVERY)
            assert stepped is not None
            self._step(found, state, place, acts.recovers, stepped, judge)
            return
        if process.has_asked:
            request = self.config.requests[state.request.what]
            stepped = self.steps.asked(line.session, state.memory, request)
            act = f"{self.names[place]} does what it is asked: {request}", acts.answers, False
            self._step(found, state, place, act, stepped, judge, asked=True)
        for move, stepped in self.steps.possible(line.session, state.memory):
            if self._may(move, process):
                act = f"{self.names[place]}: {move.name}", f"{move.kind} {self.names[place]}", move.fault
                self._step(found, state, place, act, stepped, judge)

    @staticmethod
    def _is_seen(state: State, place: int) -> bool:
        """Say whether everybody at work knows of a worker: so that its heartbeat can have grown too old meanwhile."""
        return all(looked_at(other, place) for at, other in enumerate(state.processes) if at != place)

    @staticmethod
    def _may(move: Move, process: Process) -> bool:
        """Say whether a move is one of this process: code speaks where it is at work, and begins where none is."""
        if move.kind in OF_CODE:
            return process.code == AT_WORK
        return move.kind != "begin" or process.code == NO_CODE

    def _step(
        self,
        found: list[Next],
        state: State,
        place: int,
        act: Act,
        stepped: Stepped,
        judge: Judge,
        asked: bool = False,
    ) -> None:
        """Let a process step, unless the kernel raises."""
        if stepped.broken:
            found.append(Next(*act, state, "total", (Deed("kept", place, state, None, act[0], stepped, asked),)))
        else:
            self._try(found, state, place, act, judge, lambda scene, at: scene.steps(at, act[0], stepped, asked))

    def _try(
        self, found: list[Next], state: State, place: int, act: Act, judge: Judge, do: Callable[[Scene, int], None]
    ) -> None:
        """Do something, and judge it; whatever a table refuses breaks the rule that everything is decided."""
        scene, broken = Scene(self, state), None
        try:
            do(scene, place)
        except LifecycleError:
            broken = "total"
        after = scene.state()
        for deed in scene.deeds:
            broken = broken or judge(deed)
        if broken is not None or after != state:
            found.append(Next(*act, after, broken, tuple(scene.deeds)))


Act = tuple[str, str, bool]
"""The name of a move, its kind, and whether nobody wants it."""


@attrs.frozen
class Acts:
    """The moves of one worker that are always the same."""

    comes: Act
    dies: Act
    leaves: Act
    stalls: Act
    beats: Act
    looks: Act
    opens: Act
    recovers: Act
    calls: Act
    returns: Act
    gives_up: Act
    answers: str


def acts_of(name: str) -> Acts:
    """Name the moves of a worker."""
    return Acts(
        (f"{name} comes", "come", False),
        (f"{name} dies", "die", True),
        (f"{name} leaves", "leave", False),
        (f"{name} stalls past its lease", "stall", True),
        (f"{name} beats again", f"beat {name}", False),
        (f"{name} looks up", f"look {name}", False),
        (f"{name} is asked for the session", "ask", False),
        (f"{name} recovers the session", f"recover {name}", False),
        (f"{name} calls the code", f"call {name}", False),
        (f"the code of an old grant returns in {name}", "return", False),
        (f"{name} gives up waiting for a reply", "give up", False),
        f"answer {name}",
    )
