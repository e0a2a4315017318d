"""Slopes: what grows is seen, what is flat is not accused."""

import random

import pytest

from tests.chaos.growth import Growth, Sample, growing, slopes


def samples(grow_an_hour: float, noise: float = 0.0) -> list[Sample]:
    rng = random.Random(0)
    times_s = [5.0 * k for k in range(360)]
    return [Sample(t, {"rss": 100e6 * (1 + grow_an_hour * t / 3600 + rng.gauss(0, noise))}) for t in times_s]


@pytest.mark.parametrize("grow", [-0.05, 0.0, 0.01, 0.3])
def test_a_slope_is_found_in_percent_an_hour(grow: float) -> None:
    (slope,) = slopes(samples(grow))
    assert slope.percent_an_hour == pytest.approx(100 * grow / (1 + grow * 0.3), abs=0.01)
    assert slope.error_percent == pytest.approx(0, abs=0.01)


def test_noise_shows_as_the_error_of_the_slope() -> None:
    (slope,) = slopes(samples(0.0, noise=0.01))
    assert abs(slope.percent_an_hour) < 3 * slope.error_percent
    assert slope.error_percent > 0.1


def test_what_happens_in_the_warm_up_does_not_count() -> None:
    warming = [Sample(each.at_s, {"rss": 100e6 if each.at_s > 300 else each.at_s * 1e5}) for each in samples(0.0)]
    (slope,) = slopes(warming)
    assert slope.percent_an_hour == pytest.approx(0)


def test_a_process_that_was_not_always_there_has_no_slope() -> None:
    every = samples(0.0)
    assert slopes([*every[:-1], Sample(every[-1].at_s, {"other": 1.0})]) == []
    assert slopes(every[:2]) == []


@pytest.mark.parametrize(("grow_an_hour", "noise", "found"), [(0.03, 0.0, ["rss"]), (0.005, 0.0, []), (0.02, 0.05, [])])
def test_what_grows_beyond_a_percent_an_hour_and_beyond_its_noise_is_named(
    grow_an_hour: float, noise: float, found: list[str]
) -> None:
    looks = samples(grow_an_hour, noise)
    assert (
        growing(Growth(busy=looks, rests=samples(0.0)[:0], visits={}, errors=[], drifts_ms=[], left_over=[])) == found
    )
    assert growing(Growth(busy=[], rests=looks, visits={}, errors=[], drifts_ms=[], left_over=[])) == found
