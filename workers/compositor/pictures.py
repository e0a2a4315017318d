"""What a compositor keeps of an avatar: around each face the pixels, and of the rest only its JPEG segments.

Whole pictures would take 2.8 MB a 720p frame, 700 MB for ten seconds. Kept instead, for each template frame:

* the pixels of the region around the crop, aligned to the segment grid: 0.1 to 0.2 MB for a crop of 180 px at 720p;
* for each quality, the encoded frame without that region: 0.05 to 0.15 MB at 720p and quality 85.

All qualities that a client may ask for are encoded at the start. Later it would take the whole pictures, so another
pass over the template: a second in which the compositor would make nobody's frames.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from common.avatars.package import Avatar, Picture
from workers.compositor import jpeg
from workers.compositor.jpeg import Grid, Rect, Region

UNFORESEEN_KEPT: Final = 2
"""Qualities of one avatar that are held beside those of the start; one more replaces the one unused for longest."""

Remains = tuple[bytes, ...]
"""An encoded template frame without its face, as `jpeg.cut` gives it."""


class Face(NamedTuple):
    """The part of a template frame that changes.

    `pixels` are those of `region`; `crop` is the rectangle to repaint, counted from the region's corner.
    """

    region: Region
    crop: Rect
    pixels: Picture


class Pictures:
    """The pictures of one avatar. Not for use by two threads at once.

    Parameters
    ----------
    quality : the JPEG quality that is encoded at once, in the pass over the template that also reads the faces.
    frames : the template's frames for that pass, where somebody else decodes them.
    further : other qualities to encode in that pass. One that is not among them costs a pass of its own when it is
        first asked for: that should be no client's choice, only that of gateways with other settings than ours.

    Raises
    ------
    AvatarError
        The template video cannot be read, here or in `remains`.
    """

    def __init__(
        self, avatar: Avatar, quality: int, frames: Iterable[Picture] | None = None, further: Iterable[int] = ()
    ) -> None:
        template = avatar.manifest.image.template
        self.manifest = avatar.manifest
        self.crops = avatar.crops
        self.grid = jpeg.segment_grid(template.width, template.height)
        self._avatar = avatar
        faces: list[Face] = []
        remains: dict[int, list[Remains]] = {each: [] for each in (quality, *further)}
        for picture, crop in zip(frames or avatar.template_frames(), avatar.crops, strict=True):
            faces.append(face_of(picture, crop, self.grid))
            for each, made in remains.items():
                made.append(jpeg.cut(jpeg.encode(picture, each, self.grid), faces[-1].region))
        self.faces = tuple(faces)
        self._foreseen = {each: tuple(made) for each, made in remains.items()}
        self._unforeseen: OrderedDict[int, tuple[Remains, ...]] = OrderedDict()

    def remains(self, quality: int) -> tuple[Remains, ...]:
        """The template frames at a quality, without their faces; the same bytes however often they are made."""
        if quality in self._foreseen:
            return self._foreseen[quality]
        if quality not in self._unforeseen:
            encoded = (jpeg.encode(picture, quality, self.grid) for picture in self._avatar.template_frames())
            cut = tuple(jpeg.cut(data, face.region) for data, face in zip(encoded, self.faces, strict=True))
            while len(self._unforeseen) >= UNFORESEEN_KEPT:
                self._unforeseen.popitem(last=False)
            self._unforeseen[quality] = cut
        self._unforeseen.move_to_end(quality)
        return self._unforeseen[quality]


def face_of(picture: Picture, crop: Rect, grid: Grid) -> Face:
    """The face of a template frame; the pixels are a copy, so that the picture can go."""
    region = jpeg.region_around(grid, crop)
    left, top, right, bottom = region.rect
    x1, y1, x2, y2 = crop
    return Face(region, (x1 - left, y1 - top, x2 - left, y2 - top), picture[top:bottom, left:right].copy())
