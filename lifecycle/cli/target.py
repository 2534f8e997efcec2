"""Targets: from ``module:name`` or ``path.py:name`` to an agent, or to whatever else is named so.

What lives here: finding, importing and judging what a command line or a store names. What must not: calling it. The law
of this file: whatever is wrong with a target is one sentence, and nothing has been started.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from lifecycle.errors import Invalid

FORM = "name it as module:name or path.py:name"
AGENT = "name a function or an object with __call__"


def full_name(target: str) -> str:
    """Return the name under which an agent is stored: a path is made absolute, so that it holds in any folder."""
    place, name = parts(target)
    return f"{os.path.abspath(os.path.expanduser(place))}:{name}" if is_path(place) else target


def load(target: str) -> Any:
    """Return the agent that a target names, or raise Invalid."""
    return judged(target, named(target))


def named(target: str, what: str = "agent", remedy: str = AGENT) -> Any:
    """Return whatever a target names, or raise Invalid; ``what`` and ``remedy`` say what is wanted."""
    place, name = parts(target, what)
    module = module_at(target, place) if is_path(place) else module_called(target, place)
    return attribute(target, module, name, remedy)


def parts(target: str, what: str = "agent") -> tuple[str, str]:
    """Split a target at its last colon."""
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise Invalid(f"target {target}", f"it names no {what} in a module or file", FORM)
    return place, name


def is_path(place: str) -> bool:
    """Say whether a place is a file rather than a module."""
    return place.endswith(".py") or "/" in place


def module_at(target: str, place: str) -> ModuleType:
    """Import a file; like a script, it may import its neighbours."""
    path = Path(place).expanduser().absolute()
    if not path.is_file():
        fact = "it is no file" if path.exists() else "there is no such file"
        raise Invalid(f"target {target}", f"{path}: {fact}", "give the path of a Python file")
    name = path.stem if path.stem.isidentifier() else "agent"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Invalid(f"target {target}", f"{path} is no Python file", "give the path of a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    sys.modules.setdefault(name, module)
    loader = spec.loader

    def run_file() -> ModuleType:
        loader.exec_module(module)
        return module

    return imported(target, run_file)


def module_called(target: str, place: str) -> ModuleType:
    """Import a module by its name; the current folder comes first, as for ``python -m``."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return imported(target, lambda: importlib.import_module(place), place)


def imported(target: str, run_import: Callable[[], ModuleType], place: str | None = None) -> ModuleType:
    """Import, and turn whatever goes wrong into one sentence."""
    try:
        return run_import()
    except KeyboardInterrupt:
        raise
    except BaseException as fault:
        debug_traceback()
        if place is not None and isinstance(fault, ModuleNotFoundError) and names(place, fault.name):
            fact = f"there is no module {fault.name}"
            raise Invalid(f"target {target}", fact, "check the name, and the folder you are in") from None
        failed = f"importing it failed: {in_short(fault)}"
        raise Invalid(f"target {target}", failed, "repair it, then run again") from None


def names(place: str, missing: str | None) -> bool:
    """Say whether the missing module is the one named, or a package it is said to be in."""
    return missing is not None and (place == missing or place.startswith(f"{missing}."))


def in_short(fault: BaseException) -> str:
    """Say in one phrase what was raised, and where: the last line of what was named, rather than of what it uses."""
    text = str(fault).strip().partition("\n")[0]
    said = f"{type(fault).__name__}: {text}" if text else type(fault).__name__
    if isinstance(fault, SyntaxError):
        return said
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(LIBRARIES)] or frames
    return f"{said} ({own[-1].filename}, line {own[-1].lineno})" if own else said


LIBRARIES = ("<frozen ", *{sysconfig.get_path(name) + os.sep for name in ("stdlib", "purelib", "platlib")})
"""Where the files are that nobody who names a target is asked to repair."""


def debugging() -> bool:
    """Say whether tracebacks are wanted."""
    return os.environ.get("LIFECYCLE_DEBUG", "") not in ("", "0")


def debug_traceback() -> None:
    """Show the traceback of what is being handled, if that is wanted."""
    if debugging():
        with contextlib.suppress(OSError):  # stderr may be full
            traceback.print_exc()


def attribute(target: str, module: ModuleType, name: str, remedy: str = AGENT) -> Any:
    """Return what a module has under a name; dots lead into it."""
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            fact = f"{module.__name__} has no {name}"
            raise Invalid(f"target {target}", fact, remedy) from None
    return found


def judged(target: str, found: Any) -> Any:
    """Return what was found if it is an agent: callable with a run, and no generator."""
    fault = fault_of(found)
    if fault is None:
        return found
    remedy = "an agent is a function of one argument, def or async def, or an object with such a __call__"
    raise Invalid(f"target {target}", fault, remedy)


def fault_of(found: Any) -> str | None:
    """Say why this is no agent, or nothing if it is one."""
    if isinstance(found, type):
        return f"{found.__name__} is a class"
    if not callable(found):
        return f"it is {article(type(found).__name__)}, which cannot be called"
    called = found if inspect.isroutine(found) else found.__call__
    if inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        return "it is a generator"
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(object())
    except TypeError:
        return f"it cannot be called with a run alone: its arguments are {signature}"
    return None


def article(word: str) -> str:
    """Put an article before a word."""
    return f"an {word}" if word[:1].lower() in "aeiou" else f"a {word}"
