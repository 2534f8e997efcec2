"""Asking: a question on the terminal, a decision back.

What lives here: how each kind of question is put to a human. What must not: deciding anything by itself. The law of
this file: a decision is made of what was typed after its question was shown; an unclear line is asked again.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import tempfile
from pathlib import Path

from lifecycle import answer, approve, reject, reject_and_continue
from lifecycle.cli.terminal import Terminal
from lifecycle.cli.writing import Output, indented
from lifecycle.runtime.questions import Decision, OpenRequest

LEAVE = "Ctrl-D leaves it for later"
"""What Ctrl-D does at a question whose run is parked."""

END = "Ctrl-D ends the run, which waits in this process"
"""What it does at a question that code waits for in place."""


async def ask(
    request: OpenRequest, terminal: Terminal, output: Output, leave: str = LEAVE, place: str = ""
) -> Decision | None:
    """Put a question to the human and return the decision; none for Ctrl-D, and ``leave`` says what that does.

    ``place`` says which one of several questions it is.
    """
    terminal.forget()
    output.say(f"\n? {request.text}{place}", "yellow")
    ask_kind = {"approval": ask_approval, "choice": ask_choice, "sign_in": ask_sign_in}.get(request.kind, ask_text)
    decision = await ask_kind(request, terminal, output, leave)
    if decision is None:
        output.say("")
    return decision


async def ask_approval(request: OpenRequest, terminal: Terminal, output: Output, leave: str) -> Decision | None:
    """Show what exactly would be done; yes, no, no with feedback, or edited arguments."""
    if request.args is not None:
        output.say(indented(request.args))
    while True:
        output.say(f"y yes · n no, stop the run · f no, with feedback · e edit the arguments · {leave}", "cyan")
        line = await terminal.line()
        if line is None:
            return None
        match line.strip().lower():
            case "y" | "yes":
                return approve()
            case "n" | "no":
                return reject()
            case "f" | "feedback":
                output.say("What should it do instead?", "cyan")
                feedback = await terminal.line()
                if feedback is not None and feedback.strip():
                    return reject_and_continue(feedback.strip())
            case "e" | "edit":
                edited = await edit(request, terminal, output)
                if edited is not None:
                    return edited


async def ask_choice(request: OpenRequest, terminal: Terminal, output: Output, leave: str) -> Decision | None:
    """Take the number of an option, or its very text."""
    options = request.options
    numbered = not any(option.strip().isdigit() for option in options)
    for number, option in enumerate(options, 1):
        output.say(f"  {number}  {option}" if numbered else f"  {option}")
    while True:
        output.say(f"Type {'a number' if numbered else 'one of these'} · {leave}", "cyan")
        line = await terminal.line()
        if line is None:
            return None
        typed = line.strip()
        if line in options or typed in options:
            return answer(line if line in options else typed)
        if numbered and typed.isascii() and typed.isdigit() and 1 <= int(typed[:9]) <= len(options):
            return answer(options[int(typed[:9]) - 1])
        output.say(f"answer {typed}: it is none of the options; nothing was decided", "red")


async def ask_text(request: OpenRequest, terminal: Terminal, output: Output, leave: str) -> Decision | None:
    """Take a line that is not empty."""
    while True:
        output.say(f"Type your answer · {leave}", "cyan")
        line = await terminal.line()
        if line is None:
            return None
        if line.strip():
            return answer(line)


async def ask_sign_in(request: OpenRequest, terminal: Terminal, output: Output, leave: str) -> Decision | None:
    """Name the place to sign in at, and wait until the human says that it is done."""
    output.say(f"Sign in at {request.body.get('url') or 'the service'}", "cyan")
    while True:
        output.say(f"y signed in · n no, stop the run · {leave}", "cyan")
        line = await terminal.line()
        if line is None:
            return None
        if line.strip().lower() in ("y", "yes"):
            return approve()
        if line.strip().lower() in ("n", "no"):
            return reject()


# -- edited arguments -------------------------------------------------------------------------------------------------


async def edit(request: OpenRequest, terminal: Terminal, output: Output) -> Decision | None:
    """Let the human change the arguments, in the editor of $VISUAL or $EDITOR or as one line.

    None: nothing was decided. Only a change decides, and only once it was shown and confirmed.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if editor:
        text = await edited_in(editor, indented(request.args), output)
    else:
        output.say("Type the arguments as JSON on one line (set EDITOR to change them in an editor)", "cyan")
        text = await terminal.line()
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=refuse_constant) if text.strip() else None
    except (ValueError, RecursionError) as fault:
        output.say(f"arguments: they are no JSON ({fault}); nothing was decided", "red")
        return None
    if value in NO_ANSWERS:
        output.say("arguments: they are empty, which is no answer; nothing was decided", "red")
        return None
    if is_same(value, request.args):
        output.say("arguments: they are as they were; nothing was decided", "red")
        return None
    return answer(value) if await confirmed(value, terminal, output) else None


NO_ANSWERS: tuple[object, ...] = (None, "", [], {})
"""Values that say nothing, and so answer nothing."""


def is_same(one: object, other: object) -> bool:
    """Say whether two values are the same JSON; Python takes 1 and true for equal."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


async def confirmed(value: object, terminal: Terminal, output: Output) -> bool:
    """Show the edited arguments and ask whether they are approved; an unclear line is asked again."""
    terminal.forget()
    output.say(indented(value))
    while True:
        output.say("Approve with these arguments? y yes · n no, back to the question", "cyan")
        line = await terminal.line()
        match "n" if line is None else line.strip().lower():
            case "y" | "yes":
                return True
            case "n" | "no":
                return False


def refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(f"{name} is none of its values")


async def edited_in(editor: str, text: str, output: Output) -> str | None:
    """Return the text as an editor left it; none if it could not be started or failed."""
    with tempfile.TemporaryDirectory(prefix="lifecycle-") as folder:
        path = Path(folder, "arguments.json")
        path.write_text(text + "\n", encoding="utf-8")
        try:
            editing = await asyncio.create_subprocess_exec(*shlex.split(editor), str(path))
        except (OSError, ValueError) as fault:
            output.say(f"editor {editor}: it cannot be started ({fault}); set EDITOR to one that can", "red")
            return None
        try:
            code = await editing.wait()
        except asyncio.CancelledError:
            editing.terminate()
            raise
        if code:
            output.say(f"editor {editor}: it failed with code {code}; nothing was decided", "red")
            return None
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:  # an editor may take its file away: then it is empty
            return ""
