"""What the painter is built of: pictures sampled along a flow, and layers that the mouth code steers."""

from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

FLOW_CELL_PX: Final = 4
"""Motion is told for cells of so many pixels."""
LIGHT_CELL_PX: Final = 8
"""Light is told for cells of so many pixels."""
FLOW_PX: Final = 8.0
"""The unit of flows."""


def fine_detail() -> Tensor:
    """Return the 3x3 filter that leaves what a binomial blur takes away."""
    binomial = torch.tensor([1.0, 2.0, 1.0]) / 4
    identity = torch.tensor([0.0, 1.0, 0.0])
    return identity[:, None] * identity - binomial[:, None] * binomial


def enlarged(cells: Tensor, cell_px: int) -> Tensor:
    """Bring cells to full resolution, bilinearly."""
    return functional.interpolate(cells, scale_factor=float(cell_px), mode="bilinear", align_corners=False)


def sampled(source: Tensor, flow: Tensor, still: Tensor) -> Tensor:
    """Look into a source, (B, C, H, W), along a flow, (B, 2, h, w) cells in ``FLOW_PX``, from a still grid."""
    unit = FLOW_PX * torch.tensor([2 / source.shape[3], 2 / source.shape[2]]).reshape(1, 2, 1, 1)
    grid = (enlarged(flow * unit, FLOW_CELL_PX) + still).permute(0, 2, 3, 1)
    return functional.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


class Bend(nn.Module):
    """A 3x3 convolution whose output is scaled and shifted per channel by the mouth code."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.code = nn.Conv2d(code, 2 * channels, 1)

    def forward(self, features: Tensor, code: Tensor) -> Tensor:
        """Map (B, C, H, W) features and a (B, D, 1, 1) code to (B, C, H, W)."""
        scale, shift = self.code(code).chunk(2, dim=1)
        bent: Tensor = functional.relu(self.conv(features) * (1 + scale) + shift)
        return features + bent


class Blend(nn.Module):
    """A picture, a flow or light, mixed from learnt ones by the mouth code."""

    def __init__(self, channels: int, size: tuple[int, int], count: int, code: int) -> None:
        super().__init__()
        self.shape = (-1, channels, *size)
        self.weights = nn.Conv2d(code, count, 1)
        self.parts = nn.Conv2d(count, channels * size[0] * size[1], 1)
        nn.init.normal_(self.weights.weight, std=0.05)
        nn.init.normal_(self.parts.weight, std=0.02)
        nn.init.zeros_(cast(Tensor, self.parts.bias))

    def forward(self, code: Tensor) -> Tensor:
        """Map a (B, D, 1, 1) code to (B, channels, height, width)."""
        mixed: Tensor = self.parts(self.weights(code)).reshape(self.shape)
        return mixed
