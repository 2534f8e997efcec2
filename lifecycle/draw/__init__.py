"""Draw machines and lives: machine → plain records → Mermaid, DOT, SVG, PNG, tables, JSON."""

from lifecycle.draw.arranging import arranged
from lifecycle.draw.as_json import as_json
from lifecycle.draw.gallery import files
from lifecycle.draw.graph import Graph, Held, Mark, Place, Seen, Way
from lifecycle.draw.life import Happened, Life, life_of
from lifecycle.draw.mermaid import mermaid
from lifecycle.draw.picture import graphviz_text, picture
from lifecycle.draw.raster import png
from lifecycle.draw.reading import graph_of
from lifecycle.draw.table import table
from lifecycle.draw.timeline import timeline
from lifecycle.draw.whole import whole

__all__ = [
    "Graph",
    "Happened",
    "Held",
    "Life",
    "Mark",
    "Place",
    "Seen",
    "Way",
    "arranged",
    "as_json",
    "files",
    "graph_of",
    "graphviz_text",
    "life_of",
    "mermaid",
    "picture",
    "png",
    "table",
    "timeline",
    "whole",
]
