"""The audio and frame rings, on both servers."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from common import keys, rings
from common.avatars.timeline import Span
from common.frames import FrameHeader

SESSION = "0123456789abcdef"


async def append(redis: Redis, frame: int, pcm: bytes, ring_frames: int = 100) -> None:
    pipe = redis.pipeline(transaction=False)
    rings.append_audio(pipe, SESSION, frame, pcm, ring_frames=ring_frames)
    await pipe.execute()


async def read(redis: Redis, base: int, start: int, stop: int) -> bytes:
    (pcm,) = await rings.read_audio(redis, [rings.AudioRange(SESSION, base, 4, Span(start, stop))])
    return pcm


async def test_samples_are_addressed_across_frames_and_segments(redis: Redis) -> None:
    for frame in range(6):
        await append(redis, frame, bytes(range(frame * 8, frame * 8 + 8)))
    assert await read(redis, 0, 0, 24) == bytes(range(48))
    assert await read(redis, 0, 3, 9) == bytes(range(6, 18))
    assert await read(redis, 2, 1, 5) == bytes(range(18, 26))


async def test_samples_that_have_not_come_are_missing_at_the_end(redis: Redis) -> None:
    await append(redis, 0, bytes(range(8)))
    assert await read(redis, 0, 2, 8) == bytes(range(4, 8))


async def test_a_ring_that_has_lost_the_head_gives_nothing_rather_than_shifted_samples(redis: Redis) -> None:
    for frame in range(4):
        await append(redis, frame, bytes(8), ring_frames=2)
    assert await redis.xlen(keys.audio_ring(SESSION)) == 2
    assert await read(redis, 0, 4, 16) == b""


async def test_redis_refuses_a_frame_that_is_already_there(redis: Redis) -> None:
    await append(redis, 3, bytes(8))
    with pytest.raises(ResponseError, match="equal or smaller"):
        await append(redis, 3, bytes(8))


def message(frame: int, epoch: int) -> bytes:
    return FrameHeader(epoch, frame, 0, 0, (0, 0, 1, 1)).pack(b"jpeg")


async def look(redis: Redis, epoch: int, frames: list[int]) -> dict[int, bytes]:
    pipe = redis.pipeline(transaction=False)
    rings.read_frames(pipe, SESSION, frames, slots=4)
    (reply,) = await pipe.execute()
    return rings.accept(frames, epoch, reply)


async def test_finished_frames_are_found_by_frame_and_epoch_only(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=False)
    rings.write_frames(pipe, SESSION, 2, [message(2, 1), message(3, 1), message(4, 0)], slots=4, ttl_s=10)
    await pipe.execute()
    assert await look(redis, 1, [2, 3, 4, 5]) == {2: message(2, 1), 3: message(3, 1)}
    assert await look(redis, 1, [6, 7]) == {}, "slots of other frames"
    assert 0 < await redis.ttl(keys.frame_ring(SESSION)) <= 10


async def test_the_frame_ring_never_grows_beyond_its_slots(redis: Redis) -> None:
    for first in range(0, 40, 4):
        pipe = redis.pipeline(transaction=False)
        rings.write_frames(pipe, SESSION, first, [message(first + k, 0) for k in range(4)], slots=8, ttl_s=10)
        await pipe.execute()
    assert await redis.hlen(keys.frame_ring(SESSION)) == 8
