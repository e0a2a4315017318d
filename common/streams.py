"""A work stream with its consumer group: read, reclaim, keep, finish, give up.

The rules, each learnt from a system that broke it: XACK comes with XDEL; every reader also reclaims; no MAXLEN on
work streams; groups start at 0 and only BUSYGROUP is swallowed; a group that vanished is made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import exceptions
from redis.asyncio import Redis

from common import keys
from common.redis_client import translated

Entry = tuple[bytes, dict[bytes, bytes]]
"""ID and fields of a stream entry."""

DEAD_MAXLEN = 1_000


@dataclass(frozen=True, slots=True)
class WorkStream:
    """One consumer's view of a stage's stream."""

    redis: Redis
    stream: str
    consumer: str

    async def ensure_group(self) -> None:
        """Create stream and group, from the first entry on, unless they are there."""
        with translated():
            try:
                await self.redis.xgroup_create(self.stream, keys.GROUP, id="0", mkstream=True)
            except exceptions.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def read(self, count: int, block_ms: int | None) -> list[Entry]:
        """New entries, at most `count`; waits up to `block_ms` for the first (None: not at all)."""
        with translated():
            try:
                reply: Any = await self.redis.xreadgroup(
                    keys.GROUP, self.consumer, {self.stream: ">"}, count=count, block=block_ms
                )
            except exceptions.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                # Redis came back empty, or the stream was deleted.
                await self.ensure_group()
                return []
        return list(reply[0][1]) if reply else []

    async def reclaim(self, idle_ms: int, count: int) -> list[tuple[Entry, int]]:
        """Entries that another consumer has left idle for `idle_ms`, now ours, with their number of deliveries."""
        with translated():
            try:
                pending: Any = await self.redis.xpending_range(
                    self.stream, keys.GROUP, min="-", max="+", count=count, idle=idle_ms
                )
                if not pending:
                    return []
                deliveries = {item["message_id"]: int(item["times_delivered"]) + 1 for item in pending}
                # The idle check inside XCLAIM is the guard against two workers claiming the same entry.
                claimed: Any = await self.redis.xclaim(
                    self.stream, keys.GROUP, self.consumer, idle_ms, list(deliveries)
                )
            except exceptions.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                await self.ensure_group()
                return []
        return [((entry_id, fields), deliveries[entry_id]) for entry_id, fields in claimed if fields]

    async def keep(self, entry_ids: Sequence[bytes]) -> None:
        """Say that long work goes on: resets the idle time, leaves the delivery count."""
        with translated():
            await self.redis.xclaim(self.stream, keys.GROUP, self.consumer, 0, list(entry_ids), justid=True)

    async def finish(self, entry_ids: Sequence[bytes], blobs: Sequence[bytes | str] = ()) -> None:
        """Acknowledge and delete entries, and drop the blobs that they pointed to."""
        if not entry_ids:
            return
        with translated():
            pipe = self.redis.pipeline(transaction=False)
            pipe.xack(self.stream, keys.GROUP, *entry_ids)
            pipe.xdel(self.stream, *entry_ids)
            for blob in blobs:
                pipe.unlink(blob)
            await pipe.execute()

    async def give_up(self, stage: str, entry: Entry, error: str) -> None:
        """Move an entry to the stage's dead letters, with the error; its binary payload stays behind."""
        entry_id, fields = entry
        readable = {k: v for k, v in fields.items() if k != b"payload"}
        with translated():
            letter: Any = readable | {b"entry": entry_id, b"error": error[:1_000].encode()}
            await self.redis.xadd(keys.dead(stage), letter, maxlen=DEAD_MAXLEN, approximate=True)
        await self.finish([entry_id])

    async def leave(self) -> None:
        """Leave the group, unless entries are still pending on us: those must stay for others to reclaim."""
        with translated():
            pending: Any = await self.redis.xpending_range(
                self.stream, keys.GROUP, min="-", max="+", count=1, consumername=self.consumer
            )
            if not pending:
                await self.redis.xgroup_delconsumer(self.stream, keys.GROUP, self.consumer)
