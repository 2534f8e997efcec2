"""Drawing: small modules whose functions call each other, for writing them out.

What lives here: what such a module may consist of. What must not: what is expected of it. The law of this file: every
name is assigned before it is read, on every way, and every loop ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

HEAD = """\
KNOWN = (1, 2)
ROWS = {0: {"go": (1, 2), "stop": (3,)}, 1: {"go": (4, 5)}, 2: {"go": (1, 2)}, 3: {}}
"""

PARAMETERS = ("p", "q", "box")
LOCALS = ("a", "b", "c")


class Drawing:
    """Draw the functions of a module, one after the other; each calls those before it."""

    def __init__(self, choose: Callable[[Sequence[str]], str]) -> None:
        self.choose = choose
        self.functions: list[str] = []
        self.defaulted: set[str] = set()
        self.loops = 0

    def one_of(self, *options: str) -> str:
        """Draw one of some."""
        return self.choose(options)

    def module(self) -> str:
        """Draw the text of a module; ``last`` is what to call."""
        text = HEAD
        for name in ("first", "second", "last"):
            body = "\n".join(self.body(set(PARAMETERS[:2]), 2, in_loop=False))
            default = self.one_of("", "=1") if name != "last" else ""
            text += f"\n\ndef {name}(p, box, q{default}):\n{body}\n"
            self.functions.append(name)
            self.defaulted |= {name} if default else set()
        return text

    # -- expressions --------------------------------------------------------------------------------------------------

    def expression(self, names: set[str], depth: int) -> str:
        """Draw an expression over names that are assigned."""
        if not depth or self.one_of("plain", "more") == "plain":
            return self.one_of("0", "1", "2", "box.n", *sorted(names))
        first, second = self.expression(names, depth - 1), self.expression(names, depth - 1)
        return self.one_of(
            *(f"{name}({first}, box, {second})" for name in self.functions),
            *(f"{name}({first}, box)" for name in self.functions if name in self.defaulted),
            f"note({first})",
            f"fail({first} or 0)",
            f"({first}, {second})[0]",
            f"(({first} or 0) + ({second} or 0))",
            f"({first} if {second} else 2)",
            f"({first} and {second})",
            f"(not {first})",
            f"({first} == {second})",
            f"note(what={first})",
            f"sum([one or 0 for one in ({first}, {second})])",
        )

    def test(self, names: set[str]) -> str:
        """Draw a test."""
        return self.one_of(f"{self.one_of(*sorted(names))} is not None", self.expression(names, 1))

    # -- statements ---------------------------------------------------------------------------------------------------

    def body(self, names: set[str], depth: int, in_loop: bool) -> list[str]:
        """Draw the lines of a body, and add to the names those that are assigned by it on every way."""
        lines: list[str] = []
        for _ in self.one_of("1", "11", "111", "1111") if depth == 2 else self.one_of("1", "11"):
            lines += self.statement(names, depth, in_loop)
        return [f"    {line}" for line in lines]

    def statement(self, names: set[str], depth: int, in_loop: bool) -> list[str]:
        """Draw a statement."""
        kinds = ["assign", "assign", "call", "return", "change", "row", "add", "pair"]
        kinds += ["if", "if", "known", "loop", "answer"] * bool(depth) + ["break"] * in_loop
        kind = self.one_of(*kinds)
        value, name = self.expression(names, 2), self.one_of(*LOCALS)
        match kind:
            case "if":
                return self.branches(names, depth, in_loop)
            case "known" | "loop":
                return self.loop("KNOWN" if kind == "known" else f"[0, {value}]", names, depth)
            case "answer":
                inner = self.body({*names, name}, 0, in_loop)
                names.add(name)
                return [f"{name} = {value}", f"if {name} is not None:", *inner, f"    return {name}"]
            case "row":
                key, asked = self.one_of("p", "q"), self.one_of("go", "stop")
                lines = [f"{name} = ROWS[({key} or 0) % 4].get({asked!r})", f"if {name}:", f"    note({name}[0])"]
                if self.one_of("apart", "at once") == "apart":
                    lines[:1] = [f"{name} = ({key} or 0) % 4", f"row = ROWS[{name}].get({asked!r})", f"{name} = row"]
                return [*lines, *self.assigned(name, names, "1")]
            case "add" if name in names:
                return [f"{name} = {name} or 0", f"{name} += {value} or 0"]
            case "pair":
                names |= {"a", "b"}
                return [f"a, b = {value}, {self.one_of('p', 'q', '2')}"]
            case "change":
                return [f"box.n {self.one_of('=', '+=')} {value} or 0"]
            case "return" | "break":
                return [kind if kind == "break" else f"return {value}"]
            case "call":
                return [value]
        return self.assigned(self.one_of(name, "p"), names, value)

    def assigned(self, name: str, names: set[str], value: str) -> list[str]:
        """Assign a value to a name."""
        names.add(name)
        return [f"{name} = {value}"]

    def branches(self, names: set[str], depth: int, in_loop: bool) -> list[str]:
        """Draw an ``if``."""
        test, first, second = self.test(names), set(names), set(names)
        lines = [f"if {test}:", *self.body(first, depth - 1, in_loop)]
        if self.one_of("else", "") == "else":
            lines += ["else:", *self.body(second, depth - 1, in_loop)]
            names |= first & second
        return lines

    def loop(self, things: str, names: set[str], depth: int) -> list[str]:
        """Draw a loop; its name is its own, or one of before."""
        self.loops += 1
        name = self.one_of(f"each{self.loops}", "each")
        return [f"for {name} in {things}:", *self.body({*names, name}, depth - 1, in_loop=True)]


@st.composite
def modules(draw: Callable[[st.SearchStrategy[str]], str]) -> str:
    """Draw the text of a module."""
    return Drawing(lambda options: draw(st.sampled_from(options))).module()
