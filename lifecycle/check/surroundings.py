"""Surroundings: what somebody's code can reach besides the model, and whether it has changed.

What lives here: the globals, class attributes, closures and default arguments that guards and callbacks name, looked at
before and after. What must not: the model itself, which snapshots tell of. The law of this file: what is changed by a
machine and is no part of its situations is named, because a search that does not see it proves nothing.

Code is followed from name to name, through what its author wrote; what a library keeps for itself is its own affair.
"""

from __future__ import annotations

import builtins
import sys
import sysconfig
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import _lru_cache_wrapper as Cached
from functools import cached_property, partial, partialmethod
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import attrs

from lifecycle.check.snapshots import ONE_OF_A_KIND, PLAIN, Freezing
from lifecycle.errors import Invalid

NOTHING = object()
"""What is where nothing is."""

LIBRARIES = ("transitions", "lifecycle")
LIBRARY_PATHS = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
FIXED = (*PLAIN, float, ModuleType, property, staticmethod, classmethod, *ONE_OF_A_KIND)
"""Types whose values cannot be changed, or are followed rather than compared."""


def is_written_here(names: Mapping[str, object]) -> bool:
    """Say whether a module, known by its globals, is the author's: neither of Python, nor installed, nor of ours.

    >>> is_written_here(vars(sys)), is_written_here({"__name__": "order", "__file__": "/home/ada/order.py"})
    (False, True)
    """
    name, file = str(names.get("__name__", "")), names.get("__file__")
    if not name or name.partition(".")[0] in LIBRARIES:  # without a name: code that was made
        return False
    if isinstance(file, str):
        return not file.startswith(LIBRARY_PATHS)
    return name.partition(".")[0] not in sys.stdlib_module_names


@attrs.frozen(eq=False)
class Place:
    """A place that code can reach: how it is called, the name that leaves it out, and where it is looked up."""

    told: str
    name: str
    names: Mapping[str, object] | CellType

    def read(self) -> object:
        """Return what is there."""
        if not isinstance(self.names, CellType):
            return self.names.get(self.name, NOTHING)
        try:
            return self.names.cell_contents
        except ValueError:
            return NOTHING


class Surroundings:
    """What the code of a machine can reach; ``seeds`` are its functions and classes, ``fixed`` what is told elsewhere.

    An installed package is followed only if a seed is from it. ``ignore`` names what may change.
    """

    def __init__(
        self, seeds: Iterable[object] = (), fixed: tuple[object, ...] = (), ignore: tuple[str, ...] = ()
    ) -> None:
        self._fixed = fixed
        self._ignore = frozenset(ignore)
        self._met: dict[int, object] = {}
        self._todo: list[object] = []
        self._places: dict[tuple[int, str], Place] = {}
        seeds = list(seeds)
        self._packages = {package_of(seed) for seed in seeds} - {*LIBRARIES, *sys.stdlib_module_names}
        for seed in seeds:
            self._follow(seed)
        while self._todo:
            self._enter(self._todo.pop())
        self._before = [(place, place.read()) for place in self._places.values()]
        looked_at = [(place, self._looked_at(value)) for place, value in self._before]
        self._frozen = [(place, frozen) for place, frozen in looked_at if frozen is not None]

    # Following code

    def _follow(self, value: object) -> None:
        """Remember to enter what is code; of a thing, the code of its class."""
        inner = parts_of_code(value)
        if isinstance(value, MethodType):
            owner = {value.__name__: value.__self__}
            self._follow(self._watch(f"what {value.__name__} belongs to", value.__name__, owner).read())
        for one in inner:
            self._follow(one)
        if isinstance(value, (FunctionType, type)):
            if id(value) not in self._met:
                self._met[id(value)] = value
                self._todo.append(value)
        elif not inner and self._is_own(type(value)):
            self._follow(type(value))

    def _is_own(self, code: Any) -> bool:
        return package_of(code) in self._packages or is_written_here(globals_of(code))

    def _enter(self, code: object) -> None:
        """Note what a function or a class can reach."""
        if isinstance(code, FunctionType):
            self._follow(getattr(code, "__wrapped__", None))
            if self._is_own(code):
                self._enter_function(code)
        elif isinstance(code, type) and self._is_own(code):
            for base in code.__bases__:
                self._follow(base)
            for name, value in vars(code).items():
                if not (name.startswith("_") and name.endswith("_")):  # what Python and Enum keep for themselves
                    self._watch(f"class attribute {code.__qualname__}.{name}", name, vars(code))
                self._follow(value)

    def _enter_function(self, function: FunctionType) -> None:
        around, called = function.__globals__, function.__name__
        named = list(names_in(function.__code__))
        for name in named:
            value = around.get(name)
            if isinstance(value, ModuleType) and is_written_here(vars(value)):
                for inner in named:
                    if inner in vars(value):
                        self._enter_global(vars(value), inner)
            elif name in around or not hasattr(builtins, name):
                self._enter_global(around, name)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._follow(self._watch(f"variable {name} around {called}", name, cell).read())
        given = (function.__defaults__, function.__kwdefaults__)
        self._watch(f"a default argument of {called}", called, {called: given})
        for name in vars(function):
            self._watch(f"attribute {called}.{name}", name, vars(function))

    def _enter_global(self, names: Mapping[str, object], name: str) -> None:
        self._follow(self._watch(f"global {name} of {names.get('__name__')}", name, names).read())

    def _watch(self, told: str, name: str, names: Mapping[str, object] | CellType) -> Place:
        place = Place(told, name, names)
        return place if name in self._ignore else self._places.setdefault((id(names), name), place)

    # Looking again

    def _looked_at(self, value: object) -> Hashable | None:
        """Return what a value is, if it can change in its place; what cannot be compared is left to its identity."""
        if value is NOTHING or isinstance(value, FIXED):
            return None
        try:
            return Freezing(self._fixed).freeze(value)
        except Exception:
            return None

    def rebound(self) -> Place | None:
        """Return a place where something else is now; none if there is none."""
        return next((place for place, value in self._before if place.read() is not value), None)

    def changed(self) -> Place | None:
        """Return a place where something else is now, or what is there is not as it was; none if there is none."""
        return self.rebound() or next(
            (place for place, frozen in self._frozen if self._looked_at(place.read()) != frozen), None
        )


def refuse_changed(place: Place | None, when: str) -> None:
    """Refuse a machine that changes what is no part of its model."""
    if place is not None:
        remedy = "keep it in the model, as an attribute set in __init__; if nothing depends on it"
        raise Invalid(
            place.told, f"{when} changes it, and it is no part of the model", f"{remedy}: ignore={place.name!r}"
        )


def parts_of_code(value: object) -> tuple[object, ...]:
    """Return what is called when something made of functions is."""
    if isinstance(value, (staticmethod, classmethod, MethodType)):
        return (value.__func__,)
    if isinstance(value, property):
        return (value.fget, value.fset, value.fdel)
    if isinstance(value, (partial, partialmethod)):
        return (value.func, *value.args, *value.keywords.values())
    if isinstance(value, cached_property):
        return (value.func,)
    return (value.__wrapped__,) if isinstance(value, Cached) else ()


def globals_of(code: Any) -> Mapping[str, object]:
    """Return the globals among which code was written."""
    if isinstance(code, FunctionType):
        return code.__globals__
    module = sys.modules.get(str(getattr(code, "__module__", "")))
    return {"__name__": getattr(code, "__module__", "")} if module is None else vars(module)


def package_of(code: Any) -> str:
    """Name the package that code is from."""
    return str(getattr(code, "__module__", "")).partition(".")[0]


def names_in(code: CodeType) -> Iterator[str]:
    """Yield every name that code mentions, and the code inside of it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from names_in(inner)
