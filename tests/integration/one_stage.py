"""One stage's worker between two streams, its session and its tasks, and what becomes of them."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from common import keys, payloads, sessions
from common.batch import Batch
from common.contracts import Task
from common.jobs import Job
from common.publish import to_stream
from common.records import SessionRecord
from common.settings import Settings
from common.stage import Stage
from common.worker import Worker

SESSION = "0123456789abcdef"
SETTINGS = Settings(block_ms=20, reclaim_idle_ms=60, frame_deadline_ms=200, max_attempts=3, blob_inline_bytes=100)


def task(first: int = 0, **changes: Any) -> Task:
    now_ms = time.time() * 1000
    values: dict[str, Any] = {
        "session": SESSION, "gateway": "g", "avatar": "tiny", "epoch": 0, "base": 0, "first": first, "count": 1,
        "samples": -1, "template": 0, "quality": 85, "ingest_ms": now_ms, "deadline_ms": now_ms + 60_000,
        "sent_ms": now_ms,
    }  # fmt: skip
    return Task(**(values | changes))


async def put(redis: Redis, *tasks: Task, payload: bytes = b"in") -> None:
    batch = Batch.of(redis)
    for each in tasks:
        payloads.add_task(batch, keys.stage("from"), each, payload, inline_bytes=100, ttl_s=10)
    await batch.send()


def double(jobs: Sequence[Job]) -> list[list[bytes]]:
    return [[job.payload * 2] for job in jobs]


def worker(
    redis: Redis, process: Callable[[Sequence[Job]], list[list[bytes]]] = double, settings: Settings = SETTINGS
) -> Worker:
    publish = to_stream(lambda _: keys.stage("to"), settings)
    return Worker(Stage("from", keys.stage("from"), process, payloads.fetch, publish), redis, settings)


@pytest.fixture
async def session(redis: Redis) -> None:
    await open_session(redis)


async def open_session(redis: Redis) -> None:
    now = time.time()
    record = SessionRecord(
        avatar="tiny", gateway="g", state="open", epoch=0, sample_rate=16_000, fps=25, created_at=now, last_seen=now
    )
    await sessions.create(redis, SESSION, record, ttl_s=60)


async def opened(redis: Redis, **kwargs: Any) -> Worker:
    made = worker(redis, **kwargs)
    await made.work.ensure_group()
    return made


async def outcome(redis: Redis) -> dict[str, int]:
    pending: Any = await redis.xpending(keys.stage("from"), keys.GROUP)
    return {
        "waiting": await redis.xlen(keys.stage("from")),
        "pending": pending["pending"],
        "published": await redis.xlen(keys.stage("to")),
        "dead": await redis.xlen(keys.dead("from")),
    }


DONE = {"waiting": 0, "pending": 0, "published": 1, "dead": 0}
