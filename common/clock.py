"""One clock for the deadlines: Redis'. What the clocks of the machines say does not matter, nor that they jump."""

import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from redis.asyncio import Redis

from common.redis_client import translated

_ASK_EVERY_S: Final = 2.0


@dataclass(slots=True)
class RedisClock:
    """Redis' Unix time, asked for now and then and counted on by the monotonic clock in between."""

    redis: Redis
    _ahead_ms: float = 0.0
    _ask_s: float = 0.0

    async def now_ms(self) -> float:
        """Redis' time, to about the duration of a round trip."""
        begin_s = time.monotonic()
        if begin_s >= self._ask_s:
            with translated():
                reply: Any = await self.redis.time()
            seconds, microseconds = reply
            end_s = time.monotonic()
            self._ahead_ms = seconds * 1000 + microseconds / 1000 - (begin_s + end_s) / 2 * 1000
            self._ask_s = end_s + _ASK_EVERY_S
        return time.monotonic() * 1000 + self._ahead_ms


def written_ms(entry_id: bytes) -> int:
    """Redis' time when a stream entry was added, from its ID."""
    return int(entry_id.partition(b"-")[0])


def steady_ms() -> float:
    """Unix time as this process knew it when it first asked, counted on since; it never jumps."""
    return (time.monotonic() + _ahead_s()) * 1000


@cache
def _ahead_s() -> float:
    return time.time() - time.monotonic()
