"""The steps of a run's life, written out straight from the machines, the routes, the judges and the holds.

What lives here: what ``straight/writing.py`` wrote. What must not: anything by hand; change the rules, then ``make
diagrams``. The law of this file: each step does what ``engine.taken`` does with the declared machines, without the calls
in between; a test compares them.
"""

# mypy: ignore-errors
# ruff: noqa

from __future__ import annotations

from lifecycle.hooks import (
    ArmTimer,
    CallCode,
    DisarmTimer,
    EndSegment,
    EvictController,
    HandAnswers,
    OfferBegin,
    OpenSegment,
    PublishEnd,
    RegisterController,
    ShowRequest,
    SignalAbort,
    WithdrawOffer,
    WithdrawRequest,
)
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.engine import DONE, KERNEL, Step, broken, told, unchanged
from lifecycle.kernel.finding import answer_given, answers_given, is_open
from lifecycle.kernel.firing import (
    FINAL_EXECUTION_STATES,
    NEEDS_CODE,
    NO_TEXT,
    dismiss,
    has_ended,
    opened,
    promote_next,
    refused,
)
from lifecycle.kernel.inputs import (
    Begin,
    Decide,
    ExecutionSettled,
    Failure,
    Parked,
    RunAsked,
    RunCompleted,
    StartRun,
    TimerFired,
    Value,
)
from lifecycle.kernel.judges import Named, QUESTIONERS
from lifecycle.kernel.refusing import conflict, denied, ended_reply, malformed, not_found, too_many
from lifecycle.kernel.replies import (
    Admitted,
    AlreadyClosed,
    AskFailed,
    Asked,
    Decided,
    Granted,
    Joined,
    Rejection,
    Stale,
)
from lifecycle.kernel.routes import DECISION_ROUTES, SETTLED_ROUTES, WHO, fault_of_park, in_turn, run_of_slot
from lifecycle.kernel.tables import Faulty
from lifecycle.kernel.values import Answer, Closed, Ended, Execution, Request, Run, RunSpec, Session, Timer, us
from lifecycle.kernel.work import End, Work, opened_or_thawed, thawed_queued
from lifecycle.machines.request import is_last_open

DraftAdmitted = twin_of(Admitted).kind
DraftAnswer = twin_of(Answer).kind
DraftArmTimer = twin_of(ArmTimer).kind
DraftAsked = twin_of(Asked).kind
DraftCallCode = twin_of(CallCode).kind
DraftClosed = twin_of(Closed).kind
DraftDecided = twin_of(Decided).kind
DraftDisarmTimer = twin_of(DisarmTimer).kind
DraftEnd = twin_of(End).kind
DraftEndSegment = twin_of(EndSegment).kind
DraftEnded = twin_of(Ended).kind
DraftEvictController = twin_of(EvictController).kind
DraftExecution = twin_of(Execution).kind
DraftGranted = twin_of(Granted).kind
DraftHandAnswers = twin_of(HandAnswers).kind
DraftNamed = twin_of(Named).kind
DraftOfferBegin = twin_of(OfferBegin).kind
DraftOpenSegment = twin_of(OpenSegment).kind
DraftPublishEnd = twin_of(PublishEnd).kind
DraftRegisterController = twin_of(RegisterController).kind
DraftRequest = twin_of(Request).kind
DraftRun = twin_of(Run).kind
DraftRunSpec = twin_of(RunSpec).kind
DraftSession = twin_of(Session).kind
DraftShowRequest = twin_of(ShowRequest).kind
DraftSignalAbort = twin_of(SignalAbort).kind
DraftStep = twin_of(Step).kind
DraftTimer = twin_of(Timer).kind
DraftWithdrawOffer = twin_of(WithdrawOffer).kind
DraftWithdrawRequest = twin_of(WithdrawRequest).kind


def nothing(work, before, after):
    """Give nothing back, and take nothing."""


def way_StartRun(work):
    """Go the route StartRun."""
    given_1 = work.input
    interrupts_1 = given_1.when_busy == "interrupt" and any((run_1.state == "interrupted" for it_1, run_1 in work.runs))
    spec_1 = DraftRunSpec()
    spec_1.id = given_1.run
    spec_1.key = given_1.key
    spec_1.owner = given_1.owner
    spec_1.deciders = given_1.deciders
    spec_1.agent = given_1.agent
    spec_1.input = given_1.input
    spec_1.digest = given_1.digest
    spec_1.deadline_us = given_1.deadline_us
    spec_1.queue_deadline_us = given_1.queue_deadline_us
    spec_1.on_crash = given_1.on_crash
    spec_1.admitted = work.session.revision
    spec_1.admitted_at = work.now
    spec_1.__class__ = RunSpec
    run_1 = DraftRun()
    run_1.spec = spec_1
    run_1.state = "starting"
    run_1.attempt = 1
    run_1.segment = 1
    run_1.remaining_us = given_1.deadline_us
    run_1.deadline = None
    run_1.queue_deadline = None
    run_1.requests = ()
    run_1.answers = ()
    run_1.checkpoint = None
    run_1.asked = 0
    run_1.questions = 0
    session_1 = work.session
    work.runs += ((None, run_1),)
    work.moves.append(("run", run_1.spec.id, "admit", None, run_1.state))

    if session_1.head is None and (not session_1.queue):
        session_1.head = run_1
    else:
        session_1.queue = (run_1, *session_1.queue) if interrupts_1 else (*session_1.queue, run_1)

    session_2 = work.session

    if session_2.head is run_1:
        source_1 = session_2.state
        if source_1 in ("ready", "interrupted", "error"):
            session_2.state = "starting"
            work.moves.append(("session", session_2.id, "admit", source_1, "starting"))
        else:
            raise refused("session", source_1, "admit")


def step_StartRun(session, given, now):
    """Take the step of the input StartRun."""
    if session is not None and now < session.now:
        now = session.now

    if session is not None and session.id != given.session:
        return unchanged(
            session,
            Rejection("Invalid", f"session {session.id}", f"the run is for {given.session}", "send it there"),
            "start_is_well_formed",
        )
    elif given.when_busy not in ("reject", "enqueue", "interrupt"):
        return unchanged(
            session, malformed("when_busy", given.when_busy, ("reject", "enqueue", "interrupt")), "start_is_well_formed"
        )
    elif given.on_crash not in ("interrupt", "error", "rerun"):
        return unchanged(
            session, malformed("on_crash", given.on_crash, ("interrupt", "error", "rerun")), "start_is_well_formed"
        )
    elif given.deadline_us is not None and given.deadline_us <= 0:
        return unchanged(
            session, malformed("deadline", given.deadline_us, ("a positive time", "none")), "start_is_well_formed"
        )
    elif given.queue_deadline_us is not None and given.queue_deadline_us <= 0:
        return unchanged(
            session,
            malformed("queue_deadline", given.queue_deadline_us, ("a positive time", "none")),
            "start_is_well_formed",
        )
    else:
        floor_1 = given.floor
        if floor_1 is not None and (floor_1.incarnation < 0 or floor_1.revision < 0):
            return unchanged(
                session, malformed("floor", floor_1, ("numbers from 0 on", "none")), "start_is_well_formed"
            )
        else:
            pass

    if given.key is None:
        spoken_1 = None
    else:
        live_1 = () if session is None else session.unfinished()
        for run_1 in live_1:
            if run_1.spec.key == given.key:
                if run_1.spec.digest == given.digest:
                    spoken_1 = Joined(run_1.spec.id)
                    break
                spoken_1 = conflict(f"key {given.key}", "names a run of other content", "use a new key for new input")
                break
        else:
            found_1 = given.found.run
            if found_1 is None or found_1.spec.key != given.key:
                spoken_1 = None
            elif found_1.spec.digest == given.digest:
                spoken_1 = ended_reply(found_1)
            else:
                spoken_1 = conflict(f"key {given.key}", "names a run of other content", "use a new key for new input")

    if spoken_1 is not None:
        return unchanged(session, spoken_1, "key_is_new")

    found_2 = given.found.run
    name_1 = given.run

    if session is None:
        run_named_1 = None
    else:
        head_1 = session.head
        if head_1 is not None and head_1.spec.id == name_1:
            run_named_1 = head_1
        else:
            for run_2 in session.queue:
                if run_2.spec.id == name_1:
                    run_named_1 = run_2
                    break
            else:
                run_named_1 = None

    if run_named_1 is None and (found_2 is None or found_2.spec.id != given.run):
        pass
    else:
        return unchanged(
            session,
            conflict(f"run {given.run}", "already exists", "let the runtime choose the id, or use a key for retries"),
            "run_id_is_new",
        )

    if session is None or session.head is None:
        pass
    elif given.when_busy == "reject":
        return unchanged(
            session,
            Rejection(
                "Busy",
                f"session {session.id}",
                f"run {session.head.spec.id} is unfinished",
                "wait for its end, or let the input be enqueued",
                (("limit", "unfinished runs under when_busy=reject"), ("bound", 1)),
            ),
            "has_room",
        )
    else:
        bound_1 = session.policy.queue_max
        if len(session.queue) >= bound_1:
            return unchanged(
                session,
                Rejection(
                    "Busy",
                    f"session {session.id}",
                    f"its queue holds {bound_1} runs",
                    "wait until one has ended",
                    (("limit", "queue_max"), ("bound", bound_1)),
                ),
                "has_room",
            )
        else:
            pass

    if session is None or session.state == "stopped":
        session_1 = opened_or_thawed(session, given, now)
    else:
        session_1 = DraftSession()
        session_1.id = session.id
        session_1.incarnation = session.incarnation
        session_1.revision = session.revision + 1
        session_1.state = session.state
        session_1.cause = session.cause
        session_1.now = now
        session_1.policy = session.policy
        session_1.head = session.head
        session_1.queue = session.queue
        session_1.execution = session.execution
        session_1.attachments = session.attachments
        session_1.orphan = session.orphan

    work_1 = Work()
    work_1.tables = tables
    work_1.plans = plans
    work_1.before = session
    work_1.session = session_1
    work_1.input = given
    work_1.now = now
    work_1.about = None
    work_1.token = (session_1.revision, 0)
    work_1.given = []
    work_1.taken = []
    work_1.edges = ()
    work_1.moves = []
    work_1.runs = ()
    work_1.executions = ()
    work_1.ended = ()
    work_1.closed = ()

    try:
        route_of_start_1 = "StartRun.interrupt" if given.when_busy == "interrupt" else "StartRun"
        StartRun_ways[route_of_start_1](work_1)
        if work_1.moves:
            slot_1 = session_1.execution
            if slot_1 is not None and slot_1.state in FINAL_EXECUTION_STATES:
                session_1.execution = slot_1 = None
            if session_1.head is None and session_1.queue:
                promote_next(work_1)
            head_2 = session_1.head
            if slot_1 is None and head_2 is not None and (head_2.state in NEEDS_CODE):
                name_2 = head_2.spec.id
                head_3 = session_1.head
                if head_3 is not None and head_3.spec.id == name_2:
                    if type(head_3) is not Run:
                        run_3 = head_3
                    else:
                        twin_1 = DraftRun()
                        twin_1.spec = head_3.spec
                        twin_1.state = head_3.state
                        twin_1.attempt = head_3.attempt
                        twin_1.segment = head_3.segment
                        twin_1.remaining_us = head_3.remaining_us
                        twin_1.deadline = head_3.deadline
                        twin_1.queue_deadline = head_3.queue_deadline
                        twin_1.requests = head_3.requests
                        twin_1.answers = head_3.answers
                        twin_1.checkpoint = head_3.checkpoint
                        twin_1.asked = head_3.asked
                        twin_1.questions = head_3.questions
                        session_1.head = twin_1
                        work_1.runs += ((head_3, twin_1),)
                        run_3 = twin_1
                else:
                    run_3 = thawed_queued(work_1, name_2)
                made_1 = DraftExecution()
                made_1.id = session_1.revision
                made_1.run = run_3.spec.id
                made_1.state = "pending"
                made_1.token = 0
                made_1.controller = run_3.spec.admitted
                made_1.closing = None
                work_1.session.execution = made_1
                work_1.executions += ((None, made_1),)
                work_1.moves.append(("execution", made_1.id, "offer", None, made_1.state))
        for run_before_1, run_4 in work_1.runs:
            RUN_PLAN[None if run_before_1 is None else run_before_1.state][run_4.state](work_1, run_before_1, run_4)
            run_4.__class__ = Run
        for slot_before_1, slot_2 in work_1.executions:
            EXECUTION_PLAN[None if slot_before_1 is None else slot_before_1.state][slot_2.state](
                work_1, slot_before_1, slot_2
            )
            slot_2.__class__ = Execution
        before_1, session_4 = (session, session_1)
        if before_1 is None or session_4.attachments is not before_1.attachments:
            grace_2 = session_4.policy.orphan_grace_seconds
            held_now_1 = session_4.orphan
            released_1 = (
                before_1 is not None and session_4.attachments is before_1.attachments and (held_now_1 is not None)
            )
            if grace_2 is None or grace_2 <= 0 or session_4.state not in work_1.tables.orphan_states:
                wanted_1 = False
            else:
                wanted_1 = released_1 or not session_4.attachments
            if not wanted_1:
                if held_now_1 is not None:
                    if held_now_1.due is not None:
                        build_1 = DraftDisarmTimer()
                        build_1.name = held_now_1.name
                        build_1.owner = held_now_1.owner
                        build_1.token = held_now_1.token
                        build_1.__class__ = DisarmTimer
                        work_1.given.append(build_1)
                    session_4.orphan = None
            elif held_now_1 is None or (held_now_1.due is None and session_4.state != "waiting_for_human"):
                owner_1 = session_4.id
                due_1 = now + us(grace_2)
                build_2 = DraftArmTimer()
                build_2.name = "orphan"
                build_2.owner = owner_1
                build_2.due = due_1
                build_2.token = work_1.token
                build_2.__class__ = ArmTimer
                work_1.taken.append(build_2)
                taken_timer_1 = DraftTimer()
                taken_timer_1.name = "orphan"
                taken_timer_1.owner = owner_1
                taken_timer_1.due = due_1
                taken_timer_1.token = work_1.token
                taken_timer_1.__class__ = Timer
                session_4.orphan = taken_timer_1
        else:
            for rule_1 in SESSION_PLAN[before_1.state][session_4.state]:
                rule_1(work_1, before_1, session_4)
    except Faulty as fault:
        return unchanged(session, broken(fault), "tables")

    session_1.__class__ = Session
    every_1 = (*work_1.given, *work_1.taken, *work_1.edges)
    said_1 = DraftAdmitted()
    said_1.run = given.run
    said_1.incarnation = session_1.incarnation
    said_1.queued = session_1.head is None or session_1.head.spec.id != given.run
    said_1.__class__ = Admitted
    new_8 = DraftStep()
    new_8.session = session_1
    new_8.hooks = every_1
    new_8.reply = said_1
    new_8.moves = tuple(work_1.moves)
    new_8.ended = work_1.ended
    new_8.closed = work_1.closed
    new_8.judge = None
    new_8.journalled = True
    new_8.__class__ = Step
    return new_8


def step_Begin(session, given, now):
    """Take the step of the input Begin."""
    if session is not None and now < session.now:
        now = session.now

    name_1 = given.run

    if session is None:
        about_1 = None
    else:
        head_1 = session.head
        if head_1 is not None and head_1.spec.id == name_1:
            about_1 = head_1
        else:
            for run_1 in session.queue:
                if run_1.spec.id == name_1:
                    about_1 = run_1
                    break
            else:
                about_1 = None

    if about_1 is not None or (session is not None and given.found.run is not None):
        pass
    else:
        return unchanged(session, not_found(f"run {given.run}"), "run_known")

    if about_1 is not None:
        pass
    else:
        return unchanged(session, ended_reply(given.found.run), "run_not_ended")

    slot_1, head_2 = (session.execution, session.head)

    if (
        slot_1 is not None
        and slot_1.state == "pending"
        and (slot_1.id == given.execution)
        and (head_2 is not None)
        and (head_2.spec.id == given.run == slot_1.run)
    ):
        pass
    else:
        fact_1 = (
            "is queued" if head_2 is None or head_2.spec.id != given.run else f"is {head_2.state} with nothing pending"
        )
        return unchanged(
            session,
            Rejection(
                "Refused",
                f"run {given.run}",
                f"{fact_1} and may not begin",
                "wait for the offer to begin",
                (("accepted", ("AbortRun",)),),
            ),
            "is_head_with_offer",
        )

    if session is None or session.state == "stopped":
        session_1 = opened_or_thawed(session, given, now)
    else:
        session_1 = DraftSession()
        session_1.id = session.id
        session_1.incarnation = session.incarnation
        session_1.revision = session.revision + 1
        session_1.state = session.state
        session_1.cause = session.cause
        session_1.now = now
        session_1.policy = session.policy
        session_1.head = session.head
        session_1.queue = session.queue
        session_1.execution = session.execution
        session_1.attachments = session.attachments
        session_1.orphan = session.orphan

    work_1 = Work()
    work_1.tables = tables
    work_1.plans = plans
    work_1.before = session
    work_1.session = session_1
    work_1.input = given
    work_1.now = now
    work_1.about = about_1
    work_1.token = (session_1.revision, 0)
    work_1.given = []
    work_1.taken = []
    work_1.edges = ()
    work_1.moves = []
    work_1.runs = ()
    work_1.executions = ()
    work_1.ended = ()
    work_1.closed = ()

    try:
        slot_3 = session_1.execution
        if type(slot_3) is not Execution:
            slot_2 = slot_3
        else:
            twin_1 = DraftExecution()
            twin_1.id = slot_3.id
            twin_1.run = slot_3.run
            twin_1.state = slot_3.state
            twin_1.token = slot_3.token
            twin_1.controller = slot_3.controller
            twin_1.closing = slot_3.closing
            session_1.execution = twin_1
            work_1.executions += ((slot_3, twin_1),)
            slot_2 = twin_1
        if slot_2 is not None:
            source_1 = slot_2.state
            if source_1 == "pending":
                slot_2.state = "executing"
                work_1.moves.append(("execution", slot_2.id, "begin", source_1, "executing"))
                name_2 = slot_2.run
                head_3 = session_1.head
                if head_3 is not None and head_3.spec.id == name_2:
                    if type(head_3) is not Run:
                        thawed_run_1 = head_3
                    else:
                        twin_2 = DraftRun()
                        twin_2.spec = head_3.spec
                        twin_2.state = head_3.state
                        twin_2.attempt = head_3.attempt
                        twin_2.segment = head_3.segment
                        twin_2.remaining_us = head_3.remaining_us
                        twin_2.deadline = head_3.deadline
                        twin_2.queue_deadline = head_3.queue_deadline
                        twin_2.requests = head_3.requests
                        twin_2.answers = head_3.answers
                        twin_2.checkpoint = head_3.checkpoint
                        twin_2.asked = head_3.asked
                        twin_2.questions = head_3.questions
                        session_1.head = twin_2
                        work_1.runs += ((head_3, twin_2),)
                        thawed_run_1 = twin_2
                else:
                    thawed_run_1 = thawed_queued(work_1, name_2)
                source_2 = thawed_run_1.state
                if source_2 == "starting":
                    thawed_run_1.state = "running"
                    work_1.moves.append(("run", thawed_run_1.spec.id, "begin", source_2, "running"))
                    if session_1.head is thawed_run_1:
                        source_3 = session_1.state
                        if source_3 == "starting":
                            session_1.state = "running"
                            work_1.moves.append(("session", session_1.id, "begin", source_3, "running"))
                        else:
                            raise refused("session", source_3, "begin")
                elif source_2 == "running":
                    None
                else:
                    raise refused("run", source_2, "begin")
                slot_2.token = session_1.revision
                name_3 = slot_2.run
                head_4 = session_1.head
                if head_4 is not None and head_4.spec.id == name_3:
                    if type(head_4) is not Run:
                        run_2 = head_4
                    else:
                        twin_3 = DraftRun()
                        twin_3.spec = head_4.spec
                        twin_3.state = head_4.state
                        twin_3.attempt = head_4.attempt
                        twin_3.segment = head_4.segment
                        twin_3.remaining_us = head_4.remaining_us
                        twin_3.deadline = head_4.deadline
                        twin_3.queue_deadline = head_4.queue_deadline
                        twin_3.requests = head_4.requests
                        twin_3.answers = head_4.answers
                        twin_3.checkpoint = head_4.checkpoint
                        twin_3.asked = head_4.asked
                        twin_3.questions = head_4.questions
                        session_1.head = twin_3
                        work_1.runs += ((head_4, twin_3),)
                        run_2 = twin_3
                else:
                    run_2 = thawed_queued(work_1, name_3)
                build_1 = DraftCallCode()
                build_1.run = slot_2.run
                build_1.execution = slot_2.id
                build_1.token = slot_2.token
                build_1.attempt = run_2.attempt
                build_1.__class__ = CallCode
                work_1.edges += (build_1,)
            else:
                raise refused("execution", source_1, "begin")
        if work_1.moves:
            slot_4 = session_1.execution
            if slot_4 is not None and slot_4.state in FINAL_EXECUTION_STATES:
                session_1.execution = slot_4 = None
            if session_1.head is None and session_1.queue:
                promote_next(work_1)
            head_5 = session_1.head
            if slot_4 is None and head_5 is not None and (head_5.state in NEEDS_CODE):
                name_4 = head_5.spec.id
                head_6 = session_1.head
                if head_6 is not None and head_6.spec.id == name_4:
                    if type(head_6) is not Run:
                        run_3 = head_6
                    else:
                        twin_4 = DraftRun()
                        twin_4.spec = head_6.spec
                        twin_4.state = head_6.state
                        twin_4.attempt = head_6.attempt
                        twin_4.segment = head_6.segment
                        twin_4.remaining_us = head_6.remaining_us
                        twin_4.deadline = head_6.deadline
                        twin_4.queue_deadline = head_6.queue_deadline
                        twin_4.requests = head_6.requests
                        twin_4.answers = head_6.answers
                        twin_4.checkpoint = head_6.checkpoint
                        twin_4.asked = head_6.asked
                        twin_4.questions = head_6.questions
                        session_1.head = twin_4
                        work_1.runs += ((head_6, twin_4),)
                        run_3 = twin_4
                else:
                    run_3 = thawed_queued(work_1, name_4)
                made_1 = DraftExecution()
                made_1.id = session_1.revision
                made_1.run = run_3.spec.id
                made_1.state = "pending"
                made_1.token = 0
                made_1.controller = run_3.spec.admitted
                made_1.closing = None
                work_1.session.execution = made_1
                work_1.executions += ((None, made_1),)
                work_1.moves.append(("execution", made_1.id, "offer", None, made_1.state))
        for run_before_1, run_4 in work_1.runs:
            RUN_PLAN[None if run_before_1 is None else run_before_1.state][run_4.state](work_1, run_before_1, run_4)
            run_4.__class__ = Run
        for slot_before_1, slot_5 in work_1.executions:
            EXECUTION_PLAN[None if slot_before_1 is None else slot_before_1.state][slot_5.state](
                work_1, slot_before_1, slot_5
            )
            slot_5.__class__ = Execution
        before_1, session_8 = (session, session_1)
        if before_1 is None or session_8.attachments is not before_1.attachments:
            grace_2 = session_8.policy.orphan_grace_seconds
            held_now_1 = session_8.orphan
            released_1 = (
                before_1 is not None and session_8.attachments is before_1.attachments and (held_now_1 is not None)
            )
            if grace_2 is None or grace_2 <= 0 or session_8.state not in work_1.tables.orphan_states:
                wanted_1 = False
            else:
                wanted_1 = released_1 or not session_8.attachments
            if not wanted_1:
                if held_now_1 is not None:
                    if held_now_1.due is not None:
                        build_2 = DraftDisarmTimer()
                        build_2.name = held_now_1.name
                        build_2.owner = held_now_1.owner
                        build_2.token = held_now_1.token
                        build_2.__class__ = DisarmTimer
                        work_1.given.append(build_2)
                    session_8.orphan = None
            elif held_now_1 is None or (held_now_1.due is None and session_8.state != "waiting_for_human"):
                owner_1 = session_8.id
                due_1 = now + us(grace_2)
                build_3 = DraftArmTimer()
                build_3.name = "orphan"
                build_3.owner = owner_1
                build_3.due = due_1
                build_3.token = work_1.token
                build_3.__class__ = ArmTimer
                work_1.taken.append(build_3)
                taken_timer_1 = DraftTimer()
                taken_timer_1.name = "orphan"
                taken_timer_1.owner = owner_1
                taken_timer_1.due = due_1
                taken_timer_1.token = work_1.token
                taken_timer_1.__class__ = Timer
                session_8.orphan = taken_timer_1
        else:
            for rule_1 in SESSION_PLAN[before_1.state][session_8.state]:
                rule_1(work_1, before_1, session_8)
    except Faulty as fault:
        return unchanged(session, broken(fault), "tables")

    session_1.__class__ = Session
    every_1 = (*work_1.given, *work_1.taken, *work_1.edges)
    slot_6 = session_1.execution
    said_1 = DraftGranted()
    said_1.run = slot_6.run
    said_1.execution = slot_6.id
    said_1.token = slot_6.token
    said_1.__class__ = Granted
    new_12 = DraftStep()
    new_12.session = session_1
    new_12.hooks = every_1
    new_12.reply = said_1
    new_12.moves = tuple(work_1.moves)
    new_12.ended = work_1.ended
    new_12.closed = work_1.closed
    new_12.judge = None
    new_12.journalled = True
    new_12.__class__ = Step
    return new_12


def way_Decide_approve(work):
    """Go the route Decide.approve."""
    given_1 = work.input
    run_2 = work.session.head
    name_1 = given_1.owner if type(given_1) is TimerFired else given_1.request

    if run_2 is None:
        request_1 = None
    else:
        for request_2 in run_2.requests:
            if request_2.id == name_1:
                request_1 = request_2
                break
        else:
            request_1 = None

    if request_1 is not None:
        session_1 = work.session
        head_1 = session_1.head
        if type(head_1) is not Run:
            run_1 = head_1
        else:
            twin_1 = DraftRun()
            twin_1.spec = head_1.spec
            twin_1.state = head_1.state
            twin_1.attempt = head_1.attempt
            twin_1.segment = head_1.segment
            twin_1.remaining_us = head_1.remaining_us
            twin_1.deadline = head_1.deadline
            twin_1.queue_deadline = head_1.queue_deadline
            twin_1.requests = head_1.requests
            twin_1.answers = head_1.answers
            twin_1.checkpoint = head_1.checkpoint
            twin_1.asked = head_1.asked
            twin_1.questions = head_1.questions
            session_1.head = twin_1
            work.runs += ((head_1, twin_1),)
            run_1 = twin_1
        given_2 = work.input
        if isinstance(given_2, Decide):
            decision_1 = given_2.decision
            kind_1 = given_2.kind
            content_1 = given_2.content
            by_1 = given_2.by
            r_1 = request_1
            answer_of_1 = DraftAnswer()
            answer_of_1.request = r_1.id
            answer_of_1.question = r_1.kind
            answer_of_1.body = r_1.body
            answer_of_1.digest = r_1.digest
            answer_of_1.decision = decision_1
            answer_of_1.kind = kind_1
            answer_of_1.content = content_1
            answer_of_1.by = by_1
            answer_of_1.at = work.now
            answer_of_1.__class__ = Answer
        elif isinstance(given_2, TimerFired) and request_1.on_expiry != "keep":
            r_2 = request_1
            answer_of_1 = DraftAnswer()
            answer_of_1.request = r_2.id
            answer_of_1.question = r_2.kind
            answer_of_1.body = r_2.body
            answer_of_1.digest = r_2.digest
            answer_of_1.decision = ""
            answer_of_1.kind = "expired"
            answer_of_1.content = None
            answer_of_1.by = "timer expiry"
            answer_of_1.at = work.now
            answer_of_1.__class__ = Answer
        else:
            answer_of_1 = None
        if request_1.state == "open":
            count_1 = 0
            for request_3 in run_1.requests:
                if request_3.state == "open":
                    count_1 += 1
            count_open_1 = count_1
            if is_last_open(open_requests=count_open_1) is not True:
                agrees_1 = False
            else:
                agrees_1 = True
            if agrees_1:
                work.moves.append(("request", request_1.id, "answer", request_1.state, "answered"))
                closed_1 = DraftRequest()
                closed_1.id = request_1.id
                closed_1.kind = request_1.kind
                closed_1.body = request_1.body
                closed_1.digest = request_1.digest
                closed_1.on_expiry = request_1.on_expiry
                closed_1.deciders = request_1.deciders
                closed_1.state = "answered"
                closed_1.asked_at = request_1.asked_at
                closed_1.expiry = None
                closed_1.answer = answer_of_1
                closed_1.with_run = "answer" == "dismiss" and has_ended(work, run_1)
                closed_1.__class__ = Request
                batch_1 = run_1.requests
                run_1.requests = (
                    (closed_1,)
                    if len(batch_1) == 1
                    else tuple([closed_1 if one_1 is request_1 else one_1 for one_1 in batch_1])
                )
                build_1 = DraftClosed()
                build_1.run = run_1.spec.id
                build_1.request = closed_1
                build_1.__class__ = Closed
                work.closed += (build_1,)
                source_1 = run_1.state
                if source_1 == "waiting_for_human":
                    run_1.state = "running"
                    work.moves.append(("run", run_1.spec.id, "resume", source_1, "running"))
                    run_1.segment += 1
                    slot_1 = work.session.execution
                    if slot_1 is not None and slot_1.state == "executing":
                        build_2 = DraftHandAnswers()
                        build_2.run = run_1.spec.id
                        build_2.execution = slot_1.id
                        build_2.__class__ = HandAnswers
                        work.edges += (build_2,)
                    session_2 = work.session
                    if session_2.head is run_1:
                        source_2 = session_2.state
                        if source_2 == "waiting_for_human":
                            session_2.state = "running"
                            work.moves.append(("session", session_2.id, "resume", source_2, "running"))
                        else:
                            raise refused("session", source_2, "resume")
                else:
                    raise refused("run", source_1, "resume")
            else:
                if is_last_open(open_requests=count_open_1) is not False:
                    agrees_2 = False
                else:
                    agrees_2 = True
                if agrees_2:
                    work.moves.append(("request", request_1.id, "answer", request_1.state, "answered"))
                    closed_1 = DraftRequest()
                    closed_1.id = request_1.id
                    closed_1.kind = request_1.kind
                    closed_1.body = request_1.body
                    closed_1.digest = request_1.digest
                    closed_1.on_expiry = request_1.on_expiry
                    closed_1.deciders = request_1.deciders
                    closed_1.state = "answered"
                    closed_1.asked_at = request_1.asked_at
                    closed_1.expiry = None
                    closed_1.answer = answer_of_1
                    closed_1.with_run = "answer" == "dismiss" and has_ended(work, run_1)
                    closed_1.__class__ = Request
                    batch_1 = run_1.requests
                    run_1.requests = (
                        (closed_1,)
                        if len(batch_1) == 1
                        else tuple([closed_1 if one_1 is request_1 else one_1 for one_1 in batch_1])
                    )
                    build_3 = DraftClosed()
                    build_3.run = run_1.spec.id
                    build_3.request = closed_1
                    build_3.__class__ = Closed
                    work.closed += (build_3,)
                else:
                    None
        else:
            raise refused("request", request_1.state, "answer")


def way_Decide_answer(work):
    """Go the route Decide.answer."""
    given_1 = work.input
    run_2 = work.session.head
    name_1 = given_1.owner if type(given_1) is TimerFired else given_1.request

    if run_2 is None:
        request_1 = None
    else:
        for request_2 in run_2.requests:
            if request_2.id == name_1:
                request_1 = request_2
                break
        else:
            request_1 = None

    if request_1 is not None:
        session_1 = work.session
        head_1 = session_1.head
        if type(head_1) is not Run:
            run_1 = head_1
        else:
            twin_1 = DraftRun()
            twin_1.spec = head_1.spec
            twin_1.state = head_1.state
            twin_1.attempt = head_1.attempt
            twin_1.segment = head_1.segment
            twin_1.remaining_us = head_1.remaining_us
            twin_1.deadline = head_1.deadline
            twin_1.queue_deadline = head_1.queue_deadline
            twin_1.requests = head_1.requests
            twin_1.answers = head_1.answers
            twin_1.checkpoint = head_1.checkpoint
            twin_1.asked = head_1.asked
            twin_1.questions = head_1.questions
            session_1.head = twin_1
            work.runs += ((head_1, twin_1),)
            run_1 = twin_1
        given_2 = work.input
        if isinstance(given_2, Decide):
            decision_1 = given_2.decision
            kind_1 = given_2.kind
            content_1 = given_2.content
            by_1 = given_2.by
            r_1 = request_1
            answer_of_1 = DraftAnswer()
            answer_of_1.request = r_1.id
            answer_of_1.question = r_1.kind
            answer_of_1.body = r_1.body
            answer_of_1.digest = r_1.digest
            answer_of_1.decision = decision_1
            answer_of_1.kind = kind_1
            answer_of_1.content = content_1
            answer_of_1.by = by_1
            answer_of_1.at = work.now
            answer_of_1.__class__ = Answer
        elif isinstance(given_2, TimerFired) and request_1.on_expiry != "keep":
            r_2 = request_1
            answer_of_1 = DraftAnswer()
            answer_of_1.request = r_2.id
            answer_of_1.question = r_2.kind
            answer_of_1.body = r_2.body
            answer_of_1.digest = r_2.digest
            answer_of_1.decision = ""
            answer_of_1.kind = "expired"
            answer_of_1.content = None
            answer_of_1.by = "timer expiry"
            answer_of_1.at = work.now
            answer_of_1.__class__ = Answer
        else:
            answer_of_1 = None
        if request_1.state == "open":
            count_1 = 0
            for request_3 in run_1.requests:
                if request_3.state == "open":
                    count_1 += 1
            count_open_1 = count_1
            if is_last_open(open_requests=count_open_1) is not True:
                agrees_1 = False
            else:
                agrees_1 = True
            if agrees_1:
                work.moves.append(("request", request_1.id, "answer", request_1.state, "answered"))
                closed_1 = DraftRequest()
                closed_1.id = request_1.id
                closed_1.kind = request_1.kind
                closed_1.body = request_1.body
                closed_1.digest = request_1.digest
                closed_1.on_expiry = request_1.on_expiry
                closed_1.deciders = request_1.deciders
                closed_1.state = "answered"
                closed_1.asked_at = request_1.asked_at
                closed_1.expiry = None
                closed_1.answer = answer_of_1
                closed_1.with_run = "answer" == "dismiss" and has_ended(work, run_1)
                closed_1.__class__ = Request
                batch_1 = run_1.requests
                run_1.requests = (
                    (closed_1,)
                    if len(batch_1) == 1
                    else tuple([closed_1 if one_1 is request_1 else one_1 for one_1 in batch_1])
                )
                build_1 = DraftClosed()
                build_1.run = run_1.spec.id
                build_1.request = closed_1
                build_1.__class__ = Closed
                work.closed += (build_1,)
                source_1 = run_1.state
                if source_1 == "waiting_for_human":
                    run_1.state = "running"
                    work.moves.append(("run", run_1.spec.id, "resume", source_1, "running"))
                    run_1.segment += 1
                    slot_1 = work.session.execution
                    if slot_1 is not None and slot_1.state == "executing":
                        build_2 = DraftHandAnswers()
                        build_2.run = run_1.spec.id
                        build_2.execution = slot_1.id
                        build_2.__class__ = HandAnswers
                        work.edges += (build_2,)
                    session_2 = work.session
                    if session_2.head is run_1:
                        source_2 = session_2.state
                        if source_2 == "waiting_for_human":
                            session_2.state = "running"
                            work.moves.append(("session", session_2.id, "resume", source_2, "running"))
                        else:
                            raise refused("session", source_2, "resume")
                else:
                    raise refused("run", source_1, "resume")
            else:
                if is_last_open(open_requests=count_open_1) is not False:
                    agrees_2 = False
                else:
                    agrees_2 = True
                if agrees_2:
                    work.moves.append(("request", request_1.id, "answer", request_1.state, "answered"))
                    closed_1 = DraftRequest()
                    closed_1.id = request_1.id
                    closed_1.kind = request_1.kind
                    closed_1.body = request_1.body
                    closed_1.digest = request_1.digest
                    closed_1.on_expiry = request_1.on_expiry
                    closed_1.deciders = request_1.deciders
                    closed_1.state = "answered"
                    closed_1.asked_at = request_1.asked_at
                    closed_1.expiry = None
                    closed_1.answer = answer_of_1
                    closed_1.with_run = "answer" == "dismiss" and has_ended(work, run_1)
                    closed_1.__class__ = Request
                    batch_1 = run_1.requests
                    run_1.requests = (
                        (closed_1,)
                        if len(batch_1) == 1
                        else tuple([closed_1 if one_1 is request_1 else one_1 for one_1 in batch_1])
                    )
                    build_3 = DraftClosed()
                    build_3.run = run_1.spec.id
                    build_3.request = closed_1
                    build_3.__class__ = Closed
                    work.closed += (build_3,)
                else:
                    None
        else:
            raise refused("request", request_1.state, "answer")


def way_Decide_reject_and_continue(work):
    """Go the route Decide.reject_and_continue."""
    given_1 = work.input
    run_2 = work.session.head
    name_1 = given_1.owner if type(given_1) is TimerFired else given_1.request

    if run_2 is None:
        request_1 = None
    else:
        for request_2 in run_2.requests:
            if request_2.id == name_1:
                request_1 = request_2
                break
        else:
            request_1 = None

    if request_1 is not None:
        session_1 = work.session
        head_1 = session_1.head
        if type(head_1) is not Run:
            run_1 = head_1
        else:
            twin_1 = DraftRun()
            twin_1.spec = head_1.spec
            twin_1.state = head_1.state
            twin_1.attempt = head_1.attempt
            twin_1.segment = head_1.segment
            twin_1.remaining_us = head_1.remaining_us
            twin_1.deadline = head_1.deadline
            twin_1.queue_deadline = head_1.queue_deadline
            twin_1.requests = head_1.requests
            twin_1.answers = head_1.answers
            twin_1.checkpoint = head_1.checkpoint
            twin_1.asked = head_1.asked
            twin_1.questions = head_1.questions
            session_1.head = twin_1
            work.runs += ((head_1, twin_1),)
            run_1 = twin_1
        given_2 = work.input
        if isinstance(given_2, Decide):
            decision_1 = given_2.decision
            kind_1 = given_2.kind
            content_1 = given_2.content
            by_1 = given_2.by
            r_1 = request_1
            answer_of_1 = DraftAnswer()
            answer_of_1.request = r_1.id
            answer_of_1.question = r_1.kind
            answer_of_1.body = r_1.body
            answer_of_1.digest = r_1.digest
            answer_of_1.decision = decision_1
            answer_of_1.kind = kind_1
            answer_of_1.content = content_1
            answer_of_1.by = by_1
            answer_of_1.at = work.now
            answer_of_1.__class__ = Answer
        elif isinstance(given_2, TimerFired) and request_1.on_expiry != "keep":
            r_2 = request_1
            answer_of_1 = DraftAnswer()
            answer_of_1.request = r_2.id
            answer_of_1.question = r_2.kind
            answer_of_1.body = r_2.body
            answer_of_1.digest = r_2.digest
            answer_of_1.decision = ""
            answer_of_1.kind = "expired"
            answer_of_1.content = None
            answer_of_1.by = "timer expiry"
            answer_of_1.at = work.now
            answer_of_1.__class__ = Answer
        else:
            answer_of_1 = None
        if request_1.state == "open":
            count_1 = 0
            for request_3 in run_1.requests:
                if request_3.state == "open":
                    count_1 += 1
            count_open_1 = count_1
            if is_last_open(open_requests=count_open_1) is not True:
                agrees_1 = False
            else:
                agrees_1 = True
            if agrees_1:
                work.moves.append(("request", request_1.id, "answer", request_1.state, "answered"))
                closed_1 = DraftRequest()
                closed_1.id = request_1.id
                closed_1.kind = request_1.kind
                closed_1.body = request_1.body
                closed_1.digest = request_1.digest
                closed_1.on_expiry = request_1.on_expiry
                closed_1.deciders = request_1.deciders
                closed_1.state = "answered"
                closed_1.asked_at = request_1.asked_at
                closed_1.expiry = None
                closed_1.answer = answer_of_1
                closed_1.with_run = "answer" == "dismiss" and has_ended(work, run_1)
                closed_1.__class__ = Request
                batch_1 = run_1.requests
                run_1.requests = (
                    (closed_1,)
                    if len(batch_1) == 1
                    else tuple([closed_1 if one_1 is request_1 else one_1 for one_1 in batch_1])
                )
                build_1 = DraftClosed()
                build_1.run = run_1.spec.id
                build_1.request = closed_1
                build_1.__class__ = Closed
                work.closed += (build_1,)
                source_1 = run_1.state
                if source_1 == "waiting_for_human":
                    run_1.state = "running"
                    work.moves.append(("run", run_1.spec.id, "resume", source_1, "running"))
                    run_1.segment += 1
                    slot_1 = work.session.execution
                    if slot_1 is not None and slot_1.state == "executing":
                        build_2 = DraftHandAnswers()
                        build_2.run = run_1.spec.id
                        build_2.execution = slot_1.id
                        build_2.__class__ = HandAnswers
                        work.edges += (build_2,)
                    session_2 = work.session
                    if session_2.head is run_1:
                        source_2 = session_2.state
                        if source_2 == "waiting_for_human":
                            session_2.state = "running"
                            work.moves.append(("session", session_2.id, "resume", source_2, "running"))
                        else:
                            raise refused("session", source_2, "resume")
                else:
                    raise refused("run", source_1, "resume")
            else:
                if is_last_open(open_requests=count_open_1) is not False:
                    agrees_2 = False
                else:
                    agrees_2 = True
                if agrees_2:
                    work.moves.append(("request", request_1.id, "answer", request_1.state, "answered"))
                    closed_1 = DraftRequest()
                    closed_1.id = request_1.id
                    closed_1.kind = request_1.kind
                    closed_1.body = request_1.body
                    closed_1.digest = request_1.digest
                    closed_1.on_expiry = request_1.on_expiry
                    closed_1.deciders = request_1.deciders
                    closed_1.state = "answered"
                    closed_1.asked_at = request_1.asked_at
                    closed_1.expiry = None
                    closed_1.answer = answer_of_1
                    closed_1.with_run = "answer" == "dismiss" and has_ended(work, run_1)
                    closed_1.__class__ = Request
                    batch_1 = run_1.requests
                    run_1.requests = (
                        (closed_1,)
                        if len(batch_1) == 1
                        else tuple([closed_1 if one_1 is request_1 else one_1 for one_1 in batch_1])
                    )
                    build_3 = DraftClosed()
                    build_3.run = run_1.spec.id
                    build_3.request = closed_1
                    build_3.__class__ = Closed
                    work.closed += (build_3,)
                else:
                    None
        else:
            raise refused("request", request_1.state, "answer")


def step_Decide(session, given, now):
    """Take the step of the input Decide."""
    if session is not None and now < session.now:
        now = session.now

    name_1 = given.run

    if session is None:
        run_1 = None
    else:
        head_1 = session.head
        if head_1 is not None and head_1.spec.id == name_1:
            run_1 = head_1
        else:
            for run_2 in session.queue:
                if run_2.spec.id == name_1:
                    run_1 = run_2
                    break
            else:
                run_1 = None

    if run_1 is None:
        request_1 = None
    else:
        name_2 = given.request
        for request_2 in run_1.requests:
            if request_2.id == name_2:
                request_1 = request_2
                break
        else:
            request_1 = None

    about_1 = DraftNamed()
    about_1.run = run_1
    about_1.request = given.found.request if request_1 is None else request_1
    about_1.fresh = ()
    about_1.fault = None

    if session is not None and (about_1.run is not None or given.found.run is not None):
        pass
    else:
        return unchanged(session, not_found(f"run {given.run}"), "asking_run_known")

    spoken_1 = not_found(f"request {given.request} of run {given.run}") if about_1.request is None else None

    if spoken_1 is not None:
        return unchanged(session, spoken_1, "request_known")

    run_3, request_3 = (about_1.run, about_1.request)
    named_1 = run_3 if run_3 is not None else given.found.run
    spec_1 = named_1.spec
    by_1 = given.by

    if by_1 == spec_1.owner or by_1 in spec_1.deciders or by_1 in request_3.deciders or (by_1 in session.policy.admins):
        pass
    else:
        return unchanged(
            session,
            denied(f"request {given.request}", given.by, "decide", "its owner, a named decider or an admin"),
            "caller_may_decide",
        )

    if given.kind not in ("approve", "reject", "reject_and_continue", "answer"):
        return unchanged(
            session,
            malformed("decision", given.kind, ("approve", "reject", "reject_and_continue", "answer")),
            "decision_is_well_formed",
        )
    elif given.kind == "answer" and (not given.content):
        return unchanged(
            session,
            Rejection("Invalid", f"request {given.request}", "the answer is empty", "say something, or reject it"),
            "decision_is_well_formed",
        )
    elif given.kind == "approve" and about_1.request.kind in ("choice", "text"):
        fact_1 = f"it asks for a {about_1.request.kind}, which approve does not give"
        return unchanged(
            session,
            Rejection("Invalid", f"request {given.request}", fact_1, "answer it, or reject it"),
            "decision_is_well_formed",
        )
    else:
        pass

    request_4 = about_1.request
    answer_1 = request_4.answer

    if answer_1 is None and given.found.request is not None:
        answer_1 = given.found.request.answer

    if answer_1 is None or answer_1.kind == "expired":
        pass
    elif answer_1.decision == given.decision:
        same_1 = (answer_1.kind, answer_1.content, answer_1.by) == (given.kind, given.content, given.by)
        if same_1 and request_4.digest == given.digest:
            return unchanged(
                session, Decided(given.run, given.request, given.decision, given.kind), "decision_is_first"
            )
        else:
            return unchanged(
                session,
                conflict(
                    f"decision {given.decision}", "was taken with other content", "use a new id for a new decision"
                ),
                "decision_is_first",
            )
    else:
        pass

    request_5 = about_1.request

    if request_5.digest == given.digest:
        pass
    else:
        return unchanged(
            session,
            conflict(f"request {given.request}", "is not what was shown", "look at it again, then decide"),
            "digest_matches",
        )

    request_6 = about_1.request
    answer_2 = request_6.answer

    if answer_2 is None or answer_2.kind == "expired":
        pass
    else:
        return unchanged(
            session,
            conflict(
                f"request {given.request}", f"was decided by {answer_2.by!r} ({answer_2.kind})", "nothing is left to do"
            ),
            "not_decided_otherwise",
        )

    request_7 = about_1.request

    if request_7.state == "open" and about_1.run is not None:
        pass
    elif given.found.run is not None and request_7.with_run:
        return unchanged(session, ended_reply(given.found.run), "request_still_open")
    else:
        return unchanged(session, AlreadyClosed(given.run, given.request, request_7.state), "request_still_open")

    if session is None or session.state == "stopped":
        session_1 = opened_or_thawed(session, given, now)
    else:
        session_1 = DraftSession()
        session_1.id = session.id
        session_1.incarnation = session.incarnation
        session_1.revision = session.revision + 1
        session_1.state = session.state
        session_1.cause = session.cause
        session_1.now = now
        session_1.policy = session.policy
        session_1.head = session.head
        session_1.queue = session.queue
        session_1.execution = session.execution
        session_1.attachments = session.attachments
        session_1.orphan = session.orphan

    work_1 = Work()
    work_1.tables = tables
    work_1.plans = plans
    work_1.before = session
    work_1.session = session_1
    work_1.input = given
    work_1.now = now
    work_1.about = about_1
    work_1.token = (session_1.revision, 0)
    work_1.given = []
    work_1.taken = []
    work_1.edges = ()
    work_1.moves = []
    work_1.runs = ()
    work_1.executions = ()
    work_1.ended = ()
    work_1.closed = ()

    try:
        route_of_decision_1 = DECISION_ROUTES[given.kind]
        Decide_ways[route_of_decision_1](work_1)
        if work_1.moves:
            slot_1 = session_1.execution
            if slot_1 is not None and slot_1.state in FINAL_EXECUTION_STATES:
                session_1.execution = slot_1 = None
            if session_1.head is None and session_1.queue:
                promote_next(work_1)
            head_2 = session_1.head
            if slot_1 is None and head_2 is not None and (head_2.state in NEEDS_CODE):
                name_3 = head_2.spec.id
                head_3 = session_1.head
                if head_3 is not None and head_3.spec.id == name_3:
                    if type(head_3) is not Run:
                        run_4 = head_3
                    else:
                        twin_1 = DraftRun()
                        twin_1.spec = head_3.spec
                        twin_1.state = head_3.state
                        twin_1.attempt = head_3.attempt
                        twin_1.segment = head_3.segment
                        twin_1.remaining_us = head_3.remaining_us
                        twin_1.deadline = head_3.deadline
                        twin_1.queue_deadline = head_3.queue_deadline
                        twin_1.requests = head_3.requests
                        twin_1.answers = head_3.answers
                        twin_1.checkpoint = head_3.checkpoint
                        twin_1.asked = head_3.asked
                        twin_1.questions = head_3.questions
                        session_1.head = twin_1
                        work_1.runs += ((head_3, twin_1),)
                        run_4 = twin_1
                else:
                    run_4 = thawed_queued(work_1, name_3)
                made_1 = DraftExecution()
                made_1.id = session_1.revision
                made_1.run = run_4.spec.id
                made_1.state = "pending"
                made_1.token = 0
                made_1.controller = run_4.spec.admitted
                made_1.closing = None
                work_1.session.execution = made_1
                work_1.executions += ((None, made_1),)
                work_1.moves.append(("execution", made_1.id, "offer", None, made_1.state))
        for run_before_1, run_5 in work_1.runs:
            RUN_PLAN[None if run_before_1 is None else run_before_1.state][run_5.state](work_1, run_before_1, run_5)
            run_5.__class__ = Run
        for slot_before_1, slot_2 in work_1.executions:
            EXECUTION_PLAN[None if slot_before_1 is None else slot_before_1.state][slot_2.state](
                work_1, slot_before_1, slot_2
            )
            slot_2.__class__ = Execution
        before_1, session_4 = (session, session_1)
        if before_1 is None or session_4.attachments is not before_1.attachments:
            grace_2 = session_4.policy.orphan_grace_seconds
            held_now_1 = session_4.orphan
            released_1 = (
                before_1 is not None and session_4.attachments is before_1.attachments and (held_now_1 is not None)
            )
            if grace_2 is None or grace_2 <= 0 or session_4.state not in work_1.tables.orphan_states:
                wanted_1 = False
            else:
                wanted_1 = released_1 or not session_4.attachments
            if not wanted_1:
                if held_now_1 is not None:
                    if held_now_1.due is not None:
                        build_1 = DraftDisarmTimer()
                        build_1.name = held_now_1.name
                        build_1.owner = held_now_1.owner
                        build_1.token = held_now_1.token
                        build_1.__class__ = DisarmTimer
                        work_1.given.append(build_1)
                    session_4.orphan = None
            elif held_now_1 is None or (held_now_1.due is None and session_4.state != "waiting_for_human"):
                owner_1 = session_4.id
                due_1 = now + us(grace_2)
                build_2 = DraftArmTimer()
                build_2.name = "orphan"
                build_2.owner = owner_1
                build_2.due = due_1
                build_2.token = work_1.token
                build_2.__class__ = ArmTimer
                work_1.taken.append(build_2)
                taken_timer_1 = DraftTimer()
                taken_timer_1.name = "orphan"
                taken_timer_1.owner = owner_1
                taken_timer_1.due = due_1
                taken_timer_1.token = work_1.token
                taken_timer_1.__class__ = Timer
                session_4.orphan = taken_timer_1
        else:
            for rule_1 in SESSION_PLAN[before_1.state][session_4.state]:
                rule_1(work_1, before_1, session_4)
    except Faulty as fault:
        return unchanged(session, broken(fault), "tables")

    session_1.__class__ = Session
    every_1 = (*work_1.given, *work_1.taken, *work_1.edges)
    said_1 = DraftDecided()
    said_1.run = given.run
    said_1.request = given.request
    said_1.decision = given.decision
    said_1.kind = given.kind
    said_1.__class__ = Decided
    new_9 = DraftStep()
    new_9.session = session_1
    new_9.hooks = every_1
    new_9.reply = said_1
    new_9.moves = tuple(work_1.moves)
    new_9.ended = work_1.ended
    new_9.closed = work_1.closed
    new_9.judge = None
    new_9.journalled = True
    new_9.__class__ = Step
    return new_9


def way_RunAsked(work):
    """Go the route RunAsked."""
    session_1 = work.session
    head_1 = session_1.head

    if type(head_1) is not Run:
        run_1 = head_1
    else:
        twin_1 = DraftRun()
        twin_1.spec = head_1.spec
        twin_1.state = head_1.state
        twin_1.attempt = head_1.attempt
        twin_1.segment = head_1.segment
        twin_1.remaining_us = head_1.remaining_us
        twin_1.deadline = head_1.deadline
        twin_1.queue_deadline = head_1.queue_deadline
        twin_1.requests = head_1.requests
        twin_1.answers = head_1.answers
        twin_1.checkpoint = head_1.checkpoint
        twin_1.asked = head_1.asked
        twin_1.questions = head_1.questions
        session_1.head = twin_1
        work.runs += ((head_1, twin_1),)
        run_1 = twin_1

    if run_1 is not None:
        why_1 = work.about.fresh
        source_1 = run_1.state
        if source_1 == "running":
            run_1.state = "waiting_for_human"
            work.moves.append(("run", run_1.spec.id, "ask", source_1, "waiting_for_human"))
            session_2 = work.session
            if session_2.head is run_1:
                source_2 = session_2.state
                if source_2 == "running":
                    session_2.state = "waiting_for_human"
                    work.moves.append(("session", session_2.id, "ask", source_2, "waiting_for_human"))
                else:
                    raise refused("session", source_2, "ask")
            questions_2 = why_1
            kept_2 = run_1.requests
            if kept_2:
                again_2 = {question_2.id for question_2 in questions_2}
                kept_2 = tuple([request_2 for request_2 in kept_2 if request_2.id not in again_2])
            run_1.requests = kept_2 + tuple([opened(work, question_2) for question_2 in questions_2])
            run_1.questions += len(questions_2)
            for question_2 in questions_2:
                work.moves.append(("request", question_2.id, "ask", None, "open"))
        elif source_1 == "waiting_for_human":
            run_1.state = "waiting_for_human"
            work.moves.append(("run", run_1.spec.id, "ask", source_1, "waiting_for_human"))
            questions_1 = why_1
            kept_1 = run_1.requests
            if kept_1:
                again_1 = {question_1.id for question_1 in questions_1}
                kept_1 = tuple([request_1 for request_1 in kept_1 if request_1.id not in again_1])
            run_1.requests = kept_1 + tuple([opened(work, question_1) for question_1 in questions_1])
            run_1.questions += len(questions_1)
            for question_1 in questions_1:
                work.moves.append(("request", question_1.id, "ask", None, "open"))
        else:
            raise refused("run", source_1, "ask")


def step_RunAsked(session, given, now):
    """Take the step of the input RunAsked."""
    if session is not None and now < session.now:
        now = session.now

    brings_1 = given if type(given) is RunAsked else given.result

    if type(brings_1) not in QUESTIONERS:
        about_1 = None
    else:
        head_1 = None if session is None else session.head
        if head_1 is None:
            about_1 = None
        else:
            questions_1, known_1 = (brings_1.questions, given.known)
            if not head_1.requests and (not head_1.answers) and (not known_1):
                fresh_questions_1 = questions_1
            else:
                fresh_questions_1 = tuple(
                    [
                        one_1
                        for one_1 in questions_1
                        if answer_given(head_1, one_1.id, known_1) is None and (not is_open(head_1, one_1.id))
                    ]
                )
            if not questions_1:
                fault_of_questions_1 = "it asked nothing: waiting for a human needs at least one question"
            elif len(questions_1) > 1 and len({question_1.id for question_1 in questions_1}) < len(questions_1):
                fault_of_questions_1 = "it asked two questions of one id at once"
            else:
                for question_1 in questions_1:
                    if question_1.on_expiry not in ("deny_and_continue", "stop", "keep"):
                        fault_of_questions_1 = (
                            f"question {question_1.id}: {question_1.on_expiry!r} is no policy for its expiry"
                        )
                        break
                    if head_1.requests or head_1.answers or known_1:
                        name_1 = question_1.id
                        for request_1 in head_1.requests:
                            if request_1.id == name_1:
                                request_open_or_closed_1 = request_1
                                break
                        else:
                            request_open_or_closed_1 = None
                        old_1 = request_open_or_closed_1 or answer_given(head_1, name_1, known_1)
                        before_1 = None if old_1 is None else old_1.digest
                        if before_1 is not None and before_1 != question_1.digest:
                            fault_of_questions_1 = f"question {question_1.id}: asked before with other content"
                            break
                else:
                    fault_of_questions_1 = None
            about_1 = DraftNamed()
            about_1.run = head_1
            about_1.request = None
            about_1.fresh = fresh_questions_1
            about_1.fault = fault_of_questions_1

    slot_1 = None if session is None else session.execution

    if slot_1 is not None and slot_1.id == given.execution and (slot_1.token == given.token):
        pass
    else:
        return unchanged(session, Stale(f"execution {given.execution}"), "token_is_current")

    slot_2 = session.execution

    if slot_2.state == "executing":
        pass
    else:
        return unchanged(session, Stale(f"execution {given.execution}"), "run_goes_on")

    if about_1.fresh or about_1.fault is not None:
        pass
    else:
        return unchanged(
            session, Asked(answers_given(session.head, given.questions, given.known)), "something_new_is_asked"
        )

    policy_1 = session.policy
    run_1 = session.head
    count_1 = len(about_1.fresh)
    count_2 = 0

    for request_2 in run_1.requests:
        if request_2.state == "open":
            count_2 += 1

    count_open_1 = count_2

    if count_open_1 + count_1 > policy_1.requests_max:
        return unchanged(
            session,
            too_many(run_1, "requests_max", policy_1.requests_max, "wait for the answers to some first"),
            "questions_fit",
        )
    elif len(run_1.answers) + len(run_1.requests) + count_1 > policy_1.answers_max:
        return unchanged(
            session,
            too_many(run_1, "answers_max", policy_1.answers_max, "set a checkpoint: it makes earlier answers the past"),
            "questions_fit",
        )
    else:
        pass

    if session is None or session.state == "stopped":
        session_1 = opened_or_thawed(session, given, now)
    else:
        session_1 = DraftSession()
        session_1.id = session.id
        session_1.incarnation = session.incarnation
        session_1.revision = session.revision + 1
        session_1.state = session.state
        session_1.cause = session.cause
        session_1.now = now
        session_1.policy = session.policy
        session_1.head = session.head
        session_1.queue = session.queue
        session_1.execution = session.execution
        session_1.attachments = session.attachments
        session_1.orphan = session.orphan

    work_1 = Work()
    work_1.tables = tables
    work_1.plans = plans
    work_1.before = session
    work_1.session = session_1
    work_1.input = given
    work_1.now = now
    work_1.about = about_1
    work_1.token = (session_1.revision, 0)
    work_1.given = []
    work_1.taken = []
    work_1.edges = ()
    work_1.moves = []
    work_1.runs = ()
    work_1.executions = ()
    work_1.ended = ()
    work_1.closed = ()

    try:
        route_of_asked_1 = "RunAsked" if about_1.fault is None else "RunAsked.faulty"
        RunAsked_ways[route_of_asked_1](work_1)
        if work_1.moves:
            slot_3 = session_1.execution
            if slot_3 is not None and slot_3.state in FINAL_EXECUTION_STATES:
                session_1.execution = slot_3 = None
            if session_1.head is None and session_1.queue:
                promote_next(work_1)
            head_2 = session_1.head
            if slot_3 is None and head_2 is not None and (head_2.state in NEEDS_CODE):
                name_2 = head_2.spec.id
                head_3 = session_1.head
                if head_3 is not None and head_3.spec.id == name_2:
                    if type(head_3) is not Run:
                        run_2 = head_3
                    else:
                        twin_1 = DraftRun()
                        twin_1.spec = head_3.spec
                        twin_1.state = head_3.state
                        twin_1.attempt = head_3.attempt
                        twin_1.segment = head_3.segment
                        twin_1.remaining_us = head_3.remaining_us
                        twin_1.deadline = head_3.deadline
                        twin_1.queue_deadline = head_3.queue_deadline
                        twin_1.requests = head_3.requests
                        twin_1.answers = head_3.answers
                        twin_1.checkpoint = head_3.checkpoint
                        twin_1.asked = head_3.asked
                        twin_1.questions = head_3.questions
                        session_1.head = twin_1
                        work_1.runs += ((head_3, twin_1),)
                        run_2 = twin_1
                else:
                    run_2 = thawed_queued(work_1, name_2)
                made_1 = DraftExecution()
                made_1.id = session_1.revision
                made_1.run = run_2.spec.id
                made_1.state = "pending"
                made_1.token = 0
                made_1.controller = run_2.spec.admitted
                made_1.closing = None
                work_1.session.execution = made_1
                work_1.executions += ((None, made_1),)
                work_1.moves.append(("execution", made_1.id, "offer", None, made_1.state))
        for run_before_1, run_3 in work_1.runs:
            RUN_PLAN[None if run_before_1 is None else run_before_1.state][run_3.state](work_1, run_before_1, run_3)
            run_3.__class__ = Run
        for slot_before_1, slot_4 in work_1.executions:
            EXECUTION_PLAN[None if slot_before_1 is None else slot_before_1.state][slot_4.state](
                work_1, slot_before_1, slot_4
            )
            slot_4.__class__ = Execution
        before_2, session_4 = (session, session_1)
        if before_2 is None or session_4.attachments is not before_2.attachments:
            grace_2 = session_4.policy.orphan_grace_seconds
            held_now_1 = session_4.orphan
            released_1 = (
                before_2 is not None and session_4.attachments is before_2.attachments and (held_now_1 is not None)
            )
            if grace_2 is None or grace_2 <= 0 or session_4.state not in work_1.tables.orphan_states:
                wanted_1 = False
            else:
                wanted_1 = released_1 or not session_4.attachments
            if not wanted_1:
                if held_now_1 is not None:
                    if held_now_1.due is not None:
                        build_1 = DraftDisarmTimer()
                        build_1.name = held_now_1.name
                        build_1.owner = held_now_1.owner
                        build_1.token = held_now_1.token
                        build_1.__class__ = DisarmTimer
                        work_1.given.append(build_1)
                    session_4.orphan = None
            elif held_now_1 is None or (held_now_1.due is None and session_4.state != "waiting_for_human"):
                owner_1 = session_4.id
                due_1 = now + us(grace_2)
                build_2 = DraftArmTimer()
                build_2.name = "orphan"
                build_2.owner = owner_1
                build_2.due = due_1
                build_2.token = work_1.token
                build_2.__class__ = ArmTimer
                work_1.taken.append(build_2)
                taken_timer_1 = DraftTimer()
                taken_timer_1.name = "orphan"
                taken_timer_1.owner = owner_1
                taken_timer_1.due = due_1
                taken_timer_1.token = work_1.token
                taken_timer_1.__class__ = Timer
                session_4.orphan = taken_timer_1
        else:
            for rule_1 in SESSION_PLAN[before_2.state][session_4.state]:
                rule_1(work_1, before_2, session_4)
    except Faulty as fault:
        return unchanged(session, broken(fault), "tables")

    session_1.__class__ = Session
    every_1 = (*work_1.given, *work_1.taken, *work_1.edges)
    head_4 = session_1.head

    if head_4 is None or work_1.ended:
        said_1 = AskFailed(given.execution, about_1.fault)
    else:
        said_1 = DraftAsked()
        said_1.answers = () if len(about_1.fresh) == len(given.questions) else told(head_4, given)
        said_1.__class__ = Asked

    new_9 = DraftStep()
    new_9.session = session_1
    new_9.hooks = every_1
    new_9.reply = said_1
    new_9.moves = tuple(work_1.moves)
    new_9.ended = work_1.ended
    new_9.closed = work_1.closed
    new_9.judge = None
    new_9.journalled = True
    new_9.__class__ = Step
    return new_9


def step_RunCompleted(session, given, now):
    """Take the step of the input RunCompleted."""
    if session is not None and now < session.now:
        now = session.now

    name_1 = given.run

    if session is None:
        run_1 = None
    else:
        head_1 = session.head
        if head_1 is not None and head_1.spec.id == name_1:
            run_1 = head_1
        else:
            for run_2 in session.queue:
                if run_2.spec.id == name_1:
                    run_1 = run_2
                    break
            else:
                run_1 = None

    if session is None or run_1 is None:
        return unchanged(session, Stale(f"run {given.run}"), "fact_names_a_run")
    else:
        slot_1 = session.execution
        if slot_1 is not None and slot_1.run == given.run and (slot_1.state == "executing"):
            execution_1 = given.execution
            token_1 = given.token
            slot_2 = None if session is None else session.execution
            if slot_2 is None or slot_2.id != execution_1 or slot_2.token != token_1:
                slot_of_1 = None
            else:
                slot_of_1 = slot_2
            if slot_of_1:
                pass
            else:
                return unchanged(session, Stale(f"execution {given.execution}"), "fact_names_a_run")
        elif given.token is not None or run_1 is not session.head:
            return unchanged(session, Stale(f"run {given.run}"), "fact_names_a_run")
        elif given.execution is not None and (slot_1 is None or slot_1.id != given.execution):
            return unchanged(session, Stale(f"execution {given.execution}"), "fact_names_a_run")
        else:
            pass

    if session is None or session.state == "stopped":
        session_1 = opened_or_thawed(session, given, now)
    else:
        session_1 = DraftSession()
        session_1.id = session.id
        session_1.incarnation = session.incarnation
        session_1.revision = session.revision + 1
        session_1.state = session.state
        session_1.cause = session.cause
        session_1.now = now
        session_1.policy = session.policy
        session_1.head = session.head
        session_1.queue = session.queue
        session_1.execution = session.execution
        session_1.attachments = session.attachments
        session_1.orphan = session.orphan

    work_1 = Work()
    work_1.tables = tables
    work_1.plans = plans
    work_1.before = session
    work_1.session = session_1
    work_1.input = given
    work_1.now = now
    work_1.about = None
    work_1.token = (session_1.revision, 0)
    work_1.given = []
    work_1.taken = []
    work_1.edges = ()
    work_1.moves = []
    work_1.runs = ()
    work_1.executions = ()
    work_1.ended = ()
    work_1.closed = ()

    try:
        name_2 = given.run
        head_2 = session_1.head
        if head_2 is not None and head_2.spec.id == name_2:
            if type(head_2) is not Run:
                run_3 = head_2
            else:
                twin_1 = DraftRun()
                twin_1.spec = head_2.spec
                twin_1.state = head_2.state
                twin_1.attempt = head_2.attempt
                twin_1.segment = head_2.segment
                twin_1.remaining_us = head_2.remaining_us
                twin_1.deadline = head_2.deadline
                twin_1.queue_deadline = head_2.queue_deadline
                twin_1.requests = head_2.requests
                twin_1.answers = head_2.answers
                twin_1.checkpoint = head_2.checkpoint
                twin_1.asked = head_2.asked
                twin_1.questions = head_2.questions
                session_1.head = twin_1
                work_1.runs += ((head_2, twin_1),)
                run_3 = twin_1
        else:
            run_3 = thawed_queued(work_1, name_2)
        if run_3 is not None:
            if type(given) is ExecutionSettled:
                result_1 = given.result
                if isinstance(result_1, Value):
                    end_of_1 = DraftEnd()
                    end_of_1.cause = "completed"
                    end_of_1.who = "agent"
                    end_of_1.text = ""
                    end_of_1.result = result_1.result
                elif isinstance(result_1, Failure):
                    end_of_1 = DraftEnd()
                    end_of_1.cause = "completed"
                    end_of_1.who = "agent"
                    end_of_1.text = result_1.text
                    end_of_1.result = None
                elif isinstance(result_1, Parked):
                    end_of_1 = DraftEnd()
                    end_of_1.cause = "completed"
                    end_of_1.who = "agent"
                    end_of_1.text = fault_of_park(work_1, result_1) or ""
                    end_of_1.result = None
                else:
                    end_of_1 = DraftEnd()
                    end_of_1.cause = "completed"
                    end_of_1.who = "engine"
                    end_of_1.text = "its code settled without a result"
                    end_of_1.result = None
            elif type(given) is RunAsked:
                end_of_1 = DraftEnd()
                end_of_1.cause = "completed"
                end_of_1.who = "agent"
                end_of_1.text = work_1.about.fault
                end_of_1.result = None
            else:
                text_1 = getattr(given, "text", "") or getattr(given, "content", None) or ""
                who_1 = (
                    f"timer {given.name}"
                    if isinstance(given, TimerFired)
                    else getattr(given, WHO.get(type(given), "by"), "engine")
                )
                end_of_1 = DraftEnd()
                end_of_1.cause = "completed"
                end_of_1.who = who_1
                end_of_1.text = text_1
                end_of_1.result = getattr(given, "result", None)
            source_1 = run_3.state
            if source_1 in ("starting", "running", "waiting_for_human"):
                run_3.state = "ready"
                work_1.moves.append(("run", run_3.spec.id, "complete", source_1, "ready"))
                build_1 = DraftSignalAbort()
                build_1.run = run_3.spec.id
                build_1.controller = run_3.spec.admitted
                build_1.cause = end_of_1.cause
                build_1.__class__ = SignalAbort
                work_1.given.append(build_1)
                slot_3 = session_1.execution
                if slot_3 is not None and slot_3.run == run_3.spec.id and (slot_3.state not in FINAL_EXECUTION_STATES):
                    slot_4 = session_1.execution
                    if type(slot_4) is not Execution:
                        thawed_slot_1 = slot_4
                    else:
                        twin_2 = DraftExecution()
                        twin_2.id = slot_4.id
                        twin_2.run = slot_4.run
                        twin_2.state = slot_4.state
                        twin_2.token = slot_4.token
                        twin_2.controller = slot_4.controller
                        twin_2.closing = slot_4.closing
                        session_1.execution = twin_2
                        work_1.executions += ((slot_4, twin_2),)
                        thawed_slot_1 = twin_2
                    slot_5 = thawed_slot_1 or slot_3
                    source_2 = slot_5.state
                    if source_2 == "pending":
                        slot_5.state = "settled"
                        work_1.moves.append(("execution", slot_5.id, "close", source_2, "settled"))
                    elif source_2 == "executing":
                        slot_5.state = "closing"
                        work_1.moves.append(("execution", slot_5.id, "close", source_2, "closing"))
                    elif source_2 == "closing":
                        None
                    else:
                        raise refused("execution", source_2, "close")
                if session_1.head is run_3:
                    source_3 = session_1.state
                    if source_3 in ("starting", "running", "waiting_for_human"):
                        session_1.state = "ready"
                        work_1.moves.append(("session", session_1.id, "complete", source_3, "ready"))
                    else:
                        raise refused("session", source_3, "complete")
                build_2 = DraftPublishEnd()
                build_2.run = run_3.spec.id
                build_2.state = run_3.state
                build_2.cause = end_of_1.cause
                build_2.__class__ = PublishEnd
                work_1.edges += (build_2,)
                if session_1.head is run_3:
                    session_1.head = None
                else:
                    session_1.queue = tuple((queued_1 for queued_1 in session_1.queue if queued_1 is not run_3))
                end_1 = end_of_1 if isinstance(end_of_1, End) else NO_TEXT
                ended_1 = DraftEnded()
                ended_1.spec = run_3.spec
                ended_1.incarnation = session_1.incarnation
                ended_1.state = run_3.state
                ended_1.cause = end_1.cause
                ended_1.who = end_1.who
                ended_1.text = end_1.text
                ended_1.result = end_1.result
                ended_1.attempt = run_3.attempt
                ended_1.segment = run_3.segment
                ended_1.ended_at = now
                ended_1.__class__ = Ended
                work_1.ended += (ended_1,)
            else:
                raise refused("run", source_1, "complete")
        if work_1.moves:
            slot_6 = session_1.execution
            if slot_6 is not None and slot_6.state in FINAL_EXECUTION_STATES:
                session_1.execution = slot_6 = None
            if session_1.head is None and session_1.queue:
                promote_next(work_1)
            head_3 = session_1.head
            if slot_6 is None and head_3 is not None and (head_3.state in NEEDS_CODE):
                name_3 = head_3.spec.id
                head_4 = session_1.head
                if head_4 is not None and head_4.spec.id == name_3:
                    if type(head_4) is not Run:
                        run_4 = head_4
                    else:
                        twin_3 = DraftRun()
                        twin_3.spec = head_4.spec
                        twin_3.state = head_4.state
                        twin_3.attempt = head_4.attempt
                        twin_3.segment = head_4.segment
                        twin_3.remaining_us = head_4.remaining_us
                        twin_3.deadline = head_4.deadline
                        twin_3.queue_deadline = head_4.queue_deadline
                        twin_3.requests = head_4.requests
                        twin_3.answers = head_4.answers
                        twin_3.checkpoint = head_4.checkpoint
                        twin_3.asked = head_4.asked
                        twin_3.questions = head_4.questions
                        session_1.head = twin_3
                        work_1.runs += ((head_4, twin_3),)
                        run_4 = twin_3
                else:
                    run_4 = thawed_queued(work_1, name_3)
                made_1 = DraftExecution()
                made_1.id = session_1.revision
                made_1.run = run_4.spec.id
                made_1.state = "pending"
                made_1.token = 0
                made_1.controller = run_4.spec.admitted
                made_1.closing = None
                work_1.session.execution = made_1
                work_1.executions += ((None, made_1),)
                work_1.moves.append(("execution", made_1.id, "offer", None, made_1.state))
        for run_before_1, run_5 in work_1.runs:
            RUN_PLAN[None if run_before_1 is None else run_before_1.state][run_5.state](work_1, run_before_1, run_5)
            run_5.__class__ = Run
        for slot_before_1, slot_7 in work_1.executions:
            EXECUTION_PLAN[None if slot_before_1 is None else slot_before_1.state][slot_7.state](
                work_1, slot_before_1, slot_7
            )
            slot_7.__class__ = Execution
        before_1, session_8 = (session, session_1)
        if before_1 is None or session_8.attachments is not before_1.attachments:
            grace_2 = session_8.policy.orphan_grace_seconds
            held_now_1 = session_8.orphan
            released_1 = (
                before_1 is not None and session_8.attachments is before_1.attachments and (held_now_1 is not None)
            )
            if grace_2 is None or grace_2 <= 0 or session_8.state not in work_1.tables.orphan_states:
                wanted_1 = False
            else:
                wanted_1 = released_1 or not session_8.attachments
            if not wanted_1:
                if held_now_1 is not None:
                    if held_now_1.due is not None:
                        build_3 = DraftDisarmTimer()
                        build_3.name = held_now_1.name
                        build_3.owner = held_now_1.owner
                        build_3.token = held_now_1.token
                        build_3.__class__ = DisarmTimer
                        work_1.given.append(build_3)
                    session_8.orphan = None
            elif held_now_1 is None or (held_now_1.due is None and session_8.state != "waiting_for_human"):
                owner_1 = session_8.id
                due_1 = now + us(grace_2)
                build_4 = DraftArmTimer()
                build_4.name = "orphan"
                build_4.owner = owner_1
                build_4.due = due_1
                build_4.token = work_1.token
                build_4.__class__ = ArmTimer
                work_1.taken.append(build_4)
                taken_timer_1 = DraftTimer()
                taken_timer_1.name = "orphan"
                taken_timer_1.owner = owner_1
                taken_timer_1.due = due_1
                taken_timer_1.token = work_1.token
                taken_timer_1.__class__ = Timer
                session_8.orphan = taken_timer_1
        else:
            for rule_1 in SESSION_PLAN[before_1.state][session_8.state]:
                rule_1(work_1, before_1, session_8)
    except Faulty as fault:
        return unchanged(session, broken(fault), "tables")

    session_1.__class__ = Session
    every_1 = (*work_1.given, *work_1.taken, *work_1.edges)
    new_18 = DraftStep()
    new_18.session = session_1
    new_18.hooks = every_1
    new_18.reply = DONE
    new_18.moves = tuple(work_1.moves)
    new_18.ended = work_1.ended
    new_18.closed = work_1.closed
    new_18.judge = None
    new_18.journalled = True
    new_18.__class__ = Step
    return new_18


def way_ExecutionSettled_Value(work):
    """Go the route ExecutionSettled.Value."""
    session_1 = work.session
    slot_2 = session_1.execution

    if type(slot_2) is not Execution:
        slot_1 = slot_2
    else:
        twin_1 = DraftExecution()
        twin_1.id = slot_2.id
        twin_1.run = slot_2.run
        twin_1.state = slot_2.state
        twin_1.token = slot_2.token
        twin_1.controller = slot_2.controller
        twin_1.closing = slot_2.closing
        session_1.execution = twin_1
        work.executions += ((slot_2, twin_1),)
        slot_1 = twin_1

    if slot_1 is not None:
        source_1 = slot_1.state
        if source_1 in ("pending", "executing", "closing"):
            slot_1.state = "settled"
            work.moves.append(("execution", slot_1.id, "settle", source_1, "settled"))
        else:
            raise refused("execution", source_1, "settle")

    execution_1, run_2 = (work.session.execution, work.session.head)

    if execution_1 is not None and run_2 is not None and (run_2.spec.id == execution_1.run):
        session_2 = work.session
        head_1 = session_2.head
        if type(head_1) is not Run:
            run_1 = head_1
        else:
            twin_2 = DraftRun()
            twin_2.spec = head_1.spec
            twin_2.state = head_1.state
            twin_2.attempt = head_1.attempt
            twin_2.segment = head_1.segment
            twin_2.remaining_us = head_1.remaining_us
            twin_2.deadline = head_1.deadline
            twin_2.queue_deadline = head_1.queue_deadline
            twin_2.requests = head_1.requests
            twin_2.answers = head_1.answers
            twin_2.checkpoint = head_1.checkpoint
            twin_2.asked = head_1.asked
            twin_2.questions = head_1.questions
            session_2.head = twin_2
            work.runs += ((head_1, twin_2),)
            run_1 = twin_2
    else:
        run_1 = None

    if run_1 is not None:
        given_1 = work.input
        if type(given_1) is ExecutionSettled:
            result_1 = given_1.result
            if isinstance(result_1, Value):
                end_of_1 = DraftEnd()
                end_of_1.cause = "completed"
                end_of_1.who = "agent"
                end_of_1.text = ""
                end_of_1.result = result_1.result
            elif isinstance(result_1, Failure):
                end_of_1 = DraftEnd()
                end_of_1.cause = "completed"
                end_of_1.who = "agent"
                end_of_1.text = result_1.text
                end_of_1.result = None
            elif isinstance(result_1, Parked):
                end_of_1 = DraftEnd()
                end_of_1.cause = "completed"
                end_of_1.who = "agent"
                end_of_1.text = fault_of_park(work, result_1) or ""
                end_of_1.result = None
            else:
                end_of_1 = DraftEnd()
                end_of_1.cause = "completed"
                end_of_1.who = "engine"
                end_of_1.text = "its code settled without a result"
                end_of_1.result = None
        elif type(given_1) is RunAsked:
            end_of_1 = DraftEnd()
            end_of_1.cause = "completed"
            end_of_1.who = "agent"
            end_of_1.text = work.about.fault
            end_of_1.result = None
        else:
            text_1 = getattr(given_1, "text", "") or getattr(given_1, "content", None) or ""
            who_1 = (
                f"timer {given_1.name}"
                if isinstance(given_1, TimerFired)
                else getattr(given_1, WHO.get(type(given_1), "by"), "engine")
            )
            end_of_1 = DraftEnd()
            end_of_1.cause = "completed"
            end_of_1.who = who_1
            end_of_1.text = text_1
            end_of_1.result = getattr(given_1, "result", None)
        source_2 = run_1.state
        if source_2 in ("starting", "running", "waiting_for_human"):
            run_1.state = "ready"
            work.moves.append(("run", run_1.spec.id, "complete", source_2, "ready"))
            build_1 = DraftSignalAbort()
            build_1.run = run_1.spec.id
            build_1.controller = run_1.spec.admitted
            build_1.cause = end_of_1.cause
            build_1.__class__ = SignalAbort
            work.given.append(build_1)
            slot_3 = work.session.execution
            if slot_3 is not None and slot_3.run == run_1.spec.id and (slot_3.state not in FINAL_EXECUTION_STATES):
                session_3 = work.session
                slot_4 = session_3.execution
                if type(slot_4) is not Execution:
                    thawed_slot_1 = slot_4
                else:
                    twin_3 = DraftExecution()
                    twin_3.id = slot_4.id
                    twin_3.run = slot_4.run
                    twin_3.state = slot_4.state
                    twin_3.token = slot_4.token
                    twin_3.controller = slot_4.controller
                    twin_3.closing = slot_4.closing
                    session_3.execution = twin_3
                    work.executions += ((slot_4, twin_3),)
                    thawed_slot_1 = twin_3
                slot_5 = thawed_slot_1 or slot_3
                source_3 = slot_5.state
                if source_3 == "pending":
                    slot_5.state = "settled"
                    work.moves.append(("execution", slot_5.id, "close", source_3, "settled"))
                elif source_3 == "executing":
                    slot_5.state = "closing"
                    work.moves.append(("execution", slot_5.id, "close", source_3, "closing"))
                elif source_3 == "closing":
                    None
                else:
                    raise refused("execution", source_3, "close")
            session_4 = work.session
            if session_4.head is run_1:
                source_4 = session_4.state
                if source_4 in ("starting", "running", "waiting_for_human"):
                    session_4.state = "ready"
                    work.moves.append(("session", session_4.id, "complete", source_4, "ready"))
                else:
                    raise refused("session", source_4, "complete")
            build_2 = DraftPublishEnd()
            build_2.run = run_1.spec.id
            build_2.state = run_1.state
            build_2.cause = end_of_1.cause
            build_2.__class__ = PublishEnd
            work.edges += (build_2,)
            session_5 = work.session
            if session_5.head is run_1:
                session_5.head = None
            else:
                session_5.queue = tuple((queued_1 for queued_1 in session_5.queue if queued_1 is not run_1))
            end_1 = end_of_1 if isinstance(end_of_1, End) else NO_TEXT
            ended_1 = DraftEnded()
            ended_1.spec = run_1.spec
            ended_1.incarnation = session_5.incarnation
            ended_1.state = run_1.state
            ended_1.cause = end_1.cause
            ended_1.who = end_1.who
            ended_1.text = end_1.text
            ended_1.result = end_1.result
            ended_1.attempt = run_1.attempt
            ended_1.segment = run_1.segment
            ended_1.ended_at = work.now
            ended_1.__class__ = Ended
            work.ended += (ended_1,)
        else:
            raise refused("run", source_2, "complete")


def step_ExecutionSettled(session, given, now):
    """Take the step of the input ExecutionSettled."""
    if session is not None and now < session.now:
        now = session.now

    brings_1 = given if type(given) is RunAsked else given.result

    if type(brings_1) not in QUESTIONERS:
        about_1 = None
    else:
        head_1 = None if session is None else session.head
        if head_1 is None:
            about_1 = None
        else:
            questions_1, known_1 = (brings_1.questions, given.known)
            if not head_1.requests and (not head_1.answers) and (not known_1):
                fresh_questions_1 = questions_1
            else:
                fresh_questions_1 = tuple(
                    [
                        one_1
                        for one_1 in questions_1
                        if answer_given(head_1, one_1.id, known_1) is None and (not is_open(head_1, one_1.id))
                    ]
                )
            if not questions_1:
                fault_of_questions_1 = "it asked nothing: waiting for a human needs at least one question"
            elif len(questions_1) > 1 and len({question_1.id for question_1 in questions_1}) < len(questions_1):
                fault_of_questions_1 = "it asked two questions of one id at once"
            else:
                for question_1 in questions_1:
                    if question_1.on_expiry not in ("deny_and_continue", "stop", "keep"):
                        fault_of_questions_1 = (
                            f"question {question_1.id}: {question_1.on_expiry!r} is no policy for its expiry"
                        )
                        break
                    if head_1.requests or head_1.answers or known_1:
                        name_1 = question_1.id
                        for request_1 in head_1.requests:
                            if request_1.id == name_1:
                                request_open_or_closed_1 = request_1
                                break
                        else:
                            request_open_or_closed_1 = None
                        old_1 = request_open_or_closed_1 or answer_given(head_1, name_1, known_1)
                        before_1 = None if old_1 is None else old_1.digest
                        if before_1 is not None and before_1 != question_1.digest:
                            fault_of_questions_1 = f"question {question_1.id}: asked before with other content"
                            break
                else:
                    fault_of_questions_1 = None
            about_1 = DraftNamed()
            about_1.run = head_1
            about_1.request = None
            about_1.fresh = fresh_questions_1
            about_1.fault = fault_of_questions_1

    slot_1 = None if session is None else session.execution

    if slot_1 is not None and slot_1.id == given.execution and (slot_1.token == given.token):
        pass
    else:
        return unchanged(session, Stale(f"execution {given.execution}"), "token_is_current")

    if session is None or session.state == "stopped":
        session_1 = opened_or_thawed(session, given, now)
    else:
        session_1 = DraftSession()
        session_1.id = session.id
        session_1.incarnation = session.incarnation
        session_1.revision = session.revision + 1
        session_1.state = session.state
        session_1.cause = session.cause
        session_1.now = now
        session_1.policy = session.policy
        session_1.head = session.head
        session_1.queue = session.queue
        session_1.execution = session.execution
        session_1.attachments = session.attachments
        session_1.orphan = session.orphan

    work_1 = Work()
    work_1.tables = tables
    work_1.plans = plans
    work_1.before = session
    work_1.session = session_1
    work_1.input = given
    work_1.now = now
    work_1.about = about_1
    work_1.token = (session_1.revision, 0)
    work_1.given = []
    work_1.taken = []
    work_1.edges = ()
    work_1.moves = []
    work_1.runs = ()
    work_1.executions = ()
    work_1.ended = ()
    work_1.closed = ()

    try:
        result_1 = given.result
        if isinstance(result_1, Parked) and run_of_slot(work_1) and (fault_of_park(work_1, result_1) is not None):
            route_of_settled_1 = "ExecutionSettled.Failure"
        else:
            route_of_settled_1 = SETTLED_ROUTES[type(result_1)]
        ExecutionSettled_ways[route_of_settled_1](work_1)
        if work_1.moves:
            slot_2 = session_1.execution
            if slot_2 is not None and slot_2.state in FINAL_EXECUTION_STATES:
                session_1.execution = slot_2 = None
            if session_1.head is None and session_1.queue:
                promote_next(work_1)
            head_2 = session_1.head
            if slot_2 is None and head_2 is not None and (head_2.state in NEEDS_CODE):
                name_2 = head_2.spec.id
                head_3 = session_1.head
                if head_3 is not None and head_3.spec.id == name_2:
                    if type(head_3) is not Run:
                        run_1 = head_3
                    else:
                        twin_1 = DraftRun()
                        twin_1.spec = head_3.spec
                        twin_1.state = head_3.state
                        twin_1.attempt = head_3.attempt
                        twin_1.segment = head_3.segment
                        twin_1.remaining_us = head_3.remaining_us
                        twin_1.deadline = head_3.deadline
                        twin_1.queue_deadline = head_3.queue_deadline
                        twin_1.requests = head_3.requests
                        twin_1.answers = head_3.answers
                        twin_1.checkpoint = head_3.checkpoint
                        twin_1.asked = head_3.asked
                        twin_1.questions = head_3.questions
                        session_1.head = twin_1
                        work_1.runs += ((head_3, twin_1),)
                        run_1 = twin_1
                else:
                    run_1 = thawed_queued(work_1, name_2)
                made_1 = DraftExecution()
                made_1.id = session_1.revision
                made_1.run = run_1.spec.id
                made_1.state = "pending"
                made_1.token = 0
                made_1.controller = run_1.spec.admitted
                made_1.closing = None
                work_1.session.execution = made_1
                work_1.executions += ((None, made_1),)
                work_1.moves.append(("execution", made_1.id, "offer", None, made_1.state))
        for run_before_1, run_2 in work_1.runs:
            RUN_PLAN[None if run_before_1 is None else run_before_1.state][run_2.state](work_1, run_before_1, run_2)
            run_2.__class__ = Run
        for slot_before_1, slot_3 in work_1.executions:
            EXECUTION_PLAN[None if slot_before_1 is None else slot_before_1.state][slot_3.state](
                work_1, slot_before_1, slot_3
            )
            slot_3.__class__ = Execution
        before_2, session_4 = (session, session_1)
        if before_2 is None or session_4.attachments is not before_2.attachments:
            grace_2 = session_4.policy.orphan_grace_seconds
            held_now_1 = session_4.orphan
            released_1 = (
                before_2 is not None and session_4.attachments is before_2.attachments and (held_now_1 is not None)
            )
            if grace_2 is None or grace_2 <= 0 or session_4.state not in work_1.tables.orphan_states:
                wanted_1 = False
            else:
                wanted_1 = released_1 or not session_4.attachments
            if not wanted_1:
                if held_now_1 is not None:
                    if held_now_1.due is not None:
                        build_1 = DraftDisarmTimer()
                        build_1.name = held_now_1.name
                        build_1.owner = held_now_1.owner
                        build_1.token = held_now_1.token
                        build_1.__class__ = DisarmTimer
                        work_1.given.append(build_1)
                    session_4.orphan = None
            elif held_now_1 is None or (held_now_1.due is None and session_4.state != "waiting_for_human"):
                owner_1 = session_4.id
                due_1 = now + us(grace_2)
                build_2 = DraftArmTimer()
                build_2.name = "orphan"
                build_2.owner = owner_1
                build_2.due = due_1
                build_2.token = work_1.token
                build_2.__class__ = ArmTimer
                work_1.taken.append(build_2)
                taken_timer_1 = DraftTimer()
                taken_timer_1.name = "orphan"
                taken_timer_1.owner = owner_1
                taken_timer_1.due = due_1
                taken_timer_1.token = work_1.token
                taken_timer_1.__class__ = Timer
                session_4.orphan = taken_timer_1
        else:
            for rule_1 in SESSION_PLAN[before_2.state][session_4.state]:
                rule_1(work_1, before_2, session_4)
    except Faulty as fault:
        return unchanged(session, broken(fault), "tables")

    session_1.__class__ = Session
    every_1 = (*work_1.given, *work_1.taken, *work_1.edges)
    new_8 = DraftStep()
    new_8.session = session_1
    new_8.hooks = every_1
    new_8.reply = DONE
    new_8.moves = tuple(work_1.moves)
    new_8.ended = work_1.ended
    new_8.closed = work_1.closed
    new_8.judge = None
    new_8.journalled = True
    new_8.__class__ = Step
    return new_8


def register_controller_and_open_its_segment_and_arm_queue_deadline(work, before, after):
    """Do for the holds: register controller, open its segment, arm queue deadline."""
    build_1 = DraftRegisterController()
    build_1.run = after.spec.id
    build_1.controller = after.spec.admitted
    build_1.__class__ = RegisterController
    work.taken.append(build_1)
    build_2 = DraftOpenSegment()
    build_2.run = after.spec.id
    build_2.segment = after.segment
    build_2.__class__ = OpenSegment
    work.taken.append(build_2)
    allowed_1 = after.spec.queue_deadline_us

    if allowed_1 is not None and after.attempt == 1:
        owner_1 = after.spec.id
        due_1 = after.spec.admitted_at + allowed_1
        build_3 = DraftArmTimer()
        build_3.name = "queue_deadline"
        build_3.owner = owner_1
        build_3.due = due_1
        build_3.token = work.token
        build_3.__class__ = ArmTimer
        work.taken.append(build_3)
        taken_timer_1 = DraftTimer()
        taken_timer_1.name = "queue_deadline"
        taken_timer_1.owner = owner_1
        taken_timer_1.due = due_1
        taken_timer_1.token = work.token
        taken_timer_1.__class__ = Timer
        after.queue_deadline = taken_timer_1


def register_controller_and_open_its_segment_and_compare_deadline(work, before, after):
    """Do for the holds: register controller, open its segment, compare deadline."""
    build_1 = DraftRegisterController()
    build_1.run = after.spec.id
    build_1.controller = after.spec.admitted
    build_1.__class__ = RegisterController
    work.taken.append(build_1)
    build_2 = DraftOpenSegment()
    build_2.run = after.spec.id
    build_2.segment = after.segment
    build_2.__class__ = OpenSegment
    work.taken.append(build_2)

    if after.remaining_us is None:
        None
    else:
        slot_1 = work.session.execution
        if slot_1 is None or slot_1.state != "executing" or slot_1.run != after.spec.id:
            armed_1 = after.deadline
            if armed_1 is not None:
                build_3 = DraftDisarmTimer()
                build_3.name = armed_1.name
                build_3.owner = armed_1.owner
                build_3.token = armed_1.token
                build_3.__class__ = DisarmTimer
                work.given.append(build_3)
                if before is not None and before.attempt == after.attempt:
                    after.remaining_us = max(0, armed_1.due - work.now)
                after.deadline = None
        elif after.deadline is None:
            owner_1 = after.spec.id
            due_1 = work.now + after.remaining_us
            build_4 = DraftArmTimer()
            build_4.name = "deadline"
            build_4.owner = owner_1
            build_4.due = due_1
            build_4.token = work.token
            build_4.__class__ = ArmTimer
            work.taken.append(build_4)
            taken_timer_1 = DraftTimer()
            taken_timer_1.name = "deadline"
            taken_timer_1.owner = owner_1
            taken_timer_1.due = due_1
            taken_timer_1.token = work.token
            taken_timer_1.__class__ = Timer
            after.deadline = taken_timer_1


def register_controller_and_show_requests(work, before, after):
    """Do for the holds: register controller, show requests."""
    build_1 = DraftRegisterController()
    build_1.run = after.spec.id
    build_1.controller = after.spec.admitted
    build_1.__class__ = RegisterController
    work.taken.append(build_1)

    for request_1 in after.requests:
        if request_1.state == "open":
            expiry_1 = request_1.expiry
            if expiry_1 is not None and expiry_1.due is not None:
                build_2 = DraftArmTimer()
                build_2.name = "expiry"
                build_2.owner = expiry_1.owner
                build_2.due = expiry_1.due
                build_2.token = expiry_1.token
                build_2.__class__ = ArmTimer
                work.taken.append(build_2)
            build_3 = DraftShowRequest()
            build_3.run = after.spec.id
            build_3.request = request_1.id
            build_3.__class__ = ShowRequest
            work.taken.append(build_3)


def change_segment(work, before, after):
    """Do for the holds: change segment."""
    if before.segment != after.segment:
        reason_1 = "rerun" if before.attempt != after.attempt else "recovery"
        build_1 = DraftEndSegment()
        build_1.run = after.spec.id
        build_1.segment = before.segment
        build_1.reason = reason_1
        build_1.__class__ = EndSegment
        work.given.append(build_1)
        build_2 = DraftOpenSegment()
        build_2.run = after.spec.id
        build_2.segment = after.segment
        build_2.__class__ = OpenSegment
        work.taken.append(build_2)


def change_segment_and_disarm_queue_deadline_and_compare_deadline(work, before, after):
    """Do for the holds: change segment, disarm queue deadline, compare deadline."""
    if before.segment != after.segment:
        reason_1 = "rerun" if before.attempt != after.attempt else "recovery"
        build_1 = DraftEndSegment()
        build_1.run = after.spec.id
        build_1.segment = before.segment
        build_1.reason = reason_1
        build_1.__class__ = EndSegment
        work.given.append(build_1)
        build_2 = DraftOpenSegment()
        build_2.run = after.spec.id
        build_2.segment = after.segment
        build_2.__class__ = OpenSegment
        work.taken.append(build_2)

    armed_1 = after.queue_deadline

    if armed_1 is not None:
        build_3 = DraftDisarmTimer()
        build_3.name = armed_1.name
        build_3.owner = armed_1.owner
        build_3.token = armed_1.token
        build_3.__class__ = DisarmTimer
        work.given.append(build_3)
        after.queue_deadline = None

    if after.remaining_us is None:
        None
    else:
        slot_1 = work.session.execution
        if slot_1 is None or slot_1.state != "executing" or slot_1.run != after.spec.id:
            armed_2 = after.deadline
            if armed_2 is not None:
                build_4 = DraftDisarmTimer()
                build_4.name = armed_2.name
                build_4.owner = armed_2.owner
                build_4.token = armed_2.token
                build_4.__class__ = DisarmTimer
                work.given.append(build_4)
                if before is not None and before.attempt == after.attempt:
                    after.remaining_us = max(0, armed_2.due - work.now)
                after.deadline = None
        elif after.deadline is None:
            owner_1 = after.spec.id
            due_1 = work.now + after.remaining_us
            build_5 = DraftArmTimer()
            build_5.name = "deadline"
            build_5.owner = owner_1
            build_5.due = due_1
            build_5.token = work.token
            build_5.__class__ = ArmTimer
            work.taken.append(build_5)
            taken_timer_1 = DraftTimer()
            taken_timer_1.name = "deadline"
            taken_timer_1.owner = owner_1
            taken_timer_1.due = due_1
            taken_timer_1.token = work.token
            taken_timer_1.__class__ = Timer
            after.deadline = taken_timer_1


def show_requests_and_end_its_segment_and_disarm_queue_deadline(work, before, after):
    """Do for the holds: show requests, end its segment, disarm queue deadline."""
    for request_1 in after.requests:
        if request_1.state == "open":
            expiry_1 = request_1.expiry
            if expiry_1 is not None and expiry_1.due is not None:
                build_1 = DraftArmTimer()
                build_1.name = "expiry"
                build_1.owner = expiry_1.owner
                build_1.due = expiry_1.due
                build_1.token = expiry_1.token
                build_1.__class__ = ArmTimer
                work.taken.append(build_1)
            build_2 = DraftShowRequest()
            build_2.run = after.spec.id
            build_2.request = request_1.id
            build_2.__class__ = ShowRequest
            work.taken.append(build_2)

    build_3 = DraftEndSegment()
    build_3.run = after.spec.id
    build_3.segment = before.segment
    build_3.reason = after.state
    build_3.__class__ = EndSegment
    work.given.append(build_3)
    armed_1 = after.queue_deadline

    if armed_1 is not None:
        build_4 = DraftDisarmTimer()
        build_4.name = armed_1.name
        build_4.owner = armed_1.owner
        build_4.token = armed_1.token
        build_4.__class__ = DisarmTimer
        work.given.append(build_4)
        after.queue_deadline = None


def evict_controller_and_end_its_segment_and_disarm_queue_deadline(work, before, after):
    """Do for the holds: evict controller, end its segment, disarm queue deadline."""
    slot_1 = work.session.execution

    if slot_1 is None or slot_1.state != "closing" or slot_1.run != after.spec.id:
        build_1 = DraftEvictController()
        build_1.run = after.spec.id
        build_1.controller = after.spec.admitted
        build_1.__class__ = EvictController
        work.given.append(build_1)

    build_2 = DraftEndSegment()
    build_2.run = after.spec.id
    build_2.segment = before.segment
    build_2.reason = after.state
    build_2.__class__ = EndSegment
    work.given.append(build_2)
    armed_1 = after.queue_deadline

    if armed_1 is not None:
        build_3 = DraftDisarmTimer()
        build_3.name = armed_1.name
        build_3.owner = armed_1.owner
        build_3.token = armed_1.token
        build_3.__class__ = DisarmTimer
        work.given.append(build_3)
        after.queue_deadline = None


def change_segment_and_arm_queue_deadline_and_disarm_deadline(work, before, after):
    """Do for the holds: change segment, arm queue deadline, disarm deadline."""
    if before.segment != after.segment:
        reason_1 = "rerun" if before.attempt != after.attempt else "recovery"
        build_1 = DraftEndSegment()
        build_1.run = after.spec.id
        build_1.segment = before.segment
        build_1.reason = reason_1
        build_1.__class__ = EndSegment
        work.given.append(build_1)
        build_2 = DraftOpenSegment()
        build_2.run = after.spec.id
        build_2.segment = after.segment
        build_2.__class__ = OpenSegment
        work.taken.append(build_2)

    allowed_1 = after.spec.queue_deadline_us

    if allowed_1 is not None and after.attempt == 1:
        owner_1 = after.spec.id
        due_1 = after.spec.admitted_at + allowed_1
        build_3 = DraftArmTimer()
        build_3.name = "queue_deadline"
        build_3.owner = owner_1
        build_3.due = due_1
        build_3.token = work.token
        build_3.__class__ = ArmTimer
        work.taken.append(build_3)
        taken_timer_1 = DraftTimer()
        taken_timer_1.name = "queue_deadline"
        taken_timer_1.owner = owner_1
        taken_timer_1.due = due_1
        taken_timer_1.token = work.token
        taken_timer_1.__class__ = Timer
        after.queue_deadline = taken_timer_1

    armed_1 = after.deadline

    if armed_1 is not None:
        build_4 = DraftDisarmTimer()
        build_4.name = armed_1.name
        build_4.owner = armed_1.owner
        build_4.token = armed_1.token
        build_4.__class__ = DisarmTimer
        work.given.append(build_4)
        if before is not None and before.attempt == after.attempt:
            after.remaining_us = max(0, armed_1.due - work.now)
        after.deadline = None


def change_segment_and_compare_deadline(work, before, after):
    """Do for the holds: change segment, compare deadline."""
    if before.segment != after.segment:
        reason_1 = "rerun" if before.attempt != after.attempt else "recovery"
        build_1 = DraftEndSegment()
        build_1.run = after.spec.id
        build_1.segment = before.segment
        build_1.reason = reason_1
        build_1.__class__ = EndSegment
        work.given.append(build_1)
        build_2 = DraftOpenSegment()
        build_2.run = after.spec.id
        build_2.segment = after.segment
        build_2.__class__ = OpenSegment
        work.taken.append(build_2)

    if after.remaining_us is None:
        None
    else:
        slot_1 = work.session.execution
        if slot_1 is None or slot_1.state != "executing" or slot_1.run != after.spec.id:
            armed_1 = after.deadline
            if armed_1 is not None:
                build_3 = DraftDisarmTimer()
                build_3.name = armed_1.name
                build_3.owner = armed_1.owner
                build_3.token = armed_1.token
                build_3.__class__ = DisarmTimer
                work.given.append(build_3)
                if before is not None and before.attempt == after.attempt:
                    after.remaining_us = max(0, armed_1.due - work.now)
                after.deadline = None
        elif after.deadline is None:
            owner_1 = after.spec.id
            due_1 = work.now + after.remaining_us
            build_4 = DraftArmTimer()
            build_4.name = "deadline"
            build_4.owner = owner_1
            build_4.due = due_1
            build_4.token = work.token
            build_4.__class__ = ArmTimer
            work.taken.append(build_4)
            taken_timer_1 = DraftTimer()
            taken_timer_1.name = "deadline"
            taken_timer_1.owner = owner_1
            taken_timer_1.due = due_1
            taken_timer_1.token = work.token
            taken_timer_1.__class__ = Timer
            after.deadline = taken_timer_1


def show_requests_and_end_its_segment_and_disarm_deadline(work, before, after):
    """Do for the holds: show requests, end its segment, disarm deadline."""
    for request_1 in after.requests:
        if request_1.state == "open":
            expiry_1 = request_1.expiry
            if expiry_1 is not None and expiry_1.due is not None:
                build_1 = DraftArmTimer()
                build_1.name = "expiry"
                build_1.owner = expiry_1.owner
                build_1.due = expiry_1.due
                build_1.token = expiry_1.token
                build_1.__class__ = ArmTimer
                work.taken.append(build_1)
            build_2 = DraftShowRequest()
            build_2.run = after.spec.id
            build_2.request = request_1.id
            build_2.__class__ = ShowRequest
            work.taken.append(build_2)

    build_3 = DraftEndSegment()
    build_3.run = after.spec.id
    build_3.segment = before.segment
    build_3.reason = after.state
    build_3.__class__ = EndSegment
    work.given.append(build_3)
    armed_1 = after.deadline

    if armed_1 is not None:
        build_4 = DraftDisarmTimer()
        build_4.name = armed_1.name
        build_4.owner = armed_1.owner
        build_4.token = armed_1.token
        build_4.__class__ = DisarmTimer
        work.given.append(build_4)
        if before is not None and before.attempt == after.attempt:
            after.remaining_us = max(0, armed_1.due - work.now)
        after.deadline = None


def evict_controller_and_end_its_segment_and_disarm_deadline(work, before, after):
    """Do for the holds: evict controller, end its segment, disarm deadline."""
    slot_1 = work.session.execution

    if slot_1 is None or slot_1.state != "closing" or slot_1.run != after.spec.id:
        build_1 = DraftEvictController()
        build_1.run = after.spec.id
        build_1.controller = after.spec.admitted
        build_1.__class__ = EvictController
        work.given.append(build_1)

    build_2 = DraftEndSegment()
    build_2.run = after.spec.id
    build_2.segment = before.segment
    build_2.reason = after.state
    build_2.__class__ = EndSegment
    work.given.append(build_2)
    armed_1 = after.deadline

    if armed_1 is not None:
        build_3 = DraftDisarmTimer()
        build_3.name = armed_1.name
        build_3.owner = armed_1.owner
        build_3.token = armed_1.token
        build_3.__class__ = DisarmTimer
        work.given.append(build_3)
        if before is not None and before.attempt == after.attempt:
            after.remaining_us = max(0, armed_1.due - work.now)
        after.deadline = None


def close_requests_and_open_its_segment_and_arm_queue_deadline(work, before, after):
    """Do for the holds: close requests, open its segment, arm queue deadline."""
    dismiss(work, after)

    for old_1 in before.requests:
        if old_1.state == "open":
            batch_1 = after.requests
            name_1 = old_1.id
            for request_2 in batch_1:
                if request_2.id == name_1:
                    new_1 = request_2
                    break
            else:
                new_1 = None
            if new_1 is not None and new_1 is not old_1:
                if old_1.expiry is not None and new_1.expiry is None:
                    armed_1 = old_1.expiry
                    if armed_1.due is not None:
                        build_1 = DraftDisarmTimer()
                        build_1.name = armed_1.name
                        build_1.owner = armed_1.owner
                        build_1.token = armed_1.token
                        build_1.__class__ = DisarmTimer
                        work.given.append(build_1)
                if new_1.state != "open":
                    build_2 = DraftWithdrawRequest()
                    build_2.run = after.spec.id
                    build_2.request = new_1.id
                    build_2.how = new_1.state
                    build_2.__class__ = WithdrawRequest
                    work.given.append(build_2)

    given_1 = tuple([request_1.answer for request_1 in after.requests if request_1.answer is not None])
    after.answers, after.requests = (after.answers + given_1, ())
    build_3 = DraftOpenSegment()
    build_3.run = after.spec.id
    build_3.segment = after.segment
    build_3.__class__ = OpenSegment
    work.taken.append(build_3)
    allowed_1 = after.spec.queue_deadline_us

    if allowed_1 is not None and after.attempt == 1:
        owner_1 = after.spec.id
        due_1 = after.spec.admitted_at + allowed_1
        build_4 = DraftArmTimer()
        build_4.name = "queue_deadline"
        build_4.owner = owner_1
        build_4.due = due_1
        build_4.token = work.token
        build_4.__class__ = ArmTimer
        work.taken.append(build_4)
        taken_timer_1 = DraftTimer()
        taken_timer_1.name = "queue_deadline"
        taken_timer_1.owner = owner_1
        taken_timer_1.due = due_1
        taken_timer_1.token = work.token
        taken_timer_1.__class__ = Timer
        after.queue_deadline = taken_timer_1


def close_requests_and_open_its_segment_and_compare_deadline(work, before, after):
    """Do for the holds: close requests, open its segment, compare deadline."""
    dismiss(work, after)

    for old_1 in before.requests:
        if old_1.state == "open":
            batch_1 = after.requests
            name_1 = old_1.id
            for request_2 in batch_1:
                if request_2.id == name_1:
                    new_1 = request_2
                    break
            else:
                new_1 = None
            if new_1 is not None and new_1 is not old_1:
                if old_1.expiry is not None and new_1.expiry is None:
                    armed_1 = old_1.expiry
                    if armed_1.due is not None:
                        build_1 = DraftDisarmTimer()
                        build_1.name = armed_1.name
                        build_1.owner = armed_1.owner
                        build_1.token = armed_1.token
                        build_1.__class__ = DisarmTimer
                        work.given.append(build_1)
                if new_1.state != "open":
                    build_2 = DraftWithdrawRequest()
                    build_2.run = after.spec.id
                    build_2.request = new_1.id
                    build_2.how = new_1.state
                    build_2.__class__ = WithdrawRequest
                    work.given.append(build_2)

    given_1 = tuple([request_1.answer for request_1 in after.requests if request_1.answer is not None])
    after.answers, after.requests = (after.answers + given_1, ())
    build_3 = DraftOpenSegment()
    build_3.run = after.spec.id
    build_3.segment = after.segment
    build_3.__class__ = OpenSegment
    work.taken.append(build_3)

    if after.remaining_us is None:
        None
    else:
        slot_1 = work.session.execution
        if slot_1 is None or slot_1.state != "executing" or slot_1.run != after.spec.id:
            armed_2 = after.deadline
            if armed_2 is not None:
                build_4 = DraftDisarmTimer()
                build_4.name = armed_2.name
                build_4.owner = armed_2.owner
                build_4.token = armed_2.token
                build_4.__class__ = DisarmTimer
                work.given.append(build_4)
                if before is not None and before.attempt == after.attempt:
                    after.remaining_us = max(0, armed_2.due - work.now)
                after.deadline = None
        elif after.deadline is None:
            owner_1 = after.spec.id
            due_1 = work.now + after.remaining_us
            build_5 = DraftArmTimer()
            build_5.name = "deadline"
            build_5.owner = owner_1
            build_5.due = due_1
            build_5.token = work.token
            build_5.__class__ = ArmTimer
            work.taken.append(build_5)
            taken_timer_1 = DraftTimer()
            taken_timer_1.name = "deadline"
            taken_timer_1.owner = owner_1
            taken_timer_1.due = due_1
            taken_timer_1.token = work.token
            taken_timer_1.__class__ = Timer
            after.deadline = taken_timer_1


def compare_requests(work, before, after):
    """Do for the holds: compare requests."""
    for old_1 in before.requests:
        if old_1.state == "open":
            batch_1 = after.requests
            name_1 = old_1.id
            for request_2 in batch_1:
                if request_2.id == name_1:
                    new_1 = request_2
                    break
            else:
                new_1 = None
            if new_1 is not None and new_1 is not old_1:
                if old_1.expiry is not None and new_1.expiry is None:
                    armed_1 = old_1.expiry
                    if armed_1.due is not None:
                        build_1 = DraftDisarmTimer()
                        build_1.name = armed_1.name
                        build_1.owner = armed_1.owner
                        build_1.token = armed_1.token
                        build_1.__class__ = DisarmTimer
                        work.given.append(build_1)
                if new_1.state != "open":
                    build_2 = DraftWithdrawRequest()
                    build_2.run = after.spec.id
                    build_2.request = new_1.id
                    build_2.how = new_1.state
                    build_2.__class__ = WithdrawRequest
                    work.given.append(build_2)

    for request_1 in after.requests:
        if request_1.state == "open":
            was_1 = before.requests
            name_2 = request_1.id
            for request_3 in was_1:
                if request_3.id == name_2:
                    old_2 = request_3
                    break
            else:
                old_2 = None
            still_open_1 = old_2 is not None and old_2.state == "open"
            if not still_open_1:
                expiry_1 = request_1.expiry
                if expiry_1 is not None and expiry_1.due is not None:
                    build_3 = DraftArmTimer()
                    build_3.name = "expiry"
                    build_3.owner = expiry_1.owner
                    build_3.due = expiry_1.due
                    build_3.token = expiry_1.token
                    build_3.__class__ = ArmTimer
                    work.taken.append(build_3)
                build_4 = DraftShowRequest()
                build_4.run = after.spec.id
                build_4.request = request_1.id
                build_4.__class__ = ShowRequest
                work.taken.append(build_4)


def evict_controller_and_close_requests(work, before, after):
    """Do for the holds: evict controller, close requests."""
    slot_1 = work.session.execution

    if slot_1 is None or slot_1.state != "closing" or slot_1.run != after.spec.id:
        build_1 = DraftEvictController()
        build_1.run = after.spec.id
        build_1.controller = after.spec.admitted
        build_1.__class__ = EvictController
        work.given.append(build_1)

    dismiss(work, after)

    for old_1 in before.requests:
        if old_1.state == "open":
            batch_1 = after.requests
            name_1 = old_1.id
            for request_2 in batch_1:
                if request_2.id == name_1:
                    new_2 = request_2
                    break
            else:
                new_2 = None
            if new_2 is not None and new_2 is not old_1:
                if old_1.expiry is not None and new_2.expiry is None:
                    armed_1 = old_1.expiry
                    if armed_1.due is not None:
                        build_2 = DraftDisarmTimer()
                        build_2.name = armed_1.name
                        build_2.owner = armed_1.owner
                        build_2.token = armed_1.token
                        build_2.__class__ = DisarmTimer
                        work.given.append(build_2)
                if new_2.state != "open":
                    build_3 = DraftWithdrawRequest()
                    build_3.run = after.spec.id
                    build_3.request = new_2.id
                    build_3.how = new_2.state
                    build_3.__class__ = WithdrawRequest
                    work.given.append(build_3)

    given_1 = tuple([request_1.answer for request_1 in after.requests if request_1.answer is not None])
    after.answers, after.requests = (after.answers + given_1, ())


def offer_to_begin(work, before, after):
    """Do for the holds: offer to begin."""
    build_1 = DraftOfferBegin()
    build_1.run = after.run
    build_1.execution = after.id
    build_1.__class__ = OfferBegin
    work.taken.append(build_1)


def arm_closing(work, before, after):
    """Do for the holds: arm closing."""
    due_1 = work.now + us(work.session.policy.closing_grace_seconds)
    owner_1 = after.run
    build_1 = DraftArmTimer()
    build_1.name = "closing"
    build_1.owner = owner_1
    build_1.due = due_1
    build_1.token = work.token
    build_1.__class__ = ArmTimer
    work.taken.append(build_1)
    taken_timer_1 = DraftTimer()
    taken_timer_1.name = "closing"
    taken_timer_1.owner = owner_1
    taken_timer_1.due = due_1
    taken_timer_1.token = work.token
    taken_timer_1.__class__ = Timer
    after.closing = taken_timer_1


def take_offer_back(work, before, after):
    """Do for the holds: take offer back."""
    build_1 = DraftWithdrawOffer()
    build_1.run = after.run
    build_1.execution = after.id
    build_1.__class__ = WithdrawOffer
    work.given.append(build_1)


def take_offer_back_and_arm_closing(work, before, after):
    """Do for the holds: take offer back, arm closing."""
    build_1 = DraftWithdrawOffer()
    build_1.run = after.run
    build_1.execution = after.id
    build_1.__class__ = WithdrawOffer
    work.given.append(build_1)
    due_1 = work.now + us(work.session.policy.closing_grace_seconds)
    owner_1 = after.run
    build_2 = DraftArmTimer()
    build_2.name = "closing"
    build_2.owner = owner_1
    build_2.due = due_1
    build_2.token = work.token
    build_2.__class__ = ArmTimer
    work.taken.append(build_2)
    taken_timer_1 = DraftTimer()
    taken_timer_1.name = "closing"
    taken_timer_1.owner = owner_1
    taken_timer_1.due = due_1
    taken_timer_1.token = work.token
    taken_timer_1.__class__ = Timer
    after.closing = taken_timer_1


def offer_to_begin_and_disarm_closing_and_evict_closed_controller(work, before, after):
    """Do for the holds: offer to begin, disarm closing, evict closed controller."""
    build_1 = DraftOfferBegin()
    build_1.run = after.run
    build_1.execution = after.id
    build_1.__class__ = OfferBegin
    work.taken.append(build_1)

    if after.closing is not None:
        armed_1 = after.closing
        if armed_1.due is not None:
            build_2 = DraftDisarmTimer()
            build_2.name = armed_1.name
            build_2.owner = armed_1.owner
            build_2.token = armed_1.token
            build_2.__class__ = DisarmTimer
            work.given.append(build_2)
        after.closing = None

    build_3 = DraftEvictController()
    build_3.run = after.run
    build_3.controller = after.controller
    build_3.__class__ = EvictController
    work.given.append(build_3)


def disarm_closing_and_evict_closed_controller(work, before, after):
    """Do for the holds: disarm closing, evict closed controller."""
    if after.closing is not None:
        armed_1 = after.closing
        if armed_1.due is not None:
            build_1 = DraftDisarmTimer()
            build_1.name = armed_1.name
            build_1.owner = armed_1.owner
            build_1.token = armed_1.token
            build_1.__class__ = DisarmTimer
            work.given.append(build_1)
        after.closing = None

    build_2 = DraftEvictController()
    build_2.run = after.run
    build_2.controller = after.controller
    build_2.__class__ = EvictController
    work.given.append(build_2)


RUN_PLAN = {
    None: {
        "starting": register_controller_and_open_its_segment_and_arm_queue_deadline,
        "running": register_controller_and_open_its_segment_and_compare_deadline,
        "waiting_for_human": register_controller_and_show_requests,
        "ready": nothing,
        "interrupted": nothing,
        "stopped": nothing,
        "error": nothing,
    },
    "starting": {
        "starting": change_segment,
        "running": change_segment_and_disarm_queue_deadline_and_compare_deadline,
        "waiting_for_human": show_requests_and_end_its_segment_and_disarm_queue_deadline,
        "ready": evict_controller_and_end_its_segment_and_disarm_queue_deadline,
        "interrupted": evict_controller_and_end_its_segment_and_disarm_queue_deadline,
        "stopped": evict_controller_and_end_its_segment_and_disarm_queue_deadline,
        "error": evict_controller_and_end_its_segment_and_disarm_queue_deadline,
    },
    "running": {
        "starting": change_segment_and_arm_queue_deadline_and_disarm_deadline,
        "running": change_segment_and_compare_deadline,
        "waiting_for_human": show_requests_and_end_its_segment_and_disarm_deadline,
        "ready": evict_controller_and_end_its_segment_and_disarm_deadline,
        "interrupted": evict_controller_and_end_its_segment_and_disarm_deadline,
        "stopped": evict_controller_and_end_its_segment_and_disarm_deadline,
        "error": evict_controller_and_end_its_segment_and_disarm_deadline,
    },
    "waiting_for_human": {
        "starting": close_requests_and_open_its_segment_and_arm_queue_deadline,
        "running": close_requests_and_open_its_segment_and_compare_deadline,
        "waiting_for_human": compare_requests,
        "ready": evict_controller_and_close_requests,
        "interrupted": evict_controller_and_close_requests,
        "stopped": evict_controller_and_close_requests,
        "error": evict_controller_and_close_requests,
    },
    "ready": {
        "starting": register_controller_and_open_its_segment_and_arm_queue_deadline,
        "running": register_controller_and_open_its_segment_and_compare_deadline,
        "waiting_for_human": register_controller_and_show_requests,
        "ready": nothing,
        "interrupted": nothing,
        "stopped": nothing,
        "error": nothing,
    },
    "interrupted": {
        "starting": register_controller_and_open_its_segment_and_arm_queue_deadline,
        "running": register_controller_and_open_its_segment_and_compare_deadline,
        "waiting_for_human": register_controller_and_show_requests,
        "ready": nothing,
        "interrupted": nothing,
        "stopped": nothing,
        "error": nothing,
    },
    "stopped": {
        "starting": register_controller_and_open_its_segment_and_arm_queue_deadline,
        "running": register_controller_and_open_its_segment_and_compare_deadline,
        "waiting_for_human": register_controller_and_show_requests,
        "ready": nothing,
        "interrupted": nothing,
        "stopped": nothing,
        "error": nothing,
    },
    "error": {
        "starting": register_controller_and_open_its_segment_and_arm_queue_deadline,
        "running": register_controller_and_open_its_segment_and_compare_deadline,
        "waiting_for_human": register_controller_and_show_requests,
        "ready": nothing,
        "interrupted": nothing,
        "stopped": nothing,
        "error": nothing,
    },
}

EXECUTION_PLAN = {
    None: {
        "pending": offer_to_begin,
        "executing": nothing,
        "closing": arm_closing,
        "settled": nothing,
        "abandoned": nothing,
    },
    "pending": {
        "pending": nothing,
        "executing": take_offer_back,
        "closing": take_offer_back_and_arm_closing,
        "settled": take_offer_back,
        "abandoned": take_offer_back,
    },
    "executing": {
        "pending": offer_to_begin,
        "executing": nothing,
        "closing": arm_closing,
        "settled": nothing,
        "abandoned": nothing,
    },
    "closing": {
        "pending": offer_to_begin_and_disarm_closing_and_evict_closed_controller,
        "executing": disarm_closing_and_evict_closed_controller,
        "closing": nothing,
        "settled": disarm_closing_and_evict_closed_controller,
        "abandoned": disarm_closing_and_evict_closed_controller,
    },
    "settled": {
        "pending": offer_to_begin,
        "executing": nothing,
        "closing": arm_closing,
        "settled": nothing,
        "abandoned": nothing,
    },
    "abandoned": {
        "pending": offer_to_begin,
        "executing": nothing,
        "closing": arm_closing,
        "settled": nothing,
        "abandoned": nothing,
    },
}

Decide_ways = {
    "Decide.approve": way_Decide_approve,
    "Decide.answer": way_Decide_answer,
    "Decide.reject_and_continue": way_Decide_reject_and_continue,
    "Decide.reject": in_turn(KERNEL.handling[Decide][4]["Decide.reject"]),
}
ExecutionSettled_ways = {
    "ExecutionSettled.Value": way_ExecutionSettled_Value,
    "ExecutionSettled.Failure": in_turn(KERNEL.handling[ExecutionSettled][4]["ExecutionSettled.Failure"]),
    "ExecutionSettled.Parked": in_turn(KERNEL.handling[ExecutionSettled][4]["ExecutionSettled.Parked"]),
    "ExecutionSettled.NoneType": in_turn(KERNEL.handling[ExecutionSettled][4]["ExecutionSettled.NoneType"]),
}
RunAsked_ways = {
    "RunAsked": way_RunAsked,
    "RunAsked.faulty": in_turn(KERNEL.handling[RunAsked][4]["RunAsked.faulty"]),
}
SESSION_PLAN = KERNEL.tables.plans.session
StartRun_ways = {
    "StartRun": way_StartRun,
    "StartRun.interrupt": in_turn(KERNEL.handling[StartRun][4]["StartRun.interrupt"]),
}
plans = KERNEL.tables.plans
tables = KERNEL.tables
STEPS = {
    StartRun: step_StartRun,
    Begin: step_Begin,
    Decide: step_Decide,
    RunAsked: step_RunAsked,
    RunCompleted: step_RunCompleted,
    ExecutionSettled: step_ExecutionSettled,
}
KERNEL.straight = STEPS
