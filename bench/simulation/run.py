"""One simulation, from a scene to what came of it."""

from statistics import quantiles
from typing import NamedTuple

from bench.simulation.session import Session
from bench.simulation.stages import ages, inbox, worker
from bench.simulation.world import Record, Scene, World
from cli.plan.coefficients import WORKERS, Measurement, Stage
from common.avatars.manifest import Manifest
from common.settings import Settings


class Result(NamedTuple):
    """What a simulation shows, after its warm-up.

    Attributes
    ----------
    painted_fps : frames a second that came as painted, of all sessions.
    asked_fps : frames a second that fell due.
    on_time : share of the frames that fell due and were painted, neither concealed nor skipped.
    p50_ms, p95_ms, p99_ms : latency of painted frames, as the gateway measures it; None without any.
    busy : share of its time that a process of the stage had something in hand, waiting for Redis too.
    oldest_ms : 95th percentile of the age of the oldest task that waits, as gateways look at it.
    cores : that were at work, of a machine that all share.
    """

    painted_fps: float
    asked_fps: float
    on_time: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    busy: dict[str, float]
    oldest_ms: dict[Stage, float]
    dropped: int
    cores: float | None


def simulate(scene: Scene, measurement: Measurement, manifest: Manifest, settings: Settings) -> Result:
    """Run a scene; the same scene gives the same result."""
    world = World(scene, measurement, manifest, settings)
    frame_ms = 1000 / manifest.fps
    for number in range(scene.sessions):
        Session(world, number).start(world.random.uniform(0, frame_ms))
    for stage in WORKERS:
        for _ in range(scene.workers[stage]):
            world.env.process(worker(world, stage))
    for number in range(scene.gateways):
        world.env.process(inbox(world, number))
    world.env.process(ages(world))
    world.env.run(scene.seconds * 1000)
    return _result(world)


def _result(world: World) -> Result:
    scene, record = world.scene, world.record
    seconds = scene.seconds - scene.warm_up_s
    due = record.painted + record.concealed
    p50_ms, p95_ms, p99_ms = _percentiles(record)
    whole_ms = scene.seconds * 1000
    return Result(
        painted_fps=record.painted / seconds,
        asked_fps=due / seconds,
        on_time=record.painted / due if due else 1.0,
        p50_ms=p50_ms,
        p95_ms=p95_ms,
        p99_ms=p99_ms,
        busy={
            "gateway": sum(thread.busy_ms for thread in world.gateways) / scene.gateways / whole_ms,
            **{
                stage: in_hand_ms / scene.workers[stage] / seconds / 1000
                for stage, in_hand_ms in record.in_hand_ms.items()
            },
            "redis": world.redis.busy_ms / whole_ms,
        },
        oldest_ms={stage: _p95(found) for stage, found in record.ages_ms.items()},
        dropped=record.dropped,
        cores=world.cores.busy_ms / whole_ms if world.cores else None,
    )


def _percentiles(record: Record) -> tuple[float | None, float | None, float | None]:
    if len(record.latencies_ms) < 2:
        return None, None, None
    cuts = quantiles(record.latencies_ms, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def _p95(values: list[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[18] if len(values) > 1 else 0.0
