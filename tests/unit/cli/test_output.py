"""Frames go to a folder, to a video, or to both."""

from pathlib import Path

import numpy as np
import pytest

from cli.output import opened
from common.errors import InputError
from workers.offline.media import Clip

CLIP = Clip(np.zeros(1_600, np.int16), 16_000)


def test_frames_are_numbered_from_zero_with_six_digits(tmp_path: Path) -> None:
    with opened(None, tmp_path / "new" / "frames", 25, CLIP) as write:
        for picture in (b"a", b"b"):
            write(picture)
    written = {path.name: path.read_bytes() for path in (tmp_path / "new" / "frames").iterdir()}
    assert written == {"000000.jpg": b"a", "000001.jpg": b"b"}


def test_frames_of_an_earlier_longer_run_do_not_stay_behind_and_other_files_do(tmp_path: Path) -> None:
    for name in ("000000.jpg", "000007.jpg", "poster.jpg", "1.jpg"):
        (tmp_path / name).write_bytes(b"old")
    with opened(None, tmp_path, 25, CLIP) as write:
        write(b"new")
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {"000000.jpg": b"new", "poster.jpg": b"old", "1.jpg": b"old"}


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot write frames to .*taken"), opened(None, tmp_path / "taken", 25, CLIP):
        pytest.fail("nothing can be written there")
