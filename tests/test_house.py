"""The house: rules about the files rather than about what they do.

What lives here: style that is checked by an ordinary test, what ships, what is public. What must not: behaviour. The
law of this file: whatever is written twice, or promised in words, is compared.
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import lifecycle

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = sorted((ROOT / "lifecycle").rglob("*.py"))
INITS = [path for path in PACKAGE if path.name == "__init__.py"]
MODULES = [path for path in PACKAGE if path.name not in ("__init__.py", "__main__.py")]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEXTS = {".cfg", ".json", ".md", ".mjs", ".mmd", ".py", ".pyi", ".svg", ".toml", ".txt", ""}


def name_of(path: Path) -> str:
    """Name a file as the tree does."""
    return path.relative_to(ROOT).as_posix()


def files_of_the_project() -> list[Path]:
    """List what is tracked, or would be; without git, everything that no tool has written."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        told = subprocess.run(listed, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [path for path in ROOT.rglob("*") if path.is_file() and not hidden(path)]
    return [ROOT / name for name in told.split("\0") if name and (ROOT / name).is_file()]


def hidden(path: Path) -> bool:
    """Say whether a tool keeps this for itself."""
    return any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(ROOT).parts)


def readable(path: Path) -> bool:
    """Say whether a file is text of ours."""
    return path.suffix in TEXTS and path.name != "LICENSE" and path != Path(__file__).resolve()


# -- what is public ---------------------------------------------------------------------------------------------------

PUBLIC = (
    "Approval",
    "Attachment",
    "Busy",
    "Choice",
    "Clock",
    "Conflict",
    "Decision",
    "DefinitionError",
    "Denied",
    "Explanation",
    "Frame",
    "FreeText",
    "Gap",
    "Grant",
    "Guard",
    "Hold",
    "HumanAnswer",
    "Invalid",
    "InvariantBroken",
    "Kernel",
    "LifecycleError",
    "Limits",
    "Machine",
    "MemoryStore",
    "NotFound",
    "Observed",
    "OpenRequest",
    "Park",
    "Policy",
    "Refused",
    "RequestView",
    "Row",
    "RunAborted",
    "RunEnd",
    "RunHandle",
    "RunView",
    "Runtime",
    "SQLiteStore",
    "SegmentEnd",
    "Send",
    "Session",
    "SessionView",
    "ShutdownReport",
    "SignIn",
    "Signal",
    "State",
    "Step",
    "Store",
    "StoreError",
    "SystemClock",
    "Tracker",
    "VirtualClock",
    "allowed",
    "answer",
    "approve",
    "due",
    "explain",
    "judge",
    "project",
    "reject",
    "reject_and_continue",
    "step",
)


def test_public_names_are_guarded() -> None:
    """A public name comes or goes on purpose: here, and in the changelog."""
    assert sorted(PUBLIC) == sorted(lifecycle.__all__)


def test_public_names_are_there() -> None:
    """Whatever is listed can be imported."""
    assert [] == [name for name in lifecycle.__all__ if not hasattr(lifecycle, name)]


# -- how files read ---------------------------------------------------------------------------------------------------


def is_import(node: ast.stmt) -> bool:
    """Say whether a statement only imports; an import for type checkers is one."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return all(is_import(one) for one in node.body)
    return isinstance(node, (ast.Import, ast.ImportFrom))


def gathers(node: ast.stmt) -> bool:
    """Say whether a statement is ``__all__``, or a plain tuple of imported names."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
        return False
    return node.targets[0].id == "__all__" or (
        isinstance(node.value, ast.Tuple) and all(isinstance(one, ast.Name) for one in node.value.elts)
    )


def imports_an_extra(node: ast.stmt) -> bool:
    """Say whether a statement is the hook that imports a name when it is asked for, because it needs an extra."""
    return isinstance(node, ast.FunctionDef) and node.name == "__getattr__"


def names_the_version(node: ast.stmt) -> bool:
    """Say whether a statement asks the metadata for the version, the one place where it is written."""
    names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return isinstance(node, (ast.Assign, ast.Try)) and names == {"__version__"}


ALLOWED = (is_import, gathers, imports_an_extra, names_the_version)


@pytest.mark.parametrize("path", INITS, ids=name_of)
def test_init_is_imports_and_all(path: Path) -> None:
    """An ``__init__`` says what its package offers and does nothing."""
    tree = ast.parse(path.read_text("utf-8"))
    rest = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    odd = [node.lineno for node in rest if not any(allows(node) for allows in ALLOWED)]
    assert [] == odd


@pytest.mark.parametrize("path", INITS, ids=name_of)
def test_init_says_what_it_offers(path: Path) -> None:
    """A package begins with a sentence about itself."""
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_states_its_law(path: Path) -> None:
    """A module says what lives in it, what must not, and its one law."""
    told = " ".join((ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split())
    wanted = ("What lives here: ", "What must not: ", "The law of this file: ")
    assert [] == [words for words in wanted if words not in told]


FORBIDDEN_NAMES = re.compile(r"\b(helpers?|manager|utils?|handle_\w+)\b")


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_module_names_things(path: Path) -> None:
    """A name says what a thing is; these say nothing."""
    tree = ast.parse(path.read_text("utf-8"))
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [path.stem, *(node.name for node in ast.walk(tree) if isinstance(node, named))]
    assert [] == [name for name in names if FORBIDDEN_NAMES.search(name.lower())]


# -- how tests read ---------------------------------------------------------------------------------------------------


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """List the functions of a file, wherever they stand."""
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


@pytest.mark.parametrize("path", [path for path in TESTS if path.name.startswith("test_")], ids=name_of)
def test_tests_tell_their_rule(path: Path) -> None:
    """Every test tells the rule it checks in its docstring."""
    silent = [one.name for one in functions_of(path) if one.name.startswith("test_") and not ast.get_docstring(one)]
    assert [] == silent


def sleeps(node: ast.AST) -> bool:
    """Say whether a call waits for the clock on the wall; a sleep of 0 only gives way."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "sleep":
        return False
    if not isinstance(node.func.value, ast.Name) or node.func.value.id not in ("time", "asyncio"):
        return False
    return not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_tests_never_sleep(path: Path) -> None:
    """A test that sleeps is slow, and wrong on a slow machine; time is a virtual clock's."""
    assert [] == [ast.unparse(node) for node in ast.walk(ast.parse(path.read_text("utf-8"))) if sleeps(node)]


# -- what the files must not say --------------------------------------------------------------------------------------

OF_ONE_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|(?:home|Users)(?!/ada\b))/\w+|\bshared/\w+\.md\b")


def test_files_name_no_place_of_one_machine() -> None:
    """What is written here is true of every machine."""
    found = [
        f"{name_of(path)}: {match.group()}"
        for path in files_of_the_project()
        if readable(path)
        for match in OF_ONE_MACHINE.finditer(path.read_text("utf-8"))
    ]
    assert [] == found


# -- what ships -------------------------------------------------------------------------------------------------------


def test_changelog_begins_with_this_version() -> None:
    """The newest entry of the changelog is the version that is built."""
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest is not None
    assert importlib.metadata.version("agent-lifecycle") == newest.group(1)


def test_import_brings_the_version() -> None:
    """If the package tells a version, it is the one of its metadata: there is one place for it."""
    told = getattr(lifecycle, "__version__", importlib.metadata.version("agent-lifecycle"))
    assert importlib.metadata.version("agent-lifecycle") == told


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build a wheel of a copy of this tree and list what is in it."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for path in files_of_the_project():
        (copy / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(out)]
    subprocess.run([*build, str(copy)], check=True, capture_output=True, env={**os.environ, "PIP_NO_INDEX": "1"})
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


def test_wheel_ships_the_whole_package_and_nothing_else(wheel: list[str]) -> None:
    """Every module ships, with the marker for type checkers; tests, examples, benchmarks and pictures do not."""
    shipped = {name for name in wheel if ".dist-info/" not in name}
    assert {*(name_of(path) for path in PACKAGE), "lifecycle/py.typed"} == shipped


def test_wheel_says_who_may_use_it(wheel: list[str]) -> None:
    """The licence ships, and the command."""
    inside = {name.partition(".dist-info/")[2] for name in wheel}
    assert {"licenses/LICENSE", "entry_points.txt"} <= inside


@pytest.mark.skipif("MAKELEVEL" not in os.environ, reason="make promises a wheel; elsewhere the tree will do")
def test_tests_run_on_the_wheel() -> None:
    """What was tested is what is installed, not the tree it was built from."""
    assert ROOT / "lifecycle" != Path(lifecycle.__file__).resolve().parent
