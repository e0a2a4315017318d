"""One session as a state machine: audio, commands and finished frames go in; bus actions and messages come out.

No socket, no Redis, no clock: every method is told the time. `connection.py` carries out what it returns.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from common.avatars.manifest import Manifest
from common.avatars.timeline import OPEN
from common.frames import Flag, flags_of, with_flags
from common.media import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from common.records import Checkpoint
from common.resample import StreamResampler
from gateway.actions import Action, Outgoing, Publish
from gateway.idle import IdlePicture, idle_frame, lead_frames
from gateway.messages import dump
from gateway.reorder import Reorder
from gateway.replies import scene_of
from gateway.revival import Revival
from gateway.segmenter import Heard, Segment
from gateway.speech import Speech

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
    skip_after_ms: float | None = None
    idle: Literal["client", "server"] = "client"


@dataclass(slots=True)
class SessionCore:
    """The state of one session."""

    manifest: Manifest
    rules: SessionRules
    idle_picture: IdlePicture
    outbox: deque[Outgoing] = field(default_factory=deque)
    epoch: int = 0
    delivered: int = 0
    skipped: int = 0
    heard: Heard = field(default_factory=Heard)
    _reorder: Reorder = field(init=False)
    _speech: Speech = field(init=False)
    _segments: deque[Segment] = field(default_factory=deque)
    _segment_count: int = 0
    _base: int = 0
    _position: int = 0
    _begin: int | None = None
    _ready_ms: dict[int, float] = field(default_factory=dict)
    _audio_until_ms: float = 0.0
    _idle_due_ms: float = 0.0
    _switch: Manifest | None = None

    def __post_init__(self) -> None:
        self._reorder = Reorder(1_000_000 // self.manifest.fps)
        self._speech = Speech(self.manifest.fps)

    # what the connection asks

    @property
    def has_room(self) -> bool:
        """Whether more may be fed in; while not, the client's socket is left alone."""
        limit = self.rules.in_flight_frames
        waiting = max(self.in_flight, len(self._segments), len(self.outbox) // 2)
        return waiting < limit and self._switch is None

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

    @property
    def next_frame(self) -> int:
        """The first speech frame that has not left for the outbox."""
        return self._reorder.next_frame

    # another gateway's session

    def go_on(self, revival: Revival, now_ms: float) -> None:
        """Stand where a session stood that another gateway has lost; what was said of frames to come is said again."""
        self.manifest, self.epoch, self.heard = revival.manifest, revival.epoch, revival.heard
        self.delivered, self._segment_count = revival.delivered, revival.segment_count
        self._base, self._position = revival.base, revival.position
        self._reorder.clear(revival.epoch, revival.next_frame)
        self._reorder.concealed = revival.concealed
        self._speech.go_on(revival)
        self._segments.extend(revival.outstanding)
        self._audio_until_ms = now_ms
        self._send(*revival.farewell, *map(self._speech.announcement, revival.outstanding))
        self._settle(revival.next_frame)

    def owed(self) -> list[int]:
        """Frames that may be under way, and may be in the frame ring already."""
        frames = [s.base + k for s in self._segments for k in range(s.published, s.ready)]
        return frames[: self.rules.in_flight_frames]

    def found(self, messages: dict[int, bytes], now_ms: float) -> None:
        """Some of the frames that are `owed`: those before the first that lacks need no work."""
        for segment in self._segments:
            while segment.published < segment.ready and segment.base + segment.published in messages:
                frame = segment.base + segment.published
                self._reorder.expect(frame, 1, now_ms)
                self._reorder.put(frame, messages[frame])
                segment.published += 1
        self._deliver(now_ms)

    def lost(self) -> Checkpoint:
        """The rings are gone: what has not left for the outbox is void, and its audio is needed again."""
        if self._segments:
            head = self._segments[0]
            done = max(0, self._reorder.next_frame - head.base)
            audio = head.begins.audio + head.audio_of(done, self.rules.sample_rate_hz)
            self.heard = Heard(audio, head.begins.commands)
        leaving, self.outbox = self.outbox, deque()
        checkpoint, _ = self._void(None)
        self.outbox = leaving
        return checkpoint

    # what the client does

    def begin(self, template: int) -> None:
        """The next segment's first frame shall have this template index."""
        self._count_command()
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
        opened = self._opened(now_ms)
        segment = self._segments[-1]
        appends = segment.push(pcm)
        samples = len(pcm) // BYTES_PER_SAMPLE
        self.heard = self.heard._replace(audio=self.heard.audio + samples)
        self._audio_until_ms = max(now_ms, self._audio_until_ms) + samples * 1000 / self.rules.sample_rate_hz
        return [*opened, *appends, *self._publish(now_ms)]

    def flush(self, now_ms: float) -> list[Action]:
        """End the segment; without one, a segment of no samples begins and ends."""
        self._count_command()
        return self._close(now_ms)

    def end(self, now_ms: float) -> list[Action]:
        """No more audio will come, or none for a while: close what is open."""
        return self._close(now_ms) if self.is_open else []

    def switch(self, manifest: Manifest, now_ms: float) -> list[Action]:
        """Another avatar of the same frame rate, once every frame of this one has left; until then there is no room."""
        self._count_command()
        self._switch = manifest
        actions = self.end(now_ms)
        self._change_scene()
        return actions

    def clear(self, shown: int | None = None, heard: Heard | None = None) -> list[Action]:
        """Barge-in: everything that has not been sent is void.

        Parameters
        ----------
        shown : the last speech frame that the client has shown; None: the last one sent.
        heard : how far into what the client sent its barge-in is; None: as far as the session has come.
        """
        self.heard = heard or self.heard
        checkpoint, farewell = self._void(shown)
        self._send(*farewell)
        self._change_scene()
        return [checkpoint]

    def _void(self, shown: int | None) -> tuple[Checkpoint, list[str]]:
        """Begin a new epoch; what is to be told of it."""
        voided = self._speech.take_back(self.outbox, self._reorder.next_frame)
        unsent = voided.first_frame
        cut = self._speech.cut(shown, unsent)
        if resumed := self._speech.resumes_at(self.manifest, cut):
            utterance, frames = resumed
            if frames or utterance.stop is not None or self.rules.idle == "client":
                self._position = utterance.template + frames
        if self._segments:
            # Numbers that any task of the old epoch may carry are never used again.
            self._base = self._segments[-1].base + self._segments[-1].frames
        self.epoch += 1
        self.delivered -= voided.frames
        self._reorder.concealed -= voided.concealed
        self._segments.clear()
        self._ready_ms.clear()
        self._reorder.clear(self.epoch, self._base)
        ended, cleared = self._speech.clear(cut, unsent, self.epoch, self._base)
        self.outbox = deque([*voided.before, *map(Outgoing, ended), *voided.behind])
        checkpoint = Checkpoint(
            avatar=self.manifest.name, epoch=self.epoch, first_frame=self._base, template=self._position,
            segments=self._segment_count, audio=self.heard.audio, commands=self.heard.commands,
            delivered=self.delivered, farewell="\n".join([*ended, cleared]),
        )  # fmt: skip
        return checkpoint, [cleared]

    # what the pipeline and the clock do

    def arrived(self, messages: dict[int, bytes], now_ms: float) -> list[Action]:
        """Finished frames of the present epoch, by number."""
        for frame, message in messages.items():
            self._reorder.put(frame, message)
        self._deliver(now_ms)
        return self._publish(now_ms)

    def give_up(self, frames: range, now_ms: float) -> list[Action]:
        """Frames that will never come: they are concealed at once."""
        self._reorder.give_up(frames, now_ms)
        return self.tick(now_ms)

    def tick(self, now_ms: float) -> list[Action]:
        """The passing of time: late frames are concealed or skipped, idle frames fall due."""
        self._deliver(now_ms)
        actions = self._publish(now_ms)
        if self.rules.idle == "server":
            self._idle(now_ms)
        return actions

    def has_paused(self, now_ms: float) -> bool:
        """Whether the client's audio has paused for so long that its segment is to `end`."""
        if not self.has_room:
            self._audio_until_ms = max(self._audio_until_ms, now_ms)
        limit_ms = self.rules.flush_after_ms
        return limit_ms is not None and self.is_open and now_ms - self._audio_until_ms > limit_ms

    @property
    def is_open(self) -> bool:
        """Whether a segment takes audio."""
        return bool(self._segments) and not self._segments[-1].closed

    # inside

    def _count_command(self) -> None:
        self.heard = self.heard._replace(commands=self.heard.commands + 1)

    def _opened(self, now_ms: float) -> list[Action]:
        """Let a segment be open; what is to be written of it if it is a new one."""
        if self.is_open:
            return []
        template = self._position
        if self._begin is not None:
            template, self._begin = self._begin, None
        elif self.rules.idle == "server":
            template += lead_frames(self.manifest)
        # Of several only those of a session that goes on elsewhere may be of several avatars.
        manifest = self._segments[-1].manifest if self._segments else self.manifest
        resampler = StreamResampler(self.rules.sample_rate_hz)
        segment = Segment(self._segment_count, self._base, template, manifest, self.heard, resampler, now_ms)
        self._segment_count += 1
        self._segments.append(segment)
        self._audio_until_ms = now_ms
        self._speech.begin(segment)
        self._send(self._speech.announcement(segment))
        return [segment.record]

    def _close(self, now_ms: float) -> list[Action]:
        opened = self._opened(now_ms)
        segment = self._segments[-1]
        appends = segment.close(self.heard)
        self._base = segment.base + segment.frames
        self._position = segment.template + segment.frames
        self._speech.close(self._base)
        # Its end is written before its last frame is: who finds that frame knows that it may be a short one.
        actions = [*opened, segment.record, *appends, *self._publish(now_ms)]
        self._settle(self._reorder.next_frame)
        return actions

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
                if self._is_late(segment, now_ms):
                    self._skip(segment, now_ms)
                    continue
                room = self.rules.in_flight_frames - self._reorder.pending
                waiting = min(segment.ready - segment.published, self.rules.task_frames)
                full = waiting == self.rules.task_frames
                worth = full or segment.closed or self._reorder.awaited < SINGLE_FRAMES
                if room <= 0 or not worth or self._is_behind(now_ms):
                    break
                actions.append(self._task(segment, min(waiting, room), now_ms))
        return actions

    def _is_behind(self, now_ms: float) -> bool:
        """Whether the workers are too far behind for a live session to ask for more."""
        limit_ms = self.rules.skip_after_ms
        if limit_ms is None or (oldest_ms := self._reorder.oldest_deadline_ms) is None:
            return False
        return now_ms - (oldest_ms - self.rules.deadline_ms) > limit_ms

    def _is_late(self, segment: Segment, now_ms: float) -> bool:
        """Whether the next frame to be published has been due for too long, on the media clock and by its audio."""
        if self.rules.skip_after_ms is None:
            return False
        media_ms = segment.begun_ms + segment.published * 1000 / self.manifest.fps
        due_ms = max(media_ms, self._ready_ms[segment.base + segment.published])
        return now_ms - due_ms > self.rules.skip_after_ms

    def _skip(self, segment: Segment, now_ms: float) -> None:
        """The frame before it is shown in its place."""
        self._reorder.expect(segment.base + segment.published, 1, now_ms - 1)
        segment.published += 1
        self.skipped += 1

    def _task(self, segment: Segment, count: int, now_ms: float) -> Publish:
        first = segment.base + segment.published
        deadline_ms = now_ms + self.rules.deadline_ms
        self._reorder.expect(first, count, deadline_ms)
        task = Publish(
            avatar=segment.manifest.name,
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
            self._settle(frame)
            if first := self._speech.leave(frame, concealed=Flag.CONCEALED in flags_of(message)):
                self.outbox.append(Outgoing(first, frame=frame))
            if self._speech.is_last(frame):
                message = with_flags(message, Flag.LAST)
            self.outbox.append(Outgoing(message, self._ready_ms.pop(frame, now_ms), frame))
            self.delivered += 1
            self._idle_due_ms = now_ms + 1000 / self.manifest.fps
        # Those that were left out; frames come in rising order.
        while self._ready_ms and (frame := next(iter(self._ready_ms))) < self._reorder.next_frame:
            del self._ready_ms[frame]
        self._settle(self._reorder.next_frame)

    def _settle(self, next_frame: int) -> None:
        """Report the segments that end before `next_frame`."""
        while self._segments and self._segments[0].closed:
            segment = self._segments[0]
            stop = segment.base + segment.frames
            if next_frame < stop:
                return
            self._segments.popleft()
            self.outbox.append(Outgoing(self._speech.end(segment.number), frame=stop - 1))
        self._change_scene()

    def _change_scene(self) -> None:
        """Let an awaited avatar in when nothing of the old one is left to come."""
        if self._segments:
            following, first_frame = self._segments[0].manifest, self._segments[0].base
        elif self._switch is not None:
            following, first_frame = self._switch, self._base
            self._position, self._begin, self._switch = 0, None, None
        else:
            return
        if following is self.manifest and self._segments:
            return
        self.manifest = following
        self._reorder.forget()
        self._send(dump("switched", first_frame=first_frame, **scene_of(following)))

    def _idle(self, now_ms: float) -> None:
        """Show the template while no speech frame does, up to where the segment that is about to begin takes over."""
        coming = self._segments[0] if self._segments else None
        speaking = coming is not None and (self._reorder.next_frame > coming.base or self._position >= coming.template)
        if speaking or self.outbox or now_ms < self._idle_due_ms:
            return
        frame = self._reorder.next_frame
        self.outbox.append(Outgoing(idle_frame(self.manifest, self.idle_picture, self._position, self.epoch, frame)))
        self._position += 1
        # On the clock, but without a burst after a stall.
        self._idle_due_ms = max(self._idle_due_ms + 1000 / self.manifest.fps, now_ms)

    def _send(self, *messages: str) -> None:
        self.outbox.extend(Outgoing(message) for message in messages)
