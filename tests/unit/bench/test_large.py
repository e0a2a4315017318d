"""What is said of many shards."""

import pytest

from bench.large import Part, simulated, summary
from bench.simulation.run import Result
from cli.plan.model import Load
from common.avatars.package import Avatar
from tests.measured import measured


def shard(p95_ms: float, painted_fps: float, redis: float) -> Result:
    return Result(
        painted_fps=painted_fps, asked_fps=500.0, on_time=painted_fps / 500, p50_ms=20.0, p95_ms=p95_ms, p99_ms=90.0,
        busy={"redis": redis}, oldest_ms={}, dropped=0, cores=None,
    )  # fmt: skip


def test_the_worst_shard_is_told_beside_the_mean() -> None:
    found = summary([shard(40, 500, 0.5), shard(42, 500, 0.6), shard(300, 400, 0.9)])
    assert (found.shards, found.painted_fps) == (3, 1_400)
    assert found.on_time == pytest.approx((1_400 / 1_500, 0.8))
    assert found.p95_ms == pytest.approx((42, 300, 300), abs=6)
    assert found.redis == pytest.approx((2 / 3, 0.9))


def test_shards_differ_by_their_seeds_and_a_second_run_gives_the_same(tiny_avatar: Avatar) -> None:
    part = Part(measured(), tiny_avatar.manifest, Load(100, 0.5), 10, 4.0)
    found = list(simulated(part, 3))
    assert len({each.p95_ms for each in found}) == 3
    assert list(simulated(part, 3)) == found
