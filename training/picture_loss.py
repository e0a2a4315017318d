"""How far painted pictures are from true ones: their pixels, edges, amount of texture and structural similarity."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.painter_boxes import MOUTH, MOVED, REGION

TEXTURE_PX: Final = 8
WINDOW_PX: Final = 7
GREY_OF_BGR: Final = (0.114, 0.587, 0.299)


def picture_loss(painted: Tensor, target: Tensor) -> Tensor:
    """Return the error of pictures, (B, 3, 208, 320) in 0..1; the mouth box counts most."""
    error = (painted - target)[MOVED.cut(REGION)]
    rows, columns = error[..., ::2, :], error[..., ::2]  # every other line tells enough outside the mouth
    edges = rows.diff(dim=3).abs().mean() + columns.diff(dim=2).abs().mean()
    mouth, true_mouth = painted[MOUTH.cut(REGION)], target[MOUTH.cut(REGION)]
    detail = (mouth - true_mouth).abs().mean()
    for axis in (2, 3):
        steps, true_steps = mouth.diff(dim=axis), true_mouth.diff(dim=axis)
        texture = functional.avg_pool2d(steps.abs() - true_steps.abs(), TEXTURE_PX)
        detail = detail + (steps - true_steps).abs().mean() + texture.abs().mean()
    return 1.8 * error.abs().mean() + 0.9 * edges + 1.2 * detail + 0.6 * (1 - similarity(mouth, true_mouth))


def similarity(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean structural similarity (Wang et al. 2004) of grey versions, in every other window of 7x7 px."""
    weights = torch.tensor(GREY_OF_BGR).reshape(1, 3, 1, 1)
    a, b = (first * weights).sum(dim=1, keepdim=True), (second * weights).sum(dim=1, keepdim=True)
    moments = functional.avg_pool2d(torch.cat([a, b, a * a, b * b, a * b], dim=1), WINDOW_PX, stride=2)
    mean_a, mean_b, aa, bb, ab = moments.split(1, dim=1)
    unbiased = WINDOW_PX**2 / (WINDOW_PX**2 - 1)
    variances, covariance = unbiased * (aa + bb - mean_a**2 - mean_b**2), unbiased * (ab - mean_a * mean_b)
    light = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    return (light * (2 * covariance + 0.03**2) / (variances + 0.03**2)).mean()
