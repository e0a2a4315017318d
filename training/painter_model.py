"""The painter: a template region and a mouth code in, the region with that mouth out, by moving crisp pixels.

The template's pixels, crispened by what sampling between them costs, move along a smooth flow, so skin, lips and jaw
keep their own detail: each unit of the mouth rig has its learnt motion, the code adds more, and features around the
lips the rest. A coarse change of light follows. What the closed mouth hides is kept as learnt pictures at full size:
the inner mouth with the lower teeth and, before it, the upper teeth. Each is a blend that the code chooses, moved by a
flow of its own, and shows where the lips part. That parting, and colours that no motion brings, are painted from 1/2
resolution. The pose is read from the picture and joins the mouth code. Channel counts of features are multiples
of 16, the block width of ONNX Runtime's convolutions.
"""

from typing import Final, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.painter_boxes import INNER, INNER_SOURCE, LIPS, MOVED, REGION, border_window, still_grid
from training.painter_parts import FLOW_CELL_PX, LIGHT_CELL_PX, Bend, Blend, enlarged, fine_detail, sampled

REST_DISTANCE: Final = 0.12
"""Rig distance from rest over which all change fades in, so that silence shows the template itself."""
CONTRAST: Final = 4.0
"""How steeply learnt pictures turn into colours and cover: edges stay sharp between the pixels that hold them."""
CRISPNESS: Final = 0.4
"""Fine detail added before pixels move: about what bilinear sampling takes away on average."""


class Layers(NamedTuple):
    """What a painted picture is made of.

    ``painted``: (B, 3, 208, 320). ``flow``: (B, 2, 46, 60), in cells of ``MOVED``: x and y in ``FLOW_PX``.
    ``paint``: (B, 3, 112, 144), colours added in ``LIPS``. ``parted``: (B, 1, 68, 120), how far the inner mouth shows
    in ``INNER``.
    """

    painted: Tensor
    flow: Tensor
    paint: Tensor
    parted: Tensor


class Painter(nn.Module):
    """Paint speech on a template region.

    Parameters
    ----------
    table : ndarray of float32, shape (16, 12)
        Rig weights of each viseme; the first row is rest.
    code : int
        Channels of the mouth code, pose included.
    """

    def __init__(self, table: NDArray[np.float32], code: int = 96) -> None:
        super().__init__()
        rig = table - table[:1]
        self.rig = nn.Conv2d(16, 12, 1, bias=False)
        self.rig.weight = nn.Parameter(torch.from_numpy(rig.T.copy())[:, :, None, None], requires_grad=False)
        self.unit = nn.Buffer(torch.from_numpy(1 / (rig.std(axis=0) + 1e-6)).float()[None, :, None, None])
        self.encode = nn.Sequential(nn.Conv2d(12, code, 1), nn.ReLU(), nn.Conv2d(code, code, 1))
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 4, stride=4), nn.ReLU(), nn.Conv2d(16, 64, 3, stride=2, padding=1))
        self.place8 = nn.Parameter(0.5 * torch.randn(1, 64, *REGION.cells(8)))
        self.pose = nn.Conv2d(64, code, 1)
        cells = MOVED.cells(FLOW_CELL_PX)
        self.rig_motion = nn.Conv2d(12, 2 * cells[0] * cells[1], 1)
        self.motion = Blend(2, cells, 8, code)
        self.window = nn.Buffer(border_window(*cells, 4))
        self.still = nn.Buffer(still_grid(MOVED, MOVED))
        self.crisp = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)
        self.crisp.weight = nn.Parameter(CRISPNESS * fine_detail().expand(3, 1, 3, 3).clone(), requires_grad=False)
        self.fade = nn.Buffer(border_window(*MOVED.size, 16))
        self.light = Blend(3, MOVED.cells(LIGHT_CELL_PX), 12, code)
        self.light_window = nn.Buffer(border_window(*MOVED.cells(LIGHT_CELL_PX), 2))
        self.trunk = nn.ModuleList([Bend(64, code), Bend(64, code)])
        self.up4 = nn.ConvTranspose2d(64, 48, 2, stride=2)
        self.place4 = nn.Parameter(0.3 * torch.randn(1, 48, *LIPS.cells(4)))
        self.bend4 = Bend(48, code)
        self.motion4 = nn.Conv2d(48, 6, 1)
        self.taper4 = nn.Buffer(border_window(*LIPS.cells(4), 3))
        self.up2 = nn.ConvTranspose2d(48, 16, 2, stride=2)
        self.place2 = nn.Parameter(0.3 * torch.randn(1, 16, *LIPS.cells(2)))
        self.bend2 = Bend(16, code)
        self.paint = nn.ConvTranspose2d(16, 4, 2, stride=2)
        self.taper = nn.Buffer(border_window(*LIPS.size, 8))
        self.inner_shift = nn.Conv2d(12, 4, 1)
        self.inner_still = nn.Buffer(still_grid(INNER, INNER_SOURCE))
        self.inner_taper = nn.Buffer(border_window(*INNER.size, 6))
        self.depth = Blend(3, INNER_SOURCE.size, 5, code)
        self.teeth = Blend(4, INNER_SOURCE.size, 2, code)
        for head in (self.motion4, self.inner_shift, self.paint, self.rig_motion):
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
        return self.layers(image, audio).painted

    def layers(self, image: Tensor, audio: Tensor) -> Layers:
        """Paint a batch and say how."""
        rig = self.rig(audio.reshape(-1, 16, 1, 1))
        gate = ((rig * rig).sum(dim=1, keepdim=True).sqrt() / REST_DISTANCE).clamp(max=1.0)
        rig = rig * self.unit
        eighth = self.stem(image) + self.place8
        pose = self.pose(functional.adaptive_avg_pool2d(functional.relu(eighth), 1))
        code = functional.relu(self.encode(rig) + pose)
        features = eighth[LIPS.cut(REGION, 8)]
        for bend in self.trunk:
            features = bend(features, code)
        features = self.bend4(self.up4(features) + self.place4, code)
        near = self.motion4(features)

        flow = self.rig_motion(rig).reshape(self.motion.shape) + self.motion(code)
        flow = flow + functional.pad(near[:, :2] * self.taper4, LIPS.padding(MOVED, FLOW_CELL_PX))
        flow = flow * (self.window * gate)
        light = enlarged(self.light(code) * (self.light_window * gate), LIGHT_CELL_PX)
        still = image[MOVED.cut(REGION)]
        moved = sampled(still + (self.fade * gate) * self.crisp(still), flow, self.still) + light

        features = self.bend2(self.up2(features) + self.place2, code)
        paint, lips = (self.paint(features) * self.taper).split((3, 1), dim=1)
        parted = torch.sigmoid(CONTRAST * lips[INNER.cut(LIPS)] - 2.0) * self.inner_taper
        hidden = self.hidden(near[:, 2:][INNER.cut(LIPS, FLOW_CELL_PX)] + self.inner_shift(rig), code)
        opening = parted * (hidden - moved[INNER.cut(MOVED)])
        change = (paint + functional.pad(opening, INNER.padding(LIPS))) * gate

        painted = moved + functional.pad(change, LIPS.padding(MOVED))
        if not self.training:
            painted = painted.clamp(0.0, 1.0)
        whole = image + functional.pad(painted - still, MOVED.padding(REGION))
        return Layers(whole, flow, paint, parted)

    def hidden(self, flow: Tensor, code: Tensor) -> Tensor:
        """Return what lies behind the lips, (B, 3, height, width) of ``INNER``; flow: (B, 4, h, w) cells."""
        depth = torch.sigmoid(CONTRAST * sampled(self.depth(code), flow[:, :2], self.inner_still))
        teeth = torch.sigmoid(CONTRAST * sampled(self.teeth(code), flow[:, 2:], self.inner_still))
        return depth + teeth[:, 3:] * (teeth[:, :3] - depth)
