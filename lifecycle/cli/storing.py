"""The commands about a file as a whole: check, compact, export, import.

What lives here: what can be typed after ``lifecycle store``, and what is said of it. What must not: how a file is read or
made; the store knows that. The law of this file: what goes wrong is one sentence and exit code 2, and nothing was changed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import attrs
import click

from lifecycle import Limits
from lifecycle.cli.options import Seconds, debug_option, json_option, store_option
from lifecycle.cli.writing import Output, on_one_line
from lifecycle.errors import Invalid, NotFound
from lifecycle.kernel.values import us
from lifecycle.store.files import beside, default_path, resolved, synced
from lifecycle.store.port import Compacted
from lifecycle.store.sqlite import SQLiteStore

DAMAGED = 1

BATCH_SESSIONS = 256
BATCH_ROWS = 4_096
"""How much one transaction lets go: whoever stops the command loses no more than that."""

PROGRESS_SECONDS = 0.5
"""How often a terminal is told how far it is."""


@click.group("store", epilog="Example: lifecycle store check --store runs.db")
@debug_option
def store() -> None:
    """Check, compact, export or import a store."""


def there(path: str | None) -> str:
    """Return the path of a store that should be there; a default one that is not yet is no mistake in a path."""
    if path is None and not default_path().exists():
        raise NotFound(f"store {default_path()}", "nothing was run yet", "the first run makes it")
    return str(resolved(path, read_only=True))


# -- check ------------------------------------------------------------------------------------------------------------


@store.command(epilog="Example: lifecycle store check --store copy.db --json")
@store_option
@json_option
@debug_option
def check(store: str | None, as_json: bool) -> int:
    """Read every record, take every journal again, and name what is damaged.

    The file is read as it is at one moment; a process may be writing to it. Nothing is written to it. Exit code 1 if
    something is damaged.
    """
    from lifecycle.store.checking import check as check_store  # here and below: no other command needs it
    from lifecycle.store.steady import SteadyStore

    output = Output(as_json)
    with closing(SteadyStore(there(store))) as look:
        checked = check_store(look)
    for damage in checked.damages:
        output.data(type="damage", **attrs.asdict(damage))
        output.text(on_one_line(str(damage)))
    counts = {"sessions": checked.sessions, "entries": checked.entries, "ended": checked.ended}
    output.data(type="checked", store=look.name, **counts, damages=len(checked.damages))
    told = f"{checked.sessions} sessions, {checked.entries} steps and {checked.ended} ended runs"
    damaged = len(checked.damages)
    verdict = f"{damaged} damaged; restore the file from a copy" if damaged else "nothing is damaged"
    output.say(f"store {look.name}: {told} were read; {verdict}", "red" if damaged else "green")
    return DAMAGED if damaged else 0


# -- compact ----------------------------------------------------------------------------------------------------------


@store.command(epilog="Example: lifecycle store compact --store runs.db --retention 3600")
@click.option("--retention", type=Seconds(), default=Limits().retention_seconds, show_default=True,
              help="Let go of what ended longer ago than this many seconds.")  # fmt: skip
@store_option
@json_option
@debug_option
def compact(retention: float, store: str | None, as_json: bool) -> int:
    """Let go of what is past its retention, and make the file as small as what is in it.

    A runtime does the first by itself; this is for a file that none has open, or to give room back to the disk. Runs
    that have not ended stay. It may be stopped at any moment, and goes on where it was. Exit code 1 if something is damaged:
    it is named, and left as it is.
    """
    output, path = Output(as_json), there(store)
    with closing(SQLiteStore(path)) as kept:
        kept.claim_alone()
        before = bytes_of(Path(path))
        now = max(time.time_ns() // 1_000, kept.latest())
        runs = steps = sessions = 0
        told, refused = time.monotonic(), dict[str, None]()
        for done in batches(kept, now - us(retention)):
            runs, steps, sessions = runs + done.runs, steps + done.entries, sessions + len(done.sessions)
            refused |= dict.fromkeys(str(error) for error in done.refused)
            if output.err.isatty() and time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                output.say(f"{runs} runs, {steps} steps and {sessions} sessions so far")
        kept.vacuum()
        after = bytes_of(Path(path))
    gone = {"runs": runs, "steps": steps, "sessions": sessions}
    output.data(type="compacted", store=path, **gone, bytes_before=before, bytes_after=after)
    output.text(f"{runs} runs, {steps} steps and {sessions} sessions left")
    output.text(f"{before} bytes before, {after} bytes after")
    for error in refused:
        output.say(on_one_line(error), "red")
    return DAMAGED if refused else 0


def batches(kept: SQLiteStore, before: int) -> Iterator[Compacted]:
    """Let go of all that is old, batch by batch, until a whole round finds nothing that may leave."""
    some = True
    while some:
        some = False
        for names in chunks(kept.aged(before)):
            done = kept.compact(dict.fromkeys(names, 0), before, BATCH_ROWS)
            some = some or bool(done.runs or done.entries)
            yield done


def chunks(names: Iterator[str]) -> Iterator[list[str]]:
    """Return names in lists of a batch each."""
    several: list[str] = []
    for name in names:
        several.append(name)
        if len(several) == BATCH_SESSIONS:
            yield several
            several = []
    if several:
        yield several


def bytes_of(path: Path) -> int:
    """Return what a store takes on the disk, its log included."""
    return sum(one.stat().st_size for one in (path, beside(path, "-wal")) if one.exists())


# -- export and import ------------------------------------------------------------------------------------------------


@store.command("export", epilog="Example: lifecycle store export --store runs.db --out runs.jsonl")
@click.option("--out", metavar="FILE", help="Write to this file, whole or not at all. Default: stdout.")
@store_option
@debug_option
def export_command(out: str | None, store: str | None) -> int:
    """Write all that a store has as JSON Lines.

    It is the store as it is at one moment; a process may be writing to it. The last line counts and sums up the others:
    an export that was cut is not imported. Export, import and export again give the same bytes.
    """
    from lifecycle.store.exporting import exported
    from lifecycle.store.steady import SteadyStore

    output = Output()
    with closing(SteadyStore(there(store))) as look:
        if out is None:
            write_to_stdout(output, exported(look))
        else:
            write_whole(Path(out), exported(look))
            output.say(f"store {look.name}: exported to {on_one_line(out)}", "green")
    return 0


def write_to_stdout(output: Output, lines: Iterable[bytes]) -> None:
    """Write lines to stdout; raise StdoutClosedError if that cannot be."""
    for line in lines:
        with output.to_stdout():
            output.out.buffer.write(line)
    with output.to_stdout():
        output.out.buffer.flush()


def write_whole(path: Path, lines: Iterable[bytes]) -> None:
    """Write a file beside its path and move it there once it is on the disk."""
    fresh = beside(path, "-new")
    try:
        with fresh.open("wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
        synced(path.parent)
    except OSError as fault:
        raise Invalid(f"file {path}", f"it cannot be written ({fault.strerror})", "choose another path") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


@store.command("import", epilog="Example: lifecycle store import runs.jsonl --store new.db")
@click.argument("file")
@store_option
@json_option
@debug_option
def import_command(file: str, store: str | None, as_json: bool) -> int:
    """Make a store of an export. FILE is what export wrote, or - to read it from stdin.

    There must be nothing at the path of the store yet. What was read is checked before the store is there.
    """
    from lifecycle.store.exporting import import_into

    output = Output(as_json)
    path = str(resolved(store, read_only=False))
    with opened(file) as lines:
        sessions = import_into(path, lines, "stdin" if file == "-" else file)
    output.data(type="imported", store=path, sessions=sessions)
    output.text(f"{sessions} sessions imported into {on_one_line(path)}")
    return 0


def opened(file: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    """Open an export for reading."""
    if file == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except (OSError, ValueError) as fault:
        told = getattr(fault, "strerror", None) or "it is no path"
        raise Invalid(f"export {file}", f"it cannot be read ({told})", "check the path") from None
