"""What each part of a running server has spent: processor time, tasks, frames; of Redis also bytes."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Self, TypeVar

import psutil
from redis import Redis

from cli.plan.coefficients import STAGES, Stage
from common import keys

T = TypeVar("T")

SETTLING_S: Final = 2.5
"""Heartbeats come every two seconds: so long after the last frame they tell all."""


class Spent(NamedTuple):
    """Of one part, all its processes together, since they started."""

    cpu_ms: float = 0.0
    tasks: int = 0
    frames: int = 0
    in_bytes: int = 0
    out_bytes: int = 0

    def since(self, before: "Spent") -> "Spent":
        return Spent(
            self.cpu_ms - before.cpu_ms,
            self.tasks - before.tasks,
            self.frames - before.frames,
            self.in_bytes - before.in_bytes,
            self.out_bytes - before.out_bytes,
        )

    def and_also(self, other: "Spent") -> "Spent":
        return self.since(Spent().since(other))


class Period(NamedTuple):
    """What was spent in some time; `others` are the cores that other programs of the machine used meanwhile."""

    seconds: float
    parts: dict[str, Spent]
    others: float

    @property
    def frames(self) -> int:
        return self.parts["compositor"].frames


def during(redis: Redis, do: Callable[[], T]) -> tuple[T, Period]:
    """Do something, wait until all have told of it; what it gave, and what was spent."""
    before = _Look.at(redis)
    made = do()
    time.sleep(SETTLING_S)
    return made, _Look.at(redis).since(before)


def resident_mb(redis: Redis) -> dict[Stage, float]:
    """Of one process of each stage, the largest."""
    largest: defaultdict[Stage, float] = defaultdict(float)
    for stage, facts in processes(redis):
        largest[stage] = max(largest[stage], psutil.Process(int(facts[b"pid"])).memory_info().rss / 1e6)
    return {stage: round(size) for stage, size in largest.items()}


class _Look(NamedTuple):
    """All parts at one moment, this process as their client among them."""

    at_s: float
    machine_ms: float
    parts: dict[str, Spent]

    @classmethod
    def at(cls, redis: Redis) -> Self:
        parts: defaultdict[str, Spent] = defaultdict(Spent)
        for stage, facts in processes(redis):
            one = Spent(_cpu_ms(int(facts[b"pid"])), int(facts.get(b"tasks", 0)), int(facts[b"frames"]))
            parts[stage] = parts[stage].and_also(one)
        info: Any = redis.info()
        in_bytes, out_bytes = info["total_net_input_bytes"], info["total_net_output_bytes"]
        parts["redis"] = Spent(_cpu_ms(info["process_id"]), 0, 0, in_bytes, out_bytes)
        parts["client"] = Spent(time.process_time() * 1000)
        return cls(time.monotonic(), _machine_ms(), dict(parts))

    def since(self, before: Self) -> Period:
        parts = {part: spent.since(before.parts[part]) for part, spent in self.parts.items()}
        seconds = self.at_s - before.at_s
        ours_ms = sum(spent.cpu_ms for spent in parts.values())
        others_ms = max(0.0, self.machine_ms - before.machine_ms - ours_ms)
        return Period(seconds, parts, others_ms / 1000 / seconds)


def processes(redis: Redis) -> list[tuple[Stage, dict[bytes, bytes]]]:
    """Stage and heartbeat of every gateway and of every worker of a stage."""
    alive: Any = redis.smembers(keys.ALIVE)
    found = []
    for key in sorted(alive):
        kind, name = key.decode().split(":")[:2]
        facts: Any = redis.hgetall(key)
        found += [(stage, facts) for stage in STAGES if facts and stage == (name if kind == "worker" else kind)]
    return found


def _cpu_ms(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system) * 1000


def _machine_ms() -> float:
    """Processor time of everything on the machine, and what its host took for itself."""
    times = psutil.cpu_times()
    return float(sum(times[:9]) - times.idle - times.iowait) * 1000
