"""What docs/memory.md says that a worker keeps, measured."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from common.avatars.package import Avatar
from common.avatars.timeline import lookahead_samples, lookback_samples
from common.contracts import OFFERED_QUALITIES, Task
from common.jobs import Job
from common.media import BYTES_PER_SAMPLE
from common.settings import Settings
from workers.audio.stage import AudioStage, samples_of_task
from workers.compositor.pictures import UNFORESEEN_KEPT, Pictures
from workers.inference.cache import RowCache, key_of
from workers.inference.pictures import load_pictures
from workers.inference.stage import CACHED_ROWS

ROW_BYTES = 600
"""What a row takes beside its features: its key, its array, its place, and what it alone keeps of its task."""
BATCH_WINDOWS = 32
OBJECT_BYTES = 64
"""What an object takes beside its content, some more for pictures and rectangles."""
OWN_QUALITY = 80
"""None that a client may ask for."""


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Tells how many bytes are held of what was allocated since."""
    gc.collect()
    tracemalloc.start()
    try:
        yield _held_bytes
    finally:
        tracemalloc.stop()


def _held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def task_of(avatar: Avatar, number: int, count: int = 1) -> Task:
    """As it comes from Redis: with texts of its own."""
    fields = {
        "session": f"{number % 100:032x}", "gateway": "here", "avatar": avatar.name, "epoch": 300, "base": 5_000,
        "first": 5_000 + number, "count": count, "samples": -1, "template": 0, "quality": 85, "ingest_ms": 0,
        "deadline_ms": 0, "sent_ms": 0,
    }  # fmt: skip
    return Task.from_fields({name.encode(): str(value).encode() for name, value in fields.items()})


@pytest.mark.parametrize("features", [16, 512])
def test_the_rows_that_are_kept_take_what_the_formula_says_however_many_came(
    tiny_avatar: Avatar, features: int
) -> None:
    cache = RowCache(CACHED_ROWS)
    with traced() as held_bytes:
        for first in range(0, 2 * CACHED_ROWS, BATCH_WINDOWS):
            rows = np.zeros((BATCH_WINDOWS, features), np.float32)
            for number, row in enumerate(rows, first):
                task = task_of(tiny_avatar, number)
                cache.put(key_of(task, task.offset), row)
        del rows, row, task
        held = held_bytes()
    assert len(cache) == CACHED_ROWS == 2_048
    limit = CACHED_ROWS * (4 * features + ROW_BYTES)
    assert 0.9 * limit < held <= limit


def test_a_compositor_keeps_the_faces_and_the_rests_of_a_bounded_number_of_qualities(reference_avatar: Avatar) -> None:
    Pictures(reference_avatar, 85).remains(60)  # what is loaded at the first use is not counted
    with traced() as held_bytes:
        pictures = Pictures(reference_avatar, OWN_QUALITY, further=OFFERED_QUALITIES)
        foreseen = [rests_bytes(pictures, quality) for quality in (OWN_QUALITY, *OFFERED_QUALITIES)]
        others = [rests_bytes(pictures, quality) for quality in range(40, 60)]
        held = held_bytes()
    sizes = [face.region.rect for face in pictures.faces]
    faces = sum((right - left) * (bottom - top) * 3 for left, top, right, bottom in sizes)
    limit = faces + sum(foreseen) + sum(others[-UNFORESEEN_KEPT:])
    pieces = (len(foreseen) + UNFORESEEN_KEPT) * sum(map(len, pictures.remains(85)))
    assert limit <= held <= limit + (pieces + 8 * len(pictures.faces)) * OBJECT_BYTES


def rests_bytes(pictures: Pictures, quality: int) -> int:
    return sum(len(piece) for rest in pictures.remains(quality) for piece in rest)


def test_an_inference_worker_keeps_what_its_network_sees_of_the_template(reference_avatar: Avatar) -> None:
    image = reference_avatar.manifest.image
    width, height = image.inner
    assert load_pictures(reference_avatar).rois.nbytes == image.template.frames * width * height * 3


@pytest.mark.parametrize("name", ["tiny_avatar", "reference_avatar"])
def test_an_audio_worker_keeps_nothing_and_its_batch_is_bounded(name: str, request: pytest.FixtureRequest) -> None:
    avatar: Avatar = request.getfixturevalue(name)
    manifest, settings = avatar.manifest, Settings()
    stage = AudioStage({avatar.name: manifest})
    tasks = [task_of(avatar, 100 * number, settings.task_frames) for number in range(settings.batch_max)]
    jobs = [Job(task, bytes(BYTES_PER_SAMPLE * samples_of_task(manifest, task).length)) for task in tasks]
    around = (lookback_samples(manifest) + lookahead_samples(manifest)) / manifest.samples_per_frame
    frame_bytes = BYTES_PER_SAMPLE * manifest.samples_per_frame
    limit = settings.batch_max * (settings.task_frames + around) * frame_bytes
    assert limit / 2 < sum(len(job.payload) for job in jobs) <= limit
    stage.process(jobs)
    with traced() as held_bytes:
        for _ in range(3):
            stage.process(jobs)
        assert held_bytes() < limit / 50
