"""Write the steps of a run's life out straight: what the kernel does on an input, without the calls in between.

What lives here: which inputs, and how the file is put together. What must not: a rule of the kernel's. The law of this
file: ``page()`` says what ``lifecycle/kernel/straight.py`` must contain, and writing it is all that is left; a test
compares, ``make diagrams`` writes.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parent))

from inlining import Writer
from sources import Sources

from lifecycle import hooks, machines
from lifecycle.kernel import (
    draft,
    engine,
    finding,
    firing,
    holds,
    inputs,
    judges,
    judging_decisions,
    judging_questions,
    refusing,
    replies,
    routes,
    tables,
    values,
    work,
)
from lifecycle.kernel.engine import Kernel, taken

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "lifecycle/kernel/straight.py"

INPUTS = ("StartRun", "Begin", "RunAsked", "Decide", "RunCompleted", "ExecutionSettled")
"""The inputs of a run's life; on all others the kernel goes the long way."""

WAYS = (
    "StartRun", "RunAsked", "Decide.approve", "Decide.answer", "Decide.reject_and_continue", "ExecutionSettled.Value",
)  # fmt: skip
"""Their routes, where there are several; on others the last part of the way is the long one."""

STEADY = ("about", "before", "input", "now", "session")
"""What of the work of a step is there from its beginning and never another."""

PARAMETERS = ("session", "given", "now", "work", "before", "after")
"""The parameters of steps, routes and rules."""

CALLED = {
    "broken", "held_grace", "malformed", "opened_or_thawed", "rearmed", "refused", "unchanged", "loss",
    "promote_next", "thawed_queued", "fault_of_park", "answers_given", "answer_given", "told", "dismiss", "is_last_open",
}  # fmt: skip
"""What is not on the way of every run stays a call, so that the rest is short."""

MODULES = (
    engine, finding, firing, holds, judges, judging_decisions, judging_questions, refusing, replies, routes, tables,
    inputs, values, work, draft, hooks, machines,
)  # fmt: skip


def may_be_written_out(function: FunctionType) -> bool:
    """Say whether a call of a function may be written out."""
    if id(function.__code__) in draft.GENERATED:
        return True
    module = function.__module__
    return function.__name__ not in CALLED and module.startswith("lifecycle.kernel") and module != refusing.__name__


class Page:
    """The file, as it is put together."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.sources = Sources(draft.GENERATED)
        tables = self.kernel.tables
        plans: dict[str, Any] = {"RUN_PLAN": tables.plans.run, "EXECUTION_PLAN": tables.plans.execution}
        self.ways = {kind: self.ways_of(kind) for kind in self.kernel.handling}
        self.plans = plans
        single = (*plans.values(), *self.ways.values())
        names = {**plans, "SESSION_PLAN": tables.plans.session}
        names |= {f"{kind.__name__}_ways": ways for kind, ways in self.ways.items()}
        fields = {"tables": tables, "plans": tables.plans}
        self.writer = Writer(self.sources, may_be_written_out, fields, STEADY, single, PARAMETERS)
        for name, thing in names.items():
            self.writer.knows.refer(thing, name)
        self.functions: dict[str, str] = {}
        self.paths: dict[int, str] = {}
        self.walk(self.kernel.tables, "KERNEL.tables")
        self.paths |= {id(plan): name for name, plan in plans.items()}

    def walk(self, thing: Any, path: str) -> None:
        """Note how the parts of the tables are reached."""
        self.paths.setdefault(id(thing), path)
        if attrs.has(type(thing)):
            if type(thing).__module__ == "lifecycle.kernel.tables":
                for field in attrs.fields(type(thing)):
                    if field.name != "machines":
                        self.walk(getattr(thing, field.name), f"{path}.{field.name}")
        elif isinstance(thing, dict):
            for key, value in thing.items():
                self.walk(value, f"{path}[{key!r}]")
        elif isinstance(thing, tuple):
            for at, value in enumerate(thing):
                self.walk(value, f"{path}[{at}]")

    def written(self, name: str, told: str, parameters: list[str], body: str, scope: Mapping[str, Any]) -> str:
        """Write a function of the file, once."""
        if name not in self.functions:
            first, *lines = self.writer.function(name, parameters, body, scope).splitlines()
            self.functions[name] = "\n".join([first, f'    """{told}"""', *parted(lines), ""])
        return name

    def rules(self, rules: tuple[FunctionType, ...]) -> str:
        """Write the function that does what some holds do when a step is over."""
        if not rules:
            return "nothing"
        body = "".join(f"rule_{at}(work, before, after)\n" for at in range(len(rules)))
        names = [rule.__name__ for rule in rules]
        name = "_and_".join(names)
        told = f"Do for the holds: {', '.join(names).replace('_', ' ')}."
        scope = {f"rule_{at}": rule for at, rule in enumerate(rules)}
        return self.written(name, told, ["work", "before", "after"], body, scope)

    def plan(self, name: str, plan: Any) -> str:
        """Write a plan out."""
        rows = []
        for before, cells in plan.items():
            told = "".join(f"        {after!r}: {self.rules(rules)},\n" for after, rules in cells.items())
            rows.append(f"    {before!r}: {{\n{told}    }},\n")
        return f"{name} = {{\n{''.join(rows)}}}\n"

    def way(self, name: str, way: tuple[Callable[..., None], ...]) -> str:
        """Write a route out."""
        body = "".join(f"effect_{at}(work)\n" for at in range(len(way)))
        scope = {f"effect_{at}": effect for at, effect in enumerate(way)}
        return self.written("way_" + name.replace(".", "_"), f"Go the route {name}.", ["work"], body, scope)

    def step(self, kind: type) -> str:
        """Write the step of a kind of input out, and its routes."""
        find, asked, choose, way, _, reply = self.kernel.handling[kind]
        ways = self.ways[kind]
        if choose is not None:
            for name in ways:
                if name in WAYS:
                    self.way(name, ways[name])
            rows = "".join(f"    {name!r}: {self.called(kind, name)},\n" for name in ways)
            self.paths[id(ways)] = f"{{\n{rows}}}"
        scope = {"taken": taken, "tables": self.kernel.tables, "known": (find, asked, choose, way, ways, reply)}
        body = "return taken(tables, known, session, given, now)"
        told = f"Take the step of the input {kind.__name__}."
        return self.written(f"step_{kind.__name__}", told, ["session", "given", "now"], body, scope)

    def ways_of(self, kind: type) -> dict[str, Any]:
        """Return the routes of an input alone."""
        ways = self.kernel.handling[kind][4]
        return {name: one for name, one in ways.items() if name.split(".")[0] == kind.__name__}

    def called(self, kind: type, name: str) -> str:
        """Return what is called on a route: its function, or the long way."""
        long = f"in_turn(KERNEL.handling[{kind.__name__}][4][{name!r}])"
        return "way_" + name.replace(".", "_") if name in WAYS else long

    def used(self, names: set[str]) -> dict[str, Any]:
        """Return what the names in the functions, and some more, stand for."""
        trees = [ast.walk(ast.parse(text)) for text in self.functions.values()]
        names = names | {one.id for tree in trees for one in tree if isinstance(one, ast.Name)}
        return {name: thing for name, thing in self.writer.knows.scope.items() if name in names}

    def reference(self, name: str, thing: Any) -> str:
        """Say how the file gets at a thing that it names."""
        if isinstance(thing, type) and thing.__name__.startswith("Draft"):
            record = thing.__mro__[1]
            return f"{name} = twin_of({record.__name__}).kind  # from {record.__module__} import {record.__name__}"
        if isinstance(thing, type) and thing.__module__ == "builtins":
            return ""
        qualified = getattr(thing, "__qualname__", "") if getattr(thing, "__module__", None) else ""
        if qualified and "<" not in qualified and "." not in qualified:
            return f"from {thing.__module__} import {qualified}" + (f" as {name}" if name != qualified else "")
        if id(thing) in self.paths:
            return "" if self.paths[id(thing)] == name else f"{name} = {self.paths[id(thing)]}"
        for module in MODULES:
            for found, value in vars(module).items():
                if value is thing:
                    return f"from {module.__name__} import {found}" + (f" as {name}" if name != found else "")
        raise LookupError(f"{name}: {thing!r} has no name of its own")


HEADER = '''"""The steps of a run's life, written out straight from the machines, the routes, the judges and the holds.

What lives here: what ``straight/writing.py`` wrote. What must not: anything by hand; change the rules, then ``make
diagrams``. The law of this file: each step does what ``engine.taken`` does with the declared machines, without the calls
in between; a test compares them.
"""

# mypy: ignore-errors
# ruff: noqa

from __future__ import annotations

'''

ALWAYS = {
    "from lifecycle.kernel.draft import twin_of",
    "from lifecycle.kernel.engine import KERNEL",
    "from lifecycle.kernel.routes import in_turn",
}
"""What the file imports whatever is in it."""

NOTHING = '''def nothing(work, before, after):
    """Give nothing back, and take nothing."""


'''


def page() -> str:
    """Return what the file must contain."""
    made = Page()
    kinds = [kind for kind in made.kernel.handling if kind.__name__ in INPUTS]
    steps = "".join(f"    {ast.unparse(made.writer.knows.refer(kind, ''))}: {made.step(kind)},\n" for kind in kinds)
    plans = "\n".join(made.plan(name, plan) for name, plan in made.plans.items())
    scope = made.used({kind.__name__ for kind in kinds})
    lines = {made.reference(name, thing) for name, thing in scope.items()} - {""}
    drafts = {line for line in lines if "twin_of" in line}
    imports = {line for line in lines if line.startswith("from ")} | {line.partition("# ")[2] for line in drafts}
    return "\n".join(
        [
            HEADER + gathered(imports | ALWAYS),
            "\n".join(sorted(line.partition("  #")[0] for line in drafts)),
            "\n",
            NOTHING + "\n\n".join(made.functions.values()),
            "",
            plans,
            "\n".join(sorted(lines - drafts - imports)),
            "STEPS = {\n" + steps + "}",
            "KERNEL.straight = STEPS",
            "",
        ]
    )


def parted(lines: list[str]) -> Iterator[str]:
    """Set the branches and loops of a function apart from what comes before and after them."""
    was = ""
    for line in lines:
        apart = line.startswith(("    if ", "    for ", "    try:")) or was.startswith("     ")
        if was and apart and not line.startswith(("     ", "    el", "    except ")):
            yield ""
        yield line
        was = line


def gathered(imports: Iterable[str]) -> str:
    """Write the imports, one for each module."""
    names: dict[str, list[str]] = {}
    for line in sorted(imports):
        module, _, name = line.removeprefix("from ").partition(" import ")
        names.setdefault(module, []).append(name)
    return "".join(f"from {module} import {', '.join(found)}\n" for module, found in names.items())


def laid_out(text: str) -> str:
    """Lay a page out as all files are."""
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", "page.py", "-"]
    return subprocess.run(command, input=text, capture_output=True, check=True, text=True).stdout


if __name__ == "__main__":
    PAGE.write_text(laid_out(page()), "utf-8")
