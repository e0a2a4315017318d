"""The arithmetic of a plan, against cases that were reckoned by hand, and what must hold of any."""

from math import isclose
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.plan.coefficients import STAGES, Cost
from cli.plan.model import (
    GPU_PODS,
    PODS,
    Load,
    busy_ms,
    limits,
    pods_of,
    redis_busy,
    redis_node_ms,
    sessions_of,
    shards_of,
    speakers_of,
)
from common.errors import InputError
from tests.measured import measured, with_cost
from tests.unit.deploy.manifests import named, of_kind

shares = st.floats(0.01, 1)


def test_a_worker_is_busy_while_it_works_and_while_it_waits_for_redis() -> None:
    assert busy_ms(measured(), "audio", Load(1, network_ms=0.5)) == 2 + 1 + 5 * 0.5
    assert busy_ms(measured(), "inference", Load(1, network_ms=0.5)) == 1 + 10 + 4 * 0.5


def test_a_gateway_does_not_wait_for_one_session() -> None:
    assert busy_ms(measured(), "gateway", Load(1, network_ms=50)) == 1 + 1 + 2


def test_a_cluster_costs_one_more_round_trip() -> None:
    assert busy_ms(measured(), "audio", Load(1, network_ms=1, redis_nodes=3)) == 2 + 1 + 6


def test_cores_that_sleep_for_the_rest_of_the_time_take_longer() -> None:
    drowsy, load = measured(drowsy=1.5), Load(1, headroom=0.6, network_ms=0)
    assert isclose(busy_ms(drowsy, "audio", load), 3 * 1.2)
    assert isclose(redis_busy(drowsy, load, 10, 0), 10 * 25 * 1.2 / 1000)


def test_full_batches_share_what_a_batch_costs() -> None:
    on_gpu = with_cost("inference", Cost(batch_ms=8, task_ms=1, frame_ms=2), gpu="H100")
    assert busy_ms(on_gpu, "inference", Load(1, network_ms=0.5, batch=16)) == (8 + 16 * 1 + 16 * 2 + 4 * 0.5) / 16


def test_a_single_redis_does_everything_and_a_cluster_keeps_each_stream_on_one_node() -> None:
    assert isclose(redis_node_ms(measured(), Load(1)), 1.0)
    # With three nodes and the slots dealt out evenly, the inference and the compositor stream lie on the first.
    assert isclose(redis_node_ms(measured(), Load(1, redis_nodes=3)), 0.6 / 3 + 0.2 + 0.1)
    # With four each has a node for itself; the dearest counts.
    assert isclose(redis_node_ms(measured(), Load(1, redis_nodes=4)), 0.6 / 4 + 0.2)


def test_every_process_asks_redis_though_nobody_speaks() -> None:
    asking = with_cost("redis", Cost(task_ms=0.4, frame_ms=0.6, idle=0.005))
    load = Load(1, headroom=0.7, network_ms=0)
    assert isclose(redis_busy(asking, load, speakers=0, pods=100), 100 * 0.005 / 5)
    # A speaking session brings (4 + 3 + 11 + 3) * 25 / 700 pods along, and 25 ms of its own a second.
    assert isclose(limits(asking, load)[0].speakers, 0.7 / (0.025 + 0.75 * 0.001))


def test_a_shard_ends_at_its_redis_and_then_at_its_inference_pods() -> None:
    first, second, *_ = limits(measured(), Load(1, headroom=0.7))
    assert (first.part, second.part) == ("redis", "inference")
    assert isclose(first.speakers, 0.7 * 1000 / 25 / 1.0)
    assert isclose(second.speakers, 40 * 0.7 * 1000 / 25 / 13)


def test_a_hundred_sessions_by_hand() -> None:
    """One Redis bears 28 at 0.7, so four shards of 25: 625 frames a second, 2.5 gateways, 3.4 audio, 8.1 inference."""
    load = Load(100)
    shards = shards_of(measured(), load)
    assert (shards.number, shards.sessions, shards.speakers, shards.ended_by) == (4, 25, 25, "redis")
    pods = {stage: pods_of(measured(), stage, load, shards) for stage in STAGES}
    assert pods == {"gateway": 4, "audio": 5, "inference": 12, "compositor": 5}


def test_silent_sessions_take_places_at_gateways_only() -> None:
    load = Load(2_000, speaking=0.01)
    shards = shards_of(measured(), load)
    assert pods_of(measured(), "gateway", load, shards) == -(-shards.sessions // 100)
    assert pods_of(measured(), "inference", load, shards) < shards.sessions / 10


def test_gateways_have_only_so_many_places() -> None:
    shards = shards_of(measured(), Load(10_000, speaking=0.01, redis_nodes=100))
    assert (shards.ended_by, shards.sessions) == ("max_sessions", 2_000)


def test_what_does_not_bear_one_session_is_told() -> None:
    slow = with_cost("redis", Cost(task_ms=100, frame_ms=0))
    with pytest.raises(InputError, match="redis does not bear one speaking session") as caught:
        shards_of(slow, Load(1))
    assert caught.value.field == "headroom"


@given(st.integers(1, 10**6), shares)
def test_as_many_sessions_fit_as_do_not_exceed_the_speakers(sessions: int, share: float) -> None:
    speakers = speakers_of(sessions, share)
    assert sessions <= sessions_of(speakers + 1e-6, share)
    assert speakers_of(sessions_of(speakers, share), share) <= speakers * (1 + 1e-6)


@given(st.integers(1, 10**6), st.integers(1, 10**4), st.floats(0.1, 0.9), shares)
def test_more_sessions_never_need_less(sessions: int, more: int, headroom: float, share: float) -> None:
    few, many = (Load(number, share, headroom) for number in (sessions, sessions + more))
    assert shards_of(measured(), few).number <= shards_of(measured(), many).number
    if shards_of(measured(), few).number == shards_of(measured(), many).number:
        assert all(_pods(stage, few) <= _pods(stage, many) for stage in STAGES)


@given(st.integers(1, 10**5), st.floats(0.1, 0.8), st.floats(0.01, 0.1), shares)
def test_less_headroom_never_needs_fewer_shards(sessions: int, headroom: float, more: float, share: float) -> None:
    tight, wide = (Load(sessions, share, busy) for busy in (headroom + more, headroom))
    assert shards_of(measured(), tight).number <= shards_of(measured(), wide).number


@given(st.integers(1, 10**5), st.floats(0.1, 0.9), shares, st.integers(1, 12), st.floats(0, 5))
def test_a_shard_needs_no_more_than_autoscaling_allows_and_has_places_for_all(
    sessions: int, headroom: float, share: float, nodes: int, network_ms: float
) -> None:
    load = Load(sessions, share, headroom, network_ms, nodes)
    shards = shards_of(measured(), load)
    assert shards.number * shards.sessions >= sessions
    for stage in STAGES:
        assert PODS[stage].least <= pods_of(measured(), stage, load, shards) <= PODS[stage].most
    assert redis_busy(measured(), load, shards.speakers, pods=0) <= headroom + 1e-9


def test_the_bounds_are_those_of_the_manifests() -> None:
    def bounds(overlay: str, name: str) -> tuple[int, int]:
        spec: Any = next(
            each["spec"]
            for each in of_kind(overlay, "ScaledObject", "HorizontalPodAutoscaler")
            if each["spec"]["scaleTargetRef"]["name"] == name
        )
        least = spec.get("minReplicaCount", spec.get("minReplicas"))
        return int(least), int(spec.get("maxReplicaCount", spec.get("maxReplicas")))

    assert {stage: bounds("prod-cpu", stage) for stage in STAGES} == {stage: tuple(PODS[stage]) for stage in STAGES}
    floor = named("prod-gpu", "Deployment", "inference")["spec"]["replicas"]
    least, most = bounds("prod-gpu", "inference-burst")
    assert tuple(GPU_PODS) == (floor + least, floor + most)


def _pods(stage: Any, load: Load) -> int:
    return pods_of(measured(), stage, load, shards_of(measured(), load))
