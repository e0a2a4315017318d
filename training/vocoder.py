"""Gives speech another throat: a linear-prediction vocoder that keeps what is said, and when, and changes who says it.

Each frame is an envelope (what the mouth does) and an excitation (what the throat does). The envelope is stretched
along frequency, as by a shorter or longer throat; the excitation is kept, or becomes pulses at a pitch of its own, as
in synthesisers of the LPC kind, or noise, as in a whisper.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from training.dataset import SAMPLE_RATE_HZ

FRAME: Final = 512
HOP: Final = 256
WINDOW: Final = np.sqrt(np.hanning(FRAME + 1)[:-1]).astype(np.float32)
PITCH_LAGS: Final = slice(SAMPLE_RATE_HZ // 400, SAMPLE_RATE_HZ // 65)

Sound = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


def spectra(sound: Sound) -> Spectrum:
    """Return the windowed spectra, shape (frames, FRAME / 2 + 1), of a sound padded by a frame at both ends."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, FRAME), FRAME)[::HOP]
    return np.asarray(fft.rfft(frames * WINDOW, axis=1))


def overlapped(frames: Spectrum, length: int) -> Sound:
    """Undo `spectra` (weighted overlap-add)."""
    pieces = fft.irfft(frames, FRAME, axis=1) * WINDOW * (2 * HOP / FRAME)
    out = np.zeros((len(frames) + FRAME // HOP, HOP), dtype=np.float32)
    for part in range(FRAME // HOP):
        out[part : part + len(frames)] += pieces[:, part * HOP : (part + 1) * HOP]
    return out.ravel()[FRAME : FRAME + length]


def predictors(correlation: Sound, order: int) -> tuple[Sound, Sound]:
    """Return the prediction filters, (frames, order + 1), and the residual energies by Levinson's recursion."""
    filters = np.zeros((len(correlation), order + 1), dtype=np.float32)
    filters[:, 0], energy = 1.0, correlation[:, 0].copy()
    for k in range(1, order + 1):
        reflection = -(filters[:, :k] * correlation[:, k:0:-1]).sum(axis=1) / energy
        filters[:, 1 : k + 1] += reflection[:, None] * filters[:, k - 1 :: -1][:, :k]
        energy = energy * np.maximum(1 - reflection**2, 1e-4)
    return filters, energy


def pulses(length: int, random: np.random.Generator) -> Sound:
    """Return pulses of unit power density at a random, wandering pitch."""
    base_hz, lively = np.exp(random.uniform(np.log(70), np.log(320))), random.choice([0.0, 0.08, 0.2])
    knots = lively * random.normal(size=2 + length // 4000)
    pitch_hz = base_hz * np.exp(np.interp(np.arange(length), np.linspace(0, length, len(knots)), knots))
    cycles = np.floor(np.cumsum(pitch_hz / SAMPLE_RATE_HZ))
    return np.asarray(np.diff(cycles, prepend=0.0) * np.sqrt(SAMPLE_RATE_HZ / pitch_hz), dtype=np.float32)


def revoiced(sound: Sound, random: np.random.Generator) -> Sound:
    """Return the sound, shape (n_samples,), from another throat."""
    frames = spectra(sound)
    correlation = np.asarray(fft.irfft(np.abs(frames) ** 2, FRAME, axis=1))
    correlation[:, 0] = correlation[:, 0] * np.float32(1 + 1e-4) + np.float32(1e-7)
    filters, energy = predictors(correlation, int(random.integers(14, 23)))
    envelope = np.sqrt(energy)[:, None] / np.abs(fft.rfft(filters, FRAME, axis=1))
    stretch = np.exp(random.normal(0.0, 0.1))
    bins = np.minimum((np.arange(FRAME // 2 + 1) * stretch).astype(int), FRAME // 2)
    kind = random.random()
    if kind < 0.4:
        excitation = frames / envelope
    else:
        noise = spectra(random.standard_normal(len(sound), dtype=np.float32))
        periodic = correlation[:, PITCH_LAGS].max(axis=1) / correlation[:, 0]
        voiced = np.clip((periodic - 0.25) / 0.2, 0.0, random.uniform(0.8, 1.0) if kind < 0.9 else 0.0)[:, None]
        excitation = np.sqrt(voiced) * spectra(pulses(len(sound), random)) + np.sqrt(1 - voiced) * noise
        excitation /= np.float32(np.sqrt(FRAME / 2))
    return overlapped(excitation * envelope[:, bins], len(sound))
