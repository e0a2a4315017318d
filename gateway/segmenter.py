"""Audio in chunks of any size -> whole frames of 16 kHz PCM, segment by segment; pure."""

from dataclasses import dataclass, field

from common.avatars.manifest import Manifest
from common.avatars.timeline import samples_needed
from common.media import BYTES_PER_SAMPLE, frames_covering
from common.resample import StreamResampler
from gateway.actions import Append


@dataclass(slots=True)
class Segment:
    """One utterance on its way: its place in the session and how much of it has come in."""

    number: int
    base: int
    template: int
    manifest: Manifest
    resampler: StreamResampler
    samples: int = 0
    ready: int = 0
    published: int = 0
    closed: bool = False
    _tail: bytearray = field(default_factory=bytearray)

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

    def close(self) -> list[Append]:
        """The end of the utterance: the last, perhaps partial frame comes out, and every frame is ready."""
        self._take(self.resampler.finish())
        self.closed = True
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

    def _advance(self) -> None:
        """A frame is ready when its whole look-ahead is in frames that have left for the audio ring."""
        while samples_needed(self.manifest, self.ready) <= self.in_ring:
            self.ready += 1
