"""The commands as a user types them; nothing here needs a Redis."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from common.errors import InputError, LipstreamError
from common.recording import framing
from common.recording.hashes import hash_of
from common.recording.records import Frame, Header, Record, RecordingError, decode
from tests.unit.cli.replay.spoken import FRAMES, offline, recorded, recording
from tests.unit.common.recording.small import DIGEST, file_of

SID = "session-1"


@pytest.fixture
def place(avatars_folder: Path, tmp_path: Path) -> Path:
    """A folder with one recording."""
    (tmp_path / f"{SID}.lsrec").write_bytes(recorded(avatars_folder))
    return tmp_path


def lipstream(*arguments: object) -> Result:
    from cli.main import Options

    return CliRunner().invoke(app, [str(each) for each in arguments], obj=Options())


def answer(*arguments: object) -> Any:
    result = lipstream(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_recording_is_verified_by_file_and_by_session(place: Path, avatars_folder: Path) -> None:
    for name in ([place / f"{SID}.lsrec"], [SID, "--recordings", place], [f"file://{place}/{SID}.lsrec"]):
        found = answer("replay", *name, "--verify", "--avatars-dir", avatars_folder)
        assert (found["frames"], found["compared"], found["difference"]) == (FRAMES, FRAMES, None)


def test_a_recording_is_filmed(place: Path, avatars_folder: Path) -> None:
    found = answer("replay", place / f"{SID}.lsrec", "-o", place / "film.mp4", "--avatars-dir", avatars_folder)
    assert (found["frames"], found["compared"]) == (FRAMES, 0)
    assert (place / "film.mp4").stat().st_size > 1_000


def test_the_first_frame_that_differs_is_named_and_shown_and_is_exit_code_1(place: Path, avatars_folder: Path) -> None:
    (place / f"{SID}.lsrec").write_bytes(_with_another_picture(avatars_folder, first=4))
    arguments = "replay", place / f"{SID}.lsrec", "--verify", "--avatars-dir", avatars_folder
    result = lipstream(*arguments, "--evidence", place / "seen")
    assert result.exit_code == 1, result.output
    assert "first difference: frame 4 of the segment at sample 0, epoch 0 (frame 4 of the session)" in result.output
    paths = {path.stem.rpartition("-")[2]: path for path in (place / "seen").iterdir()}
    assert set(paths) == {"recorded", "replayed", "difference"}
    assert all(path.name in result.output.replace("\n", "") for path in paths.values())
    images = {name: np.asarray(cv2.imread(str(path))) for name, path in paths.items()}
    apart = cv2.absdiff(images["recorded"], images["replayed"])
    assert np.array_equal(images["difference"], np.minimum(8 * apart.astype(int), 255))
    assert apart.max() > 0
    found = lipstream(*arguments, "--evidence", place / "again", "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["difference"]["frame"] == 4


def test_a_recording_whose_bytes_have_changed_is_refused(place: Path, avatars_folder: Path) -> None:
    (place / f"{SID}.lsrec").write_bytes(recorded(avatars_folder, quality=84).replace(b"quality\x54", b"quality\x55"))
    result = lipstream("replay", place / f"{SID}.lsrec", "--avatars-dir", avatars_folder, "--verify")
    assert isinstance(result.exception, RecordingError), "the checksum guards the header"


def test_an_avatar_that_is_not_the_recorded_one_is_told(place: Path, avatars_folder: Path) -> None:
    digest = DIGEST | {"files": {"painter.onnx": "0" * 64}}
    (place / f"{SID}.lsrec").write_bytes(_with_avatar(avatars_folder, digest))
    result = lipstream("replay", place / f"{SID}.lsrec", "--verify", "--avatars-dir", avatars_folder)
    assert isinstance(result.exception, LipstreamError)
    assert "tiny/painter.onnx is " in result.exception.message
    assert ", was 000000000000" in result.exception.message


def _with_avatar(folder: Path, digest: dict[str, Any]) -> bytes:
    return file_of(*(e._replace(avatar=digest) if isinstance(e, Header) else e for e in _records(recorded(folder))))


def _with_another_picture(folder: Path, first: int) -> bytes:
    """From the `first` frame on, the recorded pictures are of another quality than the recording says."""
    other = {shown.key.offset: shown.picture for shown in offline(folder).run(recording(folder, quality=40))}

    def changed(record: Record) -> Record:
        if not isinstance(record, Frame) or record.frame < first:
            return record
        picture = other[record.frame]
        return record._replace(hash=hash_of(picture), picture=picture)

    return file_of(*map(changed, _records(recorded(folder))))


def _records(data: bytes) -> list[Record]:
    return [record for content in framing.unpack(data).contents if (record := decode(content))]


def test_models_are_compared(place: Path, avatars_folder: Path) -> None:
    painter = avatars_folder / "tiny" / "painter.onnx"
    found = answer("replay", place / f"{SID}.lsrec", "--model", painter, "--avatars-dir", avatars_folder)
    assert (found["mean"], found["min"], len(found["ssim"])) == (1.0, 1.0, FRAMES)
    found = answer("replay", place / f"{SID}.lsrec", "--avatar", "reference", "--avatars-dir", avatars_folder)
    assert found["second"] == "reference"
    assert found["mean"] < 1


@pytest.mark.parametrize(
    "arguments",
    [["--speed", 2], ["--fast"], ["--load", 3], ["--url", "ws://127.0.0.1:1/ws", "--avatar", "tiny"]],
)
def test_options_that_do_not_go_together_are_refused(place: Path, arguments: list[object]) -> None:
    result = lipstream("replay", place / f"{SID}.lsrec", *arguments)
    assert isinstance(result.exception, InputError)
    assert result.exception.field == "url"


@pytest.mark.parametrize("name", ["nobody.lsrec", "unknown-session", "../../etc"])
def test_a_recording_that_is_not_there_is_an_error(place: Path, name: str) -> None:
    assert isinstance(lipstream("replay", name, "--recordings", place).exception, RecordingError)


def test_recordings_are_listed_shown_pruned_and_deleted(place: Path) -> None:
    options = "--recordings", place
    [row] = answer("recordings", "list", *options)
    assert (row["session"], row["files"]) == (SID, 1)
    shown = answer("recordings", "show", SID, *options)
    assert (shown["frames"], shown["segments"], shown["audio_s"], shown["whole"]) == (FRAMES, 1, 0.4, True)
    assert shown["inputs"] == "1 audio, 1 flush"
    assert answer("recordings", "prune", "--days", 1, *options) == {"pruned": []}
    assert isinstance(lipstream("recordings", "prune", *options).exception, InputError)
    assert answer("recordings", "delete", SID, *options) == {"session": SID, "files": 1}
    assert answer("recordings", "list", *options) == []
