"""The template loop that a gateway sends while nobody speaks; pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from common.avatars.manifest import Manifest
from common.avatars.timeline import lookahead_samples
from common.frames import Flag, FrameHeader
from common.media import SAMPLE_RATE_HZ

PIPELINE_MS: Final = 80.0
"""What the pipeline adds to the look-ahead, roughly: idle frames are shown for so long after speech has begun."""

IdlePicture = Callable[[str, int], bytes]
"""Avatar and index of a template frame -> its JPEG, or nothing where the client draws its own."""


@dataclass(slots=True)
class IdleClock:
    """When the next idle frame is due."""

    _due_ms: float = 0.0

    def speech(self, fps: int, now_ms: float) -> None:
        """A speech frame has left: none before its time is over."""
        self._due_ms = now_ms + 1000 / fps

    def take(self, fps: int, now_ms: float) -> bool:
        """Whether a frame is due; it counts as shown."""
        if now_ms < self._due_ms:
            return False
        # On the clock, but without a burst after a stall.
        self._due_ms = max(self._due_ms + 1000 / fps, now_ms)
        return True


def lead_frames(manifest: Manifest) -> int:
    """Idle frames between the first audio of an utterance and its first frame, about."""
    wait_ms = lookahead_samples(manifest) * 1000 / SAMPLE_RATE_HZ + PIPELINE_MS
    return round(wait_ms * manifest.fps / 1000)


def idle_frame(manifest: Manifest, picture: IdlePicture, position: int, epoch: int, frame: int) -> bytes:
    """The template frame at a position; it carries the number of the next speech frame."""
    template, size = manifest.template_index(position), manifest.image.template
    header = FrameHeader(
        epoch=epoch,
        frame=frame,
        pts_us=frame * 1_000_000 // manifest.fps,
        template=template,
        bounds=(0, 0, size.width, size.height),
        flags=Flag.IDLE,
    )
    return header.pack(picture(manifest.name, template))


def no_picture(_avatar: str, _index: int) -> bytes:
    """For clients that draw the template themselves."""
    return b""
