"""The audio stage: exactly the samples of a task in, exactly its columns out."""

import numpy as np
import pytest

from common.avatars.manifest import Manifest
from common.avatars.package import Avatar
from common.avatars.timeline import OPEN
from common.contracts import Task
from common.errors import TaskError
from common.jobs import Job
from workers.audio.mel import mel_spectrogram
from workers.audio.stage import AudioStage, columns_of_task, samples_of_task

PCM = (np.random.default_rng(1).normal(0, 4_000, 16_000)).astype("<i2")


def task_of(manifest: Manifest, first: int, count: int, samples: int = len(PCM), base: int = 0) -> Task:
    return Task(
        session="session-1", gateway="g1", avatar=manifest.name, epoch=0, base=base, first=base + first, count=count,
        samples=samples, template=first, quality=85, ingest_ms=0, deadline_ms=0, sent_ms=0,
    )  # fmt: skip


def job_of(manifest: Manifest, task: Task) -> Job:
    return Job(task, PCM[slice(*samples_of_task(manifest, task))].tobytes())


@pytest.fixture(params=["tiny_avatar", "reference_avatar"])
def manifest(request: pytest.FixtureRequest) -> Manifest:
    avatar: Avatar = request.getfixturevalue(request.param)
    return avatar.manifest


def test_a_job_gives_the_columns_of_the_whole_clip_under_its_frames(manifest: Manifest) -> None:
    whole = mel_spectrogram((PCM / 32768).astype(np.float32)).T
    tasks = [task_of(manifest, 0, 3), task_of(manifest, 3, 7, base=100), task_of(manifest, 20, 5)]
    tasks.append(task_of(manifest, 5, 4, samples=OPEN))
    results = AudioStage({manifest.name: manifest}).process([job_of(manifest, task) for task in tasks])
    for task, (columns,) in zip(tasks, results, strict=True):
        assert columns == whole[slice(*columns_of_task(manifest, task))].tobytes()


@pytest.mark.parametrize("change", [-2, -1, 1, 2])
def test_a_payload_of_another_length_is_worth_another_try(manifest: Manifest, change: int) -> None:
    task, payload = job_of(manifest, task_of(manifest, 3, 2))
    other = payload[:change] if change < 0 else payload + b"\0" * change
    with pytest.raises(TaskError, match="the audio ring no longer or not yet holds samples") as caught:
        AudioStage({manifest.name: manifest}).process([Job(task, other)])
    assert caught.value.retryable


def test_an_avatar_of_another_worker_is_worth_another_try(manifest: Manifest) -> None:
    with pytest.raises(TaskError, match=f"does not serve avatar '{manifest.name}'") as caught:
        AudioStage({}).process([job_of(manifest, task_of(manifest, 0, 1))])
    assert caught.value.retryable
