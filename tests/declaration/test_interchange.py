"""Interchange: to `transitions` and back, and anybody's machine taken in."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import transitions
from hypothesis import given, settings
from hypothesis import strategies as st
from transitions.extensions import GraphMachine, HierarchicalMachine
from transitions.extensions.asyncio import AsyncMachine

from lifecycle.declaration import Guard, Machine, Row, State, checked, judge
from lifecycle.declaration.interchange import Callback, from_transitions, to_transitions
from lifecycle.errors import DefinitionError, Invalid, Refused

from .equivalence import Model, assert_round_trip, assert_table_is_transitions
from .examples import BORN, GUARDS, JOB, NAMES, STRANGE, TRIGGERS

# To transitions


def test_to_transitions_is_a_real_machine() -> None:
    """What is built is a plain `transitions.Machine` that people who live there can go on with."""
    model = Model()
    built: Any = to_transitions(JOB, model, queued=True)
    assert type(built) is transitions.Machine
    built.add_transition("rest", "busy", "idle")
    assert model.begin() and model.rest()  # type: ignore[attr-defined]
    assert "idle" == model.state  # type: ignore[attr-defined]


def test_to_transitions_serves_many_models() -> None:
    """One machine per declaration moves each model on its own."""
    one, other = Model(), Model()
    to_transitions(JOB, [one, other])
    one.trigger("begin")  # type: ignore[attr-defined]
    assert ("busy", "idle") == (one.state, other.state)  # type: ignore[attr-defined]


def test_to_transitions_hands_hooks_after_the_transition() -> None:
    """Hooks go to the model's ``on_hook``, or to the callable given, when the state has changed."""
    seen: list[tuple[str, object]] = []
    model = Model()
    to_transitions(JOB, model, lambda model, hook: seen.append((model.state, hook)))
    model.trigger("begin")  # type: ignore[attr-defined]
    assert [("busy", "begun"), ("busy", "lamp on"), ("busy", "locked")] == seen
    assert [] == model.hooks


def test_to_transitions_without_on_hook_drops_hooks() -> None:
    """A model that wants no hooks need not receive them."""

    class Plain:
        state: str
        trigger: Callable[[str], bool]

    model = Plain()
    to_transitions(JOB, model)
    assert model.trigger("begin")
    assert "busy" == model.state


def test_to_transitions_calls_tests_with_arguments() -> None:
    """A guard's test is called by `transitions` with what the trigger was given."""
    machine = Machine("m", ("a", "b"), (Row("a", "go", "b", conditions=Guard("g", lambda size: size > 2)),), "a")
    model = Model()
    to_transitions(machine, model)
    assert [False, True] == [model.trigger("go", size=2), model.trigger("go", size=3)]  # type: ignore[attr-defined]


def test_to_transitions_has_no_auto_transitions() -> None:
    """Only declared triggers move a model."""
    assert ["begin", "ask", "finish"] == list(to_transitions(JOB).events)


# From transitions


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Gate:
    """A model with guards of every kind: attribute, property and method."""

    ready: object = True

    def __init__(self, size: int = 3) -> None:
        self.size = size

    @property
    def large(self) -> bool:
        return self.size > 2

    def fits(self, least: int = 0) -> bool:
        return self.size >= least


def two_states(model: Any = None, send_event: bool = False, queued: bool = False, **row: Any) -> transitions.Machine:
    """Make a machine of a, b and one transition with what is given."""
    rows = [{"trigger": "go", "source": "a", "dest": "b", **row}]
    return transitions.Machine(
        model, ["a", "b"], "a", rows, auto_transitions=False, send_event=send_event, queued=queued
    )


def test_from_transitions_takes_enum_states_by_name() -> None:
    """States that are enum members are known by their names and keep the member."""
    there = transitions.Machine(states=Colour, initial=Colour.RED)
    there.add_transition("go", Colour.RED, Colour.GREEN)
    machine = from_transitions(there, "light")
    assert ("RED", Colour.RED) == (machine.initial, machine.state("RED").value)
    assert "GREEN" == machine.send("RED", "go").state
    model = Model()
    to_transitions(machine, model)
    model.trigger("go")  # type: ignore[attr-defined]
    assert model.state is Colour.GREEN  # type: ignore[attr-defined]
    assert_round_trip(machine)


def test_from_transitions_names_the_machine() -> None:
    """A machine is named as told, or by its own name, or by its class."""
    assert "mine" == from_transitions(two_states(), "mine").name
    assert "theirs" == from_transitions(transitions.Machine(name="theirs")).name
    assert "GraphMachine" == from_transitions(GraphMachine(graph_engine="mermaid")).name


def test_from_transitions_leaves_auto_transitions_out() -> None:
    """``to_X`` triggers are kept only if asked for, or if they were given a meaning of their own."""
    there: Any = transitions.Machine(states=["a", "b"], initial="a", transitions=[["go", "a", "b"]])
    assert ("go",) == from_transitions(there).triggers
    assert ("to_a", "to_b", "go") == from_transitions(there, auto_transitions=True).triggers
    there.before_to_b("warn")
    assert ("to_b", "go") == from_transitions(there).triggers


def test_from_transitions_knows_auto_transitions_of_other_attributes() -> None:
    """A machine with its own model attribute names its auto transitions by it."""
    there = transitions.Machine(states=["a", "b"], initial="a", model_attribute="mood")
    assert () == from_transitions(there).triggers


def test_from_transitions_without_initial() -> None:
    """A machine may have no initial state; it is then started in a named one."""
    there = transitions.Machine(model=None, states=["a", "b"], initial=None, transitions=[["go", "a", "b"]])
    machine = from_transitions(there)
    assert machine.initial is None
    assert "b" == machine.instance("a").send("go").state


def test_from_transitions_keeps_final_states_and_wildcards_over_them() -> None:
    """Final states are taken in as final, and so is a wildcard row that leaves them, as a note."""
    there = transitions.Machine(
        model=None,
        states=["a", transitions.State("z", final=True)],
        initial="a",
        transitions=[["go", "*", "a"], ["end", "a", "z"]],
        auto_transitions=False,
    )
    machine = from_transitions(there)
    assert machine.state("z").final
    assert "a" == machine.send("z", "go").state
    assert [("row out of a final state", "note")] == [(one.kind, one.severity) for one in judge(machine, foreign=True)]


def test_from_transitions_keeps_reflexive_and_internal_apart() -> None:
    """A reflexive transition leaves and enters its state, an internal one stays inside."""
    there = transitions.Machine(
        model=None,
        states=[transitions.State("a", on_enter="hail", on_exit="wave")],
        initial="a",
        transitions=[["again", "a", "="], ["stay", "a", None]],
        auto_transitions=False,
    )
    machine = from_transitions(there)
    assert (Callback("on_exit", "wave", "wave"), Callback("on_enter", "hail", "hail")) == machine.send(
        "a", "again"
    ).hooks
    assert () == machine.send("a", "stay").hooks


@pytest.mark.parametrize("name", ["ready", "large", "fits"])
def test_from_transitions_asks_guards_named_on_the_one_model(name: str) -> None:
    """A guard that is a name is an attribute, property or method of the machine's one model."""
    assert "b" == from_transitions(two_states(model=Gate(), conditions=name)).send("a", "go").state


def test_from_transitions_asks_named_guards_with_the_values() -> None:
    """A guard that is a method gets the trigger's values, as it would there."""
    machine = from_transitions(two_states(model=Gate(), conditions="fits"))
    assert ["a", "b"] == [machine.send("a", "go", least=least).state for least in (4, 3)]


def test_from_transitions_asks_named_guards_among_values_without_a_model() -> None:
    """With no model, or several, a named guard is a value of the step."""
    for models in (None, [Gate(), Gate()]):
        machine = from_transitions(two_states(model=models, conditions="ready"))
        assert ["a", "b"] == [machine.send("a", "go", ready=ready).state for ready in ("yes", 1)]


def test_from_transitions_asks_named_guards_by_dotted_path() -> None:
    """A guard that is neither on the model nor a value is imported, as `transitions` does, or the step is invalid."""
    assert "b" == from_transitions(two_states(conditions="builtins.bool")).send("a", "go", args=(1,)).state
    with pytest.raises(Invalid, match="guard nobody: neither a model nor a value nor a module has it"):
        from_transitions(two_states(conditions="nobody")).send("a", "go")


def test_from_transitions_gives_args_by_position() -> None:
    """The value ``args`` is what a trigger would have got by position."""
    machine = from_transitions(two_states(conditions=lambda least, most: least < most))
    assert ["b", "a"] == [machine.send("a", "go", args=args).state for args in ((1, 2), (2, 1))]
    assert "b" == machine.send("a", "go", args=(1,), most=2).state


def test_from_transitions_shows_an_event_where_send_event_is_set() -> None:
    """With ``send_event`` a guard sees state, event, transition, model and values as it would there."""
    seen: list[Any] = []
    gate = Gate()

    def is_seen(event: Any) -> bool:
        seen.append(event)
        return True

    machine = from_transitions(two_states(model=gate, send_event=True, conditions=is_seen))
    assert "b" == machine.send("a", "go", size=3).state
    (event,) = seen
    assert ("a", "go", "b", {"size": 3}) == (event.state.name, event.event.name, event.transition.dest, event.kwargs)
    assert event.model is gate


def test_from_transitions_send_event_survives_the_round_trip() -> None:
    """A machine whose guards want an event is built with that convention again."""
    machine = from_transitions(two_states(send_event=True, conditions=lambda event: event.kwargs["size"] > 2))
    model = Model()
    to_transitions(machine, model)
    assert [False, True] == [model.trigger("go", size=size) for size in (2, 3)]  # type: ignore[attr-defined]


def test_from_transitions_queued_machine_answers_each_step() -> None:
    """A queued machine says True to everything; its table says what each step did."""
    gate: Any = Gate()
    there = two_states(model=gate, queued=True, unless="ready")
    assert gate.go()
    machine = from_transitions(there)
    assert machine.send("a", "go").row is None


def test_from_transitions_no_row_raises_and_no_match_does_not() -> None:
    """No row at all is refused; a row whose guard says no is not."""
    machine = from_transitions(two_states(model=Gate(), unless="ready"))
    assert "a" == machine.send("a", "go").state
    with pytest.raises(Refused):
        machine.send("b", "go")


@pytest.mark.parametrize(
    ("of_machine", "of_state", "ignored"),
    [(True, None, True), (True, False, False), (None, True, True), (None, None, False)],
)
def test_from_transitions_ignores_invalid_triggers(of_machine: Any, of_state: Any, ignored: bool) -> None:
    """A state's own word on invalid triggers goes before the machine's."""
    there = transitions.Machine(
        model=None, states=[transitions.State("a", ignore_invalid_triggers=of_state)], initial="a"
    )
    there.ignore_invalid_triggers = of_machine
    assert ignored is from_transitions(there).state("a").ignore_invalid_triggers


def test_from_transitions_takes_unknown_states_and_judges_them() -> None:
    """Taking in never judges; a state that no row should name is an error of the judgement."""
    machine = from_transitions(two_states(dest="nowhere"))
    with pytest.raises(DefinitionError, match="nowhere is no state of"):
        checked(machine, foreign=True)


def test_from_transitions_judges_duplicates_only() -> None:
    """First match wins there, so only rows that ask exactly the same are an error."""
    there = two_states()
    there.add_transition("go", "a", "a", conditions="ready")
    assert checked(from_transitions(there), foreign=True)
    there.add_transition("go", "a", "a")
    with pytest.raises(DefinitionError, match="ambiguous rows"):
        checked(from_transitions(there), foreign=True)


@pytest.mark.parametrize(
    "states",
    [["a", {"name": "b", "children": ["c"]}], ["a", {"name": "b", "parallel": ["c", "d"]}]],
    ids=["nested", "parallel"],
)
def test_from_transitions_refuses_nested_states(states: list[Any]) -> None:
    """Nested and parallel states have no flat table; one sentence says so."""
    with pytest.raises(DefinitionError) as caught:
        from_transitions(HierarchicalMachine(states=states, initial="a"), "tree")
    assert (
        "machine tree: a HierarchicalMachine has nested or parallel states, and a table is flat; "
        "take in a flat Machine of the same rows" == str(caught.value)
    )
    assert ["nested state"] == [fault.kind for fault in caught.value.faults]  # type: ignore[attr-defined]


def test_from_transitions_refuses_what_may_nest_states() -> None:
    """A HierarchicalMachine is refused for what it is, also where it is flat, and is not said to have nested states."""
    with pytest.raises(
        DefinitionError, match="machine flat: a HierarchicalMachine may nest states and finds them otherwise"
    ):
        from_transitions(HierarchicalMachine(states=["a", "b"], initial="a"), "flat")


def test_from_transitions_refuses_to_await_a_guard() -> None:
    """An AsyncMachine is taken in for its structure; a guard that must be awaited cannot be asked."""

    async def is_ready() -> None: ...

    there = AsyncMachine(
        model=None,
        states=["a", "b"],
        initial="a",
        transitions=[["go", "a", "b"], {"trigger": "ask", "source": "a", "dest": "b", "conditions": is_ready}],
        auto_transitions=False,
    )
    machine = from_transitions(there)
    assert ["a go -> b", "a ask -> b if is_ready"] == [str(row) for row in machine.table.flat()]
    assert "b" == machine.send("a", "go").state
    with pytest.raises(Invalid, match="guard is_ready: its answer must be awaited"):
        machine.send("a", "ask")


# Callbacks

MACHINE_CALLBACKS = ("prepare_event", "before_state_change", "after_state_change", "finalize_event", "on_final")
ROW_CALLBACKS = ("prepare", "before", "after")


class Recorder:
    """A model whose every callback writes its name down."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("note_"):
            raise AttributeError(name)
        return lambda: self.called.append(name)


def test_callbacks_are_hooks_in_the_order_they_would_be_called() -> None:
    """Every kind of callback is a hook of the rows it belongs to, in the order of `transitions`."""
    model: Any = Recorder()
    callbacks: dict[str, Any] = {when: f"note_{when}" for when in MACHINE_CALLBACKS}
    there = transitions.Machine(
        model,
        states=[transitions.State("a", on_exit="note_exit"), transitions.State("z", on_enter="note_enter", final=True)],
        initial="a",
        transitions=[
            {"trigger": "go", "source": "a", "dest": "z", **{when: f"note_{when}" for when in ROW_CALLBACKS}},
            {"trigger": "stay", "source": "a", "dest": None, "after": "note_after"},
        ],
        **callbacks,
    )
    machine = from_transitions(there)
    for trigger in ("stay", "go"):
        model.called.clear()
        model.trigger(trigger)
        assert model.called == [hook.name for hook in machine.send("a", trigger).hooks]  # type: ignore[attr-defined]
    assert [
        "prepare_event", "prepare", "before_state_change", "before", "on_exit", "on_enter", "on_final", "after",
        "after_state_change", "finalize_event",
    ] == [hook.when for hook in machine.send("a", "go").hooks]  # type: ignore[attr-defined]  # fmt: skip


def test_callbacks_that_are_callables_keep_them() -> None:
    """A callback that is a function is named by it and carries it; an object without name, by its class."""

    def ring() -> None: ...

    class Bell:
        def __call__(self) -> None: ...

    bell = Bell()
    sent = from_transitions(two_states(before=[ring, bell])).send("a", "go")
    assert (Callback("before", "ring", ring), Callback("before", "Bell", bell)) == sent.hooks


_names = st.sampled_from(NAMES)
_note = st.sampled_from(([], ["note_m"], ["note_m", "note_n"]))
_guards = st.lists(st.sampled_from([guard.name for guard in GUARDS]), max_size=2)

_foreign_rows = st.fixed_dictionaries(
    {
        "trigger": st.sampled_from(TRIGGERS),
        "source": st.one_of(st.just("*"), _names, st.lists(_names, max_size=3)),
        "dest": st.one_of(st.none(), st.just("="), _names),
        "conditions": _guards,
        "unless": _guards,
        "before": _note,
        "after": _note,
    }
)

_foreign_states: st.SearchStrategy[list[dict[str, object]]] = st.lists(
    st.builds(
        dict,
        name=_names,
        on_enter=_note,
        on_exit=_note,
        final=st.booleans(),
        ignore_invalid_triggers=st.sampled_from((None, True)),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None)
@given(
    _foreign_states,
    st.lists(_foreign_rows, max_size=8),
    st.booleans(),
    st.fixed_dictionaries(dict.fromkeys(MACHINE_CALLBACKS, _note)),
    st.fixed_dictionaries({guard.name: st.booleans() for guard in GUARDS}),
)
def test_foreign_table_is_what_the_machine_does(
    states: list[Any], rows: list[Any], ignore: bool, callbacks: dict[str, Any], guards: dict[str, bool]
) -> None:
    """Anybody's machine, taken in, does by its table what it does itself: state, refusal, result and callbacks."""
    model: Any = Recorder()
    vars(model).update(guards)
    there = transitions.Machine(
        model, states=states, initial=states[0]["name"], transitions=rows, ignore_invalid_triggers=ignore, **callbacks
    )
    machine = from_transitions(there, auto_transitions=True)
    for state in there.states:
        for trigger in there.events:
            expected = _by_itself(there, model, state, trigger)
            assert expected == _by_table(machine, state, trigger), (state, trigger)


def _by_itself(there: transitions.Machine, model: Any, state: str, trigger: str) -> tuple[str, list[str]]:
    there.set_state(state, model)
    model.called.clear()
    try:
        taken = model.trigger(trigger)
    except (transitions.MachineError, ValueError):
        return "raised", []
    return model.state, model.called if taken else []


def _by_table(machine: Machine, state: str, trigger: str) -> tuple[str, list[str]]:
    try:
        sent = machine.send(state, trigger)
    except (Refused, DefinitionError):
        return "raised", []
    return sent.state, [hook.name for hook in sent.hooks]  # type: ignore[attr-defined]


# There and back


def test_round_trip_keeps_name_birth_holds_and_lists() -> None:
    """What `transitions` has no word for comes back too: holds, births, what is refused and ignored."""
    back = from_transitions(to_transitions(BORN))
    assert (BORN.name, BORN.birth, BORN.table) == (back.name, back.birth, back.table)
    assert [(state.holds, state.refuses, state.ignores) for state in JOB.states] == [
        (state.holds, state.refuses, state.ignores) for state in from_transitions(to_transitions(JOB)).states
    ]


def test_round_trip_keeps_what_was_added_there() -> None:
    """Callbacks and rows that were added in between are taken in beside the declared ones."""
    built: Any = to_transitions(JOB)
    built.add_transition("rest", "busy", "idle", before="stretch")
    built.before_begin("yawn")
    back = from_transitions(built)
    assert ("lamp off", "unlocked") == back.send("busy", "rest").hooks[1:]
    assert Callback("before", "yawn", "yawn") == back.send("idle", "begin").hooks[0]


@pytest.mark.parametrize("machine", [JOB, STRANGE], ids=lambda machine: machine.name)
def test_round_trip_acts_alike(machine: Machine) -> None:
    """What came back agrees with `transitions` as the first did."""
    assert assert_table_is_transitions(machine) == assert_table_is_transitions(
        from_transitions(to_transitions(machine))
    )


def test_round_trip_asks_guards_alike() -> None:
    """A guard keeps its name and its test on the way."""
    machine = Machine(
        "m", (State("a"), State("b")), (Row("a", "go", "b", conditions=Guard("big", lambda size: size > 2)),), "a"
    )
    back = from_transitions(to_transitions(machine))
    assert ["a", "b"] == [back.send("a", "go", size=size).state for size in (2, 3)]
    assert "m: a takes go; to b: big is True" == str(back.explain("a", "go", size=3))
    assert attrs.evolve(machine, ask=back.ask).table == back.table
