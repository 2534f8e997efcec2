"""Machines for the tests: a handful with one trait each, and strategies for strange ones."""

from __future__ import annotations

from hypothesis import strategies as st

from lifecycle.declaration import Guard, Hold, Machine, Row, Send, State

LAMP = Hold("lamp", take="lamp on", give="lamp off")
LOCK = Hold("lock", take="locked", give="unlocked")
LEASE = Hold("lease", give="lease ended")

JOB = Machine(
    "job",
    (
        State("idle", refuses=("finish",)),
        State("busy", holds=(LAMP, LOCK), ignores=("begin",)),
        State("asking", holds=(LOCK, LEASE), refuses=("begin",)),
        State("done", final=True),
    ),
    (
        Row("idle", "begin", "busy", "begun"),
        Row("idle", "ask", None, "noted"),
        Row("busy", "ask", "asking", ("asked", Send("human", "wake")), conditions="is_open", unless="is_late"),
        Row("busy", "ask", "done", conditions="is_late"),
        Row("busy", "finish", "done", "finished"),
        Row("asking", "ask", "=", "asked again"),
        Row("asking", "finish", "busy"),
    ),
    initial="idle",
)

STRANGE = Machine(
    "strange",
    (
        State("on", holds=LAMP),
        State("off", final=True, on_enter="entered"),
        State("half", ignore_invalid_triggers=True),
    ),
    (
        Row("*", "flip", "off", unless="is_stuck"),
        Row("*", "flip", "on"),
        Row("*", "flip", "half", "never"),
        Row(("on", "nowhere"), "stay", None, before="before", after="after"),
        Row("off", "lose", "nowhere"),
    ),
    initial="on",
)

GUARDED = Machine(
    "guarded",
    ("a", "b", "c"),
    (
        Row("a", "go", "b", conditions=("one", "two", "three")),
        Row("a", "go", "c", conditions="one", unless=("two", "three")),
        Row("a", "go", "=", "again", unless="one"),
        Row("*", "back", "a"),
    ),
    initial="a",
)

BORN = Machine("born", (State("alive", holds=LAMP), State("gone", final=True)), (Row("alive", "go", "gone"),), None,
               Row(None, "bear", "alive", "hello"))  # fmt: skip

EMPTY = Machine("empty", (), (), None)

EXAMPLES = (JOB, STRANGE, GUARDED, BORN, EMPTY)

NAMES = ("a", "b", "c", "d")
TRIGGERS = ("x", "y", "z")
GUARDS = (Guard("p"), Guard("q"), Guard("r", lambda **values: values))

_few_guards = st.lists(st.sampled_from(GUARDS), max_size=2).map(tuple)
_edge = st.lists(st.sampled_from(("m", "n", None, Send("other", "x"))), max_size=2).map(tuple)
_hooks = st.lists(st.sampled_from(("e", "f")), max_size=1).map(tuple)
_some_triggers = st.lists(st.sampled_from((*TRIGGERS, "w")), max_size=2, unique=True).map(tuple)

holds = st.builds(Hold, st.sampled_from(("h", "i")), st.sampled_from((None, "t", "u")), st.sampled_from((None, "g")))

states = st.builds(
    State,
    st.sampled_from(NAMES),
    st.lists(holds, max_size=3),
    st.booleans(),
    _some_triggers,
    _some_triggers,
    on_enter=_hooks,
    on_exit=_hooks,
    ignore_invalid_triggers=st.booleans(),
)

rows = st.builds(
    Row,
    st.one_of(st.just("*"), st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3, unique=True)),
    st.sampled_from(TRIGGERS),
    st.one_of(st.none(), st.just("="), st.sampled_from(NAMES)),
    _edge,
    _few_guards,
    _few_guards,
    before=_hooks,
    after=_hooks,
)

machines = st.builds(
    Machine,
    st.just("random"),
    st.lists(states, max_size=5),
    st.lists(rows, max_size=8),
    st.one_of(st.none(), st.sampled_from(NAMES)),
    st.one_of(st.none(), st.builds(Row, st.none(), st.just("bear"), st.sampled_from(NAMES), _edge)),
)
"""Any machine whatever: wildcards, unknown and duplicate states, shadowed rows, pairs decided twice."""
