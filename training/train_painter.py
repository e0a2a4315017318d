"""Trains the painter on true pictures and their true viseme tracks."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.checkpoint import Average, load, save
from training.pace import Pace
from training.painter_model import MOUTH_BOX_PX, Painter
from training.rig import viseme_table

TEXTURE_PX = 8
STEPS_A_REPORT = 100


@dataclass(frozen=True, slots=True)
class Pictures:
    """The prepared pictures; see `training.pictures`."""

    regions: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    codes: NDArray[np.float32]
    template_frames: NDArray[np.int64]
    held_out: NDArray[np.bool_]

    @classmethod
    def load(cls, work: Path) -> "Pictures":
        """Map the files of a work folder."""
        return cls(
            np.load(work / "regions.npy"),
            np.load(work / "targets.npy", mmap_mode="r"),
            np.load(work / "codes.npy"),
            np.load(work / "template_frames.npy"),
            np.load(work / "held_out.npy"),
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
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().mul_(1 / 255)


def picture_loss(painted: Tensor, target: Tensor) -> Tensor:
    """Return the error of a picture: of its pixels, of its edges, and in the mouth box of the amount of texture."""
    left, top, right, bottom = MOUTH_BOX_PX
    error = painted - target
    rows, columns = error[..., ::2, :], error[..., ::2]  # every other line tells enough outside the mouth
    edges = (rows[..., 1:] - rows[..., :-1]).abs().mean() + (columns[..., 1:, :] - columns[..., :-1, :]).abs().mean()
    lips, true_lips = painted[:, :, top:bottom, left:right], target[:, :, top:bottom, left:right]
    mouth = (lips - true_lips).abs().mean()
    for axis in (2, 3):
        steps, true_steps = lips.diff(dim=axis), true_lips.diff(dim=axis)
        texture = functional.avg_pool2d(steps.abs() - true_steps.abs(), TEXTURE_PX)
        mouth = mouth + (steps - true_steps).abs().mean() + texture.abs().mean()
    return 2.5 * error.abs().mean() + 1.25 * edges + 1.2 * mouth


def train(data: Path, work: Path, minutes: float, batch_size: int, peak_rate: float) -> None:
    """Train for some minutes, or for what is left of them where a checkpoint exists."""
    pictures = Pictures.load(work)
    torch.manual_seed(1)
    model = Painter(viseme_table(data))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=peak_rate, weight_decay=1e-3)
    average = Average(model, 0.995)
    pace, step = Pace(minutes, peak_rate), 0
    if (before := load(work / "painter.pt")) is not None:
        model.load_state_dict(before["model"])
        optimizer.load_state_dict(before["optimizer"])
        average.weights = before["average"]
        pace.spent_s, step = before["spent_s"], before["step"]
    rows, random = pictures.speaking(held_out=False), np.random.default_rng(step)
    movement = np.linalg.norm((pictures.codes[rows] - np.eye(16, dtype=np.float32)[0]) @ viseme_table(data), axis=1)
    chance = 0.5 + movement / movement.mean()
    losses: list[float] = []
    while pace.share() < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = pace.rate()
        chosen = random.choice(rows, batch_size, replace=False, p=chance / chance.sum())
        images, codes, targets = pictures.batch(chosen)
        loss = picture_loss(model(images, codes), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(model)
        losses.append(loss.item())
        step += 1
        if step % STEPS_A_REPORT == 0:
            print(f"step {step} {pace.elapsed_s() / 60:.1f} min loss {np.mean(losses):.5f}", flush=True)
            losses.clear()
            keep(work, model, optimizer, average, pace, step)
    keep(work, model, optimizer, average, pace, step)


def keep(work: Path, model: Painter, optimizer: torch.optim.Optimizer, average: Average, pace: Pace, step: int) -> None:
    """Write the checkpoint."""
    content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "average": average.weights}
    save(work / "painter.pt", {**content, "spent_s": pace.elapsed_s(), "step": step})


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Train the painter.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the stages make")
    parser.add_argument("--minutes", type=float, default=50.0, help="wall-clock training time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--peak-rate", type=float, default=2e-3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.data, options.work, options.minutes, options.batch_size, options.peak_rate)


if __name__ == "__main__":
    main()
