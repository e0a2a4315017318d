"""Speech to a Lipstream gateway, lip-synced frames back.

    import asyncio
    from lipstream_client import connect

    async def show(pcm: bytes) -> None:
        async with connect("ws://127.0.0.1:3000", avatar="demo", sample_rate=24_000) as session:
            await session.send_audio(pcm)          # any chunk sizes, as they come from a microphone or a TTS
            await session.end()
            async for frame in session.frames():
                print(frame.frame, frame.pts_us, len(frame.picture))

    asyncio.run(show(bytes(48_000)))

Long audio is sent in one task and the frames read in another: the server reads no further while frames wait.
"""

from lipstream_client.errors import LipstreamClientError
from lipstream_client.events import (
    Cleared,
    Ended,
    Event,
    Hello,
    Pong,
    Resumed,
    Segment,
    SpeakEnded,
    SpeakStarted,
    Started,
    Stats,
    Switched,
)
from lipstream_client.frames import Flag, Frame
from lipstream_client.session import Session, connect

__all__ = [
    "Cleared",
    "Ended",
    "Event",
    "Flag",
    "Frame",
    "Hello",
    "LipstreamClientError",
    "Pong",
    "Resumed",
    "Segment",
    "Session",
    "SpeakEnded",
    "SpeakStarted",
    "Started",
    "Stats",
    "Switched",
    "connect",
]
