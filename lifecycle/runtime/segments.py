"""Segments: the output stream of a run, one uninterrupted stretch after another.

What lives here: bounded buffers of frames, their ends, and readers. What must not: when a segment opens or ends; hooks
say that. The law of this file: a segment ends once, nothing follows its end, and a reader costs the writer nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from typing import Any

import attrs

from lifecycle.machines import SEGMENT
from lifecycle.store.port import INBOX_REQUESTS_MAX, LEASE_SECONDS


@attrs.frozen
class Frame:
    """One piece of output. ``seq`` counts from 1 in each segment; ``text`` is JSON."""

    segment: int
    seq: int
    text: str

    @property
    def data(self) -> Any:
        """Return the value that was emitted."""
        return json.loads(self.text)


@attrs.frozen
class Gap:
    """What a reader came too late for: ``missed`` frames of a segment had left the bounded buffer."""

    segment: int
    missed: int


@attrs.frozen
class SegmentEnd:
    """The one end of a segment. ``reason``: the state entered, ``rerun``, ``recovery``, or ``shutdown``."""

    segment: int
    seq: int
    reason: str


@attrs.frozen
class Limits:
    """The limits of a runtime, each with its unit.

    ``input_bytes_max`` and ``frame_bytes_max`` refuse; ``frames_max`` and ``segment_bytes_max`` bound what can be
    replayed; ``streams_max`` bounds how many ended runs keep theirs. After ``loop_stall_seconds`` without a turn of the
    event loop, the run whose code blocks it is named. A commit alone on a disk that takes less than
    ``in_place_commit_seconds_max`` is made at once rather than handed to the writer thread; 0: never. What ended longer
    ago than ``retention_seconds`` leaves the store: it is looked for every ``sweep_seconds``, and goes in batches of at
    most ``sweep_sessions_max`` sessions, of each at most ``sweep_rows_max`` runs and steps. Of sessions that wait for
    nothing but a human, a client or a time, about ``resting_sessions_max`` stay in memory; the others are rows.

    Several processes on one file: what a worker holds lasts ``lease_seconds`` after its last heartbeat, one comes every
    ``lease_renewal_seconds``, and every ``look_seconds`` (twice that while nobody writes) it looks for what is asked of it
    and for who is gone. Who asks another worker waits for the reply at most ``inbox_seconds_max``, and is refused if that
    one has left ``inbox_requests_max`` unanswered.
    """

    input_bytes_max: int = 1_048_576
    frame_bytes_max: int = 65_536
    request_bytes_max: int = 65_536
    checkpoint_bytes_max: int = 1_048_576
    result_bytes_max: int = 1_048_576
    frames_max: int = 1_024
    segment_bytes_max: int = 1_048_576
    segments_max: int = 16
    streams_max: int = 256
    name_chars_max: int = 256
    loop_stall_seconds: float = 5.0
    in_place_commit_seconds_max: float = 0.002
    retry_seconds_min: float = 0.05
    retry_seconds_max: float = 5.0
    retention_seconds: float = 86_400.0
    sweep_seconds: float = 600.0
    sweep_sessions_max: int = 64
    sweep_rows_max: int = 1_024
    resting_sessions_max: int = 1_024
    lease_seconds: float = LEASE_SECONDS
    lease_renewal_seconds: float = 3.0
    look_seconds: float = 0.25
    inbox_seconds_max: float = 30.0
    inbox_requests_max: int = INBOX_REQUESTS_MAX


def size_of(text: str) -> int:
    """Return how many bytes a text takes."""
    return len(text) if text.isascii() else len(text.encode())


class Segment:
    """One stretch: frames in a bounded buffer, then one end."""

    __slots__ = ("_machine", "bytes", "frames", "number", "reason", "seq", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.frames: deque[Frame] | None = None
        self.bytes = 0
        self.seq = 0
        self.reason: str | None = None
        self.waiting: list[asyncio.Future[None]] | None = None
        self._machine = SEGMENT.instance()

    @property
    def open(self) -> bool:
        """Say whether it goes on."""
        return self._machine.state == "open"

    def emit(self, text: str, limits: Limits) -> None:
        """Append a frame; the oldest ones leave when the buffer is full."""
        self._machine.send("emit")
        self.seq += 1
        if self.frames is None:
            self.frames = deque()
        self.frames.append(Frame(self.number, self.seq, text))
        self.bytes += size_of(text)
        while len(self.frames) > limits.frames_max or self.bytes > limits.segment_bytes_max:
            self.bytes -= size_of(self.frames.popleft().text)
        self.wake()

    def end(self, reason: str) -> None:
        """End it, once; a second end is refused by the table and says so here as nothing."""
        if not self.open:
            return
        self._machine.send("end")
        self.reason = reason
        self.wake()

    def wake(self) -> None:
        """Let every reader look again."""
        waiting, self.waiting = self.waiting, None
        for future in waiting or ():
            if not future.done():
                future.set_result(None)

    async def changed(self) -> None:
        """Wait until there is something new."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.waiting is None:
            self.waiting = []
        self.waiting.append(future)
        try:
            await future
        finally:
            if self.waiting is not None and future in self.waiting:
                self.waiting.remove(future)

    async def read(self, after: int = 0) -> AsyncIterator[Frame | Gap | SegmentEnd]:
        """Give the frames above number ``after``, as they come, then the end."""
        while True:
            for frame in self.newer(after):
                if frame.seq > after + 1:
                    yield Gap(self.number, frame.seq - after - 1)
                yield frame
                after = frame.seq
            if self.frames and self.seq > after:
                continue
            if self.seq > after:
                yield Gap(self.number, self.seq - after)
                after = self.seq
            if not self.open:
                assert self.reason is not None
                yield SegmentEnd(self.number, self.seq, self.reason)
                return
            await self.changed()

    def newer(self, after: int) -> list[Frame]:
        """Return the buffered frames above a number, at most a screenful at a time."""
        if not self.frames or self.seq <= after:
            return []
        first = self.frames[0].seq
        start = max(0, after + 1 - first)
        return [self.frames[place] for place in range(start, min(start + 64, len(self.frames)))]


class Stream:
    """All segments of a run that are still buffered, and the frames that wait for the next one."""

    __slots__ = ("held", "held_bytes", "lost", "segments")

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.held: deque[str] | None = None
        self.held_bytes = 0
        self.lost = 0

    @property
    def current(self) -> Segment | None:
        """Return the latest segment."""
        return self.segments[-1] if self.segments else None

    def open(self, number: int, limits: Limits) -> None:
        """Open a segment and give it the frames that were held; one that is there already is not opened again."""
        if any(segment.number == number for segment in self.segments):
            return
        segment = Segment(number)
        self.segments.append(segment)
        del self.segments[: -limits.segments_max]
        held, self.held, self.held_bytes = self.held, None, 0
        segment.seq += self.lost
        self.lost = 0
        for text in held or ():
            segment.emit(text, limits)
        self.wake_late_readers()

    def wake_late_readers(self) -> None:
        """Let those who wait at the end of an older segment see the new one."""
        for segment in self.segments[:-1]:
            segment.wake()

    def emit(self, text: str, limits: Limits) -> None:
        """Append to the open segment, or hold for the next one, bounded alike."""
        current = self.current
        if current is not None and current.open:
            current.emit(text, limits)
            return
        if self.held is None:
            self.held = deque()
        self.held.append(text)
        self.held_bytes += size_of(text)
        while len(self.held) > limits.frames_max or self.held_bytes > limits.segment_bytes_max:
            self.held_bytes -= size_of(self.held.popleft())
            self.lost += 1

    def end(self, number: int, reason: str) -> None:
        """End exactly that segment."""
        for segment in self.segments:
            if segment.number == number:
                segment.end(reason)

    def numbered(self, number: int | None) -> Segment | None:
        """Return a segment by number; the latest if none is named."""
        if number is None:
            return self.current
        return next((segment for segment in self.segments if segment.number == number), None)


class Streams:
    """The streams of runs, by (session, run); those of ended runs are kept for a while."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._live: dict[tuple[str, str], Stream] = {}
        self._ended: OrderedDict[tuple[str, str], Stream] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def get(self, session: str, run: str) -> Stream | None:
        """Return the stream of a run, live or lately ended."""
        return self._live.get((session, run)) or self._ended.get((session, run))

    def made(self, session: str, run: str) -> Stream:
        """Return the stream of a live run, made if there is none; one that was put down goes on if it is still there."""
        stream = self._live.get((session, run))
        if stream is None:
            there = (session, run) in self._ended
            stream = self._live[session, run] = self._ended.pop((session, run)) if there else Stream()
        return stream

    def has_held(self, session: str, run: str) -> bool:
        """Say whether frames of a run wait for its next segment."""
        stream = self._live.get((session, run))
        return stream is not None and bool(stream.held or stream.lost)

    def retire(self, session: str, run: str) -> int:
        """Keep the stream of a run that has ended, or rests, among the late ones; the oldest of those leave.

        Return how many frames waited for a segment that never came.
        """
        stream = self._live.pop((session, run), None)
        if stream is None:
            return 0
        self._ended[session, run] = stream
        while len(self._ended) > self.limits.streams_max:
            self._ended.popitem(last=False)
        unseen = stream.lost + len(stream.held or ())
        stream.held, stream.held_bytes = None, 0
        return unseen

    def end_all(self, reason: str) -> None:
        """Tell every reader that nothing more will come from this process."""
        for stream in self._live.values():
            if stream.current is not None:
                stream.current.end(reason)
