"""How many shards and pods so many sessions need, as a table and as a picture; arithmetic on measured costs alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bench.figures import beside, finish
from cli.plan.coefficients import STAGES, Coefficients, Measurement, Output
from cli.plan.model import Load, pods_of, shards_of, speakers_of
from common.frames import HEADER_BYTES

SPEAKING: Final = 0.5
DRAWN: Final = (100, 1_000, 10_000, 100_000)
TOLD: Final = (40, 400, 4_000, 40_000, 100_000)
CLUSTER: Final = 4
"""Nodes; the fewest with which each stage's stream has one for itself."""


class Kind(NamedTuple):
    """A way to build shards."""

    name: str
    output: Output
    redis_nodes: int


KINDS: Final = (
    Kind("pictures, one Redis", "frame", 1),
    Kind(f"pictures, Redis Cluster of {CLUSTER}", "frame", CLUSTER),
    Kind("mouths, one Redis", "patch", 1),
    Kind(f"mouths, Redis Cluster of {CLUSTER}", "patch", CLUSTER),
)


def by_kind(known: Coefficients, avatar: str) -> dict[Kind, Measurement]:
    """What each way to build shards costs."""
    return {kind: known.find(avatar, kind.output) for kind in KINDS}


def table(measurement: Measurement) -> str:
    """Markdown: sessions, shards, pods and bandwidth, with one Redis a shard and with a cluster."""
    head = (
        f"| sessions | shards | ends at | pods: gateway, audio, inference, compositor | cluster of {CLUSTER}: shards "
        "| ends at | to clients, Gbit/s |\n|---:|---:|---|---|---:|---|---:|"
    )
    return "\n".join([head, *(_row(measurement, sessions) for sessions in TOLD)])


def _row(measurement: Measurement, sessions: int) -> str:
    one, many = (Load(sessions, SPEAKING, redis_nodes=nodes) for nodes in (1, CLUSTER))
    single, cluster = shards_of(measurement, one), shards_of(measurement, many)
    pods = " + ".join(f"{pods_of(measurement, stage, one, single) * single.number:,}" for stage in STAGES)
    frames_hz = speakers_of(sessions, SPEAKING) * measurement.fps
    gbit_per_s = frames_hz * (HEADER_BYTES + measurement.picture_bytes) * 8 / 1e9
    return (
        f"| {sessions:,} | {single.number:,} | {single.ended_by} | {pods} | {cluster.number:,} | {cluster.ended_by} "
        f"| {gbit_per_s:.1f} |"
    )


def draw(measurements: Mapping[Kind, Measurement], path: Path) -> None:
    """Shards and pods, by the number of sessions."""
    figure, both = beside()
    for kind, measurement in measurements.items():
        loads = [Load(size, SPEAKING, redis_nodes=kind.redis_nodes) for size in DRAWN]
        made = [shards_of(measurement, each) for each in loads]
        pods = [
            sum(pods_of(measurement, stage, each, shards) for stage in STAGES) * shards.number
            for each, shards in zip(loads, made, strict=True)
        ]
        both[0].plot(DRAWN, [shards.number for shards in made], marker="o", label=kind.name)
        both[1].plot(DRAWN, pods, marker="o", label=kind.name)
    for axes, name in zip(both, ("shards", "pods"), strict=True):
        axes.set(xscale="log", yscale="log", ylabel=name)
        finish(axes, f"sessions, of which {SPEAKING:.0%} speak")
    figure.savefig(path, dpi=110)
