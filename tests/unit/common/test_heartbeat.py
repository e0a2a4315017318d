"""A process that has left says no more that it lives."""

import asyncio
from typing import Any

import fakeredis
import pytest
from redis.asyncio.client import Pipeline

from common import heartbeat
from common.tasks import RETRY_S, stop

KEY = "worker:from:box-1"
SLOW_S = 3 * RETRY_S


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set once a write is on its way to Redis: the first one takes a while, and arrives even if nobody waits for it."""
    execute, under_way = Pipeline.execute, asyncio.Event()

    async def arrive(pipe: Pipeline) -> Any:
        if not under_way.is_set():
            under_way.set()
            await asyncio.sleep(SLOW_S)
        return await execute(pipe)

    async def send(pipe: Pipeline) -> Any:
        return await asyncio.shield(asyncio.create_task(arrive(pipe)))

    monkeypatch.setattr(Pipeline, "execute", send)
    return under_way


async def test_a_beat_that_is_on_its_way_when_its_process_leaves_comes_before_its_end(sent: asyncio.Event) -> None:
    redis = fakeredis.FakeAsyncRedis()
    beating = asyncio.create_task(heartbeat.beat(redis, KEY, dict, 60))
    await sent.wait()
    await stop(beating)
    await heartbeat.stop(redis, KEY)
    await asyncio.sleep(2 * SLOW_S)
    assert await redis.keys() == []


async def test_who_is_hurried_still_says_that_it_has_left(sent: asyncio.Event) -> None:
    redis = fakeredis.FakeAsyncRedis()
    await redis.hset(KEY, "host", "box")
    leaving = asyncio.create_task(heartbeat.stop(redis, KEY))
    await asyncio.sleep(0)
    await stop(leaving)
    assert await redis.keys() == []
