"""A plan as users get it: what to run, what flows, and what makes it dear."""

from datetime import date

from pydantic import BaseModel, ConfigDict

from cli.plan import model
from cli.plan.coefficients import STAGES, Measurement, Stage
from cli.plan.memory import SPARE, Payloads, memory_of
from cli.plan.model import Load
from common.frames import HEADER_BYTES
from common.settings import Settings

MEGA = 1e6
AUDIO_BYTES_PER_S = 24_000 * 2
"""A client that sends 24 kHz PCM16, as speech services make it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Pods(_Part):
    """One stage; `busy` is the share of its time that a pod is, at the peak, `cores` what all of them then use."""

    stage: str
    per_shard: int
    total: int
    busy: float
    cores: float
    resident_mb: float
    autoscaling_min: int
    autoscaling_max: int


class Redis(_Part):
    """One shard's Redis: `maxmemory_mb` of a node; `worst_mb` is what all keys took if every stage stood still."""

    nodes_per_shard: int
    nodes: int
    busy: float
    maxmemory_mb: float
    worst_mb: float
    in_mb_per_s: float
    out_mb_per_s: float


class Clients(_Part):
    """All sessions together, megabits a second at the peak, and bytes of one picture."""

    from_clients_mbit_per_s: float
    to_clients_mbit_per_s: float
    picture_bytes: int


class Driver(_Part):
    """A part of the cost: its share of what it is a part of, and why it is so large."""

    of: str
    what: str
    share: float
    why: str


class Plan(_Part):
    """What so many sessions need."""

    sessions: int
    avatar: str
    output: str
    gpu: str | None
    fps: float
    speaking: float
    headroom: float
    network_ms: float
    shards: int
    sessions_per_shard: int
    speakers_per_shard: float
    shard_ended_by: str
    pods: list[Pods]
    redis: Redis
    clients: Clients
    drivers: list[Driver]
    machine: str
    command: str
    measured_on: date


def make(measurement: Measurement, payloads: Payloads, load: Load, settings: Settings) -> Plan:
    """The plan for a load.

    Raises
    ------
    InputError
        Not even one session fits.
    """
    shards = model.shards_of(measurement, load)
    pods = [_pods(measurement, stage, load, shards) for stage in STAGES]
    speakers = model.speakers_of(load.sessions, load.speaking)
    return Plan(
        sessions=load.sessions, avatar=measurement.avatar, output=measurement.output, gpu=measurement.gpu,
        fps=measurement.fps, speaking=load.speaking, headroom=load.headroom, network_ms=load.network_ms,
        shards=shards.number, sessions_per_shard=shards.sessions, speakers_per_shard=round(shards.speakers, 1),
        shard_ended_by=shards.ended_by,
        pods=pods,
        redis=_redis(measurement, payloads, load, shards, settings, sum(each.per_shard for each in pods)),
        clients=Clients(
            from_clients_mbit_per_s=round(speakers * AUDIO_BYTES_PER_S * 8 / MEGA, 1),
            to_clients_mbit_per_s=round(
                speakers * measurement.fps * (HEADER_BYTES + measurement.picture_bytes) * 8 / MEGA, 1
            ),
            picture_bytes=round(measurement.picture_bytes),
        ),
        drivers=[*_of_processors(measurement), *_of_redis(measurement, payloads)],
        machine=measurement.machine, command=measurement.command, measured_on=measurement.measured_on,
    )  # fmt: skip


def _pods(measurement: Measurement, stage: Stage, load: Load, shards: model.Shards) -> Pods:
    pods = model.pods_of(measurement, stage, load, shards)
    frames_hz = shards.speakers * measurement.fps
    bounds = model.bounds_of(stage, measurement)
    cost = measurement.costs[stage]
    # What a batch costs by itself is an accelerator's time.
    cpu_ms = (cost.task_ms if cost.batch_ms else cost.live_ms) * model.drowsiness(measurement, load)
    return Pods(
        stage=stage,
        per_shard=pods,
        total=pods * shards.number,
        busy=round(frames_hz * model.busy_ms(measurement, stage, load) / 1000 / pods, 3),
        cores=round(frames_hz * cpu_ms / 1000 * shards.number, 1),
        resident_mb=measurement.resident_mb[stage],
        autoscaling_min=bounds.least,
        autoscaling_max=bounds.most,
    )


def _redis(
    measurement: Measurement, payloads: Payloads, load: Load, shards: model.Shards, settings: Settings, pods: int
) -> Redis:
    frames_hz = shards.speakers * measurement.fps
    memory = memory_of(settings, payloads, measurement.picture_bytes)
    return Redis(
        nodes_per_shard=load.redis_nodes,
        nodes=load.redis_nodes * shards.number,
        busy=round(model.redis_busy(measurement, load, shards.speakers, pods), 3),
        maxmemory_mb=round(shards.sessions * memory.rings * SPARE / load.redis_nodes / MEGA, 1),
        worst_mb=round(shards.sessions * (memory.rings + memory.under_way) / MEGA, 1),
        in_mb_per_s=round(frames_hz * measurement.redis_in_bytes / MEGA, 1),
        out_mb_per_s=round(frames_hz * measurement.redis_out_bytes / MEGA, 1),
    )


_WHY = {
    "gateway": "a socket message for each picture, and a task and a notice for each frame",
    "audio": "the mel columns of a frame's whole window, and five round trips",
    "inference": "the networks; a GPU takes them off the processors",
    "compositor": "encoding the mouth's part of the JPEG, and five round trips",
    "redis": "its system calls move every payload twice",
}


def _of_processors(measurement: Measurement) -> list[Driver]:
    costs = {part: measurement.costs[part].live_ms for part in (*STAGES, "redis")}  # type: ignore[index]
    whole = sum(costs.values())
    return [
        Driver(of=f"processor time, {whole:.1f} ms a frame", what=part, share=round(ms / whole, 3), why=_WHY[part])
        for part, ms in sorted(costs.items(), key=lambda item: -item[1])
    ]


def _of_redis(measurement: Measurement, payloads: Payloads) -> list[Driver]:
    """Each payload goes in once and out once; what remains are tasks, notices, epochs and audio read again."""
    whole = measurement.redis_in_bytes + measurement.redis_out_bytes
    moved = {
        "painted patches": (2 * payloads.patch, "raw pixels, from the inference worker to the compositor"),
        "pictures": (2 * (HEADER_BYTES + measurement.picture_bytes), "JPEG, from the compositor to the gateway"),
        "columns": (2 * payloads.columns, "float32 mel, from the audio worker to the inference worker"),
    }
    rest = whole - sum(size for size, _ in moved.values())
    moved["the rest"] = (max(0.0, rest), "audio, read with its look-back, tasks, notices, epochs")
    name = f"bytes through Redis, {whole / 1000:.0f} kB a frame"
    return [
        Driver(of=name, what=what, share=round(size / whole, 3), why=why)
        for what, (size, why) in sorted(moved.items(), key=lambda item: -item[1][0])
    ]
