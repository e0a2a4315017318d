"""Audio as clients may send it becomes PCM16, or a typed error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import AudioError
from gateway.samples import to_pcm16


@given(st.binary(max_size=400).filter(lambda pcm: len(pcm) % 2 == 0))
def test_integers_divided_by_full_scale_come_back_as_they_were(pcm: bytes) -> None:
    floats = (np.frombuffer(pcm, "<i2") / 32_768).astype("<f4").tobytes()
    assert to_pcm16(floats, "f32le") == to_pcm16(pcm, "s16le") == pcm


def test_floats_are_rounded_and_clipped() -> None:
    floats = np.array([0, 1, -1, 1.5, -3e38, 3e38, 0.4 / 32_768, 0.6 / 32_768], "<f4")
    expected = [0, 32_767, -32_768, 32_767, -32_768, 32_767, 0, 1]
    assert np.frombuffer(to_pcm16(floats.tobytes(), "f32le"), "<i2").tolist() == expected


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_refused_and_named(bad: float) -> None:
    with pytest.raises(AudioError, match="sample 2 is") as caught:
        to_pcm16(np.array([0, 0, bad, 0], "<f4").tobytes(), "f32le")
    assert (caught.value.field, caught.value.code) == ("audio", "bad_audio")


@pytest.mark.parametrize(("encoding", "size"), [("s16le", 1), ("s16le", 7), ("f32le", 2), ("f32le", 9)])
def test_only_whole_samples_are_taken(encoding: str, size: int) -> None:
    with pytest.raises(AudioError, match=f"got {size}") as caught:
        to_pcm16(bytes(size), encoding)  # type: ignore[arg-type]
    assert caught.value.field == "audio"
