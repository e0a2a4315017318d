"""How a worker says that it lives: a readable hash that expires when it is no longer renewed."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from redis import exceptions
from redis.asyncio import Redis

from common.errors import BusError
from common.redis_client import translated

log = logging.getLogger(__name__)

MISSED_BEATS = 3
"""A worker that is silent for so many intervals counts as dead."""


async def beat(redis: Redis, key: str, facts: Callable[[], Mapping[str, str | int | float]], interval_s: float) -> None:
    """Renew `key` for ever; a full or absent Redis only costs the beat."""
    while True:
        fields: Any = {"host": socket.gethostname(), "pid": os.getpid(), "seen_at": time.time(), **facts()}
        try:
            with translated():
                pipe = redis.pipeline(transaction=False)
                pipe.hset(key, mapping=fields)
                pipe.expire(key, max(1, round(interval_s * MISSED_BEATS)))
                await pipe.execute()
        except (BusError, exceptions.ResponseError) as error:
            log.warning("no heartbeat: %s", error)
        await asyncio.sleep(interval_s)


async def stop(redis: Redis, key: str) -> None:
    """The worker has left."""
    with translated():
        await redis.unlink(key)
