"""Answering from a shell: a question as people read it, and the commands that answer it.

What lives here: the block that ``run`` and ``show`` both print of a question. What must not: asking on a terminal. The
law of this file: whoever answers by a printed command has been shown everything that the answer is about.
"""

from __future__ import annotations

from lifecycle import OpenRequest
from lifecycle.cli.writing import Output, decide_line, indented
from lifecycle.kernel.values import Session
from lifecycle.runtime.border import LOCAL


def asked_in_place(session: Session, run: str) -> bool:
    """Say whether the code of a waiting run is in the memory of a process: nobody else can answer it."""
    return session.execution is not None and session.execution.run == run


def answers(session: str, request: OpenRequest, store: str, owner: str) -> list[str]:
    """Return the commands that answer a request: the first does what the human is asked for."""

    def line(decision: str, *options: str) -> str:
        by = () if owner == LOCAL else ("--by", owner)
        shown = ("--store", store, *by, "--digest", request.digest)
        return decide_line(session, request.run, request.id, decision, *shown, *options)

    if request.kind == "choice":
        return [line("answer", "--text", option) for option in request.options]
    if request.kind == "text":
        return [line("answer", "--text", "your answer")]
    return [line("approve"), line("reject-and-continue", "--text", "what to do instead"), line("reject")]


def tell_question(output: Output, request: OpenRequest, commands: list[str], seen: bool = False) -> None:
    """Write what is asked, what exactly it is about, and the commands; these alone where the rest was just seen."""
    if not seen:
        output.text(f"? {request.text}")
        if request.args is not None:
            output.text(indented(request.args))
        if request.kind == "sign_in":
            output.text(f"Sign in at {request.body.get('url') or 'the service'}")
    for line in commands:
        output.text(f"  {line}")
