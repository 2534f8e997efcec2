"""The command ``lifecycle``: run an agent from a terminal, answer its questions, look at what a file holds."""

from __future__ import annotations

from lifecycle.cli.entry import main

__all__ = ["main"]
