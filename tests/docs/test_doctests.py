"""Examples in docstrings are true.

What lives here: the running of doctests over the whole package. What must not: examples. The law of this file: an
example that stands in a docstring was run.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
from pathlib import Path

import pytest

import lifecycle


def has_examples(name: str) -> bool:
    """Say whether an example stands in a module; one without may have globals that do not let themselves be looked at."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and ">>>" in Path(spec.origin).read_text("utf-8")


EVERY = [one.name for one in pkgutil.walk_packages(lifecycle.__path__, "lifecycle.")]
MODULES = sorted(name for name in EVERY if not name.endswith("__main__") and has_examples(name))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    """Every example of a module prints what it says."""
    assert 0 == doctest.testmod(importlib.import_module(name)).failed
