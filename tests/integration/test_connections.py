"""One connection blocks for each reader, none for a session."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from lipstream_client import Frame, Session, connect
from tests.pipeline import BUILDERS, running, stages_are_empty
from tests.speech import RATE_HZ, speechlike

SESSIONS = 20
READERS = len(BUILDERS) + 1
"""The work stream of each worker, and the gateway's inbox."""


async def connections(redis: Redis) -> list[dict[str, str]]:
    found: Any = await redis.client_list()
    return list(found)


async def most_blocked(redis: Redis) -> int:
    """Connections that wait in a blocking read at a time; a reader that has just read something does not."""
    await stages_are_empty(redis)
    looks = [await connections(redis) for _ in range(50)]
    return max(sum("b" in each["flags"] for each in look) for look in looks)


async def heard(session: Session) -> None:
    """Speak, and hear the first of it."""
    await session.send_audio(speechlike(RATE_HZ // 2))
    async for item in session:
        if isinstance(item, Frame):
            return


async def test_the_connections_to_redis_do_not_grow_with_the_sessions(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline, AsyncExitStack() as stack:

        async def open_and_speak() -> None:
            session = await stack.enter_async_context(connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ))
            await heard(session)

        await open_and_speak()
        before = len(await connections(pipeline.redis))
        assert await most_blocked(pipeline.redis) == READERS
        for _ in range(SESSIONS - 1):
            await open_and_speak()
        assert len(pipeline.gateway.sessions) == SESSIONS
        assert await most_blocked(pipeline.redis) == READERS
        # Commands that are under way at the same time have one each, which is used again.
        assert len(await connections(pipeline.redis)) - before < SESSIONS / 2
