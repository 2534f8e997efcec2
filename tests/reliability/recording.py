"""The record: what campaigns came to when they last ran in earnest, kept for the page of the reference.

What lives here: how figures are kept, and with what they were taken. What must not: the page; ``docs/reference`` writes
it. The law of this file: figures come out of a tally that was just made, and know of which definition of their campaign.
"""

from __future__ import annotations

import ast
import datetime
import hashlib
import importlib.metadata
import inspect
import io
import json
import os
import tokenize
from pathlib import Path
from typing import Any

from .campaign import Campaign, Tally

RECORD = Path(__file__).resolve().parents[2] / "docs" / "reference" / "reliability.json"


def recorded() -> dict[str, Any]:
    """Return the record: by campaign its claim, its figures, and those of each control."""
    found: dict[str, Any] = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    return found


def note(campaign: Campaign, tally: Tally, command: str) -> None:
    """Keep what a campaign, or one of its controls, came to; it takes the place of what it came to before."""
    record = recorded()
    about = record.setdefault(campaign.name, {"controls": {}})
    about |= {"claim": campaign.claim, "unit": campaign.unit}
    if tally.control is None:
        about["figures"] = figures(campaign, tally, command)
    else:
        about["controls"][tally.control] = figures(campaign, tally, command)
    fresh = RECORD.with_name(f"{RECORD.name}-new")
    fresh.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", "utf-8")
    os.replace(fresh, RECORD)


def figures(campaign: Campaign, tally: Tally, command: str) -> dict[str, Any]:
    """Tell a tally, and when and with what it was taken."""
    from benchmarks.showing import machine, versions  # found only from the root, where campaigns are run

    return {
        "command": command,
        "covered": tally.covered,
        "cpu_seconds": round(tally.cpu_seconds, 1),
        "definition": definition(campaign),
        "fired": dict(sorted(tally.fired.items())),
        "machine": machine(),
        "taken": datetime.date.today().isoformat(),
        "tried": tally.tried,
        "versions": {"lifecycle": importlib.metadata.version("agent-lifecycle"), **versions()},
        "violated": tally.violated,
        "violations": [{"at": place, "what": what} for place, what in tally.violations],
    }


def definition(campaign: Campaign) -> str:
    """Stand for what a campaign does: for the code of the file that defines it, whatever its comments say.

    That a file changed which it shares with others, or the engine itself, is not seen; what it was taken with is told.
    """
    path = inspect.getsourcefile(type(campaign))
    assert path is not None
    return hashlib.sha256(code_of(Path(path).read_text("utf-8")).encode()).hexdigest()[:16]


def code_of(source: str) -> str:
    """Return a source without what changes nothing: docstrings, comments and spaces."""
    lines = source.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            (row, begin), (_, end) = token.start, token.end
            lines[row - 1] = lines[row - 1][:begin] + lines[row - 1][end:]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return "".join("".join(lines).split())
