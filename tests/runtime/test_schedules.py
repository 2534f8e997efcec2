"""Schedules: any order of requests, acts of code, passing time, failing commits and crashes, on the real runtime.

Whatever happens, after every action what is shown, registered and armed is what the sessions hold; every segment has
one end; every reply is a legal one; and when all is let go, everything ends, nothing is left, and the kernel accepts
every journal.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import run_state_machine_as_test

from lifecycle import Approval, FreeText, answer
from lifecycle.check import SMALL, Configuration
from lifecycle.testing import Actor, Option, RuntimeTest, Told, play, schedules
from lifecycle.testing.stateful import PAUSES, Draw

from ..profiles import times

Act = tuple[str, int, str | None, float | None]
ACTS = ("emit", "ask", "ask", "ask two", "park", "park", "return", "raise", "checkpoint", "complete", "fail")


def an_act(draw: Draw) -> Act:
    """Choose what code does, with which question, and how that expires."""
    number, on_expiry = draw.pick((1, 2, 3)), draw.pick((None, None, "stop", "keep"))
    return draw.pick(ACTS), number, on_expiry, draw.pick((-1.0, 2, None))


class Schedules(RuntimeTest):
    """A life of several sessions over several processes, whose agents do as they are told."""

    def __init__(self) -> None:
        super().__init__()
        self.actors: list[Actor] = []

    def options(self) -> list[Option]:
        """Add what code may do."""
        found = super().options()
        if self.at_work():
            found += [
                Option("code acts", self.acts, 3),
                Option("code asks and is answered", self.asks_and_is_answered, 3),
            ]
        if any(actor.stubborn for actor in self.actors):
            found.append(Option("code lets go", self.returns_at_last))
        return found

    def agent(self, draw: Draw) -> Actor:
        """Make an agent for every run; one in three swallows cancellation."""
        self.actors.append(Actor(stubborn=draw.pick([False, False, True])))
        return self.actors[-1]

    def acts(self, draw: Draw) -> None:
        """Let code that is at work do something, or several things one after another."""
        actor = self.one_at_work(draw)
        for _ in range(draw.pick((1, 2, 3))):
            self.tell(actor, *an_act(draw))
        self.go(self.paused(draw.pick(PAUSES)))

    def asks_and_is_answered(self, draw: Draw) -> None:
        """Let code ask or park, and a human answer, so that lives get somewhere."""
        actor, act, pause = self.one_at_work(draw), an_act(draw), draw.pick(PAUSES)
        told = self.tell(actor, draw.pick(["ask", "park"]), *act[1:])
        self.go(self.paused(None))
        handle = self.runtime.run(actor.run.session, actor.run.id)
        by = draw.pick(["ada", "root"])
        for request in handle.requests:
            self.ask("decide", handle.decide(request.id, answer("words"), by=by), pause)
        self.go(self.paused(None))
        if handle.state == "running" and not self.runtime.counters["commits_failed"]:
            assert told.done, "the answer was not handed over"
        self.tell(actor, *act)
        self.go(self.paused(pause))

    def returns_at_last(self, draw: Draw) -> None:
        """Let code that swallows cancellation do so no more."""
        draw.pick([actor for actor in self.actors if actor.stubborn]).stubborn = False
        self.go(self.paused(draw.pick(PAUSES)))

    def one_at_work(self, draw: Draw) -> Actor:
        """Choose an agent whose code is at work."""
        several = self.at_work()
        return several[draw.pick(range(0, 4)) % len(several)]

    def at_work(self) -> list[Actor]:
        """Return the agents whose code is at work and whose run goes on."""
        return [actor for actor in self.actors if actor.grants and not actor.run.signal.aborted]

    def tell(self, actor: Actor, act: str, number: int, on_expiry: str | None, expiry: float | None) -> Told:
        """Tell code to do something."""
        timed = {"on_expiry": on_expiry} | ({} if expiry == -1.0 else {"expiry_seconds": expiry})
        question = Approval("May I?", args=[number], id=f"q{number}", **timed)  # type: ignore[arg-type]
        words = FreeText("What?", id="words", **timed)  # type: ignore[arg-type]
        return {
            "emit": lambda: actor.emit(number),
            "ask": lambda: actor.ask(question),
            "ask two": lambda: actor.ask(question, words),
            "park": lambda: actor.parks(number, question, FreeText("What?")),
            "return": lambda: actor.returns(number),
            "raise": lambda: actor.raises(ValueError(str(number))),
            "checkpoint": lambda: actor.checkpoint(number),
            "complete": lambda: actor.tell(lambda run: run.complete(number)),
            "fail": lambda: actor.tell(lambda run: run.fail(str(number))),
        }[act]()

    def holds_what_is_held(self) -> None:
        """See also that code was told of the end of its run."""
        super().holds_what_is_held()
        for actor in self.actors:
            for grant in actor.grants:
                if grant.tracker is self.runtime and self.runtime.run(grant.session, grant.id).end() is not None:
                    assert grant.signal.aborted, "a run has ended, and its code was not told"

    def lets_go(self) -> None:
        """Let all code return."""
        for actor in self.actors:
            actor.stubborn = False

    async def comes_to_rest(self) -> None:
        """Tell all code to return first."""
        self.lets_go()
        for actor in self.actors:
            actor.returns("at last")
        await super().comes_to_rest()

    def is_quiet(self) -> None:
        """See that whatever has returned is over."""
        for view in self.runtime.sessions():
            assert view.active is None or view.state == "waiting_for_human", "code returned, and its run goes on"


class SchedulesOnDisk(Schedules):
    """The same on a file, whose commits have their thread."""

    on_disk = True
    in_place = False


@pytest.mark.parametrize(("machine", "examples"), [(Schedules, 80), (SchedulesOnDisk, 25)], ids=["memory", "sqlite"])
def test_any_schedule_keeps_every_rule(machine: type[Schedules], examples: int) -> None:
    """Given any schedule of requests, code, time, failing commits and crashes, then every rule is kept throughout."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=times(examples),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("config", SMALL, ids=lambda config: config.name)
def test_any_moves_of_the_kernel_are_the_runtimes(config: Configuration) -> None:
    """Given any moves that the checker knows, when they are played on a tracker with store and clock, then each does

    there what it does in the kernel, and the kernel accepts the journal that they leave.
    """

    @settings(max_examples=times(350), deadline=None, suppress_health_check=list(HealthCheck))
    @given(moves=schedules(config, 16))
    def played(moves: tuple[str, ...]) -> None:
        asyncio.run(play(config, moves))

    played()
