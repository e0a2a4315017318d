"""Template frames -> the painter's picture input, and what it paints -> pixels; pure but for the decoding."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.avatars.manifest import Image, Output
from common.avatars.package import Avatar, Picture
from common.avatars.pixels import resize
from common.errors import TaskError

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pictures:
    """The regions of interest of a template, ready for the network.

    `rois` is uint8, shape (template frames, 3, height, width), in the network's colour order: a quarter of what the
    floats would take. `values` is the network's value of each grey level.
    """

    image: Image
    rois: Bytes
    values: NDArray[np.float32]

    def tensor(self, indices: list[int]) -> NDArray[np.float32]:
        """The picture input for some template frames: float32, shape (len(indices), *image.tensor.shape)."""
        reference = self.rois[indices]
        stacks = [masked(self.image, reference) if kind == "masked" else reference for kind in self.image.stack]
        levels = np.concatenate(stacks, axis=1)
        # OpenCV's look-up is five times as fast as NumPy's, and gives the same.
        values = cv2.LUT(levels.reshape(-1, levels.shape[-1]), self.values)
        return np.asarray(values, np.float32).reshape(levels.shape)


def load_pictures(avatar: Avatar) -> Pictures:
    """Decode the template once and keep what the network sees of it."""
    pictures = blank_pictures(avatar)
    deque(filling(pictures, avatar, avatar.template_frames()), maxlen=0)
    return pictures


def blank_pictures(avatar: Avatar) -> Pictures:
    """Pictures whose regions are still to be filled."""
    image = avatar.manifest.image
    width, height = image.inner
    # A table in place of arithmetic: 256 results, each rounded once.
    values = (np.arange(256) * image.scale + image.offset).astype(np.float32)
    return Pictures(image, np.empty((image.template.frames, 3, height, width), np.uint8), values)


def filling(pictures: Pictures, avatar: Avatar, frames: Iterable[Picture]) -> Iterator[Picture]:
    """The template's frames as they come; on their way the pictures keep what the network sees of them."""
    for index, frame in enumerate(frames):
        pictures.rois[index] = roi(pictures.image, frame, avatar.crops[index])
        yield frame


def roi(image: Image, frame: Picture, crop: tuple[int, int, int, int]) -> Bytes:
    """What the network sees of a BGR frame, unmasked: uint8, shape (3, height, width), in its colour order."""
    x1, y1, x2, y2 = crop
    resized = resize(frame[y1:y2, x1:x2], image.size, image.interpolation)
    width, height = image.inner
    border = image.border_px
    inner = np.asarray(resized[border : border + height, border : border + width], np.uint8)
    ordered = inner[..., ::-1] if image.colour == "rgb" else inner
    return np.ascontiguousarray(ordered.transpose(2, 0, 1))


def masked(image: Image, rois: Bytes) -> Bytes:
    """A copy of some regions, shape (..., height, width), with the manifest's rectangles set to 0."""
    copy = rois.copy()
    for rect in image.masks:
        copy[..., rect.y : rect.y + rect.height, rect.x : rect.x + rect.width] = 0
    return copy


def pixels(output: Output, painted: NDArray[Any]) -> Bytes:
    """The network's output as pictures.

    Parameters
    ----------
    painted : shape (frames, 3, height, width), in the network's colours and range.

    Returns
    -------
    uint8, shape (frames, height, width, 3), BGR.

    Raises
    ------
    TaskError
        A value is NaN.
    """
    values = painted * np.float32(output.scale)
    values += np.float32(output.offset)
    if output.rounding == "nearest":
        np.rint(values, out=values)
    np.clip(values, 0, 255, out=values)
    try:
        with np.errstate(invalid="raise"):
            levels = values.astype(np.uint8)
    except FloatingPointError as error:
        raise TaskError("the network painted values that are not numbers") from error
    if output.colour == "rgb":
        levels = levels[:, ::-1]
    return np.stack([np.asarray(cv2.merge(list(planes)), np.uint8) for planes in levels])
