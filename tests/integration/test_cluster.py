"""The whole pipeline on a Redis Cluster: a session's keys share a slot, everything else lies where it may."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from common import keys, sessions
from common.avatars.package import Avatar
from common.batch import Batch
from common.redis_client import close, connect
from gateway.http.workers import STAGES, living
from tests.integration.redis_servers import Server, cluster, cluster_url, node_id
from tests.integration.talking import BACK_S, outlive
from tests.pipeline import LATE_MS, running, stages_are_empty, until, until_it_speaks, what_stays
from tests.speech import RATE_HZ, offline, speechlike, stream

MOVE_TIMEOUT_MS = 2_000
WORK = ("stage:audio", "stage:inference:default", "stage:compositor")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Three masters; the first has a replica."""
    with cluster(tmp_path_factory.mktemp("cluster"), replicas=1) as made:
        yield made


def move(masters: list[Server], key: str) -> None:
    """Give the slot of `key`, and all that lies in it, from its node to the next one; as redis-cli reshards."""
    slot = int(masters[0].ask("CLUSTER", "KEYSLOT", key))
    owner = next(node for node in masters if _owns(node, slot))
    heir = masters[(masters.index(owner) + 1) % len(masters)]
    heir.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", node_id(owner))
    owner.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", node_id(heir))
    while lying := owner.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
        owner.ask("MIGRATE", "127.0.0.1", heir.port, "", 0, MOVE_TIMEOUT_MS, "KEYS", *lying)
    for node in (heir, owner, *masters):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", node_id(heir))


def _owns(node: Server, slot: int) -> bool:
    return any(first <= slot <= last and owner[1] == node.port for first, last, owner, *_ in node.ask("CLUSTER SLOTS"))


async def test_frames_are_byte_identical_to_the_renderers(
    nodes: list[Server], avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    clips = [speechlike(RATE_HZ * seconds + 17) for seconds in (2, 3, 1, 2)]
    async with running(cluster_url(nodes), avatars_folder, count=2, blob_inline_bytes=1) as pipeline:
        found = await asyncio.gather(*(stream(pipeline, "tiny", clip) for clip in clips))
        assert {report.stage for report in await living(pipeline.redis)} == set(STAGES)
        await until(lambda: not pipeline.gateway.sessions)
        await stages_are_empty(pipeline.redis)
        assert await sessions.every(pipeline.redis) == {}
        assert await what_stays(pipeline.redis) == []
        assert [key async for key in pipeline.redis.scan_iter("blob:*")] == []
    for clip, frames in zip(clips, found, strict=True):
        assert frames == offline(tiny_avatar, clip, RATE_HZ)


async def _key_on(redis: Redis, node: Server) -> str:
    """A key that lies on a node."""
    cluster: Any = redis
    await cluster.initialize()
    return next(key for key in map(str, range(100)) if cluster.get_node_from_key(key).port == node.port)


async def test_a_message_waits_for_what_it_speaks_of(nodes: list[Server]) -> None:
    """Nodes do not wait for each other: a task must not be there before its payload, on a slower node, is."""
    redis = connect(cluster_url(nodes), block_ms=LATE_MS)
    try:
        await redis.flushall()
        here, there = await _key_on(redis, nodes[0]), await _key_on(redis, nodes[1])
        nodes[0].ask("CLIENT", "PAUSE", LATE_MS, "WRITE")
        batch = Batch.of(redis)
        batch.then.set(there, "the message")
        batch.first.set(here, "what it speaks of")
        sending = asyncio.create_task(batch.send())
        await asyncio.sleep(0.15)
        assert not sending.done()
        assert await redis.get(there) is None
        nodes[0].ask("CLIENT", "UNPAUSE")
        await sending
        assert await redis.mget_nonatomic(here, there) == [b"what it speaks of", b"the message"]  # type: ignore[attr-defined]
    finally:
        await close(redis)


async def test_streams_and_sessions_that_move_to_another_node_are_found_there(
    nodes: list[Server], avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    clip = speechlike(RATE_HZ * 3)
    async with running(cluster_url(nodes), avatars_folder) as pipeline:
        speaking = asyncio.create_task(stream(pipeline, "tiny", clip, pause_s=0.02))
        await until_it_speaks(pipeline)
        (session,) = await sessions.every(pipeline.redis)
        for key in (*WORK, keys.session(session)):
            await asyncio.to_thread(move, nodes[:3], key)
            await asyncio.sleep(0.1)
        assert await speaking == offline(tiny_avatar, clip, RATE_HZ)


async def test_a_master_that_dies_is_replaced_by_its_replica_and_sessions_speak_on(
    nodes: list[Server], avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    """The last test: it costs the cluster its first node."""
    clip = speechlike(RATE_HZ)
    async with running(cluster_url(nodes), avatars_folder, outage_s=BACK_S) as pipeline:
        await outlive(pipeline, nodes[0].kill)
        assert await stream(pipeline, "tiny", clip) == offline(tiny_avatar, clip, RATE_HZ)
