"""``lifecycle check TARGET``: a machine of one's own, from the command line."""

from __future__ import annotations

import json
import signal
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from lifecycle.cli import checking_machines
from lifecycle.cli.checking_machines import HASH_SEEDS, check_target, facts_elsewhere
from lifecycle.errors import Invalid

MACHINE = '''
import string
from transitions import Machine
from lifecycle.check import Checked, Invariant, LeadsTo
from lifecycle.declaration import Guard, Row, State
from lifecycle import Machine as Declared

DOOR = Declared("door", ("open", State("shut", final=True)), (Row("open", "push", "shut"),), "open")


def never_open(state):
    """The door is never open."""
    return state != "open"


def make():
    print("a machine prints")
    return Machine(states=["a", "b"], initial="a", transitions=[["go", "a", "b"], ["back", "b", "a"]])


def checked():
    return Checked(make, leads_to=LeadsTo("goes", "a", "b"))


REFUTED = Checked(DOOR, never_open)
UNKNOWN = Checked(DOOR, leads_to=LeadsTo("vain", "shut", "open"), invariants=never_open)
UNORDERED = set(string.ascii_letters)


class Model:
    def __init__(self):
        self.order = ""
        self.machine = Machine(self, states=["a", "b"], initial="a", transitions=[["go", "a", "b"], ["back", "b", "a"]])
        self.machine.on_enter_b(self.choose)

    def choose(self):
        self.order = "".join(UNORDERED)


class Fine(Model):
    def choose(self):
        self.order = "".join(sorted(UNORDERED))


class Lucky(Model):
    def __init__(self):
        super().__init__()
        self.machine.add_transition("go_on", "a", "b", conditions=self.is_due)

    def is_due(self):
        return next(iter({"aa", "bb", "cc", "dd", "ee"})) != "aa"

    def choose(self):
        pass


number = 7


class Leaving(BaseException):
    pass


RAISED = {"exit": SystemExit(0), "interrupt": KeyboardInterrupt(), "own": Leaving()}


def raising(name):
    def ask(*given, **values):
        raise RAISED[name]

    return ask


def with_code(**code):
    go = {"trigger": "go", "source": "a", "dest": "b", **code}
    return Machine(states=["a", "b"], initial="a", transitions=[go])


GUARD_EXIT, GUARD_INTERRUPT, GUARD_OWN = (with_code(conditions=raising(name)) for name in RAISED)
CALLBACK_EXIT = with_code(after=raising("exit"))
DECLARED_EXIT = Declared("d", ("a", "b"), (Row("a", "go", "b", conditions=Guard("leaves", raising("exit"))),), "a")
PROPERTY_EXIT = Checked(DOOR, Invariant(lambda state: raising("exit")(), name="leaves"))
make_exit = lambda: raising("exit")()
'''


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with a file of machines, and be in it."""
    (tmp_path / "machines_here.py").write_text(MACHINE, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    monkeypatch.setattr(checking_machines, "HASH_SEEDS", HASH_SEEDS[:1])  # each is a process of its own
    return tmp_path


def test_a_machine_without_properties_is_checked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given the name of a machine, of a function or of a model's class, then it is proved what can be, with exit code 0."""
    for name in ("DOOR", "Fine"):
        assert check_target(f"machines_here.py:{name}", as_json=False, limit=None) == 0
    printed = capsys.readouterr().out
    assert "PROVED: machine door, all 2 situations, 1 steps" in printed
    assert "PROVED: machine Fine, all 3 situations" in printed


def test_a_refuted_property_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a property that does not hold, then the counterexample is printed, with exit code 1."""
    assert check_target("machines_here.py:REFUTED", as_json=False, limit=None) == 1
    assert (
        "REFUTED      never_open: The door is never open\n             at first        state: open\n"
        in capsys.readouterr().out
    )


def test_what_is_undetermined_is_not_green(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given more situations than the limit, then the exit code is 3."""
    assert check_target("machines_here.py:DOOR", as_json=False, limit=1) == 3
    assert "the search stopped after 1 situations" in capsys.readouterr().out


def test_json_is_one_object_a_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given --json, then each verdict is an object, the last line is the sum, and nothing else is on stdout."""
    assert check_target("machines_here:checked", as_json=True, limit=None) == 1
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert [line.get("property") for line in lines] == [
        "structure",
        "nothing-raises",
        "everything-is-reached",
        "goes",
        None,
    ]
    assert lines[3]["status"] == "REFUTED" and lines[3]["moves"] == [] and lines[3]["forever"] == []
    assert lines[-1]["status"] == "REFUTED" and lines[-1]["states"] == 2
    assert "a machine prints" in captured.err


def test_junit_is_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given --junit, then what is refuted is a failure with its story, what is undetermined an error."""
    file = place / "it.xml"
    assert check_target("machines_here.py:REFUTED", as_json=False, limit=None, junit=file) == 1
    root = ET.parse(file).getroot()
    assert {"tests": "4", "failures": "1", "errors": "0"}.items() <= root.attrib.items()
    (failure,) = root.iter("failure")
    assert failure.get("message") == "The door is never open" and "at first        state: open" in str(failure.text)
    (fact,) = root.iter("property")
    assert (fact.get("name"), fact.get("value")) == ("door", "all 2 situations, 1 steps")
    assert {case.get("classname") for case in root.iter("testcase")} == {"machines_here.py:REFUTED"}
    assert check_target("machines_here.py:DOOR", as_json=False, limit=1, junit=file) == 3
    assert {str(error.get("message"))[:40] for error in ET.parse(file).getroot().iter("error")} == {
        "undetermined: the search stopped after 1"
    }
    capsys.readouterr()
    assert check_target("machines_here.py:DOOR", as_json=False, limit=1, junit=place / "no" / "it.xml") == 2
    assert "there is no such folder" in capsys.readouterr().err


WRONG = {
    "machines_here.py": "it names no machine in a module or file; name it as module:name or path.py:name",
    "machines_here.py:nothing": "machines_here has no nothing; name a machine, a function that returns one, or a Checked(",
    "machines_here.py:number": "target machines_here.py:number: what was given is of type int, and no machine",
    "machines_here.py:never_open": "machine never_open: it cannot be called without arguments",
    "nowhere:machine": "there is no module nowhere",
    "nowhere.py:machine": "there is no such file",
}


@pytest.mark.parametrize("target", WRONG)
def test_a_target_that_is_wrong_is_one_sentence(target: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a target that names no machine, then one sentence on stderr says so, with exit code 2."""
    assert check_target(target, as_json=False, limit=None) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert WRONG[target] in captured.err


def test_the_order_of_a_set_is_found_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a callback that depends on the order of a set, then another process does otherwise, and that is refused."""
    assert check_target("machines_here.py:Model", as_json=False, limit=None) == 2
    told = capsys.readouterr().err
    assert "trigger go: attribute order is not the same when it is done in another process" in told


def test_the_order_of_a_set_is_found_out_whatever_it_is_here(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a guard that most orders of a set agree about, and that here is one of them, then it is found out all the same."""
    target = "machines_here.py:Lucky"
    monkeypatch.setattr(checking_machines, "HASH_SEEDS", HASH_SEEDS)
    for seed in HASH_SEEDS[:2]:
        monkeypatch.setattr(checking_machines, "facts", lambda checked, seed=seed: facts_elsewhere(target, seed))
        assert check_target(target, as_json=False, limit=None) == 2
        assert "guard is_due: asked in another process" in capsys.readouterr().err


def test_a_machine_that_only_this_process_has_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a target that fails elsewhere, then that is told with what was raised there."""
    (place / "here_only.py").write_text(
        'import os\nfrom machines_here import DOOR\nif os.environ.get("PYTHONHASHSEED") == "1":\n    raise OSError("gone")\n',
        "utf-8",
    )
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    assert check_target("here_only.py:DOOR", as_json=False, limit=None) == 2
    assert "in another process it fails: " in capsys.readouterr().err


@pytest.mark.parametrize("target", ["GUARD_EXIT", "CALLBACK_EXIT", "DECLARED_EXIT"])
def test_code_that_would_end_the_process_is_a_finding(
    target: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a guard or a callback that calls for exit code 0, then the machine is refuted, and not proved."""
    assert check_target(f"machines_here.py:{target}", as_json=True, limit=None) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (raising,) = [one for one in found if one.get("property") == "nothing-raises"]
    assert ("REFUTED", "SystemExit: 0") == (raising["status"], raising["moves"][-1]["raised"])


REFUSED = {
    "PROPERTY_EXIT": "invariant leaves: in state: open it raises SystemExit: 0",
    "make_exit": "machine <lambda>: calling it raises SystemExit: 0",
    "GUARD_INTERRUPT": "target machines_here.py:GUARD_INTERRUPT: checking it raises KeyboardInterrupt (",
    "GUARD_OWN": "target machines_here.py:GUARD_OWN: checking it raises Leaving (",
}


@pytest.mark.parametrize("target", REFUSED)
def test_code_that_would_leave_the_check_is_refused(
    target: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a property that would end the process, or code that raises what only somebody's Ctrl-C does, exit code 2."""
    assert check_target(f"machines_here.py:{target}", as_json=False, limit=None) == 2
    assert capsys.readouterr().err.startswith(REFUSED[target])


def test_a_target_that_would_end_the_process_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a file that calls for exit code 0, or for an interrupt, while it is imported, then the exit code is 2."""
    for raised in ("SystemExit(0)", "KeyboardInterrupt"):
        (place / "leaves.py").write_text(f"raise {raised}\n", "utf-8")
        assert check_target("leaves.py:machine", as_json=False, limit=None) == 2
        assert raised[:10] in capsys.readouterr().err


def test_ctrl_c_asks_for_what_is_known(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a real Ctrl-C while a guard is asked, then what is known by then is told, and nothing is proved: exit code 3."""
    (place / "slow.py").write_text(
        "import pathlib, signal\nfrom machines_here import *\nasked = pathlib.Path('asked')\n"
        "def ask(*given):\n"
        "    if not asked.exists():\n        asked.touch()\n        signal.raise_signal(signal.SIGINT)\n"
        "    return True\n"
        "SLOW = Declared('d', ('a', 'b'), (Row('a', 'go', 'b', conditions=Guard('slow', ask)),), 'a')\n",
        "utf-8",
    )
    before = signal.getsignal(signal.SIGINT)
    assert check_target("slow.py:SLOW", as_json=False, limit=None) == 3
    captured = capsys.readouterr()
    assert "no guard and no callback raises\n             the search stopped after 1 situations" in captured.out
    assert captured.out.endswith("UNDETERMINED: machine d, the first 1 situations, 1 steps\n")
    assert before is signal.getsignal(signal.SIGINT)


def test_ctrl_c_while_other_processes_are_waited_for_proves_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a Ctrl-C that other processes get as well, then it is told that nothing is known of them: exit code 3."""

    def interrupted(target: str, checked: object) -> None:
        signal.raise_signal(signal.SIGINT)
        raise Invalid("target", "in another process it fails: KeyboardInterrupt", "repair it")

    monkeypatch.setattr(checking_machines, "refuse_unrepeatable", interrupted)
    assert check_target("machines_here.py:DOOR", as_json=False, limit=None) == 3
    captured = capsys.readouterr()
    assert "all 2 situations" in captured.out and "KeyboardInterrupt" not in captured.out + captured.err
    assert (
        "UNDETERMINED is-repeatable: in other processes, where sets have other orders, the same is done" in captured.out
    )


def test_neighbours_of_a_target_are_not_taken_for_modules_of_python(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given files beside a machine that are called as modules of Python are, then other processes check it all the same."""
    for name in ("random", "queue", "json", "tempfile"):
        (place / f"{name}.py").write_text("raise OSError('not this one')\n", "utf-8")
    for target in ("machines_here.py:DOOR", "machines_here:DOOR"):
        assert check_target(target, as_json=False, limit=None) == 0
    assert "" == capsys.readouterr().err


def test_what_a_machine_prints_is_no_answer_of_another_process(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Given a machine that writes to the very file of stdout, then the check is not disturbed."""
    (place / "loud.py").write_text("import os\nos.write(1, b'loud')\nfrom machines_here import DOOR\n", "utf-8")
    assert check_target("loud.py:DOOR", as_json=False, limit=None) == 0
    assert "PROVED" in capfd.readouterr().out


def test_another_process_that_ends_early_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a target that ends another process with exit code 0, then that is no agreement."""
    (place / "ends.py").write_text(
        'import os\nfrom machines_here import DOOR\nif os.environ.get("PYTHONHASHSEED") == "1":\n    os._exit(0)\n',
        "utf-8",
    )
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    assert check_target("ends.py:DOOR", as_json=False, limit=None) == 2
    assert "another process left it half done" in capsys.readouterr().err
