"""The worker as it is started: what a client may ask for finds it prepared."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.avatars.package import Avatar, Picture
from common.contracts import OFFERED_QUALITIES, Task
from common.jobs import Job
from common.settings import Settings
from workers.compositor import jpeg
from workers.compositor.main import build


def job_of(avatar: Avatar, quality: int) -> Job:
    width, height = avatar.manifest.image.inner
    task = Task(
        session="session-1", gateway="g1", avatar=avatar.name, epoch=0, base=0, first=0, count=2, samples=-1,
        template=5, quality=quality, ingest_ms=0.0, deadline_ms=0.0, sent_ms=0.0,
    )  # fmt: skip
    return Job(task, bytes(task.count * width * height * 3))


@pytest.mark.parametrize("quality", OFFERED_QUALITIES)
def test_the_first_frames_of_a_quality_that_clients_may_ask_for_stall_nobody(
    quality: int, avatars_folder: Path, tiny_avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = build(Settings(avatars=("tiny",), avatars_dir=avatars_folder, jpeg_quality=80))
    encoded: list[Picture] = []
    encode = jpeg.encode

    def counted(picture: Picture, quality: int, grid: jpeg.Grid) -> bytes:
        encoded.append(picture)
        return encode(picture, quality, grid)

    def decoded(_: Avatar) -> Iterator[Picture]:
        raise AssertionError("the template is read while sessions wait")

    monkeypatch.setattr(jpeg, "encode", counted)
    monkeypatch.setattr(Avatar, "template_frames", decoded)
    [frames] = stage.process([job_of(tiny_avatar, quality)])
    whole = tiny_avatar.manifest.image.template
    assert len(encoded) == len(frames) == 2, "each frame costs one encoding"
    assert all(picture.shape[0] < whole.height for picture in encoded), "and that of its face alone"
