"""Opening: the store that a command names, or the default one.

What lives here: the file of a store, for writing, for reading, and whether it is there. What must not: what is in it. The
law of this file: what only reads makes no file.
"""

from __future__ import annotations

from pathlib import Path

from lifecycle.cli.carrying import (
    OneSessionStore,
)
from lifecycle.errors import Invalid, NotFound
from lifecycle.store.files import default_path, in_words, is_new
from lifecycle.store.sqlite import SQLiteStore


def writable(path: str | None, session: str) -> OneSessionStore:
    """Open a store for writing; the folder of the default one is made."""
    if path is None:
        chosen = default_path()
        try:
            chosen.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            fact = f"its folder cannot be made ({fault.strerror})"
            raise Invalid(f"store {chosen}", fact, "name another file with --store") from None
        path = str(chosen)
    return OneSessionStore(path, session)


def readable(path: str | None) -> SQLiteStore:
    """Open a store for reading; nothing is made, and a default one that is not there yet is no mistake in a path."""
    if path is None and not default_path().exists():
        raise NotFound(f"store {default_path()}", "nothing was run yet", "the first run makes it")
    return SQLiteStore(str(default_path() if path is None else path), read_only=True)


def is_there(path: str | None) -> bool:
    """Say whether there is a store that can be looked at before it is written to."""
    chosen = default_path() if path is None else Path(path)
    with in_words(chosen):
        return not is_new(chosen)
