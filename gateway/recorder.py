"""Writes a session's recording in a thread of its own, so that neither the event loop nor the session waits for a disk.

What waits to be written is bounded. When the store fails or is too slow the recording ends there; the session goes on.
"""

import logging
import threading
import time
from collections.abc import Iterable
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import lru_cache, partial
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from common.avatars.digest import digest_of
from common.avatars.timeline import OPEN
from common.frames import Flag, FrameHeader
from common.recording import framing
from common.recording.hashes import hash_of, hash_over
from common.recording.records import Footer, Frame, Header, Input, InputKind, Record, RecordingError, Segment, encode
from common.recording.store import Sink, Store
from common.records import SegmentRecord
from gateway.segmenter import Heard

log = logging.getLogger(__name__)

WAITING_MAX_BYTES: Final = 16 * 2**20
FLUSH_S: Final = 1.0
BATCH: Final = 25
"""Frames that wait for the client's next word, at most: to wake a thread costs more than to write a record."""

digest = lru_cache(maxsize=64)(digest_of)
"""As of when an avatar was first asked for: that is what the workers have, unless its files were changed below them."""


class RecordingStoppedError(RecordingError):
    """A session is recorded no longer."""

    code = "recording_stopped"


class _Sent(NamedTuple):
    """A frame as it was handed to the socket."""

    t_ms: float
    message: bytes


_Item = Record | _Sent


@dataclass(slots=True)
class Recorder:
    """The recording of one session, from `start` to `close`; the other methods are for the event loop.

    Attributes
    ----------
    failure : why the recording has stopped, once it has; `is_told` when the client knows.
    """

    store: Store
    header: Header
    keeps_pictures: bool = False
    failure: RecordingStoppedError | None = None
    is_told: bool = False
    _begun_s: float = field(default_factory=time.monotonic)
    _queue: SimpleQueue[list[_Item] | None] = field(default_factory=SimpleQueue)
    _batch: list[_Item] = field(default_factory=list)
    _put_bytes: int = 0
    _done_bytes: int = 0
    _hashes: list[bytes] = field(default_factory=list)
    _concealed: int = 0

    def start(self) -> None:
        """Begin to write."""
        self._put(self.header)
        self._hand_over()
        # In our context, so that its log says of which session.
        run = partial(copy_context().run, self._run)
        threading.Thread(target=run, name=f"recorder-{self.header.session[:8]}").start()

    def heard(self, kind: InputKind, before: Heard, data: Any = None) -> None:
        """The client has said something, or paused."""
        size_bytes = len(data) if kind == "audio" else 0
        self._put(Input(self._t_ms, kind, before.audio, before.commands, data), size_bytes)
        self._hand_over()

    def segments(self, epoch: int, found: Iterable[SegmentRecord]) -> None:
        """Segments have begun, or ended."""
        for each in found:
            end = None if each.samples == OPEN else each.audio_end
            self._put(Segment(epoch, each.number, each.avatar, each.base, each.template, each.audio, end))

    def sent(self, message: bytes) -> None:
        """A frame has left; idle frames are not of interest."""
        self._put(_Sent(self._t_ms, message), len(message))
        if len(self._batch) >= BATCH:
            self._hand_over()

    def close(self, reason: str) -> None:
        """The session is over; the rest is written without anybody waiting."""
        self._put(Footer(0, 0, b"", reason))
        self._hand_over()
        self._queue.put(None)

    @property
    def _t_ms(self) -> float:
        return round((time.monotonic() - self._begun_s) * 1000, 1)

    def _put(self, item: _Item, size_bytes: int = 0) -> None:
        if self.failure is None and self._put_bytes - self._done_bytes > WAITING_MAX_BYTES:
            self._fail(f"{WAITING_MAX_BYTES} bytes wait to be written: the store is too slow")
            self._queue.put(None)
        if self.failure is None:
            self._put_bytes += size_bytes
            self._batch.append(item)

    def _hand_over(self) -> None:
        """To the thread: what the client says at once, since only the client had it; frames along with it."""
        batch, self._batch = self._batch, []
        if self.failure is None:
            self._queue.put(batch)

    def _fail(self, why: str) -> None:
        self.failure = RecordingStoppedError(f"the session goes on, its recording has stopped: {why}")
        log.warning("session %s: %s", self.header.session, self.failure.message)

    # in the thread

    def _run(self) -> None:
        try:
            with self.store.writing(self.header.session) as sink:
                self._write(sink)
        except Exception as error:  # a store may fail in its own ways, and none may touch the session
            if self.failure is None:
                self._fail(f"{type(error).__name__}: {error}")

    def _write(self, sink: Sink) -> None:
        while True:
            try:
                batch = self._queue.get(timeout=FLUSH_S)
            except Empty:
                sink.flush()
                continue
            if batch is None:
                return
            sink.write(b"".join(framing.pack(encode(self._finished(item))) for item in batch))
            sink.flush()

    def _finished(self, item: _Item) -> Record:
        """The record with what the event loop had no time for."""
        match item:
            case _Sent(t_ms, message):
                self._done_bytes += len(message)
                return self._frame(t_ms, message)
            case Input(input="audio"):
                self._done_bytes += len(item.data)
            case Footer():
                return Footer(len(self._hashes), self._concealed, hash_over(self._hashes), item.reason)
        return item

    def _frame(self, t_ms: float, message: bytes) -> Frame:
        header, picture = FrameHeader.unpack(message)
        self._hashes.append(hash_of(picture))
        self._concealed += Flag.CONCEALED in header.flags
        kept = picture if self.keeps_pictures else None
        return Frame(t_ms, header.epoch, header.frame, int(header.flags), self._hashes[-1], kept)
