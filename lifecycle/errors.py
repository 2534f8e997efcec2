"""The closed set of errors, each a sentence built from its fields.

What lives here: what a caller can get wrong, and what can go wrong under one. What must not: any knowledge of the
machines. The law of this file: a message reads ``subject: fact; remedy``, and the fields say the same to a program.
"""

from __future__ import annotations


class LifecycleError(Exception):
    """Be the root of every error this library raises on purpose.

    ``subject`` is what it is about, ``fact`` what is so, ``remedy`` what to do. Further facts are attributes too.
    """

    def __init__(self, subject: str, fact: str, remedy: str, **fields: object) -> None:
        super().__init__(subject, fact, remedy)
        self.subject = subject
        self.fact = fact
        self.remedy = remedy
        self.fields = fields

    def __getattr__(self, name: str) -> object:
        fields = self.__dict__.get("fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(name)

    def __str__(self) -> str:
        return f"{self.subject}: {self.fact}; {self.remedy}"


class DefinitionError(LifecycleError):
    """Refuse a declaration; ``faults`` holds every fault found, each with its place."""


class Invalid(LifecycleError, ValueError):
    """Refuse what is malformed whatever the state: a value that cannot be serialised, an empty answer, a bad id."""


class Refused(LifecycleError):
    """Refuse the right input in the wrong state; ``accepted`` names what is accepted there."""


class NotFound(LifecycleError):
    """Say that the session, run or request named is not known."""


class Denied(LifecycleError):
    """Refuse a principal who may not; nothing changed."""


class Conflict(LifecycleError):
    """Refuse a second, different use of a name that is already taken: a key, a run id, a decision."""


class Busy(LifecycleError):
    """Refuse what is beyond a limit; ``limit`` names it and ``bound`` is its value."""


class StoreError(LifecycleError):
    """Say that the store could not keep, or could not read, what it was asked to; nothing was acknowledged."""


class InvariantBroken(LifecycleError):
    """Report a bug of the engine: the step was not committed; ``rule`` names the rule it would have broken."""
