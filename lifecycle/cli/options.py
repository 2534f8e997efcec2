"""Options that several commands have.

What lives here: how they are typed, and what they do wherever they stand. What must not: commands. The law of this file:
an option means the same everywhere.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lifecycle.store.files import default_path

F = TypeVar("F", bound=Callable[..., Any])


class Seconds(click.ParamType[float]):
    """A time in seconds: a number above 0."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; refuse what is no time."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"{value!r} is no number of seconds above 0", param, ctx)
        return seconds


def store_option(command: F) -> F:
    """Add --store."""
    text = f"The SQLite file. Default: {default_path_shown()}."
    return click.option("--store", metavar="FILE", help=text)(command)


def default_path_shown() -> str:
    """Return the default file as people write it."""
    return str(default_path()).replace(str(Path.home()), "~", 1)


def show_tracebacks(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Do what --debug asks for, wherever it stands."""
    if wanted:
        os.environ["LIFECYCLE_DEBUG"] = "1"


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=show_tracebacks,
    help="Show tracebacks (like LIFECYCLE_DEBUG=1).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON Lines instead of text.")
