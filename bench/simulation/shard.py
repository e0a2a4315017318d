"""One shard of a plan in simulated time: its gateways, its workers, and the busiest server of its Redis."""

from typing import Final

from bench.simulation.run import Result, simulate
from bench.simulation.world import Scene
from cli.plan.coefficients import STAGES, WORKERS, Measurement
from cli.plan.model import Load, Shards, pods_of, redis_node_ms, shards_of
from common.avatars.manifest import Manifest
from common.settings import Settings

UTTERANCE_MS: Final = 6_000.0


def scene_of(measurement: Measurement, load: Load, sessions: int | None = None, seed: int = 0) -> Scene:
    """A shard with the pods that the plan gives it, and with its share of the sessions or with another number."""
    shards = shards_of(measurement, load)
    return _scene(measurement, load, shards, sessions or shards.sessions, seed)


def grown(measurement: Measurement, load: Load, sessions: int, seed: int = 0) -> Scene:
    """A shard that has got pods for so many sessions, however few its Redis bears."""
    return _scene(measurement, load, Shards(1, sessions, sessions * load.speaking, "nothing"), sessions, seed)


def run(scene: Scene, measurement: Measurement, manifest: Manifest) -> Result:
    return simulate(scene, measurement, manifest, Settings())


def _scene(measurement: Measurement, load: Load, shards: Shards, sessions: int, seed: int) -> Scene:
    pods = {stage: pods_of(measurement, stage, load, shards) for stage in STAGES}
    return Scene(
        sessions=sessions,
        workers={stage: pods[stage] for stage in WORKERS},
        gateways=pods["gateway"],
        network_ms=load.network_ms,
        redis_share=redis_node_ms(measurement, load) / measurement.costs["redis"].live_ms,
        utterance_ms=UTTERANCE_MS,
        pause_ms=UTTERANCE_MS * (1 - load.speaking) / load.speaking,
        seed=seed,
    )
