"""What each kind of job does, without a queue."""

import io
import os
import time
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from aiohttp import ClientPayloadError
from botocore.exceptions import EndpointConnectionError
from fsspec.implementations.local import LocalFileSystem

from common.background.requests import Export, Frames, Prune, Render
from common.errors import AudioError, AvatarError, InputError
from common.places import StoreError
from common.recording.records import RecordingError
from tests.unit.cli.replay.spoken import FRAMES, recorded
from tests.unit.workers.jobs.conftest import JOB, Told
from workers.jobs.kinds import DO, Work, export, frames, prune, render

MakeWork = Callable[..., Work]


def speech(seconds: float, rate_hz: int = 16_000) -> bytes:
    """A WAV of noise."""
    target, samples = io.BytesIO(), int(seconds * rate_hz)
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.random.default_rng(1).integers(-9_000, 9_000, samples).astype("<i2").tobytes())
    return target.getvalue()


def upload(work: Work, content: bytes) -> None:
    with work.files.open_upload(JOB) as file:
        file.write(content)


def result(work: Work) -> bytes:
    return b"".join(work.files.result(JOB))


def test_uploaded_audio_becomes_a_video_of_as_many_frames(make_work: MakeWork, told: Told) -> None:
    work = make_work()
    upload(work, speech(1.01))
    outcome = render(Render(avatar="tiny"), work)
    assert outcome.facts == {"frames": 26, "fps": 25, "duration_s": 1.01}
    assert outcome.file is not None
    assert (outcome.file.name, outcome.file.media_type) == ("tiny.mp4", "video/mp4")
    assert outcome.file.size_bytes == len(result(work))
    with av.open(io.BytesIO(result(work))) as container:
        assert len([*container.decode(video=0)]) == 26
    assert told == [(done, 26) for done in range(27)]


def test_a_better_quality_is_a_larger_picture(make_work: MakeWork) -> None:
    sizes = []
    for quality in (20, 95):
        work = make_work()
        frames(Frames(avatar="tiny", quality=quality), work)
        sizes.append(len(result(work)))
    assert sizes[1] > 1.5 * sizes[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no audio at all", "cannot read the upload"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "cannot read the upload"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "cannot read the upload"),
        (speech(0), "0 samples"),
        (speech(2.5), "longer than 2 s"),
    ],
    ids=["noise", "playlist", "concat", "empty", "long"],
)
def test_an_upload_that_is_no_audio_or_too_long_is_refused_without_a_word_on_our_folders(
    make_work: MakeWork, content: bytes, words: str, tmp_path: Path
) -> None:
    work = make_work(jobs_audio_s=2)
    upload(work, content)
    with pytest.raises(AudioError, match=words) as caught:
        render(Render(avatar="tiny"), work)
    assert str(tmp_path) not in caught.value.message


def test_a_playlist_is_not_followed_to_a_file_that_is_there(make_work: MakeWork, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(speech(1))
    work = make_work()
    upload(work, f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n".encode())
    with pytest.raises(AudioError):
        render(Render(avatar="tiny"), work)


def test_without_its_upload_there_is_nothing_to_render(make_work: MakeWork) -> None:
    with pytest.raises(InputError, match="not there any more"):
        render(Render(avatar="tiny"), make_work())


@pytest.mark.parametrize("kind", ["render", "frames"])
def test_an_unknown_avatar_is_refused(make_work: MakeWork, kind: str) -> None:
    work = make_work()
    upload(work, speech(0.1))
    request = {"render": Render, "frames": Frames}[kind](avatar="nobody")
    with pytest.raises(AvatarError, match="known: reference, tiny"):
        DO[kind](request, work)  # type: ignore[index]


def test_a_recording_becomes_a_video_of_the_frames_that_were_sent(
    make_work: MakeWork, avatars_folder: Path, tmp_path: Path, told: Told
) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "session-1.lsrec").write_bytes(recorded(avatars_folder))
    work = make_work()
    outcome = export(Export(session="session-1"), work)
    assert outcome.facts["frames"] == FRAMES
    with av.open(io.BytesIO(result(work))) as container:
        assert len([*container.decode(video=0)]) == FRAMES
    assert told[0] == (0, FRAMES)
    assert told[-1] == (FRAMES, FRAMES)


def test_a_recording_that_is_not_there_is_refused(make_work: MakeWork) -> None:
    with pytest.raises(RecordingError, match="no recording of session"):
        export(Export(session="session-1"), make_work())


def test_an_avatars_pictures_are_its_template_in_order(make_work: MakeWork) -> None:
    work = make_work()
    outcome = frames(Frames(avatar="tiny", quality=100), work)
    template = [*work.avatar("tiny").template_frames()]
    with zipfile.ZipFile(io.BytesIO(result(work))) as archive:
        assert archive.namelist() == [f"{index:06d}.jpg" for index in range(len(template))]
        for name, wanted in zip(archive.namelist(), template, strict=True):
            picture = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
            assert np.abs(picture.astype(int) - wanted.astype(int)).mean() < 3
    assert outcome.facts == {"frames": len(template)}


def test_only_recordings_older_than_that_are_pruned(
    make_work: MakeWork, avatars_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "recordings"
    folder.mkdir()
    for session, days in (("session-old", 5), ("session-new", 1)):
        (folder / f"{session}.lsrec").write_bytes(recorded(avatars_folder))
        at_s = time.time() - days * 86_400
        os.utime(folder / f"{session}.lsrec", (at_s, at_s))
    outcome = prune(Prune(days=3), make_work())
    assert (outcome.facts, outcome.file) == ({"pruned": ["session-old"], "days": 3}, None)
    assert [path.name for path in folder.iterdir()] == ["session-new.lsrec"]
    assert "removed 1 recordings that were older than 3 days" in caplog.messages


def test_a_prune_takes_the_age_of_the_settings_or_is_refused(make_work: MakeWork) -> None:
    assert prune(Prune(), make_work(recordings_keep_days=9)).facts["days"] == 9
    with pytest.raises(InputError, match="how old is old"):
        prune(Prune(), make_work())


@pytest.mark.parametrize(
    "fault",
    [
        OSError("no route"),
        EndpointConnectionError(endpoint_url="https://s3.example.com"),
        ClientPayloadError("cut off"),
    ],
    ids=["os", "s3", "body"],
)
@pytest.mark.parametrize("request_", [Export(session="session-1"), Prune(days=3)], ids=["export", "prune"])
def test_a_place_of_recordings_that_fails_for_a_moment_is_a_fault_that_may_pass(
    make_work: MakeWork, monkeypatch: pytest.MonkeyPatch, request_: Export | Prune, fault: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(LocalFileSystem, "ls", fail)
    with pytest.raises(StoreError, match="recordings_url") as caught:
        DO[request_.kind](request_, make_work())
    assert (caught.value.retryable, caught.value.field) == (True, "recordings_url")
