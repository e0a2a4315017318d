"""The network between the processes and Redis fails in all its ways: nobody hangs, and speech goes on after it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from common.avatars.package import Avatar
from common.errors import BusError
from common.redis_client import ANSWER_S, check_server, close, connect
from common.tasks import stop
from lipstream_client import LipstreamClientError
from lipstream_client import connect as connect_client
from tests.integration.proxy import Proxy, proxy_to
from tests.integration.redis_servers import Server, started
from tests.pipeline import running, until_it_speaks, what_stays
from tests.speech import RATE_HZ, offline, speechlike, stream

CLIP = speechlike(RATE_HZ * 2)
CLIP_FRAMES = 50
SPIKE_S = 0.3
AWAY_S = 1.0
RECOVERED_S = 60.0
"""By then all is said and shown, on however slow a machine."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tmp_path_factory.mktemp("redis")) as made:
        yield made


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[Proxy]:
    async with proxy_to(server.port) as made:
        yield made


async def test_a_connection_that_is_cut_and_heals_costs_no_frame(
    proxy: Proxy, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    async with running(proxy.url, avatars_folder, late_ms=0) as pipeline, asyncio.timeout(RECOVERED_S):
        talking = [asyncio.create_task(stream(pipeline, "tiny", CLIP, pause_s=0.03)) for _ in range(2)]
        await until_it_speaks(pipeline, CLIP_FRAMES + 1)
        await proxy.cut()
        await asyncio.sleep(AWAY_S)
        await proxy.open()
        assert await asyncio.gather(*talking) == [offline(tiny_avatar, CLIP, RATE_HZ)] * 2
        assert await what_stays(pipeline.redis) == []


async def test_latency_spikes_cost_no_frame(proxy: Proxy, avatars_folder: Path, tiny_avatar: Avatar) -> None:
    async def spikes() -> None:
        while True:
            await asyncio.sleep(0.3)
            proxy.stall()
            await asyncio.sleep(SPIKE_S)
            proxy.flow()

    async with running(proxy.url, avatars_folder, late_ms=0) as pipeline, asyncio.timeout(RECOVERED_S):
        spiking = asyncio.create_task(spikes())
        assert await stream(pipeline, "tiny", CLIP, pause_s=0.03) == offline(tiny_avatar, CLIP, RATE_HZ)
        await stop(spiking)
        proxy.flow()


async def test_a_connection_that_dies_without_a_word_is_given_up_and_made_anew(
    proxy: Proxy, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    async with running(proxy.url, avatars_folder, late_ms=0) as pipeline, asyncio.timeout(RECOVERED_S):
        talking = asyncio.create_task(stream(pipeline, "tiny", CLIP, pause_s=0.03))
        await until_it_speaks(pipeline)
        proxy.swallow()
        await asyncio.sleep(AWAY_S)
        proxy.heal()
        assert await talking == offline(tiny_avatar, CLIP, RATE_HZ)


async def test_a_server_that_takes_connections_and_never_answers_is_an_error_in_bounded_time(proxy: Proxy) -> None:
    proxy.swallow()
    redis = connect(proxy.url)
    with pytest.raises(BusError, match="cannot reach Redis"):
        async with asyncio.timeout(10 * ANSWER_S):
            await check_server(redis)
    await close(redis)


async def test_a_blocking_read_may_block_longer_than_an_answer_may_take(server: Server) -> None:
    block_ms = round(ANSWER_S * 1000) + 100
    redis = connect(server.url, block_ms=block_ms)
    assert await redis.xread({"nothing": "0"}, block=block_ms) == []
    await close(redis)


async def test_who_wants_to_speak_meanwhile_is_told_so_and_may_come_again(
    proxy: Proxy, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    async with running(proxy.url, avatars_folder, late_ms=0) as pipeline:
        await proxy.cut()
        with pytest.raises(LipstreamClientError, match="cannot reach Redis") as refusal:
            async with connect_client(pipeline.url, avatar="tiny"):
                pass
        assert (refusal.value.code, refusal.value.retryable) == ("bus_unavailable", True)
        await proxy.open()
        assert await stream(pipeline, "tiny", CLIP) == offline(tiny_avatar, CLIP, RATE_HZ)
