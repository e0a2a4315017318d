"""Audio as clients may send it -> the PCM16 that everything behind the intake gets; pure."""

from typing import Final

import numpy as np

from common.errors import AudioError
from gateway.messages import AudioFormat

SAMPLE_BYTES: Final[dict[AudioFormat, int]] = {"s16le": 2, "f32le": 4}
_FULL_SCALE: Final = 32_768


def to_pcm16(audio: bytes, encoding: AudioFormat) -> bytes:
    """A chunk as 16 bit integers, little endian.

    Floats are multiplied by 32,768, rounded half to even and clipped to [-32768, 32767], so that integers which were
    divided by 32,768 come back as they were.

    Raises
    ------
    AudioError
        Not a whole number of samples, or a float that is not finite.
    """
    size = SAMPLE_BYTES[encoding]
    if len(audio) % size:
        kind = "PCM16 has an even number of bytes" if size == 2 else f"{encoding} has {size} bytes a sample"
        raise AudioError(f"{kind}, got {len(audio)}", field="audio", limit=size)
    if encoding == "s16le":
        return audio
    samples = np.frombuffer(audio, "<f4")
    if not np.isfinite(samples).all():
        bad = int(np.argmin(np.isfinite(samples)))
        raise AudioError(f"sample {bad} is {samples[bad]}; send finite numbers from -1 to 1", field="audio", limit=1)
    # In double precision: the largest float32 times full scale would overflow.
    scaled = np.rint(samples.astype(np.float64) * _FULL_SCALE)
    return scaled.clip(-_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
