"""What docs/memory.md says that a session takes of Redis, in bytes; pure."""

from typing import Final, NamedTuple

from common.avatars.manifest import Manifest
from common.avatars.timeline import OPEN, columns_of_frames
from common.frames import HEADER_BYTES
from common.media import BYTES_PER_SAMPLE
from common.settings import Settings

ENTRY_BYTES: Final = 256
"""What Redis adds to an entry of a stream or a hash, at most; jemalloc rounds large values up by a quarter, at most."""
ROUNDED_UP: Final = 1.25
RECORD_BYTES: Final = 512
"""The session's hash as it is with a token to resume by; it is allowed 4,096."""
SEGMENTS_BYTES: Final = 64 * 224
TASK_BYTES: Final = 512
LATE: Final = 1_000 * 100
"""A frame far from the beginning of its segment: it has its whole look-back."""
SPARE: Final = 1.2
"""`maxmemory` beyond what the keys take: fragmentation, buffers of clients, an append-only file being rewritten."""


class SessionMemory(NamedTuple):
    """Bytes of one session once its rings are full, and what its tasks take at the worst moment beyond that."""

    rings: float
    under_way: float


class Payloads(NamedTuple):
    """Bytes of one frame on its way through the stages; `columns` with all that a task of one frame needs."""

    audio: int
    columns: int
    patch: int


def payloads_of(manifest: Manifest) -> Payloads:
    """What the stages hand on of a frame."""
    width, height = manifest.image.inner
    columns = columns_of_frames(manifest, LATE, 1, OPEN).length
    return Payloads(
        manifest.samples_per_frame * BYTES_PER_SAMPLE, columns * manifest.audio.frontend.bands * 4, width * height * 3
    )


def memory_of(settings: Settings, payloads: Payloads, picture_bytes: float) -> SessionMemory:
    """One session of Redis."""
    audio = (settings.audio_ring_frames + 8) * (payloads.audio + ENTRY_BYTES)
    frames = settings.frame_ring_slots * (ROUNDED_UP * (HEADER_BYTES + picture_bytes) + ENTRY_BYTES)
    task = 2 * TASK_BYTES + payloads.columns + ROUNDED_UP * payloads.patch
    return SessionMemory(RECORD_BYTES + SEGMENTS_BYTES + audio + frames, settings.in_flight_frames * task)
