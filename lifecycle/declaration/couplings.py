"""Couplings: what machines send to each other.

What lives here: the rules between machines. What must not: the rules of one. The law of this file: whatever is sent
is received by somebody, and no send ever comes back to its own trigger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from lifecycle.declaration.judging import Fault, at, triggers_of
from lifecycle.declaration.machine import Machine
from lifecycle.declaration.table import FlatRow
from lifecycle.declaration.vocabulary import Send

Node: TypeAlias = tuple[str, str]


def check_couplings(machines: Iterable[Machine]) -> tuple[Fault, ...]:
    """List what is wrong between machines: sends to nobody, two machines of one name, and cycles of sends."""
    several = tuple(machines)
    return (*_duplicate_machines(several), *_sends_to_nobody(several), *_cycles(several))


def _duplicate_machines(machines: tuple[Machine, ...]) -> Iterator[Fault]:
    for name, times in Counter(machine.name for machine in machines).items():
        if times > 1:
            yield Fault("duplicate machine", f"machine {name}", f"{times} machines have this name")


def _sends(machine: Machine) -> Iterator[tuple[FlatRow, Send]]:
    """Give everything a machine sends, with the row that does; a birth may send too."""
    born = machine.table.birth
    for row in (*machine.table.flat(), *(() if born is None else (born,))):
        for send in row.sends:
            yield row, send


def _sends_to_nobody(machines: tuple[Machine, ...]) -> Iterator[Fault]:
    known = {machine.name: triggers_of(machine) for machine in machines}
    for machine in machines:
        for row, send in _sends(machine):
            place = f"machine {machine.name}, {at(row)}"
            if send.machine not in known:
                yield Fault("unknown machine", place, f"it sends {send.trigger} to {send.machine}, not declared")
            elif send.trigger not in known[send.machine]:
                yield Fault("unknown trigger", place, f"it sends {send.trigger}, no trigger of {send.machine}")


def _coupled(machines: tuple[Machine, ...]) -> Mapping[Node, frozenset[Node]]:
    """Give for each trigger of each machine the triggers that its rows send."""
    sent: dict[Node, set[Node]] = {}
    for machine in machines:
        for row, send in _sends(machine):
            sent.setdefault((machine.name, row.trigger), set()).add((send.machine, send.trigger))
    return {node: frozenset(nodes) for node, nodes in sent.items()}


def _cycle_through(node: Node, sent: Mapping[Node, frozenset[Node]]) -> tuple[Node, ...]:
    """Find the shortest way from a node back to itself; none is ()."""
    ways: list[tuple[Node, ...]] = [(node,)]
    seen: set[Node] = set()
    for way in ways:
        for ahead in sorted(sent.get(way[-1], ())):
            if ahead == node:
                return (*way, node)
            if ahead not in seen:
                seen.add(ahead)
                ways.append((*way, ahead))
    return ()


def _cycles(machines: tuple[Machine, ...]) -> Iterator[Fault]:
    """Report each cycle of sends once, whichever of its triggers it is met from."""
    sent = _coupled(machines)
    told: set[frozenset[Node]] = set()
    for node in sent:
        cycle = _cycle_through(node, sent)
        if cycle and frozenset(cycle) not in told:
            told.add(frozenset(cycle))
            text = " sends ".join(f"{machine}.{trigger}" for machine, trigger in cycle)
            yield Fault("cycle of sends", f"machine {node[0]}, trigger {node[1]}", text)
