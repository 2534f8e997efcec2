"""Pictures: from what a command line names to what is written.

What lives here: finding the machine, choosing the renderer, writing or comparing files. What must not: a look. The law of
this file: everything is drawn before the first byte is written, and each file is replaced in one go.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import attrs

from lifecycle.cli.opening import readable
from lifecycle.cli.target import debug_traceback, in_short, named
from lifecycle.cli.typed import checked
from lifecycle.cli.writing import Output, on_one_line
from lifecycle.declaration import Machine
from lifecycle.draw import Graph, Seen, as_json, files, graph_of, graphviz_text, mermaid, picture, png, table, whole
from lifecycle.errors import Invalid, LifecycleError, NotFound
from lifecycle.machines import DECLARED, MACHINES

DONE, STALE = 0, 1

REMEDY = "name a machine, or a function that returns one"

RENDERERS: dict[str, Callable[[Graph], str]] = {
    "mermaid": mermaid,
    "dot": graphviz_text,
    "svg": picture,
    "table": table,
    "json": as_json,
}
"""What draws each format as text; a PNG is made of the SVG."""

WHOLE = "whole"


# -- what is drawn ----------------------------------------------------------------------------------------------------


def drawn(target: str, form: str, store: str | None, machine: str | None) -> bytes:
    """Draw what is named."""
    if store is not None:
        return rendered(graph_of_session(store, target, machine or "session"), form)
    if target == WHOLE:
        if form not in ("svg", "png"):
            fact = "all machines together are a picture only"
            raise Invalid(f"machine {WHOLE}", fact, "add --format svg, or --out FILE that ends in .svg or .png")
        return as_bytes(whole(), form)
    return rendered(graph_of(machine_at(target)), form)


def rendered(graph: Graph, form: str) -> bytes:
    """Draw a graph."""
    return as_bytes(RENDERERS["svg" if form == "png" else form](graph), form)


def as_bytes(text: str, form: str) -> bytes:
    """Return the bytes of a file; half of a letter, which none can hold, is written as an escape."""
    return png(text) if form == "png" else text.encode(errors="backslashreplace")


def machine_at(target: str) -> Machine:
    """Return the machine that a target names: one of the declared ones, or somebody's own."""
    for one in DECLARED:
        if one.name == target:
            return one
    if ":" not in target:
        checked("machine", target)  # an empty name, or one that is no text
        known = ", ".join(one.name for one in DECLARED)
        fact = "no declared machine has this name"
        raise Invalid(f"machine {target}", fact, f"name one of {known}, or module:name or path.py:name")
    found = named(target, "machine", REMEDY)
    try:
        return found_at(target, found)
    except LifecycleError:
        raise
    except Exception as raised:  # the author's code: whatever it raises is one sentence
        debug_traceback()
        fact = f"taking it in raises {in_short(raised)}"
        raise Invalid(f"target {target}", fact, "let no code of it raise that") from None


def found_at(target: str, found: object) -> Machine:
    """Take in what was found: a machine of ours, one of `transitions`, a model that has one, what a function returns."""
    from lifecycle.check.machines import machine_in, taken_in
    from lifecycle.check.properties import Checked

    try:
        value, model = machine_in(found, takes=Checked)
        if isinstance(value, Checked):
            value, model = machine_in(value.machine, value.model)
    except Invalid as wrong:
        raise Invalid(f"target {target}", wrong.fact, REMEDY) from None
    return taken_in(value, model, target.rpartition(":")[2])


# -- a session --------------------------------------------------------------------------------------------------------


def graph_of_session(store: str, name: str, machine: str) -> Graph:
    """Return a machine with the present state and the path of a session marked.

    Of the runs, executions and requests it has had, the last one is shown.
    """
    checked("session id", name)
    declared = {one.name: one for one in MACHINES if one.name not in ("segment", "controller")}
    if machine not in declared:
        raise Invalid(f"machine {machine}", "no journal tells of it", f"name one of {', '.join(declared)}")
    with closing(readable(store)) as look:
        kept = look.load(name)
        if kept is None:
            raise NotFound(f"session {name}", f"not known in {look.name}", "`lifecycle show` lists what there is")
        entries = list(look.journal(name))
        present = kept.session.state if machine == "session" else None
    moves = [move for entry in entries for move in entry.moves if move[0] == machine]
    last = moves[-1][1] if moves else None
    if not moves and present is None:
        raise Invalid(f"session {name}", f"its journal tells of no {machine}", "draw another machine of it")
    mine = [move for move in moves if move[1] == last or machine == "session"]
    counted = Counter((source or "", trigger, dest) for _, _, trigger, source, dest in mine)
    taken = tuple((*way, times) for way, times in counted.items())
    graph = graph_of(declared[machine], seen=Seen(present or mine[-1][4], taken))
    whose = f"Session {name}" if machine == "session" else f"{machine.capitalize()} {last} of session {name}"
    path = "and the path it took" if entries and entries[0].revision == 1 else "and what of its path was not let go"
    return attrs.evolve(graph, sentence=f"{whose}, {path}.")


# -- what is written --------------------------------------------------------------------------------------------------


def put(output: Output, content: bytes, out: Path | None, checking: bool) -> int:
    """Write a picture to its file, or to stdout; or say whether the file is stale."""
    if out is None:
        return to_stdout(output, content)
    if checking:
        return compared(output, {out: content})
    write({out: content})
    output.say(f"{on_one_line(str(out))} is written")
    return DONE


def to_stdout(output: Output, content: bytes) -> int:
    """Write a picture to stdout; a PNG not to a terminal."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        if output.out.isatty():
            raise Invalid("--format png", "a terminal shows no PNG", "add --out FILE") from None
        with output.to_stdout():
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        return DONE
    with output.to_stdout():
        output.out.write(text)
        output.out.flush()
    return DONE


def gallery(output: Output, folder: Path, checking: bool) -> int:
    """Draw every declared machine into a folder, or say what in it is stale."""
    contents = {folder / name: text.encode() for name, text in files().items()}
    if checking:
        return compared(output, contents)
    with refused_in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write(contents)
    output.say(f"{folder}: {len(contents)} files are written")
    return DONE


def compared(output: Output, contents: dict[Path, bytes]) -> int:
    """Say which files are not what would be written."""
    stale = [path for path, content in contents.items() if not same(path, content)]
    for path in stale:
        what = "it is stale" if path.exists() else "it is not there"
        output.say(f"file {on_one_line(str(path))}: {what}; draw it again", "red")
    return STALE if stale else DONE


def same(path: Path, content: bytes) -> bool:
    """Say whether a file has this content."""
    if not path.exists():
        return False
    with refused_in_words(path, "read"):
        return path.read_bytes() == content


def write(contents: dict[Path, bytes]) -> None:
    """Write files."""
    for path, content in contents.items():
        with refused_in_words(path):
            if path.exists() and not (path.is_file() or path.is_dir()):
                path.write_bytes(content)  # a pipe or a device is written to, never replaced
            else:
                replace(Path(os.path.realpath(path)), content)


def replace(path: Path, content: bytes) -> None:
    """Write a file beside its place first, then move it there."""
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(beside, 0o666 & ~mask())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def mask() -> int:
    """Return which rights files of this process do not get."""
    now = os.umask(0)
    os.umask(now)
    return now


@contextlib.contextmanager
def refused_in_words(path: Path, done: str = "written"):  # type: ignore[no-untyped-def]
    """Say in one sentence what the system refuses."""
    try:
        yield
    except FileNotFoundError:
        raise Invalid(f"file {path}", "there is no such folder", "make it, or name another file") from None
    except OSError as fault:
        raise Invalid(f"file {path}", f"it cannot be {done} ({fault.strerror})", "name another") from None
