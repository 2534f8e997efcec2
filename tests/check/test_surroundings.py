"""Surroundings: what a machine changes outside of its model is named, and what it leaves alone is not."""

from __future__ import annotations

import functools
import itertools
import json
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import transitions

from lifecycle.check.machines import check_machine
from lifecycle.check.surroundings import Surroundings
from lifecycle.check.verdict import PROVED
from lifecycle.declaration import Guard, Machine, Row
from lifecycle.errors import Invalid

COUNT = 0
MADE: int
SEEN: list[int] = []
TABLE = {"a": 1}
TICKS = itertools.count()


class Tally:
    """A thing of the module's, with a number of its own and one that all share."""

    every = 0

    def __init__(self) -> None:
        self.number = 0

    def add(self) -> None:
        self.number += 1

    def add_to_all(self) -> None:
        type(self).every += 1


TALLY = Tally()
SHARED = Tally()


class Toggle:
    """A model whose only callback is given."""

    state: str
    shared: list[int] = []  # noqa: RUF012 - the mistake that is looked for

    def __init__(self, after: Any) -> None:
        self.turns = 0
        self.machine = transitions.Machine(self, states=["a", "b"], initial="a", auto_transitions=False)
        self.machine.add_transition("go", "a", "b", after=after)
        self.machine.add_transition("back", "b", "a")

    def append_shared(self) -> None:
        self.shared.append(1)

    def rebind_shared(self) -> None:
        type(self).shared = [*self.shared]

    def note(self) -> None:
        self.turns = 1 - self.turns


def rebind_global() -> None:
    global COUNT
    COUNT += 1


def append_global() -> None:
    SEEN.append(1)


def make_global() -> None:
    global MADE
    MADE = 1


def call_another() -> None:
    append_global()


def wrapped(function: Callable[[], object]) -> Callable[[], object]:
    @functools.wraps(function)
    def inner() -> object:
        return function()

    return inner


def in_a_default(seen: list[int] = []) -> None:  # noqa: B006 - the mistake that is looked for
    seen.append(1)


def on_itself() -> None:
    on_itself.calls += 1  # type: ignore[attr-defined]


on_itself.calls = 0  # type: ignore[attr-defined]


def around() -> Callable[[], None]:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    return count


CHANGES: dict[str, tuple[Any, str]] = {
    "class attribute": (
        "append_shared",
        r"class attribute Toggle\.shared: sending go in state: a, turns: 0 changes it",
    ),
    "class attribute bound anew": ("rebind_shared", r"class attribute Toggle\.shared: .*ignore='shared'"),
    "global bound anew": (rebind_global, r"global COUNT of tests\.check\.test_surroundings: sending go"),
    "global list": (append_global, "global SEEN of tests"),
    "new global": (make_global, "global MADE of tests"),
    "called": (call_another, "global SEEN of tests"),
    "decorated": (wrapped(append_global), "global SEEN of tests"),
    "partial": (functools.partial(append_global), "global SEEN of tests"),
    "lambda": (lambda: next(TICKS), "global TICKS of tests"),
    "method of a thing": (lambda: TALLY.add(), "global TALLY of tests"),
    "class of a thing": (SHARED.add_to_all, r"class attribute Tally\.every: "),
    "what a method belongs to": (Tally().add, "what add belongs to: .*ignore='add'"),
    "default argument": (in_a_default, "a default argument of in_a_default: "),
    "function attribute": (on_itself, r"attribute on_itself\.calls: "),
    "closure": (around(), "variable calls around count: .*ignore='calls'"),
}


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see what another has changed."""
    monkeypatch.setattr(Toggle, "shared", [])
    monkeypatch.setattr(sys.modules[__name__], "SEEN", [])
    monkeypatch.delattr(sys.modules[__name__], "MADE", raising=False)


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_callback_changes_outside_of_the_model_is_named(change: str) -> None:
    """Given a callback that writes where no situation tells of it, then nothing is proved, and the place is named."""
    after, told = CHANGES[change]
    with pytest.raises(Invalid, match=told) as raised:
        check_machine(Toggle(after))
    ignored = str(raised.value).rpartition("ignore=")[2].strip("'")
    assert check_machine(Toggle(after), ignore=ignored).status == PROVED


def test_what_is_only_read_may_be_anywhere() -> None:
    """Given a callback that reads globals and its class, and writes to its model, then it is no matter."""

    def read() -> int:
        return COUNT + len(TABLE) + TALLY.number + Tally.every + len(Toggle.shared)

    assert check_machine(Toggle([read, "note"])).status == PROVED


def test_a_change_after_many_situations_is_found_in_the_end() -> None:
    """Given a callback that writes only where the search has long stopped to look each time, then it is found all the same."""

    class Counter(Toggle):
        def note(self) -> None:
            self.turns = min(self.turns + 1, 100)
            if self.turns == 99:
                self.shared.append(1)

    with pytest.raises(
        Invalid, match=r"class attribute Toggle\.shared: something that is sent, or a property, changes it"
    ):
        check_machine(Counter("note"))

    class Rebinding(Toggle):
        def note(self) -> None:
            self.turns = min(self.turns + 1, 100)
            if self.turns == 99:
                rebind_global()

    with pytest.raises(Invalid, match=r"global COUNT of .*: what is sent in state: a, turns: 98 changes it"):
        check_machine(Rebinding("note"))


def test_guards_of_a_declared_machine_have_surroundings_too() -> None:
    """Given a guard that counts how often it was asked, then the global is named."""

    def asked() -> bool:
        SEEN.append(1)
        return True

    machine = Machine("m", ("a", "b"), (Row("a", "go", "b", conditions=Guard("asked", asked)),), "a")
    with pytest.raises(Invalid, match=r"global SEEN of .*: sending go in state: a changes it"):
        check_machine(machine)


def test_code_is_followed_into_the_author_s_other_modules_alone() -> None:
    """Given a module of the author's and one of Python's, then what is named of the first is looked at."""
    helpers: Any = types.ModuleType("helpers")
    helpers.numbers = []

    code = compile("def use(): helpers.numbers.append(json.loads('1'))", "mine.py", "exec")
    around: dict[str, Any] = {"helpers": helpers, "json": json, "__name__": "mine"}
    exec(code, around)
    surroundings = Surroundings([around["use"]])
    around["use"]()
    place = surroundings.changed()
    assert place is not None and place.told == "global numbers of helpers"
