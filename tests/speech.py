"""Speech for tests: what is said, how it is sent, and what the renderer makes of it."""

import asyncio

import numpy as np

from common.avatars.package import Avatar
from common.frames import FrameHeader
from common.resample import StreamResampler
from common.settings import Settings
from lipstream_client import Session, connect
from tests.pipeline import Pipeline
from workers.offline.render import load_stages, render_frames

RATE_HZ = 24_000


def speechlike(samples: int, seed: int = 7) -> bytes:
    """Noise with a slow envelope, so that neighbouring frames differ."""
    noise = np.random.default_rng(seed).normal(size=samples)
    envelope = 0.5 + 0.5 * np.sin(np.arange(samples) / 3000)
    return (noise * envelope * 8000).clip(-32768, 32767).astype("<i2").tobytes()


def offline(avatar: Avatar, pcm: bytes, rate_hz: int) -> list[bytes]:
    """The pictures that the renderer makes of the same speech."""
    settings = Settings(avatars=(avatar.name,))
    resampler = StreamResampler(rate_hz)
    samples = resampler.push(pcm) + resampler.finish()
    messages = render_frames(avatar.manifest, load_stages(avatar, settings), samples, settings)
    return [FrameHeader.unpack(message)[1] for message in messages]


async def stream(
    pipeline: Pipeline, avatar: str, pcm: bytes, *, rate_hz: int = RATE_HZ, chunk_ms: int = 40, pause_s: float = 0.0
) -> list[bytes]:
    """The pictures that a client gets who wants every frame."""
    chunk_bytes = max(2, rate_hz * chunk_ms // 1000 * 2)
    async with connect(pipeline.url, avatar=avatar, sample_rate=rate_hz, pace="lossless") as session:

        async def send() -> None:
            for start in range(0, len(pcm), chunk_bytes):
                await session.send_audio(pcm[start : start + chunk_bytes])
                await asyncio.sleep(pause_s)
            await session.end()

        sending = asyncio.create_task(send())
        frames = [frame async for frame in session.frames()]
        await sending
    assert [frame.frame for frame in frames] == list(range(len(frames)))
    assert session.ended is not None
    assert session.ended.concealed == 0
    return [frame.picture for frame in frames]


async def say(session: Session, pcm: bytes, chunk: int = 1_920, pause_s: float = 0.0) -> None:
    for start in range(0, len(pcm), chunk):
        await session.send_audio(pcm[start : start + chunk])
        await asyncio.sleep(pause_s)
