"""Journals: what a real run left, for a test to have it taken again by the kernel.

What lives here: the replay of a session out of a store or a file. What must not: how a step is taken again; the store
knows that. The law of this file: a file that is looked at is let go again.
"""

from __future__ import annotations

from pathlib import Path

from lifecycle.kernel.engine import KERNEL, Kernel
from lifecycle.store.port import Store
from lifecycle.store.replaying import Replayed, accepts, replay_kept

__all__ = ["Replayed", "accepts", "replay_journal"]


def replay_journal(store: Store | Path, session: str, kernel: Kernel = KERNEL) -> Replayed:
    """Take the journal of a session again, from a store or a file, and compare what it ends in with what is kept.

    It begins with the session, or, where it was compacted, with its snapshot. Compared are every step's rows and hooks,
    the session after the last, and the records of the runs that ended.
    """
    if not isinstance(store, Path):
        return replay_kept(store, session, kernel)
    from lifecycle.store import SQLiteStore  # asked for here: in memory nobody needs its codec

    opened = SQLiteStore(store)
    try:
        return replay_kept(opened, session, kernel)
    finally:
        opened.close()
