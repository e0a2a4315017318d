"""Labelled speech for the sound network: the corpus as made, and endless 6 s items of it in other throats and rooms."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from training import augment
from training.dataset import SAMPLE_RATE_HZ, VISEMES
from training.sound_model import FUTURE_COLUMNS
from training.speech_corpus import LABEL_RATE_HZ
from training.vocoder import revoiced
from training.windows import COLUMNS_A_SECOND, padded
from workers.audio.mel import mel_spectrogram

ITEM_S = 6
NOISE_SHARE = 0.14
REVOICED_SHARE = 0.35
FRAME_MIDDLE_S = 0.020 + 0.4 / COLUMNS_A_SECOND
"""Middle of a frame after its first column begins; the column grid is early by 0.4 columns on average."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The labelled speech; see `training.speech_corpus`."""

    audio: NDArray[np.int16]
    labels: NDArray[np.float16]
    index: NDArray[np.int64]

    @classmethod
    def load(cls, work: Path, name: str = "speech") -> "Corpus":
        """Map the files of a work folder."""
        audio = np.load(work / f"{name}_audio.npy", mmap_mode="r")
        labels = np.load(work / f"{name}_labels.npy", mmap_mode="r")
        return cls(audio, labels, np.load(work / f"{name}_index.npy"))

    def utterance(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return one sound, (n_samples,), and its viseme weights at `LABEL_RATE_HZ`, (n_labels, 16)."""
        first, length, first_label, n_labels = self.index[number]
        sound = np.asarray(self.audio[first : first + length], dtype=np.float32) / np.float32(32768)
        return sound, self.labels[first_label : first_label + n_labels].astype(np.float32)


def labels_at_columns(labels: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Return the viseme weights, (columns, 16), of a frame that starts at each mel column."""
    position = (np.arange(columns) / COLUMNS_A_SECOND + FRAME_MIDDLE_S) * LABEL_RATE_HZ - 0.5
    before = np.clip(position.astype(np.int64), 0, len(labels) - 2)
    share = (position - before).clip(0, 1)[:, None].astype(np.float32)
    return labels[before] * (1 - share) + labels[before + 1] * share


def item(corpus: Corpus, random: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a mel, (1, 80, columns), and viseme weights of every column at which a frame may start, (columns, 16)."""
    labels = np.zeros((ITEM_S * LABEL_RATE_HZ, len(VISEMES)), dtype=np.float32)
    labels[:, 0] = 1.0
    sound: NDArray[np.float32] = np.zeros(ITEM_S * SAMPLE_RATE_HZ, dtype=np.float32)
    if random.random() < NOISE_SHARE:
        sound = augment.noise(len(sound), random) * np.float32(10 ** random.uniform(-2.7, -0.1))
        sound = (sound + 1e-4 * random.normal(size=len(sound))).astype(np.float32)
    else:
        row = int(random.exponential(0.3) * LABEL_RATE_HZ)
        while row < len(labels):
            speech, weights = corpus.utterance(int(random.integers(len(corpus.index))))
            if random.random() < REVOICED_SHARE:
                speech = revoiced(speech, random)
            speech, weights = augment.at_speed(speech, weights, random)
            start = row * SAMPLE_RATE_HZ // LABEL_RATE_HZ
            level = np.float32(10 ** (random.normal(0, 2) / 20))
            sound[start : start + len(speech)] += level * speech[: len(sound) - start]
            labels[row : row + len(weights)] = weights[: len(labels) - row]
            pause_s = random.exponential(0.35) if random.random() < 0.75 else random.uniform(0.8, 2.5)
            row += len(weights) + int(pause_s * LABEL_RATE_HZ)
        sound = augment.spoiled(sound, random)
    mel = mel_spectrogram(sound)
    columns = ITEM_S * COLUMNS_A_SECOND - FUTURE_COLUMNS
    return padded(mel, columns)[None, :, : columns + 47], labels_at_columns(labels, columns)


class Items(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless row of bent speech items."""

    def __init__(self, work: Path, seed: int) -> None:
        self.work, self.seed = work, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        torch.set_num_threads(1)
        corpus, random = Corpus.load(self.work), np.random.default_rng(self.seed)
        while True:
            mel, labels = item(corpus, random)
            yield torch.from_numpy(mel), torch.from_numpy(labels)
