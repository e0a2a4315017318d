"""Clocks that agree although those of the machines do not."""

import time
from typing import Any

import fakeredis
import pytest

from common.clock import RedisClock, steady_ms, written_ms


class Counted(fakeredis.FakeAsyncRedis):
    """Counts how often it is asked for the time."""

    asked = 0

    async def time(self, **kwargs: Any) -> tuple[int, int]:
        self.asked += 1
        return 1_000_000, 500_000


async def test_the_time_is_redis_and_asked_for_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 50.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    redis = Counted()
    clock = RedisClock(redis)
    assert await clock.now_ms() == 1_000_000_500
    now_s += 1.5
    assert await clock.now_ms() == 1_000_002_000
    assert redis.asked == 1
    now_s += 1.0
    assert await clock.now_ms() == 1_000_000_500, "Redis' clock may have been set meanwhile"
    assert redis.asked == 2


async def test_an_entry_tells_when_redis_took_it() -> None:
    redis = fakeredis.FakeAsyncRedis()
    before_ms = time.time() * 1000
    entry_id: Any = await redis.xadd("stream", {"n": 1})
    assert before_ms - 1 <= written_ms(entry_id) <= time.time() * 1000


def test_a_jump_of_the_wall_clock_does_not_move_the_steady_time(monkeypatch: pytest.MonkeyPatch) -> None:
    before_ms, real = steady_ms(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3_600)
    assert 0 <= steady_ms() - before_ms < 60_000
