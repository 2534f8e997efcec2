"""Reading: what a store holds, as tables for people or JSON for programs.

What lives here: the views behind ``show`` and ``history``. What must not: changing anything. The law of this file: a
file that another process writes to is read as it is at that moment, and nothing is written to it or beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from lifecycle import OpenRequest
from lifecycle.cli.answering import answers, asked_in_place, tell_question
from lifecycle.cli.carrying import WAITS
from lifecycle.cli.writing import Output, as_text, end_in_words, has_colours, on_one_line
from lifecycle.errors import NotFound, StoreError
from lifecycle.kernel.values import Ended, Run, Session
from lifecycle.projection import project
from lifecycle.runtime.handle import open_requests
from lifecycle.store.files import writer_opened_at
from lifecycle.store.port import Entry, Store
from lifecycle.store.sqlite import SQLiteStore

WIDTH_WITHOUT_TERMINAL = 4_096
"""How wide a table may be where nobody sees its edge."""

END_CHARS_MAX = 80
"""How much of the text of an end a list shows."""

LOOK_BACK_REVISIONS = 64
"""How far back the last ended runs are looked for at first."""


# -- sessions ---------------------------------------------------------------------------------------------------------


def show_sessions(store: SQLiteStore, output: Output, after: str | None, limit: int, state: str | None) -> bool:
    """Write a page of sessions, in order of their ids, each with its head or the end of its last run.

    One that cannot be read is named after the others, with why; return whether there was none.
    """
    page, opened_at = store.page(after, limit, state), writer_opened_at(store.name)
    found = [one if isinstance(one, StoreError) else with_last(store, one) for _, one in page]
    readable = [one for one in found if not isinstance(one, StoreError)]
    unreadable = [one for one in found if isinstance(one, StoreError)]
    if output.as_json:
        for session, last in readable:
            record = session_record(store, session, has_process(session, opened_at))
            output.data(**record, last=None if last is None else end_record(last))
    elif readable:
        columns = ("session", "state", "run", "agent", "question or end", "changed")
        rows = [row_of(session, last, has_process(session, opened_at)) for session, last in readable]
        write_table(output, columns, rows)
    elif not page:
        such = f" in state {state}" if state else ""
        output.say(f"store {store.name}: it has no session{such}{f' after {after}' if after else ''}")
    for error in unreadable:
        output.say(on_one_line(str(error)), "red")
    if len(page) == limit and not output.as_json:
        output.say(f"there may be more: --after {on_one_line(page[-1][0])}")
    return not unreadable


def with_last(store: Store, session: Session) -> tuple[Session, Ended | None] | StoreError:
    """Return a session with the end of its last run if it has no head, or why that cannot be read."""
    try:
        last = () if session.head is not None else latest(store, session, 1)
    except StoreError as error:
        return error
    return session, last[0] if last else None


def row_of(session: Session, last: Ended | None, process: bool) -> Sequence[str]:
    """Return what a list shows of a session."""
    state, changed = state_of(session, process), at(session.now)
    if session.head is None:
        end = ("", "", "") if last is None else (last.spec.id, last.spec.agent, end_in_words(last, END_CHARS_MAX))
        return session.id, state, *end, changed
    asked = "; ".join(request.text for request in open_requests(session.head.spec.id, session.head.requests))
    queued = f" (+{len(session.queue)} queued)" if session.queue else ""
    return session.id, state, session.head.spec.id + queued, session.head.spec.agent, asked, changed


def has_process(session: Session, opened_at: int | None) -> bool:
    """Say whether a process has the session in hand: it writes to the file, and has stepped this session.

    A process that takes a session up writes a step before anything else. One that carries on a single session, as
    ``lifecycle run`` does, has the file and leaves all the others as they were.
    """
    return opened_at is not None and session.now > opened_at


def state_of(session: Session, process: bool) -> str:
    """Return the state of a session, why it is stopped, and whether it needs a process and there is none."""
    if session.cause is not None:
        return f"{session.state} ({session.cause})"
    needs_one = session.head is not None and (session.state != WAITS or session.execution is not None)
    return f"{session.state} (no process)" if needs_one and not process else session.state


def show_session(store: Store, output: Output, name: str, after: str | None, limit: int) -> None:
    """Write one session: its unfinished runs, what they ask, and its ended runs, the latest ones unless told which."""
    kept = store.load(name)
    if kept is None:
        raise NotFound(f"session {name}", f"not known in {store.name}", "`lifecycle show` lists what there is")
    session, process = kept.session, has_process(kept.session, writer_opened_at(store.name))
    view = project(session)
    ended = latest(store, session, limit) if after is None else store.ended(name, int(after), limit)
    if output.as_json:
        output.data(**session_record(store, session, process), ended=[ended_record(one) for one in ended])
        return
    output.text(f"session {on_one_line(view.id)}: {state_of(session, process)}, changed {at(view.updated_at)}")
    if view.closing is not None and process:
        output.text(f"the code of run {on_one_line(view.closing)} has outlived it and has not returned")
    rows = [(one.spec.id, one.state, one.cause, one.spec.agent, at(one.ended_at), one.text) for one in ended]
    rows += [(one.id, one.state, "queued" if one.queued else "", one.agent, "", "") for one in view.runs]
    if rows:
        write_table(output, ("run", "state", "cause", "agent", "ended", "text"), rows)
    for run in session.unfinished():
        for request, commands in questions_of(store, session, run):
            tell_question(output, request, commands)
            if asked_in_place(session, run.spec.id):
                where = "where it runs" if process else "by nobody any more: its process is gone"
                output.say(f"request {on_one_line(request.id)}: it was asked in place and can be answered {where}")


def questions_of(store: Store, session: Session, run: Run) -> list[tuple[OpenRequest, list[str]]]:
    """Return the open questions of a run with the commands that answer them: none for one that is asked in place."""
    in_place, name, owner = asked_in_place(session, run.spec.id), store.name, run.spec.owner
    asked = open_requests(run.spec.id, run.requests)
    return [(request, [] if in_place else answers(session.id, request, name, owner)) for request in asked]


def latest(store: Store, session: Session, limit: int) -> Sequence[Ended]:
    """Return the ended runs of a session that were admitted last.

    Runs are found by the revision that admitted them, one each: looking back, ever further, finds the last ones.
    """
    back = max(limit, LOOK_BACK_REVISIONS)
    while True:
        after = max(0, session.revision - back)
        found = store.ended(session.id, after, back)
        if len(found) >= limit or not after:
            return found[-limit:]
        back *= 4


def session_record(store: Store, session: Session, process: bool) -> dict[str, Any]:
    """Return a session as JSON: what was asked is opened, with the commands that answer it.

    ``process`` says whether a process has the session in hand.
    """
    record = fields_of(project(session)) | {"process": process}
    for run, fields in zip(session.unfinished(), record["runs"], strict=True):
        fields["in_place"] = asked_in_place(session, run.spec.id)
        for (request, commands), told in zip(questions_of(store, session, run), fields["requests"], strict=True):
            told |= {"body": request.body, "decide": commands}
    return record


def end_record(ended: Ended) -> dict[str, Any]:
    """Return how a run ended as JSON, without what may be large."""
    names = ("state", "cause", "who", "text", "ended_at")
    return {"run": ended.spec.id, "agent": ended.spec.agent, **{name: getattr(ended, name) for name in names}}


def ended_record(ended: Ended) -> dict[str, Any]:
    """Return how a run ended as JSON, its input and its result opened."""
    record = fields_of(ended)
    record["spec"]["input"] = json.loads(ended.spec.input)
    record["result"] = None if ended.result is None else json.loads(ended.result)
    return record


def fields_of(record: Any) -> dict[str, Any]:
    """Return a record as a dict, all the way down."""
    return attrs.asdict(record)


# -- the journal ------------------------------------------------------------------------------------------------------


def history(store: Store, output: Output, name: str, after: int) -> None:
    """Write every step of a session: what arrived, and what came of it."""
    kept = store.load(name)
    if kept is None:
        raise NotFound(f"session {name}", f"not known in {store.name}", "`lifecycle show` lists what there is")
    compacted, next_one = store.snapshot(name) is not None, after + 1
    for entry in store.journal(name, after):
        if compacted and entry.revision > next_one:
            tell_where_it_begins(output, name, entry.revision)
        next_one = entry.revision + 1
        if output.as_json:
            output.data(**entry_record(entry))
        else:
            output.text("\n".join(entry_lines(entry)))
    if compacted and next_one <= kept.session.revision:
        tell_where_it_begins(output, name, kept.session.revision + 1)


def tell_where_it_begins(output: Output, name: str, revision: int) -> None:
    """Say that steps are missing because they were past their retention."""
    output.say(f"session {on_one_line(name)}: its history begins with revision {revision}; what was before was let go")


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
    """Return engine time as people read it, in their own zone, which is said."""
    return datetime.fromtimestamp(now / 1_000_000).astimezone().isoformat(" ", "seconds")


def write_table(
    output: Output,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    styles: Mapping[str, str] | None = None,
) -> None:
    """Write a table: as wide as the terminal, or as its content where there is none.

    ``styles`` says how cells that hold exactly such a text look, where there are colours.
    """
    from rich.console import Console  # a quarter of what all imports take, and most commands write no table
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(on_one_line(cell), (styles or {}).get(cell, "")) for cell in row))
    width = None if output.out.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(file=output.out, width=width, no_color=not has_colours(output.out), highlight=False)
    with output.to_stdout(), console.capture() as drawn:  # nothing is written yet, but the file is tried
        console.print(table)
    for line in drawn.get().splitlines():
        output.line(line.rstrip())
