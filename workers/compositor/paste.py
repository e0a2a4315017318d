"""Putting a painted mouth back into its frame, as the reference's offline loop does it.

The crop of the original frame is resized to the network's picture, the painted picture replaces everything inside
its ring, the whole is resized back and overwrites the crop. The ring keeps original pixels: it is the only thing
that hides the seam, and pasting the painted picture over the full crop would enlarge the mouth.
"""

from typing import Final

import cv2
import numpy as np

from common.avatars.manifest import Manifest
from common.avatars.package import Picture

_INTERPOLATIONS: Final = {
    "nearest": cv2.INTER_NEAREST,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}


def paste(patch: Picture, crop: Picture, manifest: Manifest) -> Picture:
    """The new pixels of a crop.

    Parameters
    ----------
    patch : the painted picture, shape (inner height, inner width, 3) of `manifest.image.inner`.
    crop : the crop's pixels in the original frame, any size; not changed.

    Returns
    -------
    Picture
        Shape of `crop`; may be `patch` itself.

    Raises
    ------
    ValueError
        `patch` is not of the manifest's size.
    """
    image = manifest.image
    if patch.shape != (image.inner[1], image.inner[0], 3):
        raise ValueError(f"patch must have shape {(image.inner[1], image.inner[0], 3)}, got {patch.shape}")
    framed = patch if image.border_px == 0 else _inside_ring(patch, crop, manifest)
    return _resize(framed, (crop.shape[1], crop.shape[0]), manifest.paste.interpolation)


def overlay(picture: Picture, rect: tuple[int, int, int, int], patch: Picture, manifest: Manifest) -> Picture:
    """A copy of `picture` whose crop `rect` (x1, y1, x2, y2, ends exclusive) is repainted with `patch`."""
    x1, y1, x2, y2 = rect
    changed = picture.copy()
    changed[y1:y2, x1:x2] = paste(patch, picture[y1:y2, x1:x2], manifest)
    return changed


def _inside_ring(patch: Picture, crop: Picture, manifest: Manifest) -> Picture:
    border, (width, height) = manifest.image.border_px, manifest.image.size
    framed = _resize(crop, (width, height), manifest.image.interpolation).copy()
    framed[border : height - border, border : width - border] = patch
    return framed


def _resize(picture: Picture, size: tuple[int, int], interpolation: str) -> Picture:
    """Resize to `size` (width, height); the same pixels when it has that size already."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=_INTERPOLATIONS[interpolation]), dtype=np.uint8)
