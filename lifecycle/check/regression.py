"""Regression: counterexamples as a file of tests that anybody can run.

What lives here: the text of such a file. What must not: how a counterexample is lived; the file calls that. The law of
this file: what is written fails as long as the bug is there, and passes when it is gone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from lifecycle.check.shared.configuration import Workers
from lifecycle.check.story import Counterexample, Story
from lifecycle.check.telling import text
from lifecycle.check.worlds import world_named

MUTANT_VARIABLE = "LIFECYCLE_MUTANT"
"""The variable of the environment that says on which mutant's kernel a written file runs; none: the shipped one."""

FILE = '''"""Counterexamples of `lifecycle check`, as tests: red while the bug is there, green when it is gone.

{how}
They run on the kernel that is installed. To see them fail, run them on a mutant of it:

    {variable}={mutant} python -m pytest {name}

{stories}
"""

from __future__ import annotations

{imports}

COUNTEREXAMPLES = (
{examples}
)


@pytest.fixture
def kernel() -> Stepper:
    """Return the kernel under test."""
    name = os.environ.get("{variable}")
    return mutant(name).make() if name else KERNEL


@pytest.mark.parametrize("example", COUNTEREXAMPLES, ids=lambda one: one.property)
def test_kernel_keeps_its_rules(example: Counterexample, kernel: Stepper) -> None:
    """Given these moves, when the kernel steps through them, then no rule is broken and no promise."""
    assert () == faults_along(example, kernel)
{runtime}'''

RUNTIME = '''

@pytest.mark.parametrize("example", {which}, ids=lambda one: one.property)
def test_runtime_keeps_its_rules(example: Counterexample, kernel: Stepper) -> None:
    """Given these moves, when they are made on a tracker, then no rule is broken and it is where the kernel is."""
    moves = (*example.moves, *(example.forever or ()))
    assert () == asyncio.run(rehearsed(configuration(example.configuration), moves, kernel))
'''

LIVED_TWICE = """\
Each is lived twice: on the kernel alone, and on a real tracker with a store in memory and a clock that stands still."""
LIVED_ONCE = "What workers share is lived in the checker's world, with the functions that every store executes."

IMPORTS = """import asyncio
import os

import pytest

from lifecycle.check import KERNEL, Counterexample, Stepper, configuration, faults_along, mutant
from lifecycle.testing.rehearsal import rehearsed"""

IMPORTS_OF_SHARED = """import os

import pytest

from lifecycle.check import KERNEL, Counterexample, Stepper, faults_along, mutant"""


def file_of_tests(name: str, told: Sequence[tuple[Counterexample, Story]]) -> str:
    """Write the tests of some counterexamples, under the name of the file they are for.

    What workers share comes last: a tracker alone cannot live it.
    """
    told = sorted(told, key=lambda one: is_shared(one[0]))
    own = sum(not is_shared(example) for example, _ in told)
    which = "COUNTEREXAMPLES" if own == len(told) else f"COUNTEREXAMPLES[:{own}]"
    how = [LIVED_TWICE] * bool(own) + [LIVED_ONCE] * (own < len(told))
    mutants = [story.mutant for _, story in told if story.mutant]
    stories = "\n\n".join(text(story) for _, story in told)
    return FILE.format(
        variable=MUTANT_VARIABLE,
        mutant=quoted(mutants[0]) if mutants else "one-shot-orphan-timer",
        name=name,
        how="\n".join(how),
        imports=IMPORTS if own else IMPORTS_OF_SHARED,
        stories=stories.replace("\\", "\\\\").replace('"""', "'''"),
        examples="\n".join(literal(example) for example, _ in told),
        runtime=RUNTIME.format(which=which) if own else "",
    )


def is_shared(example: Counterexample) -> bool:
    """Say whether a counterexample is about what workers share."""
    return isinstance(world_named(example.configuration), Workers)


def quoted(name: str) -> str:
    """Return a name as it is typed in a shell."""
    return name if name.replace("-", "").isalnum() else f"'{name}'"


def literal(example: Counterexample) -> str:
    """Write a counterexample as Python, a move on each line."""
    fields = [f"        {text_literal(one)}," for one in (example.property, example.configuration)]
    fields.append(moves("", example.moves))
    if example.forever is not None:
        fields.append(moves("forever=", example.forever))
    fields.append(f"        faults={example.faults},")
    named = {"about": example.about, "without": example.without}
    fields += [f"        {name}={text_literal(value)}," for name, value in named.items() if value]
    return "\n".join(["    Counterexample(", *fields, "    ),"])


def moves(name: str, names: Sequence[str]) -> str:
    """Write a tuple of moves."""
    if not names:
        return f"        {name}(),"
    inside = [f"            {text_literal(one)}," for one in names]
    return "\n".join([f"        {name}(", *inside, "        ),"])


def text_literal(text: str) -> str:
    """Write a text as Python does, in double quotes."""
    return json.dumps(text, ensure_ascii=False)
