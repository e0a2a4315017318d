"""Log-mel columns, exactly as SyncTalk-2D and Wav2Lip compute them with librosa, in pieces of any size.

Every column is bit-identical however the columns are grouped into calls: the arithmetic of one column never sees how
many others are computed with it. So no BLAS (its kernels depend on the shape of the matrix), but an FFT a row,
element-wise operations, and a sparse product that adds up each band in the order of its bins.
"""

from functools import cache
from importlib.resources import as_file, files
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from common.avatars.timeline import OPEN, Span
from common.errors import AudioError
from common.media import BYTES_PER_SAMPLE
from common.windows import windows_of

BANDS: Final = 80
N_FFT: Final = 800
HALF: Final = N_FFT // 2
HOP: Final = 200
PREEMPHASIS: Final = 0.97
FLOOR: Final = 1e-5
CLIP: Final = 4.0
BLOCK_COLUMNS: Final = 64
"""Columns worked on at once: bounds the memory of a long clip, and changes no result."""

Floats = NDArray[np.float64]


def mel_spectrogram(samples: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Log-mel of a whole clip.

    Parameters
    ----------
    samples : float array, shape (N,), mono at 16 kHz in [-1, 1]; it is not changed.

    Returns
    -------
    float32 array, shape (80, M), M = 1 + floor(N / 200), in [-4, 4]; -4 is digital silence. Column m is centred on
    sample 200 m, with zeros beyond the ends of the clip. A clip of no samples has one column of silence.

    Raises
    ------
    AudioError
        The array is not one-dimensional, not of floats, or not finite.

    Notes
    -----
    SyncTalk-2D's `utils.melspectrogram`: pre-emphasis 0.97 before padding, periodic Hann of 800, magnitudes, 80 Slaney
    bands from 55 to 7600 Hz, 20 log10(max(1e-5, x)) - 20, and -100..0 dB mapped to -4..4.
    """
    if samples.ndim != 1:
        raise AudioError(f"samples must be mono, shape (N,), not {samples.shape}", field="samples")
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(
            f"samples must be floats in [-1, 1], not {samples.dtype}; divide PCM16 by 32768", field="samples"
        )
    if not np.isfinite(samples).all():
        raise AudioError("samples must be finite, without NaN and infinities", field="samples")
    columns = Span(0, 1 + len(samples) // HOP)
    rows = _log_mel(_emphasised(samples.astype(np.float64), 0, _reach(columns)))
    return np.ascontiguousarray(rows.T)


def mel_columns(pcm: bytes, first_sample: int, columns: Span, samples: int) -> NDArray[np.float32]:
    """Some columns of a clip, from only the samples that they need.

    Parameters
    ----------
    pcm : PCM16, little endian, mono, 16 kHz; holds at least the samples that `timeline.samples_of_columns` gives.
    first_sample : place of the first of them in the clip.
    columns : which columns of the clip.
    samples : length of the clip; `timeline.OPEN` while it goes on.

    Returns
    -------
    float32 array, shape (columns, 80): bit for bit those columns of `mel_spectrogram` of the whole clip.

    Raises
    ------
    AudioError
        The PCM has an odd number of bytes or lacks samples, or the clip has no such columns.
    """
    if len(pcm) % BYTES_PER_SAMPLE:
        raise AudioError(f"pcm: {len(pcm)} bytes are no whole number of 16-bit samples", field="pcm")
    if columns.start < 0 or columns.length < 1 or (samples != OPEN and columns.stop > 1 + samples // HOP):
        raise AudioError(f"columns [{columns.start}, {columns.stop}) are not in a clip of {samples} samples")
    reach = _reach(columns)
    needed = Span(max(0, reach.start - 1), reach.stop if samples == OPEN else min(reach.stop, samples))
    held = Span(first_sample, first_sample + len(pcm) // BYTES_PER_SAMPLE)
    if held.start > needed.start or held.stop < needed.stop:
        raise AudioError(
            f"pcm: columns [{columns.start}, {columns.stop}) need samples [{needed.start}, {needed.stop}), "
            f"these are [{held.start}, {held.stop})",
            field="pcm",
        )
    signal = np.frombuffer(pcm, dtype="<i2")[: needed.stop - first_sample] / 32768.0
    return _log_mel(_emphasised(signal, first_sample, reach))


def _reach(columns: Span) -> Span:
    """Samples under the windows of the columns; beyond the clip at its ends."""
    return Span(columns.start * HOP - HALF, (columns.stop - 1) * HOP + HALF)


def _emphasised(signal: Floats, first_sample: int, reach: Span) -> Floats:
    """The pre-emphasised clip over `reach`, with zeros where there is no clip.

    The sample before the first is taken for 0: true at the start of a clip, else the first one lies before `reach`.
    """
    emphasised = signal.copy()
    emphasised[1:] -= PREEMPHASIS * signal[:-1]
    padded = np.zeros(reach.length)
    start, stop = max(reach.start, first_sample), min(reach.stop, first_sample + len(signal))
    padded[start - reach.start : stop - reach.start] = emphasised[start - first_sample : stop - first_sample]
    return padded


def _log_mel(padded: Floats) -> NDArray[np.float32]:
    frames = windows_of(padded, N_FFT)[::HOP]
    out = np.empty((len(frames), BANDS), np.float32)
    for first in range(0, len(frames), BLOCK_COLUMNS):
        out[first : first + BLOCK_COLUMNS] = _log_mel_of_frames(frames[first : first + BLOCK_COLUMNS])
    return out


def _log_mel_of_frames(frames: Floats) -> Floats:
    window, filterbank = _constants()
    parts = np.fft.rfft(frames * window).view(np.float64)
    # |z| from exactly rounded operations: the vector code behind np.abs may round its tail otherwise.
    np.multiply(parts, parts, out=parts)
    magnitudes = np.sqrt(parts[:, ::2] + parts[:, 1::2])
    bands = filterbank @ magnitudes.T
    decibels = 20 * np.log10(np.maximum(bands, FLOOR)) - 20
    scaled: Floats = 2 * CLIP * ((decibels + 100) / 100) - CLIP
    return np.clip(scaled, -CLIP, CLIP, out=scaled).T


class _Constants(NamedTuple):
    window: Floats
    filterbank: Any


@cache
def _constants() -> _Constants:
    """The window, and `librosa.filters.mel(sr=16000, n_fft=800, n_mels=80, fmin=55, fmax=7600)` as a sparse matrix."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    with as_file(files("workers.audio") / "mel_filterbank.npy") as path:
        return _Constants(window, csr_array(np.load(path).astype(np.float64)))
