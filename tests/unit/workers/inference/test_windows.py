"""Windows of encoder and painter: what streaming sees is what SyncTalk-2D's offline loop sees, bit for bit."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.avatars.manifest import Manifest, PaddingRule, Window
from common.avatars.package import Avatar
from common.avatars.timeline import (
    OPEN,
    Span,
    columns_of_frames,
    encoder_of,
    samples_needed,
    samples_of_columns,
    steps_of_frames,
)
from common.media import frames_covering
from workers.audio.mel import mel_columns, mel_spectrogram
from workers.inference.windows import SILENCE, ZEROS, audio_tensor, encoder_windows, places, rows_of_frames

Floats = NDArray[np.float32]
PCM = np.random.default_rng(2).normal(0, 5_000, 110_000).clip(-32768, 32767).astype("<i2")
LENGTHS = [1, 639, 640, 641, 3_199, 3_200, 5_600, 16_000, 33_333, 76_600]
"""76,600 samples are 384 columns, where SyncTalk-2D's step count in floating point is one below the exact one."""


def encode(window: Floats) -> Floats:
    """A stand-in for the encoder, of 32 features, that shows which window it saw; `window` is (bands, columns)."""
    return np.ascontiguousarray(window).ravel()[::40][:32]


def synctalk_offline(samples: Floats) -> Floats:
    """The audio tensors of all frames of a clip, as SyncTalk-2D's `utils.py` makes them; independent of our code.

    Beyond its list of features the loop is extended naturally, since it makes fewer frames than we do for some clips;
    a clip of less than 16 columns, where it fails, is padded with silence.
    """
    mel = mel_spectrogram(samples).T
    if len(mel) < 16:
        mel = np.concatenate([mel, np.full((16 - len(mel), 80), -4, np.float32)])
    outputs = []
    for k in range(int((mel.shape[0] - 16) / 80.0 * float(25)) + 2):
        start = int(80.0 * (k / float(25)))
        end = start + 16
        if end > mel.shape[0]:
            end = mel.shape[0]
            start = end - 16
        outputs.append(encode(mel[start:end].T))
    features = np.stack([outputs[0], *outputs, outputs[-1]])
    frames = []
    for index in range(-(-len(samples) // 640)):
        left, right = index - 8, index + 8
        pad_left, pad_right = max(0, -left), max(0, right - features.shape[0])
        window = features[max(0, left) : min(right, features.shape[0])]
        zeros = np.zeros_like(features[:1])
        frames.append(np.concatenate([*[zeros] * pad_left, window, *[zeros] * pad_right]).reshape(32, 4, 4))
    return np.stack(frames)


def demo_offline(samples: Floats) -> Floats:
    """The audio rows of all frames of a clip for a centred window of 48 columns padded with silence."""
    mel = mel_spectrogram(samples).T
    silence = np.full((48, 80), -4, np.float32)
    padded = np.concatenate([silence, mel, silence])
    starts = [int(80 * k / 25) - 32 + 48 for k in range(-(-len(samples) // 640))]
    return np.stack([padded[s : s + 48].T.ravel()[::40][:16] for s in starts])


def streamed(manifest: Manifest, pcm: NDArray[np.int16], first: int, count: int, samples: int) -> Floats:
    """The audio tensors of one task, from no more than the samples that it asks for."""
    held = columns_of_frames(manifest, first, count, samples)
    span = samples_of_columns(manifest, held, samples)
    assert span.stop <= len(pcm)
    columns = mel_columns(pcm[slice(*span)].tobytes(), span.start, held, samples)
    steps = range(*steps_of_frames(manifest, first, count, samples))
    windows = encoder_windows(manifest, columns, held, steps, samples)
    features = encoder_of(manifest).features
    rows = {step: encode(window[0])[:features] for step, window in zip(steps, windows, strict=True)}
    rows[ZEROS] = np.zeros(features, np.float32)
    return audio_tensor(manifest, rows_of_frames(manifest, first, count, samples), rows)


FAMILIES: dict[str, Callable[[Floats], Floats]] = {"reference_avatar": synctalk_offline, "tiny_avatar": demo_offline}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[Manifest, Callable[[Floats], Floats]]:
    avatar: Avatar = request.getfixturevalue(request.param)
    return avatar.manifest, FAMILIES[request.param]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("batch", [1, 7, 256])
def test_a_closed_segment_is_what_the_offline_loop_makes_of_the_clip(
    family: tuple[Manifest, Callable[[Floats], Floats]], length: int, batch: int
) -> None:
    manifest, offline = family
    pcm = PCM[:length]
    wanted = offline((pcm / 32768).astype(np.float32))
    spans = [(first, min(batch, len(wanted) - first)) for first in range(0, len(wanted), batch)]
    ours = np.concatenate([streamed(manifest, pcm, first, count, length) for first, count in spans])
    assert ours.tobytes() == wanted.tobytes()


@given(data=st.data(), length=st.one_of(st.sampled_from(LENGTHS), st.integers(1, 60_000)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_split_into_open_then_closed_tasks_sees_what_the_whole_clip_gives(
    family: tuple[Manifest, Callable[[Floats], Floats]], data: st.DataObject, length: int
) -> None:
    manifest, offline = family
    pcm = PCM[:length]
    wanted = offline((pcm / 32768).astype(np.float32))
    total = frames_covering(length, 640)
    cuts = sorted({0, total, *data.draw(st.lists(st.integers(0, total), max_size=6))})
    for start, stop in pairwise(cuts):
        may_be_open = samples_needed(manifest, stop - 1) <= length
        samples = data.draw(st.sampled_from([OPEN, length])) if may_be_open else length
        assert streamed(manifest, pcm, start, stop - start, samples).tobytes() == wanted[start:stop].tobytes()


def test_the_first_frame_sees_eight_rows_of_zeros_and_the_first_step_twice(reference_avatar: Avatar) -> None:
    rows = rows_of_frames(reference_avatar.manifest, 0, 1, OPEN)
    assert rows.tolist() == [[ZEROS] * 8 + [0, 0, 1, 2, 3, 4, 5, 6]]


def test_the_last_frames_see_the_last_step_twice_and_then_zeros(reference_avatar: Avatar) -> None:
    # 16,000 samples are 81 columns, 22 steps.
    rows = rows_of_frames(reference_avatar.manifest, 23, 2, 16_000)
    assert rows.tolist() == [
        [*range(14, 22), 21, *[ZEROS] * 7],
        [*range(15, 22), 21, *[ZEROS] * 8],
    ]


def window_of(start: int, stop: int, pad_start: PaddingRule, pad_end: PaddingRule) -> Window:
    return Window(start=start, stop=stop, pad_start=pad_start, pad_end=pad_end)


@pytest.mark.parametrize(
    ("rule", "first", "last"),
    [
        ("zeros", [ZEROS, ZEROS, 0, 1], [8, 9, ZEROS, ZEROS]),
        ("silence", [SILENCE, SILENCE, 0, 1], [8, 9, SILENCE, SILENCE]),
        ("repeat", [0, 0, 0, 1], [8, 9, 9, 9]),
        ("clamp", [0, 1, 2, 3], [6, 7, 8, 9]),
    ],
)
def test_each_padding_rule_fills_both_ends(rule: PaddingRule, first: list[int], last: list[int]) -> None:
    found = places(window_of(-2, 2, rule, rule), [0, 10, 5], 10)
    assert found.tolist() == [first, last, [3, 4, 5, 6]]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("zeros", [0, 1, ZEROS, ZEROS]),
        ("silence", [0, 1, SILENCE, SILENCE]),
        ("repeat", [0, 1, 1, 1]),
        ("clamp", [0, 1, SILENCE, SILENCE]),
    ],
)
def test_a_clip_shorter_than_one_window_is_padded_behind(rule: PaddingRule, wanted: list[int]) -> None:
    assert places(window_of(0, 4, "zeros", rule), [0], 2).tolist() == [wanted]


@pytest.mark.parametrize("pad_start", ["zeros", "repeat", "clamp", "silence"])
@pytest.mark.parametrize("pad_end", ["zeros", "repeat", "clamp", "silence"])
@pytest.mark.parametrize("samples", [1, 3_000, 20_000])
@pytest.mark.parametrize("rows", [(-8, 8), (0, 1), (-3, -1)])
def test_tasks_carry_all_that_any_padding_rule_asks_for(
    reference_avatar: Avatar, pad_start: PaddingRule, pad_end: PaddingRule, samples: int, rows: tuple[int, int]
) -> None:
    rules = {"pad_start": pad_start, "pad_end": pad_end}
    start, stop = rows
    audio = reference_avatar.manifest.audio
    encoder = encoder_of(reference_avatar.manifest)
    audio = audio.model_copy(
        update={
            "window": audio.window.model_copy(update={**rules, "start": start, "stop": stop}),
            "encoder": encoder.model_copy(update={"window": encoder.window.model_copy(update=rules)}),
        }
    )
    manifest = reference_avatar.manifest.model_copy(update={"audio": audio})
    frames = frames_covering(samples, 640)
    whole_columns = mel_columns(PCM[:samples].tobytes(), 0, Span(0, 1 + samples // 200), samples)
    whole_steps = range(*steps_of_frames(manifest, 0, frames, samples))
    whole = encoder_windows(manifest, whole_columns, Span(0, len(whole_columns)), whole_steps, samples)
    for first in range(frames):
        steps = steps_of_frames(manifest, first, 1, samples)
        seen = {step for step in rows_of_frames(manifest, first, 1, samples).ravel().tolist() if step >= 0}
        assert seen <= set(range(*steps))
        held = columns_of_frames(manifest, first, 1, samples)
        windows = encoder_windows(manifest, whole_columns[slice(*held)], held, range(*steps), samples)
        assert windows.tobytes() == whole[slice(*steps)].tobytes()


def test_the_layout_of_the_encoder_may_be_turned(reference_avatar: Avatar) -> None:
    encoder = encoder_of(reference_avatar.manifest)
    turned = encoder.model_copy(
        update={
            "layout": "columns_bands",
            "input": encoder.input.model_copy(update={"shape": (16, 80)}),
        }
    )
    audio = reference_avatar.manifest.audio.model_copy(update={"encoder": turned})
    manifest = reference_avatar.manifest.model_copy(update={"audio": audio})
    columns = np.arange(40 * 80, dtype=np.float32).reshape(40, 80)
    straight = encoder_windows(reference_avatar.manifest, columns, Span(0, 40), [0, 1], OPEN)
    assert straight.shape == (2, 1, 80, 16)
    assert np.array_equal(
        encoder_windows(manifest, columns, Span(0, 40), [0, 1], OPEN), straight[:, 0].transpose(0, 2, 1)
    )


def test_a_silent_window_is_the_value_of_silence_throughout(reference_avatar: Avatar) -> None:
    none = np.empty((0, 80), np.float32)
    window = encoder_windows(reference_avatar.manifest, none, Span(0, 0), [SILENCE], OPEN)
    assert np.array_equal(window, np.full((1, 1, 80, 16), -4, np.float32))
