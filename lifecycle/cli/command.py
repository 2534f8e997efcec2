"""The commands and their options.

What lives here: what can be typed, and what is said when it is wrong. What must not: how it is done. The law of this
file: whatever goes wrong is one sentence on stderr, ``subject: fact; remedy``, and an exit code.
"""

from __future__ import annotations

import logging
import sys
import traceback
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from lifecycle import Decision, Limits, Policy, Tracker, __version__, answer, approve, reject, reject_and_continue
from lifecycle.cli import reading, terminal
from lifecycle.cli.carrying import (
    BAD_INPUT,
    DONE,
    ENDED_OTHERWISE,
    WAITING,
    Carrying,
    opened,
    tell_run,
)
from lifecycle.cli.checking import check
from lifecycle.cli.drawing import FILE, draw
from lifecycle.cli.looking import decided_before, started_before, tell_nothing_to_decide
from lifecycle.cli.opening import is_there, readable, writable
from lifecycle.cli.options import Seconds, debug_option, json_option, store_option
from lifecycle.cli.stopping import LEFT_AT_ONCE, Stopping, in_loop
from lifecycle.cli.storing import store as store_commands
from lifecycle.cli.streams import let_go
from lifecycle.cli.target import debugging, full_name, load
from lifecycle.cli.terminal import Terminal
from lifecycle.cli.typed import checked, checked_revision, json_value, read_input
from lifecycle.cli.writing import Output, StdoutClosedError, on_one_line
from lifecycle.errors import Invalid, LifecycleError, NotFound
from lifecycle.kernel.replies import Aborted
from lifecycle.kernel.values import ON_CRASH
from lifecycle.machines import SESSION
from lifecycle.runtime.border import LOCAL
from lifecycle.runtime.tracker import start_input

PAGE_MAX = 1_000

STDOUT = 1


@click.group(
    no_args_is_help=False,
    epilog="Example: lifecycle run examples/tidy.py:tidy ~/Downloads --session downloads",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="lifecycle")
@debug_option
def lifecycle() -> None:
    """Run agents under a declared lifecycle, answer what they ask, and look at what became of them.

    Exit codes: 0 done, 1 a run was interrupted, stopped or failed, 2 wrong usage or bad input, 3 a run waits.
    Of check: 0 proved, 1 refuted, 2 wrong usage, 3 undetermined.
    """


# -- run --------------------------------------------------------------------------------------------------------------


@lifecycle.command(epilog="Example: lifecycle run examples/tidy.py:tidy ~/Downloads --session downloads")
@click.argument("target")
@click.argument("given", metavar="[INPUT]", required=False)
@click.option("--session", help="The session the run belongs to. Default: a new one.")
@store_option
@click.option("--json-input", is_flag=True, help="INPUT is JSON; otherwise it is a text.")
@click.option("--deadline", type=Seconds(), help="Stop the run after this much executing time.")
@click.option("--on-crash", type=click.Choice(ON_CRASH), default="interrupt", show_default=True,
              help="What becomes of the run if this process dies while its code is at work.")  # fmt: skip
@click.option("--key", help="Name the run for retries: the same key joins it, or tells its end.")
@click.option("--owner", default=LOCAL, show_default=True, help="Who may abort it and answer its questions.")
@json_option
@debug_option
def run(
    target: str,
    given: str | None,
    session: str | None,
    store: str | None,
    json_input: bool,
    deadline: float | None,
    on_crash: str,
    key: str | None,
    owner: str,
    as_json: bool,
) -> int:
    """Run an agent and stream what it emits.

    TARGET is module:name or path.py:name. INPUT is a text, or - to read it from stdin. What the agent asks is asked on
    the terminal; without one, a run that parks is left waiting, and the commands that answer it are printed.
    """
    output = Output(as_json)
    session = f"s-{uuid.uuid4().hex[:12]}" if session is None else checked("session id", session)
    for what, name in (("key", key), ("owner", owner)):
        checked(what, name)
    agent, name = load(target), full_name(target)
    value = read_input(given, json_input)

    fresh = f"r-{uuid.uuid4().hex[:12]}"
    wanted = start_input(
        Limits(),
        Policy(),
        name,
        value,
        session=session,
        run=fresh,
        key=key,
        owner=owner,
        deadline_seconds=deadline,
        on_crash=on_crash,
    )
    if is_there(store):
        with closing(readable(store)) as look:
            code = started_before(look, output, wanted, asks=asked_here() is not None)
        if code is not None:
            return code

    async def work(stopping: Stopping) -> int:
        async with opened(writable(store, session), output) as (runtime, unfinished):
            carrying = Carrying(runtime, session, unfinished, owner, output, stopping, asked_here())
            try:
                handle = await runtime.start(
                    agent,
                    value,
                    session=session,
                    name=name,
                    key=key,
                    owner=owner,
                    deadline_seconds=deadline,
                    on_crash=on_crash,
                    run_id=fresh,
                )
            except LifecycleError as error:
                return await carrying.after_a_slip(error)
            async with carrying.ending_with_stdout(handle):
                tell_run(output, session, handle.id, joined=handle.id != fresh)
                return await carrying.until_over(handle)

    return in_loop(work)


def asked_here() -> Terminal | None:
    """Return the terminal, if a human can be asked there."""
    return Terminal() if terminal.present() else None


# -- decide -----------------------------------------------------------------------------------------------------------

DECISIONS = ("approve", "reject", "reject-and-continue", "answer")


@lifecycle.command(epilog="Example: lifecycle decide downloads r-81f2a0c3b5d7 clean-up approve --store runs.db")
@click.argument("session")
@click.argument("run")
@click.argument("request")
@click.argument("decision", type=click.Choice(DECISIONS))
@click.option("--text", help="The answer as a text, or the feedback of a rejection.")
@click.option("--value", metavar="JSON", help="The answer as JSON: an approval with edited arguments.")
@click.option("--digest", help="The digest of what was shown: if it is another question by now, nothing is decided.")
@click.option("--by", default=LOCAL, show_default=True, help="Who decides.")
@store_option
@json_option
@debug_option
def decide(
    session: str,
    run: str,
    request: str,
    decision: str,
    text: str | None,
    value: str | None,
    digest: str | None,
    by: str,
    store: str | None,
    as_json: bool,
) -> int:
    """Answer a question and carry the run on in this process, or let the one go on that holds its session.

    The agent is called again by the name under which it was started. The same command twice decides once.
    """
    output = Output(as_json)
    for what, name in (("session id", session), ("run id", run), ("request id", request), ("decider", by)):
        checked(what, name)
    made = made_decision(decision, text, value)
    with closing(readable(store)) as look:
        code = decided_before(look, output, session, run, request, made, by, digest)
    if code is not None:
        return code

    async def work(stopping: Stopping) -> int:
        async with opened(writable(store, session), output) as (runtime, unfinished):
            carrying = Carrying(runtime, session, unfinished, by, output, stopping, asked_here())
            handle = runtime.run(session, run)
            asked = {one.id for one in handle.requests} - {request}
            try:
                reply = await handle.decide(request, made, by=by, digest=digest)
            except LifecycleError as error:
                return await carrying.after_a_slip(error)
            tell_nothing_to_decide(output, run, request, reply)
            if asked & {one.id for one in handle.requests}:
                carrying.tell_requests(handle)
                return WAITING
            if not runtime.holds(session):
                output.say(f"run {on_one_line(run)}: {carrying.where()}")
                return DONE
            async with carrying.ending_with_stdout(handle):
                return await carrying.until_over(handle)

    return in_loop(work)


def made_decision(decision: str, text: str | None, value: str | None) -> Decision:
    """Make a decision of the options, or say which of them do not go together."""
    if text is not None and value is not None:
        raise Invalid("--text and --value", "both say what the answer is", "give one of them")
    if decision == "answer":
        if text is None and value is None:
            raise Invalid("answer", "it says nothing", "add --text TEXT or --value JSON")
        return answer(text if value is None else json_value("--value", value))
    if value is not None or (decision == "approve" and text is not None):
        option = "--text" if value is None else "--value"
        raise Invalid(option, f"{decision} takes none", "use answer to answer or to edit the arguments")
    if decision == "approve":
        return approve()
    return (reject if decision == "reject" else reject_and_continue)(text or "")


# -- abort ------------------------------------------------------------------------------------------------------------


@lifecycle.command(epilog="Example: lifecycle abort downloads --store runs.db")
@click.argument("session")
@click.argument("run", required=False)
@click.option("--by", default=LOCAL, show_default=True, help="Who aborts.")
@click.option("--text", default="", help="Why, in words; it is kept with the end.")
@store_option
@json_option
@debug_option
def abort(session: str, run: str | None, by: str, text: str, store: str | None, as_json: bool) -> int:
    """End a run, or every run of a session that is not over, wherever its code is at work.

    The process that works on it is asked to; without one, the file is changed here. Nothing else is set going.
    """
    output = Output(as_json)
    for what, name in (("session id", session), ("run id", run), ("principal", by)):
        checked(what, name)
    with closing(readable(store)) as look:
        if look.load(session) is None:
            raise NotFound(f"session {session}", f"not known in {look.name}", "`lifecycle show` lists what there is")

    async def work(stopping: Stopping) -> int:
        async with Tracker(writable(store, session)) as tracker:
            if run is not None:
                reply = await tracker.run(session, run).abort(by=by, text=text)
            else:
                reply = await tracker.abort_session(session, by=by, text=text)
        ended = reply.runs if isinstance(reply, Aborted) else ()
        output.data(type="aborted", session=session, runs=ended)
        for one in ended:
            output.say(f"run {on_one_line(one)}: aborted")
        if not ended:
            subject = f"session {on_one_line(session)}" if run is None else f"run {on_one_line(run)}"
            output.say(f"{subject}: it has ended already; there is nothing to abort")
        return DONE

    return in_loop(work)


# -- show and history -------------------------------------------------------------------------------------------------


STATES = tuple(state.name for state in SESSION.states)


@lifecycle.command(epilog="Example: lifecycle show --state waiting_for_human --store runs.db")
@click.argument("session", required=False)
@click.option("--state", type=click.Choice(STATES), help="Only sessions in this state.")
@click.option("--limit", type=click.IntRange(1, PAGE_MAX), default=50, show_default=True, help="How many at most.")
@click.option("--after", help="Continue behind this session, or, for one session, behind this revision.")
@store_option
@json_option
@debug_option
def show(
    session: str | None, state: str | None, limit: int, after: str | None, store: str | None, as_json: bool
) -> int:
    """List sessions, or show the runs of one and what they ask. Another process may be writing to the file."""
    output = Output(as_json)
    if session is not None and state is not None:
        raise Invalid("--state", "it chooses among sessions", "leave it or SESSION away")
    if session is not None and after is not None:
        checked_revision(after)
    checked("session id", session)
    with closing(readable(store)) as look:
        if session is None:
            return DONE if reading.show_sessions(look, output, after, limit, state) else BAD_INPUT
        reading.show_session(look, output, session, after, limit)
    return DONE


@lifecycle.command(epilog="Example: lifecycle history downloads --after 12 --store runs.db")
@click.argument("session")
@click.option("--after", type=click.IntRange(0), default=0, help="Only steps after this revision.")
@click.option("--svg", "svg", is_flag=True, help="Draw the session over time, as SVG on stdout.")
@click.option("--out", type=FILE, metavar="FILE", help="Draw it to this file: .svg or .png.")
@store_option
@json_option
@debug_option
def history(session: str, after: int, svg: bool, out: Path | None, store: str | None, as_json: bool) -> int:
    """Show every step of a session: what arrived, and what came of it. Or draw them."""
    output = Output(as_json)
    checked("session id", session)
    checked_revision(str(after))
    if as_json and (svg or out is not None):
        raise Invalid("--json", "a picture is none", "leave one of them away")
    with closing(readable(store)) as look:
        if svg or out is not None:
            from lifecycle.cli.lives import draw_life

            return draw_life(look, output, session, after, out)
        reading.history(look, output, session, after)
    return 0


lifecycle.add_command(check)
lifecycle.add_command(draw)
lifecycle.add_command(store_commands)


# -- calling ----------------------------------------------------------------------------------------------------------


class OneLine(logging.Handler):
    """Write what the library logs as one line each on stderr; tracebacks only if they are wanted."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        text = on_one_line(record.getMessage())
        if debugging() and record.exc_info and record.exc_info[0] is not None:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        Output().say(text)


def obeyed(arguments: Sequence[str]) -> Any:
    """Do what the arguments say; what fails while click itself writes, a help or a version, is stdout's fault."""
    try:
        return lifecycle.main(list(arguments), prog_name="lifecycle", standalone_mode=False)
    except OSError as fault:
        *_, (frame, _) = traceback.walk_tb(fault.__traceback__)
        if frame.f_code is not click.echo.__code__:
            raise
        raise StdoutClosedError(fault) from fault


def call(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code."""
    output = Output()
    stdout, log = sys.stdout, logging.getLogger("lifecycle")
    writer, level = OneLine(), log.level
    log.addHandler(writer)
    if debugging() or "--debug" in arguments:
        log.setLevel(logging.DEBUG)
    try:
        code = obeyed(arguments)
        output.flush()
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        name = "lifecycle" if error.ctx is None else error.ctx.command_path
        said = " ".join(error.format_message().split()).rstrip(".")
        output.say(f"{name}: {on_one_line(said)}; see `{name} --help`", "red")
        return BAD_INPUT
    except click.ClickException as error:
        output.say(f"lifecycle: {on_one_line(error.format_message())}; see `lifecycle --help`", "red")
        return BAD_INPUT
    except click.Abort:
        return LEFT_AT_ONCE
    except StdoutClosedError as closed:
        let_go(STDOUT)
        if closed.fact:
            output.say(f"stdout: {closed.fact}; write to another place", "red")
        return ENDED_OTHERWISE
    except LifecycleError as error:
        output.say(on_one_line(str(error)), "red")
        return BAD_INPUT
    finally:
        sys.stdout = stdout
        log.removeHandler(writer)
        log.setLevel(level)
