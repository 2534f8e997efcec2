"""Lives: from a journal, or a counterexample, to the picture of what happened.

What lives here: turning what stores and checkers tell into the steps that are drawn. What must not: a look. The law of
this file: what a journal does not tell is not drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lifecycle.check.replay import SECOND, Lived
from lifecycle.check.retracing import retraced
from lifecycle.check.shared.configuration import Workers
from lifecycle.check.shared.life import SharedLived
from lifecycle.check.shared.telling import retraced as retraced_shared
from lifecycle.check.slices import PERFORM
from lifecycle.check.story import Counterexample
from lifecycle.check.world import Stepper
from lifecycle.check.worlds import world_named
from lifecycle.cli.drawing import form_of_life
from lifecycle.cli.pictures import as_bytes, put
from lifecycle.cli.reading import tell_where_it_begins
from lifecycle.cli.writing import Output
from lifecycle.draw import Happened, Life, life_of, timeline
from lifecycle.errors import Invalid, NotFound
from lifecycle.store.port import Entry, Store


def draw_life(store: Store, output: Output, name: str, after: int, out: Path | None) -> int:
    """Draw the steps of a session after a revision, to a file or to stdout."""
    kept = store.load(name)
    if kept is None:
        raise NotFound(f"session {name}", f"not known in {store.name}", "`lifecycle show` lists what there is")
    steps = [happened(entry) for entry in store.journal(name, after)]
    if not steps:
        behind = f" after revision {after}" if after else ""
        remedy = "draw it from its beginning" if after else "nothing of it is left to draw"
        raise Invalid(f"session {name}", f"its journal has no step{behind}", remedy)
    if store.snapshot(name) is not None and steps[0].number > after + 1:
        tell_where_it_begins(output, name, steps[0].number)
    return drawn_life(output, out, life_of(name, steps))


def drawn_life(output: Output, out: Path | None, life: Life) -> int:
    """Write the picture of a life to a file, as its name ends, or as SVG to stdout."""
    return put(output, as_bytes(timeline(life), form_of_life(out)), out, False)


def happened(entry: Entry) -> Happened:
    """Read an entry of a journal."""
    return Happened(entry.revision, entry.now, entry.input, entry.moves, entry.hooks)


def life_of_counterexample(name: str, example: Counterexample, kernel: Stepper) -> Life:
    """Live a counterexample again, and return what happened in it; what goes on for ever, once."""
    world = world_named(example.configuration)
    if isinstance(world, Workers):
        shared = retraced_shared(example, world, kernel)
        forever = bool(shared.forever)
        steps = list(shared_steps_of((*shared.lived, *(shared.forever or ()))))
    else:
        way = retraced(example, kernel)
        forever = bool(way.forever)
        steps = list(steps_of((*way.lived, *(way.forever or ()))))
    if example.forever is not None and steps:
        ever = "for ever so" if forever else "for ever nothing"
        steps.append(Happened(steps[-1].number + 1, steps[-1].now + SECOND, None, note=ever, bad=True))
    return life_of(name, steps)


def steps_of(lived: Iterable[Lived]) -> Iterator[Happened]:
    """Read what was lived: the world's own moves are told by their names, and what breaks a rule by the rule's."""
    number = 0
    for one in lived:
        if one.name == PERFORM:
            continue
        number += 1
        broken = f"breaks {one.broken}" if one.broken else ""
        if one.step is None:
            yield Happened(number, one.at, one.given, note=broken or one.name, bad=bool(broken))
        else:
            yield Happened(number, one.at, one.given, one.step.moves, one.step.hooks, broken, bool(broken))


def shared_steps_of(lived: Iterable[SharedLived]) -> Iterator[Happened]:
    """Read what was lived by several workers: what one of them did by its name, and the step that was kept of it.

    A shared world has an order and no clock: a second stands for each move.
    """
    for number, one in enumerate(lived, 1):
        broken = f"breaks {one.next.broken}" if one.next.broken else ""
        kept = next((deed.stepped for deed in one.next.deeds if deed.what == "kept" and deed.stepped is not None), None)
        moves, hooks = ((), ()) if kept is None else (kept.step.moves, kept.step.hooks)
        note = f"{one.next.name}: {broken}" if broken else one.next.name
        yield Happened(number, number * SECOND, None, moves, hooks, note, bool(broken))
