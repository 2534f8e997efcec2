"""Parts: a session taken apart into the components that a search combines, each in a form that does not grow.

What lives here: the split into *work* (what lives in the session apart from its clients), *orphan* (its timer) and
*attachments*, how they are joined again for a call of the kernel, and the poison that stands for a part that must not
be read. What must not: any rule of the kernel. The law of this file: two sessions have the same parts only if the
kernel treats them alike.

What is left out, and why the kernel cannot tell:

- *Times.* An armed timer may fire at any time, so ``now`` is 0 and everything armed is due at ``DUE``.
- *Identities* are compared and made afresh, never computed with: a controller is the place of its run in the
  configuration, an execution, a token and an incarnation are "the present one", an older one is ``OLD``. That what a
  step makes is fresh is a rule of its own (``stale-is-noop``), judged on the step as the kernel gave it.
- *Segment numbers* are compared with the one before: judged on the step, then 1 again. Counters of questions are read
  by the runtime only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NoReturn

from lifecycle.errors import InvariantBroken
from lifecycle.kernel.draft import twin_of
from lifecycle.kernel.values import Answer, Execution, Policy, Request, Run, RunSpec, Session, Timer

DUE = 1
"""When whatever is armed is due: after now, which is 0, and before the end of any span."""

REVISION = 1_000
"""The revision before every step: all that a step makes anew is above it, all that was there is below."""

OLD, PRESENT = -1, 2
"""Identities of executions and tokens: of one that is over, which nothing has now, and of the present one."""

PRESENT_TOKEN = (PRESENT, 0)
OLD_TOKEN = (OLD, 0)

build_run = twin_of(Run).build
build_spec = twin_of(RunSpec).build
build_request = twin_of(Request).build
build_answer = twin_of(Answer).build
build_execution = twin_of(Execution).build
build_session = twin_of(Session).build
thaw_session = twin_of(Session).thaw
build_timer = twin_of(Timer).build


class Breach(InvariantBroken):
    """A step read a part of the session that its move does not declare: the checker's bug, or a new dependence."""


class Poison:
    """Stand for a part that must not be read: every use of it but being handed on raises.

    Whether a part is none can be seen without touching it; so none is never poisoned, and what is seen that way is
    part of every key.
    """

    __slots__ = ("_part",)

    def __init__(self, part: str) -> None:
        object.__setattr__(self, "_part", part)

    def __getattribute__(self, name: str) -> NoReturn:
        if name == "__wrapped__":  # what looks at a module's names asks this of each; no step does
            raise AttributeError(name)
        raise breach(self, f"read .{name} of")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise breach(self, f"wrote .{name} of")


def refusal(did: str) -> Callable[..., NoReturn]:
    """Make the method by which a part that must not be read refuses one use of it."""

    def refused(self: Poison, *others: object) -> NoReturn:
        raise breach(self, did)

    return refused


USES = {
    "read the length of": ("len", "length_hint"),
    "read the text of": ("repr", "str", "format"),
    "read the number of": ("int", "index", "float", "complex", "round", "trunc", "floor", "ceil"),
    "iterated": ("iter", "next", "reversed", "await", "aiter"),
    "tested": ("bool",),
    "searched": ("contains",),
    "indexed": ("getitem", "setitem", "delitem"),
    "compared": ("eq", "ne", "lt", "le", "gt", "ge"),
    "hashed": ("hash",),
    "called": ("call",),
    "entered": ("enter", "exit"),
    "copied": ("copy", "deepcopy", "reduce", "reduce_ex"),
    "computed with": (
        *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow"),
        *("radd", "rsub", "rmul", "rmatmul", "rtruediv", "rfloordiv", "rmod", "rdivmod", "rpow"),
        *("iadd", "isub", "imul", "imatmul", "itruediv", "ifloordiv", "imod", "ipow"),
        *("and", "or", "xor", "lshift", "rshift", "rand", "ror", "rxor", "rlshift", "rrshift"),
        *("iand", "ior", "ixor", "ilshift", "irshift", "neg", "pos", "abs", "invert"),
    ),
}
"""All that Python lets anybody do with a value, but for asking whether it is none, and its type."""


class Glimpse:
    """Show some attributes of a part; every other one, whether it is none or not, and every other use is a breach."""

    unfinished = Session.unfinished

    def __init__(self, _part: str, **shown: object) -> None:
        self.__dict__.update(shown, _part=_part)

    def __getattr__(self, name: str) -> NoReturn:
        raise breach(self, f"read .{name} of")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise breach(self, f"wrote .{name} of")


for use, names in USES.items():
    for name in names:
        setattr(Poison, f"__{name}__", refusal(use))
        setattr(Glimpse, f"__{name}__", refusal(use))


BREACHES: list[Breach] = []
"""The breaches since a step began: whoever swallows one, a kernel or a rule, cannot hide it."""


def breach(poison: Poison | Glimpse, did: str) -> Breach:
    """Say which part was touched, and how, and remember it."""
    return breach_of(object.__getattribute__(poison, "_part"), did)


def breach_of(part: str, did: str) -> Breach:
    """Say how a part was touched, and remember it."""
    fact = f"the kernel {did} it, and the move does not declare that"
    made = Breach(f"part {part}", fact, "declare the part in the move's footprint", rule="footprint", part=part)
    BREACHES.append(made)
    return made


class Apart(Session):
    """A session without its orphan timer: who asks for it, if only whether there is one, commits a breach."""

    __slots__ = ()

    def __getattr__(self, name: str) -> NoReturn:
        raise breach_of(name, "looked at")


def apart(session: Session) -> Session:
    """Return a session as it is, but for its orphan timer, which nobody may look at."""
    twin = thaw_session(session)
    del twin.orphan
    twin.__class__ = Apart
    return twin


HEAD, QUEUE, SLOT = Poison("head"), Poison("queue"), Poison("execution")
ORPHAN: Timer = Poison("orphan")  # type: ignore[assignment]
ATTACHMENTS = Poison("attachments")


# -- taking apart -----------------------------------------------------------------------------------------------------


def work_of(session: Session, places: dict[str, int]) -> Session:
    """Return what lives in the session apart from its clients, canonical; ``places`` gives each run's identity."""
    head, slot = session.head, session.execution
    return build_session(
        session.id,
        1,
        REVISION,
        session.state,
        session.cause,
        0,
        session.policy,
        None if head is None else plain_run(head, places),
        tuple([plain_run(run, places) for run in session.queue]),
        None if slot is None else plain_execution(slot, places),
        (),
        None,
    )


def plain_run(run: Run, places: dict[str, int]) -> Run:
    """Return a run without its times and history."""
    s = run.spec
    place = places[s.id]
    spec = s
    if s.admitted != place or s.admitted_at:
        kept = s.id, s.key, s.owner, s.deciders, s.agent, s.input, s.digest
        spec = build_spec(*kept, s.deadline_us, s.queue_deadline_us, s.on_crash, place, 0)
    remains = None if run.remaining_us is None else s.deadline_us
    timers = plain_timer(run.deadline), plain_timer(run.queue_deadline)
    batch = tuple([plain_request(request) for request in run.requests])
    answers = tuple([plain_answer(answer) for answer in run.answers])
    return build_run(spec, run.state, run.attempt, 1, remains, *timers, batch, answers, run.checkpoint, 0, 0)


def plain_request(r: Request) -> Request:
    """Return a request without its times."""
    answer = None if r.answer is None else plain_answer(r.answer)
    body = r.id, r.kind, r.body, r.digest, r.on_expiry, r.deciders
    return build_request(*body, r.state, 0, plain_timer(r.expiry), answer, r.with_run)


def plain_answer(a: Answer) -> Answer:
    """Return an answer without its time."""
    return build_answer(a.request, a.question, a.body, a.digest, a.decision, a.kind, a.content, a.by, 0)


def plain_execution(slot: Execution, places: dict[str, int]) -> Execution:
    """Return an execution by its present identities."""
    token = PRESENT if slot.token else 0
    return build_execution(PRESENT, slot.run, slot.state, token, places[slot.run], plain_timer(slot.closing))


def plain_timer(timer: Timer | None) -> Timer | None:
    """Return a timer, due at once or held without a time."""
    if timer is None:
        return None
    return build_timer(timer.name, timer.owner, None if timer.due is None else DUE, PRESENT_TOKEN)


# -- joining ----------------------------------------------------------------------------------------------------------


def joined(work: Session, orphan: Timer | None, attachments: object) -> Session:
    """Return the session of these parts; what must not be read may be poison."""
    w = work
    core = w.id, w.incarnation, w.revision, w.state, w.cause, w.now, w.policy
    return build_session(*core, w.head, w.queue, w.execution, attachments, orphan)


def face_of(work: Session | None) -> tuple[object, ...]:
    """Return what a client's move may see of the work: how the session is, and whether there is a head and code."""
    if work is None:
        return ()
    return work.state, work.cause, work.incarnation, work.head is None, work.execution is None


def masked(face: tuple[object, ...], policy: Policy, orphan: Timer | None, attachments: tuple[str, ...]) -> Session:
    """Return a session of that face, with everything that lives in it poisoned."""
    state, cause, incarnation, no_head, no_code = face
    head, slot = None if no_head else HEAD, None if no_code else SLOT
    return build_session(
        SESSION_ID, incarnation, REVISION, state, cause, 0, policy, head, QUEUE, slot, attachments, orphan
    )


def in_view(work: Session, shown: Collection[str]) -> Session:
    """Return the session as a view shows it: its face and the parts that are named, and nothing else at all."""
    slot = None if work.execution is None else work.execution if "slot" in shown else SLOT
    seen: dict[str, object] = {name: getattr(work, name) for name in SEEN_ALWAYS}
    seen |= {"head": None if work.head is None else HEAD, "execution": slot}
    if "head" in shown:
        seen["head"] = work.head
    elif "names" in shown:
        seen["head"] = None if work.head is None else Glimpse("head", spec=work.head.spec)
    if "names" in shown:
        seen["queue"] = tuple([Glimpse("queue", spec=run.spec) for run in work.queue])
    return Glimpse("session", **seen)  # type: ignore[return-value]


def key_of_view(work: Session, shown: Collection[str]) -> tuple[object, ...]:
    """Return what two works must have in common, beside their faces, to look the same in a view."""
    key: list[object] = []
    if "slot" in shown:
        key.append(work.execution)
    if "head" in shown:
        key.append(work.head)
    if "names" in shown:
        key.append(None if work.head is None else work.head.spec)
        key += [run.spec for run in work.queue]
    return tuple(key)


SEEN_ALWAYS = ("id", "incarnation", "revision", "state", "cause", "now", "policy")
"""What every view shows: what all canonical sessions have in common, and what is part of the face."""

SESSION_ID = "s"
