"""Looks for a frame in streams, rings and inboxes, and touches none of them."""

from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from cli.inspect.entries import task_of
from cli.inspect.facts import Place, Slot, Trace, Way, way_of
from cli.inspect.keyspace import Names, names
from cli.inspect.letters import letters
from cli.inspect.sessions import passages, resolve
from common import keys, sessions
from common.clock import written_ms
from common.contracts import Task
from common.errors import LipstreamError
from common.frames import FrameHeader
from common.redis_client import translated

PAGE: Final = 50
TASKS_MAX: Final = 2_000
"""Tasks of a stream that are looked through; a backlog beyond that is no place to look for one frame."""


async def last_ways(redis: Redis, prefix: str, count: int) -> list[Way]:
    """The last `count` finished tasks of a session, the oldest first.

    Raises
    ------
    InputError
        No session, or several, begin with `prefix`.
    BusError
        Redis cannot be reached.
    """
    session = await resolve(redis, prefix)
    found = [p async for p in passages(redis, (await names(redis)).inboxes) if p.notice.session == session]
    return [way_of(p) for p in sorted(found, key=lambda p: p.written_ms)[-count:]]


async def trace(redis: Redis, prefix: str, frame: int, slots: int) -> Trace:
    """Look everywhere for one frame.

    Parameters
    ----------
    slots : size of the frame rings.

    Raises
    ------
    InputError
        No session, or several, begin with `prefix`.
    BusError
        Redis cannot be reached.
    """
    session, found = await resolve(redis, prefix), await names(redis)
    given_up = [x for x in await letters(redis) if x.task and x.task.session == session and _has(x.task, frame)]
    return Trace(
        session=session,
        frame=frame,
        record=await sessions.read(redis, session),
        audio=await audio_frames(redis, session),
        place=await _find_place(redis, found, session, frame),
        way=await _find_way(redis, found.inboxes, session, frame),
        slot=await read_slot(redis, session, frame, slots),
        letter=given_up[-1] if given_up else None,
    )


async def audio_frames(redis: Redis, session: str) -> tuple[int, int] | None:
    """First and last frame whose samples are in the audio ring; None when it is empty."""
    with translated():
        pipe = redis.pipeline(transaction=False)
        pipe.xrange(keys.audio_ring(session), count=1)
        pipe.xrevrange(keys.audio_ring(session), count=1)
        oldest, newest = await pipe.execute()
    return (keys.frame_of_entry(oldest[0][0]), keys.frame_of_entry(newest[0][0])) if oldest else None


async def read_slot(redis: Redis, session: str, frame: int, slots: int) -> Slot | None:
    """What the frame's slot holds; None when it is empty or not a frame."""
    with translated():
        message: Any = await redis.hget(keys.frame_ring(session), str(frame % slots))
    try:
        header, picture = FrameHeader.unpack(message or b"")
    except LipstreamError:
        return None
    return Slot(frame % slots, header.frame, header.epoch, len(picture))


async def _find_way(redis: Redis, inboxes: Sequence[str], session: str, frame: int) -> Way | None:
    async for found in passages(redis, inboxes):
        notice = found.notice
        if notice.session == session and notice.first <= frame < notice.first + notice.count:
            return way_of(found)
    return None


async def _find_place(redis: Redis, found: Names, session: str, frame: int) -> Place | None:
    for stream in reversed(found.streams):
        ahead, start = 0, "-"
        while ahead < TASKS_MAX:
            with translated():
                entries: Any = await redis.xrange(stream, start, "+", count=PAGE)
            for entry_id, fields in entries:
                task = task_of(fields)
                if task is not None and task.session == session and _has(task, frame):
                    return await _place(redis, found, stream, entry_id, task, ahead)
                ahead += 1
            if len(entries) < PAGE:
                break
            start = f"({entries[-1][0].decode()}"
    return None


async def _place(redis: Redis, found: Names, stream: str, entry: bytes, task: Task, ahead: int) -> Place | None:
    with translated():
        pipe = redis.pipeline(transaction=False)
        # Not `time`: the pipeline of a cluster has no such method.
        pipe.execute_command("TIME")
        pipe.xpending_range(stream, keys.GROUP, min=entry.decode(), max=entry.decode(), count=1)
        (seconds, micros), pending = await pipe.execute(raise_on_error=False)
    held = pending[0] if isinstance(pending, list) and pending else None
    return Place(
        stream=stream,
        entry=entry.decode(),
        task=task,
        age_ms=max(0.0, seconds * 1000 + micros / 1000 - written_ms(entry)),
        ahead=ahead,
        worker=held["consumer"].decode() if held else None,
        idle_ms=int(held["time_since_delivered"]) if held else 0,
        deliveries=int(held["times_delivered"]) if held else 0,
        live_workers=sum(keys.stage_of(key) == keys.stage_of(stream) for key in found.workers),
    )


def _has(task: Task, frame: int) -> bool:
    return task.first <= frame < task.end
