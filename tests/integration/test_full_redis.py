"""A Redis that is full refuses every write; what nobody wants any more is still cleared, and the rest waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from common import keys
from common.avatars.package import Avatar
from common.errors import BusError
from common.redis_client import check_server, connect
from lipstream_client import LipstreamClientError
from lipstream_client import connect as connect_client
from tests.integration.one_stage import DONE, opened, outcome, put, session, task
from tests.pipeline import running, until_it_speaks
from tests.speech import RATE_HZ, offline, speechlike, stream

__all__ = ["session"]


@pytest.fixture
async def redis(redis_server: str) -> AsyncIterator[Redis]:
    """The real server alone: fakeredis has no memory limit."""
    client = connect(redis_server)
    await client.flushall()
    yield client
    await client.config_set("maxmemory", 0)
    await client.aclose()


@pytest.mark.usefixtures("session")
async def test_a_task_whose_result_is_refused_waits_and_is_done_once_there_is_room(redis: Redis) -> None:
    worker = await opened(redis)
    await put(redis, task())
    await redis.config_set("maxmemory", 1)
    with pytest.raises(BusError, match="Redis is full"):
        await worker.step()
    assert (await outcome(redis))["pending"] == 1
    await redis.config_set("maxmemory", 0)
    await asyncio.sleep(0.1)
    assert await worker.step() == 1
    assert await outcome(redis) == DONE


@pytest.mark.usefixtures("session")
async def test_tasks_past_their_deadline_are_cleared_even_then(redis: Redis) -> None:
    worker = await opened(redis)
    await put(redis, task(deadline_ms=time.time() * 1000 - 1))
    await redis.config_set("maxmemory", 1)
    assert await worker.step() == 0
    assert await outcome(redis) == DONE | {"published": 0}


@pytest.mark.usefixtures("session")
async def test_finished_tasks_and_their_payloads_make_room_even_then(redis: Redis) -> None:
    work = (await opened(redis)).work
    await put(redis, task(), payload=b"x" * 1_000)
    ((entry_id, fields),) = await work.read(1, None)
    await redis.config_set("maxmemory", 1)
    await work.finish([entry_id], [fields[b"blob"]])
    assert await outcome(redis) == DONE | {"published": 0}
    assert await redis.exists(fields[b"blob"]) == 0


async def test_a_session_outlives_a_full_redis_without_losing_a_frame_and_new_ones_are_told(
    redis: Redis, redis_server: str, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    clip = speechlike(RATE_HZ * 2)
    async with running(redis_server, avatars_folder) as pipeline:
        talking = asyncio.create_task(stream(pipeline, "tiny", clip, pause_s=0.03))
        await until_it_speaks(pipeline)
        await redis.config_set("maxmemory", 1)
        with pytest.raises(LipstreamClientError, match="Redis is full") as refusal:
            async with connect_client(pipeline.url, avatar="tiny"):
                pass
        assert (refusal.value.code, refusal.value.retryable) == ("bus_unavailable", True)
        await asyncio.sleep(0.5)
        await redis.config_set("maxmemory", 0)
        assert await talking == offline(tiny_avatar, clip, RATE_HZ)


async def test_a_work_stream_is_never_trimmed(redis: Redis) -> None:
    await put(redis, *(task(first) for first in range(5_000)))
    assert await redis.xlen(keys.stage("from")) == 5_000


async def test_redis_py_does_not_retry_by_itself(redis: Redis) -> None:
    assert redis.connection_pool.connection_kwargs["retry"].get_retries() == 0
    nobody = connect("redis://127.0.0.1:1")
    with pytest.raises(BusError, match="cannot reach Redis"):
        await check_server(nobody)
    await nobody.aclose()


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(BusError, match="redis_url"):
        connect("http://127.0.0.1")
