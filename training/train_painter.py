"""Trains the painter on true pictures and their true viseme tracks."""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from training.checkpoint import Average, load, save
from training.pace import Pace
from training.painter_model import Layers, Painter
from training.painter_parts import FLOW_PX
from training.painter_start import start
from training.picture_loss import picture_loss
from training.rig import viseme_table
from training.speaking_pictures import Pictures

STEPS_A_REPORT: Final = 100
MOTION_FIRST_SHARE: Final = 0.1
"""Share of the time in which paint is dear, so that what moves is learnt as motion."""


def layer_cost(layers: Layers, share: float) -> Tensor:
    """Return the price of ways to paint: of uneven motion, half parted lips, and paint, which is dear at first."""
    early = max(0.0, 1 - share / MOTION_FIRST_SHARE)
    flow, parted = FLOW_PX * layers.flow, layers.parted
    uneven = flow.diff(n=2, dim=2).abs().mean() + flow.diff(n=2, dim=3).abs().mean()
    undecided = (parted * (1 - parted)).mean()
    return (0.1 + early) * layers.paint.abs().mean() + 0.01 * uneven + 0.02 * undecided


def train(data: Path, work: Path, minutes: float, batch_size: int, peak_rate: float) -> None:
    """Train for some minutes, or for what is left of them where a checkpoint exists."""
    pictures, table = Pictures.load(work), viseme_table(data)
    torch.manual_seed(1)
    model = Painter(table)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=peak_rate, weight_decay=1e-3)
    before = load(work / "painter.pt")
    if before is None:
        start(model, pictures, table)
    else:
        model.load_state_dict(before["model"])
        optimizer.load_state_dict(before["optimizer"])
    average = Average(model, 0.995)
    pace, step = Pace(minutes, peak_rate), 0
    if before is not None:
        average.weights, pace.spent_s, step = before["average"], before["spent_s"], before["step"]
    rows, random = pictures.speaking(held_out=False), np.random.default_rng(step)
    movement = np.linalg.norm((pictures.codes[rows] - np.eye(16, dtype=np.float32)[0]) @ table, axis=1)
    chance = 0.5 + movement / movement.mean()
    losses: list[float] = []
    while pace.share() < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = pace.rate()
        chosen = random.choice(rows, batch_size, replace=False, p=chance / chance.sum())
        images, codes, targets = pictures.batch(chosen)
        layers = model.layers(images, codes)
        loss = picture_loss(layers.painted, targets) + layer_cost(layers, pace.share())
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
    parser.add_argument("--minutes", type=float, default=50.0, help="training time, in minutes of processor time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--peak-rate", type=float, default=2e-3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.data, options.work, options.minutes, options.batch_size, options.peak_rate)


if __name__ == "__main__":
    main()
