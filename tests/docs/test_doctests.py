"""Examples in docstrings are true.

What lives here: the running of doctests over the whole package. What must not: examples. The law of this file: an
example that stands in a docstring was run.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import lifecycle

MODULES = sorted(
    one.name for one in pkgutil.walk_packages(lifecycle.__path__, "lifecycle.") if not one.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    """Every example of a module prints what it says."""
    assert 0 == doctest.testmod(importlib.import_module(name)).failed
