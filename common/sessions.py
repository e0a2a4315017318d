"""The session store: one readable hash a session."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from common import keys
from common.redis_client import translated


class SessionRecord(BaseModel):
    """What Redis knows of a session."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    avatar: str
    gateway: str
    state: str
    epoch: int
    sample_rate: int
    fps: int
    created_at: float
    last_seen: float
    next_frame: int = 0
    concealed: int = 0


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


def raise_epoch(pipe: Pipeline, session: str, epoch: int) -> None:
    """Queue the write after which every stage drops the session's tasks of older epochs."""
    pipe.hset(keys.session(session), "epoch", str(epoch))


async def touch(redis: Redis, session: str, now_s: float, *, ttl_s: int, **counters: int | str) -> None:
    """Say that the session lives: moves the expiry of all its keys."""
    with translated():
        pipe = redis.pipeline(transaction=False)
        fields: Any = {"last_seen": now_s, **counters}
        pipe.hset(keys.session(session), mapping=fields)
        for key in (keys.session(session), keys.audio_ring(session), keys.frame_ring(session)):
            pipe.expire(key, ttl_s)
        await pipe.execute()


async def delete(redis: Redis, session: str) -> None:
    """Remove the session and its rings; blobs expire by themselves."""
    with translated():
        await redis.unlink(keys.session(session), keys.audio_ring(session), keys.frame_ring(session))
