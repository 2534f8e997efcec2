"""Pages are run as a reader would: files are written, commands are typed, and what they print is what stands there.

What lives here: the reading of a page. What must not: what a page says. The law of this file: a block of Python that
begins with the name of a file is that file, a console block is typed in a shell and its output compared (``...`` stands
for anything), and nothing else on a page is executed.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

import lifecycle

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "diagrams" / "README.md"]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/.-]+\.py)\n")
SHIMS = {"python": "", "lifecycle": "-m lifecycle.cli"}
SECONDS_MAX = 60


@attrs.frozen
class Command:
    """A command of a page, with what it prints."""

    typed: str
    printed: str


def name_of(path: Path) -> str:
    """Name a page as the tree does."""
    return path.relative_to(ROOT).as_posix()


def commands(block: str) -> list[Command]:
    """Read a console block: a line after ``$`` is typed, the lines below it are printed."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [Command(typed, printed) for typed, _, printed in (part.partition("\n") for part in parts)]


def is_run(page: Path) -> bool:
    """Say whether there is anything to run on a page."""
    return "```console\n" in page.read_text("utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a folder where ``python`` and ``lifecycle`` are the ones under test."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, module in SHIMS.items():
        (bin_ / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n', "utf-8")
        (bin_ / name).chmod(0o755)
    (tmp_path / "page").mkdir()
    return tmp_path / "page"


def typed(command: Command, place: Path) -> str:
    """Type a command in a shell and return what it printed, on either channel."""
    environment = {
        **os.environ,
        "PATH": f"{place.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(lifecycle.__file__).resolve().parent.parent),
        "PYTHONWARNINGS": "default",
        "HOME": str(place.parent),
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["sh", "-c", command.typed],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_MAX,
    )
    return done.stdout


def same(expected: str, printed: str) -> bool:
    """Compare what stands on a page with what was printed."""
    return doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)


@pytest.mark.parametrize("page", [page for page in PAGES if is_run(page)], ids=name_of)
def test_page_does_what_it_says(page: Path, place: Path) -> None:
    """Whoever follows a page from top to bottom sees what is printed on it."""
    for kind, block in BLOCK.findall(page.read_text("utf-8")):
        if kind == "python":
            named = FILE.match(block)
            assert named is not None, f"a block of Python without the name of its file:\n{block}"
            (place / named.group(1)).write_text(block, "utf-8")
            continue
        for command in commands(block):
            printed = typed(command, place)
            assert same(command.printed, printed), f"$ {command.typed}\n{printed}\n-- instead of\n{command.printed}"


LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(#[\w-]+)?\)")


def anchors(page: Path) -> set[str]:
    """List the anchors of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_is_found_from_the_first() -> None:
    """Whoever follows the links from the first page of the documentation comes to all of it."""
    first = ROOT / "docs" / "README.md"
    found, todo = {first}, [first]
    while todo:
        page = todo.pop()
        linked = {(page.parent / link).resolve() for link, _ in LINK.findall(page.read_text("utf-8"))}
        fresh = {one for one in linked if one in PAGES} - found
        found |= fresh
        todo += fresh
    assert {name_of(page) for page in PAGES} - {"README.md"} == {name_of(page) for page in found} - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_links_to_what_is_there(page: Path) -> None:
    """A link inside the project leads somewhere, its anchor included."""
    broken = []
    for link, anchor in LINK.findall(page.read_text("utf-8")):
        target = page.parent / link
        if not link.startswith("http") and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link + anchor)
    assert [] == broken
