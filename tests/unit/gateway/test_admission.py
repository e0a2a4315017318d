"""What is asked, what was measured, and the decision."""

import pytest

from common.errors import SettingsError
from common.settings import Settings, load
from gateway.admission import Admission, Hysteresis, OverloadError

SETTINGS = Settings(
    max_sessions=8, capacity_share=0.5, queue_age_high_ms=500, queue_age_low_ms=100, queue_age_samples=2
)
FPS = 25


def seen(*ages_ms: float, capacity_fps: float | None = 400, workers: int = 2, others_fps: float = 0) -> Admission:
    admission = Admission(SETTINGS)
    for age_ms in ages_ms or (0,):
        admission.observe(age_ms, capacity_fps, workers, others_fps)
    return admission


def admits(admission: Admission, asked_fps: float = 0) -> bool:
    try:
        admission.check_load(asked_fps, FPS)
    except OverloadError:
        return False
    return True


def test_values_must_lie_beyond_a_mark_so_often_in_a_row() -> None:
    marks = Hysteresis(high=500, low=100, samples=3)
    course = []
    for value in (600, 600, 400, 600, 600, 600, 300, 90, 90, 300, 90, 90, 90):
        marks.observe(value)
        course.append(marks.is_over)
    assert course == [False] * 5 + [True] * 7 + [False]


def test_old_queues_refuse_new_sessions_until_they_are_young_again() -> None:
    assert admits(seen(600))
    assert not admits(seen(600, 600))
    assert not admits(seen(600, 600, 300, 300, 300))
    assert admits(seen(600, 600, 50, 50))


def test_half_of_the_measured_capacity_is_given_away() -> None:
    assert admits(seen(capacity_fps=400), asked_fps=175)
    assert not admits(seen(capacity_fps=400), asked_fps=176)


def test_what_other_gateways_sessions_ask_for_counts_too() -> None:
    assert admits(seen(others_fps=100), asked_fps=75)
    assert not admits(seen(others_fps=125), asked_fps=75)


def test_before_anything_was_measured_each_worker_bears_one_session() -> None:
    assert admits(seen(capacity_fps=None, workers=3), asked_fps=50)
    assert not admits(seen(capacity_fps=None, workers=3), asked_fps=75)


def test_the_first_session_is_let_in_however_slow_the_workers_were() -> None:
    assert admits(seen(capacity_fps=1))
    assert admits(seen(capacity_fps=None, workers=0))
    assert not admits(seen(capacity_fps=1), asked_fps=25)


def test_a_worse_estimate_is_believed_at_once_and_a_better_one_slowly() -> None:
    admission = seen(capacity_fps=400)
    for capacity_fps in (100, 400, 400):
        admission.observe(0, capacity_fps, 2, 0)
    assert admission.capacity_fps == pytest.approx(104.04)
    for _ in range(100):
        admission.observe(0, 400, 2, 0)
    assert admission.capacity_fps == 400


def test_a_look_without_a_measurement_leaves_the_last_one_standing() -> None:
    admission = seen(capacity_fps=400)
    admission.observe(0, None, 2, 0)
    assert admission.capacity_fps == 400


def test_load_can_be_left_out_of_account() -> None:
    admission = Admission(Settings(admit_by_load=False))
    for _ in range(10):
        admission.observe(9_000, 1, 1, 900)
    assert admits(admission, asked_fps=900)


def test_a_gateway_s_places_are_limited_and_sessions_that_come_back_find_a_quarter_more() -> None:
    admission = seen()
    admission.check_places(7, resumed=False)
    admission.check_places(9, resumed=True)
    for count, resumed in ((8, False), (10, True)):
        with pytest.raises(OverloadError) as caught:
            admission.check_places(count, resumed)
        assert caught.value.limit == count


def test_a_refusal_says_when_to_come_back_and_not_the_same_to_all() -> None:
    admission, told = seen(600, 600), []
    for _ in range(6):
        with pytest.raises(OverloadError) as caught:
            admission.check_load(0, FPS)
        answer = caught.value.as_dict()
        assert (answer["code"], answer["retryable"], answer["limit"]) == ("at_capacity", True, 500)
        assert caught.value.close_code == 1013
        told.append(answer["retry_after_s"])
    assert sorted(told) == [5, 6, 7, 8, 9, 10]


def test_marks_that_would_make_admission_flutter_are_refused() -> None:
    with pytest.raises(SettingsError, match="queue_age_low_ms must be below queue_age_high_ms"):
        load(queue_age_low_ms=500, queue_age_high_ms=500)
