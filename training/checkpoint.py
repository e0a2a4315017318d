"""Checkpoints: what a training stage needs to go on, and the averaged weights that are shipped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of a network's weights and buffers."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: nn.Module) -> None:
        """Take one step towards the model's weights."""
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value.detach(), 1 - self.decay)
            else:
                self.weights[name].copy_(value)


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint so that a reader never sees half of it."""
    temporary = path.with_suffix(".tmp")
    torch.save(dict(content), temporary)
    temporary.rename(path)


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, or return None where there is none yet."""
    if not path.exists():
        return None
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def averaged(path: Path) -> dict[str, Tensor]:
    """Return the averaged weights of a checkpoint."""
    content = load(path)
    if content is None:
        raise FileNotFoundError(path)
    weights: dict[str, Tensor] = content["average"]
    return weights
