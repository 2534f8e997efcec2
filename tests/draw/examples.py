"""Machines that are hard to draw.

What lives here: declarations with hostile names, many states, and everything a row can have. What must not: tests. The
law of this file: whatever anybody may name a state, some machine here has.
"""

from __future__ import annotations

from itertools import pairwise

from lifecycle import Guard, Hold, Machine, Row, Send, State

HOSTILE = (
    'say "no"',
    "a --> b",
    "[*]",
    "end",
    "state",
    "note right of x",
    "classDef",
    "direction LR",
    "}",
    "{",
    "%% comment",
    "a;b",
    "a: b",
    "a#35;b",
    "<b>&amp;</b>",
    "a|b",
    "`code`",
    "\\",
    "\\n",
    "line\nbreak",
    "tab\there",
    "",
    " ",
    "\x00\x1b[2J",
    "\u202eright to left",
    "状态机",
    "état",
    "🙂",
    "e\u0301",
    "👩\u200d👩\u200d👧",
    "👍🏽",
    "می\u200cشود",
    "a\u200db",
    "->",
    "graph",
    "subgraph",
    "node",
    "strict",
    "]]>",
    "-->",
    "__proto__",
    "constructor",
    "x" * 300,
    "1",
    "fork",
    "<<choice>>",
    "click",
    "--",
)
"""Names that mean something to a format, to a terminal, or to nobody."""


def chain(names: tuple[str, ...], name: str = "chain") -> Machine:
    """Make a machine of states in a row, each name a trigger, a guard and a hook as well."""
    rows = [
        Row(source, trigger, dest, trigger, conditions=Guard(trigger or "empty"))
        for source, dest, trigger in zip(names[:-1], names[1:], reversed(names[1:]), strict=True)
    ]
    states = [State(one, holds=Hold(one, take=one, give=one)) for one in names[:-1]]
    return Machine(name, [*states, State(names[-1], final=True)], rows, names[0])


def hostile() -> Machine:
    """Make a machine of every hostile name."""
    return chain(HOSTILE, 'the "worst" <machine> -->')


def many(count: int) -> Machine:
    """Make a machine of many states: a long way with shortcuts, and ways back."""
    names = tuple(f"state_{at}" for at in range(count))
    rows = [Row(source, "go", dest) for source, dest in pairwise(names)]
    rows += [Row(names[at], "skip", names[at + 5]) for at in range(0, count - 6, 7)]
    rows += [Row(names[at], "back", names[at - 3]) for at in range(6, count - 1, 9)]
    return Machine(f"many {count}", [*names[:-1], State(names[-1], final=True)], rows, names[0])


def starry() -> Machine:
    """Make a machine of many states that are left alike for one of them, as whoever writes a wildcard declares it."""
    names = tuple(f"state_{at}" for at in range(40))
    rows = [Row(source, "go", dest) for source, dest in pairwise(names[:6])]
    rows += [Row(names, "reset", names[0], "sweep", conditions=Guard("is_tired")), Row(names[3:], "fail", names[-1])]
    return Machine("starry", [*names, State("over", final=True)], [*rows, Row(names, "end", "over")], names[0])


LIGHT = Hold("light", take="switch on", give="switch off")

DOOR = Machine(
    "door",
    (
        State("shut", ignores="push", refuses="lock_again"),
        State("open", holds=(LIGHT, "alarm"), refuses="unlock", on_enter="greet", on_exit="part"),
        State("bricked", final=True),
    ),
    (
        Row("shut", "unlock", "open", ("click", Send("bell", "ring")), conditions=Guard("is_paid")),
        Row("shut", "unlock", None, "buzz", unless=Guard("is_paid")),
        Row("open", "push", "shut"),
        Row("open", "polish", "="),
        Row(("shut", "open"), "brick", "bricked", "shout"),
        Row(("shut", "open"), "burn", "bricked", "shout"),
    ),
    "shut",
)
"""One of everything that a row can have."""
