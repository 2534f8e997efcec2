"""In a notebook a machine shows itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lifecycle.declaration import showing
from lifecycle.draw import graph_of, mermaid, picture

from .examples import DOOR


def test_machine_is_its_picture() -> None:
    """Given a machine at the end of a cell, then it is shown as SVG, and as text for who shows none."""
    bundle = DOOR._repr_mimebundle_()
    assert picture(graph_of(DOOR)) == bundle["image/svg+xml"] == DOOR._repr_svg_()
    assert mermaid(graph_of(DOOR)) == bundle["text/vnd.mermaid"]


def test_machine_without_graphviz_is_its_diagram(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no Graphviz, then a machine is shown as its Mermaid diagram, and nothing is raised."""
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    bundle = DOOR._repr_mimebundle_()
    assert "image/svg+xml" not in bundle
    assert f"```mermaid\n{mermaid(graph_of(DOOR))}```" == bundle["text/markdown"]


def test_declaration_alone_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given nobody who draws, then a machine has no picture, and is shown as the value it is."""
    monkeypatch.setattr(showing, "_shows", [])
    assert ({}, None) == (DOOR._repr_mimebundle_(), DOOR._repr_svg_())


def test_import_waits_for_no_drawing() -> None:
    """Whoever imports the package does not wait for what draws."""
    code = "import sys, lifecycle; print([name for name in sys.modules if name.startswith('lifecycle.draw')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "[]\n" == done.stdout
