"""One session as a state machine: audio, commands and finished frames go in; bus actions and messages come out.

No socket, no Redis, no clock: every method is told the time. `connection.py` carries out what it returns.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from common.avatars.manifest import Manifest
from common.avatars.timeline import OPEN, lookahead_samples
from common.frames import Flag, FrameHeader, with_flags
from common.media import SAMPLE_RATE_HZ
from common.resample import StreamResampler
from gateway.actions import Action, Append, Outgoing, Publish, RaiseEpoch
from gateway.messages import dump
from gateway.reorder import Reorder
from gateway.segmenter import Segment

IDLE_LEAD_MS = 80.0
"""What the pipeline adds to the look-ahead, roughly: idle frames are shown for so long after speech has begun."""

SINGLE_FRAMES = 4
"""So many frames may be under way before the next ones are gathered. With 1, a frame that takes longer than a frame's
time makes the next one wait, and two sessions can keep each other late for minutes."""


@dataclass(frozen=True, slots=True)
class SessionRules:
    """The settings that a session needs."""

    sample_rate_hz: int
    in_flight_frames: int
    task_frames: int
    deadline_ms: float
    flush_after_ms: float | None
    idle: Literal["client", "server"] = "client"


@dataclass(slots=True)
class SessionCore:
    """The state of one session."""

    manifest: Manifest
    rules: SessionRules
    idle_picture: Callable[[int], bytes]
    outbox: deque[Outgoing] = field(default_factory=deque)
    epoch: int = 0
    delivered: int = 0
    _reorder: Reorder = field(init=False)
    _segments: deque[Segment] = field(default_factory=deque)
    _segment_count: int = 0
    _base: int = 0
    _position: int = 0
    _begin: int | None = None
    _ready_ms: dict[int, float] = field(default_factory=dict)
    _audio_until_ms: float = 0.0
    _idle_due_ms: float = 0.0
    _concealed_before: int = 0

    def __post_init__(self) -> None:
        self._reorder = Reorder(1_000_000 // self.manifest.fps)

    # what the connection asks

    @property
    def has_room(self) -> bool:
        """Whether more audio may be read; while not, the client's socket is left alone."""
        return self.in_flight < self.rules.in_flight_frames

    @property
    def in_flight(self) -> int:
        """Frames that are under way or wait to be sent."""
        waiting = sum(1 for item in self.outbox if item.ready_ms is not None)
        return sum(s.ready - s.published for s in self._segments) + self._reorder.pending + waiting

    @property
    def drained(self) -> bool:
        """Whether nothing is left to come."""
        return not self._segments and not self.outbox

    @property
    def concealed(self) -> int:
        return self._reorder.concealed

    @property
    def buffered_ms(self) -> float:
        """Audio that has come in but is in no published task."""
        unpublished = sum(s.samples - s.published * self.manifest.samples_per_frame for s in self._segments)
        return max(0.0, unpublished * 1000 / SAMPLE_RATE_HZ)

    def missing(self) -> list[int]:
        """Frames under way that have not arrived."""
        return self._reorder.missing()

    # what the client does

    def begin(self, template: int) -> None:
        """The next segment's first frame shall have this template index."""
        self._begin = template

    def audio(self, pcm: bytes, now_ms: float) -> list[Action]:
        """A chunk of PCM16 at the session's rate.

        Raises
        ------
        AudioError
            An odd number of bytes; nothing of the chunk is taken.
        """
        if not pcm:
            return []
        segment = self._open_segment(now_ms)
        first = self._appended(segment)
        appends = _appends(first, segment.push(pcm))
        chunk_ms = len(pcm) / 2 * 1000 / self.rules.sample_rate_hz
        self._audio_until_ms = max(now_ms, self._audio_until_ms) + chunk_ms
        return appends + self._publish(now_ms)

    def flush(self, now_ms: float) -> list[Action]:
        """End the segment; without one, a segment of no samples begins and ends."""
        segment = self._open_segment(now_ms)
        first = self._appended(segment)
        appends = _appends(first, segment.close())
        self._base = segment.base + segment.frames
        self._position = segment.template + segment.frames
        actions = appends + self._publish(now_ms)
        self._settle()
        return actions

    def end(self, now_ms: float) -> list[Action]:
        """No more audio will come: close what is open."""
        return self.flush(now_ms) if self._is_open else []

    def clear(self) -> list[Action]:
        """Barge-in: everything that has not been sent is void."""
        if self._segments:
            first, last = self._segments[0], self._segments[-1]
            shown = self._reorder.next_frame - first.base
            if shown > 0 or first.closed or self.rules.idle == "client":
                self._position = first.template + shown
            # Numbers that any task of the old epoch may carry are never used again.
            self._base = last.base + last.frames
        self.epoch += 1
        self._segments.clear()
        self._ready_ms.clear()
        self._reorder.clear(self.epoch, self._base)
        self._concealed_before = self.concealed
        self.outbox = deque(item for item in self.outbox if isinstance(item.message, str))
        self._send("cleared", epoch=self.epoch, next_frame=self._base)
        return [RaiseEpoch(self.epoch)]

    # what the pipeline and the clock do

    def arrived(self, messages: dict[int, bytes], now_ms: float) -> list[Action]:
        """Finished frames of the present epoch, by number."""
        for frame, message in messages.items():
            self._reorder.put(frame, message)
        self._deliver(now_ms)
        return self._publish(now_ms)

    def tick(self, now_ms: float) -> list[Action]:
        """The passing of time: pauses end segments, late frames are concealed, idle frames fall due."""
        actions: list[Action] = []
        if not self.has_room:
            self._audio_until_ms = max(self._audio_until_ms, now_ms)
        pause_ms = now_ms - self._audio_until_ms
        if self.rules.flush_after_ms is not None and pause_ms > self.rules.flush_after_ms and self._is_open:
            actions += self.flush(now_ms)
        self._deliver(now_ms)
        actions += self._publish(now_ms)
        if self.rules.idle == "server":
            self._idle(now_ms)
        return actions

    # inside

    @property
    def _is_open(self) -> bool:
        return bool(self._segments) and not self._segments[-1].closed

    def _appended(self, segment: Segment) -> int:
        """The session's number of the next frame for the audio ring."""
        return segment.base + segment.in_ring // self.manifest.samples_per_frame

    def _open_segment(self, now_ms: float) -> Segment:
        if self._is_open:
            return self._segments[-1]
        template = self._position
        if self._begin is not None:
            template, self._begin = self._begin, None
        elif self.rules.idle == "server":
            template += self._idle_lead()
        resampler = StreamResampler(self.rules.sample_rate_hz)
        segment = Segment(self._segment_count, self._base, template, self.manifest, resampler)
        self._segment_count += 1
        self._segments.append(segment)
        self._audio_until_ms = now_ms
        index = self.manifest.template_index(template)
        self._send("segment", segment=segment.number, epoch=self.epoch, first_frame=segment.base, template=index)
        return segment

    def _publish(self, now_ms: float) -> list[Action]:
        """Tasks for the frames that are ready.

        While few frames are under way each goes at once, as latency asks; beyond `SINGLE_FRAMES` the workers are behind
        and what comes meanwhile goes together, as throughput asks. A full task never waits.
        """
        actions: list[Action] = []
        for segment in self._segments:
            for frame in range(segment.published, segment.ready):
                self._ready_ms.setdefault(segment.base + frame, now_ms)
            while segment.published < segment.ready:
                waiting = segment.ready - segment.published
                full = waiting >= self.rules.task_frames
                if not (full or segment.closed or self._reorder.awaited < SINGLE_FRAMES):
                    break
                actions.append(self._task(segment, min(waiting, self.rules.task_frames), now_ms))
        return actions

    def _task(self, segment: Segment, count: int, now_ms: float) -> Publish:
        first = segment.base + segment.published
        deadline_ms = now_ms + self.rules.deadline_ms
        self._reorder.expect(first, count, deadline_ms)
        task = Publish(
            epoch=self.epoch,
            base=segment.base,
            first=first,
            count=count,
            samples=segment.samples if segment.closed else OPEN,
            template=segment.template + segment.published,
            ingest_ms=self._ready_ms[first + count - 1],
            deadline_ms=deadline_ms,
        )
        segment.published += count
        return task

    def _deliver(self, now_ms: float) -> None:
        for frame, message in self._reorder.pop(now_ms):
            ready_ms = self._ready_ms.pop(frame, now_ms)
            if self._is_last(frame):
                message = with_flags(message, Flag.LAST)
            self.outbox.append(Outgoing(message, ready_ms))
            self.delivered += 1
            self._idle_due_ms = now_ms + 1000 / self.manifest.fps
        self._settle()

    def _is_last(self, frame: int) -> bool:
        return any(s.closed and frame == s.base + s.frames - 1 for s in self._segments)

    def _settle(self) -> None:
        """Report the segments whose last frame has left."""
        while self._segments and self._segments[0].closed:
            segment = self._segments[0]
            if self._reorder.next_frame < segment.base + segment.frames:
                return
            self._segments.popleft()
            concealed = self.concealed - self._concealed_before
            self._concealed_before = self.concealed
            self._send(
                "segment_end", segment=segment.number, epoch=self.epoch, first_frame=segment.base,
                frames=segment.frames, concealed=concealed,
            )  # fmt: skip

    def _idle(self, now_ms: float) -> None:
        """Show the template while no speech frame does, up to where the segment that is about to begin takes over."""
        coming = self._segments[0] if self._segments else None
        speaking = coming is not None and (self._reorder.next_frame > coming.base or self._position >= coming.template)
        if speaking or self.outbox or now_ms < self._idle_due_ms:
            return
        template = self.manifest.template_index(self._position)
        size = self.manifest.image.template
        frame = self._reorder.next_frame
        header = FrameHeader(
            epoch=self.epoch,
            frame=frame,
            pts_us=frame * 1_000_000 // self.manifest.fps,
            template=template,
            bounds=(0, 0, size.width, size.height),
            flags=Flag.IDLE,
        )
        self.outbox.append(Outgoing(header.pack(self.idle_picture(template))))
        self._position += 1
        frame_ms = 1000 / self.manifest.fps
        # On the clock, but without a burst after a stall.
        self._idle_due_ms = max(self._idle_due_ms + frame_ms, now_ms)

    def _idle_lead(self) -> int:
        wait_ms = lookahead_samples(self.manifest) * 1000 / SAMPLE_RATE_HZ + IDLE_LEAD_MS
        return round(wait_ms * self.manifest.fps / 1000)

    def _send(self, kind: str, **fields: int) -> None:
        self.outbox.append(Outgoing(dump(kind, **fields)))


def _appends(first: int, pieces: list[bytes]) -> list[Action]:
    """The pieces for the audio ring, numbered from `first`."""
    return [Append(first + k, piece) for k, piece in enumerate(pieces)]
