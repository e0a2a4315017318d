"""Two models over one recording."""

import xml.etree.ElementTree as ET
from pathlib import Path

import av
import cv2
import onnx
import pytest
from onnx import TensorProto, helper

from cli.replay.compare import compare
from cli.replay.variant import with_model
from common.avatars.package import Avatar, load
from common.errors import InputError
from common.settings import Settings
from tests.avatar_package import write_package
from tests.unit.cli.replay.spoken import FRAMES, offline, recording
from workers.offline.film import soundtrack
from workers.offline.replay import Offline


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The folder of an avatar that differs in its weights."""
    write_package(tmp_path / "other", "tiny", family="demo", seed=9)
    return tmp_path / "other"


def of(avatar: Avatar) -> Offline:
    return Offline(Settings(avatars=("tiny",)), lambda _: avatar)


def test_a_model_is_the_same_as_itself(avatars_folder: Path) -> None:
    found = compare(recording(avatars_folder), offline(avatars_folder), offline(avatars_folder), ("a", "b"), None)
    assert found.ssim == [1.0] * FRAMES


def test_another_painter_is_compared_frame_by_frame(avatars_folder: Path, other: Path, tmp_path: Path) -> None:
    tiny = load(avatars_folder, "tiny")
    with with_model(tiny, other / "tiny" / "painter.onnx") as changed:
        assert changed.folder != tiny.folder
        found = compare(
            recording(avatars_folder), of(tiny), of(changed), ("tiny", "<other>"), tmp_path / "film.mp4"
        )  # fmt: skip
    assert len(found.ssim) == FRAMES
    assert all(0 < score < 1 for score in found.ssim)
    with av.open(str(tmp_path / "film.mp4")) as film:
        video, sound = film.streams.video[0], film.streams.audio[0]
        assert (video.width, video.height, video.frames) == (512, 160, FRAMES)
        assert sound.duration * sound.time_base == pytest.approx(FRAMES / 25, abs=0.1)
    drawn = ET.parse(tmp_path / "film.svg").getroot()
    [line] = drawn.iter("{http://www.w3.org/2000/svg}polyline")
    assert len(line.attrib["points"].split()) == FRAMES
    assert "tiny | <other>" in "".join(drawn.itertext())


def test_a_contact_sheet_shows_both(avatars_folder: Path, other: Path, tmp_path: Path) -> None:
    found = compare(
        recording(avatars_folder), offline(avatars_folder), of(load(other, "tiny")), ("a", "b"), tmp_path / "sheet.png"
    )  # fmt: skip
    assert found.output == str(tmp_path / "sheet.png")
    assert cv2.imread(found.output).shape == (FRAMES * 150, 480, 3)


def test_a_model_that_fits_nowhere_is_refused(avatars_folder: Path, tmp_path: Path) -> None:
    tiny = load(avatars_folder, "tiny")
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"cannot load .*junk\.onnx"), with_model(tiny, tmp_path / "junk.onnx"):
        pytest.fail("it is no model")
    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", shape[:1], shape[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "x.onnx")
    with pytest.raises(InputError, match="has the inputs x; wanted: "), with_model(tiny, tmp_path / "x.onnx"):
        pytest.fail("it has other inputs")


@pytest.mark.parametrize("name", ["film.avi", "film"])
def test_a_comparison_is_a_film_or_a_sheet(avatars_folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.mp4 or \.png"):
        compare(
            recording(avatars_folder), offline(avatars_folder), offline(avatars_folder), ("a", "b"), tmp_path / name
        )  # fmt: skip


def test_the_sound_is_that_of_the_frames_that_were_sent(avatars_folder: Path) -> None:
    found = recording(avatars_folder)
    whole = soundtrack(found)
    assert whole.pcm == found.inputs[0].input.data
    for key in list(found.frames)[3:5]:
        del found.frames[key]
    assert soundtrack(found).pcm == whole.pcm[: 3 * 1_280] + whole.pcm[5 * 1_280 :]
