"""Redis is killed and comes back empty: the workers make their groups again and go on, none is started anew."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from redis.asyncio import Redis

from common import keys, sessions
from common.records import SessionRecord
from common.redis_client import close, connect
from common.streams import WorkStream
from common.tasks import stop
from tests.integration.one_stage import DONE, SESSION, SETTINGS, outcome, put, task, worker
from tests.integration.redis_servers import started
from tests.integration.talking import Speaker
from tests.pipeline import LATE_MS, running, until

BEAT_S = 0.2
SPEAK_AGAIN_S = 3.0
BACK_S = 2.0
"""Within so long of Redis' return, everything is as it was."""
STOP_S = 30.0


async def soon(happened: Callable[[], Awaitable[object]]) -> None:
    """Wait for what must come within `BACK_S`, on a machine that does not stand still meanwhile."""
    for _ in range(int(BACK_S / 0.02)):
        if await happened():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


async def served(redis: Redis) -> None:
    """A session, a task of it, and its result."""
    now = time.time()
    record = SessionRecord(
        avatar="tiny", gateway="g", state="open", epoch=0, sample_rate=16_000, fps=25, created_at=now, last_seen=now
    )
    await sessions.create(redis, SESSION, record, ttl_s=60)
    await put(redis, task())

    async def is_done() -> bool:
        return bool(await redis.exists(keys.stage("to"))) and await outcome(redis) == DONE

    await soon(is_done)


async def test_workers_go_on_when_redis_comes_back_empty(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"heartbeat_s": BEAT_S})
    with started(tmp_path) as server:
        redis = connect(server.url, block_ms=settings.block_ms + LATE_MS)
        workers = [worker(redis, settings=settings) for _ in range(2)]
        tasks = [asyncio.create_task(each.run()) for each in workers]
        try:
            await asyncio.sleep(BEAT_S)
            await served(redis)
            for _ in range(2):
                server.kill()
                await asyncio.sleep(0.5)
                await asyncio.to_thread(server.start)
                await served(redis)
                beats = [keys.worker("from", each.worker_id) for each in workers]
                for beat in beats:
                    await soon(partial(redis.exists, beat))
            assert not any(each.done() for each in tasks)
            for each in workers:
                each.stopping.set()
            async with asyncio.timeout(STOP_S):
                await asyncio.gather(*tasks)
        finally:
            await stop(*tasks)
            await close(redis)


async def test_all_sessions_speak_again_when_redis_comes_back_empty(tmp_path: Path, avatars_folder: Path) -> None:
    with started(tmp_path) as server:
        async with running(server.url, avatars_folder, count=2, heartbeat_s=BEAT_S) as pipeline:
            stop_speaking = asyncio.Event()
            speakers = [Speaker() for _ in range(4)]
            speaking = [asyncio.create_task(speaker.speak(pipeline.url, stop_speaking)) for speaker in speakers]
            taken_s = []
            for _ in range(2):
                await until(lambda: all(time.monotonic() - speaker.heard_s < 1 for speaker in speakers))
                server.kill()
                await asyncio.sleep(0.5)
                await asyncio.to_thread(server.start)
                back_s = time.monotonic()
                await until(lambda since=back_s: all(speaker.heard_s > since for speaker in speakers))
                taken_s.append(max(speaker.first_after(back_s) for speaker in speakers) - back_s)
            stop_speaking.set()
            await asyncio.gather(*speaking)
            # The better of two: other load on the machine says nothing of the sessions.
            assert min(taken_s) < SPEAK_AGAIN_S
            assert [speaker.sessions for speaker in speakers] == [1] * 4, "each is one session from start to end"
            assert all(speaker.numbers == sorted(set(speaker.numbers)) for speaker in speakers)


async def test_a_stream_that_vanishes_while_it_is_waited_on_is_made_again(redis_server: str) -> None:
    redis = connect(redis_server)
    work = WorkStream(redis, "stage:vanishing", "a")
    await work.ensure_group()
    waiting = asyncio.create_task(work.read(10, 1_000))
    await asyncio.sleep(0.1)
    await redis.delete(work.stream)
    assert await waiting == []
    await redis.xadd(work.stream, {"n": 1})
    assert len(await work.read(10, 100)) == 1
    await close(redis)
