"""The segments of a session that are under way, oldest first, and where the next one begins; pure."""

from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from common.avatars.manifest import Manifest
from common.media import frames_covering
from common.resample import StreamResampler
from gateway.actions import Append
from gateway.revival import Revival
from gateway.segmenter import Heard, Segment


@dataclass(slots=True)
class Segments:
    """Those of which something is to come; only the newest may be open.

    Attributes
    ----------
    count : segments that have begun, ended ones too.
    base, position : first frame and template position of a segment that would begin now.
    begin : the template index that the client has asked for the next one, instead of `position`.
    awaited : the avatar that follows when none is under way.
    """

    rate_hz: int
    count: int = 0
    base: int = 0
    position: int = 0
    begin: int | None = None
    awaited: Manifest | None = None
    _under_way: deque[Segment] = field(default_factory=deque)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._under_way)

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def oldest(self) -> Segment | None:
        return self._under_way[0] if self._under_way else None

    @property
    def newest(self) -> Segment:
        return self._under_way[-1]

    @property
    def is_open(self) -> bool:
        """Whether a segment takes audio."""
        return bool(self._under_way) and not self.newest.closed

    @property
    def unpublished(self) -> int:
        """Frames that are ready and in no published task."""
        return sum(s.ready - s.published for s in self)

    @property
    def audio_stop(self) -> int:
        """One past the newest frame whose audio has left for the ring; 0 if none is under way."""
        if not self._under_way:
            return 0
        return self.newest.base + frames_covering(self.newest.in_ring, self.newest.manifest.samples_per_frame)

    @property
    def unpublished_samples(self) -> int:
        """Samples at 16 kHz that are in no published task; below 0 once the last frame, not a full one, is."""
        return sum(s.samples - s.published * s.manifest.samples_per_frame for s in self)

    def open(self, manifest: Manifest, heard: Heard, lead_frames: int, now_ms: float) -> Segment:
        """A new segment, `lead_frames` further on in the template loop unless the client has said where."""
        template = self.position + lead_frames if self.begin is None else self.begin
        self.begin = None
        # Of several only those of a session that goes on elsewhere may be of several avatars.
        manifest = self.newest.manifest if self._under_way else manifest
        segment = Segment(self.count, self.base, template, manifest, heard, StreamResampler(self.rate_hz), now_ms)
        self.count += 1
        self._under_way.append(segment)
        return segment

    def close(self, heard: Heard) -> list[Append]:
        """The newest takes no more audio; what is left of it for the audio ring."""
        appends = self.newest.close(heard)
        self.base = self.newest.base + self.newest.frames
        self.position = self.newest.template + self.newest.frames
        return appends

    def leave(self, next_frame: int) -> list[Segment]:
        """Those that end before `next_frame`; they are under way no more."""
        ended = []
        while self._under_way and self._under_way[0].closed:
            if next_frame < self._under_way[0].base + self._under_way[0].frames:
                break
            ended.append(self._under_way.popleft())
        return ended

    def owed(self) -> list[int]:
        """The numbers of the frames that are ready and in no published task."""
        return [s.base + k for s in self for k in range(s.published, s.ready)]

    def skip_found(self, frames: Container[int]) -> list[int]:
        """Those `owed` that need no work, as they are among `frames`: of each segment the ones before the first gap."""
        found = []
        for segment in self:
            while segment.published < segment.ready and segment.base + segment.published in frames:
                found.append(segment.base + segment.published)
                segment.published += 1
        return found

    def following(self, shown: Manifest) -> tuple[Manifest, int] | None:
        """The avatar that takes over now from the one `shown`, and its first frame; None while that goes on."""
        if oldest := self.oldest:
            return None if oldest.manifest is shown else (oldest.manifest, oldest.base)
        if self.awaited is None:
            return None
        following, self.awaited, self.position, self.begin = self.awaited, None, 0, None
        return following, self.base

    def void(self) -> None:
        """Barge-in: none is under way."""
        if self._under_way:
            # Numbers that any task of the old epoch may carry are never used again.
            self.base = self.newest.base + self.newest.frames
        self._under_way.clear()

    def go_on(self, revival: Revival) -> None:
        """Those that another gateway has lost."""
        self.count, self.base, self.position = revival.segment_count, revival.base, revival.position
        self._under_way.extend(revival.outstanding)
