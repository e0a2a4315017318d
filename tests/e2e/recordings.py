"""The sample recording as files of other kinds."""

import wave
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SAMPLE = Path(__file__).parents[2] / "gateway" / "console" / "sample.flac"


def speech(rate_hz: int) -> NDArray[np.int16]:
    """The sample at this rate, mono, shape (samples,)."""
    resampler = av.AudioResampler("s16", "mono", rate_hz)
    with av.open(str(SAMPLE)) as container:
        pieces = [out.to_ndarray() for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.asarray(np.concatenate(pieces, axis=1)[0], np.int16)


def write_wav(path: Path, duration_s: float, rate_hz: int = 48_000) -> Path:
    """A WAV of so many seconds, the sample over and over."""
    samples = speech(rate_hz)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.resize(samples, int(duration_s * rate_hz)).tobytes())
    return path
