"""The shed order: new sessions are refused, those in progress stay, and work that nobody waits for costs nothing."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from common import keys, sessions
from common.batch import Batch
from common.contracts import Task
from common.jobs import Job
from common.payloads import add_task
from common.records import SessionRecord
from common.redis_client import connect as connect_redis
from common.settings import Settings
from common.worker import Worker
from tests.pipeline import BUILDERS, Pipeline, running, until

PROTOCOLS: Any = ["lipstream.v1"]
START = {"type": "start", "v": 1, "avatar": "tiny", "sample_rate": 16_000}
SESSION = "0123456789abcdef"


async def opened(socket: ClientConnection) -> None:
    assert json.loads(await socket.recv())["type"] == "hello"
    await socket.send(json.dumps(START))
    assert json.loads(await socket.recv())["type"] == "started"


async def refusal(pipeline: Pipeline) -> dict[str, Any]:
    """The typed answer to the start of one more session; close 1013 follows."""
    async with connect(pipeline.url, subprotocols=PROTOCOLS) as socket:
        assert json.loads(await socket.recv())["type"] == "hello"
        await socket.send(json.dumps(START))
        error: dict[str, Any] = json.loads(await socket.recv())
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1013
    return error


async def test_old_queues_refuse_new_sessions_and_young_ones_admit_them(
    redis_server: str, avatars_folder: Path
) -> None:
    marks = {"load_poll_s": 0.02, "queue_age_high_ms": 200, "queue_age_low_ms": 50, "queue_age_samples": 2}
    # Nor is anything published when the pause behind the audio has lasted.
    marks |= {"admit_by_load": True, "flush_after_ms": 600_000}
    async with (
        running(redis_server, avatars_folder, count=0, **marks) as pipeline,
        httpx.AsyncClient(base_url=pipeline.http) as http,
        connect(pipeline.url, subprotocols=PROTOCOLS) as first,
    ):
        await opened(first)
        pipeline.gateway.admission.capacity_fps = 1_000.0
        # Nobody takes the tasks.
        await first.send(b"\1\0" * 16_000)
        await until(lambda: pipeline.gateway.admission.queue.is_over)
        error = await refusal(pipeline)
        assert (error["type"], error["code"], error["limit"], error["retryable"]) == (
            "error", "at_capacity", 200, True,
        )  # fmt: skip
        assert 5 <= error["retry_after_s"] <= 10
        answer = await http.get("/api/capacity")
        assert (answer.status_code, answer.json()["admits"]) == (503, False)
        assert int(answer.headers["retry-after"]) >= 5
        text = (await http.get("/metrics")).text
        assert 'lipstream_stage_backlog{stage="audio"} 0.0' not in text
        assert 'lipstream_stage_oldest_age_seconds{stage="audio"} 0.0\n' not in text

        await pipeline.redis.delete(keys.stage("audio"))
        await until(lambda: not pipeline.gateway.admission.queue.is_over)
        async with connect(pipeline.url, subprotocols=PROTOCOLS) as another:
            await opened(another)
        # The session that was there has not been touched.
        await first.send(json.dumps({"type": "ping"}))
        await until(lambda: len(pipeline.gateway.sessions) == 1)


async def test_a_refusal_is_quick(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder, max_sessions=1) as pipeline:
        async with connect(pipeline.url, subprotocols=PROTOCOLS) as first:
            await opened(first)
            taken_ms = []
            for _ in range(10):
                begun_s = time.monotonic()
                await refusal(pipeline)
                taken_ms.append((time.monotonic() - begun_s) * 1000)
        # The best of ten: other load on the machine says nothing of the gateway.
        assert min(taken_ms) < 100


async def test_workers_that_speak_are_measured_and_what_speaks_counts(redis_server: str, avatars_folder: Path) -> None:
    async with (
        running(redis_server, avatars_folder, load_poll_s=0.05, heartbeat_s=0.1) as pipeline,
        connect(pipeline.url, subprotocols=PROTOCOLS) as socket,
    ):
        await opened(socket)
        gateway = pipeline.gateway
        assert gateway.admission.capacity_fps is None
        assert (gateway.speaking, gateway.asked_fps) == (0, 25)
        for _ in range(30):
            await socket.send(b"\1\0" * 16_000)
        await until(lambda: gateway.speaking == 1)
        await until(lambda: gateway.admission.capacity_fps is not None)
        assert gateway.asked_fps == 25
        # Its frames are not read, and a goodbye would wait behind them.
        socket.transport.abort()


@pytest.mark.parametrize("name", BUILDERS)
async def test_no_stage_works_on_what_is_too_late(redis_server: str, avatars_folder: Path, name: str) -> None:
    settings = Settings(redis_url=redis_server, avatars_dir=avatars_folder, avatars=("tiny",), block_ms=50)
    redis, worked = connect_redis(redis_server), []

    def process(jobs: Sequence[Job]) -> list[list[bytes]]:
        worked.extend(jobs)
        return [[] for _ in jobs]

    try:
        await redis.flushall()
        now_s = time.time()
        record = SessionRecord(
            avatar="tiny", gateway="g", state="open", epoch=0, sample_rate=16_000, fps=25, created_at=now_s,
            last_seen=now_s,
        )  # fmt: skip
        await sessions.create(redis, SESSION, record, ttl_s=60)
        worker = Worker(replace(BUILDERS[name](settings), process=process), redis, settings)
        await worker.work.ensure_group()
        batch = Batch.of(redis)
        for first in range(20):
            late = Task(
                session=SESSION, gateway="g", avatar="tiny", epoch=0, base=0, first=first, count=1, samples=-1,
                template=0, quality=85, ingest_ms=now_s * 1000, deadline_ms=now_s * 1000 - 1, sent_ms=now_s * 1000,
            )  # fmt: skip
            add_task(batch, worker.stage.stream, late, b"x" * 100_000, inline_bytes=65_536, ttl_s=60)
        await batch.send()
        while await redis.xlen(worker.stage.stream):
            await worker.step()
        assert worked == []
        assert worker.counters.dropped == 20
        assert await redis.keys("blob:*") == []
    finally:
        await redis.aclose()
