"""Rules of a shared world: what must hold of everything that is done in it.

What lives here: rules of safety in clauses, each with what must have happened for it to have said anything. What must
not: a decision of ``Sharing``; a rule is said from the rows, lines and replies of a state, and never asks the function
that it judges. The law of this file: a rule of several clauses is proved when each of them was put to the test.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.scene import Deed
from lifecycle.check.shared.state import BEATING, GONE, NOBODY, OPEN, TAKEN_OUT, State
from lifecycle.kernel.inputs import Recovered
from lifecycle.kernel.lease import LOST, TAKEN_BACK

Says = Callable[[Deed], bool]


@attrs.frozen(eq=False)
class Clause:
    """A part of a rule: of which deeds it says something, when it was put to the test, and what must hold of them."""

    rule: str
    about: frozenset[str]
    reached: Says
    holds: Says


@attrs.frozen
class SharedRule:
    """A rule of safety: its name and what it promises."""

    name: str
    sentence: str


RULES = (
    SharedRule(
        "one-holder",
        "a session has one holder: one that is at work keeps it, and nothing counts that a worker does where another took it",
    ),
    SharedRule(
        "asked-once",
        "what is asked of another worker is done at most once, and whoever asked hears the very reply, or that it was not",
    ),
)
"""The rules of shared worlds, beside ``total``."""


def rules_of(config: Workers) -> tuple[SharedRule, ...]:
    """Return the rules of a shared world: where nothing is asked, nothing is said of asking."""
    return RULES if config.requests else RULES[:1]


def number_of(deed: Deed) -> int:
    """Return the number of the worker that did it."""
    return deed.worker + 1


def is_its(deed: Deed, state: State) -> bool:
    """Say whether the session is that worker's, under the lease that it believes in."""
    line = deed.line
    return line is not None and (state.holder, state.epoch) == (number_of(deed), line.epoch)


def is_taken(deed: Deed) -> bool:
    """Say whether a step took the session that was there."""
    return deed.before.session != 0 and deed.before.holder != number_of(deed)


# -- one holder -------------------------------------------------------------------------------------------------------


def stands_on_the_last(deed: Deed) -> bool:
    """Keep a step only on the last one kept, and under the lease that it stands on."""
    line, before = deed.line, deed.before
    return line is not None and line.fresh and (line.holder, line.epoch) == (before.holder, before.epoch)


def is_fenced(deed: Deed) -> bool:
    """Say whether something was refused that a worker did after another one had taken its session."""
    line = deed.line
    return line is not None and line.holder == number_of(deed) and not is_its(deed, deed.before)


def was_silent(deed: Deed) -> bool:
    """Take a session from no worker whose heartbeat lasts and whose process is there."""
    holder = deed.before.holder
    if holder in (NOBODY, GONE, number_of(deed)):
        return True
    return deed.before.processes[holder - 1].row != BEATING


def counts_up(deed: Deed) -> bool:
    """Count the epoch up with every change of hands, and with nothing else; let whoever keeps a step have the session."""
    assert deed.into is not None
    grown = deed.into.epoch - deed.before.epoch
    return deed.into.holder == number_of(deed) and grown == (deed.before.holder != number_of(deed))


def recovers(deed: Deed) -> bool:
    """Recover what is taken, with the step that takes it; recover nothing twice."""
    if deed.before.session == 0:
        return True
    return is_taken(deed) == (deed.stepped is not None and isinstance(deed.stepped.given, Recovered))


def is_told_so(deed: Deed) -> bool:
    """Tell a worker that its session was taken, so that it asks whoever has it now."""
    line = deed.line
    moved = line is not None and (line.holder, line.epoch) != (deed.before.holder, deed.before.epoch)
    return not moved or deed.why == LOST


def is_left_or_its(deed: Deed) -> bool:
    """Let a worker answer, or call code, only if the session is its own, as it believes."""
    return deed.what.startswith("not ") or is_its(deed, deed.before)


def is_heard_of_again(deed: Deed) -> bool:
    """Let all that a worker holds last again after its heartbeat, however late that comes."""
    return deed.before.processes[deed.worker].row == BEATING


def is_anothers(deed: Deed) -> bool:
    """Leave a session only to another worker that is at work: whoever is asked for what nobody holds takes it."""
    holder = deed.before.holder
    return holder not in (NOBODY, GONE, number_of(deed)) and deed.before.processes[holder - 1].row == BEATING


def always(deed: Deed) -> bool:
    """Say that it was put to the test."""
    return True


# -- what is asked ----------------------------------------------------------------------------------------------------


def is_asked_no_more(deed: Deed) -> bool:
    """Say whether something was refused for which nobody asked any more."""
    return deed.why == TAKEN_BACK


def is_asked_still(deed: Deed) -> bool:
    """Do what is asked once, and nothing that was taken back or answered."""
    request = deed.before.request
    return not deed.asked or deed.why is not None or (request.state == OPEN and request.applied == 0)


def reply_is_there(deed: Deed) -> bool:
    """Keep the reply until whoever asked has taken it out."""
    return not deed.asked or (deed.into is not None and deed.into.request.state != TAKEN_OUT)


def heard_what_was_said(deed: Deed) -> bool:
    """Hear the reply that the step had."""
    return deed.told != 0 and deed.told == deed.before.request.applied


def nothing_was_done(deed: Deed) -> bool:
    """Take back only what was not done."""
    return deed.before.request.applied == 0


CLAUSES = (
    Clause("one-holder", frozenset({"kept"}), always, stands_on_the_last),
    Clause("one-holder", frozenset({"refused"}), is_fenced, is_told_so),
    Clause("one-holder", frozenset({"kept"}), is_taken, was_silent),
    Clause("one-holder", frozenset({"kept"}), is_taken, counts_up),
    Clause("one-holder", frozenset({"kept"}), is_taken, recovers),
    Clause("one-holder", frozenset({"left"}), always, is_anothers),
    Clause("one-holder", frozenset({"answered", "not answered"}), is_fenced, is_left_or_its),
    Clause("one-holder", frozenset({"called", "not called"}), is_fenced, is_left_or_its),
    Clause("one-holder", frozenset({"beat"}), always, is_heard_of_again),
    Clause("asked-once", frozenset({"kept", "answered", "refused"}), is_asked_no_more, is_asked_still),
    Clause("asked-once", frozenset({"kept", "answered"}), lambda deed: deed.asked, reply_is_there),
    Clause("asked-once", frozenset({"heard"}), always, heard_what_was_said),
    Clause("asked-once", frozenset({"taken back"}), always, nothing_was_done),
)
"""Every clause, in the order in which they are asked."""

BY_DEED = {
    what: tuple(one for one in CLAUSES if what in one.about) for what in sorted({w for c in CLAUSES for w in c.about})
}
"""The clauses that say something of a deed."""


def broken_by(deed: Deed) -> str | None:
    """Return the rule that a deed breaks; none if it breaks none."""
    return next((one.rule for one in BY_DEED.get(deed.what, ()) if not one.holds(deed)), None)
