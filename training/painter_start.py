"""Where a painter starts to learn: one picture of an open mouth, and the motion that optical flow finds."""

from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.optical_flow import rig_motion
from training.painter_boxes import CHIN, INNER_SOURCE, MOVED, REGION
from training.painter_model import CONTRAST, Painter
from training.painter_parts import FLOW_CELL_PX, FLOW_PX
from training.speaking_pictures import Pictures, planes

WIDE_PX: Final = 25.0
"""An opening, of the 328 px face, that shows the inner mouth well."""
BITE_PX: Final = 90
"""The row of the region under which no upper teeth are expected."""
PICTURES_A_FLOW: Final = 6
"""Every which picture is asked how it moves."""


def start(model: Painter, pictures: Pictures, table: NDArray[np.float32]) -> None:
    """Give a new painter its first inner mouth and motion."""
    rows = pictures.speaking(held_out=False)
    rig = pictures.codes @ table - table[:1]
    wide = rows[np.argmin(np.abs(pictures.openness[rows] - WIDE_PX))]
    inner = planes(pictures.targets[wide : wide + 1])[INNER_SOURCE.cut(REGION)][0]
    some = rows[::PICTURES_A_FLOW]
    motion = rig_motion(pictures.targets[some], pictures.regions[pictures.template_frames[some]], rig[some])
    set_motion(model, torch.from_numpy(motion), torch.from_numpy(rig[wide]))
    set_inner(model, inner)


def set_motion(model: Painter, motion: Tensor, open_rig: Tensor) -> None:
    """Let each rig unit move the face as told, and the inner mouth as the chin.

    Parameters
    ----------
    model : Painter
        Changed in place.
    motion : Tensor of float32, shape (2, height, width, 12)
        In cells of ``MOVED``, in px: from where the cells' pixels come.
    open_rig : Tensor of float32, shape (12,)
        Rig weights, less those of rest, at which the inner mouth lies where it was seen.
    """
    flow = motion / (FLOW_PX * model.unit.reshape(12))
    jaw = flow[CHIN.cut(MOVED, FLOW_CELL_PX)[1:]].mean(dim=(1, 2))
    both = torch.cat([jaw, torch.zeros_like(jaw)])
    with torch.no_grad():
        model.rig_motion.weight.copy_(flow.reshape(-1, 12, 1, 1))
        model.inner_shift.weight.copy_(both[:, :, None, None])
        cast(Tensor, model.inner_shift.bias).copy_(-both @ (open_rig * model.unit.reshape(12)))


def set_inner(model: Painter, inner: Tensor) -> None:
    """Let both learnt pictures show an open mouth, (3, height, width) of ``INNER_SOURCE``, BGR in 0..1."""
    above = torch.where(torch.arange(INNER_SOURCE.top, INNER_SOURCE.bottom) < BITE_PX, 0.5, -0.5)
    cover = above[None, :, None].expand(1, *inner.shape[1:])
    colours = torch.logit(inner, eps=0.02) / CONTRAST
    with torch.no_grad():
        cast(Tensor, model.depth.parts.bias).copy_(colours.flatten())
        cast(Tensor, model.teeth.parts.bias).copy_(torch.cat([colours, cover]).flatten())
