"""Putting a painted mouth back into its frame, as the reference's offline loop does it.

The crop of the original frame is resized to the network's picture, the painted picture replaces everything inside
its ring, the whole is resized back and overwrites the crop. The ring keeps original pixels: it is the only thing
that hides the seam, and pasting the painted picture over the full crop would enlarge the mouth.
"""

from common.avatars.manifest import Manifest
from common.avatars.package import Picture
from common.avatars.pixels import resize


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
    return resize(framed, (crop.shape[1], crop.shape[0]), manifest.paste.interpolation)


def overlay(picture: Picture, rect: tuple[int, int, int, int], patch: Picture, manifest: Manifest) -> Picture:
    """A copy of `picture` whose crop `rect` (x1, y1, x2, y2, ends exclusive) is repainted with `patch`."""
    x1, y1, x2, y2 = rect
    changed = picture.copy()
    changed[y1:y2, x1:x2] = paste(patch, picture[y1:y2, x1:x2], manifest)
    return changed


def _inside_ring(patch: Picture, crop: Picture, manifest: Manifest) -> Picture:
    border, (width, height) = manifest.image.border_px, manifest.image.size
    framed = resize(crop, (width, height), manifest.image.interpolation).copy()
    framed[border : height - border, border : width - border] = patch
    return framed
