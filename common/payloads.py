"""Payloads of tasks: inside the stream entry while they are small, else in an expiring blob (claim check)."""

import uuid
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from common import keys
from common.batch import Batch
from common.contracts import Task
from common.redis_client import translated
from common.stage import Delivery


def add_task(batch: Batch, stream: str, task: Task, payload: bytes, *, inline_bytes: int, ttl_s: int) -> None:
    """Queue the commands that put a task with its payload on a stream; the payload is there before the task."""
    fields: dict[Any, Any] = dict(task.to_fields())
    if len(payload) <= inline_bytes:
        fields["payload"] = payload
    else:
        # Each entry has a blob of its own: whoever finishes a repeat must not take the other's payload away.
        fields["blob"] = keys.blob(
            task.session, f"{stream}:{task.epoch}:{task.first}-{task.end}:{uuid.uuid4().hex[:8]}"
        )
        batch.first.set(fields["blob"], payload, ex=ttl_s)
    batch.then.xadd(stream, fields)


def split(fields: dict[bytes, bytes]) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """The task's own fields, and those that carry its payload."""
    carried = {k: v for k, v in fields.items() if k in (b"payload", b"blob")}
    return {k: v for k, v in fields.items() if k not in carried}, carried


async def fetch(redis: Redis, deliveries: Sequence[Delivery]) -> list[bytes | None]:
    """The payload of each delivery; None when its blob has expired."""
    blobs = [d.fields[b"blob"] for d in deliveries if b"blob" in d.fields]
    with translated():
        pipe = redis.pipeline(transaction=False)
        for blob in blobs:
            pipe.get(blob)
        found = iter(await pipe.execute() if blobs else [])
    return [next(found) if b"blob" in d.fields else d.fields.get(b"payload", b"") for d in deliveries]


def blobs_of(deliveries: Sequence[Delivery]) -> list[bytes]:
    """The blobs that are no longer needed once the deliveries are finished."""
    return [d.fields[b"blob"] for d in deliveries if b"blob" in d.fields]
