"""Whatever is generated is fresh.

What lives here: the comparison of files with what their generators would write. What must not: a second generator. The
law of this file: a stale page fails, and ``make diagrams`` is the remedy.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from lifecycle.machines import DECLARED, RUN

ROOT = Path(__file__).resolve().parent.parent.parent


def loaded(name: str) -> ModuleType:
    """Load a generator; it is a script of this project and no module of anybody's path."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DIAGRAMS = loaded("diagrams/generate.py")
STRAIGHT = loaded("straight/writing.py")


def name_of(path: Path) -> str:
    """Name a page as the tree does."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DIAGRAMS.pages(), ids=name_of)
def test_pictures_are_fresh(path: Path) -> None:
    """A picture is what its table says now."""
    assert DIAGRAMS.pages()[path] == path.read_text("utf-8"), "stale: run make diagrams"


def test_straight_steps_are_fresh() -> None:
    """The straight steps are what the machines, routes, judges and holds say now; how they are laid out is no matter."""
    written, fresh = (ast.dump(ast.parse(text)) for text in (STRAIGHT.PAGE.read_text("utf-8"), STRAIGHT.page()))
    assert fresh == written, "stale: run make diagrams"


def test_every_machine_has_a_picture_and_no_picture_is_left_over() -> None:
    """There is one picture for each declared machine."""
    assert {f"{machine.name}.mmd" for machine in DECLARED} == {one.name for one in (ROOT / "diagrams").glob("*.mmd")}


def test_picture_shows_every_row() -> None:
    """No row is left out of the picture of the run."""
    lines = DIAGRAMS.picture(RUN).splitlines()
    missing = [
        str(row)
        for row in RUN.table.flat()
        if not any(line.startswith(f"    {row.source} --> {row.dest}:") and row.trigger in line for line in lines)
    ]
    assert [] == missing


@pytest.mark.parametrize("name", ["tables.md", "machines.md", "command.md"])
def test_reference_is_fresh(name: str) -> None:
    """A table of the reference is what the code says now; a page of the command line is what it prints."""
    reference = loaded("docs/reference/tables.py")
    path = ROOT / "docs" / "reference" / name
    assert reference.pages()[path] == path.read_text("utf-8"), "stale: run make diagrams"
