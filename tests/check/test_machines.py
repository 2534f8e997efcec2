"""Anybody's machine is checked: what holds is proved, what does not is told in the fewest steps."""

from __future__ import annotations

import copy
import itertools
import logging
import os
import random
import secrets
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

import pytest
import transitions
from transitions.extensions import HierarchicalMachine, LockedMachine
from transitions.extensions.asyncio import AsyncMachine

from lifecycle.check.machines import check_machine, facts, system_of
from lifecycle.check.properties import Checked, Event, Invariant, LeadsTo
from lifecycle.check.purity import Tripwire, refuse_elsewhere
from lifecycle.check.verdict import PROVED, REFUTED, UNDETERMINED
from lifecycle.declaration import Guard, Machine, Row, State
from lifecycle.errors import DefinitionError, Invalid

DOOR = Machine("door", ("open", "shut"), (Row("open", "push", "shut"), Row("shut", "pull", "open")), "open")


class Order:
    """An order: paid, held back, shipped or cancelled; ``refund`` gives the money back."""

    state: str

    def __init__(self, **settings: Any) -> None:
        self.money = 0
        self.machine = transitions.Machine(
            self,
            states=["new", "paid", "held", "shipped", transitions.State("cancelled", final=True)],
            initial="new",
            transitions=[
                {"trigger": "pay", "source": "new", "dest": "paid", "after": "charge"},
                {"trigger": "hold", "source": "paid", "dest": "held"},
                {"trigger": "release", "source": "held", "dest": "paid"},
                {"trigger": "ship", "source": "paid", "dest": "shipped"},
                {"trigger": "cancel", "source": ["new", "paid"], "dest": "cancelled", "after": "refund"},
            ],
            **settings,
        )

    def charge(self) -> None:
        """Take the money."""
        self.money += 5

    def refund(self) -> None:
        """Give it back."""
        self.money -= 5


def nothing_is_given_away(order: Order) -> bool:
    """We never give back more than we got. Never."""
    return order.money >= 0


SETTLES = LeadsTo("settles", "paid", ("shipped", "cancelled"), fair=("ship", "release"))


# What is found


def test_an_invariant_is_refuted_in_the_fewest_steps() -> None:
    """Given an order that refunds what was never paid, then the shortest way to it is told, and what it changes."""
    order = Order()
    found = check_machine(order, invariants=nothing_is_given_away).verdict("nothing_is_given_away")
    assert (found.status, found.sentence) == (REFUTED, "We never give back more than we got. Never")
    assert found.trace is not None and found.trace.start == {"state": "new", "money": "0"}
    (move,) = found.trace.moves
    assert (move.sent, move.changes) == ("cancel", {"state": ("new", "cancelled"), "money": ("0", "-5")})


def test_a_leads_to_is_refuted_by_a_loop() -> None:
    """Given an order that can be held back again and again, then a stem leads to a loop that never ships it."""
    found = check_machine(Order(), leads_to=[SETTLES]).verdict("settles")
    assert found.trace is not None and found.trace.forever is not None
    assert [move.sent for move in found.trace.moves] == ["pay"]
    assert [move.sent for move in found.trace.forever] == ["hold", "release"]
    assert [move.changes for move in found.trace.forever] == [{"state": ("paid", "held")}, {"state": ("held", "paid")}]


def test_a_leads_to_is_proved_where_what_disturbs_it_ends() -> None:
    """Given that nobody holds an order back for ever, then it ships or is cancelled."""
    promise = LeadsTo("settles", "paid", ("shipped", "cancelled"), fair=("ship", "release"), finitely="hold")
    assert check_machine(Order(), leads_to=promise).status == PROVED


def test_a_leads_to_is_refuted_where_nothing_need_happen() -> None:
    """Given no trigger that may not be put off, then an order stays where it is, and that is told."""
    found = check_machine(Order(), leads_to=LeadsTo("settles", "paid", "shipped")).verdict("settles")
    assert found.trace is not None and found.trace.forever == () and not found.trace.ends
    assert list(found.lines())[-1].strip() == "and then nothing need happen any more"
    stuck = check_machine(Order(), leads_to=LeadsTo("pays", "cancelled", "paid", "pay")).verdict("pays")
    assert list(stuck.lines())[-1].strip() == "and then nothing can happen any more"


def test_a_report_reads_from_top_to_bottom() -> None:
    """Given a report, then it is printed as a sentence for each property, its steps, and the sum."""
    told = str(check_machine(DOOR, leads_to=LeadsTo("shuts", "open", "shut"), invariants=is_somewhere)).splitlines()
    assert told == [
        "PROVED       structure: every state is declared, and of two rows it is clear which is taken",
        "PROVED       nothing-raises: no guard and no callback raises",
        "PROVED       everything-is-reached: every state and every row is reached",
        "PROVED       is_somewhere: is somewhere",
        "REFUTED      shuts: open leads to shut",
        "             at first        state: open",
        "             and then nothing need happen any more",
        "REFUTED: machine door, all 2 situations, 2 steps",
    ]


def is_somewhere(state: str) -> bool:
    return state in ("open", "shut")


def test_a_model_is_left_as_it_was() -> None:
    """Given a model, when it is checked, then it is where it was and works as before."""
    order = Order()
    order.pay()  # type: ignore[attr-defined]
    before = dict(vars(order))
    assert check_machine(order.machine).states == 4
    assert before == vars(order)
    assert order.ship() and order.state == "shipped"  # type: ignore[attr-defined]


def test_a_machine_may_be_its_own_model() -> None:
    """Given a subclass of transitions.Machine with attributes of its own, then they are part of the situation."""

    class Lamp(transitions.Machine):
        def __init__(self) -> None:
            self.uses = 0
            super().__init__(states=["off", "on"], initial="off", auto_transitions=False)
            self.add_transition("press", "off", "on", after="use", conditions="is_whole")
            self.add_transition("press", "on", "off")

        def use(self) -> None:
            self.uses += 1

        def is_whole(self) -> bool:
            return self.uses < 3

    report = check_machine(Lamp(), invariants=Invariant(lambda lamp: lamp.uses < 3, name="whole"))
    assert (report.machine, report.states) == ("Lamp", 7)
    whole = report.verdict("whole")
    assert whole.trace is not None and [move.sent for move in whole.trace.moves] == ["press"] * 5
    assert any(note.startswith("state off: nothing that can be sent changes anything") for note in report.notes)


def test_a_declared_machine_tries_both_answers_of_a_name() -> None:
    """Given guards that are only names, then each may answer either way, and the answer supposed is told."""
    rows = (
        Row("shut", "unlock", "open", conditions="is_paid"),
        Row("shut", "unlock", "jammed"),
        Row("open", "push", "shut"),
    )
    machine = Machine("door", ("shut", "open", State("jammed", final=True)), rows, "shut")
    found = check_machine(machine, invariants=Invariant(lambda state: state != "jammed", name="never_jams"))
    assert found.verdict("everything-is-reached").status == PROVED
    trace = found.verdict("never_jams").trace
    assert trace is not None and trace.moves[0].sent == "unlock [is_paid: False]"


def test_a_declared_machine_works_on_a_model() -> None:
    """Given a declared machine and a model for it, then its guards are asked of the model, which gets the hooks."""

    class Till:
        state: str

        def __init__(self) -> None:
            self.coins = 0

        def on_hook(self, hook: object) -> None:
            self.coins = min(self.coins + 1, 2)

        def is_full(self) -> bool:
            return self.coins == 2

    rows = (Row("shut", "insert", "shut", "clink", unless="is_full"), Row("shut", "open", "open", conditions="is_full"))
    machine = Machine("till", ("shut", State("open", final=True)), rows, "shut")
    report = check_machine(
        machine, model=Till(), invariants=Invariant(lambda till: till.coins == 2, "open", name="full")
    )
    assert (report.status, report.states) == (PROVED, 4)


def test_examples_give_triggers_their_arguments() -> None:
    """Given events with arguments, then each is sent wherever its trigger is."""

    class Purse:
        state: str

        def __init__(self) -> None:
            self.amount = 0
            self.machine = transitions.Machine(self, states=["open"], initial="open", auto_transitions=False)
            self.machine.add_transition("pay", "open", None, conditions=self.is_small, after="take")

        def is_small(self, amount: int, currency: str = "EUR") -> bool:
            return self.amount + amount <= 10 and currency == "EUR"

        def take(self, amount: int, currency: str = "EUR") -> None:
            self.amount += amount

    events = [Event("pay", 5), Event("pay", amount=3), Event("pay", 1, currency="GBP")]
    report = check_machine(Purse, events=events, invariants=Invariant(lambda purse: purse.amount < 10, name="not_ten"))
    not_ten = report.verdict("not_ten")
    assert not_ten.trace is not None and [move.sent for move in not_ten.trace.moves] == ["pay(5)", "pay(5)"]
    with pytest.raises(Invalid, match=r"trigger pay: .*missing 1 required .*; give it example arguments: Event\('pay'"):
        check_machine(Purse)


def test_attributes_are_compared_by_what_they_hold() -> None:
    """Given a model with a list, a set, a dict and another model in it, then its situations are told apart and finite."""

    class Fleet:
        state: str

        def __init__(self) -> None:
            self.seen: list[str] = []
            self.tags: set[str] = set()
            self.order = Order()
            self.log = logging.getLogger("fleet")
            self.machine = transitions.Machine(self, states=["a", "b"], initial="a", auto_transitions=False)
            self.machine.add_transition("go", "a", "b", after="note")
            self.machine.add_transition("back", "b", "a", conditions="is_short")

        def note(self) -> None:
            self.seen.append(self.state)
            self.tags |= {f"tag {len(self.seen)}"}
            self.order.pay() if self.order.state == "new" else self.order.ship()  # type: ignore[attr-defined]
            self.log.warning("logging reads the clock, which is nobody's business")

        def is_short(self) -> bool:
            self.log.info("asked")
            return len(self.seen) < 2

    logging.disable()
    try:
        report = check_machine(Fleet, invariants=Invariant(lambda fleet: fleet.order.state != "shipped", name="stays"))
    finally:
        logging.disable(logging.NOTSET)
    stays = report.verdict("stays")
    assert (report.states, stays.status) == (4, REFUTED)
    assert stays.trace is not None and stays.trace.moves[0].changes["seen"] == ("[]", "['b']")


def test_states_may_be_members_of_an_enum() -> None:
    """Given states that are members of an enum, then they are named by their names."""
    colour = Enum("colour", ["red", "green"])
    light = transitions.Machine(
        states=colour, initial=colour.red, transitions=[["go", colour.red, colour.green]], auto_transitions=False
    )
    report = check_machine(light, invariants=Invariant(lambda state: state == "red", name="stays_red"))
    trace = report.verdict("stays_red").trace
    assert trace is not None and trace.moves[0].changes == {"state": ("red", "green")}


def test_kinds_of_machines() -> None:
    """Given machines that lock or queue, then they are driven as any; nested ones are refused."""
    for kind in (LockedMachine, transitions.Machine):
        machine = kind(states=["a", "b"], initial="a", transitions=[["go", "a", "b"]], queued=True)
        assert check_machine(machine).states == 2
    nested = HierarchicalMachine(states=["a", {"name": "b", "children": ["c"]}], initial="a")
    with pytest.raises(DefinitionError, match="nested or parallel"):
        check_machine(nested)


def test_what_must_be_awaited_is_checked_by_its_table() -> None:
    """Given an AsyncMachine, then its rows are followed without its callbacks, and its guards are refused."""
    plain = AsyncMachine(states=["a", "b"], initial="a", transitions=[["go", "a", "b"]])
    assert check_machine(plain).states == 2

    async def is_ready() -> bool:
        return True

    guarded = AsyncMachine(states=["a", "b"], initial="a")
    guarded.add_transition("go", "a", "b", conditions=is_ready)
    with pytest.raises(Invalid, match="guard is_ready: its answer must be awaited"):
        check_machine(guarded)


# What is not known


def test_what_is_never_reached_is_undetermined() -> None:
    """Given a row that no situation takes, then nothing is said to be proved of it, and it is named."""
    rows = (Row("a", "go", "b", conditions=Guard("never", lambda: False)), Row("a", "stay", None), Row("b", "go", "a"))
    report = check_machine(Machine("m", ("a", "b"), rows, "a"))
    found = report.verdict("everything-is-reached")
    assert (report.status, found.status) == (UNDETERMINED, UNDETERMINED)
    assert found.why == "state b is never reached; row a go -> b if never is never taken"


@pytest.mark.parametrize("queued", [False, True])
def test_what_is_passed_through_is_reached_and_asked_about(queued: bool) -> None:
    """Given a callback that sends the next trigger, then the state between is reached, and invariants hold there or do not."""

    class Hasty:
        state: str

        def __init__(self) -> None:
            self.machine = transitions.Machine(self, states=["a", "b", "c"], initial="a", queued=queued)
            self.machine.add_transition("go", "a", "b", after="on")
            self.machine.add_transition("end", "b", "c")
            self.machine.add_transition("back", "c", "a")

        def on(self) -> None:
            self.end()  # type: ignore[attr-defined]

    never_b = Invariant(lambda state: state != "b", name="never_b")
    in_b = Invariant(lambda state: state == "b", "b", name="in_b")
    in_c = Invariant(lambda state: state == "c", "c", name="in_c")
    report = check_machine(Hasty, invariants=[never_b, in_b, in_c])
    assert report.verdict("everything-is-reached").status == PROVED
    assert [report.verdict(name).status for name in ("never_b", "in_b", "in_c")] == [REFUTED, PROVED, PROVED]
    trace = report.verdict("never_b").trace
    assert trace is not None
    assert [(move.sent, move.changes) for move in trace.moves] == [("go (in passing)", {"state": ("a", "b")})]


def test_a_row_whose_guard_fails_is_not_passed_through() -> None:
    """Given two rows of one trigger, the first of which is not taken, then nothing is passed through."""
    machine = transitions.Machine(states=["a", "b"], initial="a", auto_transitions=False)
    machine.add_transition("go", "a", None, conditions=lambda: False)
    machine.add_transition("go", "a", "b", before=lambda: None)
    system = system_of(Checked(machine))
    with system.at_work():
        start = system.start()
        assert start is not None
        (step,) = system.steps(start, Event("go"), Tripwire())
    assert (step.passed, step.after.state) == ((), "b")


def test_a_premise_that_is_never_reached_is_undetermined() -> None:
    """Given properties whose premises never hold, then they are not proved."""
    never: Callable[[str], bool] = lambda state: False  # noqa: E731
    report = check_machine(
        DOOR,
        invariants=Invariant(lambda state: False, never, name="empty"),
        leads_to=LeadsTo("vain", never, "shut"),
    )
    assert [(one.status, one.why) for one in report.verdicts[3:]] == [(UNDETERMINED, "nothing reached its premise")] * 2


def counting() -> transitions.Machine:
    """Give a machine without end."""

    class Counter(transitions.Machine):
        def __init__(self) -> None:
            self.count = 0
            self.name_of_it = "counter"
            super().__init__(states=["on"], initial="on", auto_transitions=False)
            self.add_transition("tick", "on", None, after="add")

        def add(self) -> None:
            self.count += 1

    return Counter()


def test_a_search_that_is_cut_short_proves_nothing() -> None:
    """Given more situations than the limit, then what was covered is told, and what has the most values; refuted stays so."""
    invariants = [Invariant(lambda m: m.count < 9, name="small"), Invariant(lambda m: m.count < 99, name="large")]
    report = check_machine(counting(), limit=50, invariants=invariants, leads_to=LeadsTo("l", "on", "on"))
    assert (report.complete, report.states) == (False, 50)
    assert report.verdict("small").status == REFUTED
    told = (UNDETERMINED, "the search stopped after 50 situations; attribute count had 51 values")
    assert [(report.verdict(name).status, report.verdict(name).why) for name in ("large", "l")] == [told] * 2
    assert report.verdict("everything-is-reached").status == PROVED
    assert str(report).endswith("machine Counter, the first 50 situations, 50 steps")


def test_a_machine_that_starts_nowhere_proves_nothing() -> None:
    """Given no initial state, or an unknown one, then the structure is refuted or nothing is known."""
    report = check_machine(Machine("m", ("a",), (Row("a", "go", "a"),), "nowhere"), invariants=is_somewhere)
    assert (report.verdict("structure").status, report.states) == (REFUTED, 0)
    assert report.verdict("is_somewhere").why == "the machine starts nowhere"


# What is wrong with the machine


def test_faults_of_the_declaration_are_judged() -> None:
    """Given two rows that nobody can tell apart, and a row to nowhere, then the structure is refuted."""
    rows = (Row("a", "go", "b"), Row("a", "go", "a"), Row("b", "on", "c"))
    report = check_machine(Machine("m", ("a", "b"), rows, "a"))
    why = report.verdict("structure").why
    assert "ambiguous rows" in why and "c is no state of m" in why
    raised = report.verdict("nothing-raises").trace
    assert raised is not None and "leads to a state nobody declared" in raised.moves[-1].raised


def test_a_callback_that_raises_is_a_counterexample() -> None:
    """Given a callback that raises, then the way to it is told, with what it left; unless it is meant to."""

    class Picky(transitions.Machine):
        def __init__(self) -> None:
            self.tries = 0
            super().__init__(states=["a", "b"], initial="a", transitions=[["go", "a", "b"], ["back", "b", "a"]])
            self.before_state_change = "decline"

        def decline(self) -> None:
            self.tries = 1
            if self.state == "b":
                raise KeyError("b")

    found = check_machine(Picky).verdict("nothing-raises")
    assert found.trace is not None
    assert [move.sent for move in found.trace.moves] == ["go", "back"]
    assert found.trace.moves[-1].raised == "KeyError: 'b'"
    assert "raises KeyError: 'b'" in str(found.trace.moves[-1])
    assert check_machine(Picky, may_raise=KeyError).verdict("nothing-raises").status == PROVED


def test_code_that_would_end_the_process_is_a_counterexample() -> None:
    """Given a guard that asks for the end of the process, then that is told as anything that it raises; unless meant."""

    def leave() -> bool:
        raise SystemExit(0)

    for made in (
        transitions.Machine(
            states=["a", "b"],
            initial="a",
            transitions=[{"trigger": "go", "source": "a", "dest": "b", "conditions": leave}],
        ),
        Machine("m", ("a", "b"), (Row("a", "go", "b", conditions=Guard("leave", leave)),), "a"),
    ):
        found = check_machine(made).verdict("nothing-raises")
        assert found.trace is not None
        assert found.trace.moves[-1].raised == "SystemExit: 0"
        assert check_machine(made, may_raise=SystemExit).verdict("nothing-raises").status == PROVED


LEAVES = """
import os
from lifecycle.check import check_machine
from lifecycle.declaration import Guard, Machine, Row

def leave():
    os._exit(0)

made = Machine("m", ("a", "b"), (Row("a", "go", "b", conditions=Guard("leave", leave)),), "a")
print(check_machine(made).verdict("nothing-raises").trace.moves[-1].raised)
"""


def test_guard_that_ends_the_process_ends_no_check() -> None:
    """Given a guard that ends the process on the spot, without an exception, then it does not, and that is told.

    A check that ended there would have the exit code of a proof.
    """
    done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True)
    assert (0, "SystemExit: os._exit would end the process\n") == (done.returncode, done.stdout), done.stderr


# What is wrong with what was asked


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "no machine": (lambda: check_machine(7), "machine: what was given is of type int, and no machine; give a Machine"),
    "a class": (lambda: check_machine(Enum), "machine Enum: it cannot be called without arguments"),
    "raises": (lambda: check_machine(lambda: {}["x"]), "machine <lambda>: calling it raises KeyError: 'x'"),
    "no row": (
        lambda: check_machine(Machine("m", ("a", "b"), (["a", "go", "b"],), "a")),  # type: ignore[arg-type]
        "machine m: no declaration (1): row 0: ['a', 'go', 'b'] is no Row; write Row(source, trigger, dest); correct its",
    ),
    "limit": (lambda: check_machine(DOOR, limit=0), "limit 0: nothing would be visited"),
    "event": (lambda: check_machine(DOOR, events=Event("kick")), "event kick: machine door has no trigger kick"),
    "no trigger": (lambda: Event(3), "event: 3 is no trigger"),  # type: ignore[arg-type]
    "fair": (
        lambda: check_machine(DOOR, leads_to=LeadsTo("l", "open", "shut", "kick")),
        "leads-to l: machine door has no trigger kick; its triggers are push, pull",
    ),
    "state": (
        lambda: check_machine(DOOR, leads_to=LeadsTo("l", "ajar", "shut")),
        "leads-to l, premise: machine door has no state ajar; its states are open, shut",
    ),
    "nameless": (lambda: check_machine(DOOR, invariants=lambda state: True), "Invariant: it has no name"),
    "no function": (lambda: check_machine(DOOR, invariants=[3]), "invariants: 3 is no function"),
    "no leads-to": (lambda: check_machine(DOOR, leads_to=["x"]), "leads_to: 'x' is none"),
    "no when": (lambda: LeadsTo("l", 3, "x"), "premise: 3 says nothing of a state"),  # type: ignore[arg-type]
    "twice": (lambda: check_machine(DOOR, invariants=[is_somewhere] * 2), "property is_somewhere: two properties"),
    "no model": (
        lambda: check_machine(DOOR, invariants=nothing_is_given_away),
        "invariant nothing_is_given_away: the machine has no model to give it",
    ),
    "parameters": (
        lambda: check_machine(DOOR, invariants=Invariant(lambda a, b: True, name="i")),
        "invariant i: the parameters of its function are a, b; let it have one for the model, or one named state",
    ),
    "no parameter": (
        lambda: check_machine(DOOR, invariants=Invariant(lambda: True, name="i")),
        "invariant i: its function has no parameter",
    ),
    "property raises": (
        lambda: check_machine(Order(), invariants=Invariant(lambda order: 1 / order.money, name="i")),
        "invariant i: in state: new, money: 0 it raises ZeroDivisionError: division by zero; let it answer everywhere",
    ),
    "property forgets": (
        lambda: check_machine(DOOR, invariants=Invariant(lambda state: None, name="i")),
        "invariant i: in state: open it returns None; let it return True or False",
    ),
    "property is a generator": (
        lambda: check_machine(DOOR, invariants=Invariant(lambda state: (yield), name="i")),
        "invariant i: in state: open it returns a value of type generator; let it return True or False",
    ),
    "property says no": (
        lambda: check_machine(DOOR, leads_to=LeadsTo("l", lambda state: "no", "shut")),
        "leads-to l, premise: in state: open it returns a value of type str; let it return True or False",
    ),
    "property counts": (
        lambda: check_machine(DOOR, invariants=Invariant(lambda state: len(state), name="i")),
        "invariant i: in state: open it returns a value of type int",
    ),
    "models": (
        lambda: check_machine(transitions.Machine([Order(), Order()], states=["a"], initial="a", name="two")),
        "machine two: it has 2 models; say which: model=...",
    ),
    "another model": (lambda: check_machine(Order().machine, model=3), "this is no model of it; add it first"),
    "no initial": (
        lambda: check_machine(Machine("m", ("a",), ()), model=Order()),
        "machine m: it declares no initial state for a model",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_one_sentence(wrong: str) -> None:
    """Given a target or a property that is none, then one sentence says what it is and what to do."""
    ask, told = WRONG[wrong]
    with pytest.raises((Invalid, DefinitionError)) as raised:
        ask()
    assert told in str(raised.value)


def guarded(guard: Callable[..., object]) -> transitions.Machine:
    """Give a machine with one guard."""
    machine = transitions.Machine(states=["a", "b"], initial="a", auto_transitions=False)
    machine.add_transition("go", "a", "b", conditions=guard)
    return machine


TOGGLE = itertools.count()
DICE = random.Random(6)

READING: dict[str, tuple[Callable[[], object], str]] = {
    "clock": (lambda: time.time(), r"time\.time"),
    "clock in words": (lambda: time.strftime("%Y"), r"time\.strftime"),
    "date in words": (lambda: time.ctime(), r"time\.ctime"),
    "time used": (lambda: time.process_time(), r"time\.process_time"),
    "date": (lambda: datetime.now(), r"datetime\.now"),
    "today": (lambda: date.today(), r"date\.today"),
    "chance": (lambda: random.random(), r"random\.random"),
    "choice": (lambda: random.choice([True, True]), r"random\.getrandbits"),
    "dice": (lambda: DICE.random(), r"random\.random"),
    "the system's dice": (lambda: random.SystemRandom().random(), r"os\.urandom"),
    "token": (lambda: secrets.token_hex(), r"os\.urandom"),
    "uuid1": (lambda: uuid.uuid1(), r"uuid\.uuid1"),
    "uuid4": (lambda: uuid.uuid4(), r"uuid\.uuid4"),
    "environment": (lambda: os.environ.get("HOME"), r"os\.environ"),
    "in the environment": (lambda: "HOME" in os.environ, r"os\.environ"),
    "getenv": (lambda: os.getenv("HOME"), r"os\.environ"),
    "process": (lambda: os.getpid(), r"os\.getpid"),
    "address": (lambda: id(DICE), "id"),
}
"""What does not answer the same again, and how that is told."""

IMPURE: dict[str, tuple[Callable[[], bool], str]] = {
    "global": (lambda: next(TOGGLE) % 2 == 0, "asked twice the same, it answers"),
    **{name: (lambda read=read: bool(read()) or True, f"it reads {told}") for name, (read, told) in READING.items()},
}


@pytest.mark.parametrize("impure", IMPURE)
def test_a_guard_that_is_not_pure_is_named(impure: str) -> None:
    """Given a guard that reads the clock, chance or what is nowhere in the model, then it is refused by its name."""
    test, told = IMPURE[impure]

    def is_due() -> bool:
        return test()

    with pytest.raises(Invalid, match=f"guard is_due: {told}"):
        check_machine(guarded(is_due))


@pytest.mark.parametrize("reading", READING)
def test_a_callback_that_is_not_pure_is_named(reading: str) -> None:
    """Given a callback that does the same whatever it reads today, then it is refused by its name, unless it is trusted."""
    read, told = READING[reading]

    def stamp() -> None:
        read()

    with pytest.raises(Invalid, match=f"callback stamp: it reads {told}, so what it does is not the same again"):
        check_machine(calling(stamp))
    assert check_machine(calling(stamp), ignore=["stamp", "DICE"]).status == PROVED


def calling(callback: Callable[..., object]) -> transitions.Machine:
    """Give a machine with one callback."""
    machine = transitions.Machine(states=["a", "b"], initial="a", auto_transitions=False)
    machine.add_transition("go", "a", "b", after=callback)
    return machine


def test_hooks_of_a_declared_machine_are_watched_too() -> None:
    """Given a declared machine whose model reads the clock when it is handed a hook, then that is refused as well."""

    class Late:
        def on_hook(self, hook: object) -> None:
            time.time()

    machine = Machine("m", ("a", "b"), (Row("a", "go", "b", "click"), Row("b", "back", "a")), "a")
    with pytest.raises(Invalid, match=r"callback on_hook: it reads time\.time"):
        check_machine(machine, model=Late())


def test_what_libraries_read_for_themselves_is_no_matter() -> None:
    """Given a callback that copies, or shows what is the same thing twice, then the addresses they know it by do not count."""

    @dataclass
    class Thing:
        inner: object = None

    def copy_it() -> None:
        thing = Thing()
        thing.inner = thing
        repr(copy.deepcopy(thing))

    assert check_machine(calling(copy_it)).status == PROVED


def test_a_guard_is_watched_wherever_it_is_asked() -> None:
    """Given a guard that is left to chance in one late situation alone, then it is refused there."""
    counter = counting()

    def is_due() -> bool:
        return counter.count != 70 or random.random() < 2

    counter.add_transition("go", "on", None, conditions=is_due)
    with pytest.raises(Invalid, match=r"guard is_due: it reads random\.random"):
        check_machine(counter, limit=100)
    assert check_machine(counter, limit=70).states == 70


def test_a_property_that_is_not_pure_is_named() -> None:
    """Given an invariant that reads the clock, or that does not answer the same twice, then it is refused by its name."""
    with pytest.raises(Invalid, match=r"invariant late: it reads time\.monotonic"):
        check_machine(DOOR, invariants=Invariant(lambda state: time.monotonic() > 0, name="late"))
    with pytest.raises(Invalid, match="invariant odd: asked twice of the same, it answers"):
        check_machine(DOOR, invariants=Invariant(lambda state: next(TOGGLE) % 2 == 0, name="odd"))


def test_a_callback_that_is_not_pure_is_named_by_what_it_changes() -> None:
    """Given a callback that draws a number, then it is named; if it is trusted, the attribute is, until that is too."""

    class Stamped(transitions.Machine):
        def __init__(self) -> None:
            self.at = 0.0
            super().__init__(states=["a", "b"], initial="a", transitions=[["go", "a", "b"]])
            self.after_state_change = "stamp"

        def stamp(self) -> None:
            self.at = random.random()

    with pytest.raises(Invalid, match=r"callback stamp: it reads random\.random, .* ignore='stamp'"):
        check_machine(Stamped, ignore="at")
    with pytest.raises(Invalid, match="trigger go: attribute at is not the same when it is done twice the same"):
        check_machine(Stamped, ignore="stamp")
    assert check_machine(Stamped, ignore=["at", "stamp"]).status == PROVED


def test_what_cannot_be_copied_is_named() -> None:
    """Given an attribute that cannot be copied, then it is named with what to do, and doing it helps."""
    order = Order()
    order.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(Invalid, match=r"attribute lock: it cannot be copied \(TypeError: .*ignore='lock'"):
        check_machine(order)
    assert check_machine(Checked(order, ignore="lock")).status == PROVED
    assert order.lock is not None  # type: ignore[attr-defined]


def test_facts_differ_where_another_process_would() -> None:
    """Given the steps of two machines that are not alike, then the first difference is named."""
    cautious, bold = guarded(lambda: False), guarded(lambda: True)
    with pytest.raises(Invalid, match=r"in another process, where sets .* it answers False and True"):
        refuse_elsewhere(facts(Checked(cautious)), facts(Checked(bold)))
    refuse_elsewhere(facts(Checked(bold)), facts(Checked(bold)))
    assert facts(Checked(Machine("m", (), ()))) == []
    assert len(facts(Checked(counting()), 5)) == 6
