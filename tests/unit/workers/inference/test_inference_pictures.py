"""The painter's picture input, and its output as pixels."""

from typing import Any

import cv2
import numpy as np
import pytest

from common.avatars.manifest import Image, Output, Tensor
from common.avatars.package import Avatar
from common.errors import TaskError
from workers.inference.pictures import load_pictures, masked, pixels, roi

FRAME = np.random.default_rng(3).integers(0, 256, (160, 256, 3), np.uint8)


def test_the_reference_family_sees_what_the_offline_loop_of_its_model_sees(reference_avatar: Avatar) -> None:
    """Against SyncTalk-2D's `inference_328.py`, line by line, with this avatar's sizes."""
    pictures = load_pictures(reference_avatar)
    for index, frame in enumerate(reference_avatar.template_frames()):
        x1, y1, x2, y2 = reference_avatar.crops[index]
        crop = cv2.resize(frame[y1:y2, x1:x2], (88, 88), interpolation=cv2.INTER_CUBIC)
        real = crop[4:84, 4:84].copy()
        hidden = cv2.rectangle(real.copy(), (5, 5, 70, 66), (0, 0, 0), -1)
        stacked = [picture.transpose(2, 0, 1).astype(np.float32) / 255.0 for picture in (real, hidden)]
        assert np.array_equal(pictures.tensor([index])[0], np.concatenate(stacked))


def test_the_demo_family_sees_the_crop_as_it_is(tiny_avatar: Avatar) -> None:
    pictures = load_pictures(tiny_avatar)
    for index, frame in enumerate(tiny_avatar.template_frames()):
        x1, y1, x2, y2 = tiny_avatar.crops[index]
        assert np.array_equal(pictures.rois[index].transpose(1, 2, 0), frame[y1:y2, x1:x2])


def test_pictures_of_a_batch_are_those_of_its_items(reference_avatar: Avatar) -> None:
    pictures = load_pictures(reference_avatar)
    together = pictures.tensor([3, 0, 3])
    assert together.dtype == np.float32
    assert together.shape == (3, *reference_avatar.manifest.image.tensor.shape)
    assert np.array_equal(together, np.concatenate([pictures.tensor([i]) for i in (3, 0, 3)]))


def test_a_masked_picture_leaves_the_reference_alone(reference_avatar: Avatar) -> None:
    image = reference_avatar.manifest.image
    region = np.full((1, 3, 80, 80), 7, np.uint8)
    hidden = masked(image, region)
    assert np.all(region == 7)
    assert np.all(hidden[..., 5:71, 5:75] == 0)
    assert hidden.sum() == 7 * 3 * (80 * 80 - 66 * 70)


def image_of(avatar: Avatar, **changes: Any) -> Image:
    return avatar.manifest.image.model_copy(update=changes)


def test_the_order_of_stacked_pictures_is_the_manifests(reference_avatar: Avatar) -> None:
    pictures = load_pictures(reference_avatar)
    other = type(pictures)(image_of(reference_avatar, stack=("masked", "reference")), pictures.rois, pictures.values)
    straight = pictures.tensor([1])
    assert np.array_equal(other.tensor([1]), np.concatenate([straight[:, 3:], straight[:, :3]], axis=1))


def test_an_rgb_network_sees_red_first(tiny_avatar: Avatar) -> None:
    crop = (10, 20, 106, 84)
    bgr, rgb = (roi(image_of(tiny_avatar, colour=colour), FRAME, crop) for colour in ("bgr", "rgb"))
    assert np.array_equal(bgr, rgb[::-1])
    assert np.array_equal(bgr[0], FRAME[20:84, 10:106, 0])


def test_scale_and_offset_map_grey_levels_to_the_networks_range(
    tiny_avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tiny_avatar.manifest.model_copy(update={"image": image_of(tiny_avatar, scale=2 / 255, offset=-1.0)})
    avatar = type(tiny_avatar)(manifest, tiny_avatar.folder, tiny_avatar.crops)
    values = load_pictures(avatar).values
    assert (values[0], values[255]) == (-1.0, 1.0)


OUTPUT = Output(tensor=Tensor(name="painted", shape=(3, 1, 6)))
PAINTED = np.array([-0.5, 0.0, 0.9 / 255, 127.5 / 255, 1.0, 7.0], np.float32) * np.ones((2, 3, 1, 1), np.float32)


@pytest.mark.parametrize(
    ("rounding", "levels"), [("truncate", [0, 0, 0, 127, 255, 255]), ("nearest", [0, 0, 1, 128, 255, 255])]
)
def test_values_are_rounded_as_announced_and_clipped(rounding: str, levels: list[int]) -> None:
    pictures = pixels(OUTPUT.model_copy(update={"rounding": rounding}), PAINTED)
    assert pictures.shape == (2, 1, 6, 3)
    assert pictures.flags.c_contiguous
    assert all(pictures[n, 0, :, c].tolist() == levels for n in range(2) for c in range(3))


def test_an_rgb_output_becomes_bgr() -> None:
    painted = np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1)
    output = Output(tensor=Tensor(name="painted", shape=(3, 1, 1)), colour="rgb", scale=1.0)
    assert pixels(output, painted).tolist() == [[[[2, 1, 0]]]]


def test_an_output_from_minus_one_to_one_uses_the_offset() -> None:
    output = Output(tensor=Tensor(name="painted", shape=(3, 1, 1)), scale=127.5, offset=127.5, rounding="nearest")
    assert pixels(output, np.array([-1, 0, 1], np.float32).reshape(1, 3, 1, 1)).tolist() == [[[[0, 128, 255]]]]


def test_what_the_network_painted_is_not_changed() -> None:
    painted = PAINTED.copy()
    pixels(OUTPUT, painted)
    assert np.array_equal(painted, PAINTED)


def test_values_that_are_no_numbers_fail_the_task() -> None:
    with pytest.raises(TaskError, match="not numbers"):
        pixels(OUTPUT, np.full((1, 3, 1, 6), np.nan, np.float32))
