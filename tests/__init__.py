"""Tests: each states its rule in its docstring and runs on the built wheel."""
