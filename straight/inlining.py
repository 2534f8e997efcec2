"""Inlining: the body of a function in place of its call, and the answer in place of a question that has one already.

What lives here: how Python's own syntax trees are written out straight. What must not: anything about a kernel. The law
of this file: what cannot be written out for certain stays a call.

A call is written out where it stands as a statement, as a value that is assigned or returned, or within an expression
that has nothing else to evaluate first but names and attributes. Arguments are evaluated once, names of the callee get
a number, an early ``return`` becomes the other branch of an ``if``. What is known while it is written (a constant, a
function, a row of a table) is followed as far as it goes: a loop over known things is unrolled, a branch not taken is
left out, a look-up by an unknown key in a known table becomes a branch for each of its answers.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any, cast

Statements = list[ast.stmt]
UNKNOWN: Any = object()
PLAIN = (type(None), bool, int, str)


class Impossible(Exception):
    """Stop writing out a call: it stays one."""


class Sources:
    """The syntax trees of functions: those of files, and those that were generated and told of."""

    def __init__(self, generated: Mapping[int, tuple[str, Mapping[str, Any]]]) -> None:
        self.generated = generated
        self.trees: dict[str, dict[tuple[str, int], ast.FunctionDef]] = {}

    def is_generated(self, function: FunctionType) -> bool:
        """Say whether a function was generated: it reads its arguments in their order, and calls nothing in between."""
        return id(function.__code__) in self.generated

    def of(self, function: FunctionType) -> tuple[ast.FunctionDef, Mapping[str, Any]]:
        """Return a function's tree, and what the names in it that are not its own stand for."""
        code = function.__code__
        told = self.generated.get(id(code))
        if told is not None:
            (tree,) = [one for one in ast.parse(told[0]).body if getattr(one, "name", "") == function.__name__]
            assert isinstance(tree, ast.FunctionDef)
            return tree, told[1]
        if code.co_filename not in self.trees:
            module = inspect.getmodule(code)
            nodes = ast.walk(ast.parse(inspect.getsource(module))) if module is not None else ()
            found = {(one.name, one.lineno): one for one in nodes if isinstance(one, ast.FunctionDef)}
            self.trees[code.co_filename] = found
        known = self.trees[code.co_filename].get((function.__name__, code.co_firstlineno))
        if known is None:
            raise Impossible
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        return copy.deepcopy(known), {**function.__globals__, **{name: cell.cell_contents for name, cell in cells}}


def base_of(name: str) -> str:
    """Return a name without its number."""
    return name.strip("_").rstrip("0123456789").rstrip("_") or "it"


def stored(nodes: Iterable[ast.AST]) -> list[str]:
    """List the names that are assigned, as often as they are."""
    return [one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name) and is_store(one)]


def read(nodes: Iterable[ast.AST]) -> list[str]:
    """List the names that are read, as often as they are."""
    return [one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name) and not is_store(one)]


def is_store(name: ast.Name) -> bool:
    """Say whether a name is assigned here."""
    return isinstance(name.ctx, ast.Store)


def returns(node: ast.AST) -> bool:
    """Say whether something returns somewhere in it."""
    return any(isinstance(one, ast.Return) for one in ast.walk(node))


def jumps(body: Statements) -> bool:
    """Say whether a body breaks or continues a loop."""
    return any(isinstance(one, ast.Break | ast.Continue) for each in body for one in ast.walk(each))


def leaves(body: Statements) -> bool:
    """Say whether every way through it ends in a return or a raise."""
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        return leaves(last.body) and leaves(last.orelse)
    return isinstance(last, ast.Return | ast.Raise)


def named(name: str) -> ast.Name:
    """Make a name that is read."""
    return ast.Name(name, ast.Load())


def assigned(name: str, value: ast.expr) -> ast.Assign:
    """Make an assignment."""
    return ast.Assign([ast.Name(name, ast.Store())], value)


class Renaming(ast.NodeTransformer):
    """Give the callee's own names a number, its parameters their arguments, and all others what they stand for."""

    def __init__(self, own: Mapping[str, ast.expr], outer: Mapping[str, Any], refer: Callable[[Any, str], ast.expr]):
        self.own, self.outer, self.refer = own, outer, refer

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Rename."""
        if node.id in self.own:
            new = copy.deepcopy(self.own[node.id])
            if isinstance(new, ast.Name):
                new.ctx = node.ctx
            return new
        return self.refer(self.outer[node.id], node.id) if node.id in self.outer else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        """Leave the annotation out."""
        assert node.value is not None
        return ast.Assign([self.visit(node.target)], self.visit(node.value))


class Writer:
    """Write functions out straight. ``within`` says which functions may be written out; all others are called.

    ``fields`` are attributes whose value is known whatever they are read of, ``steady`` those that are assigned once and
    can be read from where they came; ``scope`` collects what the names in the result stand for.
    """

    def __init__(
        self,
        sources: Sources,
        within: Callable[[FunctionType], bool],
        fields: Mapping[str, Any] | None = None,
        steady: Iterable[str] = (),
        single: Iterable[Any] = (),
        parameters: Iterable[str] = (),
    ) -> None:
        self.sources, self.within, self.fields = sources, within, fields or {}
        self.scope: dict[str, Any] = {}
        self.names: dict[int, str] = {}
        self.known: dict[str, Any] = {}
        self.steady = frozenset(steady)
        self.single = {id(one) for one in single}
        self.parameters = frozenset(parameters)
        self.kept: dict[tuple[str, str], str] = {}
        self.same: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.stack: list[FunctionType] = []

    # -- names --------------------------------------------------------------------------------------------------------

    def refer(self, thing: Any, hint: str) -> ast.expr:
        """Return how to name a thing; a plain constant names itself."""
        if is_plain(thing):
            return ast.parse(repr(thing), mode="eval").body
        if id(thing) not in self.names:
            hint = base_of(getattr(thing, "__name__", hint))
            name, number = hint, 1
            while name in self.scope or name in self.parameters or hasattr(builtins, name):
                name, number = f"{hint}__{number}", number + 1
            self.names[id(thing)] = name
            self.scope[name] = thing
        return named(self.names[id(thing)])

    def fresh(self, hint: str) -> str:
        """Return a name that nothing has yet."""
        base = base_of(hint)
        self.numbers[base] = self.numbers.get(base, 0) + 1
        return f"{base}_{self.numbers[base]}"

    # -- what is known ------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr | None) -> Any:
        """Return what an expression comes to, if that is known."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self.known.get(node.id, self.scope.get(node.id, UNKNOWN))
        if isinstance(node, ast.Tuple):
            items = [self.value(one) for one in node.elts]
            return UNKNOWN if any(one is UNKNOWN for one in items) else tuple(items)
        if isinstance(node, ast.Attribute):
            base = self.value(node.value)
            if base is UNKNOWN and node.attr in self.fields:
                return self.fields[node.attr]
            if base is UNKNOWN or isinstance(base, type) or not hasattr(base, node.attr):
                return UNKNOWN
            return getattr(base, node.attr)
        if isinstance(node, ast.Subscript):
            base, key = self.value(node.value), self.value(node.slice)
            if not isinstance(base, dict | tuple) or key is UNKNOWN:
                return UNKNOWN
            return base[key]
        if isinstance(node, ast.IfExp):
            test = self.truth(node.test)
            return UNKNOWN if test is None else self.value(node.body if test else node.orelse)
        return UNKNOWN

    def truth(self, test: ast.expr) -> bool | None:
        """Return whether a test holds, if that is known."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self.truth(test.operand)
            return None if inner is None else not inner
        if isinstance(test, ast.BoolOp):
            parts = [self.truth(one) for one in test.values]
            decisive = isinstance(test.op, ast.Or)
            if decisive in parts:
                return decisive if None not in parts[: parts.index(decisive)] else None
            return None if None in parts else not decisive
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            left, right = self.value(test.left), self.value(test.comparators[0])
            if left is UNKNOWN or right is UNKNOWN:
                return None
            op = test.ops[0]
            if isinstance(op, ast.Is | ast.IsNot):
                return (left is right) is isinstance(op, ast.Is)
            if isinstance(op, ast.Eq | ast.NotEq):
                return bool(left == right) is isinstance(op, ast.Eq)
            return bool(left in right) is isinstance(op, ast.In) if isinstance(op, ast.In | ast.NotIn) else None
        value = self.value(test)
        return None if value is UNKNOWN else bool(value)

    # -- calls --------------------------------------------------------------------------------------------------------

    def callee(self, node: ast.expr | None) -> FunctionType | None:
        """Return the function of a call that may be written out."""
        if not isinstance(node, ast.Call) or node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            return None
        function = self.value(node.func)
        fits = isinstance(function, FunctionType) and function not in self.stack and self.within(function)
        return function if fits else None

    def expanded(
        self, function: FunctionType, arguments: list[ast.expr], into: str | None, tail: bool, fold: bool
    ) -> Statements:
        """Write a call out: its result goes ``into`` a name, is returned (``tail``), or is not wanted."""
        tree, outer = self.sources.of(function)
        names = [one.arg for one in tree.args.args]
        missing = len(names) - len(arguments)
        if tree.args.vararg or tree.args.kwonlyargs or not 0 <= missing <= len(tree.args.defaults):
            raise Impossible
        if missing:
            arguments = [*arguments, *tree.args.defaults[-missing:]]
        body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
        forbidden = ast.FunctionDef | ast.Lambda | ast.With | ast.Yield | ast.Global | ast.Nonlocal
        inner = [one for each in body for one in ast.walk(each)]
        if any(isinstance(one, forbidden) or (isinstance(one, ast.Try) and not tail) for one in inner):
            raise Impossible
        mine = stored(body)
        own: dict[str, ast.expr] = {}
        before: Statements = []
        for name, argument in zip(names, arguments, strict=True):
            simple = isinstance(argument, ast.Name | ast.Constant) or self.value(argument) is not UNKNOWN
            if name not in mine and self.sources.is_generated(function) and read(body).count(name) == 1:
                own[name] = argument
            elif simple and name not in mine:
                value = self.value(argument)
                own[name] = argument if value is UNKNOWN or isinstance(argument, ast.Name) else self.refer(value, name)
            elif tail and isinstance(argument, ast.Name) and argument.id == name:
                own[name] = argument
            else:
                new = self.fresh(name)
                before.append(assigned(new, argument))
                own[name] = named(new)
        own |= {name: named(self.fresh(name)) for name in dict.fromkeys(mine) if name not in own}
        body = [Renaming(own, outer, self.refer).visit(one) for one in body]
        self.stack.append(function)
        known = dict(self.known)
        try:
            once = {one for one, count in counted(stored(body)).items() if count == 1}
            if not tail:
                body = spliced(self.unrolled(body), into)
                if into is not None and fold and stored(body).count(into) == 1 and is_last(body, into):
                    once.add(into)
            return self.shortcut(self.block(before, once) + self.block(body, once), into)
        finally:
            self.stack.pop()
            kept = self.known.get(into or "", UNKNOWN)
            self.known = known if kept is UNKNOWN else {**known, str(into): kept}

    def shortcut(self, body: Statements, into: str | None) -> Statements:
        """Let a value that ends up in a name be made in it."""
        match body[-1:]:
            case [ast.Assign([ast.Name(target)], ast.Name(made))] if target == into and into not in read(body):
                if stored(body).count(made) == 1 and stored(body).count(target) == 1:
                    self.kept |= {(target, field): one for (name, field), one in self.kept.items() if name == made}
                    return with_name(body[:-1], made, named(target))
        return body

    def unrolled(self, body: Statements) -> Statements:
        """Write a loop over known things out that may be left early: then it is no loop to be left any more."""
        written: Statements = []
        for statement in body:
            match statement:
                case ast.For(ast.Name(target), iterated, inner, []) if returns(statement) and not jumps(inner):
                    items = self.value(iterated)
                    if not isinstance(items, tuple):
                        written.append(statement)
                    for item in items if isinstance(items, tuple) else ():
                        written += self.unrolled(with_name(inner, target, self.refer(item, target)))
                case _:
                    written.append(statement)
        return written

    def attempt(
        self,
        function: FunctionType,
        arguments: list[ast.expr],
        into: str | None,
        tail: bool = False,
        fold: bool = False,
    ) -> Statements | None:
        """Write a call out, or return none if it must stay one."""
        saved = dict(self.known)
        try:
            return self.expanded(function, arguments, into, tail, fold)
        except Impossible:
            self.known = saved
            return None

    def hoisted(self, node: ast.expr, before: Statements) -> ast.expr:
        """Take the calls that can be written out before an expression out of it."""
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp | ast.Lambda):
            return cast("ast.expr", self.resolved(node))
        if isinstance(node, ast.BoolOp):
            node.values = self.shortened(node)
            if len(node.values) == 1:
                return self.hoisted(node.values[0], before)
            node.values = [self.hoisted(node.values[0], before), *map(self.resolved, node.values[1:])]
            return node
        if isinstance(node, ast.IfExp):
            test = self.truth(node.test)
            if test is not None:
                return self.hoisted(node.body if test else node.orelse, before)
            node.test = self.hoisted(node.test, before)
            node.body, node.orelse = self.resolved(node.body), self.resolved(node.orelse)
            return node
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, field, self.hoisted(value, before))
            elif isinstance(value, list):
                items = [self.hoisted(one, before) if isinstance(one, ast.expr) else one for one in value]
                setattr(node, field, items)
        value = UNKNOWN if isinstance(node, ast.Name | ast.Constant) else self.value(node)
        if value is not UNKNOWN:
            return self.refer(value, getattr(node, "attr", "it"))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            kept = self.kept.get((node.value.id, node.attr))
            return node if kept is None else named(kept)
        if isinstance(node, ast.Name):
            return cast("ast.expr", self.resolved(node))
        function = self.callee(node)
        if function is not None:
            assert isinstance(node, ast.Call)
            into = self.fresh(function.__name__)
            written = self.attempt(function, node.args, into, fold=True)
            if written is not None:
                before += written
                if into in self.known:
                    return self.refer(self.known[into], into)
                return named(into)
        return node

    def resolved(self, node: Any) -> Any:
        """Put what is known, and what else is the same, in place of the names in a node."""
        own: dict[str, ast.expr] = {name: named(other) for name, other in self.same.items()}
        reads = set(read([node])) if not isinstance(node, ast.Name) or not is_store(node) else set()
        own |= {name: self.refer(self.known[name], name) for name in sorted(reads & self.known.keys())}
        return Renaming(own, {}, lambda thing, hint: named(hint)).visit(node)

    def shortened(self, node: ast.BoolOp) -> list[ast.expr]:
        """Leave out of an ``and`` or ``or`` what is known to decide nothing."""
        neutral = isinstance(node.op, ast.And)
        return [one for one in node.values[:-1] if self.truth(one) is not neutral] + node.values[-1:]

    # -- statements ---------------------------------------------------------------------------------------------------

    def block(self, body: Statements, once: set[str]) -> Statements:
        """Write a body out; ``once`` are the names assigned at one place, whose values can be followed."""
        written: Statements = []
        for at, statement in enumerate(body):
            rest = body[at + 1 :]
            if self.thread(written, statement, rest):
                continue
            split = self.split(statement, rest, once)
            if split is not None:
                return written + split
            written += self.statement(statement, once)
            if self.follow(written, statement, rest, once):
                return written
            if written and isinstance(written[-1], ast.Return | ast.Raise):
                break
        return written

    def split(self, statement: ast.stmt, rest: Statements, once: set[str]) -> Statements | None:
        """Make a branch for each answer of a known table to an unknown key: ``x = TABLE[key].get("name")``."""
        match statement:
            case ast.Assign(
                [ast.Name(target)],
                ast.Call(ast.Attribute(ast.Subscript(table, key), "get"), [asked]),
            ) if target in once:
                known, name = self.value(table), self.value(asked)
            case _:
                return None
        if known is UNKNOWN or name is UNKNOWN or self.value(key) is not UNKNOWN:
            return None
        answers: list[tuple[Any, list[str]]] = []
        for state, by_name in known.items():
            answer = by_name.get(name)
            for other, states in answers:
                if other == answer:
                    states.append(state)
                    break
            else:
                answers.append((answer, [state]))
        answers.sort(key=lambda one: one[0] is None)
        saved = dict(self.known)
        chain: Statements = []
        for answer, states in reversed(answers):
            self.known = {**saved, target: answer}
            body = self.block(copy.deepcopy(rest), once) or [ast.Pass()]
            chain = body if not chain else [ast.If(is_one_of(copy.deepcopy(key), states), body, chain)]
        self.known = saved
        return chain

    def thread(self, written: Statements, statement: ast.stmt, rest: Statements) -> bool:
        """Ask whether there is an answer where it is given, not afterwards: ``if answer is not None: return ...``."""
        match statement:
            case ast.If(ast.Compare(ast.Name(name), [ast.IsNot()], [ast.Constant(None)]), body, []) if leaves(body):
                ends = list(ends_of(written[-1:]))
            case _:
                return False
        if not isinstance(written[-1] if written else None, ast.If) or not all(is_last(end, name) for end in ends):
            return False
        again = [one.ctx for each in rest for one in names_in_order(each) if one.id == name]
        if again and not isinstance(again[0], ast.Store):
            return False
        for end in ends:
            value = end[-1].value  # type: ignore[attr-defined]
            if isinstance(value, ast.Constant) and value.value is None:
                end[-1:] = [] if len(end) > 1 else [ast.Pass()]
            elif self.is_something(value) and read(body).count(name) == 1:
                end[-1:] = with_name(body, name, value)
            else:
                end.append(copy.deepcopy(statement))
        return True

    def is_something(self, value: ast.expr) -> bool:
        """Say whether a value is certainly not none: a record that is made, or what a function never returns."""
        made = self.value(value.func) if isinstance(value, ast.Call) else UNKNOWN
        if isinstance(made, FunctionType):
            return "None" not in str(made.__annotations__.get("return", "None"))
        return isinstance(made, type)

    def follow(self, written: Statements, statement: ast.stmt, rest: Statements, once: set[str]) -> bool:
        """Go on in each branch by itself where a name has just become one of several rows of a table."""
        match statement:
            case ast.Assign([ast.Name(target)]) if target in once and written and isinstance(written[-1], ast.If):
                ends = list(ends_of(written[-1:]))
            case _:
                return False
        values = [self.value(end[-1].value) if is_last(end, target) else UNKNOWN for end in ends]  # type: ignore[attr-defined]
        if UNKNOWN in values or all(isinstance(one, PLAIN) for one in values):
            return False
        saved = dict(self.known)
        for end, value in zip(ends, values, strict=True):
            self.known = {**saved, target: value}
            end[-1:] = self.block(copy.deepcopy(rest), once) or [ast.Pass()]
        self.known = saved
        return True

    def statement(self, statement: ast.stmt, once: set[str]) -> Statements:
        """Write one statement out."""
        before: Statements = []
        match statement:
            case ast.Expr(value):
                return self.value_of(statement, value, None, before, once)
            case ast.Assign([ast.Name(target)], value):
                return self.value_of(statement, value, target, before, once)
            case ast.Return(value) if value is not None:
                return self.returned(statement, value, before, once)
            case ast.Assign([ast.Attribute(ast.Name(holder), field)], ast.Name(value_name)) if field in self.steady:
                statement.value = self.resolved(statement.value)
                self.kept[holder, field] = statement.value.id if isinstance(statement.value, ast.Name) else value_name
                return [statement]
            case ast.Assign(targets, value):
                statement.targets = targets = [self.resolved(one) for one in targets]
                known = self.value(value)
                names = [one.id for one in targets if isinstance(one, ast.Name)]
                if known is not UNKNOWN and set(names) <= once:
                    self.known |= dict.fromkeys(names, known)
                    statement.targets = [one for one in targets if not isinstance(one, ast.Name)]
                if isinstance(targets[0], ast.Tuple) and isinstance(known, tuple):
                    pairs = zip(targets[0].elts, known, strict=True)
                    return self.block([assigned(ast.unparse(one), self.refer(part, "it")) for one, part in pairs], once)
                statement.value = self.hoisted(value, before)
            case ast.AugAssign(value=value):
                statement.target = self.resolved(statement.target)
                statement.value = self.hoisted(value, before)
            case ast.Assert():
                return []  # it tells a type checker what the function itself asks for again where it is called
            case ast.Raise(exc=raised) if raised is not None:
                statement.exc = self.resolved(raised)
            case ast.If(test, body, orelse):
                statement.test = test = self.hoisted(test, before)
                known = self.truth(test)
                if known is not None:
                    return before + self.block(body if known else orelse, once)
                statement.body = self.branch(body, once) or [ast.Pass()]
                statement.orelse = self.branch(orelse, once)
            case ast.For(ast.Name(target), iterated, body, []) if isinstance(self.value(iterated), tuple):
                items = self.value(iterated)
                if jumps(body):
                    raise Impossible
                unrolled: Statements = []
                for item in items:
                    unrolled += self.block(with_name(body, target, self.refer(item, target)), once - {target})
                return unrolled
            case ast.For(_, iterated, body, orelse):
                statement.iter = found = self.hoisted(iterated, before)
                match statement:
                    case ast.For(ast.Name(target), _, [ast.Expr(ast.Call(ast.Name(called)) as call)], []) if (
                        target == called and self.is_single(found)
                    ):
                        return [*before, *self.statement(ast.Expr(ast.Call(found, call.args, [])), once)]
                statement.body = self.branch(body, set()) or [ast.Pass()]
                statement.orelse = self.branch(orelse, once)
            case ast.Try(body):
                statement.body = self.block(body, once)
        return [*before, statement]

    def is_single(self, node: ast.expr) -> bool:
        """Say whether something is looked up in a mapping that gives one function in the result."""
        while isinstance(node, ast.Subscript):
            node = node.value
        return id(self.value(node)) in self.single

    def branch(self, body: Statements, once: set[str]) -> Statements:
        """Write a branch out; what is known in it is known in it only."""
        saved = dict(self.known)
        written = self.block(body, once)
        self.known = saved
        return written

    def value_of(
        self, statement: ast.stmt, value: ast.expr, target: str | None, before: Statements, once: set[str]
    ) -> Statements:
        """Write out an expression that is assigned to a name, or stands alone."""
        if isinstance(value, ast.IfExp) and self.truth(value.test) is not None:
            value = value.body if self.truth(value.test) else value.orelse
        if isinstance(value, ast.IfExp) and target is not None and self.calls(value):
            both = assigned(target, value.body), assigned(target, value.orelse)
            return self.statement(ast.If(value.test, [both[0]], [both[1]]), once - {target})
        known = self.value(value)
        if known is not UNKNOWN and target in once:
            self.known[str(target)] = known
            return []
        function = self.callee(value)
        if function is not None:
            assert isinstance(value, ast.Call)
            value.args = [self.hoisted(one, before) for one in value.args]
            written = self.attempt(function, value.args, target, fold=target in once)
            if written is not None:
                return before + written
        else:
            kept = isinstance(value, ast.Attribute) and value.attr in self.steady
            value = self.hoisted(value, before)
            if kept and isinstance(value, ast.Name) and target in once:
                self.same[str(target)] = value.id
                return before
        return [*before, ast.Expr(value) if target is None else assigned(target, value)]

    def returned(self, statement: ast.Return, value: ast.expr, before: Statements, once: set[str]) -> Statements:
        """Write out an expression that is returned."""
        function = self.callee(value)
        if function is not None:
            assert isinstance(value, ast.Call)
            value.args = [self.hoisted(one, before) for one in value.args]
            written = self.attempt(function, value.args, None, tail=True)
            if written is not None:
                return before + written
            return [*before, ast.Return(value)]
        return [*before, ast.Return(self.hoisted(value, before))]

    def calls(self, node: ast.expr) -> bool:
        """Say whether there is a call in it that may be written out."""
        return any(self.callee(one) is not None for one in ast.walk(node) if isinstance(one, ast.expr))

    def function(self, name: str, parameters: list[str], body: str, scope: Mapping[str, Any]) -> str:
        """Write the function of that body out, with what its names stand for, and return its text."""
        self.known, self.numbers, self.kept, self.same = {}, {}, {}, {}
        tree = ast.parse(body).body
        own: dict[str, ast.expr] = {one: named(one) for one in parameters}
        written = self.block([Renaming(own, scope, self.refer).visit(one) for one in tree], set())
        defined = ast.parse(f"def {name}({', '.join(parameters)}): pass").body[0]
        assert isinstance(defined, ast.FunctionDef)
        defined.body = written or [ast.Pass()]
        return ast.unparse(ast.fix_missing_locations(defined)) + "\n"


def names_in_order(node: ast.AST) -> Iterator[ast.Name]:
    """Give the names in a statement in the order in which they are evaluated."""
    if isinstance(node, ast.Name):
        yield node
    parts = (node.value, *node.targets) if isinstance(node, ast.Assign) else ast.iter_child_nodes(node)
    for part in parts:
        yield from names_in_order(part)


def ends_of(body: Statements) -> Iterator[Statements]:
    """Give the bodies in which the ways through a body end."""
    last = body[-1] if body else None
    if isinstance(last, ast.If):
        yield from ends_of(last.body)
        yield from ends_of(last.orelse)
    else:
        yield body


def is_last(body: Statements, name: str) -> bool:
    """Say whether a body ends in the assignment of a name."""
    return bool(body) and isinstance(body[-1], ast.Assign) and stored(body[-1:]) == [name]


def is_plain(thing: Any) -> bool:
    """Say whether a thing is a constant, or a tuple of such."""
    return isinstance(thing, PLAIN) or (type(thing) is tuple and all(is_plain(one) for one in thing))


def counted(names: Iterable[str]) -> dict[str, int]:
    """Count names."""
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def is_one_of(key: ast.expr, states: list[str]) -> ast.expr:
    """Test whether a key is one of some."""
    if len(states) == 1:
        return ast.Compare(key, [ast.Eq()], [ast.Constant(states[0])])
    return ast.Compare(key, [ast.In()], [ast.Tuple([ast.Constant(one) for one in states], ast.Load())])


def with_name(body: Statements, name: str, value: ast.expr) -> Statements:
    """Return a copy of a body with a value in place of a name."""
    return [Renaming({name: value}, {}, lambda thing, hint: named(hint)).visit(copy.deepcopy(one)) for one in body]


def spliced(body: Statements, into: str | None) -> Statements:
    """Turn the returns of a body into assignments, early ones into the other branch of an ``if``."""
    written: Statements = []
    for at, statement in enumerate(body):
        rest = body[at + 1 :]
        if isinstance(statement, ast.Return):
            value = statement.value or ast.Constant(None)
            return written + ([assigned(into, value)] if into else [ast.Expr(value)])
        if not returns(statement):
            written.append(statement)
        elif isinstance(statement, ast.If):
            if leaves(statement.body):
                first, second = statement.body, statement.orelse + rest
            elif statement.orelse and leaves(statement.orelse):
                first, second = statement.body + rest, statement.orelse
            elif not rest:
                first, second = statement.body, statement.orelse
            else:
                raise Impossible
            return [*written, ast.If(statement.test, spliced(first, into) or [ast.Pass()], spliced(second, into))]
        elif isinstance(statement, ast.For):
            return [*written, *left_early(statement, rest, into)]
        else:
            raise Impossible
    return [*written, assigned(into, ast.Constant(None))] if into else written


def left_early(loop: ast.For, rest: Statements, into: str | None) -> Statements:
    """Turn the returns of a loop into breaks, what comes after it into its ``else``."""
    inner = [one for each in loop.body for one in ast.walk(each)]
    if loop.orelse or any(isinstance(one, ast.Break | ast.Continue | ast.For | ast.While) for one in inner):
        raise Impossible

    def broken(body: Statements) -> Iterator[ast.stmt]:
        for statement in body:
            if isinstance(statement, ast.Return):
                value = statement.value or ast.Constant(None)
                yield assigned(into, value) if into else ast.Expr(value)
                yield ast.Break()
            elif isinstance(statement, ast.If):
                yield ast.If(statement.test, list(broken(statement.body)), list(broken(statement.orelse)))
            else:
                yield statement

    return [ast.For(loop.target, loop.iter, list(broken(loop.body)), spliced(rest, into))]
