"""Exploring: the states of a world, gone through by hand.

What lives here: what can be typed at each state, and what is shown of it. What must not: what may happen; a life says
that. The law of this file: it works as well with lines from a pipe, and the end of input is an end like any other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from lifecycle.check import Life, Mutant, Stepper, Workers
from lifecycle.check.shared.life import SharedLife
from lifecycle.check.shared.telling import told_step as told_shared_step
from lifecycle.check.shared.words import now_in_words
from lifecycle.check.slices import DOWN, LOST, OWED
from lifecycle.check.story import Told
from lifecycle.check.telling import told_step
from lifecycle.check.words import state_in_words
from lifecycle.check.worlds import AnyWorld
from lifecycle.cli.writing import Output
from lifecycle.errors import Invalid
from lifecycle.kernel import KERNEL

WORDS = "a number or the name of a move, undo, fork, life N, moves, help, quit"

PROCESS = {OWED: "hooks are owed", DOWN: "the process is gone", LOST: "the process is gone, and owes hooks"}


AnyLife = Life | SharedLife
"""A life of one session in one process, or of one that workers share."""


def begun(config: AnyWorld, kernel: Stepper) -> AnyLife:
    """Begin a life."""
    return SharedLife(config, kernel) if isinstance(config, Workers) else Life(config, kernel)


def now_of(life: AnyLife) -> str:
    """Say how it is in a life now."""
    if isinstance(life, SharedLife):
        return now_in_words(life)
    own = [PROCESS[life.process]] if life.process in PROCESS else []
    return " · ".join([state_in_words(life.session), *own])


def faults_of(life: AnyLife) -> set[str]:
    """Return the names of what may happen in a life and nobody wants."""
    return life.faults() if isinstance(life, SharedLife) else {move.name for move in life.moves.values() if move.fault}


def last_of(life: AnyLife) -> Told:
    """Tell the last move of a life."""
    number = len(life.lived)
    if isinstance(life, SharedLife):
        return told_shared_step(life.world, life.lived[-1], number)
    return told_step(life.lived[-1], number)


class Exploring:
    """Lives side by side: one is gone on with, the others wait."""

    def __init__(self, config: AnyWorld, mutant: Mutant | None, output: Output) -> None:
        self.output = output
        kernel = KERNEL if mutant is None else mutant.make()
        self.lives = [[begun(config, kernel)]]
        self.at = 0
        self.orders: dict[str, Callable[[str], None]] = {
            "undo": self.undo,
            "fork": self.fork,
            "life": self.change,
            "moves": self.show,
            "help": self.explain,
        }

    @property
    def life(self) -> AnyLife:
        """Return the life that is gone on with."""
        return self.lives[self.at][-1]

    def show(self, rest: str = "") -> None:
        """Show the state, and what may happen."""
        life = self.life
        self.output.text(now_of(life))
        faults = faults_of(life)
        for number, name in enumerate(life.possible(), 1):
            fault = " (a fault)" if name in faults else ""
            self.output.text(f"  {number:>2}. {name}{fault}")
        if not life.possible():
            self.output.text("  nothing more can happen")

    def move(self, typed: str) -> None:
        """Make a move, by its number or its name, and show what it changed."""
        possible = self.life.possible()
        if typed.isascii() and typed.isdigit():
            if not 1 <= int(typed) <= len(possible):
                raise Invalid(f"number {typed}", f"there are {len(possible)} moves", "type one of their numbers")
            typed = possible[int(typed) - 1]
        following = self.life.fork()
        following.do(typed)
        self.lives[self.at].append(following)
        step = last_of(following)
        for change in step.changes:
            self.output.text(f"        {change}")
        if step.broken is not None:
            self.output.text(f"     ✗ breaks {step.broken}")
        self.show()

    def undo(self, rest: str) -> None:
        """Take the last move back."""
        if len(self.lives[self.at]) == 1:
            raise Invalid("undo", "nothing has happened yet", "make a move")
        self.lives[self.at].pop()
        self.show()

    def fork(self, rest: str) -> None:
        """Go on with a copy of this life; the life itself waits here."""
        self.lives.append(list(self.lives[self.at]))
        self.change(str(len(self.lives)))

    def change(self, rest: str) -> None:
        """Go on with another life."""
        if not (rest.isascii() and rest.isdigit() and 1 <= int(rest) <= len(self.lives)):
            raise Invalid(f"life {rest}".rstrip(), f"there are lives 1 to {len(self.lives)}", "type life N")
        self.at = int(rest) - 1
        self.output.text(f"life {rest} of {len(self.lives)}")
        self.show()

    def explain(self, rest: str) -> None:
        """Say what can be typed."""
        self.output.text(WORDS)

    def obey(self, typed: str) -> None:
        """Do what was typed, or say in one sentence why not."""
        word, _, rest = typed.partition(" ")
        try:
            if word in self.orders and (word == "life" or not rest):
                self.orders[word](rest.strip())
            else:
                self.move(typed)
        except Invalid as refused:
            self.output.say(str(refused))


def explore_by_hand(config: AnyWorld, mutant: Mutant | None, output: Output) -> int:
    """Read lines until they end, or somebody wants to leave; do what each says."""
    exploring = Exploring(config, mutant, output)
    output.say(f"configuration {config.name}: {config.bounds()}; type {WORDS}")
    exploring.show()
    while True:
        typed = line_typed(output)
        if typed is None or typed in ("quit", "q"):
            return 0
        if typed:
            exploring.obey(typed)


def line_typed(output: Output) -> str | None:
    """Read a line; none at the end of input, where it cannot be read, or when Ctrl-C says so."""
    if sys.stdin.isatty():
        output.err.write("> ")
        output.err.flush()
    try:
        line = sys.stdin.readline()
    except (KeyboardInterrupt, OSError):
        return None
    return line.strip() if line else None
