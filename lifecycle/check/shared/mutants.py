"""Mutants of what workers share: a store that decides otherwise, or a runtime that leaves something out.

What lives here: the lease's table in every variant of the written rule, each decision of a store by hand, each part of a
runtime's conduct. What must not: a kernel; those are in ``check.mutants``. The law of this file: a mutant differs from what
ships in one place, and has a name.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from lifecycle.check.shared.scene import Conduct
from lifecycle.check.shared.world import Shared
from lifecycle.check.variants import Mutant, variants
from lifecycle.kernel.lease import BEHIND, LOST, TAKEN_BACK, Lease, Note, Sharing, Stands, Worker
from lifecycle.kernel.replies import Done, Reply
from lifecycle.machines import LEASE


def shared_table_mutants() -> Iterator[Mutant]:
    """List every mutant that the written rule makes of the lease."""
    for name, changed in variants(LEASE):
        yield Mutant(name, "", lambda changed=changed: Shared(sharing=Sharing(changed)))  # type: ignore[misc]


SHARED_EQUIVALENT: dict[str, str] = {
    "answers-in-any-epoch": "whoever has a session has it in the epoch in which it took it last, and believes in that one: "
    "an older belief is gone with the reload by which it was taken",
}
"""Mutants that nobody can tell from what ships, each with the reason."""


class EpochIgnored(Sharing):
    """Keep a step on the last revision, whoever has the session."""

    def refusal(
        self, kept: Stands, step: Stands, by: int, worker: Worker | None, now: int, asked: bool, note: Note | None
    ) -> str | None:
        """Compare revisions only."""
        same = Stands(step.revision, kept.lease)
        return super().refusal(kept, same, by, worker, now, asked, note)


class RevisionIgnored(Sharing):
    """Keep a step on any revision, if the session is the worker's."""

    def refusal(
        self, kept: Stands, step: Stands, by: int, worker: Worker | None, now: int, asked: bool, note: Note | None
    ) -> str | None:
        """Compare epochs only."""
        return super().refusal(kept, Stands(kept.revision, step.lease), by, worker, now, asked, note)


class NothingCompared(Sharing):
    """Keep whatever is written last."""

    def refusal(
        self, kept: Stands, step: Stands, by: int, worker: Worker | None, now: int, asked: bool, note: Note | None
    ) -> str | None:
        """Compare nothing."""
        return super().refusal(kept, kept, by, None, now, asked, note)


class StalledTrusted(Sharing):
    """Trust a worker that stepped the session before, as if its late heartbeat had given it back."""

    def refusal(
        self, kept: Stands, step: Stands, by: int, worker: Worker | None, now: int, asked: bool, note: Note | None
    ) -> str | None:
        """Compare only what others bring."""
        if step.lease.worker == by:
            return TAKEN_BACK if asked and not self.is_open(note) else None
        return super().refusal(kept, step, by, worker, now, asked, note)


class LostAsBehind(Sharing):
    """Tell whoever has lost a session that another step came first, and not that it is another worker's."""

    def refusal(
        self, kept: Stands, step: Stands, by: int, worker: Worker | None, now: int, asked: bool, note: Note | None
    ) -> str | None:
        """Say the wrong reason."""
        why = super().refusal(kept, step, by, worker, now, asked, note)
        return BEHIND if why == LOST else why


class TakenFromTheLiving(Sharing):
    """Take a session from a worker that beats."""

    def may_acquire(self, lease: Lease, by: int, worker: Worker | None, now: int) -> bool:
        """Let anybody take anything."""
        return True


class NeverTaken(Sharing):
    """Take a session from nobody who had it."""

    def may_acquire(self, lease: Lease, by: int, worker: Worker | None, now: int) -> bool:
        """Let a worker have what is its own, and what nobody ever had."""
        return lease.worker in (0, by)


class EpochNotCounted(Sharing):
    """Take a session in the epoch of the last holder."""

    def acquired(self, lease: Lease, by: int) -> Lease:
        """Change the worker only."""
        return Lease(by, max(lease.epoch, 1))


class EpochOnEveryStep(Sharing):
    """Count the epoch up with every step."""

    def acquired(self, lease: Lease, by: int) -> Lease:
        """Count."""
        return Lease(by, lease.epoch + 1)


class NeverExpires(Sharing):
    """Take every worker that has a row to be at work, dead or silent."""

    def heard_of(self, worker: Worker, now: int) -> str:
        """Hear of everybody."""
        return "held"


class DeadIsHeard(Sharing):
    """Take a worker to be at work until its heartbeat runs out, although its process is gone."""

    def heard_of(self, worker: Worker, now: int) -> str:
        """Look at the heartbeat only."""
        return super().heard_of(Worker(worker.number, worker.name, worker.expires), now)


class LateHeartbeatIgnored(Sharing):
    """Take no heartbeat that comes late."""

    def renewed(self, worker: Worker, now: int, lasts_us: int) -> Worker:
        """Renew what has not expired only."""
        return super().renewed(worker, now, lasts_us) if self.heard_of(worker, now) == "held" else worker


class AnswersWithoutLease(Sharing):
    """Take a reply for which no step is kept from anybody."""

    def may_answer(self, note: Note | None, kept: Lease, lease: Lease, by: int) -> bool:
        """Ask only whether there is a reply."""
        return self.is_open(note)


class AnswersInAnyEpoch(Sharing):
    """Take a reply for which no step is kept from whoever has the session, however old what it believes."""

    def may_answer(self, note: Note | None, kept: Lease, lease: Lease, by: int) -> bool:
        """Ask only who has the session."""
        return self.is_asked_of(note, kept, by)


class WithdrawnIsDone(Sharing):
    """Keep the step of a request that was taken back, or is answered."""

    def refusal(
        self, kept: Stands, step: Stands, by: int, worker: Worker | None, now: int, asked: bool, note: Note | None
    ) -> str | None:
        """Do not look into the inbox."""
        return super().refusal(kept, step, by, worker, now, False, note)


class AnsweredIsTakenBack(Sharing):
    """Let a request be taken back that has its reply."""

    def is_open(self, note: Note | None) -> bool:
        """Ask only whether it is there."""
        return note is not None


class ReplyApart(Sharing):
    """Keep a step without its reply, which would be written later."""

    def answered(self, note: Note, reply: Reply) -> Note | None:
        """Leave the request as it is."""
        return note


class ReplyLost(Sharing):
    """Remove a request with its step."""

    def answered(self, note: Note, reply: Reply) -> Note | None:
        """Keep nothing."""
        return None


class ReplyOfAnother(Sharing):
    """Tell whoever asked that it was done, whatever came of it."""

    def answered(self, note: Note, reply: Reply) -> Note | None:
        """Keep another reply."""
        return super().answered(note, Done())


class AskedOfNobody(Sharing):
    """Show a request to nobody."""

    def is_asked_of(self, note: Note | None, lease: Lease, by: int) -> bool:
        """Hide it."""
        return False


def conducted(**left_out: bool) -> Shared:
    """Return what ships, but for a part of a runtime's conduct."""
    return Shared(conduct=attrs.evolve(Conduct(), **left_out))


SHARED_MUTANTS: tuple[Mutant, ...] = (
    Mutant("epoch-ignored", "a fenced worker never learns who has its session", lambda: Shared(sharing=EpochIgnored())),
    Mutant(
        "revision-ignored",
        "a takeover undoes the last step of a late worker",
        lambda: Shared(sharing=RevisionIgnored()),
    ),
    Mutant("last-writer-wins", "a stalled worker undoes what its heir did", lambda: Shared(sharing=NothingCompared())),
    Mutant(
        "stalled-is-trusted",
        "a late worker goes on with a session that was taken",
        lambda: Shared(sharing=StalledTrusted()),
    ),
    Mutant(
        "lost-told-as-behind",
        "requests fail instead of going to the new holder",
        lambda: Shared(sharing=LostAsBehind()),
    ),
    Mutant(
        "taken-from-the-living",
        "a session is taken from a worker at work",
        lambda: Shared(sharing=TakenFromTheLiving()),
    ),
    Mutant("never-taken-over", "what a worker held stays as it left it", lambda: Shared(sharing=NeverTaken())),
    Mutant("epoch-not-counted", "two holders have one epoch", lambda: Shared(sharing=EpochNotCounted())),
    Mutant(
        "epoch-on-every-step", "the epoch says nothing of changes of hands", lambda: Shared(sharing=EpochOnEveryStep())
    ),
    Mutant("lease-never-expires", "a dead or stalled worker holds for ever", lambda: Shared(sharing=NeverExpires())),
    Mutant(
        "dead-is-heard-of", "a dead worker holds until its heartbeat runs out", lambda: Shared(sharing=DeadIsHeard())
    ),
    Mutant(
        "late-heartbeat-ignored", "who stalled once never holds again", lambda: Shared(sharing=LateHeartbeatIgnored())
    ),
    Mutant(
        "answers-without-lease", "a fenced worker answers for its heir", lambda: Shared(sharing=AnswersWithoutLease())
    ),
    Mutant("answers-in-any-epoch", "an old belief is told as a reply", lambda: Shared(sharing=AnswersInAnyEpoch())),
    Mutant("withdrawn-is-done", "what was taken back is done all the same", lambda: Shared(sharing=WithdrawnIsDone())),
    Mutant(
        "answered-is-taken-back",
        "who gives up hears it was not done",
        lambda: Shared(sharing=AnsweredIsTakenBack()),
    ),
    Mutant("reply-apart-from-its-step", "a request is done again by the heir", lambda: Shared(sharing=ReplyApart())),
    Mutant("reply-lost", "whoever asked never hears", lambda: Shared(sharing=ReplyLost())),
    Mutant("reply-of-another", "whoever asked hears what is not so", lambda: Shared(sharing=ReplyOfAnother())),
    Mutant("asked-of-nobody", "what is asked waits for ever", lambda: Shared(sharing=AskedOfNobody())),
    Mutant(
        "takeover-without-recovery",
        "what is taken goes on as if nothing had been",
        lambda: conducted(recovers_first=False),
    ),
    Mutant("nobody-is-missed", "what the dead held is left", lambda: conducted(takes_up_what_is_left=False)),
    Mutant(
        "lost-is-not-taken-up",
        "a session that was lost once is not taken up when its heir dies",
        lambda: conducted(takes_up_what_it_lost=False),
    ),
    Mutant(
        "blind-after-a-stall",
        "who left while a worker stood still is never missed",
        lambda: conducted(takes_up_after_a_stall=False),
    ),
    Mutant(
        "takes-while-silent",
        "a session that a silent worker takes is not missed when it falls silent again",
        lambda: conducted(beats_when_it_takes=False),
    ),
    Mutant("inbox-unread", "whoever asks waits for ever", lambda: conducted(reads_the_inbox=False)),
    Mutant(
        "calls-without-looking",
        "code begins in a worker whose session was taken",
        lambda: conducted(looks_before_it_calls=False),
    ),
    Mutant(
        "gives-up-without-taking-back",
        "what whoever asked was told is not done is done later",
        lambda: conducted(takes_back_before_it_gives_up=False),
    ),
)
"""Mutants of what no table says: the decisions of a store one by one, and the conduct of a runtime."""
