"""Whatever is cut into whatever tasks and batches: the frames are those of one frame at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from common.avatars.package import Avatar
from common.avatars.timeline import OPEN, samples_needed
from common.contracts import Task
from common.jobs import Job
from common.media import frames_covering
from workers.audio.stage import AudioStage, samples_of_task
from workers.compositor.pictures import Pictures
from workers.compositor.stage import Compositor
from workers.inference.cache import RowCache
from workers.inference.stage import Inference, LoadedAvatar, load_avatar

SPEECH: Final = np.random.default_rng(6).normal(0, 6_000, 32_000).clip(-32768, 32767).astype("<i2")
LENGTHS: Final = (0, 1, 159, 399, 400, 401, 639, 640, 641, 800, 1_281, 6_399, 10_240, 32_000)
"""In samples at 16 kHz: around a hop, an FFT, a frame, the encoder's window of 16 columns; up to 2 s."""
SIZES: Final = range(1, 33)


@pytest.fixture(scope="module", params=["tiny_avatar", "reference_avatar"])
def avatar(request: pytest.FixtureRequest) -> Avatar:
    found: Avatar = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def loaded(avatar: Avatar) -> LoadedAvatar:
    return load_avatar(avatar, "cpu", 1)


@pytest.fixture(scope="module")
def compositor(avatar: Avatar) -> Compositor:
    return Compositor([Pictures(avatar, 85)])


def task_of(avatar: Avatar, samples: int, first: int, count: int) -> Task:
    """Of the clip of so many samples; its segment is open where its frames do not tell that it ends."""
    is_open = samples_needed(avatar.manifest, first + count - 1) <= samples
    return Task(
        session=f"clip-{samples:05}", gateway="here", avatar=avatar.name, epoch=0, base=0, first=first, count=count,
        samples=OPEN if is_open else samples, template=first, quality=85, ingest_ms=0, deadline_ms=0, sent_ms=0,
    )  # fmt: skip


def in_tasks(avatar: Avatar, samples: int, size: int) -> list[Task]:
    """The clip as tasks of `size` frames, the last of what is left."""
    frames = frames_covering(samples, avatar.manifest.samples_per_frame)
    return [task_of(avatar, samples, first, min(size, frames - first)) for first in range(0, frames, size)]


def painted(avatar: Avatar, inference: Inference, compositor: Compositor, tasks: Sequence[Task]) -> list[list[bytes]]:
    """The batch through all three stages."""
    given = [SPEECH[slice(*samples_of_task(avatar.manifest, task))].tobytes() for task in tasks]
    columns = AudioStage({avatar.name: avatar.manifest}).process(list(map(Job, tasks, given)))
    patches = inference.process([Job(task, data) for task, (data,) in zip(tasks, columns, strict=True)])
    return compositor.process([Job(task, data) for task, (data,) in zip(tasks, patches, strict=True)])


def test_no_size_of_task_or_batch_changes_a_frame_of_a_clip_of_any_length(
    avatar: Avatar, loaded: LoadedAvatar, compositor: Compositor
) -> None:
    wanted: dict[str, bytes] = {}
    for size in SIZES:
        # Networks that take so many items at once, as on a GPU, and nothing is remembered from the size before.
        engines = {name: replace(getattr(loaded, name), batch=size) for name in ("encoder", "painter")}
        inference = Inference({avatar.name: replace(loaded, **engines)}, RowCache(64))
        tasks = [task for samples in LENGTHS for task in in_tasks(avatar, samples, size)]
        found = dict.fromkeys((task.session for task in tasks), b"")
        for start in range(0, len(tasks), size):
            batch = tasks[start : start + size]
            frames = painted(avatar, inference, compositor, batch)
            assert [len(each) for each in frames] == [task.count for task in batch]
            for task, each in zip(batch, frames, strict=True):
                found[task.session] += b"".join(each)
        wanted = wanted or found
        assert {clip for clip in found if found[clip] != wanted[clip]} == set(), f"in tasks and batches of {size}"
    assert len(wanted) == len(set(wanted.values())) == len(LENGTHS) - 1


@pytest.mark.parametrize("samples", LENGTHS)
def test_a_task_of_more_frames_than_its_clip_has_gets_them_all(
    avatar: Avatar, loaded: LoadedAvatar, compositor: Compositor, samples: int
) -> None:
    """Nobody asks for that; whoever does must not bring a worker down."""
    inference = Inference({avatar.name: loaded})
    count = frames_covering(samples, avatar.manifest.samples_per_frame)
    task = task_of(avatar, samples, 0, 1).model_copy(update={"samples": samples, "count": count + 7})
    (more,) = painted(avatar, inference, compositor, [task])
    alone = painted(avatar, inference, compositor, in_tasks(avatar, samples, 1))
    assert len(more) == count + 7
    assert more[:count] == [frame for (frame,) in alone]
