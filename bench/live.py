"""Live sessions side by side, as many as one likes, and what becomes of their frames."""

import asyncio
import time
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from bench.server import URL
from lipstream_client import Flag, Session, connect
from workers.offline.media import Clip, read_audio

FRAME_MS: Final = 40.0

Output = Literal["frame", "patch"]
Pace = Literal["live", "lossless"]


class Shown(NamedTuple):
    """A frame at its client; `late_ms` counts from when the chunk with its last needed sample was due."""

    at_s: float
    late_ms: float
    painted: bool
    picture_bytes: int


class Talk(NamedTuple):
    """What a session got from `begun_s` on, by this process' monotonic clock."""

    begun_s: float
    frames: list[Shown]


def speech(seconds: float) -> Clip:
    """The sample, over and over."""
    clip = read_audio(Path(str(files("gateway") / "console" / "sample.flac")))
    return Clip(np.resize(clip.samples, int(seconds * clip.rate_hz)), clip.rate_hz)


class Kind(NamedTuple):
    """How many sessions, and of which kind.

    Live ones send `at_once` messages of `chunk_ms` each right after each other, and wait until these would be spoken;
    lossless ones send all they have as fast as the server takes it.
    """

    sessions: int
    chunk_ms: float = FRAME_MS
    at_once: int = 1
    output: Output = "frame"
    avatar: str = "demo"
    pace: Pace = "live"


async def crowd(clip: Clip, kind: Kind) -> list[Talk]:
    """All of them at once, each on its own clock, spread over one chunk's time as independent speakers are."""
    apart_s = kind.at_once * kind.chunk_ms / 1000 / kind.sessions
    return await asyncio.gather(*(_talk(clip, kind, number * apart_s) for number in range(kind.sessions)))


async def _talk(clip: Clip, kind: Kind, delay_s: float) -> Talk:
    await asyncio.sleep(delay_s)
    rate_hz, beat_ms = clip.rate_hz, kind.at_once * kind.chunk_ms
    avatar, pace, output = kind.avatar, kind.pace, kind.output
    async with connect(URL, avatar=avatar, sample_rate=rate_hz, pace=pace, output=output) as session:
        begun_s = time.monotonic()
        sending = asyncio.create_task(_send(session, clip, kind, begun_s))
        lookahead_frames = -(-session.started.lookahead_ms // FRAME_MS)
        frames = []
        async for frame in session.frames():
            now_s = time.monotonic()
            # A frame is due when the chunk is sent that brings its last sample.
            beat = int((frame.frame + lookahead_frames) * FRAME_MS // beat_ms)
            due_s = begun_s + min(beat * beat_ms / 1000, clip.duration_s)
            painted = not frame.flags & Flag.CONCEALED
            frames.append(Shown(now_s, (now_s - due_s) * 1000, painted, len(frame.picture)))
        await sending
        return Talk(begun_s, frames)


async def _send(session: Session, clip: Clip, kind: Kind, begun_s: float) -> None:
    """On the clock, whatever the server does, as a microphone does; or, lossless, at once."""
    chunk_bytes = int(clip.rate_hz * kind.chunk_ms / 1000) * 2
    pcm = clip.pcm
    for number, position in enumerate(range(0, len(pcm), chunk_bytes)):
        due_s = begun_s + number // kind.at_once * kind.at_once * kind.chunk_ms / 1000
        if kind.pace == "live":
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        await session.send_audio(pcm[position : position + chunk_bytes])
    await session.end()
