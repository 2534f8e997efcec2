"""The notebook: a machine that stands at the end of a cell is shown as its picture.

What lives here: what is shown, and that it is. What must not: a look. The law of this file: nothing is loaded before
something is shown, and where no picture can be made a diagram stands as text.
"""

from __future__ import annotations

from lifecycle.declaration import Machine
from lifecycle.declaration.showing import shows
from lifecycle.errors import Invalid


@shows
def shown(machine: Machine) -> dict[str, str]:
    """Return the picture of a machine, and its Mermaid diagram for who shows no SVG, by their MIME types."""
    from lifecycle.draw import graph_of, mermaid, picture  # whoever shows nothing does not wait for it

    graph = graph_of(machine)
    text = mermaid(graph)
    told = {"text/plain": repr(machine), "text/vnd.mermaid": text}
    try:
        return told | {"image/svg+xml": picture(graph)}
    except Invalid:  # without Graphviz
        return told | {"text/markdown": f"```mermaid\n{text}```"}
