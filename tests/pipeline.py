"""A whole pipeline inside one event loop: workers of every stage and a gateway on a free port, over a real Redis."""

import asyncio
import contextlib
import inspect
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from redis.asyncio import Redis

import workers.audio.main
import workers.compositor.main
import workers.inference.main
from common import keys
from common.avatars.registry import load_all
from common.redis_client import close, connect
from common.settings import Settings
from common.worker import Worker
from gateway.app import build
from gateway.bus import GatewayBus
from gateway.context import Gateway
from gateway.main import configure

BUILDERS = {
    "audio": workers.audio.main.build,
    "inference": workers.inference.main.build,
    "compositor": workers.compositor.main.build,
}


NO_EXPIRY = -1
"""What TTL says of a key that stays."""
PORTS = range(12_000, 22_000)
"""Below those that systems give to whoever asks for any: nobody gets one of these between its choice and its use. A
client that knocks at such a port while nobody listens there may even be given it, and then hears itself."""
LATE_MS = 10_000
"""Redis may answer so much later than it should: what a machine does that stands still is not what tests are about."""


class Pipeline(NamedTuple):
    """A running pipeline."""

    url: str
    http: str
    redis: Redis
    gateway: Gateway
    workers: list[Worker]


def free_port() -> int:
    while True:
        port = next(_turns())
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@cache
def _turns() -> Iterator[int]:
    """Every port before one comes again, in an order of this process' own."""
    return cycle(random.sample(PORTS, len(PORTS)))


async def until(happened: Callable[[], Any], timeout_s: float = 30) -> Any:
    """Wait for something that nobody announces; what the look at it gave at last, which may have to be awaited."""
    for _ in range(int(timeout_s / 0.01)):
        found = happened()
        if found := await found if inspect.isawaitable(found) else found:
            return found
        await asyncio.sleep(0.01)
    raise TimeoutError


async def until_it_speaks(pipeline: Pipeline, frames: int = 1) -> None:
    """Wait until so many frames have left for clients: whoever was to speak has begun."""
    await until(lambda: pipeline.gateway.metrics.frames_sent >= frames)


async def workers_have_left(redis: Redis, timeout_s: float = 30) -> None:
    """Wait until no worker is there any more: each takes its heartbeat along when it takes no more tasks."""
    for _ in range(int(timeout_s / 0.01)):
        if not [key async for key in redis.scan_iter("worker:*")]:
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def stages_are_empty(redis: Redis, timeout_s: float = 30) -> None:
    """Wait until the workers have finished every task: the last frame is out before its task is acknowledged."""
    stages = [keys.stage("audio"), keys.stage("inference", "default"), keys.stage("compositor")]
    for _ in range(int(timeout_s / 0.01)):
        if not any([await redis.xlen(stage) for stage in stages]):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def what_stays(redis: Redis, timeout_s: float = 10) -> list[str]:
    """Of sessions that have ended: their records, and keys without an expiry, should they stay.

    A worker that was writing as its session ended may leave a ring, which goes by itself; and it writes the ring before
    it says when that goes.
    """
    stays: list[str] = []
    for _ in range(int(timeout_s / 0.01)):
        found = [key.decode() async for key in redis.scan_iter("session:*")]
        if not (stays := [key for key in found if key.endswith("}") or await redis.ttl(key) == NO_EXPIRY]):
            break
        await asyncio.sleep(0.01)
    return stays


@contextlib.asynccontextmanager
async def running(
    redis_url: str, folder: Path, *, count: int = 1, late_ms: int = LATE_MS, **changes: Any
) -> AsyncIterator[Pipeline]:
    """A pipeline with `count` workers a stage; all of it is gone afterwards."""
    settings = Settings(
        redis_url=redis_url, avatars_dir=folder, port=free_port(), block_ms=50,
        **{"avatars": ("tiny",), "admit_by_load": False} | changes,
    )  # fmt: skip
    redis = connect(redis_url, block_ms=settings.block_ms + late_ms)
    await redis.flushall()
    made = [Worker(stage(settings), redis, settings) for stage in BUILDERS.values() for _ in range(count)]
    gateway = Gateway(settings, load_all(settings), GatewayBus(redis, settings, "test-gateway"))
    server = uvicorn.Server(configure(settings, build(gateway)))
    tasks = [asyncio.create_task(worker.run()) for worker in made] + [asyncio.create_task(server.serve())]
    try:
        await until(lambda: server.started)
        yield Pipeline(f"ws://127.0.0.1:{settings.port}/ws", f"http://127.0.0.1:{settings.port}", redis, gateway, made)
    finally:
        server.should_exit = True
        for worker in made:
            worker.stopping.set()
        await asyncio.wait(tasks, timeout=30)
        await close(redis)
