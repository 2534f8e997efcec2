"""Tidy a folder: find duplicate and oversized files, propose a clean-up, delete what a human approved.

A real agent that needs no key and no network. It parks at its question: nothing of it stays in memory, so the process
may be killed there, and the answer, however late, starts it again with what it had found.

    lifecycle run examples/tidy.py:tidy ~/Downloads --session downloads

What is approved is a list of paths, and a human may edit it. Whatever the list says, four rules hold: nothing outside
the folder is deleted, nothing that the scan did not find, nothing that changed since, and never the last
copy of a duplicate.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lifecycle import Approval, Park

OVERSIZED_BYTES = 100 * 1024 * 1024
"""A file of this size or more is reported, unless the input names another size."""

PROPOSED_MAX = 200
"""At most so many paths in one question, the largest files first; run it again for the rest."""

FILES_MAX = 1_000_000
"""A folder with more files is refused: name one of its folders instead."""

CHUNK_BYTES = 1024 * 1024
REPORT_EVERY_FILES = 1_000

Check = Callable[[], None]
Facts = dict[str, Any]
"""What the scan knew of a file: its path in the folder, its size, the hash of its content, and when it was changed."""


def tidy(run: Any) -> Any:
    """Scan the folder that the input names, or, called again with an answer, do what was approved.

    The input is a path, or ``{"folder": path, "oversized_bytes": size}``. The result says what was deleted, what was
    kept in spite of the list and why, and how many bytes that freed.
    """
    if run.answers:
        return clean_up(run, run.checkpoint_data, [*run.answers.values()][-1])
    folder, oversized_bytes = read_input(run.input)
    run.emit({"scanning": str(folder)})
    found = find(folder, oversized_bytes, run.signal.check, run.emit)
    doomed = propose(found)
    if not doomed and not found["oversized"]:
        return {"deleted": [], "kept": [], "freed_bytes": 0}
    return question(found, doomed)


def read_input(given: Any) -> tuple[Path, int]:
    """Return the folder and the size from which a file is oversized, or say what is wrong with the input."""
    given = {"folder": given} if isinstance(given, str) else given
    if not isinstance(given, dict) or not isinstance(given.get("folder"), str) or not given["folder"]:
        raise ValueError('the input names no folder; give a path, or {"folder": path}')
    size = given.get("oversized_bytes", OVERSIZED_BYTES)
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ValueError(f"oversized_bytes is {size!r}; give a whole number above 0")
    folder = Path(given["folder"]).expanduser().absolute().resolve()
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give the path of one that is there")
    return folder, size


# -- the scan ---------------------------------------------------------------------------------------------------------


def find(folder: Path, oversized_bytes: int, check: Check, emit: Callable[[Any], object]) -> Facts:
    """Return groups of files with equal content, and the oversized ones; tell about each as it is found.

    ``check`` is called between files and between chunks of a file, and raises when the run is over. Only files that
    share their size with another are read.
    """
    by_size: dict[int, list[Facts]] = {}
    for count, file in enumerate(files_in(folder, check, emit), 1):
        by_size.setdefault(file["size"], []).append(file)
        if count % REPORT_EVERY_FILES == 0:
            emit({"files": count})
        if count > FILES_MAX:
            raise ValueError(f"{folder} has more than {FILES_MAX} files; name one of its folders")
    groups, oversized = [], []
    for size in sorted(by_size, reverse=True):
        alike = by_size[size]
        if len(alike) == 1 and size < oversized_bytes:
            continue
        for group in equal_content(folder, alike, check, emit):
            keep, *others = group
            if others:
                groups.append(group)
            for other in others:
                emit({"duplicate": other["path"], "of": keep["path"], "size": size})
            if size >= oversized_bytes:
                oversized.append(keep)
                emit({"oversized": keep["path"], "size": size})
    return {"folder": str(folder), "groups": groups, "oversized": oversized}


def files_in(folder: Path, check: Check, emit: Callable[[Any], object]) -> Iterator[Facts]:
    """Yield the regular files under a folder that have content, each file once.

    Hidden files and folders are left out: what lies in ``.git`` is nobody's to tidy. A link is no file, and of several
    hard links to one file only the first counts, because deleting one of them frees nothing.
    """
    seen = set()
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            check()
            path = Path(place, name)
            if name.startswith("."):
                continue
            try:
                facts = path.lstat()
                relative = str(path.relative_to(folder))
                relative.encode()
            except (OSError, UnicodeEncodeError) as trouble:
                emit({"skipped": ascii(str(path)), "why": reason(trouble)})
                continue
            if stat.S_ISREG(facts.st_mode) and facts.st_size and (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                yield {"path": relative, "size": facts.st_size, "changed": facts.st_mtime_ns}


def equal_content(
    folder: Path, files: list[Facts], check: Check, emit: Callable[[Any], object]
) -> Iterator[list[Facts]]:
    """Yield the files in groups of equal content; the one to keep, the oldest, comes first in each."""
    by_hash: dict[str, list[Facts]] = {}
    for file in files:
        try:
            content = content_hash(folder / file["path"], check)
        except OSError as trouble:
            emit({"skipped": file["path"], "why": reason(trouble)})
            continue
        by_hash.setdefault(content, []).append({**file, "sha256": content})
    for group in by_hash.values():
        yield sorted(group, key=lambda file: (file["changed"], len(file["path"]), file["path"]))


def content_hash(path: Path, check: Check) -> str:
    """Return the SHA-256 of a file's content; never follow a link, never wait for a pipe."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        check()
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            check()
    return digest.hexdigest()


def reason(trouble: Exception) -> str:
    """Say in a few words why a file could not be read."""
    return trouble.strerror or str(trouble) if isinstance(trouble, OSError) else "its name is not UTF-8"


# -- the question -----------------------------------------------------------------------------------------------------


def propose(found: Facts) -> list[Facts]:
    """Return what to delete: of each group all but the oldest, the largest first.

    An oversized file with no second copy is shown, never proposed: whoever wants it gone adds it to the list.
    """
    doomed = [file for group in found["groups"] for file in group[1:]]
    return sorted(doomed, key=lambda file: (-file["size"], file["path"]))[:PROPOSED_MAX]


def question(found: Facts, doomed: list[Facts], trouble: str = "") -> Park:
    """Park with the one question there is; the checkpoint is what the scan found."""
    freed = sum(file["size"] for file in doomed)
    text = f"Delete {len(doomed)} duplicate file(s) in {found['folder']}, which frees {in_words(freed)}?"
    args: Facts = {"delete": [file["path"] for file in doomed]}
    if found["oversized"]:
        text += f" {len(found['oversized'])} file(s) are oversized; add those you want gone to the list."
        args["oversized"] = [file["path"] for file in found["oversized"][:PROPOSED_MAX]]
    return Park(found, (Approval(trouble + text, args=args, id=None if trouble else "clean-up"),))


def in_words(size: float) -> str:
    """Return a number of bytes for people.

    >>> in_words(999), in_words(25_000_000)
    ('999 bytes', '25.0 MB')
    """
    units = iter(("size", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while size >= 1000 and unit != "TB":
        size, unit = size / 1000, next(units)
    return f"{size} {unit}" if unit == "size" else f"{size:.1f} {unit}"


# -- the clean-up -----------------------------------------------------------------------------------------------------


def clean_up(run: Any, found: Facts, answer: Any) -> Any:
    """Delete exactly the approved paths, as far as the four rules allow; ask again if the list cannot be read."""
    if not answer.approved:
        said = "the question expired" if answer.expired else answer.feedback
        return {"deleted": [], "kept": [], "freed_bytes": 0, "said": said}
    approved = answer.value.get("delete") if isinstance(answer.value, dict) else None
    if not isinstance(approved, list) or not all(isinstance(path, str) for path in approved):
        return question(found, propose(found), 'The edited arguments have no list of paths under "delete". ')
    files = known(found)
    deleted, kept, freed = [], [], 0
    for path in dict.fromkeys(approved):
        run.signal.check()
        trouble = delete(found, files.get(path), run.signal.check)
        if trouble:
            kept.append({"path": path, "why": trouble})
            run.emit({"kept": path, "why": trouble})
            continue
        size = files[path]["size"]
        deleted.append(path)
        freed += size
        run.emit({"deleted": path, "size": size})
    return {"deleted": deleted, "kept": kept, "freed_bytes": freed}


def known(found: Facts) -> dict[str, Facts]:
    """Return by path every file that may be deleted at all: one that the scan found to be a copy, or oversized."""
    return {
        file["path"]: file for file in (*found["oversized"], *(file for group in found["groups"] for file in group))
    }


def delete(found: Facts, file: Facts | None, check: Check) -> str:
    """Delete one file and return nothing, or return why it stays. Every rule is checked against the disk as it is."""
    if file is None:
        return "the scan did not find it"
    folder, path = Path(found["folder"]), file["path"]
    if trouble := differs(folder, file, check):
        return trouble
    for group in found["groups"]:
        copies = [other for other in group if other["path"] != path]
        if len(copies) < len(group) and all(differs(folder, copy, check) for copy in copies):
            return "it is the last copy"
    try:
        (folder / path).unlink()
    except OSError as trouble_deleting:
        return reason(trouble_deleting)
    return ""


def differs(folder: Path, file: Facts, check: Check) -> str:
    """Say how a file is no longer what the scan found, or nothing if it is the same."""
    path = folder / file["path"]
    try:
        if path.parent.resolve() != path.parent or not path.is_relative_to(folder) or ".." in path.parts:
            return "it leads out of the folder"
        if not os.path.lexists(path):
            return "it is gone already"
        return "" if content_hash(path, check) == file["sha256"] else "it changed since the scan"
    except OSError as trouble:
        return reason(trouble)
