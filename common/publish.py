"""Where a stage's results go: on to the next work stream, or into the frame ring with a notice to the gateway."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from common import keys, payloads, rings
from common.batch import Batch
from common.contracts import Notice
from common.redis_client import translated
from common.settings import Settings
from common.stage import Outcome

Publish = Callable[[Redis, Sequence[Outcome]], Awaitable[None]]
INBOX_MAXLEN = 10_000


def to_stream(stream_of: Callable[[str], str], settings: Settings) -> Publish:
    """Publish each outcome's single result on the stream that `stream_of(avatar)` names."""

    async def publish(redis: Redis, outcomes: Sequence[Outcome]) -> None:
        batch = Batch.of(redis)
        for outcome in outcomes:
            payloads.add_task(
                batch, stream_of(outcome.task.avatar), outcome.task, outcome.results[0],
                inline_bytes=settings.blob_inline_bytes, ttl_s=settings.blob_ttl_s,
            )  # fmt: skip
        await batch.send()

    return publish


def to_ring(settings: Settings) -> Publish:
    """Write the outcomes' frames into their sessions' rings, then tell the gateways."""

    async def publish(redis: Redis, outcomes: Sequence[Outcome]) -> None:
        batch = Batch.of(redis)
        for _, task, frames in outcomes:
            rings.write_frames(
                batch.first, task.session, task.first, frames,
                slots=settings.frame_ring_slots, ttl_s=settings.session_ttl_s,
            )  # fmt: skip
            notice = Notice(
                session=task.session, epoch=task.epoch, first=task.first, count=task.count,
                ingest_ms=task.ingest_ms, timings=task.timings,
            )  # fmt: skip
            _notify(batch.then, task.gateway, notice, settings)
        await batch.send()

    return publish


async def say_lost(redis: Redis, fields: Mapping[bytes, bytes], reason: str, settings: Settings) -> None:
    """Tell the gateway of a task that its frames will never come; nobody, where the entry does not tell of which."""
    try:
        known = {name: fields[name.encode()].decode() for name in ("session", "epoch", "first", "count", "ingest_ms")}
        notice = Notice.model_validate(known | {"lost": reason[:1_000]})
        gateway = fields[b"gateway"].decode()
    except (KeyError, ValueError):
        return
    with translated():
        pipe = redis.pipeline(transaction=False)
        _notify(pipe, gateway, notice, settings)
        await pipe.execute()


def _notify(pipe: Pipeline, gateway: str, notice: Notice, settings: Settings) -> None:
    fields: Any = notice.to_fields()
    inbox = keys.gateway_inbox(gateway)
    pipe.xadd(inbox, fields, maxlen=INBOX_MAXLEN, approximate=True)
    pipe.expire(inbox, settings.session_ttl_s)
