"""A client that speaks at the pace of speech while something happens to Redis, and notes when its frames come."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from common.tasks import stop
from lipstream_client import connect
from lipstream_client.frames import Flag
from tests.integration.redis_servers import NODE_TIMEOUT_MS
from tests.pipeline import Pipeline, until
from tests.speech import RATE_HZ, speechlike

CHUNK_MS = 40
TALK_S = 60
"""Nobody talks for longer."""
BACK_S = 45
"""By then Redis has another master, on however slow a machine: one that was idle needed three seconds."""


class Shown(NamedTuple):
    """A frame as it came."""

    at_s: float
    frame: int
    concealed: bool


async def talk(pipeline: Pipeline, shown: list[Shown], enough: asyncio.Event) -> None:
    """Speak until it is enough; the frames go to `shown`, in order and up to the last, concealed ones too."""
    pcm, sent_bytes = speechlike(RATE_HZ * TALK_S), 0
    chunk_bytes = RATE_HZ * CHUNK_MS // 1000 * 2
    async with connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ, pace="live") as session:

        async def send() -> None:
            nonlocal sent_bytes
            begin_s = time.monotonic()
            while sent_bytes < len(pcm) and not enough.is_set():
                await session.send_audio(pcm[sent_bytes : sent_bytes + chunk_bytes])
                sent_bytes += chunk_bytes
                await asyncio.sleep(max(0.0, begin_s + sent_bytes / RATE_HZ / 2 - time.monotonic()))
            await session.end()

        sending = asyncio.create_task(send())
        try:
            async for frame in session.frames():
                shown.append(Shown(time.monotonic(), frame.frame, Flag.CONCEALED in frame.flags))
        finally:
            await stop(sending)
    assert [each.frame for each in shown] == sorted({each.frame for each in shown})
    assert shown[-1].frame + 1 == sent_bytes // chunk_bytes


async def outlive(pipeline: Pipeline, kill: Callable[[], None]) -> None:
    """Kill a master while two sessions speak, and let them speak until both do so again."""
    heard: list[list[Shown]] = [[], []]
    enough = asyncio.Event()
    talking = [asyncio.create_task(talk(pipeline, shown, enough)) for shown in heard]
    await until(lambda: all(heard))
    kill()
    killed_s = time.monotonic()
    await until(lambda: all(speaks_again(shown, killed_s) for shown in heard), BACK_S)
    enough.set()
    await asyncio.gather(*talking)


def speaks_again(shown: Sequence[Shown], killed_s: float) -> bool:
    """Whether frames that were made for their moment came when none that was under way at `killed_s` could."""
    return any(each.at_s > killed_s + NODE_TIMEOUT_MS / 1000 and not each.concealed for each in shown)
