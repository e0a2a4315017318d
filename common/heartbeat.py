"""How a process says that it lives: a readable hash that expires when it is no longer renewed."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from common import keys
from common.cores import cores
from common.errors import BusError
from common.redis_client import translated

log = logging.getLogger(__name__)

MISSED_BEATS = 3
"""A process that is silent for so many intervals counts as dead."""


async def beat(redis: Redis, key: str, facts: Callable[[], Mapping[str, str | int | float]], interval_s: float) -> None:
    """Renew `key` for ever; a full or absent Redis only costs the beat."""
    while True:
        try:
            with translated():
                pipe = redis.pipeline(transaction=False)
                queue(pipe, key, facts(), interval_s)
                await pipe.execute()
        except (BusError, exceptions.ResponseError) as error:
            log.warning("no heartbeat: %s", error)
        await asyncio.sleep(interval_s)


def queue(pipe: Pipeline, key: str, facts: Mapping[str, str | int | float], interval_s: float) -> None:
    """Queue one beat: the facts, and those of this process."""
    fields: Any = {
        "host": socket.gethostname(), "cores": cores(), "pid": os.getpid(), "seen_at": time.time(),
        "cpu_ms": round(time.process_time() * 1000), **facts,
    }  # fmt: skip
    pipe.hset(key, mapping=fields)
    pipe.expire(key, max(1, round(interval_s * MISSED_BEATS)))
    pipe.sadd(keys.ALIVE, key)


async def stop(redis: Redis, key: str) -> None:
    """The process has left."""
    with translated():
        await redis.unlink(key)
        await redis.srem(keys.ALIVE, key)
