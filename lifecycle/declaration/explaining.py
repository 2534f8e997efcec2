"""Explaining a table: what may happen in a state, and which guard says why.

What lives here: verdicts, options and their sentences. What must not: a second opinion; guards are asked as running
asks them. The law of this file: an explanation never raises for an answer. A guard that cannot answer is told as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from lifecycle.declaration.running import Dispatch
from lifecycle.declaration.table import FlatRow


@attrs.frozen
class Verdict:
    """Tell what one guard answered, what was wanted, and whether that holds; None if it could not answer."""

    guard: str
    wanted: bool
    answer: object
    holds: bool | None

    def __str__(self) -> str:
        if self.holds is None:
            return f"{self.guard} cannot tell ({self.answer})"
        return f"{self.guard} is {self.answer!r}" + ("" if self.holds else f", not {self.wanted}")


@attrs.frozen
class Option:
    """Tell of one row in a state what its guards say, and whether it is the row that would be taken.

    ``may`` is None where a guard could not answer, its own or that of an earlier row of the same trigger.
    """

    trigger: str
    dest: str
    may: bool | None
    verdicts: tuple[Verdict, ...] = ()
    row: FlatRow | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        where = "stays" if self.row is not None and self.row.internal else f"to {self.dest}"
        return ": ".join(part for part in (where, ", ".join(map(str, self.verdicts))) if part)


@attrs.frozen
class Explanation:
    """Tell why a trigger may (True), may not (False), or may if a guard could tell (None), with every row's option."""

    may: bool | None
    text: str
    options: tuple[Option, ...] = ()

    def __str__(self) -> str:
        return self.text


def _verdicts(dispatch: Dispatch, row: FlatRow, values: Mapping[str, object]) -> Iterator[Verdict]:
    """Ask every guard of a row, also those that running would no longer reach."""
    for guard, wanted in row.guards:
        try:
            answer = dispatch.ask(guard, row, values)
            yield Verdict(guard.name, wanted, answer, bool(answer == wanted))
        except Exception as error:  # a guard is the author's code: whatever it raises is its answer here
            yield Verdict(guard.name, wanted, error, None)


def _all_hold(verdicts: tuple[Verdict, ...]) -> bool | None:
    """Decide as running does: by the first guard that does not hold, which may be one that cannot tell."""
    return next((verdict.holds for verdict in verdicts if not verdict.holds), True)


def _options(dispatch: Dispatch, rows: tuple[FlatRow, ...], values: Mapping[str, object]) -> Iterator[Option]:
    open_still: bool | None = True
    for row in rows:
        verdicts = tuple(_verdicts(dispatch, row, values))
        holds = _all_hold(verdicts)
        yield Option(row.trigger, row.dest, _both(open_still, holds), verdicts, row)
        open_still = _both(open_still, None if holds is None else not holds)


def _both(one: bool | None, other: bool | None) -> bool | None:
    """Say whether both hold: False if either does not, None if that is not known."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def allowed(dispatch: Dispatch, state: str, values: Mapping[str, object]) -> tuple[Option, ...]:
    """List every row of ``state`` in declared order, with its guards' verdicts."""
    dispatch.at(state)
    every = dispatch.table.rows[state].values()
    return tuple(option for rows in every for option in _options(dispatch, rows, values))


def explain(dispatch: Dispatch, state: str, trigger: str, values: Mapping[str, object]) -> Explanation:
    """Say why ``trigger`` may or may not be sent in ``state``, naming the guard that decides."""
    dispatch.at(state)
    rows = dispatch.table.rows[state].get(trigger, ())
    if not rows:
        return _without_row(dispatch, state, trigger)
    options = tuple(_options(dispatch, rows, values))
    may = _any(options)
    said = {True: "takes", False: "does not take", None: "may take"}[may]
    shown = tuple(option for option in options if option.may) if may else options
    return Explanation(may, f"{dispatch.name}: {state} {said} {trigger}; {'; '.join(map(str, shown))}", options)


def _any(options: tuple[Option, ...]) -> bool | None:
    if any(option.may for option in options):
        return True
    return None if any(option.may is None for option in options) else False


def _without_row(dispatch: Dispatch, state: str, trigger: str) -> Explanation:
    declared = dispatch.states[state]
    if declared.ignore_invalid_triggers or trigger in declared.ignores:
        return Explanation(False, f"{dispatch.name}: {state} ignores {trigger}")
    accepted = " or ".join(dispatch.table.rows[state]) or "nothing"
    final = ", it is final" if declared.final else ""
    return Explanation(False, f"{dispatch.name}: {state} refuses {trigger}{final}; it accepts {accepted}")
