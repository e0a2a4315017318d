"""The stream resampler: the same bytes however the input is cut, the right length, little delay, a clean band."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import AudioError
from common.resample import StreamResampler

RATES_HZ = [8_000, 11_025, 22_050, 24_000, 44_100, 47_999, 48_000]


def resampled(pcm: bytes, rate_hz: int) -> bytes:
    resampler = StreamResampler(rate_hz)
    return resampler.push(pcm) + resampler.finish()


def noise(samples: int, seed: int = 0) -> bytes:
    values = np.random.default_rng(seed).integers(-32768, 32768, samples)
    return values.astype("<i2").tobytes()


def tone(frequency_hz: float, rate_hz: int) -> bytes:
    return (20_000 * np.sin(2 * np.pi * frequency_hz * np.arange(rate_hz) / rate_hz)).astype("<i2").tobytes()


def level(pcm: bytes) -> float:
    """Root mean square of the middle of one second."""
    return float(np.sqrt(np.mean(np.frombuffer(pcm, "<i2")[2_000:14_000].astype(float) ** 2)))


@settings(deadline=None)
@given(st.sampled_from(RATES_HZ), st.integers(0, 3_000), st.lists(st.integers(0, 3_000), max_size=8), st.integers(0, 9))
def test_the_output_does_not_depend_on_how_the_input_is_cut(
    rate_hz: int, samples: int, cuts: list[int], seed: int
) -> None:
    pcm = noise(samples, seed)
    edges = [0, *sorted(min(cut, samples) for cut in cuts), samples]
    resampler = StreamResampler(rate_hz)
    parts = [resampler.push(pcm[2 * start : 2 * stop]) for start, stop in pairwise(edges)]
    assert b"".join([*parts, resampler.finish()]) == resampled(pcm, rate_hz)


@settings(deadline=None)
@given(st.integers(8_000, 48_000), st.integers(0, 5_000))
def test_n_samples_become_n_times_16000_by_rate(rate_hz: int, samples: int) -> None:
    assert len(resampled(bytes(2 * samples), rate_hz)) == 2 * round(samples * 16_000 / rate_hz)


def test_a_long_chunk_gives_the_same_as_short_ones_and_takes_no_memory_by_its_length() -> None:
    pcm = noise(60 * 48_000)
    resampler = StreamResampler(48_000)
    short = b"".join(resampler.push(pcm[start : start + 9_600]) for start in range(0, len(pcm), 9_600))
    tracemalloc.start()
    whole = resampled(pcm, 48_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert whole == short + resampler.finish()
    assert peak_bytes < 4 * len(pcm)


def test_16_khz_passes_through_untouched() -> None:
    assert resampled(noise(1_234), 16_000) == noise(1_234)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_output_lags_by_a_few_milliseconds_and_keeps_step(rate_hz: int) -> None:
    resampler, step, made = StreamResampler(rate_hz), rate_hz // 1000, 0
    lags_s = []
    for number in range(1, 400):
        made += len(resampler.push(bytes(2 * step))) // 2
        lags_s.append(number * step / rate_hz - made / 16_000)
    assert max(lags_s) < 0.0066
    assert lags_s[-1] > 0.003


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_speech_up_to_the_top_of_the_mel_keeps_its_level(rate_hz: int) -> None:
    for frequency_hz in (100, 0.46 * min(rate_hz, 16_000), 0.475 * min(rate_hz, 16_000)):
        assert level(resampled(tone(frequency_hz, rate_hz), rate_hz)) == pytest.approx(20_000 / 2**0.5, rel=0.002)


@pytest.mark.parametrize("rate_hz", [rate for rate in RATES_HZ if rate > 16_800])
def test_what_would_fold_into_the_mel_is_gone(rate_hz: int) -> None:
    assert level(resampled(tone(8_400, rate_hz), rate_hz)) < 2


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_click_stays_where_it_was(rate_hz: int) -> None:
    clip = np.zeros(rate_hz, dtype="<i2")
    clip[rate_hz // 2] = 30_000
    peak = int(np.argmax(np.frombuffer(resampled(clip.tobytes(), rate_hz), "<i2")))
    assert abs(peak - 8_000) <= 1


def test_full_scale_is_clipped_not_wrapped() -> None:
    square = np.repeat(np.tile(np.array([32767, -32768], dtype="<i2"), 200), 24)
    out = np.frombuffer(resampled(square.tobytes(), 24_000), "<i2").astype(int)
    assert (out.max(), out.min()) == (32767, -32768)
    halves = out.reshape(-1, 16)[:, 4:12]
    assert (halves[0::2] > 0).all()
    assert (halves[1::2] < 0).all()


def test_an_odd_number_of_bytes_is_refused() -> None:
    with pytest.raises(AudioError, match="even number of bytes, got 3"):
        StreamResampler(24_000).push(b"abc")


@pytest.mark.parametrize("rate_hz", [0, 7_999, 48_001])
def test_a_rate_out_of_range_is_refused_with_the_limits(rate_hz: int) -> None:
    with pytest.raises(AudioError, match=f"8000 to 48000 Hz, got {rate_hz}") as caught:
        StreamResampler(rate_hz)
    assert caught.value.field == "sample_rate"


@settings(deadline=None)
@given(st.sampled_from([*RATES_HZ, 16_000]), st.integers(1, 6_000), st.floats(0, 1), st.integers(0, 9))
def test_another_resampler_goes_on_where_one_was_lost(rate_hz: int, samples: int, share: float, seed: int) -> None:
    pcm = noise(samples, seed)
    whole = resampled(pcm, rate_hz)
    made = int(share * len(whole) // 2)
    second = StreamResampler(rate_hz, made)
    rest = pcm[2 * second.position :]
    assert second.push(rest) + second.finish() == whole[2 * made :]


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_who_goes_on_and_hears_nothing_more_has_nothing_to_add(rate_hz: int) -> None:
    assert StreamResampler(rate_hz, 640 * 7).finish() == b""
