"""What is kept of an avatar: enough for every frame, and bounded."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from common.avatars.package import Avatar, Picture
from workers.compositor import jpeg
from workers.compositor.pictures import UNFORESEEN_KEPT, Pictures


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by one entry with every pass over a template."""
    passes: list[Path] = []
    decode = Avatar.template_frames

    def counted(avatar: Avatar) -> Iterator[Picture]:
        passes.append(avatar.folder)
        return decode(avatar)

    monkeypatch.setattr(Avatar, "template_frames", counted)
    return passes


def test_loading_decodes_the_template_once(tiny_avatar: Avatar, decodes: list[Path]) -> None:
    Pictures(tiny_avatar, 85).remains(85)
    assert len(decodes) == 1


def test_a_template_frame_comes_back_whole_from_its_parts(reference_avatar: Avatar) -> None:
    pictures = Pictures(reference_avatar, 85)
    for index, picture in enumerate(reference_avatar.template_frames()):
        face = jpeg.encode(pictures.faces[index].pixels, 85, pictures.grid)
        assert jpeg.fill(pictures.remains(85)[index], face) == jpeg.encode(picture, 85, pictures.grid)


def test_the_crop_is_found_within_the_kept_pixels(reference_avatar: Avatar) -> None:
    pictures = Pictures(reference_avatar, 85)
    frames = reference_avatar.template_frames()
    for face, picture, (x1, y1, x2, y2) in zip(pictures.faces, frames, reference_avatar.crops, strict=True):
        a, b, c, d = face.crop
        assert np.array_equal(face.pixels[b:d, a:c], picture[y1:y2, x1:x2])


def test_only_the_region_around_the_crop_is_kept(tiny_avatar: Avatar) -> None:
    for face in Pictures(tiny_avatar, 85).faces:
        assert face.pixels.base is None, "a view would keep the whole picture alive"
        assert face.pixels.shape[0] < tiny_avatar.manifest.image.template.height


def test_another_quality_is_the_same_whether_made_first_or_later(tiny_avatar: Avatar) -> None:
    made_first = Pictures(tiny_avatar, 40).remains(40)
    assert Pictures(tiny_avatar, 85, further=(60, 40)).remains(40) == made_first
    assert Pictures(tiny_avatar, 85).remains(40) == made_first


def test_qualities_that_are_foreseen_share_one_pass(tiny_avatar: Avatar, decodes: list[Path]) -> None:
    pictures = Pictures(tiny_avatar, 85, further=(60, 75, 85))
    assert len({pictures.remains(quality) for quality in (60, 75, 85)}) == 3
    assert len(decodes) == 1


def test_a_quality_in_use_is_not_encoded_again(tiny_avatar: Avatar, decodes: list[Path]) -> None:
    pictures = Pictures(tiny_avatar, 85)
    for _ in range(3):
        pictures.remains(40)
        pictures.remains(85)
    assert len(decodes) == 2


def test_of_the_unforeseen_the_one_unused_for_longest_gives_way(tiny_avatar: Avatar, decodes: list[Path]) -> None:
    pictures = Pictures(tiny_avatar, 85)
    first, *others, last = range(40, 41 + UNFORESEEN_KEPT)
    for quality in (first, *others, first, last):
        pictures.remains(quality)
    passes = len(decodes)
    pictures.remains(first)
    pictures.remains(85)
    assert len(decodes) == passes, "one was used lately and stays, the other was foreseen"
    pictures.remains(others[0])
    assert len(decodes) == passes + 1
