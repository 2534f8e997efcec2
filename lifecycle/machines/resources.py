"""The segment and the controller: two small things of a run that live in one process.

What lives here: their legal changes. What must not: buffers or listeners; the runtime keeps those. The law of this
file: a segment ends once, a controller signals once.
"""

from __future__ import annotations

from lifecycle.declaration import Machine, Row, State

SEGMENT = Machine(
    name="segment",
    initial="open",
    states=(State("open"), State("ended", final=True)),
    rows=(
        Row("open", "emit", None),
        Row("open", "end", "ended"),
    ),
)

CONTROLLER = Machine(
    name="controller",
    initial="registered",
    states=(
        State("registered"),
        State("signalled", ignores=("signal",)),
        State("evicted", final=True),
    ),
    rows=(
        Row("registered", "signal", "signalled"),
        Row("registered", "evict", "evicted"),
        Row("signalled", "evict", "evicted"),
    ),
)
