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
    assert slope.high_percent - slope.low_percent == pytest.approx(0, abs=0.01)


def test_noise_widens_the_bounds_of_the_slope() -> None:
    (slope,) = slopes(samples(0.0, noise=0.01))
    assert slope.low_percent < 0 < slope.high_percent
    assert slope.high_percent - slope.low_percent > 0.2


def test_a_single_step_is_no_growth_and_a_staircase_is() -> None:
    step, stairs = (
        [Sample(t, {"rss": 100e6 + 2e6 * (t // every_s)}) for t in (5.0 * k for k in range(360))]
        for every_s in (1_200, 200)
    )
    (once,), (again,) = slopes(step), slopes(stairs)
    assert once.percent_an_hour == 0
    assert again.low_percent > 20


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
