"""The session store: one readable hash a session, and beside it one of its newest segments.

Together with the rings that is all that a gateway needs to go on with a session that another one has lost.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from common import keys
from common.avatars.timeline import Span
from common.records import Checkpoint, SegmentRecord, SessionRecord, Stored
from common.redis_client import translated

OPEN, MOVING, AWAY = "open", "moving", "away"
"""States of a session: with its client, on its way to another gateway, waiting for its client."""
SEGMENTS_KEPT = 64
"""Segments of a session that Redis remembers: those whose frames a client may not have got yet."""


async def create(redis: Redis, session: str, record: SessionRecord, *, ttl_s: int) -> None:
    with translated():
        pipe = redis.pipeline(transaction=False)
        fields: Any = record.model_dump()
        pipe.hset(keys.session(session), mapping=fields)
        pipe.expire(keys.session(session), ttl_s)
        await pipe.execute()


async def read(redis: Redis, session: str) -> SessionRecord | None:
    """What Redis knows of a session; None when it is gone."""
    with translated():
        fields: Any = await redis.hgetall(keys.session(session))
    return _record(fields)


async def stored(redis: Redis, session: str) -> Stored | None:
    """What is needed to go on with a session; None when it is gone."""
    ring = keys.audio_ring(session)
    with translated():
        pipe = redis.pipeline(transaction=False)
        pipe.hgetall(keys.session(session))
        pipe.hgetall(keys.segments(session))
        pipe.xrange(ring, count=1)
        pipe.xrevrange(ring, count=1)
        fields, segments, oldest, newest = await pipe.execute()
    record = _record(fields)
    if record is None:
        return None
    found = sorted(map(SegmentRecord.model_validate_json, segments.values()), key=lambda segment: segment.number)
    span = Span(keys.frame_of_entry(oldest[0][0]), keys.frame_of_entry(newest[0][0]) + 1) if newest else Span(0, 0)
    return Stored(record, found, span)


async def every(redis: Redis) -> dict[str, SessionRecord]:
    """All sessions of all gateways, by id; walks the whole key space, so for people, not for every frame."""
    with translated():
        found = sorted({key async for key in redis.scan_iter(match=keys.session("*"), count=1000)})
        pipe = redis.pipeline(transaction=False)
        for key in found:
            pipe.hgetall(key)
        replies = await pipe.execute()
    records = {keys.session_of(key.decode()): _record(fields) for key, fields in zip(found, replies, strict=True)}
    return {session: record for session, record in records.items() if record is not None}


def _record(fields: dict[bytes, bytes]) -> SessionRecord | None:
    """None for a session that has gone meanwhile, or whose last write came after its end and made a stump."""
    try:
        return SessionRecord.model_validate({name.decode(): value.decode() for name, value in fields.items()})
    except ValidationError:
        return None


async def epochs(redis: Redis, sessions: Sequence[str]) -> dict[str, int | None]:
    """The epoch of each session, None for one that is gone; one round trip."""
    unique = list(dict.fromkeys(sessions))
    with translated():
        pipe = redis.pipeline(transaction=False)
        for session in unique:
            pipe.hget(keys.session(session), "epoch")
        replies = await pipe.execute()
    return {s: None if epoch is None else int(epoch) for s, epoch in zip(unique, replies, strict=True)}


def note_checkpoint(pipe: Pipeline, session: str, checkpoint: Checkpoint) -> None:
    """Queue the write of a checkpoint; after it every stage drops the session's tasks of older epochs."""
    fields: Any = checkpoint.model_dump()
    pipe.hset(keys.session(session), mapping=fields)


def note_segment(pipe: Pipeline, session: str, segment: SegmentRecord, *, ttl_s: int) -> None:
    """Queue the write of a segment's beginning or end."""
    key = keys.segments(session)
    pipe.hset(key, str(segment.number), segment.model_dump_json())
    pipe.hdel(key, str(segment.number - SEGMENTS_KEPT))
    pipe.expire(key, ttl_s)


async def touch(redis: Redis, session: str, now_s: float, *, ttl_s: int, **counters: int | str) -> None:
    """Say that the session lives: moves the expiry of all its keys."""
    with translated():
        pipe = redis.pipeline(transaction=False)
        fields: Any = {"last_seen": now_s, **counters}
        pipe.hset(keys.session(session), mapping=fields)
        _expire(pipe, session, ttl_s)
        await pipe.execute()


async def take_over(redis: Redis, session: str, gateway: str, state: str, *, ttl_s: int) -> None:
    """From now on the session is this gateway's: `MOVING` while it waits for another to let go, then `open`."""
    with translated():
        pipe = redis.pipeline(transaction=False)
        pipe.hset(keys.session(session), mapping={"gateway": gateway, "state": state})
        _expire(pipe, session, ttl_s)
        await pipe.execute()


async def leave(redis: Redis, session: str, *, ttl_s: int) -> None:
    """The client is away; the session waits for it for so long."""
    with translated():
        pipe = redis.pipeline(transaction=False)
        pipe.hset(keys.session(session), "state", AWAY)
        _expire(pipe, session, ttl_s)
        await pipe.execute()


class Holder(NamedTuple):
    """The gateway whose a session is, and in which state."""

    gateway: str
    state: str


async def holder(redis: Redis, session: str) -> Holder | None:
    """Who has the session; None when it is gone."""
    with translated():
        found: Any = await redis.hmget(keys.session(session), "gateway", "state", "epoch")
    # A write that came after the end makes a stump, which lacks some of them.
    return None if None in found else Holder(found[0].decode(), found[1].decode())


async def delete(redis: Redis, session: str) -> None:
    """Remove the session, its segments and its rings; blobs expire by themselves."""
    with translated():
        await redis.unlink(*_keys(session))


def _keys(session: str) -> tuple[str, ...]:
    return keys.session(session), keys.segments(session), keys.audio_ring(session), keys.frame_ring(session)


def _expire(pipe: Pipeline, session: str, ttl_s: int) -> None:
    for key in _keys(session):
        pipe.expire(key, ttl_s)
