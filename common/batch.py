"""Writes in an order that others may rely on: what a message speaks of is there before the message.

One server runs a pipeline in its order, which costs one round trip. The nodes of a cluster do not wait for each other,
so there the two halves of a batch go one after the other.
"""

from typing import NamedTuple, Self

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import RedisCluster

from common.redis_client import translated


class Batch(NamedTuple):
    """Nobody sees anything of `then` before all of `first`; on a single server both are the same pipeline."""

    first: Pipeline
    then: Pipeline

    @classmethod
    def of(cls, redis: Redis) -> Self:
        first = redis.pipeline(transaction=False)
        return cls(first, redis.pipeline(transaction=False) if isinstance(redis, RedisCluster) else first)

    async def send(self, *, tolerated: str | None = None) -> None:
        """Send what was queued.

        Raises
        ------
        BusError
            Redis is unreachable or refuses writes; part of the batch may have been done.
        ResponseError
            Another error reply, unless it holds the `tolerated` text.
        """
        for pipe in dict.fromkeys(self):
            with translated():
                for reply in await pipe.execute(raise_on_error=False):
                    if isinstance(reply, Exception) and (tolerated is None or tolerated not in str(reply)):
                        raise reply
