"""The worker loop: every delivery comes to exactly one end."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from common import heartbeat, keys, payloads, sessions
from common.contracts import Notice
from common.errors import TaskError
from common.jobs import Job
from common.records import Checkpoint
from common.stage import Delivery
from common.streams import Entry, WorkStream
from tests.integration.one_stage import (
    DONE,
    SESSION,
    SETTINGS,
    double,
    opened,
    outcome,
    put,
    session,
    task,
    worker,
)
from tests.pipeline import until

__all__ = ["session"]

ROOT = Path(__file__).parents[2]


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
    sessions.note_checkpoint(pipe, SESSION, Checkpoint(avatar="tiny", epoch=1))
    await pipe.execute()
    await put(redis, task(epoch=0), task(epoch=1))
    assert await (await opened(redis)).step() == 1
    assert await outcome(redis) == DONE


@pytest.mark.usefixtures("session")
async def test_tasks_of_an_epoch_that_redis_has_forgotten_are_done(redis: Redis) -> None:
    await put(redis, task(epoch=1))
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
    assert await letters(redis) == [b"poison"]


async def letters(redis: Redis) -> list[bytes]:
    return [letter[b"error"] for _, letter in await redis.xrange(keys.dead("from"))]


async def notices(redis: Redis) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in await redis.xrange(keys.gateway_inbox("g"))]


@pytest.mark.usefixtures("session")
async def test_a_bug_is_retried_a_bounded_number_of_times_then_given_up_with_its_reason(redis: Redis) -> None:
    calls = 0

    def buggy(_: Sequence[Job]) -> list[list[bytes]]:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError("by zero")

    await put(redis, task())
    made = await opened(redis, process=buggy)
    until_s = time.monotonic() + 10
    while not await letters(redis) and time.monotonic() < until_s:
        await made.step()
    assert calls == SETTINGS.max_attempts
    assert await outcome(redis) == DONE | {"published": 0, "dead": 1}
    assert await letters(redis) == [b"ZeroDivisionError: by zero"]


@pytest.mark.usefixtures("session")
async def test_what_fails_before_or_after_the_work_is_the_tasks_fault_as_well(redis: Redis) -> None:
    async def fetch(_: Redis, deliveries: Sequence[Delivery]) -> list[bytes | None]:
        if any(delivery.task.first == 1 for delivery in deliveries):
            raise TaskError("no such place")
        return [b"in" for _ in deliveries]

    def doubled(jobs: Sequence[Job]) -> list[list[bytes]]:
        return [[] if job.task.first == 2 else [job.payload * 2] for job in jobs]

    await put(redis, task(0), task(1), task(2))
    made = await opened(redis, process=doubled)
    made.stage = replace(made.stage, fetch=fetch)
    made.settings = SETTINGS.model_copy(update={"max_attempts": 1})
    assert await made.step() == 1
    assert await letters(redis) == [b"no such place", b"IndexError: list index out of range"]
    assert (await outcome(redis))["pending"] == 0


@pytest.mark.usefixtures("session")
async def test_the_gateway_of_a_task_that_is_given_up_is_told_so(redis: Redis) -> None:
    def poisoned(_: Sequence[Job]) -> list[list[bytes]]:
        raise TaskError("poison")

    await put(redis, task(7, count=2))
    await (await opened(redis, process=poisoned)).step()
    (notice,) = await notices(redis)
    assert Notice.from_fields(notice).lost == "from: poison"
    assert (notice[b"session"], notice[b"first"], notice[b"count"]) == (SESSION.encode(), b"7", b"2")


@pytest.mark.usefixtures("session")
async def test_the_gateway_is_told_of_a_task_of_another_version_too(redis: Redis) -> None:
    fields: Any = task(3).to_fields() | {"v": "2", "colour": "blue"}
    await redis.xadd(keys.stage("from"), fields)
    await (await opened(redis)).step()
    (notice,) = await notices(redis)
    assert notice[b"first"] == b"3"
    assert notice[b"lost"].startswith(b"from: not a Task")


@pytest.mark.usefixtures("session")
async def test_a_task_that_is_tried_until_nobody_waits_for_it_any_more_leaves_a_dead_letter(redis: Redis) -> None:
    await put(redis, task(deadline_ms=time.time() * 1000 + 50))
    assert len(await (await opened(redis)).work.read(10, None)) == 1
    await asyncio.sleep(0.1)
    assert await (await opened(redis)).step() == 0
    assert await letters(redis) == [b"its deadline has passed in 1 deliveries"]


@pytest.mark.usefixtures("session")
async def test_a_task_that_kills_its_workers_is_given_up_and_says_so(redis: Redis) -> None:
    await put(redis, task())
    await (await opened(redis)).work.read(10, None)
    for _ in range(SETTINGS.max_attempts - 1):
        await asyncio.sleep(0.1)
        assert len(await (await opened(redis)).work.reclaim(60, 10)) == 1
    await asyncio.sleep(0.1)
    assert await (await opened(redis)).step() == 0
    assert await letters(redis) == [b"its worker died or hung in each of 3 deliveries"]


@pytest.mark.parametrize("off_ms", [-3_600_000, 3_600_000])
@pytest.mark.usefixtures("session")
async def test_a_gateway_whose_clock_is_an_hour_off_is_served_like_any_other(redis: Redis, off_ms: float) -> None:
    theirs_ms = time.time() * 1000 + off_ms
    await put(redis, task(sent_ms=theirs_ms, deadline_ms=theirs_ms + 60_000))
    await put(redis, task(1, sent_ms=theirs_ms, deadline_ms=theirs_ms - 1))
    assert await (await opened(redis)).step() == 1
    ((_, fields),) = await redis.xrange(keys.stage("to"))
    assert 0 <= float(fields[b"sent_ms"]) - theirs_ms < 60_000, "times stay those of the gateway's clock"
    assert float(fields[b"deadline_ms"]) == theirs_ms + 60_000


@pytest.mark.usefixtures("session")
async def test_a_worker_whose_task_was_done_by_another_meanwhile_publishes_nothing(redis: Redis) -> None:
    other = await opened(redis)
    looks = 0

    async def slow_fetch(client: Redis, deliveries: Sequence[Delivery]) -> list[bytes | None]:
        nonlocal looks
        found = await payloads.fetch(client, deliveries)
        while await redis.xlen(keys.stage("to")) == 0:
            looks += await other.step()
        return found

    await put(redis, task())
    frozen = await opened(redis)
    frozen.stage = replace(frozen.stage, fetch=slow_fetch)
    assert await frozen.step() == 0
    assert looks == 1
    assert await outcome(redis) == DONE


@pytest.mark.usefixtures("session")
async def test_a_worker_that_was_frozen_does_not_take_its_tasks_back(redis: Redis) -> None:
    loop, taken = asyncio.get_running_loop(), threading.Event()

    def frozen(jobs: Sequence[Job]) -> list[list[bytes]]:
        loop.call_soon_threadsafe(time.sleep, 0.2)
        taken.wait(30)
        return double(jobs)

    await put(redis, task())
    first, other = await opened(redis, process=frozen), await opened(redis)
    working = asyncio.create_task(first.step())
    until_s = time.monotonic() + 20
    while await other.step() == 0:
        assert time.monotonic() < until_s
    taken.set()
    assert await working == 0
    assert await outcome(redis) == DONE


@pytest.mark.usefixtures("session")
async def test_a_worker_that_was_frozen_before_its_tasks_reached_it_publishes_none_that_another_has_done(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen, other = await opened(redis), await opened(redis)
    read = WorkStream.read

    async def late(stream: WorkStream, count: int, block_ms: int | None) -> list[Entry]:
        entries = await read(stream, count, block_ms)
        if entries and stream.consumer == frozen.worker_id:
            while await redis.xlen(keys.stage("to")) == 0:
                await other.step()
        return entries

    monkeypatch.setattr(WorkStream, "read", late)
    await put(redis, task())
    assert await frozen.step() == 0
    assert await outcome(redis) == DONE


@pytest.mark.usefixtures("session")
async def test_a_worker_that_fails_on_what_another_has_finished_leaves_no_dead_letter(redis: Redis) -> None:
    other = await opened(redis)

    async def late_fetch(client: Redis, deliveries: Sequence[Delivery]) -> list[bytes | None]:
        while await redis.xlen(keys.stage("to")) == 0:
            await other.step()
        return await payloads.fetch(client, deliveries)

    await put(redis, task(), payload=b"x" * 1000)
    late = await opened(redis)
    late.stage = replace(late.stage, fetch=late_fetch)
    assert await late.step() == 0
    assert await outcome(redis) == DONE
    assert await notices(redis) == []


@pytest.mark.usefixtures("session")
async def test_the_task_of_a_worker_that_died_is_done_by_another(redis: Redis) -> None:
    await put(redis, task())
    dead = await opened(redis)
    assert len(await dead.work.read(10, None)) == 1
    await asyncio.sleep(0.1)
    assert await (await opened(redis)).step() == 1
    assert await outcome(redis) == DONE


async def idle_ms(redis: Redis) -> int:
    """For how long the one task has been idle that is in hand."""
    (found,) = await redis.xpending_range(keys.stage("from"), keys.GROUP, min="-", max="+", count=1)
    return int(found["time_since_delivered"])


@pytest.mark.usefixtures("session")
async def test_long_work_is_not_taken_away(redis: Redis) -> None:
    enough = threading.Event()

    def slow(jobs: Sequence[Job]) -> list[list[bytes]]:
        enough.wait(30)
        return double(jobs)

    # Long enough that a machine which stands still does not miss the moments at which the work is kept.
    patient = SETTINGS.model_copy(update={"reclaim_idle_ms": 6_000})
    await put(redis, task())
    first, second = await opened(redis, process=slow, settings=patient), await opened(redis, settings=patient)
    working = asyncio.create_task(first.step())
    kept, before_ms = 0, 0
    while kept < 2:
        await asyncio.sleep(0.1)
        assert await second.step() == 0
        now_ms = await idle_ms(redis)
        kept += now_ms < before_ms
        before_ms = now_ms
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


async def test_a_worker_that_has_left_beats_no_more(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    leave, beat_s = heartbeat.stop, 0.02

    async def leave_and_linger(client: Redis, key: str) -> None:
        await leave(client, key)
        await asyncio.sleep(5 * beat_s)

    monkeypatch.setattr(heartbeat, "stop", leave_and_linger)
    made = worker(redis, settings=SETTINGS.model_copy(update={"heartbeat_s": beat_s}))
    running = asyncio.create_task(made.run())
    await until(lambda: redis.exists(keys.worker("from", made.worker_id)))
    made.stopping.set()
    await asyncio.wait_for(running, 30)
    assert await redis.exists(keys.worker("from", made.worker_id), keys.ALIVE) == 0


@pytest.mark.usefixtures("session")
async def test_what_a_stopping_worker_could_not_finish_is_taken_by_another_at_once(redis: Redis) -> None:
    failed = threading.Event()
    patient = SETTINGS.model_copy(update={"reclaim_idle_ms": 60_000, "block_ms": 20})

    def failing(_: Sequence[Job]) -> list[list[bytes]]:
        failed.set()
        raise TaskError("not here", retryable=True)

    await put(redis, task())
    made = worker(redis, process=failing, settings=patient)
    running = asyncio.create_task(made.run())
    await asyncio.to_thread(failed.wait, 30)
    made.stopping.set()
    await asyncio.wait_for(running, 30)
    ((entry, attempts),) = await (await opened(redis)).work.reclaim(40_000, 10)
    assert (attempts, entry[1][b"payload"]) == (2, b"in")


HANGS = """
import asyncio, time
import fakeredis
from common import sessions
from tests.integration import one_stage as t

def hang(jobs):
    time.sleep(60)

async def main():
    redis = fakeredis.FakeAsyncRedis(version=(6, 2))
    await t.open_session(redis)
    await t.put(redis, t.task())
    settings = t.SETTINGS.model_copy(update={"work_max_s": 0.2})
    await t.worker(redis, process=hang, settings=settings).run()

asyncio.run(main())
"""


def test_a_worker_whose_model_hangs_ends_itself_so_that_it_is_started_again() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=50, cwd=ROOT)
    assert done.returncode == os.EX_SOFTWARE, done.stderr
    assert "hangs" in done.stderr
