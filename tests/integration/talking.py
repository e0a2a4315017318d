"""A client that speaks at the pace of speech while something happens to Redis, and notes when its frames come."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from common.tasks import stop
from lipstream_client import connect
from lipstream_client.frames import Flag
from tests.integration.redis_servers import NODE_TIMEOUT_MS
from tests.integration.test_pipeline import RATE_HZ, speechlike
from tests.pipeline import Pipeline

CHUNK_MS = 40


class Shown(NamedTuple):
    """A frame as it came."""

    at_s: float
    frame: int
    concealed: bool


async def talk(pipeline: Pipeline, seconds: float) -> list[Shown]:
    """Speak for so long; the frames, in order and up to the last, be some of them concealed or skipped."""
    pcm = speechlike(round(RATE_HZ * seconds))
    chunk_bytes = RATE_HZ * CHUNK_MS // 1000 * 2
    async with connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ, pace="live") as session:

        async def send() -> None:
            begin_s = time.monotonic()
            for number, start in enumerate(range(0, len(pcm), chunk_bytes)):
                await session.send_audio(pcm[start : start + chunk_bytes])
                await asyncio.sleep(max(0.0, begin_s + number * CHUNK_MS / 1000 - time.monotonic()))
            await session.end()

        sending = asyncio.create_task(send())
        try:
            shown = [Shown(time.monotonic(), f.frame, Flag.CONCEALED in f.flags) async for f in session.frames()]
        finally:
            await stop(sending)
    assert [each.frame for each in shown] == sorted({each.frame for each in shown})
    assert shown[-1].frame + 1 == -(-len(pcm) // 2 * 25 // RATE_HZ)
    return shown


def speaks_again(shown: Sequence[Shown], killed_s: float) -> bool:
    """Whether frames that were made for their moment came when none that was under way at `killed_s` could."""
    return any(each.at_s > killed_s + NODE_TIMEOUT_MS / 1000 and not each.concealed for each in shown)
