"""Log-mel of pieces as long as a task's, against librosa's own call: `python -m bench.mel`."""

import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import librosa
import numpy as np

from common.avatars.timeline import OPEN, Span
from workers.audio.mel import mel_columns

COLUMNS = (16, 64, 92)
LIBROSA: dict[str, Any] = {
    "sr": 16_000,
    "n_fft": 800,
    "hop_length": 200,
    "power": 1,
    "n_mels": 80,
    "fmin": 55,
    "fmax": 7_600,
}
REPEATS, CALLS = 15, 100


def best_us(call: Callable[[], object]) -> float:
    """The least time of a call, in microseconds; the least is what noise cannot improve."""
    return min(timeit.repeat(call, number=CALLS, repeat=REPEATS)) / CALLS * 1e6


def main() -> None:
    """Print one line a size."""
    rng = np.random.default_rng(0)
    print(f"{'columns':>8} {'ours us':>9} {'librosa us':>11} {'ratio':>6}")
    for count in COLUMNS:
        pcm = rng.normal(0, 4_000, (count - 1) * 200 + 400).astype("<i2")
        data, floats = pcm.tobytes(), (pcm / 32768).astype(np.float64)
        ours = best_us(partial(mel_columns, data, 0, Span(0, count), OPEN))
        theirs = best_us(partial(librosa.feature.melspectrogram, y=floats, **LIBROSA))
        print(f"{count:8d} {ours:9.0f} {theirs:11.0f} {theirs / ours:6.1f}")


if __name__ == "__main__":
    main()
