"""JSON: a graph as data for whoever draws it otherwise.

What lives here: the records as one JSON text. What must not: a second shape; the fields are those of the records. The
law of this file: what is written can be read back to the same graph.
"""

from __future__ import annotations

import json

import attrs

from lifecycle.draw.graph import Graph


def as_json(graph: Graph) -> str:
    """Write a graph as JSON."""
    return json.dumps(attrs.asdict(graph), ensure_ascii=False, indent=2) + "\n"
