"""What one look at the installation finds, on both servers."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from common import heartbeat, keys
from common.backlog import forget, read
from common.redis_client import close, connect
from common.settings import Settings
from common.tasks import RETRY_S, stop
from gateway.bus import GatewayBus
from gateway.context import Gateway
from gateway.doors.caller import Caller
from gateway.watch import watch
from tests.integration import redis_servers
from tests.pipeline import until

STREAMS = [keys.stage("audio"), keys.stage("inference", "default"), keys.stage("compositor")]
WORK: dict[str, Any] = {
    "avatars": "tiny", "tasks": 2, "frames": 3, "dropped": 0, "retried": 0, "dead": 0, "work_ms": 4.5, "busy_ms": 6.5,
}  # fmt: skip


async def beat(redis: Redis, key: str, facts: dict[str, Any]) -> None:
    await heartbeat.say(redis, key, facts, interval_s=2.0)


async def test_an_empty_redis_has_no_backlog(redis: Redis) -> None:
    found = await read(redis, STREAMS)
    assert [(b.stage, b.waiting, b.in_hand, b.oldest_ms) for b in found.backlogs] == [
        ("audio", 0, 0, 0.0), ("inference", 0, 0, 0.0), ("compositor", 0, 0, 0.0),
    ]  # fmt: skip
    assert (found.workers, found.gateways, found.expired, found.oldest_ms) == ((), (), (), 0.0)


async def test_tasks_count_as_waiting_then_in_hand_and_age_by_redis_s_clock(redis: Redis) -> None:
    for _ in range(3):
        await redis.xadd(STREAMS[1], {"some": "task"})
    await redis.xgroup_create(STREAMS[1], keys.GROUP, id="0")
    await redis.xreadgroup(keys.GROUP, "one", {STREAMS[1]: ">"}, count=1)
    await asyncio.sleep(0.05)
    found = await read(redis, STREAMS)
    assert [(b.waiting, b.in_hand) for b in found.backlogs] == [(0, 0), (2, 1), (0, 0)]
    assert 50 <= found.oldest_ms < 5_000


async def test_the_oldest_task_is_one_that_a_dead_worker_holds(redis: Redis) -> None:
    seconds, _ = await redis.time()
    await redis.xadd(STREAMS[0], {"some": "task"}, id=f"{(seconds - 60) * 1000}-0")
    await redis.xgroup_create(STREAMS[0], keys.GROUP, id="0")
    await redis.xreadgroup(keys.GROUP, "dead", {STREAMS[0]: ">"}, count=1)
    await redis.xadd(STREAMS[0], {"some": "task"})
    assert 60_000 <= (await read(redis, STREAMS)).oldest_ms < 65_000


async def test_a_clock_that_jumped_here_makes_no_queue_old(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    await redis.xadd(STREAMS[0], {"some": "task"})
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert (await read(redis, STREAMS)).oldest_ms < 5_000


async def test_workers_and_gateways_are_known_by_their_heartbeats(redis: Redis) -> None:
    await beat(redis, keys.worker("inference", "box-1"), WORK)
    await beat(redis, keys.gateway("g-1"), {"sessions": 4, "speaking": 2, "asked_fps": 50.0, "frames": 9})
    await redis.sadd(keys.ALIVE, keys.worker("audio", "gone"), "nonsense")
    await redis.hset(keys.worker("audio", "older"), mapping={"host": "box"})
    await redis.sadd(keys.ALIVE, keys.worker("audio", "older"))
    found = await read(redis, STREAMS)
    ((worker,), (gateway,)) = found.workers, found.gateways
    assert (worker.stage, worker.worker, worker.frames, worker.busy_ms) == ("inference", "box-1", 3, 6.5)
    assert worker.cores > 0
    assert worker.cpu_ms > 0
    assert (gateway.gateway, gateway.speaking, gateway.asked_fps) == ("g-1", 2, 50.0)
    assert set(found.expired) == {keys.worker("audio", "gone"), "nonsense"}
    await forget(redis, found)
    assert (await read(redis, STREAMS)).expired == ()


async def test_a_process_that_leaves_is_struck_off(redis: Redis) -> None:
    await beat(redis, keys.worker("inference", "box-1"), WORK)
    await heartbeat.stop(redis, keys.worker("inference", "box-1"))
    assert (await read(redis, STREAMS)).workers == ()
    assert await redis.exists(keys.ALIVE) == 0


async def test_gateways_hear_of_each_other_and_leave_nothing_behind(redis: Redis, avatars_folder: Path) -> None:
    settings = Settings(avatars_dir=avatars_folder, load_poll_s=0.02)
    here, there = (Gateway(settings, {}, GatewayBus(redis, settings, name)) for name in ("here", "there"))
    watching = [asyncio.create_task(watch(gateway)) for gateway in (here, there)]
    try:
        async with there.opened("a" * 32, Caller("me", limited=False)):
            await until(lambda: here.admission.others_fps == 25)
        assert there.admission.others_fps == 0
        assert here.metrics.registry.get_sample_value("lipstream_stage_backlog", {"stage": "audio"}) == 0
    finally:
        await stop(*watching)
    assert await redis.keys("*") == []


async def test_a_gateway_that_leaves_amid_a_beat_is_struck_off_after_it(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(Settings(), {}, GatewayBus(redis, Settings(), "here"))
    execute, under_way = Pipeline.execute, asyncio.Event()

    async def arrive(pipe: Pipeline) -> Any:
        if not under_way.is_set():
            under_way.set()
            await asyncio.sleep(2 * RETRY_S)
        return await execute(pipe)

    async def send(pipe: Pipeline) -> Any:
        return await asyncio.shield(asyncio.create_task(arrive(pipe)))

    monkeypatch.setattr(Pipeline, "execute", send)
    watching = asyncio.create_task(watch(gateway))
    await under_way.wait()
    await stop(watching)
    await asyncio.sleep(2 * RETRY_S)
    assert await redis.keys("*") == []


async def test_a_cluster_is_looked_at_as_a_single_server_is(tmp_path: Path) -> None:
    with redis_servers.cluster(tmp_path) as nodes:
        redis = connect(redis_servers.cluster_url(nodes))
        try:
            for stream in STREAMS:
                await redis.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
                await redis.xadd(stream, {"some": "task"})
            for stage in ("audio", "inference", "compositor"):
                await beat(redis, keys.worker(stage, "box-1"), WORK)
            found = await read(redis, STREAMS)
            assert [(b.stage, b.waiting, b.in_hand) for b in found.backlogs] == [
                ("audio", 1, 0), ("inference", 1, 0), ("compositor", 1, 0),
            ]  # fmt: skip
            assert {worker.stage for worker in found.workers} == {"audio", "inference", "compositor"}
            assert 0 <= found.oldest_ms < 5_000
        finally:
            await close(redis)
