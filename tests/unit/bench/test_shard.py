"""A shard of a plan, played: the plan keeps what it promises."""

import pytest

from bench.simulation.shard import UTTERANCE_MS, grown, run, scene_of
from cli.plan.model import Load, limits
from common.avatars.package import Avatar
from tests.measured import measured

LOAD = Load(100)
"""Four shards of 25 sessions, see `test_a_hundred_sessions_by_hand`."""


def test_a_scene_has_the_pods_of_the_plan() -> None:
    scene = scene_of(measured(), LOAD)
    assert (scene.sessions, scene.gateways, scene.cores, scene.network_ms) == (25, 4, None, 0.5)
    assert scene.workers == {"audio": 5, "inference": 12, "compositor": 5}


def test_sessions_pause_so_that_the_share_of_them_speaks() -> None:
    scene = scene_of(measured(), LOAD._replace(speaking=0.25))
    assert scene.utterance_ms == UTTERANCE_MS
    assert scene.utterance_ms / (scene.utterance_ms + scene.pause_ms) == pytest.approx(0.25)


def test_the_busiest_node_of_a_cluster_does_its_share() -> None:
    assert scene_of(measured(), LOAD).redis_share == pytest.approx(1)
    assert scene_of(measured(), LOAD._replace(redis_nodes=4)).redis_share == pytest.approx(0.6 / 4 + 0.2)


def test_a_planned_shard_paints_every_frame_in_time_and_is_as_busy_as_planned(tiny_avatar: Avatar) -> None:
    scene = scene_of(measured(), LOAD)._replace(seconds=4.0, warm_up_s=1.0)
    found = run(scene, measured(), tiny_avatar.manifest)
    assert found.on_time == 1.0
    assert found.p95_ms is not None
    assert found.p95_ms < 60
    # Warming up takes a quarter of the time, in which the first frames wait for their look-ahead.
    assert found.busy["redis"] == pytest.approx(25 * 25 * 1.0 / 1000, abs=0.08)
    # Waiting for a Redis that is two thirds busy is not in the plan, but in its headroom.
    assert 0.6 < found.busy["inference"] < 0.85


def test_a_shard_beyond_what_its_redis_bears_falls_behind(tiny_avatar: Avatar) -> None:
    borne = limits(measured(), Load(1, headroom=0.95))[0].speakers
    scene = grown(measured(), Load(1), round(borne * 1.2))._replace(seconds=5.0, warm_up_s=2.0)
    found = run(scene, measured(), tiny_avatar.manifest)
    assert found.busy["redis"] > 0.95
    assert found.p95_ms is not None
    assert found.p95_ms > 250
