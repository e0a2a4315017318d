"""Trains the sound network on labelled synthetic speech, see `training.speech_items`."""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from training.checkpoint import Average, load, save
from training.dataset import VISEMES
from training.pace import Pace
from training.rig import viseme_table
from training.sound_model import SoundEncoder
from training.speech_items import Items

STEPS_A_REPORT = 50


def mouth_loss(logits: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """Return cross entropy plus the L1 error of the mouth rig; moments of closed lips count more."""
    target = labels.transpose(1, 2)
    log_weights = functional.log_softmax(logits[:, :, 0], dim=1)
    closure = 1.0 + 3.0 * target[:, VISEMES.index("PP")] + target[:, VISEMES.index("FF")]
    entropy = -(target * log_weights).sum(dim=1)
    rig_error = ((log_weights.exp() - target).transpose(1, 2) @ table).abs().mean(dim=2)
    return ((entropy + 3.0 * rig_error) * closure).mean()


def train(data: Path, work: Path, minutes: float, batch_size: int, peak_rate: float) -> None:
    """Train for some minutes, or for what is left of them where a checkpoint exists."""
    table = viseme_table(data)
    scaled = torch.from_numpy(table / (table.std(axis=0) + 1e-6))
    torch.manual_seed(1)
    model = SoundEncoder()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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
    parser.add_argument("--minutes", type=float, default=30.0, help="processor time of the training thread")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--peak-rate", type=float, default=2e-3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.data, options.work, options.minutes, options.batch_size, options.peak_rate)


if __name__ == "__main__":
    main()
