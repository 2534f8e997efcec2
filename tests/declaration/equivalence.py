"""The proof that a table and `transitions` agree, for any machine: every state, trigger and guard value.

What lives here: the comparison, for every test that has a machine. What must not: any machine of its own. The law of
this file: nothing is sampled; what can be asked of a pair of state and trigger is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import attrs
import transitions

from lifecycle.declaration import Guard, Machine, Row
from lifecycle.declaration.interchange import from_transitions, to_transitions
from lifecycle.declaration.running import answer
from lifecycle.errors import DefinitionError, Refused

ODD_ANSWERS: tuple[object, ...] = (True, False, 1, 0, "yes", "", None)
"""Truthy is not True: asked where a pair has few guards."""

ODD_GUARDS_MAX = 2
GUARDS_MAX = 10


@attrs.frozen
class Outcome:
    """What came of a trigger, whoever was asked."""

    state: str
    raised: bool
    taken: bool
    hooks: tuple[object, ...]


class Model:
    """Keep the hooks it is handed; guards are set on it by name."""

    def __init__(self) -> None:
        self.hooks: list[object] = []

    def on_hook(self, hook: object) -> None:
        self.hooks.append(hook)


def assert_table_is_transitions(machine: Machine) -> int:
    """Compare both for every state, trigger and guard value of ``machine``; give the number of cases compared.

    The guards' own tests are replaced by named values, so that each can be given every answer.
    """
    probed = with_probes(machine)
    model = Model()
    built = to_transitions(probed, model) if probed.initial in probed.table.rows else _unstarted(probed, model)
    cases = 0
    for state in probed.table.rows:
        for trigger in triggers_of(probed):
            for values in assignments(probed, state, trigger):
                expected = _by_transitions(built, model, state, trigger, values)
                case = (machine.name, state, trigger, values)
                assert expected == _by_table(probed, state, trigger, values), case
                assert expected == _by_instance(probed, state, trigger, values), case
                cases += 1
    return cases


def assert_round_trip(machine: Machine) -> None:
    """Compare the table of ``machine`` with that of itself sent through `transitions` and taken in again."""
    assert machine.table == from_transitions(to_transitions(machine)).table


def _unstarted(machine: Machine, model: Model) -> transitions.Machine:
    built = to_transitions(machine)
    if machine.table.rows:
        built.add_model(model, initial=next(iter(machine.table.rows)))
    return built


def triggers_of(machine: Machine) -> tuple[str, ...]:
    """Give every trigger that a row or a state names."""
    listed = (trigger for state in machine.dispatch.states.values() for trigger in (*state.refuses, *state.ignores))
    return tuple(dict.fromkeys((*machine.triggers, *listed)))


def with_probes(machine: Machine) -> Machine:
    """Replace each distinct guard by a named one without test, asked as ours are."""
    distinct = dict.fromkeys(guard for row in machine.rows for guard in (*row.conditions, *row.unless))
    probes = {guard: Guard(f"guard_{index}") for index, guard in enumerate(distinct)}
    return attrs.evolve(machine, rows=[_probed(row, probes) for row in machine.rows], ask=answer)


def _probed(row: Row, probes: Mapping[Guard, Guard]) -> Row:
    return attrs.evolve(
        row,
        conditions=tuple(probes[guard] for guard in row.conditions),
        unless=tuple(probes[guard] for guard in row.unless),
    )


def assignments(machine: Machine, state: str, trigger: str) -> Iterator[Mapping[str, object]]:
    """Give every assignment of the guards that one state and trigger can ask."""
    rows = machine.table.rows[state].get(trigger, ())
    names = tuple(dict.fromkeys(guard.name for row in rows for guard, _ in row.guards))
    assert len(names) <= GUARDS_MAX, f"{state} {trigger}: {len(names)} guards are too many to try every value of"
    answers = ODD_ANSWERS if len(names) <= ODD_GUARDS_MAX else (True, False)
    for values in product(answers, repeat=len(names)):
        yield dict(zip(names, values, strict=True))


def _by_transitions(
    built: transitions.Machine, model: Any, state: str, trigger: str, values: Mapping[str, object]
) -> Outcome:
    """Ask `transitions`: the guards are attributes of the model."""
    vars(model).update(values)
    built.set_state(state, model)
    model.hooks.clear()
    try:
        taken = model.trigger(trigger)
    except (transitions.MachineError, ValueError):  # ValueError: a dest that nobody declared
        return Outcome(built.get_model_state(model).name, True, False, ())
    return Outcome(built.get_model_state(model).name, False, taken, tuple(model.hooks))


def _by_table(machine: Machine, state: str, trigger: str, values: Mapping[str, object]) -> Outcome:
    try:
        sent = machine.send(state, trigger, **values)
    except (Refused, DefinitionError):
        return Outcome(state, True, False, ())
    return Outcome(sent.state, False, sent.row is not None, sent.hooks)


def _by_instance(machine: Machine, state: str, trigger: str, values: Mapping[str, object]) -> Outcome:
    instance = machine.instance(state)
    try:
        sent = instance.send(trigger, **values)
    except (Refused, DefinitionError):
        return Outcome(instance.state, True, False, ())
    return Outcome(instance.state, False, sent.row is not None, sent.hooks)
