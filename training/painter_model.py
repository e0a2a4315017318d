"""The painter: a template region and a mouth code in, the region with that mouth out.

The pose is read from the picture and joins the mouth code. A trunk at 1/8 resolution bends learnt position maps by
that code; transposed convolutions as large as their stride bring its features up; the whole region is painted from
1/4 resolution, and the mouth box once more from 1/2. Painted are three colours and how much of the template they
hide: where nothing is hidden, the colours are a shade over the template's own pixels; where all is, they are a new
picture. Channel counts are multiples of 16, the block width of ONNX Runtime's convolutions.
"""

from collections.abc import Sequence
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.dataset import REGION_HEIGHT_PX, REGION_WIDTH_PX

MOUTH_BOX_PX: Final = (80, 44, 240, 172)
"""Left, top, right, bottom of the finely painted box, in region pixels (multiples of 4)."""
BORDER_PX: Final = 12
REST_DISTANCE: Final = 0.12
"""Rig distance from rest over which the paint fades in, so that silence shows the template itself."""


def border_window() -> Tensor:
    """Return the smooth weight of the paint, (1, 1, height, width): 0 at the border, 1 inside."""
    axes = []
    for size in (REGION_HEIGHT_PX, REGION_WIDTH_PX):
        edge = torch.minimum(torch.arange(size), torch.arange(size).flip(0)).float() / BORDER_PX
        ramp = edge.clamp(max=1.0)
        axes.append(ramp * ramp * (3 - 2 * ramp))
    return (axes[0][:, None] * axes[1][None, :])[None, None]


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


class Painter(nn.Module):
    """Paint speech on a template region.

    Parameters
    ----------
    table : ndarray of float32, shape (16, 12)
        Rig weights of each viseme; the first row is rest.
    trunk_blocks : int
        Bend blocks at 1/8 resolution.
    code : int
        Channels of the mouth code, pose included.
    """

    def __init__(self, table: NDArray[np.float32], trunk_blocks: int = 2, code: int = 96) -> None:
        super().__init__()
        height, width = REGION_HEIGHT_PX, REGION_WIDTH_PX
        rig = table - table[:1]
        self.rig = nn.Conv2d(16, 12, 1, bias=False)
        self.rig.weight = nn.Parameter(torch.from_numpy(rig.T.copy())[:, :, None, None], requires_grad=False)
        self.unit = nn.Buffer(torch.from_numpy(1 / (rig.std(axis=0) + 1e-6)).float()[None, :, None, None])
        self.encode = nn.Sequential(nn.Conv2d(12, code, 1), nn.ReLU(), nn.Conv2d(code, code, 1))
        self.pose = nn.Conv2d(64, code, 1)
        self.stem4 = nn.Conv2d(3, 32, 4, stride=4)
        self.down8 = nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.place8 = nn.Parameter(0.5 * torch.randn(1, 64, height // 8, width // 8))
        self.place4 = nn.Parameter(0.3 * torch.randn(1, 32, height // 4, width // 4))
        self.trunk = nn.ModuleList(Bend(64, code) for _ in range(trunk_blocks))
        self.up4 = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.bend4 = Bend(32, code)
        self.whole = nn.ConvTranspose2d(32, 4, 4, stride=4)
        left, top, right, bottom = MOUTH_BOX_PX
        self.box4 = (slice(None), slice(None), slice(top // 4, bottom // 4), slice(left // 4, right // 4))
        self.box_pad = (left, width - right, top, height - bottom)
        self.mouth4 = nn.Conv2d(32, 48, 1)
        self.bend_mouth4 = nn.ModuleList([Bend(48, code), Bend(48, code)])
        self.up2 = nn.ConvTranspose2d(48, 16, 2, stride=2)
        self.place2 = nn.Parameter(0.3 * torch.randn(1, 16, (bottom - top) // 2, (right - left) // 2))
        self.bend2 = Bend(16, code)
        self.mouth = nn.Conv2d(16, 16, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(16, 4, 2, stride=2)
        self.window = nn.Buffer(border_window())
        for head in (self.whole, self.up1):
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(cast(Tensor, head.bias))

    def forward(self, image: Tensor, audio: Tensor) -> Tensor:
        """Paint a batch.

        Parameters
        ----------
        image : Tensor of float32, shape (B, 3, 208, 320)
            Template region, BGR, 0..1.
        audio : Tensor of float32, shape (B, 1, 16)
            Viseme weights of the frame.

        Returns
        -------
        Tensor of float32, shape (B, 3, 208, 320)
            Painted region, BGR, 0..1.
        """
        rig = self.rig(audio.reshape(-1, 16, 1, 1))
        distance = (rig * rig).sum(dim=1, keepdim=True).sqrt()
        quarter = self.stem4(image)
        eighth = self.down8(functional.relu(quarter))
        pose = self.pose(functional.adaptive_avg_pool2d(functional.relu(eighth + self.place8), 1))
        code = functional.relu(self.encode(rig * self.unit) + pose)
        features = through(self.trunk, eighth + self.place8, code)
        features = self.up4(features) + quarter + self.place4
        features = self.bend4(features, code)
        layers = self.whole(features)
        mouth = through(self.bend_mouth4, self.mouth4(features[self.box4]), code)
        mouth = self.bend2(self.up2(mouth) + self.place2, code)
        layers = layers + functional.pad(self.up1(self.mouth(mouth)), self.box_pad)
        change = layers[:, :3] - layers[:, 3:] * image
        gate = (distance / REST_DISTANCE).clamp(max=1.0)
        painted: Tensor = image + change * (self.window * gate)
        return painted if self.training else painted.clamp(0.0, 1.0)


def through(blocks: nn.ModuleList, features: Tensor, code: Tensor) -> Tensor:
    """Pass features through a row of bend blocks."""
    for block in cast(Sequence[Bend], blocks):
        features = block(features, code)
    return features
