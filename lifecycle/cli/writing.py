"""Writing: data on stdout, messages on stderr, nothing that moves a terminal's cursor.

What lives here: how frames, ends, questions and messages look. What must not: reading, deciding. The law of this file:
every text that an agent, a store or a command line brought passes through ``printable`` before a terminal sees it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from lifecycle import RunEnd
from lifecycle.cli.streams import let_go
from lifecycle.kernel.values import Ended

UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, what turns the direction of writing, and what is no character: a terminal never gets one."""


class StdoutClosedError(Exception):
    """Say that what the command writes goes nowhere: its reader has left, which is no fault, or ``fact`` is why."""

    def __init__(self, cause: OSError | ValueError) -> None:
        super().__init__(cause)
        said = (cause.strerror or str(cause)) if isinstance(cause, OSError) else str(cause)
        self.fact = "" if isinstance(cause, BrokenPipeError) else f"it cannot be written ({said})"


def printable(text: str) -> str:
    r"""Return a text with everything unsafe written as an escape, so that a human sees that it is there.

    >>> print(printable("safe\x1b[2Jtext"))
    safe\x1b[2Jtext
    """
    return UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def on_one_line(text: str) -> str:
    """Return a printable text without line breaks and tabs: an id, or a sentence, cannot look like two."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def as_text(value: object) -> str:
    """Return a JSON value for people: a text as it is, a flat dict as ``key: value``, anything else as JSON.

    >>> as_text({"deleted": "a.txt", "bytes": 12})
    'deleted: a.txt · bytes: 12'
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value:
        return " · ".join(f"{key}: {item if isinstance(item, str) else compact(item)}" for key, item in value.items())
    return compact(value)


def compact(value: object) -> str:
    """Return JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def indented(value: object) -> str:
    """Return JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)


DECIDED_BY_SOMEBODY = ("aborted", "rejected", "closed")
"""The causes that stand for what somebody wanted."""


def end_in_words(end: RunEnd | Ended, text_chars_max: int) -> str:
    """Say on one line how a run ended, with at most so much of its text.

    >>> end_in_words(RunEnd("r-1", "interrupted", "aborted", "ada", "Ctrl-C", None), 80)
    'interrupted (aborted by ada: Ctrl-C)'
    """
    who = f" by {end.who}" if end.cause in DECIDED_BY_SOMEBODY and end.who else ""
    text = end.text if len(end.text) <= text_chars_max else f"{end.text[: text_chars_max - 1]}…"
    return on_one_line(f"{end.state} ({end.cause}{who}{': ' if text else ''}{text})")


def has_colours(stream: TextIO) -> bool:
    """Say whether a stream shows colours: a terminal whose user did not say otherwise."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


STDERR = 2


class Output:
    """Where a command writes: lines for people, or, with ``json``, one JSON object a line.

    With ``json``, what the agent itself prints goes to stderr: each line of stdout is data.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.out = sys.stdout
        self.err = sys.stderr
        for stream in (self.out, self.err):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        if as_json:
            sys.stdout = sys.stderr

    def data(self, **fields: Any) -> None:
        """Write one record of data; only with ``json``."""
        if self.as_json:
            self.line(json.dumps(fields, ensure_ascii=True))

    def text(self, text: str) -> None:
        """Write data for people; nothing with ``json``."""
        if not self.as_json and text:
            self.line(printable(text))

    def line(self, line: str) -> None:
        """Write a line to stdout at once. Raise StdoutClosedError if that cannot be."""
        with self.to_stdout():
            self.out.write(line + "\n")
            self.out.flush()

    def flush(self) -> None:
        """Write what the agent's code printed and stdout still holds. Raise StdoutClosedError if that cannot be."""
        with self.to_stdout():
            if not self.out.closed:
                self.out.flush()

    @contextlib.contextmanager
    def to_stdout(self) -> Iterator[None]:
        """Do what does nothing but write to stdout: whatever fails is its fault."""
        try:
            yield
        except (OSError, ValueError) as closed:
            raise StdoutClosedError(closed) from closed

    def say(self, message: str, colour: str | None = None) -> None:
        """Write a message to stderr: one or several lines for people, whatever the format of the data."""
        text = printable(message)
        if colour is not None and has_colours(self.err):
            text = click.style(text, fg=colour)
        try:
            self.err.write(text + "\n")
            self.err.flush()
        except OSError:
            let_go(STDERR)
        except ValueError:
            pass


def decide_line(session: str, run: str, request: str, decision: str, *options: str) -> str:
    """Return the command that answers a question, quoted for a shell.

    >>> decide_line("my session", "r-1", "q", "approve", "--store", "runs.db")
    "lifecycle decide --store runs.db 'my session' r-1 q approve"
    """
    names = [session, run, request, decision]
    dashed = ["--"] if any(name.startswith("-") for name in names) else []
    return shlex.join(["lifecycle", "decide", *options, *dashed, *names])
