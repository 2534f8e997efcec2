"""The medium: every write and every sync that SQLite makes, heard and if need be failed before it happens.

What lives here: a listener put in front of SQLite's file layer, in this process, without a compiler. What must not: a
fault; a campaign brings its own. The law of this file: what no listener touches goes through unchanged.

The file layer of SQLite (its VFS) is a table of functions in C. Here its ``xOpen`` is replaced, and in a copy of the
table of each file it opens ``xWrite``, ``xTruncate`` and ``xSync``, by functions in Python. A Python whose SQLite is
linked in without names cannot do it: ``is_there`` says so, and what was not checked is told.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

SQLITE_OK = 0
OPEN_LOG = 0x00080000
OPEN_JOURNAL = 0x00000800

OPEN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class Layer(ctypes.Structure):
    """SQLite's ``sqlite3_vfs``, as far as it is needed."""

    _fields_ = (
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("zName", ctypes.c_char_p),
        ("pAppData", ctypes.c_void_p),
        ("xOpen", ctypes.c_void_p),
        ("xDelete", ctypes.c_void_p),
    )


class Methods(ctypes.Structure):
    """SQLite's ``sqlite3_io_methods``: the functions of an open file."""

    _fields_ = (
        ("iVersion", ctypes.c_int),
        ("xClose", ctypes.c_void_p),
        ("xRead", ctypes.c_void_p),
        ("xWrite", ctypes.c_void_p),
        ("xTruncate", ctypes.c_void_p),
        ("xSync", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 13),
    )


class File(ctypes.Structure):
    """SQLite's ``sqlite3_file``: it begins with its methods."""

    _fields_ = (("pMethods", ctypes.c_void_p),)


@attrs.frozen
class Call:
    """A call of the file layer that is about to happen: ``write``, ``truncate``, ``sync``, ``open`` or ``delete``.

    ``do()`` lets it happen and returns SQLite's code; a write may be done in part. ``is_new`` belongs to open: it may
    make the file. ``syncs_folder``: what SQLite then also does to the folder.
    """

    kind: str
    path: str
    do: Callable[..., int]
    at: int = 0
    data: bytes = b""
    syncs_folder: bool = False


Listener = Callable[[Call], int]
"""What is asked in place of each call; it returns SQLite's code, usually that of ``call.do()``."""


def library() -> Any:
    """Return SQLite as C sees it; none if its functions have no names."""
    try:
        import _sqlite3

        made = ctypes.CDLL(_sqlite3.__file__)
        made.sqlite3_vfs_find.restype = ctypes.c_void_p
        made.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
    except (AttributeError, ImportError, OSError):
        return None
    return made


def is_there() -> bool:
    """Say whether this Python's SQLite lets itself be listened to."""
    return library() is not None


class Medium:
    """The file layer of this process, with a listener in front."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self._names: dict[int, tuple[str, bool]] = {}
        self._copies: dict[int, Methods] = {}
        self._originals: dict[int, int] = {}
        self._layer = Layer.from_address(library().sqlite3_vfs_find(None))
        self._was = self._layer.xOpen, self._layer.xDelete
        self._open, self._delete = OPEN(self._was[0]), DELETE(self._was[1])
        self._mine = (
            OPEN(self._opening),
            DELETE(self._deleting),
            WRITE(self._writing),
            TRUNCATE(self._truncating),
            SYNC(self._syncing),
        )

    def install(self) -> None:
        """Stand in front."""
        self._layer.xOpen, self._layer.xDelete = (address(one) for one in self._mine[:2])

    def remove(self) -> None:
        """Step aside; files that are open stay listened to."""
        self._layer.xOpen, self._layer.xDelete = self._was

    # -- what SQLite calls --------------------------------------------------------------------------------------------

    def _opening(self, layer: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        path = (
            "" if name is None else ctypes.string_at(name).decode()
        )  # SQLite looks behind its end: hand it on as it is
        code = self.listener(Call("open", path, lambda: self._open(layer, name, file, flags, out)))
        methods = File.from_address(file).pMethods
        if code == SQLITE_OK and methods:
            self._names[file] = path, bool(flags & (OPEN_LOG | OPEN_JOURNAL))
            File.from_address(file).pMethods = self._copied(methods)
        return code

    def _copied(self, methods: int) -> int:
        """Copy the functions of a file, ours in place of three."""
        if methods not in self._copies:
            copy = Methods()
            ctypes.memmove(ctypes.addressof(copy), methods, ctypes.sizeof(Methods))
            copy.xWrite, copy.xTruncate, copy.xSync = (address(one) for one in self._mine[2:])
            self._copies[methods] = copy
            self._originals[ctypes.addressof(copy)] = methods
        return ctypes.addressof(self._copies[methods])

    def _methods(self, file: int) -> Methods:
        return Methods.from_address(self._originals[File.from_address(file).pMethods])

    def _writing(self, file: int, buffer: int, count: int, at: int) -> int:
        write = WRITE(self._methods(file).xWrite)
        data = ctypes.string_at(buffer, count)

        def do(part: int = count) -> int:
            return write(file, buffer, part, at)

        return self.listener(Call("write", self._names[file][0], do, at, data))

    def _truncating(self, file: int, size: int) -> int:
        truncate = TRUNCATE(self._methods(file).xTruncate)
        return self.listener(Call("truncate", self._names[file][0], lambda: truncate(file, size), size))

    def _syncing(self, file: int, flags: int) -> int:
        sync = SYNC(self._methods(file).xSync)
        path, is_log = self._names[file]
        return self.listener(Call("sync", path, lambda: sync(file, flags), syncs_folder=is_log))

    def _deleting(self, layer: int, name: int, syncs_folder: int) -> int:
        def do() -> int:
            return self._delete(layer, name, syncs_folder)

        path = ctypes.string_at(name).decode()
        return self.listener(Call("delete", path, do, syncs_folder=bool(syncs_folder)))


def address(function: Any) -> int:
    """Return where a function of ours lies."""
    found = ctypes.cast(function, ctypes.c_void_p).value
    assert found is not None
    return found


INSTALLED: list[Medium] = []
"""Every medium there was: a file that outlives its listener still calls it."""


@contextmanager
def heard(listener: Listener) -> Iterator[Medium]:
    """Ask a listener in place of every call, for as long as the context lasts."""
    medium = Medium(listener)
    INSTALLED.append(medium)
    medium.install()
    try:
        yield medium
    finally:
        medium.remove()
        medium.listener = through


def through(call: Call) -> int:
    """Let a call happen."""
    return call.do()
