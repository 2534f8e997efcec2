"""The whole: all machines of a session on one sheet, and how they move each other.

What lives here: couplings, read out of the rows, the holds, the hooks and the routes; the one thing that is held
without being a machine. What must not: a coupling that no table says. The law of this file: each machine is shown
once, and an arrow from it says what it makes another one do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from lifecycle import hooks
from lifecycle.declaration import FlatRow, Machine
from lifecycle.draw import svg
from lifecycle.draw.boxes import PAD, Box, Chip, Rule, Text, bounding, chip_of, chip_of_mark, set_in_rows, text_at
from lifecycle.draw.dot import node
from lifecycle.draw.graph import SEND, Mark
from lifecycle.draw.layout import laid_out
from lifecycle.draw.measuring import width_of
from lifecycle.draw.picture import MARGIN, arrow, corner, shapes_in
from lifecycle.draw.reading import SUBJECTS, TONES, WORDS, in_words, is_timer, timers_of
from lifecycle.draw.svg import rect
from lifecycle.kernel.routes import ROUTES, EndEach, Fire
from lifecycle.machines import MACHINES

HELD = {"controller": "controller", "segment": "segment", "requests": "request", "offer": "execution"}
"""Of what is held, that which has a table of its own, by the name it is held under."""

ACTS = {hooks.SignalAbort: "controller", hooks.HandAnswers: "execution"}
"""Of what rows do, that which another machine feels."""

ATTACHMENT = "attachment"

HEAD, STATES_WIDTH = 62.0, 250.0


@attrs.frozen
class Coupling:
    """What one machine makes another one do: by which of its triggers, or by holding it in which states."""

    source: str
    dest: str
    why: str
    marks: tuple[Mark, ...]


def whole(machines: Sequence[Machine] = MACHINES) -> str:
    """Draw all machines of a session on one sheet."""
    panels = {machine.name: panel_of(machine) for machine in machines}
    panels[ATTACHMENT] = box_of_panel(ATTACHMENT, "One live client that watches.", [], ("attached",), ("released",))
    cards = cards_of([*(one for machine in machines for one in couplings(machine)), *routed(), *of_attachments()])
    layout = laid_out("\n".join(["digraph {", *lines_of(panels, cards), "}"]))
    width, height = layout.width + 2 * MARGIN, HEAD + layout.height + 24
    title = text_at(MARGIN, 30, "The whole", 18, "ink", True)
    said = "What the machines of a session make each other do: what is sent, what is held, what is felt."
    body = [svg.text(title), svg.text(Text(MARGIN, 47, said, 11, "dim"))]
    for edge in layout.edges:
        body += arrow(edge, MARGIN, HEAD, False)
    for name, box in panels.items():
        left, top = corner(layout.nodes[name], box, MARGIN, HEAD)
        body += [rect(left, top, box.width, box.height, "frame", 12), *shapes_in(box, left, top)]
    for at, (_, box) in enumerate(cards):
        left, top = corner(layout.nodes[f"c{at}"], box, MARGIN, HEAD)
        body += [rect(left, top, box.width, box.height, "box", 6), *shapes_in(box, left, top)]
    return svg.document(
        width, height, "The machines of a session, and how they move each other", described(cards), body
    )


def described(cards: Iterable[tuple[tuple[str, str], Box]]) -> str:
    """Say in words what the sheet shows."""
    return "; ".join(f"{source} moves {dest}" for (source, dest), _ in cards) + "."


# -- panels -----------------------------------------------------------------------------------------------------------


def panel_of(machine: Machine) -> Box:
    """Set a machine: its states, the final ones below a rule, and its timers."""
    timers = [
        chip_of("hold", f"{in_words(name)}: {' or '.join(triggers)}", True)
        for name, triggers in timers_of(machine.name).items()
    ]
    going = [state.name for state in machine.states if not state.final]
    final = [state.name for state in machine.states if state.final]
    return box_of_panel(machine.name, SUBJECTS[machine.name], timers, going, final)


def box_of_panel(name: str, sentence: str, timers: list[Chip], going: Sequence[str], final: Sequence[str]) -> Box:
    """Set a panel."""
    parts: list[Text | Chip | Rule] = [text_at(PAD, 21, name, 15, "ink", True)]
    y = 24.0
    for words in wrapped(sentence, STATES_WIDTH):
        y += 13
        parts.append(Text(PAD, y, words, 10, "dim"))
    for states in (going, final):
        chips, y = set_in_rows([chip_of_state(one) for one in states], PAD, y + 9, STATES_WIDTH)
        parts += chips
        if states is going:
            y += 8
            parts.append(Rule(y))
    if timers:
        chips, y = set_in_rows(timers, PAD, y + 9, STATES_WIDTH)
        parts += chips
    return bounding(parts, y + 10)


def chip_of_state(name: str) -> Chip:
    """Make a chip of a state, in its tone."""
    tone = TONES.get(name, "plain")
    text = text_at(7, 11.5, name, 10, f"f-{tone}")
    return Chip(0, 0, round(text.width + 14, 1), text, f"s-{tone}")


def wrapped(text: str, width_max: float) -> list[str]:
    """Break a sentence into lines.

    >>> wrapped("one two three", 40)
    ['one two', 'three']
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_of(longer, 10) > width_max:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


# -- couplings --------------------------------------------------------------------------------------------------------


def couplings(machine: Machine) -> Iterator[Coupling]:
    """Yield what a machine makes others do: what its rows send, what its states hold, what else is felt."""
    born = machine.table.birth
    rows = [*(() if born is None else (born,)), *machine.table.flat()]
    yield from sent(machine.name, rows)
    yield from held(machine)
    for hook, dest in ACTS.items():
        triggers = dict.fromkeys(row.trigger for row in rows if hook in row.edge)
        if triggers:
            yield Coupling(machine.name, dest, ", ".join(triggers), (Mark("act", WORDS[hook]),))


def sent(machine: str, rows: Sequence[FlatRow]) -> Iterator[Coupling]:
    """Yield what rows send, those together that send the same."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        for send in row.sends:
            guarded = "".join(f" [{'' if wanted else 'not '}{guard.name}]" for guard, wanted in row.guards)
            found.setdefault((send.machine, send.trigger), {})[row.trigger + guarded] = None
    same: dict[str, list[str]] = {}
    for (dest, trigger), triggers in found.items():
        if list(triggers) == [trigger]:
            same.setdefault(dest, []).append(trigger)
        else:
            yield Coupling(machine, dest, ", ".join(triggers), (Mark(SEND, trigger),))
    for dest, several in same.items():
        yield Coupling(machine, dest, ", ".join(several), (Mark(SEND, "the same trigger"),))


def held(machine: Machine) -> Iterator[Coupling]:
    """Yield what states hold that has a table of its own: it is taken by whoever enters them, and given back."""
    holds = dict.fromkeys(hold for state in machine.states for hold in state.holds)
    for hold in holds:
        dest = HELD.get(hold.name)
        if dest is not None and dest != machine.name and not is_timer(hold):
            states = [state.name for state in machine.states if hold in state.holds]
            marks = (Mark("take", WORDS[hold.take]), Mark("give", WORDS[hold.give]))
            yield Coupling(machine.name, dest, f"while {', '.join(states)}", marks)


def routed() -> Iterator[Coupling]:
    """Yield what one input does to two machines in one step: what a settled execution, a closed session make of runs."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for route in ROUTES.values():
        fired = [one for one in route if isinstance(one, Fire | EndEach)]
        for leader in fired:
            for other in fired:
                if leader.machine in LEADERS and other.machine not in LEADERS:
                    found.setdefault((leader.machine, other.machine, leader.trigger), {})[other.trigger] = None
    for (source, dest, trigger), triggers in found.items():
        yield Coupling(source, dest, trigger, tuple(Mark(SEND, one) for one in triggers))


LEADERS = ("execution", "session")
"""The machines whose triggers come first where one input fires several: code has returned, a conversation is over."""


def of_attachments() -> Iterator[Coupling]:
    """Yield what attachments do: they are held by no state, so no row says it."""
    yield Coupling(ATTACHMENT, "session", "the first attach", (Mark("give", "disarm orphan", True),))
    yield Coupling(ATTACHMENT, "session", "the last detach", (Mark("take", "arm orphan", True),))


def cards_of(several: Iterable[Coupling]) -> list[tuple[tuple[str, str], Box]]:
    """Gather couplings by whom they are between, and set them."""
    between: dict[tuple[str, str], list[Coupling]] = {}
    for one in several:
        between.setdefault((one.source, one.dest), []).append(one)
    return [(pair, box_of_couplings(some)) for pair, some in between.items()]


def box_of_couplings(several: Sequence[Coupling]) -> Box:
    """Set what one machine makes another one do, a line for each."""
    parts: list[Text | Chip | Rule] = []
    y = 2.0
    for at, one in enumerate(several):
        if at:
            parts.append(Rule(y + 3))
            y += 4
        x = PAD
        for words in wrapped(one.why, 200):
            y += 16
            parts.append(Text(PAD, y, words, 10.5, "ink", not one.why.startswith("while")))
            x = PAD + parts[-1].width + 8  # type: ignore[union-attr]
        chips = [chip_of_mark(mark) for mark in one.marks]
        if x + sum(chip.width + 4 for chip in chips) <= 250:
            placed, y_ = set_in_rows(chips, x, y - 11, 300)
            y = max(y + 3, y_)
        else:
            placed, y = set_in_rows(chips, PAD, y + 6, 220)
        parts += placed
    return bounding(parts, y + 6)


# -- where everything goes --------------------------------------------------------------------------------------------


def lines_of(panels: dict[str, Box], cards: Sequence[tuple[tuple[str, str], Box]]) -> Iterator[str]:
    """Yield the sheet as DOT."""
    yield "graph [rankdir=LR, nodesep=0.25, ranksep=0.3, splines=true]"
    yield "node [shape=box, fixedsize=true]"
    yield "edge [arrowsize=0.7]"
    yield from (node(name, box, name, "penwidth=1.4") for name, box in panels.items())
    for at, ((source, dest), box) in enumerate(cards):
        yield node(f"c{at}", box, "", "penwidth=1")
        yield f"{source} -> c{at} [arrowhead=none]"
        yield f"c{at} -> {dest}"
