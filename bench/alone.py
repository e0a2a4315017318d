"""Two things that a running pipeline does not tell: what the streams take of Redis, and what a batch costs."""

import subprocess
import time
from statistics import median
from typing import Any, Final

import numpy as np
import psutil
from redis import Redis

from bench.fit import line
from bench.server import await_socket
from cli.embedded_redis import prepared
from cli.plan.coefficients import Cost, Stage
from cli.plan.memory import LATE, payloads_of
from common import keys
from common.avatars.manifest import Manifest
from common.avatars.package import Avatar, default_folder, load
from common.avatars.timeline import OPEN
from common.contracts import Task
from common.jobs import Job
from common.settings import load as load_settings
from workers.inference.stage import Inference, load_avatar

TASKS: Final = 4_000
BATCHES: Final = (1, 2, 4, 8, 16)
CALLS: Final = 30


def package(name: str) -> Avatar:
    """An avatar as the processes of `lipstream up` find it here."""
    return load(load_settings().avatars_dir or default_folder(), name)


def stream_ms(manifest: Manifest) -> dict[Stage, float]:
    """Milliseconds of Redis for one task on each stage's stream: added, read by its group, acknowledged, deleted."""
    payloads: dict[Stage, bytes] = {"audio": b"", "inference": bytes(payloads_of(manifest).columns), "compositor": b""}
    fields = _task(manifest, 0, 0).to_fields()
    with prepared() as own:
        process = subprocess.Popen(own.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_socket(own.socket)
            with Redis(unix_socket_path=str(own.socket)) as redis:
                return {
                    stage: round(_hops_ms(redis, process.pid, keys.stage(stage), fields | {"payload": payload}), 4)
                    for stage, payload in payloads.items()
                }
        finally:
            process.terminate()
            process.wait(10)


def _hops_ms(redis: Redis, pid: int, stream: str, fields: Any) -> float:
    redis.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
    before_s = _cpu_s(pid)
    for _ in range(TASKS):
        redis.xadd(stream, fields)
        reply: Any = redis.xreadgroup(keys.GROUP, "one", {stream: ">"}, count=1)
        entry_id = reply[0][1][0][0]
        pipe = redis.pipeline(transaction=False)
        pipe.xack(stream, keys.GROUP, entry_id)
        pipe.xdel(stream, entry_id)
        pipe.execute()
    return (_cpu_s(pid) - before_s) * 1000 / TASKS


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def batch_cost(name: str, provider: Any, handling_ms: float) -> Cost:
    """The inference stage's function by itself, wall time, on batches of live frames of as many sessions.

    `handling_ms` is what its worker spends on a task besides.
    """
    avatar = package(name)
    stage = Inference({name: load_avatar(avatar, provider, 1)})
    times_ms = [_batch_ms(stage, avatar.manifest, size) for size in BATCHES]
    batch_ms, frame_ms = line(BATCHES, times_ms)
    return Cost(batch_ms=batch_ms, task_ms=handling_ms, frame_ms=frame_ms)


def _batch_ms(stage: Inference, manifest: Manifest, sessions: int) -> float:
    """Median of some calls, each one frame further, so that all but one row of the encoder is known."""
    payload = np.zeros(payloads_of(manifest).columns // 4, np.float32).tobytes()
    times_ms = []
    for call in range(CALLS):
        jobs = [Job(_task(manifest, number, call), payload) for number in range(sessions)]
        begun_s = time.perf_counter()
        stage.process(jobs)
        times_ms.append((time.perf_counter() - begun_s) * 1000)
    return median(times_ms[1:])


def _task(manifest: Manifest, session: int, call: int) -> Task:
    return Task(
        session=f"session-{session:04d}", gateway="bench", avatar=manifest.name, epoch=0, base=0, first=LATE + call,
        count=1, samples=OPEN, template=call, quality=85, ingest_ms=0, deadline_ms=1e15, sent_ms=0,
    )  # fmt: skip
