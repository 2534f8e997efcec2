"""Picturing: a story as a Mermaid sequence diagram.

What lives here: who says what to whom. What must not: what happened; the story says that. The law of this file: whatever
a text contains, the diagram can be drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lifecycle.check.story import Story, Told

SENDERS = {
    "StartRun": "human",
    "AbortRun": "human",
    "AbortSession": "human",
    "Decide": "human",
    "CloseSession": "human",
    "Attach": "client",
    "Detached": "client",
    "RunAsked": "code",
    "RequestRetracted": "code",
    "Checkpointed": "code",
    "RunCompleted": "code",
    "RunFailed": "code",
    "ExecutionSettled": "code",
    "ProviderReported": "provider",
    "TimerFired": "timers",
    "Begin": "process",
    "Shutdown": "process",
    "Lost": "process",
    "Recovered": "process",
    "SetAside": "process",
}
"""Who sends each kind of input; the world's own moves are told by name."""

SESSION = "session"

TOLD_TO = (
    ("code", ("code of", "signal of", "answers are handed")),
    ("timers", ("orphan timer", "deadline of", "queue deadline of", "closing timer of", "expiry of")),
    ("viewers", ("question ", "segment ", "end of")),
    ("process", ("controller of", "offer of")),
)
"""Whom a change concerns, by how it begins; one that concerns nobody else is a note on the session."""

LABELS = {
    "session": "session (kernel)",
    "process": "runtime",
    "code": "agent's code",
    "viewers": "whoever watches",
}


def picture(story: Story) -> str:
    """Draw a story."""
    return "\n".join(
        [
            "sequenceDiagram",
            f"    title {safe(story.property)} is broken{f' by {safe(story.mutant)}' if story.mutant else ''}",
            *(f"    {line}" for line in drawn(story)),
        ]
    )


def drawn(story: Story) -> Iterator[str]:
    """Yield the lines of a diagram."""
    told = (*story.steps, *(story.forever or ()))
    yield from participants(told)
    for step in story.steps:
        yield from drawn_step(step)
    if story.forever:
        yield "loop for ever"
        for step in story.forever:
            yield from (f"    {line}" for line in drawn_step(step))
        yield "end"
    elif story.forever is not None:
        yield f"Note over {SESSION}: for ever, nothing happens"
    yield f"Note over {SESSION}: {safe(story.now)}"
    yield from (f"Note over {SESSION}: {safe(line)}" for line in (*story.instead, *story.never))


def participants(told: Iterable[Told]) -> Iterator[str]:
    """Declare everybody who has a part, in the order in which people read: who asks, the session, what it acts on."""
    present = {SESSION}
    for step in told:
        present.add(sender_of(step))
        present.update(whom for change in step.changes if (whom := concerned(change)))
    order = (("human", "actor"), ("client", "actor"), ("viewers", "actor"), ("provider", "participant"))
    fixed = ("process", SESSION, "code", "timers")
    for kind, word in order:
        for name in sorted(one for one in present if one == kind or one.startswith(f"{kind}_")):
            yield f"{word} {name} as {LABELS.get(name, name.partition('_')[2] or name)}"
    workers = sorted(name for name in present if name[:1] == "w" and name[1:].isdigit())
    yield from (f"participant {name} as worker {name}" for name in workers)
    yield from (f"participant {name} as {LABELS.get(name, name)}" for name in fixed if name in present)


def sender_of(step: Told) -> str:
    """Return who makes a move; a human, a client or a worker by name."""
    if step.input is None:
        return f"client_{step.move.split()[3]}" if step.kind == "drop" else step.by or "process"
    sender = SENDERS[step.input]
    return f"{sender}_{step.by}" if sender in ("human", "client") and step.by else sender


def concerned(change: str) -> str | None:
    """Return whom a change concerns."""
    return next((whom for whom, begins in TOLD_TO if change.startswith(begins)), None)


def drawn_step(step: Told) -> Iterator[str]:
    """Draw a step: what arrives, what moves, what is told to whom."""
    yield f"{sender_of(step)}->>{SESSION}: {step.number}. {safe(step.move)}"
    notes = [change for change in step.changes if concerned(change) is None]
    if notes:
        yield f"Note over {SESSION}: {'<br/>'.join(map(safe, notes))}"
    for change in step.changes:
        whom = concerned(change)
        if whom is not None:
            yield f"{SESSION}-->>{whom}: {safe(change)}"
    if step.broken:
        yield f"Note over {SESSION}: ✗ breaks {safe(step.broken)}"


def safe(text: str) -> str:
    """Write what Mermaid would take for its own as an entity.

    >>> safe("a; b # c")
    'a#59; b #35; c'
    """
    return "".join({"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", "\n": " "}.get(sign, sign) for sign in text)
