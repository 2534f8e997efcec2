"""Generating: Hypothesis strategies over the moves of a configuration, and stateful tests of declared machines.

What lives here: what is drawn. What must not: what comes of it; a player or a machine knows that. The law of this file: a
drawn number is an index into what can happen now, so that every draw does something and shrinks to less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from lifecycle.check.configuration import Configuration
from lifecycle.check.moves import RESTART, moves_of
from lifecycle.check.replay import KernelLife
from lifecycle.declaration import Machine
from lifecycle.declaration.running import Sent
from lifecycle.errors import Invalid
from lifecycle.testing.playing import DIES

INDICES = st.integers(0, 2**16 - 1)
"""Indices into lists of any length: what is drawn is taken modulo the length."""


def moves(config: Configuration) -> st.SearchStrategy[str]:
    """Draw the name of a move of a configuration, whether or not it can happen."""
    return st.sampled_from([move.name for move in moves_of(config)])


def schedules(config: Configuration, max_size: int = 20, min_size: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw moves, by name, that can happen one after the other; crashes and restarts among them if there are any."""
    numbers = st.lists(INDICES, min_size=min_size, max_size=max_size)
    return numbers.map(lambda drawn: schedule_of(config, drawn))


def schedule_of(config: Configuration, numbers: Sequence[int]) -> tuple[str, ...]:
    """Choose what happens by numbers; it ends early where nothing can happen any more."""
    life, is_up = KernelLife(config), True
    names: list[str] = []
    moves = [name for name in life.moves if name != RESTART] + [DIES] * ("crash" in config.families)
    for number in numbers:
        first = number % len(moves)
        found = (
            RESTART if not is_up else next((name for name in moves[first:] + moves[:first] if may(life, name)), None)
        )
        if found is None:
            break
        is_up = found != DIES
        life.do(found)
        names.append(found)
    return tuple(names)


def may(life: KernelLife, name: str) -> bool:
    """Say whether something can happen now: a process dies only where there is something to leave behind."""
    return life.session is not None if name == DIES else life.may(name)


# -- machines of one's own --------------------------------------------------------------------------------------------


class MachineTest(RuleBasedStateMachine):
    """A life of a declared machine; see ``machine_test``. ``sent`` is all that was sent, ``state`` where it stands."""

    machine: Machine
    values: st.SearchStrategy[dict[str, Any]]
    judges: tuple[Callable[[MachineTest], object], ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.running = self.machine.instance()
        self.sent: list[tuple[str, Sent]] = []
        self.judge()

    @property
    def state(self) -> str:
        """Return where the machine stands."""
        return self.running.state

    @property
    def hooks(self) -> list[object]:
        """Return every hook so far, in order."""
        return [hook for _, sent in self.sent for hook in sent.hooks]

    @rule(data=st.data())
    def sends(self, data: st.DataObject) -> None:
        """Send one of the triggers that may be sent now."""
        values = data.draw(self.values, label="values")
        enabled = [one.trigger for one in self.machine.allowed(self.state, **values) if one.may]
        if not enabled:
            return
        trigger = data.draw(st.sampled_from(enabled), label="trigger")
        self.sent.append((trigger, self.running.send(trigger, **values)))
        self.judge()

    def judge(self) -> None:
        """See that every invariant holds."""
        for invariant in self.judges:
            told = " ".join(trigger for trigger, _ in self.sent) or "nothing"
            name = getattr(invariant, "__name__", repr(invariant))
            assert invariant(self) is not False, f"{name} does not hold in {self.state}, after {told}"


def machine_test(
    machine: Machine,
    invariants: Iterable[Callable[[MachineTest], object]] = (),
    values: st.SearchStrategy[dict[str, Any]] | None = None,
) -> type[MachineTest]:
    """Make a stateful test of any declared machine: it sends what may be sent, and asks the invariants after each.

    An invariant is given the test (``state``, ``sent``, ``hooks``) and raises, or returns false. ``values`` are those of
    the guards; none: true or false for each guard that has no test of its own.
    """
    if machine.initial is None:
        raise Invalid(f"machine {machine.name}", "it declares no initial state", "declare one")
    names = {guard.name for row in machine.rows for guard in (*row.conditions, *row.unless) if guard.test is None}
    drawn = st.fixed_dictionaries({name: st.booleans() for name in sorted(names)}) if values is None else values
    space = {"machine": machine, "values": drawn, "judges": tuple(invariants)}
    return type(f"Test_{machine.name}", (MachineTest,), space)
