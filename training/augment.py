"""Bends clean speech towards what a microphone or a call delivers: rooms, tone, level, noise, clipping, narrow band."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.signal import fftconvolve, resample_poly

from training.dataset import SAMPLE_RATE_HZ

Sound = NDArray[np.float32]
SPEEDS: Final = ((20, 23), (20, 22), (20, 21), (1, 1), (1, 1), (20, 19), (20, 18), (20, 17))
"""Resampling ratios: up, down. Pitch and formants move with speed."""

CLEAN_SHARE: Final = 0.35


def at_speed(
    sound: Sound, labels: NDArray[np.float32], random: np.random.Generator
) -> tuple[Sound, NDArray[np.float32]]:
    """Resample sound, shape (n_samples,), and stretch its labels, shape (n_labels, 16), alike."""
    up, down = SPEEDS[int(random.integers(len(SPEEDS)))]
    if up == down:
        return sound, labels
    length = int(len(labels) * up / down)
    rows = np.minimum(((np.arange(length) + 0.5) * down / up).astype(np.int64), len(labels) - 1)
    return resample_poly(sound, up, down).astype(np.float32), labels[rows]


def colour(length: int, random: np.random.Generator, depth_db: float) -> NDArray[np.float32]:
    """Return a smooth random gain for each rfft bin of ``length`` samples: tilt plus wide peaks, in amplitude."""
    position = np.linspace(0.0, 1.0, length // 2 + 1)
    knots = random.normal(0.0, depth_db, 7).cumsum() / 2
    gain_db = np.interp(position, np.linspace(0.0, 1.0, 7) ** 1.6, knots - knots.mean())
    return np.asarray(10 ** (np.clip(gain_db, -30, 30) / 20), dtype=np.float32)


def equalised(sound: Sound, random: np.random.Generator) -> Sound:
    """Change the tone, and now and then keep only a telephone's or a cheap microphone's band."""
    gain = colour(len(sound), random, 4.0)
    frequency_hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    if random.random() < 0.2:
        low_hz, high_hz = random.uniform(60, 350), random.uniform(3000, 7000)
        gain = gain / (1 + (low_hz / np.maximum(frequency_hz, 1)) ** 6) / (1 + (frequency_hz / high_hz) ** 16)
        gain = gain.astype(np.float32)
    return np.asarray(irfft(rfft(sound) * gain, len(sound)), dtype=np.float32)


def in_room(sound: Sound, random: np.random.Generator) -> Sound:
    """Add a synthetic room: exponentially decaying noise after the direct sound."""
    decay_s = random.uniform(0.06, 0.5)
    tail = np.arange(int(1.2 * decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    impulse = random.normal(size=len(tail)) * np.exp(-6.9 * tail / decay_s)
    impulse[: int(random.uniform(0.001, 0.012) * SAMPLE_RATE_HZ)] = 0.0
    impulse *= random.uniform(0.1, 0.7) / max(float(np.sqrt((impulse**2).sum())), 1e-6)
    impulse[0] = 1.0
    return np.asarray(fftconvolve(sound, impulse)[: len(sound)], dtype=np.float32)


def hiss(length: int, random: np.random.Generator) -> Sound:
    """Steady noise of a random colour."""
    white = random.standard_normal(length, dtype=np.float32)
    noise = irfft(rfft(white) * colour(length, random, 9.0), length)
    swell = np.interp(np.arange(length), np.linspace(0, length, 9), random.uniform(0.3, 1.0, 9))
    return np.asarray(noise * swell, dtype=np.float32)


def hum(length: int, random: np.random.Generator) -> Sound:
    """Mains or motor hum with harmonics."""
    time_s, base_hz = np.arange(length) / SAMPLE_RATE_HZ, random.choice([50, 60, 100, 120, random.uniform(40, 300)])
    waves = [random.uniform(0, 1) / k * np.sin(2 * np.pi * base_hz * k * time_s + k) for k in range(1, 9)]
    return np.asarray(np.sum(waves, axis=0), dtype=np.float32)


def music(length: int, random: np.random.Generator) -> Sound:
    """Notes and chords of a few harmonics with a struck or a swelling envelope."""
    out = np.zeros(length, dtype=np.float32)
    for _ in range(int(random.integers(2, 9))):
        size = min(length, int(random.uniform(0.15, 2.5) * SAMPLE_RATE_HZ))
        start, time_s = int(random.integers(0, length - size + 1)), np.arange(size) / SAMPLE_RATE_HZ
        envelope = np.minimum(1, time_s * random.uniform(4, 200)) * np.exp(-time_s * random.uniform(0.2, 8))
        root_hz, timbre = random.uniform(80, 900), random.uniform(0.5, 2.5)
        for step in random.choice([0, 3, 4, 7, 12], int(random.integers(1, 4)), replace=False):
            for harmonic in range(1, int(random.integers(2, 7))):
                tone = np.sin(2 * np.pi * root_hz * 2 ** (step / 12) * harmonic * time_s + random.uniform(0, 6))
                out[start : start + size] += (envelope * tone / harmonic**timbre).astype(np.float32)
    return out


def knocks(length: int, random: np.random.Generator) -> Sound:
    """Knocks, keys, clicks: short decaying bursts, some of them ringing."""
    out = np.zeros(length, dtype=np.float32)
    for _ in range(int(random.integers(2, 16))):
        size = min(length, int(random.uniform(0.004, 0.15) * SAMPLE_RATE_HZ))
        start, time_s = int(random.integers(0, length - size + 1)), np.arange(size) / SAMPLE_RATE_HZ
        burst = random.normal(size=size) + 2 * np.sin(2 * np.pi * random.uniform(100, 5000) * time_s)
        decay = np.exp(-time_s * random.uniform(30, 600))
        out[start : start + size] += (random.uniform(0.2, 1) * decay * burst).astype(np.float32)
    return out


def breath(length: int, random: np.random.Generator) -> Sound:
    """Sighs and puffs: broad noise with a slow envelope."""
    out = np.zeros(length, dtype=np.float32)
    for _ in range(int(random.integers(1, 5))):
        size = min(length, int(random.uniform(0.2, 1.0) * SAMPLE_RATE_HZ))
        start = int(random.integers(0, length - size + 1))
        out[start : start + size] += hiss(size, random) * np.hanning(size).astype(np.float32)
    return out


NOISES: Final = (hiss, hiss, hiss, hum, music, knocks, breath)


def noise(length: int, random: np.random.Generator) -> Sound:
    """Return one or two kinds of non-speech sound with a peak of 1."""
    out = sum(NOISES[int(random.integers(len(NOISES)))](length, random) for _ in range(int(random.integers(1, 3))))
    sound = np.asarray(out, dtype=np.float32)
    return sound / max(float(np.abs(sound).max()), 1e-6)


def loudness(sound: Sound) -> float:
    """Return the root mean square of the parts that are not silent."""
    loud = np.abs(sound) > 0.05 * max(float(np.abs(sound).max()), 1e-6)
    return float(np.sqrt((sound[loud] ** 2).mean())) if loud.any() else 1e-6


def spoiled(speech: Sound, random: np.random.Generator) -> Sound:
    """Return speech, shape (n_samples,), as a random room, microphone and line would deliver it."""
    sound, clean = speech, random.random() < CLEAN_SHARE
    if not clean and random.random() < 0.45:
        sound = in_room(sound, random)
    if not clean and random.random() < 0.9:
        sound = equalised(sound, random)
    sound = sound * np.float32(0.11 / max(loudness(sound), 1e-4))
    if not clean and random.random() < 0.8:
        other = noise(len(sound), random)
        below_db = random.uniform(5, 45)
        sound = sound + other * np.float32(0.11 / max(loudness(other), 1e-4) * 10 ** (-below_db / 20))
    sound = sound * np.float32(10 ** (np.clip(random.normal(-2, 8), -30, 10) / 20))
    if not clean and random.random() < 0.1:
        ceiling = np.abs(sound).max() * random.uniform(0.2, 0.8)
        sound = np.clip(sound, -ceiling, ceiling)
    floor = 10 ** random.uniform(-5.5, -2.8)
    return np.clip(sound + floor * random.normal(size=len(sound)), -1, 1).astype(np.float32)
