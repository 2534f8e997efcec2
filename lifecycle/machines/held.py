"""What states hold: each thing with the hook that takes it and the hook that gives it back.

What lives here: the names of held things and their hooks. What must not: who holds them (the machines say that) or
their identities (the kernel says that). The law of this file: whatever is taken has a hook that gives it back.
"""

from __future__ import annotations

import attrs

from lifecycle import hooks
from lifecycle.declaration import Hold

CONTROLLER = Hold("controller", take=hooks.RegisterController, give=hooks.EvictController)
SEGMENT = Hold("segment", take=hooks.OpenSegment, give=hooks.EndSegment)
QUEUE_DEADLINE = Hold("queue_deadline", take=hooks.ArmTimer, give=hooks.DisarmTimer)
DEADLINE = Hold("deadline", take=hooks.ArmTimer, give=hooks.DisarmTimer)
REQUESTS = Hold("requests", take=hooks.ShowRequest, give=hooks.WithdrawRequest)
EXPIRY = Hold("expiry", take=hooks.ArmTimer, give=hooks.DisarmTimer)
OFFER = Hold("offer", take=hooks.OfferBegin, give=hooks.WithdrawOffer)
CLOSING = Hold("closing", take=hooks.ArmTimer, give=hooks.DisarmTimer)
ORPHAN = Hold("orphan", take=hooks.ArmTimer, give=hooks.DisarmTimer)


@attrs.frozen
class Next:
    """Count one of the owner's numbers up by one on this edge: ``segment`` or ``attempt``."""

    number: str
