"""Which samples, columns and steps a frame needs."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.avatars.manifest import Manifest
from common.avatars.package import Avatar
from common.avatars.timeline import (
    OPEN,
    Span,
    column_of_step,
    columns_of_frames,
    lookahead_samples,
    lookback_samples,
    samples_needed,
    samples_of_columns,
    steps_of_frames,
    total_columns,
    total_steps,
)
from common.errors import AvatarError
from common.media import frames_covering


@pytest.fixture
def reference(reference_avatar: Avatar) -> Manifest:
    return reference_avatar.manifest


@pytest.fixture
def demo(tiny_avatar: Avatar) -> Manifest:
    return tiny_avatar.manifest


def test_steps_stand_where_the_reference_puts_them(reference: Manifest) -> None:
    assert all(column_of_step(reference, k) == int(80.0 * (k / 25.0)) for k in range(20_000))


def test_a_clip_has_the_steps_that_the_reference_counts_rounding_and_all(reference: Manifest) -> None:
    for columns in range(16, 20_000):
        assert total_steps(reference, (columns - 1) * 200) == int((columns - 16) / 80.0 * float(25)) + 2


@pytest.mark.parametrize("samples", [1, 200, 2_999])
def test_a_clip_shorter_than_one_window_has_the_steps_of_one_window(reference: Manifest, samples: int) -> None:
    assert total_steps(reference, samples) == 2


@pytest.mark.parametrize(("samples", "steps"), [(1, 1), (640, 1), (641, 2), (16_000, 25)])
def test_without_the_clamp_rule_a_clip_has_one_step_a_frame(demo: Manifest, samples: int, steps: int) -> None:
    assert total_steps(demo, samples) == steps


@pytest.mark.parametrize(("samples", "columns"), [(1, 1), (199, 1), (200, 2), (16_000, 81)])
def test_columns_are_centred(reference: Manifest, samples: int, columns: int) -> None:
    assert total_columns(reference, samples) == columns


def test_a_frame_of_the_reference_sees_nine_steps_back_and_six_ahead(reference: Manifest) -> None:
    assert steps_of_frames(reference, 100, 1, OPEN) == Span(91, 107)
    assert steps_of_frames(reference, 100, 5, OPEN) == Span(91, 111)


def test_steps_stay_within_the_segment(reference: Manifest) -> None:
    # 16,000 samples have 22 steps.
    assert steps_of_frames(reference, 0, 1, OPEN) == Span(0, 7)
    assert steps_of_frames(reference, 24, 1, 16_000) == Span(15, 22)


def test_the_look_ahead_of_the_reference_has_its_five_phases(reference: Manifest) -> None:
    ahead = [samples_needed(reference, frame) - 640 * frame for frame in range(10)]
    assert ahead == [7_200, 7_160, 7_120, 7_080, 7_240] * 2
    assert lookahead_samples(reference) == 7_240


def test_the_look_back_reaches_the_first_window_and_one_sample_of_pre_emphasis(reference: Manifest) -> None:
    # Step i - 9 at its earliest phase: 28.8 columns, their half window, one sample.
    assert lookback_samples(reference) == 5_920 + 400 + 1


def test_a_window_clamped_at_the_start_makes_the_first_frames_wait(reference: Manifest) -> None:
    window = reference.audio.window.model_copy(update={"pad_start": "clamp"})
    clamped = reference.model_copy(update={"audio": reference.audio.model_copy(update={"window": window})})
    assert steps_of_frames(clamped, 0, 1, OPEN) == steps_of_frames(clamped, 8, 1, OPEN)
    assert samples_needed(clamped, 0) == samples_needed(reference, 8)
    assert lookahead_samples(clamped) == samples_needed(reference, 8)


def test_columns_ask_for_their_half_windows_and_the_sample_before(reference: Manifest) -> None:
    assert samples_of_columns(reference, Span(10, 12), OPEN) == Span(1_599, 2_600)
    assert samples_of_columns(reference, Span(0, 1), OPEN) == Span(0, 400)
    assert samples_of_columns(reference, Span(10, 12), 2_300) == Span(1_599, 2_300)


def test_the_last_frames_take_the_last_whole_window(reference: Manifest) -> None:
    # 81 columns: the clamped windows are the columns 65 to 80.
    assert columns_of_frames(reference, 24, 1, 16_000) == Span(48, 81)


@given(frame=st.integers(0, 500), count=st.integers(1, 64), extra=st.integers(0, 50_000))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_open_task_asks_for_no_more_than_has_arrived(
    reference: Manifest, demo: Manifest, frame: int, count: int, extra: int
) -> None:
    for manifest in (reference, demo):
        arrived = samples_needed(manifest, frame + count - 1)
        columns = columns_of_frames(manifest, frame, count, OPEN)
        assert samples_of_columns(manifest, columns, OPEN).stop == arrived
        # What an open task sees is what it would see were the segment closed there or later.
        assert columns_of_frames(manifest, frame, count, arrived + extra) == columns
        assert steps_of_frames(manifest, frame, count, arrived + extra) == steps_of_frames(manifest, frame, count, OPEN)


@given(samples=st.integers(1, 100_000), data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_frame_of_a_closed_segment_finds_its_steps_columns_and_samples_inside_it(
    reference: Manifest, demo: Manifest, samples: int, data: st.DataObject
) -> None:
    frame = data.draw(st.integers(0, frames_covering(samples, 640) - 1))
    for manifest in (reference, demo):
        steps = steps_of_frames(manifest, frame, 1, samples)
        columns = columns_of_frames(manifest, frame, 1, samples)
        span = samples_of_columns(manifest, columns, samples)
        assert 0 <= steps.start < steps.stop <= total_steps(manifest, samples)
        assert 0 <= columns.start < columns.stop <= total_columns(manifest, samples)
        assert 0 <= span.start < span.stop <= samples
        assert frame * 640 - span.start <= lookback_samples(manifest)


def test_needs_never_fall_from_frame_to_frame(reference: Manifest, demo: Manifest) -> None:
    for manifest in (reference, demo):
        needs = [samples_needed(manifest, frame) for frame in range(200)]
        assert needs == sorted(needs)


def test_a_manifest_without_encoder_is_named(reference: Manifest) -> None:
    bare = reference.model_copy(update={"audio": reference.audio.model_copy(update={"encoder": None})})
    with pytest.raises(AvatarError, match="avatar 'reference' has no audio encoder"):
        samples_needed(bare, 0)
