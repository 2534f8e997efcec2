"""Properties of somebody's own machine: what must always hold, and what must come.

What lives here: the words in which a user says what to check: events, invariants, leads-to. What must not: how any of
it is decided. The law of this file: a property has a name and a sentence, and whatever is wrong with it is said when it
is declared.

A property is asked by functions. A parameter named ``state`` is given the name of the state; any other one, the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

from lifecycle.errors import Invalid

Test: TypeAlias = Callable[..., object]
When: TypeAlias = "Test | str | tuple[str, ...]"
"""When something is so: a function that says it, or the name of a state, or of several."""


@attrs.frozen(init=False)
class Event:
    """A trigger as it is sent: with example arguments, where its guards and callbacks want any.

    >>> str(Event("pay", 5, currency="EUR"))
    "pay(5, currency='EUR')"
    """

    trigger: str
    args: tuple[object, ...] = ()
    values: Mapping[str, object] = attrs.field(factory=dict)

    def __init__(self, trigger: str, /, *args: object, **values: object) -> None:
        if not isinstance(trigger, str):
            raise Invalid("event", f"{trigger!r} is no trigger", "name a trigger, then its arguments")
        self.__attrs_init__(trigger, args, values)

    def __str__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.values.items())]
        return f"{self.trigger}({', '.join(given)})" if given else self.trigger


def _events(value: Any) -> tuple[Event, ...]:
    return tuple(one if isinstance(one, Event) else Event(one) for one in _several(value))


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in _several(value))


def _when(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_when(instance: Any, field: attrs.Attribute[Any], value: Any) -> None:
    """Refuse what can say nothing about a state."""
    if value is None or callable(value) or isinstance(value, str):
        return
    if isinstance(value, tuple) and value and all(isinstance(one, str) for one in value):
        return
    raise Invalid(f"{field.name}", f"{value!r} says nothing of a state", "give a function, or the name of a state")


def name_of(test: object, kind: str) -> str:
    """Name a property after its function; a lambda has no name."""
    name = str(getattr(test, "__name__", "<lambda>"))
    if name == "<lambda>":
        raise Invalid(kind, "it has no name", f"write it as a function with a name, or name it: name=... in {kind}")
    return name


def sentence_of(test: object, name: str) -> str:
    """Return what a function says of itself in its first line, or its name read as words."""
    told = inspect.getdoc(test) if inspect.isroutine(test) else None
    return (told or name.replace("_", " ")).strip().partition("\n")[0].rstrip(".")


@attrs.frozen(eq=False)
class Invariant:
    """What holds in every state that is reached; ``premise`` says where it says anything at all.

    A function may stand for one: its name is the name, the first line of its docstring the sentence.

    >>> def lamp_is_off(state): return state != "lit"
    >>> Invariant(lamp_is_off).sentence
    'lamp is off'
    """

    holds: Test = attrs.field(validator=attrs.validators.is_callable())
    premise: When | None = attrs.field(default=None, converter=_when, validator=_is_when)
    name: str = attrs.field(default="", kw_only=True)
    sentence: str = attrs.field(default="", kw_only=True)

    def __attrs_post_init__(self) -> None:
        name = self.name or name_of(self.holds, "Invariant")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "sentence", self.sentence or sentence_of(self.holds, name))


@attrs.frozen(eq=False)
class LeadsTo:
    """What must come: wherever ``premise`` holds, ``goal`` holds then or later.

    ``fair`` names the triggers that may not be put off for ever: while one could change something, it is sent in the
    end. Whatever is not named may never be sent. ``finitely`` names triggers that are not sent for ever.
    """

    name: str
    premise: When = attrs.field(converter=_when, validator=_is_when)
    goal: When = attrs.field(converter=_when, validator=_is_when)
    fair: tuple[str, ...] = attrs.field(default=(), converter=_names)
    finitely: tuple[str, ...] = attrs.field(default=(), converter=_names)
    sentence: str = attrs.field(default="", kw_only=True)

    def __attrs_post_init__(self) -> None:
        words = self.sentence or f"{said(self.premise)} leads to {said(self.goal)}"
        object.__setattr__(self, "sentence", words)


def said(when: When) -> str:
    """Say when something is so, in words.

    >>> said(("paid", "shipped"))
    'paid or shipped'
    """
    if isinstance(when, str):
        return when
    if isinstance(when, tuple):
        return " or ".join(when)
    return sentence_of(when, getattr(when, "__name__", "a condition"))


def _invariants(value: Any) -> tuple[Invariant, ...]:
    return tuple(one if isinstance(one, Invariant) else _invariant(one) for one in _several(value))


def _invariant(value: object) -> Invariant:
    if not callable(value):
        raise Invalid("invariants", f"{value!r} is no function", "list functions, or Invariant(...)")
    return Invariant(value)


def _leads_to(value: Any) -> tuple[LeadsTo, ...]:
    several = _several(value)
    for one in several:
        if not isinstance(one, LeadsTo):
            raise Invalid("leads_to", f"{one!r} is none", "list LeadsTo(name, premise, goal, fair=...)")
    return several


@attrs.frozen(eq=False)
class Checked:
    """A machine with what is to be checked of it: the value that a command line names.

    ``machine`` is a machine, a model that has one, or a function that returns either. ``events`` gives triggers their
    example arguments; one that is not listed is sent without any. ``ignore`` names what no
    guard and no property depends on: attributes of the model, such as a log; class attributes and globals that change;
    callbacks that read the clock or chance. ``may_raise`` lists exceptions that callbacks are meant to raise.
    """

    machine: object
    invariants: tuple[Invariant, ...] = attrs.field(default=(), converter=_invariants)
    leads_to: tuple[LeadsTo, ...] = attrs.field(default=(), converter=_leads_to)
    events: tuple[Event, ...] = attrs.field(default=(), converter=_events, kw_only=True)
    model: object = attrs.field(default=None, kw_only=True)
    ignore: tuple[str, ...] = attrs.field(default=(), converter=_names, kw_only=True)
    may_raise: tuple[type[Exception | SystemExit], ...] = attrs.field(default=(), converter=_several, kw_only=True)

    def __attrs_post_init__(self) -> None:
        names = [one.name for one in self.invariants] + [one.name for one in self.leads_to]
        for name in names:
            if names.count(name) > 1:
                raise Invalid(f"property {name}", "two properties have this name", "give each its own: name=...")


# Asking


@attrs.frozen(eq=False)
class Question:
    """A function of a property, ready to be asked: about a state's name, the model, or both."""

    name: str
    test: Test
    takes: tuple[str, ...]

    @property
    def of_model(self) -> bool:
        """Say whether the model is given to it."""
        return self.takes != ("state",)

    def ask(self, state: str, model: object) -> object:
        """Call the function."""
        return self.test(*(state if name == "state" else model for name in self.takes))


def question(name: str, when: When) -> Question:
    """Return what asks when something is so; refuse a function that wants what there is not."""
    if not callable(when):
        names = (when,) if isinstance(when, str) else when
        return Question(name, lambda state: state in names, ("state",))
    takes = parameters(when)
    if len(takes) == 1 or (len(takes) == 2 and "state" in takes):
        return Question(name, when, takes)
    told = f"the parameters of its function are {', '.join(takes)}" if takes else "its function has no parameter"
    raise Invalid(name, told, "let it have one for the model, or one named state, or both")


def parameters(test: Test) -> tuple[str, ...]:
    """Return the names of the parameters that a function cannot do without, as far as it tells."""
    try:
        every = inspect.signature(test).parameters.values()
    except (TypeError, ValueError):
        return ("model",)
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(one.name for one in every if one.kind in by_place and one.default is inspect.Parameter.empty)
