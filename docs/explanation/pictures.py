"""Draw what the pages show beside the gallery: the machine of a page, and a counterexample.

What lives here: which pictures there are, and of what. What must not: a picture of others; those are what their commands
wrote once. The law of this file: ``pages()`` says what each file must contain; a test compares, ``make diagrams`` writes.
"""

from __future__ import annotations

import re
from pathlib import Path

from lifecycle.check import kill, mutant
from lifecycle.check.machines import taken_in
from lifecycle.check.telling import told
from lifecycle.cli.lives import life_of_counterexample
from lifecycle.draw import graph_of, picture, timeline

HERE = Path(__file__).resolve().parent
REVIEW = re.compile(r"^```python\n(# review\.py\n.*?)^```", re.MULTILINE | re.DOTALL)
BROKEN = "one-shot-orphan-timer"


def review() -> str:
    """Draw the machine of the page that compares pictures."""
    written = REVIEW.search((HERE / "pictures-compared.md").read_text("utf-8"))
    assert written is not None
    there: dict[str, object] = {}
    exec(written[1], there)
    return picture(graph_of(taken_in(there["review"])))


def counterexample() -> str:
    """Draw how a kernel is found out whose orphan timer fires only once."""
    broken = mutant(BROKEN)
    example = kill(broken).counterexample
    assert example is not None
    name = f"{told(example, broken).property} is broken by {BROKEN}"
    return timeline(life_of_counterexample(name, example, broken.make()))


def pages() -> dict[Path, str]:
    """Say what each picture must contain."""
    return {
        HERE / "pictures" / "lifecycle.svg": review(),
        HERE / "pictures" / "counterexample.svg": counterexample(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
