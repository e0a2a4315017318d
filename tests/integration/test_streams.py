"""The seven rules of the work streams, on both servers."""

import asyncio

from redis.asyncio import Redis

from common import keys
from common.streams import NOBODY, WorkStream

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
    await work.bury("test", entry, "because " * 1000)
    ((_, letter),) = await redis.xrange(keys.dead("test"))
    assert letter[b"session"] == b"s"
    assert b"payload" not in letter
    assert len(letter[b"error"]) <= 1000


async def consumers(redis: Redis) -> list[bytes]:
    return sorted(consumer["name"] for consumer in await redis.xinfo_consumers(STREAM, keys.GROUP))


async def test_who_leaves_hands_back_what_is_pending_so_that_others_take_it_at_once(redis: Redis) -> None:
    leaving, staying = await opened(redis, "leaving"), await opened(redis, "staying")
    await redis.xadd(STREAM, {"n": 1})
    await leaving.read(10, None)
    await leaving.leave(60_100)
    ((entry, attempts),) = await staying.reclaim(60_000, 10)
    assert (entry[1], attempts) == ({b"n": b"1"}, 2)
    await staying.finish([entry[0]])
    assert b"leaving" not in await consumers(redis)


async def test_who_leaves_when_the_group_has_vanished_leaves_quietly(redis: Redis) -> None:
    leaving = await opened(redis)
    await redis.delete(STREAM)
    await leaving.leave(60_000)
    assert await redis.exists(STREAM) == 0


async def test_consumers_that_died_long_ago_are_removed_unless_work_is_pending_on_them(redis: Redis) -> None:
    work = await opened(redis, "holding")
    await redis.xadd(STREAM, {"n": 1})
    await work.read(10, None)
    for name in ("idle", NOBODY):
        await redis.xgroup_createconsumer(STREAM, keys.GROUP, name)
    await asyncio.sleep(0.05)
    await work.sweep()
    assert b"idle" in await consumers(redis), "it may be alive"
    await work.sweep(dead_after_ms=20)
    assert await consumers(redis) == [b"holding", NOBODY.encode()]


async def test_what_failed_its_workers_twice_comes_alone_and_after_the_others(redis: Redis) -> None:
    dead, alive = await opened(redis, "dead"), await opened(redis, "alive")
    for n in range(2):
        await redis.xadd(STREAM, {"n": n})
    await dead.read(10, None)
    await asyncio.sleep(0.02)
    assert [attempts for _, attempts in await dead.reclaim(10, 10)] == [2, 2]
    for n in range(2, 4):
        await redis.xadd(STREAM, {"n": n})
    await dead.read(10, None)
    await asyncio.sleep(0.02)
    batches = []
    for _ in range(3):
        entries = [entry for entry, _ in await alive.reclaim(10, 10)]
        batches.append([fields[b"n"] for _, fields in entries])
        await alive.finish([entry_id for entry_id, _ in entries])
    assert batches == [[b"2", b"3"], [b"0"], [b"1"]]


async def test_an_entry_that_was_deleted_by_hand_does_not_stay_pending(redis: Redis) -> None:
    dead, alive = await opened(redis, "dead"), await opened(redis, "alive")
    entry_id = await redis.xadd(STREAM, {"n": 1})
    await dead.read(10, None)
    await redis.xdel(STREAM, entry_id)
    await asyncio.sleep(0.02)
    assert await alive.reclaim(10, 10) == []
    assert (await redis.xpending(STREAM, keys.GROUP))["pending"] == 0
