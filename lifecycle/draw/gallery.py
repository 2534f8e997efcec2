"""The gallery: the pictures of every declared machine, as files.

What lives here: which files there are, and the page that shows them. What must not: a picture of its own. The law of this
file: a declared machine is in it, and nobody has to remember that.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.draw.example import happened
from lifecycle.draw.life import life_of
from lifecycle.draw.mermaid import mermaid
from lifecycle.draw.picture import picture
from lifecycle.draw.reading import SUBJECTS, graph_of
from lifecycle.draw.table import table
from lifecycle.draw.timeline import timeline
from lifecycle.draw.whole import whole
from lifecycle.machines import DECLARED

PAGE = "README.md"

HEAD = """# The declared machines

Written by `lifecycle draw` from the tables in `lifecycle/machines/`; `lifecycle draw --check` says whether they are
fresh. Each machine is here as a picture, as a [Mermaid](https://mermaid.js.org) diagram and as tables.

**How to read them.** A dot is where a machine begins; a state with two borders is final. A state shows what it holds,
and below a line what happens in it without leaving it. On an arrow stands a card: a trigger with its guard in
brackets, and what it makes the world do. A frame stands around states that are left alike: what leaves its edge leaves
each of them, and the lowest line says what every one of these ways does. A card that leads from many states says so on
top. What is dashed is done by time: from the state that holds a timer, by the timer's name, to the trigger that it
sends. Pairs of state and trigger that are refused or ignored are not in the pictures, but in the tables.

## The whole

What the machines of a session make each other do.

![The machines of a session, and how they move each other](whole.svg)
"""


LIFE = """## A life

`lifecycle history SESSION --svg` draws what happened in a session; this one is an example. Each step stands where it
was, a longer time a longer way, though a day is no hundred times as long as a minute. A bar is a state, the line below
it a segment of output, a dashed bar a timer that is armed; behind a bar stands how it ended.

![A session over time: two clients, three runs, a question that is answered, an abort, a failure](life.svg)
"""


def files() -> dict[str, str]:
    """Say what each file of the gallery must contain."""
    found = {PAGE: page(), "whole.svg": whole(), "life.svg": timeline(life_of("downloads", happened()))}
    for machine in DECLARED:
        graph = graph_of(machine)
        found[f"{machine.name}.svg"] = picture(graph)
        found[f"{machine.name}.mmd"] = mermaid(graph)
        found[f"{machine.name}.md"] = table(graph)
    return found


def page() -> str:
    """Write the page that shows them all."""
    return "\n".join([HEAD, *parts()])


def parts() -> Iterator[str]:
    """Yield what is said of each machine, and last a life."""
    for machine in DECLARED:
        name = machine.name
        links = f"[tables]({name}.md) · [Mermaid]({name}.mmd)"
        yield f"## {name.capitalize()}\n\n{SUBJECTS[name]}\n\n![The machine {name}]({name}.svg)\n\n{links}\n"
    yield LIFE
