"""Fail-over by Sentinel: the master dies, its replica takes over, and everybody finds it; nobody is started anew."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common import sessions
from common.avatars.package import Avatar
from common.errors import BusError
from common.redis_client import check_server, close, connect
from tests.integration.redis_servers import Watched, await_that, free_node_port, watched, written_bytes
from tests.integration.talking import BACK_S, outlive
from tests.pipeline import running
from tests.speech import RATE_HZ, offline, speechlike, stream

TURN_BYTES = 65_536
"""More than a master writes in one turn of its loop, at whose end its replica gets what its clients are told."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A master with a replica and three sentinels."""
    with watched(tmp_path_factory.mktemp("sentinel")) as made:
        yield made


async def test_a_service_that_the_sentinels_do_not_know_is_an_error(service: Watched) -> None:
    redis = connect(service.url.replace("/talk/", "/walk/"))
    with pytest.raises(BusError, match="No master found for 'walk'"):
        await check_server(redis)
    await close(redis)


async def test_no_sentinel_is_forgotten_when_many_look_for_the_master_at_once(service: Watched) -> None:
    redis: Any = connect(service.url.replace("//", f"//127.0.0.1:{free_node_port()},"))
    known = redis.connection_pool.sentinel_manager.sentinels
    before = set(known)
    assert await asyncio.gather(*(redis.ping() for _ in range(10))) == [True] * 10
    assert set(known) == before
    await close(redis)


async def test_a_server_that_is_no_master_is_an_error_that_may_pass(service: Watched) -> None:
    redis = connect(service.replica.url)
    with pytest.raises(BusError, match="no master any more") as refusal:
        await sessions.touch(redis, "0123456789abcdef", time.time(), ttl_s=1)
    assert refusal.value.retryable
    await close(redis)


async def test_sessions_speak_on_when_the_master_dies(
    service: Watched, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    clip = speechlike(RATE_HZ)

    def kill() -> None:
        written = written_bytes(service.master)
        service.master.kill()
        # What is in the network yet arrives.
        await_that(lambda: written_bytes(service.replica) > written - TURN_BYTES, "the replica lacks a whole turn", 1)

    async with running(service.url, avatars_folder, outage_s=BACK_S) as pipeline:
        await outlive(pipeline, kill)
        assert await stream(pipeline, "tiny", clip) == offline(tiny_avatar, clip, RATE_HZ)
