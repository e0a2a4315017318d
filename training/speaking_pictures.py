"""The prepared pictures, as the painter's training reads them; see `training.pictures`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Pictures:
    """Template regions and, one row a picture, what the painter shall make of them, with labels."""

    regions: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    codes: NDArray[np.float32]
    template_frames: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    openness: NDArray[np.float32]

    @classmethod
    def load(cls, work: Path) -> "Pictures":
        """Map the files of a work folder."""
        return cls(
            np.load(work / "regions.npy"),
            np.load(work / "targets.npy", mmap_mode="r"),
            np.load(work / "codes.npy"),
            np.load(work / "template_frames.npy"),
            np.load(work / "held_out.npy"),
            np.load(work / "openness.npy"),
        )

    def speaking(self, held_out: bool) -> NDArray[np.int64]:
        """Return the rows in which the mouth is not simply at rest."""
        return np.flatnonzero((self.held_out == held_out) & (self.codes[:, 0] < 0.99))

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, codes and targets of some rows, pictures as (B, 3, H, W) in 0..1."""
        images = planes(self.regions[self.template_frames[rows]])
        targets = planes(self.targets[rows])
        return images, torch.from_numpy(self.codes[rows])[:, None, :], targets


def planes(pictures: NDArray[np.uint8]) -> Tensor:
    """Turn (B, H, W, 3) bytes into (B, 3, H, W) floats in 0..1."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float().mul_(1 / 255)
