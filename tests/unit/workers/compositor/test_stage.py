"""The stage: whole frames with right headers, whatever the batches."""

from typing import Any

import numpy as np
import pytest

from common.avatars.package import Avatar, Picture
from common.contracts import Task
from common.errors import TaskError
from common.frames import Flag, FrameHeader
from common.jobs import Job
from workers.compositor import jpeg
from workers.compositor.paste import overlay
from workers.compositor.pictures import Pictures
from workers.compositor.stage import Compositor


def task_of(avatar: Avatar, **changes: Any) -> Task:
    values: dict[str, Any] = {
        "session": "session-1", "gateway": "g1", "avatar": avatar.name, "epoch": 2, "base": 0, "first": 0, "count": 3,
        "samples": -1, "template": 0, "quality": 85, "ingest_ms": 0.0, "deadline_ms": 0.0, "sent_ms": 0.0,
    }  # fmt: skip
    return Task(**values | changes)


def patches_for(avatar: Avatar, count: int, seed: int = 0) -> Picture:
    width, height = avatar.manifest.image.inner
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def compositor_of(avatars: list[Avatar], quality: int) -> Compositor:
    return Compositor(Pictures(avatar, quality) for avatar in avatars)


def headers(messages: list[bytes]) -> list[FrameHeader]:
    return [FrameHeader.unpack(message)[0] for message in messages]


@pytest.mark.parametrize("name", ["tiny_avatar", "reference_avatar"])
@pytest.mark.parametrize("quality", [85, 50])
def test_a_frame_is_the_whole_template_frame_repainted_and_encoded(
    name: str, quality: int, request: pytest.FixtureRequest
) -> None:
    avatar: Avatar = request.getfixturevalue(name)
    manifest, template = avatar.manifest, avatar.manifest.image.template
    count = 2 * template.frames + 3
    patches = patches_for(avatar, count)
    task = task_of(avatar, count=count, template=5, quality=quality)
    [messages] = compositor_of([avatar], 85).process([Job(task, patches.tobytes())])
    pictures = list(avatar.template_frames())
    for index, message in enumerate(messages):
        header, picture = FrameHeader.unpack(message)
        shown = manifest.template_index(5 + index)
        expected = overlay(pictures[shown], avatar.crops[shown], patches[index], manifest)
        assert header.template == shown
        assert picture == jpeg.encode(expected, quality, jpeg.segment_grid(template.width, template.height))


def test_headers_carry_the_media_clock(tiny_avatar: Avatar) -> None:
    task = task_of(tiny_avatar, base=90, first=100, epoch=7, template=11)
    [messages] = compositor_of([tiny_avatar], 85).process([Job(task, patches_for(tiny_avatar, 3).tobytes())])
    assert headers(messages) == [
        FrameHeader(7, 100, 4_000_000, 11, (0, 0, 256, 160)),
        FrameHeader(7, 101, 4_040_000, 10, (0, 0, 256, 160)),
        FrameHeader(7, 102, 4_080_000, 9, (0, 0, 256, 160)),
    ]


@pytest.mark.parametrize(
    ("samples", "last"),
    [(-1, None), (640 * 13, 102), (640 * 13 - 639, 102), (640 * 13 + 1, None), (640 * 12, 101), (640 * 40, None)],
)
def test_only_the_last_frame_of_an_ended_segment_says_so(tiny_avatar: Avatar, samples: int, last: int | None) -> None:
    task = task_of(tiny_avatar, base=90, first=100, samples=samples)
    [messages] = compositor_of([tiny_avatar], 85).process([Job(task, patches_for(tiny_avatar, 3).tobytes())])
    flagged = [header.frame for header in headers(messages) if header.flags & Flag.LAST]
    assert flagged == ([] if last is None else [last])


def test_how_frames_are_batched_does_not_change_them(tiny_avatar: Avatar, reference_avatar: Avatar) -> None:
    jobs = []
    for avatar in (tiny_avatar, reference_avatar):
        patches = patches_for(avatar, 6)
        jobs += [
            Job(task_of(avatar, first=i, count=2, template=i, quality=85 - 20 * (i // 4)), patches[i : i + 2].tobytes())
            for i in (0, 2, 4)
        ]
    together = compositor_of([tiny_avatar, reference_avatar], 85).process(jobs)
    another = compositor_of([reference_avatar, tiny_avatar], 65)
    singly = [another.process([job])[0] for job in reversed(jobs)]
    assert together == singly[::-1]


def test_the_mouths_of_two_sessions_do_not_mix(tiny_avatar: Avatar) -> None:
    compositor = compositor_of([tiny_avatar], 85)
    jobs = [
        Job(task_of(tiny_avatar, session=f"session-{i}"), patches_for(tiny_avatar, 3, seed=i).tobytes()) for i in (1, 2)
    ]
    first, second = compositor.process(jobs)
    assert [first] == compositor.process(jobs[:1])
    assert all(a != b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("change", [-1, 1])
def test_a_payload_of_the_wrong_size_is_given_up(tiny_avatar: Avatar, change: int) -> None:
    payload = patches_for(tiny_avatar, 3).tobytes()
    wrong = payload[:-1] if change < 0 else payload + b"\0"
    with pytest.raises(TaskError, match=f"are {len(payload)} bytes, got {len(wrong)}") as raised:
        compositor_of([tiny_avatar], 85).process([Job(task_of(tiny_avatar), wrong)])
    assert not raised.value.retryable


def test_an_avatar_that_is_not_loaded_is_given_up(tiny_avatar: Avatar, reference_avatar: Avatar) -> None:
    job = Job(task_of(reference_avatar), patches_for(reference_avatar, 3).tobytes())
    with pytest.raises(TaskError, match=r"does not serve avatar 'reference'; it serves: tiny") as raised:
        compositor_of([tiny_avatar], 85).process([job])
    assert raised.value.retryable
