"""The tidying agent: what it finds, what it asks, and what it never deletes."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lifecycle import (
    Decision,
    MemoryStore,
    RunEnd,
    RunHandle,
    Runtime,
    answer,
    approve,
    reject,
    reject_and_continue,
)
from tests.examples.loading import example

tidy, prepare = example("tidy"), example("prepare")

DUPLICATES = ["phone/IMG_0042.jpg", "photos/beach (copy).jpg", "invoice.pdf"]
OVERSIZED = "backup/old-laptop.tar"
SECONDS_MAX = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Prepare a folder that wants tidying."""
    return Path(prepare.prepare(tmp_path / "folder"))


def given(folder: Path) -> dict[str, Any]:
    """Return the input for a prepared folder."""
    return {"folder": str(folder), "oversized_bytes": prepare.OVERSIZED_BYTES}


def files(folder: Path) -> set[str]:
    """Return what lies in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def tidied(folder: Path, decision: Decision, meanwhile: Callable[[], object] = lambda: None) -> RunEnd:
    """Run the agent, do something while it is parked, decide, and return how the run ended."""

    async def work() -> RunEnd:
        async with Runtime(MemoryStore()) as runtime:
            run = await runtime.start(tidy.tidy, given(folder), session="s")
            await parked(run)
            meanwhile()
            await run.decide("clean-up", decision)
            return await run.wait(timeout_seconds=SECONDS_MAX)

    return asyncio.run(work())


async def parked(run: RunHandle) -> None:
    """Wait until the run has parked."""
    assert "waiting_for_human" == await run.wait_for("waiting_for_human", timeout_seconds=SECONDS_MAX)


def why(end: RunEnd) -> dict[str, str]:
    """Return why files were kept in spite of the list."""
    return {one["path"]: one["why"] for one in end.result["kept"]}


# -- the proposal -----------------------------------------------------------------------------------------------------


def test_it_proposes_all_copies_but_the_oldest(folder: Path) -> None:
    """Of files with equal content the oldest stays; oversized files are shown and not proposed."""

    async def work() -> Any:
        async with Runtime(MemoryStore()) as runtime:
            run = await runtime.start(tidy.tidy, given(folder), session="s")
            await parked(run)
            return run.requests[0].args

    before = files(folder)
    assert {"delete": DUPLICATES, "oversized": [OVERSIZED]} == asyncio.run(work())
    assert before == files(folder)


def test_a_tidy_folder_asks_nothing(tmp_path: Path) -> None:
    """Where there is nothing to do there is no question."""

    async def work() -> RunEnd:
        async with Runtime(MemoryStore()) as runtime:
            run = await runtime.start(tidy.tidy, str(tmp_path), session="s")
            return await run.wait(timeout_seconds=SECONDS_MAX)

    assert {"deleted": [], "kept": [], "freed_bytes": 0} == asyncio.run(work()).result


@pytest.mark.parametrize("wrong", [None, 5, {}, {"folder": ""}, {"folder": 1}, "/nowhere/at/all"])
def test_an_input_that_names_no_folder_fails(wrong: Any) -> None:
    """A wrong input is a sentence, not a scan of something else."""
    with pytest.raises(ValueError, match="give"):
        tidy.read_input(wrong)


def scan(folder: Path, oversized_bytes: int = 10**9) -> tuple[dict[str, Any], list[Any]]:
    """Scan and return what was found and what was told."""
    frames: list[Any] = []
    return tidy.find(folder.resolve(), oversized_bytes, lambda: None, frames.append), frames


def test_hidden_empty_linked_and_special_files_are_left_out(tmp_path: Path) -> None:
    """Nothing hidden, empty, linked or special is anybody's copy."""
    for name in ("a", "b", ".hidden", ".git/c", "sub/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("same", encoding="utf-8")
    for name in ("empty1", "empty2"):
        (tmp_path / name).touch()
    (tmp_path / "symbolic").symlink_to(tmp_path / "a")
    (tmp_path / "folder-link").symlink_to(tmp_path / "sub")
    os.link(tmp_path / "a", tmp_path / "z-hard")
    os.mkfifo(tmp_path / "pipe")
    found, _ = scan(tmp_path)
    assert [{"a", "b", "sub/d"}] == [{file["path"] for file in group} for group in found["groups"]]


def test_a_name_that_is_no_text_is_skipped_and_told(tmp_path: Path) -> None:
    """A file whose name is no UTF-8 cannot be shown to a human, and so is never proposed."""
    for name in (b"a", b"b\xff"):
        try:
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("same", encoding="utf-8")
        except OSError:
            pytest.skip("this file system has no such names")
    found, frames = scan(tmp_path)
    assert [] == found["groups"]
    assert ["its name is not UTF-8"] == [frame["why"] for frame in frames]


def test_files_of_one_size_and_other_content_are_no_copies(tmp_path: Path) -> None:
    """Content decides, not size and not name."""
    (tmp_path / "a").write_text("one", encoding="utf-8")
    (tmp_path / "b").write_text("two", encoding="utf-8")
    assert [] == scan(tmp_path)[0]["groups"]


def test_the_question_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most so many paths are proposed at once, the largest first."""
    monkeypatch.setattr(tidy, "PROPOSED_MAX", 2)
    for size in (1, 2, 3):
        for copy in "ab":
            (tmp_path / f"{size}{copy}").write_text("x" * size, encoding="utf-8")
    assert [3, 2] == [file["size"] for file in tidy.propose(scan(tmp_path)[0])]


# -- the clean-up -----------------------------------------------------------------------------------------------------


def test_approved_it_deletes_exactly_what_was_shown(folder: Path) -> None:
    """Approval as shown deletes the proposed copies, and the result says what that freed."""
    before = files(folder)
    end = tidied(folder, approve())
    assert before - set(DUPLICATES) == files(folder)
    assert {"deleted": DUPLICATES, "kept": [], "freed_bytes": 860_000} == end.result


def test_edited_arguments_are_what_is_deleted(folder: Path) -> None:
    """An edited list counts as it is: fewer copies, and an oversized file that the human added."""
    before = files(folder)
    end = tidied(folder, answer({"delete": ["invoice.pdf", OVERSIZED]}))
    assert before - {"invoice.pdf", OVERSIZED} == files(folder)
    assert 5_060_000 == end.result["freed_bytes"]


def test_rejected_it_deletes_nothing(folder: Path) -> None:
    """A no deletes nothing: plain, it stops the run; with feedback, the run ends with it."""
    before = files(folder)
    assert ("stopped", "rejected") == (tidied(folder, reject()).state, tidied(folder, reject()).cause)
    assert "not now" == tidied(folder, reject_and_continue("not now")).result["said"]
    assert before == files(folder)


@pytest.mark.parametrize("edited", [{"delete": "invoice.pdf"}, {"delete": [1]}, {"paths": []}])
def test_a_list_that_cannot_be_read_is_asked_again(folder: Path, edited: Any) -> None:
    """Arguments in another shape delete nothing: the question comes again and says what is wrong."""

    async def work() -> None:
        async with Runtime(MemoryStore()) as runtime:
            run = await runtime.start(tidy.tidy, given(folder), session="s")
            await parked(run)
            before = run.requests[0]
            await run.decide("clean-up", answer(edited))
            await run.wait_for("running", timeout_seconds=SECONDS_MAX)
            await parked(run)
            assert run.requests[0].text.startswith("The edited arguments have no list of paths")
            assert before.args == run.requests[0].args

    before = files(folder)
    asyncio.run(work())
    assert before == files(folder)


def test_nothing_that_the_scan_did_not_find_is_deleted(folder: Path, tmp_path: Path) -> None:
    """A path from elsewhere, however it is written, is kept, and so is a file that is no copy."""
    outside = tmp_path / "outside.txt"
    outside.write_text("precious", encoding="utf-8")
    paths = [str(outside), "../outside.txt", "photos/../../outside.txt", "notes.txt", "photos", "", "."]
    end = tidied(folder, answer({"delete": paths}))
    assert dict.fromkeys(paths, "the scan did not find it") == why(end)
    assert outside.exists()


def test_a_file_that_changed_since_the_scan_stays(folder: Path) -> None:
    """What was approved is what was shown: a copy that was written to is a copy no more."""
    changed = folder / "invoice.pdf"
    end = tidied(folder, approve(), lambda: changed.write_bytes(changed.read_bytes()[:-1] + b"!"))
    assert {"invoice.pdf": "it changed since the scan"} == why(end)
    assert changed.exists()


def test_a_file_that_is_gone_is_told(folder: Path) -> None:
    """A copy that somebody else deleted is no failure."""
    end = tidied(folder, approve(), (folder / "invoice.pdf").unlink)
    assert {"invoice.pdf": "it is gone already"} == why(end)


def test_the_last_copy_stays(folder: Path) -> None:
    """A list with every copy deletes all but one."""
    group = ["photos/beach.jpg", "photos/beach (copy).jpg", "phone/IMG_0042.jpg"]
    end = tidied(folder, answer({"delete": group}))
    assert {"phone/IMG_0042.jpg": "it is the last copy"} == why(end)
    assert ["phone/IMG_0042.jpg"] == [name for name in group if (folder / name).exists()]


def test_a_copy_whose_original_changed_is_the_last(folder: Path) -> None:
    """When the file that was to stay is another one by now, its copy stays."""
    kept = folder / "invoices/2024-03.pdf"
    end = tidied(folder, approve(), lambda: kept.write_text("overwritten", encoding="utf-8"))
    assert {"invoice.pdf": "it is the last copy"} == why(end)


def test_a_folder_swapped_for_a_link_deletes_nothing_outside(folder: Path, tmp_path: Path) -> None:
    """When a folder has become a link, what it leads to is not touched, be its content the same."""
    elsewhere = tmp_path / "elsewhere"

    def swap() -> None:
        (folder / "phone").rename(elsewhere)
        (folder / "phone").symlink_to(elsewhere)

    end = tidied(folder, approve(), swap)
    assert {"phone/IMG_0042.jpg": "it leads out of the folder"} == why(end)
    assert (elsewhere / "IMG_0042.jpg").exists()


# -- stopping ---------------------------------------------------------------------------------------------------------


class StoppedError(Exception):
    """Stands for the end of the run."""


def test_stop_is_looked_for_between_files_and_inside_large_ones(folder: Path) -> None:
    """However long a scan or a clean-up takes, it goes no further than a file, or a part of a large one."""
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1

    tidy.find(folder.resolve(), prepare.OVERSIZED_BYTES, check, lambda frame: None)
    assert looks > len(files(folder))
    looks = 0
    tidy.content_hash(folder / OVERSIZED, check)
    assert looks > 5_000_000 // tidy.CHUNK_BYTES


def test_stop_during_the_clean_up_deletes_no_more(folder: Path) -> None:
    """Stopped after the first deletion, the agent deletes nothing else."""
    found, _ = scan(folder, prepare.OVERSIZED_BYTES)
    deleted: list[Any] = []

    def check() -> None:
        if deleted:
            raise StoppedError

    run = SimpleNamespace(signal=SimpleNamespace(check=check), emit=deleted.append)
    approved = SimpleNamespace(approved=True, value={"delete": DUPLICATES})
    with pytest.raises(StoppedError):
        tidy.clean_up(run, found, approved)
    assert DUPLICATES[:1] == [one["deleted"] for one in deleted]
    assert set(DUPLICATES[1:]) <= files(folder)


def test_an_abort_ends_a_scan_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aborted in the middle of a scan, the run is interrupted and its code returns."""
    reached, go_on = threading.Event(), threading.Event()
    content_hash = tidy.content_hash

    def slow(path: Path, check: Any) -> str:
        reached.set()
        assert go_on.wait(SECONDS_MAX)
        return str(content_hash(path, check))

    async def work() -> tuple[RunEnd, Any]:
        async with Runtime(MemoryStore()) as runtime:
            run = await runtime.start(tidy.tidy, given(folder), session="s")
            assert await asyncio.to_thread(reached.wait, SECONDS_MAX)
            await run.abort()
            go_on.set()
            end = await run.wait(timeout_seconds=SECONDS_MAX)
            return end, await runtime.close()

    monkeypatch.setattr(tidy, "content_hash", slow)
    end, report = asyncio.run(work())
    assert ("interrupted", "aborted", ()) == (end.state, end.cause, report.abandoned)
    assert set(DUPLICATES) <= files(folder)
