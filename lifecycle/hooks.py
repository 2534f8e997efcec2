"""Transition hooks: what the world must do because a step was committed.

What lives here: one frozen record per kind of hook. What must not: doing any of it. The law of this file: a hook
carries names and numbers, never bodies; the body (a checkpoint, an answer, a question) is in the session that the same
step returned.

*Durable* hooks are performed at least once, in journal order, across crashes. *Volatile* hooks concern the memory of
one process (a controller, a timer, a call) and are rebuilt by recovery.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar, dataclass_transform

import attrs

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def _frozen(record: type[T]) -> type[T]:
    return attrs.define(frozen=True, slots=True, weakref_slot=False)(record)


@_frozen
class Hook:
    """Be the root of all hooks; ``durable`` says whether a crash may lose it."""

    durable: ClassVar[bool] = False


@_frozen
class DurableHook(Hook):
    """Be the root of the hooks that are owed until performed."""

    durable: ClassVar[bool] = True


# -- what a run holds, taken and given back ---------------------------------------------------------------------------


@_frozen
class RegisterController(Hook):
    """Register the abort controller of ``run``; ``controller`` is the revision it was registered at, its identity."""

    run: str
    controller: int


@_frozen
class EvictController(Hook):
    """Remove exactly that controller; another one registered under the same run stays."""

    run: str
    controller: int


@_frozen
class OpenSegment(DurableHook):
    """Open stretch ``segment`` (1, 2, ...) of the output stream of ``run``."""

    run: str
    segment: int


@_frozen
class EndSegment(DurableHook):
    """End that stretch, once. ``reason``: the state entered, ``rerun``, or ``recovery``."""

    run: str
    segment: int
    reason: str


@_frozen
class ArmTimer(Hook):
    """Arm the timer ``name`` of ``owner`` for ``due`` (engine time, microseconds), replacing none: there is none."""

    name: str
    owner: str
    due: int
    token: tuple[int, int]


@_frozen
class DisarmTimer(Hook):
    """Disarm exactly the timer armed with ``token``."""

    name: str
    owner: str
    token: tuple[int, int]


@_frozen
class ShowRequest(DurableHook):
    """Show the open question ``request`` of ``run`` to every client that is attached."""

    run: str
    request: str


@_frozen
class WithdrawRequest(DurableHook):
    """Take the question away from every viewer. ``how``: ``answered``, ``expired`` or ``withdrawn``."""

    run: str
    request: str
    how: str


# -- what an execution holds ------------------------------------------------------------------------------------------


@_frozen
class OfferBegin(DurableHook):
    """Offer whoever runs the code that it may ask to begin ``execution`` of ``run``."""

    run: str
    execution: int


@_frozen
class WithdrawOffer(DurableHook):
    """Take the offer back: granted, or no longer wanted."""

    run: str
    execution: int


# -- what happens on an edge ------------------------------------------------------------------------------------------


@_frozen
class SignalAbort(Hook):
    """Set the signal of the run's controller: the run has ended with ``cause``."""

    run: str
    controller: int
    cause: str


@_frozen
class PublishEnd(DurableHook):
    """Tell everybody that ``run`` ended, in which state and why."""

    run: str
    state: str
    cause: str


@_frozen
class CallCode(Hook):
    """Call the agent's code for ``attempt`` of ``run``; what it reports must bear ``execution`` and ``token``."""

    run: str
    execution: int
    token: int
    attempt: int


@_frozen
class HandAnswers(Hook):
    """Hand the answers of the closed batch to the code that waits for them in place."""

    run: str
    execution: int


@_frozen
class ReportAbandoned(DurableHook):
    """Report that the code of ``run`` did not return within the closing grace and is given up."""

    run: str
    execution: int


HOOKS: dict[str, type[Hook]] = {
    kind.__name__: kind
    for kind in (
        RegisterController,
        EvictController,
        OpenSegment,
        EndSegment,
        ArmTimer,
        DisarmTimer,
        ShowRequest,
        WithdrawRequest,
        OfferBegin,
        WithdrawOffer,
        SignalAbort,
        PublishEnd,
        CallCode,
        HandAnswers,
        ReportAbandoned,
    )
}
"""Every kind of hook by its name, for whoever reads a journal."""
