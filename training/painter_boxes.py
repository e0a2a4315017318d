"""The rectangles of the painted region in which things happen, and soft windows for them."""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from training.dataset import REGION_HEIGHT_PX, REGION_WIDTH_PX


class Box(NamedTuple):
    """A rectangle of the region in pixels, ends exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def cells(self, cell_px: int) -> tuple[int, int]:
        """Return the size in square cells."""
        return self.size[0] // cell_px, self.size[1] // cell_px

    def cut(self, within: "Box", cell_px: int = 1) -> tuple[slice, slice, slice, slice]:
        """Return the index of this box in a (B, C, H, W) picture, or its cells, of a box that holds it."""
        left, right, top, bottom = self.padding(within, cell_px)
        return slice(None), slice(None), slice(top, -bottom or None), slice(left, -right or None)

    def padding(self, within: "Box", cell_px: int = 1) -> tuple[int, int, int, int]:
        """Return what `functional.pad` needs to lay this box, or its cells, into one that holds it."""
        left, right = (self.left - within.left) // cell_px, (within.right - self.right) // cell_px
        return left, right, (self.top - within.top) // cell_px, (within.bottom - self.bottom) // cell_px


REGION: Final = Box(0, 0, REGION_WIDTH_PX, REGION_HEIGHT_PX)
MOUTH: Final = Box(80, 44, 240, 172)
"""Where pictures are compared most closely."""
MOVED: Final = Box(40, 24, 280, 208)
"""Where the template's pixels may move."""
LIPS: Final = Box(88, 56, 232, 168)
"""Where paint may be added."""
INNER: Final = Box(100, 68, 220, 136)
"""Where the lips may part."""
INNER_SOURCE: Final = Box(96, 64, 224, 140)
"""The learnt pictures of the inner mouth, with some room to move."""
CHIN: Final = Box(140, 120, 180, 140)
"""What moves as the lower teeth do."""


def border_window(height: int, width: int, ramp: int) -> Tensor:
    """Return a smooth weight, (1, 1, height, width): 0 in the outermost cells, 1 a ramp's length inside."""
    axes = []
    for size in (height, width):
        edge = torch.minimum(torch.arange(size), torch.arange(size).flip(0)).float() / ramp
        rise = edge.clamp(max=1.0)
        axes.append(rise * rise * (3 - 2 * rise))
    return (axes[0][:, None] * axes[1][None, :])[None, None]


def still_grid(box: Box, source: Box) -> Tensor:
    """Return where the pixels of a box look when nothing moves, (1, 2, height, width): x and y, -1..1 in the source."""
    rows = (2 * torch.arange(box.top - source.top, box.bottom - source.top) + 1) / source.size[0] - 1
    columns = (2 * torch.arange(box.left - source.left, box.right - source.left) + 1) / source.size[1] - 1
    return torch.stack([columns[None, :].expand(box.size), rows[:, None].expand(box.size)])[None]
