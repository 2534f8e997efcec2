"""The model for SPIN: another program, which knows nothing of the kernel, counts the same states and transitions."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import attrs
import pytest

from lifecycle.check import CONFIGURATIONS, mutant
from lifecycle.check.promela import fields_of, promela
from lifecycle.check.search import explore
from lifecycle.check.slices import Slices
from lifecycle.check.world import World
from lifecycle.errors import Invalid

from .test_search import SIZES


def searched(name: str) -> Slices:
    """Return the tables of a configuration whose every state was searched."""
    slices = Slices(World(CONFIGURATIONS[name]))
    explore(slices)
    return slices


def counted(model: str, folder: Path) -> tuple[int, int]:
    """Let SPIN visit every state of a model; return how many states and transitions it tells."""
    (folder / "model.pml").write_text(model)
    told = ""
    for command in (
        ["spin", "-a", "model.pml"],
        ["gcc", "-w", "-O0", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"],
        ["./pan", "-m1000000"],
    ):
        told = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    assert "errors: 0" in told
    found = [re.search(rf"(\d+) {word}", told) for word in ("states, stored", "transitions")]
    states, transitions = [int(one[1]) for one in found if one is not None]
    return states, transitions


@pytest.mark.needs("spin")
@pytest.mark.needs("gcc")
@pytest.mark.parametrize("name", ["expiry", "conversation", "clients"])
def test_spin_visits_as_many_states(name: str, tmp_path: Path) -> None:
    """Given the tables of a search as a model, when SPIN visits every state of it, then it counts as the search did.

    To be started is a transition of its own to SPIN.
    """
    states, transitions = SIZES[name]
    assert (states, transitions + 1) == counted(promela(searched(name)), tmp_path)


def test_model_has_a_command_for_every_edge_of_the_tables() -> None:
    """Given the tables of a search, then each edge is one command, guarded by the slice it belongs to, with its move."""
    slices = searched("clients")
    edges = sum(len(row.edges) for row in slices.run_rows.values())
    edges += sum(len(row.edges) for clients in slices.clients.values() for _, rows in clients.own for row in rows)
    text = promela(slices)
    assert edges == text.count("d_step {")
    assert "int socket1 = 0;" in text and "/* the connection of c2 drops */" in text


def test_fields_hold_a_state_and_nothing_twice() -> None:
    """Given a packed state, then its fields, put where they lie, are the state."""
    slices = searched("clients")
    some = 0b1011 << slices.layout.work | 0b10_01 << slices.layout.process | 0b10_01
    for state in (slices.initial, some):
        assert state == sum(field.of(state) << field.at for field in fields_of(slices))


def test_configuration_with_a_budget_of_faults_has_no_model() -> None:
    """Given a bound on faults, which is no part of a state, then there is no model, and it is said what to do."""
    slices = Slices(World(attrs.evolve(CONFIGURATIONS["clients"], faults=1)))
    with pytest.raises(Invalid, match=r"configuration clients: bounds its faults; take one that does not"):
        promela(slices)


def test_world_that_breaks_a_rule_has_no_model() -> None:
    """Given a kernel that breaks a rule, then there is no model."""
    slices = Slices(World(CONFIGURATIONS["crashes"], mutant("recovery-forgets-controllers").make()))
    explore(slices)
    with pytest.raises(Invalid, match=r"configuration crashes: breaks a rule"):
        promela(slices)
