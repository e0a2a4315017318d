"""The painted rectangle alone: far fewer bytes, and drawn over its template frame the very picture."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from common.avatars.package import Avatar, Picture, default_folder, load
from common.contracts import Task
from common.frames import Flag, FrameHeader
from common.jobs import Job
from workers.compositor import jpeg
from workers.compositor.paste import overlay
from workers.compositor.pictures import Pictures
from workers.compositor.stage import Compositor

QUALITY = 85


@pytest.fixture(scope="module")
def demo_avatar() -> Avatar:
    return load(default_folder(), "demo")


@lru_cache
def pictures_of(avatar: Avatar) -> Pictures:
    return Pictures(avatar, QUALITY)


def task_of(avatar: Avatar, output: str, count: int, **changes: Any) -> Task:
    values: dict[str, Any] = {
        "session": "session-1", "gateway": "g1", "avatar": avatar.name, "epoch": 2, "base": 0, "first": 0,
        "count": count, "samples": -1, "template": 0, "quality": QUALITY, "output": output, "ingest_ms": 0.0,
        "deadline_ms": 0.0, "sent_ms": 0.0,
    }  # fmt: skip
    return Task(**values | changes)


def decoded(picture: bytes) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def mouths(avatar: Avatar, pictures: list[Picture]) -> NDArray[np.uint8]:
    """Patches with the detail of real ones: each frame's own crop as the network sees it, brightened in the middle."""
    width, height = avatar.manifest.image.inner
    patches = []
    for picture, (x1, y1, x2, y2) in zip(pictures, avatar.crops, strict=False):
        patch = cv2.resize(picture[y1:y2, x1:x2], (width, height), interpolation=cv2.INTER_AREA).copy()
        middle = patch[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
        middle[:] = np.clip(middle.astype(int) + 40, 0, 255)
        patches.append(patch)
    return np.stack(patches)


@pytest.mark.parametrize("name", ["demo_avatar", "tiny_avatar", "reference_avatar"])
def test_a_patch_drawn_over_its_template_frame_is_the_whole_frame(name: str, request: pytest.FixtureRequest) -> None:
    avatar: Avatar = request.getfixturevalue(name)
    pictures = [picture for _, picture in zip(range(4), avatar.template_frames(), strict=False)]
    patches = mouths(avatar, pictures).tobytes()
    whole, patch = Compositor([pictures_of(avatar)]).process(
        [Job(task_of(avatar, output, 4), patches) for output in ("frame", "patch")]
    )
    for index in range(4):
        _, frame = FrameHeader.unpack(whole[index])
        header, mouth = FrameHeader.unpack(patch[index])
        x1, y1, x2, y2 = header.bounds
        drawn = decoded(jpeg.encode(pictures[header.template], QUALITY, pictures_of(avatar).grid))
        drawn[y1:y2, x1:x2] = decoded(mouth)
        off = np.abs(drawn.astype(int) - decoded(frame))
        inside = off[y1:y2, x1:x2]
        assert inside.mean() < 2, "JPEG noise of blocks that lie elsewhere"
        assert np.percentile(inside, 99.9) <= 20
        off[max(0, y1 - 16) : y2 + 16, max(0, x1 - 16) : x2 + 16] = 0
        assert off.max() == 0, "beyond the blocks that the patch touches nothing changes"


def test_a_patch_of_the_demo_takes_less_than_a_fifth_of_the_bytes(demo_avatar: Avatar) -> None:
    count = demo_avatar.manifest.image.template.frames
    patches = mouths(demo_avatar, list(demo_avatar.template_frames())).tobytes()
    compositor = Compositor([pictures_of(demo_avatar)])
    whole, patch = compositor.process(
        [Job(task_of(demo_avatar, output, count), patches) for output in ("frame", "patch")]
    )
    assert sum(map(len, patch)) < sum(map(len, whole)) / 5
    assert max(map(len, patch)) < min(map(len, whole)) / 5


def test_the_pixels_of_a_patch_are_those_of_the_whole_picture(reference_avatar: Avatar) -> None:
    rng = np.random.default_rng(0)
    width, height = reference_avatar.manifest.image.inner
    patches = rng.integers(0, 256, (6, height, width, 3), dtype=np.uint8)
    task = task_of(reference_avatar, "patch", 6, template=9)
    [messages] = Compositor([Pictures(reference_avatar, QUALITY)]).process([Job(task, patches.tobytes())])
    pictures = list(reference_avatar.template_frames())
    for index, message in enumerate(messages):
        header, picture = FrameHeader.unpack(message)
        crop = reference_avatar.crops[header.template]
        assert (header.template, header.bounds) == (reference_avatar.manifest.template_index(9 + index), crop)
        x1, y1, x2, y2 = crop
        whole = overlay(pictures[header.template], crop, patches[index], reference_avatar.manifest)
        assert picture == jpeg.encode_alone(whole[y1:y2, x1:x2], QUALITY)


def test_the_last_patch_of_a_segment_says_so_too(tiny_avatar: Avatar) -> None:
    width, height = tiny_avatar.manifest.image.inner
    task = task_of(tiny_avatar, "patch", 2, samples=641)
    [messages] = Compositor([Pictures(tiny_avatar, QUALITY)]).process([Job(task, bytes(2 * width * height * 3))])
    assert [FrameHeader.unpack(message)[0].flags for message in messages] == [Flag.NONE, Flag.LAST]
