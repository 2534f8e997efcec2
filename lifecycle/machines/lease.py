"""The lease: the right of one worker to step a session, under a number that counts up.

What lives here: how a lease begins, goes on and ends. What must not: clocks, and who asks for it; ``kernel.lease``
decides with this table, and a store executes that. The law of this file: a session is taken only from nobody, or from
a lease that has expired, and what is taken is a new lease with the next epoch.

A session has one lease after another, each of them an epoch. It is held while its worker's heartbeat is not older than
the lease lasts and its process is there. One that has expired is its worker's still, until somebody takes it over.
"""

from __future__ import annotations

from lifecycle.declaration import Machine, Row, State

LEASE = Machine(
    name="lease",
    initial="held",
    birth=Row((), "acquire", "held"),
    states=(
        State("held", refuses=("take_over",)),
        State("expired", ignores=("expire",)),
        State("free", final=True),
    ),
    rows=(
        # held: its worker beats
        Row("held", "renew", None),
        Row("held", "expire", "expired"),
        Row("held", "release", "free"),
        # expired: the heartbeat is too old, or the process is gone; a late worker finds it taken, or its own still
        Row("expired", "renew", "held"),
        Row("expired", "release", "free"),
        Row("expired", "take_over", "free"),
        # free: final, no rows; whoever acquires the session begins the next epoch
    ),
)
