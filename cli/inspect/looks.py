"""One look after the other: walk over the keys, read, remember."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Final

from redis.asyncio import Redis

from cli.inspect.keyspace import Walk, walk
from cli.inspect.snapshot import look
from cli.inspect.view import History, View, remember, view

RATED_WITHIN_S: Final = 6.0
"""Workers say how many frames they have made every two seconds, unless a setting changes that."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What one look hands to the next; starts empty. `commands` are those that the last look sent to Redis."""

    walk: Walk = field(default_factory=Walk)
    history: History | None = None
    commands: int = 0


async def look_again(redis: Redis, before: Looks) -> tuple[Looks, View]:
    """One more look.

    Raises
    ------
    BusError
        Redis cannot be reached; `before` is still good for the next try.
    """
    walked = await walk(redis, before.walk)
    snapshot = await look(redis, walked.names, before.history.snapshot.newest if before.history else None)
    history = remember(before.history, snapshot)
    return replace(before, walk=walked, history=history, commands=walked.commands + snapshot.commands), view(history)


async def look_until_rated(redis: Redis, interval_s: float) -> View:
    """Looks until every rate is known, for `RATED_WITHIN_S` at most; the last of them."""
    started_s = time.monotonic()
    looks, seen = await look_again(redis, Looks())
    while not seen.is_rated and time.monotonic() - started_s < RATED_WITHIN_S:
        await asyncio.sleep(interval_s)
        looks, seen = await look_again(redis, looks)
    return seen
