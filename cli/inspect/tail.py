"""Entries as they come, decoded: tasks of a stage, or what happens to a session. Nobody's reading is touched."""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from cli.inspect.entries import passage
from cli.inspect.keyspace import STAGES, names
from cli.inspect.sessions import resolve
from common import keys, sessions
from common.errors import InputError
from common.records import SessionRecord
from common.redis_client import translated
from common.streams import Entry

BLOCK_MS: Final = 500
PAGE: Final = 100
RECORD_S: Final = 0.2
"""How often a session's hash is looked at while its notices come."""
WATCHED: Final = ("avatar", "state", "epoch", "gateway")

Shown = dict[str, Any]


async def follow(redis: Redis, what: str, count: int | None, show: Callable[[Shown], None]) -> None:
    """Show the entries of a stage or a session from now on; ends after `count`, or with the session.

    Raises
    ------
    InputError
        It is neither a stage nor the beginning of one session's id.
    BusError
        Redis cannot be reached, or goes away.
    """
    shown = 0
    async for entry in await _entries(redis, what):
        show(entry)
        shown += 1
        if shown == count:
            return


def as_line(entry: Mapping[str, Any]) -> str:
    """An entry for people: `name=value` by spaces."""
    return " ".join(f"{name}={value}" for name, value in entry.items() if value != "")


def decoded(stream: str, entry: Entry) -> Shown:
    """A stream's entry as text; of a payload its size."""
    entry_id, fields = entry
    texts = {
        name.decode(errors="replace"): f"{len(value)} bytes" if name == b"payload" else value.decode(errors="replace")
        for name, value in fields.items()
    }
    return {"stream": stream, "id": entry_id.decode()} | texts


def changes(before: SessionRecord | None, now: SessionRecord | None) -> Shown:
    """What has become of a session: the watched fields that are new, or that it has ended; empty if nothing."""
    if now is None:
        return {"event": "ended"}
    known = before.model_dump(include=set(WATCHED)) if before else {}
    fresh = {name: getattr(now, name) for name in WATCHED if known.get(name) != getattr(now, name)}
    return {"event": "session"} | fresh if fresh else {}


async def _entries(redis: Redis, what: str) -> AsyncIterator[Shown]:
    found = await names(redis)
    if what not in STAGES and what not in map(keys.stage_of, found.streams):
        return _of_session(redis, await resolve(redis, what))
    streams = [stream for stream in found.streams if keys.stage_of(stream) == what]
    if not streams:
        raise InputError(f"stage '{what}' has no stream yet: none of its workers has run", field="what")
    return _of_streams(redis, streams)


async def _of_streams(redis: Redis, streams: Sequence[str]) -> AsyncIterator[Shown]:
    last = dict.fromkeys(streams, await _now_id(redis))
    while True:
        for stream, entry in await _read(redis, last):
            last[stream] = entry[0].decode()
            yield decoded(stream, entry)


async def _of_session(redis: Redis, session: str) -> AsyncIterator[Shown]:
    last: dict[str, str] = {}
    start, before, looked_s = await _now_id(redis), None, 0.0
    while True:
        if time.monotonic() - looked_s >= RECORD_S:
            looked_s, record = time.monotonic(), await sessions.read(redis, session)
            if change := changes(before, record):
                yield {"session": session} | change
            if record is None:
                return
            before = record
            # Another gateway may take a session over.
            inbox = keys.gateway_inbox(record.gateway)
            last = {inbox: last.get(inbox, start)}
        for inbox, entry in await _read(redis, last):
            last[inbox] = entry[0].decode()
            found = passage(entry)
            if found is not None and found.notice.session == session:
                about = {"session": session, "event": "frames", "id": entry[0].decode()}
                yield about | found.notice.model_dump(exclude={"session"}) | {"total_ms": round(found.total_ms, 1)}


async def _read(redis: Redis, last: Mapping[str, str]) -> list[tuple[str, Entry]]:
    """What has come behind `last`, waiting up to `BLOCK_MS` for the first; one stream at a time, as a cluster asks."""
    found: list[tuple[str, Entry]] = []
    for stream, entry_id in last.items():
        with translated():
            reply: Any = await redis.xread({stream: entry_id}, count=PAGE, block=BLOCK_MS // len(last))
        found += [(stream, entry) for _, entries in reply for entry in entries]
    return found


async def _now_id(redis: Redis) -> str:
    """The id that an entry would get now; unlike `$` it means the same at every read."""
    with translated():
        seconds, micros = await redis.time()
    return f"{seconds * 1000 + micros // 1000}-0"
