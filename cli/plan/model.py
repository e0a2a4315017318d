"""From what a frame costs to what sessions need: pods, Redis servers, shards, bandwidth; pure arithmetic.

A **shard** is an installation of its own: one Redis (a server or a cluster), with gateways and workers that use no
other. Shards share nothing, so what holds of one holds of any number.
"""

from collections import defaultdict
from collections.abc import Mapping
from math import ceil, floor, sqrt
from typing import Final, NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from cli.plan.coefficients import STAGES, WORKERS, Measurement, Stage
from common import keys
from common.errors import InputError

ROUND_TRIPS: Final[Mapping[Stage, int]] = {"gateway": 0, "audio": 5, "inference": 4, "compositor": 5}
"""Of a batch, for which a worker waits: read, epochs, payload (inference finds its own in the entry), publish, finish.
A gateway waits for many at a time."""
CLUSTER_ROUND_TRIPS: Final = 1
"""On a cluster what a message speaks of goes before the message (docs/decisions/0007)."""
PEAK_SIGMAS: Final = 2.33
"""In 99 % of the time no more sessions of a shard speak than so many standard deviations above the mean."""


class Bounds(NamedTuple):
    """How many pods of a stage a shard has at least and at most."""

    least: int
    most: int


PODS: Final[Mapping[Stage, Bounds]] = {
    "gateway": Bounds(2, 20), "audio": Bounds(2, 20), "inference": Bounds(2, 40), "compositor": Bounds(2, 20),
}  # fmt: skip
"""Those of `deploy/k8s/components/autoscaling`."""
GPU_PODS: Final = Bounds(2, 10)
"""Of `overlays/prod-gpu`: the floor, and the floor with the whole burst pool."""


class Load(NamedTuple):
    """What a plan is for.

    Attributes
    ----------
    speaking : share of the sessions that speak at a time, 0 to 1.
    headroom : share of its time that anything may be busy, 0 to 1.
    network_ms : one round trip between a pod and Redis.
    redis_nodes : servers of one shard's Redis that hold slots; 1 is a single server.
    max_sessions : that one gateway admits.
    batch : most tasks that a worker takes at once.
    pool : of the avatar's inference workers.
    """

    sessions: int
    speaking: float = 1.0
    headroom: float = 0.7
    network_ms: float = 0.5
    redis_nodes: int = 1
    max_sessions: int = 100
    batch: int = 16
    pool: str = "default"


class Limit(NamedTuple):
    """How many speaking sessions one part of a shard bears."""

    part: str
    speakers: float


def busy_ms(measurement: Measurement, stage: Stage, load: Load) -> float:
    """Time of one process that a frame takes: its work, and for a worker the waiting for Redis.

    Live frames are tasks of their own. Where a batch costs something by itself, as on an accelerator, a process that
    is busy finds full ones, and shares that cost out, and the waiting with it.
    """
    cost = measurement.costs[stage]
    batch = load.batch if cost.batch_ms else 1
    trips = ROUND_TRIPS[stage]
    if trips and load.redis_nodes > 1:
        trips += CLUSTER_ROUND_TRIPS
    work_ms = cost.of(batch, batch) / batch + cost.message_ms
    return work_ms * drowsiness(measurement, load) + trips * load.network_ms / batch


def drowsiness(measurement: Measurement, load: Load) -> float:
    """How many times as long work takes where cores sleep for the rest of the time that the headroom leaves."""
    return 1 + (measurement.drowsy - 1) * (1 - load.headroom)


def redis_node_ms(measurement: Measurement, load: Load) -> float:
    """Time of the busiest node of Redis that a frame takes, on a core that is awake.

    Keys of sessions spread over the nodes; each stage's stream lies on one of them. Slots are dealt out evenly.
    """
    streams: defaultdict[int, float] = defaultdict(float)
    for stage in WORKERS:
        stream = keys.stage(stage, load.pool if stage == "inference" else None)
        node = key_slot(stream.encode()) * load.redis_nodes // REDIS_CLUSTER_HASH_SLOTS
        streams[node] += measurement.stream_ms[stage]
    whole_ms = measurement.costs["redis"].live_ms
    spread_ms = max(0.0, whole_ms - sum(streams.values()))
    return spread_ms / load.redis_nodes + max(streams.values())


def polling(measurement: Measurement) -> float:
    """Share of Redis' time that each gateway and each worker takes by asking whether there is something to do."""
    return measurement.costs["redis"].idle / measurement.processes


def redis_busy(measurement: Measurement, load: Load, speakers: float, pods: float) -> float:
    """Share of its time that the busiest node of Redis is busy; the questions of all pods may be for its keys."""
    frame_ms = redis_node_ms(measurement, load) * drowsiness(measurement, load)
    return speakers * measurement.fps * frame_ms / 1000 + pods * polling(measurement)


def bounds_of(stage: Stage, measurement: Measurement) -> Bounds:
    return GPU_PODS if stage == "inference" and measurement.gpu else PODS[stage]


def limits(measurement: Measurement, load: Load) -> list[Limit]:
    """What ends a shard, the tightest first, in sessions that speak at once."""
    a_second = 1000 * load.headroom / measurement.fps
    a_pod = {stage: a_second / busy_ms(measurement, stage, load) for stage in STAGES}
    pods_of_one = sum(1 / speakers for speakers in a_pod.values())
    found = [Limit("redis", load.headroom / redis_busy(measurement, load, 1, pods_of_one))]
    found += [Limit(stage, bounds_of(stage, measurement).most * speakers) for stage, speakers in a_pod.items()]
    return sorted(found, key=lambda limit: limit.speakers)


def speakers_of(sessions: int, share: float) -> float:
    """How many of so many independent sessions speak at once, at the peak that is planned for."""
    return min(sessions, sessions * share + PEAK_SIGMAS * sqrt(sessions * share * (1 - share)))


def sessions_of(speakers: float, share: float) -> int:
    """The most sessions of which no more than `speakers` speak at once at the peak."""
    # n * p + z * sqrt(n * p * (1 - p)) = s, solved for sqrt(n).
    spread = PEAK_SIGMAS * sqrt(share * (1 - share))
    root = (sqrt(spread**2 + 4 * share * speakers) - spread) / (2 * share)
    return max(floor(speakers), floor(root**2 + 1e-9))


class Shards(NamedTuple):
    """How sessions are divided; `ended_by` is what would not bear more of them."""

    number: int
    sessions: int
    speakers: float
    ended_by: str


def shards_of(measurement: Measurement, load: Load) -> Shards:
    """As few shards as bear the sessions, each with its share.

    Raises
    ------
    InputError
        No shard bears a single session.
    """
    tightest = limits(measurement, load)[0]
    most = sessions_of(tightest.speakers, load.speaking)
    by_gateways = PODS["gateway"].most * load.max_sessions
    ended_by = tightest.part
    if by_gateways < most:
        most, ended_by = by_gateways, "max_sessions"
    if most < 1:
        raise InputError(
            f"{tightest.part} does not bear one speaking session with a headroom of {load.headroom:g}: it bears "
            f"{tightest.speakers:.2f}",
            field="headroom",
        )
    number = ceil(load.sessions / most)
    sessions = ceil(load.sessions / number)
    return Shards(number, sessions, speakers_of(sessions, load.speaking), ended_by)


def pods_of(measurement: Measurement, stage: Stage, load: Load, shards: Shards) -> int:
    """Pods of a stage in each shard."""
    busy = shards.speakers * measurement.fps * busy_ms(measurement, stage, load) / 1000
    needed = ceil(busy / load.headroom - 1e-9)
    if stage == "gateway":
        needed = max(needed, ceil(shards.sessions / load.max_sessions))
    return max(bounds_of(stage, measurement).least, needed)
