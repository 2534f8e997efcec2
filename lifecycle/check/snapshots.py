"""Snapshots: the attributes of somebody's model, copied, compared and put back.

What lives here: what a model is besides its state, as a value that can be kept and hashed. What must not: what a model
means. The law of this file: two models with equal snapshots behave alike, so what may differ between them (the order of
a dict, what is one object and what are two) makes two snapshots, and what cannot be copied is named.

A set is the exception: its order is no part of a model, and code that depends on it is found out by running it twice.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Hashable, Iterator, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeAlias

import attrs

from lifecycle.errors import Invalid

Frozen: TypeAlias = tuple[Hashable, ...]

PLAIN = (bool, int, str, bytes, complex, type(None), type(Ellipsis), type(NotImplemented), range)
"""Types whose values are compared by value; of floats, what is written is compared: nan is nan, and -0.0 is not 0.0."""

ONE_OF_A_KIND = (type, Enum, FunctionType, BuiltinFunctionType)
"""Types whose values are compared by identity, because a copy is the same thing."""

TEXT_CHARS_MAX = 60
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@attrs.frozen(eq=False)
class Snapshot:
    """The attributes of a model: copies to put back, and frozen to be compared."""

    values: Mapping[str, object]
    frozen: tuple[tuple[str, Frozen], ...]


class Photographer:
    """Takes snapshots of one model, and puts them back into it.

    ``without`` names attributes that are left alone. What refers to the model, or to one of ``fixed``, refers to the
    same in every snapshot.
    """

    def __init__(self, model: object, without: frozenset[str] = frozenset(), fixed: tuple[object, ...] = ()) -> None:
        self.model = model
        self.without = without
        self.fixed = (model, *fixed)

    def attributes(self) -> dict[str, object]:
        """Return the attributes as they are."""
        found = {name: getattr(self.model, name) for name in slots_of(type(self.model)) if hasattr(self.model, name)}
        return {name: value for name, value in {**found, **vars(self.model)}.items() if name not in self.without}

    def freeze(self) -> tuple[tuple[str, Frozen], ...]:
        """Return the attributes as a value to be compared; the order of attributes does not count."""
        freezing = Freezing(self.fixed)
        return tuple((name, self._frozen(freezing, name, value)) for name, value in sorted(self.attributes().items()))

    def _frozen(self, freezing: Freezing, name: str, value: object) -> Frozen:
        try:
            return freezing.freeze(value)
        except Exception as error:  # whatever an attribute is, what it raises is told
            raise self._unfit(name, error) from error

    def _unfit(self, name: str, error: Exception) -> Invalid:
        return Invalid(
            f"attribute {name}",
            f"it cannot be copied ({type(error).__name__}: {error})",
            f"leave it out if no guard depends on it: ignore={name!r}",
        )

    def take(self, frozen: tuple[tuple[str, Frozen], ...] | None = None) -> Snapshot:
        """Return a snapshot; ``frozen`` is what ``freeze`` has just returned, if it was asked."""
        values = self.attributes()
        known = self.freeze() if frozen is None else frozen
        return Snapshot(self._copied(values), known)

    def _copied(self, values: Mapping[str, object]) -> dict[str, object]:
        try:
            return copy.deepcopy(dict(values), {id(one): one for one in self.fixed})
        except Exception:  # the one that cannot be copied is looked for
            for name, value in values.items():
                try:
                    copy.deepcopy(value, {id(one): one for one in self.fixed})
                except Exception as error:
                    raise self._unfit(name, error) from error
            raise

    def put_back(self, snapshot: Snapshot) -> None:
        """Make the model what it was when the snapshot was taken; no property or setter of it is called."""
        own = vars(self.model)
        for name in [name for name in own if name not in self.without]:
            del own[name]
        slots = slots_of(type(self.model))
        for name in slots:
            if hasattr(self.model, name) and name not in self.without:
                object.__delattr__(self.model, name)
        for name, value in self._copied(snapshot.values).items():
            if name in slots:
                object.__setattr__(self.model, name, value)
            else:
                own[name] = value


def slots_of(kind: type) -> tuple[str, ...]:
    """Return the names of the slots that a class and its bases declare."""
    found: list[str] = []
    for one in kind.__mro__:
        declared = vars(one).get("__slots__", ())
        found += (declared,) if isinstance(declared, str) else declared
    return tuple(name for name in found if name not in ("__dict__", "__weakref__"))


class Freezing:
    """Turns values into tuples that can be hashed; what was met before is referred to by its number."""

    def __init__(self, fixed: tuple[object, ...]) -> None:
        self._fixed = {id(one): number for number, one in enumerate(fixed)}
        self._met: dict[int, int] = {}
        self._kept: list[object] = []

    def freeze(self, value: object) -> Frozen:
        """Return a value that is equal for two things that are alike."""
        if id(value) in self._fixed:
            return ("fixed", self._fixed[id(value)])
        if isinstance(value, ONE_OF_A_KIND):
            return ("the", value)
        kind = type(value)
        if kind is float:
            return (kind, repr(value))
        if kind in PLAIN:
            return (kind, value)  # type: ignore[return-value]
        if kind is tuple:
            return (kind, tuple(self.freeze(one) for one in value))  # type: ignore[attr-defined]
        if kind is frozenset:
            return (kind, self._members(value))
        if id(value) in self._met:
            return ("again", self._met[id(value)])
        self._met[id(value)] = len(self._met)
        self._kept.append(value)
        return (kind, *self._parts(value))

    def _parts(self, value: Any) -> Iterator[Hashable]:
        kind = type(value)
        if kind is list:
            yield tuple(self.freeze(one) for one in value)
        elif kind is dict:
            yield tuple((self.freeze(key), self.freeze(one)) for key, one in value.items())
        elif kind is set:
            yield self._members(value)
        else:
            yield from self._reduced(value.__reduce_ex__(4))

    def _reduced(self, reduced: object) -> Iterator[Hashable]:
        """Freeze what pickling would write: how it is made, its state, its items."""
        if isinstance(reduced, str):
            yield reduced
            return
        assert isinstance(reduced, tuple)
        for part in reduced:
            yield self.freeze(list(part) if isinstance(part, Iterator) else part)

    def _members(self, value: Any) -> frozenset[Hashable]:
        """Freeze the members of a set, each by itself: they have no order to be numbered in."""
        fixed = dict(self._fixed)
        members = []
        for one in value:
            apart = Freezing(())
            apart._fixed = fixed
            members.append(apart.freeze(one))
        return frozenset(members)


def canonical(frozen: object) -> str:
    """Return what a frozen value is as a text that is the same in every process.

    >>> canonical(Freezing(()).freeze({"b", "a"}))
    "(builtins.set, {(builtins.str, 'a'), (builtins.str, 'b')})"
    """
    if isinstance(frozen, tuple):
        return f"({', '.join(map(canonical, frozen))})"
    if isinstance(frozen, frozenset):
        return f"{{{', '.join(sorted(map(canonical, frozen)))}}}"
    if isinstance(frozen, (type, FunctionType, BuiltinFunctionType)):
        return f"{frozen.__module__}.{frozen.__qualname__}"
    return repr(frozen)


def text_of(value: object) -> str:
    """Return how a value is shown: short, without addresses, a set in order.

    >>> text_of({"b", "a"}), text_of("x" * 99)[-4:]
    ("{'a', 'b'}", 'xx …')
    """
    try:
        text = f"{{{', '.join(sorted(map(repr, value)))}}}" if type(value) is set and value else repr(value)
    except Exception as error:  # a repr is the author's code
        text = f"<{type(value).__name__}: its repr raises {type(error).__name__}>"
    text = ADDRESS.sub("", text)
    return text if len(text) <= TEXT_CHARS_MAX else f"{text[: TEXT_CHARS_MAX - 2]} …"
