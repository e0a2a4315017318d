"""Clients that speak at the pace of speech while something happens to Redis, and note what comes, and when."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from common.tasks import stop
from lipstream_client import Flag, Frame, Resumed, connect
from tests.integration.redis_servers import NODE_TIMEOUT_MS
from tests.pipeline import Pipeline, until
from tests.speech import RATE_HZ, say, speechlike

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


async def heard(url: str, pcm: bytes) -> tuple[str, list[Frame]]:
    """Speak on the clock; the session's id, and its frames."""
    async with (
        connect(url, avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as session,
        asyncio.TaskGroup() as tasks,
    ):

        async def speak() -> None:
            await say(session, pcm, pause_s=0.04)
            await session.end()

        tasks.create_task(speak())
        return session.started.session, [frame async for frame in session.frames()]


def concealed(frames: Sequence[Frame]) -> set[int]:
    return {frame.frame for frame in frames if Flag.CONCEALED in frame.flags}


@dataclass
class Speaker:
    """A live client that speaks on and on, and notes what comes back."""

    numbers: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    sessions: int = 0

    @property
    def heard_s(self) -> float:
        return self.times_s[-1] if self.times_s else 0.0

    def first_after(self, moment_s: float) -> float:
        return next(time_s for time_s in self.times_s if time_s > moment_s)

    async def speak(self, url: str, enough: asyncio.Event) -> None:
        async with connect(url, avatar="tiny", sample_rate=16_000) as session:
            names = {session.started.session}

            async def speak_on() -> None:
                begin_s, said = time.monotonic(), 0
                while not enough.is_set():
                    await session.send_audio(bytes(1_280))
                    said += 1
                    await asyncio.sleep(begin_s + said * 0.04 - time.monotonic())
                await session.end()

            saying = asyncio.create_task(speak_on())
            async for item in session:
                if isinstance(item, Resumed):
                    names.add(item.session)
                if isinstance(item, Frame):
                    self.numbers.append(item.frame)
                    self.times_s.append(time.monotonic())
            await saying
            self.sessions = len(names)
