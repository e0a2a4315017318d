"""Measures the sound network by voice on labelled speech, without pictures: voices kept for this, and trained ones.

The voices of `training.speakers.CHECK_VOICES` that are in no training data are there to choose by, so
that nothing is chosen by the held-out voices of the pictures.
"""

import argparse
import json
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from training.checkpoint import averaged
from training.dataset import VISEMES, clips
from training.sound_model import FUTURE_COLUMNS, SoundEncoder
from training.speech_items import Corpus, labels_at_columns
from training.windows import COLUMNS_A_SECOND, padded
from workers.audio.mel import mel_spectrogram

CLOSED_PX: Final = 2.0
CLOSURE_WEIGHT: Final = 0.6
"""Labels with more PP than this, and an opening under `SHUT_PX`, have their lips closed."""
SHUT_PX: Final = 1.0


class Heard(NamedTuple):
    """Opening of the lips in px of the 328 px face at every column: as labelled, as heard, and where p, b, m close."""

    truth: NDArray[np.float32]
    opening: NDArray[np.float32]
    closed: NDArray[np.bool_]


def openings(data: Path) -> NDArray[np.float32]:
    """Return how far each viseme opens the lips, shape (16,), in px: a linear fit to the clips with pictures."""
    known = [clip for clip in clips(data) if not clip.held_out]
    codes, opening = (np.concatenate(rows) for rows in zip(*((c.visemes(), c.openness()) for c in known), strict=True))
    return np.asarray(np.linalg.lstsq(codes, opening, rcond=None)[0], dtype=np.float32)


def hear(model: SoundEncoder, corpus: Corpus, number: int, viseme_px: NDArray[np.float32]) -> Heard:
    """Run one utterance through the network."""
    sound, labels = corpus.utterance(number)
    columns = max(8, len(labels) * COLUMNS_A_SECOND // 100 - 2)
    mel = padded(mel_spectrogram(sound), columns)[:, : columns + 32 + FUTURE_COLUMNS - 1]
    with torch.no_grad():
        heard = model.visemes(torch.from_numpy(mel[None, None]))[0, :, 0].numpy().T
    truth = labels_at_columns(labels, columns)
    opening = truth @ viseme_px
    closed = (truth[:, VISEMES.index("PP")] > CLOSURE_WEIGHT) & (opening < SHUT_PX)
    return Heard(opening, heard @ viseme_px, closed)


def check(data: Path, work: Path, checkpoint: Path) -> None:
    """Print r, the mean error in px, the range of the opening and the share of closed bilabials of each voice."""
    model = SoundEncoder()
    model.load_state_dict(averaged(checkpoint))
    model.eval()
    corpus, viseme_px = Corpus.load(work, "check"), openings(data)
    voices = json.loads((work / "check_voices.json").read_text())
    by_voice: dict[str, list[Heard]] = {}
    for number, voice in enumerate(voices):
        by_voice.setdefault(voice, []).append(hear(model, corpus, number, viseme_px))
    rows = []
    for voice, heard in sorted(by_voice.items()):
        truth, opening, closed = (np.concatenate(parts) for parts in zip(*heard, strict=True))
        rows.append((
            float(np.corrcoef(truth, opening)[0, 1]), float(np.abs(truth - opening).mean()),
            float(opening.std() / truth.std()), float((opening[closed] < CLOSED_PX).mean()),
        ))  # fmt: skip
        print(f"{voice:24} r {rows[-1][0]:.3f} error {rows[-1][1]:.2f} px range {rows[-1][2]:.2f} ", end="")
        print(f"closed {rows[-1][3]:.2f} of {closed.sum()}", flush=True)
    print("mean r {:.4f} error {:.3f} px range {:.2f} closed {:.3f}".format(*np.mean(rows, axis=0)))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Measure the sound network by voice.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder with the corpus")
    parser.add_argument("--checkpoint", type=Path, help="another sound.pt than the folder's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    check(options.data, options.work, options.checkpoint or options.work / "sound.pt")


if __name__ == "__main__":
    main()
