"""Stores: what keeps sessions, journals and the records of what has ended.

``MemoryStore`` needs nothing; ``SQLiteStore`` needs msgspec, which the extra ``sqlite`` installs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle.store.memory import MemoryStore
from lifecycle.store.port import Commit, Compacted, Entry, Kept, Store

if TYPE_CHECKING:
    from lifecycle.store.sqlite import SQLiteStore

__all__ = ["Commit", "Compacted", "Entry", "Kept", "MemoryStore", "SQLiteStore", "Store"]


def __getattr__(name: str) -> object:
    """Import ``SQLiteStore`` when it is asked for: whoever needs no file needs no msgspec."""
    if name != "SQLiteStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from lifecycle.store.sqlite import SQLiteStore
    except ModuleNotFoundError as missing:
        if missing.name != "msgspec":
            raise
        raise ModuleNotFoundError(
            "SQLiteStore: needs msgspec, which is not installed; pip install agent-lifecycle[sqlite]", name="msgspec"
        ) from None
    return SQLiteStore
