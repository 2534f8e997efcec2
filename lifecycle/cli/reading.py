"""Reading: what a store holds, as tables for people or JSON for programs.

What lives here: the views behind ``show`` and ``history``. What must not: changing anything. The law of this file: a
file that another process writes to is read as it is at that moment, and nothing is written to it or beside it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lifecycle.cli.writing import Output, as_text, decide_line, has_colours, on_one_line
from lifecycle.errors import NotFound
from lifecycle.kernel.values import Ended
from lifecycle.projection import RequestView, RunView, SessionView, project
from lifecycle.runtime.border import LOCAL
from lifecycle.store.port import Entry, Store

WIDTH_WITHOUT_TERMINAL = 4_096
"""How wide a table may be where nobody sees its edge."""

PAGE = 200


# -- sessions ---------------------------------------------------------------------------------------------------------


def show_sessions(store: Store, output: Output, after: str | None, limit: int, state: str | None) -> None:
    """Write a page of sessions, in order of their ids."""
    page = [project(session) for session in store.sessions(after, limit, state)]
    if output.as_json:
        for view in page:
            output.data(**as_record(view))
        return
    if not page:
        such = f" in state {state}" if state else ""
        output.say(f"store {store.name}: it has no session{such}{f' after {after}' if after else ''}")
        return
    columns = ("session", "state", "run", "agent", "waits for", "changed")
    write_table(output, columns, [row_of(view) for view in page])
    if len(page) == limit:
        output.say(f"there may be more: --after {on_one_line(page[-1].id)}")


def row_of(view: SessionView) -> Sequence[str]:
    """Return what a list shows of a session."""
    head = view.runs[0] if view.active is not None else None
    state = f"{view.state} ({view.cause})" if view.cause else view.state
    asked = "" if head is None else "; ".join(text_of(request) for request in head.requests)
    queued = f" (+{len(view.runs) - 1} queued)" if len(view.runs) > 1 else ""
    return (
        view.id,
        state,
        "" if head is None else head.id + queued,
        "" if head is None else head.agent,
        asked,
        at(view.updated_at),
    )


def show_session(store: Store, output: Output, name: str, after: str | None, limit: int) -> None:
    """Write one session: its unfinished runs, what they ask, and its ended runs, the latest ones unless told which."""
    kept = store.load(name)
    if kept is None:
        raise NotFound(f"session {name}", f"not known in {store.name}", "`lifecycle show` lists what there is")
    view = project(kept.session)
    ended = latest(store, name, limit) if after is None else list(store.ended(name, int(after), limit))
    if output.as_json:
        output.data(**as_record(view), ended=[ended_record(one) for one in ended])
        return
    cause = f" ({view.cause})" if view.cause else ""
    output.text(f"session {on_one_line(view.id)}: {view.state}{cause}, changed {at(view.updated_at)}")
    if view.closing is not None:
        output.text(f"the code of run {on_one_line(view.closing)} has outlived it and has not returned")
    rows = [(one.spec.id, one.state, one.cause, one.spec.agent, at(one.ended_at), one.text) for one in ended]
    rows += [(one.id, one.state, "queued" if one.queued else "", one.agent, "", "") for one in view.runs]
    if rows:
        write_table(output, ("run", "state", "cause", "agent", "ended", "text"), rows)
    for run in view.runs:
        for request in run.requests:
            tell_request(output, store, view, run, request)


def tell_request(output: Output, store: Store, view: SessionView, run: RunView, request: RequestView) -> None:
    """Write an open request and the command that answers it."""
    owner = () if run.owner == LOCAL else ("--by", run.owner)
    options = ("--store", store.name, *owner, "--digest", request.digest)
    decision, *text = {"choice": ("answer", "--text", "your answer"), "text": ("answer", "--text", "your answer")}.get(
        request.kind, ("approve",)
    )
    output.text(f"? {text_of(request)}")
    output.text(f"  {decide_line(view.id, run.id, request.id, decision, *options, *text)}")


def latest(store: Store, session: str, limit: int) -> list[Ended]:
    """Return the ended runs of a session that were admitted last."""
    found: deque[Ended] = deque(maxlen=limit)
    after = 0
    while page := store.ended(session, after, PAGE):
        found.extend(page)
        after = page[-1].spec.admitted
    return list(found)


def as_record(view: SessionView) -> dict[str, Any]:
    """Return a view as JSON; what was asked is opened."""
    record = fields_of(view)
    for run in record["runs"]:
        for request in run["requests"]:
            request["body"] = json.loads(request["body"])
    return record


def ended_record(ended: Ended) -> dict[str, Any]:
    """Return how a run ended as JSON, its input and its result opened."""
    record = fields_of(ended)
    record["spec"]["input"] = json.loads(ended.spec.input)
    record["result"] = None if ended.result is None else json.loads(ended.result)
    return record


def fields_of(record: Any) -> dict[str, Any]:
    """Return a record as a dict, all the way down."""
    return attrs.asdict(record)


def text_of(request: RequestView) -> str:
    """Return the text of a question."""
    return str(json.loads(request.body).get("text", ""))


# -- the journal ------------------------------------------------------------------------------------------------------


def history(store: Store, output: Output, name: str, after: int) -> None:
    """Write every step of a session: what arrived, and what came of it."""
    if store.load(name) is None:
        raise NotFound(f"session {name}", f"not known in {store.name}", "`lifecycle show` lists what there is")
    for entry in store.journal(name, after):
        if output.as_json:
            output.data(**entry_record(entry))
        else:
            output.text("\n".join(entry_lines(entry)))


def entry_record(entry: Entry) -> dict[str, Any]:
    """Return a step as JSON."""
    return {
        "session": entry.session,
        "revision": entry.revision,
        "now": entry.now,
        "input": {"type": type(entry.input).__name__, **fields_of(entry.input)},
        "moves": [
            dict(zip(("machine", "subject", "trigger", "source", "dest"), move, strict=True)) for move in entry.moves
        ],
        "hooks": [{"type": type(hook).__name__, **fields_of(hook)} for hook in entry.hooks],
    }


SHOWN = ("run", "request", "kind", "by", "name", "owner", "report", "attachment", "text", "key")
"""The fields of an input that tell people most."""


def entry_lines(entry: Entry) -> Iterable[str]:
    """Return a step for people: a line for the input, one for each move, one for the hooks."""
    fields = {name: getattr(entry.input, name, None) for name in SHOWN}
    told = " ".join(
        f"{name}={on_one_line(as_text(value))}" for name, value in fields.items() if value not in (None, "")
    )
    yield f"{entry.revision:>4}  {at(entry.now)}  {type(entry.input).__name__}  {told}".rstrip()
    for machine, subject, trigger, source, dest in entry.moves:
        yield f"        {machine} {on_one_line(str(subject))}: {source or '·'} → {dest} ({trigger})"
    if entry.hooks:
        yield f"        {', '.join(type(hook).__name__ for hook in entry.hooks)}"


# -- how it looks -----------------------------------------------------------------------------------------------------


def at(now: int) -> str:
    """Return engine time as people read it, in their own zone."""
    return datetime.fromtimestamp(now / 1_000_000).isoformat(" ", "seconds")


def write_table(output: Output, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table: as wide as the terminal, or as its content where there is none."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(on_one_line(cell)) for cell in row))
    width = None if output.out.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(file=output.out, width=width, no_color=not has_colours(output.out), highlight=False)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        output.line(line.rstrip())
