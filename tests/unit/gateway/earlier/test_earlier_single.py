"""Which frame of which segment a request for a mouth asks for."""

import cv2
import numpy as np
import pytest

from common.avatars.package import Avatar
from common.errors import AudioError
from gateway.actions import Append, Publish
from gateway.earlier.messages import WINDOW_BYTES
from gateway.earlier.pictures import cut, loop_position, patch_shape, template_picture
from gateway.earlier.single import AUDIO_MAX_BYTES, actions_of, window_of


@pytest.mark.parametrize(("chunks", "frame"), [(16, 8), (15, 7), (2, 1), (1, 0), (24, 12)])
def test_the_middle_of_a_window_is_asked_for(tiny_avatar: Avatar, chunks: int, frame: int) -> None:
    window = window_of(tiny_avatar.manifest, bytes(1_920 * chunks))
    assert (window.frame, window.samples, len(window.appends)) == (frame, 640 * chunks, chunks)


def test_no_audio_is_a_window_of_silence(tiny_avatar: Avatar) -> None:
    assert window_of(tiny_avatar.manifest, b"") == window_of(tiny_avatar.manifest, bytes(WINDOW_BYTES))


def test_a_single_sample_is_a_window_too(tiny_avatar: Avatar) -> None:
    window = window_of(tiny_avatar.manifest, b"\1\0")
    assert (window.samples, window.frame, len(window.appends)) == (1, 0, 1)


def test_too_long_a_window_is_refused(tiny_avatar: Avatar) -> None:
    with pytest.raises(AudioError) as caught:
        window_of(tiny_avatar.manifest, bytes(AUDIO_MAX_BYTES + 2))
    assert caught.value.limit == AUDIO_MAX_BYTES


def test_the_task_is_one_frame_of_a_closed_segment_over_the_wanted_template(tiny_avatar: Avatar) -> None:
    window = window_of(tiny_avatar.manifest, bytes(WINDOW_BYTES))
    *appends, task = actions_of(tiny_avatar, window, 15, 1_000.0)
    assert all(isinstance(append, Append) for append in appends)
    assert isinstance(task, Publish)
    assert (task.base, task.first, task.count, task.samples) == (0, 8, 1, 10_240)
    assert tiny_avatar.manifest.template_index(task.template) == 7


@pytest.mark.parametrize("start", [0, 5])
@pytest.mark.parametrize("loop", ["cycle", "ping_pong"])
def test_ids_within_the_template_are_its_frames_and_others_go_round(tiny_avatar: Avatar, loop: str, start: int) -> None:
    template = tiny_avatar.manifest.image.template.model_copy(update={"loop": loop, "start": start})
    image = tiny_avatar.manifest.image.model_copy(update={"template": template})
    manifest = tiny_avatar.manifest.model_copy(update={"image": image})
    frames = [manifest.template_index(loop_position(manifest, frame_id)) for frame_id in range(24)]
    assert frames[:12] == list(range(12))
    assert frames[12:] == (list(range(12)) if loop == "cycle" else [*range(10, -1, -1), 1])


def test_a_template_of_one_frame_stands_still(tiny_avatar: Avatar) -> None:
    template = tiny_avatar.manifest.image.template.model_copy(update={"frames": 1})
    image = tiny_avatar.manifest.image.model_copy(update={"template": template})
    manifest = tiny_avatar.manifest.model_copy(update={"image": image})
    assert {manifest.template_index(loop_position(manifest, frame_id)) for frame_id in range(5)} == {0}


def test_the_shape_is_that_of_the_painted_patch(tiny_avatar: Avatar, reference_avatar: Avatar) -> None:
    assert patch_shape(tiny_avatar.manifest) == "64x96x3"
    assert patch_shape(reference_avatar.manifest) == "80x80x3"


def test_a_rectangle_is_cut_where_its_bounds_say() -> None:
    picture = np.zeros((64, 96, 3), dtype=np.uint8)
    picture[16:32, 48:80] = (0, 0, 255)
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    inside = cv2.imdecode(np.frombuffer(cut(jpeg, (48, 16, 80, 32)), dtype=np.uint8), cv2.IMREAD_COLOR)
    assert inside.shape == (16, 32, 3)
    assert inside[4:-4, 4:-4, 2].min() > 200
    assert inside[4:-4, 4:-4, :2].max() < 60


def test_a_face_is_the_templates_crop(tiny_avatar: Avatar) -> None:
    def decoded(video_type: str) -> np.ndarray:  # type: ignore[type-arg]
        jpeg = template_picture(tiny_avatar, 13, video_type, 95)
        return np.asarray(cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR), dtype=int)

    x1, y1, x2, y2 = tiny_avatar.crops[9]
    for video_type in ("crops_328", "face"):
        assert np.abs(decoded(video_type) - decoded("full_body")[y1:y2, x1:x2]).max() < 20
