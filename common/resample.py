"""PCM16 of any rate -> PCM16 at 16 kHz as a stream: one low-pass filter, 3 ms of delay, exact arithmetic.

The gateway and the offline renderer share it, so it must give the same bytes however the input is cut. It does by
construction: samples are 16-bit integers and the filter's weights multiples of 2**-23, so every product and every sum
is exact in float64, and what is exact does not depend on the order of the additions, the batch or the processor.

Delay and reach against soxr 1.1's streams (milliseconds of input taken before the output for it came out, mean / worst
when fed 1 ms at a time; gain at 7 kHz, or at 3.5 kHz for 8 kHz input). soxr's fixed-ratio recipes filter in blocks of
an FFT, which is fast for files and slow to answer; its variable-rate recipe does not, but is long at 8 kHz:

| input      | this module          | soxr VR      | soxr LQ               | soxr MQ              | soxr HQ            |
|-----------:|----------------------|--------------|-----------------------|----------------------|--------------------|
|  8,000 Hz  | 6.4 / 6.4 ms, 0.0 dB | 30 ms, 0 dB  | 32 / 61 ms, -13.0 dB  | 64 / 118 ms, 0 dB    | 64 / 116 ms, 0 dB  |
| 24,000 Hz  | 3.1 / 3.1 ms, 0.0 dB | 10 ms, 0 dB  | 11 / 20 ms, -12.8 dB  | 21 / 38 ms, 0 dB     | 21 / 37 ms, 0 dB   |
| 44,100 Hz  | 3.1 / 3.2 ms, 0.0 dB | not measured | 12 / 22 ms, -13.3 dB  | 24 / 41 ms, -0.1 dB  | 23 / 40 ms, 0 dB   |
| 48,000 Hz  | 3.1 / 3.1 ms, 0.0 dB | 13 ms, 0 dB  | 11 / 20 ms, -12.8 dB  | 21 / 38 ms, 0 dB     | 21 / 37 ms, 0 dB   |
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from common.errors import AudioError
from common.media import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from common.windows import windows_of

RATE_MIN_HZ: Final = 8_000
RATE_MAX_HZ: Final = 48_000
_EDGE: Final = 0.05
"""Half the transition band as a share of the lower Nyquist frequency: 7.6 kHz (the mel's top) passes, what could fold
below it (8.4 kHz and up) does not."""
_STOPBAND_DB: Final = 80.0
_MAX_PHASES: Final = 1024
"""Rates that share a factor of 16 with 16 kHz, all that are in use, are exact; at others an output lies up to 1/1024 of
an input sample early."""
_WEIGHT_STEP: Final = 2.0**-23
_BLOCK_SAMPLES: Final = 4096
"""Longer chunks are worked off in pieces: each sample is copied into hundreds of windows."""


class StreamResampler:
    """Resamples one stream of mono PCM16 to 16 kHz; input at 16 kHz passes through untouched.

    Of N samples pushed in all, round(N * 16000 / rate) come out once `finish` was called.

    Parameters
    ----------
    made : outputs that another resampler has made of the stream; `position` says where to go on pushing.

    Raises
    ------
    AudioError
        The rate is outside 8,000 to 48,000 Hz, or a chunk has an odd number of bytes.
    """

    def __init__(self, rate_hz: int, made: int = 0) -> None:
        if not RATE_MIN_HZ <= rate_hz <= RATE_MAX_HZ:
            raise AudioError(
                f"sample_rate must be {RATE_MIN_HZ} to {RATE_MAX_HZ} Hz, got {rate_hz}",
                field="sample_rate",
                limit=[RATE_MIN_HZ, RATE_MAX_HZ],
            )
        self._ratio = Fraction(rate_hz, SAMPLE_RATE_HZ)
        self._weights = _filter_bank(rate_hz)
        self._made = made
        # Half a filter of silence stands before the first sample, so that output 0 lies on input 0.
        start = int(made * self._ratio) - (0 if self._ratio == 1 else self._half - 1)
        self._held = np.zeros(max(0, -start), dtype=np.float64)
        self._received = max(0, start)

    @property
    def position(self) -> int:
        """Samples of the stream that have come in, or that need not."""
        return self._received

    @property
    def _half(self) -> int:
        return int(self._weights.shape[1]) // 2

    def push(self, pcm: bytes) -> bytes:
        """The output that `pcm` completes; may be empty."""
        if len(pcm) % BYTES_PER_SAMPLE:
            raise AudioError(f"PCM16 has an even number of bytes, got {len(pcm)}", field="audio")
        if self._ratio == 1:
            self._received += len(pcm) // BYTES_PER_SAMPLE
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2")
        blocks = (samples[start : start + _BLOCK_SAMPLES] for start in range(0, len(samples), _BLOCK_SAMPLES))
        return b"".join(self._push(block) for block in blocks)

    def finish(self) -> bytes:
        """The rest, as if silence followed; the resampler must not be used afterwards."""
        if self._ratio == 1:
            return b""
        stop = round(self._received / self._ratio)
        return self._make(np.zeros(self._half + 1, dtype="<i2"), max(self._made, stop))

    def _push(self, samples: NDArray[np.int16]) -> bytes:
        self._received += len(samples)
        ready = max(0, ceil((self._received - self._half) / self._ratio))
        return self._make(samples, max(self._made, ready))

    def _make(self, samples: NDArray[np.int16], stop: int) -> bytes:
        """Append the samples and give the outputs from `made` to `stop`, whose windows are then complete."""
        self._held = np.concatenate([self._held, samples])
        if stop == self._made:
            return b""
        up, down = self._ratio.denominator, self._ratio.numerator
        # Output n lies at input n * down / up; there, counted with the silence put before, its window begins.
        first, remainder = np.divmod(np.arange(self._made, stop, dtype=np.int64) * down, up)
        phase = remainder * len(self._weights) // up
        windows = windows_of(self._held, self._weights.shape[1])
        out = np.einsum("nk,nk->n", windows[first - first[0]], self._weights[phase])
        self._held = self._held[stop * down // up - int(first[0]) :]
        self._made = stop
        return bytes(np.clip(np.rint(out), -32768, 32767).astype("<i2").tobytes())


@lru_cache(maxsize=16)
def _filter_bank(rate_hz: int) -> NDArray[np.float64]:
    """Kaiser-windowed sincs, one row for each fraction of an input sample at which an output may lie.

    Returns
    -------
    ndarray of float64, shape (phases, 2 * half)
        Row p weighs inputs `floor(t) - half + 1 ... floor(t) + half` around position t = floor(t) + p / phases. Every
        row adds up to 1, so that silence and offsets stay what they are. Order after Kaiser: (A - 7.95) / (2.285 dw).
    """
    nyquist_hz = min(rate_hz, SAMPLE_RATE_HZ) / 2
    transition_rad = 2 * np.pi * 2 * _EDGE * nyquist_hz / rate_hz
    half = ceil((_STOPBAND_DB - 7.95) / (2.285 * transition_rad) / 2)
    beta = 0.1102 * (_STOPBAND_DB - 8.7)
    phases = min(Fraction(rate_hz, SAMPLE_RATE_HZ).denominator, _MAX_PHASES)
    distance = np.arange(1 - half, half + 1) - np.arange(phases)[:, None] / phases
    window = np.i0(beta * np.sqrt(np.maximum(0, 1 - (distance / half) ** 2)))
    rows = np.sinc(2 * nyquist_hz / rate_hz * distance) * window
    rows /= rows.sum(axis=1, keepdims=True)
    bank: NDArray[np.float64] = np.rint(rows / _WEIGHT_STEP) * _WEIGHT_STEP
    bank.flags.writeable = False
    return bank
