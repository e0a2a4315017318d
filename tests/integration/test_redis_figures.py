"""Real servers are asked of themselves: one alone, with the rights of a gateway, and a cluster."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from common import keys
from common.redis_client import close, connect
from common.settings import Settings
from gateway.bus import GatewayBus
from gateway.context import Gateway
from gateway.redis_figures import ALONE, look
from gateway.watch import watch
from tests.integration import redis_servers
from tests.pipeline import until
from tests.secured import secured


async def test_a_gateways_rights_are_enough_to_ask(tmp_path: Path) -> None:
    with secured(tmp_path) as server:
        redis = connect(server.url_of("gateway"))
        try:
            await redis.set(keys.resume_secret(), "x")
            (node,) = await look(redis)
        finally:
            await close(redis)
    assert node.name == ALONE
    assert node.used_bytes > 100_000
    assert node.commands["set"].calls == 1
    assert node.commands["set"].busy_us > 0


async def test_each_master_of_a_cluster_answers_for_itself(tmp_path: Path) -> None:
    with redis_servers.cluster(tmp_path) as nodes:
        redis = connect(redis_servers.cluster_url(nodes))
        try:
            for number in range(30):
                await redis.set(f"key{number}", "x")
            found = await look(redis)
        finally:
            await close(redis)
    assert len({node.name for node in found}) == len(nodes)
    assert sum(node.commands["set"].calls for node in found) == 30


async def test_a_server_that_cannot_be_asked_costs_the_gateway_these_figures_alone(
    redis: Redis, request: pytest.FixtureRequest, avatars_folder: Path
) -> None:
    settings = Settings(avatars_dir=avatars_folder, load_poll_s=0.02)
    gateway = Gateway(settings, {}, GatewayBus(redis, settings, "here"))
    watching = asyncio.create_task(watch(gateway))
    read = gateway.metrics.registry.get_sample_value
    try:
        await until(lambda: read("lipstream_stage_backlog", {"stage": "audio"}) == 0)
        if request.node.callspec.params["redis"] == "redis":
            await until(lambda: read("lipstream_redis_memory_bytes", {"node": ALONE}))
        else:
            await asyncio.sleep(0.1)
            assert read("lipstream_redis_memory_bytes", {"node": ALONE}) is None
        assert not watching.done()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
