"""Exchanged segments have the bytes that encoding the whole picture would give."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.avatars.package import Picture
from workers.compositor import jpeg
from workers.compositor.jpeg import Rect

SIZES = [(1280, 720), (1920, 1080), (1000, 562), (976, 720), (333, 251), (256, 160), (17, 33), (5, 3)]


def textured(width: int, height: int, seed: int = 0) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), dtype=np.uint8)


TEMPLATES = {size: textured(*size) for size in SIZES}


def repainted(picture: Picture, rect: Rect, seed: int = 1) -> Picture:
    x1, y1, x2, y2 = rect
    changed = picture.copy()
    changed[y1:y2, x1:x2] = np.random.default_rng(seed).integers(0, 256, (y2 - y1, x2 - x1, 3), dtype=np.uint8)
    return changed


def spliced(template: Picture, changed: Picture, rect: Rect, quality: int) -> bytes:
    grid = jpeg.segment_grid(template.shape[1], template.shape[0])
    region = jpeg.region_around(grid, rect)
    x1, y1, x2, y2 = region.rect
    patch = jpeg.encode(changed[y1:y2, x1:x2], quality, grid)
    return jpeg.fill(jpeg.cut(jpeg.encode(template, quality, grid), region), patch)


def whole(picture: Picture, quality: int) -> bytes:
    return jpeg.encode(picture, quality, jpeg.segment_grid(picture.shape[1], picture.shape[0]))


@st.composite
def rectangles_in_pictures(draw: st.DrawFn) -> tuple[tuple[int, int], Rect]:
    width, height = draw(st.sampled_from(SIZES))
    x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x2, y2 = draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height))
    return (width, height), (x1, y1, x2, y2)


@settings(max_examples=150, deadline=None)
@given(rectangles_in_pictures(), st.sampled_from([1, 10, 30, 60, 75, 85, 95, 100]))
def test_a_splice_is_byte_identical_to_encoding_the_whole_picture(
    where: tuple[tuple[int, int], Rect], quality: int
) -> None:
    size, rect = where
    template = TEMPLATES[size]
    changed = repainted(template, rect)
    assert spliced(template, changed, rect, quality) == whole(changed, quality)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("top", [True, False])
def test_a_splice_in_a_corner_is_exact(size: tuple[int, int], left: bool, top: bool) -> None:
    width, height = size
    w, h = max(1, width // 3), max(1, height // 3)
    x, y = 0 if left else width - w, 0 if top else height - h
    changed = repainted(TEMPLATES[size], (x, y, x + w, y + h))
    assert spliced(TEMPLATES[size], changed, (x, y, x + w, y + h), 85) == whole(changed, 85)


@pytest.mark.parametrize("size", SIZES)
def test_the_whole_picture_can_be_exchanged(size: tuple[int, int]) -> None:
    rect = (0, 0, *size)
    changed = repainted(TEMPLATES[size], rect)
    assert spliced(TEMPLATES[size], changed, rect, 85) == whole(changed, 85)


def test_segments_outside_the_region_stay_those_of_the_template() -> None:
    template, rect = TEMPLATES[1280, 720], (600, 300, 640, 330)
    region = jpeg.region_around(jpeg.segment_grid(1280, 720), rect)
    before = jpeg.split(whole(template, 85))[1]
    after = jpeg.split(spliced(template, repainted(template, rect), rect, 85))[1]
    differing = {i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}
    assert differing == set(region.segments)


@pytest.mark.parametrize(
    ("width", "interval"),
    [(1280, 8), (1920, 8), (1000, 7), (976, 61), (333, 7), (320, 10), (992, 31), (48, 3), (5, 1)],
)
def test_the_interval_divides_the_row_and_is_near_eight(width: int, interval: int) -> None:
    assert jpeg.segment_grid(width, 720).interval == interval


def test_a_region_covers_its_rectangle_with_whole_segments() -> None:
    region = jpeg.region_around(jpeg.segment_grid(1280, 720), (129, 15, 257, 17))
    assert region.rect == (128, 0, 384, 32)
    assert region.segments == (1, 2, 11, 12)


def test_a_region_ends_where_the_picture_ends() -> None:
    assert jpeg.region_around(jpeg.segment_grid(333, 251), (330, 250, 333, 251)).rect == (224, 240, 333, 251)


def test_split_parts_make_up_the_file() -> None:
    data = whole(TEMPLATES[1280, 720], 85)
    header, segments, trailer = jpeg.split(data)
    markers = [bytes([0xFF, 0xD0 + i % 8]) for i in range(len(segments) - 1)] + [b""]
    body = b"".join(segment + marker for segment, marker in zip(segments, markers, strict=True))
    assert header + body + trailer == data
    assert len(segments) == 10 * 45
    assert trailer == b"\xff\xd9"


def test_chroma_is_halved_both_ways_whatever_opencv_prefers() -> None:
    header, _, _ = jpeg.split(whole(TEMPLATES[256, 160], 100))
    start_of_frame = header.index(b"\xff\xc0")
    luma_sampling = header[start_of_frame + 11]
    assert luma_sampling == 0x22


def test_a_spliced_picture_decodes_to_the_changed_pixels() -> None:
    rect = (40, 30, 150, 120)
    changed = textured(333, 251, seed=5)
    data = spliced(repainted(changed, rect), changed, rect, 100)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.abs(decoded.astype(int) - changed).mean() < 4


def test_a_patch_of_another_region_is_refused() -> None:
    grid = jpeg.segment_grid(1280, 720)
    template = jpeg.encode(TEMPLATES[1280, 720], 85, grid)
    patch = jpeg.encode(TEMPLATES[1280, 720][:64, :128], 85, grid)
    remains = jpeg.cut(template, jpeg.region_around(grid, (0, 0, 128, 80)))
    with pytest.raises(ValueError, match="4 segments, 5 were cut out"):
        jpeg.fill(remains, patch)
