"""The log-mel front-end: librosa's numbers, whatever the chunks."""

from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import av
import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.avatars.timeline import OPEN, Span
from common.errors import AudioError
from workers.audio.mel import mel_columns, mel_spectrogram

RATE = 16_000
SPEECH = Path(str(files("gateway"))) / "console" / "sample.flac"
NOISE = np.random.default_rng(0)


def speech() -> NDArray[np.int16]:
    """The sample clip as 16 kHz PCM16."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(SPEECH)) as container:
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]])


def seconds(duration_s: float) -> NDArray[np.float64]:
    return np.arange(round(duration_s * RATE)) / RATE


SIGNALS = {
    "silence": np.zeros(8_000, np.int16),
    "full-scale sine": (32767 * np.sin(2 * np.pi * 440 * seconds(0.7))).astype(np.int16),
    "full-scale square": np.where(np.sin(2 * np.pi * 313 * seconds(0.7)) > 0, 32767, -32768).astype(np.int16),
    "sweep": (20_000 * scipy.signal.chirp(seconds(1), 20, 1, 7_900)).astype(np.int16),
    "loud noise": np.clip(NOISE.normal(0, 9_000, 12_345), -32768, 32767).astype(np.int16),
    "one level of noise": NOISE.integers(-1, 2, 9_999).astype(np.int16),
    "speech": speech(),
}
LENGTHS = [1, 2, 199, 200, 201, 399, 400, 401, 639, 640, 641, 799, 800, 801, 3_200]


def as_floats(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    return (pcm / 32768).astype(np.float32)


def reference_mel(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """SyncTalk-2D's and Wav2Lip's `melspectrogram` with their hyper-parameters, line by line."""
    emphasised = scipy.signal.lfilter([1, -0.97], [1], samples)
    magnitudes = np.abs(librosa.stft(y=emphasised, n_fft=800, hop_length=200, win_length=800, pad_mode="constant"))
    basis = librosa.filters.mel(sr=RATE, n_fft=800, n_mels=80, fmin=55, fmax=7600)
    decibels = 20 * np.log10(np.maximum(1e-5, np.dot(basis, magnitudes))) - 20
    return np.clip(8 * ((decibels + 100) / 100) - 4, -4, 4)


def columns_of(pcm: NDArray[np.int16], columns: Span, samples: int) -> NDArray[np.float32]:
    """The columns, from no more samples than they need."""
    start, stop = max(0, columns.start * 200 - 401), (columns.stop - 1) * 200 + 400
    if samples != OPEN:
        stop = min(stop, samples)
    return mel_columns(pcm[start:stop].tobytes(), start, columns, samples)


def test_the_shipped_filterbank_is_the_one_of_librosa() -> None:
    shipped = np.load(str(files("workers.audio") / "mel_filterbank.npy"))
    assert shipped.dtype == np.float32
    assert np.array_equal(shipped, librosa.filters.mel(sr=RATE, n_fft=800, n_mels=80, fmin=55, fmax=7600))


@pytest.mark.filterwarnings("ignore:n_fft=800 is too large:UserWarning")
@pytest.mark.parametrize("length", LENGTHS)
def test_clips_of_any_length_agree_with_librosa(length: int) -> None:
    samples = as_floats(SIGNALS["speech"][20_000 : 20_000 + length])
    ours = mel_spectrogram(samples)
    assert ours.shape == (80, 1 + length // 200)
    np.testing.assert_allclose(ours, reference_mel(samples), atol=1e-5)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("step", [1, 7, 64, 10_000])
def test_every_signal_agrees_with_librosa_at_every_chunking(name: str, step: int) -> None:
    pcm = SIGNALS[name][:32_000]
    total = 1 + len(pcm) // 200
    spans = [Span(c, min(c + step, total)) for c in range(0, total, step)]
    ours = np.concatenate([columns_of(pcm, span, len(pcm)) for span in spans])
    np.testing.assert_allclose(ours.T, reference_mel(as_floats(pcm)), atol=1e-5)


def test_digital_silence_is_exactly_minus_four() -> None:
    assert np.all(mel_spectrogram(np.zeros(16_000, np.float32)) == -4.0)


def test_a_clip_of_no_samples_is_one_column_of_silence() -> None:
    assert np.array_equal(mel_spectrogram(np.zeros(0, np.float32)), np.full((80, 1), -4.0, np.float32))


def test_speech_reaches_the_levels_that_the_networks_were_trained_on() -> None:
    mel = mel_spectrogram(as_floats(SIGNALS["speech"]))
    assert mel.dtype == np.float32
    assert mel.min() == -4.0
    assert 0.5 < mel.max() < 3.0


@given(data=st.data(), name=st.sampled_from(sorted(SIGNALS)), length=st.integers(1, 9_000))
@settings(max_examples=150, deadline=None)
def test_a_column_is_bit_identical_however_columns_are_grouped(data: st.DataObject, name: str, length: int) -> None:
    pcm = SIGNALS[name][:length]
    length = len(pcm)
    whole = mel_spectrogram(as_floats(pcm))
    total = whole.shape[1]
    cuts = sorted({0, total, *data.draw(st.lists(st.integers(0, total), max_size=8))})
    for start, stop in pairwise(cuts):
        arrived = (stop - 1) * 200 + 400
        samples = data.draw(st.sampled_from([length, OPEN])) if arrived <= length else length
        piece = columns_of(pcm, Span(start, stop), samples)
        assert piece.tobytes() == whole[:, start:stop].T.tobytes()


def test_blocks_of_a_long_clip_leave_no_seams() -> None:
    pcm = SIGNALS["speech"]
    whole = mel_spectrogram(as_floats(pcm)).T
    single = [columns_of(pcm, Span(c, c + 1), len(pcm)) for c in range(len(whole))]
    assert np.concatenate(single).tobytes() == whole.tobytes()


def test_more_samples_than_needed_change_nothing() -> None:
    pcm = SIGNALS["speech"]
    assert np.array_equal(
        mel_columns(pcm.tobytes(), 0, Span(10, 20), len(pcm)), columns_of(pcm, Span(10, 20), len(pcm))
    )


def test_the_input_is_not_changed() -> None:
    samples = as_floats(SIGNALS["speech"])
    before = samples.copy()
    samples.setflags(write=False)
    mel_spectrogram(samples)
    assert np.array_equal(samples, before)


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [
        (np.array([0.1, np.nan], np.float32), "finite"),
        (np.array([0.1, np.inf], np.float32), "finite"),
        (np.zeros((2, 100), np.float32), "mono"),
        (np.zeros(100, np.int16), "divide PCM16 by 32768"),
    ],
)
def test_what_is_no_audio_is_refused(samples: NDArray[np.float32], complaint: str) -> None:
    with pytest.raises(AudioError, match=complaint):
        mel_spectrogram(samples)


@pytest.mark.parametrize(
    ("pcm", "first_sample", "columns", "samples", "complaint"),
    [
        (b"\0" * 801, 0, Span(0, 1), 400, "no whole number of 16-bit samples"),
        (b"", 0, Span(0, 1), 400, r"need samples \[0, 400\), these are \[0, 0\)"),
        (b"\0" * 798, 0, Span(0, 1), 400, r"need samples \[0, 400\)"),
        (b"\0" * 798, 0, Span(0, 1), OPEN, r"need samples \[0, 400\)"),
        (b"\0" * 1_600, 600, Span(5, 6), OPEN, r"need samples \[599, 1400\)"),
        (b"\0" * 800, 0, Span(0, 4), 400, "not in a clip of 400 samples"),
        (b"\0" * 800, 0, Span(1, 1), 400, "not in a clip"),
        (b"\0" * 800, 0, Span(-1, 1), 400, "not in a clip"),
    ],
)
def test_columns_that_the_samples_cannot_give_are_refused(
    pcm: bytes, first_sample: int, columns: Span, samples: int, complaint: str
) -> None:
    with pytest.raises(AudioError, match=complaint):
        mel_columns(pcm, first_sample, columns, samples)
