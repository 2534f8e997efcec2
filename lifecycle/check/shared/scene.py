"""Scenes: what a move of a shared world does, step by step, and what was done that rules are about.

What lives here: what a runtime does around its store, said a second time: it recovers what it loads before anything else,
takes up what nobody holds when somebody is missing, looks before it calls code, lets go of what it has lost. What must
not: which moves there are, and any decision of a store's. The law of this file: a process knows nothing but what it has
read, and whatever it writes passes the store's own functions.

How the real runtime does the same is tested with real processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from lifecycle.check.shared.state import (
    ABSENT,
    ANSWERED,
    AT_WORK,
    BEATING,
    DEAD,
    GONE,
    GRANTED,
    LEFT,
    MISSED,
    NO_CODE,
    NOBODY,
    OPEN,
    SEEN,
    SILENT,
    TAKEN_OUT,
    UNSEEN,
    Line,
    Process,
    Request,
    State,
    canonical,
    is_up,
)
from lifecycle.check.shared.stepping import Stepped
from lifecycle.kernel.lease import TAKEN_BACK, Lease, Note

if TYPE_CHECKING:
    from lifecycle.check.shared.world import SharedWorld

NOTHING_DONE = -1
"""In place of the reply of a request: whoever asked has heard that nothing was done."""


@attrs.frozen
class Conduct:
    """What a runtime does around its store. Each is so in the shipped one; mutants leave one out."""

    recovers_first: bool = True
    takes_up_what_is_left: bool = True
    takes_up_what_it_lost: bool = True
    takes_up_after_a_stall: bool = True
    beats_when_it_takes: bool = True
    reads_the_inbox: bool = True
    looks_before_it_calls: bool = True
    takes_back_before_it_gives_up: bool = True


AS_SHIPPED = Conduct()


@attrs.frozen(eq=False)
class Deed:
    """Something that was done in a move, as rules are told of it: what, by which worker, in which state, on which line.

    ``stepped`` is the step that it is about, ``asked`` whether that is for the request of the inbox. ``why`` says why a
    step was refused, ``told`` is the reply that an asker hears, ``into`` the state after a step that was kept.
    """

    what: str
    worker: int
    before: State
    line: Line | None = None
    name: str = ""
    stepped: Stepped | None = None
    asked: bool = False
    why: str | None = None
    told: int = 0
    into: State | None = None


class Scene:
    """One move under way: what becomes of the state, and what was done."""

    def __init__(self, world: SharedWorld, before: State) -> None:
        self.world, self.before = world, before
        self.session, self.memory, self.holder, self.epoch = before[:4]
        self.processes, self.request = list(before.processes), before.request
        self.deeds: list[Deed] = []
        self.is_plain = True

    def state(self) -> State:
        """Return the state as it is now, in its canonical form; where no line or request changed it is in that."""
        return self.now() if self.is_plain and self.request is self.before.request else canonical(self.now())

    def now(self) -> State:
        """Return the state with its epochs as the store counts them."""
        held = self.session, self.memory, self.holder, self.epoch
        return State(*held, tuple(self.processes), self.request)

    def done(self, what: str, place: int, line: Line | None = None, **more: object) -> None:
        """Note something that rules are about."""
        self.deeds.append(Deed(what, place, self.now(), line, **more))  # type: ignore[arg-type]

    def change(self, place: int, **fields: object) -> None:
        """Change something of a process."""
        if "line" in fields or "has_asked" in fields:
            self.is_plain = False
        self.processes[place] = self.processes[place]._replace(**fields)  # type: ignore[arg-type]

    # -- what the store has -------------------------------------------------------------------------------------------

    @property
    def lease(self) -> Lease:
        """Return the lease of the session."""
        return Lease(self.holder, self.epoch)

    def row_of_holder(self, by: int) -> int:
        """Return the row of whoever has the session; none, if that is ``by``: a store does not look for itself."""
        return ABSENT if self.holder in (NOBODY, GONE, by) else self.processes[self.holder - 1].row

    def may_be_taken(self, by: int) -> bool:
        """Say whether a worker may take the session now."""
        return self.world.decisions.may_acquire(self.holder, self.epoch, by, self.row_of_holder(by))

    def note(self) -> Note | None:
        """Return the request as the store finds it."""
        if self.request.state not in (OPEN, ANSWERED):
            return None
        reply = self.world.steps.reply(self.request.reply) if self.request.state == ANSWERED else None
        return Note(self.request.asker, reply)

    def bury(self) -> None:
        """Remove the rows of those whose process is gone."""
        for place, process in enumerate(self.processes):
            if process.row == DEAD and self.world.decisions.releases(DEAD):
                self.remove(place)

    def remove(self, place: int) -> None:
        """Remove a row; its number is never given again, and whoever looks up next finds one more gone."""
        self.change(place, row=ABSENT)
        self.is_plain, number = False, place + 1
        for at, other in enumerate(self.processes):
            if at != place and is_up(other):
                self.change(at, knows=with_one(other.knows, place, MISSED))
        if self.holder == number:
            self.holder = GONE
        for at, process in enumerate(self.processes):
            if process.line is not None and process.line.holder == number:
                self.change(at, line=process.line._replace(holder=GONE))
        if self.request.asker == number:
            self.request = self.request._replace(asker=GONE)

    # -- coming and going ---------------------------------------------------------------------------------------------

    def comes(self, place: int) -> None:
        """A new process joins: what the dead left is removed, what is left unheld it recovers."""
        self.bury()
        if self.processes[place].row != ABSENT:
            return
        if self.request.state == ANSWERED and self.request.asker == GONE:
            self.request = self.request._replace(state=TAKEN_OUT)
        knows = tuple(SEEN if self.is_at_work(at) and at != place else UNSEEN for at in self.world.places)
        self.processes[place] = Process(BEATING, None, NO_CODE, False, knows)
        self.take_up(place)

    def dies(self, place: int) -> None:
        """A process is gone, in the midst of whatever it did."""
        self.is_plain = False
        self.processes[place] = Process(DEAD, knows=(UNSEEN,) * len(self.processes))
        for at, other in enumerate(self.processes):
            if other.knows[place] == SEEN:
                self.change(at, knows=with_one(other.knows, place, UNSEEN))

    def leaves(self, place: int) -> None:
        """A process leaves in order: it takes back what it asked, and lets go of all that it holds."""
        if self.request.asker == place + 1:
            self.collect(place) if self.request.state == ANSWERED else self.withdraw(place)
        released = self.world.decisions.releases(self.processes[place].row)
        self.dies(place)
        if released:
            self.remove(place)

    def stalls(self, place: int) -> None:
        """A process stands still until its heartbeat is too old; whatever it does later it does on what it believed."""
        self.change(place, row=SILENT)

    def beats(self, place: int) -> None:
        """A late heartbeat: what others have taken meanwhile, and whose code is at work here, is let go of."""
        if self.world.decisions.is_heard_after_a_beat(self.processes[place].row):
            self.change(place, row=BEATING)
        self.done("beat", place)
        process = self.processes[place]
        if process.code in (GRANTED, AT_WORK) and self.is_lost(process):
            self.reload(place)
        if self.world.conduct.takes_up_after_a_stall:
            self.take_up(place)

    def is_at_work(self, place: int) -> bool:
        """Say whether a look shows a worker to be at work."""
        row = self.processes[place].row
        return row != ABSENT and not self.world.decisions.may_acquire(place + 1, 0, NOBODY, row)

    def is_lost(self, process: Process) -> bool:
        """Say whether the line of a process stands on another lease than the session has."""
        line = process.line
        return line is not None and Lease(line.holder, line.epoch) != self.lease

    # -- the session in memory ----------------------------------------------------------------------------------------

    def loads(self, place: int) -> None:
        """Load the session, if another worker does not hold it; its recovery comes first."""
        if self.processes[place].line is not None:
            return
        if not self.may_be_taken(place + 1):
            self.done("left", place)
            return
        recovers = self.session != 0 and self.world.conduct.recovers_first
        self.change(place, line=Line(self.session, True, self.holder, self.epoch, recovers))

    def take_up(self, place: int) -> None:
        """Load the session if it is there and nobody holds it; a line that was lost meanwhile is taken up anew."""
        if not self.session or not self.world.decisions.is_unheld(self.holder, self.epoch, self.row_of_holder(NOBODY)):
            return
        process = self.processes[place]
        if process.line is None:
            self.loads(place)
        elif self.world.conduct.takes_up_what_it_lost and self.is_lost(process):
            self.reload(place)

    def reload(self, place: int) -> None:
        """Let go of the session, and take it up as the store has it, unless another worker holds it."""
        process = self.processes[place]
        code = LEFT if process.code in (AT_WORK, LEFT) else NO_CODE
        self.change(place, line=None, code=code)
        if self.session:
            self.loads(place)
        if self.processes[place].line is None:
            self.change(place, has_asked=False)

    # -- looking up ---------------------------------------------------------------------------------------------------

    def looks(self, place: int) -> None:
        """Look up: bury the dead, read the inbox, hear a reply, and take over what nobody holds if somebody is missing."""
        self.bury()
        conduct, number, process = self.world.conduct, place + 1, self.processes[place]
        at_work = [self.is_at_work(at) for at in self.world.places]
        missing = any(
            knows == MISSED or (knows == SEEN and not there)
            for at, (knows, there) in enumerate(zip(process.knows, at_work, strict=True))
            if at != place
        )
        knows = tuple(SEEN if there and at != place else UNSEEN for at, there in enumerate(at_work))
        self.change(place, knows=knows)
        reads = conduct.reads_the_inbox and self.session != 0 and not process.has_asked
        if reads and self.world.decisions.sharing.is_asked_of(self.note(), self.lease, number):
            self.change(place, has_asked=True)
            self.loads(place)
        if self.request.asker == number and self.request.state == ANSWERED:
            self.collect(place)
        if missing and conduct.takes_up_what_is_left:
            self.take_up(place)
            if self.request.asker == number and self.request.state == OPEN and self.may_be_taken(number):
                self.withdraw(place)

    # -- the inbox ----------------------------------------------------------------------------------------------------

    def asks(self, place: int, what: int) -> None:
        """Ask whoever holds the session."""
        if self.session and not self.may_be_taken(place + 1):
            self.request = Request(what, place + 1, OPEN)

    def collect(self, place: int) -> None:
        """Hear the reply, which is handed out once."""
        self.done("heard", place, told=self.request.reply)
        self.request = self.request._replace(state=TAKEN_OUT)

    def withdraw(self, place: int) -> None:
        """Take a request back, if that is not too late."""
        if self.world.decisions.sharing.is_open(self.note()):
            self.done("taken back", place)
            self.request = self.request._replace(state=TAKEN_OUT)

    def gives_up(self, place: int) -> None:
        """Wait no longer: whoever asked hears that nothing was done, which has to be so."""
        if self.world.conduct.takes_back_before_it_gives_up:
            self.withdraw(place)
        else:
            self.request = self.request._replace(asker=GONE, applied=NOTHING_DONE)

    # -- code ---------------------------------------------------------------------------------------------------------

    def calls(self, place: int) -> None:
        """Call the code that was granted, after a look whether the session is still held here."""
        process = self.processes[place]
        if self.world.conduct.looks_before_it_calls and self.is_lost(process):
            self.done("not called", place, process.line)
            self.reload(place)
            return
        self.done("called", place, process.line)
        self.change(place, code=AT_WORK)

    def returns(self, place: int) -> None:
        """Code of a grant that is over returns, and nobody listens."""
        self.change(place, code=NO_CODE)

    # -- steps --------------------------------------------------------------------------------------------------------

    def steps(self, place: int, name: str, stepped: Stepped, asked: bool) -> None:
        """Keep a step on what the process believes, or learn why not; answer what no step is to be kept for."""
        line = self.processes[place].line
        assert line is not None
        if not stepped.changed:
            self.answers(place, name, stepped, line)
            return
        why = self.refusal(place, line, asked)
        if why is None:
            self.keep(place, name, stepped, line, asked)
            return
        self.done("refused", place, line, name=name, stepped=stepped, asked=asked, why=why)
        if why == TAKEN_BACK:
            self.change(place, has_asked=False)
            return
        if stepped.settles:
            self.change(place, code=NO_CODE)
        self.reload(place)

    def refusal(self, place: int, line: Line, asked: bool) -> str | None:
        """Ask the store whether it keeps a step."""
        kept = self.session != 0, self.holder, self.epoch
        step = line.session != 0, line.fresh, line.holder, line.epoch
        number, is_open = place + 1, self.request.state == OPEN
        return self.world.decisions.refusal(
            (*kept, *step, number, self.row_of_holder(number), asked, asked and is_open)
        )

    def keep(self, place: int, name: str, stepped: Stepped, line: Line, asked: bool) -> None:
        """Keep a step, and with it the lease and the reply."""
        before = self.now()
        lease = self.world.decisions.sharing.acquired(Lease(line.holder, line.epoch), place + 1)
        if line.holder != place + 1 and self.world.conduct.beats_when_it_takes:
            self.change(place, row=BEATING)
        self.session, self.memory, self.holder, self.epoch = stepped.session, stepped.memory, lease.worker, lease.epoch
        for at, process in enumerate(self.processes):
            if at != place and process.line is not None and process.line.fresh:
                self.change(at, line=process.line._replace(fresh=False))
        if asked:
            self.answer(stepped)
        code = self.processes[place].code
        if stepped.calls:
            code = GRANTED
        elif stepped.settles:
            code = NO_CODE
        elif code in (GRANTED, AT_WORK) and not stepped.keeps_code:
            code = NO_CODE if code == GRANTED else LEFT
        has_asked = self.processes[place].has_asked and not asked
        self.change(
            place, line=Line(stepped.session, True, lease.worker, lease.epoch, False), code=code, has_asked=has_asked
        )
        more = {"name": name, "stepped": stepped, "asked": asked, "into": self.now()}
        self.deeds.append(Deed("kept", place, before, line, **more))  # type: ignore[arg-type]

    def answer(self, stepped: Stepped) -> None:
        """Let the reply be in the inbox."""
        note, reply = self.note(), self.world.steps.reply(stepped.reply)
        after = None if note is None else self.world.decisions.sharing.answered(note, reply)  # type: ignore[arg-type]
        applied = self.request._replace(applied=stepped.reply)
        if after is None:
            self.request = applied._replace(state=TAKEN_OUT)
        elif after.reply is None:
            self.request = applied
        else:
            self.request = applied._replace(state=ANSWERED, reply=self.world.steps.replies.number(after.reply))

    def answers(self, place: int, name: str, stepped: Stepped, line: Line) -> None:
        """Answer a request for which there is no step to keep."""
        before = self.now()
        lease = Lease(line.holder, line.epoch)
        if self.world.decisions.sharing.may_answer(self.note(), self.lease, lease, place + 1):
            self.answer(stepped)
            more = {"name": name, "stepped": stepped, "asked": True, "into": self.now()}
            self.deeds.append(Deed("answered", place, before, line, **more))  # type: ignore[arg-type]
        else:
            self.done("not answered", place, line, name=name, stepped=stepped, asked=True)
        self.change(place, has_asked=False)


def looked_at(other: Process, place: int) -> bool:
    """Say whether a process at work has looked up since there is somebody at a place.

    It does so many times while a lease lasts: nobody's heartbeat grows too old before.
    """
    return other.row != BEATING or other.knows[place] != UNSEEN


def with_one(several: tuple[int, ...], place: int, one: int) -> tuple[int, ...]:
    """Return numbers with the one at a place changed."""
    return (*several[:place], one, *several[place + 1 :])
