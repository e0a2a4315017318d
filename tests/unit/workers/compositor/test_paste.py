"""Pasting follows the reference's offline loop to the pixel."""

import cv2
import numpy as np
import pytest

from common.avatars.manifest import Manifest
from common.avatars.package import Avatar, Picture
from workers.compositor.paste import overlay, paste


def noise(width: int, height: int, seed: int) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def of_size(avatar: Avatar, width: int, height: int, border_px: int, interpolation: str = "cubic") -> Manifest:
    """The avatar's manifest with another picture size, checked like any manifest."""
    data = avatar.manifest.model_dump()
    inner = [height - 2 * border_px, width - 2 * border_px]
    data["image"] |= {"size": (width, height), "border_px": border_px, "interpolation": interpolation}
    data["image"]["tensor"]["shape"] = [3 * len(data["image"]["stack"]), *inner]
    data["output"]["tensor"]["shape"] = [3, *inner]
    data["paste"]["interpolation"] = interpolation
    return Manifest.model_validate(data)


def reference_328(frame: Picture, patch: Picture, rect: tuple[int, int, int, int]) -> Picture:
    """The lines of SyncTalk-2D's `inference_328.py`, with its numbers."""
    xmin, ymin, xmax, ymax = rect
    crop_img = frame[ymin:ymax, xmin:xmax]
    h, w = crop_img.shape[:2]
    crop_img_ori = cv2.resize(crop_img, (328, 328), interpolation=cv2.INTER_CUBIC).copy()
    crop_img_ori[4:324, 4:324] = patch
    img = frame.copy()
    img[ymin:ymax, xmin:xmax] = cv2.resize(crop_img_ori, (w, h), interpolation=cv2.INTER_CUBIC)
    return img


@pytest.mark.parametrize("side", [182, 100, 327, 328, 329, 400])
def test_a_328_picture_is_pasted_as_the_reference_does(reference_avatar: Avatar, side: int) -> None:
    manifest = of_size(reference_avatar, 328, 328, 4)
    frame, patch, rect = noise(500, 450, 0), noise(320, 320, 1), (61, 27, 61 + side, 27 + side)
    assert np.array_equal(overlay(frame, rect, patch, manifest), reference_328(frame, patch, rect))


def test_a_crop_that_is_not_square_is_pasted_as_the_reference_does(reference_avatar: Avatar) -> None:
    manifest = of_size(reference_avatar, 328, 328, 4)
    frame, patch, rect = noise(500, 450, 0), noise(320, 320, 1), (300, 300, 500, 450)
    assert np.array_equal(overlay(frame, rect, patch, manifest), reference_328(frame, patch, rect))


def test_without_a_ring_and_at_equal_sizes_the_patch_is_the_crop(tiny_avatar: Avatar) -> None:
    patch = noise(96, 64, 1)
    assert np.array_equal(paste(patch, noise(96, 64, 0), tiny_avatar.manifest), patch)


def test_at_equal_sizes_the_ring_keeps_the_frames_pixels_exactly(reference_avatar: Avatar) -> None:
    crop, patch = noise(88, 88, 0), noise(80, 80, 1)
    pasted = paste(patch, crop, reference_avatar.manifest)
    ring = np.ones((88, 88), dtype=bool)
    ring[4:84, 4:84] = False
    assert np.array_equal(pasted[ring], crop[ring])
    assert np.array_equal(pasted[4:84, 4:84], patch)


def test_the_mouth_is_not_enlarged_over_the_ring(reference_avatar: Avatar) -> None:
    manifest = of_size(reference_avatar, 328, 328, 4)
    pasted = paste(np.full((320, 320, 3), 255, np.uint8), np.zeros((164, 164, 3), np.uint8), manifest)
    assert pasted[[0, -1]].max() == 0, "4 px of ring are 2 px of a crop that is half as large"
    assert pasted[:, [0, -1]].max() == 0
    assert pasted[3:-3, 3:-3].min() == 255


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "area", "lanczos"])
def test_the_manifests_interpolation_is_used_both_ways(tiny_avatar: Avatar, interpolation: str) -> None:
    flags = {
        "nearest": cv2.INTER_NEAREST,
        "linear": cv2.INTER_LINEAR,
        "cubic": cv2.INTER_CUBIC,
        "area": cv2.INTER_AREA,
        "lanczos": cv2.INTER_LANCZOS4,
    }
    manifest = of_size(tiny_avatar, 96, 64, 3, interpolation)
    crop, patch = noise(70, 50, 0), noise(90, 58, 1)
    expected = cv2.resize(crop, (96, 64), interpolation=flags[interpolation])
    expected[3:61, 3:93] = patch
    expected = cv2.resize(expected, (70, 50), interpolation=flags[interpolation])
    assert np.array_equal(paste(patch, crop, manifest), expected)


def test_the_frame_is_not_changed(reference_avatar: Avatar) -> None:
    frame = noise(256, 160, 0)
    before = frame.copy()
    overlay(frame, (20, 20, 108, 108), noise(80, 80, 1), reference_avatar.manifest)
    assert np.array_equal(frame, before)


def test_a_patch_of_another_size_is_refused_even_if_it_would_broadcast(reference_avatar: Avatar) -> None:
    with pytest.raises(ValueError, match=r"\(80, 80, 3\)"):
        paste(noise(1, 80, 0), noise(88, 88, 0), reference_avatar.manifest)
