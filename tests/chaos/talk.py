"""Live sessions as clients see them: what they said, when, and every frame that came back."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, NamedTuple

from lipstream_client import Flag, Frame, connect
from workers.offline.media import read_audio

CHUNK_MS: Final = 40
FRAME_S: Final = 0.04
_BYTES_PER_SAMPLE: Final = 2


class Speech(NamedTuple):
    """PCM16 and its rate."""

    pcm: bytes
    rate_hz: int

    @property
    def frames(self) -> int:
        """Frames that the speech has, at 25 a second."""
        samples = len(self.pcm) // _BYTES_PER_SAMPLE
        return -(-samples * 25 // self.rate_hz)


class Seen(NamedTuple):
    """A frame as the client got it; the digest covers the picture and all of the header but the epoch."""

    frame: int
    at_s: float
    concealed: bool
    digest: bytes


@dataclass(slots=True)
class Recording:
    """One session saying speech number `speech`. Times are of the monotonic clock."""

    session: str
    speech: int
    started_s: float
    seen: list[Seen] = field(default_factory=list)
    ended: bool = False


class Manner(NamedTuple):
    """How sessions are held."""

    avatar: str = "demo"
    output: Literal["frame", "patch"] = "frame"
    pace: Literal["live", "lossless"] = "live"


def speeches(count: int, seconds: float) -> list[Speech]:
    """So many different speeches: the console's sample, repeated, each begun elsewhere."""
    clip = read_audio(Path(str(files("gateway") / "console" / "sample.flac")))
    size = int(seconds * clip.rate_hz) * _BYTES_PER_SAMPLE
    starts = [len(clip.pcm) * k // count // 2 * 2 for k in range(count)]
    return [Speech(((clip.pcm[s:] + clip.pcm[:s]) * (size // len(clip.pcm) + 1))[:size], clip.rate_hz) for s in starts]


async def talk(urls: Sequence[str], number: int, speech: Speech, manner: Manner, recordings: list[Recording]) -> None:
    """Say a speech in a session of its own, on the clock when live; what becomes of it goes to `recordings` at once.

    The session begins at the first of the gateways and goes on at any of them.

    Raises
    ------
    LipstreamClientError, or a group of them
        The session broke off; the recording says by `ended` that it did not end well.
    """
    rate_hz, pace = speech.rate_hz, manner.pace
    async with connect(urls, avatar=manner.avatar, sample_rate=rate_hz, pace=pace, output=manner.output) as session:
        recording = Recording(session.started.session, number, time.monotonic())
        recordings.append(recording)

        async def send() -> None:
            async for chunk in chunks(speech, recording.started_s if pace == "live" else None):
                await session.send_audio(chunk)
            await session.end()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            async for frame in session.frames():
                recording.seen.append(seen(frame))
        recording.ended = session.ended is not None


async def chunks(speech: Speech, started_s: float | None) -> AsyncIterator[bytes]:
    """The speech in chunks; with a start, each when a microphone would have it."""
    size = speech.rate_hz * CHUNK_MS // 1000 * _BYTES_PER_SAMPLE
    for number, position in enumerate(range(0, len(speech.pcm), size)):
        if started_s is not None:
            await asyncio.sleep(max(0.0, started_s + number * CHUNK_MS / 1000 - time.monotonic()))
        yield speech.pcm[position : position + size]


def seen(frame: Frame) -> Seen:
    """What is kept of a frame that arrives now."""
    header = repr((frame.frame, frame.pts_us, frame.template, frame.bounds, int(frame.flags & ~Flag.CONCEALED)))
    digest = hashlib.blake2b(header.encode() + frame.picture, digest_size=16).digest()
    return Seen(frame.frame, time.monotonic(), Flag.CONCEALED in frame.flags, digest)
