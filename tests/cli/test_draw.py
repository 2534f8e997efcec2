"""``lifecycle draw``, and the pictures of ``history`` and ``check``: what is written, and what is said when it cannot be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lifecycle.check import Counterexample, mutant
from lifecycle.cli.lives import life_of_counterexample
from lifecycle.draw import files, graph_of, graphviz_text, mermaid, picture, table, whole
from lifecycle.machines import DECLARED, LEASE, RUN
from tests.cli.driving import COMMAND, Said, agent, at_a_terminal, environment, said

LIGHT = """
import transitions
from lifecycle.declaration import Machine
from transitions.extensions import HierarchicalMachine

class Light:
    def is_powered(self):
        return True

states = ["off", "on", {"name": "broken", "final": True}]
rows = [
    {"trigger": "switch", "source": "off", "dest": "on", "conditions": "is_powered", "after": "hum"},
    {"trigger": "switch", "source": "on", "dest": "off"},
    ["smash", ["off", "on"], "broken"],
]
light = transitions.Machine(Light(), states=states, transitions=rows, initial="off")

def make():
    return transitions.Machine(states=states, transitions=rows, initial="off", name="made")

number = 7
listed = Machine("m", ("a", "b"), (["a", "go", "b"],), "a")
nested = HierarchicalMachine(states=["a", {"name": "b", "children": ["c"]}], initial="a")

def raises():
    raise RuntimeError("no light")

class Shy:
    @property
    def machine(self):
        raise ValueError("not now")

shy = Shy()
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a store with a session that ended twice."""
    path = str(tmp_path_factory.mktemp("store") / "runs.db")
    for name in ("hello", "raises"):
        said("run", agent(name), "--session", "s", "--store", path)
    return path


@pytest.fixture
def light(tmp_path: Path) -> Path:
    """Write a file with machines of `transitions`."""
    (tmp_path / "light.py").write_text(LIGHT, "utf-8")
    return tmp_path / "light.py"


# -- what is drawn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ((), mermaid(graph_of(RUN))),
        (("--format", "dot"), graphviz_text(graph_of(RUN))),
        (("--format", "svg"), picture(graph_of(RUN))),
        (("--format", "table"), table(graph_of(RUN))),
    ],
)
def test_machine_is_drawn_on_stdout(form: tuple[str, ...], text: str) -> None:
    """Given the name of a declared machine, then it is written in the form that is asked for, and nothing else."""
    assert Said(0, text, "") == said("draw", "run", *form)


@pytest.mark.parametrize(("name", "begins"), [("run.svg", b"<svg "), ("run.png", b"\x89PNG"), ("run.mmd", b"stateD")])
def test_name_of_a_file_says_its_form(name: str, begins: bytes, tmp_path: Path) -> None:
    """Given a file, then what its name ends in is what it gets, and nothing lies beside it."""
    assert 0 == said("draw", "run", "--out", str(tmp_path / name)).code
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert [name] == [one.name for one in tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["light", "make"])
def test_machine_of_transitions_is_drawn(name: str, light: Path) -> None:
    """Given a machine of `transitions`, or a function that makes one, then its picture has its guards and callbacks."""
    drawn = said("draw", f"{light}:{name}", "--format", "svg").out
    assert all(word in drawn for word in ("is_powered", "hum", "smash", "broken"))


def test_png_goes_to_whoever_reads_it() -> None:
    """Given a pipe, then a PNG is written to it; what shows text gets none."""
    done = subprocess.run([*COMMAND, "draw", "lease", "--format", "png"], capture_output=True, env=environment())
    assert (0, b"\x89PNG") == (done.returncode, done.stdout[:4])
    with at_a_terminal("draw", "lease", "--format", "png") as terminal:
        assert 2 == terminal.end()
        assert "--format png: a terminal shows no PNG; add --out FILE\n" == terminal.plain


def test_whole_is_drawn() -> None:
    """All machines together are a picture, too."""
    assert whole() == said("draw", "whole", "--format", "svg").out


def test_session_is_marked_where_it_is(store: str) -> None:
    """Given a session, then its present state is marked, and its path says how often each way was taken."""
    drawn = said("draw", "s", "--store", store, "--format", "svg").out
    assert "Now it is in error." in drawn and "\u00d7 2" in drawn
    last = said("draw", "s", "--store", store, "--machine", "run", "--format", "svg").out
    assert "Now it is in error." in last and "\u00d7 2" not in last


def test_session_is_drawn_over_time(store: str, tmp_path: Path) -> None:
    """Given a session, then its life is drawn: how its runs ended is said; and from where one wants."""
    drawn = said("history", "s", "--svg", "--store", store).out
    ET.fromstring(drawn)
    assert "completed" in drawn and "failed" in drawn
    assert "completed" not in said("history", "s", "--svg", "--after", "4", "--store", store).out
    assert 0 == said("history", "s", "--store", store, "--out", str(tmp_path / "life.png")).code


def test_counterexample_is_drawn_over_time(tmp_path: Path) -> None:
    """Given a counterexample, then its life is drawn, and says which rule is broken."""
    out = tmp_path / "life.svg"
    assert 1 == said("check", "--without", "one-shot-orphan-timer", "--svg", str(out)).code
    assert "breaks orphans-are-reaped" in out.read_text("utf-8")


def test_what_goes_on_for_ever_is_said_at_the_end() -> None:
    """Given a promise that is never kept, then its life ends with what goes on for ever; the world's own moves are lines."""
    moves = ("ada starts r1", "the head is reported complete", "c1 attaches", "the connection of c1 drops")
    example = Counterexample(
        "orphans-are-reaped", "conversation", (*moves, "c1 is noticed to be gone"), (), about="the session"
    )
    life = life_of_counterexample("s", example, mutant("detach-ignored").make())
    told = [(line.label, line.tone) for line in life.lines]
    assert [("the connection of c1 drops", "off"), ("for ever nothing", "bad")] == told


def test_counterexample_of_several_workers_is_drawn_over_time(tmp_path: Path) -> None:
    """Given a mutant that only several workers notice, then what each of them did stands above what came of it."""
    told = said("check", "--without", "taken-from-the-living", "--svg", "life.svg", cwd=tmp_path)
    assert 1 == told.code
    drawn = (tmp_path / "life.svg").read_text("utf-8")
    assert all(
        word in drawn for word in ("w1: ada starts r1", "w2 recovers the session: breaks one-holder", "starting")
    )


def test_picture_of_a_session_says_whose_it_is(store: str) -> None:
    """Given a run of a session, then its picture names both, for the tables alone look alike in each."""
    drawn = said("draw", "s", "--store", store, "--machine", "run", "--format", "svg").out
    assert re.search(r">Run \S+ of session s, and the path it took.<", drawn)


def test_half_of_a_letter_is_written_as_an_escape(tmp_path: Path) -> None:
    """Given a name that no file can hold, then every form is written all the same, and JSON is read back to it."""
    code = "from lifecycle import Machine\nhalf = Machine('half', ['\\ud800'], [])\n"
    (tmp_path / "half.py").write_text(code, "utf-8")
    for form in ("mermaid", "dot", "svg", "table", "json"):
        told = said("draw", "half.py:half", "--format", form, "--out", f"half.{form}", cwd=tmp_path)
        assert (0, f"half.{form} is written\n") == (told.code, told.err)
    assert "\ud800" == json.loads((tmp_path / "half.json").read_bytes())["places"][0]["name"]


def test_file_is_named_on_one_line(tmp_path: Path) -> None:
    """Given a file whose name has a line break, then what is said of it is one line."""
    assert "a\\nb.svg is written\n" == said("draw", "lease", "--out", "a\nb.svg", cwd=tmp_path).err


def test_pipe_behind_a_link_is_written_to() -> None:
    """Given /dev/stdout where that is a pipe, whose real path is none, then the picture goes into it."""
    command = [*COMMAND, "draw", "lease", "--out", "/dev/stdout", "--format", "mermaid"]
    done = subprocess.run(command, capture_output=True, env=environment())
    assert (0, mermaid(graph_of(LEASE))) == (done.returncode, done.stdout.decode())


def test_what_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    """Given a folder to compare a picture with, then it cannot be read, which is another thing than stale."""
    told = said("draw", "lease", "--format", "svg", "--check", "--out", ".", cwd=tmp_path)
    assert (2, "file .: it cannot be read (Is a directory); name another\n") == (told.code, told.err)


def test_nothing_to_tell_writes_nothing(tmp_path: Path) -> None:
    """Given rules that hold, then there is no counterexample to draw, which is said."""
    out = tmp_path / "life.svg"
    told = said("check", "--configuration", "expiry", "--svg", str(out))
    assert not out.exists()
    assert "there is no counterexample; nothing was written" in told.err


# -- the gallery ------------------------------------------------------------------------------------------------------


def test_gallery_has_every_machine_and_is_fresh_until_it_is_touched(tmp_path: Path) -> None:
    """Given a gallery that was drawn, then --check finds it fresh; changed or incomplete, it names what is stale."""
    place = tmp_path / "pictures"
    assert 0 == said("draw", "--out", str(place)).code
    assert set(files()) == {one.name for one in place.iterdir()}
    assert {f"{machine.name}.svg" for machine in DECLARED} < set(files())
    assert Said(0, "", "") == said("draw", "--check", "--out", str(place))
    (place / "run.svg").write_text("<svg/>")
    (place / "lease.md").unlink()
    told = said("draw", "--check", "--out", str(place))
    assert 1 == told.code
    assert [
        f"file {place / 'lease.md'}: it is not there; draw it again",
        f"file {place / 'run.svg'}: it is stale; draw it again",
    ] == sorted(told.err.splitlines())
    assert "<svg/>" == (place / "run.svg").read_text("utf-8")


def test_check_compares_one_file(tmp_path: Path) -> None:
    """Given one picture, then --check says whether it is what would be written."""
    out = str(tmp_path / "run.svg")
    assert [1, 0, 0] == [said("draw", "run", "--out", out, *more).code for more in (("--check",), (), ("--check",))]


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), "machine nothing: no declared machine has this name; name one of run, execution,"),
        (("nowhere:door",), "target nowhere:door: there is no module nowhere; check the name"),
        (("LIGHT:number",), "what was given is of type int, and no machine; name a machine"),
        (("LIGHT:absent",), "light has no absent; name a machine"),
        (("LIGHT:raises",), "calling it raises RuntimeError: no light"),
        (("LIGHT:shy",), "taking it in raises ValueError: not now"),
        (
            ("LIGHT:listed",),
            "machine m: no declaration (1): row 0: ['a', 'go', 'b'] is no Row; write Row(source, trigger",
        ),
        (("LIGHT:nested",), "a HierarchicalMachine has nested or parallel states, and a table is flat; take in a flat"),
        (("run", "--format", "gif"), "Invalid value for '--format': 'gif' is not one of"),
        (("run", "--out", "run.gif"), "file run.gif: its name ends in none of .mmd, .dot, .svg, .png, .md, .json;"),
        (("run", "--out", "absent/run.svg"), "file absent/run.svg: there is no such folder; make it"),
        (("run", "--check"), "--check: there is nothing to compare with; add --out PATH"),
        (("whole", "--format", "dot"), "machine whole: all machines together are a picture only; add --format svg"),
        (("whole",), "machine whole: all machines together are a picture only; add --format svg, or --out FILE"),
        (("",), "machine: it is empty; name one"),
        (("--format", "svg"), "--format: without TARGET every form is drawn; name a machine"),
        (("--store", "runs.db"), "--store: it marks the path of a session; name the session"),
        (("run", "--machine", "run"), "--machine: it chooses a machine of a session; add --store FILE"),
        (("s", "--store", "absent.db"), "absent.db: does not exist; check the path"),
        (("absent", "--store", "STORE"), "session absent: not known in"),
        (("s", "--store", "STORE", "--machine", "lease"), "machine lease: no journal tells of it; name one of run"),
        (("s", "--store", "STORE", "--machine", "request"), "session s: its journal tells of no request; draw another"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, store: str, light: Path, tmp_path: Path
) -> None:
    """Given what cannot be drawn, then one sentence says why, the exit code is 2, and nothing was written."""
    names = {"STORE": store, "LIGHT": str(light)}
    typed = [names.get(one, one.replace("LIGHT", str(light))) for one in arguments]
    before = {one.name for one in tmp_path.iterdir()}
    told = said("draw", *typed, cwd=tmp_path)
    assert (2, "", 1) == (told.code, told.out, len(told.err.splitlines()))
    assert sentence in told.err
    assert before == {one.name for one in tmp_path.iterdir()} - {"__pycache__"}


def test_counterexample_that_cannot_be_drawn_is_not_looked_for(tmp_path: Path) -> None:
    """Given a file of another form, or a kind of check that tells none, then it is said before anything is explored."""
    told = said("check", "--svg", "life.txt", cwd=tmp_path)
    assert (2, 1) == (told.code, len(told.err.splitlines()))
    assert "file life.txt: a life is drawn as SVG or PNG; let its name end in" in told.err
    told = said("check", "--list", "--svg", "life.svg", cwd=tmp_path)
    assert (2, "--svg and --list: they do not go together; leave one of them away\n") == (told.code, told.err)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("absent", "--svg"), "session absent: not known in"),
        (("s", "--svg", "--after", "999"), "session s: its journal has no step after revision 999; draw it from its"),
        (("s", "--out", "life"), "file life: a life is drawn as SVG or PNG; let its name end in"),
        (("s", "--out", "life.md"), "file life.md: a life is drawn as SVG or PNG; let its name end in"),
        (("s", "--svg", "--json"), "--json: a picture is none; leave one of them away"),
    ],
)
def test_life_that_cannot_be_drawn_is_one_sentence(arguments: tuple[str, ...], sentence: str, store: str) -> None:
    """Given a life that cannot be drawn, then one sentence says why, and the exit code is 2."""
    told = said("history", *arguments, "--store", store)
    assert (2, "", 1) == (told.code, told.out, len(told.err.splitlines()))
    assert sentence in told.err


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """Given a folder that is a file, or a file that is a folder, then one sentence says so, and nothing was written."""
    (tmp_path / "file").write_text("kept")
    (tmp_path / "run.svg").mkdir()
    for arguments in (("--out", "file"), ("run", "--out", "file/run.svg"), ("run", "--out", "run.svg")):
        told = said("draw", *arguments, cwd=tmp_path)
        assert (2, "", 1) == (told.code, told.out, len(told.err.splitlines()))
    assert {"file", "run.svg"} == {one.name for one in tmp_path.iterdir()}
    assert "kept" == (tmp_path / "file").read_text("utf-8")


def test_what_is_no_plain_file_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    """Given a link, or a pipe, then what it leads to gets the picture, and it is a link, or a pipe, as before."""
    (tmp_path / "there.svg").write_text("old")
    (tmp_path / "link.svg").symlink_to(tmp_path / "there.svg")
    assert 0 == said("draw", "lease", "--out", str(tmp_path / "link.svg")).code
    assert (tmp_path / "link.svg").is_symlink()
    assert picture(graph_of(LEASE)) == (tmp_path / "there.svg").read_text("utf-8")
    os.mkfifo(tmp_path / "pipe.mmd")
    reads = os.open(tmp_path / "pipe.mmd", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert 0 == said("draw", "lease", "--out", str(tmp_path / "pipe.mmd")).code
        assert mermaid(graph_of(LEASE)).encode() == os.read(reads, 65_536)
    finally:
        os.close(reads)
    assert (tmp_path / "pipe.mmd").is_fifo()


def test_without_graphviz_it_is_said_what_to_install(tmp_path: Path) -> None:
    """Given no Graphviz, then an SVG is one sentence that names what to install, and every other form is drawn."""
    (tmp_path / "pygraphviz.py").write_text("raise ImportError('not here')")
    told = said("draw", "run", "--format", "svg", env={"PYTHONPATH": str(tmp_path)})
    assert 2 == told.code
    assert (
        "format svg: it is laid out by Graphviz, which is not installed; pip install agent-lifecycle[draw]" in told.err
    )
    (tmp_path / "resvg_py.py").write_text("raise ImportError('not here')")
    (tmp_path / "pygraphviz.py").unlink()
    told = said("draw", "run", "--format", "png", env={"PYTHONPATH": str(tmp_path)})
    assert (2, "format png: nothing here makes one; pip install agent-lifecycle[draw]\n") == (told.code, told.err)
    (tmp_path / "pygraphviz.py").write_text("raise ImportError('not here')")
    assert 0 == said("draw", "run", "--format", "dot", env={"PYTHONPATH": str(tmp_path)}).code
    (tmp_path / "run.svg").write_text("kept")
    assert 2 == said("draw", "run", "--out", str(tmp_path / "run.svg"), env={"PYTHONPATH": str(tmp_path)}).code
    assert "kept" == (tmp_path / "run.svg").read_text("utf-8")
    told = said("check", "--seeds", "--svg", "life.png", env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert (2, "format png: nothing here makes one; pip install agent-lifecycle[draw]\n") == (told.code, told.err)
