"""The worker loop: every delivery comes to exactly one end."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from common import keys, payloads, sessions
from common.contracts import Task
from common.errors import TaskError
from common.jobs import Job
from common.publish import to_stream
from common.sessions import SessionRecord
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
    pipe = redis.pipeline(transaction=False)
    for each in tasks:
        payloads.add_task(pipe, keys.stage("from"), each, payload, inline_bytes=100, ttl_s=10)
    await pipe.execute()


def double(jobs: Sequence[Job]) -> list[list[bytes]]:
    return [[job.payload * 2] for job in jobs]


def worker(
    redis: Redis, process: Callable[[Sequence[Job]], list[list[bytes]]] = double, settings: Settings = SETTINGS
) -> Worker:
    publish = to_stream(lambda _: keys.stage("to"), settings)
    return Worker(Stage("from", keys.stage("from"), process, payloads.fetch, publish), redis, settings)


@pytest.fixture
async def session(redis: Redis) -> None:
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


@pytest.mark.usefixtures("session")
async def test_a_task_is_published_then_acknowledged_and_deleted(redis: Redis) -> None:
    await put(redis, task())
    assert await (await opened(redis)).step() == 1
    assert await outcome(redis) == DONE
    ((_, fields),) = await redis.xrange(keys.stage("to"))
    assert fields[b"payload"] == b"inin"
    assert fields[b"timings"].startswith(b"from=")


@pytest.mark.usefixtures("session")
async def test_a_large_payload_goes_by_blob_and_the_blob_goes_with_its_task(redis: Redis) -> None:
    await put(redis, task(), payload=b"x" * 1000)
    assert [key async for key in redis.scan_iter("blob:*")] != []
    await (await opened(redis)).step()
    ((_, fields),) = await redis.xrange(keys.stage("to"))
    assert [key async for key in redis.scan_iter("blob:*")] == [fields[b"blob"]]
    assert await redis.get(fields[b"blob"]) == b"x" * 2000


@pytest.mark.usefixtures("session")
async def test_tasks_of_an_older_epoch_are_dropped_unprocessed(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=False)
    sessions.raise_epoch(pipe, SESSION, 1)
    await pipe.execute()
    await put(redis, task(epoch=0), task(epoch=1))
    assert await (await opened(redis)).step() == 1
    assert await outcome(redis) == DONE


async def test_tasks_of_a_session_that_is_gone_are_dropped(redis: Redis) -> None:
    await put(redis, task())
    assert await (await opened(redis)).step() == 0
    assert await outcome(redis) == DONE | {"published": 0}


@pytest.mark.usefixtures("session")
async def test_a_task_past_its_deadline_is_dropped_unprocessed(redis: Redis) -> None:
    await put(redis, task(deadline_ms=time.time() * 1000 - 1))
    assert await (await opened(redis)).step() == 0
    assert await outcome(redis) == DONE | {"published": 0}


@pytest.mark.usefixtures("session")
async def test_the_earliest_deadline_goes_first(redis: Redis) -> None:
    seen: list[int] = []

    def note(jobs: Sequence[Job]) -> list[list[bytes]]:
        seen.extend(job.task.first for job in jobs)
        return double(jobs)

    now_ms = time.time() * 1000
    await put(redis, task(0, deadline_ms=now_ms + 9000), task(1, deadline_ms=now_ms + 5000))
    await (await opened(redis, process=note)).step()
    assert seen == [1, 0]


@pytest.mark.usefixtures("session")
async def test_an_entry_that_is_no_task_goes_to_the_dead_letters_at_once(redis: Redis) -> None:
    await redis.xadd(keys.stage("from"), {"hello": "world"})
    await put(redis, task())
    assert await (await opened(redis)).step() == 1
    assert await outcome(redis) == DONE | {"dead": 1}


@pytest.mark.usefixtures("session")
async def test_one_poisonous_task_costs_the_others_of_its_batch_nothing(redis: Redis) -> None:
    def picky(jobs: Sequence[Job]) -> list[list[bytes]]:
        if any(job.task.first == 1 for job in jobs):
            raise TaskError("poison")
        return double(jobs)

    await put(redis, task(0), task(1), task(2))
    assert await (await opened(redis, process=picky)).step() == 2
    assert await outcome(redis) == DONE | {"published": 2, "dead": 1}
    ((_, letter),) = await redis.xrange(keys.dead("from"))
    assert letter[b"error"] == b"poison"


@pytest.mark.usefixtures("session")
async def test_a_bug_is_retried_a_bounded_number_of_times_then_given_up(redis: Redis) -> None:
    calls = 0

    def buggy(_: Sequence[Job]) -> list[list[bytes]]:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError

    await put(redis, task())
    made = await opened(redis, process=buggy)
    for _ in range(12):
        await made.step()
        await asyncio.sleep(0.05)
    assert calls == SETTINGS.max_attempts
    assert await outcome(redis) == DONE | {"published": 0, "dead": 1}


@pytest.mark.usefixtures("session")
async def test_the_task_of_a_worker_that_died_is_done_by_another(redis: Redis) -> None:
    await put(redis, task())
    dead = await opened(redis)
    assert len(await dead.work.read(10, None)) == 1
    await asyncio.sleep(0.1)
    assert await (await opened(redis)).step() == 1
    assert await outcome(redis) == DONE


@pytest.mark.usefixtures("session")
async def test_long_work_is_not_taken_away(redis: Redis) -> None:
    enough = threading.Event()

    def slow(jobs: Sequence[Job]) -> list[list[bytes]]:
        enough.wait(30)
        return double(jobs)

    # Long enough that a busy machine does not miss the moments at which the work is kept.
    patient = SETTINGS.model_copy(update={"reclaim_idle_ms": 900})
    await put(redis, task())
    first, second = await opened(redis, process=slow, settings=patient), await opened(redis, settings=patient)
    working = asyncio.create_task(first.step())
    until_s = time.monotonic() + 2.5
    while time.monotonic() < until_s:
        await asyncio.sleep(0.1)
        assert await second.step() == 0
    enough.set()
    assert await working == 1
    assert await outcome(redis) == DONE


@pytest.mark.usefixtures("session")
async def test_a_worker_that_is_told_to_stop_finishes_its_batch_and_leaves_the_group(redis: Redis) -> None:
    begun = threading.Event()

    def slow(jobs: Sequence[Job]) -> list[list[bytes]]:
        begun.set()
        time.sleep(0.1)
        return double(jobs)

    await put(redis, task())
    made = worker(redis, process=slow)
    running = asyncio.create_task(made.run())
    await asyncio.to_thread(begun.wait, 30)
    assert await redis.exists(keys.worker("from", made.worker_id)) == 1
    made.stopping.set()
    await asyncio.wait_for(running, 30)
    assert await outcome(redis) == DONE
    assert await redis.xinfo_consumers(keys.stage("from"), keys.GROUP) == []
    assert await redis.exists(keys.worker("from", made.worker_id)) == 0
