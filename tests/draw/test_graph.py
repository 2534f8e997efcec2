"""What is drawn is what is declared: no row is lost, none is added, and each says what it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import attrs
import pytest
import transitions
from hypothesis import given
from hypothesis import strategies as st
from transitions.extensions.states import Timeout, add_state_features

from lifecycle import Hold, Machine, Row, State
from lifecycle.declaration import FlatRow
from lifecycle.declaration.interchange import from_transitions
from lifecycle.draw import Graph, Mark, Seen, arranged, as_json, files, graph_of, mermaid, picture, table, whole
from lifecycle.draw.arranging import SOURCES_MAX, Sheet
from lifecycle.draw.boxes import words_of_sources
from lifecycle.draw.measuring import visible, width_of
from lifecycle.draw.picture import seen_ways
from lifecycle.draw.whole import routed
from lifecycle.machines import DECLARED, EXECUTION, REQUEST, RUN, SESSION
from lifecycle.machines import MACHINES as MACHINES_OF_A_SESSION

from .examples import DOOR, hostile, many, starry

MACHINES = [*DECLARED, DOOR, hostile(), many(50), starry()]


@add_state_features(Timeout)
class Timed(transitions.Machine):  # type: ignore[misc]
    """A machine whose states may have timeouts."""


def name_of(machine: Machine) -> str:
    """Name a machine in a test."""
    return "hostile" if "worst" in machine.name else machine.name


def read_back(sheet: Sheet) -> set[tuple[str, str, str, tuple[str, ...]]]:
    """Return every row that a sheet shows."""
    shown = {
        (source, line.trigger, card.dest, line.guards)
        for card in sheet.cards
        for line in card.lines
        for source in card.sources
    }
    return shown | {(name, line.trigger, name, line.guards) for name, lines in sheet.inside.items() for line in lines}


def declared(row: FlatRow) -> tuple[str, str, str, tuple[str, ...]]:
    """Return a row as a sheet shows it."""
    guards = tuple(guard.name if wanted else f"not {guard.name}" for guard, wanted in row.guards)
    return row.source, row.trigger, row.dest, guards


@pytest.mark.parametrize("machine", MACHINES, ids=name_of)
def test_sheet_shows_every_row_and_no_other(machine: Machine) -> None:
    """Given any machine, however its rows are gathered, then they can be read back from cards, frames and states."""
    assert {declared(row) for row in machine.table.flat()} == read_back(arranged(graph_of(machine)))


NAMES = st.text(max_size=6)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Make any machine: any names, rows from several states, to states nobody declared, that stay, with any guards."""
    states = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    places, dests = st.sampled_from(states), st.sampled_from([*states, None, "=", "undeclared"])
    sources = st.lists(places, min_size=1, max_size=4, unique=True)
    guards = st.lists(NAMES, max_size=2, unique=True)
    rows = st.builds(Row, sources, NAMES, dests, st.lists(NAMES, max_size=2), guards, guards)
    finals = draw(st.sets(places, max_size=2))
    declared = [State(name, final=name in finals, holds=draw(st.lists(NAMES, max_size=2))) for name in states]
    return Machine(draw(NAMES), declared, draw(st.lists(rows, max_size=12)), draw(st.none() | places))


@given(machines())
def test_any_machine_is_drawn_whole(machine: Machine) -> None:
    """Given any machine, then its sheet shows every row and no other, and its picture is XML."""
    graph = graph_of(machine)
    assert {declared(row) for row in machine.table.flat()} == read_back(arranged(graph))
    ET.fromstring(picture(graph))


def marks(graph: Graph, source: str, trigger: str) -> list[str]:
    """Return the marks of a way."""
    (way,) = [one for one in graph.ways if (one.source, one.trigger) == (source, trigger) and not one.stays]
    return [f"{mark.kind} {mark.label}" for mark in way.marks]


def test_row_says_what_it_does_in_the_order_it_is_done() -> None:
    """Given a row with everything, then it gives back, does and sends, and takes, as its hooks are emitted."""
    graph = graph_of(DOOR)
    assert ["act click", "send bell ring", "take switch on", "act greet"] == marks(graph, "shut", "unlock")
    assert ["give switch off", "act part"] == marks(graph, "open", "push")


def test_hooks_of_a_run_have_words() -> None:
    """Given the run, then its rows say in words what they make the world do."""
    graph = graph_of(RUN)
    resumed = "give withdraw questions,act segment + 1,act hand answers over,send session resume"
    assert f"{resumed},take open stream,take arm deadline" == ",".join(marks(graph, "waiting_for_human", "resume"))
    assert {"act signal", "act publish", "give evict", "send execution close"} < set(marks(graph, "running", "abort"))


def test_timer_that_is_taken_anew_is_rearmed() -> None:
    """Given a row that gives a timer back and takes it again, then it says that the timer is re-armed."""
    from lifecycle.hooks import ArmTimer, DisarmTimer

    beat = Hold("beat", take=ArmTimer, give=DisarmTimer)
    machine = Machine("heart", [State("on", holds=beat)], [Row("on", "tick", "=")], "on")
    assert ["re-arm re-arm beat"] == marks(graph_of(machine), "on", "tick")


def test_timers_are_those_of_the_routes() -> None:
    """Given the declared machines, then what each timer sends is read out of the routes, and where it only re-arms."""
    fires = {
        hold.name: hold.fires
        for machine in DECLARED
        for place in graph_of(machine).places
        for hold in place.holds
        if hold.timer
    }
    assert {
        "deadline": ("stop",),
        "queue_deadline": ("stop",),
        "closing": ("abandon",),
        "expiry": ("expire", "lapse", "keep"),
        "orphan": ("reap",),
    } == fires
    rearming = {place.name for place in graph_of(SESSION).places for hold in place.holds if hold.rearms}
    assert {"starting", "running", "waiting_for_human"} == rearming


def test_timer_of_somebody_is_what_they_say() -> None:
    """Given a machine of somebody's, when it is told what a hold sends, then that is drawn as a timer."""
    sheet = arranged(graph_of(DOOR, timers={"light": ("push",)}))
    assert [("light", ("open",))] == [(one.timer, one.states) for one in sheet.dashed]
    assert [] == list(arranged(graph_of(DOOR)).dashed)


def test_timeout_of_transitions_is_a_timer() -> None:
    """Given a state of `transitions` with a timeout, then it is a timer that the state holds, and what it sends is seen."""
    call = Timed(
        states=["idle", {"name": "ringing", "timeout": 30, "on_timeout": ["give_up"]}],
        transitions=[["dial", "idle", "ringing"], ["give_up", "ringing", "idle"]],
        initial="idle",
    )
    sheet = arranged(graph_of(from_transitions(call)))
    assert [("timeout 30 s", ("ringing",))] == [(one.timer, one.states) for one in sheet.dashed]
    assert ["timeout 30 s"] == [name for card in sheet.cards for line in card.lines for name in line.timers]


def test_timeout_that_calls_no_trigger_says_what_it_calls() -> None:
    """Given a timeout that calls a method, or a way that `transitions` adds by itself, then it is told beside the timer."""
    call = Timed(states=["idle", {"name": "ringing", "timeout": 30, "on_timeout": "to_idle"}], initial="idle")
    (held,) = graph_of(from_transitions(call)).places[1].holds
    assert ("timeout 30 s: to_idle", ()) == (held.name, held.fires)


def test_crowded_card_says_where_it_leads_from() -> None:
    """Given a trigger of more states than lines could be followed from, then its card says so, by what it leaves out."""
    names = [f"s{at}" for at in range(SOURCES_MAX + 3)]
    every, most, some = tuple(names), tuple(names[2:]), tuple(names[: SOURCES_MAX + 1])
    rows = [Row(every, "reset", "s0"), Row(most, "back", "s1"), Row(names[0], "go", names[-1])]
    sheet = arranged(graph_of(Machine("star", names, rows, "s0")))
    said = {card.lines[0].trigger: words_of_sources(card, sheet) for card in sheet.cards}
    assert {"reset": "from every state", "back": "from every state but s0, s1", "go": ""} == said
    finals = [State(name, final=True) for name in ("e", "f", "g")]
    sheet = arranged(graph_of(Machine("ends", [*names, *finals], [Row(every, "end", "e")], "s0")))
    assert ["from every state that is not final"] == [words_of_sources(card, sheet) for card in sheet.cards]
    sheet = arranged(graph_of(Machine("some", [*names, "x"], [Row(some, "x", "x")], "s0")))
    assert [f"from {len(some)} states"] == [words_of_sources(card, sheet) for card in sheet.cards]
    drawn = picture(sheet.graph)
    assert f"from {', '.join(some)}" in drawn
    assert 2 == drawn.count('<path class="line open"')


def test_states_that_nothing_touches_stand_in_rows() -> None:
    """Given two hundred states and a few wildcards, then the picture is no strip that nobody can look at."""
    names = [f"s{at}" for at in range(200)]
    rows = [Row(tuple(names), f"t{at}", f"s{at}") for at in range(20)]
    drawn = ET.fromstring(picture(graph_of(Machine("star", names, rows, "s0"))))
    assert float(drawn.attrib["width"]) < 5 * float(drawn.attrib["height"])


def test_path_is_marked_from_where_it_came() -> None:
    """Given a card of several sources, then only the line from the state that was left is marked, and no dashed one."""
    seen = Seen("settled", (("", "offer", "pending", 1), ("pending", "begin", "executing", 1)))
    seen = attrs.evolve(seen, taken=(*seen.taken, ("executing", "settle", "settled", 1)))
    sheet = arranged(graph_of(EXECUTION, seen=seen))
    ids = {place.name: at for at, place in enumerate(sheet.graph.places)}
    settle = next(f"c{at}" for at, one in enumerate(sheet.cards) if len(one.sources) == 3)
    into = {tail for tail, head in seen_ways(sheet) if head == settle}
    assert {f"s{ids['executing']}"} == into
    assert 6 == picture(sheet.graph).count('<path class="line open r-seen"')


def test_rows_of_one_trigger_are_counted_together() -> None:
    """Given rows that differ by their guards only, which a journal does not tell apart, then their count says so."""
    drawn = picture(graph_of(REQUEST, seen=Seen("answered", (("open", "answer", "answered", 1),))))
    assert 2 == drawn.count("× 1 together")  # noqa: RUF001


def test_joiner_is_left_where_it_makes_one_sign_of_two() -> None:
    """Given what says how letters are joined, then it stays between letters that it joins, and is seen anywhere else."""
    assert "👩\u200d👧" == visible("👩\u200d👧")
    assert "می\u200cشود" == visible("می\u200cشود")
    assert ["a\\u200db", "\\u200d", "é\\u200d"] == [visible(one) for one in ("a\u200db", "\u200d", "é\u200d")]
    assert width_of("👩", 10) == width_of("👩\u200d👩\u200d👧", 10)
    assert width_of("👍", 10) == width_of("👍🏽", 10)


def test_one_is_not_counted_as_several() -> None:
    """Given a machine with one row, then it is said to have one."""
    assert ">2 states, 1 row<" in picture(graph_of(Machine("one", ["a", "b"], [Row("a", "go", "b")], "a")))


def test_frame_stands_around_what_is_left_alike() -> None:
    """Given a run, then its three unfinished states have one frame; what all its ways out do is said once, there."""
    (frame,) = arranged(graph_of(RUN)).frames
    assert ("starting", "running", "waiting_for_human") == frame.states
    assert Mark("act", "publish") in frame.marks
    said = [mark.label for card in arranged(graph_of(RUN)).cards if card.frame == 0 for mark in card.lines[0].marks]
    assert ["session complete", "session abort", "session stop", "session fail"] == said


def test_mark_of_some_sources_is_marked_so() -> None:
    """Given a line of several sources, then what only some of them do is said to be done sometimes."""
    (settle,) = [
        line
        for card in arranged(graph_of(EXECUTION)).cards
        for line in card.lines
        if line.trigger == "settle" and len(card.sources) > 1
    ]
    assert {"withdraw offer", "disarm closing", "evict"} == {mark.label for mark in settle.marks if mark.sometimes}


def test_table_says_what_is_refused_and_ignored() -> None:
    """Given a door, then each pair of state and trigger says where it leads, that it is refused, or ignored."""
    text = table(graph_of(DOOR))
    assert "| `shut` | `open`, (stays) | `bricked` | `bricked` | ignored |  | refused |" in text
    assert "| `bricked` (final) | refused |" in text


def test_mermaid_has_marks_guards_beginning_and_end() -> None:
    """Given a request, then its diagram begins, ends, and says guards, timers and what is sent."""
    lines = [line.strip() for line in mermaid(graph_of(REQUEST)).splitlines()]
    assert "[*] --> open: ask" in lines
    assert "answered --> [*]" in lines
    (expired,) = [line for line in lines if line.startswith("open --> expired")]
    assert "expire [is_last_open] (timer expiry) / → run resume<br/>" in expired


def test_json_is_the_records() -> None:
    """Given a machine, then its JSON has the fields of the records and nothing else."""
    graph = graph_of(DOOR)
    assert json.loads(json.dumps(attrs.asdict(graph))) == json.loads(as_json(graph))


def test_state_that_nobody_declared_is_drawn() -> None:
    """Given rows to, and a beginning in, states that nobody declared, then they are drawn as what is wrong."""
    machine = Machine("odd", ["a"], [Row("a", "go", "nowhere")], "limbo")
    graph = graph_of(machine)
    assert [("a", "plain"), ("nowhere", "bad"), ("limbo", "bad")] == [(one.name, one.tone) for one in graph.places]
    assert "nowhere" in picture(graph)


@pytest.mark.parametrize("machine", [Machine(str(n), ["a", "b"][:n], []) for n in range(3)])
def test_machine_without_rows_is_drawn(machine: Machine) -> None:
    """Given a machine without rows, a beginning, or even a state, then there is a picture of it all the same."""
    assert machine.name in picture(graph_of(machine))
    assert mermaid(graph_of(machine)).startswith("stateDiagram-v2\n")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_same_declaration_gives_the_same_bytes(seed: str) -> None:
    """Given another process, in which sets have another order, then the pictures are the same to the byte."""
    code = "from lifecycle.draw import files; print(*files().values(), sep='')"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    assert "".join(files().values()) + "\n" == done.stdout.decode()


def test_whole_says_what_becomes_of_runs_with_executions_and_sessions() -> None:
    """Given one input that moves two machines, then the sheet shows that: a result ends its run, a close stops every run."""
    told = {(one.source, one.dest, one.why): {mark.label for mark in one.marks} for one in routed()}
    assert {"complete", "fail", "ask", "abort", "rerun"} == told["execution", "run", "settle"]
    assert {"stop"} == told["session", "run", "close"]
    assert 2 == len(told)


def test_gallery_keeps_no_picture_of_what_is_no_more() -> None:
    """Given the folder of the gallery, then it has the files that are drawn into it, and none that a machine left behind."""
    folder = Path(__file__).parents[2] / "diagrams"
    assert set(files()) == {one.name for one in folder.iterdir()}


def test_whole_has_every_machine_and_every_send() -> None:
    """Given the sheet of all machines, then each is on it, and whatever a row sends leads from one to another."""
    drawn = whole()
    description = ET.fromstring(drawn)[1].text or ""
    sends = {(machine.name, send.machine) for machine in DECLARED for row in machine.table.flat() for send in row.sends}
    assert sends <= {(one.split(" moves ")[0], one.split(" moves ")[1]) for one in description.rstrip(".").split("; ")}
    assert {"run moves segment", "run moves controller", "attachment moves session"} <= set(
        description.rstrip(".").split("; ")
    )
    assert all(f">{machine.name}<" in drawn for machine in MACHINES_OF_A_SESSION)
