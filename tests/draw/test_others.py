"""What we draw is read by other programs: Mermaid itself, Graphviz, an XML parser, a browser."""

from __future__ import annotations

import itertools
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pygraphviz
import pytest
import resvg_py

from lifecycle import Row
from lifecycle.declaration import Machine
from lifecycle.draw import Seen, graph_of, graphviz_text, layout, mermaid, picture, png, table, whole
from lifecycle.draw.svg import CHIPS, DARK, LIGHT, TONES, document
from lifecycle.errors import Invalid
from lifecycle.machines import DECLARED, SESSION

from ..conftest import NOT_CHECKED
from .examples import DOOR, hostile, many, starry
from .others import Unreachable, mermaid_folder, seen_by_browser, told_by_mermaid

MACHINES = [*DECLARED, DOOR, hostile(), many(50), many(200), starry()]
LIVE = graph_of(SESSION, seen=Seen("running", (("", "open", "ready", 1), ("ready", "admit", "starting", 2))))


def name_of(machine: Machine) -> str:
    """Name a machine in a test."""
    return "hostile" if "worst" in machine.name else machine.name


@pytest.fixture(scope="module")
def mermaid_there(request: pytest.FixtureRequest) -> Path:
    """Give the folder that has Mermaid, or say loudly that there is none."""
    try:
        return mermaid_folder()
    except Unreachable as missing:
        absent = request.config.stash.setdefault(NOT_CHECKED, {})
        absent[str(missing)] = absent.get(str(missing), 0) + 1
        pytest.skip(f"needs {missing}")


@pytest.mark.needs("npm")
@pytest.mark.needs("node")
def test_mermaid_reads_every_diagram(mermaid_there: Path) -> None:
    """Given any machine, whatever its names are, then Mermaid takes its diagram for a state diagram."""
    graphs = [*map(graph_of, MACHINES), LIVE]
    told = told_by_mermaid(map(mermaid, graphs), mermaid_there)
    assert [{"kind": "stateDiagram"}] * len(graphs) == told


@pytest.mark.parametrize("machine", MACHINES, ids=name_of)
def test_graphviz_reads_every_text(machine: Machine) -> None:
    """Given any machine, then Graphviz reads its DOT, and finds a node for each state."""
    read = pygraphviz.AGraph(string=graphviz_text(graph_of(machine)))
    assert len(machine.dispatch.states) == sum(str(node)[0] == "s" and node != "start" for node in read.nodes())


@pytest.mark.parametrize("machine", MACHINES, ids=name_of)
def test_picture_is_well_formed_and_says_what_it_is(machine: Machine) -> None:
    """Given any machine, then its SVG is XML, with a title and a description for whoever cannot see it."""
    root = ET.fromstring(picture(graph_of(machine)))
    title, description = root[0], root[1]
    assert (title.tag[-5:], description.tag[-4:]) == ("title", "desc")
    assert machine.name in (title.text or "")
    assert f"It begins in {machine.initial}"[:14] in (description.text or "")


@pytest.mark.parametrize("machine", MACHINES, ids=name_of)
def test_table_has_a_cell_for_every_pair(machine: Machine) -> None:
    """Given any machine, then each line of its first table has as many cells as there are triggers, and one."""
    graph = graph_of(machine)
    lines = table(graph).split("| state \\ trigger", 1)[1].split("\n\n")[0].splitlines()[2:]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    assert len(graph.places) == len(lines)
    assert {len(graph.triggers) + 1} == {len(one) for one in cells}


# -- what a browser sees ----------------------------------------------------------------------------------------------

SLACK = 0.5
"""Pixels by which boxes may touch: a browser rounds."""


def overlapping(texts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Name the texts that overlap, by more than the room above and below their letters."""
    return [
        (one["words"], other["words"])
        for one, other in itertools.combinations(texts, 2)
        if one["left"] < other["right"] - SLACK
        and other["left"] < one["right"] - SLACK
        and one["top"] + 2 < other["bottom"] - 2
        and other["top"] + 2 < one["bottom"] - 2
    ]


def cut(seen: dict[str, Any]) -> list[str]:
    """Name the texts that reach over the edge of their picture."""
    width, height = seen["width"], seen["height"]
    return [
        one["words"]
        for one in seen["texts"]
        if one["left"] < 0 or one["top"] < 0 or one["right"] > width or one["bottom"] > height
    ]


def crossed(seen: dict[str, Any]) -> list[str]:
    """Name the texts that a line goes through."""
    return [
        one["words"]
        for one in seen["texts"]
        if any(one["left"] < x < one["right"] and one["top"] + 2 < y < one["bottom"] - 2 for x, y in seen["points"])
    ]


@pytest.mark.needs("chromium")
def test_browser_shows_words_that_neither_touch_nor_are_cut(tmp_path: Path) -> None:
    """Given pictures in a browser, then no two words overlap, none is cut, and no arrow goes through one."""
    drawn = {name_of(machine): picture(graph_of(machine)) for machine in MACHINES}
    drawn |= {"live": picture(LIVE), "whole": whole()}
    found = {}
    for name, seen in zip(drawn, seen_by_browser(drawn.values(), tmp_path), strict=True):
        assert seen["texts"] and seen["points"], f"{name} is empty"
        found[name] = (overlapping(seen["texts"]), cut(seen), crossed(seen))
    assert {name: ([], [], []) for name in drawn} == found


# -- what everybody sees ----------------------------------------------------------------------------------------------

CONTRAST_MIN = 4.5
"""What the guidelines for accessible pages ask of text."""


def brightness(colour: str) -> float:
    """Return how bright a colour is, as the guidelines reckon it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast between two colours."""
    dark, light = sorted((brightness(one), brightness(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_words_stand_out_from_what_they_stand_on(colours: dict[str, str]) -> None:
    """Given the colours of a picture, in light or in dark, then every word can be read on what it stands on."""
    on = [("ink", ground) for ground in ("bg", "box", "frame", *(f"{tone}-in" for tone in TONES))]
    on += [("dim", ground) for ground in ("bg", "box", "frame")]
    on += [(f"on-{kind}", kind) for kind in CHIPS]
    on += [(tone, ground) for tone in TONES for ground in ("bg", f"{tone}-in")]
    assert [] == [(word, ground) for word, ground in on if contrast(colours[word], colours[ground]) < CONTRAST_MIN]


def test_png_is_one() -> None:
    """A PNG has its signature, and twice as many dots as its SVG has pixels."""
    drawn = picture(graph_of(DOOR))
    made = png(drawn)
    width = float(ET.fromstring(drawn).attrib["width"])
    assert made.startswith(b"\x89PNG\r\n")
    assert abs(int.from_bytes(made[16:20], "big") - 2 * width) <= 2


def test_png_without_a_font_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a system without fonts, then there is no PNG without words; a sentence says why."""

    def without_fonts(svg_string: str, **options: Any) -> bytes:
        return bytes(resvg_py.svg_to_bytes(svg_string=svg_string, skip_system_fonts=True, **options))

    monkeypatch.setitem(sys.modules, "resvg_py", SimpleNamespace(svg_to_bytes=without_fonts))
    with pytest.raises(Invalid, match="format png: this system has no font to write its words with; install one"):
        png(picture(graph_of(DOOR)))


def test_png_has_no_more_dots_than_anybody_looks_at() -> None:
    """Given a picture as large as a wall, then its PNG has fewer dots for each pixel, or there is none."""
    wide = document(20_000, 5_000, "wide", "wide", [])
    assert int.from_bytes(png(wide)[16:20], "big") < 20_000
    with pytest.raises(Invalid, match="format png: it would have more than 60,000,000 dots; draw it as SVG"):
        png(document(20_000, 20_000, "wall", "wall", []))


def tangled(count: int) -> Machine:
    """Make a machine of so many states, each left for many others."""
    names = [f"s{at}" for at in range(count)]
    rows = [Row(one, f"t{step}", names[(at * step + 3) % count]) for at, one in enumerate(names) for step in range(9)]
    return Machine("tangled", names, rows, "s0")


def test_large_machine_is_laid_out_apart_and_looks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a text that is too long for this process, when another one lays it out, then everything has its place."""
    here = picture(graph_of(many(50))).splitlines()
    monkeypatch.setattr(layout, "LINES_MAX", 10)
    assert sorted(here) == sorted(picture(graph_of(many(50))).splitlines())


def test_layout_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more than Graphviz lays out in the time it gets, then one sentence says so, and what to do."""
    monkeypatch.setattr(layout, "PATIENCE_SECONDS", 0.2)
    with pytest.raises(Invalid, match=r"too much to be laid out in 0\.2 seconds; draw a part of it, or choose table"):
        picture(graph_of(tangled(120)))


def test_layout_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a process that fails, then what it said last is why."""
    monkeypatch.setattr(layout, "LINES_MAX", 0)
    monkeypatch.setattr(layout, "APART", "raise MemoryError('all gone')")
    with pytest.raises(Invalid, match=r"Graphviz failed \(MemoryError: all gone\); choose table"):
        picture(graph_of(DOOR))
