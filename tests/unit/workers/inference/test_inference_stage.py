"""The inference stage: one batch for many sessions, and nobody's pixels depend on who else is in it."""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from common.avatars.package import Avatar, default_folder, load
from common.avatars.timeline import OPEN, samples_needed
from common.contracts import Task
from common.errors import AvatarError, TaskError
from common.jobs import Job
from common.media import frames_covering
from workers.audio.mel import mel_spectrogram
from workers.audio.stage import AudioStage, samples_of_task
from workers.inference.cache import RowCache
from workers.inference.engine import Engine
from workers.inference.stage import Inference, LoadedAvatar, load_avatar

SPEECH = {
    "session-1": np.random.default_rng(4).normal(0, 5_000, 16_000).clip(-32768, 32767).astype("<i2"),
    "session-2": (12_000 * np.sin(np.arange(9_999) / 9)).astype("<i2"),
    "session-3": np.random.default_rng(5).integers(-900, 900, 700).astype("<i2"),
}

SHORT = ("session-2", "session-3")


def task_of(avatar: Avatar, session: str, first: int, count: int, *, samples: int | None = None, **more: Any) -> Task:
    closed = len(SPEECH[session]) if samples is None else samples
    values = {"session": session, "gateway": "g1", "avatar": avatar.name, "epoch": 0, "base": 0, "first": first}
    values |= {"count": count, "samples": closed, "template": first, "quality": 85}
    values |= {"ingest_ms": 0, "deadline_ms": 0, "sent_ms": 0}
    return Task.model_validate(values | more)


def with_columns(avatar: Avatar, tasks: list[Task]) -> list[Job]:
    """The jobs as the audio stage hands them on."""
    manifest = avatar.manifest
    jobs = [Job(task, SPEECH[task.session][slice(*samples_of_task(manifest, task))].tobytes()) for task in tasks]
    columns = AudioStage({avatar.name: manifest}).process(jobs)
    return [Job(task, result) for task, (result,) in zip(tasks, columns, strict=True)]


def whole(avatar: Avatar, session: str) -> Task:
    return task_of(avatar, session, 0, frames_covering(len(SPEECH[session]), 640))


def in_pieces(avatar: Avatar, session: str, size: int) -> list[Task]:
    """The clip as tasks of some frames each, open as long as their look-ahead allows."""
    length = len(SPEECH[session])
    tasks = []
    for first in range(0, frames_covering(length, 640), size):
        count = min(size, frames_covering(length, 640) - first)
        is_open = samples_needed(avatar.manifest, first + count - 1) <= length
        tasks.append(task_of(avatar, session, first, count, samples=OPEN if is_open else length))
    return tasks


@pytest.fixture(scope="module", params=["tiny_avatar", "reference_avatar"])
def avatar(request: pytest.FixtureRequest) -> Avatar:
    found: Avatar = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def loaded(avatar: Avatar) -> LoadedAvatar:
    return load_avatar(avatar, "cpu", 1)


@pytest.fixture
def inference(avatar: Avatar, loaded: LoadedAvatar) -> Inference:
    return Inference({avatar.name: loaded})


def patches_of(avatar: Avatar, result: list[bytes]) -> NDArray[np.uint8]:
    height, width = avatar.manifest.output.tensor.shape[1:]
    (data,) = result
    return np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)


def synctalk_frames(avatar: Avatar, samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What SyncTalk-2D's offline loop paints, one frame at a time; independent of our windows and pictures."""
    manifest = avatar.manifest
    assert manifest.audio.encoder is not None
    encoder = ort.InferenceSession(str(avatar.file(manifest.audio.encoder.model)), providers=["CPUExecutionProvider"])
    unet = ort.InferenceSession(str(avatar.file(manifest.models[0])), providers=["CPUExecutionProvider"])
    mel = mel_spectrogram(samples).T
    mel = np.concatenate([mel, np.full((max(0, 16 - len(mel)), 80), -4, np.float32)])
    outputs = []
    for k in range(int((len(mel) - 16) / 80.0 * 25.0) + 2):
        start = min(int(80.0 * (k / 25.0)), len(mel) - 16)
        outputs.append(encoder.run(None, {"mel": mel[start : start + 16].T[None, None]})[0][0])
    padded = [np.zeros(32, np.float32)] * 8 + [outputs[0], *outputs, outputs[-1]] + [np.zeros(32, np.float32)] * 99
    templates = list(avatar.template_frames())
    frames = []
    for index in range(-(-len(samples) // 640)):
        place = manifest.template_index(index)
        x1, y1, x2, y2 = avatar.crops[place]
        real = cv2.resize(templates[place][y1:y2, x1:x2], (88, 88), interpolation=cv2.INTER_CUBIC)[4:84, 4:84].copy()
        hidden = cv2.rectangle(real.copy(), (5, 5, 70, 66), (0, 0, 0), -1)
        picture = np.concatenate([p.transpose(2, 0, 1).astype(np.float32) / 255.0 for p in (real, hidden)])
        audio = np.stack(padded[index : index + 16]).reshape(1, 32, 4, 4)
        painted = unet.run(None, {"picture": picture[None], "audio": audio})[0][0]
        frames.append(np.array(painted.transpose(1, 2, 0) * 255, dtype=np.uint8))
    return np.stack(frames)


@pytest.mark.parametrize("session", SPEECH)
def test_the_reference_family_paints_what_the_offline_loop_of_its_model_paints(
    reference_avatar: Avatar, session: str
) -> None:
    inference = Inference({"reference": load_avatar(reference_avatar, "cpu", 1)})
    (result,) = inference.process(with_columns(reference_avatar, [whole(reference_avatar, session)]))
    wanted = synctalk_frames(reference_avatar, (SPEECH[session] / 32768).astype(np.float32))
    assert np.array_equal(patches_of(reference_avatar, result), wanted)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_streaming_in_pieces_paints_what_the_whole_clip_paints(avatar: Avatar, inference: Inference, size: int) -> None:
    for session in SPEECH:
        ((clip,),) = inference.process(with_columns(avatar, [whole(avatar, session)]))
        inference.cache.clear()
        pieces = [inference.process([job])[0][0] for job in with_columns(avatar, in_pieces(avatar, session, size))]
        assert b"".join(pieces) == clip


def test_a_batch_gives_each_job_what_it_gets_alone(avatar: Avatar, inference: Inference) -> None:
    tasks = [task for session in SPEECH for task in in_pieces(avatar, session, 5)]
    jobs = with_columns(avatar, tasks)
    together = inference.process(jobs)
    alone = []
    for job in jobs:
        inference.cache.clear()
        alone += inference.process([job])
    assert together == alone
    assert [len(patches_of(avatar, result)) for result in together] == [task.count for task in tasks]


def test_the_order_of_jobs_does_not_matter(avatar: Avatar, inference: Inference) -> None:
    jobs = with_columns(avatar, [task for session in SPEECH for task in in_pieces(avatar, session, 4)])
    straight = inference.process(jobs)
    inference.cache.clear()
    assert inference.process(jobs[::-1])[::-1] == straight


@dataclasses.dataclass
class Counting:
    """An engine that notes the sizes of its batches."""

    engine: Engine
    batch: int
    sizes: list[int] = dataclasses.field(default_factory=list)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        self.sizes.append(len(next(iter(feeds.values()))))
        return self.engine.run(feeds)


def counted(loaded: LoadedAvatar, batch: int = 32) -> tuple[Inference, Counting, Counting]:
    """The stage with engines that take some items at once, as on a GPU."""
    encoder, painter = Counting(loaded.encoder, batch), Counting(loaded.painter, batch)
    watched = dataclasses.replace(loaded, encoder=encoder, painter=painter)
    return Inference({loaded.manifest.name: watched}), encoder, painter


def test_the_largest_batch_of_the_engines_changes_no_pixel(
    avatar: Avatar, loaded: LoadedAvatar, inference: Inference
) -> None:
    jobs = with_columns(avatar, [task for session in SPEECH for task in in_pieces(avatar, session, 7)])
    wanted = inference.process(jobs)
    for size in (4, 1_000):
        assert counted(loaded, size)[0].process(jobs) == wanted


def test_jobs_of_many_sessions_run_as_one_batch(reference_avatar: Avatar) -> None:
    inference, encoder, painter = counted(load_avatar(reference_avatar, "cpu", 1))
    tasks = [task_of(reference_avatar, session, 0, 2) for session in ("session-1", "session-2")]
    inference.process(with_columns(reference_avatar, tasks))
    # Frames 0 and 1 see the steps 0 to 7.
    assert (encoder.sizes, painter.sizes) == ([16], [4])


def test_no_call_of_a_network_exceeds_its_largest_batch(avatar: Avatar, loaded: LoadedAvatar) -> None:
    inference, encoder, painter = counted(loaded, 6)
    inference.process(with_columns(avatar, [whole(avatar, "session-1")]))
    assert max(encoder.sizes) == max(painter.sizes) == 6
    assert sum(painter.sizes) == 25


def test_the_encoder_runs_once_a_step_while_a_session_stays(avatar: Avatar, loaded: LoadedAvatar) -> None:
    inference, encoder, _ = counted(loaded)
    clip = len(SPEECH["session-1"])
    for job in with_columns(avatar, in_pieces(avatar, "session-1", 2)):
        inference.process([job])
    assert sum(encoder.sizes) == {"tiny": frames_covering(clip, 640), "reference": 22}[avatar.name]


def test_a_full_or_empty_cache_changes_no_pixel(avatar: Avatar, loaded: LoadedAvatar) -> None:
    jobs = with_columns(avatar, in_pieces(avatar, "session-1", 3))
    warm, cold, tight = (
        Inference({avatar.name: loaded}),
        Inference({avatar.name: loaded}, cache=RowCache(0)),
        Inference({avatar.name: loaded}, cache=RowCache(5)),
    )
    for job in jobs:
        warm_result = warm.process([job])
        assert warm_result == cold.process([job]) == tight.process([job]) == warm.process([job])
    assert (len(cold.cache), len(tight.cache)) == (0, 5)


@pytest.mark.parametrize("change", [{"epoch": 1}, {"base": 50, "first": 50}, {"session": "session-9"}])
def test_another_epoch_segment_or_session_does_not_hear_this_one(
    avatar: Avatar, inference: Inference, loaded: LoadedAvatar, change: dict[str, Any]
) -> None:
    inference.process(with_columns(avatar, [task_of(avatar, "session-1", 0, 3, samples=OPEN)]))
    (other,) = with_columns(avatar, [task_of(avatar, "session-2", 0, 3, samples=OPEN)])
    task = other.task.model_copy(update={"session": "session-1", **change})
    assert inference.process([Job(task, other.payload)]) == Inference({avatar.name: loaded}).process([other])


def test_the_template_position_is_the_tasks_not_the_audios(avatar: Avatar, inference: Inference) -> None:
    results = inference.process(
        with_columns(avatar, [task_of(avatar, "session-1", 4, 1, template=t) for t in (4, 5, 26)])
    )
    # Twelve frames of ping-pong repeat after 22.
    assert results[0] == results[2] != results[1]


def test_avatars_in_one_batch_are_kept_apart(tiny_avatar: Avatar, reference_avatar: Avatar) -> None:
    both = [tiny_avatar, reference_avatar]
    inference = Inference({avatar.name: load_avatar(avatar, "cpu", 1) for avatar in both})
    jobs = [with_columns(avatar, [task_of(avatar, s, 2, 2)])[0] for s in ("session-1", "session-2") for avatar in both]
    together = inference.process(jobs)
    inference.cache.clear()
    assert together == [inference.process([job])[0] for job in jobs]


def test_a_payload_of_another_size_can_never_be_painted(avatar: Avatar, inference: Inference) -> None:
    (job,) = with_columns(avatar, [task_of(avatar, "session-1", 0, 2)])
    with pytest.raises(TaskError, match=r"payload: \d+ bytes, but frames \[0, 2\) need \d+ columns") as caught:
        inference.process([job._replace(payload=job.payload[:-4])])
    assert not caught.value.retryable


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_columns_that_are_no_numbers_can_never_be_painted(avatar: Avatar, inference: Inference, value: float) -> None:
    (job,) = with_columns(avatar, [task_of(avatar, "session-1", 0, 2)])
    columns = np.frombuffer(job.payload, np.float32).copy()
    columns[len(columns) // 2] = value
    with pytest.raises(TaskError, match=r"frames \[0, 2\) hold NaN or infinity") as caught:
        inference.process([job._replace(payload=columns.tobytes())])
    assert not caught.value.retryable


def test_an_avatar_of_another_worker_is_worth_another_try(avatar: Avatar) -> None:
    with pytest.raises(TaskError, match=f"does not serve avatar '{avatar.name}'") as caught:
        Inference({}).process(with_columns(avatar, [task_of(avatar, "session-1", 0, 1)]))
    assert caught.value.retryable


def test_no_jobs_give_no_results(inference: Inference) -> None:
    assert inference.process([]) == []


def test_loading_logs_what_runs_the_networks(avatar: Avatar, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load_avatar(avatar, "cpu", 1)
    assert "encoder.onnx runs on CPUExecutionProvider" in caplog.text
    assert "painter.onnx runs on CPUExecutionProvider" in caplog.text


def test_a_package_without_its_encoder_does_not_load(tiny_avatar: Avatar, tmp_path: Path) -> None:
    with pytest.raises(AvatarError, match=r"lacks its file encoder\.onnx"):
        load_avatar(dataclasses.replace(tiny_avatar, folder=tmp_path), "cpu", 1)


@pytest.mark.skipif(not (default_folder() / "demo" / "avatar.json").is_file(), reason="the demo avatar is not there")
@pytest.mark.parametrize("threads", [1, 2])
def test_the_demo_paints_the_same_alone_in_pieces_and_in_a_batch(threads: int) -> None:
    avatar = load(default_folder(), "demo")
    inference = Inference({"demo": load_avatar(avatar, "cpu", threads)})
    jobs = with_columns(avatar, [task for session in SHORT for task in in_pieces(avatar, session, 3)])
    together = inference.process(jobs)
    for job, result in zip(jobs, together, strict=True):
        inference.cache.clear()
        assert inference.process([job])[0] == result
