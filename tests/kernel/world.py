"""The world a kernel is tested in: it keeps the session, engine time, the records, and a ledger of what is held.

What lives here: the driver of the stories, the words they are told in, and the mutants. What must not: any expectation.
The law of this file: timers that are due fire first, each as a step of its own; every step of the world is checked
against the invariants unless a mutant is being driven.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

import attrs

from lifecycle import hooks
from lifecycle.declaration import Hold, Machine, Row, Send
from lifecycle.kernel import KERNEL, Kernel, Policy, Session, Step, due, timers
from lifecycle.kernel import inputs as i
from lifecycle.kernel.invariants import broken
from lifecycle.kernel.replies import Granted, Reply
from lifecycle.kernel.values import Closed, Ended, Execution, Found, Question, Request, Run, us
from lifecycle.machines import MACHINES

T = TypeVar("T")

FIRINGS_MAX = 1_000
"""Timers that fire at one instant before we call it a livelock."""

SECOND = us(1)
HOUR = us(3_600)
DAY = us(86_400)

NO_GRACE = Policy(orphan_grace_seconds=None)
"""For stories that clients have no part in."""


# -- the words of the stories -----------------------------------------------------------------------------------------


def start_run(run: str = "r1", **choices: Any) -> i.StartRun:
    """Ask for a run of ada's in session s; its content is its id unless told otherwise."""
    given: dict[str, Any] = {
        "session": "s",
        "run": run,
        "owner": "ada",
        "agent": "agent",
        "input": f"input of {run}",
        "digest": f"digest of {run}",
        "policy": Policy(),
    }
    return i.StartRun(**(given | choices))


def question(
    name: str = "q1",
    expiry: int | None = HOUR,
    on_expiry: str = "deny_and_continue",
    digest: str | None = None,
    kind: str = "approval",
    deciders: tuple[str, ...] = (),
) -> Question:
    """Make a question that its id tells apart; it expires after an hour."""
    return Question(name, kind, f"body of {name}", digest or f"shown {name}", expiry, on_expiry, deciders)


def decision(name: str = "q1", kind: str = "approve", **choices: Any) -> i.Decide:
    """Let ada decide ``name`` of run r1, by a decision that is named after it."""
    given: dict[str, Any] = {
        "run": "r1",
        "request": name,
        "decision": f"decision on {name}",
        "kind": kind,
        "by": "ada",
        "digest": f"shown {name}",
    }
    return i.Decide(**(given | choices))


# -- the ledger -------------------------------------------------------------------------------------------------------

TAKES: Mapping[type[hooks.Hook], type[hooks.Hook]] = {
    hooks.RegisterController: hooks.EvictController,
    hooks.OpenSegment: hooks.EndSegment,
    hooks.ArmTimer: hooks.DisarmTimer,
    hooks.ShowRequest: hooks.WithdrawRequest,
    hooks.OfferBegin: hooks.WithdrawOffer,
}
GIVES = {give: take for take, give in TAKES.items()}


def name_of(hook: Any) -> tuple[object, ...]:
    """Name what a hook takes or gives back: by owner and identity."""
    if isinstance(hook, (hooks.RegisterController, hooks.EvictController)):
        return hook.run, hook.controller
    if isinstance(hook, (hooks.OpenSegment, hooks.EndSegment)):
        return hook.run, hook.segment
    if isinstance(hook, (hooks.ArmTimer, hooks.DisarmTimer)):
        return hook.name, hook.owner, hook.token
    if isinstance(hook, (hooks.ShowRequest, hooks.WithdrawRequest)):
        return hook.run, hook.request
    return hook.run, hook.execution


class Ledger:
    """Keep what the hooks have taken and not given back; be strict about both.

    A timer that fires is gone. What a process held in its memory dies with it. What is gone may be given back, taken
    again or forgotten, in the same step and no later.
    """

    def __init__(self) -> None:
        self.held: dict[type[hooks.Hook], set[tuple[object, ...]]] = {take: set() for take in TAKES}
        self.ended: set[tuple[object, ...]] = set()
        self.opened: set[tuple[object, ...]] = set()
        self.published: Counter[str] = Counter()

    def enter(self, given: i.Input, step: Step) -> None:
        """Take note of one step, and refuse what does not balance."""
        lost = self.forget(given)
        if isinstance(given, i.TimerFired) and step.changed:
            fired = (given.name, given.owner, given.token)
            self.held[hooks.ArmTimer].discard(fired)
            lost.add(fired)
        for hook in step.hooks:
            kind = type(hook)
            if kind in TAKES:
                self.take(kind, name_of(hook), given)
            elif kind in GIVES:
                self.give(GIVES[kind], name_of(hook), lost)
            elif isinstance(hook, hooks.PublishEnd):
                self.published[hook.run] += 1
                assert self.published[hook.run] == 1, f"{hook.run} was published twice"

    def forget(self, given: i.Input) -> set[tuple[object, ...]]:
        """Let the memory of a process die when another one recovers; return what was in it."""
        if not isinstance(given, i.Recovered):
            return set()
        volatile = [take for take in TAKES if not take.durable]
        lost = set().union(*(self.held[take] for take in volatile))
        for take in volatile:
            self.held[take] = set()
        return lost

    def take(self, kind: type[hooks.Hook], name: tuple[object, ...], given: i.Input) -> None:
        """Add what is taken: new, unless an offer is made once more to whoever replaces the lost one."""
        again = kind is hooks.OfferBegin and isinstance(given, (i.Recovered, i.Lost))
        assert again or name not in self.held[kind], f"{kind.__name__}{name} is held already"
        if kind is hooks.OpenSegment:
            assert name not in self.opened, f"segment {name} was opened before"
            self.opened.add(name)
        self.held[kind].add(name)

    def give(self, kind: type[hooks.Hook], name: tuple[object, ...], lost: set[tuple[object, ...]]) -> None:
        """Remove what is given back: it was held, or died with its process."""
        assert name in self.held[kind] or name in lost, f"{kind.__name__}{name} is given back, but is not held"
        if kind is hooks.OpenSegment:
            assert name not in self.ended, f"segment {name} ended before"
            self.ended.add(name)
        self.held[kind].discard(name)

    def expected(self, session: Session) -> dict[type[hooks.Hook], set[tuple[object, ...]]]:
        """Say what is held, read from the value instead of from the hooks."""
        slot, runs = session.execution, session.unfinished()
        closing = slot is not None and slot.state == "closing"
        timers = [session.orphan, *(run.deadline for run in runs), *(run.queue_deadline for run in runs)]
        timers += [request.expiry for run in runs for request in run.requests]
        timers.append(slot.closing if slot is not None else None)
        return {
            hooks.RegisterController: {(run.spec.id, run.spec.admitted) for run in runs}
            | ({(slot.run, slot.controller)} if slot is not None and closing else set()),
            hooks.OpenSegment: {(run.spec.id, run.segment) for run in runs if run.state in ("starting", "running")},
            hooks.ArmTimer: {(t.name, t.owner, t.token) for t in timers if t is not None and t.due is not None},
            hooks.ShowRequest: {(run.spec.id, one.id) for run in runs for one in run.requests if one.state == "open"},
            hooks.OfferBegin: {(slot.run, slot.id)} if slot is not None and slot.state == "pending" else set(),
        }


# -- the driver -------------------------------------------------------------------------------------------------------


PLAIN = Kernel()
"""The kernel of the declared machines that goes the long way on every input."""


class World:
    """Drive one session: ``go`` lets an input arrive, ``wait`` lets time pass.

    ``strict`` worlds check the invariants and the ledger after each step, and that the long way is the same as the
    straight one; a mutant is driven in a lenient one.
    """

    def __init__(self, kernel: Kernel = KERNEL, policy: Policy = NO_GRACE, strict: bool | None = None) -> None:
        self.kernel = kernel
        self.policy = policy
        self.strict = kernel is KERNEL if strict is None else strict
        self.session: Session | None = None
        self.now = 0
        self.steps: list[tuple[i.Input, Step]] = []
        self.ended: dict[str, Ended] = {}
        self.keys: dict[str, Ended] = {}
        self.closed: dict[tuple[str, str], Request] = {}
        self.ledger = Ledger()

    # -- what arrives ---------------------------------------------------------------------------------------------

    def go(self, given: i.Input, after: float = 0) -> Step:
        """Let an input arrive ``after`` seconds, when everything due by then has fired; return its step."""
        self.wait(after)
        return self.step(given)

    def wait(self, seconds: float) -> list[Step]:
        """Let seconds pass; each timer fires at its own time. Return the firings' steps."""
        return self.wait_us(us(seconds))

    def wait_us(self, span: int) -> list[Step]:
        """Let microseconds pass."""
        until = self.now + span
        fired: list[Step] = []
        while (firing := self.first_due(until)) is not None:
            before = self.session
            fired.append(self.step(firing))
            if self.session is before:
                assert not self.strict, f"{firing} is due and does nothing: {self.reply}"
                break
            assert len(fired) < FIRINGS_MAX, f"{firing} keeps firing"
        self.now = max(self.now, until)
        return fired

    def sleep(self, seconds: float) -> list[Step]:
        """Let time pass in one leap, as a suspended machine does: everything due fires late, in its order."""
        self.now += us(seconds)
        return self.wait(0)

    def first_due(self, until: int) -> i.TimerFired | None:
        """Return the firing that is due first, and move the clock to it."""
        if self.session is None:
            return None
        for at in sorted({one.due for one in self.timers() if one.due is not None and one.due <= until}):
            self.now = max(self.now, at)
            return due(self.session, self.now)
        return None

    def step(self, given: i.Input) -> Step:
        """Step the session by one input, keep the records, and check."""
        given = self.with_found(given)
        before = self.session
        step = self.kernel.step(before, given, self.now)
        self.steps.append((given, step))
        for ended in step.ended:
            self.ended[ended.spec.id] = ended
            if ended.spec.key is not None:
                self.keys[ended.spec.key] = ended
        for closed in step.closed:
            self.closed[closed.run, closed.request.id] = closed.request
        if self.strict:
            assert broken(before, step) is None, (broken(before, step), given, step)
            plain = PLAIN.step(before, given, self.now)
            assert (plain, plain.session is before) == (step, step.session is before)
            self.ledger.enter(given, step)
            if step.session is not None:
                assert self.ledger.held == self.ledger.expected(step.session)
        self.session = step.session
        return step

    def lose(self, given: i.Input) -> Step:
        """Let an input be stepped whose commit then fails: nothing of it is kept."""
        return self.kernel.step(self.session, self.with_found(given), self.now)

    def with_found(self, given: i.Input) -> i.Input:
        """Bring the records that a store would find for the names in an input."""
        if not hasattr(given, "found"):
            return given
        named: Any = given
        ended = self.ended.get(named.run)
        if isinstance(given, i.StartRun) and given.key is not None and given.key in self.keys:
            ended = self.keys[given.key]
        request = self.closed.get((named.run, named.request)) if isinstance(given, i.Decide) else None
        return changed(given, found=Found(ended, request))

    # -- short ways -----------------------------------------------------------------------------------------------

    def start(self, run: str = "r1", **choices: Any) -> Step:
        """Let a run be started under the policy of this world."""
        return self.go(start_run(run, **({"policy": self.policy} | choices)))

    def begin(self, run: str | None = None) -> Step:
        """Let whoever got the offer ask to begin it."""
        slot = self.slot
        return self.go(i.Begin(run or slot.run, slot.id))

    def executing(self, run: str = "r1", **choices: Any) -> World:
        """Start a run and begin its code."""
        self.start(run, **choices)
        assert isinstance(self.begin().reply, Granted)
        return self

    def ask(self, *questions: Question | str) -> Step:
        """Let the code ask, and wait in place."""
        return self.go(i.RunAsked(self.slot.id, self.slot.token, tuple(map(as_question, questions))))

    def park(self, *questions: Question | str, checkpoint: str | None = "checkpoint") -> Step:
        """Let the code park on questions."""
        return self.settle(i.Parked(checkpoint, tuple(map(as_question, questions))))

    def settle(self, result: i.Value | i.Failure | i.Parked | None = None) -> Step:
        """Let the code return."""
        return self.go(i.ExecutionSettled(self.slot.id, self.slot.token, result))

    def complete(self, result: str | None = "answer") -> Step:
        """Let the code report the answer before it returns."""
        return self.go(i.RunCompleted(self.slot.run, result, self.slot.id, self.slot.token))

    def checkpoint(self, data: str = "checkpoint") -> Step:
        """Let the code reach a checkpoint."""
        return self.go(i.Checkpointed(self.slot.id, self.slot.token, data))

    def decide(self, name: str = "q1", kind: str = "approve", **choices: Any) -> Step:
        """Let ada decide a request of the head, or of the run named."""
        head = self.session.head if self.session is not None else None
        return self.go(decision(name, kind, **({} if head is None else {"run": head.spec.id}) | choices))

    def abort(self, run: str = "r1", by: str = "ada") -> Step:
        """Let a run be aborted."""
        return self.go(i.AbortRun(run, by))

    def crash(self, policy: Policy | None = None) -> Step:
        """Let the process die and another one take over."""
        return self.go(i.Recovered(policy or self.policy))

    # -- what there is --------------------------------------------------------------------------------------------

    @property
    def slot(self) -> Execution:
        """Return the execution in the slot."""
        if self.session is None or self.session.execution is None:
            raise LookupError("the slot is free")
        return self.session.execution

    @property
    def head(self) -> Run:
        """Return the head."""
        if self.session is None or self.session.head is None:
            raise LookupError("there is no head")
        return self.session.head

    @property
    def state(self) -> str:
        """Return the state that the session wears."""
        return "unknown" if self.session is None else self.session.state

    @property
    def queue(self) -> tuple[str, ...]:
        """Return the ids of the queued runs, first to begin first."""
        return () if self.session is None else tuple(run.spec.id for run in self.session.queue)

    @property
    def reply(self) -> Reply:
        """Return the reply to the latest input."""
        return self.steps[-1][1].reply

    def hooks(self, kind: type[hooks.Hook] | None = None) -> list[Any]:
        """Return all hooks so far, or those of a kind."""
        return [hook for _, step in self.steps for hook in step.hooks if kind is None or isinstance(hook, kind)]

    def timers(self) -> Iterable[Any]:
        """Return the timers that are armed."""
        return () if self.session is None else timers(self.session)

    def timer(self, name: str) -> Any:
        """Return the timer of that name; none if it is not armed."""
        return next((one for one in self.timers() if one.name == name), None)

    def end(self, run: str = "r1") -> tuple[str, str]:
        """Return how a run ended: its state and cause."""
        return self.ended[run].state, self.ended[run].cause


def as_question(one: Question | str) -> Question:
    """Make a question of a name."""
    return question(one) if isinstance(one, str) else one


def of(step: Step, kind: type[hooks.Hook]) -> list[Any]:
    """Return the hooks of a kind."""
    return [hook for hook in step.hooks if isinstance(hook, kind)]


def advertised(session: Session | None) -> set[str]:
    """Return the runs that a list shows as active: unfinished ones, and those whose code is said to be at work."""
    if session is None:
        return set()
    slot = session.execution
    at_work = {slot.run} if slot is not None and slot.state in ("pending", "executing") else set()
    return {run.spec.id for run in session.unfinished()} | at_work


def refused(step: Step, error: str) -> bool:
    """Say whether a step was refused by that error."""
    return getattr(step.reply, "error", None) == error


# -- mutants ----------------------------------------------------------------------------------------------------------


def mutant(**changed: Machine) -> Kernel:
    """Build a kernel in which one or more machines are replaced."""
    return Kernel(machines=tuple(changed.get(machine.name, machine) for machine in MACHINES))


def with_rows(machine: Machine, change: Callable[[Row], Row | None]) -> Machine:
    """Change rows; none removes one."""
    return attrs.evolve(machine, rows=[row for row in map(change, machine.rows) if row is not None])


def without_on_edge(machine: Machine, trigger: str, item: object) -> Machine:
    """Take an item (a Send, a hook) away from every row of a trigger; fail if none has it."""
    rows = [row for row in machine.rows if row.trigger == trigger and item in row.edge]
    assert rows, f"no row {trigger} of {machine.name} has {item}"
    return with_rows(
        machine,
        lambda row: attrs.evolve(row, edge=tuple(one for one in row.edge if one != item)) if row in rows else row,
    )


def without_send(machine: Machine, trigger: str, to: str, sent: str) -> Machine:
    """Take a Send away from every row of a trigger."""
    return without_on_edge(machine, trigger, Send(to, sent))


def with_holds(machine: Machine, change: Callable[[str, tuple[Hold, ...]], tuple[Hold, ...]]) -> Machine:
    """Change what states hold."""
    return attrs.evolve(
        machine, states=[attrs.evolve(state, holds=change(state.name, state.holds)) for state in machine.states]
    )


def without_hold(machine: Machine, hold: Hold, *states: str) -> Machine:
    """Take a hold away from states; fail if one does not have it."""
    assert all(hold in machine.state(name).holds for name in states)
    return with_holds(
        machine, lambda name, holds: tuple(one for one in holds if one != hold) if name in states else holds
    )


def with_hold(machine: Machine, hold: Hold, *states: str) -> Machine:
    """Let states hold something that they do not."""
    return with_holds(machine, lambda name, holds: (*holds, hold) if name in states else holds)


def changed(record: T, **changes: Any) -> T:
    """Return a frozen record with some fields changed."""
    made: T = attrs.evolve(cast("Any", record), **changes)
    return made


def closed_of(step: Step) -> dict[str, str]:
    """Return which requests a step closed, and how."""
    return {one.request.id: one.request.state for one in step.closed if isinstance(one, Closed)}
