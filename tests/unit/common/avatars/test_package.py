"""Reading packages: whole ones load, broken ones say what is broken, and no name leaves the folder."""

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from common.avatars.package import MANIFEST_FILE, Avatar, load, names
from common.errors import AvatarError


@pytest.fixture
def folder(avatars_folder: Path, tmp_path: Path) -> Path:
    """A copy of the packages that may be broken."""
    shutil.copytree(avatars_folder, tmp_path / "avatars")
    return tmp_path / "avatars"


def edit(folder: Path, **parts: Any) -> None:
    """Change the manifest of `tiny`; dictionaries are merged into theirs."""
    path = folder / "tiny" / MANIFEST_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, value in parts.items():
        content[name] = content[name] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(content), encoding="utf-8")


def edit_template(folder: Path, **values: Any) -> None:
    content = json.loads((folder / "tiny" / MANIFEST_FILE).read_text(encoding="utf-8"))
    edit(folder, image={"template": content["image"]["template"] | values})


def test_a_whole_package_loads(tiny_avatar: Avatar) -> None:
    assert tiny_avatar.name == "tiny"
    assert len(tiny_avatar.crops) == tiny_avatar.manifest.image.template.frames
    assert tiny_avatar.file("painter.onnx").is_file()


def test_packages_are_listed_by_name(avatars_folder: Path, tmp_path: Path) -> None:
    assert names(avatars_folder) == ["reference", "tiny"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["nobody", "", "..", "../tiny", "tiny/", "/etc", "tiny\0", "Tiny", "tiny/../tiny"])
def test_a_name_that_is_none_of_ours_never_reaches_the_disk(folder: Path, name: str) -> None:
    with pytest.raises(AvatarError, match=r"unknown avatar '.*'; known: reference, tiny") as caught:
        load(folder, name)
    assert caught.value.field == "avatar"


def test_an_endless_unknown_name_is_cut_in_the_message(folder: Path) -> None:
    with pytest.raises(AvatarError) as caught:
        load(folder, "x" * 10_000)
    assert len(caught.value.message) < 200


def test_a_manifest_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "tiny" / MANIFEST_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(AvatarError, match=r"tiny/avatar\.json: [\s\S]*Invalid JSON"):
        load(folder, "tiny")


def test_a_package_in_a_folder_of_another_name_is_refused(folder: Path) -> None:
    edit(folder, name="somebody")
    with pytest.raises(AvatarError, match="folder 'tiny' calls itself 'somebody'"):
        load(folder, "tiny")


def test_a_package_that_needs_more_than_this_version_can_says_what(folder: Path) -> None:
    edit(folder, models=["painter.onnx", "encoder.onnx"])
    with pytest.raises(AvatarError, match="needs what this version cannot do: a chain of 2 models"):
        load(folder, "tiny")


def test_a_stated_reach_that_the_windows_do_not_give_is_refused(folder: Path) -> None:
    edit(folder, lookahead_samples=280 * 16)
    with pytest.raises(
        AvatarError, match=r"states look-ahead and -back \(4480, 6961\), its windows give \(3400, 6961\)"
    ):
        load(folder, "tiny")


@pytest.mark.parametrize("file", ["painter.onnx", "template.mp4"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / "tiny" / file).unlink()
    with pytest.raises(AvatarError, match=f"avatar 'tiny' lacks its file {file}"):
        load(folder, "tiny")


@pytest.mark.parametrize(
    ("crops", "complaint"),
    [
        ("[", "cannot read crops.json"),
        ("[[0, 0, 96]]", "cannot read crops.json"),
        ('{"0": {"rect": [0, 0, 96, 64]}}', "cannot read crops.json"),
        ("[[0, 0, 96, 64]]", "has 1 crops of 12"),
        (json.dumps([[0, 0, 96, 64]] * 11 + [[-1, 0, 95, 64]]), r"crop 11 \(-1, 0, 95, 64\) leaves the picture"),
        (json.dumps([[0, 0, 96, 64]] * 11 + [[200, 0, 296, 64]]), "crop 11 .* leaves the picture"),
        (json.dumps([[50, 0, 50, 64]] * 12), "crop 0 .* leaves the picture"),
    ],
)
def test_crops_that_cannot_be_cut_are_refused(folder: Path, crops: str, complaint: str) -> None:
    (folder / "tiny" / "crops.json").write_text(crops, encoding="utf-8")
    with pytest.raises(AvatarError, match=complaint):
        load(folder, "tiny")


def test_the_template_is_decoded_in_order_at_its_size(tiny_avatar: Avatar) -> None:
    pictures = list(tiny_avatar.template_frames())
    assert [picture.shape for picture in pictures] == [(160, 256, 3)] * 12
    assert all((a != b).any() for a, b in pairwise(pictures))


def test_a_template_shorter_than_announced_is_refused(folder: Path) -> None:
    edit_template(folder, frames=13)
    (folder / "tiny" / "crops.json").write_text(json.dumps([[0, 0, 96, 64]] * 13), encoding="utf-8")
    with pytest.raises(AvatarError, match=r"template\.mp4 has 12 frames of 13"):
        list(load(folder, "tiny").template_frames())


def test_frames_beyond_the_announced_ones_are_left_out(folder: Path) -> None:
    edit_template(folder, frames=5)
    (folder / "tiny" / "crops.json").write_text(json.dumps([[0, 0, 96, 64]] * 5), encoding="utf-8")
    assert len(list(load(folder, "tiny").template_frames())) == 5


def test_a_template_of_another_size_is_refused(folder: Path) -> None:
    edit_template(folder, width=320)
    with pytest.raises(AvatarError, match=r"template\.mp4 is 256x160"):
        list(load(folder, "tiny").template_frames())


def test_a_template_that_is_no_video_is_refused(folder: Path) -> None:
    (folder / "tiny" / "template.mp4").write_bytes(b"no video")
    with pytest.raises(AvatarError, match=r"cannot decode template\.mp4"):
        list(load(folder, "tiny").template_frames())


@pytest.mark.parametrize("name", ["template.mp4", "painter.onnx", "crops.json"])
def test_a_link_that_leaves_the_package_is_not_followed(folder: Path, tmp_path: Path, name: str) -> None:
    path = folder / "tiny" / name
    path.rename(tmp_path / name)
    path.symlink_to(tmp_path / name)
    with pytest.raises(AvatarError, match=f"{name} is a link that leaves the package"):
        load(folder, "tiny")


def test_a_link_within_the_package_is_a_file_of_it(folder: Path) -> None:
    (folder / "tiny" / "painter.onnx").rename(folder / "tiny" / "painter.1.onnx")
    (folder / "tiny" / "painter.onnx").symlink_to("painter.1.onnx")
    load(folder, "tiny")


def test_a_playlist_in_the_place_of_the_template_opens_nothing(folder: Path, tmp_path: Path) -> None:
    template = folder / "tiny" / "template.mp4"
    template.rename(tmp_path / "elsewhere.mp4")
    template.write_text(f"ffconcat version 1.0\nfile {tmp_path}/elsewhere.mp4\n")
    with pytest.raises(AvatarError, match=r"cannot decode template\.mp4"):
        list(load(folder, "tiny").template_frames())


@pytest.mark.parametrize("size", [{"width": 100_000}, {"height": 100_000}, {"frames": 10_000_000}])
def test_a_template_that_would_not_fit_into_memory_is_refused_before_it_is_opened(
    folder: Path, size: dict[str, int]
) -> None:
    edit_template(folder, **size)
    with pytest.raises(AvatarError, match="Input should be less than or equal to"):
        load(folder, "tiny")
