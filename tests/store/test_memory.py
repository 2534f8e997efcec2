"""The store in memory keeps the contract."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings

from lifecycle.store import MemoryStore

from .contract import StoreContract
from .histories import HISTORIES, Histories, play_in


class TestMemoryStore(StoreContract):
    """Nothing but the contract."""

    def make(self, folder: Path) -> MemoryStore:
        """Make a store in memory."""
        return MemoryStore()

    @settings(max_examples=200)
    @given(HISTORIES)
    def test_any_history_is_kept_exactly(self, histories: Histories) -> None:
        """Whatever the kernel makes of whatever arrives: it loads equal, replays equal, and its names are found."""
        play_in(self.make, histories)

    def test_store_names_itself(self) -> None:
        """People are told that it is in memory."""
        assert "memory" == MemoryStore().name
