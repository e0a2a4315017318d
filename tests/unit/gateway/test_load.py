"""Frames a second, from plain counters."""

import pytest

from common.backlog import GatewayReport, Reading, WorkerReport
from gateway.load import FRAMES_MIN, capacity_fps

STAGES = ("audio", "inference", "compositor")


def worker(
    stage: str, frames: int, busy_ms: float, *, name: str = "1", host: str = "box", cores: float = 64, cpu_ms: float = 0
) -> WorkerReport:
    return WorkerReport(
        stage=stage, worker=f"{stage}-{name}", host=host, pid=1, seen_at=0, cores=cores, cpu_ms=cpu_ms, avatars=(),
        tasks=frames, frames=frames, dropped=0, retried=0, dead=0, work_ms=busy_ms, busy_ms=busy_ms,
    )  # fmt: skip


def gateway(frames: int, cpu_ms: float, *, host: str = "box", cores: float = 64) -> GatewayReport:
    return GatewayReport(
        gateway="g", host=host, pid=1, seen_at=0, cores=cores, cpu_ms=cpu_ms, sessions=1, speaking=1, asked_fps=25,
        frames=frames,
    )  # fmt: skip


def reading(*reports: WorkerReport | GatewayReport) -> Reading:
    workers = tuple(report for report in reports if isinstance(report, WorkerReport))
    return Reading((), workers, tuple(report for report in reports if isinstance(report, GatewayReport)), ())


def idle(*names: str) -> list[WorkerReport]:
    return [worker(stage, 0, 0, name=name) for stage in STAGES for name in names]


def test_the_slowest_stage_bounds_the_capacity() -> None:
    now = [worker("audio", 100, 200), worker("inference", 100, 1_000), worker("compositor", 100, 100)]
    assert capacity_fps(reading(*idle("1")), reading(*now)) == 100


def test_workers_of_a_stage_add_up_and_one_that_has_just_come_counts() -> None:
    before = reading(*idle("1", "2"))
    fast = [worker(stage, 100, 10) for stage in ("audio", "compositor")]
    two = [worker("inference", 60, 600, name="1"), worker("inference", 40, 400, name="2")]
    assert capacity_fps(before, reading(*fast, *two)) == 200
    assert capacity_fps(before, reading(*fast, *two, worker("inference", 0, 0, name="3"))) == 300


def test_only_what_was_done_between_the_looks_counts() -> None:
    before = [worker(stage, 5_000, 1) for stage in STAGES]
    now = [worker(stage, 5_100, 1_001) for stage in STAGES]
    assert capacity_fps(reading(*before), reading(*now)) == 100


def test_too_few_frames_say_nothing() -> None:
    now = [worker(stage, FRAMES_MIN, 100) for stage in STAGES]
    assert capacity_fps(reading(*idle("1")), reading(*now)) is not None
    now[1] = worker("inference", FRAMES_MIN - 1, 100)
    assert capacity_fps(reading(*idle("1")), reading(*now)) is None
    assert capacity_fps(reading(), reading()) is None


def test_the_cores_of_a_machine_that_everything_shares_bound_it_too() -> None:
    """20 ms of two cores a frame are 100 frames a second, though no worker is busy for more than 8 ms."""
    before = [worker(stage, 0, 0, cores=2) for stage in STAGES]
    now = [
        worker("audio", 100, 300, cores=2, cpu_ms=300),
        worker("inference", 100, 800, cores=2, cpu_ms=1_000),
        worker("compositor", 100, 300, cores=2, cpu_ms=300),
    ]
    first, last = gateway(0, 0, cores=2), gateway(200, 800, cores=2)
    assert capacity_fps(reading(*before, first), reading(*now, last)) == pytest.approx(100)


def test_each_machine_has_cores_of_its_own() -> None:
    """The inference workers' machine is the tight one: four cores, 40 ms a frame."""
    before = [worker(stage, 0, 0, host=stage, cores=4) for stage in STAGES]
    now = [worker(stage, 100, 100, host=stage, cores=4, cpu_ms=400) for stage in STAGES]
    now[1] = worker("inference", 100, 100, host="inference", cores=4, cpu_ms=4_000)
    assert capacity_fps(reading(*before), reading(*now)) == pytest.approx(100)


def test_a_process_that_was_started_anew_is_left_out_until_the_next_look() -> None:
    before = [*idle("1"), worker("inference", 900, 900, name="gone")]
    now = [worker(stage, 100, 1_000) for stage in STAGES] + [worker("inference", 7, 7, name="new")]
    assert capacity_fps(reading(*before), reading(*now)) == 100
