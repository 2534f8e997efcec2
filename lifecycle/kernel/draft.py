"""Thaw and freeze: a mutable twin of a frozen record, for the length of one step.

What lives here: the generated twins and nothing else. What must not: rules. The law of this file: a twin never leaves
the step that thawed it; ``freeze`` turns the very object into the frozen record, so nothing is copied twice.

Why it exists: building the next session by ``attrs.evolve`` costs three to ten times the step itself. A twin has the
same slots as its record, so that changing an object's class is all that freezing takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import attrs

T = TypeVar("T")


@attrs.frozen
class Twin(Generic[T]):
    """The four generated functions of a record: for a type checker the twin *is* the record, so rules read plainly.

    ``thaw(record)`` and ``make(*fields)`` give a twin, ``freeze(twin)`` the record; ``build(*fields)`` gives a record
    at once, twice as fast as its own ``__init__``, and checks and converts nothing. ``kind`` is the class of the twin.
    """

    kind: type[T]
    thaw: Callable[[T], T]
    make: Callable[..., T]
    freeze: Callable[[T], T]
    build: Callable[..., T]


def twin_of(record: type[T]) -> Twin[T]:
    """Generate the twin of a frozen, slotted attrs class: a subclass without slots of its own, so the layouts agree.

    It is made by calling the class rather than ``object.__new__``, with the ``__init__`` of ``object``: both only so
    that Python takes the shortest way to an empty object.
    """
    names = [field.name for field in attrs.fields(cast("type[attrs.AttrsInstance]", record))]
    plain = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    kind = type(f"Draft{record.__name__}", (record,), {"__slots__": (), "__hash__": None, **plain})
    arguments = ", ".join(names)
    copied = "; ".join(f"_new.{name} = _was.{name}" for name in names)
    given = "; ".join(f"_new.{name} = {name}" for name in names)
    source = (
        f"def thaw(_was):\n _new = _kind(); {copied}; return _new\n"
        f"def make({arguments}):\n _new = _kind(); {given}; return _new\n"
        "def freeze(_new):\n _new.__class__ = _record; return _new\n"
        f"def build({arguments}):\n _new = _kind(); {given}; _new.__class__ = _record; return _new\n"
    )
    scope: dict[str, Any] = {"_record": record, "_kind": kind}
    exec(source, scope)
    GENERATED.update({id(scope[name].__code__): (source, scope) for name in ("thaw", "make", "freeze", "build")})
    scope["_codes"] = [scope[name].__code__ for name in ("thaw", "make", "freeze", "build")]
    return Twin(kind, scope["thaw"], scope["make"], scope["freeze"], scope["build"])


GENERATED: dict[int, tuple[str, dict[str, Any]]] = {}
"""The text of every function generated here, and what its names stand for, by the address of its code."""


def thawing(record: type[T], *arguments: str, **changed: str) -> Callable[..., T]:
    """Generate a thaw that gives some fields another value at once: expressions over ``_was`` and the arguments."""
    names = [field.name for field in attrs.fields(cast("type[attrs.AttrsInstance]", record))]
    sets = "; ".join(f"_new.{name} = {changed.get(name, f'_was.{name}')}" for name in names)
    scope: dict[str, Any] = {"_kind": twin_of(record).kind}
    source = f"def thaw({', '.join(('_was', *arguments))}):\n _new = _kind(); {sets}; return _new\n"
    exec(source, scope)
    thaw: Callable[..., T] = scope["thaw"]
    GENERATED[id(thaw.__code__)] = source, scope
    return thaw


def with_quick_init(record: type[T]) -> type[T]:
    """Give a frozen record an ``__init__`` that writes its twin's plain slots: half the price of attrs' own.

    Its parameters and defaults are those of the fields, in their order; there are no converters and no validators.
    """
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", record))
    if not fields:
        return record
    twin = twin_of(record)
    defaults = {f"_default_{one.name}": one.default for one in fields if one.default is not attrs.NOTHING}
    named = [one.name if one.default is attrs.NOTHING else f"{one.name}=_default_{one.name}" for one in fields]
    positional = [text for text, one in zip(named, fields, strict=True) if not one.kw_only]
    by_name = [text for text, one in zip(named, fields, strict=True) if one.kw_only]
    arguments = ", ".join(["_self", *positional, *(["*", *by_name] if by_name else [])])
    sets = "; ".join(f"_self.{one.name} = {one.name}" for one in fields)
    scope: dict[str, Any] = {"_record": record, "_kind": twin.kind, **defaults}
    scope["_thaw"] = object.__dict__["__class__"].__set__  # a frozen class refuses every other way
    exec(f"def __init__({arguments}): _thaw(_self, _kind); {sets}; _self.__class__ = _record", scope)
    setattr(record, "__init__", scope["__init__"])  # noqa: B010  (a type checker knows it from the fields)
    return record
