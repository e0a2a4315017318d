"""JPEG in exchangeable segments: a frame differs from its template only in the face, so only the face is encoded.

With a restart interval an encoder forgets its state at every RST marker, so the bytes between two markers depend on
their own pixels alone. If the interval divides the MCUs of a row, segments form a grid of rectangles, and a
rectangle of whole segments, encoded by itself with the same settings, has the very bytes that it would have within
the whole picture. `cut` takes a rectangle's segments out of an encoded template, once; `fill` puts others in.
The markers between the segments stay the template's, so their numbers (index mod 8) are right wherever the
rectangle lies.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import cv2

from common.avatars.package import Picture

Rect = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels, ends exclusive."""

MCU_PX: Final = 16
"""Side of a minimum coded unit at 4:2:0."""

PREFERRED_INTERVAL: Final = 8
SMALLEST_INTERVAL: Final = 4
"""Below this the markers and the DC values that start anew cost more bytes than small rectangles save."""

_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE_BYTES: Final = 2


class Grid(NamedTuple):
    """How a picture is divided into segments; sizes in pixels, `interval` in MCUs."""

    width: int
    height: int
    interval: int

    @property
    def columns(self) -> int:
        return -(-self.width // (self.interval * MCU_PX))


class Region(NamedTuple):
    """A rectangle of whole segments: its pixels and the indices of its segments, in raster order."""

    rect: Rect
    segments: tuple[int, ...]


def segment_grid(width: int, height: int) -> Grid:
    """The grid of a picture: of the intervals that divide its MCUs per row, the one nearest to 8.

    Intervals below 4 are left out; with a prime number of MCUs per row a segment is a whole row.
    """
    per_row = -(-width // MCU_PX)
    divisors = [n for n in range(min(SMALLEST_INTERVAL, per_row), per_row + 1) if per_row % n == 0]
    return Grid(width, height, min(divisors, key=lambda n: abs(n - PREFERRED_INTERVAL)))


def region_around(grid: Grid, rect: Rect) -> Region:
    """The smallest region that covers a rectangle, which must lie within the picture and not be empty."""
    x1, y1, x2, y2 = rect
    step = grid.interval * MCU_PX
    left, right = x1 // step, -(-x2 // step)
    top, bottom = y1 // MCU_PX, -(-y2 // MCU_PX)
    pixels = left * step, top * MCU_PX, min(right * step, grid.width), min(bottom * MCU_PX, grid.height)
    segments = (row * grid.columns + column for row in range(top, bottom) for column in range(left, right))
    return Region(pixels, tuple(segments))


def encode(picture: Picture, quality: int, grid: Grid) -> bytes:
    """Encode a picture, or one region of it, at 4:2:0 with the standard Huffman tables.

    Parameters
    ----------
    picture : uint8, shape (height, width, 3), BGR; the whole of `grid` or the pixels of a `Region` of it.
    quality : 1 to 100.
    """
    return _encode(picture, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, grid.interval)


def encode_alone(picture: Picture, quality: int) -> bytes:
    """Encode a picture that will stand for itself; in all else as `encode`."""
    return _encode(picture, quality)


def _encode(picture: Picture, quality: int, *settings: int) -> bytes:
    flags = (
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        # Tables made for one picture would not fit the segments of another, and cost more time than they save bytes.
        cv2.IMWRITE_JPEG_OPTIMIZE, 0,
        cv2.IMWRITE_JPEG_PROGRESSIVE, 0,
        *settings,
    )  # fmt: skip
    _, encoded = cv2.imencode(".jpg", picture, flags)
    data: bytes = encoded.tobytes()
    return data


def split(jpeg: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Header (to the end of SOS), segments without their markers, and trailer (EOI) of a baseline JPEG."""
    start, end = _scan_start(jpeg), len(jpeg) - _END_OF_IMAGE_BYTES
    return jpeg[:start], _RESTART.split(jpeg[start:end]), jpeg[end:]


def cut(jpeg: bytes, region: Region) -> tuple[bytes, ...]:
    """What remains of an encoded picture without a region's segments: the bytes before, between and behind them.

    Returns
    -------
    tuple[bytes, ...]
        One more than the region has segments, for `fill`. Most are one marker of 2 bytes; where the region's row
        ends, the run of the picture up to its next row.
    """
    bounds = list(_segment_bounds(jpeg))
    holes = [bounds[segment] for segment in region.segments]
    starts = [0, *(stop for _, stop in holes)]
    stops = [*(start for start, _ in holes), len(jpeg)]
    return tuple(jpeg[start:stop] for start, stop in zip(starts, stops, strict=True))


def fill(remains: Sequence[bytes], patch: bytes) -> bytes:
    """The picture that `cut` took apart, with the segments of `patch`, the same region encoded by itself.

    Raises
    ------
    ValueError
        `patch` has not as many segments as were cut out.
    """
    _, segments, _ = split(patch)
    if len(segments) != len(remains) - 1:
        raise ValueError(f"the patch has {len(segments)} segments, {len(remains) - 1} were cut out")
    pieces = [b""] * (2 * len(remains) - 1)
    pieces[0::2] = remains
    pieces[1::2] = segments
    return b"".join(pieces)


def _scan_start(jpeg: bytes) -> int:
    """Offset of the entropy-coded data: walks the header, whose tables may hold any byte."""
    position = 2
    while True:
        marker = jpeg[position + 1]
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if marker == _START_OF_SCAN:
            return position


def _segment_bounds(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Start and stop of every segment, without the markers between them."""
    start = _scan_start(jpeg)
    for marker in _RESTART.finditer(jpeg, start):
        yield start, marker.start()
        start = marker.end()
    yield start, len(jpeg) - _END_OF_IMAGE_BYTES
