"""The seven rules of the work streams, on both servers."""

import asyncio

from redis.asyncio import Redis

from common import keys
from common.streams import WorkStream

STREAM = "stage:test"


async def opened(redis: Redis, consumer: str = "a") -> WorkStream:
    work = WorkStream(redis, STREAM, consumer)
    await work.ensure_group()
    return work


async def test_a_finished_entry_leaves_the_stream(redis: Redis) -> None:
    work = await opened(redis)
    await redis.xadd(STREAM, {"n": 1})
    ((entry_id, _),) = await work.read(10, None)
    await work.finish([entry_id])
    assert await redis.xlen(STREAM) == 0
    assert await work.reclaim(0, 10) == []


async def test_a_group_that_is_made_late_still_sees_the_first_entry(redis: Redis) -> None:
    await redis.xadd(STREAM, {"n": 1})
    work = await opened(redis)
    await work.ensure_group()
    assert len(await work.read(10, None)) == 1


async def test_an_entry_whose_worker_died_is_taken_over_with_its_count(redis: Redis) -> None:
    dead, alive = await opened(redis, "dead"), await opened(redis, "alive")
    await redis.xadd(STREAM, {"n": 1})
    await dead.read(10, None)
    assert await alive.reclaim(10_000, 10) == []
    await asyncio.sleep(0.02)
    ((entry, attempts),) = await alive.reclaim(10, 10)
    assert (entry[1], attempts) == ({b"n": b"1"}, 2)


async def test_an_entry_that_is_kept_is_not_taken(redis: Redis) -> None:
    slow, other = await opened(redis, "slow"), await opened(redis, "other")
    await redis.xadd(STREAM, {"n": 1})
    ((entry_id, _),) = await slow.read(10, None)
    await asyncio.sleep(0.5)
    await slow.keep([entry_id])
    assert await other.reclaim(450, 10) == []
    await asyncio.sleep(0.5)
    ((_, attempts),) = await other.reclaim(450, 10)
    assert attempts == 2, "keeping is no delivery"


async def test_a_deleted_group_is_made_again(redis: Redis) -> None:
    work = await opened(redis)
    await redis.xgroup_destroy(STREAM, keys.GROUP)
    assert await work.read(10, None) == []
    assert await work.reclaim(0, 10) == []
    await redis.xadd(STREAM, {"n": 2})
    assert len(await work.read(10, None)) == 1


async def test_a_dead_letter_is_readable_and_bounded_by_its_text(redis: Redis) -> None:
    work = await opened(redis)
    await redis.xadd(STREAM, {"session": "s", "payload": b"\xff" * 100_000})
    (entry,) = await work.read(10, None)
    await work.give_up("test", entry, "because " * 1000)
    ((_, letter),) = await redis.xrange(keys.dead("test"))
    assert letter[b"session"] == b"s"
    assert b"payload" not in letter
    assert len(letter[b"error"]) <= 1000
    assert await redis.xlen(STREAM) == 0


async def test_who_leaves_with_work_pending_stays_known_so_that_it_is_reclaimed(redis: Redis) -> None:
    leaving, staying = await opened(redis, "leaving"), await opened(redis, "staying")
    await redis.xadd(STREAM, {"n": 1})
    ((entry_id, _),) = await leaving.read(10, None)
    await leaving.leave()
    await asyncio.sleep(0.02)
    assert len(await staying.reclaim(10, 10)) == 1
    await staying.finish([entry_id])
    await staying.leave()
    await leaving.leave()
    assert await redis.xinfo_consumers(STREAM, keys.GROUP) == []
