"""Layout: where everything goes, as Graphviz says.

What lives here: the one call of Graphviz, and its answer as numbers. What must not: a look. The law of this file: only
here is it known that Graphviz does this, and whoever has none is told in one sentence what to install.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import attrs

from lifecycle.errors import Invalid

MISSING = "pip install agent-lifecycle[draw], whose wheels bring it on Linux and macOS"

STDERR = 2

LINES_MAX = 1_000
"""Up to so many lines a text is laid out here, at once; a longer one in a process of its own, which can be stopped."""

PATIENCE_SECONDS = 60.0
"""How long that process may take: nobody reads a picture that takes longer."""

APART = """\
import signal, sys, warnings, pygraphviz
signal.signal(signal.SIGINT, signal.SIG_DFL)
warnings.simplefilter("ignore")
graph = pygraphviz.AGraph(string=sys.stdin.read())
graph.layout(prog="dot")
sys.stdout.write(graph.to_string())
"""
"""What that process does."""

Point = tuple[float, float]


@attrs.frozen
class Edge:
    """An edge: from where to where, by which Bézier points; ``tip`` is where its arrow points to, if it has one."""

    tail: str
    head: str
    points: tuple[Point, ...]
    tip: Point | None


@attrs.frozen
class Layout:
    """The sizes and places of everything, in pixels from the upper left corner; nodes by their middle."""

    width: float
    height: float
    nodes: dict[str, Point]
    edges: tuple[Edge, ...]
    clusters: tuple[tuple[float, float, float, float], ...]


def laid_out(text: str) -> Layout:
    """Lay a text in DOT out."""
    graph = placed(text)
    left, low, right, high = numbers(graph.graph_attr["bb"])

    def point(words: str) -> Point:
        x, y = numbers(words)
        return round(x - left, 1), round(high - y, 1)

    nodes = {str(one): point(one.attr["pos"]) for one in graph.nodes()}
    edges = tuple(edge_of(one, point) for one in graph.edges() if one.attr["style"] != "invis")
    boxes = [numbers(one.graph_attr["bb"]) for one in graph.subgraphs() if str(one.name).startswith("cluster")]
    clusters = tuple((x - left, high - top, right_ - x, top - y) for x, y, right_, top in boxes)
    graph.close()
    return Layout(right - left, high - low, nodes, edges, clusters)


def placed(text: str) -> Any:
    """Let Graphviz place everything: a large text apart, for what is at work in C hears neither Ctrl-C nor a clock."""
    library = graphviz()
    if text.count("\n") <= LINES_MAX or not sys.executable:
        graph = library.AGraph(string=text)
        with silent():
            graph.layout(prog="dot")
        return graph
    try:
        command = [sys.executable, "-c", APART]
        done = subprocess.run(
            command, input=text, capture_output=True, encoding="utf-8", timeout=PATIENCE_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        fact = f"it has too much to be laid out in {PATIENCE_SECONDS:g} seconds"
        raise Invalid("format svg", fact, "draw a part of it, or choose table, mermaid, dot or json") from None
    except subprocess.CalledProcessError as failed:
        said = (failed.stderr.strip().splitlines() or [f"exit code {failed.returncode}"])[-1]
        raise Invalid("format svg", f"Graphviz failed ({said})", "choose table, mermaid, dot or json") from None
    return library.AGraph(string=done.stdout)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Let a library in C say nothing on stderr: what it says is about fonts, and no word is laid out."""
    sys.stderr.flush()
    kept = os.dup(STDERR)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, STDERR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nothing)


def graphviz() -> Any:
    """Return what knows Graphviz."""
    try:
        import pygraphviz  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise Invalid("format svg", "it is laid out by Graphviz, which is not installed", MISSING) from None
    return pygraphviz


def numbers(words: str) -> list[float]:
    """Read numbers with commas between them."""
    return [float(one) for one in words.split(",")]


def edge_of(edge: Any, point: Any) -> Edge:
    """Read an edge: its points, and the end of its arrow, which stands first and is marked."""
    words = edge.attr["pos"].replace("\\\n", "").split()
    tip = next((point(one[2:]) for one in words if one.startswith("e,")), None)
    points = tuple(point(one) for one in words if one[:2] not in ("e,", "s,"))
    return Edge(str(edge[0]), str(edge[1]), points, tip)
