"""One session as a state machine: audio, commands and finished frames go in; bus actions and messages come out.

No socket, no Redis, no clock: every method is told the time. `connection.py` carries out what it returns.
"""

from collections import deque
from dataclasses import dataclass, field

from common.avatars.manifest import Manifest
from common.media import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from common.records import Checkpoint
from gateway.actions import Action, Outgoing
from gateway.idle import IdleClock, IdlePicture, idle_frame, lead_frames
from gateway.messages import dump
from gateway.publishing import Publishing
from gateway.reorder import Reorder
from gateway.replies import scene_of
from gateway.revival import Revival
from gateway.rules import SessionRules
from gateway.segmenter import Heard
from gateway.segments import Segments
from gateway.speech import Speech


@dataclass(slots=True)
class SessionCore:
    """The state of one session; `reorder` and `segments` are for those to read who measure it."""

    manifest: Manifest
    rules: SessionRules
    idle_picture: IdlePicture
    outbox: deque[Outgoing] = field(default_factory=deque)
    epoch: int = 0
    delivered: int = 0
    heard: Heard = field(default_factory=Heard)
    reorder: Reorder = field(init=False)
    _speech: Speech = field(init=False)
    segments: Segments = field(init=False)
    _publishing: Publishing = field(init=False)
    _idle_clock: IdleClock = field(default_factory=IdleClock)
    _audio_until_ms: float = 0.0

    def __post_init__(self) -> None:
        self.reorder = Reorder(1_000_000 // self.manifest.fps)
        self._speech = Speech(self.manifest.fps)
        self.segments = Segments(self.rules.sample_rate_hz)
        self._publishing = Publishing(self.rules)

    # what the connection asks

    @property
    def has_room(self) -> bool:
        """Whether more may be fed in; while not, the client's socket is left alone."""
        limit = self.rules.in_flight_frames
        waiting = max(self.in_flight, len(self.segments), len(self.outbox) // 2)
        return waiting < limit and self.segments.awaited is None

    @property
    def in_flight(self) -> int:
        """Frames that are under way or wait to be sent."""
        waiting = sum(1 for item in self.outbox if item.ready_ms is not None)
        return self.segments.unpublished + self.reorder.pending + waiting

    @property
    def drained(self) -> bool:
        """Whether nothing is left to come."""
        return not self.segments and not self.outbox

    @property
    def concealed(self) -> int:
        return self.reorder.concealed

    @property
    def skipped(self) -> int:
        return self._publishing.skipped

    @property
    def buffered_ms(self) -> float:
        """Audio that has come in but is in no published task."""
        return max(0.0, self.segments.unpublished_samples * 1000 / SAMPLE_RATE_HZ)

    def missing(self) -> list[int]:
        """Frames under way that have not arrived."""
        return self.reorder.missing()

    @property
    def next_frame(self) -> int:
        """The first speech frame that has not left for the outbox."""
        return self.reorder.next_frame

    # another gateway's session

    def go_on(self, revival: Revival, now_ms: float) -> None:
        """Stand where a session stood that another gateway has lost; what was said of frames to come is said again."""
        self.manifest, self.epoch, self.heard = revival.manifest, revival.epoch, revival.heard
        self.delivered = revival.delivered
        self.reorder.clear(revival.epoch, revival.next_frame)
        self.reorder.concealed = revival.concealed
        self._speech.go_on(revival)
        self.segments.go_on(revival)
        self._audio_until_ms = now_ms
        self._send(*revival.farewell, *map(self._speech.announcement, revival.outstanding))
        self._settle(revival.next_frame)

    def owed(self) -> list[int]:
        """Frames that may be under way, and may be in the frame ring already."""
        return self.segments.owed()[: self.rules.in_flight_frames]

    def found(self, messages: dict[int, bytes], now_ms: float) -> None:
        """Some of the frames that are `owed`: those before the first that lacks need no work."""
        for frame in self.segments.skip_found(messages):
            self.reorder.expect(frame, 1, now_ms)
            self.reorder.put(frame, messages[frame])
        self._deliver(now_ms)

    def lost(self) -> Checkpoint:
        """The rings are gone: what has not left for the outbox is void, and its audio is needed again."""
        if head := self.segments.oldest:
            self.heard = head.heard_before(self.reorder.next_frame, self.rules.sample_rate_hz)
        leaving, self.outbox = self.outbox, deque()
        checkpoint, _ = self._void(None)
        self.outbox = leaving
        return checkpoint

    # what the client does

    def begin(self, template: int) -> None:
        """The next segment's first frame shall have this template index."""
        self._count_command()
        self.segments.begin = template

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
        appends = self.segments.newest.push(pcm)
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
        return self._close(now_ms) if self.segments.is_open else []

    def switch(self, manifest: Manifest, now_ms: float) -> list[Action]:
        """Another avatar of the same frame rate, once every frame of this one has left; until then there is no room."""
        self._count_command()
        self.segments.awaited = manifest
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
        voided = self._speech.take_back(self.outbox, self.reorder.next_frame)
        unsent = voided.first_frame
        cut = self._speech.cut(shown, unsent)
        if resumed := self._speech.resumes_at(self.manifest, cut):
            utterance, frames = resumed
            if frames or utterance.stop is not None or self.rules.idle == "client":
                self.segments.position = utterance.template + frames
        self.segments.void()
        self.epoch += 1
        self.delivered -= voided.frames
        self.reorder.concealed -= voided.concealed
        self._publishing.clear()
        self.reorder.clear(self.epoch, self.segments.base)
        ended, cleared = self._speech.clear(cut, unsent, self.epoch, self.segments.base)
        self.outbox = deque([*voided.before, *map(Outgoing, ended), *voided.behind])
        checkpoint = Checkpoint(
            avatar=self.manifest.name, epoch=self.epoch, first_frame=self.segments.base,
            template=self.segments.position, segments=self.segments.count, audio=self.heard.audio,
            commands=self.heard.commands, delivered=self.delivered, farewell="\n".join([*ended, cleared]),
        )  # fmt: skip
        return checkpoint, [cleared]

    # what the pipeline and the clock do

    def arrived(self, messages: dict[int, bytes], now_ms: float) -> list[Action]:
        """Finished frames of the present epoch, by number."""
        for frame, message in messages.items():
            self.reorder.put(frame, message)
        self._deliver(now_ms)
        return self._publish(now_ms)

    def give_up(self, frames: range, now_ms: float) -> list[Action]:
        """Frames that will never come: they are concealed at once."""
        self.reorder.give_up(frames, now_ms)
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
        return limit_ms is not None and self.segments.is_open and now_ms - self._audio_until_ms > limit_ms

    # inside

    def _count_command(self) -> None:
        self.heard = self.heard._replace(commands=self.heard.commands + 1)

    def _opened(self, now_ms: float) -> list[Action]:
        """Let a segment be open; what is to be written of it if it is a new one."""
        if self.segments.is_open:
            return []
        lead = lead_frames(self.manifest) if self.rules.idle == "server" else 0
        segment = self.segments.open(self.manifest, self.heard, lead, now_ms)
        self._audio_until_ms = now_ms
        self._speech.begin(segment)
        self._send(self._speech.announcement(segment))
        return [segment.record]

    def _close(self, now_ms: float) -> list[Action]:
        opened = self._opened(now_ms)
        appends = self.segments.close(self.heard)
        self._speech.close(self.segments.base)
        # Its end is written before its last frame is: who finds that frame knows that it may be a short one.
        actions = [*opened, self.segments.newest.record, *appends, *self._publish(now_ms)]
        self._settle(self.reorder.next_frame)
        return actions

    def _publish(self, now_ms: float) -> list[Action]:
        return [*self._publishing.publish(self.segments, self.reorder, now_ms)]

    def _deliver(self, now_ms: float) -> None:
        for frame, message in self.reorder.pop(now_ms):
            self._settle(frame)
            self.outbox.extend(self._speech.leave(frame, message, self._publishing.leave(frame, now_ms)))
            self.delivered += 1
            self._idle_clock.speech(self.manifest.fps, now_ms)
        self._publishing.forget_before(self.reorder.next_frame)
        self._settle(self.reorder.next_frame)

    def _settle(self, next_frame: int) -> None:
        """Report the segments that end before `next_frame`."""
        self.outbox.extend(self._speech.end(segment) for segment in self.segments.leave(next_frame))
        self._change_scene()

    def _change_scene(self) -> None:
        """Let an awaited avatar in when nothing of the old one is left to come."""
        if following := self.segments.following(self.manifest):
            self.manifest, first_frame = following
            self.reorder.forget()
            self._send(dump("switched", first_frame=first_frame, **scene_of(self.manifest)))

    def _idle(self, now_ms: float) -> None:
        """Show the template while no speech frame does, up to where the segment that is about to begin takes over."""
        coming, position, frame = self.segments.oldest, self.segments.position, self.reorder.next_frame
        speaking = coming is not None and (frame > coming.base or position >= coming.template)
        if not speaking and not self.outbox and self._idle_clock.take(self.manifest.fps, now_ms):
            self.outbox.append(Outgoing(idle_frame(self.manifest, self.idle_picture, position, self.epoch, frame)))
            self.segments.position += 1

    def _send(self, *messages: str) -> None:
        self.outbox.extend(Outgoing(message) for message in messages)
