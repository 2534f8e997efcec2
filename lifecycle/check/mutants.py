"""Mutants: kernels with one rule switched off, to show that its absence would be found.

What lives here: the kernels of the written rule (see ``variants``), and the hand-written mutants for what no table says.
What must not: a search, and what only workers share; ``shared.mutants`` has those. The law of this file: a mutant differs
from the shipped kernel in one place, and has a name.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

import attrs

from lifecycle import hooks
from lifecycle.check.shared.mutants import SHARED_EQUIVALENT, SHARED_MUTANTS, shared_table_mutants
from lifecycle.check.variants import Mutant, replaced, variants, with_state
from lifecycle.check.world import Stepper
from lifecycle.declaration import Hold, Machine, Send
from lifecycle.errors import Invalid
from lifecycle.kernel.engine import KERNEL, Kernel, Step
from lifecycle.kernel.inputs import (
    AbortRun,
    AbortSession,
    Attach,
    Begin,
    Checkpointed,
    CloseSession,
    Decide,
    Detached,
    ExecutionSettled,
    Input,
    Lost,
    ProviderReported,
    Recovered,
    RunAsked,
    RunCompleted,
    StartRun,
    TimerFired,
)
from lifecycle.kernel.judges import Judge, Named, caller_may_abort, has_room, key_is_new, report_is_current
from lifecycle.kernel.judging_decisions import not_decided_otherwise, request_still_open
from lifecycle.kernel.refusing import denied
from lifecycle.kernel.replies import Aborted, Admitted, Decided, Joined, Reply, Stale
from lifecycle.kernel.routes import (
    ROUTES,
    Effect,
    EndEach,
    Fire,
    admit,
    count_questions,
    every_run,
    interrupted_head,
    named_request,
    park,
    run_of_slot,
)
from lifecycle.kernel.values import Execution, Request, Run, RunSpec, Session, Timer
from lifecycle.kernel.work import Work, thawed_head, thawed_slot
from lifecycle.machines import MACHINES, RUN
from lifecycle.machines.held import CONTROLLER, SEGMENT

T = TypeVar("T")


def with_machine(changed: Machine) -> tuple[Machine, ...]:
    """Return the declared machines with one of them replaced."""
    return tuple(changed if machine.name == changed.name else machine for machine in MACHINES)


# -- the written rule -------------------------------------------------------------------------------------------------


def table_mutants(machines: Iterable[Machine] = MACHINES) -> Iterator[Mutant]:
    """List every mutant that the written rule makes of the declared machines."""
    for machine in machines:
        for name, changed in variants(machine):
            yield Mutant(name, "", lambda changed=changed: Kernel(with_machine(changed)))  # type: ignore[misc]


EQUIVALENT: dict[str, str] = {
    "request.open.withdraw[is_last_open]: to open": "the wait is left in the same step, and whoever leaves a wait "
    "closes its open questions as withdrawn: the session, the hooks and the reply are the same",
    "controller.registered.evict: no row": "every end signals before it evicts, so no step evicts a registered one",
    "controller.registered.evict: to registered": "every end signals before it evicts: the row is not taken by a step",
    **SHARED_EQUIVALENT,
}
"""Mutants that no step can tell from the shipped kernel, each with the reason."""


# -- by hand: what no table says --------------------------------------------------------------------------------------


def altered(record: T, **fields: object) -> T:
    """Return a record with some fields changed."""
    return cast("T", attrs.evolve(cast("Any", record), **fields))


class Changed:
    """A kernel whose steps are changed afterwards, by one function."""

    def __init__(self, change: Callable[[Session | None, Input, int, Step], Step], kernel: Stepper = KERNEL) -> None:
        self.kernel = kernel
        self.change = change

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Step, then change what came of it."""
        return self.change(session, given, now, self.kernel.step(session, given, now))


def without_judge(kind: type[Input], name: str) -> Stepper:
    """Return a kernel in which inputs of a kind need not pass one judge."""
    return without_judges(kind, (name,))


def without_judges(kind: type[Input], names: tuple[str, ...]) -> Stepper:
    """Return a kernel in which inputs of a kind need not pass some judges."""
    kernel = Kernel()
    find, judges, choose, way, ways, reply = kernel.handling[kind]
    kept = tuple(judge for judge in judges if judge.__name__ not in names)
    if len(kept) != len(judges) - len(names):
        raise Invalid(f"judges {', '.join(names)}", f"{kind.__name__} has not all of them", "name its judges")
    kernel.handling = {**kernel.handling, kind: (find, kept, choose, way, ways, reply)}
    return kernel


def with_judge(kind: type[Input], name: str, judge: Judge) -> Stepper:
    """Return a kernel in which one judge of inputs of a kind is another."""
    kernel = Kernel()
    find, judges, choose, way, ways, reply = kernel.handling[kind]
    if name not in [one.__name__ for one in judges]:
        raise Invalid(f"judge {name}", f"{kind.__name__} has none of that name", "name one of its judges")
    others = tuple(judge if one.__name__ == name else one for one in judges)
    kernel.handling = {**kernel.handling, kind: (find, others, choose, way, ways, reply)}
    return kernel


def with_route(name: str, *route: Fire | Effect) -> Stepper:
    """Return a kernel in which an input takes another route."""
    return Kernel(routes={**ROUTES, name: route})


def re_timed(session: Session, orphan: Timer | None) -> Session:
    """Return a session with another orphan timer."""
    return altered(session, orphan=orphan)


def one_shot(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Let the orphan timer fire once: where it would be armed again, it is not."""
    if step.journalled or step.session is session or step.session is None:
        return step
    return altered(step, session=re_timed(step.session, None), hooks=())


def reaping_busy(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Reap whatever is detached, although a question waits in it or its code works."""
    if step.journalled or step.session is session or session is None or session.head is None:
        return step
    ended = KERNEL.step(session, CloseSession("root"), now)
    assert ended.session is not None
    stopped = altered(ended.session, cause="orphaned")
    return altered(ended, session=stopped)


def recovery_without_timers(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Take over without arming what was armed."""
    if not isinstance(given, Recovered):
        return step
    return altered(step, hooks=tuple(hook for hook in step.hooks if not isinstance(hook, hooks.ArmTimer)))


def recovery_without_controllers(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Take over without registering who may stop what goes on."""
    if not isinstance(given, Recovered):
        return step
    kept = tuple(hook for hook in step.hooks if not isinstance(hook, hooks.RegisterController))
    return altered(step, hooks=kept)


def recovery_ends_as_rerun(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Tell whoever reads a stream that its run is run again, although only its process is another."""
    if not isinstance(given, Recovered):
        return step
    told = tuple(
        altered(hook, reason="rerun") if isinstance(hook, hooks.EndSegment) and hook.reason == "recovery" else hook
        for hook in step.hooks
    )
    return altered(step, hooks=told)


def recovery_keeps_clients(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Take over with the connections of a process that is gone."""
    if not isinstance(given, Recovered) or step.session is session or step.session is None:
        return step
    return altered(step, session=altered(step.session, attachments=("c1",)))


def next_before_settled(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Begin the next run while the code of the last still works."""
    after = step.session
    if after is None or session is None or after.execution is session.execution or after.execution is None:
        return step
    if after.execution.state != "closing":
        return step
    if after.head is None:
        return step
    offered = Execution(after.revision, after.head.spec.id, "pending", 0, after.head.spec.admitted, None)
    return altered(step, session=altered(after, execution=offered))


def answer_without_effect(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Tell a human that the answer was taken, and lose it."""
    if not isinstance(given, Decide) or step.session is session or step.session is None or step.session.head is None:
        return step
    head = altered(step.session.head, answers=())
    return altered(step, session=altered(step.session, head=head))


def answers_not_handed(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Let the code that waits in place never hear of the answer."""
    return altered(step, hooks=tuple(hook for hook in step.hooks if not isinstance(hook, hooks.HandAnswers)))


def cause_overwritten(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Write down another cause than that of what ended the run."""
    if not step.ended or not isinstance(given, AbortRun):
        return step
    return altered(step, ended=tuple(altered(one, cause="superseded") for one in step.ended))


def token_of_the_session(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Arm every timer with one and the same token."""
    if step.session is session or step.session is None or step.session.orphan is None:
        return step
    same = altered(step.session.orphan, token=(1, 0))
    armed = tuple(
        altered(hook, token=(1, 0)) if isinstance(hook, hooks.ArmTimer) and hook.name == "orphan" else hook
        for hook in step.hooks
    )
    return altered(step, session=re_timed(step.session, same), hooks=armed)


def evicts_by_name(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Clean up by name: the end of a run takes away the controller of whichever run is the head."""
    head = None if step.session is None else step.session.head
    if head is None:
        return step
    evicted = tuple(
        altered(hook, run=head.spec.id, controller=head.spec.admitted)
        if isinstance(hook, hooks.EvictController)
        else hook
        for hook in step.hooks
    )
    return altered(step, hooks=evicted)


def acknowledged_unregistered(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Acknowledge a queued run without registering who may stop it."""
    if not isinstance(step.reply, Admitted) or not step.reply.queued:
        return step
    kept = tuple(hook for hook in step.hooks if not isinstance(hook, hooks.RegisterController))
    return altered(step, hooks=kept)


def late_detach_obeyed(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Let a late report of an old connection release whoever is attached now."""
    if not isinstance(given, Detached) or session is None or step.session is not session or not session.attachments:
        return step
    return KERNEL.step(session, Detached(session.attachments[0]), now)


def detach_keeps(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Take no note of a client that is gone."""
    if not isinstance(given, Detached) or session is None:
        return step
    told = Stale(f"attachment {given.attachment}")
    return altered(step, session=session, hooks=(), reply=told, judge="attachment_is_there", journalled=False)


def attach_keeps_timer(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Leave the orphan timer armed while somebody is attached."""
    if not isinstance(given, Attach) or session is None or step.session is None or step.session is session:
        return step
    return altered(step, session=re_timed(step.session, session.orphan), hooks=())


def shown_to_nobody(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Open a question without showing it."""
    return altered(step, hooks=tuple(hook for hook in step.hooks if not isinstance(hook, hooks.ShowRequest)))


def stays_in_the_list(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Keep an ended run as the one that is active."""
    after = step.session
    if not step.ended or after is None or after.head is not None or session is None or session.head is None:
        return step
    return altered(step, session=altered(after, head=session.head))


# who may, by another judge

MayBy = Callable[[Session, Run, str], bool]


def owner_or_admin(session: Session, run: Run, by: str) -> bool:
    """Say whether somebody owns a run, or is an admin."""
    return by == run.spec.owner or by in session.policy.admins


def aborting(may: MayBy) -> Stepper:
    """Return a kernel in which others may abort a run."""

    def caller_may_abort(session: Session | None, given: AbortRun, run: Run) -> Reply | None:
        assert session is not None
        return None if may(session, run, given.by) else denied(f"run {given.run}", given.by, "abort")

    return with_judge(AbortRun, "caller_may_abort", caller_may_abort)


def deciding(may: Callable[[Session, RunSpec, Request, str], bool]) -> Stepper:
    """Return a kernel in which others may decide."""

    def caller_may_decide(session: Session | None, given: Decide, about: Named) -> Reply | None:
        ended = given.found.run
        spec = about.run.spec if about.run is not None else None if ended is None else ended.spec
        assert session is not None and spec is not None and about.request is not None
        allowed = may(session, spec, about.request, given.by)
        return None if allowed else denied(f"request {given.request}", given.by, "decide")

    return with_judge(Decide, "caller_may_decide", caller_may_decide)


# what is told


def joins_anything(session: Session | None, given: StartRun, about: object) -> Reply | None:
    """Join the run of a key, whatever its content."""
    run = next((run for run in (session.unfinished() if session else ()) if run.spec.key == given.key), None)
    return key_is_new(session, given, about) if run is None else Joined(run.spec.id)


def confirms_any_decision(session: Session | None, given: Decide, about: Named) -> Reply | None:
    """Tell whoever decides too late, and otherwise, that it was so decided."""
    refused = not_decided_otherwise(session, given, about)
    return None if refused is None else Decided(given.run, given.request, given.decision, given.kind)


def says_it_is_done(session: Session | None, given: AbortRun, run: Run) -> Reply | None:
    """Tell a stranger that the run was aborted, and let it go on."""
    return None if caller_may_abort(session, given, run) is None else Aborted((given.run,))


def ended_by_this(session: Session | None, given: AbortRun, run: Run | None) -> Reply | None:
    """Tell whoever aborts a run that has ended that it was ended just now."""
    return Aborted((given.run,)) if run is None else None


def taken_too_late(session: Session | None, given: Decide, about: Named) -> Reply | None:
    """Tell whoever decides when the question is closed that the decision was taken."""
    closed = request_still_open(session, given, about)
    return None if closed is None else Decided(given.run, given.request, given.decision, given.kind)


def any_execution(session: Session | None, given: ProviderReported, about: object) -> Reply | None:
    """Take a report, whichever execution it names."""
    return report_is_current(session, altered(given, execution=None), about)


def only_rejects(session: Session | None, given: StartRun, about: object) -> Reply | None:
    """Have room for any number of runs."""
    return has_room(session, given, about) if given.when_busy == "reject" else None


# whose turn it is


def newest_first(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Put whatever is enqueued before what waits."""
    after = step.session
    if not isinstance(step.reply, Admitted) or not step.reply.queued or after is None:
        return step
    return altered(step, session=altered(after, queue=(after.queue[-1], *after.queue[:-1])))


def admit_last(work: Work) -> None:
    """Admit the run that interrupts at the end of the queue."""
    admit(work)
    session = work.session
    if session.head is None:
        session.queue = (*session.queue[1:], session.queue[0])


# crashes


def approved_is_rerun(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Run again after a crash what a human approved, as if nothing had been."""
    head = None if session is None else session.head
    if not isinstance(given, Lost | Recovered) or session is None or head is None or not step.ended:
        return step
    again = KERNEL.step(altered(session, head=altered(head, answers=())), given, now)
    after = again.session
    if again.ended or after is None or after.head is None:
        return again
    return altered(again, session=altered(after, head=altered(after.head, answers=head.answers)))


def rerun_for_ever(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Run again whatever crashes, however often it did."""
    if not isinstance(given, Lost | Recovered) or session is None or not step.ended:
        return step
    endless = altered(session.policy, attempts_max=1_000_000)
    again = KERNEL.step(
        altered(session, policy=endless), altered(given, policy=endless) if isinstance(given, Recovered) else given, now
    )
    assert again.session is not None
    return altered(again, session=altered(again.session, policy=session.policy))


# checkpoints and questions


def forget_checkpoint(work: Work) -> None:
    """Make the answers the past, and keep no checkpoint."""
    run = run_of_slot(work)
    if run is not None:
        run.answers, run.asked = (), run.questions


def keep_answers(work: Work) -> None:
    """Keep the checkpoint, and the answers from before it."""
    given: Any = work.input
    run = run_of_slot(work)
    if run is not None:
        run.checkpoint, run.asked = given.data, run.questions


class Mishearing:
    """A kernel that takes any question for the one that had its name before."""

    def step(self, session: Session | None, given: Input, now: int) -> Step:
        """Step, on questions of the digests that are known."""
        head = None if session is None else session.head
        if isinstance(given, RunAsked) and head is not None:
            known = {one.id: one.digest for one in (*given.known, *head.requests)}
            known |= {one.request: one.digest for one in head.answers}
            heard = tuple(altered(one, digest=known.get(one.id, one.digest)) for one in given.questions)
            given = altered(given, questions=heard)
        return KERNEL.step(session, given, now)


# what is kept of an end


def ended_otherwise(**fields: object) -> Callable[[], Stepper]:
    """Return how to build a kernel that keeps something else of every end."""

    def change(session: Session | None, given: Input, now: int, step: Step) -> Step:
        return altered(step, ended=tuple(altered(one, **fields) for one in step.ended)) if step.ended else step

    return lambda: Changed(change)


def always_closed(session: Session | None, given: Input, now: int, step: Step) -> Step:
    """Say of every session that stops that it was closed."""
    after = step.session
    if after is None or after is session or after.cause != "orphaned":
        return step
    return altered(step, session=altered(after, cause="closed"))


def removed(machine: Machine, source: str, trigger: str, item: object) -> Callable[[], Stepper]:
    """Return how to build a kernel in which one item is gone from the edge of one row."""

    def make() -> Stepper:
        (row,) = [row for row in machine.rows if (row.source, row.trigger) == (source, trigger)]
        kept = tuple(one for one in row.edge if one != item)
        return Kernel(with_machine(replaced(machine, row, altered(row, edge=kept))))

    return make


def unheld(machine: Machine, names: Iterable[str], hold: Hold) -> Callable[[], Stepper]:
    """Return how to build a kernel in which some states of a machine no longer hold something."""

    def make() -> Stepper:
        changed = machine
        for name in names:
            (state,) = [one for one in changed.states if one.name == name]
            kept = tuple(one for one in state.holds if one != hold)
            changed = with_state(changed, state, altered(state, holds=kept))
        return Kernel(with_machine(changed))

    return make


def holding(machine: Machine, name: str, hold: Hold) -> Callable[[], Stepper]:
    """Return how to build a kernel in which a state of a machine holds something more."""

    def make() -> Stepper:
        (state,) = [one for one in machine.states if one.name == name]
        return Kernel(with_machine(with_state(machine, state, altered(state, holds=(*state.holds, hold)))))

    return make


SEEDS: tuple[Mutant, ...] = (
    Mutant(
        "ended-run-stays-active",
        "OpenClaw #87767: a run has ended and is still advertised as active, so the spinner never stops",
        lambda: Changed(stays_in_the_list),
        seed=True,
    ),
    Mutant(
        "run-without-controller",
        "OpenClaw #71214: a run is acknowledged and nobody can abort it, because its controller was never registered",
        unheld(RUN, ("starting", "running", "waiting_for_human"), CONTROLLER),
        seed=True,
    ),
    Mutant(
        "one-shot-orphan-timer",
        "Hermes #44102: the orphan timer fires once while work is in flight, and never again: the session lives on",
        lambda: Changed(one_shot),
        seed=True,
    ),
    Mutant(
        "session-without-its-head",
        "T3 Code #3159: a session says that it is ready while its run is at work",
        removed(RUN, "running", "ask", Send("session", "ask")),
        seed=True,
    ),
    Mutant(
        "paused-stream-never-ends",
        "LobeHub #13860: a run waits for a human and its stream is never ended, so the client waits, too",
        holding(RUN, "waiting_for_human", SEGMENT),
        seed=True,
    ),
)
"""The five bugs that this engine was made for, each as the rule whose absence it is."""

BY_HAND: tuple[Mutant, ...] = (
    Mutant("reaps-what-waits", "a detached session is stopped with a question open", lambda: Changed(reaping_busy)),
    Mutant("recovery-forgets-timers", "after a crash nothing is timed", lambda: Changed(recovery_without_timers)),
    Mutant(
        "recovery-forgets-controllers",
        "after a crash nobody can abort what goes on",
        lambda: Changed(recovery_without_controllers),
    ),
    Mutant(
        "recovery-told-as-rerun",
        "who reads a stream hears that its run begins anew",
        lambda: Changed(recovery_ends_as_rerun),
    ),
    Mutant(
        "attached-twice",
        "a client that attaches again is there twice",
        lambda: without_judge(Attach, "not_attached_yet"),
    ),
    Mutant("recovery-keeps-clients", "after a crash the dead are attached", lambda: Changed(recovery_keeps_clients)),
    Mutant("next-before-settled", "two runs' code works at once", lambda: Changed(next_before_settled)),
    Mutant("answer-without-effect", "a human's answer is lost", lambda: Changed(answer_without_effect)),
    Mutant("answers-not-handed", "code that waits in place never hears", lambda: Changed(answers_not_handed)),
    Mutant("cause-overwritten", "the cause of an end is another", lambda: Changed(cause_overwritten)),
    Mutant("one-token-for-all", "an old firing is taken for a new one", lambda: Changed(token_of_the_session)),
    Mutant("evicts-by-name", "clean-up takes away another run's controller", lambda: Changed(evicts_by_name)),
    Mutant("queued-unregistered", "a queued run cannot be aborted", lambda: Changed(acknowledged_unregistered)),
    Mutant("late-detach-obeyed", "an old connection's end detaches the new one", lambda: Changed(late_detach_obeyed)),
    Mutant("detach-ignored", "who has gone stays attached", lambda: Changed(detach_keeps)),
    Mutant("attach-keeps-timer", "a session is timed while it is watched", lambda: Changed(attach_keeps_timer)),
    Mutant("shown-to-nobody", "a question is open and nobody sees it", lambda: Changed(shown_to_nobody)),
    Mutant(
        "stale-token-obeyed",
        "code of an old grant changes the run",
        lambda: without_judge(Checkpointed, "token_is_current"),
    ),
    Mutant(
        "late-fact-obeyed",
        "code whose run has ended still asks",
        lambda: without_judge(RunAsked, "run_goes_on"),
    ),
    Mutant(
        "stale-settle-obeyed",
        "an old execution's return ends the present run",
        lambda: without_judge(ExecutionSettled, "token_is_current"),
    ),
    Mutant("late-firing-obeyed", "a disarmed timer fires", lambda: without_judge(TimerFired, "timer_is_due")),
    Mutant("lost-of-another", "an old loss ends the present run", lambda: without_judge(Lost, "execution_is_live")),
    Mutant(
        "decided-twice",
        "a question that was answered is answered again",
        lambda: without_judges(Decide, ("decision_is_first", "not_decided_otherwise", "request_still_open")),
    ),
    Mutant(
        "unseen-approved", "something is approved that was not shown", lambda: without_judge(Decide, "digest_matches")
    ),
    Mutant("anybody-decides", "a stranger approves", lambda: without_judge(Decide, "caller_may_decide")),
    Mutant("anybody-aborts", "a stranger stops a run", lambda: without_judge(AbortRun, "caller_may_abort")),
    Mutant("anybody-closes", "a stranger closes a session", lambda: without_judge(CloseSession, "may_close")),
    Mutant(
        "retry-starts-again",
        "a retry by key starts a second run",
        lambda: without_judges(StartRun, ("key_is_new", "run_id_is_new")),
    ),
    Mutant("begins-out-of-turn", "a queued run's code is called", lambda: without_judge(Begin, "is_head_with_offer")),
    Mutant("dead-attach-counts", "a dead connection is attached", lambda: without_judge(Attach, "connection_is_alive")),
    Mutant(
        "foreign-report-obeyed",
        "a report on another run ends this one",
        lambda: without_judge(ProviderReported, "report_is_current"),
    ),
    Mutant(
        "foreign-end-obeyed",
        "a report on a queued run ends it",
        lambda: without_judge(RunCompleted, "fact_names_a_run"),
    ),
    Mutant(
        "old-incarnation-aborts",
        "an abort meant for an earlier life ends this one",
        lambda: without_judge(AbortSession, "same_incarnation"),
    ),
    Mutant(
        "parks-without-settling",
        "code that has parked is still at work",
        lambda: with_route("ExecutionSettled.Parked", park, Fire("run", "ask", run_of_slot), count_questions),
    ),
    Mutant(
        "rejection-goes-on",
        "a rejected run goes on",
        lambda: with_route("Decide.reject", Fire("request", "answer", named_request)),
    ),
    Mutant(
        "loss-unnoticed",
        "a run whose worker is gone waits for ever",
        lambda: with_route("Lost.interrupt"),
    ),
    Mutant(
        "anybody-interrupts",
        "new input of anybody ends the head",
        lambda: with_route("StartRun.interrupt", Fire("run", "abort", thawed_head, "superseded"), admit),
    ),
    Mutant(
        "decider-aborts",
        "who may answer a run's questions ends it",
        lambda: aborting(lambda session, run, by: owner_or_admin(session, run, by) or by in run.spec.deciders),
    ),
    Mutant(
        "owner-of-one-aborts-any",
        "the owner of one run ends another's",
        lambda: aborting(
            lambda session, run, by: (
                owner_or_admin(session, run, by) or any(by == one.spec.owner for one in session.unfinished())
            )
        ),
    ),
    Mutant(
        "admins-may-not-abort",
        "an admin cannot stop a run",
        lambda: aborting(lambda session, run, by: by == run.spec.owner),
    ),
    Mutant(
        "abort-takes-others",
        "an owner who aborts ends other people's runs",
        lambda: with_route("AbortSession", EndEach("run", "abort", every_run, "aborted")),
    ),
    Mutant(
        "deciders-ignored",
        "who was named to decide for a run is refused",
        lambda: deciding(
            lambda session, spec, request, by: by == spec.owner or by in request.deciders or by in session.policy.admins
        ),
    ),
    Mutant(
        "deciders-of-a-question-ignored",
        "who was named to answer a question is refused",
        lambda: deciding(
            lambda session, spec, request, by: by == spec.owner or by in spec.deciders or by in session.policy.admins
        ),
    ),
    Mutant(
        "admins-may-not-decide",
        "an admin cannot answer",
        lambda: deciding(
            lambda session, spec, request, by: by == spec.owner or by in spec.deciders or by in request.deciders
        ),
    ),
    Mutant(
        "retry-conflicts",
        "who tries again is refused instead of joining",
        lambda: without_judge(StartRun, "key_is_new"),
    ),
    Mutant(
        "other-content-joins",
        "other input under a used key is taken for the old",
        lambda: with_judge(StartRun, "key_is_new", joins_anything),
    ),
    Mutant("id-taken-twice", "two runs have one id", lambda: without_judge(StartRun, "run_id_is_new")),
    Mutant(
        "late-decision-confirmed",
        "who decides too late is told that it was so decided",
        lambda: with_judge(Decide, "not_decided_otherwise", confirms_any_decision),
    ),
    Mutant(
        "refusal-told-as-done",
        "a stranger is told that the run was aborted",
        lambda: with_judge(AbortRun, "caller_may_abort", says_it_is_done),
    ),
    Mutant(
        "old-end-told-as-new",
        "who aborts what has ended is told that it was aborted",
        lambda: with_judge(AbortRun, "run_not_ended", ended_by_this),
    ),
    Mutant(
        "late-decision-taken",
        "who decides when the question is closed is told that it counts",
        lambda: with_judge(Decide, "request_still_open", taken_too_late),
    ),
    Mutant(
        "nothing-is-an-answer",
        "code that waits is handed an answer that says nothing",
        lambda: without_judge(Decide, "decision_is_well_formed"),
    ),
    Mutant(
        "old-report-obeyed",
        "a report on an execution that is over ends the run",
        lambda: with_judge(ProviderReported, "report_is_current", any_execution),
    ),
    Mutant("queue-is-a-stack", "the newest run goes before those that wait", lambda: Changed(newest_first)),
    Mutant(
        "interrupting-run-waits-last",
        "a run that interrupts goes to the end of the queue",
        lambda: with_route("StartRun.interrupt", Fire("run", "abort", interrupted_head, "superseded"), admit_last),
    ),
    Mutant("queue-without-end", "any number of runs waits", lambda: with_judge(StartRun, "has_room", only_rejects)),
    Mutant("rejected-is-enqueued", "who would rather not wait waits", lambda: without_judge(StartRun, "has_room")),
    Mutant("asks-without-limit", "code asks without end", lambda: without_judge(RunAsked, "questions_fit")),
    Mutant("asked-otherwise", "an old answer is taken for a new question's", Mishearing),
    Mutant("approved-is-rerun", "what was approved is done twice after a crash", lambda: Changed(approved_is_rerun)),
    Mutant("rerun-for-ever", "what crashes is run again without end", lambda: Changed(rerun_for_ever)),
    Mutant(
        "checkpoint-not-kept", "code begins anew after a crash", lambda: with_route("Checkpointed", forget_checkpoint)
    ),
    Mutant(
        "checkpoint-keeps-answers", "answers never become the past", lambda: with_route("Checkpointed", keep_answers)
    ),
    Mutant(
        "parks-without-checkpoint",
        "parked code begins anew",
        lambda: with_route(
            "ExecutionSettled.Parked",
            Fire("execution", "settle", thawed_slot),
            Fire("run", "ask", run_of_slot),
            count_questions,
        ),
    ),
    Mutant("result-lost", "the agent's answer is lost", ended_otherwise(result=None)),
    Mutant("engine-ended-it", "nobody knows who stopped a run", ended_otherwise(who="engine")),
    Mutant("words-lost", "nobody knows why a run failed", ended_otherwise(text="")),
    Mutant(
        "orphaned-is-closed", "a session that everybody left says that it was closed", lambda: Changed(always_closed)
    ),
    Mutant(
        "lost-offer-not-renewed", "a run whose worker went before it began waits", lambda: with_route("Lost.pending")
    ),
)
"""Mutants of what no table says: judges, routes, recovery, tokens."""


def every_mutant() -> tuple[Mutant, ...]:
    """Return the seeds, those by hand, and those of the tables; of what workers share as of kernels."""
    return (*SEEDS, *BY_HAND, *SHARED_MUTANTS, *table_mutants(), *shared_table_mutants())


def mutant(name: str) -> Mutant:
    """Return the mutant of that name."""
    found = {one.name: one for one in every_mutant()}
    if name not in found:
        alike = difflib.get_close_matches(name, found, 3, 0.3)
        raise Invalid(
            f"mutant {name}", "there is none of that name", f"use one of {', '.join(alike) or 'those listed'}"
        )
    return found[name]
