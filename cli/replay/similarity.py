"""How alike two pictures are: SSIM; pure."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from common.avatars.package import Picture

_WINDOW: Final = (11, 11)
_SIGMA: Final = 1.5
_C1: Final = (0.01 * 255) ** 2
_C2: Final = (0.03 * 255) ** 2


def ssim(first: Picture, second: Picture) -> float:
    """Structural similarity of the luma of two pictures, from -1 to 1 (the same).

    As in Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity",
    IEEE Transactions on Image Processing 13 (2004), with its Gaussian window of 11 px and sigma 1.5, without the
    border where the window leaves the picture.

    Parameters
    ----------
    first, second : uint8, shape (height, width, 3), BGR, of one size of at least 11 px a side.
    """
    x, y = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float64) for picture in (first, second))
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x, variance_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    border = _WINDOW[0] // 2
    return float((luminance * structure)[border:-border, border:-border].mean())


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, _WINDOW, _SIGMA), np.float64)
