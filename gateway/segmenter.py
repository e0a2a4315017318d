"""Audio in chunks of any size -> whole frames of 16 kHz PCM, segment by segment; pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

from common.avatars.manifest import Manifest
from common.avatars.timeline import OPEN, samples_needed
from common.media import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, frames_covering
from common.records import SegmentRecord
from common.resample import StreamResampler
from gateway.actions import Append


class Heard(NamedTuple):
    """How far into what its client sent a session is: samples at the client's rate, and commands."""

    audio: int = 0
    commands: int = 0


@dataclass(slots=True)
class Segment:
    """One utterance on its way: its place in the session and how much of it has come in.

    `begins` and `ends` are where it lies in what the client sent.
    """

    number: int
    base: int
    template: int
    manifest: Manifest
    begins: Heard
    resampler: StreamResampler
    begun_ms: float = 0.0
    ends: Heard | None = None
    samples: int = 0
    ready: int = 0
    published: int = 0
    _tail: bytearray = field(default_factory=bytearray)

    @property
    def closed(self) -> bool:
        return self.ends is not None

    @property
    def record(self) -> SegmentRecord:
        """What another gateway must know to go on with it."""
        ends = self.ends or Heard()
        return SegmentRecord(
            number=self.number, avatar=self.manifest.name, base=self.base, template=self.template,
            audio=self.begins.audio, commands=self.begins.commands, samples=self.samples if self.closed else OPEN,
            audio_end=ends.audio, commands_end=ends.commands,
        )  # fmt: skip

    @property
    def frames(self) -> int:
        """Frames that the samples so far cover."""
        return frames_covering(self.samples, self.manifest.samples_per_frame)

    @property
    def frame_bytes(self) -> int:
        return self.manifest.samples_per_frame * BYTES_PER_SAMPLE

    @property
    def in_ring(self) -> int:
        """Samples that have left for the audio ring."""
        return self.samples - len(self._tail) // BYTES_PER_SAMPLE

    def push(self, pcm: bytes) -> list[Append]:
        """Take a chunk at the session's rate; whole frames of 16 kHz PCM come out as they fill."""
        self._take(self.resampler.push(pcm))
        whole = len(self._tail) // self.frame_bytes
        pieces = self._cut(whole)
        self._advance()
        return pieces

    def close(self, ends: Heard) -> list[Append]:
        """The end of the utterance: the last, perhaps partial frame comes out, and every frame is ready."""
        self._take(self.resampler.finish())
        self.ends = ends
        self.ready = self.frames
        return self._cut(-(-len(self._tail) // self.frame_bytes))

    def _take(self, pcm: bytes) -> None:
        self._tail += pcm
        self.samples += len(pcm) // BYTES_PER_SAMPLE

    def _cut(self, count: int) -> list[Append]:
        size, first = self.frame_bytes, self.base + self.in_ring // self.manifest.samples_per_frame
        pieces = [Append(first + k, bytes(self._tail[k * size : (k + 1) * size])) for k in range(count)]
        del self._tail[: count * size]
        return pieces

    def heard_before(self, frame: int, rate_hz: int) -> Heard:
        """Where in what the client sent its frame `frame` begins; where the segment does, if that is later."""
        samples = max(0, frame - self.base) * self.manifest.samples_per_frame
        return self.begins._replace(audio=self.begins.audio + samples * rate_hz // SAMPLE_RATE_HZ)

    def go_on(self, frames: int) -> None:
        """The first `frames` frames are in the audio ring already, the client's audio comes again from there."""
        self.samples = frames * self.manifest.samples_per_frame
        self._advance()

    def _advance(self) -> None:
        """A frame is ready when its whole look-ahead is in frames that have left for the audio ring."""
        while samples_needed(self.manifest, self.ready) <= self.in_ring:
            self.ready += 1
