"""From what was spent to what a frame costs, without a pipeline."""

import pytest

from bench.fit import Speech, cheapest, costs_of, dearer, line
from bench.live import Shown, Talk
from bench.saturation import Outcome, Row, knee, outcome_of, saturation
from bench.spent import Period, Spent
from cli.plan.coefficients import PARTS, WORKERS, Cost

TRUE = {
    "gateway": Cost(message_ms=1, task_ms=0.5, frame_ms=2, idle=0.01),
    "audio": Cost(task_ms=3, frame_ms=0.2, idle=0.02),
    "inference": Cost(task_ms=3, frame_ms=9, idle=0.02),
    "compositor": Cost(task_ms=2, frame_ms=1, idle=0.02),
    "redis": Cost(message_ms=0.1, task_ms=0.5, frame_ms=0.3, idle=0.005),
    "client": Cost(message_ms=0.3, task_ms=0, frame_ms=0.4),
}


def spoken(messages: int, tasks: int, frames: int, seconds: float = 10.0, factor: float = 1.0) -> Speech:
    """What would be spent if the true costs held, or all were dearer."""
    parts = {}
    for part, cost in TRUE.items():
        work_ms = cost.message_ms * messages + cost.of(tasks, frames)
        parts[part] = Spent(factor * (work_ms + cost.idle * seconds * 1000), tasks, frames)
    return Speech(Period(seconds, parts, 0.0), messages)


SILENCE = Period(5.0, {part: Spent(cost.idle * 5_000) for part, cost in TRUE.items()}, 0.0)
WAYS = [spoken(500, 490, 500), spoken(63, 190, 500), spoken(500, 310, 500)]


def test_three_ways_to_speak_tell_what_a_message_a_task_and_a_frame_cost() -> None:
    found = costs_of(WAYS, SILENCE)
    assert set(found) == set(PARTS)
    for part, cost in found.items():
        for name in ("message_ms", "task_ms", "frame_ms", "idle"):
            assert getattr(cost, name) == pytest.approx(getattr(TRUE[part], name), abs=0.002), (part, name)


def test_workers_hear_of_no_message_and_clients_of_no_task() -> None:
    dearer_alone = [spoken(500, 490, 500, factor=1.3), *WAYS[1:]]
    found = costs_of(dearer_alone, SILENCE)
    assert [found[stage].message_ms for stage in WORKERS] == [0, 0, 0]
    assert found["client"].task_ms == 0


def test_noise_makes_no_cost_negative() -> None:
    for factor in (0.3, 3.0):
        found = costs_of([spoken(500, 490, 500, factor=factor), *WAYS[1:]], SILENCE)
        assert all(min(cost.message_ms, cost.task_ms, cost.frame_ms) >= 0 for cost in found.values())


def test_of_rounds_that_were_alike_the_undisturbed_one_counts() -> None:
    quiet = spoken(500, 490, 500)
    assert cheapest([spoken(500, 490, 500, factor=1.2), quiet, spoken(480, 470, 480, factor=1.05)]) is quiet


def test_a_period_is_compared_with_what_the_costs_say() -> None:
    costs = costs_of(WAYS, SILENCE)
    assert dearer(costs, spoken(1_000, 400, 1_000, seconds=20)) == pytest.approx(1, abs=0.005)
    assert dearer(costs, spoken(500, 490, 500, factor=1.2)) == pytest.approx(1.2, abs=0.005)


def test_a_batch_is_told_from_its_frames() -> None:
    assert line([1, 2, 4, 8], [12, 14, 18, 26]) == pytest.approx((10, 2))
    assert line([1, 2, 4], [7, 15, 31]) == (0.0, pytest.approx(7.67, abs=0.05)), "nothing costs less than nothing"


def test_only_frames_count_that_came_while_all_were_speaking() -> None:
    frames = [Shown(100 + k / 25, 30.0, k % 5 != 0, 1_000) for k in range(250)]
    found = outcome_of([Talk(100.0, frames)], seconds=10, fps=25)
    assert found.painted_fps == pytest.approx(20, rel=0.01)
    assert found.on_time == pytest.approx(0.8, rel=0.01)
    assert (found.p50_ms, found.p95_ms) == (30, 30)


def rows(*p95_ms: float, poured_fps: float = 110.0) -> list[Row]:
    live = [Outcome(n, 25.0 * n, 1.0, 10.0, late_ms) for n, late_ms in enumerate(p95_ms, 1)]
    poured = Outcome(4, poured_fps, 1.0, 0.0, 0.0)
    return [Row("live", each, each, 0.0, 1.0) for each in live] + [Row("lossless", poured, poured, 0.0, 1.0)]


def test_the_saturation_point_is_counted_in_frames_when_more_is_there_than_can_be_done() -> None:
    assert saturation(rows(30), "measured", 25) == pytest.approx(4.4)


def test_the_knee_lies_between_two_numbers_of_sessions() -> None:
    assert knee(rows(30, 40, 150, 350), "predicted") == pytest.approx(3.5)
    assert knee(rows(30, 40), "predicted") == 2, "never late: as many as were tried"
