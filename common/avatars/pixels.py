"""The one resize that stages share, by the manifest's names."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

_FLAGS: Final = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}


def resize(picture: NDArray[Any], size: tuple[int, int], interpolation: str) -> NDArray[np.uint8]:
    """A picture, uint8, shape (height, width, 3), at `size` = (width, height); itself when it has that size."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=_FLAGS[interpolation]), dtype=np.uint8)
