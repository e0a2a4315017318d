"""The two rings of a session: the audio that came in, by frame, and the finished frames.

Both are addressed by the session's frame number, so a repeated write lands on itself.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from common import keys
from common.avatars.timeline import Span
from common.frames import HEADER_BYTES, FrameHeader
from common.media import BYTES_PER_SAMPLE
from common.redis_client import translated


def append_audio(pipe: Pipeline, session: str, frame: int, pcm: bytes, *, ring_frames: int) -> None:
    """Queue one frame of PCM for the audio ring; frames must come in rising order."""
    pipe.xadd(keys.audio_ring(session), {"pcm": pcm}, id=keys.audio_entry(frame), maxlen=ring_frames, approximate=False)


class AudioRange(NamedTuple):
    """Samples of a segment, and where the segment lies in its session's ring."""

    session: str
    base: int
    samples_per_frame: int
    span: Span


async def read_audio(redis: Redis, ranges: Sequence[AudioRange]) -> list[bytes]:
    """PCM of each range, in one round trip; shorter than asked where the ring has lost or not yet got samples."""
    with translated():
        pipe = redis.pipeline(transaction=False)
        for session, base, per_frame, span in ranges:
            first, last = base + span.start // per_frame, base + (span.stop - 1) // per_frame
            pipe.xrange(keys.audio_ring(session), keys.audio_entry(first), keys.audio_entry(last))
        replies: list[Any] = await pipe.execute()
    pieces = []
    for (_, base, per_frame, span), entries in zip(ranges, replies, strict=True):
        first = base + span.start // per_frame
        # A ring that has lost its head would shift every sample: give nothing instead.
        whole = entries and entries[0][0] == keys.audio_entry(first).encode()
        pcm = b"".join(fields[b"pcm"] for _, fields in entries) if whole else b""
        skip = (span.start % per_frame) * BYTES_PER_SAMPLE
        pieces.append(pcm[skip : skip + span.length * BYTES_PER_SAMPLE])
    return pieces


def write_frames(pipe: Pipeline, session: str, first: int, frames: Sequence[bytes], *, slots: int, ttl_s: int) -> None:
    """Queue finished frames (header and picture) for the frame ring."""
    ring = keys.frame_ring(session)
    pipe.hset(ring, mapping={str((first + k) % slots): frame for k, frame in enumerate(frames)})
    pipe.expire(ring, ttl_s)


def read_frames(pipe: Pipeline, session: str, frames: Sequence[int], *, slots: int) -> None:
    """Queue the look-up of frames in the frame ring; `accept` sorts the reply."""
    pipe.hmget(keys.frame_ring(session), [str(frame % slots) for frame in frames])


def accept(frames: Sequence[int], epoch: int, reply: Sequence[bytes | None]) -> dict[int, bytes]:
    """Of a look-up's reply, the messages that really are the wanted frames of the epoch."""
    found = {}
    for frame, message in zip(frames, reply, strict=True):
        if message is None or len(message) < HEADER_BYTES:
            continue
        header, _ = FrameHeader.unpack(message)
        if (header.frame, header.epoch) == (frame, epoch):
            found[frame] = message
    return found
