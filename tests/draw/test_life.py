"""A life is drawn as it was: bars begin and end with the steps of the journal."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from pathlib import Path

import attrs
import pytest

from lifecycle.draw import Happened, life_of, timeline
from lifecycle.draw.life import BEFORE, CLIENTS, EXECUTION, REQUEST, RUN, SESSION, TIMER, Bar
from lifecycle.draw.timeline import DETAIL_STEPS_MAX, ROWS_MAX
from lifecycle.kernel import inputs as i

from .examples import HOSTILE
from .lives import Stepped, long, short
from .others import seen_by_browser
from .test_others import cut, overlapping

LIFE = life_of("s", short().steps)

SECONDS_MAX, BYTES_MAX, EVENTS = 2.0, 2_000_000, 10_000


def bars(lane: str, subject: str) -> list[tuple[str, int, int | None, str]]:
    """Return the bars of a subject: kind, first and last step, and how it ended; segments left out."""
    mine = [bar for bar in LIFE.bars if (bar.lane, bar.subject) == (lane, subject)]
    return [(bar.kind, bar.begin, bar.over, bar.end) for bar in mine if not bar.kind.startswith("segment")]


def numbered(kind: str) -> list[int]:
    """Return the steps at which such an input arrived."""
    return [at for at, label in enumerate(LIFE.labels) if label == kind]


def test_run_has_a_bar_for_each_state_and_ends_by_its_cause() -> None:
    """Given a run that asks and is answered, then its bars follow each other, and the last says its cause."""
    (asked,), (decided,) = numbered("RunAsked"), numbered("Decide")
    begun, settled = numbered("Begin")[0], numbered("ExecutionSettled")[0]
    assert [
        ("starting", 0, begun, ""),
        ("running", begun, asked, ""),
        ("waiting_for_human", asked, decided, ""),
        ("running", decided, settled, "completed"),
    ] == bars(RUN, "r1")


def test_runs_say_who_ended_them() -> None:
    """Given runs that were aborted and failed, then each says so."""
    assert ["aborted", "failed"] == [bars(RUN, name)[-1][3] for name in ("r2", "r3")]


def test_segments_are_bars_of_their_own() -> None:
    """Given a run that waited for a human, then its output came in two segments, with nothing between them."""
    mine = [bar for bar in LIFE.bars if bar.subject == "r1" and bar.kind.startswith("segment")]
    (asked,), (decided,) = numbered("RunAsked"), numbered("Decide")
    assert [("segment 1", asked), ("segment 2", numbered("ExecutionSettled")[0])] == [(b.kind, b.over) for b in mine]
    assert [0, decided] == [bar.begin for bar in mine]


def test_decision_says_what_and_by_whom() -> None:
    """Given a question that was answered, then its bar ends with the decision."""
    assert [("open", *numbered("RunAsked"), *numbered("Decide"), "approve by ada")] == bars(REQUEST, "sure?")


def test_client_is_there_from_attach_to_detach() -> None:
    """Given a client that came and went, then its bar is as long."""
    assert [("attached", *numbered("Attach"), *numbered("Detached"), "")] == bars(CLIENTS, "laptop")


def test_execution_outlives_its_run() -> None:
    """Given an aborted run whose code returns later, then its execution is closing until then."""
    closing = [bar for bar in LIFE.bars if bar.lane == EXECUTION and bar.kind == "closing"]
    assert [(numbered("AbortRun")[0], numbered("ExecutionSettled")[1])] == [(bar.begin, bar.over) for bar in closing]


def test_timer_is_armed_until_it_is_given_back() -> None:
    """Given a question with an expiry, then its timer is armed as long as it is open."""
    assert [("expiry", *numbered("RunAsked"), *numbered("Decide"), "")] == bars(TIMER, "expiry sure?")


def test_takeover_is_a_line_and_loses_what_one_process_had() -> None:
    """Given a process that took over, then there is a line through everything, and the timers of the dead one end."""
    assert [("taken over", len(LIFE.times) - 1)] == [(line.label, line.at) for line in LIFE.lines]
    assert "lost" in {bar.end for bar in LIFE.bars if bar.lane == TIMER}


def test_session_wears_its_head() -> None:
    """Given a life, then the session's bars touch each other, and the last one is open."""
    mine = [bar for bar in LIFE.bars if bar.lane == SESSION]
    assert [bar.over for bar in mine[:-1]] == [bar.begin for bar in mine[1:]]
    assert mine[-1].over is None


def test_life_that_is_told_from_its_middle_has_what_was_there_before() -> None:
    """Given the end of a life only, then what began before it reaches its left edge, and nothing is made up."""
    (decided,) = numbered("Decide")
    late = life_of("s", short().steps[decided:])
    mine = [(bar.kind, bar.begin, bar.over) for bar in late.bars if (bar.lane, bar.subject) == (RUN, "r1")]
    assert [("waiting_for_human", BEFORE, 0), ("running", 0, 1), ("segment 2", 0, 1)] == mine
    assert [("attached", BEFORE)] == [(bar.kind, bar.begin) for bar in late.bars if bar.lane == CLIENTS]
    assert {"expiry sure?": BEFORE} == {bar.subject: bar.begin for bar in late.bars if bar.kind == "expiry"}
    ET.fromstring(timeline(late))


def test_rule_that_is_broken_is_said_where_it_is() -> None:
    """Given a step that breaks a rule, then the picture names the rule at its line."""
    first, *_ = short().steps
    broken = Happened(2, first.now + 1, None, note="breaks one-timer", bad=True)
    assert "breaks one-timer" in timeline(life_of("s", [first, broken]))


def test_line_of_a_takeover_goes_through_no_word() -> None:
    """Given a process that takes over, then its line is drawn before every word, whose halo covers it."""
    drawn = timeline(life_of("s", short().steps))
    first_word = drawn.index("<text", drawn.index(" steps in "))
    assert 0 < drawn.index('class="line r-off dash"') < first_word


def test_late_step_says_how_long_after_the_one_before_it_was() -> None:
    """Given steps a second apart, a day after the first, then they do not all say that it was a day."""
    life = Stepped()
    life.start("r1")
    life.step(i.Begin("r1", life.slot[0]), 90_000)
    life.ask("sure?")
    drawn = timeline(life_of("s", life.steps))
    assert (1, 1) == (drawn.count(">+25 h<"), drawn.count(">1 s later<"))


def test_life_of_nothing_is_drawn() -> None:
    """Given no step at all, then there is a picture that says so."""
    assert "0 steps" in timeline(life_of("s", []))


def test_long_life_is_drawn_quickly_and_small() -> None:
    """Given 10,000 events, then the picture takes less than two seconds and two megabytes, and says what it left out."""
    life = life_of("s", long(EVENTS).steps)
    begun = time.process_time()
    drawn = timeline(life)
    assert time.process_time() - begun < SECONDS_MAX
    assert len(drawn.encode()) < BYTES_MAX
    assert f"the last {DETAIL_STEPS_MAX} of {len(life.times):,} steps" in drawn
    assert f"r-{EVENTS}" not in drawn and max(life.bars, key=_begun).subject in drawn


def _begun(bar: Bar) -> tuple[int, bool]:
    return bar.begin, bar.lane == RUN


def test_crowd_is_bounded() -> None:
    """Given more clients at once than anybody could tell apart, then some are drawn, and it is said how many more."""
    life = short()
    for number in range(100):
        life.step(i.Attach(f"client {number}"))
    drawn = timeline(life_of("s", life.steps))
    assert f"and {100 - ROWS_MAX} more" in drawn
    assert "client 3<" in drawn and "client 99<" not in drawn


def test_life_with_any_names_is_well_formed() -> None:
    """Given runs, questions and clients of hostile names, then the picture is XML all the same."""
    life = Stepped()
    for name in (one for one in HOSTILE if one):
        life.start(name)
        life.step(i.Attach(name))
        life.begin(name)
        life.ask(name)
        life.step(i.Decide(name, name, name, "answer", name, "digest", name))
        life.settle()
    ET.fromstring(timeline(life_of("]]></svg>", life.steps)))


def test_same_life_gives_the_same_bytes() -> None:
    """A picture depends on what happened, and on nothing else."""
    assert timeline(LIFE) == timeline(life_of("s", short().steps))


@pytest.mark.needs("chromium")
def test_browser_shows_words_that_neither_touch_nor_are_cut(tmp_path: Path) -> None:
    """Given a short life and the end of a long one, then no two words overlap, and none is cut."""
    steps = short().steps
    broken = attrs.evolve(steps[-1], note="breaks a-rule-with-quite-a-long-name", bad=True)
    crowded = [timeline(life_of("s", long(400).steps)), timeline(life_of("s" * 200, [*steps[:-1], broken]))]
    drawn = [timeline(LIFE), *crowded, timeline(life_of("s", [broken]))]
    for one in drawn:
        ET.fromstring(one)
    found = [(overlapping(seen["texts"]), cut(seen)) for seen in seen_by_browser(drawn, tmp_path)]
    assert [([], [])] * 4 == found
