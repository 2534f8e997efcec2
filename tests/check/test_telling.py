"""A counterexample reads like a report: what happened, what it changed, which rule it breaks, what is missing."""

from __future__ import annotations

import json
import re

import pytest

from lifecycle.check import SEEDS, Counterexample, configuration
from lifecycle.check.picturing import picture, safe
from lifecycle.check.retracing import faults_along, retraced
from lifecycle.check.telling import lines, record, text, told
from lifecycle.errors import Invalid

from .stories import example_of, story_of

ENDINGS = {
    "ended-run-stays-active": """
        end of r1 published: ready (completed)
     ✗ breaks ended-is-not-advertised
  now: session ready · head r1 starting · nobody attached · armed orphan timer, queue deadline of r1
  with the shipped kernel: session ready · no run is unfinished · nobody attached · armed orphan timer""",
    "run-without-controller": """
        orphan timer armed
     ✗ breaks registered-before-ack
  now: session starting · head r1 starting · execution of r1 pending · nobody attached · \
armed orphan timer, queue deadline of r1
  the shipped kernel does, and this one does not: controller of r1 registered""",
    "one-shot-orphan-timer": """
   2. the orphan timer fires
        orphan timer is over
     ✗ breaks orphans-are-reaped
  now: session starting · head r1 starting · execution of r1 pending · nobody attached · armed queue deadline of r1
  the shipped kernel does, and this one does not: orphan timer armed again
  this one does, and the shipped kernel does not: orphan timer is over""",
    "session-without-its-head": """
     ✗ breaks session-wears-head
  now: session running · head r1 waiting_for_human (q1 open) · execution of r1 executing · nobody attached · \
armed orphan timer, expiry of q1
  the shipped kernel does, and this one does not: session s: running → waiting_for_human""",
    "paused-stream-never-ends": """
   3. the code of r1 asks q1
        run r1: running → waiting_for_human
        session s: running → waiting_for_human
        request q1: (new) → open
        deadline of r1 disarmed
        expiry of q1 armed
        question q1 is shown
     ✗ breaks one-end-per-segment
  now: session waiting_for_human · head r1 waiting_for_human (q1 open) · execution of r1 executing · \
nobody attached · armed orphan timer, expiry of q1
  the shipped kernel does, and this one does not: segment 1 of r1 ends (waiting_for_human)""",
}
"""How the story of each seed bug ends."""


@pytest.mark.parametrize("seed", SEEDS, ids=lambda one: one.name)
def test_seed_bug_reads_like_its_report(seed: object) -> None:
    """Given a seed bug, then its story names the report, says what happened, and what the shipped kernel does instead."""
    name = seed.name  # type: ignore[attr-defined]
    said = text(story_of(name))
    assert said.startswith(f"{example_of(name).property} is broken by {name}\n")
    assert f"\n  {seed.story}\n  in configuration conversation: 1 run, " in said  # type: ignore[attr-defined]
    assert said.endswith(ENDINGS[name])


def test_promise_is_told_with_what_does_not_help() -> None:
    """Given a client whose going is ignored, then for ever nothing happens, and it is said why no promise helps."""
    said = text(story_of("detach-ignored"))
    assert said.startswith(
        "orphans-are-reaped is broken by detach-ignored\n"
        "  a session that everybody has left, with nothing to do, is stopped\n"
    )
    assert (
        "   5. c1 is noticed to be gone\n        comes too late: attachment c1\n  then for ever:\n       nothing happens\n"
        in said
    )
    assert "    “the orphan timer fires”: impossible from here on\n" in said
    assert said.endswith("  possible, and promised by nobody: ada closes the session, root closes the session")


def test_hooks_belong_to_their_step() -> None:
    """Given a world in which hooks are performed apart from their step, then they are told with it, or not at all."""
    story = story_of("recovery-forgets-timers")
    assert [(1, "ada starts r1"), (2, "the process dies"), (3, "the next process takes over")] == [
        (step.number, step.move) for step in story.steps
    ]
    assert ("the hooks of step 1 are not performed any more",) == story.steps[1].changes
    assert "   2. the process dies (a fault)" in list(lines(story))


def test_refusal_is_what_the_shipped_kernel_says() -> None:
    """Given a stranger whose approval counts, then the story ends with the refusal of the shipped kernel."""
    assert ("the shipped kernel changes nothing: refused: request q1: 'eve' may not decide it",) == story_of(
        "anybody-decides"
    ).instead


def test_loop_is_told_with_its_steps_and_where_moves_are_impossible() -> None:
    """Given a loop that goes on for ever, when an assumption is withdrawn, then its steps are numbered on."""
    example = Counterexample(
        "ends",
        "conversation",
        ("ada starts r1", "the runtime begins what is offered", "the code sets a checkpoint"),
        ("the code sets a checkpoint",),
        about="r1",
        without="settle",
    )
    story = told(example)
    assert story.forever is not None
    assert [4] == [step.number for step in story.forever]
    said = text(story)
    assert "  without the assumption “code that waits for nobody returns in the end”\n" in said
    assert "  then for ever:\n   4. the code sets a checkpoint\n" in said
    assert "“the runtime takes up what it is offered”: impossible from here on" in said
    assert ("after move 3: ends is broken for ever",) == faults_along(example)


def test_way_that_leads_somewhere_is_no_loop() -> None:
    """Given moves that do not come back to where they began, or that cannot happen, then no promise is broken by them."""
    example = Counterexample(
        "ends", "conversation", ("ada starts r1",), ("the runtime begins what is offered",), about="r1"
    )
    assert retraced(example).stall is None
    assert () == faults_along(example)
    stopped = retraced(Counterexample("total", "conversation", ("ada approves q1",)))
    assert "ada approves q1" == stopped.stopped


def test_promise_that_nobody_makes_is_refused() -> None:
    """Given a counterexample of a promise about nothing there is, then it is refused."""
    with pytest.raises(Invalid, match="makes no such promise about r7"):
        told(Counterexample("ends", "conversation", (), (), about="r7"))


@pytest.mark.parametrize("name", [seed.name for seed in SEEDS])
def test_counterexample_breaks_nothing_of_the_shipped_kernel(name: str) -> None:
    """Given the story of a seed bug, when the shipped kernel lives it, then nothing is wrong."""
    assert () == faults_along(example_of(name))


# -- as data, as a picture --------------------------------------------------------------------------------------------


def test_story_is_json() -> None:
    """Given a story, then it can be written as JSON, and lived again from what is written."""
    example, story = example_of("recovery-forgets-timers"), story_of("recovery-forgets-timers")
    written = json.loads(json.dumps(record(story, example)))
    again = Counterexample(
        written["property"], written["configuration"], tuple(written["moves"]), written["moves_forever"]
    )
    assert example.moves == again.moves
    assert story.steps[2].changes == tuple(written["steps"][2]["changes"])
    assert "recovered" == written["steps"][2]["broken"]


LINE = re.compile(
    r"sequenceDiagram|    title [^;#]+"
    r"|    (actor|participant) \w+ as [\w' ()-]+"
    r"|    (    )?\w+-?->>\w+: ([^;#]|#\w+;)+"
    r"|    (    )?Note over session: ([^;#]|#\w+;)+"
    r"|    loop for ever|    end"
)


@pytest.mark.parametrize("name", [*(seed.name for seed in SEEDS), "detach-ignored", "anybody-decides"])
def test_picture_is_a_sequence_diagram(name: str) -> None:
    """Given a story, then each line of its picture is one that Mermaid knows, and everybody who speaks was declared."""
    drawn = picture(story_of(name)).splitlines()
    assert [] == [line for line in drawn if not LINE.fullmatch(line)]
    declared = {line.split()[1] for line in drawn if line.startswith(("    actor", "    participant"))}
    spoken = {one for line in drawn if ">>" in line for one in re.findall(r"\w+", line.partition(":")[0])}
    assert spoken == declared - (declared - spoken)
    assert spoken <= declared


def test_picture_names_people_and_says_what_goes_on_for_ever() -> None:
    """Given stories of people, clients and loops, then they are drawn as such."""
    assert "    actor human_eve as eve" in picture(story_of("anybody-decides"))
    dropped = picture(story_of("detach-ignored"))
    assert "    client_c1->>session: 4. the connection of c1 drops" in dropped
    assert "    Note over session: for ever, nothing happens" in dropped
    loop = Counterexample(
        "ends",
        "conversation",
        ("ada starts r1", "the runtime begins what is offered", "the code sets a checkpoint"),
        ("the code sets a checkpoint",),
        about="r1",
        without="settle",
    )
    assert "    loop for ever\n        code->>session: 4. the code sets a checkpoint" in picture(told(loop))
    assert "a#59; #lt;b#gt;" == safe("a; <b>")


def test_counterexample_of_another_world_is_told_with_it() -> None:
    """Given a configuration by hand, then a story can be told of it."""
    config = configuration("queue")
    story = told(Counterexample("total", "queue", ("ada starts r1",)), config=config)
    assert (config.bounds(), 1) == (story.bounds, len(story.steps))
