"""Trains the sound network on labelled synthetic speech, bent by `training.augment`."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

from training import augment
from training.checkpoint import Average, load, save
from training.dataset import SAMPLE_RATE_HZ, VISEMES
from training.pace import Pace
from training.rig import viseme_table
from training.sound_model import FUTURE_COLUMNS, SoundEncoder
from training.speech_corpus import LABEL_RATE_HZ
from training.windows import COLUMNS_A_SECOND, padded
from workers.audio.mel import mel_spectrogram

ITEM_S = 6
NOISE_SHARE = 0.14
FRAME_MIDDLE_S = 0.020 + 0.4 / COLUMNS_A_SECOND
"""Middle of a frame after its first column begins; the column grid is early by 0.4 columns on average."""
STEPS_A_REPORT = 50


@dataclass(frozen=True, slots=True)
class Corpus:
    """The labelled speech; see `training.speech_corpus`."""

    audio: NDArray[np.int16]
    labels: NDArray[np.float16]
    index: NDArray[np.int64]

    @classmethod
    def load(cls, work: Path) -> "Corpus":
        """Map the files of a work folder."""
        audio = np.load(work / "speech_audio.npy", mmap_mode="r")
        return cls(audio, np.load(work / "speech_labels.npy", mmap_mode="r"), np.load(work / "speech_index.npy"))

    def utterance(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return one sound, (n_samples,), and its viseme weights at `LABEL_RATE_HZ`, (n_labels, 16)."""
        first, length, first_label, n_labels = self.index[number]
        sound = np.asarray(self.audio[first : first + length], dtype=np.float32) / np.float32(32768)
        return sound, self.labels[first_label : first_label + n_labels].astype(np.float32)


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
            speech, weights = augment.at_speed(*corpus.utterance(int(random.integers(len(corpus.index)))), random)
            start = row * SAMPLE_RATE_HZ // LABEL_RATE_HZ
            level = np.float32(10 ** (random.normal(0, 2) / 20))
            sound[start : start + len(speech)] += level * speech[: len(sound) - start]
            labels[row : row + len(weights)] = weights[: len(labels) - row]
            pause_s = random.exponential(0.35) if random.random() < 0.75 else random.uniform(0.8, 2.5)
            row += len(weights) + int(pause_s * LABEL_RATE_HZ)
        sound = augment.spoiled(sound, random)
    mel = mel_spectrogram(sound)
    columns = ITEM_S * COLUMNS_A_SECOND - FUTURE_COLUMNS
    position = (np.arange(columns) / COLUMNS_A_SECOND + FRAME_MIDDLE_S) * LABEL_RATE_HZ - 0.5
    before = np.clip(position.astype(np.int64), 0, len(labels) - 2)
    share = (position - before)[:, None].astype(np.float32)
    at_columns = labels[before] * (1 - share) + labels[before + 1] * share
    return padded(mel, columns)[None, :, : columns + 47], at_columns


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


def mouth_loss(logits: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """Return cross entropy plus the L1 error of the mouth rig; moments of closed lips count more."""
    target = labels.transpose(1, 2)
    log_weights = functional.log_softmax(logits[:, :, 0], dim=1)
    closure = 1.0 + 2.0 * target[:, VISEMES.index("PP")] + target[:, VISEMES.index("FF")]
    entropy = -(target * log_weights).sum(dim=1)
    rig_error = ((log_weights.exp() - target).transpose(1, 2) @ table).abs().mean(dim=2)
    return ((entropy + 2.0 * rig_error) * closure).mean()


def train(data: Path, work: Path, minutes: float, batch_size: int, peak_rate: float) -> None:
    """Train for some minutes, or for what is left of them where a checkpoint exists."""
    table = viseme_table(data)
    scaled = torch.from_numpy(table / (table.std(axis=0) + 1e-6))
    torch.manual_seed(1)
    model = SoundEncoder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak_rate, weight_decay=1e-2)
    average, pace, step = Average(model, 0.995), Pace(minutes, peak_rate), 0
    if (before := load(work / "sound.pt")) is not None:
        model.load_state_dict(before["model"])
        optimizer.load_state_dict(before["optimizer"])
        average.weights = before["average"]
        pace.spent_s, step = before["spent_s"], before["step"]
    losses: list[float] = []
    for mel, labels in DataLoader(Items(work, seed=step), batch_size=batch_size, num_workers=1, prefetch_factor=4):
        for group in optimizer.param_groups:
            group["lr"] = pace.rate()
        loss = mouth_loss(model.logits(mel), labels, scaled)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model)
        losses.append(loss.item())
        step += 1
        done = pace.share() >= 1.0
        if done or step % STEPS_A_REPORT == 0:
            print(f"step {step} {pace.elapsed_s() / 60:.1f} min loss {np.mean(losses):.4f}", flush=True)
            losses.clear()
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "average": average.weights}
            save(work / "sound.pt", {**state, "spent_s": pace.elapsed_s(), "step": step})
        if done:
            break


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Train the sound network.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the stages make")
    parser.add_argument("--minutes", type=float, default=30.0, help="wall-clock training time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--peak-rate", type=float, default=2e-3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.data, options.work, options.minutes, options.batch_size, options.peak_rate)


if __name__ == "__main__":
    main()
