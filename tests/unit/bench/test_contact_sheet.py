"""The contact sheet shows the frames that it says, over their own sound."""

import numpy as np
import pytest

from bench.contact_sheet import AROUND_SAMPLES, BLACK, CELL_PX, COLUMNS, GREY, contact_sheet
from bench.contact_sheet import _wave as wave
from common.avatars.package import Avatar
from workers.offline.media import Clip


def clip(seconds: float) -> Clip:
    return Clip(np.random.default_rng(1).normal(0, 3_000, int(seconds * 16_000)).astype(np.int16), 16_000)


def test_a_sheet_has_as_many_rows_as_the_recording_fills(tiny_avatar: Avatar) -> None:
    whole, short = (contact_sheet(clip(seconds), tiny_avatar, 0.2, 1) for seconds in (2.0, 0.6))
    assert whole.shape[1] == short.shape[1] == COLUMNS * (CELL_PX + 4)
    assert whole.shape[0] == 2 * short.shape[0]


def test_a_recording_that_ends_before_the_start_is_a_mistake(tiny_avatar: Avatar) -> None:
    with pytest.raises(SystemExit, match=r"ends before 3\.0 s"):
        contact_sheet(clip(1.0), tiny_avatar, 3.0, 1)


def test_the_frames_own_sound_is_black_in_the_middle_of_what_is_around_it() -> None:
    loud = np.full(16_000, 9_000, np.int16)
    line = wave(loud, 6_400, 640)[20]
    own = np.flatnonzero((line == BLACK).all(axis=1))
    assert own.mean() == pytest.approx(CELL_PX / 2, abs=1)
    assert len(own) == pytest.approx(640 / (2 * AROUND_SAMPLES) * CELL_PX, abs=1)
    assert ((line == BLACK) | (line == GREY)).all()
