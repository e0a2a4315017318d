"""The media clock: the constants that every part agrees on, and the arithmetic between samples and frames."""

from typing import Final

SAMPLE_RATE_HZ: Final = 16_000
"""Rate of all audio behind the gateway."""

BYTES_PER_SAMPLE: Final = 2
"""PCM16, little endian, mono."""


def frames_covering(samples: int, samples_per_frame: int) -> int:
    """Frames that a clip of `samples` samples has: every sample is covered, the last frame may be partial."""
    return -(-samples // samples_per_frame)
