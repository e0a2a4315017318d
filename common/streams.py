"""A work stream with its consumer group: read, reclaim, keep, finish, give up.

The rules, each learnt from a system that broke it: XACK comes with XDEL; every reader also reclaims; no MAXLEN on
work streams; groups start at 0 and only BUSYGROUP is swallowed; a group that vanished is made again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis import exceptions
from redis.asyncio import Redis

from common import keys
from common.batch import Batch
from common.redis_client import translated

Entry = tuple[bytes, dict[bytes, bytes]]
"""ID and fields of a stream entry."""

DEAD_MAXLEN: Final = 1_000
_VANISHED: Final = ("NOGROUP", "UNBLOCKED")
"""What Redis says of a stream that is gone: at once, and to a read that waits for it."""
DEAD_AFTER_MS: Final = 300_000
LOOK_PAST: Final = 64
"""Pending entries that are looked at beyond those that may be taken: suspects at the head must not hide the others."""
NOBODY: Final = "nobody"
"""The consumer that holds what was handed back."""
OURS_MAX: Final = 10_000
TRUSTED_DELIVERIES: Final = 2


@dataclass(frozen=True, slots=True)
class WorkStream:
    """One consumer's view of a stage's stream."""

    redis: Redis
    stream: str
    consumer: str

    async def ensure_group(self) -> None:
        """Create stream and group, from the first entry on, and show ourselves in it, unless all of that is there."""
        with translated():
            try:
                await self.redis.xgroup_create(self.stream, keys.GROUP, id="0", mkstream=True)
            except exceptions.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            await self.redis.xgroup_createconsumer(self.stream, keys.GROUP, self.consumer)

    async def read(self, count: int, block_ms: int | None) -> list[Entry]:
        """New entries, at most `count`; waits up to `block_ms` for the first (None: not at all)."""
        with translated():
            try:
                reply: Any = await self.redis.xreadgroup(
                    keys.GROUP, self.consumer, {self.stream: ">"}, count=count, block=block_ms
                )
            except exceptions.ResponseError as error:
                if not any(text in str(error) for text in _VANISHED):
                    raise
                # Redis came back empty, the stream was deleted, or it has moved to another node of a cluster.
                await self.ensure_group()
                return []
        return list(reply[0][1]) if reply else []

    async def reclaim(self, idle_ms: int, count: int) -> list[tuple[Entry, int]]:
        """Entries that their consumer has left idle for `idle_ms`, now ours, with their number of deliveries.

        One whose consumers have failed more than once may be what fails them: it comes alone.
        """
        with translated():
            try:
                pending: Any = await self.redis.xpending_range(
                    self.stream, keys.GROUP, min="-", max="+", count=count + LOOK_PAST, idle=idle_ms
                )
                deliveries = {item["message_id"]: int(item["times_delivered"]) + 1 for item in pending}
                wanted = [entry_id for entry_id, n in deliveries.items() if n <= TRUSTED_DELIVERIES][:count]
                wanted = wanted or list(deliveries)[:1]
                if not wanted:
                    return []
                # The idle check inside XCLAIM is the guard against two workers claiming the same entry.
                claimed: Any = await self.redis.xclaim(self.stream, keys.GROUP, self.consumer, idle_ms, wanted)
            except exceptions.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                await self.ensure_group()
                return []
        entries = [(entry_id, fields) for entry_id, fields in claimed if fields]
        await self._forget_deleted(set(wanted) - {entry_id for entry_id, _ in entries})
        return [((entry_id, fields), deliveries[entry_id]) for entry_id, fields in entries]

    async def _forget_deleted(self, entry_ids: Collection[bytes]) -> None:
        """Entries that were deleted while pending, by hand or by a trim: they would be looked at for ever."""
        if gone := [entry_id for entry_id in entry_ids if not await self.holds(entry_id)]:
            await self.finish(gone)

    async def keep(self, entry_ids: Sequence[bytes]) -> None:
        """Say that long work goes on: resets the idle time, leaves the delivery count."""
        with translated():
            await self.redis.xclaim(self.stream, keys.GROUP, self.consumer, 0, list(entry_ids), justid=True)

    async def holds(self, entry_id: bytes) -> bool:
        """Whether the entry is still there: nobody has finished it."""
        with translated():
            return bool(await self.redis.xrange(self.stream, entry_id, entry_id))

    async def ours(self) -> set[bytes]:
        """IDs of the entries that are pending on us."""
        with translated():
            try:
                pending: Any = await self.redis.xpending_range(
                    self.stream, keys.GROUP, min="-", max="+", count=OURS_MAX, consumername=self.consumer
                )
            except exceptions.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                return set()
        return {item["message_id"] for item in pending}

    async def hand_back(self, entry_ids: Collection[bytes], idle_ms: int) -> None:
        """Give entries up for others to reclaim at once; the delivery count stays."""
        if not entry_ids:
            return
        with translated():
            await self.redis.xclaim(self.stream, keys.GROUP, NOBODY, 0, list(entry_ids), idle=idle_ms, justid=True)

    async def finish(self, entry_ids: Sequence[bytes], blobs: Sequence[bytes | str] = ()) -> None:
        """Acknowledge and delete entries, and drop the blobs that they pointed to."""
        if not entry_ids:
            return
        batch = Batch.of(self.redis)
        batch.first.xack(self.stream, keys.GROUP, *entry_ids)
        batch.first.xdel(self.stream, *entry_ids)
        for blob in blobs:
            # Not `unlink`: on a cluster's pipeline it is a coroutine.
            batch.then.execute_command("UNLINK", blob)
        await batch.send()

    async def bury(self, stage: str, entry: Entry, error: str) -> None:
        """Write an entry to the stage's dead letters, with the error; its binary payload stays behind."""
        entry_id, fields = entry
        readable = {k: v for k, v in fields.items() if k != b"payload"}
        with translated():
            letter: Any = readable | {b"entry": entry_id, b"error": error[:1_000].encode()}
            await self.redis.xadd(keys.dead(stage), letter, maxlen=DEAD_MAXLEN, approximate=True)

    async def leave(self, idle_ms: int) -> None:
        """Leave the group; what is still pending on us is handed back first, for it would vanish with us."""
        await self.hand_back(await self.ours(), idle_ms)
        await self._remove(self.consumer)

    async def sweep(self, dead_after_ms: int = DEAD_AFTER_MS) -> None:
        """Remove consumers that died long ago: each start of a worker makes one, and nobody else removes them."""
        with translated():
            consumers: Any = await self.redis.xinfo_consumers(self.stream, keys.GROUP)
        for consumer in consumers:
            name = consumer["name"].decode()
            if consumer["pending"] == 0 and consumer["idle"] > dead_after_ms and name != NOBODY:
                await self._remove(name)

    async def _remove(self, consumer: str) -> None:
        with translated():
            try:
                await self.redis.xgroup_delconsumer(self.stream, keys.GROUP, consumer)
            except exceptions.ResponseError as error:
                if "NOGROUP" not in str(error) and "requires the key to exist" not in str(error):
                    raise
