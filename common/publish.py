"""Where a stage's results go: on to the next work stream, or into the frame ring with a notice to the gateway."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis

from common import keys, payloads, rings
from common.contracts import Notice
from common.redis_client import translated
from common.settings import Settings
from common.stage import Outcome

Publish = Callable[[Redis, Sequence[Outcome]], Awaitable[None]]
INBOX_MAXLEN = 10_000


def to_stream(stream_of: Callable[[str], str], settings: Settings) -> Publish:
    """Publish each outcome's single result on the stream that `stream_of(avatar)` names."""

    async def publish(redis: Redis, outcomes: Sequence[Outcome]) -> None:
        with translated():
            pipe = redis.pipeline(transaction=False)
            for outcome in outcomes:
                payloads.add_task(
                    pipe, stream_of(outcome.task.avatar), outcome.task, outcome.results[0],
                    inline_bytes=settings.blob_inline_bytes, ttl_s=settings.blob_ttl_s,
                )  # fmt: skip
            await pipe.execute()

    return publish


def to_ring(settings: Settings) -> Publish:
    """Write the outcomes' frames into their sessions' rings, then tell the gateways."""

    async def publish(redis: Redis, outcomes: Sequence[Outcome]) -> None:
        with translated():
            pipe = redis.pipeline(transaction=False)
            for _, task, frames in outcomes:
                rings.write_frames(
                    pipe,
                    task.session,
                    task.first,
                    frames,
                    slots=settings.frame_ring_slots,
                    ttl_s=settings.session_ttl_s,
                )
                notice = Notice(
                    session=task.session, epoch=task.epoch, first=task.first, count=task.count,
                    ingest_ms=task.ingest_ms, timings=task.timings,
                )  # fmt: skip
                fields: Any = notice.to_fields()
                inbox = keys.gateway_inbox(task.gateway)
                pipe.xadd(inbox, fields, maxlen=INBOX_MAXLEN, approximate=True)
                pipe.expire(inbox, settings.session_ttl_s)
            await pipe.execute()

    return publish
