"""A recorder writes what it is told, and gives up alone when it cannot."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.frames import Flag, FrameHeader
from common.recording.hashes import hash_of
from common.recording.recording import Key, read
from common.recording.store import Store, store_at
from common.records import SegmentRecord
from gateway import recorder as recorders
from gateway.recorder import Recorder
from gateway.segmenter import Heard
from tests.unit.common.recording.small import header


def message(frame: int, picture: bytes = b"picture", flags: Flag = Flag.NONE) -> bytes:
    return FrameHeader(0, frame, frame * 40_000, frame, (0, 0, 1, 1), flags).pack(picture)


def finish(recorder: Recorder) -> None:
    recorder.close("over")
    for thread in threading.enumerate():
        if thread.name == "recorder-session-":
            thread.join(60)


@pytest.mark.parametrize("keeps_pictures", [False, True])
def test_everything_is_written(tmp_path: Path, keeps_pictures: bool) -> None:
    store = store_at(str(tmp_path))
    recorder = Recorder(store, header(), keeps_pictures)
    recorder.start()
    recorder.heard("audio", Heard(), b"\1\2" * 640)
    recorder.segments(0, [SegmentRecord(number=0, avatar="tiny", base=0, template=5, audio=0, commands=0)])
    recorder.heard("flush", Heard(640))
    recorder.sent(message(0))
    recorder.sent(message(1, flags=Flag.CONCEALED))
    finish(recorder)
    recording = read(store.contents("session-1"))
    assert recording.is_whole
    assert [taken.input.input for taken in recording.inputs] == ["audio", "flush"]
    frame = recording.frames[Key(0, 0, 0)]
    assert (frame.hash, frame.picture) == (hash_of(b"picture"), b"picture" if keeps_pictures else None)
    assert recording.footer is not None
    assert (recording.footer.frames, recording.footer.concealed, recording.footer.reason) == (2, 1, "over")


class Disk:
    """A store whose sinks do what a test says."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write

    @contextlib.contextmanager
    def writing(self, _session: str) -> Iterator["Disk"]:
        yield self

    def write(self, data: bytes) -> None:
        self._write(data)

    def flush(self) -> None: ...


def test_a_full_disk_stops_the_recording_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    written: list[bytes] = []

    def write(data: bytes) -> None:
        if len(written) == 1:
            raise OSError(28, "No space left on device")
        written.append(data)

    recorder = Recorder(Disk(write), header())  # type: ignore[arg-type]
    recorder.start()
    recorder.sent(message(0))
    finish(recorder)
    assert recorder.failure is not None
    assert recorder.failure.code == "recording_stopped"
    assert "No space left on device" in recorder.failure.message
    assert "session session-1: the session goes on, its recording has stopped" in caplog.text
    recorder.sent(message(11))
    assert len(written) == 1


def test_a_disk_that_is_too_slow_stops_the_recording_before_memory_fills(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorders, "WAITING_MAX_BYTES", 1_000)
    stuck = threading.Event()
    recorder = Recorder(Disk(lambda _: stuck.wait(60)), header())  # type: ignore[arg-type]
    recorder.start()
    sent = 0
    while recorder.failure is None:
        recorder.sent(message(sent, bytes(100)))
        sent += 1
        assert sent < 20
    stuck.set()
    finish(recorder)
    assert "too slow" in caplog.text


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    recorder = Recorder(Store(store_at(str(tmp_path)).fs, str(tmp_path / "file")), header())
    recorder.start()
    finish(recorder)
    assert recorder.failure is not None
