"""The offline renderer over small real avatars."""

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cli.render import render_file
from common.avatars.package import Avatar
from common.errors import AudioError, AvatarError, InputError
from common.frames import Flag, FrameHeader
from common.settings import Settings
from workers.offline.media import Clip
from workers.offline.render import load_stages, pcm_of, render_frames, tasks_of

NOISE = np.random.default_rng(3).integers(-9_000, 9_000, 16_000).astype("<i2").tobytes()


def rendered(avatar: Avatar, settings: Settings, pcm: bytes) -> list[bytes]:
    """With stages of its own, so that nothing computed before is at hand."""
    return list(render_frames(avatar.manifest, load_stages(avatar, settings), pcm, settings))


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (639, 1), (640, 1), (641, 2), (5_120, 8), (5_121, 9)])
@pytest.mark.parametrize("name", ["tiny", "reference"])
def test_n_samples_have_n_by_640_frames_rounded_up_and_the_last_is_marked(
    request: pytest.FixtureRequest,
    settings: Settings,
    name: str,
    samples: int,
    frames: int,
) -> None:
    avatar = request.getfixturevalue(f"{name}_avatar")
    messages = rendered(avatar, settings, NOISE[: 2 * samples])
    headers = [FrameHeader.unpack(message)[0] for message in messages]
    assert [(h.frame, h.pts_us) for h in headers] == [(i, i * 40_000) for i in range(frames)]
    assert [h.template for h in headers] == [avatar.manifest.template_index(i) for i in range(frames)]
    assert [h.flags for h in headers] == [Flag.NONE] * (frames - 1) + [Flag.LAST]


@pytest.mark.parametrize("name", ["tiny", "reference"])
def test_the_frames_do_not_depend_on_how_the_work_is_cut_into_tasks(
    request: pytest.FixtureRequest, settings: Settings, name: str
) -> None:
    avatar = request.getfixturevalue(f"{name}_avatar")
    wanted = rendered(avatar, settings, NOISE)
    for task_frames in (1, 3, 25):
        cut = settings.model_copy(update={"task_frames": task_frames})
        assert rendered(avatar, cut, NOISE) == wanted


@pytest.mark.parametrize("name", ["tiny", "reference"])
def test_the_frames_do_not_depend_on_how_many_threads_run_the_models(
    request: pytest.FixtureRequest, settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    avatar = request.getfixturevalue(f"{name}_avatar")
    found = []
    for cores in (1, 4):
        monkeypatch.setattr("workers.offline.render.cores", lambda cores=cores: cores)
        assert load_stages(avatar, settings).models == cores
        found.append(rendered(avatar, settings, NOISE))
    assert found[0] == found[1]


def test_each_frame_is_a_whole_picture_and_the_mouth_follows_the_sound(tiny_avatar: Avatar, settings: Settings) -> None:
    stages = load_stages(tiny_avatar, settings)

    def pictures(pcm: bytes) -> list[NDArray[np.uint8]]:
        messages = render_frames(tiny_avatar.manifest, stages, pcm, settings)
        jpegs = [FrameHeader.unpack(message)[1] for message in messages]
        return [np.asarray(cv2.imdecode(np.frombuffer(j, np.uint8), cv2.IMREAD_COLOR), np.uint8) for j in jpegs]

    # One after the other through the same stages: what they remember of the first must not show in the second.
    loud, silent = pictures(NOISE), pictures(bytes(len(NOISE)))
    assert {picture.shape for picture in loud} == {(160, 256, 3)}
    differ = [(a != b).any() for a, b in zip(loud, silent, strict=True)]
    assert sum(differ) > len(differ) / 2


def test_tasks_cover_the_recording_once_and_in_order(tiny_avatar: Avatar, settings: Settings) -> None:
    tasks = list(tasks_of(tiny_avatar.manifest, NOISE, settings))
    assert [frame for task in tasks for frame in range(task.first, task.end)] == list(range(25))
    assert {(task.base, task.samples, task.epoch) for task in tasks} == {(0, 16_000, 0)}
    assert max(task.count for task in tasks) == settings.task_frames


def test_a_file_becomes_a_video_with_its_sound_and_a_folder_of_frames(
    tmp_path: Path, speech_file: Path, settings: Settings
) -> None:
    output, folder = tmp_path / "out.mp4", tmp_path / "frames"
    summary = render_file(speech_file, "tiny", settings, output, folder)
    assert (summary.frames, summary.duration_s) == (25, 1.0)
    assert [path.name for path in sorted(folder.iterdir())] == [f"{i:06d}.jpg" for i in range(25)]
    with av.open(str(output)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.frames, video.width, video.height) == (25, 256, 160)
        assert float(audio.duration * audio.time_base) == pytest.approx(1, abs=0.002)
    assert json.loads(summary.as_json())["frames"] == 25


def test_the_files_rate_is_resampled_as_a_gateway_does(speech: NDArray[np.int16]) -> None:
    assert len(pcm_of(Clip(speech, 24_000))) == 2 * 16_000
    assert pcm_of(Clip(speech, 16_000)) == speech.astype("<i2").tobytes()


def test_a_recording_of_which_nothing_is_left_at_16_khz_is_refused() -> None:
    with pytest.raises(AudioError, match="too short: 1 samples at 48000 Hz"):
        pcm_of(Clip(np.ones(1, np.int16), 48_000))


def test_without_a_place_for_the_result_nothing_is_rendered(speech_file: Path, settings: Settings) -> None:
    with pytest.raises(InputError, match="say where the result goes"):
        render_file(speech_file, "tiny", settings, None, None)


def test_an_unknown_avatar_is_refused_with_those_that_are_known(
    tmp_path: Path, speech_file: Path, settings: Settings
) -> None:
    with pytest.raises(AvatarError, match="unknown avatar 'nobody'; known: reference, tiny"):
        render_file(speech_file, "nobody", settings, tmp_path / "out.mp4", None)
    assert list(tmp_path.iterdir()) == []
