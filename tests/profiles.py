"""Profiles: how much is drawn, in the ordinary run and in a long one.

What lives here: the profiles of Hypothesis and what multiplies a number of examples. What must not: a test. The law of
this file: the ordinary run is for every change, the long one, ``make soak``, for whoever has an hour.
"""

from __future__ import annotations

import os

from hypothesis import settings

SOAK_TIMES = 20
"""How many times the ordinary number of examples a long run draws."""

IS_SOAK = bool(os.environ.get("SOAK"))


def register() -> None:
    """Make the profiles known, and load the one that is asked for."""
    settings.register_profile("house", deadline=None)
    settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
    settings.register_profile("soak", deadline=None, max_examples=100 * SOAK_TIMES, print_blob=True)
    settings.load_profile("soak" if IS_SOAK else "ci" if os.environ.get("CI") else "house")


def times(examples: int) -> int:
    """Return how many examples a test draws that says its own number."""
    return examples * SOAK_TIMES if IS_SOAK else examples
