"""How a process says that it lives: a readable hash that expires when it is no longer renewed.

No write is cut off when its task is cancelled: it might still be on its way to Redis, and come after the next one.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from redis import exceptions
from redis.asyncio import Redis

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
            await say(redis, key, facts(), interval_s)
        except (BusError, exceptions.ResponseError) as error:
            log.warning("no heartbeat: %s", error)
        await asyncio.sleep(interval_s)


async def say(redis: Redis, key: str, facts: Mapping[str, str | int | float], interval_s: float) -> None:
    """Write one beat: the facts, and those of this process."""
    fields: Any = {
        "host": socket.gethostname(), "cores": cores(), "pid": os.getpid(), "seen_at": time.time(),
        "cpu_ms": round(time.process_time() * 1000), **facts,
    }  # fmt: skip
    pipe = redis.pipeline(transaction=False)
    pipe.hset(key, mapping=fields)
    pipe.expire(key, max(1, round(interval_s * MISSED_BEATS)))
    pipe.sadd(keys.ALIVE, key)
    await _to_its_end(pipe.execute())


async def stop(redis: Redis, key: str) -> None:
    """The process has left; its last beat must have been written."""
    pipe = redis.pipeline(transaction=False)
    # Not `unlink`: on a cluster's pipeline it is a coroutine.
    pipe.execute_command("UNLINK", key)
    pipe.srem(keys.ALIVE, key)
    await _to_its_end(pipe.execute())


async def _to_its_end(write: Coroutine[Any, Any, Any]) -> None:
    """Await a write, even beyond a cancellation: Redis' answer, or the lack of one, comes in bounded time."""
    writing = asyncio.create_task(write)
    try:
        with translated():
            await asyncio.shield(writing)
    finally:
        while not writing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([writing])
