"""Options that several commands have.

What lives here: how they are typed, and what they do wherever they stand. What must not: commands. The law of this file:
an option means the same everywhere.
"""

from __future__ import annotations

import os

import click


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
