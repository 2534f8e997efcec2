"""Case: one step as a rule is asked about it.

What lives here: what a rule is told. What must not: a rule. The law of this file: whatever a rule knows, it knows of the
move, the session before and after, the input, and what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lifecycle.check.moves import Move
from lifecycle.declaration import Machine
from lifecycle.kernel import Step
from lifecycle.kernel.inputs import Input
from lifecycle.kernel.values import Session


class Case:
    """One step to be judged: the move that was meant, the session before, the input, the step, under which machines.

    ``after`` is the session after it, of a step that changed something.
    """

    __slots__ = ("after", "before", "changed", "given", "machines", "move", "step")

    after: Session

    def __init__(
        self, move: Move, before: Session | None, given: Input, step: Step, machines: Mapping[str, Machine]
    ) -> None:
        self.move, self.before, self.given, self.step, self.machines = move, before, given, step, machines
        self.changed = step.session is not before
        if step.session is not None:
            self.after = step.session


Holds = Callable[[Case], bool]
"""A rule: true while it is kept."""
